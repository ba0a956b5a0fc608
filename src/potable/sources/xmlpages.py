"""A page of an API that answers in XML: how many records it has, and what stands beside them.

Only what following pages needs. Landed pages are parsed like XML files, by `xml`.

Entry: `XmlPage.read`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from xml.parsers import expat

import httpx

from potable.sources.wellformed import local
from potable.sources.xmlencodings import readable


@dataclass(frozen=True)
class XmlPage:
    """One page as received, and as it reads."""

    body: bytes = field(repr=False)
    headers: httpx.Headers = field(repr=False)
    listed: Mapping[str, int]
    """How many elements there are of each kind on the way to its records, by path; the records last."""
    values: Mapping[str, str] = field(repr=False)
    """Texts of the elements and attributes asked for, by path from the root."""

    @classmethod
    def read(cls, body: bytes, headers: httpx.Headers, record: str, wanted: Collection[str]) -> Self:
        """Read a page.

        Args:
            record: path of the record element from the root.
            wanted: paths of the elements and attributes that are asked for later.

        Raises:
            ValueError: it is not well-formed, or another document.
        """
        record = _plain(record)
        reading = _Reading(record, frozenset(map(_plain, wanted)))
        parts, wide = readable(io.BytesIO(body))
        parser = expat.ParserCreate(wide and "utf-8")
        parser.EntityDeclHandler = parser.SkippedEntityHandler = _refuse_entity
        parser.StartElementHandler, parser.EndElementHandler = reading.start, reading.end
        parser.CharacterDataHandler, parser.buffer_text = reading.text, True
        try:
            parser.Parse(parts.read() if wide else body, True)
        except (expat.ExpatError, LookupError, UnicodeDecodeError) as failure:
            raise ValueError(f"the page is not well-formed XML ({type(failure).__name__})") from None
        root = record.split("/")[1]
        if reading.root != root:
            raise ValueError(f"the page's root element is not `{root}`")
        return cls(body, headers, reading.listed, {path: text.strip() for path, text in reading.values.items()})

    @property
    def records(self) -> int:
        """Number of its records."""
        return [*self.listed.values()][-1]

    def at(self, path: str) -> Any:
        """The text at a path that was asked for; None where there is none."""
        return self.values.get(_plain(path))

    def has(self, path: str) -> bool:
        """Whether such a path, which was asked for, is in the page."""
        return _plain(path) in self.values

    def last(self, path: str) -> Any:
        """Nothing: of records of XML nobody asks."""
        return None

    def content(self) -> bytes:
        """The page as received."""
        return self.body


class _Reading:
    """What is met of a document; paths are of local names, and the first of equal ones counts."""

    def __init__(self, record: str, wanted: frozenset[str]) -> None:
        self.root = ""
        steps = record.split("/")
        self.listed = {"/".join(steps[:depth]): 0 for depth in (*range(3, len(steps)), len(steps))}
        self.values: dict[str, str] = {}
        self._wanted = wanted
        self._path = ""
        self._done: set[str] = set()

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._path += f"/{local(name)}"
        self.root = self.root or local(name)
        if self._path in self.listed:
            self.listed[self._path] += 1
        for key, value in attributes.items():
            if (path := f"{self._path}/@{local(key)}") in self._wanted:
                self.values.setdefault(path, value)

    def text(self, text: str) -> None:
        if self._path in self._wanted and self._path not in self._done:
            self.values[self._path] = self.values.get(self._path, "") + text

    def end(self, name: str) -> None:
        if self._path in self._wanted:
            self._done.add(self._path)
        self._path = self._path.rpartition("/")[0]


def _plain(path: str) -> str:
    """A path without prefixes."""
    return re.sub(r"(?<=[/@])[^/@:]+:", "", path)


def _refuse_entity(*declaration: object) -> None:
    raise ValueError("the page uses its own entities, which are refused")
