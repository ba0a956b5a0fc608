"""Dotted paths to values in JSON: one for any keys, and one spelling for each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from potable.sources.jsonrows import SIGNS
from potable.sources.keypaths import dotted, require_spelled, steps
from potable.sources.records import at, column, leaves
from potable.tables import Column

KEYS = st.text(max_size=4) | st.text('."@#/a', max_size=4)


@pytest.mark.parametrize("signs", ["", "@", SIGNS])
@given(st.lists(KEYS, min_size=1, max_size=3))
def test_any_keys_have_one_path(signs: str, keys: list[str]) -> None:
    path = dotted(keys, signs)
    assert steps(path) == tuple(keys)
    require_spelled({"a": Column(path=path)}, signs)


@pytest.mark.parametrize(
    ("path", "keys"),
    [("a.b", ("a", "b")), ('a."b.c"', ("a", "b.c")), ('"a""b".c', ('a"b', "c")), ('a"b.c', ('a"b', "c")), ("", ())],
)
def test_quotes_count_at_the_start_of_a_key_only(path: str, keys: tuple[str, ...]) -> None:
    assert steps(path) == keys


@given(st.recursive(st.text(max_size=2), lambda inner: st.dictionaries(KEYS, inner, min_size=1, max_size=3)))
def test_every_value_of_a_record_is_found_by_its_path(value: object) -> None:
    record = {"r": value}
    found = leaves([record, record])
    assert len(found) == _texts_in(record)
    assert [at(record, path) for path in found] == [column([record], (path,))[0].as_py() for path in found]
    assert all(type(at(record, path)) is str for path in found)


def _texts_in(value: object) -> int:
    return sum(map(_texts_in, value.values())) if isinstance(value, dict) else 1


@pytest.mark.parametrize(("path", "plain"), [('"a".b', "a.b"), ('../a."b"', "a.b"), ('@key."id"', "id")])
def test_needless_quotes_are_refused_with_what_to_write(path: str, plain: str) -> None:
    with pytest.raises(ValueError, match=f"write `{plain}`"):
        require_spelled({"a": Column(path=path)})
