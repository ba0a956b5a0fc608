"""Who wants a command to end is obeyed, and told so: by Ctrl-C, or as machines do it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from potable.cli.app import main

SIGNALS = [signal.SIGINT, signal.SIGTERM]
SILENT = """
import json, sys, time
if "--discover" in sys.argv:
    print(json.dumps({"streams": [{"stream": "u", "tap_stream_id": "u", "schema": {}, "metadata": []}]}))
else:
    open("started", "w").close()
    time.sleep(60)
"""
SOURCE = """
source: s
type: singer
command: [{python}, tap.py]
tables: {{t: {{stream: u, columns: {{a: {{category: none}}}}}}}}
"""
STUCK = """
import time
from potable.cli.app import main
from potable.runs import landing

def ingest(*_, **__):
    open("started", "w").close()
    time.sleep(60)

landing.ingest, landing._LAST_WORDS = ingest, 0.1
main()
"""


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """What a shell starts in the background hears no Ctrl-C, and nor does what that starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("sign", SIGNALS)
@pytest.mark.parametrize("command", [["run", "--as-of", "2024-01-01"], ["check"]])
def test_what_an_interrupted_engine_says_is_no_bug(
    sign: signal.Signals,
    command: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def query(*_: object, **__: object) -> None:
        try:
            os.kill(os.getpid(), sign)
            time.sleep(5)
        except KeyboardInterrupt:
            raise RuntimeError("Query interrupted") from None

    monkeypatch.setattr("potable.project.load", query)
    before = [signal.getsignal(each) for each in SIGNALS]
    with pytest.raises(SystemExit) as ended:
        main(["-C", str(tmp_path), *command])
    again = f"; finished steps are kept, run `potable -C {tmp_path} run --as-of 2024-01-01` to continue"
    told = f"interrupted{again if command[0] == 'run' else ''}\n"
    said = capsys.readouterr()
    assert ended.value.code == 130 and told in said.err and not said.out
    with pytest.raises(SystemExit):
        main(["-C", str(tmp_path), *command, "-o", "json"])
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["exit_code"]) == ("E010", 130) and sign.name in error["problem"]
    assert [signal.getsignal(each) for each in SIGNALS] == before


@pytest.mark.parametrize("sign", SIGNALS)
def test_a_program_ends_with_the_run_that_started_it(sign: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "potable.yaml").write_text("project: c\n")
    (tmp_path / "tap.py").write_text(SILENT)
    (tmp_path / "sources/s.yaml").write_text(SOURCE.format(python=sys.executable))
    command = [sys.executable, "-m", "potable", "-C", str(tmp_path), "run", "--only", "ingest"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as run:
        while not (tmp_path / "started").exists() and run.poll() is None:
            time.sleep(0.05)
        programs = psutil.Process(run.pid).children(recursive=True)
        run.send_signal(sign)
        _, told = run.communicate()
    assert run.returncode == 130 and "Traceback" not in told
    assert programs and not [each for each in programs if each.is_running()]
    assert not [*tmp_path.glob("potable-connector-*"), *tmp_path.glob(".potable/scratch/*")]


def test_a_landing_that_hears_nothing_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "potable.yaml").write_text("project: c\n")
    (tmp_path / "sources/s.yaml").write_text(SOURCE.format(python=sys.executable))
    command = [sys.executable, "-c", STUCK, "run", "--only", "ingest"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as run:
        while not (tmp_path / "started").exists() and run.poll() is None:
            time.sleep(0.05)
        run.send_signal(signal.SIGTERM)
        # if it were waited for, the test would take a minute
        _, told = run.communicate(timeout=40)
    assert run.returncode == 130 and "interrupted; finished steps are kept" in told
    (record,) = tmp_path.glob("lake/open/runs/*.json")
    assert json.loads(record.read_text())["outcome"] == "interrupted"
    assert not [*tmp_path.glob("lake/open/runs/begun/*"), *tmp_path.glob(".potable/scratch/*")]
