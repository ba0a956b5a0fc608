"""The spine: one row per subject, with its as-of date.

Candidates are the dates at which an employment was running, as known then, at which the rows' condition
holds and whose label windows lie inside the data. One is drawn per subject by a hash of seed and
pseudonym, so the same law holds for leavers and stayers and no engine, bucket or order matters.
Entries: `running`, `spine`, `states`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import date
from functools import partial
from operator import add, sub
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa

from potable.features.assemble import FIRST, START, built_in
from potable.features.evaluate import Value, as_timestamp, evaluate, stored
from potable.features.expressions import column_type
from potable.features.facts import differing, newest_first, numbered, protected_schema
from potable.features.plan import AS_OF, BUILT_IN, RowRule
from potable.features.scopes import identity
from potable.features.tree import names_in
from potable.tables import KNOWN, SUBJECT, TIME, Table

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from potable.engines.base import Engine

SELECTED = "_selected"
_PICK = "_pick"
_DRAW_SCHEMA = pa.schema([(SUBJECT, pa.string()), (_PICK, pa.int64())])


@dataclass(frozen=True)
class Funnel:
    """How many subjects got how far, and why the others did not."""

    seen: int = 0
    """Subjects with any record in the table of employments."""
    employed: int = 0
    """Subjects with an employment running at one of the candidate dates."""
    selected: int = 0
    """Subjects for whom `rows.where` holds at one of them."""
    eligible: int = 0
    """Subjects with such a date whose label windows lie inside the data."""
    rows: int = 0
    """Rows of the dataset."""

    def __add__(self, other: Funnel) -> Funnel:
        return Funnel(*map(add, astuple(self), astuple(other)))

    def __sub__(self, other: Funnel) -> Funnel:
        return Funnel(*map(sub, astuple(self), astuple(other)))

    @property
    def dropped(self) -> dict[str, int]:
        """Subjects without a row, by reason."""
        return {
            "no record of `rows.from` runs in the period": self.seen - self.employed,
            "`rows.where` never holds": self.employed - self.selected,
            "the label window runs past the data": self.selected - self.eligible,
        }


def employment_schema(rule: RowRule, table: Table) -> pa.Schema:
    """What is read from the protected table of employments."""
    columns = [rule.start, rule.end, *(names_in(rule.where) - set(BUILT_IN)), *filter(None, [_order(table)])]
    return protected_schema(table, columns)


def _order(table: Table) -> str | None:
    return table.order if table.order and not table.columns[table.order].key else None


def calendar(dates: Sequence[date]) -> ir.Table:
    """The candidate dates as a relation of one column."""
    return ibis.literal(list(dates), type="array<date>").unnest().name(AS_OF).as_table()


def versions(rows: ir.Table, rule: RowRule, table: Table) -> ir.Table:
    """Each version of each employment with the moments between which it was the newest visible one.

    A version is visible after it happened and was known (`_from`), and stays the newest visible one until
    a newer version, or a later state of the same employment, is visible too (`_until`). One that lacks either moment
    is never visible.
    """
    # the greatest of a moment and none is the moment
    dated = rows[TIME].notnull() & rows[KNOWN].notnull()
    seen = ibis.ifelse(dated, ibis.greatest(rows[TIME], rows[KNOWN]), ibis.null("timestamp(6)"))
    order = _order(table) or ""
    until = _seen_next(rows, seen, _told_apart(table), (KNOWN, TIME, order))
    if employment := _of_states(rule, table):
        until = ibis.least(until, _seen_next(rows, seen, employment, (TIME, KNOWN, order)))
    return rows.mutate(_from=seen, _until=until)


def _seen_next(rows: ir.Table, seen: ir.Value, alike: Sequence[str], order: Sequence[str]) -> ir.Value:
    """When the first of the rows that are newer, and `alike`, was seen; the end of time where there are none."""
    group = [rows[name] for name in (SUBJECT, *alike)]
    newer = ibis.window(preceding=(None, 1), group_by=group, order_by=newest_first(rows, *order))
    return ibis.coalesce(seen.min().over(newer), ibis.timestamp("9999-12-31 00:00:00").cast("timestamp(6)"))


def _of_states(rule: RowRule, table: Table) -> tuple[str, ...]:
    """Columns that identify an employment where each record is what it was at a `time`, as in monthly copies; or none.

    There an earlier state knows nothing of the end, and would have the employment run for ever.
    """
    if table.time not in table.unique or table.time == rule.start:
        return ()
    return (*(name for name in identity(table) if name not in (table.time, rule.start)), rule.start)


def _told_apart(table: Table) -> tuple[str, ...]:
    """Columns that identify an employment; every record is its own one when nothing was declared."""
    return identity(table) if table.unique else tuple(name for name in (TIME, KNOWN))


def ambiguous(rows: ir.Table, rule: RowRule, table: Table) -> ir.Table:
    """One row with the number of employments whose versions are tied in time and differ."""
    used = [rule.start, rule.end, *sorted(names_in(rule.where) - set(BUILT_IN))]
    keys = [SUBJECT, *identity(table), KNOWN, TIME, *filter(None, [_order(table)])]
    always = rows[SUBJECT].notnull()
    marked = rows.group_by(*dict.fromkeys(keys)).aggregate(
        _conflict=ibis.or_(*[differing(rows[column], always) for column in used])
    )
    return marked.aggregate(conflicts=marked.count(where=marked._conflict))


def states(employments: ir.Table, dates: ir.Table, rule: RowRule, table: Table) -> ir.Table:
    """Subjects with an employment running at a date: `_subject, as_of, _start, _selected, _first`; as `running`."""
    return with_first(running(employments, dates, rule, table), employments, rule, table)


def running(employments: ir.Table, dates: ir.Table, rule: RowRule, table: Table) -> ir.Table:
    """Subjects with an employment running at a date: `_subject, as_of, _start, _selected`.

    Args:
        employments: from `versions`.
        dates: `as_of` for all subjects, or `_subject` and `as_of`.
        rule: which rows there are.
        table: contract of the table of employments.
    """
    pairs = _visible(employments, dates)
    named = {name: stored(pairs[name], column_type(table.columns[name])) for name in _columns(rule)}
    as_of, start = pairs[AS_OF], named[rule.start]
    moment = as_of.cast("timestamp(6)")
    begun = as_timestamp(start) < moment
    runs = begun & ((pairs[rule.end].isnull()) | (as_timestamp(named[rule.end]) >= moment)).fill_null(False)
    pairs = pairs.mutate(_running=runs.fill_null(False), _day=start.column.cast("date"))
    first = pairs._day
    if "first_tenure_months" in names_in(rule.where):
        # of all pairs before any is chosen, which costs more than all the rest
        pairs = pairs.mutate(**{FIRST: first.min().over(group_by=[pairs[SUBJECT], pairs[AS_OF]])})
        first = pairs[FIRST]
    pairs = pairs.mutate(**{SELECTED: _condition(pairs, first, rule, table)}).filter(pairs._running)
    return pairs.group_by(SUBJECT, AS_OF).aggregate(
        **{START: pairs._day.max(where=pairs[SELECTED]), SELECTED: pairs[SELECTED].any()}
    )


def with_first(found: ir.Table, employments: ir.Table, rule: RowRule, table: Table) -> ir.Table:
    """Rows of `running` with the start of the first employment that was visible then, running or not, as `_first`."""
    pairs = _visible(employments.select(SUBJECT, "_from", "_until", _begun=employments[rule.start]), found)
    day = stored(pairs["_begun"], column_type(table.columns[rule.start])).column.cast("date")
    return pairs.group_by(*found.columns).aggregate(**{FIRST: day.min()})


def _visible(employments: ir.Table, dates: ir.Table) -> ir.Table:
    """Employments beside the dates (of a subject, where that is given) at which they are the newest visible version."""
    moment = dates[AS_OF].cast("timestamp(6)")
    then = [employments._from < moment, moment <= employments._until]
    if SUBJECT in dates.columns:
        then.append(employments[SUBJECT] == dates[SUBJECT])
    return employments.join(dates, then)


def _columns(rule: RowRule) -> set[str]:
    return {rule.start, rule.end, *(names_in(rule.where) - set(BUILT_IN))}


def _condition(pairs: ir.Table, first: ir.DateValue, rule: RowRule, table: Table) -> ir.BooleanValue:
    if rule.where is None:
        return ibis.literal(True)

    def named(name: str) -> Value:
        if name in BUILT_IN:
            return built_in(name, pairs[AS_OF], pairs._day, first)
        return stored(pairs[name], column_type(table.columns[name]))

    return evaluate(rule.where, named).column.fill_null(False)


def eligible(candidates: ir.Table, rule: RowRule) -> ir.BooleanValue:
    """Whether the condition holds and the label windows lie inside the data."""
    if rule.covered is None:
        return ibis.literal(False)
    first, last = rule.covered
    return candidates[SELECTED] & candidates[AS_OF].between(ibis.literal(first), ibis.literal(last))


def counted(candidates: ir.Table, rule: RowRule) -> ir.Table:
    """One row: subjects employed, selected, eligible."""
    subject = candidates[SUBJECT]
    return candidates.aggregate(
        employed=subject.nunique(),
        selected=subject.nunique(where=candidates[SELECTED]),
        eligible=subject.nunique(where=eligible(candidates, rule)),
    )


def draw(batch: pa.RecordBatch, *, seed: int) -> pa.RecordBatch:
    """Which of its `n` candidates each subject gets: a hash of seed and pseudonym, modulo `n`."""
    picks = [
        number_of(subject, seed) % count
        for subject, count in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)
    ]
    return pa.record_batch([batch.column(0), pa.array(picks, pa.int64())], schema=_DRAW_SCHEMA)


def number_of(subject: str, seed: int) -> int:
    """A 64-bit number that depends on nothing but seed and pseudonym."""
    digest = hashlib.blake2b(subject.encode(), digest_size=8, key=str(seed).encode(), person=b"as-of draw")
    return int.from_bytes(digest.digest(), "big")


def spine(candidates: ir.Table, employments: ir.Table, rule: RowRule, table: Table, engine: Engine) -> ir.Table:
    """One candidate per subject: `_subject, as_of, _start, _first, _number`; to be written once, then read.

    Args:
        candidates: from `running`, written down.
        employments: from `versions`.
        rule: which rows there are.
        table: contract of the table of employments.
        engine: draws.
    """
    fit = candidates.filter(eligible(candidates, rule))
    counts = fit.group_by(SUBJECT).aggregate(n=fit.count())
    picks = engine.map_batches(counts, partial(draw, seed=rule.seed), _DRAW_SCHEMA)
    order = ibis.row_number().over(group_by=[fit[SUBJECT]], order_by=[fit[AS_OF]])
    listed = fit.mutate(_number=order.cast("int64"))
    met = listed.join(picks, [listed[SUBJECT] == picks[SUBJECT], listed._number == picks[_PICK]])
    found = with_first(met.select(SUBJECT, AS_OF, START), employments, rule, table)
    return numbered(found.select(SUBJECT, AS_OF, START, FIRST))
