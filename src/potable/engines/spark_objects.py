"""Parquet in Google's and Azure's stores, as Python on executors reads and writes it, through obstore.

So they need no jars and no settings of Hadoop, and one environment serves driver and executors; S3 is left to Hadoop
(`spark_stores`). A part has a name that no other attempt of its task has, and only parts of the attempts that count
come to the driver. Entry: `Rows` and `Parts`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from obstore.exceptions import BaseError
from pyspark import TaskContext

from potable.engines import places
from potable.engines.base import Part
from potable.engines.spark_tasks import carrying
from potable.errors import EnvironmentFailure, PotableError
from potable.reasons import of_store

BATCH_ROWS = 16_384
GROUP_BYTES = 64 << 20
"""A row group ends where it has this many bytes of memory."""
PARTS = pa.schema([("path", pa.string()), ("rows", pa.int64()), ("bytes", pa.int64()), ("partition", pa.int64())])


@dataclass(frozen=True)
class Rows:
    """The rows of an object, batch by batch."""

    schema: pa.Schema

    def __call__(self, path: str) -> Iterator[pa.RecordBatch]:
        """Those of the object at a URL."""
        names = self.schema.names
        with _reaching(), places.opened(path) as stream, pq.ParquetFile(stream, pre_buffer=True) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=names):
                yield batch.select(names).cast(self.schema)


@dataclass(frozen=True)
class Parts:
    """Writes the rows of a task below a directory; its own rows are the parts it wrote."""

    directory: str
    given: pa.Schema
    """Schema of the rows; Spark's own names are put aside."""
    partition_by: str | None = None
    """A column that the rows of a task are sorted by."""

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """One batch, of the parts."""
        with carrying():
            runs = groupby(self._cut(batches), key=itemgetter(0))
            made = [astuple(self._written(value, (piece for _, piece in run))) for value, run in runs]
            columns = list(zip(*made, strict=True)) if made else [()] * len(PARTS)
            arrays = [pa.array(column, kind) for column, kind in zip(columns, PARTS.types, strict=True)]
            yield pa.record_batch(arrays, schema=PARTS)

    def _cut(self, batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int | None, pa.RecordBatch]]:
        """The batches, cut where another partition begins, each with its partition."""
        for given in filter(len, batches):
            columns = [column.cast(field.type) for column, field in zip(given.columns, self.given, strict=True)]
            batch = pa.record_batch(columns, schema=self.given)
            if self.partition_by is None:
                yield None, batch
                continue
            partitions = batch.column(self.partition_by)
            if partitions.null_count:
                raise PotableError("a row has no partition")
            rest = batch.drop_columns([self.partition_by])
            values = partitions.to_numpy()
            cuts = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
            for start, end in pairwise(cuts):
                yield int(values[start]), rest.slice(start, end - start)

    def _written(self, partition: int | None, batches: Iterator[pa.RecordBatch]) -> Part:
        """One part; it is written here first, for an object appears whole or not at all."""
        folder = "" if partition is None else f"{quote(str(self.partition_by))}={partition}/"
        path = f"{folder}part-{TaskContext.get().partitionId():05d}-{uuid4().hex}.parquet"
        rows = 0
        with _reaching(), tempfile.NamedTemporaryFile(prefix="potable-", suffix=".parquet") as copy:
            first = next(batches)
            with pq.ParquetWriter(copy.name, first.schema, compression="zstd") as writer:
                for group in _groups(first, batches):
                    writer.write_table(group)
                    rows += group.num_rows
            size = Path(copy.name).stat().st_size
            places.put(copy.name, f"{self.directory}/{path}")
        return Part(path, rows, size, partition)


def _groups(first: pa.RecordBatch, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The batches, some at a time."""
    held, size = [first], first.nbytes
    for batch in batches:
        if size >= GROUP_BYTES:
            yield pa.Table.from_batches(held)
            held, size = [], 0
        held.append(batch)
        size += batch.nbytes
    yield pa.Table.from_batches(held)


@contextmanager
def _reaching() -> Iterator[None]:
    """Failures of a store or the disk in our form, without their words: they hold URLs."""
    try:
        yield
    except (BaseError, OSError, pa.ArrowInvalid) as failure:
        if of_store(failure):
            raise places.unreached(failure) from None
        raise EnvironmentFailure(
            f"the engine could not read or write its files ({type(failure).__name__})",
            "E004",
            hint="was a file of the lake removed, is a disk full, or can an executor not reach the store (or lacks "
            "the rights)?",
            retryable=True,
        ) from None
