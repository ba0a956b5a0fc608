"""Types of the feature language and its closed set of functions; nothing here touches data.

`resolve` turns an expression as written into one whose names, types and literals are right, collecting
everything that is wrong. Numbers are exact (integers, decimals with a scale) or float. How a resolved
expression is computed belongs to `evaluate`, function by function.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Literal as OneOfTypes

from potable.errors import did_you_mean
from potable.features.functions import ELSEWHERE, FUNCTIONS
from potable.features.tree import Binary, Call, Expression, Literal, Name, OneOf, Unary
from potable.tables import Column

Kind = OneOfTypes["integer", "decimal", "float", "string", "boolean", "date", "timestamp", "null", "unknown"]

EXACT_DIGITS = 18
"""Decimals up to this precision are computed as 64-bit integers of their smallest unit."""
EXACT_SCALE = 9
"""A product with more decimals than this becomes a float."""


@dataclass(frozen=True)
class Type:
    """Kind of a value; decimals have a scale."""

    kind: Kind
    scale: int = 0

    @property
    def exact(self) -> bool:
        """Whether values are whole multiples of a power of ten."""
        return self.kind in ("integer", "decimal")

    @property
    def number(self) -> bool:
        """Whether one can calculate with it."""
        return self.exact or self.kind == "float"

    @property
    def output(self) -> Type:
        """The type it leaves a feature with: decimals become floats, exactly rounded."""
        return FLOAT if self.kind == "decimal" else self


INTEGER, FLOAT, STRING = Type("integer"), Type("float"), Type("string")
BOOLEAN, DATE, TIMESTAMP = Type("boolean"), Type("date"), Type("timestamp")
NULL, UNKNOWN = Type("null"), Type("unknown")


def column_type(column: Column) -> Type:
    """Type of a declared column."""
    import pyarrow as pa

    if pa.types.is_decimal(column.arrow):
        return Type("decimal", column.arrow.scale)
    kinds: Mapping[str, Kind] = {
        "string": "string", "integer": "integer", "float": "float",
        "boolean": "boolean", "date": "date", "timestamp": "timestamp",
    }  # fmt: skip
    return Type(kinds[column.type])


def common(left: Type, right: Type) -> Type | None:
    """The type both can take, or None."""
    if left == right or right.kind in ("null", "unknown"):
        return left
    if left.kind in ("null", "unknown"):
        return right
    if left.number and right.number:
        exact = left.exact and right.exact
        return decimal(max(left.scale, right.scale)) if exact else FLOAT
    if {left.kind, right.kind} == {"date", "timestamp"}:
        return TIMESTAMP
    return None


def decimal(scale: int) -> Type:
    """The exact number type with this many decimals."""
    return Type("decimal", scale) if scale else INTEGER


def arithmetic(operator: str, left: Type, right: Type) -> Type:
    """Type of `left operator right` for two numbers."""
    if operator == "/" or not (left.exact and right.exact):
        return FLOAT
    scale = left.scale + right.scale if operator == "*" else max(left.scale, right.scale)
    return decimal(scale) if scale <= EXACT_SCALE else FLOAT


_CLASSES: Mapping[str, tuple[str, ...]] = {
    "number": ("integer", "decimal", "float"),
    "text": ("string",),
    "boolean": ("boolean",),
    "time": ("date", "timestamp"),
    "timestamp": ("timestamp",),
}


_MANY, _FEW = 30, 10
"""More names than this are not listed in a message; so many of them are."""


@dataclass(frozen=True)
class Problem:
    """Something wrong at an offset of a text."""

    at: int
    code: str
    message: str
    hint: str = ""
    allowed: str = ""
    about: str = ""
    """What of the table it is about, so that it is told once for all its outputs; empty where it is of the text."""


@dataclass
class Scope:
    """The names an expression may use, and what was found wrong with it."""

    names: Mapping[str, Type]
    place: str
    """What the names belong to, for messages: "table `payroll.payslips`"."""
    levels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    """Names that exist but may not be used here, and why."""
    aggregates: Mapping[str, object] = field(default_factory=dict)
    """Aggregate names, to explain one that stands inside an expression."""
    unordered: str = "`previous` needs the records of a table: use it in a feature of one"
    """Why there is no record before; empty where there is one."""
    problems: list[Problem] = field(default_factory=list)

    def fail(
        self, at: int, message: str, *, code: str = "P032", hint: str = "", allowed: str = "", about: str = ""
    ) -> Type:
        """Note a problem; the result fits everywhere, so that one mistake is told once."""
        self.problems.append(Problem(at, code, message, hint, allowed, about))
        return UNKNOWN


def resolve(expression: Expression, scope: Scope) -> tuple[Expression, Type]:
    """The expression with its literals in their final types, and its type.

    Problems are noted in `scope`; the type of what is wrong is unknown.
    """
    match expression:
        case Literal(value):
            return expression, literal_type(value)
        case Name():
            return expression, _name(expression, scope)
        case Call():
            return _call(expression, scope)
        case Unary():
            return _unary(expression, scope)
        case Binary():
            return _binary(expression, scope)
        case OneOf():
            return _one_of(expression, scope)
    inner, _ = resolve(expression.value, scope)
    return replace(expression, value=inner), BOOLEAN


def literal_type(value: object) -> Type:
    """Type of a literal's value."""
    if value is None:
        return NULL
    if isinstance(value, Decimal):
        return decimal(-int(value.as_tuple().exponent))
    for kind, type_ in ((bool, BOOLEAN), (int, INTEGER), (str, STRING), (datetime, TIMESTAMP), (date, DATE)):
        if isinstance(value, kind):
            return type_
    raise AssertionError(type(value))


def _name(name: Name, scope: Scope) -> Type:
    if name.name in scope.names:
        return scope.names[name.name]
    if reason := scope.refused.get(name.name):
        return scope.fail(name.at, reason)
    return scope.fail(
        name.at,
        f"`{name.name}` does not exist in {scope.place}",
        code="P031",
        hint=did_you_mean(name.name, scope.names),
        allowed=_nearest(name.name, scope.names),
    )


def _nearest(word: str, names: Collection[str]) -> str:
    """All names, or of many those that are most like `word`."""
    if len(names) <= _MANY:
        return ", ".join(sorted(names))
    nearest = get_close_matches(word, sorted(names), n=_FEW, cutoff=0)
    return ", ".join(sorted(nearest)) + f" and {len(names) - len(nearest)} more"


def _wanted(type_: Type, kind: str, at: int, scope: Scope, what: str) -> None:
    allowed = _CLASSES[kind]
    if type_.kind not in (*allowed, "null", "unknown"):
        scope.fail(at, f"{what} must be {kind}, but it is {type_.kind}", allowed=", ".join(allowed))


def _call(call: Call, scope: Scope) -> tuple[Expression, Type]:
    function = FUNCTIONS.get(call.function)
    if function is None:
        return call, _unknown_function(call, scope)
    if call.function == "level":
        return _level(call, scope)
    if call.function == "previous":
        return call, _previous(call, scope)
    count, wanted = len(call.arguments), len(function.parameters)
    if count != wanted and not (function.many and count > wanted):
        at_least = "at least " if function.many else ""
        return call, scope.fail(call.at, f"`{call.function}` takes {at_least}{wanted} argument(s), not {count}")
    pairs = [resolve(argument, scope) for argument in call.arguments]
    kinds = [*function.parameters, *[function.parameters[-1]] * (count - wanted)]
    pairs = [as_date(*pair, scope) if kind == "time" else pair for pair, kind in zip(pairs, kinds, strict=True)]
    for (_, type_), kind, argument in zip(pairs, kinds, call.arguments, strict=True):
        if kind != "any":
            _wanted(type_, kind, argument.at, scope, f"this argument of `{call.function}`")
    agreed = [index for index, kind in enumerate(kinds) if kind == "any"]
    shared, arguments = _agree([pairs[index] for index in agreed], call, scope)
    if call.function in ("greatest", "least"):
        unordered(call.arguments, scope)
    resolved = [pair[0] for pair in pairs]
    for index, argument in zip(agreed, arguments, strict=True):
        resolved[index] = argument
    results = {"first": pairs[0][1], "common": shared}
    result = results.get(function.result) or Type(function.result)  # type: ignore[arg-type]
    return replace(call, arguments=tuple(resolved)), result


def _unknown_function(call: Call, scope: Scope) -> Type:
    if call.function in scope.aggregates:
        return scope.fail(
            call.at,
            f"`{call.function}` is an aggregate; it can only be the first word of a table's feature",
            hint="give the aggregate a name as a feature there, and calculate with that name under `derived`",
        )
    leads = call.at == 0 and not scope.unordered
    known = [*FUNCTIONS, *(scope.aggregates if leads else ())]
    said = ELSEWHERE.get(call.function.lower())
    return scope.fail(
        call.at,
        f"there is no function `{call.function}`",
        code="P031",
        hint=f"write {said}" if said else did_you_mean(call.function, known),
        allowed=", ".join(sorted(known)),
    )


def _level(call: Call, scope: Scope) -> tuple[Expression, Type]:
    if len(call.arguments) != 1 or (column := _worded(call.arguments[0])) is None:
        return call, scope.fail(call.at, "`level` takes exactly one column")
    argument, type_ = resolve(call.arguments[0], scope)
    words = scope.levels.get(column.name, ())
    if not words and type_.kind != "unknown":
        return call, scope.fail(column.at, f"the source of `{column.name}` declares no `levels` for it")
    return replace(call, arguments=(argument, *map(Literal, words))), INTEGER


def _previous(call: Call, scope: Scope) -> Type:
    if scope.unordered:
        return scope.fail(call.at, scope.unordered)
    if len(call.arguments) != 1 or not isinstance(call.arguments[0], Name):
        return scope.fail(call.at, "`previous` takes exactly one column", hint="such as `x != previous(x)`")
    if call.arguments[0].name == "as_of":
        return scope.fail(call.at, "`as_of` is the same for all records")
    return _name(call.arguments[0], scope)


def _worded(expression: Expression) -> Name | None:
    """The column whose words an expression gives as they are."""
    if isinstance(expression, Call) and expression.function == "previous" and len(expression.arguments) == 1:
        (expression,) = expression.arguments
    return expression if isinstance(expression, Name) else None


def _unary(unary: Unary, scope: Scope) -> tuple[Expression, Type]:
    inner, type_ = resolve(unary.operand, scope)
    kind = "boolean" if unary.operator == "not" else "number"
    _wanted(type_, kind, unary.operand.at, scope, f"the operand of `{unary.operator}`")
    return replace(unary, operand=inner), BOOLEAN if unary.operator == "not" else type_


def _binary(binary: Binary, scope: Scope) -> tuple[Expression, Type]:
    left, right = _compared([binary.left, binary.right], scope)
    operator = binary.operator
    if operator in ("and", "or"):
        for (_, type_), side in ((left, binary.left), (right, binary.right)):
            _wanted(type_, "boolean", side.at, scope, f"a side of `{operator}`")
        return replace(binary, left=left[0], right=right[0]), BOOLEAN
    if operator in ("+", "-", "*", "/"):
        for (_, type_), side in ((left, binary.left), (right, binary.right)):
            if type_.kind in _CLASSES["time"]:
                hint = "`days_between(start, end)` gives the days between two dates; compare these"
                return binary, scope.fail(side.at, f"`{operator}` cannot calculate with a {type_.kind}", hint=hint)
            _wanted(type_, "number", side.at, scope, f"a side of `{operator}`")
        if operator == "/" and isinstance(right[0], Literal) and right[0].value == 0:
            return binary, scope.fail(right[0].at, "a division by zero is always null")
        known = left[1].number and right[1].number
        result = arithmetic(operator, left[1], right[1]) if known else FLOAT
        return replace(binary, left=left[0], right=right[0]), result
    if NULL in (left[1], right[1]):
        test = "is null" if operator == "=" else "is not null"
        return binary, scope.fail(
            binary.at, f"whether nothing `{operator}` something is unknown", hint=f"write `{test}`"
        )
    _, (one, other) = _agree([left, right], binary, scope)
    if operator not in ("=", "!="):
        unordered([binary.left, binary.right], scope)
    return replace(binary, left=one, right=other), BOOLEAN


def _compared(sides: Sequence[Expression], scope: Scope) -> list[tuple[Expression, Type]]:
    """What is compared, resolved; an unknown name beside a text may be meant for a text."""
    pairs = [resolve(side, scope) for side in sides]
    if any(type_ == STRING for _, type_ in pairs):
        words = {side.at: side.name for side in sides if isinstance(side, Name) and side.name not in scope.names}
        scope.problems[:] = [
            replace(problem, hint=f"write a text in quotes: `'{words[problem.at]}'`")
            if problem.at in words and problem.code == "P031" and not problem.hint
            else problem
            for problem in scope.problems
        ]
    return pairs


def unordered(expressions: Sequence[Expression], scope: Scope) -> None:
    """Refuse to put words of declared levels in the order of their letters."""
    for item in expressions:
        if (column := _worded(item)) and (words := scope.levels.get(column.name)):
            inner = column.name if item is column else f"previous({column.name})"
            scope.fail(
                item.at,
                f"this would compare the words of `{column.name}` alphabetically, but the column has `levels`",
                hint=f"use `level({inner})`, the rank from 1 for `{words[0]}` to {len(words)} for `{words[-1]}`",
            )


def _one_of(one_of: OneOf, scope: Scope) -> tuple[Expression, Type]:
    if not one_of.options:
        scope.fail(one_of.at, "`in ()` has no values")
    pairs = _compared([one_of.value, *one_of.options], scope)
    _, (value, *options) = _agree(pairs, one_of, scope)
    return replace(one_of, value=value, options=tuple(options)), BOOLEAN


def _agree(pairs: Sequence[tuple[Expression, Type]], where: Expression, scope: Scope) -> tuple[Type, list[Expression]]:
    """The type all of `pairs` can take, with texts read as dates where dates are meant."""
    if any(type_.kind in ("date", "timestamp") for _, type_ in pairs):
        pairs = [as_date(expression, type_, scope) for expression, type_ in pairs]
    shared = NULL
    for expression, type_ in pairs:
        wider = common(shared, type_)
        if wider is None:
            scope.fail(expression.at, f"{shared.kind} and {type_.kind} cannot be compared or mixed")
            return UNKNOWN, [pair[0] for pair in pairs]
        shared = wider
    if not isinstance(where, Call):
        _check_words([pair[0] for pair in pairs], scope)
    if isinstance(where, Binary) and where.operator not in ("=", "!=") and shared.kind == "boolean":
        scope.fail(where.at, f"true/false values cannot be compared with `{where.operator}`")
    return shared, [pair[0] for pair in pairs]


def as_date(expression: Expression, type_: Type, scope: Scope) -> tuple[Expression, Type]:
    """A text where a date is meant, as that date; anything else as it is."""
    if not isinstance(expression, Literal) or not isinstance(expression.value, str):
        return expression, type_
    try:
        return replace(expression, value=date.fromisoformat(expression.value)), DATE
    except ValueError:
        return expression, scope.fail(expression.at, "this is not a valid date", allowed="such as '2024-12-31'")


def _check_words(expressions: Sequence[Expression], scope: Scope) -> None:
    """A word compared with a column of declared levels must be one of them."""
    levels = {word for item in expressions if (at := _worded(item)) for word in scope.levels.get(at.name, ())}
    for item in expressions:
        if levels and isinstance(item, Literal) and isinstance(item.value, str) and item.value not in levels:
            scope.fail(
                item.at,
                f"`{item.value}` is not one of the column's levels",
                hint=did_you_mean(item.value, levels),
                allowed=", ".join(sorted(levels)),
            )
