"""Answers that come in time: a client waits for each piece of one, but nobody for a server that drips them for ever.

The client tells of its connections by httpcore's `trace` extension, and every read of one is cut into turns.

Entry: `Deadline.trace` for requests, `Deadline.within` around one.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpcore

_TURN = 0.5
"""Seconds after which whoever waits asks whether it is still wanted."""
_MADE = (".connect_tcp.complete", ".start_tls.complete")


class Deadline:
    """Until when an answer may take, for each thread that asks."""

    def __init__(self, wanted: Callable[[], object]) -> None:
        """Know whom to ask.

        Args:
            wanted: raises when nobody wants an answer any more.
        """
        self._wanted, self._own = wanted, threading.local()

    def trace(self, event: str, about: Mapping[str, Any]) -> None:
        """Watch over a new connection; given to requests as `extensions`."""
        if event.endswith(_MADE):
            stream = about["return_value"]
            stream.read = partial(self._read, stream.read)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """What this thread reads meanwhile ends in time."""
        before = self._end
        self._own.end = time.monotonic() + seconds
        try:
            yield
        finally:
            self._own.end = before

    def put_off(self, seconds: float) -> None:
        """Of the time that went by, so much does not count."""
        self._own.end = self._end + seconds

    @property
    def _end(self) -> float:
        return float(getattr(self._own, "end", math.inf))

    def _read(self, read: Callable[[int, float], bytes], most: int, timeout: float | None = None) -> bytes:
        end = min(self._end, time.monotonic() + (math.inf if timeout is None else timeout))
        while (left := end - time.monotonic()) > 0:
            try:
                return read(most, min(_TURN, left))
            except httpcore.ReadTimeout:
                if self._end < math.inf:
                    self._wanted()
        raise httpcore.ReadTimeout("time is over")
