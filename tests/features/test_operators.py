from typing import Any

import ibis
import pyarrow as pa
import pytest

from potable.engines.base import Engine, collect
from potable.features.aggregates import AGGREGATES
from potable.features.language import parse
from potable.privacy.operators import OPERATORS


def applied(engine: Engine, text: str, values: list[Any], kind: str) -> list[Any]:
    """The values after an operator written as in features.yaml."""
    (call,) = parse(f"latest(x) | {text}", AGGREGATES).operators
    operator = OPERATORS[call.name]
    names = list(operator.arguments)
    arguments = {names[0] if name is None else name: value for name, value in call.arguments}
    assert operator.problem(arguments, {"int64": "integer", "float64": "float"}.get(kind, kind)) == ""
    given = pa.table({"x": pa.array(values, ibis.dtype(kind).to_pyarrow())})
    table = engine.map_items([given], pa.Table.to_batches, given.schema)
    shown = collect(engine, table.select(x=table.x, y=operator.apply(table.x, arguments)))
    pairs = {row["x"]: row["y"] for row in shown.to_pylist()}
    return [pairs[value] for value in values]


def test_band_is_half_open_and_names_its_bands(engine: Engine) -> None:
    assert applied(engine, "band([30000, 60000])", [29999.99, 30000.0, 59999.0, 60000.0, None], "float64") == [
        "<30000",
        "30000-60000",
        "30000-60000",
        ">=60000",
        None,
    ]
    assert applied(engine, "band([0.5], labels=['low', 'high'])", [0, 1, None], "int64") == ["low", "high", None]


def test_round_goes_to_the_nearest_step_halves_up(engine: Engine) -> None:
    assert applied(engine, "round(0.01)", [0.124, 0.125, -0.125, None], "float64") == [0.12, 0.13, -0.12, None]
    assert applied(engine, "round(1000)", [1499, 1500, -1500], "int64") == [1000, 2000, -1000]


def test_round_takes_a_half_as_it_is_written_not_as_a_float_holds_it(engine: Engine) -> None:
    halves = [1287.215, 2189.845, -287.225, 2.675, 1.005, 0.285, 12345678.015]
    assert applied(engine, "round(0.01)", halves, "float64") == [
        1287.22,
        2189.85,
        -287.22,
        2.68,
        1.01,
        0.29,
        12345678.02,
    ]
    assert applied(engine, "round(0.01)", [1287.214999, 12345678.0149], "float64") == [1287.21, 12345678.01]
    assert applied(engine, "round(0.3)", [0.45, 0.449999], "float64") == [0.6, 0.3]
    assert applied(engine, "round(1)", [2**51 + 1, -(2**51) - 1], "int64") == [2**51 + 1, -(2**51) - 1]


def test_clip_keeps_null_and_the_middle(engine: Engine) -> None:
    assert applied(engine, "clip(min=0, max=40)", [-1, 7, 41, None], "int64") == [0, 7, 40, None]
    assert applied(engine, "clip(max=0.5)", [0.25, 0.75], "float64") == [0.25, 0.5]


def test_generalise_hides_what_its_map_does_not_name(engine: Engine) -> None:
    groups = "generalise({Delhi='North', 'Chennai': 'South'}"
    assert applied(engine, f"{groups})", ["Delhi", "Chennai", "Goa", None], "string") == [
        "North",
        "South",
        "other",
        None,
    ]
    assert applied(engine, f"{groups}, other='rest')", ["Goa"], "string") == ["rest"]
    assert applied(engine, "generalise(prefix=2)", ["10115", "", None], "string") == ["10", "", None]


def test_words_rename_and_year_truncates(engine: Engine) -> None:
    assert applied(engine, "words(true='Left', false='Stayed')", [True, False, None], "boolean") == [
        "Left",
        "Stayed",
        None,
    ]
    assert applied(engine, "words(a='b')", ["a", "c", None], "string") == ["b", "c", None]
    from datetime import date

    assert applied(engine, "year", [date(2024, 12, 31), None], "date") == [2024, None]


@pytest.mark.parametrize(
    ("name", "arguments", "kind"),
    [
        ("band", {}, "float"),
        ("band", {"edges": ("a",)}, "float"),
        ("band", {"edges": (2, 1)}, "float"),
        ("band", {"edges": (1,), "labels": ("a",)}, "float"),
        ("band", {"edges": (1,), "labels": (1, 2)}, "float"),
        ("round", {"step": 0}, "float"),
        ("round", {"step": 0.5}, "integer"),
        ("round", {}, "float"),
        ("clip", {}, "float"),
        ("clip", {"min": 2, "max": 1}, "float"),
        ("clip", {"min": 0.5}, "integer"),
        ("generalise", {}, "string"),
        ("generalise", {"prefix": 0}, "string"),
        ("generalise", {"map": {"a": 1}}, "string"),
        ("year", {"x": 1}, "date"),
        ("words", {"true": "x"}, "boolean"),
        ("words", {}, "string"),
    ],
)
def test_wrong_arguments_are_named(name: str, arguments: dict[str, Any], kind: str) -> None:
    assert OPERATORS[name].problem(arguments, kind)
