"""`build`: features and labels, one row per subject, from protected tables to Parquet.

Bucket by bucket, so memory is bounded: the spine, then one query per source table, then the finished
rows. Every bucket is held to its invariants (rows = spine rows, ids unique, no tied record decided by
chance), and a sample is built again without its future. Entry: `build`.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from potable.engines.base import Engine, Part, kept, scalars
from potable.errors import DataError, Outgrown
from potable.features import assemble as assembly
from potable.features import compile as compiling
from potable.features import facts
from potable.features import gaps as gapped
from potable.features import spine as spines
from potable.features.decided import Measured, outgrown, require_decided, tied
from potable.features.plan import DERIVED, FeaturePlan
from potable.features.spine import Funnel
from potable.tables import BUCKET, SUBJECT

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

Files = Mapping[str, Sequence[str]]
"""Protected Parquet files of one bucket, by table."""
Progress = Callable[[int, int], None]
"""Told the number of buckets done, and of all."""
T = TypeVar("T")


@dataclass(frozen=True)
class Built:
    """What `build` made."""

    parts: tuple[Part, ...]
    """Feature files, relative to the directory; the partition is the bucket."""
    rows: int
    funnel: Funnel
    columns: Mapping[str, str]
    """Output columns in order, with their kinds."""
    proved_on: int
    """Subjects whose features were built again without their future, and did not change."""
    labels: Mapping[str, Mapping[str, int]]
    """Rows by value, per label."""
    gaps: Mapping[str, int] = field(default_factory=dict)
    """Rows with something between their as-of date and the window of a label that starts later, per label."""


@dataclass(frozen=True)
class Bench:
    """Where one bucket is worked on."""

    plan: FeaturePlan
    engine: Engine
    scratch: Path
    """Folder for intermediate files, one per bucket; every worker of the engine must reach it."""
    people: ir.Table | None = None
    """(_subject) of those who are built; None for everybody in the files."""
    relations: dict[str, ir.Table] = field(default_factory=dict)
    """What was read, by name: in the next bucket it stands for other files."""
    queries: dict[str, Any] = field(default_factory=dict)
    """What was made of these relations, by name; to put it together takes as long as to run it on a small bucket."""

    def bucket(self, number: int) -> Bench:
        """Where a bucket is worked on after others."""
        return replace(self, scratch=self.scratch / f"bucket-{number}")

    def at(self, name: str) -> Bench:
        """The same in a folder below, for relations of its own."""
        return replace(self, scratch=self.scratch / name, relations={}, queries={})

    def read(self, name: str, files: Sequence[str], schema: pa.Schema) -> ir.Table:
        """The relation `name`, which stands for `files` now."""
        self.relations[name] = self.engine.read(files, schema, over=self.relations.get(name))
        return self.relations[name]

    def kept(self, relation: ir.Table, name: str) -> ir.Table:
        """`relation` computed once; the relation `name` stands for its files now."""
        self.relations[name] = kept(self.engine, relation, str(self.scratch / name), over=self.relations.get(name))
        return self.relations[name]

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What `make` makes of relations of this bench, in the first bucket as in all others."""
        if name not in self.queries:
            self.queries[name] = make()
        made: T = self.queries[name]
        return made

    def clear(self) -> None:
        """Remove the intermediate files."""
        shutil.rmtree(self.scratch, ignore_errors=True)


def build(
    plan: FeaturePlan,
    files: Mapping[str, Mapping[int, Sequence[str]]],
    engine: Engine,
    directory: str,
    *,
    scratch: Path,
    progress: Progress | None = None,
) -> Built:
    """Build the dataset's rows.

    Args:
        plan: the checked feature set.
        files: absolute paths of the protected Parquet files by table and bucket; a table may lack buckets.
        engine: runs the queries.
        directory: where the feature files go (absolute, new), one folder per bucket.
        scratch: folder for intermediate files; what is put there is removed again.
        progress: told after every bucket.

    Raises:
        DataError: tied records differ (D004), rows are not one per subject (D005), or there are none (D006).
        PrivacyRefusal: a feature depends on the future (G003).
    """
    from potable.features.leakage import prove

    buckets = sorted({bucket for table in plan.sources for bucket in files.get(table, {})})
    parts, funnel, proved, gaps = [], Funnel(), 0, Counter[str]()
    every = Bench(plan, engine, scratch)
    for done, bucket in enumerate(buckets, 1):
        here = {table: tuple(files.get(table, {}).get(bucket, ())) for table in plan.sources}
        bench = every.bucket(bucket)
        bench.clear()
        spine, counts = make_spine(bench, here)
        folder = f"{BUCKET}={bucket}"
        rows, before = features(bench, here, spine)
        written = engine.write(rows, f"{directory}/{folder}", order_by=[plan.id_column])
        parts += [Part(f"{folder}/{part.path}", part.rows, part.bytes, bucket) for part in written]
        finished = relation(plan, engine, [f"{directory}/{folder}/{part.path}" for part in written])
        counts = checked(finished, plan, engine, counts)
        if not proved and counts.rows:
            proved = prove(bench.at("proof"), here, spine, finished)
        funnel += counts
        gaps.update(before)
        bench.clear()
        if progress:
            progress(done, len(buckets))
    everything = relation(plan, engine, [f"{directory}/{part.path}" for part in parts])
    return replace(finish(plan, engine, parts, everything, funnel, proved), gaps=gaps)


def finish(
    plan: FeaturePlan, engine: Engine, parts: Sequence[Part], everything: ir.Table, funnel: Funnel, proved: int
) -> Built:
    """What was made, where there is anything.

    Raises:
        DataError: D006, there are no rows.
    """
    _refuse_empty(funnel)
    return Built(tuple(parts), funnel.rows, funnel, columns(plan), proved, _balance(everything, plan, engine))


def columns(plan: FeaturePlan) -> dict[str, str]:
    """Output columns in order, with their kinds."""
    fixed = {plan.id_column: "string", "as_of": "date"}
    return fixed | {feature.name: feature.type.kind for feature in plan.outputs}


def relation(plan: FeaturePlan, engine: Engine, files: Sequence[str]) -> ir.Table:
    """Finished feature files (absolute paths) as one relation of `columns`."""
    import ibis

    from potable.features.evaluate import IBIS_TYPES

    kinds = {name: IBIS_TYPES[kind] for name, kind in columns(plan).items()}
    return engine.read(files, ibis.schema(kinds).to_pyarrow())


def make_spine(bench: Bench, files: Files) -> tuple[ir.Table, Funnel]:
    """The spine of a bucket, written to scratch, and how many subjects got how far."""
    rule, table = bench.plan.rows, bench.plan.tables[bench.plan.rows.table]
    known = employments(bench, files)
    found, funnel = candidates(bench, known)
    drawn = spines.spine(found, spines.versions(known, rule, table), rule, table, bench.engine)
    return bench.kept(drawn, "spine"), funnel


def candidates(bench: Bench, known: ir.Table) -> tuple[ir.Table, Funnel]:
    """The dates each subject of `employments` may get, written to scratch, and how many subjects got how far."""
    plan, engine = bench.plan, bench.engine
    rule, table = plan.rows, plan.tables[plan.rows.table]
    seen = scalars(engine, known.aggregate(seen=known[SUBJECT].nunique()))["seen"]
    found = spines.running(spines.versions(known, rule, table), spines.calendar(rule.dates), rule, table)
    found = bench.kept(found, "candidates")
    counts = scalars(engine, spines.counted(found, rule))
    return found, Funnel(seen, counts["employed"], counts["selected"], counts["eligible"])


def employments(bench: Bench, files: Files) -> ir.Table:
    """The employments of a bucket.

    Raises:
        DataError: D004, versions of one are tied in time and differ.
    """
    rule, table = bench.plan.rows, bench.plan.tables[bench.plan.rows.table]
    found = bench.engine.read(files[rule.table], spines.employment_schema(rule, table))
    if bench.people is not None:
        found = found.semi_join(bench.people, SUBJECT)
    if scalars(bench.engine, spines.ambiguous(found, rule, table))["conflicts"]:
        raise tied(rule.table, table, ["rows"])
    return found


def features(bench: Bench, files: Files, spine: ir.Table) -> tuple[ir.Table, Counter[str]]:
    """The finished rows of a spine, and how many have something before a label's window begins.

    Intermediate results of the tables are written to scratch.
    """
    spine = facts.with_moments(spine, bench.plan.cut)
    measured = [_measured(bench, files, spine, task, number) for number, task in enumerate(tasks(bench.plan))]
    require_decided(measured, spine, bench.engine)
    found = [assembly.Measured(one.relation, one.counts) for one in measured]
    rows = bench.once("rows", lambda: assembly.assemble(spine, found, bench.plan))
    return rows, gapped.counted(measured, bench.engine)


def gaps_of(bench: Bench, files: Files, spine: ir.Table) -> Counter[str]:
    """How many rows of a spine have something before a label's window begins, by label."""
    spine = facts.with_moments(spine, bench.plan.cut)
    wanted = [replace(task, features=()) for task in tasks(bench.plan) if task.gaps]
    return gapped.counted(
        [_measured(bench, files, spine, task, number) for number, task in enumerate(wanted)], bench.engine
    )


def tasks(plan: FeaturePlan) -> Iterator[facts.TableTask]:
    """One per table that has features, one per table that has labels."""
    for forward in (False, True):
        for name in plan.sources:
            if (wanted := plan.of_table(name, labels=forward)) and name != DERIVED:
                gaps = tuple(gap for label in wanted if forward and (gap := gapped.gap(label)))
                yield facts.TableTask(name, plan.tables[name], wanted, plan.digits, forward, gaps)


def _measured(bench: Bench, files: Files, spine: ir.Table, task: facts.TableTask, number: int) -> Measured:
    rows = bench.read(f"rows-{number}", files[task.name], task.schema)
    query = f"table-{number}"
    compiled = bench.once(query, lambda: compiling.compile_table(rows, spine, task, prefix=f"_{number}"))
    marks = {name: f"_{number}{name}" for name in (facts.TWINS, facts.HUGE)}
    try:
        relation = bench.kept(compiled.relation, query)
    except Outgrown:
        raise outgrown(task) from None
    return Measured(task, rows, relation, compiled.counts, {**compiled.ties, **marks})


def checked(finished: ir.Table, plan: FeaturePlan, engine: Engine, funnel: Funnel) -> Funnel:
    """The funnel with the number of finished rows.

    Raises:
        DataError: D005, these are not one per eligible subject.
    """
    counts = scalars(engine, finished.aggregate(rows=finished.count(), ids=finished[plan.id_column].nunique()))
    if not counts["rows"] == counts["ids"] == funnel.eligible:
        raise DataError(
            f"`{plan.dataset}` does not have exactly one row per eligible subject",
            "D005",
            given=f"{counts['rows']} rows, {counts['ids']} ids, {funnel.eligible} eligible subjects",
            hint="all records of a subject must be in the same bucket",
        )
    return replace(funnel, rows=int(counts["rows"]))


def _refuse_empty(funnel: Funnel) -> None:
    if not funnel.rows:
        lost = "; ".join(f"{reason}: {count}" for reason, count in funnel.dropped.items())
        raise DataError(
            "no subject is eligible for a row of the dataset", "D006", given=f"{funnel.seen} subjects seen; {lost}"
        )


def _balance(finished: ir.Table, plan: FeaturePlan, engine: Engine) -> dict[str, dict[str, int]]:
    """Rows by label value; labels with many values are told as known or unknown."""
    from potable.engines.base import collect

    balance = {}
    for label in plan.labels:
        value = finished[label.name]
        shown = value.cast("string") if label.type.kind in ("boolean", "string") else value.notnull().cast("string")
        by_value = collect(engine, finished.group_by(value=shown).aggregate(rows=finished.count())).to_pylist()
        balance[label.name] = {str(row["value"]): int(row["rows"]) for row in by_value}
    return {name: dict(sorted(counts.items())) for name, counts in balance.items()}
