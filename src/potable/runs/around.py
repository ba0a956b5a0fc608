"""The versions of the records around those of a table that has parts of them (`parts_of`).

Entry: `versions`, `telling`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ibis

from potable.contracts.deletions import marked
from potable.contracts.keyed import with_known_key
from potable.contracts.parts import ENDED, Around, versions_schema
from potable.engines.base import Part
from potable.runs.plan import Step
from potable.runs.workshop import Workshop
from potable.sources.base import Source
from potable.sources.blobs import Blob
from potable.sources.groups import parsed_rows
from potable.store.manifest import Manifest


def versions(
    shop: Workshop, step: Step, before: Manifest, blobs: Sequence[Blob], folder: str
) -> tuple[Around, list[Part]] | None:
    """Versions of the records around those of a table, and where they are written; None of a table that has no parts.

    Args:
        before: the step that stands, with versions of earlier objects.
        blobs: the objects that are judged.
        folder: new folder for the versions, below the restricted root.
    """
    source_name, short = step.name.split(".", 1)
    source, table = shop.project.sources[source_name], shop.project.tables[step.name]
    if table.parts_of is None:
        return None
    key, told = source.tables[table.parts_of].unique, telling(source, short)
    around = told.tables[table.parts_of]
    # what was landed before is known by its time, and ordinals are those of parts
    whole = [replace(blob, skip=()) for blob in blobs]
    parsed = parsed_rows(shop.engine, told, table.parts_of, whole)
    rows = with_known_key(around, parsed)
    rows = rows.mutate(**{ENDED: marked(around, rows) if around.deletion else ibis.literal(False)})
    shape = versions_schema(table, key)
    place = shop.lake.restricted.locate(folder)
    parts = shop.engine.write(rows.select(shape.names), place)
    new = shop.engine.read([f"{place}/{part.path}" for part in parts], shape)
    return Around(key, new, shop.engine.read(before.paths(shop.lake.restricted, "versions"), shape)), list(parts)


def telling(source: Source[Any], short: str) -> Source[Any]:
    """The source with what tells versions of the records around those of a table, and nothing else of these."""
    table = source.tables[short]
    assert table.parts_of and table.known_column
    around = source.tables[table.parts_of]
    columns = {
        # typed as the parts are, to be compared with them
        name: table.columns[name].model_copy(update={"path": around.columns[name].paths(name)})
        for name in (*around.unique, table.known_column)
    }
    if around.deletion:
        name = around.deletion[0]
        columns.setdefault(name, around.columns[name])
    told = around.model_copy(update={"columns": columns, "known": table.known_column, "time": None, "order": None})
    return source.model_copy(update={"tables": {**source.tables, table.parts_of: told}})
