"""Readers of an environment that knows nothing of Potable: pandas, lxml and dlt, as their documentation shows them.

dlt loads typed Parquet into a folder; pandas and lxml do the same in chunks, but a database is read into one frame.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from sources_made import COLUMNS, NESTED, SPACE, XML, url
from sources_timed import answer

_BATCH = 16_384
_FLAT = [name for name in NESTED if "path" not in NESTED[name]]


def pandas(kind: str, rows: str, folder: Path) -> None:
    """In chunks, keys kept as texts; a database, over the connection that pandas supports, at once."""
    import pandas as pd

    if kind == "sql":
        import sqlalchemy

        pd.read_sql(f"SELECT * FROM {rows} ORDER BY id", sqlalchemy.create_engine(url(folder)))
        return
    path, texts = folder / f"{rows}.{kind}", dict.fromkeys(("emp_no", "national_id", "pay_date"), "str")
    if kind == "csv":
        chunks = pd.read_csv(path, dtype=texts, chunksize=200_000)
    else:
        chunks = pd.read_json(path, lines=True, dtype=texts, convert_dates=False, chunksize=200_000)
    with chunks:
        _to_parquet((_like(kind, chunk) for chunk in chunks), folder / "pandas.parquet")


def _like(kind: str, chunk: Any) -> Any:
    """A chunk with the columns wanted: where keys are missing, chunks have other columns in another order."""
    import pandas as pd

    if kind == "nested.ndjson":
        people = chunk.pop("person")
        for name in ("emp_no", "national_id"):
            chunk[name] = people.str[name]
        chunk["lines"] = chunk["lines"].map(json.dumps)
    chunk = chunk.reindex(columns=list(NESTED if kind == "nested.ndjson" else COLUMNS))
    chunk["pay_date"] = pd.to_datetime(chunk["pay_date"])
    return chunk


def _to_parquet(chunks: Iterator[Any], out: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    for chunk in chunks:
        table = pa.Table.from_pandas(chunk, schema=writer and writer.schema, preserve_index=False)
        writer = writer or pq.ParquetWriter(out, table.schema, compression="zstd")
        writer.write_table(table)
    assert writer
    writer.close()


def pandas_over_psycopg(kind: str, rows: str, folder: Path) -> None:
    """A database at once, over a connection that pandas was not tested with, as it says."""
    import warnings

    import pandas as pd
    import psycopg

    warnings.simplefilter("ignore")
    with psycopg.connect(url(folder)) as connection:
        pd.read_sql(f"SELECT * FROM {rows} ORDER BY id", connection)


def lxml(kind: str, rows: str, folder: Path) -> None:
    """A person's own loop: the records as dicts of texts, in batches."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found, writer = _records(folder / f"{rows}.{kind}"), None
    while part := list(islice(found, _BATCH)):
        batch = pa.Table.from_pylist(part)
        writer = writer or pq.ParquetWriter(folder / "lxml.parquet", batch.schema, compression="zstd")
        writer.write_table(batch)
    assert writer
    writer.close()


def _records(path: Path) -> Iterator[dict[str, str | None]]:
    from lxml import etree

    space = f"{{{SPACE}}}"
    places = {name: _place(column, name, space) for name, column in XML.items()}
    for _, element in etree.iterparse(str(path), tag=f"{space}payslip"):
        yield {name: _value(element, *place) for name, place in places.items()}
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]


def _place(column: dict[str, Any], name: str, space: str) -> tuple[str, str]:
    """Where a column is, and the attribute it is; of several places, where the later exports have it."""
    path = column.get("path", name)
    steps, _, attribute = (path if isinstance(path, str) else path[-1]).partition("/@")
    return "/".join(space + step for step in steps.split("/")), attribute


def _value(element: Any, path: str, attribute: str) -> str | None:
    found = element.find(path)
    value: str | None = None if found is None else found.get(attribute) if attribute else found.text
    return value


def dlt(kind: str, rows: str, folder: Path) -> None:
    """A pipeline into a folder, with types declared."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    import dlt

    shutil.rmtree(folder / "dlt", ignore_errors=True)
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=str(folder / "dlt" / "state"),
        destination=dlt.destinations.filesystem(bucket_url=f"file://{folder}/dlt/lake"),
        dataset_name="lake",
    )
    pipeline.run(_resource(kind, rows, folder), loader_file_format="parquet").raise_on_failed_jobs()


def _resource(kind: str, rows: str, folder: Path) -> Any:
    import dlt
    from dlt.sources import filesystem as files
    from dlt.sources.sql_database import sql_table

    if kind == "sql":
        return sql_table(credentials=url(folder), table=rows, backend="pyarrow")
    path = folder / f"{rows}.{kind}"
    if kind == "xml":
        made: Any = dlt.resource(_records(path), name="payslips")
    else:
        read = files.read_csv(dtype="str") if kind == "csv" else files.read_jsonl()
        found = files.filesystem(bucket_url=f"file://{folder}", file_glob=path.name)
        made = (found | read).with_name("payslips")
    columns = XML if kind == "xml" else COLUMNS
    # of objects it makes columns by names of its own, and of lists tables
    made.apply_hints(columns={name: _hint(columns[name]) for name in columns if kind[:6] != "nested" or name in _FLAT})
    return made


def _hint(column: dict[str, Any]) -> dict[str, Any]:
    kind = column.get("type", "string")
    if kind.startswith("decimal"):
        precision, scale = kind[len("decimal(") : -1].split(",")
        return {"data_type": "decimal", "precision": int(precision), "scale": int(scale)}
    return {"data_type": {"string": "text", "integer": "bigint"}.get(kind, kind)}


READERS = {
    "pandas": pandas,
    "pandas over psycopg": pandas_over_psycopg,
    "lxml": lxml,
    "dlt": dlt,
}

if __name__ == "__main__":
    answer(READERS)
