"""Numbers as accounts and workbooks write them: `(1.234,50 €)`, `$1,234.50`, `12,00-`, `CHF 1'234.50`.

A currency, a sign or three capitals, may stand once, at an end or beside the minus. A number is negative with a minus
before or behind it or in parentheses, one of them. Thousands stand apart by one sign throughout.

Entry: `amounts`.
"""

from __future__ import annotations

import re
from functools import cache

import pyarrow as pa

from potable.sources.cells import Texts

_BLANKS = r"[ \xa0\u2009\u202f]"
_MINUS = r"[-\u2212]"
_CURRENCY = r"[$\xa2-\xa5\u058f\u060b\u09f3\u0e3f\u17db\u20a0-\u20c0\ufdfc]|[A-Z]{3}"


def amounts(text: Texts, decimal: str) -> Texts:
    """Cleaned texts as plain numbers with a point; what is no amount is null.

    Args:
        text: the cells.
        decimal: the sign before the fraction, `.` or `,`.
    """
    return pa.array([text and _plain(text, decimal) for text in text.to_pylist()], pa.string())


def _plain(text: str, decimal: str) -> str | None:
    found = _form(decimal).fullmatch(text)
    if not found:
        return None
    part = found.groupdict(default="")
    currencies = sum(bool(part[name]) for name in ("before", "beside", "inside", "behind", "last"))
    negative = sum(bool(part[name]) for name in ("open", "minus", "after"))
    if currencies > 1 or negative > 1 or bool(part["open"]) != bool(part["close"]):
        return None
    number = re.sub(rf"[^0-9eE+{decimal}-]", "", part["number"]).replace(decimal, ".")
    return f"-{number}" if negative else number


@cache
def _form(decimal: str) -> re.Pattern[str]:
    point, other = re.escape(decimal), "[.]" if decimal == "," else ","
    # two digits between two signs are lakhs
    apart = "|".join(rf"\d{{1,3}}(?:{sign}\d{{2,3}})*{sign}\d{{3}}" for sign in (other, "['\u2019]", _BLANKS))
    number = rf"(?P<number>(?:(?:{apart}|\d+)(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d{{1,3}})?)"
    before, beside, inside, behind, last = (
        rf"{_BLANKS}*(?:(?P<{name}>{_CURRENCY}){_BLANKS}*)?"
        for name in ("before", "beside", "inside", "behind", "last")
    )
    return re.compile(
        rf"{before}(?P<open>\()?{beside}(?P<minus>{_MINUS})?\+?{inside}{number}(?P<after>{_MINUS})?{behind}(?P<close>\))?{last}",
        re.ASCII,
    )
