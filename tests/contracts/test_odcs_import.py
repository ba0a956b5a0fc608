"""Contracts of the Open Data Contract Standard as others write them: what they promise is kept, or named."""

from __future__ import annotations

from typing import Any

import pytest

from potable.contracts.odcs import require_odcs
from potable.contracts.odcs_import import Imported, from_odcs
from potable.privacy.categories import CATEGORIES
from potable.tables import Table

NOT_NULL = "expect_column_values_to_not_be_null"


def taken(*properties: dict[str, Any], **table: Any) -> Imported:
    """What is taken over from a document with one table `t`, which keeps the standard."""
    head = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "x", "version": "1.0.0", "status": "active"}
    document = {**head, "name": "s", "schema": [{"name": "t", "properties": list(properties), **table}]}
    require_odcs(document, "x.yaml")
    found = from_odcs(document, categories=CATEGORIES)
    Table.model_validate(found.tables["t"])
    return found


def rule(**given: Any) -> dict[str, Any]:
    """The check that a rule about nulls of a column becomes."""
    found = taken({"name": "a", "quality": [{"metric": "nullValues", **given}]})
    assert not found.left
    ((_, arguments),) = found.tables["t"]["checks"][0].items()
    return {key: value for key, value in arguments.items() if key != "column"}


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"mustBe": 0}, {}),
        ({"mustBeLessOrEqualTo": 0, "unit": "percent"}, {}),
        ({"mustBeLessThan": 1}, {}),
        # rows within the limit keep their promise, so they stay
        ({"mustBeLessOrEqualTo": 5, "unit": "percent"}, {"severity": "warn", "at_most": "5%"}),
        ({"mustBeLessOrEqualTo": 1e-5, "unit": "percent"}, {"severity": "warn", "at_most": "0.00001%"}),
        ({"mustBeLessOrEqualTo": 3}, {"severity": "warn", "at_most": 3}),
        ({"mustBeLessThan": 2.5}, {"severity": "warn", "at_most": 2}),
        # what only warns there stops nothing here
        ({"mustBe": 0, "severity": "warning"}, {"severity": "warn"}),
        ({"mustBe": 0, "severity": "error"}, {}),
        ({"mustBeLessOrEqualTo": 5, "unit": "percent", "severity": "info"}, {"mostly": 0.95, "severity": "warn"}),
        ({"mustBeLessOrEqualTo": 3, "severity": "Warning"}, {"severity": "warn"}),
    ],
)
def test_a_rule_costs_no_row_that_its_limit_and_severity_spare(given: dict[str, Any], made: dict[str, Any]) -> None:
    assert rule(**given) == made


def test_a_rule_of_the_table_or_of_great_expectations_may_only_warn_too() -> None:
    implementation = {"type": NOT_NULL, "kwargs": {"column": "a"}}
    custom = {"type": "custom", "engine": "greatExpectations", "implementation": implementation, "severity": "warning"}
    count = {"metric": "rowCount", "mustBeGreaterThan": 9, "severity": "warning"}
    assert taken({"name": "a"}, quality=[count, custom]).tables["t"]["checks"] == [
        {"expect_table_row_count_to_be_between": {"min_value": 10, "severity": "warn"}},
        {NOT_NULL: {"column": "a", "severity": "warn"}},
    ]


@pytest.mark.parametrize(
    ("kind", "options", "made", "left"),
    [
        ("date", {"format": "dd.MM.yyyy"}, {"format": "%d.%m.%Y"}, []),
        ("date", {"format": "yyyy-MM-dd"}, {}, []),
        ("date", {"format": "yyyyMMdd"}, {"format": "%Y%m%d"}, []),
        ("date", {"format": "yyyy-DDD"}, {}, ["option `format` of `t.a`"]),
        ("timestamp", {"format": "d/M/yyyy HH:mm:ss"}, {"format": "%d/%m/%Y %H:%M:%S"}, []),
        ("timestamp", {"format": "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "timezone": True}, {}, []),
        ("timestamp", {"defaultTimezone": "Europe/Berlin"}, {"timezone": "Europe/Berlin"}, []),
        ("timestamp", {"defaultTimezone": "Mars/Base"}, {}, ["option `defaultTimezone` of `t.a`"]),
        ("string", {"format": "uuid"}, {}, ["option `format` of `t.a`"]),
        ("integer", {"multipleOf": 5}, {}, ["option `multipleOf` of `t.a`"]),
    ],
)
def test_options_of_a_type_are_taken_over_or_named(
    kind: str, options: dict[str, Any], made: dict[str, Any], left: list[str]
) -> None:
    found = taken({"name": "a", "logicalType": kind, "logicalTypeOptions": options})
    assert (found.tables["t"]["columns"]["a"], found.left) == ({"type": kind, **made}, left)


def test_a_rule_that_asks_for_two_things_at_once_is_named() -> None:
    both = {"validValues": ["A"], "pattern": "^A"}
    found = taken({"name": "a", "quality": [{"metric": "invalidValues", "mustBe": 0, "arguments": both}]})
    assert "checks" not in found.tables["t"] and found.left == ["rule `invalidValues` of `t.a`"]


def test_a_text_of_a_file_that_means_a_day_is_one() -> None:
    day = {"name": "a", "logicalType": "date", "physicalType": "varchar(10)"}
    code = {"name": "b", "logicalType": "string", "physicalType": "varchar(10)"}
    columns = taken(day, code).tables["t"]["columns"]
    assert columns == {"a": {"type": "date"}, "b": {"type": "string"}}


@pytest.mark.parametrize(
    ("physical", "kind"),
    [
        ("smallint", "integer"),
        ("BIGINT(20) UNSIGNED", "integer"),
        ("bigserial", "integer"),
        ("double precision", "float"),
        ("timestamp(3) with time zone", "timestamp"),
        ("datetime2(7)", "timestamp"),
        ("timestamp_ntz", "timestamp"),
        ("number(10,2)", "decimal(10,2)"),
        ("uuid", "string"),
        ("bit", "string"),
        ("time", "string"),
        ("what's this", "string"),
    ],
)
def test_a_type_of_a_database_says_enough(physical: str, kind: str) -> None:
    assert taken({"name": "a", "physicalType": physical}).tables["t"]["columns"] == {"a": {"type": kind}}


def test_what_a_table_is_called_there_and_what_it_refers_to_is_named() -> None:
    to = {"type": "foreignKey", "from": ["t.a", "t.b"], "to": ["u.a", "u.b"]}
    found = taken({"name": "a"}, {"name": "b"}, physicalName="tbl_1", relationships=[to])
    assert found.left == ["`relationships` of `t`", "physicalName `tbl_1` of `t`"]
