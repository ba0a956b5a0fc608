"""All records a source has now, read and typed as a run would, without landing them.

Used to reconcile a source with what was landed; a first look at a source is `preview`.

Entry: `everything`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from potable.sources.base import Source
from potable.sources.preview import offered


def everything(source: Source[Any], table: str, *, base: Path) -> Iterator[pa.RecordBatch]:
    """Typed batches of every record of `table`, also where a run would only read on.

    Raises:
        EnvironmentFailure: the source cannot be read (E001, E002).
        DataError: D007, an object cannot be parsed.
    """
    # other tables of the system are not asked for
    alone = source.model_copy(update={"tables": {table: source.tables[table]}})
    for arrival in alone.arrivals(base):
        yield from source.parse(table, offered(source, arrival))
