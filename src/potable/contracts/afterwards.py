"""Columns that were filled in after their record was known: what a single landing says of itself.

Age and date are one thing in one landing, so a share of nulls proves nothing. Dates do. Where a record known in
January names a day in March, either March was planned then, or the record was written once more. What is planned also
lies ahead of the newest records, and what is written down when it has happened does not. So a column is told where many
of its days lie after the record was known and, of the records young enough, next to none lies after the newest record.
What is given only where such a day is, or has other words there, was written with it.

Entry: `looked_at`, `afterwards`, `judge`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

import ibis
import ibis.expr.types as ir

from potable.contracts.findings import Finding
from potable.contracts.hindsight import FEWEST, advice, named, state_of
from potable.contracts.results import is_open
from potable.engines.base import Engine, scalars
from potable.tables import Table, moments

YOUNG = 20
"""Records so young that half of their days would lie ahead if they were planned; that none does is no chance then."""
_STRAY = 0.05
"""Share of these that may lie ahead: newest records are from some days before the landing, and days are mistyped."""
_NEXT = 1
"""Days after which a day is no longer the same one: clocks differ."""
_WORDS = 20
"""Different words a column has at most that tells states of a record."""
_DAY = "_day"
_SINCE = "_since"

Facts = Mapping[str, Mapping[str, Any]]
_Way = Literal["day", "given", "words"]


@dataclass(frozen=True)
class Afterwards:
    """What is known of a column of days that are written down when they have come."""

    late: int
    """Rows whose day lies after the one on which they count as known."""
    rows: int
    """All rows that are known."""
    days: int
    """Days between, of all of these together."""
    young: int
    """Rows with a day that became known at most the mean of it before the newest one."""
    given: Sequence[str] = ()
    """Columns that are given only where it is."""
    words: Sequence[str] = ()
    """Columns whose words are others where it is given."""


def looked_at(table: Table) -> list[str]:
    """Columns of days that may tell: a table that keeps no history has none."""
    if table.time is None or table.known == "landed":
        return []
    times = (table.time, table.known_column)
    days = ("date", "timestamp")
    return [name for name, column in table.columns.items() if column.type in days and name not in times]


def afterwards(table: Table, rows: ir.Table, until: datetime, engine: Engine) -> Facts:
    """What the rows of one landing say, as a manifest keeps it; nothing of columns of which they say nothing.

    Args:
        until: when they were landed (UTC); a record that is known later is a mistake.
    """
    names = looked_at(table)
    if not names:
        return {}
    rows = rows.mutate(**{_SINCE: moments(table, rows)[1]})
    rows = rows.filter(rows[_SINCE] <= ibis.literal(until, "timestamp(6)"))
    counts: dict[str, ir.Scalar] = {"rows": rows.count(), "newest": rows[_SINCE].max()}
    for index, name in enumerate(names):
        days = _days(rows, name)
        counts[f"late_{index}"] = rows.count(where=days > _NEXT)
        counts[f"days_{index}"] = days.sum(where=days > _NEXT).cast("int64")
    found = scalars(engine, rows.agg(**counts))
    told: dict[str, Any] = {}
    for index, name in enumerate(names):
        late = found[f"late_{index}"]
        if late < FEWEST:
            continue
        days = found[f"days_{index}"]
        young = _young(rows, name, found["newest"], max(days // late, 1), engine)
        if young:
            beside = _beside(table, rows, name, engine)
            told[name] = asdict(Afterwards(late, found["rows"], days, young, *beside))
    return told


def _days(rows: ir.Table, name: str) -> ir.IntegerValue:
    """How many days after the one on which it counts as known the day of each row lies."""
    days: ir.IntegerValue = rows[name].cast("date").delta(rows[_SINCE].cast("date"), unit="day").cast("int64")
    return days


def _young(rows: ir.Table, name: str, newest: datetime, mean: int, engine: Engine) -> int:
    """How many young rows have a day; 0 where they are few, or where days lie ahead."""
    last = ibis.literal(newest, "timestamp(6)")
    since = last.cast("date").delta(rows[_SINCE].cast("date"), unit="day").cast("int64")
    ahead = rows[name].cast("date").delta(last.cast("date"), unit="day").cast("int64")
    young = (since < mean) & rows[name].notnull()
    found = scalars(engine, rows.agg(young=rows.count(where=young), ahead=rows.count(where=ahead > 0)))
    return found["young"] if found["young"] >= YOUNG and found["ahead"] <= _STRAY * found["young"] else 0


def _beside(table: Table, rows: ir.Table, name: str, engine: Engine) -> tuple[list[str], list[str]]:
    """Columns that are given only where the day is, and columns that have other words there."""
    late, without = _days(rows, name) > _NEXT, rows[name].isnull()
    others = [
        other
        for other, column in table.columns.items()
        if other not in (name, table.time, table.known_column, *table.unique) and not column.key
    ]
    counts: dict[str, ir.Scalar] = {"without": rows.count(where=without)}
    for index, other in enumerate(others):
        counts[f"late_{index}"] = rows.count(where=late & rows[other].notnull())
        counts[f"without_{index}"] = rows.count(where=without & rows[other].notnull())
        counts[f"words_{index}"] = rows[other].approx_nunique()
    found = scalars(engine, rows.agg(**counts))
    if found["without"] < FEWEST:
        return [], []
    given, asked = [], []
    for index, other in enumerate(others):
        filled, bare = found[f"late_{index}"], found[f"without_{index}"]
        if filled >= FEWEST and bare <= _STRAY * min(filled, found["without"]):
            given.append(other)
        elif min(filled, bare) >= FEWEST and 1 < found[f"words_{index}"] <= 2 * _WORDS:
            asked.append(other)
    return given, _apart(rows, asked, late, without, engine) if asked else []


def _apart(
    rows: ir.Table, names: Sequence[str], late: ir.BooleanValue, without: ir.BooleanValue, engine: Engine
) -> list[str]:
    """Those of the columns that have no word in both kinds of rows."""
    kinds = {"late": late, "without": without, "both": late | without}
    counts = {
        f"{kind}_{index}": rows[name].nunique(where=where)
        for index, name in enumerate(names)
        for kind, where in kinds.items()
    }
    found = scalars(engine, rows.agg(**counts))
    return [
        name
        for index, name in enumerate(names)
        if found[f"both_{index}"] <= _WORDS
        and found[f"late_{index}"] + found[f"without_{index}"] == found[f"both_{index}"]
    ]


def judge(table: Table, facts: Facts, read: Mapping[str, Sequence[str]], labels: Collection[str]) -> Iterator[Finding]:
    """What is found of the columns that are read, one finding each.

    Args:
        facts: from `afterwards`.
        read, labels: as in `hindsight.judge`.
    """
    met = set()
    for day, made in facts.items():
        found = Afterwards(**made)
        share = found.late / found.rows
        if share <= table.health.hindsight.share:
            continue
        ways: dict[str, _Way] = {
            day: "day",
            **dict.fromkeys(found.given, "given"),
            **dict.fromkeys(found.words, "words"),
        }
        for name, way in ways.items():
            if name in read and name not in met:
                met.add(name)
                told = f"{_told(table, day, name, way, found)} {named(read[name])} "
                told += advice(table, set(read[name]) <= set(labels))
                bound = table.health.hindsight
                yield Finding("hindsight", state_of(bound), told, name, value=round(share, 6), bound=bound.share)


def _told(table: Table, day: str, name: str, way: _Way, found: Afterwards) -> str:
    long = all(is_open(table, each) for each in (day, table.time, table.known_column) if each)
    mean = f", {round(found.days / found.late):,} days on average," if long else ""
    later = (
        f"lies after the day on which its record counts as known{mean} in {found.late:,} of {found.rows:,} records, "
        "and next to never after that of the newest one: it was filled in when it had come."
    )
    if way == "day":
        return f"`{name}` {later}"
    where = "is given only where it is given" if way == "given" else "has other words where it is given"
    return f"`{day}` {later} `{name}` {where}."
