"""Long lives of a lake: whatever happens in a company from run to run, what comes out is what a fresh lake gives.

A fresh lake is given what was landed and the vault, and makes everything whole. After each run both must hold the same
rows in every table, and publish the same bytes; all rows are accounted for, and nobody's name lies in the open root.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from potable.datasets.version import current
from potable.privacy import pseudonyms
from potable.project import load
from potable.runs import former, quarantined
from potable.runs.plan import later_steps
from potable.runs.runner import Options, landed_now, run
from potable.runs.vault import existing_key, key_name
from potable.sources import onwards
from potable.store.manifest import find

PLATFORM = """
project: lives
lake: {{restricted: lake/restricted, open: lake/open}}
vault: vault
memory: 1GB
threads: {threads}
"""
POLICY = """
purposes: [x]
legal_basis: contract
retention: 2y
rules:
  user.name: {protect: drop}
  user.unique_id: {protect: drop}
  user.contact: {protect: drop}
  user.demographic: {protect: keep, publish: allow}
  free_text: {protect: redact, publish: never}
  none: {protect: keep, publish: allow}
"""
FEATURES = """
dataset: lives
subject: person
rows:
  from: hr.stays
  during: [since, until]
  as_of: {as_of}
label: {{gone: any() in next 3mo from hr.leaves}}
features:
  hr.people: {{gender: value(gender)}}
  hr.awards: {{worth: sum(worth), awards: count() in {window}}}
  pay.slips: {{paid: sum(amount) in {window}, hours: avg(hours) last 3}}
  desk.tickets: {{tickets: count(), since_ticket: days_since()}}
  desk.items: {{pieces: sum(pieces)}}
"""
HISTORY = "    coverage: [2020-01-01, 2024-12-31]\n"
SOURCES = {
    "hr": """
source: hr
type: sql
url: sqlite:///hr.db
tables:
  people:
    roster: person
    order_by: [row]
    order: row
    columns:
      row: {{type: integer, category: none}}
      no: {{required: true, key: emp_no}}
      first: {{category: user.name.first}}
      last: {{category: user.name.last}}
      mail: {{key: email, category: user.contact.email}}
      gender: {{category: user.demographic.gender, static: true, levels: [F, M]}}
  stays:
    order_by: [row]
    columns:
      row: {{type: integer, category: none}}
      no: {{required: true, key: emp_no}}
      since: {{type: date, required: true, category: none}}
      until: {{type: date, category: none}}
    unique: [row]
    time: since
    known: "+0d"
{history}  leaves:
    query: SELECT row, no, until AS day FROM stays WHERE until IS NOT NULL
    order_by: [row]
    columns:
      row: {{type: integer, category: none}}
      no: {{required: true, key: emp_no}}
      day: {{type: date, required: true, category: none}}
    unique: [row]
    time: day
    known: "+0d"
{history}  awards:
    columns:
      id: {{type: integer, required: true, category: none}}
      no: {{required: true, key: emp_no}}
      day: {{type: date, required: true, category: none}}
      worth: {{type: integer, category: none}}
      told: {{type: timestamp, required: true, category: none}}
    unique: [id]
    time: day
    order: id
    known: told
    incremental: {{column: told, overlap: 2d, keys: {{every: 1d}}}}
{history}""",
    "crm": """
source: crm
type: csv
path: links
tables:
  links:
    columns:
      no: {{required: true, key: emp_no}}
      mail: {{required: true, key: email, category: user.contact.email}}
""",
    "pay": """
source: pay
type: csv
path: pay
tables:
  slips:
    columns:
      no: {{required: true, key: emp_no}}
      day: {{type: date, required: true, category: none}}
      amount: {{type: "decimal(12,2)", category: none}}
      hours: {{type: integer, category: none, on_error: "null"}}
    unique: [no, day]
    time: day
    known: "+5d"
{history}    checks:
      - expect_column_values_to_be_between: {{column: amount, max_value: {most}}}
""",
    "desk": """
source: desk
type: json
path: desk
tables:
  tickets:
    columns:
      id: {{type: integer, required: true, category: none}}
      mail: {{key: email, category: user.contact.email}}
      day: {{type: date, required: true, category: none}}
      text: {{category: free_text}}
    unique: [id]
    time: day
    known: "+1d"
{history}  items:
    records: items
    columns:
      ticket: {{path: ../id, type: integer, required: true, category: none}}
      place: {{path: "#", type: integer, category: none}}
      mail: {{path: ../mail, key: email, category: user.contact.email}}
      day: {{path: ../day, type: date, required: true, category: none}}
      pieces: {{type: integer, category: none}}
    unique: [ticket, place]
    time: day
    known: "+1d"
{history}""",
}
SYLLABLES = ("bra", "dro", "fel", "gim", "hus", "jar", "kol", "lem", "mun", "nip", "pra", "qua", "rol", "sib", "zwe")
Rows = list[dict[str, Any]]


@dataclass
class Company:
    """What its systems tell today, and what may happen to it."""

    rng: random.Random
    said: dict[str, Any] = field(default_factory=lambda: {"threads": 1, "window": "12mo", "most": 9000})
    people: Rows = field(default_factory=list)
    stays: Rows = field(default_factory=list)
    links: dict[str, Rows] = field(default_factory=lambda: {"0": [{"no": "E1", "mail": "first@home.example"}]})
    pay: dict[str, Rows] = field(default_factory=dict)
    desk: dict[str, Rows] = field(default_factory=dict)
    awards: Rows = field(default_factory=list)
    clock: datetime = datetime(2022, 1, 1)
    numbers: int = 0
    before: Rows = field(default_factory=list)

    def __post_init__(self) -> None:
        self.said["as_of"] = AS_OF[0]
        for happens, times in ((self.hired, 12), (self.paid, 2), (self.asked, 8), (self.awarded, 4)):
            for _ in range(times):
                happens()

    def happen(self) -> None:
        """Anything."""
        days = {name: getattr(self, name) for name in ("people", "stays", "links", "pay", "desk", "said")}
        self.before.append(copy.deepcopy(days))
        everyday: Sequence[Callable[[], None]] = (self.hired, self.paid, self.asked, self.awarded, self.married)
        rare = (self.moved, self.struck_off, self.linked, self.unlinked, self.corrected, self.undone, self.cut_short)
        self.rng.choice([*everyday, *rare, self.taken_back, self.mistyped, self.said_otherwise, self.removed])()

    def next(self) -> int:
        self.numbers += 1
        return self.numbers

    def name(self) -> str:
        return "".join(self.rng.choices(SYLLABLES, k=4)).capitalize() + f"{'abcdefghijklmnop'[self.next() % 16]}sky"

    def day(self, first: str = "2021-06-01", days: int = 900) -> str:
        return str(date.fromisoformat(first) + timedelta(self.rng.randrange(days)))

    def who(self) -> dict[str, Any]:
        return self.rng.choice(self.people)

    def hired(self) -> None:
        row, last = self.next(), self.name()
        self.people.append(
            {"row": row, "no": f"E{row}", "first": self.name(), "last": last, "mail": f"{last.lower()}@corp.example"}
            | {"gender": self.rng.choice("FM")}
        )
        until = self.day("2023-06-01", 200) if self.rng.random() < 0.4 else None
        self.stays.append({"row": row, "no": f"E{row}", "since": self.day(days=400), "until": until})

    def married(self) -> None:
        self.who()["last"] = self.name()

    def moved(self) -> None:
        person = self.who()
        if self.rng.random() < 0.5:
            self.links.setdefault(str(self.next()), []).append({"no": person["no"], "mail": person["mail"]})
        person["mail"] = f"{self.name().lower()}@corp.example"

    def struck_off(self) -> None:
        if len(self.people) > 8:
            self.people.remove(self.who())

    def linked(self) -> None:
        """Two numbers turn out to be one person."""
        self.links[str(self.next())] = [{"no": self.who()["no"], "mail": self.who()["mail"]}]

    def unlinked(self) -> None:
        """The file says it no more; one that is gone would stay as it landed."""
        self.links[self.rng.choice([*self.links])] = [*self.links["0"][:1]]

    def paid(self) -> None:
        some = self.rng.sample(self.people, len(self.people) // 2)
        cents = self.rng.randrange
        self.pay[f"{self.rng.randrange(99):02}-{self.next()}"] = [
            {"no": each["no"], "day": self.day(), "amount": f"{cents(9000)}.{cents(10)}5", "hours": cents(60)}
            for each in some
        ]

    def cut_short(self) -> None:
        name = self.rng.choice([*self.pay])
        self.pay[name] = self.pay[name][: len(self.pay[name]) // 2 + 1]

    def removed(self) -> None:
        if len(self.pay) > 1:
            self.pay.pop(self.rng.choice([*self.pay]))

    def mistyped(self) -> None:
        row = self.rng.choice(self.rng.choice([*self.pay.values()]))
        row[self.rng.choice(["amount", "hours", "day"])] = self.rng.choice(["x", "", "-5"])

    def asked(self) -> None:
        person, other = self.who(), self.who()
        told = [
            f"{other['first']} {other['last']} asks",
            f"{person['last']} has written",
            f"mail {other['mail']}",
            "hm",
        ]
        items = [{"pieces": self.rng.randrange(9)} for _ in range(self.rng.randrange(3))]
        ticket = {"id": self.next(), "mail": person["mail"], "day": self.day(), "text": self.rng.choice(told)}
        self.desk.setdefault(str(self.rng.randrange(4)), []).append({**ticket, "items": items})

    def awarded(self) -> None:
        award = {"id": self.next(), "no": self.who()["no"], "day": self.day(), "worth": self.rng.randrange(500)}
        self.awards.append({**award, "told": self.told()})

    def corrected(self) -> None:
        self.rng.choice(self.awards).update(worth=self.rng.randrange(500), told=self.told())

    def taken_back(self) -> None:
        if len(self.awards) > 2:
            self.awards.remove(self.rng.choice(self.awards))

    def told(self) -> str:
        self.clock += timedelta(hours=self.rng.randrange(1, 90))
        return f"{self.clock:%Y-%m-%d %H:%M:%S}"

    def said_otherwise(self) -> None:
        """A project file is edited."""
        choices: dict[str, Sequence[Any]] = {"threads": (1, 2), "window": ("12mo", "6mo"), "most": (9000, 3000)}
        name = self.rng.choice([*choices, "as_of"])
        self.said[name] = self.rng.choice({**choices, "as_of": AS_OF}[name])

    def undone(self) -> None:
        """Everything is as it was once, but for what is read on."""
        for name, value in copy.deepcopy(self.rng.choice(self.before)).items():
            setattr(self, name, value)


AS_OF = ("{pick: random_month_end, between: [2022-12-01, 2023-08-31], seed: 3}", "{at: 2023-06-30}")


def write(company: Company, root: Path) -> None:
    """The project and the sources as they are today."""
    said = {**company.said, "history": HISTORY}
    texts = {"potable": PLATFORM.format(**said), "privacy": POLICY, "features": FEATURES.format(**said)}
    texts |= {f"sources/{name}": text.format(**said) for name, text in SOURCES.items()}
    for name, text in texts.items():
        put(root / f"{name}.yaml", text)
    with closing(sqlite3.connect(root / "hr.db")) as database, database:
        for table, rows in (("people", company.people), ("stays", company.stays), ("awards", company.awards)):
            database.execute(f"DROP TABLE IF EXISTS {table}")
            database.execute(f"CREATE TABLE {table} ({', '.join(rows[0])})")
            signs = ", ".join("?" for _ in rows[0])
            database.executemany(f"INSERT INTO {table} VALUES ({signs})", [tuple(row.values()) for row in rows])
    folder(root / "links", {f"{name}.csv": sheet(rows) for name, rows in company.links.items()})
    folder(root / "pay", {f"{name}.csv": sheet(rows) for name, rows in company.pay.items()})
    lines = {name: "".join(f"{json.dumps(row)}\n" for row in rows) for name, rows in company.desk.items()}
    folder(root / "desk", {f"{name}.ndjson": text for name, text in lines.items()})


def sheet(rows: Rows) -> str:
    text = io.StringIO()
    made = csv.DictWriter(text, rows[0], lineterminator="\n")
    made.writeheader()
    made.writerows(rows)
    return text.getvalue()


def folder(path: Path, files: Mapping[str, str]) -> None:
    for old in path.glob("*"):
        if old.name not in files:
            old.unlink()
    for name, text in files.items():
        put(path / name, text)


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def rows_of(paths: Iterable[str]) -> list[str]:
    """Rows in any order."""
    return sorted(str(row) for path in paths for row in pq.read_table(path, partitioning=None).to_pylist())


def held(root: Path) -> dict[str, Any]:
    """All that a lake holds now: the rows of every step of validate and protect, and the published bytes."""
    project = load(root)
    lake = project.lake()
    key, knowing = key_name(existing_key(lake.vault)), former.knowing(lake, project)
    found: dict[str, Any] = {}
    for step in later_steps(project, landed_now(project, lake), key, knowing):
        manifest = find(step.store(lake), step.folder)
        assert manifest
        if step.verb == "validate":
            counts, facts = manifest.counts, ("reasons", "drift", "nulls", "checks", "profile")
            assert counts["rows_in"] == counts["rows"] + counts["quarantined"] + counts["deleted"]
            found[step.label] = dict(counts), [manifest.facts[fact] for fact in facts]
        if step.zone in ("validated", "protected"):
            for output in ("rows", "quarantine", "cells", "deleted"):
                paths = manifest.paths(step.store(lake), output) if output in manifest.files else []
                found[f"{step.label} {output}"] = rows_of(paths)
    version = current(lake.versions("lives"))
    assert version
    return {**found, **{kind: lake.open.get(version.files[kind]) for kind in ("csv", "parquet")}}


def held_back(root: Path) -> dict[str, list[tuple[str, int, int, tuple[str, ...]]]]:
    """Where the records lie that are in quarantine, and why, table by table: as many as are counted."""
    project = load(root)
    found = {}
    for name in project.tables:
        held = quarantined.held(project, name)
        assert held and held.current
        if held.rows or held.nobody:
            records = list(quarantined.records(project, held))
            assert len(records) == held.rows + held.nobody
            assert all(record.raw and record.batch and record.first_seen for record in records)
            found[name] = [(record.object, record.row, record.batch, record.reasons) for record in records]
    return found


def fresh(root: Path, other: Path) -> Path:
    """A lake that has what was landed, the vault and nothing else."""
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(root, other, ignore=lambda at, names: ["lake", ".potable"] if Path(at) == root else [])
    shutil.copytree(root / "lake/restricted/raw", other / "lake/restricted/raw")
    return other


def shown(root: Path, found: Mapping[str, Any]) -> str:
    """What a lake shows: its protected rows of today, and all that is told of its runs and versions."""
    files = (path for path in (root / "lake/open").rglob("*") if path.suffix in (".json", ".csv", ".md"))
    rows = (row for label, rows in found.items() if label.startswith("protect ") for row in rows)
    return "\n".join([*(path.read_text(encoding="utf-8") for path in files), *rows])


def live(seed: int, root: Path, days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A life of so many runs."""
    company = Company(random.Random(seed))
    today = datetime(2024, 7, 1, tzinfo=UTC)
    monkeypatch.setattr(onwards, "now", lambda: today)
    # people of small companies in several buckets
    monkeypatch.setattr(pseudonyms, "BUCKET_ROWS", 60)
    names: set[str] = set()
    for _ in range(days):
        today += timedelta(hours=company.rng.choice((5, 30)))
        write(company, root)
        record = run(load(root), Options(), lambda event: None)
        assert record.exit_code == 0, record.error
        names |= {f"{each['first']} {each['last']}" for each in company.people} | {
            each["mail"] for each in company.people
        }
        found = held(root)
        other = fresh(root, root.parent / "fresh")
        record = run(load(other), Options(), lambda event: None)
        assert record.exit_code == 0, record.error
        assert held(other) == found
        assert held_back(other) == held_back(root)
        texts = shown(root, found)
        assert not [name for name in names if name in texts]
        for _ in range(company.rng.choice((1, 3, 6))):
            company.happen()


@pytest.mark.slow
def test_a_fresh_lake_gives_what_a_long_life_came_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live(1, tmp_path / "home", 3, monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 6))
def test_a_fresh_lake_gives_what_many_long_lives_came_to(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(seed, tmp_path / "home", 12, monkeypatch)
