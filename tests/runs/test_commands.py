"""The commands people type, each on a published project: output, JSON and exit code."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.runs.conftest import Bench

from potable.cli.app import main

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(
    published: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The command in this process: exit code, stdout, stderr."""
    for name, value in published.company.variables.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, folder: Path | None = None) -> tuple[int, str, str]:
        code = 0
        try:
            main(["-C", str(folder or published.root), *arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def as_json(result: tuple[int, str, str]) -> Any:
    code, out, err = result
    assert code == 0, err
    return json.loads(out)


def test_check_counts_what_is_declared(call: Call) -> None:
    code, out, _ = call("check")
    assert code == 0 and out.startswith("ok: 5 sources, 11 tables") and out.endswith(" plan\n")
    assert as_json(call("check", "-o", "json"))["sources"] == 5


def test_plan_names_every_step_and_proves_every_column(call: Call, published: Bench) -> None:
    code, out, _ = call("plan")
    assert code == 0
    assert all(f"validate {name}" in out for name in published.project().tables)
    facts = as_json(call("plan", "-o", "json"))
    assert not facts["pending"]
    proved = {flow["column"] for flow in facts["flows"]}
    assert {"age", "monthly_income", "performance_rating", "attrition"} <= proved


def test_show_prints_the_first_rows_and_the_path(call: Call, published: Bench) -> None:
    code, out, _ = call("show", "employee_attrition", "--rows", "3")
    assert code == 0 and "employee_attrition version 1" in out and "employee_attrition.csv" in out
    facts = as_json(call("show", "-o", "json"))
    assert facts["rows"] == published.version.rows and len(facts["first_rows"]) == 5
    assert Path(facts["files"]["csv"]).is_file() and Path(facts["files"]["report"]).parent.is_dir()
    assert facts["lineage"]["policy"]


def test_show_works_where_the_sources_cannot_be_reached(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LMS_TOKEN")
    monkeypatch.delenv("HRMS_URL")
    assert call("show")[0] == 0
    code, _, err = call("check")
    assert code == 2 and "LMS_TOKEN" in err and "HRMS_URL" in err


def test_show_of_another_dataset_is_refused(call: Call) -> None:
    code, _, err = call("show", "employee_atrition")
    assert code == 2 and "did you mean `employee_attrition`?" in err


def test_report_writes_the_page_of_the_latest_or_a_named_run(call: Call) -> None:
    code, out, _ = call("report")
    page = Path(out.strip())
    assert code == 0 and "employee_attrition" in page.read_text(encoding="utf-8")
    facts = as_json(call("report", page.stem, "-o", "json"))
    assert facts == {"run": page.stem, "report": str(page)}
    assert call("report", "20000101-000000-abcdef")[0] == 3


def test_state_shows_how_far_each_table_was_read_and_goes_back(call: Call, published: Bench) -> None:
    code, out, _ = call("state", "show")
    assert code == 0
    (told,) = (line for line in out.splitlines() if line.startswith("lms.trainings"))
    assert "from 20" in told and "whole" in out and "new and changed files" in out
    facts = as_json(call("state", "show", "hrms", "-o", "json"))
    assert facts["hrms"]["batch"] == 1
    assert sorted(facts["hrms"]["tables"]) == ["employment", "exits", "jobs", "promotions"]
    (batch,) = facts["hrms"]["batches"]
    assert (batch["batch"], batch["gone"], batch["tables"].keys()) == (1, 0, facts["hrms"]["tables"].keys())
    assert call("run", "--only", "ingest")[0] == 0
    assert as_json(call("state", "rewind", "lms", "--to", "1", "-o", "json"))["batch"] == 2
    # what is current is what was current, so nothing has to be done again
    assert published.run().outcome == "nothing new"
    assert "objects are current\n" in call("state", "rewind", "lms", "--to", "1")[1]
    told = call("state", "show", "lms")[1].splitlines()
    batches = told[next(place for place, line in enumerate(told) if line.startswith("batch")) + 2 : -1]
    assert [line.split()[0] for line in batches] == ["3", "2", "1"] and "trainings: 20" in batches[0]
    assert told[-1] == "go back with: potable state rewind lms --to BATCH"
    assert call("state", "rewind", "lms", "--to", "7")[0] == 2
    code, _, err = call("state", "show", "hmrs")
    assert code == 2 and "did you mean `hrms`?" in err


def test_doctor_finds_a_healthy_project_healthy_and_a_broken_source_broken(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = call("doctor")
    assert code == 0, out + err
    monkeypatch.setenv("LMS_TOKEN", "wr0ng-one")
    code, out, _ = call("doctor")
    assert code == 3 and "source lms" in out and "wr0ng-one" not in out


def test_doctor_asks_whether_the_engine_can_start(
    call: Call, published: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert re.search("^engine +ok +duckdb$", call("doctor")[1], re.MULTILINE)
    pytest.importorskip("pyspark")
    with (published.root / "potable.yaml").open("a", encoding="utf-8") as file:
        file.write("\nengine: spark\n")
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_402\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    code, out, _ = call("doctor")
    assert code == 3 and re.search("^engine +bad +Spark needs Java 17 or newer, but this is Java 8$", out, re.MULTILINE)


def test_doctor_looks_whether_scratch_can_be_written(call: Call, published: Bench) -> None:
    scratch = published.root / ".potable"
    shutil.rmtree(scratch, ignore_errors=True)
    assert "scratch" in call("doctor")[1] and not scratch.exists()
    scratch.write_text("in the way")
    code, out, _ = call("doctor")
    assert code == 3 and re.search(r"^scratch +bad +not writable \(NotADirectoryError\)", out, re.MULTILINE)
    code, _, err = call("run")
    assert code == 3 and "error[E007] the engine cannot start (" in err and "is the scratch folder writable" in err


def test_doctor_tells_of_more_memory_than_a_container_may_use(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("doctor")[0] == 0
    monkeypatch.setattr("potable.cli.diagnosis.memory_limit", lambda: 512 << 20)
    code, out, _ = call("doctor")
    assert code == 3 and re.search(r"^memory +bad +1.0 GB allowed, 512 MB available", out, re.MULTILINE)


def test_doctor_looks_at_the_folders_of_a_root_too(
    call: Call, published: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    shut, access = published.root / "lake/open/audit", os.access
    # whoever runs tests may be allowed everything
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != shut and access(path, mode))
    code, out, _ = call("doctor")
    assert code == 3 and re.search(r"^root open +bad +`audit` is not readable and writable", out, re.MULTILINE)


@contextmanager
def open_to_anybody(place: Path) -> Iterator[None]:
    """As if nobody were kept from coming near."""
    way = {each: each.stat().st_mode for each in place.parents if not each.stat().st_mode & 0o001}
    try:
        for each, mode in way.items():
            each.chmod(mode | 0o001)
        yield
    finally:
        for each, mode in way.items():
            each.chmod(mode)


def test_doctor_tells_of_roots_that_everybody_may_look_into(call: Call, published: Bench) -> None:
    vault = published.root / "vault"
    vault.chmod(0o755)
    # where nobody may even come near, nobody looks
    shut = any(not each.stat().st_mode & 0o001 for each in vault.parents)
    assert not shut or call("doctor")[0] == 0
    with open_to_anybody(vault):
        code, out, _ = call("doctor")
        assert code == 3 and re.search(r"^root vault +bad +every user .*`chmod o-rwx` on it", out, re.MULTILINE)
        vault.chmod(0o750)
        assert call("doctor")[0] == 0
        (published.root / "lake/open/protected").chmod(0o755)
        assert re.search(r"^root open +bad +every user .* protected; run", call("doctor")[1], re.MULTILINE)


def test_doctor_tells_of_versions_that_are_kept_for_too_long(call: Call, published: Bench) -> None:
    assert "retention" not in call("doctor")[1]
    log = published.root / "lake/open/datasets/employee_attrition/log"
    (first,) = sorted(log.glob("*.json"))
    version = json.loads(first.read_text())
    first.write_text(json.dumps(version | {"published_at": "2019-01-31T00:00:00+00:00"}))
    code, out, _ = call("doctor")
    assert code == 0, out
    told = r"^retention +note +version 1 of `employee_attrition` is older than `retention: 3y` .*: publish a new one$"
    assert re.search(told, out, re.MULTILINE), out
    # a newer one is current, and the old one has its files until they are removed
    (log / "00000002.json").write_text(json.dumps(version | {"parent": 1, "fingerprint": "f" * 32}))
    assert re.search(
        r"^retention .* version 1 of .*: `potable .*gc --delete --keep-versions N`$", call("doctor")[1], re.M
    )
    removed = log.parent / "removed"
    removed.mkdir()
    (removed / "00000001.json").write_text('{"at": "2020-01-01", "who": "root", "why": ""}')
    assert "retention" not in call("doctor")[1]


def test_doctor_tells_of_secrets_that_everybody_may_read(call: Call, published: Bench) -> None:
    kept = published.root / ".env"
    assert ".env" not in call("doctor")[1]
    kept.write_text("OTHER=secret\n", encoding="utf-8")
    kept.chmod(0o644)
    with open_to_anybody(kept):
        code, out, _ = call("doctor")
        assert code == 3 and re.search(r"^\.env +bad +every user .*`chmod 600 \.env`", out, re.MULTILINE)
        assert "secret\n" not in out
        kept.chmod(0o600)
        assert call("doctor")[0] == 0
    kept.unlink()


def test_init_makes_a_project_that_needs_only_its_variables(call: Call, tmp_path: Path) -> None:
    code, out, _ = call("init", "--example", "attrition", str(tmp_path / "new"))
    assert code == 0 and "features.yaml" in out
    assert call("check", folder=tmp_path / "new")[0] == 0
    assert call("init", str(tmp_path / "new"))[0] == 3
    assert call("init", str(tmp_path / "other"), "--example", "atrition")[0] == 2


def test_errors_are_json_where_json_is_asked_for(call: Call, published: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    published.edit("features.yaml", "embargo: 30d", "embargo: soon")
    monkeypatch.setattr("sys.argv", ["potable", "check", "-o", "json"])
    code, out, err = call("check", "-o", "json")
    assert code == 2 and "features.yaml" in err
    assert json.loads(out)["error"]["code"] == "P005"


def test_a_folder_without_a_project_says_what_to_do(call: Call, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = call("run", folder=tmp_path / "empty")
    assert code == 2 and "error[P001]" in err and "potable init" in err


def test_a_word_that_is_no_command_is_a_usage_error(call: Call) -> None:
    assert call("rnu")[0] == 2


def test_a_run_ends_with_at_most_fifteen_lines(call: Call) -> None:
    code, out, err = call("run")
    assert code == 0 and len(out.strip().splitlines()) <= 15
    assert "version 1" in out and "next" in out
    assert not any(line.startswith("  csv") for line in err.splitlines())


def test_profile_shows_columns_and_values_of_harmless_ones_only(call: Call) -> None:
    told = as_json(call("profile", "payroll.payslips", "-o", "json"))
    facts = {item["column"]: item for item in told["columns"]}
    nothing = {"words": None, "other_words": None, "quantiles": None, "first": None, "last": None}
    assert facts["gross_usd"]["protected"] and nothing.items() <= facts["gross_usd"].items()
    assert facts["name"]["distinct"] > 100 and nothing.items() <= facts["name"].items()
    assert facts["currency"]["words"].keys() <= {"INR", "USD", "EUR", "GBP"}
    assert sum(facts["currency"]["words"].values()) == told["rows"] - facts["currency"]["nulls"]
    first, last = facts["pay_date"]["first"], facts["pay_date"]["last"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", first) and first < last
    text = {line.split("  ")[0]: line for line in call("profile", "payroll.payslips")[1].splitlines()}
    assert text["gross_usd"].endswith("  protected") and text["pay_date"].endswith(f"  {first} to {last}")
    code, out, _ = call("profile", "payroll.payslips", "--period", "2020-01")
    assert code == 0 and out.startswith("payroll.payslips in 2020-01: ") and "  distinct, about  " in out
    for arguments in (("payroll.payslip",), ("payroll.payslips", "--period", "2020-13")):
        code, _, err = call("profile", *arguments)
        assert code == 2 and "error[P031]" in err
