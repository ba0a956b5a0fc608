"""What a page says of pages behind it, whatever is declared of them: a list whose first page is taken for the last.

A path that is not in the page and a list that ends look alike, so that a mistyped `pagination`, or none, would land the
first page and nothing else. Looked at are only names that services use for nothing else; which one it was may be shown.

Entry: `more_told`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

_AROUND = ("", "meta", "metadata", "_meta", "paging", "pagination", "page_info", "pageInfo", "links", "_links", "info")
_NEXT = (
    *("next", "next_page", "nextPage", "next_url", "nextUrl", "next_link", "nextLink", "next_href"),
    *("next_cursor", "nextCursor", "next_page_token", "nextPageToken", "next_token", "nextToken"),
    *("next_page_url", "nextPageUrl", '"@odata.nextLink"'),
)
_FLAGS = ("has_more", "hasMore", "has_next", "hasNext", "has_next_page", "hasNextPage")
_PAGES = ("total_pages", "totalPages", "page_count", "pageCount", "last_page", "lastPage")
_COUNTS = (
    *("total", "count", "total_count", "totalCount", "total_results", "totalResults"),
    *("total_records", "totalRecords", "total_items", "totalItems"),
)
_NEXT_HEADER = re.compile(r';\s*rel\s*=\s*"?[^";,]*\bnext\b', re.IGNORECASE)


def more_told(at: Callable[[str], Any], link: str, records: int) -> str | None:
    """Where the only page of a list says that there is more; None where it does not.

    Args:
        at: gives what stands at a path of the page; numbers are texts.
        link: its `Link` header.
        records: how many it has.
    """
    if _NEXT_HEADER.search(link):
        return "its `Link` header"
    return next((f"`{path}`" for path in _told(at, records)), None)


def _told(at: Callable[[str], Any], records: int) -> Iterator[str]:
    around = [place for place in _AROUND if not place or isinstance(at(place), dict)]
    for place, name in product(around, (*_NEXT, *_FLAGS, *_PAGES, *_COUNTS)):
        path = f"{place}.{name}" if place else name
        found = at(path)
        if name in _NEXT:
            # an object is a link with its address inside
            found = found.get("href") if isinstance(found, dict) else found
            more = isinstance(found, str) and bool(found.strip())
        elif name in _FLAGS:
            more = found is True
        else:
            more = _number(found) > (1 if name in _PAGES else records)
        if more:
            yield path


def _number(value: Any) -> int:
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 19 else 0
