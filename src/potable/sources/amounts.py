"""Numbers as accounts and workbooks write them: `(1.234,50 €)`, `$1,234.50`, `12,00-`, `CHF 1'234.50`.

A currency, a sign or three capitals, may stand once, at an end or beside the minus. A number is negative with a minus
before or behind it or in parentheses, one of them. Thousands stand apart by one sign throughout.

Entry: `amounts`.
"""

from __future__ import annotations

import re
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from potable.sources.cells import Texts

_BLANKS = r"[ \xa0\u2009\u202f]"
_MINUS = r"[-\u2212]"
CODES = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF"
    " CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD"
    " HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD"
    " MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN"
    " PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY"
    " TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG"
)
"""Currencies of ISO 4217 that are in use: what makes a number an amount where nobody has said that it is one."""
_CURRENCY = r"[$\xa2-\xa5\u058f\u060b\u09f3\u0e3f\u17db\u20a0-\u20c0\ufdfc]|[A-Z]{3}"


def amounts(text: Texts, decimal: str) -> Texts:
    """Cleaned texts as plain numbers with a point; what is no amount is null.

    Args:
        text: the cells.
        decimal: the sign before the fraction, `.` or `,`.
    """
    # what a text is depends on where its digits stand, not on which they are: there are few such forms
    forms = pc.replace_substring_regex(text, "[0-9]", "9").dictionary_encode()
    made = [form and _plain(form, decimal) for form in forms.dictionary.to_pylist()]
    if any(re.search("[eE]", number or "") for number in made):
        return pa.array([each and _plain(each, decimal) for each in text.to_pylist()], pa.string())
    signs = pa.array([number and "-"[: number.startswith("-")] for number in made], pa.string()).take(forms.indices)
    digits = pc.replace_substring_regex(text, rf"[^0-9{decimal}]", "")
    return pc.binary_join_element_wise(signs, pc.replace_substring(digits, decimal, "."), "")


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
