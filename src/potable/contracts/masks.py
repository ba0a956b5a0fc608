"""Row rules as bits of a mask: one scan says of every row which of them it breaks.

A rule is a row check of the contract, a required column, or that every cell can be read. What becomes of the
rows belongs to `validate`. Checks that only Python can judge get their bit later, by a join (`judging`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from potable.contracts.checks import Check
from potable.contracts.screen import suspects
from potable.tables import BATCH, LANDED, MISTYPED, OBJECT, ROW, UNPARSED, Table

_MASK = "_mask"
_WORD = 60
"""Checks per mask column."""


@dataclass(frozen=True)
class Rule:
    """One bit of the mask: a row rule, and whether a failure costs the row or only a cell."""

    reason: str
    check: Check | None
    cell: str | None
    """Column that is nulled instead of quarantining the row."""

    @property
    def costs_row(self) -> bool:
        """Whether a row that breaks it goes to quarantine."""
        return self.cell is None and not self.warns

    @property
    def warns(self) -> bool:
        """Whether a failure is only told."""
        return self.check is not None and self.check.severity == "warn"


def rules_of(table: Table, checks: Sequence[Check]) -> list[Rule]:
    """The row rules of a contract, in the order of their bits."""
    rules = [Rule("mistyped", None, None)]
    rules += [Rule(f"missing:{name}", None, None) for name, column in table.columns.items() if column.required]
    for check in checks:
        if check.is_row_check:
            columns = check.columns
            soft = len(columns) == 1 and table.columns[columns[0]].on_error == "null" and check.severity != "warn"
            rules.append(Rule(check.reason, check, columns[0] if soft else None))
    return rules


def masked(parsed: ir.Table, table: Table, rules: Sequence[Rule]) -> ir.Table:
    """The parsed rows with a bit set for every rule they break."""
    words: dict[str, ir.Value] = {}
    for first in range(0, len(rules), _WORD):
        bits: ir.IntegerValue = ibis.literal(0, "int64")
        known = [(index, rule) for index, rule in enumerate(rules[first : first + _WORD], first) if not _later(rule)]
        for index, rule in known:
            bits = bits + ibis.ifelse(_breaks(parsed, table, rule), _bit(index), 0)
        # no engine judges the rules of a row that is no suspect
        suspect = _suspect(parsed, table, [rule for _, rule in known])
        words[_word(first)] = ibis.ifelse(suspect, bits, ibis.literal(0, "int64"))
    return parsed.mutate(**words)


def with_bit(staged: ir.Table, index: int, breaks: ir.BooleanValue) -> ir.Table:
    """The rows with one more bit set where they break a rule."""
    word = _word(index)
    return staged.mutate(**{word: staged[word] + ibis.ifelse(breaks, _bit(index), 0)})


def broken(staged: ir.Table, index: int) -> ir.BooleanValue:
    """Whether each row breaks the rule."""
    return (staged[_word(index)] & _bit(index)) != 0


def any_set(staged: ir.Table, rules: Sequence[Rule]) -> ir.BooleanValue:
    """Whether each row breaks any rule at all, warnings included."""
    return reduce(or_, [staged[word] != 0 for word in words_of(rules)], ibis.literal(False))


def any_broken(staged: ir.Table, rules: Sequence[Rule], *, cells: bool) -> ir.BooleanValue:
    """Whether each row breaks any rule that costs a cell, or else the row."""
    out: ir.BooleanValue = ibis.literal(False)
    for first in range(0, len(rules), _WORD):
        wanted = (rule.cell is not None if cells else rule.costs_row for rule in rules[first : first + _WORD])
        bits = sum(1 << place for place, counts in enumerate(wanted) if counts)
        if bits:
            out = out | ((staged[_word(first)] & ibis.literal(bits, "int64")) != 0)
    return out


def touched(staged: ir.Table, rules: Sequence[Rule]) -> ir.BooleanValue:
    """Whether each row breaks no rule that costs the row, but loses cells: to a rule, or for they cannot be read."""
    cells = any_broken(staged, rules, cells=True) | staged[UNPARSED].notnull()
    return ~any_broken(staged, rules, cells=False) & cells


def staged_schema(table: Table, rules: Sequence[Rule]) -> pa.Schema:
    """Schema of the rows with their masks."""
    return pa.schema([*table.schema, *LANDED, *((word, pa.int64()) for word in words_of(rules))])


def words_of(rules: Sequence[Rule]) -> list[str]:
    """Names of the columns that hold the masks."""
    return [_word(first) for first in range(0, len(rules), _WORD)]


def nulled(staged: ir.Table, rules: Sequence[Rule]) -> dict[str, ir.Value]:
    """Columns of which single cells are nulled, as they are then."""
    bad: dict[str, ir.BooleanValue] = {}
    for index, rule in enumerate(rules):
        if rule.cell is not None:
            bad[rule.cell] = bad.get(rule.cell, ibis.literal(False)) | broken(staged, index)
    return {name: ibis.ifelse(wrong, ibis.null(staged[name].type()), staged[name]) for name, wrong in bad.items()}


def reason_text(staged: ir.Table, rules: Sequence[Rule], doubled: ir.BooleanValue) -> ir.StringValue:
    """Names of the rules each row breaks, each with a semicolon."""
    text: ir.StringValue = ibis.ifelse(doubled, "duplicate;", "")
    for index, rule in enumerate(rules):
        if rule.warns:
            continue
        name: Any = rule.reason
        if rule.reason == "mistyped":
            name = ibis.literal("mistyped:") + staged[MISTYPED].fill_null("")
        text = text + ibis.ifelse(broken(staged, index), name + ibis.literal(";"), "")
    return text


def reason_counts(rules: Sequence[Rule], totals: Mapping[str, int]) -> dict[str, int]:
    """Quarantined rows by rule."""
    counts: dict[str, int] = {}
    for index, rule in enumerate(rules):
        if rule.costs_row:
            counts[rule.reason] = totals[f"rule_{index}"]
    return counts


def place_of(rows: ir.Table) -> ir.StringValue:
    """Text that sorts as the records landed: by batch, object and row."""
    return rows[BATCH].cast("string").lpad(12, "0") + "#" + rows[OBJECT] + "#" + rows[ROW].cast("string").lpad(12, "0")


def _word(index: int) -> str:
    return f"{_MASK}{index // _WORD}"


def _bit(index: int) -> ir.IntegerScalar:
    return ibis.literal(1 << (index % _WORD), "int64")


def _later(rule: Rule) -> bool:
    """Whether its bit is set later, by `judging.by_value`."""
    return rule.check is not None and rule.check.by_value


def _suspect(parsed: ir.Table, table: Table, rules: Sequence[Rule]) -> ir.BooleanValue:
    """Whether each row may break one of the rules."""
    checks = [rule.check for rule in rules if rule.check is not None]
    others = [rule.reason.partition(":")[2] for rule in rules if rule.check is None]
    lacking = [parsed[column].isnull() if column else parsed[MISTYPED].notnull() for column in others]
    return reduce(or_, lacking, suspects(parsed, table, checks))


def _breaks(parsed: ir.Table, table: Table, rule: Rule) -> ir.BooleanValue:
    if rule.check is not None:
        return rule.check.fails(parsed, table)
    if rule.reason == "mistyped":
        return parsed[MISTYPED].notnull()
    column = rule.reason.removeprefix("missing:")
    # a required cell that could not be read is mistyped, not missing; so are all of a record that could not
    mistyped = "," + parsed[MISTYPED].fill_null("") + ","
    named = mistyped.contains(f",{column},") | mistyped.contains(f",{column}: ")
    listed = named | mistyped.contains(",@record")
    return parsed[column].isnull() & ~listed
