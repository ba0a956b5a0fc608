"""The record of a run: one JSON file that the summary, the report and later questions are made from.

It holds names, counts, times and hashes; never a value of a protected column.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from pydantic import TypeAdapter

from potable.contracts.findings import Finding, Result
from potable.datasets.disparities import Disparity
from potable.datasets.shifts import Beside
from potable.errors import Damaged
from potable.store.manifest import canonical
from potable.store.objects import Store

if TYPE_CHECKING:
    from potable.project import Project

Verb = Literal["ingest", "validate", "resolve", "protect", "build", "publish"]
VERBS: tuple[Verb, ...] = ("ingest", "validate", "resolve", "protect", "build", "publish")
State = Literal["started", "progress", "done", "skipped", "failed"]
Outcome = Literal["published", "nothing new", "done", "failed", "interrupted", "killed"]
UNFINISHED: frozenset[Outcome] = frozenset({"failed", "interrupted", "killed"})
"""Outcomes of runs that did not come to their end; what they say of tables may be half of it."""


def is_ours(project: Project, name: str, target: str) -> bool:
    """Whether a run was one of the project: by its name, or by its dataset, where it was called otherwise until now.

    Another project in the same lake may take other rows of the same tables.

    Args:
        name: of the project that was run.
        target: its dataset, of another day with that day.
    """
    features = project.agreed.features
    return name == project.platform.project or bool(features and target.split("@")[0] == features.dataset)


def runs_of(project: Project) -> Iterator[RunRecord]:
    """Records of all runs of the project, newest first.

    Raises:
        Damaged: the bytes of one are none.
    """
    lake = project.lake()
    for path in reversed(lake.open.list("runs")):
        if path.endswith(".json"):
            run = record_of(lake.open, path.removeprefix("runs/").removesuffix(".json"))
            if is_ours(project, run.project, run.target):
                yield run


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
    """What it belongs to."""
    step: str
    """Its name: `validate payroll.payslips`."""
    state: State
    """How it ended: `done`, `skipped` (there was nothing to do) or `failed`."""
    fingerprint: str = ""
    """Hash of all that it was made from; empty for ingest."""
    seconds: float = 0.0
    """How long it took, in seconds."""
    rows_in: int = 0
    """Rows that came in."""
    rows: int = 0
    """Rows that came out."""
    quarantined: int = 0
    """Rows that went to quarantine."""
    bytes: int = 0
    """Bytes written (ingest: bytes as received, of all that is landed)."""
    new_bytes: int = 0
    """Bytes as received that this run landed; of ingest only."""
    memory: int = 0
    """Bytes the run held at most while it went on, over all its processes."""
    layered: bool = False
    """Whether only what was new was worked on; its numbers are those of the whole."""


class Drifted(TypedDict):
    """One difference of what landed from the contract; records of earlier versions may have fewer keys."""

    change: str
    """`new_column`, `missing_column`, `renamed_column`, `widened`, `narrowed` or `dialect`."""
    column: str
    """Name of the column, as far as it may be shown; for a dialect what was found, such as `delimiter ;`."""
    objects: int
    """How many objects show it."""
    first: str
    """The first of them, as far as its name may be shown."""
    batch: int
    """The batch that object came with."""
    example: str
    """Shape of a value that shows it, such as `Aa99`; empty for none."""
    detail: str
    """What it is like now: a column's new name, from which type to which."""
    policy: Literal["allow", "warn", "fail"]
    """What the contract says of such a change."""


@dataclass(frozen=True)
class TableRecord:
    """Quality of one source table."""

    table: str
    """Its name, `source.table`."""
    rows_in: int
    """Rows that were parsed."""
    rows: int
    """Rows that passed."""
    quarantined: int
    """Rows that are quarantined for a check or a cell."""
    reasons: Mapping[str, int]
    """Quarantined rows by reason."""
    checks: Sequence[Result]
    """What each check found."""
    drift: Sequence[Annotated[Mapping[str, Any], Drifted]]
    """How what landed differs from the contract."""
    nulls: Mapping[str, int]
    """Rows without a value, by column."""
    cells_nulled: int = 0
    """Rows kept with a cell set to null."""
    protected_rows: int = 0
    """Rows that protect wrote."""
    nobody: int = 0
    """Rows quarantined at protect because they belong to nobody a roster knows."""
    deleted: int = 0
    """Rows that are gone or replaced in the source, and those that say so."""
    health: Sequence[Finding] = ()
    """What each check of its health found."""
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
    """Rows it holds; 0 where they are not counted."""
    bytes: int
    """Bytes it holds."""
    files: int
    """Files it consists of."""
    note: str = ""
    """More about it, in words."""


@dataclass(frozen=True)
class CategoryRecord:
    """What became of one privacy category."""

    category: str
    """Its name."""
    columns: Sequence[str]
    """`source.table.column` names."""
    protect: str
    """What `protect` did with it."""
    publish: str
    """What privacy.yaml wants before it is published."""
    reaches: Sequence[str]
    """Output columns it reaches, after its operators."""


@dataclass(frozen=True)
class FeatureRecord:
    """One output column: what it is and how it is distributed."""

    name: str
    """Its name."""
    type: str
    """Type of its values."""
    role: Literal["id", "as_of", "feature", "label"]
    """What it is for."""
    table: str
    """Table it is computed from, `derived` for other columns; empty for id and as-of date."""
    definition: str
    """As features.yaml has it."""
    description: str
    """Meaning, as features.yaml has it."""
    nulls: int
    """Rows without a value."""
    distinct: int
    """Different values."""
    bins: Sequence[float | str] = ()
    """Histogram edges (numbers, one more than counts; the outer bins hold what lies beyond) or the words themselves."""
    counts: Sequence[int] = ()
    """Rows of each bin."""


@dataclass(frozen=True)
class DatasetRecord:
    """The published version, or the one that stays current."""

    name: str
    """Its name, of another day with that day."""
    version: int
    """Its number, from 1."""
    new: bool
    """Whether this run published it."""
    rows: int
    """Rows it has."""
    columns: int
    """Columns it has."""
    csv: str
    """Path or URL of the CSV."""
    csv_bytes: int
    """Size of the CSV in bytes."""
    parquet: str
    """Path or URL of the Parquet file."""
    card: str
    """Path or URL of what is to be known of it, as Markdown."""
    label: str
    """Name of the label; empty for rows without one."""
    balance: Mapping[str, int]
    """Rows per value of the label; those of rare values together."""
    features: Sequence[FeatureRecord]
    """Each of its columns, those for id, as-of date and label too."""
    bias: Sequence[Disparity] = ()
    """How the label and features differ between groups of people."""
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
    """What became of each privacy category."""
    redactions: Mapping[str, int] = field(default_factory=dict)
    """Replaced passages in free text, by kind."""
    identifiers: int = 0
    """Known identifiers the finished dataset was searched for."""
    cells_scanned: int = 0
    """Cells that were searched."""
    findings: int = 0
    """Identifiers that were found."""
    k_required: int = 0
    """Size that privacy.yaml wants the smallest class to have; 0 for no such rule."""
    k: int = 0
    """Smallest class of the published dataset."""
    k_columns: Sequence[str] = ()
    """The quasi-identifiers that make a class."""
    suppressed: int = 0
    """Rows whose quasi-identifiers were set to null to reach k."""
    identified: int = 0
    """People of whom somebody was told who they are, in the time in which privacy.yaml counts them."""


@dataclass(frozen=True)
class RunRecord:
    """Everything about one run."""

    run: str
    """Its name; names in order are runs in the order of their start."""
    project: str
    """Name of the project."""
    outcome: Outcome
    """How it ended."""
    exit_code: int
    """With which the command ended; 0 also where `--exit-code` made that 99."""
    started: str
    """UTC, ISO 8601."""
    seconds: float
    """How long it took, in seconds."""
    potable: str
    """Version of Potable."""
    engine: str
    """Engine it ran on."""
    memory: int
    """Bytes the run was allowed."""
    peak_memory: int
    """Bytes it used at most, over all its processes."""
    threads: int
    """Threads it might use."""
    reason: str = ""
    """Why it was run, as given by who ran it."""
    unwritten: Sequence[str] = ()
    """Project files that were not written yet; the verbs after resolve wait for them."""
    steps: Sequence[StepRecord] = ()
    """Each step, in their order."""
    tables: Sequence[TableRecord] = ()
    """Quality of each table that was validated."""
    funnel: Sequence[Stage] = ()
    """How much is left at each stage, from raw bytes to the final file."""
    identity: Mapping[str, int] = field(default_factory=dict)
    """Who is who: `keys` in all systems, `people` they belong to, of them `rostered`, with `several` keys of a roster,
    `new`, `merged` and `split` ones; `crowded` have more keys than a person can, `shared_keys` link nobody."""
    spine: Mapping[str, int] = field(default_factory=dict)
    """Subjects at each stage of choosing rows (`subjects`; `employed`: with a record of `rows.from` that runs;
    `selected`, `eligible`, `rows`), and how many were dropped, by reason in words (`dropped: …`)."""
    leakage: Mapping[str, int] = field(default_factory=dict)
    """`subjects` and `columns` of the point-in-time proof."""
    privacy: PrivacyRecord = field(default_factory=PrivacyRecord)
    """What was done so that no one is exposed."""
    dataset: DatasetRecord | None = None
    """The version that is current now; null where `publish` did not run to its end."""
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


def record_of(store: Store, run: str) -> RunRecord:
    """The stored record of a run.

    Raises:
        Damaged: its bytes are none.
    """
    path = f"runs/{run}.json"
    try:
        return RunRecord.from_bytes(store.get(path))
    except ValueError:
        raise Damaged(path) from None
