"""`potable report`: the HTML page of a run, stored beside its record."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from potable.cli.settings import show_text
from potable.contracts.gx import to_gx
from potable.contracts.results import Result
from potable.errors import EnvironmentFailure, did_you_mean
from potable.project import Project
from potable.report.html import render
from potable.report.metrics import exposition, samples, standing
from potable.runs import begun
from potable.runs.record import RunRecord, is_ours, record_of, runs_of
from potable.store.layout import Lake
from potable.store.log import entry_of

if TYPE_CHECKING:
    from potable.cli.answers.lake import Reported, Sample

_RUNS_BEFORE = 10
"""Runs of which a report draws how things went on."""


def write_report(project: Project, record: RunRecord) -> str:
    """Render the run's page into the open root; returns its path or URL."""
    lake = project.lake()
    path = f"runs/{record.run}.html"
    if lake.open.size(path) is None:
        try:
            lake.open.put(path, [render(record, history=_history(project, record.run)).encode()])
        except EnvironmentFailure as failure:
            failure.state = "the run and its record are complete; only the HTML page is missing"
            raise
    return lake.open.locate(path)


def report_of(project: Project, run: str | None) -> tuple[Reported, str]:
    """Facts and text of `potable report`.

    Raises:
        EnvironmentFailure: E008, there is no such run.
    """
    record = _record(project, run)
    page = write_report(project, record)
    return {"run": record.run, "report": page}, page


def results_of(project: Project, run: str | None) -> tuple[list[dict[str, Any]], str]:
    """What the checks of a run found, as validation results of Great Expectations: one per table, and as JSON.

    Raises:
        EnvironmentFailure: E008, there is no such run.
    """
    record = _record(project, run)
    meta = {"run": record.run, "started": record.started, "potable": record.potable}
    found = [
        to_gx([Result(**vars(check)) for check in table.checks], table.table, meta=meta) for table in record.tables
    ]
    return found, json.dumps(found, indent=2, ensure_ascii=False, default=str)


def metrics_of(project: Project, _: str | None = None) -> tuple[list[Sample], str]:
    """What Prometheus is told of the project now: as data, and in its format."""
    found = samples(project, standing(project))
    facts: list[Sample] = [{"name": name, "labels": labels, "value": value} for name, labels, value in found]
    return facts, exposition(found).rstrip("\n")


def warned(problem: str) -> None:
    """Tell what went wrong beside a run."""
    show_text(f"warning: {problem}", err=True)


def _record(project: Project, run: str | None) -> RunRecord:
    """The record of a run, of the lake's any; without a name, of the project's newest."""
    lake = project.lake()
    if run is None:
        if newest := next(runs_of(project), None):
            return newest
        raise EnvironmentFailure("nothing has been run yet", "E008", next=project.next_run)
    if run not in (runs := run_names(lake)):
        raise EnvironmentFailure(
            f"there is no run `{run}`", "E008", hint=did_you_mean(run, runs), next=project.next_run
        )
    return record_of(lake.open, run)


def told_before(project: Project) -> str:
    """Lines about runs that began and did not end; empty where all did, or go on here."""
    lake = project.lake()
    return "".join(f"note: {run.told}\n" for run in begun.unended(lake) if run.state != "goes on")


def run_names(lake: Lake) -> list[str]:
    """All runs, oldest first."""
    names = (path.removeprefix("runs/") for path in lake.open.list("runs"))
    return [name.removesuffix(".json") for name in names if name.endswith(".json")]


def _history(project: Project, run: str) -> list[dict[str, Any]]:
    """Records of the project's runs before this one, the latest ten."""
    lake = project.lake()
    paths = (f"runs/{name}.json" for name in reversed(run_names(lake)) if name < run)
    earlier = (entry_of(path, lake.open.get(path)) for path in paths)
    ours = (each for each in earlier if is_ours(project, each["project"], each.get("target", "")))
    return [*islice(ours, _RUNS_BEFORE)][::-1]
