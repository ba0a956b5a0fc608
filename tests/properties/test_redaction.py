"""Redaction is total: whatever identifier stands in whatever text, in whatever spelling, it does not survive."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata

from hypothesis import strategies as st
from tests.privacy.known import SOMEBODY, again, index
from tests.tried import tried

from potable.privacy.digests import MARKS

NAMES = st.one_of(
    st.sampled_from(
        [
            "Anna Müller",
            "Jörg Weiß",
            "Siobhán O'Brien",
            "Anna-Lena von der Heide",
            "José Núñez",
            "Will Young",
            "Priya D'Souza",
            "Søren Kjær",
            "Grace May",
            "Hans-Jürgen Müller-Lüdenscheidt",
            "Łukasz Żak",
            "İbrahim Öztürk",
            "राम शर्मा",
            "Юлия Иванова",
        ]
    ),
    st.text(st.characters(categories=["Lu", "Ll"]), min_size=2, max_size=8).map(lambda part: f"{part} Q{part}"),
)
IDS = st.one_of(
    st.from_regex(r"E[1-9][0-9]{5}", fullmatch=True),
    st.from_regex(r"[1-9][0-9]{8,11}", fullmatch=True),
    st.from_regex(r"[A-Z]{5}[0-9]{4}[A-Z]", fullmatch=True),
)
PHONES = st.from_regex(r"\+(49|91|44|1)[ -]?[1-9][0-9]{2}[ /-]?[0-9]{7}", fullmatch=True)
EMAILS = st.from_regex(r"[a-z]{1,8}\.[a-z]{2,8}[0-9]{0,2}@[a-z]{2,8}\.(example|co\.uk)", fullmatch=True)
KINDS = ("name", "full_name", "email", "phone", "id", "address", "birth")
AROUND = st.text(max_size=20)
EDGE = st.sampled_from(["", " ", "\n", "(", '"', "…", "—", ", ", "'", "’", "*", "\u00a0", "\t", "¿"])
CASES = st.sampled_from([str, str.upper, str.lower, str.title, str.swapcase])
FORMS = st.sampled_from(["NFC", "NFD"])
GAPS = st.sampled_from([" ", "  ", "\n", " \n ", "\u00a0", "-", "\u2003", "_", ".\u200b"])
SPLITS = st.sampled_from(["", " ", "-", ".", "\u2011", "\u00ad"])


def _visible(text: str) -> str:
    """The text without marks, accents and case: written for these tests alone."""
    bare = re.sub(r"\[(?:" + "|".join(MARKS) + r")\]", "\n|||||\n", text)
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", bare).casefold())
    return "".join(c for c in decomposed if unicodedata.category(c) not in ("Mn", "Cf"))


def _parts(value: str) -> list[str]:
    return [part for part in re.split(r"[\W_]+", _visible(value)) if part]


def _survives(text: str, parts: list[str], gap: str) -> bool:
    pattern = r"(?<![^\W_])" + gap.join(map(re.escape, parts)) + r"(?![^\W_])"
    return re.search(pattern, _visible(text)) is not None


def _redact(text: str, own: list[tuple[str, str]], everybody: list[tuple[str, str]]) -> str:
    known = index([*((SOMEBODY, *pair) for pair in own), *((None, *pair) for pair in everybody)])
    result = again(text, known)
    assert again(result, known) == result
    return result


@tried(100, NAMES, AROUND, EDGE, EDGE, AROUND, CASES, FORMS, GAPS, st.booleans())
def test_no_name_survives(name, before, left, right, after, case, form, gap, own):
    shown = unicodedata.normalize(form, gap.join(case(part) for part in name.split()))
    text = f"{before} {left}{shown}{right} {after}"
    roster = [("full_name", name)]
    result = _redact(text, roster if own else [], [] if own else roster)
    assert not _survives(result, _parts(name), r"[\W_]{1,4}")
    if own:
        for part in name.split():
            assert len(_parts(part)) > 1 or not _survives(result, _parts(part), "") or len(_parts(part)[0]) < 4


@tried(100, IDS, AROUND, EDGE, EDGE, AROUND, CASES, SPLITS, st.booleans())
def test_no_id_survives(value, before, left, right, after, case, split, own):
    shown = split.join(case(value)[at : at + 4] for at in range(0, len(value), 4))
    result = _redact(f"{before} {left}{shown}{right} {after}", [("id", value)] * own, [("id", value)] * (not own))
    assert value.lower() not in re.sub(r"[\W_]", "", _visible(result))


@tried(70, PHONES, AROUND, EDGE, AROUND, st.sampled_from(["", " ", "-", ".", "/", " / "]), st.booleans())
def test_no_own_number_survives(value, before, left, after, split, national):
    digits = re.sub(r"\D", "", value)
    digits = "0" + digits[-10:] if national else digits
    shown = split.join(digits[at : at + 3] for at in range(0, len(digits), 3))
    result = _redact(f"{before} {left}{shown} {after}", [("phone", value)], [])
    assert digits[-9:] not in re.sub(r"[\W_]", "", _visible(result))


@tried(70, EMAILS, AROUND, EDGE, EDGE, AROUND, CASES, st.booleans())
def test_no_address_survives(value, before, left, right, after, case, known):
    result = _redact(f"{before} {left}{case(value)}{right} {after}", [], [("email", value)] * known)
    assert value.lower() not in result.lower()


@tried(100, st.text())
def test_any_text_goes_through_and_twice_changes_nothing(text):
    _redact(text, [("full_name", "Anna Müller"), ("id", "E12")], [("full_name", "Bo Li"), ("id", "12345678")])


DATES = st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d.%m.%y", "%d %B %Y", "%B %d, %Y", "%d-%b-%y", "%Y%m%d"])


@tried(70, st.dates(dt.date(1930, 1, 1), dt.date(2029, 12, 31)), DATES, AROUND, EDGE, EDGE, AROUND, CASES)
def test_no_own_date_of_birth_survives(day, form, before, left, right, after, case):
    shown = case(day.strftime(form))
    result = _redact(f"{before} {left}{shown}{right} {after}", [("birth", str(day))], [])
    assert not _survives(result, _parts(shown), r"[\W_]{1,4}")


PIECES = st.one_of(
    st.sampled_from(["anna", "lee", "annas", "o'hara", "müller", "E12345", "e123456", "12345", "678", "9", "ß", "s"]),
    st.sampled_from(["E1", "1.2.3.4", "a@b.example", "+49 151 2345678", "http://lee@x", "5 Lee Street", "Annastr. 5"]),
    st.sampled_from(["1984-03-07", "7.3.84", "7 March", "1984"]),
    st.sampled_from(["[NAME]", "[", "passport"]),
)
BETWEEN = st.sampled_from(["", " ", "-", ", ", "/", ".", "\u0301", "\u200b", "\x00", "\n", "    ", "'", "@"])
MIXED = st.lists(st.tuples(PIECES, BETWEEN), max_size=9).map(lambda parts: "".join(a + b for a, b in parts))


@tried(
    100,
    st.lists(st.tuples(st.sampled_from(KINDS), MIXED), max_size=4),
    st.lists(st.tuples(st.sampled_from(["full_name", "id", "email"]), MIXED), max_size=3),
    MIXED,
)
def test_what_marks_leave_of_a_text_names_nobody(own, everybody, text):
    """The index is asked only once about a text; so whatever it would find in what is left is found here."""
    _redact(text, own, everybody)
