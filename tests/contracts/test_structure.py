"""Changes of structure that values and names show: wider, narrower, renamed; no value is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Examples

from potable.contracts import judging, profile
from potable.contracts.drift import Drift, refuse
from potable.contracts.renaming import renamed
from potable.contracts.structure import Structure, asked, changes, observed, wider
from potable.engines.base import Engine
from potable.errors import DataError
from potable.sources.groups import schema
from potable.sources.typed import typed
from potable.tables import BATCH, Column, Table

COLUMNS = {
    "count": {"type": "integer"},
    "pay": {"type": "decimal(8,2)"},
    "day": {"type": "date"},
    "at": {"type": "timestamp"},
    "grade": {"levels": ["low", "high"]},
    "note": {},
    "share": {"type": "float"},
}
TABLE = Table.model_validate({"columns": COLUMNS})
Rows = Sequence[dict[str, str]]


def staged(engine: Engine, folder: Path, batches: Sequence[tuple[int, Rows]]) -> Any:
    """Parsed rows of batches, each in a file of its own, as `validate` stages them."""
    items = []
    for number, rows in batches:
        texts = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in COLUMNS}
        batch = typed(TABLE, texts, f"file-{number}")
        items.append(batch.append_column(BATCH, pa.array([number] * len(rows), pa.int64())))
    parts = engine.write(engine.map_items(items, lambda batch: [batch], schema(TABLE)), str(folder))
    return engine.read([f"{folder}/{part.path}" for part in parts], schema(TABLE))


def told(engine: Engine, folder: Path, *batches: Rows) -> list[Drift]:
    rows = staged(engine, folder / "rows", list(enumerate(batches, 1)))
    return list(changes(TABLE, seen(rows, {}, engine)))


def seen(rows: Any, before: Structure, engine: Engine) -> Structure:
    """What rows say, by the counts of the scan."""
    counts = judging.totals(rows, TABLE, [], []) | asked(rows, TABLE)
    return observed(rows, TABLE, before, profile.portions(rows, TABLE, counts, engine), engine)


@pytest.mark.parametrize(
    ("column", "text", "found"),
    [
        ({"type": "integer"}, "12.5", ("decimal", 2, 1)),
        ({"type": "integer"}, "1234567890123456789", ("decimal", 19, 0)),
        ({"type": "integer"}, "1e5", ("float", 0, 0)),
        ({"type": "integer"}, "n/a", None),
        ({"type": "decimal(4,2)"}, "12345.678", ("decimal", 5, 3)),
        ({"type": "decimal(4,2)", "decimal": ","}, "1.234,5", ("decimal", 4, 1)),
        ({"type": "integer", "decimal": ","}, "12.5", ("decimal", 2, 1)),
        ({"type": "integer", "decimal": ","}, "-1234.5678", ("decimal", 4, 4)),
        ({"type": "date"}, "2024-01-01 10:30:00", ("timestamp", 0, 0)),
        ({"type": "date"}, "2024-02-31", None),
        ({"type": "boolean"}, "2", ("integer", 0, 0)),
        ({"type": "boolean"}, "maybe", None),
        ({"type": "timestamp"}, "yesterday", None),
        ({"type": "float"}, "1,5", None),
        ({"levels": ["low", "high"]}, "medium", ("another word", 0, 0)),
    ],
)
def test_what_is_wider_than_a_type(column: dict[str, Any], text: str, found: tuple[str, int, int] | None) -> None:
    assert wider(Column.model_validate(column), text) == found


def test_wider_values_are_told_by_their_shapes_with_the_first_batch(engine: Engine, tmp_path: Path) -> None:
    found = told(
        engine,
        tmp_path,
        [{"count": "1", "pay": "1.00", "day": "2024-01-01"}],
        [{"count": "17.25", "pay": "x"}, {"count": "18.5", "day": "2024-01-01T10:00"}],
        [{"count": "3.125", "grade": "medium", "pay": "1234567.891"}],
    )
    assert [asdict(item) for item in found] == [
        _widened("count", 2, "file-2", 2, "99.9", "integer → decimal(21,3), 3 values"),
        _widened("day", 1, "file-2", 2, "9999-99-99A99:99", "date → timestamp, 1 value"),
        _widened("grade", 1, "file-3", 3, "aaaaaa", "levels → another word, 1 value"),
        _widened("pay", 1, "file-3", 3, "9999999.999", "decimal(8,2) → decimal(10,3), 1 value"),
    ]


def _widened(column: str, objects: int, first: str, batch: int, example: str, detail: str) -> dict[str, Any]:
    return asdict(Drift("widened", column, objects, first, batch, example, detail))


@pytest.mark.long_on_spark
def test_a_batch_without_times_fractions_or_long_texts_is_narrower(engine: Engine, tmp_path: Path) -> None:
    before = [
        {"at": "2024-01-01 10:00:00", "pay": "1.25", "note": f"a note of some length, {n:03d} and more", "share": "0.5"}
        for n in range(30)
    ]
    after = [
        {"at": "2024-02-01 00:00:00", "pay": "7.00", "note": f"a note of some length, {n:03d}", "share": "2"}
        for n in range(30)
    ]
    found = told(engine, tmp_path, before, before, after, after)
    assert [(item.change, item.column, item.batch, item.first, item.detail) for item in found] == [
        ("narrowed", "at", 3, "file-3", "timestamp → date"),
        ("narrowed", "note", 3, "file-3", "texts are cut off at 26 characters"),
        ("narrowed", "pay", 3, "file-3", "decimal(8,2) → integer"),
        ("narrowed", "share", 3, "file-3", "float → integer"),
    ]
    assert not any("note of" in item.example for item in found)


def test_what_chance_may_do_is_no_change(engine: Engine, tmp_path: Path) -> None:
    rare = [{"pay": "1.50" if n == 0 else "1.00", "note": "x" * (1 + n % 5)} for n in range(40)]
    even = [{"pay": "1.00", "note": "x" * (1 + n % 3)} for n in range(40)]
    few = [{"pay": "1.00", "at": "2024-01-01 00:00:00"}]
    full = [{"at": "2024-01-01 10:00:00"} for _ in range(40)]
    assert told(engine, tmp_path, [*rare, *full], even, few) == []


CELLS = st.fixed_dictionaries(
    {},
    optional={
        "count": st.sampled_from(["1", "1.5", "x"]),
        "pay": st.sampled_from(["1.00", "2.00", "2.25"]),
        "at": st.sampled_from(["2024-01-01 00:00:00", "2024-01-01 10:00:00"]),
        "note": st.text("ab", max_size=3),
    },
)


@pytest.mark.long_on_spark
def test_layers_and_the_whole_say_the_same(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, examples: Examples
) -> None:
    @settings(max_examples=examples(engine, 10), deadline=None)
    @given(st.lists(st.lists(CELLS, max_size=4).map(lambda rows: rows * 12), min_size=1, max_size=4), st.integers(0, 3))
    def holds(batches: list[Rows], cut: int) -> None:
        folder = tmp_path_factory.mktemp("structure")
        numbered = list(enumerate(batches, 1))
        whole = seen(staged(engine, folder / "whole", numbered), {}, engine)
        layers: Structure = {}
        for part in filter(None, (numbered[:cut], numbered[cut:])):
            layers = seen(staged(engine, folder / f"from-{part[0][0]}", part), layers, engine)
        assert layers == whole

    holds()


@pytest.mark.parametrize("change", ["widened", "narrowed", "renamed_column"])
def test_the_policy_decides_and_the_error_shows_no_value(change: str) -> None:
    found = [Drift(change, "count", 1, "file-2", 2, "99.9", "total")]
    with pytest.raises(DataError) as caught:
        refuse("hr.t", Table.model_validate({"columns": COLUMNS, "drift": {change: "fail"}}), found)
    assert caught.value.code == "D002" and "as in 99.9" in caught.value.text()
    refuse("hr.t", Table.model_validate({"columns": COLUMNS, "drift": {change: "warn"}}), found)


@pytest.mark.parametrize(
    ("declared", "kind", "new", "share", "same"),
    [
        ("emp_no", "string", "EmpNo", 1.0, True),
        ("emp_no", "string", "employee_number", None, False),
        ("emp_no", "integer", "employee_number", 1.0, True),
        ("pay_date", "date", "PaymentDate", 1.0, True),
        ("pay_date", "date", "PaymentDate", 0.5, False),
        ("gross", "decimal(8,2)", "room", 1.0, False),
        ("rating", "integer", "rating_v2", None, True),
    ],
)
def test_a_missing_and_a_new_column_that_fit_are_one_renamed(
    declared: str, kind: str, new: str, share: float | None, same: bool
) -> None:
    table = Table.model_validate({"columns": {declared: {"type": kind}, "other": {}}})
    drifts = [Drift("new_column", new, 1, "b", 2, "Aa9"), Drift("missing_column", declared, 1, "b", 2)]
    found = renamed(table, drifts, lambda one, two: share)
    one = [Drift("renamed_column", declared, 1, "b", 2, "Aa9", new)]
    assert found == (one if same else drifts)


def test_a_column_that_came_with_another_object_is_no_new_name() -> None:
    table = Table.model_validate({"columns": {"emp_no": {}}})
    drifts = [Drift("new_column", "EmpNo", 1, "c", 3), Drift("missing_column", "emp_no", 1, "b", 2)]
    assert renamed(table, drifts, lambda one, two: 1.0) == drifts


def test_a_name_is_looked_for_among_columns_of_thousands_of_people() -> None:
    """By the square of the columns this would take hours; a name may also be a book."""
    table = Table.model_validate({"columns": {"emp_no": {}}})
    new = [Drift("new_column", f"k{number}x{'y' * 9_000}", 1, "b", 2) for number in range(30_000)]
    drifts = [*new, Drift("missing_column", "emp_no", 1, "b", 2)]
    assert renamed(table, drifts, lambda one, two: 1.0) == drifts
