"""A process pool that streams: items in, Arrow batches out, bounded by the pipes between.

Parsing and redaction hold the interpreter lock, so they run in other processes. Workers are spawned
once per engine and end when the parent does (their pipe closes), also when it is killed.
"""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection, wait
from itertools import chain, islice
from typing import Any

import pyarrow as pa

from potable.engines.base import ItemFunction, one_by_one
from potable.errors import EnvironmentFailure

_DONE, _FAILED, _BATCH = b"D", b"F", b"B"


class Pool:
    """`workers` processes; with one worker everything runs in the caller's own."""

    def __init__(self, workers: int) -> None:
        self._size = workers
        self._workers: list[tuple[Any, Connection]] = []

    def stream(self, items: Iterable[Any], function: ItemFunction, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Batches of `function` over `items`, in no particular order.

        Raises:
            Exception: what `function` raised in the worker, as it was.
            EnvironmentFailure: a worker died.
        """
        queue = iter(items)
        first = list(islice(queue, 2))
        queue = chain(first, queue)
        if self._size < 2 or len(first) < 2:
            yield from one_by_one(queue, function)
            return
        task = pickle.dumps(function)
        busy = {pipe: process for process, pipe in self._started()}
        finished = False
        try:
            for pipe in list(busy):
                pipe.send_bytes(task)
                _give_next(pipe, queue, busy)
            yield from _received(busy, queue, schema)
            finished = True
        finally:
            if not finished:
                self.close()

    def close(self) -> None:
        """End all workers."""
        for process, pipe in self._workers:
            pipe.close()
            process.terminate()
            process.join()
        self._workers = []

    def _started(self) -> list[tuple[Any, Connection]]:
        context = multiprocessing.get_context("spawn")
        while len(self._workers) < self._size:
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            self._workers.append((process, ours))
        return self._workers


def _give_next(pipe: Connection, queue: Iterator[Any], busy: dict[Connection, Any]) -> None:
    """Send the next item, or tell the worker that this task is over."""
    for item in queue:
        pipe.send(item)
        return
    pipe.send_bytes(_DONE)
    del busy[pipe]


def _received(busy: dict[Connection, Any], queue: Iterator[Any], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    while busy:
        for pipe in wait(list(busy)):
            assert isinstance(pipe, Connection)
            try:
                message = pipe.recv_bytes()
            except EOFError:
                raise EnvironmentFailure(
                    "a worker process died", "E007", hint="the machine may be out of memory", retryable=True
                ) from None
            if message[:1] == _FAILED:
                raise pickle.loads(message[1:])
            if message[:1] == _BATCH:
                yield pa.ipc.read_record_batch(pa.py_buffer(message).slice(1), schema)
            else:
                _give_next(pipe, queue, busy)


def _work(pipe: Connection) -> None:
    """Worker: for each task, a function and then items until the parent says done."""
    try:
        while True:
            function = pickle.loads(pipe.recv_bytes())
            _serve(pipe, function)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


def _serve(pipe: Connection, function: ItemFunction) -> None:
    while True:
        message = pipe.recv_bytes()
        if message == _DONE:
            return
        try:
            for batch in function(pickle.loads(message)):
                pipe.send_bytes(_BATCH + batch.serialize().to_pybytes())
            pipe.send_bytes(_DONE)
        except (BrokenPipeError, EOFError):
            raise
        except Exception as failure:
            pipe.send_bytes(_FAILED + _pickled(failure))
            return


def _pickled(failure: Exception) -> bytes:
    try:
        data = pickle.dumps(failure)
        pickle.loads(data)
        return data
    except Exception:
        return pickle.dumps(EnvironmentFailure(f"a worker failed with {type(failure).__name__}", "X001"))
