"""Lists inside the records of messages and extracts: each element a row that knows what is around it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.sources.objects import blob, parsed, refusal, values

from potable.plugins import load
from potable.sources.base import Source
from potable.sources.blobs import Blob
from potable.sources.json import JsonSource
from potable.sources.messages import Chunk, Message

COLUMNS: dict[str, Any] = {"order": {"path": "../id"}, "no": {"path": "#"}, "sku": {}, "n": {"type": "decimal(9,2)"}}
ORDERS = [
    {"id": 7, "lines": [{"sku": "x", "n": 1.1}, {"sku": "y"}], "who": {"mail": "a@x"}},
    {"id": 8},
    {"id": 9, "lines": [{"sku": "z"}, 5]},
]
ROWS = [("7", "1", "x"), ("7", "2", "y"), ("9", "1", "z"), (None, None, None)]
MORE = {"kafka": {"brokers": "b:1"}, "singer": {"command": ["tap"]}, "airbyte": {"command": ["source"]}}
OF = {"kafka": {"topic": "o"}, "singer": {"stream": "o"}, "airbyte": {"stream": "o"}}
KINDS = [*MORE]


def source(kind: str, columns: Any = None, **keys: Any) -> Source[Any]:
    return many(kind, t={"columns": columns or COLUMNS, "records": "lines", **keys})


def many(kind: str, **tables: Any) -> Source[Any]:
    of = {name: {**OF[kind], **table} for name, table in tables.items()}
    made: Source[Any] = load("sources", kind).model_validate({"source": "s", "type": kind, "tables": of, **MORE[kind]})
    return made


def held(kind: str, made: Source[Any], folder: Path, records: Sequence[Any], text: str = "") -> Blob:
    """The records as they land, and last a line that cannot be read as one."""
    lines = [json.dumps(record) for record in records]
    if kind == "kafka":
        chunk = Chunk(next(iter(made.tables.values())), "o", None)
        for number, line in enumerate([*lines, *([text] if text else [])]):
            chunk.add(Message("0", number, 1_700_000_000_000, b"k", line.encode()))
        return blob(folder, chunk.data())
    form: Callable[[str], str] = {
        "singer": lambda line: f'{{"type": "RECORD", "stream": "o", "record": {line}}}',
        "airbyte": lambda line: f'{{"type": "RECORD", "record": {{"stream": "o", "data": {line}, "emitted_at": 1}}}}',
    }[kind]
    return blob(folder, "".join(form(line) + "\n" for line in [*lines, *(['"odd"'] if text else [])]).encode())


@pytest.mark.parametrize("kind", KINDS)
def test_elements_are_rows_with_what_is_around_them(kind: str, tmp_path: Path) -> None:
    made = source(kind)
    object_ = held(kind, made, tmp_path, ORDERS)
    rows = parsed(made, object_)
    assert values(rows, "order", "no", "sku") == ROWS
    assert [row["_row"] for row in rows] == [1, 2, 3, 4]
    assert str(rows[0]["n"]) == "1.10" and rows[-1]["_mistyped"].startswith("@record")
    assert json.loads(rows[-1]["_unparsed"]) == {"@record": "5"}
    assert json.loads(made.record("t", object_, 2)) == {"sku": "y"}
    assert made.record("t", object_, 4) == b"5"


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_that_cannot_be_read_counts_once_in_every_table(kind: str, tmp_path: Path) -> None:
    made = many(kind, o={"columns": {"id": {}}}, t={"columns": COLUMNS, "records": "lines"})
    object_ = held(kind, made, tmp_path, ORDERS[:2], "{odd")
    for table, ordinal in (("o", 3), ("t", 3)):
        *_, last = parsed(made, object_, table)
        assert (last["_row"], "odd" in last["_unparsed"]) == (ordinal, True)
        assert b"odd" in made.record(table, object_, ordinal)


@pytest.mark.parametrize("kind", KINDS)
def test_lists_of_lists_and_of_values_are_gone_through(kind: str, tmp_path: Path) -> None:
    record = {"id": 1, "a": [{"k": "p", "b": {"c": [3, 4.50, None]}}, {"k": "q", "b": None}]}
    columns = {"id": {"path": "../../id"}, "k": {"path": "../k"}, "of": {"path": "../#"}, "value": {"path": "."}}
    made = source(kind, columns, records="a.b.c")
    rows = parsed(made, held(kind, made, tmp_path, [record, record]))
    assert values(rows, "id", "k", "value") == [("1", "p", "3"), ("1", "p", "4.5"), ("1", "p", None)] * 2
    assert values(rows, "of") == ["1"] * 3 + ["3"] * 3
    assert "outermost" in refusal(
        source(kind, {"x": {"path": "../../id"}}, records="a"), held(kind, made, tmp_path, [record])
    )


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_character_is_shown_as_one_that_cannot_be(kind: str, tmp_path: Path) -> None:
    made = source(kind)
    object_ = held(kind, made, tmp_path, [{"id": 1, "lines": [{"sku": "a\ud83d"}, "b\ud83d"]}])
    assert values(parsed(made, object_), "sku") == ["a\ufffd", None]
    assert json.loads(made.record("t", object_, 1)) == {"sku": "a\ufffd"}
    assert made.record("t", object_, 2) == '"b\ufffd"'.encode()


def test_what_a_message_has_beside_its_value_is_there_for_each_element(tmp_path: Path) -> None:
    made = source("kafka", {"key": {"path": "@key"}, "at": {"path": "@timestamp"}, "sku": {}})
    rows = parsed(made, held("kafka", made, tmp_path, ORDERS[:1]))
    assert values(rows, "key", "at", "sku") == [("k", "2023-11-14T22:13:20.000+00:00", sku) for sku in ("x", "y")]


@pytest.mark.parametrize("kind", ["singer", "airbyte"])
def test_elements_of_records_that_do_not_count_do_not_count(kind: str, tmp_path: Path) -> None:
    made = source(kind)
    rows = parsed(made, replace(held(kind, made, tmp_path, ORDERS), skip=(1,)))
    assert values(rows, "_row", "order", "no", "sku") == [(3, "9", "1", "z"), (4, None, None, None)]


@pytest.mark.parametrize("kind", KINDS)
def test_lists_are_offered_to_who_writes_a_contract(kind: str, tmp_path: Path) -> None:
    made = many(kind, o={"columns": {"id": {}}})
    object_ = held(kind, made, tmp_path, ORDERS[:2])
    assert made.children("o", object_) == {"lines": {"records": "lines"}}
    assert made.observe("o", object_) == {"id", "lines", "who.mail"}
    made = many(kind, o={"columns": {"id": {}}}, t={"columns": COLUMNS, "records": "lines"})
    assert made.children("o", object_) == made.children("t", object_) == {}
    assert (made.observe("o", object_), made.around("t")) == ({"id", "who.mail"}, ("o", "../"))
    assert made.observe("t", object_) == {"sku", "n", "../id", "#"}


@pytest.mark.parametrize("kind", KINDS)
def test_paths_that_lead_nowhere_are_told(kind: str) -> None:
    for columns, keys, why in (
        ({"a": {"path": "../id"}}, {"records": ""}, "nothing is around"),
        ({"a": {"path": "x/y"}}, {}, "is not a path"),
        ({"a": {}}, {"records": "a/b"}, "dotted path"),
    ):
        with pytest.raises(ValidationError, match=why):
            source(kind, columns, **keys)
    if kind == "kafka":
        with pytest.raises(ValidationError, match="has no lists"):
            source(kind, {"gone": {"path": "@deleted", "type": "boolean"}})


leaf = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"), max_size=3)
element = st.dictionaries(st.sampled_from(["a", "b", "b.c"]), leaf, max_size=3) | leaf
record = st.fixed_dictionaries(
    {}, optional={"a": leaf, "l": st.none() | st.lists(element, max_size=3) | element, "m": st.lists(st.lists(element, max_size=2), max_size=2)}
)  # fmt: skip


@given(records=st.lists(record, max_size=5), kind=st.sampled_from(KINDS), way=st.sampled_from(["l", "l.b", "m"]))
def test_elements_are_those_of_the_same_records_in_a_file(
    records: list[Any], kind: str, way: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    columns = {"out": {"path": "../a"}, "no": {"path": "#"}, "of": {"path": "../#"}, "a": {}, "q": {"path": '"b.c"'}}
    made = source(kind, columns, records=way)
    table = {"columns": columns, "records": way, "format": "lines"}
    of_file = JsonSource.model_validate({"source": "s", "type": "json", "path": "x", "tables": {"t": table}})
    lines = blob(folder, "".join(json.dumps(each) + "\n" for each in records).encode(), "lines")
    mine, theirs = parsed(made, held(kind, made, folder, records)), parsed(of_file, lines)
    names = ("_row", *columns)
    assert values(mine, *names) == values(theirs, *names)
    assert [bool(row["_mistyped"]) for row in mine] == [bool(row["_mistyped"]) for row in theirs]
