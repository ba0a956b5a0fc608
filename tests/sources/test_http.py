"""Services that refuse, fail, slow down and let tokens expire; and no secret that shows."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pydantic import ValidationError
from tests.sources.objects import SECRET
from tests.sources.web import RESET, Answer, Server, dripping

from potable.errors import EnvironmentFailure
from potable.sources import deadlines, http
from potable.sources.ingest import Landing, ingest
from potable.sources.onwards import State
from potable.sources.rest import RestSource
from potable.store.log import Log
from potable.store.objects import Store


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(http, "time", SimpleNamespace(sleep=made.sleep, monotonic=made.monotonic))
    return made


def source(url: str, auth: Any = None, **keys: Any) -> RestSource:
    table = {"endpoint": "/list", "pagination": {"page": "p"}, "columns": {"id": {"type": "integer"}}}
    declared = {"source": "s", "type": "rest", "url": url, "auth": auth, "tables": {"t": table}, **keys}
    return RestSource.model_validate(declared)


def page(*ids: int) -> Answer:
    return 200, {}, json.dumps({"data": [{"id": number} for number in ids]}).encode()


def ids(made: RestSource) -> list[int]:
    return [record["id"] for item in made.arrivals(Path()) for record in json.loads(item.open().read())["data"]]


def refused(made: RestSource) -> EnvironmentFailure:
    with pytest.raises(EnvironmentFailure) as caught:
        ids(made)
    return caught.value


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ({"bearer": SECRET}, "Authorization", f"Bearer {SECRET}"),
        (
            {"basic": {"user": "ü", "password": SECRET}},
            "Authorization",
            "Basic " + base64.b64encode(f"ü:{SECRET}".encode()).decode(),
        ),
        ({"api_key": SECRET}, "X-API-Key", SECRET),
        ({"api_key": SECRET, "header": "Ocp-Apim-Subscription-Key"}, "Ocp-Apim-Subscription-Key", SECRET),
    ],
    ids=["bearer", "basic", "key", "named key"],
)
def test_headers_prove_who_asks(server: Server, auth: Any, header: str, value: str) -> None:
    server.answers = [page(1), page()]
    assert ids(source(server.url, auth)) == [1]
    assert all({name.lower(): told for name, told in heard.items()}[header.lower()] == value for heard in server.heard)


def test_a_key_may_stand_in_the_query_of_every_request(server: Server) -> None:
    server.answers = [page(1), page()]
    ids(source(server.url, {"api_key": "a&b=c", "param": "key"}))
    assert [query for _, query, _ in server.requests] == [
        {"p": ["1"], "key": ["a&b=c"]},
        {"p": ["2"], "key": ["a&b=c"]},
    ]


def test_name_and_password_of_a_url_are_used(server: Server) -> None:
    server.answers = [page()]
    ids(source(server.url.replace("//", "//me:p%40ss@")))
    assert server.requests[0][2] == "Basic " + base64.b64encode(b"me:p@ss").decode()


class Tokens:
    """A service whose tokens last for some requests only."""

    def __init__(self, server: Server, *, last: int, lasts: int = 3600) -> None:
        self.given, self.left, self.last, self.lasts = 0, 0, last, lasts
        self.forms: list[dict[str, list[str]]] = []
        self.server, server.handle = server, self.handle

    def handle(self, path: str, query: dict[str, list[str]]) -> Answer:
        said = self.server.requests[-1][2]
        if path == "/token":
            self.given, self.left = self.given + 1, self.last
            self.forms.append(query)
            return 200, {}, json.dumps({"access_token": f"{SECRET}{self.given}", "expires_in": self.lasts}).encode()
        if said != f"Bearer {SECRET}{self.given}" or not self.left:
            return 401, {}, SECRET.encode()
        self.left -= 1
        number = int(query["p"][0])
        return page(number) if number < 6 else page()


@pytest.mark.parametrize("auth", ["a token", ["a token"], {}, {"bearer": "a", "basic": {"user": "u", "password": "p"}}])
def test_what_is_no_way_to_prove_who_asks_is_refused_in_the_project(auth: Any) -> None:
    with pytest.raises(ValidationError, match="exactly one of `bearer`, `basic`, `api_key` and `oauth2`"):
        source("https://corp.example", auth)


def oauth(server: Server, **keys: Any) -> RestSource:
    client = {"token_url": f"{server.url}/token", "client_id": "me&", "client_secret": f"{SECRET}/1", **keys}
    return source(server.url, {"oauth2": client})


@pytest.mark.parametrize("where", ["header", "body"])
def test_tokens_are_asked_for_with_client_credentials(server: Server, where: str) -> None:
    tokens = Tokens(server, last=100)
    made = oauth(server, scope="a b", params={"audience": "hr"}, client=where)
    assert ids(made) == [1, 2, 3, 4, 5]
    in_body = {"client_id": ["me&"], "client_secret": [f"{SECRET}/1"]} if where == "body" else {}
    assert tokens.forms == [{"grant_type": ["client_credentials"], "scope": ["a b"], "audience": ["hr"], **in_body}]
    basic = "Basic " + base64.b64encode(f"{quote('me&')}:{quote(SECRET + '/1', safe='')}".encode()).decode()
    assert server.requests[0][2] == ("" if where == "body" else basic)


@pytest.mark.parametrize("last", [1, 2, 5])
def test_a_token_that_expires_in_the_middle_is_renewed(server: Server, last: int) -> None:
    tokens = Tokens(server, last=last)
    assert ids(oauth(server)) == [1, 2, 3, 4, 5]
    assert tokens.given == -(-6 // last)


def test_a_token_is_renewed_before_it_ends(server: Server, clock: Clock) -> None:
    tokens = Tokens(server, last=100, lasts=60)
    made = source(
        server.url,
        {"oauth2": {"token_url": f"{server.url}/token", "client_id": "me", "client_secret": "x"}},
        pace={"requests_per_second": 0.05},
    )
    assert ids(made) == [1, 2, 3, 4, 5]
    assert tokens.given == 3
    assert [path for path, _, _ in server.requests].count("/list") == 6


def test_a_token_that_is_never_taken_is_asked_for_twice_only(server: Server) -> None:
    tokens = Tokens(server, last=0)
    assert "refused the credentials (HTTP 401)" in refused(oauth(server)).problem
    assert tokens.given == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, {}, SECRET.encode()), "token endpoint refused the client"),
        ((400, {}, SECRET.encode()), "HTTP 400 for `the token endpoint`"),
        ((500, {}, SECRET.encode()), "gave up after 6 attempts: HTTP 500"),
        ((200, {}, SECRET.encode()), "gave up"),
        ((200, {}, b'{"token": "x"}'), "sent no token"),
        ((200, {}, b'{"access_token": "a\\nb"}'), "sent no token"),
    ],
)
def test_a_token_endpoint_that_gives_none_is_told(server: Server, answer: Answer, said: str) -> None:
    server.answers = [answer]
    assert said in refused(oauth(server)).problem
    assert {path for path, _, _ in server.requests} == {"/token"}


def test_waiting_is_bounded(server: Server, clock: Clock) -> None:
    server.answers = [(429, {"Retry-After": "50"}, b"")]
    failure = refused(source(server.url, pace={"patience": 120, "attempts": 20}))
    assert "gave up after 3 attempts: HTTP 429" in failure.problem
    assert clock.pauses == [50.0, 50.0]
    assert failure.retryable


@pytest.mark.parametrize("how", ["seconds", "moment", "milliseconds"])
def test_a_declared_header_says_when_the_limit_is_lifted(server: Server, clock: Clock, how: str) -> None:
    # now, not when tests are collected
    moment = int(time.time()) + 20
    told = {"seconds": "20", "moment": str(moment), "milliseconds": str(moment * 1000)}[how]
    server.answers = [(429, {"X-RateLimit-Reset": told}, b""), page()]
    ids(source(server.url, pace={"reset_header": "X-RateLimit-Reset"}))
    assert 5 <= clock.pauses[0] <= 20
    server.answers, clock.pauses[:] = [(429, {"X-RateLimit-Reset": told}, b""), page()], []
    ids(source(server.url))
    assert clock.pauses[0] <= 0.2


def test_a_reset_told_with_every_answer_does_not_slow_what_has_no_limit(server: Server, clock: Clock) -> None:
    told = {"X-RateLimit-Reset": "50", "Retry-After": "50"}
    server.answers = [(200, told, b"{"), (500, {"X-RateLimit-Reset": "50"}, b""), page()]
    ids(source(server.url, pace={"reset_header": "X-RateLimit-Reset"}))
    assert max(clock.pauses) <= 0.4


def test_a_query_of_the_url_goes_with_every_request(server: Server) -> None:
    server.answers = [page(1), page()]
    ids(source(f"{server.url}/api/?tenant=a%2Fb"))
    assert [(path, query) for path, query, _ in server.requests] == [
        ("/api/list", {"tenant": ["a/b"], "p": ["1"]}),
        ("/api/list", {"tenant": ["a/b"], "p": ["2"]}),
    ]


def test_requests_keep_their_pace(server: Server, clock: Clock) -> None:
    server.answers = [page(1), page(2), page(3), page()]
    ids(source(server.url, pace={"requests_per_second": 4}))
    assert clock.pauses == pytest.approx([0.25] * 3)


@pytest.mark.parametrize("how", ["gzip, gzip", "gzip,deflate", "br", "zstd"])
def test_an_answer_that_is_packed_twice_or_as_nobody_asked_is_refused(server: Server, how: str) -> None:
    """A few kilobytes would be gigabytes before anybody could count them."""
    twice = gzip.compress(gzip.compress(bytes(1 << 20)))
    server.handle = lambda path, query: (200, {"Content-Encoding": how}, twice)
    failure = refused(source(server.url))
    assert "compressed in a way" in failure.problem and not failure.retryable and len(server.heard) == 1


def test_a_file_that_was_to_come_in_secret_does_not_come_in_clear() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        return (
            httpx.Response(302, headers={"Location": "http://b.example/x"})
            if request.url.scheme == "https"
            else httpx.Response(200)
        )

    made = http.Service("s", "https://a.example", None, timeout=1, pace=http.Pace())
    made._client = httpx.Client(transport=httpx.MockTransport(handle))
    with pytest.raises(EnvironmentFailure, match="without TLS") as refused:
        made.open(made.url, "x", headers={})
    assert not refused.value.retryable and "b.example" not in refused.value.text()


def test_a_packed_page_is_read(server: Server) -> None:
    pages = [page(1), page()]

    def handle(path: str, query: dict[str, list[str]]) -> Answer:
        assert server.heard[-1]["Accept-Encoding"] == "gzip, deflate"
        return 200, {"Content-Encoding": "GZip"}, gzip.compress(pages[int(query["p"][0]) - 1][2])

    server.handle = handle
    assert ids(source(server.url)) == [1]


def test_connections_are_kept(server: Server) -> None:
    server.answers = [*[page(number) for number in range(10)], page()]
    ids(source(server.url))
    assert len(server.requests) == 11
    assert server.connections == 1


DRIPS: dict[str, Callable[[], Iterator[bytes]]] = {
    "body": lambda: chain([b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"], repeat(b"[")),
    "head": lambda: chain([b"HTTP/1.1 200 OK\r\nX-Padding: "], repeat(b"x")),
    "patience": lambda: repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("drip", DRIPS)
def test_an_answer_that_drips_for_ever_is_given_up(drip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_SLOWEST", 3)
    with dripping(DRIPS[drip]) as url:
        failure = refused(source(url, timeout=0.1, pace={"attempts": 1}))
    assert "gave up after 1 attempt: no answer (ReadTimeout)" in failure.problem


def test_patience_is_for_all_attempts_at_a_page_together(
    server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(_: object) -> tuple[int, dict[str, str], bytes]:
        clock.now += 25
        return 500, {}, b""

    server.answers = [slow]
    failure = refused(source(server.url, pace={"patience": 60, "attempts": 20}))
    assert "gave up after 3 attempts: HTTP 500" in failure.problem


def test_who_waits_for_an_answer_that_nobody_wants_any_more_stops_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "_TURN", 0.05)

    def unwanted() -> None:
        raise KeyboardInterrupt

    state = State()
    state.wanted = unwanted
    # it never answers, so the test would take minutes
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(KeyboardInterrupt):
        list(source(f"http://127.0.0.1:{silent.getsockname()[1]}").arrivals(Path(), state))


AUTHS: dict[str, Any] = {
    "bearer": {"bearer": SECRET},
    "basic": {"basic": {"user": "me", "password": SECRET}},
    "header": {"api_key": SECRET},
    "param": {"api_key": SECRET, "param": "key"},
    "oauth2": {"oauth2": {"token_url": "{url}/token", "client_id": "me", "client_secret": SECRET, "client": "body"}},
    "url": None,
}
FAULTS: dict[str, Answer] = {
    "none": page(),
    "reset": RESET,
    "401": (401, {"WWW-Authenticate": SECRET}, SECRET.encode()),
    "404": (404, {}, SECRET.encode()),
    "500": (500, {}, SECRET.encode()),
    "302": (302, {"Location": f"http://x/{SECRET}"}, b""),
    "malformed": (200, {}, f'{{"data": ["{SECRET}"'.encode()),
    "odd header": (200, {"Content-Encoding": "gzip"}, SECRET.encode()),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("auth", AUTHS)
def test_no_secret_shows_anywhere(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture, auth: str, fault: str
) -> None:
    """Errors, logs at their loudest, manifests and names of what landed."""
    # what libraries keep of earlier settings does not count
    caplog.set_level(logging.DEBUG)
    said = json.loads(json.dumps(AUTHS[auth]).replace("{url}", server.url))
    url = server.url if said else server.url.replace("//", f"//me:{SECRET}@")
    grant = (200, {}, json.dumps({"access_token": SECRET}).encode())
    asked = itertools.count()
    server.handle = lambda path, query: grant if path == "/token" else FAULTS[fault] if next(asked) else page(1)
    store, told = Store(str(tmp_path)), ""
    made = source(url, said, pace={"attempts": 2})
    try:
        ingest(made, Landing(store, Log(store, "raw/s/batches")), base=tmp_path)
    except EnvironmentFailure as failure:
        assert fault != "none"
        told = failure.text() + json.dumps(failure.record()) + repr(failure.__cause__)
    else:
        assert fault == "none"
    held = "".join(path.name + path.read_text(errors="replace") for path in tmp_path.rglob("*.json"))
    told += held + caplog.text + repr(made) + made.model_dump_json(exclude={"url"})
    assert SECRET not in told
    assert base64.b64encode(f"me:{SECRET}".encode()).decode() not in told
    assert quote(SECRET) in json.dumps([server.requests, server.heard]) or auth in ("basic", "url")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"auth": {}}, "exactly one of"),
        ({"auth": {"bearer": "x", "api_key": "y"}}, "exactly one of"),
        ({"auth": {"basic": {"user": "a:b", "password": "x"}}}, "may not contain a colon"),
        ({"auth": {"api_key": "x", "header": "a", "param": "b"}}, "give either"),
        ({"auth": {"oauth2": {"client_id": "me"}}}, "Field required"),
        ({"pace": {"requests_per_second": 0}}, "greater than 0"),
        ({"timeout": 0}, "greater than 0"),
    ],
)
def test_what_cannot_be_asked_is_found_when_the_project_is_read(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        source("http://x", keys.pop("auth", None), **keys)
