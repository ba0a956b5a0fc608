"""Rows to be scored (`run --as-of DATE --scoring`): the features a model was trained on, as of today and without label."""

from __future__ import annotations

import io
import shutil
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.conftest import require_spark
from tests.runs.conftest import Bench

from potable.cli.app import main
from potable.datasets.version import Version, current
from potable.project import load
from potable.runs.record import RunRecord
from potable.runs.runner import Options, run

LABELLED, LATEST = "2024-03-31", "2024-06-30"
"""A day of which the label is known, and the last one the tables are complete for."""


@dataclass(frozen=True)
class Shop:
    """The small example and its command line."""

    root: Path

    def call(self, *arguments: str, code: int = 0) -> str:
        """What a command prints, on either stream."""
        done, told = 0, io.StringIO()
        with redirect_stdout(told), redirect_stderr(told):
            try:
                main(["-C", str(self.root), *arguments])
            except SystemExit as end:
                done = int(end.code or 0)
        assert done == code, told.getvalue()
        return told.getvalue()

    def run(self, as_of: str = "", *, scoring: bool = False) -> RunRecord:
        day = date.fromisoformat(as_of) if as_of else None
        record = run(load(self.root, as_of=day, scoring=scoring), Options(), lambda event: None)
        assert record.exit_code == 0, record.error
        return record

    def version(self, name: str) -> Version:
        found = current(load(self.root).lake().versions(name))
        assert found
        return found

    def rows(self, name: str) -> pa.Table:
        return pq.read_table(load(self.root).lake().open.locate(self.version(name).files["parquet"]))

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def shop(finished_small: Bench, tmp_path: Path) -> Shop:
    """A copy of the example, published once."""
    return Shop(Path(shutil.copytree(finished_small.root, tmp_path / "shop")))


def test_rows_to_score_are_the_labelled_rows_of_that_day_without_the_label(shop: Shop) -> None:
    shop.run(LABELLED)
    steps = shop.run(LABELLED, scoring=True).steps
    assert {step.state for step in steps if step.verb not in ("ingest", "build", "publish")} == {"skipped"}
    labelled, scored = shop.rows(f"customer_churn@{LABELLED}"), shop.rows(f"customer_churn@{LABELLED}.scoring")
    assert scored.num_rows > 0 and scored.equals(labelled.drop_columns(["churn"]))


def test_people_of_a_day_whose_label_nobody_knows_yet_are_scored(shop: Shop) -> None:
    before = shop.version("customer_churn")
    assert "error[P032]" in shop.call("run", "--as-of", LATEST, code=2)
    found = shop.run(LATEST, scoring=True).dataset
    assert found and (found.name, found.label, found.balance) == (f"customer_churn@{LATEST}.scoring", "", {})
    assert (found.scores, found.defined_as) == ("customer_churn", before.number)
    rows = shop.rows(found.name)
    assert list(rows["as_of"].to_pylist()) == [rows["as_of"][0].as_py()] * rows.num_rows
    assert shop.version("customer_churn") == before
    shop.call("run", "--as-of", LATEST, "--scoring", "--exit-code", code=99)
    card = Path(load(shop.root).lake().open.locate(shop.version(found.name).files["card"])).read_text()
    assert "## Label" not in card and "task_categories" not in card and "rows to score" in card


def test_features_that_no_version_has_are_told(shop: Shop) -> None:
    shop.edit("features.yaml", "count() in 6mo\n", "count() in 5mo\n")
    told = shop.call("run", "--as-of", LATEST, "--scoring")
    assert (
        "features     not defined as in any version of customer_churn, so a model trained on one expects other columns"
        in told
    )
    shop.edit("features.yaml", "count() in 5mo\n", "count() in 6mo\n")
    told = shop.call("run", "--as-of", LATEST, "--scoring")
    assert "features     defined as in customer_churn version 1\n" in told


def test_a_table_that_is_not_complete_to_that_day_is_refused_unless_its_end_is_open(shop: Shop) -> None:
    text = shop.call("run", "--as-of", "2024-07-31", "--scoring", code=2)
    assert "`coverage` of `desk.tickets` ends on 2024-06-30" in text
    assert "read by `tickets_6mo`, `urgent_6mo`" in text and "hours_avg_last3" not in text
    assert "sources/desk.yaml:18" in text
    shop.edit("sources/desk.yaml", "[2021-01-01, 2024-06-30]", "[2021-01-01, null]")
    steps = {step.step: step.state for step in shop.run("2024-07-31", scoring=True).steps}
    assert steps["validate desk.tickets"] == steps["protect desk.tickets"] == "skipped"
    counts = shop.rows("customer_churn@2024-07-31.scoring")["tickets_6mo"]
    assert not counts.null_count and 0 in counts.to_pylist()


def test_a_label_needs_the_last_day_of_its_table(shop: Shop) -> None:
    shop.edit("sources/crm.yaml", "[2021-01-01, 2024-06-30]", "[2021-01-01, null]")
    assert "`crm.cancellations`: the label's table must declare" in shop.call("check", code=2)


def test_a_dataset_may_have_no_label_at_all(shop: Shop) -> None:
    label = "churn: any() in next 3mo from crm.cancellations | words(true='Left', false='Stayed')"
    shop.edit("features.yaml", f"label:\n  {label}", "label: {}")
    found = shop.run().dataset
    assert found and (found.name, found.label, found.scores) == ("customer_churn", "", "")
    assert "churn" not in shop.rows("customer_churn").column_names
    shop.call("report")
    shop.call("show")
    shop.edit("features.yaml", "label: {}", "label: {}\nbias: {groups: [country], favourable: Stayed}")
    assert "features.yaml declares no label" in shop.call("check", code=2)


def test_who_asks_for_rows_that_are_not_there_is_told_the_run_that_makes_them(shop: Shop) -> None:
    for command in ("show", "diff"):
        told = shop.call(command, f"customer_churn@{LATEST}.scoring", code=3)
        assert f" run --as-of {LATEST} --scoring\n" in told
        assert f" run --as-of {LATEST}\n" in shop.call(command, f"customer_churn@{LATEST}", code=3)


def test_scoring_needs_a_day(shop: Shop) -> None:
    assert "--scoring needs --as-of DATE" in shop.call("run", "--scoring", code=2)


def test_groups_and_tests_of_the_label_do_not_stand_in_the_way(shop: Shop) -> None:
    declared = """
bias: {groups: [country], favourable: Stayed}
tests:
  - name: leaves
    as_of: 2024-01-31
    rows: {crm.cancellations: [{cancelled_on: 2024-02-15}]}
    gives: {churn: Left}
"""
    path = shop.root / "features.yaml"
    path.write_text(path.read_text() + declared)
    shop.call("test")
    found = shop.run(LATEST, scoring=True).dataset
    assert found and found.bias == ()


@pytest.mark.long
@pytest.mark.spark
@pytest.mark.slow
def test_spark_gives_the_same_rows_to_score(shop: Shop, tmp_path: Path) -> None:
    require_spark()
    shop.run(LATEST, scoring=True)
    version = shop.version(f"customer_churn@{LATEST}.scoring")
    other = Shop(tmp_path / "spark")
    shutil.copytree(shop.root, other.root)
    shutil.rmtree(other.root / "lake")
    other.edit("potable.yaml", "memory: 1GB", "memory: 1GB\nengine: spark")
    other.run(LATEST, scoring=True)
    assert other.version(f"customer_churn@{LATEST}.scoring").sha256["csv"] == version.sha256["csv"]
