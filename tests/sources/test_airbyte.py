"""Airbyte connectors: records land as received, states only with them, and a program that fails lands nothing."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.sources.connector_of import World, program
from tests.sources.objects import SECRET, blob, parsed, refusal, values
from tests.sources.web import Answer, Server

from potable.cli import state as cli_state
from potable.errors import EnvironmentFailure
from potable.sources import extracting
from potable.sources.airbyte import AirbyteSource
from potable.sources.ingest import current, ingest, rewind
from potable.sources.preview import preview
from potable.sources.storing import SMALL
from potable.store.objects import Store

KEY = "k3y-canary"
COLUMNS = {
    "id": {"type": "integer"},
    "first": {"path": "name.first"},
    "pay": {"type": "decimal(9,2)"},
    "emitted": {"path": "@emitted_at", "type": "timestamp"},
    "stream": {"path": "@stream"},
}
ON = {"sync_mode": "incremental", "known": "emitted", "cursor_field": "updated_at"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def source(
    world: World, config: dict[str, Any] | None = None, *, table: dict[str, Any] | None = None, **more: Any
) -> AirbyteSource:
    tables = {"people": {"stream": "users", "columns": COLUMNS, **(table or {})}}
    given = {"api_key": KEY, **(config or {})}
    command = program(world.folder, "connector.py")
    made = {"source": "s", "type": "airbyte", "command": command, "config": given, "tables": tables, **more}
    return AirbyteSource.model_validate(made)


def test_records_land_as_received_and_become_rows(world: World) -> None:
    made = source(world)
    done = world.ingest(made)
    assert [item.name for item in done.objects] == ["people-000001.ndjson"]
    lines = [json.loads(line) for line in world.content(done.objects[0]).splitlines()]
    assert [line["type"] for line in lines] == ["RECORD"] * 4
    rows = world.rows(made, "people")
    assert values(rows, "id", "first", "stream") == [(n, SECRET, "users") for n in (1, 2, 3, 4)]
    assert str(rows[0]["pay"]) == "1.10" and abs(rows[0]["emitted"].timestamp() - time.time()) < 10 * 86_400


def test_a_stream_that_did_not_change_is_no_news(world: World) -> None:
    made = source(world)
    world.ingest(made)
    assert (world.ingest(made).batch, world.ingest(made).new_objects) == (1, 0)
    done = world.ingest(source(world, {"count": 5}))
    assert (done.batch, done.new_objects, len(done.objects)) == (2, 1, 1)


def test_a_stream_is_read_on_from_its_state(world: World) -> None:
    world.ingest(source(world, table=ON))
    assert current(world.landing().log).state["people"]["state"]["stream"]["stream_state"] == {"last": 4}
    done = world.ingest(source(world, {"count": 6}, table=ON))
    assert [item.name for item in done.objects] == ["people-000001.ndjson", "people-000002-000001.ndjson"]
    assert values(world.rows(source(world), "people"), "id") == [1, 2, 3, 4, 5, 6]
    assert world.ingest(source(world, {"count": 6}, table=ON)).batch == 2


@pytest.mark.parametrize("states", ["STREAM", "GLOBAL", "LEGACY"])
def test_records_after_the_last_state_are_neither_lost_nor_doubled(world: World, states: str) -> None:
    for count in (3, 4, 7, 7):
        world.ingest(source(world, {"count": count, "states": states}, table=ON))
    assert values(world.rows(source(world), "people"), "id") == [1, 2, 3, 4, 5, 6, 7]


def test_a_stream_without_states_is_read_whole(world: World) -> None:
    for count in (2, 3):
        world.ingest(source(world, {"count": count, "states": "none"}, table=ON))
    assert values(world.rows(source(world), "people"), "id") == [1, 2, 3]


@pytest.mark.parametrize("offered", [{}, {"namespace": None}, {"namespace": "public"}])
@pytest.mark.parametrize("said", [{}, {"namespace": None}, {"namespace": ""}, {"namespace": "public"}])
def test_a_stream_whose_name_is_its_own_is_known_without_its_namespace(world: World, offered: Any, said: Any) -> None:
    for count in (3, 6):
        made = source(world, {"count": count, "offered": offered, "namespaced": said}, table=ON)
        world.ingest(made)
    assert values(world.rows(made, "people"), "id") == [1, 2, 3, 4, 5, 6]


def test_records_of_a_stream_that_nobody_offered_are_not_left_out_without_a_word(world: World) -> None:
    with pytest.raises(EnvironmentFailure, match="records of a stream that it does not offer"):
        world.ingest(source(world, {"called": "Users"}))


def test_a_state_can_be_taken_back(world: World) -> None:
    for count in (2, 4):
        world.ingest(source(world, {"count": count}, table=ON))
    rewind(source(world), world.landing().log, 1)
    assert values(world.rows(source(world), "people"), "id") == [1, 2]
    world.ingest(source(world, {"count": 5}, table=ON))
    assert values(world.rows(source(world), "people"), "id") == [1, 2, 3, 4, 5]


def test_objects_are_bounded_and_the_same_every_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extracting, "_RECORDS", 3)
    done = world.ingest(source(world, {"count": 8}))
    assert [len(world.content(item).splitlines()) for item in done.objects] == [3, 3, 2]
    assert world.ingest(source(world, {"count": 8})).new_objects == 0


FAULTS = {
    "error": "reports an error: its own",
    "config error": "reports an error: a wrong `config`",
    "incomplete": "did not finish reading stream `users`",
    "exit": "failed (exit code 3)",
    "killed": "was killed (SIGKILL)",
    "garbage": "sent something that is not a message",
    "no object": "sent something that is not a message",
    "unknown": "an unknown kind",
    "silent": "sent nothing for 1 s",
    "cut off": "sent something that is not a message",
    "no data": "a record without a stream or data",
}


def refused(world: World, made: AirbyteSource) -> EnvironmentFailure:
    with pytest.raises(EnvironmentFailure) as caught:
        world.ingest(made)
    told = caught.value.text() + json.dumps(caught.value.record()) + repr(caught.value.__cause__)
    assert SECRET not in told and KEY not in told
    assert not [path for path in world.temporary.iterdir()]
    return caught.value


@pytest.mark.parametrize(
    ("fault", "position"),
    [
        *((fault, "middle") for fault in FAULTS),
        *((fault, at) for fault in ("exit", "error") for at in ("first", "last")),
    ],
)
def test_a_program_that_fails_lands_nothing(world: World, fault: str, position: str, capfd: Any) -> None:
    world.ingest(source(world, {"count": 2}, table=ON))
    before = current(world.landing().log)
    bad = source(world, {"count": 6, "fault": fault, "position": position}, table=ON, timeout=1.0)
    assert FAULTS[fault] in refused(world, bad).problem
    assert current(world.landing().log) == before
    world.ingest(source(world, {"count": 6}, table=ON))
    assert values(world.rows(source(world), "people"), "id") == [1, 2, 3, 4, 5, 6]
    out = capfd.readouterr()
    assert SECRET not in out.out + out.err and KEY not in out.out + out.err


def test_a_program_that_never_ends_is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("potable.sources.programs._GRACE", 0.2)
    endless = source(world, {"fault": "endless", "position": "last"}, longest=1.0)
    assert "did not end within 1 s" in refused(world, endless).problem
    assert (
        "sent nothing for 1 s"
        in refused(world, source(world, {"fault": "deaf", "position": "last"}, timeout=1.0)).problem
    )
    closed = source(world, {"fault": "closed", "position": "last"}, timeout=1.0)
    assert "sent nothing for 1 s" in refused(world, closed).problem
    monkeypatch.setattr("potable.sources.programs._LONGEST", 100_000)
    assert "a line of more than" in refused(world, source(world, {"fault": "long line", "position": "last"})).problem


def test_a_program_that_is_not_there_or_offers_something_else_is_told(world: World) -> None:
    assert "cannot be started (FileNotFoundError)" in refused(world, source(world, command="./nowhere")).problem
    assert "gives no catalog" in refused(world, source(world, {"fault": "no catalog"})).problem
    told = refused(world, source(world, table={"stream": "user"}))
    assert "offers no such stream: `user`" in told.problem and (told.allowed, told.hint) == (
        "others, users",
        "did you mean `users`?",
    )
    told = refused(world, source(world, table={"stream": "others", **ON}))
    assert "does not support `sync_mode: incremental`" in told.problem


def test_secrets_go_by_private_files_that_are_removed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_SOURCES_PASSWORD", "x")
    spy = world.folder / "spied.json"
    made = source(world, {"spy": str(spy)}, environment={"LEVEL": "INFO"})
    world.ingest(made)
    spied = json.loads(spy.read_text())
    assert KEY not in json.dumps([spied["argv"], spied["environment"]]) and KEY not in repr(made)
    assert (spied["mode"], spied["folder"][1]) == (0o600, 0o700)
    assert "OTHER_SOURCES_PASSWORD" not in spied["environment"] and spied["environment"]["LEVEL"] == "INFO"
    assert not Path(spied["folder"][0]).exists()


def test_what_a_killed_run_left_is_removed(world: World) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    left, kept = (world.temporary / f"potable-connector-{pid}-x" for pid in (gone.pid, os.getpid()))
    for folder in (left, kept):
        folder.mkdir()
        (folder / "config.json").write_text(KEY)
        os.utime(folder, (0, 0))
    world.ingest(source(world))
    assert [*world.temporary.iterdir()] == [kept]


def test_a_landing_that_fails_ends_the_program(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> bool:
        raise EnvironmentFailure("the disk is full", "E004")

    monkeypatch.setattr(extracting, "_RECORDS", 1)
    monkeypatch.setattr(Store, "put_new", full)
    assert refused(world, source(world, {"fault": "silent", "position": "middle"})).code == "E004"


@pytest.mark.parametrize("fails", ["store", "run"])
def test_a_program_that_says_no_more_is_ended_when_nobody_wants_it(
    world: World, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    def full(*_: object) -> bool:
        raise EnvironmentFailure("the disk is full", "E004")

    def progress(objects: int, size: int) -> None:
        if fails == "run":
            raise KeyboardInterrupt

    monkeypatch.setattr(extracting, "_RECORDS", 1)
    if fails == "store":
        monkeypatch.setattr(Store, "put_new", full)
    # too much to be kept for a pack
    silent = source(world, {"fault": "silent", "position": "middle", "text": os.urandom(SMALL).hex()}, timeout=5)
    # had anybody waited for the program, it would be what failed
    with pytest.raises((EnvironmentFailure, KeyboardInterrupt)) as caught:
        ingest(silent, world.landing(), base=world.folder, threads=2, progress=progress)
    assert getattr(caught.value, "code", "run") == {"store": "E004", "run": "run"}[fails]
    assert world.landing().log.last() == (0, None) and not [*world.temporary.iterdir()]


def test_what_is_told_of_a_state(world: World) -> None:
    world.ingest(source(world, {"count": 3}, table=ON))
    at = current(world.landing().log).state["people"]
    assert cli_state._read(at)["state"]["stream"]["stream_state"] == {"last": 2}
    assert cli_state._onwards(cli_state._read(at)) == "from the program's saved state"


def test_a_preview_ends_the_program(world: World) -> None:
    seen = preview(source(world, {"count": 3}), base=world.folder, rows=2)["people"]
    assert seen.rows["id"].to_pylist() == [1, 2] and not [*world.temporary.iterdir()]


def test_a_container_gets_the_folder_and_runs_as_us(world: World) -> None:
    docker = world.folder / "docker"
    inside = program(world.folder, "connector.py")
    docker.write_text(
        f"#!{sys.executable}\nimport os, sys\nline = sys.argv[1:]\n"
        "at = line.index('image')\nopen('docker.txt', 'w').write(' '.join(line[:at]))\n"
        f"os.execv({sys.executable!r}, [{sys.executable!r}, {inside[-1]!r}, *line[at + 1:]])\n"
    )
    docker.chmod(docker.stat().st_mode | stat.S_IXUSR)
    made = source(world, command=["./docker", "run", "--rm", "-i", "image"])
    assert world.ingest(made).new_objects == 1
    said = (world.folder / "docker.txt").read_text()
    assert (
        said.startswith(f"run --volume {world.temporary}/potable-connector-")
        and f":ro --user {os.getuid()}:{os.getgid()} --rm -i" in said
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"command": []}, "the name of an executable"),
        ({"tables": {"t": {"columns": {"a": {"path": "@offset"}}}}}, "write @stream, @emitted_at"),
        ({"tables": {"t": {"columns": {"a": {}}, "sync_mode": "incremental"}}}, "needs a column as `known`"),
        ({"tables": {"t": {"columns": {"a": {}}, "cursor_field": "a"}}}, "needs `sync_mode: incremental`"),
        (
            {"tables": {"t": {"columns": COLUMNS, **ON}, "u": {"columns": COLUMNS, "stream": "t"}}},
            "reads the same stream as another table",
        ),
    ],
)
def test_wrong_declarations_are_found(world: World, change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        source(world, **change)


def test_what_is_no_record_is_quarantined_and_what_is_no_message_refused(world: World, tmp_path: Path) -> None:
    made = source(world)
    line = '{"type":"RECORD","record":{"stream":"users","data":%s,"emitted_at":1700000000000}}\n'
    held = blob(tmp_path, (line % '{"id":1}' + line % f'"{SECRET}"').encode())
    rows = parsed(made, held, "people")
    assert values(rows, "id", "_row", "_mistyped") == [(1, 1, None), (None, 2, "@record")]
    assert SECRET in made.record("people", held, 2).decode()
    assert made.observe("people", held) == {"id"}
    assert "not an object of messages" in refusal(made, blob(tmp_path, b"{}\n" + SECRET.encode() + b"\n"), "people")


REAL = Path(sys.prefix, "airbyte", "bin")


@pytest.fixture
def real() -> Path:
    if not (REAL / "source-faker").exists():
        pytest.skip("Airbyte's connectors are missing: `make .venv/.airbyte` installs them")
    return REAL


@pytest.mark.slow
@pytest.mark.airbyte
def test_the_real_faker_is_read_whole_and_on(world: World, real: Path) -> None:
    columns = {
        "id": {"type": "integer"},
        "city": {"path": "address.city"},
        "emitted": {"path": "@emitted_at", "type": "timestamp"},
    }
    fake = {"count": 30, "seed": 7, "parallelism": 1, "records_per_slice": 10, "always_updated": False}
    tables = {
        "users": {"columns": columns, "sync_mode": "incremental", "known": "emitted"},
        "products": {"columns": {"id": {"type": "integer"}, "make": {}}},
    }
    made = source(world, command=[str(real / "source-faker")], config=fake, tables=tables)
    world.ingest(made)
    rows = world.rows(made, "users")
    assert values(rows, "id") == list(range(1, 31)) and all(row["city"] for row in rows)
    assert len(world.rows(made, "products")) == 30
    state = current(world.landing().log).state["users"]["state"]["stream"]["stream_state"]
    assert state["loop_offset"] == 30
    # with its own state it has nobody new to tell; without, it would tell everyone again
    done = world.ingest(made)
    assert [item.name for item in done.objects if "users" in item.tables] == ["users-000001.ndjson"]
    assert values(world.rows(made, "users"), "id") == list(range(1, 31))
    assert current(world.landing().log).state["users"]["resumed"]


MANIFEST = """
version: 6.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [people]}
streams:
  - type: DeclarativeStream
    name: people
    primary_key: [id]
    retriever:
      type: SimpleRetriever
      requester:
        type: HttpRequester
        url_base: "{{ config['url'] }}"
        path: /people
        http_method: GET
        authenticator: {type: BearerAuthenticator, api_token: "{{ config['api_key'] }}"}
      record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: [data]}}
      paginator: {type: NoPagination}
    incremental_sync:
      type: DatetimeBasedCursor
      cursor_field: updated_at
      cursor_datetime_formats: ["%Y-%m-%dT%H:%M:%SZ"]
      datetime_format: "%Y-%m-%dT%H:%M:%SZ"
      start_datetime: {type: MinMaxDatetime, datetime: "2024-01-01T00:00:00Z", datetime_format: "%Y-%m-%dT%H:%M:%SZ"}
      start_time_option: {type: RequestOption, inject_into: request_parameter, field_name: since}
    schema_loader: {type: InlineSchemaLoader, schema: {type: object, properties: {id: {type: integer}}}}
spec: {type: Spec, connection_specification: {type: object, properties: {}}}
"""


@pytest.mark.slow
@pytest.mark.airbyte
def test_a_real_manifest_reads_an_api_and_reads_on(world: World, real: Path, server: Server) -> None:
    everyone = [{"id": n, "updated_at": f"2024-0{n}-01T00:00:00Z"} for n in (1, 2, 3)]

    def handle(path: str, query: dict[str, list[str]]) -> Answer:
        found = [row for row in everyone if row["updated_at"] >= query["since"][0]]
        return 200, {"Content-Type": "application/json"}, json.dumps({"data": found}).encode()

    server.handle = handle
    (world.folder / "manifest.yaml").write_text(MANIFEST)
    columns = {"id": {"type": "integer"}, "emitted": {"path": "@emitted_at", "type": "timestamp"}}
    table = {"stream": "people", "columns": columns, "sync_mode": "incremental", "known": "emitted"}
    command = str(real / "source-declarative-manifest")
    made = source(world, {"url": server.url}, table=table, command=command, manifest="manifest.yaml")
    world.ingest(made)
    assert values(world.rows(made, "people"), "id") == [1, 2, 3]
    assert {request[2] for request in server.requests} == {f"Bearer {KEY}"}
    everyone.append({"id": 4, "updated_at": "2024-04-01T00:00:00Z"})
    world.ingest(made)
    assert server.requests[-1][1]["since"] == ["2024-03-01T00:00:00Z"]
    assert sorted(set(values(world.rows(made, "people"), "id"))) == [1, 2, 3, 4]
