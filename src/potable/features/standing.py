"""Rows that were built before: which of them hold, and whose are built again.

A row is decided by its subject's employments and by the records of its subject that its features and labels may
see. So one that stands is touched only when an employment of its subject came or went, or a record that one of them
sees; what is seen is asked of the queries of `facts` themselves. The rows of all touched subjects are built together,
as many at a time as a bucket has, by the queries that build whole buckets.

Entry: `Standing`, `renew`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import ibis

from potable.engines.base import Engine, scalars, union_all
from potable.features import build as building
from potable.features import facts
from potable.features.build import Bench, Built, Files
from potable.features.plan import AS_OF, FeaturePlan
from potable.features.spine import Funnel
from potable.tables import SUBJECT

if TYPE_CHECKING:
    import ibis.expr.types as ir

_TIMES = "_times"
"""How often a record came, less how often it went."""


@dataclass(frozen=True)
class Standing:
    """What was built before by the same plan and code."""

    rows: Sequence[str]
    """Feature files, absolute."""
    files: Mapping[str, Mapping[int, Sequence[str]]]
    """The protected files they were built from, by table and bucket, all still there."""
    funnel: Funnel
    proved_on: int
    """Subjects the proof of no leakage was made on: it is about the plan and the code, which are the same."""
    gaps: Mapping[str, int] = field(default_factory=dict)
    """Rows with something before a label's window begins, by label."""


def renew(
    plan: FeaturePlan,
    files: Mapping[str, Mapping[int, Sequence[str]]],
    engine: Engine,
    directory: str,
    *,
    scratch: Path,
    standing: Standing,
) -> Built | None:
    """Build the rows of the subjects that were touched since, beside those of all others; None where none was.

    Args:
        plan: the checked feature set.
        files: absolute paths of the protected Parquet files by table and bucket, as they are now.
        engine: runs the queries.
        directory: where the feature files go (absolute, new).
        scratch: folder for intermediate files; what is put there is removed again.
        standing: what was built before.

    Raises:
        DataError: as `build.build`.
    """
    bench = Bench(plan, engine, scratch)
    bench.clear()
    people = bench.kept(_touched(bench, files, standing), "touched")
    touched = scalars(engine, people.aggregate(n=people.count()))["n"]
    if not touched:
        return None
    fresh: list[str] = []
    funnel, gaps = standing.funnel, Counter(standing.gaps)
    before = building.relation(plan, engine, standing.rows)
    old = before.semi_join(people, before[plan.id_column] == people[SUBJECT])
    old = bench.kept(facts.numbered(old.select(**{SUBJECT: old[plan.id_column], AS_OF: old[AS_OF]})), "old")
    for number, (now, then) in enumerate(_portions(plan, files, standing, touched)):
        mine = replace(bench.at(f"portion-{number}"), people=people)
        stood = mine.at("then")
        funnel -= building.candidates(stood, building.employments(stood, then))[1]
        gaps.subtract(building.gaps_of(stood, then, old))
        spine, counts = building.make_spine(mine, now)
        funnel += counts
        place = str(mine.scratch / "rows")
        rows, new = building.features(mine, now, spine)
        gaps.update(new)
        written = engine.write(rows, place)
        fresh += [f"{place}/{part.path}" for part in written]
    stay = before.anti_join(people, before[plan.id_column] == people[SUBJECT])
    every = union_all([stay, building.relation(plan, engine, fresh)])
    parts = engine.write(every, directory, order_by=[plan.id_column])
    bench.clear()
    finished = building.relation(plan, engine, [f"{directory}/{part.path}" for part in parts])
    funnel = building.checked(finished, plan, engine, funnel)
    return replace(building.finish(plan, engine, parts, finished, funnel, standing.proved_on), gaps=gaps)


def _portions(
    plan: FeaturePlan, files: Mapping[str, Mapping[int, Sequence[str]]], standing: Standing, touched: int
) -> Iterator[tuple[Files, Files]]:
    """Files now and then of some of the buckets, which have about as many touched subjects as a bucket has any."""
    buckets = sorted({bucket for table in (*files.values(), *standing.files.values()) for bucket in table})
    shares = min(len(buckets), math.ceil(touched * len(buckets) / max(standing.funnel.seen, 1)))
    for share in range(shares):
        mine = buckets[share::shares]
        now, then = (
            {table: _in(each.get(table, {}), mine) for table in plan.sources} for each in (files, standing.files)
        )
        yield now, then


def _in(files: Mapping[int, Sequence[str]], buckets: Sequence[int]) -> tuple[str, ...]:
    return tuple(file for bucket in buckets for file in files.get(bucket, ()))


def _touched(bench: Bench, files: Mapping[str, Mapping[int, Sequence[str]]], standing: Standing) -> ir.Table:
    """The subjects whose rows may not hold any more."""
    plan, engine = bench.plan, bench.engine
    changed = {name: _changed(bench, name, files.get(name, {}), standing.files.get(name, {})) for name in plan.sources}
    rows = building.relation(plan, engine, standing.rows)
    # what is seen depends on the as-of date alone, which moves only with an employment
    spine = facts.with_moments(rows.select(**{SUBJECT: rows[plan.id_column], AS_OF: rows[AS_OF]}), plan.cut)
    spine = spine.mutate(**{facts.NUMBER: ibis.literal(0, "int64")})
    found = [engine.read([], facts.protected_schema(plan.tables[plan.rows.table], [])).select(SUBJECT)]
    if (employments := changed[plan.rows.table]) is not None:
        found.append(employments.select(SUBJECT))
    for task in building.tasks(plan):
        if (records := changed[task.name]) is not None:
            found.append(facts.facts_of(records, spine, task).select(SUBJECT))
    return union_all(found).distinct()


def _changed(
    bench: Bench, name: str, now: Mapping[int, Sequence[str]], then: Mapping[int, Sequence[str]]
) -> ir.Table | None:
    """The records of a table, in the columns that are read, that came or went; None where no file did."""
    after, before = ({file for files in each.values() for file in files} for each in (now, then))
    came, went = sorted(after - before), sorted(before - after)
    if not came and not went:
        return None
    schema = facts.read_schema(bench.plan, name)
    new, old = (bench.engine.read(paths, schema) for paths in (came, went))
    if not went:
        return new
    # a file that was written again holds mostly what it held
    counted = new.mutate(**{_TIMES: ibis.literal(1, "int64")}).union(old.mutate(**{_TIMES: ibis.literal(-1, "int64")}))
    sums = counted.group_by(schema.names).aggregate(**{_TIMES: counted[_TIMES].sum()})
    return bench.kept(sums.filter(sums[_TIMES] != 0).drop(_TIMES), f"changed-{name}")
