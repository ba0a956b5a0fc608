"""resolve: the right records make one person, and a person keeps their id from run to run."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Examples

from potable.contracts.validate import validated_schema
from potable.engines.base import Engine, collect
from potable.identity.match import MAX_LINKS, normalise
from potable.identity.resolve import KEYS, Resolved, resolve
from potable.tables import Table

Records = list[dict[str, str | None]]


def contract(*names: str, roster: bool = False) -> Table:
    columns = {name: {"key": name} for name in names}
    return Table.model_validate({"columns": columns, "roster": "employee" if roster else None})


TABLES = {
    "hrms.people": contract("emp_no", "email", "national_id", roster=True),
    "payroll.payslips": contract("emp_no", "national_id"),
    "lms.trainings": contract("email"),
}


def run(
    engine: Engine, folder: Path, records: dict[str, Records], ledger: list[dict[str, Any]] | None = None
) -> tuple[Resolved, list[dict[str, Any]]]:
    rows = {}
    for name, table in TABLES.items():
        shape = validated_schema(table)
        data = [{"_object": "f", "_row": i, **row} for i, row in enumerate(records.get(name, []))]
        rows[name] = stored(engine, folder / name, pa.Table.from_pylist(data, schema=shape))
    before = stored(engine, folder / "before", pa.Table.from_pylist(ledger or [], schema=KEYS))
    made = resolve(TABLES, rows, before, engine=engine, directory=str(folder / "out"))
    keys = engine.read([f"{folder}/out/keys/{part.path}" for part in made.outputs["keys"].parts], KEYS)
    return made, collect(engine, keys).to_pylist()


def test_a_key_of_somebody_else_links_nobody(engine: Engine, tmp_path: Path) -> None:
    columns = {"emp_no": {"key": "emp_no"}, "boss": {"key": "emp_no", "someone_else": True}}
    reviews = Table.model_validate({"columns": columns})
    data = [{"_object": "f", "_row": row, "emp_no": f"E{row}", "boss": "E1"} for row in (1, 2, 3)]
    rows = {"reviews": stored(engine, tmp_path / "rows", pa.Table.from_pylist(data, schema=validated_schema(reviews)))}
    before = stored(engine, tmp_path / "before", pa.Table.from_pylist([], schema=KEYS))
    made = resolve({"reviews": reviews}, rows, before, engine=engine, directory=str(tmp_path / "out"))
    assert made.counts["keys"] == made.counts["people"] == 3


def stored(engine: Engine, folder: Path, table: pa.Table) -> Any:
    relation = engine.map_items([table.to_batches()], whole, table.schema)
    parts = engine.write(relation, str(folder))
    return engine.read([f"{folder}/{part.path}" for part in parts], table.schema)


def whole(batches: list[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
    return batches


def person(emp_no: str | None, email: str | None, national_id: str | None) -> dict[str, str | None]:
    return {"emp_no": emp_no, "email": email, "national_id": national_id}


@dataclass(frozen=True)
class Told:
    """What a run says of keys and people."""

    counts: Mapping[str, int]
    keys: list[dict[str, Any]]

    def subject(self, namespace: str, value: str) -> str:
        (found,) = [row["subject"] for row in self.keys if (row["namespace"], row["value"]) == (namespace, value)]
        return str(found)


CHAIN = [person(f"C{i}", f"c{i}@x.example", None) for i in range(40)]
CHAIN += [person(f"C{i + 1}", f"c{i}@x.example", None) for i in range(39)]
FIRST: dict[str, Records] = {
    "hrms.people": [
        person("E1", "a@x.example", "N1"), person("E9", "b@x.example", "N1"), person("E2", "c@x.example", "N2"),
        person("L1", "Ann.Lee@X.example", "1234-5678"),
        person("B1", None, None), person("B2", None, ""), person("B3", "  ", None),
        *(person(f"U{i}", f"u{i}@x.example", "UNKNOWN") for i in range(20)),
        *CHAIN,
        person("J1", "j@x.example", None),
        person("M1", None, None), person("M2", None, None),
        person("S1", None, "S"), person("S2", None, "S"),
    ],
    "payroll.payslips": [{"emp_no": " l1 ", "national_id": "1234 5678"}],
    "lms.trainings": [{"email": "ann.lee@x.EXAMPLE "}, {"email": "stranger@y.example"}],
}  # fmt: skip
"""Stories that have no key in common, told in one run; the last three go on in the next."""
LATER = [
    person("J1", "new@x.example", "J"), person("J2", "k@x.example", None),
    person("M1", None, "M"), person("M2", None, "M"),
    person("S1", None, "S3"), person("S2", None, "S4"),
    *(person(f"R{i}", f"r{i}@x.example", f"R{i % 7}") for i in range(30)),
]  # fmt: skip


@pytest.fixture(scope="module")
def runs(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> list[Told]:
    """The first run, a later one over other records, and the same records again in another order."""
    folder, told = tmp_path_factory.mktemp("runs"), list[Told]()
    again = random.Random(1).sample(LATER, len(LATER))
    for records in (FIRST, {"hrms.people": LATER}, {"hrms.people": again}):
        made, keys = run(engine, folder / str(len(told)), records, told[-1].keys if told else None)
        told.append(Told(made.counts, keys))
    return told


@pytest.fixture(scope="module")
def first(runs: list[Told]) -> Told:
    return runs[0]


@pytest.fixture(scope="module")
def second(runs: list[Told]) -> Told:
    return runs[1]


@pytest.mark.long_on_spark
def test_records_that_share_a_key_are_one_person(first: Told) -> None:
    assert first.subject("emp_no", "E1") == first.subject("emp_no", "E9") == first.subject("email", "b@x.example")
    assert first.subject("emp_no", "E1") != first.subject("emp_no", "E2")


@pytest.mark.long_on_spark
def test_case_blanks_and_separators_do_not_part_people(first: Told) -> None:
    lee = first.subject("emp_no", "L1")
    held = {(row["namespace"], row["value"]) for row in first.keys if row["subject"] == lee}
    assert held == {("emp_no", "L1"), ("email", "ann.lee@x.example"), ("national_id", "12345678")}
    signs = ("ann.lee", "l1", "1234")
    assert sum(row["value"].strip().lower().startswith(signs) for row in first.keys) == 3


@pytest.mark.long_on_spark
def test_people_with_several_numbers_of_a_roster_are_counted(first: Told) -> None:
    # E1 and E9 share N1, S1 and S2 share S; L1 has several keys, but one of each kind
    assert first.counts["several"] == 2


def test_nulls_never_link(first: Told) -> None:
    assert len({first.subject("emp_no", f"B{i}") for i in (1, 2, 3)}) == 3
    assert all(row["value"].strip() for row in first.keys)


def test_a_value_that_stands_beside_many_others_is_no_identifier(first: Told) -> None:
    assert first.counts["shared_keys"] == 1
    assert len({first.subject("emp_no", f"U{i}") for i in range(20)}) == 20
    assert not any(row["value"] == "UNKNOWN" for row in first.keys)


def test_a_long_chain_is_one_person(first: Told) -> None:
    keys = [("emp_no", f"C{i}") for i in range(40)] + [("email", f"c{i}@x.example") for i in range(40)]
    assert len({first.subject(*key) for key in keys}) == 1


def test_who_has_more_numbers_than_one_person_is_held_back(first: Told) -> None:
    assert first.counts["crowded"] == 1 and chained(first)
    assert not any(row["rostered"] for row in chained(first))


@pytest.mark.long_on_spark
@pytest.mark.parametrize(("numbers", "held"), [(MAX_LINKS, 0), (MAX_LINKS + 1, 1)])
def test_as_many_numbers_as_a_key_may_stand_beside_are_one_person(
    engine: Engine, tmp_path: Path, numbers: int, held: int
) -> None:
    chain = [person(f"C{i + more}", f"c{i}@x.example", None) for i in range(numbers - 1) for more in (0, 1)]
    made, _ = run(engine, tmp_path, {"hrms.people": chain})
    assert (made.counts["crowded"], made.counts["rostered"]) == (held, 1 - held)
    # numbers that no roster lists may be of anything
    slips: Records = [{"emp_no": "C0", "national_id": "S0"}]
    slips += [{"emp_no": f"S{i + more}", "national_id": f"S{i}"} for i in range(numbers) for more in (0, 1)]
    made, _ = run(engine, tmp_path / "more", {"hrms.people": chain[:2], "payroll.payslips": slips})
    assert [made.counts[name] for name in ("people", "rostered", "several", "crowded")] == [1, 1, 1, 0]


def chained(told: Told) -> list[dict[str, Any]]:
    return [row for row in told.keys if row["value"].lower().startswith("c") and row["value"][1].isdigit()]


def test_people_of_separate_stories_are_separate_and_counted(first: Told) -> None:
    # 20 share a placeholder, which is nobody's
    stories = {"shared": 2, "lee": 1, "nulls": 3, "placeholder": 20, "chain": 1, "later": 1 + 2 + 1, "stranger": 1}
    assert first.counts["people"] == len({row["subject"] for row in first.keys}) == sum(stories.values())
    assert first.counts["new"] == first.counts["people"] and first.counts["keys"] == len(first.keys)


def test_only_people_of_a_roster_are_rostered(first: Told) -> None:
    others = {row["value"] for row in first.keys if not row["rostered"] and row not in chained(first)}
    assert others == {"stranger@y.example"}
    assert first.counts["rostered"] == first.counts["people"] - 2


def test_a_person_keeps_their_id_when_keys_join(first: Told, second: Told) -> None:
    assert second.subject("national_id", "J") == first.subject("emp_no", "J1")
    assert second.subject("email", "j@x.example") == first.subject("emp_no", "J1")
    assert second.subject("emp_no", "J2") not in {row["subject"] for row in first.keys}


def test_a_merge_keeps_one_of_the_ids_and_is_counted(first: Told, second: Told) -> None:
    ids = {first.subject("emp_no", "M1"), first.subject("emp_no", "M2")}
    assert len(ids) == 2
    assert second.subject("emp_no", "M1") == second.subject("emp_no", "M2") in ids
    assert second.counts["merged"] == 1


def test_a_split_leaves_the_id_with_one_and_is_counted(first: Told, second: Told) -> None:
    assert first.subject("emp_no", "S1") == first.subject("emp_no", "S2")
    assert second.subject("emp_no", "S1") == first.subject("emp_no", "S1") != second.subject("emp_no", "S2")
    assert second.counts["split"] == 1


def test_only_who_was_not_met_before_is_new(second: Told) -> None:
    # one who joined, one of the two that were one, and seven groups that share a national id
    assert second.counts["new"] == 1 + 1 + 7


def test_the_same_records_again_change_nothing(runs: list[Told]) -> None:
    assert runs[2].keys == runs[1].keys
    assert [runs[2].counts[name] for name in ("new", "merged", "split")] == [0, 0, 0]


value = st.one_of(st.none(), st.integers(0, 7).map(str))


@pytest.mark.long_on_spark
def test_people_are_the_connected_components(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, examples: Examples
) -> None:
    @settings(max_examples=examples(engine, 12), deadline=None)
    @given(people=st.lists(st.tuples(value, value, value), min_size=1, max_size=14))
    def holds(people: list[tuple[str | None, str | None, str | None]]) -> None:
        _, keys = run(engine, tmp_path_factory.mktemp("graph"), {"hrms.people": [person(*row) for row in people]})
        found: dict[str, set[str]] = {}
        for row in keys:
            found.setdefault(row["subject"], set()).add(f"{row['namespace']}:{row['value']}")
        assert sorted(map(sorted, found.values())) == sorted(map(sorted, oracle(people)))

    holds()


def oracle(people: Iterable[tuple[str | None, ...]]) -> list[set[str]]:
    """Slow and obvious: merge sets that touch until none do."""
    groups: list[set[str]] = []
    for row in people:
        nodes = {f"{name}:{v}" for name, v in zip(("emp_no", "email", "national_id"), row, strict=True) if v}
        if nodes:
            touching = [group for group in groups if group & nodes]
            groups = [group for group in groups if not group & nodes] + [nodes.union(*touching)]
    return groups


def test_keys_are_compared_in_one_form(engine: Engine, tmp_path: Path) -> None:
    cases = [
        ("email", " A.B@X.Example ", "a.b@x.example"),
        ("emp_no", " e-10 01", "E1001"),
        ("national_id", "12 34-5x", "12345X"),
        ("badge", " Mixed ", "Mixed"),
        ("emp_no", " - ", None),
        ("emp_no", "研-001", "研001"),
        ("emp_no", "а-12 б", "А12Б"),
        ("emp_no", "ＡＰ－００１", "AP001"),
        ("emp_no", "e\u200b١٢٣ ४५", "E12345"),
        ("emp_no", "straße-1", "STRAẞE1"),
        ("national_id", "กข 123", "กข123"),
    ]
    names = [f"key_{index}" for index in range(len(cases))]
    rows = stored(engine, tmp_path, pa.table({name: [text] for name, (_, text, _) in zip(names, cases, strict=True)}))
    forms = {name: normalise(case[0], rows[name]) for name, case in zip(names, cases, strict=True)}
    (found,) = collect(engine, rows.select(**forms)).to_pylist()
    assert list(found.values()) == [expected for _, _, expected in cases]
