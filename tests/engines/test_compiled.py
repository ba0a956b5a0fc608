"""A query is compiled once per shape, and its SQL is what compiling it each time would give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from potable.engines import compiled
from potable.engines.base import Engine, collect

Query = Callable[[ibis.Table, ibis.Table], ibis.Table]
QUERIES: dict[str, Query] = {
    "plain": lambda one, other: one,
    "filtered": lambda one, other: one.filter(one.n > 1).order_by("n"),
    "joined": lambda one, other: one.join(other, "n").select(one.n, said=other.text),
    "joined with itself": lambda one, other: one.join(one.view(), [("n", "n")]).select(one.n),
    "one of both": lambda one, other: one.union(other),
    "without": lambda one, other: other.drop("text"),
    "added up": lambda one, other: one.group_by("text").agg(total=one.n.sum()),
    "of its window": lambda one, other: one.mutate(at=ibis.row_number().over(order_by="n")),
    "one value": lambda one, other: one.mutate(value=ibis.literal(1, "int64")),
    "another value": lambda one, other: one.mutate(value=ibis.literal(2, "int64")),
    "a zero": lambda one, other: one.mutate(value=ibis.literal(0.0)),
    "a zero below zero": lambda one, other: one.mutate(value=ibis.literal(-0.0)),
    "a truth": lambda one, other: one.mutate(value=ibis.literal(True)),
    "another kind": lambda one, other: one.mutate(value=ibis.literal(1, "int32")),
    "some of the rows": lambda one, other: one.filter(one.n.isin([1, 3])),
    "others of the rows": lambda one, other: one.filter(one.n.isin([1, 2])),
    "the other way round": lambda one, other: QUERIES["joined"](other, one),
    "of memory": lambda one, other: one.join(ibis.memtable(pa.table({"n": [1, 2]})), "n").select("n"),
}


@pytest.fixture
def tables(engine: Engine, tmp_path: Path) -> Callable[[], tuple[ibis.Table, ibis.Table]]:
    """Two relations of one schema, which the engine names anew each time."""
    pq.write_table(pa.table({"n": [1, 2, 3], "text": ["a", "b", "b"]}), tmp_path / "one.parquet")
    pq.write_table(pa.table({"n": [2, 3, 4], "text": ["c", "d", "e"]}), tmp_path / "other.parquet")

    def read(name: str) -> ibis.Table:
        return engine.read([str(tmp_path / f"{name}.parquet")], pa.schema([("n", pa.int64()), ("text", pa.string())]))

    return lambda: (read("one"), read("other"))


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_KEPT", {})


def backend(relation: ibis.Table) -> ibis.BaseBackend:
    return relation.get_backend()


def test_kept_sql_is_what_compiling_gives(tables: Callable[[], tuple[ibis.Table, ibis.Table]]) -> None:
    for _ in range(2):
        for name, query in QUERIES.items():
            one, other = tables()
            relation = query(one, other)
            assert compiled.sql(backend(one), relation) == backend(one).compile(relation), name


def test_only_the_first_of_a_shape_is_compiled(
    tables: Callable[[], tuple[ibis.Table, ibis.Table]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, query in QUERIES.items():
        one, other = tables()
        compiled.sql(backend(one), query(one, other))
        again = query(*tables())
        with monkeypatch.context() as patched:
            patched.setattr(type(backend(one)), "compile", lambda *given: "compiled again")
            told = compiled.sql(backend(one), again)
        # what lies in memory has a name of its own each time
        assert (told == "compiled again") == (name == "of memory"), name


def test_a_text_that_looks_like_a_relations_name_stays_that_text(
    engine: Engine, tables: Callable[[], tuple[ibis.Table, ibis.Table]]
) -> None:
    one, _ = tables()
    told = f'"{one.get_name()}"'
    assert collect(engine, one.mutate(told=ibis.literal(told)))["told"].to_pylist() == [told] * 3
    again, _ = tables()
    assert collect(engine, again.mutate(told=ibis.literal(told)))["told"].to_pylist() == [told] * 3


def test_as_many_shapes_are_kept_as_are_meant_to_be(
    tables: Callable[[], tuple[ibis.Table, ibis.Table]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "SHAPES", 3)
    one, _ = tables()
    for number in range(9):
        compiled.sql(backend(one), one.mutate(number=number))
    assert len(compiled._KEPT) == 3


def test_another_process_takes_in_what_was_kept(
    tables: Callable[[], tuple[ibis.Table, ibis.Table]], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {}
    for name, query in QUERIES.items():
        one, other = tables()
        expected[name] = compiled.sql(backend(one), query(one, other)), one, other
    data, kept = compiled.told(), compiled.kept()
    monkeypatch.setattr(compiled, "_KEPT", {})
    compiled.take_in(data)
    assert compiled.kept() == kept != frozenset()
    monkeypatch.setattr(type(backend(tables()[0])), "compile", lambda *given: "compiled again")
    for name, query in QUERIES.items():
        told, one, other = expected[name]
        assert compiled.sql(backend(one), query(one, other)) == ("compiled again" if name == "of memory" else told)
