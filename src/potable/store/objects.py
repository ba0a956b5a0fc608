"""One small interface to a folder or bucket, through obstore.

Everything the lake holds is written either put-if-absent (manifests, commits) or under a name that
nobody else uses (content hashes, attempts), so two runs cannot harm one another. Local folders, S3, GCS
and Azure differ only in the URL.
"""

from __future__ import annotations

import io
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, GenericError
from obstore.store import LocalStore, from_url

from potable.errors import Damaged, EnvironmentFailure
from potable.reasons import answered, code_of, why
from potable.retries import RETRIES

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PARTS = 4
"""Parts of 10 MiB of one object on their way at a time."""
_TOGETHER = 1000
"""Objects that are removed with one request, where a store can."""
_PAUSES = (0.1, 0.4, 1.6)
"""Seconds until a write under a condition that failed is tried again."""
_CONFLICT = "ConditionalRequestConflict"
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")
"""How S3 and Azure call that there is none."""


def location(url: str, *, base: Path) -> PurePath:
    """Where a store is, so that one which lies in another is seen to; relative paths start at `base`."""
    folder = _folder(url, base)
    return folder.resolve() if folder else PurePosixPath(url)


def _folder(url: str, base: Path) -> Path | None:
    """The local folder that a URL or path means; None of a bucket."""
    local = unquote(urlsplit(url).path) if url.startswith("file://") else url
    return None if "://" in local else (base / Path(local).expanduser()).absolute()


@dataclass(frozen=True)
class Stored:
    """One object as a listing tells it."""

    path: str
    bytes: int
    modified: datetime
    """When it was written, by the clock of the store."""


class Store:
    """A folder or bucket; paths are relative, with forward slashes."""

    def __init__(self, url: str, *, base: Path | None = None, private: bool = False, shut: Sequence[str] = ()) -> None:
        """Open a store.

        Args:
            url: a URL (`s3://bucket/prefix`) or a local path, relative to `base`.
            base: the project folder.
            private: make a new local folder readable by its owner only.
            shut: folders of a new local one that are made readable by its owner only.

        Raises:
            EnvironmentFailure: the place cannot be opened.
        """
        self.url = url
        self._root = _folder(url, base or Path())
        with self._reporting(""):
            if (private or shut) and self._root and not self._root.exists():
                self._root.mkdir(parents=True, mode=0o700 if private else 0o777, exist_ok=True)
                for name in shut:
                    (self._root / name).mkdir(mode=0o700, exist_ok=True)
            self._store = LocalStore(str(self._root), mkdir=True) if self._root else from_url(url, retry_config=RETRIES)

    def locate(self, path: str) -> str:
        """The absolute path or URL an engine reads or writes `path` by."""
        return str(self._root / path) if self._root else f"{self.url.rstrip('/')}/{path}"

    def put_new(self, path: str, data: bytes) -> bool:
        """Write `data` unless `path` exists; False if it does (the other writer won)."""
        tried = 0
        with self._reporting(path, there=False):
            while True:
                try:
                    obstore.put(self._store, path, data, mode="create")
                    return True
                except AlreadyExistsError as failure:
                    # where another write is on its way, S3 does not say whether it will come to anything
                    if code_of(failure) != _CONFLICT or tried == len(_PAUSES):
                        # it may be ours, of an attempt whose answer was lost
                        return tried > 0 and self.get_if_present(path) == data
                except GenericError as failure:
                    # where a connection broke, obstore does not try a write under a condition again
                    if self._root or answered(failure) or tried == len(_PAUSES):
                        raise
                time.sleep(_PAUSES[tried])
                tried += 1

    def put(self, path: str, chunks: Iterable[bytes]) -> int:
        """Write `chunks` as one object that appears whole or not at all; returns its bytes.

        What the chunks' iterator raises passes through as it is, and nothing is written then.
        """
        size = 0
        with self._reporting(path, there=False):
            writer = obstore.open_writer(self._store, path, max_concurrency=_PARTS)
        try:
            for chunk in chunks:
                with self._reporting(path, there=False):
                    writer.write(chunk)
                size += len(chunk)
            with self._reporting(path, there=False):
                writer.close()
        except BaseException:
            # a writer that is dropped unclosed takes back what it wrote, but the traceback would hold it
            del writer
            raise
        return size

    def get(self, path: str) -> bytes:
        """The object's bytes.

        Raises:
            FileNotFoundError: there is none.
        """
        with self._reporting(path):
            return bytes(obstore.get(self._store, path).bytes())

    def kept(self, path: str) -> bytes:
        """The bytes of a file that a manifest or version names.

        Raises:
            Damaged: it is gone.
        """
        try:
            return self.get(path)
        except FileNotFoundError:
            raise Damaged(path) from None

    def get_if_present(self, path: str) -> bytes | None:
        """The object's bytes, or None."""
        try:
            return self.get(path)
        except FileNotFoundError:
            return None

    def size(self, path: str) -> int | None:
        """Bytes of the object, or None when there is none."""
        try:
            with self._reporting(path):
                return int(obstore.head(self._store, path)["size"])
        except FileNotFoundError:
            return None

    def open(self, path: str) -> BinaryIO:
        """The object as a readable binary file."""
        with self._reporting(path):
            if self._root:
                return (self._root / path).open("rb")
            return io.BufferedReader(_Reader(obstore.open_reader(self._store, path)))

    def part(self, path: str, start: int, length: int) -> bytes:
        """Some bytes of the object.

        Raises:
            FileNotFoundError: there is none, or it ends before them.
        """
        with self._reporting(path):
            if self._root:
                # of small parts, a file object takes longer than its bytes
                file, data = os.open(self._root / path, os.O_RDONLY), b""
                try:
                    # a file system may give less than there is
                    while len(data) < length and (more := os.pread(file, length - len(data), start + len(data))):
                        data += more
                finally:
                    os.close(file)
            else:
                data = bytes(obstore.get_range(self._store, path, start=start, length=length))
        if len(data) != length:
            raise FileNotFoundError(path)
        return data

    def list(self, prefix: str) -> list[str]:
        """Paths below `prefix`, sorted."""
        with self._reporting(prefix, there=False):
            found = [str(item["path"]) for chunk in obstore.list(self._store, prefix or None) for item in chunk]
        return sorted(found)

    def stored(self, prefix: str) -> Sequence[Stored]:
        """What lies below `prefix`, sorted by path; of a folder also what a killed write left."""
        with self._reporting(prefix, there=False):
            found = [*_walked(self._root, self._root / prefix)] if self._root else [*self._told(prefix)]
        return sorted(found, key=lambda item: item.path)

    def _told(self, prefix: str) -> Iterator[Stored]:
        for chunk in obstore.list(self._store, prefix or None):
            for item in chunk:
                yield Stored(str(item["path"]), int(item["size"]), item["last_modified"])

    def delete(self, paths: Iterable[str]) -> None:
        """Remove objects, of which some may be gone; only what no manifest names that stays."""
        chosen = list(paths)
        for first in range(0, len(chosen), _TOGETHER):
            some = chosen[first : first + _TOGETHER]
            with self._reporting(some[0]):
                if self._root:
                    for path in some:
                        (self._root / path).unlink(missing_ok=True)
                    continue
                try:
                    obstore.delete(self._store, some)
                except FileNotFoundError:
                    for path in some:
                        with suppress(FileNotFoundError):
                            obstore.delete(self._store, path)

    def clear(self, folder: str) -> None:
        """Remove everything below `folder` and the folder, which nobody else may be writing to."""
        if not self._root:
            self.delete(self.list(folder))
            return
        with self._reporting(folder, there=False), suppress(FileNotFoundError):
            shutil.rmtree(self._root / folder)

    def prune(self, paths: Iterable[str], *, above: int) -> None:
        """Take away the folders that `paths` lay in where nothing is left in them; a bucket has none.

        Args:
            above: how many of a path's first folders stay.
        """
        if self._root:
            folders = {parent for path in paths for parent in list(PurePosixPath(path).parents)[: -above - 1]}
            for folder in sorted(folders, key=lambda each: len(each.parts), reverse=True):
                with suppress(OSError):
                    (self._root / folder).rmdir()

    @contextmanager
    def _reporting(self, path: str, *, there: bool = True) -> Iterator[None]:
        """The store's errors as ours; without an object to be `there`, what is not found is the place itself."""
        try:
            yield
        except (BaseError, OSError, ValueError) as failure:
            missing = isinstance(failure, FileNotFoundError)
            if missing and there:
                raise
            if missing or any(sign in str(failure) for sign in _NO_BUCKET):
                raise EnvironmentFailure(
                    f"there is no `{self.url}`",
                    "E004",
                    hint="create the bucket, or correct its name in potable.yaml; Potable does not create buckets",
                    state="nothing was committed; the last version stays current",
                    next="potable doctor",
                ) from None
            raise EnvironmentFailure(
                f"the store refused `{path or self.url}`: {why(failure)}",
                "E004",
                hint="is the disk full, is a permission missing, or is the store unreachable?",
                state="nothing was committed; the last version stays current",
                next="potable doctor",
                retryable=True,
            ) from failure


class _Reader(io.RawIOBase):
    """An object of a bucket as a raw stream."""

    def __init__(self, inner: obstore.ReadableFile) -> None:
        self._inner = inner

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; returns the position."""
        return int(self._inner.seek(offset, whence))

    def readinto(self, buffer: Buffer) -> int:
        """Fill `buffer` with the next bytes; returns how many."""
        view = memoryview(buffer).cast("B")
        data = self._inner.read(len(view))
        view[: len(data)] = data
        return len(data)


def _walked(root: Path, folder: Path) -> Iterator[Stored]:
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            # what a run writes may be renamed or removed meanwhile
            with suppress(FileNotFoundError):
                about = path.lstat()
                moment = datetime.fromtimestamp(about.st_mtime, UTC)
                yield Stored(path.relative_to(root).as_posix(), about.st_size, moment)
