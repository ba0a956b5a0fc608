"""A look at what a source offers, before anything is landed.

The first records of each table are parsed as a run would parse them, straight from the source. Nothing is
written. What may be shown of a value is not decided here: rows are handed over as they are.

Entry: `preview`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc

from potable.errors import DataError, EnvironmentFailure
from potable.sources.base import Source
from potable.sources.blobs import Blob
from potable.sources.files import EXPORT_AGAIN, FileSource
from potable.sources.landed import Arrival
from potable.sources.typed import schema
from potable.tables import MISTYPED


@dataclass(frozen=True, slots=True)
class _Offered(Blob):
    """An object as a parser sees it, read from the source and not from the raw zone."""

    arrival: Arrival | None = field(default=None, repr=False)

    def open(self) -> BinaryIO:
        """The bytes as the source gives them."""
        assert self.arrival
        return self.arrival.open()


def offered(source: Source[Any], arrival: Arrival) -> Blob:
    """An arrival as a parser takes landed objects."""
    return _Offered(arrival.name, "", "", False, 0, skip=arrival.skip, naming=source.naming, arrival=arrival)


@dataclass(frozen=True)
class Preview:
    """The first records of one table."""

    object: str
    """Name of the object they are in; empty when the source offers none for the table."""
    seen: Set[str] | None
    """What columns could take from the objects read, in the source's own terms and order; None if that is not known."""
    rows: pa.Table = field(repr=False)
    """The contract's columns and `tables.PARSING`."""
    everywhere: Set[str] | None = None
    """What all objects have of `seen`."""
    children: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Lists of records inside the records, as the source tells them."""
    dialect: frozenset[str] = frozenset()
    """What was found out about how the objects are written (`Source.dialect`)."""
    envelope: Sequence[str] = ()
    """Paths of values around all records of the first object (`Source.envelope`)."""
    read: int = 1
    """How many objects records were read from."""
    unread: int = 0
    """How many further ones lie beside them, as far as they were counted."""

    @property
    def readable(self) -> pa.Table:
        """The rows that could be read: of the others nothing is known, so they say nothing against a promise."""
        lost = pc.starts_with(self.rows[MISTYPED], "@record")
        return self.rows.filter(pc.invert(pc.fill_null(lost, False)))


def preview(source: Source[Any], *, base: Path, rows: int, last: int = 0) -> dict[str, Preview]:
    """The first `rows` records of every table of `source`, by table.

    Args:
        base: the project folder, where relative paths start.
        last: how many records to read of the last file, too, where all lie on this machine: it may be written in
            another way than the first ones. One that cannot be read is left out.

    Raises:
        EnvironmentFailure: the source cannot be read (E001, E002).
        DataError: D007, an object cannot be parsed.
    """
    found: dict[str, Preview] = {}
    left: dict[str, list[Arrival]] = {}
    with closing(cast("Any", source.arrivals(base))) as arrivals:
        for arrival in arrivals:
            for table in arrival.tables:
                before = found.get(table)
                if before is None or before.rows.num_rows < rows:
                    found[table] = _more(source, table, arrival, before, rows)
                else:
                    left.setdefault(table, []).append(arrival)
            here = last and isinstance(source, FileSource) and not arrival.far
            enough = found.keys() == source.tables.keys() and all(item.rows.num_rows >= rows for item in found.values())
            if enough and not here:
                break
        if last and left and isinstance(source, FileSource):
            found |= {table: _with_last(source, table, found[table], rest, last) for table, rest in left.items()}
    nothing = {name: Preview("", None, schema(table).empty_table()) for name, table in source.tables.items()}
    return {**nothing, **found}


def _with_last(source: Source[Any], table: str, found: Preview, left: Sequence[Arrival], rows: int) -> Preview:
    """What was found, with records of the last object that is left; without them where it cannot be read."""
    try:
        more = _more(source, table, left[-1], found, found.rows.num_rows + rows)
    except (DataError, EnvironmentFailure):
        return replace(found, unread=len(left))
    return replace(more, unread=len(left) - 1)


def _more(source: Source[Any], table: str, arrival: Arrival, before: Preview | None, rows: int) -> Preview:
    blob = offered(source, arrival)
    held = [before.rows] if before else []
    wanted = rows - (before.rows.num_rows if before else 0)
    try:
        batches = list(_first(source.parse(table, blob), wanted))
        seen, children, dialect = source.names(table, blob), source.children(table, blob), source.dialect(table, blob)
    except DataError as failure:
        # it says what becomes of a landed object
        if failure.hint.startswith(EXPORT_AGAIN):
            failure.hint = "is it damaged, or does the source's file describe it wrongly?"
            if ".zip/" in arrival.name.lower():
                failure.hint += ' `members: "*.xml"`, for example, selects which files of an archive are read'
        failure.state, failure.next = "nothing was landed", f"potable source preview {source.source}"
        raise
    except OSError as failure:
        raise EnvironmentFailure(
            f"source `{source.source}`: `{source.naming.told(arrival.name)}` cannot be read ({type(failure).__name__})",
            "E002" if isinstance(failure, FileNotFoundError) else "E001",
            hint="was it removed or moved, and may this user read it?",
            retryable=True,
        ) from None
    more = pa.Table.from_batches(batches, schema(source.tables[table]))
    everywhere = seen
    if before and before.seen is not None:
        everywhere = before.everywhere if seen is None else seen & (before.everywhere or set())
        seen = dict.fromkeys([*before.seen, *(seen or ())]).keys()
    if before:
        children, dialect = {**before.children, **children}, before.dialect | dialect
    name = before.object if before else arrival.name
    envelope = before.envelope if before else source.envelope(table, blob)
    read = 1 + (before.read if before else 0)
    return Preview(name, seen, pa.concat_tables([*held, more]), everywhere, children, dialect, envelope, read)


def _first(batches: Any, rows: int) -> Iterator[pa.RecordBatch]:
    """Batches of the first `rows` rows; what comes after them is not parsed."""
    for batch in batches:
        yield batch.slice(0, rows)
        rows -= batch.num_rows
        if rows <= 0:
            return
