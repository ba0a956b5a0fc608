"""Flat lines in any order, cut out where their members stand, to what the exact reader says, or left to it line by line."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from potable.sources import jsonkeys, jsonmembers
from potable.sources.cells import Number, plain, whole
from potable.sources.jsonkeys import Keys
from potable.sources.jsonmembers import Members
from potable.sources.jsontext import decode, text

KEYS = [
    "a",
    "b",
    "national_id",
    "address_of_home_1",
    "address_of_work_1",
    "é",
    "",
    "a_very_long_key_of_many_words",
    "z",
]
NUMBERS = ["0", "-0", "-0.0", "1.10", "1e5", "-2E-7", "12345678901234567890.5", "18446744073709551616", "17"]
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=5)
SCALARS = (
    st.sampled_from(
        [*NUMBERS, "null", "true", "false", '"null"', '"-0"', '""', '"[{"', '"}:,"', r'"\"\\"', r'"\u00e9"']
    )
    | TEXTS.map(lambda item: json.dumps(item, ensure_ascii=False))
    | TEXTS.map(json.dumps)
)
NESTED = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(st.sampled_from(KEYS), inner), max_size=3).map(
            lambda pairs: "{" + ",".join(f'"{key}": {value}' for key, value in pairs) + "}"
        )
    ),
    max_leaves=5,
)
RECORDS = st.lists(st.tuples(st.sampled_from(KEYS), NESTED), max_size=6, unique_by=lambda pair: pair[0])
ODD = [
    *("01", "1.", "+1", "-", "", "NaN", "1,2", "nul", " 1", "1 ", '"', '\\"', "\t", "[1", "[1]]", "{}}", "[[]", '["]"'),
    *('{"a": 1, "a": 2}', "[01]", "[-0]", r'["\ud800"]', r'"\ud800"', r'"\q"', r"\u0031", '"x" "y"', '1"x"', '"x"1'),
    *("[" * 64 + "]" * 64, "[" * 63 + "]" * 63, '1, "a": 2', '"\x01"', "[1],[2]", "[1}", "{1]", '"a":"b"', "1}", "{"),
]
FORMS = st.sampled_from([("", ":", ","), ("", ": ", ", "), ("", ":", ", "), ("", ": ", ",")])


def line(record: list[tuple[str, str]], form: tuple[str, str, str] = ("", ": ", ", ")) -> str:
    return "{" + form[2].join(f'"{key}"{form[1]}{value}' for key, value in record) + "}"


def exact(lines: list[str], told: bool = False) -> dict[str, list[Any]]:
    """What the exact reader says of each line by key; `None` for one it cannot read."""
    records: list[Any] = []
    for each in lines:
        try:
            records.append(decode(each.encode()))
        except ValueError:
            records.append(None)
    found: dict[str, list[Any]] = {"": records}
    for key in KEYS[:-1]:
        if key:
            cells = [record.get(key) if isinstance(record, dict) else None for record in records]
            texts = [said and whole(said) for said in map(text, cells)]
            found[key] = (
                [(type(cell) is Number, said) for cell, said in zip(cells, texts, strict=True)] if told else texts
            )
    return found


def held_to_exact(lines: list[str], *, told: bool = False) -> list[int] | None:
    """The lines that are left to the exact reader, where all others are what it says; None where all are."""
    paths = [key for key in KEYS[:-1] if key]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonmembers, "_MOST_ODD", 1)
        made = Members([f'"{path}"' if not path.isidentifier() else path for path in paths], paths if told else ())
        found = made.texts("\n".join(lines).encode())
    if found is None:
        return None
    columns, odd = found
    kept = np.delete(np.arange(len(lines)), odd)
    want = exact(lines, told)
    assert all(isinstance(want[""][row], dict) for row in kept), "what is no record is never taken for one"
    for path in paths:
        cells = [want[path][row] for row in kept]
        if path not in columns:
            assert not any(cell[1] if told else cell for cell in cells)
        elif told:
            numbers = columns[path].field("number").is_valid().to_pylist()
            assert list(zip(numbers, plain(columns[path]).to_pylist(), strict=True)) == cells
        else:
            assert columns[path].to_pylist() == cells
    return odd


@given(st.lists(RECORDS.filter(bool), min_size=1, max_size=6), FORMS, st.booleans())
def test_members_say_what_the_exact_reader_says(records: list[Any], form: Any, told: bool) -> None:
    held_to_exact([line(record, form) for record in records], told=told)


FLAT = [*NUMBERS, "null", "true", '"x"', '"]"', r'"\n"', "[]", '{"b": [1.10, "é"], "a": {}}', '[{"a": null}, [-1]]']
PLAIN = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(FLAT), min_size=1)


@given(st.lists(PLAIN, min_size=1, max_size=6), FORMS)
def test_flat_lines_of_one_form_are_all_told(records: list[dict[str, str]], form: Any) -> None:
    assert held_to_exact([line([*record.items()], form) for record in records]) == []


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("key", ["a", "z"], ids=["wanted", "not wanted"])
def test_a_value_that_is_none_costs_its_line_alone(odd: str, key: str) -> None:
    good = line([("b", "1"), ("a", '"x"'), ("z", "[1]")])
    for place in (0, 1, 2):
        record = [("b", "1"), ("national_id", '"x"')]
        record.insert(place, (key, odd))
        left = held_to_exact([good, good, line(record), good, good])
        assert left is not None and set(left) <= {2}


@settings(max_examples=300)
@given(
    st.lists(RECORDS.filter(bool), min_size=1, max_size=4),
    st.integers(0, 60),
    st.integers(0, 4),
    st.sampled_from(["", '"', ",", ":", " ", "}", "{", "[", "]", "\\", "x", '"a":1,', '\\"', "\r", "\t", "null", "-0"]),
    st.booleans(),
)
def test_a_line_set_otherwise_is_left_to_others(records: list[Any], at: int, cut: int, junk: str, front: bool) -> None:
    lines = [line(record) for record in records]
    broken = lines[0][:at] + junk + lines[0][at + cut :]
    held_to_exact([broken, *lines] if front else [*lines, broken, *lines])


@pytest.mark.parametrize("blank", ["", " ", "\t", "\r"])
def test_lines_that_are_blank_are_none_and_leave_all_to_others(blank: str) -> None:
    good = line([("a", "1"), ("b", "2")])
    assert held_to_exact([good, blank, good]) is None


def test_an_object_a_path_leads_into_leaves_all_to_others() -> None:
    for value, told in (('{"b": 1}', False), ("1", True), ("null", True)):
        found = Members(["a.b"], ()).texts(line([("a", value)]).encode())
        assert (found is not None) == told


def test_too_many_odd_lines_leave_all_to_others() -> None:
    good, bad = line([("a", "1")]), line([("a", "01")])
    assert Members(["a"], ()).texts("\n".join([good] * 7 + [bad]).encode()) is not None
    assert Members(["a"], ()).texts("\n".join([good] * 5 + [bad]).encode()) is None


@given(st.lists(st.binary(max_size=20).filter(lambda key: b"\\" not in key), min_size=1, max_size=40))
def test_keys_are_known_by_all_their_bytes(met: list[bytes]) -> None:
    keys = Keys()
    lengths = np.array([len(key) for key in met])
    ends = np.cumsum(lengths)
    for _ in range(2):
        found, others = keys.of(b"".join(met) + bytes(16), ends - lengths, lengths)
        told = {place: keys.names[number] for number, places in enumerate(found) for place in places.tolist()}
        assert all(met[place] == name for place, name in told.items())
        assert sorted([*told, *others.tolist()]) == list(range(len(met)))
        # only such as are equal in length, in their first and their last eight bytes cannot be told
        if len({(key[:8], key[-8:], len(key)) for key in met}) == len(set(met)):
            assert not len(others)


def test_keys_beyond_a_number_are_not_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonkeys, "_MOST", 3)
    good = line([("a", "1"), ("b", "2")])
    assert held_to_exact([good] * 5 + [line([(name, "1"), ("a", "2")]) for name in "cdefg"] + [good]) == [5, 6, 7, 8, 9]
