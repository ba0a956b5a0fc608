"""Pieces are found wherever they stand, whatever stands beside them."""

from __future__ import annotations

import pickle

from hypothesis import example, given
from hypothesis import strategies as st

from potable.privacy.pieces import Pieces

# few letters, of one byte and of two, so that pieces stand in the data, begin there, and overlap
texts = st.text("abé\n", max_size=40)
pieces = st.sets(st.text("abé", min_size=1, max_size=12), max_size=6)


@given(data=texts, sought=pieces)
@example(data="", sought={"a"})
@example(data="ab", sought={"abb"})
@example(data="ab\n" * 50_000 + "é", sought={"é", "bbbbbbbbbbbb"})
@example(data="b" * 65_535 + "ab", sought={"ab"})
def test_the_places_are_those_at_which_a_piece_begins(data: str, sought: set[str]) -> None:
    found = pickle.loads(pickle.dumps(Pieces.of(sought))).places(data.encode()).tolist()
    begun = [piece.encode()[:8] for piece in sought]
    raw = data.encode()
    assert found == [at for at in range(len(raw)) if any(raw.startswith(each, at) for each in begun)]
