"""Flat lines that are set alike: cut out without a position, to what the exact reader says, or left to it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from potable.sources.jsonflat import flat_texts
from potable.sources.jsontext import decode, text

TEXTS = st.text(st.characters(blacklist_characters='"\\', blacklist_categories=("Cs", "Cc")), max_size=5)
PLAIN = st.sampled_from(["0", "-0", "-0.0", "1.10", "1e5", "-2E-7", "12345678901234567890.5", "null", "true", "false"])
ODD = st.sampled_from(["01", "1.", "+1", "-", "", "NaN", "1,2", "[]", "{}", '"1"', "nul", " 1", "1 ", '"', '\\"', "\t"])
LINE = '{{"a": "{}", "b": {}, "c":{},"d" : "{}"}}'
ROWS = st.lists(st.tuples(TEXTS, PLAIN, PLAIN, TEXTS), min_size=1, max_size=5)


def exact(lines: list[str]) -> list[list[str | None]] | None:
    """What the exact reader says of the columns; None where one line is none."""
    try:
        records = [decode(line.encode()) for line in lines]
    except ValueError:
        return None
    return [[text(record.get(key)) for record in records] for key in "abd"]


def quick(lines: list[str]) -> list[list[str | None]] | None:
    """What the fast way says of the same columns."""
    found = flat_texts("\n".join(lines).encode(), len(lines), ["a", "b", "d", "e", "a.x"])
    return None if found is None else [found[key].to_pylist() for key in "abd"]


@given(ROWS)
def test_flat_lines_say_what_the_exact_reader_says(rows: list[Any]) -> None:
    lines = [LINE.format(*row) for row in rows]
    assert quick(lines) == exact(lines) is not None


@given(ROWS, st.integers(0, 4), st.integers(0, 3), ODD)
def test_a_value_that_is_none_leaves_the_lines_to_others(rows: list[Any], row: int, place: int, odd: str) -> None:
    broken = list(rows[row % len(rows)])
    broken[place] = odd
    lines = [LINE.format(*each) for each in [*rows, broken, *rows]]
    assert quick(lines) in (None, exact(lines))


@given(ROWS, st.integers(0, 30), st.integers(0, 3), st.sampled_from(["", '"', ",", ":", " ", "}", "{", "x", '"a":1,']))
def test_a_line_set_otherwise_leaves_them_to_others(rows: list[Any], at: int, cut: int, junk: str) -> None:
    lines = [LINE.format(*row) for row in rows]
    lines.append(lines[0][:at] + junk + lines[0][at + cut :])
    assert quick(lines) in (None, exact(lines))


@pytest.mark.parametrize(
    "line", ['{"a": 1, "a": 1}', '{"a": [1]}', "[1]", "{}", '{"a": "\\n"}', '{"a": "1"', '{"a\\"": 1}']
)
def test_other_lines_are_left_to_others(line: str) -> None:
    assert flat_texts("\n".join([line] * 3).encode(), 3, ["a"]) is None
