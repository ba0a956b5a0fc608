"""Files and members of zip archives: the arrivals of every source that is a heap of files (CSV, XML, DOCX …).

Where files lie is the business of `places`, `buckets` and `web`.

Entry: `FileSource`; `decompressed` for the content of one.
"""

from __future__ import annotations

import bz2
import glob
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self, TypeVar
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from pydantic import Field, SecretStr, model_validator

from potable.errors import DataError, EnvironmentFailure, MissingExtra
from potable.sources.archives import members, why_refused
from potable.sources.base import Source
from potable.sources.blobs import Blob, Unpacked
from potable.sources.credentials import Auth
from potable.sources.landed import Arrival
from potable.sources.onwards import State
from potable.sources.places import File, Folder, Place
from potable.tables import Table

_STORES = ("s3", "s3a", "gs", "az", "abfs", "abfss")
_WEB = ("https", "http")
_PACKED = 1 << 16
"""Packed bytes read at once."""


class FileTable(Table):
    """A table whose records lie in files."""

    files: str | list[str] | None = None
    """Glob of its files, relative to the source's `path`, or several; all of the source's files by default. Behind
    `https://` they are names."""
    members: str = "*"
    """Glob of its files inside zip archives, by their path there; `*` also matches slashes."""

    @property
    def patterns(self) -> list[str | None]:
        """What `files` says, glob by glob."""
        return [*self.files] if isinstance(self.files, list) else [self.files]


F = TypeVar("F", bound=FileTable)


class FileSource(Source[F]):
    """A source that is a folder of files, or a glob."""

    path: str = Field(repr=False)
    """Folder or glob; relative paths start at the project folder. Also a folder, glob or object of an object store
    (`s3://bucket/exports/*.csv`, `gs://`, `az://`), or a file or folder behind `https://`. Hidden files and Word's lock
    files are not data; links that lead out of the folder are refused. Of a file named .zip each member is read as a
    file, named `archive.zip/member.xml`."""
    storage: dict[str, SecretStr] = Field(default_factory=dict)
    """Settings of the object store, such as `endpoint`, `region`, `access_key_id`, `secret_access_key`, by reference;
    what is not given is taken from the store's own environment variables (`AWS_ENDPOINT_URL` …)."""
    auth: Auth | None = None
    """Credentials for `https://`, by reference."""
    timeout: float = Field(default=30.0, gt=0)
    """Seconds to wait for an answer of an object store or server."""

    for_landing: ClassVar[frozenset[str]] = frozenset(("path", "storage", "auth"))

    @model_validator(mode="after")
    def _known_place(self) -> Self:
        if self.path.startswith("${"):
            # nobody will look for it
            return self
        if self._scheme not in ("", "file", *_WEB, *_STORES):
            raise ValueError(f"`path` must be a folder, or a URL that begins with {', '.join((*_STORES, *_WEB))}")
        if self._scheme in _STORES and not self.path.partition("://")[2].partition("/")[0]:
            raise ValueError("`path` must name a bucket: s3://bucket/folder")
        if self.storage and self._scheme not in _STORES:
            raise ValueError(f"`storage` needs a `path` that begins with {', '.join(_STORES)}")
        if self._scheme not in _WEB:
            if self.auth:
                raise ValueError("`auth` needs a `path` that begins with https")
            return self
        for name, table in self.tables.items():
            if any(pattern and glob.has_magic(pattern) for pattern in table.patterns):
                raise ValueError(
                    f"table `{name}`: a web server cannot list files, so `files` must be names without wildcards"
                )
        return self

    @property
    def _scheme(self) -> str:
        return self.path.partition("://")[0].lower() if "://" in self.path else ""

    @property
    def globs(self) -> Iterator[str]:
        """The declared names, without the folder they are below."""
        yield from super().globs
        parts = self.path.partition("?")[0].split("/") if self._scheme in _WEB else self.path.split("/")
        magic = next((place for place, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
        yield from parts[magic:] if glob.has_magic(self.path) or "." in parts[-1] else ()
        for table in self.tables.values():
            yield from filter(None, [*table.patterns, table.members])

    def arrivals(self, base: Path, state: State | None = None) -> Iterator[Arrival]:
        """The files that match, by path below the folder, and the members of zip archives among them."""
        place = self._place(base)
        self._look_around(place)
        tables_of: dict[str, tuple[str, ...]] = {}
        files: dict[str, File] = {}
        for name, table in self.tables.items():
            for pattern in table.patterns:
                found = place.files(pattern)
                if not found:
                    raise self._missing(name, place, pattern or "")
                for file in found:
                    files.setdefault(file.name, file)
                    mine = tables_of.get(file.name, ())
                    tables_of[file.name] = mine if name in mine else (*mine, name)
        offered: set[str] = set()
        # by the parts of their paths: nothing comes before the end of one but another that has the same beginning
        for file in sorted(files.values(), key=lambda file: file.name.replace("/", "\0")):
            for arrival in self._found(file, tables_of[file.name], place.far):
                offered.update(arrival.tables)
                yield arrival
        for name in self.tables:
            if name not in offered:
                raise self._missing(name, place, None)

    def _look_around(self, place: Place) -> None:
        """Warn of what lies beside the files and says that they are not what they seem."""

    def _missing(self, table: str, place: Place, file: str | None) -> EnvironmentFailure:
        """The error for a table without a file; of a server it is known which `file` was asked for."""
        there = "the folder does not exist"
        if self._scheme in _WEB and file is not None:
            there = f"the server does not have {f'`{self.naming.told(file)}`' if file else 'it'}"
        elif place.exists():
            there = "no file of the folder matches, nor a member of an archive in it"
        hint = "check `path` and `files` in the source's file, and the variables they refer to"
        if not (place.far or glob.has_magic(self.path)) and place.exists():
            deeper = [f"**/{pattern or '*'}" for pattern in self.tables[table].patterns]
            here = {file.name for pattern in self.tables[table].patterns for file in place.files(pattern)}
            if all({file.name for file in place.files(pattern)} - here for pattern in deeper):
                told = "`, `".join(f'files: "{pattern}"' for pattern in deeper)
                hint = f"its files lie in folders below: write `{told}`"
        return EnvironmentFailure(
            f"source `{self.source}` has no file for table `{table}`: {there}",
            "E002",
            given=place.shown,
            hint=hint,
            state="nothing was landed from this source; the last version stays current",
            next="potable doctor",
            retryable=True,
        )

    def _place(self, base: Path) -> Place:
        """Where the files are."""
        if self._scheme in _STORES:
            from potable.sources.buckets import Bucket

            return Bucket(self.source, self.path, self.storage, timeout=self.timeout, naming=self.naming)
        if self._scheme in _WEB:
            try:
                from potable.sources.web import Web
            except ModuleNotFoundError as absent:
                raise MissingExtra(absent.name or "httpx", "rest") from None
            return Web(self.source, self.path, self.auth, timeout=self.timeout)
        local = unquote(urlsplit(self.path).path) if self._scheme == "file" else self.path
        return Folder(base, local)

    def _found(self, file: File, tables: tuple[str, ...], far: bool) -> Iterator[Arrival]:
        """The file, or what is in it when it is an archive."""
        inside = _inside(file) if file.name.lower().endswith(".zip") else None
        if inside is None:
            yield Arrival(file.name, tables, file.open, file.stamp, far=far)
            return
        for member in inside:
            below = member.name.removeprefix(f"{file.name}/")
            if mine := tuple(name for name in tables if fnmatchcase(below, self.tables[name].members)):
                yield replace(member, tables=mine, far=far)


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
    if archive := next((kind for kind, is_one in _ARCHIVES.items() if is_one(start, blob.name.lower())), None):
        raw.close()
        raise unreadable(blob, f"it is a {archive} archive; only zip archives are unpacked")
    if start[:2] == b"\x1f\x8b":
        return _gzip(raw)
    if start[:4] == b"\x28\xb5\x2f\xfd":
        return Unpacked(pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd"), raw)
    if start[:3] == b"BZh":
        return Unpacked(_Members(raw, bz2.BZ2Decompressor), raw)
    if start == b"\xfd7zXZ\x00":
        return Unpacked(_Members(raw, partial(lzma.LZMADecompressor, lzma.FORMAT_XZ)), raw)
    return raw


def is_sealed(data: bytes) -> bool:
    """Whether a document of Office has a password: its package is in a compound file then, as old documents are."""
    return data.startswith(COMPOUND) and "EncryptedPackage".encode("utf-16-le") in data


COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""First bytes of a compound file."""
_ARCHIVES: dict[str, Callable[[bytes, str], bool]] = {
    "7z": lambda start, name: start == b"7z\xbc\xaf\x27\x1c",
    "rar": lambda start, name: start.startswith(b"Rar!"),
    "tar": lambda start, name: name.endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")),
}
DAMAGE = (OSError, EOFError, lzma.LZMAError, zlib.error)
"""What reading a damaged packed file raises."""


EXPORT_AGAIN = "have the source system export it again, under the same name"
"""What to do about an object where nothing better is known."""


def unreadable(blob: Blob, why: str, *, row: int | None = None, hint: str = "") -> DataError:
    """The error for an object that cannot be parsed; `why` must not quote its content."""
    at = f" after record {row}" if row else ""
    return DataError(
        f"`{blob.shown}` cannot be parsed: {why}{at}",
        "D007",
        given=blob.path,
        hint=hint or _landed_damaged(blob),
        state="the object stays in the raw zone; nothing of this step was written, the last version stays current",
        next="potable run",
    )


def _landed_damaged(blob: Blob) -> str:
    """How to be rid of a landed object that nobody can read, and which file it is, where its name is shown masked."""
    root, _, rest = blob.path.partition("/")
    source = rest.partition("/")[0]
    told = EXPORT_AGAIN
    if source and root == "raw" and blob.batch > 1:
        told += f"; or remove it there, and here by `potable state rewind {source} --to {blob.batch - 1}`"
    if source and root == "raw" and blob.shown != blob.name:
        told += f"; its full name is in raw/{source}/batches/{blob.batch:08}.json of the restricted root"
    return told


def positions(
    table: Table, header: Sequence[str], blob: Blob, *, virtual: Sequence[str] = ("@object",), hint: str = ""
) -> dict[str, int]:
    """Where in a file's header each column of the contract stands, by the first of its names that is there.

    Args:
        virtual: names that columns may have and that are never looked for in the header.
        hint: what to do where two columns have one name.

    Raises:
        DataError: D007, two columns of the file have the name.
    """
    found = {}
    for name, column in table.columns.items():
        path = next((path for path in column.paths(name) if path in header and path not in virtual), None)
        if path is not None:
            if header.count(path) > 1:
                raise unreadable(blob, f"two of its columns are called `{path}`", hint=hint)
            found[name] = header.index(path)
    return found


def _gzip(raw: BinaryIO) -> BinaryIO:
    try:
        from isal import igzip, igzip_lib
    except ModuleNotFoundError:
        return Unpacked(gzip.GzipFile(fileobj=raw, mode="rb"), raw)
    return _Gzip(igzip.IGzipFile(fileobj=raw, mode="rb"), raw, igzip_lib.IsalError)


class _Gzip(Unpacked):
    """What isal unpacks; damage is an OSError, as it is of others."""

    def __init__(self, inner: Any, raw: BinaryIO, damage: Any) -> None:
        super().__init__(inner, raw)
        self._damage = damage

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes."""
        try:
            return super().read(size)
        except self._damage as failure:
            raise OSError(type(failure).__name__) from None


class _Members(io.RawIOBase):
    """All members of a file of bzip2 or xz; Python's own readers end where another one should begin and is damaged."""

    def __init__(self, raw: BinaryIO, begin: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]) -> None:
        self._raw, self._begin = raw, begin
        self._member = begin()

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, fewer only at the end."""
        parts: list[bytes] = []
        left = size
        while left and (part := self._some(left)):
            parts.append(part)
            left -= len(part) if size >= 0 else 0
        return b"".join(parts)

    def _some(self, size: int) -> bytes:
        """Some of the next bytes; none only at the end."""
        while True:
            packed = b""
            if self._member.eof:
                # zeros may fill it up
                packed = self._member.unused_data.lstrip(b"\0")
                while not packed and (more := self._raw.read(_PACKED)):
                    packed = more.lstrip(b"\0")
                if not packed:
                    return b""
                self._member = self._begin()
            elif self._member.needs_input and not (packed := self._raw.read(_PACKED)):
                raise EOFError("a member is cut short")
            if part := self._member.decompress(packed, size):
                return part


def _inside(file: File) -> list[Arrival] | None:
    """What is in an archive; one that cannot be read arrives as it is, and landing it says why."""
    try:
        with file.archive() as archive:
            return members(archive, file.name)
    except OSError:
        return None
