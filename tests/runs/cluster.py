"""A real Spark cluster on this machine: a master and worker processes, each of which starts executors."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sysconfig
import time
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from tests.conftest import QUICK


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    url: str
    folder: Path
    workers: list[subprocess.Popen[bytes]]
    python: Path
    """Interpreter of the executors: everything the project needs, but not Potable itself."""

    def settings(self) -> str:
        """The `spark:` section of potable.yaml."""
        java = QUICK["spark.driver.extraJavaOptions"]
        conf = {
            **QUICK,
            "spark.executor.extraJavaOptions": java,
            "spark.executor.memory": "512m",
            "spark.sql.shuffle.partitions": 2,
            "spark.ui.enabled": False,
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.pyspark.python": str(self.python),
        }
        return json.dumps({"master": self.url, "conf": conf})

    def executors(self) -> list[int]:
        """How many executors each worker has started."""
        return [len(list((self.folder / f"work-{n}").glob("app-*/*"))) for n in range(len(self.workers))]

    def logs(self) -> list[Path]:
        """What executors wrote to their stderr."""
        return list(self.folder.glob("work-*/app-*/*/stderr"))

    def kill(self, number: int) -> None:
        """kill -9 a worker and its executors, as when a machine goes."""
        worker = psutil.Process(self.workers[number].pid)
        for process in [worker, *worker.children(recursive=True)]:
            process.kill()


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """A cluster of `workers` with one core each."""
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    started: list[subprocess.Popen[bytes]] = []
    port = free_port()
    url = f"spark://127.0.0.1:{port}"
    try:
        place = ["--host", "127.0.0.1", "--webui-port", "0"]
        started.append(_launched(folder, "master.Master", [*place, "--port", str(port)]))
        _until_open(port)
        for number in range(workers):
            room = ["--cores", "1", "--memory", "1g", "--work-dir", str(folder / f"work-{number}")]
            started.append(_launched(folder, "worker.Worker", [*place, *room, url]))
        yield Cluster(url, folder, started[1:], python_without_potable(folder / "executors"))
    finally:
        for process in started:
            process.kill()
            process.wait(10)


@contextmanager
def connect_server(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """URL of a Spark Connect server whose Python does not have Potable; `settings` are more of its own."""
    pytest.importorskip("grpc", reason="pyspark's extra `connect` is not installed")
    port = free_port()
    conf = {"spark.connect.grpc.binding.port": port, "spark.ui.enabled": "false", "spark.local.dir": folder / "local"}
    conf |= {**QUICK, **(settings or {})}
    given = [part for key, value in conf.items() for part in ("--conf", f"{key}={value}")]
    arguments = ["--master", "local[2]", *given, "spark-internal"]
    name = "org.apache.spark.sql.connect.service.SparkConnectServer"
    variables = {"PYSPARK_PYTHON": str(python_without_potable(folder / "executors")), "SPARK_DAEMON_MEMORY": "700m"}
    server = _spawned(folder, ["spark-submit", "--class", name, *arguments], variables)
    try:
        _until_open(port)
        yield f"sc://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait(10)


def _launched(folder: Path, name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
    command = ["spark-class", f"org.apache.spark.deploy.{name}", *arguments]
    java = {"SPARK_DAEMON_MEMORY": "256m", "SPARK_DAEMON_JAVA_OPTS": QUICK["spark.driver.extraJavaOptions"]}
    return _spawned(folder, command, {"SPARK_LOCAL_DIRS": str(folder / "local"), **java})


def _spawned(folder: Path, command: list[str], variables: dict[str, str]) -> subprocess.Popen[bytes]:
    import pyspark

    home = Path(pyspark.__file__).parent
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"SPARK_HOME": str(home), **variables}
    with (folder / "spark.log").open("ab") as log:
        whole = [str(home / "bin" / command[0]), *command[1:]]
        return subprocess.Popen(whole, env=environment, stdout=log, stderr=log, cwd=folder)


def python_without_potable(folder: Path) -> Path:
    """An interpreter with this one's packages except Potable."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "potable" not in path.name and path.suffix != ".pth":
            (packages / path.name).symlink_to(path)
    python = folder / "bin" / "python"
    script = "import pyarrow, potable"
    found = subprocess.run([python, "-c", script], capture_output=True, text=True, cwd=folder, env={}, check=False)
    assert "No module named 'potable'" in found.stderr, found.stderr
    return python


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def _until_open(port: int, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError("the server does not listen")
