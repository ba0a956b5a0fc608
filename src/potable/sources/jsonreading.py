"""One object of JSON on its way to typed batches: cut into pieces, read quickly where records look alike.

What a table declares is in `json`; how bytes are cut and what a record means is that of `jsonsplit` and `jsonrows`.

Entry: `Reading`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potable.sources.blobs import Blob, Malformed
from potable.sources.cells import Cells, paths_told, plain, whole
from potable.sources.encodings import UTF16, Utf8, normal
from potable.sources.files import DAMAGE, decompressed, unreadable
from potable.sources.jsonarrow import Found, Kinds
from potable.sources.jsonobjects import decoded, uncollected
from potable.sources.jsonobjects import texts as texts_at
from potable.sources.jsonrows import Row, below, depth_of, ups_of
from potable.sources.jsonsplit import LONGEST, Listless, count, filled, is_lines, lines, pieces
from potable.sources.jsontext import Refused, canonical, decode
from potable.sources.nested import batch_of
from potable.sources.typed import typed_at, untyped
from potable.tables import Column

if TYPE_CHECKING:
    from potable.sources.json import JsonTable

_NEWLINE = ord("\n")
_BOM = b"\xef\xbb\xbf"
_MANY, _SOME = 256, 8
"""Records in a block from which Arrow is quicker, and from which it is quicker to read them all at once."""
_UNREAD = object()
Damaged = tuple[int, str, str]
"""A record that cannot be read: its number, its text, and why."""


@dataclass
class Reading:
    """One object on its way to batches of one table."""

    table: JsonTable
    blob: Blob
    numbers: Counter[int] = field(default_factory=Counter)
    """Records met so far, by how many steps of the path are left at them."""
    kinds: Kinds | None = None

    @property
    def done(self) -> int:
        """Records of the table so far."""
        return self.numbers[0]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Typed batches of all records, or of those of the share that is meant."""
        share = self.blob.share
        for piece, (block, left, strict) in enumerate(self._blocks()):
            # what lies deeper can be counted only by who reads it
            if left and not share.first:
                return
            if not left and not share.has(piece):
                self.numbers[0] += count(block) if isinstance(block, bytes) else len(block)
            elif left or not self._plain:
                yield from self._read(_records(block), left, strict=strict)
            else:
                yield from self._at_once(block, strict=strict)

    def rows(self, damaged: list[Damaged]) -> Iterator[Row]:
        """All records that can be read, one by one; the others go to `damaged`."""
        for block, left, strict in self._blocks():
            for piece, value in _values(_records(block)):
                yield from self._rows(piece, value, left, strict=strict, damaged=damaged)

    def originals(self, ordinals: Iterable[int]) -> Iterator[bytes]:
        """The records with these numbers, which ascend; fewer where there are fewer."""
        numbers = iter(ordinals)
        wanted = next(numbers, None)
        for some, left, strict in self._blocks():
            block = _records(some)
            if wanted is not None and not left and wanted > self.done + len(block):
                self.numbers[0] += len(block)
                continue
            for piece in block:
                if wanted is None:
                    return
                damaged: list[Damaged] = []
                found = self._rows(piece, _UNREAD, left, strict=strict, damaged=damaged)
                rows = {row.number: row.value for row in found}
                texts = {number: text for number, text, _ in damaged}
                while wanted in rows or wanted in texts:
                    inner = whole(canonical(rows[wanted])) if wanted in rows else texts[wanted]
                    yield inner.encode() if left else piece.strip()
                    wanted = next(numbers, None)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Make what goes wrong with the file a refusal that says after which record.

        Raises:
            DataError: D007.
        """
        try:
            yield
        except Malformed as failure:
            raise unreadable(self.blob, failure.why, row=self.done, hint=failure.hint) from None
        except (UnicodeDecodeError, *DAMAGE) as failure:
            why = f"it is damaged, or not in its encoding ({type(failure).__name__})"
            raise unreadable(self.blob, why, row=self.done) from None

    def _blocks(self) -> Iterator[tuple[bytes | list[bytes], tuple[str, ...], bool]]:
        """Lines or pieces of the file, the steps left below them, and whether one that is no JSON ruins the file."""
        steps = self.table.steps
        form = self.table.format
        if form == "lines" or (form == "auto" and is_lines(self._open(), whole=not steps)):
            with self._open() as stream:
                yield from ((block, steps, False) for block in lines(stream))
        elif self._leads_out():
            yield [self._whole()], steps, True
        elif form == "document" or self._has_content():
            with self._open() as stream, self._maybe_listless():
                yield from ((block, steps[taken:], True) for block, taken in pieces(stream, steps))

    @contextmanager
    def _maybe_listless(self) -> Iterator[None]:
        """Let a document have no list where the table says so."""
        try:
            yield
        except Listless:
            if not self.table.optional:
                raise

    def _leads_out(self) -> bool:
        """Whether a column takes a value of the document around the list of records, as the first of them says."""
        ups, steps = max(map(ups_of, self.table.value_paths), default=0), self.table.steps
        if not ups or not steps or not self._has_content():
            return False
        with self._open() as stream, self._maybe_listless():
            for some, taken in pieces(stream, steps):
                depths = (depth_of(piece, steps[taken:]) for piece in some)
                if (depth := next((depth for depth in depths if depth is not None), None)) is not None:
                    # a document that is a list itself has nothing around it
                    return taken > 0 and ups > depth
        return False

    def _whole(self) -> bytes:
        """The document, held in memory."""
        with self._open() as stream:
            data = stream.read(LONGEST + 1)
        if len(data) > LONGEST:
            raise Malformed(
                f"a column's path leads to the document around its records, and that is longer than {LONGEST >> 20} MiB"
            )
        return data

    def _open(self) -> BinaryIO:
        """The content as UTF-8, or what is meant to be."""
        with decompressed(self.blob) as peek:
            start = peek.read(3)
        encoding = "utf-16" if start.startswith(UTF16) else normal(self.table.encoding)
        stream = decompressed(self.blob)
        if encoding != "utf-8-sig":
            return Utf8(stream, encoding)  # type: ignore[return-value]
        if start == _BOM:
            stream.read(3)
        return stream

    def _has_content(self) -> bool:
        with self._open() as stream:
            return any(not chunk.isspace() for chunk in iter(lambda: stream.read(1 << 16), b""))

    @property
    def _plain(self) -> bool:
        """Whether all values wanted lie inside the record."""
        return not any(path.startswith(".") or path in ("@rest", "#") for path in self.table.value_paths)

    def _at_once(self, block: bytes | list[bytes], *, strict: bool) -> Iterator[pa.RecordBatch]:
        """Batches of a block of records that are pieces themselves."""
        joined = block if isinstance(block, bytes) else b"\n".join(block)
        count = int(np.count_nonzero(np.frombuffer(joined, np.uint8) == _NEWLINE)) + 1
        if count >= _MANY and (isinstance(block, bytes) or count == len(block)):
            self.kinds = self.kinds or Kinds(self.table)
            if texts := self.kinds.texts(joined):
                yield self._typed(texts, np.arange(self.done + 1, self.done + 1 + count, dtype=np.int64))
                self.numbers[0] += count
                return
        pieces = _records(block)
        alike, odd = self._all(pieces)
        first = self.done
        if len(odd) < len(pieces):
            numbers = np.arange(first + 1, first + 1 + len(pieces), dtype=np.int64)
            yield self._typed(alike, np.delete(numbers, odd))
        if odd:
            before = [first + number for number in odd]
            yield from self._read([pieces[number] for number in odd], (), strict=strict, before=before)
        self.numbers[0] = first + len(pieces)

    def _all(self, pieces: list[bytes]) -> tuple[Found, list[int]]:
        """The texts of all records but those that are to be read one by one."""
        if len(pieces) < _SOME:
            return {}, list(range(len(pieces)))
        with uncollected():
            values, odd = decoded(pieces)
            records = [value for value in values if type(value) is dict]
            if len(records) + len(odd) < len(pieces):
                odd = [number for number, value in enumerate(values) if type(value) is not dict]
            return texts_at(records, self.table.value_paths, paths_told(self.table)), odd

    def _typed(self, texts: Found, numbers: np.ndarray) -> pa.RecordBatch:
        """The batch of records with these texts at their paths."""
        columns = {
            name: pc.coalesce(*found) if len(found) > 1 else found[0]
            for name, column in self.table.columns.items()
            if (found := [_as_told(column, texts[path]) for path in column.paths(name) if path in texts])
        }
        return typed_at(self.table, columns, self.blob.name, pa.array(numbers))

    def _read(
        self, block: Sequence[bytes], left: tuple[str, ...], *, strict: bool, before: Sequence[int] = ()
    ) -> Iterator[pa.RecordBatch]:
        """Batches of records read one by one; `before` numbers what stands before each, if they are not in a row."""
        rows: list[Row] = []
        damaged: list[Damaged] = []
        for index, (piece, value) in enumerate(_values(block, alone=bool(before))):
            if before:
                self.numbers[0] = before[index]
            rows += self._rows(piece, value, left, strict=strict, damaged=damaged)
        if rows:
            yield batch_of(self.table, rows, self.blob.name)
        yield from untyped_of(self.table, self.blob, damaged)

    def _rows(
        self, piece: bytes, value: Any, left: tuple[str, ...], *, strict: bool, damaged: list[Damaged]
    ) -> Iterator[Row]:
        """The records in a piece, whose value may be `_UNREAD`; those that cannot be read go to `damaged`."""
        try:
            value = decode(piece) if value is _UNREAD else value
        except ValueError as failure:
            if strict and not isinstance(failure, Refused):
                raise Malformed("not well-formed JSON") from None
            self.numbers.update(range(len(left) + 1))
            damaged.append((self.done, piece.decode("utf-8", "backslashreplace"), self.table.why(failure)))
            return
        for row in below(value, left, None, self.numbers):
            if type(row.value) is dict or "." in self.table.value_paths:
                yield row
            else:
                damaged.append((row.number, whole(canonical(row.value)), "no object"))


def _as_told(column: Column, cells: Cells) -> Cells:
    """What stands at a path, told apart only for a column that wants it; others may have the path in common with it."""
    return cells if column.decimal == "," else plain(cells)


def _records(block: bytes | list[bytes]) -> list[bytes]:
    """The records of a block, or what holds them."""
    return filled(block) if isinstance(block, bytes) else block


def _values(pieces: Sequence[bytes], *, alone: bool = False) -> Iterator[tuple[bytes, Any]]:
    """The pieces with their values; `_UNREAD` where these are to be read `alone`, or must be."""
    if alone or len(pieces) < _SOME:
        yield from ((piece, _UNREAD) for piece in pieces)
        return
    values, odd = decoded(pieces)
    for number in odd:
        values[number] = _UNREAD
    yield from zip(pieces, values, strict=True)


def untyped_of(table: JsonTable, blob: Blob, damaged: Sequence[Damaged]) -> Iterator[pa.RecordBatch]:
    """Rows of what cannot be read."""
    if damaged:
        yield untyped(table, blob.name, *zip(*damaged, strict=True))
