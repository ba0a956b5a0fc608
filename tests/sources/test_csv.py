"""CSV as it really comes, and no row without its place."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError
from tests.sources.objects import SECRET, blob, parsed, refusal, values

from potable.sources import csv as module
from potable.sources.csv import CsvSource


def source(columns: dict[str, Any] | None = None, **keys: Any) -> CsvSource:
    table = {"columns": columns or {"a": {}, "b": {}}, **keys}
    return CsvSource.model_validate({"source": "s", "type": "csv", "path": "x", "tables": {"t": table}})


def read(tmp_path: Path, data: bytes | str, columns: dict[str, Any] | None = None, **keys: Any) -> list[Any]:
    raw = data if isinstance(data, bytes) else data.encode()
    return values(parsed(source(columns, **keys), blob(tmp_path, raw)), "_row", "a", "b")


PLAIN = [(1, "é", "2"), (2, "x", "y")]


@pytest.mark.parametrize(
    "data",
    [
        "a,b\né,2\nx,y\n".encode(),
        "\ufeffa,b\r\né,2\r\nx,y".encode(),
        "a;b\r\né;2\r\nx;y\r\n".encode("latin-1"),
        "a\tb\né\t2\nx\ty".encode("cp1252"),
        "a|b\né|2\nx|y".encode("utf-16"),
        "a,b\rcé,2\rx,y"[:4].encode() + "é,2\rx,y".encode(),
        "\n\r\n a , b \né,2\n\nx,y\n\n".encode(),
        '"a","b"\n"é","2"\n"x","y"'.encode(),
    ],
    ids=["plain", "bom crlf", "latin-1", "cp1252 tab", "utf-16 bar", "cr", "blank lines", "quoted"],
)
@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, bz2.compress, lzma.compress, lambda raw: pa.compress(raw, "zstd", asbytes=True)]
)
def test_dialects_encodings_and_packings_are_found(tmp_path: Path, data: bytes, pack: Any) -> None:
    assert read(tmp_path, pack(data)) == PLAIN


def test_quotes_hold_newlines_delimiters_and_doubled_quotes(tmp_path: Path) -> None:
    data = 'a,b\n"one\r\ntwo, three","say ""no"""\n"",5" pipe\n'
    assert read(tmp_path, data) == [(1, "one\r\ntwo, three", 'say "no"'), (2, None, '5" pipe')]


def test_the_delimiter_is_not_looked_for_inside_quotes(tmp_path: Path) -> None:
    rows = parsed(source({"a, b, c, d": {}, "e": {}}), blob(tmp_path, b'"a, b, c, d";e\n1,5;2\n'))
    assert values(rows, "a, b, c, d", "e") == [("1,5", "2")]


def test_a_header_may_have_newlines(tmp_path: Path) -> None:
    rows = parsed(source({"x": {"path": "Employee\nnumber"}, "b": {}}), blob(tmp_path, b'"Employee\nnumber",b\n1,2\n'))
    assert values(rows, "x", "b") == [("1", "2")]


@pytest.mark.parametrize("data", ["", "\n\n", "a,b", "a,b\n", "a,b\r\n\r\n", "\ufeff"])
def test_a_file_without_records_has_none(tmp_path: Path, data: str) -> None:
    assert read(tmp_path, data) == []


def test_renamed_columns_are_found_by_the_first_name_that_is_there(tmp_path: Path) -> None:
    columns = {"a": {"path": ["new", "old"]}, "b": {"path": ["nope", "b"]}}
    assert read(tmp_path, "old,b\n1,2\n", columns) == [(1, "1", "2")]
    assert read(tmp_path, "old,new,b\n1,3,2\n", columns) == [(1, "3", "2")]
    assert read(tmp_path, "x,y\n1,2\n", columns) == [(1, None, None)]


def test_columns_are_observed_as_they_are_called(tmp_path: Path) -> None:
    made = source()
    assert made.observe("t", blob(tmp_path, b"x;y z\n1;2")) == {"x", "y z"}
    assert made.observe("t", blob(tmp_path, b"")) is None


def test_ragged_rows_keep_their_place_and_text(tmp_path: Path) -> None:
    rows = parsed(source(), blob(tmp_path, b'a,b\n1,2,3\n1,2\n\nlonely\n"x\ny",2\n"p,q",r,s\n3,4\n'))
    assert values(rows, "_row", "a", "b", "_mistyped") == [
        (1, None, None, "@record"),
        (2, "1", "2", None),
        (3, None, None, "@record"),
        (4, "x\ny", "2", None),
        (5, None, None, "@record"),
        (6, "3", "4", None),
    ]
    assert [row["_unparsed"] for row in rows if row["_unparsed"]] == [
        '{"@record": "1,2,3"}',
        '{"@record": "lonely"}',
        '{"@record": "\\"p,q\\",r,s"}',
    ]


@pytest.mark.parametrize("block", [64, 999, 5000, 1 << 20])
def test_ordinals_are_right_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    dice = random.Random(block)
    lines, want = [], []
    for ordinal in range(1, 3001):
        kind = dice.choice(["good", "good", "good", "long", "short", "newline"])
        text = {"good": f"v{ordinal},{ordinal}", "long": "x,y,z", "short": "x", "newline": f'"q\n{ordinal}",{ordinal}'}
        lines.append(text[kind])
        want.append((ordinal, None if kind in ("long", "short") else str(ordinal)))
        lines += [""] * dice.choice([0, 0, 0, 2])
    rows = parsed(source(), blob(tmp_path, ("a,b\n" + "\n".join(lines)).encode()))
    assert values(rows, "_row", "b") == want


def test_only_ragged_rows_are_still_all_there(tmp_path: Path) -> None:
    rows = parsed(source(), blob(tmp_path, b"a,b\n" + b"1;2;3\n" * 5000))
    assert values(rows, "_row") == list(range(1, 5001))


def test_bytes_windows_1252_leaves_open_are_kept(tmp_path: Path) -> None:
    assert read(tmp_path, b"a,b\n\x81\x8d,\x80\xe9\n") == [(1, "\x81\x8d", "€é")]


def test_a_mixture_of_encodings_is_not_guessed(tmp_path: Path) -> None:
    data = f"a,b\né,{SECRET}\n".encode() + b"\xe9,2\n"
    assert "declare its `encoding`" in refusal(source(), blob(tmp_path, data))
    assert read(tmp_path, data, encoding="cp1252")[1] == (2, "é", "2")


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "ascii"])
def test_a_declared_encoding_is_kept_to(tmp_path: Path, encoding: str) -> None:
    filler = b"".join(b"x,%d\n" % n for n in range(500_000))
    assert "UnicodeDecodeError" in refusal(source(encoding=encoding), blob(tmp_path, b"a,b\n" + filler + b"\xe9,2\n"))


def test_utf8_is_read_with_or_without_its_mark_also_when_declared(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeffa,b\n1,2\n", encoding="utf-8") == [(1, "1", "2")]


@pytest.mark.parametrize(
    "keys", [{"encoding": "klingon"}, {"encoding": "rot13"}, {"delimiter": ";;"}, {"delimiter": '"'}]
)
def test_a_dialect_that_cannot_be_is_refused_in_the_project(keys: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        source(**keys)


@pytest.mark.parametrize(
    "data",
    [
        b'a,b\n1,2\n3,"' + SECRET.encode() + b"\n5,6\n",
        b"a,b\n" + b"x" * (5 << 20) + b",1\n",
        gzip.compress(b"a,b\n" + b"".join(b"%d,1\n" % n for n in range(90_000)))[:-50],
        b"PK\x03\x04" + SECRET.encode(),
        b"a,a,b\n1,2,3\n",
    ],
    ids=["quote never closed", "endless record", "half a gzip", "zip", "two columns of a name"],
)
def test_a_damaged_file_is_refused_without_its_content(tmp_path: Path, data: bytes) -> None:
    refusal(source(), blob(tmp_path, data))


MEMORY = """
import sys
from potable.sources.base import Blob
from tests.sources import peak
from tests.sources.test_csv import source
made = source({"a": {}, "b": {"type": "integer"}, "c": {"type": "date", "format": "%d.%m.%Y"}})
for batch in made.parse("t", Blob("small.csv", sys.argv[1], "small.csv", False, 0)):
    pass
before = peak.megabytes()
print(sum(batch.num_rows for batch in made.parse("t", Blob("big.csv", sys.argv[1], "big.csv", False, 0))))
print(peak.megabytes() - before)
"""


def test_a_large_file_needs_little_memory(tmp_path: Path) -> None:
    line = "Ein längerer Text in der ersten Spalte;123456;31.12.2019\n".encode("latin-1")
    (tmp_path / "small.csv").write_bytes(b"a;b;c\n" + line * 100)
    (tmp_path / "big.csv").write_bytes(b"a;b;c\n" + line * 1_800_000)
    done = subprocess.run([sys.executable, "-c", MEMORY, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    rows, megabytes = map(int, done.stdout.split())
    assert rows == 1_800_000
    assert megabytes < 180
