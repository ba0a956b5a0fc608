"""How long a reader takes, and how much memory: one process for each measurement, with only Python's own library.

What a process is asked is `PROGRAM READER KIND FOLDER`; it answers with a line of JSON. A first reading of few rows is
not counted: imports, first calls and the start of a Java are not what is measured.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

Read = Callable[[str, str, Path], None]
"""Reads a kind of source (`csv`, `sql` …), the rows called `few` or `rows`, and writes into a folder."""
_TICKS = os.sysconf("SC_CLK_TCK")


def answer(readers: Mapping[str, Read]) -> None:
    """Do what this process is asked, and tell seconds of clock, of processor, and peak megabytes."""
    name, kind, folder = sys.argv[1:4]
    read = readers[name]
    read(kind, "few", Path(folder))
    clock, processor = time.perf_counter(), _processor()
    read(kind, "rows", Path(folder))
    told = {"clock": time.perf_counter() - clock, "processor": _processor() - processor, "peak": _peak()}
    print(json.dumps(told), flush=True)


def _family(process: str = "self") -> Iterator[str]:
    """This process and those it started."""
    yield process
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _family(child)


def _processor() -> float:
    """Seconds of processor that all of them used."""
    total = 0
    for process in _family():
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15]))
    return total / _TICKS


def _peak() -> float:
    """The most memory of each of them, added up, in megabytes."""
    total = 0
    for process in _family():
        status = Path(f"/proc/{process}/status").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    return total / 1000
