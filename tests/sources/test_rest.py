"""A JSON API that misbehaves, and what is landed of it all the same."""

from __future__ import annotations

import json
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError
from tests.sources.objects import SECRET, blob, landed_rows, parsed, raw_zone, refusal, values
from tests.sources.web import Answer, Server

from potable.errors import EnvironmentFailure
from potable.sources import http, rest
from potable.sources.ingest import Landing, ingest
from potable.sources.rest import RestSource
from potable.store.log import Log
from potable.store.objects import Store

COLUMNS: dict[str, Any] = {
    "id": {"type": "integer"},
    "email": {"path": ["user.email", "mail"]},
    "hours": {"type": "decimal(6,2)"},
}


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made; nobody waits for them."""
    made: list[float] = []
    # only the module's own pauses: other threads of the process sleep too
    monkeypatch.setattr(http, "time", SimpleNamespace(sleep=made.append, monotonic=time.monotonic))
    return made


def source(url: str, columns: dict[str, Any] | None = None, token: str = SECRET, **keys: Any) -> RestSource:
    table = {"endpoint": "/api/trainings", "params": {"limit": 2}, "columns": columns or COLUMNS, **keys}
    return RestSource.model_validate(
        {"source": "s", "type": "rest", "url": url, "auth": {"bearer": token}, "timeout": 5, "tables": {"t": table}}
    )


def page(*records: Any, **more: Any) -> Answer:
    return 200, {"Content-Type": "application/json"}, json.dumps({"data": records, **more}).encode()


def landed(made: RestSource) -> list[tuple[str, bytes]]:
    out = []
    for arrival in made.arrivals(Path()):
        with arrival.open() as stream:
            out.append((arrival.name, stream.read()))
    return out


def refused(made: RestSource) -> EnvironmentFailure:
    with pytest.raises(EnvironmentFailure) as caught:
        landed(made)
    assert caught.value.code == "E001"
    assert SECRET not in caught.value.text() + repr(caught.value.__cause__) + repr(made)
    return caught.value


def test_pages_are_followed_and_landed_as_received(server: Server) -> None:
    first, second = page({"id": 1}, {"id": 2}, next_cursor="a b&c"), page({"id": 3}, next_cursor=None)
    server.answers = [first, second]
    assert landed(source(server.url)) == [("t-000001.json", first[2]), ("t-000002.json", second[2])]
    assert server.requests == [
        ("/api/trainings", {"limit": ["2"]}, f"Bearer {SECRET}"),
        ("/api/trainings", {"limit": ["2"], "cursor": ["a b&c"]}, f"Bearer {SECRET}"),
    ]


def test_cursors_may_be_numbers_and_stand_deep(server: Server) -> None:
    server.answers = [page(meta={"next": 7}), page(meta={"next": ""})]
    made = source(server.url, pagination={"cursor": "after", "next": "meta.next"})
    assert len(landed(made)) == 2
    assert server.requests[1][1]["after"] == ["7"]


def test_a_page_may_be_the_list_itself(server: Server, tmp_path: Path) -> None:
    server.answers = [(200, {}, b'[{"id": 1}, {"id": 2}]')]
    made = source(server.url, records="")
    ((name, data),) = landed(made)
    assert values(parsed(made, blob(tmp_path, data, name)), "id") == [1, 2]


def test_a_repeated_cursor_does_not_go_on_for_ever(server: Server) -> None:
    server.answers = [page(next_cursor="a"), page(next_cursor="b"), page(next_cursor="a")]
    assert "repeats a cursor" in refused(source(server.url)).problem
    assert len(server.requests) == 3


@pytest.mark.parametrize("cursor", [{"a": 1}, [1], True])
def test_what_is_no_cursor_is_refused(server: Server, cursor: Any) -> None:
    server.answers = [page(next_cursor=cursor)]
    assert "not a cursor" in refused(source(server.url)).problem


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (401, "`auth`"),
        (403, "`auth`"),
        (404, "`total`"),
        (400, "`total`"),
        (302, "slash at the end"),
        (204, "no content"),
    ],
)
def test_refusals_are_not_asked_again(server: Server, status: int, hint: str) -> None:
    server.answers = [(status, {"Location": "http://127.0.0.1:9/"}, SECRET.encode())]
    failure = refused(source(server.url))
    assert str(status) in failure.problem and hint in str(failure.hint)
    assert not failure.retryable
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        (500, {}, b"oops"),
        (503, {}, b""),
        (429, {}, b""),
        (200, {}, b'{"data": ['),
        (200, {}, b"<html>"),
        (200, {}, b'{"data": [NaN]}'),
        (200, {}, b"\xff\xfe{"),
        (200, {"Content-Length": "1000"}, b'{"data": []}'),
        (200, {"Content-Encoding": "gzip"}, b"not gzip"),
        (200, {}, b"[" * 100_000),
    ],
    ids=["500", "503", "429", "cut json", "html", "nan", "no text", "cut body", "bad gzip", "deep"],
)
def test_trouble_that_passes_is_waited_out_and_that_stays_is_given_up(
    server: Server, pauses: list[float], trouble: Answer
) -> None:
    server.answers = [trouble, trouble, page({"id": 1})]
    assert len(landed(source(server.url))) == 1
    assert len(pauses) == 2
    server.answers, server.requests[:], pauses[:] = [trouble], [], []
    assert "gave up after 6 attempts" in refused(source(server.url)).problem
    assert len(server.requests) == 6
    assert len(pauses) == 5
    assert all(0 <= pause <= 0.2 * 2**number for number, pause in enumerate(pauses))


def test_the_server_says_how_long_to_wait(server: Server, pauses: list[float]) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    answers = [
        ("7", 7.0),
        ("3600", 60.0),
        (until, 20.0),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 0.0),
        ("soon", 3.2),
    ]
    server.answers = [*[(429, {"Retry-After": asked}, b"") for asked, _ in answers], page()]
    landed(source(server.url))
    for (asked, expected), pause in zip(answers, pauses, strict=True):
        assert (0 if asked == "soon" else expected - 2) <= pause <= expected + 0.1


def test_a_server_that_is_not_there_is_told(pauses: list[float]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "ConnectError" in refused(source(f"http://127.0.0.1:{port}")).problem
    assert len(pauses) == 5


@pytest.mark.parametrize("url", ["127.0.0.1:80", "ftp://127.0.0.1", "http://[", "http://exa mple", ""])
def test_a_url_that_is_none_is_told(url: str) -> None:
    refused(source(url))


@pytest.mark.parametrize("token", [f"{SECRET}\nX-Evil: 1", f"{SECRET}é", f"{SECRET}\0"])
def test_a_token_no_header_can_carry_is_not_shown(server: Server, token: str) -> None:
    server.answers = [page()]
    refused(source(server.url, token=token))
    assert all(SECRET not in authorization for _, _, authorization in server.requests)


def test_the_token_is_no_part_of_what_is_shown_or_dumped(server: Server) -> None:
    made = source(server.url)
    assert SECRET not in repr(made) + str(made) + made.model_dump_json()


@pytest.mark.parametrize("body", [b"{}", b'{"data": null}', b'{"data": {"a": 1}}', b"[]", b"1", b"null"])
def test_a_page_without_its_list_is_refused(server: Server, body: bytes) -> None:
    server.answers = [(200, {}, body)]
    assert "no list at `data`" in refused(source(server.url)).problem


def test_a_page_larger_than_any_is_not_read_to_its_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_LARGEST_PAGE", 1000)
    server.answers = [page(*[{"id": n} for n in range(1000)])]
    refused(source(server.url))


def read(tmp_path: Path, *records: Any, columns: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    return parsed(source("http://x", columns), blob(tmp_path, page(*records)[2]))


def test_values_are_found_by_dotted_paths_in_order_of_preference(tmp_path: Path) -> None:
    rows = read(
        tmp_path, {"user": {"email": "a"}, "mail": "b"}, {"mail": "c"}, {"user": None, "mail": "d"}, {"user": "x"}
    )
    assert values(rows, "_row", "email") == [(1, "a"), (2, "c"), (3, "d"), (4, None)]


def test_numbers_keep_their_digits_and_other_values_their_form(tmp_path: Path) -> None:
    raw = b'{"data": [{"n": 12345678901234567890.10, "b": true, "l": [1, {"a": null}], "s": "\\u00e9\\ud83d\\ude00", "z": 1e2}]}'
    made = source(
        "http://x", {"n": {"type": "decimal(38,2)"}, "b": {"type": "boolean"}, "l": {}, "s": {}, "z": {"type": "float"}}
    )
    (row,) = parsed(made, blob(tmp_path, raw))
    assert [str(value) for value in values([row], "n", "b", "l", "s", "z")[0]] == [
        "12345678901234567890.10",
        "True",
        '["1", {"a": null}]',
        "é😀",
        "100.0",
    ]


def test_half_a_character_does_not_cost_the_page(tmp_path: Path) -> None:
    assert values(read(tmp_path, {"mail": "ok"}, {"mail": "cut \ud83d"}, {"mail": None}), "email") == [
        "ok",
        "cut \ufffd",
        None,
    ]


def test_a_list_that_is_null_is_told(server: Server) -> None:
    server.answers = [page({"id": 1}, next_cursor="a"), (200, {}, b'{"data": null}')]
    failure = refused(source(server.url))
    assert failure.problem == "source `s`: `/api/trainings`: a page has no list at `data`, but null"
    assert "`total`" in str(failure.hint) and "`optional: true`" in str(failure.hint)


@pytest.mark.parametrize("left_out", [b'{"data": null}', b'{"count": 0}', b'{"data": []}'])
def test_pages_that_leave_out_an_empty_list_have_no_records_where_that_is_declared(
    server: Server, tmp_path: Path, left_out: bytes
) -> None:
    server.answers = [(200, {}, left_out)]
    made = source(server.url, optional=True)
    assert [body for _, body in landed(made)] == [left_out]
    assert parsed(made, blob(tmp_path, left_out)) == []
    # so has the one behind the last
    paged = source(server.url, optional=True, pagination={"page": "page"})
    server.answers = [page({"id": 1}), page({"id": 2}), (200, {}, left_out)]
    assert len(landed(paged)) == 3


def test_an_answer_without_content_is_an_empty_list_where_that_is_declared(server: Server) -> None:
    nothing = (204, {}, b"")
    server.answers = [nothing]
    assert landed(source(server.url, optional=True)) == []
    server.answers = [page({"id": 1}, next_cursor="a"), nothing]
    assert len(landed(source(server.url, optional=True))) == 1
    server.answers = [page({"id": 1}, count=2), nothing]
    told = refused(source(server.url, optional=True, pagination={"page": "page", "total": "count"}))
    assert "counts 2 records but has no content behind 1" in told.problem
    server.answers = [nothing]
    assert "`optional: true`" in str(refused(source(server.url)).hint)
    # nothing but a 204 says so
    server.answers = [(200, {}, b"")]
    assert "not valid JSON" in refused(source(server.url, optional=True)).problem


def test_a_page_that_is_null_has_no_records_where_the_page_is_the_list_and_may_be_left_out(server: Server) -> None:
    server.answers = [(200, {}, b"null")] * 2
    assert len(landed(source(server.url, records="", optional=True, pagination="none"))) == 1
    assert "a page is not a list" in refused(source(server.url, records="", pagination="none")).problem


def test_a_list_of_xml_is_not_declared_to_be_left_out() -> None:
    with pytest.raises(ValueError, match="`optional` is only for JSON answers"):
        source("http://x", record="/list/item", optional=True)


@pytest.mark.parametrize("body", [b'{"data": {"a": 1}}', b'{"data": "none"}', b"[]", b"1", b"null"])
def test_what_is_no_list_is_refused_though_lists_may_be_left_out(server: Server, body: bytes) -> None:
    server.answers = [(200, {}, body)]
    assert "no list at `data`" in refused(source(server.url, optional=True)).problem


def test_a_page_without_its_list_is_told_with_its_endpoint_and_what_helps(server: Server) -> None:
    server.answers = [(200, {}, b'[{"id": 1}]')]
    failure = refused(source(server.url))
    assert failure.problem == "source `s`: `/api/trainings`: a page has no list at `data`"
    assert failure.hint == 'the page itself is a list: write `records: ""`'
    server.answers = [(200, {}, b'{"items": [], "Erika Mustermann": [], "total": 0}')]
    assert refused(source(server.url)).hint == "`records` must lead to the list in a page, such as `records: items`"
    server.answers = [(200, {}, b'{"Erika Mustermann": []}')]
    assert refused(source(server.url)).hint == "`records` must lead to the list in a page"


ORDERS = [
    {"id": 7, "at": "2024-01-01T00:00:00Z", "lines": [{"sku": "x", "n": 1.10}, {"sku": "y", "n": 2}]},
    {"id": 8, "at": "2024-01-02T00:00:00Z"},
    {"id": 9, "at": "2024-01-03T00:00:00Z", "lines": [{"sku": "z"}, 5]},
]
LINES: dict[str, Any] = {"order": {"path": "../id"}, "at": {"path": "../at", "type": "timestamp"}, "no": {"path": "#"}, "sku": {}, "n": {"type": "decimal(9,2)"}}  # fmt: skip


def test_lists_inside_records_are_a_table_of_their_own(server: Server, tmp_path: Path) -> None:
    server.answers = [page(*ORDERS[:2], next_cursor="a"), page(ORDERS[2])]
    made = source(server.url, LINES, records="data.lines")
    found = landed(made)
    rows = [row for name, data in found for row in parsed(made, blob(tmp_path, data, name))]
    assert values(rows, "_row", "order", "no", "sku") == [(1, "7", "1", "x"), (2, "7", "2", "y"), (1, "9", "1", "z"), (2, None, None, None)]  # fmt: skip
    assert str(rows[0]["n"]) == "1.10" and rows[-1]["_mistyped"] == "@record: no object"
    held = blob(tmp_path, found[1][1], found[1][0])
    assert json.loads(made.record("t", held, 1)) == {"sku": "z"}
    assert made.observe("t", held) == {"sku", "../id", "../at", "#"}


def test_a_page_that_is_a_list_may_have_lists_inside_its_records(server: Server, tmp_path: Path) -> None:
    for body, rows in ((json.dumps(ORDERS), 4), ("[]", 0), (json.dumps(ORDERS[1:2]), 0)):
        server.answers = [(200, {}, body.encode())]
        made = source(server.url, LINES, records="lines", pagination="none")
        ((name, data),) = landed(made)
        assert len(parsed(made, blob(tmp_path, data, name))) == rows


def test_numbered_pages_that_are_lists_end_with_an_empty_one_also_where_nothing_around_is_taken(server: Server) -> None:
    server.answers = [(200, {}, json.dumps(ORDERS).encode()), (200, {}, b"[]")]
    made = source(server.url, {"sku": {}}, records="lines", pagination={"page": "page"})
    assert [data for _, data in landed(made)][1:] == [b"[]"]


def test_what_stands_around_the_list_of_a_page_is_taken_too(server: Server, tmp_path: Path) -> None:
    server.answers = [page({"id": 1}, {"id": 2}, made="2024-05-01")]
    made = source(server.url, {"id": {}, "made": {"path": "../made"}})
    ((name, data),) = landed(made)
    assert values(parsed(made, blob(tmp_path, data, name)), "id", "made") == [("1", "2024-05-01"), ("2", "2024-05-01")]


def test_lists_inside_records_are_offered_to_who_writes_a_contract(tmp_path: Path) -> None:
    held = blob(tmp_path, json.dumps({"data": ORDERS[:2]}).encode())
    made = source("http://localhost", {"id": {}})
    assert made.children("t", held) == {"lines": {"records": "data.lines"}}
    lines = {"t": {"endpoint": "/a", "columns": {"id": {}}}, "lines": {"endpoint": "/a", "records": "data.lines", "columns": {"x": {}}}}  # fmt: skip
    both = RestSource.model_validate({"source": "s", "type": "rest", "url": "http://localhost", "tables": lines})
    assert (both.children("t", held), both.around("lines"), both.around("t")[0]) == ({}, ("t", "../"), "")
    assert (both.observe("lines", held), both.observe("t", held)) == ({"sku", "n"}, {"id", "at"})


def test_lists_inside_records_are_read_on_by_what_is_around_them(server: Server, tmp_path: Path) -> None:
    fresh = {"incremental": {"column": "at", "param": "since", "overlap": "1d"}, "pagination": "none", "known": "at"}
    made = source(server.url, LINES, records="data.lines", unique=["order", "no"], **fresh)
    landing = raw_zone(tmp_path / "lake")
    server.answers = [page(*ORDERS)]
    ingest(made, landing, base=tmp_path)
    more = {"id": 10, "at": "2024-01-03T00:00:00Z", "lines": [{"sku": "w"}]}
    # the second comes again within the overlap, and counts once
    server.answers = [page(*ORDERS[1:], more)]
    ingest(made, landing, base=tmp_path)
    assert server.requests[1][1]["since"] == ["2024-01-02T00:00:00Z"]
    rows = sorted((row["order"] or "", row["sku"] or "") for row in landed_rows(made, landing, "t"))
    assert rows == [("", ""), ("10", "w"), ("7", "x"), ("7", "y"), ("9", "z")]
    server.answers = [page(*ORDERS[1:], more)]
    assert ingest(made, landing, base=tmp_path).new_objects == 0


def test_what_cannot_be_read_on_by_or_has_no_keys_is_told(server: Server) -> None:
    fresh = {"column": "at", "param": "since", "overlap": "1d"}
    server.answers = [page(*ORDERS)]
    keys = {"records": "data.lines", "known": "at", "pagination": "none"}
    own = source(server.url, {"at": {"type": "timestamp"}, "sku": {}}, unique=["sku"], incremental=fresh, **keys)
    failure = refused(own)
    assert "inside records, but `at` is not a column of those" in failure.problem and "../updated_at" in failure.hint
    with pytest.raises(ValidationError, match="in lists inside"):
        source(server.url, LINES, unique=["order"], incremental={**fresh, "keys": {"every": "1d"}}, **keys)
    with pytest.raises(ValidationError, match="is not a path"):
        source(server.url, {"a": {"path": "../"}}, records="data.lines")


def test_an_empty_page_has_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path) == []


def test_a_long_page_is_read_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "_BATCH_ROWS", 10)
    assert values(read(tmp_path, *[{"id": n} for n in range(1, 36)]), "_row", "id") == [(n, n) for n in range(1, 36)]


def test_many_pages_are_one_batch(tmp_path: Path) -> None:
    pages = [blob(tmp_path, page({"id": n}, {"id": n + 10})[2], f"t-{n}.json") for n in range(3)]
    (batch,) = source("http://x").parse_all("t", [pages[0], blob(tmp_path, page()[2], "empty"), *pages[1:]])
    assert list(zip(*(batch[name].to_pylist() for name in ("_object", "_row", "id")), strict=True)) == [
        (f"t-{n}.json", row, n + 10 * (row - 1)) for n in range(3) for row in (1, 2)
    ]


def test_leaves_of_the_first_records_are_observed(tmp_path: Path) -> None:
    made = source("http://x")
    body = page({"id": 1, "user": {"email": "a"}}, {"score": None, "tags": [1]})[2]
    assert made.observe("t", blob(tmp_path, body)) == {"id", "user.email", "score", "tags"}
    assert made.observe("t", blob(tmp_path, page()[2])) is None


def test_pages_tell_their_leaves_one_by_one_whatever_is_in_their_records(tmp_path: Path) -> None:
    """Also where they cannot be read the quick way."""
    told: dict[str, set[str] | None] = {
        '{"id": 1, "name": "\\ud800"}': {"id", "name"},
        '{"id": 1, "id": 1e999}': {"id"},
        '{"a": {"b": 1, "b": {"c": 2}}}': {"a.b.c"},
        "{}": set(),
        "7": None,
        '7, {"z": null}': {"z"},
        "": None,
    }
    pages = [blob(tmp_path, f'{{"data": [{record}]}}'.encode(), f"{n}") for n, record in enumerate(told)]
    assert [*source("http://x").observe_all("t", pages)] == [*told.values()]


def test_keys_with_dots_are_found_by_the_paths_that_are_observed(tmp_path: Path) -> None:
    body = page({"@odata.etag": "7", "@id": "8", "user": {"e.mail": "a"}})[2]
    made = source("http://x", {name: {"path": path} for name, path in zip("abc", SPELLED, strict=True)})
    assert list(made.observe("t", blob(tmp_path, body)) or ()) == SPELLED
    assert values(parsed(made, blob(tmp_path, body)), "a", "b", "c") == [("7", "8", "a")]
    with pytest.raises(ValidationError, match="does not need quotes"):
        source("http://x", {"a": {"path": '"@id"'}})


SPELLED = ['"@odata.etag"', "@id", 'user."e.mail"']


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"data": 1}', b'{"data": [NaN]}', b"[" * 100_000])
def test_a_damaged_page_is_refused(tmp_path: Path, body: bytes) -> None:
    refusal(source("http://x"), blob(tmp_path, body))


def test_what_is_no_record_keeps_its_place_and_goes_to_quarantine(tmp_path: Path) -> None:
    rows = read(tmp_path, {"id": 1}, 7, {"id": 2}, ["x"], None)
    assert values(rows, "_row", "id") == [(1, 1), (2, None), (3, 2), (4, None), (5, None)]
    assert values(rows, "_mistyped") == [None, "@record", None, "@record", "@record"]
    assert json.loads(rows[1]["_unparsed"]) == {"@record": '"7"'}


READ_ON = {
    "columns": {**COLUMNS, "at": {"type": "timestamp"}},
    "known": "at",
    "incremental": {"column": "at", "param": "since", "overlap": "1d"},
}


def test_a_service_is_asked_in_its_own_time(server: Server, tmp_path: Path) -> None:
    local = {**READ_ON, "columns": {**COLUMNS, "at": {"type": "timestamp", "timezone": "Europe/Berlin"}}}
    made, store = source(server.url, **local), Store(str(tmp_path))
    landing = Landing(store, Log(store, "raw/s/batches"))
    server.answers = [page({"id": 1, "at": "2024-01-09T00:30:00"}), page()]
    for _ in range(2):
        ingest(made, landing, base=tmp_path)
    assert server.requests[1][1]["since"] == ["2024-01-08T00:00:00Z"]
    assert [row["at"].isoformat() for row in landed_rows(made, landing, "t")] == ["2024-01-08T23:30:00"]


def test_only_what_is_new_is_asked_for_and_counted(server: Server, tmp_path: Path) -> None:
    made, store = source(server.url, **READ_ON), Store(str(tmp_path))
    landing = Landing(store, Log(store, "raw/s/batches"))
    old = [{"id": 1, "at": "2024-01-01T00:00:00Z"}, {"id": 2, "at": "2024-01-09T12:00:00Z"}]
    server.answers = [page(*old)]
    ingest(made, landing, base=tmp_path)
    assert "since" not in server.requests[0][1]
    new = {"id": 3, "at": "2024-01-10T00:00:00Z"}
    server.answers = [page(old[1], new, next_cursor="x"), page(old[1])]
    second = ingest(made, landing, base=tmp_path)
    assert server.requests[1][1]["since"] == ["2024-01-08T00:00:00Z"]
    assert server.requests[2][1] == {"since": ["2024-01-08T00:00:00Z"], "limit": ["2"], "cursor": ["x"]}
    # the page lands as received, and of it only what is new counts
    assert sorted(row["id"] for row in landed_rows(made, landing, "t")) == [1, 2, 2, 3]
    assert [(item.name, item.skip) for item in second.objects] == [
        ("t-000001.json", ()),
        ("t-000002-000001.json", (1,)),
        ("t-000002-000002.json", ()),
    ]
    server.answers = [page(old[1], new, old[1])]
    assert ingest(made, landing, base=tmp_path).batch == 2


def test_a_server_that_forgets_its_past_loses_nothing_landed(server: Server, tmp_path: Path) -> None:
    made, store = source(server.url, **READ_ON), Store(str(tmp_path))
    landing = Landing(store, Log(store, "raw/s/batches"))
    server.answers = [page({"id": 1, "at": "2024-01-01T00:00:00Z"})]
    ingest(made, landing, base=tmp_path)
    server.answers = [page()]
    assert ingest(made, landing, base=tmp_path).batch == 1
    assert [row["id"] for row in landed_rows(made, landing, "t")] == [1]
