"""Tests of contracts: a few rows each, typed and judged by the code that judges landed tables.

Needs no lake and no source: rows come from the declaration, everything else is what `validate` does, on any
engine. Entry: `run_tests`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa

from potable.contracts.cases import QUARANTINE_LIMIT, filled, outcomes
from potable.contracts.deletions import REASONS, deleted_schema
from potable.contracts.fitting import fit
from potable.contracts.validate import (
    Contract,
    Places,
    Validated,
    quarantine_schema,
    validate,
    validated_schema,
)
from potable.declarations import Document, Key
from potable.engines.base import Engine, Part, collect
from potable.errors import DataError
from potable.project import Project
from potable.runs.given import Ran, apart, batch_of, itself, scratch_of
from potable.sources.groups import schema as landed_schema
from potable.tables import ROW, UNPARSED, ContractTest, Outcome, Table


@dataclass(frozen=True)
class _Found:
    """What became of one row."""

    quarantined: frozenset[str] = frozenset()
    nulled: frozenset[str] = frozenset()
    deleted: bool = False
    cells: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def told(self) -> str:
        """In words, without a value."""
        if self.deleted:
            return "is deleted"
        if self.quarantined:
            return f"is quarantined for {', '.join(sorted(self.quarantined))}"
        return f"passes with {', '.join(sorted(self.nulled))} set to null" if self.nulled else "passes"


def run_tests(project: Project, tables: Sequence[str], engine: Engine) -> Iterator[Ran]:
    """The tests of `tables` (`source.table`), in declared order."""
    for name in tables:
        judge = _Judge(Contract(name, project.tables[name], project.checks[name]), engine, project)
        tests = judge.contract.table.tests
        source, short = name.split(".", 1)
        for index, (test, judged) in enumerate(zip(tests, judge.all(), strict=True)):
            key = ("tables", short, "tests", index)
            yield _compared(test, judged, judge.contract, project.documents[source], key)


@dataclass(frozen=True)
class _Judged:
    """What a contract made of the rows of one test."""

    found: Sequence[_Found]
    stopped: frozenset[str]


@dataclass(frozen=True)
class _Judge:
    """Judges rows of tests by the contract of their table."""

    contract: Contract
    engine: Engine
    project: Project

    def all(self) -> list[_Judged]:
        """Every test judged: those that ask what stops alone, the others in one pass.

        Checks judge rows by themselves, so rows of other tests change nothing but which is the first of its key, and
        which are deleted.
        """
        tests = self.contract.table.tests
        shared = [test for test in tests if test.stopped is None]
        together = iter(self.judged([row for test in shared for row in test.rows]).found if shared else ())
        judged = []
        for test in tests:
            found = [next(together) for _ in test.rows] if test.stopped is None else []
            met = any(row.deleted or "duplicate" in row.quarantined for row in found)
            alone = test.stopped is not None or met
            stops = test.stopped is not None
            judged.append(self.judged(test.rows, stops=stops) if alone else _Judged(found, frozenset()))
        return judged

    def judged(self, given: Sequence[Mapping[str, Any]], *, stops: bool = False) -> _Judged:
        """What becomes of the rows, in their order, and with `stops` what stops."""
        table, checks = self.contract.table, self.contract.checks
        # classes of others about whole columns change nothing of a row, and may not expect so few of them
        asked = [check for check in checks if stops or check.is_row_check or not check.through_gx]
        rows = [filled(row, table, checks, number) for number, row in enumerate(given)]
        with scratch_of(self.project) as scratch:
            places = Places(f"{scratch}/rows", f"{scratch}/aside")
            parsed = self.engine.map_items([batch_of(rows, table)], itself, landed_schema(table))
            made = validate(parsed, replace(self.contract, checks=asked), engine=self.engine, places=places)
            found = _became(made, table, places, self.engine)
        names = (name if name == QUARANTINE_LIMIT else name.partition("(")[0] for name in made.stopped)
        return _Judged([found[number + 1] for number in range(len(rows))], frozenset(names))


def _compared(test: ContractTest, judged: _Judged, contract: Contract, document: Document, key: Key) -> Ran:
    """What a test came to; `key` is where it stands in the document."""
    name, table = contract.name, contract.table
    problems = [
        (document.place(*key, "rows", number), told)
        for number, outcome in enumerate(outcomes(test))
        if (told := _missed(outcome, judged.found[number], table, number + 1, test.rows[number]))
    ]
    if told := _stops_missed(test, judged.stopped):
        problems.append((document.place(*key, "stopped"), told))
    problem, again = f"`{name}`: test `{test.name}` failed", f"potable test {name}"
    failures = [
        DataError(problem, "D020", place, given, allowed, hint, next=again)
        for place, (given, allowed, hint) in problems
    ]
    return Ran(name, test.name, document.place(*key), failures)


def _became(made: Validated, table: Table, places: Places, engine: Engine) -> dict[int, _Found]:
    """What became of each row, by its ordinal."""

    def rows(parts: Sequence[Part], folder: str, schema: pa.Schema) -> list[dict[str, Any]]:
        relation: ir.Table = engine.read([f"{folder}/{part.path}" for part in parts if part.rows], schema)
        return list(collect(engine, relation).to_pylist())

    kept = quarantine_schema(table)
    nulled = {row[ROW]: _columns(row) for row in rows(made.cells, f"{places.quarantine}/cells", kept)}
    found = {
        row[ROW]: _Found(nulled=nulled.get(row[ROW], frozenset()), cells=row)
        for row in rows(made.rows, f"{places.rows}/rows", validated_schema(table))
    }
    for row in rows(made.deleted, f"{places.quarantine}/deleted", deleted_schema(table)):
        found[row[ROW]] = _Found(deleted=True)
    for row in rows(made.quarantine, f"{places.quarantine}/quarantine", kept):
        found[row[ROW]] = _Found(quarantined=frozenset(_reasons(row[REASONS])))
    return found


def _columns(row: Mapping[str, Any]) -> frozenset[str]:
    """Columns of a kept row that were set to null: they could not be read, or broke a check."""
    unread = json.loads(row[UNPARSED]) if row[UNPARSED] else {}
    broken = [name for reason in _reasons(row[REASONS]) for name in reason.partition(":")[2].split(",")]
    return frozenset([*unread, *broken])


def _reasons(text: str) -> Iterator[str]:
    """Reasons of a row, `mistyped` once for each column."""
    for reason in filter(None, text.split(";")):
        kind, _, columns = reason.partition(":")
        yield from (f"mistyped:{name}" for name in columns.split(",")) if kind == "mistyped" else [reason]


def _missed(
    wanted: Outcome, found: _Found, table: Table, number: int, given: Mapping[str, Any]
) -> tuple[str, str, str] | None:
    """What was found, what was wanted and a hint, where a row did not become what it must; else None."""
    must = _Found(frozenset(wanted.quarantined), frozenset(wanted.nulled), wanted.deleted)
    if (must.quarantined, must.nulled, must.deleted) != (found.quarantined, found.nulled, found.deleted):
        return f"row {number} {found.told}", f"row {number} {must.told}", _hint(found, table, given)
    for name, value in wanted.gives.items():
        column = table.columns[name]
        expected = None if value is None else fit(column.arrow, value).value
        if found.cells[name] != expected:
            clear = column.declared_category == "none"
            both = apart(found.cells[name], expected, clear)
            return f"row {number} has {both[0]} in `{name}`", f"row {number} has {both[1]} in `{name}`", ""
    return None


def _stops_missed(test: ContractTest, found: frozenset[str]) -> tuple[str, str, str] | None:
    if test.stopped is None or found == set(test.stopped):
        return None
    told = [f"{', '.join(sorted(names)) or 'nothing'} stops the run" for names in (found, set(test.stopped))]
    return told[0], told[1], ""


def _hint(found: _Found, table: Table, given: Mapping[str, Any]) -> str:
    """Which columns that the row leaves out took part, if any did."""
    named = {name for reason in found.quarantined for name in reason.partition(":")[2].split(",")}
    left = [name for name in table.columns if name in named and name not in given]
    return f"the row has no value for {', '.join(left)}: add one that the contract allows" if left else ""
