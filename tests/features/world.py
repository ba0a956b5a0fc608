"""A small company for the tests: contracts, rows put into protected Parquet files, a build in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from potable.declarations import Document
from potable.engines.base import Engine
from potable.features.build import Built, build
from potable.features.check import check
from potable.features.declaration import FeatureSet
from potable.features.plan import FeaturePlan
from potable.privacy.operators import OPERATORS
from potable.projectfiles import read
from potable.tables import KNOWN, SUBJECT, TIME, WHICH, Table

Row = Mapping[str, Any]


def table(columns: Mapping[str, Any], **rest: Any) -> Table:
    """A contract; a column is its type, or its keys."""
    full = {name: {"type": given} if isinstance(given, str) else given for name, given in columns.items()}
    return Table.model_validate({"columns": full, **rest})


EMPLOYMENT = table(
    {"emp_no": {"key": "emp_no"}, "hired_on": "date", "left_on": "date", "recorded_at": "timestamp", "site": "string"},
    unique=["emp_no", "hired_on"],
    time="hired_on",
    known="recorded_at",
)
EXITS = table(
    {"emp_no": {"key": "emp_no"}, "left_on": "date", "kind": "string"},
    unique=["emp_no", "left_on"],
    time="left_on",
    coverage=[date(2010, 1, 1), date(2025, 12, 31)],
)
FACTS = table(
    {
        "emp_no": {"key": "emp_no"},
        "fact_id": "integer",
        "day": "date",
        "seen": "timestamp",
        "n": "integer",
        "money": "decimal(12,2)",
        "ratio": "float",
        "word": {"type": "string", "levels": ["Low", "Average", "High"]},
        "flag": "boolean",
        "due": "date",
        "turn": "integer",
    },
    unique=["fact_id"],
    time="day",
    known="seen",
    order="turn",
    coverage=[date(2015, 1, 1), date(2025, 12, 31)],
)
LOOSE = FACTS.model_copy(update={"unique": [], "order": None})
"""The same facts without corrections and without an order."""
PEOPLE = table(
    {
        "emp_no": {"key": "emp_no"},
        "birth_date": {"type": "date", "static": True},
        "gender": {"type": "string", "static": True},
        "city": "string",
    },
    unique=["emp_no"],
)
TABLES = {
    "hrms.employment": EMPLOYMENT,
    "hrms.exits": EXITS,
    "hr.facts": FACTS,
    "hr.loose": LOOSE,
    "hrms.people": PEOPLE,
}
LABEL = "any() in next 12mo after 1mo where kind = 'voluntary' from hrms.exits"
AT = date(2024, 6, 30)


def document(tmp_path: Path, text: str) -> Document:
    """features.yaml with this text."""
    path = tmp_path / "features.yaml"
    path.write_text(text, encoding="utf-8")
    return read(path, root=tmp_path)


def features_yaml(
    features: Mapping[str, Mapping[str, str]],
    *,
    label: str = LABEL,
    as_of: str = "{at: 2024-06-30}",
    where: str = "",
    embargo: str = "",
    digits: int = 6,
) -> str:
    """The text of features.yaml."""
    lines = ["dataset: people", "subject: person", f"digits: {digits}", "rows:", "  from: hrms.employment"]
    lines += ["  during: [hired_on, left_on]", f"  as_of: {as_of}"]
    lines += [f'  where: "{where}"'] if where else []
    lines += ["label:", f'  left: "{label}"'] + ([f"embargo: {embargo}"] if embargo else []) + ["features:"]
    for name, items in features.items():
        lines += [f"  {name}:", *(f'    {key}: "{text}"' for key, text in items.items())]
    return "\n".join(lines) + "\n"


def plan_of(
    tmp_path: Path,
    features: Mapping[str, Mapping[str, str]],
    *,
    tables: Mapping[str, Table] = TABLES,
    kept: Mapping[str, Sequence[str]] | None = None,
    **rest: Any,
) -> FeaturePlan:
    """The checked plan."""
    doc = document(tmp_path, features_yaml(features, **rest))
    return check(doc.model(FeatureSet), tables, doc, operators=OPERATORS, kept=kept)


def at(text: str) -> datetime:
    """A moment from its ISO form."""
    return datetime.fromisoformat(text)


def fact(subject: str, day: str, seen: str | None = None, **values: Any) -> dict[str, Any]:
    """A protected row that happened on `day` and was known at `seen` (the same moment by default)."""
    return {SUBJECT: subject, TIME: at(day), KNOWN: at(seen or day), "day": at(day).date(), **values}


def employed(subject: str, hired: str, left: str | None = None, seen: str | None = None, **rest: Any) -> dict[str, Any]:
    """An employment."""
    dates = {"hired_on": date.fromisoformat(hired), "left_on": date.fromisoformat(left) if left else None}
    row = fact(subject, hired, seen, **dates, **rest)
    del row["day"]
    return row


def left(subject: str, day: str, kind: str = "voluntary", seen: str | None = None) -> dict[str, Any]:
    """An exit."""
    row = fact(subject, day, seen, left_on=date.fromisoformat(day), kind=kind)
    del row["day"]
    return row


def protected(path: Path, contract: Table, rows: Sequence[Row], **write: Any) -> str:
    """One protected file of a table."""
    moment = pa.timestamp("us")
    columns = [(name, column.arrow) for name, column in contract.columns.items() if not column.key]
    schema = pa.schema([(SUBJECT, pa.string()), (TIME, moment), (KNOWN, moment), (WHICH, pa.int64()), *columns])
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path, **write)
    return str(path)


@dataclass
class World:
    """A scratch folder with an engine."""

    path: Path
    engine: Engine
    runs: int = 0

    def files(self, rows: Mapping[str, Sequence[Row]], tables: Mapping[str, Table], buckets: int = 1) -> Any:
        """Protected files of all tables, subjects spread over the buckets."""
        self.runs += 1
        out: dict[str, dict[int, list[str]]] = {}
        for name, given in rows.items():
            for bucket in range(buckets):
                mine = [row for row in given if hash_of(row[SUBJECT]) % buckets == bucket]
                if mine:
                    path = self.path / f"in-{self.runs}" / name / f"{bucket}.parquet"
                    out.setdefault(name, {})[bucket] = [protected(path, tables[name], mine)]
        return out

    def build(
        self,
        plan: FeaturePlan,
        rows: Mapping[str, Sequence[Row]],
        *,
        tables: Mapping[str, Table] = TABLES,
        buckets: int = 1,
    ) -> Built:
        """Build over these rows; the files of the output are in `self.out`."""
        return self.build_files(plan, self.files(rows, tables, buckets))

    def build_files(self, plan: FeaturePlan, files: Any) -> Built:
        """Build over these files."""
        self.runs += 1
        self.out = self.path / f"out-{self.runs}"
        return build(plan, files, self.engine, str(self.out), scratch=self.path / "scratch")

    def rows(self, built: Built) -> dict[str, dict[str, Any]]:
        """The finished rows by id."""
        rows = [
            row for part in built.parts for row in pq.read_table(self.out / part.path, partitioning=None).to_pylist()
        ]
        return {row["person_id"]: row for row in rows}


def hash_of(text: str) -> int:
    """A number for a text, the same in every process."""
    return sum(text.encode())
