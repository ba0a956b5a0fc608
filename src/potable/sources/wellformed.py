"""What the fast XML reader lets pass, found: documents cut between two elements, second roots, entities
and types of the document's own, attributes of repeated elements, depths and lengths without bound.

`Watched` looks at the bytes on their way to the reader and only counts; where the counts leave a doubt,
`check` reads the document again with expat and decides. Nothing here fetches or expands an entity.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from xml.parsers import expat

from potable.sources.blobs import Malformed
from potable.sources.encodings import UTF16, Layer, Utf8, normal
from potable.sources.xmlbounds import DEEPEST, LONGEST, TOO_DEEP, TOO_LONG, Bounds
from potable.sources.xmlencodings import readable

REPEATED = "a record repeats an element, but the contract takes a single value from it"
ENTITY = "it uses its own entities, which are refused"
OWN_TYPE = "it declares its own document type, which is refused: another reader might see other values"
PROLOG = "there is more than 1 MiB before its first element"
_PIECE = 1 << 12
_BLOCK = 1 << 18
_TAIL = 1 << 12
_FIRST_RECORDS = 100
_FIRST_BYTES = 16 << 20
_MOST_LEAVES = 10_000
_LONGEST_HEAD = 1 << 20
_WIDE = {**dict.fromkeys(UTF16, "utf-16"), b"<\0": "utf-16-le", b"\0<": "utf-16-be"}
"""UTF-16 by the first two bytes of a document, whatever it declares: parsers tell it so."""
_AFTER_ROOT = rb"\s*>\s*(?:<!--.*?-->\s*|<\?.*?\?>\s*)*\Z"


@dataclass(frozen=True)
class Head:
    """What stands before the first child of the root element."""

    root: str
    """Name of the root element, with its prefix."""
    attributes: dict[str, str] = field(repr=False)
    """Attributes of the root by local name."""
    encoding: str = "utf-8"
    doctype: bool = False
    """Whether a document type is declared."""

    @property
    def name(self) -> str:
        """Local name of the root element."""
        return local(self.root)


class Twice(Malformed):
    """A record repeats an element that is read as one value."""

    hint = "declare a table whose `record` is the repeated element, or have the source system export it once"

    def __init__(self) -> None:
        super().__init__(REPEATED)


def local(name: str) -> str:
    """`name` without its prefix."""
    return name.rpartition(":")[2]


def head(stream: BinaryIO) -> Head:
    """The head of the document in `stream`, which is closed.

    Raises:
        Malformed: there is no element in it, or too much before it, or it declares entities or what elements hold.
    """
    encoding, doctype, own = "utf-8", False, False
    found: list[Head] = []

    def declaration(version: str, named: str | None, standalone: int) -> None:
        nonlocal encoding
        encoding = named or encoding

    def document_type(name: str, system: str | None, public: str | None, subset: bool) -> None:
        nonlocal doctype, own
        doctype, own = True, bool(subset)

    def root(name: str, attributes: dict[str, str]) -> None:
        if own:
            raise Malformed(OWN_TYPE)
        values = {local(key): value for key, value in attributes.items() if not key.startswith("xmlns")}
        found.append(Head(name, values, _WIDE.get(begun) or encoding, doctype))

    stream, wide = readable(stream)
    parser = new_parser(wide and "utf-8")
    parser.XmlDeclHandler, parser.StartDoctypeDeclHandler = declaration, document_type
    parser.StartElementHandler = root
    with stream:
        piece = stream.read(_PIECE)
        begun = piece[:2]
        fed = 0
        while fed < _LONGEST_HEAD:
            feed(parser, piece)
            if found:
                return found[0]
            fed += len(piece)
            piece = stream.read(max(_PIECE, fed))
    raise Malformed(PROLOG)


def check(stream: BinaryIO, record: str, single: Collection[str]) -> None:
    """Read all of the document in `stream` and close it.

    Args:
        record: path of the record element, local names.
        single: paths of elements, from the root, that a record may have once; by local names.

    Raises:
        Twice: a record repeats an element of `single`.
        Malformed: it is not well-formed.
    """
    path: list[str] = []
    seen: set[str] = set()

    def start(name: str, attributes: dict[str, str]) -> None:
        deeper(path, name)
        here = "/" + "/".join(path)
        if here == record:
            seen.clear()
        elif here in single and attributes:
            if here in seen:
                raise Twice
            seen.add(here)

    stream, wide = readable(stream)
    parser = new_parser(wide and "utf-8")
    if single:
        parser.StartElementHandler = start
        parser.EndElementHandler = lambda name: path.pop()
    for _ in whole(parser, stream):
        pass


def first_records(stream: Watched, record: str) -> Set[str] | None:
    """Attributes and elements with a value of the first records, relative to the record; None when there is none.

    Elements that have children have a value where text stands beside them.

    Args:
        stream: a watched document.
        record: path of the record element, local names.

    Raises:
        Malformed: the document is not well-formed as far as it was read.
    """
    ways: dict[tuple[str, str], tuple[str, bool]] = {}
    """The path of an element, and whether it lies in a record, by the path around it and its name: few of many."""
    places = [("", False)]
    leaves: dict[str, None] = {}
    is_leaf = [False]
    worded = [False]
    records = [0]

    def start(name: str, attributes: dict[str, str]) -> None:
        step = places[-1][0], name
        if step not in ways:
            here = f"{step[0]}/{local(name)}"
            if here.count("/") > DEEPEST:
                raise Malformed(TOO_DEEP)
            ways[step] = here, here.startswith(f"{record}/")
        place = ways[step]
        places.append(place)
        worded.append(False)
        records[0] += place[0] == record
        is_leaf[0] = place[1]
        if attributes and (place[1] or place[0] == record):
            path = place[0].removeprefix(record)
            leaves.update((f"{path}/@{local(key)}"[1:], None) for key in attributes if not key.startswith("xmlns"))

    def words(text: str) -> None:
        worded[-1] = worded[-1] or not text.isspace()

    def end(name: str) -> None:
        here, inside = places.pop()
        if (worded.pop() and (inside or here == record)) or is_leaf[0]:
            leaves[here[len(record) + 1 :] or "."] = None
        is_leaf[0] = False

    parser = new_parser("utf-8")
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, words
    for _ in whole(parser, stream):
        if records[0] > _FIRST_RECORDS or len(leaves) > _MOST_LEAVES or parser.CurrentByteIndex > _FIRST_BYTES:
            break
    return leaves.keys() if records[0] else None


def repeated(stream: Watched, record: str) -> Set[str]:
    """Elements that stand more than once in one element of the first records, by path from these; none inside another.

    Args:
        stream: a watched document.
        record: path of the record element, local names.

    Raises:
        Malformed: the document is not well-formed as far as it was read.
    """
    path: list[str] = [""]
    met: list[Counter[str]] = [Counter()]
    many: dict[str, None] = {}
    records = [0]

    def start(name: str, attributes: dict[str, str]) -> None:
        deeper(path, name)
        here = "/".join(path)
        records[0] += here == record
        met[-1][here] += 1
        if met[-1][here] > 1 and here.startswith(f"{record}/"):
            many[here] = None
        met.append(Counter())

    def end(name: str) -> None:
        met.pop()
        path.pop()

    parser = new_parser("utf-8")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    for _ in whole(parser, stream):
        if records[0] > _FIRST_RECORDS or len(many) > _MOST_LEAVES or parser.CurrentByteIndex > _FIRST_BYTES:
            break
    outer = tuple(f"{place}/" for place in many)
    return {place.removeprefix(f"{record}/"): None for place in many if not place.startswith(outer)}.keys()


class Watched(Layer):
    """A document on its way to the reader, as UTF-8, with what is needed to doubt it."""

    def __init__(
        self,
        stream: BinaryIO,
        head: Head,
        attributes: Collection[str],
        bounds: Bounds,
        without: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Watch `stream`.

        Args:
            head: the document's head.
            attributes: names of elements whose attributes are read.
            bounds: what the document may not pass.
            without: first byte and end of pieces that the reader is not given, ascending.
        """
        plain = head.encoding.lower() in ("utf-8", "us-ascii")
        super().__init__(stream if plain else Utf8(stream, normal(head.encoding)))
        self._bounds = bounds
        self._doubtful = head.doctype
        self._end = re.compile(rb"</" + re.escape(head.root.encode()) + _AFTER_ROOT, re.DOTALL)
        self.roots = 0
        """Root elements the reader saw whole; it adds them."""
        self._elements = {name: _Tags(name) for name in attributes}
        self._block, self._at, self._tail = b"", 0, b""
        self._without, self._offset = deque(without), 0

    def readinto(self, buffer: Any) -> int:
        """The next bytes, of one block."""
        while self._at == len(self._block) and (block := self._stream.read(_BLOCK)):
            if not self._bounds.look(block):
                raise Malformed(TOO_LONG)
            self._tail = (self._tail + block[-_TAIL:])[-_TAIL:]
            for tags in self._elements.values():
                tags.look(block)
            self._block, self._at = self._left(block), 0
        piece = self._block[self._at : self._at + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _left(self, block: bytes) -> bytes:
        """What the reader is given of the next block."""
        start, self._offset = self._offset, self._offset + len(block)
        if not self._without:
            return block
        kept, at = [], start
        while self._without and self._without[0][0] < self._offset:
            first, end = self._without[0]
            kept.append(block[at - start : max(at, first) - start])
            at = min(end, self._offset)
            if end > self._offset:
                break
            self._without.popleft()
        return b"".join([*kept, block[at - start :]])

    def doubtful(self, values: Mapping[str, int]) -> bool:
        """Whether only `check` can tell, once all was read.

        Args:
            values: by name of the watched elements, how many records have a value of its attribute.
        """
        whole = self.roots == 1 and self._end.search(self._tail)
        repeated = any(tags.count > values[name] for name, tags in self._elements.items())
        return self._doubtful or not whole or repeated


class _Tags:
    """Counts the tags of a name in blocks of a document: all of them, sometimes more, never fewer."""

    def __init__(self, name: str) -> None:
        self.count = 0
        self._name = name.encode()
        # a pattern that starts with a literal is searched at memory speed
        self._form = re.compile(rb"%b\s" % re.escape(self._name))
        self._carry = b""

    def look(self, block: bytes) -> None:
        """Count in the next block, also what began in the one before."""
        block = self._carry + block
        # shorter than what is counted, so that nothing is counted twice
        self._carry = block[-len(self._name) :]
        self.count += len(self._form.findall(block))


def bounded(stream: BinaryIO) -> None:
    """Read all of the document in `stream` and close it.

    Raises:
        Malformed: it is nested too deeply, or not well-formed.
    """
    path: list[str] = []
    stream, wide = readable(stream)
    parser = new_parser(wide and "utf-8")
    parser.StartElementHandler = lambda name, attributes: deeper(path, name)
    parser.EndElementHandler = lambda name: path.pop()
    for _ in whole(parser, stream):
        pass


def deeper(path: list[str], name: str) -> None:
    """Add an element that opens to the path of those that are open.

    Raises:
        Malformed: too many are.
    """
    path.append(local(name))
    if len(path) > DEEPEST:
        raise Malformed(TOO_DEEP)


def new_parser(encoding: str | None = None) -> expat.XMLParserType:
    """An expat that refuses entities, by the encoding a document declares or by the one it was brought to."""
    parser = expat.ParserCreate(encoding)
    parser.EntityDeclHandler = parser.SkippedEntityHandler = _refuse_entity
    return parser


def _refuse_entity(*declaration: object) -> None:
    raise Malformed(ENTITY)


def whole(parser: expat.XMLParserType, stream: BinaryIO | Watched) -> Iterator[None]:
    """Feed all of `stream`, piece by piece, and close it."""
    fed, open_piece = 0, 0
    with stream:
        # a piece that is not complete is looked at from its start again each time
        while piece := stream.read(max(_BLOCK if parser.StartElementHandler is None else _PIECE, open_piece)):
            feed(parser, piece)
            fed += len(piece)
            open_piece = fed - max(0, parser.CurrentByteIndex)
            if open_piece > LONGEST:
                raise Malformed(TOO_LONG)
            yield
        feed(parser, b"")


def feed(parser: expat.XMLParserType, piece: bytes) -> None:
    """Parse the next piece; an empty one is the end.

    Raises:
        Malformed: the document is not well-formed up to there.
    """
    try:
        parser.Parse(piece, not piece)
    except expat.ExpatError as failure:
        why = expat.ErrorString(failure.code)
        if why == expat.errors.XML_ERROR_NO_ELEMENTS:
            raise Malformed("it ends before its root element is closed") from None
        raise Malformed(f"not well-formed XML, line {failure.lineno}: {why}") from None
    except (LookupError, ValueError):
        raise Malformed("it is in an encoding that cannot be decoded") from None
