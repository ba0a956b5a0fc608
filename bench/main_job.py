"""The main job, measured: time of each verb, the whole run against one plain parse of the same bytes, memory.

    python bench/main_job.py --employees 20000 [--years 20] [--keep DIR] [--no-tenth]

Runs the attrition project on a synthetic company of `--employees` and on one a tenth of that size, each in
a fresh process, and prints ratios. The plain parse reads the same raw files once with the fastest reader
per format (xml2arrow, DuckDB for CSV and JSON, sqlite3, zipfile + lxml) on as many processes, typing nothing,
checking nothing and keeping nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any

VERBS = ("ingest", "validate", "resolve", "protect", "build", "publish")
LIMIT_RATIO, LIMIT_MEMORY, LIMIT_GROWTH = 5.0, 1.2, 1.2


def main() -> None:
    """Measure and print; exits 1 when a limit on memory is broken (times are only reported)."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(dir=arguments.keep) as folder:
        sizes = [arguments.employees] if arguments.no_tenth else [arguments.employees // 10, arguments.employees]
        results = [_measured(Path(folder) / str(size), size, arguments) for size in sizes]
    _show(results, arguments)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--employees", type=int, default=20_000)
    parser.add_argument("--years", type=int, default=20)
    parser.add_argument("--memory", default="2GB", help="the project's memory setting")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", help="folder to work in; its content is removed again")
    parser.add_argument("--no-tenth", action="store_true", help="leave out the run at a tenth of the size")
    return parser.parse_args()


def _measured(folder: Path, employees: int, arguments: argparse.Namespace) -> dict[str, Any]:
    estate, project = folder / "estate", folder / "project"
    python = [sys.executable, "-m"]
    size = ["--employees", str(employees), "--years", str(arguments.years), "--seed", "7"]
    made = _timed(lambda: _call([*python, "potable.estate", "make", str(estate), *size]))
    _call([*python, "potable", "init", str(project)])
    settings = project / "potable.yaml"
    text = settings.read_text().replace("memory: 2GB", f"memory: {arguments.memory}")
    settings.write_text(text.replace("threads: 2", f"threads: {arguments.threads}"))
    serve = [*python, "potable.estate", "serve", str(estate), "--"]
    run = [*serve, *python, "potable", "-C", str(project), "run", "-o", "json"]
    record = json.loads(_call(run))
    plain = plain_parse(estate, arguments.threads)
    again = json.loads(_call(run))
    return {"employees": employees, "made": made, "record": record, "plain": plain, "again": again["seconds"]}


def _call(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


# one plain parse of the same bytes


def plain_parse(estate: Path, processes: int) -> dict[str, float]:
    """Seconds per format to read every raw file once."""
    exports, interviews = sorted((estate / "payroll").iterdir()), sorted((estate / "exit_interviews").iterdir())
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(_nothing, range(processes)))
        seconds = {
            "xml": _timed(lambda: list(pool.map(_parse_xml, exports, chunksize=4))),
            "docx": _timed(lambda: list(pool.map(_parse_docx, _groups(interviews, 200)))),
        }
    seconds["csv"] = _timed(lambda: _parse_csv(estate / "reviews"))
    seconds["json"] = _timed(lambda: _parse_json(estate / "lms" / "trainings.ndjson"))
    seconds["sql"] = _timed(lambda: _parse_sqlite(estate / "hrms" / "hrms.sqlite"))
    return seconds


def _nothing(number: int) -> int:
    import xml2arrow

    return number if xml2arrow else 0


def _parse_xml(path: Path) -> int:
    import xml2arrow
    from isal import igzip

    paths = ["@id", "employee/empNo", "employee/nationalId", "employee/name", "payDate", "gross", "gross/@currency"]
    paths += ["grossUsd", "reporting/grossUsd", "net", "overtimeHours", "bonus", "costCentre"]
    fields = [
        {"name": f"f{i}", "xml_path": f"/payroll/payslip/{item}", "data_type": "Utf8", "nullable": True}
        for i, item in enumerate(paths)
    ]
    table = {"name": "payslip", "xml_path": "/payroll", "levels": [], "fields": fields}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(json.dumps({"tables": [table]}))
        file.flush()
        parser = xml2arrow.XmlToArrowParser(file.name)
    with igzip.open(path) as stream:
        return sum(batch.num_rows for _, batch in parser.parse_batches(stream, max_rows_per_batch=16_384))


def _groups(paths: list[Path], size: int) -> Iterable[list[Path]]:
    return (paths[start : start + size] for start in range(0, len(paths), size))


def _parse_docx(paths: list[Path]) -> int:
    import zipfile

    from lxml import etree

    total = 0
    for path in paths:
        with zipfile.ZipFile(path) as package:
            total += len("".join(etree.fromstring(package.read("word/document.xml")).itertext()))
    return total


def _parse_csv(folder: Path) -> None:
    import duckdb

    connection = duckdb.connect()
    for path in sorted(folder.iterdir()):
        encoding = "utf-8" if path.read_bytes()[:3] == b"\xef\xbb\xbf" else "latin-1"
        connection.execute(
            "SELECT max(length(concat(COLUMNS(*)))) FROM read_csv(?, all_varchar=true, encoding=?, ignore_errors=true)",
            [str(path), encoding],
        ).fetchall()


def _parse_json(path: Path) -> None:
    import duckdb

    columns = "max(hours), max(score), max(completed_at::VARCHAR), max(user.email), max(course.title)"
    duckdb.connect().execute(f"SELECT {columns} FROM read_ndjson(?)", [str(path)]).fetchall()


def _parse_sqlite(path: Path) -> None:
    import sqlite3

    with closing(sqlite3.connect(path)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            cursor = connection.execute(f'SELECT * FROM "{name}"')
            while cursor.fetchmany(50_000):
                pass


# the result


def _show(results: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    print(f"memory setting {arguments.memory}, {arguments.threads} threads, {arguments.years} years\n")
    failed = [problem for result in results for problem in _show_one(result)]
    if len(results) == 2:
        small, large = (result["record"]["peak_memory"] for result in results)
        print(f"peak memory with 10x the people: {large / small:.2f}x (limit {LIMIT_GROWTH}x)")
        if large / small > LIMIT_GROWTH:
            failed.append(f"peak memory grew {large / small:.2f}x")
    if failed:
        sys.exit("; ".join(failed))


def _show_one(result: dict[str, Any]) -> Iterable[str]:
    record, plain = result["record"], sum(result["plain"].values())
    raw = next(stage for stage in record["funnel"] if stage["stage"] == "raw")
    print(f"{result['employees']:,} employees, {raw['bytes'] / 1e6:,.0f} MB as received, {raw['files']:,} objects")
    for verb in VERBS:
        seconds = sum(step["seconds"] for step in record["steps"] if step["verb"] == verb)
        print(f"  {verb:<10} {seconds:8.1f} s  {seconds / record['seconds']:5.0%}")
    formats = ", ".join(f"{name} {seconds:.1f}" for name, seconds in result["plain"].items())
    ratio, memory = record["seconds"] / plain, record["peak_memory"] / record["memory"]
    print(f"  whole run  {record['seconds']:8.1f} s  = {ratio:.1f} x one plain parse (aim {LIMIT_RATIO:.0f})")
    print(f"  plain parse {plain:7.1f} s  ({formats})")
    print(f"  run again, nothing new: {result['again']:.1f} s")
    print(
        f"  peak memory {record['peak_memory'] / 2**20:,.0f} MB = {memory:.2f} of the setting (limit {LIMIT_MEMORY})\n"
    )
    if memory > LIMIT_MEMORY:
        yield f"peak memory is {memory:.2f} of the setting at {result['employees']:,} employees"


if __name__ == "__main__":
    main()
