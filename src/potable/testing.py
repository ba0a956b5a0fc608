"""What "works" means for a connector: checks that anyone can run over a `Source` of their own.

Each check takes a `Case`, a source with a little real data behind it, and raises `Broken` with what is wrong. Only
the seam of `sources.base` is used, so they say nothing of how a system is reached. How faults of a system are
survived is not asked here: that needs the system.

Entry: `CHECKS`, for `pytest.mark.parametrize`, or `conform` for all of them.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from potable.errors import DataError, EnvironmentFailure, PotableError
from potable.sources.base import Source
from potable.sources.blobs import Blob
from potable.sources.ingest import Ingested, Landing, ingest
from potable.sources.shares import Share
from potable.sources.typed import schema
from potable.store.log import Log
from potable.store.objects import Store
from potable.tables import MISTYPED, OBJECT, ROW

_ROWS = 50
"""Rows of an object whose records are looked for."""
_SHORTEST = 4
"""Characters a value has at least to be told from the words of a message."""
_NAME = "Ottilie-Brandt-4711"
"""Name of a damaged object: one of a person, as files have them."""
_VIRTUAL = ("@", "/", "#", "..")


class Broken(AssertionError):
    """A connector does not keep what a connector promises."""


@dataclass(frozen=True)
class Case:
    """A source with a little real data behind it: two objects or more, two rows or more, some text."""

    source: Source[Any]
    base: Path
    """The project folder, where relative paths start."""
    scratch: Path
    """An empty folder to land in."""
    secrets: Sequence[str] = ()
    """Credentials that the source was given."""
    away: Source[Any] | None = None
    """The same source, secrets included, where nothing answers or nothing is."""

    def ingest(self, *, fresh: bool = False) -> Ingested:
        """Land what the source offers."""
        store = Store(str(self.scratch / "lake"))
        return ingest(self.source, Landing(store, Log(store, "raw/case/batches")), base=self.base, fresh=fresh)

    @cached_property
    def blobs(self) -> list[tuple[str, Blob]]:
        """Each landed object once per table, by name."""
        landed = self.ingest().objects
        blobs = self.source.blobs(landed, Store(str(self.scratch / "lake")).locate(""))
        return [(table, blob) for item, blob in zip(landed, blobs, strict=True) for table in item.tables]

    def parsed(self, table: str, blob: Blob, source: Source[Any] | None = None) -> pa.Table:
        """The rows of an object."""
        made = source or self.source
        return _table(made, table, made.parse(table, blob))

    def damaged(self, data: bytes, number: int) -> Blob:
        """Bytes as if they had landed."""
        store = Store(str(self.scratch / "lake"))
        store.put_new(f"damaged/{number}", data)
        return Blob(_NAME, store.locate(""), f"damaged/{number}", False, len(data))


def conform(case: Case) -> None:
    """All checks.

    Raises:
        Broken: what the first of them found.
    """
    for check in CHECKS:
        check(case)


def arrivals_keep_their_names_and_bytes(case: Case) -> None:
    """What is offered has one name each, the same the next time, and opens twice to the same bytes."""
    first, second = ([*_offered(case)] for _ in range(2))
    names = [name for name, _, _ in first]
    _require(bool(first), "the case offers nothing")
    _require(len(set(names)) == len(names), "two arrivals have one name")
    _require(first == second, "unchanged, it offers other names, tables or bytes the second time")
    for name, tables, _ in first:
        _require(bool(tables) and set(tables) <= set(case.source.tables), f"`{name}` is of no table, or an unknown one")


def landing_again_adds_nothing(case: Case) -> None:
    """A second ingest finds nothing new, also where every byte is read again."""
    first, second = case.ingest(), case.ingest()
    _require(first.new_objects > 0, "the case lands nothing")
    _require((second.new_objects, second.batch) == (0, first.batch), "unchanged, it lands something again")
    if case.source.forgets or not any(getattr(table, "incremental", None) for table in case.source.tables.values()):
        _require(case.ingest(fresh=True).new_objects == 0, "unchanged, a full refresh lands other objects")


def rows_have_the_schema_of_the_contract(case: Case) -> None:
    """Every batch has exactly the columns and types of `sources.typed.schema`."""
    for table, blob in case.blobs:
        for batch in case.source.parse(table, blob):
            want = schema(case.source.tables[table])
            _require(batch.schema.equals(want), f"a batch of `{table}` is {batch.schema}, not {want}")


def rows_say_where_they_stand(case: Case) -> None:
    """Rows carry the name of their object, and ordinals from 1 without gaps but for records that are skipped."""
    for table, blob in case.blobs:
        rows = case.parsed(table, blob)
        _require(set(rows[OBJECT].to_pylist()) <= {blob.name}, f"rows of `{blob.name}` name another object")
        _require_dense(rows, blob)
    for table in case.source.tables:
        rows = sum(case.parsed(name, blob).num_rows for name, blob in case.blobs if name == table)
        _require(rows > 0, f"the case has no row of `{table}`")


def parsing_twice_gives_the_same_rows(case: Case) -> None:
    """The same bytes are the same rows, in one go or object by object, and whatever batch they came with."""
    for table, blob in case.blobs:
        rows = case.parsed(table, blob)
        _require(rows.equals(case.parsed(table, blob)), f"`{blob.name}` is read otherwise the second time")
        other = case.parsed(table, replace(blob, batch=blob.batch + 7))
        _require(rows.equals(other), f"the rows of `{blob.name}` depend on its batch")
    for table in case.source.tables:
        mine = [blob for name, blob in case.blobs if name == table]
        alone = pa.concat_tables([case.parsed(table, blob) for blob in mine])
        for order in (mine, mine[::-1]):
            together = _table(case.source, table, case.source.parse_all(table, order))
            _require(_sorted(alone) == _sorted(together), f"`{table}`: parse_all gives other rows than parse")


def shares_of_an_object_are_all_of_it(case: Case) -> None:
    """Where several processes may parse an object, each has other records, and together they have all."""
    for table, blob in case.blobs:
        if not case.source.may_share(table):
            continue
        whole = case.parsed(table, blob)
        for of in (2, 3):
            shares = [case.parsed(table, replace(blob, share=Share(number, of))) for number in range(of)]
            same = _sorted(pa.concat_tables(shares)) == _sorted(whole)
            _require(same, f"{of} shares of `{blob.name}` give other rows than all of it")


def observed_columns_can_be_asked_for(case: Case) -> None:
    """What `observe` names can be a column's path; a column that has values is among it."""
    for table, blob in case.blobs:
        seen = case.source.observe(table, blob)
        if seen is None:
            continue
        rows, contract = case.parsed(table, blob), case.source.tables[table]
        for name, column in contract.columns.items():
            paths = column.paths(name)
            real = not any(path.startswith(_VIRTUAL) for path in paths)
            lost = real and rows[name].null_count < len(rows) and not seen & set(paths)
            _require(not lost, f"`{blob.name}` has values of `{name}`, which is not observed")
        asked = {f"seen {number}": {"path": path} for number, path in enumerate(sorted(seen))}
        more = case.parsed(table, blob, _with_columns(case.source, table, asked))
        _require(more.select(rows.column_names[: len(contract.columns)]).num_rows == len(rows), "rows are lost")
        found = any(more[name].null_count < len(more) for name in asked)
        _require(found or not asked or not len(rows), f"nothing that is observed in `{blob.name}` has a value")


def every_row_has_its_record(case: Case) -> None:
    """`record` finds the bytes behind each row and refuses other ordinals, or says that it cannot."""
    for table, blob in case.blobs:
        rows = case.parsed(table, blob).slice(0, _ROWS).to_pylist()
        if type(case.source).record is Source.record:
            _require_refused(partial(case.source.record, table, blob, 1), "record")
            continue
        found = [case.source.record(table, blob, row[ROW]) for row in rows]
        _require(all(found), f"the record of a row of `{blob.name}` is empty")
        by_place = dict(sorted(zip((row[ROW] for row in rows), found, strict=True)))
        several = [original.data for original in case.source.records(table, blob, iter(by_place))]
        _require(several == [*by_place.values()], f"`records` of `{blob.name}` are not what `record` gives")
        cells = {json.dumps({name: row[name] for name in row if name != ROW}, default=str) for row in rows}
        _require(len(set(found)) > 1 or len(cells) < 2, f"different rows of `{blob.name}` have one record")
        for ordinal in (0, -1, 1 + max(case.parsed(table, blob)[ROW].to_pylist(), default=0) + len(blob.skip)):
            _require_refused(partial(case.source.record, table, blob, ordinal), f"record {ordinal}")


def it_travels_to_another_process(case: Case) -> None:
    """The source, its class and its objects can be pickled, and read the same afterwards."""
    for table, blob in case.blobs:
        try:
            kind, source, sent = pickle.loads(pickle.dumps((type(case.source), case.source, blob)))
        except Exception as failure:
            raise Broken(f"it cannot be pickled ({type(failure).__name__})") from failure
        _require(kind is type(case.source), "the class is another one after pickling")
        same = case.parsed(table, sent, source).equals(case.parsed(table, blob))
        _require(same, f"`{blob.name}` is read otherwise after pickling")


def bad_bytes_cost_no_more_than_their_object(case: Case) -> None:
    """Damaged objects are refused (D007), or give rows and `@record` rows; no other error, no value in a message.

    Nor does one name the object: files are called after people.
    """
    number = 0
    for table, blob in _first_of_each(case):
        values = _values(case, table)
        with blob.open() as stream:
            data = stream.read()
        for how, bad in _damages(data):
            number += 1
            held = case.damaged(bad, number)
            for what, act in _readings(case, table, held):
                try:
                    act()
                except DataError as failure:
                    _require(failure.code == "D007", f"{what}, {how}: {failure.code} instead of D007")
                    _require_silent(failure, values, f"{what}, {how}")
                    named = _NAME in failure.text() + json.dumps(failure.record())
                    _require(not named, f"{what}, {how}: the message names the object, not `blob.shown`")
                except Broken:
                    raise
                except Exception as failure:
                    raise Broken(f"{what}, {how}: {type(failure).__name__} instead of DataError") from failure


def secrets_are_never_shown(case: Case) -> None:
    """Neither the declaration nor what it says when nothing answers shows a credential."""
    for secret in case.secrets:
        _require(secret not in repr(case.source) + str(case.source), "the declaration shows a secret")
        for _, blob in case.blobs:
            _require(secret not in repr(blob), "an object shows a secret")
    if case.away is not None:
        try:
            for arrival in case.away.arrivals(case.base):
                arrival.open().close()
        except EnvironmentFailure as failure:
            _require_silent(failure, case.secrets, "a failure")
        else:
            raise Broken("`away` answers")


CHECKS: tuple[Callable[[Case], None], ...] = (
    arrivals_keep_their_names_and_bytes,
    landing_again_adds_nothing,
    rows_have_the_schema_of_the_contract,
    rows_say_where_they_stand,
    parsing_twice_gives_the_same_rows,
    shares_of_an_object_are_all_of_it,
    observed_columns_can_be_asked_for,
    every_row_has_its_record,
    it_travels_to_another_process,
    bad_bytes_cost_no_more_than_their_object,
    secrets_are_never_shown,
)
"""Everything a connector has to pass; the name of each says what it asks."""


def _offered(case: Case) -> Iterator[tuple[str, tuple[str, ...], bytes]]:
    for arrival in case.source.arrivals(case.base):
        contents = []
        for _ in range(2):
            with arrival.open() as stream:
                contents.append(stream.read())
        _require(contents[0] == contents[1], f"`{arrival.name}` opens to other bytes the second time")
        yield arrival.name, arrival.tables, contents[0]


def _table(source: Source[Any], table: str, batches: Any) -> pa.Table:
    return pa.Table.from_batches(list(batches), schema(source.tables[table])).combine_chunks()


def _sorted(rows: pa.Table) -> pa.Table:
    return rows.sort_by([(OBJECT, "ascending"), (ROW, "ascending")])


def _with_columns(source: Source[Any], table: str, columns: Mapping[str, Any]) -> Source[Any]:
    """The source with more columns in a table."""
    contract = source.tables[table]
    declared = contract.model_dump(exclude_unset=True)
    made = type(contract).model_validate({**declared, "columns": {**declared["columns"], **columns}})
    return source.model_copy(update={"tables": {**source.tables, table: made}})


def _first_of_each(case: Case) -> list[tuple[str, Blob]]:
    """The first object of each table."""
    return list({table: blob for table, blob in reversed(case.blobs)}.items())


def _values(case: Case, table: str) -> list[str]:
    """Texts that stand in the table and nowhere in the declaration."""
    declared = case.source.model_dump_json() + "".join(blob.name for _, blob in case.blobs)
    texts: set[str] = set()
    for name, blob in case.blobs:
        if name == table:
            rows = case.parsed(table, blob)
            strings = [item.name for item in rows.schema if item.type == pa.string() and item.name != OBJECT]
            texts |= {text for name in strings for text in rows[name].to_pylist() if text}
    return [text for text in texts if len(text) >= _SHORTEST and text not in declared]


def _damages(data: bytes) -> Iterator[tuple[str, bytes]]:
    """What may become of an object on its way."""
    size = len(data)
    yield from {
        "empty": b"",
        "cut in half": data[: size // 2],
        "cut at the end": data[:-1],
        "cut at the start": data[size // 3 :],
        "twice": data + data,
        "zeros": bytes(size),
        "all bytes": bytes(range(256)) * 4,
        "an error page": b"<html><body>Bad Gateway</body></html>",
        "an error in JSON": b'{"error": "unavailable"}',
        "zeros at the end": data[: size // 2] + bytes(size - size // 2),
    }.items()
    for part in range(16):
        at = size * part // 16
        for sign in (0x01, 0x20, 0x80):
            yield f"byte {at} changed", data[:at] + bytes(byte ^ sign for byte in data[at : at + 1]) + data[at + 1 :]


def _readings(case: Case, table: str, blob: Blob) -> Iterator[tuple[str, Callable[[], object]]]:
    """All that is done with an object."""

    def parse() -> None:
        rows = case.parsed(table, blob)
        _require_dense(rows, blob)
        for row in rows.to_pylist():
            lost = (row[MISTYPED] or "").startswith("@record")
            cells = [row[name] for name in case.source.tables[table].columns]
            _require(not lost or cells == [None] * len(cells), "an unreadable record has cells")

    yield "parse", parse
    yield "observe", lambda: case.source.observe(table, blob)
    yield "dialect", lambda: case.source.dialect(table, blob)
    yield "record", lambda: case.source.record(table, blob, 1)


def _require_dense(rows: pa.Table, blob: Blob) -> None:
    ordinals = sorted([*rows[ROW].to_pylist(), *blob.skip])
    _require(ordinals == list(range(1, len(ordinals) + 1)), f"ordinals of `{blob.name}` have gaps, or stand twice")


def _require_refused(act: Callable[[], object], what: str) -> None:
    try:
        act()
    except DataError as failure:
        _require(failure.code == "D007", f"{what}: {failure.code} instead of D007")
    else:
        raise Broken(f"{what}: D007 was to be raised")


def _require_silent(failure: PotableError, values: Sequence[str], what: str) -> None:
    told = failure.text() + json.dumps(failure.record(), ensure_ascii=False) + repr(failure.__cause__)
    _require(not any(value in told for value in values), f"{what}: the message shows a value")


def _require(kept: bool, problem: str) -> None:
    if not kept:
        raise Broken(problem)
