"""What is gone in the source is gone from a table, counted, the same in one reading and layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.conftest import Examples
from tests.sources.objects import blob

from potable.contracts.deletions import Lists, deleted_schema
from potable.contracts.validate import (
    Contract,
    Places,
    Standing,
    Validated,
    quarantine_schema,
    validate,
    validated_schema,
)
from potable.engines.base import Engine, collect
from potable.sources.groups import schema
from potable.sources.messages import Chunk, Message
from potable.sources.onwards import IncrementalTable
from potable.sources.streams import StreamSource, StreamTable
from potable.sources.typed import typed
from potable.tables import BATCH, Table

COLUMNS = {
    "id": {"type": "string", "category": "none"},
    "at": {"type": "date", "category": "none"},
    "gone": {"type": "boolean", "category": "none"},
    "pay": {"type": "integer", "required": True, "category": "none"},
}
DECLARED = {"columns": COLUMNS, "unique": ["id"], "time": "at", "known": "at", "deleted": "gone"}
TABLE = Table.model_validate(DECLARED)
READ_ON = IncrementalTable.model_validate({**DECLARED, "incremental": {"column": "at"}})
Row = tuple[str | None, int | None, bool, bool]
"""Key, day it became known, whether it marks a deletion, whether it breaks the contract."""
Outcome = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Batch:
    number: int
    files: Sequence[Sequence[Row]]
    keys: Sequence[str] | None = None
    """All keys the source had, where they were read."""


@dataclass
class Layers:
    """A table judged layer by layer."""

    engine: Engine
    folder: Path
    table: Table = TABLE
    standing: Standing = field(default_factory=Standing)
    paths: dict[str, list[str]] = field(default_factory=lambda: {"rows": [], "quarantine": [], "deleted": []})

    def judge(self, batches: Sequence[Batch]) -> Validated:
        place = self.folder / f"layer-{batches[0].number}"
        items = [
            typed(TABLE, _texts(rows), f"file-{batch.number}-{number}").append_column(
                BATCH, pa.array([batch.number] * len(rows), pa.int64())
            )
            for batch in batches
            for number, rows in enumerate(batch.files)
        ]
        parsed = self.engine.map_items(items, _one, schema(TABLE))
        lists = [batch for batch in batches if batch.keys is not None]
        listed = None
        if lists:
            shape = pa.schema([("id", pa.string()), (BATCH, pa.int64())])
            rows = [(key, batch.number) for batch in lists for key in batch.keys or ()]
            table = pa.record_batch([pa.array(cells) for cells in zip(*rows, strict=True)], schema=shape)
            parts = self.engine.write(self.engine.map_items([table], _one, shape), f"{place}/listed")
            listed = self.engine.read([f"{place}/listed/{part.path}" for part in parts], shape)
        made = validate(
            parsed,
            Contract("hr.people", self.table, []),
            engine=self.engine,
            places=Places(str(place), str(place)),
            standing=self.standing,
            lists=Lists(listed),
        )
        if made.rewritten:
            self.paths["rows"] = []
        for output, paths in self.paths.items():
            paths += [f"{place}/{output}/{part.path}" for part in getattr(made, output)]
        self.standing = Standing(
            self.paths["rows"],
            made.rows_out,
            made.rows_quarantined,
            made.totals,
            deleted_files=self.paths["deleted"],
            deleted=made.rows_deleted,
        )
        assert made.rows_in == made.rows_out + made.rows_quarantined + made.rows_deleted
        return made

    def outcome(self) -> Outcome:
        shapes = {
            "rows": validated_schema(TABLE),
            "quarantine": quarantine_schema(TABLE),
            "deleted": deleted_schema(TABLE),
        }
        more = {"rows": (), "quarantine": ("_reasons",), "deleted": ("_reasons", BATCH)}
        return {
            output: sorted(
                (row["_object"], row["_row"], row["id"] or "", *(row[name] for name in more[output]))
                for row in collect(self.engine, self.engine.read(paths, shapes[output])).to_pylist()
            )
            for output, paths in self.paths.items()
        }


def _one(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    return [batch]


def _texts(rows: Sequence[Row]) -> dict[str, pa.StringArray]:
    cells = {
        "id": [key for key, _, _, _ in rows],
        "at": [None if day is None else f"2024-01-{day:02d}" for _, day, _, _ in rows],
        "gone": [str(gone).lower() for _, _, gone, _ in rows],
        "pay": [None if bad else "1" for _, _, _, bad in rows],
    }
    return {name: pa.array(values, pa.string()) for name, values in cells.items()}


def naive(batches: Sequence[Batch], table: Table) -> Outcome:
    """The slow and obvious way: every record against every other."""
    records = [
        (batch.number, f"file-{batch.number}-{number}", row, *cells)
        for batch in batches
        for number, rows in enumerate(batch.files)
        for row, cells in enumerate(rows, 1)
    ]
    marks = [record for record in records if record[5] and record[3] is not None]
    out: Outcome = {"rows": [], "quarantine": [], "deleted": []}
    met: dict[tuple[str, int | None], tuple[Any, ...]] = {}
    for number, name, row, key, day, gone, bad in records:
        place = (name, row, key or "")
        if gone:
            lost = (*place, "deletion_without_key;")
            out["quarantine"] += [lost] if key is None else []
            out["deleted"] += [] if key is None else [(*place, "tombstone", number)]
            continue
        if bad:
            out["quarantine"].append((*place, "missing:pay;"))
            continue
        here = (number, name, row)
        same = [
            (batch, at, line)
            for batch, at, line, marked, when, _, _ in marks
            if marked == key and (when is None or day is None or when == day)
        ]
        if key is not None:
            before = met.get((key, day))
            met[key, day] = here
            alike = before is not None and (before[0] == number or not table.landed_in_order)
            if alike and not any(before < mark < here for mark in same):
                out["quarantine"].append((*place, "duplicate;"))
                continue
        since = [(max(mark[0], number), "ended") for mark in same if mark > here]
        since += [
            (max(batch, number), "deleted")
            for batch, at, line, marked, when, _, _ in marks
            if marked == key and (batch, at, line) not in same and when > day
        ]
        since += [
            (batch.number, "deleted")
            for batch in batches
            if batch.keys is not None and key is not None and batch.number >= number and key not in batch.keys
        ]
        since += [
            (batch, "deleted")
            for batch, _, _, other, when, marks_end, broken in records
            if table.landed_in_order and batch > number and (other, when) == (key, day) and not (marks_end or broken)
            if key is not None
        ]
        if since:
            first = min(batch for batch, _ in since)
            out["deleted"].append((*place, "ended" if (first, "ended") in since else "deleted", first))
        else:
            out["rows"].append(place)
    return {output: sorted(rows) for output, rows in out.items()}


KEYS = st.sampled_from(["a", "b", "c"])
ROWS = st.tuples(st.none() | KEYS, st.none() | st.integers(1, 3), st.booleans(), st.sampled_from([False] * 4 + [True]))
BATCHES = st.lists(
    st.tuples(st.lists(st.lists(ROWS, max_size=4), min_size=1, max_size=2), st.none() | st.sets(KEYS, min_size=1)),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("table", [TABLE, READ_ON], ids=["first-stays", "read-on"])
@pytest.mark.long_on_spark
def test_one_reading_layers_and_a_naive_reading_agree(
    table: Table, engine: Engine, tmp_path_factory: pytest.TempPathFactory, examples: Examples
) -> None:
    @settings(max_examples=examples(engine, 5), deadline=None)
    @given(BATCHES, st.integers(0, 3))
    def holds(drawn: list[tuple[list[list[Row]], set[str] | None]], cut: int) -> None:
        batches = [
            Batch(number, files, None if keys is None else sorted(keys))
            for number, (files, keys) in enumerate(drawn, 1)
        ]
        whole, layers = (Layers(engine, tmp_path_factory.mktemp(name), table) for name in ("whole", "layers"))
        totals = whole.judge(batches).totals
        for part in filter(None, (batches[: cut + 1], batches[cut + 1 :])):
            found = layers.judge(part).totals
        assert whole.outcome() == layers.outcome() == naive(batches, table)
        assert totals == found

    holds()


@pytest.mark.long_on_spark
def test_a_marked_record_takes_its_earlier_versions_with_it_and_a_later_one_stays(
    engine: Engine, tmp_path: Path
) -> None:
    table = Layers(engine, tmp_path)
    table.judge([Batch(1, [[("a", 1, False, False), ("b", 1, False, False)]])])
    made = table.judge([Batch(2, [[("a", 2, True, True)]])])
    assert (made.rows_in, made.rows_out, made.rows_quarantined, made.rows_deleted) == (3, 1, 0, 2)
    table.judge([Batch(3, [[("a", 3, False, False)]])])
    assert table.outcome()["rows"] == [("file-1-0", 2, "b"), ("file-3-0", 1, "a")]


@pytest.mark.parametrize("cuts", [[5], [1, 4], [2, 3], [1, 1, 1, 2]])
@pytest.mark.long_on_spark
def test_what_comes_again_after_its_deletion_with_its_old_time_is_there(
    engine: Engine, tmp_path: Path, cuts: list[int]
) -> None:
    told = [[("a", 1, False, False)], [("a", None, True, True)], [("a", 1, False, False)], [("a", 1, False, False)]]
    batches = [Batch(number, [rows]) for number, rows in enumerate([*told, [("b", 1, False, False)]], 1)]
    table = Layers(engine, tmp_path)
    for cut in cuts:
        table.judge(batches[:cut])
        batches = batches[cut:]
    assert table.outcome() == {
        "rows": [("file-3-0", 1, "a"), ("file-5-0", 1, "b")],
        "quarantine": [("file-4-0", 1, "a", "duplicate;")],
        "deleted": [("file-1-0", 1, "a", "ended", 2), ("file-2-0", 1, "a", "tombstone", 2)],
    }


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"deleted": "left"}, "column `left` is not declared"),
        ({"deleted": "pay"}, "needs a column of type boolean or date or timestamp"),
        ({"deleted": "gone = D"}, "needs a column of type string"),
        ({"unique": []}, "needs `unique`"),
        ({"known": "landed"}, "needs `unique`"),
    ],
)
def test_a_mark_that_cannot_tell_is_a_project_error(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Table.model_validate({**TABLE.model_dump(exclude_unset=True), **changes})


@pytest.mark.parametrize(
    ("mark", "kind", "cells", "gone"),
    [
        ("gone", "timestamp", ["2024-01-05 10:00:00", None], [True, False]),
        ("gone", "date", [None, "2024-01-05"], [False, True]),
        ("gone = D", "string", ["D", "U", "d"], [True, False, False]),
        ("gone", "boolean", ["true", "0", None], [True, False, False]),
    ],
)
@pytest.mark.long_on_spark
def test_a_mark_is_a_truth_a_time_or_a_word(
    engine: Engine, tmp_path: Path, mark: str, kind: str, cells: list[str | None], gone: list[bool]
) -> None:
    columns = {"id": {}, "at": {"type": "date"}, "gone": {"type": kind}}
    table = Table.model_validate({"columns": columns, "unique": ["id"], "time": "at", "known": "at", "deleted": mark})
    texts = {"id": pa.array([str(n) for n in range(len(cells))]), "gone": pa.array(cells, pa.string())}
    batch = typed(table, texts, "f").append_column(BATCH, pa.array([1] * len(cells)))
    parsed = engine.map_items([batch], _one, schema(table))
    places = Places(str(tmp_path), str(tmp_path))
    made = validate(parsed, Contract("hr.people", table, []), engine=engine, places=places)
    assert (made.rows_out, made.rows_deleted) == (gone.count(False), gone.count(True))


@pytest.mark.long_on_spark
def test_a_message_without_a_value_deletes_what_its_key_said_before(engine: Engine, tmp_path: Path) -> None:
    columns = {
        "id": {"path": ["id", "@key"]},
        "pay": {"type": "integer", "required": True},
        "at": {"path": "@timestamp", "type": "timestamp"},
        "gone": {"path": "@deleted", "type": "boolean"},
    }
    declared = {"columns": columns, "unique": ["id"], "time": "at", "known": "at", "deleted": "gone"}
    table = StreamTable.model_validate(declared)
    source = StreamSource.model_construct(source="s", type="kafka", tables={"people": table})
    chunk = Chunk(table, "people", None)
    values = [(b"a", b'{"id": "a", "pay": 1}'), (b"b", b'{"id": "b", "pay": 2}'), (b"a", None), (None, None)]
    for offset, (key, value) in enumerate(values):
        chunk.add(Message("0", offset, 1_700_000_000_000 + 1000 * offset, key, value))
    batches = [
        batch.append_column(BATCH, pa.array([1] * batch.num_rows, pa.int64()))
        for batch in source.parse("people", blob(tmp_path, chunk.data()))
    ]
    parsed = engine.map_items(batches, _one, schema(table))
    places = Places(str(tmp_path / "made"), str(tmp_path / "made"))
    made = validate(parsed, Contract("hr.people", table, []), engine=engine, places=places)
    assert (made.rows_out, made.rows_deleted, dict(made.reasons)) == (1, 2, {"deletion_without_key": 1})
