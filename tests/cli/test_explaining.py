"""`potable explain` as it is typed, on the small example."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from tests.runs.conftest import make_small, small_once

from potable.cli.app import cli
from potable.errors import EnvironmentFailure, ProjectError


def call(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["-C", str(folder), *arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small example, published: rows to train on, and rows to score."""
    folder = tmp_path_factory.mktemp("explained") / "mine"
    empty = make_small(folder.with_name("empty")).root
    with pytest.raises(EnvironmentFailure, match="no version"):
        call(empty, "explain", "tickets_6mo")
    return shutil.copytree(small_once(tmp_path_factory).root, folder)


def test_the_text_says_cell_definition_and_records(folder: Path) -> None:
    facts = json.loads(call(folder, "explain", "tickets_6mo", "-o", "json").output)
    text = call(folder, "explain", "tickets_6mo", "--row", facts["row"], "--version", "1", "--all").output
    assert text.startswith(f"tickets_6mo = {facts['cell']}\n")
    assert f"row         {facts['row']} of customer_churn version 1, as of {facts['as_of']}" in text
    assert "  definition  count() in 6mo\n" in text
    records = facts["records"]
    assert sum(record["used"] for record in records) == facts["cell"] == facts["computed"]
    assert text.count("not used: ") == sum(not record["used"] for record in records)
    assert all(record["why"] for record in records if not record["used"])


def test_no_record_that_is_unknown_and_not_zero_says_why(folder: Path, tmp_path: Path) -> None:
    early = shutil.copytree(folder, tmp_path / "early")
    features = early / "features.yaml"
    features.write_text(features.read_text("utf-8").replace("between: [2022-01-01", "between: [2021-04-01"), "utf-8")
    assert call(early, "run").exit_code == 0
    rows = pq.read_table(json.loads(call(early, "show", "-o", "json").output)["files"]["parquet"]).to_pylist()
    whose = next(row for row in rows if row["tickets_6mo"] is None)
    text = call(early, "explain", "tickets_6mo", "--row", whose["customer_id"]).output
    assert "  empty       no record is unknown here, not zero: the window begins on " in text
    assert ", before the `coverage` of `desk.tickets` does (2021-01-01)\n" in text
    known = next(row for row in rows if row["tickets_6mo"] == 0)
    assert "  empty " not in call(early, "explain", "tickets_6mo", "--row", known["customer_id"]).output


def test_rows_to_score_are_explained_too(folder: Path) -> None:
    day = "2024-06-30"
    assert call(folder, "run", "--as-of", day, "--scoring").exit_code == 0
    facts = json.loads(call(folder, "explain", "tickets_6mo", f"customer_churn@{day}.scoring", "-o", "json").output)
    assert facts["as_of"] == day and facts["cell"] == facts["computed"]


def test_versions_that_cannot_be_explained_say_why(folder: Path) -> None:
    with pytest.raises(ProjectError, match="there is no such version"):
        call(folder, "explain", "tickets_6mo", "--version", "7")
    features = folder / "features.yaml"
    text = features.read_text("utf-8")
    features.write_text(text.replace("tickets_6mo: count() in 6mo", "tickets_6mo: count() in 5mo"), "utf-8")
    with pytest.raises(EnvironmentFailure, match="other definitions"):
        call(folder, "explain", "tickets_6mo")
    features.write_text(text, "utf-8")
