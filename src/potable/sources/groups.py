"""Groups of landed objects of one batch, and shares of large ones; a worker parses one group or share at a time.

Imports little, because every worker process imports it: the declarations of sources, and pyarrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from potable.sources.base import Source
from potable.sources.blobs import Blob
from potable.sources.shares import Share
from potable.tables import BATCH, LANDED, Table

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from potable.engines.base import Engine

GROUP_BYTES = 4 << 20
GROUP_OBJECTS = 128
LARGE_BYTES = 64 << 20
"""Bytes of an object that are worth a process of their own, and several where it would keep the others waiting."""
_PACKED, _PACKED_NAMES = 8, (".gz", ".zst", ".bz2", ".xz")
"""How many times its bytes a packed object of texts has."""
MOST_SHARES = 16
"""Shares of one object: each reads all of it, so more of them would gain little."""
OBSERVED = pa.schema([("object", pa.string()), ("column", pa.string()), ("dialect", pa.string())])
"""What `observe_group` yields: a column an object has, or something found about how it is written."""
_BATCH_ROWS = 8192


def schema(table: Table) -> pa.Schema:
    """Schema of what `parse_group` yields."""
    return pa.schema([*table.schema, *LANDED])


def parsed_rows(engine: Engine, source: Source[Any], table: str, blobs: Sequence[Blob]) -> ir.Table:
    """The rows of landed objects, as a relation that can be consumed once; large ones are shared by all processes."""
    large = [blob for blob in blobs if _size(blob) >= LARGE_BYTES]
    groups = [*_shared(large, blobs, engine.cores, may=source.may_share(table))] if large else []
    groups += grouped([blob for blob in blobs if _size(blob) < LARGE_BYTES])
    parse = partial(parse_group, source, table)
    return engine.map_items(groups, parse, schema(source.tables[table]), long=bool(large))


def _shared(large: Sequence[Blob], blobs: Sequence[Blob], cores: int, *, may: bool) -> Iterable[tuple[Blob, ...]]:
    """Large objects, in shares where one would keep some of the processes waiting for it."""
    total = sum(map(_size, blobs))
    for blob in large:
        of = min(cores, MOST_SHARES) if may and 2 * cores * _size(blob) > total else 1
        yield from ((replace(blob, share=Share(number, of)),) for number in range(of))


def _size(blob: Blob) -> int:
    """About how many bytes are to be parsed."""
    return blob.bytes * (_PACKED if blob.name.lower().endswith(_PACKED_NAMES) else 1)


def grouped(blobs: Sequence[Blob]) -> Iterable[tuple[Blob, ...]]:
    """Objects in groups that are worth a message to a worker, batch by batch."""
    group: list[Blob] = []
    size = 0
    for blob in sorted(blobs, key=lambda blob: blob.batch):
        if group and (size >= GROUP_BYTES or len(group) >= GROUP_OBJECTS or blob.batch != group[0].batch):
            yield tuple(group)
            group, size = [], 0
        group.append(blob)
        size += blob.bytes
    if group:
        yield tuple(group)


def parse_group(source: Source[Any], table: str, blobs: Sequence[Blob]) -> Iterable[pa.RecordBatch]:
    """Parsed batches of several small objects, joined to batches worth sending."""
    held: list[pa.RecordBatch] = []
    for batch in source.parse_all(table, blobs):
        held.append(batch)
        if sum(item.num_rows for item in held) >= _BATCH_ROWS:
            yield _joined(held, blobs[0].batch)
            held = []
    if held:
        yield _joined(held, blobs[0].batch)


def observe_group(source: Source[Any], table: str, blobs: Sequence[Blob]) -> Iterable[pa.RecordBatch]:
    """What each object has, and what was found about how it is written."""
    rows = [
        row
        for blob, columns in zip(blobs, source.observe_all(table, blobs), strict=True)
        for row in [
            *((blob.name, column, None) for column in sorted(columns or ())),
            *((blob.name, None, part) for part in sorted(source.dialect(table, blob))),
        ]
    ]
    if rows:
        yield pa.record_batch([pa.array(cells, pa.string()) for cells in zip(*rows, strict=True)], schema=OBSERVED)


def _joined(held: list[pa.RecordBatch], number: int) -> pa.RecordBatch:
    batch = held[0] if len(held) == 1 else pa.Table.from_batches(held).combine_chunks().to_batches()[0]
    return batch.append_column(BATCH, pa.repeat(pa.scalar(number, pa.int64()), batch.num_rows))
