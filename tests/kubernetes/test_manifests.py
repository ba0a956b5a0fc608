"""The manifests of docs/kubernetes as they are, on a real Kubernetes: Jobs that are evicted, at once, refused, on Spark."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.conftest import require_spark
from tests.kubernetes.cluster import MANIFESTS, Kubernetes, kubernetes

from potable.datasets.version import Version, current
from potable.store.layout import Lake

CHECKOUT = Path(__file__).parents[2]
JOBS = "/apis/batch/v1/namespaces/work/jobs"
T = TypeVar("T")
MADE_AGAIN = (
    "restricted/validated/desk.tickets",
    "restricted/quarantine/desk.tickets",
    "open/protected/desk.tickets",
    "open/features",
    "open/datasets",
)
pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the volume."""
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest project, which learns where its sources are from a secret, by its environment and by a file."""
    root = tmp_path_factory.mktemp("project") / "churn"
    shutil.copytree(CHECKOUT / "examples" / "churn", root)
    (root / "envs").mkdir()
    for name in ("cluster", "spark"):
        shutil.copy(MANIFESTS / f"{name}.yaml", root / "envs")
    edit(root / "sources" / "crm.yaml", "path: data", "path: ${file:/secrets/CRM}")
    edit(root / "sources" / "desk.yaml", "path: data", "path: ${env:DESK}")
    return root


@pytest.fixture(scope="module")
def cluster(project: Path, lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubernetes]:
    """A Kubernetes whose image holds the project, with the claim, the secret and the CronJob."""
    variables = {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin", "PYTHONPATH": str(CHECKOUT / "src")}
    with kubernetes(tmp_path_factory.mktemp("cluster"), variables, project) as made:
        made.claimed(lake)
        secret = {"metadata": {"name": "potable"}, "stringData": {"CRM": "/project/data\n", "DESK": "/project/data"}}
        made.call("/api/v1/namespaces/work/secrets", secret)
        made.apply(MANIFESTS / "cronjob.yaml")
        yield made


def test_of_two_jobs_at_once_one_is_evicted_and_one_version_is_published(cluster: Kubernetes, lake: Path) -> None:
    jobs = [started(cluster, name) for name in ("left", "right")]
    until(lambda: any((lake / "restricted" / "validated").glob("*/*/manifest.json")), "the first table")
    evict(cluster, "left")
    assert [ended(cluster, name)[0] for name in jobs] == ["Complete", "Complete"]
    assert version(lake).number == 1


def test_what_would_come_again_ends_a_job_at_once(cluster: Kubernetes, project: Path, lake: Path) -> None:
    """A broken contract is the data's fault, and a container without memory is not: that one is tried again."""
    file = project / "sources" / "crm.yaml"
    text = file.read_text(encoding="utf-8")
    edit(file, "    checks:\n", "    checks:\n      - expect_table_row_count_to_be_between: {max_value: 1}\n")
    assert ended(cluster, started(cluster, "broken")) == ("Failed", "PodFailurePolicy")
    (how,) = containers(cluster, "broken")
    assert how["exitCode"] == 1 and "error[D" in how["message"], how
    file.write_text(text, encoding="utf-8")
    assert ended(cluster, started(cluster, "small", backoffLimit=1, memory="64Mi")) == (
        "Failed",
        "BackoffLimitExceeded",
    )
    assert [how["reason"] for how in containers(cluster, "small")] == ["OOMKilled", "OOMKilled"]
    doctor = ["potable", "--env", "cluster", "doctor"]
    assert ended(cluster, started(cluster, "asked", doctor, backoffLimit=0, memory="512Mi"))[0] == "Failed"
    (how,) = containers(cluster, "asked")
    assert how["exitCode"] == 3 and "2.0 GB allowed, 512 MB available" in how["message"], how
    assert ended(cluster, started(cluster, "mended"))[0] == "Complete"
    assert version(lake).number == 1


def test_a_driver_in_a_pod_that_is_evicted_gives_the_same_bytes(cluster: Kubernetes, lake: Path) -> None:
    """Executors make a table with texts and all that is made of it again, and go when their driver goes."""
    require_spark()
    before = version(lake)
    for folder in MADE_AGAIN:
        shutil.rmtree(lake / folder)
    cluster.apply(MANIFESTS / "job-spark.yaml")
    until(lambda: any((lake / MADE_AGAIN[0]).glob("*/manifest.json")), "its table")
    evict(cluster, "attrition-spark")
    assert ended(cluster, "attrition-spark")[0] == "Complete"
    assert until(lambda: not executors(cluster), "the executors to go")
    assert version(lake).sha256 == before.sha256


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def started(cluster: Kubernetes, name: str, arguments: Sequence[str] = (), *, memory: str = "", **settings: int) -> str:
    """A Job of this name, as `kubectl create job --from=cronjob/attrition` makes one; what is given goes before."""
    spec = cluster.call("/apis/batch/v1/namespaces/work/cronjobs/attrition")["spec"]["jobTemplate"]["spec"]
    container = spec["template"]["spec"]["containers"][0]
    container["args"] = list(arguments) or container["args"]
    container["resources"] = {"limits": {"memory": memory}} if memory else container["resources"]
    cluster.call(JOBS, {"metadata": {"name": name}, "spec": {**spec, **settings}})
    return name


def ended(cluster: Kubernetes, job: str) -> tuple[str, str]:
    """How a Job ended, and why."""

    def found() -> tuple[str, str] | None:
        conditions = cluster.call(f"{JOBS}/{job}")["status"].get("conditions", ())
        return next(
            ((each["type"], each["reason"]) for each in conditions if each["type"] in ("Complete", "Failed")), None
        )

    return until(found, f"the end of {job}")


def pods(cluster: Kubernetes, job: str) -> list[dict[str, Any]]:
    return [pod for pod in cluster.pods() if pod["metadata"].get("labels", {}).get("job-name") == job]


def executors(cluster: Kubernetes) -> list[dict[str, Any]]:
    return [pod for pod in cluster.pods() if pod["metadata"].get("labels", {}).get("spark-role") == "executor"]


def containers(cluster: Kubernetes, job: str) -> list[dict[str, Any]]:
    """How the containers of a Job ended."""
    return [pod["status"]["containerStatuses"][0]["state"]["terminated"] for pod in pods(cluster, job)]


def evict(cluster: Kubernetes, job: str) -> None:
    """What `kubectl drain` does with the pod of a Job."""
    (pod,) = pods(cluster, job)
    name = pod["metadata"]["name"]
    evicted = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    cluster.call(f"/api/v1/namespaces/work/pods/{name}/eviction", evicted)


def until(ready: Callable[[], T | None], what: str, seconds: float = 300) -> T:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := ready():
            return found
        time.sleep(0.1)
    pytest.fail(f"waited in vain for {what}")


def version(lake: Path) -> Version:
    """The current one."""
    roots = [str(lake / name) for name in ("restricted", "open", "vault")]
    found = current(Lake.at(*roots, base=lake).versions("customer_churn"))
    assert found
    return found
