"""The main job against the truth: who is who, who left, nothing lost, and nobody exposed."""

from __future__ import annotations

import calendar
import datetime as dt
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.runs.conftest import EMPLOYEES, Bench, Company, make_bench

from potable import estate
from potable.estate.environment import read_environment
from potable.identity.resolve import KEYS
from potable.runs.record import RunRecord

Finished = tuple[Bench, RunRecord]
PUBLIC = [
    "employee_id",
    "age",
    "gender",
    "years_at_company",
    "job_role",
    "monthly_income",
    "work_life_balance",
    "job_satisfaction",
    "performance_rating",
    "number_of_promotions",
    "overtime",
    "distance_from_home",
    "education_level",
    "marital_status",
    "number_of_dependents",
    "job_level",
    "company_size",
    "company_tenure",
    "remote_work",
    "leadership_opportunities",
    "innovation_opportunities",
    "company_reputation",
    "employee_recognition",
    "attrition",
]
WORDS = {
    "work_life_balance": {"Poor", "Fair", "Good", "Excellent"},
    "company_reputation": {"Poor", "Fair", "Good", "Excellent"},
    "job_satisfaction": {"Low", "Medium", "High", "Very High"},
    "employee_recognition": {"Low", "Medium", "High", "Very High"},
    "performance_rating": {"Low", "Below Average", "Average", "High"},
    "job_level": {"Entry", "Mid", "Senior"},
    "company_size": {"Small", "Medium", "Large"},
    "attrition": {"Stayed", "Left"},
}


def test_the_dataset_has_the_public_columns_and_fifteen_more(finished: Finished) -> None:
    columns = finished[0].table().column_names
    assert set(PUBLIC) <= set(columns)
    assert len(set(columns) - set(PUBLIC) - {"as_of"}) >= 15
    assert columns[0] == "employee_id" and columns[-1] == "attrition"


def test_the_words_are_those_of_the_public_tables(finished: Finished) -> None:
    table = finished[0].table()
    for column, allowed in WORDS.items():
        assert set(table[column].to_pylist()) - {None} <= allowed, column


def test_the_card_says_in_words_how_rows_got_their_date(finished: Finished) -> None:
    drawn = "a month end drawn at random between 2008-01-01 and 2024-04-30, with seed 7"
    card = finished[0].file("card").decode()
    assert f"at one as-of date: {drawn}." in card
    assert "The window of `attrition` starts 1 month after the as-of date. In" in card
    assert "| `count()` | `hrms.promotions` |" in card


def test_there_is_one_row_per_employee(finished: Finished) -> None:
    bench, record = finished
    table = bench.table()
    assert len(set(table["employee_id"].to_pylist())) == table.num_rows == bench.version.rows
    assert record.spine["subjects"] == EMPLOYEES
    dropped = record.spine["subjects"] - record.spine["rows"]
    assert dropped == sum(count for name, count in record.spine.items() if name.startswith("dropped"))
    assert table.num_rows > EMPLOYEES * 0.6


def test_rows_in_are_rows_out_plus_rows_quarantined(finished: Finished) -> None:
    for table in finished[1].tables:
        assert table.rows_in == table.rows + table.quarantined, table.table
        assert table.rows == table.protected_rows + table.nobody, table.table
        assert table.rows_in > 0


def test_the_order_of_open_rows_tells_nothing_of_the_order_in_the_sources(finished: Finished) -> None:
    # systems list people by number or name, which readers of the open root may know
    bench, _ = finished
    files = (bench.root / "lake" / "open").rglob("*.parquet")
    seen = 0
    for file in files:
        (column,) = {"_subject", "employee_id"} & set(pq.ParquetFile(file).schema_arrow.names)
        pseudonyms = pq.read_table(file, columns=[column])[column].to_pylist()
        # a writer of several threads may begin anew, once for tens of thousands of rows
        assert sum(before > after for before, after in itertools.pairwise(pseudonyms)) <= 2, file
        seen += len(pseudonyms)
    assert seen > 100 * EMPLOYEES


def test_identity_agrees_with_the_truth(finished: Finished) -> None:
    bench, _ = finished
    found = {(row["namespace"], row["value"]): row["subject"] for row in vault_keys(bench)}
    expected = {
        (row["namespace"], canonical(row["namespace"], row["value"])): row["person_id"]
        for row in bench.company.truth("keys").to_pylist()
    }
    both = [(found[key], person) for key, person in expected.items() if key in found]
    assert len(both) / len(expected) > 0.95
    pairs = Counter(both)
    together = pairs_in(pairs.values())
    precision = together / pairs_in(Counter(subject for subject, _ in both).values())
    recall = together / pairs_in(Counter(person for _, person in both).values())
    assert 2 * precision * recall / (precision + recall) >= 0.99


def test_every_label_is_what_really_happened(finished: Finished) -> None:
    bench, _ = finished
    person_of = people_by_pseudonym(bench)
    exits: dict[int, list[dt.date]] = {}
    for row in bench.company.truth("exits").to_pylist():
        if row["kind"] == "voluntary":
            exits.setdefault(row["person_id"], []).append(as_date(row["left_on"]))
    rows = bench.table().select(["employee_id", "as_of", "attrition"]).to_pylist()
    for row in rows:
        start, end = add_months(row["as_of"], 1), add_months(row["as_of"], 13)
        left = any(start <= day < end for day in exits.get(person_of[row["employee_id"]], []))
        assert row["attrition"] == ("Left" if left else "Stayed")
    assert 0.03 < sum(row["attrition"] == "Left" for row in rows) / len(rows) < 0.5


def test_bad_rows_are_quarantined_nulled_or_kept_as_they_deserve(finished: Finished) -> None:
    """All planted defects a contract can see end where truth says, table by table."""
    bench, _ = finished
    caught = quarantined_places(bench)
    missed = Counter()
    planted = Counter()
    for row in bench.company.truth("bad_rows").to_pylist():
        if row["expected"] != "quarantine":
            continue
        planted[row["system"], row["reason"]] += 1
        if (row["system"], row["locator"]) not in caught:
            missed[row["system"], row["reason"]] += 1
    assert sum(planted.values()) > 100
    assert not missed, {key: (count, planted[key]) for key, count in missed.items()}


def test_no_planted_identifier_is_anywhere_in_the_open(finished: Finished) -> None:
    bench, _ = finished
    kinds = {"full_name", "email", "phone", "national_id", "emp_no", "address"}
    values = {
        row["value"] for row in bench.company.truth("identifiers").to_pylist() if row["kind"] in kinds and row["value"]
    }
    assert len(values) > 5 * EMPLOYEES
    searched = 0
    for place, text in open_texts(bench):
        searched += len(text)
        folded = text.casefold()
        hits = [value for value in values if len(value) > 3 and value.casefold() in folded]
        assert not hits, f"{len(hits)} identifiers in {place}"
    assert searched > 100_000


def test_every_planted_passage_is_gone_from_the_redacted_texts(finished: Finished) -> None:
    bench, _ = finished
    texts = [text for place, text in open_texts(bench) if "/reviews." in place or "/exit_interviews." in place]
    assert texts
    everything = "\n".join(texts)
    planted = [
        row["value"] for row in bench.company.truth("pii").to_pylist() if row["kind"] not in ("first_name", "last_name")
    ]
    survived = {value for value in planted if value in everything}
    assert not survived, f"{len(survived)} of {len(planted)} planted passages survived"


def test_the_record_and_the_audit_log_say_what_happened(finished: Finished) -> None:
    bench, record = finished
    lake = bench.project().lake()
    assert not list(lake.audit.broken())
    entries = [json.loads(lake.open.get(path)) for path in lake.open.list("audit")]
    assert [(entry["what"], entry["dataset"]) for entry in entries if entry["run"] == record.run] == [
        ("publish", ["employee_attrition", 1]),
        ("run published", ["employee_attrition", 1]),
    ]
    stored = json.loads(lake.open.get(f"runs/{record.run}.json"))
    assert stored["outcome"] == "published" and stored["dataset"]["version"] == 1
    assert {step["verb"] for step in stored["steps"]} == {
        "ingest",
        "validate",
        "resolve",
        "protect",
        "build",
        "publish",
    }
    assert stored["privacy"]["findings"] == 0 and stored["privacy"]["identifiers"] > 1000
    assert stored["privacy"]["k"] >= stored["privacy"]["k_required"] == 5
    assert stored["leakage"]["subjects"] > 50


def test_k_holds_on_the_file_itself(finished: Finished) -> None:
    table = finished[0].table()
    classes = Counter(
        zip(*(table[name].to_pylist() for name in ("age", "gender", "education_level", "marital_status")), strict=True)
    )
    assert min(classes.values()) >= 5


@pytest.mark.slow
def test_a_plain_model_finds_the_planted_story(tmp_path: Path) -> None:
    """Logistic regression on the finished dataset of 1,000 people, tried on people it has not seen."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    estate.make(tmp_path / "estate", employees=1000, years=20, seed=11)
    with estate.serve(tmp_path / "estate") as url:
        company = Company(tmp_path / "estate", {**read_environment(tmp_path / "estate"), "LMS_URL": url})
        bench = make_bench(company, tmp_path / "project", threads=2)
        bench.publish()
    table = bench.table().drop_columns(["employee_id", "as_of"])
    label = [value == "Left" for value in table["attrition"].to_pylist()]
    features = table.drop_columns(["attrition"])
    words = [i for i, field in enumerate(features.schema) if pa.types.is_string(field.type)]
    numbers = [i for i in range(features.num_columns) if i not in words]
    columns = [column.to_pylist() if i in words else as_floats(column) for i, column in enumerate(features.columns)]
    encode = make_column_transformer(
        (
            make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), OneHotEncoder(handle_unknown="ignore")),
            words,
        ),
        (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
    )
    model = make_pipeline(encode, LogisticRegression(max_iter=2000, C=0.1))
    rows = np.array(list(zip(*columns, strict=True)), dtype=object)
    score = cross_val_predict(model, rows, label, cv=5, method="predict_proba")[:, 1]
    assert 0.70 <= roc_auc_score(label, score) <= 0.90


def as_floats(column: pa.ChunkedArray) -> list[float]:
    return [np.nan if value is None else float(value) for value in column.to_pylist()]


# helpers


def vault_keys(bench: Bench) -> list[dict[str, Any]]:
    vault = bench.root / "vault"
    files = sorted(vault.glob("vault/subjects/*/*/keys/*.parquet"))
    return pa.concat_tables([pq.read_table(file, schema=KEYS) for file in files]).to_pylist()


def people_by_pseudonym(bench: Bench) -> dict[str, int]:
    person_of_key = {
        (row["namespace"], canonical(row["namespace"], row["value"])): row["person_id"]
        for row in bench.company.truth("keys").to_pylist()
    }
    subject_person = {
        row["subject"]: person_of_key[row["namespace"], row["value"]]
        for row in vault_keys(bench)
        if row["namespace"] == "emp_no" and ("emp_no", row["value"]) in person_of_key
    }
    files = (bench.root / "vault").glob("vault/pseudonyms/*/*/**/*.parquet")
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    return {row["pseudonym"]: subject_person[row["subject"]] for row in rows if row["subject"] in subject_person}


def quarantined_places(bench: Bench) -> set[tuple[str, str]]:
    """(system, locator) of every quarantined record, in truth's terms."""
    places = set()
    for file in (bench.root / "lake" / "restricted").glob("*/*/*/*/quarantine/*.parquet"):
        places |= places_of(file, file.parts[-5])
    for file in (bench.root / "lake" / "restricted" / "quarantine").rglob("*.parquet"):
        places |= places_of(file, next(part for part in file.parts if "." in part and not part.endswith("parquet")))
    return places


def places_of(file: Path, table: str) -> set[tuple[str, str]]:
    system, short = table.split(".", 1)
    rows = pq.read_table(file, columns=["_object", "_row"]).to_pylist()
    if system == "lms":
        return {(system, f"#{(int(row['_object'].split('-')[1][:6]) - 1) * 500 + row['_row']}") for row in rows}
    if system == "exit_interviews":
        return {(system, row["_object"]) for row in rows}
    if system == "hrms":
        return {(system, f"{short}:{row['_row']}") for row in rows} | {(system, str(row["_row"])) for row in rows}
    return {(system, f"{row['_object']}#{row['_row']}") for row in rows}


def open_texts(bench: Bench) -> Iterator[tuple[str, str]]:
    """Every file below the open root as text, Parquet decoded."""
    for path in sorted((bench.root / "lake" / "open").rglob("*")):
        if path.suffix == ".parquet":
            table = pq.read_table(path, partitioning=None)
            words = [column for column in table.columns if pa.types.is_string(column.type)]
            yield str(path), "\n".join(str(value) for column in words for value in column.to_pylist() if value)
        elif path.is_file():
            yield str(path), path.read_text(encoding="utf-8")


def canonical(namespace: str, value: str) -> str:
    text = value.strip()
    return text.lower() if namespace == "email" else "".join(c for c in text.upper() if c.isalnum())


def pairs_in(sizes: Any) -> int:
    return sum(size * (size - 1) // 2 for size in sizes)


def as_date(value: Any) -> dt.date:
    return dt.date.fromisoformat(value) if isinstance(value, str) else value


def add_months(day: dt.date, months: int) -> dt.date:
    month = day.month - 1 + months
    year, month = day.year + month // 12, month % 12 + 1
    return dt.date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
