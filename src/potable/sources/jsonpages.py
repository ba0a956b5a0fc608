"""A page of an API that answers in JSON: its list of records, and what stands beside them.

What following pages needs, and what parsing a landed page does. What the records say belongs to `rest`.

Entry: `JsonPage.read` for a page that arrives, `landed` for the records of one that has.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from potable.sources.base import Blob
from potable.sources.files import unreadable
from potable.sources.pagination import Astray
from potable.sources.records import at, read_json


@dataclass(frozen=True)
class JsonPage:
    """One page as received, and as it reads."""

    body: bytes = field(repr=False)
    headers: httpx.Headers = field(repr=False)
    value: Any = field(repr=False)
    path: str
    """Where its records stand."""

    @classmethod
    def read(cls, body: bytes, headers: httpx.Headers, path: str) -> Self:
        """Read a page.

        Args:
            path: dotted path to its list of records; empty where it is that list.

        Raises:
            ValueError: it is not JSON.
            Astray: it has no list there.
        """
        page = cls(body, headers, read_page(body), path)
        if not isinstance(page.at(path), list):
            alone = isinstance(page.value, list)
            raise Astray(
                f"a page has no list at `{path}`" if path else "a page is no list",
                'the page itself is a list: `records: ""`' if alone else "`records` leads to the list in a page",
            )
        return page

    @property
    def listed(self) -> list[Any]:
        """Its records."""
        found: list[Any] = at(self.value, self.path)
        return found

    @property
    def records(self) -> int:
        """Number of its records."""
        return len(self.listed)

    def at(self, path: str) -> Any:
        """The value at a dotted path of the page."""
        return at(self.value, path)

    def content(self) -> bytes:
        """What its records say, without cursors."""
        # by value alone: its later versions write what is shared between records as a reference
        return marshal.dumps(self.listed, 2)


def read_page(body: bytes) -> Any:
    """The document of a page.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        return read_json(body)
    except ValueError:
        raise ValueError("the page is not valid JSON") from None


def landed(blob: Blob, path: str, *, read: Callable[[bytes], Any] = read_json) -> list[Any]:
    """The records of a landed page; `read` is a faster reader where values do not matter.

    Raises:
        DataError: D007, it is no JSON, or has no list at `path`.
    """
    try:
        with blob.open() as stream:
            page = read(stream.read())
    except (ValueError, OSError, RecursionError) as damage:
        raise unreadable(blob, f"not valid JSON ({type(damage).__name__})") from None
    records = at(page, path)
    if not isinstance(records, list):
        raise unreadable(blob, f"it has no list at `{path}`")
    return records
