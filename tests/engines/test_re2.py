"""Patterns find the same on every engine: what RE2 finds."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from potable.engines.base import Engine, collect

TEXTS = [
    *("", "a", "a\n", "a\r", "a\r\n", "b\na", "a\nb\n", "\n", "a\u2028", "\x85", "a\tb", "a\x0bb", "a\u00a0b", "\x0c"),
    *("É", "é", "e\u0301", "ß", "ẞ", "ſ", "K", "k", "K", "İ", "ı", "i", "I", "ǅ", "ﬁ", "日本", "🙂", "٣", "0", "٣a"),
    *("a.b", "aXb", "a-b", "a&b", "&", "a]b", "[", "{", "a{2", "aa", "x" * 12, "_", "a\\b", "a|b", "a\x00b", ":"),
]
PATTERNS = [
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


def test_patterns_of_the_test_are_res(tmp_path: Path) -> None:
    for pattern in PATTERNS:
        pc.match_substring_regex(pa.array(TEXTS), pattern)


def test_every_engine_finds_what_re2_finds(engine: Engine, tmp_path: Path) -> None:
    path = str(tmp_path / "texts.parquet")
    texts = pa.table({"n": range(len(TEXTS)), "text": TEXTS})
    pq.write_table(texts, path)
    rows = engine.read([path], texts.schema)
    found: dict[str, set[int]] = {}
    for start in range(0, len(PATTERNS), 40):
        asked = {f"p{start + place}": rows.text.re_search(p) for place, p in enumerate(PATTERNS[start : start + 40])}
        told = collect(engine, rows.select("n", **asked))
        for name in asked:
            found[name] = {n for n, has in zip(told["n"].to_pylist(), told[name].to_pylist(), strict=True) if has}
    wrong = {}
    for place, pattern in enumerate(PATTERNS):
        wanted = pc.match_substring_regex(pa.array(TEXTS), pattern).to_pylist()
        if odd := found[f"p{place}"] ^ {n for n, has in enumerate(wanted) if has}:
            wrong[pattern] = [TEXTS[n] for n in sorted(odd)]
    assert not wrong


def test_what_is_no_pattern_by_itself_is_searched_as_it_is(engine: Engine, tmp_path: Path) -> None:
    path = str(tmp_path / "pairs.parquet")
    pairs = pa.table({"text": ["abc", "abc"], "pattern": ["^a.c", "^b"]})
    pq.write_table(pairs, path)
    rows = engine.read([path], pairs.schema)
    assert collect(engine, rows.select(found=rows.text.re_search(rows.pattern)))["found"].to_pylist() == [True, False]
