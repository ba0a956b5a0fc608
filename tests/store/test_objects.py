"""Bytes appear whole or not at all, and of two writers one wins."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.sources.web import Answer, Server
from tests.store.breaking import Break, Breaking, breaking

from potable.errors import EnvironmentFailure
from potable.retries import RETRIES
from potable.store.layout import SHUT, Lake
from potable.store.objects import Store

BIG = 12 << 20
"""More than the writer holds back before it writes."""


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def compete(url: str, mark: bytes) -> bool:
    return Store(url).put_new("log/1", mark * 100_000)


def test_a_part_is_whole_where_a_file_system_gives_less_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, read = Store(str(tmp_path)), os.pread
    store.put("a", [b"0123456789"])
    monkeypatch.setattr(os, "pread", lambda file, size, at: read(file, min(size, 3), at))
    assert store.part("a", 1, 8) == b"12345678"
    with pytest.raises(FileNotFoundError):
        store.part("a", 1, 10)


def test_a_missing_object_has_no_size_and_no_bytes(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    assert store.size("a") is None
    assert store.get_if_present("a") is None
    assert store.list("nothing") == []
    with pytest.raises(FileNotFoundError):
        store.get("a")
    with pytest.raises(FileNotFoundError):
        store.open("a")
    with pytest.raises(FileNotFoundError):
        store.part("a", 0, 1)


def test_what_is_put_is_got_listed_and_measured(tmp_path: Path) -> None:
    store = Store("lake", base=tmp_path)
    assert store.put("b/2", [b"x" * 10, b"y"]) == 11
    assert store.put_new("a", b"")
    assert store.put("b/1", iter(())) == 0
    assert (store.get("b/2"), store.size("b/2"), store.size("b/1")) == (b"x" * 10 + b"y", 11, 0)
    assert store.list("") == ["a", "b/1", "b/2"]
    assert store.list("b") == ["b/1", "b/2"]
    with store.open("b/2") as stream:
        assert stream.read(3) == b"xxx"
    assert store.part("b/2", 8, 3) == b"xxy"
    with pytest.raises(FileNotFoundError):
        store.part("b/2", 8, 4)
    store.delete(["b/2"])
    assert store.list("b") == ["b/1"]


def test_what_is_stored_has_its_size_and_age_and_can_be_removed_twice(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    begun = datetime.now(UTC) - timedelta(seconds=2)
    store.put("zone/table/step/attempt/rows/part", [b"12345"])
    store.put("zone/table/step/manifest.json", [b"{}"])
    # what a killed upload leaves, which no listing of a store shows
    (tmp_path / "zone/table/step/files#1").write_bytes(b"123")
    found = store.stored("zone")
    assert [(item.path, item.bytes) for item in found] == [
        ("zone/table/step/attempt/rows/part", 5),
        ("zone/table/step/files#1", 3),
        ("zone/table/step/manifest.json", 2),
    ]
    assert all(begun <= item.modified <= datetime.now(UTC) for item in found)
    assert store.stored("nothing") == []
    (tmp_path / "zone/table/step/other").mkdir()
    gone = [item.path for item in found]
    for _ in range(2):
        store.delete(gone)
        store.prune(gone, above=2)
    assert [path.name for path in (tmp_path / "zone/table/step").iterdir()] == ["other"]
    (tmp_path / "zone/table/step/other").rmdir()
    store.prune(gone, above=2)
    assert [path.name for path in (tmp_path / "zone").rglob("*")] == ["table"]


def test_what_is_cleared_is_gone_with_its_folders(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    for name in ("step/attempt/staged/part", "step/attempt/rows/part"):
        store.put(name, [b"1"])
    # engines make folders for what has no rows, and a killed upload leaves what no listing of a store shows
    (tmp_path / "step/attempt/staged/none").mkdir()
    (tmp_path / "step/attempt/staged/part#1").write_bytes(b"1")
    for _ in range(2):
        store.clear("step/attempt/staged")
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == [
        "step",
        "step/attempt",
        "step/attempt/rows",
        "step/attempt/rows/part",
    ]


@pytest.mark.parametrize("name", ["a b", "ü/é", "50%", "it's", 'say "no"', "[x]?*", "a#b"])
def test_odd_names_are_found_where_they_are_said_to_be(tmp_path: Path, name: str) -> None:
    store = Store(str(tmp_path))
    store.put(name, [b"1"])
    assert Path(store.locate(name)).read_bytes() == b"1"
    assert store.list("") == [name]


@pytest.mark.parametrize("name", ["../up", "a//b", "x#1"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(EnvironmentFailure):
        Store(str(tmp_path / "lake")).put_new(name, b"1")
    assert files(tmp_path) == []


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    store = Store((tmp_path / "a b").as_uri())
    store.put_new("x", b"1")
    assert store.locate("x") == str(tmp_path / "a b" / "x")
    with store.open("x") as stream:
        assert stream.read() == b"1"


def test_of_many_threads_exactly_one_wins(tmp_path: Path) -> None:
    for turn in range(20):
        folder = str(tmp_path / str(turn))
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(lambda mark, folder=folder: compete(folder, mark), [b"%d" % n for n in range(8)]))
        assert sum(won) == 1
        assert Store(folder).get("log/1") == b"%d" % won.index(True) * 100_000


def test_of_two_processes_exactly_one_wins(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for turn in range(10):
            tasks = [(str(tmp_path / str(turn)), mark) for mark in (b"a", b"b")]
            won = pool.starmap(compete, tasks)
            assert sum(won) == 1
            assert Store(tasks[0][0]).get("log/1")[:1] == (b"a" if won[0] else b"b")


@pytest.mark.parametrize("before", [1000, BIG])
def test_a_writer_that_fails_leaves_nothing_and_its_error_passes(tmp_path: Path, before: int) -> None:
    store = Store(str(tmp_path))

    def chunks() -> Iterator[bytes]:
        yield b"x" * before
        assert store.list("") == []
        raise OSError("the source broke")

    with pytest.raises(OSError, match="the source broke"):
        store.put("a/b", chunks())
    assert files(tmp_path) == []


def test_an_object_is_not_there_before_it_is_whole(tmp_path: Path) -> None:
    store = Store(str(tmp_path))

    def chunks() -> Iterator[bytes]:
        for _ in range(12):
            yield b"x" * (1 << 20)
            assert store.size("a") is None

    store.put("a", chunks())
    assert store.size("a") == BIG


FULL = """
import resource, sys
from potable.errors import EnvironmentFailure
from potable.store.objects import Store
store = Store(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
for write in (lambda: store.put("stream", (b"x" * (1 << 20) for _ in range(12))),
              lambda: store.put("small", [b"x" * (2 << 20)]),
              lambda: store.put_new("once", b"x" * (2 << 20))):
    try:
        write()
    except EnvironmentFailure as failure:
        print(failure.code, failure.retryable, "large" in failure.problem)
print(store.list(""))
"""


def test_a_full_disk_is_told_and_leaves_no_half_object(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["E004 True True"] * 3 + ["[]"], done.stderr
    assert not {"stream", "small", "once"} & set(files(tmp_path))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFailure) as caught:
        Store(str(tmp_path / "file" / "lake"))
    assert caught.value.code == "E004"


def test_a_private_folder_is_its_owners_only(tmp_path: Path) -> None:
    Store(str(tmp_path / "lake" / "vault"), private=True).put_new("keys/k.json", b"{}")
    assert (tmp_path / "lake" / "vault").stat().st_mode & 0o077 == 0
    (tmp_path / "shared").mkdir(mode=0o750)
    Store(str(tmp_path / "shared"), private=True)
    assert (tmp_path / "shared").stat().st_mode & 0o050


def test_what_is_before_banding_is_its_owners_only_in_a_new_lake(tmp_path: Path) -> None:
    Lake.at("restricted", "open", "vault", base=tmp_path)
    for zone in SHUT:
        assert (tmp_path / "open" / zone).stat().st_mode & 0o077 == 0
    assert (tmp_path / "open").stat().st_mode & 0o055
    (tmp_path / "shared").mkdir()
    Lake.at("restricted", "shared", "vault", base=tmp_path)
    assert not any((tmp_path / "shared").iterdir())


def test_a_bucket_does_what_a_folder_does(any_store: str) -> None:
    store = Store(f"{any_store}/store")
    assert store.put("b/2", [b"x" * 10, b"y"]) == 11
    assert (store.put_new("a", b"1"), store.put_new("a", b"2")) == (True, False)
    assert (store.get("a"), store.size("b/2"), store.size("c"), store.get_if_present("c")) == (b"1", 11, None, None)
    assert store.list("") == ["a", "b/2"] and store.list("b") == ["b/2"]
    with store.open("b/2") as stream:
        assert (stream.read(3), stream.seek(9), stream.read()) == (b"xxx", 9, b"xy")
    assert store.part("b/2", 8, 3) == b"xxy"
    with pytest.raises(FileNotFoundError):
        store.part("b/2", 8, 4)
    assert (store.put("c", [b"x" * BIG, b"y" * BIG]), store.size("c")) == (2 * BIG, 2 * BIG)
    assert store.part("c", BIG - 1, 2) == b"xy"
    assert {item.path: item.bytes for item in store.stored("b")} == {path: store.size(path) for path in store.list("b")}
    for _ in range(2):
        store.clear("b")
    for _ in range(2):
        store.delete(["b/2", "c"])
    assert store.list("") == ["a"]
    with pytest.raises(FileNotFoundError):
        store.get("b/2")
    with pytest.raises(FileNotFoundError):
        store.part("b/2", 0, 1)


def test_a_listing_longer_than_a_servers_page_is_whole(google_store: str) -> None:
    store = Store(f"{google_store}/pages")
    names = [f"a/{number:04d}" for number in range(1001)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.put_new(name, b""), names))
    assert store.list("a") == names


def test_a_bucket_that_is_not_there_is_called_so(any_store: str) -> None:
    store = Store(f"{any_store.partition('://')[0]}://nowhere/store")
    for work in (
        lambda: store.put_new("a", b"1"),
        lambda: store.put("a", [b"1"]),
        lambda: store.put("a", [b"x" * BIG]),
        lambda: store.list(""),
    ):
        with pytest.raises(EnvironmentFailure, match="there is no `") as caught:
            work()
        assert caught.value.code == "E004"


def test_of_two_writers_to_a_bucket_one_wins(any_store: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(lambda mark: Store(f"{any_store}/race").put_new("log/1", mark), [b"a", b"b", b"c", b"d"]))
    assert sorted(won) == [False, False, False, True]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[Breaking]:
    """A bucket `lake` whose connections break."""
    with breaking() as made:
        for name, value in {
            "AWS_ENDPOINT_URL": made.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.mark.parametrize("breaks", [["before"], ["after"], ["before", "before", "after"]])
def test_what_is_written_once_is_so_where_a_connection_breaks(broken: Breaking, breaks: list[Break]) -> None:
    store = Store("s3://lake")
    broken.breaks = [*breaks]
    assert store.put_new("log/1", b"ours")
    assert broken.objects == {"/lake/log/1": b"ours"}
    broken.breaks = [*breaks]
    assert not store.put_new("log/1", b"another one's")
    assert not store.put_new("log/1", b"ours")
    assert broken.objects == {"/lake/log/1": b"ours"}


def test_connections_that_always_break_are_given_up(broken: Breaking) -> None:
    broken.breaks = ["before"] * 99
    with pytest.raises(EnvironmentFailure) as caught:
        Store("s3://lake").put_new("log/1", b"ours")
    assert (caught.value.code, caught.value.retryable, broken.objects) == ("E004", True, {})
    assert f"no answer from `{broken.url.removeprefix('http://')}`" in caught.value.problem
    assert broken.puts == 4


def test_a_store_that_slows_clients_down_is_asked_again_for_a_while(
    broken: Breaking, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More often than the library does by itself; its pauses are left out here."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setitem(RETRIES["backoff"], "init_backoff", timedelta(milliseconds=1))
    monkeypatch.setitem(RETRIES["backoff"], "max_backoff", timedelta(milliseconds=1))
    slow: Answer = (503, {}, b"<Error><Code>SlowDown</Code></Error>")
    there: Answer = (200, {"ETag": '"1"', "Last-Modified": "Sun, 29 Nov 2026 10:00:00 GMT"}, b"ours")
    server.answers = [*[slow] * 12, there]
    assert Store("s3://lake").get("log/1") == b"ours"
    server.answers, before = [slow], len(server.requests)
    for work in (lambda: Store("s3://lake").get("log/1"), lambda: Store("s3://lake").put_new("log/1", b"ours")):
        with pytest.raises(EnvironmentFailure, match="answers with HTTP 503"):
            work()
    # what was answered is not asked once more beside that
    assert len(server.requests) == before + 2 * 13


def test_a_write_that_met_another_on_its_way_is_tried_again(broken: Breaking) -> None:
    """S3 says so of two writes at once, whether or not the other comes to anything."""
    broken.breaks = ["conflict", "conflict"]
    assert Store("s3://lake").put_new("log/1", b"ours")
    broken.breaks = ["conflict"]
    assert not Store("s3://lake").put_new("log/1", b"another one's")
    assert broken.objects == {"/lake/log/1": b"ours"}


def test_an_object_of_a_bucket_that_is_given_up_is_not_there(any_store: str) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x" * BIG
        raise ValueError("given up")

    store = Store(f"{any_store}/given-up")
    with pytest.raises(ValueError, match="given up"):
        store.put("a", chunks())
    assert store.list("") == []
