"""Tables behind HTTP endpoints, page by page: JSON, or XML.

Pages are landed as received. Authentication is in `credentials`, how one page leads to the next in `pagination`, and
what happens when a server refuses, fails or cuts an answer off in `http`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import httpx
import numpy as np
import pyarrow as pa
from pydantic import Field

from potable.sources.base import Source
from potable.sources.blobs import Blob
from potable.sources.credentials import Auth
from potable.sources.http import Pace, Service, failure
from potable.sources.jsonpages import JsonPage, landed, received
from potable.sources.landed import Arrival, Held
from potable.sources.onwards import Reading, State, no_keys
from potable.sources.originals import missing
from potable.sources.pages import Astray, Page
from potable.sources.pagination import walk
from potable.sources.records import leaves, read_json
from potable.sources.restfiles import as_json, as_xml
from potable.sources.resttables import RestTable
from potable.sources.typed import clean, convert, typed_at, untyped
from potable.sources.xmlpages import XmlPage
from potable.tables import OBJECT, ROW

if TYPE_CHECKING:
    from potable.sources.json import JsonSource
    from potable.sources.xml import XmlSource

_FIRST_RECORDS = 100
_BATCH_ROWS = 16_384
_BEHIND = frozenset((200, 204, 400, 404, 410, 416, 422, 500))
"""How services answer who asks for a page behind the last one."""


class RestSource(Source[RestTable]):
    """An API over HTTP."""

    url: str = Field(repr=False)
    """Base URL."""
    auth: Auth | None = None
    """Credentials, by reference."""
    timeout: float = Field(default=30.0, gt=0)
    """Seconds to wait for the server."""
    pace: Pace = Pace()
    """How many requests the server gets, and how often they are retried."""

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
                    met, skip = set[int](), tuple[int, ...]()
                    if reading and isinstance(page, JsonPage):
                        met = self._met(table, page, reading)
                        skip = page.ordinals(met)
                    if onwards and len(met) == page.records:
                        continue
                    number += 1
                    kind = "xml" if table.record else "json"
                    yield Arrival(f"{label}-{number:06d}.{kind}", (name,), Held(page.body), skip=skip)
                if reading and reading.keys_due:
                    yield from self._keys(service, name, f"{label}-keys")
                if reading and (after := reading.state()):
                    state.after[name] = after

    def _met(self, table: RestTable, page: JsonPage, reading: Reading) -> set[int]:
        """Which records of a page were landed before, from 0; of lists inside records, in which ones they lie."""
        assert table.incremental
        column = table.incremental.column
        if page.inside and not all(path.startswith("../") for path in table.columns[column].paths(column)):
            why = (
                f"`{table.endpoint}`: the list at `{table.records}` is inside records, but `{column}` is not a "
                "column of those"
            )
            hint = "give the column that `incremental` uses as a path such as `../updated_at`"
            raise failure(self.source, why, retryable=False, hint=hint)
        # the service is asked in its own time
        declared = table.columns[column].model_copy(update={"timezone": None})
        texts = clean(declared, page.columns[column])
        return {*range(page.records)} - {*reading.new(convert(declared, texts), page.record)}

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

        def fetch(url: httpx.URL, check: Callable[[Page], None], *, behind: bool = False) -> Page | None:
            def read(body: bytes, headers: httpx.Headers) -> Page:
                if table.record:
                    page: Page = XmlPage.read(body, headers, table.record, table.beside)
                else:
                    page = received(body, headers, sight)
                    _require(page, needed)
                check(page)
                return page

            if behind:
                return service.get(url, table.endpoint, partial(_if_any, read), statuses=_BEHIND)
            return (service.get_if_any if table.optional else service.get)(url, table.endpoint, read)

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
            yield from self._as_files(table).parse_all(table, blobs)
            return
        if contract.outward:
            for blob in blobs:
                yield from self._inside(table, blob)
            return
        # what comes from the object's name is not looked for in it
        sight = contract.sight(
            (name for name, declared in contract.columns.items() if "@object" not in declared.paths(name)), told=True
        )
        held: list[pa.RecordBatch] = []
        for blob in blobs:
            page = landed(blob, sight)
            if page.inside:
                yield from self._inside(table, blob)
                continue
            if sum(batch.num_rows for batch in held) + page.records > _BATCH_ROWS and held:
                yield from _typed(contract, held)
                held = []
            held.append(_texts(blob, page))
            if odd := {row: json.dumps(record) for row, record in page.odd.items() if row not in blob.skip}:
                yield untyped(contract, blob.name, list(odd), list(odd.values()))
        if held:
            yield from _typed(contract, held)

    def _inside(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """Typed batches of one page whose records lie in lists inside others, or look at what is around them."""
        for batch in self._as_files(table).parse(table, blob):
            new = ~np.isin(batch.column(ROW).to_numpy(), blob.skip)
            yield batch if new.all() else batch.filter(pa.array(new))

    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        """The record as JSON, where a number may be spelled otherwise than in the page (`1.10` as `1.1`), or as XML."""
        if self.tables[table].record:
            return self._as_files(table).record(table, blob, ordinal)
        page = landed(blob, self.tables[table].sight([]))
        if page.inside:
            return self._as_files(table).record(table, blob, ordinal)
        if not 0 < ordinal <= page.records:
            raise missing(blob, ordinal)
        return json.dumps(page.original(ordinal - 1), ensure_ascii=False).encode("utf-8", "replace")

    def observe(self, table: str, blob: Blob) -> Set[str] | None:
        """Paths of all values in the page's first records, but of lists that other tables have."""
        return next(self.observe_all(table, [blob]))

    def observe_all(self, table: str, blobs: Iterable[Blob]) -> Iterator[Set[str] | None]:
        """What `observe` says of several pages."""
        mine, files = self.tables[table], self._as_files(table)
        if mine.record or mine.outward:
            yield from files.observe_all(table, blobs)
            return
        sight, of_others = mine.sight([]), files.inside(table) - frozenset(mine.paths)
        for blob in blobs:
            page = landed(blob, sight)
            if page.inside:
                yield files.observe(table, blob)
                continue
            records = page.first(_FIRST_RECORDS)
            met = dict.fromkeys(path for path in leaves(records) if path not in of_others)
            yield met.keys() if records else None

    def children(self, table: str, blob: Blob) -> Mapping[str, Mapping[str, str]]:
        """Lists of objects inside the records, or of answers in XML elements that repeat in one."""
        return self._as_files(table).children(table, blob)

    def around(self, table: str) -> tuple[str, str]:
        """The table of the same endpoint whose records its records lie in."""
        return self._as_files(table).around(table)

    def inside(self, table: str) -> Set[str]:
        """Paths in its records at which those of other tables of the same endpoint lie."""
        return self._as_files(table).inside(table)

    def _as_files(self, table: str) -> XmlSource | JsonSource:
        """The tables of the endpoint that `table` is of, as if their pages were files."""
        alike = self._alike(table)
        return as_xml(self.source, alike) if self.tables[table].record else as_json(self.source, alike)

    def _alike(self, table: str) -> dict[str, RestTable]:
        """The tables of the endpoint that `table` is of."""
        mine = self.tables[table]
        endpoint, is_xml = mine.endpoint, bool(mine.record)
        return {
            name: each for name, each in self.tables.items() if (each.endpoint, bool(each.record)) == (endpoint, is_xml)
        }


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


def _canonical(record: bytes) -> bytes:
    return json.dumps(read_json(record), sort_keys=True).encode()


def _if_any(read: Callable[[bytes, httpx.Headers], Page], body: bytes, headers: httpx.Headers) -> Page | None:
    """The page that an answer is, if it is one."""
    with suppress(ValueError, Astray):
        return read(body, headers)
    return None


def _require(page: JsonPage, needed: Sequence[str]) -> None:
    """Refuse a page whose records lack a column: in a list of keys they would count as deleted."""
    columns = page.columns
    for name in needed:
        if columns[name].null_count:
            raise ValueError(f"a record in the list of keys has no `{name}`")
