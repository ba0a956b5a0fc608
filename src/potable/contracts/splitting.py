"""Splits judged rows into those that keep the contract, the quarantine, and the originals of rows that lose cells.

What is deleted, and what is written where, belongs to `validate`. Entry: `split_up`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from potable.contracts.deletions import REASONS
from potable.contracts.masks import Rule, any_broken, nulled, reason_text, touched
from potable.tables import OBJECT, ORIGIN, ROW, UNPARSED, Table


@dataclass(frozen=True)
class Split:
    """The rows of a table by what becomes of them."""

    rows: ir.Table
    quarantine: ir.Table
    cells: ir.Table
    """Originals of rows with nulled cells."""
    deleted: ir.Table | None = None
    rewritten: bool = False
    """Whether `rows` has those that stood and stay, too."""


def split_up(table: Table, staged: ir.Table, rules: Sequence[Rule], duplicates: ir.Table | None) -> Split:
    """Rows that keep the contract, rows that do not, and originals of rows with nulled cells.

    Args:
        duplicates: origins of rows whose key another has; None where there are none.
    """
    doubled: ir.BooleanValue = ibis.literal(False)
    if duplicates is not None:
        marked = duplicates.mutate(_double=ibis.literal(True))
        joined = staged.left_join(marked, [OBJECT, ROW])
        staged = joined.select(*staged.columns, _double=joined["_double"].fill_null(False))
        doubled = staged["_double"]
    failed = any_broken(staged, rules, cells=False) | doubled
    originals = staged.mutate(**{REASONS: reason_text(staged, rules, doubled)})
    names = [*table.schema.names, *ORIGIN.names]
    return Split(
        staged.filter(~failed).mutate(**nulled(staged, rules)).select(names),
        originals.filter(failed).select(*names, UNPARSED, REASONS),
        originals.filter(~doubled & touched(staged, rules)).select(*names, UNPARSED, REASONS),
    )
