"""The generated DAG in a real Airflow: green, killed and retried, backfilled, broken.

One test, because one Airflow goes through one lake in order; each step is a function of its own.
"""

from __future__ import annotations

import urllib.parse
from pathlib import Path

import pytest
from tests.airflow.conftest import DATASET, Plant, kill_once, until

from potable.project import load
from potable.runs.runner import Options
from potable.runs.runner import run as run_here

AFTER = ("resolve", "protect", "build", "publish")


def failed_tries(plant: Plant) -> list[str]:
    """Logs of first tries that were followed by a second."""
    first = (plant.dags.parent / "logs").rglob("attempt=1.log")
    return [path.read_text(encoding="utf-8") for path in first if path.with_name("attempt=2.log").exists()]


@pytest.mark.airflow
@pytest.mark.slow
def test_the_generated_dag_in_a_real_airflow(plant: Plant) -> None:
    """The run Airflow schedules by itself, its build killed once; then what comes after it."""
    run = until(lambda: next((item["dag_run_id"] for item in plant.runs("churn")), ""), "the scheduled run")
    kill_once(plant, "build", after=0.7)
    first = urllib.parse.quote(run)
    the_dag_loads_and_a_killed_task_is_retried_to_a_published_version(plant, first)
    a_new_version_is_an_event_that_starts_the_training(plant)
    a_run_that_takes_too_long_is_told(plant)
    a_dag_of_ones_own_waits_for_a_file_and_finds_nothing_new(plant)
    a_backfill_makes_the_past_and_leaves_the_present(plant)
    a_broken_contract_stops_everything_after_it_at_once(plant)
    a_version_airflow_has_not_heard_of_is_announced_though_nothing_is_new(plant)


def the_dag_loads_and_a_killed_task_is_retried_to_a_published_version(plant: Plant, first: str) -> None:
    assert plant.api("/importErrors")["total_entries"] == 0
    state, tasks = plant.finished("churn", first)
    assert state == "success", {name: item["state"] for name, item in tasks.items()}
    sources = {path.stem for path in (plant.root / "sources").glob("*.yaml")}
    assert {name for name in tasks if name.startswith("ingest")} == {f"ingest {source}" for source in sources}
    assert {name for name in tasks if name.startswith("validate")} == {f"validate {source}" for source in sources}
    assert {item["state"] for item in tasks.values()} == {"success"}
    assert tasks["build"]["try_number"] == 2
    # a busy machine may make Airflow itself try again; no run of ours may have needed it
    assert [
        log[-3000:] for log in failed_tries(plant) if "potable ended with" in log and "--only build" not in log
    ] == []
    version = plant.version()
    assert version and version.number == 1 and version.rows > 50


def a_new_version_is_an_event_that_starts_the_training(plant: Plant) -> None:
    version = plant.version()
    assert version
    (event,) = until(lambda: plant.events(DATASET), "the event")
    assert event["source_task_id"] == "publish"
    extra = {key: event["extra"][key] for key in ("dataset", "version", "rows", "fingerprint")}
    assert extra == {
        "dataset": "customer_churn", "version": 1, "rows": version.rows, "fingerprint": version.fingerprint
    }  # fmt: skip
    assert Path(event["extra"]["csv"]).is_file()
    (run,) = until(lambda: plant.runs("train"), "the training")
    name = urllib.parse.quote(run["dag_run_id"])
    assert plant.finished("train", name)[0] == "success"
    seen = plant.api(f"/dags/train/dagRuns/{name}/taskInstances/fit/xcomEntries/return_value")["value"]
    assert [(item["version"], item["fingerprint"]) for item in seen] == [(1, version.fingerprint)]


def a_run_that_takes_too_long_is_told(plant: Plant) -> None:
    told = plant.root / "late"
    until(lambda: told.is_file() and told.read_text(encoding="utf-8"), "the deadline's callback", 60)
    assert told.read_text(encoding="utf-8") == "churn"


def a_dag_of_ones_own_waits_for_a_file_and_finds_nothing_new(plant: Plant) -> None:
    plant.trigger("own", "mine")
    states = "/dags/own/dagRuns/mine/taskInstances/arrive"
    until(lambda: plant.api(states)["state"] == "deferred", "the sensor to leave its worker")
    (plant.root / "flags").mkdir()
    (plant.root / "flags" / "tickets.ready").touch()
    state, tasks = plant.finished("own", "mine")
    assert (state, tasks["arrive"]["state"], tasks["publish"]["state"]) == ("success", "success", "skipped")
    assert len(plant.events(DATASET)) == 1


def a_backfill_makes_the_past_and_leaves_the_present(plant: Plant) -> None:
    before = plant.version()
    day = {"from_date": "2023-04-01T00:00:00Z", "to_date": "2023-04-01T00:00:00Z"}
    plant.api("/backfills", {"dag_id": "churn", "run_backwards": False, "dag_run_conf": {}, **day})

    def made() -> str:
        return next((item["dag_run_id"] for item in plant.runs("churn") if item["run_type"] == "backfill"), "")

    state, tasks = plant.finished("churn", urllib.parse.quote(until(made, "the backfill")))
    assert state == "success", {name: item["state"] for name, item in tasks.items()}
    unchanged = [item["state"] for name, item in tasks.items() if name.startswith(("ingest", "validate", "resolve"))]
    assert set(unchanged) == {"skipped"}
    assert (tasks["build"]["state"], tasks["publish"]["state"]) == ("success", "success")
    past = plant.version("2023-03-31")
    assert past and past.number == 1 and past.lineage["as of"] == "2023-03-31"
    assert plant.version() == before and len(plant.events(DATASET)) == 1
    (event,) = plant.events(f"{DATASET}@as-of")
    assert (event["extra"]["as_of"], event["extra"]["rows"]) == ("2023-03-31", past.rows)
    assert len(plant.runs("train")) == 1


def a_broken_contract_stops_everything_after_it_at_once(plant: Plant) -> None:
    before = plant.version()
    file = plant.root / "sources" / "desk.yaml"
    text = file.read_text(encoding="utf-8")
    broken = text.replace("max_value: 5000}", "max_value: 1, mostly: 0.99}")
    assert broken != text
    file.write_text(broken, encoding="utf-8")
    plant.trigger("churn", "broken")
    state, tasks = plant.finished("churn", "broken")
    file.write_text(text, encoding="utf-8")
    assert state == "failed"
    assert (tasks["validate desk"]["state"], tasks["validate desk"]["try_number"]) == ("failed", 1)
    assert {tasks[name]["state"] for name in AFTER} == {"upstream_failed"}
    assert {item["state"] for name, item in tasks.items() if name.startswith("ingest")} == {"skipped"}
    assert plant.version() == before and len(plant.events(DATASET)) == 1


def a_version_airflow_has_not_heard_of_is_announced_though_nothing_is_new(plant: Plant) -> None:
    """As after a kill between the commit of a version and the end of its task."""
    file = plant.root / "features.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("tickets_6mo: count() in 6mo", "tickets_6mo: count() in 5mo"), encoding="utf-8")
    assert run_here(load(plant.root), Options(reason="by hand"), lambda event: None).outcome == "published"
    (plant.root / "flags").mkdir(exist_ok=True)
    (plant.root / "flags" / "again.ready").touch()
    plant.trigger("own", "unheard")
    state, tasks = plant.finished("own", "unheard")
    assert (state, tasks["publish"]["state"]) == ("success", "success")
    assert [event["extra"]["version"] for event in plant.events(DATASET)] == [1, 2]
