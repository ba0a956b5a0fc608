"""Drift of a source against its contract: new and missing columns, objects written another way than most.

Landing never fails on drift; what it means is the contract's `drift` policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from potable.errors import DataError
from potable.tables import Table

_WORDS = {
    "new_column": "has the undeclared column",
    "missing_column": "no longer has",
    "dialect": "has objects that are written another way than most:",
}
_HINTS = {"dialect": "declare how the files are written (`delimiter`, `encoding`), or change the policy"}


@dataclass(frozen=True)
class Drift:
    """One kind of change, with the first object that shows it."""

    change: str
    """`new_column`, `missing_column` or `dialect`."""
    column: str
    """Name of the column; for a dialect what was found, such as `delimiter ;`."""
    objects: int
    """How many objects show it."""
    first: str
    """Name of the first of them."""


@dataclass(frozen=True)
class Seen:
    """How the columns of some objects differ from the contract; what is seen of others adds up."""

    objects: int = 0
    """Objects whose columns can be known."""
    new: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """Undeclared columns: how many objects have each, and the first of them."""
    missing: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """Declared columns: how many objects lack each, and the first of them."""
    dialects: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """What was found about how objects are written: in how many, and the first of them."""

    def plus(self, other: Seen) -> Seen:
        """What is seen of the objects of both."""
        return Seen(
            self.objects + other.objects,
            _sum(self.new, other.new),
            _sum(self.missing, other.missing),
            _sum(self.dialects, other.dialects),
        )


def observe(
    table: Table, observed: Mapping[str, Iterable[str]], dialects: Mapping[str, Iterable[str]] | None = None
) -> Seen:
    """What is seen of objects whose columns are `observed` and ways of writing `dialects` (by object name)."""
    declared = {path.lstrip("/") for name, column in table.columns.items() for path in column.paths(name)}
    new: dict[str, tuple[int, str]] = {}
    missing: dict[str, tuple[int, str]] = {}
    for name in sorted(observed):
        columns = set(observed[name])
        new = _sum(new, {column: (1, name) for column in columns - declared})
        for column, contract in table.columns.items():
            virtual = any(path.startswith(("@", "/")) for path in contract.paths(column))
            if not virtual and not columns & set(contract.paths(column)):
                missing = _sum(missing, {column: (1, name)})
    ways: dict[str, tuple[int, str]] = {}
    for name, parts in sorted((dialects or {}).items()):
        ways = _sum(ways, {part: (1, name) for part in parts})
    return Seen(len(observed), new, missing, ways)


def compare(table: Table, seen: Seen, *, fixed: bool) -> list[Drift]:
    """What changed against the contract, by the first object that shows it.

    Args:
        fixed: whether every object must have every column (CSV, SQL); elsewhere a record may lack some,
            and a column is missing only when no object has it.
    """
    needed = 1 if fixed else seen.objects
    lost = {column: seen.missing[column] for column in table.columns if column in seen.missing}
    lost = {column: (objects, first) for column, (objects, first) in lost.items() if objects >= needed}
    return [
        Drift(change, column, objects, first)
        for change, found in (
            ("new_column", dict(sorted(seen.new.items()))),
            ("missing_column", lost),
            ("dialect", _unusual(seen.dialects)),
        )
        for column, (objects, first) in sorted(found.items(), key=lambda item: item[1][1])
    ]


def _unusual(dialects: Mapping[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    """Everything but what most objects have, kind by kind; of equally many the one whose first object sorts first."""
    usual: dict[str, str] = {}
    for part in sorted(dialects, key=lambda part: (-dialects[part][0], dialects[part][1], part)):
        usual.setdefault(part.split(" ")[0], part)
    return {part: found for part, found in sorted(dialects.items()) if part not in usual.values()}


def _sum(one: Mapping[str, tuple[int, str]], other: Mapping[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    shared = {name: (one[name][0] + other[name][0], min(one[name][1], other[name][1])) for name in one if name in other}
    return {**one, **other, **shared}


def refuse(name: str, table: Table, drifts: Iterable[Drift]) -> None:
    """Stop where the policy says so.

    Raises:
        DataError: D002, a change whose policy is `fail`.
    """
    for drift in drifts:
        if getattr(table.drift, drift.change) == "fail":
            what = _WORDS[drift.change]
            raise DataError(
                f"`{name}` {what} `{drift.column}` (first seen in {drift.first})",
                "D002",
                allowed=f"drift.{drift.change}: allow | warn | fail, in the contract",
                hint=_HINTS.get(
                    drift.change, "declare the new name as a second `path` of the column, or change the policy"
                ),
                state="the objects stay in the raw zone; the last version is current",
                next="potable check",
            )
