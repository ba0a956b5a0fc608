"""A DAG somebody wrote with `potable.airflow`: waits for a file, then publishes by another interpreter."""

import os
from datetime import datetime

from airflow.sdk import DAG

from potable.airflow import PythonRun, SourceArrival, versions_of

PROJECT = os.environ["PROJECT"]
VERSIONS = versions_of("churn", "customer_churn")

with DAG("own", schedule=None, start_date=datetime(2025, 1, 1), default_args={"trigger_rule": "none_failed"}):
    arrive = SourceArrival(task_id="arrive", files="flags/*.ready", project=PROJECT, poke_interval=1, timeout=120)
    publish = PythonRun(
        task_id="publish",
        verb="publish",
        project=PROJECT,
        python=os.environ["POTABLE_PYTHON"],
        inlets=[VERSIONS],
        outlets=[VERSIONS],
    )
    arrive >> publish
