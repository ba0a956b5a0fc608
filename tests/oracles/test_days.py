"""Days in texts against a slow and obvious reading: word after word, one text at a time."""

from __future__ import annotations

import re
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from potable.privacy import days
from potable.privacy.folding import folded, plain
from potable.privacy.lines import Line

MONTHS = {
    "march": 3, "mar": 3, "märz": 3, "mars": 3, "marzo": 3, "марта": 3, "iii": 3,
    "december": 12, "déc": 12, "dez": 12, "xii": 12,
}  # fmt: skip
BETWEEN = {"th", "of", "de", "the", "st", "er", "年", "月", "日"}
WORDS = [*MONTHS, *BETWEEN, "born", "z", "7th", "07MAR84", "1984年3月7日", "王", "\x01", "½"]
NUMBERS = ["7", "03", "3", "12", "13", "31", "32", "0", "00", "84", "1984", "2001", "19840307", "07031984", "198403071"]
GAPS = st.sampled_from([" ", ".", "-", "/", ", ", "", "\n", "_", "\u0301"])
TEXTS = st.lists(st.tuples(st.sampled_from(NUMBERS * 2 + WORDS), GAPS), max_size=9).map(
    lambda parts: "".join(piece + gap for piece, gap in parts)
)


def bare(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return "".join(char for char in decomposed if unicodedata.category(char) != "Mn")


def words(text: str) -> list[tuple[str, int]]:
    """Numbers, letters and signs of the sign language of Han, each with the place it has without blanks."""
    found, place = [], 0
    for match in re.finditer(r"[0-9]+|[\u4e00-\u9fff]|[^\s0-9\u4e00-\u9fff]+", folded(plain(text))):
        found.append((match[0], place))
        place += len(match[0])
    return found


def readings(parts: list[str]) -> set[int]:
    """The days that three words, or one, may mean."""
    names = {bare(name): number for name, number in MONTHS.items()}

    def small(word: str) -> int:
        return int(word) if re.fullmatch("[0-9]{1,2}", word) else 0

    def years(word: str) -> list[int]:
        if re.fullmatch("[0-9]{2}", word):
            return [1900 + int(word), 2000 + int(word)]
        return [int(word)] if re.fullmatch("[0-9]{4}", word) else []

    found = set()
    if len(parts) == 1 and (digits := parts[0]) and re.fullmatch("[0-9]{8}", digits):
        orders = [(digits[:4], digits[4:6], digits[6:])]
        orders += [(digits[4:], digits[2:4], digits[:2]), (digits[4:], digits[:2], digits[2:4])]
    elif len(parts) == 3:
        one, two, three = parts
        orders = [(one, two, three), (three, two, one), (three, one, two)]
    else:
        orders = []
    for year, month, day in orders:
        for known in years(year):
            numbered = names.get(month) or small(month)
            if known and 1 <= numbered <= 12 and 1 <= small(day) <= 31:
                found.add(known * 10_000 + numbered * 100 + small(day))
    return found


def expected(text: str) -> set[tuple[int, int, int]]:
    all_words = words(text)
    kept = [(at, word, place) for at, (word, place) in enumerate(all_words) if word not in BETWEEN]
    found = set()
    for number in range(len(kept)):
        for size in (1, 3):
            run = kept[number : number + size]
            if len(run) == size:
                end = run[-1][2] + len(run[-1][1])
                found |= {(run[0][2], end, day) for day in readings([word for _, word, _ in run])}
    return found


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_days_are_read_as_if_word_after_word(text):
    found = days.days(Line([plain(text)]))
    assert set(zip(*(column.tolist() for column in found), strict=True)) == expected(text)


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, max_size=4))
def test_no_day_goes_over_from_one_text_to_the_next(texts):
    line = Line([plain(text) for text in texts])
    found = days.days(line)
    alone = sorted((number, day) for number, text in enumerate(texts) for _, _, day in expected(text))
    both = zip(line.text_of(found.starts).tolist(), found.numbers.tolist(), strict=True)
    assert sorted(set(both)) == sorted(set(alone))
    assert (line.text_of(found.starts) == line.text_of(found.ends - 1)).all()


@given(st.lists(st.dates(), max_size=5))
def test_days_are_hashed_as_their_digits(some):
    import numpy as np

    texts = [f"{day:%Y%m%d}".rjust(8, "0") for day in some]
    numbers = np.array([int(text) for text in texts], np.int64)
    assert days.hashed(numbers).tolist() == [int(Line([text]).compact([0], [8])[0]) for text in texts]
