"""Parquet files, such as those of data lakes and warehouse exports: typed values, each landed as one exact text.

Only columns that a contract names are read, in batches, so that a file may be larger than memory. Values of structs are
reached by dotted paths, lists of structs become tables of their own, as in JSON files. Pages are held to their
checksums, files with encrypted columns are refused. All files are read: of a table of Delta, Iceberg or Hudi also those
that no longer count, which a warning says; have it exported, or read it by SQL.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as kinds
from pydantic import model_validator

from potable.sources.arrows import is_list, is_number, sizes, texts_of, values_of
from potable.sources.blobs import Blob, Malformed, Original
from potable.sources.cells import Cells, apart
from potable.sources.files import DAMAGE, unreadable
from potable.sources.footers import opened
from potable.sources.inner import require_inside
from potable.sources.jsonrows import SIGNS, Row, below
from potable.sources.jsontext import canonical
from potable.sources.keypaths import dotted, joined, steps
from potable.sources.nested import NestedSource, NestedTable, batch_of
from potable.sources.originals import picked
from potable.sources.places import Place, literal
from potable.sources.typed import typed, untyped

_BATCH_ROWS = 8192
_BATCH_BYTES = 32 << 20
"""Bytes of values that are worked on at once."""
_START, _ENCRYPTED = b"PAR1", b"PARE"
_KEPT_BY = {
    "_delta_log/*.json": "Delta Lake",
    "metadata/*.metadata.json": "Iceberg",
    ".hoodie/hoodie.properties": "Hudi",
}
"""What table formats keep beside their files, to say which of them count."""
_LOGGER = logging.getLogger(__name__)


class ParquetTable(NestedTable):
    """A table in Parquet files.

    Columns are found by their names, values of structs by dotted paths (`address.city`); a list or map is one JSON
    text. Where `records` leads to a list of structs, its elements are the records: `../id` is a value of the row
    around one, `#` its position in the list from 1, `../#` the ordinal of the row in the file, and `@rest` what no
    other column took, as JSON. Timestamps with a time zone are converted to UTC; those without get the declared
    `timezone`. A float that is not a number is the text `nan`; `null_values: [nan]` makes it null. Durations are
    seconds.
    """

    binary_as_string: bool = False
    """Whether bytes are UTF-8 texts, which Impala, Hive and old versions of Spark write without declaring it; by
    default bytes become hexadecimal."""

    @model_validator(mode="after")
    def _inside_of_rows(self) -> Self:
        if not self.records:
            require_inside(self.columns)
        return self

    @property
    def flat(self) -> bool:
        """Whether every row is a record and every path leads into it."""
        odd = (path.startswith((".", "#")) or path == "@rest" for path in self.value_paths)
        return not self.records and not any(odd)


class ParquetSource(NestedSource[ParquetTable]):
    """A folder of Parquet files."""

    fixed_columns: ClassVar[bool] = True

    def _look_around(self, place: Place) -> None:
        """Warn of tables of which not all files count."""
        globs = [pattern for table in self.tables.values() for pattern in table.patterns if pattern]
        folders = dict.fromkeys(["", *("/".join([*literal(tuple(each.split("/"))), ""]) for each in globs)])
        for folder, (log, kind) in product(folders if place.lists else (), _KEPT_BY.items()):
            if place.files(folder + log):
                _LOGGER.warning(
                    "source `%s`: its files are those of a table of %s, among them such as no longer count; all are "
                    "read, so rows that were deleted or changed may come again: have the table exported, or read it "
                    "by SQL",
                    self.source,
                    kind,
                )

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """Typed batches, each of at most 8,192 rows of the file."""
        contract = self.tables[table]
        with _reading(blob) as reading:
            if contract.flat:
                for batch in reading.batches(_roots(contract)):
                    yield typed(
                        contract, _columns(contract, batch), blob.name, first=reading.before + 1, rows=batch.num_rows
                    )
                return
            for rows in _rows(contract, reading):
                odd = [] if "." in contract.value_paths else [row for row in rows if type(row.value) is not dict]
                records = [row for row in rows if type(row.value) is dict] if odd else rows
                if records:
                    yield batch_of(contract, records, blob.name)
                if odd:
                    texts = [canonical(row.value) for row in odd]
                    yield untyped(contract, blob.name, [row.number for row in odd], texts, ["no object"] * len(odd))

    def may_share(self, table: str) -> bool:
        """Where rows are records: each share has whole row groups."""
        return self.tables[table].flat

    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        """The row, or the record inside of one, as JSON."""
        return next(self.records(table, blob, [ordinal])).data

    def records(self, table: str, blob: Blob, ordinals: Iterable[int]) -> Iterator[Original]:
        """The rows of one reading of the file."""
        whole = self.tables[table].model_copy(update={"columns": {}})
        with _reading(blob) as reading:
            rows = (row for some in _rows(whole, reading, everything=True) for row in some)
            for row in picked(rows, ordinals, blob):
                yield Original(canonical(row.value).encode())

    def observe(self, table: str, blob: Blob) -> Set[str] | None:
        """Dotted paths of the values of its rows, as far as no column takes what is around them."""
        contract = self.tables[table]
        declared = dict.fromkeys(contract.paths)
        lists = self.inside(table)
        with _reading(blob) as reading:
            record, outside = _record_type(reading.schema, contract.steps)
            if record is None:
                return None
            there = _leaves(record, "", {*declared, *lists})
            mine = (path for path in there if path in declared or not (path in lists or "@rest" in declared))
            beyond = (path for path in declared if path.startswith((".", "#")) and _is_there(path, record, outside))
            return dict.fromkeys([*mine, *beyond]).keys()

    def children(self, table: str, blob: Blob) -> Mapping[str, Mapping[str, str]]:
        """Paths of lists of structs in its rows that no table has."""
        contract = self.tables[table]
        known = self.inside(table)
        with _reading(blob) as reading:
            record, _ = _record_type(reading.schema, contract.steps)
            lists = [] if record is None else [path for path in _lists(record, "") if path not in known]
        return {path: {"records": dotted([*contract.steps, *steps(path)], SIGNS)} for path in lists}


class _Reading:
    """An open file, and how many of its rows were read."""

    def __init__(self, file: pq.ParquetFile, blob: Blob) -> None:
        self._file, self.blob = file, blob
        self.schema: pa.Schema = file.schema_arrow
        self.before = 0
        """Rows before the batch that was read last."""
        self.done = 0

    def batches(self, roots: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        """The rows, with the columns called `roots` (all by default) as far as there are such."""
        names = self.schema.names if roots is None else [name for name in roots if name in self.schema.names]
        if twice := next((name for name in names if self.schema.names.count(name) > 1), None):
            told = f"two of its columns are called `{twice}`" if roots else "two of its columns have the same name"
            raise unreadable(self.blob, told)
        # a batch without columns would not say how many rows it has
        names = names or self.schema.names[:1]
        for read in self._read(names):
            self._require_valid(read, roots or ())
            for batch in _slices(read):
                self.before, self.done = self.done, self.done + batch.num_rows
                yield batch

    def _read(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        share, groups = self.blob.share, range(self._file.num_row_groups)
        read = partial(self._file.iter_batches, self._rows_at_once(names), columns=names, use_threads=False)
        if share.whole:
            # row groups may be tiny
            yield from read()
            return
        for group in groups:
            if share.has(group):
                yield from read(row_groups=[group])
            else:
                self.done += self._file.metadata.row_group(group).num_rows

    def _require_valid(self, batch: pa.RecordBatch, declared: Sequence[str]) -> None:
        """Refuse values that are none of their type, such as texts that are not UTF-8, in the first of its columns."""
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            try:
                column.validate(full=True)
            except pa.ArrowInvalid:
                of = f" in column `{name}`" if name in declared else ""
                why = f"there are values{of} that are none of their type, such as texts that are not UTF-8"
                raise unreadable(self.blob, why, row=self.done) from None

    def _rows_at_once(self, names: Sequence[str]) -> int:
        """Rows whose values in some columns come to so many bytes that memory is no question, in every row group."""
        most = 0.0
        for group in map(self._file.metadata.row_group, range(self._file.metadata.num_row_groups)):
            columns = map(group.column, range(group.num_columns))
            size = sum(each.total_uncompressed_size for each in columns if each.path_in_schema.startswith((*names,)))
            most = max(most, size / max(group.num_rows, 1))
        return int(min(_BATCH_ROWS, max(1, _BATCH_BYTES // max(most, 1))))


def _slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch in parts that are no larger than one may be, where values that are written once stand in many rows."""
    if not batch.num_rows:
        return
    ends = np.cumsum(sum(map(sizes, batch.columns)))
    first = 0
    while first < batch.num_rows:
        before = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + _BATCH_BYTES, "right")))
        yield batch.slice(first, last - first)
        first = last


@contextmanager
def _reading(blob: Blob) -> Iterator[_Reading]:
    """The file, opened.

    Raises:
        DataError: D007, it is no Parquet file, or damaged.
    """
    reading = None
    try:
        with blob.open() as stream:
            start = stream.read(4)
            if start == _ENCRYPTED:
                raise unreadable(blob, "it is encrypted")
            if start != _START:
                raise unreadable(blob, "it is not a Parquet file")
            with opened(stream) as file:
                reading = _Reading(file, blob)
                yield reading
    except Malformed as failure:
        raise unreadable(blob, failure.why) from None
    except (pa.ArrowException, NotImplementedError, UnicodeDecodeError, *DAMAGE) as failure:
        row = reading.done if reading else None
        raise unreadable(
            blob, f"it is damaged, or of an unsupported kind ({type(failure).__name__})", row=row
        ) from None


def _roots(table: ParquetTable) -> list[str]:
    """Columns of the file that columns of a flat table are found by."""
    return list(dict.fromkeys(steps(path)[0] for path in table.value_paths))


def _columns(table: ParquetTable, batch: pa.RecordBatch) -> dict[str, Cells]:
    """The texts of each column of a flat table that is there."""
    found = {}
    for name, column in table.columns.items():
        arrays = [array for path in column.paths(name) if (array := _at(batch, path)) is not None]
        cells = []
        for array in arrays:
            texts: Cells = texts_of(array, binary_as_string=table.binary_as_string)
            cells.append(apart(texts, pa.repeat(is_number(array.type), len(texts))) if column.decimal == "," else texts)
        if cells:
            found[name] = pc.coalesce(*cells) if len(cells) > 1 else cells[0]
    return found


def _at(batch: pa.RecordBatch, path: str) -> pa.Array | None:
    """The column at a dotted path; None where there is none."""
    first, *rest = steps(path) if path != "@object" else ("",)
    if first not in batch.schema.names:
        return None
    array = batch.column(first)
    for step in rest:
        if not kinds.is_struct(array.type) or array.type.get_field_index(step) < 0:
            return None
        array = pc.struct_field(array, [step])
    return array


def _rows(table: ParquetTable, reading: _Reading, *, everything: bool = False) -> Iterator[list[Row]]:
    """The records of each batch of rows, as in JSON.

    Raises:
        DataError: D007, the file has no such list.
    """
    record, _ = _record_type(reading.schema, table.steps)
    if record is None:
        if table.optional:
            return
        raise unreadable(reading.blob, f"it has no list at `{table.records}`")
    wanted = everything or not {"@rest", "."}.isdisjoint(table.value_paths)
    inner = [path.rpartition("../")[2] for path in table.value_paths]
    roots = [*table.steps[:1], *(steps(path)[0] for path in inner if path not in ("#", "@rest", "."))]
    numbers: Counter[int] = Counter()
    for batch in reading.batches(None if wanted else list(dict.fromkeys(roots))):
        whole = pa.StructArray.from_arrays(batch.columns, names=batch.schema.names)
        values = values_of(whole, binary_as_string=table.binary_as_string)
        yield [row for value in values for row in below(value, table.steps, None, numbers)]


def _record_type(schema: pa.Schema, way: Sequence[str]) -> tuple[pa.DataType | None, list[pa.DataType]]:
    """The type of the records that `way` leads to, None where nothing is there; and of those around them."""
    found: pa.DataType = pa.struct(list(schema))
    record, outside = found, []
    for left, step in zip(reversed(range(len(way))), way, strict=True):
        if not kinds.is_struct(found) or found.get_field_index(step) < 0:
            return None, []
        found = found.field(step).type
        if is_list(found) or not left:
            outside.append(record)
            found = record = found.value_type if is_list(found) else found
    return record, outside


def _is_there(path: str, record: pa.DataType, outside: Sequence[pa.DataType]) -> bool:
    """Whether something stands at a path that does not lead into the record."""
    ups = path.count("../")
    if ups > len(outside):
        return False
    last = path.rpartition("../")[2]
    return last in ("#", ".") or _type_at([*outside, record][-1 - ups], last) is not None


def _type_at(kind: pa.DataType, path: str) -> pa.DataType | None:
    for step in steps(path):
        if not kinds.is_struct(kind) or kind.get_field_index(step) < 0:
            return None
        kind = kind.field(step).type
    return kind


def _leaves(kind: pa.DataType, path: str, ends: Set[str]) -> Iterator[str]:
    """Paths of all values that are no structs, or lie at one of `ends`."""
    if kinds.is_struct(kind) and path not in ends:
        for field in kind:
            yield from _leaves(field.type, joined(path, field.name, SIGNS), ends)
    elif path:
        yield path


def _lists(kind: pa.DataType, path: str) -> Iterator[str]:
    """Paths of lists of structs."""
    for field in kind if kinds.is_struct(kind) else ():
        here = joined(path, field.name, SIGNS)
        if is_list(field.type) and kinds.is_struct(field.type.value_type):
            yield here
        else:
            yield from _lists(field.type, here)
