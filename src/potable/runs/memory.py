"""Memory a run uses: the most that all its processes held at one time, in all and while a step ran."""

from __future__ import annotations

import mmap
import os
import threading
from array import array
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

import psutil

_EVERY = 0.1
_PROC = "/proc"
"""Where Linux tells of processes."""
_PAGE = mmap.PAGESIZE
_MOST = 1 << 13


class PeakMemory:
    """Watches the resident memory of this process and its children while it is open."""

    def __init__(self) -> None:
        self._seen = array("q")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def peak(self) -> int:
        """Bytes held at most so far."""
        return self.since(0)

    def mark(self) -> int:
        """A moment to ask `since` about: now."""
        return len(self._seen)

    def since(self, mark: int) -> int:
        """Bytes held at most since a moment; what was held when it was marked counts."""
        return max(self._seen[max(mark - 1, 0) :], default=0)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        process = psutil.Process()
        while True:
            self._seen.append(resident(process))
            if self._stop.wait(_EVERY):
                return


def resident(process: psutil.Process) -> int:
    """Resident bytes of `process` and its children; what they share counts once.

    That is libraries and mapped files, and what a process shares with the one it was forked from.
    """
    own = shared = 0
    lists_children = os.access(f"{_PROC}/self/task/{threading.get_native_id()}/children", os.R_OK)
    for held, common in _as_linux_tells(process.pid) if lists_children else _as_psutil_tells(process):
        own, shared = own + held, max(shared, common)
    return own + shared


def _as_psutil_tells(process: psutil.Process) -> Iterator[tuple[int, int]]:
    """Bytes that each process has for itself, and those that others may have too."""
    for member in [process, *process.children(recursive=True)]:
        # one that has just ended holds nothing any more
        with suppress(psutil.Error):
            memory = member.memory_info()
            common = getattr(memory, "shared", 0)
            yield memory.rss - common, common


def _as_linux_tells(root: int) -> Iterator[tuple[int, int]]:
    """The same, read ten times a second: psutil reads what every process of the machine says of its parent.

    A worker is forked from a process that stays, which counts with all that they have of it.
    """
    asked = [(root, 0)]
    while asked:
        pid, depth = asked.pop()
        with suppress(OSError):
            children = _children(pid)
            asked += ((child, depth + 1) for child in children)
            _, held, common, *_ = (int(pages) * _PAGE for pages in _told(f"{pid}/statm").split())
            yield _unshared(pid) if depth > 1 and not children else held - common, common


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with os.scandir(f"{_PROC}/{pid}/task") as threads:
        for thread in threads:
            with suppress(OSError):
                found += map(int, _told(f"{pid}/task/{thread.name}/children").split())
    return found


def _unshared(pid: int) -> int:
    """Bytes of a process that no other has: a third of a millisecond to read."""
    lines = _told(f"{pid}/smaps_rollup").splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(b"Private_"))


def _told(path: str) -> bytes:
    file = os.open(f"{_PROC}/{path}", os.O_RDONLY)
    try:
        return os.read(file, _MOST)
    finally:
        os.close(file)
