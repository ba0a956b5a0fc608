"""Landings in processes that end badly; imported by those processes, so it imports little."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from potable.errors import EnvironmentFailure
from potable.sources import sql
from potable.sources.ingest import Landing, ingest
from potable.store.log import Log
from potable.store.objects import Store

KINDS = ("csv", "docx", "fixed", "json", "mail", "parquet", "pdf", "plaintext", "rest", "sql", "xlsx", "xml")
_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(["tests.sources.dying", *(f"potable.sources.{kind}" for kind in KINDS)])
# once for all: where there is pandas, the first array of a process imports it
pa.array([""])


def land(source: Any, base: Path, lake: Path, how: str, at: int) -> None:
    """Land, and when `at` objects have landed be killed, or find the disk full."""
    seen = 0
    sql.CHUNK_ROWS = 1

    def progress(objects: int, size: int) -> None:
        nonlocal seen
        seen += objects
        if seen == at and how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        elif seen == at:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))

    if not at:
        at = seen = -1
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))
    store = Store(str(lake))
    with contextlib.suppress(EnvironmentFailure):
        ingest(source, Landing(store, Log(store, "raw/s/batches")), base=base, progress=progress)
        sys.exit(7)
    sys.exit(4)


def landed(source: Any, base: Path, lake: Path, how: str, at: int) -> int:
    """How the process of such a landing ended: -9 killed, 4 with an error of ours, 7 well."""
    process = _server.Process(target=land, args=(source, base, lake, how, at))
    process.start()
    process.join()
    code: int | None = process.exitcode
    process.close()
    assert code is not None
    return code
