"""Singer taps: records land as received, bookmarks only with them, versions replace, and a tap that fails lands nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.sources.connector_of import World, program
from tests.sources.objects import SECRET, values
from tests.sources.web import Answer, Server

from potable.errors import EnvironmentFailure
from potable.sources.ingest import current
from potable.sources.singer import SingerSource

KEY = "k3y-canary"
COLUMNS = {
    "id": {"type": "integer"},
    "first": {"path": "name.first"},
    "emitted": {"path": "@emitted_at", "type": "timestamp"},
}
ON = {"sync_mode": "incremental", "known": "emitted"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def source(world: World, *, table: dict[str, Any] | None = None, **config: Any) -> SingerSource:
    more = {name: config.pop(name) for name in ("selection", "command", "timeout") if name in config}
    tables = {"people": {"stream": "users", "columns": COLUMNS, **(table or {})}}
    made = {"source": "s", "type": "singer", "config": {"api_key": KEY, **config}, "tables": tables}
    return SingerSource.model_validate({"command": program(world.folder, "tap.py"), **made, **more})


def ids(world: World) -> list[Any]:
    return values(world.rows(source(world), "people"), "id")


def test_records_of_declared_streams_land_as_received_and_become_rows(world: World) -> None:
    done = world.ingest(source(world))
    assert [item.name for item in done.objects] == ["people-000001.ndjson"]
    assert len(world.content(done.objects[0]).splitlines()) == 4
    rows = world.rows(source(world), "people")
    assert values(rows, "id", "first") == [(n, SECRET) for n in (1, 2, 3, 4)]
    assert str(rows[0]["emitted"]) == "2024-05-01 12:00:00"
    assert world.ingest(source(world)).batch == 1


@pytest.mark.parametrize("states", ["bookmarks", "whole"])
def test_a_stream_is_read_on_from_its_bookmark_without_loss_or_doubles(world: World, states: str) -> None:
    for count in (3, 6, 6):
        world.ingest(source(world, table=ON, count=count, states=states))
    assert ids(world) == [1, 2, 3, 4, 5, 6]
    kept = current(world.landing().log).state["people"]["state"]
    assert kept == ({"bookmarks": {"users": {"last": 6}}} if states == "bookmarks" else {"whole": {"users_last": 6}})
    assert len(current(world.landing().log).objects) == 2


AT = {
    **ON,
    "columns": {**COLUMNS, "at": {"type": "timestamp"}},
    "unique": ["id"],
    "known": "at",
}


def test_what_stands_at_the_bookmark_is_said_again_and_landed_once(world: World) -> None:
    counts = (4, 4, 4, 6, 6)
    batches = [world.ingest(source(world, table=AT, count=count, inclusive=True)).batch for count in counts]
    assert batches == [1, 1, 1, 2, 2] and ids(world) == [1, 2, 3, 4, 5, 6]


def test_what_is_said_again_after_a_run_without_news_is_still_known(world: World) -> None:
    for count, inclusive in ((4, True), (4, False), (4, True)):
        done = world.ingest(source(world, table=AT, count=count, inclusive=inclusive))
    assert done.batch == 1 and ids(world) == [1, 2, 3, 4]


@pytest.mark.parametrize("change", [{"unique": []}, {"known": "emitted"}])
def test_what_may_be_another_record_with_the_same_values_is_landed(world: World, change: dict[str, Any]) -> None:
    for _ in range(2):
        done = world.ingest(source(world, table={**AT, **change}, count=4, inclusive=True))
    assert done.batch == 2 and ids(world) == [1, 2, 3, 4, 4]


def test_a_tap_may_be_asked_in_the_old_way_or_not_at_all(world: World) -> None:
    assert world.ingest(source(world, selection="properties")).new_objects == 1
    assert world.ingest(source(world, selection="none", unasked=True, count=5)).new_objects == 1
    assert ids(world) == [1, 2, 3, 4, 5]


def test_a_new_version_replaces_what_was_landed_before(world: World) -> None:
    for count, version in ((2, 7), (4, 7)):
        world.ingest(source(world, table=ON, count=count, version=version))
    assert ids(world) == [1, 2, 3, 4]
    world.ingest(source(world, table=ON, count=6, version=8))
    assert ids(world) == [5, 6]


@pytest.mark.parametrize("named", ["users", "public-users"])
@pytest.mark.parametrize("called", ["{}", "public-{}"])
def test_a_stream_is_known_by_its_name_and_by_its_id(world: World, named: str, called: str) -> None:
    """Taps of databases put the schema before the name in ids, and most of them in messages too."""
    for count in (3, 6, 6):
        world.ingest(source(world, table={**ON, "stream": named}, count=count, id="public-{}", called=called))
    assert ids(world) == [1, 2, 3, 4, 5, 6]
    state = current(world.landing().log).state["people"]["state"]
    assert state == {"bookmarks": {"public-users": {"last": 6}}}


def test_records_under_a_name_that_nobody_knows_are_not_left_out_without_a_word(world: World) -> None:
    with pytest.raises(EnvironmentFailure, match="nothing of stream `users`, but records of streams that its catalog"):
        world.ingest(source(world, called="db.{}"))
    with pytest.raises(EnvironmentFailure, match="nothing of stream `user`, but records of streams that no table has"):
        world.ingest(source(world, selection="none", unasked=True, table={"stream": "user"}))


def test_streams_that_cannot_be_told_apart_are_told(world: World) -> None:
    both = {"id": "a-{}", "other": "users"}
    with pytest.raises(EnvironmentFailure, match="has several streams `users`"):
        world.ingest(source(world, **both))
    with pytest.raises(EnvironmentFailure, match="two `stream` names mean the same stream"):
        made = source(world, id="public-{}")
        more = made.tables["people"].model_copy(update={"stream": "public-users"})
        world.ingest(made.model_copy(update={"tables": {**made.tables, "more": more}}))


FAULTS = {
    "batch": "sends records in files (BATCH)",
    "schema": "changed the schema of stream `users` in the middle",
    "no schema": "a record of stream `users` before its schema",
    "unknown": "an unknown kind",
    "no stream": "a RECORD message without a stream",
    "no record": "a record without data",
    "exit": "failed (exit code 1)",
    "no catalog": "gives no catalog",
    "version": "in a version that it did not activate",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_tap_that_fails_lands_nothing(world: World, fault: str) -> None:
    world.ingest(source(world, table=ON, count=2))
    before = current(world.landing().log)
    with pytest.raises(EnvironmentFailure) as caught:
        world.ingest(source(world, table=ON, fault=fault, version=11 if fault == "version" else None))
    told = caught.value.text() + json.dumps(caught.value.record()) + repr(caught.value.__cause__)
    assert FAULTS[fault] in caught.value.problem and SECRET not in told and KEY not in told
    assert current(world.landing().log) == before and not [*world.temporary.iterdir()]


def test_a_stream_the_tap_does_not_have_is_told(world: World) -> None:
    with pytest.raises(EnvironmentFailure, match="has no stream `user`") as caught:
        world.ingest(source(world, table={"stream": "user"}))
    assert caught.value.hint == "did you mean `users`?"


@pytest.mark.slow
@pytest.mark.airbyte
def test_a_real_tap_reads_an_api_and_reads_on(world: World, server: Server) -> None:
    tap = Path(sys.prefix, "singer", "bin", "tap-rest-api-msdk")
    if not tap.exists():
        pytest.skip("the tap is missing: `make .venv/.airbyte` installs it")
    everyone = [{"id": n, "updated_at": f"2024-0{n}-01T00:00:00+00:00"} for n in (1, 2, 3)]

    def handle(path: str, query: dict[str, list[str]]) -> Answer:
        found = [row for row in everyone if row["updated_at"] >= query.get("since", [""])[0]]
        return 200, {"Content-Type": "application/json"}, json.dumps(found).encode()

    server.handle = handle
    stream = {
        "name": "users",
        "path": "/people",
        "primary_keys": ["id"],
        "replication_key": "updated_at",
        "source_search_field": "since",
        "source_search_query": "$last_run_date",
        "records_path": "$[*]",
    }
    columns = {"id": {"type": "integer"}, "changed": {"path": "updated_at", "type": "timestamp"}}
    table = {"columns": columns, "sync_mode": "incremental", "known": "changed", "cursor_field": "updated_at"}
    made = source(
        world,
        table=table,
        command=str(tap),
        api_url=server.url,
        streams=[stream],
        auth_method="bearer_token",
        bearer_token=KEY,
    )
    world.ingest(made)
    assert values(world.rows(made, "people"), "id") == [1, 2, 3]
    assert server.requests[-1][2] == f"Bearer {KEY}"
    everyone.append({"id": 4, "updated_at": "2024-04-01T00:00:00+00:00"})
    world.ingest(made)
    assert sorted(set(values(world.rows(made, "people"), "id"))) == [1, 2, 3, 4]
    kept = current(world.landing().log).state["people"]["state"]["bookmarks"]["users"]
    assert kept["replication_key_value"].startswith("2024-04-01")
