"""Streams of batches to chunks of a fixed length, read a little ahead, and several of them side by side.

Where a chunk ends depends on its rows alone, never on how they arrived. Each stream is read in a thread
of its own, one item ahead, so that memory is bounded by a few chunks per stream.

Entry: `chunks` and `side_by_side`.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from potable.sources.cells import Cells, plain

T = TypeVar("T")

CHUNK_BYTES = 128 << 20
"""A chunk ends with the row by which its texts come to this, also where it has fewer rows than it may."""


def chunks(names: Sequence[str], batches: Iterable[pa.RecordBatch], rows: int) -> Generator[pa.Table]:
    """The rows in chunks of `rows`; no rows at all give one empty chunk, for its columns."""
    held: list[pa.RecordBatch] = []
    count = size = 0
    empty = True
    for batch in batches:
        while batch.num_rows:
            taken, bytes_ = _fitting(batch, rows - count, CHUNK_BYTES - size)
            held.append(batch.slice(0, taken))
            batch = batch.slice(taken)
            count, size, empty = count + taken, size + bytes_, False
            if count >= rows or size >= CHUNK_BYTES:
                yield pa.Table.from_batches(held).combine_chunks()
                held, count, size = [], 0, 0
    if held or empty:
        schema = held[0].schema if held else pa.schema([(name, pa.string()) for name in names])
        yield pa.Table.from_batches(held, schema).combine_chunks()


def _fitting(batch: pa.RecordBatch, rows: int, bytes_: int) -> tuple[int, int]:
    """How many rows of a batch go into a chunk that has room for so much, and the bytes of their texts."""
    taken = min(rows, batch.num_rows)
    part = batch.slice(0, taken)
    size = sum(pc.sum(pc.binary_length(plain(column))).as_py() or 0 for column in part.columns)
    if size < bytes_:
        return taken, size
    total = np.cumsum(sum(_lengths(column) for column in part.columns))
    taken = int(np.searchsorted(total, bytes_)) + 1
    return taken, int(total[taken - 1])


def _lengths(column: Cells) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    lengths: np.ndarray[tuple[int], np.dtype[np.int64]]
    lengths = pc.fill_null(pc.binary_length(plain(column)), 0).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return lengths


def parquet(table: pa.Table) -> bytes:
    """A chunk as it is landed."""
    sink = io.BytesIO()
    # dictionaries of 50,000 texts cost as much again as all else, and zstd finds what repeats without them; chunks
    # are read whole, so nobody asks for the least and greatest text of each
    pq.write_table(table, sink, compression="zstd", use_dictionary=False, write_statistics=False)
    return sink.getvalue()


def content(table: pa.Table) -> str:
    """A hash of the columns and rows of a chunk, much sooner made than what is landed of it."""
    # a number is not the text it is written as, where they are told apart
    table = table.flatten()
    digest = hashlib.sha256(json.dumps([*table.column_names, table.num_rows]).encode())
    for column in table.columns:
        texts = column.combine_chunks()
        digest.update(pc.fill_null(pc.binary_length(texts), -1).to_numpy(zero_copy_only=False))
        digest.update(_bytes_of(texts))
    return digest.hexdigest()


def _bytes_of(texts: pa.StringArray) -> pa.Buffer:
    """The bytes of all texts, one after the other."""
    if texts.null_count:
        # under a null anything may lie
        texts = pc.fill_null(texts, "")
    _, offsets, data = texts.buffers()
    if data is None or not len(texts):
        return pa.py_buffer(b"")
    # rows that were cut from others share their buffers
    first, last = (int(place) for place in np.frombuffer(offsets, np.int32)[[texts.offset, texts.offset + len(texts)]])
    return data.slice(first, last - first)


def side_by_side(streams: Sequence[Generator[T]], cancel: Callable[[], object]) -> Generator[T]:
    """The items of all streams in turn, one of each; every stream is read by a thread of its own, one item ahead.

    Args:
        streams: what to read; all are closed at the end.
        cancel: called when the reading is given up, so that nobody waits for what a stream is busy with.
    """

    def given_up(kind: object, *_: object) -> None:
        # again and again, for what a stream begins only now is not stopped by what was said before
        while kind and wait([future for _, future in waiting], timeout=0.1).not_done:
            cancel()

    waiting: deque[tuple[Generator[T], Future[T | None]]] = deque()
    with ExitStack() as stack:
        for stream in streams:
            stack.enter_context(closing(stream))
        pool = stack.enter_context(ThreadPoolExecutor(len(streams)))
        stack.push(given_up)
        waiting.extend((stream, pool.submit(next, stream, None)) for stream in streams)
        while waiting:
            stream, future = waiting[0]
            item = _result(future, [other for _, other in waiting])
            waiting.popleft()
            if item is not None:
                waiting.append((stream, pool.submit(next, stream, None)))
                yield item


def _result(future: Future[T], others: Sequence[Future[T]]) -> T:
    """What a future comes to, unless one of the others fails first."""
    pending = {future, *others}
    while not future.done():
        done, pending = wait(pending, return_when=FIRST_COMPLETED)
        for failure in filter(None, (each.exception() for each in done)):
            raise failure
    return future.result()
