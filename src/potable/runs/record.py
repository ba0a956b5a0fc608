"""The record of a run: one JSON file that the summary, the report and later questions are made from.

It holds names, counts, times and hashes; never a value of a protected column.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydantic import TypeAdapter

from potable.contracts.findings import Finding, Result
from potable.datasets.disparities import Disparity
from potable.datasets.shifts import Beside
from potable.store.manifest import canonical

Verb = Literal["ingest", "validate", "resolve", "protect", "build", "publish"]
VERBS: tuple[Verb, ...] = ("ingest", "validate", "resolve", "protect", "build", "publish")
State = Literal["started", "progress", "done", "skipped", "failed"]
Outcome = Literal["published", "nothing new", "done", "failed", "interrupted", "killed"]
UNFINISHED: frozenset[Outcome] = frozenset({"failed", "interrupted", "killed"})
"""Outcomes of runs that did not come to their end; what they say of tables may be half of it."""


def run_name(started: datetime) -> str:
    """The name of a run: names in order are runs in the order of their start, to a millisecond."""
    return f"{started:%Y%m%d-%H%M%S}-{started.microsecond // 1000:03d}{secrets.token_hex(2)[:3]}"


@dataclass(frozen=True)
class Event:
    """Something a listener may want to show while a run goes on."""

    verb: Verb
    step: str
    """Step name: `ingest hrms`, `validate payroll.payslips`, `build employee_attrition` …"""
    state: State
    finished: int
    """Steps finished so far."""
    total: int
    """Steps of the run."""
    rows: int = 0
    bytes: int = 0
    quarantined: int = 0
    seconds: float = 0.0


Listener = Callable[[Event], None]


@dataclass(frozen=True)
class StepRecord:
    """One step of a run."""

    verb: Verb
    step: str
    state: State
    fingerprint: str = ""
    seconds: float = 0.0
    rows_in: int = 0
    rows: int = 0
    quarantined: int = 0
    bytes: int = 0
    """Bytes written (ingest: bytes as received)."""
    memory: int = 0
    """Bytes the run held at most while it went on, over all its processes."""
    layered: bool = False
    """Whether only what was new was worked on; its numbers are those of the whole."""


@dataclass(frozen=True)
class TableRecord:
    """Quality of one source table."""

    table: str
    rows_in: int
    rows: int
    quarantined: int
    reasons: Mapping[str, int]
    """Quarantined rows by reason."""
    checks: Sequence[Result]
    drift: Sequence[Mapping[str, Any]]
    """Each: change, column, detail, objects, first, batch, example (a shape), policy."""
    nulls: Mapping[str, int]
    cells_nulled: int = 0
    """Rows kept with a cell set to null."""
    protected_rows: int = 0
    nobody: int = 0
    """Rows quarantined at protect because they belong to nobody a roster knows."""
    deleted: int = 0
    """Rows that are gone in the source, and those that say so."""
    health: Sequence[Finding] = ()
    distinct: Mapping[str, int] = field(default_factory=dict)
    """Distinct values by column: exact of words and days, else within 2% as a rule."""
    batch: int = 0
    """Number of the newest batch that has rows of it."""


@dataclass(frozen=True)
class Stage:
    """One stage of the funnel from raw bytes to the final file."""

    stage: str
    """`raw`, `validated`, `protected`, `features`, `dataset`."""
    rows: int
    bytes: int
    files: int
    note: str = ""


@dataclass(frozen=True)
class CategoryRecord:
    """What became of one privacy category."""

    category: str
    columns: Sequence[str]
    """`source.table.column` names."""
    protect: str
    publish: str
    reaches: Sequence[str]
    """Output columns it reaches, after its operators."""


@dataclass(frozen=True)
class FeatureRecord:
    """One output column: what it is and how it is distributed."""

    name: str
    type: str
    role: Literal["id", "as_of", "feature", "label"]
    table: str
    definition: str
    description: str
    nulls: int
    distinct: int
    minimum: float | str | None = None
    """Numbers and dates only, and only where no class below k would show."""
    maximum: float | str | None = None
    bins: Sequence[float | str] = ()
    """Histogram edges (numbers, one more than counts) or the words themselves."""
    counts: Sequence[int] = ()


@dataclass(frozen=True)
class DatasetRecord:
    """The published version, or the one that stays current."""

    name: str
    version: int
    new: bool
    rows: int
    columns: int
    csv: str
    """Path or URL of the CSV."""
    csv_bytes: int
    parquet: str
    card: str
    label: str
    balance: Mapping[str, int]
    """Rows per value of the label."""
    features: Sequence[FeatureRecord]
    bias: Sequence[Disparity] = ()
    beside: Beside | None = None
    """A new version beside an earlier one, where there is one."""
    scores: str = ""
    """Of rows to be scored: the labelled dataset whose models they are for."""
    defined_as: int = 0
    """Of rows to be scored: its newest version whose features are defined in the same way; 0 for none."""


@dataclass(frozen=True)
class PrivacyRecord:
    """What was done so that no one is exposed."""

    categories: Sequence[CategoryRecord] = ()
    redactions: Mapping[str, int] = field(default_factory=dict)
    """Replaced passages in free text, by kind."""
    identifiers: int = 0
    """Known identifiers the finished dataset was searched for."""
    cells_scanned: int = 0
    findings: int = 0
    k_required: int = 0
    k: int = 0
    """Smallest class of the published dataset."""
    k_columns: Sequence[str] = ()
    suppressed: int = 0
    """Rows whose quasi-identifiers were set to null to reach k."""
    identified: int = 0
    """People of whom somebody was told who they are, in the time in which privacy.yaml counts them."""


@dataclass(frozen=True)
class RunRecord:
    """Everything about one run."""

    run: str
    project: str
    outcome: Outcome
    exit_code: int
    started: str
    """UTC, ISO 8601."""
    seconds: float
    potable: str
    engine: str
    memory: int
    """Bytes the run was allowed."""
    peak_memory: int
    """Bytes it used at most, over all its processes."""
    threads: int
    reason: str = ""
    """Why it was run, as given by who ran it."""
    unwritten: Sequence[str] = ()
    """Project files that were not written yet; the verbs after resolve wait for them."""
    steps: Sequence[StepRecord] = ()
    tables: Sequence[TableRecord] = ()
    funnel: Sequence[Stage] = ()
    identity: Mapping[str, int] = field(default_factory=dict)
    """keys, people, rostered, several, new, merged, split, shared_keys."""
    spine: Mapping[str, int] = field(default_factory=dict)
    """Subjects at each stage of choosing rows, and how many were dropped and why."""
    leakage: Mapping[str, int] = field(default_factory=dict)
    """Subjects and columns of the point-in-time proof."""
    privacy: PrivacyRecord = field(default_factory=PrivacyRecord)
    dataset: DatasetRecord | None = None
    error: Mapping[str, Any] = field(default_factory=dict)
    """The error that ended a failed run."""
    target: str = ""
    """The dataset it was to make; of another day it is one of its own: `attrition@2024-03-31`."""
    killed: Sequence[str] = ()
    """Runs before it that it found killed, and wrote the records of."""

    def to_bytes(self) -> bytes:
        """The record as it is stored."""
        return canonical(asdict(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> RunRecord:
        """A stored record."""
        record: RunRecord = TypeAdapter(cls).validate_json(data)
        return record
