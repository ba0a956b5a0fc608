"""CSV as it really comes, and no row without its place."""

from __future__ import annotations

import bz2
import csv as std_csv
import gzip
import io
import json
import lzma
import pickle
import random
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.sources.objects import SECRET, blob, parsed, refusal, values

from potable.errors import DataError
from potable.sources import csv as module
from potable.sources.csv import CsvSource
from potable.sources.groups import observe_group


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


@pytest.mark.parametrize(
    ("line", "keys"), [("sep=;\r\n", {}), ('"sep=;"\n', {}), ("\ufeffsep=;\n", {}), ("SEP=;\n", {"delimiter": ";"})]
)
def test_a_line_that_tells_spreadsheets_the_delimiter_is_no_header(
    tmp_path: Path, line: str, keys: dict[str, Any]
) -> None:
    made, held = source(**keys), blob(tmp_path, f"{line}a;b\nx,1;2\n,3;4\n".encode())
    assert values(parsed(made, held), "_row", "a", "b") == [(1, "x,1", "2"), (2, ",3", "4")]
    assert [each.line for each in made.records("t", held, [1, 2])] == [3, 4]
    bare = source(header=False, names=["a", "b"], **keys)
    assert values(parsed(bare, held), "a", "b") == [("a", "b"), ("x,1", "2"), (",3", "4")]


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
    # a delimiter behind the last field, or numbers of rows before the first
    trailing = blob(tmp_path, b"a;b;\n1;2;\n")
    assert made.observe("t", trailing) == {"a", "b"} and values(parsed(made, trailing), "a", "b") == [("1", "2")]
    assert made.observe("t", blob(tmp_path, b",a,b\n0,1,2\n")) == {"", "a", "b"}


def test_ragged_rows_keep_their_place_and_text(tmp_path: Path) -> None:
    rows = parsed(source(), blob(tmp_path, b'a,b\n1,2,3\n1,2\n\nlonely\n"x\ny",2\n"p,q",r,s\n3,4\n'))
    assert values(rows, "_row", "a", "b", "_mistyped") == [
        (1, None, None, "@record: 3 fields instead of 2"),
        (2, "1", "2", None),
        (3, None, None, "@record: 1 fields instead of 2"),
        (4, "x\ny", "2", None),
        (5, None, None, "@record: 3 fields instead of 2"),
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


def test_whoever_takes_the_first_rows_leaves_no_thread_behind_that_reads_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of a process such a thread aborted it."""
    read, reading = module.Content.read, []

    def slow(content: module.Content, size: int = -1) -> bytes:
        reading.append("begun")
        time.sleep(0.05)
        given = read(content, size)
        reading.append("ended")
        return given

    monkeypatch.setattr(module, "_BLOCK", 1 << 16)
    monkeypatch.setattr(module.Content, "read", slow)
    batches = source().parse("t", blob(tmp_path, b"a,b\n" + b"1,2\n" * 1_000_000))
    assert isinstance(batches, Generator) and next(batches).num_rows
    batches.close()
    left = list(reading)
    time.sleep(0.3)
    assert reading == left and reading.count("begun") == reading.count("ended") < 30


def test_only_ragged_rows_are_still_all_there(tmp_path: Path) -> None:
    rows = parsed(source(), blob(tmp_path, b"a,b\n" + b"1;2;3\n" * 5000))
    assert values(rows, "_row") == list(range(1, 5001))


def test_bytes_windows_1252_leaves_open_are_kept(tmp_path: Path) -> None:
    assert read(tmp_path, b"a,b\n\x81\x8d,\x80\xe9\n") == [(1, "\x81\x8d", "€é")]


def test_a_mixture_of_encodings_is_not_guessed(tmp_path: Path) -> None:
    data = f"a,b\né,{SECRET}\n".encode() + b"\xe9,2\n"
    assert "declare its `encoding`" in refusal(source(), blob(tmp_path, data))
    assert read(tmp_path, data, encoding="cp1252")[1] == (2, "é", "2")
    assert read(tmp_path, data, encoding="utf-8") == [(1, "é", SECRET), (2, None, "2")]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Говорил с Иваном вчера", "cp1251"),
        ("Говорил с Иваном вчера", "koi8-r"),
        ("דיברתי עם דוד אתמול", "cp1255"),
        ("تحدثت مع محمد أمس", "cp1256"),
        ("Μίλησα με τον Γιώργο χθες", "cp1253"),
        ("İbrahim Işık'ın toplantısı Ayşe Yağmur ile", "cp1254"),
        ("山田さんと話した", "shift_jis"),
        ("김민수가 왔다", "euc-kr"),
        ("张伟在会议上", "gb18030"),
        ("พบสมชายใจดี", "cp874"),
    ],
)
def test_an_encoding_of_elsewhere_is_not_taken_for_that_of_western_europe(
    tmp_path: Path, text: str, encoding: str
) -> None:
    data = f"a,b\n1,{text}\n".encode(encoding)
    assert "declare its `encoding`" in refusal(source(), blob(tmp_path, data))
    assert read(tmp_path, data, encoding=encoding)[0] == (1, "1", text)


@pytest.mark.parametrize(
    "text",
    [
        "Größe, Äußerung, Übergrößen",
        "hääyöaie päätös söörömöö",
        "“validé” à l’été…",
        "Það er gott að vinna hér, þýðing á íslensku, ánægður með fólkið",
        "Ø",
        "ÄÖÜ x é",
    ],
)
def test_letters_of_western_europe_are_read_undeclared(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, f'a,b\n1,"{text} é è"\n'.encode("cp1252"))[0] == (1, "1", f"{text} é è")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "euc_jp", "gb18030", "cp1253"])
def test_bytes_that_are_not_of_a_declared_encoding_cost_their_cells(tmp_path: Path, encoding: str) -> None:
    filler = b"".join(b"x,c,%d\n" % n for n in range(500_000))
    odd = [b"k,\xff,1", b"y,c,p\xffq", b"\xff\xff,c,2"]
    held = blob(tmp_path, b"a,c,b\n" + b"\n".join([*odd, filler]))
    made = source(encoding=encoding)
    rows = parsed(made, held)
    assert values(rows, "_row", "a", "b", "_mistyped")[:4] == [
        (1, "k", "1", None),
        (2, "y", None, f"b: not {encoding.upper()}"),
        (3, None, "2", f"a: not {encoding.upper()}"),
        (4, "x", "0", None),
    ]
    assert (len(rows), rows[1]["_unparsed"]) == (500_003, '{"b": "p\ufffdq"}')
    # evidence is what came
    assert [made.record("t", held, ordinal) for ordinal in (1, 2, 3)] == odd


def test_a_row_of_another_length_is_told_once_whatever_its_bytes(tmp_path: Path) -> None:
    rows = parsed(source(encoding="utf-8"), blob(tmp_path, b"a,b\n1,\xff,3\n1,2\n"))
    assert values(rows, "_row", "_mistyped", "_unparsed") == [
        (1, "@record: 3 fields instead of 2", '{"@record": "1,\ufffd,3"}'),
        (2, None, None),
    ]


def test_a_cell_that_may_be_lost_costs_no_record(tmp_path: Path) -> None:
    data = blob(tmp_path, b"a,b\n\xff,2\n")
    (row,) = parsed(source({"a": {"on_error": "null"}, "b": {}}, encoding="utf-8"), data)
    assert (row["a"], row["b"], row["_mistyped"], row["_unparsed"]) == (None, "2", None, '{"a": "\ufffd"}')


def test_utf8_is_read_with_or_without_its_mark_also_when_declared(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeffa,b\n1,2\n", encoding="utf-8") == [(1, "1", "2")]


@pytest.mark.parametrize(
    "keys",
    [
        {"encoding": "klingon"},
        {"encoding": "rot13"},
        {"delimiter": ";;"},
        {"delimiter": '"'},
        {"delimiter": "|", "quote": "|"},
        {"quote": "''"},
        {"escape": '"'},
        {"comment": "\n"},
        {"skip_lines": -1},
        {"header": False},
        {"names": ["a", "b"]},
        {"header": False, "names": ["a", "a"]},
    ],
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


@pytest.mark.parametrize(
    ("keys", "data"),
    [
        ({"delimiter": "\t"}, "a\tb\né\t2\nx\ty\n"),
        ({"quote": "'"}, "a,b\n'é','2'\nx,y\n"),
        ({"skip_lines": 2}, 'Report of "May\n\na,b\né,2\nx,y\n'),
        ({"comment": "#"}, "# by: me, you\na,b\n#\né,2\n# and\nx,y\n#"),
        ({"comment": "//", "skip_lines": 1}, "one line\r\n// two\r\na,b\r\né,2\r\n// three\r\nx,y\r\n"),
        ({"header": False, "names": ["a", "b"]}, "é,2\nx,y"),
        ({"header": False, "names": ["a", "more", "b"], "delimiter": "~"}, "é~,~2\nx~;~y\n"),
    ],
    ids=["tab", "quote", "skip", "comment", "comment crlf", "no header", "tilde"],
)
def test_a_declared_dialect_is_kept_to(tmp_path: Path, keys: dict[str, Any], data: str) -> None:
    assert read(tmp_path, data, **keys) == PLAIN


def test_what_belongs_to_a_field_is_no_comment_and_no_quote(tmp_path: Path) -> None:
    assert read(tmp_path, 'a,b\n"x\n#y",1\n#"\n5",2\n', comment="#") == [(1, "x\n#y", "1"), (2, '5"', "2")]
    assert read(tmp_path, 'a,b\n"say \\"no\\"\n\\\\",1\n\\,,2\n', escape="\\") == [
        (1, 'say "no"\n\\', "1"),
        (2, ",", "2"),
    ]
    assert read(tmp_path, "a,b\n\"x,1\n'y,2\n", quote="") == [(1, '"x', "1"), (2, "'y", "2")]


def test_a_file_without_a_header_keeps_its_ragged_rows(tmp_path: Path) -> None:
    rows = parsed(source(header=False, names=["a", "b"]), blob(tmp_path, b"1,2\n1,2,3\n\n3,4\n"))
    assert values(rows, "_row", "a", "_mistyped") == [
        (1, "1", None),
        (2, None, "@record: 3 fields instead of 2"),
        (3, "3", None),
    ]


def test_numbers_may_have_a_decimal_comma(tmp_path: Path) -> None:
    columns = {"a": {"type": "decimal(9,2)", "decimal": ","}, "b": {"type": "float", "decimal": ","}}
    rows = parsed(source(columns), blob(tmp_path, b"a;b\n1.234,50;1,5\n-7;12.5\n1.23,4;1234,\n"))
    assert [str(cell) for cell in values(rows, "a")] == ["1234.50", "-7.00", "None"]
    assert values(rows, "b") == [1.5, None, 1234.0]
    assert values(rows, "_unparsed") == [None, '{"b": "12.5"}', '{"a": "1.23,4"}']


def test_what_was_found_is_told_and_what_was_declared_is_not(tmp_path: Path) -> None:
    object_ = blob(tmp_path, "a;b\né;2\n".encode("cp1252"))
    assert source().dialect("t", object_) == {"delimiter ;", "encoding cp1252"}
    assert source(delimiter=";", encoding="cp1252").dialect("t", object_) == set()
    assert source().dialect("t", blob(tmp_path, b"a\tb\n", "ascii")) == {"delimiter tab"}
    assert source().dialect("t", blob(tmp_path, "\ufeffa,b\n".encode(), "bom")) == {"delimiter ,", "encoding utf-8"}


def test_nul_bytes_are_characters_but_not_a_hidden_utf16(tmp_path: Path) -> None:
    assert read(tmp_path, b"a,b\nx\0y,2\n") == [(1, "x\0y", "2")]
    assert "UTF-16" in refusal(source(), blob(tmp_path, f"a,b\n1,{SECRET}".encode("utf-16-le")))
    assert read(tmp_path, "a,b\né,2\nx,y".encode("utf-16-le"), encoding="utf-16-le") == PLAIN


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=20),
    sign=st.sampled_from(",;\t|"),
    newline=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-16"]),
)
def test_any_table_of_texts_reads_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], sign: str, newline: str, encoding: str
) -> None:
    text = io.StringIO(newline="")
    writer = std_csv.writer(text, delimiter=sign, lineterminator=newline, quoting=std_csv.QUOTE_ALL)
    writer.writerows([("a", "b"), *rows])
    found = parsed(source(), blob(tmp_path_factory.mktemp("csv"), text.getvalue().encode(encoding)))
    assert values(found, "_row", "a", "b") == [
        (row, *(pc.utf8_trim_whitespace(cell).as_py() or None for cell in cells)) for row, cells in enumerate(rows, 1)
    ]


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 40), place=st.integers(0, 39), damage=st.sampled_from(["x", "x,y,z", ",,,"]))
def test_a_damaged_line_costs_exactly_itself(
    tmp_path_factory: pytest.TempPathFactory, rows: int, place: int, damage: str
) -> None:
    lines = [f"{number},v" for number in range(rows)]
    lines.insert(place, damage)
    found = parsed(source(), blob(tmp_path_factory.mktemp("csv"), "\n".join(["a,b", *lines]).encode()))
    assert [row["a"] for row in found if row["_mistyped"] is None] == [str(number) for number in range(rows)]
    assert [row["_unparsed"] for row in found if row["_mistyped"]] == [json.dumps({"@record": damage})]


MEMORY = """
import sys
from potable.sources.blobs import Blob
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


def test_a_file_of_very_many_columns_needs_little_memory(tmp_path: Path) -> None:
    (tmp_path / "small.csv").write_bytes(b"a;b;c\n1;2;3\n")
    (tmp_path / "big.csv").write_bytes(b"a;b;c" + b";" * 100_000 + b"\nx;7;01.02.2020" + b";" * 100_000 + b"\n")
    done = subprocess.run([sys.executable, "-c", MEMORY, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    rows, megabytes = map(int, done.stdout.split())
    assert rows == 1 and megabytes < 180


def test_columns_and_dialect_of_each_object_are_observed_together(tmp_path: Path) -> None:
    objects = [blob(tmp_path, b"a;b\n1;2\n", "x"), blob(tmp_path, "a,b\né,2\n".encode(), "y")]
    (batch,) = observe_group(pickle.loads(pickle.dumps(source())), "t", objects)
    assert batch.to_pylist() == [
        {"object": "x", "column": "a", "dialect": None},
        {"object": "x", "column": "b", "dialect": None},
        {"object": "x", "column": None, "dialect": "delimiter ;"},
        {"object": "y", "column": "a", "dialect": None},
        {"object": "y", "column": "b", "dialect": None},
        {"object": "y", "column": None, "dialect": "delimiter ,"},
        {"object": "y", "column": None, "dialect": "encoding utf-8"},
    ]


def test_a_source_tells_the_time_by_the_clocks_of_its_place(tmp_path: Path) -> None:
    moment = {"type": "timestamp"}
    columns = {"a": moment, "b": {**moment, "timezone": "UTC"}, "day": {"type": "date"}, "text": {}}
    given = {
        "source": "s",
        "type": "csv",
        "path": "x",
        "timezone": "Europe/Berlin",
        "tables": {"t": {"columns": columns}},
    }
    made = CsvSource.model_validate(given)
    noon = "2024-07-15 12:00"
    rows = parsed(made, blob(tmp_path, f"a,b,day,text\n{noon},{noon},2024-07-15,{noon}\n".encode()))
    ((a, b, day, text),) = values(rows, "a", "b", "day", "text")
    assert (a.isoformat(), b.isoformat(), day.isoformat(), text) == (
        "2024-07-15T10:00:00",
        "2024-07-15T12:00:00",
        "2024-07-15",
        noon,
    )


def test_a_time_zone_that_is_none_is_told_once() -> None:
    tables = {"t": {"columns": {"a": {"type": "timestamp"}, "b": {"type": "timestamp"}}}}
    with pytest.raises(ValidationError) as raised:
        CsvSource.model_validate({"source": "s", "type": "csv", "path": "x", "timezone": "Berlin", "tables": tables})
    assert [error["loc"] for error in raised.value.errors()] == [("timezone",)]
    assert "a time zone such as `Europe/Berlin`" in str(raised.value)
    with pytest.raises(ValidationError, match="`timezone` is only for timestamps"):
        source({"a": {"type": "date", "timezone": "Europe/Berlin"}})


def test_a_name_that_two_columns_have_is_refused_with_what_to_declare(tmp_path: Path) -> None:
    made = blob(tmp_path, b"a,b,b\n1,2,3\n")
    assert "two of its columns are called `b`" in refusal(source(), made)
    with pytest.raises(DataError, match="`header: false`"):
        parsed(source(), made)
    named = {"header": False, "skip_lines": 1, "names": ["a", "first", "b"]}
    assert values(parsed(source(**named), made), "a", "b") == [("1", "3")]


@pytest.mark.parametrize("before", [*range(1, 14)])
def test_a_newline_in_quotes_is_whole_where_a_block_ends(
    tmp_path: Path, before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK", 1 << 12)
    row = b'"one\r\ntwo",z\r\n'
    data = b"a,b\n" + b"x" * before + b",y\n" + row * 2000
    found = values(parsed(source({"a": {}, "b": {}}), blob(tmp_path, data)), "a")
    assert found == ["x" * before, *["one\r\ntwo"] * 2000]


DAMAGED = """
import gzip, sys
from pathlib import Path
from tests.sources.objects import refusal, blob
from tests.sources.test_csv import source
data = gzip.compress(b"a,b\\n" + b"".join(b"%d,some text\\n" % number for number in range(200_000)), 1)
for number in range(60):
    end = len(data) * (number % 30 + 1) // 40 if number % 2 else 1000 + number
    refusal(source({"a": {}}, encoding="utf-8"), blob(Path(sys.argv[1]), data[:end]))
"""


def test_a_process_that_read_damaged_files_ends(tmp_path: Path) -> None:
    # pyarrow's thread that reads ahead waited for itself where reading failed, which showed only when Python ended
    command = [sys.executable, "-c", DAMAGED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
