"""The record behind a row, as its object holds it."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from tests.sources import (
    test_csv,
    test_docx,
    test_fixed,
    test_json,
    test_parquet,
    test_xlsx,
    test_xml,
    test_xml_children,
)
from tests.sources.objects import SECRET, blob, parsed

from potable.errors import DataError, EnvironmentFailure, PotableError
from potable.sources import csv, originals
from potable.sources.base import Source
from potable.sources.blobs import Blob
from potable.sources.rest import RestSource
from potable.sources.sql import SqlSource

RECORDS = [
    '<payslip id="1"/>',
    '<payslip id="/>"></payslip>',
    "<payslip>x/></payslip  \n>",
    "<payslip><a/></payslip>",
    '<payslip\n id = "é"><payslip/><!-- /> --></payslip>',
    "<payslip><![CDATA[</payslip>/>]]></payslip>",
]


def failure(source: Source[Any], held: Blob, ordinal: int) -> PotableError:
    with pytest.raises((DataError, EnvironmentFailure)) as caught:
        source.record("t", held, ordinal)
    assert SECRET not in caught.value.text() + repr(caught.value.__cause__)
    return caught.value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "iso-8859-1"])
def test_a_record_of_xml_is_cut_out_as_it_stands(tmp_path: Path, encoding: str) -> None:
    name = encoding.removesuffix("-be")
    body = "<x><payslip/></x>\n".join(["", *RECORDS, ""])
    document = f'<?xml version="1.0" encoding="{name}"?><payroll>{body}</payroll>'
    raw = b"\xfe\xff" * (encoding == "utf-16-be") + document.encode(encoding)
    held = blob(tmp_path, gzip.compress(raw))
    cut = encoding if encoding != "utf-16" else "utf-16-le"
    for ordinal, record in enumerate(RECORDS, 1):
        assert test_xml.source().record("t", held, ordinal).decode(cut) == record
    for ordinal in (0, -1, len(RECORDS) + 1):
        assert f"no record {ordinal}" in failure(test_xml.source(), held, ordinal).problem


def test_a_record_is_found_far_into_a_document_and_before_what_is_broken(tmp_path: Path) -> None:
    many = [f"<payslip><empNo>{number}</empNo></payslip>" for number in range(20_000)]
    held = blob(tmp_path, ("<payroll>" + "".join(many) + f"<payslip><empNo>{SECRET}</x>").encode())
    for ordinal in (1, 1500, 20_000):
        assert test_xml.source().record("t", held, ordinal).decode() == many[ordinal - 1]
    assert "not well-formed" in failure(test_xml.source(), held, 20_001).problem


def test_several_records_are_found_in_one_reading_with_their_places(tmp_path: Path) -> None:
    many = [f"<payslip>\n<empNo>{number}</empNo></payslip>" for number in range(20_000)]
    raw = ("<payroll>" + "".join(many) + f"<payslip><empNo>{SECRET}</x>").encode()
    found = []
    for original in test_xml.source().records("t", blob(tmp_path, gzip.compress(raw)), iter([1, 2, 1500, 20_000])):
        found.append((original.data.decode(), original.line))
        assert original.offset and raw[original.offset :].startswith(original.data)
    assert found == [(many[ordinal - 1], ordinal) for ordinal in (1, 2, 1500, 20_000)]
    with pytest.raises(DataError, match="not well-formed"):
        list(test_xml.source().records("t", blob(tmp_path, raw), [1, 20_001]))


@pytest.mark.parametrize("keys", [{}, {"comment": "#", "skip_lines": 2}], ids=["plain", "comments"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_record_of_csv_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any], newline: str
) -> None:
    monkeypatch.setattr(csv, "_BLOCK", 64)
    head, between = ("# a\nb\n# c\n", "# d\n") if keys else ("", "")
    lines = ["a,b"] + [f'"x\n{number}",{number}\n\n{between}{number},"#"' for number in range(50)]
    text = (head + "\n".join(lines)).replace("\n", newline)
    asked = [1, 2, 3, 50, 99, 100]
    found = [*test_csv.source(**keys).records("t", blob(tmp_path, text.encode("utf-16")), iter(asked))]
    assert [text.split(newline)[(each.line or 0) - 1] for each in found] == [
        '"x' if ordinal % 2 else f'{ordinal // 2 - 1},"#"' for ordinal in asked
    ]
    with pytest.raises(DataError, match="no record 101"):
        list(test_csv.source(**keys).records("t", blob(tmp_path, text.encode()), [7, 101]))


def test_a_record_of_fixed_width_is_told_with_its_line(tmp_path: Path) -> None:
    made = test_fixed.source(skip_lines=2)
    found = made.records("t", blob(tmp_path, b"HEAD\n\naaa b\n\nbb\nccc d\n"), [1, 2, 3])
    assert [(each.data, each.line) for each in found] == [(b"aaa b", 3), (b"bb", 5), (b"ccc d", 6)]


def test_a_record_too_large_to_show_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(originals, "LARGEST", 1 << 20)
    data = f"<payroll><payslip>{'<a>x</a>' * 300_000}</payslip></payroll>".encode()
    assert "larger than" in failure(test_xml.source(), blob(tmp_path, data), 1).problem


@settings(deadline=None, max_examples=50)
@given(tree=test_xml_children.trees())
def test_each_row_of_any_tree_has_its_record(tmp_path_factory: pytest.TempPathFactory, tree: etree._Element) -> None:
    sink = io.BytesIO()
    etree.ElementTree(tree).write(sink, encoding="utf-8")
    source = test_xml_children.source({"id": {"path": "@id"}, "v": {"path": "v"}}, "/c/d/e/r")
    held = blob(tmp_path_factory.getbasetemp(), sink.getvalue(), "tree")
    originals_ = [source.record("t", held, row["_row"]) for row in parsed(source, held)]
    expected = [etree.tostring(element, encoding="utf-8", with_tail=False) for element in tree.findall("d/e/r")]
    assert originals_ == expected


def test_a_document_is_its_own_record(tmp_path: Path) -> None:
    held = blob(tmp_path, test_docx.WHOLE)
    assert test_docx.source().record("t", held, 1) == test_docx.WHOLE
    assert "no record 2" in failure(test_docx.source(), held, 2).problem


def test_a_row_of_a_database_and_a_record_of_a_page_are_shown_as_json(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "d.sqlite") as connection:
        connection.execute("CREATE TABLE t (no INTEGER, name TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(1, "a"), (2, None)])
    connection.close()
    columns = {"columns": {"name": {}}}
    keys = {"source": "s", "type": "sql", "url": "sqlite:///d.sqlite", "tables": {"t": columns}}
    sql = SqlSource.model_validate(keys)
    (chunk,) = sql.arrivals(tmp_path)
    held = blob(tmp_path, chunk.open().read())
    assert json.loads(sql.record("t", held, 2)) == {"no": "2", "name": None}
    assert "no record 3" in failure(sql, held, 3).problem
    keys = {"source": "s", "type": "rest", "url": "http://127.0.0.1:9", "tables": {"t": {"endpoint": "x", **columns}}}
    rest = RestSource.model_validate(keys)
    page = blob(tmp_path, json.dumps({"data": [{"name": "é", "n": {"x": 1}}, {"name": None}]}).encode())
    assert json.loads(rest.record("t", page, 1)) == {"name": "é", "n": {"x": 1}}
    assert "no record 3" in failure(rest, page, 3).problem


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_record_of_csv_is_its_lines(tmp_path: Path, encoding: str) -> None:
    records = ['é,"one\r\ntwo, ""three"""', "ragged", '5" pipe,"x" y', ' "a,b"']
    text = "a,b\r\n\r\n" + "\r\n".join(records)
    held = blob(tmp_path, gzip.compress(text.encode(encoding)))
    cut = {"utf-16": "utf-16-le", "utf-8-sig": "utf-8"}.get(encoding, encoding)
    made = [test_csv.source().record("t", held, ordinal).decode(cut) for ordinal in range(1, 5)]
    assert made == records
    for ordinal in (0, -1, 5):
        assert f"no record {ordinal}" in failure(test_csv.source(), held, ordinal).problem


def test_open_bytes_of_windows_1252_stay_bytes(tmp_path: Path) -> None:
    held = blob(tmp_path, b"a,b\n\x81\xe9,2\n")
    assert test_csv.source().record("t", held, 1) == b"\x81\xe9,2"


@settings(deadline=None, max_examples=200)
@given(
    text=st.text('ab,"\n\r\\# é', max_size=24),
    block=st.sampled_from([1, 3, 1 << 20]),
    keys=st.sampled_from([{}, {"escape": "\\"}, {"quote": ""}, {"comment": "#"}]),
)
def test_every_row_of_any_csv_has_its_record(
    tmp_path_factory: pytest.TempPathFactory, text: str, block: int, keys: dict[str, str]
) -> None:
    source = test_csv.source(delimiter=",", encoding="utf-8", **keys)
    try:
        rows = parsed(source, blob(tmp_path_factory.getbasetemp(), b"a,b\n" + text.encode(), "any"))
    except DataError:
        return
    held = Blob("any", str(tmp_path_factory.getbasetemp()), "any", False, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv, "_BLOCK", block)
        found = [source.record("t", held, row["_row"]) for row in rows]
        assert f"no record {len(rows) + 1}" in failure(source, held, len(rows) + 1).problem
    # alone, what stood in an open quote would be a comment
    alone = test_csv.source(delimiter=",", encoding="utf-8", **{**keys, "comment": ""})
    for row, record in zip(rows, found, strict=True):
        if keys.get("escape") and record.endswith((b"\\\r", b"\\\n")):
            # an escaped newline is none, but at the end of a file pyarrow takes it for one
            continue
        if keys.get("quote") != "" and record.count(b'"') % 2 and record is found[-1]:
            # a quote that is never closed is noticed by their number, beside a stray one it is not
            continue
        (again,) = parsed(alone, blob(tmp_path_factory.getbasetemp(), b"a,b\n" + record, "one"))
        cells = ("a", "b", "_unparsed", "_mistyped")
        assert [again[name] for name in cells] == [row[name] for name in cells]


@pytest.mark.parametrize(("newlines", "encoding"), [(True, "cp1252"), (False, "cp037"), (True, "utf-16")])
def test_a_record_of_fixed_width_is_its_line(tmp_path: Path, newlines: bool, encoding: str) -> None:
    made = test_fixed.source(newlines=newlines, encoding=encoding)
    held = blob(tmp_path, ("\n\n" if newlines else "").join(["éü  2", "xyz  ", "cut"]).encode(encoding))
    cut = "utf-16-le" if encoding == "utf-16" else encoding
    assert [made.record("t", held, ordinal).decode(cut) for ordinal in (1, 2, 3)] == ["éü  2", "xyz  ", "cut"]
    for ordinal in (0, -1, 4):
        assert f"no record {ordinal}" in failure(made, held, ordinal).problem


@pytest.mark.parametrize("many", [0, 400])
def test_a_record_of_json_is_its_piece_of_the_file(tmp_path: Path, many: int) -> None:
    before = ['{"a":"x"}'] * many
    lines = [*before, '{"b" : 1.10, "a":"é"}', "{broken", "[1]"]
    held = blob(tmp_path, gzip.compress("\n\n".join(lines).encode()))
    found = [test_json.source().record("t", held, many + number).decode() for number in (1, 2, 3)]
    assert found == lines[many:]
    held = blob(tmp_path, ("[" + " ,\n".join(lines[:-2]) + "]").encode("utf-16"))
    assert test_json.source().record("t", held, many + 1).decode() == lines[many]
    for ordinal in (0, -1, many + 2):
        assert f"no record {ordinal}" in failure(test_json.source(), held, ordinal).problem


def test_a_record_inside_a_line_is_shown_as_json(tmp_path: Path) -> None:
    made = test_json.source(records="items")
    held = blob(tmp_path, b'{"items":[{"b": 1.10,"a":"x"}, 7]}\nno\n{"items":[{"a": "\\u00e9"}]}\n')
    found = [made.record("t", held, ordinal).decode() for ordinal in (1, 2, 3, 4)]
    assert found == ['{"a":"x","b":1.10}', "7", "no", '{"a":"é"}']


def test_a_row_of_a_workbook_is_shown_as_json(tmp_path: Path) -> None:
    held = blob(tmp_path, test_xlsx.saved([("a", "b", None, "b"), (1.5, "é", "x", 2), (None,) * 4, ("y",)]))
    made = test_xlsx.source({"a": {}})
    assert json.loads(made.record("t", held, 1)) == {"a": "1.5", "#2": "é", "#3": "x", "#4": "2"}
    assert json.loads(made.record("t", held, 2))["a"] == "y"
    for ordinal in (0, -1, 3):
        assert f"no record {ordinal}" in failure(made, held, ordinal).problem


def test_an_object_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    gone = Blob("a.xml", str(tmp_path), "raw/a.xml", False, 0)
    made = (test_xml, test_docx, test_csv, test_json, test_fixed, test_parquet, test_xlsx)
    for source in [module.source() for module in made]:
        assert failure(source, gone, 1).code == "E002"
