"""Checks: 200 of them over a plain scan of the same columns, and 50 mixed ones beside Great Expectations.

    python bench/checks.py [--rows 10000000] [--gx-rows 1000000] [--memory 2GB] [--spark]

Payslips as typed Parquet, twelve columns, one row in a hundred with something wrong. Every measurement is a fresh
process, timed without its imports; ratios of one run are what counts. `scan` reads every column and keeps nothing,
`copy` writes the same rows again as zstd Parquet, which validate does too. Great Expectations (GX) gets its data ready
in memory (pandas), from the same Parquet file and is asked which rows fail, as validate is (pandas, which rows), or as
the same Parquet files (Spark).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS: dict[str, dict[str, Any]] = {
    "emp_no": {"type": "string", "category": "none"},
    "site": {"type": "string", "category": "none"},
    "currency": {"type": "string", "category": "none"},
    "email": {"type": "string", "category": "none"},
    "run": {"type": "integer", "category": "none"},
    "hours": {"type": "integer", "category": "none"},
    "gross": {"type": "decimal(12,2)", "category": "none"},
    "net": {"type": "decimal(12,2)", "category": "none"},
    "rate": {"type": "float", "category": "none"},
    "share": {"type": "float", "category": "none"},
    "pay_date": {"type": "date", "category": "none"},
    "closed_on": {"type": "date", "category": "none"},
}
NUMBERS = {"run": 250, "hours": 300, "gross": 90_000, "net": 90_000, "rate": 100.0, "share": 1.0}
SITES = ["Berlin", "Pune", "Leeds", "Austin", "Chennai", "Köln"]
PLACE = ["_object", "_row"]
"""Columns that say where a row came from."""
CURRENCIES = ["EUR", "INR", "GBP", "USD"]
SPARK_CONF = {"spark.driver.memory": "3g", "spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2"}


def main() -> None:
    """Make the data, measure and print two tables."""
    arguments = _arguments()
    if arguments.task:
        print(json.dumps(_measured(arguments)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        for name, rows in (("many", arguments.rows), ("few", arguments.gx_rows)):
            make(Path(folder) / f"{name}.parquet", rows)
        many = [_run(arguments, task, Path(folder) / "many.parquet") for task in ("scan", "copy", "none", "many")]
        print(f"{arguments.rows:,} rows, 12 columns, memory: {arguments.memory}")
        told = ["plain scan", "copy to Parquet", "validate, no checks", "validate, 200 checks"]
        _table(told, many, many[0])
        tasks = ["fifty", "gx-pandas", "gx-pandas-rows", *(["gx-spark"] if arguments.spark else [])]
        few = [_run(arguments, task, Path(folder) / "few.parquet") for task in tasks]
        print(f"\n{arguments.gx_rows:,} rows, 50 mixed expectations")
        _table(["potable", "GX, pandas", "GX, pandas, which rows", "GX, Spark"], few, few[0])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--gx-rows", type=int, default=1_000_000)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--spark", action="store_true", help="GX on Spark too")
    parser.add_argument("--work", metavar="DIR", help="folder to work in; what is put there is removed again")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(arguments: argparse.Namespace, task: str, file: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--task", task, "--file", str(file), "--memory", arguments.memory]
    with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
        done = subprocess.run([*command, "--work", scratch], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{task}: {done.stderr[-3000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _table(names: list[str], found: list[dict[str, float]], base: dict[str, float]) -> None:
    print(f"{'':30}{'wall s':>9}{'CPU s':>9}{'x wall':>9}{'x CPU':>9}{'peak MB':>9}")
    for name, one in zip(names, found, strict=False):
        ratios = f"{one['wall'] / base['wall']:9.2f}{one['cpu'] / base['cpu']:9.2f}"
        print(f"{name:30}{one['wall']:9.2f}{one['cpu']:9.2f}{ratios}{one['peak']:9.0f}")


# the data


def make(path: Path, rows: int) -> None:
    """Parsed payslips: the columns and where each record came from."""
    with pq.ParquetWriter(path, _schema(), compression="zstd") as writer:
        for first in range(0, rows, 1_000_000):
            writer.write_batch(_batch(first, min(1_000_000, rows - first)))


def _schema() -> pa.Schema:
    from potable.sources.groups import schema

    return schema(_declared([]))


def _batch(first: int, rows: int) -> pa.RecordBatch:
    dice = np.random.default_rng(first)
    number = np.arange(first, first + rows)
    bad = dice.random(rows) < 0.01
    cents = dice.integers(100_000, 9_000_000, rows)
    day = np.datetime64("2006-01-31") + (number % 240) * 30
    gross = pa.array(np.where(bad, -cents, cents)).cast(pa.decimal128(20, 0))
    values: dict[str, Any] = {
        "emp_no": pa.array(np.char.add("E", np.char.zfill((number // 240).astype(str), 7))),
        "site": pa.array(np.array(SITES, object)[dice.integers(0, len(SITES), rows)]),
        "currency": pa.array(np.where(bad, "XXX", np.array(CURRENCIES, object)[dice.integers(0, 4, rows)])),
        "email": pa.array(np.char.add(np.char.add("p", (number // 240).astype(str)), "@corp.example")),
        "run": number % 240,
        "hours": dice.integers(0, 300, rows),
        "gross": _decimal(gross),
        "net": _decimal(pa.array(cents * 7 // 10).cast(pa.decimal128(20, 0))),
        "rate": dice.random(rows) * 100,
        "share": pa.array(dice.random(rows), mask=dice.random(rows) < 0.1),
        "pay_date": pa.array(day),
        "closed_on": pa.array(day + 10),
        "_object": pa.array(np.char.add("payroll_", (number // 100_000).astype(str))),
        "_row": number % 100_000 + 1,
        "_batch": np.ones(rows, np.int64),
    }
    arrays = [
        pa.nulls(rows, field.type) if field.name not in values else pa.array(values[field.name]).cast(field.type)
        for field in _schema()
    ]
    return pa.record_batch(arrays, schema=_schema())


def _decimal(cents: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return (
        pc.multiply(cents, pa.scalar(Decimal("0.01"), pa.decimal128(3, 2)))
        .cast(pa.decimal128(22, 2))
        .cast(pa.decimal128(12, 2), safe=False)
    )


# the checks


def two_hundred() -> list[dict[str, Any]]:
    """Checks of rows of every kind, none of them the same."""
    made: list[dict[str, Any]] = [
        {"expect_column_values_to_not_be_null": {"column": name}} for name in COLUMNS if name != "share"
    ]
    for step in range(20):
        for name, top in NUMBERS.items():
            made.append({_BETWEEN: {"column": name, "min_value": -step, "max_value": top + step * 7}})
    for step in range(16):
        made.append({_IN_SET: {"column": "currency", "value_set": [*CURRENCIES, f"X{step}"]}})
        made.append({_REGEX: {"column": "email", "regex": f"^[a-z]{{1,{step + 1}}}[0-9]+@corp[.]example$"}})
        made.append({_LENGTHS: {"column": "emp_no", "min_value": 1, "max_value": 8 + step}})
        made.append({_IN_SET: {"column": "site", "value_set": [*SITES, f"Site {step}"]}})
    for one, two in (("closed_on", "pay_date"), ("gross", "net"), ("rate", "share")):
        made.append({_GREATER: {"column_A": one, "column_B": two, "or_equal": True, "severity": "warn"}})
    return made[:200]


def fifty() -> list[dict[str, Any]]:
    """Rows, columns as wholes and the table, mixed."""
    rows = two_hundred()
    picked = [*rows[:8], *rows[12:24], *rows[132:152], *rows[-4:]]
    wholes = [{f"expect_column_{what}_to_be_between": {"column": "hours", "min_value": 0}} for what in ("min", "mean")]
    wholes += [{"expect_column_max_to_be_between": {"column": "rate", "max_value": 200}}]
    wholes += [{"expect_column_stdev_to_be_between": {"column": "rate", "min_value": 0}}]
    wholes += [{"expect_column_unique_value_count_to_be_between": {"column": "site", "min_value": 1}}]
    wholes += [{"expect_table_row_count_to_be_between": {"min_value": 1}}]
    return [*picked, *wholes]


_BETWEEN = "expect_column_values_to_be_between"
_IN_SET = "expect_column_values_to_be_in_set"
_REGEX = "expect_column_values_to_match_regex"
_LENGTHS = "expect_column_value_lengths_to_be_between"
_GREATER = "expect_column_pair_values_a_to_be_greater_than_b"


def _declared(checks: list[dict[str, Any]]) -> Any:
    from potable.tables import Table

    return Table.model_validate({"columns": COLUMNS, "checks": checks})


# one measurement


def _measured(arguments: argparse.Namespace) -> dict[str, float]:
    from potable.runs.memory import PeakMemory

    theirs = {"gx-pandas": _gx_pandas, "gx-pandas-rows": _gx_pandas_rows, "gx-spark": _gx_spark}
    work = theirs.get(arguments.task, _ours)(arguments)
    next(work)
    with PeakMemory() as watched:
        begun, cpu = time.monotonic(), _cpu()
        next(work)
        wall, spent = time.monotonic() - begun, _cpu() - cpu
    with suppress(StopIteration):
        next(work)
    return {"wall": wall, "cpu": spent, "peak": watched.peak / 1e6}


def _cpu() -> float:
    import psutil

    used = resource.getrusage(resource.RUSAGE_SELF)
    children = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return used.ru_utime + used.ru_stime + sum(times.user + times.system for times in children)


def _ours(arguments: argparse.Namespace) -> Iterator[None]:
    """Ready, then done, then closed."""
    from potable.contracts.checks import parse
    from potable.contracts.validate import Contract, Places, validate
    from potable.deployment import memory_bytes
    from potable.engines.base import scalars
    from potable.engines.duckdb import DuckDBEngine

    engine = DuckDBEngine(memory=memory_bytes(arguments.memory), threads=2, scratch=Path(arguments.work) / "scratch")
    rows = engine.read([arguments.file], _schema())
    table = _declared({"none": [], "many": two_hundred(), "fifty": fifty()}.get(arguments.task, []))
    checks, errors = parse("payslips", table)
    assert not errors, [error.problem for error in errors]
    places = Places(f"{arguments.work}/rows", f"{arguments.work}/quarantine")
    todo = {
        "scan": lambda: scalars(engine, rows.agg(**{name: rows[name].max() for name in rows.columns})),
        "copy": lambda: engine.write(rows, f"{arguments.work}/copy"),
    }.get(arguments.task, partial(validate, rows, Contract("p.p", table, checks), engine=engine, places=places))
    yield
    todo()
    yield
    engine.close()


def _gx_suite() -> Any:
    import great_expectations as gx
    from great_expectations.expectations.registry import get_expectation_impl

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    suite = gx.ExpectationSuite(name="suite")
    for item in fifty():
        ((name, given),) = item.items()
        kwargs = {key: value for key, value in given.items() if key != "severity"}
        suite.add_expectation(get_expectation_impl(name)(**kwargs))
    return context, suite


def _gx_pandas(arguments: argparse.Namespace) -> Iterator[None]:
    """Of a frame that is there already, counts and twenty examples."""
    context, suite = _gx_suite()
    batch = _batch_of(context, _frame(arguments.file, list(COLUMNS)))
    yield
    batch.validate(suite, result_format="BASIC")
    yield


def _gx_pandas_rows(arguments: argparse.Namespace) -> Iterator[None]:
    """As `validate` has to: from the file, and which rows fail."""
    context, suite = _gx_suite()
    wanted = {"result_format": "COMPLETE", "unexpected_index_column_names": PLACE}
    yield
    _batch_of(context, _frame(arguments.file, [*COLUMNS, *PLACE])).validate(suite, result_format=wanted)
    yield


def _batch_of(context: Any, frame: Any) -> Any:
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("asset")
    return asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": frame})


def _frame(file: str, columns: list[str]) -> Any:
    frame = pq.read_table(file, columns=columns).to_pandas()
    for name in ("gross", "net"):
        # GX compares floats faster than decimals
        frame[name] = frame[name].astype("float64")
    for name in ("pay_date", "closed_on"):
        frame[name] = frame[name].astype("datetime64[ns]")
    return frame


def _gx_spark(arguments: argparse.Namespace) -> Iterator[None]:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]")
    for key, value in SPARK_CONF.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    context, suite = _gx_suite()
    asset = context.data_sources.add_spark("spark").add_dataframe_asset("asset")
    frame = spark.read.parquet(arguments.file).select(*COLUMNS)
    batch = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": frame})
    yield
    batch.validate(suite, result_format="BASIC")
    yield
    spark.stop()


if __name__ == "__main__":
    main()
