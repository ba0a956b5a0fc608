"""The verb `ingest`: land what a source offers, write-once, hashed, with a manifest per batch.

Objects are stored under the hash of the bytes as received; many small ones together, in packs. What a source
offers now is compared with what its earlier batches landed; only a difference makes a new batch, whose
manifest is written last and put-if-absent. A killed landing leaves objects and packs that the next one finds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

from potable.errors import EnvironmentFailure
from potable.sources.base import Source
from potable.sources.landed import Arrival, Held, Landed, Made
from potable.sources.onwards import State
from potable.sources.packs import Packs
from potable.sources.storing import land
from potable.store.log import Log
from potable.store.objects import Store

Progress = Callable[[int, int], None]
"""Told of objects and bytes as they are landed, and of none now and then while a source is waited for; may raise."""
_TOGETHER = 32
"""Files that one thread lands in a row."""


@dataclass(frozen=True)
class Landing:
    """Where a source is landed."""

    store: Store
    log: Log


@dataclass(frozen=True)
class Ingested:
    """What the raw zone holds of a source after `ingest`, and what this run added."""

    source: str
    objects: tuple[Landed, ...]
    """Everything current, by name."""
    batch: int
    """Number of the newest batch."""
    new_objects: int
    new_bytes: int
    """Bytes as received of what was added."""

    @property
    def bytes(self) -> int:
        """Bytes as received of everything current."""
        return sum(landed.bytes for landed in self.objects)


def ingest(
    source: Source[Any],
    landing: Landing,
    *,
    base: Path,
    threads: int = 1,
    progress: Progress = lambda objects, size: None,
    fresh: bool = False,
) -> Ingested:
    """Land everything `source` offers that is not landed yet.

    Args:
        fresh: read every byte again, also where size and time say that nothing changed; streams are read on.

    Raises:
        EnvironmentFailure: the source cannot be read (E001, E002) or the raw zone not written (E004);
            no batch is written then.
    """
    raw = current(landing.log)
    before, number = raw.objects, raw.batch
    state = State({} if fresh and not source.forgets else raw.state, number + 1)
    now: dict[str, Landed] = {}
    job = _Job(threads, progress)
    state.wanted = job.wanted
    known = _unstamped(before) if fresh else before
    # what offers them may be a program, which has to end when landing fails
    with closing(cast("Any", source.arrivals(base, state))) as arrivals:
        for landed in _landed(arrivals, source, landing.store, known, job):
            # what comes back as it once was, is what it was
            if not landed.batch and (batch := raw.former.get((landed.name, _content(landed)))):
                landed = replace(landed, batch=batch)
            if landed.name in now:
                raise EnvironmentFailure(
                    f"source `{source.source}` lists `{source.naming.told(landed.name)}` twice", "E001"
                )
            now[landed.name] = landed
    stays = {name: landed for name, landed in before.items() if not source.snapshot or _resumed(landed, state)}
    after = {**stays, **now}
    moved = {name: landed for name, landed in now.items() if before.get(name) is not landed}
    added = [landed for name, landed in moved.items() if _content(before.get(name)) != _content(landed)]
    if added or after.keys() != before.keys() or state.moved:
        # new stamps of unchanged objects are no news, but travel with some
        changed = [landed for name, landed in moved.items() if before.get(name) != landed]
        gone = sorted(before.keys() - after.keys())
        number = landing.log.append(_entry(source, changed, gone, state.after), parent=number)
    objects = tuple(_numbered(after[name], number) for name in sorted(after))
    return Ingested(source.source, objects, number, len(added), sum(landed.bytes for landed in added))


@dataclass(frozen=True)
class _Job:
    """How arrivals are landed."""

    threads: int
    progress: Progress
    waiting: deque[Future[list[tuple[Landed, bytes | None]]]] = field(default_factory=deque)
    """Those that are being landed, in the order they came."""

    def look(self) -> None:
        """Raise what went wrong with those that are being landed."""
        for each in self.waiting:
            if each.done():
                each.result()

    def wanted(self) -> None:
        """Raise why no more is wanted, while the next is waited for."""
        self.progress(0, 0)
        self.look()


@dataclass(frozen=True)
class Raw:
    """What the raw zone holds of a source."""

    objects: Mapping[str, Landed]
    """Current objects by name: what all batches together leave."""
    batch: int
    """Number of the newest batch; 0 before the first."""
    state: Mapping[str, Any]
    """How far each table was read, by table; only of those that are read on."""
    former: Mapping[tuple[str, Any], int]
    """The batch that objects came with which have since changed or gone, by name and content."""

    @property
    def landed(self) -> tuple[Landed, ...]:
        """Everything current, in the order of names, as `ingest` gives it."""
        return tuple(self.objects[name] for name in sorted(self.objects))


def current(log: Log, *, until: int | None = None) -> Raw:
    """What the raw zone holds after the newest batch, or after batch `until`."""
    objects: dict[str, Landed] = {}
    former: dict[tuple[str, Any], int] = {}
    newest, state = 0, {}
    for number, data in log.stored():
        if until is not None and number > until:
            break
        newest, entry = number, log.read(number, data, partial(_object, number))
        listed = {item.name: item for item in entry["objects"]}
        for name in [*entry["gone"], *listed]:
            if (old := objects.pop(name, None)) and _content(old) != _content(listed.get(name)):
                former[name, _content(old)] = old.batch
        objects |= listed
        state = entry.get("state", {})
    return Raw(objects, newest, state, former)


def rewind(source: Source[Any], log: Log, to: int) -> Raw:
    """Make what batch `to` left current again, by a batch of its own; the next `ingest` reads on from there.

    Raises:
        ValueError: there is no such batch.
    """
    now, then = current(log), current(log, until=to)
    if not 0 < then.batch == to <= now.batch:
        raise ValueError(f"`{source.source}` has no batch {to}; the newest is {now.batch}")
    changed = [landed for name, landed in then.objects.items() if now.objects.get(name) != landed]
    gone = sorted(now.objects.keys() - then.objects.keys())
    number = log.append(_entry(source, changed, gone, then.state), parent=now.batch)
    return Raw(then.objects, number, then.state, now.former)


def _object(number: int, entry: dict[str, Any]) -> Any:
    """What the entry of a batch lists, as it is read: of hundreds of thousands, dicts would be the larger."""
    if "sha256" not in entry or "stored" not in entry:
        return entry
    return Landed.from_entry({**entry, "batch": entry.get("batch") or number})


def _numbered(landed: Landed, number: int) -> Landed:
    """What came with batch `number` says so; what is listed there again keeps the batch it came with."""
    return landed if landed.batch else replace(landed, batch=number)


def _entry(source: Source[Any], added: list[Landed], gone: list[str], state: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "source": source.source,
        "type": source.type,
        "landed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "objects": sorted(added, key=lambda item: item.name),
        "gone": gone,
        "state": state,
    }


def _resumed(landed: Landed, state: State) -> bool:
    """Whether an object holds records of tables only of which only what is new was read."""
    return state.resumed.issuperset([landed.keys_of] if landed.keys_of else landed.tables)


def _unstamped(objects: Mapping[str, Landed]) -> dict[str, Landed]:
    return {name: replace(landed, stamp="") for name, landed in objects.items()}


def _content(landed: Landed | None) -> tuple[object, ...] | None:
    return (landed.sha256, landed.tables, landed.skip) if landed else None


def _landed(
    arrivals: Iterator[Arrival], source: Source[Any], store: Store, before: Mapping[str, Landed], job: _Job
) -> Iterator[Landed]:
    """Land arrivals side by side, never more than a few at once in memory.

    They come out as they came in, so that what is packed together is the same after a run that was killed.
    """
    waiting = job.waiting
    packs = Packs(store, f"raw/{source.source}/packs")

    def land_all(some: list[Arrival]) -> list[tuple[Landed, bytes | None]]:
        return [land(arrival, source, store, before.get(arrival.name)) for arrival in some]

    def oldest() -> Iterator[Landed]:
        for landed, kept in waiting.popleft().result():
            job.progress(1, landed.bytes)
            yield from [landed] if kept is None else packs.add(landed, kept)

    with ThreadPoolExecutor(job.threads) as pool:
        for some in _groups(arrivals, before):
            if isinstance(some, Landed):
                job.progress(1, some.bytes)
                yield some
                continue
            waiting.append(pool.submit(land_all, some))
            job.look()
            if len(waiting) >= 2 * job.threads:
                yield from oldest()
        while waiting:
            yield from oldest()
    yield from packs.finish()


def _groups(arrivals: Iterable[Arrival], before: Mapping[str, Landed]) -> Iterator[Landed | list[Arrival]]:
    """What landed before and stays, and what is landed together.

    Files of this machine come by the hundred thousand, and a thread each would cost more than reading them. What has
    to be fetched, or was and is in memory, comes alone.
    """
    some: list[Arrival] = []
    for arrival in arrivals:
        if stays := _standing(arrival, before.get(arrival.name)):
            yield stays
        elif isinstance(arrival.open, Made):
            # here, for several of what they are made of would take more memory than what is made
            yield [replace(arrival, open=Held(arrival.open.make()))]
        elif arrival.far or isinstance(arrival.open, Held):
            yield [arrival]
        else:
            some.append(arrival)
            if len(some) == _TOGETHER:
                yield some
                some = []
    if some:
        yield some


def _standing(arrival: Arrival, before: Landed | None) -> Landed | None:
    """What landed before, where size and time say that nothing changed."""
    if not before or not arrival.stamp or arrival.stamp != before.stamp:
        return None
    if (before.tables, before.skip) == (arrival.tables, arrival.skip):
        return before
    return replace(before, tables=arrival.tables, skip=arrival.skip)
