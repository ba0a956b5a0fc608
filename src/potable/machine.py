"""What this process may use of its machine: a container, a service or a binding may leave it less than there is.

Entry: `processors` and `memory_limit`.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def processors() -> int:
    """Processors to work with: those it may run on, and no more than the time it is given comes to."""
    shares = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    for group in _groups("cpu"):
        # version 2 has both numbers in one file, version 1 a file for each; without a limit they say "max" or -1
        found = [word for name in ("max", "cfs_quota_us", "cfs_period_us") for word in _words(group / f"cpu.{name}")]
        if len(found) == 2 and found[0].isdigit():
            shares.append(math.ceil(int(found[0]) / int(found[1])))
    return max(1, min(shares))


def memory_limit() -> int:
    """Bytes beyond which it would be killed; more than any machine has, where it is not limited."""
    files = [group / name for group in _groups("memory") for name in ("memory.max", "memory.limit_in_bytes")]
    return min((int(word) for file in files for word in _words(file) if word.isdigit()), default=sys.maxsize)


def _groups(controller: str) -> Iterator[Path]:
    """Folders of the control groups it is in, as far as they can be seen: a container sees its own as the root."""
    for line in _text(_OWN).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or controller in controllers.split(","):
            root = _GROUPS / controller if controllers else _GROUPS
            own = root / path.lstrip("/")
            yield from (group for group in (own, *own.parents) if group.is_relative_to(root))


def _words(file: Path) -> list[str]:
    return _text(file).split()


def _text(file: Path) -> str:
    with suppress(OSError):
        return file.read_text(encoding="utf-8")
    return ""
