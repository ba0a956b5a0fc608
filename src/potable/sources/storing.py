"""Stores one arrival in the raw zone: hashed as received, compressed where that helps, atomically.

A small object is returned instead, for `packs` to store many in one. Which arrivals are new belongs to `ingest`.

Entry: `land`.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from typing import Any, BinaryIO, Self

import pyarrow as pa

from potable.errors import EnvironmentFailure
from potable.sources.base import Source
from potable.sources.landed import Arrival, Landed
from potable.store.objects import Store

SMALL = 64 << 10
"""Most bytes an object has, as stored, that is not stored by itself."""
_CHUNK = 1 << 20
_PACKED = (b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"PK\x05\x06", b"BZh", b"\xfd7zXZ\x00", b"PAR1")
"""First bytes of formats that are compressed already: gzip, zstd, zip, bzip2, xz, Parquet."""


def land(arrival: Arrival, source: Source[Any], store: Store, before: Landed | None) -> tuple[Landed, bytes | None]:
    """The object, stored unless it is what was landed `before`; of a small one the bytes to store instead.

    Raises:
        EnvironmentFailure: E001 or E002, it cannot be read; E004, the raw zone or the disk takes no more.
    """
    try:
        with _Copy() if arrival.far else nullcontext() as copy:
            sha256, size, start, whole = _hashed(arrival, copy)
            if before and before.sha256 == sha256:
                if before.at is None and store.size(before.path) is None:
                    # it was removed from the raw zone, where a full refresh looks for it
                    with arrival.open() as stream:
                        store.put(before.path, _written(stream, sha256, source.naming.told(arrival.name), before.zstd))
                return replace(before, tables=arrival.tables, stamp=arrival.stamp, skip=arrival.skip), None
            zstd = not start.startswith(_PACKED)
            path = f"raw/{source.source}/objects/{sha256[:2]}/{sha256}{'.zst' if zstd else ''}"
            kept = None if whole is None else pa.compress(whole, "zstd", asbytes=True) if zstd else whole
            stored = len(kept) if kept is not None else store.size(path)
            if kept is not None and len(kept) > SMALL:
                store.put_new(path, kept)
            elif stored is None and copy:
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
    landed = Landed(arrival.name, arrival.tables, sha256, size, path, zstd, stored or 0, arrival.stamp, 0, arrival.skip)
    small = kept if kept is not None and len(kept) <= SMALL else None
    return replace(landed, keys_of=arrival.keys_of), small


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
        f"downloaded data cannot be kept on disk until it is stored ({type(failure).__name__})",
        "E004",
        given=tempfile.gettempdir(),
        hint="one object per thread needs space there, compressed; set TMPDIR to use another folder",
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
