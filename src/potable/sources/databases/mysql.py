"""MySQL and MariaDB, by PyMySQL: rows as the text protocol sends them, in one consistent snapshot.

The server writes every value as text already; only floating numbers are asked for with all their digits.
Neither server lets two connections share a snapshot, so parts of a table are read one after the other.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from potable.errors import EnvironmentFailure, MissingExtra, did_you_mean
from potable.sources.cells import Texts
from potable.sources.databases import base as why
from potable.sources.databases import forms
from potable.sources.databases.base import BITS, INDEXED, KEY, NOT_NULL, Found, Origin, Reason, Select, Session, listed

_ROWS = 5_000
_START = (
    "SET SESSION time_zone = '+00:00', net_write_timeout = 3600",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)
_LONGEST_LOCK = 300
"""Seconds to wait for a lock, unless the server's own limit is shorter; its default is a day or a year."""
_NUMBERS = {0, 1, 2, 3, 8, 9, 246}
_FLOAT, _DOUBLE, _TIMESTAMP, _TIME, _DATETIME, _BIT = 4, 5, 7, 11, 12, 16
_STRINGS = {15, 249, 250, 251, 252, 253, 254}
"""Types as the protocol numbers them."""
_BYTES = 63
"""The character set of what is no text."""
_SETTINGS: dict[str, Callable[[str], Any]] = {
    "unix_socket": str,
    "connect_timeout": int,
    "read_timeout": int,
    "ssl_ca": str,
    "ssl_cert": str,
    "ssl_key": str,
    "ssl_verify_cert": lambda text: text.lower() in ("1", "true"),
    "ssl_verify_identity": lambda text: text.lower() in ("1", "true"),
}
"""What may stand behind the `?` of a URL, and what it is made of."""
_CODES = {
    1044: why.NO_DATABASE,
    1045: why.REFUSED,
    1049: why.NO_DATABASE,
    1698: why.REFUSED,
    1040: why.FULL,
    1203: why.FULL,
    1226: why.FULL,
    1129: why.BARRED,
    1130: why.BARRED,
    1146: why.NO_TABLE,
    1051: why.NO_TABLE,
    1054: why.NO_COLUMN,
    1142: why.NO_RIGHT,
    1143: why.NO_RIGHT,
    1064: why.SYNTAX,
    1792: why.WRITES,
    1205: why.LOCKED,
    1317: why.STOPPED,
    1969: why.STOPPED,
    3024: why.STOPPED,
    1412: why.ALTERED,
    # what is locked or has expired is the account
    **dict.fromkeys((1862, 3118, 4151), why.REFUSED),
    **dict.fromkeys((2026, 3159), why.NO_TLS),
    **dict.fromkeys((1021, 1037, 1038, 1041, 1114), why.SHORT),
    1213: why.CONFLICT,
    **dict.fromkeys((1053, 1158, 1159, 1160, 1161, 1927, 3169, 4031), why.LOST),
    2003: why.SILENT,
    2006: why.LOST,
    2013: why.LOST,
}


class MysqlSession(Session):
    """A connection in a read-only transaction on one snapshot."""

    quote = "`"

    def __init__(self, source: str, driver: Any, settings: dict[str, Any]) -> None:
        super().__init__(source)
        self._driver, self._settings = driver, settings
        self.failures = (driver.err.MySQLError, OSError, UnicodeDecodeError)

    @contextmanager
    def opened(self) -> Iterator[MysqlSession]:
        """Connect and begin."""
        with self.told():
            # no decoders: every value stays the text that was sent
            self._connection = self._driver.connect(**self._settings, charset="utf8mb4", conv={}, autocommit=None)
        try:
            with self.told():
                # MySQL takes no number of another kind here
                longest = f"CAST(LEAST(@@lock_wait_timeout, {_LONGEST_LOCK}) AS UNSIGNED)"
                for statement in (f"SET SESSION lock_wait_timeout = {longest}", *_START):
                    self._connection.query(statement)
            yield self
        finally:
            self._connection.close()

    def columns(self, origin: Origin) -> list[Found]:
        with self.told(origin.name), self._result(f"SELECT * FROM {self.origin(origin)} LIMIT 0") as cursor:
            cursor.fetchall()
            sets = [field.charsetnr for field in cursor._result.fields]
            described = zip(cursor.description, sets, strict=True)
            return [Found(item[0], f"{item[1]} {item[3]} {charset}") for item, charset in described]

    def rows(self, select: Select) -> Generator[pa.RecordBatch]:
        names = [column.name for column in select.columns]
        kinds = [tuple(map(int, column.kind.split())) for column in select.columns]
        wanted = ", ".join(
            # a FLOAT alone is sent with six digits
            self.column(name) + (" + 0e0" if kind[0] == _FLOAT else "")
            for name, kind in zip(names, kinds, strict=True)
        )
        query = f"SELECT {wanted}{select.clauses(self.origin(select.origin))}"
        with self.told(select.origin.name), self._result(query) as cursor:
            while rows := cursor.fetchmany(_ROWS):
                columns = zip(names, kinds, zip(*rows, strict=True), strict=True)
                yield forms.batch(
                    names,
                    (
                        select.cells(name, _canonical(kind, values), numbers=kind[0] in (*_NUMBERS, _FLOAT, _DOUBLE))
                        for name, kind, values in columns
                    ),
                )

    def key(self, origin: Origin) -> list[str]:
        table = self.origin(origin).removesuffix(" AS q")
        with self.told(origin.name), self._result(f"SHOW INDEX FROM {table}") as cursor:
            return _key(cursor.fetchall())

    def promised(self, origin: Origin) -> dict[str, list[str]]:
        table = self.origin(origin).removesuffix(" AS q")
        with self.told(origin.name), self._result(f"SHOW COLUMNS FROM {table}") as cursor:
            rows = [(name, null, key, kind.lower()) for name, kind, null, key, *_ in cursor.fetchall()]
        return listed(
            [
                (KEY, [(name,) for name in self.key(origin)]),
                (NOT_NULL, [row for row in rows if row[1] == "NO"]),
                # PRI also marks the later columns of a key
                (INDEXED, [row for row in rows if row[2] in ("UNI", "MUL")]),
                (BITS, [row for row in rows if row[3] != "bit(1)" and re.match("bit|(var)?binary|.*blob", row[3])]),
            ]
        )

    def reason(self, failure: Exception) -> Reason:
        if isinstance(failure, UnicodeDecodeError):
            return why.NOT_UTF8
        if isinstance(failure, FileNotFoundError | PermissionError | IsADirectoryError | ssl.SSLError):
            return why.NO_CERTIFICATE
        if isinstance(failure, OSError):
            return why.LOST
        code = failure.args[0] if failure.args else 0
        if code == 2003 and "[Errno -" in str(failure):
            return why.UNKNOWN_HOST
        known = _CODES.get(code)
        return known or (Reason(f"error {code} of the server", False) if isinstance(code, int) else why.LOST)

    def sortable(self, name: str) -> str:
        """By its bytes: texts are equal to MySQL that differ in case or accents."""
        return f"CAST({self.column(name)} AS BINARY)"

    def literal(self, column: Found) -> str:
        at = self.column(column.name)
        kind, _, charset = map(int, column.kind.split())
        if kind == _BIT:
            return f"CAST({at} + 0 AS CHAR)"
        if kind in _STRINGS and charset == _BYTES:
            return f"CONCAT('x', QUOTE(HEX({at})))"
        # a quoted number would be compared as a floating one
        return f"CAST({at} AS CHAR)" if kind in _NUMBERS else f"QUOTE({at})"

    @contextmanager
    def _result(self, query: str) -> Iterator[Any]:
        cursor = self._connection.cursor(self._driver.cursors.SSCursor)
        try:
            cursor.execute(query)
            yield cursor
        finally:
            # a result that is given up would be read to its end; what ends is the connection
            if (result := cursor._result) is not None and result.unbuffered_active:
                result.unbuffered_active = False
                self._connection._force_close()
            cursor._result = None
            cursor.close()


def _key(indexes: Sequence[Sequence[Any]]) -> list[str]:
    """Columns of the primary key, or of the shortest unique one without null, as SHOW INDEX tells them."""
    unique: dict[str, list[str]] = {}
    for _, repeats, name, _, column, _, _, begins, _, null, *_ in indexes:
        if repeats == "0":
            # of a text's first signs, or of an expression, there is no column
            unique.setdefault(name, []).append(column or "" if begins is None and null != "YES" else "")
    whole = [(name != "PRIMARY", len(columns), name) for name, columns in unique.items() if all(columns)]
    return unique[min(whole)[2]] if whole else []


def _canonical(kind: tuple[int, ...], values: Sequence[Any]) -> Texts:
    match kind[0]:
        case 4 | 5:
            numbers = pa.array(values, pa.string()).cast(pa.float64())
            return forms.floats(numbers.cast(pa.float32()) if kind[0] == _FLOAT else numbers)
        case 7:
            return _in_utc(forms.clock(pa.array(values, pa.string())))
        case 11 | 12:
            return forms.clock(pa.array(values, pa.string()))
        case 16:
            return pa.array([None if v is None else f"{int.from_bytes(v):0{kind[1]}b}" for v in values], pa.string())
        case _:
            return forms.texts(values)


def _in_utc(moments: Texts) -> Texts:
    zero = pc.starts_with(moments, "0000")
    return pc.if_else(zero, moments, pc.binary_join_element_wise(moments, "+00:00", ""))


@contextmanager
def connected(source: str, url: str, base: Path, origins: Sequence[Origin]) -> Iterator[Session]:
    """A session on a server: `mysql://user:password@host:port/database?ssl_ca=…`."""
    try:
        import pymysql
        import pymysql.cursors
    except ModuleNotFoundError as missing:
        raise MissingExtra((missing.name or "").split(".")[0], "mysql") from None
    with MysqlSession(source, pymysql, _settings(source, url, base)).opened() as session:
        yield session


def _settings(source: str, url: str, base: Path) -> dict[str, Any]:
    """What PyMySQL is called with; files are below `base`."""
    try:
        parts = urlsplit(url)
        settings: dict[str, Any] = {"host": parts.hostname or "localhost", "port": parts.port or 3306}
        for name, text in parse_qsl(parts.query, strict_parsing=bool(parts.query)):
            settings[name] = _SETTINGS[name](str(base / text) if name in ("ssl_ca", "ssl_cert", "ssl_key") else text)
    except KeyError as unknown:
        name = str(unknown.args[0])
        raise _unusable(source, f"has the unknown setting `{name}`", did_you_mean(name, _SETTINGS)) from None
    except ValueError:
        # its text would show the URL
        raise _unusable(source, "is not valid") from None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return {**settings, "user": user, "password": password, "database": unquote(parts.path.removeprefix("/"))}


def _unusable(source: str, why_: str, hint: str | None = None) -> EnvironmentFailure:
    return EnvironmentFailure(
        f"source `{source}`: the URL of the database {why_}",
        "E007",
        allowed=f"mysql://user:password@host:port/database, then ? and any of {', '.join(_SETTINGS)}",
        hint=hint or "write special characters in the password as %-escapes",
    )
