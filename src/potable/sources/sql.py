"""SQL databases, read-only and as one consistent snapshot, landed as text columns in Parquet chunks.

Rows have no bytes of their own, so what is landed is every value in its canonical text form, ordered by
a key or by all columns: the same rows of a database give the same bytes and hash. How each kind of database
is reached and what its types become is in `databases/`; large tables may be read in parts.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import ClassVar, Self

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, model_validator

from potable.declarations import Declaration
from potable.errors import EnvironmentFailure, did_you_mean
from potable.sources.base import Source
from potable.sources.blobs import Blob, Original
from potable.sources.cells import paths_told, plain
from potable.sources.databases.base import Found, Origin, Select, Session
from potable.sources.databases.chunks import chunks, content, parquet, side_by_side
from potable.sources.databases.connect import connected
from potable.sources.files import unreadable
from potable.sources.landed import Arrival, Made
from potable.sources.moments import moments
from potable.sources.onwards import IncrementalTable, Reading, State, no_keys
from potable.sources.originals import picked
from potable.sources.typed import clean, typed

CHUNK_ROWS = 50_000
_BATCH_ROWS = 16_384
_READ_AT_ONCE = 1024


class Partition(Declaration):
    """How a large table is read in parts, side by side where the database lets connections share a snapshot."""

    column: str
    """Column of the contract by whose ranges the table is divided; best one with an index."""
    parts: int = Field(ge=2, le=99)
    """Number of parts, of about equally many rows; each is read over its own connection."""


class SqlTable(IncrementalTable):
    """A table or query of a database."""

    table: str | None = None
    """Name in the database; the contract's own name by default."""
    query: str | None = None
    """A SELECT instead of a table."""
    order_by: list[str] = Field(default_factory=list)
    """Columns that put the rows into a fixed order; by default those of `unique`, then all others unless the database
    has a key of columns of `unique`. Without `unique` it is the database's key, or all columns."""
    partition: Partition | None = None
    """Read a large table in parts; whole by default."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.table and self.query:
            raise ValueError("give either `table` or `query`")
        return self

    @model_validator(mode="after")
    def _has_ranges(self) -> Self:
        column = self.columns.get(self.partition.column) if self.partition else None
        if self.partition and (column is None or column.type in ("boolean", "float")):
            raise ValueError(
                "`partition` needs as `column` one of this table's columns that can be ordered, not a float or boolean"
            )
        return self


class SqlSource(Source[SqlTable]):
    """A database, by URL: `sqlite:///path`, `postgresql://host/database`, `mysql://host/database`."""

    url: str = Field(repr=False)
    """URL of the database; take it from a reference."""

    for_landing: ClassVar[frozenset[str]] = frozenset(("url",))
    snapshot: ClassVar[bool] = True
    names_objects: ClassVar[bool] = True
    fixed_columns: ClassVar[bool] = True

    def arrivals(self, base: Path, state: State | None = None) -> Iterator[Arrival]:
        """The rows of every table, in chunks, from one snapshot: all, or those recorded since the last time."""
        state = state or State()
        origins = {name: _origin(name, table) for name, table in self.tables.items()}
        with connected(self.source, self.url, base, list(origins.values())) as session:
            for name, table in self.tables.items():
                found = self._columns(session, origins[name])
                select = Select(origins[name], found, order=self._order(session, found, name), told=paths_told(table))
                fresh = None
                if table.incremental:
                    column = self._path(table.incremental.column, select, "`incremental` uses")
                    reading = Reading(table.incremental, _known_as(origins[name]), state.before.get(name))
                    fresh = _Fresh(self.source, table, column.name, reading)
                    if reading.since:
                        at = session.column(column.name)
                        select = replace(select, where=(f"{at} >= '{reading.since}' OR {at} IS NULL",))
                label = f"{name}-{state.batch:06d}" if fresh and fresh.resumed else name
                yield from self._read(session, select, label, fresh)
                if fresh and fresh.reading.keys_due:
                    yield from self._keys(session, select, f"{label}-keys")
                if fresh and (after := fresh.reading.state()):
                    state.after[name] = after

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """Typed batches of one chunk."""
        contract = self.tables[table]
        first = 1
        for batch in _batches(blob):
            texts = {}
            for name, column in contract.columns.items():
                path = next((path for path in column.paths(name) if path in batch.schema.names), None)
                if path is not None:
                    texts[name] = batch.column(path)
            yield typed(contract, texts, blob.name, first=first, rows=batch.num_rows)
            first += batch.num_rows

    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        """The row as JSON, every value in its canonical text."""
        return next(self.records(table, blob, [ordinal])).data

    def records(self, table: str, blob: Blob, ordinals: Iterable[int]) -> Iterator[Original]:
        """The rows of one reading of the object."""
        rows = (batch.slice(number, 1) for batch in _batches(blob) for number in range(batch.num_rows))
        for row in picked(rows, ordinals, blob):
            cells = {name: plain(row.column(name))[0].as_py() for name in row.schema.names}
            yield Original(json.dumps(cells, ensure_ascii=False).encode())

    def observe(self, table: str, blob: Blob) -> Set[str] | None:
        """The columns the table had when it was landed."""
        return dict.fromkeys(_landed(blob).schema_arrow.names).keys()

    def promised(self, table: str, base: Path) -> Mapping[str, Sequence[str]]:
        """Which columns of a table are never null, and which begin an index."""
        origin = _origin(table, self.tables[table])
        if origin.query:
            return {}
        with connected(self.source, self.url, base, [origin]) as session:
            return session.promised(origin)

    def _columns(self, session: Session, origin: Origin) -> list[Found]:
        """The columns; each once, or values could not be told apart."""
        found = session.columns(origin)
        names = [column.name for column in found]
        if twice := [name for name in names if names.count(name) > 1]:
            raise EnvironmentFailure(
                f"source `{self.source}`: the query of `{origin.name}` returns two columns called `{twice[0]}`",
                "E007",
                hint="rename one of them with AS",
            )
        return found

    def _read(self, session: Session, select: Select, label: str, fresh: _Fresh | None) -> Iterator[Arrival]:
        """The chunks of a table; of parts that are read side by side one after the other in turn."""
        parts = self._parts(session, select)
        with ExitStack() as stack:
            others = [session.beside() for _ in parts[1:]]
            sessions = [session, *(stack.enter_context(other) if other else session for other in others)]
            labels = [f"{label}-p{number:02d}" for number in range(1, len(parts) + 1)] if others else [label]
            streams = [_arrivals(*each, fresh) for each in zip(sessions, parts, labels, strict=True)]
            for group in [streams] if all(others) else [[stream] for stream in streams]:
                yield from side_by_side(group, lambda: [each.cancel() for each in sessions])

    def _keys(self, session: Session, select: Select, label: str) -> Iterator[Arrival]:
        """The keys of all rows, in chunks."""
        name = select.origin.name
        columns = [self._path(key, select, "is part of its key") for key in self.tables[name].unique]
        order = tuple(session.column(column.name) for column in columns)

        def counted(name: str, chunk: pa.Table) -> pa.Table:
            # a table without rows comes as one empty chunk
            if not chunk.num_rows:
                raise no_keys(self.source, name)
            return chunk

        keys = Select(select.origin, columns, order=order, told=select.told)
        for arrival in _arrivals(session, keys, label, counted):
            yield replace(arrival, tables=(), keys_of=name)

    def _parts(self, session: Session, select: Select) -> list[Select]:
        """The ranges of the partition's column, each as a selection of its own; what is null is in the first."""
        partition = self.tables[select.origin.name].partition
        if partition is None:
            return [select]
        column = self._path(partition.column, select, "`partition` uses")
        bounds = _bounds(session, select, column, partition.parts)
        at = session.column(column.name)
        conditions = [
            " AND ".join(([f"{at} >= {low}"] if low else []) + ([f"{at} < {high}"] if high else []))
            for low, high in zip([None, *bounds], [*bounds, None], strict=True)
        ]
        if bounds:
            conditions[0] += f" OR {at} IS NULL"
        return [replace(select, where=(*select.where, *filter(None, [condition]))) for condition in conditions]

    def _path(self, column: str, select: Select, use: str) -> Found:
        """The database's column behind one of the contract."""
        paths = self.tables[select.origin.name].columns[column].paths(column)
        by_name = {found.name: found for found in select.columns}
        if path := next((path for path in paths if path in by_name), None):
            return by_name[path]
        raise EnvironmentFailure(
            f"source `{self.source}`: `{select.origin.name}` has no column `{column}`, which {use}",
            "E007",
            hint=did_you_mean(column, by_name),
        )

    def _order(self, session: Session, found: Sequence[Found], name: str) -> tuple[str, ...]:
        """What gives every row a place that does not depend on where it lies."""
        table, names = self.tables[name], [column.name for column in found]
        for column in table.order_by:
            # SQLite would take an unknown name for a text
            if column not in names:
                raise EnvironmentFailure(
                    f"source `{self.source}`: `{name}` has no column `{column}` to order by",
                    "E007",
                    hint=did_you_mean(column, names),
                )
        if table.order_by:
            return tuple(map(session.column, table.order_by))
        declared = [path for key in table.unique for path in table.columns[key].paths(key) if path in names]
        known = [] if table.query else session.key(_origin(name, table))
        keys = declared or known
        # a database need sort nothing by its own key, and to sort whole rows takes longer than to read them
        whole = not known or not set(known) <= set(keys)
        # as text, for some types have no order
        others = [session.sortable(column) for column in names if column not in keys] if whole else []
        return (*map(session.column, keys), *others)


class _Fresh:
    """What of the chunks of a table was not landed before; asked by several threads where parts are read."""

    def __init__(self, source: str, table: SqlTable, path: str, reading: Reading) -> None:
        self._source, self._table, self._path = source, table, path
        self.reading = reading
        self._lock = Lock()

    @property
    def resumed(self) -> bool:
        """Whether only what is new is read."""
        return bool(self.reading.since)

    def __call__(self, name: str, chunk: pa.Table) -> pa.Table:
        """The new rows of a chunk."""
        assert self._table.incremental
        column = self._table.incremental.column
        texts = clean(self._table.columns[column], chunk.column(self._path).combine_chunks())
        # the database compares texts as texts, so no form but ISO 8601 will do
        times = moments(texts, (), pa.timestamp("us"))
        if times.null_count > texts.null_count:
            raise EnvironmentFailure(
                f"source `{self._source}`: `{column}` of `{name}` cannot be used for `incremental`: not every value "
                "is a date or time",
                "E007",
                allowed="dates and timestamps, or texts with them in ISO 8601",
                hint="remove `incremental`, so that every run reads the whole table",
            )
        with self._lock:
            new = self.reading.new(times, _Contents(chunk))
        return chunk if len(new) == len(chunk) else chunk.take(pa.array(new, pa.int64()))


class _Contents:
    """What rows of a chunk say, by number; rows that are asked for one after the other are read many at once."""

    def __init__(self, chunk: pa.Table) -> None:
        self._chunk, self._first, self._size = chunk, 0, 0
        self._rows: list[dict[str, object]] = []

    def __call__(self, number: int) -> bytes:
        end = self._first + len(self._rows)
        if not self._first <= number < end:
            # more and more, for of a table in another order than its times only some rows are asked for
            self._size = min(2 * self._size, _READ_AT_ONCE) if number == end and self._rows else 1
            self._first, self._rows = number, self._chunk.slice(number, self._size).to_pylist()
        return json.dumps([self._rows[number - self._first]]).encode()


def _arrivals(
    session: Session, select: Select, label: str, fresh: _Fresh | Callable[[str, pa.Table], pa.Table] | None
) -> Generator[Arrival]:
    """The chunks of one stream of rows, as `fresh` leaves them; of what is read on, only those with something new."""
    name, number = select.origin.name, 0
    with closing(side_by_side([session.rows(select)], session.cancel)) as batches:
        for read in chunks([column.name for column in select.columns], batches, CHUNK_ROWS):
            chunk = fresh(name, read) if fresh else read
            if chunk.num_rows or not (isinstance(fresh, _Fresh) and fresh.resumed):
                number += 1
                made = Made(partial(parquet, chunk))
                yield Arrival(f"{label}-{number:05d}.parquet", (name,), made, content(chunk))


def _bounds(session: Session, select: Select, column: Found, parts: int) -> list[str]:
    """Values of a column, as SQL, that divide the rows into about equal parts."""
    at, source = session.column(column.name), session.origin(select.origin)
    counted = replace(select, order=()).clauses(source)
    rows = int(_first(session, select.origin, f"SELECT count({at}) AS n{counted}") or 0)
    # the smallest value comes first and is no bound
    bounds: list[str] = []
    offset = 0
    for part in range(parts):
        offset += rows * part // parts - rows * max(part - 1, 0) // parts
        low = f"{at} >= {bounds[-1]}" if bounds else f"{at} IS NOT NULL"
        rest = replace(select, where=(*select.where, low), order=(at,), tail=f" LIMIT 1 OFFSET {offset}")
        bound = _first(session, select.origin, f"SELECT {session.literal(column)} AS bound{rest.clauses(source)}")
        if bound is None:
            break
        # many equal values make one part larger, never two
        if not bounds or bound != bounds[-1]:
            bounds.append(bound)
            offset = 0
    return bounds[1:]


def _first(session: Session, about: Origin, query: str) -> str | None:
    """The one value of the one row there may be."""
    origin = Origin(about.name, query=query)
    rows = [row for batch in session.rows(Select(origin, session.columns(origin))) for row in batch.column(0)]
    return str(rows[0]) if rows else None


def _origin(name: str, table: SqlTable) -> Origin:
    return Origin(name, query=table.query) if table.query else Origin(name, table=table.table or name)


def _known_as(origin: Origin) -> str:
    """What a state says it belongs to."""
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in origin.table.split("."))
    return f"({origin.query}\n) AS q" if origin.query else quoted


def _landed(blob: Blob) -> pq.ParquetFile:
    try:
        with blob.open() as stream:
            return pq.ParquetFile(io.BytesIO(stream.read()))
    except (pa.ArrowInvalid, OSError) as failure:
        raise unreadable(blob, f"it is not the chunk that was landed ({type(failure).__name__})") from None


def _batches(blob: Blob) -> Iterator[pa.RecordBatch]:
    """The rows of a chunk; its pages are read, and may be found damaged, one by one."""
    done = 0
    try:
        for batch in _landed(blob).iter_batches(_BATCH_ROWS):
            batch.validate(full=True)
            yield batch
            done += batch.num_rows
    except (pa.ArrowException, OSError) as failure:
        raise unreadable(blob, f"it is not the chunk that was landed ({type(failure).__name__})", row=done) from None
