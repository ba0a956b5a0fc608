"""Keys that many have are nobody's: what stands beside them, or the time, says whom a record is about."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.runs.test_apart import made, published

NUMBERS = [f"C{number}" for number in range(1, 13)]
SWITCHBOARD = "+49300"
DATA = {
    "contracts.csv": "phone,number,since,until\n"
    + "".join(f"{SWITCHBOARD},{number},2022-01-01,\n" for number in NUMBERS),
    "phones-1.csv": "number,phone\n",
    "calls-1.csv": "phone,number,day,minutes\n"
    + "".join(f"{SWITCHBOARD},{number},2024-02-{place:02},{40 + place}\n" for place, number in enumerate(NUMBERS, 1)),
}


def test_a_placeholder_before_a_number_takes_nobodys_records(tmp_path: Path) -> None:
    root = made(tmp_path)
    for name, before, column in (
        ("crm", "number:", "phone: {key: phone, category: user.contact.phone_number}"),
        ("desk", "day:", "number: {key: number}"),
    ):
        path = root / f"sources/{name}.yaml"
        path.write_text(path.read_text().replace(f"      {before}", f"      {column}\n      {before}", 1))
    lost = {"calls-2.csv": f"phone,number,day,minutes\n{SWITCHBOARD},,2024-02-20,5\n"}
    record, csv = published(root, DATA | lost)
    assert sorted(int(line.split(",")[3]) for line in csv.decode().splitlines()[1:]) == list(range(41, 53))
    assert record.identity["people"] == record.identity["rostered"] == 12
    assert [table.nobody for table in record.tables if table.table == "desk.calls"] == [1]


PERIODS = (
    "phone: {type: string, required: true, key: phone, reissued: [got, gave], category: user.contact.phone_number}"
)
FIRST = {
    "contracts.csv": "number,since,until\nC1,2022-01-01,\nC2,2022-01-01,\nC3,2022-01-01,\n",
    "phones-1.csv": "number,phone,got,gave\nC1,+4930777,2022-01-01,2024-01-31\nC3,+4930999,2022-01-01,\n",
    "calls-1.csv": "phone,day,minutes\n+4930777,2024-01-10,40\n+4930777,2024-02-10,200\n+4930999,2024-02-10,3000\n",
}
HANDED_ON = {"phones-2.csv": "number,phone,got,gave\nC2,+4930777,2024-02-01,\n"}
MORE = {"calls-2.csv": "phone,day,minutes\n+4930777,2024-01-31,50\n+4930777,2024-03-01,500\n+4930777,2021-03-01,9\n"}
TAKEN_BACK = {"phones-2.csv": "number,phone,got,gave\nC2,+4930777,2024-02-15,\n"}


def lent(root: Path) -> Path:
    crm = made(root) / "sources/crm.yaml"
    text = crm.read_text()
    old = text[text.index("phone: {") : text.index("\n", text.index("phone: {"))]
    dates = "\n      got: {type: date, category: none}\n      gave: {type: date, category: none}"
    crm.write_text(
        text.replace(old, PERIODS + dates).replace("unique: [number, phone]", "unique: [number, phone, got]")
    )
    return root


@pytest.mark.parametrize(
    "days",
    [
        pytest.param((FIRST, HANDED_ON, MORE), marks=pytest.mark.long),
        pytest.param((FIRST, MORE, HANDED_ON, TAKEN_BACK), marks=pytest.mark.long),
        (FIRST, HANDED_ON, TAKEN_BACK),
    ],
)
def test_a_number_is_whose_it_was_on_the_day(days: tuple[dict[str, str], ...], tmp_path: Path) -> None:
    root, there = lent(tmp_path / "grown"), dict[str, str]()
    for day in days:
        record, grown = published(root, day)
        there |= day
        fresh = afresh(lent(tmp_path / f"fresh-{len(there)}-{day is MORE}-{day is TAKEN_BACK}"), root)
        assert grown == published(fresh, there)[1]
        assert minutes(grown) == expected(there)
    assert "protect desk.calls" in {step.step for step in record.steps if step.layered}


def test_two_whom_a_number_made_one_are_two_when_it_is_declared(tmp_path: Path) -> None:
    root, files = made(tmp_path / "grown"), FIRST | HANDED_ON
    crm = root / "sources/crm.yaml"
    dates = "      got: {type: date, category: none}\n      gave: {type: date, category: none}\n      phone:"
    crm.write_text(crm.read_text().replace("      phone:", dates))
    record, csv = published(root, files)
    assert (record.identity["people"], record.identity["several"]) == (2, 1)
    crm.write_text(crm.read_text().replace("key: phone,", "key: phone, reissued: [got, gave],"))
    record, csv = published(root, {})
    assert (record.identity["people"], record.identity["several"]) == (3, 0)
    assert minutes(csv) == expected(files) == [40, 200, 3000]


def afresh(project: Path, like: Path) -> Path:
    """A project without a lake, and with the vault of another."""
    shutil.copytree(like / "vault", project / "vault")
    for manifest in (project / "vault/vault").rglob("manifest.json"):
        manifest.unlink()
    return project


def minutes(csv: bytes) -> list[int]:
    return sorted(int(line.split(",")[3] or 0) for line in csv.decode().splitlines()[1:])


def expected(files: dict[str, str]) -> list[int]:
    """Slow and obvious: who had the number on the day of the call."""
    rows = {name: [line.split(",") for line in text.splitlines()[1:]] for name, text in files.items()}
    had = [row for name, found in rows.items() if name.startswith("phones") for row in found]
    total = dict.fromkeys(("C1", "C2", "C3"), 0)
    for phone, day, took in (row for name, found in rows.items() if name.startswith("calls") for row in found):
        holders = {row[0] for row in had if row[1] == phone}
        then = [row[0] for row in had if row[1] == phone and row[2] <= day <= (row[3] or "9")]
        for holder in holders if len(holders) == 1 else then:
            total[holder] += int(took)
    return sorted(total.values())
