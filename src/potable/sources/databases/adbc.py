"""Any other database, by an ADBC driver that is installed: values arrive typed and are written as text here.

What isolation one transaction gives is the database's business, and so is what its types become in Arrow.
Names are quoted, so they are written as the database keeps them (`EMP_NO` in Oracle and Snowflake).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa

from potable.errors import EnvironmentFailure
from potable.sources.arrows import holds_others, is_number, texts_of
from potable.sources.cells import Texts
from potable.sources.databases import base as why
from potable.sources.databases import forms
from potable.sources.databases.base import Found, Origin, Reason, Select, Session

_STATUS = {
    "UNAUTHENTICATED": why.REFUSED,
    "UNAUTHORIZED": why.NO_RIGHT,
    "NOT_FOUND": why.NO_TABLE,
    "CANCELLED": why.STOPPED,
    "TIMEOUT": why.STOPPED,
}
"""What a status of ADBC means."""

_PLAIN = ("snowflake", "sqlite")
"""Drivers whose URIs have no scheme."""


class AdbcSession(Session):
    """A connection in one transaction."""

    def __init__(self, source: str, uri: str, driver: Any) -> None:
        super().__init__(source)
        self._uri, self._driver = uri, driver
        self.failures = (driver.Error, OSError, pa.ArrowException)

    @contextmanager
    def opened(self) -> Iterator[AdbcSession]:
        """Connect and begin, where the driver can."""
        with self.told():
            self._connection = self._driver.connect(self._uri, autocommit=True)
        try:
            with self.told():
                for setting in ("adbc.connection.readonly", "adbc.connection.autocommit"):
                    self._set(setting, str(setting.endswith("readonly")).lower())
            yield self
        finally:
            self._connection.close()

    def _set(self, setting: str, value: str) -> None:
        with suppress(self._driver.NotSupportedError):
            self._connection.adbc_connection.set_options(**{setting: value})

    def columns(self, origin: Origin) -> list[Found]:
        with self.told(origin.name), self._connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {self.origin(origin)} WHERE 1 = 0")
            with cursor.fetch_record_batch() as reader:
                return [Found(field.name) for field in reader.schema]

    def rows(self, select: Select) -> Generator[pa.RecordBatch]:
        names = [column.name for column in select.columns]
        query = f"SELECT {', '.join(map(self.column, names))}{select.clauses(self.origin(select.origin))}"
        with self.told(select.origin.name), self._connection.cursor() as cursor:
            cursor.execute(query)
            with cursor.fetch_record_batch() as reader:
                for read in reader:
                    columns = zip(names, read.columns, strict=True)
                    yield forms.batch(
                        names,
                        (
                            select.cells(name, _canonical(column), numbers=is_number(column.type))
                            for name, column in columns
                        ),
                    )

    def reason(self, failure: Exception) -> Reason:
        status = getattr(getattr(failure, "status_code", None), "name", "")
        return _STATUS.get(status) or Reason(f"the driver says {status or type(failure).__name__}")

    def cancel(self) -> bool:
        with suppress(*self.failures):
            self._connection.adbc_cancel()
            return True
        return False

    def sortable(self, name: str) -> str:
        return f"CAST({self.column(name)} AS VARCHAR(4000))"

    def literal(self, column: Found) -> str:
        return f"'''' || REPLACE({self.sortable(column.name)}, '''', '''''') || ''''"

    def origin(self, origin: Origin) -> str:
        """Without `AS`, which not every database takes there."""
        return super().origin(origin).removesuffix(" AS q") + " q"


def _canonical(column: pa.Array) -> Texts:
    # lists and objects are written as by other databases, with blanks
    return forms.texts(column.to_pylist()) if holds_others(column.type) else texts_of(column)


@contextmanager
def connected(source: str, url: str, base: Path, origins: Sequence[Origin]) -> Iterator[Session]:
    """A session by the driver that the scheme names; `adbc+oracle://…` is for `adbc_driver_oracle`, and so on."""
    scheme, _, rest = url.partition("://")
    name = scheme.removeprefix("adbc+")
    try:
        driver = import_module(f"adbc_driver_{name}.dbapi")
    except ModuleNotFoundError:
        raise EnvironmentFailure(
            f"source `{source}`: there is no ADBC driver `{name}`",
            "E006",
            hint="look up the package that contains it for your database; usually it is the one below",
            next=f"pip install adbc-driver-{name}",
        ) from None
    uri = rest if name in _PLAIN else f"{name}://{rest}"
    with AdbcSession(source, uri, driver).opened() as session:
        yield session
