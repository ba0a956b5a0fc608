"""The keys a source listed: what a table has now, so that what is missing counts as deleted. Entry: `listed`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from potable.engines.base import scalars
from potable.errors import DataError
from potable.runs.plan import Step
from potable.runs.workshop import Workshop
from potable.sources.groups import parsed_rows
from potable.tables import BATCH, MISTYPED

if TYPE_CHECKING:
    import ibis.expr.types as ir


def listed(shop: Workshop, step: Step, reached: int, folder: str) -> ir.Table | None:
    """Keys of a table that its source listed since batch `reached`, with the batch of each list; None without lists.

    Args:
        folder: folder for the keys, below the restricted root.

    Raises:
        DataError: D007, some keys cannot be read.
    """
    source_name, short = step.name.split(".", 1)
    source, table = shop.project.sources[source_name], shop.project.tables[step.name]
    landed = shop.landed[source_name]
    lists = [item for item in landed if item.keys_of == short and item.batch > reached]
    blobs = source.blobs(lists, shop.lake.restricted.locate(""))
    if not blobs:
        return None
    parsed = parsed_rows(shop.engine, source, short, blobs)
    keys = parsed.select(*table.unique, BATCH, MISTYPED)
    place = shop.lake.restricted.locate(folder)
    parts = shop.engine.write(keys, place)
    found = shop.engine.read([f"{place}/{part.path}" for part in parts], keys.schema().to_pyarrow())
    lost = _unread_keys(found, table.unique)
    if unread := scalars(shop.engine, found.agg(n=found.count(where=lost)))["n"]:
        raise _unlisted(step.name, table.unique, unread)
    return found.drop(MISTYPED)


def _unread_keys(listed: ir.Table, keys: Sequence[str]) -> ir.BooleanValue:
    """Whether the key of each listed record cannot be read; `_mistyped` names columns, which others may be."""
    import ibis

    wrong = listed[MISTYPED].notnull()
    return wrong & ibis.or_(*(listed[name].isnull() for name in keys))


def _unlisted(name: str, keys: Sequence[str], count: int) -> DataError:
    """The error of keys that cannot be read: their records, which are there, would count as deleted."""
    return DataError(
        f"`{name}`: the list of keys that its source has now cannot be parsed",
        "D007",
        given=f"{count:,} keys do not fit the type that the contract declares for "
        f"{', '.join(f'`{key}`' for key in keys)}",
        hint="correct the types of these columns, or go back to the batch before with `potable state rewind`",
        state="no record was counted as deleted; the last version stays current",
        next="potable source preview",
    )
