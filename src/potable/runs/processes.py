"""Which process a run is, so that another can tell whether it is gone, without naming a machine to anybody.

A process is gone for sure where its machine was started anew since, or where it was one of ours, among processes that
we can see, and is there no more. Of another machine, or of another container, nothing is known.

Entry: `this`, `Process.is_gone`; `who` is the account it runs under.
"""

from __future__ import annotations

import os
import platform
import pwd
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from potable.store.manifest import fingerprint

_MACHINES_OWN = "pid:[4026531836]"
"""The numbers of processes of a machine itself, as Linux calls them on every machine."""
_ENDED = "ZXx"
"""States of processes that ended and were not asked for."""


@dataclass(frozen=True)
class Process:
    """A process, seen from others."""

    machine: str
    """Digest of the machine's, or container's, name and number."""
    boot: str
    """What its system calls its last start; empty where it has no word for it."""
    space: str
    """The numbers that it and others are called by: a container has its own."""
    number: int
    born: str
    """When it began, by a clock that nobody sets; empty where there is none."""

    def is_gone(self) -> bool | None:
        """Whether it is there no more; None where that cannot be seen from here."""
        here = this()
        if self.machine != here.machine:
            return None
        if self.boot != here.boot:
            # containers of several machines may be called the same
            return True if self.space == here.space == _MACHINES_OWN else None
        if self.space != here.space:
            return None
        born = _born(self.number)
        return born is None or bool(born and self.born and born != self.born)


def this() -> Process:
    """The process that asks."""
    number, machine = os.getpid(), fingerprint(platform.node(), _text("/etc/machine-id"))
    boot, space = _text("/proc/sys/kernel/random/boot_id"), ""
    with suppress(OSError):
        space = str(Path("/proc/self/ns/pid").readlink())
    return Process(machine, fingerprint(boot) if boot else "", space, number, _born(number) or "")


def _born(number: int) -> str | None:
    """When a process began; empty where that is not told, None where there is no such process."""
    if os.name != "posix":
        return "" if psutil.pid_exists(number) else None
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        # somebody else's, which may be hidden from us
        pass
    # its name, which may hold anything, stands in brackets before what is asked for
    words = _text(f"/proc/{number}/stat").rpartition(")")[2].split()
    if not words:
        with suppress(psutil.Error):
            return str(int(psutil.Process(number).create_time()))
        return ""
    return None if words[0] in _ENDED else words[19]


def _text(file: str) -> str:
    with suppress(OSError):
        return Path(file).read_text(encoding="utf-8", errors="replace").strip()
    return ""


def who() -> str:
    """The account of this process, whatever its environment says; containers may run one that has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
