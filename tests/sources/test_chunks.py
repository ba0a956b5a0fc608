"""Chunks end where their rows say, however the rows arrive; streams are read side by side and closed."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Generator
from itertools import pairwise
from threading import Event

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from potable.sources.databases import chunks as module
from potable.sources.databases.chunks import chunks, content, parquet, side_by_side
from potable.sources.databases.forms import batch

TEXTS = st.lists(st.none() | st.text(max_size=9), max_size=60)


@settings(deadline=None, max_examples=50)
@given(TEXTS, st.lists(st.integers(0, 60), max_size=5), st.integers(1, 20), st.integers(1, 60))
def test_chunks_do_not_depend_on_batches(texts: list[str | None], cuts: list[int], rows: int, size: int) -> None:
    whole = batch(["a", "b"], [pa.array(texts, pa.string()), pa.array(texts[::-1], pa.string())])
    ends = [0, *sorted(min(cut, len(texts)) for cut in cuts), len(texts)]
    pieces = [whole.slice(low, high - low) for low, high in pairwise(ends)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "CHUNK_BYTES", size)
        made = list(chunks(["a", "b"], pieces, rows))
        again = list(chunks(["a", "b"], [whole], rows))
    assert list(map(parquet, made)) == list(map(parquet, again))
    assert pa.concat_tables(made).to_pylist() == whole.to_pylist()
    assert all(table.num_rows <= rows for table in made)
    for table in made:
        lengths = [sum(len((text or "").encode()) for text in row.values()) for row in table.to_pylist()]
        assert sum(lengths[:-1]) < size


PIECES = st.lists(st.none() | st.sampled_from(["", "a", "b", "ab"]), min_size=3, max_size=3)


@settings(deadline=None, max_examples=200)
@given(PIECES, PIECES, st.integers(0, 3), st.sampled_from(["a", "b"]))
def test_chunks_of_one_hash_say_the_same(one: list[str | None], other: list[str | None], cut: int, name: str) -> None:
    first = pa.table({"a": pa.array(one, pa.string())})
    second = pa.table({name: pa.array(other, pa.string())}).slice(0, cut)
    same = (first.column_names, first.to_pylist()) == (second.column_names, second.to_pylist())
    assert (content(first) == content(second)) is same
    assert content(first.slice(0, cut)) == content(pa.table({"a": pa.array(one[:cut], pa.string())}))


@given(st.lists(st.lists(st.text(max_size=3) | st.none(), max_size=6), max_size=4), st.integers(0, 5))
def test_a_chunk_is_its_lengths_and_its_bytes_however_it_lies(pieces: list[list[str | None]], first: int) -> None:
    column = pa.chunked_array([pa.array(piece, pa.string()) for piece in pieces], pa.string()).slice(first)
    texts = [None if text is None else text.encode() for text in column.to_pylist()]
    digest = hashlib.sha256(json.dumps(["a", len(texts)]).encode())
    digest.update(struct.pack(f"{len(texts)}i", *(-1 if text is None else len(text) for text in texts)))
    digest.update(b"".join(text or b"" for text in texts))
    assert content(pa.table({"a": column})) == digest.hexdigest()


def test_streams_are_read_in_turn_and_all_are_closed() -> None:
    closed = []

    def stream(name: str, length: int) -> Generator[str]:
        try:
            yield from (f"{name}{number}" for number in range(length))
        finally:
            closed.append(name)

    assert list(side_by_side([stream("a", 3), stream("b", 1), stream("c", 2)], pytest.fail)) == [
        "a0",
        "b0",
        "c0",
        "a1",
        "c1",
        "a2",
    ]
    given_up = side_by_side([stream("d", 9), stream("e", 9)], pytest.fail)
    next(given_up)
    given_up.close()
    assert sorted(closed) == ["a", "b", "c", "d", "e"]


def test_a_failure_of_one_stream_ends_all() -> None:
    def failing() -> Generator[int]:
        yield 1
        raise OSError("gone")

    stopped = Event()

    def busy() -> Generator[int]:
        yield 2
        stopped.wait()
        yield 3

    with pytest.raises(OSError, match="gone"):
        list(side_by_side([failing(), busy()], stopped.set))
