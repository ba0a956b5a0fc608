"""Identifiers in free texts replaced by typed marks such as `[NAME]`, `[EMAIL]`, `[ID]`.

Three lookups over one folded view of each text: the person's own names, numbers and addresses; anyone's
full names and ids, by one Aho-Corasick automaton over the roster; and the forms of `potable.privacy.detect`.
What they find is united and replaced, and a changed text is looked at again until nothing is found, so
redacting twice changes nothing. Null stays null; invisible characters go, for they could split a name.

Entry: `Redactor`, a batch function for `engine.map_batches`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from potable.privacy import detect
from potable.privacy.folding import BARRIER, Folded, Span, plain, visible
from potable.privacy.spelling import OWN_SEPARATOR, Spelling, anyones, spellings

if TYPE_CHECKING:
    import pyarrow as pa

MARKS: tuple[str, ...] = ("NAME", "EMAIL", "PHONE", "ID", "ADDRESS", "URL")
"""What may stand in brackets instead of an identifier."""
_MARK = re.compile(r"\[(?:" + "|".join(MARKS) + r")\]")
_BETWEEN = re.compile(r"[\s-]{0,3}")
_PHONE_GAP = re.compile(r"[\s()+./-]{1,4}")
_PHONE_DIGITS_BEFORE = 8
_GAP = 3
"""Characters that may stand between the groups of somebody else's id."""

Found = tuple[Span, str]


@dataclass(frozen=True)
class Redactor:
    """Redacts the text columns of a batch; picklable, the automaton is built once per process.

    The result has the columns of the batch, the text columns redacted, without the column of own identifiers.
    """

    columns: tuple[str, ...]
    """Text columns to redact."""
    own: str
    """Column with the person's own identifiers, a list of `kind` + OWN_SEPARATOR + `value`; null for none."""
    roster: tuple[str, ...] = field(default=(), repr=False)
    """Parquet files with everybody's identifiers (columns kind and value)."""

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch, redacted."""
        automaton = automaton_of(self.roster)
        own = [tuple(values or ()) for values in batch.column(self.own).to_pylist()]
        arrays = []
        names = [name for name in batch.schema.names if name != self.own]
        for name in names:
            column = batch.column(name)
            arrays.append(redacted(column, own, automaton) if name in self.columns else column)
        return type(batch).from_arrays(arrays, names=names)


class Automaton:
    """Everybody's full names and ids, findable in one pass."""

    def __init__(self, identifiers: Iterable[tuple[str, str]]) -> None:
        """Build it from pairs of kind and value."""
        from ahocorasick_rs import AhoCorasick, Implementation

        spoken: dict[str, str] = {}
        compact: dict[str, str] = {}
        for kind, value in identifiers:
            for spelling in anyones(kind, value):
                marks = compact if spelling.compact else spoken
                # the same text under two kinds takes one mark, whatever order they come in
                marks[spelling.text] = min(spelling.mark, marks.get(spelling.text, spelling.mark))
        # the contiguous form takes a third of the memory, and every worker holds one
        form = Implementation.ContiguousNFA
        self._words = AhoCorasick(spoken, implementation=form, store_patterns=False) if spoken else None
        self._ids = AhoCorasick(compact, implementation=form, store_patterns=False) if compact else None
        self._word_marks, self._id_marks = list(spoken.values()), list(compact.values())

    def find(self, text: str, folded: Folded) -> Iterator[Found]:
        """Spans of `text` that hold an identifier of anybody."""
        if self._words:
            for index, start, end in self._words.find_matches_as_indexes(folded.view, overlapping=True):
                if ends_word(folded.view, end):
                    yield folded.of_view(start + 1, end), self._word_marks[index]
        if self._ids and not folded.compact.isalpha():
            for index, start, end in self._ids.find_matches_as_indexes(folded.compact, overlapping=True):
                if at_edges(folded, start, end):
                    span = folded.of_compact(start, end)
                    if _close(text[slice(*span)]):
                        yield span, self._id_marks[index]


@lru_cache(maxsize=2)
def automaton_of(roster: tuple[str, ...]) -> Automaton:
    """The automaton over the identifiers in Parquet files, built once per process."""
    return Automaton(_identifiers(roster))


def redacted(texts: pa.Array, own: Sequence[tuple[str, ...]], automaton: Automaton) -> pa.Array:
    """`texts` with every identifier replaced by its mark.

    Args:
        texts: strings; null stays null.
        own: the writer's identifiers, as in `Redactor.own`, per text.
        automaton: everybody's.
    """
    import pyarrow as pa

    values = [text and visible(text) for text in texts.to_pylist()]
    pending = [index for index, text in enumerate(values) if text]
    again = False
    while pending:
        works = [_barred(plain(values[index])) for index in pending]
        maybe = detect.candidates(pa.array(works, pa.string()))
        changed = []
        # marks replace whole words, so only the forms can match anew in a changed text
        for position in sorted(maybe) if again else range(len(pending)):
            index, work = pending[position], works[position]
            if found := _found(work, _prepared(own[index]), automaton, maybe.get(position, ())):
                values[index] = _replaced(values[index], found)
                changed.append(index)
        pending, again = changed, True
    return pa.array(values, pa.string())


def ends_word(view: str, end: int) -> bool:
    """Whether a word of `view` ends at `end`, a possessive s aside."""
    return view[end] == " " or view.startswith("s ", end)


def at_edges(folded: Folded, start: int, end: int) -> bool:
    """Whether `compact[start:end]` is cut where words, or letters and digits, meet."""
    return _edge(folded, start) and _edge(folded, end)


def _edge(folded: Folded, position: int) -> bool:
    if folded.starts_word(position):
        return True
    before, after = folded.compact[position - 1], folded.compact[position]
    return before.isdigit() != after.isdigit()


def _close(text: str) -> bool:
    gap = 0
    for char in text:
        gap = 0 if char.isalnum() else gap + 1
        if gap > _GAP:
            return False
    return True


def _found(work: str, own: Own, automaton: Automaton, patterns: Sequence[detect.Pattern]) -> list[Found]:
    folded = Folded(work)
    found = [*own.find(folded), *automaton.find(work, folded)]
    if patterns:
        found += ((span, pattern.mark) for span, pattern in detect.spans(work, patterns))
    return [(folded.whole_words(span), mark) for span, mark in found]


@dataclass(frozen=True)
class Own:
    """One person's own identifiers, ready to be looked for."""

    anchors: frozenset[str]
    """First words of all spellings; a text without any of them holds none."""
    spoken: tuple[Spelling, ...]
    compact: tuple[Spelling, ...]

    def find(self, folded: Folded) -> Iterator[Found]:
        """Spans that hold one of them."""
        if not self.anchors.isdisjoint(folded.words):
            for spelling in self.spoken:
                for start, end in _occurrences(folded.view, spelling.text):
                    if ends_word(folded.view, end):
                        yield folded.of_view(start + 1, end), spelling.mark
        for spelling in self.compact:
            for start, end in _occurrences(folded.compact, spelling.text):
                if spelling.mark == "PHONE":
                    if folded.starts_word(end) or not folded.compact[end].isdigit():
                        yield _phone(folded, start, end), spelling.mark
                elif at_edges(folded, start, end):
                    yield folded.of_compact(start, end), spelling.mark


def _occurrences(line: str, text: str) -> Iterator[tuple[int, int]]:
    start = line.find(text)
    while start >= 0:
        yield start, start + len(text)
        start = line.find(text, start + 1)


def _phone(folded: Folded, start: int, end: int) -> Span:
    """The span of a number whose last digits were found, with the country and area code before them."""
    compact, first = folded.compact, start
    while first > 0 and compact[first - 1].isdigit() and start - first < _PHONE_DIGITS_BEFORE:
        if folded.starts_word(first) and not _PHONE_GAP.fullmatch(folded.between(first - 1, first + 1)[1:-1]):
            break
        first -= 1
    return folded.of_compact(first, end)


@lru_cache(maxsize=1_024)
def _prepared(own: tuple[str, ...]) -> Own:
    pairs = (value.partition(OWN_SEPARATOR)[::2] for value in own)
    unique = dict.fromkeys(spelling for kind, value in pairs for spelling in spellings(kind, value))
    spoken = tuple(spelling for spelling in unique if not spelling.compact)
    firsts = {spelling.text.split()[0] for spelling in spoken}
    anchors = firsts | {f"{first}s" for first in firsts}
    return Own(frozenset(anchors), spoken, tuple(spelling for spelling in unique if spelling.compact))


def _barred(text: str) -> str:
    """`text` with its marks made impassable, at the same length."""
    if "[" not in text:
        return text
    return _MARK.sub(lambda mark: " " + BARRIER * (len(mark.group()) - 2) + " ", text)


def _replaced(text: str, found: list[Found]) -> str:
    pieces, position = [], 0
    for (start, end), mark in _united(text, found):
        pieces += [text[position:start], f"[{mark}]"]
        position = end
    return "".join([*pieces, text[position:]])


def _united(text: str, found: list[Found]) -> list[Found]:
    """Overlapping spans as one, under the mark of the longest; names side by side as one name."""
    united: list[tuple[int, int, int, str]] = []
    for (start, end), mark in sorted(found, key=lambda item: (item[0][0], -item[0][1], item[1])):
        if united:
            first, last, length, held = united[-1]
            beside = mark == held == "NAME" and _BETWEEN.fullmatch(text, last, max(start, last))
            if start < last or beside:
                longest = (length, held) if length >= end - start else (end - start, mark)
                united[-1] = (first, max(last, end), *longest)
                continue
        united.append((start, end, end - start, mark))
    return [((start, end), mark) for start, end, _, mark in united]


def _identifiers(files: Sequence[str]) -> Iterator[tuple[str, str]]:
    import pyarrow.parquet as pq

    for file in files:
        parquet: Any = pq.ParquetFile(file)
        for batch in parquet.iter_batches(columns=["kind", "value"]):
            yield from zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)
