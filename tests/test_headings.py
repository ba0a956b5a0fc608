"""Words of headings: what is known tells of nobody, everything else may."""

from __future__ import annotations

import pytest

from potable.estate import names
from potable.headings import CERTAIN, DOUBTFUL, familiar, tells_nobody, words

NUMBERS = ["536-22-8765", "4111 1111 1111 1111", "(0151) 123 4567", "0151/12.34.567", "10.0.0.1"]
PEOPLE = {
    word.casefold()
    for lists in (names._GIVEN_FEMALE, names._GIVEN_MALE, names._SURNAMES)
    for text in lists.values()
    for word in text.replace("_", " ").replace("-", " ").split()
}


def test_no_name_of_a_person_alone_is_familiar() -> None:
    assert len(PEOPLE) > 500
    assert not [name for name in PEOPLE if familiar(name) or familiar(name.title()) or familiar(f"{name} {name}")]
    assert PEOPLE & DOUBTFUL and not PEOPLE & CERTAIN


@pytest.mark.parametrize(
    "text",
    ["Cost Center", "costCenter", "hire_date", "EMPNO", "Unit Price", "Personalkosten", "@id", "price/@currency"],
)
def test_headings_are_familiar(text: str) -> None:
    assert tells_nobody(text)


@pytest.mark.parametrize(
    "text", ["Mustermann", "Unit Price Mustermann", "office@company", "account 12345", "李雷", "Max", *NUMBERS]
)
def test_what_is_unknown_may_tell_of_somebody(text: str) -> None:
    assert not tells_nobody(text)


def test_words_somebody_declared_are_familiar_too() -> None:
    own = words(["path/to/Zulage-B", "Kontraktor"])
    assert own == {"path", "to", "zulage", "kontraktor"}
    assert tells_nobody("ZULAGE kontraktor", own) and not tells_nobody("Zulage Meier", own)


def test_lists_are_apart_and_in_lower_case() -> None:
    assert not CERTAIN & DOUBTFUL
    assert all(word == word.casefold() for word in CERTAIN | DOUBTFUL)


@pytest.mark.parametrize("repeated", ["A", "aA", "cost", "Ab"])
def test_a_book_as_a_heading_takes_no_time_by_its_square(repeated: str) -> None:
    """By the square it would be hours."""
    assert not tells_nobody(repeated * (3_000_000 // len(repeated)) + "!")
