"""Every kind of generated file loads in a real Airflow, and its operators judge exit codes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.airflow.conftest import ROOT, generate

from potable.cli.app import main
from potable.datasets.version import current
from potable.project import load
from potable.runs.record import VERBS

pytestmark = pytest.mark.airflow
EXAMPLE = ROOT / "examples" / "attrition"
KINDS = {
    "bash": "schedule: '@monthly', deadline: {after: 6h, notify: company.alerts.late, arguments: {to: [platform]}}",
    "python": "operator: python, python: /opt/potable/bin/python",
    "virtualenv": "operator: virtualenv, requirements: ['potable[all]']",
    "kubernetes": "operator: kubernetes, image: potable, project: /srv/attrition, pod: {namespace: ml}",
}


def inside(python: Path, home: Path, script: str, *arguments: str, **environment: str) -> Any:
    """What a script prints as its last line in Airflow's environment, as JSON."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHONPATH"))}
    clean |= {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", **environment}
    call = [str(python), str(Path(__file__).parent / script), *arguments]
    done = subprocess.run(call, env=clean, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def loaded(airflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Airflow makes of each kind of file, and what it had to import for them."""
    folder = tmp_path_factory.mktemp("kinds")
    for kind, settings in KINDS.items():
        root = folder / kind
        shutil.copytree(EXAMPLE, root)
        with (root / "potable.yaml").open("a", encoding="utf-8") as file:
            file.write(f"airflow: {{{settings}}}\n")
        generate(root, folder / "dags" / f"{kind}.py")
    found: dict[str, Any] = inside(airflow_python, folder, "loading.py", str(folder / "dags"))
    return found


def test_no_file_has_an_import_error_and_none_imports_the_product(loaded: dict[str, Any]) -> None:
    assert loaded["errors"] == {}
    assert sorted(loaded["dags"]) == sorted(KINDS)
    assert loaded["foreign"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_per_verb_and_one_mapped_task_per_source(loaded: dict[str, Any], kind: str) -> None:
    dag = loaded["dags"][kind]
    assert dag["order"] == ["arrive", "ingest", "validate", "resolve", "protect", "build", "publish"]
    assert dag["mapped"] == ["arrive", "ingest", "validate"]
    assert set(dag["rules"]) == {"none_failed"}
    assert dag["owners"]["protect"] == "privacy" and "payroll-integrations" in dag["owners"]["ingest"]
    assert (dag["catchup"], dag["params"]) == (False, ["as_of", "full_refresh", "scoring"])
    assert dag["retries"] == 3 and dag["backoff"] > 1


def test_schedule_and_deadline_are_what_was_declared(loaded: dict[str, Any]) -> None:
    assert (loaded["dags"]["bash"]["schedule"], loaded["dags"]["bash"]["deadlines"]) == ("0 0 1 * *", 1)
    assert loaded["dags"]["python"]["deadlines"] == 0


def test_the_dags_on_the_page_load_as_they_stand(airflow_python: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "airflow.md").read_text(encoding="utf-8")
    (tmp_path / "dags").mkdir()
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page, re.DOTALL)):
        (tmp_path / "dags" / f"{number}.py").write_text(block, encoding="utf-8")
    found = inside(airflow_python, tmp_path, "loading.py", str(tmp_path / "dags"), PYTHONPATH=str(ROOT / "src"))
    assert found["errors"] == {}
    assert [dag["order"] for dag in found["dags"].values()] == [["fit"], ["arrive", *VERBS]]


@pytest.fixture(scope="module")
def judged(airflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the operators raise for exit codes, and which options a DAG run hands on."""
    home = tmp_path_factory.mktemp("judged")
    found: dict[str, Any] = inside(airflow_python, home, "judging.py", PYTHONPATH=str(ROOT / "src"))
    return found


@pytest.mark.parametrize("operator", ["bash", "kubernetes"])
def test_exit_codes_become_states(judged: dict[str, Any], operator: str) -> None:
    assert judged[operator] == {
        "0": "done",
        "1": "AirflowFailException",
        "2": "AirflowFailException",
        "3": "AirflowException",
        "4": "AirflowFailException",
        "70": "AirflowFailException",
        "99": "AirflowSkipException",
        "130": "AirflowException",
        "137": "AirflowException",
    }


def test_a_success_that_tells_nothing_is_none(judged: dict[str, Any]) -> None:
    """Whoever swallows the result in a wrapper would lose the version that it announces."""
    assert judged["silent"] == "AirflowFailException"


def test_a_pod_that_is_told_to_end_tells_potable(judged: dict[str, Any]) -> None:
    """A shell as the first process of a container keeps the signal to itself; only a plain command takes its place."""
    assert judged["itself"] == {"": True, "/usr/bin/env ": True, "cd / && ": False, "LANG=C ": False}


def test_params_become_options_and_only_dates_get_through(judged: dict[str, Any]) -> None:
    assert judged["options"] == {
        "nothing": [],
        "refresh": ["--full-refresh"],
        "day": ["--as-of=2024-02-29"],
        "backfill": ["--as-of=2024-03-31"],
        "backfill in Kolkata": ["--as-of=2024-03-31"],
        "a command": "ValueError",
        "to be scored": ["--scoring", "--as-of=2024-04-02"],
        "to be scored, of a day": ["--scoring", "--as-of=2024-02-29"],
        "a slip of the pen": "AirflowFailException",
        "of a DAG of one's own": ["--as-of=2024-02-29"],
    }


def test_versions_of_the_present_of_a_day_and_to_be_scored_are_different_assets(judged: dict[str, Any]) -> None:
    assert judged["news"] == {
        "churn": {"new": True, "potable://shop/churn": None},
        "churn@2024-03-31": {"new": True, "potable://shop/churn@as-of": "2024-03-31"},
        "churn@2024-03-31.scoring": {"new": True, "potable://shop/churn@scoring": "2024-03-31"},
        # a DAG file that is older than the name of the dataset must not announce one as a version of another
        "leavers": "leavers is no dataset of potable://shop/churn: the DAG file is older than the project; "
        "`potable airflow generate` renews it",
    }


def test_a_source_that_the_dag_does_not_land_fails_it(judged: dict[str, Any]) -> None:
    """Landed once by hand it would go stale, and every run would be green."""
    assert judged["lands"] == {"all": "done", "fewer": "AirflowFailException", "not said": "done"}


def test_a_shell_is_started_where_its_task_says(judged: dict[str, Any]) -> None:
    assert judged["where"] == {"at": "/usr", "o": "ö"}


def test_a_virtual_environment_has_nothing_of_airflows(judged: dict[str, Any]) -> None:
    assert judged["sees Airflow"] is False


@pytest.mark.long
def test_tasks_in_virtual_environments_publish_a_version(airflow_python: Path, tmp_path: Path) -> None:
    """Each makes its own, of this code and what it asks for, from the registry."""
    wheels = [str(tmp_path / "wheels"), str(ROOT)]
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", *wheels]
    subprocess.run(pip, check=True, timeout=300)
    (wheel,) = (tmp_path / "wheels").glob("potable-*.whl")
    root = tmp_path / "churn"
    main(["init", "--example", "churn", str(root)])
    settings = f"operator: virtualenv, requirements: ['potable[json] @ {wheel.as_uri()}'], project: {root}"
    with (root / "potable.yaml").open("a", encoding="utf-8") as file:
        file.write(f"airflow: {{{settings}}}\n")
    generate(root, tmp_path / "dags" / "churn.py")
    home = {"AIRFLOW_HOME": str(tmp_path / "home"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    home |= {"AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags")}
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | home
    for call in (["db", "migrate"], ["dags", "test", "churn"]):
        command = [str(airflow_python.parent / "airflow"), *call]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=1800)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    project = load(root, offline=True)
    found = current(project.lake().versions("customer_churn"))
    assert found and found.number == 1


def test_nothing_of_the_product_is_imported_with_the_operators(judged: dict[str, Any]) -> None:
    assert judged["foreign"] == []
