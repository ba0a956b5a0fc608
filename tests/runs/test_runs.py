"""Runs resume, repeat and share a vault without ever changing a byte of the outcome."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.runs.conftest import Bench, Company, landed, left_to_do, make_bench, make_small

from potable.cli.output import summary
from potable.runs.record import Event, RunRecord, Verb

Finished = tuple[Bench, RunRecord]


def states(record: RunRecord) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for step in record.steps:
        found.setdefault(step.verb, set()).add(step.state)
    return found


def twin(finished: Finished, root: Path, **settings: object) -> Bench:
    """Another lake that shares the finished project's vault."""
    bench = finished[0]
    return make_bench(bench.company, root, vault=bench.root / "vault", **settings)


def same_files(one: Bench, other: Bench) -> None:
    assert one.file("csv") == other.file("csv")
    assert one.file("parquet") == other.file("parquet")


@pytest.mark.slow
def test_two_lakes_that_share_a_vault_give_the_same_bytes_whatever_the_order_and_the_threads(
    finished: Finished, tmp_path: Path
) -> None:
    """The same payslip files landed in the opposite order, and two threads where there was one."""
    bench = finished[0]
    exports = Path(bench.company.variables["PAYROLL_EXPORTS"])
    shuffled = tmp_path / "payroll"
    shuffled.mkdir()
    for path in sorted(exports.iterdir(), reverse=True):
        (shuffled / path.name).write_bytes(path.read_bytes())
    other = twin(finished, tmp_path / "twin", threads=2).with_variables(PAYROLL_EXPORTS=str(shuffled))
    other.publish()
    same_files(bench, other)


def test_an_unchanged_project_does_nothing(published: Bench) -> None:
    before = published.version
    record = published.run()
    assert record.outcome == "nothing new" and published.version == before
    assert set().union(*states(record).values()) == {"skipped"}


def test_a_run_that_ends_with_the_version_before_publishes_none(small: Bench) -> None:
    file = small.root / "data" / "cancellations.csv"
    before = file.read_bytes()
    file.write_bytes(before.rpartition(b"\n")[0].rpartition(b"\n")[0] + b"\n")
    assert small.run("ingest").outcome == "done"
    file.write_bytes(before)
    record = small.run()
    assert record.outcome == "done" and record.dataset and (record.dataset.version, record.dataset.new) == (1, False)
    assert "done; current: customer_churn version 1" in summary(record, "")
    assert small.project().lake().audit.entries()[-1]["what"] == "run done"


def test_one_changed_feature_rebuilds_only_build_and_publish(small: Bench) -> None:
    small.edit("features.yaml", "tickets_6mo: count() in 6mo", "tickets_6mo: count() in 5mo")
    found = states(small.run())
    assert found["build"] == found["publish"] == {"done"}
    assert all(found[verb] == {"skipped"} for verb in ("ingest", "validate", "resolve", "protect"))
    assert small.version.number == 2


def test_a_changed_check_runs_only_what_depends_on_it(published: Bench) -> None:
    bench = published
    bench.edit("sources/lms.yaml", "column: hours, min_value: 0", "column: hours, min_value: 1")
    record = bench.run()
    validated = {step.step for step in record.steps if step.verb == "validate" and step.state == "done"}
    assert validated == {"validate lms.trainings"}


def test_a_step_asked_for_alone_needs_what_comes_before(tmp_path: Path) -> None:
    bench = make_small(tmp_path / "project")
    record = bench.run(only="validate")
    assert record.exit_code == 3 and record.error["code"] == "E008"
    assert bench.run(only="ingest").outcome == "done"
    assert bench.run(only="validate").outcome == "done"
    assert bench.run(only="build").error["code"] == "E008"


def killed(bench: Bench, verb: str, after: float) -> set[str]:
    """Run the project, kill -9 it `after` seconds into the first step of `verb`; the verbs of which it finished a step."""
    script, told = bench.root.parent / "killed.py", bench.root.parent / "told"
    script.write_text(f"""
import os, signal, threading
from pathlib import Path
from potable.project import load
from potable.runs.runner import Options, run

def listener(event):
    if event.state == "done":
        with open({str(told)!r}, "a") as file:
            file.write(event.verb + "\\n")
    if event.verb == {verb!r} and event.state == "started":
        threading.Timer({after}, os.kill, (os.getpid(), signal.SIGKILL)).start()

if __name__ == "__main__":
    run(load(Path({str(bench.root)!r})), Options(), listener)
""")
    told.write_text("")
    environment = {**os.environ, **bench.company.variables}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, (verb, done.stderr.decode()[-2000:])
    return set(told.read_text().split())


ORDER: list[Verb] = ["validate", "protect", "build", "publish"]
AFTER = {"validate": 0.15, "protect": 0.1, "build": 0.3, "publish": 0.02}


def test_a_run_killed_in_every_verb_ends_with_the_same_bytes(finished_small: Bench, tmp_path: Path) -> None:
    killed_in_every_verb(finished_small, left_to_do(finished_small, tmp_path / "project", *ORDER), 0.3)


@pytest.mark.long
@pytest.mark.slow
def test_a_companys_run_killed_in_every_verb_ends_with_the_same_bytes(finished: Finished, tmp_path: Path) -> None:
    other = left_to_do(finished[0], tmp_path / "project", *ORDER)
    other.edit("potable.yaml", "threads: 1", "threads: 2")
    killed_in_every_verb(finished[0], other, 1.0)


def killed_in_every_verb(whole: Bench, other: Bench, pace: float) -> None:
    """One lake, killed once in each verb; every run goes on where the one before it was killed."""
    for before, verb in zip([None, *ORDER], ORDER, strict=False):
        done = killed(other, verb, AFTER[verb] * pace)
        assert done - {verb} == {before} - {None}, verb
    record = other.run()
    assert record.outcome == "published", record.error
    same_files(whole, other)
    assert {step.verb for step in record.steps if step.state == "done"} == {"publish"}


def test_a_run_killed_while_it_lands_ends_with_the_same_objects(finished: Finished, tmp_path: Path) -> None:
    other = twin(finished, tmp_path / "twin")
    killed(other, "ingest", 0.02)
    assert other.run(only="ingest").exit_code == 0
    assert landed(other) == landed(finished[0])


def test_a_run_killed_while_it_names_people_names_nobody_twice(finished_small: Bench, tmp_path: Path) -> None:
    killed_while_it_names_people(finished_small, tmp_path, 0.04)


@pytest.mark.long
@pytest.mark.slow
def test_a_companys_run_killed_while_it_names_people_names_nobody_twice(finished: Finished, tmp_path: Path) -> None:
    killed_while_it_names_people(finished[0], tmp_path, 0.1)


def killed_while_it_names_people(whole: Bench, folder: Path, after: float) -> None:
    """Where the vault is new; what a half-done one left must not stay, for the lake or for another that shares it."""
    bench = left_to_do(whole, folder / "project", "resolve", "protect", "build", "publish")
    killed(bench, "resolve", after)
    other = left_to_do(bench, folder / "twin", "publish")
    other.edit("potable.yaml", "vault: vault", f"vault: {bench.root / 'vault'}")
    assert bench.publish().identity["rostered"] == rostered(whole) > 0
    other.publish()
    same_files(bench, other)


def rostered(bench: Bench) -> int:
    """How many people the one run of a project found."""
    (path,) = (bench.root / "lake/open/runs").glob("*.json")
    return RunRecord.from_bytes(path.read_bytes()).identity["rostered"]


def test_two_runs_at_once_on_one_lake_agree(tmp_path: Path) -> None:
    agree_at_once(make_small(tmp_path / "project"), "customer_id")


@pytest.mark.long
@pytest.mark.slow
def test_two_runs_at_once_over_many_tables_agree(company: Company, tmp_path: Path) -> None:
    """The same with five systems and four times as many steps."""
    agree_at_once(make_bench(company, tmp_path / "project"), "employee_id")


def agree_at_once(bench: Bench, subject: str) -> None:
    environment = {**os.environ, **bench.company.variables}
    command = [sys.executable, "-m", "potable", "-C", str(bench.root), "run"]
    both = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
    ]
    codes = [(process.wait(), process.communicate()[1].decode()) for process in both]
    # the one that loses a race for a numbered entry goes on with what the other wrote
    assert {code for code, _ in codes} == {0}, codes
    assert bench.run().exit_code == 0
    assert bench.version.number == 1
    assert len(set(bench.table()[subject].to_pylist())) == bench.version.rows


def test_events_tell_how_far_the_run_is(company: Company, tmp_path: Path) -> None:
    events: list[Event] = []
    bench = make_bench(company, tmp_path / "project")
    bench.run(only="ingest", listener=events.append)
    done = [event for event in events if event.state == "done"]
    assert [event.step for event in done] == [f"ingest {name}" for name in bench.project().sources]
    assert all(event.bytes > 0 for event in done)
