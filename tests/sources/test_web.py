"""Files behind web servers: known by their ETag, taken up where a connection breaks, told without URLs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
from tests.sources.bucket import contents, etag, land, landing, reading
from tests.sources.test_archives import packed
from tests.sources.web import RESET, Answer, Server, dripping

from potable.errors import EnvironmentFailure
from potable.sources import http, places
from potable.sources.ingest import current
from potable.sources.preview import preview
from potable.sources.xlsx import XlsxSource

TOKEN = "t0ken-canary"


class Files:
    """Gives files as web servers do; `faults` come first, each for one request that is not for a first byte only."""

    def __init__(self, server: Server) -> None:
        self.files = {"/hr/a.csv": b"a\n1\n", "/hr/b.csv": b"a\n2\n"}
        self.faults: list[Answer | Callable[[bytes], Answer]] = []
        self.ranges, self.signs = True, etag
        self.full: list[str] = []
        """Paths of requests for more than a first byte."""
        self.server = server
        server.handle = self._handle

    def _handle(self, path: str, query: dict[str, list[str]]) -> Answer:
        heard = self.server.heard[-1]
        asked, data = heard.get("Range", ""), self.files.get(path)
        if asked != "bytes=0-0":
            self.full.append(path)
            if self.faults:
                fault = self.faults.pop(0)
                return fault(data or b"") if callable(fault) else fault
        if data is None:
            return 404, {}, b"no such file"
        sign = {"ETag": self.signs(data)} if self.signs(data) else {}
        if heard.get("If-Match") not in (None, self.signs(data)):
            return 412, {}, b""
        if not asked or not self.ranges:
            return 200, sign, data
        first, _, last = asked.removeprefix("bytes=").partition("-")
        if int(first) >= len(data):
            return 416, {"Content-Range": f"bytes */{len(data)}"}, b""
        given = data[int(first) : int(last or len(data)) + 1]
        return 206, {**sign, "Content-Range": f"bytes {first}-{int(first) + len(given) - 1}/{len(data)}"}, given


@pytest.fixture
def files(server: Server) -> Files:
    return Files(server)


def source(files: Files, path: str = "/hr/a.csv", **more: Any) -> Any:
    return reading(files.server.url + path, **{"timeout": 5, **more})


def named(*names: str) -> dict[str, Any]:
    return {"t": {"columns": {"a": {}}, "files": list(names)}}


def refused(folder: Path, made: Any) -> EnvironmentFailure:
    with pytest.raises(EnvironmentFailure) as caught:
        land(folder, made)
    told = caught.value.text() + json.dumps(caught.value.record()) + repr(caught.value.__cause__)
    assert TOKEN not in told
    assert not current(landing(folder).log).objects
    return caught.value


@pytest.mark.parametrize("ranges", [True, False])
def test_files_are_named_and_fetched_only_when_they_changed(files: Files, tmp_path: Path, ranges: bool) -> None:
    files.ranges = ranges
    made = source(files, "/hr/", tables=named("a.csv", "b.csv"))
    assert land(tmp_path, made).new_objects == 2
    assert contents(tmp_path, made) == {"a.csv": ["1"], "b.csv": ["2"]}
    files.full.clear()
    files.files["/hr/b.csv"] = b"a\n3\n"
    assert (land(tmp_path, made).new_objects, files.full) == (1, ["/hr/b.csv"])


def test_a_file_without_a_sign_of_its_version_is_read_again(files: Files, tmp_path: Path) -> None:
    files.signs = lambda data: ""
    land(tmp_path, source(files))
    assert (land(tmp_path, source(files)).new_objects, len(files.full)) == (0, 2)
    files.files["/hr/a.csv"] = b"a\n7\n"
    assert land(tmp_path, source(files)).new_objects == 1


def test_credentials_of_the_url_and_of_auth_are_sent_and_not_shown(files: Files, tmp_path: Path) -> None:
    made = source(files, f"/hr/a.csv?sig={TOKEN}", auth={"bearer": TOKEN})
    land(tmp_path, made)
    assert {request[2] for request in files.server.requests} == {f"Bearer {TOKEN}"}
    assert {request[1]["sig"][0] for request in files.server.requests} == {TOKEN}
    assert TOKEN not in repr(made) and [item.name for item in current(landing(tmp_path).log).objects.values()] == [
        "a.csv"
    ]
    files.files.clear()
    gone = refused(tmp_path / "other", made)
    assert (gone.code, gone.problem.partition(": ")[2]) == ("E002", "the server does not have it")
    more = refused(tmp_path / "other", source(files, "/hr/", tables=named("a.csv")))
    assert more.problem.partition(": ")[2] == "the server does not have `a.csv`"


def test_members_of_archives_are_files_with_and_without_ranges(files: Files, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(places, "BLOCK", 100)
    files.files = {"/one.zip": packed({"x.csv": "a\n1\n" * 100, "y.csv": "a\n2\n"})}
    for ranges in (True, False):
        files.ranges = ranges
        made, folder = source(files, "/one.zip"), tmp_path / str(ranges)
        folder.mkdir()
        assert land(folder, made).new_objects == 2
        assert contents(folder, made)["one.zip/y.csv"] == ["2"]


@pytest.mark.parametrize("data", [b"", b"a\n"])
def test_an_empty_file_lands(files: Files, tmp_path: Path, data: bytes) -> None:
    files.files["/hr/a.csv"] = data
    assert land(tmp_path, source(files)).objects[0].bytes == len(data)


def cut(data: bytes) -> Answer:
    return 200, {"Content-Length": str(len(data)), "ETag": etag(data)}, data[: len(data) // 2]


PASSING: dict[str, Answer | Callable[[bytes], Answer]] = {
    "500": (500, {}, b""),
    "429": (429, {"Retry-After": "0"}, b""),
    "reset": RESET,
    "cut off": cut,
}


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_costs_nothing(files: Files, tmp_path: Path, fault: str, ranges: bool) -> None:
    files.ranges = ranges
    files.files["/hr/a.csv"] = b"a\n" + b"".join(b"%d\n" % n for n in range(1000))
    files.faults = [PASSING[fault]] * 2
    made = source(files)
    land(tmp_path, made)
    assert contents(tmp_path, made) == {"a.csv": [str(n) for n in range(1000)]}


@pytest.mark.parametrize("ranges", [True, False])
def test_a_server_that_hangs_in_the_middle_is_asked_again(files: Files, tmp_path: Path, ranges: bool) -> None:
    files.ranges, files.server.hang = ranges, threading.Event()
    files.files["/hr/a.csv"] = b"a\n" + b"".join(b"%d\n" % n for n in range(1000))
    files.faults = [cut]
    made = source(files, timeout=0.3)
    land(tmp_path, made)
    files.server.hang.set()
    assert contents(tmp_path, made) == {"a.csv": [str(n) for n in range(1000)]}


def test_a_server_that_drips_a_file_for_ever_is_given_up(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_SLOWEST", 2)
    with dripping(lambda: chain([b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"], repeat(b"a"))) as url:
        files.server.url = url
        assert "the connection broke (ReadTimeout)" in refused(tmp_path, source(files, timeout=0.1)).problem


def test_a_file_that_changes_where_the_connection_broke_is_no_file_of_two_halves(files: Files, tmp_path: Path) -> None:
    def changed(data: bytes) -> Answer:
        files.files["/hr/a.csv"] = b"a\n" + b"2\n" * 100
        return cut(data)

    files.files["/hr/a.csv"] = b"a\n" + b"1\n" * 100
    files.faults = [changed]
    assert "changed after it was listed" in refused(tmp_path, source(files)).problem


REFUSED = {
    "404": ((404, {}, b""), "removed after it was listed", "E002"),
    "403": ((403, {}, b""), "refused the credentials (HTTP 403)", "E001"),
    "418": ((418, {}, b""), "HTTP 418", "E001"),
    "412": ((412, {}, b""), "changed after it was listed", "E001"),
    "other version": ((200, {"ETag": '"other"'}, b"a\n1\n"), "changed after it was listed", "E001"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_server_refuses_is_told(files: Files, tmp_path: Path, what: str) -> None:
    answer, why, code = REFUSED[what]
    files.faults = [answer]
    told = refused(tmp_path, source(files, f"/hr/a.csv?sig={TOKEN}"))
    assert (why in told.problem, told.code) == (True, code)


def test_a_part_that_is_given_where_all_was_asked_for_is_not_the_file(files: Files, tmp_path: Path) -> None:
    data = b"a\n" + b"1\n" * 100
    files.files["/hr/a.csv"] = data
    part: Answer = (206, {"ETag": etag(data), "Content-Range": f"bytes 0-49/{len(data)}"}, data[:50])
    files.faults = [part]
    assert land(tmp_path, source(files)).new_bytes == len(data)
    files.signs = lambda data: ""
    files.faults = [(206, {"Content-Range": f"bytes 0-49/{len(data)}"}, data[:50])]
    assert "the connection broke" in refused(tmp_path / "other", source(files)).problem


def test_what_is_packed_unasked_is_refused_where_nobody_could_unpack_it(files: Files, tmp_path: Path) -> None:
    data = files.files["/hr/a.csv"]
    files.faults = [(200, {"ETag": etag(data), "Content-Encoding": "br"}, data)]
    told = refused(tmp_path, source(files))
    assert "compresses it in a way that was not asked for" in told.problem and not told.retryable


def test_a_connection_that_always_breaks_is_given_up(files: Files, tmp_path: Path) -> None:
    files.files["/hr/a.csv"] = b"a\n" + b"1\n" * 100
    files.faults = [lambda data: (200, {"Content-Length": "9999", "ETag": etag(data)}, b"a")] * 20
    files.signs = etag
    told = refused(tmp_path, source(files))
    assert told.retryable and ("breaks" in told.problem or "changed" in told.problem)


def test_a_server_that_stops_in_the_middle_is_given_up(files: Files, tmp_path: Path) -> None:
    held = threading.Event()

    def stop(data: bytes) -> Answer:
        held.wait(10)
        return RESET

    files.faults = [stop] * 30
    try:
        told = refused(tmp_path, source(files, timeout=0.1))
    finally:
        held.set()
    assert told.retryable and "gave up" in told.problem


def test_redirections_are_followed_but_not_with_a_key_of_another_host(files: Files, tmp_path: Path) -> None:
    files.files["/real.csv"] = b"a\n5\n"
    give = files.server.handle
    assert give
    files.server.handle = lambda path, query: (
        (302, {"Location": "/real.csv"}, b"") if path == "/moved.csv" else give(path, query)
    )
    made = source(files, "/moved.csv", auth={"bearer": TOKEN})
    land(tmp_path, made)
    assert contents(tmp_path, made) == {"moved.csv": ["5"]}
    told = refused(tmp_path / "other", source(files, "/moved.csv", auth={"api_key": TOKEN}))
    assert "HTTP 302" in told.problem


@pytest.mark.parametrize("ranges", [True, False])
def test_a_workbook_can_be_previewed_before_it_lands(files: Files, tmp_path: Path, ranges: bool) -> None:
    import openpyxl

    files.ranges = ranges
    book = openpyxl.Workbook()
    for row in (["a"], ["7"]):
        book.active.append(row)
    book.save(tmp_path / "book.xlsx")
    files.files = {"/book.xlsx": (tmp_path / "book.xlsx").read_bytes()}
    declared = {
        "source": "s",
        "type": "xlsx",
        "path": f"{files.server.url}/book.xlsx",
        "tables": {"t": {"columns": {"a": {}}}},
    }
    seen = preview(XlsxSource.model_validate(declared), base=tmp_path, rows=5)["t"]
    assert seen.rows["a"].to_pylist() == ["7"]
