"""JSON files: every number as it is written, every record with its place, whatever the shape of the file."""

from __future__ import annotations

import gzip
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.sources.objects import SECRET, blob, parsed, refusal, values

from potable.errors import DataError
from potable.sources import jsonreading as module
from potable.sources import jsonsplit
from potable.sources.encodings import is_utf8
from potable.sources.json import JsonSource


def source(columns: dict[str, Any] | None = None, **keys: Any) -> JsonSource:
    table = {"columns": columns or {"a": {}, "b": {}}, **keys}
    return JsonSource.model_validate({"source": "s", "type": "json", "path": "x", "tables": {"t": table}})


def read(tmp_path: Path, data: bytes | str, columns: dict[str, Any] | None = None, **keys: Any) -> list[Any]:
    raw = data if isinstance(data, bytes) else data.encode()
    return values(parsed(source(columns, **keys), blob(tmp_path, raw)), "_row", "a", "b")


PLAIN = [(1, "é", "2"), (2, "x", "1.10")]
LINES = '{"a":"é","b":2}\n\n  \r\n{"b" : 1.10, "a":"x"}'


@pytest.mark.parametrize(
    ("data", "records"),
    [
        (LINES, ""),
        ("\ufeff" + LINES + "\n", ""),
        ('[{"a":"é","b":2},{"b":1.10,"a":"x"}]', ""),
        (' [ {"a":"\\u00e9","b":2} ,\n {"b":1.10,"a":"x"} ]\n', ""),
        (
            '{"meta":{"items":[1,"]"]},"response":{"n":2,"items":[{"a":"é","b":2},{"b":1.10,"a":"x"}]}}',
            "response.items",
        ),
        ('{\n"items": [\n{"a":"é","b":2},\n{"b":1.10,"a":"x"}\n],\n"more": "\\"[{"}', "items"),
        ('{"items":[{"a":"é","b":2}]}\n{"items":[{"b":1.10,"a":"x"}]}', "items"),
        ('[{"items":[{"a":"é","b":2}]},{"items":[{"b":1.10,"a":"x"}]}]', "items"),
    ],
    ids=["lines", "bom", "list", "blanks", "path", "pretty", "lists in lines", "lists in a list"],
)
@pytest.mark.parametrize(
    "pack",
    [
        str.encode,
        lambda text: gzip.compress(text.encode()),
        lambda text: pa.compress(text.encode(), "zstd", asbytes=True),
        lambda text: text.lstrip("\ufeff").encode("utf-16"),
    ],
)
def test_every_shape_of_file_gives_the_same_rows(tmp_path: Path, data: str, records: str, pack: Any) -> None:
    assert read(tmp_path, pack(data), records=records) == PLAIN


@pytest.mark.parametrize("data", ["", "\n \n", "[]", " [ ] ", '{"items":[]}', '{"items":null}', "\ufeff"])
def test_a_file_without_records_has_none(tmp_path: Path, data: str) -> None:
    assert read(tmp_path, data, records="items" if "items" in data else "") == []


def test_one_object_is_one_record(tmp_path: Path) -> None:
    assert read(tmp_path, '{\n "a": 1,\n "b": {"z": [1.50, null], "c": "é"}\n}\n') == [
        (1, "1", '{"c":"é","z":[1.50,null]}')
    ]
    assert read(tmp_path, '{"items": {"a": 1, "b": true}}', records="items") == [(1, "1", "true")]


NUMBERS = ["0", "-0", "1.10", "0.1", "1E5", "-1.5e-300", "1e400", "9" * 30, "9" * 5000, "-0.0", "18446744073709551616"]


@pytest.mark.parametrize("many", [1, 300], ids=["few", "many"])
@pytest.mark.parametrize("number", NUMBERS, ids=range(len(NUMBERS)))
def test_a_number_is_the_text_it_is_written_as(tmp_path: Path, number: str, many: int) -> None:
    data = f'{{"a":{number},"b":[{number}]}}\n' + '{"a":1,"b":"x"}\n' * many
    assert read(tmp_path, data)[:2] == [(1, number, f"[{number}]"), (2, "1", "x")]
    assert read(tmp_path, '{"a":1,"b":2}\n' * many + f'{{"a":0,"b":{number}}}\n')[-1] == (many + 1, "0", number)


BAD_LINES = {
    "cut": '{"a":1,"b":"',
    "NaN": '{"a":NaN}',
    "Infinity": '{"a":1,"b":-Infinity}',
    "twice": '{"a":1,"b":2,"a":1}',
    "twice, one with a blank": '{"a":1,"b":2,"a" :1}',
    "twice, one with blanks": '{"a":1,"b":2,"a" \t :1}',
    "twice inside": '{"a":1,"c":{"x":1,"x":1}}',
    "twice in a list": '{"a":1,"d":[{"x":1,"x":1}]}',
    "deep": '{"a":1,"b":' + "[" * 65 + "]" * 65 + "}",
    "deep aside": '{"a":1,"d":' + "[" * 65 + "]" * 65 + "}",
    "no object": "[1]",
    "two": '{"a":1} {"a":2}',
    "tab": '{"a":"\t"}',
    "word": "oops",
    "leading zero": '{"a":01}',
    "comma": '{"a":1,}',
}


@pytest.mark.parametrize("many", [3, 300], ids=["few", "many"])
@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES)
def test_a_damaged_line_costs_exactly_itself(tmp_path: Path, line: str, many: int) -> None:
    good = '{"a":"x","b":2,"c":{"x":"y"},"d":[{"x":1}]}\n'
    rows = parsed(source(), blob(tmp_path, (good * many + line + "\n" + good * many).encode()))
    assert values(rows, "_row") == list(range(1, 2 * many + 2))
    assert [row["_row"] for row in rows if row["_mistyped"]] == [many + 1]
    assert rows[many]["_mistyped"].startswith("@record: ")
    assert json.loads(rows[many]["_unparsed"]) == {"@record": line}
    assert {(row["a"], row["b"]) for row in rows if row["_row"] != many + 1} == {("x", "2")}


def test_a_key_that_stands_twice_is_seen_beside_records_with_blanks_before_colons(tmp_path: Path) -> None:
    data = '{"a":1,"b":[5],"a":2}\n' + '{"a" :1,"b":[5]}\n' + '{"a":"x","b":"y : \\" :"}\n' * 20
    rows = parsed(source(), blob(tmp_path, data.encode()))
    assert [row["_mistyped"] for row in rows] == ["@record: the key `a` twice", *[None] * 21]


WHYS = {
    '{"a":1,"b":': "not well-formed JSON",
    '{"a":NaN}': "not well-formed JSON: `NaN` is no number of it",
    '{"a":1,"b":2,"a":1}': "the key `a` twice",
    '{"Priya":1,"Priya":2}': "a key twice",
    '{"x":{"y":1,"y":2}}': "the key `y` twice",
    '{"q,":1,"q,":2}': "a key twice",
    '{"a":' + "[" * 70 + "]" * 70 + "}": "it is nested more than 64 deep",
    "[1]": "no object",
}


@pytest.mark.parametrize("many", [0, 300], ids=["alone", "many"])
@pytest.mark.parametrize(("line", "why"), WHYS.items(), ids=WHYS.values())
def test_why_a_record_cannot_be_read_is_told_without_what_it_says(
    tmp_path: Path, line: str, why: str, many: int
) -> None:
    made = source({"a": {}, "y": {"path": "x.y"}, "q": {"path": "q,"}}, format="lines")
    rows = parsed(made, blob(tmp_path, ('{"a":1}\n' * many + line + "\n").encode()))
    assert values(rows, "_mistyped")[-1] == f"@record: {why}"


@pytest.mark.parametrize(
    "pair", ['{"a":1}{"a":\n{"b":1}}', '{"a":1}{"a":2}\n{"a":3', '{"a":[{"b":1}\n{"b":2}]}', '{"a":"}\n{"}']
)
def test_values_that_do_not_keep_to_their_lines_are_damaged(tmp_path: Path, pair: str) -> None:
    good = '{"a":"x","b":2}\n'
    rows = parsed(source(), blob(tmp_path, (good * 300 + pair + "\n" + good * 300).encode()))
    assert [row["_row"] for row in rows if row["_mistyped"]] == [301, 302] and len(rows) == 602


@given(st.binary(max_size=12) | st.text(max_size=4).map(str.encode))
@example(b"\xed\xa0\x80")
@example(b"\xc0\x80")
@example(b"\xf4\x90\x80\x80")
@example(b"")
def test_utf8_is_what_python_says_it_is(data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError:
        assert not is_utf8(data)
    else:
        assert is_utf8(data)


def test_bytes_that_are_not_utf8_cost_their_line(tmp_path: Path) -> None:
    rows = parsed(source(), blob(tmp_path, b'{"a":1}\n{"a":"\xff"}\n{"a":3}\n'))
    assert values(rows, "a", "_mistyped") == [("1", None), (None, "@record: not UTF-8"), ("3", None)]
    assert read(tmp_path, '{"a":"é"}\n'.encode("cp1252"), encoding="cp1252") == [(1, "é", None)]


def test_half_a_character_is_replaced(tmp_path: Path) -> None:
    assert read(tmp_path, '{"a":"x\\ud83d","b":{"\\ude00":1}}') == [(1, "x\ufffd", '{"\ufffd":1}')]


@pytest.mark.parametrize(
    "data",
    [
        f'[{{"a":1}},{{"a":"{SECRET}"',
        '[{"a":1},]',
        '[{"a":1}{"a":2}]',
        '[{"a":1}] x',
        '[{"a":1}}',
        '{"x": %s' % ("[" * 100_000),
        "[" * 100_000,
        '[{"a":1},{"a":"\udcff"}]',
    ],
    ids=["cut", "comma", "no comma", "more", "bracket", "deep head", "deep list", "not utf-8"],
)
def test_a_damaged_document_is_refused(tmp_path: Path, data: str) -> None:
    refusal(source(format="document"), blob(tmp_path, data.encode("utf-8", "surrogateescape")))


@pytest.mark.parametrize("many", [3, 300], ids=["few", "many"])
def test_a_word_that_is_no_number_costs_a_document_its_record(tmp_path: Path, many: int) -> None:
    """As Python writes what is no number."""
    numbers = [*[1.5] * many, math.nan, *[2.5] * many, -math.inf]
    rows = parsed(source(format="document"), blob(tmp_path, json.dumps([{"a": number} for number in numbers]).encode()))
    assert [row["a"] for row in rows if not row["_mistyped"]] == ["1.5"] * many + ["2.5"] * many
    assert [row["_row"] for row in rows if row["_mistyped"]] == [many + 1, 2 * many + 2]


def test_a_refusal_says_after_which_record(tmp_path: Path) -> None:
    data = "[" + '{"a":1},' * 500_000 + "oops]"
    assert refusal(source(), blob(tmp_path, data.encode())).startswith(
        "`aaaaaa` cannot be parsed: not well-formed JSON after record "
    )


def test_what_cannot_be_read_in_a_document_is_quarantined_where_its_end_is_known(tmp_path: Path) -> None:
    rows = parsed(
        source(),
        blob(tmp_path, ('[{{"a":1}},{{"a":1,"a":2}},7,{{"a":{}1{}}},{{"a":3}}]'.format("[" * 64, "]" * 64)).encode()),
    )
    assert values(rows, "_row", "a", "_mistyped") == [
        (1, "1", None),
        (2, None, "@record: the key `a` twice"),
        (3, None, "@record: no object"),
        (4, None, "@record: it is nested more than 64 deep"),
        (5, "3", None),
    ]


def test_a_document_without_the_list_is_refused(tmp_path: Path) -> None:
    assert "no list at `items`" in refusal(source(records="items"), blob(tmp_path, b'{\n"data": []}'))


@pytest.mark.parametrize("column", ["a", "../a"])
@pytest.mark.parametrize("form", ["auto", "document"])
@pytest.mark.parametrize("data", ['{"a": "x", "data": {"n": []}}', '{\n"a": "x",\n"items": null}', "{}"])
def test_a_document_without_the_list_has_no_records_where_lists_are_optional(
    tmp_path: Path, column: str, form: str, data: str
) -> None:
    lenient = {"columns": {"a": {"path": column}}, "records": "items", "format": form, "optional": True}
    assert values(parsed(source(**lenient), blob(tmp_path, data.encode())), "_row") == []
    for broken in (data[:-1], data + "]", '{"items": [{"a": "x"}'):
        refusal(source(**lenient), blob(tmp_path, broken.encode()))


def test_what_to_declare_is_said_where_a_list_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        parsed(source(records="items"), blob(tmp_path, b'{\n"data": []}'))
    assert "`optional: true`" in refused.value.hint
    assert "occurs twice" in refusal(source(records="items"), blob(tmp_path, b'{\n"items": [], "items": []}'))


def test_the_records_of_small_files_share_batches_and_keep_their_places(tmp_path: Path) -> None:
    texts = ['{"a":1}\noops\n{"a":2}', "[]", '{"a":3}', '[{"a":4},{"a":5}]', '{"a":"%s"}' % ("x" * 70_000)]
    batches = list(
        source().parse_all("t", [blob(tmp_path, text.encode(), str(name)) for name, text in enumerate(texts)])
    )
    found = sorted(
        (row["_object"], row["_row"], row["a"], row["_mistyped"]) for item in batches for row in item.to_pylist()
    )
    assert [row[:2] for row in found] == [("0", 1), ("0", 2), ("0", 3), ("2", 1), ("3", 1), ("3", 2), ("4", 1)]
    assert [row[2] for row in found[:6]] == ["1", None, "2", "3", "4", "5"]
    assert found[1][3] == "@record: not well-formed JSON"
    assert len(batches) == 3


NESTED = {
    "departments": [
        {"id": "D1", "boss": {"name": "Ann"}, "people": [{"n": 1, "tags": ["x", "y"]}, {"n": 2}]},
        {"id": "D2", "people": []},
        {"id": "D3", "people": [{"n": 3, "tags": ["z"]}]},
    ]
}


@pytest.mark.parametrize(
    "data", [json.dumps(NESTED, indent=1), json.dumps(NESTED) + "\n\n" + json.dumps({"departments": []})]
)
def test_lists_inside_records_are_tables_of_their_own(tmp_path: Path, data: str) -> None:
    people = {"n": {}, "dept": {"path": "../id"}, "boss": {"path": "../boss.name"}, "in": {"path": "../#"}}
    rows = parsed(source(people, records="departments.people"), blob(tmp_path, data.encode()))
    assert values(rows, "_row", "n", "dept", "boss", "in") == [
        (1, "1", "D1", "Ann", "1"),
        (2, "2", "D1", "Ann", "1"),
        (3, "3", "D3", None, "3"),
    ]
    tags = {
        "tag": {"path": "."},
        "at": {"path": "#"},
        "n": {"path": "../n"},
        "person": {"path": "../#"},
        "dept": {"path": "../../id"},
    }
    rows = parsed(source(tags, records="departments.people.tags"), blob(tmp_path, data.encode()))
    assert values(rows, "tag", "at", "n", "person", "dept") == [
        ("x", "1", "1", "1", "D1"),
        ("y", "2", "1", "1", "D1"),
        ("z", "1", "3", "3", "D3"),
    ]


def test_a_path_out_of_the_outermost_list_is_refused(tmp_path: Path) -> None:
    made = source({"x": {"path": "../id"}})
    assert "out of the outermost list" in refusal(made, blob(tmp_path, b'[{"id":1}]'))


@pytest.mark.parametrize("around", [{"emp_no": "E1"}, {"meta": {"lists": [[1]]}, "emp_no": "E1", "more": [{"no": 7}]}])
def test_records_of_a_document_take_values_from_around_their_list(tmp_path: Path, around: dict[str, Any]) -> None:
    slips = [{"no": 1, "lines": [{"kind": "a"}, {"kind": "b"}]}, {"no": 2}, 3, {"no": 4, "lines": [{"kind": "c"}]}]
    data = json.dumps({**around, "pay": {"slips": slips}, "last": None}, indent=1).encode()
    columns = {"no": {}, "emp_no": {"path": "../emp_no"}, "file": {"path": "../#"}, "at": {"path": "#"}}
    made = source(columns, records="pay.slips")
    rows = parsed(made, blob(tmp_path, data))
    found = [row for row in values(rows, "_row", "no", "emp_no", "file", "at") if row[1]]
    assert found == [(1, "1", "E1", "1", "1"), (2, "2", "E1", "1", "2"), (4, "4", "E1", "1", "4")]
    assert json.loads(made.record("t", blob(tmp_path, data), 4)) == slips[3]
    inner = source({"kind": {}, "no": {"path": "../no"}, "emp_no": {"path": "../../emp_no"}}, records="pay.slips.lines")
    rows = parsed(inner, blob(tmp_path, data))
    assert values(rows, "kind", "no", "emp_no") == [("a", "1", "E1"), ("b", "1", "E1"), ("c", "4", "E1")]
    # what stays inside the list is read piece by piece, as long as the document may be
    inner = source({"kind": {}, "no": {"path": "../no"}}, records="pay.slips.lines")
    assert values(parsed(inner, blob(tmp_path, data)), "kind", "no") == [("a", "1"), ("b", "1"), ("c", "4")]


def test_a_document_too_long_to_be_held_is_refused_where_its_records_need_it(tmp_path: Path) -> None:
    data = json.dumps({"emp_no": "E1", "pad": "x" * (17 << 20), "slips": [{"no": 1}]}).encode()
    assert values(parsed(source({"no": {}}, records="slips"), blob(tmp_path, data)), "no") == ["1"]
    made = source({"no": {}, "emp_no": {"path": "../emp_no"}}, records="slips")
    assert "longer than 16 MiB" in refusal(made, blob(tmp_path, data))


def test_a_long_document_whose_first_records_hold_none_is_still_read_piece_by_piece(tmp_path: Path) -> None:
    people: list[dict[str, Any]] = [{"id": n, "lines": []} for n in range(200)]
    people += [{"id": 200, "pad": "x" * (9 << 20)}, {"id": 201, "pad": "x" * (9 << 20), "lines": [{"kind": "a"}]}]
    made = source({"kind": {}, "id": {"path": "../id"}}, records="people.lines")
    rows = parsed(made, blob(tmp_path, json.dumps({"people": people}).encode()))
    assert values(rows, "kind", "id") == [("a", "201")]


def test_a_document_cut_short_is_refused_where_its_records_need_it(tmp_path: Path) -> None:
    made = source({"no": {}, "emp_no": {"path": "../emp_no"}}, records="slips")
    for data in (
        b'{"emp_no": 1, "slips": [{"no": 1}, {"no"',
        b'{"emp_no": 1, "slips": [{"no": 1}]} x',
        b'{"emp_no": 1}',
    ):
        assert refusal(made, blob(tmp_path, data))


def test_the_rest_is_kept_as_one_column(tmp_path: Path) -> None:
    columns = {"a": {}, "city": {"path": ["home.city", "city"]}, "b": {"path": "@rest"}}
    data = '{"z":1.50,"a":1,"home":{"zip":"01","city":"X"},"n":null,"l":[{"b":1,"a":2}]}\n{"a":2,"home":{"city":"Y"}}\n{"a":3,"home":"tent"}'
    assert read(tmp_path, data, columns) == [
        (1, "1", '{"home":{"zip":"01"},"l":[{"a":2,"b":1}],"n":null,"z":1.50}'),
        (2, "2", None),
        (3, "3", '{"home":"tent"}'),
    ]


def test_columns_are_observed_by_their_paths(tmp_path: Path) -> None:
    tables = {
        "t": {"columns": {"a": {}, "home": {}}, "records": "x"},
        "u": {"columns": {"v": {"path": "../a"}, "w": {"path": "../#"}, "n": {}}, "records": "x.list"},
        "r": {"columns": {"a": {}, "rest": {"path": "@rest"}}, "records": "x"},
    }
    made = JsonSource.model_validate({"source": "s", "type": "json", "path": "x", "tables": tables})
    record = {"a": 1, "home": {"zip": 2}, "more": {"b": None, "c": [3]}, "list": [{"n": 1, "o": 2}]}
    object_ = blob(tmp_path, json.dumps({"x": [record, {}]}).encode())
    assert made.observe("t", object_) == {"a", "home", "more.b", "more.c"}
    assert made.observe("u", object_) == {"../a", "../#", "n", "o"}
    assert made.observe("r", object_) == {"a"}
    assert made.observe("t", blob(tmp_path, b"[]")) is None


ODD_KEYS = {
    "e.mail": "1",
    "x": {"a.b": {"c": "2"}, 'q"t': "3", '"': "4"},
    "@id": "5",
    "a/b": "6",
    "@odata.id": "7",
    "": "8",
}
ODD_PATHS = ['"e.mail"', 'x."a.b".c', 'x.q"t', 'x.""""', '"@id"', '"a/b"', '"@odata.id"', '""']


@pytest.mark.parametrize("many", [1, 300], ids=["few", "many"])
def test_keys_with_dots_and_other_signs_are_found_by_quotes(tmp_path: Path, many: int) -> None:
    columns = {f"c{number}": {"path": path} for number, path in enumerate(ODD_PATHS)}
    object_ = blob(tmp_path, (json.dumps(ODD_KEYS) + "\n").encode() * many)
    found = values(parsed(source(columns), object_), *columns)
    assert found == [("1", "2", "3", "4", "5", "6", "7", "8")] * many
    assert list(source().observe("t", object_) or ()) == ODD_PATHS
    assert set(source(columns).observe("t", object_) or ()) == set(ODD_PATHS)
    rest = source({"a": {"path": '"e.mail"'}, "b": {"path": 'x."a.b"'}, "r": {"path": "@rest"}})
    assert (
        '"e.mail"' not in values(parsed(rest, object_), "r")[0] and "a.b" not in values(parsed(rest, object_), "r")[0]
    )


def test_records_may_lie_below_a_key_with_a_dot(tmp_path: Path) -> None:
    data = json.dumps({"v1.0": {"items": [{"a": "x", "legs/all": [{"n": 1}, {"n": 2}]}]}})
    assert read(tmp_path, data, records='"v1.0".items') == [(1, "x", None)]
    legs = source({"n": {}, "a": {"path": "../a"}}, records='"v1.0".items."legs/all"')
    assert values(parsed(legs, blob(tmp_path, data.encode())), "n", "a") == [("1", "x"), ("2", "x")]


def test_a_path_with_needless_quotes_is_refused_with_the_one_to_write() -> None:
    with pytest.raises(ValidationError, match=r"write `user\.mail`"):
        source({"a": {"path": '../user."mail"'}})


@pytest.mark.parametrize("path", ["/a/b", "a..b", '"a', '"a"b', 'a."b', ".a", "@all", "../", "", "a/b", "../.."])
def test_a_path_of_another_form_is_refused_in_the_project(path: str) -> None:
    with pytest.raises(ValidationError):
        source({"a": {"path": path}})


@pytest.mark.parametrize("keys", [{"records": "/a"}, {"records": "a..b"}, {"format": "xml"}, {"encoding": "klingon"}])
def test_a_table_that_cannot_be_is_refused_in_the_project(keys: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        source(**keys)


TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = (
    TEXTS
    | st.integers()
    | st.booleans()
    | st.sampled_from(NUMBERS[1:8]).map(lambda text: float(text) if len(text) < 9 else 0.5)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
RECORDS = st.fixed_dictionaries(
    {"a": SCALARS}, optional={"b": SCALARS, "c": JSON, "d": st.fixed_dictionaries({"x": SCALARS}, optional={"y": JSON})}
)


@settings(max_examples=30, deadline=None)
@given(
    records=st.lists(RECORDS, min_size=1, max_size=12),
    cut=st.integers(0, 200),
    junk=st.sampled_from(
        [b"", b'"', b"[", b"}", b"\\", b"-0", b":", b'"a":1,', b"\xff", b"\n", b"}\n{", b'{"a":1}', b'{"a":\n']
    ),
    spaced=st.booleans(),
    many=st.sampled_from([1, 1 << 40]),
    end=st.sampled_from([b"\n", b"\r\n"]),
)
def test_the_fast_way_says_what_the_exact_way_says(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[Any],
    cut: int,
    junk: bytes,
    spaced: bool,
    many: int,
    end: bytes,
) -> None:
    separators = (", ", " : ") if spaced else (",", ":")
    lines = [json.dumps(record, ensure_ascii=False, separators=separators).encode() for record in records]
    lines = [*lines, lines[0][:cut] + junk + lines[0][cut:], *lines]
    made = source({"a": {}, "b": {}, "x": {"path": ["d.x", "b"]}})
    object_ = blob(tmp_path_factory.mktemp("json"), end.join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MANY", many)
        patch.setattr(module, "_SOME", 1)
        patch.setattr(jsonsplit, "BLOCK", 97)
        quick = parsed(made, object_)
        patch.setattr(module, "_MANY", 1 << 40)
        patch.setattr(module, "_SOME", 1 << 40)
        assert quick == parsed(made, object_)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1),
    block=st.integers(1, 60),
    indent=st.sampled_from([None, 1]),
    lines=st.booleans(),
)
def test_any_table_of_texts_reads_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], block: int, indent: int | None, lines: bool
) -> None:
    records = [{"a": a, "b": b} for a, b in rows]
    text = "\n".join(map(json.dumps, records)) if lines else json.dumps({"x": {"y": records}}, indent=indent)
    made = source(records="" if lines else "x.y", format="lines" if lines else "document")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonsplit, "BLOCK", block)
        found = parsed(made, blob(tmp_path_factory.mktemp("json"), text.encode()))
    # a cell's blanks do not count
    want = [tuple(_stripped(cell) for cell in row) for row in rows]
    assert values(found, "a", "b") == want


def _stripped(cell: str | None) -> str | None:
    return pa.compute.utf8_trim_whitespace(pa.scalar(cell, pa.string())).as_py() or None


MEMORY = """
import sys
from potable.sources.blobs import Blob
from tests.sources import peak
from tests.sources.test_json import source
made = source({"a": {}, "b": {"type": "decimal(9,2)"}}, records="items", format=sys.argv[2])
for batch in made.parse("t", Blob("small.json", sys.argv[1], "small.json", False, 0)):
    pass
before = peak.megabytes()
print(sum(batch.num_rows for batch in made.parse("t", Blob("big.json", sys.argv[1], "big.json", False, 0))))
print(peak.megabytes() - before)
"""


def test_a_large_document_needs_little_memory(tmp_path: Path) -> None:
    record = b'{"a":"a text that is somewhat longer","b":12.50,"c":{"d":["e",{"f":"g"}]}},'
    (tmp_path / "small.json").write_bytes(b'{"items":[' + record * 300 + b"{}]}")
    (tmp_path / "big.json").write_bytes(
        b'{"skipped":[' + record * 100_000 + b'{}],"items":[' + record * 400_000 + b"{}]}"
    )
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path), "auto"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    rows, megabytes = map(int, done.stdout.split())
    assert rows == 400_001
    assert megabytes < 180
