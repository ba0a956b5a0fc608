"""Messages as Outlook saves them, beside other e-mails.

`mail/leaving.msg` was written by `@tutao/oxmsg` 0.2.3 (npm, MIT), which writes messages that Outlook opens: a sender, a subject,
a plain and an HTML body, two recipients, an attachment. What that does not write is made by `outlook_file`.
"""

from __future__ import annotations

import json
import sys
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sources.objects import SECRET, blob, lost, parsed
from tests.sources.outlook_file import compound, properties
from tests.sources.test_mail import message, source

from potable.errors import MissingExtra

pytest.importorskip("olefile", reason="olefile is not installed")

LEAVING = (Path(__file__).parent / "mail" / "leaving.msg").read_bytes()
TEXT, BYTES, BINARY, NUMBER, TIME = 0x001F, 0x001E, 0x0102, 0x0003, 0x0040
SENT = 132276996000000000
"""2020-03-03 09:00:00 UTC, in units of 100 ns since 1601."""


def saved(values: dict[tuple[int, int], Any] | None = None, **storages: Any) -> bytes:
    """A message with these properties."""
    plain = {(0x1000, TEXT): "Employee number: E1\r\nI go.\r\n"}
    return compound({**properties(32, plain if values is None else values), **storages})


def row(folder: Path, data: bytes) -> dict[str, Any]:
    (found,) = parsed(source(), blob(folder, data))
    return found


def test_a_message_is_read_as_the_same_one_sent_by_mail(tmp_path: Path) -> None:
    mail = message(Date="Tue, 03 Mar 2020 10:00:00 +0100")
    mail.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Kündigung.pdf")
    found, other = row(tmp_path, LEAVING), row(tmp_path, bytes(mail))
    assert {name: found[name] for name in ("sender", "sent", "subject", "emp_no", "files")} == {
        name: other[name] for name in ("sender", "sent", "subject", "emp_no", "files")
    }
    assert found["text"] == "Employee number: E1\nI go."
    assert (found["sender"], str(found["sent"])) == ("zoe@example.com", "2020-03-03 09:00:00")


def test_both_kinds_of_files_may_lie_in_one_folder(tmp_path: Path) -> None:
    blobs = [blob(tmp_path, LEAVING, "a.msg"), blob(tmp_path, bytes(message()), "b.eml")]
    rows = [row for batch in source().parse_all("t", blobs) for row in batch.to_pylist()]
    assert [row["emp_no"] for row in rows] == ["E1", "E1"]


def test_headers_that_came_with_it_count_before_its_properties(tmp_path: Path) -> None:
    came = EmailMessage()
    came["Subject"], came["X-Staff"], came["From"] = "Sie käm", "E7", "Zoé <zoe@example.com>"
    values = {(0x007D, TEXT): bytes(came).decode(), (0x0037, TEXT): "other", (0x1000, TEXT): "no label"}
    found = row(tmp_path, saved(values))
    assert (found["subject"], found["emp_no"], found["sender"]) == ("Sie käm", "E7", "zoe@example.com")


@pytest.mark.parametrize(
    ("values", "sender"),
    [
        ({(0x0C1F, TEXT): "/O=EXCHANGE/CN=ZOE", (0x0C1E, TEXT): "EX", (0x5D01, TEXT): "zoe@x"}, "zoe@x"),
        ({(0x0C1F, TEXT): "/O=EXCHANGE/CN=ZOE", (0x0C1E, TEXT): "EX"}, None),
        ({(0x0C1F, TEXT): "zoe@x", (0x0C1E, TEXT): "SMTP"}, "zoe@x"),
        ({}, None),
    ],
)
def test_the_sender_is_an_address_that_others_know(tmp_path: Path, values: Any, sender: str | None) -> None:
    assert row(tmp_path, saved(values))["sender"] == sender


def test_a_message_that_was_not_sent_has_the_time_it_came(tmp_path: Path) -> None:
    assert str(row(tmp_path, saved({(0x0E06, TIME): SENT}))["sent"]) == "2020-03-03 09:00:00"
    assert row(tmp_path, saved({}))["sent"] is None


@pytest.mark.parametrize(
    ("page", "text", "encoding"),
    [
        ({(0x3FFD, NUMBER): 1252}, "Zoé €", "cp1252"),
        ({(0x3FFD, NUMBER): 1252, (0x3FDE, NUMBER): 65001}, "Zoé €", "utf-8"),
        ({(0x3FFD, NUMBER): 932}, "日本", "cp932"),
        ({(0x3FDE, NUMBER): 28592}, "łódź", "iso8859-2"),
        ({(0x3FFD, NUMBER): 50220}, "日本", "iso2022_jp"),
        ({}, "Zoé €", "cp1252"),
    ],
)
def test_texts_in_bytes_are_read_by_the_page_they_name(tmp_path: Path, page: Any, text: str, encoding: str) -> None:
    assert row(tmp_path, saved({**page, (0x1000, BYTES): text.encode(encoding)}))["text"] == text


def test_html_counts_without_a_plain_body(tmp_path: Path) -> None:
    html = "<p>Employee number: <b>E3</b></p><p>Zoé</p>"
    found = row(tmp_path, saved({(0x1013, BINARY): html.encode("utf-8"), (0x3FDE, NUMBER): 65001}))
    assert (found["emp_no"], found["text"]) == ("E3", "Employee number: E3\nZoé")
    assert row(tmp_path, saved({(0x1013, TEXT): html}))["emp_no"] == "E3"


def test_attachments_are_listed_and_not_read(tmp_path: Path) -> None:
    kept = {
        f"__attach_version1.0_#0000000{n}": properties(8, {**names, (0x3701, BINARY): SECRET.encode()})
        for n, names in enumerate(
            [{(0x3707, TEXT): "Brief.pdf"}, {(0x3704, BYTES): b"BRIEF~1.PDF"}, {(0x3001, TEXT): "Re: inner"}, {}]
        )
    }
    files = json.loads(row(tmp_path, saved(None, **kept))["files"])
    assert files == ["Brief.pdf", "BRIEF~1.PDF", "Re: inner", "application/octet-stream"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (LEAVING[:700], "damaged"),
        (LEAVING[:600] + b"\0" * (len(LEAVING) - 600), "no message: it has no properties"),
        (compound({"Workbook": b"x" * 5000}), "no message: it has no properties"),
        (saved({(0x3FFD, NUMBER): 31337, (0x1000, BYTES): b"x"}), "in an unknown encoding"),
        (saved({(0x3FFD, NUMBER): 65001, (0x1000, BYTES): b"\xff"}), "damaged"),
        (saved(None, **{f"__attach_version1.0_#{n:08X}": properties(8, {}) for n in range(501)}), "beyond the limits of a message"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_goes_to_quarantine_with_a_reason(tmp_path: Path, data: bytes, why: str) -> None:
    assert lost(source(), blob(tmp_path, data)) == why


def test_streams_that_share_their_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file could otherwise unfold to many times its size."""
    tree = properties(32, {(0x1000, TEXT): "x" * 30_000, (0x0037, TEXT): "y", (0x007D, TEXT): "z"})
    data = bytearray(compound(tree))
    places = [data.index(name.encode("utf-16-le")) for name in tree if name.startswith("__substg")]
    for at in places[1:]:
        data[at + 116 : at + 128] = data[places[0] + 116 : places[0] + 128]
    assert lost(source(), blob(tmp_path, bytes(data))) == "damaged"
    monkeypatch.setattr("potable.sources.outlook._check", lambda file, size: None)
    assert row(tmp_path, bytes(data))["subject"] == "x" * 30_000


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(LEAVING) - 1), st.integers(1, 255))
def test_a_changed_byte_gives_a_row_or_a_reason(tmp_path_factory: pytest.TempPathFactory, at: int, change: int) -> None:
    data = LEAVING[:at] + bytes([LEAVING[at] ^ change]) + LEAVING[at + 1 :]
    (found,) = parsed(source(), blob(tmp_path_factory.mktemp("m"), data))
    assert found["_mistyped"] is None or found["_mistyped"].startswith(("@record: ", "sent"))


def test_without_the_extra_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "olefile", None)
    monkeypatch.delitem(sys.modules, "potable.sources.outlook", raising=False)
    monkeypatch.delattr("potable.sources.outlook", raising=False)
    with pytest.raises(MissingExtra) as caught:
        row(tmp_path, LEAVING)
    assert caught.value.next == "pip install 'potable[email]'"
