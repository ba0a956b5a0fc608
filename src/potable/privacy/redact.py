"""Identifiers in free texts replaced by typed marks such as `[NAME]`, `[EMAIL]`, `[ID]`.

Two lookups over the same plain texts: the known forms of everybody's identifiers and of the person's own
(`potable.privacy.forms`), and the forms of `potable.privacy.detect`. What they find is united and replaced,
and a changed text is looked at again until nothing is found, so redacting twice changes nothing. Null stays
null; invisible characters go, for they could split a name.

Entry: `Redactor`, a batch function for `engine.map_batches`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from potable.privacy import detect
from potable.privacy.digests import MARKS, Kind, people
from potable.privacy.folding import BARRIER, Offsets, Span, plain, visible, whole_words
from potable.privacy.index import Hit, Index

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

_MARK = re.compile(r"\[(?:" + "|".join(MARKS) + r")\]")
_BETWEEN = re.compile(r"[\s-]{0,3}")
_PHONE_GAP = re.compile(r"[\s()+./-]{1,4}")
_PHONE_DIGITS_BEFORE = 8
_CHARS = 1 << 17
"""Characters that are looked at together."""
_GAP = 3
"""Characters that may stand between the groups of somebody else's id."""

Found = tuple[Span, str]


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
        about: by text, `forms.person` of whom it is about.
        index: everybody's identifiers.
    """
    import pyarrow as pa

    values = [text and visible(text) for text in texts.to_pylist()]
    for first, last in slices(values):
        values[first:last] = _redacted(values[first:last], about[first:last], index)
    return pa.array(values, pa.string())


def slices(texts: Sequence[str | None]) -> Iterator[tuple[int, int]]:
    """Ranges of texts of about `_CHARS` characters together."""
    first = size = 0
    for number, text in enumerate(texts):
        length = len(text or "")
        if size and size + length > _CHARS:
            yield first, number
            first, size = number, 0
        size += length
    yield first, len(texts)


def _redacted(values: list[str], about: npt.NDArray[np.uint64], index: Index) -> list[str]:
    import pyarrow as pa

    pending = [number for number, text in enumerate(values) if text]
    again = False
    while pending:
        works = [barred(plain(values[number])) for number in pending]
        forms = detect.candidates(pa.array(works, pa.string()))
        # marks replace whole words: of the index nothing stands in a changed text that did not before, of forms it may
        found = {} if again else index.find(works, about[pending])
        changed = []
        for at in sorted(found.keys() | forms.keys()):
            spans = [*_known(works[at], found.get(at, ())), *_formed(works[at], forms.get(at, ()))]
            if spans:
                values[pending[at]] = _replaced(values[pending[at]], spans)
                changed.append(pending[at])
        pending, again = changed, True
    return values


def _known(work: str, hits: Sequence[Hit]) -> Iterator[Found]:
    """Spans of `work` that hold known identifiers."""
    if not hits:
        return
    offsets = Offsets(work)
    for hit in hits:
        span = offsets.span(hit.start, hit.end)
        if hit.kind is Kind.OWN_NUMBER:
            span = _phone(work, hit, offsets)
        if hit.kind is not Kind.ANYONES_ID or _close(work[slice(*span)]):
            yield whole_words(work, span), hit.mark


def _formed(work: str, patterns: Sequence[detect.Pattern]) -> Iterator[Found]:
    """Spans of `work` that have the form of an identifier."""
    if patterns:
        yield from ((whole_words(work, span), pattern.mark) for span, pattern in detect.spans(work, patterns))


def _close(text: str) -> bool:
    gap = 0
    for char in text:
        gap = 0 if char.isalnum() else gap + 1
        if gap > _GAP:
            return False
    return True


def _phone(work: str, hit: Hit, offsets: Offsets) -> Span:
    """The span of a number whose last digits were found, with the country and area code before them."""
    line, first, start = hit.line, hit.first, hit.start
    while first > 0 and line.digits[first - 1] and hit.first - first < _PHONE_DIGITS_BEFORE:
        before = start - int(line.at[first] - line.at[first - 1])
        if line.starts[first]:
            between = work[offsets.span(before, before + 1)[1] : offsets.span(start, start + 1)[0]]
            if not _PHONE_GAP.fullmatch(between):
                break
        first, start = first - 1, before
    return offsets.span(start, hit.end)


def barred(text: str) -> str:
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
