"""Which columns hold first and last names of people, by what they are called.

What `source discover` suggests by a heading and what `check` refuses to have declared harmless are told here, once.

Entry: `snake` for a heading as the name of a column, `part_of_name` for what such a name says.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from potable.privacy.translated import translated

_LETTERS = str.maketrans(
    {"ß": "ss", "ı": "i", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "æ": "ae", "Æ": "Ae"}
)
"""Letters that are none of ASCII with an accent."""
_PARTS: tuple[tuple[Literal["first", "last"], str], ...] = (
    (
        "first",
        "(first|given|preferred|nick)_?names?|(vor|ruf|spitz)_?namen?|f_?name|prenoms?|nombre_de_pila|primer_nombre"
        "|fornamn|voornaam|imie",
    ),
    (
        "last",
        "(last|sur|family|maiden|birth)_?names?|(nach|familien|geburts|madchen)_?namen?|l_?name|nom_de_famille"
        "|apellidos?|cognome|sobrenome|efternamn|achternaam|nazwisko",
    ),
)
"""Words of a column's name, in snake_case and without accents."""
_AMID = {"first": "(first|given)_?names?|vor_?namen?", "last": "(last|sur|family|maiden)_?names?|nach_?namen?"}
"""Those of them that may stand behind other letters: `personfirstname`, and no `modelname`."""
_PATTERNS = tuple(
    (part, re.compile(rf"(?:^|_)(?P<one>{words})(?=_|\d*$)|(?<=[a-z]{{3}})(?P<other>{_AMID[part]})(?=_|\d*$)"))
    for part, words in _PARTS
)
_THING = re.compile(
    r"(^|_)(product|item|article|asset|file|document|host|server|domain|table|column|field|font|database|app|device"
    r"|process|package|category|variable|machine|model|instance|gene|protein|plant|genus|species)_?$"
)
"""What has a family name, or file names, and is nobody: it stands before them."""
ABOUT = r"_(type|kind|status|flag|format|verified|currency)$"
"""Endings of names of columns that describe another column's value (`email_verified`)."""
_ABOUT = re.compile(rf"{ABOUT}|_(changed|updated|length)$")


def snake(heading: str) -> str:
    """A heading in whatever spelling as a name in snake_case; empty where nothing of it has Latin letters."""
    signs = unicodedata.normalize("NFKD", translated(heading))
    plain = "".join(sign for sign in signs if not unicodedata.combining(sign)).translate(_LETTERS)
    return re.sub(r"\W+", "_", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", plain), flags=re.ASCII).strip("_").lower()


def part_of_name(name: str) -> Literal["", "first", "last"]:
    """Whose names a column called `name` (snake_case) holds: first or last ones of people, or neither."""
    if _ABOUT.search(name):
        return ""
    for part, pattern in _PATTERNS:
        found = pattern.search(name)
        if found and not _THING.search(name[: found.start(found.lastgroup or 0)]):
            return part
    return ""
