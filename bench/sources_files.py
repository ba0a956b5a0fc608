"""Parsing CSV and NDJSON to typed Parquet, one process and one thread: ours beside DuckDB's scan and pandas.

The same rows in both formats, 200 MB and more of each, once more as lines that lack keys or have nulls
(`loose.ndjson`), and as lines with an object that paths lead into and a list that is kept as JSON (`nested.ndjson`).
Every reader writes the same typed columns to zstd Parquet, ours as `validate` does, by the engine. Seconds are
processor time of a fresh process without its imports, least of the rounds, because ratios are what counts and a
shared machine makes wall time lie; peak memory is the process's own.

    python bench/sources_files.py [ROWS] [ROUNDS]
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

COLUMNS = {
    "emp_no": {},
    "national_id": {},
    "pay_date": {"type": "date"},
    "gross": {"type": "decimal(12,2)"},
    "tax": {"type": "decimal(12,2)"},
    "currency": {},
    "run": {"type": "integer"},
    "remark": {},
}
SQL = (
    "{emp_no: 'VARCHAR', national_id: 'VARCHAR', pay_date: 'DATE', gross: 'DECIMAL(12,2)', tax: 'DECIMAL(12,2)',"
    " currency: 'VARCHAR', run: 'BIGINT', remark: 'VARCHAR'}"
)
NESTED = {
    **COLUMNS,
    "emp_no": {"path": "person.emp_no"},
    "national_id": {"path": "person.national_id"},
    "lines": {},
}
"""Columns of the nested lines."""
NESTED_SQL = SQL.replace(
    "{emp_no: 'VARCHAR', national_id: 'VARCHAR'",
    "{person: 'STRUCT(emp_no VARCHAR, national_id VARCHAR)', lines: 'JSON'",
)
KINDS = ("csv", "ndjson", "loose.ndjson", "nested.ndjson")
READERS = ("ours", "duckdb", "pandas")


def main() -> None:
    """Make the files, time every reader on each and print one table."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 2_800_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        make(folder, "few", 2000)
        make(folder, "rows", rows)
        print(f"{'file':14}{'reader':10}{'MB':>7}{'seconds':>9}{'MB/s':>7}{'of duckdb':>11}{'peak MB':>9}")
        for kind in KINDS:
            size = (folder / f"rows.{kind}").stat().st_size / 1e6
            timed = {reader: least(reader, kind, folder, rounds) for reader in READERS}
            for reader, (seconds, peak) in timed.items():
                ratio = seconds / timed["duckdb"][0]
                print(f"{kind:14}{reader:10}{size:7.0f}{seconds:9.1f}{size / seconds:7.0f}{ratio:10.2f}x{peak:9.0f}")


def make(folder: Path, name: str, rows: int) -> None:
    """The same payslips as CSV and as NDJSON."""
    dice, others = random.Random(7), random.Random(8)
    with (
        (folder / f"{name}.csv").open("w", encoding="utf-8") as table,
        (folder / f"{name}.ndjson").open("w", encoding="utf-8") as lines,
        (folder / f"{name}.loose.ndjson").open("w", encoding="utf-8") as loose,
        (folder / f"{name}.nested.ndjson").open("w", encoding="utf-8") as nested,
    ):
        table.write(",".join(COLUMNS) + "\n")
        for number in range(rows):
            row = {
                "emp_no": f"E{dice.randrange(500_000):06d}",
                "national_id": f"{dice.randrange(10**12):012d}",
                "pay_date": f"{dice.randrange(2005, 2025)}-{dice.randrange(1, 13):02d}-28",
                "gross": round(dice.uniform(1000, 9000), 2),
                "tax": round(dice.uniform(100, 2000), 2),
                "currency": dice.choice(["INR", "USD", "EUR", "GBP"]),
                "run": number,
                "remark": dice.choice(
                    ["", "Nachzahlung für März", "paid late, see note", "bonus of the year and a correction"]
                ),
            }
            cells = (f'"{cell}"' if "," in str(cell) else str(cell) for cell in row.values())
            table.write(",".join(cells) + "\n")
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")
            person = {key: row[key] for key in ("emp_no", "national_id")}
            parts = [{"kind": kind, "amount": row["tax"]} for kind in ("tax", "levy", "loan")[: number % 4]]
            rest = {key: row[key] for key in row if key not in person}
            nested.write(json.dumps({"person": person, **rest, "lines": parts}, ensure_ascii=False) + "\n")
            lacking = others.choice(["tax", "remark", "", ""])
            row[others.choice(["tax", "remark", "currency"])] = None
            loose.write(json.dumps({key: row[key] for key in row if key != lacking}, ensure_ascii=False) + "\n")


def least(reader: str, kind: str, folder: Path, rounds: int) -> tuple[float, float]:
    """Processor seconds and peak megabytes of the best round, each in a process of its own."""
    command = [sys.executable, __file__, "--one", reader, kind, str(folder)]
    return min(
        tuple(map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()))
        for _ in range(rounds)
    )


def one(reader: str, kind: str, folder: Path) -> None:
    """Read one file with one reader; prints its seconds and megabytes."""
    work = {"ours": ours, "duckdb": duckdb, "pandas": pandas}[reader]
    # imports and first calls are not what is measured
    work(kind, folder / f"few.{kind}", folder / f"{reader}.parquet")
    begun = time.process_time()
    work(kind, folder / f"rows.{kind}", folder / f"{reader}.parquet")
    seconds = time.process_time() - begun
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def ours(kind: str, path: Path, out: Path) -> None:
    """What `validate` does to a landed object: typed rows, written by the engine."""
    import pyarrow as pa

    from potable.engines.duckdb import DuckDBEngine
    from potable.plugins import load
    from potable.sources.base import Blob
    from potable.sources.typed import schema

    pa.set_cpu_count(1)
    name = kind if kind == "csv" else "json"
    columns = NESTED if kind == "nested.ndjson" else COLUMNS
    declared: dict[str, Any] = {"source": "s", "type": name, "path": "x", "tables": {"t": {"columns": columns}}}
    source = load("sources", name).model_validate(declared)
    engine = DuckDBEngine(memory=2 << 30, threads=1, scratch=out.parent / "scratch")
    blob = Blob(path.name, str(path.parent), path.name, False, path.stat().st_size)
    rows = engine.map_items([blob], partial(source.parse, "t"), schema(source.tables["t"]))
    engine.write(rows, str(out.with_suffix("")))
    engine.close()


def duckdb(kind: str, path: Path, out: Path) -> None:
    """DuckDB's scan with the same declared types."""
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    columns = NESTED_SQL if kind == "nested.ndjson" else SQL
    function = f"read_json(?, format='newline_delimited', columns={columns})"
    if kind == "csv":
        function = f"read_csv(?, header=true, columns={SQL})"
    connection.execute(f"COPY (FROM {function}) TO '{out}' (FORMAT parquet, COMPRESSION zstd)", [str(path)])


def pandas(kind: str, path: Path, out: Path) -> None:
    """pandas in chunks, keys kept as texts."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = dict.fromkeys(("emp_no", "national_id", "pay_date"), "str")
    if kind == "csv":
        chunks = pd.read_csv(path, dtype=texts, chunksize=200_000)
    else:
        chunks = pd.read_json(path, lines=True, dtype=texts, convert_dates=False, chunksize=200_000)
    writer = None
    with chunks:
        for chunk in chunks:
            if kind == "nested.ndjson":
                people = chunk.pop("person")
                for name in ("emp_no", "national_id"):
                    chunk[name] = people.str[name]
                chunk["lines"] = chunk["lines"].map(json.dumps)
            # where keys are missing, chunks have other columns in another order
            chunk = chunk.reindex(columns=list(NESTED if kind == "nested.ndjson" else COLUMNS))
            chunk["pay_date"] = pd.to_datetime(chunk["pay_date"])
            table = pa.Table.from_pandas(chunk, schema=writer and writer.schema, preserve_index=False)
            writer = writer or pq.ParquetWriter(out, table.schema, compression="zstd")
            writer.write_table(table)
    assert writer
    writer.close()


if __name__ == "__main__":
    if "--one" in sys.argv:
        one(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        main()
