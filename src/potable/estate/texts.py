"""Free texts with personal data in known places.

Sentences are drawn and filled in whole columns, while the position of every name, address and number in
the finished text is added up, in characters. Entry: compose.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potable.estate.draws import Ints, between, chance, pick
from potable.estate.render import join, take
from potable.estate.truth import Truth
from potable.estate.world import World

SLOTS = (
    "first_name",
    "full_name",
    "email",
    "personal_email",
    "phone",
    "emp_no",
    "national_id",
    "address",
    "peer_name",
    "peer_email",
)
_KIND = {"personal_email": "email", "peer_name": "full_name", "peer_email": "email"}
KINDS = tuple(_KIND.get(slot, slot) for slot in SLOTS)
_PEER = SLOTS.index("peer_name")
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Phrases:
    """Sentences cut into three literals and two slots (len(SLOTS) is the slot that stays empty)."""

    literals: tuple[pa.Array, pa.Array, pa.Array]
    slots: tuple[Ints, Ints]
    groups: tuple[Ints, ...]
    """Sentence numbers of each group; the last group holds the sentences that name people."""


@dataclass(frozen=True)
class Cast:
    """Who may be named in each text: the subject's own data and a colleague's."""

    values: tuple[pa.Array, ...]
    """One column per slot, in the order of SLOTS."""
    subject: Ints
    """Person of each text."""
    peer: Ints


@dataclass(frozen=True)
class Texts:
    """Finished texts and every identifier in them."""

    text: pa.Array
    row: Ints
    start: Ints
    end: Ints
    kind: Ints
    """Index into SLOTS."""
    value: pa.Array
    person: Ints


def phrases(*groups: Sequence[str]) -> Phrases:
    """Sentences of several groups, ready to be drawn from; sentence 0 is empty."""
    cut = [_cut("")]
    numbers = []
    for group in groups:
        numbers.append(np.arange(len(cut), len(cut) + len(group), dtype=np.int64))
        cut += [_cut(sentence) for sentence in group]
    literals = [pa.array([row[0][at] for row in cut], pa.string()) for at in range(3)]
    slots = [np.array([row[1][at] for row in cut], dtype=np.int64) for at in range(2)]
    return Phrases((literals[0], literals[1], literals[2]), (slots[0], slots[1]), tuple(numbers))


def _cut(sentence: str) -> tuple[list[str], list[int]]:
    parts = _SLOT.split(sentence)
    slots = [SLOTS.index(name) for name in parts[1::2]]
    empty = len(SLOTS)
    return [*parts[0::2], "", ""][:3], [*slots, empty, empty][:2]


def cast(world: World, stints: Ints, peers: Ints, days: Ints) -> Cast:
    """The data that can be named in texts about `stints` written on `days`, with one colleague each."""
    people = world.people
    person = world.person(stints)
    # a colleague who has gone is named as on the last day
    then = np.clip(days, world.force.hired[peers], world.force.left[peers])
    values = (
        people.given_name(stints),
        world.full_name(stints, days),
        world.email(stints, days),
        take(people.personal_email, person),
        take(people.contact.phone, stints),
        world.emp_no(stints),
        take(people.national_id, person),
        take(people.contact.street, stints),
        world.full_name(peers, then),
        world.email(peers, then),
    )
    return Cast(values, person, world.person(peers))


@dataclass(frozen=True)
class Style:
    """How texts of one kind are written."""

    book: Phrases
    named: float = 0.35
    """Share of sentences that name somebody."""
    gaps: tuple[str, ...] = (" ", "\n", "\n\n")
    """What may stand between two sentences."""
    gap_weights: tuple[float, ...] = (0.75, 0.2, 0.05)


def compose(rng: np.random.Generator, style: Style, people: Cast, *, group: Ints, count: Ints) -> Texts:
    """One text per row, with every identifier in it.

    Args:
        rng: The stream of this purpose.
        style: Sentences and how they are strung together.
        people: Who may be named in each row.
        group: Which group of plain sentences suits each row.
        count: Number of sentences of each row (0 gives an empty text).
    """
    size = len(count)
    # the empty slot is one more column of the pool
    pool = pa.concat_arrays([*people.values, pa.repeat("", size)])
    length = np.zeros(size, dtype=np.int64)
    sentences: list[pa.Array] = []
    found: list[tuple[Ints, Ints, pa.Array]] = []
    for place in range(int(count.max(initial=0))):
        chosen = np.where(count > place, _draw(rng, style, group), 0)
        gap = np.where((count > place) & (place > 0), 1 + pick(rng, style.gap_weights, size), 0)
        before = take(pa.array(["", *style.gaps]), gap)
        parts, slots = _fill(style.book, chosen, pool)
        sentences.append(join(before, *parts))
        ends = np.cumsum([length, _length(before), *map(_length, parts)], axis=0)
        found += [(ends[at], slot, parts[at - 1]) for at, slot in ((2, slots[0]), (4, slots[1]))]
        length = ends[-1]
    text = join(*sentences) if sentences else pa.repeat("", size)
    return _spans(text, found, people)


def _draw(rng: np.random.Generator, style: Style, group: Ints) -> Ints:
    *plain, named = style.book.groups
    chosen = np.zeros(len(group), dtype=np.int64)
    for index, numbers in enumerate(plain):
        rows = np.flatnonzero(group == index)
        chosen[rows] = numbers[between(rng, 0, len(numbers) - 1, len(rows))]
    other = named[between(rng, 0, len(named) - 1, len(group))]
    return np.where(chance(rng, style.named, len(group)), other, chosen)


def _fill(book: Phrases, chosen: Ints, pool: pa.Array) -> tuple[list[pa.Array], list[Ints]]:
    rows, size = np.arange(len(chosen)), len(chosen)
    slots = [slot[chosen] for slot in book.slots]
    words = [take(pool, slot * size + rows) for slot in slots]
    first, second, third = (take(literal, chosen) for literal in book.literals)
    return [first, words[0], second, words[1], third], slots


def _length(column: pa.Array) -> Ints:
    return np.asarray(pc.utf8_length(column)).astype(np.int64)


def _spans(text: pa.Array, found: list[tuple[Ints, Ints, pa.Array]], people: Cast) -> Texts:
    """Gathers the filled slots of all sentences, in order of row and place."""
    rows, starts, kinds, values = [], [], [], []
    for start, slot, value in found:
        used = np.flatnonzero(slot < len(SLOTS))
        rows.append(used)
        starts.append(start[used])
        kinds.append(slot[used])
        values.append(take(value, used))
    if not rows:
        none = np.zeros(0, dtype=np.int64)
        return Texts(text, none, none, none, none, pa.array([], pa.string()), none)
    row, start, kind = np.concatenate(rows), np.concatenate(starts), np.concatenate(kinds)
    order = np.lexsort((start, row))
    row, start, kind = row[order], start[order], kind[order]
    value = take(pa.concat_arrays(values), order)
    person = np.where(kind >= _PEER, people.peer[row], people.subject[row])
    return Texts(text, row, start, start + _length(value), kind, value, person)


def tell(truth: Truth, place: tuple[str, str], column: str, locators: pa.Array, texts: Texts) -> None:
    """Writes the identifiers of texts to the truth; `locators` has one element per text."""
    truth.add(
        "pii",
        {
            "system": place[0],
            "table": place[1],
            "locator": take(locators, texts.row),
            "column": column,
            "start": pa.array(texts.start, pa.int32()),
            "end": pa.array(texts.end, pa.int32()),
            "kind": take(pa.array(KINDS), texts.kind),
            "value": texts.value,
            "person_id": pa.array(texts.person + 1),
        },
    )


def only(texts: Texts, rows: Ints) -> Texts:
    """The texts of some rows (ascending, each once), rows counted anew from 0."""
    place = np.full(len(texts.text), -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    kept = np.flatnonzero(place[texts.row] >= 0)
    return Texts(
        text=take(texts.text, rows),
        row=place[texts.row[kept]],
        start=texts.start[kept],
        end=texts.end[kept],
        kind=texts.kind[kept],
        value=take(texts.value, kept),
        person=texts.person[kept],
    )
