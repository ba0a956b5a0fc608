"""Finds the texts that mention identifiers added or removed since; only these may be redacted differently now.

Most texts mention none of a few identifiers, which a prefilter sees quickly: without blanks and punctuation they
contain no changed form as a substring, and they are not about a person whose own forms changed. Only the remaining
texts are searched as the redactor searches, by an index of the forms.

Entry: `Changed.of`, then `Mentions`, a batch function for `engine.map_batches`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from potable.privacy.digests import Kind, people
from potable.privacy.folding import folded, plain, visible
from potable.privacy.index import Index
from potable.privacy.pieces import Pieces
from potable.privacy.redact import barred, slices
from potable.privacy.spelling import spellings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

_MOST = 4_000
"""Identifiers for whose forms a quick look is worth it."""
_LINE = "\n"
_FOREIGN = re.compile(r"[^\x00-\x7f]+")
_LOWER = bytes(range(256)).lower()
_SIGNS = bytes(code for code in range(128) if not chr(code).isalnum() and chr(code) != _LINE)


@dataclass(frozen=True)
class Changed:
    """Identifiers that were added or removed; picklable."""

    index: Index
    """Their forms."""
    owners: pa.StringArray = field(repr=False)
    """Subject ids of those they belong to."""
    pieces: Pieces | None = field(repr=False)
    """Substrings for the prefilter: the forms that count in anybody's text, without blanks and punctuation; None where
    there are too many of them."""

    @classmethod
    def of(cls, index: Index, identifiers: Iterable[pa.RecordBatch], rows: int) -> Self:
        """Prepare the search.

        Args:
            index: of the forms of these identifiers.
            identifiers: (subject, kind, value).
            rows: how many.
        """
        import pyarrow as pa

        owners, pieces = list[pa.Array](), set[str]()
        for batch in identifiers:
            subjects, kinds, values = batch.columns
            owners.append(subjects.unique().drop_null())
            if rows <= _MOST:
                for kind, value in zip(kinds.to_pylist(), values.to_pylist(), strict=True):
                    pieces.update("".join(form.split()) for form in spellings(kind, value)[0])
        known = pa.chunked_array(owners, pa.string()).unique()
        return cls(index, known, Pieces.of(pieces) if rows <= _MOST else None)

    def in_texts(self, texts: pa.Array, about: pa.Array) -> set[int]:
        """The numbers of the texts in which a form stands: only these could `redact.redacted` change by it.

        Args:
            texts: strings or null.
            about: by text, the subject id of whom it is about; null for nobody.
        """
        import pyarrow.compute as pc

        filled = texts.is_valid().to_numpy(zero_copy_only=False)
        own = pc.is_in(about, value_set=self.owners).to_numpy(zero_copy_only=False) & filled
        found = _searched(texts, about, own.nonzero()[0], self.index)
        others = (self._suspects(texts) & filled & ~own).nonzero()[0]
        anybodys = {name: sizes for name, sizes in self.index.shape.items() if not Kind[name].own}
        return found | _searched(texts, about, others, Index(self.index.forms, self.index.beginnings, anybodys))

    def _suspects(self, texts: pa.Array) -> npt.NDArray[np.bool_]:
        """Which texts may hold a form of anybody's."""
        import numpy as np

        if self.pieces is None:
            return np.ones(len(texts), np.bool_)
        suspects, closed = np.zeros(len(texts), np.bool_), _closed(texts)
        ends = (np.frombuffer(closed, np.uint8) == ord(_LINE)).nonzero()[0]
        suspects[np.searchsorted(ends, self.pieces.places(closed))] = True
        return suspects


@dataclass(frozen=True)
class Mentions:
    """Finds the rows of a batch that have a form of changed identifiers in a text; picklable.

    The result has those rows and the columns of their places.
    """

    columns: tuple[str, ...]
    """Text columns to search."""
    subject: str
    """Column with the subject id each row is about."""
    places: tuple[str, ...]
    """Columns that say where a row comes from."""
    changed: Changed

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The places."""
        import pyarrow as pa

        numbers: set[int] = set()
        for column in self.columns:
            numbers |= self.changed.in_texts(batch.column(column), batch.column(self.subject))
        return batch.select(list(self.places)).take(pa.array(sorted(numbers), pa.int64()))


def _searched(texts: pa.Array, about: pa.Array, numbers: npt.NDArray[np.intp], index: Index) -> set[int]:
    """Those of the texts with these `numbers` in which a form of the index stands."""
    if not len(numbers):
        return set()
    theirs = people(about.take(numbers))
    # what a mark leaves of a text is words of it, so nothing is found there that the whole text does not show
    works = [barred(plain(text)) for text in texts.take(numbers).to_pylist()]
    found = {
        first + at
        for first, last in slices(works)
        for at in index.find(works[first:last], theirs[first:last]).texts.tolist()
    }
    return set(numbers[sorted(found)].tolist())


def _closed(texts: pa.Array) -> bytes:
    """Texts folded, without blanks and signs, a line each; what is null is empty."""
    lines = [_on_one_line(text) if text else "" for text in texts.to_pylist()]
    return _LINE.join(lines).encode().translate(_LOWER, _SIGNS)


def _on_one_line(text: str) -> str:
    """A text without ends of lines; what is not ASCII is folded."""
    text = visible(text)
    # every character is folded by itself
    return (text if text.isascii() else _FOREIGN.sub(_folded, text)).replace(_LINE, " ")


def _folded(match: re.Match[str]) -> str:
    return folded(plain(match.group()))
