"""One step of a run: skipped where it is done, made and committed, proved, or failed, and told of.

A step's manifest is written last and put-if-absent, so a killed run continues where it stopped, and of two runs at
once each adopts what the other finished first. Entry: `Running`, `perform`, `failing`.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date

from potable.engines.freed import give_back
from potable.errors import DataError, EnvironmentFailure, PotableError
from potable.runs import named, opened, people, restricted, since
from potable.runs.memory import PeakMemory
from potable.runs.plan import REFERENCES, Step
from potable.runs.record import Event, Listener, State, StepRecord, Verb
from potable.runs.workshop import Made, Workshop
from potable.store.layout import attempt_folder
from potable.store.log import in_turn
from potable.store.manifest import Manifest, canonical, commit, find

_MAKERS: Mapping[tuple[Verb, str], Callable[[Workshop, Step, str], Made]] = {
    ("validate", ""): restricted.validate_table,
    ("validate", REFERENCES): restricted.judge_references,
    ("resolve", ""): people.resolve_subjects,
    ("protect", "identifiers"): named.collect_identifiers,
    ("protect", "pseudonyms"): people.make_pseudonyms,
    ("protect", ""): opened.protect_table,
    ("build", ""): opened.build_features,
    ("publish", ""): opened.publish_dataset,
}
_FOUND = ("reasons", "checks", "drift", "nulls", "profile", "sketches", "redactions")
"""Facts of a step that tell about data, and so come out again."""
_SCRATCH_OUTPUTS = ("staged", "repeated", "duplicates", "scratch")


@dataclass
class Running:
    """A run while it goes on."""

    shop: Workshop
    listener: Listener
    watched: PeakMemory
    steps: list[StepRecord] = field(default_factory=list)
    today: date = date.min
    """The day it was started."""
    total: int = 0
    changed: bool = False
    """Whether anything came out that was not there before."""
    failures: dict[str, PotableError] = field(default_factory=dict)
    """What went wrong, by step, while sources were landed."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Sources are landed side by side."""
    interrupted: threading.Event = field(default_factory=threading.Event)
    """Set when somebody wants the run to end while sources are landed."""

    def tell(self, step: Step, state: State, record: StepRecord) -> None:
        """Tell the listener how a step is doing."""
        self.listener(
            Event(
                step.verb,
                step.label,
                state,
                finished=len(self.steps),
                total=max(self.total, len(self.steps)),
                rows=record.rows,
                bytes=record.new_bytes if record.verb == "ingest" else record.bytes,
                quarantined=record.quarantined,
                seconds=record.seconds,
            )
        )

    def add(self, step: Step, record: StepRecord) -> None:
        """Record a step that ended, and tell it."""
        with self.lock:
            self.steps.append(record)
            self.tell(step, record.state, record)


def perform(running: Running, step: Step, *, make: bool, again: bool) -> None:
    """Find a step done, or make and commit it, and record it.

    Args:
        make: whether it may be made; else it must have been.
        again: whether a finished one is made once more, which must give the same.

    Raises:
        EnvironmentFailure: E008, it may not be made and was not.
        DataError: D005, a finished one gave another result; else what the step raises.
    """
    shop, begun, mark = running.shop, time.monotonic(), running.watched.mark()
    store = step.store(shop.lake)
    manifest = find(store, step.folder)
    state: State = "skipped"
    if manifest is None:
        if not make:
            raise EnvironmentFailure(
                f"`{step.label}` has not run yet for the data that is landed now",
                "E008",
                next=f"potable run --only {step.verb}",
            )
        running.tell(step, "started", StepRecord(step.verb, step.label, "started"))
        with failing(running, step):
            manifest = _made(shop, step)
        since.remember(shop.lake, step)
        state, running.changed = "done", True
    elif again:
        running.tell(step, "started", StepRecord(step.verb, step.label, "started"))
        with failing(running, step):
            _prove(shop, step, manifest)
        state = "done"
    shop.done[step.verb, step.name] = (step, manifest)
    counts = manifest.counts
    running.add(
        step,
        StepRecord(
            step.verb,
            step.label,
            state,
            step.fingerprint,
            seconds=round(time.monotonic() - begun, 3),
            rows_in=counts.get("rows_in", 0),
            rows=counts.get("rows", 0),
            quarantined=counts.get("quarantined", 0),
            bytes=sum(file.bytes for files in manifest.files.values() for file in files),
            memory=running.watched.since(mark),
            layered=bool(manifest.facts.get("stands_on")),
        ),
    )


def _made(shop: Workshop, step: Step) -> Manifest:
    """Make a step, and commit it unless another run was first."""
    # the ledger that another run wrote meanwhile is gone on with, or taken over
    made = in_turn(lambda: _attempted(shop, step)) if step.verb == "resolve" else _attempted(shop, step)
    shop.require_standing(step, made.facts.get("stands_on", ""))
    return commit(step.store(shop.lake), step.folder, made)


def _attempted(shop: Workshop, step: Step) -> Manifest:
    """The manifest of a step made in an attempt folder of its own, not committed; a failed attempt leaves nothing."""
    store = step.store(shop.lake)
    attempt = attempt_folder(step.folder)
    maker = _MAKERS.get((step.verb, step.name)) or _MAKERS[step.verb, ""]
    try:
        made = maker(shop, step, attempt)
    except BaseException as failure:
        # what was refused may be what must not lie in an open root
        try:
            store.clear(attempt)
        except PotableError:
            if isinstance(failure, PotableError):
                failure.hint += f" Its incomplete output could not be removed: {store.locate(attempt)}"
        raise
    give_back()
    for output in _SCRATCH_OUTPUTS:
        store.clear(f"{attempt}/{output}")
    return made.manifest(step, attempt)


def _prove(shop: Workshop, step: Step, manifest: Manifest) -> None:
    """Make a finished step once more, whole and in a place of its own that goes again.

    Raises:
        DataError: D005, the same inputs, declarations and code gave another result.
    """
    beside = replace(
        step, fingerprint=f"{step.fingerprint}-{secrets.token_hex(4)}", earlier=(), rules="", proves=step.fingerprint
    )
    try:
        found = _attempted(shop, beside)
    finally:
        zones = (beside.zone, "quarantine", "quarantine/nobody")
        folders = [beside.folder.replace(beside.zone, zone, 1) for zone in zones]
        for store in (beside.store(shop.lake), shop.lake.restricted):
            for folder in folders:
                store.clear(folder)
    if _result(found) != _result(manifest):
        raise DataError(
            f"`{step.label}` gave a different result when it was repeated",
            "D005",
            given=f"{found.counts}",
            allowed=f"{dict(manifest.counts)}",
            hint="was a file of the lake changed by hand, or a package upgraded?",
            state="the earlier result stays; the last version stays current",
            next="potable report",
        )


def _result(manifest: Manifest) -> bytes:
    """What a step must give again: its counts, its rows, what checks found, and the hashes of finished files."""
    rows = {output: manifest.rows(output) for output in manifest.files}
    hashes = {kind: item["sha256"] for kind, item in manifest.facts.get("files", {}).items()}
    found = [manifest.facts.get(name) for name in _FOUND]
    return canonical([manifest.counts, rows, hashes, found])


@contextmanager
def failing(running: Running, step: Step) -> Iterator[None]:
    """Notes the step that failed, and after how long."""
    begun, mark = time.monotonic(), running.watched.mark()
    try:
        yield
    except BaseException as failure:
        # who raised it may know nothing of steps, as an engine
        if isinstance(failure, PotableError):
            failure.state = failure.state or "nothing of this step was kept; the last version stays current"
        if isinstance(failure, EnvironmentFailure):
            failure.next = failure.next or "potable doctor"
        seconds, held = round(time.monotonic() - begun, 3), running.watched.since(mark)
        running.add(step, StepRecord(step.verb, step.label, "failed", step.fingerprint, seconds=seconds, memory=held))
        raise
