"""The same project on Spark: the same bytes, on one machine and on a cluster that loses a worker."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest
from tests.conftest import QUICK, require_s3a, require_spark
from tests.engines.test_spark import told
from tests.runs.cluster import Cluster, cluster
from tests.runs.conftest import Bench, left_to_do, make_bench
from tests.runs.kubernetes import OnKubernetes, spark_on_kubernetes
from tests.runs.test_object_store import copied, moved
from tests.runs.test_runs import killed, same_files
from tests.runs.yarn import yarn

from potable.deployment import SparkSettings
from potable.runs.record import RunRecord
from potable.store.log import Log
from potable.store.objects import Store

Finished = tuple[Bench, RunRecord]
pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.xdist_group("spark-runs")]


@pytest.fixture(autouse=True)
def spark() -> None:
    require_spark()


def on_spark(finished: Finished, root: Path, **settings: object) -> Bench:
    """The finished project on Spark, with a copy of its vault in which nobody has been resolved by this code."""
    bench = finished[0]
    shutil.copytree(bench.root / "vault", root.parent / "vault")
    made = make_bench(bench.company, root, vault=root.parent / "vault", engine="spark", **settings)
    unresolved(made, root.parent / "vault")
    return made


def unresolved(bench: Bench, vault: Path) -> None:
    """People keep their subjects, but whatever the vault holds of them is to be recreated."""
    log = Log(bench.project().lake().vault, "ledger")
    number, entry = log.last()
    assert entry
    log.append({**entry, "fingerprint": "by another version of the code"}, parent=number)
    for manifest in vault.rglob("manifest.json"):
        manifest.unlink()


def states(record: RunRecord) -> set[str]:
    return {step.state for step in record.steps}


@pytest.fixture(scope="module")
def here(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The same dataset, made by Spark on this machine."""
    require_spark()
    root = tmp_path_factory.mktemp("spark") / "project"
    other = on_spark(finished, root, threads=2, spark=json.dumps({"conf": QUICK}))
    record = other.run()
    assert record.outcome == "published", record.error
    return other, record


@pytest.mark.long
def test_spark_gives_the_same_bytes_as_duckdb(finished: Finished, here: Finished) -> None:
    other, record = here
    assert (record.engine, states(record)) == ("spark", {"done"})
    same_files(finished[0], other)
    before = finished[1]
    assert record.tables == before.tables
    assert record.privacy == before.privacy
    assert record.spine == before.spine
    assert {**record.identity, "new": 0} == {**before.identity, "new": 0}
    assert leftovers(other) == []
    assert states(other.run()) == {"skipped"}


@pytest.mark.long
def test_spark_on_a_store_gives_the_same_bytes(finished: Finished, tmp_path: Path, any_store: str) -> None:
    """In processes of their own, because another test's Spark may run in this one."""
    url = f"{any_store}/spark"
    conf = {**QUICK, "spark.jars": require_s3a()} if url.startswith("s3:") else QUICK
    other = on_spark(finished, tmp_path / "project", spark=json.dumps({"conf": conf}))
    copied(tmp_path / "vault", f"{url}/vault")
    moved(other, url)
    environment = {**os.environ, **other.company.variables}
    for code in (0, 99):
        command = [sys.executable, "-m", "potable", "-C", str(other.root), "run", "--exit-code"]
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert done.returncode == code, done.stderr.decode()[-3000:]
    same_files(finished[0], other)
    lake = Store(url)
    first, _ = (RunRecord.from_bytes(lake.get(path)) for path in lake.list("open/runs") if path.endswith(".json"))
    before = RunRecord.from_bytes(finished[1].to_bytes())
    assert (first.engine, states(first), first.tables) == ("spark", {"done"}, before.tables)
    assert [path for path in lake.list("") if any(sign in path for sign in SIGNS)] == []
    assert [path for path in (other.root / "lake").rglob("*") if path.is_file()] == []


SIGNS = ("_temporary", "_SUCCESS", ".crc")
"""Marks of Spark's own files, which no manifest names."""


def leftovers(bench: Bench) -> list[str]:
    """Files of Spark's own in a project's folders."""
    folders = ["lake", "vault", ".potable/scratch", "../vault"]
    roots = [bench.root / folder for folder in folders]
    return [str(path) for root in roots for path in root.rglob("*") if any(sign in path.name for sign in SIGNS)]


@pytest.mark.long
def test_a_killed_build_ends_with_the_same_bytes(finished: Finished, here: Finished, tmp_path: Path) -> None:
    """On a lake that has come as far as `protect`."""
    other = Bench(tmp_path / "project", finished[0].company)
    shutil.copytree(here[0].root, other.root)
    for zone in ("features", "datasets"):
        shutil.rmtree(other.root / "lake" / "open" / zone)
    killed(other, "build", 3.0)
    until_gone(str(other.root))
    record = other.run()
    assert record.outcome == "published", record.error
    assert {step.verb for step in record.steps if step.state == "done"} == {"build", "publish"}
    same_files(finished[0], other)


def until_gone(root: str, seconds: float = 30.0) -> None:
    """Spark ends with the process that started it, also when that is killed."""
    end = time.monotonic() + seconds
    while any(root in " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])):
        assert time.monotonic() < end, "Spark outlives its driver"
        time.sleep(0.2)


def test_a_cluster_that_loses_a_worker_gives_the_same_bytes(finished_small: Bench, tmp_path: Path) -> None:
    """Two worker processes, whose executors get Potable from the driver; one is killed in mid-run.

    Who is who stands, which takes Spark half of the time of such a small run; with the long ones that is made too.
    """
    a_worker_is_lost(finished_small, tmp_path, "desk.tickets", people=False)


@pytest.mark.long
def test_a_cluster_that_loses_a_worker_gives_a_company_the_same_bytes(finished: Finished, tmp_path: Path) -> None:
    """With tables of every form and texts in which names are looked for."""
    a_worker_is_lost(finished[0], tmp_path, *LARGEST)


def a_worker_is_lost(before: Bench, folder: Path, *tables: str, people: bool = True) -> None:
    """One of two workers, in mid-run; these tables and what is made of them have the bytes they had before.

    Args:
        people: whether what the vault holds is made again too.
    """
    other = half_made(before, folder, *tables, people=people)
    with cluster(folder / "cluster") as machines:

        def lose() -> None:
            assert all(machines.executors()), "both workers work"
            machines.kill(0)

        run_with_a_loss(other, tables[0], machines.settings(), {}, lose)
        executors_log_no_value(machines, folder)
    half_was_made(before, other, *tables, people=people)


def executors_log_no_value(machines: Cluster, folder: Path) -> None:
    """Of a query that fails."""
    section = SparkSettings(**json.loads(machines.settings())).options()
    work = f"""
from potable.engines.base import collect
import pyarrow as pa
engine = opened(master={section["master"]!r}, conf={section["conf"]!r})
given = pa.table({{"s": ["s3cr3t"]}})
parts = engine.write(engine.map_items([given], pa.Table.to_batches, given.schema), f"{{sys.argv[1]}}/made")
read = engine.read([f"{{sys.argv[1]}}/made/{{part.path}}" for part in parts], given.schema)
try:
    collect(engine, read.mutate(n=read.s.cast("int64")))
finally:
    engine.close()
"""
    before = set(machines.logs())
    assert "(CAST_INVALID_INPUT)" in told(work, folder / "scratch")
    assert set(machines.logs()) - before
    assert not [log for log in machines.logs() if "s3cr3t" in log.read_text()]


@pytest.mark.long
def test_yarn_that_loses_a_container_gives_the_same_bytes(finished: Finished, tmp_path: Path) -> None:
    """Two node managers, in whose containers executors get Potable from the driver; one is killed in mid-run."""
    other = half_made(finished[0], tmp_path, *LARGEST)
    with yarn(tmp_path / "cluster") as machines:

        def lose() -> None:
            executors = machines.executors()
            assert len(executors) == 2
            executors[0].kill()

        run_with_a_loss(other, LARGEST[0], machines.settings(), machines.variables, lose)
    half_was_made(finished[0], other, *LARGEST)


@pytest.mark.long
def test_kubernetes_that_loses_a_container_gives_the_same_bytes(finished: Finished, tmp_path: Path) -> None:
    """A real one with a node of its own; the container of one of two executors is killed, and Spark asks for another."""
    other = half_made(finished[0], tmp_path, *LARGEST)
    with spark_on_kubernetes(tmp_path, tmp_path / "cluster") as machines:

        def lose() -> None:
            executors = machines.executors()
            assert len(executors) == 2
            executors[0].kill()

        run_with_a_loss(other, LARGEST[0], machines.settings(), machines.variables, lose)
        assert len(machines.started()) == 3
        until_removed(machines)
    half_was_made(finished[0], other, *LARGEST)


def until_removed(machines: OnKubernetes, seconds: float = 60.0) -> None:
    """Spark takes its pods away at its end."""
    end = time.monotonic() + seconds
    while machines.cluster.pods():
        assert time.monotonic() < end, "pods outlive their driver"
        time.sleep(0.5)


LARGEST = ("payroll.payslips", "reviews.ratings")
"""The company's tables with the most records and texts."""


def half_made(before: Bench, folder: Path, *tables: str, people: bool = True) -> Bench:
    """A lake that lacks these tables, what the vault holds (`people`), and all that is made of them."""
    other = left_to_do(before, folder / "project", "build", "publish")
    if people:
        unresolved(other, other.root / "vault")
    for table in tables:
        for zone in ("restricted/validated", "restricted/quarantine", "open/protected"):
            shutil.rmtree(other.root / "lake" / zone / table, ignore_errors=True)
    (folder / "cluster").mkdir()
    return other


def run_with_a_loss(
    bench: Bench, first: str, spark: str, variables: Mapping[str, str], lose: Callable[[], None]
) -> None:
    """A run on Spark as `spark` says; something is lost when the first table is validated."""
    bench.edit("potable.yaml", "memory: 1GB", f"memory: 1GB\nengine: spark\nspark: {spark}")
    environment = {**os.environ, **bench.company.variables, **variables}
    command = [sys.executable, "-m", "potable", "-C", str(bench.root), "run"]
    run = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        until_made(bench, f"validated/{first}", run)
        lose()
        _, told = run.communicate(timeout=900)
    finally:
        run.kill()
    assert run.returncode == 0, told.decode()[-3000:]


def half_was_made(before: Bench, other: Bench, *tables: str, people: bool = True) -> None:
    """Exactly what was lacking was made, and the dataset has the same bytes."""
    record = latest(other)
    dataset = other.project().features.dataset
    assert {step.step for step in record.steps if step.state == "done" and step.verb != "ingest"} == {
        *(f"{verb} {table}" for verb in ("validate", "protect") for table in tables),
        *(("resolve subjects", "protect identifiers", "protect pseudonyms") if people else ()),
        f"build {dataset}",
        f"publish {dataset}",
    }
    assert record.engine == "spark"
    assert leftovers(other) == []
    same_files(before, other)


def latest(bench: Bench) -> RunRecord:
    """The record of the newest run."""
    path = max((bench.root / "lake/open/runs").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    return RunRecord.from_bytes(path.read_bytes())


def until_made(bench: Bench, folder: str, run: subprocess.Popen[bytes], seconds: float = 300.0) -> None:
    """Wait until a step of the run is committed."""
    end = time.monotonic() + seconds
    while not list((bench.root / "lake" / "restricted" / folder).glob("*/manifest.json")):
        assert run.poll() is None, run.communicate()[1].decode()[-3000:]
        assert time.monotonic() < end, "the run is stuck"
        time.sleep(0.2)
