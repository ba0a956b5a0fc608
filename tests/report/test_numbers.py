"""Numbers read the same everywhere, and never round to a lie."""

import pytest

from potable.report.numbers import human_bytes, human_count, human_seconds, human_time, plain, plural, share


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1_023, "1,023 bytes"),
        (1_024, "1.0 KB"),
        (12_897_485, "12.3 MB"),
        (1_048_575, "1.0 MB"),
        (611 << 20, "611 MB"),
        (2 << 30, "2.0 GB"),
        (5 << 60, "5,120 PB"),
    ],
)
def test_bytes_are_in_powers_of_1024(size, text):
    assert human_bytes(size) == text


def test_counts_have_separators_and_nouns_agree():
    assert human_count(1_234_567) == "1,234,567"
    assert [plural(count, "row") for count in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]
    assert plural(2, "class", "classes") == "2 classes"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (0.01, "< 0.1 s"), (41.27, "41.3 s"), (59.97, "1 min"), (725, "12 min 5 s"), (12_000, "3 h 20 min")],
)
def test_seconds_grow_into_minutes_and_hours(seconds, text):
    assert human_seconds(seconds) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 5, "0%"), (1, 3, "33.3%"), (5, 5, "100%"), (1, 10**6, "< 0.1%"), (10**6 - 1, 10**6, "> 99.9%"), (1, 0, "–")],
)
def test_a_share_never_rounds_to_nothing_or_to_all(part, whole, text):
    assert share(part, whole) == text


def test_a_moment_is_written_out_and_anything_else_left_alone():
    assert human_time("2025-03-14T09:26:11+00:00") == "14 March 2025, 09:26 UTC"
    assert human_time("yesterday") == "yesterday"


def test_what_a_terminal_would_obey_becomes_visible():
    assert plain("a\x1b[31m\nb") == "a\\x1b[31m\\x0ab"
