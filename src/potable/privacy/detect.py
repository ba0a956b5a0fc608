"""Identifiers of anybody, found by their form and proved by their checksum, without a model or a roster.

Each pattern has three sieves: how many of some characters a text has, counted over a whole batch, an RE2 expression
over the texts that have enough, coarse and fast, and a Python expression with a check for the texts that remain.
Whatever the first two drop, the Python one would not have found. It fails closed: a match whose check raises counts as
an identifier.

Entry: `candidates` and `spans` for the redactor, `count` to scan columns declared harmless.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from potable.privacy import checksums
from potable.privacy.folding import FIRST_UNIT, UNITS, Span, plain
from potable.privacy.searches import Around, Form, From

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa


@dataclass(frozen=True)
class Pattern:
    """One form an identifier has."""

    kind: str
    mark: str
    """What takes its place in a redacted text, in brackets."""
    sieve: str
    """RE2: texts that do not match cannot hold it."""
    form: Form
    measure: Callable[[str], int] = len
    """How many characters of a match, from its start, are the identifier; 0 for a chance match."""
    holds: tuple[int, str] = (0, "")
    """Texts with fewer of these ASCII characters cannot hold it."""


@dataclass(frozen=True)
class _Whole:
    """A yes-or-no check as a measure: the whole match is the identifier, or none of it."""

    check: Callable[[str], bool]

    def __call__(self, text: str) -> int:
        return len(text) if self.check(text) else 0


def _lettered_domain(text: str) -> bool:
    return any(map(str.isalpha, text.rpartition("@")[2]))


_DATE = r"(?![0-9]{1,2}[./-][0-9]{1,2}[./-](?:19|20)?[0-9]{2}(?![0-9]))"
_NUMBER = "[0-9](?:[ ()./-]{0,3}[0-9]){8}|[+][1-9]"
"""A telephone number has nine digits, or a plus before them."""
_STREET_WORDS = (
    "street|st|road|rd|avenue|ave|lane|ln|drive|dr|boulevard|blvd|way|court|ct|close|terrace|crescent|place|square"
    "|row|nagar|marg|salai"
)
_STRASSE = "stra(?:ß|ss)e|str[.]|gasse|weg|allee|platz|ring|damm|ufer"
_WORD = 100
"""Letters and hyphens that the name of a street has, at most."""
_I = re.IGNORECASE
_DIGIT = "0123456789"

_AT, _DOT = r"[(\[{] ?(?:at|ät|@) ?[)\]}]", r"[(\[{] ?(?:dot|punkt|\.) ?[)\]}]"
"""Signs of an address as those write them who hide it from programs: `anna (at) corp (dot) example`."""

PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        "email",
        "EMAIL",
        "@",
        Around("@", r"(?<![\w.!#$%&'*+/=?^`{|}~-])[\w.!#$%&'*+/=?^`{|}~-]+@[^\W_][\w-]*(?:\.[\w-]+)*"),
        _Whole(_lettered_domain),
        (1, "@"),
    ),
    Pattern(
        "written_email",
        "EMAIL",
        rf"(?i){_AT}",
        re.compile(rf"(?<![\w.%+-])[\w.%+-]+ ?{_AT} ?[^\W_][\w-]*(?:(?:\.| ?{_DOT} ?)[\w-]+)+", _I),
        holds=(1, "([{"),
    ),
    Pattern(
        "encoded_email",
        "EMAIL",
        "%40",
        re.compile(r"(?<![\w.%+-])[\w.%+-]{1,200}%40[^\W_](?:[\w-]|%2[Ee]|\.(?=\w))*"),
        holds=(1, "%"),
    ),
    Pattern(
        "url",
        "URL",
        "://[^ ]*@",
        re.compile(r"\b[a-z][a-z0-9+.-]{1,9}://[^\s/@]{1,200}@\S+", _I),
        holds=(1, "@"),
    ),
    Pattern(
        "profile",
        "URL",
        "(?i)(linkedin|facebook|twitter|instagram|github|xing)[.]com/",
        re.compile(r"(?:linkedin\.com/in|xing\.com/profile|(?:facebook|twitter|instagram|github)\.com)/[\w.%-]+", _I),
        holds=(1, "/"),
    ),
    Pattern(
        "iban",
        "ID",
        "(?i)[a-z]{2}[0-9]{2}[ -]?[a-z0-9]",
        re.compile(r"(?<![a-z0-9])[a-z]{2}[0-9]{2}(?:[ -]?[a-z0-9]){11,30}", _I),
        checksums.iban_length,
        (2, _DIGIT),
    ),
    Pattern(
        "card",
        "ID",
        "[2-6][0-9]{3}[ -]?[0-9]{3,7}[ -]?[0-9]{3}",
        re.compile(r"[2-6](?<![0-9].)[0-9]{3}(?:[ -]?[0-9]{3,7}){2}(?:[ -]?[0-9]{1,7})?(?![0-9])"),
        _Whole(checksums.card),
        (10, _DIGIT),
    ),
    Pattern(
        "aadhaar",
        "ID",
        "[2-9][0-9]{3}[ .-]?[0-9]{4}[ .-]?[0-9]{4}",
        re.compile(r"[2-9](?<![0-9].)[0-9]{3}([ .-]?)[0-9]{4}\1[0-9]{4}(?![0-9])"),
        _Whole(checksums.aadhaar),
        (12, _DIGIT),
    ),
    Pattern(
        "pan",
        "ID",
        "(?i)[a-z]{5}[0-9]{4}[a-z]",
        re.compile(r"(?<![a-z0-9])[a-z]{5}[0-9]{4}[a-z](?![a-z0-9])", _I),
        _Whole(checksums.pan),
        (4, _DIGIT),
    ),
    Pattern(
        "ssn",
        "ID",
        "[0-9]{3}[ -][0-9]{2}[ -][0-9]{4}",
        re.compile(r"[0-9](?<![0-9-].)[0-9]{2}([ -])[0-9]{2}\1[0-9]{4}(?![0-9-])"),
        _Whole(checksums.ssn),
        (9, _DIGIT),
    ),
    Pattern(
        "nino",
        "ID",
        "(?i)[a-z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[a-d]",
        re.compile(r"(?<![a-z0-9])[a-z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[a-d](?![a-z0-9])", _I),
        _Whole(checksums.nino),
        (6, _DIGIT),
    ),
    Pattern(
        "steuer_id",
        "ID",
        "[1-9][0-9][ ./-]?[0-9]{3}[ ./-]?[0-9]{3}[ ./-]?[0-9]{3}",
        re.compile(r"[1-9](?<![0-9].)[0-9]([ ./-]?)[0-9]{3}\1[0-9]{3}\1[0-9]{3}(?![0-9])"),
        _Whole(checksums.steuer_id),
        (11, _DIGIT),
    ),
    Pattern(
        "resident_id",
        "ID",
        "[1-9][0-9]{5}(18|19|20)[0-9]{9}",
        re.compile(r"[1-9](?<![0-9].)[0-9]{16}[0-9xX](?![0-9a-zA-Z])"),
        _Whole(checksums.resident_id),
        (12, _DIGIT),
    ),
    Pattern(
        "resident_number",
        "ID",
        "[0-9]{6} ?- ?[1-8][0-9]{6}",
        re.compile(r"[0-9](?<![0-9-].)[0-9](?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]) ?- ?[1-8][0-9]{6}(?![0-9-])"),
        holds=(12, _DIGIT),
    ),
    Pattern(
        "thai_id",
        "ID",
        "[1-8]([ -])[0-9]{4}[ -][0-9]{5}[ -][0-9]{2}[ -][0-9]",
        re.compile(r"[1-8](?<![0-9-].)([ -])[0-9]{4}\1[0-9]{5}\1[0-9]{2}\1[0-9](?![0-9-])"),
        _Whole(checksums.thai_id),
        (12, _DIGIT),
    ),
    Pattern(
        "emirates_id",
        "ID",
        "784[ -]?(19|20)[0-9]{2}[ -]?[0-9]{7}[ -]?[0-9]",
        re.compile(r"7(?<![0-9].)84([ -]?)(?:19|20)[0-9]{2}\1[0-9]{7}\1[0-9](?![0-9])"),
        _Whole(checksums.luhn),
        (12, _DIGIT),
    ),
    Pattern(
        "snils",
        "ID",
        "[0-9]{3}-[0-9]{3}-[0-9]{3}[ -][0-9]{2}",
        re.compile(r"[0-9](?<![0-9-].)[0-9]{2}-[0-9]{3}-[0-9]{3}[ -][0-9]{2}(?![0-9-])"),
        _Whole(checksums.snils),
        (11, _DIGIT),
    ),
    Pattern(
        "passport",
        "ID",
        "(?i)passport|reisepass",
        re.compile(
            r"(?:passport|reisepass)\W{0,3}(?:(?:no|number|nr|nummer)\W{0,3})?[a-z]{0,2}[0-9][a-z0-9]{5,8}\b", _I
        ),
        holds=(1, _DIGIT),
    ),
    Pattern(
        "phone",
        "PHONE",
        _NUMBER,
        From(
            r"[+(0-9](?<!\w.)(?=[0-9()./ -]{7})",
            r"(?:(?<!\w)(?:[+]|00)[1-9](?:[ ()./-]{0,3}[0-9]){6,13}(?![0-9])"
            rf"|(?<!\w)(?<![0-9][.,/-]){_DATE}(?!0[.][0-9])[(]?0(?:[ ()./-]{{0,3}}[0-9]){{8,11}}(?![0-9])"
            r"|(?<!\w)(?<![0-9][.,-])(?:1[-. ])?[(]?[2-9][0-9]{2}[)]?[-. ]{0,2}[2-9][0-9]{2}[-. ][0-9]{4}(?![0-9])"
            r"|(?<![\w+])(?<![0-9][.,-])[6-9][0-9]{4}[ -]?[0-9]{5}(?![0-9]|[.,][0-9])"
            r"|1[3-9](?<![\w+]..)(?<![0-9][.,-]..)[0-9](?:[0-9]{8}|(?:[ -][0-9]{4}){2})(?![0-9]|[.,][0-9])"
            r"|8(?=[ (9-])(?<![\w+].)(?<![0-9][.,-].)[ -]?[(]?9[0-9]{2}[)]?[ -]?[0-9]{3}(?:[ -]?[0-9]{2}){2}"
            r"(?![0-9]|[.,-][0-9]))",
        ),
        holds=(7, _DIGIT),
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
        _Whole(checksums.ip_address),
    ),
    Pattern(
        "address",
        "ADDRESS",
        f"(?i)[0-9].*\\b({_STREET_WORDS})\\b|(?i)({_STRASSE}) ?[0-9]",
        re.compile(
            rf"\b[0-9]{{1,5}}[a-z]?,? (?:[^\W\d_][\w.'’-]* ){{1,3}}(?i:{_STREET_WORDS})\b"
            # most words are not followed by a number, which is seen sooner than how they end; a word has an end, or a
            # text of hyphens would be searched from each of them
            rf"|\b[^\W\d_](?=[^\s0-9]{{0,{_WORD + 10}}}+ ?[0-9])[\w-]{{0,{_WORD}}}"
            rf"(?i:{_STRASSE}) ?[0-9]{{1,4}}(?: ?[a-z])?\b"
        ),
        holds=(1, _DIGIT),
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


_SHORTEST_DRAWN = 32
_LETTERS = re.compile(f"[{UNITS}]")
_BEYOND = re.compile(f"[{chr(FIRST_UNIT)}-\U0010ffff]")
_APART = "\u3001"
"""A comma of those scripts."""


def candidates(texts: pa.Array, patterns: Sequence[Pattern] = PATTERNS) -> dict[int, list[Pattern]]:
    """By index, the texts that may match a pattern, with those patterns; `texts` are plain (see `folding.plain`)."""
    import pyarrow.compute as pc

    found: dict[int, list[Pattern]] = {}
    counts = {signs: _counted(texts, signs) for signs in {pattern.holds[1] for pattern in patterns}}
    some: dict[tuple[int, str], tuple[npt.NDArray[np.intp], pa.Array]] = {}
    for pattern in patterns:
        least, signs = pattern.holds
        if pattern.holds not in some:
            rows = (counts[signs] >= least).nonzero()[0]
            some[pattern.holds] = rows, texts.take(rows)
        rows, few = some[pattern.holds]
        hits = pc.indices_nonzero(pc.match_substring_regex(few, pattern.sieve))
        for index in rows[hits].tolist():
            found.setdefault(index, []).append(pattern)
    return found


def _counted(texts: pa.StringArray, signs: str) -> npt.NDArray[np.intp]:
    """By text, how many of its characters are among `signs`."""
    import numpy as np

    if not len(texts):
        return np.zeros(0, np.intp)
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    chars = np.frombuffer(data or b"", np.uint8)[bounds[0] : bounds[-1]]
    met = np.zeros(len(chars), np.bool_)
    for sign in signs:
        met |= chars == ord(sign)
    numbers = np.searchsorted(bounds - bounds[0], met.nonzero()[0], "right") - 1
    return np.bincount(numbers, minlength=len(texts))


def spans(text: str, patterns: Sequence[Pattern] = PATTERNS) -> Iterator[tuple[Span, Pattern]]:
    """Where the identifiers of `patterns` stand in a plain text."""
    # where words have no blanks between them, a number or an address begins in the midst of letters
    apart = text if text.isascii() or not _BEYOND.search(text) else _LETTERS.sub(_APART, text)
    if apart == text:
        yield from _spans(text, patterns)
    elif found := list(_spans(apart, patterns)):
        yield from found
    else:
        # an address may have such letters itself
        yield from _spans(text, patterns)


def _spans(text: str, patterns: Sequence[Pattern]) -> Iterator[tuple[Span, Pattern]]:
    for pattern in patterns:
        search, position = pattern.form.search, 0
        while match := search(text, position):
            start, length = match.start(), _measured(pattern, match.group())
            if length:
                yield (start, start + length), pattern
            # after a chance match the true one may start inside it
            position = start + (length or 1)


def count(values: pa.Array, patterns: Sequence[Pattern] = PROVABLE, *, alone: bool = False) -> dict[str, int]:
    """How many of `values` hold an identifier of each kind, beside UUIDs and digests; kinds without any are absent.

    Args:
        alone: count those only that hold nothing else, but for signs.
    """
    import pyarrow as pa

    texts = [_bare(plain(value)) for value in values.to_pylist() if value]
    found: dict[str, int] = {}
    for index, maybe in candidates(pa.array(texts, pa.string()), patterns).items():
        text = texts[index]
        for kind in {pattern.kind for span, pattern in spans(text, maybe) if not alone or _is_alone(span, text)}:
            found[kind] = found.get(kind, 0) + 1
    return found


def _is_alone(span: Span, text: str) -> bool:
    return not any(map(str.isalnum, text[: span[0]] + text[span[1] :]))


def _bare(text: str) -> str:
    """A plain text without what systems drew."""
    return text if len(text) < _SHORTEST_DRAWN else _DRAWN.sub("UUID", text)


def _measured(pattern: Pattern, text: str) -> int:
    try:
        return pattern.measure(text)
    except Exception:
        return len(text)
