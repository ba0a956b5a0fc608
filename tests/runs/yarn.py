"""A real YARN on this machine: a resource manager and node managers, which start Spark's containers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import psutil
import pytest
from tests.conftest import QUICK, require_spark
from tests.runs.cluster import free_port, python_without_potable

_SERVER = "org.apache.hadoop.yarn.server"
_OPENED = [part for name in ("lang", "util") for part in ("--add-opens", f"java.base/java.{name}=ALL-UNNAMED")]


@dataclass(frozen=True)
class Yarn:
    """A running YARN."""

    folder: Path
    python: Path
    """Interpreter of the executors: everything the project needs, but not Potable itself."""

    @property
    def variables(self) -> dict[str, str]:
        """What Spark finds it by."""
        return {"HADOOP_CONF_DIR": str(self.folder / "conf")}

    def settings(self) -> str:
        """The `spark:` section of potable.yaml."""
        import pyspark

        conf = {
            **QUICK,
            "spark.executor.extraJavaOptions": QUICK["spark.driver.extraJavaOptions"],
            "spark.executor.instances": 2,
            "spark.executor.memory": "512m",
            "spark.yarn.am.memory": "512m",
            "spark.sql.shuffle.partitions": 2,
            "spark.ui.enabled": False,
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.pyspark.python": str(self.python),
            # the jars are where every container can read them
            "spark.yarn.jars": f"local:{Path(pyspark.__file__).parent}/jars/*",
            "spark.yarn.stagingDir": (self.folder / "staging").as_uri(),
        }
        return json.dumps({"master": "yarn", "conf": conf})

    def executors(self) -> list[psutil.Process]:
        """Java processes of the executors, by the folders in which their containers run."""
        sign = "YarnCoarseGrainedExecutorBackend"
        found = psutil.process_iter(["cmdline", "name"])
        lines = [(each, each.info["cmdline"] or []) for each in found if each.info["name"] == "java"]
        return [
            each for each, line in lines if any(sign in part for part in line) and str(self.folder) in " ".join(line)
        ]


@contextmanager
def yarn(folder: Path, nodes: int = 2) -> Iterator[Yarn]:
    """A resource manager and `nodes` node managers; skips where they have not been fetched."""
    require_spark()
    jars = Path(sys.prefix, "yarn")
    if not any(jars.glob("hadoop-yarn-server-nodemanager-*.jar")):
        pytest.skip("there is no YARN: `make .venv/.yarn` fetches it, by Maven")
    manager = {
        name: f"127.0.0.1:{free_port()}" for name in ("", ".scheduler", ".resource-tracker", ".admin", ".webapp")
    }
    site = {f"yarn.resourcemanager{name}.address": place for name, place in manager.items()}
    started = []
    try:
        started.append(_daemon(folder / "conf", jars, "resourcemanager.ResourceManager", site))
        for number in range(nodes):
            own = {**site, **_of_node(folder / f"node-{number}")}
            started.append(_daemon(folder / f"conf-{number}", jars, "nodemanager.NodeManager", own))
        _until_running(manager[".webapp"], nodes, started)
        yield Yarn(folder, python_without_potable(folder / "executors"))
    finally:
        for process in started:
            for each in [*psutil.Process(process.pid).children(recursive=True), process]:
                each.kill()
            process.wait(10)


def _of_node(folder: Path) -> dict[str, str]:
    services = ("", ".localizer", ".webapp", ".collector-service")
    return {
        **{f"yarn.nodemanager{name}.address": "127.0.0.1:0" for name in services},
        "yarn.nodemanager.local-dirs": str(folder / "local"),
        "yarn.nodemanager.log-dirs": str(folder / "logs"),
        "yarn.nodemanager.resource.memory-mb": "2560",
        "yarn.nodemanager.resource.cpu-vcores": "2",
        "yarn.nodemanager.vmem-check-enabled": "false",
        "yarn.nodemanager.pmem-check-enabled": "false",
        "yarn.nodemanager.disk-health-checker.enable": "false",
    }


def _daemon(conf: Path, jars: Path, name: str, site: Mapping[str, str]) -> subprocess.Popen[bytes]:
    conf.mkdir(parents=True)
    own = {"fs.defaultFS": "file:///", "hadoop.tmp.dir": str(conf / "tmp")}
    _write(conf / "core-site.xml", own)
    _write(conf / "yarn-site.xml", {"yarn.scheduler.minimum-allocation-mb": "256", **site})
    queue = "yarn.scheduler.capacity"
    _write(
        conf / "capacity-scheduler.xml",
        {
            f"{queue}.root.queues": "default",
            f"{queue}.root.default.capacity": "100",
            f"{queue}.maximum-am-resource-percent": "0.5",
        },
    )
    (conf / "log4j.properties").write_text(
        "log4j.rootLogger=INFO,out\n"
        "log4j.appender.out=org.apache.log4j.ConsoleAppender\n"
        "log4j.appender.out.layout=org.apache.log4j.SimpleLayout\n"
    )
    java = ["java", "-Xmx256m", *_OPENED, *QUICK["spark.driver.extraJavaOptions"].split()]
    command = [*java, "-cp", f"{conf}:{jars}/*", f"{_SERVER}.{name}"]
    with (conf / "log").open("wb") as log:
        return subprocess.Popen(command, env=dict(os.environ), stdout=log, stderr=log, cwd=conf)


def _write(path: Path, settings: Mapping[str, str]) -> None:
    lines = [
        f"<property><name>{escape(key)}</name><value>{escape(value)}</value></property>"
        for key, value in settings.items()
    ]
    path.write_text(f"<configuration>{''.join(lines)}</configuration>")


def _until_running(place: str, nodes: int, started: list[subprocess.Popen[bytes]], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert all(process.poll() is None for process in started), "a daemon ended"
        try:
            with urllib.request.urlopen(f"http://{place}/ws/v1/cluster/metrics", timeout=5) as answer:
                if json.load(answer)["clusterMetrics"]["activeNodes"] == nodes:
                    return
        except OSError:
            pass
        time.sleep(0.5)
    raise AssertionError("the nodes do not come up")
