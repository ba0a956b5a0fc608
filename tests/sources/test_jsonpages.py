"""Pages in JSON are read in two ways, and say the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sources.objects import blob, parsed, values

from potable.errors import DataError
from potable.sources import jsonpages
from potable.sources.blobs import Blob
from potable.sources.jsonloose import Unlike
from potable.sources.jsonpages import Sight, landed
from potable.sources.records import read_json
from potable.sources.rest import RestSource

COLUMNS: dict[str, Any] = {
    "a": {},
    "mail": {"path": ["user.mail", "mail"]},
    "dotted": {"path": 'user."x.y"'},
    "tags": {"path": "tags"},
    "deep": {"path": "user.in.é"},
    "n": {"path": "a", "type": "integer"},
    "file": {"path": "@object"},
}
NUMBERS = ["0", "-0", "1.10", "1e5", "-1.5E-300", "1e400", "9" * 30, "18446744073709551616", "-0.0", "-0.5", "7"]
TEXTS = [
    f'"{text}"' for text in ("", "0", "-0", "é😀", ":-0 ", "a", r"\u00e9", r"\ud83d\ude00", r"\u0000", r"\"\\", "[{")
]
ODD = [
    "NaN",
    "-Infinity",
    "01",
    "tru",
    '"\t"',
    '"\udcff"',
    r'"\q"',
    "[1,]",
    "",
    r'"\ud800"',
    r'"\udc00x"',
    r'"\ud800\u0041"',
]
KEYS = ["a", "user", "mail", "x.y", "tags", "in", "é", r"\u0061", "other", "", r"\ud800"]
SCALARS = (
    st.sampled_from(["null", "true", "false", *NUMBERS])
    | st.sampled_from(TEXTS)
    | st.text(max_size=5).map(json.dumps)
    | st.integers().map(str)
)
BLANKS = st.sampled_from(["", "", " ", "\n"])


def objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """The JSON of objects, some with a key that stands twice."""
    pairs = st.lists(st.tuples(st.sampled_from(KEYS[:-1]), BLANKS, inner), max_size=5)
    return pairs.map(
        lambda found: "{" + ", ".join(f'"{key}"{blank}:{blank}{value}' for key, blank, value in found) + "}"
    )


VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3).map(lambda found: "[" + ",".join(found) + "]") | objects(inner),
    max_leaves=8,
)
RECORDS = objects(VALUES)
PAGES = st.lists(RECORDS, max_size=5) | st.lists(VALUES, max_size=5)


def source(records: str = "data") -> RestSource:
    table = {"endpoint": "t", "records": records, "pagination": "none", "columns": COLUMNS}
    return RestSource.model_validate({"source": "s", "type": "rest", "url": "http://x", "tables": {"t": table}})


def said(made: RestSource, object_: Blob) -> Any:
    """All that a page says, or why it says nothing."""
    page = landed(object_, Sight(made.tables["t"].records, {}))
    beside = [page.at(path) for path in ("next", "meta.total", "meta", "none.at.all")]
    known = [number for number in range(page.records) if number + 1 not in page.odd]
    return (
        [{**row, "_unparsed": row["_unparsed"] and json.loads(row["_unparsed"])} for row in parsed(made, object_)],
        sorted(made.observe("t", object_) or []),
        [made.record("t", object_, number + 1) for number in range(page.records)],
        [read_json(page.record(number)) for number in known],
        beside if made.tables["t"].records else None,
    )


def outcome(made: RestSource, object_: Blob) -> Any:
    try:
        return said(made, object_)
    except DataError as refused:
        return refused.text()


def exact(*_: Any) -> Any:
    raise Unlike


def same_both_ways(made: RestSource, object_: Blob) -> None:
    with pytest.MonkeyPatch.context() as patch:
        quick = outcome(made, object_)
        patch.setattr(jsonpages, "_Quick", exact)
        assert outcome(made, object_) == quick


@settings(max_examples=150, deadline=None)
@given(records=PAGES, beside=VALUES, blank=BLANKS, twice=st.booleans(), where=st.sampled_from(["data", "meta.x.y", ""]))
def test_the_quick_way_says_what_the_exact_way_says(
    tmp_path_factory: pytest.TempPathFactory, records: list[str], beside: str, blank: str, twice: bool, where: str
) -> None:
    listed = f"[{blank}{f',{blank}'.join(records)}{blank}]"
    for step in reversed(where.split(".") if where else []):
        first = f'"{step}": 1, ' if twice else ""
        listed = f'{blank}{{{first}"next": {beside}, "{step}":{blank}{listed}}}{blank}'
    same_both_ways(source(where), blob(tmp_path_factory.mktemp("p"), listed.encode("utf-8", "surrogateescape")))


@pytest.mark.parametrize("odd", [*ODD, *NUMBERS, *TEXTS])
@pytest.mark.parametrize("where", ['{"a": %s}', '{"tags": [%s]}', '{"other": [%s]}', '{"user": %s}', "%s"])
def test_what_is_odd_is_read_or_refused_as_ever(tmp_path: Path, where: str, odd: str) -> None:
    text = f'{{"data": [{{"a": "x", "user": {{"mail": "y"}}}}, {where % odd}, {{"a": 0}}], "next": {odd or 1}}}'
    for data in (text.encode("utf-8", "surrogateescape"), text.replace(" ", "").encode("utf-8", "surrogateescape")):
        same_both_ways(source(), blob(tmp_path, data))


WHOLE = b'{"data": [{"a": 1, "tags": [1.10], "user": {"mail": "\xc3\xa9"}}], "next": "c"}'


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + WHOLE,
        WHOLE.decode().encode("utf-16"),
        WHOLE.decode().encode("utf-32-le"),
        WHOLE[:-1],
        WHOLE + b"x",
        WHOLE + b"\x00",
        WHOLE + b" \n",
        WHOLE.replace(b"\xa9", b""),
        b'{"data": {}}',
        b'{"data": null}',
        b"[]",
        b"7",
        b"",
        b'{"data": [{"a": ' + b"[" * 200 + b"]" * 200 + b"}]}",
        b'{"data": [{"other": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
    ],
    ids=range(15),
)
def test_a_page_of_any_form_is_read_or_refused_as_ever(tmp_path: Path, body: bytes) -> None:
    same_both_ways(source(), blob(tmp_path, body))


def test_what_most_pages_have_is_read_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("read the exact way")

    monkeypatch.setattr(jsonpages, "_Exact", never)
    records = [
        {"a": 0, "user": {"mail": "x", "in": {"\u00e9": True}}, "other": [{"a": -0.5}]},
        {"a": 1.5, "user": "unknown", "mail": "y", "tags": [1, {"b": 2.50}]},
        {"a": "-0", "user": [], "mail": 7},
        {"user": None},
    ]
    object_ = blob(tmp_path, json.dumps({"data": records, "next": None}, ensure_ascii=False).encode())
    rows = parsed(source(), object_)
    assert values(rows, "a", "mail", "deep", "tags") == [
        ("0", "x", "true", None),
        ("1.5", "y", None, '["1", {"b": "2.5"}]'),
        ("-0", "7", None, None),
        (None, None, None, None),
    ]
    assert "other" in (source().observe("t", object_) or ())


def test_the_rows_of_quick_and_exact_pages_share_batches(tmp_path: Path) -> None:
    quick, slow = b'{"data": [{"a": "1"}, {"a": "2"}]}', b'{"data": [{"a": "3"}, null, {"a": -0}]}'
    pages = [blob(tmp_path, data, name) for name, data in {"p": quick, "q": slow, "r": quick}.items()]
    pages[0] = replace(pages[0], skip=(1,))
    pages[1] = replace(pages[1], skip=(1,))
    odd, rows = source().parse_all("t", pages)
    assert odd["_row"].to_pylist() == [2] and odd["_object"].to_pylist() == ["q"]
    assert list(zip(*(rows[name].to_pylist() for name in ("_object", "_row", "a", "file")), strict=True)) == [
        ("p", 2, "2", "p"),
        ("q", 3, "-0", "q"),
        ("r", 1, "1", "r"),
        ("r", 2, "2", "r"),
    ]
