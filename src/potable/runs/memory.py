"""Memory a run uses: the most that all its processes held at one time, in all and while a step ran."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

_EVERY = 0.1
_TASKS = Path("/proc")
"""Where Linux tells the children of each thread of a process."""


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
    for member, alone in [(process, False), *_below(process)]:
        # one that has just ended holds nothing any more
        with suppress(psutil.Error, OSError):
            memory = member.memory_info()
            common = getattr(memory, "shared", 0)
            own, shared = own + (_unshared(member.pid) if alone else memory.rss - common), max(shared, common)
    return own + shared


def _below(process: psutil.Process) -> list[tuple[psutil.Process, bool]]:
    """The children of a process and theirs, and of each whether only what it shares with nobody counts.

    A worker is forked from a process that stays; one that forks others counts with all they have of it.
    """
    if not (_TASKS / f"self/task/{threading.get_native_id()}/children").exists():
        with suppress(psutil.Error):
            return [(child, False) for child in process.children(recursive=True)]
        return []
    # psutil reads what every process of the machine says of its parent, a millisecond for forty of them
    found: list[tuple[psutil.Process, bool]] = []
    asked = [(process.pid, 0)]
    while asked:
        pid, depth = asked.pop()
        children = list(_children(pid))
        asked += ((child, depth + 1) for child in children)
        if depth:
            with suppress(psutil.Error):
                found.append((psutil.Process(pid), depth > 1 and not children))
    return found


def _unshared(pid: int) -> int:
    """Bytes of a process that no other has: half a millisecond to read, a hundred times of all that it has."""
    lines = (_TASKS / f"{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Private_"))


def _children(pid: int) -> Iterator[int]:
    with suppress(OSError):
        for thread in (_TASKS / f"{pid}/task").iterdir():
            yield from map(int, (thread / "children").read_text().split())
