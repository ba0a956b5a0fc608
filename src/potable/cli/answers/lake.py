"""What commands about the lake print with `-o json`: state, quarantine, gc, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from potable.cli.answers.units import Bytes, Moment, Place


class ReadTo(TypedDict):
    """How far a table was read; which keys there are depends on the kind of source."""

    newest: NotRequired[str]
    """Newest value of the column or field it is read on by."""
    remembered: NotRequired[int]
    """Records with that value that were read already."""
    keys_read: NotRequired[Moment]
    """When all keys were read last, to notice deleted records."""
    offsets: NotRequired[Mapping[str, int | str]]
    """Of a stream: where the next run begins, by partition."""
    lost: NotRequired[Mapping[str, Sequence[Sequence[int | str]]]]
    """Of a stream: spans that it had deleted before they were read, by partition."""
    restarts: NotRequired[Mapping[str, int]]
    """Of a stream: how often a partition began anew."""
    state: NotRequired[object]
    """Of an Airbyte or Singer connector: its own state."""


class Batch(TypedDict):
    """One batch of a source."""

    batch: int
    """Its number, from 1, for `potable state rewind --to`."""
    landed_at: Moment
    """When it landed."""
    landed: int
    """Objects that came."""
    gone: int
    """Objects that the source no longer had."""
    tables: Mapping[str, ReadTo]
    """How far its tables were read then; those that are read on only."""


class SourceState(TypedDict):
    """How far one source was read."""

    batch: int
    """Its newest batch; 0 where nothing is landed yet."""
    objects: int
    """Objects of it that are current."""
    tables: Mapping[str, ReadTo]
    """How far its tables were read; those that are read on only."""
    batches: NotRequired[Sequence[Batch]]
    """All batches, oldest first; only where one SOURCE is asked for."""


class Rewound(TypedDict):
    """A source that is back at an earlier batch."""

    source: str
    """Its name."""
    to: int
    """The batch it is back at."""
    batch: int
    """The number of the new batch that says so."""
    objects: int
    """Objects of it that are current now."""


class HeldTable(TypedDict):
    """What is quarantined of one table; counts are null where it was not validated yet."""

    table: str
    """`source.table`."""
    validated: bool
    """Whether a run has validated it."""
    rows_in: int | None
    """Rows that were parsed."""
    quarantined: int | None
    """Of them, those that are quarantined for a check or a cell."""
    nobody: int | None
    """Those that are quarantined because they belong to nobody who is known."""
    cells_nulled: int | None
    """Rows that were kept with a cell set to null."""
    reasons: Mapping[str, int]
    """Quarantined rows by reason; a row may have several."""
    mistyped: Mapping[str, int]
    """Of the mistyped ones, those with such a cell, by column."""
    current: bool
    """Whether this is so for the contract and the data of now; if not, `potable quarantine replay` tells."""
    stopped: bool
    """Whether a check of the table stopped the run."""


class HeldRecord(TypedDict):
    """One quarantined record."""

    object: str
    """The file, page or message it came in, as far as its name may be shown."""
    raw: str
    """The landed object, below the restricted root."""
    record: int
    """Its number in the object, from 1."""
    batch: int
    """The batch it came with."""
    first_seen: Moment
    """When that landed."""
    reasons: Sequence[str]
    """Why it is quarantined."""
    values: Mapping[str, str]
    """Its values by column, as shapes (`Aa99`); columns without a value are left out."""


class HeldExport(TypedDict):
    """Quarantined records that were written to a file."""

    table: str
    """`source.table`."""
    records: int
    """How many were written."""
    file: Place
    """Where they are; the file holds personal data."""


class Replayed(TypedDict):
    """One table that was validated again."""

    table: str
    """`source.table`."""
    taken_back: int
    """Records that pass now."""
    still: int
    """Records that are quarantined as before."""
    new: int
    """Records that are quarantined now and were not before."""


class Garbage(TypedDict):
    """Files of one zone that are not needed for one reason."""

    zone: str
    """Zone of the lake, or `scratch`."""
    why: str
    """Why nothing needs them."""
    files: int
    """How many there are."""
    bytes: Bytes
    """How large they are."""


class OldVersion(TypedDict):
    """A version that loses its files."""

    dataset: str
    """Name of its dataset."""
    version: int
    """Its number."""


class Younger(TypedDict):
    """What is not needed, and stays because it is young."""

    files: int
    """How many files."""
    bytes: Bytes
    """How large they are."""


class Cleaned(TypedDict):
    """What is not needed any more."""

    removed: bool
    """Whether it was removed now, by `--delete`."""
    files: int
    """How many files."""
    bytes: Bytes
    """How large they are."""
    zones: Sequence[Garbage]
    """The same by zone and reason."""
    steps: Sequence[str]
    """Folders of the steps they belong to."""
    versions: Sequence[OldVersion]
    """Versions beyond `--keep-versions`."""
    younger: Younger
    """What is younger than `--older-than`, and stays."""
    of_other_lakes: Sequence[str]
    """Steps in the vault that stay, because another lake may need them."""
    older_than: str
    """The age that was asked for."""


class Reported(TypedDict):
    """The HTML report of a run."""

    run: str
    """The run."""
    report: Place
    """Its report."""


class GxResult(TypedDict):
    """What the checks of one table found, as a validation result of Great Expectations 1.x."""

    success: bool
    """Whether all of them hold."""
    results: Sequence[Mapping[str, object]]
    """Each check, in GX's form: `success`, `expectation_config`, `result`, `exception_info`."""
    suite_name: str
    """The table, `source.table`."""
    suite_parameters: Mapping[str, object]
    """Always empty."""
    statistics: Mapping[str, float | None]
    """How many checks there are, and hold."""
    meta: Mapping[str, object]
    """The run, when it began, the version of Potable, and rows with a cell that could not be read."""
    id: None
    """Always null."""


class Sample(TypedDict):
    """One metric, as Prometheus is told it ([observability.md](../observability.md))."""

    name: str
    """Name of the metric; its unit is at its end."""
    labels: Mapping[str, str]
    """Its labels."""
    value: float
    """Its value."""
