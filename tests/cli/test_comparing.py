"""`potable diff` as it is typed: two versions of the small example."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.runs.conftest import small_once

from potable.cli.app import cli
from potable.errors import EnvironmentFailure, ProjectError


def call(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["-C", str(folder), *arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small example, published; then one feature redefined, one renamed, rows chosen otherwise."""
    folder = tmp_path_factory.mktemp("compared") / "mine"
    shutil.copytree(small_once(tmp_path_factory).root, folder)
    with pytest.raises(EnvironmentFailure, match="fewer than two versions"):
        call(folder, "diff")
    features = folder / "features.yaml"
    text = features.read_text("utf-8")
    for old, new in (
        ("urgent_6mo: count() in 6mo", "urgent_3mo: count() in 3mo"),
        ("tickets_6mo: count() in 6mo", "tickets_6mo: count() in 5mo"),
        ("tenure_days >= 30", "tenure_days >= 400"),
    ):
        assert old in text
        text = text.replace(old, new)
    features.write_text(text, "utf-8")
    assert call(folder, "run").exit_code == 0
    return folder


def test_what_was_changed_is_told_and_counted(folder: Path) -> None:
    facts = json.loads(call(folder, "diff", "-o", "json").output)
    assert (facts["dataset"], facts["versions"]) == ("customer_churn", [1, 2])
    assert facts["columns"] == {
        "added": ["urgent_3mo"], "removed": ["urgent_6mo"], "redefined": ["tickets_6mo"], "retyped": []
    }  # fmt: skip
    assert facts["rows"][0] - facts["went"] + facts["came"] == facts["rows"][1] == facts["shared"] + facts["came"]
    assert facts["cells"]["tickets_6mo"] and facts["went"]
    assert sum(facts["label"][1]["values"].values()) == facts["rows"][1]


def test_the_text_names_versions_definitions_and_shares(folder: Path) -> None:
    text = call(folder, "diff", "customer_churn", "--from", "1", "--to", "2").output
    assert text.startswith("customer_churn version 1 → 2\n  rows     ")
    assert "  columns  added urgent_3mo; removed urgent_6mo; redefined tickets_6mo\n" in text
    assert "count() in 6mo → count() in 5mo" in text and "label    churn: Stayed" in text
    assert "  columns " not in call(folder, "diff", "--from", "2", "--to", "2").output


def test_a_version_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(ProjectError, match="version 7: there is no such version") as failure:
        call(folder, "diff", "--to", "7")
    assert failure.value.allowed == "1, 2"
