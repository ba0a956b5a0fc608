"""How an identifier may be spelled in a text, after folding: what the redactor and the scans look for.

A name also stands alone, in parts, without its hyphen, with its umlauts written out or left out, in the forms of its
language (`inflection`); an id without its separators; a telephone number with or without country and area code. Kinds
are those of the roster (`potable.privacy.roster`): name, full_name, email, phone, address, id, birth.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from potable.privacy.days import written
from potable.privacy.digests import Kind
from potable.privacy.folding import fold, plain, unescaped, words
from potable.privacy.inflection import behind_prepositions, cut, inflected, is_full

BIRTH = "birth"
"""Kind of dates of birth."""
MARK_OF = {
    "name": "NAME",
    "full_name": "NAME",
    "email": "EMAIL",
    "phone": "PHONE",
    "address": "ADDRESS",
    "id": "ID",
    BIRTH: "BIRTHDATE",
}
"""Mark by kind of identifier."""

_PARTICLES = (
    "al an and bin da das de dell della den der di dos du el ibn la las le les mac mc nd of san sn st ten ter the und"
    " van vom von zu zum zur"
)
PARTICLES = frozenset(_PARTICLES.split())
"""Words inside names that mean nothing alone."""
_UMLAUTS = {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "å": "aa", "Å": "Aa"}
_UMLAUT = re.compile("[äöüÄÖÜåÅ]|[aouAOU]\u0308")
_JOINER = "\u200c"
"""Nobody sees it, and what it joins is also written apart."""
_JOINT = re.compile(r"[^\w\s]|_")
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9][A-Za-z0-9-]*(\.[A-Za-z0-9-]+)*")
_ISO_DAY = re.compile("([0-9]{4})-([0-9]{2})-([0-9]{2})(?![0-9])")
PHONE_TAIL = 9
# country calling codes (ITU-T E.164): of one digit, of two, all others of three
_CALLING = "1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[2-9][0-9]{2}"
_SHORT_ABROAD = re.compile(rf"(?:\+|00)[ (]*(?:{_CALLING})((?:[^0-9]*[0-9]){{6,8}}[^0-9]*)")
LEAST_OWN_DIGITS = 5
LEAST_DIGITS = 6
"""Shortest number of somebody else's that is looked for."""


def spellings(kind: str, value: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What stands for `value`, folded: in a text of anybody, and in a text of its owner.

    Ids and telephone numbers (`compact`) have neither blanks nor punctuation, a day has eight digits, all else is
    words. In a text of anybody only forms count that no ordinary word or number has.
    """
    value = unescaped(value)
    if kind == BIRTH:
        # many people have the same one, and it is an ordinary date of all others
        return (), (day,) if (day := iso_day(value)) else tuple(written(value))
    if kind == "phone":
        # what has the usual form is found in any text by detect
        tail = phone_tail(value)
        return (), _filled(tail, at_home(value)) if tail else _filled("".join(words(value)))
    if kind == "id":
        text = "".join(words(value))
        digits = _digits(value)
        # with its zeros, as E0012345 is read out, and without
        zeros = "".join(filter(str.isdigit, plain(value))) if digits else ""
        return _filled(text) if _coded(text) else (), _filled(text, digits, zeros)
    phrases = _phrases(value)
    own = _names(value, full=kind == "full_name") if kind in ("name", "full_name") else phrases
    if kind in ("name", "full_name") and not value.isascii():
        own, phrases = (_filled(*texts, *inflected(texts)) for texts in (own, phrases))
    elif kind == "address" and not value.isascii():
        own = phrases = _filled(*phrases, *(form for text in phrases for form in behind_prepositions(text)))
    return phrases if _telling(kind, value) else (), own


def forms_of(kind: str, value: str) -> list[tuple[Kind, str]]:
    """(table, folded text) of every form of one identifier."""
    everybodys, own = spellings(kind, value)
    if kind == BIRTH:
        return [(Kind.OWN_DAY, text) for text in own]
    if not compact(kind):
        return [(Kind.ANYONES_WORDS, text) for text in everybodys] + [(Kind.OWN_WORDS, text) for text in own]
    number = kind == "phone"
    return [(Kind.ANYONES_ID, text) for text in everybodys] + [
        (Kind.OWN_NUMBER if number and text.isdigit() else Kind.OWN_ID, text) for text in own
    ]


def iso_day(value: str) -> str:
    """The day that a value in ISO 8601 begins with, as eight digits; empty for any other value."""
    return "".join(found.groups()) if (found := _ISO_DAY.match(value)) else ""


def compact(kind: str) -> bool:
    """Whether identifiers of a kind are searched without anything between their letters and digits."""
    return kind in ("phone", "id")


def _telling(kind: str, value: str) -> bool:
    """Whether `value` names a person by itself, is no ordinary word and has no form that detect finds."""
    if kind == "email":
        return strange_email(value) and len(words(value)) > 1
    if kind in ("name", "full_name", "address"):
        parts = words(value)
        return len(parts) > 1 or (kind == "full_name" and any(map(is_full, parts)))
    return _coded("".join(words(value)))


def strange_email(value: str) -> bool:
    """Whether `value` is an e-mail address of a form that detect does not find."""
    return "@" in value and not _EMAIL.fullmatch(value)


def is_sign(char: str) -> bool:
    """Whether a name may also be written without this character, its neighbours together."""
    return _JOINT.fullmatch(char) is not None


def without_e(folded: str) -> str:
    """Folded texts as those write them who leave umlauts out: Mueller as Muller."""
    # an e that follows one of these vowels, no matter what became of what stands before
    return folded.replace("ae", "a").replace("oe", "o").replace("ue", "u")


def short_street(folded: str) -> str:
    """Folded texts with streets shortened."""
    return folded.replace("strasse", "str")


def _coded(text: str) -> bool:
    """Whether letters and digits are a code, and no word or small number."""
    return len(text) >= LEAST_DIGITS and any(map(str.isdigit, text))


def _filled(*texts: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, texts)))


def phone_tail(value: str) -> str:
    """The last digits of a telephone number, without country code and trunk zero; empty if too few."""
    return _digits(value)[-PHONE_TAIL:]


def at_home(value: str) -> str:
    """A number with its country code as it is dialled there; empty where the code is not written, or it is long."""
    found = _SHORT_ABROAD.fullmatch(plain(value).strip())
    return "".join(filter(str.isdigit, found[1])) if found else ""


def _digits(value: str) -> str:
    """The digits of a number or of an id such as E0012345 alone, as its owner may write them; empty if too few."""
    digits = "".join(filter(str.isdigit, plain(value))).lstrip("0")
    return digits if len(digits) >= LEAST_OWN_DIGITS else ""


def _names(value: str, *, full: bool) -> tuple[str, ...]:
    """A name, its parts, and all their spellings."""
    found: dict[str, None] = {}
    for phrase in _phrases(value):
        parts = phrase.split()
        found |= dict.fromkeys([phrase, *(part for part in parts if len(part) > 1 and part not in PARTICLES)])
        if full and len(parts) == 1:
            found |= dict.fromkeys(cut(phrase))
    return tuple(found)


@lru_cache(maxsize=1_024)
def _phrases(value: str) -> tuple[str, ...]:
    """A name or an address as words: as written, joined where it has a hyphen or apostrophe, umlauts both ways."""
    if value.isascii():
        texts: Iterable[str] = (value,)
    else:
        texts = (value, _UMLAUT.sub(lambda match: _UMLAUTS.get(match.group(), match.group()[0] + "e"), value))
        if _JOINER in value:
            texts = (*texts, value.replace(_JOINER, " "))
    return tuple(dict.fromkeys(phrase for text in texts for phrase in _written(text)))


def _written(text: str) -> Iterator[str]:
    folded = fold(text)
    if not folded:
        return
    yield folded
    # a sign such as ™ folds to letters, and nothing is left of it
    if _JOINT.search(text) and (joined := fold(_JOINT.sub("", text))):
        yield joined
    yield without_e(folded)
    yield short_street(folded)
