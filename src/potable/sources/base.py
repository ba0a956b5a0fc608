"""The seam every connector fills: arrivals to land, and a parser of what was landed.

A source is declared in `sources/<name>.yaml`; its `type` chooses the class. A connector implements
`arrivals` (what is there now, as named byte streams) and `parse` (one landed object to typed batches of
one table). Landing, hashing, typing, retries of a run and quarantine are not its business.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import pyarrow as pa
from pydantic import field_validator, model_validator

from potable import headings
from potable.columns import is_timezone, require_timezone
from potable.declarations import Declaration, FolderName, Inside
from potable.errors import DataError
from potable.sources.blobs import Blob, Original
from potable.sources.landed import Arrival, Landed
from potable.sources.names import Naming, words
from potable.sources.onwards import State
from potable.tables import Table

T = TypeVar("T", bound=Table)


class Source(Declaration, Generic[T]):
    """A declared source system; subclasses add how it is reached and found."""

    source: str
    """Name of the system; the file is `sources/<source>.yaml`."""
    type: str
    """Kind of system; chooses the connector."""
    description: str = ""
    """What the system is, for people."""
    owner: str = ""
    """Team responsible for its data."""
    timezone: str | None = None
    """Time zone of timestamps without an offset, such as `Europe/Berlin`; UTC by default. A column may override it."""
    tables: dict[FolderName, T]
    """Contract of each table."""

    @model_validator(mode="before")
    @classmethod
    def _clocks(cls, given: Any) -> Any:
        """The source's time zone in every column of timestamps that has none."""
        zone = given.get("timezone") if isinstance(given, Mapping) else None
        if not isinstance(zone, str) or not is_timezone(zone) or not isinstance(given.get("tables"), Mapping):
            return given
        return {**given, "tables": {name: _with_clock(table, zone) for name, table in given["tables"].items()}}

    @field_validator("timezone")
    @classmethod
    def _a_place(cls, value: str | None) -> str | None:
        return require_timezone(value)

    @model_validator(mode="after")
    def _parts_lie_in_their_records(self) -> Self:
        for name, table in self.tables.items():
            if table.parts_of is not None:
                self._require_parts(name, table, table.parts_of)
        return self

    def _require_parts(self, name: str, table: Table, whole: str) -> None:
        """Refuse `parts_of` where versions of the records around cannot be told.

        Raises:
            Inside: they cannot.
        """

        def refused(why: str) -> Inside:
            return Inside(f"`{name}` cannot have `parts_of: {whole}`: {why}", "tables", name, "parts_of")

        around, met = self.tables.get(whole), list[str]()
        while whole not in met and (outer := self.around(met[-1] if met else name)[0]):
            met.append(outer)
        if around is None or whole not in met:
            raise refused(
                f"its records are inside those of `{'`, `'.join(met)}`"
                if met
                else "its records are not inside those of another table"
            )
        if not around.unique or table.known_column not in around.columns:
            raise refused(
                "that table needs `unique` (the columns that identify a record) and a column of its own "
                f"`{table.known_column}` (the time of its version)"
            )
        if lacking := [column for column in around.unique if column not in table.unique]:
            way = self.around(name)[1]
            told = ", ".join(
                f"`{column}: {{path: {way}{around.columns[column].paths(column)[0]}}}`" for column in lacking
            )
            raise refused(
                "the columns that identify those records must be among its columns and in its `unique`, by the same "
                f"names: {told}"
            )

    snapshot: ClassVar[bool] = False
    """Whether `arrivals` always lists everything there is, so that names it no longer lists are gone."""
    forgets: ClassVar[bool] = False
    """Whether the system may have forgotten what it offered once, so that it is never read again from the start."""
    names_objects: ClassVar[bool] = False
    """Whether the connector makes up the names of objects, of tables and counts, so that they tell nobody."""
    fixed_columns: ClassVar[bool] = False
    """Whether every object has every column, so that one that lacks a column has drifted."""
    loose_labels: ClassVar[bool] = False
    """Whether any line of a text may look like a labelled value, so that a label found in few records is ignored."""
    beside: ClassVar[str] = ""
    """Paths that columns may have beside those seen in the records, as help for writing a contract."""
    for_landing: ClassVar[frozenset[str]] = frozenset()
    """Keys that only landing reads: where the system is, and what lets one in. Other verbs run without what they
    refer to, so they must change nothing else."""
    any_path: ClassVar[str] = "placeholder"
    """A valid path for a first contract, written before the columns are known; it need not lead anywhere."""

    @property
    def globs(self) -> Iterable[str]:
        """Parts of the declaration that describe names of objects; their words may be shown."""
        return [self.source, *self.tables]

    @property
    def naming(self) -> Naming:
        """How names of its objects are shown where anybody may read them."""
        return Naming(words(self.globs), tuple(self._harmless()), self.names_objects)

    @property
    def headings(self) -> frozenset[str]:
        """Words of the names it declares of tables and columns."""
        columns = [item for table in self.tables.values() for item in table.columns.items()]
        return headings.words([*self.tables, *(path for key, item in columns for path in (key, *item.paths(key)))])

    def _harmless(self) -> Iterator[str]:
        """Patterns of what harmless columns take from object names."""
        for table in self.tables.values():
            for name, column in table.columns.items():
                if "@object" in column.paths(name) and column.declared_category == "none":
                    yield column.extract or "(.*)"

    def blobs(self, landed: Iterable[Landed], root: str) -> list[Blob]:
        """Landed objects of the store at `root`, as input of the parsers."""
        naming = self.naming

        def blob(item: Landed) -> Blob:
            part = None if item.at is None else (item.at, item.stored)
            return Blob(item.name, root, item.path, item.zstd, item.bytes, item.batch, item.skip, naming, part)

        return [blob(item) for item in landed]

    def arrivals(self, base: Path, state: State | None = None) -> Iterator[Arrival]:
        """What the system offers now; relative paths start at `base`, the project folder.

        A connector that can be asked for what is new reads on from `state.before` and leaves in `state.after` how
        far it got. Without a state it reads everything. One that waits long calls `state.wanted` meanwhile.

        Raises:
            EnvironmentFailure: E001 the system cannot be reached or refuses, E002 a file is missing.
        """
        raise AttributeError(f"{type(self).__name__} does not say how to fetch")

    def parse(self, table: str, blob: Blob) -> Iterable[pa.RecordBatch]:
        """Typed batches of `table` (its columns and `tables.PARSING`) from one landed object.

        Raises:
            DataError: D007, the object cannot be read; the message holds no data.
        """
        raise AttributeError(f"{type(self).__name__} does not say how to parse")

    def may_share(self, table: str) -> bool:
        """Whether `parse` minds which share of an object is meant, so that several processes may read a large one."""
        return False

    def parse_all(self, table: str, blobs: Iterable[Blob]) -> Iterable[pa.RecordBatch]:
        """Typed batches of several objects; sources whose objects are single records type many at once."""
        for blob in blobs:
            yield from self.parse(table, blob)

    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        """One record as its object holds it, for a person who looks into the quarantine.

        Args:
            table: the table.
            blob: the object, as `_object` names it.
            ordinal: which of its records, from 1, as `_row` says.

        Raises:
            DataError: D007, the object cannot be read or has no such record, or the source cannot tell records apart.
            EnvironmentFailure: E002, the object is gone.
        """
        raise DataError(
            f"sources of type `{self.type}` cannot show single records",
            "D007",
            hint="`potable quarantine show` tells where the records are; the object itself is in the raw zone",
        )

    def records(self, table: str, blob: Blob, ordinals: Iterable[int]) -> Iterator[Original]:
        """Several records as `record` gives them; sources whose objects hold many read each object once.

        Args:
            table: the table.
            blob: the object.
            ordinals: which of its records, ascending; asked for one by one while the object is read.

        Raises:
            DataError: D007, as `record`.
            EnvironmentFailure: E002, the object is gone.
        """
        for ordinal in ordinals:
            yield Original(self.record(table, blob, ordinal))

    def observe(self, table: str, blob: Blob) -> Set[str] | None:
        """Names of the columns the object has for `table`, in the source's own terms; None if unknowable.

        Where the set has an order (the keys of a dict), it is that of the object.
        """
        return None

    def observe_all(self, table: str, blobs: Iterable[Blob]) -> Iterator[Set[str] | None]:
        """`observe` of several objects; sources of many small ones look at what the table says once."""
        for blob in blobs:
            yield self.observe(table, blob)

    def names(self, table: str, blob: Blob) -> Set[str] | None:
        """Everything a column of `table` could take from the object, for whoever writes the contract."""
        return self.observe(table, blob)

    def children(self, table: str, blob: Blob) -> Mapping[str, Mapping[str, str]]:
        """Lists of records inside the records of `table` that no table has, by path: how one says where they are."""
        return {}

    def envelope(self, table: str, blob: Blob) -> Sequence[str]:
        """Paths of values that an object has once, around all of its records, as help for writing a contract."""
        return ()

    def around(self, table: str) -> tuple[str, str]:
        """The table whose records the records of `table` lie in, and what leads there; empty where there is none."""
        return "", ""

    def inside(self, table: str) -> Set[str]:
        """Paths in the records of `table` at which those of other tables lie: what is there, `observe` leaves out."""
        return frozenset()

    def promised(self, table: str, base: Path) -> Mapping[str, Sequence[str]]:
        """What the system itself promises of a table's columns, such as `not null` and `indexed`."""
        return {}

    def dialect(self, table: str, blob: Blob) -> frozenset[str]:
        """What was found out about how the object is written, and not declared: a kind and a value, `delimiter ;`.

        It must depend on the object alone. Objects of one table that differ in it are drift.
        """
        return frozenset()


def _with_clock(table: Any, zone: str) -> Any:
    """A table as declared, whose timestamps are told by the clocks of `zone` where they do not say otherwise."""
    if not isinstance(table, Mapping) or not isinstance(table.get("columns"), Mapping):
        return table
    columns = {
        name: {"timezone": zone, **column}
        if isinstance(column, Mapping) and column.get("type") == "timestamp"
        else column
        for name, column in table["columns"].items()
    }
    return {**table, "columns": columns}
