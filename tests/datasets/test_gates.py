from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from potable.datasets.gates import Finding, Known, LeakScan, leak_scan, require_clean
from potable.engines import duckdb
from potable.engines.base import Engine
from potable.errors import PrivacyRefusal

PEOPLE = [
    ("s1", "p1", "Anna", "Müller", "E100234", "anna.mueller@corp.example", "+49 (0) 151 123 45 67", "234123412346"),
    ("s2", "p2", "Will", "Low", "E100777", "will.low@corp.example", "(212) 555-0123", "219-09-9999"),
    ("s3", "p3", "Grace", "High", "E100778", "grace@corp.example", "020 7946 0999", "AB123456C"),
    ("s4", "p4", "Bo", "Small", "E100779", "bo@corp.example", "0151/7654321", "ABCPK1234F"),
]
CLEAN = {
    "rating": ["High", "Low", "Low", "High"],
    "size": ["Small", "Large", "Small", "Large"],
    "pay": ["30000-60000", "<30000", ">=100000", "30000-60000"],
    "dependents": [1, 2, 3, 4],
    "rate": [0.5, 1.25, None, 100777.0],
}


@pytest.fixture
def scan(engine, tmp_path: Path):
    def run(columns=None, people=PEOPLE, **given) -> LeakScan:
        identifiers = [
            {"subject": subject, "kind": kind, "value": value}
            for subject, _, first, last, number, mail, phone, national in people
            for kind, value in (
                ("name", first),
                ("name", last),
                ("full_name", f"{first} {last}".strip()),
                ("id", number),
                ("email", mail),
                ("phone", phone),
                ("id", national),
                ("address", "12 Hauptstraße"),
            )
        ]
        identifiers.append({"subject": None, "kind": "full_name", "value": "Nobody Knows"})
        features = pa.table({"employee_id": [person[1] for person in people], **CLEAN, **(columns or {})})
        names = pa.table({"subject": [p[0] for p in people], "pseudonym": [p[1] for p in people]})
        tables = (features, pa.Table.from_pylist(identifiers), names)
        read = []
        for index, table in enumerate(tables):
            file = tmp_path / f"{index}.parquet"
            # a column without values has no type of its own
            kinds = [pa.string() if pa.types.is_null(field.type) else field.type for field in table.schema]
            table = table.cast(pa.schema(list(zip(table.column_names, kinds, strict=True))))
            pq.write_table(table, file)
            read.append(engine.read([str(file)], table.schema))
        known = Known(read[1], read[2], **given)
        return leak_scan(read[0], known, id_column="employee_id", engine=engine, scratch=str(tmp_path / "known"))

    return run


@pytest.mark.long_on_spark
def test_bands_ratings_and_small_numbers_are_no_findings(scan):
    found = scan()
    assert found.findings == ()
    assert found.identifiers == 33
    assert found.scanned_cells == 4 * 6


IDENTIFIERS = [
    ("Anna Müller", "full_name"),
    ("report of MUELLER, anna - no: anna mueller!", "full_name"),
    ("Nobody  knows", "full_name"),
    ("anna.mueller@corp.example", "email"),
    ("mailto:Anna.Mueller@CORP.example", "email"),
    ("0151 123 4567", "phone"),
    ("tel. 0049 151 1234567", "phone"),
    ("2341 2341 2346", "id"),
    ("e-100234", "id"),
    ("ABCPK1234F", "id"),
    ("219 09 9999", "id"),
    ("near 12, Hauptstrasse", "address"),
]


def test_an_identifier_of_anybody_is_found_in_any_row(scan):
    columns = {f"note_{index}": ["fine", None, value, value] for index, (value, _) in enumerate(IDENTIFIERS)}
    found = scan(columns).findings
    for index, (_, kind) in enumerate(IDENTIFIERS):
        assert Finding(f"note_{index}", kind, 2) in found
    assert {finding.column for finding in found} == set(columns)


ABROAD = ["王小明", "김민수", "สมชาย ใจดี", "ヤマダ タロウ"]


@pytest.mark.parametrize("text", ["昨天王小明说", "김민수씨는", "พบสมชายใจดีที่", "ﾔﾏﾀﾞﾀﾛｳさん", "工号E100234", "王 小明"])
@pytest.mark.long_on_spark
def test_a_name_or_number_is_found_amid_letters_that_have_no_blanks(scan, text):
    people = [(*person[:2], name, "", *person[4:]) for person, name in zip(PEOPLE, ABROAD, strict=True)]
    found = scan({"text": ["x", text, "x", "x"]}, people=people).findings
    assert {finding.column for finding in found} == {"text"}


@pytest.mark.long_on_spark
def test_two_letters_amid_others_that_are_a_name_too_are_chance(scan):
    people = [(*PEOPLE[0][:2], "高", "峰", *PEOPLE[0][4:]), *PEOPLE[1:]]
    assert scan({"season": ["高峰期", "安全部", "高峰期", None]}, people=people).findings == ()


@pytest.mark.long_on_spark
def test_a_word_is_found_where_it_names_the_person_of_the_row(scan):
    found = scan({"greeting": ["Dear Anna", "Hello, Will!", "Grace", None]})
    assert found.findings == (Finding("greeting", "name", 3),)


@pytest.mark.long_on_spark
def test_the_employee_number_as_a_number_is_found(scan):
    found = scan({"code": [100234, 100777, 5, None]})
    assert found.findings == (Finding("code", "number", 2),)


@pytest.mark.long_on_spark
def test_a_number_that_is_somebody_elses_by_chance_is_not(scan):
    assert scan({"code": [100777, 100778, 100234, 5]}).findings == ()


@pytest.mark.long_on_spark
def test_one_day_count_that_is_its_own_person_s_number_is_chance(scan):
    assert scan({"code": [100234, 6, 5, 4]}).findings == ()
    assert scan({"code": [100234, None, None, None]}).findings == (Finding("code", "number", 1),)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.long_on_spark
def test_a_long_number_is_found_whoever_s_it_is(scan, place: int):
    code = [5, 6, 7, 8]
    code[place] = 234123412346
    assert scan({"code": code}).findings == (Finding("code", "number", 1),)


@pytest.mark.long_on_spark
def test_the_key_itself_is_searched(scan):
    people = [(p[0], f"{p[4]}", *p[2:]) for p in PEOPLE]
    assert scan(people=people).findings == (Finding("employee_id", "id", 4),)


@pytest.mark.long_on_spark
def test_rows_without_a_known_person_are_searched(scan):
    columns = {"employee_id": ["x", "y", "z", "grace@corp.example"]}
    assert scan(columns).findings == (Finding("employee_id", "email", 1),)


@pytest.mark.long_on_spark
def test_injected_patterns_see_distinct_values_of_every_other_text(scan):
    seen = []

    def patterns(values: pa.Array) -> dict[str, int]:
        seen.extend(values.to_pylist())
        return {"iban": sum(value == "Large" for value in values.to_pylist())}

    found = scan(patterns=patterns)
    assert Finding("size", "iban by its format", 1) in found.findings
    assert seen.count("Large") == 1 and "p1" not in seen


@pytest.mark.long_on_spark
def test_the_refusal_names_columns_and_counts_but_no_value(scan):
    found = scan({"note": ["Anna Müller", None, None, "bo@corp.example"]})
    with pytest.raises(PrivacyRefusal) as caught:
        require_clean(found)
    assert caught.value.code == "G001" and caught.value.exit_code == 4
    text = caught.value.text() + repr(found)
    assert "note: 1 email; note: 1 full_name" in text
    assert not any(part in text for person in PEOPLE for part in person[2:])


@pytest.mark.long_on_spark
def test_a_clean_scan_passes(scan):
    require_clean(scan())


def test_no_features_and_no_identifiers_are_clean(scan):
    assert scan(people=[], columns={name: [] for name in CLEAN}).findings == ()


def test_many_columns_need_no_more_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A join with the pseudonyms for each column, all in one query, did not fit where a dataset is wide."""
    monkeypatch.setattr(duckdb, "LEAST_BYTES", 48 << 20)
    people = range(5_000)
    tables = (
        pa.table(
            {
                "employee_id": [f"p{n:06}" for n in people],
                **{f"text{column}": [f"word {n % 50}" for n in people] for column in range(24)},
                **{f"number{column}": [n % 50 for n in people] for column in range(24)},
                "leaked": [f"e{n:06}@corp.example" if n % 10 == 0 else None for n in people],
            }
        ),
        pa.table(
            {
                "subject": [f"s{n:06}" for n in people],
                "kind": ["email"] * len(people),
                "value": [f"e{n:06}@corp.example" for n in people],
            }
        ),
        pa.table({"subject": [f"s{n:06}" for n in people], "pseudonym": [f"p{n:06}" for n in people]}),
    )
    engine: Engine = duckdb.DuckDBEngine(memory=96 << 20, threads=2, scratch=tmp_path / "scratch")
    try:
        read = []
        for index, table in enumerate(tables):
            pq.write_table(table, tmp_path / f"{index}.parquet")
            read.append(engine.read([str(tmp_path / f"{index}.parquet")], table.schema))
        known = Known(read[1], read[2])
        found = leak_scan(read[0], known, id_column="employee_id", engine=engine, scratch=str(tmp_path / "known"))
    finally:
        engine.close()
    assert found == LeakScan(50 * len(people), len(people), (Finding("leaked", "email", len(people) // 10),))
