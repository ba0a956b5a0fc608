"""Who somebody is now: the newest record of a table, as slow and obvious Python finds it, on every engine."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Examples

from potable.contracts.validate import validated_schema
from potable.engines.base import Engine, rows_of
from potable.identity.match import normalise
from potable.identity.reissued import HELD
from potable.identity.resolve import KEYS
from potable.privacy.identify import Known, current, read
from potable.privacy.roster import SUBJECT_ID, Held
from potable.tables import Table

NOW = datetime(2024, 6, 1)
COLUMNS: dict[str, Any] = {
    "no": {"key": "emp_no"},
    "mail": {"category": "user.contact.email"},
    "since": {"type": "date", "category": "none"},
    "seen": {"type": "date", "category": "none"},
    "place": {"type": "integer", "category": "none"},
}
HISTORY = Table.model_validate(
    {"columns": COLUMNS, "time": "since", "known": "seen", "order": "place", "unique": ["no", "since"]}
)
STATE = Table.model_validate({"columns": COLUMNS, "order": "place", "roster": "employee"})
NUMBERS = {"A1": "ann", "A2": "ann", "B1": "bob", "C1": "cyd", "D1": None}
KEY_ROWS = [("emp_no", number, whose or "dan", whose is not None) for number, whose in NUMBERS.items()]
Row = tuple[str | None, str | None, date | None, date | None, int | None]

days = st.none() | st.sampled_from([date(2020, 1, 1), date(2023, 5, 5), date(2024, 6, 1), date(2025, 1, 1)])
record = st.tuples(
    st.none() | st.sampled_from([*NUMBERS, " a1", "X9"]),
    st.none() | st.sampled_from(["one@x", "two@x", "three@x"]),
    days,
    days,
    st.none() | st.integers(0, 2),
)


def told(engine: Engine, folder: Path, table: Table, rows: Sequence[Row], held: Held | None = None) -> dict[str, Any]:
    """What the engine says of each person."""
    objects = [f"o{at % 2}" for at in range(len(rows))]
    columns = [*(list(column) for column in zip(*rows, strict=True)), objects, list(range(len(rows)))]
    schema = validated_schema(table)
    names = read(table, ["mail"])
    made = pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )
    pq.write_table(made, folder / "rows.parquet")
    keys = pa.table(
        [pa.array(column, field.type) for column, field in zip(zip(*KEY_ROWS, strict=True), KEYS, strict=True)],
        schema=KEYS,
    )
    pq.write_table(keys, folder / "keys.parquet")
    relation = engine.read([str(folder / "rows.parquet")], pa.schema([schema.field(name) for name in names]))
    known = Known(engine.read([str(folder / "keys.parquet")], KEYS), normalise, held)
    found = rows_of(engine, current(relation, table, ["mail"], known, NOW))
    assert len({row[SUBJECT_ID] for row in found}) == len(found)
    return {row[SUBJECT_ID]: row["mail"] for row in found}


def expected(table: Table, rows: Sequence[Row]) -> dict[str, Any]:
    """The same, one record after the other."""
    low, far = date.min, -1
    records = []
    for at, (number, mail, since, seen, place) in enumerate(rows):
        whose = NUMBERS.get((number or "").strip().upper())
        if whose:
            order = (place if place is not None else far, f"o{at % 2}", at)
            records.append((whose, number, mail, since, seen or low, order))
    if table.time:
        newest: dict[Any, Any] = {}
        for one in records:
            version = (one[0], one[1], one[3])
            if version not in newest or (one[4], one[5]) > (newest[version][4], newest[version][5]):
                newest[version] = one
        records = [one for one in newest.values() if one[3] is None or one[3] <= NOW.date()]
    found: dict[str, Any] = {}
    for one in sorted(records, key=lambda one: ((one[3] or low, one[4]) if table.time else (), one[5])):
        found[one[0]] = one[2]
    return found


def test_the_newest_record_counts_as_python_finds_it(engine: Engine, examples: Examples) -> None:
    @settings(max_examples=examples(engine, 60))
    @given(st.sampled_from([HISTORY, STATE]), st.lists(record, min_size=1, max_size=12))
    def holds(table: Table, rows: list[Row]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            assert told(engine, Path(folder), table, rows) == expected(table, rows)

    holds()


def test_a_number_of_several_people_is_whose_it_was_then(engine: Engine, tmp_path: Path) -> None:
    spans = [
        ("phone", "7", "ann", 1, datetime(2000, 1, 1), datetime(2022, 1, 1)),
        ("phone", "7", "bob", 1, datetime(2022, 1, 1), datetime(9999, 1, 1)),
    ]
    lent = pa.table(
        [pa.array(column, field.type) for column, field in zip(zip(*spans, strict=True), HELD, strict=True)],
        schema=HELD,
    )
    pq.write_table(lent, tmp_path / "held.parquet")
    held = Held(engine.read([str(tmp_path / "held.parquet")], HELD), frozenset({"phone"}))
    table = Table.model_validate({"columns": {**COLUMNS, "no": {"key": "phone"}}, "time": "since", "known": "seen"})
    then, later = date(2020, 1, 1), date(2023, 5, 5)
    found = told(engine, tmp_path, table, [("7", "one@x", then, then, 0), ("7", "two@x", later, later, 0)], held)
    assert found == {"ann": "one@x", "bob": "two@x"}
