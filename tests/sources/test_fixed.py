"""Fixed-width files: fields by their place, whatever the encoding, and no record of another length read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.sources.objects import SECRET, blob, parsed, refusal, values

from potable.sources import fixed as module
from potable.sources.fixed import FixedSource


def source(columns: dict[str, Any] | None = None, **keys: Any) -> FixedSource:
    layout = {} if "fields" in keys else {"widths": {"a": 3, "b": 2}}
    table = {"columns": columns or {"a": {}, "b": {}}, **layout, **keys}
    return FixedSource.model_validate({"source": "s", "type": "fixed", "path": "x", "tables": {"t": table}})


def read(tmp_path: Path, data: bytes, columns: dict[str, Any] | None = None, **keys: Any) -> list[Any]:
    return values(parsed(source(columns, **keys), blob(tmp_path, data)), "_row", "a", "b")


PLAIN = [(1, "éü", "2"), (2, "xyz", None)]
TEXT = "éü  2\n\nxyz  \n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("text", [TEXT, TEXT.replace("\n", "\r\n"), TEXT.rstrip("\n")])
def test_encodings_and_packings_are_found(tmp_path: Path, encoding: str, pack: Any, text: str) -> None:
    assert read(tmp_path, pack(text.encode(encoding))) == PLAIN


@pytest.mark.parametrize("encoding", ["cp037", "cp500", "cp1252", "utf-8", "utf-16-le"])
@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_records_may_follow_one_another_without_newlines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, block: int
) -> None:
    made = source(encoding=encoding, newlines=False)
    monkeypatch.setattr(module, "_BLOCK", block)
    data = "éü  2xyz  ".encode(encoding)
    assert values(parsed(made, blob(tmp_path, data)), "_row", "a", "b") == PLAIN


def test_fields_are_where_they_are_said_to_be(tmp_path: Path) -> None:
    fields = {"key": {"start": 4, "length": 2}, "old": {"start": 1, "length": 2}, "new": {"start": 7, "length": 2}}
    columns = {"a": {"path": ["new", "old"]}, "b": {"path": "key", "type": "integer"}, "f": {"path": "@object"}}
    rows = parsed(
        source(columns, fields=fields, length=9, skip_lines=1), blob(tmp_path, b"HEAD\nAB-12/  .\nAB-0x/CD.\n")
    )
    assert values(rows, "a", "b", "f", "_unparsed") == [
        ("AB", 12, "object", None),
        ("CD", None, "object", '{"b": "0x"}'),
    ]


@pytest.mark.parametrize("line", ["ab", "abcdef", "x" * 100, "é"])
def test_a_record_of_another_length_costs_exactly_itself(tmp_path: Path, line: str) -> None:
    rows = parsed(source(), blob(tmp_path, f"aaa b\n{line}\nccc d\n".encode()))
    told = f"@record: {len(line)} characters instead of 5"
    assert values(rows, "_row", "a", "_mistyped") == [(1, "aaa", None), (2, None, told), (3, "ccc", None)]
    assert json.loads(rows[1]["_unparsed"]) == {"@record": line}


def test_a_record_cut_at_the_end_of_the_file_is_kept(tmp_path: Path) -> None:
    rows = parsed(source(newlines=False), blob(tmp_path, b"aaa bccc"))
    assert values(rows, "_row", "a", "_unparsed") == [(1, "aaa", None), (2, None, '{"@record": "ccc"}')]


def test_blanks_at_the_end_may_be_missing_where_it_is_said(tmp_path: Path) -> None:
    assert read(tmp_path, b"aaa b\na\nccc\n", trimmed=True) == [(1, "aaa", "b"), (2, "a", None), (3, "ccc", None)]


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\r\n", "\ufeff".encode()])
def test_a_file_without_records_has_none(tmp_path: Path, data: bytes) -> None:
    assert read(tmp_path, data) == []


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (SECRET.encode() * 400_000, {}),
        ("éaa b\n".encode() + b"\xe9aa b\n", {}),
        (gzip.compress(b"aaa b\n" * 90_000)[:-50], {}),
    ],
    ids=["endless line", "mixed", "half a gzip"],
)
def test_a_damaged_file_is_refused_without_its_content(tmp_path: Path, data: bytes, keys: dict[str, Any]) -> None:
    refusal(source(**keys), blob(tmp_path, data))


@pytest.mark.parametrize("newlines", [True, False])
def test_bytes_that_are_not_of_a_declared_encoding_cost_their_fields(tmp_path: Path, newlines: bool) -> None:
    between = b"\n" * newlines
    pieces = ["éaa b".encode(), b"a\xffa b", b"aaa \xff", b"aa\xffaa"]
    made, held = source(encoding="utf-8", newlines=newlines), blob(tmp_path, between.join(pieces))
    rows = parsed(made, held)
    assert values(rows, "_row", "a", "b", "_mistyped") == [
        (1, "éaa", "b", None),
        (2, None, "b", "a: not UTF-8"),
        (3, "aaa", None, "b: not UTF-8"),
        (4, None, "aa", "a: not UTF-8"),
    ]
    assert [made.record("t", held, ordinal) for ordinal in (1, 2, 3, 4)] == pieces


@pytest.mark.parametrize(
    "keys",
    [
        {"fields": {"a": {"start": 1, "length": 1}}, "widths": {"a": 1}},
        {"widths": {}},
        {"widths": {"a": 0, "b": 1}},
        {"widths": {"a": 1}},
        {"length": 4},
        {"fields": {"a": {"start": 0, "length": 1}, "b": {"start": 1, "length": 1}}},
        {"newlines": False, "trimmed": True},
        {"encoding": "klingon"},
    ],
    ids=["both", "none", "no width", "unknown field", "too short", "from 0", "trimmed records", "encoding"],
)
def test_a_layout_that_cannot_be_is_refused_in_the_project(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        source(**keys)


def test_the_encoding_that_was_found_is_told(tmp_path: Path) -> None:
    assert source().dialect("t", blob(tmp_path, "é".encode("cp1252"))) == {"encoding cp1252"}
    assert source().dialect("t", blob(tmp_path, b"a")) == set()
    assert source(encoding="cp1252").dialect("t", blob(tmp_path, "é".encode("cp1252"))) == set()


CELLS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1), lines=st.booleans(), block=st.integers(48, 120))
def test_any_table_of_texts_reads_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], lines: bool, block: int
) -> None:
    text = ("\n" if lines else "").join(f"{a:6}{b:>6}" for a, b in rows)
    made = source(widths={"a": 6, "b": 6}, newlines=lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", block)
        found = parsed(made, blob(tmp_path_factory.mktemp("fixed"), text.encode()))
    assert values(found, "a", "b") == rows
