"""What commands about the dataset print with `-o json`: run, show, diff, explain, identify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict

from potable.cli.answers.failure import Error
from potable.cli.answers.units import Cell, Day, Empty, Moment, Place


class RunPage(TypedDict):
    """What is told of a run beside its record."""

    report: Place | None
    """Its HTML report; null where it could not be written."""
    error: Error | Empty
    """What ended the run before its end, as `error` of a failure; `{}` where nothing did."""


class StepCounts(TypedDict):
    """How many steps of a run came to which end."""

    done: int
    """They did something."""
    skipped: int
    """There was nothing to do."""
    failed: int
    """They ended the run."""


class Line(TypedDict):
    """What a scheduler needs to know of a run; where none began, `exit_code` and `error` only."""

    run: NotRequired[str]
    """Its name."""
    outcome: NotRequired[str]
    """As in the record."""
    exit_code: int
    """0 where the run succeeded, also if `--exit-code` makes the command end with 99."""
    steps: NotRequired[StepCounts]
    """How many steps came to which end."""
    sources: NotRequired[list[str]]
    """Names of all sources of the project, by which a DAG that was written for fewer is found out."""
    dataset: NotRequired[str]
    """Name of the dataset; this and all below only where `publish` ran to its end."""
    version: NotRequired[int]
    """The current version."""
    new: NotRequired[bool]
    """Whether this run published it."""
    rows: NotRequired[int]
    """Rows of the version."""
    fingerprint: NotRequired[str]
    """Of the publish step: the same inputs, project and vault give the same one."""
    csv: NotRequired[Place]
    """The version as CSV."""
    parquet: NotRequired[Place]
    """The version as Parquet."""
    error: NotRequired[str]
    """Code of the error of a run that failed."""


class Places(TypedDict):
    """Where the files of a version are."""

    csv: Place
    """The dataset as CSV."""
    parquet: Place
    """The dataset as Parquet."""
    card: Place
    """What is to be known of it, as Markdown."""
    report: Place
    """The HTML report of the run that published it."""


class Removed(TypedDict):
    """A version whose files `potable gc` removed."""

    version: int
    """Its number."""
    at: Moment
    """When they were removed."""
    who: str
    """Account that removed them."""
    why: str
    """The reason that was given."""


class Published(TypedDict):
    """A version whose files are there."""

    version: int
    """Its number, from 1."""
    published_at: Moment
    """When it became current."""
    rows: int
    """How many it has."""


class Got(TypedDict):
    """A version that was copied."""

    dataset: str
    """Its name, of another day with that day (`attrition@2024-03-31`)."""
    version: int
    """Its number, from 1."""
    fingerprint: str
    """Of the publish step: the same inputs, project and vault give the same one."""
    published_at: Moment
    """When it became current."""
    rows: int
    """How many it has."""
    files: Mapping[str, Place]
    """The copies, by kind: `csv`, `parquet`, `card`."""
    sha256: Mapping[str, str]
    """Hash of each, which it was held to."""


class Shown(TypedDict):
    """A version of the dataset."""

    dataset: str
    """Its name, of another day with that day (`attrition@2024-03-31`)."""
    version: int
    """Its number, from 1."""
    published_at: Moment
    """When it became current."""
    run: str
    """The run that published it."""
    rows: int
    """How many it has."""
    columns: Sequence[str]
    """Their names."""
    files: Places
    """Where its files are."""
    sha256: Mapping[str, str]
    """Hash of each file, by kind: `csv`, `parquet`, `card`."""
    lineage: Mapping[str, str]
    """What it was made from, by hash."""
    first_rows: Sequence[Mapping[str, Cell]]
    """As many as `--rows` says, each by column."""
    versions: Sequence[Published]
    """All versions whose files are there, oldest first."""
    removed: Sequence[Removed]
    """Versions whose files were removed."""


class ColumnsChanged(TypedDict):
    """Columns that differ between two versions."""

    added: Sequence[str]
    """Columns of the newer version only."""
    removed: Sequence[str]
    """Columns of the older version only."""
    redefined: Sequence[str]
    """Features of both whose definition is another."""
    retyped: Sequence[str]
    """Columns of both whose type is another."""


class Balance(TypedDict):
    """The label of one version."""

    name: str
    """Its column; empty for rows without a label."""
    values: Mapping[str, int]
    """Rows by value."""


class Compared(TypedDict):
    """Two versions of the dataset; pairs are of the older and of the newer one."""

    dataset: str
    """Its name, of another day with that day."""
    versions: Sequence[int]
    """Their numbers, a pair."""
    rows: Sequence[int]
    """Their rows, a pair."""
    came: int
    """Rows of the newer version only."""
    went: int
    """Rows of the older version only."""
    shared: int
    """Rows of both."""
    columns: ColumnsChanged
    """Columns that differ."""
    cells: Mapping[str, int]
    """By column, in how many shared rows its cell differs; columns without any difference are left out."""
    lineage: Sequence[str]
    """What they were made from that differs, as the lineage of a version names it: `input crm`, `features`, `code` …"""
    label: Sequence[Balance]
    """Their labels, a pair."""


class ExplainedRecord(TypedDict):
    """One record of the person; values that may not be shown are shapes (`Aa99`)."""

    happened: Moment | str | None
    """When it happened; null where nobody knows, or the table has no time."""
    known: Moment | str | None
    """When it became known."""
    columns: Mapping[str, Cell]
    """Columns that the definition reads."""
    value: Cell
    """What is aggregated; null where the record is not used, or only counted."""
    used: bool
    """Whether the cell was computed from it."""
    why: str
    """Why it was not used; empty where it was."""


class Explained(TypedDict):
    """One cell of the dataset."""

    dataset: str
    """Its name, of another day with that day."""
    version: int
    """The version."""
    row: str
    """Pseudonym of the row."""
    as_of: Day
    """The row's as-of date."""
    feature: str
    """The column."""
    definition: str
    """As features.yaml has it."""
    table: str
    """The table it reads; `derived` where it is computed from other columns."""
    cell: Cell
    """As published."""
    computed: Cell
    """As it comes out now; another one where contracts or privacy.yaml have changed since."""
    emptied: bool
    """Whether k-anonymity emptied it; then nothing below is given."""
    inputs: Mapping[str, Cell] | None
    """Of a derived column, the cells it is computed from; else null."""
    records: Sequence[ExplainedRecord]
    """The person's records in `table`, all of them, newest first."""


class Identified(TypedDict):
    """What was told about people; no values."""

    file: Place
    """The file that was written, readable by its owner only."""
    columns: Sequence[str]
    """Columns that were added to its rows."""
    rows: int
    """Rows of the file."""
    asked: int
    """Different subject ids in it."""
    found: int
    """People they lead to."""
    several_numbers: int
    """Of them, those with several numbers of a roster; told is that of the newest record."""
    entry: int
    """Number of the call in the record that `--log` shows."""


class Call(TypedDict):
    """One call of `identify`."""

    number: int
    """Place in the record, from 1."""
    at: Moment
    """When it was."""
    who: str
    """Account that called."""
    host: str
    """Machine it was on."""
    what: str
    """Always `identify`."""
    why: str
    """The purpose that was given."""
    outcome: Literal["given", "refused", "unknown"]
    """`unknown`: nobody is known by the ids."""
    legal_basis: str
    """As privacy.yaml had it."""
    columns: Sequence[str]
    """What would be told of people, as `source.table.column`."""
    dataset: Sequence[str | int]
    """Name and current version of the dataset, a pair."""
    found: int
    """People who were told of; where it was refused, who would have been."""
    hash: str
    """Of this entry."""
    previous: str
    """Hash of the entry before, empty for the first."""
    sha256: NotRequired[str]
    """Of the file; this and the next two where it was read."""
    rows: NotRequired[int]
    """Rows of the file."""
    asked: NotRequired[int]
    """Different subject ids in it."""
    refused: NotRequired[str]
    """Key of `identify` in privacy.yaml by which it was refused."""
    people: NotRequired[str]
    """Keyed hash of who was told of, that tells nobody."""
    resolved: NotRequired[str]
    """Fingerprint of the `resolve` by which they were found."""


class Log(TypedDict):
    """Who was told who people are."""

    entries: Sequence[Call]
    """All calls, oldest first."""
    calls: int
    """Calls that told something, within the time that privacy.yaml counts."""
    people: int
    """Of how many people they told."""
    most: int
    """Of how many they may; 0 where privacy.yaml does not allow any."""
