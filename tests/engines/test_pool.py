"""Workers: killed ones are told, and none outlives its parent."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.engines import functions as fn

from potable.engines import pool as pool_module
from potable.engines.pool import Pool
from potable.errors import DataError, EnvironmentFailure
from potable.sources import csv

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers from the first item on; however short a stream, it is they that are tested."""
    monkeypatch.setattr(pool_module, "PATIENCE", 0)
    monkeypatch.setattr(pool_module, "FORKED", 0)


def test_one_worker_means_the_own_process() -> None:
    batches = list(Pool(1).stream([fn.numbers(1), fn.numbers(2)], lambda item: [fn.squared(item)], fn.SQUARES))
    assert {pid for batch in batches for pid in batch["pid"].to_pylist()} == {os.getpid()}


def test_a_short_stream_starts_no_process_and_a_long_one_goes_on_in_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "PATIENCE", 0.2)
    monkeypatch.setattr(pool_module, "FORKED", 0.2)
    # however slow the machine, its workers neither end with the long stream nor while they wait
    monkeypatch.setattr(pool_module, "LONG", 600)
    monkeypatch.setattr(pool_module, "REST", 600)
    pool = Pool(2)
    try:
        short = list(pool.stream([fn.numbers(n) for n in range(50)], Square(), fn.SQUARES))
        assert {pid for batch in short for pid in batch["pid"].to_pylist()} == {os.getpid()}
        long = list(pool.stream([fn.numbers(n) for n in range(50)], Slow(), fn.SQUARES))
        pids = [pid for batch in long for pid in batch["pid"].to_pylist()]
        assert sorted(n for batch in long for n in batch["n"].to_pylist()) == list(range(50))
        assert len(set(pids)) == 3 and pids.count(os.getpid()) < 25
        # workers that are there are used at once
        again = list(pool.stream([fn.numbers(n) for n in range(50)], Square(), fn.SQUARES))
        assert os.getpid() not in {pid for batch in again for pid in batch["pid"].to_pylist()}
    finally:
        pool.close()


def test_items_that_take_long_are_given_to_workers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "PATIENCE", 600)
    monkeypatch.setattr(pool_module, "FORKED", 600)
    pool = Pool(2)
    try:
        for items in (1, 3):
            made = list(pool.stream([fn.numbers(n) for n in range(items)], Square(), fn.SQUARES, long=True))
            assert sorted(n for batch in made for n in batch["n"].to_pylist()) == list(range(items))
            assert os.getpid() not in {pid for batch in made for pid in batch["pid"].to_pylist()}
    finally:
        pool.close()


def test_an_item_of_a_short_stream_that_fails_raises_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "PATIENCE", 0.2)
    with pytest.raises(DataError, match="cut short"):
        list(Pool(2).stream([1, 2, 3], fn.data_error, fn.NUMBERS))


def test_a_worker_imports_no_engine() -> None:
    """Starting one is most of what a short run costs."""
    code = "import sys, potable.engines.pool; sys.exit(any(name in sys.modules for name in ('ibis', 'duckdb')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_worker_makes_arrays_without_pandas() -> None:
    code = """
from potable.engines import pool
from tests.engines import functions as fn
pool.PATIENCE = 0
workers = pool.Pool(2)
print([batch.column(0).to_pylist() for batch in workers.stream([5, 5], fn.has_pandas, fn.NUMBERS)])
workers.close()
"""
    # in a process of its own, for that which workers of other tests are forked from may have it
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[[0], [0]]\n"


def test_a_script_without_a_guard_starts_no_run_in_its_workers(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("""
from potable.engines import pool
from potable.errors import EnvironmentFailure
from tests.engines import functions as fn
pool.require_no_worker()
pool.PATIENCE = 0
try:
    list(pool.Pool(2).stream([5, 5], fn.count_to, fn.NUMBERS))
except EnvironmentFailure as failure:
    print(failure.text())
""")
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    call = [sys.executable, str(script)]
    done = subprocess.run(call, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True)
    assert "E007" in done.stdout and '`if __name__ == "__main__":`' in done.stdout
    assert "a worker of a run would start the run again" in done.stderr


def test_workers_have_the_variables_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of stores come by them, and the process that workers are forked from keeps those it started with."""
    pool = Pool(2)
    try:
        for number in (1, 2):
            monkeypatch.setenv("POTABLE_TEST_NUMBER", str(number))
            found = pool.stream(["POTABLE_TEST_NUMBER"] * 4, fn.variable, fn.NUMBERS)
            assert {n for batch in found for n in batch["n"].to_pylist()} == {number}
        monkeypatch.delenv("POTABLE_TEST_NUMBER")
        found = pool.stream(["POTABLE_TEST_NUMBER"] * 4, fn.variable, fn.NUMBERS)
        assert {n for batch in found for n in batch["n"].to_pylist()} == {-1}
    finally:
        pool.close()


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
def test_all_workers_are_forked_from_one_process_that_is_not_ours() -> None:
    pool = Pool(2)
    try:
        found = {n for batch in pool.stream([1] * 20, fn.parent, fn.NUMBERS) for n in batch["n"].to_pylist()}
        assert len(found) == 1 and os.getpid() not in found
    finally:
        pool.close()


def test_where_there_is_no_place_for_a_socket_workers_are_there_all_the_same(tmp_path: Path) -> None:
    """A socket has a name in the folder for temporary files, of a hundred signs at most."""
    long = tmp_path / ("x" * 100)
    long.mkdir()
    script = tmp_path / "script.py"
    script.write_text("""
from potable.engines import pool
from tests.engines import functions as fn
if __name__ == "__main__":
    pool.PATIENCE = 0
    workers = pool.Pool(2)
    print(sum(batch.num_rows for batch in workers.stream([5, 5], fn.count_to, fn.NUMBERS)))
    workers.close()
""")
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    variables = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(long)}
    done = subprocess.run([sys.executable, str(script)], env=variables, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("10\n", "")


def test_what_a_task_is_made_of_is_imported_before_workers_are_forked() -> None:
    task = pickle.dumps(({"NAME": "value"}, (fn.count_to, csv.CsvSource), fn.NUMBERS))
    named = pool_module._modules(task)
    assert {"tests.engines.functions", "potable.sources.csv"} <= set(named) and "__main__" not in named


def test_a_killed_worker_is_an_environment_failure_and_no_hang() -> None:
    pool = Pool(2)
    try:
        with pytest.raises(EnvironmentFailure, match="worker process died") as caught:
            list(pool.stream(range(6), fn.killed, fn.NUMBERS))
        assert (caught.value.code, caught.value.retryable) == ("E007", True)
        assert sum(batch.num_rows for batch in pool.stream([5, 5], fn.count_to, fn.NUMBERS)) == 10
    finally:
        pool.close()


def test_a_worker_killed_while_idle_is_told_too() -> None:
    others = set(multiprocessing.active_children())
    pool = Pool(2)
    try:
        list(pool.stream([5, 5], fn.count_to, fn.NUMBERS))
        for worker in set(multiprocessing.active_children()) - others:
            worker.kill()
            worker.join(5)
        with pytest.raises(EnvironmentFailure, match="worker process died"):
            list(pool.stream([5, 5], fn.count_to, fn.NUMBERS))
    finally:
        pool.close()


def test_workers_of_a_long_stream_end_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    others = set(multiprocessing.active_children())
    pool = Pool(2)
    try:
        for seconds, left in ((60.0, 2), (0.0, 0)):
            monkeypatch.setattr(pool_module, "LONG", seconds)
            assert sum(batch.num_rows for batch in pool.stream([5, 5], fn.count_to, fn.NUMBERS)) == 10
            assert len(set(multiprocessing.active_children()) - others) == left
        assert sum(batch.num_rows for batch in pool.stream([5, 5], fn.count_to, fn.NUMBERS)) == 10
    finally:
        pool.close()


def test_two_streams_at_once_do_not_mix() -> None:
    pool = Pool(2)
    try:
        outer = pool.stream([20, 20, 20], fn.count_to, fn.NUMBERS)
        first = next(outer)
        inner = pool.stream([fn.numbers(n) for n in range(50)], Square(), fn.SQUARES)
        assert sum(batch.num_rows for batch in inner) == 50
        assert first.num_rows + sum(batch.num_rows for batch in outer) == 60
    finally:
        pool.close()


class Square:
    def __call__(self, item: object) -> list[object]:
        return [fn.squared(item)]


class Slow:
    def __call__(self, item: object) -> list[object]:
        begun = time.thread_time()
        while time.thread_time() - begun < 0.02:
            pass
        return [fn.squared(item)]


PARENT = """
import sys
from potable.engines import pool
from tests.engines import functions as fn
if __name__ == "__main__":
    pool.PATIENCE = 0
    for batch in pool.Pool(2).stream([sys.argv[1]] * 4, fn.sleepy, fn.NUMBERS):
        pass
"""


def test_workers_end_when_the_parent_is_killed(tmp_path: Path) -> None:
    script, marks = tmp_path / "parent.py", tmp_path / "marks"
    script.write_text(PARENT)
    marks.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, str(script), str(marks)], env=environment, stderr=subprocess.DEVNULL)
    try:
        _until(lambda: len(list(marks.iterdir())) == 2)
        workers = [int(mark.name) for mark in marks.iterdir()]
        assert all(psutil.pid_exists(pid) for pid in workers)
        parent.send_signal(signal.SIGKILL)
        parent.wait(10)
        _until(lambda: not any(_runs(pid) for pid in workers))
    finally:
        parent.kill()
        parent.wait(10)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _until(condition: object, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
