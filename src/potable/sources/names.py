"""How object names are shown where anybody may read them: in run records, reports, errors and on a terminal.

Files are often named after a person. What the project itself declares of a name stays readable, everything else is
masked by its shape: `reviews_2024/priya.shah.json` as `reviews_9999/aaaaa.aaaa.json`. The names themselves stay in the
restricted root: in batch manifests, rows and exports of the quarantine.

Entry: `Naming`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from potable import headings

LONGEST = 120
"""Characters of a name that are told."""
_RUN = re.compile(r"[^\W\d_]+|[^\x00-\x7f]|\d")
_LETTERS = re.compile(r"[^\W\d_]+")
_CLASS = re.compile(r"\[[^\]]*\]")
_TEXTS = ("csv", "tsv", "txt", "json", "jsonl", "ndjson", "xml", "html", "eml")
_FORMATS = ("xlsx", "docx", "pdf", "msg", "parquet", "gz", "zst", "zip", "bz2", "xz")
_EXTENSIONS = frozenset({*_TEXTS, *_FORMATS})


@dataclass(frozen=True)
class Naming:
    """What may be shown of the names of a source's objects."""

    words: frozenset[str] = frozenset()
    """Words that stay where they stand alone, between signs or digits."""
    patterns: tuple[str, ...] = ()
    """Regular expressions whose first group is declared harmless."""
    own: bool = False
    """Whether the connector makes up the names itself, so that they tell nobody."""

    def told(self, name: str) -> str:
        """`name`, masked so that anybody may read it."""
        if self.own:
            return name
        kept = [match.span(1) for pattern in self.patterns if (match := _found(pattern, name))]

        def masked(match: re.Match[str]) -> str:
            start, end = match.span()
            if any(low <= start and end <= high for low, high in kept):
                return match[0]
            extension = match[0] in _EXTENSIONS and name[start - 1 : start] == "."
            return match[0] if extension or match[0] in self.words else "".join(map(_kind, match[0]))

        told = _RUN.sub(masked, name)
        return told if len(told) <= LONGEST else f"{told[: LONGEST - 1]}…"


NOTHING_KNOWN = Naming()


def told_column(name: str, own: frozenset[str] = frozenset()) -> str:
    """The name of a column nobody declared, which may be a person's (the key of an object by person, the first record
    of a file without a header): words of headings stay, others are shapes.

    Args:
        own: words the source declares, which stay too (`Source.headings`).
    """
    known = frozenset() if "@" in name else headings.familiar(name, own)
    return name[:LONGEST] if known and headings.tells_nobody(name, own) else Naming(known).told(name)


def words(globs: Iterable[str]) -> frozenset[str]:
    """The words of some globs; digits are none, for numbers of people look like those of years."""
    return frozenset(word for text in globs for word in _LETTERS.findall(_CLASS.sub("*", text)))


def _found(pattern: str, name: str) -> re.Match[str] | None:
    """The pattern in the name; contracts are read by RE2, and what is written for that alone shows nothing."""
    try:
        return re.search(pattern, name)
    except re.error:
        return None


def _kind(char: str) -> str:
    if char.isalpha():
        return "A" if char.isupper() else "a"
    return "9" if char.isnumeric() else "?"
