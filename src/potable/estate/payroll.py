"""Payroll: one gzip-compressed XML file a month, streamed as the months pass.

Version 1 (first half of the years) of a payslip, shown without its namespace prefix:
    <payslip id="2007-03-0000001"><employee><empNo/><nationalId type=""/><name/></employee><payDate/>
    <gross currency=""/><grossUsd/><net/><overtimeHours/><bonus/><deductions><deduction kind=""/>…
Version 2 adds <costCentre/> after <employee> and moves <grossUsd/> into <reporting>. Namespace and root stay.
Entry: PayrollWriter.month.
"""

from __future__ import annotations

import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potable.estate.defects import (
    IMPOSSIBLE_DATE,
    MISTYPED,
    MISTYPED_AMOUNT,
    PAYSLIPS,
    PLACEHOLDER_IDS,
    doubled,
    final_places,
    scatter,
)
from potable.estate.draws import Ints, between, pick
from potable.estate.history import Month, Payslips
from potable.estate.identifiers import ID_TYPES
from potable.estate.render import (
    body,
    digits,
    edit,
    hundredths,
    iso_days,
    join,
    pieces,
    put,
    take,
    tenths,
    whole,
    xml_escaped,
)
from potable.estate.truth import numbered
from potable.estate.workforce import CURRENCIES
from potable.estate.world import World

NAMESPACE = "urn:northwind:payroll:v1"
_BLOCK = 50_000
_LEVEL = 1
_RATES = np.array([[18, 12], [22, 13], [20, 14], [24, 20]])
"""Percent of gross by country, for each of _DEDUCTIONS."""
_DEDUCTIONS = ("tax", "social")


class PayrollWriter:
    """Writes the monthly files; compression runs beside the rendering of the next month."""

    def __init__(self, world: World, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._world, self._directory = world, directory
        self._name = self._escaped_names()
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._pending: deque[Future[int]] = deque()
        self.files = self.records = self.source_bytes = self.stored_bytes = 0

    def month(self, month: Month) -> None:
        """Writes the payroll file of one month."""
        label = self._world.calendar.label(month.index)
        name = f"payroll_{label}.xml.gz"
        blocks, written = [], 0
        for number, rows in enumerate(pieces(len(month.payslips.stint), _BLOCK)):
            text = self._block(month, rows, number=number, before=written)
            blocks.append(text)
            written += len(text)
        parts = [memoryview(_head(label, written)), *map(body, blocks), memoryview(b"</pay:payroll>\n")]
        self.files += 1
        self.records += written
        self.source_bytes += sum(map(len, parts))
        # at most two months wait in memory
        while len(self._pending) > 1:
            self.stored_bytes += self._pending.popleft().result()
        self._pending.append(self._pool.submit(_compress, self._directory / name, parts))

    def close(self) -> None:
        """Waits until everything is on disk."""
        while self._pending:
            self.stored_bytes += self._pending.popleft().result()
        self._pool.shutdown()

    def _escaped_names(self) -> pa.Array:
        people = self._world.people
        unmarried, married = (
            join(people.first, " ", people.last),
            join(people.first, " ", people.married_last),
        )
        return xml_escaped(pa.concat_arrays([unmarried, married]))

    def _block(self, month: Month, rows: Ints, *, number: int, before: int) -> pa.Array:
        world, slips = self._world, _subset(month.payslips, rows)
        rng = world.stream("payroll", month.index, number)
        marks = scatter(rng, len(rows), PAYSLIPS)
        columns = self._columns(rng, month.index, slips, marks)
        period = world.calendar.label(month.index)
        start = f'<pay:payslip id="{period}-'
        identity = digits(rows + 1, 7)
        text = _element(columns, identity, start, new=month.index >= world.calendar.half)
        order, copies = doubled(rng, len(rows), marks["twice"])
        self._tell(f"payroll_{period}.xml.gz", marks, before + final_places(order, len(rows)), before + copies)
        return take(text, order) if len(copies) else text

    def _tell(self, name: str, marks: dict[str, Ints], places: Ints, copies: Ints) -> None:
        place = ("payroll", "payslips")
        for kind, rows in marks.items():
            where = copies if kind == "twice" else places[rows]
            self._world.truth.bad(place, numbered(name, where), PAYSLIPS[kind])

    def _columns(
        self, rng: np.random.Generator, month: int, slips: Payslips, marks: dict[str, Ints]
    ) -> dict[str, pa.Array]:
        """The text of every value, defects included."""
        world, people, stint = self._world, self._world.people, slips.stint
        person, pay_day = world.person(stint), world.calendar.first_day(month) + 27
        married = np.where(pay_day >= people.marriage_day[person], people.persons, 0)
        country = people.country[person]
        parts = slips.gross[:, None] * _RATES[country] // 100
        columns = {
            "empNo": world.emp_no(stint),
            "type": take(pa.array(ID_TYPES), people.id_type[person]),
            "nationalId": take(people.national_id, person),
            "name": take(self._name, person + married),
            "payDate": pa.repeat(iso_days(np.array([pay_day]))[0], len(stint)),
            "currency": take(pa.array(CURRENCIES), country),
            "gross": hundredths(slips.gross),
            "grossUsd": hundredths(slips.usd),
            "net": hundredths(slips.gross - parts.sum(axis=1)),
            "overtimeHours": tenths(slips.overtime),
            "bonus": hundredths(slips.bonus),
            "costCentre": join("CC-", whole(1000 + 10 * world.force.company[stint] + world.force.department[stint])),
        }
        columns |= {kind: hundredths(parts[:, at]) for at, kind in enumerate(_DEDUCTIONS)}
        return _spoil(rng, columns, marks, pay_day)


def _subset(slips: Payslips, rows: Ints) -> Payslips:
    return Payslips(*(part[rows] for part in (slips.stint, slips.gross, slips.usd, slips.bonus, slips.overtime)))


def _spoil(
    rng: np.random.Generator, columns: dict[str, pa.Array], marks: dict[str, Ints], pay_day: int
) -> dict[str, pa.Array]:
    number, identity = columns["empNo"], columns["nationalId"]
    lost = marks["orphan"]
    nobody = join("E9", digits(between(rng, 0, 999_999, len(lost)), 6)) if len(lost) else None
    number = put(number, lost, nobody)
    number = put(number, marks["no_emp_no"], "")
    case = marks["emp_no_case"]
    number = put(number, case, pc.utf8_lower(take(number, case))) if len(case) else number
    columns["empNo"] = edit(number, marks["emp_no_blanks"], (" ", "  "))
    identity = put(
        identity, lost, join("ZZZPX", digits(between(rng, 0, 9999, len(lost)), 4), "Q") if len(lost) else None
    )
    columns["type"] = put(columns["type"], lost, "pan")
    empty = marks["no_national_id"]
    placeholders = take(pa.array(PLACEHOLDER_IDS), pick(rng, [4, 4, 2], len(empty)))
    columns["nationalId"] = put(identity, empty, placeholders)
    gross = edit(columns["gross"], marks["gross_negative"], ("-", ""))
    columns["gross"] = put(gross, marks["gross_mistyped"], MISTYPED_AMOUNT)
    overtime = put(columns["overtimeHours"], marks["overtime_negative"], "-5")
    columns["overtimeHours"] = put(overtime, marks["overtime_mistyped"], MISTYPED)
    old = marks["date_outdated"]
    dates = put(columns["payDate"], old, iso_days(pay_day - between(rng, 1100, 2200, len(old))))
    columns["payDate"] = put(dates, marks["date_impossible"], IMPOSSIBLE_DATE)
    return columns


def _element(c: dict[str, pa.Array], identity: pa.Array, start: str, *, new: bool) -> pa.Array:
    """The payslip elements, one per line; joined in a single pass."""
    usd: list[pa.Array | str] = ["<pay:grossUsd>", c["grossUsd"], "</pay:grossUsd>"]
    usd = ["<pay:reporting>", *usd, "</pay:reporting>"] if new else usd
    centre: list[pa.Array | str] = ["<pay:costCentre>", c["costCentre"], "</pay:costCentre>"] if new else []
    deductions: list[pa.Array | str] = []
    for kind in _DEDUCTIONS:
        deductions += [f'<pay:deduction kind="{kind}">', c[kind], "</pay:deduction>"]
    return join(
        start,
        identity,
        '"><pay:employee><pay:empNo>',
        c["empNo"],
        '</pay:empNo><pay:nationalId type="',
        c["type"],
        '">',
        c["nationalId"],
        "</pay:nationalId><pay:name>",
        c["name"],
        "</pay:name></pay:employee>",
        *centre,
        "<pay:payDate>",
        c["payDate"],
        '</pay:payDate><pay:gross currency="',
        c["currency"],
        '">',
        c["gross"],
        "</pay:gross>",
        *usd,
        "<pay:net>",
        c["net"],
        "</pay:net><pay:overtimeHours>",
        c["overtimeHours"],
        "</pay:overtimeHours><pay:bonus>",
        c["bonus"],
        "</pay:bonus><pay:deductions>",
        *deductions,
        "</pay:deductions></pay:payslip>\n",
    )


def _head(period: str, count: int) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<pay:payroll xmlns:pay="{NAMESPACE}" period="{period}" company="Northwind Group &amp; Subsidiaries">\n'
        f"<pay:header><pay:created>{period}-28T18:00:00Z</pay:created><pay:payslips>{count}</pay:payslips>"
        "</pay:header>\n"
    ).encode()


def _compress(path: Path, parts: list[memoryview]) -> int:
    """Writes a gzip file without time or name in its header; returns its size."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
    with path.open("wb") as sink:
        for part in parts:
            sink.write(packer.compress(part))
        sink.write(packer.flush())
        return sink.tell()
