"""The seam every connector fills: arrivals to land, and a parser of what was landed.

A source is declared in `sources/<name>.yaml`; its `type` chooses the class. A connector implements
`arrivals` (what is there now, as named byte streams) and `parse` (one landed object to typed batches of
one table). Landing, hashing, typing, retries of a run and quarantine are not its business.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Generic, Self, TypeVar

import pyarrow as pa
from pydantic import field_validator, model_validator

from potable import headings
from potable.columns import is_timezone, require_timezone
from potable.declarations import Declaration, FolderName, Inside
from potable.errors import DataError, EnvironmentFailure
from potable.sources.names import NOTHING_KNOWN, Naming, words
from potable.sources.onwards import State
from potable.sources.shares import ALL, Share
from potable.store.objects import Store
from potable.tables import Table

T = TypeVar("T", bound=Table)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Bytes a source offers under a name that stays the same from run to run."""

    name: str
    tables: tuple[str, ...]
    """Tables whose records it holds."""
    open: Callable[[], BinaryIO]
    """Opens the bytes as received; may be called more than once."""
    stamp: str = ""
    """Sign of change that is cheaper than the bytes (size and time, an ETag, a hash of rows); equal and not empty means
    unchanged."""
    skip: tuple[int, ...] = ()
    """1-based ordinals of records that were landed before and do not count again."""
    keys_of: str = ""
    """Table of which it lists the keys there are now, instead of records; `tables` is empty then."""
    far: bool = False
    """Whether to open it again is to fetch it again; then it is kept on disk between hashing and storing."""


@dataclass(frozen=True)
class Held:
    """Bytes in memory, for `Arrival.open`."""

    data: bytes = field(repr=False)

    def __call__(self) -> BinaryIO:
        return io.BytesIO(self.data)


@dataclass(frozen=True)
class Made:
    """Bytes that are encoded from data in memory only when they are opened, for `Arrival.open`; never where the stamp
    says that nothing has changed."""

    make: Callable[[], bytes] = field(repr=False)

    def __call__(self) -> BinaryIO:
        return io.BytesIO(self.make())


@dataclass(frozen=True, slots=True)
class Landed:
    """One object of the raw zone, as its batch manifest lists it."""

    name: str
    tables: tuple[str, ...]
    sha256: str
    """Hash of the bytes as received."""
    bytes: int
    """Size as received."""
    path: str
    """Where it lies below the restricted root."""
    zstd: bool
    """Whether it is stored zstd-compressed."""
    stored: int
    """Size as stored."""
    stamp: str = ""
    batch: int = 0
    """Number of the batch it came with in this content; 0 in the entry of that batch itself."""
    skip: tuple[int, ...] = ()
    """1-based ordinals of its records that do not count, because they were landed before."""
    keys_of: str = ""
    """Table of which it lists the keys there were."""
    at: int | None = None
    """Where it begins in the pack at `path`; None where it is there by itself."""

    @property
    def place(self) -> str:
        """Where it lies, in words."""
        return self.path if self.at is None else f"{self.path}, {self.stored} bytes from {self.at}"

    def concerns(self, table: str) -> bool:
        """Whether what `table` holds depends on it."""
        return table in self.tables or table == self.keys_of

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Landed:
        """The object a batch entry describes."""
        # thousands lie in one pack
        path = sys.intern(entry["path"]) if "at" in entry else entry["path"]
        tables = _same(tuple(entry["tables"]))
        return cls(**{**entry, "path": path, "tables": tables, "skip": tuple(entry.get("skip", ()))})

    def to_entry(self) -> dict[str, Any]:
        """The object as a batch entry describes it."""
        entry = {field.name: getattr(self, field.name) for field in fields(self)}
        absent = [name for name, value in (("keys_of", self.keys_of or None), ("at", self.at)) if value is None]
        return {name: value for name, value in entry.items() if name not in absent}


class Malformed(Exception):
    """Bytes that are not what they should be; `why` quotes nothing of them."""

    hint = ""
    """What may help, where it is not to export the object again."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Unpacked(io.BufferedIOBase, BinaryIO):
    """A packed stream unpacked; closing it closes both."""

    def __init__(self, inner: Any, raw: BinaryIO) -> None:
        self._inner = inner
        self._raw = raw

    def readable(self) -> bool:
        """Yes."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes."""
        # pyarrow's streams take no -1
        data: bytes = self._inner.read() if size is None or size < 0 else self._inner.read(size)
        return data

    def close(self) -> None:
        """Close it and what it is read from."""
        self._inner.close()
        self._raw.close()
        super().close()


@dataclass(frozen=True, slots=True)
class Original:
    """A record as its object holds it, and where it stands there."""

    data: bytes = field(repr=False)
    line: int | None = None
    """The line it begins in, from 1; None where that is not known or means nothing."""
    offset: int | None = None
    """Bytes before it, in the unpacked object."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A landed object as a parser sees it, in whatever process it runs."""

    name: str
    store: str
    path: str
    zstd: bool
    bytes: int
    batch: int = 1
    """Number of the batch it came with."""
    skip: tuple[int, ...] = ()
    naming: Naming = NOTHING_KNOWN
    part: tuple[int, int] | None = None
    """First byte and number of the bytes it has in the pack at `path`; None where it is there by itself."""
    share: Share = ALL
    """Which of its records are meant; only of objects of tables that may be shared is it not all of them."""

    @property
    def shown(self) -> str:
        """Its name as messages tell it."""
        return self.naming.told(self.name)

    def open(self) -> BinaryIO:
        """The bytes as received.

        Raises:
            EnvironmentFailure: E002, the raw zone no longer holds it.
        """
        try:
            store = _store(self.store)
            raw: Any = io.BytesIO(store.part(self.path, *self.part)) if self.part else store.open(self.path)
        except FileNotFoundError:
            raise EnvironmentFailure(
                f"`{self.shown}` was landed, but the raw zone no longer has it",
                "E002",
                given=self.path,
                hint="restore the object from a backup; if it was removed on purpose, land the source again",
                next="potable run --full-refresh",
            ) from None
        return Unpacked(pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd"), raw) if self.zstd else raw


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


@cache
def _same(tables: tuple[str, ...]) -> tuple[str, ...]:
    """One tuple for all objects of the same tables."""
    return tables


@cache
def _store(url: str) -> Store:
    return Store(url)
