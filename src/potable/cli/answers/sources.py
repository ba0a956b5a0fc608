"""What commands about sources and their tables print with `-o json`: source, contract suggest, profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from potable.runs.reconciled import Period


class PreviewedColumn(TypedDict):
    """One declared column of a table."""

    column: str
    """Its name."""
    type: str
    """As declared."""
    category: str | None
    """Privacy category as declared; null where there is none yet."""
    nulls: int
    """Records without a value in it."""
    unreadable: int
    """Of them, those whose value does not fit the type."""
    first: Sequence[str | None]
    """Its values in the first records; as shapes (`Aa99`) unless its category is `none`."""


class Previewed(TypedDict):
    """The first records of one table."""

    object: str
    """The first file or page they came in, as far as its name may be shown; empty where the source has no data."""
    dialect: Sequence[str]
    """What was found out about how it is written: `delimiter ;`, `encoding cp1252`."""
    rows: int
    """Records that were read."""
    columns: Sequence[PreviewedColumn]
    """The declared columns."""
    undeclared: Sequence[str]
    """Further columns that the source has, as far as their names may be shown."""


class DiscoveredColumn(TypedDict):
    """What is suggested of a column."""

    path: str
    """Where it is in a record."""
    type: str
    """Suggested type."""
    format: str
    """How dates, numbers or booleans are written; empty for the usual form."""
    decimal: str
    """The decimal separator."""
    null_values: Sequence[str]
    """Placeholders among its values that mean "no value"."""
    required: bool
    """Whether all records that were read have a value."""
    category: str
    """Suggested privacy category; empty where somebody has to decide."""
    key: str
    """Namespace of the key it may be; empty for none."""


class ReadOn(TypedDict):
    """How later runs may read only what changed; empty where nothing tells."""

    column: NotRequired[str]
    """The column that tells when a record changed."""
    evidence: NotRequired[Sequence[str]]
    """Why it is believed to."""


class Discovered(TypedDict):
    """What is suggested of one table."""

    rows: int
    """Records that were read."""
    columns: Mapping[str, DiscoveredColumn]
    """Suggestions by the name of the column."""
    unique: Sequence[str]
    """Columns that tell the records apart; empty where none do."""
    incremental: ReadOn
    """How later runs may read only what changed."""
    lines: Sequence[str]
    """Its contract as lines of YAML, with the evidence as comments."""


class Reconciled(TypedDict):
    """What is landed of a table beside what its source has; exit code 1 if something is missing."""

    table: str
    """`source.table`."""
    missing: int
    """Records of the source that are not landed."""
    gone: int
    """Landed records that the source no longer has."""
    months: Sequence[Period]
    """Both by the month of the table's `time`."""


class Suggested(TypedDict):
    """What a contract could promise more of one table."""

    rows: int
    """Records that were read: all that are landed."""
    objects: int
    """Landed objects they are in."""
    columns: Sequence[str]
    """Lines of YAML for `columns`."""
    unique: Sequence[str]
    """Columns that tell the records apart; empty where none do, or it is declared."""
    checks: Sequence[str]
    """Lines of YAML for `checks`."""
    evidence: Mapping[str, str]
    """Why, for each line of `columns` and `checks`."""
    against: Sequence[str]
    """Where the records contradict the contract, in words."""


class ProfiledColumn(TypedDict):
    """One column of a table; what it does not have, or may not be shown, is null."""

    column: str
    """Its name."""
    type: str
    """As declared."""
    nulls: int
    """Rows without a value."""
    distinct: int | None
    """Different values, about; null where they are not counted."""
    protected: bool
    """Whether its values may not be shown."""
    words: Mapping[str, int] | None
    """Of texts: rows of the most frequent values, rare ones as shapes."""
    other_words: int | None
    """Of texts: how many further values there are."""
    quantiles: Sequence[float] | None
    """Of numbers: least, quarter, half, three quarters, greatest; exact to 12.5%."""
    first: str | None
    """Of times: the first period with a value, such as `2021-04`."""
    last: str | None
    """Of times: the last one."""


class Profile(TypedDict):
    """A table, column by column, as the newest run that validated it found it."""

    table: str
    """`source.table`."""
    period: str | None
    """The period that was asked for; null for all."""
    rows: int
    """Rows that passed."""
    batches: Sequence[int]
    """The batches they came with."""
    columns: Sequence[ProfiledColumn]
    """Its columns."""
