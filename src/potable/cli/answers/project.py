"""What commands about a project print with `-o json`: check, plan, test, doctor, airflow generate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from potable.agreement import Later, Waiting
from potable.cli.answers.failure import OneError
from potable.cli.answers.units import Bytes, Day, Place, Seconds
from potable.errors import Place as PlaceInFile
from potable.privacy.flow import Flow
from potable.runs.estimate import Basis, Machine
from potable.runs.record import Verb


class Checked(TypedDict):
    """A project that is right, as far as it is written."""

    project: str
    """Its name."""
    sources: int
    """How many there are."""
    tables: int
    """How many there are, of all sources."""
    columns: int
    """How many there are, of all tables."""
    checks: int
    """How many there are, of all tables."""
    features: int
    """How many there are; 0 where features.yaml is not written yet."""
    tables_of_nobody: Sequence[str]
    """Tables without a key, all of whose records will go to quarantine."""
    features_before_coverage: Sequence[str]
    """Features that look back before the `coverage` of their table at some as-of dates: there no record is null, not
    zero."""
    unwritten: Sequence[Later]
    """Project files that are not written yet."""
    waiting: Sequence[Waiting]
    """Verbs that wait for these files."""


PlannedState = Literal["checks", "runs", "done", "wait"]


class PlannedStep(TypedDict):
    """One step that a run would take."""

    step: str
    """Its name, as in the record of a run: `validate payroll.payslips`."""
    verb: Verb | None
    """Null where one line stands for several verbs."""
    state: PlannedState
    """`checks` looks for new data in its source, `runs` would do something, `done` would be skipped, `wait` needs
    project files that are not written yet."""
    fingerprint: str | None
    """As in the record of a run; null where it is not known before."""
    detail: str
    """Why it runs or waits, in words."""


class Plan(TypedDict):
    """What a run would do for the data that is landed."""

    steps: Sequence[PlannedStep]
    """All steps, in the order of a run."""
    flows: Sequence[Flow]
    """The proof of which privacy category reaches which output column; empty where privacy.yaml or features.yaml is not
    written yet."""
    unwritten: Sequence[Later]
    """Project files that are not written yet."""
    pending: bool
    """Whether a run would do something; `--exit-code` then ends with 5."""


class SpanOfSeconds(TypedDict):
    """A predicted time."""

    likely: Seconds
    """Most likely."""
    low: Seconds
    """At least."""
    high: Seconds
    """At most."""


class SpanOfBytes(TypedDict):
    """A predicted size."""

    likely: Bytes
    """Most likely."""
    low: Bytes
    """At least."""
    high: Bytes
    """At most."""


class MeasuredRun(TypedDict):
    """The run an estimate is made from."""

    of: Literal["this project", "reference"]
    """Whose run it is; reference runs come with Potable."""
    run: str
    """Its name."""
    date: Day
    """When it was."""
    machine: str | None
    """What it ran on, where that is known."""
    engine: str
    """`duckdb` or `spark`."""
    threads: int
    """How many it used."""
    seconds: Seconds
    """How long it took."""
    size: Bytes
    """Data as received."""


class EstimatedRun(TypedDict):
    """What a full run would take."""

    size: Bytes
    """Data as received that it is estimated for."""
    machine: Machine
    """What it is estimated for."""
    basis: Basis
    """`measured` where the estimate is a run that was measured, `computed` where it is extrapolated from one."""
    factor: float
    """`size` by that of the measured run."""
    measured: MeasuredRun
    """The run it is made from."""
    seconds: Mapping[str, SpanOfSeconds]
    """Time by verb, and of the start (`start`)."""
    seconds_total: SpanOfSeconds
    """Time of the whole run."""
    memory: SpanOfBytes
    """Peak memory of one machine."""
    disk: Mapping[str, Bytes]
    """Disk by zone, and what is needed only `while it runs`."""
    disk_total: Bytes
    """All of it together."""
    shuffle: Mapping[str, SpanOfBytes]
    """What is sent between machines, by verb; empty for one machine."""
    shuffle_total: SpanOfBytes
    """All of it together."""
    notes: Sequence[str]
    """What was measured and what is assumed, in words."""


class TestResult(TypedDict):
    """One test of a contract or of features."""

    table: str
    """The table, or the dataset, it is a test of."""
    test: str
    """Its name."""
    place: PlaceInFile
    """Where it is declared."""
    holds: bool
    """Whether it passed."""
    errors: Sequence[OneError]
    """What did not hold, each as in `error.errors` of a failure."""


class Tested(TypedDict):
    """What the tests of a project came to; exit code 1 if one failed."""

    engine: str
    """Engine they ran on."""
    tests: int
    """Tests that ran."""
    failed: int
    """Of them, those that failed."""
    not_run: int
    """Tests of features that wait for project files which are not written yet."""
    results: Sequence[TestResult]
    """Each test that ran."""


class Diagnosis(TypedDict):
    """What `doctor` found about one thing; exit code 3 if one is `bad`."""

    what: str
    """What was looked at: `memory`, `root open`, `source hrms` …"""
    state: Literal["ok", "bad", "note"]
    """`note` is something to know that hinders no run."""
    detail: str
    """What was found, in words."""


class Generated(TypedDict):
    """The DAG file for Airflow; exit code 5 if `--check` finds it out of date."""

    file: Place
    """The DAG file."""
    state: Literal["current", "stale", "missing"]
    """What it is now; without `--check` it was written and is `current`."""
