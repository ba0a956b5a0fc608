"""Where files lie: a local folder, and what it has in common with every other place of files.

A place lists its files and opens them. Buckets of object stores are `buckets`, web servers `web`; which files are whose
table is the business of `files`.

Entry: `Folder`, `File`; `Blocks` for what is read by ranges.
"""

from __future__ import annotations

import fnmatch
import glob
import io
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from potable.errors import EnvironmentFailure

if TYPE_CHECKING:
    from typing_extensions import Buffer

BLOCK = 8 << 20
"""Bytes asked for at once of an object that is read by ranges."""
Fetch = Callable[[int, int], bytes]
"""Gives the bytes of an object from one place up to another."""
_LOST = "lost+found"
"""Where file systems keep pieces they have found, for their keepers alone."""
_KEPT = 6
"""Blocks kept of an archive, whose members are read side by side."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a place."""

    name: str
    """Path below the place's folder."""
    open: Callable[[], BinaryIO] = field(repr=False)
    """Opens it from its start; may be called more than once."""
    stamp: str
    """Cheap sign of change; equal and not empty means unchanged."""
    archive: Callable[[], AbstractContextManager[Path | BinaryIO]] = field(repr=False)
    """It as something to read here and there; what is read from it stays open."""


class Place(Protocol):
    """A folder of files, wherever it is."""

    shown: str
    """What messages call it; holds no credentials."""
    far: bool
    """Whether to read a file again is to fetch it again."""
    lists: bool
    """Whether it knows what files it has."""

    def files(self, pattern: str | None) -> list[File]:
        """The files that match a glob below it, or those the place itself names.

        Raises:
            EnvironmentFailure: E001, the place cannot be reached or refuses.
        """

    def exists(self) -> bool:
        """Whether there is such a place at all."""


class Folder:
    """A folder of this machine, or a glob."""

    far, lists = False, True

    def __init__(self, base: Path, path: str) -> None:
        self._folder, self._default = _split(base, path)
        # whoever declares a link means where it leads
        self._trusted = [os.path.realpath(place) for place in (self._folder, base / Path(path).expanduser())]
        self.shown = str(self._folder)
        self._prefix = self.shown.rstrip(os.sep) + os.sep

    def files(self, pattern: str | None) -> list[File]:
        """The files that match, in any order.

        Raises:
            EnvironmentFailure: E001, a folder that may hold some cannot be read: what it holds would count as gone.
        """
        wanted = pattern or self._default
        self._require_readable(wanted.split("/"))
        return [file for file in map(self._file, self._paths(wanted)) if file]

    def exists(self) -> bool:
        """Whether it is a folder."""
        return self._folder.is_dir()

    def _paths(self, pattern: str) -> Iterator[str]:
        """The data files among what `Path.glob` finds, which would make a path of every name in a folder."""
        above, _, last = pattern.rpartition("/")
        if last == "**":
            # Python before 3.13 finds folders only
            above, last = pattern, "*"
        if "**" in last or not glob.has_magic(last):
            found = [path for path in dict.fromkeys(self._folder.glob(pattern)) if is_data(path.name)]
            for folder in {path.parent for path in found}:
                self._require_inside(str(folder))
            yield from map(str, found)
            return
        for folder in self._folders(above):
            if folder.name == _LOST:
                continue
            self._require_inside(str(folder))
            try:
                names = os.listdir(folder)  # noqa: PTH208
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as failure:
                raise self._unlisted(failure) from None
            start = str(folder).rstrip(os.sep) + os.sep
            yield from (start + name for name in fnmatch.filter(names, last) if is_data(name))

    def _folders(self, above: str) -> list[Path]:
        """The folders that a glob leads to, each once."""
        if not above:
            return [self._folder]
        found = dict.fromkeys(self._folder.glob(f"{above}/"))
        start, _, last = above.rpartition("/")
        if last != "**":
            return list(found)
        # `**` follows no links, and since Python 3.13 it finds them
        roots = set(self._folder.glob(start)) if start else {self._folder}
        return [folder for folder in found if folder in roots or not folder.is_symlink()]

    def _require_readable(self, parts: list[str]) -> None:
        """Look into the folders a glob leads through, of which `Path.glob` leaves out what it may not read."""
        if not any(glob.has_magic(part) for part in parts[:-1]) and "**" not in parts:
            return
        above = parts[: parts.index("**")] if "**" in parts else parts[:-1]

        def refuse(failure: OSError) -> None:
            if not isinstance(failure, FileNotFoundError | NotADirectoryError):
                raise self._unlisted(failure) from None

        for folder, below, _ in os.walk(self._folder, onerror=refuse):
            depth = len(Path(folder).parts) - len(self._folder.parts)
            if depth < len(above):
                below[:] = fnmatch.filter(below, above[depth])
            elif "**" not in parts:
                below.clear()
            below[:] = [name for name in below if name != _LOST]

    def _require_inside(self, path: str) -> None:
        """Refuse what a link leads to elsewhere: who may put files here need not be who may read those there."""
        real, below = os.path.realpath(path), path.removeprefix(self._prefix)
        # the project itself may lead elsewhere, by `..`
        straight = os.path.normpath(os.path.join(self._trusted[0], below))  # noqa: PTH118
        if real != straight and not any(f"{real}{os.sep}".startswith(f"{place}{os.sep}") for place in self._trusted):
            raise EnvironmentFailure(
                f"a link at or below `{self.shown}` leads outside that folder",
                "E001",
                hint="copy the file there instead of linking it, or set `path` to a folder that contains both",
                state="nothing was landed from this source; the last version stays current",
                next="potable doctor",
            )

    def _unlisted(self, failure: OSError) -> EnvironmentFailure:
        return EnvironmentFailure(
            f"a folder at or below `{self.shown}` cannot be read ({type(failure).__name__})",
            "E001",
            hint="may this user list all folders there, and are they mounted?",
            state="nothing was landed from this source; the last version stays current",
            next="potable run",
            retryable=True,
        )

    def _file(self, path: str) -> File | None:
        """One of what may be hundreds of thousands; None for folders and links that lead nowhere."""
        stamp = ""
        try:
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                status = os.stat(path)  # noqa: PTH116
                self._require_inside(path)
            stamp = f"{status.st_size}-{status.st_mtime_ns}"
            if not stat.S_ISREG(status.st_mode):
                return None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            # opening it will say why
            pass
        name = path.removeprefix(self._prefix)
        if not name.isascii():
            # file names are bytes: what is not UTF-8 in them is spelled out
            name = os.fsencode(name).decode("utf-8", "backslashreplace")
        return File(name.replace(os.sep, "/"), partial(_opened, path), stamp, partial(_itself, path))


class Blocks(io.RawIOBase):
    """Bytes that are fetched by ranges, a block at a time; several threads may read them through one lock."""

    def __init__(self, fetch: Fetch, size: int, *, kept: int = 1) -> None:
        """Prepare to read.

        Args:
            fetch: the bytes from one place up to another, exactly.
            size: how many there are.
            kept: blocks that are held.
        """
        self._fetch, self._size, self._kept = fetch, size, kept
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def archive(cls, fetch: Fetch, size: int) -> BinaryIO:
        """Such bytes, read here and there."""
        return io.BufferedReader(cls(fetch, size, kept=_KEPT))

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; returns the position."""
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def readinto(self, buffer: Buffer) -> int:
        """Fill `buffer` with the next bytes; returns how many."""
        view = memoryview(buffer).cast("B")
        with self._lock:
            number, inside = divmod(self._at, BLOCK)
            data = memoryview(self._block(number))[inside : inside + len(view)] if self._at < self._size else b""
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            while len(self._blocks) >= self._kept:
                self._blocks.popitem(last=False)
            start = number * BLOCK
            self._blocks[number] = self._fetch(start, min(start + BLOCK, self._size))
        self._blocks.move_to_end(number)
        return self._blocks[number]


def is_data(name: str) -> bool:
    """Whether a file's name is not that of a hidden one or a lock."""
    return not name.startswith((".", "~$"))


def matching(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether a path matches a glob, part by part, as in a folder; `**` stands for any number of parts."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(matching(parts[start:], pattern[1:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and matching(parts[1:], pattern[1:])


def literal(parts: tuple[str, ...]) -> Iterator[str]:
    """The first parts of a glob that match nothing but themselves, without the last."""
    for part in parts[:-1]:
        if glob.has_magic(part):
            return
        yield part


def unread(source: str, name: str, why: str, *, code: str = "E001", retryable: bool = True) -> EnvironmentFailure:
    """The error for a far file that cannot be read; `why` must not quote a URL or a server's words."""
    return EnvironmentFailure(
        f"source `{source}`: `{name}` cannot be read: {why}",
        code,
        hint="check `path` in the source's file, the credentials and their rights, and that the place is reachable",
        state="nothing was landed from this source; the last version stays current",
        next="potable run",
        retryable=retryable,
    )


CHANGED = "it changed after it was listed; run again when its writer is done"
GONE = "it was removed after it was listed"


def _opened(path: str) -> BinaryIO:
    return Path(path).open("rb")


def _itself(path: str) -> AbstractContextManager[Path]:
    return nullcontext(Path(path))


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
