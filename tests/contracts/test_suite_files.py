"""A contract as a suite of Great Expectations, and a suite as a contract: what one means the other means too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.contracts.test_exchange import BETWEEN, call

from potable.contracts.suite_files import from_suite, to_suite
from potable.contracts.suites import Item, Suite, read_suite
from potable.tables import Table


@pytest.mark.parametrize(
    "change", [{"suite_parameters": "x"}, {"meta": {"potable": 3}}, {"meta": {"potable": {"defaults": 3}}}]
)
def test_a_suite_with_something_else_in_places_of_ours_is_read(tmp_path: Path, change: dict[str, Any]) -> None:
    entry = {"type": BETWEEN, "kwargs": {"column": "a", "max_value": 3}, **change}
    (tmp_path / "s.json").write_text(json.dumps({"name": "s", "expectations": [entry], **change}), encoding="utf-8")
    text = call("contract", "import", str(tmp_path / "s.json"), "--format", "gx").stdout
    (check,) = YAML(typ="safe").load(text)["tables"]["s"]["checks"]
    assert check[BETWEEN]["max_value"] == 3


def test_bounds_of_lengths_and_counts_tell_no_type(tmp_path: Path) -> None:
    bounds = {
        "expect_column_value_lengths_to_be_between": "code",
        "expect_column_unique_value_count_to_be_between": "word",
        "expect_column_proportion_of_non_null_values_to_be_between": "note",
        "expect_column_mean_to_be_between": "gross",
    }
    checks = [{"type": name, "kwargs": {"column": column, "min_value": 0.5}} for name, column in bounds.items()]
    (tmp_path / "s.json").write_text(json.dumps({"name": "s", "expectations": checks}), encoding="utf-8")
    found = from_suite(read_suite(tmp_path, "s.json"))[0]["columns"]
    assert found == {"code": {}, "word": {}, "note": {}, "gross": {"type": "float"}}


def test_a_pair_with_one_null_means_the_same_on_both_sides(tmp_path: Path) -> None:
    check = {"expect_column_pair_values_to_be_equal": {"column_A": "a", "column_B": "b"}}
    table = Table.model_validate({"columns": {"a": {}, "b": {}}, "checks": [check]})
    suite = to_suite("s.t", table)
    assert suite["expectations"][0]["kwargs"]["ignore_row_if"] == "either_value_is_missing"
    (tmp_path / "s.json").write_text(json.dumps(suite), encoding="utf-8")
    assert from_suite(read_suite(tmp_path, "s.json"))[0]["checks"] == [check]
    # a suite that GX wrote means GX's default
    del suite["expectations"][0]["meta"], suite["expectations"][0]["kwargs"]["ignore_row_if"]
    (tmp_path / "s.json").write_text(json.dumps(suite), encoding="utf-8")
    ((_, taken),) = from_suite(read_suite(tmp_path, "s.json"))[0]["checks"][0].items()
    assert taken["ignore_row_if"] == "both_values_are_missing"


@pytest.mark.parametrize(
    ("expectation", "kwargs"),
    [
        ("expect_column_values_to_not_be_null", {"column": ["emp_no"]}),
        ("expect_multicolumn_sum_to_equal", {"column_list": None, "sum_total": 1}),
        ("expect_compound_columns_to_be_unique", {"column_list": 1}),
        ("expect_column_values_to_be_of_type", {"column": "emp_no", "type_": None}),
        ("expect_column_to_exist", {}),
    ],
)
def test_an_expectation_that_names_no_columns_is_left_out_of_a_contract(
    expectation: str, kwargs: dict[str, Any]
) -> None:
    assert from_suite(Suite("s", [Item("s.json", 0, expectation, kwargs)], [])) == ({}, [f"`{expectation}`"])


def test_bounds_that_are_days_or_moments_tell_a_type(tmp_path: Path) -> None:
    bounds: dict[str, dict[str, Any]] = {
        "day": {"min_value": "2020-01-01", "max_value": "2021-01-01"},
        "at": {"min_value": "2020-01-01T00:00:00"},
        "either": {"min_value": "2020-01-01", "max_value": "2021-01-01 12:00"},
        "code": {"min_value": "2020-01-A"},
    }
    between = "expect_column_values_to_be_between"
    entries = [{"type": between, "kwargs": {"column": name, **each}} for name, each in bounds.items()]
    (tmp_path / "s.json").write_text(json.dumps({"expectations": entries}))
    found = from_suite(read_suite(tmp_path, "s.json"))[0]["columns"]
    assert found == {"day": {"type": "date"}, "at": {"type": "timestamp"}, "either": {"type": "timestamp"}, "code": {}}


def test_an_exported_suite_has_what_the_suite_of_the_table_says(tmp_path: Path) -> None:
    entry = {"type": BETWEEN, "kwargs": {"column": "b", "max_value": 3}, "meta": {"owner": "x"}, "severity": "warning"}
    (tmp_path / "gx.json").write_text(json.dumps({"name": "theirs", "expectations": [entry]}), encoding="utf-8")
    checks = [{BETWEEN: {"column": "a", "min_value": 1}}]
    table = Table.model_validate({"columns": {"a": {}, "b": {}}, "checks": checks, "suite": "gx.json"})
    found = to_suite("s.t", table, read_suite(tmp_path, "gx.json"))["expectations"]
    assert [each["kwargs"]["column"] for each in found] == ["a", "b"] and found[1] == entry


def test_checks_that_gx_has_no_expectation_for_come_back_from_a_suite_too(tmp_path: Path) -> None:
    checks = [
        {
            "expect_column_values_to_exist_in_other_table": {
                "column": "a",
                "other_table_name": "s.u",
                "severity": "warn",
            }
        },
        {"expect_compound_columns_to_exist_in_other_table": {"column_list": ["a", "b"], "other_table_name": "s.u"}},
    ]
    table = Table.model_validate({"columns": {"a": {}, "b": {}}, "checks": checks})
    suite = to_suite("s.t", table)
    (tmp_path / "s.json").write_text(json.dumps(suite), encoding="utf-8")
    assert from_suite(read_suite(tmp_path, "s.json")) == ({"columns": {"a": {}, "b": {}}, "checks": checks}, [])
    for odd in ([3, {"x": {}}, {}], "x", [{"expect_column_values_to_exist_in_other_table": {"column": 3}}]):
        suite["meta"]["potable"]["left_out"] = odd
        (tmp_path / "s.json").write_text(json.dumps(suite), encoding="utf-8")
        assert from_suite(read_suite(tmp_path, "s.json")) == ({}, [])
