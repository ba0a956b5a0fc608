"""Workbooks: every cell one exact text, every sheet that belongs to a table, and no bomb unpacked."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.datetime import CALENDAR_MAC_1904, WINDOWS_EPOCH
from pydantic import ValidationError
from tests.sources.objects import SECRET, blob, parsed, refusal, values

from potable.errors import DataError
from potable.sources import workbook as module
from potable.sources.files import COMPOUND
from potable.sources.xlsx import XlsxSource


def source(columns: dict[str, Any] | None = None, **keys: Any) -> XlsxSource:
    table = {"columns": columns or {"a": {}, "b": {}}, **keys}
    return XlsxSource.model_validate({"source": "s", "type": "xlsx", "path": "x", "tables": {"t": table}})


def saved(rows: Sequence[Sequence[Any]], change: Callable[[Any], object] = lambda book: None) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    change(book)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def read(tmp_path: Path, data: bytes, columns: dict[str, Any] | None = None, **keys: Any) -> list[Any]:
    return values(parsed(source(columns, **keys), blob(tmp_path, data)), "_row", "a", "b")


CELLS = [
    (12345.0, "12345"),
    (12345, "12345"),
    (1.10, "1.1"),
    (0.1, "0.1"),
    (1e-7, "0.0000001"),
    (1e20, "100000000000000000000"),
    (-0.5, "-0.5"),
    (True, "true"),
    (False, "false"),
    ("007", "007"),
    ("é\n ", "é"),
    (date(2020, 2, 29), "2020-02-29"),
    (datetime(2020, 2, 29, 13, 5, 59), "2020-02-29T13:05:59"),
    (time(7, 30), "07:30:00"),
    (timedelta(hours=30, minutes=5), "30:05:00"),
]


@pytest.mark.parametrize(("cell", "text"), CELLS, ids=[repr(cell) for cell, _ in CELLS])
def test_a_cell_is_one_exact_text(tmp_path: Path, cell: Any, text: str | None) -> None:
    assert read(tmp_path, saved([("a", "b"), (cell, "x")])) == [(1, text, "x")]


def test_dates_are_right_in_both_calendars(tmp_path: Path) -> None:
    def mac(book: Any) -> None:
        book.epoch = CALENDAR_MAC_1904
        book.active.append((date(2020, 2, 29), datetime(1999, 12, 31, 23, 0)))

    assert read(tmp_path, saved([("a", "b")], mac)) == [(1, "2020-02-29", "1999-12-31T23:00:00")]


def test_an_error_keeps_its_text(tmp_path: Path) -> None:
    def broken(book: Any) -> None:
        for place, text in {"A2": "#N/A", "B3": "#DIV/0!"}.items():
            book.active[place].value, book.active[place].data_type = text, "e"

    data = saved([("a", "b"), (1, 2), (3, 4), (5, 6)], broken)
    columns = {"a": {"type": "integer", "null_values": ["#N/A"]}, "b": {"type": "integer"}}
    rows = parsed(source(columns), blob(tmp_path, data))
    assert values(rows, "a", "b", "_unparsed") == [(None, 2, None), (3, None, '{"b": "#DIV/0!"}'), (5, 6, None)]


SERIALS = [1, 2, 58, 59, 61, 62, 367, 1899, 2101, 20000, 43861, 43861.5, 43861.4166666667, 43861.9999999999, 2958465]


@pytest.mark.parametrize("epoch", [WINDOWS_EPOCH, CALENDAR_MAC_1904], ids=["1900", "1904"])
@given(more=st.lists(st.floats(61, 100_000) | st.integers(61, 100_000), max_size=9))
def test_a_number_in_a_column_of_moments_is_what_its_cell_would_show_as_one(epoch: datetime, more: list[float]) -> None:
    def fill(book: Any) -> None:
        book.epoch = epoch
        for number in [*SERIALS[: -1 if epoch is CALENDAR_MAC_1904 else None], *more]:
            if number not in range(1900, 2101):
                book.active.append([number, number])
                book.active.cell(book.active.max_row, 2).number_format = "yyyy-mm-dd hh:mm"

    with tempfile.TemporaryDirectory() as folder:
        rows = parsed(
            source({name: {"type": "timestamp"} for name in "ab"}), blob(Path(folder), saved([("a", "b")], fill))
        )
    assert values(rows, "a") == values(rows, "b") and not [row for row in rows if row["_mistyped"]]
    assert None not in values(rows, "a")


def test_a_number_counts_days_in_a_column_of_days_only(tmp_path: Path) -> None:
    columns = {"a": {"type": "date"}, "b": {"type": "integer"}, "c": {"type": "date", "format": "%y%m%d"}}
    cells = [(43861, 43861, 200131), (1, 1, "200131"), (59, 2, 990101), (61, 3, "31.01.2020"), (43861, 4, 43861)]
    rows = parsed(source(columns), blob(tmp_path, saved([("a", "b", "c"), *cells])))
    day = date(2020, 1, 31)
    assert values(rows, "a") == [day, date(1900, 1, 1), date(1900, 2, 28), date(1900, 3, 1), day]
    assert values(rows, "b") == [43861, 1, 2, 3, 4]
    assert values(rows, "c") == [day, day, date(1999, 1, 1), None, day]


# the 29 February 1900 that never was, what is no day, what may be a year, and texts
@pytest.mark.parametrize("cell", [0, 0.5, -1, 60, 60.5, 1900, 2024, 2100, 2958466, 1e7, True, "43861"])
def test_what_counts_no_day_is_mistyped(tmp_path: Path, cell: Any) -> None:
    rows = parsed(source({"a": {"type": "timestamp"}}), blob(tmp_path, saved([("a",), (cell,)])))
    assert values(rows, "a", "_mistyped") == [(None, "a")]


NEVER = "a formula that was never calculated (open the workbook in Excel or LibreOffice and save it)"


def test_a_formula_nobody_calculated_is_told_and_never_nothing(tmp_path: Path) -> None:
    cells = [("=1+1", "x", "=2", 1), ("y", "=A1", 3, "=4"), ("z", 5, 6, "=7"), (None, None, None, "=8")]
    columns = {"a": {"required": True}, "b": {"on_error": "null"}, "c": {"type": "integer"}}
    object_ = blob(tmp_path, saved([("a", "b", "c", "unread"), *cells]))
    rows = parsed(source(columns), object_)
    assert values(rows, "a", "b", "c", "_mistyped") == [
        (None, "x", None, f"a: {NEVER},c: {NEVER}"),
        ("y", None, 3, None),
        ("z", "5", 6, None),
        (None, None, None, None),
    ]
    told = [row["_unparsed"] and json.loads(row["_unparsed"]) for row in rows]
    assert told == [{"a": "#UNCALCULATED!", "c": "#UNCALCULATED!"}, {"b": "#UNCALCULATED!"}, None, None]
    assert "," not in NEVER and ";" not in NEVER
    nothing = {"a": {"null_values": ["#UNCALCULATED!"]}}
    assert values(parsed(source(nothing), object_), "a", "_mistyped")[0] == (None, None)
    assert b"#UNCALCULATED!" in source(columns).record("t", object_, 1)


@pytest.mark.parametrize(
    ("cell", "lost"),
    [
        ('<c r="A2"><f>1+1</f><v>2</v></c>', False),
        ('<c r="A2" t="str"><f>""</f><v></v></c>', False),
        ('<c r="A2" t="e"><f>1/0</f><v>#DIV/0!</v></c>', False),
        ('<c r="A2"><f>1+1</f></c>', True),
        ('<c r="A2"><f>1+1</f><v/></c>', True),
        ('<c r="A2" s="1"><f t="shared" si="0"/><v></v></c>', True),
        ('<c r="A2"><f t="array" ref="A2">A1</f>\n<v />\n</c>', True),
    ],
)
def test_only_formulas_without_a_value_are(tmp_path: Path, cell: str, lost: bool) -> None:
    row = f'<row r="2">{cell}<c r="B2"><v>1</v></c></row>'.encode()
    data = repacked(
        saved([("a", "b"), (1, 2)]),
        "xl/worksheets/sheet1.xml",
        lambda xml: re.sub(rb'<row r="2".*</row>', row, xml, flags=re.DOTALL),
    )
    ((text, told),) = values(parsed(source(), blob(tmp_path, data)), "a", "_unparsed")
    assert bool(told) == lost and not (lost and text)


def test_rows_and_columns_of_nothing_but_formulas_and_errors_are_there(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        book.active["B4"].value, book.active["B4"].data_type = "#N/A", "e"

    data = saved([("a", "b"), ("=1", None)], fill)
    assert values(parsed(source(), blob(tmp_path, data)), "_row", "b", "_mistyped") == [
        (1, None, f"a: {NEVER}"),
        (2, "#N/A", None),
    ]
    rows = parsed(source({"a": {"path": "#UNCALCULATED!"}}), blob(tmp_path, saved([("=1",), ("=2",)])))
    assert values(rows, "_mistyped") == [f"a: {NEVER}"]


def test_a_sheet_of_formulas_nobody_calculated_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_UNCALCULATED", 2)
    assert "open the workbook in Excel" in refusal(source(), blob(tmp_path, saved([("a", "b"), *[("=1", "=2")] * 2])))


def test_a_number_has_all_digits_that_a_program_wrote(tmp_path: Path) -> None:
    """Excel keeps fifteen; numbers of accounts have more, and several would become one."""
    numbers = [12345678901234567, -98765432109876543210, 9007199254740993, 4503599627370497, 1234567890123456]
    rows = [(1000 + place, "x") for place in range(len(numbers))]

    def longer(xml: bytes) -> bytes:
        for place, number in enumerate(numbers):
            xml = xml.replace(b"<v>%d</v>" % (1000 + place), b"<v>%d</v>" % number)
        return xml

    data = repacked(saved([("a", "b"), *rows, ("12345678901234567", "x")]), SHEET, longer)
    assert values(parsed(source(), blob(tmp_path, data)), "a") == [*map(str, numbers), "12345678901234567"]
    typed_ = source({"a": {"type": "decimal(38,0)"}})
    assert [int(value) for value in values(parsed(typed_, blob(tmp_path, data)), "a")][: len(numbers)] == numbers


def test_a_hidden_sheet_is_not_the_first(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(("a", "b"))
    book.active.append(("hidden", 1))
    book.active.sheet_state = "veryHidden"
    shown = book.create_sheet("shown")
    for row in (("a", "c"), ("shown", 2)):
        shown.append(row)
    out = io.BytesIO()
    book.save(out)
    for keys, found in (({}, ["shown"]), ({"sheet": 1}, ["hidden"]), ({"sheet": "*"}, ["hidden", "shown"])):
        assert values(parsed(source({"a": {}}, **keys), blob(tmp_path, out.getvalue())), "a") == found


def test_empty_rows_are_no_records_and_the_table_may_start_anywhere(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        sheet = book.active
        sheet["B2"] = "Report"
        sheet["C4"], sheet["D4"], sheet["C6"], sheet["D6"], sheet["C9"] = "a", "b", 1, 2, 3
        sheet["C50"].number_format = "0.00"

    assert read(tmp_path, saved([], fill), header=4) == [(1, "1", "2"), (2, "3", None)]
    assert read(tmp_path, saved([], fill), header=4, first=7) == [(1, "3", None)]


@pytest.mark.parametrize(
    ("sheet", "want"), [(1, ["x"]), (3, ["z"]), ("2021", ["y"]), ("20*", ["x", "y"]), ("*", ["x", "y", "z"])]
)
def test_sheets_are_found_by_number_name_or_pattern(tmp_path: Path, sheet: Any, want: list[str]) -> None:
    def fill(book: Any) -> None:
        book.active.title = "2020"
        for title, rows in {"2021": [("b", "a"), (None, "y")], "More": [("a", "b"), ("z",)]}.items():
            made = book.create_sheet(title)
            for row in rows:
                made.append(row)

    made = source({"a": {}, "s": {"path": "@sheet"}}, sheet=sheet)
    rows = parsed(made, blob(tmp_path, saved([("a", "b"), ("x", None)], fill)))
    assert values(rows, "a") == want
    assert values(rows, "_row") == list(range(1, len(want) + 1))
    assert {"x": "2020", "y": "2021", "z": "More"}[rows[0]["a"]] == rows[0]["s"]
    assert made.observe("t", blob(tmp_path, saved([("a", "b")], fill))) == {"a", "b"}


def test_merged_header_cells_name_all_their_columns(tmp_path: Path) -> None:
    def merge(book: Any) -> None:
        book.active.merge_cells("A1:A2")
        book.active.merge_cells("B1:C1")

    data = saved([("No", "Home", None), (None, "street", "city"), (1, "S", "C")], merge)
    made = source({"a": {"path": "No"}, "b": {"path": "Home city"}}, header=[1, 2])
    assert values(parsed(made, blob(tmp_path, data)), "a", "b") == [("1", "C")]
    assert made.observe("t", blob(tmp_path, data)) == {"No", "Home street", "Home city"}
    assert "two of its columns are called `Home`" in refusal(source({"a": {"path": "Home"}}), blob(tmp_path, data))


def repacked(data: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == part else old.read(name))
    return out.getvalue()


def renamed(data: bytes, name: str) -> bytes:
    """With the workbook's own part called otherwise."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for part in old.namelist():
            new.writestr(name if part == "xl/workbook.xml" else part, old.read(part))
    return out.getvalue()


def torn(data: bytes) -> bytes:
    """With zeros where the packed text of the sheet is."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        at = package.getinfo(SHEET).header_offset + 30 + len(SHEET)
    return data[: at + 8] + bytes(40) + data[at + 48 :]


SHEET = "xl/worksheets/sheet1.xml"
GOOD = saved([("a", "b"), (SECRET, 1)])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not an xlsx"),
        (b"\xd0\xcf\x11\xe0 an old one", "save other spreadsheets as xlsx"),
        (renamed(GOOD, "xl/workbook.bin"), "an .xlsb workbook; save it as xlsx"),
        (renamed(GOOD, "content.xml"), "OpenDocument"),
        (COMPOUND + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
        (GOOD[: len(GOOD) // 2], "damaged"),
        (GOOD[:100] + GOOD[150:], "damaged"),
        (b"PK\x03\x04" + SECRET.encode(), "damaged"),
        (torn(GOOD), "damaged"),
        (repacked(GOOD, SHEET, lambda xml: xml.replace(b'r="B2"', b'r="XFD1048576"')), "spans more"),
        (repacked(GOOD, SHEET, lambda xml: xml.replace(b' r="B2"', b"")), "without a position"),
        (repacked(GOOD, SHEET, lambda xml: b'<!DOCTYPE x [<!ENTITY a "b">]>' + xml), "document type"),
        (repacked(GOOD, SHEET, lambda xml: xml.decode().encode("utf-16")), "UTF-8"),
        (repacked(GOOD, SHEET, lambda xml: xml[:-40]), "damaged"),
        (repacked(GOOD, "xl/workbook.xml", lambda xml: xml.replace(b"Id", b"no")), "no sheet"),
    ],
    ids=[
        "empty",
        "xls",
        "xlsb",
        "ods",
        "sealed",
        "cut",
        "gap",
        "junk",
        "torn",
        "far cell",
        "no place",
        "entity",
        "utf-16",
        "cut sheet",
        "no sheet",
    ],
)
def test_what_cannot_be_read_is_refused_without_its_content(tmp_path: Path, data: bytes, why: str) -> None:
    assert why in refusal(source(), blob(tmp_path, data))


def test_a_workbook_without_the_sheet_is_refused(tmp_path: Path) -> None:
    assert "no sheet" in refusal(source(sheet="2020"), blob(tmp_path, GOOD))


@pytest.mark.parametrize("keys", [{"sheet": 0}, {"header": 0}, {"header": []}, {"first": 0}])
def test_a_table_that_cannot_be_is_refused_in_the_project(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        source(**keys)


BOMB = """
import io, sys, zipfile
from potable.errors import DataError
from potable.sources.blobs import Blob
from tests.sources import peak
from tests.sources.test_xlsx import source
before = peak.megabytes()
try:
    list(source().parse("t", Blob("bomb.xlsx", sys.argv[1], "bomb.xlsx", False, 0)))
except DataError as failure:
    print(failure.problem)
print(peak.megabytes() - before)
"""


def test_a_bomb_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("xl/workbook.xml", "xl/_rels/workbook.xml.rels"):
            archive.writestr(name, zipfile.ZipFile(io.BytesIO(GOOD)).read(name))
        with archive.open(SHEET, "w") as part:
            for _ in range((module.LARGEST_PART >> 20) + 2):
                part.write(bytes(1 << 20).replace(b"\0", b" "))
    done = subprocess.run([sys.executable, "-c", BOMB, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    problem, megabytes = done.stdout.splitlines()
    assert "unpacks to more than" in problem
    assert int(megabytes) < 60


TEXTS = st.none() | st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=8)


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=20))
def test_any_table_of_texts_reads_back(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    def fill(book: Any) -> None:
        for number, row in enumerate(rows, 2):
            for column, text in enumerate(row, 1):
                cell = book.active.cell(number, column)
                if text is not None:
                    cell.value = text
                    # or =x would be a formula
                    cell.data_type = "s"

    found = parsed(source(), blob(tmp_path_factory.mktemp("xlsx"), saved([("a", "b")], fill)))
    want = [
        tuple(pc.utf8_trim_whitespace(pa.scalar(text, pa.string())).as_py() or None for text in row) for row in rows
    ]
    assert values(found, "a", "b") == [row for row, cells in zip(want, rows, strict=True) if any(cells)]


def test_a_number_has_no_decimal_sign_whatever_its_column_declares(tmp_path: Path) -> None:
    columns = {"a": {"type": "decimal(12,3)", "decimal": ","}, "b": {"type": "float", "decimal": ","}}
    rows = [("a", "b"), (12.5, 0.125), ("1.250,5", "0,25"), (-3, 1e-7), ("1.125", 1125.125)]
    made = parsed(source(columns), blob(tmp_path, saved(rows)))
    assert [float(row["a"]) for row in made] == [12.5, 1250.5, -3, 1125]
    assert [row["b"] for row in made] == [0.125, 0.25, 1e-7, 1125.125]


TITLED = [("Complaints 2022", None, None), (None, None, None), ("a", "b", "c"), ("x", 1, 2), ("y", 3, 4)]


def test_a_title_above_the_header_is_told_and_not_taken_for_a_column(tmp_path: Path) -> None:
    data = blob(tmp_path, saved(TITLED))
    for look in (lambda made: parsed(made, data), lambda made: made.observe("t", data)):
        with pytest.raises(DataError) as told:
            look(source())
        assert "row 1 names only 1 of the 3 columns" in str(told.value) and "`header: 3`" in told.value.hint
        assert "Complaints" not in told.value.text()
    assert read(tmp_path, saved(TITLED), header=3) == [(1, "x", "1"), (2, "y", "3")]


def test_a_header_of_few_names_is_one_where_it_is_declared(tmp_path: Path) -> None:
    rows = [("a", None, None), ("x", 1, 2)]
    assert read(tmp_path, saved(rows), {"a": {}, "b": {}}, header=1) == [(1, "x", None)]
    with pytest.raises(DataError, match="names only 1 of the 3 columns") as told:
        read(tmp_path, saved(rows))
    assert told.value.hint.startswith("declare which row names the columns (`header: N`)"), "no row looks like one"


def test_sheets_of_one_header_are_not_left_unread_without_a_word(tmp_path: Path) -> None:
    def more(*header: str) -> Callable[[Any], None]:
        def fill(book: Any) -> None:
            book.create_sheet("Ann's").append(header)
            book.create_sheet("Notes").append(["a"])

        return fill

    rows = [("a", "b"), ("x", "y")]
    with pytest.raises(DataError, match="2 of its 3 sheets have this header") as told:
        read(tmp_path, saved(rows, more("b", "a")))
    assert '`sheet: "*"`' in told.value.hint and "Ann" not in told.value.text()
    assert read(tmp_path, saved(rows, more("b", "a")), sheet=1) == [(1, "x", "y")]
    assert read(tmp_path, saved(rows, more("a", "c"))) == [(1, "x", "y")]


@pytest.mark.parametrize("repeated", ["<c ", '<c t="e" ', '<c r="A1" <f ', "<a:c r= "])
def test_a_hostile_comment_takes_no_time_by_the_square(tmp_path: Path, repeated: str) -> None:
    """By the square it would be hours."""
    comment = f"</sheetData><!-- {repeated * (2_000_000 // len(repeated))} -->".encode()
    data = repacked(GOOD, SHEET, lambda xml: xml.replace(b"</sheetData>", comment))
    assert "cells without a position" in refusal(source(), blob(tmp_path, data))
