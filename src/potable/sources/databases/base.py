"""The seam every kind of database fills: a read-only session on one snapshot, rows as texts in Arrow batches.

A dialect says how names and literals are written, which columns a table or query has, and streams rows with
every value in its canonical text form. Order, chunks, parts and what is new are not its business.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from potable.errors import EnvironmentFailure
from potable.sources.cells import Cells, Texts, apart

KEY, NOT_NULL, INDEXED, BITS = "key", "not null", "indexed", "bits or bytes"
"""What a database promises of a column; an index counts where the column comes first in it. The key is the primary
one or, where there is none, the shortest unique one of columns that are never null. Bits, but for single ones, and
bytes are landed as digits that are no number."""


@dataclass(frozen=True)
class Origin:
    """What is read: a table, or a query instead of one."""

    name: str
    """The contract's name, for messages."""
    table: str = ""
    """Name in the database, with its schema where given."""
    query: str = ""
    """A SELECT."""


@dataclass(frozen=True)
class Found:
    """A column as the database describes it."""

    name: str
    kind: str = ""
    """The database's own word for its type."""


@dataclass(frozen=True)
class Select:
    """Rows of an origin, which is called `q` in conditions and order."""

    origin: Origin
    columns: Sequence[Found]
    where: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    tail: str = ""
    told: frozenset[str] = frozenset()
    """Columns whose numbers are told apart from texts."""

    def cells(self, name: str, texts: Texts, *, numbers: bool) -> Cells:
        """A column of which all are `numbers` or none, told apart where that is wanted."""
        return apart(texts, pa.repeat(numbers, len(texts))) if name in self.told else texts

    def clauses(self, source: str) -> str:
        """Everything behind the columns; `source` is the origin in the dialect's words."""
        where = " AND ".join(f"({condition})" for condition in self.where)
        order = ", ".join(self.order)
        return f" FROM {source}{where and f' WHERE {where}'}{order and f' ORDER BY {order}'}{self.tail}"


@dataclass(frozen=True)
class Reason:
    """Why a database failed, in words that hold no value and no credential."""

    text: str
    passing: bool = True
    """Whether it may be gone when tried again."""


REFUSED = Reason("the user name or password was refused", False)
NO_CERTIFICATE = Reason("a certificate or key that the URL names cannot be read", False)
NO_DATABASE = Reason("there is no such database, or this user may not see it", False)
NO_TABLE = Reason("there is no such table", False)
NO_COLUMN = Reason("there is no such column", False)
NO_RIGHT = Reason("this user has no right to read it", False)
WRITES = Reason("the statement would write, but a source is only read", False)
SYNTAX = Reason("the database does not understand the query", False)
BAD_URL = Reason("the URL is not valid, or has an unknown setting", False)
UNKNOWN_HOST = Reason("the host name cannot be resolved")
SILENT = Reason("no server answers at this address")
LOST = Reason("the server closed the connection")
STOPPED = Reason("the statement was cancelled, or ran longer than the server allows")
LOCKED = Reason("the table is locked by another session")
FULL = Reason("the server has no free connection")
BARRED = Reason("the server does not let this user in from this machine, or not without TLS", False)
NO_TLS = Reason("TLS could not be agreed on with the server", False)
TOO_LONG = Reason("the transaction ran longer than the server allows")
CONFLICT = Reason("the server ended the transaction, because it conflicted with changes that it had to make")
SHORT = Reason("the server is short of memory or disk, or its disk fails")
ALTERED = Reason("the table was altered while it was being read")
NOT_UTF8 = Reason("a text is not valid UTF-8", False)


class Session(ABC):
    """An open database, only read, in one snapshot from its first row to its last."""

    failures: tuple[type[Exception], ...]
    """What the driver raises when the database fails."""
    quote: ClassVar[str] = '"'

    def __init__(self, source: str) -> None:
        self.source = source

    @abstractmethod
    def columns(self, origin: Origin) -> list[Found]:
        """The columns of an origin, in their order."""

    @abstractmethod
    def rows(self, select: Select) -> Generator[pa.RecordBatch]:
        """The rows in batches of any size, all columns strings; those of `told` as `cells` tells them apart."""

    @abstractmethod
    def reason(self, failure: Exception) -> Reason:
        """What a failure of the driver means."""

    def promised(self, origin: Origin) -> dict[str, list[str]]:
        """What the database promises of a table's columns, where it tells; those of `KEY` in its order."""
        return {}

    def key(self, origin: Origin) -> list[str]:
        """Columns by which alone each row of a table has a place of its own, in their order; none if it is not sure."""
        return []

    def cancel(self) -> bool:
        """Stop what the session is busy with, from another thread; false where it must come to its end."""
        return False

    def beside(self) -> AbstractContextManager[Session] | None:
        """Another session on the same snapshot; None where a database cannot share one."""
        return None

    def quoted(self, name: str) -> str:
        """A name as SQL."""
        return f"{self.quote}{name.replace(self.quote, self.quote * 2)}{self.quote}"

    def column(self, name: str) -> str:
        """A column of `q` as SQL."""
        return f"q.{self.quoted(name)}"

    def sortable(self, name: str) -> str:
        """A column of `q` as something that has an order, whatever its type."""
        return f"CAST({self.column(name)} AS TEXT)"

    @abstractmethod
    def literal(self, column: Found) -> str:
        """SQL that writes the values of a column of `q` as SQL writes them."""

    def origin(self, origin: Origin) -> str:
        """An origin as SQL, called `q`."""
        if origin.query:
            return f"({origin.query}\n) AS q"
        return ".".join(map(self.quoted, origin.table.split("."))) + " AS q"

    @contextmanager
    def told(self, name: str = "") -> Iterator[None]:
        """Turn what the driver raises into the house form."""
        try:
            yield
        except self.failures as failure:
            reason = self.reason(failure)
            # neither the driver's words nor the exception itself, for both may hold values and credentials
            raise unreachable(self.source, reason, name=name) from None


def unreachable(source: str, reason: Reason, code: str = "E001", *, name: str = "") -> EnvironmentFailure:
    """The database, or one table of it, could not be read."""
    what = f"table `{name}`" if name else "the database"
    check = {
        REFUSED: "check the user and password that `url` refers to",
        NO_TABLE: "check the table's `table` or `query`, and that this user may see it",
        NO_COLUMN: "check the table's `query`",
        SYNTAX: "check the table's `query`",
        WRITES: "check the table's `query`",
        NO_RIGHT: "grant SELECT to this user",
        STOPPED: "declare `partition`, or give this user a longer statement timeout",
        ALTERED: "run again",
        LOCKED: "run again when whoever holds the lock has finished",
        FULL: "run again later, or let this user have more connections; each part of `partition` needs one",
        BARRED: "check the server's rules (pg_hba.conf), and `sslmode` in `url`",
        NO_TLS: "check `sslmode` and `sslrootcert` in `url`",
        TOO_LONG: "give this user a longer transaction timeout; all tables of a source are read in one transaction",
        CONFLICT: "run again; of a standby raise `max_standby_streaming_delay`, or read the primary",
    }
    return EnvironmentFailure(
        f"source `{source}`: {what} could not be read: {reason.text}",
        code,
        hint=check.get(reason, "check `url` in the source's file, and that the database is up"),
        state="nothing was landed from this source; the last version stays current",
        next="potable doctor",
        retryable=reason.passing,
    )


def listed(found: Iterable[tuple[str, Iterable[Sequence[Any]]]]) -> dict[str, list[str]]:
    """What is promised by column, of rows that begin with the name of one by promise."""
    columns: dict[str, list[str]] = {}
    for word, rows in found:
        for name in dict.fromkeys(row[0] for row in rows):
            columns.setdefault(name, []).append(word)
    return columns
