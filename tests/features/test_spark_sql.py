"""The queries compile to Spark SQL too; that they give the same rows is shown where Spark runs."""

from typing import Any

import ibis
import pytest
from ibis.config import Config
from tests.features.test_expressions import CASES
from tests.features.world import World, plan_of

from potable.features import assemble, build, facts, spine
from potable.features.compile import compile_table
from potable.features.evaluate import IBIS_TYPES
from potable.features.windows import moment

ALL = {
    "hr.facts": {
        "avg": "avg(money) last 3",
        "latest": "latest(word) where n > 1",
        "first": "first(ratio) in 12mo",
        "late": "first(n) first 3",
        "change": "change(money) in 24mo | round(0.01)",
        "slope": "slope(n) last 5",
        "stddev": "stddev(ratio)",
        "mode": "mode(word)",
        "median": "median(n) before 1y",
        "share": "share(flag)",
        "distinct": "distinct(word) in 2w",
        "any": "any(flag) in 4q",
        "days": "days_since()",
        "months": "months_since()",
        "span": "max(months_between(due, as_of)) | band([3, 5])",
        "min": "min(due) | year",
        "sum": "sum(money * n)",
        "count": "count(n) else 3 | clip(max=5)",
        "changes": "count() in 12mo where word != previous(word)",
        "streak": "streak(flag) last 5",
    },
    "hrms.people": {"age": "years_between(birth_date, as_of)", "gender": "value(gender) | generalise({f='x'})"},
    "derived": {"pace": "sum / nullif(tenure_years, 0)"},
}


class SparkOptions(Config):
    treat_nan_as_null: bool = False


@pytest.fixture(autouse=True)
def spark_options(monkeypatch: pytest.MonkeyPatch) -> None:
    # the options come with the pyspark backend, which needs pyspark itself
    monkeypatch.setattr(ibis.options, "pyspark", SparkOptions())


def spark(relation: Any) -> str:
    text = str(ibis.to_sql(relation, dialect="pyspark"))
    assert "ASOF" not in text.upper()
    return text


def assembled(plan: Any) -> tuple[list[tuple[Any, Any, Any]], Any]:
    """By task, what it compiles to and its ties (None without times); and the finished rows."""
    people = ibis.table({"_subject": "string", "as_of": "date", "_start": "date", "_first": "date"}, name="spine")
    rows = facts.with_moments(facts.numbered(people), plan.cut)
    compiled, measured = [], []
    for number, task in enumerate(build.tasks(plan)):
        protected = ibis.table(ibis.schema(task.schema), name=f"table_{number}")
        made = compile_table(protected, rows, task, prefix=f"_{number}")
        compiled.append((task, made, facts.conflicts(protected, rows, task) if task.table.time else None))
        measured.append(assemble.Measured(ibis.table(made.relation.schema(), name=f"result_{number}"), made.counts))
    return compiled, assemble.assemble(rows, measured, plan)


def test_every_query_of_a_build_compiles_for_spark(world: World) -> None:
    plan = plan_of(
        world.path,
        ALL,
        embargo="30d",
        as_of="{pick: random_month_end, between: [2020-01-01, 2024-06-30], seed: 1}",
        where="tenure_days >= 90",
    )
    rule, table = plan.rows, plan.tables[plan.rows.table]
    employments = ibis.table(ibis.schema(spine.employment_schema(rule, table)), name="employments")
    assert spark(spine.ambiguous(employments, rule, table))
    candidates = spine.states(spine.versions(employments, rule, table), spine.calendar(rule.dates), rule, table)
    assert "EXPLODE" in spark(candidates)
    assert spark(spine.counted(candidates, rule))
    compiled, finished = assembled(plan)
    for task, each, conflicts in compiled:
        assert "ROW_NUMBER" in spark(each.relation) or task.name != "hr.facts"
        if task.table.time:
            assert spark(conflicts)
    assert "LEFT" in spark(finished)
    assert {name: str(kind) for name, kind in finished.schema().items()} == {
        name: IBIS_TYPES[kind] for name, kind in build.columns(plan).items()
    }


def test_a_built_in_is_written_as_often_for_many_derived_features_as_for_one(world: World) -> None:
    def written(*expressions: str) -> int:
        derived = {f"d{number}": text for number, text in enumerate(expressions)}
        plan = plan_of(world.path, {"hr.facts": {"n": "count()"}, "derived": derived})
        return spark(assembled(plan)[1]).upper().count("LEAST(")

    once = written("tenure_years")
    # whole numbers, for a fraction is rounded, which has the same function
    assert once and once == written("n * tenure_years", "tenure_years * 2", "d0 * tenure_years")


def test_every_function_compiles_for_spark(world: World) -> None:
    plan = plan_of(world.path, {"hr.facts": {f"f_{name}": f"latest({text})" for name, (text, _) in CASES.items()}})
    (task, _) = build.tasks(plan)
    people = ibis.table({"_subject": "string", "as_of": "date", "_number": "int64"}, name="spine")
    protected = ibis.table(ibis.schema(task.schema), name="facts")
    assert spark(compile_table(protected, facts.with_moments(people, plan.cut), task, prefix="_0").relation)


def test_spans_are_intervals_on_spark_too() -> None:
    rows = ibis.table({"t": "timestamp(6)"}, name="t")
    from potable.features.windows import Offset

    assert "INTERVAL '-12' MONTH" in spark(rows.select(x=moment(rows.t, Offset(-12, -3))))
