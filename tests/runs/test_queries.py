"""What one run compiled, the next one takes in."""

from __future__ import annotations

from pathlib import Path

import ibis
import pyarrow as pa
import pytest

from potable.engines import compiled
from potable.engines.duckdb import DuckDBEngine
from potable.runs import queries
from potable.store.objects import Store

SCHEMA = pa.schema([("n", pa.int64())])


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_KEPT", {})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store("lake", base=tmp_path)


@pytest.fixture
def numbers(tmp_path: Path) -> ibis.Table:
    engine = DuckDBEngine(memory=1 << 30, threads=1, scratch=tmp_path / "scratch")
    return engine.read([], SCHEMA)


def told(relation: ibis.Table) -> str:
    return compiled.sql(relation.get_backend(), relation)


def test_the_next_run_compiles_nothing_again(
    store: Store, numbers: ibis.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    with queries.carried(store):
        first = told(numbers.filter(numbers.n > 1))
    written = store.list("compiled")
    monkeypatch.setattr(compiled, "_KEPT", {})
    monkeypatch.setattr(type(numbers.get_backend()), "compile", lambda *given: "compiled again")
    with queries.carried(store):
        assert told(numbers.filter(numbers.n > 1)) == first
        assert told(numbers.filter(numbers.n > 2)) == "compiled again"
    assert store.list("compiled") == written and len(written) == 1


def test_other_code_takes_in_nothing(store: Store, numbers: ibis.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    with queries.carried(store):
        told(numbers)
    monkeypatch.setattr(compiled, "_KEPT", {})
    monkeypatch.setattr(queries, "code", lambda verb: "changed")
    with queries.carried(store):
        assert not compiled.kept()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"[[1, 2]]", b"null"])
def test_a_broken_file_is_as_good_as_none(store: Store, numbers: ibis.Table, content: bytes) -> None:
    with queries.carried(store):
        told(numbers)
    (path,) = store.list("compiled")
    compiled._KEPT.clear()
    store.put(path, [content])
    with queries.carried(store):
        assert not compiled.kept()
        expected = told(numbers)
    compiled._KEPT.clear()
    with queries.carried(store):
        assert compiled.kept()
        assert told(numbers) == expected


def test_nothing_is_written_where_nothing_new_was_asked(store: Store, numbers: ibis.Table) -> None:
    told(numbers)
    with queries.carried(store):
        told(numbers)
    assert not store.list("compiled")
