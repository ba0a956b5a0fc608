"""Keys that were given to somebody else: whose a record is, its time says."""

from __future__ import annotations

from datetime import date, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from potable.engines.base import Engine, collect
from potable.identity.match import normalise
from potable.identity.reissued import HELD
from potable.identity.resolve import KEYS
from potable.privacy.roster import SUBJECT_ID, Held, with_subject
from potable.tables import WHICH, Table

CALLS = Table.model_validate(
    {
        "columns": {"phone": {"key": "phone"}, "no": {"key": "no"}, "at": {"type": "timestamp"}},
        "time": "at",
        "unique": ["phone", "at"],
    }
)
SINCE, UNTIL = datetime(2020, 1, 1), datetime(2021, 1, 1)
SPANS = [
    ("777", "ann", 16384, SINCE, UNTIL),
    ("777", "bob", 16384, UNTIL, datetime(9999, 12, 31)),
    ("888", "ann", 16385, SINCE, UNTIL),
    # for a month two have it: it is of the one who got it last
    ("888", "bob", 16385, datetime(2020, 12, 1), datetime(2022, 1, 1)),
    ("999", "ann", 16386, SINCE, UNTIL),
    ("999", "bob", 16386, SINCE, UNTIL),
]


def told(spans: list[tuple[Any, ...]], phone: str | None, no: str | None, at: datetime | None) -> str | None:
    """Slow and obvious."""
    if phone == "111":
        return "cat"
    if no:
        return "dan"
    then = [span for span in spans if at and span[0] == phone and span[3] <= at < span[4]]
    newest = {span[1] for span in then if span[3] == max(each[3] for each in then)}
    return newest.pop() if len(newest) == 1 else None


@pytest.mark.parametrize("dated", ["timestamp", "date"])
def test_a_record_is_about_who_had_the_key_then(engine: Engine, tmp_path: Path, dated: str) -> None:
    moments = [
        None,
        SINCE,
        datetime(2019, 12, 31),
        datetime(2020, 12, 15),
        datetime(2020, 12, 31),
        UNTIL,
        datetime(2030, 1, 1),
    ]
    if dated == "timestamp":
        moments += [datetime(2020, 12, 31, 23, 59, 59, 999_999)]
    rows = list(product([None, "777", " 777", "888", "999", "111", "000"], [None, "D1"], moments))
    table = CALLS.model_copy(
        update={"columns": {**CALLS.columns, "at": CALLS.columns["at"].model_copy(update={"type": dated})}}
    )
    data = [{"phone": phone, "no": no, "at": at.date() if at and dated == "date" else at} for phone, no, at in rows]
    calls = stored(engine, tmp_path / "calls.parquet", pa.Table.from_pylist(data, schema=table.schema))
    keys = [("phone", "111", "cat", True), ("no", "D1", "dan", True)]
    known = stored(
        engine,
        tmp_path / "keys.parquet",
        pa.Table.from_pylist([dict(zip(KEYS.names, key, strict=True)) for key in keys], schema=KEYS),
    )
    spans = [dict(zip(HELD.names, ("phone", *span), strict=True)) for span in SPANS]
    lent = Held(
        stored(engine, tmp_path / "held.parquet", pa.Table.from_pylist(spans, schema=HELD)), frozenset(["phone"])
    )
    found = collect(engine, with_subject(calls, table, known, normalise=normalise, held=lent, which=True)).to_pylist()
    assert len(found) == len(rows)
    for row in found:
        at = datetime(*row["at"].timetuple()[:3]) if type(row["at"]) is date else row["at"]
        phone = row["phone"] and row["phone"].strip()
        assert row[SUBJECT_ID] == told(SPANS, phone, row["no"], at), row
    # two numbers of one person tell her calls apart
    of_ann = {row["phone"]: row[WHICH] for row in found if row[SUBJECT_ID] == "ann"}
    assert of_ann["777"] == of_ann[" 777"] != of_ann["888"]


def stored(engine: Engine, path: Path, table: pa.Table) -> Any:
    pq.write_table(table, path)
    return engine.read([str(path)], table.schema)
