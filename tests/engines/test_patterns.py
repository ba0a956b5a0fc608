"""Patterns mean on every engine what they mean in RE2."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st
from tests.tried import tried

from potable.columns import is_re2
from potable.engines.base import Engine, collect
from potable.engines.patterns import java

TEXTS = [
    "",
    "a",
    "A",
    "Z",
    "é",
    "e\u0301",
    "ß",
    "ı",
    "K",
    "ſ",
    "Σ",
    "𝒳",
    "a\nb",
    "a\n",
    "\n",
    "a\r",
    "a\u2028b",
    "\x85",
]
TEXTS += [
    "a\x0bb",
    "i É",
    "{",
    "a{,2}",
    "]a",
    "a&&b",
    "&",
    "-",
    "^",
    "\\",
    "a_1",
    "[:alpha:]",
    "b-c",
    "été",
    "a b",
    "aaaa",
]
SURE = [
    "^a$",
    "a.b",
    "^.$",
    r"\bb\b",
    "[[:alpha:]]",
    r"^\s$",
    r"\S",
    r"^\w$",
    "[a&&b]",
    "[a-z&&[^b]]",
    "a{,2}",
    "{",
    "]",
    "[]a]",
]
SURE += [
    "^$",
    r"é\b",
    "^[^a-z]*$",
    r"[\d]",
    r"[\s]",
    "a|",
    r"\.",
    r"[\]\-]",
    "[a-]",
    "[-a]",
    "[^]a]",
    r"\x41",
    r"\x{e9}",
    "^(?:a|b)$",
]
SURE += [
    "(?s)a.b",
    "(?s)^.$",
    "a{2}",
    "a{2,}?",
    "(ab)?c",
    "(a){4}",
    r"\Aa\z",
    "[^^]",
    r"a\)*",
    "[[]",
    r"[\x00-\x7f]",
    r"[^\w]",
    "é+$",
]
UNSURE = [
    r"(?i)é",
    r"\pL",
    r"\p{Greek}",
    "(?P<x>a)",
    r"\Qa\E",
    "(?m)^b$",
    r"\141",
    r"\B",
    "(a|b)*",
    "(?:a+)+$",
    r"[\S]",
    r"[[:^alpha:]]",
]
UNSURE += ["a*+" if is_re2("a*+") else "(a)+", r"[[:punct:]]", r"\C"]


def re2(pattern: str, texts: list[str]) -> list[bool]:
    found: list[bool] = pc.match_substring_regex(pa.array(texts, pa.string()), pattern).to_pylist()
    return found


def test_every_pattern_finds_on_every_engine_what_it_finds_in_re2(engine: Engine, tmp_path: Path) -> None:
    table = pa.table({"n": range(len(TEXTS)), "text": TEXTS})
    pq.write_table(table, tmp_path / "texts.parquet")
    rows = engine.read([str(tmp_path / "texts.parquet")], table.schema)
    patterns = [*SURE, *UNSURE]
    found = rows.select("n", **{f"p{index}": rows.text.re_search(each) for index, each in enumerate(patterns)})
    made = collect(engine, found.order_by("n"))
    wrong = [each for index, each in enumerate(patterns) if made[f"p{index}"].to_pylist() != re2(each, TEXTS)]
    assert wrong == []


@pytest.mark.parametrize("pattern", SURE)
def test_common_patterns_are_left_to_java(pattern: str) -> None:
    assert java(pattern) is not None


@pytest.mark.parametrize("pattern", UNSURE)
def test_others_are_not(pattern: str) -> None:
    assert java(pattern) is None


@tried(
    500,
    st.text(st.sampled_from("ab\\[]^$.*+?{}()|-&:,12sdwSbBéß \n"), max_size=12),
    st.lists(st.sampled_from(TEXTS), max_size=8),
)
def test_what_is_left_to_java_means_the_same_there(pattern: str, texts: list[str]) -> None:
    """As far as Python reads it like Java: it knows no sets in sets, and says `\\Z` for `\\z`."""
    told = java(pattern) if is_re2(pattern) else None
    if told is not None:
        searched = re.compile(told.replace("\\\\", "\\x5c").replace("\\z", "\\Z"), re.ASCII).search
        assert [searched(text) is not None for text in texts] == re2(pattern, texts)


def test_floats_are_written_alike_on_every_engine(engine: Engine, tmp_path: Path) -> None:
    numbers = [
        0.0,
        -0.0,
        0.1,
        2e-3,
        1e-4,
        1e-5,
        5e-324,
        1e7,
        1e15,
        1e16,
        1e23,
        2**-44,
        123456789.123,
        float("nan"),
        float("-inf"),
    ]
    table = pa.table({"n": range(len(numbers)), "number": numbers})
    pq.write_table(table, tmp_path / "numbers.parquet")
    rows = engine.read([str(tmp_path / "numbers.parquet")], table.schema)
    made = collect(engine, rows.select("n", text=rows.number.cast("string")).order_by("n"))
    assert made["text"].to_pylist() == [repr(number) for number in numbers]
