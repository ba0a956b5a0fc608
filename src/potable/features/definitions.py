"""One definition against one table: types, clauses and operators of a single output.

Everything wrong is noted in the scope of the draft; what comes back is only used when nothing was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from potable.errors import did_you_mean
from potable.features.aggregates import AGGREGATES, Aggregate
from potable.features.expressions import UNKNOWN, Kind, Scope, Type, as_date, common, literal_type, resolve, unordered
from potable.features.plan import BUILT_IN, DERIVED, Feature, OutputOperator, Recipe, Step
from potable.features.scopes import IDENTITY, identity, lost_identity, time_reads
from potable.features.tree import Expression, Literal, Name, OperatorCall, Parsed, columns_before, names_in
from potable.features.windows import Offset, Window
from potable.tables import WHICH, Column, Table

_BACKWARD = ("days_since", "months_since", "value")
_CURRENT = "this table keeps no history (its source declares no `time`)"


@dataclass(frozen=True)
class Draft:
    """A parsed definition with what is needed to resolve it."""

    name: str
    description: str
    parsed: Parsed
    scope: Scope
    operators: Mapping[str, OutputOperator]


@dataclass(frozen=True)
class Reads:
    """What an output depends on."""

    columns: frozenset[tuple[str, str]]
    outputs: frozenset[str] = frozenset()


def table_feature(draft: Draft, name: str, table: Table, *, label: bool) -> Feature:
    """A feature or label computed from the rows of a table."""
    parsed, scope = draft.parsed, draft.scope
    aggregate = parsed.aggregate or "value"
    spec = AGGREGATES[aggregate]
    _check_table(draft, spec, table, label=label)
    (_check_label if label else _check_feature)(draft)
    argument, argument_type = _argument(draft, aggregate, spec)
    where = _condition(parsed.where, scope)
    if table.time is not None and aggregate == "value" and not label and not scope.problems:
        scope.fail(0, "this table keeps history, so aggregate its rows, or choose one such as `latest(…)`")
    raw = (spec.result or argument_type or UNKNOWN).output
    otherwise = _otherwise(draft, raw)
    steps, final = _operators(draft, raw)
    ordered = spec.at or parsed.last or parsed.first or columns_before(argument) or columns_before(where)
    _check_kept(draft, table, ordered=bool(ordered) and table.time is not None)
    columns = (names_in(argument) | names_in(where)) - set(BUILT_IN)
    if ordered and table.order:
        columns.add(table.order)
    reads = frozenset((name, column) for column in columns) | time_reads(name, table)
    recipe = Recipe(
        aggregate,
        argument,
        argument_type,
        where,
        _window(parsed, label=label),
        label,
        parsed.last,
        parsed.first,
        otherwise,
        raw,
        steps,
    )
    return _feature(draft, name, final, Reads(reads), recipe)


def derived_feature(draft: Draft, tenure_reads: frozenset[tuple[str, str]]) -> Feature:
    """A feature computed from other outputs of the same row."""
    parsed, scope = draft.parsed, draft.scope
    for clause, at in parsed.places.items():
        if clause != "otherwise":
            scope.fail(at, "this clause needs the rows of a table; a derived feature only reads other outputs")
    assert parsed.argument is not None
    argument, type_ = resolve(parsed.argument, scope)
    raw = type_.output
    if raw.kind == "null":
        scope.fail(0, "this expression is always null")
    otherwise = _otherwise(draft, raw)
    steps, final = _operators(draft, raw)
    names = names_in(argument)
    tenure = bool(names & (set(BUILT_IN) - {"as_of"}))
    recipe = Recipe(None, argument, type_, None, Window(None, Offset()), False, None, None, otherwise, raw, steps)
    outputs = frozenset(names - set(BUILT_IN))
    return _feature(draft, DERIVED, final, Reads(tenure_reads if tenure else frozenset(), outputs), recipe)


def _feature(draft: Draft, table: str, type_: Type, reads: Reads, recipe: Recipe) -> Feature:
    return Feature(
        draft.name,
        table,
        draft.parsed.text,
        draft.description,
        type_,
        reads.columns,
        reads.outputs,
        tuple(step.operator for step in recipe.steps),
        recipe.forward,
        recipe,
    )


def _window(parsed: Parsed, *, label: bool) -> Window:
    if label:
        return Window(Offset.of(parsed.after), Offset.of(parsed.after, parsed.ahead))
    start = Offset.of(parsed.before, parsed.within, sign=-1) if parsed.within else None
    return Window(start, Offset.of(parsed.before, sign=-1))


def _check_table(draft: Draft, spec: Aggregate, table: Table, *, label: bool) -> None:
    """Aggregates need history, values need its absence."""
    parsed, scope = draft.parsed, draft.scope
    is_value = spec is AGGREGATES["value"]
    if table.time is None and not is_value:
        allowed = "`value(column)` or an expression of columns declared `static`"
        scope.fail(0, f"{_CURRENT}, so `{parsed.aggregate}` cannot look back in time", allowed=allowed, about="time")
    if table.time is None and is_value:
        for clause in ("last", "first", "within", "ahead", "before", "after"):
            if clause in parsed.places:
                scope.fail(parsed.places[clause], f"{_CURRENT}, so it has no windows and no order of time")
    if label and not (table.coverage and table.coverage[1]):
        scope.fail(
            parsed.places["table"],
            "the label's table must declare `coverage` with a last day; otherwise it is unknown whether a window "
            "runs past the data",
            about="coverage",
        )


def _check_feature(draft: Draft) -> None:
    parsed, scope = draft.parsed, draft.scope
    messages = {
        "ahead": "features look back; `in next` is only for labels",
        "after": "`after` is only for labels; use `before` for features",
        "table": "a feature reads the table it is declared under, so `from` is only for labels",
    }
    for clause, message in messages.items():
        if clause in parsed.places:
            scope.fail(parsed.places[clause], message)
    _check_both_ends(draft)


def _check_label(draft: Draft) -> None:
    parsed, scope = draft.parsed, draft.scope
    if parsed.ahead is None:
        scope.fail(len(parsed.text), "a label looks forward: `in next DUR`")
    for clause in ("within", "before"):
        if clause in parsed.places:
            scope.fail(parsed.places[clause], "a label looks forward; use `in next DUR` and `after DUR`")
    if parsed.aggregate is None or parsed.aggregate in _BACKWARD:
        scope.fail(0, "a label must be an aggregate over a window in the future, such as `any()`")
    _check_both_ends(draft)


def _check_both_ends(draft: Draft) -> None:
    places = draft.parsed.places
    if "last" in places and "first" in places:
        draft.scope.fail(max(places["last"], places["first"]), "`last N` and `first N` cannot be combined")


def _check_kept(draft: Draft, table: Table, *, ordered: bool) -> None:
    """The columns that tell records apart and order them must be in the protected zone."""
    if problem := lost_identity(table):
        draft.scope.fail(0, problem, about=IDENTITY)
    needed = [*(identity(table) if table.time else ()), *([table.order] if ordered and table.order else [])]
    for column in (name for name in needed if name != WHICH):
        declared = table.columns[column]
        if declared.key or (column not in draft.scope.names and column in draft.scope.refused):
            orders = column == table.order
            role = "orders its records" if orders else "identifies its records"
            message = f"`{column}` {role}, so it must be kept: {draft.scope.refused[column]}"
            draft.scope.fail(0, message, hint=_to_keep(column, declared, orders=orders), about=f"kept {column}")


def _to_keep(name: str, column: Column, *, orders: bool) -> str:
    """What to do about a column that is needed and not in the protected zone."""
    other = "another column as `order`" if orders else f"`unique` without `{name}`, if other columns identify a record,"
    if column.key or column.category is None:
        return f"declare {other} in its source"
    return (
        f"declare {other} in its source; or give `{name}` a category that is kept (`none`, if it numbers records and"
        f" not people), or `{column.category}` the rule `protect: keep` in privacy.yaml (which no direct identifier may"
        " have)"
    )


def _argument(draft: Draft, name: str, spec: Aggregate) -> tuple[Expression | None, Type | None]:
    parsed, scope = draft.parsed, draft.scope
    if parsed.argument is None:
        if spec.argument not in ("none", "optional"):
            scope.fail(0, f"`{name}` needs an argument: `{spec.example}`")
        return None, None
    argument, type_ = resolve(parsed.argument, scope)
    at, kind = parsed.argument.at, type_.kind
    if spec.argument == "none":
        scope.fail(at, f"`{name}()` takes no argument; choose rows with `where`")
    wanted = "boolean" if name == "any" else spec.argument
    fits: Mapping[str, bool] = {
        "number": type_.number,
        "boolean": kind == "boolean",
        "ordered": kind not in ("boolean", "null"),
    }
    if kind != "unknown" and not fits.get(wanted, kind != "null"):
        hint = _fitting(parsed.argument, type_, spec, scope)
        scope.fail(at, f"`{name}` needs a value of type {wanted}, but this is {kind}", hint=hint)
    if spec.argument == "ordered":
        unordered([parsed.argument], scope)
    return argument, type_


def _fitting(argument: Expression, type_: Type, spec: Aggregate, scope: Scope) -> str:
    """What might be meant by an argument of another type."""
    if spec.argument in ("boolean", "optional"):
        return f"write a condition, such as `{spec.example}`"
    if type_.kind in ("date", "timestamp"):
        return "`days_between(…, as_of)` makes a number of it"
    if isinstance(argument, Name) and (words := scope.levels.get(argument.name)):
        return f"use `level({argument.name})`, the rank from 1 for `{words[0]}` to {len(words)} for `{words[-1]}`"
    return "`latest(…)`, `first(…)`, `mode(…)` and `distinct(…)` take any value"


def _condition(where: Expression | None, scope: Scope) -> Expression | None:
    if where is None:
        return None
    condition, type_ = resolve(where, scope)
    if type_.kind not in ("boolean", "unknown"):
        scope.fail(where.at, f"the condition must be true or false, but it is {type_.kind}")
    return condition


def _otherwise(draft: Draft, raw: Type) -> Literal | None:
    literal = draft.parsed.otherwise
    if literal is None or raw == UNKNOWN:
        return literal
    made, type_ = literal, literal_type(literal.value)
    if raw.kind in ("date", "timestamp"):
        made, type_ = as_date(literal, type_, draft.scope)  # type: ignore[assignment]
    if type_.kind == "null" or common(raw, type_) != raw:
        draft.scope.fail(literal.at, f"`else` gives a value of type {type_.kind}, but the feature is {raw.kind}")
    return made


def _operators(draft: Draft, raw: Type) -> tuple[tuple[Step, ...], Type]:
    steps: list[Step] = []
    current = raw
    for call in draft.parsed.operators:
        operator = draft.operators.get(call.name)
        if operator is None:
            known = sorted(draft.operators)
            hint = did_you_mean(call.name, known)
            message = f"there is no operator `{call.name}`"
            draft.scope.fail(call.at, message, code="P031", hint=hint, allowed=", ".join(known))
            return (), UNKNOWN
        arguments = _bound(call, operator, draft.scope)
        if current != UNKNOWN and current.kind not in operator.accepts:
            allowed = ", ".join(sorted(operator.accepts))
            draft.scope.fail(call.at, f"`{call.name}` does not accept a value of type {current.kind}", allowed=allowed)
        elif problem := operator.problem(arguments, current.kind):
            draft.scope.fail(call.at, f"`{call.name}`: {problem}", hint=f"such as `{operator.example}`")
        elif not steps:
            _check_words(draft, call, arguments.get("map", arguments if "*" in operator.arguments else {}))
        steps.append(Step(call.name, arguments))
        gives: Kind = current.kind if operator.gives == "same" else operator.gives  # type: ignore[assignment]
        current = UNKNOWN if current == UNKNOWN else Type(gives)
    return tuple(steps), current


def _check_words(draft: Draft, call: OperatorCall, named: object) -> None:
    """Words that an operator gives others for must be among the column's declared levels."""
    column = draft.parsed.argument
    levels = draft.scope.levels.get(column.name, ()) if isinstance(column, Name) else ()
    for word in named if levels and isinstance(named, Mapping) else ():
        if word not in levels:
            problem = f"`{call.name}`: `{word}` is not one of the column's levels"
            draft.scope.fail(call.at, problem, hint=did_you_mean(word, levels), allowed=", ".join(levels))


def _bound(call: OperatorCall, operator: OutputOperator, scope: Scope) -> Mapping[str, object]:
    """The arguments by name; the first may be given without its name."""
    bound: dict[str, object] = {}
    for index, (name, value) in enumerate(call.arguments):
        known = list(operator.arguments)
        if name is None and (index > 0 or not known or known[0] == "*"):
            scope.fail(
                call.at, f"`{call.name}`: write this argument as `name=value`", hint=f"such as `{operator.example}`"
            )
            continue
        key = known[0] if name is None else name
        if "*" not in known and key not in known:
            hint = did_you_mean(key, known)
            scope.fail(call.at, f"`{call.name}` has no argument `{key}`", hint=hint, allowed=", ".join(known))
        elif key in bound:
            scope.fail(call.at, f"`{call.name}`: `{key}` is given twice")
        bound[key] = value
    return bound
