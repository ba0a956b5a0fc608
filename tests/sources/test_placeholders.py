"""Words that stand where there is no value."""

from __future__ import annotations

import pyarrow as pa
import pytest

from potable.sources.placeholders import placeholders, without


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["1", "N/A", " - ", "-", None], ("-", "N/A")),
        (["1", "NULL", "null"], ("NULL", "null")),
        (["NA", "None", "unknown", "-1", ""], ()),
        (["-", "N/A", "", None], ()),
        (["2024-01-31", "0000-00-00", "0000-00-00", None], ("0000-00-00",)),
        (
            ["2024-01-31 10:00:00", "0000-00-00 00:00:00", "infinity", "-infinity"],
            ("-infinity", "0000-00-00 00:00:00", "infinity"),
        ),
        ([], ()),
    ],
)
def test_placeholders_are_told_but_where_there_is_nothing_else(texts: list[str | None], found: tuple[str, ...]) -> None:
    assert placeholders(pa.array(texts, pa.string())) == found


def test_only_named_words_are_taken_for_no_value() -> None:
    texts = pa.array(["1", " - ", "n/a", None])
    assert without(texts, ["-"]).to_pylist() == ["1", None, "n/a", None]
    assert without(texts, []).to_pylist() == texts.to_pylist()
