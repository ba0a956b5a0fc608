"""A run judges tables by each other when all of them are validated, and stops before anybody is resolved."""

from __future__ import annotations

from tests.runs.conftest import Bench

from potable.contracts.findings import Result
from potable.runs.record import RunRecord
from potable.runs.runner import Options, run

KEY = "expect_column_values_to_exist_in_other_table"
STEP = "validate references"
PAYROLL = "sources/payroll.yaml"


def states(record: RunRecord) -> dict[str, str]:
    return {step.step: step.state for step in record.steps}


def found(record: RunRecord) -> Result:
    (table,) = (table for table in record.tables if table.table == "payroll.payslips")
    (check,) = (check for check in table.checks if check.expectation == KEY)
    return check


def test_tables_validated_one_by_one_are_judged_by_each_other_before_resolve(published: Bench) -> None:
    published.edit(PAYROLL, 'other_table_name: hrms.people, at_most: "1%"', "other_table_name: hrms.people, at_most: 0")
    project = published.project()
    for source in project.sources:
        record = run(project, Options(only="validate", select=(source,)), lambda event: None)
        assert not record.error and STEP not in states(record)
    record = run(project, Options(only="resolve"), lambda event: None)
    assert states(record)[STEP] == "failed" and "resolve subjects" not in states(record)
    assert record.steps[-1].seconds > 0, "how long it took is told of a step that fails too"
    assert record.exit_code == 1 and record.error["code"] == "D001"
    assert "`payroll.payslips` breaks" in record.error["problem"] and "hrms.people" in record.error["problem"]
    check = found(record)
    assert check.unexpected_count > 0 and check.action == "stop"
    assert all(set(str(shape)) <= set("Aa9") for shape in check.partial_unexpected_list)
    assert published.version.number == 1


def test_the_step_is_made_once_and_its_results_stay_in_the_record(published: Bench) -> None:
    record = published.run()
    assert states(record)[STEP] == "skipped" and found(record).element_count > 0
