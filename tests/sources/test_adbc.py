"""Any ADBC driver: typed values become the same texts, whichever driver they come by."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from tests.sources.objects import SECRET, values
from tests.sources.test_sql import arrivals, rows, source

from potable.errors import EnvironmentFailure
from potable.sources.databases import adbc


@pytest.fixture
def database(tmp_path: Path) -> str:
    pytest.importorskip("adbc_driver_sqlite", reason="adbc-driver-sqlite is not installed")
    with closing(sqlite3.connect(tmp_path / "hr.db")) as connection, connection:
        connection.execute("CREATE TABLE people (id INTEGER, name TEXT, rate REAL)")
        connection.executemany(
            "INSERT INTO people VALUES (?, ?, ?)", [(2, "b'", 0.5), (1, "Ünal", None), (3, None, 1e22)]
        )
    return f"adbc+sqlite://{tmp_path}/hr.db"


COLUMNS = {"id": {"type": "integer"}, "name": {}, "rate": {"type": "float"}}


def test_a_driver_by_its_name_reads_what_our_own_reader_reads(database: str, tmp_path: Path) -> None:
    for keys in ({"order_by": ["id"]}, {}, {"query": "SELECT * FROM people"}, {"unique": ["name"]}):
        by_driver = arrivals(source(database, COLUMNS, **keys), tmp_path)
        assert by_driver == arrivals(source(database.replace("adbc+sqlite:/", "sqlite:///"), COLUMNS, **keys), tmp_path)


def test_a_declared_comma_is_of_texts_alone(database: str, tmp_path: Path) -> None:
    columns: dict[str, Any] = {name: {"type": "float", "decimal": ","} for name in ("id", "rate", "name")}
    query = "SELECT id, rate + 0.625 AS rate, '1.125' AS name FROM people WHERE id = 2"
    (found,) = rows(source(database, columns, query=query), tmp_path)
    assert values([found], *columns) == [(2, 1.125, 1125)]


def test_parts_are_read_one_after_the_other(database: str, tmp_path: Path) -> None:
    for column in ("id", "name"):
        made = source(database, COLUMNS, order_by=["id"], partition={"column": column, "parts": 3})
        assert sorted(values(rows(made, tmp_path), "id")) == [1, 2, 3]


@pytest.mark.parametrize(
    ("change", "keys", "code"),
    [
        (("people", "people"), {"table": "nope"}, "E001"),
        (("people", "people"), {"query": f"SELECT '{SECRET}' FROM"}, "E001"),
        (("hr.db", f"no/{SECRET}.db"), {}, "E001"),
        (("adbc+sqlite", "adbc+nope"), {}, "E006"),
    ],
)
def test_what_a_driver_refuses_is_told(
    database: str, tmp_path: Path, change: tuple[str, str], keys: dict[str, str], code: str
) -> None:
    with pytest.raises(EnvironmentFailure) as caught:
        arrivals(source(database.replace(*change), COLUMNS, **keys), tmp_path)
    assert caught.value.code == code
    assert SECRET not in caught.value.text()


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (Decimal("0.0000001000"), pa.decimal128(38, 10), "0.0000001000"),
        (Decimal("-12345678901234567890.5"), pa.decimal256(60, 1), "-12345678901234567890.5"),
        (date(1, 1, 1), pa.date32(), "0001-01-01"),
        (datetime(2020, 1, 31, 10, 0, 0, 500_000), pa.timestamp("ns"), "2020-01-31 10:00:00.500000"),
        (datetime(2020, 1, 31, 8, tzinfo=UTC), pa.timestamp("ms", "Asia/Kolkata"), "2020-01-31 08:00:00+00:00"),
        (time(10, 0, 0, 250_000), pa.time64("ns"), "10:00:00.250000"),
        (True, pa.bool_(), "true"),
        (2**63, pa.uint64(), "9223372036854775808"),
        (b"\x00\xff", pa.large_binary(), "00ff"),
        ("é", pa.large_string(), "é"),
        ([1, None], pa.list_(pa.int64()), "[1, null]"),
        ({"a": Decimal("1.50")}, pa.struct([("a", pa.decimal128(5, 2))]), '{"a": "1.50"}'),
        (UUID(int=1).bytes, pa.uuid(), "00000000-0000-0000-0000-000000000001"),
        (5.0, pa.float32(), "5.0"),
    ],
)
def test_typed_values_become_the_same_texts(value: object, kind: pa.DataType, text: str) -> None:
    assert adbc._canonical(pa.array([value, None], kind)).to_pylist() == [text, None]
