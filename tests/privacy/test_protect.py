from __future__ import annotations

import copy
import datetime as dt
import pickle
from decimal import Decimal

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from potable.engines.base import collect
from potable.errors import DataError, PrivacyRefusal
from potable.privacy import roster
from potable.privacy.index import Index
from potable.privacy.protect import Contract, People, addressed
from potable.privacy.pseudonyms import PseudonymKey, pseudonyms

KEY = PseudonymKey.derive(b"k" * 32, dataset="test", epoch=1)


def person(subject: str) -> str:
    return KEY.pseudonym(subject)


def test_rows_are_about_pseudonyms_and_hold_no_identifier(company):
    made, rows = company.protect("hr.people")
    assert {row["_subject"] for row in rows} == {person("sa"), person("sw"), person("sp")}
    assert rows[0].keys() == {"_subject", "_time", "_known", "born", "seen", "level"}
    assert {row["born"] for row in rows} == {dt.date(1980, 1, 1), dt.date(1990, 1, 1), None}
    assert {row["seen"] for row in rows} == {dt.datetime(1999, 1, 1), None}
    assert all(row["_time"] is None and row["_known"] is None for row in rows)
    assert (made.rows_in, made.rows_out, made.rows_quarantined) == (3, 3, 0)
    done = {action.column: action.done for action in made.actions}
    assert done["emp_no"] == done["phone"] == "drop" and done["national_id"] == "inside"
    assert done["born"] == "truncate" and done["level"] == "keep"


def test_texts_are_redacted_and_marks_counted(company):
    made, rows = company.protect("hr.reviews")
    texts = {(row["_subject"], row["comment"], row["advice"]) for row in rows}
    assert texts == {
        (person("sa"), "[NAME] asked [NAME]; see [ID]. I will help.", None),
        (person("sw"), "[NAME] and [NAME], [PHONE]", "call me"),
        (person("sp"), "", "[NAME] or [EMAIL]"),
    }
    assert made.redactions == {"NAME": 5, "ID": 1, "PHONE": 1, "EMAIL": 1}
    assert {a.column: dict(a.redactions) for a in made.actions if a.redactions} == {
        "comment": {"NAME": 4, "ID": 1, "PHONE": 1},
        "advice": {"NAME": 1, "EMAIL": 1},
    }


@pytest.mark.long_on_spark
def test_a_date_of_birth_goes_from_texts_about_its_own_person_only(company):
    anna, will, *_ = company.data["hr.reviews"]
    comment = "Anna, born 17.05.1980 or on May 17th, 1980, is not 40; Will Low neither, 2 Jan 1990"
    company.data = {**company.data, "hr.reviews": [[*anna[:5], comment, "1999-09-09"], [*will[:5], "1980-05-17", ""]]}
    made, rows = company.protect("hr.reviews")
    assert {(row["_subject"], row["comment"], row["advice"]) for row in rows} == {
        (
            person("sa"),
            "[NAME], born [BIRTHDATE] or on [BIRTHDATE], is not 40; [NAME] neither, 2 Jan 1990",
            "[BIRTHDATE]",
        ),
        (person("sw"), "1980-05-17", ""),
    }
    assert made.redactions == {"BIRTHDATE": 3, "NAME": 2}


def test_somebody_elses_date_of_birth_is_nobodys(company):
    company.declared = copy.deepcopy(company.declared)
    company.declared["hr.people"]["columns"]["born"]["someone_else"] = True
    kinds = {(row["subject"], row["kind"], row["value"][:10]) for row in company.identifiers().to_pylist()}
    assert {row for row in kinds if row[1] == "birth"} == {("sa", "birth", "1999-09-09")}


@pytest.mark.long_on_spark
def test_a_column_that_is_kept_may_hold_dates_of_birth(company):
    """They are ordinary dates, and a policy may keep them."""
    company.declared = copy.deepcopy(company.declared)
    company.declared["hr.people"]["columns"]["level"] = {"category": "none"}
    company.data = {**company.data, "hr.people": [[*row[:-1], str(row[6])] for row in company.data["hr.people"]]}
    _, rows = company.protect("hr.people")
    assert {row["level"] for row in rows} == {"1980-05-17", "1990-01-02", "None"}


def test_a_row_falls_back_to_its_next_key_and_nobody_s_rows_are_split_off(company):
    made, rows = company.protect("hr.reviews")
    assert {row["_subject"] for row in rows} == {person("sa"), person("sw"), person("sp")}
    assert (made.rows_in, made.rows_out, made.rows_quarantined) == (6, 3, 3)
    places = pq.read_table(company.place / "quarantine").to_pylist()
    assert {row["_row"] for row in places} == {3, 4, 6}
    assert {row["reason"] for row in places} == {"belongs_to_nobody"}
    assert {tuple(row) for row in places} == {("_object", "_row", "reason")}


@pytest.mark.parametrize("unique", [["employee", "reviewed"], ["employee", "mail", "reviewed"]])
@pytest.mark.long_on_spark
def test_rows_of_one_person_say_by_which_of_several_keys_they_are_told_apart(company, unique):
    day, mail = dt.date(2020, 1, 31), "anna.mueller@corp.example"
    company.declared = copy.deepcopy(company.declared)
    company.declared["hr.reviews"]["unique"] = unique
    whose = [("e-100001", None), ("E100001", None), ("E100007", None), ("E100007", mail), ("E100003", None)]
    company.data = {
        **company.data,
        "hr.reviews": [[number, address, day, "Low", 1, str(at), None] for at, (number, address) in enumerate(whose)],
    }
    keys = collect(company.engine, company.keys()).to_pylist()
    keys.append({"namespace": "emp_no", "value": "E100007", "subject": "sa", "rostered": True})
    relation = company.relation(pa.Table.from_pylist(keys))
    company.keys = lambda: relation
    _, rows = company.protect("hr.reviews")
    which = {row["comment"]: (row["_subject"], row["_which"]) for row in rows}
    assert which["0"] == which["1"] != which["2"]
    assert (which["2"] == which["3"]) is ("mail" not in unique)
    assert {subject for subject, _ in which.values()} == {person("sa"), person("sp")}


@pytest.mark.long_on_spark
def test_rows_are_partitioned_by_the_bucket_of_their_subject(company):
    made, _ = company.protect("hr.reviews")
    names = collect(company.engine, company.people().pseudonyms).to_pylist()
    bucket = {row["pseudonym"]: row["bucket"] for row in names}
    for part in made.rows:
        subjects = pq.read_table(company.place / "rows" / part.path, partitioning=None).column("_subject").to_pylist()
        assert {bucket[subject] for subject in subjects} == {part.partition}


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ("+1mo", dt.datetime(2020, 2, 29)),
        ("+1q", dt.datetime(2020, 4, 30)),
        ("+10d", dt.datetime(2020, 2, 10)),
        ("reviewed", dt.datetime(2020, 1, 31)),
        (None, dt.datetime(2020, 1, 31)),
        ("landed", dt.datetime(2021, 1, 1)),
    ],
)
@pytest.mark.long_on_spark
def test_known_is_a_column_a_calendar_lag_or_when_it_landed(company, known, expected):
    company.declared = copy.deepcopy(company.declared)
    company.declared["hr.reviews"]["known"] = known
    landed = (lambda rows: ibis.timestamp("2021-01-01")) if known == "landed" else None
    _, rows = company.protect("hr.reviews", landed=landed)
    row = next(row for row in rows if row["_subject"] == person("sa"))
    assert (row["_time"], row["_known"]) == (dt.datetime(2020, 1, 31), expected)
    absent = next(row for row in rows if row["_subject"] == person("sp"))
    assert absent["_time"] is None


@pytest.mark.long_on_spark
def test_kept_columns_keep_their_types_and_values(company):
    _, rows = company.protect("hr.reviews")
    assert {row["pay"] for row in rows} == {Decimal("1.50"), Decimal("2.50"), Decimal("3.00")}


@pytest.mark.long_on_spark
def test_a_key_that_leads_to_two_people_is_noticed(company):
    keys = company.keys()
    doubled = collect(company.engine, keys.union(keys.filter(keys.subject == "sa")))
    company.keys = lambda: company.relation(doubled)
    with pytest.raises(DataError) as caught:
        company.protect("hr.people")
    assert caught.value.code == "D003"


@pytest.mark.parametrize(
    ("column", "values", "kinds"),
    [
        ("level", ["ask anna.mueller@corp.example", None, "x"], "email, full_name"),
        pytest.param("level", ["219-09-9999", "x", "x"], "id, ssn", marks=pytest.mark.long_on_spark),
        pytest.param("level", ["E100002", "x", "x"], "id", marks=pytest.mark.long_on_spark),
        pytest.param("level", ["x", "müller anna", "x"], "full_name", marks=pytest.mark.long_on_spark),
        ("level", ["Anna", "will", "Senior"], "name"),
        ("level", ["reports to Anna  Müller's team", "x", "x"], "full_name"),
        pytest.param("level", ["x", "see E 100-002", "x"], "id", marks=pytest.mark.long_on_spark),
    ],
)
@pytest.mark.long_on_spark
def test_identifiers_in_a_column_declared_harmless_are_refused_without_their_value(company, column, values, kinds):
    people = company.data["hr.people"]
    changed = [[*row[:-1], value] for row, value in zip(people, values, strict=True)]
    company.data = {**company.data, "hr.people": changed}
    with pytest.raises(PrivacyRefusal) as caught:
        company.protect("hr.people")
    assert caught.value.code == "G001" and caught.value.given == f"{column}: {kinds}"
    assert "`hr.people`" in caught.value.problem
    assert not any(value and len(value) > 1 and value in caught.value.text() for value in values)
    assert not any(company.folder.glob("out-*"))


def named(company, first, last, levels):
    people = [[*row[:-1], level] for row, level in zip(company.data["hr.people"], levels, strict=True)]
    people[0][1:3] = first, last
    company.data = {**company.data, "hr.people": people}


@pytest.mark.long_on_spark
@pytest.mark.parametrize(
    ("level", "kinds"), [("下周由王小明负责", "full_name"), ("王小明", "full_name"), ("工号E100002负责", "id")]
)
def test_identifiers_amid_letters_without_blanks_are_refused(company, level, kinds):
    named(company, "小明", "王", ["x", level, "x"])
    with pytest.raises(PrivacyRefusal) as caught:
        company.protect("hr.people")
    assert caught.value.given == f"level: {kinds}"


@pytest.mark.long_on_spark
def test_two_letters_amid_others_that_are_a_name_too_refuse_nothing(company):
    named(company, "峰", "高", ["高峰期", "高峰期", "旅游高峰"])
    _, rows = company.protect("hr.people")
    assert {row["level"] for row in rows} == {"高峰期", "旅游高峰"}


@pytest.mark.long_on_spark
@pytest.mark.parametrize("value", ["reports to Anna Müller", "anna.mueller@corp.example", "E100002"])
def test_what_only_rows_about_nobody_hold_refuses_nothing_and_stays_restricted(company, value):
    stranger = [None, "", "", None, *company.data["hr.people"][0][4:-1], value]
    company.data = {**company.data, "hr.people": [*company.data["hr.people"], stranger]}
    made, rows = company.protect("hr.people")
    assert "level" in made.scanned and made.rows_quarantined == 1
    assert value not in {row["level"] for row in rows}


@pytest.mark.long_on_spark
def test_a_rating_that_is_also_a_surname_is_not_refused(company):
    made, rows = company.protect("hr.reviews")
    assert "rating" in made.scanned and {row["rating"] for row in rows} == {"Low", "High"}


@pytest.mark.long_on_spark
def test_of_two_columns_with_words_like_names_only_one_that_is_mostly_of_its_own_person_is_refused(company):
    reviews = company.declared["hr.reviews"]
    columns = {**reviews["columns"], "team": {"category": "none"}}
    company.declared = {**company.declared, "hr.reviews": {**reviews, "columns": columns}}
    # Low is E100002's surname: any rating may be so, but in their own row it names the team
    rows = [[*row, "Low" if row[1] and row[1].startswith("WILL") else "High"] for row in company.data["hr.reviews"]]
    company.data = {**company.data, "hr.reviews": rows}
    with pytest.raises(PrivacyRefusal) as raised:
        company.protect("hr.reviews")
    assert raised.value.code == "G001" and "`team`" in str(raised.value) and "`rating`" not in str(raised.value)


def test_identifiers_hold_every_value_of_every_table_with_its_person(company):
    found = {(row["subject"], row["kind"], row["value"]) for row in company.identifiers().to_pylist()}
    assert {
        ("sa", "name", "Anna"),
        ("sa", "full_name", "Anna Müller"),
        ("sa", "full_name", "Müller Anna"),
        ("sa", "email", "anna.mueller@corp.example"),
        ("sa", "phone", "0151/1234567"),
        ("sa", "id", "234123412346"),
        ("sa", "id", "e-100001"),
        ("sa", "birth", "1980-05-17"),
        ("sw", "email", "WILL@corp.example"),
        (None, "id", "E999999"),
        ("old", "id", "E100009"),
    } <= found
    assert not any(not value for _, _, value in found)
    assert not {kind for _, kind, _ in found} - {"name", "full_name", "email", "phone", "id", "birth"}


def test_pseudonyms_are_keyed_stable_and_only_for_the_rostered(company):
    def run(key, buckets=4):
        rows = collect(company.engine, pseudonyms(company.keys(), key, buckets=buckets, engine=company.engine))
        return {row["subject"]: (row["pseudonym"], row["bucket"]) for row in rows.to_pylist()}

    first = run(KEY)
    assert first == run(KEY) and first.keys() == {"sa", "sw", "sp"}
    assert all(len(name) == 32 and int(name, 16) >= 0 and bucket in range(4) for name, bucket in first.values())
    others = [
        PseudonymKey.derive(b"k" * 32, dataset="test", epoch=2),
        PseudonymKey.derive(b"k" * 32, dataset="other", epoch=1),
        PseudonymKey.derive(b"x" * 32, dataset="test", epoch=1),
    ]
    names = [{name for name, _ in run(key).values()} for key in [KEY, *others]]
    assert len(set.union(*names)) == 12
    assert {name for name, _ in run(KEY, buckets=2).values()} == names[0]


def test_a_pseudonym_key_is_never_shown():
    assert "k" * 8 not in repr(KEY) and KEY.secret.hex() not in repr(KEY)
    assert pickle.loads(pickle.dumps(KEY)) == KEY
    with pytest.raises(ValueError, match="32 bytes"):
        PseudonymKey.derive(b"short", dataset="test", epoch=1)


@pytest.mark.long_on_spark
def test_an_empty_table_is_protected_too(company):
    company.data = {**company.data, "hr.reviews": []}
    made, rows = company.protect("hr.reviews")
    assert rows == [] and made.rows_in == 0 and made.redactions == {}


def test_it_compiles_for_spark(company):
    table, keys = company.tables["hr.reviews"], ibis.table(company.keys().schema(), name="keys")
    names = ibis.table({"subject": "string", "pseudonym": "string", "bucket": "int64"}, name="pseudonyms")
    known = ibis.table(ibis.Schema.from_pyarrow(roster.schema()), name="identifiers")
    people = People(keys, names, known, Index("", "", {}), company.normalise)
    rows = ibis.table(company.rows("hr.reviews").schema(), name="rows")
    contract = Contract("hr.reviews", table, company.policy)
    for relation in (
        addressed(rows, contract, people),
        roster.identifiers({"hr.reviews": table}, {"hr.reviews": [rows]}, keys, normalise=company.normalise),
    ):
        assert "SELECT" in ibis.to_sql(relation, dialect="pyspark")
