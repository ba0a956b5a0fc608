"""Tables behind HTTP endpoints, page by page: JSON, or XML.

Pages are landed as received. How requests prove who asks is `credentials`, how one page leads to the next
`pagination`, and what is done when a server refuses, fails or cuts an answer off `http`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import httpx
import numpy as np
import pyarrow as pa
from pydantic import Field, field_validator, model_validator

from potable.errors import MissingExtra
from potable.sources.base import Arrival, Blob, Held, Source
from potable.sources.credentials import Auth
from potable.sources.http import Pace, Service, failure
from potable.sources.jsonpages import JsonPage, Sight, landed, received
from potable.sources.keypaths import require_spelled
from potable.sources.onwards import Incremental, IncrementalTable, Keys, Reading, State, no_keys
from potable.sources.originals import missing
from potable.sources.pagination import Astray, Counted, Cursor, Page, Pagination, walk
from potable.sources.records import leaves, read_json, unread
from potable.sources.typed import clean, convert, typed_at
from potable.sources.xmlpages import XmlPage
from potable.tables import OBJECT, ROW

if TYPE_CHECKING:
    from potable.sources.xml import XmlSource, XmlTable

_FIRST_RECORDS = 100
_BATCH_ROWS = 16_384


class RestKeys(Keys):
    """How an endpoint is asked for all keys there are."""

    endpoint: str | None = None
    """Path below the source's `url` of a shorter list that has the keys; the table's own by default."""
    params: dict[str, str | int] = Field(default_factory=dict, repr=False)
    """Query parameters beside those of the table, such as one that asks for the keys alone."""

    @field_validator("endpoint")
    @classmethod
    def _below_the_source(cls, value: str | None) -> str | None:
        return value and below_the_source(value)


class RestIncremental(Incremental):
    """How an endpoint is asked for what is new."""

    param: str
    """Query parameter that takes the first moment wanted; the server answers with records at or after it."""
    format: str = "%Y-%m-%dT%H:%M:%SZ"
    """strftime form of that moment (UTC)."""
    keys: RestKeys | None = None
    """Read the keys of all records from time to time, to notice deleted ones; never by default."""


class RestTable(IncrementalTable):
    """A table behind an endpoint."""

    endpoint: str
    """Path below the source's `url`."""
    records: str = "data"
    """Dotted path in a page to its list of records; empty where the page itself is the list."""
    record: str | None = None
    """For answers in XML: path of the record element from the root; columns have paths below it, as in XML files."""
    params: dict[str, str | int] = Field(default_factory=dict, repr=False)
    """Query parameters of every request."""
    pagination: Pagination = Cursor()
    """How pages follow one another: `none`, or by cursor, Link header, link in the page, page number or offset."""
    incremental: RestIncremental | None = None
    """Ask only for what was recorded since the last run; for everything every time by default."""

    @field_validator("endpoint")
    @classmethod
    def _below_the_source(cls, value: str) -> str:
        return below_the_source(value)

    @model_validator(mode="after")
    def _json_or_xml(self) -> Self:
        if self.record is None:
            require_spelled(self.columns)
            return self
        if "records" in self.model_fields_set:
            raise ValueError("give `records` for JSON or `record` for XML, not both")
        if self.incremental is not None:
            raise ValueError("`incremental` needs answers in JSON")
        _xml_files()[1].model_validate({"columns": self.columns, "record": self.record})
        return self

    @model_validator(mode="after")
    def _whole_lists_of_keys(self) -> Self:
        keys = self.incremental and self.incremental.keys
        if keys and isinstance(self.pagination, Counted) and self.pagination.total is None:
            raise ValueError(
                "`keys` over numbered pages needs the pagination's `total`: a record deleted meanwhile shifts others,"
                " and one that is jumped over would count as deleted"
            )
        return self

    def sight(self, columns: Iterable[str], *, told: bool = False) -> Sight:
        """What is looked for in a page in JSON where some columns are wanted; numbers `told` apart where one asks."""
        wanted = {name: self.columns[name].paths(name) for name in columns}
        apart = [name for name in wanted if told and self.columns[name].decimal == ","]
        return Sight(self.records, wanted, apart)

    @property
    def beside(self) -> list[str]:
        """Paths of what is read of a page beside its records."""
        found = (getattr(self.pagination, name, None) for name in ("next", "next_link", "total"))
        return [path for path in found if path]


class RestSource(Source[RestTable]):
    """An API over HTTP."""

    url: str = Field(repr=False)
    """Base URL."""
    auth: Auth | None = None
    """Credentials, by reference."""
    timeout: float = Field(default=30.0, gt=0)
    """Seconds to wait for the server."""
    pace: Pace = Pace()
    """How fast and how often the server may be asked."""

    for_landing: ClassVar[frozenset[str]] = frozenset(("url", "auth"))
    snapshot: ClassVar[bool] = True
    names_objects: ClassVar[bool] = True

    def arrivals(self, base: Path, state: State | None = None) -> Iterator[Arrival]:
        """Pages of every table as received: all, or those with records since the last time."""
        state = state or State()
        with Service(
            self.source, self.url, self.auth, timeout=self.timeout, pace=self.pace, wanted=state.wanted
        ) as service:
            for name, table in self.tables.items():
                reading = _reading(table, state.before.get(name))
                onwards = reading is not None and reading.since is not None
                label = f"{name}-{state.batch:06d}" if onwards else name
                number = 0
                for page in self._pages(service, table, reading):
                    met = _met(table, page, reading) if reading and isinstance(page, JsonPage) else ()
                    if onwards and len(met) == page.records:
                        continue
                    number += 1
                    kind = "xml" if table.record else "json"
                    yield Arrival(f"{label}-{number:06d}.{kind}", (name,), Held(page.body), skip=met)
                if reading and reading.keys_due:
                    yield from self._keys(service, name, f"{label}-keys")
                if reading and (after := reading.state()):
                    state.after[name] = after

    def _keys(self, service: Service, name: str, label: str) -> Iterator[Arrival]:
        """Pages with the keys of all records."""
        table = self.tables[name]
        assert table.incremental and table.incremental.keys
        asked = table.incremental.keys
        others = {"endpoint": asked.endpoint or table.endpoint, "params": {**table.params, **asked.params}}
        rows = 0
        for number, page in enumerate(self._pages(service, table.model_copy(update=others), None, table.unique), 1):
            rows += page.records
            yield Arrival(f"{label}-{number:06d}.json", (), Held(page.body), keys_of=name)
        if not rows:
            raise no_keys(self.source, name)

    def _pages(
        self, service: Service, table: RestTable, reading: Reading | None, needed: Sequence[str] = ()
    ) -> Iterator[Page]:
        """Each page of a table; its records all have the columns that are `needed`."""
        sight = table.sight([table.incremental.column] if reading and table.incremental else needed)

        def fetch(url: httpx.URL, check: Callable[[Page], None]) -> Page:
            def read(body: bytes, headers: httpx.Headers) -> Page:
                if table.record:
                    page: Page = XmlPage.read(body, headers, table.record, table.beside)
                else:
                    page = received(body, headers, sight)
                    _require(page, needed)
                check(page)
                return page

            return service.get(url, table.endpoint, read)

        url = service.below(table.endpoint).copy_merge_params({**table.params, **_since(table, reading)})
        try:
            yield from walk(table.pagination, url, fetch)
        except Astray as astray:
            why = f"`{table.endpoint}`: {astray.why}"
            raise failure(self.source, why, retryable=astray.retryable, hint=astray.hint) from None

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """Typed batches of one page."""
        yield from self.parse_all(table, [blob])

    def parse_all(self, table: str, blobs: Iterable[Blob]) -> Iterator[pa.RecordBatch]:
        """Typed batches of several pages, each as long as a batch may be."""
        contract = self.tables[table]
        if contract.record:
            yield from self._xml.parse_all(table, blobs)
            return
        # what comes from the object's name is not looked for in it
        sight = contract.sight(
            (name for name, declared in contract.columns.items() if "@object" not in declared.paths(name)), told=True
        )
        held: list[pa.RecordBatch] = []
        for blob in blobs:
            page = landed(blob, sight)
            if sum(batch.num_rows for batch in held) + page.records > _BATCH_ROWS and held:
                yield from _typed(contract, held)
                held = []
            held.append(_texts(blob, page))
            if odd := {row: json.dumps(record) for row, record in page.odd.items() if row not in blob.skip}:
                yield unread(contract, [blob.name] * len(odd), list(odd), list(odd.values()))
        if held:
            yield from _typed(contract, held)

    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        """The record as JSON, where a number may be spelled otherwise than in the page (`1.10` as `1.1`), or as XML."""
        if self.tables[table].record:
            return self._xml.record(table, blob, ordinal)
        page = landed(blob, self.tables[table].sight([]))
        if not 0 < ordinal <= page.records:
            raise missing(blob, ordinal)
        return json.dumps(page.original(ordinal - 1), ensure_ascii=False).encode("utf-8", "replace")

    def observe(self, table: str, blob: Blob) -> Set[str] | None:
        """Paths of all values in the page's first records."""
        if self.tables[table].record:
            return self._xml.observe(table, blob)
        page = landed(blob, self.tables[table].sight([]))
        records = (page.original(number) for number in range(page.records) if number + 1 not in page.odd)
        return leaves(islice(records, _FIRST_RECORDS)) if page.records > len(page.odd) else None

    def children(self, table: str, blob: Blob) -> Mapping[str, Mapping[str, str]]:
        """Of answers in XML, elements that repeat in a record."""
        return self._of_endpoint(table).children(table, blob) if self.tables[table].record else {}

    def around(self, table: str) -> tuple[str, str]:
        """Of answers in XML, the table whose records its records lie in."""
        return self._of_endpoint(table).around(table) if self.tables[table].record else ("", "")

    def _of_endpoint(self, table: str) -> XmlSource:
        """The tables in XML of the endpoint that `table` is of, as if their pages were files."""
        asked = self.tables[table].endpoint
        found = {name: each for name, each in self.tables.items() if each.record and each.endpoint == asked}
        return _as_xml(self.source, found)

    @property
    def _xml(self) -> XmlSource:
        """The tables in XML, as if their pages were files."""
        return _as_xml(self.source, {name: table for name, table in self.tables.items() if table.record})


def below_the_source(endpoint: str) -> str:
    """`endpoint`, if it cannot lead to another server.

    Raises:
        ValueError: it can.
    """
    if "://" in endpoint or endpoint.startswith("//"):
        raise ValueError("a path below the source's `url`, which is where credentials are sent")
    return endpoint


def _as_xml(source: str, tables: Mapping[str, RestTable]) -> XmlSource:
    """A source of XML files with these tables, as they are: their columns may be read as texts.

    Raises:
        MissingExtra: the reader of XML is not installed.
    """
    files, table_of_files = _xml_files()
    as_files = {
        name: table_of_files.model_construct(columns=table.columns, record=table.record or "")
        for name, table in tables.items()
    }
    return files.model_construct(source=source, type="xml", path="", tables=as_files)


def _xml_files() -> tuple[type[XmlSource], type[XmlTable]]:
    try:
        from potable.sources.xml import XmlSource, XmlTable
    except ModuleNotFoundError as absent:
        raise MissingExtra(absent.name or "xml2arrow", "xml") from None
    return XmlSource, XmlTable


def _texts(blob: Blob, page: JsonPage) -> pa.RecordBatch:
    """The records of a page that count and are objects: their places, and the texts of their columns."""
    rows = np.arange(1, page.records + 1, dtype=np.int64)
    batch = pa.record_batch({OBJECT: pa.repeat(blob.name, page.records), ROW: pa.array(rows), **page.columns})
    left_out = [*blob.skip, *page.odd]
    return batch.filter(pa.array(~np.isin(rows, left_out))) if left_out else batch


def _typed(table: RestTable, held: Sequence[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Typed rows of the texts of several pages."""
    for batch in pa.Table.from_batches(held).combine_chunks().to_batches(_BATCH_ROWS):
        names, ordinals, *columns = batch.columns
        texts = dict(zip(batch.schema.names[2:], columns, strict=True))
        yield typed_at(table, texts, names, ordinals)


def _reading(table: RestTable, before: Any) -> Reading | None:
    if table.incremental is None:
        return None
    origin = json.dumps([table.endpoint, table.params, table.records, table.incremental.param], sort_keys=True)
    return Reading(table.incremental, origin, before, _canonical)


def _since(table: RestTable, reading: Reading | None) -> dict[str, str]:
    """The parameter that asks for what is new."""
    if table.incremental is None or reading is None or reading.since is None:
        return {}
    return {table.incremental.param: reading.since.strftime(table.incremental.format)}


def _met(table: RestTable, page: JsonPage, reading: Reading) -> tuple[int, ...]:
    """Ordinals of the records of a page that were landed before."""
    assert table.incremental
    # the service is asked in its own time
    declared = table.columns[table.incremental.column].model_copy(update={"timezone": None})
    texts = clean(declared, page.columns[table.incremental.column])
    new = reading.new(convert(declared, texts), page.record)
    return tuple(sorted(set(range(1, page.records + 1)) - {number + 1 for number in new}))


def _canonical(record: bytes) -> bytes:
    return json.dumps(read_json(record), sort_keys=True).encode()


def _require(page: JsonPage, needed: Sequence[str]) -> None:
    """Refuse a page whose records lack a column: in a list of keys they would count as deleted."""
    columns = page.columns
    for name in needed:
        if columns[name].null_count:
            raise ValueError(f"a record in the list of keys has no `{name}`")
