"""The runner: the plan's steps one after the other, each skipped, made and committed, or failed.

A step's manifest is written last and put-if-absent, so a killed run continues where it stopped, an
unchanged step is found again, and of two runs at once each adopts what the other finished first. A full
refresh makes finished steps once more beside themselves: what stands stays, and must be what comes out.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, cast

import potable
from potable import plugins
from potable.agreement import WAITING
from potable.contracts.drift import CHANGED
from potable.datasets.version import Version
from potable.deployment import memory_bytes
from potable.engines.base import Engine
from potable.engines.freed import imports_kept, keep_little
from potable.engines.pool import require_no_worker
from potable.errors import DataError, EnvironmentFailure, Interrupted, PotableError, raise_all, unexpected
from potable.project import Project
from potable.runs import begun, checkup, former, opened, restricted
from potable.runs.landing import land_all, validate_early
from potable.runs.matched import require_matched
from potable.runs.memory import PeakMemory
from potable.runs.outcome import facts
from potable.runs.perform import Running, perform
from potable.runs.plan import REFERENCES, Step, ingest_steps, later_steps, validate_steps
from potable.runs.processes import who
from potable.runs.queries import carried
from potable.runs.record import VERBS, Listener, Outcome, RunRecord, StepRecord, Verb, run_name
from potable.runs.select import SELECTABLE, Selection, selection
from potable.runs.stopping import stopped
from potable.runs.vault import key_name, pseudonym_key, require_key
from potable.runs.workshop import Workshop
from potable.sources.ingest import current
from potable.store.layout import Lake

_SAID = ("problem", "given", "hint")
"""Parts of an error without which nobody can mend what it is about."""


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
    new_vault: bool = False
    """Begin with a new key or ledger where the vault has none, though versions were published with one."""

    def __post_init__(self) -> None:
        if self.select and self.only not in (None, *SELECTABLE):
            raise ValueError(f"`{self.only}` works on all tables together, so it cannot be used with --select")

    @property
    def last(self) -> Verb:
        """The verb the run ends with."""
        return self.only or ("validate" if self.select else "publish")

    @property
    def publishes(self) -> bool:
        """Whether the run ends with a version."""
        return self.last == "publish"


def run(project: Project, options: Options, listener: Listener) -> RunRecord:
    """Run the project; returns its record, which is stored under `runs/` however the run ends.

    The record of a failed run carries the error; raising it is the caller's decision. What ends a run otherwise, as who
    interrupts it, is recorded and raised again. Of one that is killed stays what was noted when it began.

    Raises:
        ProjectError: as `require_possible`; nothing ran.
        EnvironmentFailure: E007, a script without a guard started it in a worker; nothing ran. E011, the vault has lost
            its key.
    """
    require_no_worker()
    require_possible(project, options)
    began, lake = time.monotonic(), project.lake()
    record = _beginning(project, options)
    keep_little()
    record = replace(record, killed=tuple(begun.settle(lake)))
    begun.begin(lake, record)
    for name in record.killed:
        lake.audit.add({"at": record.started, "who": who(), "what": "found killed", "why": options.reason, "run": name})
    failure: BaseException | None = None
    running = version = None
    with PeakMemory() as watched:
        try:
            if not options.new_vault:
                require_key(project, lake)
            with _workshop(project, lake, record) as shop:
                running = Running(shop, listener, watched, today=datetime.fromisoformat(record.started).date())
                _execute(running, options)
                note = partial(_note, lake, options)
                version = opened.commit_version(shop, note, running.today) if options.publishes else None
        except BaseException as error:
            failure = error
    told = _told(failure)
    record = replace(
        record,
        outcome=_outcome(running, told, new=bool(version and version[1])),
        exit_code=told.exit_code if told else 0,
        seconds=round(time.monotonic() - began, 3),
        peak_memory=watched.peak,
        steps=tuple(sorted(running.steps, key=_place(project))) if running else (),
        error=told.told() if told else {},
        **(_facts(running, version, failure) if running else {}),
    )
    _keep(lake, record)
    # what kept the run from beginning, or is no failure of its own, is not told by its record alone
    if failure and (running is None or failure is not told):
        try:
            raise failure
        finally:
            # it knows this frame, which would know it for good
            del failure, told
    return record


def require_possible(project: Project, options: Options) -> None:
    """Nothing, where the project has what a run needs.

    Raises:
        ProjectError: the options select something the project does not have, or need a file that is not written yet.
    """
    selection(project, options.select)
    if options.last in WAITING:
        project.require_written(f"`{options.last}`")


def _beginning(project: Project, options: Options) -> RunRecord:
    """What can be said of a run when it begins."""
    started = datetime.now(UTC)
    return RunRecord(
        run=run_name(started),
        project=project.platform.project,
        outcome="failed",
        exit_code=0,
        started=started.isoformat(timespec="milliseconds"),
        seconds=0.0,
        potable=potable.__version__,
        engine=project.platform.engine,
        memory=memory_bytes(project.platform.memory),
        peak_memory=0,
        threads=project.platform.threads,
        reason=options.reason,
        unwritten=tuple(file.file for file in project.unwritten),
        target=project.dataset if project.agreed.features else "",
    )


def _facts(running: Running, version: tuple[Version, bool] | None, failure: BaseException | None) -> dict[str, Any]:
    try:
        return facts(running.shop, version)
    except EnvironmentFailure as away:
        # a store that is away has no more to say of what failed before
        if failure is None:
            new = version[0] if version and version[1] else None
            away.state = _unrecorded(new.dataset, new.number) if new else _unrecorded()
            raise
        return {}
    except Exception:
        # what is half done for a reason nobody foresaw need not fit together
        if failure is None or isinstance(failure, PotableError):
            raise
        return {}


def _unrecorded(dataset: str = "", version: int = 0) -> str:
    """What stands of a run that could not tell what it did."""
    done = f"version {version} of `{dataset}` is published" if version else "what the run finished is kept"
    return f"{done}; but its run record or audit entry could not be written"


def _told(failure: BaseException | None) -> PotableError | None:
    """What ended a run before its time, in our form."""
    if failure is None:
        return None
    if sign := stopped(failure):
        return Interrupted(sign)
    return failure if isinstance(failure, PotableError) else unexpected(failure)


def _keep(lake: Lake, record: RunRecord) -> None:
    """Store what the run did; where that fails, the error tells what stands all the same."""
    try:
        place, data = f"runs/{record.run}.json", record.to_bytes()
        if not lake.open.put_new(place, data):
            # it was taken for killed
            lake.open.put(place, [data])
        begun.end(lake, record.run)
        lake.audit.add(_audit(record))
    except EnvironmentFailure as failure:
        made = record.dataset if record.outcome == "published" else None
        failure.state = _unrecorded(made.name, made.version) if made else _unrecorded()
        if record.error:
            # what it found is told nowhere else now
            failed = [
                f"[{error['code']}] {': '.join(filter(None, map(error.get, _SAID)))}" for error in _errors(record)
            ]
            failure.hint += f" Before that, the run had failed: {'; '.join(failed)}"
        raise


def _errors(record: RunRecord) -> Sequence[Mapping[str, Any]]:
    return cast("Sequence[Mapping[str, Any]]", record.error.get("errors") or [record.error])


def landed_now(project: Project, lake: Lake, sources: Collection[str] | None = None) -> dict[str, tuple[Any, ...]]:
    """What the raw zone holds of each source (or of some), without looking at the sources."""
    wanted = [name for name in project.sources if sources is None or name in sources]
    return {name: current(lake.batches(name)).landed for name in wanted}


def _take_landed(shop: Workshop, sources: Collection[str]) -> None:
    """Go on from what the raw zone holds of sources."""
    for name in (name for name in shop.project.sources if name in sources):
        raw = current(shop.lake.batches(name))
        shop.landed[name], shop.batches[name] = raw.landed, raw.batch


def _execute(running: Running, options: Options) -> None:
    shop = running.shop
    wanted = selection(shop.project, options.select)
    first = ingest_steps(shop.project, wanted.sources)
    running.total = len(first) + len(wanted.tables) * 2 + 5
    if options.only in (None, "ingest"):
        land_all(running, first, fresh=options.full_refresh, then=partial(_landed, running, options, wanted))
    elif options.only == "validate":
        _take_landed(shop, wanted.sources)
    else:
        _take_landed(shop, shop.project.sources)
    if empty := [name for name, objects in shop.landed.items() if not objects]:
        raise EnvironmentFailure(f"source `{empty[0]}` has not been landed yet", "E008", next=shop.project.next_run)
    steps = _after_ingest(shop, options, wanted)
    running.total = len(running.steps) + sum((step.verb, step.name) not in shop.done for step in steps)
    changed: list[DataError] = []
    for step, following in zip_longest(steps, steps[1:]):
        # tables that were validated one by one are judged by each other as soon as all of them are there
        make = options.only in (None, step.verb) or step.name == REFERENCES
        try:
            _perform(running, step, make=make, again=make and options.full_refresh)
        except DataError as error:
            changed.append(error)
            # a source that changed changed in other tables too, and whoever mends one wants to know of all
            if error.code != CHANGED:
                raise_all(changed)
        if changed and (following is None or _source(following) != _source(step)):
            raise_all(changed)
        if following is None or following.verb != step.verb:
            _look_back(shop, step.verb, wanted, running.today)


def _look_back(shop: Workshop, verb: Verb, wanted: Selection, today: date) -> None:
    """Judge what a verb made of all tables."""
    if verb == "validate":
        checkup.check_up(shop, wanted.tables, today)
        if len(wanted.tables) == len(shop.project.tables):
            restricted.require_total(shop)
    elif verb == "protect":
        require_matched(shop, wanted.tables, today)


def _landed(running: Running, options: Options, wanted: Selection, source: str) -> None:
    """Go on with a source that is landed, while others are."""
    if options.last != "ingest" and not running.failures:
        validate_early(running, source, wanted.tables, again=options.full_refresh)


def _perform(running: Running, step: Step, *, make: bool, again: bool) -> None:
    """Perform a step, unless that was done while sources were landed; what went wrong then is raised now."""
    if failure := running.failures.get(step.label):
        raise failure
    if (step.verb, step.name) not in running.shop.done:
        perform(running, step, make=make, again=again)


def _source(step: Step) -> tuple[str, str]:
    """The source whose tables a step is about one of."""
    return step.verb, step.name.split(".")[0]


def _place(project: Project) -> Callable[[StepRecord], int]:
    """Where the record of a step stands: sources and tables as they are declared, the rest as it ran."""
    labels = [*(f"ingest {name}" for name in project.sources), *(f"validate {name}" for name in project.tables)]
    places = {label: place for place, label in enumerate(labels)}
    return lambda record: places.get(record.step, len(places))


def _after_ingest(shop: Workshop, options: Options, wanted: Selection) -> list[Step]:
    if options.only == "ingest":
        return []
    if options.last == "validate":
        return validate_steps(shop.project, shop.landed, wanted.tables if wanted.partial else None)
    last = VERBS.index(options.last)
    steps = later_steps(shop.project, shop.landed, key_name(shop.key), former.knowing(shop.lake, shop.project))
    return [step for step in steps if VERBS.index(step.verb) <= last and wanted.takes(step)]


@contextmanager
def _workshop(project: Project, lake: Lake, record: RunRecord) -> Iterator[Workshop]:
    scratch = project.root / project.platform.scratch
    # who publishes from now on may have read more
    parent = lake.versions(record.target).last()[0] if record.target else None
    engine: Engine = plugins.load("engines", project.platform.engine)(
        memory=record.memory, threads=project.platform.threads, scratch=scratch, **project.platform.engine_options()
    )
    try:
        with (
            imports_kept(),
            carried(lake.restricted),
            tempfile.TemporaryDirectory(dir=scratch, prefix="run-") as folder,
        ):
            yield Workshop(project, lake, engine, Path(folder), pseudonym_key(lake.vault), record.run, parent)
    finally:
        engine.close()


def _outcome(running: Running | None, failure: PotableError | None, *, new: bool) -> Outcome:
    if failure or running is None:
        return "interrupted" if isinstance(failure, Interrupted) else "failed"
    if new:
        return "published"
    return "done" if running.changed else "nothing new"


def _note(lake: Lake, options: Options, version: Version) -> None:
    """Say in the audit log what is about to be published: no version is without its entry, however the run ends."""
    lake.audit.add(
        {
            "at": version.published_at,
            "who": who(),
            "what": "publish",
            "why": options.reason,
            "run": version.run,
            "dataset": [version.dataset, version.number],
            "sha256": version.sha256,
        }
    )


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
