"""JSON over HTTP, page by page: bearer token, cursor pagination, rate limits, retries.

Pages are landed as received. A page that is refused, cut off, or not JSON is asked for again with
growing pauses; 429 waits as long as the server says.
"""

from __future__ import annotations

import io
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import httpx
import pyarrow as pa

from potable.declarations import Declaration
from potable.errors import DataError, EnvironmentFailure
from potable.sources.base import Arrival, Blob, Source
from potable.sources.files import unreadable
from potable.sources.typed import typed
from potable.tables import Table

ATTEMPTS = 6
LONGEST_WAIT = 60.0


class Auth(Declaration):
    """How requests prove who asks."""

    bearer: str
    """Token of the Authorization header; take it from a reference."""


class Pagination(Declaration):
    """How one page leads to the next."""

    cursor: str = "cursor"
    """Query parameter that carries the cursor."""
    next: str = "next_cursor"
    """Dotted path in the page to the next cursor; null or absent on the last page."""


class RestTable(Table):
    """A table behind an endpoint."""

    endpoint: str
    """Path below the source's `url`."""
    records: str = "data"
    """Dotted path in a page to its list of records."""
    params: dict[str, str | int] = {}
    """Query parameters of every request."""
    pagination: Pagination = Pagination()
    """How pages follow one another."""


class RestSource(Source[RestTable]):
    """A JSON API."""

    url: str
    """Base URL."""
    auth: Auth | None = None
    """Credentials, by reference."""
    timeout: float = 30.0
    """Seconds to wait for the server."""

    snapshot: ClassVar[bool] = True

    def arrivals(self, base: Path) -> Iterator[Arrival]:
        headers = {"Authorization": f"Bearer {self.auth.bearer}"} if self.auth else {}
        with httpx.Client(base_url=self.url, headers=headers, timeout=self.timeout) as client:
            for name, table in self.tables.items():
                for number, body in enumerate(self._pages(client, table), 1):
                    yield Arrival(f"{name}-{number:06d}.json", (name,), _Body(body))

    def _pages(self, client: httpx.Client, table: RestTable) -> Iterator[bytes]:
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            params = dict(table.params) | ({table.pagination.cursor: cursor} if cursor else {})
            body, page = _fetch(self.source, client, table.endpoint, params)
            if not isinstance(_at(page, table.records), list):
                raise _failure(self.source, f"a page has no list at `{table.records}`")
            yield body
            cursor = _at(page, table.pagination.next)
            if not cursor:
                return
            if str(cursor) in seen:
                raise _failure(self.source, "the server repeats a cursor, so its pages would never end")
            seen.add(str(cursor))

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        contract = self.tables[table]
        records = _records(contract, blob)
        texts = {
            name: pa.array([_text(_first(record, column.paths(name))) for record in records], pa.string())
            for name, column in contract.columns.items()
        }
        if records:
            yield typed(contract, texts, blob.name)

    def observe(self, table: str, blob: Blob) -> frozenset[str] | None:
        records = _records(self.tables[table], blob)
        return frozenset(_leaves(records[0], "")) if records else None


class _Body:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def __call__(self) -> BinaryIO:
        return io.BytesIO(self._data)


def _fetch(source: str, client: httpx.Client, endpoint: str, params: dict[str, Any]) -> tuple[bytes, Any]:
    """One page, with patience.

    Raises:
        EnvironmentFailure: E001 after the last attempt, or at once when asking again cannot help.
    """
    why = ""
    for attempt in range(ATTEMPTS):
        try:
            response = client.get(endpoint, params=params)
        except httpx.HTTPError as failure:
            why = f"no answer ({type(failure).__name__})"
            _pause(attempt)
            continue
        if response.status_code == 200:
            try:
                return response.content, _json(response.content)
            except ValueError:
                why = "the page is not valid JSON"
        elif response.status_code in (401, 403):
            raise _failure(source, f"the server refuses the credentials (HTTP {response.status_code})", retryable=False)
        elif response.status_code == 429 or response.status_code >= 500:
            why = f"HTTP {response.status_code}"
        else:
            raise _failure(source, f"HTTP {response.status_code} for `{endpoint}`", retryable=False)
        _pause(attempt, response.headers.get("Retry-After"))
    raise _failure(source, f"gave up after {ATTEMPTS} attempts: {why}")


def _pause(attempt: int, asked: str | None = None) -> None:
    if asked and asked.isdigit():
        time.sleep(min(float(asked), LONGEST_WAIT))
    else:
        time.sleep(min(0.1 * 2**attempt, LONGEST_WAIT) * (0.5 + random.random() / 2))


def _json(data: bytes) -> Any:
    """The document, numbers as their own text; NaN and Infinity are refused."""

    def refused(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    try:
        return json.loads(data, parse_float=str, parse_int=str, parse_constant=refused)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _records(table: RestTable, blob: Blob) -> list[Any]:
    try:
        page = _json(blob.open().read())
    except (ValueError, OSError) as failure:
        raise unreadable(blob, f"not valid JSON ({type(failure).__name__})") from None
    records = _at(page, table.records)
    if not isinstance(records, list):
        raise DataError(f"`{blob.name}` has no list at `{table.records}`", "D007")
    return records


def _at(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _first(record: Any, paths: tuple[str, ...]) -> Any:
    return next((found for path in paths if (found := _at(record, path)) is not None), None)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)


def _leaves(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    else:
        yield path


def _failure(source: str, why: str, *, retryable: bool = True) -> EnvironmentFailure:
    return EnvironmentFailure(
        f"source `{source}`: {why}",
        "E001",
        hint="check `url` and `auth` in the source's file, and that the service is up",
        state="nothing was landed from this source; the last version stays current",
        next="potable doctor",
        retryable=retryable,
    )
