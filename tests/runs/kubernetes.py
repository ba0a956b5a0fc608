"""Spark on a real Kubernetes: the settings of a project, and the processes of its executors' containers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from tests.conftest import QUICK, require_spark
from tests.kubernetes.cluster import GATEWAY, Kubernetes, kubernetes
from tests.kubernetes.images import MACHINE
from tests.runs.cluster import python_without_potable


@dataclass(frozen=True)
class OnKubernetes:
    """A Kubernetes that can take executors."""

    cluster: Kubernetes
    shared: Path
    """What drivers and executors reach by the same path: the one a folder, the others a claim."""
    python: Path
    """Interpreter of the executors: everything the project needs, but not Potable itself."""

    @property
    def variables(self) -> dict[str, str]:
        """What Spark finds it by, and how it signs in."""
        return {"KUBECONFIG": str(self.cluster.config)}

    def settings(self) -> str:
        """The `spark:` section of potable.yaml."""
        kubernetes = "spark.kubernetes"
        conf = {
            **QUICK,
            "spark.executor.extraJavaOptions": QUICK["spark.driver.extraJavaOptions"],
            "spark.executor.instances": 2,
            "spark.executor.memory": "512m",
            "spark.sql.shuffle.partitions": 2,
            "spark.ui.enabled": False,
            "spark.driver.host": GATEWAY,
            "spark.driver.bindAddress": GATEWAY,
            "spark.pyspark.python": str(self.python),
            f"{kubernetes}.namespace": "work",
            f"{kubernetes}.container.image": MACHINE,
            f"{kubernetes}.executor.request.cores": "0.5",
            f"{kubernetes}.executor.volumes.persistentVolumeClaim.lake.mount.path": str(self.shared),
            f"{kubernetes}.executor.volumes.persistentVolumeClaim.lake.options.claimName": "potable",
        }
        return json.dumps({"master": f"k8s://{self.cluster.url}", "conf": conf})

    def executors(self) -> list[psutil.Process]:
        """Java processes of the executors, by the names of their pods."""
        names = {pod["metadata"]["name"] for pod in self.cluster.pods()}
        found = psutil.process_iter(["cmdline", "name"])
        return [each for each in found if each.info["name"] == "java" and names & set(each.info["cmdline"] or ())]

    def started(self) -> set[str]:
        """Names of all pods whose container has ever been started."""
        events = self.cluster.call("/api/v1/namespaces/work/events")["items"]
        return {event["involvedObject"]["name"] for event in events if event["reason"] == "Started"}


@contextmanager
def spark_on_kubernetes(shared: Path, folder: Path) -> Iterator[OnKubernetes]:
    """A Kubernetes of one node with an image in which executors start; skips where it cannot be."""
    require_spark()
    import pyspark

    python = python_without_potable(folder / "executors")
    with kubernetes(folder, {"SPARK_HOME": str(Path(pyspark.__file__).parent)}) as cluster:
        cluster.claimed(shared)
        yield OnKubernetes(cluster, shared, python)
