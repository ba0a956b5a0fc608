"""Compiled queries carried from run to run: the next run asks the same of other data.

They lie in the restricted root, for a query may hold values; in a file named by code and versions, for only these
decide what a query is compiled to. Losing the file costs time and nothing else. Entry: `carried`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version

from potable.engines import compiled
from potable.errors import EnvironmentFailure
from potable.runs.plan import code
from potable.runs.record import VERBS
from potable.store.manifest import fingerprint
from potable.store.objects import Store

_FOLDER = "compiled"


def place() -> str:
    """Where those of this code lie, below the restricted root."""
    versions = [version(package) for package in ("ibis-framework", "sqlglot")]
    return f"{_FOLDER}/{fingerprint(versions, [code(verb) for verb in VERBS])}.json"


@contextmanager
def carried(store: Store) -> Iterator[None]:
    """Take in what earlier runs compiled, and leave what this one added."""
    path = place()
    with suppress(EnvironmentFailure, ValueError, TypeError):
        if data := store.get_if_present(path):
            compiled.take_in(data)
    before = compiled.kept()
    try:
        yield
    finally:
        if compiled.kept() != before:
            with suppress(EnvironmentFailure):
                store.put(path, [compiled.told()])
