"""Word documents as bytes: the smallest valid OOXML package with a form table and paragraphs.

Text is cut into runs at odd places, as Word does. A tab in the text becomes w:tab, a vertical tab becomes
w:br. The text of a document reads back as: its body paragraphs (not the table's) joined by newlines,
w:tab as a tab and w:br as a newline. Entry: document.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

_STAMP = (1980, 1, 1, 0, 0, 0)
_MAIN = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_FIXED = {
    "[Content_Types].xml": f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/word/document.xml" ContentType="{_WORD}.document.main+xml"/>'
    f'<Override PartName="/word/styles.xml" ContentType="{_WORD}.styles+xml"/></Types>',
    "_rels/.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
    "word/_rels/document.xml.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
    "word/styles.xml": f'{_XML}<w:styles xmlns:w="{_MAIN}"><w:style w:type="paragraph" w:default="1" '
    'w:styleId="Normal"><w:name w:val="Normal"/></w:style><w:style w:type="paragraph" w:styleId="Heading1">'
    '<w:name w:val="heading 1"/><w:basedOn w:val="Normal"/><w:rPr><w:b/><w:sz w:val="32"/></w:rPr></w:style>'
    "</w:styles>",
}
_HEAD = f'{_XML}<w:document xmlns:w="{_MAIN}"><w:body>'
_TAIL = (
    '<w:sectPr><w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="1417" w:right="1417" w:bottom="1134" '
    'w:left="1417" w:header="708" w:footer="708" w:gutter="0"/></w:sectPr></w:body></w:document>'
)
_TABLE = (
    '<w:tbl><w:tblPr><w:tblW w:w="0" w:type="auto"/></w:tblPr>'
    '<w:tblGrid><w:gridCol w:w="3000"/><w:gridCol w:w="6000"/></w:tblGrid>'
)


def _package() -> bytes:
    """Everything but the document itself, packed once."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name, text in _FIXED.items():
            package.writestr(_entry(name), text)
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _STAMP)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    return entry


_PACKED = _package()


def _run(text: str) -> str:
    inner = escape(text).replace("\t", '</w:t><w:tab/><w:t xml:space="preserve">')
    inner = inner.replace("\v", '</w:t><w:br/><w:t xml:space="preserve">')
    return f'<w:r><w:t xml:space="preserve">{inner}</w:t></w:r>'


def paragraph(text: str, cuts: Sequence[int], *, heading: bool = False) -> str:
    """A w:p whose runs are cut at the given distances, repeated over the text."""
    runs, place, step = [], 0, 0
    while place < len(text):
        width = cuts[step % len(cuts)]
        runs.append(_run(text[place : place + width]))
        place, step = place + width, step + 1
    style = '<w:pPr><w:pStyle w:val="Heading1"/></w:pPr>' if heading else ""
    return f"<w:p>{style}{''.join(runs)}</w:p>"


def document(title: str, form: Sequence[tuple[str, str]], text: str, cuts: Sequence[int]) -> tuple[bytes, int]:
    """One .docx file and the uncompressed size of its main part.

    Args:
        title: The heading; the first paragraph.
        form: Labels and values of the two-column table.
        text: The paragraphs, separated by newlines.
        cuts: Lengths of runs, each at least 1.
    """
    rows = "".join(
        f"<w:tr><w:tc><w:tcPr/>{paragraph(label, (99,))}</w:tc><w:tc><w:tcPr/>{paragraph(value, cuts)}</w:tc></w:tr>"
        for label, value in form
    )
    paragraphs = "".join(paragraph(line, cuts) for line in text.split("\n"))
    main = f"{_HEAD}{paragraph(title, (99,), heading=True)}{_TABLE}{rows}</w:tbl>{paragraphs}{_TAIL}".encode()
    buffer = io.BytesIO()
    buffer.write(_PACKED)
    with zipfile.ZipFile(buffer, "a") as package:
        package.writestr(_entry("word/document.xml"), main)
    return buffer.getvalue(), len(main)
