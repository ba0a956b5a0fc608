"""resolve: the right records make one person, and a person keeps their id from run to run."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import examples

from potable.contracts.validate import validated_schema
from potable.engines.base import Engine, collect
from potable.identity.match import normalise
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
    keys = engine.read([f"{folder}/out/keys/{part.path}" for part in made.parts], KEYS)
    return made, collect(engine, keys).to_pylist()


def stored(engine: Engine, folder: Path, table: pa.Table) -> Any:
    relation = engine.map_items([table.to_batches()], whole, table.schema)
    parts = engine.write(relation, str(folder))
    return engine.read([f"{folder}/{part.path}" for part in parts], table.schema)


def whole(batches: list[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
    return batches


def subject(keys: list[dict[str, Any]], namespace: str, value: str) -> str:
    (found,) = [row["subject"] for row in keys if (row["namespace"], row["value"]) == (namespace, value)]
    return str(found)


def person(emp_no: str | None, email: str | None, national_id: str | None) -> dict[str, str | None]:
    return {"emp_no": emp_no, "email": email, "national_id": national_id}


def test_records_that_share_a_key_are_one_person(engine: Engine, tmp_path: Path) -> None:
    people = [person("E1", "a@x.example", "N1"), person("E9", "b@x.example", "N1"), person("E2", "c@x.example", "N2")]
    _, keys = run(engine, tmp_path, {"hrms.people": people})
    assert subject(keys, "emp_no", "E1") == subject(keys, "emp_no", "E9") == subject(keys, "email", "b@x.example")
    assert subject(keys, "emp_no", "E1") != subject(keys, "emp_no", "E2")


def test_case_blanks_and_separators_do_not_part_people(engine: Engine, tmp_path: Path) -> None:
    people = [person("E1", "Ann.Lee@X.example", "1234-5678")]
    others: dict[str, Records] = {
        "payroll.payslips": [{"emp_no": " e1 ", "national_id": "1234 5678"}],
        "lms.trainings": [{"email": "ann.lee@x.EXAMPLE "}],
    }
    made, keys = run(engine, tmp_path, {"hrms.people": people, **others})
    assert len(keys) == 3 and made.counts["people"] == 1


def test_nulls_never_link(engine: Engine, tmp_path: Path) -> None:
    people = [person("E1", None, None), person("E2", None, ""), person("E3", "  ", None)]
    made, _ = run(engine, tmp_path, {"hrms.people": people})
    assert made.counts["people"] == 3


def test_a_value_that_stands_beside_many_others_is_no_identifier(engine: Engine, tmp_path: Path) -> None:
    people = [person(f"E{i}", f"p{i}@x.example", "UNKNOWN") for i in range(20)]
    made, keys = run(engine, tmp_path, {"hrms.people": people})
    assert made.counts["shared_keys"] == 1
    assert len({subject(keys, "emp_no", f"E{i}") for i in range(20)}) == 20


def test_only_people_of_a_roster_are_rostered(engine: Engine, tmp_path: Path) -> None:
    records: dict[str, Records] = {
        "hrms.people": [person("E1", "a@x.example", None)],
        "lms.trainings": [{"email": "stranger@y.example"}],
    }
    _, keys = run(engine, tmp_path, records)
    assert {row["value"]: row["rostered"] for row in keys} == {
        "E1": True,
        "a@x.example": True,
        "stranger@y.example": False,
    }


def test_a_person_keeps_their_id_when_keys_join(engine: Engine, tmp_path: Path) -> None:
    _, first = run(engine, tmp_path / "1", {"hrms.people": [person("E1", "a@x.example", None)]})
    later = [person("E1", "new@x.example", "N1"), person("E2", "b@x.example", None)]
    made, second = run(engine, tmp_path / "2", {"hrms.people": later}, first)
    assert subject(second, "national_id", "N1") == subject(first, "emp_no", "E1")
    assert subject(second, "email", "a@x.example") == subject(first, "emp_no", "E1")
    assert made.counts["new"] == 1


def test_a_merge_keeps_one_of_the_ids_and_is_counted(engine: Engine, tmp_path: Path) -> None:
    _, first = run(engine, tmp_path / "1", {"hrms.people": [person("E1", None, None), person("E2", None, None)]})
    ids = {subject(first, "emp_no", "E1"), subject(first, "emp_no", "E2")}
    made, second = run(
        engine, tmp_path / "2", {"hrms.people": [person("E1", None, "N"), person("E2", None, "N")]}, first
    )
    assert subject(second, "emp_no", "E1") == subject(second, "emp_no", "E2") in ids
    assert (made.counts["merged"], made.counts["split"], made.counts["new"]) == (1, 0, 0)


def test_a_split_leaves_the_id_with_one_and_is_counted(engine: Engine, tmp_path: Path) -> None:
    _, first = run(engine, tmp_path / "1", {"hrms.people": [person("E1", None, "N"), person("E2", None, "N")]})
    parted = [person("E1", None, "N1"), person("E2", None, "N2")]
    made, second = run(engine, tmp_path / "2", {"hrms.people": parted}, first)
    assert subject(second, "emp_no", "E1") == subject(first, "emp_no", "E1") != subject(second, "emp_no", "E2")
    assert (made.counts["split"], made.counts["new"]) == (1, 1)


def test_the_same_records_again_change_nothing(engine: Engine, tmp_path: Path) -> None:
    people = [person(f"E{i}", f"p{i}@x.example", f"N{i % 7}") for i in range(30)]
    _, first = run(engine, tmp_path / "1", {"hrms.people": people})
    random.Random(1).shuffle(people)
    made, second = run(engine, tmp_path / "2", {"hrms.people": people}, first)
    assert second == first and made.counts["new"] == 0


def test_a_long_chain_is_one_person(engine: Engine, tmp_path: Path) -> None:
    chain = [person(f"E{i}", f"p{i}@x.example", None) for i in range(40)]
    chain += [person(f"E{i + 1}", f"p{i}@x.example", None) for i in range(39)]
    made, _ = run(engine, tmp_path, {"hrms.people": chain})
    assert made.counts["people"] == 1


value = st.one_of(st.none(), st.integers(0, 7).map(str))


def test_people_are_the_connected_components(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> None:
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
    ]
    names = [f"key_{index}" for index in range(len(cases))]
    rows = stored(engine, tmp_path, pa.table({name: [text] for name, (_, text, _) in zip(names, cases, strict=True)}))
    forms = {name: normalise(case[0], rows[name]) for name, case in zip(names, cases, strict=True)}
    (found,) = collect(engine, rows.select(**forms)).to_pylist()
    assert list(found.values()) == [expected for _, _, expected in cases]
