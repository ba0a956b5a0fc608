"""Files in folders and zip archives: the arrivals of every source that is a heap of files (CSV, XML, DOCX …)."""

from __future__ import annotations

import bz2
import glob
import gzip
import lzma
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import pyarrow as pa

from potable.errors import DataError, EnvironmentFailure
from potable.sources.archives import members, why_refused
from potable.sources.base import Arrival, Blob, Source, Unpacked
from potable.sources.onwards import State
from potable.tables import Table


class FileTable(Table):
    """A table whose records lie in files."""

    files: str | None = None
    """Glob of its files, relative to the source's `path`; all of the source's files by default."""
    members: str = "*"
    """Glob of its files inside zip archives, by their path there; `*` also stands for slashes."""


F = TypeVar("F", bound=FileTable)


class FileSource(Source[F]):
    """A source that is a folder of files, or a glob."""

    path: str
    """Folder or glob; relative paths start at the project folder. Hidden files and Word's lock files are not data.
    Of a file named .zip each member is read as a file, named `archive.zip/member.xml`."""

    def arrivals(self, base: Path, state: State | None = None) -> Iterator[Arrival]:
        """The files that match, by path below the folder, and the members of zip archives among them."""
        folder, default = _split(base, self.path)
        tables_of: dict[Path, list[str]] = {}
        for name, table in self.tables.items():
            found = sorted(path for path in folder.glob(table.files or default) if _is_data(path))
            if not found:
                raise _missing(self.source, name, folder)
            for path in found:
                tables_of.setdefault(path, []).append(name)
        offered: set[str] = set()
        for path in sorted(tables_of):
            for arrival in self._found(path, folder, tuple(tables_of[path])):
                offered.update(arrival.tables)
                yield arrival
        for name in self.tables:
            if name not in offered:
                raise _missing(self.source, name, folder)

    def _found(self, path: Path, folder: Path, tables: tuple[str, ...]) -> Iterator[Arrival]:
        """The file, or what is in it when it is an archive."""
        arrival = _arrival(path, folder, tables)
        inside = members(path, arrival.name) if _is_archive(path) else None
        if inside is None:
            yield arrival
            return
        for member in inside:
            below = member.name.removeprefix(f"{arrival.name}/")
            if mine := tuple(name for name in tables if fnmatchcase(below, self.tables[name].members)):
                yield replace(member, tables=mine)


def decompressed(blob: Blob) -> BinaryIO:
    """The object's content, unpacked when it is gzip, zstd, bzip2 or xz (told by its first bytes).

    Raises:
        DataError: D007, it is an archive of files. A damaged file fails in reads, with one of `DAMAGE`.
    """
    with blob.open() as peek:
        start = peek.read(6)
    raw = blob.open()
    if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        with raw:
            raise unreadable(blob, why_refused(raw))
    if start[:2] == b"\x1f\x8b":
        return Unpacked(_gzip(raw), raw)
    if start[:4] == b"\x28\xb5\x2f\xfd":
        return Unpacked(pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd"), raw)
    if start[:3] == b"BZh":
        return Unpacked(bz2.BZ2File(raw), raw)
    if start == b"\xfd7zXZ\x00":
        return Unpacked(lzma.LZMAFile(raw), raw)
    return raw


DAMAGE = (OSError, EOFError, lzma.LZMAError, zlib.error)
"""What reading a damaged packed file raises."""


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


def _gzip(raw: BinaryIO) -> Any:
    try:
        from isal import igzip
    except ModuleNotFoundError:
        return gzip.GzipFile(fileobj=raw)
    return igzip.IGzipFile(fileobj=raw)


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def _split(base: Path, path: str) -> tuple[Path, str]:
    """The folder and the glob below it."""
    whole = base / Path(path).expanduser()
    if whole.is_file():
        return whole.parent, glob.escape(whole.name)
    parts = Path(path).expanduser().parts
    for index, part in enumerate(parts):
        if glob.has_magic(part) and not whole.is_dir():
            return base.joinpath(*parts[:index]), str(Path(*parts[index:]))
    return whole, "*"


def _is_data(path: Path) -> bool:
    return path.is_file() and not path.name.startswith((".", "~$"))


def _is_archive(path: Path) -> bool:
    """Whether a file is to be unpacked; one that cannot be read arrives as it is, and landing it says why."""
    if path.suffix.lower() != ".zip":
        return False
    try:
        return zipfile.is_zipfile(path)
    except OSError:
        return False


def _arrival(path: Path, folder: Path, tables: tuple[str, ...]) -> Arrival:
    try:
        status = path.stat()
        stamp = f"{status.st_size}-{status.st_mtime_ns}"
    except OSError:
        # opening it will say why
        stamp = ""
    # file names are bytes: what is not UTF-8 in them is spelled out
    name = os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "backslashreplace")
    return Arrival(
        name=name,
        tables=tables,
        open=partial(_opened, path),
        stamp=stamp,
    )


def _missing(source: str, table: str, folder: Path) -> EnvironmentFailure:
    there = "the folder has no matching file, nor an archive in it a matching member"
    there = there if folder.is_dir() else "the folder does not exist"
    return EnvironmentFailure(
        f"source `{source}` has no file for table `{table}`: {there}",
        "E002",
        given=str(folder),
        hint="check `path` and `files` in the source's file, and the variables they refer to",
        state="nothing was landed from this source; the last version stays current",
        next="potable doctor",
        retryable=True,
    )
