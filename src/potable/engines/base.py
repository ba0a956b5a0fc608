"""The engine seam: six methods, so that the next engine is a file.

Verbs say relational work once, in Ibis, and work on bytes and texts once, as functions over Arrow
batches. An engine runs both. Functions given to an engine must be picklable (a module-level function
or a `functools.partial` of one over frozen dataclasses), for they may run in another process or on
another machine. Nothing above this room knows which engine it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

ItemFunction = Callable[[Any], "Iterable[pa.RecordBatch]"]
"""One item (a raw object, say) to any number of batches of one schema."""
BatchFunction = Callable[["pa.RecordBatch"], "pa.RecordBatch"]
"""One batch to one batch; rows may go or come, the schema is the declared one."""


@dataclass(frozen=True)
class Part:
    """One Parquet file an engine wrote."""

    path: str
    """Path relative to the directory written to."""
    rows: int
    bytes: int
    partition: int | None = None
    """Value of the partition column, where the write was partitioned."""


class Engine(Protocol):
    """Runs relations and batch functions; see `potable.testing` for the suite every engine passes."""

    name: str
    memory: int
    """Bytes the whole run may use on this machine."""

    @property
    def cores(self) -> int:
        """Items that are worked on at a time."""

    def read(self, files: Sequence[str], schema: pa.Schema, *, over: ibis.Table | None = None) -> ibis.Table:
        """The Parquet `files` (absolute paths) as one relation of `schema`; no files give no rows.

        Given one that was read before, of the same schema, that one stands for these files from now on, and so does
        whatever was made of it: a query need not be put together again.
        """

    def map_items(
        self, items: Iterable[Any], function: ItemFunction, schema: pa.Schema, *, long: bool = False
    ) -> ibis.Table:
        """All batches that `function` makes of `items`, as a relation that can be consumed **once**.

        Args:
            long: whether single items take long, so that none should hold up the others.
        """

    def map_batches(self, relation: ibis.Table, function: BatchFunction, schema: pa.Schema) -> ibis.Table:
        """`function` over the batches of `relation`, as a relation that can be consumed **once**."""

    def write(
        self, relation: ibis.Table, directory: str, *, partition_by: str | None = None, order_by: Sequence[str] = ()
    ) -> list[Part]:
        """Write `relation` as zstd Parquet below `directory` (absolute, new); returns its parts.

        A partition column (integer) is named in the path and left out of the files. Rows stand as `order_by` says; of
        partitions, in long runs, each of which is in that order.
        """

    def stream(self, relation: ibis.Table, *, small: bool = False) -> Iterator[pa.RecordBatch]:
        """The rows of `relation` in its order, batch by batch; `small` ones fit into memory at once."""

    def close(self) -> None:
        """Give back processes, memory and scratch space."""


def collect(engine: Engine, relation: ibis.Table) -> pa.Table:
    """A small result, one that does not grow with the data, as one Arrow table."""
    import pyarrow as pa

    return pa.Table.from_batches(engine.stream(relation, small=True), schema=relation.schema().to_pyarrow())


def rows_of(engine: Engine, relation: ibis.Table) -> list[dict[str, Any]]:
    """The rows of a small result as dicts."""
    rows: list[dict[str, Any]] = collect(engine, relation).to_pylist()
    return rows


def scalars(engine: Engine, relation: ibis.Table) -> dict[str, Any]:
    """The one row of `relation` as a dict."""
    return rows_of(engine, relation)[0]


def by_column(engine: Engine, cells: ibis.Table) -> Iterator[tuple[str, pa.Array]]:
    """The values of (column, value) rows, by column, batch by batch."""
    import pyarrow.compute as pc

    for batch in engine.stream(cells):
        for name in pc.unique(batch["column"]).to_pylist():
            yield name, pc.filter(batch["value"], pc.equal(batch["column"], name))


def kept(engine: Engine, relation: ibis.Table, directory: str, *, over: ibis.Table | None = None) -> ibis.Table:
    """`relation` computed once into `directory` (absolute, new), and read from its files from then on.

    Args:
        over: as `Engine.read` takes it.
    """
    return counted(engine, relation, directory, over=over)[0]


def counted(
    engine: Engine, relation: ibis.Table, directory: str, *, over: ibis.Table | None = None
) -> tuple[ibis.Table, int]:
    """The same, and the number of its rows."""
    parts = engine.write(relation, directory)
    files = [f"{directory}/{part.path}" for part in parts]
    found = engine.read(files, relation.schema().to_pyarrow(), over=over)
    return found, sum(part.rows for part in parts)


def union_all(relations: Iterable[ibis.Table]) -> ibis.Table:
    """All rows of `relations` (at least one), one after the other."""
    import ibis

    first, *rest = relations
    return ibis.union(first, *rest) if rest else first
