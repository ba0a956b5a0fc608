"""Spark's classes as Java has them in memory, in a file: with it a Java of the tests starts with 4 seconds less work.

`python -m tests.engines.classes FILE` makes it, by a Spark that does something of everything and then ends by itself.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyspark
from ibis import _
from tests.conftest import QUICK
from tests.engines.functions import SQUARES, squared

from potable.engines.base import Engine, collect
from potable.engines.spark import SparkEngine

JAVA = "spark.driver.extraJavaOptions"
ROWS = pa.table({"p": [0, 1, 1], "n": [3, 5, 7], "x": [0.5, None, 1.5]})


def main() -> None:
    target = Path(sys.argv[1]).absolute()
    # with half of them Java would crash
    written = target.with_suffix(".part")
    written.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        conf = {**QUICK, JAVA: f"{QUICK[JAVA]} -XX:ArchiveClassesAtExit={written}"}
        engine = SparkEngine(memory=1 << 30, threads=1, scratch=Path(folder), conf=conf)
        work(engine, folder)
        # not by closing the engine, which leaves Java less time than writing takes
        gateway = pyspark.SparkContext._gateway
        engine._session.stop()
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait()
    if not written.exists() or gateway.proc.returncode:
        sys.exit("Java wrote no classes")
    written.replace(target)


def work(engine: Engine, folder: str) -> None:
    """Read, compute and write, as verbs do it."""
    made = engine.map_items([ROWS], pa.Table.to_batches, ROWS.schema)
    parts = engine.write(made, f"{folder}/made", partition_by="p", order_by=["n"])
    read = engine.read([f"{folder}/made/{part.path}" for part in parts], ROWS.schema.remove(0))
    ranked = read.mutate(last=read.n.max().over(group_by=read.x, order_by=read.n), m=read.n.cast("decimal(18, 2)"))
    other = read.rename(k="n", y="x")
    joined = ranked.join(other, ranked.n == other.k, how="left").select("last", "m", "x", "y")
    summed = joined.group_by("last").aggregate(m=_.m.sum(), x=_.x.mean(), y=_.y.count()).order_by("last")
    engine.write(summed.distinct(), f"{folder}/summed", order_by=["last"])
    collect(engine, engine.map_batches(read[["n"]], squared, SQUARES))


if __name__ == "__main__":
    main()
