"""`potable check`: what a project declares, once all of it is right, and what is not written yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING

from potable.agreement import WAITING
from potable.features.unknown import before_coverage, may_lack
from potable.project import Project
from potable.report.numbers import plural, some

if TYPE_CHECKING:
    from potable.cli.answers.project import Checked
    from potable.features.plan import FeaturePlan


def checked(project: Project) -> tuple[Checked, str]:
    """Facts and text about a project that was loaded, and so is right as far as it is written."""
    plan = project.agreed.plan
    facts: Checked = {
        "project": project.platform.project,
        "sources": len(project.sources),
        "tables": len(project.tables),
        "columns": sum(len(table.columns) for table in project.tables.values()),
        "checks": sum(len(checks) for checks in project.checks.values()),
        "features": len(plan.features) if plan else 0,
        "tables_of_nobody": [name for name, table in project.tables.items() if not table.tells_who],
        "features_before_coverage": [*before_coverage(plan)] if plan else [],
        "unwritten": project.unwritten,
        "waiting": WAITING if project.unwritten else (),
    }
    counts = [plural(facts["sources"], "source"), plural(facts["tables"], "table")]
    counts += [f"{plural(facts['columns'], 'column')} (every one has a category)", plural(facts["checks"], "check")]
    counts += [plural(facts["features"], "feature")] if plan else []
    return facts, "\n".join([f"ok: {', '.join(counts)}", *_notes(project, facts["tables_of_nobody"]), _next(project)])


def _notes(project: Project, nobodys: Sequence[str]) -> list[str]:
    notes = []
    if nobodys:
        tables = ", ".join(f"`{name}`" for name in nobodys)
        notes.append(
            f"no column of {tables} is a `key`, so their records cannot be linked to a person: all of them "
            'will go to quarantine ("belongs to nobody")'
        )
    notes += _nulls(project.agreed.plan) if project.agreed.plan else []
    notes += [f"not written yet: {file.file} ({file.team}: {file.says})" for file in project.unwritten]
    if project.unwritten:
        notes.append("until then ingest, validate and resolve can run; protect, build and publish wait for these files")
    return notes


def _nulls(plan: FeaturePlan) -> Iterator[str]:
    """Where nulls may come unexpected: features at early as-of dates, by the first at which none is, and the label."""
    found = defaultdict[tuple[str, date | None], list[str]](list)
    tables = {feature.name: feature.table for feature in plan.features}
    for name, whole in before_coverage(plan).items():
        found[tables[name], whole].append(f"`{name}`")
    if label := may_lack(plan):
        yield (
            f"`{label}`, the last label, is null where somebody has no record in its window, and one row without it "
            "stops `publish` (D005). If that can be: `else …`, or another label after it that is never null"
        )
    for (table, whole), names in found.items():
        first = (plan.tables[table].coverage or (None,))[0]
        when = f"as-of dates before {whole}" if whole else "all as-of dates"
        yield (
            f"{some(names, 4)}: at {when} the window begins before the `coverage` of `{table}` ({first}); no record is "
            "null there, not zero, though one record counts. If that is wrong: `else 0`, or a later `between`"
        )


def _next(project: Project) -> str:
    return f"next: {project.next_run if project.unwritten else 'potable plan'}"
