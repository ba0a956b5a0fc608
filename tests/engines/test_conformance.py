"""What every engine does, whatever it is made of: the six methods and their corners."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.conftest import ENGINES, open_engine
from tests.engines import functions as fn

from potable.engines import pool
from potable.engines.base import Engine, Part, collect, scalars
from potable.engines.duckdb_sql import Compiler
from potable.errors import DataError, EnvironmentFailure, MissingExtra, PotableError

ODD = "a [b]*? 'c' \"d\" é # 50%"
COMPILED = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK"}
KINDS = pa.table(
    {
        "text": ["b", "a", "é"],
        "whole": pa.array([1, None, -3], pa.int64()),
        "short": pa.array([1, None, -3], pa.int32()),
        "real": pa.array([0.1, float("inf"), None], pa.float64()),
        "amount": pa.array([Decimal("1.50"), None, Decimal("-2.25")], pa.decimal128(18, 2)),
        "day": pa.array([date(1, 1, 1), None, date(9999, 12, 31)], pa.date32()),
        "moment": pa.array([datetime(1900, 1, 1, 0, 0, 0, 1), None, datetime(2999, 3, 4)], pa.timestamp("us")),
        "yes": pa.array([True, None, False]),
        "bytes": pa.array([b"", None, b"\xff"], pa.binary()),
        "words": pa.array([["a", None], None, []], pa.list_(pa.string())),
    }
)
NAMES = pa.schema([("n", pa.int64()), ('odd "name", é;', pa.string()), ("select", pa.bool_())])


def opened(name: str, scratch: Path, **settings: int) -> Engine:
    """A fresh engine."""
    return open_engine(name, scratch, **{"threads": 2, **settings}, conf=COMPILED)


@pytest.fixture(scope="module", params=ENGINES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Every engine in turn, with two threads and therefore worker processes."""
    made = opened(request.param, tmp_path_factory.mktemp("scratch"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pool, "PATIENCE", 0)
        patched.setattr(pool, "FORKED", 0)
        yield made
    made.close()


def numbered(engine: Engine, tmp_path: Path, rows: int, *, columns: int = 1) -> ibis.Table:
    """A relation of n = 0, 1, … in a file."""
    path = tmp_path / "numbers.parquet"
    table = pa.table({"n": pa.array(range(rows), pa.int64())})
    for index in range(1, columns):
        table = table.append_column(f"c{index}", pa.array([f"{index}-{n * 7919 % rows}" for n in range(rows)]))
    pq.write_table(table, path)
    return engine.read([str(path)], table.schema)


def rows(engine: Engine, relation: ibis.Table) -> list[dict[str, object]]:
    return sorted(collect(engine, relation).to_pylist(), key=repr)


def full(directory: Path, parts: list[Part]) -> list[str]:
    return [str(directory / part.path) for part in parts]


def test_no_files_give_no_rows_with_their_schema(pair: Engine) -> None:
    relation = pair.read([], NAMES)
    assert collect(pair, relation).schema.equals(NAMES)
    assert scalars(pair, relation.agg(n=relation.count())) == {"n": 0}


def test_a_relation_read_over_stands_for_other_files_and_so_does_what_was_made_of_it(
    pair: Engine, tmp_path: Path
) -> None:
    paths = [str(tmp_path / f"{number}.parquet") for number in range(3)]
    for number, path in enumerate(paths):
        pq.write_table(pa.table({"n": pa.array([number, 10 * number], pa.int64())}), path)
    first, other = pair.read(paths[:1], fn.NUMBERS), pair.read(paths[2:], fn.NUMBERS)
    doubled = first.select(n=first.n * 2).join(other, "n", how="left")
    for given in (paths[1:2], [], paths[1:], paths[:1], []):
        relation = pair.read(given, fn.NUMBERS, over=first)
        wanted = [n for path in given for n in pq.read_table(path)["n"].to_pylist()]
        assert sorted(row["n"] for row in rows(pair, relation)) == sorted(wanted)
        assert sorted(row["n"] for row in rows(pair, doubled)) == sorted(2 * n for n in wanted)
        written = pair.write(doubled, str(tmp_path / f"{len(list(tmp_path.iterdir()))}"))
        assert sum(part.rows for part in written) == len(wanted)
    assert sorted(row["n"] for row in rows(pair, other)) == [2, 20]
    assert rows(pair, pair.read([], fn.NUMBERS, over=pair.read([], fn.NUMBERS))) == []


def test_odd_paths_and_column_names_survive(pair: Engine, tmp_path: Path) -> None:
    folder = tmp_path / ODD
    folder.mkdir()
    (tmp_path / "a b c d").mkdir()
    table = pa.table({"n": [1], 'odd "name", é;': ["x"], "select": [True]}, schema=NAMES)
    pq.write_table(table, folder / "x?.parquet")
    pq.write_table(table, folder / "xy.parquet")
    relation = pair.read([str(folder / "x?.parquet")], NAMES)
    parts = pair.write(relation, str(folder / "out"), partition_by="n")
    assert [(part.partition, part.rows) for part in parts] == [(1, 1)]
    assert collect(pair, relation).to_pylist() == table.to_pylist()


def test_columns_of_a_file_come_by_name(pair: Engine, tmp_path: Path) -> None:
    pq.write_table(pa.table({"b": [2], "extra": ["x"], "a": [1]}), tmp_path / "x.parquet")
    schema = pa.schema([("a", pa.int64()), ("b", pa.int64())])
    assert collect(pair, pair.read([str(tmp_path / "x.parquet")], schema)).to_pylist() == [{"a": 1, "b": 2}]


def test_a_missing_file_is_an_environment_failure(pair: Engine, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailure) as caught:
        collect(pair, pair.read([str(tmp_path / "nope.parquet")], fn.NUMBERS))
    assert caught.value.code == "E004"


@pytest.mark.parametrize("items", [[], [0, 0, 0], [5], [25, 0, 13, 7]], ids=["none", "empty", "one", "several"])
def test_items_become_all_their_batches(pair: Engine, items: list[int]) -> None:
    for long in (False, True):
        relation = pair.map_items(items, fn.count_to, fn.NUMBERS, long=long)
        made = sorted(row["n"] for row in collect(pair, relation).to_pylist())
        assert made == sorted(n for item in items for n in range(1, item + 1))
    assert pair.cores >= 1


def test_items_may_be_a_generator_longer_than_memory_of_pipes(pair: Engine) -> None:
    relation = pair.map_items((n for n in range(300)), fn.count_to, fn.NUMBERS)
    assert scalars(pair, relation.agg(rows=relation.count(), sum=relation.n.sum())) == {
        "rows": sum(range(300)),
        "sum": sum(n * (n + 1) // 2 for n in range(300)),
    }


def test_batches_are_mapped_in_other_processes(pair: Engine, tmp_path: Path) -> None:
    relation = numbered(pair, tmp_path, 50_000)
    made = collect(pair, pair.map_batches(relation, fn.squared, fn.SQUARES))
    assert made.num_rows == 50_000
    assert all(row["square"] == row["n"] ** 2 for row in made.slice(0, 1000).to_pylist())
    workers = set(made["pid"].to_pylist())
    assert os.getpid() not in workers
    # a Python worker of Spark that is free takes the next task, so one may do it all
    assert len(workers) == 2 or pair.name == "spark"


def test_a_batch_that_is_sent_to_a_worker_takes_no_other_rows_along(tmp_path: Path) -> None:
    engine = opened("duckdb", tmp_path / "scratch", threads=1)
    sent: list[tuple[int, int]] = []

    def measured(batch: pa.RecordBatch) -> pa.RecordBatch:
        sent.append((len(pickle.dumps(batch)), batch.nbytes))
        return fn.squared(batch)

    try:
        made = collect(engine, engine.map_batches(numbered(engine, tmp_path, 40_000), measured, fn.SQUARES))
    finally:
        engine.close()
    assert made.num_rows == 40_000 and len(sent) > 4
    assert all(pickled < own + 2_000 for pickled, own in sent)


def test_a_mapped_relation_can_be_mapped_again(pair: Engine) -> None:
    first = pair.map_items([100] * 20, fn.count_to, fn.NUMBERS)
    second = pair.map_batches(first, fn.squared, fn.SQUARES)
    assert scalars(pair, second.agg(rows=second.count())) == {"rows": 2000}


def test_what_joins_or_groups_is_mapped_too_and_leaves_nothing_behind(tmp_path: Path) -> None:
    engine = opened("duckdb", tmp_path / "scratch")
    try:
        rows = numbered(engine, tmp_path, 40_000)
        even = rows.filter(rows.n % 2 == 0)
        pairs = rows.inner_join(even.view(), "n").select("n").distinct()
        made = collect(engine, engine.map_batches(pairs, fn.squared, fn.SQUARES))
        assert sorted(made["n"].to_pylist()) == list(range(0, 40_000, 2))
        first = next(iter(engine.stream(engine.map_batches(pairs, fn.squared, fn.SQUARES))))
        assert first.num_rows
        shared = engine.map_items([5, 0, 5], fn.count_to, fn.NUMBERS)
        again = engine.map_batches(shared.distinct(), fn.squared, fn.SQUARES)
        assert sum(part.rows for part in engine.write(again, str(tmp_path / "again"))) == 5
        assert not list((tmp_path / "scratch").rglob("*.parquet"))
        with pytest.raises(DataError) as caught:
            failing = engine.map_items(range(6), fn.data_error, fn.NUMBERS).distinct()
            collect(engine, engine.map_batches(failing, fn.squared, fn.SQUARES))
        assert caught.value.code == "D007"
    finally:
        engine.close()


def test_a_one_shot_relation_is_consumed_once_and_never_quietly_empty(pair: Engine, tmp_path: Path) -> None:
    relation = pair.map_items([5, 5], fn.count_to, fn.NUMBERS)
    assert sum(part.rows for part in pair.write(relation, str(tmp_path / "once"))) == 10
    with pytest.raises(PotableError):
        pair.write(relation, str(tmp_path / "twice"))
    with pytest.raises(PotableError):
        collect(pair, relation)


def test_a_write_is_read_again(pair: Engine, tmp_path: Path) -> None:
    relation = numbered(pair, tmp_path, 10_000, columns=3)
    parts = pair.write(relation, str(tmp_path / "out"))
    again = pair.read(full(tmp_path / "out", parts), relation.schema().to_pyarrow())
    assert rows(pair, again) == rows(pair, relation)
    assert all(part.bytes == (tmp_path / "out" / part.path).stat().st_size for part in parts)


def test_a_write_of_nothing_has_no_rows(pair: Engine, tmp_path: Path) -> None:
    nothing = pair.read([], fn.NUMBERS)
    parts = pair.write(nothing, str(tmp_path / "out"))
    assert sum(part.rows for part in parts) == 0
    assert rows(pair, pair.read(full(tmp_path / "out", parts), fn.NUMBERS)) == []
    assert pair.write(nothing.mutate(bucket=nothing.n), str(tmp_path / "parted"), partition_by="bucket") == []


def test_duckdb_keeps_dictionaries_of_columns_with_few_values_only(tmp_path: Path) -> None:
    engine = opened("duckdb", tmp_path / "scratch", threads=1)
    numbers = numbered(engine, tmp_path, 20_000)
    number = numbers[numbers.columns[0]].cast("int64")
    try:
        rows = numbers.select(many=number.cast("string"), few=(number % 100).cast("string"))
        (part,) = engine.write(rows, str(tmp_path / "written"))
    finally:
        engine.close()
    group = pq.ParquetFile(tmp_path / "written" / part.path).metadata.row_group(0)
    assert [group.column(index).has_dictionary_page for index in range(2)] == [False, True]


def test_a_partitioned_write_names_the_partition_and_leaves_it_out(pair: Engine, tmp_path: Path) -> None:
    relation = numbered(pair, tmp_path, 1000)
    parts = pair.write(relation.mutate(bucket=relation.n % 7), str(tmp_path / "out"), partition_by="bucket")
    assert {part.partition for part in parts} == set(range(7))
    assert sum(part.rows for part in parts) == 1000
    for part in parts:
        found = pq.ParquetFile(tmp_path / "out" / part.path).read()
        assert found.column_names == ["n"]
        assert {n % 7 for n in found["n"].to_pylist()} == {part.partition}


def test_the_rows_of_a_partition_are_written_in_the_order_asked_for(pair: Engine, tmp_path: Path) -> None:
    relation = numbered(pair, tmp_path, 1000, columns=2)
    bucketed = relation.mutate(bucket=relation.n % 3)
    parts = pair.write(bucketed, str(tmp_path / "out"), partition_by="bucket", order_by=["bucket", "c1"])
    assert sum(part.rows for part in parts) == 1000
    for part in parts:
        found = pq.ParquetFile(tmp_path / "out" / part.path).read()["c1"].to_pylist()
        assert found == sorted(found)


def test_a_row_without_partition_is_an_error(pair: Engine, tmp_path: Path) -> None:
    relation = numbered(pair, tmp_path, 10)
    with pytest.raises(PotableError, match="no partition"):
        pair.write(relation.mutate(b=relation.n.nullif(3)), str(tmp_path / "out"), partition_by="b")


# a process has one Spark, and of its engines the first says how many threads it has
@pytest.mark.parametrize("threads", [*(pytest.param(n, marks=pytest.mark.long_on_spark) for n in (1, 4)), 2])
def test_an_ordered_write_is_ordered_whatever_the_threads(pair: Engine, tmp_path: Path, threads: int) -> None:
    engine = opened(pair.name, tmp_path / "scratch", threads=threads)
    try:
        relation = numbered(engine, tmp_path, 400_000, columns=2)
        parts = engine.write(relation, str(tmp_path / "out"), order_by=["c1", "n"])
        again = pa.concat_tables(pq.read_table(path) for path in full(tmp_path / "out", parts))
        assert again["n"].to_pylist() == sorted(range(400_000), key=lambda n: (f"1-{n * 7919 % 400_000}", n))
    finally:
        engine.close()


def test_a_stream_has_the_relations_order_and_schema(pair: Engine, tmp_path: Path) -> None:
    relation = numbered(pair, tmp_path, 100_000)
    batches = list(pair.stream(relation.order_by(relation.n.desc())))
    assert all(batch.schema.equals(fn.NUMBERS) for batch in batches)
    assert [n for batch in batches for n in batch["n"].to_pylist()] == list(range(99_999, -1, -1))


def test_a_small_result_has_the_order_and_types_of_its_stream(pair: Engine, tmp_path: Path) -> None:
    pq.write_table(KINDS, tmp_path / "kinds.parquet")
    relation = pair.read([str(tmp_path / "kinds.parquet")], KINDS.schema).order_by("text")
    for asked in (relation, relation.limit(0), relation.mutate(n=relation.text.length(), more=relation.amount * 2)):
        small = collect(pair, asked)
        assert small == pa.Table.from_batches(pair.stream(asked), asked.schema().to_pyarrow())
    assert collect(pair, relation) == KINDS.sort_by("text")
    relation = numbered(pair, tmp_path, 40_000)
    assert collect(pair, relation.order_by(relation.n.desc()))["n"].to_pylist() == list(range(39_999, -1, -1))


def test_a_relation_streams_while_another_is_written(pair: Engine, tmp_path: Path) -> None:
    relation = numbered(pair, tmp_path, 60_000)
    seen = written = 0
    for turn, batch in enumerate(pair.stream(relation)):
        seen += batch.num_rows
        made = pair.map_items([50, 50, 50], fn.count_to, fn.NUMBERS)
        written += sum(part.rows for part in pair.write(made, str(tmp_path / f"out{turn}")))
    assert seen == 60_000
    assert written == 150 * (turn + 1)


def test_a_stream_can_be_given_up_and_the_engine_goes_on(pair: Engine) -> None:
    batches = pair.stream(pair.map_items([1] * 6, fn.big, fn.NUMBERS))
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    relation = pair.map_items([5, 5], fn.count_to, fn.NUMBERS)
    assert scalars(pair, relation.agg(n=relation.count())) == {"n": 10}


@pytest.mark.parametrize("consume", ["small", "stream", "write", "map"])
def test_a_failure_in_a_worker_arrives_as_it_was(pair: Engine, tmp_path: Path, consume: str) -> None:
    relation = pair.map_items(range(6), fn.data_error, fn.NUMBERS)
    with pytest.raises(DataError) as caught:
        if consume in ("small", "stream"):
            list(pair.stream(relation, small=consume == "small"))
        elif consume == "write":
            pair.write(relation, str(tmp_path / "out"))
        else:
            collect(pair, pair.map_batches(relation, fn.squared, fn.SQUARES))
    assert (caught.value.code, caught.value.hint) == ("D007", "export it again")
    assert any("functions.py" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("rows", [0, 7])
def test_conditions_of_aggregates_choose_rows_and_nulls_are_not_chosen(pair: Engine, tmp_path: Path, rows: int) -> None:
    values = {
        "n": pa.array([1, 2, 2, None, 5, 6, -7], pa.int64()),
        "x": pa.array([1.5, 2.5, None, 0.0, 3.0, 1.0, 9.0], pa.float64()),
        "t": pa.array(["a", "b", "b", "c", None, "a", "z"]),
        "b": pa.array([True, False, True, None, True, False, False]),
        "c": pa.array([True, True, True, True, None, False, True]),
    }
    table = pa.table(values).slice(0, rows)
    pq.write_table(table, tmp_path / "rows.parquet")
    r = pair.read([str(tmp_path / "rows.parquet")], table.schema)
    asked = {
        "some": r.count(where=r.c),
        "there": r.n.count(where=r.c),
        "kinds": r.t.nunique(where=r.c),
        "total": r.n.sum(where=r.c).cast("int64"),
        "least": r.t.min(where=r.c),
        "most": r.n.max(where=r.c),
        "any": r.b.any(where=r.c),
        "all": r.b.all(where=r.c),
        "mean": r.x.mean(where=r.c),
        "middle": r.x.median(where=r.c),
        "none": r.count(where=r.c & ~r.c),
        "nothing": r.n.sum(where=r.c & ~r.c),
    }
    nobody = dict.fromkeys(["some", "there", "kinds", "none"], 0)
    chosen = {"some": 5, "there": 4, "kinds": 4, "total": -2, "least": "a", "most": 2, "any": True, "all": False}
    chosen |= {"mean": 3.25, "middle": 2.0, "none": 0, "nothing": None}
    assert scalars(pair, r.agg(**asked)) == (chosen if rows else {**dict.fromkeys(asked), **nobody})
    # the same of groups and of windows
    grouped = collect(pair, r.group_by("t").agg(some=asked["some"]).order_by("t")).to_pylist()
    counts = {"a": 1, "b": 2, "c": 1, "z": 1, None: 0}
    assert {row["t"]: row["some"] for row in grouped} == (counts if rows else {})
    beside = collect(pair, r.mutate(some=r.count(where=r.c).over(group_by=r.t))).to_pylist()
    assert all(row["some"] == counts[row["t"]] for row in beside)


def test_duckdb_is_asked_without_filters_of_aggregates() -> None:
    """Their time goes by the square of their number."""
    r = ibis.table({"n": "int64", "t": "string", "c": "boolean"}, name="r")
    asked = [r.count(where=r.c), r.n.sum(where=r.c), r.t.nunique(where=r.c), r.n.min(where=r.c), r.c.any(where=r.c)]
    with_first = r.agg(f=r.n.first(where=r.c))
    compiler = Compiler()
    query = compiler.to_sqlglot(r.agg(**{f"a{place}": value for place, value in enumerate(asked)})).sql("duckdb")
    assert "FILTER" not in query and query.count("CASE") == 5
    # of what takes notice of nulls, conditions stay where they were
    assert "FILTER" in compiler.to_sqlglot(with_first).sql("duckdb")


def test_a_failure_in_a_batch_function_arrives_as_it_was(pair: Engine, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        collect(pair, pair.map_batches(numbered(pair, tmp_path, 40_000), fn.failing_batch, fn.SQUARES))
    assert caught.value.code == "D005"


def test_a_failure_with_a_constructor_of_its_own_arrives_too(pair: Engine) -> None:
    with pytest.raises(MissingExtra) as caught:
        collect(pair, pair.map_items(range(6), fn.missing_extra, fn.NUMBERS))
    assert "potable[docx]" in caught.value.next


def test_a_failure_that_cannot_travel_is_told_by_its_kind_only(pair: Engine, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EnvironmentFailure, match="Unpicklable") as caught:
        collect(pair, pair.map_items(range(6), fn.unpicklable, fn.NUMBERS))
    assert "SECRET" not in caught.value.text() + "".join(capfd.readouterr())


@pytest.mark.parametrize("items", [[1], [1, 2, 3]], ids=["here", "in workers"])
def test_a_function_that_breaks_its_schema_is_found_out(pair: Engine, items: list[int]) -> None:
    with pytest.raises(TypeError, match="another schema"):
        collect(pair, pair.map_items(items, fn.wrong_schema, fn.NUMBERS))


def test_the_engine_works_on_after_a_failure(pair: Engine) -> None:
    with pytest.raises(DataError):
        collect(pair, pair.map_items(range(6), fn.data_error, fn.NUMBERS))
    assert collect(pair, pair.map_items([5, 5], fn.count_to, fn.NUMBERS)).num_rows == 10


def test_a_query_that_fails_shows_no_value(pair: Engine, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pq.write_table(pa.table({"s": ["1", "SECRET"]}), tmp_path / "x.parquet")
    relation = pair.read([str(tmp_path / "x.parquet")], pa.schema([("s", pa.string())]))
    for attempt in (
        lambda: collect(pair, relation.select(n=relation.s.cast("int64"))),
        lambda: list(pair.stream(relation.select(n=relation.s.cast("int64")))),
        lambda: pair.write(relation.select(n=relation.s.cast("int64")), str(tmp_path / "out")),
    ):
        with pytest.raises(PotableError) as caught:
            attempt()
        assert "SECRET" not in caught.value.text()
        assert caught.value.__cause__ is None
    assert "SECRET" not in "".join(capfd.readouterr())


@pytest.mark.long_on_spark
def test_a_sort_larger_than_memory_spills(pair: Engine, tmp_path: Path) -> None:
    engine = opened(pair.name, tmp_path / "scratch", memory=400 << 20)
    # Spark's heap is half a gigabyte at least, of which a sort gets a part; what it sorts is larger than that on both
    rows = 1_200_000 if pair.name == "duckdb" else 600_000
    try:
        base = numbered(engine, tmp_path, rows)
        wide = base.mutate(**{f"s{k}": (base.n * (k + 3) % 1_000_003).cast("string").lpad(40, "x") for k in range(6)})
        parts = engine.write(wide, str(tmp_path / "out"), order_by=["s0", "n"])
        assert sum(part.rows for part in parts) == rows
    finally:
        engine.close()


def test_closing_leaves_no_scratch(pair: Engine, tmp_path: Path) -> None:
    engine = opened(pair.name, tmp_path / "scratch")
    collect(engine, engine.map_items([5, 5], fn.count_to, fn.NUMBERS))
    engine.close()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_scratch_folder_that_cannot_be_made_is_told(pair: Engine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFailure) as caught:
        opened(pair.name, tmp_path / "file" / "scratch")
    assert caught.value.code == "E007"


def test_an_interrupt_stays_one_when_it_comes_while_batches_are_made(tmp_path: Path) -> None:
    """DuckDB pulls the batches in our process, where Ctrl-C arrives, and tells only a text of what they raise."""
    engine = opened("duckdb", tmp_path / "scratch")
    try:
        with pytest.raises(KeyboardInterrupt):
            engine.write(engine.map_items([5], fn.interrupted, fn.NUMBERS), str(tmp_path / "out"))
    finally:
        engine.close()


def test_duckdb_draws_no_progress_of_its_own_in_an_interactive_python(tmp_path: Path) -> None:
    """There it draws by default, between the lines of ours; a process given its code as text counts as interactive."""
    code = f"""
from pathlib import Path
import duckdb
from potable.engines.duckdb import DuckDBEngine
told = "SELECT current_setting('enable_progress_bar')"
engine = DuckDBEngine(memory=1 << 30, threads=1, scratch=Path({str(tmp_path)!r}))
print(duckdb.connect().execute(told).fetchone(), engine._connection.cursor().execute(told).fetchone())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(True,) (False,)\n"
