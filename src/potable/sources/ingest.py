"""The verb `ingest`: land what a source offers, write-once, hashed, with a manifest per batch.

Objects are stored under the hash of the bytes as received, so the same bytes land once. What a source
offers now is compared with what its earlier batches landed; only a difference makes a new batch, whose
manifest is written last and put-if-absent. A killed landing leaves objects that the next one finds.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

import pyarrow as pa

from potable.errors import EnvironmentFailure
from potable.sources.base import Arrival, Landed, Source
from potable.sources.onwards import State
from potable.store.log import Log
from potable.store.objects import Store

_CHUNK = 1 << 20
_PACKED = (b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"PK\x05\x06", b"BZh", b"\xfd7zXZ\x00", b"PAR1")
"""First bytes of formats that are compressed already: gzip, zstd, zip, bzip2, xz, Parquet."""

Progress = Callable[[int, int], None]
"""Told of objects and bytes as they are landed."""


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
    progress: Progress | None = None,
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
    known = _unstamped(before) if fresh else before
    # what offers them may be a program, which has to end when landing fails
    with closing(cast("Any", source.arrivals(base, state))) as arrivals:
        for landed in _landed(arrivals, source, landing.store, known, threads):
            # what comes back as it once was, is what it was
            if not landed.batch and (batch := raw.former.get((landed.name, _content(landed)))):
                landed = replace(landed, batch=batch)
            if landed.name in now:
                raise EnvironmentFailure(
                    f"source `{source.source}` offers `{source.naming.told(landed.name)}` twice", "E001"
                )
            now[landed.name] = landed
            if progress:
                progress(1, landed.bytes)
    stays = {name: landed for name, landed in before.items() if not source.snapshot or _resumed(landed, state)}
    after = {**stays, **now}
    added = [landed for name, landed in now.items() if _content(before.get(name)) != _content(landed)]
    if added or after.keys() != before.keys() or state.moved:
        # new stamps of unchanged objects are no news, but travel with some
        changed = [landed for name, landed in now.items() if before.get(name) != landed]
        gone = sorted(before.keys() - after.keys())
        number = landing.log.append(_entry(source, changed, gone, state.after), parent=number)
    objects = tuple(_numbered(after[name], number) for name in sorted(after))
    return Ingested(source.source, objects, number, len(added), sum(landed.bytes for landed in added))


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


def current(log: Log, *, until: int | None = None) -> Raw:
    """What the raw zone holds after the newest batch, or after batch `until`."""
    objects: dict[str, Landed] = {}
    former: dict[tuple[str, Any], int] = {}
    newest, state = 0, {}
    for number, data in log.stored():
        if until is not None and number > until:
            break
        newest, entry = number, json.loads(data, object_hook=partial(_object, number))
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
        raise ValueError(f"batch {to} of `{source.source}` does not exist; the newest is {now.batch}")
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
    arrivals: Iterator[Arrival], source: Source[Any], store: Store, before: Mapping[str, Landed], threads: int
) -> Iterator[Landed]:
    """Land arrivals side by side, never more than a few at once in memory."""
    waiting: set[Future[Landed]] = set()
    with ThreadPoolExecutor(threads) as pool:
        for arrival in arrivals:
            if stays := _standing(arrival, before.get(arrival.name)):
                yield stays
                continue
            waiting.add(pool.submit(_land, arrival, source, store, before.get(arrival.name)))
            if len(waiting) >= 2 * threads:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        for future in waiting:
            yield future.result()


def _standing(arrival: Arrival, before: Landed | None) -> Landed | None:
    """What landed before, where size and time say that nothing changed."""
    if not before or not arrival.stamp or arrival.stamp != before.stamp:
        return None
    if (before.tables, before.skip) == (arrival.tables, arrival.skip):
        return before
    return replace(before, tables=arrival.tables, skip=arrival.skip)


def _land(arrival: Arrival, source: Source[Any], store: Store, before: Landed | None) -> Landed:
    try:
        with _Copy() if arrival.far else nullcontext() as copy:
            sha256, size, start, whole = _hashed(arrival, copy)
            if before and before.sha256 == sha256:
                return replace(before, tables=arrival.tables, stamp=arrival.stamp, skip=arrival.skip)
            zstd = not start.startswith(_PACKED)
            path = f"raw/{source.source}/objects/{sha256[:2]}/{sha256}{'.zst' if zstd else ''}"
            stored = _put_small(store, path, whole, zstd) if whole is not None else store.size(path)
            if stored is None and copy:
                stored = store.put(path, copy.chunks())
            elif stored is None:
                with arrival.open() as stream:
                    stored = store.put(path, _written(stream, sha256, source.naming.told(arrival.name), zstd))
    except OSError as failure:
        raise EnvironmentFailure(
            f"source `{source.source}`: `{source.naming.told(arrival.name)}` cannot be read ({type(failure).__name__})",
            "E002" if isinstance(failure, FileNotFoundError) else "E001",
            hint="was it removed or moved, and may this user read it?",
            state="nothing was landed from this source; the last version stays current",
            next="potable run",
            retryable=True,
        ) from None
    landed = Landed(arrival.name, arrival.tables, sha256, size, path, zstd, stored, arrival.stamp, skip=arrival.skip)
    return replace(landed, keys_of=arrival.keys_of)


def _hashed(arrival: Arrival, copy: _Copy | None) -> tuple[str, int, bytes, bytes | None]:
    """Hash, size, first bytes, and all bytes where they fit into one chunk; more are copied on the way."""
    digest, size, start, whole, chunks = hashlib.sha256(), 0, b"", b"", 0
    with arrival.open() as stream:
        while chunk := stream.read(_CHUNK):
            if copy and chunks:
                copy.add(whole if chunks == 1 else b"", chunk)
            start, whole, chunks = start or chunk[:8], chunk, chunks + 1
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size, start, whole if chunks < 2 else None


def _put_small(store: Store, path: str, data: bytes, zstd: bool) -> int | None:
    """Store an object that is in memory already; one call, because small ones come by the thousand."""
    kept = pa.compress(data, "zstd", asbytes=True) if zstd else data
    return len(kept) if store.put_new(path, kept) else store.size(path)


def _written(stream: BinaryIO, sha256: str, name: str, zstd: bool) -> Iterator[bytes]:
    """The bytes to store; fails before the object is complete if they are not the hashed ones."""
    digest = hashlib.sha256()
    sink = _Pieces()
    packer = pa.CompressedOutputStream(pa.PythonFile(sink, "w"), "zstd") if zstd else sink
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
        packer.write(chunk)
        yield from sink.taken()
    if digest.hexdigest() != sha256:
        raise EnvironmentFailure(
            f"`{name}` changed while it was being landed",
            "E001",
            hint="run again when its writer is done",
            retryable=True,
        )
    packer.close()
    yield from sink.taken()


class _Copy:
    """What was read of a far object, on disk as it will be stored: nothing is fetched twice."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._file: Any = None
        self._sink = _Pieces()
        self._packer: Any = self._sink

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def add(self, first: bytes, chunk: bytes) -> None:
        """Keep `chunk`, and before it the object's first bytes when they are given."""
        try:
            if self._file is None:
                self._file = self._open.enter_context(tempfile.TemporaryFile(prefix="potable-"))  # noqa: SIM115
                if not first.startswith(_PACKED):
                    self._packer = pa.CompressedOutputStream(pa.PythonFile(self._sink, "w"), "zstd")
            for data in filter(None, (first, chunk)):
                self._packer.write(data)
            self._file.writelines(self._sink.taken())
        except OSError as failure:
            raise _no_room(failure) from None

    def chunks(self) -> Iterator[bytes]:
        """All that was kept."""
        try:
            self._packer.close()
            self._file.writelines(self._sink.taken())
            self._file.seek(0)
        except OSError as failure:
            raise _no_room(failure) from None
        while chunk := self._file.read(_CHUNK):
            yield chunk


def _no_room(failure: OSError) -> EnvironmentFailure:
    return EnvironmentFailure(
        f"what is fetched cannot be kept on disk until it is stored ({type(failure).__name__})",
        "E004",
        given=tempfile.gettempdir(),
        hint="one object per thread needs room there, compressed; the variable TMPDIR names another place",
        state="nothing was landed from this source; the last version stays current",
        next="potable run",
        retryable=True,
    )


class _Pieces(io.RawIOBase):
    """A sink whose pieces can be taken while it is written."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> list[bytes]:
        """What was written since the last call."""
        pieces, self._pieces = self._pieces, []
        return pieces
