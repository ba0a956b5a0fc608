import pytest

CASES = {
    ("user.email", "missing"): lambda record: record["user"]["email"] is None,
    ("user.email", "placeholder"): lambda record: record["user"]["email"] == "unknown@northwind.example",
    ("user.email", "orphan"): lambda record: "@partner.example" in (record["user"]["email"] or ""),
    ("user.email", "case"): lambda record: not (record["user"]["email"] or "x").islower(),
    ("user.email", "blanks"): lambda record: (record["user"]["email"] or "").startswith(" "),
    ("hours", "impossible"): lambda record: record["hours"] == -5,
    ("hours", "mistyped"): lambda record: record["hours"] == "n/a",
    ("completed_at", "missing"): lambda record: record["completed_at"] is None,
    ("recorded_at", "late"): lambda record: days_until_recorded(record) > 30,
}


def days_until_recorded(record) -> int:
    from datetime import date

    done, known = record["completed_at"] or record["recorded_at"], record["recorded_at"]
    return (date.fromisoformat(known[:10]) - date.fromisoformat(done[:10])).days


@pytest.mark.parametrize(("column", "reason"), CASES, ids=" ".join)
def test_a_defect_is_where_the_truth_says_and_nowhere_else(column, reason, trainings, bad):
    seen = {f"#{at}" for at, record in enumerate(trainings, 1) if CASES[column, reason](record)}
    assert seen == set(bad["trainings", column, reason])
    assert seen


def test_a_training_told_twice_is_equal_to_the_first(trainings, bad):
    first, twice = {}, set()
    for at, record in enumerate(trainings, 1):
        if record["id"] in first:
            assert record == first[record["id"]]
            twice.add(f"#{at}")
        first.setdefault(record["id"], record)
    assert twice == set(bad["trainings", "", "duplicate"])


def test_records_have_the_agreed_form(trainings):
    for record in trainings:
        assert list(record) == ["id", "user", "course", "hours", "score", "completed_at", "recorded_at"]
        assert list(record["course"]) == ["code", "title", "kind"]
        assert record["course"]["kind"] in ("course", "certificate", "workshop")
