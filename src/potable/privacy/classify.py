"""Privacy categories suggested for a column, from its name and from the form of its values.

A suggestion is a start for whoever writes the contract and never clears a column: none is ever suggested as
harmless. Entry: `classified`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from potable.privacy import called, detect
from potable.privacy.categories import FREE_TEXT, is_direct

if TYPE_CHECKING:
    import pyarrow as pa

_MOST = 0.8
"""Share of the values that must have a form."""
_LONG = 40
"""Characters of a mean value from which it is a text."""

_NAMES: tuple[tuple[str, str, str], ...] = (
    (r"e_?mail", "user.contact.email", "email"),
    (r"(tele)?phone|mobile|cell(_|$)", "user.contact.phone_number", ""),
    (
        r"national_?id|ssn|social_security|aadhaa?r|nino|pan_(no|number)|steuer_?id|tax_(id|no)",
        "user.government_id",
        "national_id",
    ),
    (r"passport", "user.government_id.passport_number", ""),
    (r"((^|_)emp(loyee)?|staff|person(nel)?|worker)_?(no|nr|num(ber)?|id|code)(_|$)", "", "emp_no"),
    (r"(customer|client|kunden?)_?(no|nr|num(ber|mer)?|id)(_|$)", "", "customer_no"),
    (r"((student|matriculation)_?(no|nr|num(ber)?|id)|matrikel(_?(no|nr|nummer))?)(_|$)", "", "student_no"),
    (r"((^|_)pat|patient(en)?)_?(no|nr|num(ber|mer)?|id)(_|$)|(^|_)mrn(_|$)", "", "patient_no"),
    (r"(member|mitglieds?)_?(no|nr|num(ber|mer)?|id)(_|$)", "", "member_no"),
    (r"(^|_)(full_?)?name$|reviewer|manager", "user.name", ""),
    (r"(^|_)ip(_?addr(ess)?)?(_|$)", "user.device.ip_address", ""),
    (r"post_?code|(^|_)zip|postal|plz|postleitzahl", "user.contact.address.postal_code", ""),
    (r"(^|_)(city|town)(_|$)|(^|_)(wohn)?ort$", "user.contact.address.city", ""),
    (r"country", "user.contact.address.country", ""),
    (r"street|stra(ss|sz)e|(^|_)address|anschrift", "user.contact.address.street", ""),
    (
        r"(?<!place_of_)birth(?!_?(place|city|town|country|state|weight))|(^|_)dob(_|$)"
        r"|geburts(?!_?(ort|land|staat|gewicht))|(^|_)(geboren|geb_?dat)",
        "user.demographic.date_of_birth",
        "",
    ),
    (r"gender|(^|_)sex(_|$)|geschlecht", "user.demographic.gender", ""),
    (r"marital", "user.demographic.marital_status", ""),
    (r"(credit|debit)_?card|(^|_)card_(no|nr|num(ber)?)(_|$)", "user.financial.credit_card", ""),
    (r"iban|bank_?account|account_(no|number)", "user.financial.bank_account", ""),
    (
        r"salary|gross(_|$|pay)|(^|_)(net|pay)(_(amount|usd|eur))?$|wages?(_|$)|bonus|income|compensation",
        "user.financial.salary",
        "",
    ),
    (r"(^|_)ratings?(_|$)|performance|appraisal", "user.performance", ""),
    (
        r"comment|remark|(^|_)notes?(_|$)|feedback|free_?text|description|(^|_)(text|message|body|subject|attachments)$",
        "free_text",
        "",
    ),
    (r"(^|_)(kv|versicherten)_?(nr|nummer)(_|$)", "user.health.insurance_beneficiary_id", ""),
    (r"diagnos|(^|_)icd(_?(9|10|11))?(_|$)|disabilit|health|sick", "user.health_and_medical", ""),
    (r"religio", "user.demographic.religious_belief", ""),
    (r"ethnic|(^|_)race$", "user.demographic.race_ethnicity", ""),
)
"""Pattern of a column's name (snake_case), category, and the subject-key namespace its values are; first and last names
are told by `called`."""
_NATIONAL = (
    "aadhaar",
    "pan",
    "ssn",
    "nino",
    "steuer_id",
    "resident_id",
    "resident_number",
    "thai_id",
    "emirates_id",
    "snils",
)
_FORMS = {
    "email": ("user.contact.email", "email"),
    "written_email": ("user.contact.email", ""),
    "encoded_email": ("user.contact.email", ""),
    "iban": ("user.financial.bank_account", ""),
    "card": ("user.financial.credit_card", ""),
    "phone": ("user.contact.phone_number", ""),
    **dict.fromkeys(_NATIONAL, ("user.government_id", "national_id")),
}
"""By kind of a proved form: category and key namespace."""


_FIRM = (
    r"(^|_)(merchant|supplier|vendor|seller|shop|store|brand|manufacturer|insurer|carrier)"
    r"(_[a-z]+)?_(name|address|street|city|town|country|post_?code|postal|zip|(tele)?phone|mobile|e_?mail|tax|iban)(_|$)"
)
"""Names of columns about a firm; whether they are about a person, too, cannot be guessed from the name."""
_THING = (
    r"(^|_)(company|firm|organi[sz]ation|employer|bank|branch|office|site|department|dept|division|team|unit|school|college"
    r"|university|institution|product|item|article|asset|event|campaign|course|training|project|task|job|role|file|document"
    r"|host|server|domain|table|column|field|database|app|application|service|device|process|plan|package|category|group)"
    r"(_(first|given|last|family))?_names?(_|$)"
)
"""Names of columns that name something other than a person."""
_SHOWN = "display_name"
"""What anything is called where it is shown: a person, where the table tells of people (`of_people`)."""
_CODES = (
    *("user.contact.address.postal_code", "user.contact.phone_number", "user.contact.fax_number"),
    "user.government_id",
)
"""Categories of digits of which a zero in front is one."""
_OF = r"_(id|no|nr|num(ber)?|on|at|by|date|time|count|lang(uage)?|code)$"
_TOLD_ABOUT = frozenset({FREE_TEXT, "user.financial.salary"})
"""Categories whose columns are not recognised by name where the name ends in one of `_OF` (`salary_date`)."""


@dataclass(frozen=True)
class Guess:
    """What a column may hold."""

    category: str = ""
    """A privacy category; empty where a key says it, or nothing was recognised."""
    key: str = ""
    """Subject-key namespace, where its values tell who a record is about."""
    why: str = ""
    """What it was recognised by, without a value."""

    @property
    def may_be_key(self) -> bool:
        """Whether it may tell records apart: texts do not, and what names a person does by chance."""
        return bool(self.key) or not (self.category == FREE_TEXT or is_direct(self.category))

    def of(self, kind: str) -> Guess:
        """The guess for a column of a type: a truth value (`mobile: true`) names nobody, and only a text is one."""
        none = (kind == "boolean" and is_direct(self.category)) or (kind != "string" and self.category == FREE_TEXT)
        return Guess() if none else self


def classified(name: str, values: pa.StringArray) -> Guess:
    """What a column called `name` (snake_case) may hold; an empty guess where nothing was recognised.

    Args:
        values: its values, nulls left out; some hundreds are enough.
    """
    characters = sum(map(len, values.to_pylist()))
    held = detect.count(values)
    alone = detect.count(values, alone=True) if held else {}
    return guessed(name, filled=len(values), forms=alone, held=held, characters=characters)


def is_code(category: str) -> bool:
    """Whether digits of a category are no number, although those that are known may not begin with a zero."""
    return category in _CODES


def of_people(guesses: Mapping[str, Guess]) -> dict[str, Guess]:
    """The guesses of one table, `display_name` as that of a person where its other columns name or reach one."""
    found = dict(guesses)
    people = any(guess.key or is_direct(guess.category) for name, guess in found.items() if name != _SHOWN)
    if people and _SHOWN in found and not (found[_SHOWN].category or found[_SHOWN].key):
        found[_SHOWN] = Guess("user.name", why="its name, beside others of a person")
    return found


def guessed(name: str, *, filled: int, forms: Mapping[str, int], held: Mapping[str, int], characters: int) -> Guess:
    """The same, from counts.

    Args:
        filled: how many values there are.
        forms: how many of them are an identifier, by kind (`detect.count`, alone).
        held: how many of them hold one, by kind.
        characters: how many characters they have together.
    """
    if filled:
        if guess := _formed(forms, filled) or _holding(held, filled):
            # an address of a firm has the form of a person's, and links nobody
            return replace(guess, key="") if re.search(_FIRM, name) else guess
        if characters / filled >= _LONG:
            return Guess("free_text", why=f"{characters / filled:.0f} characters on average")
    if part := called.part_of_name(name):
        return Guess(f"user.name.{part}", why="its name")
    if name == _SHOWN:
        return Guess()
    for pattern, category, key in () if re.search(f"{called.ABOUT}|{_FIRM}|{_THING}", name) else _NAMES:
        if re.search(pattern, name) and not (category in _TOLD_ABOUT and re.search(_OF, name)):
            return Guess(category, key, "its name")
    return Guess()


def _formed(found: Mapping[str, int], filled: int) -> Guess | None:
    """By the form that most values have, the most certain first."""
    for kind, (category, key) in _FORMS.items():
        if found.get(kind, 0) >= _MOST * filled:
            return Guess(category, key, f"{found[kind]:,} of {filled:,} values have the format of {kind}")
    return None


def _holding(held: Mapping[str, int], filled: int) -> Guess | None:
    """Texts in which an identifier stands among other words are texts, and tell nobody from anybody."""
    for kind in _FORMS:
        if held.get(kind, 0) >= _MOST * filled:
            return Guess(FREE_TEXT, why=f"{held[kind]:,} of {filled:,} values contain {kind} among other words")
    return None
