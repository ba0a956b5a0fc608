"""Telephone numbers and postal addresses in the formats of four countries.

Numbers are all different (a multiplicative step through a prime), written with varied punctuation.
Entry: build_contact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potable.estate import names
from potable.estate.draws import Ints, between, chance, falling, pick
from potable.estate.render import digits, join, take, whole

_PRIME = 7_999_993
_PREFIX = {
    "IN": ("987", "991", "900", "810", "701", "944"),
    "US": ("212", "312", "415", "512", "617", "720", "404", "602", "206", "214"),
    "GB": ("770", "771", "774", "775", "777", "778", "779"),
    "DE": ("151", "160", "162", "170", "171", "172", "175", "176"),
}
_AREAS = ("SW", "M", "B", "LS", "G", "BS", "EH", "CF", "S", "L", "RG", "YO")


@dataclass(frozen=True)
class Contact:
    """One telephone number and one address per stint."""

    phone: pa.Array
    street: pa.Array
    city: pa.Array
    postcode: pa.Array


def _cut(text: pa.Array, start: int, stop: int) -> pa.Array:
    return pc.utf8_slice_codeunits(text, start, stop)


def _phone_styles(code: str, prefix: pa.Array, number: pa.Array) -> Sequence[pa.Array]:
    """Four usual spellings of the same number; `number` has seven digits."""
    if code == "IN":
        full = join(prefix, number)
        left, right = _cut(full, 0, 5), _cut(full, 5, 10)
        return join("+91 ", left, " ", right), join("0", full), join("+91-", full), join(left, "-", right)
    if code == "US":
        exchange, line = _cut(number, 0, 3), _cut(number, 3, 7)
        return (
            join("(", prefix, ") ", exchange, "-", line),
            join(prefix, "-", exchange, "-", line),
            join("+1 ", prefix, " ", exchange, " ", line),
            join(prefix, ".", exchange, ".", line),
        )
    if code == "GB":
        head, tail = join(prefix, _cut(number, 0, 1)), _cut(number, 1, 7)
        return (
            join("0", head, " ", tail),
            join("+44 ", head, " ", tail),
            join("(0", head, ") ", tail),
            join("+44 (0)", head, tail),
        )
    return (
        join("0", prefix, " ", number),
        join("+49 ", prefix, " ", number),
        join("0", prefix, "/", number),
        join("+49 (0) ", prefix, " ", _cut(number, 0, 2), " ", _cut(number, 2, 4), " ", _cut(number, 4, 7)),
    )


def _phones(rng: np.random.Generator, code: str, serial: Ints) -> pa.Array:
    prefix = pa.array(_PREFIX[code])
    head = take(prefix, pick(rng, falling(len(prefix)), len(serial)))
    number = (serial * 48_271 + 3_141_592) % _PRIME
    # a North American exchange starts with 2 to 9
    number = number + 2_000_000 if code == "US" else number
    styles = _phone_styles(code, head, digits(number, 7))
    return pc.choose(pa.array(pick(rng, [4, 3, 2, 1], len(serial))), *styles)


def _streets(rng: np.random.Generator, code: str, size: int) -> pa.Array:
    pool = pa.array(names.words(names.STREETS[code]))
    street = take(pool, pick(rng, falling(len(pool)), size))
    house = whole(1 + (rng.gamma(1.3, 40, size)).astype(np.int64))
    if code == "DE":
        return join(street, " ", house, take(pa.array(["", "a", "b", "c"]), pick(rng, [90, 5, 3, 2], size)))
    if code == "IN":
        flat = whole(between(rng, 1, 40, size))
        return join("Flat ", flat, ", ", house, " ", street)
    return join(house, " ", street)


def _postcodes(rng: np.random.Generator, code: str, city: Ints) -> pa.Array:
    number = between(rng, 0, 9999, len(city))
    if code == "GB":
        letters = pa.array([a + b for a in "ABDEFGHJLN" for b in "PQRSTUWXYZ"])
        area = take(pa.array(_AREAS), city)
        return join(area, whole(1 + number % 20), " ", whole(number % 9 + 1), take(letters, number % 100))
    if code == "IN":
        return digits((1 + city % 8) * 100_000 + number, 6)
    return digits((1 + city % 9) * 10_000 + number, 5)


def build_contact(rng: np.random.Generator, country: Ints, person: Ints) -> Contact:
    """Contact data per stint; a later stint mostly keeps what the person had.

    Args:
        rng: The stream of this purpose.
        country: Country index per person.
        person: Person per stint; stint i is the first one of person i while i < len(country).
    """
    where = country[person]
    columns = np.empty((4, len(person)), dtype=object)
    for index, code in enumerate(names.COUNTRIES):
        rows = np.flatnonzero(where == index)
        city = pick(rng, falling(12), len(rows))
        columns[0, rows] = _phones(rng, code, rows)
        columns[1, rows] = _streets(rng, code, len(rows))
        columns[2, rows] = take(pa.array(names.words(names.CITIES[code])), city)
        columns[3, rows] = _postcodes(rng, code, city)
    later = np.arange(len(country), len(person))
    stayed = later[~chance(rng, 0.3, len(later))]
    columns[1:, stayed] = columns[1:, person[stayed]]
    same_phone = later[~chance(rng, 0.2, len(later))]
    columns[0, same_phone] = columns[0, person[same_phone]]
    return Contact(*(pa.array(column, pa.string()) for column in columns))
