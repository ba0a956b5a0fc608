"""Append-only logs of numbered entries, put-if-absent: raw batches, dataset versions, the audit chain.

Entry n is written only when n does not exist yet, so of two writers one wins and the other sees it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from potable.errors import Damaged, EnvironmentFailure
from potable.store.manifest import canonical
from potable.store.objects import Store

T = TypeVar("T")
_TURNS = 5
"""Attempts of a write that conflicts with other writers."""


class Log:
    """Numbered JSON entries below `folder`, from 1."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store = store
        self._folder = folder
        self._seen = 0

    def entries(self) -> list[dict[str, Any]]:
        """All entries, oldest first."""
        return [self.read(number, data) for number, data in self.stored()]

    def stored(self) -> Iterator[tuple[int, bytes]]:
        """Number and bytes of each entry, oldest first."""
        for path in self._store.list(self._folder):
            yield _number(path), self._store.get(path)

    def newest(self) -> Iterator[dict[str, Any]]:
        """All entries, newest first; none is read before it is asked for."""
        number, entry = self.last()
        while entry is not None:
            yield entry
            number -= 1
            data = self._store.get_if_present(self._path(number))
            entry = self.read(number, data) if data is not None else None

    def last(self) -> tuple[int, dict[str, Any] | None]:
        """Number and content of the newest entry; (0, None) for an empty log."""
        if not self._seen:
            paths = self._store.list(self._folder)
            self._seen = _number(paths[-1]) if paths else 0
        # the newest is never removed while a log is in use, so it stands where the last one stood or right behind
        while self._store.size(self._path(self._seen + 1)) is not None:
            self._seen += 1
        if not self._seen:
            return 0, None
        return self._seen, self.read(self._seen, self._store.get(self._path(self._seen)))

    def read(self, number: int, data: bytes, made: Callable[[dict[str, Any]], Any] | None = None) -> dict[str, Any]:
        """The entry of that number, from its bytes.

        Args:
            made: what becomes of each object in it.

        Raises:
            Damaged: they hold none.
        """
        return entry_of(self._path(number), data, made)

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
                state="its entry is current; this run committed nothing there",
                next="potable run",
                retryable=True,
            )
        return number

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number:08d}.json"


def in_turn(write: Callable[[], T]) -> T:
    """The result of `write`, retried a few times where another run wrote an entry first.

    Raises:
        EnvironmentFailure: E005, others were faster every time.
    """
    for _ in range(_TURNS - 1):
        try:
            return write()
        except EnvironmentFailure as failure:
            if failure.code != "E005":
                raise
    return write()


class AuditLog:
    """Who did what, when and why; no personal data.

    Each entry holds its own hash and the one of the entry before, so a changed, removed or inserted entry
    is seen. Whoever can write the log can also rewrite it from some entry on; a copy of the newest hash
    kept elsewhere shows that.
    """

    def __init__(self, store: Store, folder: str = "audit") -> None:
        self._log = Log(store, folder)

    def add(self, entry: dict[str, Any]) -> int:
        """Append `entry`, chained; waits its turn when others write at the same time."""
        return int(self.add_if(entry, bool)["number"])

    def add_if(self, entry: dict[str, Any], allowed: Callable[[], object]) -> dict[str, Any]:
        """Append `entry`, unless `allowed` raises; as it is stored, with its number and hash.

        Whatever `allowed` reads of the log is all there is before the entry, also when others write at the same time.

        Raises:
            EnvironmentFailure: E005, something stands where the entry belongs, and it is no entry.
        """
        tried = -1
        while True:
            number, previous = self._log.last()
            allowed()
            chained = {**entry, "number": number + 1, "previous": (previous or {}).get("hash", "")}
            stored = {**chained, "hash": _digest(chained)}
            try:
                self._log.append(stored, parent=number)
                return stored
            except EnvironmentFailure as failure:
                # who was first left an entry, which is the last one now
                if failure.code != "E005" or number == tried:
                    raise
                tried = number

    def entries(self) -> list[dict[str, Any]]:
        """All entries, oldest first; an empty one where the bytes are none."""
        return [decoded(data) for _, data in self._log.stored()]

    def broken(self) -> Iterator[int]:
        """Numbers of entries that were changed, or whose link to the one before does not hold."""
        before, previous = 0, ""
        for number, data in self._log.stored():
            entry = decoded(data)
            body = {key: value for key, value in entry.items() if key != "hash"}
            whole = entry.get("hash") == _digest(body) and entry.get("number") == number
            if not whole or number != before + 1 or entry.get("previous") != previous:
                yield number
            before, previous = number, entry.get("hash", "")


def entry_of(path: str, data: bytes, made: Callable[[dict[str, Any]], Any] | None = None) -> dict[str, Any]:
    """What is stored as JSON under `path`.

    Args:
        made: what becomes of each object in it.

    Raises:
        Damaged: the bytes are none.
    """
    if not (entry := decoded(data, made)):
        raise Damaged(path)
    return entry


def decoded(data: bytes, made: Callable[[dict[str, Any]], Any] | None = None) -> dict[str, Any]:
    """A stored entry; an empty one where the bytes are none."""
    try:
        entry = json.loads(data, object_hook=made)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _digest(entry: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(entry)).hexdigest()


def _number(path: str) -> int:
    return int(path.rsplit("/", 1)[1].removesuffix(".json"))
