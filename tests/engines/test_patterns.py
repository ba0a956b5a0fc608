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
TEXTS += [
    *("", "a", "a\n", "a\r", "a\r\n", "b\na", "a\nb\n", "\n", "a\u2028", "\x85", "a\tb", "a\x0bb", "a\u00a0b", "\x0c"),
    *("É", "é", "e\u0301", "ß", "ẞ", "ſ", "K", "k", "K", "İ", "ı", "i", "I", "ǅ", "ﬁ", "日本", "🙂", "٣", "0", "٣a"),
    *("a.b", "aXb", "a-b", "a&b", "&", "a]b", "[", "{", "a{2", "aa", "x" * 12, "_", "a\\b", "a|b", "a\x00b", ":"),
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

OTHERS = [
    *("a$", "^a$", "(?m)a$", "(?m)^a", "(?m)^$", "(?m)^b$", r"a\z", r"\Aa", "^$", "^", "$", "", "^^a$$"),
    *(".", "^.$", "^..$", "(?s)^.$", "(?s)a.b", "(?s:a.)b", "a(?s).(?-s).", "a.b"),
    *(r"\s", r"^\S+$", r"^\s*$", r"\w", r"\W", r"\d", r"\D", r"\b", r"\bé", r"a\b", r"\Ba", r"^\B$", r"(?i)^\W$"),
    *("[[:alpha:]]", "^[[:^alpha:]]+$", "[[:word:]]", "[[:space:]]", "[[:punct:]]", r"[\s\S]", r"[\d\-x]", r"[^\W]"),
    *(r"\pL", r"^\PL$", r"\p{Lu}", r"\p{Greek}", r"\p{Han}", r"[^\pL]", r"\p{^L}", r"(?i)\p{Lu}", r"[\pN_]"),
    *("(?i)é", "(?i)k", "(?i)S", "(?i)ß", "(?i)i", "(?i)[a-k]", "(?i)[^k]", "(?i:K)|a", "(?i)ﬁ", "(?i)[É]", "(?i)aX"),
    *("[a&&b]", "[a-z&&[b]]", "[[]", "[a[b]", "[]a]", "[^]a]", "[a-]", "[-a]", "[#-&]", "[&-a]", "[+--]", r"[\]]"),
    *("(?P<x>a)(?P<y>b)?", "(a|b)*$", "(|a)b", "a||b", "a{2}", "a{2,}", "a{1,2}?$", "a{,2}", "a{", "{", "}", "]"),
    *(r"\Qa.b\E", r"\Qa\E+$", r"\Q[\E", r"\Q", r"\x{1F642}", r"\xe9", r"\x{e9}", r"\0", r"\101", r"\.", r"\-", r"\\"),
    *(r"\a", r"\f|\n", r"\v", r"\t", r"[\x00-\x1f]", r"[\x{80}-\x{10FFFF}]", "a*?$", "(?U)a+", "(?U)^a*", "a#b", "[é]"),
    *("^[a-zäöü]+$", r"^[\w.%+-]+@", r"^\d{4}-\d\d$", "🙂+$", "(?:a|b(?i)c|K)"),
]


def re2(pattern: str, texts: list[str]) -> list[bool]:
    found: list[bool] = pc.match_substring_regex(pa.array(texts, pa.string()), pattern).to_pylist()
    return found


def test_every_pattern_finds_on_every_engine_what_it_finds_in_re2(engine: Engine, tmp_path: Path) -> None:
    table = pa.table({"n": range(len(TEXTS)), "text": TEXTS})
    pq.write_table(table, tmp_path / "texts.parquet")
    rows = engine.read([str(tmp_path / "texts.parquet")], table.schema)
    patterns, wrong = [*SURE, *UNSURE, *OTHERS], []
    for some in (patterns[start : start + 40] for start in range(0, len(patterns), 40)):
        found = rows.select("n", **{f"p{index}": rows.text.re_search(each) for index, each in enumerate(some)})
        made = collect(engine, found.order_by("n"))
        wrong += [each for index, each in enumerate(some) if made[f"p{index}"].to_pylist() != re2(each, TEXTS)]
    assert wrong == []


def test_what_is_no_pattern_by_itself_is_searched_as_it_is(engine: Engine, tmp_path: Path) -> None:
    path = str(tmp_path / "pairs.parquet")
    pairs = pa.table({"text": ["abc", "abc"], "pattern": ["^a.c", "^b"]})
    pq.write_table(pairs, path)
    rows = engine.read([path], pairs.schema)
    assert collect(engine, rows.select(found=rows.text.re_search(rows.pattern)))["found"].to_pylist() == [True, False]


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
