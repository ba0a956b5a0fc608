"""`potable contract suggest`: what it suggests holds on what it was taken from, and shows nobody's values."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from tests.conftest import open_engine
from tests.runs.conftest import EXAMPLE
from tests.sources.objects import blob, parsed, values

from potable.cli.app import cli
from potable.cli.suggesting import Asked, lines, suggestions
from potable.contracts.checks import parse
from potable.contracts.ranges import bounds, pattern
from potable.contracts.results import shape
from potable.contracts.validate import Contract, Places, validate
from potable.engines.base import Engine
from potable.privacy.checksums import card
from potable.runs.profiled import Profile, as_texts, looked
from potable.sources.cells import apart
from potable.sources.groups import schema as landed_schema
from potable.sources.rest import RestSource
from potable.sources.typed import typed
from potable.tables import BATCH, Column, Table


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = open_engine("duckdb", tmp_path_factory.mktemp("scratch"))
    yield made
    made.close()


CELLS = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.decimals(-(10**4), 10**4, places=2).map(str),
    st.dates().map(str),
    st.sampled_from(["", " ", "A", "b", "true", "no", "NA", "E0001", "E0002", "x-1", "é", "1e3", "007", "null"]),
)
KINDS = (
    st.integers(-5, 10**9).map(str),
    st.decimals(0, 10**7, places=2).map(str),
    st.decimals(0, 10**7, places=2).map(lambda number: f"{number:,}".translate(str.maketrans(",.", ".,"))),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.dates().map(lambda day: day.strftime("%d.%m.%Y")),
    st.datetimes().map(str),
    st.from_regex(r"\A[A-Z]{2}-[0-9]{1,4}\Z"),
    st.sampled_from(["red", "green", "blue"]),
    st.sampled_from(["yes", "no", ""]),
    CELLS,
)
COLUMN = st.sampled_from(KINDS).flatmap(lambda kind: st.lists(kind, min_size=25, max_size=25))


def columns_of(cells: list[list[str]], category: str) -> tuple[Table, dict[str, pa.Array]]:
    names = [f"c{index}" for index in range(len(cells))]
    table = Table(columns={name: Column(category=category) for name in names})
    return table, {name: pa.array([cell for cell in column] * 2) for name, column in zip(names, cells, strict=True)}


def batch_of(table: Table, texts: dict[str, pa.Array]) -> pa.RecordBatch:
    batch = typed(table, texts, "object")
    return batch.append_column(BATCH, pa.repeat(pa.scalar(1, pa.int64()), batch.num_rows))


def itself(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    return [batch]


def seen(engine: Engine, table: Table, texts: dict[str, pa.Array], scratch: str, *, fresh: bool = True) -> Profile:
    bare = as_texts(table)
    parsed = engine.map_items([batch_of(bare, texts)], itself, landed_schema(bare))
    return looked(parsed, table, engine=engine, scratch=scratch, fresh=fresh)


def body(table: Table, found: Profile, asked: Asked) -> Any:
    return YAML(typ="safe").load("\n".join(lines(suggestions(table, (), found, asked)))) or {}


@settings(
    max_examples=12, phases=[Phase.generate], deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(COLUMN, min_size=1, max_size=4), st.sampled_from(["none", "user.financial"]))
def test_what_is_suggested_holds_on_the_same_records(embedded: Engine, cells: list[list[str]], category: str) -> None:
    table, texts = columns_of(cells, category)
    with TemporaryDirectory() as scratch:
        made = body(table, seen(embedded, table, texts, scratch), Asked(words=True, fresh=True))
        declared = Table.model_validate(made)
        assert declared.columns.keys() == table.columns.keys()
        checks, wrong = parse("t", declared)
        assert wrong == []
        parsed = embedded.map_items([batch_of(declared, texts)], itself, landed_schema(declared))
        places = Places(f"{scratch}/rows", f"{scratch}/aside")
        judged = validate(parsed, Contract("s.t", declared, checks), engine=embedded, places=places)
    assert (judged.rows_in, judged.rows_quarantined, list(judged.stopped)) == (50, 0, [])
    assert all(result.success for result in judged.results)
    assert all(not part.rows for part in judged.cells)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.from_regex(r"\A[A-Z][a-z]{3,8} ?[0-9]{3,9}\Z"), min_size=25, max_size=25, unique=True))
def test_values_of_a_protected_column_are_never_shown(embedded: Engine, values: list[str]) -> None:
    table, texts = columns_of([values, [re.sub("[^0-9]", "", value) for value in values]], "user.account")
    with TemporaryDirectory() as scratch:
        made = suggestions(table, (), seen(embedded, table, texts, scratch), Asked(fresh=True))
    told = "\n".join(lines(made))
    assert not [value for value in values if value in told]
    numbers = {int(found) for found in re.findall(r"(?:min|max)_value: (-?[0-9]+)", told)}
    assert all(re.fullmatch("-?(0|10*)", str(number)) for number in numbers)


def test_engines_tell_the_same(engine: Engine, tmp_path: Path) -> None:
    days = [f"2024-{n // 20 + 1:02}-{n % 20 + 1:02}" for n in range(25)]
    codes = [f"AB-{n % 7}" for n in range(25)]
    table, texts = columns_of([days, codes, [f"{n}.5" for n in range(25)], [""] * 24 + ["x@example.org"]], "none")
    found = seen(engine, table, texts, str(tmp_path))
    assert (found.rows, found.unique) == (50, ())
    assert [column.hint.type for column in found.columns.values()] == ["date", "string", "decimal(12,1)", "string"]
    assert [column.distinct for column in found.columns.values()] == [25, 7, 25, 1]
    assert found.columns["c1"].shapes == {"AA-9": 50} and found.columns["c3"].forms == {"email": 2}
    assert (str(found.columns["c0"].least), str(found.columns["c2"].most)) == ("2024-01-01", "24.5")


@pytest.mark.parametrize("fresh", [False, True])
def test_numbers_beside_texts_with_a_comma_are_themselves(embedded: Engine, tmp_path: Path, fresh: bool) -> None:
    table = Table(columns={"pay": Column(type="decimal(12,3)", decimal=",", category="none")})
    texts = pa.array(["-2.000,5", "1.125", "0,5", "1.250,75"] * 10)
    told = apart(texts, [text == "1.125" for text in texts.to_pylist()])
    found = seen(embedded, table, {"pay": told}, str(tmp_path), fresh=fresh).columns["pay"]
    assert (found.hint.decimal, float(found.least), float(found.most)) == (",", -2000.5, 1250.75)
    assert found.hint.type.endswith(",3)") and found.distinct == 4


@pytest.mark.parametrize("form", ["accounting", ""])
def test_what_is_declared_with_a_comma_is_profiled_as_it_is_read(embedded: Engine, tmp_path: Path, form: str) -> None:
    pay = Column(type="decimal(12,2)", decimal=",", format=form or [], category="none")
    cells = ["1.234,50 €", "(3,25 €)"] if form else ["1.234,50", "-3,25"]
    texts = {"pay": pa.array(cells * 20)}
    found = seen(embedded, Table(columns={"pay": pay}), texts, str(tmp_path), fresh=False).columns["pay"]
    assert (found.distinct, float(found.least), float(found.most)) == (2, -3.25, 1234.5)


def test_answers_in_xml_are_read_as_texts(tmp_path: Path) -> None:
    fee = {"path": ".", "type": "decimal(12,2)", "decimal": ","}
    columns = {"day": {"path": "../day", "type": "date", "format": "%d.%m.%Y"}, "fee": fee}
    table = {"endpoint": "/x", "record": "/list/visit/call", "columns": columns, "time": "day"}
    given = {"source": "s", "type": "rest", "url": "http://x", "tables": {"t": table}}
    source = RestSource.model_validate(given)
    texts = source.model_copy(update={"tables": {"t": as_texts(source.tables["t"])}})
    page = blob(tmp_path, b"<list><visit><day>31.01.2024</day><call>7,50</call></visit></list>", "t-000001.xml")
    assert values(parsed(texts, page), "day", "fee") == [("31.01.2024", "7,50")]
    assert values(parsed(source, page), "day", "fee") == [(date(2024, 1, 31), Decimal("7.50"))]


@pytest.mark.parametrize("repeated", [False, True])
def test_a_small_key_of_several_columns_is_found(embedded: Engine, tmp_path: Path, repeated: bool) -> None:
    pairs = [(f"E{n % 10:03}", f"2024-01-{n // 10 + 1:02}") for n in range(60)]
    if repeated:
        pairs[1] = pairs[0]
    table = Table.model_validate(
        {"columns": {"emp_no": {"key": "emp_no"}, "day": {"type": "date", "category": "none"}}}
    )
    texts = {name: pa.array(list(column)) for name, column in zip(table.columns, zip(*pairs, strict=True), strict=True)}
    found = seen(embedded, table, texts, str(tmp_path), fresh=False)
    assert found.unique == (() if repeated else ("emp_no", "day"))
    # a key that is declared is not told again
    declared = table.model_copy(update={"unique": ["emp_no", "day"]})
    assert seen(embedded, declared, texts, str(tmp_path / "b"), fresh=False).unique == ()


SHAPED = st.from_regex(r"\A[A-Za-z0-9 ./+*?()|^$\[\]{}\\-]{1,12}\Z")


@given(st.lists(SHAPED, min_size=1, max_size=4))
def test_a_pattern_matches_what_it_is_taken_from(values: list[str]) -> None:
    form = pattern([shape(value) for value in values])
    assert not form or all(re.search(form, value) for value in values)


def test_a_pattern_says_what_it_can() -> None:
    assert pattern(["A9999999"]) == "^[A-Z][0-9]{7}$"
    assert pattern(["AA-99", "AAA-9"]) == "^[A-Z]{2,3}-[0-9]{1,2}$"
    assert pattern(["9", "A"]) == "^([0-9]|[A-Z])$"
    assert pattern(["9x"]) == pattern([]) == pattern(["9", "A", "a", "9A"]) == ""


@given(st.decimals(-(10**12), 10**12, places=3), st.decimals(-(10**12), 10**12, places=3), st.booleans())
def test_bounds_leave_headroom(one: Any, other: Any, shown: bool) -> None:
    least, most = sorted((one, other))
    found = bounds(least, most, shown=shown)
    assert found["min_value"] <= least and most <= found["max_value"]
    assert len(str(found["max_value"]).strip("-0")) <= 1


def test_bounds_of_protected_numbers_leave_headroom_too() -> None:
    tops = [bounds(0, Decimal(most), shown=False)["max_value"] for most in ("999.97", "0.9", "79", "81", "100", "1")]
    assert tops == [10_000, 10, 100, 1_000, 100, 1]


def test_digits_of_fractions_are_nobodys(embedded: Engine, tmp_path: Path) -> None:
    digits = [str(number) for number in range(4_111_111_111_111_111, 4_111_111_111_112_111) if card(str(number))]
    table = Table.model_validate({"columns": {"share": {"category": "none"}}})
    found = seen(embedded, table, {"share": pa.array([f"0.{each}" for each in digits])}, str(tmp_path), fresh=False)
    assert found.columns["share"].hint.type == "float" and not suggestions(table, (), found, Asked()).against


def test_what_is_set_to_null_where_it_cannot_be_read_is_not_required(embedded: Engine, tmp_path: Path) -> None:
    born = {"type": "date", "category": "none"}
    table = Table.model_validate({"columns": {"born": {**born, "on_error": "null"}, "hired": born}})
    texts = {name: pa.array(["1980-02-01"] * 40 + ["0000-00-00"]) for name in table.columns}
    made = body(table, seen(embedded, table, texts, str(tmp_path), fresh=False), Asked())
    assert made["columns"] == {"hired": {"required": True}}


def test_numbers_that_count_have_no_upper_bound(embedded: Engine, tmp_path: Path) -> None:
    names = ("visit", "place", "call_id", "offset", "age")
    columns = {name: {"type": "integer", "category": "none"} for name in names}
    columns["offset"]["path"] = "@offset"
    table = Table.model_validate({"columns": columns, "unique": ["visit", "place"]})
    texts = {name: pa.array([str(n // 2) for n in range(60)]) for name in names}
    made = body(table, seen(embedded, table, texts, str(tmp_path), fresh=False), Asked())
    bounded = [check["expect_column_values_to_be_between"] for check in made["checks"]]
    assert {each["column"]: "max_value" in each for each in bounded} == {name: name == "age" for name in names}


def test_digits_of_a_code_are_no_number(embedded: Engine, tmp_path: Path) -> None:
    table = Table.model_validate(
        {
            "columns": {
                "postal_code": {},
                "branch": {"category": "user.government_id"},
                "Postleitzahl": {"category": "none"},
                "n": {},
            }
        }
    )
    texts = {name: pa.array([str(n + 10_000) for n in range(60)]) for name in table.columns}
    found = seen(embedded, table, texts, str(tmp_path), fresh=False)
    # tomorrow one of them begins with a zero
    assert [each.hint.type for each in found.columns.values()] == ["string", "string", "string", "integer"]
    made = body(table, found, Asked())
    assert "type" not in made["columns"]["postal_code"] and "type" not in made["columns"]["branch"]
    assert {"expect_column_values_to_match_regex": {"column": "branch", "regex": "^[0-9]{5}$"}} in made["checks"]


def test_columns_called_as_in_their_source_are_recognised(embedded: Engine, tmp_path: Path) -> None:
    table = Table.model_validate({"columns": {"KundenNr": {}, "FirstName": {}, "Grossbetrag": {}, "requestId": {}}})
    texts = {name: pa.array([f"A{n}" for n in range(60)]) for name in table.columns}
    found = seen(embedded, table, texts, str(tmp_path), fresh=False)
    assert [(each.guess.key, each.guess.category) for each in found.columns.values()][:2] == [
        ("customer_no", ""),
        ("", "user.name.first"),
    ]
    assert found.unique == ("requestId",)


def test_numbers_of_people_declared_harmless_are_not_quoted(embedded: Engine, tmp_path: Path) -> None:
    cards = [number for number in range(371_449_635_000_000, 371_449_635_000_999) if card(str(number))]
    table = Table.model_validate({"columns": {"ref": {"category": "none"}}})
    found = seen(embedded, table, {"ref": pa.array([str(card) for card in cards])}, str(tmp_path), fresh=False)
    told = "\n".join([*lines(made := suggestions(table, (), found, Asked())), *made.against])
    assert "have the format of card" in told and "type: integer" in told
    assert not [number for number in cards if str(number) in told]


def test_few_values_tell_no_range(embedded: Engine, tmp_path: Path) -> None:
    table = Table.model_validate({"columns": {"few": {"category": "none"}, "many": {"category": "none"}}})
    texts = {"few": pa.array([*map(str, range(19)), *[""] * 41]), "many": pa.array([*map(str, range(20)), *[""] * 40])}
    made = body(table, seen(embedded, table, texts, str(tmp_path), fresh=False), Asked())
    assert [given["column"] for check in made["checks"] for given in check.values()] == ["many"]


def test_a_date_of_birth_with_two_digits_of_the_year_says_which_century(embedded: Engine, tmp_path: Path) -> None:
    table = Table.model_validate({"columns": {"birth_date": {}, "hired": {}}})
    texts = {name: pa.array([f"{n % 28 + 1:02}.{n % 12 + 1:02}.{n + 10}" for n in range(60)]) for name in table.columns}
    made = body(table, seen(embedded, table, texts, str(tmp_path), fresh=False), Asked())
    assert made["columns"]["birth_date"]["years_from"] == date.today().year - 99
    assert "years_from" not in made["columns"]["hired"]
    columns = {name: {"category": "none", **each} for name, each in made["columns"].items()}
    assert Table.model_validate({"columns": columns}).columns["birth_date"].type == "date"


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of its own with one landed table that keeps its contract nearly."""
    root = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("suggested") / "project")
    (root / "sources" / "pay.yaml").write_text(
        "source: pay\ntype: csv\npath: dumps\ntables:\n  slips:\n    columns:\n"
        "      emp_no: {type: string, required: true, key: emp_no}\n"
        "      day: {type: date, required: true, category: none}\n"
        '      gross: {type: "decimal(12,2)", category: user.financial.salary}\n'
        "      hours: {category: none}\n"
        "      currency: {type: string, category: none}\n"
        "      note: {type: string, category: none}\n"
        "    unique: [emp_no, day]\n"
        "    checks:\n      - expect_column_values_to_be_between: {column: gross, min_value: 100}\n",
        encoding="utf-8",
    )
    rows = [
        f"E{n % 20:04},2024-0{n // 20 + 1}-28,{n + 99}.50,{n % 9},{'EUR' if n % 2 else 'USD'},\n" for n in range(80)
    ]
    rows[7] = rows[7].replace(",\n", ",priya@example.org\n")
    rows[8] = rows[9]
    (root / "dumps").mkdir()
    (root / "dumps" / "a.csv").write_text("emp_no,day,gross,hours,currency,note\n" + "".join(rows), encoding="utf-8")
    (root / ".env").write_text(
        "HRMS_URL=sqlite:///x\nPAYROLL_EXPORTS=x\nREVIEW_DUMPS=x\nEXIT_INTERVIEWS=x\nLMS_URL=http://x\nLMS_TOKEN=xxxx\n"
    )
    run = call(root, "run", "--only", "ingest", "--select", "pay")
    assert run.exit_code == 0, run.output
    return root


def call(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["-C", str(root), *arguments], catch_exceptions=False)


def test_only_what_is_not_declared_is_suggested_and_contradictions_are_told(landed: Path) -> None:
    text = call(landed, "contract", "suggest", "pay.slips").stdout
    made = YAML(typ="safe").load(text)["tables"]["slips"]
    # what is declared is not said again
    assert made["columns"] == {
        "gross": {"required": True},
        "hours": {"type": "integer", "required": True},
        "currency": {"required": True},
    }
    assert "unique" not in made
    checks = {(name, given["column"]) for check in made["checks"] for name, given in check.items()}
    assert checks == {
        ("expect_column_values_to_match_regex", "emp_no"),
        ("expect_column_values_to_be_between", "day"),
        ("expect_column_values_to_be_between", "hours"),
        ("expect_column_values_to_be_in_set", "currency"),
    }
    assert "# 80 of 80 filled" in text and "EUR" in text
    against = [line for line in text.splitlines() if "contradicts the contract" in line]
    assert len(against) == 3 and "priya" not in text
    assert any("`unique`: 1 of 80 records repeat a key" in line for line in against)
    assert any("expect_column_values_to_be_between(gross): 1 of 80 judged rows fail" in line for line in against)
    assert any("`note` is declared `category: none`, but 1 have the format of email" in line for line in against)


def test_nothing_landed_is_said_with_the_command_that_lands_it(landed: Path) -> None:
    with pytest.raises(Exception, match="no data of") as caught:
        call(landed, "contract", "suggest", "hrms.people")
    assert f"potable -C {landed} run --only ingest --select hrms" in str(caught.value)
