"""`potable source reconcile`: what is landed of a table against what its source has now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from potable.cli.output import table
from potable.errors import ProjectError, did_you_mean
from potable.project import Project
from potable.report.numbers import plural
from potable.runs.quarantined import reading
from potable.runs.reconciled import reconcile
from potable.sources.ingest import Landing

if TYPE_CHECKING:
    from potable.cli.answers.sources import Reconciled


def reconciled(project: Project, name: str) -> tuple[Reconciled, str]:
    """Facts and text about every month of a table; the text lists those that differ.

    Raises:
        ProjectError: P031, the project has no such table; P004, it has no key.
        EnvironmentFailure: the source cannot be read, or cannot be compared (E007).
    """
    if name not in project.tables:
        known = sorted(project.tables)
        hint = did_you_mean(name, known)
        raise ProjectError(f"the project has no table `{name}`", "P031", hint=hint, allowed=", ".join(known))
    source, short = name.split(".", 1)
    lake = project.lake()
    landing = Landing(lake.restricted, lake.batches(source))
    scratch = project.root / project.platform.scratch
    with reading(project) as engine:
        found = reconcile(project.sources[source], short, landing, base=project.root, engine=engine, scratch=scratch)
    missing, gone = (sum(getattr(item, part) for item in found) for part in ("missing", "gone"))
    facts: Reconciled = {"table": name, "missing": missing, "gone": gone, "months": found}
    dated = f" in {plural(len(found), 'month')}" if any(item.month for item in found) else ""
    whole = f"{sum(item.source for item in found):,} records of `{name}`{dated}"
    rows = [
        [item.month or "no time", item.source, item.landed, item.missing, item.gone]
        for item in found
        if item.missing or item.gone
    ]
    if not rows:
        return facts, f"{whole}: all of them are landed, and no landed record is missing in the source"
    listed = table(rows, ["month", "in the source", "landed", "not landed", "gone from the source"])
    run = project.next_run
    ending = f"`{run}` lands what was recorded since the last run; `{run} --full-refresh` lands everything else"
    if getattr(project.tables[name], "incremental", None):
        ending += ",\nand where records were changed, only the version that the source has now remains"
    return facts, f"{whole}\n{listed}\n{ending}"
