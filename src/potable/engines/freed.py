"""Returns freed memory to the operating system: allocators keep it, and it counts as memory of the run."""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

_ARENA_MAX = -8
"""`M_ARENA_MAX` of glibc's malloc.h."""
_BETWEEN = 0.25
"""Seconds from one return of memory in a stream to the next: one takes some five milliseconds."""
_given_back = 0.0


def keep_little() -> None:
    """Let Arrow take its memory from the C library, and that from few places.

    Arrow's own pool keeps several times of what a process ever holds. glibc has an arena for each of the first
    threads, and what one has freed no other can use.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    options = _library("mallopt")
    if options is not None:
        options(_ARENA_MAX, 1)


@contextmanager
def imports_kept() -> Iterator[None]:
    """Exclude the objects that exist now from garbage collection: imported modules stay anyway and are slow to walk."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def give_back() -> None:
    """Return free memory of Arrow's pool and of the C library to the system; nothing to do elsewhere."""
    # what a step leaves behind is young; to walk all that was ever imported takes longer than most steps
    gc.collect(1)
    _give_back()


def give_back_at_times() -> None:
    """`give_back` in the middle of a long stream, a few times a second at most; without a look for garbage.

    What batch after batch leaves free between what is still held adds up to several times a batch.
    """
    global _given_back
    now = time.monotonic()
    if now - _given_back >= _BETWEEN:
        _give_back()
        _given_back = now


def _give_back() -> None:
    pa.default_memory_pool().release_unused()
    trim = _library("malloc_trim")
    if trim is not None:
        trim(0)


def _library(name: str) -> Any:
    """A function of glibc; none where another C library is."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
