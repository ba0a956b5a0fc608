"""The fast way through JSON lines that are not set alike: flat objects whose keys are missing or in any order.

Values may be null, and hold escapes, lists and objects, which are one JSON column. Where members lie is told by
`jsontokens`; here those of one key become a column. A line that holds one thing that cannot be told so is left to the
exact reader, alone: this way never decides what such a record says.

Entry: `Members.texts`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potable.sources.cells import Cells, apart
from potable.sources.jsonflat import NUMBER
from potable.sources.jsonkeys import Keys
from potable.sources.jsontokens import NESTS, QUOTE, Found, Lines
from potable.sources.jsonvalues import respelled, unescaped, unreadable
from potable.sources.keypaths import steps

_MOST_ODD = 8
"""One line in so many may be odd."""
_MOST_ROUNDS = 8
_NULL = int.from_bytes(b"null", "little")
_WORDS = pa.array(["true", "false"])


class Members:
    """What is looked for in the lines of one file, and the keys that were met in it."""

    def __init__(self, paths: Collection[str], told: Collection[str]) -> None:
        """Look for some paths, and at those that are `told`, for numbers apart from texts."""
        ways = {path: steps(path) for path in paths}
        self._wanted = {way[0].encode(): path for path, way in ways.items() if len(way) == 1}
        self._led_through = {way[0].encode() for way in ways.values() if len(way) > 1}
        self._told = told
        self._keys = Keys()

    def texts(self, block: bytes) -> tuple[dict[str, Cells], list[int]] | None:
        """The texts at each path of the records in a block of lines, and the lines that are left to others.

        Args:
            block: in UTF-8.

        Returns:
            None where too many lines would be left, or one is no record but blank, or a path leads into an object.
        """
        lines = Lines(block)
        found = lines.members()
        odd = np.flatnonzero(lines.odd)
        if any(not block[start:end].strip() for start, end in zip(lines.starts[odd], lines.ends[odd], strict=True)):
            return None
        for _ in range(_MOST_ROUNDS):
            if lines.odd.any():
                found = found.where(~lines.odd[found.row])
            if _MOST_ODD * np.count_nonzero(lines.odd) > len(lines.odd):
                return None
            columns = self._columns(lines, found)
            if columns is None:
                return None
            if not lines.odd[found.row].any():
                return columns, np.flatnonzero(lines.odd).tolist()
        return None

    def _columns(self, lines: Lines, found: Found) -> dict[str, Cells] | None:
        """The columns of all lines that are not odd; where it finds some that are, it marks them and means nothing."""
        known, others = self._keys.of(lines.padded, found.key, found.length)
        values = _Values(lines, found)
        columns: dict[str, Cells] = {}
        for name, at in zip(self._keys.names, known, strict=True):
            path = self._wanted.get(name)
            if name in self._led_through and values.nested[at].any():
                return None
            if path is not None:
                columns[path] = values.cells(at, told=path in self._told)
            else:
                values.judge(at)
            row = found.row[at]
            values.mark(at[1:][row[1:] == row[:-1]])
        values.mark(others)
        return columns


class _Values:
    """The values of the members of some lines."""

    def __init__(self, lines: Lines, found: Found) -> None:
        """Look at the members of all lines that are not odd."""
        self._lines, self._found = lines, found
        self._count = len(lines.odd) - np.count_nonzero(lines.odd)
        self._row = (np.cumsum(~lines.odd) - 1)[found.row]
        first = lines.signs[found.start]
        self._text = first == QUOTE
        self.nested = NESTS[first] > 0
        self._null = first == ord("n")
        if self._null.any():
            words = np.ndarray((len(lines.padded) - 3,), "<u4", lines.padded, strides=(1,))
            self._null &= (words[found.start] == _NULL) & (found.end - found.start == len("null"))
        self._escaped = np.zeros(len(first), bool)
        if len(lines.escapes) and len(first):
            around = np.searchsorted(found.start, lines.escapes) - 1
            self._escaped[around[lines.escapes < found.end[around]]] = True
        places = np.empty(2 * len(first) + 2, np.int32)
        places[0], places[-1] = 0, len(lines.block)
        places[1:-1:2], places[2:-1:2] = found.start + self._text, found.end - self._text
        self._parts = pa.StringArray.from_buffers(len(places) - 1, pa.py_buffer(places), pa.py_buffer(lines.block))

    def mark(self, members: np.ndarray) -> None:
        """Call the lines of some members odd."""
        self._lines.odd[self._found.row[members]] = True

    def cells(self, at: np.ndarray, *, told: bool) -> Cells:
        """The cells of members of one key, line by line, null where there is none; lines with a wrong one become odd.

        Args:
            at: the members.
            told: whether numbers are told apart from texts.
        """
        row, text = self._row[at], self._text[at]
        taken = np.full(self._count, -1, np.int32)
        taken[row] = np.where(self._null[at], -1, 2 * at + 1)
        cells = self._parts.take(pa.array(taken, mask=taken < 0))
        numbers = np.zeros(self._count, bool)
        if not text.all():
            plain = at[~(text | self._null[at] | self.nested[at])]
            numbers[self._row[plain]] = True
            if len(plain):
                fits = pc.match_substring_regex(cells, NUMBER).fill_null(False).to_numpy(zero_copy_only=False)
                self._require_words(plain[~fits[self._row[plain]]])
                numbers &= fits
            cells = self._instead(cells, at[self.nested[at]], respelled)
        cells = self._instead(cells, at[self._escaped[at] & text], unescaped)
        return apart(cells, pa.array(numbers)) if told else cells

    def judge(self, at: np.ndarray) -> None:
        """Call the lines of members odd in which a value is wrong that nobody wants."""
        text, nested = self._text[at], self.nested[at]
        if not text.all():
            plain = at[~(text | self._null[at] | nested)]
            fits = pc.match_substring_regex(self._taken(plain), NUMBER).to_numpy(zero_copy_only=False)
            self._require_words(plain[~fits])
            self.mark(at[nested][unreadable(self._taken(at[nested]))])
        some = at[self._escaped[at] & text]
        self.mark(some[unescaped(self._taken(some))[1]])

    def _taken(self, members: np.ndarray) -> pa.StringArray:
        return self._parts.take(pa.array(2 * members + 1))

    def _require_words(self, members: np.ndarray) -> None:
        """Call the lines of members odd whose values are neither true nor false."""
        if len(members):
            known = pc.is_in(self._taken(members), _WORDS)
            self.mark(members[~known.to_numpy(zero_copy_only=False)])

    def _instead(
        self,
        cells: pa.StringArray,
        some: np.ndarray,
        read: Callable[[pa.StringArray], tuple[pa.StringArray, np.ndarray]],
    ) -> pa.StringArray:
        """The cells with those of some members read in another way."""
        if not len(some):
            return cells
        found, lost = read(self._taken(some))
        self.mark(some[lost])
        which = np.zeros(self._count, bool)
        which[self._row[some]] = True
        return pc.replace_with_mask(cells, pa.array(which), found)
