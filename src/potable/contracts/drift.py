"""Drift of a source against its contract: columns that are new, missing or renamed, objects written another way.

Landing never fails on drift; what it means is the contract's `drift` policy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from potable.errors import DataError, raise_all
from potable.tables import Table

CHANGED = "D002"
"""Code of a change that its contract refuses."""
_WORDS = {
    "new_column": "has the undeclared column",
    "missing_column": "lacks",
    "renamed_column": "seems to have renamed",
    "widened": "has values that are too wide for",
    "narrowed": "has narrower values than before in",
    "dialect": "has files that are written differently from the others:",
}
_HINTS = {
    "new_column": "declare the column in the contract, or change the drift policy; `potable source discover` shows "
    "the full name of a column whose name is shown as a shape",
    "renamed_column": "if it is the same column, declare both names: `{drift.column}: {{path: [{paths}]}}`; "
    "`potable source discover` shows the full name of a column whose name is shown as a shape",
    "widened": "declare the wider type (what is landed is then read again), or change the drift policy",
    "narrowed": "ask the owner of the source whether values are cut off; if not, change the drift policy",
    "dialect": "declare how the files are written (`delimiter`, `encoding`), or change the drift policy",
}


Found: TypeAlias = tuple[int, str, int]
"""How many objects, and of these the one that landed first: its name and its batch."""
Counts: TypeAlias = Mapping[str, Found]
_TOLD = 20
"""Columns that one error names; data may have a column for every person."""


@dataclass(frozen=True)
class Drift:
    """One kind of change, with the first object that shows it."""

    change: str
    """`new_column`, `missing_column`, `renamed_column`, `widened`, `narrowed` or `dialect`."""
    column: str
    """Name of the column; for a dialect what was found, such as `delimiter ;`."""
    objects: int
    """How many objects show it."""
    first: str
    """Name of the first of them, in the order in which they landed."""
    batch: int = 0
    """Number of the batch that object came with."""
    example: str = ""
    """Shape of a value that shows it, never a value."""
    detail: str = ""
    """What it is like now: a column's new name, from which type to which."""


@dataclass(frozen=True)
class Seen:
    """How the columns of some objects differ from the contract; what is seen of others adds up."""

    objects: int = 0
    """Objects whose columns can be known."""
    new: Counts = field(default_factory=dict)
    """Undeclared columns: how many objects have each, the first of them and its batch."""
    missing: Counts = field(default_factory=dict)
    """Declared columns: how many objects lack each, the first of them and its batch."""
    dialects: Counts = field(default_factory=dict)
    """What was found about how objects are written: in how many, the first of them and its batch."""

    def plus(self, other: Seen) -> Seen:
        """The differences of both sets of objects together."""
        return Seen(
            self.objects + other.objects,
            _sum(self.new, other.new),
            _sum(self.missing, other.missing),
            _sum(self.dialects, other.dialects),
        )


def observe(
    table: Table,
    observed: Mapping[str, Iterable[str]],
    dialects: Mapping[str, Iterable[str]] | None = None,
    batches: Mapping[str, int] | None = None,
) -> Seen:
    """How the columns of some objects differ from the contract.

    Args:
        observed: columns by name of the object.
        dialects: ways of writing by name of the object.
        batches: the batch each object came with; 0 by default.
    """
    came = batches or {}
    declared = {path.lstrip("/") for path in table.paths}
    new: dict[str, Found] = {}
    missing: dict[str, Found] = {}
    for name in sorted(observed):
        columns, once = set(observed[name]), (1, name, came.get(name, 0))
        _count(new, columns - declared, once)
        for column, contract in table.columns.items():
            virtual = any(path.startswith(("@", "/")) for path in contract.paths(column))
            if not virtual and not columns & set(contract.paths(column)):
                _count(missing, [column], once)
    ways: dict[str, Found] = {}
    for name, parts in sorted((dialects or {}).items()):
        _count(ways, parts, (1, name, came.get(name, 0)))
    return Seen(len(observed), new, missing, ways)


def compare(table: Table, seen: Seen, *, fixed: bool) -> list[Drift]:
    """What changed against the contract, by the first object that shows it.

    Args:
        fixed: whether every object must have every column (CSV, SQL); elsewhere a record may lack some,
            and a column is missing only when no object has it.
    """
    needed = 1 if fixed else seen.objects
    lost = {column: seen.missing[column] for column in table.columns if column in seen.missing}
    lost = {column: found for column, found in lost.items() if found[0] >= needed}
    return [
        Drift(change, column, *found)
        for change, counts in (
            ("new_column", dict(sorted(seen.new.items()))),
            ("missing_column", lost),
            ("dialect", _unusual(seen.dialects)),
        )
        for column, found in sorted(counts.items(), key=lambda item: _landed(item[1]))
    ]


def _landed(found: tuple[int, str, int]) -> tuple[int, str]:
    """Sort key of objects: the order in which they landed."""
    return found[2], found[1]


def _unusual(dialects: Counts) -> Counts:
    """Everything but what most objects have, kind by kind; of equally many the one whose first object landed first."""
    usual: dict[str, str] = {}
    for part in sorted(dialects, key=lambda part: (-dialects[part][0], _landed(dialects[part]), part)):
        usual.setdefault(part.split(" ")[0], part)
    return {part: found for part, found in sorted(dialects.items()) if part not in usual.values()}


def _sum(one: Counts, other: Counts) -> Counts:
    counts = {**one}
    for name, found in other.items():
        _count(counts, [name], found)
    return counts


def _count(counts: dict[str, Found], names: Iterable[str], found: Found) -> None:
    """Add what was found of each name."""
    for name in names:
        if before := counts.get(name):
            first = min(before[1:], found[1:], key=lambda one: (one[1], one[0]))
            counts[name] = (before[0] + found[0], *first)
        else:
            counts[name] = found


def refuse(name: str, table: Table, drifts: Iterable[Drift]) -> None:
    """Stop where the policy says so, and tell every change that does.

    Raises:
        DataError: or DataErrors, D002: changes whose policy is `fail`.
    """
    together: dict[tuple[str, ...], list[Drift]] = {}
    for drift in drifts:
        if getattr(table.drift, drift.change) == "fail":
            # what to write about a renamed column is its own
            own = drift.column if drift.change == "renamed_column" else ""
            together.setdefault((drift.change, drift.first, own), []).append(drift)
    raise_all([_refusal(name, table, found) for found in together.values()])


def _refusal(name: str, table: Table, drifts: Sequence[Drift]) -> DataError:
    """The error of changes of one kind that the same object shows first."""
    change, first, many = drifts[0].change, drifts[0].first, len(drifts) > 1
    what = _WORDS[change] + ("s" if many and change == "new_column" else "")
    more = len(drifts) - _TOLD
    some = drifts[:_TOLD]
    columns = [f"`{drift.column}`" for drift in some] + [f"{more:,} more"] * (more > 0)
    column = table.columns.get(drifts[0].column)
    paths = [*column.paths(drifts[0].column), drifts[0].detail] if column else []
    listed = " and ".join(filter(None, [", ".join(columns[:-1]), columns[-1]]))
    return DataError(
        f"`{name}` {what} {listed} (first seen in {first})",
        CHANGED,
        given="; ".join(f"`{drift.column}`: {like}" if many else like for drift in some if (like := _like(drift))),
        allowed=f"drift.{change}: allow | warn | fail, in the contract",
        hint=_HINTS.get(
            change, "declare the new name as a second `path` of the column, or change the drift policy"
        ).format(drift=drifts[0], paths=", ".join(map(_written, paths))),
        state="the objects stay in the raw zone; the last version stays current",
        next="potable check",
    )


def _written(path: str) -> str:
    """A path as YAML, in quotes where it could mean something else."""
    return path if re.fullmatch(r"[^\W\d][\w ./-]*", path) else json.dumps(path, ensure_ascii=False)


def _like(drift: Drift) -> str:
    """What a changed column is like now."""
    return " ".join(filter(None, (drift.detail, drift.example and f"as in {drift.example}")))
