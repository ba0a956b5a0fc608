"""A page of an API that answers in XML: how many records it has, and what stands beside them.

Only what following pages needs. Landed pages are parsed like XML files, by `xml`.

Entry: `XmlPage.read`.
"""

from __future__ import annotations

import io
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
    records: int
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
        reading = _Reading(record, frozenset(wanted))
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
        return cls(body, headers, reading.records, {path: text.strip() for path, text in reading.values.items()})

    def at(self, path: str) -> Any:
        """The text at a path that was asked for; None where there is none."""
        return self.values.get(path)

    def content(self) -> bytes:
        """The page as received."""
        return self.body


class _Reading:
    """What is met of a document; paths are of local names, and the first of equal ones counts."""

    def __init__(self, record: str, wanted: frozenset[str]) -> None:
        self.records, self.root = 0, ""
        self.values: dict[str, str] = {}
        self._record, self._wanted = record, wanted
        self._path = ""
        self._done: set[str] = set()

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._path += f"/{local(name)}"
        self.root = self.root or local(name)
        self.records += self._path == self._record
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


def _refuse_entity(*declaration: object) -> None:
    raise ValueError("the page uses entities of its own, which are refused")
