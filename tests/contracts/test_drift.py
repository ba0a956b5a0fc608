"""Column drift: what changed, in how many objects, and what the policy makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from potable.contracts.drift import Drift, Seen, compare, observe, refuse
from potable.errors import DataError, DataErrors
from potable.tables import Table


def table(**drift: str) -> Table:
    columns = {
        "emp_no": {"path": ["employee_number", "EmpNo"], "key": "emp_no"},
        "rating": {"category": "none"},
        "file": {"path": "@object", "category": "none"},
    }
    return Table.model_validate({"columns": columns, "drift": drift})


def drifts(observed: dict[str, list[str]], *, fixed: bool) -> list[Drift]:
    return compare(table(), observe(table(), observed), fixed=fixed)


def test_no_drift_when_each_column_has_one_of_its_names() -> None:
    assert drifts({"a": ["EmpNo", "rating"], "b": ["employee_number", "rating"]}, fixed=True) == []


def test_a_new_column_is_reported_with_its_first_object() -> None:
    found = drifts({"b": ["EmpNo", "rating", "mood"], "a": ["EmpNo", "rating"]}, fixed=True)
    assert found == [Drift("new_column", "mood", 1, "b")]


def test_a_column_missing_from_one_file_has_drifted_only_where_columns_are_fixed() -> None:
    observed = {"a": ["EmpNo", "rating"], "b": ["EmpNo"]}
    assert drifts(observed, fixed=True) == [Drift("missing_column", "rating", 1, "b")]
    assert drifts(observed, fixed=False) == []


def test_the_policy_decides_what_a_missing_column_does() -> None:
    lost = drifts({"a": ["EmpNo"]}, fixed=True)
    with pytest.raises(DataError) as caught:
        refuse("reviews.ratings", table(), lost)
    assert caught.value.code == "D002" and caught.value.exit_code == 1
    refuse("reviews.ratings", table(missing_column="warn"), lost)


def test_all_refused_changes_are_told_at_once() -> None:
    wide = table(new_column="fail")
    found = drifts({"a": ["mood", "room"], "b": ["EmpNo", "rating", "mood"]}, fixed=True)
    found += [Drift("renamed_column", "rating", 1, "c", detail="score")]
    with pytest.raises(DataErrors) as caught:
        refuse("reviews.ratings", wide, found)
    assert caught.value.code == "D002" and caught.value.exit_code == 1
    assert [error.problem for error in caught.value.errors] == [
        "`reviews.ratings` has the undeclared columns `mood` and `room` (first seen in a)",
        "`reviews.ratings` lacks `emp_no` and `rating` (first seen in a)",
        "`reviews.ratings` seems to have renamed `rating` (first seen in c)",
    ]
    for error in caught.value.errors:
        assert error.text() in caught.value.text() and error.record() in caught.value.record()["errors"]


def test_what_each_refused_column_is_like_is_told_beside_its_name() -> None:
    found = [Drift("widened", name, 1, "a", 2, "9.9", "integer → decimal(19,1)") for name in ("emp_no", "rating")]
    with pytest.raises(DataError) as caught:
        refuse("reviews.ratings", table(widened="fail"), found)
    given = "`emp_no`: integer → decimal(19,1) as in 9.9; `rating`: integer → decimal(19,1) as in 9.9"
    assert caught.value.given == given


@pytest.mark.parametrize("fixed", [True, False])
@given(
    observed=st.dictionaries(
        st.sampled_from("abcdef"),
        st.lists(st.sampled_from(["EmpNo", "employee_number", "rating", "mood", "room"]), max_size=4),
    ),
    later=st.sets(st.sampled_from("abcdef")),
)
def test_what_is_seen_of_some_objects_and_of_the_others_adds_up(
    observed: dict[str, list[str]], later: set[str], fixed: bool
) -> None:
    first = observe(table(), {name: columns for name, columns in observed.items() if name not in later})
    second = observe(table(), {name: columns for name, columns in observed.items() if name in later})
    assert compare(table(), first.plus(second), fixed=fixed) == drifts(observed, fixed=fixed)
    assert Seen().plus(first) == first


WAYS = {"a": ["delimiter ;", "encoding cp1252"], "b": ["delimiter ;"], "c": ["delimiter ,", "encoding utf-8"]}


def test_an_object_written_another_way_than_most_has_drifted() -> None:
    seen = observe(table(), {}, WAYS)
    found = [Drift("dialect", "delimiter ,", 1, "c"), Drift("dialect", "encoding utf-8", 1, "c")]
    assert compare(table(), seen, fixed=True) == found
    with pytest.raises(DataError, match="written differently from the others"):
        refuse("reviews.ratings", table(dialect="fail"), found)
    refuse("reviews.ratings", table(), found)


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.sets(st.sampled_from(WAYS["a"] + WAYS["c"]))),
    st.sets(st.sampled_from("abcdefgh")),
)
def test_ways_of_writing_add_up_in_any_order(ways: dict[str, set[str]], later: set[str]) -> None:
    first = observe(table(), {}, {name: parts for name, parts in ways.items() if name not in later})
    second = observe(table(), {}, {name: parts for name, parts in ways.items() if name in later})
    whole = compare(table(), observe(table(), {}, ways), fixed=True)
    assert compare(table(), first.plus(second), fixed=True) == compare(table(), second.plus(first), fixed=True) == whole


def test_what_to_write_for_a_renamed_column_keeps_the_paths_it_has() -> None:
    column = {"path": ["E-Mail", "#mail"], "category": "user.contact.email"}
    contract = Table.model_validate({"columns": {"mail": column}})
    with pytest.raises(DataError) as caught:
        refuse("hr.people", contract, [Drift("renamed_column", "mail", 1, "b.csv", 2, "", "EMail, new")])
    assert 'mail: {path: [E-Mail, "#mail", "EMail, new"]}' in caught.value.text()


def test_an_error_names_no_more_than_some_of_thousands_of_columns() -> None:
    many = [Drift("new_column", f"n{number:05d}", 1, "a", 1, "Aa9") for number in range(20_000)]
    with pytest.raises(DataError) as refused:
        refuse("hr.people", table(new_column="fail"), many)
    assert "`n00019` and 19,980 more (first seen in a)" in refused.value.problem and len(refused.value.text()) < 2_000


def test_columns_for_every_person_are_seen_in_linear_work() -> None:
    """By the square this would take hours, and more memory than there is."""
    every = {f"{number:06d}.json": [f"k{number}"] for number in range(200_000)}
    assert len(observe(table(), every).new) == 200_000
