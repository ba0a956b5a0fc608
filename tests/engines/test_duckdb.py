"""What DuckDB alone does: a query that runs out of memory is run once more with one thread, if it can be."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.engines import functions as fn
from tests.sources.web import Server

from potable.engines import places
from potable.engines.base import collect
from potable.engines.duckdb import DuckDBEngine
from potable.errors import Damaged, EnvironmentFailure, PotableError


class Short:
    """A connection whose first COPY or streamed query runs out of memory, told in one of the two ways there are."""

    def __init__(self, real: Any, failures: list[Exception], threads: list[int]) -> None:
        self._real, self._failures, self._threads = real, failures, threads

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def execute(self, query: str) -> Any:
        if query.startswith("COPY"):
            self._met()
        return self._real.execute(query)

    def sql(self, query: str) -> Any:
        self._met()
        return self._real.sql(query)

    def cursor(self) -> Short:
        return Short(self._real.cursor(), self._failures, self._threads)

    def _met(self) -> None:
        ((now,),) = self._real.execute("SELECT current_setting('threads')").fetchall()
        self._threads.append(now)
        if self._failures:
            raise self._failures.pop()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DuckDBEngine]:
    made = DuckDBEngine(memory=1 << 30, threads=2, scratch=tmp_path / "scratch")
    yield made
    made.close()


@pytest.fixture
def short(engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Have the next queries fail; gives the threads each attempt had."""

    def made(*failures: Exception) -> list[int]:
        threads: list[int] = []
        monkeypatch.setattr(engine, "_connection", Short(engine._connection, [*failures], threads))
        return threads

    return made


MEMORY = [duckdb.OutOfMemoryException("short"), OSError("Out of Memory Error: could not allocate")]


def _files(engine: DuckDBEngine, folder: Path) -> Any:
    parts = engine.write(engine.map_items([10, 20], fn.count_to, fn.NUMBERS), str(folder / "given"))
    return engine.read([f"{folder}/given/{part.path}" for part in parts], fn.NUMBERS)


@pytest.mark.parametrize("failure", MEMORY, ids=["own", "of a stream"])
def test_a_write_and_a_stream_are_tried_again_with_one_thread(
    engine: DuckDBEngine, short: Callable[..., list[int]], tmp_path: Path, failure: Exception
) -> None:
    rows = _files(engine, tmp_path)
    expected = sorted(collect(engine, rows).to_pylist(), key=str)
    threads = short(failure)
    parts = engine.write(rows, str(tmp_path / "made"))
    made = engine.read([f"{tmp_path}/made/{part.path}" for part in parts], fn.NUMBERS)
    assert threads == [2, 1] and len(parts) == 1
    threads = short(failure)
    assert sorted(collect(engine, made).to_pylist(), key=str) == expected
    assert threads == [2, 1]
    # and the next has two again
    threads = short()
    collect(engine, made)
    assert threads == [2]


def test_what_fails_with_one_thread_too_is_told(
    engine: DuckDBEngine, short: Callable[..., list[int]], tmp_path: Path
) -> None:
    rows = _files(engine, tmp_path)
    for ask in (lambda: engine.write(rows, str(tmp_path / "made")), lambda: collect(engine, rows)):
        threads = short(*MEMORY)
        with pytest.raises(EnvironmentFailure, match="ran out of memory"):
            ask()
        assert threads == [2, 1]


def test_what_can_be_read_once_only_is_not_read_again(
    engine: DuckDBEngine, short: Callable[..., list[int]], tmp_path: Path
) -> None:
    given = engine.map_items([10, 20], fn.count_to, fn.NUMBERS)
    threads = short(MEMORY[0])
    with pytest.raises(EnvironmentFailure, match="ran out of memory"):
        engine.write(given, str(tmp_path / "made"))
    assert threads == [2]


def test_the_threads_of_a_query_that_is_at_work_are_left_alone(
    engine: DuckDBEngine, short: Callable[..., list[int]], tmp_path: Path
) -> None:
    rows = _files(engine, tmp_path)
    stream = engine.stream(rows)
    next(stream)
    threads = short(MEMORY[0])
    with pytest.raises(EnvironmentFailure, match="ran out of memory"):
        collect(engine, rows)
    assert threads == [2]
    stream.close()
    threads = short(MEMORY[0])
    assert collect(engine, rows).num_rows and threads == [2, 1]


@pytest.mark.parametrize("fails", [0, 1])
def test_parts_that_are_sorted_leave_nothing_in_scratch(
    engine: DuckDBEngine, short: Callable[..., list[int]], tmp_path: Path, fails: int
) -> None:
    numbers = engine.read([_numbers(tmp_path)], fn.NUMBERS)
    relation = numbers.mutate(bucket=numbers.n % 3, back=-numbers.n)
    threads = short(*[duckdb.OutOfMemoryException("Out of Memory Error: x")] * fails)
    parts = engine.write(relation, str(tmp_path / "out"), partition_by="bucket", order_by=["bucket", "back"])
    assert sorted(part.path for part in parts) == [f"bucket={number}/part-0.parquet" for number in range(3)]
    for part in parts:
        found = pq.read_table(tmp_path / "out" / part.path, partitioning=None)["n"].to_pylist()
        assert found == sorted(found, reverse=True) and len(found) == 100
    assert len(threads) == 4 + fails and list(engine._scratch.iterdir()) == []


def _numbers(folder: Path) -> str:
    path = str(folder / "numbers.parquet")
    pq.write_table(pa.table({"n": range(300)}, schema=fn.NUMBERS), path)
    return path


@pytest.mark.parametrize("damage", ["cut", "empty", "other end", "gone"])
def test_a_damaged_file_of_the_lake_is_named_without_the_place_of_the_lake(
    engine: DuckDBEngine, tmp_path: Path, damage: str
) -> None:
    file = tmp_path / "vault" / "quarantine" / "t" / ("06" * 16) / "7a" / "quarantine" / "part-0.parquet"
    file.parent.mkdir(parents=True)
    table = pa.table({"a": [str(number) for number in range(9000)]})
    pq.write_table(table, file, compression="zstd")
    relation, data = engine.read([str(file)], table.schema), file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        broken = {"cut": data[:2000], "empty": b"", "other end": data[:-4] + b"PAR2"}
        file.write_bytes(broken[damage])
    with pytest.raises(Damaged) as caught:
        collect(engine, relation.order_by("a"))
    assert caught.value.problem == f"`quarantine/t/{'06' * 16}/7a/quarantine/part-0.parquet` is damaged or missing"


def test_why_a_file_cannot_be_written_is_told(engine: DuckDBEngine, tmp_path: Path) -> None:
    import resource

    kept, (soft, hard) = tmp_path / "protected" / "t", resource.getrlimit(resource.RLIMIT_FSIZE)
    table = pa.table({"a": [str(number * 7919) for number in range(90_000)]})
    pq.write_table(table, tmp_path / "x.parquet")
    relation = engine.read([str(tmp_path / "x.parquet")], table.schema)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(PotableError) as caught:
            engine.write(relation, str(kept))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.code == "E004" and caught.value.problem.endswith(": file too large")


def test_what_an_object_store_refuses_is_no_bug(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing, reading and listing each fail in a way of their own."""
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    server.handle = lambda path, query: (403, {}, b"<Error><Code>AccessDenied</Code><Message>s3cret</Message></Error>")
    for name, value in {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "s3cret",
        "AWS_SECRET_ACCESS_KEY": "s3cret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    with closing(DuckDBEngine(memory=1 << 30, threads=1, scratch=tmp_path)) as engine:
        rows = engine.map_items([3], fn.count_to, fn.NUMBERS)
        step = f"s3://denied/lake/validated/s.t/{'0a' * 16}/7a"
        for work, named in (
            (lambda: engine.write(rows, f"{step}/rows"), "`validated/s.t` "),
            (lambda: collect(engine, engine.read([f"{step}/0.parquet"], fn.NUMBERS)), "`validated/s.t` "),
            (lambda: places.parts("s3://denied/x"), ""),
        ):
            with pytest.raises(
                EnvironmentFailure, match=f"write {named}in the object store: permission denied"
            ) as caught:
                work()
            assert (caught.value.code, caught.value.retryable) == ("E004", True)
            assert "s3cret" not in caught.value.text()


def test_which_folder_cannot_be_made_is_told(engine: DuckDBEngine, tmp_path: Path) -> None:
    (tmp_path / "protected").mkdir()
    (tmp_path / "protected" / "s.t").touch()
    rows = engine.map_items([3], fn.count_to, fn.NUMBERS)
    with pytest.raises(EnvironmentFailure) as caught:
        engine.write(rows, str(tmp_path / "protected" / "s.t" / ("0a" * 16) / "7a"))
    assert caught.value.code == "E004" and caught.value.problem.startswith(
        "the engine could not read or write `protected/s.t`"
    )


def test_why_it_does_not_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("potable.engines.duckdb.tempfile.mkdtemp", full)
    with pytest.raises(EnvironmentFailure) as caught:
        DuckDBEngine(memory=1 << 30, threads=1, scratch=tmp_path)
    assert caught.value.problem == "the engine cannot start (no space left on device)"
    assert (caught.value.code, caught.value.retryable) == ("E007", True)
