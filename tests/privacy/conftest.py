"""A small company in Parquet: contracts, rows, keys, and the vault that protect stands on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.privacy import known

from potable.engines.base import Engine, collect
from potable.privacy import roster
from potable.privacy.policy import Policy
from potable.privacy.protect import Contract, People, Places, Protected, protect
from potable.privacy.pseudonyms import PseudonymKey, pseudonyms, schema
from potable.tables import ORIGIN, Table

POLICY = Policy.model_validate(
    {
        "purposes": ["attrition_model"],
        "legal_basis": "legitimate_interest",
        "retention": "3y",
        "rules": {
            "user.name": {"protect": "drop"},
            "user.unique_id": {"protect": "drop"},
            "user.contact": {"protect": "drop"},
            "user.government_id": {"protect": "inside"},
            "user.demographic.date_of_birth": {"protect": "truncate", "to": "year", "publish": "allow"},
            "user.financial.salary": {"protect": "keep", "publish": ["band"]},
            "user.performance": {"protect": "keep", "publish": "allow"},
            "free_text": {"protect": "redact"},
            "none": {"protect": "keep", "publish": "allow"},
        },
    }
)
TABLES = {
    "hr.people": {
        "roster": "employee",
        "columns": {
            "emp_no": {"key": "emp_no"},
            "first_name": {"category": "user.name.first"},
            "last_name": {"category": "user.name.last"},
            "email": {"key": "email", "category": "user.contact.email"},
            "phone": {"category": "user.contact.phone_number"},
            "national_id": {"category": "user.government_id"},
            "born": {"type": "date", "category": "user.demographic.date_of_birth"},
            "seen": {"type": "timestamp", "category": "user.demographic.date_of_birth"},
            "level": {"category": "none"},
        },
    },
    "hr.reviews": {
        "columns": {
            "employee": {"key": "emp_no"},
            "mail": {"key": "email", "category": "user.contact.email"},
            "reviewed": {"type": "date", "category": "none"},
            "rating": {"category": "user.performance"},
            "pay": {"type": "decimal(12,2)", "category": "user.financial.salary"},
            "comment": {"category": "free_text"},
            "advice": {"category": "free_text"},
        },
        "unique": ["employee", "mail", "reviewed"],
        "time": "reviewed",
        "known": "+1mo",
    },
}
PEOPLE = [
    [
        "E100001",
        "Anna",
        "Müller",
        "anna.mueller@corp.example",
        "0151/1234567",
        "234123412346",
        dt.date(1980, 5, 17),
        dt.datetime(1999, 9, 9, 9),
        "Senior",
    ],
    ["E100002", "Will", "Low", "will@corp.example", None, "219-09-9999", dt.date(1990, 1, 2), None, "Entry"],
    ["E100003", "Priya", "D'Souza", "priya@corp.example", "98765-43210", "ABCPK1234F", None, None, None],
]
SUBJECTS = ("sa", "sw", "sp")
REVIEWS = [
    ["e-100001", None, dt.date(2020, 1, 31), "Low", 1.5, "Anna asked Will Low; see e100002. I will help.", None],
    [
        "E999999",
        "WILL@corp.example ",
        dt.date(2020, 3, 1),
        "High",
        2.5,
        "Will and Anna Müller, 0151 123 4567",
        "call me",
    ],
    [None, None, dt.date(2020, 3, 1), "High", None, "whose is this?", None],
    ["E999999", None, None, None, None, None, "x"],
    ["E100003", "priya@corp.example", None, "Low", 3, "", "D’Souza or priya@corp.example"],
    ["E100009", None, dt.date(2020, 3, 1), "Low", 3, "left before the roster", None],
]


def normalise(namespace: str, value: ir.StringValue) -> ir.StringValue:
    text = value.strip().lower() if namespace == "email" else value.upper().re_replace("[^A-Z0-9]", "")
    return text.nullif("")


@dataclass
class Company:
    """Writes tables, collects the vault, protects."""

    engine: Engine
    folder: Path
    declared: Mapping[str, Any] = field(default_factory=lambda: TABLES)
    data: Mapping[str, Sequence[Sequence[Any]]] = field(
        default_factory=lambda: {"hr.people": PEOPLE, "hr.reviews": REVIEWS}
    )
    policy: Policy = POLICY
    normalise: Any = field(default=normalise)
    numbers: Any = field(default_factory=count)

    @property
    def tables(self) -> dict[str, Table]:
        return {name: Table.model_validate(table) for name, table in self.declared.items()}

    def relation(self, table: pa.Table) -> ir.Table:
        return self.engine.read([self.stored(table)], table.schema)

    def stored(self, table: pa.Table) -> str:
        file = self.folder / f"{next(self.numbers)}.parquet"
        pq.write_table(table, file)
        return str(file)

    def rows(self, name: str) -> ir.Table:
        fields = pa.schema([*self.tables[name].schema, *ORIGIN])
        rows = [
            dict(zip(fields.names, [*row, f"dump_{row[0]}.csv", index + 1], strict=True))
            for index, row in enumerate(self.data[name])
        ]
        return self.relation(_typed(rows, fields))

    def keys(self) -> ir.Table:
        pairs = [
            {"namespace": namespace, "value": value, "subject": subject, "rostered": True}
            for subject, row in zip(SUBJECTS, PEOPLE, strict=True)
            for namespace, value in (("emp_no", row[0]), ("email", row[3]))
        ]
        pairs.append({"namespace": "emp_no", "value": "E100009", "subject": "old", "rostered": False})
        return self.relation(pa.Table.from_pylist(pairs))

    def identifiers(self) -> pa.Table:
        rows = {name: [self.rows(name)] for name in self.tables}
        found = roster.identifiers(self.tables, rows, self.keys(), normalise=normalise)
        assert found is not None
        return collect(self.engine, found)

    def people(self, *, buckets: int = 4) -> People:
        found = self.identifiers()
        index = known.index(
            zip(*(found[name].to_pylist() for name in ("subject", "kind", "value")), strict=True), self.folder
        )
        key = PseudonymKey.derive(b"k" * 32, dataset="test", epoch=1)
        names = collect(self.engine, pseudonyms(self.keys(), key, buckets=buckets, engine=self.engine))
        telling = roster.telling_who(self.relation(found))
        return People(self.keys(), self.relation(names.cast(schema())), telling, index, normalise)

    def protect(self, name: str, **given: Any) -> tuple[Protected, list[dict[str, Any]]]:
        contract = Contract(name, self.tables[name], self.policy, **given)
        place = self.folder / f"out-{next(self.numbers)}"
        made = protect(
            self.rows(name),
            contract,
            people=self.people(),
            engine=self.engine,
            places=Places(str(place / "rows"), str(place / "quarantine")),
        )
        self.place = place
        files = [str(place / "rows" / part.path) for part in made.rows]
        return made, collect(self.engine, self.engine.read(files, contract.schema())).to_pylist()


def _typed(rows: list[dict[str, Any]], fields: pa.Schema) -> pa.Table:
    columns = []
    for item in fields:
        values = [row[item.name] for row in rows]
        if pa.types.is_decimal(item.type):
            columns.append(pa.array(values, pa.float64()).cast(item.type))
        else:
            columns.append(pa.array(values, item.type))
    return pa.Table.from_arrays(columns, schema=fields)


@pytest.fixture
def company(engine: Engine, tmp_path: Path) -> Company:
    return Company(engine, tmp_path)
