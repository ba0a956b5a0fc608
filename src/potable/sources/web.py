"""Files behind web servers as a place: one file, or those that are named, for a web server lists nothing.

A file is recognised by its ETag, else by when it was modified. A connection that breaks is taken up where it broke,
under the condition that the file is still the one that was found. No URL, header or word of a server enters a message.

Entry: `Web`.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

import httpx

from potable.sources.credentials import ApiKey, Basic, Bearer, OAuth2
from potable.sources.http import Pace, Service
from potable.sources.places import CHANGED, GONE, Blocks, File, unread

if TYPE_CHECKING:
    from typing_extensions import Buffer

_ALONE = {"Accept-Encoding": "identity", "Connection": "close"}
"""Bytes as they are; connections are not kept, because nobody knows which file is the last."""
_FIRST = {"Range": "bytes=0-0"}
"""HEAD is refused by URLs that are signed, and by some servers."""
_FOUND = frozenset({200, 206, 404, 410, 412, 416})
_PACKED = ("", "identity", "gzip", "x-gzip")
"""Ways of packing that may come unasked: what is gzip is unpacked as a packed file is."""
_PIECE = 1 << 20
_RESUMED = 5
"""Times a file is taken up again after its connection broke."""
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")


class Web:
    """One file behind a URL, or files that are named below it."""

    far, lists = True, False

    def __init__(self, source: str, url: str, auth: Bearer | Basic | ApiKey | OAuth2 | None, *, timeout: float) -> None:
        """Prepare to ask.

        Raises:
            EnvironmentFailure: E001, it is no URL.
        """
        self._source = source
        self._service = Service(source, url, auth, timeout=timeout, pace=Pace(patience=4 * timeout))
        self.shown = str(self._service.url.copy_with(query=None))

    def files(self, pattern: str | None) -> list[File]:
        """The file of that name, or the one the URL names; none where the server has none."""
        url = self._service.below(pattern) if pattern else self._service.url
        name = pattern or PurePosixPath(url.path).name or url.host
        found = _Found.at(self._source, self._service, url, name)
        return [File(name, partial(_stream, found), found.stamp, partial(_archive, found))] if found else []

    def exists(self) -> bool:
        """Whether it can be asked at all, which it was."""
        return True


@dataclass(frozen=True, slots=True)
class _Found:
    """A file as it was found: what is asked for, and what tells this version of it from the next."""

    source: str
    service: Service
    url: httpx.URL
    name: str
    version: tuple[str, str]
    """Its ETag, and when it was modified, as the server says it."""
    size: int | None
    ranges: bool
    """Whether it can be read by ranges."""

    @classmethod
    def at(cls, source: str, service: Service, url: httpx.URL, name: str) -> _Found | None:
        """The file behind a URL; None where there is none."""
        for more in (_FIRST, {}):
            with closing(service.open(url, name, headers={**_ALONE, **more}, statuses=_FOUND)) as answer:
                if answer.status_code in (404, 410):
                    return None
                # of an empty file there is no first byte
                if answer.status_code != 416:
                    ranges = answer.status_code == 206
                    return cls(source, service, url, name, _version(answer), _size(answer), ranges)
        raise unread(source, name, "the server contradicts itself about the size")

    @property
    def stamp(self) -> str:
        """Equal and not empty for what has not changed."""
        return f"{self.size}-{self.version[0] or self.version[1]}" if any(self.version) else ""

    def answer(self, start: int, end: int | None) -> httpx.Response:
        """An answer that has the bytes from `start` on, up to `end` at least; those before it may come too.

        Raises:
            EnvironmentFailure: E002 it is gone, E001 it has changed.
        """
        wanted = dict(_ALONE)
        if self.version[0] and not self.version[0].startswith("W/"):
            wanted["If-Match"] = self.version[0]
        if start or end is not None:
            wanted["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        answer = self.service.open(self.url, self.name, headers=wanted, statuses=_FOUND)
        if answer.status_code in (200, 206) and self._same(answer):
            if answer.headers.get("Content-Encoding", "").strip().lower() not in _PACKED:
                answer.close()
                why = "the server compresses it in a way that was not asked for"
                raise unread(self.source, self.name, why, retryable=False)
            return answer
        answer.close()
        if answer.status_code in (404, 410):
            raise unread(self.source, self.name, GONE, code="E002")
        raise unread(self.source, self.name, CHANGED)

    def _same(self, answer: httpx.Response) -> bool:
        size = _size(answer)
        return _version(answer) == self.version and (None in (size, self.size) or size == self.size)


class _Body(io.RawIOBase):
    """The bytes of a file, from a place on; taken up again where the connection breaks."""

    def __init__(self, found: _Found, start: int = 0, end: int | None = None) -> None:
        self._found, self._at, self._end = found, start, end
        self._broken = 0
        self._rest = memoryview(b"")
        self._answer: httpx.Response | None = None
        self._pieces: Iterator[bytes] = iter(())

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Whether its end is known, so that every place is."""
        return self._found.size is not None

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; returns the position. What is read next is asked for anew."""
        place = max(0, offset + (0, self._at, self._found.size or 0)[whence])
        if place != self._at:
            self._let_go()
            self._at, self._rest = place, memoryview(b"")
        return place

    def close(self) -> None:
        """Let go of the connection."""
        self._let_go()
        super().close()

    def readinto(self, buffer: Buffer) -> int:
        """Fill `buffer` with the next bytes; returns how many."""
        view = memoryview(buffer).cast("B")
        if not self._rest:
            self._rest = memoryview(self._next())
        taken = self._rest[: len(view)]
        view[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        self._at += len(taken)
        return len(taken)

    def _next(self) -> bytes:
        """The next piece as it comes; nothing at the end."""
        while True:
            try:
                if self._answer is None:
                    self._begin()
                with self._found.service.in_time():
                    piece = next(self._pieces, b"")
                if not piece and self._at < (self._found.size or 0) and self._end is None:
                    # some servers give a part where all was asked for
                    raise httpx.RemoteProtocolError("the answer ends before the file does")
                return piece
            except httpx.HTTPError as trouble:
                self._let_go()
                self._broken += 1
                # without a sign of its version the rest may be another file's
                if self._broken > _RESUMED or not any(self._found.version):
                    why = f"the connection broke ({type(trouble).__name__})"
                    raise unread(self._found.source, self._found.name, why) from None

    def _begin(self) -> None:
        if self._found.size is not None and self._at >= self._found.size > 0:
            return
        self._answer = self._found.answer(self._at, self._end)
        first = _RANGE.fullmatch(self._answer.headers.get("Content-Range", ""))
        skip = self._at - (int(first[1] or 0) if first else 0)
        self._pieces = _from(self._answer.iter_raw(_PIECE), skip)

    def _let_go(self) -> None:
        if self._answer:
            self._answer.close()
        self._answer, self._pieces = None, iter(())


def _from(pieces: Iterator[bytes], skip: int) -> Iterator[bytes]:
    """Pieces without the first bytes, which were read before."""
    for piece in pieces:
        if skip < len(piece):
            yield piece[skip:]
        skip = max(0, skip - len(piece))


def _stream(found: _Found) -> BinaryIO:
    return io.BufferedReader(_Body(found), _PIECE)


@contextmanager
def _archive(found: _Found) -> Iterator[Path | BinaryIO]:
    """A file to read here and there: by ranges, or a copy, whose name is gone when it has been opened."""
    if found.ranges and found.size is not None:
        yield Blocks.archive(partial(_fetched, found), found.size)
        return
    with tempfile.NamedTemporaryFile(prefix="potable-") as copy, _stream(found) as body:
        while piece := body.read(_PIECE):
            copy.write(piece)
        copy.flush()
        yield Path(copy.name)


def _fetched(found: _Found, start: int, end: int) -> bytes:
    with io.BufferedReader(_Body(found, start, end), _PIECE) as stream:
        data = stream.read(end - start)
    if len(data) != end - start:
        raise unread(found.source, found.name, CHANGED)
    return data


def _version(answer: httpx.Response) -> tuple[str, str]:
    return answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", "")


def _size(answer: httpx.Response) -> int | None:
    """Size of the whole file, where an answer says it."""
    if found := _RANGE.fullmatch(answer.headers.get("Content-Range", "")):
        return int(found[2])
    with suppress(ValueError, KeyError):
        return int(answer.headers["Content-Length"]) if answer.status_code == 200 else None
    return None
