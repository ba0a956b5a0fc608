"""A declared comma is of texts; a number stays what it is, whatever delivers it, record by record."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sources.objects import blob, parsed, values
from tests.sources.test_sql import arrivals

from potable.engines.base import Engine, collect
from potable.plugins import load
from potable.sources.cells import apart, plain
from potable.sources.groups import grouped, parse_group
from potable.sources.groups import schema as landed_schema
from potable.sources.messages import Chunk, Message
from potable.sources.typed import typed
from potable.tables import Table

NUMBERS = [
    "1.125",
    "-0.5",
    "12.5",
    "1125",
    "-3",
    "0",
    "1e3",
    "-2.5E-1",
    "1234567.891",
    "123456789012345678901",
    "1.2345678",
]
TEXTS = ['"1.125"', '"1.125,5"', '"-0,5"', '"12.5"', '"1125"', '"7,25"', '"1e3"', '"x"', '""', '" 2.000,5 "']
OTHERS = ["null", "true", "false"]
MANY = 40
"""Times that some are repeated, so that there are enough for the fast ways."""
Read = Callable[[Path, Sequence[str], dict[str, Any]], list[dict[str, Any]]]


def made(kind: str, columns: dict[str, Any], **keys: Any) -> Any:
    table, source = {}, {}
    for name, value in keys.items():
        (source if name in ("path", "url", "command", "brokers", "registry") else table)[name] = value
    declared = {"source": "s", "type": kind, **source, "tables": {"t": {**table, "columns": columns}}}
    return load("sources", kind).model_validate(declared)


def lines(folder: Path, literals: Sequence[str], columns: dict[str, Any]) -> list[dict[str, Any]]:
    data = "\n".join(f'{{"v":{each}}}' for each in literals)
    return parsed(made("json", columns, path="x"), blob(folder, data.encode()))


def document(folder: Path, literals: Sequence[str], columns: dict[str, Any]) -> list[dict[str, Any]]:
    data = ",\n".join(f'{{"d": {{}}, "v": {each}}}' for each in literals)
    return parsed(made("json", columns, path="x"), blob(folder, f"[{data}]".encode()))


def around(folder: Path, literals: Sequence[str], columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Values of the record around a list."""
    moved = {name: {**column, "path": "../v"} for name, column in columns.items()}
    data = "\n".join(f'{{"v":{each},"l":[{{}}]}}' for each in literals)
    return parsed(made("json", moved, path="x", records="l"), blob(folder, data.encode()))


def page(folder: Path, literals: Sequence[str], columns: dict[str, Any]) -> list[dict[str, Any]]:
    data = ",".join(f'{{"v": {each}}}' for each in literals)
    source = made("rest", columns, url="http://x", endpoint="t")
    return parsed(source, blob(folder, f'{{"data":[{data}]}}'.encode()))


def odd_page(folder: Path, literals: Sequence[str], columns: dict[str, Any]) -> list[dict[str, Any]]:
    """One that the quick reader leaves to the exact one."""
    data = ",".join(['"no object"', *(f'{{"v": {each}}}' for each in literals)])
    source = made("rest", columns, url="http://x", endpoint="t")
    return parsed(source, blob(folder, f'{{"data":[{data}]}}'.encode()))[1:]


def messages(folder: Path, columns: dict[str, Any], found: Sequence[tuple[bytes | None, bytes]], **more: Any) -> Any:
    source = made("kafka", columns, brokers="b:1", topic="t", **more)
    chunk = Chunk(source.tables["t"], "t", None)
    for number, (key, value) in enumerate(found):
        chunk.add(Message("0", number, None, key, value))
    return parsed(source, blob(folder, chunk.data()))


def kafka(folder: Path, literals: Sequence[str], columns: dict[str, Any]) -> list[dict[str, Any]]:
    return list(messages(folder, columns, [(None, f'{{"v":{each}}}'.encode()) for each in literals]))


def keys(folder: Path, literals: Sequence[str], columns: dict[str, Any]) -> list[dict[str, Any]]:
    moved = {name: {**column, "path": "@key.v"} for name, column in columns.items()}
    return list(messages(folder, moved, [(f'{{"v":{each}}}'.encode(), b"{}") for each in literals], key="json"))


def singer(folder: Path, literals: Sequence[str], columns: dict[str, Any]) -> list[dict[str, Any]]:
    data = "".join(f'{{"type":"RECORD","stream":"t","record":{{"v":{each}}}}}\n' for each in literals)
    return parsed(made("singer", columns, command=["tap"]), blob(folder, data.encode()))


def airbyte(folder: Path, literals: Sequence[str], columns: dict[str, Any]) -> list[dict[str, Any]]:
    data = "".join(f'{{"type":"RECORD","record":{{"stream":"t","data":{{"v":{each}}}}}}}\n' for each in literals)
    return parsed(made("airbyte", columns, command=["connector"]), blob(folder, data.encode()))


def workbook(folder: Path, literals: Sequence[str], columns: dict[str, Any]) -> list[dict[str, Any]]:
    book = openpyxl.Workbook()
    book.active.append(["n", "v"])
    for each in literals:
        book.active.append([1, json.loads(each)])
    sink = io.BytesIO()
    book.save(sink)
    return parsed(made("xlsx", columns, path="x"), blob(folder, sink.getvalue()))


def sqlite(folder: Path, literals: Sequence[str], columns: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    cells = [json.loads(each) for each in literals]
    cells = [float(cell) if isinstance(cell, int) and abs(cell) >= 2**63 else cell for cell in cells]
    with closing(sqlite3.connect(folder / "x.db")) as connection, connection:
        connection.execute("DROP TABLE IF EXISTS t")
        connection.execute("CREATE TABLE t (n INTEGER, v)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", list(enumerate(cells)))
    source = made("sql", columns, url=f"sqlite:///{folder}/x.db", order_by=["n"], **more)
    found: list[dict[str, Any]] = []
    for name, data in arrivals(source, folder):
        found += parsed(source, blob(folder / "landed", data, name))
    return found


READERS: dict[str, Read] = {
    each.__name__: each
    for each in (lines, document, around, page, odd_page, kafka, keys, singer, airbyte, workbook, sqlite)
}
COLUMNS: dict[str, Any] = {
    "raw": {"path": "v"},
    "exact": {"path": "v", "type": "decimal(12,3)"},
    "near": {"path": ["w", "v"], "type": "float"},
    "whole": {"path": "v", "type": "integer", "on_error": "null"},
    "cut": {"path": "v", "type": "float", "extract": "([-.,0-9]+)"},
    "none": {"path": "v", "type": "float", "null_values": ["1125"]},
}
COMMA = {name: {**column, "decimal": ","} if name != "raw" else column for name, column in COLUMNS.items()}


def said(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: cell for name, cell in row.items() if name not in ("_row", "_object")} for row in rows]


def of_texts(literals: Sequence[str]) -> list[dict[str, Any]]:
    """What texts mean to columns with a comma."""
    table = Table.model_validate({"columns": COMMA})
    texts = pa.array([json.loads(each) for each in literals], pa.string())
    return said(typed(table, dict.fromkeys(COMMA, texts), "x").to_pylist())


@pytest.mark.parametrize("times", [1, MANY], ids=["few", "many"])
@pytest.mark.parametrize(
    "literals",
    [NUMBERS, TEXTS, [*NUMBERS, "null"], [*NUMBERS, *OTHERS, *TEXTS]],
    ids=["numbers", "texts", "numbers and null", "mixed"],
)
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_comma_is_of_texts_alone(tmp_path: Path, read: Read, literals: list[str], times: int) -> None:
    asked = [each for each in literals for _ in range(times)]
    if read is workbook:
        # a row of nothing is no record in a sheet, and openpyxl writes a text without signs as nothing
        asked = [each for each in asked if each not in ('""', "null")]
    found, without = said(read(tmp_path, asked, COMMA)), said(read(tmp_path, asked, COLUMNS))
    texts = iter(of_texts([each for each in asked if each.startswith('"')]))
    want = [next(texts) if each.startswith('"') else other for each, other in zip(asked, without, strict=True)]
    assert found == want
    numbers = {each: row for each, row in zip(asked, found, strict=True) if not each.startswith('"')}
    assert "1.125" not in numbers or numbers["1.125"]["exact"] == Decimal("1.125")


def test_numbers_of_avro_are_themselves(tmp_path: Path) -> None:
    fastavro = pytest.importorskip("fastavro", reason="fastavro is not installed")
    exact = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3}
    schema = {
        "type": "record",
        "name": "r",
        "fields": [{"name": "v", "type": ["null", "string", "long", "double", exact]}],
    }
    columns = {"v": {"type": "decimal(12,3)", "decimal": ","}, "t": {"path": "v"}}
    source = made("kafka", columns, brokers="b:1", topic="t", value="avro", registry={"url": "http://x"})
    chunk = Chunk(source.tables["t"], "t", lambda form, number: [json.dumps(schema)])
    for number, value in enumerate(("1.125", "1.125,5", 1.125, 1125, Decimal("1.125"), None)):
        sink = io.BytesIO()
        fastavro.schemaless_writer(sink, fastavro.parse_schema(schema), {"v": value})
        chunk.add(Message("0", number, None, None, b"\0\0\0\0\1" + sink.getvalue()))
    rows = parsed(source, blob(tmp_path, chunk.data()))
    assert values(rows, "v") == [1125, Decimal("1125.5"), Decimal("1.125"), 1125, Decimal("1.125"), None]
    assert values(rows, "t") == ["1.125", "1.125,5", "1.125", "1125", "1.125", None]


def test_numbers_of_protobuf_are_themselves() -> None:
    pytest.importorskip("google.protobuf", reason="protobuf is not installed")
    from tests.sources.test_protobuf import ALL, AT, DEFINITIONS, framed

    from potable.sources.cells import Number
    from potable.sources.protobuf import decoder

    decode = decoder(DEFINITIONS, Number)
    assert decode
    found = decode(framed(ALL(real=1.125, text="1.125", whole=7), *AT))
    assert (type(found["real"]), type(found["text"]), type(found["whole"])) == (Number, str, Number)


def test_nothing_else_lands_where_no_comma_is_declared(tmp_path: Path) -> None:
    """What a database gives lands with its numbers told apart only where that means something."""
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection, connection:
        connection.execute("CREATE TABLE t (v, w)")
        connection.execute("INSERT INTO t VALUES (1.125, 'x'), ('1.125', NULL)")
    url = f"sqlite:///{tmp_path}/x.db"
    signs: list[dict[str, str]] = [{}, {"decimal": ","}]
    columns = ({"v": {"type": "float", **sign}, "w": {}} for sign in signs)
    plain_, comma = (made("sql", each, url=url, order_by=["w"]) for each in columns)
    (before,), (after,) = arrivals(plain_, tmp_path), arrivals(comma, tmp_path)
    landed = pq.read_table(io.BytesIO(before[1])).schema
    assert landed == pa.schema([("v", pa.string()), ("w", pa.string())])
    # an object landed before is read as texts, until the table lands again
    assert values(parsed(comma, blob(tmp_path, before[1])), "v") == [1125.0, 1125.0]
    held = blob(tmp_path, after[1], "after")
    assert values(parsed(comma, held), "v", "w") == [(1125.0, None), (1.125, "x")]
    assert values(parsed(plain_, held), "v", "w") == [(1.125, None), (1.125, "x")]
    assert list(comma.observe("t", held) or ()) == ["v", "w"]
    assert json.loads(comma.record("t", held, 2)) == {"v": "1.125", "w": "x"}


@given(st.lists(st.tuples(st.none() | st.text(max_size=3), st.booleans()), max_size=6))
def test_what_is_told_apart_is_still_there(cells: list[tuple[str | None, bool]]) -> None:
    texts = pa.array([text for text, _ in cells], pa.string())
    told = apart(texts, [number for _, number in cells])
    assert plain(told).equals(texts) and plain(texts) is texts
    assert told.is_null().equals(texts.is_null())


def test_engines_read_the_same(engine: Engine, tmp_path: Path) -> None:
    literals = ["1.125", '"1.125"', '"1.125,5"', "-0.5", "null", "true"]
    source = made("json", {"v": {"type": "decimal(12,3)", "decimal": ","}}, path="x")
    held = blob(tmp_path, "\n".join(f'{{"v":{each}}}' for each in literals).encode())
    schema = landed_schema(source.tables["t"])
    found = collect(
        engine, engine.map_items(list(grouped([held])), partial(parse_group, source, "t"), schema)
    ).to_pylist()
    rows = sorted(found, key=lambda row: int(row["_row"]))
    assert values(rows, "v") == [Decimal("1.125"), 1125, Decimal("1125.5"), Decimal("-0.5"), None, None]
    assert values(rows, "_unparsed")[-2:] == [None, '{"v": "true"}']
