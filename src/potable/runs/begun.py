"""Runs that began: of each a note lies in `runs/begun/` until its record says how it ended.

A run that is killed writes no record, but its note stays. The next run that can be sure of it writes the record in its
place, so that it stands among the others for whoever looks back; until then, and where nobody can be sure, it is told
as it is. Runs that go on at once leave each other alone.

Entry: `begin`, `end`, `unended`, `settle`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from potable.errors import EnvironmentFailure, PotableError
from potable.runs.processes import Process, this
from potable.runs.record import RunRecord
from potable.store.layout import Lake
from potable.store.manifest import canonical

FOLDER = "runs/begun"
KILLED = 137
"""Exit code of a process that is killed, as shells tell it."""
_LONGEST = timedelta(days=2)
"""No run takes as long; one that does writes its record all the same."""
_LOOKED_AT = 100
"""Notes that are looked at, where none can be removed."""


class _Killed(EnvironmentFailure):
    """A run was killed."""

    exit_code = KILLED


@dataclass(frozen=True)
class Unended:
    """A run that began and has no record."""

    record: RunRecord
    """What can be said of it, as of one that was killed."""
    state: Literal["killed", "goes on", "unknown"]

    @property
    def told(self) -> str:
        """What became of it, as a sentence."""
        run = f"the run of {self.record.started[:16].replace('T', ' ')} UTC"
        return {
            "killed": f"{run} was killed before it ended; finished steps are kept",
            "goes on": f"{run} is still running",
            "unknown": f"{run} has not ended: it is still running on another machine, or was killed there",
        }[self.state]


def begin(lake: Lake, record: RunRecord) -> None:
    """Note that a run begins.

    Args:
        record: what is known of it by now.
    """
    error = _Killed(
        "the run was killed",
        "E010",
        hint="was memory exhausted, the power lost, or the run stopped because of a time limit? Or could it not "
        "write its record?",
        state="finished steps are kept",
        next="potable run",
    )
    killed = {**asdict(record), "outcome": "killed", "exit_code": KILLED, "error": error.told()}
    lake.open.put_new(f"{FOLDER}/{record.run}", canonical({"record": killed, "process": asdict(this())}))


def end(lake: Lake, run: str) -> None:
    """Take the note of a run away, whose record says more; one that cannot be removed does no harm."""
    with suppress(PotableError):
        lake.open.delete([f"{FOLDER}/{run}"])


def unended(lake: Lake) -> list[Unended]:
    """Runs without an end, oldest first."""
    return [found for _, found in _noted(lake) if found]


def settle(lake: Lake) -> list[str]:
    """Write the records of runs that were killed; their names, each told to one run only."""
    told = []
    for run, found in _noted(lake):
        if found and found.state != "killed":
            continue
        if found and lake.open.put_new(f"runs/{run}.json", found.record.to_bytes()):
            told.append(run)
        end(lake, run)
    return told


def _noted(lake: Lake) -> Iterator[tuple[str, Unended | None]]:
    """All runs of which there is a note; None of one that has its record."""
    for path in lake.open.list(FOLDER)[-_LOOKED_AT:]:
        run, data = path.rpartition("/")[2], lake.open.get_if_present(path)
        if data is None:
            continue
        try:
            note = json.loads(data)
            record, process = RunRecord.from_bytes(canonical(note["record"])), _PROCESS.validate_python(note["process"])
        except (ValueError, KeyError, TypeError, ValidationError):
            # of a version that says it otherwise
            continue
        gone = process.is_gone()
        # a run that ends writes its record before it is gone, so who finds none now finds none ever
        if lake.open.size(f"runs/{run}.json") is not None:
            yield run, None
        elif gone or (gone is None and _age(record) > _LONGEST):
            yield run, Unended(record, "killed")
        else:
            yield run, Unended(record, "unknown" if gone is None else "goes on")


_PROCESS = TypeAdapter(Process)


def _age(record: RunRecord) -> timedelta:
    return datetime.now(UTC) - datetime.fromisoformat(record.started)
