"""What a contract may promise, and what it may not."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from potable.tables import Column, Duration, Table


def column(**keys: Any) -> Column:
    return Column.model_validate(keys)


def table(**keys: Any) -> Table:
    columns = {"id": {}, "day": {"type": "date"}, "seen": {"type": "timestamp"}}
    return Table.model_validate({"columns": columns, **keys})


@pytest.mark.parametrize(
    ("declared", "arrow"),
    [
        ("string", pa.string()),
        ("integer", pa.int64()),
        ("float", pa.float64()),
        ("boolean", pa.bool_()),
        ("date", pa.date32()),
        ("timestamp", pa.timestamp("us")),
        ("decimal(12,2)", pa.decimal128(12, 2)),
        ("decimal(38, 0)", pa.decimal128(38, 0)),
        ("decimal(2,2)", pa.decimal128(2, 2)),
    ],
)
def test_types_have_one_arrow_type(declared: str, arrow: pa.DataType) -> None:
    assert column(type=declared).arrow == arrow


@pytest.mark.parametrize("declared", ["int", "decimal", "decimal(0,0)", "decimal(39,2)", "decimal(2,3)", "Date", ""])
def test_other_types_are_refused(declared: str) -> None:
    with pytest.raises(ValidationError, match="type"):
        column(type=declared)


@pytest.mark.parametrize("pattern", ["no group", "(a)(b)", "(?:a)", "(?P<x>a)", "(a", r"(a)\1", r"\((a)\)", "(a++)"])
def test_a_pattern_has_exactly_one_group_and_is_re2(pattern: str) -> None:
    with pytest.raises(ValidationError, match="exactly one group"):
        column(extract=pattern)


@pytest.mark.parametrize(
    "form", ["%d.%m", "%Q-%Y", "%Y-%m-%d %p", "%Y-%m-%d %I:%M", "%Y %H %p", "unix", "%Y %Y", "", "%Y%"]
)
def test_a_format_that_cannot_be_read_is_refused(form: str) -> None:
    with pytest.raises(ValidationError, match="a format needs a year"):
        column(type="date", format=[form])


@pytest.mark.parametrize(
    "keys",
    [
        {"type": "string", "format": "%Y"},
        {"type": "string", "format": "accounting"},
        {"type": "boolean", "format": "accounting"},
        {"type": "integer", "format": "unix_s"},
        {"type": "integer", "format": "%Y"},
        {"type": "integer", "format": ["accounting", "accounting"]},
        {"type": "integer", "levels": ["1", "2"]},
        {"type": "string", "format": "J/N"},
        {"type": "date", "format": "J/N"},
        {"type": "boolean", "format": "%Y"},
        {"type": "boolean", "format": "J"},
        {"type": "boolean", "format": "J/j"},
        {"type": "boolean", "format": "J/N/X"},
        {"type": "boolean", "format": ["J/N", "N/J"]},
        {"type": "date", "years_from": 1925},
        {"type": "date", "format": "%d.%m.%Y", "years_from": 1925},
        {"type": "date", "format": "%d.%m.%y", "years_from": 0},
        {"type": "date", "format": "%d.%m.%y", "years_from": 9901},
        {"levels": ["Low", "LOW"]},
    ],
)
def test_keys_that_contradict_each_other_are_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        column(**keys)


def test_two_digits_of_a_year_of_birth_must_say_their_century() -> None:
    born = {"type": "date", "format": "%d.%m.%y", "category": "user.demographic.date_of_birth"}
    with pytest.raises(ValidationError, match="`years_from: 19"):
        column(**born)
    assert column(**born, years_from=1925).years_from == 1925


def test_paths_default_to_the_name_and_keep_their_order() -> None:
    assert column().paths("x") == ("x",)
    assert column(path="y").paths("x") == ("y",)
    assert column(path=["new", "old"]).paths("x") == ("new", "old")


def test_a_key_without_category_is_a_unique_id() -> None:
    assert column(key="emp_no").declared_category == "user.unique_id"
    assert column().declared_category is None


@pytest.mark.parametrize(
    "columns", [{}, {"_row": {}}, {"": {}}, {"Name": {}, "name": {}}], ids=["none", "ours", "empty", "case"]
)
def test_column_names_the_engines_cannot_tell_apart_are_refused(columns: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Table.model_validate({"columns": columns})


@pytest.mark.parametrize(
    "keys",
    [
        {"unique": ["idd"]},
        {"time": "nope"},
        {"time": "day", "known": "nope"},
        {"time": "day", "order": "nope"},
        {"time": "id"},
        {"time": "day", "known": "id"},
        {"time": "day", "known": "+10"},
        {"known": "+10d"},
        {"coverage": ["2020-01-02", "2020-01-01"]},
    ],
)
def test_a_table_refers_to_columns_that_can_bear_it(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        table(**keys)


def test_known_is_a_column_a_lag_or_both() -> None:
    assert table(time="day", known="seen").known_column == "seen"
    assert table(time="day", known="+10d").known_lag == Duration(count=10, unit="d")
    both = table(time="day", known="seen or +30d")
    assert (both.known_column, str(both.known_lag)) == ("seen", "30d")
    assert (table(time="day").known_column, table(time="day").known_lag) == (None, None)


@pytest.mark.parametrize(
    ("text", "days", "months"), [("30d", 30, 0), ("+2w", 14, 0), ("12mo", 0, 12), ("4q", 0, 12), (" 5y ", 0, 60)]
)
def test_durations_are_days_or_months(text: str, days: int, months: int) -> None:
    assert (Duration.parse(text).days, Duration.parse(text).months) == (days, months)


@pytest.mark.parametrize("text", ["", "d", "1.5d", "-1d", "10", "10m", "10 d", "1d2d"])
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        Duration.parse(text)


def test_a_table_goes_through_json_and_is_the_same() -> None:
    """Defaults written out are no declarations."""
    for made in (table(), table(time="day", health={"period": "week"})):
        assert Table.model_validate_json(made.model_dump_json()) == made
