"""Drift of a source's columns against its contract: new and missing ones, object by object.

Landing never fails on drift; what it means is the contract's `drift` policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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


def compare(table: Table, observed: Mapping[str, Iterable[str]], *, fixed: bool) -> list[Drift]:
    """Changes of `observed` (columns by object name) against the contract.

    Args:
        fixed: whether every object must have every column (CSV, SQL); elsewhere a record may lack some,
            and a column is missing only when no object has it.
    """
    declared = {path.lstrip("/") for name, column in table.columns.items() for path in column.paths(name)}
    new: dict[str, list[str]] = {}
    missing: dict[str, list[str]] = {}
    for name in sorted(observed):
        columns = set(observed[name])
        for column in sorted(columns - declared):
            new.setdefault(column, []).append(name)
        for column, contract in table.columns.items():
            virtual = any(path.startswith(("@", "/")) for path in contract.paths(column))
            if not virtual and not columns & set(contract.paths(column)):
                missing.setdefault(column, []).append(name)
    needed = 1 if fixed else len(observed)
    lost = {column: names for column, names in missing.items() if len(names) >= needed}
    return [
        Drift(change, column, len(names), names[0])
        for change, found in (("new_column", new), ("missing_column", lost))
        for column, names in found.items()
    ]


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
