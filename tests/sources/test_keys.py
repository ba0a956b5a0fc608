"""Deleted records are noticed by reading all keys from time to time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.sources.objects import landed_rows, raw_zone
from tests.sources.test_onwards import World
from tests.sources.web import Server

from potable.errors import EnvironmentFailure
from potable.sources import onwards
from potable.sources.ingest import Landing, current, ingest, rewind
from potable.sources.rest import RestSource


class Clock:
    """The time it is, for the sources."""

    def __init__(self) -> None:
        self.now = datetime(2024, 2, 1, tzinfo=UTC)

    def days(self, count: int) -> None:
        self.now += timedelta(count)


class Listed(World):
    """A table whose keys are read every week."""

    @property
    def source(self) -> Any:
        keys = super().source.model_dump(exclude_unset=True)
        table = keys["tables"]["t"]
        table["unique"] = ["id"]
        table["incremental"]["keys"] = {"every": "7d"}
        return type(super().source).model_validate(keys)

    def lists(self) -> list[tuple[str, list[int]]]:
        return [(name, sorted(row["id"] for row in rows)) for name, rows in lists_of(self.source, self.landing)]


def lists_of(source: Any, landing: Landing) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """What is listed of keys, as the parser reads it."""
    from potable.sources.blobs import Blob

    for item in current(landing.log).objects.values():
        if item.keys_of:
            blob = Blob(item.name, landing.store.locate(""), item.path, item.zstd, item.bytes)
            yield item.name, [row for batch in source.parse(item.keys_of, blob) for row in batch.to_pylist()]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(onwards, "now", lambda: made.now)
    return made


@pytest.fixture
def world(tmp_path: Path, clock: Clock) -> Listed:
    made = Listed(tmp_path)
    made.write([(n, f"2024-01-{n:02d} 10:00:00", "x") for n in range(1, 6)])
    made.ingest()
    return made


def test_keys_are_read_when_they_are_due_and_are_no_records(world: Listed, clock: Clock) -> None:
    world.run("DELETE FROM t WHERE id = 2")
    clock.days(6)
    assert (world.ingest().batch, world.lists()) == (1, [])
    clock.days(1)
    assert world.ingest().batch == 2
    assert world.lists() == [("t-000002-keys-00001.parquet", [1, 3, 4, 5])]
    assert [n for n, _ in world.rows()] == [1, 2, 3, 4, 5]
    assert current(world.landing.log).state["t"]["keys_read"] == "2024-02-08T00:00:00+00:00"
    clock.days(6)
    assert world.ingest().batch == 2
    clock.days(1)
    world.ingest()
    assert [name for name, _ in world.lists()] == ["t-000002-keys-00001.parquet", "t-000003-keys-00001.parquet"]


def test_a_whole_reading_needs_no_keys_and_voids_those_that_were_read(world: Listed, clock: Clock) -> None:
    clock.days(7)
    world.run("DELETE FROM t WHERE id = 2")
    world.ingest()
    clock.days(7)
    world.ingest(fresh=True)
    assert (world.lists(), [n for n, _ in world.rows()]) == ([], [1, 3, 4, 5])
    clock.days(6)
    world.ingest()
    assert world.lists() == []


def test_rewinding_takes_lists_back_too(world: Listed, clock: Clock) -> None:
    clock.days(7)
    world.ingest()
    rewind(world.source, world.landing.log, 1)
    assert world.lists() == []
    world.ingest()
    assert len(world.lists()) == 1


def test_no_keys_at_all_are_a_mistake_and_delete_nothing(world: Listed, clock: Clock) -> None:
    clock.days(7)
    world.run("DELETE FROM t")
    with pytest.raises(EnvironmentFailure, match="returned no keys"):
        world.ingest()
    assert (current(world.landing.log).batch, len(world.rows())) == (1, 5)
    world.ingest(fresh=True)
    assert world.rows() == []


@pytest.mark.parametrize(
    ("changes", "said"), [({"unique": []}, "`keys` needs `unique`"), ({"every": "1mo"}, "days or weeks")]
)
def test_keys_that_cannot_be_read_so_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    keys = World(tmp_path).source.model_dump(exclude_unset=True)
    table = keys["tables"]["t"]
    table["unique"] = changes.get("unique", ["id"])
    table["incremental"]["keys"] = {"every": changes.get("every", "7d")}
    with pytest.raises(ValidationError, match=said):
        type(World(tmp_path).source).model_validate(keys)


@pytest.mark.parametrize("pagination", [{"offset": "from"}, {"page": "p"}])
def test_pages_that_shift_unseen_are_no_list_of_keys(pagination: dict[str, Any]) -> None:
    table = {
        "endpoint": "/t",
        "pagination": pagination,
        "columns": {"id": {}, "at": {"type": "timestamp"}},
        "unique": ["id"],
        "known": "at",
        "incremental": {"column": "at", "param": "since", "keys": {"every": "1d"}},
    }
    keys = {"source": "s", "type": "rest", "url": "http://x", "tables": {"t": table}}
    with pytest.raises(ValidationError, match="needs the pagination's `total`"):
        RestSource.model_validate(keys)
    table["pagination"] = {**pagination, "total": "total"}
    RestSource.model_validate(keys)


def test_an_endpoint_may_have_a_shorter_list_of_keys(server: Server, tmp_path: Path, clock: Clock) -> None:
    records = [{"id": n, "at": f"2024-01-0{n}T00:00:00Z"} for n in (1, 2, 3)]
    asked: list[tuple[str, dict[str, list[str]]]] = []

    def answer(path: str, query: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
        asked.append((path, query))
        found = [{"id": record["id"]} for record in records] if path == "/ids" else records
        return 200, {}, json.dumps({"data": found}).encode()

    server.handle = answer
    incremental = {"column": "at", "param": "since", "keys": {"every": "1d", "endpoint": "/ids", "params": {"all": 1}}}
    table = {
        "endpoint": "/t",
        "pagination": "none",
        "columns": {"id": {"type": "integer"}, "at": {"type": "timestamp"}},
        "unique": ["id"],
        "known": "at",
        "incremental": incremental,
    }
    source = RestSource.model_validate({"source": "s", "type": "rest", "url": server.url, "tables": {"t": table}})
    landing = raw_zone(tmp_path)
    ingest(source, landing, base=tmp_path)
    del records[1]
    clock.days(1)
    ingest(source, landing, base=tmp_path)
    assert [path for path, _ in asked] == ["/t", "/t", "/ids"]
    assert asked[-1][1] == {"all": ["1"]}
    (listed,) = lists_of(source, landing)
    assert (listed[0], [row["id"] for row in listed[1]]) == ("t-000002-keys-000001.json", [1, 3])
    assert sorted(row["id"] for row in landed_rows(source, landing, "t")) == [1, 2, 3]
