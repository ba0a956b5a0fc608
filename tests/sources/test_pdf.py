"""PDF files as records; what cannot be read is in quarantine with its reason, in bounded time and memory."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pypdf
import pytest
from fpdf import FPDF
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sources.objects import SECRET, blob, lost, parsed

from potable.sources import pdf as module
from potable.sources.pdf import PdfSource

COLUMNS = {
    "emp_no": {"path": ["Employee number", "staff_no"]},
    "left_on": {"path": "Last day", "type": "date"},
    "title": {"path": "@Title"},
    "pages": {"path": "@pages", "type": "integer"},
    "text": {"path": "@text"},
}


def source(columns: dict[str, Any] | None = None) -> PdfSource:
    keys = {"source": "s", "type": "pdf", "path": "x", "tables": {"t": {"columns": columns or COLUMNS}}}
    return PdfSource.model_validate(keys)


def letter(*lines: str, pages: int = 1) -> bytes:
    made = FPDF()
    made.set_title("Exit")
    for _ in range(pages):
        made.add_page()
        made.set_font("Helvetica", size=11)
        for line in lines:
            made.cell(0, 8, line, new_x="LMARGIN", new_y="NEXT")
    return bytes(made.output())


def raw(*objects: bytes, root: bytes = b"") -> bytes:
    """A file of objects numbered from 3; 1 is the catalogue, 2 the page tree with page 3."""
    first = (b"<</Type/Catalog/Pages 2 0 R%b>>" % root, b"<</Type/Pages/Kids[3 0 R]/Count 1>>")
    made, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate((*first, *objects), 1):
        offsets.append(len(made))
        made += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(offsets) + 1
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (size, len(made))
    return made + b"xref\n0 %d\n0000000000 65535 f \n%b" % (size, table) + end


def stream(data: bytes, entries: bytes = b"", *, packed: bool = True) -> bytes:
    body = zlib.compress(data) if packed else data
    filters = b"/Filter/FlateDecode" if packed else b""
    return b"<</Length %d%b%b>>stream\n%b\nendstream" % (len(body), filters, entries, body)


PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>/XObject<</X 6 0 R>>>>>>"
FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def page(content: bytes, *others: bytes) -> bytes:
    return raw(PAGE, stream(content), FONT, *others)


def read(folder: Path, data: bytes, made: PdfSource | None = None) -> dict[str, Any]:
    (row,) = parsed(made or source(), blob(folder, data))
    return row


def test_form_lines_text_and_information_become_columns(tmp_path: Path) -> None:
    row = read(tmp_path, letter("Employee number: E1", "Last day: 2020-01-31", "I leave because of tea.", pages=2))
    assert (row["emp_no"], str(row["left_on"]), row["title"], row["pages"]) == ("E1", "2020-01-31", "Exit", 2)
    assert row["text"].count("I leave because of tea.") == 2


def test_fields_of_a_form_are_read_even_without_text(tmp_path: Path) -> None:
    field = b"<</T(staff_no)/FT/Tx/V(E7)/Subtype/Widget/Rect[0 0 9 9]>>"
    data = raw(PAGE, stream(b""), FONT, field, root=b"/AcroForm<</Fields[6 0 R]>>")
    assert (read(tmp_path, data)["emp_no"], read(tmp_path, data)["text"]) == ("E7", None)


def encrypted(password: str) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(letter("Employee number: E1", SECRET)))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="AES-256")
    sink = io.BytesIO()
    writer.write(sink)
    return sink.getvalue()


def test_a_file_locked_against_changes_only_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, encrypted(""))["emp_no"] == "E1"


def scanned() -> bytes:
    image = stream(
        b"\0" * 300, b"/Type/XObject/Subtype/Image/Width 10/Height 10/ColorSpace/DeviceRGB/BitsPerComponent 8"
    )
    return page(b"q 600 0 0 800 0 0 cm /X Do Q", image)


def nested_forms() -> bytes:
    """Forms that each draw the next one twice: 2^40 drawings."""
    entries = b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</Font<</F 5 0 R>>/XObject<</X %d 0 R>>>>"
    forms = [stream(b"/X Do /X Do", entries % (number + 1)) for number in range(6, 46)]
    last = stream(b"BT /F 9 Tf (x) Tj ET", b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</Font<</F 5 0 R>>>>")
    return page(b"/X Do", *forms, last)


def page_tree(depth: int) -> bytes:
    """A tree whose nodes each hold the next one twice."""
    nodes = [b"<</Type/Pages/Count 2/Kids[%d 0 R %d 0 R]>>" % (n + 1, n + 1) for n in range(3, 3 + depth)]
    return raw(*nodes, b"<</Type/Page/MediaBox[0 0 9 9]>>")


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "encrypted": (lambda: encrypted(SECRET), "encrypted"),
    "scanned": (scanned, "no text layer"),
    "empty page": (lambda: letter(), "no text layer"),
    "empty": (lambda: b"", "damaged"),
    "no pdf": (lambda: SECRET.encode(), "damaged"),
    "a form cut": (
        lambda: page(b"BT /F 9 Tf (x) Tj ET /X Do", stream(b"BT (y", b"/Subtype/Form/Resources<</Font<</F 5 0 R>>>>")),
        "damaged",
    ),
    "cut": (lambda: letter(SECRET)[:400], "damaged"),
    "two values": (lambda: letter("Employee number: 1", f"Employee number: {SECRET}"), "stands twice"),
}
LIMIT = "beyond the limits of a document"
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "pages": (lambda: page_tree(60), LIMIT),
    "wide pages": (
        lambda: raw(b"<</Type/Pages/Count 90000/Kids[%b]>>" % (b"4 0 R " * 90_000), b"<</Type/Page>>"),
        LIMIT,
    ),
    "forms": (nested_forms, LIMIT),
    "unpacked": (lambda: page(b" " * (40 << 20)), LIMIT),
    "packed twice": (
        lambda: raw(
            PAGE,
            stream(zlib.compress(b"x" * (40 << 20))).replace(b"/FlateDecode", b"[/FlateDecode/FlateDecode]"),
            FONT,
        ),
        LIMIT,
    ),
    "operations": (lambda: page(b"BT /F 9 Tf " + b"()Tj " * 550_000 + b"ET"), LIMIT),
    "deep arrays": (lambda: page(b"BT /F 9 Tf " + b"[" * 1_000_000 + b" TJ ET"), "damaged"),
    "deep dictionaries": (lambda: raw(b"<</A" * 50_000 + b">>" * 50_000), "no text layer"),
    "deep array object": (lambda: raw(PAGE, b"[" * 1_000_000, FONT), "damaged"),
    "circle of contents": (lambda: raw(PAGE, b"4 0 R", FONT), "no text layer"),
    "circle of parents": (lambda: raw(b"<</Type/Pages/Kids[2 0 R]/Count 1/Parent 3 0 R>>"), "damaged"),
}
LIMITED = """
import resource, signal, sys
from potable.sources.blobs import Blob
from potable.sources.pdf import PdfSource

columns = {"columns": {"text": {"path": "@text"}}}
source = PdfSource.model_validate({"source": "s", "type": "pdf", "path": "x", "tables": {"t": columns}})
size = next(line for line in open("/proc/self/status").read().splitlines() if line.startswith("VmSize"))
limit = (int(size.split()[1]) << 10) + (600 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for name in sys.argv[2:]:
    signal.alarm(60)
    (batch,) = source.parse("t", Blob(name, sys.argv[1], name, False, 0))
    print(name, batch["_mistyped"][0], sep=": ", flush=True)
"""


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_read_goes_to_quarantine_with_a_reason(tmp_path: Path, what: str) -> None:
    make, why = BAD[what]
    assert why in lost(source(), blob(tmp_path, make()))


def test_the_others_survive(tmp_path: Path) -> None:
    datas = [letter("Employee number: E1"), scanned(), letter("Employee number: E2")]
    blobs = [blob(tmp_path, data, f"{number}.pdf") for number, data in enumerate(datas)]
    rows = [row for batch in source().parse_all("t", blobs) for row in batch.to_pylist()]
    assert sorted((row["_object"], row["emp_no"]) for row in rows) == [
        ("0.pdf", "E1"),
        ("1.pdf", None),
        ("2.pdf", "E2"),
    ]


def test_a_scan_of_which_only_the_information_is_wanted_is_no_loss(tmp_path: Path) -> None:
    assert read(tmp_path, scanned(), source({"pages": {"path": "@pages"}}))["pages"] == "1"


def test_many_pages_are_refused_and_a_page_less_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_PAGES", 3)
    assert "more than 3 pages" in lost(source(), blob(tmp_path, letter("x", pages=4)))
    assert read(tmp_path, letter("x", pages=3))["pages"] == 3


def test_bombs_are_bounded_in_time_and_memory(tmp_path: Path) -> None:
    for name, (make, _) in BOMBS.items():
        blob(tmp_path, make(), name)
    environment = {**os.environ, "MALLOC_ARENA_MAX": "2", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", LIMITED, str(tmp_path), *BOMBS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    # how deep Python goes is another thing in each of its versions
    deepest = told.get("deep dictionaries", "")
    told["deep dictionaries"] = deepest.replace("damaged", "no text layer")
    assert told == {name: f"@record: {why}" for name, (_, why) in BOMBS.items()}, done.stderr


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_any_damage_is_one_row(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    whole = bytearray(page(b"BT /F 9 Tf (x) Tj ET"))
    for _ in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    assert len(parsed(source(), blob(tmp_path_factory.getbasetemp(), cut, "any"))) == 1
