"""Identifiers of anybody, found by their form and proved by their checksum, without a model or a roster.

Each pattern has two sieves: an RE2 expression over a whole batch, coarse and fast, and a Python expression
with a check for the texts that remain. Whatever the RE2 sieve drops, the Python one would not have found.
It fails closed: a check that breaks counts as passed.

Entry: `candidates` and `spans` for the redactor, `count` to scan columns declared harmless.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from potable.privacy import checksums
from potable.privacy.folding import Span, plain

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Pattern:
    """One form an identifier has."""

    kind: str
    mark: str
    """What takes its place in a redacted text, in brackets."""
    sieve: str
    """RE2: texts that do not match cannot hold it."""
    form: re.Pattern[str]
    measure: Callable[[str], int] = len
    """How many characters of a match, from its start, are the identifier; 0 for a chance match."""


def _whole(check: Callable[[str], bool]) -> Callable[[str], int]:
    return _Whole(check)


@dataclass(frozen=True)
class _Whole:
    """A yes-or-no check as a measure."""

    check: Callable[[str], bool]

    def __call__(self, text: str) -> int:
        return len(text) if self.check(text) else 0


def _lettered_domain(text: str) -> bool:
    return any(char.isalpha() for char in text.rpartition("@")[2])


_DATE = r"(?![0-9]{1,2}[./-][0-9]{1,2}[./-](?:19|20)?[0-9]{2}(?![0-9]))"
_DIGITS = r"[0-9](?:[ ()./-]{0,3}[0-9]){6}"
_STREET_WORDS = (
    "street|st|road|rd|avenue|ave|lane|ln|drive|dr|boulevard|blvd|way|court|ct|close|terrace|crescent|place|square"
    "|row|nagar|marg|salai"
)
_STRASSE = "stra(?:ß|ss)e|str[.]|gasse|weg|allee|platz|ring|damm|ufer"
_I = re.IGNORECASE

PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        "email",
        "EMAIL",
        "@",
        re.compile(r"(?<![\w.!#$%&'*+/=?^`{|}~-])[\w.!#$%&'*+/=?^`{|}~-]+@[^\W_][\w-]*(?:\.[\w-]+)*"),
        _whole(_lettered_domain),
    ),
    Pattern("url", "URL", "://[^ ]*@", re.compile(r"\b[a-z][a-z0-9+.-]{1,9}://[^\s/@]{1,200}@\S+", _I)),
    Pattern(
        "profile",
        "URL",
        "(?i)(linkedin|facebook|twitter|instagram|github|xing)[.]com/",
        re.compile(r"(?:linkedin\.com/in|xing\.com/profile|(?:facebook|twitter|instagram|github)\.com)/[\w.%-]+", _I),
    ),
    Pattern(
        "iban",
        "ID",
        "(?i)[a-z]{2}[0-9]{2}[ -]?[a-z0-9]",
        re.compile(r"(?<![a-z0-9])[a-z]{2}[0-9]{2}(?:[ -]?[a-z0-9]){11,30}", _I),
        checksums.iban_length,
    ),
    Pattern(
        "card",
        "ID",
        "[2-6][0-9]{3}[ -]?[0-9]{3,7}[ -]?[0-9]{3}",
        re.compile(r"(?<![0-9])[2-6][0-9]{3}(?:[ -]?[0-9]{3,7}){2}(?:[ -]?[0-9]{1,7})?(?![0-9])"),
        _whole(checksums.card),
    ),
    Pattern(
        "aadhaar",
        "ID",
        "[2-9][0-9]{3}[ .-]?[0-9]{4}[ .-]?[0-9]{4}",
        re.compile(r"(?<![0-9])[2-9][0-9]{3}([ .-]?)[0-9]{4}\1[0-9]{4}(?![0-9])"),
        _whole(checksums.aadhaar),
    ),
    Pattern(
        "pan",
        "ID",
        "(?i)[a-z]{5}[0-9]{4}[a-z]",
        re.compile(r"(?<![a-z0-9])[a-z]{5}[0-9]{4}[a-z](?![a-z0-9])", _I),
        _whole(checksums.pan),
    ),
    Pattern(
        "ssn",
        "ID",
        "[0-9]{3}[ -][0-9]{2}[ -][0-9]{4}",
        re.compile(r"(?<![0-9-])[0-9]{3}([ -])[0-9]{2}\1[0-9]{4}(?![0-9-])"),
        _whole(checksums.ssn),
    ),
    Pattern(
        "nino",
        "ID",
        "(?i)[a-z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[a-d]",
        re.compile(r"(?<![a-z0-9])[a-z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[a-d](?![a-z0-9])", _I),
        _whole(checksums.nino),
    ),
    Pattern(
        "steuer_id",
        "ID",
        "[1-9][0-9][ ./-]?[0-9]{3}[ ./-]?[0-9]{3}[ ./-]?[0-9]{3}",
        re.compile(r"(?<![0-9])[1-9][0-9]([ ./-]?)[0-9]{3}\1[0-9]{3}\1[0-9]{3}(?![0-9])"),
        _whole(checksums.steuer_id),
    ),
    Pattern(
        "passport",
        "ID",
        "(?i)passport|reisepass",
        re.compile(
            r"(?:passport|reisepass)\W{0,3}(?:(?:no|number|nr|nummer)\W{0,3})?[a-z]{0,2}[0-9][a-z0-9]{5,8}\b", _I
        ),
    ),
    Pattern(
        "phone",
        "PHONE",
        _DIGITS,
        re.compile(
            r"(?=[+(0-9])(?:(?<!\w)(?:[+]|00)[1-9](?:[ ()./-]{0,3}[0-9]){6,13}(?![0-9])"
            rf"|(?<!\w)(?<![0-9][.,/-]){_DATE}(?!0[.][0-9])[(]?0(?:[ ()./-]{{0,3}}[0-9]){{8,11}}(?![0-9])"
            r"|(?<!\w)(?<![0-9][.,-])(?:1[-. ])?[(]?[2-9][0-9]{2}[)]?[-. ]{0,2}[2-9][0-9]{2}[-. ][0-9]{4}(?![0-9])"
            r"|(?<![\w+])(?<![0-9][.,-])[6-9][0-9]{4}[ -]?[0-9]{5}(?![0-9]|[.,][0-9]))"
        ),
    ),
    Pattern(
        "ip",
        "ID",
        "[0-9][.][0-9]{1,3}[.][0-9]{1,3}[.][0-9]|:[0-9a-fA-F]{0,4}:",
        re.compile(
            r"(?<![\w.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?!\w|\.[0-9])"
            r"|(?<![\w:])(?=[0-9a-f]*:[0-9a-f]*:[0-9a-f:]*[0-9a-f])[0-9a-f:]{3,39}(?![\w:])",
            _I,
        ),
        _whole(checksums.ip_address),
    ),
    Pattern(
        "address",
        "ADDRESS",
        f"(?i)[0-9].*\\b({_STREET_WORDS})\\b|(?i)({_STRASSE}) ?[0-9]",
        re.compile(
            rf"\b[0-9]{{1,5}}[a-z]?,? (?:[^\W\d_][\w.'’-]* ){{1,3}}(?i:{_STREET_WORDS})\b"
            rf"|\b[^\W\d_][\w-]*(?i:{_STRASSE}) ?[0-9]{{1,4}}(?: ?[a-z])?\b"
        ),
    ),
)
"""All forms, most certain first."""
PROVABLE: tuple[Pattern, ...] = tuple(pattern for pattern in PATTERNS if pattern.kind != "address")
"""Forms that stand for an identifier also where nobody was expected to write one."""


_DRAWN = re.compile(
    r"(?<![0-9a-z-])(?=[0-9-]*[a-f])(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})(?![0-9a-z-])",
    _I,
)
"""A number a system drew, or a digest in hexadecimal (MD5, SHA-1, SHA-256); one in 200 has the digits of a telephone or
card number by chance. One without a letter may be anything."""


def candidates(texts: pa.Array, patterns: Sequence[Pattern] = PATTERNS) -> dict[int, list[Pattern]]:
    """By index, the texts that may match a pattern, with those patterns; `texts` are plain (see `folding.plain`)."""
    import pyarrow.compute as pc

    found: dict[int, list[Pattern]] = {}
    sieves: dict[str, list[int]] = {}
    for pattern in patterns:
        if pattern.sieve not in sieves:
            hits = pc.match_substring_regex(texts, pattern.sieve)
            sieves[pattern.sieve] = pc.indices_nonzero(hits).to_pylist()
        for index in sieves[pattern.sieve]:
            found.setdefault(index, []).append(pattern)
    return found


def spans(text: str, patterns: Sequence[Pattern] = PATTERNS) -> Iterator[tuple[Span, Pattern]]:
    """Where the identifiers of `patterns` stand in a plain text."""
    for pattern in patterns:
        position = 0
        while match := pattern.form.search(text, position):
            length = _measured(pattern, match.group())
            if length:
                yield (match.start(), match.start() + length), pattern
            # after a chance match the true one may start inside it
            position = match.start() + (length or 1)


def count(values: pa.Array, patterns: Sequence[Pattern] = PROVABLE) -> dict[str, int]:
    """How many of `values` hold an identifier of each kind, beside UUIDs and digests; kinds without any are absent."""
    import pyarrow as pa

    texts = [_DRAWN.sub("UUID", plain(value)) for value in values.to_pylist() if value]
    found: dict[str, int] = {}
    for index, maybe in candidates(pa.array(texts, pa.string()), patterns).items():
        for kind in {pattern.kind for _, pattern in spans(texts[index], maybe)}:
            found[kind] = found.get(kind, 0) + 1
    return found


def _measured(pattern: Pattern, text: str) -> int:
    try:
        return pattern.measure(text)
    except Exception:
        return len(text)
