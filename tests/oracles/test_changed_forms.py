"""What stands on an earlier index of forms against what is made whole."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pyarrow as pa
from hypothesis import strategies as st
from tests.oracles.test_forms import IDENTIFIERS, PEOPLE, PIECES
from tests.privacy.known import changed, index
from tests.tried import tried

from potable.privacy import saving
from potable.privacy.between import Between
from potable.privacy.digests import people
from potable.privacy.folding import plain
from potable.privacy.redact import barred, redacted

GAPS = st.sampled_from(["", " ", " ", " ", "-", ", ", "\u0301", "\u200b", "\n", "[", "]"])
OTHERS = (
    "[NAME]",
    "a.lee@x.example",
    "+49 151 12345678",
    "4111 1111 1111 1111",
    "www.lee.example",
    "\x00",
    "lee@",
    "@x.example",
)
NOTHING = {0}
"""The digest of an index of nothing."""
TEXTS = st.lists(st.tuples(st.sampled_from([*PIECES, *OTHERS]), GAPS), max_size=8).map(
    lambda parts: "".join(piece + gap for piece, gap in parts)
)


@tried(
    150,
    IDENTIFIERS,
    IDENTIFIERS,
    IDENTIFIERS,
    st.lists(st.tuples(TEXTS, st.sampled_from(PEOPLE)), min_size=1, max_size=6),
    st.booleans(),
)
def test_a_text_that_holds_no_form_that_came_or_went_is_redacted_as_before(both, gone, new, rows, few):
    before, after = [*both, *gone], [*both, *new]
    texts = pa.array([text for text, _ in rows], pa.string())
    about = pa.array([subject for _, subject in rows], pa.string())
    indexes = index(before), index(after)
    found = changed(set(before) ^ set(after), few=few, between=Between(*indexes)).in_texts(texts, about)
    one, other = (redacted(texts, people(about), known).to_pylist() for known in indexes)
    assert {number for number, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1]} <= found


@tried(
    150,
    IDENTIFIERS,
    st.lists(st.tuples(st.none() | TEXTS, st.sampled_from(PEOPLE)), min_size=1, max_size=6),
    st.booleans(),
)
def test_a_quick_look_first_finds_what_searching_every_text_finds(identifiers, rows, few):
    about = pa.array([subject for _, subject in rows], pa.string())
    works = [barred(plain(text)) if text else "" for text, _ in rows]
    found = changed(identifiers, few=few).in_texts(pa.array([text for text, _ in rows], pa.string()), about)
    assert found == set(index(identifiers).find(works, people(about)).texts)


@tried(60, IDENTIFIERS, IDENTIFIERS, IDENTIFIERS)
def test_forms_that_changed_are_those_that_one_of_two_indexes_has(both, gone, new):
    before, after = [*both, *gone], [*both, *new]
    one, other = (set(index(rows).opened().forms.tolist()) for rows in (before, after))
    between = Between(index(before), index(after))
    rows = sorted(set(before) ^ set(after), key=repr)
    found = index(rows, made_forms=between.forms).opened().forms.tolist()
    assert set(found) - NOTHING == (one ^ other) - NOTHING
    looked = changed(rows, between=between)
    assert set(looked.owners.to_pylist()) == {
        row[0] for row in rows if row[0] and not set(index([row]).opened().forms.tolist()) - NOTHING <= one & other
    }


def test_many_names_are_found_wherever_they_stand():
    identifiers = [(f"p{number}", "full_name", f"Anna{number} Lee{number * 7}") for number in range(1_000)]
    texts = pa.array([f"met ANNA{number}, LEE{number * 7}s office\nand left" for number in range(0, 1_100, 50)])
    about = pa.nulls(len(texts), pa.string())
    looked = changed(identifiers)
    assert looked.pieces is not None
    assert looked.in_texts(texts, about) == set(range(20))


@tried(60, IDENTIFIERS, IDENTIFIERS, st.integers(1, 5))
def test_an_index_that_new_forms_are_merged_into_is_the_bytes_of_a_whole_one(standing, new, chunk):
    rows = [*standing, *(row for row in dict.fromkeys(new) if row not in standing)]
    whole = index(rows)
    with mock.patch.object(saving, "_MERGED", chunk):
        merged = index(rows[len(standing) :], stands_on=index(standing), rows=len(rows))
    assert merged.shape == whole.shape
    for one, other in ((merged.forms, whole.forms), (merged.beginnings, whole.beginnings)):
        assert Path(one).read_bytes() == Path(other).read_bytes()
