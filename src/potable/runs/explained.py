"""Where one cell of the dataset comes from: the records its feature saw, those it left out, and why.

Reads the open root only: the version, the protected rows it was built from, and one person's of them. What is computed
is computed by the queries of `build`. Values are given where privacy.yaml publishes them as they are, else as shapes.

Entry: `explain`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from potable.datasets.version import Version
from potable.engines.base import Engine, collect, kept, rows_of
from potable.errors import EnvironmentFailure, ProjectError, did_you_mean
from potable.features.aggregates import AGGREGATES
from potable.features.build import Bench
from potable.features.compile import TRACED, trace
from potable.features.facts import CUT, MOMENT, NUMBER, TableTask, numbered, read_schema, with_moments
from potable.features.plan import AS_OF, BUILT_IN, DERIVED, Feature, FeaturePlan
from potable.features.tree import names_in
from potable.features.trial import tried
from potable.features.unknown import why_unknown
from potable.features.windows import moved
from potable.privacy.categories import NONE
from potable.privacy.shapes import shape
from potable.project import Project
from potable.runs.beside import DEFINITIONS
from potable.runs.given import itself, scratch_of
from potable.runs.opened import definitions
from potable.runs.quarantined import reading
from potable.runs.since import by_bucket, found
from potable.store.layout import Lake
from potable.tables import KNOWN, SUBJECT, TIME, Table

USED = "used"
OF_THE_ROW = "of the record in `rows.from` that runs at the row's as-of date"
"""Stands for what a row's own dates say."""


@dataclass(frozen=True)
class Fact:
    """One record of the person."""

    happened: datetime | str | None
    known: datetime | str | None
    """Both are shapes where the columns they are made of may not be shown."""
    columns: Mapping[str, Any]
    """Values of the columns that the definition reads; those that may not be shown as shapes."""
    value: Any
    """The argument of the aggregate, in the same way; None where the record is not seen."""
    fate: str
    """`used`, or why it is not."""


@dataclass(frozen=True)
class Explained:
    """One cell."""

    version: Version
    row: str
    """The pseudonym."""
    as_of: date
    feature: Feature
    cell: Any
    """As published."""
    computed: Any
    """As it comes out now; another one than `cell` where the project's files have changed since."""
    emptied: bool
    """Whether k-anonymity emptied the cell; then nothing of it is given."""
    facts: Sequence[Fact] = ()
    """Newest first."""
    inputs: Mapping[str, Any] | None = None
    """Of a derived feature: the cells it is computed from, and `OF_THE_ROW` for built-in names."""
    unknown: str = ""
    """Why no record means unknown here and not zero, where that is why the cell is empty."""


def explain(project: Project, version: Version, name: str, row: str | None) -> Explained:
    """Where the cell of column `name` comes from.

    Args:
        project: whose features the version was built by.
        version: of the project's dataset.
        name: a feature or label.
        row: the pseudonym; by default that of the first row with something in that column.

    Raises:
        ProjectError: P031, there is no such column or row.
        EnvironmentFailure: E008, features.yaml is another one now, or what the version was built from is removed.
    """
    plan, lake = project.plan, project.lake()
    features = {item.name: item for item in plan.outputs if item.name in version.columns}
    if name not in features:
        hint = did_you_mean(name, features)
        raise ProjectError(f"there is no feature `{name}`", "P031", hint=hint, allowed=", ".join(features))
    if version.lineage.get(DEFINITIONS) != definitions(project.documents["features"].literal):
        message = f"`{version.dataset}` version {version.number} was built by other definitions of features"
        raise EnvironmentFailure(message, "E008", hint="features.yaml has changed since", next=project.next_run)
    feature = features[name]
    cells = _row(lake, version, plan.id_column, name, row)
    emptied = _emptied(project, cells, name)
    explained = Explained(version, cells[plan.id_column], cells[AS_OF], feature, cells[name], None, emptied=emptied)
    if emptied:
        return explained
    with reading(project) as engine, scratch_of(project) as scratch:
        alone = _alone(plan, feature)
        person = _Person(project, engine, Path(scratch), alone, _protected(lake, version, alone), explained)
        explained = replace(explained, computed=person.computed())
        if feature.table == DERIVED:
            own = names_in(feature.recipe.argument) & set(BUILT_IN)
            inputs = {each: cells.get(each, OF_THE_ROW) for each in sorted(feature.outputs | own)}
            return replace(explained, inputs=inputs)
        facts = person.facts()
        unknown = why_unknown(feature, plan, explained.as_of) if explained.computed is None else ""
        return replace(explained, facts=facts, unknown="" if any(fact.fate == USED for fact in facts) else unknown)


def _row(lake: Lake, version: Version, id_column: str, name: str, row: str | None) -> dict[str, Any]:
    """The published row."""
    file = io.BytesIO(lake.open.kept(version.files["parquet"]))
    if row is None:
        ids = pq.read_table(file, columns=[id_column, name])
        filled = ids.filter(pc.is_valid(ids[name]))
        # a count of nothing has little to explain
        telling = filled.filter(pc.not_equal(filled[name], 0)) if pa.types.is_integer(ids[name].type) else filled
        row = next(some for some in (telling, filled, ids) if some.num_rows)[id_column][0].as_py()
    rows = pq.read_table(file, filters=[(id_column, "=", row)]).to_pylist()
    if not rows:
        problem = f"`{version.dataset}` version {version.number} has no row `{row}`"
        raise ProjectError(problem, "P031", hint=f"a value of its column `{id_column}`")
    cells: dict[str, Any] = rows[0]
    return cells


def _alone(plan: FeaturePlan, feature: Feature) -> FeaturePlan:
    """The plan of a feature and those it is computed from."""
    if feature.is_label:
        return replace(plan, features=(), labels=(feature,))
    wanted = {feature.name}
    for item in reversed(plan.evaluation_order()):
        if item.name in wanted:
            wanted |= item.outputs
    return replace(plan, features=tuple(item for item in plan.features if item.name in wanted), labels=())


def _protected(lake: Lake, version: Version, plan: FeaturePlan) -> Mapping[str, Sequence[str]]:
    """The protected files a version was built from, by table."""
    built = found(lake, "features", version.dataset, version.lineage["build"])
    files = {}
    for table in plan.sources:
        then = found(lake, "protected", table, built.facts["origins"].get(table, "")) if built else None
        if then is None:
            message = f"what `{version.dataset}` version {version.number} was built from is no longer there"
            raise EnvironmentFailure(message, "E008", hint="`potable gc` removed it; a newer version can be explained")
        files[table] = [path for paths in by_bucket(lake, then).values() for path in paths]
    return files


def _emptied(project: Project, cells: Mapping[str, Any], name: str) -> bool:
    """Whether k-anonymity emptied a cell, as it does all quasi-identifiers of a row and what is made of them."""
    rule = project.policy.anonymity
    if rule is None or name not in (*rule.columns, *project.plan.kin(rule.columns)):
        return False
    return all(cells[column] is None for column in rule.columns)


@dataclass(frozen=True)
class _Person:
    """One person's protected rows, and what the feature makes of them."""

    project: Project
    engine: Engine
    scratch: Path
    plan: FeaturePlan
    """Of this feature and those it is computed from."""
    files: Mapping[str, Sequence[str]]
    asked: Explained

    def computed(self) -> Any:
        """The cell as it comes out now."""
        files = {table: self._theirs(table) for table in self.plan.sources}
        bench = Bench(self.plan, self.engine, self.scratch / "build")
        rows = tried(bench, files, [(self.asked.row, self.asked.as_of)])
        return rows_of(self.engine, rows.select(self.asked.feature.name))[0][self.asked.feature.name]

    def _theirs(self, table: str) -> list[str]:
        """A file of this person's rows of a table."""
        rows = self.engine.read(self.files[table], read_schema(self.plan, table))
        folder = str(self.scratch / table)
        parts = self.engine.write(rows.filter(rows[SUBJECT] == self.asked.row), folder)
        return [f"{folder}/{part.path}" for part in parts]

    def facts(self) -> list[Fact]:
        """All of the person's records in the feature's table, newest first."""
        plan, feature = self.plan, self.asked.feature
        table = plan.tables[feature.table]
        task = TableTask(feature.table, table, (feature,), plan.digits, feature.recipe.forward)
        paths = [str(path) for path in (self.scratch / feature.table).rglob("*.parquet")]
        rows = self.engine.read(paths, task.schema)
        order = [ibis.desc(rows[name], nulls_first=False) for name in (TIME, KNOWN) if name in rows.columns]
        others = [rows[name] for name in task.schema.names if name not in (TIME, KNOWN)]
        number = ibis.row_number().over(order_by=[*order, *others])
        rows = kept(self.engine, rows.mutate(**{TRACED: number.cast("int64")}), str(self.scratch / "facts"))
        spine = kept(self.engine, self._spine(), str(self.scratch / "moment"))
        traced = trace(rows, spine, task)
        visible = set(collect(self.engine, traced.visible).column(0).to_pylist())
        newest = {row.pop(TRACED): row for row in rows_of(self.engine, traced.newest)}
        fates = _Fates(feature, table, plan, self.asked.as_of)
        shown = {name: self._clear(table, name) for name in task.used}
        clear = all(shown.values())
        dated = all(self._clear(table, name) for name in (table.time, table.known_column) if name)
        out = []
        for row in rows_of(self.engine, rows.order_by(TRACED)):
            seen = newest.get(row[TRACED], {})
            columns = {name: _told(row[name], open_) for name, open_ in shown.items()}
            fate = fates.of(row, visible=row[TRACED] in visible, seen=seen)
            value = _told(seen.get("value"), clear) if fate == USED else None
            out.append(Fact(_told(row.get(TIME), dated), _told(row.get(KNOWN), dated), columns, value, fate))
        return out

    def _spine(self) -> ir.Table:
        asked = [pa.record_batch({SUBJECT: [self.asked.row], AS_OF: pa.array([self.asked.as_of], pa.date32())})]
        schema = pa.schema([(SUBJECT, pa.string()), (AS_OF, pa.date32())])
        rows = kept(self.engine, self.engine.map_items(asked, itself, schema), str(self.scratch / "asked"))
        return with_moments(numbered(rows), self.plan.cut).select(SUBJECT, AS_OF, NUMBER, MOMENT, CUT)

    def _clear(self, table: Table, column: str) -> bool:
        """Whether values of a column may be published as they are."""
        category = table.columns[column].category or NONE
        rule = self.project.policy.rule_for(category)
        return category == NONE or (rule is not None and rule.publish == "allow")


@dataclass(frozen=True)
class _Fates:
    """Says in words what became of a record."""

    feature: Feature
    table: Table
    plan: FeaturePlan
    as_of: date

    def of(self, row: Mapping[str, Any], *, visible: bool, seen: Mapping[str, Any]) -> str:
        """`used`, or why a record is not."""
        if not visible:
            return self._unseen(row)
        recipe = self.feature.recipe
        if not seen:
            return "a newer version of this record counts"
        if not seen["holds"]:
            only = AGGREGATES[recipe.aggregate or ""].only_values and recipe.argument is not None
            if only and recipe.where is None:
                return "it has no value"
            return "`where` does not hold, or it has no value" if only else "`where` does not hold"
        if not seen["inside"]:
            return f"outside of the window {self._window()}"
        if not seen["chosen"]:
            return f"beyond the last {recipe.last}" if recipe.last else f"beyond the first {recipe.first}"
        return USED if seen["used"] else _BESIDE.get(recipe.aggregate or "", "another record decides")

    def _unseen(self, row: Mapping[str, Any]) -> str:
        cut = moved(self.as_of, self.plan.cut)
        if row[TIME] is None or row[TIME].date() >= cut:
            return f"it had not happened before {cut}" if row[TIME] else "nobody knows when it happened"
        known = row[KNOWN]
        return f"it was not known before {known:%Y-%m-%d}" if known else "nobody knows when it became known"

    def _window(self) -> str:
        window = self.feature.recipe.window
        anchor = self.as_of if self.feature.recipe.forward else moved(self.as_of, self.plan.cut)
        start = moved(anchor, window.start) if window.start else ""
        return f"{start} ≤ happened < {moved(anchor, window.end)}".removeprefix(" ≤ ")


_BESIDE = {
    "latest": "a newer record decides",
    "mode": "its value is not the most frequent one",
    "streak": "the condition does not hold for it or for a newer one",
}


def _told(value: Any, clear: bool) -> Any:
    return value if clear or value is None else shape(str(value))
