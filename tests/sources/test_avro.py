"""Values of Avro have the digits that were written, whatever their schema says beside."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

fastavro = pytest.importorskip("fastavro", reason="fastavro is not installed")

from potable.sources import avro  # noqa: E402
from potable.sources.avro import decoder  # noqa: E402
from potable.sources.cells import Number  # noqa: E402


def record(kind: Any, **field: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": [{"name": "a", "type": kind, **field}]}


def written(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(json.dumps(schema))), {"a": value})
    return out.getvalue()


def read(schema: Any, data: bytes) -> Any:
    decode = decoder([json.dumps(schema)], Number)
    assert decode
    return decode(data)["a"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(19.99, "19.99"), (0.1, "0.1"), (16777216.0, "16777216"), (1e-7, "0.0000001"), (float("nan"), "NaN")],
)
def test_a_number_of_single_precision_has_its_own_digits(value: float, text: str) -> None:
    for kind, given_, told in (
        ("float", value, text),
        ({"type": "float"}, value, text),
        (["null", "float"], value, text),
        ({"type": "array", "items": "float"}, [value], [text]),
        ({"type": "map", "values": "float"}, {"k": value}, {"k": text}),
        (record("float"), {"a": value}, {"a": text}),
    ):
        inner = {**kind, "name": "Inner"} if isinstance(kind, dict) and "fields" in kind else kind
        assert read(record(inner), written(record(inner), given_)) == told
    assert read(record("double"), written(record("double"), 0.1)) == "0.1"


@given(st.integers(-(10**30), 10**30), st.integers(0, 12))
def test_a_decimal_keeps_all_digits_also_those_its_schema_has_no_room_for(digits: int, scale: int) -> None:
    kind = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": scale}
    data = digits.to_bytes(16, "big", signed=True)
    found = read(record(kind), written(record("bytes"), data))
    text = str(abs(digits)).zfill(scale + 1)
    whole = len(text) - scale
    assert found == "-" * (digits < 0) + text[:whole] + ("." + text[whole:] if scale else "")
    fixed = {"type": "fixed", "name": "F", "size": 16}
    assert read(record({**kind, **fixed}), written(record(fixed), data)) == found


def test_a_default_that_does_not_fit_costs_nothing() -> None:
    """Old registries took them, and nobody reads by them."""
    assert read(record("int", default="none"), written(record("int"), 7)) == "7"


def test_a_schema_that_is_none_reads_nothing() -> None:
    assert decoder(["{"], Number) is None
    assert decoder([json.dumps(record("klingon"))], Number) is None


LIST = {"type": "record", "name": "L", "namespace": "org", "fields": [{"name": "next", "type": ["null", "L"]}]}
TREE = {
    "type": "record",
    "name": "T",
    "fields": [{"name": "c", "type": {"type": "array", "items": {"type": "map", "values": "T"}}}],
}
PAIR = {
    "type": "record",
    "name": "A",
    "fields": [
        {"name": "x", "type": {"type": "array", "items": "int"}},
        {"name": "b", "type": {"type": "record", "name": "B", "fields": [{"name": "a", "type": ["null", "A"]}]}},
    ],
}


@pytest.mark.parametrize(
    ("schema", "level", "end"), [(LIST, b"\2", b"\0"), (TREE, b"\2\2\0", b"\0"), (PAIR, b"\0\2", b"\0\0")]
)
def test_what_lies_in_itself_is_read_and_refused_where_it_is_endlessly_deep(
    schema: Any, level: bytes, end: bytes
) -> None:
    """The process ended."""
    decode = decoder([json.dumps(schema)], Number)
    assert decode
    closed = b"\0\0" if schema is TREE else b""
    found = decode(level * 3 + end + closed * 3)
    assert str(found).count("{") == {"L": 4, "T": 7, "A": 8}[schema["name"]]
    with pytest.raises(ValueError, match="RecursionError"):
        decode(level * 100_000 + end)


def test_a_type_that_stands_twice_does_not_lie_in_itself() -> None:
    point = {"type": "record", "name": "P", "fields": [{"name": "n", "type": "int"}]}
    twice = {
        "type": "record",
        "name": "R",
        "fields": [{"name": "a", "type": point}, {"name": "b", "type": ["null", "P"]}],
    }
    named: dict[str, Any] = {}
    assert not avro._endless(fastavro.parse_schema(twice, named_schemas=named), named, frozenset(), set())
    assert decoder(["[" * 100_000], Number) is None
