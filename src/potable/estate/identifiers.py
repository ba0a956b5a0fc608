"""National numbers with the check rules of their countries, made and checked in whole arrays.

Aadhaar: Verhoeff (1969) over twelve digits. PAN: five letters, the fourth P for a person, the fifth the
surname's initial, four digits, one letter. SSN: area 001-899 without 666, group 01-99, serial 0001-9999.
NINO: HMRC's allowed prefixes. Steuer-ID: ISO 7064 MOD 11,10, exactly one digit twice in the first ten.
The `*_ok` functions are the plain, slow rules the fast ones are tested against.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from potable.estate.draws import Ints, between, pick

ID_TYPES = ("aadhaar", "pan", "ssn", "nino", "steuer_id")
_LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
_NINO_PREFIXES = [
    first + second
    for first in "ABCEGHJKLMNOPRSTWXYZ"
    for second in "ABCEGHJKLMNPRSTWXYZ"
    if first + second not in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}
]
_D5 = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
        [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
        [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
        [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
        [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
        [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
        [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
        [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    ]
)
_INVERSE = np.array([0, 4, 3, 2, 1, 5, 6, 7, 8, 9])
_STEP = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _permutations() -> Ints:
    table = [tuple(range(10))]
    for _ in range(7):
        table.append(tuple(table[-1][digit] for digit in _STEP))
    return np.array(table, dtype=np.int64)


_P8 = _permutations()


def _number(digits: Ints) -> Ints:
    """Rows of digits read as one whole number each."""
    return np.asarray(digits @ (10 ** np.arange(digits.shape[1] - 1, -1, -1, dtype=np.int64)), dtype=np.int64)


def verhoeff_digit(digits: Ints) -> Ints:
    """The check digit of each row of digits."""
    state = np.zeros(len(digits), dtype=np.int64)
    for place in range(digits.shape[1]):
        state = _D5[state, _P8[(place + 1) % 8, digits[:, -1 - place]]]
    return np.asarray(_INVERSE[state], dtype=np.int64)


def mod_11_10_digit(digits: Ints) -> Ints:
    """The ISO 7064 MOD 11,10 check digit of each row of digits."""
    product = np.full(len(digits), 10, dtype=np.int64)
    for place in range(digits.shape[1]):
        total = (digits[:, place] + product) % 10
        total[total == 0] = 10
        product = (2 * total) % 11
    return np.asarray((11 - product) % 10, dtype=np.int64)


def _aadhaar(rng: np.random.Generator, size: int) -> list[str]:
    digits = between(rng, 0, 9, size * 11).reshape(size, 11)
    digits[:, 0] = between(rng, 2, 9, size)
    whole = _number(np.c_[digits, verhoeff_digit(digits)])
    # twelve nines carry a right check digit, but are what people type when they have none
    return [f"{value:012d}" for value in whole.tolist() if value != 999_999_999_999]


def _steuer_id(rng: np.random.Generator, size: int) -> list[str]:
    digits = np.argsort(rng.random((size, 10)), axis=1).astype(np.int64)
    rows = np.arange(size)
    first = between(rng, 0, 9, size)
    digits[rows, first] = digits[rows, (first + between(rng, 1, 9, size)) % 10]
    leading = digits[:, 0] == 0
    digits[leading] = (digits[leading] + 1) % 10
    whole = _number(np.c_[digits, mod_11_10_digit(digits)])
    return [f"{value:011d}" for value in whole.tolist()]


def _ssn(rng: np.random.Generator, size: int) -> list[str]:
    area = between(rng, 1, 898, size)
    area += area >= 666
    group, serial = between(rng, 1, 99, size), between(rng, 1, 9999, size)
    parts = zip(area.tolist(), group.tolist(), serial.tolist(), strict=True)
    return [f"{a:03d}-{g:02d}-{s:04d}" for a, g, s in parts]


def _nino(rng: np.random.Generator, size: int) -> list[str]:
    prefix = between(rng, 0, len(_NINO_PREFIXES) - 1, size).tolist()
    number, suffix = between(rng, 0, 999_999, size).tolist(), between(rng, 0, 3, size).tolist()
    return [f"{_NINO_PREFIXES[p]}{n:06d}{'ABCD'[s]}" for p, n, s in zip(prefix, number, suffix, strict=True)]


def _pan_stems(rng: np.random.Generator, size: int) -> list[str]:
    # no PAN of the workforce starts with Z: those belong to nobody (see defects.py)
    codes = np.c_[between(rng, 0, 24, size), between(rng, 0, 25, size * 3).reshape(size, 3)]
    number = between(rng, 1, 9999, size).tolist()
    letters = ["".join(row) for row in _LETTERS[codes].tolist()]
    return [f"{text[:3]}P?{n:04d}{text[3]}" for text, n in zip(letters, number, strict=True)]


_Maker = Callable[[np.random.Generator, int], list[str]]


def _distinct(make: _Maker, rng: np.random.Generator, size: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < size:
        found.update(dict.fromkeys(make(rng, size - len(found) + 8)))
    return list(found)[:size]


_MAKERS = (_aadhaar, _pan_stems, _ssn, _nino, _steuer_id)


def national_ids(rng: np.random.Generator, countries: Ints, initials: list[str]) -> tuple[Ints, pa.Array]:
    """One national number per person.

    Args:
        rng: The stream of this purpose.
        countries: Index into names.COUNTRIES per person.
        initials: First letter of each person's surname (PAN's fifth letter).

    Returns:
        Index into ID_TYPES and the number, both per person; no number occurs twice.
    """
    kinds = np.array([0, 2, 3, 4])[countries]
    kinds = np.where((countries == 0) & (pick(rng, [0.7, 0.3], len(countries)) == 1), 1, kinds)
    values = np.empty(len(countries), dtype=object)
    for kind, make in enumerate(_MAKERS):
        rows = np.flatnonzero(kinds == kind)
        made = _distinct(make, rng, len(rows))
        if kind == 1:
            made = [text.replace("?", initials[row]) for text, row in zip(made, rows.tolist(), strict=True)]
        values[rows] = made
    return kinds.astype(np.int64), pa.array(values, pa.string())


def aadhaar_ok(text: str) -> bool:
    """Whether twelve digits carry a right Verhoeff digit."""
    if not re.fullmatch(r"[2-9][0-9]{11}", text):
        return False
    state = 0
    for place, digit in enumerate(reversed(text)):
        state = int(_D5[state, _P8[place % 8, int(digit)]])
    return state == 0


def pan_ok(text: str) -> bool:
    """Whether the text has the form of a person's PAN."""
    return re.fullmatch(r"[A-Z]{3}P[A-Z][0-9]{4}[A-Z]", text) is not None


def ssn_ok(text: str) -> bool:
    """Whether the text is an SSN that could have been issued."""
    return re.fullmatch(r"(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}", text) is not None


def nino_ok(text: str) -> bool:
    """Whether the text is a NINO with an allowed prefix."""
    return re.fullmatch(r"[A-Z]{2}[0-9]{6}[A-D]", text) is not None and text[:2] in _NINO_PREFIXES


def steuer_id_ok(text: str) -> bool:
    """Whether eleven digits are a Steuer-ID: one digit twice or thrice, the others once, right check."""
    if not re.fullmatch(r"[1-9][0-9]{10}", text):
        return False
    counts = sorted(text[:10].count(digit) for digit in set(text[:10]))
    if counts[-1] not in (2, 3) or counts[-2] != 1:
        return False
    product = 10
    for digit in text[:10]:
        product = (2 * ((int(digit) + product) % 10 or 10)) % 11
    return (11 - product) % 10 == int(text[10])


CHECKS: dict[str, Callable[[str], bool]] = dict(
    zip(ID_TYPES, (aadhaar_ok, pan_ok, ssn_ok, nino_ok, steuer_id_ok), strict=True)
)
