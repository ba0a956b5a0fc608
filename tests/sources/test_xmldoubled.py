"""A record that repeats an element of which one value is taken costs itself, not the document."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sources.objects import SECRET, blob, parsed, refusal
from tests.sources.test_xml import ONE, payroll, source

from potable.errors import DataError
from potable.sources import wellformed, xmldoubled, xmlelements

COLUMNS: dict[str, Any] = {
    "a": {},
    "b": {"path": "x/b"},
    "n": {"path": "x/@n", "on_error": "null"},
    "both": {"path": ["y", "z"]},
    "own": {"path": "."},
}


def rows(tmp_path: Path, *records: str, encoding: str = "utf-8", pack: Any = bytes) -> list[dict[str, Any]]:
    document = f'<?xml version="1.0" encoding="{encoding}"?>' + payroll(
        *(f"<payslip>{each}</payslip>" for each in records)
    )
    return parsed(source(COLUMNS), blob(tmp_path, pack(document.encode(encoding))))


def cells(row: dict[str, Any]) -> dict[str, str]:
    return {name: row[name] for name in COLUMNS if row[name] is not None}


@pytest.mark.parametrize(
    ("record", "kept", "lost"),
    [
        ("<a>1</a><a>2</a>", {}, {"a": "1; 2"}),
        ("<a>1</a> <a>1</a><!-- c --><x n='3'><b>5</b></x>", {"b": "5", "n": "3"}, {"a": "1; 1"}),
        ("<a>1</a><a/>", {}, {"a": "1; "}),
        ("<a>1</a><a>2</a><a><![CDATA[<3]]></a>", {}, {"a": "1; 2; <3"}),
        ("u<a>1</a>v<a>2</a>w", {"own": "uvw"}, {"a": "1; 2"}),
        ("<x><b>1</b></x><x><b>2</b></x><a>7</a>", {"a": "7"}, {"b": "1; 2"}),
        ("<y>1</y><y>2</y><z>3</z>", {}, {"both": "1; 2"}),
        ("<a>&lt;é</a><a>&#252;</a>", {}, {"a": "<é; ü"}),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "utf-16"])
def test_a_repeated_element_costs_its_cells(
    tmp_path: Path, record: str, kept: dict[str, str], lost: dict[str, str], encoding: str
) -> None:
    found = rows(tmp_path, "<a>ä</a>", record, "<a>z</a>", encoding=encoding, pack=gzip.compress)
    assert [cells(row) for row in found] == [{"a": "ä"}, kept, {"a": "z"}]
    assert [row["_row"] for row in found] == [1, 2, 3]
    assert json.loads(found[1]["_unparsed"]) == lost
    assert found[1]["_mistyped"] == ",".join(f"{name}: stands more than once" for name in lost)
    assert not any(row["_unparsed"] or row["_mistyped"] for row in (found[0], found[2]))


def test_an_element_that_was_empty_so_far_has_given_no_value(tmp_path: Path) -> None:
    found = rows(tmp_path, "<a/><a>1</a>", "<a>1</a><a>2</a>", "<a></a><a><!-- c --></a>")
    assert [cells(row) for row in found] == [{"a": "1"}, {}, {}]
    assert [row["_mistyped"] for row in found] == [None, "a: stands more than once", None]


def test_an_element_with_values_inside_takes_these_along(tmp_path: Path) -> None:
    made = source({"x": {}, "b": {"path": "x/b", "on_error": "null"}, "c": {"path": "x/b/@c", "on_error": "null"}})
    document = payroll("<payslip><x>1</x><x>2<b c='4'>3</b></x></payslip>", "<payslip><x>5<b c='6'>7</b></x></payslip>")
    found = parsed(made, blob(tmp_path, document.encode()))
    assert [(row["x"], row["b"], row["c"]) for row in found] == [(None, None, None), ("5", "7", "6")]
    assert json.loads(found[0]["_unparsed"]) == {"x": "1; 2", "b": "; 3", "c": "; 4"}
    assert found[0]["_mistyped"] == "x: stands more than once"


RECORDS = st.lists(
    st.lists(
        st.sampled_from("abyz").flatmap(lambda name: st.tuples(st.just(name), st.sampled_from("123"))), max_size=5
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(records=RECORDS, batch=st.integers(1, 9), block=st.integers(1, 90))
def test_other_records_come_as_they_are_and_in_their_places(
    tmp_path_factory: pytest.TempPathFactory, records: list[list[tuple[str, str]]], batch: int, block: int
) -> None:
    documents = ["".join(f"<{name}>{value}</{name}>" for name, value in record) for record in records]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xmlelements, "_BATCH_ROWS", batch)
        patch.setattr(wellformed, "_BLOCK", block)
        found = rows(tmp_path_factory.mktemp("xml"), *documents)
    assert [row["_row"] for row in found] == list(range(1, len(records) + 1))
    for row, record in zip(found, records, strict=True):
        names = [name for name, _ in record]
        wanted = dict(record)
        assert row["a"] == (wanted.get("a") if names.count("a") < 2 else None)
        single = all(names.count(name) < 2 for name in "yz")
        assert row["both"] == ((wanted.get("y") or wanted.get("z")) if single else None)
        odd = [name for name, columns in (("a", "a"), ("both", "yz")) if any(names.count(each) > 1 for each in columns)]
        assert (row["_mistyped"] or "") == ",".join(f"{name}: stands more than once" for name in odd)


def test_a_document_full_of_them_is_refused_with_what_to_declare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xmldoubled, "_MOST", 3)
    twice = f"<payslip><empNo>{SECRET}</empNo><empNo>{SECRET}</empNo></payslip>"
    assert len(parsed(source(), blob(tmp_path, payroll(ONE, *[twice] * 3).encode()))) == 4
    with pytest.raises(DataError, match="declare a table whose `record` is the repeated element") as caught:
        parsed(source(), blob(tmp_path, payroll(ONE, *[twice] * 4).encode()))
    assert "repeats an element" in str(caught.value) and SECRET not in str(caught.value)


def test_what_repeats_by_design_is_told_from_the_first_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xmldoubled, "_SOME", 3)
    twice = "<payslip><empNo>a</empNo><empNo>b</empNo></payslip>"
    # one record in two may be odd; where more are, the others are not waited for
    assert len(parsed(source(), blob(tmp_path, payroll(*[ONE, twice] * 5).encode()))) == 10
    with pytest.raises(DataError, match="declare a table whose `record` is the repeated element"):
        parsed(source(), blob(tmp_path, payroll(ONE, *[twice] * 4, *[ONE] * 9).encode()))


def test_a_document_cut_behind_one_is_refused(tmp_path: Path) -> None:
    whole = payroll(ONE, "<payslip><empNo>a</empNo><empNo>b</empNo></payslip>", ONE)
    assert "ends before" in refusal(source(), blob(tmp_path, whole[:-20].encode()))
