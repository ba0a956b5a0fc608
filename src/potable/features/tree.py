"""The tree a text of the feature language becomes: expressions and whole definitions, frozen.

Equal texts give equal `repr`s wherever they stand, so that queries can share what features have in
common. Offsets (`at`) count characters from 0. Made by `language.parse`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from potable.tables import Duration

Scalar = int | Decimal | str | bool | date | None


@dataclass(frozen=True)
class Literal:
    """A number, word, truth value, date or null."""

    value: Scalar
    at: int = field(default=0, repr=False)


@dataclass(frozen=True)
class Name:
    """A column, an output (in derived) or a built-in."""

    name: str
    at: int = field(default=0, repr=False)


@dataclass(frozen=True)
class Call:
    """A function of the closed set."""

    function: str
    arguments: tuple[Expression, ...]
    at: int = field(default=0, repr=False)


@dataclass(frozen=True)
class Unary:
    """`not x` or `-x`."""

    operator: str
    operand: Expression
    at: int = field(default=0, repr=False)


@dataclass(frozen=True)
class Binary:
    """Arithmetic, comparison, `and`, `or`."""

    operator: str
    left: Expression
    right: Expression
    at: int = field(default=0, repr=False)


@dataclass(frozen=True)
class OneOf:
    """`x in (…)`, `x not in (…)`."""

    value: Expression
    options: tuple[Expression, ...]
    negated: bool
    at: int = field(default=0, repr=False)


@dataclass(frozen=True)
class IsNull:
    """`x is null`, `x is not null`."""

    value: Expression
    negated: bool
    at: int = field(default=0, repr=False)


Expression = Literal | Name | Call | Unary | Binary | OneOf | IsNull


@dataclass(frozen=True)
class OperatorCall:
    """`| name(…)` as written: values with their names, unnamed ones first."""

    name: str
    arguments: tuple[tuple[str | None, object], ...]
    at: int = field(default=0, repr=False)


@dataclass(frozen=True)
class Parsed:
    """One definition as written."""

    text: str
    aggregate: str | None
    """Name of the aggregate; None when the text is a plain expression."""
    argument: Expression | None
    last: int | None = None
    first: int | None = None
    within: Duration | None = None
    """`in DUR`."""
    ahead: Duration | None = None
    """`in next DUR`."""
    before: Duration | None = None
    after: Duration | None = None
    where: Expression | None = None
    otherwise: Literal | None = None
    """`else`."""
    table: str | None = None
    """`from`, in labels."""
    operators: tuple[OperatorCall, ...] = ()
    places: Mapping[str, int] = field(default_factory=dict)
    """Offset of each clause."""


BEFORE = "_before_"
"""Begins the name of a column with the values of the records before."""


def columns_before(expression: Expression | None) -> set[str]:
    """The columns of which an expression reads `previous`."""
    match expression:
        case Call("previous", (Name(name),)):
            return {name}
        case Call(_, inner) | OneOf(_, inner):
            more = [expression.value] if isinstance(expression, OneOf) else []
            return set().union(*map(columns_before, [*more, *inner]))
        case Unary(_, operand) | IsNull(operand):
            return columns_before(operand)
        case Binary(_, left, right):
            return columns_before(left) | columns_before(right)
    return set()


def names_in(expression: Expression | None) -> set[str]:
    """All names an expression reads."""
    match expression:
        case Name(name):
            return {name}
        case Call(_, arguments):
            return set().union(*map(names_in, arguments))
        case Unary(_, operand):
            return names_in(operand)
        case Binary(_, left, right):
            return names_in(left) | names_in(right)
        case OneOf(value, options):
            return names_in(value).union(*map(names_in, options))
        case IsNull(value):
            return names_in(value)
    return set()
