"""How one page of a list leads to the next, and when there is none: cursors, links, numbers, offsets, last records.

Only what is asked for and whether it can end; asking is done by `http`. Lists that would never end are
refused in a bounded number of requests, a list that ends before its own count is refused too, and a link
is followed on the service's own host only, because the requests carry credentials.

Entry: `walk`, the pages of one list.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, Protocol

import httpx
from pydantic import Discriminator, Field, Tag

from potable.declarations import Declaration
from potable.sources.morepages import more_told
from potable.sources.pages import Astray, Got, Page

_EMPTY_PAGES = 1000
"""Pages without a record that may follow each other."""
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[\w*-]+\s*(?:=\s*(?:"[^"]*"|[^\s;,"]+))?)*)')
_REL = re.compile(r';\s*rel\s*=\s*"?([^";,]*)"?', re.IGNORECASE)


class Cursor(Declaration):
    """A page names the cursor of the next one."""

    cursor: str = "cursor"
    """Query parameter for the cursor."""
    next: str = "next_cursor"
    """Path in the page to the next cursor; null or absent on the last page."""

    def first(self, url: httpx.URL) -> httpx.URL:
        return url

    def following(self, first: httpx.URL, here: httpx.URL, page: Page, got: Got) -> httpx.URL | None:
        found = page.at(self.next)
        if not found:
            _require_last(page, got, named=page.has(self.next), where=f"`{self.next}`")
            return None
        if not isinstance(found, str):
            raise Astray(f"`{self.next}` is not a cursor")
        return first.copy_set_param(self.cursor, found)


class Link(Declaration):
    """The `Link` header names the next page (RFC 8288)."""

    link: str = "next"
    """Relation of the next page."""

    def first(self, url: httpx.URL) -> httpx.URL:
        return url

    def following(self, first: httpx.URL, here: httpx.URL, page: Page, got: Got) -> httpx.URL | None:
        for target, parameters in _LINK.findall(page.headers.get("Link", "")):
            relation = _REL.search(parameters)
            if relation and self.link.lower() in relation[1].lower().split():
                return _joined(here, target)
        _require_last(page, got, named="Link" in page.headers, where="a `Link` header")
        return None


class NextLink(Declaration):
    """A page holds the URL of the next one."""

    next_link: str
    """Path in the page to the next page's URL, absolute or relative; null or absent on the last page."""

    def first(self, url: httpx.URL) -> httpx.URL:
        return url

    def following(self, first: httpx.URL, here: httpx.URL, page: Page, got: Got) -> httpx.URL | None:
        found = page.at(self.next_link)
        if not found:
            _require_last(page, got, named=page.has(self.next_link), where=f"`{self.next_link}`")
            return None
        if not isinstance(found, str):
            raise Astray(f"`{self.next_link}` is not a link")
        return _joined(here, found)


class After(Declaration):
    """The next page is requested by the last record of this one."""

    after: str
    """Query parameter for the id of the last record."""
    id: str = "id"
    """Path in a record to that id."""
    more: str | None = None
    """Path in the page to whether there is more; without it, the first page without records is the last."""

    def first(self, url: httpx.URL) -> httpx.URL:
        return url

    def following(self, first: httpx.URL, here: httpx.URL, page: Page, got: Got) -> httpx.URL | None:
        more = None if self.more is None else page.at(self.more)
        if self.more is not None and not isinstance(more, bool):
            raise Astray(f"a page has neither true nor false at `{self.more}`")
        if not page.records and more:
            raise Astray(f"a page has no records, but says at `{self.more}` that there is more")
        if more is False or not page.records:
            return None
        found = page.last(self.id)
        if not isinstance(found, str) or not found:
            raise Astray(f"the last record of a page has no `{self.id}`, which would lead on", retryable=False)
        return first.copy_set_param(self.after, found)


class Counted(Declaration):
    """Pages by number or offset; the first page without records is the last, unless more is declared."""

    limit: str | None = None
    """Query parameter for `size`."""
    size: int | None = Field(default=None, ge=1)
    """Records to request per page."""
    short_page: bool = False
    """A page with fewer records than `size` is the last; only for servers that never cap `size`."""
    total: str | None = None
    """Path in the page to the total number of records; reading ends when it is reached, and not before. Behind a full
    page one more is requested, because some servers count only a page, or no further than a limit."""

    def sized(self, url: httpx.URL) -> httpx.URL:
        """`url` with the number of records per page."""
        return url.copy_set_param(self.limit, self.size) if self.limit and self.size else url

    def ended(self, page: Page, got: Got) -> bool:
        """Whether this was the last page."""
        count = self._count(page, got)
        # of children not even a page without any is the last, while it lists what they are children of
        units = [*got.units.values()]
        over = _bare(page) or (count is not None and units[0] >= count)
        over = over or (self.short_page and self.size is not None and max(page.listed.values()) < self.size)
        missing = got.counted not in units if self.total and units[1:] else got.records < got.counted
        if over and missing:
            raise Astray(
                f"the server counts {got.counted:,} records at `{self.total}` but sent {got.records:,}: the list "
                "changed while it was read, or pages are missing"
            )
        return over

    def at(self, first: httpx.URL, got: Got) -> httpx.URL:
        """Where the page behind those that were received is."""
        raise NotImplementedError

    def behind(self, first: httpx.URL, page: Page, got: Got) -> httpx.URL | None:
        """Where there is more if the total is not the whole; None where the last page tells that it was the last."""
        full = not _bare(page) and max(page.listed.values()) >= got.largest
        return self.at(first, got) if self.total is not None and full else None

    def require_grown(self, page: Page, got: Got) -> None:
        """Refuse a page behind the last one, unless the total has grown by it."""
        told = self._count(page, got)
        if told is not None and told < min(got.units.values()):
            raise Astray(
                f"the server counts {told:,} records at `{self.total}`, but sends more",
                "give the path of the number of all records as `total`, or leave it out: the first page without "
                "records is then the last",
                retryable=False,
            )

    def _count(self, page: Page, got: Got) -> int | None:
        if self.total is None:
            return None
        count = page.at(self.total)
        if not (isinstance(count, str) and count.isdecimal()):
            raise Astray(f"a page has no total at `{self.total}`")
        got.counted = max(got.counted, int(count))
        return int(count)


class PageNumber(Counted):
    """Pages have numbers."""

    page: str
    """Query parameter for the page number."""
    start: int = 1
    """Number of the first page."""

    def first(self, url: httpx.URL) -> httpx.URL:
        return self.sized(url).copy_set_param(self.page, self.start)

    def following(self, first: httpx.URL, here: httpx.URL, page: Page, got: Got) -> httpx.URL | None:
        return None if self.ended(page, got) else self.at(first, got)

    def at(self, first: httpx.URL, got: Got) -> httpx.URL:
        return first.copy_set_param(self.page, self.start + got.pages)


class Offset(Counted):
    """Pages start at a record's number. Records inserted or deleted meanwhile shift all others: see `total`."""

    offset: str
    """Query parameter for the number of records to skip."""
    start: int = 0
    """Offset of the first record."""

    def first(self, url: httpx.URL) -> httpx.URL:
        return self.sized(url).copy_set_param(self.offset, self.start)

    def following(self, first: httpx.URL, here: httpx.URL, page: Page, got: Got) -> httpx.URL | None:
        if len(got.units) > 1:
            raise Astray(
                f"it is unclear whether `{self.offset}` counts records or the "
                f"`{next(iter(got.units)).rpartition('/')[2]}` around them",
                "use page numbers, a cursor or links, if the server has them",
                retryable=False,
            )
        # by what was given, not by what was asked for: servers cap the size of a page
        return None if self.ended(page, got) else self.at(first, got)

    def at(self, first: httpx.URL, got: Got) -> httpx.URL:
        return first.copy_set_param(self.offset, self.start + got.records)


def _kind(value: Any) -> str | None:
    if value == "none":
        return "none"
    keys = value if isinstance(value, dict) else getattr(type(value), "model_fields", None)
    if keys is None:
        return None
    found = [tag for key, tag in _KINDS.items() if key in keys]
    return (found or ["Cursor"])[0] if len(found) < 2 else None


_KINDS = {
    **{"cursor": "Cursor", "link": "Link", "next_link": "NextLink", "page": "PageNumber", "offset": "Offset"},
    "after": "After",
}

Pagination = Annotated[
    Annotated[Cursor, Tag("Cursor")]
    | Annotated[Link, Tag("Link")]
    | Annotated[NextLink, Tag("NextLink")]
    | Annotated[PageNumber, Tag("PageNumber")]
    | Annotated[Offset, Tag("Offset")]
    | Annotated[After, Tag("After")]
    | Annotated[Literal["none"], Tag("none")],
    Discriminator(
        _kind,
        custom_error_type="pagination",
        custom_error_message="write `none`, or one of `cursor`, `link`, `next_link`, `page`, `offset` and `after`",
    ),
]

AnyPagination = Cursor | Link | NextLink | PageNumber | Offset | After | Literal["none"]


class Fetch(Protocol):
    """Asks for a page."""

    def __call__(self, url: httpx.URL, check: Callable[[Page], None], /, *, behind: bool = False) -> Page | None:
        """The page; None where there is none, which ends the list.

        Args:
            url: where it is.
            check: raises ValueError for one that has to be asked for again.
            behind: whether a list should have ended before it; what is no page, or was sent already, is None then.
        """


def walk(how: AnyPagination, url: httpx.URL, fetch: Fetch) -> Iterator[Page]:
    """The pages of a list, each once.

    Args:
        how: how one leads to the next.
        url: where the list is, without what `how` adds.
        fetch: asks for one page.

    Raises:
        Astray: it has no end, ends too early or leads elsewhere.
    """
    got, empty, told, behind = Got(), 0, b"", False
    first = here = url if how == "none" else how.first(url)

    def new(page: Page) -> None:
        nonlocal told
        told = _digest(page.content())
        if not _bare(page) and told in got.seen:
            raise ValueError("the server sent a page again")

    while True:
        if (asked := _digest(str(here).encode())) in got.seen:
            raise Astray("the server repeats a cursor or link, so the pages would never end")
        got.seen.add(asked)
        page = fetch(here, new, behind=behind)
        if page is None or (behind and _bare(page)):
            got.require_all(behind=behind)
            return
        got.seen.add(told)
        got.add(page)
        if behind and isinstance(how, Counted):
            how.require_grown(page, got)
        empty = empty + 1 if _bare(page) else 0
        if empty > _EMPTY_PAGES:
            raise Astray(f"the server sent more than {_EMPTY_PAGES:,} pages without records in a row")
        following = None if how == "none" else how.following(first, here, page, got)
        yield page
        if behind := following is None:
            following = how.behind(first, page, got) if isinstance(how, Counted) else None
        if following is None:
            return
        here = following


def _require_last(page: Page, got: Got, *, named: bool, where: str) -> None:
    """Refuse a first page that says there is more, where what leads on is not `named`."""
    told = None if named or got.pages > 1 else more_told(page.at, page.headers.get("Link", ""), page.records)
    if told:
        raise Astray(
            f"the first page has not {where}, which would lead on, but it says at {told} that there is more",
            "declare how its pages follow each other; `pagination: none` if this page is all there is",
            retryable=False,
        )


def _bare(page: Page) -> bool:
    """Whether a page has no records, nor several elements that might have some."""
    return not page.records and max(page.listed.values()) <= 1


def _joined(here: httpx.URL, target: str) -> httpx.URL:
    """`target` as seen from `here`, on the same host."""
    try:
        found = here.join(target)
    except httpx.InvalidURL:
        raise Astray("the link to the next page is not a valid URL") from None
    if (found.scheme, found.host, found.port) != (here.scheme, here.host, here.port):
        raise Astray(
            "the link to the next page leads to another host, port or scheme, which must not get the credentials",
            retryable=False,
        )
    return found.copy_with(userinfo=b"", fragment=None)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=8).digest()
