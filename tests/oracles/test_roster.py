"""The roster against a slow and obvious one: every row, every column, every key by itself."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Examples

from potable.engines.base import Engine, collect
from potable.identity.match import normalise
from potable.identity.resolve import KEYS
from potable.privacy import roster
from potable.tables import Table

NUMBERS = ("E1", "e-1", " E1\t", "E2", "", " ", "\n", None)
MAILS = ("A@corp.example", "a@corp.example ", "b@home", "", None)
NAMES = ("Anna", " Anna", "Lee", "O'Hara", "Müller\x0b", "", "  ", "12345", None)
BIRTHS = ("1984-03-07", " 7.3.84 ", "", None)
COLUMNS: Mapping[str, tuple[dict[str, Any], Sequence[str | None]]] = {
    "emp_no": ({"key": "emp_no"}, NUMBERS),
    "mail": ({"key": "email", "category": "user.contact.email"}, MAILS),
    "home": ({"key": "email", "category": "user.contact.email"}, MAILS),
    "first": ({"category": "user.name.first"}, NAMES),
    "last": ({"category": "user.name.last"}, NAMES),
    "known_as": ({"category": "user.name"}, NAMES),
    "first_of_boss": ({"category": "user.name.first", "someone_else": True}, NAMES),
    "last_of_boss": ({"category": "user.name.last", "someone_else": True}, NAMES),
    "boss": ({"category": "user.name", "someone_else": True}, NAMES),
    "number_of_boss": ({"category": "user.unique_id", "someone_else": True}, NUMBERS),
    "level": ({"category": "none"}, NAMES),
    "born": ({"category": "user.demographic.date_of_birth"}, BIRTHS),
    "childs": ({"category": "user.demographic.date_of_birth", "someone_else": True}, BIRTHS),
}
Cells = Mapping[str, str | None]
Given = Mapping[str, tuple[Sequence[str], list[list[Cells]]]]
"""By table: its columns, and the rows of its relations."""


@st.composite
def companies(draw: st.DrawFn) -> Given:
    """Tables, some of them alike, of one to three relations each."""
    layouts = draw(
        st.lists(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, unique=True), min_size=1, max_size=3)
    )
    found = {}
    for number in range(draw(st.integers(1, 4))):
        columns = draw(st.sampled_from(layouts))
        row = st.fixed_dictionaries({name: st.sampled_from(COLUMNS[name][1]) for name in columns})
        found[f"t{number}"] = columns, draw(st.lists(st.lists(row, max_size=4), min_size=1, max_size=3))
    return found


keys = st.dictionaries(
    st.sampled_from([("emp_no", "E1"), ("emp_no", "E2"), ("email", "a@corp.example"), ("email", "b@home")]),
    st.tuples(st.sampled_from(["s1", "s2"]), st.booleans()),
)


def compared(namespace: str, value: str | None) -> str:
    if namespace == "emp_no":
        return "".join(char for char in (value or "").upper() if char.isascii() and char.isalnum())
    return (value or "").strip().lower()


def expected(tables: Given, known: Mapping[tuple[str, str], tuple[str, bool]]) -> set[tuple[str | None, str, str]]:
    found: set[tuple[str | None, str, str]] = set()
    for columns, relations in tables.values():
        declared = {name: COLUMNS[name][0] for name in columns}
        for row in (row for rows in relations for row in rows):
            whose = [
                known.get((kind["key"], compared(kind["key"], row[name])))
                for name, kind in declared.items()
                if "key" in kind
            ]
            subject = next((owner[0] for owner in whose if owner), None)
            for name, column in declared.items():
                category = column.get("category", "user.unique_id")
                kind = roster.kind_of(category)
                value = (row[name] or "").strip()
                if kind and value and name != "childs":
                    found.add((None if column.get("someone_else") else subject, kind, value))
            for names, owner in ((("first", "last"), subject), (("first_of_boss", "last_of_boss"), None)):
                first, last = (row.get(name) for name in names)
                if first is not None and last is not None:
                    for pair in ((first, last), (last, first)):
                        if value := " ".join(part.strip() for part in pair).strip():
                            found.add((owner, "full_name", value))
    return found


def test_everybody_is_found_by_everything_once(engine: Engine, examples: Examples) -> None:
    @settings(max_examples=examples(engine, 30), deadline=None)
    @given(companies(), keys)
    def holds(company: Given, known: Mapping[tuple[str, str], tuple[str, bool]]) -> None:
        with tempfile.TemporaryDirectory() as folder:

            def read(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> Any:
                place = Path(tempfile.mkdtemp(dir=folder)) / "rows.parquet"
                pq.write_table(pa.Table.from_pylist(rows, schema), place)
                return engine.read([str(place)], schema)

            tables = {
                name: Table.model_validate({"columns": {column: COLUMNS[column][0] for column in columns}})
                for name, (columns, _) in company.items()
            }
            rows = {
                name: [read(part, pa.schema([(column, pa.string()) for column in columns])) for part in relations]
                for name, (columns, relations) in company.items()
            }
            ledger = [
                dict(zip(KEYS.names, (*key, subject, rostered), strict=True))
                for key, (subject, rostered) in known.items()
            ]
            found = roster.identifiers(tables, rows, read(ledger, KEYS), normalise=normalise)
            made = [] if found is None else collect(engine, found).select(["subject", "kind", "value"]).to_pylist()
        assert len(made) == len({tuple(row.values()) for row in made})
        assert {tuple(row.values()) for row in made} == expected(company, known)

    holds()
