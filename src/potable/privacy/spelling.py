"""How an identifier may be spelled in a text, after folding: what the redactor and the scans look for.

A name also stands alone, in parts, without its hyphen, with its umlauts written out or left out; an id
without its separators; a telephone number with or without country and area code. Kinds are those of the
roster (`potable.privacy.roster`): name, full_name, email, phone, address, id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from potable.privacy.folding import fold, plain, words

OWN_SEPARATOR = "\x1f"
"""Between kind and value where both travel in one string."""

MARK_OF = {"name": "NAME", "full_name": "NAME", "email": "EMAIL", "phone": "PHONE", "address": "ADDRESS", "id": "ID"}
"""Mark by kind of identifier."""

_PARTICLE = re.compile(
    "a[ln]|bin|d[aeiu]|das|della?|de[nr]|dos|el|ibn|l[ae]s?|mac|mc|of|sa?n|st|te[nr]|the|v[ao]n|vom|zu[mr]?|u?nd|and"
)
"""Words inside names that mean nothing alone."""
_UMLAUTS = {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "å": "aa", "Å": "Aa"}
_UMLAUT = re.compile("[äöüÄÖÜåÅ]|[aouAOU]\u0308")
_JOINT = re.compile(r"[^\w\s]|_")
_WRITTEN_OUT = re.compile("(?<=[aou])e")
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9][A-Za-z0-9-]*(\.[A-Za-z0-9-]+)*")
_PHONE_TAIL = 9
_LEAST_OWN_DIGITS = 5
_LEAST_DIGITS = 6
"""Shortest number of somebody else's that is looked for."""


class Spelling(NamedTuple):
    """One folded form of an identifier."""

    text: str
    """With a blank before it when it is searched among words; without blanks when compact."""
    mark: str
    compact: bool = False
    """Searched in the text without anything between its letters and digits."""


def spellings(kind: str, value: str) -> tuple[Spelling, ...]:
    """All that stands for `value` in a text of its owner."""
    mark = MARK_OF.get(kind, "ID")
    if kind == "phone":
        tail = phone_tail(value)
        return (Spelling(tail, mark, True),) if tail else _ids(value, mark)
    if kind in ("name", "full_name"):
        return tuple(Spelling(f" {text}", mark) for text in dict.fromkeys(_names(value)))
    if kind == "id":
        return (*_ids(value, mark), *_digits(value, mark))
    return tuple(Spelling(f" {text}", mark) for text in dict.fromkeys(_phrases(value)))


def anyones(kind: str, value: str) -> tuple[Spelling, ...]:
    """What stands for `value` in a text of anybody: only forms no ordinary word or number has."""
    if kind == "phone" or (kind == "email" and _EMAIL.fullmatch(value)) or not identifying(kind, value):
        # numbers and addresses of usual form are found by detect, so the automaton is spared the bulk of them
        return ()
    mark = MARK_OF.get(kind, "ID")
    if kind == "id":
        return _ids(value, mark)
    return tuple(Spelling(f" {text}", mark) for text in dict.fromkeys(_phrases(value)))


def identifying(kind: str, value: str) -> bool:
    """Whether `value` names a person by itself, and is not also an ordinary word or a small number."""
    parts = words(value)
    text = "".join(parts)
    if kind in ("name", "full_name", "address"):
        return len(parts) > 1
    if kind == "email":
        return "@" in value and len(parts) > 1
    digits = sum(char.isdigit() for char in text)
    if kind == "phone":
        return digits >= _LEAST_DIGITS
    return digits > 0 and len(text) >= _LEAST_DIGITS


def phone_tail(value: str) -> str:
    """The last digits of a telephone number, without country code and trunk zero; empty if too few."""
    digits = "".join(char for char in plain(value) if char.isdigit()).lstrip("0")
    return digits[-_PHONE_TAIL:] if len(digits) >= _LEAST_OWN_DIGITS else ""


def _ids(value: str, mark: str) -> tuple[Spelling, ...]:
    text = "".join(words(value))
    return (Spelling(text, mark, True),) if text else ()


def _digits(value: str, mark: str) -> tuple[Spelling, ...]:
    """The digits of an id such as E0012345 alone, as its owner may write them."""
    digits = "".join(char for char in plain(value) if char.isdigit()).lstrip("0")
    return (Spelling(digits, mark, True),) if len(digits) >= _LEAST_OWN_DIGITS else ()


def _names(value: str) -> Iterator[str]:
    """A name, its parts, and all their spellings."""
    for phrase in _phrases(value):
        yield phrase
        for part in phrase.split():
            if len(part) > 1 and not _PARTICLE.fullmatch(part):
                yield part


@lru_cache(maxsize=1_024)
def _phrases(value: str) -> tuple[str, ...]:
    """A name or an address as words: as written, joined where it has a hyphen or apostrophe, umlauts both ways."""
    if value.isascii():
        texts: Iterable[str] = (value,)
    else:
        texts = (value, _UMLAUT.sub(lambda match: _UMLAUTS.get(match.group(), match.group()[0] + "e"), value))
    return tuple(dict.fromkeys(phrase for text in texts for phrase in _written(text)))


def _written(text: str) -> Iterator[str]:
    folded = fold(text)
    if not folded:
        return
    yield folded
    if _JOINT.search(text):
        yield fold(_JOINT.sub("", text))
    if _WRITTEN_OUT.search(folded):
        yield _WRITTEN_OUT.sub("", folded)
    if "strasse" in folded:
        yield folded.replace("strasse", "str")
