"""What is made once for all workers of a run of the tests: who needs it first makes it, and the others wait for that."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that one worker made; look at it or copy it, do not change it.

    Args:
        factory: pytest's, of any worker.
        name: of the folder; whoever gives the same name gets the same folder.
        make: makes the folder, which is not there yet.
    """
    base = factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "once" / name
    place.parent.mkdir(exist_ok=True)
    done = place.with_name(f"{name}.done")
    with place.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(place, ignore_errors=True)
            make(place)
            done.touch()
    return place
