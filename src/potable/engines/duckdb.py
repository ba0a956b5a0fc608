"""DuckDB, the embedded default: no server, one process, memory bounded by the project's setting.

Relations are Ibis over one in-memory DuckDB that spills to a scratch folder; batch functions run in a
process pool. Nothing outside this file imports duckdb.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import ibis
import ibis.expr.operations as ops
import pyarrow as pa

from potable.engines import compiled, places
from potable.engines.base import BatchFunction, ItemFunction, Part
from potable.engines.duckdb_sql import Compiler
from potable.engines.pool import OneBatch, Pool
from potable.errors import MADE_AGAIN, Damaged, EnvironmentFailure, Outgrown, PotableError, machine_says
from potable.reasons import of_store

T = TypeVar("T")
ENGINE_SHARE = 0.5
"""Most of the memory setting DuckDB may use; the rest is for Python, Arrow and the workers."""
OWN_BYTES, WORKER_BYTES, LEAST_BYTES = 300 << 20, 250 << 20, 256 << 20
"""What this process takes beside DuckDB, what a worker takes, and what DuckDB cannot do without."""
BATCH_ROWS = 16_384
FLUSH_ROWS = 16_384
"""Rows of one partition that a partitioned write gathers before it writes them: it holds that many of each.

By default DuckDB gathers 524,288, which with 32 partitions is the whole of many a table.
"""
DICTIONARY_VALUES = 5_000
"""Most distinct values of a column of which a row group keeps a dictionary.

By default DuckDB keeps one for up to 24,576 values of 122,880 rows. To gather several such ones side by side can cost
more than all the rest of a write, and zstd often leaves a smaller file without them.
"""
_BETWEEN = 0.25
"""Seconds from one return of free memory to the next; one takes some ten milliseconds."""
SLICE_ROWS = 4_096
"""Rows a worker is given at a time: few enough that a table of some thousand long texts keeps all workers busy.

They are read so, for a slice of a larger batch takes the whole of it along to the worker.
"""
_PARQUET = f"FORMAT parquet, COMPRESSION zstd, DICTIONARY_SIZE_LIMIT {DICTIONARY_VALUES}"
_SCRATCH = "FORMAT parquet, COMPRESSION snappy"
_HEAVY = (ops.JoinChain, ops.Aggregate, ops.Distinct, ops.Sort, ops.WindowFunction, ops.Intersection, ops.Difference)
"""What holds rows until it has seen others."""
_FILE = re.compile(
    rf"""(?:file|pattern) \\*["'][^"']*?/((?:{"|".join(MADE_AGAIN)})/[^/"']+/[0-9a-f]{{16,}}/[^"'\\]*)""", re.IGNORECASE
)
"""A file of the lake, as errors name it; its path holds names of tables and hashes only."""
_KINDS = ("Binder Error", "Conversion Error", "Invalid Input Error", "Out of Range Error", "Parser Error")


class DuckDBEngine:
    """The engine seam on DuckDB."""

    name = "duckdb"

    def __init__(self, *, memory: int, threads: int, scratch: Path) -> None:
        """Open an engine.

        Args:
            memory: bytes the whole run may use.
            threads: threads and worker processes.
            scratch: folder for spilled data; emptied by `close`.
        """
        self.memory = memory
        self._limit = f"{_limit(memory, threads) >> 20}MiB"
        try:
            scratch.mkdir(parents=True, exist_ok=True)
            self._scratch = Path(tempfile.mkdtemp(dir=scratch, prefix="duckdb-"))
            self._ibis = ibis.duckdb.connect(
                threads=threads,
                memory_limit=self._limit,
                temp_directory=str(self._scratch),
                preserve_insertion_order=False,
                autoinstall_known_extensions=False,
                autoload_known_extensions=False,
            )
        except (OSError, duckdb.Error) as failure:
            raise EnvironmentFailure(
                f"the engine cannot start ({machine_says(failure) or type(failure).__name__})",
                "E007",
                given=str(scratch),
                hint="is the scratch folder writable, and does this machine have the `memory` and `threads` of "
                "potable.yaml?",
                retryable=True,
            ) from failure
        self._ibis.compiler = Compiler()
        self._connection: Any = self._ibis.con
        self._connection.execute("SET TimeZone = 'UTC'")
        # in an interactive Python DuckDB would draw its own between ours
        self._connection.execute("SET enable_progress_bar = false")
        self._connection.execute(f"SET partitioned_write_flush_threshold = {FLUSH_ROWS}")
        # what it has freed goes back to the system soon: by default half a gigabyte may stay
        self._connection.execute("SET allocator_background_threads = true")
        self._connection.execute("SET allocator_flush_threshold = '16MiB'")
        self._connection.execute("SET allocator_bulk_deallocation_flush_threshold = '32MiB'")
        self._pool = Pool(threads)
        self._threads = threads
        self._names = 0
        self._running = 0
        """Queries at work, and those whose rows are still taken."""
        self._trimmed = time.monotonic()
        self._readers: dict[str, pa.RecordBatchReader] = {}
        self._failures: dict[str, BaseException] = {}
        self._schemes: set[str] = set()

    def read(self, files: Sequence[str], schema: pa.Schema, *, over: ibis.Table | None = None) -> ibis.Table:
        name = over.get_name() if over is not None else self._name()
        columns = ", ".join(_identifier(column) for column in schema.names)
        if files:
            self._reach(files[0])
            listed = ", ".join(_quoted(_no_glob(file)) for file in files)
            there = f"read_parquet([{listed}], hive_partitioning=false)"
        else:
            there = self._empty(schema)
        view = f"CREATE OR REPLACE VIEW {name} AS SELECT {columns} FROM {there}"
        self._guarded(view, lambda: self._connection.execute(view))
        return over if over is not None else self._table(name, schema)

    def _empty(self, schema: pa.Schema) -> str:
        """The name of a table of that schema without rows."""
        name = self._name()
        self._connection.register(f"{name}_schema", schema.empty_table())
        self._connection.execute(f"CREATE TABLE {name} AS SELECT * FROM {name}_schema")
        self._connection.unregister(f"{name}_schema")
        return name

    @property
    def cores(self) -> int:
        return self._threads

    def map_items(
        self, items: Iterable[Any], function: ItemFunction, schema: pa.Schema, *, long: bool = False
    ) -> ibis.Table:
        return self._registered(self._pool.stream(items, function, schema, long=long), schema)

    def map_batches(self, relation: ibis.Table, function: BatchFunction, schema: pa.Schema) -> ibis.Table:
        return self.map_items(self._apart(relation), OneBatch(function), schema)

    def write(
        self, relation: ibis.Table, directory: str, *, partition_by: str | None = None, order_by: Sequence[str] = ()
    ) -> list[Part]:
        self._guarded("", lambda: places.make(directory))
        self._reach(directory)
        ordered = relation.order_by(list(order_by)) if order_by and not partition_by else relation
        query = compiled.sql(self._ibis, ordered)
        if partition_by and order_by:
            self._sorted(query, directory, partition_by, [name for name in order_by if name != partition_by])
        elif partition_by:
            self._parted(query, directory, partition_by, _PARQUET)
        else:
            copy = f"COPY ({query}) TO {_quoted(f'{directory}/part-0.parquet')} ({_PARQUET})"
            self._copied(query, copy, again=partial(_emptied, directory))
        made: list[Part] = self._guarded("", lambda: places.parts(directory))
        return made

    def _parted(self, query: str, directory: str, column: str, options: str) -> None:
        """Write what `query` gives into a folder for each value of a column."""
        options = f"{options}, PARTITION_BY ({_identifier(column)}), OVERWRITE_OR_IGNORE"
        self._copied(query, f"COPY ({query}) TO {_quoted(directory)} ({options})", again=partial(_emptied, directory))

    def _sorted(self, query: str, directory: str, column: str, order_by: Sequence[str]) -> None:
        """Like `_parted`, each folder in order.

        Folders are sorted one by one, from scratch: all rows at once take twice the time and more memory than there
        may be beside the query that makes them.
        """
        parted = self._scratch / self._name()
        try:
            self._guarded("", lambda: parted.mkdir())
            self._parted(query, str(parted), column, _SCRATCH)
            order = ", ".join(map(_identifier, order_by))
            for folder in sorted(parted.iterdir()):
                there = ", ".join(_quoted(_no_glob(str(file))) for file in folder.iterdir())
                rows = f"SELECT * FROM read_parquet([{there}], hive_partitioning=false) ORDER BY {order}"
                target = f"{directory}/{folder.name}"
                self._guarded("", partial(places.make, target))
                self._copied("", f"COPY ({rows}) TO {_quoted(f'{target}/part-0.parquet')} ({_PARQUET})")
                shutil.rmtree(folder)
        finally:
            shutil.rmtree(parted, ignore_errors=True)

    def _copied(self, query: str, copy: str, *, again: Callable[[], object] = bool) -> None:
        """Run `copy`, which writes what `query` gives."""
        once = any(f'"{name}"' in query for name in self._readers)
        self._guarded(query, lambda: self._saving(partial(self._connection.execute, copy), once=once, again=again))

    def _saving(self, run: Callable[[], T], *, once: bool, again: Callable[[], object] = bool) -> T:
        """What `run` gives; where it runs out of memory, once more with one thread, which needs much less.

        A sort or join of about the size of the limit can fail with two threads where a larger one spills. What can be
        read `once` only is not read again, and while another query is at work its threads are left alone.

        Args:
            again: called before the second attempt.
        """
        self._trim()
        self._running += 1
        try:
            return run()
        except (duckdb.Error, pa.ArrowException, OSError) as failure:
            if self._threads == 1 or once or self._running > 1 or not _is_short_of_memory(failure):
                raise
            again()
            self._connection.execute("SET threads = 1")
            try:
                return run()
            finally:
                self._connection.execute(f"SET threads = {self._threads}")
        finally:
            self._running -= 1

    def _trim(self) -> None:
        """Return what earlier queries freed to the system: DuckDB keeps some 200 MB of it for a second or more."""
        now = time.monotonic()
        if self._running == 0 and now - self._trimmed >= _BETWEEN:
            # setting the limit is what has it look
            self._connection.execute(f"SET memory_limit = '{self._limit}'")
            self._trimmed = now

    def stream(self, relation: ibis.Table, *, small: bool = False) -> Iterator[pa.RecordBatch]:
        return self._batches(relation, BATCH_ROWS)

    def _batches(self, relation: ibis.Table, rows: int) -> Iterator[pa.RecordBatch]:
        return self._queried(compiled.sql(self._ibis, relation), relation.schema().to_pyarrow(), rows)

    def _queried(self, query: str, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """Batches of a query."""
        cursor = self._connection.cursor()
        try:
            # what is registered belongs to one connection, and a cursor is another
            taken = [name for name in self._readers if f'"{name}"' in query]
            for name in taken:
                cursor.register(name, self._readers.pop(name))

            def begun() -> tuple[Any, pa.RecordBatch | None]:
                reader = cursor.sql(query).to_arrow_reader(rows)
                return reader, next(reader, None)

            reader, batch = self._guarded(query, lambda: self._saving(begun, once=bool(taken)))
            self._running += 1
            try:
                while batch is not None:
                    yield batch.cast(schema)
                    batch = self._guarded(query, partial(next, reader, None))
            finally:
                self._running -= 1
        finally:
            cursor.close()

    def close(self) -> None:
        self._pool.close()
        self._ibis.disconnect()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _apart(self, relation: ibis.Table) -> Iterator[pa.RecordBatch]:
        """Batches of a relation for the workers; one that joins or groups is computed now.

        What it holds meanwhile would be short of memory beside the query that takes what the workers make of it.
        """
        if not relation.op().find(_HEAVY):
            return self._batches(relation, SLICE_ROWS)
        file = self._scratch / f"{self._name()}.parquet"
        query = compiled.sql(self._ibis, relation)
        self._copied(query, f"COPY ({query}) TO {_quoted(str(file))} ({_PARQUET}, ROW_GROUP_SIZE {SLICE_ROWS})")
        return self._emptied(file, relation.schema().to_pyarrow())

    def _emptied(self, file: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Batches of a file of ours, which is removed after them."""
        try:
            yield from self._queried(f"SELECT * FROM read_parquet({_quoted(str(file))})", schema, SLICE_ROWS)
        finally:
            file.unlink(missing_ok=True)

    def _reach(self, path: str) -> None:
        """Let the connection read and write where `path` lies."""
        scheme = places.scheme_of(path)
        if scheme and scheme not in self._schemes:
            self._connection.register_filesystem(places.filesystem(scheme))
            self._schemes.add(scheme)

    def _name(self) -> str:
        self._names += 1
        return f"relation_{self._names}"

    def _table(self, name: str, schema: pa.Schema) -> ibis.Table:
        """The relation of that name; its schema is known, and asking DuckDB for it costs as much as a small query."""
        table: ibis.Table = ops.DatabaseTable(name, ibis.schema(schema), self._ibis).to_expr()
        return table

    def _registered(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> ibis.Table:
        name = self._name()
        reader = pa.RecordBatchReader.from_batches(schema, self._remembering(name, batches))
        self._connection.register(name, reader)
        self._readers[name] = reader
        return self._table(name, schema)

    def _remembering(self, name: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches of a relation; a failure is kept as it was, for DuckDB passes on only its text."""
        try:
            yield from batches
        except (Exception, KeyboardInterrupt) as failure:
            self._failures[name] = failure
            raise

    def _guarded(self, query: str, action: Callable[[], Any]) -> Any:
        """The result of `action`, which runs `query`, its failures in our form.

        What a relation of the query raised is raised again; the engine's own text may hold data and ends here.
        """
        try:
            return action()
        except (duckdb.Error, pa.ArrowException, OSError) as failure:
            raised = [self._failures.pop(name) for name in list(self._failures) if f'"{name}"' in query]
            raise raised[0] if raised else _translated(failure) from None


def _emptied(directory: str) -> None:
    """Take away what a failed attempt left."""
    places.clear(directory)
    places.make(directory)


def _limit(memory: int, threads: int) -> int:
    """Bytes DuckDB may use of a run's memory."""
    others = OWN_BYTES + (WORKER_BYTES * threads if threads > 1 else 0)
    return max(LEAST_BYTES, min(int(memory * ENGINE_SHARE), memory - others))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _no_glob(path: str) -> str:
    """`path` so that no sign in it is taken for a pattern; names in object stores hold none."""
    return path if places.scheme_of(path) else re.sub(r"[*?\[]", r"[\g<0>]", path)


def _is_short_of_memory(failure: Exception) -> bool:
    return isinstance(failure, duckdb.OutOfMemoryException) or "Out of Memory Error" in str(failure)


def _translated(failure: Exception) -> PotableError:
    """The engine's failures in our form, by their kind."""
    text = str(failure)
    if _is_short_of_memory(failure):
        return EnvironmentFailure(
            "the engine ran out of memory",
            "E007",
            hint="raise `memory` in potable.yaml, or lower `threads`",
            retryable=True,
        )
    if of_store(failure):
        return places.unreached(failure)
    said, file = machine_says(failure), _FILE.search(text)
    if file and not said:
        return Damaged(file[1])
    if isinstance(failure, duckdb.IOException) or text.startswith("IO Error") or getattr(failure, "errno", None):
        named = file[1] if file else places.folder_in(text)
        return EnvironmentFailure(
            f"the engine could not read or write {f'`{named}`' if named else 'its files'}{said and f': {said}'}",
            "E004",
            hint="" if said else "is the disk full, or was a file of the lake removed?",
            retryable=True,
        )
    if isinstance(failure, duckdb.OutOfRangeException) or text.startswith("Out of Range Error"):
        return Outgrown()
    # errors that come through a stream of batches are told apart by how their text begins
    kind = text.partition(":")[0] if isinstance(failure, OSError) else type(failure).__name__
    return PotableError(f"the engine refused a query ({kind if kind in _KINDS else type(failure).__name__})")
