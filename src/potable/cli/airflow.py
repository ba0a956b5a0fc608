"""`potable airflow`: the project's DAG file for Airflow 3."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from potable.cli.settings import writing
from potable.project import Project

if TYPE_CHECKING:
    from potable.cli.answers.project import Generated


def generated(
    project: Project, file: Path | None, *, environment: str | None, check: bool
) -> tuple[Generated, str, bool]:
    """Write the DAG file, or with `check` only compare; facts, text, and whether the file is current now."""
    from potable.airflow.generate import dag_file, default_path

    path = file or default_path(project)
    wanted = dag_file(project, path, environment=environment or "")
    state = _state(path, wanted)
    if not check and state != "current":
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted, encoding="utf-8")
    again = "next: potable airflow generate"
    text = {
        (True, "current"): f"{path} is current",
        (True, "stale"): f"{path} is out of date\n{again}",
        (True, "missing"): f"{path} does not exist\n{again}",
    }.get((check, state), f"{path}\nnext: add its folder to Airflow's DAG bundles, or copy the file into one")
    return {"file": str(path), "state": state if check else "current"}, text, not check or state == "current"


def _state(path: Path, wanted: str) -> Literal["current", "stale", "missing"]:
    if not path.is_file():
        return "missing"
    return "current" if path.read_text(encoding="utf-8") == wanted else "stale"
