from hypothesis import given
from hypothesis import strategies as st

from potable.privacy.shapes import LONGEST, shape


def test_letters_digits_and_signs_keep_their_kind() -> None:
    assert shape("Priya-7 (née Müller)\n٣") == "Aaaaa-9 (aaa Aaaaaa) 9"
    assert shape("山田\x00") == "aa?"


@given(st.text())
def test_a_shape_holds_no_letter_or_digit_but_its_own(text: str) -> None:
    found = shape(text)
    assert {char for char in found if char.isalnum()} <= set("Aa9")
    assert shape(found) == found or len(text) > LONGEST
