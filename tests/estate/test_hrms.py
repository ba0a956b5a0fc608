import sqlite3
from collections import defaultdict
from datetime import date, datetime
from itertools import pairwise

from potable.estate import make
from potable.estate.identifiers import CHECKS


def test_columns_are_the_agreed_ones(estate):
    connection = sqlite3.connect(estate.directory / "hrms" / "hrms.sqlite")
    tables = {
        name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    }
    connection.close()
    assert {name: " ".join(columns) for name, columns in tables.items()} == {
        "people": "row_id emp_no first_name last_name personal_email work_email phone street city postcode country "
        "birth_date gender marital_status dependents education_level national_id_type national_id updated_at",
        "email_history": "row_id emp_no email valid_from valid_to",
        "employment": "row_id emp_no hired_on left_on recorded_at",
        "jobs": "row_id emp_no valid_from job_role job_level department company company_size commute_km "
        "remote_work recorded_at",
        "promotions": "row_id emp_no promoted_on from_grade to_grade recorded_at",
        "exits": "row_id emp_no left_on kind reason recorded_at",
    }


def test_national_ids_are_valid_or_known_placeholders(hrms, bad):
    empty = set(bad["people", "national_id", "placeholder"])
    for row in hrms("people"):
        right = CHECKS[row["national_id_type"]](row["national_id"])
        assert right if str(row["row_id"]) not in empty else row["national_id"] in ("999999999999", "NA", "")


def test_impossible_births_and_dependents_are_told(hrms, bad):
    births = {str(row["row_id"]) for row in hrms("people") if not "1930" < row["birth_date"] < "2009"}
    assert births == set(bad["people", "birth_date", "impossible"])
    negative = {str(row["row_id"]) for row in hrms("people") if row["dependents"] < 0}
    assert negative == set(bad["people", "dependents", "impossible"])


def test_a_second_entry_is_the_same_person_and_no_rehire(hrms, bad, truth):
    known = [row["emp_nos"] for row in truth("people")]
    people = {str(row["row_id"]): row for row in hrms("people")}
    employed = {row["emp_no"] for row in hrms("employment")}
    twins = bad["people", "emp_no", "duplicate_person"]
    assert twins
    for twin in (people[row_id] for row_id in twins):
        assert twin["emp_no"] not in employed
        numbers = next(numbers for numbers in known if twin["emp_no"] in numbers)
        first = next(row for row in people.values() if row["emp_no"] in numbers and row is not twin)
        shared = ("first_name", "country", "gender", "phone", "national_id_type")
        assert [first[column] for column in shared] == [twin[column] for column in shared]


def test_some_leavers_come_back_under_a_new_number(truth, hrms):
    hired = {row["emp_no"]: row["hired_on"] for row in hrms("employment")}
    again = [[no for no in row["emp_nos"] if no in hired] for row in truth("people")]
    back = [numbers for numbers in again if len(numbers) > 1]
    assert back
    left = {row["emp_no"]: row["left_on"] for row in hrms("employment") if row["left_on"]}
    for first, second in back:
        gap = date.fromisoformat(hired[second]) - date.fromisoformat(left[first])
        assert 180 <= gap.days <= 1100


def test_employment_has_a_version_at_hire_and_one_when_the_exit_was_known(hrms):
    versions = defaultdict(list)
    for row in hrms("employment"):
        versions[row["emp_no"]].append(row)
    exits = {row["emp_no"]: row for row in hrms("exits")}
    for number, rows in versions.items():
        assert rows[0]["left_on"] is None
        assert len(rows) == 1 + (number in exits)
        if len(rows) == 2:
            assert (rows[1]["left_on"], rows[1]["hired_on"]) == (
                exits[number]["left_on"],
                rows[0]["hired_on"],
            )
            assert rows[1]["recorded_at"] == exits[number]["recorded_at"]


def test_resignations_are_known_one_to_two_months_before_unless_late(hrms, bad):
    late = set(bad["exits", "recorded_at", "late"])
    assert late
    for row in hrms("exits"):
        ahead = (datetime.fromisoformat(row["left_on"]) - datetime.fromisoformat(row["recorded_at"])).days
        if str(row["row_id"]) in late:
            assert ahead < -59
        elif row["kind"] == "voluntary":
            assert 29 <= ahead <= 60


def test_nothing_was_recorded_after_the_last_day(hrms, trainings, dumps):
    moments = [row["recorded_at"] for table in ("employment", "jobs", "promotions", "exits") for row in hrms(table)]
    moments += [record["recorded_at"] for record in trainings]
    moments += [row["submitted_at"] for rows in dumps.values() for row in rows if "submitted_at" in row]
    assert max(moments) < "2026-01-01"


def test_addresses_follow_each_other_and_change_domain_halfway(hrms):
    spans = defaultdict(list)
    for row in hrms("email_history"):
        spans[row["emp_no"]].append(row)
    for rows in spans.values():
        assert all(a["valid_to"] == b["valid_from"] for a, b in pairwise(rows))
        for row in rows:
            old = row["valid_from"] < "2021-01-01"
            assert row["email"].lower().endswith("@oldcorp.example" if old else "@northwind.example")
    assert any(len(rows) > 2 for rows in spans.values())


def test_nobody_is_judged_promoted_or_moved_after_the_last_day(hrms, dumps):
    span = {row["emp_no"]: (row["hired_on"], row["left_on"] or "9999") for row in hrms("employment")}
    facts = [(row["emp_no"], row["promoted_on"]) for row in hrms("promotions") if row["promoted_on"]]
    facts += [(row["emp_no"].strip(), row["valid_from"]) for row in hrms("jobs")]
    for name, rows in dumps.items():
        column = "reviewed_on" if name.startswith("reviews") else "survey_date"
        facts += [(next(iter(row.values())), row[column]) for row in rows if row.get(column, "")[4:5] == "-"]
    checked = [(span[number], day) for number, day in facts if number in span]
    assert len(checked) > 2000
    # a survey that is years too old may lie before the first day, that is its defect
    assert [day for (_hired, left), day in checked if day > left] == []


def test_trainings_name_the_address_valid_on_that_day(hrms, trainings):
    spans = defaultdict(list)
    for row in hrms("email_history"):
        spans[row["email"].lower()].append((row["valid_from"], row["valid_to"] or "9999"))
    used = 0
    for record in trainings:
        known = spans.get((record["user"]["email"] or "").strip().lower())
        if known and record["completed_at"]:
            used += 1
            assert any(start <= record["completed_at"][:10] <= end for start, end in known)
    assert used > 0.95 * len(trainings)


def test_postgres_holds_the_same_rows_as_sqlite(tmp_path, postgres):
    import psycopg

    url = postgres
    make(tmp_path / "pg", employees=60, years=3, seed=4, hrms_url=url)
    make(tmp_path / "lite", employees=60, years=3, seed=4)
    lite = sqlite3.connect(tmp_path / "lite" / "hrms" / "hrms.sqlite")
    with psycopg.connect(url) as server:
        for table in ("people", "email_history", "employment", "jobs", "promotions", "exits"):
            ours = lite.execute(f"SELECT * FROM {table} ORDER BY row_id").fetchall()
            theirs = server.execute(f"SELECT * FROM {table} ORDER BY row_id").fetchall()
            assert [[v if v is None else str(v) for v in row] for row in theirs] == [
                [v if v is None else str(v) for v in row] for row in ours
            ]
    lite.close()
