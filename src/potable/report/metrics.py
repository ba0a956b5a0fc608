"""What Prometheus is told about a project: gauges of its last run, its tables, its sources and its dataset.

They are a function of the lake: records of runs, the log of versions, batches. So it does not matter who asks, a run
that begins, one that ends or somebody at a terminal, and one that was killed changes what the next one tells. Names,
counts, sizes and times only; labels are names that project files declare.

Entry: `standing`, `exposition`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import potable
from potable.datasets.version import Version, current
from potable.project import Project
from potable.report import view
from potable.runs import begun
from potable.runs.disclosed import recent
from potable.runs.record import UNFINISHED, RunRecord
from potable.store.layout import Lake
from potable.store.log import entry_of

_RECENT = 100
"""Records that are looked at for the last run that found the dataset as it should be."""
_SEVERITIES = ("warn", "quarantine", "stop")
Sample = tuple[str, Mapping[str, str], float]
"""Name, labels, value."""


@dataclass(frozen=True)
class Metric:
    """One gauge; its unit is in its name."""

    help: str
    labels: tuple[str, ...] = ()
    """Beside `project` and `dataset`, which all have."""


METRICS: Mapping[str, Metric] = {
    "potable_build_info": Metric("Version of Potable; the value is always 1.", ("version",)),
    "potable_run_start_timestamp_seconds": Metric("Start of the newest run, also if it has not ended."),
    "potable_run_end_timestamp_seconds": Metric("End of the last run; if it was killed, its start."),
    "potable_run_duration_seconds": Metric("Duration of the last run."),
    "potable_run_exit_code": Metric("Exit code of the last run; 130 interrupted, 137 killed."),
    "potable_run_peak_memory_bytes": Metric("Peak memory of the last run, over all its processes."),
    "potable_run_memory_limit_bytes": Metric("Memory the last run was allowed (`memory` in potable.yaml)."),
    "potable_runs_killed": Metric("Killed runs before the last run, as found by it."),
    "potable_runs_unended": Metric("Runs still going on; where that cannot be told, they may have been killed."),
    "potable_verb_duration_seconds": Metric("Seconds of the steps of the last run, summed.", ("verb",)),
    "potable_source_received_bytes": Metric("Bytes as received that the last run landed.", ("source",)),
    "potable_source_landed_timestamp_seconds": Metric("Time of the newest batch.", ("source",)),
    "potable_table_received_rows": Metric("Rows of the table as they were received.", ("table",)),
    "potable_table_rows": Metric("Rows of the table that can be used.", ("table",)),
    "potable_table_quarantined_rows": Metric("Rows in quarantine, including those that belong to nobody.", ("table",)),
    "potable_failed_checks": Metric("Checks of the contract that failed.", ("table", "severity")),
    "potable_health_findings": Metric("Health findings of the table.", ("table", "severity")),
    "potable_drifted_columns": Metric(
        "Columns of a new version that have drifted from the version it was compared with.", ("severity",)
    ),
    "potable_dataset_version": Metric("Number of the current version."),
    "potable_dataset_rows": Metric("Rows of the current version."),
    "potable_dataset_publish_timestamp_seconds": Metric("Time the current version was published."),
    "potable_identify_calls": Metric("Calls that told somebody who people are, in the time that privacy.yaml counts."),
    "potable_identified_people": Metric("People of whom they told who they are."),
    "potable_dataset_confirmed_timestamp_seconds": Metric(
        "Last time a run published a version, or confirmed that the current one is up to date."
    ),
}


@dataclass(frozen=True)
class Standing:
    """What there is to tell of a project."""

    last: RunRecord | None = None
    """The newest run that ended."""
    begun: float = 0.0
    """When the newest run began."""
    unended: int = 0
    """Runs that may go on."""
    version: Version | None = None
    confirmed: float = 0.0
    landed: Mapping[str, float] = field(default_factory=dict)
    """When the newest batch of each source was landed."""
    identified: tuple[int, int] | None = None
    """Calls of `identify` that told somebody, and of how many people; None where none may and none did."""


def standing(project: Project) -> Standing:
    """What the lake says of a project now; runs for other days are left out."""
    lake = project.lake()
    name = project.dataset if project.agreed.features else ""
    # who ends meanwhile is in one of both, which is looked at first
    mine = [run for run in begun.unended(lake) if _is_of(vars(run.record), project, name)]
    recorded, confirmed = _ended(lake, project, name)
    # of one that was killed the next run writes the record
    ended = [run.record for run in mine if run.state == "killed"] + ([recorded] if recorded else [])
    starts = [_moment(record.started) for record in (*(run.record for run in mine), *ended)]
    return Standing(
        max(ended, key=lambda record: record.run, default=None),
        max(starts, default=0.0),
        sum(run.state != "killed" for run in mine),
        current(lake.versions(name)) if name else None,
        confirmed,
        {source: landed for source in project.sources if (landed := _landed(lake, source))},
        _identified(project),
    )


def _identified(project: Project) -> tuple[int, int] | None:
    calls, policy = recent(project), project.agreed.policy
    return calls if calls[0] or (policy and policy.identify) else None


def _ended(lake: Lake, project: Project, name: str) -> tuple[RunRecord | None, float]:
    """The newest run of a project, and when one last found its dataset as it should be."""
    last: RunRecord | None = None
    paths = [path for path in lake.open.list("runs") if path.endswith(".json")]
    for path in paths[: -_RECENT - 1 : -1]:
        data = lake.open.get(path)
        record = entry_of(path, data)
        if not _is_of(record, project, name):
            continue
        last = last or RunRecord.from_bytes(data)
        if record["dataset"] and record["outcome"] not in UNFINISHED:
            return last, _moment(record["started"]) + record["seconds"]
    return last, 0.0


def _is_of(record: Mapping[str, Any], project: Project, name: str) -> bool:
    """Whether a run was one of the project, for the dataset of that name."""
    dataset = record["dataset"]
    # records of before say only what they made
    target = record.get("target") or (dataset["name"] if dataset else name)
    return record["project"] == project.platform.project and name in ("", target)


def _landed(lake: Lake, source: str) -> float:
    entry = lake.batches(source).last()[1]
    return _moment(entry["landed_at"]) if entry else 0.0


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def samples(project: Project, now: Standing) -> list[Sample]:
    """All gauges that have a value, in the order of `METRICS`."""
    shared = {"project": project.platform.project}
    if project.agreed.features:
        shared["dataset"] = project.dataset
    places = {name: place for place, name in enumerate(METRICS)}
    found = [(name, {**shared, **labels}, value) for name, labels, value in _samples(now)]
    return sorted(found, key=lambda sample: places[sample[0]])


def _samples(now: Standing) -> Iterator[Sample]:
    yield "potable_build_info", {"version": potable.__version__}, 1
    yield "potable_runs_unended", {}, now.unended
    if now.begun:
        yield "potable_run_start_timestamp_seconds", {}, now.begun
    if now.last:
        yield from _of_run(now.last)
    if now.version:
        yield "potable_dataset_version", {}, now.version.number
        yield "potable_dataset_rows", {}, now.version.rows
        yield "potable_dataset_publish_timestamp_seconds", {}, _moment(now.version.published_at)
    if now.confirmed:
        yield "potable_dataset_confirmed_timestamp_seconds", {}, now.confirmed
    if now.identified:
        yield "potable_identify_calls", {}, now.identified[0]
        yield "potable_identified_people", {}, now.identified[1]
    for source, moment in now.landed.items():
        yield "potable_source_landed_timestamp_seconds", {"source": source}, moment


def _of_run(run: RunRecord) -> Iterator[Sample]:
    yield "potable_run_end_timestamp_seconds", {}, _moment(run.started) + run.seconds
    yield "potable_run_duration_seconds", {}, run.seconds
    yield "potable_run_exit_code", {}, run.exit_code
    yield "potable_run_memory_limit_bytes", {}, run.memory
    yield "potable_runs_killed", {}, len(run.killed)
    if run.peak_memory:
        yield "potable_run_peak_memory_bytes", {}, run.peak_memory
    for spent in view.spent(run):
        yield "potable_verb_duration_seconds", {"verb": spent.verb}, round(spent.seconds, 3)
    for step in run.steps:
        if step.verb == "ingest":
            yield "potable_source_received_bytes", {"source": step.step.partition(" ")[2]}, step.new_bytes
    yield from _drifted(run)
    for table in run.tables:
        labels = {"table": table.table}
        yield "potable_table_received_rows", labels, table.rows_in
        yield "potable_table_rows", labels, table.rows - table.nobody
        yield "potable_table_quarantined_rows", labels, table.quarantined + table.nobody
        failed = Counter(check.action for check in table.checks if not check.success)
        # what empties a cell is declared as what sends its row to quarantine
        failed["quarantine"] += failed.pop("null", 0)
        findings: Counter[str] = Counter(finding.state for finding in table.health)
        for severity in _SEVERITIES:
            yield "potable_failed_checks", {**labels, "severity": severity}, failed[severity]
            if severity != "quarantine":
                yield "potable_health_findings", {**labels, "severity": severity}, findings[severity]


def _drifted(run: RunRecord) -> Iterator[Sample]:
    """Of a new version that was compared with an earlier one."""
    beside = run.dataset.beside if run.dataset else None
    if beside and not beside.unknown:
        states = Counter(shift.state for shift in beside.shifts)
        for severity in ("warn", "accepted"):
            yield "potable_drifted_columns", {"severity": severity}, states[severity]


def exposition(found: list[Sample]) -> str:
    """Gauges in the text format that Prometheus reads (0.0.4), one group of lines for each name."""
    lines: list[str] = []
    told = ""
    for name, labels, value in found:
        if name != told:
            lines += [f"# HELP {name} {METRICS[name].help}", f"# TYPE {name} gauge"]
            told = name
        pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{pairs}}} {value!r}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
