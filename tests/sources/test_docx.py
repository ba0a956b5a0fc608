"""Word documents as Word shows them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from tests.sources.objects import SECRET, blob, lost, parsed

from potable.sources.docx import DocxSource, _read
from potable.sources.files import COMPOUND

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
MC = "http://schemas.openxmlformats.org/markup-compatibility/2006"
COLUMNS = {
    "emp_no": {"path": ["Employee number", "Staff no"]},
    "left_on": {"path": "Last day", "type": "date"},
    "text": {"path": "@text"},
}


def source(columns: dict[str, Any] | None = None) -> DocxSource:
    table = {"columns": columns or COLUMNS}
    return DocxSource.model_validate({"source": "s", "type": "docx", "path": "x", "tables": {"t": table}})


def package(body: str, part: str = "word/document.xml", head: str = "") -> bytes:
    sink = io.BytesIO()
    document = f'<?xml version="1.0"?>{head}<w:document xmlns:w="{W}" xmlns:mc="{MC}">{body}</w:document>'
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("[Content_Types].xml", "<Types/>")
        made.writestr(part, document)
    return sink.getvalue()


def p(*runs: str) -> str:
    return "<w:p>" + "".join(f'<w:r><w:t xml:space="preserve">{run}</w:t></w:r>' for run in runs) + "</w:p>"


def row(*cells: str) -> str:
    return "<w:tr>" + "".join(f"<w:tc><w:tcPr/>{cell}</w:tc>" for cell in cells) + "</w:tr>"


def table(*rows: str) -> str:
    return f"<w:tbl><w:tblPr/>{''.join(rows)}</w:tbl>"


def read(tmp_path: Path, body: str) -> dict[str, Any]:
    (only,) = parsed(source(), blob(tmp_path, package(f"<w:body>{body}</w:body>")))
    return only


def text(tmp_path: Path, body: str) -> str:
    return str(read(tmp_path, body)["text"])


def test_a_form_and_a_text_are_one_record(tmp_path: Path) -> None:
    form = table(row(p("Employee ", "num", "ber:"), p("E", "0012")), row(p("Last day :"), p("2020-01-31")))
    made = read(tmp_path, form + p("I leave ", "because") + p() + p("of tea."))
    assert (made["emp_no"], str(made["left_on"]), made["text"]) == ("E0012", "2020-01-31", "I leave because\nof tea.")
    assert (made["_row"], made["_object"], made["_unparsed"]) == (1, "object", None)


@pytest.mark.parametrize(
    "label", ["Employee number", "Employee number:", " Employee  number : ", "Employee\u00a0number"]
)
def test_labels_are_compared_without_blanks_and_colon(tmp_path: Path, label: str) -> None:
    assert read(tmp_path, table(row(p(label), p("7"))))["emp_no"] == "7"


def test_a_second_label_counts_where_the_first_is_not_there(tmp_path: Path) -> None:
    assert read(tmp_path, table(row(p("Staff no"), p("8"))))["emp_no"] == "8"


def test_tabs_breaks_and_hyphens_are_kept_and_tab_stops_are_not_tabs(tmp_path: Path) -> None:
    stops = '<w:pPr><w:tabs><w:tab w:val="left" w:pos="720"/></w:tabs></w:pPr>'
    runs = "<w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t><w:cr/><w:t>e</w:t></w:r>"
    assert text(tmp_path, f"<w:p>{stops}{runs}</w:p>") == "a\tb\nc-d\ne"


def test_deleted_text_is_gone_and_inserted_text_is_there(tmp_path: Path) -> None:
    changed = "<w:p><w:del><w:r><w:delText>no</w:delText></w:r></w:del><w:ins><w:r><w:t>yes</w:t></w:r></w:ins></w:p>"
    assert text(tmp_path, changed) == "yes"


def test_links_and_content_controls_are_seen_through(tmp_path: Path) -> None:
    link = "<w:p><w:hyperlink><w:r><w:t>link</w:t></w:r></w:hyperlink></w:p>"
    control = f"<w:sdt><w:sdtPr><w:alias/></w:sdtPr><w:sdtContent>{p('inside')}</w:sdtContent></w:sdt>"
    field = f"<w:tc><w:sdt><w:sdtContent>{p('42')}</w:sdtContent></w:sdt></w:tc>"
    form = f"<w:tbl><w:sdt><w:sdtContent><w:tr><w:tc>{p('Employee number')}</w:tc>{field}</w:tr></w:sdtContent></w:sdt></w:tbl>"
    made = read(tmp_path, link + control + form)
    assert (made["text"], made["emp_no"]) == ("link\ninside", "42")


def test_a_text_box_is_read_once(tmp_path: Path) -> None:
    box = f"<w:r><mc:AlternateContent><mc:Choice>{p('box')}</mc:Choice><mc:Fallback>{p('box')}</mc:Fallback></mc:AlternateContent></w:r>"
    assert text(tmp_path, f"<w:p>{box}</w:p>") == "box"


def test_the_paragraphs_of_a_cell_are_its_lines_also_in_nested_tables(tmp_path: Path) -> None:
    nested = table(row(p("Employee number"), p("inner")))
    made = read(tmp_path, table(row(p("Employee number"), p("one") + p("two") + nested)))
    assert made["emp_no"] == "one\ntwo\nEmployee number\ninner"


SIGNS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
HIDDEN = ["pPr", "rPr", "tblPr", "trPr", "tcPr", "sdtPr", "del", "moveFrom"]
INLINE = st.recursive(
    st.sampled_from(["", "a", "b c"]).map(lambda words: f"<w:t>{words}</w:t>")
    | st.sampled_from([*SIGNS, "bookmarkStart"]).map(lambda name: f"<w:{name}/>"),
    lambda inner: st.tuples(
        st.sampled_from(["r", "r", "p", "hyperlink", "ins", "sdtContent", "tbl", "tr", "tc", *HIDDEN]), st.lists(inner)
    ).map(lambda made: f"<w:{made[0]}>{''.join(made[1])}</w:{made[0]}>"),
)


def shown(element: etree._Element, before: Sequence[str] = ()) -> list[str]:
    """What a paragraph shows, element by element."""
    pieces = [*before]
    for child in element:
        name = etree.QName(child).localname
        if name == "t" or name in SIGNS:
            pieces.append(SIGNS.get(name) or child.text or "")
        elif name not in HIDDEN:
            pieces = shown(child, [*pieces, "\n"] if name == "p" and pieces else pieces)
    return pieces


@given(st.lists(INLINE))
def test_texts_are_read_through_any_elements_around_them(parts: list[str]) -> None:
    paragraph = f"<w:p>{''.join(parts)}</w:p>"
    with TemporaryDirectory() as folder:
        found = _read(blob(Path(folder), package(f"<w:body>{paragraph}</w:body>")))
    element = etree.fromstring(paragraph.replace("<w:p>", f'<w:p xmlns:w="{W}">', 1))
    assert found == {"@text": "".join(shown(element))}


def test_unreadable_values_keep_their_text(tmp_path: Path) -> None:
    made = read(tmp_path, table(row(p("Last day"), p("soon"))))
    assert (made["left_on"], made["_unparsed"], made["_mistyped"]) == (None, '{"left_on": "soon"}', "left_on")


def test_an_empty_document_is_a_record_without_values(tmp_path: Path) -> None:
    made = read(tmp_path, "")
    assert (made["emp_no"], made["text"]) == (None, None)


def test_many_documents_are_one_batch(tmp_path: Path) -> None:
    documents = [
        blob(tmp_path, package(f"<w:body>{table(row(p('Staff no'), p(str(n))))}</w:body>"), f"{n}.docx")
        for n in range(5)
    ]
    (batch,) = source().parse_all("t", documents)
    assert batch["emp_no"].to_pylist() == ["0", "1", "2", "3", "4"]
    assert batch["_object"].to_pylist() == [document.name for document in documents]
    assert batch["_row"].to_pylist() == [1] * 5


def test_a_label_with_two_values_is_refused_and_with_one_twice_is_not(tmp_path: Path) -> None:
    twice = table(row(p("Employee number"), p(SECRET)), row(p("Employee number"), p("other")))
    assert "stands twice" in lost(source(), blob(tmp_path, package(f"<w:body>{twice}</w:body>")))
    same = table(
        row(p("Employee number"), p("1")),
        row(p("Employee number"), p("1")),
        row(p("Free"), p("a")),
        row(p("Free"), p("b")),
    )
    assert read(tmp_path, same)["emp_no"] == "1"


WHOLE = package(f"<w:body>{p(SECRET)}</w:body>")


def bomb() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as made, made.open("word/document.xml", "w") as part:
        for _ in range(65):
            part.write(b" " * (1 << 20))
    return sink.getvalue()


NOT_WORD = {
    "empty": (b"", "damaged"),
    "no zip": (b"not a zip " + SECRET.encode(), "damaged"),
    "cut": (WHOLE[:-30], "damaged"),
    "cut at the start": (WHOLE[len(WHOLE) // 2 :], "damaged"),
    "damaged": (WHOLE[:60] + b"\0\0\0\0" + WHOLE[64:], "damaged"),
    "no part": (package("<w:body/>", part="word/other.xml"), "damaged"),
    "no body": (package(SECRET), "without a body"),
    "no xml": (package(f"<w:body>{SECRET}"), "damaged"),
    "entity": (package(f"<w:body>{p('&e;')}</w:body>", head=f'<!DOCTYPE d [<!ENTITY e "{SECRET}">]>'), "document type"),
    "document type": (package(f"<w:body>{p('x')}</w:body>", head="<!DOCTYPE d>"), "document type"),
    "bomb": (bomb(), "larger than 64 MiB"),
    "sealed": (COMPOUND + "EncryptedPackage".encode("utf-16-le") + SECRET.encode(), "encrypted"),
    "old": (COMPOUND + "WordDocument".encode("utf-16-le") + SECRET.encode(), "an old document (.doc)"),
}


@pytest.mark.parametrize("what", NOT_WORD)
def test_what_is_no_word_document_goes_to_quarantine(tmp_path: Path, what: str) -> None:
    data, why = NOT_WORD[what]
    assert why in lost(source(), blob(tmp_path, data))


def test_a_document_that_lies_about_its_size_goes_to_quarantine(tmp_path: Path) -> None:
    raw = bytearray(bomb())
    place = raw.rindex(b"PK\x01\x02") + 24
    raw[place : place + 4] = (1000).to_bytes(4, "little")
    assert "damaged" in lost(source(), blob(tmp_path, bytes(raw)))


def test_the_others_survive(tmp_path: Path) -> None:
    documents = [WHOLE, b"", WHOLE]
    blobs = [blob(tmp_path, data, f"{number}.docx") for number, data in enumerate(documents)]
    rows = [row for batch in source().parse_all("t", blobs) for row in batch.to_pylist()]
    assert sorted((row["_object"], row["_mistyped"], row["text"]) for row in rows) == [
        ("0.docx", None, SECRET),
        ("1.docx", "@record: damaged", None),
        ("2.docx", None, SECRET),
    ]


def test_a_form_may_stand_in_a_table_that_lays_it_out(tmp_path: Path) -> None:
    form = table(row(p("Employee number"), p("E7")), row(p("Last day"), p("2024-02-29")))
    found = read(tmp_path, table(row(p() + form + p(), p("beside"))))
    assert (found["emp_no"], str(found["left_on"])) == ("E7", "2024-02-29")


def test_a_document_that_word_saved_as_strict_is_read(tmp_path: Path) -> None:
    body = f"<w:body>{p('I go.')}{table(row(p('Employee number'), p('E7')))}</w:body>"
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package(body))) as old, zipfile.ZipFile(sink, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(W.encode(), b"http://purl.oclc.org/ooxml/wordprocessingml/main"))
    (found,) = parsed(source(), blob(tmp_path, sink.getvalue()))
    assert (found["emp_no"], found["text"]) == ("E7", "I go.")
