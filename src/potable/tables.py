"""What a table promises: the declarations that every later room reads.

`Table` and its `Column`s (`columns`) are the shared nouns of the contracts in `sources/*.yaml`: types, keys, privacy
categories, and the two times of each fact. They live below the slices because validate, resolve,
protect and build all read them. How a table is fetched belongs to `potable.sources`, what its checks
mean to `potable.contracts`.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, Self

import pyarrow as pa
from pydantic import Field, field_validator, model_validator

from potable.columns import Column as Column
from potable.declarations import Declaration
from potable.health import Health
from potable.quantities import Duration as Duration
from potable.quantities import Limit as Limit

if TYPE_CHECKING:
    import ibis.expr.types as ir

OBJECT = "_object"
"""Origin: name of the raw object a row came from."""
ROW = "_row"
"""Origin: 1-based ordinal of the record inside its raw object."""
UNPARSED = "_unparsed"
"""JSON of the original texts of cells that could not be read as their type; null when all could."""
MISTYPED = "_mistyped"
"""Comma-separated names of columns whose unreadable cell costs the record its place."""
BATCH = "_batch"
"""Number of the batch a record's raw object came with."""
SUBJECT = "_subject"
"""Pseudonym of the person a protected row is about."""
TIME = "_time"
"""When the fact happened (timestamp, UTC, no zone)."""
KNOWN = "_known"
"""When the fact became known (timestamp, UTC, no zone)."""
WHICH = "_which"
"""By which of a person's keys a protected record is told apart (`Table.apart`); a number that means nothing else."""
BUCKET = "_bucket"
"""Bucket of the subject; protected tables are partitioned by it."""

_MARK = re.compile(r"(?P<column>[^=]+?)\s*(?:=\s*(?P<word>\S.*?)\s*)?")

ORIGIN = pa.schema([(OBJECT, pa.string()), (ROW, pa.int64())])
"""Columns that say where a record came from."""
PARSING = pa.schema([*ORIGIN, (UNPARSED, pa.string()), (MISTYPED, pa.string())])
"""Columns every parsed table has beside its own."""
LANDED = pa.schema([*PARSING, (BATCH, pa.int64())])
"""Columns a parsed table has beside its own when it is judged."""


class QuarantinePolicy(Declaration):
    """How much may go to quarantine before a run stops."""

    at_most: int | str | None = None
    """Largest number of rows: a count such as `100`, or a share such as `"0.5%"`. A table that declares none stops the
    run where more than half of 100 or more new rows break their contract; all tables together have no limit by default.
    """

    @field_validator("at_most")
    @classmethod
    def _a_limit(cls, value: int | str | None) -> int | str | None:
        if value is not None:
            Limit.parse(value)
        return value

    @property
    def limit(self) -> Limit | None:
        """The declared limit."""
        return None if self.at_most is None else Limit.parse(self.at_most)


class DriftPolicy(Declaration):
    """What a change of the source does; landing itself never fails."""

    new_column: Literal["allow", "warn", "fail"] = "warn"
    """A column that the contract does not declare."""
    missing_column: Literal["allow", "warn", "fail"] = "fail"
    """A declared column that the source no longer has."""
    renamed_column: Literal["allow", "warn", "fail"] = "fail"
    """A column is missing and a new one has a similar name and fitting values; replaces the two changes above."""
    widened: Literal["allow", "warn", "fail"] = "warn"
    """Values that do not fit their type, but fit a wider one: `12.5` as an integer, a timestamp as a date, a word that
    is not one of the `levels`. The cells themselves count as mistyped: quarantined, or null with `on_error: null`."""
    narrowed: Literal["allow", "warn", "fail"] = "warn"
    """A batch whose timestamps lost their time of day, whose decimals lost their fraction, or whose texts are cut off
    at one length, compared with the batches before, where that cannot be chance."""
    dialect: Literal["allow", "warn", "fail"] = "warn"
    """An object with another delimiter or encoding than most objects of the table."""


class Outcome(Declaration):
    """What must become of a row that a test of a contract gives."""

    quarantined: list[str] = Field(default_factory=list)
    """Every reason for which it goes to quarantine: `missing:emp_no`, `mistyped:gross`, `duplicate` …"""
    nulled: list[str] = Field(default_factory=list)
    """Columns whose cell is set to null while the row stays."""
    gives: dict[str, Any] = Field(default_factory=dict)
    """Expected values of columns, typed."""
    deleted: bool = False
    """Whether the row is deleted: it marks a deletion itself, or another row of the test deletes its key."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("a test needs an expected result: `passes`, `quarantined`, `nulled`, `gives` or `deleted`")
        if sum(map(bool, (self.quarantined, self.deleted, self.nulled or self.gives))) > 1:
            raise ValueError("a row that is quarantined or deleted cannot have `gives`, and it cannot be both")
        return self


class ContractTest(Declaration):
    """A few rows and what the contract must make of them; run by `potable test`."""

    name: str
    """Name that is shown, as a sentence."""
    rows: list[dict[str, Any]]
    """Rows with the columns that matter; the others are null, or any valid value if they are required. A text is parsed
    like the source's text, any other value is taken as it is."""
    expect: Literal["passes"] | Outcome | list[Literal["passes"] | Outcome] = "passes"
    """Expected result for each row: one for all, or a list with one per row."""
    stopped: list[str] | None = None
    """All checks that stop the run; `[]` if none does. If it is left out, this is not tested."""

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        if isinstance(self.expect, list) and len(self.expect) != len(self.rows):
            raise ValueError(f"`expect` lists {len(self.expect)} outcomes for {len(self.rows)} rows")
        if not self.rows and self.stopped is None:
            raise ValueError("a test without rows must say which check stops the run: add `stopped`")
        return self


class Table(Declaration):
    """One table of a contract: columns, identity, times, checks. Sources add how to find its records."""

    columns: dict[str, Column] = Field(min_length=1)
    """Columns by name, in output order."""
    unique: list[str] = Field(default_factory=list)
    """Columns that identify a record; the same key with a later `known`, or an equal one and a greater `order`, is a
    correction."""
    roster: str | None = None
    """Kind of subject that this table lists completely (the roster). Records about anybody who is in no roster belong
    to nobody, and are quarantined."""
    time: str | None = None
    """Column that says when the fact happened; a table without one shows today's values."""
    known: str | None = None
    """When it became known: a column, a lag after `time` such as `+10d`, or a column with a lag for where it is empty
    (`submitted_at or +30d`). `time` itself by default. It applies to the whole record, including columns that are
    filled in later."""
    order: str | None = None
    """Column that orders facts, and versions of one record, with equal times."""
    deleted: str | None = None
    """Column that marks a record as deleted in the source: a boolean, a date or timestamp that is empty until then, or
    a text with the word that says so (`op = D`). It deletes all records of its `unique` key, except those known
    later."""
    parts_of: str | None = None
    """Table of the same source whose records contain the records of this table. A later version of such a record
    replaces all its parts: parts that it no longer has are deleted, and all parts if it is deleted itself. The
    columns of its `unique`, and its column for `known`, must have the same names here."""
    coverage: tuple[date, date | None] | None = None
    """First and last day this table is complete for; an empty window inside it means zero, outside it unknown. The last
    day may be left open (`[2012-01-01, null]`): the table is kept up to date. A table of labels needs one."""
    drift: DriftPolicy = DriftPolicy()
    """What happens when the source's columns change."""
    checks: list[dict[str, Any]] = Field(default_factory=list)
    """Expectations in Great Expectations' vocabulary."""
    suite: str | None = None
    """A suite of Great Expectations (JSON), relative to the project folder, judged with the checks."""
    quarantine: QuarantinePolicy = QuarantinePolicy()
    """How many rows of the table may be quarantined before the run stops."""
    tests: list[ContractTest] = Field(default_factory=list)
    """Tests of the contract: input rows and the expected result; `potable test` runs them."""
    health: Health = Health()
    """Checks of the table's profile: age, number of rows, missing values, drift."""

    @field_validator("columns")
    @classmethod
    def _distinct_names(cls, value: dict[str, Column]) -> dict[str, Column]:
        for name in value:
            if name.startswith("_") or not name.strip():
                raise ValueError(f"`{name}` cannot be a column name: names that start with _ are reserved")
        # SQL does not tell Name from name
        if twice := [name for name in value if sum(name.lower() == other.lower() for other in value) > 1]:
            raise ValueError(
                f"columns {' and '.join(f'`{name}`' for name in twice)} differ only in upper and lower case"
            )
        return value

    @model_validator(mode="after")
    def _deletions_can_be_told(self) -> Self:
        if self.deletion is None:
            return self
        name, word = self.deletion
        column = self.columns.get(name)
        if column is None:
            raise ValueError(f"column `{name}` is not declared; columns: {', '.join(self.columns)}")
        allowed = ("string",) if word is not None else ("boolean", "date", "timestamp")
        if column.type not in allowed:
            raise ValueError(f"`deleted: {self.deleted}` needs a column of type {' or '.join(allowed)}")
        if not self.unique or self.known_column is None:
            raise ValueError(
                "`deleted` needs `unique` (the key of the deleted records) and a column as `known` (records known "
                "later are kept)"
            )
        return self

    @model_validator(mode="after")
    def _parts_can_be_told(self) -> Self:
        if self.parts_of is not None and (not self.unique or self.known_column is None):
            raise ValueError(
                "`parts_of` needs `unique` (the key of a part) and a column as `known` (the time of its version)"
            )
        return self

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        named = [*self.unique, *filter(None, [self.time, self.order])]
        for part in self._known_parts:
            if part.startswith("+"):
                Duration.parse(part)
            elif part != "landed":
                named.append(part)
        for name in named:
            if name not in self.columns:
                raise ValueError(f"column `{name}` is not declared; columns: {', '.join(self.columns)}")
        for name in filter(None, [self.time, self.known_column]):
            if self.columns[name].type not in ("date", "timestamp"):
                raise ValueError(f"column `{name}` is a time of the table, so its type must be date or timestamp")
        if self.known_lag and not self.time:
            raise ValueError("`known` is a lag after `time`, but the table declares no `time`")
        if self.coverage and self.coverage[1] and self.coverage[0] > self.coverage[1]:
            raise ValueError("`coverage` ends before it starts")
        return self

    @model_validator(mode="after")
    def _periods_fit(self) -> Self:
        if self.reissued and len(self.reissued) == len(self.keys):
            name = next(iter(self.reissued))
            raise ValueError(
                f"`{name}` is `reissued`, so the table needs another, permanent `key` that says whose it was"
            )
        for name, column in self.columns.items():
            for day in column.period or ():
                if day not in self.columns or self.columns[day].type not in ("date", "timestamp"):
                    raise ValueError(
                        f"`{name}`: `reissued` names `{day}`, which is not a date or timestamp column of the table"
                    )
        return self

    @model_validator(mode="after")
    def _health_fits(self) -> Self:
        accepted = [expected.column for expected in self.health.accepted if expected.column]
        for name in [*self.health.drift, *accepted]:
            if name not in self.columns:
                raise ValueError(f"`health`: column `{name}` is not declared; columns: {', '.join(self.columns)}")
        if self.health.against == "last_year" and not self.time:
            raise ValueError("`health: against: last_year` compares periods, so the table needs a `time`")
        if self.health.period != "month" and not self.time:
            raise ValueError("`health: period` divides the rows by the table's `time`, and the table has none")
        for name, bounds in self.health.drift.items():
            column = self.columns[name]
            if column.key or column.category == "free_text":
                raise ValueError(f"`health`: `{name}` is a key or free text, so it has no distribution to compare")
            if bounds.ks and column.type in ("string", "boolean"):
                raise ValueError(
                    f"`health`: `ks` is only for numbers and dates; use `chi_square` or `psi` for `{name}`"
                )
            if bounds.chi_square and column.type not in ("string", "boolean"):
                raise ValueError(
                    f"`health`: `chi_square` is only for words and booleans; use `ks` or `psi` for `{name}`"
                )
        return self

    @property
    def _known_parts(self) -> list[str]:
        return [part.strip() for part in (self.known or "").split(" or ") if part.strip()]

    @property
    def known_column(self) -> str | None:
        """The column that holds the known time, if one does."""
        return next((part for part in self._known_parts if part in self.columns), None)

    @property
    def known_lag(self) -> Duration | None:
        """The declared lag between `time` and `known`, if one is; beside a column, for where that is null."""
        return next((Duration.parse(part) for part in self._known_parts if part.startswith("+")), None)

    @property
    def landed_in_order(self) -> bool:
        """Whether of records with one key and known time the one that landed last is the newest state."""
        return False

    @property
    def deletion(self) -> tuple[str, str | None] | None:
        """The column that marks deleted records, and its word for them where it is a text."""
        match = _MARK.fullmatch(self.deleted.strip()) if self.deleted else None
        return (match["column"], match["word"]) if match else None

    @property
    def paths(self) -> list[str]:
        """All names that its columns may have in the source."""
        return [path for name, column in self.columns.items() for path in column.paths(name)]

    @property
    def keys(self) -> dict[str, str]:
        """Columns whose keys say whom a record is about, with their namespaces."""
        return {name: column.key for name, column in self.columns.items() if column.key and not column.someone_else}

    @property
    def reissued(self) -> dict[str, tuple[str, str] | None]:
        """Those of the `keys` that may be given to somebody else, with the columns that say from when to when."""
        return {name: self.columns[name].period for name in self.keys if self.columns[name].reissued}

    @property
    def apart(self) -> dict[str, str]:
        """Keys that help to identify a record of history, with their namespaces: a person may have several of one."""
        return {name: namespace for name, namespace in self.keys.items() if self.time and name in self.unique}

    @property
    def tells_who(self) -> bool:
        """Whether a key says who its records are about."""
        return bool(self.keys)

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the typed columns."""
        return pa.schema([(name, column.arrow) for name, column in self.columns.items()])


def moments(table: Table, rows: ir.Table) -> tuple[ir.Value, ir.Value]:
    """When the fact of each row happened and became known; without `time` only a column says the latter."""
    import ibis

    absent = ibis.null("timestamp(6)")
    told = rows[table.known_column].cast("timestamp(6)") if table.known_column else absent
    if table.time is None:
        return absent, told
    time = rows[table.time].cast("timestamp(6)")
    lagged = time
    if lag := table.known_lag:
        lagged = time + (ibis.interval(months=lag.months) if lag.months else ibis.interval(days=lag.days))
    if table.known_column is None:
        return time, lagged
    # without a declared lag, a fact nobody dated stays unseen
    return time, ibis.coalesce(told, lagged) if table.known_lag else told
