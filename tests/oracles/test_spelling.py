"""The forms of an identifier against the rules said once more, one after the other, over sets."""

from __future__ import annotations

import re
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from potable.privacy.digests import Kind
from potable.privacy.spelling import forms_of

LETTERS = "aeouäöüÄé0019XE -'.@_/+"
TEXTS = st.text(st.sampled_from(LETTERS), min_size=1, max_size=14)
NAMES = ["Anna Müller", "Lange Strasse 5", "von der Au", "de la Cruz", "O'Hara-Lee", "Bauer", "™", "Søren"]
OTHERS = ["E0012345", "+49 151 234567", "a.b@corp.example", "b@home", "low @home", "12", "00012", "AB", "A1B2C3"]
USUAL = st.sampled_from([*NAMES, *OTHERS])
PARTICLES = {"de", "la", "von", "der", "an", "el", "le", "du", "da", "san", "the", "and", "und"}
SPELLED_OUT = {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae"}


def folded(text: str) -> list[str]:
    bare = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).replace("ø", "o")
    kept = "".join(char for char in bare if unicodedata.category(char) != "Mn")
    return "".join(char if char.isalnum() else " " for char in kept).split()


def phrases(value: str) -> set[str]:
    found = set()
    for text in (value, "".join(SPELLED_OUT.get(char, char) for char in value)):
        words = " ".join(folded(text))
        found |= {words, words.replace("strasse", "str"), re.sub("([aou])e", r"\1", words)}
        found.add(" ".join(folded("".join(char for char in text if char.isalnum() or char.isspace()))))
    return found - {""}


def expected(kind: str, value: str) -> set[tuple[Kind, str]]:
    zeros = "".join(char for char in value if char.isdigit())
    words, digits = folded(value), zeros.lstrip("0")
    whole, enough = "".join(words), len(digits) >= 5
    code = len(whole) >= 6 and any(char.isdigit() for char in whole)
    if kind == "phone":
        found = {digits[-9:]} if enough else {whole} - {""}
        return {(Kind.OWN_NUMBER if text.isdigit() else Kind.OWN_ID, text) for text in found}
    if kind == "id":
        own = {whole, digits, zeros} if enough else {whole}
        return {(Kind.OWN_ID, text) for text in own - {""}} | ({(Kind.ANYONES_ID, whole)} if code else set())
    own, telling = phrases(value), len(words) > 1
    if kind == "email":
        usual = re.fullmatch(r"[!-?A-~]{1,64}@[A-Za-z0-9][A-Za-z0-9-]*(\.[A-Za-z0-9-]+)*", value)
        telling = telling and "@" in value and not (usual and value.count("@") == 1)
    everybodys = {(Kind.ANYONES_WORDS, text) for text in own} if telling else set()
    if kind in ("name", "full_name"):
        own |= {part for text in own for part in text.split() if len(part) > 1 and part not in PARTICLES}
    return everybodys | {(Kind.OWN_WORDS, text) for text in own}


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(["name", "full_name", "email", "phone", "id", "address"]),
    st.lists(USUAL | TEXTS, min_size=1, max_size=2).map(" ".join),
)
def test_an_identifier_has_exactly_its_forms(kind, value):
    found = forms_of(kind, value)
    assert set(found) == expected(kind, value)
    assert len(found) == len(set(found))
