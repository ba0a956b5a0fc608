"""Streams of text as UTF-8: however they are read, they are what a decoder makes of them."""

from __future__ import annotations

import codecs
import io
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from tests.sources.objects import blob, lost, refusal
from tests.tried import tried

from potable.plugins import load
from potable.sources import encodings
from potable.sources.encodings import Utf8, is_utf8

PARTS = st.sampled_from(
    [
        *(
            b"plain ",
            b"\n",
            "Gr\u00f6\u00dfe".encode(),
            "\u20ac".encode(),
            "\U0001f600".encode(),
            codecs.BOM_UTF8,
            b"\xff",
            b"\xc3",
        ),
        *(b"\xe2\x82", b"\xf0\x9f\x98", b"\x80", b"\xed\xa0\x80", b"\xe4\xe5", "\U0010ff85".encode(), b"\x81\x8d", b""),
    ]
)


def _nothing(*_: object) -> None:
    return None


@tried(
    200,
    st.lists(PARTS, max_size=12),
    st.sampled_from(["utf-8", "utf-8-sig", "ascii", "cp1252", "iso8859-1", "gb18030", "utf-16", "shift_jis"]),
    st.booleans(),
    st.integers(1, 20),
)
def test_a_stream_is_what_its_decoder_makes_of_it(parts: list[bytes], encoding: str, spared: bool, chunk: int) -> None:
    data = b"".join(parts)
    told: list[object] = []
    for size in (1 << 20, chunk):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(encodings, "_CHUNK", size)
            if size != chunk:
                # everything goes through the decoder
                patched.setattr(Utf8, "_as_it_is", _nothing)
            stream = Utf8(io.BytesIO(data), encoding, spared=spared)
            try:
                told.append((b"".join(iter(partial(stream.read, 7), b"")), stream.odd))
            except UnicodeDecodeError:
                told.append("not of its encoding")
    assert told[0] == told[1]


@tried(100, st.lists(PARTS, max_size=6))
def test_what_is_utf8_can_be_decoded(parts: list[bytes]) -> None:
    data = b"".join(parts)
    try:
        data.decode()
        valid = True
    except UnicodeDecodeError:
        valid = False
    assert is_utf8(data) is valid


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize(
    ("kind", "more"),
    [("csv", {}), ("json", {}), ("fixed", {"widths": {"a": 2}})],
    ids=["csv", "json", "fixed"],
)
def test_a_file_without_the_mark_it_needs_is_refused(
    kind: str, more: dict[str, Any], encoding: str, tmp_path: Path
) -> None:
    table = {"columns": {"a": {}}, "encoding": encoding, **more}
    source = load("sources", kind).model_validate({"source": "s", "type": kind, "path": "x", "tables": {"t": table}})
    assert "cod" in refusal(source, blob(tmp_path, "a,b\n1,2\n".encode(f"{encoding}-le")))


def test_a_document_without_the_mark_it_needs_is_told(tmp_path: Path) -> None:
    table = {"columns": {"a": {}}, "encoding": "utf-16"}
    declared = {"source": "s", "type": "text", "path": "x", "tables": {"t": table}}
    source = load("sources", "text").model_validate(declared)
    assert lost(source, blob(tmp_path, "a text".encode("utf-16-le")))
