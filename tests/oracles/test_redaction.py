"""The redactor against its plain meaning: everything looked up again in every round, in every text, one by one."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import strategies as st
from tests.oracles.test_forms import IDENTIFIERS, PEOPLE, PIECES
from tests.privacy.known import index
from tests.tried import tried

from potable.privacy import detect, redact
from potable.privacy.digests import MARKS, Kind, people
from potable.privacy.folding import Offsets, plain, visible, whole_words

GAPS = st.sampled_from(
    ["", " ", " ", " ", "-", ", ", ".", "/", "_", "'", "\u0301", "\u200b", "\n", "[", "]", "    ", "\x01"]
)
OTHERS = (
    "[NAME]", "[ID]", "[NAME", "ID]", "a.lee@x.example", "lee@", "@x.example", "mail:", "_x@y", "\x00", "—", "™", "½",
    "+49 151 12345678", "0151 12 34 567", "(212) 555-0123", "+", "00", "(0", "1234567", "98765-43210", "01.02.2019",
    "4111 1111 1111 1111", "4111", "219-09-9999", "DE89 3704 0044 0532 0130 00", "2341 2341 2346", "10.0.0.1", "fe80::1",
    "ABCPK1234F", "Passport No.", "C01X00T47", "https://anna:pw@h.example/x", "xing.com/profile/lee", "5 High Street",
    "12b", "Street", "Hauptstraße 12", "Annastr. 5", "Weg", "राम", "Юлия", "İ", "ﬃ", "x\u0308", "５", "Anna's", "LEES",
)  # fmt: skip
TEXTS = st.lists(st.tuples(st.sampled_from([*PIECES, *OTHERS]), GAPS), max_size=9).map(
    lambda parts: "".join(piece + gap for piece, gap in parts)
)
ROWS = st.lists(st.tuples(st.none() | TEXTS, st.sampled_from(PEOPLE)), min_size=1, max_size=5)


def _plainly(text, about, known):
    """A text, redacted as the redactor's docstring says."""
    text = visible(text)
    while True:
        work = redact.barred(plain(text))
        spans = [*_known(work, known.find([work], about))]
        spans += [(whole_words(work, span), pattern.mark) for span, pattern in detect.spans(work)]
        if not spans:
            return text
        for (start, end), mark in reversed(_united(text, spans)):
            text = f"{text[:start]}[{mark}]{text[end:]}"


def _known(work, hits):
    offsets = Offsets(work)
    begins, lasts = (hits.line.in_text(hits.texts, places) for places in (hits.starts, hits.ends - 1))
    for place, kind, mark, first, last in zip(hits.starts, hits.kinds, hits.marks, begins, lasts, strict=True):
        span = offsets.span(int(first), int(last) + 1)
        if kind == Kind.OWN_NUMBER:
            span = redact._phone(work, hits.line, int(place), (int(first), int(last) + 1), offsets)
        groups = "".join("x" if char.isalnum() else " " for char in work[slice(*span)])
        if kind != Kind.ANYONES_ID or "    " not in groups:
            yield whole_words(work, span), MARKS[mark]


def _united(text, spans):
    united = []
    for (start, end), mark in sorted(spans, key=lambda span: (span[0][0], -span[0][1], span[1])):
        if united:
            (first, last), longest, held = united[-1]
            beside = mark == held == "NAME" and re.fullmatch(r"[\s-]{0,3}", text[last : max(start, last)])
            if start < last or beside:
                longest, held = (longest, held) if longest >= end - start else (end - start, mark)
                united[-1] = (first, max(last, end)), longest, held
                continue
        united.append(((start, end), end - start, mark))
    return [(span, mark) for span, _, mark in united]


@tried(200, IDENTIFIERS, ROWS)
def test_texts_are_redacted_as_if_everything_was_looked_up_again_in_each(identifiers, rows):
    known = index(identifiers)
    about = people(pa.array([subject for _, subject in rows], pa.string()))
    found = redact.redacted(pa.array([text for text, _ in rows], pa.string()), about, known).to_pylist()
    assert found == [
        None if text is None else _plainly(text, about[number : number + 1], known)
        for number, (text, _) in enumerate(rows)
    ]


@pytest.mark.parametrize("size", [1, 50])
def test_texts_that_are_looked_at_apart_are_redacted_alike(size, monkeypatch):
    known = index([("a", "full_name", "Anna Lee"), ("b", "id", "E12345"), (None, "full_name", "Bo Müller")])
    texts = pa.array(["anna", None, "", "Bo Müllers E12345", "ask ANNA LEE, 0151 1234567", "Юлия", "x" * 60] * 9)
    about = people(pa.array(["a", "b", None] * 21))
    whole = redact.redacted(texts, about, known)
    monkeypatch.setattr(redact, "_CHARS", size)
    assert redact.redacted(texts, about, known).equals(whole)


PLAIN = {
    "email": r"(?<![\w.!#$%&'*+/=?^`{|}~-])[\w.!#$%&'*+/=?^`{|}~-]+@[^\W_][\w-]*(?:\.[\w-]+)*",
    "card": r"(?<![0-9])[2-6][0-9]{3}(?:[ -]?[0-9]{3,7}){2}(?:[ -]?[0-9]{1,7})?(?![0-9])",
    "aadhaar": r"(?<![0-9])[2-9][0-9]{3}([ .-]?)[0-9]{4}\1[0-9]{4}(?![0-9])",
    "ssn": r"(?<![0-9-])[0-9]{3}([ -])[0-9]{2}\1[0-9]{4}(?![0-9-])",
    "steuer_id": r"(?<![0-9])[1-9][0-9]([ ./-]?)[0-9]{3}\1[0-9]{3}\1[0-9]{3}(?![0-9])",
    "phone": r"(?=[+(0-9])(?:(?<!\w)(?:[+]|00)[1-9](?:[ ()./-]{0,3}[0-9]){6,13}(?![0-9])"
    rf"|(?<!\w)(?<![0-9][.,/-]){detect._DATE}(?!0[.][0-9])[(]?0(?:[ ()./-]{{0,3}}[0-9]){{8,11}}(?![0-9])"
    r"|(?<!\w)(?<![0-9][.,-])(?:1[-. ])?[(]?[2-9][0-9]{2}[)]?[-. ]{0,2}[2-9][0-9]{2}[-. ][0-9]{4}(?![0-9])"
    r"|(?<![\w+])(?<![0-9][.,-])[6-9][0-9]{4}[ -]?[0-9]{5}(?![0-9]|[.,][0-9])"
    r"|(?<![\w+])(?<![0-9][.,-])1[3-9][0-9](?:[0-9]{8}|(?:[ -][0-9]{4}){2})(?![0-9]|[.,][0-9])"
    r"|(?<![\w+])(?<![0-9][.,-])8[ -]?[(]?9[0-9]{2}[)]?[ -]?[0-9]{3}(?:[ -]?[0-9]{2}){2}(?![0-9]|[.,-][0-9]))",
    "address": rf"\b[0-9]{{1,5}}[a-z]?,? (?:[^\W\d_][\w.'’-]* ){{1,3}}(?i:{detect._STREET_WORDS})\b"
    rf"|\b[^\W\d_][\w-]*(?i:{detect._STRASSE}) ?[0-9]{{1,4}}(?: ?[a-z])?\b",
}  # fmt: skip
"""Forms as they are meant; they are searched by others that find the same sooner."""


@tried(200, TEXTS | st.text("0123456789 .-/()+@abAB_:", max_size=40), st.integers(0, 9))
def test_forms_that_are_found_quickly_are_the_plain_ones(text, position):
    text = plain(text)
    for pattern in detect.PATTERNS:
        if pattern.kind in PLAIN:
            found, expected = (
                pattern.form.search(text, position),
                re.compile(PLAIN[pattern.kind]).search(text, position),
            )
            assert (found and found.span()) == (expected and expected.span()), pattern.kind
