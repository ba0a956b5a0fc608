"""XML exports, streamed: gzip or plain, nested elements, attributes, namespaces.

Records are found by a path of local names (`/payroll/payslip`; prefixes are optional), values by paths
below it (`employee/empNo`, `gross/@currency`, `@id`); `/payroll/@period`, from the root, gives every record
an attribute of the root element. A value is the element's own text. Reading is xml2arrow's; what it lets
pass (cut documents, entities, repeated attributes) is found by `wellformed`.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Self, cast

import pyarrow as pa
import pyarrow.compute as pc
import xml2arrow
from pydantic import field_validator, model_validator

from potable.sources.base import Blob
from potable.sources.files import DAMAGE, FileSource, FileTable, decompressed, unreadable
from potable.sources.typed import typed
from potable.sources.wellformed import ENTITY, REPEATED, Head, Malformed, Watched, check, first_records, head

_BATCH_ROWS = 16_384
_NAME = r"[^\W\d][\w.-]*"
_RECORD = re.compile(rf"(/{_NAME})+")
_VALUE = re.compile(rf"({_NAME}/)*@?{_NAME}")


class XmlTable(FileTable):
    """A table of XML records."""

    record: str
    """Path of the record element from the root, such as `/payroll/payslip`."""

    @field_validator("record")
    @classmethod
    def _from_root(cls, value: str) -> str:
        if not _RECORD.fullmatch(_local(value)):
            raise ValueError("a path of element names from the root, such as `/payroll/payslip`")
        return value

    @model_validator(mode="after")
    def _readable_paths(self) -> Self:
        record = _local(self.record)
        root = record.split("/")[1]
        of_root = re.compile(rf"/{re.escape(root)}/@{_NAME}")
        for name, column in self.columns.items():
            for path in column.paths(name):
                inside = _VALUE.fullmatch(_local(path).removeprefix(f"{record}/"))
                if path != "@object" and not inside and not of_root.fullmatch(_local(path)):
                    raise ValueError(
                        f"column `{name}`: `{path}` is neither below the record (`gross/@currency`) "
                        f"nor an attribute of the root (`/{root}/@period`)"
                    )
        return self


class XmlSource(FileSource[XmlTable]):
    """A folder of XML files."""

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """Typed batches, one row per record element."""
        contract = self.tables[table]
        fields = _Fields.of(contract)
        done = 0
        try:
            start = head(decompressed(blob))
            if start.name != fields.root:
                raise Malformed(f"its root element is not `{fields.root}`")
            valued = dict.fromkeys(fields.watched, 0)
            with Watched(decompressed(blob), start, fields.watched) as watched:
                for batch in fields.batches(watched):
                    yield typed(contract, fields.texts(batch, start), blob.name, first=done + 1, rows=batch.num_rows)
                    done += batch.num_rows
                    fields.count(batch, valued)
            if watched.doubtful(valued):
                check(decompressed(blob), fields.record, fields.attributed.keys())
        except Malformed as failure:
            raise unreadable(blob, failure.why, row=done) from None
        # xml2arrow stumbles over bytes that are not UTF-8 with a TypeError
        except (xml2arrow.Xml2ArrowError, TypeError, UnicodeDecodeError, RuntimeError, *DAMAGE) as failure:
            raise unreadable(blob, _reason(failure), row=done) from None

    def observe(self, table: str, blob: Blob) -> frozenset[str] | None:
        """Leaf and attribute paths of the first records, relative to the record."""
        try:
            return first_records(decompressed(blob), _local(self.tables[table].record))
        except (Malformed, *DAMAGE):
            return None


@dataclass(frozen=True)
class _Fields:
    """What is read of a document: every place below the record a value may stand in, once."""

    record: str
    places: tuple[str, ...]
    """Absolute paths, by the number of their field."""
    columns: Mapping[str, tuple[str, ...]]
    """Absolute paths of each column, in order of preference."""
    attributed: Mapping[str, tuple[int, ...]]
    """Fields that are attributes, by the element below the record they belong to."""

    @classmethod
    def of(cls, table: XmlTable) -> Self:
        """The fields of a contract."""
        record = _local(table.record)
        columns: dict[str, tuple[str, ...]] = {}
        for name, column in table.columns.items():
            paths = [_local(path) for path in column.paths(name) if path != "@object"]
            if paths:
                columns[name] = tuple(path if path.startswith("/") else f"{record}/{path}" for path in paths)
        below = dict.fromkeys(path for paths in columns.values() for path in paths if path.startswith(f"{record}/"))
        # without a field there would be no rows
        places = tuple(below) or (f"{record}/@none",)
        attributed: dict[str, tuple[int, ...]] = {}
        for number, path in enumerate(places):
            element, _, attribute = path.rpartition("/")
            if attribute.startswith("@") and element != record:
                attributed[element] = (*attributed.get(element, ()), number)
        return cls(record, places, columns, attributed)

    @property
    def root(self) -> str:
        """Name of the root element."""
        return self.record.split("/")[1]

    @property
    def watched(self) -> frozenset[str]:
        """Names of the elements in `attributed`."""
        return frozenset(element.rpartition("/")[2] for element in self.attributed)

    def batches(self, stream: Watched) -> Iterator[pa.RecordBatch]:
        """The records of a document, one column of texts per field."""
        parser = _parser(json.dumps(_configuration(self.record, self.places)))
        for _, batch in parser.parse_batches(cast("IO[bytes]", stream), max_rows_per_batch=_BATCH_ROWS):
            yield batch

    def texts(self, batch: pa.RecordBatch, start: Head) -> dict[str, pa.StringArray]:
        """The texts of each column."""
        return {name: self._text(batch, start, paths) for name, paths in self.columns.items()}

    def _text(self, batch: pa.RecordBatch, start: Head, paths: tuple[str, ...]) -> pa.StringArray:
        found = []
        for path in paths:
            if path in self.places:
                found.append(batch.column(self.places.index(path)))
            else:
                value = pa.scalar(start.attributes.get(path.rpartition("@")[2]), pa.string())
                found.append(pa.repeat(value, batch.num_rows))
        return pc.coalesce(*found) if found[1:] else found[0]

    def count(self, batch: pa.RecordBatch, valued: dict[str, int]) -> None:
        """Add to `valued`, by element name, the records that have an attribute of it; at most as many as do."""
        for element, numbers in self.attributed.items():
            name = element.rpartition("/")[2]
            valued[name] += max(batch.num_rows - batch.column(number).null_count for number in numbers)


def _local(path: str) -> str:
    return re.sub(r"(?<=[/@])[\w.-]+:", "", re.sub(r"^[\w.-]+:", "", path))


def _configuration(record: str, places: tuple[str, ...]) -> dict[str, object]:
    parent, _, row = record.rpartition("/")
    fields = [
        {"name": f"f{number}", "xml_path": path, "data_type": "Utf8", "nullable": True}
        for number, path in enumerate(places)
    ]
    return {"tables": [{"name": row, "xml_path": parent or "/", "levels": [], "fields": fields}]}


@cache
def _parser(configuration: str) -> xml2arrow.XmlToArrowParser:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "xml2arrow.yaml"
        path.write_text(configuration, encoding="utf-8")
        return xml2arrow.XmlToArrowParser(path)


def _reason(failure: Exception) -> str:
    """What is wrong, without the parser's own text, which may quote the record."""
    if isinstance(failure, xml2arrow.Xml2ArrowError):
        text = str(failure)
        if "more than once" in text:
            return REPEATED
        return ENTITY if "entity reference" in text else "not well-formed XML"
    if isinstance(failure, TypeError | UnicodeDecodeError):
        return "it is not in the encoding it declares"
    if isinstance(failure, RuntimeError):
        return "the XML reader failed"
    return "the compressed file is cut short or damaged"
