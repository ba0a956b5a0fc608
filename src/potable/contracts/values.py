"""Expectations that only Python can judge: JSON, its schemas, strptime formats, dates of any form, and
regular expressions that RE2 does not know.

Each distinct value of a column is judged once, in the engine's workers; those that fail are written down and
joined back. Functions here are picklable and take no more than a batch.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

VALUE = "value"
"""The one column of the relations judged here."""


@dataclass(frozen=True)
class Failing:
    """A batch function that keeps the values that fail; texts in, texts out."""

    expectation: str
    arguments: Mapping[str, Any]

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows of `batch` whose value fails."""
        passes = JUDGES[self.expectation](self.arguments)
        keep = [not passes(value) for value in batch.column(0).to_pylist()]
        return batch.filter(pa.array(keep, pa.bool_()))


def _json(arguments: Mapping[str, Any]) -> Callable[[str], bool]:
    def passes(value: str) -> bool:
        try:
            json.loads(value)
        # a text of many brackets is no JSON either
        except (ValueError, RecursionError):
            return False
        return True

    return passes


def _json_schema(arguments: Mapping[str, Any]) -> Callable[[str], bool]:
    from jsonschema.validators import validator_for

    schema = arguments["json_schema"]
    validator = validator_for(schema)(schema)

    def passes(value: str) -> bool:
        try:
            return bool(validator.is_valid(json.loads(value)))
        except (ValueError, RecursionError):
            return False

    return passes


def _strftime(arguments: Mapping[str, Any]) -> Callable[[str], bool]:
    form = arguments["strftime_format"]

    def passes(value: str) -> bool:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                datetime.strptime(value, form)
        except ValueError:
            return False
        return True

    return passes


def _dateutil(arguments: Mapping[str, Any]) -> Callable[[str], bool]:
    from dateutil import parser

    def passes(value: str) -> bool:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                # with a fixed day to start from, so that the day of the run changes nothing
                parser.parse(value, default=datetime(2000, 1, 1))
        except (ValueError, OverflowError):
            return False
        return True

    return passes


def _regex(arguments: Mapping[str, Any]) -> Callable[[str], bool]:
    found = re.compile(arguments["regex"]).search
    return lambda value: found(value) is not None


def _not_regex(arguments: Mapping[str, Any]) -> Callable[[str], bool]:
    found = re.compile(arguments["regex"]).search
    return lambda value: found(value) is None


def _regex_list(arguments: Mapping[str, Any]) -> Callable[[str], bool]:
    searches = [re.compile(regex).search for regex in arguments["regex_list"]]
    enough = all if arguments.get("match_on") == "all" else any
    return lambda value: enough(search(value) is not None for search in searches)


def _not_regex_list(arguments: Mapping[str, Any]) -> Callable[[str], bool]:
    searches = [re.compile(regex).search for regex in arguments["regex_list"]]
    return lambda value: all(search(value) is None for search in searches)


JUDGES: Mapping[str, Callable[[Mapping[str, Any]], Callable[[str], bool]]] = {
    "expect_column_values_to_be_json_parseable": _json,
    "expect_column_values_to_match_json_schema": _json_schema,
    "expect_column_values_to_match_strftime_format": _strftime,
    "expect_column_values_to_be_dateutil_parseable": _dateutil,
    "expect_column_values_to_match_regex": _regex,
    "expect_column_values_to_not_match_regex": _not_regex,
    "expect_column_values_to_match_regex_list": _regex_list,
    "expect_column_values_to_not_match_regex_list": _not_regex_list,
}
"""What makes the judge of a value of its arguments."""
