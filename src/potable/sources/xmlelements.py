"""Rows of one element of XML documents, and of the elements around it.

xml2arrow numbers every element on the way from the root to a row. The values of an element above (a payslip around
its deductions) are read in a pass of their own, in step, and joined by those numbers: they may stand behind the
row in the document, and never more than one batch of them is held.

Entry: `Element.batches` for rows, `Above` for what stands around them.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xml2arrow

from potable.sources.blobs import Malformed
from potable.sources.wellformed import Watched

_BATCH_ROWS = 16_384
_BUFFER = 1 << 18
_ROOT, _ROWS = "root", "rows"
_MANY = 64 << 20
"""Bytes of values after which a batch ends, however few its rows."""
Keys = npt.NDArray[np.bytes_]
"""Numbers of the elements down to a row, of one width, comparable in document order."""


@dataclass(frozen=True)
class Element:
    """An element that gives a row each time it stands in a document, and the places below it that are read."""

    path: str
    """From the root, local names."""
    places: tuple[str, ...]
    """Paths of the values, from the root; each is read once."""
    attributed: Mapping[str, tuple[int, ...]]
    """Columns that are attributes, by the element below this one they belong to."""
    numbered: bool
    """Whether the numbers of the elements down to it are read too."""

    @classmethod
    def of(cls, path: str, places: Sequence[str], *, numbered: bool) -> Self:
        """The element at `path` with these places below it."""
        # without a field there would be no rows
        known = tuple(dict.fromkeys(places)) or (f"{path}/@none",)
        attributed: dict[str, tuple[int, ...]] = {}
        for number, place in enumerate(known):
            element, _, attribute = place.rpartition("/")
            if attribute.startswith("@") and element != path:
                attributed[element] = (*attributed.get(element, ()), number)
        return cls(path, known, attributed, numbered)

    @property
    def watched(self) -> frozenset[str]:
        """Names of the elements in `attributed`."""
        return frozenset(element.rpartition("/")[2] for element in self.attributed)

    @property
    def _levels(self) -> list[str]:
        """Names of the columns that hold the numbers, outermost first."""
        return [f"n{depth}" for depth in range(self.path.count("/") - 1)] if self.numbered else []

    def batches(self, stream: Watched) -> Iterator[pa.RecordBatch]:
        """The rows of a document: numbers, then one column of texts per place."""
        parser = _parser(json.dumps(self._configuration()))
        # xml2arrow asks for 8 KiB at a time
        source = io.BufferedReader(stream, _BUFFER)
        for name, batch in parser.parse_batches(source, max_rows_per_batch=_BATCH_ROWS, max_bytes_per_batch=_MANY):
            if name == _ROOT or self.path.count("/") == 1:
                stream.roots += batch.num_rows
            if name == _ROWS:
                yield batch

    def column(self, batch: pa.RecordBatch, place: str) -> pa.StringArray:
        """The texts at a place."""
        return batch.column(len(self._levels) + self.places.index(place))

    def keys(self, batch: pa.RecordBatch, element: Element | None = None) -> Keys:
        """The key of each row, or of the `element` around it."""
        depth = len((element or self)._levels)
        numbers = np.empty((batch.num_rows, depth), dtype=">u4")
        for level in range(depth):
            numbers[:, level] = batch.column(level).to_numpy()
        return numbers.view(f"S{4 * depth}").ravel()

    def count(self, batch: pa.RecordBatch, valued: dict[str, int]) -> None:
        """Add to `valued`, by element name, the rows that have an attribute of it; at most as many as do."""
        for element, numbers in self.attributed.items():
            columns = [batch.column(len(self._levels) + number) for number in numbers]
            valued[element.rpartition("/")[2]] += max(batch.num_rows - column.null_count for column in columns)

    def _configuration(self) -> dict[str, object]:
        parent = self.path.rpartition("/")[0]
        fields = [
            {"name": f"f{number}", "xml_path": path, "data_type": "Utf8", "nullable": True}
            for number, path in enumerate(self.places)
        ]
        levels, steps = self._levels, parent.split("/")
        bounds: list[dict[str, object]] = [
            # a table without fields only counts
            {"name": f"b{depth}", "xml_path": "/".join(steps[: depth + 2]), "levels": levels[: depth + 1], "fields": []}
            for depth in range(len(levels) - 1)
        ]
        # one row for each root that is closed
        none = {"name": "f", "xml_path": f"/{steps[1]}/@none", "data_type": "Utf8", "nullable": True} if parent else {}
        roots = [{"name": _ROOT, "xml_path": "/", "levels": [], "fields": [none]}] if parent else []
        rows = {"name": _ROWS, "xml_path": parent or "/", "levels": levels, "fields": fields}
        return {"tables": [*roots, *bounds, rows]}


class Above:
    """The rows of an element, given to the rows of another one below it, in document order."""

    def __init__(self, element: Element, batches: Iterator[pa.RecordBatch], valued: dict[str, int]) -> None:
        self.element = element
        self._batches = batches
        self._valued = valued
        self._batch: pa.RecordBatch | None = None
        self._keys: Keys = np.array([], dtype="S4")
        self._before = 0

    def around(self, keys: Keys) -> tuple[pa.RecordBatch, pa.Array]:
        """The row around each of `keys` (ascending, also from call to call), and its ordinal in the document.

        Raises:
            Malformed: there is none.
        """
        rows: list[pa.RecordBatch] = []
        ordinals: list[npt.NDArray[np.int64]] = []
        done = 0
        while done < len(keys):
            if self._batch is None or keys[done] > self._keys[-1]:
                self._advance()
                continue
            end = int(np.searchsorted(keys, self._keys[-1], side="right"))
            found = np.searchsorted(self._keys, keys[done:end])
            rows.append(self._batch.take(pa.array(found)))
            ordinals.append(found + self._before + 1)
            done = end
        return pa.concat_batches(rows), pa.array(np.concatenate(ordinals))

    def finish(self) -> None:
        """Read what is left, for its count and its errors."""
        for batch in self._batches:
            self.element.count(batch, self._valued)

    def _advance(self) -> None:
        self._before += self._batch.num_rows if self._batch else 0
        self._batch = next(self._batches, None)
        if self._batch is None:
            raise Malformed("its elements cannot be distinguished")
        self.element.count(self._batch, self._valued)
        self._keys = self.element.keys(self._batch)


class Positions:
    """Counts rows from 1, anew under each element above."""

    def __init__(self) -> None:
        self._key = b""
        self._count = 0

    def next(self, keys: Keys) -> pa.Array:
        """The position of the next rows, which stand under `keys`."""
        starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        lengths = np.diff(np.concatenate([starts, [len(keys)]]))
        positions = np.arange(len(keys)) - np.repeat(starts, lengths) + 1
        if self._count and keys[0] == self._key:
            positions[: lengths[0]] += self._count
        self._key, self._count = keys[-1], int(positions[-1])
        return pa.array(positions)


@cache
def _parser(configuration: str) -> xml2arrow.XmlToArrowParser:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "xml2arrow.yaml"
        path.write_text(configuration, encoding="utf-8")
        return xml2arrow.XmlToArrowParser(path)
