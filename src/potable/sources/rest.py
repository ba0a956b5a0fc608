"""JSON over HTTP, page by page: bearer token, cursor pagination, rate limits, retries.

Pages are landed as received. A page that is refused, cut off, or not JSON is asked for again with
growing pauses; 429 waits as long as the server says.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pyarrow as pa
from pydantic import Field, SecretStr

from potable.declarations import Declaration
from potable.errors import EnvironmentFailure
from potable.sources.base import Arrival, Blob, Held, Source
from potable.sources.files import unreadable
from potable.sources.onwards import Incremental, IncrementalTable, Reading, State
from potable.sources.originals import missing
from potable.sources.typed import clean, convert, typed_at

ATTEMPTS = 6
LONGEST_WAIT = 60.0
_LARGEST_PAGE = 256 << 20
_FIRST_RECORDS = 100
_BATCH_ROWS = 16_384


class Auth(Declaration):
    """How requests prove who asks."""

    bearer: SecretStr
    """Token of the Authorization header; take it from a reference."""


class Pagination(Declaration):
    """How one page leads to the next."""

    cursor: str = "cursor"
    """Query parameter that carries the cursor."""
    next: str = "next_cursor"
    """Dotted path in the page to the next cursor; null or absent on the last page."""


class RestIncremental(Incremental):
    """How an endpoint is asked for what is new."""

    param: str
    """Query parameter that takes the first moment wanted; the server answers with records at or after it."""
    format: str = "%Y-%m-%dT%H:%M:%SZ"
    """strftime form of that moment (UTC)."""


class RestTable(IncrementalTable):
    """A table behind an endpoint."""

    endpoint: str
    """Path below the source's `url`."""
    records: str = "data"
    """Dotted path in a page to its list of records; empty where the page itself is the list."""
    params: dict[str, str | int] = Field(default_factory=dict)
    """Query parameters of every request."""
    pagination: Pagination = Pagination()
    """How pages follow one another."""
    incremental: RestIncremental | None = None
    """Ask only for what was recorded since the last run; for everything every time by default."""


class RestSource(Source[RestTable]):
    """A JSON API."""

    url: str = Field(repr=False)
    """Base URL."""
    auth: Auth | None = None
    """Credentials, by reference."""
    timeout: float = 30.0
    """Seconds to wait for the server."""

    snapshot: ClassVar[bool] = True

    def arrivals(self, base: Path, state: State | None = None) -> Iterator[Arrival]:
        """Pages of every table as received: all, or those with records since the last time."""
        state = state or State()
        with _client(self) as client:
            for name, table in self.tables.items():
                reading = _reading(table, state.before.get(name))
                onwards = reading is not None and reading.since is not None
                label = f"{name}-{state.batch:06d}" if onwards else name
                number = 0
                for body, page in self._pages(client, table, reading):
                    records = _at(page, table.records)
                    met = _met(table, records, reading) if reading else ()
                    if onwards and len(met) == len(records):
                        continue
                    number += 1
                    yield Arrival(f"{label}-{number:06d}.json", (name,), Held(body), skip=met)
                if reading and (after := reading.state()):
                    state.after[name] = after

    def _pages(
        self, client: httpx.Client, table: RestTable, reading: Reading | None
    ) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Each page as received, and as it reads."""
        cursor: str | None = None
        seen: set[str] = set()
        asked = dict(table.params) | _since(table, reading)
        while True:
            params = asked | ({table.pagination.cursor: cursor} if cursor else {})
            body, page = _fetch(self.source, client, table.endpoint, params)
            if not isinstance(_at(page, table.records), list):
                raise _failure(self.source, f"a page has no list at `{table.records}`")
            yield body, page
            cursor = _at(page, table.pagination.next)
            if not cursor:
                return
            if not isinstance(cursor, str):
                raise _failure(self.source, f"`{table.pagination.next}` is not a cursor")
            if cursor in seen:
                raise _failure(self.source, "the server repeats a cursor, so its pages would never end")
            seen.add(cursor)

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """Typed batches of one page."""
        yield from self.parse_all(table, [blob])

    def parse_all(self, table: str, blobs: Iterable[Blob]) -> Iterator[pa.RecordBatch]:
        """Typed batches of several pages, each as long as a batch may be."""
        contract = self.tables[table]
        rows = (
            (blob.name, row, record)
            for blob in blobs
            for row, record in enumerate(_records(contract, blob), 1)
            if row not in blob.skip
        )
        while part := list(islice(rows, _BATCH_ROWS)):
            names, ordinals, records = zip(*part, strict=True)
            texts = {name: _column(records, column.paths(name)) for name, column in contract.columns.items()}
            yield typed_at(contract, texts, pa.array(names, pa.string()), pa.array(ordinals, pa.int64()))

    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        """The record as JSON; a number may be spelled otherwise than in the page (`1.10` as `1.1`)."""
        records = _records(self.tables[table], blob, read=json.loads)
        if not 0 < ordinal <= len(records):
            raise missing(blob, ordinal)
        return json.dumps(records[ordinal - 1], ensure_ascii=False).encode("utf-8", "replace")

    def observe(self, table: str, blob: Blob) -> frozenset[str] | None:
        """Dotted paths of all values in the page's first records."""
        records = _records(self.tables[table], blob, read=json.loads)
        found = frozenset(leaf for record in records[:_FIRST_RECORDS] for leaf in _leaves(record, ""))
        return found if records else None


def _reading(table: RestTable, before: Any) -> Reading | None:
    if table.incremental is None:
        return None
    origin = json.dumps([table.endpoint, table.params, table.records, table.incremental.param], sort_keys=True)
    return Reading(table.incremental, origin, before)


def _since(table: RestTable, reading: Reading | None) -> dict[str, str]:
    """The parameter that asks for what is new."""
    if table.incremental is None or reading is None or reading.since is None:
        return {}
    return {table.incremental.param: reading.since.strftime(table.incremental.format)}


def _met(table: RestTable, records: Sequence[Any], reading: Reading) -> tuple[int, ...]:
    """Ordinals of the records of a page that were landed before."""
    assert table.incremental
    column = table.columns[table.incremental.column]
    known = [record if isinstance(record, dict) else {} for record in records]
    texts = clean(column, _column(known, column.paths(table.incremental.column)))
    new = reading.new(
        convert(column, texts), lambda number: json.dumps(records[number], sort_keys=True, ensure_ascii=True).encode()
    )
    return tuple(sorted(set(range(1, len(records) + 1)) - {number + 1 for number in new}))


def _client(source: RestSource) -> httpx.Client:
    headers = {"Authorization": f"Bearer {source.auth.bearer.get_secret_value()}"} if source.auth else {}
    try:
        return httpx.Client(base_url=source.url, headers=headers, timeout=source.timeout)
    except (httpx.InvalidURL, ValueError):
        why = "`url` is not a URL, or the token holds characters no header can carry"
        raise _failure(source.source, why, retryable=False) from None


def _fetch(source: str, client: httpx.Client, endpoint: str, params: dict[str, Any]) -> tuple[bytes, Any]:
    """One page, with patience.

    Raises:
        EnvironmentFailure: E001 after the last attempt, or at once when asking again cannot help.
    """
    why = ""
    for attempt in range(ATTEMPTS):
        try:
            status, asked, body = _get(client, endpoint, params)
        except httpx.HTTPError as failure:
            status, asked, body = 0, None, b""
            why = f"no answer ({type(failure).__name__})"
        except httpx.InvalidURL:
            raise _failure(source, "`url` is not a URL", retryable=False) from None
        if status == 200:
            try:
                return body, _json(body)
            except ValueError:
                why = "the page is not valid JSON"
        elif status in (401, 403):
            raise _failure(source, f"the server refuses the credentials (HTTP {status})", retryable=False)
        elif status == 429 or status >= 500:
            why = f"HTTP {status}"
        elif status:
            raise _failure(source, f"HTTP {status} for `{endpoint}`", retryable=False)
        if attempt < ATTEMPTS - 1:
            _pause(attempt, asked)
    raise _failure(source, f"gave up after {ATTEMPTS} attempts: {why}")


def _get(client: httpx.Client, endpoint: str, params: dict[str, Any]) -> tuple[int, str | None, bytes]:
    """Status, `Retry-After` and body of one request; no more of a body than a page may have."""
    body = bytearray()
    with client.stream("GET", endpoint, params=params) as response:
        for piece in response.iter_bytes():
            body += piece
            if len(body) > _LARGEST_PAGE:
                raise httpx.DecodingError("the page is too large")
        return response.status_code, response.headers.get("Retry-After"), bytes(body)


def _pause(attempt: int, asked: str | None = None) -> None:
    """Wait as long as the server asked for, in seconds or until a date, or longer every time."""
    seconds = 0.1 * 2**attempt * (0.5 + random.random() / 2)
    if asked and asked.isdecimal():
        seconds = float(asked)
    elif asked:
        with suppress(ValueError):
            seconds = (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds()
    time.sleep(min(max(seconds, 0.0), LONGEST_WAIT))


def _json(data: bytes) -> Any:
    """The document, numbers as their own text; NaN and Infinity are refused."""

    def refused(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    try:
        return json.loads(data, parse_float=str, parse_int=str, parse_constant=refused)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _records(table: RestTable, blob: Blob, *, read: Callable[[bytes], Any] | None = None) -> list[dict[str, Any]]:
    """The records of a page; `read` is a faster reader where values do not matter."""
    try:
        with blob.open() as stream:
            page = (read or _json)(stream.read())
    except (ValueError, OSError, RecursionError) as failure:
        raise unreadable(blob, f"not valid JSON ({type(failure).__name__})") from None
    records = _at(page, table.records)
    if not isinstance(records, list):
        raise unreadable(blob, f"it has no list at `{table.records}`")
    if not all(isinstance(record, dict) for record in records):
        raise unreadable(blob, f"not everything in its list `{table.records}` is an object")
    return records


def _at(value: Any, path: str) -> Any:
    for part in path.split(".") if path else ():
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _column(records: Sequence[dict[str, Any]], paths: tuple[str, ...]) -> pa.StringArray:
    """The texts at the first of `paths` that has a value, record by record."""
    values = [record.get(paths[0]) for record in records] if "." not in paths[0] else _deep(records, paths[0])
    for path in paths[1:]:
        values = [_at(record, path) if value is None else value for record, value in zip(records, values, strict=True)]
    texts = [value if value is None or type(value) is str else _text(value) for value in values]
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        # half a character, from a text cut by a system that counts in UTF-16
        return pa.array([text and text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts])


def _deep(records: Sequence[Any], path: str) -> list[Any]:
    values = list(records)
    for part in path.split("."):
        values = [value.get(part) if type(value) is dict else None for value in values]
    return values


def _text(value: Any) -> str:
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
