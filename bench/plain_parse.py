"""One plain parse of the estate's raw files: the yardstick the whole run is held against.

Reads every file once with the fastest reader per format (xml2arrow, DuckDB for CSV and JSON, sqlite3,
zipfile + lxml) on as many processes, typing nothing, checking nothing and keeping nothing.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any


def plain_parse(estate: Path, processes: int) -> dict[str, float]:
    """Seconds per format to read every raw file once."""
    exports, interviews = sorted((estate / "payroll").iterdir()), sorted((estate / "exit_interviews").iterdir())
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(_nothing, range(processes)))
        seconds = {
            "xml": _timed(lambda: list(pool.map(_parse_xml, exports, chunksize=4))),
            "docx": _timed(lambda: list(pool.map(parse_docx, _groups(interviews, 200)))),
        }
    seconds["csv"] = _timed(lambda: _parse_csv(estate / "reviews"))
    seconds["json"] = _timed(lambda: _parse_json(estate / "lms" / "trainings.ndjson"))
    seconds["sql"] = _timed(lambda: _parse_sqlite(estate / "hrms" / "hrms.sqlite"))
    return seconds


def _nothing(number: int) -> int:
    import xml2arrow

    return number if xml2arrow else 0


def xml2arrow_parser() -> Any:
    """xml2arrow, set to read the payslips' texts."""
    import xml2arrow

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
        return xml2arrow.XmlToArrowParser(file.name)


def _parse_xml(path: Path) -> int:
    from isal import igzip

    parser = xml2arrow_parser()
    with igzip.open(path) as stream:
        return sum(batch.num_rows for _, batch in parser.parse_batches(stream, max_rows_per_batch=16_384))


def _groups(paths: list[Path], size: int) -> Iterable[list[Path]]:
    return (paths[start : start + size] for start in range(0, len(paths), size))


def parse_docx(paths: list[Path]) -> int:
    """Characters of text in Word documents."""
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


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
