"""Objects for parsers: bytes as they lie in a raw zone, and the rows read from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from potable.errors import DataError
from potable.sources.base import Source
from potable.sources.blobs import Blob
from potable.sources.ingest import Landing, current
from potable.store.log import Log
from potable.store.objects import Store

SECRET = "Sw0rdfish-Meyer"
"""A value that no error may show."""


def blob(folder: Path, data: bytes, name: str = "object") -> Blob:
    """`data` as a landed object."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return Blob(name, str(folder), name, False, len(data))


def parsed(source: Source[Any], object_: Blob, table: str = "t") -> list[dict[str, Any]]:
    """All rows of an object, in the order of their ordinals."""
    rows = [row for batch in source.parse(table, object_) for row in batch.to_pylist()]
    return sorted(rows, key=lambda row: row["_row"])


def values(rows: Sequence[dict[str, Any]], *names: str) -> list[Any]:
    """The cells of some columns; of one column without tuples."""
    return [row[names[0]] if len(names) == 1 else tuple(row[name] for name in names) for row in rows]


def refusal(source: Source[Any], object_: Blob, table: str = "t") -> str:
    """The problem an object is refused with; it shows nothing of the content."""
    with pytest.raises(DataError) as caught:
        parsed(source, object_, table)
    told = caught.value.text() + json.dumps(caught.value.record()) + repr(caught.value.__cause__)
    assert SECRET not in told
    assert caught.value.code == "D007"
    return caught.value.problem


def lost(source: Source[Any], object_: Blob, table: str = "t") -> str:
    """Why a document is in quarantine; the row shows nothing of the content."""
    (row,) = parsed(source, object_, table)
    reason = str(row["_mistyped"]).removeprefix("@record: ")
    assert row["_row"] == 1 and row["_object"] == object_.name
    assert json.loads(row["_unparsed"]) == {"@record": reason}
    assert all(row[name] is None for name in source.tables[table].columns)
    assert SECRET not in str(row)
    return reason


def raw_zone(folder: Path) -> Landing:
    """The raw zone of a source `s` in a lake."""
    store = Store(str(folder))
    return Landing(store, Log(store, "raw/s/batches"))


def landed_blobs(landing: Landing) -> Iterator[tuple[str, Blob]]:
    """What a raw zone holds now, by table."""
    for item in current(landing.log).objects.values():
        for table in item.tables:
            root = landing.store.locate("")
            part = None if item.at is None else (item.at, item.stored)
            yield table, Blob(item.name, root, item.path, item.zstd, item.bytes, item.batch, item.skip, part=part)


def landed_rows(source: Source[Any], landing: Landing, table: str) -> Iterator[dict[str, Any]]:
    """What a raw zone says now."""
    for name, held in landed_blobs(landing):
        for batch in source.parse(table, held) if name == table else ():
            yield from batch.to_pylist()
