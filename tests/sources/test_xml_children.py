"""Repeated children as tables of their own: every child once, under its parent, at its place."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from pydantic import ValidationError
from tests.sources.objects import SECRET, blob, parsed, refusal, values

from potable.sources import xmlelements
from potable.sources.xml import XmlSource

RECORD = "/payroll/payslip/deductions/deduction"
COLUMNS: dict[str, Any] = {
    "emp": {"path": "/payroll/payslip/empNo"},
    "slip": {"path": "../../@id"},
    "slip_no": {"path": "../../#", "type": "integer"},
    "line": {"path": "#", "type": "integer"},
    "code": {"path": "@code"},
    "amount": {"path": "amount"},
    "period": {"path": "/payroll/@period"},
}
DOCUMENT = """<payroll period="2020-01"><payslip id="s1"><deductions>
<deduction code="A"><amount>1</amount></deduction><deduction code="B"/><note>x</note></deductions>
<empNo>e1</empNo></payslip><payslip id="s2"><empNo>e2</empNo></payslip><trailer/><payslip id="s3"><empNo>e3</empNo>
<deductions/><deductions><deduction code="C"/></deductions><deductions><deduction code="D"/></deductions></payslip>
</payroll>"""


def source(columns: dict[str, Any], record: str, **others: dict[str, Any]) -> XmlSource:
    tables = {"t": {"record": record, "columns": columns}, **others}
    return XmlSource.model_validate({"source": "s", "type": "xml", "path": "x", "tables": tables})


def read(folder: Path, document: str, columns: dict[str, Any], record: str) -> list[tuple[Any, ...]]:
    return values(parsed(source(columns, record), blob(folder, document.encode())), *columns)


@pytest.mark.parametrize("rows", [1, 2, 16_384])
def test_children_know_their_parent_and_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(xmlelements, "_BATCH_ROWS", rows)
    assert read(tmp_path, DOCUMENT, COLUMNS, RECORD) == [
        ("e1", "s1", 1, 1, "A", "1", "2020-01"),
        ("e1", "s1", 1, 2, "B", None, "2020-01"),
        ("e3", "s3", 3, 1, "C", None, "2020-01"),
        ("e3", "s3", 3, 2, "D", None, "2020-01"),
    ]


def test_a_record_may_be_its_own_text(tmp_path: Path) -> None:
    document = "<p><s><no>a</no><d k='x'> 1 </d><d/><d>2<e>5</e>3</d></s><s><no>b</no><d k='y'>4</d></s></p>"
    columns = {"no": {"path": "../no"}, "v": {"path": "."}, "k": {"path": "@k"}, "e": {"path": "e"}}
    assert read(tmp_path, document, columns, "/p/s/d") == [
        ("a", "1", "x", None),
        ("a", None, None, None),
        ("a", "23", None, "5"),
        ("b", "4", "y", None),
    ]
    held = blob(tmp_path, document.encode())
    made = source(columns, "/p/s/d")
    assert made.observe("t", held) == {"../no", ".", "@k", "e"}
    assert values(parsed(source({"v": {"path": "."}}, "/p/s/no"), held), "v") == ["a", "b"]
    assert values(parsed(source({"v": {"path": "."}}, "/p"), blob(tmp_path, b"<p>7</p>")), "v") == ["7"]


def test_children_that_stand_directly_in_their_parent(tmp_path: Path) -> None:
    document = "<p><s><d>1</d><no>a</no><d>2</d></s><s><no>b</no></s><s><d>3</d><no>c</no></s></p>"
    columns = {"no": {"path": "../no"}, "line": {"path": "#"}, "kind": {"path": "@k"}, "s": {"path": "/p/s/#"}}
    assert read(tmp_path, document, columns, "/p/s/d") == [
        ("a", "1", None, "1"),
        ("a", "2", None, "1"),
        ("c", "1", None, "3"),
    ]


def test_values_may_come_from_several_elements_above(tmp_path: Path) -> None:
    document = """<c><dep n="1"><emp><rev>a</rev><rev>b</rev><no>e1</no></emp><emp><no>e2</no></emp></dep><dep n="2"/>
    <dep n="3"><emp><no>e3</no></emp><emp><rev>c</rev><no>e4</no></emp></dep></c>"""
    columns = {"dep": {"path": "../../@n"}, "no": {"path": "../no"}, "emp": {"path": "../#"}, "line": {"path": "#"}}
    expected = [("1", "e1", "1", "1"), ("1", "e1", "1", "2"), ("3", "e4", "4", "1")]
    assert read(tmp_path, document, columns, "/c/dep/emp/rev") == expected


def test_a_position_alone_is_the_place_in_the_document(tmp_path: Path) -> None:
    assert values(parsed(source({"n": {"path": "#"}}, RECORD), blob(tmp_path, DOCUMENT.encode())), "n") == list("1234")


@pytest.mark.parametrize(
    "path", ["../../../no", "../../../../@x", "/payroll/head/no", "/payroll/#", "../../a/#", "a/#"]
)
def test_what_is_not_around_the_record_is_refused_in_the_project(path: str) -> None:
    with pytest.raises(ValidationError):
        source({"x": {"path": path}}, RECORD)


def test_a_parent_that_repeats_a_value_is_refused(tmp_path: Path) -> None:
    twice = f"<payroll><payslip><empNo>{SECRET}</empNo><empNo>b</empNo><deductions><deduction/></deductions></payslip></payroll>"
    assert "repeats" in refusal(source(COLUMNS, RECORD), blob(tmp_path, twice.encode()))
    attribute = twice.replace("<empNo>b</empNo>", '<x v="1"/><x v="2"/>').replace(SECRET, "a")
    columns = {"x": {"path": "../../x/@v"}}
    assert "repeats" in refusal(source(columns, RECORD), blob(tmp_path, attribute.encode()))


def test_what_is_read_as_a_table_of_its_own_has_not_drifted(tmp_path: Path) -> None:
    made = source({"emp": {"path": "empNo"}}, "/payroll/payslip", child={"record": RECORD, "columns": COLUMNS})
    held = blob(tmp_path, DOCUMENT.encode())
    # an empty element around them is none either
    assert made.observe("t", held) == {"@id", "empNo", "deductions/note"}
    kept = source({"d": {"path": "deductions"}}, "/payroll/payslip", child={"record": RECORD, "columns": COLUMNS})
    assert "deductions" in (kept.observe("t", held) or ())
    assert made.observe("child", held) == {"@code", "amount", "deduction", "#", "../../#", "../../@id"} - {"deduction"}


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters="￾￿"), max_size=8)


@st.composite
def trees(draw: st.DrawFn) -> etree._Element:
    """A company of departments, people and reviews, between and inside of which other things stand."""
    root = etree.Element("c")

    def grow(parent: etree._Element, names: tuple[str, ...]) -> None:
        for _ in range(draw(st.integers(0, 3))):
            if draw(st.booleans()):
                etree.SubElement(parent, "other").text = draw(TEXTS)
            child = etree.SubElement(parent, names[0])
            if draw(st.booleans()):
                child.set("id", draw(TEXTS))
            value = etree.Element("v")
            value.text = draw(TEXTS)
            value.append(
                draw(st.sampled_from([etree.Comment("x"), etree.ProcessingInstruction("p"), etree.Element("b")]))
            )
            value[0].tail = draw(TEXTS)
            if names[1:]:
                grow(child, names[1:])
            child.insert(draw(st.integers(0, len(child))), value)

    grow(root, ("d", "e", "r"))
    return root


def slowly(root: etree._Element) -> list[tuple[Any, ...]]:
    """The rows of /c/d/e/r by the DOM, in slow obvious Python."""

    def own(element: etree._Element) -> str | None:
        value = element.find("v")
        assert value is not None
        text = (value.text or "") + "".join(child.tail or "" for child in value)
        return text.strip() or None

    rows: list[tuple[Any, ...]] = []
    people = 0
    for department in root.findall("d"):
        for person in department.findall("e"):
            people += 1
            for line, review in enumerate(person.findall("r"), 1):
                ids = [(element.get("id") or "").strip() or None for element in (department, review)]
                texts = [own(element) for element in (department, person, review)]
                rows.append((*ids, *texts, str(people), str(line)))
    return rows


@settings(deadline=None)
@given(tree=trees(), rows=st.integers(1, 4), encoding=st.sampled_from(["utf-8", "utf-16"]))
def test_any_tree_reads_as_the_dom_does(
    tmp_path_factory: pytest.TempPathFactory, tree: etree._Element, rows: int, encoding: str
) -> None:
    columns = {
        "department": {"path": "../../@id"},
        "review": {"path": "@id"},
        "dv": {"path": "/c/d/v"},
        "ev": {"path": "../v"},
        "rv": {"path": "v"},
        "n": {"path": "../#"},
        "line": {"path": "#"},
    }
    sink = io.BytesIO()
    etree.ElementTree(tree).write(sink, encoding=encoding, xml_declaration=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xmlelements, "_BATCH_ROWS", rows)
        found = parsed(source(columns, "/c/d/e/r"), blob(tmp_path_factory.getbasetemp(), sink.getvalue(), "tree"))
    assert values(found, *columns) == slowly(tree)
