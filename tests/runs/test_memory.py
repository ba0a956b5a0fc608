"""How much memory a run holds, in all and while something goes on."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from potable.runs import memory
from potable.runs.memory import PeakMemory, resident

_HOLD = "import sys; held = bytearray(200 << 20); print(len(held), flush=True); sys.stdin.read()"


def test_memory_of_other_processes_is_told_of_the_time_in_which_they_held_it():
    with PeakMemory() as watched:
        _let_look(watched)
        before = watched.mark()
        holder = subprocess.Popen([sys.executable, "-c", _HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert holder.stdout and holder.stdout.readline()
        _let_look(watched)
        during = watched.since(before)
        holder.communicate(b"")
        _let_look(watched)
        after = watched.mark()
        _let_look(watched)
        assert during > watched.since(after) + (150 << 20)
        assert watched.peak >= during


def test_what_is_over_before_the_next_look_is_told_as_what_was_held_when_it_began():
    with PeakMemory() as watched:
        _let_look(watched)
        assert watched.since(watched.mark()) > 0


@pytest.mark.parametrize("told", [True, False])
def test_children_of_children_count(told: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    if not told:
        # a system without Linux's list of children
        monkeypatch.setattr(memory, "_PROC", str(tmp_path))
    before = resident(psutil.Process())
    between = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_HOLD!r}], check=True)"
    holder = subprocess.Popen([sys.executable, "-c", between], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout and holder.stdout.readline()
    assert resident(psutil.Process()) > before + (150 << 20)
    holder.communicate(b"")


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells what processes share")
def test_what_a_process_shares_with_those_it_forked_counts_once():
    forking = """
import os, sys
held = bytearray(b"x") * (200 << 20)
for number in range(3):
    read, write = os.pipe()
    if not os.fork():
        more = bytearray(b"x") * (20 << 20)
        os.write(write, b"x")
        sys.stdin.read()
        os._exit(0)
    os.read(read, 1)
print(len(held), flush=True)
sys.stdin.read()
"""
    before = resident(psutil.Process())
    holder = subprocess.Popen([sys.executable, "-c", forking], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout and holder.stdout.readline()
    more = resident(psutil.Process()) - before
    holder.communicate(b"")
    assert 250 << 20 < more < 350 << 20


def _let_look(watched: PeakMemory) -> None:
    """Wait until memory has been looked at twice more, so that the second look began after this was called."""
    seen, ends = watched.mark(), time.monotonic() + 60
    while watched.mark() < seen + 2:
        assert time.monotonic() < ends
        time.sleep(0.01)
