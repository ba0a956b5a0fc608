"""XML and documents, measured: payslips to typed Parquet beside plain readers of the same bytes; documents per second.

    python bench/sources_xml.py [--megabytes 300] [--documents 3000] [--work DIR]

Makes one document of payslips in the shape of the synthetic enterprise's, and reads it as the attrition example
declares it. Every line is one run in this process: megabytes of XML per second of clock and per second of processor.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from plain_parse import parse_docx, xml2arrow_parser

from potable.estate.generate import make
from potable.plugins import load
from potable.sources.base import Blob, Source

COLUMNS: dict[str, dict[str, Any]] = {
    "emp_no": {"path": "employee/empNo", "required": True},
    "national_id": {"path": "employee/nationalId", "null_values": ["999999999999", "NA"]},
    "name": {"path": "employee/name"},
    "pay_date": {"path": "payDate", "type": "date"},
    "gross": {"type": "decimal(12,2)"},
    "currency": {"path": "gross/@currency"},
    "gross_usd": {"path": ["grossUsd", "reporting/grossUsd"], "type": "decimal(12,2)"},
    "overtime_hours": {"path": "overtimeHours", "type": "decimal(6,2)"},
    "bonus": {"type": "decimal(12,2)"},
    "cost_centre": {"path": "costCentre"},
}
DEDUCTIONS = {
    "emp_no": {"path": "../../employee/empNo"},
    "line": {"path": "#", "type": "integer"},
    "kind": {"path": "@kind"},
    "pay_date": {"path": "../../payDate", "type": "date"},
}


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--megabytes", type=int, default=300)
    arguments.add_argument("--documents", type=int, default=3000)
    arguments.add_argument("--work", default=None)
    given = arguments.parse_args()
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory(dir=given.work) as folder:
        here = Path(folder)
        _xml(here, _estate(here), given.megabytes)
        _documents(here, given.documents)


def _estate(here: Path) -> Path:
    make(here / "estate", employees=300, years=20, seed=7)
    return here / "estate"


def _xml(here: Path, estate: Path, megabytes: int) -> None:
    path = here / "payroll.xml"
    size = _payslips(sorted((estate / "payroll").iterdir())[-1], path, megabytes << 20)
    packed = here / "payroll.xml.gz"
    with path.open("rb") as plain, gzip.open(packed, "wb", compresslevel=3) as sink:
        shutil.copyfileobj(plain, sink, 1 << 20)
    tables = {
        "payslips": {"record": "/payroll/payslip", "columns": COLUMNS},
        "deductions": {"record": "/payroll/payslip/deductions/deduction", "columns": DEDUCTIONS},
    }
    source = _source("xml", tables)
    works: dict[str, Callable[[], Iterable[pa.RecordBatch]]] = {
        "xml2arrow, texts": lambda: _plain(path),
        "potable, typed": lambda: source.parse("payslips", _blob(path)),
        "potable, typed, from gzip": lambda: source.parse("payslips", _blob(packed)),
        "potable, children with parents": lambda: source.parse("deductions", _blob(path)),
        "lxml iterparse, texts": lambda: _lxml(path),
    }
    print(f"{size >> 20} MiB of payslips to zstd Parquet\n{'':34}{'rows':>10}{'MB/s':>8}{'MB/s of processor':>20}")
    for name, work in works.items():
        rows, clock, processor = _written(work, here / "out.parquet")
        print(f"{name:34}{rows:>10,}{size / clock / 1e6:>8.0f}{size / processor / 1e6:>20.0f}", flush=True)


def _payslips(export: Path, path: Path, size: int) -> int:
    """One document of at least `size` bytes: the payslips of an export, over and over."""
    whole = gzip.decompress(export.read_bytes())
    first, last = whole.index(b"<pay:payslip "), whole.rindex(b"</pay:payroll>")
    with path.open("wb") as sink:
        sink.write(whole[:first])
        for _ in range(size // (last - first) + 1):
            sink.write(whole[first:last])
        sink.write(whole[last:])
    return path.stat().st_size


def _source(kind: str, tables: dict[str, Any]) -> Source[Any]:
    made: Source[Any] = load("sources", kind).model_validate(
        {"source": "s", "type": kind, "path": "x", "tables": tables}
    )
    return made


def _blob(path: Path) -> Blob:
    return Blob(path.name, str(path.parent), path.name, False, path.stat().st_size)


def _plain(path: Path) -> Iterator[pa.RecordBatch]:
    return (batch for _, batch in xml2arrow_parser().parse_batches(path, max_rows_per_batch=16_384))


def _lxml(path: Path) -> Iterator[pa.RecordBatch]:
    """A person's own loop: the records as dicts, in batches."""
    from lxml import etree

    space = "{urn:northwind:payroll:v1}"
    below = {
        name: "/".join(space + step for step in _first(column, name).split("/@")[0].split("/"))
        for name, column in COLUMNS.items()
    }

    def records() -> Iterator[dict[str, str | None]]:
        for _, element in etree.iterparse(str(path), tag=f"{space}payslip"):
            yield {name: element.findtext(place) for name, place in below.items()}
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]

    found = records()
    while part := list(islice(found, 16_384)):
        yield pa.RecordBatch.from_pylist(part)


def _first(column: dict[str, Any], name: str) -> str:
    path = column.get("path", name)
    return str(path if isinstance(path, str) else path[-1])


def _written(work: Callable[[], Iterable[pa.RecordBatch]], path: Path) -> tuple[int, float, float]:
    """Rows, and seconds of clock and of processor, to write what `work` gives."""
    clock, processor, rows = time.perf_counter(), time.process_time(), 0
    writer: pq.ParquetWriter | None = None
    for batch in work():
        writer = writer or pq.ParquetWriter(path, batch.schema, compression="zstd")
        writer.write_batch(batch)
        rows += batch.num_rows
    assert writer
    writer.close()
    return rows, time.perf_counter() - clock, time.process_time() - processor


def _documents(here: Path, count: int) -> None:
    columns = {"emp_no": {"path": ["Employee number", "Staff number"]}, "text": {"path": "@text"}}
    interviews = sorted((here / "estate" / "exit_interviews").iterdir())
    mail, letter = here / "letter.eml", here / "letter.pdf"
    text = "Employee number: E0012345\n" + "I leave because the way to the office takes two hours. \n" * 20
    mail.write_text(f"From: a@example.com\nSubject: Exit interview\n\n{text}", encoding="utf-8")
    letter.write_bytes(_pdf(text))
    print(f"\n{'documents':34}{'count':>10}{'per s':>8}{'per s of processor':>20}")
    for kind, paths, share in (("docx", interviews, 1), ("email", [mail], 1), ("pdf", [letter], 10)):
        source = _source(kind, {"t": {"columns": columns}})
        blobs = [_blob(paths[number % len(paths)]) for number in range(count // share)]
        _per_second(f"potable, {kind}", len(blobs), partial(source.parse_all, "t", blobs))
    _per_second(
        "zipfile + lxml, docx, text only",
        count,
        lambda: [parse_docx([interviews[number % len(interviews)]]) for number in range(count)],
    )


def _per_second(name: str, count: int, work: Callable[[], Iterable[Any]]) -> None:
    clock, processor = time.perf_counter(), time.process_time()
    for _ in work():
        pass
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    print(f"{name:34}{count:>10,}{count / clock:>8,.0f}{count / processor:>20,.0f}", flush=True)


def _pdf(text: str) -> bytes:
    from fpdf import FPDF

    made = FPDF()
    made.add_page()
    made.set_font("Helvetica", size=11)
    made.multi_cell(0, 6, text)
    return bytes(made.output())


if __name__ == "__main__":
    main()
