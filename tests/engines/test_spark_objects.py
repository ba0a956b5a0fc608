"""What executors write to stores that only Python reaches: every row once, in the part of its partition, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("pyspark", reason="pyspark is not installed")

from potable.engines import places, spark_objects
from potable.engines.spark_tasks import Carrier

ROWS = pa.schema([("p", pa.int64()), ("n", pa.int64())])


@pytest.fixture
def objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for a store, and a task that stands for Spark's."""
    folder = tmp_path / "store"

    def put(local: str, url: str) -> None:
        Path(url).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(local, url)

    monkeypatch.setattr(places, "put", put)
    task = SimpleNamespace(get=lambda: SimpleNamespace(partitionId=lambda: 7))
    monkeypatch.setattr(spark_objects, "TaskContext", task)
    return folder


def batch(rows: list[tuple[int, int]]) -> pa.RecordBatch:
    columns = (
        [pa.array(values, pa.int64()) for values in zip(*rows, strict=True)] if rows else [pa.array([], pa.int64())] * 2
    )
    return pa.record_batch(columns, names=["c0", "c1"])


def written(objects: Path, batches: Any, partition_by: str | None) -> list[dict[str, Any]]:
    folder = objects / str(len(list(objects.glob("*"))))
    (told,) = spark_objects.Parts(str(folder), ROWS, partition_by)(iter(batches))
    assert told.schema == spark_objects.PARTS
    parts: list[dict[str, Any]] = told.to_pylist()
    assert {part["path"] for part in parts} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")
    }
    for part in parts:
        table = pq.read_table(folder / part["path"], partitioning=None)
        assert (part["rows"], part["bytes"]) == (table.num_rows, (folder / part["path"]).stat().st_size)
        part["table"] = table
    return parts


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 9))),
    cuts=st.lists(st.integers(1, 5)),
    least=st.integers(0, 99),
)
def test_every_row_is_in_the_one_part_of_its_partition(
    objects: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[int, int]], cuts: list[int], least: int
) -> None:
    monkeypatch.setattr(spark_objects, "GROUP_BYTES", least)
    rows.sort(key=lambda row: row[0])
    batches, rest = [], rows
    for size in [*cuts, len(rows)]:
        batches.append(batch(rest[:size]))
        rest = rest[size:]
    parts = written(objects, batches, "p")
    assert {part["partition"]: part["table"].to_pydict() for part in parts} == {
        p: {"n": [n for other, n in rows if other == p]} for p, _ in rows
    }
    assert len(parts) == len({p for p, _ in rows})
    assert all(part["path"].startswith(f"p={part['partition']}/part-00007-") for part in parts)
    whole = written(objects, batches, None)
    assert [row for part in whole for row in part["table"].to_pylist()] == [{"p": p, "n": n} for p, n in rows]


def test_a_task_that_fails_leaves_no_part_it_had_begun(objects: Path) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield batch([(1, 1), (2, 2)])
        raise OSError("SECRET")

    with pytest.raises(Carrier) as caught:
        list(spark_objects.Parts(str(objects), ROWS, "p")(batches()))
    assert "SECRET" not in str(caught.value)
    assert [path.parent.name for path in objects.rglob("*.parquet")] == ["p=1"]
