"""The SQL DuckDB is asked in: as Ibis writes it, but that conditions of aggregates stand inside of them.

With `FILTER`, DuckDB hands every aggregate a selection of all that any of them asks for, so a query takes time by the
square of their number: 150 counts of a million rows take 2.7 s, and 0.1 s with each condition inside of its count.
"""

from __future__ import annotations

from typing import Any

import sqlglot.expressions as sge
from ibis.backends.sql.compilers.base import STAR, AggGen
from ibis.backends.sql.compilers.duckdb import DuckDBCompiler

_PASSING_NULLS = frozenset({"count", "sum", "avg", "min", "max", "bool_and", "bool_or", "percentile_cont"})
"""Aggregates that take no notice of nulls, so that rows they are not asked about can be nulls."""


class _Aggregates(AggGen):  # type: ignore[misc]
    """Conditions inside of aggregates."""

    __slots__ = ()

    def aggregate(self, compiler: Any, name: str, *args: Any, where: Any = None, order_by: tuple[Any, ...] = ()) -> Any:
        """The aggregate `name` of `args`, over the rows of which `where` is true."""
        if where is None or order_by or name not in _PASSING_NULLS:
            return super().aggregate(compiler, name, *args, where=where, order_by=order_by)
        first, *others = args
        if isinstance(first, sge.Distinct):
            only = sge.Distinct(expressions=[sge.If(this=where, true=each) for each in first.expressions])
        else:
            only = sge.If(this=where, true=sge.convert(1) if first is STAR else first)
        return compiler.f[name](only, *others)


class Compiler(DuckDBCompiler):  # type: ignore[misc]
    """Ibis' own, with such aggregates."""

    __slots__ = ()
    agg = _Aggregates(supports_filter=True, supports_order_by=True)
