"""A process pool that streams: items in, Arrow batches out, bounded by the pipes between.

Parsing and redaction hold the interpreter lock, so they run in other processes. Workers are started
when a stream turns out to be long, lent to one stream at a time, and end when nothing asks for them for a
while or when the parent ends (their pipe closes), also when it is killed. A stream that runs while another
does gets workers of its own. On Linux they are forked from a process that has imported what the first of them
needs and does nothing else; to import it again took half a second of each. What it imports, every run does: keep
this file light.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import pickletools
import signal
import struct
import sys
import threading
import time
import traceback
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import pyarrow as pa

from potable.engines.base import BatchFunction, ItemFunction
from potable.engines.freed import give_back, give_back_at_times, keep_little
from potable.errors import EnvironmentFailure
from potable.lazy_pandas import make_pandas_lazy

REST = 1.0
"""Seconds after which workers that wait for work end; what they hold is of no use to a long query."""
LONG = 4.0
"""Seconds of a stream after which its workers end with it: what they hold is much by then, what it costs to start new
ones little, and the query that follows needs the memory."""
PATIENCE, FORKED = 0.5, 0.1
"""Processor seconds a stream takes in the caller's own process before it gets workers: starting one takes as long, and
less where one needs only to be forked."""
_WORKER = "potable worker"
"""Name of each worker's process."""
_FORKS = sys.platform == "linux"
"""Elsewhere libraries of the system do not bear it."""
_BEFORE = "potable.engines.forked"
"""What the process that workers are forked from imports first."""
_GUARD = 'a script of your own must start runs under `if __name__ == "__main__":`, because every worker imports it'
_DONE, _FAILED, _BATCH = b"D", b"F", b"B"
_SIZE = struct.Struct("!q")
"""Bytes of a batch, behind its sign."""


@dataclass(frozen=True)
class Worker:
    """A process and our end of its pipe."""

    process: BaseProcess
    pipe: Connection

    def end(self) -> None:
        """Stop it, whatever it does."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


class Pool:
    """`workers` processes per stream; with one worker everything runs in the caller's own."""

    def __init__(self, workers: int) -> None:
        self._size = workers
        self._idle: list[Worker] = []
        self._lent: list[Worker] = []
        self._lock = threading.Lock()
        self._resting: threading.Timer | None = None
        self._forks = False

    def stream(
        self, items: Iterable[Any], function: ItemFunction, schema: pa.Schema, *, long: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Batches of `function` over `items`, in no particular order.

        Args:
            items: what `function` is given, one by one.
            function: what makes batches of an item.
            schema: schema of these batches.
            long: whether already the first items are worth workers.

        Raises:
            Exception: what `function` raised in the worker, as it was.
            EnvironmentFailure: a worker died.
        """
        queue = iter(items)
        ahead = list(islice(queue, 2))
        spent = 0.0
        while ahead and (self._size < 2 or not (long or (len(ahead) > 1 and not self._patient(spent)))):
            spent += yield from _timed(function, ahead.pop(0), schema)
            ahead += islice(queue, 1)
        if not ahead:
            return
        queue = chain(ahead, queue)
        # a process that was forked has the variables of that moment
        task = pickle.dumps((dict(os.environ), function, schema))
        busy = {worker.pipe: worker for worker in self._take(task)}
        workers, begun = tuple(busy.values()), time.monotonic()
        finished = False
        try:
            for pipe in list(busy):
                _send(pipe, task)
                _give_next(pipe, queue, busy)
            yield from _received(busy, queue, schema)
            finished = True
        finally:
            self._give_back(workers, stay=finished and time.monotonic() - begun < LONG)

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            self._stay()
            for worker in (*self._idle, *self._lent):
                worker.end()
            self._idle, self._lent = [], []

    def _patient(self, spent: float) -> bool:
        """Whether a stream that took so long does without workers: it may end soon, and none wait anyhow."""
        return spent < (FORKED if self._forks else PATIENCE) and len(self._idle) < self._size

    def _take(self, task: bytes) -> list[Worker]:
        with self._lock:
            self._stay()
            while len(self._idle) < self._size:
                worker, self._forks = _started(task)
                self._idle.append(worker)
            taken, self._idle = self._idle[: self._size], self._idle[self._size :]
            self._lent += taken
            return taken

    def _give_back(self, workers: tuple[Worker, ...], *, stay: bool) -> None:
        """Take workers back, or end them: those of a stream that was given up are in the middle of something."""
        with self._lock:
            self._lent = [worker for worker in self._lent if worker not in workers]
            if not stay:
                for worker in workers:
                    worker.end()
                return
            self._idle += workers
            self._stay()
            self._resting = threading.Timer(REST, self._end_idle)
            self._resting.daemon = True
            self._resting.start()

    def _stay(self) -> None:
        """Idle workers are wanted after all."""
        if self._resting:
            self._resting.cancel()
            self._resting = None

    def _end_idle(self) -> None:
        with self._lock:
            # one that was told to stay just now may have come here already
            if threading.current_thread() is self._resting:
                for worker in self._idle:
                    worker.end()
                self._idle, self._resting = [], None


@dataclass(frozen=True)
class OneBatch:
    """A batch function as an item function."""

    function: BatchFunction

    def __call__(self, batch: pa.RecordBatch) -> list[pa.RecordBatch]:
        """What the function makes of a batch."""
        return [self.function(batch)]


def require_no_worker() -> None:
    """Refuse to go on in a worker, whose process has imported a script that starts a run.

    Raises:
        EnvironmentFailure: E007, it is one.
    """
    if multiprocessing.current_process().name == _WORKER:
        raise EnvironmentFailure("a worker of a run would start the run again", "E007", hint=_GUARD)


def _started(task: bytes) -> tuple[Worker, bool]:
    """A worker for that task, and whether it was forked."""
    if _FORKS:
        context: Any = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([_BEFORE, *_modules(task)])
        # where the folder for temporary files has a long name, or may not be written to, it has no place for its socket
        with suppress(OSError):
            return _begun(context), True
    return _begun(multiprocessing.get_context("spawn")), False


def _begun(context: Any) -> Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, name=_WORKER, args=(theirs,), daemon=True)
    try:
        process.start()
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return Worker(process, ours)


def _modules(task: bytes) -> list[str]:
    """The modules that a pickle names."""
    named = {text for _, text, _ in pickletools.genops(task) if isinstance(text, str)}
    return sorted(name for name in named if name in sys.modules and name != "__main__")


def _timed(function: ItemFunction, item: Any, schema: pa.Schema) -> Generator[pa.RecordBatch, None, float]:
    """Batches of `function` over one item; returns the processor seconds they took to make."""
    spent, begun = 0.0, time.thread_time()
    for batch in checked(function(item), schema):
        spent += time.thread_time() - begun
        yield batch
        # whoever takes the next one may do so in another thread
        begun = time.thread_time()
    return spent + time.thread_time() - begun


def checked(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The batches; one of another schema would be read as garbage on the other side."""
    for batch in batches:
        if not batch.schema.equals(schema):
            raise TypeError("a batch function returned another schema than it was declared with")
        yield batch


def _died() -> EnvironmentFailure:
    return EnvironmentFailure(
        "a worker process died",
        "E007",
        hint=f"the machine may be out of memory: lower `threads`. Or {_GUARD}",
        retryable=True,
    )


def _send(pipe: Connection, message: bytes) -> None:
    try:
        pipe.send_bytes(message)
    except OSError:
        raise _died() from None


def _receive(pipe: Connection) -> bytes:
    try:
        return pipe.recv_bytes()
    except (EOFError, OSError):
        raise _died() from None


def _received_data(pipe: Connection, size: int) -> pa.Buffer:
    """The bytes behind the sign of a batch, in one piece at once: as a message they would be copied several times."""
    data = pa.allocate_buffer(size)
    left = memoryview(data).cast("B")
    while left:
        try:
            taken = os.readv(pipe.fileno(), [left])
        except OSError:
            raise _died() from None
        if not taken:
            raise _died()
        left = left[taken:]
    return data


def _give_next(pipe: Connection, queue: Iterator[Any], busy: dict[Connection, Worker]) -> None:
    """Send the next item, or tell the worker that this task is over."""
    for item in queue:
        _send(pipe, pickle.dumps(item))
        return
    _send(pipe, _DONE)
    del busy[pipe]


def _received(busy: dict[Connection, Worker], queue: Iterator[Any], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    while busy:
        for pipe in wait(list(busy)):
            assert isinstance(pipe, Connection)
            message = _receive(pipe)
            if message[:1] == _FAILED:
                raise pickle.loads(message[1:])
            if message[:1] == _BATCH:
                yield pa.ipc.read_record_batch(_received_data(pipe, _SIZE.unpack(message[1:])[0]), schema)
                give_back_at_times()
            else:
                _give_next(pipe, queue, busy)


def _work(pipe: Connection) -> None:
    """Worker: for each task, a function and then items until the parent says done."""
    # the parent decides what an interrupt means
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_little()
    make_pandas_lazy()
    # what was there when it was forked stays anyway, and is shared as long as nobody writes to it
    gc.freeze()
    try:
        while True:
            _serve(pipe, pipe.recv_bytes())
            give_back()
    except (EOFError, ConnectionError):
        return


def _serve(pipe: Connection, task: bytes) -> None:
    try:
        variables, function, schema = pickle.loads(task)
        os.environ.clear()
        os.environ.update(variables)
        while (message := pipe.recv_bytes()) != _DONE:
            for batch in checked(function(pickle.loads(message)), schema):
                _send_data(pipe, batch.serialize())
                give_back_at_times()
            pipe.send_bytes(_DONE)
    except (EOFError, ConnectionError):
        raise
    except Exception as failure:
        pipe.send_bytes(_FAILED + _pickled(failure))


def _send_data(pipe: Connection, data: pa.Buffer) -> None:
    """Send a batch: a message with its size, and behind it the bytes as they are."""
    pipe.send_bytes(_BATCH + _SIZE.pack(data.size))
    left = memoryview(data)
    while left:
        left = left[os.write(pipe.fileno(), left) :]


def _pickled(failure: Exception) -> bytes:
    """The failure with the lines it came through; its kind alone where it cannot travel."""
    # the lines of code only, for the text of a failure may hold data
    failure.add_note("in a worker process:\n" + "".join(traceback.format_tb(failure.__traceback__)))
    try:
        data = pickle.dumps(failure)
        pickle.loads(data)
        return data
    except Exception:
        return pickle.dumps(EnvironmentFailure(f"a worker failed with {type(failure).__name__}", "X001"))
