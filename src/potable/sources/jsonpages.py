"""A page of an API that answers in JSON: its list of records, their values, and what stands beside them.

For following pages and for parsing landed ones. A page is read quickly where `jsonloose` can tell what it says, and
by `records` where it cannot; both say the same. What the records mean belongs to `rest`.

Entry: `received` for a page that arrives, `landed` for one that has.
"""

from __future__ import annotations

import json
import marshal
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import islice
from typing import Any, TypeAlias

import httpx
import msgspec
import pyarrow.compute as pc

from potable.headings import tells_nobody
from potable.sources.blobs import Blob
from potable.sources.cells import Cells, Number, plain
from potable.sources.encodings import is_utf8
from potable.sources.files import unreadable
from potable.sources.jsonloose import Loose, Unlike
from potable.sources.jsonrows import below
from potable.sources.jsonstructs import UNREADABLE
from potable.sources.keypaths import dotted, steps
from potable.sources.pages import Astray
from potable.sources.records import at, column, read_json, read_line

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_ANY = msgspec.json.Decoder(dict[str, Any])
_Text: TypeAlias = bytes | msgspec.Raw


class Sight:
    """What is looked for in the pages of a list."""

    def __init__(
        self,
        records: str,
        columns: Mapping[str, tuple[str, ...]],
        told: Collection[str] = (),
        *,
        outward: bool = False,
        declared: bool = False,
        optional: bool = False,
    ) -> None:
        """Look for a list.

        Args:
            records: dotted path to it; empty where the page is that list.
            columns: paths at which a record may have each column's value, in order of preference.
            told: columns for which numbers are told apart from texts.
            outward: whether the records surely lie in others.
            declared: whether somebody said that they lie there.
            optional: whether a page may lack it, or have null in its place.
        """
        self.records, self.columns, self.told = records, columns, told
        self.outward, self.declared, self.optional = outward, declared, optional
        apart = {path for name in told for path in columns[name]}
        try:
            self.loose: Loose | None = Loose((path for paths in columns.values() for path in paths), apart)
        except Unlike:
            self.loose = None


class JsonPage(ABC):
    """One page as received, and as it reads."""

    def __init__(self, body: bytes, headers: httpx.Headers, records: int) -> None:
        self.body, self.headers, self.records = body, headers, records

    inside: tuple[str, ...] = ()
    """Where `Sight.records` leads to a list inside records: what leads there from one. The page's records are then the
    ones around, and what is looked for is theirs."""

    @property
    @abstractmethod
    def columns(self) -> dict[str, Cells]:
        """The texts of each column looked for, record by record; null where one is no object."""

    @property
    def listed(self) -> Mapping[str, int]:
        """Number of its records, which nothing stands around."""
        return {"": self.records}

    @property
    def odd(self) -> Mapping[int, Any]:
        """Its records that are no objects, by ordinal."""
        return {}

    def ordinals(self, numbers: Collection[int]) -> tuple[int, ...]:
        """Ordinals of records by their numbers, or of those in the lists inside of them."""
        if not self.inside:
            return tuple(sorted(number + 1 for number in numbers))
        found: list[int] = []
        met = Counter[int]()
        for number in range(self.records):
            before = met[0]
            deque(below(read_json(self.record(number)), self.inside, None, met), maxlen=0)
            found += range(before + 1, met[0] + 1) if number in numbers else ()
        return tuple(found)

    @abstractmethod
    def record(self, number: int) -> bytes:
        """One of its records, from 0, as JSON for `read_json`."""

    @abstractmethod
    def original(self, number: int) -> Any:
        """One of its records, from 0, numbers as numbers."""

    def first(self, most: int) -> Sequence[Mapping[str, Any]]:
        """As many of its records that are objects, for whoever wants to know their keys."""
        numbers = (number for number in range(self.records) if number + 1 not in self.odd)
        return [self.original(number) for number in islice(numbers, most)]

    @abstractmethod
    def at(self, path: str) -> Any:
        """The value at a dotted path of the page."""

    @abstractmethod
    def has(self, path: str) -> bool:
        """Whether there is such a dotted path in the page, if only with null."""

    def last(self, path: str) -> Any:
        """The value at a dotted path of its last record."""
        return at(read_json(self.record(self.records - 1)), path)

    @abstractmethod
    def content(self) -> bytes:
        """What its records say, without cursors."""


def _leading(page: Any) -> str:
    """What `records` may be: the names of lists in a page, where they are words that cannot be a person's."""
    if isinstance(page, list):
        return 'the page itself is a list: write `records: ""`'
    lists = [name for name, value in page.items() if isinstance(value, list)] if isinstance(page, dict) else []
    named = " or ".join(f"`records: {name}`" for name in lists if tells_nobody(name))
    return f"`records` must lead to the list in a page{named and f', such as {named}'}"


class _Exact(JsonPage):
    """A page read by `records`."""

    def __init__(self, body: bytes, headers: httpx.Headers, sight: Sight) -> None:
        self._value, self._sight = read_json(body, Number if sight.told else str), sight
        listed, left = self._found(self._value)
        if listed is None and sight.optional and (isinstance(self._value, dict) or not sight.records):
            listed = []
        if not isinstance(listed, list):
            raise self._listless(listed)
        super().__init__(body, headers, len(listed))
        self._listed, self.inside = listed, left

    def _listless(self, found: Any) -> Astray:
        path = self._sight.records
        if path and found is None and self.has(path):
            # an answer that tells of an error may look so, too
            hint = (
                "if that is how the service writes an empty list, declare `optional: true`; is it the page behind the "
                "last one? The pagination's `total`, if the service tells it, ends before it"
            )
            return Astray(f"a page has no list at `{path}`, but null", hint)
        return Astray(f"a page has no list at `{path}`" if path else "a page is not a list", _leading(self._value))

    @property
    def columns(self) -> dict[str, Cells]:
        known = [item if isinstance(item, dict) else {} for item in self._listed]
        sight = self._sight
        return {name: column(known, paths, told=name in sight.told) for name, paths in sight.columns.items()}

    @cached_property
    def odd(self) -> Mapping[int, Any]:
        return {place: item for place, item in enumerate(self._listed, 1) if not isinstance(item, dict)}

    def record(self, number: int) -> bytes:
        return json.dumps(self._listed[number]).encode()

    def original(self, number: int) -> Any:
        return self._originals[number]

    def at(self, path: str) -> Any:
        return at(self._value, path)

    def has(self, path: str) -> bool:
        *way, last = steps(path)
        around = at(self._value, dotted(way)) if way else self._value
        return isinstance(around, dict) and last in around

    def content(self) -> bytes:
        # by value alone: its later versions write what is shared between records as a reference
        return marshal.dumps(self._listed, 2)

    @cached_property
    def _originals(self) -> Any:
        return self._found(json.loads(self.body))[0]

    def _found(self, value: Any) -> tuple[Any, tuple[str, ...]]:
        # an empty page that is a list says nothing, and ends those before it
        outward = self._sight.outward or (self._sight.declared and value == [])
        return _first_list(value, steps(self._sight.records), outward=outward)


class _Quick(JsonPage):
    """A page of which only what is looked for is read.

    Raises:
        Unlike: it cannot be told what it says, or it has no list of objects where its records should be.
    """

    def __init__(self, body: bytes, headers: httpx.Headers, sight: Sight) -> None:
        self.body, self._sight = body, sight
        self._met: dict[tuple[str, ...], Mapping[str, msgspec.Raw]] = {}
        listed = self._at(steps(sight.records))
        if listed is None or sight.loose is None or not is_utf8(body):
            raise Unlike
        records, self._texts = sight.loose.texts(listed)
        super().__init__(body, headers, records)
        self._listed = listed

    @property
    def columns(self) -> dict[str, Cells]:
        wanted = {
            # a path that another column has too may be told apart for that one alone
            name: [self._texts[path] if name in self._sight.told else plain(self._texts[path]) for path in paths]
            for name, paths in self._sight.columns.items()
        }
        return {name: pc.coalesce(*found) if len(found) > 1 else found[0] for name, found in wanted.items()}

    def record(self, number: int) -> bytes:
        return bytes(self._pieces[number])

    def original(self, number: int) -> Any:
        return read_line(self.record(number).decode())

    def first(self, most: int) -> Sequence[Mapping[str, Any]]:
        try:
            return [_ANY.decode(piece) for piece in self._pieces[:most]]
        except UNREADABLE:
            return super().first(most)

    def at(self, path: str) -> Any:
        text = self._at(steps(path))
        return None if text is None else read_json(bytes(text))

    def has(self, path: str) -> bool:
        return self._at(steps(path)) is not None

    def content(self) -> bytes:
        return bytes(self._listed)

    @cached_property
    def _pieces(self) -> list[msgspec.Raw]:
        return _LIST.decode(self._listed)

    def _at(self, way: tuple[str, ...]) -> _Text | None:
        """The JSON text of what stands there."""
        return self._members(way[:-1]).get(way[-1]) if way else self.body

    def _members(self, way: tuple[str, ...]) -> Mapping[str, msgspec.Raw]:
        """What the object there has; nothing where there is none."""
        if way not in self._met:
            text = self._at(way)
            try:
                self._met[way] = {} if text is None else _OBJECT.decode(text)
            except msgspec.ValidationError:
                self._met[way] = {}
        return self._met[way]


def _first_list(value: Any, way: tuple[str, ...], *, outward: bool) -> tuple[Any, tuple[str, ...]]:
    """The first list on the way, or what stands at its end; and the steps left.

    Args:
        outward: whether what is looked for surely lies in records of that list.
    """
    if isinstance(value, list) and way and not outward:
        # as likely the page is the list of records itself, and nobody said so
        inner = (item for item in value if isinstance(item, dict))
        return (
            (value, way)
            if any(isinstance(_first_list(item, way, outward=True)[0], list) for item in inner)
            else (None, ())
        )
    for place, step in enumerate(way):
        if isinstance(value, list):
            return value, way[place:]
        value = value.get(step) if isinstance(value, dict) else None
    return value, ()


def received(body: bytes, headers: httpx.Headers, sight: Sight) -> JsonPage:
    """A page as it arrives.

    Raises:
        ValueError: it is not JSON.
        Astray: it has no list where `sight` says.
    """
    try:
        return _read(body, headers, sight)
    except ValueError:
        raise ValueError("the page is not valid JSON") from None


def landed(blob: Blob, sight: Sight) -> JsonPage:
    """A landed page.

    Raises:
        DataError: D007, it is no JSON, or has no list where `sight` says.
    """
    try:
        with blob.open() as stream:
            return _read(stream.read(), httpx.Headers(), sight)
    except (ValueError, OSError, RecursionError) as damage:
        raise unreadable(blob, f"not valid JSON ({type(damage).__name__})") from None
    except Astray:
        raise unreadable(blob, f"it has no list at `{sight.records}`") from None


def _read(body: bytes, headers: httpx.Headers, sight: Sight) -> JsonPage:
    with suppress(Unlike, *UNREADABLE):
        return _Quick(body, headers, sight)
    return _Exact(body, headers, sight)
