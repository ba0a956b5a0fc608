"""Shares of a large object: together they are all of it, whatever it looks like, and records keep their ordinals."""

from __future__ import annotations

import gzip
import io
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example
from hypothesis import strategies as st
from tests.tried import tried

from potable.engines.base import rows_of as rows_told
from potable.engines.duckdb import DuckDBEngine
from potable.errors import DataError
from potable.plugins import load
from potable.sources import csvpieces, fixed, groups, jsonreading, jsonsplit, xmlpieces
from potable.sources.base import Source
from potable.sources.blobs import Blob
from potable.sources.groups import parsed_rows
from potable.sources.shares import Share

OF = st.integers(2, 4)
Rows = list[dict[str, Any]]


def source_of(kind: str, table: Mapping[str, Any]) -> Source[Any]:
    declared = {"source": "s", "type": kind, "path": "x", "tables": {"t": table}}
    source: Source[Any] = load("sources", kind).model_validate(declared)
    return source


def blob_of(folder: Path, data: bytes) -> Blob:
    (folder / "file").write_bytes(data)
    return Blob("file", str(folder), "file", False, len(data))


def rows_of(source: Source[Any], blob: Blob) -> Rows | str:
    """The rows in the order of the object; what is wrong with one that cannot be read."""
    try:
        batches = list(source.parse("t", blob))
    except DataError as failure:
        return failure.code
    return sorted((row for batch in batches for row in batch.to_pylist()), key=lambda row: row["_row"])


def require_all(source: Source[Any], data: bytes, of: int) -> None:
    """Require that the shares of an object are all of it, once."""
    assert source.may_share("t")
    with tempfile.TemporaryDirectory() as folder:
        blob = blob_of(Path(folder), data)
        whole = rows_of(source, blob)
        found = [rows_of(source, replace(blob, share=Share(number, of))) for number in range(of)]
    if isinstance(whole, str):
        assert whole in found
    else:
        rows = [row for some in found if not isinstance(some, str) for row in some]
        assert whole == sorted(rows, key=lambda row: row["_row"]), found


@contextmanager
def cut_into(**sizes: int) -> Iterator[None]:
    """Small pieces: `module__NAME=size`."""
    modules = {"csv": csvpieces, "xml": xmlpieces, "json": jsonsplit, "reading": jsonreading, "fixed": fixed}
    with pytest.MonkeyPatch.context() as patched:
        for name, size in sizes.items():
            module, _, constant = name.partition("__")
            patched.setattr(modules[module], constant, size)
        yield


LINES = st.sampled_from(
    [
        *(b"a,b\n", b"1,2\n", b"a,b\n", b"1,2\n", b'"x\ny",b\n', b'"say ""hi""",\n', b'"",""\n', b'"""a""\n",b\n'),
        *(b"one\n", b"1,2,3\n", b"\n", b"\r\n", b"c,d\r\n", b'"e\r\nf",g\r\n', b" \n", b"# no record, or one\n"),
        *("ä,ß\n".encode(), "Ж,€\n".encode(), b"'x\ny',z\n"),
    ]
)
ODD_LINES = st.sampled_from(
    [b'5" pipe,b\n', b'"a"b"c",d\n', b'x"\ny",z\n', b'"open,b\n', b"lone,return\r", b"\xff,b\n", b"\xe4,b\n", b"", b"a"]
)


@tried(
    150,
    st.lists(LINES, max_size=40),
    st.lists(ODD_LINES, max_size=2),
    st.lists(LINES, max_size=10),
    st.sampled_from([{}, {"comment": "#"}, {"quote": "'"}, {"quote": ""}, {"encoding": "utf-8"}, {"skip_lines": 1}]),
    st.integers(1, 60),
    st.integers(1, 3),
    OF,
)
@example([b'"e\r\nf",g\r\n'] * 4, [b'5" pipe,b\n'], [b'"e\r\nf",g\r\n'] * 4, {}, 21, 1, 2)
@example([b"1,2\n"] * 6, [b'x"\ny",z\n'], [b'"x\ny",b\n'] * 4, {}, 7, 1, 2)
@example([b'"x\ny",b\n'] * 6, [], [b"a"], {}, 5, 1, 3)
def test_shares_of_csv(
    lines: list[bytes],
    odd: list[bytes],
    more: list[bytes],
    declared: dict[str, Any],
    piece: int,
    row: int,
    of: int,
) -> None:
    columns = {"a": {"type": "string"}, "b": {"type": "integer"}}
    source = source_of("csv", {"columns": columns, "delimiter": ",", **declared})
    data = b"".join([b"skip\n"[: 5 * ("skip_lines" in declared)], b"a,b\n", *lines, *odd, *more])
    with cut_into(csv__PIECE=piece, csv__IN_A_ROW=row):
        require_all(source, data, of)


ALIKE = ['<p:r i="1"><a>x</a><b>2</b></p:r>\n']
RECORDS = st.sampled_from(
    [
        *ALIKE * 30,
        *('<p:r i="2"><b>no</b></p:r>\n', '<p:r i="3"/>\n', "<p:r><a/></p:r>\n", '<p:r i="4"><a>1</a></p:r>'),
        '<p:r i="5"><a>1</a><a>2</a></p:r>\n',
    ]
)
BETWEEN = st.sampled_from(
    [
        *("<!-- </p:r><p:r i='9'> -->", '<p:r i="6"><a><![CDATA[</p:r>\n<p:r i="7">]]></a></p:r>\n', "<?p </p:r> ?>"),
        *('<g><p:r i="8"><a>deep</a></p:r>\n</g>', '<p:rx i="1"></p:rx>\n', '<p:r i="1"></p:r >\n', "</g>", "<g>"),
        *('<p:r i="9"><c><p:r i="10"><a>in</a></p:r>\n</c></p:r>\n', "text", '<p:r i="1"><a></p:r>\n', "&bogus;"),
        *('<p:r i="1"><p:r i="2"></p:r>\n', "</p:r>\n", "</d>", "", "\t"),
    ]
)


@tried(
    150,
    st.sampled_from(["", "<h><a>9</a></h>\n", "<g></g>", "<!-- a -->"]),
    st.lists(RECORDS, max_size=25),
    st.lists(BETWEEN, max_size=2),
    st.lists(RECORDS, max_size=10),
    st.sampled_from(["utf-8", "utf-8-sig", "iso-8859-1", "utf-16"]),
    st.integers(1, 150),
    st.integers(1, 3),
    OF,
)
@example("", ALIKE * 9, ["<g>"], ALIKE * 9, "utf-8", 80, 1, 2)
@example("", ALIKE * 2, ['<g><p:r i="8"><a>deep</a></p:r>\n</g>'], ALIKE * 3, "utf-8", 67, 1, 2)
@example("", ALIKE * 6, ['<p:r i="6"><a><![CDATA[</p:r>\n<p:r i="7">]]></a></p:r>\n'], ALIKE * 6, "utf-8", 60, 1, 2)
@example("", ALIKE * 6, ['<p:r i="6"><?p </p:r>\n<p:r i="7"> ?></p:r>\n'], ALIKE * 6, "utf-8", 60, 1, 2)
def test_shares_of_xml(
    before: str,
    records: list[str],
    between: list[str],
    more: list[str],
    encoding: str,
    piece: int,
    row: int,
    of: int,
) -> None:
    columns = {
        "a": {"type": "string"},
        "b": {"type": "integer"},
        "i": {"type": "string", "path": "@i"},
        "k": {"type": "string", "path": "/d/@k"},
        "n": {"type": "integer", "path": "#"},
    }
    source = source_of("xml", {"record": "/d/r", "columns": columns})
    text = "".join(
        [f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?><d k="ä" xmlns:p="urn:p">', before]
    )
    data = (text + "".join([*records, *between, *more, "</d>"])).encode(encoding)
    with cut_into(xml__PIECE=piece, xml__IN_A_ROW=row):
        require_all(source, data, of)


VALUES = st.sampled_from(
    [
        *['{"a": "x", "b": 1}'] * 5,
        *('{"a": null}', '{"b": "no", "c": [1]}', '{"a": {"d": 1}}', "3", "[]", '{"a": "x\\n,]"}', "{}", '{"a": "ä"}'),
    ]
)
ODD_VALUES = st.sampled_from(["", " ", "\r", '{"a": ', "}", '{"a": 1} {"a": 2}', '{"a": 1, "a": 2}', "nonsense"])


@tried(
    150,
    st.lists(VALUES, min_size=1, max_size=40),
    st.lists(ODD_VALUES, max_size=2),
    st.lists(VALUES, max_size=20),
    st.sampled_from(["lines", "document", "inside", "listed"]),
    st.integers(1, 60),
    st.sampled_from([(256, 8), (4, 2)]),
    OF,
)
@example(['{"a": "x", "b": 1}'] * 6, ["", " "], ['{"a": "x", "b": 1}'] * 6, "lines", 50, (256, 8), 2)
def test_shares_of_json(
    values: list[str],
    odd: list[str],
    more: list[str],
    form: str,
    block: int,
    many: tuple[int, int],
    of: int,
) -> None:
    columns = {"a": {"type": "string"}, "b": {"type": "integer"}}
    table: dict[str, Any] = {"columns": columns, "format": "lines" if form == "lines" else "document"}
    table |= {"records": "x"} if form == "inside" else {"records": "a.c"} if form == "listed" else {}
    texts = [*values, *odd, *more]
    data = "\n".join(texts) if form == "lines" else f"[{','.join(texts)}]"
    data = f'{{"w": 1, "x": {data}, "y": []}}' if form == "inside" else data
    with cut_into(json__BLOCK=block, reading___MANY=many[0], reading___SOME=many[1]):
        require_all(source_of("json", table), data.encode(), of)


@tried(
    50,
    st.lists(st.sampled_from(["abc12\n", "x  9\n", "\n", "abc1x\r\n", "long line\n", "ä€ß34\n"])),
    st.integers(9, 60),
    OF,
)
def test_shares_of_fixed_width(lines: list[str], block: int, of: int) -> None:
    columns = {"a": {"type": "string"}, "b": {"type": "integer"}}
    source = source_of("fixed", {"columns": columns, "widths": {"a": 3, "b": 2}})
    with cut_into(fixed___BLOCK=block):
        require_all(source, "".join(lines).encode(), of)


@tried(25, st.integers(0, 40), st.integers(1, 20), OF)
def test_shares_of_parquet(rows: int, group: int, of: int) -> None:
    table = pa.table({"a": [f"x{row}" for row in range(rows)], "b": pa.array(range(rows), pa.int64())})
    held = io.BytesIO()
    pq.write_table(table, held, row_group_size=group)
    source = source_of("parquet", {"columns": {"a": {}, "b": {"type": "integer"}}})
    require_all(source, held.getvalue(), of)


LARGE: dict[str, tuple[bytes, bytes, bytes, dict[str, Any]]] = {
    "csv": (b"a,b\n", b'name,%d\n"two\nlines",%d\n', b"", {"columns": {"a": {}, "b": {"type": "integer"}}}),
    "json": (
        b"",
        b'{"a": "name", "b": %d}\n{"a": null, "b": %d}\n',
        b"",
        {"columns": {"a": {}, "b": {"type": "integer"}}},
    ),
    "xml": (
        b"<d><h/>\n",
        b"<r><a>name</a><b>%d</b></r>\n<r><b>%d</b></r>\n",
        b"</d>",
        {"record": "/d/r", "columns": {"a": {}, "b": {"type": "integer"}}},
    ),
    "fixed": (
        b"",
        b"name%8d\nmore%8d\n",
        b"",
        {"widths": {"a": 4, "b": 8}, "columns": {"a": {}, "b": {"type": "integer"}}},
    ),
}


def large(kind: str, rows: int) -> bytes:
    before, row, after, _ = LARGE[kind]
    return before + b"".join(row % (number, number + 1) for number in range(0, rows, 2)) + after


@pytest.mark.parametrize("kind", LARGE)
def test_several_processes_parse_one_large_file(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = 800_000
    source = source_of(kind, LARGE[kind][3])
    blob = blob_of(tmp_path, gzip.compress(large(kind, rows), 1))
    monkeypatch.setattr(groups, "LARGE_BYTES", 1 << 20)
    shares = [source.parse("t", replace(blob, share=Share(number, 2))) for number in range(2)]
    assert all(rows / 4 < sum(batch.num_rows for batch in some) < rows * 3 / 4 for some in shares)
    engine = DuckDBEngine(memory=1 << 30, threads=2, scratch=tmp_path)
    try:
        found = parsed_rows(engine, source, "t", [blob])
        (made,) = rows_told(
            engine, found.agg(n=found.count(), b=found.b.sum(), unlike=(found["_row"] != found.b + 1).sum())
        )
    finally:
        engine.close()
    assert made == {"n": rows, "b": rows * (rows - 1) // 2, "unlike": 0}


def test_a_large_file_is_shared_where_it_would_keep_others_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "LARGE_BYTES", 100)
    source = source_of("csv", LARGE["csv"][3])

    class Asked:
        cores = 4

        def map_items(self, items: list[tuple[Blob, ...]], *_: object, long: bool) -> object:
            return [(blob.name, blob.share.number, blob.share.of) for group in items for blob in group], long

    def shares(*sizes: int, of: Source[Any] = source, name: str = "") -> object:
        blobs = [Blob(f"{size}{name}", "", "", False, size) for size in sizes]
        return parsed_rows(cast("Any", Asked()), of, "t", blobs)

    four = [(number, 4) for number in range(4)]
    assert shares(100) == ([("100", *share) for share in four], True)
    assert shares(99) == ([("99", 0, 1)], False)
    assert shares(13, name=".xml.gz") == ([("13.xml.gz", *share) for share in four], True)
    assert shares(900, 101, 1) == ([*[("900", *share) for share in four], ("101", 0, 1), ("1", 0, 1)], True)
    assert shares(*[200] * 8) == ([("200", 0, 1)] * 8, True)
    escaped = source_of("csv", {**LARGE["csv"][3], "escape": "\\"})
    assert shares(100, of=escaped) == ([("100", 0, 1)], True)
    Asked.cores = 64
    assert len(cast("Any", shares(100))[0]) == groups.MOST_SHARES


def test_what_was_cut_wrongly_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, module in (("csv", csvpieces), ("xml", xmlpieces)):
        blob = blob_of(tmp_path, large(kind, 20))
        monkeypatch.setattr(module, "PIECE", 50)
        monkeypatch.setattr(module, "IN_A_ROW", 1)
        if kind == "csv":
            cut = csvpieces.cut
            monkeypatch.setattr(csvpieces, "cut", lambda *given, cut=cut: cut(*given)._replace(records=1))
        else:
            monkeypatch.setattr(xmlpieces._Form, "records", lambda *given, **first: 1)
        with pytest.raises(DataError, match="its records cannot be told apart") as refused:
            list(source_of(kind, LARGE[kind][3]).parse("t", replace(blob, share=Share(1, 2))))
        assert refused.value.code == "D007" and "`threads: 1`" in str(refused.value.hint)
