"""Fixed lexical forms: what a text means, what it does not, and that nothing is lost or guessed."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from potable.sources.typed import BLANKS as MAYBE_BLANK
from potable.sources.typed import clean, schema, typed, typed_at
from potable.tables import Column, Table

D = Decimal
BLANKS = [None, "", " ", "\t\r\n", "\u00a0\u2003\u3000"]


def table(**column: Any) -> Table:
    return Table.model_validate({"columns": {"c": column}})


def cells(texts: list[str | None], name: str = "x.csv", **column: Any) -> list[tuple[Any, str | None]]:
    """(value, unread text) of each text, read together."""
    batch = typed(table(**column), {"c": pa.array(texts, pa.string())}, name)
    assert batch.schema.equals(schema(table(**column)))
    unread = [json.loads(item)["c"] if item else None for item in batch["_unparsed"].to_pylist()]
    return list(zip(batch["c"].to_pylist(), unread, strict=True))


GOOD: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "string"}, {" a b ": "a b", "0": "0", "NULL": "NULL", "\u200b": "\u200b"}),
    (
        {"type": "integer"},
        {"0": 0, "-7": -7, "+5": 5, "007": 7, "9" * 18: 10**18 - 1, "-" + "9" * 18: 1 - 10**18, "-0": 0},
    ),
    ({"type": "float"}, {"1.5": 1.5, "-.5": -0.5, "5.": 5.0, "+1e3": 1000.0, "1E-3": 0.001, "1e-400": 0.0}),
    (
        {"type": "decimal(5,2)"},
        {
            "1": D("1.00"),
            "+1.5": D("1.50"),
            "-123.45": D("-123.45"),
            ".5": D("0.50"),
            "5.": D("5.00"),
            "1.5000": D("1.50"),
            "000123.40": D("123.40"),
        },
    ),
    ({"type": "decimal(5,0)"}, {"12345": D(12345), "5.00": D(5)}),
    ({"type": "decimal(2,2)"}, {"0.25": D("0.25"), "-.99": D("-0.99"), "0": D("0.00")}),
    ({"type": "decimal(38,10)"}, {"9" * 28 + "." + "9" * 10: D("9" * 28 + "." + "9" * 10)}),
    ({"type": "boolean"}, {"true": True, "F": False, "Yes": True, "n": False, "1": True, "0": False}),
    ({"type": "boolean", "format": "J/N"}, {"J": True, "j": True, "N": False, "n": False}),
    ({"type": "boolean", "format": ["ja / nein", "X/-"]}, {"Ja": True, "NEIN": False, "x": True, "-": False}),
    ({"type": "boolean", "format": "0/1"}, {"0": True, "1": False}),
    (
        {"type": "date"},
        {"2020-02-29": date(2020, 2, 29), "2020-1-5": date(2020, 1, 5), "0001-01-01": date.min, "9999-12-31": date.max},
    ),
    (
        {"type": "date", "format": ["%d.%m.%Y", "%d-%b-%Y", "%m/%d/%y", "%Y%m%d"]},
        {
            "01.02.2020": date(2020, 2, 1),
            "1.2.2020": date(2020, 2, 1),
            "29.02.2000": date(2000, 2, 29),
            "03-FEB-2012": date(2012, 2, 3),
            "12/31/99": date(1999, 12, 31),
            "1/2/25": date(2025, 1, 2),
            "20200131": date(2020, 1, 31),
            "2020-12-31": date(2020, 12, 31),
        },
    ),
    (
        {"type": "date", "format": ["%d.%m.%y", "%d.%m.%Y"], "years_from": 1925},
        {
            "31.12.25": date(1925, 12, 31),
            "1.2.67": date(1967, 2, 1),
            "29.02.00": date(2000, 2, 29),
            "01.01.24": date(2024, 1, 1),
            "01.01.1867": date(1867, 1, 1),
        },
    ),
    ({"type": "date", "format": "%m/%d/%y"}, {"12/31/68": date(2068, 12, 31), "1/1/69": date(1969, 1, 1)}),
    ({"type": "timestamp", "format": "%y%m%d%H%M", "years_from": 2000}, {"9912312359": datetime(2099, 12, 31, 23, 59)}),
    ({"type": "date", "format": "%Y-%m"}, {"2020-02": date(2020, 2, 1)}),
    ({"type": "date", "format": "%Y-%m-%d %H:%M:%S"}, {"1965-01-01 23:59:59": date(1965, 1, 1)}),
    (
        {"type": "timestamp"},
        {
            "2020-01-31": datetime(2020, 1, 31),
            "2020-01-31T10": datetime(2020, 1, 31, 10),
            "2020-01-31 10:20": datetime(2020, 1, 31, 10, 20),
            "2020-01-31T10:20:30": datetime(2020, 1, 31, 10, 20, 30),
            "2020-01-31T10:20:30.5": datetime(2020, 1, 31, 10, 20, 30, 500_000),
            "2020-01-31 10:20:30,123456789": datetime(2020, 1, 31, 10, 20, 30, 123_456),
            "2020-01-31T10:20:30Z": datetime(2020, 1, 31, 10, 20, 30),
            "2020-01-31T00:20:30+05:30": datetime(2020, 1, 30, 18, 50, 30),
            "2020-01-31 10:20:30-0800": datetime(2020, 1, 31, 18, 20, 30),
            "2020-01-31 10:20:30+00": datetime(2020, 1, 31, 10, 20, 30),
            "2020-01-31 10:20:30 UTC": datetime(2020, 1, 31, 10, 20, 30),
            "1969-12-31 23:59:59.999999": datetime(1969, 12, 31, 23, 59, 59, 999_999),
        },
    ),
    (
        {"type": "timestamp", "format": "%d.%m.%Y %H:%M:%S.%f"},
        {
            "31.1.2020 9:5:7.25": datetime(2020, 1, 31, 9, 5, 7, 250_000),
            "31.1.2020 9:5:7": datetime(2020, 1, 31, 9, 5, 7),
        },
    ),
    (
        {"type": "timestamp", "format": "%m/%d/%Y %I:%M %p"},
        {
            "1/31/2020 12:05 am": datetime(2020, 1, 31, 0, 5),
            "01/31/2020 12:05 PM": datetime(2020, 1, 31, 12, 5),
            "01/31/2020 11:59 P.M.": datetime(2020, 1, 31, 23, 59),
            "01/31/2020 1:00 AM": datetime(2020, 1, 31, 1, 0),
        },
    ),
    (
        {"type": "timestamp", "format": "unix_ms"},
        {
            "1580466030123": datetime(2020, 1, 31, 10, 20, 30, 123_000),
            "0": datetime(1970, 1, 1),
            "-1": datetime(1969, 12, 31, 23, 59, 59, 999_000),
            "1580466030123.456789": datetime(2020, 1, 31, 10, 20, 30, 123_456),
            "-0.5": datetime(1969, 12, 31, 23, 59, 59, 999_500),
            "2020-01-31 10:20": datetime(2020, 1, 31, 10, 20),
        },
    ),
    (
        {"type": "timestamp", "format": "unix_s", "timezone": "Europe/Berlin"},
        {"1580466030": datetime(2020, 1, 31, 10, 20, 30), "2020-01-31 10:20": datetime(2020, 1, 31, 9, 20)},
    ),
    ({"type": "timestamp", "format": "unix_us"}, {"1580466030123456": datetime(2020, 1, 31, 10, 20, 30, 123_456)}),
    (
        {"type": "timestamp", "format": ["unix_s", "%d.%m.%Y"]},
        {"1580466030": datetime(2020, 1, 31, 10, 20, 30), "1.5": datetime(1970, 1, 1, 0, 0, 1, 500_000)},
    ),
    ({"type": "date", "format": "unix_s"}, {"1580466030": date(2020, 1, 31), "-1": date(1969, 12, 31)}),
    (
        {"type": "decimal(12,2)", "format": "accounting"},
        {
            "1,234.50": D("1234.50"),
            "$1,234.5": D("1234.50"),
            "(1,234.50)": D("-1234.50"),
            "($12)": D("-12.00"),
            "$(12)": D("-12.00"),
            "-€ 12.00": D("-12.00"),
            "£ -12.00": D("-12.00"),
            "12.00- USD": D("-12.00"),
            "CHF 1'234.50": D("1234.50"),
            "1 234.50 €": D("1234.50"),
            "\u22121\u202f234.50\u00a0€": D("-1234.50"),
            "12,34,567.00": D("1234567.00"),
            "+5": D("5.00"),
            "1234.5": D("1234.50"),
            ".5": D("0.50"),
        },
    ),
    (
        {"type": "decimal(12,2)", "format": "accounting", "decimal": ","},
        {
            "1.234,50 €": D("1234.50"),
            "(1.234,50 €)": D("-1234.50"),
            "€ -,50": D("-0.50"),
            "1.234": D("1234.00"),
            "1234,5-": D("-1234.50"),
            "1’234,50": D("1234.50"),
        },
    ),
    ({"type": "integer", "format": "accounting"}, {"(1,234)": -1234, "1 234": 1234, "7": 7}),
    ({"type": "float", "format": "accounting"}, {"(1,234.5)": -1234.5, "1e3": 1000.0}),
    ({"levels": ["Low", "Very High"]}, {"low": "Low", "VERY HIGH": "Very High", " Low\n": "Low"}),
]
BAD: list[tuple[dict[str, Any], list[str]]] = [
    ({"type": "integer"}, ["1.0", "1,000", "0x1F", "1e3", "--1", "+", "9" * 19, "١٢", "1 2", "1\n2"]),
    ({"type": "float"}, ["NaN", "inf", "-Infinity", "1e999", "1e1000", ".", "e5", "1,5", "0x1p3", "1_000"]),
    (
        {"type": "decimal(5,2)"},
        ["1234", "1.505", ".", "1e2", "1,50", "NaN", "-", "1.5" + "0" * 60, "1.5" + "0" * 35],
    ),
    ({"type": "decimal(2,2)"}, ["1", "0.255"]),
    ({"type": "boolean"}, ["ja", "2", "tru", "on"]),
    (
        {"type": "date"},
        ["2020-02-30", "2019-02-29", "1900-02-29", "2020-13-01", "2020-00-10", "2020-01-00", "0000-01-01"],
    ),
    (
        {"type": "date"},
        ["20200101", "01.02.2020", "2020-01-01 00:00", "2020/01/01", "-2020-01-01", "12020-01-01", "2020-01-01x"],
    ),
    (
        {"type": "date", "format": "%d.%m.%Y"},
        ["31.02.2020", "31.04.2020", "01/02/2020", "1.2.20", "32.01.2020", "0.1.2020", "1.13.2020"],
    ),
    ({"type": "date", "format": "%d-%b-%Y"}, ["03-Foo-2012", "03-02-2012", "30-Feb-2012"]),
    (
        {"type": "timestamp"},
        ["2020-01-31 24:00", "2020-01-31 23:60", "2020-01-31 23:59:60", "2020-02-30 10:00", "10:20"],
    ),
    (
        {"type": "timestamp"},
        ["2020-01-31 10:20:30+19:00", "2020-01-31 10:20:30+05:70", "0001-01-01T00:00:00+10:00", "2020-01-31T"],
    ),
    (
        {"type": "timestamp", "format": "%m/%d/%Y %I:%M %p"},
        ["1/31/2020 13:05 PM", "1/31/2020 0:05 AM", "1/31/2020 1:05", "1/31/2020 1:05 XM"],
    ),
    ({"type": "timestamp", "format": "unix_ms"}, ["1e3", "1,5", "9" * 18, "-" + "9" * 18, "9" * 30, "."]),
    ({"type": "timestamp", "format": "unix_us"}, ["9" * 18, "9" * 19]),
    (
        {"type": "decimal(12,2)", "format": "accounting"},
        [
            "(5",
            "5)",
            "(-5)",
            "-5-",
            "$5 USD",
            "1,23",
            "1,2345",
            "1,234 567",
            "12.345",
            "$",
            "()",
            "-",
            "5 Stück",
            "1.2.3",
        ],
    ),
    ({"type": "decimal(12,2)", "format": "accounting", "decimal": ","}, ["1.23", "1,2,3", "1.234.56", "5 %"]),
    ({"type": "decimal(12,2)"}, ["(5)", "$5", "5 €", "5-"]),
    ({"levels": ["Low", "High"]}, ["Medium", "Lo", "Low High"]),
]


@pytest.mark.parametrize(("column", "pairs"), GOOD)
def test_good_forms_are_read(column: dict[str, Any], pairs: dict[str, Any]) -> None:
    assert cells(list(pairs), **column) == [(value, None) for value in pairs.values()]


@pytest.mark.parametrize(("column", "texts"), BAD)
def test_bad_forms_are_null_and_keep_their_text(column: dict[str, Any], texts: list[str]) -> None:
    assert cells(texts, **column) == [(None, text) for text in texts]


@pytest.mark.parametrize(("column", "pairs"), GOOD)
def test_a_text_means_the_same_whatever_its_neighbours(column: dict[str, Any], pairs: dict[str, Any]) -> None:
    alone = [cells([text], **column)[0] for text in pairs]
    assert alone == cells([*pairs, "§", None], **column)[:-2] == [
        (value, None) for value in pairs.values()
    ] or column == {"type": "string"}


@pytest.mark.parametrize("kind", ["string", "integer", "float", "decimal(5,2)", "boolean", "date", "timestamp"])
def test_blanks_of_all_kinds_are_null_and_not_failures(kind: str) -> None:
    assert cells([*BLANKS, "-"], type=kind, null_values=["-"]) == [(None, None)] * (len(BLANKS) + 1)


@pytest.mark.parametrize("precision", [1, 5, 20, 38])
def test_decimals_of_any_length_keep_their_value(precision: int) -> None:
    for scale in {0, 1, precision // 2, precision}:
        kind = f"decimal({precision},{scale})"
        for zeros in range(0, 50, 7):
            digits = ("9" * (precision - scale) or "0") + "." + "9" * scale
            text = "0" * zeros + digits
            assert cells([text], type=kind) == [(D(digits), None)]
            ((value, _),) = cells([digits + "0" * zeros], type=kind)
            assert value in (None, D(digits))


def test_placeholders_are_whole_texts() -> None:
    assert cells(["NA", " NA ", "NAN", "na"], null_values=["NA"]) == [(None, None)] * 2 + [("NAN", None), ("na", None)]


def test_a_level_that_is_not_the_word_itself_is_spelled_as_declared() -> None:
    assert cells(["vERY hIGH"], levels=["Very High"]) == [("Very High", None)]


def test_what_failed_is_told_row_by_row_and_by_what_it_costs() -> None:
    contract = Table.model_validate(
        {"columns": {"a": {"type": "integer"}, "b": {"type": "date", "on_error": "null"}, "c": {"type": "boolean"}}}
    )
    texts = {"a": ["1", "x", "y", "2"], "b": ["2020-01-01", "z", "2020-01-02", "zz"], "c": ["1", "?", "1", "0"]}
    batch = typed(contract, {name: pa.array(values) for name, values in texts.items()}, "o", first=11)
    assert batch["_row"].to_pylist() == [11, 12, 13, 14]
    assert batch["_mistyped"].to_pylist() == [None, "a,c", "a", None]
    assert [item and json.loads(item) for item in batch["_unparsed"].to_pylist()] == [
        None,
        {"a": "x", "b": "z", "c": "?"},
        {"a": "y"},
        {"b": "zz"},
    ]


def test_the_object_is_a_column_and_may_be_taken_apart() -> None:
    column = {"path": "@object", "extract": r"_([0-9-]+)[.]xml", "type": "date", "format": "%Y-%m"}
    assert cells(["x"], "2012/payroll_2012-03.xml.gz", **column) == [(date(2012, 3, 1), None)]
    assert cells(["x"], "payroll.xml", **column) == [(None, "payroll.xml")]
    assert cells(["x"], "payroll_2012-13.xml", **column) == [(None, "payroll_2012-13.xml")]


NAMES = st.sampled_from(["pay_2012-03.xml", "pay_2012-13.xml", "pay.xml", " pay_2013-01.xml ", "pay_NA.xml", ""])


@given(st.lists(NAMES | st.none(), max_size=8), st.integers(0, 3))
def test_names_of_objects_are_read_row_by_row(names: list[str | None], cut: int) -> None:
    column = {"extract": r"_(.*)[.]xml", "type": "date", "format": "%Y-%m", "null_values": ["NA"]}
    text = pa.array(names, pa.string()).slice(cut)
    ordinals = pa.array(range(len(text)), pa.int64())
    by_name = typed_at(table(path="@object", **column), {}, text, ordinals)
    assert by_name.equals(typed_at(table(**column), {"c": text}, text, ordinals))


def test_a_pattern_takes_its_group_or_keeps_the_whole_text() -> None:
    texts = ["id-7", "id-x", "id-", None, " ", "7", "id-NA"]
    want = [(7, None), (None, "id-x"), (None, None), (None, None), (None, None), (None, "7"), (None, None)]
    assert cells(texts, type="integer", extract="^id-(.*)$", null_values=["NA"]) == want


def test_columns_the_object_lacks_are_null() -> None:
    contract = Table.model_validate({"columns": {"a": {"type": "date"}, "b": {"levels": ["x"]}}})
    batch = typed(contract, {}, "o", rows=2)
    assert (
        batch.drop_columns(["_object", "_row"]).to_pylist()
        == [{"a": None, "b": None, "_unparsed": None, "_mistyped": None}] * 2
    )


def test_no_rows_are_a_batch_of_the_schema() -> None:
    contract = table(type="date", format="%d.%m.%Y")
    assert typed_at(contract, {"c": pa.array([], pa.string())}, "o", pa.array([], pa.int64())).num_rows == 0


TEXTS = st.one_of(
    st.none(),
    st.text(max_size=20),
    st.from_regex(r"[+-]?[0-9]{0,20}([.,][0-9]{0,12})?([eE][+-]?[0-9]{1,4})?", fullmatch=True),
    st.from_regex(
        r"[0-9]{1,5}[-./][0-9]{1,3}[-./][0-9]{1,5}([T ][0-9]{1,2}(:[0-9]{1,2}){0,3}([.,][0-9]*)?(Z|[+-][0-9:]{1,6})?)?",
        fullmatch=True,
    ),
    st.datetimes().map(str),
    st.dates().map(lambda day: day.strftime("%d.%m.%Y")),
    st.sampled_from(["Low", "HIGH", "true", "NA", "\u00a0", "03-Feb-2012"]),
)
COLUMNS: list[dict[str, Any]] = [
    *({"type": kind} for kind in ("string", "integer", "float", "boolean", "date", "timestamp")),
    *({"type": f"decimal({p},{s})"} for p, s in ((1, 0), (2, 2), (12, 2), (38, 0), (38, 10), (38, 38))),
    {"type": "date", "format": ["%d.%m.%Y", "%d/%m/%y", "%d-%b-%Y"]},
    {"type": "timestamp", "format": ["%d.%m.%Y %H:%M:%S%f%z", "%Y%m%d"]},
    {"levels": ["Low", "High"]},
    {"type": "integer", "extract": "([0-9]+)"},
    {"type": "date", "null_values": ["NA"]},
]


@pytest.mark.parametrize("column", COLUMNS, ids=str)
@settings(max_examples=60, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=12))
def test_no_text_raises_and_none_is_lost(column: dict[str, Any], texts: list[str | None]) -> None:
    together = cells(texts, **column)
    assert together == [cells([text], **column)[0] for text in texts]
    for text, (value, unread) in zip(texts, together, strict=True):
        blank = (
            text is None
            or not pa.compute.utf8_trim_whitespace(text).as_py()
            or text.strip() in column.get("null_values", [])
        )
        assert (value is None) == (blank or unread is not None)
        assert unread is None or unread == pa.compute.utf8_trim_whitespace(text).as_py()


NEAR_MOMENTS = st.from_regex(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9][T ]?([0-2][0-9](:[0-6][0-9](:[0-6][0-9]([.,][0-9]{1,8})?)?)?)? ?Z", fullmatch=True
)


CLOCKS = {
    "2024-01-15 12:00:00": datetime(2024, 1, 15, 11),
    "2024-07-15T12:00": datetime(2024, 7, 15, 10),
    "2024-07-15": datetime(2024, 7, 14, 22),
    # told with an offset, it is that moment
    "2024-07-15 12:00:00+05:30": datetime(2024, 7, 15, 6, 30),
    "2024-07-15T12:00:00Z": datetime(2024, 7, 15, 12),
    # the hour that comes twice, and the one that never comes
    "2024-10-27 02:30:00": datetime(2024, 10, 27, 0, 30),
    "2024-03-31 02:30:00": datetime(2024, 3, 31, 1, 30),
    "2039-07-15 12:00:00": datetime(2039, 7, 15, 10),
}


def test_a_moment_without_an_offset_is_one_of_the_place_that_is_declared() -> None:
    for texts in ([*CLOCKS], *([text] for text in CLOCKS)):
        assert cells(texts, type="timestamp", timezone="Europe/Berlin") == [(CLOCKS[text], None) for text in texts]
    german = {"15.07.2024 12:00": datetime(2024, 7, 15, 10), "15.07.2024 12:00 +02:00": datetime(2024, 7, 15, 10)}
    found = cells([*german], type="timestamp", timezone="Europe/Berlin", format="%d.%m.%Y %H:%M%z")
    assert found == [(moment, None) for moment in german.values()]
    assert cells(["2024-07-15 12:00:00", "x", None], type="timestamp", timezone="Asia/Kolkata") == [
        (datetime(2024, 7, 15, 6, 30), None),
        (None, "x"),
        (None, None),
    ]


def test_the_end_of_time_stays_in_reach_everywhere() -> None:
    ends = ["9999-12-31 23:59:59", "0001-01-01 00:00:00"]
    west, east = (cells(ends, type="timestamp", timezone=zone) for zone in ("America/Los_Angeles", "Asia/Tokyo"))
    assert west[0] == (datetime.max, None) and east[0] == (datetime(9999, 12, 31, 14, 59, 59), None)
    assert east[1] == (datetime.min, None) and west[1][0] and west[1][0] > datetime.min


PLACES = ["Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Casablanca"]


@given(st.lists(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31))), st.sampled_from(PLACES))
def test_places_tell_the_time_as_python_does(clocks: list[datetime], place: str) -> None:
    found = cells([clock.isoformat(" ", "microseconds") for clock in clocks], type="timestamp", timezone=place)
    told = [clock.replace(tzinfo=ZoneInfo(place)).astimezone(UTC).replace(tzinfo=None) for clock in clocks]
    assert found == [(moment, None) for moment in told]


@pytest.mark.parametrize("place", PLACES)
def test_every_change_of_the_clocks_is_told_as_python_does(place: str) -> None:
    """Quarters of an hour around each change since 2000."""
    zone, day = ZoneInfo(place), timedelta(days=1)
    days = [datetime(2000, 1, 1) + day * number for number in range(366 * 45)]
    changing = [at for at in days if at.replace(tzinfo=zone).utcoffset() != (at + day).replace(tzinfo=zone).utcoffset()]
    assert changing or place == "Asia/Kathmandu"
    clocks = [at + timedelta(minutes=15) * number for at in changing for number in range(96)]
    found = cells([clock.isoformat() for clock in clocks] or [None], type="timestamp", timezone=place)
    wanted = [(clock.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None), None) for clock in clocks]
    assert found == (wanted or [(None, None)])


@settings(max_examples=200, deadline=None)
@given(st.lists(NEAR_MOMENTS, min_size=1, max_size=4))
def test_moments_in_utc_are_read_alike_the_fast_way_and_beside_others(texts: list[str]) -> None:
    assert cells(texts, type="timestamp") == cells([*texts, "no moment"], type="timestamp")[:-1]


def test_every_character_that_is_trimmed_raises_the_suspicion_of_blanks() -> None:
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    texts = pa.array([f"{sign}x{sign}" for sign in every])
    trimmed = pc.not_equal(pc.utf8_trim_whitespace(texts), texts)
    assert set(pc.filter(pa.array(every), trimmed).to_pylist()) <= set(MAYBE_BLANK)


@given(
    st.lists(st.none() | st.text(st.sampled_from(["a", "ä", "\u4e00", "0", *MAYBE_BLANK]), max_size=4), max_size=12),
    st.integers(0, 3),
    st.sampled_from([[], ["a", "0"]]),
)
def test_cells_are_cleaned_as_if_each_were_trimmed(cells: list[str | None], cut: int, nulls: list[str]) -> None:
    text = pa.array(cells, pa.string()).slice(cut)
    trimmed = pc.utf8_trim_whitespace(text).to_pylist()
    expected = [None if cell in (None, "", *nulls) else cell for cell in trimmed]
    assert clean(Column(null_values=nulls), text).to_pylist() == expected


NUMBERS = [{"type": "integer"}, {"type": "float"}, {"type": "decimal(5,2)"}, {"type": "decimal(2,2)"}]


@pytest.mark.parametrize(
    "column", [*NUMBERS, {"type": "decimal(5,0)"}, {"type": "decimal(38,10)"}, {"type": "decimal(38,38)"}], ids=str
)
@given(texts=st.lists(st.none() | st.from_regex(r"[+\-]?[0-9]{0,40}[.,/+e]?[0-9]{0,40}", fullmatch=True), max_size=3))
def test_numbers_mean_the_same_beside_one_that_is_none(column: dict[str, Any], texts: list[str | None]) -> None:
    # no number at all has every other one looked at closely
    assert cells(texts, **column) == cells([*texts, "none"], **column)[:-1]
