"""Keys that many have are nobody's: what stands beside them says whom a record is about."""

from __future__ import annotations

from pathlib import Path

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
