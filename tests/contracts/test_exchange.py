"""Contracts as other tools write them: ours come back as they were, those of others are taken over or named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from potable.cli.app import cli
from potable.cli.exchange import dumped, exported, imported
from potable.contracts.checks import parse
from potable.contracts.odcs import plain, require_odcs, to_odcs
from potable.contracts.odcs_import import from_odcs
from potable.contracts.suite_files import from_suite, to_suite
from potable.contracts.suites import read_suite
from potable.errors import ProjectError
from potable.privacy.categories import CATEGORIES
from potable.project import load
from potable.tables import Table

EXAMPLE = Path(__file__).parents[2] / "examples" / "attrition"
BETWEEN, REGEX = "expect_column_values_to_be_between", "expect_column_values_to_match_regex"
NAMES = st.sampled_from(["emp_no", "pay_date", "gross", "Übername", "x y"])
DAYS = st.dates()


def some(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=values)


COLUMNS = some(
    type=st.sampled_from(
        ["string", "integer", "float", "boolean", "date", "timestamp", "decimal(12,2)", "decimal(38, 0)"]
    ),
    required=st.booleans(),
    category=st.sampled_from(sorted(CATEGORIES)),
    path=st.one_of(st.text(min_size=1), st.lists(st.text(min_size=1), min_size=1)),
    extract=st.just("a_(.*)"),
    key=NAMES,
    format=st.just("%d.%m.%Y"),
    levels=st.lists(st.text(min_size=1), min_size=1),
    on_error=st.sampled_from(["null", "quarantine"]),
    null_values=st.lists(st.text(), min_size=1),
    someone_else=st.booleans(),
    static=st.booleans(),
)
BOUND = st.one_of(st.integers(-9, 9), st.floats(-9, 9), DAYS)
ARGUMENTS = st.fixed_dictionaries(
    {"column": NAMES},
    optional={
        "min_value": BOUND,
        "max_value": BOUND,
        "strict_min": st.booleans(),
        "strict_max": st.booleans(),
        "regex": st.text(),
        "mostly": st.floats(0, 1),
        "severity": st.sampled_from(["warn", "stop", "quarantine"]),
        "at_most": st.sampled_from([3, "0.5%"]),
        "row_condition": st.just('col("kind") == "a"'),
        "meta": st.dictionaries(st.text(), st.integers()),
    },
)
CHECKS = st.one_of(
    st.tuples(st.sampled_from([BETWEEN, REGEX, "expect_column_value_lengths_to_be_between"]), ARGUMENTS),
    st.tuples(st.just("expect_table_row_count_to_equal"), st.just({"value": 3})),
).map(lambda pair: {pair[0]: pair[1]})
TABLES = st.dictionaries(NAMES, COLUMNS, min_size=1).flatmap(
    lambda columns: some(
        unique=st.lists(st.sampled_from(sorted(columns)), min_size=1, unique=True),
        time=st.just("pay_date"),
        known=st.just("recorded_at or +30d"),
        coverage=st.lists(DAYS, min_size=2, max_size=2),
        drift=st.just({"new_column": "warn"}),
        quarantine=st.just({"at_most": "1%"}),
        order_by=st.just(["row_id"]),
        checks=st.lists(CHECKS, min_size=1, max_size=4),
        tests=st.just([{"name": "t", "rows": [{"gross": -1}], "expect": "passes"}]),
    ).map(lambda rest: {"columns": columns, **rest})
)
HEADS = st.fixed_dictionaries(
    {"source": st.just("pay"), "type": st.just("csv"), "path": st.just("${env:PAY}")},
    optional={"owner": st.text(min_size=1), "description": st.text(min_size=1), "members": st.just(["*.csv"])},
)


@settings(max_examples=20, phases=[Phase.generate], deadline=None)
@given(HEADS, st.dictionaries(st.sampled_from(["slips", "people"]), TABLES, min_size=1))
def test_what_is_exported_to_odcs_keeps_the_standard_and_comes_back(
    head: dict[str, Any], tables: dict[str, Any]
) -> None:
    document = to_odcs(head, tables)
    require_odcs(document, "x")
    read = YAML(typ="safe", pure=True).load(dumped(document))
    found = from_odcs(read, categories=CATEGORIES)
    assert found.left == []
    assert found.head == head
    assert found.tables == tables


@pytest.mark.parametrize("path", sorted((EXAMPLE / "sources").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_source_of_the_example_comes_back(path: Path, tmp_path: Path) -> None:
    written = call("-C", str(EXAMPLE), "contract", "export", path.stem, "--format", "odcs").stdout
    (tmp_path / "c.odcs.yaml").write_text(written, encoding="utf-8")
    yaml = YAML(typ="safe", pure=True)
    assert yaml.load(imported(tmp_path / "c.odcs.yaml", "odcs")) == yaml.load(path.read_text(encoding="utf-8"))


def test_ranges_and_patterns_stand_in_the_words_of_the_standard() -> None:
    checks = [
        {BETWEEN: {"column": "gross", "min_value": 0, "max_value": 9, "strict_max": True}},
        {REGEX: {"column": "emp_no", "regex": "^E"}},
        {BETWEEN: {"column": "hours", "min_value": 0, "mostly": 0.9}},
    ]
    columns = {"gross": {"type": "decimal(8,2)"}, "emp_no": {"type": "string"}, "hours": {"type": "integer"}}
    table = to_odcs({"source": "s"}, {"t": {"columns": columns, "unique": ["emp_no"], "checks": checks}})["schema"][0]
    gross, emp_no, hours = table["properties"]
    assert gross["logicalTypeOptions"] == {"minimum": 0, "exclusiveMaximum": 9}
    assert emp_no["logicalTypeOptions"] == {"pattern": "^E"} and emp_no["primaryKey"]
    # what says more than the words do is no option
    assert "logicalTypeOptions" not in hours
    assert len(table["quality"]) == 3


FOREIGN = """\
apiVersion: v3.1.0
kind: DataContract
id: 53581432-6c55-4ba2-a65f-72344a91553a
name: seller_payments
version: 1.1.0
status: active
domain: seller
team: {name: payments}
schema:
  - name: tbl
    physicalType: table
    quality:
      - {metric: rowCount, mustBeGreaterThan: 100}
      - {metric: duplicateValues, mustBe: 0, arguments: {properties: [rcvr_id, txn_ref_dt]}}
      - {type: sql, name: orphans, query: "select count(*) from t", mustBe: 0}
      - {type: custom, engine: soda, implementation: "missing_count = 0"}
      - type: custom
        engine: greatExpectations
        implementation: |
          type: expect_table_row_count_to_be_between # as the standard's own documentation writes it
          kwargs:
            minValue: 10000
            maxValue: 50000
      - {type: custom, engine: greatExpectations, implementation: "[no rule"}
    properties:
      - {name: rcvr_id, logicalType: string, physicalType: varchar(18), primaryKey: true, primaryKeyPosition: 2, classification: restricted}
      - {name: txn_ref_dt, logicalType: date, physicalType: date, primaryKey: true, primaryKeyPosition: 1, required: true}
      - name: amount
        physicalName: AMT
        logicalType: number
        physicalType: NUMERIC(12, 2)
        logicalTypeOptions: {minimum: 0, exclusiveMaximum: 1000000}
        quality:
          - {metric: nullValues, mustBeLessOrEqualTo: 5, unit: percent}
          - {type: custom, engine: greatExpectations, implementation: '{"type": "expect_column_pair_values_a_to_be_greater_than_b", "kwargs": {"columnA": "amount", "columnB": "big"}}'}
          - {metric: invalidValues, mustBeLessThan: 3, arguments: {validValues: [1, 2]}}
          - {type: text, description: Ask finance.}
      - {name: mail, logicalType: string, unique: true, classification: user.contact.email, logicalTypeOptions: {pattern: "@", maxLength: 80}}
      - {name: big, logicalType: integer, physicalType: BIGINT}
      - {name: bare}
"""


def test_a_contract_of_others_is_taken_over_and_the_rest_is_named(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(FOREIGN, encoding="utf-8")
    text = call("contract", "import", str(tmp_path / "c.yaml"), "--format", "odcs").stdout
    made = YAML(typ="safe").load(text)
    assert made["source"] == "seller_payments" and made["owner"] == "payments"
    table = made["tables"]["tbl"]
    assert table["unique"] == ["txn_ref_dt", "rcvr_id"]
    assert table["columns"] == {
        "rcvr_id": {"type": "string"},
        "txn_ref_dt": {"type": "date", "required": True},
        "amount": {"type": "decimal(12,2)", "path": "AMT"},
        "mail": {"type": "string", "category": "user.contact.email"},
        "big": {"type": "integer"},
        "bare": {},
    }
    assert table["checks"] == [
        {"expect_table_row_count_to_be_between": {"min_value": 101}},
        {"expect_compound_columns_to_be_unique": {"column_list": ["rcvr_id", "txn_ref_dt"]}},
        {"expect_table_row_count_to_be_between": {"min_value": 10000, "max_value": 50000}},
        {"expect_column_values_to_not_be_null": {"column": "amount", "severity": "warn", "at_most": "5%"}},
        {"expect_column_pair_values_a_to_be_greater_than_b": {"column_A": "amount", "column_B": "big"}},
        {
            "expect_column_values_to_be_in_set": {
                "column": "amount",
                "value_set": [1, 2],
                "severity": "warn",
                "at_most": 2,
            }
        },
        {BETWEEN: {"column": "amount", "min_value": 0, "max_value": 1000000, "strict_max": True}},
        {"expect_column_value_lengths_to_be_between": {"column": "mail", "max_value": 80}},
        {REGEX: {"column": "mail", "regex": "@"}},
        {"expect_column_values_to_be_unique": {"column": "mail"}},
    ]
    # all of it runs
    assert parse("tbl", Table.model_validate(table))[1] == []
    left = [line.partition(": ")[2] for line in text.splitlines() if line.startswith("# not imported")]
    assert left == [
        "rule `orphans` of `tbl`",
        "rule of engine `soda` of `tbl`",
        "rule of engine `greatExpectations` of `tbl`",
        "rule of type text of `tbl.amount`",
        "classification `restricted` of `tbl.rcvr_id`",
        "`domain`",
    ]
    assert "# add what the system is" in text


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [("kind: DataContract", "kind: Contract", "P005"), ("status: active\n", "", "P005"), ("name: tbl", "nme: tbl", "P005"),
     ("name: tbl", "name: [", "P002"), ("status: active", "status: &it [*it]", "P002")],
)  # fmt: skip
def test_what_is_no_contract_is_refused_with_its_place(tmp_path: Path, old: str, new: str, code: str) -> None:
    (tmp_path / "c.yaml").write_text(FOREIGN.replace(old, new), encoding="utf-8")
    with pytest.raises(ProjectError) as caught:
        imported(tmp_path / "c.yaml", "odcs")
    assert caught.value.code == code and caught.value.place


def test_each_violation_of_the_standard_is_told_where_it_is(tmp_path: Path) -> None:
    wrong = FOREIGN.replace("primaryKey: true", "primaryKey: maybe").replace("name: bare", "nme: bare")
    (tmp_path / "c.yaml").write_text(wrong.replace("physicalName: AMT", "description: null"), encoding="utf-8")
    with pytest.raises(ProjectError) as caught:
        imported(tmp_path / "c.yaml", "odcs")
    told = caught.value.text()
    assert "`schema/0/properties/2/description`: None is not of type 'string'" in told
    assert "`schema/0/properties/0/primaryKey`: 'maybe' is not of type 'boolean'" in told
    assert "`schema/0/properties/5`: 'name' is a required property" in told
    # what else the standard's schema says of them follows from that
    assert "unevaluated" not in told.lower()


@settings(max_examples=40, phases=[Phase.generate], deadline=None)
@given(TABLES.filter(lambda table: "checks" in table))
def test_checks_come_back_from_a_suite(tmp_path_factory: pytest.TempPathFactory, literal: dict[str, Any]) -> None:
    columns = {name: {"required": bool(column.get("required"))} for name, column in literal["columns"].items()}
    unique = literal.get("unique", [])
    table = Table.model_validate({"columns": columns, "unique": unique, "checks": literal["checks"]})
    path = tmp_path_factory.getbasetemp() / "suite.json"
    path.write_text(json.dumps(to_suite("s.t", table)), encoding="utf-8")
    found, left = from_suite(read_suite(path.parent, path.name))
    assert left == [] and found.get("unique", []) == unique
    assert found["checks"] == plain(literal["checks"])
    required = {name for name, column in found.get("columns", {}).items() if column.get("required")}
    assert required == {name for name, column in columns.items() if column["required"]}


REAL_GX = """
import json, sys
import great_expectations as gx
for suite in json.load(sys.stdin):
    read = gx.ExpectationSuite(**suite)
    print(json.dumps([[each.expectation_type, each.severity] for each in read.expectations]))
"""


def test_great_expectations_reads_every_exported_suite() -> None:
    project = load(EXAMPLE, variables={}, offline=True)
    suites = [to_suite(name, table) for name, table in project.tables.items()]
    printed = call("-C", str(EXAMPLE), "contract", "export", "payroll.payslips", "--format", "gx").stdout
    assert json.loads(printed) in suites
    # GX warns while it is imported, so it has a process of its own
    command = [sys.executable, "-W", "ignore", "-c", REAL_GX]
    read = subprocess.run(command, input=json.dumps(suites), capture_output=True, text=True, check=True).stdout
    found = [json.loads(line) for line in read.splitlines()]
    assert found == [[[each["type"], each["severity"]] for each in suite["expectations"]] for suite in suites]
    assert sum(map(len, found)) > 20


OLD = {
    "expectation_suite_name": "payroll.slips",
    "data_asset_type": None,
    "expectations": [
        {"expectation_type": "expect_column_values_to_not_be_null", "kwargs": {"column": "emp_no"}, "meta": {}},
        {
            "expectation_type": BETWEEN,
            "kwargs": {"column": "gross", "min_value": 0, "result_format": "BASIC"},
            "meta": {},
        },
        {"expectation_type": "expect_column_values_to_be_of_type", "kwargs": {"column": "n", "type_": "int64"}},
        {"expectation_type": "expect_my_own_thing", "kwargs": {}},
    ],
    "meta": {"great_expectations_version": "0.18.22"},
}


def test_a_suite_of_0_18_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps(OLD), encoding="utf-8")
    text = call("contract", "import", str(tmp_path / "s.json"), "--format", "gx").stdout
    assert text.startswith("# expectations that cannot be run: `expect_my_own_thing`\n")
    assert YAML(typ="safe").load(text)["tables"] == {
        "slips": {
            "columns": {"emp_no": {"required": True}, "gross": {"type": "float"}, "n": {"type": "integer"}},
            "checks": [{BETWEEN: {"column": "gross", "min_value": 0}}],
        }
    }


def test_a_suite_is_of_one_table() -> None:
    with pytest.raises(ProjectError, match="a suite describes one table"):
        call("-C", str(EXAMPLE), "contract", "export", "hrms", "--format", "gx")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


@pytest.mark.parametrize("form", ["odcs", "gx"])
def test_a_dataset_has_no_contract_to_export(form: str) -> None:
    with pytest.raises(ProjectError) as caught:
        exported(load(EXAMPLE, offline=True), "employee_attrition", form)
    assert caught.value.code == "P031" and "is the dataset" in caught.value.problem
