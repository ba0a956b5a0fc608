"""The suite for connectors, over every built-in kind of source with real data behind it, and over some that are broken."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.sources import (
    connector_of,
    test_docx,
    test_kafka,
    test_kinesis,
    test_mail,
    test_parquet,
    test_pdf,
    test_sql,
    test_xlsx,
)
from tests.sources.objects import SECRET
from tests.sources.web import Server

from potable import plugins
from potable.errors import DataError
from potable.sources import extracting
from potable.sources import kinesis as module
from potable.sources.base import Source
from potable.sources.blobs import Blob
from potable.sources.landed import Arrival, Held
from potable.sources.onwards import State
from potable.sources.typed import typed
from potable.tables import Table
from potable.testing import CHECKS, Broken, Case, conform

Check = Callable[[Case], None]
COLUMNS: dict[str, Any] = {"no": {}, "name": {}, "pay": {"type": "decimal(12,2)"}, "seen": {"type": "date"}}
PEOPLE = [("E0001", "Ünal Meyer", "1234.50", "2020-01-31"), ("E0002", "Kofi Boateng", "none", "2021-02-28")]
MORE = [("E0003", "Zoé Moreau", "7.00", "2022-03-31"), ("E0004", "Ana Lima", "8.25", "31/12/2022")]
RECORDS = [[dict(zip(COLUMNS, row, strict=True)) for row in rows] for rows in (PEOPLE, MORE)]


@dataclass
class World:
    """Where a case is made."""

    folder: Path
    request: pytest.FixtureRequest

    def files(self, kind: str, *contents: bytes, **table: Any) -> Case:
        """A source of files with these contents."""
        (self.folder / "in").mkdir()
        for number, data in enumerate(contents):
            (self.folder / "in" / f"{number}.dat").write_bytes(data)
        made, away = (self.source(kind, path=path, **table) for path in ("in", "nowhere"))
        return Case(made, self.folder, self.folder / "scratch", away=away)

    def source(self, kind: str, *, columns: Any = None, table: Any = None, **keys: Any) -> Source[Any]:
        inside = {name: keys.pop(name) for name in list(keys) if name in ("record", "widths", "header")}
        tables = {"people": {"columns": columns or COLUMNS, **inside, **(table or {})}}
        made: Source[Any] = plugins.load("sources", kind).model_validate(
            {"source": "s", "type": kind, "tables": tables, **keys}
        )
        return made

    def use(self, fixture: str) -> Any:
        return self.request.getfixturevalue(fixture)


def csv(world: World) -> Case:
    texts = ["\r\n".join(";".join(row) for row in [list(COLUMNS), *rows]) for rows in (PEOPLE, MORE)]
    return world.files("csv", texts[0].encode("cp1252"), texts[1].replace("Ana", '"A\nna"').encode())


def json_(world: World) -> Case:
    lines = "\n".join(json.dumps(record) for record in RECORDS[0])
    return world.files("json", lines.encode(), json.dumps(RECORDS[1], indent=1).encode())


def fixed(world: World) -> Case:
    texts = ["\n".join("".join(cell.ljust(12) for cell in row) for row in rows) for rows in (PEOPLE, MORE)]
    return world.files("fixed", *[text.encode() for text in texts], widths=dict.fromkeys(COLUMNS, 12))


def xlsx(world: World) -> Case:
    return world.files("xlsx", *[test_xlsx.saved([tuple(COLUMNS), *rows]) for rows in (PEOPLE, MORE)])


def parquet(world: World) -> Case:
    return world.files("parquet", *[test_parquet.saved(pa.Table.from_pylist(records)) for records in RECORDS])


def xml(world: World) -> Case:
    def element(row: dict[str, str]) -> str:
        return "<p>" + "".join(f"<{name}>{text}</{name}>" for name, text in row.items()) + "</p>"

    documents = [f"<all>{''.join(map(element, records))}</all>" for records in RECORDS]
    return world.files("xml", *[document.encode() for document in documents], record="/all/p")


LABELLED = [("Employee number", "E0001"), ("Last day", "2020-01-31")], [("Employee number", "E0002")]
FORM = {"no": {"path": "Employee number"}, "seen": {"path": "Last day", "type": "date"}, "text": {"path": "@text"}}


def docx(world: World) -> Case:
    p, row = test_docx.p, test_docx.row
    bodies = [test_docx.table(*(row(p(label), p(value)) for label, value in form)) + p("I go.") for form in LABELLED]
    made = [test_docx.package(f"<w:body>{body}</w:body>") for body in bodies]
    return world.files("docx", *made, columns=FORM)


def pdf(world: World) -> Case:
    made = [test_pdf.letter(*(f"{label}: {value}" for label, value in form), "I go.") for form in LABELLED]
    return world.files("pdf", *made, columns=FORM)


def _texts() -> list[str]:
    return ["\n".join([*(f"{label}: {value}" for label, value in form), "I go, Zoé."]) for form in LABELLED]


def email(world: World) -> Case:
    return world.files("email", *[bytes(test_mail.message(text)) for text in _texts()], columns=FORM)


def text(world: World) -> Case:
    return world.files("text", *[text.encode() for text in _texts()], columns=FORM)


def sql(world: World) -> Case:
    with closing(sqlite3.connect(world.folder / "hr.db")) as database, database:
        database.execute("CREATE TABLE people (no, name, pay, seen)")
        database.executemany("INSERT INTO people VALUES (?, ?, ?, ?)", [*PEOPLE, *MORE])
    made, away = (world.source("sql", url=f"sqlite:///{name}.db") for name in ("hr", "none"))
    return Case(made, world.folder, world.folder / "scratch", away=away)


def postgres(world: World) -> Case:
    url = world.use("postgres")
    test_sql.filled(url, "DROP TABLE IF EXISTS people; CREATE TABLE people (no text, name text, pay text, seen text)")
    rows = ", ".join(str(row) for row in [*PEOPLE, *MORE])
    test_sql.filled(url, f"INSERT INTO people VALUES {rows}")
    made = world.source("sql", url=url)
    away = world.source("sql", url=f"postgresql://me:{SECRET}@127.0.0.1:9/hr")
    return Case(made, world.folder, world.folder / "scratch", secrets=(SECRET,), away=away)


def rest(world: World) -> Case:
    server: Server = world.use("server")
    pages = [
        json.dumps({"data": records, "next_cursor": "b" if records is RECORDS[0] else None}) for records in RECORDS
    ]
    server.handle = lambda path, query: (200, {}, pages["cursor" in query].encode())
    keys = {"auth": {"bearer": SECRET}, "timeout": 5, "pace": {"attempts": 1}, "table": {"endpoint": "/people"}}
    made, away = (world.source("rest", url=url, **keys) for url in (server.url, "http://127.0.0.1:9"))
    return Case(made, world.folder, world.folder / "scratch", secrets=(SECRET,), away=away)


def kafka(world: World) -> Case:
    brokers, topic = world.use("mock"), world.folder.name
    for partition, records in enumerate(RECORDS):
        brokers.send(topic, *[json.dumps(record).encode() for record in records], partition=partition)
    login = {"tls": False, "sasl": "PLAIN", "user": "me", "password": SECRET}
    made = world.source("kafka", brokers=brokers.at, timeout=10, table={"topic": topic})
    away = world.source("kafka", brokers="127.0.0.1:9", timeout=1, table={"topic": topic}, security=login)
    return Case(made, world.folder, world.folder / "scratch", secrets=(SECRET,), away=away)


def kinesis(world: World) -> Case:
    world.use("object_store")
    # where nothing answers it would wait between attempts
    world.use("monkeypatch").setattr(module, "_ATTEMPTS", 1)
    stream = test_kinesis.World(world.folder, world.folder.name)
    stream.client.create_stream(StreamName=stream.stream, ShardCount=2)
    for record in [*RECORDS[0], *RECORDS[1]]:
        stream.client.put_record(StreamName=stream.stream, Data=json.dumps(record).encode(), PartitionKey=record["no"])
    stream.put()
    made, away = (
        stream.source(endpoint=url, timeout=5) for url in (stream.client.meta.endpoint_url, "http://127.0.0.1:9")
    )
    table = {"t": type(made.tables["t"]).model_validate({"stream": stream.stream, "columns": COLUMNS})}
    made, away = (source.model_copy(update={"tables": table}) for source in (made, away))
    return Case(made, world.folder, world.folder / "scratch", secrets=(SECRET,), away=away)


def airbyte(world: World) -> Case:
    return _said_by(world, "connector.py", "airbyte")


def singer(world: World) -> Case:
    return _said_by(world, "tap.py", "singer")


def _said_by(world: World, script: str, kind: str) -> Case:
    """A program that says the same at the same time, in two objects."""
    world.use("monkeypatch").setattr(extracting, "_RECORDS", 2)
    columns = {"no": {"path": "id"}, "name": {"path": "name.first"}, "seen": {"path": "updated_at", "type": "date"}}
    config = {"api_key": SECRET, "emitted": 1_700_000_000_000, "text": "Zoé Moreau"}
    made, away = (
        world.source(kind, columns=columns, table={"stream": "users"}, config=config, command=command)
        for command in (connector_of.program(world.folder, script), "./nowhere")
    )
    return Case(made, world.folder, world.folder / "scratch", secrets=(SECRET,), away=away)


mock = test_kafka.mock
KINDS = {make.__name__.rstrip("_"): make for make in (csv, json_, fixed, xlsx, parquet, xml, docx, pdf, email, text, sql, postgres, rest, kafka, kinesis, airbyte, singer)}  # fmt: skip


def test_no_kind_of_source_is_left_out() -> None:
    assert {*KINDS} == {*plugins.names("sources"), "postgres"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_source_conforms(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    conform(KINDS[kind](World(tmp_path, request)))


class Lines(Source[Table]):
    """A source of somebody else: each line a record, of a name."""

    lines: ClassVar[tuple[bytes, ...]] = (b"Ama Mensah\nKofi Boateng\n", b"Zoe Moreau\n")

    def arrivals(self, base: Path, state: State | None = None) -> Iterator[Arrival]:
        for number, data in enumerate(self.lines):
            yield Arrival(f"{number}.txt", ("t",), Held(data))

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        with blob.open() as stream:
            texts = pa.array([line.decode("utf-8", "replace") for line in stream.read().splitlines()], pa.string())
        columns = {name: texts for name, column in self.tables[table].columns.items() if "name" in column.paths(name)}
        yield typed(self.tables[table], columns, blob.name, first=1, rows=len(texts))

    def observe(self, table: str, blob: Blob) -> frozenset[str] | None:
        return frozenset({"name"})


class Renaming(Lines):
    def arrivals(self, base: Path, state: State | None = None) -> Iterator[Arrival]:
        for arrival in super().arrivals(base):
            yield replace(arrival, name=f"{next(COUNT)}.txt")


class Growing(Lines):
    def arrivals(self, base: Path, state: State | None = None) -> Iterator[Arrival]:
        yield from super().arrivals(base)
        if state:
            yield Arrival(f"{state.batch}", ("t",), Held(b"x"))


class Bare(Lines):
    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        for batch in super().parse(table, blob):
            yield batch.drop_columns(["_mistyped"])


class Gaps(Lines):
    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        for batch in super().parse(table, blob):
            yield batch.set_column(batch.schema.get_field_index("_row"), "_row", pc.multiply(batch["_row"], 2))


class Moody(Lines):
    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        for batch in super().parse(table, blob):
            at = batch.schema.get_field_index("name")
            yield batch.set_column(at, "name", pa.repeat(str(next(COUNT)), batch.num_rows))


class Blind(Lines):
    def observe(self, table: str, blob: Blob) -> frozenset[str] | None:
        return frozenset({"other"})


class Forgetful(Lines):
    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        return b"always this"


class Here(Lines):
    def __reduce__(self) -> Any:
        raise TypeError("stays where it is")


class Loud(Lines):
    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        with blob.open() as stream:
            data = stream.read()
        if b"\0" in data or data[-1:] != b"\n":
            raise DataError(f"cannot be read: {data.decode('utf-8', 'replace')}", "D007")
        yield from super().parse(table, blob)


class Fragile(Lines):
    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        with blob.open() as stream:
            stream.read().decode()
        yield from super().parse(table, blob)


class Whole(Lines):
    def may_share(self, table: str) -> bool:
        return True


class Telling(Lines):
    token: str = SECRET


COUNT = itertools.count()
FAULTS = {
    Renaming: "arrivals_keep_their_names_and_bytes",
    Growing: "landing_again_adds_nothing",
    Bare: "rows_have_the_schema_of_the_contract",
    Gaps: "rows_say_where_they_stand",
    Moody: "parsing_twice_gives_the_same_rows",
    Whole: "shares_of_an_object_are_all_of_it",
    Blind: "observed_columns_can_be_asked_for",
    Forgetful: "every_row_has_its_record",
    Here: "it_travels_to_another_process",
    Loud: "bad_bytes_cost_no_more_than_their_object",
    Fragile: "bad_bytes_cost_no_more_than_their_object",
    Telling: "secrets_are_never_shown",
}


def case(kind: type[Lines], folder: Path) -> Case:
    made = kind.model_validate({"source": "s", "type": "lines", "tables": {"t": {"columns": {"name": {}}}}})
    return Case(made, folder, folder / "scratch", secrets=(SECRET,))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_source_of_somebody_else_conforms(check: Check, tmp_path: Path) -> None:
    check(case(Lines, tmp_path))


@pytest.mark.parametrize(("kind", "name"), FAULTS.items())
def test_each_check_finds_what_it_is_for(kind: type[Lines], name: str, tmp_path: Path) -> None:
    (check,) = [check for check in CHECKS if check.__name__ == name]
    with pytest.raises(Broken):
        check(case(kind, tmp_path))


def test_every_check_is_known_to_fail() -> None:
    assert {*FAULTS.values()} == {check.__name__ for check in CHECKS}
