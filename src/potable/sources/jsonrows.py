"""Records inside a JSON value: found through lists, seen from the record around them, taken apart by paths.

Values are those of `jsontext.decode`. What the paths of a table may be is declared in `json`.

Entry: `below` for the records, `column_texts` and `rest_texts` for their texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from potable.sources.blobs import Malformed
from potable.sources.cells import Cells, apart, texts
from potable.sources.jsontext import canonical, decode, is_number, text
from potable.sources.keypaths import joined, steps

SIGNS = "@#/"
"""What is no part of a key in a path, or none at its start, but for quotes."""


@dataclass(frozen=True, slots=True)
class Row:
    """A record where it stands: its number among those at its path, and the record around it."""

    value: Any
    number: int
    place: int
    """Its position in the list it is in."""
    above: Row | None = None


def rest_texts(rows: Sequence[Row], paths: Sequence[str]) -> pa.StringArray:
    """What of each record lies at none of `paths`, as canonical JSON."""
    taken: dict[str, Any] = {}
    for path in paths:
        if not path.startswith((".", "@", "#")):
            tree = taken
            *way, last = steps(path)
            for step in way:
                tree = tree.setdefault(step, {})
                if tree is None:
                    break
            else:
                tree[last] = None
    kept = [_without(row.value, taken) for row in rows]
    return texts([canonical(rest) if rest else None for rest in kept])


def below(value: Any, left: tuple[str, ...], above: Row | None, numbers: Counter[int], place: int = 0) -> Iterator[Row]:
    """The records at the steps `left` below `value`, which is one itself when none is left."""
    numbers[len(left)] += 1
    here = Row(value, numbers[len(left)], place or numbers[len(left)], above)
    if not left:
        yield here
        return
    for index, step in enumerate(left, 1):
        value = value.get(step) if type(value) is dict else None
        if type(value) is list:
            for position, item in enumerate(value, 1):
                yield from below(item, left[index:], here, numbers, position)
            return
    if value is not None:
        yield from below(value, (), here, numbers, 1)


def depth_of(piece: bytes, left: tuple[str, ...]) -> int | None:
    """How many records lie around those at the steps `left` below a piece; None where there is none."""
    try:
        row = next(below(decode(piece), left, None, Counter()), None)
    except ValueError:
        return None
    if row is None:
        return None
    depth = 0
    while row.above:
        row, depth = row.above, depth + 1
    return depth


def ups_of(path: str) -> int:
    """How many records further out a path leads."""
    return 1 + ups_of(path[3:]) if path.startswith("../") else 0


def value_at(row: Row, path: str) -> Any:
    """What stands at `path`, seen from a record."""
    return values_at([row], path)[0]


def values_at(rows: Sequence[Row], path: str) -> list[Any]:
    """What stands at `path`, seen from each of some records.

    Raises:
        Malformed: it leads out of the outermost list.
    """
    if path == "#":
        return [str(row.place) for row in rows]
    around = rows
    while path.startswith("../"):
        path = path.removeprefix("../")
        above = [row.above for row in around]
        around = [row for row in above if row]
        if len(around) < len(above):
            raise Malformed("a column's path leads out of the outermost list")
    if path == "#":
        return [str(row.number) for row in around]
    values = [row.value for row in around]
    for step in steps(path) if path != "." else ():
        values = [value.get(step) if type(value) is dict else None for value in values]
    return values


def column_texts(rows: Sequence[Row], paths: Sequence[str], *, told: bool = False) -> Cells:
    """The texts at the first of `paths` that has a value, record by record; numbers `told` apart from them."""
    values = values_at(rows, paths[0])
    for path in paths[1:]:
        lacking = [number for number, value in enumerate(values) if value is None]
        for number, value in zip(lacking, values_at([rows[number] for number in lacking], path), strict=True):
            values[number] = value
    found = texts([text(value) for value in values])
    return apart(found, [is_number(value) for value in values]) if told else found


def _without(value: Any, taken: dict[str, Any]) -> Any:
    """`value` without what lies at the leaves of `taken`."""
    if type(value) is not dict:
        return value
    kept = {}
    for name, inner in value.items():
        below = taken.get(name, {})
        if below is None:
            continue
        rest = _without(inner, below) if below else inner
        if rest != {} or inner == {}:
            kept[name] = rest
    return kept


def leaves(value: Any, path: str, ends: set[str]) -> Iterator[str]:
    """Paths of all values that are no objects, or lie at one of `ends`."""
    if type(value) is dict and path not in ends:
        for name, inner in value.items():
            yield from leaves(inner, joined(path, name, SIGNS), ends)
    elif path:
        yield path
