"""One page leads to the next, in every way servers do it, and never for ever."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError
from tests.sources.objects import SECRET, blob, parsed, values
from tests.sources.web import Answer, Server

from potable.errors import EnvironmentFailure
from potable.sources import http, pagination
from potable.sources.rest import RestSource


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "time", SimpleNamespace(sleep=lambda _: None, monotonic=http.time.monotonic))


def source(url: str, how: Any, **keys: Any) -> RestSource:
    table = {"endpoint": "/list", "pagination": how, "columns": {"id": {"type": "integer"}}, **keys}
    declared = {"source": "s", "type": "rest", "url": url, "auth": {"bearer": SECRET}, "tables": {"t": table}}
    return RestSource.model_validate(declared)


def page(ids: Any, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    return 200, headers or {}, json.dumps({"data": [{"id": number} for number in ids], **more}).encode()


def ids(made: RestSource) -> list[int]:
    bodies = [arrival.open().read() for arrival in made.arrivals(Path())]
    return [record["id"] for body in bodies for record in json.loads(body)["data"]]


def refused(made: RestSource) -> EnvironmentFailure:
    with pytest.raises(EnvironmentFailure) as caught:
        ids(made)
    assert caught.value.code == "E001"
    return caught.value


def cut(records: range, *, by: str, cap: int = 3) -> Callable[[str, dict[str, list[str]]], Answer]:
    """A server that cuts `records` into pages of `cap`, by page number from 1 or by offset."""

    def handle(path: str, query: dict[str, list[str]]) -> Answer:
        at = int(query[by][0])
        first = (at - 1) * cap if by == "page" else at
        return page(records[first : first + cap], count=len(records), paging={"total": str(len(records))})

    return handle


@pytest.mark.parametrize("count", [0, 1, 3, 7, 9])
@pytest.mark.parametrize(
    "how",
    [
        {"page": "page"},
        {"page": "page", "size": 3, "short_page": True},
        {"page": "page", "total": "count"},
        {"offset": "skip"},
        {"offset": "skip", "limit": "top", "size": 50},
        {"offset": "skip", "total": "paging.total"},
    ],
    ids=lambda how: "-".join(how),
)
def test_counted_pages_are_read_to_their_end(server: Server, how: dict[str, Any], count: int) -> None:
    server.handle = cut(range(count), by=how.get("page") or how["offset"])
    assert ids(source(server.url, how)) == list(range(count))
    assert len(server.requests) <= count // 3 + 2


def test_the_size_of_a_page_is_asked_for(server: Server) -> None:
    server.answers = [page([])]
    ids(source(server.url, {"page": "p", "start": 0, "limit": "per_page", "size": 100}))
    assert server.requests[0][1] == {"p": ["0"], "per_page": ["100"]}


@pytest.mark.parametrize(
    "header",
    [
        '<{url}/list?after=3&x=a,b;c>; rel="next"',
        '<{url}/list>; rel="first", <{url}/list?after=3&x=a,b;c>; title="a//b"; rel=next',
        "</list?after=3&x=a,b;c>;rel='next'".replace("'", '"'),
        '<list?after=3&x=a,b;c>; rel="prefetch NEXT"',
    ],
)
def test_link_headers_are_followed(server: Server, header: str) -> None:
    server.answers = [page([1, 2], {"Link": header.format(url=server.url)}), page([3], {"Link": '</list>; rel="prev"'})]
    assert ids(source(server.url, {"link": "next"}, params={"limit": 2})) == [1, 2, 3]
    assert server.requests[1][0] == "/list"
    assert server.requests[1][1]["after"] == ["3"]


@pytest.mark.parametrize("target", ["{url}/list?p=2", "/list?p=2", "?p=2", "//{host}/list?p=2"])
def test_links_in_the_page_are_followed(server: Server, target: str) -> None:
    following = target.format(url=server.url, host=server.url.removeprefix("http://"))
    server.answers = [page([1], paging={"next": following}), page([2], paging={"next": None})]
    assert ids(source(server.url, {"next_link": "paging.next"})) == [1, 2]
    assert server.requests[1] == ("/list", {"p": ["2"]}, f"Bearer {SECRET}")


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.2:{port}/", "https://127.0.0.1:{port}/", "http://127.0.0.1:9/", "file:///etc/passwd", "http://["],
)
@pytest.mark.parametrize("how", [{"next_link": "next"}, {"link": "next"}], ids=["body", "header"])
def test_credentials_go_to_no_other_host(server: Server, how: dict[str, Any], target: str) -> None:
    following = target.format(port=server.url.rpartition(":")[2])
    server.answers = [page([1], {"Link": f'<{following}>; rel="next"'}, next=following)]
    refused(source(server.url, how))
    assert len(server.requests) == 1


def behind_last(count: int, *, told: bool) -> Callable[[str, dict[str, list[str]]], Answer]:
    """A server that gives two records behind the one that is named, newest first, as Stripe does."""

    def handle(path: str, query: dict[str, list[str]]) -> Answer:
        first = count - int(query["starting_after"][0]) + 1 if "starting_after" in query else 0
        numbers = range(count, 0, -1)[first : first + 2]
        return page(numbers, **({"has_more": first + 2 < count} if told else {}))

    return handle


@pytest.mark.parametrize("count", [0, 1, 2, 5, 6])
@pytest.mark.parametrize("more", ["has_more", None])
def test_the_last_record_leads_on(server: Server, more: str | None, count: int) -> None:
    server.handle = behind_last(count, told=more is not None)
    how = {"after": "starting_after", **({"more": more} if more else {})}
    assert ids(source(server.url, how, params={"limit": 2})) == [*range(count, 0, -1)]
    assert len(server.requests) == (max(1, -(-count // 2)) if more else count // 2 + count % 2 + 1)
    assert all(query["limit"] == ["2"] for _, query, _ in server.requests)


@pytest.mark.parametrize(
    ("how", "answer", "why"),
    [
        ({"more": "has_more"}, page([1]), "neither true nor false at `has_more`"),
        ({"more": "has_more"}, page([1], has_more="yes"), "neither true nor false at `has_more`"),
        ({"more": "has_more"}, page([], has_more=True), "no records, but says at `has_more`"),
        ({"id": "no"}, page([1]), "the last record of a page has no `no`"),
        ({}, page([1, None]), "the last record of a page has no `id`"),
        ({}, (200, {}, b'{"data": [{"id": 1}, 7]}'), "the last record of a page has no `id`"),
    ],
)
def test_a_last_record_that_does_not_lead_on_is_told(
    server: Server, how: dict[str, Any], answer: Answer, why: str
) -> None:
    server.answers = [answer]
    assert why in refused(source(server.url, {"after": "starting_after", **how})).problem


def test_a_server_that_does_not_know_where_to_go_on_is_refused(server: Server) -> None:
    server.answers = [page([2, 1])]
    assert "a page again" in refused(source(server.url, {"after": "beginning_after"})).problem


def test_no_pagination_is_one_request(server: Server) -> None:
    server.answers = [page([1], next_cursor="x")]
    assert ids(source(server.url, "none")) == [1]
    assert len(server.requests) == 1


@pytest.mark.parametrize("how", [{"page": "ignored"}, {"offset": "ignored"}, {"cursor": "ignored"}])
def test_a_server_that_gives_the_same_page_for_ever_is_refused(server: Server, how: dict[str, Any]) -> None:
    server.handle = lambda path, query: page([1, 2], next_cursor=f"c{len(server.requests)}")
    assert "a page again" in refused(source(server.url, how)).problem
    assert len(server.requests) == 7


def test_a_page_that_came_twice_by_accident_is_asked_for_again(server: Server) -> None:
    server.answers = [page([1, 2]), page([1, 2]), page([3]), page([])]
    assert ids(source(server.url, {"page": "p"})) == [1, 2, 3]
    assert [query["p"] for _, query, _ in server.requests] == [["1"], ["2"], ["2"], ["3"]]


def test_a_server_that_starts_again_behind_its_last_page_is_refused(server: Server) -> None:
    server.handle = lambda path, query: page([int(query["p"][0]) % 3])
    assert "a page again" in refused(source(server.url, {"page": "p"})).problem


@pytest.mark.parametrize("how", [{"link": "next"}, {"next_link": "next"}])
def test_links_in_a_circle_are_refused(server: Server, how: dict[str, Any]) -> None:
    server.handle = lambda path, query: page([], {"Link": '</list?p=1>; rel="next"'}, next="/list?p=1")
    assert "never end" in refused(source(server.url, how)).problem
    assert len(server.requests) == 2


def test_empty_pages_without_end_are_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagination, "_EMPTY_PAGES", 10)
    server.handle = lambda path, query: page([], next_cursor=f"c{len(server.requests)}")
    assert "without records" in refused(source(server.url, {"cursor": "c"})).problem
    assert len(server.requests) == 11


def shifting(before: list[int], after: list[int]) -> Callable[[str, dict[str, list[str]]], Answer]:
    """A list that changes behind its first page."""

    def handle(path: str, query: dict[str, list[str]]) -> Answer:
        first = int(query["skip"][0])
        records = before if first == 0 else after
        return page(records[first : first + 3], count=len(records))

    return handle


def test_records_inserted_while_reading_come_twice_and_none_is_lost(server: Server) -> None:
    server.handle = shifting([1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5])
    assert ids(source(server.url, {"offset": "skip", "total": "count"})) == [1, 2, 3, 3, 4, 5]


def test_records_lost_by_a_deletion_while_reading_are_noticed(server: Server) -> None:
    server.handle = shifting([1, 2, 3, 4, 5], [2, 3, 4, 5])
    failure = refused(source(server.url, {"offset": "skip", "total": "count"}))
    assert "counts 5 records at `count` but sent 4" in failure.problem
    assert failure.retryable


@pytest.mark.parametrize(
    "how", [{"page": "page", "total": "count"}, {"offset": "skip", "total": "count"}], ids=["page", "offset"]
)
@pytest.mark.parametrize("told", [2, 3, 6], ids=["of pages", "of the page", "at most"])
def test_a_total_that_is_reached_while_there_is_more_is_refused(server: Server, how: dict[str, Any], told: int) -> None:
    by = how.get("page") or how["offset"]
    inner = cut(range(8), by=by)
    server.handle = lambda path, query: page(
        [one["id"] for one in json.loads(inner(path, query)[2])["data"]], count=told
    )
    failure = refused(source(server.url, how))
    assert failure.problem.endswith(f"the server counts {told} records at `count`, but sends more")
    assert not failure.retryable


@pytest.mark.parametrize("past", ["404", "500", "first page again", "last page again", "no list"])
def test_what_stands_behind_the_last_page_may_be_anything_but_records(server: Server, past: str) -> None:
    answers = {"404": (404, {}, b"{}"), "500": (500, {}, b""), "no list": (200, {}, b'{"detail": "no such page"}')}
    again = {"first page again": [0, 1, 2], "last page again": [3, 4, 5]}

    def handle(path: str, query: dict[str, list[str]]) -> Answer:
        number = int(query["page"][0])
        if number > 2:
            return answers.get(past) or page(again[past], count=6)
        return page(range(3 * number - 3, 3 * number), count=6)

    server.handle = handle
    assert ids(source(server.url, {"page": "page", "total": "count"})) == [*range(6)]
    assert len(server.requests) == 3


def test_a_list_that_grew_behind_its_last_page_is_read_on(server: Server) -> None:
    server.handle = lambda path, query: (
        page([1, 2], count=2) if query["page"] == ["1"] else page([3], count=3) if query["page"] == ["2"] else page([])
    )
    assert ids(source(server.url, {"page": "page", "total": "count"})) == [1, 2, 3]


@pytest.mark.parametrize(
    "more",
    [
        {"next": "/list?p=2"},
        {"meta": {"next_page_token": "x"}},
        {"paging": {"hasMore": True}},
        {"total_pages": 3},
        {"count": 9},
        {"_links": {"next": {"href": "/list?p=2"}}},
        {"@odata.nextLink": "/list?p=2"},
    ],
    ids=lambda more: next(iter(more)),
)
@pytest.mark.parametrize("how", [{"cursor": "c", "next": "nxt"}, {"next_link": "paging.nxt"}, {"link": "next"}])
def test_a_first_page_that_says_there_is_more_is_not_taken_for_the_last(
    server: Server, how: dict[str, Any], more: dict[str, Any]
) -> None:
    server.answers = [page([1, 2], **more)]
    failure = refused(source(server.url, how))
    key = next(iter(more))
    assert f"says at `{key}" in failure.problem.replace('"', "") and "there is more" in failure.problem
    assert "pagination: none" in str(failure.hint) and not failure.retryable


def test_a_link_header_is_not_overlooked(server: Server) -> None:
    server.answers = [page([1], {"Link": '</list?p=2>; rel="next"'})]
    assert "its `Link` header" in refused(source(server.url, {"cursor": "c"})).problem


@pytest.mark.parametrize(
    ("how", "more"),
    [
        ("none", {"next": "/list?p=2", "total": 9}),
        ({"cursor": "c"}, {"next_cursor": None, "total": 9}),
        ({"cursor": "c"}, {"next": None, "has_more": False, "total": 2, "pages": 1, "meta": {"next": ""}}),
        ({"cursor": "c"}, {"total": 2, "page": 7, "per_page": 50}),
    ],
)
def test_a_page_that_is_all_there_is_needs_no_sign(server: Server, how: Any, more: dict[str, Any]) -> None:
    server.answers = [page([1, 2], **more)]
    assert ids(source(server.url, how)) == [1, 2]


@pytest.mark.parametrize("count", [None, "many", -1, True, []])
def test_a_count_that_is_none_is_refused(server: Server, count: Any) -> None:
    server.answers = [page([1], count=count)]
    assert "no total at `count`" in refused(source(server.url, {"page": "p", "total": "count"})).problem


XML = {
    "pagination": {"next_link": "/list/@next"},
    "record": "/list/item",
    "columns": {"id": {"path": "@id", "type": "integer"}, "name": {"path": "who/name"}},
}


def xml(*records: str, following: str = "") -> Answer:
    rows = "".join(
        f'<n:item id="{number}"><who><name>{name}</name></who></n:item>' for number, name in enumerate(records, 1)
    )
    body = (
        f'<?xml version="1.0"?><n:list xmlns:n="urn:n" next="{following}"><total> {len(records)}</total>{rows}</n:list>'
    )
    return 200, {"Content-Type": "application/xml"}, body.encode()


def test_answers_in_xml_are_followed_and_read_like_xml_files(server: Server, tmp_path: Path) -> None:
    server.answers = [xml("a", "b", following="/list?p=2"), (200, {}, b"<list><item"), xml("c")]
    made = source(server.url, **{"how": None, **XML})
    found = [(arrival.name, arrival.open().read()) for arrival in made.arrivals(tmp_path)]
    assert [name for name, _ in found] == ["t-000001.xml", "t-000002.xml"]
    assert len(server.requests) == 3
    first = blob(tmp_path, found[0][1], found[0][0])
    assert values(parsed(made, first), "_row", "id", "name") == [(1, 1, "a"), (2, 2, "b")]
    assert made.observe("t", first) == {"@id", "who/name"}
    assert made.record("t", first, 2) == b'<n:item id="2"><who><name>b</name></who></n:item>'


def test_xml_pages_are_counted(server: Server) -> None:
    server.answers = [xml("a", "b"), xml("c"), xml()]
    made = source(server.url, **{"how": None, **XML, "pagination": {"page": "p"}})
    assert len(list(made.arrivals(Path()))) == 3


VISITS = [3, 0, 0, 0, 1, 2, 0, 4]
"""Calls of each visit."""


def visits(calls: Sequence[int], cap: int = 2) -> Callable[[str, dict[str, list[str]]], Answer]:
    """A server of visits with their calls, `cap` visits a page."""

    def handle(path: str, query: dict[str, list[str]]) -> Answer:
        first = (int(query["p"][0]) - 1) * cap
        told = [(number, calls[number]) for number in range(first, min(first + cap, len(calls)))]
        inside = "".join(f'<visit id="{number}">{"<call/>" * count}</visit>' for number, count in told)
        return 200, {}, f'<list total="{len(calls)}">{inside}</list>'.encode()

    return handle


CALLS = {"how": None, "record": "/list/visit/call", "columns": {"visit": {"path": "../@id"}, "place": {"path": "#"}}}


@pytest.mark.parametrize(
    "how", [{}, {"total": "/list/@total"}, {"size": 2, "short_page": True}, {"size": 2, "total": "/list/@total"}]
)
@pytest.mark.parametrize("calls", [VISITS, VISITS[:7], [0] * 9, [0, 0, 1], [2], [], [1] * 8])
def test_children_are_read_to_the_end_of_what_pages_count(
    server: Server, how: dict[str, Any], calls: list[int]
) -> None:
    server.handle = visits(calls)
    made = source(server.url, **{**CALLS, "pagination": {"page": "p", **how}})
    bodies = [arrival.open().read() for arrival in made.arrivals(Path())]
    assert sum(body.count(b"<call/>") for body in bodies) == sum(calls)


def test_children_whose_pages_are_missing_are_noticed(server: Server) -> None:
    whole, server.handle = visits(VISITS), None
    server.handle = lambda path, query: whole(path, query) if query["p"] != ["4"] else (200, {}, b'<list total="8"/>')
    made = source(server.url, **{**CALLS, "pagination": {"page": "p", "total": "/list/@total"}})
    assert "counts 8 records" in refused(made).problem


def test_children_are_not_asked_for_by_offset(server: Server) -> None:
    server.handle = visits(VISITS)
    failure = refused(source(server.url, **{**CALLS, "pagination": {"offset": "p", "start": 1}}))
    assert "counts records or the `visit`" in failure.problem and not failure.retryable


def test_children_of_a_server_that_heeds_no_number_are_given_up(server: Server) -> None:
    server.answers = [(200, {}, b'<list total="8"><visit id="1"/><visit id="2"/></list>')]
    assert "gave up" in refused(source(server.url, **{**CALLS, "pagination": {"page": "p"}})).problem


def test_prefixes_of_xml_are_optional(server: Server, tmp_path: Path) -> None:
    server.answers = [xml("a", "b")]
    keys = {**XML, "record": "/n:list/n:item", "pagination": {"page": "p", "total": "/n:list/n:total"}}
    [arrival] = source(server.url, **{"how": None, **keys}).arrivals(tmp_path)
    made = source(server.url, **{"how": None, **keys})
    assert values(parsed(made, blob(tmp_path, arrival.open().read(), arrival.name)), "id") == [1, 2]


@pytest.mark.parametrize("body", [b"<other/>", b'<!DOCTYPE l [<!ENTITY e "x">]><list>&e;</list>', b'{"data": []}', b""])
def test_xml_that_is_none_of_ours_is_given_up(server: Server, body: bytes) -> None:
    server.answers = [(200, {}, body)]
    assert "gave up" in refused(source(server.url, **{"how": None, **XML})).problem


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"how": {"page": "p", "offset": "o"}}, "one of `cursor`"),
        ({"how": "some"}, "one of `cursor`"),
        ({"how": {"page": "p", "size": 0}}, "greater than or equal to 1"),
        ({"how": {"link": "next", "next": "x"}}, "Extra inputs"),
        ({"how": "none", "endpoint": "https://elsewhere.example/list"}, "below the source's `url`"),
        ({**XML, "how": None, "records": "data"}, "give either"),
        ({**XML, "how": None, "pagination": {"after": "a"}}, "only for JSON answers"),
        ({**XML, "how": None, "record": "item"}, "from the root"),
        ({**XML, "how": None, "columns": {"id": {"path": "a//b"}}}, "below the record"),
    ],
)
def test_what_cannot_be_followed_is_found_when_the_project_is_read(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        source("http://x", **{"pagination": table["how"], **table} if table["how"] else table)
