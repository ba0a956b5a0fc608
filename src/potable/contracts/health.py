"""The health of a table, judged by its profile: missing, incorrect, outdated, anomalous, drifted.

Health is judged separately from validation: it depends on the clock and on earlier runs, so it is judged in every
run, also where nothing landed, and never decides about single rows. Findings hold counts, shares and distances; values
only of columns that are declared harmless. Entry: `judge`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from potable import divergence
from potable.contracts.distributions import CHANCE, drifted, judged
from potable.contracts.findings import Finding as Finding
from potable.contracts.periods import PER_YEAR, SEASON, at, day_of, named, of_day, place, year_before
from potable.contracts.profile import ROWS
from potable.contracts.profile import Profile as Profile
from potable.contracts.results import is_open
from potable.contracts.trend import FEWEST, off_trend
from potable.health import Check, Health, Period, Rise
from potable.quantities import Duration
from potable.tables import Table

_PERIODS = 36
_MONTH_DAYS = 30.44


@dataclass(frozen=True)
class Moment:
    """What a table is judged by, beside its own profile."""

    today: date
    earlier: Profile | None = None
    """Of the last run in which the table was another, or of the version that is compared with."""
    counts: Sequence[int] = ()
    """Rows of the table in earlier runs, oldest first; looked at where the table has no time."""
    landed: date | None = None
    """When its newest batch was landed."""
    judged: int = 0
    """Newest batch, before the newest one there is, that an earlier run judged and did not fail; 0 where none did."""
    shared: int = 0
    """Rows that must share an undeclared word before it is drawn as it is, where that is more than usual."""


def judge(table: Table, profile: Profile, moment: Moment) -> list[Finding]:
    """Everything the contract declares of the health of a table, judged."""
    declared = table.health
    found: list[Finding] = []
    if declared.freshness:
        found.append(_fresh(table, profile, moment))
    if declared.volume:
        found.append(_volume(table, profile, moment))
    if declared.missing or declared.incorrect or declared.drift:
        found += _compared(table, profile, moment)
    return [accepted(finding, declared, moment.today) for finding in found]


def shrunk(table: Table, rows: int, before: int, today: date) -> Finding | None:
    """What is found, declared or not, of a table with `rows` that can be used, where `before` were in the last run.

    None left stops; fewer than half warn.
    """
    if rows * 2 >= before:
        return None
    told = f"It has {f'{rows:,}' if rows else 'no'} usable rows; in the run before it had {before:,}."
    return accepted(Finding("volume", "warn" if rows else "stop", told), table.health, today)


def accepted(finding: Finding, declared: Health, today: date) -> Finding:
    """The finding, marked as accepted where the contract expects it."""
    if finding.state not in ("warn", "stop"):
        return finding
    about = finding.check, finding.column
    expected = [each for each in declared.accepted if (each.check, each.column or "") == about]
    if not expected:
        return finding
    # what is expected once more may stand beside what was expected before
    last = max(expected, key=lambda each: each.until)
    if today <= last.until:
        told = f"{finding.told} Expected until {last.until}: {last.reason}."
        return replace(finding, state="accepted", told=told)
    return replace(finding, told=f"{finding.told} It was expected only until {last.until}.")


def _fresh(table: Table, profile: Profile, moment: Moment) -> Finding:
    bound = table.health.freshness
    assert bound
    column, newest = table.known_column or table.time, moment.landed
    if column:
        newest = _newest(profile, column, moment.today)
        if newest is None and table.time:
            column, newest = table.time, _newest(profile, table.time, moment.today)
    what = f"newest `{column}`" if column else "newest batch"
    if newest is None:
        return Finding("freshness", "open", f"It has no {what} from which to calculate the age.")
    age, most = (moment.today - newest).days, _days(Duration.parse(bound.at_most))
    shown = column is None or is_open(table, column)
    old = f"is {age:,} day{'s' * (age != 1)} old" if shown else f"is {'older' if age > most else 'no older'} than that"
    state = judged(age > most, bound.severity)
    return Finding(
        "freshness",
        state,
        f"The {what} {old}; at most {bound.at_most} allowed.",
        value=age if shown else None,
        bound=most,
    )


def _newest(profile: Profile, column: str, today: date) -> date | None:
    """The newest day of a time of the table that is not in the future."""
    days = [day for day in profile.values(column) if day <= int(today.strftime("%Y%m%d"))]
    return day_of(max(days)) if days else None


def _volume(table: Table, profile: Profile, moment: Moment) -> Finding:
    bound = table.health.volume
    assert bound
    period = table.health.period
    passed = _complete(profile, period, moment.today) if table.time else {}
    counts = list(passed.values()) if table.time else [*moment.counts, profile.rows]
    season = SEASON[period] if table.time else 0
    trend = off_trend(counts[-1], counts[:-1], season=season) if counts else None
    unit = period if table.time else "earlier state"
    if trend is None:
        there = max(len(counts) - 1, 0)
        few = f"{there} {unit}{'s' * (there != 1)} before it; a trend needs {FEWEST}"
        return Finding("volume", "open", f"Not judged: there {'is' if there == 1 else 'are'} {few}.")
    shown = table.time is None or is_open(table, table.time)
    if shown:
        rows = f"{counts[-1]:,} rows, about {trend.expected:,.0f} expected"
    else:
        rows = f"{'fewer' if trend.distance < 0 else 'more'} rows than expected"
    what = (named(list(passed)[-1], period) if shown else f"The newest {period}") if table.time else "The table"
    far = f"{abs(trend.distance):.1f} deviations from the trend; at most {bound.at_most:g} allowed"
    drawn = list(passed.items())[-_PERIODS:] if shown else []
    return Finding(
        "volume",
        judged(abs(trend.distance) > bound.at_most, bound.severity),
        f"{what} has {rows}: {far}.",
        value=round(trend.distance, 3),
        bound=bound.at_most,
        cells=[named(number, period) for number, _ in drawn],
        now=[count for _, count in drawn],
    )


def _complete(profile: Profile, period: Period, today: date) -> dict[int, int]:
    """Rows of each period from the first to the last that has any and is over; zero where there are none.

    What lies before a year without any row is another beginning, or a slip of the pen, and is left out.
    """
    found: dict[int, int] = {}
    running = of_day(today, period)
    for number, rows in profile.periods.items():
        if number >= running:
            break
        where = place(number, period)
        before = place(max(found), period) if found else where
        if where - before > PER_YEAR[period]:
            found = {}
        else:
            found |= {at(gap, period): 0 for gap in range(before + 1, where)}
        found[number] = rows
    return found


def _compared(table: Table, profile: Profile, moment: Moment) -> Iterator[Finding]:
    declared = table.health
    now, before, words = _pair(declared, profile, moment)
    shares: list[tuple[Check, Rise | None, Sequence[str]]] = [
        ("missing", declared.missing, list(table.columns)),
        ("incorrect", declared.incorrect, [ROWS]),
    ]
    for check, bound, columns in shares:
        if bound and before is None:
            yield Finding(check, "open", words)
        elif bound and before:
            yield from _risen(check, bound, columns, (now, before))
    for column in declared.drift:
        if before is None:
            yield Finding("drift", "open", words, column)
        else:
            yield from drifted(table, column, (now, before), moment.shared)


def _pair(declared: Health, profile: Profile, moment: Moment) -> tuple[Profile, Profile | None, str]:
    """What is compared with what; without a reference, why there is none."""
    if not profile.batches:
        return profile, None, "Not judged: the table has no rows."
    # what was refused is judged until it is mended or accepted, and nothing is compared with it
    known = max((each for each in profile.batches[:-1] if each <= moment.judged), default=0)
    newest = profile.since(known) if known else profile.of_batch(profile.batches[-1])
    if declared.against == "last_year":
        period = declared.period
        over = _complete(profile, period, moment.today)
        last = max(over, default=0)
        earlier_year = year_before(last, period) if last else 0
        if not over.get(earlier_year):
            return newest, None, f"Not judged: there is no {period} a year before the newest complete {period}."
        return profile.of_period(last), profile.of_period(earlier_year), ""
    if declared.version:
        missing = f"Not judged: version {declared.version} has no profile of this table."
        return newest, moment.earlier, "" if moment.earlier else missing
    if len(profile.batches) > 1:
        return newest, profile.of_batch(known or profile.batches[-2]), ""
    earlier = moment.earlier
    if earlier and earlier.batches:
        return newest, earlier.of_batch(earlier.batches[-1]), ""
    return newest, None, "Not judged: this is the first batch."


def _risen(check: Check, bound: Rise, columns: Sequence[str], pair: tuple[Profile, Profile]) -> Iterator[Finding]:
    found = [_rise(check, bound, column, pair) for column in columns]
    risen = [finding for finding in found if finding.state != "ok"]
    if check == "incorrect" or risen:
        yield from risen or found
    else:
        yield Finding(check, "ok", f"No column has over {bound.at_most} more nulls than before.", bound=bound.share)


def _rise(check: Check, bound: Rise, column: str, pair: tuple[Profile, Profile]) -> Finding:
    now, before = ((round(part.rows * part.share(column)), part.rows) for part in pair)
    what = "of its rows fail a check" if column == ROWS else f"of `{column}` is null"
    return replace(rise(check, bound, now, before, what), column=column)


def rise(check: Check, bound: Rise, now: tuple[int, int], before: tuple[int, int], what: str) -> Finding:
    """Whether the share of some rows rose.

    Args:
        check: what is asked.
        bound: by how much it may.
        now, before: how many rows are so, of how many.
        what: they are, in words.
    """
    shares = [some / rows if rows else 0.0 for some, rows in (now, before)]
    chance = divergence.chance_of_shares(now, before)
    risen = shares[0] - shares[1]
    told = f"{shares[0]:.1%} {what}, {shares[1]:.1%} before; at most {bound.at_most} more allowed."
    state = judged(risen > bound.share and chance < CHANCE, bound.severity)
    return Finding(check, state, told, value=round(risen, 6), bound=bound.share, chance=chance)


def _days(span: Duration) -> float:
    return span.days + span.months * _MONTH_DAYS
