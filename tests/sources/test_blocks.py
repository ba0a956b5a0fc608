"""What a parser makes of an object depends on its bytes, never on where a block, a chunk or a batch ends."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.sources.objects import blob, parsed, refusal, values

from potable.errors import DataError, PotableError
from potable.plugins import load
from potable.sources import csv, encodings, fixed, jsonreading, jsonsplit, originals, wellformed, xmlelements
from potable.sources.base import Source
from potable.sources.blobs import Blob
from potable.sources.encodings import found
from potable.sources.files import decompressed
from potable.sources.mail import _moment
from potable.sources.shares import Share

MODULES = {
    **{"csv": csv, "encodings": encodings, "fixed": fixed, "json": jsonsplit, "reading": jsonreading},
    **{"originals": originals, "xml": wellformed, "elements": xmlelements},
}
SMALL = {
    "csv": {"encodings___CHUNK": 23},
    "fixed": {"fixed___BLOCK": 29, "encodings___CHUNK": 23},
    "json": {"json__BLOCK": 11, "reading___MANY": 4, "reading___SOME": 2, "encodings___CHUNK": 23},
    "xml": {"xml___BLOCK": 31, "elements___BUFFER": 17, "elements___BATCH_ROWS": 2, "originals___PIECE": 13},
}
"""Which sizes make small ones of all blocks of a kind of source."""
TEXTS: dict[str, list[str]] = {
    "csv": [
        *('a,b\n1,"2\r\n3"\r\n', '"say ""hi""",\n', "# not a record\n", "\n", "\r\n", "lone,\r", "1,2,3\n", "ä,€\n"),
        *(
            "\ufeffa,b\n",
            "\u2028,\u0085\f\n",
            "e\u0301,\U0001f600\n",
            "a\\,b,c\n",
            "\\\n,b\n",
            '"open,',
            "\0,x\n",
            " \n",
        ),
    ],
    "fixed": [
        "abc12\n",
        "x  9\n",
        "\n",
        "abc1x\r\n",
        "a longer line\n",
        "ä€ß34\n",
        "a\r\r12\n",
        "\0\0\0\f\v\n",
        "\ufeff\n",
    ],
    "json": [
        *('{"a": "x", "b": 1}\n', '{"b": -0, "a": null}', "\n", ", ", '{"a": {"d": "\\u0000é"}, "b": 1E5}\n', "-0\n"),
        *("[", "]", '{"a": [1, {"d": "}],{"}]}\n', "1.10", '{"a": "\\ud800", "a": 1}', "\r\n", '{"a":\n', " \f\n", '"'),
    ],
    "xml": [
        *("<r><a>x</a><b>2</b></r>\n", "<r i='>'><a>&amp;é</a></r>", "<!-- </r> -->", "<r><a><![CDATA[</r>]]></a></r>"),
        *(
            "<r><a>1</a><a>2</a></r>",
            "<r/>",
            "<?p </r> ?>",
            "<r>t<a>&#x1F600;</a><c><r/></c></r >",
            "</d>",
            "\r\n",
            "<r>",
        ),
    ],
}
DECLARED: dict[str, list[dict[str, Any]]] = {
    "csv": [
        *({}, {"comment": "#"}, {"skip_lines": 1}, {"skip_lines": 2, "comment": "#"}, {"escape": "\\"}, {"quote": ""}),
        *({"delimiter": "auto", "quote": ","}, {"header": False, "names": ["a", "b"]}),
    ],
    "fixed": [{}, {"trimmed": True}, {"newlines": False}, {"skip_lines": 2}, {"length": 7}],
    "json": [{}, {"format": "lines"}, {"format": "document"}, {"records": "a"}, {"columns": {"v": {"path": "."}}}],
    "xml": [{}, {"columns": {"a": {}, "n": {"path": "#"}, "k": {"path": "/d/@k"}}}],
}
ALWAYS: dict[str, dict[str, Any]] = {
    "csv": {"delimiter": ","},
    "fixed": {"widths": {"a": 3, "b": 2}},
    "json": {},
    "xml": {"record": "/d/r"},
}
ENCODINGS = ["utf-8"] * 4 + ["utf-16", "cp1252", "utf-8-sig", "shift_jis", "hz", "iso2022_jp", "utf-32"]


def source_of(kind: str, table: Mapping[str, Any]) -> Source[Any]:
    whole = {"columns": {"a": {}, "b": {"type": "integer"}}, **ALWAYS.get(kind, {}), **table}
    source: Source[Any] = load("sources", kind).model_validate(
        {"source": "s", "type": kind, "path": "x", "tables": {"t": whole}}
    )
    return source


@contextmanager
def cut_into(**sizes: int) -> Iterator[None]:
    """Small blocks: `module__NAME=size`."""
    with pytest.MonkeyPatch.context() as patched:
        for name, size in sizes.items():
            module, _, constant = name.partition("__")
            patched.setattr(MODULES[module], constant, size)
        yield


def answers(source: Source[Any], held: Blob) -> dict[str, Any]:
    """All that a source says of an object; of what it refuses, only that it does."""
    told: dict[str, Any] = {}
    asked: dict[str, Callable[[], Any]] = {
        "rows": lambda: parsed(source, held),
        "together": lambda: [row for batch in source.parse_all("t", [held]) for row in batch.to_pylist()],
        "observe": lambda: source.observe("t", replace(held)),
        "dialect": lambda: source.dialect("t", replace(held)),
        "names": lambda: source.names("t", replace(held)),
        "children": lambda: source.children("t", held),
        "envelope": lambda: source.envelope("t", held),
    }
    for name, ask in asked.items():
        try:
            told[name] = ask()
        except PotableError as failure:
            told[name] = failure.code
    rows = told["rows"]
    told["together"] = rows if isinstance(rows, str) else sorted(told["together"], key=lambda row: row["_row"])
    try:
        wanted = [row["_row"] for row in rows] if isinstance(rows, list) else [1, 2]
        told["records"] = [(each.data, each.line, each.offset) for each in source.records("t", held, wanted)]
    except PotableError as failure:
        told["records"] = failure.code
    # what is refused may be refused anywhere
    return {"rows": rows} if isinstance(rows, str) else told


def require_same(kind: str, table: Mapping[str, Any], data: bytes, folder: Path) -> None:
    source, held = source_of(kind, table), blob(folder, data)
    whole = answers(source, held)
    with cut_into(**SMALL[kind]):
        assert answers(source, held) == whole
    if "records" in whole:
        assert isinstance(whole["records"], list) or not whole["rows"]
        assert whole["together"] == whole["rows"]


def encoded(text: str, encoding: str, at: int, odd: bytes) -> bytes:
    data = text.encode(encoding, "xmlcharrefreplace" if text.startswith("<") else "ignore")
    return data[:at] + odd + data[at:] if at else data


@pytest.mark.parametrize("kind", TEXTS)
def test_blocks_may_end_anywhere(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("blocks")

    @settings(deadline=None, max_examples=60)
    @given(
        st.lists(st.sampled_from(TEXTS[kind]), max_size=14).map("".join),
        st.sampled_from(DECLARED[kind]),
        st.sampled_from(ENCODINGS),
        st.sampled_from([0, 0, 0, 5, 17, 40]),
        st.sampled_from([b"\xff", b"\xc3", b"\xe2\x82", b"\0", b"\x1b\xe4"]),
    )
    def holds(text: str, table: dict[str, Any], encoding: str, at: int, odd: bytes) -> None:
        # bytes out of step would leave no end of a line
        at = 0 if kind == "fixed" and encoding.startswith("utf-") else at
        declared = {"encoding": encoding} if kind != "xml" else {}
        text = f'<?xml version="1.0" encoding="{encoding}"?><d k="ä">{text}</d>' if kind == "xml" else text
        require_same(kind, {**table, **declared}, encoded(text, encoding.removesuffix("-sig"), at, odd), folder)

    holds()


@pytest.mark.parametrize("declared", [{"skip_lines": 1}, {"skip_lines": 2, "comment": "#"}], ids=["lines", "comments"])
def test_skipped_lines_take_nothing_of_a_later_chunk(declared: dict[str, Any], tmp_path: Path) -> None:
    data = b"exported\n# today\na,b\n" if "comment" in declared else b"exported\na,b\n"
    data = data.replace(b"# today\n", b"by nobody\n") + b"".join(b"name,%d\n" % number for number in range(150_000))
    rows = parsed(source_of("csv", declared), blob(tmp_path, data))
    assert values(rows, "b") == [*range(150_000)]


@pytest.mark.parametrize("text", ["é", "€", "\U0001f600"])
def test_a_sign_may_lie_in_two_chunks(text: str) -> None:
    sign = text.encode()
    for before in range((1 << 20) - len(sign), (1 << 20) + 1):
        data = b"x" * before + sign
        assert found(io.BytesIO(data + b"x")) == "utf-8-sig"
        with pytest.raises(encodings.Ambiguous):
            found(io.BytesIO(data + b"\xff"))


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.sampled_from([b"abc ", b"\xe4", b"\xf6\xfc", b"\xd0\xdd", b"\xfe", "Жж".encode(), b"\n"]), max_size=12)
)
@example([b"\xf6\xfc", b"\xe4", b"\xe4"])
def test_an_encoding_is_found_wherever_chunks_end(parts: list[bytes]) -> None:
    told = []
    for size in (1 << 20, 2, 3, 5):
        with cut_into(encodings___CHUNK=size):
            try:
                told.append(found(io.BytesIO(b"".join(parts))))
            except encodings.Ambiguous:
                told.append("ambiguous")
    assert set(told) == {told[0]}


class Slow(io.BytesIO):
    """A stream that gives a byte at a time."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(1 if size else 0)


def test_a_byte_order_mark_may_come_in_parts() -> None:
    with encodings.Utf8(Slow("\ufeffa\ufeffb".encode()), "utf-8-sig") as stream:
        assert stream.read().decode() == "a\ufeffb"


def test_a_record_that_begins_like_a_byte_order_mark_keeps_it(tmp_path: Path) -> None:
    held = blob(tmp_path, "a,b\n\ufeffx,1\n\ufeffy,2\n".encode())
    source = source_of("csv", {})
    assert values(parsed(source, held), "a") == ["\ufeffx", "\ufeffy"]
    assert [each.data for each in source.records("t", held, [1, 2])] == ["\ufeffx,1".encode(), "\ufeffy,2".encode()]


@pytest.mark.parametrize("lead", [b"", b'sep="\n', b"sep=,\n"])
def test_what_quotes_is_no_delimiter(lead: bytes, tmp_path: Path) -> None:
    quote = {b"sep=,\n": ","}.get(lead, '"')
    held = blob(tmp_path, lead + b"a;b\nx;1\n\ny;2\n")
    source = source_of("csv", {"delimiter": "auto", "quote": quote})
    assert source.dialect("t", held) <= {"delimiter ;", "delimiter ,"}
    wanted = [row["_row"] for row in parsed(source, held)]
    assert len([*source.records("t", held, wanted)]) == len(wanted)


@pytest.mark.parametrize("mark", [b"", b"\xff\xfe", b"\xfe\xff"])
@pytest.mark.parametrize("declaration", ["", '<?xml version="1.0"?>', '<?xml version="1.0" encoding="UTF-16"?>'])
def test_xml_in_utf_16_needs_neither_mark_nor_declaration(mark: bytes, declaration: str, tmp_path: Path) -> None:
    text = f"{declaration}<d><r><a>ä</a></r><r><b>2</b></r></d>"
    for order in ("le", "be") if not mark else ("le" if mark[0] == 0xFF else "be",):
        held = blob(tmp_path, mark + text.encode(f"utf-16-{order}"))
        source = source_of("xml", {})
        assert values(parsed(source, held), "a", "b") == [("ä", None), (None, 2)]
        assert source.observe("t", held) == {"a", "b"}
        assert [each.data.decode(f"utf-16-{order}") for each in source.records("t", held, [2])] == ["<r><b>2</b></r>"]
        shares = [parsed(source, replace(held, share=Share(number, 2))) for number in range(2)]
        assert [len(rows) for rows in shares] == [2, 0]


def test_a_minus_zero_that_is_a_record_keeps_its_sign(tmp_path: Path) -> None:
    source = source_of("json", {"columns": {"v": {"path": "."}}})
    for many in (2, 100):
        held = blob(tmp_path, f"[{','.join(['-0'] * many)}]".encode())
        assert values(parsed(source, held), "v") == ["-0"] * many


def test_blanks_behind_the_first_line_are_not_held_in_memory() -> None:
    class Blanks(io.RawIOBase):
        read_so_far = most = 0

        def read(self, size: int = -1) -> bytes:
            first, self.read_so_far = not self.read_so_far, self.read_so_far + size
            self.most = max(self.most, tracemalloc.get_traced_memory()[0])
            return (b"{}\n" if first else b"").ljust(size) if self.read_so_far < 100 << 20 else b""

    tracemalloc.start()
    try:
        stream = Blanks()
        assert not jsonsplit.is_lines(stream, whole=False)  # type: ignore[arg-type]
    finally:
        tracemalloc.stop()
    assert stream.read_so_far >= 100 << 20 and stream.most < 20 << 20


def test_how_deep_records_lie_is_told_by_the_first(tmp_path: Path) -> None:
    table = {"columns": {"z": {}, "w": {"path": "../../w"}}, "records": "x.y.v", "format": "document"}
    data = b'{"w": 5, "x": [{"y": {"v": {"z": 1}}}, {"y": [{"v": {"z": 2}}]}]}'
    found = values(parsed(source_of("json", table), blob(tmp_path, data)), "z", "w")
    assert found == [("1", "5"), ("2", None)]
    require_same("json", table, data, tmp_path)


def test_a_path_that_leads_out_of_all_records_is_refused_whatever_is_asked(tmp_path: Path) -> None:
    source, held = source_of("json", {"columns": {"a": {"path": "../a"}}}), blob(tmp_path, b'{"a": 1}\n{"a": 2}\n')
    assert source.observe("t", held) is None
    for ask in (source.parse("t", held), source.parse_all("t", [held])):
        with pytest.raises(DataError, match="leads out of the outermost list"):
            list(ask)


@pytest.mark.parametrize("before", range(0, 120, 7))
@pytest.mark.parametrize("length", [64, 65, 90, 140])
def test_what_is_too_long_is_so_wherever_it_stands(before: int, length: int, tmp_path: Path) -> None:
    long, short = "x" * length, "y" * (before % 40)
    cases = {
        "csv": (f"a,b\n{short},1\n{short}\n\n{long[:-2]},1\nz,2\n", {"csv___BLOCK": 64}),
        "fixed": (f"{short}\n{short}\n{long}\nz\n", {"fixed___BLOCK": 64}),
    }
    json = f'{{"a": "{short}"}}\n{{"a": "{short}"}}\n{{"a": "{long[:-9]}"}}\n'
    cases["json"] = json, {"json__BLOCK": 16, "json__LONGEST": 64}
    for kind, (text, sizes) in cases.items():
        source, held = source_of(kind, {}), blob(tmp_path, text.encode())
        with cut_into(**sizes):
            told = answers(source, held)["rows"]
        assert (told == "D007") is (length > 64), kind


@pytest.mark.parametrize("before", range(0, 60, 7))
def test_what_is_passed_over_may_have_any_length(before: int, tmp_path: Path) -> None:
    data = f'{{"q{"y" * before}": "{"x" * 50}\\\\\\"]{"z" * 70}", "x": [{{"a": "b"}}]}}'.encode()
    with cut_into(json__BLOCK=8, json__LONGEST=64):
        assert values(parsed(source_of("json", {"records": "x"}), blob(tmp_path, data)), "a") == ["b"]


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": lambda data: pa.compress(data, codec="zstd", asbytes=True),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("packing", PACKED)
def test_all_members_of_a_packed_file_are_read(packing: str, tmp_path: Path) -> None:
    pack, data = PACKED[packing], b"a,b\n" + b"".join(b"x,%d\n" % number for number in range(300))
    source = source_of("csv", {})
    for cut in (0, 1, 100, len(data)):
        packed = pack(data[:cut]) + pack(b"") + pack(data[cut:])
        assert values(parsed(source, blob(tmp_path, packed)), "b") == [*range(300)]
    whole = pack(data[:100]) + pack(data[100:])
    for end in (len(whole) - 1, len(whole) - 9, len(pack(data[:100])) + 1):
        assert "damaged" in refusal(source, blob(tmp_path, whole[:end]))


@pytest.mark.parametrize("packing", PACKED)
def test_a_damaged_member_is_not_the_end(packing: str, tmp_path: Path) -> None:
    pack, source = PACKED[packing], source_of("csv", {"encoding": "utf-8"})
    first, second = pack(b"a,b\nx,1\n"), pack(b"x,2\n" * 300)
    for place in (0, 1, 2):
        damaged = bytearray(second)
        damaged[place] ^= 0x55
        assert refusal(source, blob(tmp_path, first + bytes(damaged)))
    with decompressed(blob(tmp_path, pack(b"abc") + pack(b"") + pack(b"def"))) as stream:
        assert [stream.read(2), stream.read(3), stream.read(), stream.read()] == [b"ab", b"cde", b"f", b""]


WHOLE: dict[str, bytes] = {
    "csv": b'a,b\n"x\n",1\n' * 9,
    "json": b'{"a": "x", "b": 1}\n' * 9,
    "xml": b'<?xml version="1.0"?><d k="v"><r><a>x</a><b>1</b></r></d>',
    "fixed": b"abc 1\n" * 9,
    "text": b"Label: value\n",
    "email": (
        b"From: =?utf-8?q?B=C3=A9?= <a@x.org>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nContent-Type: multipart/mixed; boundary=X\n"
        b"\n--X\nContent-Type: text/plain; charset*=us-ascii'en'utf-8\n\ntext\n--X\nContent-Type: application/pdf; "
        b"name*0*=utf-8''a%20; name*1=b.pdf\nContent-Transfer-Encoding: base64\n\nYWJj\n--X--\n"
    ),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_damage_is_told_or_costs_a_record_and_nothing_else(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    paths = {"text": ["@text"], "email": ["@text", "@from", "@date", "@attachments", "Subject"]}.get(kind, ["a", "b"])
    source = source_of(kind, {"columns": {f"c{number}": {"path": path} for number, path in enumerate(paths)}})

    @settings(deadline=None, max_examples=60)
    @given(
        st.sampled_from([None, *PACKED]),
        st.lists(
            st.tuples(st.integers(0, 400), st.sampled_from([b"\0", b"\xff", b"", b"'", b"=", b"<", b"\x99"])),
            max_size=3,
        ),
        st.integers(0, 400),
    )
    @example("gzip", [(30, b"\xff"), (31, b"\xff"), (32, b"\xff")], 400)
    @example("gzip", [(10, b"\x99")], 400)
    def holds(packing: str | None, damage: list[tuple[int, bytes]], end: int) -> None:
        data = bytearray(PACKED[packing](WHOLE[kind]) if packing else WHOLE[kind])
        for place, odd in damage:
            data[place : place + 1] = odd
        answers(source, blob(folder, bytes(data[: max(end, 1)])))

    holds()


def test_a_mail_of_odd_parameters_is_read_or_told(tmp_path: Path) -> None:
    source = source_of("email", {"columns": {"a": {"path": "@text"}, "n": {"path": "@attachments"}}})
    for head in (
        b"Content-Type: text/plain; charset*=us\0ascii'en'utf-8",
        b"Content-Type: text/plain; charset=u\0f",
        b"Content-Type: a/b; name*=x; name*0*=utf-8''a; name*1=b",
    ):
        assert len(parsed(source, blob(tmp_path, b"From: a@x.org\n" + head + b"\n\ntext\n"))) == 1
    assert _moment("Mon, 1 Jan 99999999999 10:00:00 +0100") == "Mon, 1 Jan 99999999999 10:00:00 +0100"


def test_a_parquet_file_with_an_odd_name_of_a_column_is_refused(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.table({"a": ["x"], "zzzz": ["y"]}), sink, store_schema=False)
    source = source_of("parquet", {"columns": {"a": {}}})
    assert refusal(source, blob(tmp_path, sink.getvalue().replace(b"zzzz", b"zz\xe7z")))
