"""Records of several numbers of one person, over the days on which those numbers become known."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from potable.datasets.version import current
from potable.project import load
from potable.runs.record import RunRecord
from potable.runs.runner import Options, run

FILES = {
    "potable.yaml": """
        project: calls
        lake: {restricted: lake/restricted, open: lake/open}
        vault: vault
        threads: 1
        memory: 1GB
    """,
    "privacy.yaml": """
        purposes: [churn_model]
        legal_basis: contract
        retention: 2y
        rules:
          user.name: {protect: drop}
          user.unique_id: {protect: drop}
          user.contact: {protect: drop}
          user.behavior: {protect: keep, publish: allow}
          none: {protect: keep, publish: allow}
    """,
    "features.yaml": """
        dataset: callers
        subject: person
        rows:
          from: crm.contracts
          during: [since, until]
          as_of: {pick: random_month_end, between: [2024-06-01, 2024-07-01], seed: 1}
        label: {calls_again: any() in next 3mo from desk.calls}
        features:
          desk.calls:
            calls: count()
            minutes: sum(minutes)
            longest_last2: max(minutes) last 2
    """,
    "sources/crm.yaml": """
        source: crm
        type: csv
        path: data
        tables:
          contracts:
            files: contracts.csv
            roster: person
            columns:
              number: {type: string, required: true, key: number}
              since: {type: date, required: true, category: none}
              until: {type: date, category: none}
            unique: [number, since]
            time: since
            known: "+0d"
            coverage: [2021-01-01, 2024-12-31]
          phones:
            files: phones-*.csv
            columns:
              number: {type: string, required: true, key: number}
              phone: {type: string, required: true, key: phone, category: user.contact.phone_number}
            unique: [number, phone]
    """,
    "sources/desk.yaml": """
        source: desk
        type: csv
        path: data
        tables:
          calls:
            files: calls-*.csv
            columns:
              phone: {type: string, required: true, key: phone, category: user.contact.phone_number}
              day: {type: date, required: true, category: none}
              minutes: {type: integer, required: true, category: user.behavior}
            unique: [phone, day]
            time: day
            known: "+0d"
            coverage: [2021-01-01, 2024-12-31]
    """,
}
DAYS = ("2024-02-01", "2024-02-02")


def calls(**minutes: tuple[int, int]) -> str:
    rows = [
        f"+{phone[1:]},{day},{took}" for phone, both in minutes.items() for day, took in zip(DAYS, both, strict=True)
    ]
    return "\n".join(["phone,day,minutes", *rows]) + "\n"


FIRST = {
    "contracts.csv": "number,since,until\nC1,2022-01-01,\nC2,2022-01-01,\nC3,2022-01-01,\n",
    "phones-1.csv": "number,phone\nC1,+4930777777\nC2,+4930888888\nC3,+4930999999\n",
    "calls-1.csv": calls(p4930777777=(1, 2), p4930888888=(10, 20), p4930999999=(100, 200)),
}
SECOND = {
    # a number before the one that was known, one behind it, and none
    "phones-2.csv": "number,phone\nC1,+4930111111\nC2,+4930999990\n",
    "calls-2.csv": calls(p4930111111=(3, 4), p4930999990=(30, 40)),
}


def made(root: Path) -> Path:
    for name, text in FILES.items():
        lines = text.splitlines()[1:]
        margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(line[margin:] for line in lines) + "\n", encoding="utf-8")
    (root / "data").mkdir()
    return root


def published(root: Path, data: dict[str, str]) -> tuple[RunRecord, bytes]:
    """What a run makes of what came."""
    for name, text in data.items():
        (root / "data" / name).write_text(text, encoding="utf-8")
    project = load(root)
    record = run(project, Options(), lambda event: None)
    assert record.outcome == "published", record.error
    lake = project.lake()
    version = current(lake.versions("callers"))
    assert version
    return record, lake.open.get(version.files["csv"])


@pytest.mark.parametrize(
    "days",
    [
        pytest.param((FIRST, SECOND), marks=pytest.mark.long),
        (FIRST, {"phones-2.csv": SECOND["phones-2.csv"]}, SECOND),
    ],
)
def test_a_number_that_becomes_known_gives_the_bytes_of_a_fresh_lake(
    days: tuple[dict[str, str], ...], tmp_path: Path
) -> None:
    root = made(tmp_path / "grown")
    for day in days:
        record, grown = published(root, day)
    layered = {step.step for step in record.steps if step.layered}
    assert layered >= {"validate desk.calls", "protect desk.calls"}
    fresh = made(tmp_path / "fresh")
    shutil.copytree(root / "vault", fresh / "vault")
    for manifest in (fresh / "vault/vault").rglob("manifest.json"):
        manifest.unlink()
    assert grown == published(fresh, FIRST | SECOND)[1]
    rows = sorted(line.split(",")[2:5] for line in grown.decode().splitlines()[1:])
    assert rows == [["2", "300", "200"], ["4", "10", "4"], ["4", "100", "40"]]


def test_a_version_tells_what_it_was_made_from_alike_when_verbs_run_one_by_one(tmp_path: Path) -> None:
    root = made(tmp_path / "grown")
    published(root, FIRST)
    # the file that comes later has the smaller name
    published(root, {"calls-0.csv": SECOND["calls-2.csv"].replace("4930999990", "4930888888").replace("-01,", "-05,")})
    record = run(load(root), Options(only="publish", full_refresh=True), lambda event: None)
    assert record.exit_code == 0, record.error
