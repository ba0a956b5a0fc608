"""Zip archives as folders of files: their members arrive one by one, under the archive's name.

A zip is a folder in transit, so what lands is each member as its writer wrote it. An archive that cannot be trusted
(encrypted, with paths that lead outside, far larger unpacked than packed, damaged) lands whole and is refused when it
is parsed, with the reason `why_refused` gives.

Entry: `members`.
"""

from __future__ import annotations

import io
import lzma
import stat
import zipfile
import zlib
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from potable.sources.blobs import Unpacked
from potable.sources.landed import Arrival

_MOST_MEMBERS = 100_000
_ALWAYS_FINE = 64 << 20
"""Bytes unpacked that no archive is refused for."""
_LARGEST_RATIO = 250
"""Times its own size that an archive may have unpacked; XML and CSV seldom reach 50, deflate cannot pass 1,032."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_DAMAGE = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zlib.error, lzma.LZMAError)


class DamagedZip(OSError):
    """A member that cannot be unpacked to what the archive says it is."""


class _Refused(Exception):
    """An archive whose members are not taken; says why."""


def members(archive: Path | BinaryIO, name: str) -> list[Arrival] | None:
    """The data files of an archive, as arrivals below `name` without tables; None if it is refused, or is none.

    Raises:
        OSError: the file cannot be read.
    """
    if not zipfile.is_zipfile(archive):
        return None
    size = archive.stat().st_size if isinstance(archive, Path) else archive.seek(0, io.SEEK_END)
    try:
        return [_arrival(found, info, name) for found, info in _trusted(archive, size)]
    except _Refused:
        return None


def why_refused(stream: BinaryIO) -> str:
    """Why the members of the archive in `stream` were not taken."""
    try:
        _trusted(stream, stream.seek(0, io.SEEK_END))
    except _Refused as refused:
        return str(refused)
    return "it is a zip archive; only files named .zip are unpacked"


def _trusted(source: Path | BinaryIO, size: int) -> list[tuple[zipfile.ZipFile, zipfile.ZipInfo]]:
    """The archive of `size` bytes with each of its data files; it is closed when the last of them is let go.

    Raises:
        _Refused: it is not to be trusted.
    """
    try:
        archive = zipfile.ZipFile(source)
    except (*_DAMAGE, ValueError):
        raise _Refused("a zip archive that is cut short or damaged") from None
    found = archive.infolist()
    if len(found) > _MOST_MEMBERS:
        raise _Refused(f"a zip archive of more than {_MOST_MEMBERS:,} members")
    if sum(info.file_size for info in found) > max(_ALWAYS_FINE, _LARGEST_RATIO * size):
        raise _Refused(f"a zip archive that unpacks to more than {_LARGEST_RATIO} times its size")
    if len({info.filename for info in found}) < len(found):
        raise _Refused("a zip archive with two members of the same name")
    for info in found:
        _check(info)
    return [(archive, info) for info in found if _is_data(info)]


def _check(info: zipfile.ZipInfo) -> None:
    path = PurePosixPath(info.orig_filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or "\0" in info.orig_filename:
        raise _Refused("a zip archive with a member whose path leads outside it")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise _Refused("a zip archive with a link")
    if info.flag_bits & 0x1:
        raise _Refused("a zip archive with an encrypted member")
    if info.compress_type not in _METHODS:
        raise _Refused("a zip archive with a compression method that is not supported")


def _is_data(info: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(info.filename).parts
    return not info.is_dir() and not any(part.startswith((".", "~$", "__MACOSX")) for part in parts)


def _arrival(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Arrival:
    stamp = f"{info.file_size}-{info.CRC:08x}-{'-'.join(map(str, info.date_time))}"
    return Arrival(f"{name}/{info.filename}", (), partial(_opened, archive, info), stamp)


def _opened(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> BinaryIO:
    try:
        return _Member(archive.open(info), io.BytesIO())
    except _DAMAGE as failure:
        raise DamagedZip(type(failure).__name__) from None


class _Member(Unpacked):
    """A member as a stream; what is wrong with it is an OSError."""

    def read(self, size: int | None = -1) -> bytes:
        try:
            return super().read(size)
        except _DAMAGE as failure:
            raise DamagedZip(type(failure).__name__) from None
