"""`potable gc` as it is typed: tells, removes when it is told to, and refuses what could harm a run that goes on."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.runs.conftest import small_once

from potable.cli.app import cli
from potable.errors import ProjectError


def call(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["-C", str(folder), *arguments], catch_exceptions=False)


def aged(folder: Path, days: int) -> None:
    """As if all of it had been made and run so long ago."""
    moment = datetime.now(UTC) - timedelta(days=days)
    for path in (folder / "lake/open/runs").glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8")) | {"started": moment.isoformat(timespec="seconds")}
        path.write_text(json.dumps(record), encoding="utf-8")
    for root in ("lake", "vault", ".potable"):
        for path in [*(folder / root).rglob("*")]:
            os.utime(path, (moment.timestamp(), moment.timestamp()))


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small example in which a feature was changed."""
    folder = tmp_path_factory.mktemp("changed") / "mine"
    shutil.copytree(small_once(tmp_path_factory).root, folder)
    features = folder / "features.yaml"
    features.write_text(
        features.read_text().replace("tickets_6mo: count() in 6mo", "tickets_6mo: count() in 5mo"), "utf-8"
    )
    assert call(folder, "run").exit_code == 0
    return folder


@pytest.fixture
def folder(changed: Path, tmp_path: Path) -> Path:
    """A copy of it, in which that was twelve days ago."""
    folder = shutil.copytree(changed, tmp_path / "mine")
    aged(folder, 12)
    return folder


def test_it_tells_first_and_removes_with_delete(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    told = call(folder, "gc")
    assert told.exit_code == 0 and "steps that nothing needs" in told.output
    assert f"nothing was removed\nnext: potable -C {folder} gc --delete" in told.output
    assert sorted(folder.rglob("*")) == before
    facts = json.loads(call(folder, "gc", "-o", "json").output)
    assert not facts["removed"] and facts["files"] == sum(each["files"] for each in facts["zones"])
    done = call(folder, "gc", "--delete", "--reason", "the disk is full")
    assert done.exit_code == 0 and f"removed {facts['files']} files of 1 step" in done.output
    entry = json.loads(sorted((folder / "lake/open/audit").iterdir())[-1].read_text(encoding="utf-8"))
    assert (entry["what"], entry["why"]) == ("gc", "the disk is full")
    assert call(folder, "gc").output.startswith("nothing to remove;")
    assert json.loads(call(folder, "run", "-o", "json").stdout)["outcome"] == "nothing new"


def test_what_is_younger_than_asked_stays(folder: Path) -> None:
    for age in ("2w", "1mo"):
        told = call(folder, "gc", "--delete", "--older-than", age)
        assert told.output == f"nothing to remove; what runs of the last {age} wrote or used is kept\n"
    assert json.loads(call(folder, "gc", "--older-than", "11d", "-o", "json").output)["steps"]
    # an attempt that another machine writes just now
    attempt = folder / "lake/open/features/customer_churn" / ("0" * 32) / "0123456789ab/rows/part-0.parquet"
    attempt.parent.mkdir(parents=True)
    attempt.write_bytes(b"x" * 2048)
    told = call(folder, "gc", "--delete")
    assert "1 file not needed any more stays: younger than 7d, 2.0 KB" in told.output and attempt.exists()


def test_versions_lose_their_files_only_where_it_is_asked_for(folder: Path) -> None:
    told = call(folder, "gc", "--keep-versions", "1")
    assert (
        "customer_churn version 1 loses its files" in told.output and "versions beyond --keep-versions" in told.output
    )
    done = call(folder, "gc", "--keep-versions", "1", "--delete")
    assert "customer_churn version 1 lost its files" in done.output
    assert "version 1: its files were removed" in call(folder, "show").output


@pytest.mark.parametrize("age", ["0d", "0mo", "1h", "soon"])
def test_an_age_of_less_than_a_day_is_refused(folder: Path, age: str) -> None:
    with pytest.raises(ProjectError) as caught:
        call(folder, "gc", "--delete", "--older-than", age)
    assert caught.value.code == "P005"


def test_a_project_that_cannot_be_read_removes_nothing(folder: Path) -> None:
    (folder / "features.yaml").write_text("dataset: customer_churn\n", encoding="utf-8")
    before = sorted(folder.rglob("*"))
    with pytest.raises(Exception, match=r"features\.yaml"):
        call(folder, "gc", "--delete")
    assert sorted(folder.rglob("*")) == before
