"""Batch functions a worker process can import."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from potable.errors import DataError, MissingExtra

NUMBERS = pa.schema([("n", pa.int64())])
SQUARES = pa.schema([("n", pa.int64()), ("square", pa.int64()), ("pid", pa.int64())])


def numbers(*values: int) -> pa.RecordBatch:
    return pa.record_batch([pa.array(values, pa.int64())], schema=NUMBERS)


def count_to(item: int) -> Iterator[pa.RecordBatch]:
    """Batches 1..item, ten rows each; nothing for 0."""
    for start in range(1, item + 1, 10):
        yield numbers(*range(start, min(start + 10, item + 1)))


def has_pandas(item: int) -> Iterator[pa.RecordBatch]:
    """Whether pandas is imported, once arrays were made."""
    made = pa.array([item])
    yield numbers(len(made) * ("pandas" in sys.modules))


def variable(item: str) -> Iterator[pa.RecordBatch]:
    """The number in a variable of the environment, -1 without."""
    yield numbers(int(os.environ.get(item, -1)))


def parent(item: int) -> Iterator[pa.RecordBatch]:
    """The process that started this one."""
    yield numbers(os.getppid())


def squared(batch: pa.RecordBatch) -> pa.RecordBatch:
    ns = batch.column("n").to_pylist()
    return pa.record_batch([ns, [n * n for n in ns], [os.getpid()] * len(ns)], schema=SQUARES)


def big(item: int) -> Iterator[pa.RecordBatch]:
    for turn in range(20):
        yield numbers(*range(item + turn * 50_000, item + (turn + 1) * 50_000))


def data_error(item: int) -> Iterator[pa.RecordBatch]:
    yield numbers(1)
    if item == 3:
        raise DataError("`a.csv` cannot be read: cut short", "D007", hint="export it again")


def missing_extra(item: int) -> Iterator[pa.RecordBatch]:
    raise MissingExtra("lxml", "docx")
    yield


class Unpicklable(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


def unpicklable(item: int) -> Iterator[pa.RecordBatch]:
    raise Unpicklable("SECRET", "SECRET")
    yield


def wrong_schema(item: int) -> Iterator[pa.RecordBatch]:
    yield pa.record_batch({"m": pa.array(["x"])})


def killed(item: int) -> Iterator[pa.RecordBatch]:
    yield numbers(1)
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)


def sleepy(folder: str) -> Iterator[pa.RecordBatch]:
    """Says where it runs, and then works for ever."""
    Path(folder, str(os.getpid())).write_text("")
    while True:
        time.sleep(0.05)
        yield numbers(1)


def failing_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    raise DataError("a batch broke", "D005")


def interrupted(limit: int) -> Iterator[pa.RecordBatch]:
    """Somebody presses Ctrl-C after the first batch."""
    yield from count_to(limit)
    raise KeyboardInterrupt
