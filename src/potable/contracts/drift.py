"""Drift of a source's columns against its contract: new and missing ones, object by object.

Landing never fails on drift; what it means is the contract's `drift` policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from potable.errors import DataError
from potable.tables import Table


@dataclass(frozen=True)
class Drift:
    """One kind of change, with the first object that shows it."""

    change: str
    """`new_column` or `missing_column`."""
    column: str
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

    def plus(self, other: Seen) -> Seen:
        """What is seen of the objects of both."""
        return Seen(self.objects + other.objects, _sum(self.new, other.new), _sum(self.missing, other.missing))


def observe(table: Table, observed: Mapping[str, Iterable[str]]) -> Seen:
    """What is seen of objects whose columns are `observed` (by object name)."""
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
    return Seen(len(observed), new, missing)


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
        for change, found in (("new_column", dict(sorted(seen.new.items()))), ("missing_column", lost))
        for column, (objects, first) in sorted(found.items(), key=lambda item: item[1][1])
    ]


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
            what = "no longer has" if drift.change == "missing_column" else "has the undeclared column"
            raise DataError(
                f"`{name}` {what} `{drift.column}` (first seen in {drift.first})",
                "D002",
                allowed=f"drift.{drift.change}: allow | warn | fail, in the contract",
                hint="declare the new name as a second `path` of the column, or change the policy",
                state="the objects stay in the raw zone; the last version is current",
                next="potable check",
            )
