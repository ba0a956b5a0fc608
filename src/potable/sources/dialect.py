"""How one CSV file is written: encoding, delimiter, quotes, comments, header; declared, or found in its head.

What is found depends on the bytes of the file alone, so it is the same in every run; files of one table that
come out differently are drift. What the records say belongs to `csv`.

Entry: `Dialect.of`, `Dialect.records`, `encoding_of`.
"""

from __future__ import annotations

import csv
import io
import re
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from potable.sources.blobs import Blob
from potable.sources.encodings import Ambiguous, Chunked, Utf8, found
from potable.sources.files import DAMAGE, decompressed, unreadable

if TYPE_CHECKING:
    from potable.sources.csv import CsvTable

LONGEST_HEADER = 1 << 20
_DELIMITERS = ",;\t|"
_NAMES = {"\t": "tab"}
_LEAD = re.compile(r'"?sep=([ -~\t])"?(?:\r\n|\n|\r)', re.IGNORECASE)
"""The line with which spreadsheets are told the delimiter, before the header."""


@dataclass(frozen=True)
class Dialect:
    """How one file is written."""

    encoding: str
    delimiter: str
    header: tuple[str, ...]
    start: int
    """Bytes, as UTF-8 and without comments, before the first record."""
    declared: CsvTable

    @classmethod
    def of(cls, table: CsvTable, blob: Blob) -> Self | None:
        """How the file is written; None for one without a header, or without records where it has none.

        Raises:
            DataError: D007, its head cannot be decoded, or it mixes encodings.
        """
        encoding = encoding_of(table.encoding, blob)
        try:
            with Content(Utf8(decompressed(blob), encoding, spared=True), table) as stream:
                text = stream.read(LONGEST_HEADER).decode("utf-8", "ignore")
        except (UnicodeDecodeError, *DAMAGE) as failure:
            raise unreadable(blob, f"the start of the file cannot be decoded ({type(failure).__name__})") from None
        lead = _lead(text, table)
        first = lead[0] if lead else ""
        head = _head(text[len(first) :], table)
        if not head.strip():
            return None
        if "\0" in head and encoding == "ascii":
            raise unreadable(
                blob, "its header contains NUL bytes, like UTF-16 without a byte order mark; declare its `encoding`"
            )
        found = lead[1] if lead else _delimiter(head, table)
        delimiter = found if table.delimiter == "auto" else table.delimiter
        if not table.header:
            return cls(encoding, delimiter, tuple(table.names), len(first.encode()), table)
        header = tuple(name.strip() for name in _fields(head, delimiter, table))
        return cls(encoding, delimiter, header, len((first + head).encode()), table)

    @property
    def found(self) -> frozenset[str]:
        """What was found and not declared, such as `delimiter ;`; ASCII says nothing of an encoding."""
        parts = []
        if self.declared.delimiter == "auto":
            parts.append(f"delimiter {_NAMES.get(self.delimiter, self.delimiter)}")
        if self.declared.encoding == "auto" and self.encoding != "ascii":
            parts.append(f"encoding {self.encoding.removesuffix('-sig')}")
        return frozenset(parts)

    def records(self, blob: Blob) -> Content:
        """The file as UTF-8 from its first record on."""
        stream = Content(Utf8(decompressed(blob), self.encoding, spared=True), self.declared)
        stream.lines = newlines(stream.read(self.start))
        stream.quotes = 0
        return stream


def encoding_of(declared: str, blob: Blob) -> str:
    """The encoding of a file, found by reading all of it where `declared` is `auto`.

    Raises:
        DataError: D007, it is neither UTF-8 nor another one throughout, or it is damaged.
    """
    if declared != "auto":
        return declared
    try:
        return found(decompressed(blob))
    except Ambiguous:
        why = (
            "its bytes are neither UTF-8 nor a Western European encoding throughout; declare its `encoding`: gb18030, "
            "cp1251 …, or utf-8 if only a few records are not (they go to quarantine)"
        )
        raise unreadable(blob, why) from None
    except DAMAGE as failure:
        raise unreadable(blob, f"it is damaged ({type(failure).__name__})") from None


class Content(Chunked):
    """A CSV stream behind its first lines and without comments, counting the quotes that open or close a field."""

    quotes = 0
    lines = 0
    """Lines of the header."""

    def __init__(self, stream: Utf8, table: CsvTable) -> None:
        super().__init__(stream)
        self._text = stream
        self._quote, self._escape = table.quote.encode(), table.escape.encode()
        self._comment = table.comment.encode()
        self._skip = table.skip_lines
        self._line = self._tail = b""
        self._open = self._ended = False
        self._kept_bytes = 0
        self._left_out = array("q")

    @property
    def odd(self) -> bool:
        """Whether there were bytes that are not of the encoding."""
        return self._text.odd

    def end_here(self) -> None:
        """Give nothing more to whoever still reads."""
        self._ended = True

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, fewer only at the end."""
        if self._ended:
            return b""
        given = super().read(size)
        self._count(given)
        return given

    def _converted(self, chunk: bytes) -> bytes:
        if self._comment or self._skip:
            return self._kept(chunk)
        # the last line that was skipped may have ended inside of a chunk
        begun, self._line = self._line, b""
        return begun + chunk

    def _kept(self, chunk: bytes) -> bytes:
        """Whole lines that are neither comments nor among the first ones."""
        held = self._line + chunk
        end = len(held) if self._end else max(held.rfind(b"\n"), held[:-1].rfind(b"\r")) + 1
        held, self._line = held[:end], held[end:]
        kept = []
        for line in held.splitlines(keepends=True):
            if self._skip:
                self._skip -= 1
                self._left_out.append(self._kept_bytes)
            elif self._open or not self._comment or not line.startswith(self._comment):
                kept.append(line)
                self._kept_bytes += len(line)
                self._open ^= quotes_in(line, self._quote, self._escape) % 2 == 1
            else:
                self._left_out.append(self._kept_bytes)
        return b"".join(kept)

    def left_out(self, position: int) -> int:
        """Lines that were left out before what is kept from byte `position` on."""
        return bisect_right(self._left_out, position)

    def _count(self, data: bytes) -> None:
        if self._escape:
            data = self._tail + data
            self._tail = data[len(data.rstrip(self._escape)) :]
            data = data[: len(data) - len(self._tail)] if len(self._tail) % 2 else data
            self._tail = self._tail if len(self._tail) % 2 else b""
        self.quotes += quotes_in(data, self._quote, self._escape)


def quotes_in(data: bytes, quote: bytes, escape: bytes) -> int:
    """Quotes in `data` that are not escaped."""
    if not quote:
        return 0
    if escape and escape in data:
        data = data.replace(escape * 2, b"").replace(escape + quote, b"")
    return data.count(quote)


def newlines(data: bytes) -> int:
    """Ends of lines in `data`, of any system."""
    ends = data.count(b"\n")
    return ends + data.count(b"\r") - data.count(b"\r\n") if b"\r" in data else ends


def _head(text: str, table: CsvTable) -> str:
    """Everything up to the end of the first record, blank lines before it included."""
    end, quotes, started = 0, 0, False
    for line in io.StringIO(text, newline=""):
        end += len(line)
        quotes += quotes_in(line.encode(), table.quote.encode(), table.escape.encode())
        started = started or bool(line.strip())
        if started and quotes % 2 == 0:
            break
    return text[:end]


def _lead(text: str, table: CsvTable) -> re.Match[str] | None:
    """The line that tells the delimiter, where there is one that can be a delimiter."""
    lead = _LEAD.match(text)
    return lead if lead and lead[1] not in (table.quote, table.escape) else None


def _delimiter(head: str, table: CsvTable) -> str:
    signs = [sign for sign in _DELIMITERS if sign not in (table.quote, table.escape)]
    return max(signs, key=lambda sign: len(_fields(head, sign, table)))


def _fields(head: str, delimiter: str, table: CsvTable) -> list[str]:
    csv.field_size_limit(LONGEST_HEADER)
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if table.quote else csv.QUOTE_NONE
    text = io.StringIO(head.lstrip("\r\n"), newline="")
    return next(
        csv.reader(
            text, delimiter=delimiter, quoting=quoting, quotechar=table.quote or None, escapechar=table.escape or None
        )
    )
