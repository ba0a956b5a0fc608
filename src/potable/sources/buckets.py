"""Buckets of object stores as places of files: S3 and what speaks like it, Google Cloud Storage, Azure.

Objects are read by ranges, each under the condition that the object is still the one that was listed: memory is
bounded, and no file is put together of two versions. No credential and no word of a server enters a message.

Entry: `Bucket`.
"""

from __future__ import annotations

import glob
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, BinaryIO, Self

import obstore
from obstore.exceptions import (
    BaseError,
    InvalidPathError,
    PermissionDeniedError,
    PreconditionError,
    UnknownConfigurationKeyError,
)
from obstore.store import from_url
from pydantic import SecretStr

from potable.reasons import lasting, why
from potable.sources.names import Naming
from potable.sources.places import CHANGED, GONE, Blocks, Fetch, File, is_data, literal, matching, unread

_RETRIES = 5
_SLOWEST = 20
"""A block may take this many times the time-out altogether."""
_GOOGLES: dict[str, Any] = {"allow_http": True, "default_headers": {"Accept-Encoding": "gzip"}}
"""Without TLS only if its own `base_url` says so, as where no options are given; what is stored with `Content-Encoding:
gzip` as it is stored, else Google unpacks it on the way and answers no ranges of it."""
_UNKNOWN = Naming()


class Bucket:
    """A folder or glob of keys in a bucket."""

    far, lists = True, True

    def __init__(
        self, source: str, url: str, storage: Mapping[str, SecretStr], *, timeout: float, naming: Naming = _UNKNOWN
    ) -> None:
        """Open the store, and look whether `url` names one object.

        Args:
            source: name of the source, for messages.
            url: `s3://bucket/folder`, a glob below it, or one object.
            storage: settings of the store beside those of the environment.
            timeout: seconds to wait for a store that says nothing.
            naming: how names of objects are told in messages.

        Raises:
            EnvironmentFailure: E001, its settings are wrong, or it cannot be reached.
        """
        self._source, self.shown, self._told = source, url, naming.told
        scheme, _, rest = url.partition("://")
        container, _, path = rest.partition("/")
        self._root = f"{scheme}://{container}"
        self._store = self._opened(storage, timeout)
        self._listings: dict[tuple[str, bool], list[_Object]] = {}
        self._folder: tuple[str, ...] = tuple(part for part in path.split("/") if part)
        self._default = "*"
        self._denied: Exception | None = None
        magic = next((index for index, part in enumerate(self._folder) if glob.has_magic(part)), None)
        if magic is not None:
            self._folder, self._default = self._folder[:magic], "/".join(self._folder[magic:])
        elif path and not path.endswith("/") and self._is_object("/".join(self._folder)):
            self._folder, self._default = self._folder[:-1], self._folder[-1]

    def files(self, pattern: str | None) -> list[File]:
        """The objects that match."""
        wanted = tuple((pattern or self._default).strip("/").split("/"))
        below = [*literal(wanted)]
        flat = len(below) == len(wanted) - 1 and wanted[-1] != "**"
        found = []
        for item in self._listed("/".join([*self._folder, *below]), flat=flat):
            parts = tuple(item.key.split("/"))[len(self._folder) :]
            if parts and is_data(parts[-1]) and matching(parts, wanted):
                found.append(self._file("/".join(parts), item))
        return found

    def exists(self) -> bool:
        """Whether anything is below it."""
        folder = "/".join(self._folder)
        found = bool(self._listed(folder, flat=True))
        if self._denied and not found:
            with self._reporting(f"{self._root}/{folder}"):
                raise self._denied
        return found

    def _opened(self, storage: Mapping[str, SecretStr], timeout: float) -> Any:
        given = {name: value.get_secret_value() for name, value in storage.items()}
        wait = timedelta(seconds=timeout)
        options: dict[str, Any] = {"connect_timeout": wait, "read_timeout": wait, "timeout": _SLOWEST * wait}
        if _without_tls(given):
            options["allow_http"] = True
        if self._root.startswith("gs://"):
            options |= _GOOGLES
        retries: Any = {"max_retries": _RETRIES, "retry_timeout": 4 * wait}
        with self._reporting(self._root):
            return from_url(self._root, config=given or None, client_options=options, retry_config=retries)

    def _is_object(self, key: str) -> bool:
        """Whether a key is that of an object; who may only look into a folder is refused where there is none."""
        try:
            return self._head(key) is not None
        except PermissionDeniedError as denied:
            self._denied = denied
            return False

    def _head(self, key: str, shown: str = "") -> _Object | None:
        with self._reporting(f"{self._root}/{shown or key}", but=() if shown else PermissionDeniedError):
            try:
                return _Object.of(obstore.head(self._store, key))
            except FileNotFoundError:
                return None

    def _listed(self, folder: str, *, flat: bool) -> list[_Object]:
        """Objects in a folder, or anywhere below it; what only stands for a folder is none."""
        if (folder, flat) in self._listings:
            return self._listings[folder, flat]
        with self._reporting(f"{self._root}/{folder}"):
            if flat:
                listing = obstore.list_with_delimiter(self._store, folder or None)
                found = [_Object.of(meta) for meta in listing["objects"]]
                empty = {item.key for item in found if not item.size} & set(listing["common_prefixes"])
            else:
                found = [_Object.of(meta) for part in obstore.list(self._store, folder or None) for meta in part]
                empty = {item.key for item in found if not item.size}
            folders = {key for key in empty if not self._head(key, self._told(key))}
        kept = [item for item in found if item.key not in folders and item.key != folder]
        return self._listings.setdefault((folder, flat), sorted(kept, key=lambda item: item.key))

    def _file(self, name: str, item: _Object) -> File:
        fetch = partial(self._fetch, name, item)
        archive = partial(_archive, fetch, item.size)
        return File(name, partial(_stream, fetch, item.size), item.stamp, archive)

    def _fetch(self, name: str, item: _Object, start: int, end: int) -> bytes:
        """Bytes of an object, as long as it is the one that was listed."""
        wanted: Any = {"range": (start, end)}
        name = self._told(name)
        if item.tag and not item.tag.startswith("W/"):
            wanted["if_match"] = item.tag
        with self._reporting(name):
            try:
                found = obstore.get(self._store, item.key, options=wanted)
                data = bytes(found.bytes())
            except PreconditionError:
                raise unread(self._source, name, CHANGED) from None
            except FileNotFoundError:
                raise unread(self._source, name, GONE, code="E002") from None
        if not item.same(_Object.of(found.meta)) or len(data) != end - start:
            raise unread(self._source, name, CHANGED)
        return data

    @contextmanager
    def _reporting(self, what: str, *, but: type[Exception] | tuple[()] = ()) -> Iterator[None]:
        """Errors of the store as ours, without its words: they hold URLs, and may hold signatures."""
        try:
            yield
        except but:
            raise
        except (BaseError, OSError, ValueError) as failure:
            told, retryable = _why(failure)
            raise unread(self._source, what, told, retryable=retryable) from None


@dataclass(frozen=True, slots=True)
class _Object:
    """An object as it was listed."""

    key: str
    size: int
    tag: str | None
    modified: str

    @classmethod
    def of(cls, meta: Mapping[str, Any]) -> Self:
        """What the store says of it."""
        tag = meta["e_tag"]
        # Azure lists tags without the quotes it answers with
        quoted = f'"{tag}"' if tag and not tag.endswith('"') else tag
        return cls(str(meta["path"]), meta["size"], quoted, meta["last_modified"].isoformat(timespec="seconds"))

    @property
    def stamp(self) -> str:
        """Equal for what has not changed."""
        return f"{self.size}-{self.tag or self.modified}"

    def same(self, other: Self) -> bool:
        """Whether both are one version of the object."""
        return self.stamp == other.stamp


def _without_tls(given: Mapping[str, str]) -> bool:
    """Whether the store is meant to be reached without TLS: its endpoint says so, or the store's own variable."""
    if any(name.lower().endswith("endpoint") and value.startswith("http://") for name, value in given.items()):
        return True
    # it counts for nothing where options of the client are given
    return any(os.environ.get(f"{name}_ALLOW_HTTP", "").lower() in ("true", "1") for name in ("AWS", "AZURE", "GOOGLE"))


def _stream(fetch: Fetch, size: int) -> BinaryIO:
    return io.BufferedReader(Blocks(fetch, size), 1 << 20)


def _archive(fetch: Fetch, size: int) -> AbstractContextManager[BinaryIO]:
    return nullcontext(Blocks.archive(fetch, size))


def _why(failure: Exception) -> tuple[str, bool]:
    """What is wrong, and whether it may pass."""
    if isinstance(failure, InvalidPathError) or "parse path" in str(failure):
        return "of a key there a part is empty (`a//b`), `.` or `..`, or has control characters; rename it", False
    if isinstance(failure, UnknownConfigurationKeyError | ValueError):
        return "a setting in `storage`, or in the environment, is unknown to this store", False
    text = str(failure)
    if "NoSuchBucket" in text or "ContainerNotFound" in text:
        return "there is no such bucket", False
    return why(failure, place=False), not lasting(failure)
