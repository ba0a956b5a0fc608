"""Results as Great Expectations writes them: the JSON of a validation result, for its viewers and pipelines.

`results` are already in GX's terms; this module only gives them the JSON structure of GX. Entry: `to_gx`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from potable.contracts.results import Result
from potable.contracts.vocabulary import EXPECTATIONS

_QUIET = {"raised_exception": False, "exception_message": None, "exception_traceback": None}


def to_gx(results: Sequence[Result], suite: str, *, meta: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The results of one table as a validation result of GX 1.x, ready for JSON.

    A required column is told as `expect_column_values_to_not_be_null`. Cells that could not be read have no
    expectation in GX; their number stands in `meta`.

    Args:
        suite: the name of the suite, such as `payroll.payslips`.
        meta: what else to tell, such as the run's name.
    """
    found = [_entry(result) for result in results if _named(result).startswith("expect_")]
    good = sum(entry["success"] for entry in found)
    unread = sum(result.unexpected_count for result in results if result.expectation == "mistyped")
    return {
        "success": good == len(found),
        "results": found,
        "suite_name": suite,
        "suite_parameters": {},
        "statistics": {
            "evaluated_expectations": len(found),
            "successful_expectations": good,
            "unsuccessful_expectations": len(found) - good,
            "success_percent": good / len(found) * 100 if found else None,
        },
        "meta": {**(meta or {}), "mistyped_rows": unread},
        "id": None,
    }


def _named(result: Result) -> str:
    return "expect_column_values_to_not_be_null" if result.expectation == "missing" else result.expectation


def _entry(result: Result) -> dict[str, Any]:
    name = _named(result)
    kwargs = dict(result.arguments) or ({"column": result.columns[0]} if result.columns else {})
    return {
        "success": result.success,
        "expectation_config": {"type": name, "kwargs": kwargs, "meta": {"severity": result.action}},
        "result": _rows(result) if _counts_rows(result, name) else _observed(result, name),
        "meta": {},
        "exception_info": dict(_QUIET),
    }


def _counts_rows(result: Result, name: str) -> bool:
    # one that the vocabulary does not know is a class of a plug-in
    return EXPECTATIONS[name].counts_rows if name in EXPECTATIONS else result.missing_count is not None


def _rows(result: Result) -> dict[str, Any]:
    total = result.unexpected_count / result.element_count * 100 if result.element_count else None
    out: dict[str, Any] = {
        "element_count": result.element_count,
        "unexpected_count": result.unexpected_count,
        "unexpected_percent": total if result.missing_count is None else result.unexpected_percent,
        "partial_unexpected_list": list(result.partial_unexpected_list),
    }
    if result.missing_count is not None:
        out |= {
            "missing_count": result.missing_count,
            "missing_percent": result.missing_count / result.element_count * 100 if result.element_count else None,
            "unexpected_percent_total": total,
            "unexpected_percent_nonmissing": result.unexpected_percent,
        }
    return out


def _observed(result: Result, name: str) -> dict[str, Any]:
    if name == "expect_column_to_exist":
        return {}
    out: dict[str, Any] = {"observed_value": result.observed_value}
    details = dict(result.details)
    for key in ("unexpected_count", "missing_count", "partial_missing_list"):
        if key in details:
            out[key] = details.pop(key)
    if "unexpected_count" in out:
        out["partial_unexpected_list"] = list(result.partial_unexpected_list)
    return {**out, "details": details} if details else out
