"""The roster of identifiers: bounded in memory however many tables name people."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from potable.engines import duckdb
from potable.engines.base import Engine, collect
from potable.identity.match import normalise
from potable.identity.resolve import KEYS
from potable.privacy import roster
from potable.tables import Table

TABLE = Table.model_validate(
    {
        "columns": {
            "emp_no": {"key": "emp_no"},
            "email": {"key": "email", "category": "user.contact.email"},
            "first_name": {"category": "user.name.first"},
            "last_name": {"category": "user.name.last"},
            "national_id": {"key": "national_id", "category": "user.government_id"},
        }
    }
)
PEOPLE, TABLES = 3_000, 12


def test_many_tables_with_the_same_keys_need_no_more_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A join per table and key held each of its keys at once, which a project of a few dozen tables did not survive."""
    monkeypatch.setattr(duckdb, "LEAST_BYTES", 48 << 20)
    engine: Engine = duckdb.DuckDBEngine(memory=96 << 20, threads=2, scratch=tmp_path / "scratch")
    known = [
        {"emp_no": f"E{n:06}", "email": f"p{n}@corp.example", "first_name": f"F{n % 100}", "last_name": f"L{n % 700}"}
        | {"national_id": f"2341{n:08}"}
        for n in range(PEOPLE)
    ]
    keys = [
        {"namespace": namespace, "value": person[namespace].lower(), "subject": f"s{n}", "rostered": True}
        for n, person in enumerate(known)
        for namespace in ("emp_no", "email", "national_id")
    ]
    pq.write_table(pa.Table.from_pylist(known), tmp_path / "people.parquet")
    pq.write_table(pa.Table.from_pylist(keys, schema=KEYS), tmp_path / "keys.parquet")
    schema = pa.schema([(name, pa.string()) for name in TABLE.columns])
    tables = {f"t{number}": TABLE for number in range(TABLES)}
    rows = {name: [engine.read([str(tmp_path / "people.parquet")], schema)] for name in tables}
    ledger = engine.read([str(tmp_path / "keys.parquet")], KEYS)
    try:
        found = roster.identifiers(tables, rows, ledger, normalise=normalise)
        assert found is not None
        parts = engine.write(found, str(tmp_path / "roster"))
        written = engine.read([str(tmp_path / "roster" / part.path) for part in parts], roster.schema())
        counted = collect(engine, written.group_by("kind").agg(n=written.count(), whose=written.subject.nunique()))
    finally:
        engine.close()
    assert {row["kind"]: (row["n"], row["whose"]) for row in counted.to_pylist()} == {
        "email": (PEOPLE, PEOPLE),
        "full_name": (2 * PEOPLE, PEOPLE),
        "id": (2 * PEOPLE, PEOPLE),
        "name": (2 * PEOPLE, PEOPLE),
    }


CALLED = [
    ("Priya Lakshmi", "Venkataraman", {"Priya Venkataraman", "Lakshmi Venkataraman", "Venkataraman Priya"}),
    ("José María", "García-López de la Vega", {"José García", "María García-López de la Vega", "García José"}),
    ("Pieter", "van den Berg", {"Pieter Berg"}),
    ("Grace M.", "Young", {"Grace Young"}),
    ("Bo", "Li", set()),
    ("", "Suharto", {"Suharto"}),
]


def test_who_has_several_names_is_called_by_one_of_them(engine: Engine, tmp_path: Path) -> None:
    """Others write `Priya Venkataraman` of Priya Lakshmi; a full name in one column has a first and a last word."""
    table = Table.model_validate(
        {
            "columns": {
                "emp_no": {"key": "emp_no"},
                "first": {"category": "user.name.first"},
                "last": {"category": "user.name.last"},
                "known_as": {"category": "user.name"},
            }
        }
    )
    rows = [{"emp_no": f"E10{n}", "first": first, "last": last} for n, (first, last, _) in enumerate(CALLED)]
    rows[0]["known_as"] = "Dr. Priya Lakshmi Venkataraman"
    keys = [{"namespace": "emp_no", "value": row["emp_no"], "subject": row["emp_no"], "rostered": True} for row in rows]
    schema = pa.schema([(name, pa.string()) for name in table.columns])
    for name, listed, of in (("rows", rows, schema), ("keys", keys, KEYS)):
        pq.write_table(pa.Table.from_pylist(listed, schema=of), tmp_path / f"{name}.parquet")
    read = (engine.read([str(tmp_path / f"{name}.parquet")], of) for name, of in (("rows", schema), ("keys", KEYS)))
    given, ledger = read
    found = roster.identifiers({"t": table}, {"t": [given]}, ledger, normalise=normalise)
    assert found is not None
    whose: dict[str, set[str]] = {}
    for row in collect(engine, found.filter(found.kind == "full_name")).to_pylist():
        whose.setdefault(row["subject"], set()).add(row["value"])
    for number, (first, last, called) in enumerate(CALLED):
        assert whose[f"E10{number}"] >= called | {f"{first} {last}".strip()}
    assert whose["E104"] == {"Bo Li", "Li Bo"}
    assert not any(value.endswith(" van") or "\x1f" in value for values in whose.values() for value in values)
