"""The results of checks: counts of the scan, values judged in Python, and checks over all the rows that stay.

`validate` calls these in turn. Counts add up over layers; what is judged as a whole is judged anew, over
what stands and what is new, from the columns it reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from potable.contracts import results, through_gx
from potable.contracts.aggregates import SHOWN, Whole
from potable.contracts.checks import Check
from potable.contracts.masks import Rule, any_broken, any_set, broken, touched, with_bit, words_of
from potable.contracts.results import Result
from potable.contracts.rowwise import text_of
from potable.contracts.unique import Counted
from potable.contracts.values import VALUE, Failing
from potable.engines.base import BatchFunction, Engine, kept, rows_of, scalars
from potable.errors import Outgrown
from potable.tables import BATCH, OBJECT, UNPARSED, Table

Samples = Mapping[str, Sequence[Any]]
_FOUND = "_found"


@dataclass(frozen=True)
class Judged:
    """Rules and checks of one table, with the totals of the rows they judged."""

    name: str
    """`source.table`, for messages."""
    table: Table
    rules: Sequence[Rule]
    checks: Sequence[Check]
    totals: Mapping[str, int]
    samples: Samples


def by_value(staged: ir.Table, table: Table, rules: Sequence[Rule], folder: str, engine: Engine) -> ir.Table:
    """The staged rows with the bits of checks that only Python can judge, each distinct value judged once."""
    for index, rule in enumerate(rules):
        check = rule.check
        if check is None or not check.by_value:
            continue
        asked, schema = _asked(staged, table, check)
        wanted = check.covers(staged, table) & check.judges(staged, table)
        values = staged.filter(wanted).select(**asked).distinct()
        failing = engine.map_batches(values, _failing(check), schema)
        place = f"{folder}/values-{index}"
        files = [f"{place}/{part.path}" for part in engine.write(failing, place) if part.rows]
        if not files:
            continue
        marked = engine.read(files, schema).mutate(**{_FOUND: ibis.literal(True)})
        # of several columns some may be null, and a null is then found by a null
        same = [
            column == marked[name] if len(asked) == 1 else column.identical_to(marked[name])
            for name, column in asked.items()
        ]
        joined = staged.left_join(marked, same)
        found = joined.select(*staged.columns, **{_FOUND: joined[_FOUND].fill_null(False)})
        breaks = found[_FOUND] & check.covers(found, table)
        staged = with_bit(found, index, breaks).drop(_FOUND)
    return staged


def _asked(staged: ir.Table, table: Table, check: Check) -> tuple[dict[str, ir.Value], pa.Schema]:
    """The values a check by value judges: a text, or for a custom class the cells as they are."""
    if not check.through_gx:
        return {VALUE: text_of(staged, check.columns[0])}, pa.schema([(VALUE, pa.string())])
    names = {f"{VALUE}_{number}": name for number, name in enumerate(check.columns)}
    kinds = [(value, table.columns[name].arrow) for value, name in names.items()]
    return {value: staged[name] for value, name in names.items()}, pa.schema(kinds)


def _failing(check: Check) -> BatchFunction:
    if check.custom and check.through_gx:
        return through_gx.Failing(check.custom, check.arguments, check.columns)
    return Failing(check.expectation, check.arguments)


def totals(staged: ir.Table, table: Table, rules: Sequence[Rule], checks: Sequence[Check]) -> dict[str, ir.Scalar]:
    """Counts of the staged rows that add up over layers; how many break each rule is `failures`."""
    found: dict[str, ir.Value] = {
        "rows": staged.count(),
        "broken": _count(staged, any_broken(staged, rules, cells=False)),
        "touched": _count(staged, touched(staged, rules)),
        "marked": _count(staged, any_set(staged, rules)),
        "unparsed": _count(staged, staged[UNPARSED].notnull()),
    }
    for index, rule in enumerate(rules):
        check = rule.check
        if check is None:
            continue
        if check.condition:
            found[f"about_{index}"] = _count(staged, check.covers(staged, table))
        if not _told_by_nulls(check, table) and _alike(rules, index) == index:
            found[f"lacking_{index}"] = _count(staged, check.covers(staged, table) & ~check.judges(staged, table))
    for index, name in enumerate(table.columns):
        found[f"nulls_{index}"] = _count(staged, staged[name].isnull())
    for index, check in enumerate(checks):
        if check.word.kind == "table" and check.condition:
            found[f"rows_{index}"] = _count(staged, check.covers(staged, table))
    return {name: value.cast("int64").fill_null(0) for name, value in found.items()}


def marked(staged: ir.Table, rules: Sequence[Rule], own: Mapping[str, int], folder: str, engine: Engine) -> ir.Table:
    """What `failures` and `samples` look at of the staged rows, which have the counts `own`: those that break a rule.

    They are few, and both ask often.
    """
    if not own["marked"]:
        return staged
    asked = [name for rule in rules if rule.check for name in rule.check.columns]
    found = staged.filter(any_set(staged, rules)).select(*dict.fromkeys([*words_of(rules), *asked]))
    return kept(engine, found, folder)


def failures(bad: ir.Table, rules: Sequence[Rule], own: Mapping[str, int], engine: Engine) -> dict[str, int]:
    """How many rows break each rule, of the `marked` ones."""
    if not own["marked"]:
        return {f"rule_{index}": 0 for index in range(len(rules))}
    counts = {f"rule_{index}": bad.count(where=broken(bad, index)).cast("int64") for index in range(len(rules))}
    return scalars(engine, bad.agg(**counts))


def samples(marked: ir.Table, judged: Judged, own: Mapping[str, int], engine: Engine) -> dict[str, list[Any]]:
    """The smallest values that failed each row check, of the `marked` rows and all layers; personal ones as shapes.

    They are ordered by themselves, not as they landed, so that the same rows show the same however they came.
    """
    found: dict[str, list[Any]] = {}
    for index, rule in enumerate(judged.rules):
        some = list(judged.samples.get(str(index), ()))
        if rule.check is not None and own[f"rule_{index}"]:
            bad = marked.filter(broken(marked, index))
            names = dict.fromkeys(rule.check.columns)
            first = bad.select(**{name: _shown(bad, judged.table, name) for name in names})
            rows = rows_of(engine, first.order_by(list(names)).limit(SHOWN))
            some += [[results.plain(row[name]) for name in rule.check.columns] for row in rows]
            some = sorted(some, key=_order)[:SHOWN]
        if some:
            found[str(index)] = some
    return found


def _order(values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """A place for values shown of a row: nulls last, and numbers without end, which are texts here, by their size."""
    return [(value is None, *_by_size(value)) for value in values]


def _by_size(value: Any) -> tuple[Any, ...]:
    if value in ("inf", "-inf"):
        return 0, float(value)
    return (1, value) if isinstance(value, str) else (0, value)


def _shown(rows: ir.Table, table: Table, name: str) -> ir.Value:
    return rows[name] if results.is_open(table, name) else results.shapes(text_of(rows, name))


def of_rules(judged: Judged) -> list[tuple[Check | None, Result]]:
    """Results of the row rules."""
    rows = judged.totals["rows"]
    found: list[tuple[Check | None, Result]] = []
    for index, rule in enumerate(judged.rules):
        check, failed = rule.check, judged.totals[f"rule_{index}"]
        if check is None:
            name, _, column = rule.reason.partition(":")
            columns = (column,) if column else ()
            found.append((None, Result(name, columns, failed == 0, rows, failed, None, "quarantine")))
            continue
        elements = judged.totals[f"about_{index}"] if check.condition else rows
        counted = Counted(elements, elements - _lacking(judged, index, check), failed)
        result = results.of_counts(check, counted, judged.table, cell=rule.cell is not None)
        found.append((check, _with_samples(result, judged.samples.get(str(index), ()), judged.table, check)))
    return found


def of_wholes(
    judged: Judged, kept: ir.Table, count: int, batches: Mapping[str, int], engine: Engine
) -> list[tuple[Check | None, Result]]:
    """Results of the checks of rows by each other, of columns and of the table.

    Args:
        kept: the rows that stay, of which there are `count`.
    """
    found: list[tuple[Check | None, Result]] = []
    for index, check in enumerate(judged.checks):
        if check.word.kind == "table":
            parsed = judged.totals[f"rows_{index}"] if check.condition else judged.totals["rows"]
            found.append((check, results.of_table(check, parsed, judged.table)))
        elif check.word.kind in ("rows", "column"):
            rows = kept.filter(check.covers(kept, judged.table)) if check.condition else kept
            with _telling(judged.name, check):
                found.append((check, _of_whole(check, Whole(rows, judged.table, engine), count, batches)))
    return found


def _of_whole(check: Check, whole: Whole, count: int, batches: Mapping[str, int]) -> Result:
    """The result of a check of rows by each other, or of a column."""
    if check.word.kind == "rows":
        return results.of_counts(check, check.word.rule(whole, check.arguments, batches), whole.table)
    elements = scalars(whole.engine, whole.rows.agg(n=whole.rows.count()))["n"] if check.condition else count
    if check.custom and check.through_gx:
        finding = through_gx.of_whole(check.custom, check.arguments, whole, batches)
        return results.of_class(check, finding, elements, whole.table)
    return results.of_finding(check, check.word.rule(whole, check.arguments), elements, whole.table)


@contextmanager
def _telling(name: str, check: Check) -> Iterator[None]:
    """Says which check a number is too large for, and of which columns."""
    try:
        yield
    except Outgrown as failure:
        columns = " or ".join(f"`{name}.{column}`" for column in check.columns) or f"`{name}`"
        failure.problem = f"a number of {columns} is too large for exact arithmetic"
        failure.given, failure.allowed = f"summed by {check.name}", "sums of at most 38 digits"
        failure.hint = "add a check that quarantines impossible values, such as expect_column_values_to_be_between"
        raise


def batches_of(staged: ir.Table, checks: Sequence[Check], known: Mapping[str, int], engine: Engine) -> dict[str, int]:
    """Which batch each object came with, where a check asks for the order of landing."""
    if not any(_by_order(check) for check in checks):
        return {}
    found = dict(known)
    for batch in engine.stream(staged.select(OBJECT, BATCH).distinct()):
        found.update(zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True))
    return found


def _by_order(check: Check) -> bool:
    whole = check.through_gx and not check.is_row_check
    return whole or check.expectation.endswith(("to_be_increasing", "to_be_decreasing"))


def _with_samples(result: Result, some: Sequence[Any], table: Table, check: Check) -> Result:
    own = results.own_words(check.declared)
    # what is not a text tells nobody, though JSON has texts for numbers without end
    texts = [results.is_open(table, name) and table.columns[name].type == "string" for name in check.columns]
    told = [
        [results.unmasked(value, own) if text else value for value, text in zip(each, texts, strict=True)]
        for each in some
    ]
    return replace(result, partial_unexpected_list=[each if len(each) > 1 else each[0] for each in told])


def _count(rows: ir.Table, test: ir.BooleanValue) -> ir.Scalar:
    # a test may be the same for all rows
    return rows.count(where=test)


def _told_by_nulls(check: Check, table: Table) -> bool:
    """Whether the nulls of a column, which are counted anyway, are the rows without anything to judge."""
    plain = len(check.columns) == 1 and not pa.types.is_floating(table.columns[check.columns[0]].arrow)
    return check.about_nulls or (plain and check.condition is None)


def _lacking(judged: Judged, index: int, check: Check) -> int:
    if check.about_nulls:
        return 0
    if _told_by_nulls(check, judged.table):
        return judged.totals[f"nulls_{list(judged.table.columns).index(check.columns[0])}"]
    return judged.totals[f"lacking_{_alike(judged.rules, index)}"]


def _alike(rules: Sequence[Rule], index: int) -> int:
    """The first rule whose check judges the same rows, so that they are counted once."""
    asked = _judges(rules[index])
    return next(first for first, rule in enumerate(rules) if _judges(rule) == asked)


def _judges(rule: Rule) -> tuple[Any, ...] | None:
    check = rule.check
    if check is None or check.about_nulls:
        return None
    condition = check.declared.get("row_condition"), check.declared.get("condition_parser")
    return check.columns, check.arguments.get("ignore_row_if"), "column_A" in check.arguments, str(condition)
