"""Tests of features: records of one person each, protected and built as landed ones are.

Needs no lake and no source, and runs on any engine. Records get their times and truncations from
`protect` and everything after from `build`; checks of the contract are not run and texts are not redacted. All tests
are built at once, each a person of its own. Entry: `run_feature_tests`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from potable.contracts.cases import filled, likely
from potable.contracts.checks import Check
from potable.declarations import Document
from potable.engines.base import Engine, collect
from potable.errors import DataError
from potable.features.build import Bench
from potable.features.declaration import FeatureTest
from potable.features.trial import tried
from potable.identity.match import normalise
from potable.privacy import pseudonyms, roster
from potable.privacy.categories import NONE
from potable.privacy.index import Index
from potable.privacy.protect import Contract, People, addressed
from potable.project import Project
from potable.runs.given import Ran, apart, batch_of, itself, scratch_of
from potable.tables import UNPARSED, Table

if TYPE_CHECKING:
    import ibis.expr.types as ir

_KEYS = pa.schema(
    [("namespace", pa.string()), ("value", pa.string()), ("subject", pa.string()), ("rostered", pa.bool_())]
)


def run_feature_tests(project: Project, engine: Engine) -> Iterator[Ran]:
    """The tests of features.yaml, in declared order."""
    tests, document = project.features.tests, project.documents["features"]
    if not tests:
        return
    trial = _Trial(project, engine)
    for index, (test, found) in enumerate(zip(tests, trial.all(), strict=True)):
        yield _compared(test, found, project, document, index)


@dataclass(frozen=True)
class _Trial:
    """Builds what tests give."""

    project: Project
    engine: Engine

    def all(self) -> list[Mapping[str, Any] | DataError]:
        """The finished row of every test, or what cannot be built of it."""
        tests = self.project.features.tests
        try:
            return [*self.built(tests)]
        except DataError:
            return [self._alone(test) for test in tests]

    def _alone(self, test: FeatureTest) -> Mapping[str, Any] | DataError:
        try:
            return self.built([test])[0]
        except DataError as failure:
            return failure

    def built(self, tests: Sequence[FeatureTest]) -> list[Mapping[str, Any]]:
        """The finished rows of tests, in their order."""
        plan = self.project.plan
        with scratch_of(self.project) as scratch:
            people = self._people(len(tests), f"{scratch}/people")
            files = {
                name: self._protected(name, [test.rows.get(name, ()) for test in tests], people, f"{scratch}/{name}")
                for name in plan.sources
            }
            bench = Bench(plan, self.engine, Path(scratch) / "build")
            asked = [(_person(number), test.as_of) for number, test in enumerate(tests)]
            finished = collect(self.engine, tried(bench, files, asked)).to_pylist()
        return sorted(finished, key=lambda row: int(row[plan.id_column]))

    def _protected(
        self, name: str, given: Sequence[Sequence[Mapping[str, Any]]], people: People, folder: str
    ) -> list[str]:
        """Files of the protected rows of a table, of which each test gives some."""
        contract = Contract(name, self.project.tables[name], self.project.policy)
        checks, table = self.project.checks[name], contract.table
        rows = [
            _whole(row, table, checks, number=place, person=_person(number))
            for number, some in enumerate(given)
            for place, row in enumerate(some)
        ]
        if not rows:
            return []
        # keys are ours: whatever the contract does to the texts of a source, they stay as they are
        plain: dict[str, Any] = {"extract": None, "null_values": [], "levels": []}
        columns = {key: each.model_copy(update=plain if each.key else {}) for key, each in table.columns.items()}
        batch = batch_of(rows, table.model_copy(update={"columns": columns}))
        _require_read(batch, name)
        named = addressed(self._relation(batch, f"{folder}/given"), contract, people)
        return self._written(named.select(contract.schema().names), f"{folder}/protected")

    def _people(self, count: int, folder: str) -> People:
        """As many people as there are tests, each with one key that is the same in every namespace."""
        spaces = sorted(
            {space for name in self.project.plan.sources for space in self.project.tables[name].keys.values()}
        )
        rows = [(space, _person(number), _person(number), True) for space in spaces for number in range(count)]
        keys = pa.record_batch([pa.array(column) for column in zip(*rows, strict=True)], schema=_KEYS)
        persons = pa.array([_person(number) for number in range(count)])
        buckets = pa.array([0] * count, pa.int64())
        named = pa.record_batch([persons, persons, buckets], schema=pseudonyms.schema())
        return People(
            self._relation(keys, f"{folder}/keys"),
            self._relation(named, f"{folder}/pseudonyms"),
            self.engine.read([], roster.schema()),
            Index("", "", {}),
            normalise,
        )

    def _relation(self, batch: pa.RecordBatch, folder: str) -> ir.Table:
        """A batch as a relation that can be read as often as it is needed."""
        return self.engine.read(
            self._written(self.engine.map_items([batch], itself, batch.schema), folder), batch.schema
        )

    def _written(self, relation: ir.Table, folder: str) -> list[str]:
        return [f"{folder}/{part.path}" for part in self.engine.write(relation, folder)]


def _person(number: int) -> str:
    """Key and pseudonym of a test's person; digits are their own form in every namespace of keys."""
    return str(number + 1)


def _whole(
    row: Mapping[str, Any], table: Table, checks: Sequence[Check], *, number: int, person: str
) -> dict[str, Any]:
    """A value for every column: what the row says, the person's key, and what tells its rows apart."""
    values = filled(row, table, checks, number)
    if table.known_column and table.known_column not in row:
        values[table.known_column] = None
    for name in table.unique:
        if values[name] is None and name not in row:
            values[name] = likely(name, table.columns[name], checks, number)
    return values | dict.fromkeys(table.keys, person)


def _require_read(batch: pa.RecordBatch, name: str) -> None:
    unread = batch.column(batch.schema.get_field_index(UNPARSED)).to_pylist()
    for number, texts in enumerate(unread, 1):
        if texts:
            columns = ", ".join(json.loads(texts))
            raise DataError(
                f"row {number} of `{name}` cannot be parsed",
                "D020",
                given=f"values that do not fit their column's type: {columns}",
            )


def _compared(
    test: FeatureTest, found: Mapping[str, Any] | DataError, project: Project, document: Document, index: int
) -> Ran:
    """What a test came to; `index` is its place in the document."""
    dataset = project.features.dataset
    ran, again = Ran(dataset, test.name, document.place("tests", index)), f"potable test {dataset}"
    if isinstance(found, DataError):
        found.place, found.next = document.place("tests", index, "rows"), again
        return replace(ran, failures=[found])
    failures = [
        DataError(
            f"`{dataset}`: test `{test.name}` failed",
            "D020",
            document.place("tests", index, "gives", name),
            f"`{name}` is {given}",
            f"`{name}` is {allowed}",
            next=again,
        )
        for name, wanted in test.gives.items()
        if not _same(found[name], wanted)
        for given, allowed in [apart(found[name], wanted, project.proof.carried(name) <= {NONE})]
    ]
    return replace(ran, failures=failures)


def _same(found: Any, wanted: Any) -> bool:
    """Whether a feature is what it must be; of a fraction, in as many decimals as are written."""
    if isinstance(wanted, float) and isinstance(found, int | float) and not isinstance(found, bool):
        exponent = Decimal(repr(wanted)).as_tuple().exponent
        # a half may be rounded either way
        return abs(Decimal(repr(found)) - Decimal(repr(wanted))) <= Decimal(5).scaleb(int(exponent) - 1)
    return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)
