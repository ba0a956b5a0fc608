"""Lines of records that Arrow reads: to what the exact reader says, value by value, or left to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sources.objects import blob, parsed
from tests.sources.test_json import source

from potable.sources import jsonreading as module
from potable.sources import jsonsplit
from potable.sources.jsonarrow import Kinds

COLUMNS: dict[str, Any] = {
    "text": {},
    "whole": {"type": "integer"},
    "amount": {"type": "decimal(6,2)"},
    "count": {"type": "decimal(6,0)"},
    "ratio": {"type": "float"},
    "truth": {"type": "boolean"},
    "day": {"type": "date", "format": ["unix_s"]},
    "no": {"path": "number"},
    "comma": {"type": "decimal(6,2)", "decimal": ","},
    "special": {"type": "integer", "null_values": ["-1"]},
    "list": {},
    "inner": {"path": "object.inner"},
    "kept": {"path": "object.kept"},
    "either": {"path": ["text", "number"]},
}
WHOLE = ["0", "-0", "7", "-12", "999999999999999999", "1000000000000000000", "9223372036854775808", "86400", "-1"]
NUMBERS = [*WHOLE, "1.10", "0.005", "1.500", "-0.0", "9999.99", "10000", "12345.5", "1e2", "1E-2", "1.5e+1", "1e400"]
ODD = ["NaN", "-Infinity", "Inf", "1.", "01", "+1", "nul"]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5).map(json.dumps) | st.sampled_from(
    ['"1e2"', '"12"', '"-3e5"', '"a3e5"', '"12.50"', '"."', '" 1"', '"2020-01-02"', '""', r'"\ud83d"', r'"\u0041"']
)
NUMBER = st.sampled_from(NUMBERS)
VALUES: dict[str, st.SearchStrategy[str]] = {
    "text": TEXT,
    "whole": st.sampled_from(WHOLE),
    "amount": NUMBER | st.sampled_from(['"12.50"', '"1e2"', '"."']),
    "count": NUMBER,
    "ratio": NUMBER,
    "truth": st.sampled_from(["true", "false"]),
    "day": st.sampled_from(WHOLE),
    "number": st.sampled_from(WHOLE),
    "comma": st.sampled_from(['"1,5"', '"2"']),
    "special": st.sampled_from(WHOLE),
    "list": st.lists(NUMBER, max_size=2).map(lambda items: f"[{', '.join(items)}]"),
    "object": st.tuples(NUMBER, TEXT).map(lambda pair: f'{{"kept":{{"z":{pair[0]},"b" : 1}},"inner":{pair[1]}}}'),
    "unwanted": st.lists(st.sampled_from(["1", "2.5", "null"]), max_size=2).map(lambda items: f"[{','.join(items)}]"),
}
RECORD = st.fixed_dictionaries({}, optional=VALUES)
JUNK = ["", '"', "}", "}\n{", '{"text":"x"}', "null", "\0", '"text":"y",', "\\", ",", "1e2", *ODD]


def line(record: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{key}": {value}' for key, value in record.items()) + "}"


GOOD = line(
    {
        "text": '"x"',
        "whole": "5",
        "amount": "1.50",
        "count": "3",
        "ratio": "0.5",
        "truth": "true",
        "number": "17",
        "comma": '"1,5"',
        "special": "4",
        "list": "[1, 2.50]",
        "object": '{"kept": {"z": 1.10, "b": 2}, "inner": "y"}',
        "unwanted": "[1]",
    }
)


def both(folder: Path, data: bytes) -> tuple[Any, Any]:
    """What is read with and without Arrow, or how it is refused."""
    made, object_ = source(COLUMNS, format="lines"), blob(folder, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MANY", 1)
        patch.setattr(module, "_SOME", 1 << 40)
        patch.setattr(jsonsplit, "BLOCK", 1500)
        quick = parsed(made, object_)
        patch.setattr(module, "_MANY", 1 << 40)
        return quick, parsed(made, object_)


@settings(max_examples=60, deadline=None)
@given(records=st.lists(RECORD, min_size=1, max_size=8), cut=st.integers(0, 60), junk=st.sampled_from(JUNK))
def test_arrow_says_what_the_exact_reader_says(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, str]], cut: int, junk: str
) -> None:
    lines = [line(record) for record in records]
    broken = lines[0][:cut] + junk + lines[0][cut:]
    data = "\n".join([*lines, GOOD, broken, *lines]).encode()
    quick, exact = both(tmp_path_factory.mktemp("json"), data)
    assert quick == exact


HAZARDS = {
    **{f"{key} {value}": {key: value} for key in ("amount", "ratio", "count", "whole") for value in [*NUMBERS, *ODD]},
    **{f"text {number}": {"amount": f'"{number}"'} for number in NUMBERS},
    "sign of a whole number": {"number": "-0"},
    "sign in a list": {"list": "[-0]"},
    "no number in a list": {"list": "[NaN]"},
    "no number that nobody wants": {"unwanted": "[NaN]"},
    "another kind": {"text": "5"},
    "twice": {"text": '"y", "text": "z"'},
    "twice inside": {"object": '{"kept": {"z": 1, "z": 2}}'},
    "a new key twice": {"new": '1, "new": 2'},
    "half a character": {"text": r'"\ud83d"'},
    "a second record": {"text": '"y"}{"text": "z"'},
    "null behind": {"text": '"y"} null {"text": "z"'},
    "a zero byte": {"text": '"y"}\0{"text": "z"'},
    "placeholder": {"special": "-1"},
}


@pytest.mark.parametrize("odd", HAZARDS.values(), ids=HAZARDS)
def test_a_value_that_arrow_would_read_otherwise_is_left_to_others(tmp_path: Path, odd: dict[str, str]) -> None:
    quick, exact = both(tmp_path, "\n".join([GOOD, line(odd), GOOD]).encode())
    assert quick == exact


@pytest.mark.parametrize(
    "data", ["null\n{}", "{}\nnull", "null", '{"text":\n"x"}\n{"text":"y"}{"text":"z"}', "\0", "[]", "{}", "5"]
)
def test_lines_that_are_no_records_never_reach_arrow_or_are_refused(tmp_path: Path, data: str) -> None:
    quick, exact = both(tmp_path, data.encode())
    assert quick == exact


def test_records_alike_are_read_by_arrow() -> None:
    kinds = Kinds(source(COLUMNS).tables["t"])
    found = kinds.texts("\n".join([GOOD] * 3).encode())
    assert found is not None
    assert {path: values.type for path, values in found.items() if not pa.types.is_string(values.type)} == {
        "whole": pa.int64(),
        "amount": pa.decimal128(6, 2),
        "ratio": pa.float64(),
        "truth": pa.bool_(),
        "comma": pa.struct([("text", pa.string()), ("number", pa.string())]),
    }
    assert found["list"].to_pylist() == ["[1,2.50]"] * 3
    assert found["object.kept"].to_pylist() == ['{"b":2,"z":1.10}'] * 3


def test_kinds_that_were_not_met_are_learned_until_a_file_has_shown_that_it_does_not_help() -> None:
    kinds = Kinds(source(COLUMNS).tables["t"])
    assert kinds.texts(b'{"text":"x"}') is not None
    assert kinds.texts(b'{"text":"x","new":1}') is not None
    for _ in range(6):
        assert kinds.texts(b'{"text":"x"}\n{"text":5}') is None
    assert kinds.texts(b'{"text":"x"}') is None
