"""k-anonymity of a table: how many rows share their combination of quasi-identifiers.

Definition by Samarati and Sweeney, "Protecting privacy when disclosing information: k-anonymity and its
enforcement through generalization and suppression", 1998. `suppress` is their suppression made local: the
cells of small classes become null, no row is lost. A class of nulls is a class like any other.

Entry: `measure` and `suppress`; `empty_rows` tells what that cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from potable.engines.base import Engine, scalars

if TYPE_CHECKING:
    import ibis.expr.types as ir

_SIZE = "_size"
_BEFORE = "_before"
_HIDDEN = "_hidden"


@dataclass(frozen=True)
class Anonymity:
    """How anonymous a table is with regard to some columns."""

    k: int
    """Rows of the smallest class; 0 for an empty table."""
    classes: int
    rows_below: int
    """Rows in classes smaller than was asked for."""


def measure(relation: ir.Table, columns: Sequence[str], *, k: int, engine: Engine) -> Anonymity:
    """The k-anonymity of `relation` with regard to `columns`.

    Args:
        relation: the table.
        columns: quasi-identifiers.
        k: the size below which a class is counted in `rows_below`.
        engine: runs it.
    """
    classes = _classes(relation, columns)
    below = (classes[_SIZE] < k).ifelse(classes[_SIZE], 0)
    found = scalars(engine, classes.agg(k=classes[_SIZE].min(), classes=classes.count(), below=below.sum()))
    return Anonymity(int(found["k"] or 0), int(found["classes"]), int(found["below"] or 0))


def suppress(relation: ir.Table, columns: Sequence[str], *, k: int, also: Sequence[str] = ()) -> ir.Table:
    """`relation` with `columns`, and `also`, null in the rows of every class of `columns` smaller than `k`.

    Where all suppressed rows together are fewer than `k`, the next smallest classes join them until they
    are not (or nothing is left: a table of fewer than `k` rows can not become k-anonymous). Which class is
    next is settled by its size, then by its values. Columns, their order and the number of rows stay.
    """
    import ibis

    hidden = _hidden(_classes(relation, columns), columns, k)
    renamed = hidden.rename({f"_class_{index}": name for index, name in enumerate(columns)})
    same = [relation[name].identical_to(renamed[f"_class_{index}"]) for index, name in enumerate(columns)]
    joined = relation.left_join(renamed, same)
    emptied = {
        name: ibis.ifelse(ibis._[_HIDDEN], ibis.null(relation[name].type()), ibis._[name]) for name in (*columns, *also)
    }
    return joined.mutate(**emptied).select(*relation.columns)


def empty_rows(relation: ir.Table, columns: Sequence[str], engine: Engine) -> int:
    """Rows in which all of `columns` are null."""
    import ibis

    empty = relation.filter(ibis.and_(*(relation[name].isnull() for name in columns)))
    return int(scalars(engine, empty.agg(n=empty.count()))["n"])


def _classes(relation: ir.Table, columns: Sequence[str]) -> ir.Table:
    """One row per combination, with its number of rows."""
    return relation.group_by(list(columns)).agg(**{_SIZE: relation.count()})


def _hidden(classes: ir.Table, columns: Sequence[str], k: int) -> ir.Table:
    """The classes, with whether their columns are suppressed."""
    import ibis

    empty = ibis.and_(*(classes[name].isnull() for name in columns))
    size = classes[_SIZE]
    order = [empty.desc(), size, *(key for name in columns for key in (classes[name].isnull(), classes[name]))]
    # the class that is empty already comes first: suppressed rows join it
    before = ibis.window(order_by=order, rows=(None, 0))
    known = classes.mutate(
        **{
            _BEFORE: size.sum().over(before) - size,
            "_small": (size < k).any().over(ibis.window()),
        }
    )
    joins = (known[_SIZE] < k) | (known["_small"] & (known[_BEFORE] < k))
    return known.select(*columns, **{_HIDDEN: joins})
