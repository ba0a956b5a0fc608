"""The forms of many identifiers at once against those of each alone."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pytest
from hypothesis import strategies as st
from tests.oracles.test_forms import words_of
from tests.tried import tried

from potable.privacy import forms, spelled
from potable.privacy.digests import BEGINNING, MARK_BITS, MARKS, Kind, digests, people
from potable.privacy.lines import Line
from potable.privacy.spelling import MARK_OF, forms_of

KINDS = st.sampled_from([*MARK_OF, "other"])
SIGNS = st.text(st.sampled_from("aeouE019äß -'.,@_/+\x00\x01\n\x1c\x7f\u0301\u00ad²٣"), min_size=1, max_size=9)
NAMES = [
    "Karl-Heinz von der Au",
    "O'Hara",
    "Müller",
    "Mueller-Lee",
    "Aee",
    "Lange Strasse 5, Haus 2",
    "X",
    "de",
    "M.G. Road",
    "王小明",
    "김 민수",
    "สมศักดิ์",
    "やまだﾀﾛｳ",
    "Ли Юлия",
]
OTHERS = [
    "E0012345",
    "00012345",
    "0000",
    "+49 (0)151 234-567",
    "ext. 12345",
    "A1B2C3",
    "aue@corp.example",
    "b@home",
    "@",
    "...",
    "1984-03-07",
    "1984-03-07 00:00:00",
    "7. März 1984",
    "03/07/84",
]
VALUES = st.lists(st.sampled_from([*NAMES, *OTHERS]) | SIGNS | st.text(max_size=6), min_size=1, max_size=3)
IDENTIFIERS = st.tuples(st.sampled_from(["a", "b", None]), KINDS, VALUES.map(" ".join) | VALUES.map("".join))
BEGINS = {Kind.ANYONES_WORDS: 2, Kind.ANYONES_ID: 6, Kind.OWN_WORDS: 1, Kind.OWN_ID: 4, Kind.OWN_NUMBER: 1 << 20}
BEGINS[Kind.OWN_DAY] = 1 << 20


def _batch(identifiers) -> pa.RecordBatch:
    columns = zip(*identifiers, strict=True) if identifiers else ([], [], [])
    return pa.record_batch([pa.array(column, pa.string()) for column in columns], ["subject", "kind", "value"])


def _form(subject: str | None, mark: str, table: Kind, text: str) -> tuple[int, ...]:
    parts = words_of(text) if table.words else list(text)
    begun = parts[: BEGINS[table]]

    def digest(number: int, pieces: list[str]) -> int:
        line = Line([(" " if table.words else "").join(pieces)])
        hashes = (line.spoken if table.words else line.compact)([0], [len(line)])
        return int(digests(hashes, number, people(pa.array([subject])) if table.own else None)[0])

    marked = digest(table, parts) & ~MARK_BITS | MARKS.index(mark)
    return marked, digest(table + BEGINNING, begun), table, len(parts), len(begun)


@tried(200, st.lists(IDENTIFIERS, max_size=6))
def test_many_identifiers_at_once_have_the_forms_of_each(identifiers):
    expected = {
        _form(subject, MARK_OF.get(kind, "ID"), table, text)
        for subject, kind, value in identifiers
        for table, text in forms_of(kind, value)
        if subject or not table.own
    }
    assert {tuple(row.values()) for row in forms.made_forms(_batch(identifiers)).to_pylist()} == expected


def test_plain_identifiers_are_not_spelled_one_by_one(monkeypatch: pytest.MonkeyPatch):
    alone = []
    monkeypatch.setattr(spelled, "forms_of", lambda kind, value: alone.append(value) or [])
    monkeypatch.setattr(spelled, "_remembered", spelled.forms_of)
    values = ["Anna O'Hara", "+49 151 234567", "Müller"]
    named = [("a", kind, value) for kind in MARK_OF if kind != "birth" for value in values]
    forms.made_forms(_batch([*named, ("a", "birth", "1984-03-07"), ("a", "birth", "7. März 1984")]))
    assert set(alone) == {"Müller", "7. März 1984"}


def test_subjects_have_the_same_number_one_by_one():
    alone = [hashlib.blake2b(subject.encode(), digest_size=8).digest() for subject in ("a", "", "ä", "a")]
    assert people(pa.array(["a", None, "ä", "a"])).tolist() == [int.from_bytes(digest) for digest in alone]
