"""Identifiers in free texts replaced by typed marks such as `[NAME]`, `[EMAIL]`, `[ID]`.

Two lookups over the same plain texts: the known forms of everybody's identifiers and of the person's own
(`potable.privacy.forms`), and the forms of `potable.privacy.detect`. What they find is united and replaced,
and a changed text is looked at again until nothing is found, so redacting twice changes nothing. Null stays
null; invisible characters go, for they could split a name.

Entry: `Redactor`, a batch function for `engine.map_batches`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from potable.privacy import detect
from potable.privacy.digests import MARKS, Kind, people
from potable.privacy.folding import BARRIER, Offsets, Span, plain, visible, whole_words
from potable.privacy.index import Hits, Index
from potable.privacy.lines import Line

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

_SHOWN = {mark: f"[{mark}]" for mark in MARKS}
_BARRED = {mark: f" {BARRIER * len(mark)} " for mark in MARKS}
_BETWEEN = re.compile(r"[\s-]{0,3}")
_PHONE_GAP = re.compile(r"[\s()+./-]{1,4}")
_PHONE_DIGITS_BEFORE = 8
_GAP = 3
"""Characters that may stand between the groups of somebody else's id."""
_CHANCE = 2
"""Letters of a script without blanks that are a name and, amid others, parts of ordinary words (高峰)."""
_CHARS = 300_000
"""Characters that are looked at together."""

Found = tuple[int, int, str]
"""Start, end and mark; the end is negative, for of those that begin together the longest comes first."""


@dataclass(frozen=True)
class Redactor:
    """Redacts the text columns of a batch; picklable.

    The result has the columns of the batch, the text columns redacted, without the column of subject ids.
    """

    columns: tuple[str, ...]
    """Text columns to redact."""
    subject: str
    """Column with the subject id each row is about; null for nobody's."""
    index: Index
    """Everybody's identifiers."""

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch, redacted."""
        about = people(batch.column(self.subject))
        names = [name for name in batch.schema.names if name != self.subject]
        columns = {name: batch.column(name) for name in names}
        arrays = [
            redacted(column, about, self.index) if name in self.columns else column for name, column in columns.items()
        ]
        return type(batch).from_arrays(arrays, names=names)


def redacted(texts: pa.Array, about: npt.NDArray[np.uint64], index: Index) -> pa.Array:
    """`texts` with every identifier replaced by its mark.

    Args:
        texts: strings; null stays null.
        about: by text, the number (`digests.people`) of whom it is about.
        index: everybody's identifiers.
    """
    import pyarrow as pa

    values = [text and visible(text) for text in texts.to_pylist()]
    for first, last in slices(values):
        values[first:last] = _redacted(values[first:last], about[first:last], index)
    return pa.array(values, pa.string())


def named_in(texts: Sequence[str], index: Index) -> set[str]:
    """The marks of what `redacted` would find of `index` in texts about nobody, and is there by no chance."""
    import numpy as np

    anybodys = replace(index, shape={name: sizes for name, sizes in index.shape.items() if not Kind[name].own})
    works = [barred(plain(visible(text))) for text in texts]
    found = set[str]()
    for first, last in slices(works):
        part = works[first:last]
        hits = anybodys.find(part, np.zeros(len(part), np.uint64))
        sure = _close(part, hits) & ~hits.line.by_chance(hits.starts, hits.ends, _CHANCE)
        found |= {MARKS[mark] for mark in np.unique(hits.marks[sure]).tolist()}
    return found


def slices(texts: Sequence[str | None]) -> Iterator[tuple[int, int]]:
    """Ranges of texts of about the same size, each of up to about `_CHARS` characters: to look at few costs as much."""
    lengths = [len(text or "") for text in texts]
    total = sum(lengths)
    share = total / max(1, math.ceil(total / _CHARS))
    first = size = 0
    for number, length in enumerate(lengths):
        if size and size >= share:
            yield first, number
            first, size = number, 0
        size += length
    yield first, len(texts)


def _redacted(values: list[str], about: npt.NDArray[np.uint64], index: Index) -> list[str]:
    import pyarrow as pa

    filled = [number for number, text in enumerate(values) if text]
    texts = [values[number] for number in filled]
    works = [text if text.isascii() and "[" not in text else barred(plain(text)) for text in texts]
    formed = detect.candidates(pa.array(works, pa.string()))
    known = _known(works, _needed(works, index.find(works, about[filled])))
    for at in known.keys() | formed.keys():
        text, work, patterns = texts[at], works[at], formed.get(at, ())
        found = known.get(at, []) + _formed(work, patterns)
        while found:
            spans = _united(text, found)
            text = _replaced(text, spans, _SHOWN)
            # marks take whole words and no form goes over one, so in what is left stands nothing of the index that did
            # not before, and no form whose sieve the text did not pass
            work = _replaced(work, spans, _BARRED) if patterns else ""
            found = _formed(work, patterns)
        values[filled[at]] = text
    return values


def _needed(works: Sequence[str], hits: Hits) -> Hits:
    """Hits in order; of those in the same words the longest, for it takes the others with it."""
    import numpy as np

    hits = hits.take(_close(works, hits))
    starts, ends = hits.line.whole(hits.starts, hits.ends)
    order = np.lexsort((hits.marks, -ends, starts))
    # what stands before a number may belong to it, so it does not go with others, nor they with it
    number = (hits.kinds == Kind.OWN_NUMBER)[order]
    reach = np.maximum.accumulate(np.where(number, 0, ends[order]))
    taken = np.zeros(len(order), np.bool_)
    taken[1:] = ends[order][1:] <= reach[:-1]
    return hits.take(order[~taken | number])


def _close(works: Sequence[str], hits: Hits) -> npt.NDArray[np.bool_]:
    """Which hits count: between the groups of somebody else's id stand few characters."""
    import numpy as np

    close = np.ones(len(hits.texts), np.bool_)
    anyones = (hits.kinds == Kind.ANYONES_ID).nonzero()[0]
    texts = hits.texts[anyones]
    places = (hits.line.in_text(texts, places[anyones]) for places in (hits.starts, hits.ends - 1))
    for number, text, first, last in zip(*(column.tolist() for column in (anyones, texts, *places)), strict=True):
        span = Offsets(works[text]).span(first, last + 1)
        close[number] = _together(works[text][slice(*span)])
    return close


def _together(text: str) -> bool:
    gap = 0
    for char in text:
        gap = 0 if char.isalnum() else gap + 1
        if gap > _GAP:
            return False
    return True


def _known(works: Sequence[str], hits: Hits) -> dict[int, list[Found]]:
    """Spans that hold known identifiers, by number of the text."""
    line, texts, kinds, marks, starts, ends = hits
    left, right = line.whole(starts, ends)
    offsets = (line.in_text(texts, places) for places in (starts, ends - 1, left, right - 1))
    columns = (column.tolist() for column in (texts, kinds, marks, starts, *offsets))
    found: dict[int, list[Found]] = {}
    text = -1
    for number, kind, mark, place, start, last, before, after in zip(*columns, strict=True):
        if number != text:
            text, work, spans = number, works[number], found.setdefault(number, [])
            back = None if work.isascii() else Offsets(work)
        if kind == Kind.OWN_NUMBER:
            span = _phone(work, line, place, (start, last + 1), back or Offsets(work))
            spans.append(_whole(work, span, MARKS[mark]))
        elif back is None or back.even:
            spans.append((before, -after - 1, MARKS[mark]))
        else:
            spans.append(_whole(work, back.span(start, last + 1), MARKS[mark]))
    return found


def _formed(work: str, patterns: Sequence[detect.Pattern]) -> list[Found]:
    """Spans of `work` that have the form of an identifier."""
    return [_whole(work, span, pattern.mark) for span, pattern in detect.spans(work, patterns)] if patterns else []


def _whole(work: str, span: Span, mark: str) -> Found:
    start, end = whole_words(work, span)
    return start, -end, mark


def _phone(work: str, line: Line, known: int, span: Span, offsets: Offsets) -> Span:
    """The span of a number whose last digits were found at a place, with the country and area code before them."""
    (start, end), first = span, known
    while first > 0 and line.digits[first - 1] and known - first < _PHONE_DIGITS_BEFORE:
        before = start - int(line.at[first] - line.at[first - 1])
        if line.starts[first]:
            between = work[offsets.span(before, before + 1)[1] : offsets.span(start, start + 1)[0]]
            if not _PHONE_GAP.fullmatch(between):
                break
        first, start = first - 1, before
    return offsets.span(start, end)


def barred(text: str) -> str:
    """`text` with its marks made impassable, at the same length."""
    if "[" in text:
        for mark, bar in _BARRED.items():
            text = text.replace(_SHOWN[mark], bar)
    return text


def _replaced(text: str, spans: Sequence[tuple[Span, str]], marks: Mapping[str, str]) -> str:
    if len(spans) == 1:
        (start, end), mark = spans[0]
        return text[:start] + marks[mark] + text[end:]
    pieces, position = list[str](), 0
    for (start, end), mark in spans:
        pieces += text[position:start], marks[mark]
        position = end
    pieces.append(text[position:])
    return "".join(pieces)


def _united(text: str, found: list[Found]) -> list[tuple[Span, str]]:
    """Overlapping spans as one, under the mark of the longest; names side by side as one name."""
    united: list[tuple[Span, str]] = []
    first = last = length = 0
    held = ""
    for start, back, mark in sorted(found):
        if start < last or (mark == held == "NAME" and _BETWEEN.fullmatch(text, last, start)):
            united.pop()
            if -back - start > length:
                length, held = -back - start, mark
            last = max(last, -back)
        else:
            first, last, length, held = start, -back, -back - start, mark
        united.append(((first, last), held))
    return united
