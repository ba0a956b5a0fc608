"""Readers that Potable's own environment has: Potable, what limits it (DuckDB, xml2arrow, ADBC), and Spark, local.

One thread each, unless a name says two. Potable and DuckDB write typed zstd Parquet, Potable as `validate` does, by the
engine; a database is landed, as `ingest` does: every value as text, in the order of the key, hashed.
"""

from __future__ import annotations

import atexit
import sys
from functools import cache, partial
from pathlib import Path
from typing import Any

from sources_made import COLUMNS, DEDUCTIONS, NESTED, SQL, XML, url
from sources_timed import answer

_DECLARED = {
    "csv": ("csv", {"columns": COLUMNS}),
    "ndjson": ("json", {"columns": COLUMNS}),
    "loose.ndjson": ("json", {"columns": COLUMNS}),
    "nested.ndjson": ("json", {"columns": NESTED}),
    "xml": ("xml", {"record": "/payroll/payslip", "columns": XML}),
}
_CHILDREN = ("xml", {"record": "/payroll/payslip/deductions/deduction", "columns": DEDUCTIONS})
_DUCKDB = (
    "{emp_no: 'VARCHAR', national_id: 'VARCHAR', pay_date: 'DATE', gross: 'DECIMAL(12,2)', tax: 'DECIMAL(12,2)',"
    " currency: 'VARCHAR', run: 'BIGINT', remark: 'VARCHAR'}"
)
_DUCKDB_NESTED = _DUCKDB.replace(
    "{emp_no: 'VARCHAR', national_id: 'VARCHAR'",
    "{person: 'STRUCT(emp_no VARCHAR, national_id VARCHAR)', lines: 'JSON'",
)
_SPARK = (
    "emp_no STRING, national_id STRING, pay_date DATE, gross DECIMAL(12,2), tax DECIMAL(12,2), currency STRING,"
    " run BIGINT, remark STRING"
)
_SPARK_NESTED = _SPARK.replace(
    "emp_no STRING, national_id STRING", "person STRUCT<emp_no: STRING, national_id: STRING>, lines STRING"
)
_SPARK_MONEY = "STRUCT<_VALUE: DECIMAL(12,2), _currency: STRING>"
_SPARK_XML = (
    "employee STRUCT<empNo: STRING, nationalId: STRING, name: STRING>, payDate DATE, "
    f"gross {_SPARK_MONEY}, grossUsd DECIMAL(12,2), reporting STRUCT<grossUsd: DECIMAL(12,2)>,"
    " overtimeHours DECIMAL(6,2), bonus DECIMAL(12,2), costCentre STRING"
)


def potable(kind: str, rows: str, folder: Path, threads: int = 1) -> None:
    """What `validate` does to a landed object: typed rows, written by the engine."""
    _typed(*_DECLARED[kind], folder / f"{rows}.{kind}", threads)


def packed(kind: str, rows: str, folder: Path) -> None:
    """As XML mostly comes."""
    _typed(*_DECLARED[kind], folder / f"{rows}.{kind}.gz")


def children(kind: str, rows: str, folder: Path) -> None:
    """A table of repeated elements below the records, with values of the records."""
    _typed(*_CHILDREN, folder / f"{rows}.{kind}")


def _typed(name: str, table: dict[str, Any], path: Path, threads: int = 1) -> None:
    import pyarrow as pa

    from potable.plugins import load
    from potable.sources.blobs import Blob
    from potable.sources.groups import parse_group, parsed_rows
    from potable.sources.groups import schema as group_schema

    pa.set_cpu_count(1)
    declared = {"source": "s", "type": name, "path": "x", "tables": {"t": table}}
    source = load("sources", name).model_validate(declared)
    engine = _engine(path.parent / "scratch", threads)
    blob = Blob(path.name, str(path.parent), path.name, False, path.stat().st_size)
    found = parsed_rows(engine, source, "t", [blob])
    if path.name.startswith("few."):
        # a run starts its workers once, so it is not counted
        parse, schema = partial(parse_group, source, "t"), group_schema(source.tables["t"])
        found = engine.map_items([(blob,)] * threads, parse, schema, long=True)
    engine.write(found, str(path.parent / f"potable-{path.name}"))


@cache
def _engine(scratch: Path, threads: int) -> Any:
    """With its workers, which a run starts once."""
    from potable.engines.duckdb import DuckDBEngine

    engine = DuckDBEngine(memory=2 << 30, threads=threads, scratch=scratch)
    atexit.register(engine.close)
    return engine


def duckdb(kind: str, rows: str, folder: Path) -> None:
    """DuckDB's scan with the same declared types."""
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    columns = _DUCKDB_NESTED if kind == "nested.ndjson" else _DUCKDB
    function = f"read_json(?, format='newline_delimited', columns={columns})"
    if kind == "csv":
        function = f"read_csv(?, header=true, columns={_DUCKDB})"
    out = folder / "duckdb.parquet"
    connection.execute(
        f"COPY (FROM {function}) TO '{out}' (FORMAT parquet, COMPRESSION zstd)", [f"{folder}/{rows}.{kind}"]
    )


def xml2arrow(kind: str, rows: str, folder: Path) -> None:
    """The parser that Potable uses, texts only."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from plain_parse import xml2arrow_parser

    pa.set_cpu_count(1)
    writer = None
    for _, batch in xml2arrow_parser().parse_batches(folder / f"{rows}.{kind}", max_rows_per_batch=16_384):
        writer = writer or pq.ParquetWriter(folder / "xml2arrow.parquet", batch.schema, compression="zstd")
        writer.write_batch(batch)
    assert writer
    writer.close()


def landed(kind: str, rows: str, folder: Path, parts: int = 1) -> None:
    """As text in Parquet, in the order of the key."""
    from potable.lazy_pandas import make_pandas_lazy

    make_pandas_lazy()  # as every command does
    from potable.sources.ingest import Landing, ingest
    from potable.sources.sql import SqlSource
    from potable.store.log import Log
    from potable.store.objects import Store

    table: dict[str, Any] = {"columns": SQL, "unique": ["id"]}
    if parts > 1:
        table["partition"] = {"column": "id", "parts": parts}
    source = SqlSource.model_validate({"source": "s", "type": "sql", "url": url(folder), "tables": {rows: table}})
    store = Store(str(folder / f"landed-{rows}-{parts}"))
    ingest(source, Landing(store, Log(store, "raw/s/batches")), base=folder, threads=2)


def adbc(kind: str, rows: str, folder: Path) -> None:
    """Read in batches of the driver's types, which are thrown away."""
    import adbc_driver_postgresql.dbapi as dbapi

    with dbapi.connect(url(folder)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {rows} ORDER BY id")
        for _ in cursor.fetch_record_batch():
            pass


def spark(kind: str, rows: str, folder: Path) -> None:
    """Spark's own readers with declared types, on one thread."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    for key, value in {
        "spark.driver.memory": "1g",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.jars": ",".join(map(str, Path(sys.prefix, "jdbc").glob("*.jar"))),
        "spark.log.level": "ERROR",
    }.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    read, path = session.read, str(folder / f"{rows}.{kind}")
    if kind == "csv":
        found = read.csv(path, schema=_SPARK, header=True)
    elif kind == "xml":
        given = {"rowTag": "pay:payslip", "ignoreNamespace": True}
        found = read.format("xml").options(**given).schema(_SPARK_XML).load(path)
    elif kind == "sql":
        place = f"jdbc:{url(folder).replace('postgres@', '')}?user=postgres"
        # without a fetch size the driver holds all rows at once
        given = {"url": place, "dbtable": rows, "fetchsize": 10_000, "driver": "org.postgresql.Driver"}
        found = read.format("jdbc").options(**given).load()
    else:
        found = read.json(path, schema=_SPARK_NESTED if kind == "nested.ndjson" else _SPARK)
    found.write.mode("overwrite").parquet(str(folder / "spark"))


READERS = {
    "potable": potable,
    "potable, 2 threads": partial(potable, threads=2),
    "potable, from gzip": packed,
    "potable, children": children,
    "DuckDB": duckdb,
    "xml2arrow, texts": xml2arrow,
    "potable, landed": landed,
    "potable, landed, 2 parts": partial(landed, parts=2),
    "ADBC, nothing kept": adbc,
    "Spark": spark,
}

if __name__ == "__main__":
    answer(READERS)
