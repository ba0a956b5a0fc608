"""JSON files cut into records without parsing them: lines, or the elements of a list inside one document.

A document may be larger than memory: the way to the list is walked token by token, the list itself is cut at
its commas block by block. What lies beside the way is passed over, balanced but unread. What a record means
belongs to `jsontext`.

Entry: `pieces`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import BinaryIO

import numpy as np

from potable.sources.blobs import Malformed
from potable.sources.jsontext import DEEPEST, brackets, decode, masked

BLOCK = 2 << 20
"""Bytes read at once."""
LONGEST = 16 << 20
"""The most bytes a record may have."""
_NEWLINE, _OPEN = b"\n{"
_BLANK = b" \t\r\n"
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_INSIDE = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_SCALAR = re.compile(rb'[^\s,:\[\]{}"]*')


class Listless(Malformed):
    """A document without the list in which its records should be."""

    hint = "is `records` right? If some documents have no such list, declare `optional: true`"


def is_lines(stream: BinaryIO, *, whole: bool) -> bool:
    """Whether `stream`, which is closed, holds a JSON value per line and not one document.

    Args:
        whole: whether a single line is a record by itself.

    Raises:
        Malformed: it starts like neither.
    """
    with stream:
        head = b""
        while b"\n" not in head and len(head) < LONGEST and (more := stream.read(BLOCK)):
            head = (head + more).lstrip(_BLANK)
        if not head or head.startswith(b"["):
            return False
        line, newline, after = head.partition(b"\n")
        if not newline and len(head) >= LONGEST:
            return False
        while not after.strip(_BLANK) and (more := stream.read(BLOCK)):
            # blanks may go on for gigabytes; what counts of them is the first
            after = after[:1] + more
        _, steps = brackets(line)
        if line.startswith(b"{") and (not len(steps) or steps.sum(dtype=np.int64) != 0):
            # its first line is damaged, or it is one document
            return after.lstrip(_BLANK)[:1] == b"{" and not after.startswith((b" ", b"\t"))
        return whole or bool(after.strip(_BLANK))


def lines(stream: BinaryIO) -> Iterator[bytes]:
    """Blocks of whole lines, without the newline behind the last.

    Raises:
        Malformed: a line is longer than a record may be.
    """
    left = b""
    while chunk := stream.read(BLOCK):
        end = chunk.rfind(b"\n")
        if end < 0:
            left += chunk
            _require(len(left) <= LONGEST)
            continue
        _require(len(left) + chunk.index(b"\n") <= LONGEST)
        yield left + chunk[:end]
        left = chunk[end + 1 :]
    yield left


def pieces(stream: BinaryIO, steps: Sequence[str]) -> Iterator[tuple[list[bytes], int]]:
    """Blocks of elements of the first list on the way `steps` through a document, and the steps taken to it.

    Where no list lies on the way, what lies at its end is the only element.

    Raises:
        Malformed: the document is cut short or is not JSON.
        Listless: it has nothing at `steps`.
    """
    walk = _Walk(stream)
    found = False
    for part in walk.find(list(steps), 0):
        found = True
        yield part
    if walk.peek():
        raise Malformed("there is text after its end")
    if not found:
        raise Listless(f"it has no list at `{'.'.join(steps)}`") if steps else Malformed("it is empty")


def filled(block: bytes) -> list[bytes]:
    """The lines of a block that are not blank."""
    # the empty ones are quickly told, those of blanks are rare
    return [line for line in block.split(b"\n") if line and not line.isspace()]


def count(block: bytes) -> int:
    """How many lines of a block are not blank."""
    data = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    if block.startswith(b"{") and not block.endswith(b"\n") and (data[ends + 1] == _OPEN).all():
        return len(ends) + 1
    return len(filled(block))


def _require(short: bool) -> None:
    if not short:
        raise Malformed(f"a record is longer than {LONGEST >> 20} MiB")


def _reach(part: bytes, depth: int, *, quoted: bool) -> tuple[int, int, bool]:
    """How far a list or object reaches in `part`, and how many brackets and whether a string are open there.

    Raises:
        Malformed: it is nested too deeply.
    """
    lead = b'"' if quoted else b""
    end = len(part) - masked(part).endswith(b"\\")
    signs = lead + part[:end]
    places, steps = brackets(signs)
    depths = depth + np.cumsum(steps, dtype=np.int64)
    if depths.max(initial=0) > DEEPEST:
        raise Malformed(f"it is nested more than {DEEPEST} deep")
    closed = np.flatnonzero(depths == 0)
    if len(closed):
        return int(places[closed[0]]) + 1 - len(lead), 0, False
    return end, int(depths[-1]) if len(depths) else depth, bool(masked(signs).count(b'"') % 2)


class _Walk:
    """A place in a document, and the bytes from there on that were read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._held = b""
        self._at = 0

    def peek(self) -> bytes:
        """The next byte that is not blank; empty at the end."""
        while True:
            rest = self._held[self._at : self._at + 64].lstrip(_BLANK)
            if rest:
                self._at = self._held.index(rest[:1], self._at)
                return rest[:1]
            self._at = min(self._at + 64, len(self._held))
            if self._at == len(self._held) and not self._more():
                return b""

    def find(self, steps: list[str], taken: int) -> Iterator[tuple[list[bytes], int]]:
        """The elements at `steps` below the value that starts here; passes over the whole value."""
        sign = self.peek()
        if sign == b"[":
            self._at += 1
            yield [], taken
            yield from ((part, taken) for part in self._elements())
        elif not steps:
            if part := self._value():
                yield ([] if part == b"null" else [part]), taken
        elif sign == b"{":
            yield from self._member(steps, taken)
        else:
            self._value()

    def _member(self, steps: list[str], taken: int) -> Iterator[tuple[list[bytes], int]]:
        met = False
        for name in self._names():
            if name != steps[0]:
                self._value(keep=False)
                continue
            if met:
                raise Malformed("a key on the way to its records occurs twice")
            met = True
            yield from self.find(steps[1:], taken + 1)

    def _names(self) -> Iterator[str]:
        """The keys of the object that starts here, each before its value."""
        self._take(b"{")
        if self.peek() == b"}":
            self._at += 1
            return
        while True:
            try:
                name = decode(self._value())
            except ValueError:
                name = None
            if type(name) is not str:
                raise Malformed("not well-formed JSON")
            self._take(b":")
            yield name
            if self._take(b",}") == b"}":
                return

    def _take(self, allowed: bytes) -> bytes:
        sign = self.peek()
        if not sign or sign not in allowed:
            raise Malformed("not well-formed JSON" if sign else "it is cut short")
        self._at += 1
        return sign

    def _value(self, *, keep: bool = True) -> bytes:
        """The value that starts here; empty, and not held in memory, when it is not to be kept and may be long."""
        sign = self.peek()
        if sign and sign in b"[{":
            return b"".join(self._container(keep=keep))
        if sign == b'"' and not keep:
            return self._pass_over()
        form = _STRING if sign == b'"' else _SCALAR
        while not (found := form.match(self._held, self._at)) or (form is _SCALAR and found.end() == len(self._held)):
            _require(len(self._held) - self._at <= LONGEST)
            if not self._more():
                break
        if not found:
            raise Malformed("it is cut short")
        _require(found.end() - found.start() <= LONGEST)
        self._at += found.end() - found.start()
        return found.group()

    def _pass_over(self) -> bytes:
        """Go behind the string that starts here."""
        self._at += 1
        while True:
            found = _INSIDE.match(self._held, self._at)
            self._at = found.end() if found else self._at
            if self._held[self._at : self._at + 1] == b'"':
                self._at += 1
                return b""
            # a backslash at the end belongs to what follows
            if not self._more():
                raise Malformed("it is cut short")

    def _container(self, *, keep: bool) -> Iterator[bytes]:
        """The parts of the list or object that starts here."""
        depth, quoted, size = 0, False, 0
        while True:
            part = self._held[self._at :]
            end, depth, quoted = _reach(part, depth, quoted=quoted)
            self._at += end
            if keep:
                yield part[:end]
                size += end
                _require(size <= LONGEST)
            if depth == 0 and end:
                return
            if not self._more():
                raise Malformed("it is cut short")

    def _elements(self) -> Iterator[list[bytes]]:
        """Blocks of elements of the list that was just entered."""
        first = True
        while True:
            parts, end = self._cut()
            if end and first and not parts[:-1] and not parts[-1].strip(_BLANK):
                return
            kept = parts if end else parts[:-1]
            if any(not part or part.isspace() for part in kept):
                raise Malformed("not well-formed JSON")
            if kept:
                # no other one is longer than a block
                _require(len(kept[0]) <= LONGEST)
                first = False
                yield kept
            if end:
                return
            _require(len(self._held) - self._at <= LONGEST)
            if not self._more():
                raise Malformed("it is cut short")

    def _cut(self) -> tuple[list[bytes], bool]:
        """What is held cut at the list's commas, the last part unfinished; or up to the list's end."""
        held = self._held = self._held[self._at :]
        self._at = 0
        places, steps = brackets(held, commas=True)
        depth = np.cumsum(steps, dtype=np.int64)
        below = np.flatnonzero(depth < 0)
        last = int(below[0]) if len(below) else len(places)
        commas = places[:last][(depth[:last] == 0) & (steps[:last] == 0)]
        bounds = [0, *(commas + 1).tolist()]
        stop = int(places[last]) if len(below) else len(held)
        parts = [held[start : end - 1] for start, end in pairwise(bounds)]
        parts.append(held[bounds[-1] : stop])
        if len(below):
            if held[stop : stop + 1] != b"]":
                raise Malformed("not well-formed JSON")
            self._at = stop + 1
        else:
            self._at = bounds[-1]
        return parts, bool(len(below))

    def _more(self) -> bool:
        chunk = self._stream.read(BLOCK)
        self._held = self._held[self._at :] + chunk
        self._at = 0
        return bool(chunk)
