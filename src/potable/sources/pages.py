"""What following a list is made of: a page as it reads, how far it was followed, and why it cannot be.

How one page leads to the next is `pagination`; what a page says is `jsonpages` and `xmlpages`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx


class Astray(Exception):
    """A list that cannot be followed to its end; `why` quotes nothing of it."""

    def __init__(
        self, why: str, hint: str = "check the table's `pagination`, and run again", *, retryable: bool = True
    ) -> None:
        super().__init__(why)
        self.why, self.hint, self.retryable = why, hint, retryable


class Page(Protocol):
    """A page as it reads."""

    @property
    def body(self) -> bytes:
        """The bytes as received."""

    @property
    def headers(self) -> httpx.Headers:
        """Headers of the answer."""

    @property
    def records(self) -> int:
        """Number of its records."""

    @property
    def listed(self) -> Mapping[str, int]:
        """How many there are of its records, last, and of each element around them, by path."""

    def at(self, path: str) -> Any:
        """The value at a path of the page."""

    def has(self, path: str) -> bool:
        """Whether there is such a path in the page, if only with null."""

    def last(self, path: str) -> Any:
        """The value at a path of its last record; None where nothing stands there."""

    def content(self) -> bytes:
        """What its records say, without cursors; equal records are equal bytes."""


@dataclass
class Got:
    """How far a list was followed."""

    pages: int = 0
    records: int = 0
    listed: dict[str, int] = field(default_factory=dict)
    """Of all pages what each lists."""
    several: set[str] = field(default_factory=set)
    """What stood more than once in a page."""
    counted: int = 0
    """The most records the server said there are."""
    largest: int = 0
    """What the fullest page lists."""
    seen: set[bytes] = field(default_factory=set)
    """Digests of the URLs and pages met."""

    def add(self, page: Page) -> None:
        """One page more."""
        self.pages, self.records = self.pages + 1, self.records + page.records
        self.largest = max(self.largest, *page.listed.values())
        for path, number in page.listed.items():
            self.listed[path] = self.listed.get(path, 0) + number
            self.several |= {path} if number > 1 else set()

    def require_all(self, *, behind: bool) -> None:
        """Refuse a list that ends before the count the server gave, where that was not looked at before."""
        if not behind and self.records < self.counted:
            raise Astray(f"the server counts {self.counted:,} records but has no content behind {self.records:,}")

    @property
    def units(self) -> dict[str, int]:
        """What the server may count: elements of which several stand around records in a page, then the records."""
        *around, records = self.listed
        return {path: self.listed[path] for path in (*(path for path in around if path in self.several), records)}
