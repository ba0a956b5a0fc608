"""Memory: what was imported is no garbage while a run goes on; what a thread frees is there for all."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
import weakref

import pytest

from potable.engines.freed import imports_kept


class Ring:
    """Something that only a look for garbage finds."""

    def __init__(self) -> None:
        self.itself = self


def test_only_what_is_made_meanwhile_is_looked_through() -> None:
    early = weakref.ref(Ring())
    with pytest.raises(OSError, match="ends"), imports_kept():
        late = weakref.ref(Ring())
        gc.collect()
        assert (early() is None, late() is None) == (False, True)
        raise OSError("ends")
    gc.collect()
    assert gc.get_freeze_count() == 0
    assert early() is None


ARENAS = """
import ctypes, threading
from potable.engines.freed import keep_little

keep_little()
threads = [threading.Thread(target=lambda: [bytes(1000) for _ in range(1000)]) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
library = ctypes.CDLL(None)
library.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(library.fdopen(1, b"w"))
library.malloc_info(0, out)
library.fflush(out)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="Python is not linked with glibc")
def test_threads_take_memory_from_one_place() -> None:
    """Without `keep_little` each of them has its own: eight then."""
    done = subprocess.run([sys.executable, "-c", ARENAS], capture_output=True, text=True, check=True)
    # imports started a thread before
    assert done.stdout.count("<heap nr=") <= 2
