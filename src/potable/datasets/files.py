"""The finished table as files: one CSV and one Parquet, byte-identical for identical rows.

Both are written in one pass over the sorted rows, by one writer each, whatever engine made the rows;
row groups have a fixed size, so nothing depends on how the batches came.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

GROUP_ROWS = 65_536


@dataclass(frozen=True)
class Written:
    """One finished file in a local folder."""

    path: Path
    rows: int
    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path, rows: int) -> Written:
        """The file at `path`, measured."""
        digest = hashlib.sha256()
        for chunk in chunks(path):
            digest.update(chunk)
        return cls(path, rows, path.stat().st_size, digest.hexdigest())


def write_both(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, folder: Path, name: str
) -> tuple[Written, Written]:
    """Write `batches` (sorted) as `<name>.csv` and `<name>.parquet` in `folder`; returns both."""
    folder.mkdir(parents=True, exist_ok=True)
    csv_path, parquet_path = folder / f"{name}.csv", folder / f"{name}.parquet"
    rows = 0
    options = arrow_csv.WriteOptions(quoting_style="needed", quoting_header="needed")
    with (
        arrow_csv.CSVWriter(csv_path, schema, write_options=options) as csv_file,
        pq.ParquetWriter(parquet_path, schema, compression="zstd", store_schema=False) as parquet_file,
    ):
        for table in _groups(batches, schema):
            csv_file.write_table(table)
            parquet_file.write_table(table, row_group_size=GROUP_ROWS)
            rows += table.num_rows
    return Written.of(csv_path, rows), Written.of(parquet_path, rows)


def chunks(path: Path) -> Iterator[bytes]:
    """A local file's bytes, piece by piece."""
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            yield chunk


def _groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows in tables of exactly `GROUP_ROWS` rows; the last may be shorter."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        while rows >= GROUP_ROWS:
            table = pa.Table.from_batches(held, schema=schema)
            yield table.slice(0, GROUP_ROWS).combine_chunks()
            rest = table.slice(GROUP_ROWS)
            held, rows = rest.to_batches(), rest.num_rows
    if rows:
        yield pa.Table.from_batches(held, schema=schema).combine_chunks()
