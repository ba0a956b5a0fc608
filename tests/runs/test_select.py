"""A part of a run (`--select`), of another day (`--as-of`), or all over again (`--full-refresh`)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.runs.conftest import Bench, Company, landed, make_bench
from tests.runs.test_faults import command, copied, refused

from potable.cli.app import main
from potable.datasets.version import current
from potable.errors import ProjectError
from potable.project import load
from potable.runs.record import RunRecord
from potable.runs.runner import Options, run

DAY = "2023-03-31"


def done(bench: Bench, **options: object) -> RunRecord:
    return run(bench.project(), Options(**options), lambda event: None)  # type: ignore[arg-type]


def steps(record: RunRecord, state: str = "done") -> set[str]:
    return {step.step for step in record.steps if step.state == state}


def line(bench: Bench, *arguments: str) -> dict[str, object]:
    result = command(bench, "run", "-o", "line", *arguments)
    assert result.returncode == 0, result.stderr
    found: dict[str, object] = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    return found


def test_one_source_is_ingested_and_validated_without_the_others(bench: Bench) -> None:
    record = done(bench, only="ingest", select=("payroll",))
    assert record.outcome == "done" and steps(record) == {"ingest payroll"}
    record = done(bench, only="validate", select=("payroll",))
    assert record.outcome == "done" and steps(record) == {"validate payroll.payslips"}
    again = done(bench, only="validate", select=("payroll",))
    assert again.outcome == "nothing new"
    assert done(bench, only="validate").error["code"] == "E008"


def test_a_selection_without_a_verb_stops_after_validate(bench: Bench) -> None:
    record = done(bench, select=("hrms.people", "lms"))
    assert record.outcome == "done" and record.dataset is None
    assert steps(record) == {"ingest hrms", "ingest lms", "validate hrms.people", "validate lms.trainings"}


def test_a_selected_source_must_be_landed_and_is_named(bench: Bench) -> None:
    done(bench, only="ingest", select=("lms",))
    record = done(bench, only="validate", select=("payroll", "lms"))
    assert record.error["code"] == "E008" and "payroll" in record.error["problem"]


def test_what_changed_in_all_tables_of_a_source_is_told_at_once(bench: Bench) -> None:
    path = bench.root / "sources/reviews.yaml"
    text = path.read_text(encoding="utf-8")
    at = "    columns:\n"
    assert text.count(at) > 1
    text = text.replace("missing_column: warn", "missing_column: fail")
    path.write_text(text.replace(at, f"{at}      mood: {{category: none}}\n      room: {{category: none}}\n"), "utf-8")
    record = done(bench, select=("reviews",))
    assert record.exit_code == 1 and record.error["code"] == "D002"
    told = [error["problem"] for error in record.error["errors"]]
    assert [problem.split(" (")[0] for problem in told] == [
        "`reviews.ratings` lacks `mood`, `room` and `submitted_at`",
        "`reviews.engagement` lacks `mood` and `room`",
    ]
    assert "the objects stay in the raw zone" in record.error["state"]


def test_one_table_is_protected_when_all_are_resolved(published: Bench) -> None:
    for name in ("reviews.engagement", "lms.trainings"):
        shutil.rmtree(published.root / "lake/open/protected" / name)
    record = done(published, only="protect", select=("reviews.engagement",))
    assert record.outcome == "done", record.error
    assert steps(record) == {"protect reviews.engagement"}
    assert {"protect lms.trainings", "protect payroll.payslips"}.isdisjoint(step.step for step in record.steps)
    assert done(published, only="build").error["code"] == "E008"


def test_a_word_that_is_no_source_is_refused_with_a_suggestion(bench: Bench) -> None:
    with pytest.raises(ProjectError, match="did you mean `payroll`"):
        done(bench, only="ingest", select=("payrol",))


def test_verbs_that_read_all_tables_take_no_selection(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["-C", str(bench.root), "run", "--only", "build", "--select", "payroll"])
    assert stop.value.code == 2 and "all tables together" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.slow
def test_all_sources_at_once_in_processes_of_their_own(company: Company, tmp_path: Path) -> None:
    """As mapped tasks run them, on a lake that does not exist yet."""
    bench = make_bench(company, tmp_path / "project")
    sources = list(bench.project().sources)
    for verb in ("ingest", "validate"):
        calls = [
            [sys.executable, "-m", "potable", "-C", str(bench.root), "run", "--only", verb, "--select", name]
            for name in sources
        ]
        environment = {**os.environ, **company.variables}
        running = [
            subprocess.Popen(call, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for call in calls
        ]
        ends = [(process.communicate()[1].decode(), process.returncode) for process in running]
        assert [code for _, code in ends] == [0] * len(sources), ends
    together = done(bench, only="validate")
    assert [step.step for step in together.steps if step.state == "done"] == ["validate references"]
    assert done(bench, only="validate").outcome == "nothing new"
    assert not list(bench.project().lake().audit.broken())


def test_another_day_is_a_dataset_of_its_own_and_leaves_the_current_version(small: Bench) -> None:
    before = small.version
    assert line(small, "--as-of", DAY)["dataset"] == f"customer_churn@{DAY}"
    assert small.version == before
    project = load(small.root, as_of=date(2023, 3, 31))
    found = current(project.lake().versions(project.dataset))
    assert found and found.number == 1 and found.lineage["as of"] == DAY and found.rows > 0
    rows = pq.read_table(project.lake().open.locate(found.files["parquet"]))
    assert {str(day)[:10] for day in rows["as_of"].to_pylist()} == {DAY}
    assert command(small, "run", "--as-of", DAY, "--exit-code").returncode == 99
    assert command(small, "run", "--exit-code").returncode == 99
    shown = command(small, "show", f"customer_churn@{DAY}", "-o", "json")
    assert json.loads(shown.stdout)["rows"] == found.rows
    # declaring the day gives the same bytes: the option is no second way to say it
    small.edit(
        "features.yaml", "{pick: random_month_end, between: [2022-01-01, 2024-03-31], seed: 1}", f"{{at: {DAY}}}"
    )
    small.publish()
    assert small.version.sha256["csv"] == found.sha256["csv"]


def test_a_day_the_labels_cannot_know_is_refused(published: Bench) -> None:
    refused(published, "P032", 2, "run", "--as-of", "2025-12-31")
    assert command(published, "run", "--as-of", "yesterday").returncode == 2


def test_a_full_refresh_makes_everything_again_and_changes_nothing(small: Bench) -> None:
    made_again_the_same(small, "sources/desk.yaml", "type: json", "type: json\nowner: somebody else")


@pytest.mark.long
@pytest.mark.slow
def test_a_full_refresh_of_a_company_changes_nothing(published: Bench) -> None:
    made_again_the_same(published, "sources/lms.yaml", "owner: learning-platform", "owner: somebody else")


def test_a_full_refresh_of_every_kind_of_source_lands_nothing_new(published: Bench) -> None:
    before = landed(published)
    record = done(published, only="ingest", full_refresh=True)
    assert record.outcome == "nothing new" and {step.state for step in record.steps} == {"skipped"}
    assert landed(published) == before


def made_again_the_same(bench: Bench, file: str, old: str, new: str) -> None:
    """By a full refresh, after an edit that decides nothing."""
    before, files = bench.version, lake_files(bench)
    # it makes no other version, and the card of this one tells of the contract it was made by
    bench.edit(file, old, new)
    record = done(bench, full_refresh=True)
    assert record.outcome == "nothing new", record.error
    kept = {step.step for step in record.steps if step.state == "skipped"}
    assert kept == {f"ingest {name}" for name in bench.project().sources}
    assert bench.version == before and lake_files(bench) == files
    folders = [place for top in ("lake", "vault") for place in (bench.root / top).rglob("*") if place.is_dir()]
    # where notes of runs come and go
    empty = {place.name for place in folders if not any(place.iterdir())}
    assert empty <= {"begun"}, "scratch is removed with its folders"


def test_a_full_refresh_sees_what_size_and_time_did_not_tell(published: Bench, tmp_path: Path) -> None:
    bench = copied(published, "REVIEW_DUMPS", tmp_path / "reviews")
    victim = next(path for path in sorted((tmp_path / "reviews").rglob("*")) if path.is_file())
    assert done(bench, only="ingest", select=("reviews",)).outcome == "nothing new"
    stat, data = victim.stat(), victim.read_bytes()
    victim.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
    os.utime(victim, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert done(bench, only="ingest", select=("reviews",)).outcome == "nothing new"
    assert done(bench, only="ingest", select=("reviews",), full_refresh=True).outcome == "done"


def test_a_full_refresh_finds_a_lake_that_was_changed_by_hand(published: Bench) -> None:
    rows = sorted((published.root / "lake/restricted/validated/lms.trainings").rglob("rows/*.parquet"))[0]
    table = pq.read_table(rows)
    pq.write_table(table.slice(0, table.num_rows - 5), rows)
    manifest = rows.parents[2] / "manifest.json"
    told = manifest.read_bytes()
    record = done(published, only="protect", select=("lms",), full_refresh=True)
    assert record.exit_code == 1 and record.error["code"] == "D005"
    assert "protect lms.trainings" in record.error["problem"] and manifest.read_bytes() == told
    assert published.version.number == 1


def test_the_line_for_schedulers_tells_outcome_and_version(published: Bench) -> None:
    found = line(published, "--only", "publish")
    version = published.version
    assert found["outcome"] == "nothing new" and found["new"] is False
    assert (found["version"], found["rows"]) == (version.number, version.rows)
    assert found["fingerprint"] == version.fingerprint
    shutil.rmtree(published.root / "lake/open/protected")
    failed = command(published, "run", "--only", "publish", "-o", "line")
    assert failed.returncode == 3 and json.loads(failed.stdout)["error"] == "E008"


def lake_files(bench: Bench) -> dict[str, bytes]:
    """Every file of the lake and the vault but the records of runs, and the queries that were compiled."""
    return {
        str(path.relative_to(bench.root)): path.read_bytes()
        for top in ("lake", "vault")
        for path in sorted((bench.root / top).rglob("*"))
        if path.is_file() and not {"runs", "audit", "compiled"} & set(path.parts)
    }
