"""`potable source discover`: a first contract that loads, with evidence and without anybody's values."""

from __future__ import annotations

import gzip
import json
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from sqlite3 import connect
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from tests.sources import connector_of
from tests.sources.web import Server

from potable.cli.app import cli
from potable.cli.discovering import _columns
from potable.cli.drafting import quoted
from potable.cli.keyed import keyed, nameable
from potable.cli.reading import paging
from potable.errors import DataError, PotableError, ProjectError
from potable.privacy.called import snake
from potable.privacy.classify import Guess, classified, of_people
from potable.project import one_source
from potable.sources.csv import CsvSource
from potable.sources.databases.base import BITS
from potable.sources.keypaths import joined
from potable.sources.preview import preview
from potable.sources.rest import RestTable
from potable.sources.suggest import keys, suggested
from potable.sources.typed import convert
from potable.tables import UNPARSED, Column, Table

ROWS = [
    f"E{n:05d},Person{n} Testname,p{n}@example.org,2024-01-{n % 28 + 1:02d},{n * 10}.50,{'EUR' if n % 3 else 'USD'},00{n}\n"
    for n in range(60)
]
HEAD = "EmpNo,Full Name,Mail,Paid On,gross,currency,Cost Centre\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "sources").mkdir()
    (tmp_path / "dumps").mkdir()
    (tmp_path / "sources" / "pay.yaml").write_text("source: pay\ntype: csv\npath: ${env:DUMPS}\n")
    (tmp_path / ".env").write_text("DUMPS=dumps\n")
    (tmp_path / "dumps" / "a.csv").write_text(HEAD + "".join(ROWS))
    return tmp_path


def discover(project: Path, *arguments: str, source: str = "pay") -> Result:
    asked = ["-C", str(project), "source", "discover", source, *arguments]
    return CliRunner().invoke(cli, asked, catch_exceptions=False)


def columns(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(discover(project, "-o", "json").stdout)["pay"]["columns"]
    return {item["path"]: item for item in found.values()}


def cells(project: Path, source: str = "pay", table: str = "") -> tuple[int, dict[str, Any]]:
    """Cells that the file written cannot read of the data it was taken from, and the first record."""
    found = preview(one_source(project, source), base=project, rows=1000)[table or source].rows
    return found.num_rows - found[UNPARSED].null_count, found.slice(0, 1).to_pylist()[0]


def test_types_keys_and_categories_are_suggested(project: Path) -> None:
    found = columns(project)
    assert (found["EmpNo"]["key"], found["Mail"]["key"]) == ("emp_no", "email")
    assert found["Full Name"]["category"] == "user.name" and found["Mail"]["category"] == "user.contact.email"
    assert (found["Paid On"]["type"], found["gross"]["type"]) == ("date", "decimal(12,2)")
    # digits with zeros in front are a name, not a number
    assert found["Cost Centre"]["type"] == "string"


def test_digits_that_are_no_number_are_texts_though_none_begins_with_a_zero(project: Path) -> None:
    rows = "".join(f"E{number},{50_000 + number},{4930_000_000 + number},{number}\n" for number in range(30))
    (project / "dumps" / "a.csv").write_text("EmpNo,zip code,phone,hours\n" + rows)
    found = columns(project)
    types = {name: found[name]["type"] for name in ("zip code", "phone", "hours")}
    assert types == {"zip code": "string", "phone": "string", "hours": "integer"}
    said = discover(project).stdout
    assert "column: hours, min_value: 0" in said and said.count("min_value") == 1


def test_bits_of_a_database_are_no_numbers(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CsvSource, "promised", lambda source, table, base: {"flags": [BITS]})
    (project / "dumps" / "a.csv").write_text("EmpNo,flags\n" + "".join(f"E{n},1{n % 2}1\n" for n in range(30)))
    assert columns(project)["flags"]["type"] == "string"
    assert "bits or bytes in its database" in discover(project).stdout


def test_days_that_are_none_hide_no_date(project: Path) -> None:
    odd = ["0000-00-00", "infinity"]
    rows = "".join(f"E{n},{odd[n % 2] if n % 3 else f'2024-01-{n % 28 + 1:02}'},1\n" for n in range(40))
    (project / "dumps" / "a.csv").write_text("EmpNo,valid_to,n\n" + rows)
    assert columns(project)["valid_to"]["type"] == "date"
    assert discover(project, "--write").exit_code == 0
    unread, first = cells(project)
    assert (unread, first["valid_to"]) == (0, date(2024, 1, 1))


def test_placeholders_are_told_and_hide_no_type(project: Path) -> None:
    holes = ["N/A", "-", "NULL", "n/a", ""]
    rows = [f"E{n},{n % 28 + 1:02}.03.{n + 50},{'JN'[n % 2]},p{n}@firm.org,Delhi" for n in range(40)]
    rows += [f"E{50 + n},{hole},{hole},{hole},{hole}" for n, hole in enumerate(holes)]
    (project / "dumps" / "a.csv").write_text("EmpNo,Geb.-Datum,paid,Mail,Ort\n" + "\n".join(rows))
    found = columns(project)
    types = {name: (found[name]["type"], found[name]["format"]) for name in ("Geb.-Datum", "paid")}
    assert types == {"Geb.-Datum": ("date", "%d.%m.%y"), "paid": ("boolean", "J/N")}
    assert all(sorted(found[name]["null_values"]) == ["-", "N/A", "NULL", "n/a"] for name in found if name != "EmpNo")
    assert found["EmpNo"]["null_values"] == [] and found["EmpNo"]["required"] and not found["Ort"]["required"]
    assert discover(project, "--write").exit_code == 0
    text = (project / "sources" / "pay.yaml").read_text()
    # two digits of a year of birth mean the hundred years up to now
    assert "years_from: 19" in text and "N/A" in text
    unread, first = cells(project)
    assert (unread, first["geb_datum"], first["paid"]) == (0, date(1950, 3, 1), True)


@pytest.mark.parametrize("text", ["2024-01-31 10:00", "2024-01-31T10:00:00.5", "31.01.2024 10:00:00"])
@pytest.mark.parametrize("offset", ["", "Z", "+01:00", "-0500", " +01"])
def test_moments_without_an_offset_are_asked_about(project: Path, text: str, offset: str) -> None:
    rows = "".join(f"E{number},{text}{offset}\n" for number in range(30))
    (project / "dumps" / "a.csv").write_text("EmpNo,seen at\n" + rows)
    said = discover(project).stdout
    assert ("# timezone: `seen_at` has no offset" in said) == (not offset)
    path = project / "sources" / "pay.yaml"
    path.write_text(path.read_text() + "timezone: Asia/Kolkata\n")
    assert "no offset" not in discover(project).stdout


def test_nothing_is_ever_suggested_as_harmless(project: Path) -> None:
    text = discover(project).stdout
    assert "category: none" not in text and "category: decide" in text


def test_words_are_quoted_only_when_asked_for_and_shared(project: Path) -> None:
    path = project / "dumps" / "a.csv"
    rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{rows[0]},Manager", *(f"{row},Ada Boss" for row in rows[1:])]) + "\n")
    assert "value_set" not in discover(project).stdout
    text = discover(project, "--words").stdout
    assert "value_set: [EUR, USD]" in text
    # a manager of many is still somebody
    assert not any(word in text for word in ("Ada", "Person1", "E00001", "@example", "2024-01"))


def test_columns_stand_in_the_order_of_the_file(project: Path) -> None:
    written = list(columns(project))
    assert written == ["EmpNo", "Full Name", "Mail", "Paid On", "gross", "currency", "Cost Centre"]
    (project / "x.ndjson").write_text('{"z": 1, "a": {"q": 2, "b": 3}}\n{"z": 1, "new": 4, "a": {"q": 5}}\n')
    (project / "x.xml").write_text('<all><row no="1"><z>1</z><a><q>2</q><b>3</b></a></row></all>')
    (project / "sources" / "js.yaml").write_text("source: js\ntype: json\npath: x.ndjson\n")
    (project / "sources" / "xml.yaml").write_text(
        "source: xml\ntype: xml\npath: x.xml\ntables: {rows: {record: /all/row}}\n"
    )
    for source, expected in {"js": ["z", "a_q", "a_b", "new"], "xml": ["no", "z", "a_q", "a_b"]}.items():
        (table,) = json.loads(discover(project, "-o", "json", source=source).stdout).values()
        assert list(table["columns"]) == expected


@pytest.mark.parametrize("first", ["", HEAD.replace("gross,", "")], ids=["empty", "header only, with a column less"])
def test_columns_of_further_files_are_found_too(project: Path, first: str) -> None:
    (project / "dumps" / "0.csv").write_text(first)
    (project / "dumps" / "b.csv").write_text("EmpNo,Region\nE99999,north\n")
    assert {"gross", "Region"} <= columns(project).keys()
    discover(project, "--write")
    # such a contract stops no run
    assert one_source(project, "pay").tables["pay"].drift.missing_column == "warn"


def test_what_the_last_file_calls_its_columns_is_seen_though_the_first_have_records_enough(project: Path) -> None:
    (project / "dumps" / "a.csv").unlink()
    head, rows = "Nr;PLZ;Ort;grade", "".join(f"C{n};8033{n % 9};x;{n % 4}\n" for n in range(60))
    for month in range(1, 6):
        names = head if month < 5 else "Nr;Postleitzahl;Wohnort;note"
        (project / "dumps" / f"a{month}.csv").write_text(f"{names}\n{rows}")
    told = discover(project, "--rows", "30").stdout
    assert "plz: {path: PLZ, type: string, category: user.contact.address.postal_code}  # 30 of 60 filled" in told
    assert "postleitzahl: {path: Postleitzahl, type: string, category" in told
    assert "    # read: 2 of 5 files, the first and the last; `--rows` reads more of them\n" in told
    same = "    # path: `{}` and `{}` never have a value together; one column if it was renamed: `path: [{}, {}]`\n"
    assert same.format("plz", "postleitzahl", "Postleitzahl", "PLZ") in told
    assert same.format("ort", "wohnort", "Wohnort", "Ort") in told
    assert told.count("never have a value together") == 2
    assert "# read" not in discover(project, "--rows", "1000").stdout


def test_a_last_file_that_cannot_be_read_hides_nothing_of_the_others(project: Path) -> None:
    (project / "dumps" / "z.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n")[:12])
    told = discover(project, "--rows", "5").stdout
    assert "emp_no" in told and "# read: 1 of 2 files, the first; `--rows` reads more of them" in told


def test_where_all_files_have_all_columns_one_that_is_gone_stops_a_run(project: Path) -> None:
    (project / "dumps" / "b.csv").write_text(HEAD)
    discover(project, "--write")
    assert one_source(project, "pay").tables["pay"].drift.missing_column == "fail"


def test_the_file_written_loads_and_keeps_its_references(project: Path) -> None:
    discover(project, "--write")
    path = project / "sources" / "pay.yaml"
    written = YAML(typ="safe").load(path)
    assert written["path"] == "${env:DUMPS}" and written["tables"]["pay"]["unique"] == ["emp_no"]
    # and tells an editor its schema
    assert path.read_text().startswith("# yaml-language-server: $schema=../.schemas/source.json\n")
    assert (project / ".schemas" / "source.json").is_file()
    source = one_source(project, "pay")
    assert source.tables["pay"].keys == {"emp_no": "emp_no", "mail": "email"}


def test_what_the_file_says_of_its_tables_stays_as_it_is(project: Path) -> None:
    own = {
        "roster": "employee",
        "unique": ["e_mail"],
        "quarantine": {"at_most": "1%"},
        "checks": [{"expect_table_row_count_to_be_between": {"min_value": 1}}],
    }
    head = {"source": "pay", "type": "csv", "path": "${env:DUMPS}"}
    (project / "sources" / "pay.yaml").write_text(json.dumps({**head, "tables": {"pay": {"delimiter": ",", **own}}}))
    suggested = YAML(typ="safe").load(discover(project).stdout)["tables"]["pay"]
    assert {key: suggested[key] for key in own if key != "checks"} == {key: own[key] for key in own if key != "checks"}
    assert suggested["checks"][0] == own["checks"][0] and len(suggested["checks"]) > 1 and suggested["columns"]
    discover(project, "--write")
    assert YAML(typ="safe").load((project / "sources" / "pay.yaml").read_text())["tables"]["pay"] == suggested


def test_columns_that_are_there_already_are_not_overwritten(project: Path) -> None:
    discover(project, "--write")
    before = (project / "sources" / "pay.yaml").read_text()
    with pytest.raises(ProjectError) as failure:
        discover(project, "--write")
    assert failure.value.code == "P005"
    assert (project / "sources" / "pay.yaml").read_text() == before
    assert discover(project).exit_code == 0


def test_mistakes_in_the_data_are_counted_and_change_no_type(project: Path) -> None:
    path = project / "dumps" / "a.csv"
    path.write_text(path.read_text().replace("2024-01-05", "2024-13-05", 1))
    found = discover(project).stdout
    assert "1 no date" in found


def test_what_most_values_are_is_told_where_too_many_are_something_else() -> None:
    found = suggested(pa.array(["01.02.2024", "31.01.2024"] * 9 + ["unknown", "?"]))
    assert (found.type, found.evidence) == ("string", "20 of 20 filled, 4 distinct, 18 of them date (%d.%m.%Y)")
    assert suggested(pa.array(["1"] * 7 + ["x"] * 3)).evidence == "10 of 10 filled, 2 distinct"


@pytest.mark.parametrize(
    ("data", "asked"),
    [
        (
            "Umsatz 2024\n\nDatum;Betrag\n01.01.2024;1,5\n02.01.2024;2\n",
            "do lines before the header have to be skipped",
        ),
        ("1,2024-01-01\n3,2024-01-02\n", "is there no header"),
        ("a,b\n1,2\n3,4,5\n6,7\n", ""),
    ],
)
def test_a_header_that_may_be_none_is_asked_about(project: Path, data: str, asked: str) -> None:
    (project / "dumps" / "a.csv").write_text(data)
    told = discover(project).stdout
    assert (asked in told) if asked else not any(line for line in told.splitlines() if "?" in line and "header" in line)


def test_elements_that_repeat_are_not_taken_for_columns(project: Path) -> None:
    slip = '<slip><no>{n}</no><part kind="a">1</part><part kind="b">2</part></slip>'
    (project / "x.xml").write_text("<all>" + "".join(slip.format(n=n) for n in range(30)) + "</all>")
    file = "source: xml\ntype: xml\npath: x.xml\ntables:\n  slips:\n    record: /all/slip\n"
    (project / "sources" / "xml.yaml").write_text(file)
    result = discover(project, source="xml")
    assert "no: {type: integer" in result.stdout and "part_kind" not in result.stdout
    assert "record: /all/slip" in result.stdout
    part = YAML(typ="safe").load(result.stdout)["tables"]["part"]
    assert {name: column.get("path", name) for name, column in part["columns"].items()} == {
        "no": "../no",
        "place": "#",
        "kind": "@kind",
        "value": ".",
    }


TRIPS = [
    {
        "id": n,
        "traveller": {"emp_no": f"E{n:04d}", "e.mail": f"p{n}@example.org"},
        "cost": f"{n}.000,50",
        "legs": [
            {"to": {"city": f"C{leg}"}, "stops": [{"min": n + stop} for stop in range(2)]} for leg in range(n % 3)
        ],
        "tags": ["a", "b"],
    }
    for n in range(1, 31)
]
FORMS = {
    "lines": ("", "\n".join(map(json.dumps, TRIPS))),
    "list": ("", json.dumps(TRIPS)),
    "document": ("response.trips", json.dumps({"response": {"trips": TRIPS}}, indent=1)),
}


def travel(project: Path, data: str, records: str = "", name: str = "travel") -> Any:
    """The tables that are written for a file of JSON."""
    (project / "travel.json").write_text(data)
    tables = f"tables: {{trips: {{records: {records}}}}}\n" if records else ""
    (project / "sources" / "travel.yaml").write_text(f"source: travel\ntype: json\npath: travel.json\n{tables}")
    assert discover(project, "--write", source=name).exit_code == 0
    return YAML(typ="safe").load((project / "sources" / "travel.yaml").read_text())["tables"]


@pytest.mark.parametrize(("records", "data"), FORMS.values(), ids=FORMS)
def test_lists_of_records_inside_records_become_tables_of_their_own(project: Path, records: str, data: str) -> None:
    tables = travel(project, data, records)
    trips = "trips" if records else "travel"
    assert list(tables) == [trips, "legs", "stops"]
    place = f"{records}." if records else ""
    assert [table.get("records", "") for table in tables.values()] == [records, f"{place}legs", f"{place}legs.stops"]
    assert "legs" not in tables[trips]["columns"] and "tags" in tables[trips]["columns"]
    legs, stops = tables["legs"], tables["stops"]
    assert legs["unique"] == ["id", "place"] and legs["columns"]["id"]["path"] == "../id"
    assert legs["columns"]["traveller_emp_no"] == {
        "path": "../traveller.emp_no",
        "type": "string",
        "required": True,
        "key": "emp_no",
    }
    assert stops["columns"]["id"]["path"] == "../../id" and stops["columns"]["legs_number"]["path"] == "../#"
    assert stops["unique"] == ["id", "legs_number", "place"]
    for table, rows in ((trips, 30), ("legs", 30), ("stops", 60)):
        found = preview(one_source(project, "travel"), base=project, rows=1000)[table].rows
        assert (found.num_rows, found[UNPARSED].null_count) == (rows, rows)
        keyed = found.select(tables[table]["unique"])
        assert keyed.group_by(keyed.column_names).aggregate([]).num_rows == rows
    _, first = cells(project, "travel", trips)
    assert (first["cost"], first["traveller_e_mail"]) == (Decimal("1000.50"), "p1@example.org")


def test_a_document_around_its_records_is_no_table(project: Path) -> None:
    tables = travel(project, json.dumps({"response": {"trips": TRIPS}}))
    assert list(tables) == ["trips", "legs", "stops"] and tables["trips"]["records"] == "response.trips"
    assert list(travel(project, json.dumps({"value": TRIPS}))) == ["travel", "legs", "stops"]
    tables = travel(project, json.dumps({"count": 3, "trips": TRIPS}))
    assert list(tables) == ["travel", "trips", "legs", "stops"]
    assert cells(project, "travel", "trips")[0] == 0


def test_records_of_a_file_per_person_take_its_key(project: Path) -> None:
    slips = [{"month": f"2020-{month:02d}-01", "gross": month} for month in range(1, 13)]
    (project / "people").mkdir()
    for n in range(4):
        person = {"emp_no": f"E{n:04d}", "born": "1980-01-01", "payslips": slips}
        (project / "people" / f"{n}.json").write_text(json.dumps(person, indent=1))
    (project / "sources" / "people.yaml").write_text("source: people\ntype: json\npath: people\n")
    assert discover(project, "--write", source="people").exit_code == 0
    tables = YAML(typ="safe").load((project / "sources" / "people.yaml").read_text())["tables"]
    assert list(tables) == ["people", "payslips"]
    assert tables["payslips"]["columns"]["emp_no"]["path"] == "../emp_no"
    found = preview(one_source(project, "people"), base=project, rows=1000)["payslips"].rows
    keys = found["emp_no"].value_counts().to_pylist()
    assert [(key["values"], key["counts"]) for key in keys] == [(f"E{n:04d}", 12) for n in range(4)]


def test_a_table_inside_another_is_known_by_its_place_only_where_the_other_is(project: Path) -> None:
    data = "\n".join(json.dumps({"note": "x", "legs": [{"to": f"C{n}"}, {"id": n}]}) for n in range(30))
    tables = travel(project, data)
    assert list(tables) == ["travel", "legs"]
    assert tables["legs"]["columns"].keys() == {"to", "id"} and "unique" not in tables["legs"]


def test_elements_that_repeat_become_tables_of_their_own(project: Path) -> None:
    line = "<deduction code='A'><amount>{n},50</amount></deduction>"
    slip = "<slip><emp_no>E{n:04d}</emp_no><slip_id>{n}</slip_id><deductions>{lines}</deductions><tag>a</tag><tag>b</tag></slip>"
    slips = [slip.format(n=n, lines=line.format(n=n) * (n % 3)) for n in range(40)]
    (project / "x.xml").write_text(
        "<all period='2024-01' xmlns:i='u' i:schemaLocation='v'>" + "".join(slips) + "</all>"
    )
    (project / "sources" / "xml.yaml").write_text(
        "source: xml\ntype: xml\npath: x.xml\ntables: {slips: {record: /all/slip}}\n"
    )
    told = discover(project, source="xml").stdout
    assert "# path: also of the root, the same for all records of a file: `/all/@period`\n" in told
    discover(project, "--write", source="xml")
    tables = YAML(typ="safe").load((project / "sources" / "xml.yaml").read_text())["tables"]
    assert list(tables) == ["slips", "tag", "deduction"]
    assert tables["tag"]["columns"]["value"]["path"] == "."
    assert tables["slips"]["columns"].keys() == {"emp_no", "slip_id"}
    made = tables["deduction"]
    assert (made["record"], made["unique"]) == ("/all/slip/deductions/deduction", ["slip_id", "place"])
    paths = {name: column.get("path", name) for name, column in made["columns"].items()}
    assert paths == {
        "emp_no": "../../emp_no",
        "slip_id": "../../slip_id",
        "place": "#",
        "code": "@code",
        "amount": "amount",
    }
    found = preview(one_source(project, "xml"), base=project, rows=1000)
    assert (found["slips"].rows.num_rows, found["deduction"].rows.num_rows) == (40, 39)
    assert all(item.rows[UNPARSED].null_count == item.rows.num_rows for item in found.values())


def test_elements_that_repeat_behind_an_endpoint_become_tables_of_their_own(project: Path, server: Server) -> None:
    visits = "".join(f'<visit id="{n}"><call>{n % 3}</call><call>1</call></visit>' for n in range(30))
    server.answers = [(200, {}, f"<list>{visits}</list>".encode())]
    (project / "sources" / "api.yaml").write_text(
        f"source: api\ntype: rest\nurl: {server.url}\ntables:\n"
        "  visits: {endpoint: /a, record: /list/visit, pagination: none}\n"
        "  other: {endpoint: /b, record: /list/visit, pagination: none}\n"
    )
    found = json.loads(discover(project, "-o", "json", source="api").stdout)
    for child in ("call", "other_call"):
        paths = {name: fact["path"] for name, fact in found[child]["columns"].items()}
        assert paths == {"id": "../@id", "place": "#", "value": "."}
    assert found["call"]["unique"] == ["id", "place"] and found["visits"]["unique"] == ["id"]


def test_what_stands_around_records_is_told_where_nothing_of_it_tells_anything_apart(project: Path) -> None:
    part = "<part code='C{n}'><try nr='1'><mark>{n}</mark></try><try nr='2'><mark>2</mark></try></part>"
    one = "<one ref='R{n}'><parts>{parts}</parts></one>"
    ones = [one.format(n=n % 9, parts="".join(part.format(n=k) for k in range(3))) for n in range(40)]
    (project / "x.xml").write_text("<all>" + "".join(ones) + "</all>")
    (project / "sources" / "xml.yaml").write_text(
        "source: xml\ntype: xml\npath: x.xml\ntables: {ones: {record: /all/one}}\n"
    )
    told = discover(project, source="xml").stdout
    assert "# path: of `ones` around it, where that helps: `../../@ref`" in told
    assert "# path: of `part` around it, where that helps: `../@code`" in told
    (project / "x.xml").write_text((project / "x.xml").read_text().replace(" ref=", " student_no="))
    told = discover(project, source="xml").stdout
    assert 'student_no: {path: "../../@student_no", type: string, required: true, key: student_no}' in told


def test_a_column_that_nearly_tells_records_apart_is_asked_about(project: Path) -> None:
    icd = [{"code": "I50"}, {"code": "E11"}]
    numbers = [*range(98), 3, 5]
    stays = [{"stayNo": f"F{n}", "ward": n % 3, "patient": {"nr": f"P{n % 40}"}, "icd": icd} for n in numbers]
    (project / "stays.json").write_text("\n".join(map(json.dumps, stays)))
    (project / "sources" / "stays.yaml").write_text("source: stays\ntype: json\npath: stays.json\n")
    told = discover(project, source="stays").stdout
    asked = "    # unique: does `stay_no` tell the records apart? 98 distinct in 100 records; "
    assert asked + "of versions `known` decides, others are held back as `duplicate`\n" in told
    assert "`F" not in told and "    unique:" not in told
    assert (
        "    # path: of `stays` around it, where that helps: `../stayNo`, `../ward`; `#` is the position in the list"
        in told
    )
    assert 'patient_nr: {path: "../patient.nr", type: string, required: true, key: patient_no}' in told


def test_no_column_is_asked_about_where_records_are_told_apart_or_nothing_nearly_does(project: Path) -> None:
    (project / "dumps" / "a.csv").write_text("no,half\n" + "".join(f"N{n},{n % 2}\n" for n in range(50)))
    assert "    # unique" not in discover(project).stdout
    (project / "dumps" / "a.csv").write_text("no,half\n" + "".join(f"N{n % 25},{n % 2}\n" for n in range(50)))
    assert "unique:" not in discover(project).stdout


def test_a_file_of_another_kind_in_an_archive_is_told_how_to_be_left_out(project: Path) -> None:
    with zipfile.ZipFile(project / "x.zip", "w") as archive:
        archive.writestr("README.txt", "what this is")
        archive.writestr("data.xml", "<all><one><no>1</no></one></all>")
    kept = "source: xml\ntype: xml\npath: x.zip\ntables: {ones: {record: /all/one}}\n"
    (project / "sources" / "xml.yaml").write_text(kept)
    with pytest.raises(DataError, match="cannot be parsed") as refused:
        discover(project, source="xml")
    assert '`members: "*.xml"`, for example, selects which files of an archive are read' in refused.value.hint
    (project / "sources" / "xml.yaml").write_text(kept.replace("/all/one}", '/all/one, members: "*.xml"}'))
    assert "no: {type: " in discover(project, source="xml").stdout


def test_a_table_in_which_nobody_can_be_known_is_told(project: Path) -> None:
    assert "# key:" not in discover(project).stdout
    (project / "dumps" / "a.csv").write_text("Ref,gross\nA-1,5\n")
    assert "# key: which column identifies the person?" in discover(project).stdout


def test_amounts_are_no_keys(project: Path) -> None:
    (project / "dumps" / "a.csv").write_text("who,gross\n" + "".join(f"E{n % 9},{n}.5\n" for n in range(30)))
    assert "unique" not in discover(project).stdout


def test_a_first_document_that_cannot_be_read_hides_no_columns(project: Path) -> None:
    (project / "mail").mkdir()
    (project / "mail" / "a.eml").write_text("")
    for n in range(3):
        (project / "mail" / f"b{n}.eml").write_text(f"Subject: leaving\n\nEmployee number: E{n}\nI go.\n")
    (project / "sources" / "mail.yaml").write_text("source: mail\ntype: email\npath: mail\n")
    found = json.loads(discover(project, "-o", "json", source="mail").stdout)["mail"]["columns"]
    assert {"Employee number", "Subject", "@from", "@date", "@text"} == {item["path"] for item in found.values()} - {
        "@attachments"
    }
    assert found["text"]["category"] == found["subject"]["category"] == "free_text"


def test_fields_of_fixed_width_are_columns(project: Path) -> None:
    (project / "staff.txt").write_text("".join(f"E{n:04d}{20240101 + n}  \n" for n in range(28)))
    file = "source: staff\ntype: fixed\npath: staff.txt\ntables:\n  staff:\n    widths: {no: 5, hired: 8, left: 2}\n"
    (project / "sources" / "staff.yaml").write_text(file)
    text = discover(project, "--write", source="staff").stdout
    assert "wrote sources/staff.yaml" in text
    kinds = {name: column.type for name, column in one_source(project, "staff").tables["staff"].columns.items()}
    assert kinds == {"no": "string", "hired": "date", "left": "string"}


def test_a_name_that_two_columns_have_is_told(project: Path) -> None:
    (project / "dumps" / "a.csv").write_text("EmpNo,day,day\nE1,1,2\n")
    assert "# more than one column has this name: day\n" in discover(project).stdout
    (project / "dumps" / "a.csv").write_text("Report,,\nEmpNo,day,n\nE1,1,2\n")
    said = discover(project).stdout
    assert "this name" not in said and "# columns without a name: do lines before the header" in said


def test_an_unknown_kind_of_source_is_told_with_its_place(project: Path) -> None:
    (project / "sources" / "k.yaml").write_text("source: k\ntype: kafkaa\n")
    with pytest.raises(ProjectError) as failure:
        discover(project, source="k")
    assert "sources/k.yaml:2:7" in failure.value.text()


def test_a_file_that_names_no_tables_is_told_so_where_they_cannot_be_found(project: Path) -> None:
    file = project / "sources" / "t.yaml"
    connect(project / "t.sqlite").close()
    for text, like in (
        ("type: xml\npath: dumps", "record: …"),
        ("type: rest\nurl: http://localhost:1", "endpoint: …"),
        ("type: sql\nurl: sqlite:///t.sqlite", ""),
    ):
        file.write_text(f"source: t\n{text}\n")
        told = CliRunner().invoke(cli, ["-C", str(project), "source", "discover", "t"]).exception
        assert isinstance(told, PotableError)
        assert told.hint.endswith(f"add `tables: {{NAME: {{{like}}}}}`")
    file.write_text("source: t\ntype: xml\n")
    told = CliRunner().invoke(cli, ["-C", str(project), "source", "discover", "t"]).exception
    assert isinstance(told, PotableError) and "NAME" not in told.text(), "its tables are not all that is missing"


def test_an_endpoint_without_declared_pages_is_asked_about() -> None:
    declared = {"endpoint": "/x", "columns": {"a": {}}}
    assert ["are these all records?" in line for line in paging(RestTable.model_validate(declared))] == [True]
    assert paging(RestTable.model_validate({**declared, "pagination": "none"})) == []
    assert paging(Table.model_validate({"columns": {"a": {}}})) == []


@pytest.mark.parametrize(("letters", "left_out"), [(60, 58), (19, 0)])
def test_names_before_a_colon_are_no_labels(project: Path, letters: int, left_out: int) -> None:
    (project / "mail").mkdir()
    for n in range(letters):
        ward = "Ward: surgery\n" if n < 2 else f"Smith{n}, Anna: pain\n"
        (project / "mail" / f"b{n}.eml").write_text(f"Subject: leaving\n\nEmployee number: E{n}\n{ward}I go.\n")
    (project / "sources" / "mail.yaml").write_text("source: mail\ntype: email\npath: mail\n")
    told = discover(project, "--write", source="mail")
    text = (project / "sources" / "mail.yaml").read_text()
    assert ("Smith" in text, f"{left_out} labels" in text) == (not left_out, bool(left_out)), told.stdout
    assert "path: Employee number" in text and "path: Ward" in text


def test_records_that_cannot_be_read_are_counted_with_their_reason(project: Path) -> None:
    with (project / "dumps" / "a.csv").open("a") as file:
        file.write("a,b\n" * 2)
    told = discover(project).stdout
    assert "# 2 of 62 records cannot be read: 2 fields instead of 7" in told
    assert "required: true" in told and "60 of 60 filled" in told, "they say nothing against a promise"
    book = openpyxl.Workbook()
    for row in [("id", "sum"), *((n, f"={n}+1") for n in range(30))]:
        book.active.append(row)
    book.save(project / "book.xlsx")
    (project / "sources" / "book.yaml").write_text("source: book\ntype: xlsx\npath: book.xlsx\n")
    told = discover(project, source="book").stdout
    assert "# 30 of 30 records cannot be read: sum: a formula that was never calculated" in told
    assert "id: {type: integer, required: true}" in told


def test_a_workbook_with_a_title_or_several_sheets_is_told_what_to_declare(project: Path) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for year in (2022, 2023):
        sheet = book.create_sheet(f"Ann {year}")
        for row in [(f"Complaints of Ann in {year}",), (), ("id", "branch", "sum"), *((n, "x", n) for n in range(30))]:
            sheet.append(row)
    book.save(project / "book.xlsx")
    file = project / "sources" / "book.yaml"
    for table, hint in (("", "`header: 3`"), ("tables: {t: {header: 3}}\n", '`sheet: "*"`')):
        file.write_text(f"source: book\ntype: xlsx\npath: book.xlsx\n{table}")
        with pytest.raises(DataError) as failure:
            discover(project, source="book")
        assert hint in failure.value.hint and "Ann" not in failure.value.text()
    file.write_text('source: book\ntype: xlsx\npath: book.xlsx\ntables: {t: {header: 3, sheet: "*"}}\n')
    assert "60 of 60 filled" in discover(project, source="book").stdout


def test_a_source_without_data_says_so(project: Path) -> None:
    (project / "dumps" / "a.csv").write_text("")
    with pytest.raises(DataError) as failure:
        discover(project)
    assert failure.value.code == "D007"


@given(st.text(min_size=1))
def test_any_word_is_quoted_so_that_yaml_reads_it_back(text: str) -> None:
    printable = "".join(char for char in text if char.isprintable() and not 0xD800 <= ord(char) < 0xE000)
    assert YAML(typ="safe", pure=True).load(f"[{quoted(printable)}]") == [printable]


@given(st.sets(st.text(min_size=1), min_size=1))
def test_every_path_gets_a_name_of_its_own(paths: set[str]) -> None:
    found = _columns(paths)
    assert sorted(found.values()) == sorted(paths)
    assert all(name.isascii() and name == name.lower() and name[0].isalpha() for name in found)


@pytest.mark.parametrize(
    ("values", "kind", "form"),
    [
        (["31.01.2024 23:59:01", "01.02.2024 00:00:00"], "timestamp", "%d.%m.%Y %H:%M:%S"),
        (["+4915112345678", "+33612345678"], "string", ""),
        (["+12", "-3"], "integer", ""),
        (["1", "-2", None], "integer", ""),
        (["1.5", "2"], "decimal(12,1)", ""),
        (["12345678.901"], "decimal(13,3)", ""),
        (["1e5", "2"], "float", ""),
        (["Yes", "no"], "boolean", ""),
        (["J", "N", "n", None], "boolean", "J/N"),
        (["nein", "Ja"], "boolean", "ja/nein"),
        (["J", "J"], "string", ""),
        (["J", "N", "X"], "string", ""),
        (["31.01.2020", "01.02.2020"], "date", "%d.%m.%Y"),
        (["2020-01-31T10:00:00", "2020-02-01 11:30"], "timestamp", ""),
        (["12345678901234567890"], "string", ""),
        (["a", "1"], "string", ""),
        (["31.01.20", "01.02.20"], "date", "%d.%m.%y"),
        (["01/31/2020 11:05 PM", "02/01/2020 12:00 AM"], "timestamp", "%m/%d/%Y %I:%M %p"),
        (["1580466030123"] * 30, "timestamp", "unix_ms"),
        (["9780306406157"] * 30, "integer", ""),
        (["$1,234.50", "($12.00)", None], "decimal(12,2)", "accounting"),
        (["1,234.50"], "decimal(12,2)", "accounting"),
        (["12 €", "-5 €"], "decimal(12,0)", "accounting"),
        (["1,234.567", "39,000", "512.25", "7"], "decimal(13,3)", "accounting"),
        (["1,234.567", "39,000", "a"], "string", ""),
        (["089 123 456", "030 654 321"], "string", ""),
        (["POL-1000123", "POL-1000124"], "string", ""),
        (["01/31/2020", "02/01/2020"], "date", "%m/%d/%Y"),
        (["31/01/2020", "01/02/2020"], "date", "%d/%m/%Y"),
        (["31/01/2020 09:30", "01/02/2020 10:00"], "timestamp", "%d/%m/%Y %H:%M"),
        (["01/01/2020", "02/01/2020"], "string", ""),
        (["01/01/20", "02/01/20"], "string", ""),
        (["01-01-2020", "02-01-2020"], "string", ""),
        (["01-31-2020", "02-01-2020"], "date", "%m-%d-%Y"),
        (["01/01/2020 09:30", "02/01/2020 10:00"], "string", ""),
        (["06.2023", "12.2023"] * 15, "date", "%m.%Y"),
        (["06/2023", "12/2023"] * 15, "date", "%m/%Y"),
        (["2023-06", "2023-12"] * 15, "date", "%Y-%m"),
        (["06.2023", "13.2023"] * 15, "decimal(14,4)", ""),
        (["06.2023", "12.2023"], "decimal(14,4)", ""),
        (["1.2023", "12.2023"] * 15, "decimal(14,4)", ""),
        (["INV 4711", "INV 4712"], "string", ""),
        (["4711-ABC", "4712-ABC"], "string", ""),
        (["EUR 1250", "-USD 3"], "decimal(12,0)", "accounting"),
        (["12EUR", "7EUR"], "decimal(12,0)", "accounting"),
        (["(1)", "(2)"], "string", ""),
        ([None, ""], "string", ""),
    ],
)
def test_the_narrowest_type_that_fits_is_suggested(values: list[str | None], kind: str, form: str) -> None:
    found = suggested(pa.array(values, pa.string()))
    assert (found.type, found.format) == (kind, form)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1,5", "2"], "decimal(12,1)"),
        (["1.234,50", "-12,00", "999,99", None], "decimal(12,2)"),
        (["1.234.567.890.123,4"], "decimal(14,1)"),
        (["0,125", "1,234"], "decimal(13,3)"),
        ([",12345678"], "float"),
        (["1,5e3"], "float"),
    ],
)
def test_numbers_with_a_comma_before_their_fraction_are_numbers(values: list[str | None], kind: str) -> None:
    found = suggested(pa.array(values, pa.string()))
    assert (found.type, found.decimal) == (kind, ",")
    assert convert(Column(type=found.type, decimal=","), pa.array(values)).null_count == values.count(None)


@pytest.mark.parametrize("values", [["1,234", "999"], ["1,234,567"], ["1,234 €"], ["12,3.5"], ["1,5", "a,b"]])
def test_a_comma_that_may_stand_between_thousands_is_left_to_people(values: list[str]) -> None:
    found = suggested(pa.array(values))
    assert (found.type, found.decimal) == ("string", ".")
    asked = "before a fraction (`decimal`) or between thousands (`format: accounting`)?"
    assert (asked in found.evidence) == (values[0] == "1,234")


def test_days_that_may_be_months_are_left_to_people() -> None:
    found = suggested(pa.array(["01/01/2020", "02/01/2020"]))
    assert found.evidence.endswith("is the day or the month first, `format: %d/%m/%Y` or `%m/%d/%Y`?")
    assert "month first" not in suggested(pa.array(["01/31/2020", "word", None])).evidence


def test_amounts_with_a_currency_are_read_by_the_sign_before_their_cents(project: Path) -> None:
    rows = "".join(
        f"E{n};{'(' if n % 3 else ''}1.{n:03d},50 €{')' if n % 3 else ''};CHF {n}'000.05\n" for n in range(10, 40)
    )
    (project / "dumps" / "a.csv").write_text("EmpNo;gross;fee\n" + rows, encoding="utf-8")
    found = columns(project)
    kinds = [(found[name]["type"], found[name]["format"], found[name]["decimal"]) for name in ("gross", "fee")]
    assert kinds == [("decimal(12,2)", "accounting", ","), ("decimal(12,2)", "accounting", ".")]
    assert "format: accounting" in discover(project).stdout


def test_letters_with_accents_stay_in_names() -> None:
    paths = ["Rückgabe", "Straße/Nr", "İsim", "Görüşme", "e\u0301cole", "Łódź"]
    assert list(_columns(paths)) == ["ruckgabe", "strasse_nr", "isim", "gorusme", "ecole", "lodz"]


def test_a_truth_value_names_nobody(project: Path) -> None:
    rows = "".join(f"E{n};{n % 2 == 0}\n" for n in range(30))
    (project / "dumps" / "a.csv").write_text("EmpNo;mobile\n" + rows)
    assert columns(project)["mobile"]["category"] == ""


numbers = st.decimals(-(10**9), 10**9, places=2).map(lambda number: f"{number:,}".translate(str.maketrans(",.", ".,")))


@given(st.lists(numbers, min_size=1, max_size=30))
def test_numbers_as_german_systems_write_them_are_read_as_they_are_meant(written: list[str]) -> None:
    found = suggested(pa.array(written))
    read = convert(Column(type=found.type, decimal=found.decimal), pa.array(written)).to_pylist()
    assert read == [Decimal(text.replace(".", "").replace(",", ".")) for text in written]


def test_a_point_stands_between_thousands_where_other_columns_have_a_decimal_comma(project: Path) -> None:
    rows = "".join(f"E{n};{n},50;{n % 9 + 1}.{n:03d};{n}.5;2024-01-01\n" for n in range(30))
    (project / "dumps" / "a.csv").write_text("EmpNo;gross;units;part;day\n" + rows)
    found = columns(project)
    kinds = {name: (item["type"], item["decimal"]) for name, item in found.items()}
    assert kinds["gross"] == ("decimal(12,2)", ",") and kinds["units"] == ("integer", ",")
    assert kinds["part"] == ("decimal(12,1)", ".") and kinds["day"] == ("date", ".")
    discover(project, "--write")
    mistyped, first = cells(project)
    assert mistyped == 0 and (first["gross"], first["units"]) == (Decimal("0.50"), 1000)


def test_days_without_signs_are_told_from_numbers_where_there_are_enough() -> None:
    days = [f"2024{n % 12 + 1:02d}{n % 28 + 1:02d}" for n in range(30)]
    assert (suggested(pa.array(days)).type, suggested(pa.array(days)).format) == ("date", "%Y%m%d")
    assert suggested(pa.array(days[:10])).type == "integer"
    assert suggested(pa.array([str(20240095 + n) for n in range(30)])).type == "integer"


def test_two_columns_may_tell_records_apart_together() -> None:
    days = pa.array([f"2024-01-{n % 25 + 1:02d}" for n in range(50)])
    people = pa.array([f"E{n // 25}" for n in range(50)])
    assert keys({"note": pa.array(["x"] * 50), "day": days, "who": people}, ["who"], ["day"]) == ("who", "day")
    assert keys({"day": days.slice(0, 5)}, [], ["day"]) == ()


def test_a_number_of_records_is_a_key_before_one_of_people_and_a_name_never(project: Path) -> None:
    rows = "".join(f"p{n}@example.org,Person {n},{n}\n" for n in range(30))
    (project / "dumps" / "a.csv").write_text("mail,name,review_id\n" + rows)
    assert "unique: [review_id]" in discover(project).stdout
    (project / "dumps" / "a.csv").write_text(
        "name,half\n" + "".join(f"{line.split(',')[1]},{n % 2}\n" for n, line in enumerate(rows.splitlines()))
    )
    assert "unique" not in discover(project).stdout


def test_a_moment_alone_is_a_key_only_where_nothing_else_is() -> None:
    moments = pa.array([f"2024-01-01 10:00:{n:02d}" for n in range(50)])
    numbers = pa.array([str(n) for n in range(50)])
    assert keys({"said_at": moments, "id": numbers}, [], ["said_at"]) == ("id",)
    assert keys({"said_at": moments}, [], ["said_at"]) == ("said_at",)


def test_nothing_happens_at_a_birth_date(project: Path) -> None:
    (project / "dumps" / "a.csv").write_text("no,birth_date\n" + "".join(f"E{n},1980-01-0{n}\n" for n in range(1, 9)))
    assert "# time" not in discover(project).stdout
    (project / "dumps" / "a.csv").write_text("no,birth_date,said_on\n" + "E1,1980-01-01,2024-01-01\n" * 8)
    assert "candidates: said_on\n" in discover(project).stdout


def test_a_moment_alone_is_not_declared_as_a_key(project: Path) -> None:
    rows = "".join(f"E{n % 7},2024-01-01 10:00:{n:02d}\n" for n in range(50))
    (project / "dumps" / "a.csv").write_text("EmpNo,said_at\n" + rows)
    told = discover(project).stdout
    assert "    # unique: [said_at]  # unique in all 50 records, but timestamps may be unique by chance\n" in told
    assert "    unique:" not in told


def test_a_form_that_most_values_have_tells_more_than_a_name() -> None:
    assert classified("number", pa.array(["a@b.org", "c@d.org"])).category == "user.contact.email"
    assert classified("email_status", pa.array(["sent", "lost"])).category == ""
    assert (
        classified("answer", pa.array(["a long answer that somebody wrote with care, in words"] * 3)).category
        == "free_text"
    )


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("merchant_name", ""),
        ("merchant_address_city", ""),
        ("supplier_legal_name", ""),
        ("bank_name", ""),
        ("product_name", ""),
        ("product_family_name", ""),
        ("file_first_names", ""),
        ("display_name", ""),
        ("person_first_name", "user.name.first"),
        ("nachname_alt", "user.name.last"),
        ("first_name_verified", ""),
        ("vendor_tax_id", ""),
        ("customer_name", "user.name"),
        ("customer_address_city", "user.contact.address.city"),
        ("address_post_code", "user.contact.address.postal_code"),
        ("home_address", "user.contact.address.street"),
        ("ip_address", "user.device.ip_address"),
        ("ethnicity", "user.demographic.race_ethnicity"),
        ("race", "user.demographic.race_ethnicity"),
        ("race_id", ""),
        ("trace_id", ""),
        ("capacity", ""),
        ("operating_system", ""),
        ("rating", "user.performance"),
        ("temp_no", ""),
        ("card_number", "user.financial.credit_card"),
        ("rufname", "user.name.first"),
        ("maiden_name", "user.name.last"),
        ("geburtsname", "user.name.last"),
        ("geburtsdatum", "user.demographic.date_of_birth"),
        ("geschlecht", "user.demographic.gender"),
        ("strasse", "user.contact.address.street"),
        ("grosse_cm", ""),
        ("groesse", ""),
        ("wagennummer", ""),
        ("gross_usd", "user.financial.salary"),
        ("grosspay", "user.financial.salary"),
        ("monthly_wage", "user.financial.salary"),
        ("minimum_wages", "user.financial.salary"),
        ("birthday", "user.demographic.date_of_birth"),
        ("geb_dat", "user.demographic.date_of_birth"),
        ("birth_place", ""),
        ("place_of_birth", ""),
        ("birthweight_g", ""),
        ("country_of_birth", "user.contact.address.country"),
        ("geburtsort", ""),
        ("ort", "user.contact.address.city"),
        ("wohnort", "user.contact.address.city"),
        ("sport", ""),
        ("versichertennummer", "user.health.insurance_beneficiary_id"),
        ("kv_nr", "user.health.insurance_beneficiary_id"),
        ("icd", "user.health_and_medical"),
        ("icd10_code", "user.health_and_medical"),
    ],
)
def test_a_name_is_guessed_by_its_words_and_of_firms_and_things_nothing(name: str, category: str) -> None:
    found = classified(name, pa.array(["x", "y"]))
    assert (found.category, found.key) == (category, "")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("customer_no", "customer_no"),
        ("kundennummer", "customer_no"),
        ("matrikelnummer", "student_no"),
        ("matrikel", "student_no"),
        ("student_id", "student_no"),
        ("patient_id", "patient_no"),
        ("pat_nr", "patient_no"),
        ("compat_id", ""),
        ("mitgliedsnummer", "member_no"),
        ("student_name", ""),
        ("client_notes", ""),
        ("members", ""),
    ],
)
def test_numbers_of_people_are_keys_by_their_names(name: str, key: str) -> None:
    assert classified(name, pa.array(["x", "y"])).key == key


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("note_id", ""),
        ("noted_on", ""),
        ("comment_lang", ""),
        ("denoted", ""),
        ("bonus_id", ""),
        ("note", "free_text"),
        ("notes", "free_text"),
    ],
)
def test_what_tells_about_a_text_is_none(name: str, category: str) -> None:
    assert classified(name, pa.array(["x", "y"])).category == category


def test_a_name_that_is_shown_is_a_persons_where_a_table_tells_of_people() -> None:
    shown, text = Guess(), Guess("free_text", why="its name")
    assert of_people({"display_name": shown, "note": text})["display_name"] == shown
    found = of_people({"display_name": shown, "email": Guess("user.contact.email", "email")})
    assert found["display_name"].category == "user.name"
    assert of_people({"display_name": text, "last_name": Guess("user.name.last")})["display_name"] == text


def test_objects_keyed_by_people_become_no_columns(project: Path) -> None:
    """A contract is read by many, and none of these names a column."""
    votes = [{"id": 1, "to": {"anna.lee@corp.example": 3, "count": 2}}, {"id": 2, "to": {"+49 151 1234567": 1}}]
    votes += [{"id": 3, "to": {"bo@corp.example": [{"score": 1}]}}]
    (project / "dumps" / "a.json").write_text(json.dumps(votes))
    (project / "sources" / "pay.yaml").write_text("source: pay\ntype: json\npath: ${env:DUMPS}\n")
    text = discover(project).stdout
    assert "to_count:" in text and "lee" not in text and "4567" not in text and "bo@" not in text and "bo_" not in text
    assert "# left out: 3 names that hold an address or a number of somebody" in text
    assert "# kept whole, as JSON with these names in it (`free_text` is redacted): to\n" in text
    kept = ["@id", "gross/@currency", "/all/@period", "a.b_2024", 'to."e.mail"', "@rest", "x/@y/@z", "@object"]
    assert [path for path in kept if not nameable(path)] == []
    assert nameable("anna@corp.example", fixed=True) and not nameable("votes/anna@corp.example")


PEOPLE = ["Erika Mustermann", "Meier, Hans", "Priya_Venkataraman", "Oluwaseun A. Adeyemi", "Suharto"]


@pytest.mark.parametrize(
    "keys",
    [
        [f"E{10023 + number}" for number in range(5)],
        [f"{4711000 + number}" for number in range(5)],
        [f"employee_{47110 + number}" for number in range(5)],
        [f"0f8fad5b-d9cb-469f-a165-70867728950{number}" for number in range(5)],
        [f"p{number}@corp.example" for number in range(5)],
        PEOPLE,
    ],
)
def test_keys_that_are_numbers_or_names_of_people_are_never_shown(project: Path, keys: list[str]) -> None:
    (project / "sources" / "pay.yaml").write_text("source: pay\ntype: json\npath: ${env:DUMPS}\ntables: {pay: {}}\n")
    shapes = [
        {"staff": {key: {"salary": 40_000, "visits": [{"day": "2024-01-01"}]} for key in keys}, "total": 5},
        [{"id": number, "address": {"city": "Ulm"}, "scores": {key: number}} for number, key in enumerate(keys)],
    ]
    for shape, (kept, whole) in zip(shapes, [("total", "staff"), ("address_city", "scores")], strict=True):
        (project / "dumps" / "a.csv").unlink(missing_ok=True)
        (project / "dumps" / "a.json").write_text(json.dumps(shape))
        both = [discover(project).stdout, discover(project, "-o", "json").stdout]
        assert not [key for key in keys for text in both if key in text or snake(key) in text]
        assert (
            set(json.loads(both[1])["pay"]["columns"]) >= {kept, whole}
            and f"names in it (`free_text` is redacted): {whole}\n" in both[0]
        )
    assert discover(project, "--write").exit_code == 0


@pytest.mark.parametrize(
    "keys",
    [
        ["2022", "2023", "2024", "2024-01", "2024-12-31"],
        ["customfield_10010", "customfield_10020", "customfield_10030"],
        ["street", "city", "zipCode", "kompetenz", "teamgeist"],
        ["q1", "q2", "q3", "q17"],
        ["Base Salary", "Cost Center", "Job Title"],
    ],
)
def test_keys_that_are_no_people_become_columns(keys: list[str]) -> None:
    paths = [joined("staff", key) for key in keys]
    assert keyed(paths).hidden == set() and keyed([*paths, *keys]).maps == ()


def test_a_document_keyed_by_people_is_refused_without_them(project: Path) -> None:
    (project / "dumps" / "a.csv").unlink()
    (project / "dumps" / "a.json").write_text(json.dumps({f"E{10023 + number}": {"pay": 1} for number in range(4)}))
    (project / "sources" / "pay.yaml").write_text("source: pay\ntype: json\npath: ${env:DUMPS}\n")
    with pytest.raises(DataError) as failure:
        discover(project)
    assert "as a list of records that hold them as values" in failure.value.hint and "E1" not in failure.value.text()


def test_headings_that_are_somebodys_address_are_refused_without_it(project: Path) -> None:
    (project / "dumps" / "a.csv").write_text("10023,Erika Mustermann,e.m@corp.example\n" * 9)
    with pytest.raises(DataError) as failure:
        discover(project)
    told = failure.value.text()
    assert "column 3" in told and "`header: false`" in told and "corp" not in told and "Erika" not in told


def test_a_day_or_a_number_is_no_text() -> None:
    assert classified("note", pa.array(["2024-01-01"])).of("date").category == ""
    assert classified("note", pa.array(["x"])).of("string").category == "free_text"


@pytest.mark.parametrize(
    ("headings", "names"),
    [
        (["工号", "姓名", "电子邮箱", "備註", "邮箱2"], ["emp_no", "full_name", "email", "note", "2"]),
        (["社員番号", "氏名", "ﾌﾘｶﾞﾅ"], ["emp_no", "full_name", "kana_name"]),
        (["사번", "성명", "전화번호"], ["emp_no", "full_name", "phone"]),
        (["رقم الموظف", "الاسم"], ["emp_no", "full_name"]),
        (["Табельный номер", "ФИО", "Фамилия"], ["emp_no", "full_name", "last_name"]),
    ],
)
def test_headings_of_other_scripts_have_the_names_of_what_they_are(headings, names) -> None:
    found = _columns(headings)
    assert list(found.values()) == headings
    assert [name.removeprefix("c_") for name in found] == names


def test_an_address_of_a_firm_links_nobody() -> None:
    mails = pa.array(["a@b.org", "c@d.org"])
    assert classified("email", mails).key == classified("company_email", mails).key == "email"
    found = classified("supplier_email", mails)
    assert (found.category, found.key) == ("user.contact.email", "")


def test_a_text_in_which_an_address_stands_is_no_key() -> None:
    told = classified("text", pa.array([f"Ask p{n}@example.org." for n in range(5)]))
    assert (told.category, told.key) == ("free_text", "")
    assert told.why == "5 of 5 values contain email among other words"
    assert classified("mail", pa.array([" <a@b.org>", "c@d.org;"])).key == "email"


def test_a_program_is_asked_for_a_first_contract_too(project: Path) -> None:
    declared = {
        "source": "crm",
        "type": "airbyte",
        "command": connector_of.program(project, "connector.py"),
        "config": {"api_key": "${env:CRM_KEY}"},
        "tables": {"people": {"stream": "users", "sync_mode": "incremental", "known": "said", "columns": {"said": {}}}},
    }
    (project / "sources" / "crm.yaml").write_text(json.dumps(declared))
    (project / ".env").write_text("CRM_KEY=k3y-canary\n")
    done = discover(project, "-o", "json", source="crm")
    found = json.loads(done.stdout)["people"]["columns"].values()
    assert {item["path"]: item["type"] for item in found} == {
        "id": "integer",
        "name.first": "string",
        "updated_at": "timestamp",
        "pay": "decimal(12,1)",
    }
    assert "k3y-canary" not in done.output


EVIL = [
    "${file:/etc/hostname}",
    "${env:HOME}",
    "a\nb: evil",
    "c\x1b]0;d\x07",
    '"; DROP TABLE x; --',
    "e\\x",
    "f\u2028g",
    "=h|i!j",
    "{k: [l",
]


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"]), max_size=12), max_size=5))
def test_any_text_that_is_written_into_a_project_file_is_read_again(texts):
    line = f"[{', '.join(map(quoted, texts))}]"
    assert YAML(typ="safe").load(line) == texts and line.isprintable()


def test_names_of_a_source_write_nothing_else_into_a_project_file(project: Path) -> None:
    (project / "dumps" / "a.csv").unlink()
    record = {name: "v" for name in EVIL} | {"plain": 1, "${env:HOME}s": [{"x": 1}, {"x": 2}]}
    (project / "dumps" / "a.json").write_text(json.dumps([record, {"plain": 2, "z\nowner: evil": 1}]))
    (project / "sources" / "pay.yaml").write_text("source: pay\ntype: json\npath: ${env:DUMPS}\n")
    text = discover(project).stdout
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "# left out: 3 names that YAML would read as a reference (${…})" in text
    assert discover(project, "--write").exit_code == 0
    written = YAML(typ="safe").load((project / "sources" / "pay.yaml").read_text())
    assert set(written) == {"source", "type", "path", "tables"} and set(written["tables"]) == {"pay"}
    paths = {spec.get("path", name) for name, spec in written["tables"]["pay"]["columns"].items()}
    assert {path for path in paths if "$" in path} == set() and len(paths) == len(EVIL)


def test_words_that_would_be_read_as_references_are_not_suggested(project: Path) -> None:
    words = ("EUR", "${env:HOME}")
    rows = [f"E{n:05d},{words[n % 2]}\n" for n in range(60)]
    (project / "dumps" / "a.csv").write_text("EmpNo,currency\n" + "".join(rows))
    assert "${env:HOME}" not in discover(project, "--words").stdout
