"""Runs in Airflow's environment: loads every DAG file of a folder and prints what came of it."""

import json
import sys
import time
from pathlib import Path

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.serialization.serialized_objects import DagSerialization


def told(dag):
    tasks = [dag.get_task(task.task_id) for task in dag.topological_sort()]
    return {
        "order": [task.task_id for task in tasks],
        "mapped": [task.task_id for task in tasks if isinstance(task, MappedOperator)],
        "rules": sorted({getattr(task.trigger_rule, "value", task.trigger_rule) for task in tasks}),
        "owners": {task.task_id: task.owner for task in tasks},
        "retries": min(task.retries for task in tasks),
        "backoff": min(float(task.retry_exponential_backoff) for task in tasks),
        "params": sorted(dag.params),
        "catchup": dag.catchup,
        "schedule": getattr(dag.timetable, "expression", None) or getattr(dag.timetable, "_expression", None),
        "deadlines": len(dag.deadline or []),
        "serialized": len(json.dumps(DagSerialization.to_dict(dag))),
    }


errors, dags, seconds = {}, {}, {}
for path in sorted(Path(sys.argv[1]).glob("*.py")):
    bag = DagBag(path)
    # the second time all imports are there
    begun = time.perf_counter()
    DagBag(path)
    seconds[path.stem] = round(time.perf_counter() - begun, 4)
    errors |= bag.import_errors
    dags[path.stem] = told(next(iter(bag.dags.values())))
product = {"potable", "duckdb", "ibis", "pyarrow", "obstore"}
foreign = sorted(product & {name.split(".")[0] for name in sys.modules})
sys.stdout.write(json.dumps({"errors": errors, "dags": dags, "seconds": seconds, "foreign": foreign}))
