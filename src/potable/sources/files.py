"""Files in folders: the arrivals of every source that is a heap of files (CSV, XML, DOCX …)."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import pyarrow as pa

from potable.errors import DataError, EnvironmentFailure
from potable.sources.base import Arrival, Blob, Source
from potable.tables import Table


class FileTable(Table):
    """A table whose records lie in files."""

    files: str | None = None
    """Glob of its files, relative to the source's `path`; all of the source's files by default."""


F = TypeVar("F", bound=FileTable)


class FileSource(Source[F]):
    """A source that is a folder of files, or a glob."""

    path: str
    """Folder or glob; relative paths start at the project folder."""

    def arrivals(self, base: Path) -> Iterator[Arrival]:
        folder, default = _split(base, self.path)
        tables_of: dict[Path, list[str]] = {}
        for name, table in self.tables.items():
            found = sorted(path for path in folder.glob(table.files or default) if path.is_file())
            if not found:
                raise _missing(self.source, name, folder)
            for path in found:
                tables_of.setdefault(path, []).append(name)
        for path in sorted(tables_of):
            yield _arrival(path, folder, tuple(tables_of[path]))




def decompressed(blob: Blob) -> BinaryIO:
    """The object's content, unpacked when it is gzip or zstd (told by its first bytes).

    Raises:
        DataError: D007, from reads, when a packed file is damaged.
    """
    raw = blob.open()
    start = raw.read(4)
    raw.close()
    raw = blob.open()
    if start[:2] == b"\x1f\x8b":
        return _gzip(raw)
    if start == b"\x28\xb5\x2f\xfd":
        return cast("BinaryIO", pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd"))
    return raw


def unreadable(blob: Blob, why: str, *, row: int | None = None) -> DataError:
    """The error for an object that cannot be parsed; `why` must not quote its content."""
    at = f" after record {row}" if row else ""
    return DataError(
        f"`{blob.name}` cannot be read: {why}{at}",
        "D007",
        hint="have the source system export it again; the raw zone keeps what arrived",
        state="the object stays in the raw zone; nothing of this step was written, the last version is current",
        next="potable run",
    )


def _gzip(raw: BinaryIO) -> BinaryIO:
    try:
        from isal import igzip
    except ModuleNotFoundError:
        return cast("BinaryIO", gzip.GzipFile(fileobj=raw))
    return cast("BinaryIO", igzip.IGzipFile(fileobj=raw))


def _split(base: Path, path: str) -> tuple[Path, str]:
    """The folder and the glob below it."""
    parts = (base / Path(path).expanduser()).parts
    for index, part in enumerate(parts):
        if any(sign in part for sign in "*?["):
            return Path(*parts[:index]), str(Path(*parts[index:]))
    whole = Path(*parts)
    return (whole.parent, whole.name) if whole.is_file() else (whole, "*")


def _arrival(path: Path, folder: Path, tables: tuple[str, ...]) -> Arrival:
    status = path.stat()
    return Arrival(
        name=path.relative_to(folder).as_posix(),
        tables=tables,
        open=partial(path.open, "rb"),
        stamp=f"{status.st_size}-{status.st_mtime_ns}",
    )


def _missing(source: str, table: str, folder: Path) -> EnvironmentFailure:
    there = "the folder does not exist" if not folder.is_dir() else "the folder has no matching file"
    return EnvironmentFailure(
        f"source `{source}` has no file for table `{table}`: {there}",
        "E002",
        given=str(folder),
        hint="check `path` and `files` in the source's file, and the variables they refer to",
        state="nothing was landed from this source; the last version stays current",
        next="potable doctor",
        retryable=True,
    )
