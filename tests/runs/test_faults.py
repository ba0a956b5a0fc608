"""Bad input and broken surroundings: a clear error, the right exit code, and nothing lost."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.runs.conftest import Bench, landed, make_bench

from potable import estate
from potable.cli.app import main
from potable.cli.reporting import write_report
from potable.errors import DataError, DataErrors, EnvironmentFailure, PrivacyRefusal
from potable.runs import perform, runner
from potable.runs.record import RunRecord
from potable.runs.runner import _keep
from potable.store.objects import Store

Finished = tuple[Bench, RunRecord]
ERROR_FORM = ("error[", "docs:")


@dataclass(frozen=True)
class Ended:
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


def command(bench: Bench, *arguments: str) -> Ended:
    """The command as its entry point runs it, in this process: a new one would spend two seconds on imports."""
    line = ["-C", str(bench.root), *arguments]
    code, out, err = 0, io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patched, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patched.setattr(sys, "argv", ["potable", *line])
        for name, value in bench.company.variables.items():
            patched.setenv(name, value)
        try:
            main(line)
        except SystemExit as stop:
            code = int(stop.code or 0)
    return Ended(code, out.getvalue(), err.getvalue())


def copied(bench: Bench, variable: str, folder: Path) -> Bench:
    """The bench with a copy of one source folder that may be damaged."""
    shutil.copytree(bench.company.variables[variable], folder)
    return bench.with_variables(**{variable: str(folder)})


def refused(bench: Bench, code: str, exit_code: int, *arguments: str) -> str:
    """Run the command; it must fail as said, in our form, and leave version 1 current."""
    done = command(bench, *(arguments or ("run",)))
    assert done.returncode == exit_code, done.stderr
    assert f"error[{code}]" in done.stderr and all(part in done.stderr for part in ERROR_FORM)
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_missing_source_folder(published: Bench) -> None:
    gone = published.with_variables(PAYROLL_EXPORTS="/nowhere")
    text = refused(gone, "E002", 3)
    assert "payslips" in text and "last version stays current" in text
    assert published.version.number == 1


def test_a_missing_database(published: Bench) -> None:
    refused(published.with_variables(HRMS_URL="sqlite:////nowhere/hrms.sqlite"), "E002", 3)
    assert published.version.number == 1


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def half_of_the_text(data: bytes) -> bytes:
    text = gzip.decompress(data)
    return gzip.compress(text[: text.rindex(b"</pay:payslip>") + len(b"</pay:payslip>")])


def garbage(data: bytes) -> bytes:
    return gzip.compress(b"<pay:payroll><pay:payslip><<<")


@pytest.mark.parametrize("damage", [half, half_of_the_text, garbage])
def test_an_export_that_is_cut_or_not_xml(published: Bench, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    bench = copied(published, "PAYROLL_EXPORTS", tmp_path / "payroll")
    victim = sorted((tmp_path / "payroll").iterdir())[7]
    original = victim.read_bytes()
    victim.write_bytes(damage(original))
    text = refused(bench, "D007", 1)
    assert victim.name in text and "raw zone" in text
    assert published.version.number == 1
    victim.write_bytes(original)
    assert command(bench, "run").returncode == 0
    assert published.version.number == 1


def test_a_word_document_that_is_none_costs_itself_only(published: Bench, tmp_path: Path) -> None:
    bench = copied(published, "EXIT_INTERVIEWS", tmp_path / "interviews")
    broken = sorted((tmp_path / "interviews").iterdir())[0]
    broken.write_bytes(b"not a zip")
    assert command(bench, "run", "--only", "ingest").returncode == 0
    assert command(bench, "run", "--only", "validate").returncode == 0
    shown = command(bench, "quarantine", "show", "exit_interviews.interviews", "--limit", "999", "-o", "json")
    (found,) = (item for item in json.loads(shown.stdout) if item["reasons"] == ["mistyped:@record: damaged"])
    # the file is of one person, so its name is not shown, but where its bytes lie
    assert found["object"] == "exit_A9999999_9.docx" and broken.name not in shown.stdout
    assert hashlib.sha256(b"not a zip").hexdigest() in found["raw"]


def test_a_wrong_token_is_refused_and_not_shown(published: Bench) -> None:
    text = refused(published.with_variables(LMS_TOKEN="wr0ng-t0ken-value"), "E001", 3)
    assert "credentials" in text and "wr0ng-t0ken-value" not in text


def test_a_server_that_is_gone(published: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(published.with_variables(LMS_URL="http://127.0.0.1:9"), "E001", 3)


@pytest.mark.parametrize("fault", ["drop_mid_page", "status_500", "malformed"])
def test_a_server_that_stumbles_mid_page_is_asked_again(finished: Finished, tmp_path: Path, fault: str) -> None:
    directory = finished[0].company.directory
    # a copy: all workers share what is finished
    vault = shutil.copytree(finished[0].root / "vault", tmp_path / "vault")
    bench = make_bench(finished[0].company, tmp_path / "project", vault=vault)
    with estate.serve(directory, faults={fault: 2}) as url:
        record = bench.with_variables(LMS_URL=url).run(only="ingest")
    assert record.outcome == "done", record.error
    assert landed(bench) == landed(finished[0])


def test_a_feature_of_an_unknown_column(published: Bench) -> None:
    published.edit("features.yaml", "sum(hours) in 12mo", "sum(hour) in 12mo")
    text = refused(published, "P031", 2)
    assert "features.yaml:" in text and "hours" in text


def test_a_column_without_a_category(published: Bench) -> None:
    published.edit(
        "sources/payroll.yaml",
        'type: "decimal(6,2)", category: user.professional_information.hours',
        'type: "decimal(6,2)"',
    )
    text = refused(published, "P010", 2)
    assert "sources/payroll.yaml:" in text and "overtime_hours" in text


def test_a_feature_that_contradicts_itself(published: Bench) -> None:
    published.edit("features.yaml", "days_since_review: days_since()", "days_since_review: days_since() in next 3mo")
    refused(published, "P032", 2)


def test_a_feature_of_a_table_without_history(published: Bench) -> None:
    published.edit("features.yaml", "    gender: value(gender)", "    gender: latest(gender)")
    assert refused(published, "P032", 2).count("error[") == 1


def test_a_category_that_may_not_be_published(published: Bench) -> None:
    published.edit(
        "features.yaml", "latest(gross_usd) | band(edges=[1000, 2000, 3000, 4500, 6500, 9000])", "latest(gross_usd)"
    )
    text = refused(published, "P012", 2)
    assert "monthly_income" in text and "user.financial.salary" in text


def test_what_cannot_be_run_yet_is_refused_and_not_done_wrongly(published: Bench) -> None:
    published.edit("potable.yaml", "restricted: lake/restricted", "restricted: ftp://bucket/restricted")
    published.edit("sources/payroll.yaml", 'known: "+10d"', "known: landed")
    text = refused(published, "P040", 2)
    assert "kind of store" in text and "known: landed" in text
    assert not Path("ftp:").exists()
    published.edit("sources/payroll.yaml", "new_column: warn,", "shrunk: fail,")
    assert "unknown key `shrunk`" in refused(published, "P003", 2)


def test_all_mistakes_are_told_at_once(published: Bench) -> None:
    published.edit("potable.yaml", "threads: 1", "thread: 1")
    published.edit("sources/hrms.yaml", "type: integer", "type: integr")
    published.edit("privacy.yaml", "protect: drop", "protect: drpo")
    text = refused(published, "P003", 2)
    assert text.count("error[") >= 3
    assert "did you mean `threads`?" in text


def test_a_broken_threshold_stops_the_run_and_names_the_check(published: Bench) -> None:
    published.edit("sources/lms.yaml", "max_value: 400}", "max_value: 4, mostly: 0.99}")
    text = refused(published, "D001", 1)
    assert "expect_column_values_to_be_between(hours)" in text
    assert published.version.number == 1


def test_more_quarantined_rows_than_all_tables_may_have_stop_the_run(published: Bench) -> None:
    published.edit("potable.yaml", "threads: 1", "threads: 1\nquarantine: {at_most: 1}")
    text = refused(published, "D001", 1)
    assert "all tables together" in text and "at most 1" in text
    assert published.version.number == 1


def test_a_dataset_below_k_is_refused(published: Bench) -> None:
    published.edit("privacy.yaml", "below: suppress", "below: refuse")
    refused(published, "G002", 4)
    assert published.version.number == 1


def test_identifiers_of_a_column_declared_harmless_never_reach_the_open_root(
    published: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = published.project().lake().open
    before = set(lake.list("protected/hrms.people"))
    published.edit("sources/hrms.yaml", "category: user.contact.phone_number", "category: none")
    # as if the process were killed before it could take away what it wrote
    monkeypatch.setattr(Store, "clear", lambda self, folder: None)
    assert "`hrms.people` would keep identifiers in `phone`" in refused(published, "G001", 4)
    assert before and set(lake.list("protected/hrms.people")) == before


def test_what_a_refused_step_wrote_is_named_where_it_cannot_be_removed(
    published: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(store: Store, folder: str) -> None:
        if folder.startswith("protected/"):
            raise EnvironmentFailure("no", "E004")

    def multiplied(name: str, rows_in: int, *others: int) -> None:
        raise DataError("rows in do not equal rows out plus rows quarantined", "D003")

    published.edit("sources/hrms.yaml", "category: user.contact.phone_number", "category: user.contact")
    monkeypatch.setattr(Store, "clear", no)
    monkeypatch.setattr("potable.privacy.protect._require_all", multiplied)
    told = refused(published, "D003", 1)
    assert "could not be removed: " in told and "open/protected/exit_interviews.interviews/" in told


def test_a_full_disk(finished: Finished, tmp_path: Path) -> None:
    """A file system of a few megabytes for the lake; root may mount one, others get a file size limit."""
    import resource

    # a copy: all workers share what is finished
    vault = shutil.copytree(finished[0].root / "vault", tmp_path / "vault")
    bench = make_bench(finished[0].company, tmp_path / "project", vault=vault)
    environment = {**os.environ, **bench.company.variables}
    limit = 40_000

    done = subprocess.run(
        [sys.executable, "-m", "potable", "-C", str(bench.root), "run"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 3, done.stderr
    assert "error[E004]" in done.stderr and "Traceback" not in done.stderr
    assert bench.run(only="ingest").outcome == "done"
    assert landed(bench) == landed(finished[0])


def test_a_page_that_cannot_be_written_hides_no_failure(published: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Store.put

    def put(store: Store, path: str, chunks: Iterable[bytes]) -> int:
        if path.endswith(".html"):
            raise EnvironmentFailure("no space", "E004", hint="full?", next="potable doctor")
        return real(store, path, chunks)

    monkeypatch.setattr(Store, "put", put)
    published.edit("sources/lms.yaml", "max_value: 400}", "max_value: 4, mostly: 0.99}")
    told = refused(published, "D001", 1)
    assert told.index("error[D001]") < told.index("error[E004]") and "only the HTML page is missing" in told
    assert "failed in validate lms.trainings" in told and "report " not in told
    published.edit("sources/lms.yaml", "max_value: 4, mostly: 0.99}", "max_value: 400}")
    assert "only the HTML page is missing" in refused(published, "E004", 3)


def test_whoever_fails_without_knowing_the_step_is_told_with_its_state(
    published: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise EnvironmentFailure("the engine could not read or write its files", "E004")

    monkeypatch.setitem(perform._MAKERS, ("build", ""), broken)
    published.edit("features.yaml", "embargo: 30d", "embargo: 31d")
    told = refused(published, "E004", 3)
    assert "state:   nothing of this step was kept; the last version stays current" in told
    assert f"next:    potable -C {published.root} doctor" in told


def test_a_store_that_fails_at_the_very_end_does_not_deny_what_was_published(finished: Finished) -> None:
    def full(*_: object) -> None:
        raise EnvironmentFailure("no space", "E004", hint="full?", state="nothing was committed")

    bench, record = finished
    lake: Any = SimpleNamespace(open=SimpleNamespace(put_new=full, put=full, size=lambda _: None, list=lambda _: []))
    with pytest.raises(EnvironmentFailure) as caught:
        _keep(lake, record)
    told = "version 1 of `employee_attrition` is published; but its run record or audit entry could not be written"
    assert caught.value.state == told
    with pytest.raises(EnvironmentFailure) as caught:
        _keep(lake, replace(record, outcome="failed", dataset=None, error={"code": "D001", "problem": "t is bad"}))
    assert caught.value.state.startswith("what the run finished is kept")
    assert caught.value.hint.endswith("failed: [D001] t is bad")
    found = [
        PrivacyRefusal("t holds names", "G001", given="topic: name", hint="drop it"),
        DataError("u is bad", "D001"),
    ]
    for failed, said in (
        (found[0].told(), "[G001] t holds names: topic: name: drop it"),
        (DataErrors([*found[1:], found[1]]).told(), "[D001] u is bad; [D001] u is bad"),
    ):
        with pytest.raises(EnvironmentFailure) as caught:
            _keep(lake, replace(record, outcome="failed", dataset=None, error=failed))
        assert caught.value.hint.endswith(f"the run had failed: {said}")
    project: Any = SimpleNamespace(lake=lambda: lake)
    with pytest.raises(EnvironmentFailure) as caught:
        write_report(project, record)
    assert caught.value.state == "the run and its record are complete; only the HTML page is missing"
    assert bench.version.number == 1


def test_a_store_that_fails_after_a_step_failed_does_not_hide_why(
    small: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise EnvironmentFailure(
            "the store is away", "E004", state="nothing was committed; the last version stays current"
        )

    def broken(*_: object) -> None:
        raise EnvironmentFailure("the engine could not read or write its files", "E004")

    monkeypatch.setattr(runner, "facts", away)
    small.edit("features.yaml", "count() in 6mo\n", "count() in 7mo\n")
    with monkeypatch.context() as patched:
        patched.setitem(perform._MAKERS, ("build", ""), broken)
        record = small.run()
    assert record.outcome == "failed" and "the engine could not" in str(record.error["problem"])
    assert small.project().lake().open.size(f"runs/{record.run}.json")
    with pytest.raises(EnvironmentFailure) as caught:
        small.run()
    told = "version 2 of `customer_churn` is published; but its run record or audit entry could not be written"
    assert caught.value.state == told and small.version.number == 2


def test_nothing_is_published_that_the_audit_log_does_not_know_of(
    published: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_new = Store.put_new

    def full(store: Store, path: str, data: bytes) -> bool:
        if path.startswith("audit/"):
            raise EnvironmentFailure("no space", "E004")
        return put_new(store, path, data)

    published.edit("features.yaml", "surveys_answered: count()", "surveys_answered: count() in 3y")
    with monkeypatch.context() as patched:
        patched.setattr(Store, "put_new", full)
        with pytest.raises(EnvironmentFailure):
            published.run()
    assert published.version.number == 1
    assert published.run().outcome == "published" and published.version.number == 2
    audit = published.project().lake().audit
    assert not list(audit.broken())


def test_exit_codes_for_nothing_new_and_pending_changes(published: Bench) -> None:
    assert command(published, "plan", "--exit-code").returncode == 0
    assert command(published, "run", "--exit-code").returncode == 99
    assert command(published, "run").returncode == 0
    published.edit("features.yaml", "surveys_answered: count()", "surveys_answered: count() in 3y")
    assert command(published, "plan", "--exit-code").returncode == 5
