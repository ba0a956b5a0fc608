"""Directories that an engine writes to, and their files: local folders, and prefixes of object stores by URL.

Object stores (`s3://`, `gs://`, `az://`) are reached through obstore's fsspec face; what they need to know
(keys, region, endpoint) they take from the environment, as the lake does.

Entry: `parts` lists what was written.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

import pyarrow.parquet as pq

from potable.engines.base import Part
from potable.errors import MADE_AGAIN, EnvironmentFailure, MissingExtra, PotableError
from potable.reasons import of_store, why
from potable.retries import RETRIES

_FOLDER = re.compile(rf"/((?:{'|'.join(MADE_AGAIN)})/[\w.-]+)/[0-9a-f]{{16,}}")
"""A folder of the lake or the vault, as failures name it: of a table or dataset, before a hash."""


def scheme_of(path: str) -> str:
    """The scheme of an object store's URL; empty for a local path."""
    scheme, sign, _ = path.partition("://")
    return scheme if sign else ""


@cache
def filesystem(scheme: str) -> Any:
    """The fsspec file system of object stores of `scheme`.

    Raises:
        MissingExtra: fsspec is not installed.
    """
    try:
        from obstore.fsspec import FsspecStore
    except ImportError:
        raise MissingExtra("fsspec", "object-stores") from None
    return FsspecStore(scheme, retry_config=RETRIES)


@contextmanager
def reaching() -> Iterator[None]:
    """What an object store does not do, in our form."""
    try:
        yield
    except Exception as failure:
        if of_store(failure):
            raise unreached(failure) from None
        raise


def unreached(failure: Exception) -> EnvironmentFailure:
    """The error for what an object store did not do for an engine."""
    folder = folder_in(str(failure))
    return EnvironmentFailure(
        f"the engine could not read or write {f'`{folder}` ' if folder else ''}in the object store: {why(failure)}",
        "E004",
        hint="may this account read, write and list all of the lake, and is the store reachable?",
        state="nothing of this step was kept; the last version stays current",
        next="potable doctor",
        retryable=True,
    )


def folder_in(text: str) -> str:
    """The folder of a table or dataset that a failure's text names, of its zone and name alone; empty if none."""
    found: list[str] = _FOLDER.findall(text)
    return found[-1] if found else ""


def make(directory: str) -> None:
    """Make a local folder; object stores have none."""
    if not scheme_of(directory):
        Path(directory).mkdir(parents=True, exist_ok=True)


@reaching()
def clear(directory: str) -> None:
    """Remove everything below `directory`."""
    if not scheme_of(directory):
        shutil.rmtree(directory)
        return
    files = filesystem(scheme_of(directory))
    for path in _found(directory):
        files.rm_file(path)


@reaching()
def parts(directory: str) -> list[Part]:
    """The Parquet files below `directory`, sorted by path; a partition is read off the name of its folder."""
    return sorted((_part(path, directory) for path in _found(directory)), key=lambda part: part.path)


def _found(directory: str) -> list[str]:
    """Full paths of the files below `directory`."""
    if not scheme_of(directory):
        return [path.as_posix() for path in Path(directory).rglob("*.parquet")]
    files = filesystem(scheme_of(directory))
    files.invalidate_cache()
    return [files.unstrip_protocol(path) for path in files.find(directory) if path.endswith(".parquet")]


def _part(path: str, directory: str) -> Part:
    relative = path.removeprefix(f"{directory.rstrip('/')}/")
    folder, sign, _ = relative.rpartition("/")
    value = unquote(folder.partition("/")[0]).rpartition("=")[2] if sign else None
    if value is not None and not value.lstrip("-").isdigit():
        raise PotableError("a row has no partition")
    with opened(path) as stream:
        rows = pq.ParquetFile(stream).metadata.num_rows
        size = stream.seek(0, os.SEEK_END)
    return Part(relative, rows, size, int(value) if value is not None else None)


@reaching()
def put(local: str, url: str) -> None:
    """A local file as an object, which appears whole or not at all."""
    filesystem(scheme_of(url)).put_file(local, url)


@reaching()
def opened(path: str) -> BinaryIO:
    """A file to read, wherever it lies."""
    scheme = scheme_of(path)
    if not scheme:
        return Path(path).open("rb")
    stream: BinaryIO = filesystem(scheme).open(path, "rb")
    return stream


@contextmanager
def mapped(path: str) -> Iterator[str]:
    """A local path of a file, to be mapped into memory; that of an object lasts until it is mapped."""
    if not scheme_of(path):
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix="potable-") as copy:
        with reaching(), opened(path) as stream:
            shutil.copyfileobj(stream, copy, 1 << 20)
        copy.flush()
        yield copy.name
