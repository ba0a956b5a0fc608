"""Memory that is free, given back: allocators keep what was freed, and a run's memory counts what they keep."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa


def keep_little() -> None:
    """Let Arrow take its memory from the C library: its own pool keeps several times of what a process ever holds."""
    pa.set_memory_pool(pa.system_memory_pool())


@contextmanager
def imports_kept() -> Iterator[None]:
    """Look for garbage only in what is made meanwhile: what was imported stays anyway, and takes long to walk."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def give_back() -> None:
    """Return free memory of Arrow's pool and of the C library to the system; nothing to do elsewhere."""
    # what a step leaves behind is young; to walk all that was ever imported takes longer than most steps
    gc.collect(1)
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
