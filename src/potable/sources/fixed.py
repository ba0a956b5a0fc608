"""Fixed-width files: every field at a fixed position of a line, or of a record of fixed length without newlines.

Places and lengths count characters, whatever the encoding; mainframe code pages (cp037, cp500) are encodings like
others. In a record of another length the fields have moved, so it is quarantined with its text. Packed decimals
(COMP-3) are bytes, not characters, and cannot be read.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Set
from itertools import accumulate
from typing import ClassVar, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator, model_validator

from potable.declarations import Declaration
from potable.sources.blobs import Blob, Original
from potable.sources.dialect import encoding_of
from potable.sources.encodings import Utf8, as_written, declared, readable
from potable.sources.files import DAMAGE, FileSource, FileTable, decompressed, unreadable
from potable.sources.originals import picked
from potable.sources.typed import typed_at, typed_spared, untyped

_BLOCK = 2 << 20
"""Bytes or characters read at once, and the most a record may have."""


class Place(Declaration):
    """Where a field stands in a record."""

    start: int = Field(ge=1)
    """Its first character, counted from 1."""
    length: int = Field(ge=1)
    """Its characters."""


class FixedTable(FileTable):
    """A table in fixed-width files."""

    fields: dict[str, Place] = Field(default_factory=dict)
    """Fields by name, each with `start` and `length`; columns refer to them by `path`. Alternative: `widths`."""
    widths: dict[str, int] = Field(default_factory=dict)
    """Consecutive fields by name, with their lengths. Alternative: `fields`."""
    length: int | None = Field(default=None, ge=1)
    """Characters of a record; up to the end of the last field by default."""
    newlines: bool = True
    """Whether each record is a line; if not, records follow each other without newlines."""
    trimmed: bool = False
    """Whether spaces at the end of a line may be missing."""
    skip_lines: int = Field(default=0, ge=0)
    """Number of lines (or records) to skip at the start."""
    encoding: str = "auto"
    """Encoding, such as cp1252 or cp037; `auto` is UTF-8, UTF-16 by its byte order mark, or else Windows-1252."""

    _known_encoding = field_validator("encoding")(declared)

    @model_validator(mode="after")
    def _one_layout(self) -> Self:
        if bool(self.fields) == bool(self.widths):
            raise ValueError("give either `fields` or `widths`")
        if any(width < 1 for width in self.widths.values()):
            raise ValueError("a width must be at least 1")
        end = max(place.start + place.length - 1 for place in self.places.values())
        if end > self.record_length or self.record_length > _BLOCK:
            raise ValueError(f"`length` must be at least {end}, where the last field ends, and at most {_BLOCK}")
        if self.trimmed and not self.newlines:
            raise ValueError("`trimmed` is only for lines")
        for name, column in self.columns.items():
            if unknown := set(column.paths(name)) - {*self.places, "@object"}:
                raise ValueError(f"column `{name}`: `{min(unknown)}` is not one of {', '.join(self.places)}")
        return self

    @property
    def places(self) -> dict[str, Place]:
        """Where every field stands."""
        ends = accumulate(self.widths.values())
        found = {
            name: Place(start=end - width + 1, length=width)
            for (name, width), end in zip(self.widths.items(), ends, strict=True)
        }
        return dict(self.fields) or found

    @property
    def record_length(self) -> int:
        """Characters of a record."""
        return self.length or max(place.start + place.length - 1 for place in self.places.values())


class FixedSource(FileSource[FixedTable]):
    """A folder of fixed-width files."""

    any_path: ClassVar[str] = "@object"

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """Typed batches; records of another length come with their text only."""
        contract = self.tables[table]
        encoding = encoding_of(contract.encoding, blob)
        for piece, block in enumerate(_records(contract, blob, encoding)):
            if blob.share.has(piece):
                yield from _batches(contract, blob, block, encoding)

    def may_share(self, table: str) -> bool:
        """Yes."""
        return True

    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        """The record, in the file's own encoding and without the newline behind it."""
        return next(self.records(table, blob, [ordinal])).data

    def records(self, table: str, blob: Blob, ordinals: Iterable[int]) -> Iterator[Original]:
        """The records and the lines they are, of one reading of the file."""
        contract = self.tables[table]
        encoding = encoding_of(contract.encoding, blob)
        with decompressed(blob) as stream:
            start = stream.read(2)
        blocks = _records(contract, blob, encoding)
        found = (pair for block in blocks for pair in zip(block.records, block.lines, strict=True))
        for text, line in picked(found, ordinals, blob):
            place = int(line) if contract.newlines else None
            yield Original(as_written(text.as_py().encode(), encoding, start), place)

    def names(self, table: str, blob: Blob) -> Set[str] | None:
        """The fields that are declared."""
        return self.tables[table].places.keys()

    def dialect(self, table: str, blob: Blob) -> frozenset[str]:
        """The encoding that was found."""
        if self.tables[table].encoding != "auto":
            return frozenset()
        encoding = encoding_of("auto", blob)
        return frozenset() if encoding == "ascii" else frozenset({f"encoding {encoding.removesuffix('-sig')}"})


class _Block(NamedTuple):
    """Records that follow one another."""

    first: int
    """Ordinal of the first."""
    records: pa.StringArray
    lines: np.ndarray
    """The line that each is."""
    odd: bool
    """Whether there may be bytes in them that are not of the encoding."""


def _records(table: FixedTable, blob: Blob, encoding: str) -> Iterator[_Block]:
    """All records of a file, block by block.

    Raises:
        DataError: D007, the file is damaged or not in its encoding, or has a line longer than any.
    """
    done, skip, read = 0, table.skip_lines, 0
    try:
        with Utf8(decompressed(blob), encoding, spared=True) as stream:
            for records in _lines(stream) if table.newlines else _pieces(stream, table.record_length):
                lines = np.arange(read + 1, read + len(records) + 1)[skip:]
                kept, skip, read = records.slice(skip), max(0, skip - len(records)), read + len(records)
                if table.newlines:
                    filled = pc.not_equal(kept, "")
                    kept, lines = kept.filter(filled), lines[filled.to_numpy(zero_copy_only=False)]
                yield _Block(done + 1, kept, lines, stream.odd)
                done += len(kept)
    except (pa.ArrowInvalid, UnicodeDecodeError, *DAMAGE) as failure:
        why = f"it is damaged, or not in its encoding ({type(failure).__name__})"
        raise unreadable(blob, why, row=done) from None
    except OverflowError:
        raise unreadable(blob, f"a line is longer than {_BLOCK >> 20} MiB", row=done) from None


def _lines(stream: Utf8) -> Iterator[pa.StringArray]:
    """Blocks of lines without their ends, empty ones among them.

    Raises:
        OverflowError: a line is longer than a record may be.
    """
    left = b""
    while chunk := stream.read(_BLOCK):
        held = left + chunk
        end = held.rfind(b"\n") + 1
        held, left = held[:end], held[end:]
        # no other line is longer than what was read
        if max(len(left), held.find(b"\n")) > _BLOCK:
            raise OverflowError
        if held:
            yield _split(held)
    if left:
        yield _split(left + b"\n")


def _split(held: bytes) -> pa.StringArray:
    ends = np.flatnonzero(np.frombuffer(held, dtype=np.uint8) == ord("\n")) + 1
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    lines = pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(held))
    return pc.replace_substring_regex(lines, r"\r?\n\z", "")


def _pieces(stream: Utf8, length: int) -> Iterator[pa.StringArray]:
    """Blocks of records of `length` characters; the last may be shorter."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    left = ""
    while True:
        chunk = stream.read(_BLOCK)
        held = left + decoder.decode(chunk, final=not chunk)
        end = len(held) - len(held) % length if chunk else len(held)
        left = held[end:]
        if end:
            yield pa.array([held[at : at + length] for at in range(0, end, length)], pa.string())
        if not chunk:
            return


def _batches(table: FixedTable, blob: Blob, block: _Block, encoding: str) -> Iterator[pa.RecordBatch]:
    """The records as typed rows; those of another length with their text only."""
    records = block.records
    ordinals = pa.array(np.arange(block.first, block.first + len(records), dtype=np.int64))
    lengths = pc.utf8_length(records)
    right = pc.equal(lengths, table.record_length)
    if table.trimmed:
        right = pc.less_equal(lengths, table.record_length)
    good = records.filter(right)
    if len(good):
        places = table.places
        texts = {
            name: pc.coalesce(*(_field(good, places[path]) for path in column.paths(name) if path in places))
            for name, column in table.columns.items()
            if set(column.paths(name)) & set(places)
        }
        stand = ordinals.filter(right)
        yield (
            typed_spared(table, texts, blob.name, stand, encoding)
            if block.odd
            else typed_at(table, texts, blob.name, stand)
        )
    if len(good) < len(records):
        wrong = pc.invert(right)
        places, lost = ordinals.filter(wrong).to_pylist(), [*map(readable, records.filter(wrong).to_pylist())]
        reasons = [f"{len(text)} characters instead of {table.record_length}" for text in lost]
        yield untyped(table, blob.name, places, lost, reasons)


def _field(records: pa.StringArray, place: Place) -> pa.StringArray:
    text = pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(records, place.start - 1, place.start - 1 + place.length))
    # blanks are nothing, so that another field may give the value
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
