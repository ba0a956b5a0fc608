"""validate: every row goes out or to quarantine, with its reason and origin, whatever is wrong with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Examples

from potable.contracts.checks import parse
from potable.contracts.validate import (
    Contract,
    Places,
    Standing,
    Validated,
    quarantine_schema,
    validate,
    validated_schema,
)
from potable.engines.base import Engine, collect
from potable.engines.duckdb import DuckDBEngine
from potable.sources.groups import schema
from potable.sources.typed import typed, with_lost
from potable.tables import BATCH, Table


def payslips(**changes: Any) -> Table:
    declared: dict[str, Any] = {
        "columns": {
            "emp_no": {"type": "string", "required": True, "key": "emp_no"},
            "pay_date": {"type": "date", "required": True, "category": "none"},
            "gross": {"type": "decimal(12,2)", "category": "user.financial.salary"},
            "currency": {"type": "string", "category": "none"},
            "dependents": {"type": "integer", "category": "none", "on_error": "null"},
        },
        "unique": ["emp_no", "pay_date"],
        "time": "pay_date",
        "checks": [
            {"expect_column_values_to_be_between": {"column": "gross", "min_value": 0}},
            {"expect_column_values_to_be_in_set": {"column": "currency", "value_set": ["INR", "USD"]}},
            {"expect_column_values_to_be_between": {"column": "dependents", "min_value": 0}},
        ],
    }
    return Table.model_validate(declared | changes)


GOOD = {"emp_no": "E1", "pay_date": "2020-01-31", "gross": "10.00", "currency": "INR", "dependents": "2"}


def judge(engine: Engine, folder: Path, table: Table, rows: list[dict[str, str | None]]) -> Validated:
    return judge_files(engine, folder, table, [(1, "file-1", rows)])


def judge_files(
    engine: Engine,
    folder: Path,
    table: Table,
    files: Sequence[tuple[int, str, list[dict[str, str | None]]]],
    standing: Standing | None = None,
) -> Validated:
    """Judge rows of files, each with the number of the batch it came with."""
    items = []
    for number, name, rows in files:
        texts = {column: pa.array([row.get(column) for row in rows], pa.string()) for column in table.columns}
        batch = typed(table, texts, name)
        items.append(batch.append_column(BATCH, pa.array([number] * len(rows), pa.int64())))
    parsed = engine.map_items(items, one, schema(table))
    checks, errors = parse("payslips", table)
    assert not errors
    contract = Contract("payroll.payslips", table, checks)
    return validate(parsed, contract, engine=engine, places=places(folder), standing=standing)


def stands(folder: Path, made: Validated) -> Standing:
    """What stands when one layer was judged; its files are read from `folder`."""
    files = [f"{folder}/rows/{part.path}" for part in made.rows]
    return Standing([*made.standing.files, *files], made.rows_out, made.rows_quarantined, made.totals)


def places(folder: Path) -> Places:
    return Places(str(folder), str(folder))


def one(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    return [batch]


def rows_of(engine: Engine, folder: Path, made: Validated, table: Table, output: str) -> list[dict[str, Any]]:
    parts = getattr(made, output)
    shape = validated_schema(table) if output == "rows" else quarantine_schema(table)
    found = collect(engine, engine.read([f"{folder}/{output}/{part.path}" for part in parts], shape)).to_pylist()
    return sorted(found, key=lambda row: row["_row"])


def test_a_bad_row_goes_to_quarantine_with_its_reason_and_origin(engine: Engine, tmp_path: Path) -> None:
    cases = [
        ({"emp_no": None}, "missing:emp_no"),
        ({"emp_no": "   "}, "missing:emp_no"),
        ({"pay_date": "31.02.2020"}, "mistyped:pay_date"),
        ({"gross": "12,5O0.00"}, "mistyped:gross"),
        ({"gross": "-1.00"}, "be_between:gross"),
        ({"currency": "XYZ"}, "be_in_set:currency"),
    ]
    rows = [GOOD, *({**GOOD, "emp_no": f"E{number}", **change} for number, (change, _) in enumerate(cases, 2))]
    made = judge(engine, tmp_path, payslips(), rows)
    bad = rows_of(engine, tmp_path, made, payslips(), "quarantine")
    told = [(row["_reasons"], row["_object"], row["_row"]) for row in bad]
    assert told == [(f"{reason};", "file-1", number) for number, (_, reason) in enumerate(cases, 2)]
    assert made.rows_in == 7 and made.rows_out == 1


@pytest.mark.parametrize(
    ("rows", "bad", "declared", "stops"),
    [(100, 51, {}, True), (100, 50, {}, False), (99, 99, {}, False), (100, 100, {"at_most": "100%"}, False)],
)
def test_where_most_of_what_is_new_breaks_the_contract_it_stops_without_a_limit(
    tmp_path: Path, rows: int, bad: int, declared: dict[str, str], stops: bool
) -> None:
    """Beside any number of rows that stand; rows whose key another has do not break it."""
    table = payslips(quarantine=declared)
    stood = [{**GOOD, "emp_no": f"S{number}"} for number in range(1000)]
    new = [{**GOOD, "emp_no": f"E{number}", "gross": "n/a" if number < bad else "1.00"} for number in range(rows)]
    with closing(DuckDBEngine(memory=1 << 30, threads=1, scratch=tmp_path)) as engine:
        first = judge_files(engine, tmp_path / "1", table, [(1, "file-1", [*stood, *stood])])
        made = judge_files(engine, tmp_path / "2", table, [(2, "file-2", new)], stands(tmp_path / "1", first))
    assert (first.reasons, first.stopped) == ({"duplicate": 1000}, [])
    assert (made.reasons["mistyped"], made.stopped) == (bad, ["quarantine()"] * stops)
    told = "51 of 100 new rows go to quarantine; where the table declares no `quarantine: {at_most: …}`"
    assert [each[: len(told)] for each in made.told] == [told] * stops


@pytest.mark.long_on_spark
def test_a_required_cell_that_says_why_it_cannot_be_read_is_not_missing_too(engine: Engine, tmp_path: Path) -> None:
    table = payslips()
    columns = {name: pa.array([GOOD[name] if name != "emp_no" else None], pa.string()) for name in table.columns}
    batch = with_lost(
        table, typed(table, columns, "file-1"), {"emp_no": {0: "#X!"}, "dependents": {0: "#X!"}}, "no value"
    )
    parsed = engine.map_items([batch.append_column(BATCH, pa.array([1]))], one, schema(table))
    contract = Contract("payroll.payslips", table, parse("payslips", table)[0])
    made = validate(parsed, contract, engine=engine, places=places(tmp_path))
    (bad,) = rows_of(engine, tmp_path, made, table, "quarantine")
    assert bad["_reasons"] == "mistyped:emp_no: no value;" and made.reasons == {"mistyped": 1}
    assert bad["_unparsed"] == '{"emp_no": "#X!", "dependents": "#X!"}'


@pytest.mark.long_on_spark
def test_the_original_text_of_an_unreadable_cell_is_kept(engine: Engine, tmp_path: Path) -> None:
    made = judge(engine, tmp_path, payslips(), [{**GOOD, "gross": "12,5O0.00"}])
    (bad,) = rows_of(engine, tmp_path, made, payslips(), "quarantine")
    assert bad["_unparsed"] == '{"gross": "12,5O0.00"}'


def test_a_cell_that_may_be_null_costs_only_itself(engine: Engine, tmp_path: Path) -> None:
    cells = [{**GOOD, "emp_no": "E1", "dependents": "many"}, {**GOOD, "emp_no": "E2", "dependents": "-1"}]
    made = judge(engine, tmp_path, payslips(), cells)
    rows = rows_of(engine, tmp_path, made, payslips(), "rows")
    assert [row["dependents"] for row in rows] == [None, None]
    many, negative = rows_of(engine, tmp_path, made, payslips(), "cells")
    assert many["_unparsed"] == '{"dependents": "many"}' and negative["dependents"] == -1
    assert made.rows_quarantined == 0


@pytest.mark.long_on_spark
@pytest.mark.parametrize(
    ("change", "written"),
    [
        ({}, set()),
        ({"gross": "-1.00"}, {"quarantine"}),
        ({"gross": "12,5O0.00"}, {"quarantine"}),
        ({"emp_no": "E2"}, {"quarantine"}),
        ({"dependents": "-1"}, {"cells"}),
        ({"dependents": "many"}, {"cells"}),
        ({"currency": "XYZ"}, set()),
    ],
)
def test_nothing_empty_is_written_beside_the_rows(
    engine: Engine, tmp_path: Path, change: dict[str, str], written: set[str]
) -> None:
    warns = {"expect_column_values_to_be_in_set": {"column": "currency", "value_set": ["INR"], "severity": "warn"}}
    table = payslips(checks=[payslips().checks[0], warns, payslips().checks[2]])
    made = judge(engine, tmp_path, table, [{**GOOD, "emp_no": "E2"}, {**GOOD, **change}])
    assert {path.name for path in tmp_path.iterdir()} & {"quarantine", "cells"} == written
    for output in ("quarantine", "cells"):
        assert len(rows_of(engine, tmp_path, made, table, output)) == (output in written)


@pytest.mark.long_on_spark
@pytest.mark.parametrize("value", ["-1", "13"])
def test_each_of_two_checks_nulls_the_cell(engine: Engine, tmp_path: Path, value: str) -> None:
    bounds = [{"min_value": 0}, {"max_value": 12}]
    checks = [{"expect_column_values_to_be_between": {"column": "dependents", **bound}} for bound in bounds]
    table = payslips(checks=checks)
    made = judge(engine, tmp_path, table, [{**GOOD, "dependents": value}])
    (row,) = rows_of(engine, tmp_path, made, table, "rows")
    assert row["dependents"] is None


@pytest.mark.long_on_spark
def test_nulls_pass_checks_as_in_great_expectations(engine: Engine, tmp_path: Path) -> None:
    made = judge(engine, tmp_path, payslips(), [{**GOOD, "gross": None, "currency": None}])
    assert made.rows_out == 1


@pytest.mark.long_on_spark
def test_of_equal_keys_the_first_record_stays(engine: Engine, tmp_path: Path) -> None:
    made = judge(engine, tmp_path, payslips(), [GOOD, {**GOOD, "gross": "11"}, {**GOOD, "gross": "12"}])
    (kept,) = rows_of(engine, tmp_path, made, payslips(), "rows")
    assert kept["_row"] == 1
    assert made.reasons == {"duplicate": 2}


@pytest.mark.long_on_spark
def test_columns_of_a_key_may_be_called_as_we_call_what_we_count(engine: Engine, tmp_path: Path) -> None:
    names = ("n", "kept", "count", "value", "rows", "column")
    columns = {name: {"type": "string", "category": "none"} for name in names}
    table = Table.model_validate({"columns": columns, "unique": list(names)})
    row: dict[str, str | None] = dict.fromkeys(names, "1")
    first = judge_files(engine, tmp_path / "1", table, [(1, "a", [row, row, {**row, "n": "2"}])])
    assert (first.rows_out, first.reasons) == (2, {"duplicate": 1})
    made = judge_files(
        engine, tmp_path / "2", table, [(2, "b", [row, {**row, "n": "3"}])], stands(tmp_path / "1", first)
    )
    assert (made.rows_in, made.rows_out, made.reasons) == (5, 3, {"duplicate": 2})


@pytest.mark.long_on_spark
def test_of_equal_keys_the_record_that_landed_first_stays(engine: Engine, tmp_path: Path) -> None:
    files = [(2, "a", [{**GOOD, "gross": "2"}]), (1, "b", [{**GOOD, "gross": "1"}]), (10, "0", [GOOD])]
    made = judge_files(engine, tmp_path, payslips(), files)
    (kept,) = rows_of(engine, tmp_path, made, payslips(), "rows")
    assert kept["_object"] == "b" and made.reasons == {"duplicate": 2}


def test_a_row_that_stands_is_never_displaced_and_numbers_add_up(engine: Engine, tmp_path: Path) -> None:
    table = payslips()
    first = judge_files(engine, tmp_path / "1", table, [(1, "z", [GOOD, {**GOOD, "emp_no": "E2", "gross": "-1"}])])
    rows = [{**GOOD, "gross": "11"}, {**GOOD, "emp_no": "E2"}, {**GOOD, "emp_no": "E2", "gross": "12"}]
    made = judge_files(engine, tmp_path / "2", table, [(2, "a", rows)], stands(tmp_path / "1", first))
    (kept,) = rows_of(engine, tmp_path / "2", made, table, "rows")
    assert (kept["emp_no"], kept["_row"]) == ("E2", 2)
    assert (made.rows_in, made.rows_out, made.rows_quarantined) == (5, 2, 3)
    assert made.reasons == {"be_between:gross": 1, "duplicate": 2}
    assert {result.element_count for result in made.results} == {5}


@pytest.mark.long_on_spark
def test_a_key_is_compared_as_it_goes_out(engine: Engine, tmp_path: Path) -> None:
    """A nulled cell says nothing in a key, whether its row is judged in the same layer or stands."""
    table = payslips(unique=["emp_no", "dependents"])
    twins = [{**GOOD, "dependents": "-1"}, {**GOOD, "dependents": "-1"}]
    whole = judge(engine, tmp_path / "whole", table, twins)
    first = judge_files(engine, tmp_path / "1", table, [(1, "a", twins[:1])])
    made = judge_files(engine, tmp_path / "2", table, [(2, "b", twins[1:])], stands(tmp_path / "1", first))
    assert whole.reasons == made.reasons == {} and whole.rows_out == made.rows_out == 2


def test_a_later_known_record_of_one_key_is_a_correction(engine: Engine, tmp_path: Path) -> None:
    table = payslips()
    columns = {name: column.model_dump() for name, column in table.columns.items()}
    columns["seen"] = {"type": "timestamp", "category": "none"}
    table = payslips(columns=columns, known="seen")
    rows = [{**GOOD, "seen": "2020-02-01"}, {**GOOD, "seen": "2020-03-01"}, {**GOOD, "seen": "2020-03-01"}]
    made = judge(engine, tmp_path, table, rows)
    assert made.rows_out == 2 and made.reasons == {"duplicate": 1}


@pytest.mark.long_on_spark
def test_what_the_declared_order_tells_apart_are_versions_not_duplicates(engine: Engine, tmp_path: Path) -> None:
    """Whether they come in one layer or in several, and as the cell goes out."""
    columns = {name: column.model_dump() for name, column in payslips().columns.items()}
    columns |= {"seen": {"type": "date", "category": "none"}, "turn": {"type": "integer", "category": "none"}}
    columns["turn"]["on_error"] = "null"
    table = payslips(columns=columns, known="seen", order="turn")
    day = {**GOOD, "seen": "2020-02-01"}
    rows = [day, {**day, "turn": "1"}, {**day, "turn": "2"}, {**day, "turn": "1"}, {**day, "turn": "x"}]
    whole = judge(engine, tmp_path / "whole", table, rows)
    first = judge_files(engine, tmp_path / "1", table, [(1, "a", rows[:2])])
    made = judge_files(engine, tmp_path / "2", table, [(2, "b", rows[2:])], stands(tmp_path / "1", first))
    assert whole.reasons == made.reasons == {"duplicate": 2} and whole.rows_out == made.rows_out == 3
    kept = rows_of(engine, tmp_path / "whole", whole, table, "rows")
    assert [row["turn"] for row in kept] == [None, 1, 2]


@pytest.mark.long_on_spark
def test_records_without_a_known_time_are_duplicates_of_each_other(engine: Engine, tmp_path: Path) -> None:
    columns = {name: column.model_dump() for name, column in payslips().columns.items()}
    columns["seen"] = {"type": "timestamp", "category": "none"}
    table = payslips(columns=columns, known="seen or +30d")
    made = judge(engine, tmp_path, table, [GOOD, GOOD, {**GOOD, "seen": "2020-03-01"}])
    assert made.rows_out == 2 and made.reasons == {"duplicate": 1}


def test_a_bad_record_does_not_make_its_good_twin_a_duplicate(engine: Engine, tmp_path: Path) -> None:
    made = judge(engine, tmp_path, payslips(), [{**GOOD, "gross": "-5"}, GOOD])
    assert made.rows_out == 1 and made.reasons == {"be_between:gross": 1}


@pytest.mark.long_on_spark
def test_mostly_says_when_the_run_stops(engine: Engine, tmp_path: Path) -> None:
    check = {"expect_column_values_to_be_between": {"column": "gross", "min_value": 0, "mostly": 0.9}}
    rows = [{**GOOD, "emp_no": f"E{i}", "gross": "-1" if i < 2 else "1"} for i in range(10)]
    made = judge(engine, tmp_path, payslips(checks=[check]), rows)
    assert made.stopped == ["expect_column_values_to_be_between(gross)"]
    loose = {"expect_column_values_to_be_between": {"column": "gross", "min_value": 0, "mostly": 0.8}}
    assert not judge(engine, tmp_path / "loose", payslips(checks=[loose]), rows).stopped


@pytest.mark.long_on_spark
def test_mostly_looks_at_the_whole_table_not_at_the_layer(engine: Engine, tmp_path: Path) -> None:
    check = {"expect_column_values_to_be_between": {"column": "gross", "min_value": 0, "mostly": 0.8}}
    table = payslips(checks=[check, {"expect_table_row_count_to_be_between": {"max_value": 11}}])
    good = [{**GOOD, "emp_no": f"E{i}"} for i in range(9)]
    bad = [{**GOOD, "emp_no": f"B{i}", "gross": "-1"} for i in range(2)]
    first = judge_files(engine, tmp_path / "1", table, [(1, "a", good)])
    second = judge_files(engine, tmp_path / "2", table, [(2, "b", bad)], stands(tmp_path / "1", first))
    assert not second.stopped
    third = judge_files(engine, tmp_path / "3", table, [(3, "c", bad)], stands(tmp_path / "2", second))
    assert third.stopped == ["expect_column_values_to_be_between(gross)", "expect_table_row_count_to_be_between()"]


@pytest.mark.long_on_spark
def test_a_row_count_out_of_bounds_stops_the_run(engine: Engine, tmp_path: Path) -> None:
    made = judge(
        engine, tmp_path, payslips(checks=[{"expect_table_row_count_to_be_between": {"min_value": 2}}]), [GOOD]
    )
    assert made.stopped == ["expect_table_row_count_to_be_between()"]


@pytest.mark.long_on_spark
def test_more_checks_than_bits_in_a_word(engine: Engine, tmp_path: Path) -> None:
    checks = [{"expect_column_values_to_be_between": {"column": "gross", "max_value": 100 + i}} for i in range(130)]
    made = judge(engine, tmp_path, payslips(checks=checks), [GOOD, {**GOOD, "emp_no": "E2", "gross": "164.5"}])
    assert sum(result.unexpected_count for result in made.results) == 65
    assert made.rows_quarantined == 1


def test_an_empty_table_is_fine(engine: Engine, tmp_path: Path) -> None:
    parsed = engine.read([], schema(payslips()))
    checks, _ = parse("payslips", payslips())
    made = validate(parsed, Contract("p.p", payslips(), checks), engine=engine, places=places(tmp_path))
    assert (made.rows_in, made.rows_out, made.rows_quarantined) == (0, 0, 0)


cells = st.sampled_from([None, "", "E1", "E2", "-3", "7.25", "x", "2020-01-31", "1899-12-31", "31.02.2019", "INR"])


def test_no_row_is_lost_whatever_comes(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, examples: Examples
) -> None:
    @settings(max_examples=examples(engine, 15), deadline=None)
    @given(rows=st.lists(st.fixed_dictionaries({name: cells for name in GOOD}), min_size=1, max_size=12))
    def holds(rows: list[dict[str, str | None]]) -> None:
        folder = tmp_path_factory.mktemp("judged")
        made = judge(engine, folder, payslips(), rows)
        out = rows_of(engine, folder, made, payslips(), "rows")
        bad = rows_of(engine, folder, made, payslips(), "quarantine")
        assert sorted(row["_row"] for row in [*out, *bad]) == list(range(1, len(rows) + 1))
        assert all(row["_reasons"] for row in bad)
        assert all(row["emp_no"] and row["pay_date"] and (row["gross"] is None or row["gross"] >= 0) for row in out)
        assert len({(row["emp_no"], row["pay_date"]) for row in out}) == len(out)

    holds()


@pytest.mark.parametrize(
    ("check", "problem"),
    [
        ({"expect_column_values_to_be_betwen": {"column": "gross"}}, "unknown expectation"),
        ({"expect_column_values_to_be_between": {"column": "gros"}}, "the table has no column"),
        ({"expect_column_values_to_be_between": {"column": "gross", "minvalue": 1}}, "has no argument"),
        ({"expect_column_values_to_be_in_set": {"column": "gross"}}, "needs `value_set`"),
        ("expect", "a check is one expectation"),
    ],
)
def test_a_wrong_check_is_a_project_error_with_a_suggestion(check: Any, problem: str) -> None:
    table = payslips().model_copy(update={"checks": [check]})
    checks, (error,) = parse("payslips", table)
    assert not checks and problem in error.problem and error.code == "P020"
    assert error.hint or error.allowed or "needs" in problem


def test_each_expectation_means_what_its_name_says(engine: Engine, tmp_path: Path) -> None:
    """Each on a column of its own; of two rows per expectation one breaks it, and no other."""
    cases: list[tuple[str, dict[str, Any], str | None, str | None]] = [
        ("expect_column_values_to_match_regex", {"regex": "^[A-Z]{3}$"}, "INR", "inr"),
        ("expect_column_values_to_not_match_regex", {"regex": "^X"}, "INR", "XAU"),
        ("expect_column_value_lengths_to_be_between", {"max_value": 3}, "INR", "INRR"),
        ("expect_column_values_to_not_be_in_set", {"value_set": ["XXX"]}, "INR", "XXX"),
        ("expect_column_values_to_not_be_null", {}, "INR", None),
        ("expect_column_values_to_be_null", {}, None, "INR"),
    ]
    good = {f"c{index}": fine for index, (_, _, fine, _) in enumerate(cases)}
    checks = [{name: {"column": f"c{index}", **keys}} for index, (name, keys, _, _) in enumerate(cases)]
    columns = {name: {"type": "string", "category": "none"} for name in good}
    table = Table.model_validate({"columns": columns, "checks": checks})
    rows = [row for index, case in enumerate(cases) for row in (good, {**good, f"c{index}": case[3]})]
    made = judge(engine, tmp_path, table, rows)
    bad = rows_of(engine, tmp_path, made, table, "quarantine")
    assert [(row["_row"], row["_reasons"].partition(":")[2]) for row in bad] == [
        (2 * index + 2, f"c{index};") for index in range(len(cases))
    ]


def test_pairs_of_columns_are_compared_row_by_row(engine: Engine, tmp_path: Path) -> None:
    table = Table.model_validate(
        {
            "columns": {name: {"type": "date", "category": "none"} for name in ("hired_on", "left_on")},
            "checks": [
                {
                    "expect_column_pair_values_a_to_be_greater_than_b": {
                        "column_A": "left_on",
                        "column_B": "hired_on",
                        "or_equal": True,
                    }
                }
            ],
        }
    )
    rows = [
        {"hired_on": "2020-01-01", "left_on": "2020-01-01"},
        {"hired_on": "2020-01-01", "left_on": "2019-12-31"},
        {"hired_on": "2020-01-01", "left_on": None},
    ]
    made = judge(engine, tmp_path, table, rows)
    assert [row["_row"] for row in rows_of(engine, tmp_path, made, table, "quarantine")] == [2]


def test_bounds_on_dates_are_dates(engine: Engine, tmp_path: Path) -> None:
    bound = {"column": "pay_date", "min_value": dt.date(2000, 1, 1), "max_value": "2030-01-01"}
    table = payslips(checks=[{"expect_column_values_to_be_between": bound}])
    made = judge(engine, tmp_path, table, [GOOD, {**GOOD, "emp_no": "E2", "pay_date": "1899-01-01"}])
    assert made.reasons == {"be_between:pay_date": 1}
