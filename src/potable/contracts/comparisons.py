"""Row conditions as suites for pandas and Spark have them, where they only compare columns with values.

`count > 10 and colour in ["red", "blue"]`, `` `Emp No`.notnull() ``, `kind <> 'a' OR day IS NULL`. Everything else of
these languages is a program, and refused: nothing of a condition is ever run.

Entry: `parsed`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

PARSERS = ("pandas", "spark")
Compared = tuple[str, str, Any]
"""An operator, `null` or `present`, with a column and a value; or `and` or `or`, with nothing and a list of them."""
_TOKEN = re.compile(
    r"""\s*(?:(?P<name>[^\W\d]\w*|`[^`]+`)|(?P<number>[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)|
    (?P<text>"[^"\\]*"|'[^'\\]*')|(?P<sign>==|!=|<>|<=|>=|[][<>=&|(),.]))\s*""",
    re.VERBOSE,
)
_SIGNS = {"==": "==", "=": "==", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_NULLS = {"isnull": "null", "isna": "null", "notnull": "present", "notna": "present"}
_REFUSED = (
    "only comparisons of a column with a value are read of conditions for pandas and Spark "
    '(`count > 10 and colour in ["red"]`), for anything else would be a program'
)


def parsed(given: str, *, parser: str) -> Compared:
    """What a condition compares.

    A comparison with null is not true; but `!=` and `not in` are in pandas, which takes a null for a value.

    Raises:
        ValueError: it does something else.
    """
    tokens = _Tokens([*_tokens(given)], of_pandas=parser == "pandas")
    try:
        found = tokens.either()
    except RecursionError:
        raise ValueError("the condition is nested too deeply") from None
    if tokens.left:
        raise ValueError(_REFUSED)
    return found


def _tokens(given: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(given):
        match = _TOKEN.match(given, at)
        if not match or not match.lastgroup:
            raise ValueError(_REFUSED)
        yield match.lastgroup, match[match.lastgroup]
        at = match.end()


@dataclass
class _Tokens:
    """The rest of a condition, from left to right."""

    left: list[tuple[str, str]] = field(default_factory=list)
    of_pandas: bool = True

    def either(self) -> Compared:
        """Conditions of which one must hold."""
        parts = [self._both()]
        while self._took("or", "|"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else ("or", "", parts)

    def _both(self) -> Compared:
        parts = [self._one()]
        while self._took("and", "&"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else ("and", "", parts)

    def _one(self) -> Compared:
        if self._took("("):
            found = self.either()
            self._need(")")
            return found
        column = self._next("name").strip("`")
        if self._took("."):
            word = _NULLS.get(self._next("name"), "")
            self._need("(")
            self._need(")")
            if not word:
                raise ValueError(_REFUSED)
            return word, column, None
        if self._took("is"):
            word = "present" if self._took("not") else "null"
            self._need("null")
            return word, column, None
        if self._took("not"):
            self._need("in")
            return self._differing("NOT_IN", column, self._values())
        if self._took("in"):
            return "IN", column, self._values()
        word = _SIGNS.get(self._next("sign"), "")
        if not word:
            raise ValueError(_REFUSED)
        value = self._value()
        return self._differing(word, column, value) if word == "!=" else (word, column, value)

    def _differing(self, word: str, column: str, value: Any) -> Compared:
        found = word, column, value
        return ("or", "", [("null", column, None), found]) if self.of_pandas else found

    def _values(self) -> list[Any]:
        end = "]" if self._took("[") else ")"
        if end == ")":
            self._need("(")
        values = [self._value()]
        while self._took(","):
            values.append(self._value())
        self._need(end)
        return values

    def _value(self) -> Any:
        kind, text = self.left.pop(0) if self.left else ("", "")
        if kind == "text":
            return text[1:-1]
        if kind == "number":
            return float(text) if re.search("[.eE]", text) else int(text)
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise ValueError(_REFUSED)

    def _took(self, *words: str) -> bool:
        if self.left and self.left[0][0] in ("name", "sign") and self.left[0][1].lower() in words:
            self.left.pop(0)
            return True
        return False

    def _need(self, word: str) -> None:
        if not self._took(word):
            raise ValueError(_REFUSED)

    def _next(self, kind: str) -> str:
        if not self.left or self.left[0][0] != kind:
            raise ValueError(_REFUSED)
        return self.left.pop(0)[1]
