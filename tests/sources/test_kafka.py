"""Kafka topics on a mock cluster that speaks the protocol, and on a real broker: each message once, whatever happens."""

from __future__ import annotations

import io
import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.sources.broker import broker
from tests.sources.objects import SECRET, blob, landed_rows, raw_zone, refusal, values
from tests.sources.web import Answer, Server

from potable.cli import state as cli_state
from potable.cli.discovering import discovered
from potable.errors import DataError, EnvironmentFailure
from potable.sources import messages
from potable.sources.ingest import Ingested, Landing, current, ingest, rewind

ck = pytest.importorskip("confluent_kafka", reason="confluent-kafka is not installed")
fastavro = pytest.importorskip("fastavro", reason="fastavro is not installed")
from confluent_kafka import admin  # noqa: E402

from potable.sources.cluster import Span  # noqa: E402
from potable.sources.kafka import KafkaSource, KafkaTable, Offsets  # noqa: E402

QUIET = logging.Logger("kafka of the tests")
QUIET.addHandler(logging.NullHandler())
COLUMNS: dict[str, Any] = {
    "id": {"type": "integer"},
    "mail": {"path": "who.mail"},
    "partition": {"path": "@partition", "type": "integer"},
    "offset": {"path": "@offset", "type": "integer"},
}


@dataclass(frozen=True)
class Brokers:
    """A cluster under test."""

    at: str
    sasl: str = ""
    """Address of the listener that is encrypted and wants a password."""
    ca: Path = Path()

    def producer(self, **keys: Any) -> Any:
        return ck.Producer({"bootstrap.servers": self.at, **keys}, logger=QUIET)

    def send(self, topic: str, *messages: Any, partition: int = 0) -> None:
        """Messages as bytes, or (key, value), or (key, value, headers)."""
        producer = self.producer()
        for message in messages:
            key, value, headers = (*message, [])[:3] if isinstance(message, tuple) else (None, message, [])
            producer.produce(topic, value, key, partition=partition, headers=headers)
        producer.flush()


@pytest.fixture(scope="session")
def mock() -> Iterator[Brokers]:
    host = ck.Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 1}, logger=QUIET)
    found = host.list_topics(timeout=10).brokers.values()
    yield Brokers(",".join(f"{item.host}:{item.port}" for item in found))


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    folder = tmp_path_factory.mktemp("broker")
    with broker(folder, SECRET) as (open_, sasl):
        yield Brokers(open_, sasl, folder / "ca.pem")


@pytest.fixture(params=["mock", pytest.param("real", marks=pytest.mark.broker)])
def brokers(request: pytest.FixtureRequest) -> Brokers:
    found: Brokers = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    return f"t{abs(hash(request.node.nodeid))}"


def create(brokers: Brokers, topic: str, partitions: int = 1, **settings: str) -> Any:
    client = admin.AdminClient({"bootstrap.servers": brokers.at}, logger=QUIET)
    for made in client.create_topics([admin.NewTopic(topic, partitions, 1, config=settings)]).values():
        made.result(20)
    return client


@dataclass(frozen=True)
class World:
    """A source, and the raw zone it is landed in."""

    folder: Path
    source: KafkaSource

    @property
    def landing(self) -> Landing:
        return raw_zone(self.folder / "lake")

    def ingest(self, **keys: Any) -> Ingested:
        return ingest(self.source, self.landing, base=self.folder, **keys)

    def rows(self) -> list[dict[str, Any]]:
        rows = landed_rows(self.source, self.landing, "t")
        return sorted(rows, key=lambda row: (row["_object"], row["_row"]))

    def refused(self) -> EnvironmentFailure:
        with pytest.raises(EnvironmentFailure) as caught:
            self.ingest()
        return caught.value

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = current(self.landing.log).state["t"]
        return found


def declared(brokers: str, topic: str, *, source: dict[str, Any] | None = None, **table: Any) -> KafkaSource:
    tables = {"t": {"topic": topic, "columns": COLUMNS, **table}}
    keys = {"source": "s", "type": "kafka", "brokers": brokers, "timeout": 10, "tables": tables, **(source or {})}
    return KafkaSource.model_validate(keys)


@pytest.fixture
def world(tmp_path: Path, topic: str) -> Callable[..., World]:
    return lambda brokers, **keys: World(tmp_path, declared(brokers.at, topic, **keys))


def until(true: Callable[[], bool]) -> None:
    for _ in range(200):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it never came true")


def numbered(*numbers: int) -> list[bytes]:
    return [json.dumps({"id": number, "who": {"mail": f"{number}@x"}}).encode() for number in numbers]


def test_what_is_new_lands_once(brokers: Brokers, world: Callable[..., World], topic: str) -> None:
    made = world(brokers)
    brokers.send(topic, *numbered(1, 2, 3))
    assert (made.ingest().batch, made.ingest().new_objects) == (1, 0)
    assert values(made.rows(), "id", "mail", "partition", "offset") == [(n, f"{n}@x", 0, n - 1) for n in (1, 2, 3)]
    brokers.send(topic, *numbered(4, 5))
    second = made.ingest()
    assert (second.batch, second.new_objects) == (2, 1)
    assert [item.name for item in second.objects] == [
        "t-000001-00000-0000000000000000000.ndjson",
        "t-000002-00000-0000000000000000003.ndjson",
    ]
    assert values(made.rows(), "id") == [1, 2, 3, 4, 5]
    assert made.ingest(fresh=True).batch == 2
    assert made.state["offsets"]["0"] == 5


def test_objects_are_bounded_and_the_same_from_the_same_messages(
    mock: Brokers, world: Callable[..., World], topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "_MESSAGES", 10)
    mock.send(topic, *numbered(*range(25)))
    made = world(mock)
    arrivals = [(item.name[-11:-7], item.open().read()) for item in made.source.arrivals(Path())]
    assert [name for name, _ in arrivals] == ["0000", "0010", "0020"]
    assert [data.count(b"\n") for _, data in arrivals] == [11, 11, 6]
    assert [item.open().read() for item in made.source.arrivals(Path())] == [data for _, data in arrivals]
    monkeypatch.setattr(messages, "_BYTES", 300)
    assert len(list(made.source.arrivals(Path()))) > 3


def test_going_back_reads_again_what_came_later(mock: Brokers, world: Callable[..., World], topic: str) -> None:
    made = world(mock)
    mock.send(topic, *numbered(1))
    made.ingest()
    mock.send(topic, *numbered(2, 3))
    made.ingest()
    rewind(made.source, made.landing.log, 1)
    assert values(made.rows(), "id") == [1]
    made.ingest()
    assert values(made.rows(), "id") == [1, 2, 3]


def test_another_topic_takes_the_place_of_the_first(mock: Brokers, tmp_path: Path, topic: str) -> None:
    mock.send(topic, *numbered(1, 2))
    World(tmp_path, declared(mock.at, topic)).ingest()
    mock.send(f"{topic}-b", *numbered(7))
    made = World(tmp_path, declared(mock.at, f"{topic}-b"))
    made.ingest()
    assert values(made.rows(), "id") == [7]


def test_columns_come_from_key_headers_time_and_value(mock: Brokers, world: Callable[..., World], topic: str) -> None:
    columns = {
        "mail": {"path": ["nothing", "@header.mail"]},
        "key": {"path": "@key"},
        "tenant": {"path": "@key.tenant"},
        "at": {"path": "@timestamp", "type": "timestamp"},
        "deleted": {"path": "@deleted", "type": "boolean"},
        "hours": {"type": "decimal(6,2)"},
    }
    key = b'{"tenant":"a"}'
    mock.send(topic, (key, b'{"hours": 1.50}', [("mail", b"a@x"), ("mail", b"b@x")]), (key, None, [("mail", b"\xff")]))
    made = world(mock, columns=columns, key="json")
    made.ingest()
    first, second = made.rows()
    assert [first[name] for name in ("mail", "key", "tenant", "deleted")] == ["a@x", key.decode(), "a", False]
    assert (str(first["hours"]), first["_unparsed"]) == ("1.50", None)
    assert abs(first["at"].timestamp() - time.time()) < 86_400
    assert [second[name] for name in ("mail", "tenant", "deleted", "hours")] == ["/w==", "a", True, None]


def test_messages_without_a_value_land_wherever_they_stand(
    brokers: Brokers, world: Callable[..., World], topic: str
) -> None:
    made = world(brokers, columns={**COLUMNS, "gone": {"path": "@deleted", "type": "boolean", "category": "none"}})
    brokers.send(topic, (b"k", None), (b"l", None), *numbered(1))
    made.ingest()
    brokers.send(topic, (b"k", None))
    made.ingest()
    brokers.send(topic, b"", *numbered(2))
    made.ingest()
    landed = [(0, True), (1, True), (2, False), (3, True), (None, None), (5, False)]
    assert values(made.rows(), "offset", "gone") == landed


def test_tombstones_may_be_left_out(mock: Brokers, world: Callable[..., World], topic: str) -> None:
    mock.send(topic, (b"k", numbered(1)[0]), (b"k", None), (b"l", numbered(2)[0]))
    made = world(mock, tombstones="none")
    made.ingest()
    assert values(made.rows(), "id", "_row") == [(1, 1), (2, 3)]


def test_messages_that_cannot_be_read_keep_their_place(mock: Brokers, world: Callable[..., World], topic: str) -> None:
    bad = [b"{", b"\xff\xfe", b"[1]", b"7", b"", b'{"id": NaN}', b"[" * 100_000]
    mock.send(topic, numbered(1)[0], *bad, numbered(2)[0], b"\x00\x00\x00\x00\x07" + numbered(3)[0])
    made = world(mock)
    made.ingest()
    rows = made.rows()
    assert values(rows, "_row", "id") == [(1, 1), *[(row, None) for row in range(2, 9)], (9, 2), (10, 3)]
    kept = [json.loads(json.loads(row["_unparsed"])["@record"]) for row in rows if row["_mistyped"]]
    assert [row["_mistyped"] for row in rows if row["_mistyped"]] == [
        f"@record: {why}"
        for why in ("not JSON", "not JSON", "no object", "no object", "not JSON", "not JSON", "not JSON")
    ]
    assert [(line["offset"], line["value"]) for line in kept][:2] == [(1, "{"), (2, {"base64": "//4="})]
    assert len(kept) == 7
    (arrival,) = made.source.arrivals(Path())
    held = blob(made.folder, arrival.open().read())
    for row, line in zip(range(2, 9), kept, strict=True):
        assert json.loads(made.source.record("t", held, row)) == line
    for nowhere in (0, 11):
        with pytest.raises(DataError, match=f"no record {nowhere}"):
            made.source.record("t", held, nowhere)


def test_leaves_of_the_first_values_are_observed(mock: Brokers, world: Callable[..., World], topic: str) -> None:
    mock.send(topic, b"{", b'{"id": 1, "who": {"mail": "a"}}', b'{"new": [1]}')
    made = world(mock)
    (arrival,) = made.source.arrivals(Path())
    assert made.source.observe("t", blob(made.folder, arrival.open().read())) == {"id", "who.mail", "new"}


@given(
    st.binary() | st.none(),
    st.binary() | st.none(),
    st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.binary() | st.none())),
    st.none() | st.integers(-1, 2**60),
)
@settings(max_examples=25, deadline=None)
def test_a_message_is_read_as_it_was_received(key: bytes, value: bytes, headers: Any, at: int) -> None:
    message = messages.Message("3", 2**62, at, key, value, headers)
    assert messages.Message.of(json.loads(message.line())) == message
    assert "\n" not in message.line()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"potable": "other"}\n',
        b"[]\n",
        b'{"potable":"messages/1"}\n{"x"',
        b'{"potable":"messages/1"}\n{}\n',
    ],
)
def test_an_object_of_something_else_is_refused(tmp_path: Path, data: bytes) -> None:
    refusal(declared("x", "t"), blob(tmp_path, data))


CHILD = """
import sys, time
from pathlib import Path
from potable.sources import messages
from potable.sources.ingest import Landing, ingest
from potable.sources.kafka import KafkaSource
from potable.store.log import Log
from potable.store.objects import Store
messages._MESSAGES = 20
declared, folder, stop = sys.argv[1:]
seen = 0
def progress(objects, size):
    global seen
    seen += objects
    if seen == int(stop):
        print("now", flush=True)
        time.sleep(60)
store = Store(folder)
ingest(KafkaSource.model_validate_json(declared), Landing(store, Log(store, "raw/s/batches")), base=Path(folder), progress=progress)
"""


def killed(made: World, at: int) -> str:
    """Land in a process that is killed when it has landed `at` objects of 20 messages; what it said last."""
    command = [sys.executable, "-c", CHILD, made.source.model_dump_json(), str(made.folder / "lake"), str(at)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        said = child.stdout.readline().strip()
        child.kill()
    return said


def test_killed_landings_lose_and_double_nothing(brokers: Brokers, world: Callable[..., World], topic: str) -> None:
    made = world(brokers)
    brokers.send(topic, *numbered(*range(100)))
    # at the first object, and at the last one, behind which only the manifest is written
    assert [killed(made, 1), killed(made, 5)] == ["now", "now"]
    assert current(made.landing.log).batch == 0
    made.ingest()
    brokers.send(topic, *numbered(*range(100, 200)))
    assert killed(made, 3) == "now"
    assert values(made.rows(), "id") == list(range(100))
    made.ingest()
    assert values(made.rows(), "id", "offset") == [(number, number) for number in range(200)]
    assert made.ingest().new_objects == 0


def test_an_unknown_topic_is_told_and_not_made(brokers: Brokers, world: Callable[..., World], topic: str) -> None:
    for _ in range(2):
        failure = world(brokers).refused()
        assert f"no topic `{topic}`" in failure.problem
    assert not failure.retryable


def test_brokers_that_are_away_are_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = World(tmp_path, declared(f"127.0.0.1:{port}", "t", source={"timeout": 1}))
    failure = made.refused()
    assert (failure.code, failure.retryable) == ("E001", True)
    assert "no broker answered" in failure.problem
    assert capfd.readouterr() == ("", "")


HOST = """
import sys, confluent_kafka as ck
host = ck.Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 1})
print(",".join(f"{item.host}:{item.port}" for item in host.list_topics(timeout=10).brokers.values()), flush=True)
sys.stdin.read()
"""


def test_brokers_that_go_away_in_the_middle_are_told(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOST]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as host:
        assert host.stdout
        brokers = Brokers(host.stdout.readline().strip())
        brokers.send("t", *numbered(1, 2))
        brokers.send("t", *numbered(3), partition=1)
        made = World(tmp_path, declared(brokers.at, "t", source={"timeout": 1.5}))
        arrivals = made.source.arrivals(tmp_path)
        assert next(arrivals).open().read().count(b"\n") == 3
        host.kill()
        with pytest.raises(EnvironmentFailure, match="no broker answered") as caught:
            next(arrivals)
    assert caught.value.retryable


def test_messages_deleted_unread_stop_the_run_or_are_noted(mock: Brokers, tmp_path: Path, topic: str) -> None:
    # the mock cluster keeps 5 MiB of a partition
    large = b'{"id": 1, "x": "' + b"x" * 500_000 + b'"}'
    made = World(tmp_path, declared(mock.at, topic))
    mock.send(topic, *numbered(0))
    made.ingest()
    mock.send(topic, *[large] * 20)
    failure = made.refused()
    assert failure.code == "E009"
    first = int(failure.problem.split("offsets 1 to ")[1].split()[0]) + 1
    assert first > 2
    assert values(made.rows(), "offset") == [0]
    noting = World(tmp_path, declared(mock.at, topic, lost="record"))
    noting.ingest()
    assert values(noting.rows(), "offset") == [0, *range(first, 21)]
    assert noting.state["lost"] == {"0": [[1, first - 1]]}
    noting.ingest()
    assert (
        cli_state._onwards(cli_state._read(noting.state)) == f"from offsets 0:21, 1:0, 2:0, 3:0; lost 0:1-{first - 1}"
    )


def offsets(before: dict[str, int], lost: str = "fail") -> tuple[Offsets, KafkaTable]:
    table = declared("x", "t", lost=lost).tables["t"]
    state = Offsets("", "", False, {partition: at for partition, at in before.items()}).state()
    origin = Offsets.of("s", table, "c", None).origin
    return Offsets.of("s", table, "c", {**state, "origin": origin, "cluster": "c"}), table


def test_a_topic_that_was_made_anew_or_moved_is_noticed() -> None:
    at, table = offsets({"0": 10})
    assert at.unread("s", table, 0, Span(5, 12)) == Span(10, 12)
    with pytest.raises(EnvironmentFailure, match="recreated"):
        at.unread("s", table, 0, Span(0, 9))
    with pytest.raises(EnvironmentFailure, match="offsets 0 to 4 of partition 1"):
        at.unread("s", table, 1, Span(5, 9))
    with pytest.raises(EnvironmentFailure, match="another cluster"):
        Offsets.of("s", table, "d", at.state())
    at, table = offsets({"0": 10}, "record")
    assert at.unread("s", table, 0, Span(0, 9)) == Span(0, 9)
    assert at.state()["restarts"] == {"0": [10]}
    assert Offsets.of("s", table, "d", at.state()).next == {}


def test_a_topic_of_the_same_name_that_has_more_messages_already_is_noticed() -> None:
    at, table = offsets({"0": 10})
    first = Offsets.of("s", table, "c", at.state(), "one")
    assert (first.next, first.topic_id) == ({"0": 10}, "one")
    with pytest.raises(EnvironmentFailure, match="deleted and recreated") as caught:
        Offsets.of("s", table, "c", first.state(), "two")
    assert caught.value.code == "E009"
    # brokers that do not tell change nothing
    assert Offsets.of("s", table, "c", first.state(), "").topic_id == "one"
    _, noting = offsets({}, "record")
    again = Offsets.of("s", noting, "c", first.state(), "two")
    assert again.unread("s", noting, 0, Span(0, 12)) == Span(0, 12)
    assert (again.restarts, again.topic_id) == ({"0": [10]}, "two")


PERSON = {
    "type": "record",
    "name": "Person",
    "namespace": "x",
    "fields": [{"name": "mail", "type": ["null", "string"]}],
}
FIRST = {
    "type": "record",
    "name": "A",
    "namespace": "x",
    "fields": [{"name": "id", "type": "long"}, {"name": "who", "type": "x.Person"}],
}
DAY = {"type": "int", "logicalType": "date"}
PAY = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
SECOND = {**FIRST, "fields": [*FIRST["fields"], {"name": "day", "type": DAY}, {"name": "pay", "type": PAY}]}


def avro(number: int, schema: dict[str, Any], record: Any) -> bytes:
    named: dict[str, Any] = {}
    fastavro.parse_schema(PERSON, named_schemas=named)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema, named_schemas=named), record)
    return b"\0" + number.to_bytes(4, "big") + out.getvalue()


def registry(path: str, query: Any) -> Answer:
    """The routes of a schema registry that are read."""
    refer = [{"name": "x.Person", "subject": "person/x", "version": 1}]
    known: dict[str, Any] = {
        "/schemas/ids/1": {"schema": json.dumps(FIRST), "references": refer},
        "/schemas/ids/2": {"schema": json.dumps(SECOND), "references": refer},
        "/schemas/ids/3": {"schema": "syntax = 'proto3';", "schemaType": "PROTOBUF"},
        "/schemas/ids/4": {"schema": '{"type": "klingon"}'},
        "/subjects/person%2Fx/versions/1": {"id": 9, "schema": json.dumps(PERSON)},
    }
    if path in known:
        return 200, {}, json.dumps(known[path]).encode()
    return 404, {}, b'{"error_code": 40403, "message": "Schema not found"}'


AVRO_COLUMNS = {**COLUMNS, "day": {"type": "date"}, "pay": {"type": "decimal(9,2)"}}


def test_avro_is_read_with_the_schemas_that_landed_beside_it(
    mock: Brokers, tmp_path: Path, topic: str, server: Server
) -> None:
    import datetime
    from decimal import Decimal

    server.handle = registry
    more = {"day": datetime.date(2024, 2, 29), "pay": Decimal("12.30")}
    good = [
        avro(1, FIRST, {"id": 1, "who": {"mail": "a@x"}}),
        avro(2, SECOND, {"id": 2, "who": {"mail": None}, **more}),
        avro(1, FIRST, {"id": 3, "who": {"mail": "c@x"}}),
    ]
    unread = [b"\0\0\0\0\x07x", b"\0\0\0\0\x03x", b"\0\0\0\0\x04x", b"plain"]
    bad = [*unread, good[0][:-2], good[0] + b"x", b"\0\0\0\0\x01" + b"\xff" * 20]
    mock.send(topic, good[0], *bad, *good[1:], (b"k", None))
    keys = {"registry": {"url": server.url, "auth": {"basic": {"user": "me", "password": SECRET}}}}
    made = World(tmp_path, declared(mock.at, topic, source=keys, value="avro", columns=AVRO_COLUMNS))
    made.ingest()
    asked = [path for path, _, _ in server.requests]
    assert sorted(set(asked)) == [
        *(f"/schemas/ids/{number}" for number in (1, 2, 3, 4, 7)), "/subjects/person%2Fx/versions/1"
    ]  # fmt: skip
    server.handle = lambda path, query: pytest.fail("parsing asks nobody")
    rows = made.rows()
    read = [row for row in rows if row["_mistyped"] is None]
    assert values(read, "_row", "id", "mail") == [(1, 1, "a@x"), (9, 2, None), (10, 3, "c@x"), (11, None, None)]
    assert (read[1]["day"], read[1]["pay"]) == (more["day"], more["pay"])
    assert values([row for row in rows if row["_mistyped"]], "_row") == [2, 3, 4, 5, 6, 7, 8]
    assert {row["_mistyped"].removeprefix("@record: ") for row in rows if row["_mistyped"]} == {
        "names no schema", "of a schema the registry does not have", "of a schema that cannot be read",
        "not what its schema says",
    }  # fmt: skip


def compiled(path: str, query: Any) -> Answer:
    """A registry of Protobuf schemas; asked for them as text it gives text."""
    from tests.sources import test_protobuf as of

    refer = [{"name": "parts/money.proto", "subject": "money", "version": 2}]
    known: dict[str, Any] = {
        "/schemas/ids/1": {"schema": of.text(of.schema()), "references": refer, "schemaType": "PROTOBUF"},
        "/schemas/ids/2": {"schema": json.dumps(FIRST)},
        "/schemas/ids/3": {"schema": "////", "schemaType": "PROTOBUF"},
        "/subjects/money/versions/2": {"id": 9, "schema": of.text(of.money()), "schemaType": "PROTOBUF"},
    }
    if path not in known:
        return 404, {}, b'{"error_code": 40403, "message": "Schema not found"}'
    text = {} if query.get("format") == ["serialized"] else {"schema": 'syntax = "proto3";'}
    return 200, {}, json.dumps({**known[path], **text}).encode()


def test_protobuf_is_read_with_the_schemas_that_landed_beside_it(
    mock: Brokers, tmp_path: Path, topic: str, server: Server
) -> None:
    pytest.importorskip("google.protobuf", reason="protobuf is not installed")
    from tests.sources import test_protobuf as of

    server.handle = compiled
    message = of.ALL(whole=7, text="é", tags={"a": 1}, maybe_big=5)
    message.pay.units, message.pay.currency = 12, "EUR"
    head = b"\0" + (1).to_bytes(4, "big")
    good = [head + of.framed(message, *of.AT), head + of.framed(of.OUTER(id=9), 1), head + of.framed(of.ALL(), *of.AT)]
    bad = [b"\0\0\0\0\x07x", b"\0\0\0\0\x02x", b"\0\0\0\0\x03x", b"plain", good[0][:-2], head, head + b"\x04\x02\x63"]
    mock.send(topic, good[0], *bad, *good[1:], (b"k", None))
    columns = {
        "whole": {"type": "integer"},
        "id": {"type": "integer"},
        "text": {},
        "maybe_big": {"type": "integer"},
        "pay": {"path": "pay.units", "type": "decimal(12,2)"},
        "tag": {"path": "tags.a", "type": "integer"},
        "offset": {"path": "@offset", "type": "integer"},
    }
    keys = {"registry": {"url": f"{server.url}?team=hr"}}
    made = World(tmp_path, declared(mock.at, topic, source=keys, value="protobuf", columns=columns))
    made.ingest()
    paths = [path for path, query, _ in server.requests if query == {"team": ["hr"], "format": ["serialized"]}]
    assert sorted(paths) == [
        "/schemas/ids/1", "/schemas/ids/2", "/schemas/ids/3", "/schemas/ids/7", "/subjects/money/versions/2"
    ]  # fmt: skip
    assert len(server.requests) == len(paths)
    server.handle = lambda path, query: pytest.fail("parsing asks nobody")
    rows = sorted(made.rows(), key=lambda row: row["_row"])
    read = [row for row in rows if row["_mistyped"] is None]
    assert values(read, "_row", "whole", "id", "text", "maybe_big", "tag") == [
        (1, 7, None, "é", 5, 1),
        (9, None, 9, None, None, None),
        (10, 0, None, None, None, None),
        (11, None, None, None, None, None),
    ]
    assert str(read[0]["pay"]) == "12.00" and read[2]["pay"] is None
    assert values([row for row in rows if row["_mistyped"]], "_row") == [2, 3, 4, 5, 6, 7, 8]


TEXTS = {
    "/schemas/ids/1": {
        "schema": """syntax = "proto3"; package hr.v1;
            import "google/protobuf/timestamp.proto"; import "parts/money.proto"; import "company/options.proto";
            message First {}
            message Outer { int32 id = 1; message All { int32 whole = 1; parts.Money pay = 2; } }""",
        "references": [{"name": "parts/money.proto", "subject": "money", "version": 2}],
        "schemaType": "PROTOBUF",
    },
    "/subjects/money/versions/2": {
        "schema": 'syntax = "proto3"; package parts; message Money { int64 units = 1; }',
        "schemaType": "PROTOBUF",
    },
}


@pytest.mark.parametrize("registry", ["does not know the form", "compiles nothing that refers", "compiles nothing"])
def test_protobuf_is_read_where_a_registry_gives_texts_only(
    mock: Brokers, tmp_path: Path, topic: str, server: Server, registry: str
) -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools is not installed")
    from tests.sources import test_protobuf as of

    def answer(path: str, query: Any) -> Answer:
        asked = query.get("format") == ["serialized"]
        if asked and registry == "compiles nothing":
            return 501, {}, b'{"error_code": 501, "message": "not implemented"}'
        if asked and registry == "compiles nothing that refers":
            # as Karapace: https://github.com/Aiven-Open/karapace/issues/1263
            done = {"schema": of.text(of.money()), "schemaType": "PROTOBUF"}
            return (500, {}, b"Internal Server Error") if "ids" in path else (200, {}, json.dumps(done).encode())
        return 200, {}, json.dumps(TEXTS[path]).encode()

    server.handle = answer
    head = b"\0" + (1).to_bytes(4, "big")
    mock.send(topic, head + b"\x04\x02\x00" + b"\x08\x07\x12\x02\x08\x0c", head + b"\x02\x02" + b"\x08\x09")
    columns = {"whole": {"type": "integer"}, "id": {"type": "integer"}, "pay": {"path": "pay.units", "type": "integer"}}
    keys = {"registry": {"url": server.url}}
    made = World(tmp_path, declared(mock.at, topic, source=keys, value="protobuf", columns=columns))
    made.ingest()
    server.handle = lambda path, query: pytest.fail("parsing asks nobody")
    assert values(made.rows(), "whole", "id", "pay") == [(7, None, 12), (None, 9, None)]


def test_a_registry_that_stumbles_is_asked_again_for_what_is_compiled(
    mock: Brokers, world: Callable[..., World], topic: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("google.protobuf", reason="protobuf is not installed")
    monkeypatch.setitem(sys.modules, "grpc_tools", None)
    asked = iter(range(100))
    server.handle = lambda path, query: compiled(path, query) if next(asked) else (500, {}, b"busy")
    mock.send(topic, b"\0\0\0\0\x01\0x")
    world(mock, value="protobuf", source={"registry": {"url": server.url}}).ingest()


def test_a_registry_that_gives_no_compiled_schemas_is_told(
    mock: Brokers, world: Callable[..., World], topic: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("google.protobuf", reason="protobuf is not installed")
    answer = {"schema": 'syntax = "proto3"; message A { Secret b = 1; }', "schemaType": "PROTOBUF"}
    server.answers = [(200, {}, json.dumps(answer).encode())]
    mock.send(topic, b"\0\0\0\0\x01\0x")
    failure = world(mock, value="protobuf", source={"registry": {"url": server.url}}).refused()
    if find_spec("grpc_tools"):
        assert (failure.code, failure.retryable) == ("E001", False) and "Secret" not in failure.text()
        assert (
            "schema 1 of the schema registry cannot be compiled: value.proto:1:32: … is not defined" in failure.problem
        )
    monkeypatch.setitem(sys.modules, "grpc_tools", None)
    monkeypatch.delitem(sys.modules, "potable.sources.prototexts", raising=False)
    monkeypatch.delattr("potable.sources.prototexts", raising=False)
    failure = world(mock, value="protobuf", source={"registry": {"url": server.url}}).refused()
    assert (failure.code, failure.next) == ("E006", "pip install 'potable[protobuf-texts]'")
    assert "format=serialized" in failure.hint
    monkeypatch.setitem(sys.modules, "potable.sources.protobuf", None)
    failure = world(mock, value="protobuf", source={"registry": {"url": server.url}}).refused()
    assert (failure.code, failure.next) == ("E006", "pip install 'potable[protobuf]'")


@pytest.mark.parametrize(
    "answer", [(404, {}, b"<html>no such page"), (404, {}, b'{"error": "x"}'), (401, {}, SECRET.encode())]
)
def test_what_is_no_registry_is_told(
    mock: Brokers,
    world: Callable[..., World],
    topic: str,
    server: Server,
    answer: Answer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("potable.sources.http._FIRST_WAIT", 0.0)
    server.answers = [answer]
    mock.send(topic, b"\0\0\0\0\x01x")
    made = world(mock, value="avro", source={"registry": {"url": server.url}})
    failure = made.refused()
    assert failure.code == "E001"
    assert SECRET not in failure.text()
    assert current(made.landing.log).batch == 0


@pytest.mark.broker
def test_only_what_was_committed_is_read_and_nothing_behind_what_is_open(
    real: Brokers, world: Callable[..., World], topic: str
) -> None:
    create(real, topic)
    producer = real.producer(**{"transactional.id": topic})
    producer.init_transactions()

    def write(number: int) -> None:
        producer.begin_transaction()
        producer.produce(topic, numbered(number)[0])
        producer.flush()

    write(1)
    producer.commit_transaction()
    write(2)
    producer.abort_transaction()
    write(3)
    producer.commit_transaction()
    write(4)
    real.send(topic, *numbered(5))
    made = world(real)
    made.ingest()
    assert values(made.rows(), "id", "offset") == [(1, 0), (3, 4)]
    assert made.state["offsets"] == {"0": 6}
    producer.commit_transaction()
    made.ingest()
    assert values(made.rows(), "id") == [1, 3, 4, 5]
    write(6)
    producer.abort_transaction()
    # nothing landed, and yet it is remembered: it may be deleted any time
    assert made.ingest().new_objects == 0
    assert made.state["offsets"] == {"0": 11}
    assert made.ingest().batch == 3


@pytest.mark.broker
def test_partitions_that_are_added_later_are_read_from_their_beginning(
    real: Brokers, world: Callable[..., World], topic: str
) -> None:
    client = create(real, topic)
    real.send(topic, *numbered(1, 2))
    made = world(real)
    made.ingest()
    for grown in client.create_partitions([admin.NewPartitions(topic, 3)]).values():
        grown.result(20)
    real.send(topic, *numbered(3), partition=2)
    made.ingest()
    assert values(made.rows(), "id", "partition", "offset") == [(1, 0, 0), (2, 0, 1), (3, 2, 0)]
    assert made.state["offsets"] == {"0": 2, "1": 0, "2": 1}


@pytest.mark.broker
def test_deleted_messages_are_told_by_their_offsets(real: Brokers, world: Callable[..., World], topic: str) -> None:
    client = create(real, topic)
    real.send(topic, *numbered(1, 2))
    made = world(real)
    made.ingest()
    real.send(topic, *numbered(3, 4, 5))
    for deleted in client.delete_records([ck.TopicPartition(topic, 0, 4)]).values():
        deleted.result(20)
    failure = made.refused()
    assert failure.code == "E009"
    assert f"offsets 2 to 3 of partition 0 of `{topic}`" in failure.problem
    assert made.refused().problem == failure.problem
    noting = world(real, lost="record")
    noting.ingest()
    assert values(noting.rows(), "id") == [1, 2, 5]
    assert noting.state["lost"] == {"0": [[2, 3]]}


@pytest.mark.broker
def test_a_topic_that_was_made_anew_loses_nothing(real: Brokers, world: Callable[..., World], topic: str) -> None:
    client = create(real, topic)
    real.send(topic, *numbered(1, 2))
    made = world(real)
    made.ingest()
    for deleted in client.delete_topics([topic]).values():
        deleted.result(20)
    until(lambda: topic not in client.list_topics(timeout=10).topics)
    create(real, topic)
    real.send(topic, *numbered(3, 4, 5))
    assert "deleted and recreated" in made.refused().problem
    noting = world(real, lost="record")
    noting.ingest()
    assert sorted(values(noting.rows(), "id")) == [1, 2, 3, 4, 5]
    assert noting.state["restarts"] == {"0": [2]}


@pytest.mark.broker
def test_a_compacted_topic_is_read_over_its_gaps(real: Brokers, world: Callable[..., World], topic: str) -> None:
    rules = {
        "cleanup.policy": "compact",
        "segment.ms": "50",
        "min.cleanable.dirty.ratio": "0.01",
        "delete.retention.ms": "0",
    }
    create(real, topic, **rules)
    for number in range(6):
        real.send(topic, (b"k", numbered(number)[0]), (f"k{number}".encode(), numbered(10 + number)[0]))
        time.sleep(0.06)
    expected = {*range(10, 16), 5}
    for attempt in range(40):
        made = World(world(real).folder / str(attempt), world(real).source)
        made.ingest()
        if len(made.rows()) < 12:
            break
        time.sleep(0.25)
    found = values(made.rows(), "id")
    assert len(found) < 12, "the broker did not compact"
    assert expected <= set(found) and len(found) == len(set(found))
    real.send(topic, (b"k", numbered(99)[0]))
    made.ingest()
    assert values(made.rows(), "id") == [*found, 99]


@pytest.mark.broker
@pytest.mark.parametrize("sasl", ["PLAIN", "SCRAM-SHA-512"])
def test_name_and_password_are_proven_and_never_shown(
    sasl: str,
    real: Brokers,
    world: Callable[..., World],
    topic: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    real.send(topic, *numbered(1))
    if sasl != "PLAIN":
        client = admin.AdminClient({"bootstrap.servers": real.at}, logger=QUIET)
        form = admin.ScramCredentialInfo(admin.ScramMechanism.SCRAM_SHA_512, 4096)
        user = admin.UserScramCredentialUpsertion("reader", form, SECRET.encode())
        client.alter_user_scram_credentials([user])["reader"].result(20)
    security = {"sasl": sasl, "user": "reader", "password": SECRET, "tls": True, "ca": str(real.ca)}
    made = world(real, source={"brokers": real.sasl, "security": security})
    made.ingest()
    assert values(made.rows(), "id") == [1]
    told = ""
    for wrong, said in [({"password": f"{SECRET}-old"}, "refused the credentials"), ({"ca": None}, "_SSL")]:
        keys = {"brokers": real.sasl, "security": {**security, **wrong}, "timeout": 5}
        failure = world(real, source=keys).refused()
        assert said in failure.problem
        told += failure.text() + json.dumps(failure.record()) + repr(failure.__cause__)
    held = "".join(path.name + path.read_text(errors="replace") for path in made.folder.rglob("*.json"))
    told += held + caplog.text + "".join(capfd.readouterr()) + repr(made.source) + made.source.model_dump_json()
    assert SECRET not in told


def test_settings_the_client_does_not_take_are_told(tmp_path: Path) -> None:
    security = {
        "tls": True,
        "ca": "none.pem",
        "private_key_file": "k",
        "certificate": "c",
        "private_key_password": SECRET,
    }
    failure = World(tmp_path, declared("x:1", "t", source={"security": security})).refused()
    assert failure.code == "E007"
    assert SECRET not in failure.text() + repr(failure.__cause__)


@pytest.mark.parametrize(
    ("source", "table", "said"),
    [
        ({"security": {"sasl": "PLAIN", "user": "me"}}, {}, "given together"),
        ({"security": {"ca": "x"}}, {}, "need `tls: true`"),
        ({"security": {"tls": True, "certificate": "x"}}, {}, "given together"),
        ({"brokers": ""}, {}, "at least 1 character"),
        ({}, {"value": "avro"}, "needs a `registry`"),
        ({}, {"value": "protobuf"}, "needs a `registry`"),
        ({}, {"value": "thrift"}, "Input should be"),
        ({}, {"columns": {"a": {"path": "@ofset"}}}, "a message has nothing called"),
        ({}, {"columns": {"a": {"path": "@key.id"}}}, "needs `key: json`"),
    ],
)
def test_what_cannot_be_read_is_found_when_the_project_is_read(source: Any, table: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        declared("x", "t", source=source, **table)


def test_a_first_contract_tells_what_messages_have_beside_their_values(mock: Brokers, tmp_path: Path) -> None:
    mock.send("discovered", *((f"k{n}".encode(), json.dumps({"id": n // 2}).encode()) for n in range(30)))
    (tmp_path / "sources").mkdir()
    (tmp_path / "potable.yaml").write_text("project: p\n")
    declared = f"source: s\ntype: kafka\nbrokers: {mock.at}\ntables:\n  t: {{topic: discovered}}\n"
    (tmp_path / "sources" / "s.yaml").write_text(declared)
    facts, told = discovered(tmp_path, "s", rows=100, write=False, words=False)
    assert list(facts["t"]["columns"]) == ["id"] and "unique:" not in told
    assert "# path: also `@key`, `@timestamp`" in told and "`@partition` and `@offset` (which identify" in told
