"""Elements that stand twice in a record of which the contract takes one value, found so that they can be cut out.

The fast reader refuses the whole document for one such record. Read a second time without them, all other records
come as they are, and of these it is known which cells cannot be told.

Entry: `find`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from potable.sources.wellformed import Twice, Watched, deeper, new_parser, whole

_MOST = 10_000
"""Elements that are cut out of one document; with more of them the contract is wrong rather than the records."""
_SOME = 1_000
"""So many are enough where every other record has one: what repeats by design is told before all of it is read."""


@dataclass
class Doubled:
    """What is cut out of one document, and what it means for the records."""

    spans: list[tuple[int, int]] = field(default_factory=list)
    """First byte and end of each element that is left out, in UTF-8, ascending."""
    texts: dict[str, dict[int, str]] = field(default_factory=dict, repr=False)
    """By place, what stands at it in elements that are left out, by number of the record."""

    def within(self, places: Sequence[str], first: int, rows: int) -> Mapping[int, str]:
        """What was left out at some places, by row, of `rows` records from the one with number `first`."""
        found: dict[int, str] = {}
        for place in places:
            for number, text in self.texts.get(place, {}).items():
                if first <= number < first + rows:
                    found[number - first] = f"{found[number - first]}; {text}" if number - first in found else text
        return found


def find(stream: Watched, record: str, places: Sequence[str]) -> Doubled:
    """The elements in the records of a document that stand where one of them has given a value already.

    Args:
        stream: the document.
        record: path of the record element, local names.
        places: where values are read, from the root.

    Raises:
        Twice: there is none, or they are very many.
        Malformed: the document is not well-formed.
    """
    search = _Search(record, places)
    parser = search.parser
    parser.StartElementHandler, parser.EndElementHandler = search.start, search.end
    parser.CharacterDataHandler, parser.StartCdataSectionHandler = search.words, search.words
    for _ in whole(parser, stream):
        pass
    if not search.found.spans:
        raise Twice
    return search.found


class _Search:
    """Where in a document expat is, and what was met there."""

    def __init__(self, record: str, places: Sequence[str]) -> None:
        self.parser = new_parser("utf-8")
        self.found = Doubled()
        self._record, self._places = record, places
        self._elements = {place for place in places if "/@" not in place}
        self._path: list[str] = []
        self._number = 0
        self._filled: set[str] = set()
        """Elements of this record that have given a value."""
        self._cut = 0
        """Depth of the element that is left out; 0 outside of one."""
        self._begun = -1
        self._ended = False
        """Whether one was left out just before, up to what comes next."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._close()
        deeper(self._path, name)
        here = self._here
        if here == self._record:
            self._number += 1
            self._filled.clear()
        elif here in self._filled and not self._cut:
            self._cut, self._begun = len(self._path), self.parser.CurrentByteIndex
            # its attributes and what lies in it cannot be told either
            for place in self._places:
                if place == here or place.startswith(f"{here}/"):
                    cells = self.found.texts.setdefault(place, {})
                    cells[self._number] = f"{cells[self._number]}; " if self._number in cells else ""
        if self._cut:
            for key, value in attributes.items():
                self._lose(f"{here}/@{key.rpartition(':')[2]}", value)

    def words(self, text: str = "") -> None:
        self._close()
        here = self._here
        if self._cut:
            self._lose(here, text)
        elif here in self._elements and here != self._record:
            self._filled.add(here)

    def end(self, name: str) -> None:
        self._close()
        if self._cut == len(self._path):
            self._cut, self._ended = 0, True
        self._path.pop()

    @property
    def _here(self) -> str:
        return "/" + "/".join(self._path)

    def _lose(self, place: str, text: str) -> None:
        cells = self.found.texts.get(place, {})
        if self._number in cells:
            cells[self._number] += text

    def _close(self) -> None:
        """Let the element that was left out end here."""
        if self._ended:
            self.found.spans.append((self._begun, self.parser.CurrentByteIndex))
            self._ended = False
            many = len(self.found.spans)
            if many > _MOST or (many > _SOME and many * 2 > self._number):
                raise Twice
