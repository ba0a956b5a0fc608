"""The proof that no feature sees the future: destroy the future of a sample, and nothing changes.

The rows of a few subjects are fetched, everything at or after their cut is removed in one copy and turned
into garbage in another, both are built again side by side, and every feature must come out the same. What is
the future is decided here with Arrow, independently of the queries that are being proved. Entry: `prove`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from potable.engines.base import collect
from potable.errors import PrivacyRefusal
from potable.features import build as building
from potable.features import spine as spines
from potable.features.assemble import FIRST, START
from potable.features.facts import numbered, read_schema
from potable.features.plan import AS_OF, FeaturePlan
from potable.features.windows import moved
from potable.tables import KNOWN, SUBJECT, TIME

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from potable.engines.base import Engine
    from potable.features.build import Bench, Files

SAMPLE = 200
"""Subjects the proof is made on."""
Destroyer = Callable[[pa.Table, pa.ChunkedArray, int], pa.Table]
"""Rows, which of them are the future, and a seed, to rows without that future."""


def prove(bench: Bench, files: Files, spine: ir.Table, finished: ir.Table) -> int:
    """Build a sample of a bucket again without its future; returns the number of subjects.

    Raises:
        PrivacyRefusal: G003, naming the columns that changed.
    """
    plan, engine = bench.plan, bench.engine
    sample = collect(engine, spine.order_by(SUBJECT).limit(SAMPLE).select(SUBJECT, AS_OF))
    before = _by_subject(engine, finished, plan, sample)
    rows = {name: _fetched(engine, files, plan, name, sample) for name in plan.sources}
    after = collect(engine, _rebuilt(bench, rows, sample))
    for copy, destroy in enumerate(DESTROYERS):
        if changed := _changed(before, _taken(after, copy, plan.id_column), plan):
            raise PrivacyRefusal(
                f"features leak from the future: {', '.join(f'`{name}`' for name in changed)} changed when data "
                "after the as-of date was changed",
                "G003",
                given=f"{sample.num_rows} subjects were rebuilt with everything after the as-of date "
                f"{destroy.__name__}",
                state="nothing was published; the features of this step were not kept",
            )
    return int(sample.num_rows)


def removed(rows: pa.Table, future: pa.ChunkedArray, seed: int) -> pa.Table:
    """Without the rows of the future."""
    return rows.filter(pc.invert(future))


def scrambled(rows: pa.Table, future: pa.ChunkedArray, seed: int) -> pa.Table:
    """With garbage in every column of the future rows, except what makes them the future."""
    random = np.random.default_rng(seed)
    for index, name in enumerate(rows.column_names):
        if name not in (SUBJECT, TIME, KNOWN):
            noise = _garbage(rows.schema.field(name).type, rows.num_rows, random)
            rows = rows.set_column(index, name, pc.if_else(future, noise, rows.column(name)))
    return rows


DESTROYERS: tuple[Destroyer, ...] = (removed, scrambled)
"""What makes each copy."""


def _garbage(kind: pa.DataType, count: int, random: np.random.Generator) -> pa.Array:
    numbers = random.integers(1, 900, count)
    if pa.types.is_string(kind):
        return pa.array([f"garbage {number}" for number in numbers], kind)
    if pa.types.is_boolean(kind):
        return pa.array(numbers % 2 == 0)
    if pa.types.is_timestamp(kind):
        return pa.array(numbers * 86_400_000_000 * 30, pa.int64()).cast(kind)
    if pa.types.is_date(kind):
        return pa.array(numbers.astype("int32") * 30, pa.int32()).cast(kind)
    if pa.types.is_decimal(kind):
        widest = 10 ** min(kind.precision - kind.scale, 3)
        return pa.array(numbers % widest, pa.int64()).cast(pa.decimal128(38, kind.scale), safe=False).cast(kind)
    return pa.array(numbers, pa.int64()).cast(kind)


def _fetched(engine: Engine, files: Files, plan: FeaturePlan, name: str, sample: pa.Table) -> pa.Table:
    """All rows of the sampled subjects, with every column the plan may read."""
    relation = engine.read(files[name], read_schema(plan, name))
    return collect(engine, relation.filter(relation[SUBJECT].isin(sample[SUBJECT].to_pylist())))


def _future(rows: pa.Table, sample: pa.Table, plan: FeaturePlan, *, embargo: bool) -> pa.ChunkedArray:
    """Whether each row lies in the future of its subject."""
    cuts = {
        subject: (_midnight(moved(day, plan.cut)) if embargo else _midnight(day), _midnight(day))
        for subject, day in zip(sample[SUBJECT].to_pylist(), sample[AS_OF].to_pylist(), strict=True)
    }
    limits = [cuts[subject] for subject in rows[SUBJECT].to_pylist()]
    moment = pa.timestamp("us")
    happened = pc.greater_equal(rows[TIME], pa.array([cut for cut, _ in limits], moment))
    known = pc.greater_equal(rows[KNOWN], pa.array([as_of for _, as_of in limits], moment))
    return pc.fill_null(pc.or_kleene(happened, known), True)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())


def _rebuilt(bench: Bench, rows: dict[str, pa.Table], sample: pa.Table) -> ir.Table:
    """The finished rows of all copies of the sample, from files without a future, by copy and subject."""
    plan = bench.plan
    files: dict[str, tuple[str, ...]] = {}
    for name, fetched in rows.items():
        made = [_destroyed(fetched, plan, name, sample, destroy, seed) for seed, destroy in enumerate(DESTROYERS)]
        files[name] = _written(bench, f"rows-{len(files)}", made)
    employments = rows[plan.rows.table]
    # the row itself ends at the as-of date, features end at the cut
    future = _future(employments, sample, plan, embargo=False)
    made = [destroy(employments, future, seed) for seed, destroy in enumerate(DESTROYERS)]
    rule, table = plan.rows, plan.tables[plan.rows.table]
    read = bench.engine.read(_written(bench, "rows-employments", made), spines.employment_schema(rule, table))
    dates = bench.engine.read(_written(bench, "sample", [sample] * len(DESTROYERS)), sample.schema)
    again = spines.states(spines.versions(read, rule, table), dates, rule, table)
    spine = bench.kept(numbered(again.select(SUBJECT, AS_OF, START, FIRST)), "spine")
    return building.features(bench, files, spine)[0].order_by(plan.id_column)


def _destroyed(
    rows: pa.Table, plan: FeaturePlan, name: str, sample: pa.Table, destroy: Destroyer, seed: int
) -> pa.Table:
    if plan.tables[name].time is None:
        return rows
    return destroy(rows, _future(rows, sample, plan, embargo=True), seed)


def _written(bench: Bench, name: str, copies: Sequence[pa.Table]) -> tuple[str, ...]:
    """A file of all copies; everybody has a name of their own in each."""
    bench.scratch.mkdir(parents=True, exist_ok=True)
    path = bench.scratch / f"{name}.parquet"
    renamed = [
        table.set_column(0, table.schema.field(SUBJECT), pc.binary_join_element_wise(f"{copy}", table[SUBJECT], " "))
        for copy, table in enumerate(copies)
    ]
    pq.write_table(pa.concat_tables(renamed), path)
    return (str(path),)


def _taken(rows: pa.Table, copy: int, id_column: str) -> pa.Table:
    """The rows of one copy, under the names of their subjects."""
    mine = rows.filter(pc.starts_with(rows[id_column], f"{copy} "))
    ids = pc.utf8_slice_codeunits(mine[id_column], len(f"{copy} "))
    return mine.set_column(mine.schema.get_field_index(id_column), id_column, ids)


def _by_subject(engine: Engine, finished: ir.Table, plan: FeaturePlan, sample: pa.Table) -> pa.Table:
    chosen = finished.filter(finished[plan.id_column].isin(sample[SUBJECT].to_pylist()))
    return collect(engine, chosen.order_by(plan.id_column))


def _changed(before: pa.Table, after: pa.Table, plan: FeaturePlan) -> list[str]:
    """Columns that are not the same to the last bit; labels are meant to see the future."""
    names = [plan.id_column, AS_OF, *(feature.name for feature in plan.features)]
    same = {
        name: list(map(repr, before[name].to_pylist())) == list(map(repr, after[name].to_pylist())) for name in names
    }
    return [name for name, equal in same.items() if not equal]
