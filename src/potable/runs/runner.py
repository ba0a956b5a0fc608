"""The runner: the plan's steps one after the other, each skipped, made and committed, or failed.

A step's manifest is written last and put-if-absent, so a killed run continues where it stopped, an
unchanged step is found again, and of two runs at once each adopts what the other finished first. A full
refresh makes finished steps once more beside themselves: what stands stays, and must be what comes out.
"""

from __future__ import annotations

import getpass
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import potable
from potable import plugins
from potable.deployment import memory_bytes
from potable.engines.base import Engine
from potable.engines.freed import give_back, keep_little
from potable.errors import DataError, EnvironmentFailure, PotableError
from potable.project import Project
from potable.runs import checkup, opened, restricted, since
from potable.runs.memory import PeakMemory
from potable.runs.outcome import facts
from potable.runs.plan import REFERENCES, Step, ingest_steps, later_steps, validate_steps
from potable.runs.queries import carried
from potable.runs.record import VERBS, Event, Listener, RunRecord, State, StepRecord, Verb, run_name
from potable.runs.select import SELECTABLE, Selection, selection
from potable.runs.vault import key_name, pseudonym_key
from potable.runs.workshop import Made, Workshop
from potable.sources.ingest import Landing, current, ingest
from potable.store.layout import Lake, attempt_folder
from potable.store.manifest import Manifest, canonical, commit, find

_MAKERS: Mapping[tuple[Verb, str], Callable[[Workshop, Step, str], Made]] = {
    ("validate", ""): restricted.validate_table,
    ("validate", REFERENCES): restricted.judge_references,
    ("resolve", ""): restricted.resolve_subjects,
    ("protect", "identifiers"): restricted.collect_identifiers,
    ("protect", "pseudonyms"): restricted.make_pseudonyms,
    ("protect", ""): opened.protect_table,
    ("build", ""): opened.build_features,
    ("publish", ""): opened.publish_dataset,
}
_FOUND = ("reasons", "checks", "drift", "nulls", "profile", "sketches", "redactions")
"""Facts of a step that tell about data, and so come out again."""
_SCRATCH_OUTPUTS = ("staged", "repeated", "duplicates", "scratch")


@dataclass(frozen=True)
class Options:
    """What a run is asked to do."""

    only: Verb | None = None
    """Stop after this verb; what it needs must have run before."""
    reason: str = ""
    """Why, for the audit log."""
    select: tuple[str, ...] = ()
    """Sources and tables to work on; all by default. A run of all verbs then stops after validate."""
    full_refresh: bool = False
    """Read the sources from the beginning, and prove every finished step by making it again."""

    def __post_init__(self) -> None:
        if self.select and self.only not in (None, *SELECTABLE):
            raise ValueError(f"`{self.only}` works on all tables at once and takes no selection")

    @property
    def publishes(self) -> bool:
        """Whether the run ends with a version."""
        return self.only in (None, "publish") and not self.select


@dataclass
class _Run:
    """A run while it goes on."""

    shop: Workshop
    listener: Listener
    steps: list[StepRecord] = field(default_factory=list)
    today: date = date.min
    """The day it was started."""
    total: int = 0
    changed: bool = False
    """Whether anything came out that was not there before."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Sources are landed side by side."""
    interrupted: threading.Event = field(default_factory=threading.Event)
    """Set when somebody wants the run to end while sources are landed."""

    def tell(self, step: Step, state: State, record: StepRecord) -> None:
        self.listener(
            Event(
                step.verb,
                step.label,
                state,
                finished=len(self.steps),
                total=max(self.total, len(self.steps)),
                rows=record.rows,
                bytes=record.bytes,
                quarantined=record.quarantined,
                seconds=record.seconds,
            )
        )

    def add(self, step: Step, record: StepRecord) -> None:
        with self.lock:
            self.steps.append(record)
            self.tell(step, record.state, record)


def run(project: Project, options: Options, listener: Listener) -> RunRecord:
    """Run the project; returns its record, which is stored under `runs/` also when the run failed.

    The record of a failed run carries the error; raising it is the caller's decision.

    Raises:
        ProjectError: the options select something the project does not have; nothing ran.
    """
    selection(project, options.select)
    started, begun = datetime.now(UTC), time.monotonic()
    name = run_name(started)
    memory = memory_bytes(project.platform.memory)
    lake = project.lake()
    failure: PotableError | None = None
    version = None
    with PeakMemory() as watched, _workshop(project, lake, memory, name) as shop:
        running = _Run(shop, listener, today=started.date())
        try:
            _execute(running, options)
            version = opened.commit_version(shop) if options.publishes else None
        except PotableError as error:
            failure = error
    record = RunRecord(
        run=name,
        project=project.platform.project,
        outcome=_outcome(running, options, failure, new=bool(version and version[1])),
        exit_code=failure.exit_code if failure else 0,
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - begun, 3),
        potable=potable.__version__,
        engine=project.platform.engine,
        memory=memory,
        peak_memory=watched.peak,
        threads=project.platform.threads,
        reason=options.reason,
        steps=tuple(running.steps),
        error={**failure.record(), "text": failure.text()} if failure else {},
        **facts(shop, version),
    )
    lake.open.put_new(f"runs/{name}.json", record.to_bytes())
    lake.audit.add(_audit(record))
    return record


def landed_now(project: Project, lake: Lake, sources: Collection[str] | None = None) -> dict[str, tuple[Any, ...]]:
    """What the raw zone holds of each source (or of some), without looking at the sources."""
    wanted = [name for name in project.sources if sources is None or name in sources]
    return {name: tuple(current(lake.batches(name)).objects.values()) for name in wanted}


def _execute(running: _Run, options: Options) -> None:
    shop = running.shop
    wanted = selection(shop.project, options.select)
    first = ingest_steps(shop.project, wanted.sources)
    running.total = len(first) + len(wanted.tables) * 2 + 5
    if options.only in (None, "ingest"):
        _ingest_all(running, first, fresh=options.full_refresh)
    elif options.only == "validate":
        shop.landed |= landed_now(shop.project, shop.lake, wanted.sources)
    else:
        shop.landed |= landed_now(shop.project, shop.lake)
    if empty := [name for name, objects in shop.landed.items() if not objects]:
        raise EnvironmentFailure(f"source `{empty[0]}` has not been landed yet", "E008", next="potable run")
    steps = _after_ingest(shop, options, wanted)
    running.total = len(running.steps) + len(steps)
    for step, following in zip_longest(steps, steps[1:]):
        # tables that were validated one by one are judged by each other as soon as all of them are there
        make = options.only in (None, step.verb) or step.name == REFERENCES
        _perform(running, step, make=make, again=make and options.full_refresh)
        last = step.verb == "validate" and (following is None or following.verb != "validate")
        if last:
            checkup.check_up(shop, wanted.tables, running.today)
        if last and not wanted.partial:
            restricted.require_total(shop)


def _after_ingest(shop: Workshop, options: Options, wanted: Selection) -> list[Step]:
    if options.only == "ingest":
        return []
    if options.only == "validate" or (wanted.partial and options.only is None):
        return validate_steps(shop.project, shop.landed, wanted.tables if wanted.partial else None)
    last = VERBS.index(options.only or "publish")
    steps = later_steps(shop.project, shop.landed, key_name(shop.key))
    return [step for step in steps if VERBS.index(step.verb) <= last and wanted.takes(step)]


def _ingest_all(running: _Run, steps: Sequence[Step], *, fresh: bool) -> None:
    """Land the sources side by side, for most of the time goes into waiting for them.

    When one fails, the others are landed all the same, and the first failure in declared order is raised.
    """
    shop = running.shop
    with ThreadPoolExecutor(shop.project.platform.threads) as pool:
        landings = [pool.submit(_ingest, running, step, fresh=fresh) for step in steps]
        try:
            wait(landings)
        except BaseException:
            running.interrupted.set()
            raise
    places = {step.label: place for place, step in enumerate(steps)}
    running.steps.sort(key=lambda record: places[record.step])
    for landing in landings:
        landing.result()
    shop.landed = {step.name: shop.landed[step.name] for step in steps}
    give_back()


def _ingest(running: _Run, step: Step, *, fresh: bool) -> None:
    shop, begun = running.shop, time.monotonic()
    running.tell(step, "started", StepRecord("ingest", step.label, "started"))
    objects = received = 0

    def progress(more: int, size: int) -> None:
        nonlocal objects, received
        if running.interrupted.is_set():
            raise KeyboardInterrupt
        objects, received = objects + more, received + size
        running.tell(step, "progress", StepRecord("ingest", step.label, "progress", rows=objects, bytes=received))

    landing = Landing(shop.lake.restricted, shop.lake.batches(step.name))
    with _failing(running, step):
        made = ingest(
            shop.project.sources[step.name],
            landing,
            base=shop.project.root,
            threads=shop.project.platform.threads,
            progress=progress,
            fresh=fresh,
        )
    running.changed |= bool(made.new_objects)
    shop.landed[step.name] = made.objects
    state: State = "done" if made.new_objects else "skipped"
    seconds = round(time.monotonic() - begun, 3)
    running.add(step, StepRecord("ingest", step.label, state, seconds=seconds, bytes=made.bytes))


def _perform(running: _Run, step: Step, *, make: bool, again: bool) -> None:
    shop, begun = running.shop, time.monotonic()
    store = step.store(shop.lake)
    manifest = find(store, step.folder)
    state: State = "skipped"
    if manifest is None:
        if not make:
            raise EnvironmentFailure(
                f"`{step.label}` has not run yet for what is landed now", "E008", next=f"potable run --only {step.verb}"
            )
        running.tell(step, "started", StepRecord(step.verb, step.label, "started"))
        with _failing(running, step):
            manifest = _made(shop, step)
        since.remember(shop.lake, step)
        state, running.changed = "done", True
    elif again and step.verb != "resolve":
        # subject ids are drawn once and kept in the ledger, so resolve has nothing to prove
        running.tell(step, "started", StepRecord(step.verb, step.label, "started"))
        with _failing(running, step):
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
            layered=bool(manifest.facts.get("stands_on")),
        ),
    )


def _made(shop: Workshop, step: Step) -> Manifest:
    """Make a step, and commit it unless another run was first."""
    return commit(step.store(shop.lake), step.folder, _attempted(shop, step))


def _attempted(shop: Workshop, step: Step) -> Manifest:
    """The manifest of a step made in an attempt folder of its own, not committed."""
    store = step.store(shop.lake)
    attempt = attempt_folder(step.folder)
    maker = _MAKERS.get((step.verb, step.name)) or _MAKERS[step.verb, ""]
    made = maker(shop, step, attempt)
    give_back()
    for output in _SCRATCH_OUTPUTS:
        store.delete(store.list(f"{attempt}/{output}"))
    return made.manifest(step, attempt)


def _prove(shop: Workshop, step: Step, manifest: Manifest) -> None:
    """Make a finished step once more, whole and in a place of its own that goes again.

    Raises:
        DataError: D005, the same inputs, declarations and code gave another result.
    """
    beside = replace(step, fingerprint=f"{step.fingerprint}-{secrets.token_hex(4)}", earlier=(), rules="", proves=True)
    try:
        found = _attempted(shop, beside)
    finally:
        zones = (beside.zone, "quarantine", "quarantine/nobody")
        folders = [beside.folder.replace(beside.zone, zone, 1) for zone in zones]
        for store in (beside.store(shop.lake), shop.lake.restricted):
            for folder in folders:
                store.delete(store.list(folder))
    if _result(found) != _result(manifest):
        raise DataError(
            f"`{step.label}` made again gave another result",
            "D005",
            given=f"{found.counts}",
            allowed=f"{dict(manifest.counts)}",
            hint="was a file of the lake changed by hand, or a package replaced?",
            state="what was there stays; the last version stays current",
            next="potable report",
        )


def _result(manifest: Manifest) -> bytes:
    """What a step must give again: its counts, its rows, what checks found, and the hashes of finished files."""
    rows = {output: manifest.rows(output) for output in manifest.files}
    hashes = {kind: item["sha256"] for kind, item in manifest.facts.get("files", {}).items()}
    found = [manifest.facts.get(name) for name in _FOUND]
    return canonical([manifest.counts, rows, hashes, found])


@contextmanager
def _failing(running: _Run, step: Step) -> Iterator[None]:
    """Notes the step that failed, and after how long."""
    begun = time.monotonic()
    try:
        yield
    except PotableError:
        seconds = round(time.monotonic() - begun, 3)
        running.add(step, StepRecord(step.verb, step.label, "failed", step.fingerprint, seconds=seconds))
        raise


@contextmanager
def _workshop(project: Project, lake: Lake, memory: int, name: str) -> Iterator[Workshop]:
    scratch = project.root / project.platform.scratch
    scratch.mkdir(parents=True, exist_ok=True)
    keep_little()
    engine: Engine = plugins.load("engines", project.platform.engine)(
        memory=memory, threads=project.platform.threads, scratch=scratch, **project.platform.engine_options()
    )
    try:
        with carried(lake.restricted), tempfile.TemporaryDirectory(dir=scratch, prefix="run-") as folder:
            yield Workshop(project, lake, engine, Path(folder), pseudonym_key(lake.vault), name)
    finally:
        engine.close()


def _outcome(
    running: _Run, options: Options, failure: PotableError | None, *, new: bool
) -> Literal["published", "nothing new", "done", "failed"]:
    if failure:
        return "failed"
    if not new and not running.changed:
        return "nothing new"
    return "published" if options.publishes else "done"


def _audit(record: RunRecord) -> dict[str, object]:
    version: Sequence[object] = (record.dataset.name, record.dataset.version) if record.dataset else ()
    return {
        "at": record.started,
        "who": who(),
        "what": f"run {record.outcome}",
        "why": record.reason,
        "run": record.run,
        "dataset": list(version),
        "error": record.error.get("code", ""),
    }


def who() -> str:
    """The user of this process; containers may run one that has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
