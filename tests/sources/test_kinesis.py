"""Kinesis streams on a server that speaks the protocol: each record once, also over splits and merges of shards."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.sources.objects import SECRET, landed_rows, raw_zone, values

from potable.errors import EnvironmentFailure
from potable.sources.ingest import Ingested, Landing, current, ingest

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
models = pytest.importorskip("moto.kinesis.models", reason="moto is not installed")

from potable.sources import kinesis, messages  # noqa: E402
from potable.sources.kinesis import KinesisSource, Positions  # noqa: E402

COLUMNS: dict[str, Any] = {"id": {"type": "integer"}, "shard": {"path": "@partition"}, "number": {"path": "@offset"}}


def declared(stream: str, **keys: Any) -> KinesisSource:
    tables = {"t": {"stream": stream, "columns": COLUMNS, **keys.pop("table", {})}}
    access = {"access_key_id": "me", "secret_access_key": SECRET}
    source = {"source": "s", "type": "kinesis", "region": "us-east-1", "access": access, "tables": tables}
    return KinesisSource.model_validate({**source, **keys})


class World:
    """A stream, a source that reads it, and the raw zone it is landed in."""

    def __init__(self, folder: Path, stream: str) -> None:
        self.folder, self.stream = folder, stream
        self.client = boto3.client("kinesis", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name="us-east-1")

    def source(self, **keys: Any) -> KinesisSource:
        return declared(self.stream, **{"endpoint": os.environ["AWS_ENDPOINT_URL"], **keys})

    def put(self, *numbers: int, shard: int = 0) -> None:
        """Records, and a moment later: what arrives in the second a run starts in is the next run's."""
        # the service has its shards share the space of keys
        key = str(shard << 127)
        for number in numbers:
            data = json.dumps({"id": number}).encode()
            self.client.put_record(StreamName=self.stream, Data=data, PartitionKey="k", ExplicitHashKey=key)
        time.sleep(1.01 - time.time() % 1)

    @property
    def landing(self) -> Landing:
        return raw_zone(self.folder / "lake")

    def ingest(self, **keys: Any) -> Ingested:
        return ingest(self.source(**keys), self.landing, base=self.folder)

    def rows(self) -> list[dict[str, Any]]:
        rows = landed_rows(self.source(), self.landing, "t")
        return sorted(rows, key=lambda row: (row["_object"], row["_row"]))

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = current(self.landing.log).state["t"]
        return found


@pytest.fixture
def world(tmp_path: Path, object_store: str, request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(tmp_path, request.node.originalname)
    made.client.create_stream(StreamName=made.stream, ShardCount=2)
    yield made
    made.client.delete_stream(StreamName=made.stream)


@pytest.fixture
def keeping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards that are split or merged keep their records and get no more, as Kinesis has it; moto moves them."""
    for name in ("split_shard", "merge_shards"):
        original = getattr(models.Stream, name)

        def keep(self: Any, *arguments: Any, original: Callable[..., None] = original) -> None:
            kept = {shard: dict(self.shards[shard].records) for shard in self.shards}
            original(self, *arguments)
            for shard in self.shards.values():
                shard.records = kept.get(shard.shard_id, {})
                if not shard.is_open:
                    shard.ending_hash = shard.starting_hash

        monkeypatch.setattr(models.Stream, name, keep)


def test_what_is_new_lands_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "_MESSAGES", 2)
    monkeypatch.setattr(kinesis, "_AT_ONCE", 2)
    world.put(1, 2, 3)
    world.put(4, shard=1)
    assert (world.ingest().new_objects, world.ingest().batch) == (3, 1)
    world.put(5)
    assert world.ingest().new_objects == 1
    found = values(world.rows(), "id", "shard", "number")
    assert found == [(n, f"shardId-{0 if n != 4 else 1:012d}", str(n if n < 4 else 1)) for n in (1, 2, 3, 4)] + [
        (5, "shardId-000000000000", "4")
    ]
    assert world.state["offsets"] == {"shardId-000000000000": "4", "shardId-000000000001": "1"}


def test_what_arrives_while_a_run_reads_is_the_next_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put(1)
    start = datetime.now(UTC)
    world.put(2)
    with monkeypatch.context() as earlier:
        earlier.setattr(kinesis, "parsedate_to_datetime", lambda told: start)
        world.ingest()
    assert values(world.rows(), "id") == [1]
    world.ingest()
    assert values(world.rows(), "id") == [1, 2]


def test_shards_are_read_to_their_end_before_those_that_came_of_them(world: World, keeping: None) -> None:
    world.put(1, 2)
    world.ingest()
    world.put(3)
    world.client.split_shard(StreamName=world.stream, ShardToSplit="shardId-000000000000", NewStartingHashKey="1000")
    world.put(4, shard=0)
    world.ingest()
    assert values(world.rows(), "id", "shard")[-2:] == [(3, "shardId-000000000000"), (4, "shardId-000000000002")]
    assert world.state["done"] == ["shardId-000000000000"]
    both = {"ShardToMerge": "shardId-000000000002", "AdjacentShardToMerge": "shardId-000000000003"}
    world.client.merge_shards(StreamName=world.stream, **both)
    world.put(5, shard=0)
    world.ingest()
    assert values(world.rows(), "id") == [1, 2, 3, 4, 5]
    assert world.state["done"] == [f"shardId-{number:012d}" for number in (0, 2, 3)]
    assert world.ingest().batch == 3


class At:
    """A stream at some moment."""

    def __init__(self, start: datetime, made: str = "then") -> None:
        self.start, self.made, self.keeps = start, made, timedelta(hours=24)
        self.shards = {"a": (), "b": ()}


def test_records_that_may_be_lost_stop_the_run_or_are_noted() -> None:
    now = datetime(2026, 1, 10, tzinfo=UTC)
    tables = [declared("events", table={"lost": lost}).tables["t"] for lost in ("fail", "record")]
    first = Positions.of("s", tables[0], At(now), None)  # type: ignore[arg-type]
    first.after["a"] = "5"
    state = first.state("events")

    def on(hours: int, table: int = 0, made: str = "then") -> Positions:
        return Positions.of("s", tables[table], At(now + timedelta(hours=hours), made), state)  # type: ignore[arg-type]

    assert [on(hours).moved for hours in (1, 20)] == [False, True]
    for gone in (lambda: on(25), lambda: on(1, made="now")):
        with pytest.raises(EnvironmentFailure) as caught:
            gone()
        assert caught.value.code == "E009"
    assert on(30, 1).state("events")["lost"] == {"events": [["2026-01-10T00:00:00+00:00", "2026-01-10T06:00:00+00:00"]]}
    assert (on(30, 1).after, on(1, 1, "now").after) == ({"a": "5"}, {})


def test_what_refuses_is_told_without_the_key(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(kinesis, "_ATTEMPTS", 1)
    told = ""
    for keys, said in [
        ({"table": {"stream": "none"}}, "has no such stream"),
        ({"endpoint": "http://127.0.0.1:9"}, "did not answer"),
        ({"endpoint": "nowhere"}, "is not valid"),
    ]:
        with pytest.raises(EnvironmentFailure, match=said) as caught:
            world.ingest(**keys)
        told += caught.value.text() + repr(caught.value.__cause__)
    world.put(1)
    world.ingest()
    held = "".join(path.name + path.read_text(errors="replace") for path in world.folder.rglob("*.json"))
    assert SECRET not in told + held + caplog.text + repr(world.source()) + world.source().model_dump_json()


def test_avro_is_refused_when_the_project_is_read() -> None:
    with pytest.raises(ValidationError, match="Input should be 'json'"):
        declared("x", table={"value": "avro"})
