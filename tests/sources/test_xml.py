"""XML: every record at its place, and no document taken for whole that is not."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.sources.objects import SECRET, blob, parsed, refusal, values

from potable.sources import wellformed, xmlelements
from potable.sources import xml as module
from potable.sources.blobs import Blob
from potable.sources.xml import XmlSource

COLUMNS: dict[str, Any] = {
    "no": {"path": ["empNo", "employee/no"]},
    "id": {"path": "@id"},
    "gross": {"type": "decimal(12,2)"},
    "currency": {"path": "gross/@currency"},
    "period": {"path": "/payroll/@period"},
}
ONE = '<payslip id="1"><empNo>a</empNo><gross currency="EUR">5.00</gross></payslip>'


def source(columns: dict[str, Any] | None = None, record: str = "/payroll/payslip") -> XmlSource:
    table = {"record": record, "columns": columns or COLUMNS}
    return XmlSource.model_validate({"source": "s", "type": "xml", "path": "x", "tables": {"t": table}})


def payroll(*records: str, attributes: str = "") -> str:
    return f"<payroll{attributes}>{''.join(records)}</payroll>"


def read(tmp_path: Path, document: str | bytes, *names: str, made: XmlSource | None = None) -> list[Any]:
    raw = document if isinstance(document, bytes) else document.encode()
    return values(parsed(made or source(), blob(tmp_path, raw)), *(names or ("no",)))


def test_elements_and_attributes_become_columns(tmp_path: Path) -> None:
    rows = parsed(source(), blob(tmp_path, payroll(ONE, ONE).encode()))
    assert [str(value) for value in values(rows, "no", "id", "gross", "currency")[0]] == ["a", "1", "5.00", "EUR"]
    assert values(rows, "_row", "_object") == [(1, "object"), (2, "object")]


def test_two_layouts_are_read_by_several_paths(tmp_path: Path) -> None:
    document = payroll(ONE, "<payslip><employee><no>b</no></employee></payslip>")
    assert read(tmp_path, document) == ["a", "b"]


@pytest.mark.parametrize(
    "document",
    [
        f'<payroll xmlns="urn:x">{ONE}</payroll>',
        '<p:payroll xmlns:p="urn:p" xmlns:q="urn:q"><p:payslip q:id="1"><p:empNo>a</p:empNo></p:payslip></p:payroll>',
        '<payroll><payslip xmlns="urn:late" id="1"><empNo>a</empNo></payslip></payroll>',
    ],
    ids=["default", "prefixes", "declared below"],
)
def test_namespaces_and_prefixes_do_not_matter(tmp_path: Path, document: str) -> None:
    assert read(tmp_path, document, "no", "id") == [("a", "1")]
    prefixed = source({"no": {"path": "x:empNo"}, "id": {"path": "@x:id"}}, "/x:payroll/x:payslip")
    assert read(tmp_path, document, "no", "id", made=prefixed) == [("a", "1")]


def test_an_attribute_of_the_root_is_in_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xmlelements, "_BATCH_ROWS", 2)
    document = payroll(*[ONE] * 5, attributes=' xmlns:q="u" q:period="2012-03"')
    assert read(tmp_path, document, "_row", "period") == [(n, "2012-03") for n in range(1, 6)]
    assert read(tmp_path, payroll(ONE), "period") == [None]


@pytest.mark.parametrize(
    "path", ["/payroll/head/period", "/other/@period", "/payroll/period", "a//b", "../x", "a/@b/c", ""]
)
def test_paths_that_lie_outside_the_record_are_refused_in_the_project(path: str) -> None:
    with pytest.raises(ValidationError):
        source({"x": {"path": path}})


@pytest.mark.parametrize("record", ["payslip", "payroll/payslip", "//payslip", "/payroll/@id", "/"])
def test_a_record_is_a_path_from_the_root(record: str) -> None:
    with pytest.raises(ValidationError):
        source(record=record)


def test_records_without_any_of_the_values_keep_their_place(tmp_path: Path) -> None:
    document = payroll(
        "<payslip/>", ONE, "<head><empNo>x</empNo></head>", "<payslip><x>1</x></payslip>", ONE, "<foot/>"
    )
    assert read(tmp_path, document, "_row", "no") == [(1, None), (2, "a"), (3, None), (4, "a")]


def test_columns_may_all_come_from_elsewhere(tmp_path: Path) -> None:
    made = source({"o": {"path": "@object"}, "period": {"path": "/payroll/@period"}})
    assert (
        read(tmp_path, payroll(ONE, ONE, attributes=' period="p"'), "o", "period", made=made) == [("object", "p")] * 2
    )


def test_one_place_may_serve_two_columns(tmp_path: Path) -> None:
    made = source({"a": {"path": "gross"}, "b": {"path": "gross", "type": "float"}})
    assert read(tmp_path, payroll(ONE), "a", "b", made=made) == [("5.00", 5.0)]


def test_deep_and_shallow_records(tmp_path: Path) -> None:
    months = "".join(f"<month><n/>{payroll(ONE)}</month>" for _ in range(3))
    assert (
        read(tmp_path, f"<all>{months}</all>", made=source({"no": {"path": "empNo"}}, "/all/month/payroll/payslip"))
        == ["a"] * 3
    )
    assert read(tmp_path, ONE, made=source({"no": {"path": "empNo"}}, "/payslip")) == ["a"]


def test_texts_are_put_together(tmp_path: Path) -> None:
    document = payroll("<payslip><empNo> x&amp;<![CDATA[<y> &no;]]><!-- c -->&#233;<?pi d?>z\n</empNo></payslip>")
    assert read(tmp_path, document) == ["x&<y> &no;éz"]


@pytest.mark.parametrize(
    ("slip", "value"),
    [
        ("<payslip/>", None),
        ("<payslip><empNo/></payslip>", None),
        ("<payslip><empNo></empNo></payslip>", None),
        ("<payslip><empNo> \n\t </empNo></payslip>", None),
        ('<payslip><empNo xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"/></payslip>', None),
        ("<payslip><empNo>a<b>no</b>c</empNo></payslip>", "ac"),
        ("<payslip><empNo>\n a  b\n</empNo></payslip>", "a  b"),
        ("<payslip><empNo>&lt;a&gt; &amp; &quot;&#10;&#x20AC;</empNo></payslip>", '<a> & "\n€'),
        ('<payslip xmlns="urn:1"><empNo xmlns="urn:2">a</empNo></payslip>', "a"),
        ('<x:payslip xmlns:x="urn:1"><y:empNo xmlns:y="urn:2">a</y:empNo></x:payslip>', "a"),
        ('<payslip xmlns:x="urn:1"><x:other><empNo>b</empNo></x:other><x:empNo>a</x:empNo></payslip>', "a"),
    ],
)
def test_a_value_is_the_elements_own_text_and_blank_is_none(tmp_path: Path, slip: str, value: str | None) -> None:
    assert read(tmp_path, f'<payroll xmlns="urn:0">{slip}{ONE}</payroll>') == [value, "a"]


@pytest.mark.parametrize(
    "encoding", ["UTF-8", "utf-8", "ISO-8859-1", "windows-1252", "UTF-16", "iso-8859-15", "US-ASCII"]
)
def test_declared_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    text = "a" if encoding == "US-ASCII" else "é"
    document = f'<?xml version="1.0" encoding="{encoding}"?>\n' + payroll(f"<payslip><empNo>{text}</empNo></payslip>")
    assert read(tmp_path, document.encode(encoding)) == [text]


@pytest.mark.parametrize(
    ("encoding", "written", "text"),
    [
        ("GB2312", "gb18030", "张伟和朱镕基"),
        ("gb18030", "gb18030", "王小明"),
        ("Shift_JIS", "cp932", "髙橋さん"),
        ("EUC-KR", "cp949", "김민수가"),
        ("Big5", "big5", "歐陽小姐"),
        ("windows-1256", "cp1256", "محمد"),
        ("koi8-r", "koi8-r", "Иванов"),
    ],
)
def test_national_encodings_are_read(tmp_path: Path, encoding: str, written: str, text: str) -> None:
    slips = "".join(f"<payslip><empNo>{text}{number}</empNo></payslip>" for number in range(3_000))
    document = (f'<?xml version="1.0" encoding="{encoding}"?>\n' + payroll(slips)).encode(written)
    assert read(tmp_path, document) == [f"{text}{number}" for number in range(3_000)]
    second = source({"no": {"path": "empNo"}}).record("t", blob(tmp_path, document), 2_000)
    assert second == f"<payslip><empNo>{text}1999</empNo></payslip>".encode(written)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_are_enough(tmp_path: Path, encoding: str) -> None:
    assert read(tmp_path, payroll("<payslip><empNo>é</empNo></payslip>").encode(encoding)) == ["é"]


@pytest.mark.parametrize(
    "end", ["", "\n\n", "<!-- end -->\n", "<!-- </payroll> --><?pi x?>", f"<!--{'x' * 9000}-->"], ids=range(5)
)
def test_what_may_follow_the_root_may_follow_it(tmp_path: Path, end: str) -> None:
    assert read(tmp_path, payroll(ONE) + end) == ["a"]


@pytest.mark.parametrize(
    "document", ["<payroll/>", "<payroll></payroll>", '<payroll period="p" />', "<payroll><x/></payroll >"]
)
def test_a_document_without_records_has_none(tmp_path: Path, document: str) -> None:
    assert read(tmp_path, document) == []


def test_a_name_that_holds_the_roots_name_is_no_reason_for_doubt(tmp_path: Path) -> None:
    made = source({"no": {"path": "empNo"}}, "/pay/payslip")
    assert read(tmp_path, f"<pay>{ONE * 3}<payday>pay it </payday></pay>", made=made) == ["a"] * 3


WHOLE = payroll(*[ONE] * 3000)
BROKEN: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "ends before its root element is closed"),
    "blank": (" \n", "ends before its root element is closed"),
    "text": (SECRET, "not well-formed"),
    "binary": (b"\x00\x01\xff" + SECRET.encode(), "not well-formed"),
    "cut between elements": (WHOLE[: WHOLE.rindex("<payslip")], "ends before its root element is closed"),
    "cut in an element": (WHOLE[:-20], "ends before its root element is closed"),
    "cut in a tag": (WHOLE[:-3], "not well-formed"),
    "cut after an element of the root's name": ("<payroll><x><payroll></payroll>", "ends before"),
    "tags that do not match": (payroll("<payslip><empNo></payslip></empNo>"), "not well-formed"),
    "two roots": (payroll(ONE) * 2, "not well-formed"),
    "text after the root": (payroll(ONE) + SECRET, "not well-formed"),
    "another root": (f"<pay>{ONE}</pay>", "root element is not `payroll`"),
    "half a gzip": (gzip.compress(WHOLE.encode())[:200], "cut short or damaged"),
    "damaged gzip": (gzip.compress(WHOLE.encode())[:-8] + b"\0" * 8, "cut short or damaged"),
    "other encoding": (payroll(f"<payslip><empNo>{SECRET}é</empNo></payslip>").encode("latin-1"), ""),
    "other encoding late": (
        (WHOLE[:-10] + f"<payslip><empNo>{SECRET}é</empNo></payslip></payroll>").encode("latin-1"),
        "",
    ),
    "unknown encoding": ('<?xml version="1.0" encoding="klingon"?>' + payroll(ONE), "encoding"),
    "an attribute twice": (payroll('<payslip id="1" id="2"/>'), "not well-formed"),
    "an attribute's element twice": (
        payroll(f'<payslip><gross currency="{SECRET}"/><gross currency="b"/></payslip>'),
        "repeats",
    ),
    "an attribute's element twice, late": (
        payroll(*[ONE] * 40_000, '<payslip><gross\ncurrency="a"/><gross\tcurrency="b"/></payslip>'),
        "repeats",
    ),
    "entity bomb": (
        f'<!DOCTYPE p [<!ENTITY a "{SECRET}"><!ENTITY b "&a;&a;&a;">]>'
        + payroll("<payslip><empNo>&b;</empNo></payslip>"),
        "entities",
    ),
    "entity declared only": ('<!DOCTYPE p [<!ENTITY a "x">]>' + payroll(ONE), "entities"),
    "external entity": (
        '<!DOCTYPE p [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + payroll("<payslip><empNo>&a;</empNo></payslip>"),
        "entities",
    ),
    "entity of an external subset": (
        '<!DOCTYPE payroll SYSTEM "http://127.0.0.1:9/x.dtd">' + payroll("&slips;", ONE),
        "entities",
    ),
    "undeclared entity": (payroll(f"<payslip><empNo>{SECRET}&a;</empNo></payslip>"), "entit"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_document_that_is_not_whole_is_refused(tmp_path: Path, what: str) -> None:
    document, why = BROKEN[what]
    raw = document if isinstance(document, bytes) else document.encode()
    assert why in refusal(source(), blob(tmp_path, raw))


def test_a_document_type_without_entities_is_harmless(tmp_path: Path) -> None:
    assert read(tmp_path, '<!DOCTYPE payroll SYSTEM "http://127.0.0.1:9/x.dtd">' + payroll(ONE)) == ["a"]


def test_doubt_that_proves_unfounded_costs_nothing_but_time(tmp_path: Path) -> None:
    odd = '<payslip><gross note="x">5</gross><comment>gross error</comment></payslip>'
    assert read(tmp_path, payroll(odd, ONE), "currency") == [None, "EUR"]


@pytest.mark.parametrize("shift", range(0, 40))
def test_tags_across_blocks_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shift: int) -> None:
    monkeypatch.setattr(wellformed, "_BLOCK", 64)
    monkeypatch.setattr(module, "check", lambda *args: pytest.fail("there was no doubt"))
    assert read(tmp_path, payroll(f"<!--{'x' * shift}-->", *[ONE] * 20)) == ["a"] * 20


def test_paths_of_the_first_records_are_observed(tmp_path: Path) -> None:
    document = payroll('<head a="1"/>', ONE, '<payslip><employee b="2"><no>1</no></employee><empty/></payslip>')
    expected = {"@id", "empNo", "gross", "gross/@currency", "employee/no", "employee/@b", "empty"}
    assert source().observe("t", blob(tmp_path, document.encode())) == expected
    assert source().observe("t", blob(tmp_path, b"<payroll/>")) is None
    assert source().observe("t", blob(tmp_path, b"junk")) is None


def test_an_element_with_text_beside_its_children_is_observed(tmp_path: Path) -> None:
    document = payroll("<payslip>own<note>some <b>bold</b> words<br/></note><plain>\n <b>x</b>\n</plain></payslip>")
    assert source().observe("t", blob(tmp_path, document.encode())) == {".", "note/b", "note/br", "note", "plain/b"}


def test_a_landed_object_may_be_stored_packed(tmp_path: Path) -> None:
    import pyarrow as pa

    raw = pa.compress(payroll(ONE).encode(), "zstd", asbytes=True)
    packed = blob(tmp_path, raw, "x.zst")
    assert values(parsed(source(), Blob("x", packed.store, "x.zst", True, len(raw))), "no") == ["a"]
