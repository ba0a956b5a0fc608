"""Checks by a SQL query that returns the rows nobody expects; only how many come back is ever told.

A query is one SELECT over the rows of its table, which it calls `{batch}`. It is read in standard SQL, written anew in
the dialect of the engine, and may read nothing else: no other table, no function that returns one, no clock and no
dice, on which a finished step must not depend.

Entry: `problem_of` when the project is read, `unexpected_rows` when it runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from typing import TYPE_CHECKING

import ibis

from potable.contracts.aggregates import Arguments, Finding, Whole
from potable.engines.base import scalars
from potable.engines.patterns import both
from potable.errors import PotableError, ProjectError

if TYPE_CHECKING:
    from sqlglot import exp

BATCH = "_rows_of_the_table"
"""What a query calls the rows in place of `{batch}`."""
_PLACE = "{batch}"


def problem_of(query: str, columns: Collection[str]) -> str:
    """What a query should be that it is not; empty when it may run.

    Args:
        columns: those of the table.
    """
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.qualify import qualify

    if _PLACE not in query:
        return "a SQL query that reads from `{batch}`"
    try:
        tree = _read(query)
        if said := next(_refused(tree), ""):
            return f"one SELECT over `{{batch}}` alone, {said}"
        qualify(tree, schema={BATCH: dict.fromkeys(columns, "text")}, validate_qualify_columns=True)
    except SqlglotError as failure:
        return f"a SQL query, but it is not valid: {_said(failure)}"
    except RecursionError:
        return "a SQL query, but it is nested too deeply"
    return ""


def unexpected_rows(whole: Whole, a: Arguments) -> Finding:
    """No row comes back.

    Raises:
        ProjectError: P020, the engine refuses the query, as where types do not fit.
    """
    import ibis.expr.operations as ops

    rows = whole.rows
    query = _read(a["unexpected_rows_query"]).sql(dialect=rows.get_backend().dialect)
    counted = f"SELECT COUNT(*) AS n FROM ({query}) AS q"
    view = ops.SQLStringView(rows.alias(BATCH).op(), counted, ibis.schema({"n": "int64"})).to_expr()
    try:
        count = scalars(whole.engine, view)["n"]
    except PotableError as failure:
        if failure.code != "X001":
            raise
        raise ProjectError(
            "the query of an `unexpected_rows_expectation` cannot be run",
            "P020",
            hint="compare values with values of their column's type, and write casts where they differ",
            allowed="standard SQL over the columns of the contract, with their types",
        ) from None
    return Finding(count == 0, count, False, {"unexpected_count": count})


def _read(query: str) -> exp.Expression:
    import sqlglot

    found = [tree for tree in sqlglot.parse(query.replace(_PLACE, BATCH)) if tree is not None]
    if len(found) != 1:
        raise sqlglot.errors.SqlglotError("it is not one statement")
    for pattern in _patterns(found[0]):
        # what engines read alike in place of what they may not
        pattern.set("this", both(pattern.this) or pattern.this)
    return found[0]


def _patterns(tree: exp.Expression) -> Iterator[exp.Literal]:
    """The regular expressions of a query that are written in it."""
    from sqlglot import exp

    for search in tree.find_all(exp.RegexpLike, exp.RegexpExtract, exp.RegexpReplace):
        if isinstance(search.expression, exp.Literal) and search.expression.is_string:
            yield search.expression


def _refused(tree: exp.Expression) -> Iterator[str]:
    from sqlglot import exp
    from sqlglot.optimizer.scope import traverse_scope

    if not isinstance(tree, exp.Query) or tree.find(exp.Into, exp.Lock, exp.DDL, exp.DML, exp.Command):
        yield "which returns rows and changes nothing"
        return
    functions = (table for table in tree.find_all(exp.Table) if not isinstance(table.this, exp.Identifier))
    # a name that WITH defines is a table of others still inside of its own definition, and before it
    sources = (source for scope in traverse_scope(tree) for source in scope.sources.values())
    tables = (source for source in sources if isinstance(source, exp.Table) and (source.db or source.name != BATCH))
    for table in chain(functions, tables):
        yield f"but it reads from `{table.sql()}`"
    if found := tree.find(
        exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime, exp.CurrentDatetime, exp.Rand, exp.Uuid
    ):
        yield f"but it asks for `{found.sql()}`, which is another one tomorrow"


def _said(failure: Exception) -> str:
    """The first line of what is wrong, without colours and without our own name for the rows."""
    errors = getattr(failure, "errors", None)
    text = str(errors[0].get("description") if errors else failure).split("\n")[0]
    return text.replace(BATCH, _PLACE).rstrip(".")
