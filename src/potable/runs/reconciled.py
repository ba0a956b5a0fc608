"""Whether what is landed of a table is what the source has now, by month.

A table that is read on never hears of records that were deleted, or committed later than its overlap reaches back.
Here the source is read whole once, its keys are compared with those that are landed, and nothing is written. What is
found is counted, never mended: a full refresh does that.

Entry: `reconcile`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from potable.contracts.deletions import Deletions, marked, told_apart
from potable.contracts.keyed import PLACE, with_known_key, with_order_key
from potable.contracts.masks import place_of
from potable.engines.base import Engine, collect
from potable.errors import EnvironmentFailure, ProjectError
from potable.sources.base import Source
from potable.sources.everything import everything
from potable.sources.groups import parsed_rows
from potable.sources.ingest import Landing, current
from potable.sources.landed import Landed
from potable.sources.typed import schema
from potable.tables import BATCH, ORIGIN, Table

_PERIOD = "_period"


@dataclass(frozen=True)
class Period:
    """The records of one month."""

    month: str
    """`2024-01`; empty for records without a time, and for tables without one."""
    source: int
    """Records the source has now."""
    landed: int
    """Records that are landed, each key once."""
    missing: int
    """Records of the source whose key is not landed."""
    gone: int
    """Landed records whose key the source no longer has: they were deleted there, and nothing said so yet."""


def reconcile(
    source: Source[Any], table: str, landing: Landing, *, base: Path, engine: Engine, scratch: Path
) -> list[Period]:
    """Records of the source and of the raw zone, month by month of the table's `time`.

    Args:
        base: the project folder.
        engine: compares; its results are small.
        scratch: a folder for the keys of the source, which are removed again.

    Raises:
        ProjectError: P004, the table has no `unique` columns.
        EnvironmentFailure: the source cannot be read (E001, E002), or forgets what it once offered (E007).
        DataError: D007, an object cannot be parsed.
    """
    contract = source.tables[table]
    _require_comparable(source, table)
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="reconcile-", dir=scratch) as folder:
        mark = contract.deletion[0] if contract.deletion else None
        columns = [*dict.fromkeys([*contract.unique, *filter(None, [contract.time, contract.known_column, mark])])]
        keys = pa.schema([schema(contract).field(name) for name in columns])
        there = engine.read(_kept(everything(source, table, base=base), keys, Path(folder, "source.parquet")), keys)
        landed = current(landing.log).objects.values()
        here = _parsed(source, table, [item for item in landed if table in item.tables], landing, engine)
        listed = _parsed(source, table, [item for item in landed if item.keys_of == table], landing, engine)
        rows = _written(here.select([*columns, *ORIGIN.names, BATCH]), f"{folder}/landed", engine)
        lists = _written(listed.select([*contract.unique, BATCH]), f"{folder}/listed", engine)
        ours = _by_key(contract, _still(contract, rows, lists, f"{folder}/gone", engine))
        theirs = _by_key(contract, there.filter(~marked(contract, there)) if mark else there)
        return _periods(contract.unique, ours, theirs, engine)


def _require_comparable(source: Source[Any], table: str) -> None:
    name = f"{source.source}.{table}"
    if not source.tables[table].unique:
        hint = "declare `unique`: the columns that identify a record"
        raise ProjectError(f"`{name}` has no key by which its records could be compared", "P004", hint=hint)
    if source.forgets:
        hint = "streams are checked by their offsets: `potable state show`"
        problem = f"`{name}` cannot be compared, because its system deletes data that it offered before"
        raise EnvironmentFailure(problem, "E007", hint=hint)


def _parsed(source: Source[Any], table: str, landed: Sequence[Landed], landing: Landing, engine: Engine) -> ir.Table:
    root = landing.store.locate("")
    blobs = source.blobs(landed, root)
    return parsed_rows(engine, source, table, blobs)


def _written(relation: ir.Table, folder: str, engine: Engine) -> ir.Table:
    files = [f"{folder}/{part.path}" for part in engine.write(relation, folder)]
    return engine.read(files, relation.schema().to_pyarrow())


def _still(table: Table, rows: ir.Table, lists: ir.Table, folder: str, engine: Engine) -> ir.Table:
    """The landed records that are not known to be gone already."""
    records, tombstones, _ = told_apart(rows, table, engine)
    keyed = with_order_key(table, with_known_key(table, records)).mutate(**{PLACE: place_of(records)})
    deletions = Deletions(table, tombstones, lists)
    return deletions.find(keyed, None, folder, engine).without(records)


def _kept(batches: Iterator[pa.RecordBatch], keys: pa.Schema, path: Path) -> list[str]:
    """The file of some columns."""
    with pq.ParquetWriter(path, keys) as writer:
        for batch in batches:
            writer.write_batch(batch.select(keys.names))
    return [str(path)]


def _by_key(table: Table, rows: ir.Table) -> ir.Table:
    """Each key once, with the month of its newest version."""
    rows = rows.drop_null(table.unique)
    if table.time is None:
        month: Any = ibis.literal("")
    else:
        month = rows[table.time].strftime("%Y-%m").fill_null("")
    rows = rows.mutate(**{_PERIOD: month})
    newest = rows[_PERIOD].argmax(rows[table.known_column]) if table.known_column else rows[_PERIOD].max()
    return rows.group_by(table.unique).agg(**{_PERIOD: newest.fill_null("")})


def _periods(unique: Sequence[str], ours: ir.Table, theirs: ir.Table, engine: Engine) -> list[Period]:
    counts = [
        {row[_PERIOD]: row["n"] for row in collect(engine, _counted(rows)).to_pylist()}
        for rows in (theirs, ours, theirs.anti_join(ours, unique), ours.anti_join(theirs, unique))
    ]
    months = sorted({month for found in counts for month in found})
    return [Period(month, *(found.get(month, 0) for found in counts)) for month in months]


def _counted(rows: ir.Table) -> ir.Table:
    return rows.group_by(_PERIOD).agg(n=ibis._.count())
