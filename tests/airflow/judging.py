"""Runs in Airflow's environment: real operators, exit codes, and what they raise."""

import json
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException
from kubernetes.client import models as k8s

from potable.airflow import BashRun, KubernetesRun, VirtualenvRun
from potable.airflow.runs import announced, asked_for, conclude, versions_of

CODES = (0, 1, 2, 3, 4, 70, 99, 130, 137)
LINE = {"run": "x", "outcome": "done", "exit_code": 0}


def outcome(work):
    try:
        work()
    except Exception as failure:
        return type(failure).__name__
    return "done"


PARAMS = {"as_of": None, "full_refresh": False, "scoring": False}


def run_of(zone="UTC", run_type="manual", conf=None, declared=PARAMS, **params):
    end = datetime(2024, 4, 1, tzinfo=ZoneInfo(zone)).astimezone(ZoneInfo("UTC"))
    due = datetime(2024, 4, 1, 20, tzinfo=ZoneInfo("UTC"))
    run = SimpleNamespace(run_type=run_type, data_interval_end=end, run_after=due, conf=conf)
    return {"params": params, "dag_run": run, "dag": SimpleNamespace(timezone=ZoneInfo(zone), params=declared)}


def options(**asked):
    try:
        return asked_for(run_of(**asked))
    except (ValueError, AirflowFailException) as failure:
        return type(failure).__name__


def in_a_shell(code):
    # what Java says when it ends comes after everything else
    command = f"echo progress >&2; echo '{json.dumps(LINE)}'; echo bye >&2; exit {code}; #"
    task = BashRun(task_id="x", verb="ingest", project="/x", command=command)
    context = {**run_of(), "task": task, "ti": SimpleNamespace(), "inlet_events": {}, "outlet_events": {}}
    task.get_env = lambda context: {"PATH": "/usr/bin:/bin"}
    return outcome(lambda: task.execute(context))


def in_a_pod(code, told=LINE):
    task = KubernetesRun(task_id="x", verb="ingest", project="/x", image="potable", on_finish_action="keep_pod")
    # the cluster, of which there is none here
    task.pod_manager = SimpleNamespace(read_pod=lambda pod: pod)
    task.patch_already_checked = lambda *given, **more: None
    ended = k8s.V1ContainerState(terminated=k8s.V1ContainerStateTerminated(exit_code=code))
    base = k8s.V1ContainerStatus(name="base", state=ended, image="potable", image_id="x", ready=False, restart_count=0)
    phase = "Succeeded" if code == 0 else "Failed"
    pod = k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(name="x", namespace="ml"),
        spec=k8s.V1PodSpec(containers=[k8s.V1Container(name="base")]),
        status=k8s.V1PodStatus(phase=phase, container_statuses=[base]),
    )
    context = {**run_of(), "task": task, "ti": SimpleNamespace(xcom_push=lambda *given, **more: None)}
    return outcome(lambda: task.cleanup(pod, pod, told, context))


def itself(command):
    """Whether the first process of a pod, which is told to end, is the command and not a shell that waits for it."""
    with tempfile.TemporaryDirectory() as folder:
        script, told = Path(folder, "told"), Path(folder, "return.json")
        script.write_text("#!/bin/sh\necho $$\n")
        script.chmod(0o755)
        task = KubernetesRun(task_id="x", verb="ingest", project="/x", image="potable", command=f"{command}{script}")
        shell = [word.replace("/airflow/xcom/return.json", str(told)) for word in task.cmds]
        process = subprocess.Popen([*shell, *task.arguments])
        return process.wait() == 0 and told.read_text() == f"{process.pid}\n"


def news_of(dataset):
    """The assets that a version of a dataset is news of, and the day in the event."""

    class Events(dict):
        def add(self, asset, extra):
            self[asset.uri] = extra.get("as_of")

    alias, told = versions_of("shop", "churn"), Events()
    line = {"dataset": dataset, "version": 1, "rows": 2, "fingerprint": "f", "csv": "c", "parquet": "p"}
    task = SimpleNamespace(outlets=[Asset("other"), alias])
    context = {"task": task, "inlet_events": {alias: []}, "outlet_events": {alias: told}}
    try:
        return {"new": announced(context, line), **told}
    except AirflowFailException as failure:
        return str(failure)


def landing(**params):
    line = json.dumps({**LINE, "sources": ["crm", "desk"]})
    context = {"params": params, "task": SimpleNamespace(outlets=[])}
    return outcome(lambda: conclude(context, 0, line))


def where(**settings):
    """The folder in which a shell is started, and how what it prints is read."""
    line = r"""printf '{"at": "%s", "o": "\xf6"}\n' "$PWD"; #"""
    task = BashRun(task_id="x", verb="ingest", project="/x", command=line, **settings)
    task.get_env = lambda context: {"PATH": "/usr/bin:/bin"}
    return task.execute({**run_of(), "task": task, "ti": SimpleNamespace(), "inlet_events": {}, "outlet_events": {}})


found = {
    "news": {name: news_of(name) for name in ("churn", "churn@2024-03-31", "churn@2024-03-31.scoring", "leavers")},
    "where": where(cwd="/usr", output_encoding="latin-1"),
    "itself": {command: itself(command) for command in ("", "/usr/bin/env ", "cd / && ", "LANG=C ")},
    "bash": {str(code): in_a_shell(code) for code in CODES},
    "kubernetes": {str(code): in_a_pod(code) for code in CODES},
    "lands": {
        "all": landing(lands=["crm", "desk"]),
        "fewer": landing(lands=["crm"]),
        "not said": landing(),
    },
    "silent": in_a_pod(0, told=None),
    "options": {
        "nothing": options(as_of=None, full_refresh=False),
        "refresh": options(full_refresh=True),
        "day": options(as_of="2024-02-29"),
        "backfill": options(run_type="backfill"),
        "backfill in Kolkata": options(run_type="backfill", zone="Asia/Kolkata"),
        "a command": options(as_of="2024-02-29; rm -rf /"),
        "to be scored": options(zone="Asia/Kolkata", scoring=True),
        "to be scored, of a day": options(scoring=True, as_of="2024-02-29"),
        "a slip of the pen": options(conf={"as-of": "2024-02-29"}, **{"as-of": "2024-02-29"}),
        "of a DAG of one's own": options(conf={"region": "EU"}, declared={}, as_of="2024-02-29"),
    },
    "sees Airflow": VirtualenvRun(task_id="x", verb="build", project="/x", requirements=["y"]).system_site_packages,
    "foreign": sorted({"duckdb", "ibis", "pyarrow", "obstore"} & {name.split(".")[0] for name in sys.modules}),
}
sys.stdout.write(json.dumps(found))
