"""An index of identifiers, made in the test's own process."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa

from potable.privacy import forms, saving
from potable.privacy.between import Between
from potable.privacy.digests import people
from potable.privacy.index import Index
from potable.privacy.mentions import Changed
from potable.privacy.redact import redacted

SOMEBODY = "somebody"
_PLACES = tempfile.TemporaryDirectory()
"""Of all indexes that no test asked a folder for; goes at the end of the process."""


def index(
    identifiers: Iterable[tuple[str | None, str, str]],
    folder: Path | None = None,
    *,
    stands_on: Index | None = None,
    rows: int = 0,
    made_forms: Callable[[pa.RecordBatch], pa.RecordBatch] = forms.made_forms,
) -> Index:
    """The index of (subject, kind, value); beside those of another index, how many there are together."""
    batch = _batch(identifiers)
    made = pa.Table.from_batches([made_forms(batch)])
    # each index has a name of its own, for opened ones are kept by name
    place = Path(tempfile.mkdtemp(dir=folder or _PLACES.name))

    def write(name: str, chunks: Iterable[bytes]) -> None:
        (place / name).write_bytes(b"".join(chunks))

    ordered = made.group_by(made.column_names).aggregate([]).sort_by([("digest", "ascending")])
    shape = saving.save(ordered.to_batches(), rows or len(batch), write, stands_on)
    return Index(str(place / "forms"), str(place / "beginnings"), shape)


def changed(
    identifiers: Iterable[tuple[str | None, str, str]],
    folder: Path | None = None,
    *,
    few: bool = True,
    between: Between | None = None,
) -> Changed:
    """What is looked for where these came or went; `few`: at first without the index; `between`: what of it changed."""
    batch = _batch(identifiers)
    if between:
        batch = between.identifiers(batch)
    rows = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    found = index(rows, folder, made_forms=between.forms if between else forms.made_forms)
    return Changed.of(found, [batch], len(rows) if few else 1 << 20)


def _batch(identifiers: Iterable[tuple[str | None, str, str]]) -> pa.RecordBatch:
    found = [dict(zip(("subject", "kind", "value"), row, strict=True)) for row in identifiers]
    return pa.RecordBatch.from_pylist(found, pa.schema([(name, pa.string()) for name in ("subject", "kind", "value")]))


def redact(
    text: str | None, own: Iterable[tuple[str, str]] = (), everybody: Iterable[tuple[str, str]] = ()
) -> str | None:
    """A text of somebody whose identifiers are `own`."""
    known = index([*((SOMEBODY, *pair) for pair in own), *((None, *pair) for pair in everybody)])
    return again(text, known)


def again(text: str | None, known: Index) -> str | None:
    """A text of somebody, redacted by an index."""
    texts = pa.array([text], pa.string())
    result: str | None = redacted(texts, people(pa.array([SOMEBODY])), known).to_pylist()[0]
    return result
