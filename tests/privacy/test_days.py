"""A person's own date of birth in texts about them."""

from __future__ import annotations

import pytest
from tests.privacy import known

BORN = (("birth", "1984-03-07"),)


def redact(text: str, own=BORN) -> str | None:
    return known.redact(text, own)


@pytest.mark.parametrize(
    "day",
    [
        *("1984-03-07", "1984/03/07", "1984.3.7", "84-03-07", "19840307", "1984-03-07T00:00", "1984 03 07"),
        *("07.03.1984", "7.3.1984", "7.3.84", "07.03.84", "7. 3. 1984", "07/03/1984", "7-3-84", "07031984"),
        *("03/07/1984", "3/7/84", "3-7-1984", "03071984", "\uff10\uff17.\uff10\uff13.1984", "٧/٣/١٩٨٤"),
        *("7 March 1984", "7th March 1984", "7th of March, 1984", "7 MAR 84", "07-Mar-1984", "07MAR1984", "7th day of March '84"),
        *("March 7, 1984", "Mar. 7th 1984", "march 07 84", "1984 March 7", "7.III.1984"),
        *("7. März 1984", "7.Mrz.84", "7. Maerz 1984", "07. MÄRZ 1984", "7 mars 1984", "le 7 mars 84", "7 de marzo de 1984"),
        *("7 marzo 1984", "7 de março de 1984", "7 maart 1984", "7 marca 1984", "7. března 1984", "1984. március 7."),
        *("7 марта 1984 г.", "7 березня 1984", "7 Μαρτίου 1984", "7  במרץ 1984", "7 مارس 1984", "7 मार्च 1984"),
        *("1984年3月7日", "1984년 3월 7일", "ngày 7 tháng 3 năm 1984", "7 Mart 1984", "7 maaliskuuta 1984"),
    ],
)  # fmt: skip
def test_ones_own_date_of_birth_goes_however_it_is_written(day):
    text = redact(f"I was born on {day} in Ulm.")
    assert text.startswith("I was born on ") and text.endswith(" in Ulm.") and text.count("[BIRTHDATE]") == 1
    assert not {"84", "1984", "3", "03", "Mar", "März"} & set(text.replace(".", " ").split())
    # whoever it is not about is not born on it
    about_nobody = redact(f"I was born on {day} in Ulm.", own=(("birth", "1985-07-03"),))
    assert "[BIRTHDATE]" not in about_nobody


@pytest.mark.parametrize(
    "text",
    [
        *("in 1984", "March 1984", "7 March", "on 07.03.", "8 March 1984", "1984-04-07", "07.03.1994", "7.3.184"),
        *("7.3.", "7 people in March 1984", "7 March and 1984", "17.03.1984", "7.3.19840", "2384-03-07"),
        *("7 March or 8 March 1984", "84", "1984-03", "version 7.3"),
    ],
)
def test_other_dates_and_parts_of_one_stay(text):
    assert redact(text) == text


@pytest.mark.parametrize(
    ("born", "text"),
    [
        ("1984-03-07 00:00:00", "07.03.1984"),
        ("07.03.1984", "7 March 1984"),
        ("7. März 1984", "1984-03-07"),
        ("19840307", "7.3.84"),
        ("03/07/84", "1984-03-07"),
        ("2004-12-31", "31.12.04"),
        ("1904-12-31", "31.12.04"),
        ("1899-01-02", "2 Jan 1899"),
    ],
)
def test_a_date_of_birth_is_known_however_the_column_has_it(born, text):
    assert redact(f"born {text}!", own=(("birth", born),)) == "born [BIRTHDATE]!"


def test_what_is_no_day_is_looked_for_by_nobody():
    assert redact("born unknown, 00.00.0000", own=(("birth", "unknown"), ("birth", "0000-00-00"))) == (
        "born unknown, 00.00.0000"
    )


def test_somebody_elses_date_of_birth_is_a_date():
    assert known.redact("hired 07.03.1984", (), BORN) == "hired 07.03.1984"


def test_a_date_of_birth_goes_beside_other_identifiers():
    own = (*BORN, ("full_name", "Anna Lee"), ("id", "E0012345"), ("phone", "+49 151 1234567"))
    text = "Anna Lee (07.03.1984, E0012345), 0151 1234567, 1984-03-07/Lee\n7.\n3.\n1984"
    assert known.redact(text, own) == "[NAME] ([BIRTHDATE], [ID]), [PHONE], [BIRTHDATE]/[NAME]\n[BIRTHDATE]"
