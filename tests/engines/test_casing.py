"""Capitals and small letters are the same on every engine, letter by letter."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from potable.engines.base import Engine, collect
from potable.engines.casing import lower, upper

NEWER = "ƛɤ"
"""Old letters that have capitals since Unicode 16, which not every engine knows."""
LETTERS = [
    char
    for char in map(chr, range(0x1F000))
    if unicodedata.ucd_3_2_0.category(char)[0] == "L" and char not in NEWER
]  # fmt: skip
WORDS = {
    "Straße": ("STRAẞE", "straße"),
    "ﬁx GROẞ": ("ﬁX GROẞ", "ﬁx groß"),
    "İSTANBUL ıi": ("İSTANBUL II", "istanbul ıi"),
    "ΟΔΟΣ οδος": ("ΟΔΟΣ ΟΔΟΣ", "οδοσ οδος"),
    "ǆ ǅ ᾳ ŉ": ("Ǆ Ǆ ᾼ ŉ", "ǆ ǆ ᾳ ŉ"),
    "élodie शर्मा ÉÀ": ("ÉLODIE शर्मा ÉÀ", "élodie शर्मा éà"),
    "": ("", ""),
}


def test_letters_and_words_are_changed_one_for_one(engine: Engine, tmp_path: Path) -> None:
    given = pa.table({"text": pa.array([*WORDS, *LETTERS, None], pa.string())})
    pq.write_table(given, tmp_path / "given.parquet")
    rows = engine.read([str(tmp_path / "given.parquet")], given.schema)
    made = collect(engine, rows.select("text", up=upper(rows.text), low=lower(rows.text))).to_pylist()
    found = {row["text"]: (row["up"], row["low"]) for row in made}
    assert {word: found[word] for word in WORDS} == WORDS and found[None] == (None, None)
    # where one letter has one capital, Python gives it too
    assert [char for char in LETTERS if len(char.upper()) == 1 and found[char][0] != char.upper()] == []
    assert [char for char in LETTERS if len(char.lower()) == 1 and found[char][1] != char.lower()] == []
    assert all(len(text) == 1 for char in LETTERS for text in found[char])
