"""E-mails and text files as records."""

from __future__ import annotations

import gzip
import json
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sources.objects import SECRET, blob, lost, parsed

from potable.sources.mail import MailSource
from potable.sources.plaintext import TextSource

COLUMNS = {
    "sender": {"path": "@from"},
    "sent": {"path": "@date", "type": "timestamp"},
    "subject": {"path": "SUBJECT"},
    "emp_no": {"path": ["Employee number", "X-Staff"]},
    "text": {"path": "@text"},
    "files": {"path": "@attachments"},
}


def source() -> MailSource:
    keys = {"source": "s", "type": "email", "path": "x", "tables": {"t": {"columns": COLUMNS}}}
    return MailSource.model_validate(keys)


def text_source(**table: Any) -> TextSource:
    columns = {"emp_no": {"path": "Employee number"}, "text": {"path": "@text"}}
    keys = {"source": "s", "type": "text", "path": "x", "tables": {"t": {"columns": columns, **table}}}
    return TextSource.model_validate(keys)


def message(body: str = "Employee number: E1\nI go.\n", **headers: str) -> EmailMessage:
    made = EmailMessage()
    for name, value in {"From": '"Meyer, Zoé" <zoe@example.com>', "Subject": "Good bye, Zoé", **headers}.items():
        made[name] = value
    made.set_content(body)
    return made


def read(folder: Path, made: EmailMessage | bytes) -> dict[str, Any]:
    data = made if isinstance(made, bytes) else bytes(made)
    (row,) = parsed(source(), blob(folder, data))
    return row


def test_headers_lines_and_text_become_columns(tmp_path: Path) -> None:
    row = read(tmp_path, message(Date="Tue, 03 Mar 2020 10:00:00 +0100"))
    assert (row["sender"], row["subject"], row["emp_no"]) == ("zoe@example.com", "Good bye, Zoé", "E1")
    assert (str(row["sent"]), row["text"], row["files"]) == ("2020-03-03 09:00:00", "Employee number: E1\nI go.", "[]")


def test_a_header_counts_where_no_line_has_the_label(tmp_path: Path) -> None:
    assert read(tmp_path, message("no label", **{"x-staff": "E2"}))["emp_no"] == "E2"


def test_attachments_are_listed_and_not_read(tmp_path: Path) -> None:
    made = message()
    made.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Kündigung.pdf")
    made.add_attachment(SECRET, filename="note.txt")
    made.add_attachment(message("inner"))
    row = read(tmp_path, made)
    assert json.loads(row["files"])[:2] == ["Kündigung.pdf", "note.txt"]
    assert len(json.loads(row["files"])) == 3
    assert row["text"] == "Employee number: E1\nI go."


def test_html_is_shown_as_a_browser_does_and_only_without_plain_text(tmp_path: Path) -> None:
    html = "<html><head><title>x</title><style>p{}</style></head><body><p>Employee number: <b>E3</b></p>\n<script>s</script>"
    html += "<ul><li>one &amp; two<li>three</ul>a<br>b <!-- c --> d<table><tr><td>e</td></tr></table></body></html>"
    made = message()
    made.set_content(html, subtype="html")
    row = read(tmp_path, made)
    assert row["text"].split("\n") == ["Employee number: E3", "one & two", "three", "a", "b  d", "e"]
    assert row["emp_no"] == "E3"
    both = message("plain")
    both.add_alternative(html, subtype="html")
    assert read(tmp_path, both)["text"] == "plain"


def parts(kind: str, **parts: str) -> bytes:
    """A message of parts of text, by what they are."""
    head = f'From: a@b.c\nMIME-Version: 1.0\nContent-Type: multipart/{kind}; boundary="B"\n\n'
    told = "".join(
        f"--B\nContent-Type: text/{what.partition('_')[0]}; charset=utf-8\n\n{text}\n" for what, text in parts.items()
    )
    return f"{head}{told}--B--\n".encode()


@pytest.mark.parametrize("blank", ["", " \n\n ", "\u00a0"])
def test_a_plain_part_that_says_nothing_does_not_hide_the_other(tmp_path: Path, blank: str) -> None:
    assert read(tmp_path, parts("alternative", plain=blank, html="<p>I go.</p>"))["text"] == "I go."
    assert read(tmp_path, parts("alternative", html="<p>I go.</p>", calendar="BEGIN:VCALENDAR"))["text"] == "I go."


def test_a_footer_does_not_hide_the_text_above_it(tmp_path: Path) -> None:
    """Lists of mail put theirs behind what somebody wrote, as a plain part of its own."""
    made = parts("mixed", html="<p>Employee number: E4</p>", plain="-- the list", html_2="<p>bye</p>")
    row = read(tmp_path, made)
    assert (row["text"], row["emp_no"]) == ("Employee number: E4\n-- the list\nbye", "E4")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="=?utf-8?B?Wm/DqSBNZXllci5wZGY=?="', "Zoé Meyer.pdf"),
        ('attachment;\n filename="=?utf-8?Q?Zo=C3=A9_M?=\n =?utf-8?Q?eyer.pdf?="', "Zoé Meyer.pdf"),
        ("attachment; filename*0*=utf-8''Zo%C3%A9%20M; filename*1*=eyer.pdf", "Zoé Meyer.pdf"),
        ('attachment; filename="Zoé Meyer.pdf"', "Zoé Meyer.pdf"),
        ('attachment; filename="=?klingon?Q?x?="', "=?klingon?Q?x?="),
        ("attachment", "application/pdf"),
    ],
)
def test_names_of_attachments_are_read_as_programs_write_them(tmp_path: Path, header: str, name: str) -> None:
    """A name inside of base64 would be no name to whoever redacts the text."""
    made = f"From: a@b.c\nContent-Type: application/pdf\nContent-Disposition: {header}\n\n%PDF"
    assert json.loads(read(tmp_path, made.encode())["files"]) == [name]


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-15", "windows-1252", "utf-16"])
@pytest.mark.parametrize("coding", ["base64", "quoted-printable"])
def test_the_declared_charset_is_taken(tmp_path: Path, charset: str, coding: str) -> None:
    made = message()
    made.set_content("Zoé".encode(charset), "text", "plain", cte=coding)
    made.set_param("charset", charset)
    assert read(tmp_path, made)["text"] == "Zoé"


def test_undeclared_bytes_are_found_out(tmp_path: Path) -> None:
    head = b"From: a@b.c\nSubject: caf\xc3\xa9\nContent-Type: text/plain\n\n"
    assert read(tmp_path, head + "Zoé".encode())["text"] == "Zoé"
    assert read(tmp_path, head + "Zoé".encode("cp1252"))["subject"] == "café"
    assert "no encoding" in lost(source(), blob(tmp_path, head + "Zoé".encode() + SECRET.encode() + b"\xe9\xe9"))


@pytest.mark.parametrize(
    ("sender", "address"),
    [
        ("Zoé Meyer <zoé@example.com>", "zoé@example.com"),
        ("=?utf-8?Q?Meyer=2C_Zo=C3=A9?= <zoe@example.com>", "zoe@example.com"),
        # what many senders have in common is nobody's address
        ("EXCHANGE /O=ORG/CN=ZOE", None),
        ("undisclosed-recipients:;", None),
        ("zoe at example.com", None),
    ],
)
def test_a_sender_is_an_address_or_nobody(tmp_path: Path, sender: str, address: str | None) -> None:
    assert read(tmp_path, f"From: {sender}\nSubject: x\n\nI go.\n".encode())["sender"] == address


@pytest.mark.parametrize("coding", ["base64", "Base64 ", "BASE64 (of my own)"])
def test_what_is_coded_is_not_taken_for_a_text(tmp_path: Path, coding: str) -> None:
    """No name is found in it."""
    head = f"From: a@b.c\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {coding}\n\n"
    assert read(tmp_path, f"{head}Wm/DqSBNZXllcg==\n".encode())["text"] == "Zoé Meyer"
    assert lost(source(), blob(tmp_path, f"{head}Wm/DqSBNZXllcg==x\n".encode().replace(b"==x", b"xxx"))) == "damaged"


def test_latin_1_is_windows_1252_as_everybody_reads_it(tmp_path: Path) -> None:
    head = b"From: a@b.c\nSubject: =?iso-8859-1?Q?=8Aimek?=\nContent-Type: text/plain; charset=ISO-8859-1\n\n"
    row = read(tmp_path, head + "Šimek: 5 €".encode("cp1252"))
    assert (row["subject"], row["text"]) == ("Šimek", "Šimek: 5 €")
    assert read(tmp_path, head + b"\x81 caf\xe9")["text"] == "\x81 café"


NESTED = b"From: a\n" + b"".join(
    b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(5000)
)
BAD = {
    "charset": (b"From: a\nContent-Type: text/plain; charset=klingon\n\nx", "unknown encoding"),
    "bytes": (
        b"From: a\nContent-Type: text/plain; charset=utf-8\n\n" + SECRET.encode() + b"\xff",
        "encoding it declares",
    ),
    "header": (b"From: a\nSubject: \xff\xfe\n\nx", "no declared encoding"),
    "mbox": (
        b"From a@b.c Fri Nov 20 19:12:08 2020\nFrom: a\n\nhi\n\nFrom b@b.c Fri Nov 20 19:12:08 2020\nFrom: b\n\nho\n",
        "several messages in one file",
    ),
    "no boundary": (b"From: a\nContent-Type: multipart/mixed\n\n" + SECRET.encode(), "damaged"),
    "no message": (b"\x00\x01" + SECRET.encode(), "no headers"),
    "empty": (b"", "no headers"),
    "nested": (NESTED, "limits"),
    "parts": (b'From: a\nContent-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\nx\n" * 20_000, "limits"),
    "long header": (b"From: a\nSubject: " + b"x" * (2 << 20) + b"\n\n", "limits"),
    "bomb": (gzip.compress(b"From: a\n\n" + b"x" * (65 << 20), 1), "larger than 64 MiB"),
    "half packed": (gzip.compress(b"From: a\n\n" + b"x" * 1000)[:30], "damaged"),
    "two values": (b"From: a\n\nEmployee number: 1\nEmployee number: 2\n", "stands twice"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_message_that_cannot_be_read_goes_to_quarantine(tmp_path: Path, what: str) -> None:
    data, why = BAD[what]
    assert why in lost(source(), blob(tmp_path, data))


def test_the_others_survive_and_keep_their_names(tmp_path: Path) -> None:
    good, bad = bytes(message()), BAD["charset"][0]
    blobs = [blob(tmp_path, data, f"{number}.eml") for number, data in enumerate([good, bad, good])]
    rows = [row for batch in source().parse_all("t", blobs) for row in batch.to_pylist()]
    assert sorted((row["_object"], row["emp_no"]) for row in rows) == [
        ("0.eml", "E1"),
        ("1.eml", None),
        ("2.eml", "E1"),
    ]


@settings(deadline=None)
@given(data=st.binary(max_size=200) | st.text(max_size=80).map(lambda text: b"From: a\nSubject: b\n\n" + text.encode()))
def test_any_bytes_are_one_row(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    assert len(parsed(source(), blob(tmp_path_factory.getbasetemp(), data, "any"))) == 1
    assert len(parsed(text_source(), blob(tmp_path_factory.getbasetemp(), data, "any"))) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_a_text_file_is_a_record(tmp_path: Path, encoding: str) -> None:
    text = "Exit interview\r\n\r\n  Employee  number : E9 \r\nAt 10:30 é said: why: because\r\n"
    (row,) = parsed(text_source(), blob(tmp_path, text.encode(encoding)))
    assert (row["emp_no"], row["text"]) == ("E9", text.replace("\r\n", "\n").strip())


def test_a_text_file_in_another_encoding_goes_to_quarantine(tmp_path: Path) -> None:
    data = (SECRET + "é").encode("cp1252")
    assert "encoding it declares" in lost(text_source(encoding="utf-8"), blob(tmp_path, data))
