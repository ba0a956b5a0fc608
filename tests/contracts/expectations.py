"""Expectation classes of a project, as people write them for Great Expectations 1.x."""

from __future__ import annotations

from typing import Any

import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import (
    BatchExpectation,
    ColumnAggregateExpectation,
    ColumnMapExpectation,
    ColumnPairMapExpectation,
    MulticolumnMapExpectation,
)
from great_expectations.expectations.metrics.column_aggregate_metric_provider import (
    ColumnAggregateMetricProvider,
    column_aggregate_value,
)
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnMapMetricProvider,
    ColumnPairMapMetricProvider,
    MulticolumnMapMetricProvider,
    column_condition_partial,
    column_pair_condition_partial,
    multicolumn_condition_partial,
)
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider


class CheckDigit(ColumnMapMetricProvider):
    condition_metric_name = "column_values.check_digit"
    condition_value_keys = ("modulus",)

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls: Any, column: pd.Series, modulus: int = 10, **kwargs: Any) -> pd.Series:
        print("values of people:", list(column))
        return column.map(lambda value: str(value)[-1:].isdigit() and int(str(value)[-1:]) % modulus == 0)


class ExpectColumnValuesToHaveCheckDigit(ColumnMapExpectation):
    """Values end in a digit that a number divides."""

    modulus: int = 10
    map_metric = "column_values.check_digit"
    success_keys = ("modulus", "mostly")


class InMonth(ColumnMapMetricProvider):
    condition_metric_name = "column_values.in_month"
    condition_value_keys = ("month",)

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls: Any, column: pd.Series, month: int, **kwargs: Any) -> pd.Series:
        return column.dt.month == month


class ExpectColumnValuesToBeInMonth(ColumnMapExpectation):
    month: int
    map_metric = "column_values.in_month"
    success_keys = ("month", "mostly")


class Rare(ColumnMapMetricProvider):
    condition_metric_name = "column_values.there_once"

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls: Any, column: pd.Series, **kwargs: Any) -> pd.Series:
        return ~column.duplicated(keep=False)


class ExpectColumnValuesToBeThereOnce(ColumnMapExpectation):
    map_metric = "column_values.there_once"


class Broken(ColumnMapMetricProvider):
    condition_metric_name = "column_values.broken"

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls: Any, column: pd.Series, **kwargs: Any) -> pd.Series:
        raise ValueError(f"cannot judge {column.iloc[0]}")


class ExpectColumnValuesToBeWhole(ColumnMapExpectation):
    map_metric = "column_values.broken"


class Longer(ColumnPairMapMetricProvider):
    condition_metric_name = "column_pair_values.longer"

    @column_pair_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls: Any, column_A: pd.Series, column_B: pd.Series, **kwargs: Any) -> pd.Series:
        return column_A.astype(str).str.len() >= column_B.astype(str).str.len()


class ExpectColumnPairToBeLonger(ColumnPairMapExpectation):
    ignore_row_if: str = "both_values_are_missing"
    map_metric = "column_pair_values.longer"
    domain_keys = ("column_A", "column_B", "row_condition", "condition_parser", "ignore_row_if")


class Rising(MulticolumnMapMetricProvider):
    condition_metric_name = "multicolumn_values.rising"
    condition_domain_keys = ("column_list", "row_condition", "condition_parser", "ignore_row_if")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls: Any, column_list: pd.DataFrame, **kwargs: Any) -> pd.Series:
        return column_list["number"] <= column_list["more"]


class ExpectMulticolumnToRise(MulticolumnMapExpectation):
    map_metric = "multicolumn_values.rising"


class Kind(ColumnMapMetricProvider):
    condition_metric_name = "column_values.kind"
    condition_value_keys = ("kind",)

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls: Any, column: pd.Series, kind: str, **kwargs: Any) -> pd.Series:
        return column.map(lambda value: type(value).__name__ == kind)


class ExpectColumnValuesToBeOfKind(ColumnMapExpectation):
    kind: str
    map_metric = "column_values.kind"
    success_keys = ("kind", "mostly")


class ExpectColumnValuesToBeginSmall(gxe.ExpectColumnValuesToMatchRegex):
    """With code of its own, so that GX judges it."""

    regex: str = "^[a-z]"

    def helper(self) -> str:
        return self.regex


class ExpectSmallNumber(gxe.ExpectColumnValuesToBeBetween):
    """Only sets arguments."""

    column: str = "number"
    min_value: int = 0
    max_value: int = 5
    description: str = "Numbers are small."


class ExpectSmallMaximum(gxe.ExpectColumnMaxToBeBetween):
    max_value: int = 5


class Spread(ColumnAggregateMetricProvider):
    metric_name = "column.spread"
    value_keys = ("power",)

    @column_aggregate_value(engine=PandasExecutionEngine)
    def _pandas(cls: Any, column: pd.Series, power: int = 1, **kwargs: Any) -> float:
        print("values of people:", list(column))
        return float(((column - column.mean()).abs() ** power).mean())


class ExpectColumnSpreadToBeEven(ColumnAggregateExpectation):
    """With a metric and a verdict of its own."""

    most: float
    power: int = 1
    metric_dependencies = ("column.spread",)
    success_keys = ("most", "power")

    def _validate(self, metrics: Any, **kwargs: Any) -> Any:
        found = metrics["column.spread"]
        return {"success": bool(found <= self.most), "result": {"observed_value": found}}


class Turns(ColumnAggregateMetricProvider):
    metric_name = "column.turns"

    @column_aggregate_value(engine=PandasExecutionEngine)
    def _pandas(cls: Any, column: pd.Series, **kwargs: Any) -> Any:
        return {"first": list(column[:2]), "nulls": int(column.isna().sum())}


class ExpectColumnToBeginWith(ColumnAggregateExpectation):
    """Looks at the order of the rows, and at nulls."""

    first: Any
    metric_dependencies = ("column.turns",)
    success_keys = ("first",)

    def _validate(self, metrics: Any, **kwargs: Any) -> Any:
        found = metrics["column.turns"]
        return {"success": found["first"][:1] == [self.first], "result": {"observed_value": found}}


class ExpectColumnMeanToBeNear(gxe.ExpectColumnMeanToBeBetween):
    """With a verdict of its own about a metric of GX."""

    near: float

    def _validate(self, metrics: Any, **kwargs: Any) -> Any:
        mean = metrics["column.mean"]
        return {"success": bool(abs(mean - self.near) < 1), "result": {"observed_value": mean}}


class ExpectColumnValuesToEndInOneDigit(ColumnMapExpectation):
    """Rows are judged, and the verdict is another one."""

    modulus: int = 10
    map_metric = "column_values.check_digit"
    success_keys = ("modulus", "mostly")

    def _validate(self, metrics: Any, **kwargs: Any) -> Any:
        count = metrics["column_values.check_digit.unexpected_count"]
        return {"success": count < 2, "result": {"observed_value": count, "unexpected_count": count}}


class ExpectColumnValuesToBeUniqueSomehow(gxe.ExpectColumnValuesToBeUnique):
    def helper(self) -> bool:
        return True


class ExpectTableToBeEven(BatchExpectation):
    """By a metric of GX."""

    even: bool = True
    metric_dependencies = ("table.row_count",)
    success_keys = ("even",)

    def _validate(self, metrics: Any, **kwargs: Any) -> Any:
        found = metrics["table.row_count"]
        return {"success": (found % 2 == 0) == self.even, "result": {"observed_value": found}}


class Seen(TableMetricProvider):
    metric_name = "table.seen"

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(cls: Any, execution_engine: Any, metric_domain_kwargs: Any, **kwargs: Any) -> Any:
        rows, _, _ = execution_engine.get_compute_domain(metric_domain_kwargs, MetricDomainTypes.TABLE)
        filled = [int(rows[name].notna().sum()) for name in rows]
        return {"first": [str(cell) for cell in rows.iloc[:1].to_numpy().ravel()][:1], "filled": filled}


class ExpectTableToBeFilled(BatchExpectation):
    """Looks at all columns, in their order."""

    cells: int
    metric_dependencies = ("table.seen",)
    success_keys = ("cells",)

    def _validate(self, metrics: Any, **kwargs: Any) -> Any:
        found = metrics["table.seen"]["filled"]
        return {"success": sum(found) >= self.cells, "result": {"observed_value": found}}


class ExpectTableToBeSeen(BatchExpectation):
    """Tells what it saw."""

    metric_dependencies = ("table.seen",)

    def _validate(self, metrics: Any, **kwargs: Any) -> Any:
        return {"success": True, "result": {"observed_value": metrics["table.seen"]}}


class ExpectTableToHaveColumns(gxe.ExpectTableColumnCountToEqual):
    """With a verdict of its own about a metric of GX."""

    def _validate(self, metrics: Any, **kwargs: Any) -> Any:
        found = metrics["table.column_count"]
        return {"success": found >= self.value, "result": {"observed_value": found}}
