"""The feature language: text to a small frozen tree.

    agg(expr) {last N | first N | in DUR | in next DUR | before DUR | after DUR | where … | else literal}
              {| operator(…)}

and `… from table` in labels. Only the grammar is known here; names, types and the point-in-time rules
belong to `check`. Entry: `parse(text, aggregates)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from potable.features.tree import (
    Binary,
    Call,
    Expression,
    IsNull,
    Literal,
    Name,
    OneOf,
    OperatorCall,
    Parsed,
    Unary,
)
from potable.tables import Duration


class FeatureSyntaxError(Exception):
    """A text cannot be parsed; `at` counts characters from 0."""

    def __init__(self, problem: str, at: int, allowed: str = "") -> None:
        super().__init__(problem)
        self.problem, self.at, self.allowed = problem, at, allowed


def parse(text: str, aggregates: Collection[str]) -> Parsed:
    """The tree of one definition.

    Args:
        text: the definition.
        aggregates: names that start an aggregate rather than an expression.

    Raises:
        FeatureSyntaxError: with the offset of the first thing that does not fit.
    """
    return _Parser(text).definition(aggregates)


def parse_condition(text: str) -> Expression:
    """The tree of one expression, such as `rows.where`.

    Raises:
        FeatureSyntaxError: with the offset of the first thing that does not fit.
    """
    parser = _Parser(text)
    expression = parser.expression()
    parser.end()
    return expression


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<duration>\d+(?:mo|[dwqy])\b)|(?P<number>\d+(?:\.\d+)?(?![\w.]))"
    r"|(?P<string>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")|(?P<quoted>`[^`]+`)|(?P<name>[^\W\d]\w*)"
    r"|(?P<symbol><=|>=|!=|<>|==|[-+*/<>=()\[\]{},:|.])"
)
_COMPARISONS = {"=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_WORDS = {"true": True, "false": False, "null": None}
_CLAUSES = ("last", "first", "in", "before", "after", "where", "else", "from", "by")
_INSTEAD: Mapping[str, str] = {
    "&": "`and`",
    "between": "`x >= 1 and x <= 3`",
    "like": "`contains(x, 'a')` or `starts_with(x, 'a')`",
    "when": "`if(condition, a, b)`",
    "then": "`if(condition, a, b)`",
    "fillna": "`else 0`",
    "default": "`else 0`",
    "over": "`in 90d` or `last 3`",
    "rolling": "`in 90d` or `last 3`",
    "window": "`in 90d` or `last 3`",
    "group": "one feature per value, with `where`",
    "per": "one feature per value, with `where`",
    "order": "nothing: records are in the order of their time",
    "having": "`where`",
    "if": "`where`",
    "as": "nothing: the name of the feature is before the colon",
}
"""What to write for words and signs of other languages."""
_SMALL = ("and", "or", "not", "is", *_WORDS, *_CLAUSES)


def _tokens(text: str) -> list[_Token]:
    tokens, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match:
            if span := re.match(r"\d+[^\W\d]+", text[at:]):
                allowed = "`30d 2w 12mo 4q 5y`" + ("; `mo` are months" if span.group()[-1] in "mM" else "")
                raise FeatureSyntaxError(f"`{span.group()}` is neither a number nor a duration", at, allowed)
            raise FeatureSyntaxError(f"`{text[at]}` is not allowed here", at, _INSTEAD.get(text[at], ""))
        if match.lastgroup != "space":
            tokens.append(_Token(str(match.lastgroup), match.group(), at))
        at = match.end()
    return [*tokens, _Token("end", "", len(text))]


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _peek(self, ahead: int = 1) -> _Token:
        return self._tokens[min(self._next + ahead, len(self._tokens) - 1)]

    def _take(self) -> _Token:
        token = self._token
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _is(self, *texts: str) -> bool:
        return self._token.kind in ("symbol", "name") and self._token.text in texts

    def _accept(self, *texts: str) -> _Token | None:
        return self._take() if self._is(*texts) else None

    def _expect(self, text: str) -> _Token:
        return self._accept(text) or self._fail(allowed=f"`{text}`")

    def _fail(self, *, allowed: str = "") -> _Token:
        found = f"unexpected `{self._token.text}`" if self._token.text else "the text ends too early"
        allowed = _INSTEAD.get(self._token.text.lower(), allowed) if self._token.kind == "name" else allowed
        if (small := self._token.text.lower()) != self._token.text and small in _SMALL:
            found, allowed = f"{found}: keywords are written in lower case", f"`{small}`"
        raise FeatureSyntaxError(found, self._token.at, allowed)

    def end(self) -> None:
        """Nothing more may follow."""
        if self._token.kind != "end":
            self._fail(allowed="the end of the text")

    def definition(self, aggregates: Collection[str]) -> Parsed:
        """A whole feature or label."""
        aggregate, argument = None, None
        if self._token.kind == "name" and self._token.text in aggregates and self._peek().text == "(":
            aggregate = self._take().text
            self._expect("(")
            if self._is("*") and self._peek().text == ")":
                raise FeatureSyntaxError("unexpected `*`", self._token.at, f"`{aggregate}()`")
            argument = None if self._is(")") else self.expression()
            self._expect(")")
            self._no_arithmetic()
        else:
            argument = self.expression()
        clauses, places = self._clauses()
        operators = []
        while self._accept("|"):
            operators.append(self._operator())
        if self._token.kind == "end":
            return Parsed(self._text, aggregate, argument, operators=tuple(operators), places=places, **clauses)
        self._fail(allowed="a clause (" + ", ".join(_CLAUSES[:-1]) + "), `| operator(…)` or the end")
        raise AssertionError

    def _no_arithmetic(self) -> None:
        if self._is("+", "-", "*", "/", *_COMPARISONS, "and", "or", "is"):
            problem = (
                f"`{self._token.text}` cannot follow an aggregate; give the aggregate a name and calculate "
                "with it under `derived`"
            )
            raise FeatureSyntaxError(problem, self._token.at)

    def _clauses(self) -> tuple[dict[str, Any], dict[str, int]]:
        found: dict[str, Any] = {}
        places: dict[str, int] = {}
        while self._is(*_CLAUSES):
            token = self._take()
            key, value = self._clause(token)
            if key in found:
                raise FeatureSyntaxError(f"`{token.text}` is given twice", token.at)
            found[key], places[key] = value, token.at
        return found, places

    def _clause(self, token: _Token) -> tuple[str, object]:
        readers: dict[str, tuple[str, Callable[[], object]]] = {
            "last": ("last", self._count),
            "first": ("first", self._count),
            "before": ("before", self._duration),
            "after": ("after", self._duration),
            "where": ("where", self.expression),
            "else": ("otherwise", self._literal),
            "from": ("table", self._table),
        }
        if token.text == "by":
            raise FeatureSyntaxError("`by` is not supported yet; write one feature per value", token.at)
        if token.text == "in":
            return ("ahead", self._duration()) if self._accept("next") else ("within", self._duration())
        key, read = readers[token.text]
        return key, read()

    def _count(self) -> int:
        token = self._take()
        if token.kind != "number" or not token.text.isdigit() or int(token.text) < 1:
            raise FeatureSyntaxError("the number of rows must be a whole number from 1", token.at, "such as `last 3`")
        return int(token.text)

    def _duration(self) -> Duration:
        token = self._take()
        if token.kind != "duration":
            listed = f"; values are listed in parentheses: `in ({token.text})`" if token.kind == "string" else ""
            allowed = f"a whole number with d, w, mo, q or y, such as `12mo`{listed}"
            raise FeatureSyntaxError(f"`{token.text}` is not a duration", token.at, allowed)
        if int(re.sub(r"\D", "", token.text)) < 1:
            raise FeatureSyntaxError("a duration must be longer than zero", token.at)
        return Duration.parse(token.text)

    def _table(self) -> str:
        parts = [self._name()]
        while self._accept("."):
            parts.append(self._name())
        return ".".join(parts)

    def _name(self) -> str:
        token = self._take()
        if token.kind not in ("name", "quoted"):
            raise FeatureSyntaxError(f"`{token.text}` is not a name", token.at)
        return token.text.strip("`")

    def _literal(self) -> Literal:
        at = self._token.at
        sign = -1 if self._accept("-") else 1
        literal = self._primary()
        if not isinstance(literal, Literal) or (sign < 0 and type(literal.value) not in (int, Decimal)):
            allowed = "a number, `true`, `false`, `null`, or a text 'in quotes'"
            raise FeatureSyntaxError("only a literal value is allowed here", at, allowed)
        return Literal(literal.value * -1, at) if sign < 0 else literal  # type: ignore[operator]

    # expressions, loosest binding first

    def expression(self) -> Expression:
        """`or`, and everything that binds tighter."""
        return self._chain(("or",), lambda: self._chain(("and",), self._not))

    def _chain(self, operators: tuple[str, ...], tighter: Callable[[], Expression]) -> Expression:
        left = tighter()
        while token := self._accept(*operators):
            left = Binary(token.text, left, tighter(), token.at)
        return left

    def _not(self) -> Expression:
        if token := self._accept("not"):
            return Unary("not", self._not(), token.at)
        return self._comparison()

    def _comparison(self) -> Expression:
        left = self._sum()
        token = self._token
        if self._accept(*_COMPARISONS):
            return Binary(_COMPARISONS[token.text], left, self._sum(), token.at)
        if self._accept("is"):
            negated = self._accept("not") is not None
            self._expect("null")
            return IsNull(left, negated, token.at)
        if self._is("in") and self._peek().text == "(":
            return self._one_of(left, negated=False)
        if self._is("not") and self._peek().text == "in":
            self._take()
            return self._one_of(left, negated=True)
        return left

    def _one_of(self, value: Expression, *, negated: bool) -> OneOf:
        at = self._expect("in").at
        self._expect("(")
        return OneOf(value, self._arguments(), negated, at)

    def _sum(self) -> Expression:
        return self._chain(("+", "-"), lambda: self._chain(("*", "/"), self._negation))

    def _negation(self) -> Expression:
        if token := self._accept("-"):
            return Unary("-", self._negation(), token.at)
        return self._primary()

    def _primary(self) -> Expression:
        token = self._take()
        if token.kind == "number":
            return Literal(Decimal(token.text) if "." in token.text else int(token.text), token.at)
        if token.kind == "string":
            quote = token.text[0]
            return Literal(token.text[1:-1].replace(quote * 2, quote), token.at)
        if token.kind == "quoted":
            return Name(token.text.strip("`"), token.at)
        if token.text == "(" and token.kind == "symbol":
            inner = self.expression()
            self._expect(")")
            return inner
        if token.kind == "duration":
            allowed = "days as a number, such as `days_between(at, as_of) < 30`; or a clause, such as `in 30d`"
            raise FeatureSyntaxError(f"`{token.text}` is a duration, which no expression can hold", token.at, allowed)
        if token.kind != "name":
            self._next -= token.kind != "end"
            self._fail(allowed="a column, a value, a function or `(`")
        if token.text in _WORDS:
            return Literal(_WORDS[token.text], token.at)
        if self._accept("("):
            return Call(token.text, self._arguments(), token.at)
        return Name(token.text, token.at)

    def _arguments(self) -> tuple[Expression, ...]:
        """Comma-separated expressions up to and with `)`."""
        items: list[Expression] = []
        while not self._accept(")"):
            if items:
                self._expect(",")
            items.append(self.expression())
        return tuple(items)

    # operators: values only, named with `=` or `:`

    def _operator(self) -> OperatorCall:
        at = self._token.at
        name = self._name()
        arguments: list[tuple[str | None, object]] = []
        if self._accept("("):
            while not self._accept(")"):
                if arguments:
                    self._expect(",")
                arguments.append((self._key(), self._value()))
        return OperatorCall(name, tuple(arguments), at)

    def _key(self) -> str | None:
        if self._peek().text not in ("=", ":"):
            return None
        token = self._take()
        self._take()
        return token.text[1:-1] if token.kind in ("string", "quoted") else token.text

    def _value(self) -> object:
        if self._accept("["):
            items: list[object] = []
            while not self._accept("]"):
                if items:
                    self._expect(",")
                items.append(self._value())
            return tuple(items)
        if self._accept("{"):
            pairs: dict[str, object] = {}
            while not self._accept("}"):
                if pairs:
                    self._expect(",")
                key = self._key()
                if key is None:
                    self._fail(allowed="`key: value`")
                pairs[str(key)] = self._value()
            return pairs
        value = self._literal().value
        return float(value) if isinstance(value, Decimal) else value
