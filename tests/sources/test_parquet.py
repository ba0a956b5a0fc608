"""Parquet files: every type one exact text, structs by paths, lists as tables; the same rows as from JSON."""

from __future__ import annotations

import base64
import io
import json
import tempfile
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.sources.objects import SECRET, blob, parsed, refusal, values

from potable.sources.arrows import sizes as sizes_of
from potable.sources.json import JsonSource
from potable.sources.parquet import ParquetSource


def source(columns: dict[str, Any] | None = None, **keys: Any) -> ParquetSource:
    table = {"columns": columns or {"a": {}}, **keys}
    return ParquetSource.model_validate({"source": "s", "type": "parquet", "path": "x", "tables": {"t": table}})


def saved(columns: dict[str, Any] | pa.Table, **how: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), out, **how)
    return out.getvalue()


def read(folder: Path, array: pa.Array, **keys: Any) -> list[Any]:
    return values(parsed(source({"a": {}}, **keys), blob(folder, saved({"a": array}))), "a")


NOON = datetime(2020, 2, 29, 12, 0, 0, 500)
CELLS: list[tuple[pa.Array, str]] = [
    (pa.array([12345]), "12345"),
    (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615"),
    (pa.array([1.5], pa.float16()), "1.5"),
    (pa.array([0.1], pa.float32()), "0.1"),
    (pa.array([1e20]), "100000000000000000000"),
    (pa.array([1e-7]), "0.0000001"),
    (pa.array([float("nan")]), "nan"),
    (pa.array([Decimal("1.10")], pa.decimal128(12, 2)), "1.10"),
    (pa.array([Decimal("-0.00000001")], pa.decimal256(60, 8)), "-0.00000001"),
    (pa.array([True]), "true"),
    (pa.array(["é "]), "é"),
    (pa.array(["x"]).dictionary_encode(), "x"),
    (pa.array(["x"], pa.large_string()), "x"),
    (pa.array([date(1583, 1, 1)]), "1583-01-01"),
    (pa.array([NOON], pa.timestamp("us")), "2020-02-29 12:00:00.000500"),
    (pa.array([NOON], pa.timestamp("ms", "Europe/Berlin")), "2020-02-29 12:00:00+00:00"),
    (pa.array([time(7, 30)], pa.time32("s")), "07:30:00"),
    (pa.array([45_296_123_456_789], pa.time64("ns")), "12:34:56.123456789"),
    (pa.array([45_296_123_456_000], pa.time64("ns")), "12:34:56.123456"),
    (pa.array([-86_400_001], pa.duration("ms")), "-86400.001"),
    (pa.array([1500], pa.duration("ns")), "0.000001500"),
    (pa.array([b"\xff\x00"]), "ff00"),
    (pa.array([b"\xff\x00"], pa.binary(2)), "ff00"),
    (pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"\x01" * 16], pa.binary(16))), str(UUID(int=int("01" * 16, 16)))),
    (pa.array([[1, None, 2]]), "[1,null,2]"),
    (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())), '{"k":1}'),
    (pa.array([[]], pa.map_(pa.int8(), pa.int8())), "{}"),
    (pa.array([{"b": Decimal("1.10"), "a": date(2020, 1, 1), "n": float("inf")}], pa.struct({"b": pa.decimal128(9, 2), "a": pa.date32(), "n": pa.float64()})), '{"a":"2020-01-01","b":1.10,"n":"inf"}'),
]  # fmt: skip


@pytest.mark.parametrize(("array", "text"), CELLS, ids=[str(array.type) for array, _ in CELLS])
def test_a_value_is_one_exact_text_and_null_is_nothing(tmp_path: Path, array: pa.Array, text: str) -> None:
    nulled = pa.concat_arrays([array, pa.nulls(1, array.type)])
    assert read(tmp_path, nulled) == [text, None]


def test_times_of_long_ago_are_right_in_the_old_form_of_spark(tmp_path: Path) -> None:
    moments = pa.array([datetime(1677, 9, 21, 0, 12, 44), datetime(2020, 1, 1)], pa.timestamp("us"))
    data = saved({"a": moments}, use_deprecated_int96_timestamps=True)
    found = values(parsed(source(), blob(tmp_path, data)), "a")
    assert found == ["1677-09-21 00:12:44", "2020-01-01 00:00:00"]


def test_bytes_may_be_texts_that_do_not_say_so(tmp_path: Path) -> None:
    assert read(tmp_path, pa.array(["é".encode(), None]), binary_as_string=True) == ["é", None]
    data = saved({"a": pa.array([b"fine", b"\xff" + SECRET.encode()])})
    assert "cannot be parsed" in refusal(source(binary_as_string=True), blob(tmp_path, data))


def test_a_comma_is_of_texts_and_a_number_stays_what_it_is(tmp_path: Path) -> None:
    columns = {"a": {"type": "decimal(9,2)", "decimal": ","}}
    numbers, texts = (
        values(parsed(source(columns), blob(tmp_path, saved({"a": pa.array(given)}))), "a")
        for given in ([1234.5], ["1.234,50"])
    )
    assert numbers == texts == [Decimal("1234.50")]


def test_only_what_is_named_is_read_and_the_first_path_that_has_a_value_counts(tmp_path: Path) -> None:
    columns = {"a": {"path": ["old", "new.x", "gone", "list.x"]}, "b": {"path": '"a.b"'}, "c": {"path": "@object"}}
    data = saved({"new": [{"x": 1}, {"x": 2}, None], "old": [None, 9, None], "a.b": [1, 2, 3], "list": [[], [], []]})
    rows = parsed(source(columns), blob(tmp_path, data))
    assert values(rows, "_row", "a", "b", "c") == [(1, "1", "1", "object"), (2, "9", "2", "object"), (3, None, "3", "object")]  # fmt: skip
    assert values(parsed(source({"c": {"path": "@object"}}), blob(tmp_path, data)), "_row") == [1, 2, 3]


def test_rows_are_counted_over_all_row_groups(tmp_path: Path) -> None:
    data = saved({"a": list(range(20_000))}, row_group_size=7_000)
    rows = parsed(source({"a": {"type": "integer"}}), blob(tmp_path, data))
    assert values(rows, "_row", "a") == [(number + 1, number) for number in range(20_000)]
    assert json.loads(source().record("t", blob(tmp_path, data), 14_002)) == {"a": 14_001}


def test_a_list_of_structs_is_a_table_of_its_own(tmp_path: Path) -> None:
    lines = [[{"sku": "x", "n": 1}, {"sku": "y", "n": 2}], None, [], [{"sku": "z", "n": None}, None]]
    data = saved({"order": [7, 8, 9, 10], "lines": lines, "more": ["m"] * 4})
    columns = {"order": {"path": "../order"}, "row": {"path": "../#"}, "at": {"path": "#"}, "sku": {}, "rest": {"path": "@rest"}}  # fmt: skip
    made = source(columns, records="lines")
    held = blob(tmp_path, data)
    rows = parsed(made, held)
    assert values(rows, "order", "row", "at", "sku", "rest") == [
        ("7", "1", "1", "x", '{"n":1}'),
        ("7", "1", "2", "y", '{"n":2}'),
        ("10", "4", "1", "z", '{"n":null}'),
        (None, None, None, None, None),
    ]
    assert rows[-1]["_mistyped"] == "@record: no object" and rows[-1]["_row"] == 4
    assert json.loads(made.record("t", held, 2)) == {"sku": "y", "n": 2}
    assert [*(made.observe("t", held) or ())] == ["sku", "../order", "../#", "#"]


def test_what_a_file_has_is_told_with_its_lists(tmp_path: Path) -> None:
    data = saved({"id": [1], "who": [{"mail": "x", "tags": [["a"]]}], "lines": [[{"n": 1, "parts": [{"p": 1}]}]]})
    held, made = blob(tmp_path, data), source({"id": {}})
    assert [*(made.observe("t", held) or ())] == ["id", "who.mail", "who.tags", "lines"]
    assert made.children("t", held) == {"lines": {"records": "lines"}}
    both = {"t": {"columns": {"id": {}}}, "lines": {"records": "lines", "columns": {"n": {}}}}
    made = ParquetSource.model_validate({"source": "s", "type": "parquet", "path": "x", "tables": both})
    assert [*(made.observe("t", held) or ())] == ["id", "who.mail", "who.tags"]
    assert (made.children("t", held), made.around("lines")) == ({}, ("t", "../"))
    assert made.children("lines", held) == {"parts": {"records": "lines.parts"}}


def test_a_file_without_the_list_is_refused_unless_it_may_be(tmp_path: Path) -> None:
    held = blob(tmp_path, saved({"a": [1]}))
    assert "no list at `lines`" in refusal(source(records="lines"), held)
    assert parsed(source(records="lines", optional=True), held) == []
    assert source(records="lines").observe("t", held) is None


def test_a_path_that_leads_out_of_the_file_is_refused(tmp_path: Path) -> None:
    held = blob(tmp_path, saved({"a": [1], "l": [[{"n": 1}]]}))
    assert "outermost" in refusal(source({"x": {"path": "../../a"}}, records="l"), held)


def test_what_is_no_parquet_file_is_refused(tmp_path: Path) -> None:
    whole = saved({"a": [SECRET] * 10_000, "b": [*range(10_000)]}, compression="none", use_dictionary=False)
    assert "not a Parquet file" in refusal(source(), blob(tmp_path, SECRET.encode()))
    assert "not a Parquet file" in refusal(source(), blob(tmp_path, b""))
    assert "encrypted" in refusal(source(), blob(tmp_path, b"PARE" + whole[4:]))
    for data in (whole[:-20], whole[: len(whole) // 2], b"PAR1", whole[:4] + b"\xff" * 100 + whole[104:]):
        assert "damaged" in refusal(source(), blob(tmp_path, data))
    twice = pa.Table.from_arrays([pa.array(["x"]), pa.array(["y"])], names=["a", "a"])
    assert "two of its columns are called `a`" in refusal(source(), blob(tmp_path, saved(twice)))
    assert values(parsed(source({"b": {}}), blob(tmp_path, whole)), "b")[-1] == "9999"


@pytest.mark.parametrize(
    ("log", "kind"),
    [
        ("_delta_log/00000000000000000000.json", "Delta Lake"),
        ("metadata/v1.metadata.json", "Iceberg"),
        (".hoodie/hoodie.properties", "Hudi"),
    ],
)
def test_files_of_a_table_format_may_not_all_count_and_a_warning_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, log: str, kind: str
) -> None:
    for name in ("orders/year=2024/part-0.parquet", "other/part-0.parquet"):
        blob(tmp_path, saved({"a": [1]}), name)
    blob(tmp_path, b"{}", f"orders/{log}")
    for path, files, told in (
        (f"{tmp_path}/orders", "**/*.parquet", True),
        (f"{tmp_path}/orders/**/*.parquet", None, True),
        (str(tmp_path), "orders/*/*.parquet", True),
        (f"{tmp_path}/other", None, False),
    ):
        made = source(**({"files": files} if files else {})).model_copy(update={"path": path})
        caplog.clear()
        assert len(list(made.arrivals(tmp_path))) == 1
        assert [kind in message for message in caplog.messages] == [True] * told


def test_a_page_that_is_not_as_it_was_written_is_refused(tmp_path: Path) -> None:
    whole = saved(
        {"a": [f"v{n}" for n in range(5000)]}, compression="none", use_dictionary=False, write_page_checksum=True
    )
    assert len(parsed(source(), blob(tmp_path, whole))) == 5000
    data = bytearray(whole)
    data[3000] ^= 1
    assert "damaged" in refusal(source(), blob(tmp_path, bytes(data)))


@pytest.mark.parametrize("name", [b"another", b"\xff\xfename_"], ids=["another", "no text"])
def test_a_footer_that_contradicts_itself_is_refused(tmp_path: Path, name: bytes) -> None:
    """Columns are called twice there: in the schema, and where their values lie."""
    data = saved({"a_thing": ["x"] * 1000})
    at = data.rindex(b"a_thing", 0, data.rindex(b"ARROW:schema"))
    assert "footer is damaged" in refusal(source({"a_thing": {}}), blob(tmp_path, data[:at] + name + data[at + 7 :]))


def test_a_column_whose_levels_contradict_its_kind_is_refused(tmp_path: Path) -> None:
    """It may have nulls, and the damaged schema says that it may not: what was told of it ended the process."""
    data = saved({"a_thing": ["x", None] * 500})
    optional, required = (b"\x25" + kind + b"\x18\x07a_thing" for kind in (b"\x02", b"\x00"))
    assert data.count(optional) == 1
    assert "damaged" in refusal(source({"a_thing": {}}), blob(tmp_path, data.replace(optional, required)))


class Kms(encryption.KmsClient):
    """Keeps keys by not hiding them."""

    def __init__(self, config: Any) -> None:
        super().__init__()

    def wrap_key(self, key: bytes, name: str) -> bytes:
        return base64.b64encode(key)

    def unwrap_key(self, key: bytes, name: str) -> bytes:
        return base64.b64decode(key)


@pytest.mark.parametrize("footer", [True, False], ids=["plain footer", "hidden footer"])
def test_a_file_with_columns_that_are_encrypted_is_refused(tmp_path: Path, footer: bool) -> None:
    """pyarrow ends the process where it is asked for one of them."""
    how = encryption.EncryptionConfiguration("f", column_keys={"c": ["a"]}, plaintext_footer=footer)
    keys = encryption.CryptoFactory(Kms).file_encryption_properties(encryption.KmsConnectionConfig(), how)
    data = saved({"a": [SECRET], "b": [1]}, encryption_properties=keys)
    for name in ("a", "b"):
        assert "it is encrypted" in refusal(source({name: {}}), blob(tmp_path, data))


def test_texts_that_are_not_utf8_are_told_with_their_column(tmp_path: Path) -> None:
    bad = pa.StringArray.from_buffers(2, pa.array([0, 1, 3], pa.int32()).buffers()[1], pa.py_buffer(b"\xffok"))
    told = refusal(source(), blob(tmp_path, saved({"a": bad, "b": [1, 2]})))
    assert "in column `a` that are none of their type" in told
    assert parsed(source({"b": {}}), blob(tmp_path, saved({"a": bad, "b": [1, 2]})))


def test_paths_that_lead_nowhere_are_told_before_anything_is_read() -> None:
    for keys in ({"records": "a/b"}, {"columns": {"a": {"path": "../../@x"}}}):
        with pytest.raises(ValidationError, match="path"):
            source(**keys)
    with pytest.raises(ValidationError, match="nothing is around"):
        source({"a": {"path": "../x"}})


LEAF = {
    pa.string(): st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4),
    pa.int64(): st.integers(-(2**53), 2**53),
    pa.bool_(): st.booleans(),
    pa.decimal128(20, 3): st.decimals(-(10**9), 10**9, places=3, allow_nan=False),
}


def kinds(depth: int) -> st.SearchStrategy[pa.DataType]:
    leaf = st.sampled_from([*LEAF])
    if not depth:
        return leaf
    inner = kinds(depth - 1)
    structs = st.dictionaries(st.sampled_from(["x", "y", "z.z"]), inner, min_size=1).map(
        lambda fields: pa.struct([*fields.items()])
    )
    return st.one_of(leaf, structs, inner.map(pa.list_))


def filled(kind: pa.DataType) -> st.SearchStrategy[Any]:
    """Values of a type, null too."""
    if pa.types.is_struct(kind):
        made: st.SearchStrategy[Any] = st.fixed_dictionaries({field.name: filled(field.type) for field in kind})
    else:
        made = st.lists(filled(kind.value_type), max_size=3) if pa.types.is_list(kind) else LEAF[kind]
    return st.none() | made


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_what_is_in_parquet_is_what_the_same_records_are_in_json(data: st.DataObject) -> None:
    """Flat tables and tables of lists inside, with paths to everything that is there."""
    kind = pa.struct({"a": data.draw(kinds(2)), "b": data.draw(kinds(1)), "l": pa.list_(pa.struct({"n": data.draw(kinds(1)), "m": pa.int64()}))})  # fmt: skip
    rows = data.draw(st.lists(filled(kind).filter(bool), max_size=6))
    lines = "\n".join(_written(row) for row in rows).encode()
    file = saved(pa.Table.from_batches([pa.RecordBatch.from_struct_array(pa.array(rows, kind))]), row_group_size=2)
    paths = ["a", "b", "a.x", "a.y.x", 'a."z.z"', "b.x", "l"]
    tables = {
        "rows": {"columns": {f"c{at}": {"path": path} for at, path in enumerate(paths)}},
        "rest": {"columns": {"ax": {"path": "a.x"}, "rest": {"path": "@rest"}}},
        "inner": {
            "records": "l",
            "optional": True,
            "columns": {"a": {"path": "../a"}, "at": {"path": "#"}, "row": {"path": "../#"}, "n": {}, "x": {"path": "n.x"}},
        },
    }  # fmt: skip
    made = {"source": "s", "path": "x", "tables": tables}
    json_ = {**tables, **{name: {**table, "format": "lines"} for name, table in tables.items()}}
    with tempfile.TemporaryDirectory() as folder:
        of_parquet, of_json = blob(Path(folder), file, "p"), blob(Path(folder), lines, "j")
        for name in tables:
            mine = parsed(ParquetSource.model_validate({**made, "type": "parquet"}), of_parquet, name)
            theirs = parsed(JsonSource.model_validate({**made, "type": "json", "tables": json_}), of_json, name)
            assert [{**row, "_object": ""} for row in mine] == [{**row, "_object": ""} for row in theirs]


def _written(value: Any) -> str:
    """JSON with decimals as numbers of three places."""
    if isinstance(value, Decimal):
        return format(value.quantize(Decimal("0.001")), "f")
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_written(each)}" for key, each in value.items()) + "}"
    return "[" + ",".join(map(_written, value)) + "]" if isinstance(value, list) else json.dumps(value)


def test_long_texts_that_are_written_once_take_bounded_memory(tmp_path: Path) -> None:
    text = "x" * 1_000_000
    once = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), [text])
    listed = pa.ListArray.from_arrays(pa.array(range(1001), pa.int32()), once)
    structs = pa.ListArray.from_arrays(pa.array(range(1001), pa.int32()), pa.StructArray.from_arrays([once], ["v"]))
    for data in (
        saved({"a": once, "l": listed, "s": structs}),
        saved(
            {"a": [text] * 100, "l": [[text]] * 100, "s": [[{"v": text}]] * 100},
            use_dictionary=False,
            compression="zstd",
        ),
    ):
        held = blob(tmp_path, data)
        assert len(data) < 1_000_000
        for made in (source({"a": {}}), source({"a": {"path": "l"}}), source({"a": {"path": "v"}}, records="s")):
            sizes = [(batch.num_rows, batch.nbytes) for batch in made.parse("t", held)]
            assert sum(rows for rows, _ in sizes) in (100, 1000) and max(size for _, size in sizes) < 80 << 20


@given(data=st.data())
def test_the_size_of_a_value_is_that_of_its_texts(data: st.DataObject) -> None:
    kind = data.draw(kinds(2))
    rows = data.draw(st.lists(filled(kind), max_size=5))

    def size(value: Any, kind: pa.DataType) -> int:
        if value is None and not pa.types.is_struct(kind):
            return 0 if pa.types.is_list(kind) or pa.types.is_string(kind) else 16
        if pa.types.is_struct(kind):
            return sum(size((value or {}).get(field.name), field.type) for field in kind)
        if pa.types.is_list(kind):
            return sum(size(item, kind.value_type) for item in value)
        return len(value.encode()) if pa.types.is_string(kind) else 16

    array = pa.array(rows, kind)
    assert sizes_of(array).tolist() == [size(value, kind) for value in rows]
    if pa.types.is_string(kind):
        assert sizes_of(array.dictionary_encode()).tolist() == [size(value, kind) for value in rows]
