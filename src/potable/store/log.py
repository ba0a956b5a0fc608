"""Append-only logs of numbered entries, put-if-absent: raw batches, dataset versions, the audit chain.

Entry n is written only when n does not exist yet, so of two writers one wins and the other sees it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from potable.errors import EnvironmentFailure
from potable.store.manifest import canonical
from potable.store.objects import Store


class Log:
    """Numbered JSON entries below `folder`, from 1."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store = store
        self._folder = folder

    def entries(self) -> list[dict[str, Any]]:
        """All entries, oldest first."""
        return [json.loads(self._store.get(path)) for path in self._store.list(self._folder)]

    def last(self) -> tuple[int, dict[str, Any] | None]:
        """Number and content of the newest entry; (0, None) for an empty log."""
        paths = self._store.list(self._folder)
        return (_number(paths[-1]), json.loads(self._store.get(paths[-1]))) if paths else (0, None)

    def append(self, entry: dict[str, Any], *, parent: int) -> int:
        """Write `entry` as number `parent` + 1.

        Raises:
            EnvironmentFailure: another run wrote that number first.
        """
        number = parent + 1
        if not self._store.put_new(self._path(number), canonical(entry)):
            raise EnvironmentFailure(
                f"another run wrote entry {number} of `{self._folder}` first",
                "E005",
                state="its entry is current; nothing of this run was committed there",
                next="potable run",
                retryable=True,
            )
        return number

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number:08d}.json"


class AuditLog:
    """Who did what, when and why; each entry holds the hash of the one before. No personal data."""

    def __init__(self, store: Store, folder: str = "audit") -> None:
        self._log = Log(store, folder)

    def add(self, entry: dict[str, Any]) -> int:
        """Append `entry`, chained; waits its turn when others write at the same time."""
        while True:
            number, previous = self._log.last()
            chained = {**entry, "number": number + 1, "previous": _digest(previous)}
            try:
                return self._log.append(chained, parent=number)
            except EnvironmentFailure as failure:
                if failure.code != "E005":
                    raise

    def broken(self) -> Iterator[int]:
        """Numbers of entries whose link to the one before does not hold."""
        previous: dict[str, Any] | None = None
        for number, entry in enumerate(self._log.entries(), 1):
            if entry["previous"] != _digest(previous) or entry["number"] != number:
                yield number
            previous = entry


def _digest(entry: dict[str, Any] | None) -> str:
    return hashlib.sha256(canonical(entry)).hexdigest() if entry else ""


def _number(path: str) -> int:
    return int(path.rsplit("/", 1)[1].removesuffix(".json"))
