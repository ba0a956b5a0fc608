"""Drift of columns described by values: an example of what is new, and new names of what is missing.

Only the first object that shows a new column is read again, and only its first batch; nothing of it is kept but
shapes. Entries: `described`, and `told` for where anybody may read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from potable.contracts.drift import Drift
from potable.contracts.renaming import renamed
from potable.contracts.results import shape
from potable.errors import DataError
from potable.sources.base import Source
from potable.sources.blobs import Blob
from potable.sources.names import told_column
from potable.sources.typed import clean, convert
from potable.tables import Column


def described(source: Source[Any], table: str, drifts: Sequence[Drift], blobs: Mapping[str, Blob]) -> list[Drift]:
    """The drifts with examples, a missing and a new column that fit as one renamed.

    Args:
        blobs: the table's current objects by name.
    """
    contract = source.tables[table]
    texts = _texts(source, table, [drift for drift in drifts if drift.change == "new_column"], blobs)

    def fit(declared: str, new: str) -> float | None:
        column = contract.columns[declared]
        values = pc.drop_null(clean(column, texts[new])) if new in texts else pa.array([], pa.string())
        return pc.count(convert(column, values)).as_py() / len(values) if len(values) else None

    shown = [
        replace(drift, example=shape(texts[drift.column][0]))
        if drift.change == "new_column" and len(texts.get(drift.column, ()))
        else drift
        for drift in drifts
    ]
    return renamed(contract, shown, fit)


def told(source: Source[Any], drifts: Iterable[Drift]) -> list[Drift]:
    """Drifts as anybody may read them: the name of an object, or of a new column, may be a person's."""
    own = source.headings
    return [
        replace(
            item,
            first=source.naming.told(item.first),
            column=told_column(item.column, own) if item.change == "new_column" else item.column,
            detail=told_column(item.detail, own) if item.change == "renamed_column" else item.detail,
        )
        for item in drifts
    ]


def _texts(
    source: Source[Any], table: str, drifts: Sequence[Drift], blobs: Mapping[str, Blob]
) -> dict[str, pa.StringArray]:
    """The first values of each new column, without nulls."""
    contract, found = source.tables[table], dict[str, pa.StringArray]()
    for first in sorted({drift.first for drift in drifts} & blobs.keys()):
        names = [drift.column for drift in drifts if drift.first == first and drift.column not in contract.columns]
        try:
            found |= _values(source, table, blobs[first], names)
        except DataError:
            # one that no column could take, such as a repeated element, keeps the others from being read
            for name in names:
                with suppress(DataError):
                    found |= _values(source, table, blobs[first], [name])
    return found


def _values(source: Source[Any], table: str, blob: Blob, names: Sequence[str]) -> dict[str, pa.StringArray]:
    contract = source.tables[table]
    wider = contract.model_copy(update={"columns": {**contract.columns, **{name: Column(path=name) for name in names}}})
    alone = source.model_copy(update={"tables": {**source.tables, table: wider}})
    batch = next(iter(alone.parse(table, blob)), None)
    return {} if batch is None else {name: pc.drop_null(batch.column(name)) for name in names}
