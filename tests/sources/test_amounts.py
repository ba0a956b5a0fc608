"""Amounts: many at once say what each says by itself."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from potable.sources.amounts import _plain, amounts

PIECES = st.sampled_from(
    [
        "1",
        "12",
        "123",
        "1234",
        ".",
        ",",
        "'",
        " ",
        "-",
        "+",
        "(",
        ")",
        "€",
        "EUR",
        "$",
        "CHF",
        "e5",
        "E-2",
        "x",
        "٣",
        "\xa0",
        "−",
    ]
)
TEXTS = st.lists(PIECES, max_size=6).map("".join) | st.sampled_from(
    [
        "1.234,50 €",
        "(1.234,50)",
        "$1,234.50",
        "12,00-",
        "CHF 1'234.50",
        "-€5",
        "EUR 1.234.567",
        "1,23,456.00",
        "1.5e3",
        "",
    ]
)


@given(st.lists(st.none() | TEXTS, max_size=8), st.sampled_from(",."))
def test_many_amounts_at_once_are_what_each_is_by_itself(texts: list[str | None], decimal: str) -> None:
    found = amounts(pa.array(texts, pa.string()), decimal)
    assert found.to_pylist() == [text and _plain(text, decimal) for text in texts]
