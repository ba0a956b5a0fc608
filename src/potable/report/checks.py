"""What a check promised and what was found, in words, and how a table and its checks fared over runs.

Values are those the record holds, in which values of protected columns are shapes already. Earlier runs are
stored records as they were read, of whatever version of Potable wrote them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from potable.contracts.findings import Result
from potable.report.numbers import human_count, share
from potable.runs.record import TableRecord

_NAMES = ("column", "column_A", "column_B", "column_list", "mostly", "meta", "notes")
"""Arguments that are shown elsewhere, or say nothing of the data."""
_LISTED = 6
_LONGEST = 80


@dataclass(frozen=True)
class Trend:
    """One share over runs, oldest first; None for a run that did not measure it."""

    values: Sequence[float | None]
    title: str


def promised(check: Result) -> str:
    """The arguments of a check as a phrase: `min_value 0, max_value 300`."""
    shown = [f"{key} {_told(value)}" for key, value in sorted(check.arguments.items()) if key not in _NAMES]
    return _cut(", ".join(shown))


def found(check: Result) -> str:
    """What was found, as a phrase."""
    if check.observed_value is not None:
        return _cut(_told(check.observed_value))
    judged = check.element_count - (check.missing_count or 0)
    if not judged:
        return "no value to judge"
    return f"{human_count(check.unexpected_count) if check.unexpected_count else 'none'} of {human_count(judged)}"


def samples(check: Result) -> list[str]:
    """Some of the different values that failed."""
    return list(dict.fromkeys(_cut(_told(value)) for value in check.partial_unexpected_list))[:_LISTED]


def over_runs(history: Iterable[Mapping[str, Any]], table: TableRecord, most: int) -> Trend | None:
    """Share of a table's rows that were quarantined, in at most so many runs and this one; None for a first run."""
    earlier = [_away(run, table.table) for run in history]
    return _trend(earlier, _share(table.quarantined, table.rows_in), most, "quarantined")


def check_over_runs(history: Iterable[Mapping[str, Any]], table: TableRecord, check: Result, most: int) -> Trend | None:
    """Share of the rows a check is about that were unexpected, in the same way; the check must be the same."""
    earlier = [_unexpected(run, table.table, check) for run in history]
    return _trend(earlier, _share(check.unexpected_count, check.element_count), most, "unexpected")


def _trend(earlier: Sequence[float | None], now: float | None, most: int, what: str) -> Trend | None:
    values = [*earlier[-most:], now]
    measured = [value for value in values if value is not None]
    if len(measured) < 2:
        return None
    shares = [share(round(value * 1e9), 10**9) for value in (measured[0], measured[-1])]
    return Trend(values, f"{what} in {len(measured)} runs: from {shares[0]} to {shares[1]}")


def _away(run: Mapping[str, Any], name: str) -> float | None:
    table = _table(run, name)
    return _share(table["quarantined"], table["rows_in"]) if table else None


def _unexpected(run: Mapping[str, Any], name: str, check: Result) -> float | None:
    for other in (_table(run, name) or {}).get("checks", ()):
        same = other.get("expectation") == check.expectation and list(other.get("columns", ())) == list(check.columns)
        if same and other.get("arguments", {}) == dict(check.arguments):
            return _share(other["unexpected_count"], other["element_count"])
    return None


def _table(run: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    return next((table for table in run.get("tables", ()) if table.get("table") == name), None)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_told(item)}" for key, item in sorted(value.items()))
    if isinstance(value, list | tuple):
        more = f" … {len(value) - _LISTED} more" if len(value) > _LISTED else ""
        return "[" + ", ".join(_told(item) for item in value[:_LISTED]) + "]" + more
    if isinstance(value, int) and not isinstance(value, bool):
        return human_count(value)
    if isinstance(value, float):
        return f"{value:,.15g}"
    return "null" if value is None else str(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
