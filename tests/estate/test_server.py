import json
import sys
import time
from http.client import HTTPConnection, IncompleteRead

import pytest

from potable.estate import serve
from potable.estate.__main__ import main
from potable.estate.server import SLOW_SECONDS


class Client:
    """A keep-alive connection that asks for pages."""

    def __init__(self, url: str, token: str) -> None:
        self.connection = HTTPConnection(url.removeprefix("http://"), timeout=10)
        self.token = token
        self.waits: list[int] = []

    def get(self, path: str, token: str | None = None):
        self.connection.request("GET", path, headers={"Authorization": f"Bearer {token or self.token}"})
        answer = self.connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()

    def page(self, cursor: str | None, limit: int = 25):
        query = f"/api/v1/trainings?limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        return self.get(query)

    def everything(self, limit: int = 25) -> list[dict]:
        found, cursor = [], None
        while True:
            status, headers, body = self.page(cursor, limit)
            if status == 429:
                self.waits.append(int(headers["Retry-After"]))
                continue
            assert status == 200
            answer = json.loads(body)
            found += answer["data"]
            cursor = answer["next_cursor"]
            if cursor is None:
                return found


@pytest.fixture
def client(estate):
    """Opens a client on a fresh server with the given faults."""
    opened = []

    def start(**faults):
        context = serve(estate.directory, faults=faults)
        client = Client(context.__enter__(), estate.environment["LMS_TOKEN"])
        opened.append((context, client))
        return client

    yield start
    for context, client in opened:
        client.connection.close()
        context.__exit__(None, None, None)


@pytest.mark.parametrize("limit", [7, 500, 1000])
def test_pages_add_up_to_the_listing_with_some_refusals(client, trainings, limit):
    caller = client()
    assert caller.everything(limit) == trainings
    pages = -(-len(trainings) // limit)
    assert len(caller.waits) == (pages + len(caller.waits)) // 40
    assert sum(caller.waits) <= 5
    assert set(caller.waits) <= {0, 1}


def test_refusals_are_the_same_for_every_start_and_never_twice_running(client):
    def answers(caller):
        return [caller.page(None)[0] for _ in range(100)]

    first, second = answers(client()), answers(client())
    assert first == second
    assert first.count(429) == 2
    assert "429, 429" not in str(first)


def test_wrong_token_path_cursor_and_limit_are_refused(client):
    caller = client()
    assert caller.get("/api/v1/trainings", token="wrong")[0] == 401
    assert caller.get("/api/v2/trainings")[0] == 404
    for query in ("cursor=%21%21", "cursor=YWJj", "limit=0", "limit=9999", "limit=x"):
        assert caller.get(f"/api/v1/trainings?{query}")[0] == 400
    assert caller.page(None)[0] == 200


def test_a_dropped_page_ends_within_the_body(client):
    caller = client(drop_mid_page=2)
    assert caller.page(None)[0] == 200
    with pytest.raises(IncompleteRead):
        caller.page(None)
    caller.connection.close()
    assert caller.page(None)[0] == 200


def test_failing_malformed_and_slow_pages_come_when_asked_for(client):
    caller = client(status_500=1, malformed=2, slow=3)
    assert caller.page(None)[0] == 500
    status, _headers, body = caller.page(None)
    assert status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)
    before = time.perf_counter()
    assert caller.page(None)[0] == 200
    assert time.perf_counter() - before >= SLOW_SECONDS
    assert json.loads(caller.page(None)[2])["data"]


def test_an_unknown_fault_is_an_error(estate):
    with pytest.raises(ValueError, match="unknown faults"), serve(estate.directory, faults={"fire": 1}):
        pass


def test_serve_runs_a_command_with_the_environment_and_its_exit_code(estate, tmp_path):
    script = tmp_path / "child.py"
    script.write_text(
        "import os, sys, urllib.request as u\n"
        "assert os.path.isdir(os.environ['PAYROLL_EXPORTS']) and os.environ['HRMS_URL'].startswith('sqlite:')\n"
        "request = u.Request(os.environ['LMS_URL'] + '/api/v1/trainings?limit=1')\n"
        "request.add_header('Authorization', 'Bearer ' + os.environ['LMS_TOKEN'])\n"
        "sys.exit(17 if u.urlopen(request).status == 200 else 1)\n"
    )
    assert main(["serve", str(estate.directory), "--", sys.executable, str(script)]) == 17
    assert main(["serve", str(estate.directory), "--token", "other", "--", sys.executable, str(script)]) == 17
