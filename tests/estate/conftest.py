"""One small estate for all tests of this folder, and the plain readers they share."""

import csv
import gzip
import json
import sqlite3
import zipfile
from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from lxml import etree

from potable.estate import Estate, make

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


@pytest.fixture(scope="session")
def estate(tmp_path_factory) -> Estate:
    return make(tmp_path_factory.mktemp("estate"), employees=500, years=10, seed=11)


@pytest.fixture(scope="session")
def truth(estate):
    """Reads a truth table as a list of dicts."""
    return lambda name: pq.read_table(estate.truth / f"{name}.parquet").to_pylist()


@pytest.fixture(scope="session")
def hrms(estate):
    """Reads a table of the HR database as dicts."""
    connection = sqlite3.connect(estate.directory / "hrms" / "hrms.sqlite")
    connection.row_factory = sqlite3.Row
    yield lambda table: [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY row_id")]
    connection.close()


@pytest.fixture(scope="session")
def dumps(estate):
    """File name -> records of a CSV dump, read as its generation wants it."""
    return {path.name: read_dump(path) for path in sorted((estate.directory / "reviews").glob("*.csv"))}


@pytest.fixture(scope="session")
def payslips(estate):
    """File name -> payslips as dicts of texts; `grossUsd` wherever the schema has it."""
    return {path.name: read_payroll(path) for path in sorted((estate.directory / "payroll").glob("*.gz"))}


@pytest.fixture(scope="session")
def trainings(estate):
    lines = (estate.directory / "lms" / "trainings.ndjson").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="session")
def bad(truth):
    """(table, column, reason) -> locators."""
    found = defaultdict(list)
    for row in truth("bad_rows"):
        found[row["table"], row["column"], row["reason"]].append(row["locator"])
    return found


@pytest.fixture(scope="session")
def documents(estate):
    """File name -> the form and the free text of a Word document."""
    return {path.name: read_document(path) for path in sorted(estate.directory.glob("exit_interviews/*.docx"))}


def read_dump(path: Path) -> list[dict[str, str]]:
    raw = path.read_bytes()
    old = not raw.startswith(b"\xef\xbb\xbf")
    text = raw.decode("latin-1" if old else "utf-8-sig")
    return list(csv.DictReader(text.splitlines(keepends=True), delimiter=";" if old else ",", strict=True))


def read_payroll(path: Path) -> list[dict[str, str]]:
    with gzip.open(path) as source:
        root = etree.parse(source).getroot()
    return [
        {
            etree.QName(leaf).localname: leaf.text or ""
            for leaf in slip.iter(etree.Element)
            if not len(leaf) and etree.QName(leaf).localname != "deduction"
        }
        | {"id": slip.get("id"), "version": str(1 + (slip.find("{*}costCentre") is not None))}
        for slip in root.findall("{*}payslip")
    ]


def read_document(path: Path) -> tuple[dict[str, str], str]:
    """The form and the free text of a Word document."""
    with zipfile.ZipFile(path) as package:
        assert package.testzip() is None
        parts = {name: etree.fromstring(package.read(name)) for name in package.namelist()}
    body = parts["word/document.xml"].find(f"{W}body")
    rows = [[paragraph_text(cell) for cell in row.iter(f"{W}tc")] for row in body.iter(f"{W}tr")]
    _title, *paragraphs = body.findall(f"{W}p")
    return {label: value for label, value in rows}, "\n".join(map(paragraph_text, paragraphs))


def paragraph_text(node) -> str:
    marks = {f"{W}tab": "\t", f"{W}br": "\n"}
    return "".join(leaf.text or "" if leaf.tag == f"{W}t" else marks.get(leaf.tag, "") for leaf in node.iter())
