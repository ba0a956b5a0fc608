"""`operator: kubernetes` in a real Airflow and on a real Kubernetes: each task in a pod, whose end it is judged by."""

from __future__ import annotations

import json
import shutil
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.airflow.conftest import ROOT, Plant, generate, kill_once, standing, until
from tests.kubernetes.cluster import Kubernetes, kubernetes
from tests.kubernetes.images import MACHINE, SHELL

CONNECTION = json.dumps({"conn_type": "kubernetes", "extra": {"xcom_sidecar_container_image": SHELL}})
VERBS = ("ingest", "validate", "resolve", "protect", "build", "publish")


def settings(root: Path, config: Path) -> str:
    """The `airflow:` section of the project, whose folder pods claim by its own path."""
    claimed = {"name": "lake", "persistentVolumeClaim": {"claimName": "potable"}}
    mounts = [{"name": "lake", "mountPath": str(root)}]
    template = {"spec": {"containers": [{"name": "base", "volumeMounts": mounts}], "volumes": [claimed]}}
    declared = {
        "schedule": "@monthly",
        "operator": "kubernetes",
        "image": MACHINE,
        "command": f"{sys.executable} -m potable",
        "project": str(root),
        "retries": 2,
        "retry_delay": "1s",
        "pod": {
            "namespace": "work",
            "config_file": str(config),
            "in_cluster": False,
            "env_vars": {"PYTHONPATH": str(ROOT / "src")},
            "pod_template_dict": template,
        },
    }
    return f"airflow: {json.dumps(declared)}\n"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Kubernetes]:
    (tmp_path / "cluster").mkdir()
    with kubernetes(tmp_path / "cluster", {}) as made:
        yield made


@pytest.fixture
def pods(cluster: Kubernetes, airflow_python: Path, tmp_path: Path) -> Iterator[Plant]:
    """The smallest project, and an Airflow that runs it in pods."""
    root, home = tmp_path / "churn", tmp_path / "home"
    shutil.copytree(ROOT / "examples" / "churn", root)
    cluster.claimed(root)
    with (root / "potable.yaml").open("a") as platform:
        platform.write(settings(root, cluster.config))
    generate(root, home / "dags" / "churn.py")
    with standing(root, home, airflow_python, AIRFLOW_CONN_KUBERNETES_DEFAULT=CONNECTION) as plant:
        yield plant


@pytest.mark.airflow
@pytest.mark.slow
@pytest.mark.long
def test_the_generated_dag_runs_in_pods(pods: Plant, cluster: Kubernetes) -> None:
    """The run Airflow schedules by itself, its build killed once; then one with nothing new, and a broken contract."""
    run = until(lambda: next((item["dag_run_id"] for item in pods.runs("churn")), ""), "the scheduled run")
    kill_once(pods, "build")
    state, tasks = pods.finished("churn", urllib.parse.quote(run))
    assert state == "success", {name: item["state"] for name, item in tasks.items()}
    assert tasks["build"]["try_number"] == 2
    version = pods.version()
    assert version and version.number == 1 and version.rows > 50
    (event,) = pods.events("potable://churn/customer_churn")
    assert (event["extra"]["version"], event["extra"]["fingerprint"]) == (1, version.fingerprint)
    # one pod per try, and none is left
    assert len(started(cluster)) == sum(item["try_number"] for name, item in tasks.items() if name.split()[0] in VERBS)
    assert until(lambda: not cluster.pods(), "the pods to go")
    nothing_new_is_skipped(pods)
    a_broken_contract_fails_at_once(pods)


def started(cluster: Kubernetes) -> set[str]:
    """Names of all pods in which `potable` was ever started."""
    events = cluster.call("/api/v1/namespaces/work/events")["items"]
    return {event["involvedObject"]["name"] for event in events if event["reason"] == "Started"}


def nothing_new_is_skipped(plant: Plant) -> None:
    plant.trigger("churn", "again")
    state, tasks = plant.finished("churn", "again")
    assert state == "success"
    assert {item["state"] for name, item in tasks.items() if name.split()[0] in VERBS} == {"skipped"}
    assert len(plant.events("potable://churn/customer_churn")) == 1


def a_broken_contract_fails_at_once(plant: Plant) -> None:
    file = plant.root / "sources" / "crm.yaml"
    text = file.read_text(encoding="utf-8")
    broken = text.replace(
        "    checks:\n", "    checks:\n      - expect_table_row_count_to_be_between: {max_value: 1}\n", 1
    )
    assert broken != text
    file.write_text(broken, encoding="utf-8")
    plant.trigger("churn", "broken")
    state, tasks = plant.finished("churn", "broken")
    assert state == "failed"
    assert (tasks["validate crm"]["state"], tasks["validate crm"]["try_number"]) == ("failed", 1)
    assert {tasks[verb]["state"] for verb in VERBS[2:]} == {"upstream_failed"}
