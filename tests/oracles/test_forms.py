"""The index of forms against a slow and obvious search: every form, every text, every place."""

from __future__ import annotations

import re

import pyarrow as pa
from hypothesis import example
from hypothesis import strategies as st
from tests.oracles.test_days import expected as days_in
from tests.privacy.known import index
from tests.tried import tried

from potable.privacy.digests import Kind, people
from potable.privacy.folding import UNITS, continues, folded, plain
from potable.privacy.spelling import forms_of

PEOPLE = ("a", "b", None)
PIECES = (
    *("anna", "lee", "annas", "Lena", "o'hara", "müller", "E12345", "e123456", "12345", "678", "9", "7 ", "ß", "s"),
    *("1984-03-07", "03/07/1984", "7.3.84", "7 mars 84", "84"),
    *("王", "小明", "김", "민수", "สมศักดิ์", "ดี", "タロ", "ﾛｳ", "さん", "씨", "王小明"),
)
_LETTER = re.compile(f"[{UNITS}]")
VALUES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map(" ".join)
KINDS = st.sampled_from(["name", "full_name", "email", "phone", "id", "address", "birth"])
IDENTIFIERS = st.lists(st.tuples(st.sampled_from(PEOPLE), KINDS, VALUES), max_size=6)
GAPS = st.sampled_from(["", " ", "-", ", ", "\u0301", "\x01", "\n"])
TEXT = st.lists(st.tuples(st.sampled_from(PIECES), GAPS), max_size=8).map(
    lambda parts: "".join(piece + gap for piece, gap in parts)
)


def _edge(compact: str, starts: set[int], at: int) -> bool:
    return at in starts or at == len(compact) or compact[at - 1].isdigit() != compact[at].isdigit()


def _amid(blanks: str, first: int, size: int) -> bool:
    """Whether a run of letters of a script without blanks has others of it at one of its sides, and no blank between."""
    places = [at for at, char in enumerate(blanks) if char != " "][first : first + size]
    sides = ((places[0] - 1, places[0]), (places[-1], places[-1] + 1))
    return any(_LETTER.match(blanks[left]) and _LETTER.match(blanks[right]) for left, right in sides)


def words_of(text: str) -> list[str]:
    """The words of a folded text; letters of a script without blanks are words."""
    found = list[str]()
    for word in text.split():
        before = ""
        for char in word:
            if found and before and (continues(char) or not (_LETTER.match(char) or _LETTER.match(before))):
                found[-1] += char
            else:
                found.append(char)
            before = char
    return found


def _runs(text: str, kind: Kind, form: str) -> set[tuple[str, int]]:
    """What a form is in a text: (letters and digits, how many stand before them)."""
    blanks = " " + " ".join(folded(text).split()) + " "
    view, form = " " + " ".join(words_of(blanks)) + " ", " ".join(words_of(form))
    compact = view.replace(" ", "")
    starts = {len(view[: at + 1].replace(" ", "")) for at, char in enumerate(view) if char == " "}
    found = set()
    if kind is Kind.OWN_DAY:
        return {(compact[first:last], first) for first, last, day in days_in(text) if day == int(form)}
    if kind.words:
        for match in re.finditer(f"(?= {form}s? )", view):
            first = len(view[: match.start()].replace(" ", ""))
            if " " in form or not _amid(blanks, first, len(form)):
                found.add((form.replace(" ", ""), first))
    else:
        form = form.replace(" ", "")
        for match in re.finditer(f"(?={form})", compact):
            first, last = match.start(), match.start() + len(form)
            if kind is Kind.OWN_NUMBER:
                whole = last in starts or last == len(compact) or not compact[last].isdigit()
            else:
                whole = _edge(compact, starts, first) and _edge(compact, starts, last)
            # a letter that is a word by itself is no number amid others, as it is no name
            single = _LETTER.match(form) and all(map(continues, form[1:]))
            if whole and not (single and _amid(blanks, first, len(form))):
                found.add((form, first))
    return found


@tried(150, IDENTIFIERS, st.lists(st.tuples(TEXT, st.sampled_from(PEOPLE)), max_size=4))
@example([("a", "phone", "王")], [("王小明", "a"), ("王", "a"), ("12王", "a")])
@example([("a", "phone", "김")], [("王김", "a"), ("김王", "a"), ("12김", "a")])
def test_the_index_finds_exactly_the_forms_that_stand_in_a_text(identifiers, texts):
    known = index(identifiers)
    works = [plain(text) for text, _ in texts]
    about = people(pa.array([subject for _, subject in texts], pa.string()))
    found = set()
    hits = known.find(works, about)
    begins = hits.line.in_text(hits.texts, hits.starts)
    sizes = hits.ends - hits.starts
    for number, kind, begin, size in zip(hits.texts, hits.kinds, begins, sizes, strict=True):
        compact = folded(works[number]).replace(" ", "")
        first = len(folded(works[number])[:begin].replace(" ", ""))
        found.add((number, kind, compact[first : first + size], first))
    expected = {
        (number, kind, run, first)
        for number, (work, (_, about)) in enumerate(zip(works, texts, strict=True))
        for subject, identifier, value in identifiers
        for kind, form in forms_of(identifier, value)
        if not kind.own or (subject and subject == about)
        for run, first in _runs(work, kind, form)
    }
    assert found == expected
