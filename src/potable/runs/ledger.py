"""The newest entry of the ledger of subjects, in the form of today: without it everybody would be somebody new.

Entry: `newest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from potable.store.log import Log
from potable.store.objects import Store


def log_of(vault: Store) -> Log:
    """The log in which every `resolve` writes where its ledger lies."""
    return Log(vault, "ledger")


def newest(log: Log) -> tuple[int, Mapping[str, Any] | None]:
    """Number and content of the newest entry: `fingerprint` of the step, `counts`, `files` by output, `facts`."""
    number, entry = log.last()
    if entry is None or "files" in entry:
        return number, entry
    # before ledgers stood on one another, an entry named the parts of its one output below the attempt
    keys = [{**part, "path": f"{entry['attempt']}/keys/{part['path']}"} for part in entry["parts"]]
    return number, {**entry, "files": {"keys": keys}, "facts": {}}
