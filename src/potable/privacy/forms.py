"""Every form an identifier of the roster may take in a text, made as digests.

A form belongs to anybody (full names, ids) or to one person (also single names, digits, numbers).

Entry: `forms`; `saving.save` makes the files of which `index` looks them up.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from potable.engines.base import Engine
from potable.privacy.digests import BEGINNING, MARK_BITS, MARKS, Kind, digests, people
from potable.privacy.lines import Line
from potable.privacy.spelling import MARK_OF, compact, spellings

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

_ID_BEGINNING = 6
"""Characters of an id that its beginning has; words of a name: two for anybody's, one for a person's own."""
_OWN_ID_BEGINNING = 4
_ROWS = 2_048
"""Identifiers whose forms are made together."""
_SHARED = frozenset({"name", "full_name", "address"})
"""Kinds of identifiers that several people have; to remember others would drive these out."""


def schema() -> pa.Schema:
    """Schema of forms before they are saved: digest, digest of the beginning, and what kind and size they have."""
    import pyarrow as pa

    return pa.schema(
        [
            ("digest", pa.int64()),
            ("beginning", pa.int64()),
            ("kind", pa.int32()),
            ("size", pa.int32()),
            ("begin_size", pa.int32()),
        ]
    )


def forms(identifiers: ir.Table, engine: Engine) -> ir.Table:
    """The forms of all `identifiers` (subject, kind, value), sorted; can be consumed once."""
    made = engine.map_batches(identifiers.select("subject", "kind", "value"), made_forms, schema())
    return made.distinct().order_by(["digest", "beginning"])


def made_forms(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The forms of a batch of identifiers (subject, kind, value), as `schema` says."""
    import pyarrow as pa

    slices = (batch.slice(first, _ROWS) for first in range(0, len(batch), _ROWS))
    return pa.concat_batches([_made(few) for few in slices] or [_made(batch)])


def _made(batch: pa.RecordBatch) -> pa.RecordBatch:
    import numpy as np
    import pyarrow as pa

    subjects, kinds, values = batch.columns
    found = [
        _remembered(kind, value) if kind in _SHARED else forms_of(kind, value)
        for kind, value in zip(kinds.to_pylist(), values.to_pylist(), strict=True)
    ]
    tables, texts = zip(*chain.from_iterable(found), strict=True) if any(found) else ((), ())
    rows = np.repeat(np.arange(len(batch)), np.fromiter(map(len, found), np.intp, len(found)))
    numbers = np.fromiter(tables, np.int64, len(tables))
    line = Line(texts)
    starts, ends, begins, sizes, begin_sizes = _measured(line, numbers)
    owners = people(subjects)[rows]
    digest, beginning = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64)
    for kind in Kind:
        mine = (numbers == kind).nonzero()[0]
        hashed, theirs = line.spoken if kind.words else line.compact, owners[mine] if kind.own else None
        digest[mine] = digests(hashed(starts[mine], ends[mine]), kind, theirs)
        beginning[mine] = digests(hashed(starts[mine], begins[mine]), kind + BEGINNING, theirs)
    marked = (digest & ~MARK_BITS) | _marks(kinds)[rows]
    # what only its owner may be called by is nobody's where there is none
    whose = pa.array(subjects.is_valid().to_numpy(zero_copy_only=False)[rows] | (numbers < Kind.OWN_WORDS))
    columns = [marked, beginning, numbers, sizes, begin_sizes]
    made = pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, schema(), strict=True)], schema=schema())
    return made.filter(whose) if subjects.null_count else made


def _marks(kinds: pa.Array) -> npt.NDArray[np.int64]:
    """The number of the mark that takes the place of identifiers of each of `kinds`."""
    import numpy as np

    coded = kinds.dictionary_encode()
    known = np.array([MARKS.index(MARK_OF.get(kind, "ID")) for kind in coded.dictionary.to_pylist()], np.int64)
    marks: npt.NDArray[np.int64] = known[coded.indices.to_numpy()]
    return marks


def forms_of(kind: str, value: str) -> list[tuple[Kind, str]]:
    """(table, folded text) of every form of one identifier."""
    everybodys, own = spellings(kind, value)
    if not compact(kind):
        return [(Kind.ANYONES_WORDS, text) for text in everybodys] + [(Kind.OWN_WORDS, text) for text in own]
    number = kind == "phone"
    return [(Kind.ANYONES_ID, text) for text in everybodys] + [
        (Kind.OWN_NUMBER if number and text.isdigit() else Kind.OWN_ID, text) for text in own
    ]


_remembered = lru_cache(maxsize=4_096)(forms_of)


def _measured(line: Line, tables: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], ...]:
    """Start, end, end of the beginning, size and size of the beginning of each text of a line, one form each."""
    import numpy as np

    starts, ends = line.words
    texts = line.text_of(starts)
    # a separator counts to the text after it, and is its first word
    number = np.arange(len(tables))
    first = np.searchsorted(texts, number) + (number > 0)
    last = np.searchsorted(texts, number, "right") - 1
    begin, end, count = starts[first], ends[last], last - first + 1
    words = (tables == Kind.ANYONES_WORDS) | (tables == Kind.OWN_WORDS)
    own = tables >= Kind.OWN_WORDS
    chars = end - begin
    begin_words = np.minimum(np.where(own, 1, 2), count)
    begin_chars = np.where(
        tables == Kind.OWN_NUMBER, chars, np.minimum(np.where(own, _OWN_ID_BEGINNING, _ID_BEGINNING), chars)
    )
    begins = np.where(words, ends[first + begin_words - 1], begin + begin_chars)
    return begin, end, begins, np.where(words, count, chars), np.where(words, begin_words, begin_chars)
