"""Elements of lists go with the versions of their records, in layers as in a whole, and as a naive reading says."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.conftest import Examples
from tests.runs.test_layers import Notes, notes_project, open_notes
from tests.sources.objects import blob, parsed

from potable.contracts.deletions import deleted_schema
from potable.engines.base import Engine, collect
from potable.plugins import load
from potable.project import Project
from potable.runs.around import telling
from potable.sources.base import Source
from potable.sources.messages import Chunk, Message
from potable.store.manifest import Manifest

ORDERS = """
source: notes
type: json
path: notes
tables:
  orders:
    files: "*"
    columns:
      order_no: {type: string, path: id, key: order}
      told: {type: date, path: at, category: none}
      gone: {type: boolean, category: none}
    unique: [order_no]
    known: told
    deleted: gone
  notes:
    files: "*"
    records: cart.lines
    optional: true
    columns:
      order_no: {type: string, path: ../id, key: order}
      line: {type: integer, path: no, category: none}
      told: {type: date, path: ../at, category: none}
      pay: {type: integer, required: true, category: none}
    unique: [order_no, line]
    known: told
    parts_of: orders
    drift: {missing_column: allow}
"""
Line = tuple[int, bool]
"""Its number, and whether it breaks the contract."""


@dataclass(frozen=True)
class Order:
    id: str | None
    day: int | None
    gone: bool
    lines: tuple[Line, ...] | None

    def record(self) -> dict[str, Any]:
        at = self.day and f"2024-01-{self.day:02d}"
        cart = (
            {} if self.lines is None else {"lines": [{"no": no, "pay": None if bad else 1} for no, bad in self.lines]}
        )
        return {"id": self.id, "at": at, "gone": self.gone, "cart": cart}


Batch = list[list[Order]]
"""Files, each with its orders."""
Fates = dict[str, list[tuple[Any, ...]]]


class Carts(Notes):
    """Orders with their lines in files of JSON."""

    def bring(self, number: int, files: Batch) -> Fates:
        """What comes of a batch on what stands, which must be what a whole judging gives."""
        self.land(
            **{
                f"b{number}-{place}": "".join(json.dumps(order.record()) + "\n" for order in orders)
                for place, orders in enumerate(files)
            }
        )
        made, whole = self.layered(), self.whole()
        found = self.fates(made)
        assert found == self.fates(whole)
        assert (made.counts, made.facts["totals"]) == (whole.counts, whole.facts["totals"])
        return found

    def fates(self, manifest: Manifest) -> Fates:
        gone = deleted_schema(self.shop.project.tables["notes.notes"])
        paths = manifest.paths(self.shop.lake.restricted, "deleted")
        rows = {output: self.rows(manifest, output) for output in ("rows", "quarantine")}
        rows["deleted"] = collect(self.shop.engine, self.shop.engine.read(paths, gone)).to_pylist()
        return {
            output: sorted((row["_object"].removesuffix(".csv"), row["_row"], row["line"]) for row in found)
            for output, found in rows.items()
        }


def naive(batches: list[Batch]) -> Fates:
    """The slow and obvious way."""
    # each line, and where its order stands
    told: list[tuple[str, int, Order, Line]] = []
    versions: dict[tuple[str, int, bool], str] = {}
    for number, files in enumerate(batches, 1):
        for place, orders in enumerate(files):
            name, row = f"b{number}-{place}", 0
            for order in orders:
                for line in order.lines or ():
                    row += 1
                    told.append((name, row, order, line))
                if order.id is not None and order.day is not None:
                    versions.setdefault((order.id, order.day, False), name)
                    if order.gone:
                        versions.setdefault((order.id, order.day, True), name)
    out: Fates = {"rows": [], "quarantine": [], "deleted": []}
    met = set()
    for name, row, order, (no, bad) in told:
        place = (name, row, no)
        key = (order.id, no, order.day)
        if bad or (order.id is not None and key in met):
            out["quarantine"].append(place)
            continue
        met.add(key)
        later = [
            (day, ended, first)
            for (around, day, ended), first in versions.items()
            if around == order.id and order.day is not None and (day, ended) > (order.day, False)
        ]
        lacks = [
            ended
            or not any(
                there == first and other.id == order.id and other.day == day and line == no
                for there, _, other, (line, _) in told
            )
            for day, ended, first in later
        ]
        out["deleted" if any(lacks) else "rows"].append(place)
    return {output: sorted(rows) for output, rows in out.items()}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return notes_project(tmp_path_factory.mktemp("orders") / "project", ORDERS)


@pytest.mark.long_on_spark
def test_what_is_there_again_within_the_second_in_which_it_ended_stays(
    tmp_path_factory: pytest.TempPathFactory, engine: Engine, tmp_path: Path
) -> None:
    text = ORDERS.replace("told: {type: date", "told: {type: timestamp")
    made = open_notes(notes_project(tmp_path_factory.mktemp("moments") / "project", text), engine, tmp_path)
    carts = Carts(made.root, made.shop)
    states = [("10:00:00", True), ("10:00:00.500000", False)]
    for number, (at, gone) in enumerate(states):
        order = {"id": "a", "at": f"2024-01-01 {at}", "gone": gone, "cart": {"lines": [{"no": 1, "pay": 1}]}}
        carts.land(**{f"b{number}": json.dumps(order)})
    fates = carts.fates(carts.whole())
    assert (fates["rows"], fates["deleted"]) == ([("b1", 1, 1)], [("b0", 1, 1)])


LINES = st.none() | st.lists(st.tuples(st.integers(1, 3), st.sampled_from([False] * 4 + [True])), max_size=3)
ORDER = st.builds(
    Order,
    st.sampled_from(["a", "a", "b", None]),
    st.none() | st.integers(1, 4),
    st.sampled_from([False] * 4 + [True]),
    LINES.map(lambda lines: None if lines is None else tuple(lines)),
)
BATCHES = st.lists(st.lists(st.lists(ORDER, min_size=1, max_size=3), min_size=1, max_size=2), min_size=1, max_size=4)


@pytest.mark.long_on_spark
def test_layers_a_whole_and_a_naive_reading_agree(
    project: Project, engine: Engine, tmp_path_factory: pytest.TempPathFactory, examples: Examples
) -> None:
    @settings(max_examples=examples(engine, 5))
    @given(BATCHES)
    def holds(batches: list[Batch]) -> None:
        made = open_notes(project, engine, tmp_path_factory.mktemp("carts"))
        carts = Carts(made.root, made.shop)
        for number, files in enumerate(batches, 1):
            found = carts.bring(number, files)
            assert found == naive(batches[:number])

    holds()


AROUND = {"columns": {"id": {}, "at": {"type": "date"}, "other": {}}, "unique": ["id"], "known": "at"}
INSIDE = {
    "columns": {"id": {"path": "../id"}, "at": {"type": "date", "path": "../at"}, "no": {}},
    "unique": ["id", "no"],
    "known": "at",
    "parts_of": "o",
}
JSON = [{"id": "1", "at": "2024-01-01", "lines": [{"no": "1"}, {"no": "2"}]}, {"id": "2", "at": "2024-01-02"}]
XML = (
    b"<a><o><id>1</id><at>2024-01-01</at><l><no>1</no></l><l><no>2</no></l></o><o><id>2</id><at>2024-01-02</at></o></a>"
)


def made_of(kind: str, around: dict[str, Any], inside: dict[str, Any], **more: Any) -> Source[Any]:
    tables = {"o": {**AROUND, **around}, "t": {**INSIDE, **inside}}
    made: Source[Any] = load("sources", kind).model_validate({"source": "s", "type": kind, "tables": tables, **more})
    return made


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(JSON), sink)
    return sink.getvalue()


def landed_messages(source: Source[Any]) -> bytes:
    chunk = Chunk(source.tables["o"], "o", None)
    for number, record in enumerate([*JSON, None]):
        value = None if record is None else json.dumps(record).encode()
        chunk.add(Message("0", number, 1_709_251_200_000, b"1", value))
    return chunk.data()


def extracted(form: Callable[[Any], Any]) -> bytes:
    return "".join(json.dumps({"type": "RECORD", **form(record)}) + "\n" for record in JSON).encode()


MOMENT = {"type": "timestamp", "path": ["at", "@timestamp"]}
KEYED = {"id": {"path": ["id", "@key"]}, "at": MOMENT, "other": {}}
OF_KEYED = INSIDE["columns"] | {"at": {"type": "timestamp", "path": ["../at", "@timestamp"]}}
KINDS: dict[str, tuple[Source[Any], Callable[[Source[Any]], bytes]]] = {
    "json": (
        made_of("json", {"files": "*"}, {"files": "*", "records": "lines"}, path="x"),
        lambda _: json.dumps(JSON).encode(),
    ),
    "parquet": (made_of("parquet", {"files": "*"}, {"files": "*", "records": "lines"}, path="x"), lambda _: parquet()),
    "xml": (made_of("xml", {"record": "/a/o"}, {"record": "/a/o/l"}, path="x"), lambda _: XML),
    "rest": (
        made_of("rest", {"endpoint": "o"}, {"endpoint": "o", "records": "data.lines"}, url="http://x"),
        lambda _: json.dumps({"data": JSON}).encode(),
    ),
    "kafka": (
        made_of(
            "kafka",
            {"topic": "o", "columns": KEYED},
            {"topic": "o", "columns": OF_KEYED, "records": "lines"},
            brokers="b:1",
        ),
        landed_messages,
    ),
    "singer": (
        made_of("singer", {}, {"stream": "o", "records": "lines"}, command=["tap"]),
        lambda _: extracted(lambda record: {"stream": "o", "record": record}),
    ),
    "airbyte": (
        made_of("airbyte", {}, {"stream": "o", "records": "lines"}, command=["source"]),
        lambda _: extracted(lambda record: {"record": {"stream": "o", "data": record, "emitted_at": 1}}),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_source_tells_the_versions_of_the_records_around(kind: str, tmp_path: Path) -> None:
    source, data = KINDS[kind]
    rows = parsed(telling(source, "t"), blob(tmp_path, data(source)), "o")
    assert all("no" not in row and "other" not in row for row in rows)
    wanted = [("1", "2024-01-01"), ("2", "2024-01-02")]
    # a message without a value ends the record of its key
    wanted += [("1", "2024-03-01")] if kind == "kafka" else []
    assert [(row["id"], f"{row['at']:%Y-%m-%d}") for row in rows] == wanted


@pytest.mark.parametrize(
    ("around", "inside", "problem"),
    [
        ({}, {"parts_of": "t"}, "its records are inside those of `o`"),
        ({}, {"parts_of": "other"}, "cannot have `parts_of: other`: its records are inside those of `o`"),
        ({}, {"files": "else*"}, "its records are not inside those of another table"),
        ({"unique": []}, {}, "that table needs `unique`"),
        ({}, {"columns": INSIDE["columns"] | {"day": {"type": "date"}}, "known": "day"}, "a column of its own `day`"),
        ({"unique": ["id", "other"]}, {}, r"by the same names: `other: \{path: \.\./other\}`"),
        ({}, {"unique": []}, "`parts_of` needs `unique`"),
        ({}, {"known": "landed"}, "a column as `known`"),
    ],
)
def test_parts_that_cannot_be_told_are_a_project_error(
    around: dict[str, Any], inside: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        made_of("json", {"files": "*", **around}, {"files": "*", "records": "lines", **inside}, path="x")
