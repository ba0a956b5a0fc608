"""Groups of landed objects: what one worker parses at a time.

Imports little, because every worker process imports it: the declarations of sources, and pyarrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from potable.sources.base import Blob, Source

GROUP_BYTES = 4 << 20
GROUP_OBJECTS = 64
OBSERVED = pa.schema([("object", pa.string()), ("column", pa.string())])
"""What `observe_group` yields: the columns each object has."""
_BATCH_ROWS = 8192


def grouped(blobs: Sequence[Blob]) -> Iterable[tuple[Blob, ...]]:
    """Objects in groups that are worth a message to a worker."""
    group: list[Blob] = []
    size = 0
    for blob in blobs:
        group.append(blob)
        size += blob.bytes
        if size >= GROUP_BYTES or len(group) >= GROUP_OBJECTS:
            yield tuple(group)
            group, size = [], 0
    if group:
        yield tuple(group)


def parse_group(source: Source[Any], table: str, blobs: Sequence[Blob]) -> Iterable[pa.RecordBatch]:
    """Parsed batches of several small objects, joined to batches worth sending."""
    held: list[pa.RecordBatch] = []
    for batch in source.parse_all(table, blobs):
        held.append(batch)
        if sum(item.num_rows for item in held) >= _BATCH_ROWS:
            yield _joined(held)
            held = []
    if held:
        yield _joined(held)


def observe_group(source: Source[Any], table: str, blobs: Sequence[Blob]) -> Iterable[pa.RecordBatch]:
    """(object, column) pairs of what each object has."""
    pairs = [(blob.name, column) for blob in blobs for column in sorted(source.observe(table, blob) or ())]
    if pairs:
        names, columns = zip(*pairs, strict=True)
        yield pa.record_batch({"object": pa.array(names), "column": pa.array(columns)}, schema=OBSERVED)


def _joined(held: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(held) == 1:
        return held[0]
    return pa.Table.from_batches(held).combine_chunks().to_batches()[0]
