"""JSON files: a record per line, a list inside a document, lists inside records.

`records` is the dotted path to the records; lists on the way are flattened, so a list inside a record becomes a table
of its own, whose rows can take values of the surrounding record (`../id`) or of the surrounding document, which is
then read as a whole (up to 16 MiB). Numbers are kept as the text that was written. If a line cannot be parsed, only
this line is quarantined; a document is cut into records without being parsed, so it may be larger than memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice, tee
from typing import Literal

import pyarrow as pa
from pydantic import field_validator

from potable.sources.blobs import Blob, Malformed, Original
from potable.sources.encodings import normal
from potable.sources.files import DAMAGE
from potable.sources.inner import lists_in, seen
from potable.sources.jsonreading import Damaged, Reading, untyped_of
from potable.sources.jsonrows import SIGNS, Row
from potable.sources.jsontext import Refused
from potable.sources.keypaths import dotted, steps
from potable.sources.nested import NestedSource, NestedTable, batch_of
from potable.sources.originals import missing

_FIRST_RECORDS = 100
_SMALL = 64 << 10
_BATCH_ROWS = 8192


class JsonTable(NestedTable):
    """A table in JSON files.

    Paths of columns are dotted (`user.email`); a key that has a dot or a slash itself, or begins a path with `@` or
    `#`, must be in quotes (`user."e.mail"`, `"@id"`). `../id` is a value of the surrounding record, one list further
    out; `#` is a record's position in its list, from 1, and `../#` the ordinal of the record around it in the file;
    `.` is the record itself, if it is not an object; `@rest` is everything that no other column took, as JSON.
    """

    format: Literal["auto", "lines", "document"] = "auto"
    """Whether each line is a JSON value (NDJSON) or the whole file is one; `auto` decides by the first line."""
    encoding: str = "utf-8"
    """Encoding of files without a byte order mark."""

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            return normal(value)
        except LookupError:
            raise ValueError("unknown encoding; examples: utf-8, cp1252, utf-16") from None

    def why(self, failure: ValueError) -> str:
        """Why a record cannot be read; a key is named only where a column is declared by it."""
        if not isinstance(failure, Refused):
            return "not UTF-8" if isinstance(failure, UnicodeDecodeError) else "not well-formed JSON"
        known = {key for path in self.value_paths for key in steps(path.rpartition("../")[2])}
        named = failure.key in known and not {",", ";"} & set(failure.key or "")
        return f"the key `{failure.key}` twice" if named else failure.why


class JsonSource(NestedSource[JsonTable]):
    """A folder of JSON files."""

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """Typed batches; lines that cannot be read come with their text only."""
        reading = Reading(self.tables[table], blob)
        with reading.refusing():
            yield from reading.batches()

    def may_share(self, table: str) -> bool:
        """Unless the records are inside of lines."""
        return not self.tables[table].steps or self.tables[table].format != "lines"

    def parse_all(self, table: str, blobs: Iterable[Blob]) -> Iterator[pa.RecordBatch]:
        """Typed batches of several files; the records of small ones share batches."""
        contract = self.tables[table]
        rows: list[Row] = []
        names: list[str] = []
        small: list[Blob] = []
        for blob in blobs:
            if blob.bytes > _SMALL:
                yield from self.parse(table, blob)
                continue
            reading = Reading(contract, blob)
            damaged: list[Damaged] = []
            with reading.refusing():
                rows += reading.rows(damaged)
            names += [blob.name] * (len(rows) - len(names))
            small.append(blob)
            yield from untyped_of(contract, blob, damaged)
            if len(rows) >= _BATCH_ROWS:
                yield self._together(table, small, rows, names)
                rows, names, small = [], [], []
        if rows:
            yield self._together(table, small, rows, names)

    def _together(self, table: str, blobs: Sequence[Blob], rows: Sequence[Row], names: Sequence[str]) -> pa.RecordBatch:
        """The batch of all records of some files, by the file of each."""
        try:
            return batch_of(self.tables[table], rows, pa.array(names, pa.string()))
        except Malformed:
            # which of them it is tells its own parsing
            for blob in blobs:
                deque(self.parse(table, blob), maxlen=0)
            raise

    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        """The record as its file has it, in UTF-8; one that lies in a line or list of others as canonical JSON."""
        return next(self.records(table, blob, [ordinal])).data

    def records(self, table: str, blob: Blob, ordinals: Iterable[int]) -> Iterator[Original]:
        """The records of one reading of the file."""
        reading = Reading(self.tables[table], blob)
        asked, wanted = tee(ordinals)
        with reading.refusing():
            for found, _ in zip(reading.originals(asked), wanted, strict=False):
                yield Original(found)
        if (left := next(wanted, None)) is not None:
            raise missing(blob, left)

    def observe(self, table: str, blob: Blob) -> Set[str] | None:
        """Dotted paths of all values in the first records, as far as no column takes what is around them."""
        rows = self._first(table, blob)
        try:
            return seen(self.tables[table], rows, self.inside(table)).keys() if rows else None
        except Malformed:
            # a path leads out of the records, which parsing refuses
            return None

    def children(self, table: str, blob: Blob) -> Mapping[str, Mapping[str, str]]:
        """Paths at which the first records have nothing but lists of objects, where no table has these."""
        lists = lists_in([row.value for row in self._first(table, blob)], self.inside(table))
        return {path: {"records": dotted([*self.tables[table].steps, *steps(path)], SIGNS)} for path in lists}

    def _first(self, table: str, blob: Blob) -> list[Row]:
        """The first records of an object; none where they cannot be read."""
        try:
            return list(islice(Reading(self.tables[table], blob).rows([]), _FIRST_RECORDS))
        except (Malformed, UnicodeDecodeError, *DAMAGE):
            return []
