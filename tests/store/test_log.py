"""Numbered entries: no number twice, and no change unseen."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from potable.errors import Damaged, EnvironmentFailure
from potable.store.log import AuditLog, Log, in_turn
from potable.store.objects import Store


def audited(tmp_path: Path, entries: int) -> tuple[AuditLog, Path]:
    log = AuditLog(Store(str(tmp_path)))
    for number in range(1, entries + 1):
        assert log.add({"who": "ops", "what": f"run {number}"}) == number
    return log, tmp_path / "audit"


def change(path: Path, **keys: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def test_an_empty_log_has_no_last_entry(tmp_path: Path) -> None:
    log = Log(Store(str(tmp_path)), "raw/x/batches")
    assert (log.last(), log.entries()) == ((0, None), [])


def test_entries_come_newest_first_as_far_as_they_go_back(tmp_path: Path) -> None:
    log = Log(Store(str(tmp_path)), "log")
    assert list(log.newest()) == []
    for number in range(4):
        log.append({"number": number}, parent=number)
    assert [entry["number"] for entry in log.newest()] == [3, 2, 1, 0]
    (tmp_path / "log/00000002.json").unlink()
    assert [entry["number"] for entry in log.newest()] == [3, 2]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe"])
def test_an_entry_that_is_none_is_named(tmp_path: Path, data: bytes) -> None:
    log = Log(Store(str(tmp_path)), "raw/x/batches")
    log.append({"n": 1}, parent=0)
    (tmp_path / "raw/x/batches/00000001.json").write_bytes(data)
    for read in (log.last, log.entries, lambda: list(log.newest())):
        with pytest.raises(Damaged, match=r"`raw/x/batches/00000001\.json` is damaged"):
            read()


def test_entries_come_back_oldest_first(tmp_path: Path) -> None:
    log = Log(Store(str(tmp_path)), "log")
    for parent in range(12):
        assert log.append({"n": parent + 1}, parent=parent) == parent + 1
    assert [entry["n"] for entry in log.entries()] == list(range(1, 13))
    assert log.last() == (12, {"n": 12})


@pytest.mark.parametrize(("faster", "tried"), [(0, 1), (1, 2), (4, 5), (9, 5)])
def test_who_was_not_first_tries_again_a_few_times(tmp_path: Path, faster: int, tried: int) -> None:
    ours, theirs = (Log(Store(str(tmp_path)), "log") for _ in range(2))
    turns: list[int] = []

    def write() -> int:
        number, _ = ours.last()
        turns.append(number)
        if len(turns) <= faster:
            theirs.append({"by": "them"}, parent=number)
        return ours.append({"by": "us"}, parent=number)

    if faster < tried:
        assert in_turn(write) == faster + 1
    else:
        with pytest.raises(EnvironmentFailure, match="first"):
            in_turn(write)
    assert turns == [*range(tried)]


def test_what_others_did_not_do_is_not_tried_again() -> None:
    turns: list[int] = []

    def write() -> None:
        turns.append(1)
        raise EnvironmentFailure("the disk is full", "E004")

    with pytest.raises(EnvironmentFailure, match="full"):
        in_turn(write)
    assert turns == [1]


def test_the_second_writer_of_a_number_is_told_and_changes_nothing(tmp_path: Path) -> None:
    ours, theirs = (Log(Store(str(tmp_path)), "log") for _ in range(2))
    assert ours.last() == theirs.last() == (0, None)
    ours.append({"by": "us"}, parent=0)
    with pytest.raises(EnvironmentFailure) as caught:
        theirs.append({"by": "them"}, parent=0)
    assert (caught.value.code, caught.value.retryable) == ("E005", True)
    assert theirs.last() == (1, {"by": "us"})


def test_audit_entries_of_many_writers_all_arrive(tmp_path: Path) -> None:
    def write(writer: int) -> None:
        log = AuditLog(Store(str(tmp_path)))
        for turn in range(10):
            log.add({"writer": writer, "turn": turn})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    log = Log(Store(str(tmp_path)), "audit")
    assert log.last()[0] == 40
    assert len({(entry["writer"], entry["turn"]) for entry in log.entries()}) == 40
    assert list(AuditLog(Store(str(tmp_path))).broken()) == []


def test_what_is_no_entry_and_stands_where_one_belongs_is_told(tmp_path: Path) -> None:
    log, folder = audited(tmp_path, 1)
    (folder / "00000002.json").mkdir()
    with pytest.raises(EnvironmentFailure):
        log.add({"who": "ops"})


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_changed_audit_entry_is_seen(tmp_path: Path, number: int) -> None:
    log, folder = audited(tmp_path, 5)
    assert list(log.broken()) == []
    change(folder / f"{number:08d}.json", what="nothing")
    assert list(log.broken()) == [number]


def test_an_entry_changed_together_with_its_hash_breaks_the_next(tmp_path: Path) -> None:
    log, folder = audited(tmp_path / "a", 3)
    other, forged = audited(tmp_path / "b", 1)
    other.add({"who": "ops", "what": "forged"})
    (folder / "00000002.json").write_bytes((forged / "00000002.json").read_bytes())
    assert list(log.broken()) == [3]


def test_a_removed_entry_is_seen(tmp_path: Path) -> None:
    log, folder = audited(tmp_path, 4)
    (folder / "00000002.json").unlink()
    assert list(log.broken()) == [3]


@pytest.mark.parametrize("junk", ["", "{", "[]", "{}"])
def test_an_entry_that_is_none_is_seen(tmp_path: Path, junk: str) -> None:
    log, folder = audited(tmp_path, 3)
    (folder / "00000002.json").write_text(junk)
    assert list(log.broken()) == [2, 3]


def test_a_log_of_thousands_is_not_listed_for_every_entry(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    listed = []
    original = store.list
    store.list = lambda prefix: listed.append(prefix) or original(prefix)  # type: ignore[method-assign,func-returns-value]
    log = AuditLog(store)
    for number in range(200):
        log.add({"n": number})
    assert len(listed) <= 2


def test_an_audit_entry_is_written_only_if_all_before_it_allow_it(tmp_path: Path) -> None:
    """Of many writers at the same time exactly as many are let in as may be."""
    log = AuditLog(Store(str(tmp_path)))

    def few() -> None:
        if len(log.entries()) >= 3:
            raise PermissionError

    def write(turn: int) -> bool:
        try:
            AuditLog(Store(str(tmp_path))).add_if({"turn": turn}, few)
        except PermissionError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(16))) == 3
    assert [entry["number"] for entry in log.entries()] == [1, 2, 3] and not list(log.broken())
