"""Spark: the same verbs on one machine or on a cluster (local, standalone, YARN, Kubernetes, Connect).

Relations are Ibis over a session of their own; batch functions run in `mapInArrow`; nothing that grows with
the data is collected to the driver, which reads it, as the one final file, back from what the executors wrote.
How Spark is started belongs to `spark_session`, what runs on executors to `spark_tasks`.
"""

from __future__ import annotations

import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import ibis
import ibis.backends.pyspark
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot as sg
from ibis.backends.pyspark.datatypes import PySparkType
from ibis.backends.sql.compilers.base import NULL
from ibis.backends.sql.compilers.pyspark import PySparkCompiler
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

from potable.engines import (
    compiled,
    patterns,
    places,
    spark_files,
    spark_objects,
    spark_session,
    spark_stores,
    spark_tasks,
)
from potable.engines.base import BatchFunction, ItemFunction, Part
from potable.engines.java import require_java
from potable.engines.spark_executors import unfit
from potable.engines.spark_refusals import require_master
from potable.engines.spark_session import Settings
from potable.engines.spark_tasks import FOUND, ITEMS, WRITTEN, EachBatch, EachItem, carried
from potable.errors import EnvironmentFailure, Outgrown, PotableError, machine_says

R = TypeVar("R")
BATCH_ROWS = 16_384
TASKS_PER_CORE = 4
"""Tasks that items are dealt to, per core: enough that one large item holds nobody up."""
_WRITING = {"compression": "zstd", "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false"}
# no sign in a path is a pattern, and no folder name a column
_READING = {"__globPaths__": "false", "recursiveFileLookup": "true"}


class _Compiler(PySparkCompiler):  # type: ignore[misc]
    """Ibis' own, where a query would fail on Spark or mean something else than on other engines."""

    __slots__ = ()
    UNSUPPORTED_OPS = ()

    def visit_RandomUUID(self, op: ops.RandomUUID) -> Any:
        return self.f.uuid()

    def visit_CountStar(self, op: ops.CountStar, *, arg: Any, where: Any) -> Any:
        # a sum over no rows is null, a count is 0
        counted = super().visit_CountStar(op, arg=arg, where=None)
        return counted if where is None else self.f.count(self.if_(where, 1, NULL))

    def visit_Median(self, op: ops.Median, *, arg: Any, where: Any) -> Any:
        # the share must be a constant, so the condition goes to the value alone
        return self.f.percentile(arg if where is None else self.if_(where, arg, NULL), 0.5)

    def visit_IsInf(self, op: ops.IsInf, *, arg: Any) -> Any:
        # ibis 12 compares two Python objects here, which is always false
        return self.f.abs(arg).eq(self.cast("Infinity", dt.float64))

    def visit_RegexSearch(self, op: ops.RegexSearch, *, arg: Any, pattern: Any) -> Any:
        # RE2, as on other engines; what Java may read otherwise is looked for in Python
        told = patterns.java(op.pattern.value) if isinstance(op.pattern, ops.Literal) else None
        return self.f.anon[FOUND](arg, pattern) if told is None else self.f.regexp_like(arg, told)

    def visit_Cast(self, op: ops.Cast, *, arg: Any, to: dt.DataType) -> Any:
        # Java writes 1.0E7 for 10000000.0
        number = op.arg.dtype.is_floating() and to.is_string()
        return self.f.anon[WRITTEN](arg) if number else super().visit_Cast(op, arg=arg, to=to)

    def visit_IsNull(self, op: ops.IsNull, *, arg: Any) -> Any:
        # nan is a value, as on other engines
        return arg.is_(NULL)

    def visit_NotNull(self, op: ops.NotNull, *, arg: Any) -> Any:
        return sg.not_(arg.is_(NULL))


class SparkEngine:
    """The engine seam on Spark."""

    name = "spark"

    @staticmethod
    def require(*, master: str = "", **_: object) -> None:
        """What of this machine it needs, so that `doctor` can ask before anything starts.

        Raises:
            EnvironmentFailure: E007, there is no Java for it, or no master where a cluster's should be.
        """
        if not master.startswith(spark_session.REMOTE):
            require_java()
        require_master(master)

    def __init__(
        self,
        *,
        memory: int,
        threads: int,
        scratch: Path,
        master: str = "",
        conf: Mapping[str, str] | None = None,
        stores: Sequence[str] = (),
    ) -> None:
        """Open an engine.

        Args:
            memory: bytes the whole run may use, where Spark is local.
            threads: cores and Python workers, where Spark is local.
            scratch: folder for results on their way; every executor must reach it by the same path.
            master: Spark's master URL, or that of a Spark Connect server; by default all of it runs on this machine.
            conf: Spark's own settings.
            stores: URLs of the object stores it will read and write.
        """
        self.memory = memory
        remote = master if master.startswith(spark_session.REMOTE) else ""
        driven = "" if remote else master or f"local[{threads}]"
        settings = Settings(driven, remote, conf or {}, memory, threads, tuple(stores))
        try:
            scratch.mkdir(parents=True, exist_ok=True)
            self._scratch = Path(tempfile.mkdtemp(dir=scratch, prefix="spark-"))
        except OSError as failure:
            raise EnvironmentFailure(
                f"the engine cannot start ({machine_says(failure) or type(failure).__name__})",
                "E007",
                given=str(scratch),
                hint="is the scratch folder writable?",
                retryable=True,
            ) from failure
        try:
            require_master(driven)
            self._opened = spark_session.opened(settings, scratch)
        except BaseException:
            shutil.rmtree(self._scratch, ignore_errors=True)
            raise
        self._session = self._opened.session
        for name, function, kind in spark_tasks.FUNCTIONS:
            self._session.udf.register(name, function, kind)
        self._ibis = ibis.pyspark.connect(self._session)
        self._ibis.compiler = _Compiler()
        self._names = 0
        self._once: set[str] = set()

    def read(self, files: Sequence[str], schema: pa.Schema, *, over: ibis.Table | None = None) -> ibis.Table:
        kinds = from_arrow_schema(schema, prefer_timestamp_ntz=True)
        if not files:
            return self._guarded(lambda: self._view(self._session.createDataFrame(schema.empty_table(), kinds), over))
        if spark_stores.in_python(files[0]):
            each = EachItem(spark_objects.Rows(schema), schema)
            items = [pickle.dumps(file) for file in files]
            return self._guarded(lambda: self._made(self._dealt(items), each, schema, over))
        paths = [spark_stores.url(file) for file in files]
        read = self._session.read.schema(kinds).options(**_READING)
        return self._guarded(lambda: self._view(read.parquet(*paths), over))

    @property
    def cores(self) -> int:
        return self._guarded(self._cores)

    def map_items(
        self, items: Iterable[Any], function: ItemFunction, schema: pa.Schema, *, long: bool = False
    ) -> ibis.Table:
        pickled = [pickle.dumps(item) for item in items]
        return self._guarded(lambda: self._mapped(self._dealt(pickled), EachItem(function, schema), schema))

    def map_batches(self, relation: ibis.Table, function: BatchFunction, schema: pa.Schema) -> ibis.Table:
        given = relation.schema().to_pyarrow()
        with self._frame(relation) as frame:
            spread = _plain(frame, given).repartition(self._cores())
            return self._guarded(lambda: self._mapped(spread, EachBatch(function, given, schema), schema))

    def write(
        self, relation: ibis.Table, directory: str, *, partition_by: str | None = None, order_by: Sequence[str] = ()
    ) -> list[Part]:
        ordered = relation.order_by(list(order_by)) if order_by and not partition_by else relation
        with self._frame(ordered) as frame:
            if partition_by:
                frame = frame.repartition(_quoted(partition_by))
                frame = frame.sortWithinPartitions(_quoted(partition_by), *map(_quoted, order_by))
            if spark_stores.in_python(directory):
                return self._put(frame, relation.schema().to_pyarrow(), directory, partition_by)
            local = {} if places.scheme_of(directory) else spark_files.writing(ours=not self._opened.remote)
            writer = frame.write.mode("overwrite").options(**_WRITING, **local)
            if partition_by:
                writer = writer.partitionBy(partition_by)
            self._guarded(lambda: writer.parquet(spark_stores.url(directory)))
        return self._guarded(lambda: places.parts(directory))

    def _put(self, frame: Any, given: pa.Schema, directory: str, partition_by: str | None) -> list[Part]:
        """Write `frame` to a store that Python reaches."""
        each = spark_objects.Parts(directory.rstrip("/"), given, partition_by)
        written = _plain(frame, given).mapInArrow(each, from_arrow_schema(spark_objects.PARTS))
        rows = self._guarded(lambda: self._collected(written)).to_pylist()
        return sorted((Part(**row) for row in rows), key=lambda part: part.path)

    def stream(self, relation: ibis.Table, *, small: bool = False) -> Iterator[pa.RecordBatch]:
        schema = relation.schema().to_pyarrow()
        if small:
            with self._frame(relation) as frame:
                yield from self._guarded(lambda: self._collected(frame).cast(schema)).to_batches(BATCH_ROWS)
            return
        folder = self._scratch / self._name()
        try:
            parts = self.write(relation, str(folder))
            for part in parts:
                with pq.ParquetFile(folder / part.path) as file:
                    for batch in file.iter_batches(BATCH_ROWS):
                        yield batch.cast(schema)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        try:
            self._opened.close()
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _name(self) -> str:
        self._names += 1
        return f"relation_{self._names}"

    def _view(self, frame: Any, over: ibis.Table | None = None) -> ibis.Table:
        name = over.get_name() if over is not None else self._name()
        frame.createOrReplaceTempView(name)
        if over is not None:
            return over
        # as `Backend.table` does it, which asks Spark four times more for what is known here
        schema = ibis.schema(PySparkType.to_ibis(frame.schema))
        return ops.DatabaseTable(name, schema=schema, source=self._ibis, namespace=ops.Namespace()).to_expr()

    def _made(
        self, frame: Any, function: EachItem | EachBatch, schema: pa.Schema, over: ibis.Table | None = None
    ) -> ibis.Table:
        return self._view(frame.mapInArrow(function, from_arrow_schema(schema, prefer_timestamp_ntz=True)), over)

    def _mapped(self, frame: Any, function: EachItem | EachBatch, schema: pa.Schema) -> ibis.Table:
        relation = self._made(frame, function, schema)
        self._once.add(relation.get_name())
        return relation

    def _dealt(self, items: Sequence[bytes]) -> Any:
        """Pickled items as a frame, dealt to tasks like cards, so that neighbours of one size part."""
        cores = self._cores()
        tasks = max(1, min(len(items), cores * TASKS_PER_CORE))
        dealt = [item for start in range(tasks) for item in items[start::tasks]]
        table = pa.table([pa.array(range(len(dealt)), pa.int64()), pa.array(dealt, pa.binary())], schema=ITEMS)
        frame = self._session.createDataFrame(table)
        return frame.repartitionByRange(tasks, "slot") if tasks > cores else frame

    def _collected(self, frame: Any) -> pa.Table:
        return frame.toArrow() if self._opened.remote else _collected(frame)

    def _cores(self) -> int:
        """Tasks that run at a time."""
        return _partitions(self._session) if self._opened.remote else int(self._session.sparkContext.defaultParallelism)

    @contextmanager
    def _frame(self, relation: ibis.Table) -> Iterator[Any]:
        """The query of `relation`, its columns of the types Ibis knows; what it consumes is gone afterwards."""
        query = compiled.sql(self._ibis, relation)
        wanted = from_arrow_schema(relation.schema().to_pyarrow(), prefer_timestamp_ntz=True)

        def typed() -> Any:
            frame = self._session.sql(query)
            pairs = [(has.dataType, field) for has, field in zip(frame.schema, wanted, strict=True)]
            if all(has == field.dataType for has, field in pairs):
                return frame
            return frame.selectExpr(*(_cast(has, field.dataType, field.name) for has, field in pairs))

        with _told():
            yield typed()
            for name in [name for name in self._once if f"`{name}`" in query]:
                self._once.discard(name)
                self._session.catalog.dropTempView(name)

    def _guarded(self, action: Callable[[], R]) -> R:
        """The result of `action`, its failures in our form."""
        with _told():
            return action()


@contextmanager
def _told() -> Iterator[None]:
    """Failures of Spark in our form.

    What a function of ours raised on an executor is raised again; Spark's own text may hold data and ends here.
    """
    try:
        yield
    except (PySparkException, Py4JError, pa.ArrowException, OSError) as failure:
        raise carried(str(failure)) or spark_session.lonely() or _translated(failure) from None


@cache
def _partitions(session: Any) -> int:
    """A server does not tell how many tasks it runs, but into how many it cuts a plain range."""
    from pyspark.sql.functions import spark_partition_id

    return int(session.range(10_000).select(spark_partition_id().alias("n")).distinct().count())


def _collected(frame: Any) -> pa.Table:
    """The rows of `frame`; its own `toArrow` leaves a socket open when a query fails."""
    schema = to_arrow_schema(frame.schema)
    messages = frame._jdf.toArrowBatchRdd().collect()
    return pa.Table.from_batches([pa.ipc.read_record_batch(pa.py_buffer(one), schema) for one in messages], schema)


def _plain(frame: Any, schema: pa.Schema) -> Any:
    """`frame` under other names, for signs in a column's name mean something to Spark."""
    return frame.toDF(*(f"c{index}" for index in range(len(schema))))


def _cast(given: Any, wanted: Any, name: str) -> str:
    quoted = _quoted(name)
    return quoted if given == wanted else f"CAST({quoted} AS {wanted.simpleString()}) AS {quoted}"


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


_OUT_OF_MEMORY = ("OutOfMemoryError", "exit code 137", "exited with code 137", "Container killed")
_LOST = (
    "Python worker exited unexpectedly",
    "ExecutorLostFailure",
    "SparkContext was shut down",
    "stopped SparkContext",
    "has been stopped",
)
_FILES = (
    "PATH_NOT_FOUND",
    "FAILED_READ_FILE",
    "FileNotFoundException",
    "No space left",
    "Permission denied",
    "File too large",
    "IOException",
    "Mkdirs failed",
    "org.apache.hadoop.fs.s3a",
)

_OUTGROWN = ("[ARITHMETIC_OVERFLOW]", "[NUMERIC_VALUE_OUT_OF_RANGE")


def _translated(failure: Exception) -> PotableError:
    """Spark's failures in our form, by their kind."""
    text = str(failure)
    if lacking := spark_stores.missing(text) or unfit(text):
        return lacking
    if any(sign in text for sign in _OUT_OF_MEMORY):
        return EnvironmentFailure(
            "the engine ran out of memory",
            "E007",
            hint="raise `memory` in potable.yaml or `spark.executor.memory` in its `spark.conf`",
            retryable=True,
        )
    answered = isinstance(failure, PySparkException | Py4JJavaError)
    if any(sign in text for sign in _LOST) or (not answered and spark_session.killed()):
        return EnvironmentFailure(
            "Spark, or one of its workers, died",
            "E007",
            hint="the machine may be out of memory; see the logs of the executors",
            retryable=True,
        )
    if isinstance(failure, OSError) or any(sign in text for sign in _FILES):
        said, folder = machine_says(failure), places.folder_in(text)
        return EnvironmentFailure(
            f"the engine could not read or write {f'`{folder}`' if folder else 'its files'}{said and f': {said}'}",
            "E004",
            hint="is the disk full, was a file of the lake removed, or can an executor not reach it?",
            retryable=True,
        )
    if any(sign in text for sign in _OUTGROWN):
        return Outgrown()
    kind = failure.getCondition() if isinstance(failure, PySparkException) else None
    return PotableError(f"the engine refused a query ({kind or type(failure).__name__})")
