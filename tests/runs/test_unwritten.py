"""Data engineering alone: everything up to resolve works before infosec and data science have written their files."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.runs.conftest import EXAMPLE, Bench, Company, make_bench

from potable.cli.app import main
from potable.runs.record import RunRecord

Call = Callable[..., tuple[int, str, str]]
LATER = ("privacy.yaml", "features.yaml")
LACKING = "privacy.yaml and features.yaml are not written yet"


def begun_by(bench: Bench) -> Bench:
    """A project of data engineering alone."""
    for file in LATER:
        (bench.root / file).unlink()
    return bench


@pytest.fixture(scope="module")
def begun(company: Company, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The five systems landed, validated and resolved without the files of others; look at it, do not change it."""
    bench = begun_by(make_bench(company, tmp_path_factory.mktemp("begun") / "project"))
    for verb in ("ingest", "validate", "resolve"):
        record = bench.run(only=verb)
        assert record.outcome == "done", record.error
    return bench


@pytest.fixture
def call(company: Company, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """A command on a project, in this process: exit code, stdout, stderr."""
    for name, value in company.variables.items():
        monkeypatch.setenv(name, value)

    def run(bench: Bench, *arguments: str) -> tuple[int, str, str]:
        code = 0
        try:
            main(["-C", str(bench.root), *arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capsys.readouterr()

    return run


def as_json(result: tuple[int, str, str]) -> Any:
    code, out, err = result
    assert code == 0, err
    return json.loads(out)


def copied(bench: Bench, root: Path, *later: str) -> Bench:
    """A copy that may be changed, with these of the files of others."""
    shutil.copytree(bench.root, root)
    for file in later:
        shutil.copy(EXAMPLE / file, root)
    return Bench(root, bench.company)


def files(root: Path) -> set[Path]:
    return {path.relative_to(root) for path in root.rglob("*")}


def test_check_tells_what_is_not_written_and_what_waits_for_it(call: Call, begun: Bench) -> None:
    code, out, _ = call(begun, "check")
    assert code == 0 and out.startswith("ok: 5 sources, 11 tables, 91 columns (every one has a category), 16 checks\n")
    assert "not written yet: privacy.yaml (infosec: what may happen to each category of data)" in out
    assert "not written yet: features.yaml (data science: which rows, which label, which features)" in out
    assert f"protect, build and publish wait for these files\nnext: potable -C {begun.root} run --only ingest" in out
    facts = as_json(call(begun, "check", "-o", "json"))
    assert [file["file"] for file in facts["unwritten"]] == [*LATER]
    assert facts["waiting"] == ["protect", "build", "publish"] and facts["features"] == 0


def test_a_whole_project_waits_for_nothing(call: Call, finished: tuple[Bench, RunRecord]) -> None:
    facts = as_json(call(finished[0], "check", "-o", "json"))
    assert facts["unwritten"] == facts["waiting"] == [] and finished[1].unwritten == ()
    assert as_json(call(finished[0], "plan", "-o", "json"))["unwritten"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "--only", "protect"),
        ("run", "--only", "protect", "--select", "lms"),
        ("run", "--only", "build"),
        ("run", "--only", "publish"),
        ("run", "--full-refresh"),
        ("run", "--as-of", "2020-01-31"),
        ("plan", "--estimate"),
        ("plan", "--estimate", "--size", "6GB"),
        ("airflow", "generate"),
        ("airflow", "generate", "--check"),
        ("show",),
    ],
    ids=" ".join,
)
def test_what_needs_them_ends_at_once_and_names_them(
    call: Call, company: Company, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    bench = begun_by(make_bench(company, tmp_path / "project"))
    before = files(bench.root)
    code, out, err = call(bench, *arguments)
    assert code == 2 and not out
    assert err.startswith(f"error[P001] {LACKING}, and ") and err.count("error[") == 1
    assert "infosec writes privacy.yaml" in err and "data science writes features.yaml" in err
    assert "state:   nothing was run" in err and f"next:    potable -C {bench.root} run --only ingest" in err
    assert files(bench.root) == before


def test_plan_shows_the_steps_there_are_and_where_they_end(call: Call, company: Company, tmp_path: Path) -> None:
    bench = begun_by(make_bench(company, tmp_path / "project"))
    code, out, _ = call(bench, "plan")
    assert (
        code == 0 and "validate, resolve" in out and out.endswith(f"next: potable -C {bench.root} run --only ingest\n")
    )
    assert f"the proof of which category reaches which column has to wait: {LACKING}" in out
    assert call(bench, "run", "--only", "ingest")[0] == 0
    facts = as_json(call(bench, "plan", "-o", "json"))
    assert [step["step"] for step in facts["steps"]][-2:] == ["resolve subjects", "protect, build, publish"]
    assert facts["steps"][-1]["state"] == "wait" and facts["pending"] and facts["flows"] == []
    assert [file["file"] for file in facts["unwritten"]] == [*LATER]
    assert call(bench, "plan")[1].endswith(f"next: potable -C {bench.root} run --only validate\n")


def test_plan_has_nothing_pending_once_all_that_is_written_was_run(call: Call, begun: Bench) -> None:
    code, out, _ = call(begun, "plan", "--exit-code")
    assert code == 0 and "resolve subjects" in out and "runs" not in out


def test_a_run_and_its_report_tell_what_waits(call: Call, begun: Bench, tmp_path: Path) -> None:
    bench = copied(begun, tmp_path / "project")
    record = as_json(call(bench, "run", "--select", "lms", "-o", "json"))
    assert record["unwritten"] == [*LATER] and record["outcome"] == "nothing new" and not record["error"]
    _, out, _ = call(bench, "run", "--only", "validate")
    assert "protect, build and publish wait for privacy.yaml and features.yaml" in out
    assert f"next         potable -C {bench.root} quarantine list" in out
    page = Path(call(bench, "report")[1].strip()).read_text(encoding="utf-8")
    assert "protect, build and publish wait for privacy.yaml and features.yaml, not written yet" in page
    read = RunRecord.from_bytes(next((bench.root / "lake/open/runs").glob("*.json")).read_bytes())
    assert read.unwritten == [*LATER]


@pytest.mark.slow
def test_commands_that_need_only_sources_work_and_show_nobodys_values(call: Call, begun: Bench, tmp_path: Path) -> None:
    bench, told = copied(begun, tmp_path / "project"), ""
    for line in [
        "source preview hrms --rows 50",
        "source preview reviews --rows 50",
        "source discover hrms",
        "source reconcile hrms.employment",
        "contract suggest reviews.ratings",
        "contract export --format gx payroll.payslips",
        "quarantine list",
        "quarantine show payroll.payslips --limit 100",
        "quarantine show reviews.ratings --limit 100",
        "quarantine replay reviews.ratings",
        "profile hrms.people",
        "state show",
        "state rewind lms --to 1",
        "test",
        "doctor",
        "report",
        "report --format gx",
        "schema privacy",
    ]:
        code, out, err = call(bench, *line.split())
        assert code == 0, f"{line}: {err}"
        told += out + err
    pages = [path.read_text(encoding="utf-8") for path in (bench.root / "lake/open/runs").glob("*.*")]
    words = set(re.findall(r"[\w.@+-]+", told + "".join(pages)))
    known = bench.company.truth("identifiers").to_pylist()
    assert {row["kind"] for row in known} >= {"emp_no", "email", "national_id"}
    assert not words & {row["value"] for row in known}


def test_a_dataset_cannot_be_tested_before_it_is_named_or_protected(call: Call, begun: Bench, tmp_path: Path) -> None:
    code, _, err = call(begun, "test", "employee_attrition")
    assert code == 2 and "error[P031]" in err and "features.yaml is not written" in err
    bench = copied(begun, tmp_path / "project", "features.yaml")
    code, out, _ = call(bench, "test")
    assert code == 0 and "employee_attrition: 3 tests not run: privacy.yaml is not written yet" in out
    facts = as_json(call(bench, "test", "-o", "json"))
    assert (facts["failed"], facts["not_run"]) == (0, 3)
    code, _, err = call(bench, "test", "employee_attrition")
    assert code == 2 and "error[P001] privacy.yaml is not written yet" in err


def test_the_policy_alone_tells_what_becomes_of_each_category(begun: Bench, tmp_path: Path) -> None:
    record = copied(begun, tmp_path / "project", "privacy.yaml").run(only="validate")
    assert record.unwritten == ("features.yaml",) and record.outcome == "nothing new"
    assert {category.protect for category in record.privacy.categories} >= {"drop", "keep", "redact"}
    assert not any(category.reaches for category in record.privacy.categories)


@pytest.mark.slow
def test_a_whole_run_later_takes_over_all_that_was_landed_validated_and_resolved(begun: Bench, tmp_path: Path) -> None:
    record = copied(begun, tmp_path / "project", *LATER).publish()
    states = {verb: {step.state for step in record.steps if step.verb == verb} for verb in ("ingest", "validate")}
    assert states == {"ingest": {"skipped"}, "validate": {"skipped"}}
    made = [step.step for step in record.steps if step.state == "done"]
    assert made[:2] == ["protect identifiers", "protect pseudonyms"] and made[-1] == "publish employee_attrition"
