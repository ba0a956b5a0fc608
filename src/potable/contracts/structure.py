"""Structural drift seen in the values: some are too wide for their type, or all of a batch are narrower than before.

Wider is what could not be read as its column's type but could as a wider one (`12.5` as an integer, a moment as a
date, a word that is no level). Narrower is a batch whose moments have no time of day any more, whose decimals have no
fraction, or whose texts end at one length, where that cannot be chance. Batches are folded in the order in which
they landed, so that the whole and its layers come to the same. What a change does is `drift`.

Entry: `asked` (counts of the scan), `observed`, and `changes` for what it found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import ibis.expr.types as ir
import pyarrow as pa

from potable.contracts.drift import Drift
from potable.contracts.results import shape
from potable.contracts.rowwise import text_of
from potable.engines.base import Engine, rows_of, scalars
from potable.tables import BATCH, OBJECT, UNPARSED, Column, Table

Structure: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""JSON: columns that are `wider` and `narrower`, and what was `before` of each."""
EXPECTED = 20
"""Values that have what now none has, if it were as before; by chance that happens once in 500 million times."""
_NOTHING = {"values": 0, "full": 0}
_NUMBER = re.compile(r"[+-]?0*(\d*)(?:\.(\d*))?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(\.\d{3})+")
_EXPONENT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)[eE][+-]?\d{1,3}")
_CLOCK = re.compile(r"\d[T ]+\d{1,2}:\d{2}")
_WIDER = pa.schema(
    [(OBJECT, pa.string()), (BATCH, pa.int64()), ("column", pa.string()), ("kind", pa.string())]
    + [(name, pa.int64()) for name in ("whole", "places")]
    + [("example", pa.string())]
)


def asked(staged: ir.Table, table: Table) -> dict[str, ir.Scalar]:
    """Of each column how many values have a time of day or a fraction, or how long the longest is."""
    found: dict[str, ir.Value] = {}
    for index, (name, column) in enumerate(table.columns.items()):
        if (full := _full(staged[name], column)) is not None:
            found[f"full_{index}"] = full.cast("int64")
    return found


def observed(
    staged: ir.Table, table: Table, before: Structure, portions: Sequence[Mapping[str, Any]], engine: Engine
) -> Structure:
    """What the values of new rows say, added to what was said `before`.

    Args:
        portions: counts of the rows by batch and period: `rows`, `unparsed`, `nulls_<index>`, and what was `asked`.
    """
    narrower, full = {**before.get("narrower", {})}, {**before.get("before", {})}
    for batch, columns in sorted(_by_batch(portions, table).items()):
        mine = staged.filter(staged[BATCH] == batch)
        for name, now in columns.items():
            known = full.get(name, _NOTHING)
            if found := _narrower(mine, table.columns[name], name, now, known, engine):
                narrower[name] = _met_again(narrower.get(name), {**found, **_where(mine, batch, engine)})
            full[name] = _after(table.columns[name], now, known)
    wider = {**before.get("wider", {})}
    for row in _too_wide(staged, table, engine) if any(portion["unparsed"] for portion in portions) else ():
        wider[row["column"]] = _added(wider.get(row["column"]), row)
    return {"wider": wider, "narrower": narrower, "before": full}


def changes(table: Table, structure: Structure) -> Iterator[Drift]:
    """What is wider and narrower, by the first batch that shows it."""
    for change in ("wider", "narrower"):
        name = {"wider": "widened", "narrower": "narrowed"}[change]
        found = [(column, item) for column, item in structure.get(change, {}).items() if column in table.columns]
        for column, item in sorted(found, key=lambda pair: (pair[1]["batch"], pair[0])):
            detail = item["detail"] if change == "narrower" else _wider_type(table.columns[column], item)
            yield Drift(name, column, item["objects"], item["first"], item["batch"], item["example"], detail)


def wider(column: Column, text: str) -> tuple[str, int, int] | None:
    """What an unreadable text could be read as, and its digits before and behind the point; None for nothing wider."""
    text = text.strip()
    if column.levels:
        return "another word", 0, 0
    if column.type == "string":
        return None
    if column.type == "date":
        return ("timestamp", 0, 0) if _CLOCK.search(text) else None
    # what is a number to its source has a point
    if column.decimal == "," and ("," in text or _GROUPED.fullmatch(text)):
        text = text.replace(".", "").replace(",", ".")
    if (match := _NUMBER.fullmatch(text)) and any(map(str.isdigit, text)):
        if column.type == "boolean":
            return ("integer", 0, 0) if match[2] is None else None
        return "decimal", len(match[1]), len(match[2] or "")
    number = column.type not in ("boolean", "timestamp", "float")
    return ("float", 0, 0) if number and _EXPONENT.fullmatch(text) else None


@dataclass(frozen=True)
class _TooWide:
    """A batch function from rows with unreadable cells to one row for each cell that is wider than its type."""

    table: Table

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        rows: list[tuple[Any, ...]] = []
        for name, number, cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            for column, text in json.loads(cells).items():
                declared = self.table.columns.get(column)
                if declared is not None and (found := wider(declared, text)):
                    rows.append((name, number, column, *found, shape(text)))
        columns = zip(*rows, strict=True) if rows else [()] * len(_WIDER)
        arrays = [pa.array(cells, field.type) for cells, field in zip(columns, _WIDER, strict=True)]
        return pa.record_batch(arrays, schema=_WIDER)


def _too_wide(staged: ir.Table, table: Table, engine: Engine) -> list[dict[str, Any]]:
    """By batch and column, what is too wide: how many values in how many objects, and an example of the first."""
    cells = staged.filter(staged[UNPARSED].notnull()).select(OBJECT, BATCH, UNPARSED)
    found = engine.map_batches(cells, _TooWide(table), _WIDER)
    counted = found.group_by([BATCH, "column", "kind"]).agg(
        values=found.count(),
        objects=found[OBJECT].nunique(),
        first=found[OBJECT].min(),
        whole=found["whole"].max(),
        places=found["places"].max(),
        example=found["example"].min(),
    )
    return rows_of(engine, counted.order_by([BATCH, "column", "kind"]))


def _added(before: Mapping[str, Any] | None, row: Mapping[str, Any]) -> dict[str, Any]:
    """A column's values that are too wide, with those of another batch or kind; the first is the example."""
    new = {name: row[name] for name in ("values", "objects", "first", "whole", "places", "example")}
    new |= {"batch": row[BATCH], "kinds": [row["kind"]]}
    if before is None:
        return new
    most = {name: max(before[name], new[name]) for name in ("whole", "places")}
    sums = {name: before[name] + new[name] for name in ("values", "objects")}
    return {**before, **most, **sums, "kinds": sorted({*before["kinds"], row["kind"]})}


def _wider_type(column: Column, item: Mapping[str, Any]) -> str:
    """From which type to which: `decimal(12,2) → decimal(14,4)`."""
    kinds = []
    for kind in item["kinds"]:
        if kind == "decimal":
            whole, places = 18, 0
            if pa.types.is_decimal(column.arrow):
                whole, places = column.arrow.precision - column.arrow.scale, column.arrow.scale
            places = max(places, item["places"])
            kind = f"decimal({max(whole, item['whole']) + places},{places})"
        kinds.append(kind)
    count = f"{item['values']:,} value{'s' * (item['values'] != 1)}"
    return f"{'levels' if column.levels else column.type} → {' and '.join(kinds)}, {count}"


def _by_batch(portions: Sequence[Mapping[str, Any]], table: Table) -> dict[int, dict[str, dict[str, int]]]:
    """By batch and column that has any: the values, and how many of them are full, or the most characters."""
    found: dict[int, dict[str, dict[str, int]]] = {}
    for index, (name, column) in enumerate(table.columns.items()):
        for portion in portions:
            values = portion["rows"] - portion[f"nulls_{index}"]
            if values and f"full_{index}" in portion:
                columns = found.setdefault(portion[BATCH], {})
                now = {"values": values, "full": portion[f"full_{index}"]}
                columns[name] = _after(column, now, columns.get(name, _NOTHING))
    return found


def _full(cells: ir.Value, column: Column) -> ir.Scalar | None:
    """What a narrower type would not have: a count, of texts the most characters; None where nothing can be told."""
    if column.type == "string":
        return None if column.levels else cells.length().max()
    if column.type == "timestamp":
        return cells.count(where=cells != cells.truncate("D"))
    if column.type == "float" or (pa.types.is_decimal(column.arrow) and column.arrow.scale):
        return cells.count(where=(cells % 1) != 0)
    return None


def _narrower(
    mine: ir.Table, column: Column, name: str, now: Mapping[str, int], before: Mapping[str, int], engine: Engine
) -> dict[str, str] | None:
    """How values of a batch are narrower than before, with an example; None when they are not."""
    if column.type != "string":
        # in whole numbers, so that every machine decides alike
        if now["full"] or not before["full"] or now["values"] * before["full"] < EXPECTED * before["values"]:
            return None
        narrow = "date" if column.type == "timestamp" else "integer"
        return {"detail": f"{column.type} → {narrow}", "example": _example(mine, name, engine)}
    if not now["full"] < before["full"]:
        return None
    longest = mine.filter(mine[name].length() == now["full"])
    row = scalars(engine, longest.agg(n=longest[name].nunique(), example=longest[name].min()))
    if row["n"] < EXPECTED:
        return None
    return {"detail": f"texts are cut off at {now['full']:,} characters", "example": shape(row["example"])}


def _example(mine: ir.Table, name: str, engine: Engine) -> str:
    values = mine.filter(mine[name].notnull()).select(text=text_of(mine, name))
    rows = rows_of(engine, values.order_by("text").limit(1))
    return shape(rows[0]["text"]) if rows else ""


def _where(mine: ir.Table, batch: int, engine: Engine) -> dict[str, Any]:
    """A batch, how many objects it has, and the first of them."""
    found = mine.agg(objects=mine[OBJECT].nunique().cast("int64"), first=mine[OBJECT].min())
    return {"batch": batch, **scalars(engine, found)}


def _met_again(before: Mapping[str, Any] | None, found: Mapping[str, Any]) -> dict[str, Any]:
    return {**before, "objects": before["objects"] + found["objects"]} if before else dict(found)


def _after(column: Column, now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """What later batches are compared with: of texts the longest ever, else counts of all of them."""
    full = max(before["full"], now["full"]) if column.type == "string" else before["full"] + now["full"]
    return {"values": before["values"] + now["values"], "full": full}
