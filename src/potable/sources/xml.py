"""XML exports, streamed: packed or plain, nested elements, attributes, namespaces, repeated children.

Records are found by a path of local names (`/payroll/payslip`; prefixes are optional), values by paths
below it (`employee/empNo`, `gross/@currency`, `@id`; `.` is its own text). A table of children
(`/payroll/payslip/deduction`) takes values of the elements around them by paths from the root
(`/payroll/payslip/empNo`) or upwards (`../empNo`).
`/payroll/@period` gives every record an attribute of the root; `#` is a position. A value is the element's own
text. Reading is xml2arrow's; what it lets pass (cut documents, entities …) is found by `wellformed`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xml2arrow
from pydantic import field_validator, model_validator

from potable.sources.blobs import Blob, Malformed, Original
from potable.sources.files import DAMAGE, FileSource, FileTable, decompressed, unreadable
from potable.sources.originals import xml_records
from potable.sources.typed import typed_at, with_lost
from potable.sources.wellformed import (
    ENTITY,
    REPEATED,
    Twice,
    check,
    first_records,
    head,
    repeated,
)
from potable.sources.xmldocument import Document, whole
from potable.sources.xmldoubled import Doubled, find
from potable.sources.xmlelements import Above, Element, Positions
from potable.tables import ROW

_NAME = r"[^\W\d][\w.-]*"
_RECORD = re.compile(rf"(/{_NAME})+")
_VALUE = re.compile(rf"({_NAME}/)*@?{_NAME}|#")


class XmlTable(FileTable):
    """A table of XML records.

    A column's `path` is a path below the record (`gross/@currency`), `.` for the record's own text, a path below an
    element above it (`../empNo`, `/payroll/payslip/empNo`), or an attribute of the root (`/payroll/@period`). `#` is
    the record's position, from 1, under the innermost element above it that the table takes something from, in the
    document where it takes nothing; `../#` or `/payroll/payslip/#` is the ordinal of an element above in the document.
    An element that a record has twice, where one value is taken, costs that cell (`on_error`); what repeats by design
    is a table of its own.
    """

    record: str
    """Path of the record element from the root, such as `/payroll/payslip`; a child of another record
    (`/payroll/payslip/deductions/deduction`) makes a child table."""

    @field_validator("record")
    @classmethod
    def _from_root(cls, value: str) -> str:
        if not _RECORD.fullmatch(_local(value)):
            raise ValueError("write a path of element names from the root, such as `/payroll/payslip`")
        return value

    @model_validator(mode="after")
    def _readable_paths(self) -> Self:
        record = _local(self.record)
        root = record.split("/")[1]
        for name, column in self.columns.items():
            for path in column.paths(name):
                place = _from(record, path)
                element = _element(record, place)
                inside = place == record or (element and _VALUE.fullmatch(place.removeprefix(f"{element}/")))
                if path != "@object" and not inside and not re.fullmatch(rf"/{re.escape(root)}/@{_NAME}", place):
                    raise ValueError(
                        f"column `{name}`: `{path}` must be below the record (`gross/@currency`), or a value of an "
                        f"element above it (`../empNo`), or an attribute of the root (`/{root}/@period`)"
                    )
        return self


class XmlSource(FileSource[XmlTable]):
    """A folder of XML files."""

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """Typed batches, one row per record element.

        Where a record repeats an element that is read as one value, those cells cannot be read.
        """
        contract = self.tables[table]
        last = 0
        try:
            start, fields = head(decompressed(blob)), _Fields.of(contract)
            if start.name != fields.root:
                raise Malformed(f"its root element is not `{fields.root}`")
            document = Document.of(blob, start, fields.record.path)
            if document is None:
                return
            for batch in _rows(contract, fields, document):
                yield batch
                last = batch[ROW][-1].as_py()
        except Malformed as failure:
            raise unreadable(blob, failure.why, row=last, hint=failure.hint) from None
        # xml2arrow stumbles over bytes that are not UTF-8 with a TypeError
        except (xml2arrow.Xml2ArrowError, TypeError, UnicodeDecodeError, RuntimeError, *DAMAGE) as failure:
            raise unreadable(blob, _reason(failure), row=last) from None

    def may_share(self, table: str) -> bool:
        """Unless something is read of the elements around the records."""
        return not _Fields.of(self.tables[table]).above

    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        """The record's element, in the document's own encoding."""
        return next(self.records(table, blob, [ordinal])).data

    def records(self, table: str, blob: Blob, ordinals: Iterable[int]) -> Iterator[Original]:
        """The records' elements, of one reading of the document."""
        yield from xml_records(blob, decompressed(blob), _local(self.tables[table].record), ordinals)

    def observe(self, table: str, blob: Blob) -> Set[str] | None:
        """Leaf and attribute paths of the first records, relative to the record."""
        contract = self.tables[table]
        record = _local(contract.record)
        try:
            found = first_records(whole(blob, head(decompressed(blob)), record), record)
        except (Malformed, UnicodeDecodeError, *DAMAGE):
            return None
        if found is None:
            return None
        others = [f"{other}/" for other in self.inside(table)]
        # what is read as a table of its own is not new here, what lies elsewhere cannot be seen in a record
        mine = [path for path in found if not f"{path}/".startswith(tuple(others))]
        declared = set(contract.paths)
        # an element around records of another table looks like a value where it has none of them
        mine = [path for path in mine if path in declared or not any(other.startswith(f"{path}/") for other in others)]
        return dict.fromkeys([*mine, *(path for path in declared if path == "#" or path.startswith("../"))]).keys()

    def envelope(self, table: str, blob: Blob) -> Sequence[str]:
        """The attributes of the root, but where its schema lies."""
        try:
            root = head(decompressed(blob))
        except (Malformed, UnicodeDecodeError, *DAMAGE):
            return ()
        return [f"/{root.name}/@{name}" for name in root.attributes if not name.lower().endswith("schemalocation")]

    def children(self, table: str, blob: Blob) -> Mapping[str, Mapping[str, str]]:
        """Elements that stand more than once in one record, where they are no records of a table."""
        record = _local(self.tables[table].record)
        try:
            found = repeated(whole(blob, head(decompressed(blob)), record), record)
        except (Malformed, UnicodeDecodeError, *DAMAGE):
            return {}
        return {path: {"record": made} for path in found if (made := f"{record}/{path}") not in self._records}

    def around(self, table: str) -> tuple[str, str]:
        """The table whose records are the innermost elements around those of `table`."""
        record = _local(self.tables[table].record)
        others = {_local(other.record): name for name, other in self.tables.items()}
        above = max((other for other in others if record.startswith(f"{other}/")), key=len, default="")
        return others.get(above, ""), "../" * (record.count("/") - above.count("/"))

    def inside(self, table: str) -> Set[str]:
        """Paths in the records of `table` at which those of other tables lie."""
        record = f"{_local(self.tables[table].record)}/"
        return {other.removeprefix(record) for other in self._records if other.startswith(record)}

    @property
    def _records(self) -> list[str]:
        """Paths of the records of all tables."""
        return [_local(table.record) for table in self.tables.values()]


@dataclass(frozen=True)
class _Fields:
    """What is read of a document."""

    record: Element
    above: tuple[Element, ...]
    """Elements around the record of which something is read, outermost first."""
    columns: Mapping[str, tuple[str, ...]]
    """Paths of each column from the root, in order of preference."""

    @classmethod
    def of(cls, table: XmlTable) -> Self:
        """The fields of a contract."""
        record = _local(table.record)
        columns: dict[str, tuple[str, ...]] = {}
        places: dict[str, list[str]] = {record: []}
        for name, column in table.columns.items():
            paths = tuple(_from(record, path) for path in column.paths(name) if path != "@object")
            columns |= {name: paths} if paths else {}
            for path in paths:
                if element := _element(record, path):
                    places.setdefault(element, []).extend([] if path.endswith("/#") else [path])
        nested = len(places) > 1
        elements = {path: Element.of(path, places[path], numbered=nested) for path in sorted(places, key=len)}
        return cls(elements.pop(record), tuple(elements.values()), columns)

    @property
    def elements(self) -> tuple[Element, ...]:
        """All elements of which something is read."""
        return (*self.above, self.record)

    @property
    def root(self) -> str:
        """Name of the root element."""
        return self.record.path.split("/")[1]


def _rows(table: XmlTable, fields: _Fields, document: Document) -> Iterator[pa.RecordBatch]:
    """Typed batches of a document, also of one in which records repeat an element that is read as one value."""
    done = 0
    try:
        for batch in _batches(table, fields, document):
            yield batch
            done += batch.num_rows
    except xml2arrow.Xml2ArrowError as failure:
        if _reason(failure) != REPEATED:
            raise
        if fields.above:
            raise Twice from None
        doubled = find(document.watched(fields.record.path), fields.record.path, fields.record.places)
        passed = 0
        for batch in _batches(table, fields, document, doubled):
            new = batch.slice(max(0, done - passed))
            passed += batch.num_rows
            if new.num_rows:
                yield new
                done += new.num_rows


def _batches(
    table: XmlTable, fields: _Fields, document: Document, doubled: Doubled | None = None
) -> Iterator[pa.RecordBatch]:
    """Typed batches of a document.

    Args:
        doubled: elements to leave out; the cells that they leave in doubt are told as mistyped.
    """
    done = 0
    with ExitStack() as held:
        reading = _Reading(fields, document, held, doubled.spans if doubled else ())
        for texts, rows in reading.batches():
            lost: dict[str, dict[int, str]] = {}
            for name, places in fields.columns.items() if doubled else ():
                cells = doubled.within(places, done + 1, rows) if doubled else {}
                lost[name] = {row: f"{texts[name][row].as_py() or ''}; {text}" for row, text in cells.items()}
                texts[name] = _without(texts[name], cells)
            batch = typed_at(table, texts, document.blob.name, pa.array(document.ordinals(done, rows)))
            yield with_lost(table, batch, lost, "stands more than once")
            done += rows
    document.require(done)
    if reading.doubtful():
        for element in fields.elements:
            check(decompressed(document.blob), element.path, element.attributed.keys())


def _without(texts: pa.StringArray, rows: Collection[int]) -> pa.StringArray:
    """The texts of a column, null in some rows."""
    which = np.zeros(len(texts), bool)
    which[list(rows)] = True
    return pc.if_else(pa.array(which), pa.scalar(None, pa.string()), texts)


class _Reading:
    """One document, read once for its records and once for each element above them, in step."""

    def __init__(
        self, fields: _Fields, document: Document, held: ExitStack, without: Sequence[tuple[int, int]] = ()
    ) -> None:
        self._fields = fields
        self._document = document
        names = frozenset[str]().union(*(element.watched for element in fields.elements))
        self._valued = dict.fromkeys(names, 0)

        record = fields.record.path
        self._watched = held.enter_context(document.watched(record, names, without))
        self._above = [
            Above(element, element.batches(held.enter_context(document.watched(record))), self._valued)
            for element in fields.above
        ]
        self._positions = Positions()

    def batches(self) -> Iterator[tuple[dict[str, pa.StringArray], int]]:
        """Texts by column, and the number of rows."""
        record, done = self._fields.record, 0
        for batch in record.batches(self._watched):
            values = {place: record.column(batch, place) for place in record.places}
            values[f"{record.path}/#"] = pa.array(self._document.ordinals(done, batch.num_rows))
            for above in self._above:
                values |= self._around(above, batch)
            yield (
                {name: self._text(values, paths, batch) for name, paths in self._fields.columns.items()},
                batch.num_rows,
            )
            record.count(batch, self._valued)
            done += batch.num_rows
        for above in self._above:
            above.finish()

    def doubtful(self) -> bool:
        """Whether only `check` can tell that the document is whole."""
        return self._watched.doubtful(self._valued)

    def _around(self, above: Above, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """Values of an element above the rows of a batch, by path."""
        element = above.element
        keys = self._fields.record.keys(batch, element)
        rows, ordinals = above.around(keys)
        values = {place: element.column(rows, place) for place in element.places}
        values[f"{element.path}/#"] = ordinals
        if element is self._fields.above[-1]:
            values[f"{self._fields.record.path}/#"] = self._positions.next(keys)
        return values

    def _text(self, values: Mapping[str, pa.Array], paths: tuple[str, ...], batch: pa.RecordBatch) -> pa.StringArray:
        found = []
        for path in paths:
            if path in values:
                found.append(values[path].cast(pa.string()))
            else:
                value = pa.scalar(self._document.start.attributes.get(path.rpartition("@")[2]), pa.string())
                found.append(pa.repeat(value, batch.num_rows))
        return pc.coalesce(*found) if found[1:] else found[0]


def _local(path: str) -> str:
    return re.sub(r"(?<=[/@])[\w.-]+:", "", re.sub(r"^[\w.-]+:", "", path))


def _from(record: str, path: str) -> str:
    """`path` from the root, where it starts at `record`."""
    if path == ".":
        return record
    place = _local(path)
    while place.startswith("../") and record:
        record, place = record.rpartition("/")[0], place[3:]
    return place if place.startswith("/") else f"{record}/{place}"


def _element(record: str, place: str) -> str:
    """The innermost element, `record` or one above it below the root, that `place` is below; none is empty."""
    element = record
    if place == record:
        return record
    while element.count("/") > 1 and not place.startswith(f"{element}/"):
        element = element.rpartition("/")[0]
    # a record may be the root
    return element if place.startswith(f"{element}/") and (element == record or element.count("/") > 1) else ""


def _reason(failure: Exception) -> str:
    """What is wrong, without the parser's own text, which may quote the record."""
    if isinstance(failure, xml2arrow.Xml2ArrowError):
        text = str(failure)
        if "more than once" in text:
            return REPEATED
        return ENTITY if "entity reference" in text else "it is not well-formed"
    if isinstance(failure, TypeError | UnicodeDecodeError):
        return "it is not in the encoding it declares"
    if isinstance(failure, RuntimeError):
        return "the XML reader failed"
    return "the compressed file is cut short or damaged"
