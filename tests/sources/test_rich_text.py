"""Messages of Outlook that hold their text as rich text only: unpacked, read, and never for long."""

from __future__ import annotations

import struct
import sys
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sources.objects import blob, lost
from tests.sources.test_mail import source
from tests.sources.test_outlook import BINARY, TEXT, row, saved

from potable.errors import MissingExtra
from potable.sources.documents import Unread

pytest.importorskip("striprtf", reason="striprtf is not installed")

from potable.sources.rich_text import LARGEST, read, unpacked

HELLO = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
)
"""The first example of [MS-OXRTFCP]; the second refers to what it is just making."""
AGAIN = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
LETTER = (
    rb"""{\rtf1\ansi\ansicpg1250\fromhtml1 \fbidis \deff0{\fonttbl
{\f0\fswiss Arial;}{\f1\fmodern\fcharset204 Courier New Cyr;}{\f2\fnil\fcharset128 MS Gothic;}}
{\colortbl\red0\green0\blue0;}{\*\generator Outlook;}
{\*\htmltag64 <p>}Employee number: E7\htmlrtf\par\htmlrtf0
{\f1 \'cf\'f0\'e8\'e2\'e5\'f2}\par Pr\'e1ce """
    + b"\xe1"
    + rb""" \u382?iv\u225\'e1 {\f2\'93\'fa\'96\'7b} \u-10179?\u-8704?\line
 {\field{\*\fldinst HYPERLINK "http://x.example"}{\fldrslt the link}}\par a\tab b \{c\} {\pict\pngblip 89504e47}}"""
)


def packed(text: bytes, *, length: int | None = None, kind: bytes = b"LZFu", control: bytes = b"\0") -> bytes:
    """A text as Outlook would keep it, if it did not look for repetitions; `control` says what the pieces are."""
    pieces = [text[at : at + 8] for at in range(0, len(text), 8)]
    body = b"".join(control + piece for piece in pieces) if kind == b"LZFu" else text
    check = zlib.crc32(body, 0xFFFFFFFF) ^ 0xFFFFFFFF if kind == b"LZFu" else 0
    return struct.pack("<II4sI", len(body) + 12, len(text) if length is None else length, kind, check) + body


def rich(data: bytes) -> bytes:
    """A message without another text."""
    return saved({(0x1009, BINARY): data, (0x0037, TEXT): "I go"})


def test_the_examples_of_the_specification_are_unpacked() -> None:
    assert unpacked(HELLO) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert unpacked(AGAIN) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=1, max_size=5000), st.sampled_from([b"LZFu", b"MELA"]))
def test_what_was_packed_comes_out(text: bytes, kind: bytes) -> None:
    assert unpacked(packed(text, kind=kind)) == text


def test_a_message_is_read_from_its_rich_text_where_it_has_no_other(tmp_path: Path) -> None:
    found = row(tmp_path, rich(packed(LETTER)))
    assert (found["emp_no"], found["subject"]) == ("E7", "I go")
    assert found["text"] == "Employee number: E7\nПривет\nPráce á živá 日本 😀\n the link\na\tb {c}"
    # as with the other bodies, the plain one counts first
    assert row(tmp_path, saved({(0x1000, TEXT): "plain", (0x1009, BINARY): packed(LETTER)}))["text"] == "plain"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"LZFu", "its RTF is damaged"),
        (HELLO[:30] + b"x" + HELLO[31:], "its RTF is damaged"),
        (packed(LETTER, length=len(LETTER) + 100), "its RTF is damaged"),
        (packed(LETTER, kind=b"LZMA"), "its RTF is damaged"),
        (packed(b"{\\rtf1 \\uc x}"), "its RTF is damaged"),
        (packed(b"{\\rtf1\\ansicpg932 \\'81}"), "its RTF is damaged"),
        (packed(b"<html>"), "its text is no RTF"),
        (packed(b"{\\rtf1}", length=LARGEST + 1), "its RTF is larger than 16 MiB"),
    ],
)
def test_what_cannot_be_read_goes_to_quarantine_with_a_reason(tmp_path: Path, data: bytes, why: str) -> None:
    assert lost(source(), blob(tmp_path, rich(data))) == why


def test_a_stream_unfolds_to_no_more_than_it_says() -> None:
    # each pair of bytes stands for 17
    many = packed(b"\0\x0f" * 4000, length=1000, control=b"\x0f")
    assert len(unpacked(many)) <= 1000


@pytest.mark.parametrize(
    "text",
    [
        b"{\\field{\\*\\fldinst" * 20_000,
        b"{\\FIELD{\\*\\FLDINST" + b' HYPERLINK "a' * 20_000,
        b"{\\fonttbl" + b"\\f0\\fcharset0" * 20_000,
        b"{\\fonttbl" + b"\\f0" * 100_000,
        b"{" * 200_000,
        b"{\\pict\\bin1 x" + b"00" * 100_000,
    ],
    ids=["links", "a link", "fonts", "one font", "groups", "picture"],
)
def test_texts_that_patterns_would_try_for_hours_come_to_an_end(text: bytes) -> None:
    assert read(packed(b"{\\rtf1 " + text + b"}", kind=b"MELA")).strip("{}") == ""


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(LETTER) - 1), st.binary(max_size=3))
def test_a_changed_text_is_read_or_has_a_reason(at: int, change: bytes) -> None:
    with suppress(Unread):
        assert isinstance(read(packed(LETTER[:at] + change + LETTER[at + 1 :])), str)


def test_without_striprtf_the_command_to_install_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "potable.sources.rich_text", raising=False)
    monkeypatch.setitem(sys.modules, "striprtf.striprtf", None)
    monkeypatch.delattr("potable.sources.rich_text", raising=False)
    with pytest.raises(MissingExtra) as missing:
        row(tmp_path, rich(packed(LETTER)))
    assert missing.value.next == "pip install 'potable[email]'"
