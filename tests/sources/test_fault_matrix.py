"""Faults x kinds of source x positions: after the fault and one more run nothing is lost, nothing doubled, what was landed before stays.

One proof for all cells: a clean landing, more data, a run with the fault at the first, a middle or the last object, and one
run without it. Faults that only one kind of source knows are proven in that kind's own tests, which the table names.
`python -m tests.sources.test_fault_matrix` writes docs/faults.md.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.sources import dying, test_docx, test_mail, test_parquet, test_pdf, test_xlsx
from tests.sources.objects import SECRET, landed_blobs, landed_rows, raw_zone
from tests.sources.web import RESET, Answer, Server

from potable import plugins
from potable.errors import DataError, EnvironmentFailure
from potable.sources import http, places, sql
from potable.sources.base import Source
from potable.sources.ingest import Landing, current, ingest

POSITIONS = {"first": 0, "middle": 2, "last": 4}
ATTEMPTS = 6
"""How often a request is made at most."""
OBJECTS = 5
"""Objects, or pages, of the run with the fault."""
COLUMNS: dict[str, Any] = {"no": {}, "name": {}}
FORM = {"no": {"path": "no"}, "name": {"path": "name"}}


def numbers(count: int) -> list[str]:
    """The records of so many objects, each known by its number."""
    return [f"E{number:04d}" for number in range(count)]


class World:
    """A system, the source that reads it, and the raw zone it lands in."""

    source: Source[Any]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = 0
        """Objects opened, or requests made."""
        self.met = 0
        """How often the fault was met."""

    @property
    def landing(self) -> Landing:
        return raw_zone(self.folder / "lake")

    def ingest(self) -> int:
        """Land; how many objects were new."""
        return ingest(self.source, self.landing, base=self.folder).new_objects

    def rows(self) -> list[str]:
        return sorted(row["no"] for row in landed_rows(self.source, self.landing, "t") if row["no"])

    def rows_now(self) -> list[str]:
        """What can be read of what is landed, also where an object is damaged."""
        found = []
        for table, blob in landed_blobs(self.landing):
            with contextlib.suppress(DataError):
                found += [row["no"] for batch in self.source.parse(table, blob) for row in batch.to_pylist()]
        return sorted(filter(None, found))

    def grow(self, count: int) -> None:
        """Let the system hold the records of `count` objects."""
        raise NotImplementedError

    def fault(self, name: str, position: int) -> Any:
        """The system with the fault, as long as the context lasts."""
        raise NotImplementedError


def declared(kind: str, *, columns: Any = COLUMNS, table: Any = None, **keys: Any) -> Source[Any]:
    tables = {"t": {"columns": columns, **(table or {})}}
    made: Source[Any] = plugins.load("sources", kind).model_validate(
        {"source": "s", "type": kind, "tables": tables, **keys}
    )
    return made


def _form(no: str) -> list[str]:
    return [f"no: {no}", "name: Ama"]


def _words(no: str) -> str:
    p, row = test_docx.p, test_docx.row
    return test_docx.table(row(p("no"), p(no)), row(p("name"), p("Ama")))


FILES: dict[str, Callable[[str], bytes]] = {
    "csv": lambda no: f"no,name\n{no},Ama\n".encode(),
    "json": lambda no: json.dumps({"no": no, "name": "Ama"}).encode(),
    "fixed": lambda no: f"{no}Ama\n".encode(),
    "xlsx": lambda no: test_xlsx.saved([("no", "name"), (no, "Ama")]),
    "parquet": lambda no: test_parquet.saved({"no": [no], "name": ["Ama"]}),
    "xml": lambda no: f"<all><p><no>{no}</no><name>Ama</name></p></all>".encode(),
    "docx": lambda no: test_docx.package(f"<w:body>{_words(no)}</w:body>"),
    "pdf": lambda no: test_pdf.letter(*_form(no)),
    "email": lambda no: bytes(test_mail.message("\n".join(_form(no)))),
    "text": lambda no: "\n".join(_form(no)).encode(),
}
"""A file with one record, by kind of source."""
OTHER: dict[str, Callable[[str], bytes]] = {
    "csv": lambda no: f"more;no\nx;{no}\n".encode(),
    "json": lambda no: json.dumps({"no": no, "more": {"x": 1}}).encode(),
    "xlsx": lambda no: test_xlsx.saved([("more", "no"), ("x", no)]),
    "parquet": lambda no: test_parquet.saved({"more": [1], "no": [no]}),
    "xml": lambda no: f"<all><p><more/><no>{no}</no></p></all>".encode(),
}
"""The same record after the source system has changed its columns."""
TABLES = {"fixed": {"widths": {"no": 5, "name": 3}}, "xml": {"record": "/all/p"}}


class Folder(World):
    """A folder of files."""

    def __init__(self, kind: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__(folder)
        self.kind, self.patch = kind, patch
        self.source = declared(kind, path="in", table=TABLES.get(kind))
        self.opened = places._opened
        patch.setattr(places, "_opened", self._open)
        self.meddle: Callable[[Path], None] = lambda path: None

    def _open(self, path: str) -> Any:
        self.work += 1
        self.meddle(Path(path))
        return self.opened(path)

    def path(self, position: int) -> Path:
        return self.folder / "in" / f"{position + 1}.dat"

    def grow(self, count: int) -> None:
        for number, no in enumerate(numbers(count)):
            path = self.folder / "in" / f"{number}.dat"
            if not path.exists():
                path.write_bytes(FILES[self.kind](no))

    @contextmanager
    def fault(self, name: str, position: int) -> Iterator[None]:
        path = self.path(position)
        whole = path.read_bytes()

        def meddle(opened: Path) -> None:
            if opened == path:
                self.met += 1
                {"refused": _refuse, "vanished": Path.unlink, "changed": _grow}[name](path)

        if name == "truncated":
            path.write_bytes(whole[: len(whole) // 2])
        elif name == "damaged":
            path.write_bytes(b"\0\xff" + whole[::-1])
        elif name == "other columns":
            path.write_bytes(OTHER[self.kind](f"E{position + 1:04d}"))
        else:
            self.meddle = meddle
        self.met = int(path.read_bytes() != whole)
        yield
        self.meddle = lambda path: None
        if name != "other columns":
            path.write_bytes(whole)


def _refuse(path: Path) -> None:
    # who is root may read everything
    raise PermissionError(13, "no")


def _grow(path: Path) -> None:
    """Its writer is at work again after it was listed."""
    with path.open("ab") as file:
        file.write(b"\n")


class Database(World):
    """A database, in chunks of one row."""

    def __init__(self, kind: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__(folder)
        patch.setattr(sql, "CHUNK_ROWS", 1)
        self.source = declared("sql", url="sqlite:///hr.db", table={"table": "people", "order_by": ["no"]})

    def grow(self, count: int) -> None:
        with closing(sqlite3.connect(self.folder / "hr.db")) as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS people (no, name)")
            database.execute("DELETE FROM people")
            database.executemany("INSERT INTO people VALUES (?, 'Ama')", [(no,) for no in numbers(count)])

    @contextmanager
    def fault(self, name: str, position: int) -> Iterator[None]:
        path = self.folder / "hr.db"
        whole = path.read_bytes()
        if name == "vanished":
            path.rename(self.folder / "gone.db")
        elif name == "truncated":
            path.write_bytes(whole[: len(whole) // 2])
        elif name == "other columns":
            with closing(sqlite3.connect(path)) as database, database:
                database.execute("ALTER TABLE people ADD COLUMN more")
        self.met = int(not path.exists() or path.read_bytes() != whole)
        yield
        if name != "other columns":
            path.write_bytes(whole)


class Api(World):
    """An endpoint with one record a page."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, server: Server) -> None:
        super().__init__(folder)
        self.server, self.count = server, 0
        # nobody waits for pauses
        patch.setattr(http, "time", SimpleNamespace(sleep=lambda seconds: None, monotonic=http.time.monotonic))
        server.handle = self.handle
        self.faults: dict[int, list[Answer]] = {}
        client = {"token_url": f"{server.url}/token", "client_id": "me", "client_secret": SECRET}
        table = {"endpoint": "/list", "pagination": {"page": "p"}}
        self.source = declared("rest", url=server.url, table=table, auth={"oauth2": client}, timeout=0.3)

    def grow(self, count: int) -> None:
        self.count = count

    def page(self, number: int) -> Answer:
        records = [{"no": no, "name": "Ama"} for no in numbers(self.count)[number : number + 1]]
        return 200, {}, json.dumps({"data": records}).encode()

    def other(self, number: int) -> dict[str, Any]:
        """A record after the source system has changed its columns."""
        return {"more": 1, "no": numbers(self.count)[number]}

    def handle(self, path: str, query: dict[str, list[str]]) -> Answer:
        if path == "/token":
            return 200, {}, b'{"access_token": "x"}'
        self.work += 1
        number = int(query["p"][0]) - 1
        if waiting := self.faults.get(number):
            self.met += 1
            answer = waiting.pop()
            if answer[0] != 0:
                return answer
            # a server that does not answer in time
            time.sleep(0.5)
        return self.page(number)

    @contextmanager
    def fault(self, name: str, position: int) -> Iterator[None]:
        number = position + 1
        cut = json.dumps({"data": [{"no": "x"}]}).encode()[:-3]
        answers: dict[str, Answer] = {
            "time-out": (0, {}, b""),
            "reset": RESET,
            "429": (429, {"Retry-After": "0"}, b""),
            "500": (500, {}, b""),
            "malformed": (200, {}, cut),
            "cut body": (200, {"Content-Length": "999"}, cut),
            "cut chunk": (200, {"Transfer-Encoding": "chunked"}, b"40\r\n" + cut),
            "expired token": (401, {}, b""),
            "duplicate page": self.page(max(number - 1, 0)),
            "refused": (403, {}, b""),
            "other columns": (200, {}, json.dumps({"data": [self.other(number)]}).encode()),
        }
        many = 99 if name.endswith("for long") else 1
        self.met = 0
        self.faults[number] = [answers[name.removesuffix(" for long")]] * many
        yield
        self.faults = {}


API = ["time-out", "reset", "429", "500", "malformed", "cut body", "cut chunk", "expired token", "duplicate page", "refused", "other columns", *(f"{name} for long" for name in ("reset", "429", "500", "malformed", "expired token"))]  # fmt: skip
PROCESS = ["killed", "disk full"]
"""Faults of the process that lands, whatever it lands."""
STOPS = {"refused", "vanished", *(fault for fault in API if fault.endswith("for long")), *PROCESS}
"""Faults that end the run."""
CELLS: dict[str, list[str]] = {
    **{
        kind: [
            "refused",
            "vanished",
            "truncated",
            "damaged",
            "changed",
            *(["other columns"] if kind in OTHER else []),
            *PROCESS,
        ]
        for kind in FILES
    },
    "sql": ["vanished", "truncated", "other columns", *PROCESS],
    "rest": [*API, *PROCESS],
}
"""The faults that have a meaning for each kind of source, and are proven here."""
KEYS: dict[str, list[str]] = {
    "sql keys": ["reset", "changed", *PROCESS],
    "rest keys": [*API, "shifted page", "short list", *PROCESS],
}
"""Faults while the keys that are there now are read; proven in `test_fault_matrix_keys`."""
ELSEWHERE: dict[tuple[str, str], str] = {
    ("reset", "sql"): "test_postgres.py::test_a_killed_connection_lands_nothing_and_a_retry_everything",
    ("refused", "sql"): "test_postgres.py::test_what_postgres_refuses_is_told",
    ("damaged", "sql"): "test_sql.py::test_a_chunk_whose_pages_are_damaged_is_refused",
    ("changed", "sql"): "test_postgres.py::test_all_parts_and_tables_come_from_one_snapshot",
    ("shifted page", "rest"): "test_pagination.py::test_records_lost_by_a_deletion_while_reading_are_noticed",
    ("reset", "kafka"): "test_kafka.py::test_brokers_that_go_away_in_the_middle_are_told",
    ("time-out", "kafka"): "test_kafka.py::test_brokers_that_are_away_are_told",
    ("killed", "kafka"): "test_kafka.py::test_killed_landings_lose_and_double_nothing",
    ("malformed", "kafka"): "test_kafka.py::test_messages_that_cannot_be_read_keep_their_place",
    ("vanished", "kafka"): "test_kafka.py::test_messages_deleted_unread_stop_the_run_or_are_noted",
    ("refused", "kafka"): "test_kafka.py::test_name_and_password_are_proven_and_never_shown",
    **{
        (fault, "buckets"): "test_buckets.py::test_a_fault_that_passes_is_waited_for"
        for fault in ("500", "reset", "cut body")
    },
    ("time-out", "buckets"): "test_buckets.py::test_a_store_that_says_nothing_or_is_not_there_is_given_up",
    ("refused", "buckets"): "test_buckets.py::test_what_a_store_refuses_is_told",
    ("vanished", "buckets"): "test_buckets.py::test_an_object_that_goes_between_listing_and_reading_is_told",
    ("changed", "buckets"): "test_buckets.py::test_an_object_that_changes_while_it_is_read_is_told",
    **{
        (fault, "web"): "test_web.py::test_a_fault_that_passes_costs_nothing"
        for fault in ("429", "500", "reset", "cut body")
    },
    ("time-out", "web"): "test_web.py::test_a_server_that_hangs_in_the_middle_is_asked_again",
    ("reset for long", "web"): "test_web.py::test_a_connection_that_always_breaks_is_given_up",
    ("refused", "web"): "test_web.py::test_what_a_server_refuses_is_told",
    ("changed", "web"): "test_web.py::test_a_file_that_changes_where_the_connection_broke_is_no_file_of_two_halves",
    ("time-out", "airbyte"): "test_airbyte.py::test_a_program_that_never_ends_is_ended",
    ("malformed", "airbyte"): "test_airbyte.py::test_what_is_no_record_is_quarantined_and_what_is_no_message_refused",
    ("reset", "airbyte"): "test_airbyte.py::test_a_program_that_fails_lands_nothing",
    ("vanished", "airbyte"): "test_airbyte.py::test_a_program_that_is_not_there_or_offers_something_else_is_told",
    ("killed", "airbyte"): "test_airbyte.py::test_what_a_killed_run_left_is_removed",
    ("disk full", "airbyte"): "test_airbyte.py::test_a_landing_that_fails_ends_the_program",
    **{
        (fault, "singer"): "test_singer.py::test_a_tap_that_fails_lands_nothing"
        for fault in ("reset", "malformed", "other columns")
    },
    ("vanished", "kinesis"): "test_kinesis.py::test_records_that_may_be_lost_stop_the_run_or_are_noted",
    ("refused", "kinesis"): "test_kinesis.py::test_what_refuses_is_told_without_the_key",
}
"""Cells that need what only their own tests have."""


def world(kind: str, folder: Path, request: pytest.FixtureRequest) -> World:
    patch = request.getfixturevalue("monkeypatch")
    if kind == "rest":
        return Api(folder, patch, request.getfixturevalue("server"))
    return (Database if kind == "sql" else Folder)(kind, folder, patch)


def clean_work(made: World) -> int:
    """What a landing without a fault costs."""
    before = made.work
    if not isinstance(made, Api):
        return OBJECTS
    list(made.source.arrivals(made.folder))
    return made.work - before


@pytest.mark.parametrize(("kind", "fault"), [(kind, fault) for kind, faults in CELLS.items() for fault in faults])
def test_a_fault_costs_at_most_a_run(kind: str, fault: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """At every position; the positions of a cell are judged together to save the setting up."""
    made = world(kind, tmp_path, request)
    for position in POSITIONS.values():
        made.folder = tmp_path / str(position)
        made.folder.mkdir()
        (made.folder / "in").mkdir()
        _prove(made, fault, position)


def _prove(made: World, fault: str, position: int) -> None:
    made.grow(1)
    assert made.ingest() >= 1
    standing = {item.path for item in current(made.landing.log).objects.values()}
    made.grow(1 + OBJECTS)
    cost = clean_work(made)
    made.work = 0
    finished = _run_with(made, fault, position)
    assert finished is not (fault in STOPS or (isinstance(made, Database) and fault == "truncated"))
    # what passes is asked for once more
    assert made.work <= cost + (1 if finished else ATTEMPTS)
    assert set(numbers(1)) <= set(made.rows_now()) if finished else made.rows_now() == numbers(1)
    made.ingest()
    assert made.rows() == numbers(1 + OBJECTS)
    assert made.ingest() == 0 and made.rows() == numbers(1 + OBJECTS)
    # raw is write-once
    assert standing <= {str(path.relative_to(made.folder / "lake")) for path in (made.folder / "lake").rglob("*")}
    # the run with the fault and its attempts, one without, and one that finds nothing new
    assert made.work <= 3 * cost + ATTEMPTS


def _run_with(made: World, fault: str, position: int) -> bool:
    """Whether the run with the fault finished."""
    if fault in PROCESS:
        at = position + (fault == "killed")
        code = dying.landed(made.source, made.folder, made.folder / "lake", fault, at)
        assert code == (-9 if fault == "killed" else 4)
        return False
    with made.fault(fault, position):
        try:
            made.ingest()
        except EnvironmentFailure as failure:
            assert failure.code in ("E001", "E002") and SECRET not in failure.text()
            return False
        finally:
            assert made.met
    return True


def test_killing_and_filling_end_at_once_and_leave_nothing_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Folder("csv", tmp_path, monkeypatch)
    (tmp_path / "in").mkdir()
    made.grow(3)
    for how in PROCESS:
        assert dying.landed(made.source, tmp_path, tmp_path / "lake", how, 2) in (-9, 4)
        assert current(made.landing.log).batch == 0
    assert dying.landed(made.source, tmp_path, tmp_path / "lake", "killed", 99) == 7


MEANINGS = {
    "time-out": "the system does not answer in time",
    "reset": "the connection ends in the middle",
    "429": "too many requests",
    "500": "the server fails",
    "malformed": "an answer or message that is not well-formed",
    "cut body": "an answer shorter than it says",
    "cut chunk": "a chunked answer that ends in the middle",
    "expired token": "the token is not taken any more",
    "duplicate page": "a page comes twice",
    "shifted page": "records are deleted while pages are read",
    "short list": "a list says that it ends before its end",
    "refused": "permission denied",
    "vanished": "a file or database that was there, or messages that were not read yet, are gone",
    "truncated": "a file is half written when it is landed",
    "damaged": "the bytes are others than the writer wrote",
    "changed": "something is written after it was listed, or while it is read",
    "other columns": "the schema changes in the middle",
    "killed": "kill -9 of the process that lands",
    "disk full": "the store takes no more bytes",
    **{
        f"{name} for long": f"the same, longer than patience: {name}"
        for name in ("reset", "429", "500", "malformed", "expired token")
    },
}
HEAD = """<!-- generated by `python -m tests.sources.test_fault_matrix`; do not edit -->

# Faults of sources

What happens when a system or the machine fails while a source is landed. Each cell is a test. **proven** means, with the
fault at the first, a middle and the last object, page or chunk: the run with the fault lands all or commits nothing; what
was landed before stays; one more run has every record once; another one adds nothing; the work that is repeated is counted
and bounded by one run. `buckets` and `web` are files of any kind behind `s3://` and `https://`; a program (airbyte, singer) that
ends in the middle stands under reset. In `sql keys` and `rest keys` the fault comes while the keys that are there now are read
(`incremental: {keys: …}`), and no record that is there ever counts as deleted: a list is whole, or not there. Numbers name tests of the kind itself, below. An empty cell has no meaning for the kind, or is
not tested.
"""


def page() -> str:
    """The matrix as one table."""
    proven_here = {**CELLS, **KEYS}
    kinds = [*proven_here, "buckets", "web", "kafka", "kinesis", "airbyte", "singer"]
    rows = [f"| fault | {' | '.join(kinds)} |", "| --- |" + " --- |" * len(kinds)]
    notes = list(dict.fromkeys(ELSEWHERE.values()))
    for fault, meaning in MEANINGS.items():
        cells = []
        for kind in kinds:
            there = ELSEWHERE.get((fault, kind))
            proven = fault in proven_here.get(kind, [])
            cells.append("proven" if proven else f"[{notes.index(there) + 1}]" if there else "")
        rows.append(f"| {fault}: {meaning} | {' | '.join(cells)} |")
    listed = [f"{number}. `tests/sources/{name}`" for number, name in enumerate(notes, 1)]
    return "\n".join([HEAD, *rows, "", *listed, ""])


PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


def test_the_matrix_in_the_docs_is_this_one() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.sources.test_fault_matrix`"
    assert {fault for faults in (*CELLS.values(), *KEYS.values()) for fault in faults} | {
        fault for fault, _ in ELSEWHERE
    } == {*MEANINGS}


@pytest.mark.parametrize("name", dict.fromkeys(ELSEWHERE.values()))
def test_what_is_proven_elsewhere_is_there(name: str) -> None:
    file, _, function = name.partition("::")
    assert f"def {function}(" in (Path(__file__).parent / file).read_text(encoding="utf-8")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
