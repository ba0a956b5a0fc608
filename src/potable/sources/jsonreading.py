"""One object of JSON on its way to typed batches: cut into pieces, read quickly where records look alike.

What a table declares is in `json`; how bytes are cut and what a record means is that of `jsonsplit` and `jsonrows`.

Entry: `Reading`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potable.sources.base import Blob, Malformed
from potable.sources.cells import Cells, paths_told, plain, whole
from potable.sources.encodings import UTF16, Utf8, normal
from potable.sources.files import DAMAGE, decompressed, unreadable
from potable.sources.jsonquick import Quick
from potable.sources.jsonrows import Row, below, depth_of, ups_of
from potable.sources.jsonshape import Shape, Unlike
from potable.sources.jsonsplit import LONGEST, Listless, filled, is_lines, lines, pieces
from potable.sources.jsontext import Refused, canonical, decode
from potable.sources.nested import batch_of
from potable.sources.typed import typed_at, untyped
from potable.tables import Column

if TYPE_CHECKING:
    from potable.sources.json import JsonTable

_BOM = b"\xef\xbb\xbf"
_SAMPLE = 64
_WORTH_A_SHAPE = 256
"""Records in a block from which the fast way is quicker."""
_MOST_SHAPES = 6
Damaged = tuple[int, str, str]
"""A record that cannot be read: its number, its text, and why."""


@dataclass
class Reading:
    """One object on its way to batches of one table."""

    table: JsonTable
    blob: Blob
    numbers: Counter[int] = field(default_factory=Counter)
    """Records met so far, by how many steps of the path are left at them."""
    samples: list[Any] = field(default_factory=list)
    shape: Shape | None = None
    shapes: int = 0
    quick: Quick | None = None

    @property
    def done(self) -> int:
        """Records of the table so far."""
        return self.numbers[0]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Typed batches of all records."""
        for block, left, strict in self._blocks():
            if not left and self._plain and (quick := self._at_once(block, strict=strict)):
                yield from quick
                continue
            records = _records(block)
            if left or not self._plain or len(records) < _WORTH_A_SHAPE:
                yield from self._read(records, left, strict=strict)
            else:
                yield from self._quickly(records, strict=strict)

    def rows(self, damaged: list[Damaged]) -> Iterator[Row]:
        """All records that can be read, one by one; the others go to `damaged`."""
        for block, left, strict in self._blocks():
            for piece in _records(block):
                yield from self._rows(piece, left, strict=strict, damaged=damaged)

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
                rows = {row.number: row.value for row in self._rows(piece, left, strict=strict, damaged=damaged)}
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
        """Whether a column takes a value of the document around the list that holds its records."""
        ups, steps = max(map(ups_of, self.table.value_paths), default=0), self.table.steps
        if not ups or not steps or not self._has_content():
            return False
        with self._open() as stream, self._maybe_listless():
            for some, taken in pieces(stream, steps):
                depths = [depth for piece in some if (depth := depth_of(piece, steps[taken:])) is not None]
                if depths:
                    # a document that is a list itself has nothing around it
                    return taken > 0 and ups > max(depths)
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

    def _at_once(self, block: bytes | list[bytes], *, strict: bool) -> Iterator[pa.RecordBatch] | None:
        """The batches of a block of flat records; None where it is not sure to be one, or not worth while."""
        joined = block if isinstance(block, bytes) else b"\n".join(block)
        count = joined.count(b"\n") + 1
        if count < _WORTH_A_SHAPE or (isinstance(block, list) and count != len(block)):
            return None
        self.quick = self.quick or Quick(self.table.value_paths, paths_told(self.table))
        found = self.quick.texts(joined, count)
        return found and self._with(found[0], block, count, found[1], strict=strict)

    def _typed(self, texts: Mapping[str, Cells], numbers: np.ndarray) -> pa.RecordBatch:
        """The batch of records with these texts at their paths."""
        columns = {
            name: pc.coalesce(*found) if len(found) > 1 else found[0]
            for name, column in self.table.columns.items()
            if (found := [_as_told(column, texts[path]) for path in column.paths(name) if path in texts])
        }
        return typed_at(self.table, columns, self.blob.name, pa.array(numbers))

    def _quickly(self, block: list[bytes], *, strict: bool) -> Iterator[pa.RecordBatch]:
        """Batches of records that are pieces themselves, most of which look alike."""
        if self.shape is None:
            self._learn(block)
        try:
            if self.shape is None:
                raise Unlike
            texts, unlike = self.shape.texts(b"\n".join(block), block)
        except Unlike:
            texts, unlike = {}, list(range(len(block)))
        if 8 * len(unlike) > len(block):
            self._learn([block[index] for index in unlike])
        yield from self._with(texts, block, len(block), unlike, strict=strict)

    def _with(
        self, texts: Mapping[str, Cells], block: bytes | list[bytes], count: int, unlike: list[int], *, strict: bool
    ) -> Iterator[pa.RecordBatch]:
        """Batches of the records of a block, of which all but those that are unlike have these texts."""
        first = self.done
        alike = np.delete(np.arange(first + 1, first + 1 + count, dtype=np.int64), unlike)
        if len(alike):
            yield self._typed(texts, alike)
        if unlike:
            pieces = block.split(b"\n") if isinstance(block, bytes) else block
            numbers = [first + index for index in unlike]
            yield from self._read([pieces[index] for index in unlike], (), strict=strict, before=numbers)
        self.numbers[0] = first + count

    def _learn(self, block: Sequence[bytes]) -> None:
        """Look at some records for the shape of all."""
        if self.shapes >= _MOST_SHAPES:
            return
        self.shapes += 1
        for piece in block[:_SAMPLE]:
            try:
                self.samples.append(decode(piece))
            except ValueError:
                continue
        self.shape = Shape.of(self.samples, self.table.value_paths, paths_told(self.table))

    def _read(
        self, block: Sequence[bytes], left: tuple[str, ...], *, strict: bool, before: Sequence[int] = ()
    ) -> Iterator[pa.RecordBatch]:
        """Batches of records read one by one; `before` numbers what stands before each, if they are not in a row."""
        rows: list[Row] = []
        damaged: list[Damaged] = []
        for index, piece in enumerate(block):
            if before:
                self.numbers[0] = before[index]
            rows += self._rows(piece, left, strict=strict, damaged=damaged)
        if rows:
            yield batch_of(self.table, rows, self.blob.name)
        yield from untyped_of(self.table, self.blob, damaged)

    def _rows(self, piece: bytes, left: tuple[str, ...], *, strict: bool, damaged: list[Damaged]) -> Iterator[Row]:
        """The records in a piece; those that cannot be read go to `damaged`."""
        try:
            value = decode(piece)
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


def untyped_of(table: JsonTable, blob: Blob, damaged: Sequence[Damaged]) -> Iterator[pa.RecordBatch]:
    """Rows of what cannot be read."""
    if damaged:
        yield untyped(table, blob.name, *zip(*damaged, strict=True))
