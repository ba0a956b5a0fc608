"""A run that is killed, interrupted or ended by our bug leaves word of it, and runs at once leave each other alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from tests.runs.conftest import Bench

from potable.cli.app import main
from potable.cli.scaffold import scaffold
from potable.errors import EnvironmentFailure
from potable.project import Project, load
from potable.runs import begun, processes
from potable.runs.checkup import Earlier
from potable.runs.record import Event, RunRecord
from potable.runs.runner import Options, run
from potable.store.layout import Lake
from potable.store.objects import Store

ENDED = """
import os, signal, sys
from potable.cli.app import main
from potable.cli.output import Progress

told = Progress.__call__

def listener(self, event):
    told(self, event)
    if (event.step, event.state) == ("validate crm.customers", {state!r}):
        os.kill(os.getpid(), signal.{sign})

if __name__ == "__main__":
    Progress.__call__ = listener
    # whoever runs the tests in the background has their processes ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(["-C", {root!r}, *sys.argv[1:]])
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The smallest project."""
    scaffold(tmp_path / "churn", "churn")
    return tmp_path / "churn"


@pytest.fixture
def ran(finished_small: Bench, tmp_path: Path) -> Path:
    """The same, which has published its dataset."""
    return shutil.copytree(finished_small.root, tmp_path / "ran")


def ended(root: Path, sign: str, *, state: str = "done", asked: tuple[str, ...] = ()) -> tuple[int, str]:
    """Exit code and messages of a run that gets a signal."""
    script = root.parent / "ended.py"
    script.write_text(ENDED.format(root=str(root), sign=sign, state=state))
    command = [sys.executable, str(script), "run", *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def listed(root: Path) -> dict[str, list[str]]:
    """Runs with a note and runs with a record."""
    paths = load(root, offline=True).lake().open.list("runs")
    return {
        "begun": [path[len("runs/begun/") :] for path in paths if path.startswith("runs/begun/")],
        "ended": [path[len("runs/") : -len(".json")] for path in paths if path.endswith(".json")],
    }


def record_of(root: Path, name: str) -> RunRecord:
    """A stored record."""
    return RunRecord.from_bytes(load(root, offline=True).lake().open.get(f"runs/{name}.json"))


def called(root: Path, capsys: pytest.CaptureFixture[str], *asked: str) -> tuple[int, str, str]:
    """Exit code, result and messages of a command."""
    capsys.readouterr()
    try:
        main(["-C", str(root), *asked])
        code = 0
    except SystemExit as stop:
        code = int(str(stop.code or 0))
    return code, *capsys.readouterr()


def test_a_killed_run_is_told_and_its_record_written_by_the_next(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(root, "SIGKILL")[0] == -signal.SIGKILL
    (name,) = listed(root)["begun"]
    assert listed(root)["ended"] == []

    code, out, _ = called(root, capsys, "doctor")
    assert code == 0 and "was killed before it ended; finished steps are kept" in out
    assert listed(root)["begun"] == [name]

    code, _, err = called(root, capsys, "run")
    assert code == 0 and "UTC was killed before it ended; finished steps are kept" in err
    assert "validate crm.customers  unchanged, skipped" in err
    ends = listed(root)
    assert ends["begun"] == [] and ends["ended"][0] == name and len(ends["ended"]) == 2
    killed, after = (record_of(root, each) for each in ends["ended"])
    assert (killed.outcome, killed.exit_code, killed.error["code"]) == ("killed", 137, "E010")
    assert killed.started[:10] == f"{name[:4]}-{name[4:6]}-{name[6:8]}"
    assert (after.outcome, list(after.killed)) == ("published", [name])
    audit = [json.loads(path.read_text())["what"] for path in sorted((root / "lake/open/audit").glob("*.json"))]
    assert audit == ["found killed", "publish", "run published"]

    code, _, err = called(root, capsys, "run")
    assert code == 0 and "killed" not in err and record_of(root, listed(root)["ended"][-1]).killed == []
    page = Path(called(root, capsys, "report", name)[1].strip()).read_text()
    assert "The run was killed." in page and "error[E010]" in page
    page = Path(called(root, capsys, "report", after.run)[1].strip()).read_text()
    assert f"killed ({name})" in page and '<td class="broken">killed</td>' in page


@pytest.mark.parametrize("sign", ["SIGTERM", "SIGINT"])
def test_an_interrupted_run_leaves_its_record(sign: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, err = ended(root, sign, state="started")
    assert code == 130 and f"interrupted; finished steps are kept, run `potable -C {root} run` to continue" in err
    ends = listed(root)
    assert ends["begun"] == []
    record = record_of(root, ends["ended"][0])
    assert (record.outcome, record.exit_code) == ("interrupted", 130)
    assert record.error["problem"] == f"the run was interrupted by {sign}" and record.error["exit_code"] == 130
    assert record.peak_memory and record.seconds
    assert "note:" not in called(root, capsys, "run", "--only", "ingest")[2]
    assert called(root, capsys, "report", record.run)[0] == 0


def test_our_bug_leaves_the_record_of_a_failed_run(ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("Ada Lovelace")

    monkeypatch.setattr("potable.runs.runner.opened.commit_version", broken)
    with pytest.raises(ZeroDivisionError):
        run(load(ran), Options(), lambda event: None)
    ends = listed(ran)
    record = record_of(ran, ends["ended"][-1])
    assert (record.outcome, record.exit_code, record.error["code"], ends["begun"]) == ("failed", 70, "X001", [])
    assert "ZeroDivisionError" in record.error["problem"] and "Lovelace" not in str(asdict(record))


def test_what_keeps_a_run_from_beginning_is_recorded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise EnvironmentFailure("no cluster", "E001")

    monkeypatch.setattr("potable.runs.runner.pseudonym_key", unreachable)
    with pytest.raises(EnvironmentFailure):
        run(load(root), Options(), lambda event: None)
    record = record_of(root, listed(root)["ended"][0])
    assert (record.outcome, record.exit_code, record.error["code"], list(record.steps)) == ("failed", 3, "E001", [])


def test_runs_at_once_leave_each_other_alone(root: Path) -> None:
    seen: list[RunRecord] = []

    def listener(event: Event) -> None:
        if event.step == "validate crm.customers" and event.state == "started" and not seen:
            seen.append(run(load(root), Options(), lambda event: None))

    outer = run(load(root), Options(), listener)
    assert [record.outcome for record in (*seen, outer)] == ["published", "done"]
    assert not outer.killed and not seen[0].killed and listed(root)["begun"] == []


def test_a_run_that_is_stopped_for_a_while_is_not_taken_for_killed(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = root.parent / "ended.py"
    script.write_text(ENDED.format(root=str(root), sign="SIGSTOP", state="started"))
    with subprocess.Popen(
        [sys.executable, str(script), "run"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as slow:
        while psutil.Process(slow.pid).status() != psutil.STATUS_STOPPED:
            assert slow.poll() is None
            time.sleep(0.05)
        try:
            assert "is still running" in called(root, capsys, "doctor")[1]
            code, _, err = called(root, capsys, "run")
            assert code == 0 and "note:" not in err
        finally:
            # one that stands still would be waited for for ever
            slow.send_signal(signal.SIGCONT)
        assert b"killed" not in slow.communicate()[1] and slow.returncode == 0
    records = [record_of(root, name) for name in listed(root)["ended"]]
    assert [(record.outcome, list(record.killed)) for record in records] == [("done", []), ("published", [])]
    assert {record.dataset.version for record in records if record.dataset} == {1}


def test_notes_lie_in_buckets_as_in_folders(object_store: str, tmp_path: Path) -> None:
    lake = Lake.at(str(tmp_path / "restricted"), f"{object_store}/notes", str(tmp_path / "vault"), base=tmp_path)
    begun.begin(lake, replace(RECORD, run="20261127-021300-000aaa"))
    begun.begin(lake, replace(RECORD, run="20261127-021400-000aaa"))
    assert [run.state for run in begun.unended(lake)] == ["goes on", "goes on"]
    begun.end(lake, "20261127-021300-000aaa")
    assert lake.open.list("runs") == ["runs/begun/20261127-021400-000aaa"]


def noted(root: Path, change: Callable[[processes.Process], processes.Process], *, ago: timedelta) -> Project:
    """A project with the note of a run that may go on."""
    project = load(root, offline=True)
    started = (datetime.now(UTC) - ago).isoformat(timespec="seconds")
    record = RunRecord("20261127-021300-000aaa", "churn", "failed", 0, started, 0.0, "0", "duckdb", 1 << 30, 0, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(begun, "this", lambda: change(processes.this()))
        begun.begin(project.lake(), record)
    return project


GONE = 2**22 - 1
"""No process has this number."""


@pytest.mark.parametrize(
    ("change", "ago", "state"),
    [
        ({}, 1, "goes on"),
        ({"number": GONE}, 1, "killed"),
        ({"born": "1"}, 1, "killed"),
        ({"boot": "before", "space": "of a container"}, 1, "unknown"),
        ({"space": "of a container", "number": GONE}, 1, "unknown"),
        ({"machine": "another", "number": GONE}, 1, "unknown"),
        ({"machine": "another"}, 50, "killed"),
    ],
)
def test_a_run_counts_as_killed_only_where_that_is_sure(
    change: dict[str, object], ago: int, state: str, root: Path
) -> None:
    lake = noted(root, lambda mine: replace(mine, **change), ago=timedelta(hours=ago)).lake()
    assert [each.state for each in begun.unended(lake)] == [state]
    assert begun.settle(lake) == (["20261127-021300-000aaa"] if state == "killed" else [])
    assert begun.settle(lake) == []


def test_a_run_of_before_the_machine_was_started_anew_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    for space, gone in ((processes._MACHINES_OWN, True), ("pid:[1]", None)):
        here = replace(processes.this(), space=space, boot="now")
        with monkeypatch.context() as patch:
            patch.setattr(processes, "this", lambda here=here: here)
            assert replace(here, boot="before").is_gone() is gone and here.is_gone() is False


def test_a_process_that_ended_and_was_not_asked_for_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        born = processes._born(other.pid)
        assert born
        noted = replace(processes.this(), number=other.pid, born=born)
        assert noted.is_gone() is False
        os.kill(other.pid, signal.SIGKILL)
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert noted.is_gone() is True


def test_a_run_elsewhere_is_told_as_what_it_may_be(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noted(ran, lambda mine: replace(mine, machine="another"), ago=timedelta(hours=1))
    code, _, err = called(ran, capsys, "run")
    assert code == 0 and "has not ended: it is still running on another machine, or was killed there" in err
    assert "has not ended" in called(ran, capsys, "report")[2]


def test_a_run_that_was_taken_for_killed_writes_its_record_all_the_same(root: Path) -> None:
    def listener(event: Event) -> None:
        if event.step == "validate crm.customers" and event.state == "started":
            (name,) = listed(root)["begun"]
            lake = load(root, offline=True).lake()
            lake.open.put_new(f"runs/{name}.json", replace(RECORD, run=name, outcome="killed").to_bytes())

    record = run(load(root), Options(), listener)
    assert record_of(root, record.run).outcome == "published" and listed(root)["begun"] == []


def test_health_looks_no_further_back_than_to_runs_that_came_to_their_end(ran: Path) -> None:
    (name,) = listed(ran)["ended"]
    first = record_of(ran, name)
    project = noted(ran, lambda mine: replace(mine, number=GONE), ago=timedelta(hours=1))
    rows = Earlier(project, project.lake(), "").rows("crm.customers")
    begun.settle(project.lake())
    assert rows == Earlier(project, project.lake(), "").rows("crm.customers") == first.tables[0].rows > 0


def test_notes_name_neither_the_machine_nor_who_runs(root: Path) -> None:
    lake = noted(root, lambda mine: mine, ago=timedelta(0)).lake()
    text = lake.open.get(lake.open.list(begun.FOLDER)[0]).decode()
    assert os.uname().nodename not in text and str(Path.home()) not in text


def test_a_note_that_cannot_be_read_or_removed_does_no_harm(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Store, paths: object) -> None:
        raise EnvironmentFailure("the store refused", "E004")

    lake = load(root, offline=True).lake()
    lake.open.put_new(f"{begun.FOLDER}/20200101-000000-000aaa", b"{}")
    monkeypatch.setattr(Store, "delete", refused)
    for _ in range(2):
        begun.begin(lake, run_of := replace(RECORD, run="20261127-021300-000aaa"))
        lake.open.put_new(f"runs/{run_of.run}.json", run_of.to_bytes())
        begun.end(lake, run_of.run)
        assert begun.unended(lake) == [] and begun.settle(lake) == []


RECORD = RunRecord("", "churn", "done", 0, "2026-11-27T02:13:00+00:00", 0.0, "0", "duckdb", 1 << 30, 0, 1)
