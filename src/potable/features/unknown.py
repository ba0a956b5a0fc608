"""Where an empty window of a feature is unknown, not zero: outside of the days its table's `coverage` names.

What `assemble` decides in queries is told here, for people, without any data.
Entry: `before_coverage` and `may_lack` for a plan, `why_unknown` for one row.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from potable.features.aggregates import AGGREGATES
from potable.features.plan import Feature, FeaturePlan
from potable.features.windows import moved


def before_coverage(plan: FeaturePlan) -> Mapping[str, date | None]:
    """Features whose window begins before `coverage` at some as-of dates, with the first date from which none does.

    It is None where all as-of dates are too early.
    """
    found: dict[str, date | None] = {}
    for feature in plan.features:
        start = feature.recipe.window.start
        coverage = plan.tables[feature.table].coverage if may_be_zero(feature) else None
        if coverage is None or start is None:
            continue
        early = [day for day in plan.rows.dates if moved(moved(day, plan.cut), start) < coverage[0]]
        if early:
            found[feature.name] = next((day for day in plan.rows.dates if day > early[-1]), None)
    return found


def may_be_zero(feature: Feature) -> bool:
    """Whether no record means zero (or false) inside `coverage` and null outside, with no `else` in its place."""
    recipe = feature.recipe
    return AGGREGATES[recipe.aggregate or "value"].empty != "null" and recipe.otherwise is None


def may_lack(plan: FeaturePlan) -> str:
    """The label that no row may lack, where it is null for whoever has no record in its window; else empty."""
    label = plan.label
    if label is None or label.recipe.otherwise is not None:
        return ""
    return label.name if AGGREGATES[label.recipe.aggregate or "value"].empty == "null" else ""


def why_unknown(feature: Feature, plan: FeaturePlan, as_of: date) -> str:
    """Why no record in the feature's window means unknown at an as-of date; empty where it means zero."""
    if not may_be_zero(feature):
        return ""
    coverage, window = plan.tables[feature.table].coverage, feature.recipe.window
    if coverage is None:
        return f"`{feature.table}` declares no `coverage`"
    anchor = as_of if feature.recipe.forward else moved(as_of, plan.cut)
    end, (first, last) = moved(anchor, window.end), coverage
    if window.start and (start := moved(anchor, window.start)) < first:
        return f"the window begins on {start}, before the `coverage` of `{feature.table}` does ({first})"
    if end <= first:
        return f"the window ends before the `coverage` of `{feature.table}` begins ({first})"
    if last and end > last + timedelta(days=1):
        return f"the window ends after the `coverage` of `{feature.table}` does ({last})"
    return ""
