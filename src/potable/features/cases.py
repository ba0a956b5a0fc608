"""Tests of features as declared: whether they are right.

A test gives records of one person, an as-of date, and what features must be then. Running it belongs to
`trial` and `runs.feature_tests`. Entry: `wrong_tests`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, TypeAlias

from potable.declarations import Document
from potable.errors import PotableError, ProjectError, did_you_mean
from potable.features.declaration import FeatureTest
from potable.features.plan import Feature, FeaturePlan
from potable.tables import Table

_Key: TypeAlias = tuple[str | int, ...]
_Problem: TypeAlias = tuple[_Key, str, str]
"""Key below what is looked at, problem, and hint."""
WrongCells = Callable[[Mapping[str, Any], Table], Iterator[_Problem]]
"""What is wrong with the cells of a row, as the contracts slice sees it."""
_TAKES: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "boolean": ("true or false", (bool,)),
    "date": ("a date", (date,)),
    "float": ("a number", (int, float)),
    "integer": ("a whole number", (int,)),
    "string": ("a text", (str,)),
    "timestamp": ("a date or timestamp", (date,)),
}


def wrong_tests(
    tests: Sequence[FeatureTest], plan: FeaturePlan, document: Document, wrong_cells: WrongCells
) -> list[PotableError]:
    """Everything that is wrong with the tests of features.yaml, each with its place."""
    return [
        ProjectError(f"test `{test.name}`: {problem}", "P021", place=document.place("tests", index, *key), hint=hint)
        for index, test in enumerate(tests)
        for key, problem, hint in _wrong(test, plan, wrong_cells)
    ]


def _wrong(test: FeatureTest, plan: FeaturePlan, wrong_cells: WrongCells) -> Iterator[_Problem]:
    for name, rows in test.rows.items():
        if name not in plan.sources:
            hint = did_you_mean(name, plan.sources) or f"tables that features read: {', '.join(plan.sources)}"
            yield ("rows", name), f"no feature reads the table `{name}`", hint
            continue
        table = plan.tables[name]
        for index, row in enumerate(rows):
            found = [*wrong_cells(row, table), *_missing(row, table, plan, name)]
            yield from ((("rows", name, index, *key), problem, hint) for key, problem, hint in found)
    outputs = {feature.name: feature for feature in plan.outputs}
    for name, value in test.gives.items():
        if name not in outputs:
            yield ("gives", name), f"there is no feature or label `{name}`", did_you_mean(name, outputs)
        elif problem := _unfit(outputs[name], value):
            yield ("gives", name), problem, ""


def _missing(row: Mapping[str, Any], table: Table, plan: FeaturePlan, name: str) -> Iterator[_Problem]:
    """Columns that decide when a record counts, which nobody can fill in, and keys, which nobody need give."""
    start = plan.rows.start if name == plan.rows.table else None
    times = [table.time, None if table.known_lag else table.known_column, start]
    for column in dict.fromkeys(filter(None, times)):
        if column not in row:
            yield (), f"the row needs `{column}`, because it says when the record counts", ""
    for column in row:
        if column in table.keys:
            problem = (
                f"`{column}` is a key: leave it out; all rows of a test belong to one person, and keys are filled in"
            )
            yield (column,), problem, ""


def _unfit(feature: Feature, value: Any) -> str:
    """Why a feature can never be `value`; empty when it can."""
    told, types = _TAKES[feature.type.kind]
    if value is None or (isinstance(value, types) and (isinstance(value, bool) == (feature.type.kind == "boolean"))):
        return ""
    return f"`{feature.name}` must be {told} or null"
