"""A real Airflow in an environment of its own, its scheduler running, and a small project beside it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from potable.cli.app import main
from potable.datasets.version import Version, current
from potable.project import load

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
BIN = Path(os.environ.get("POTABLE_AIRFLOW", ROOT / ".venv-airflow")) / "bin"
DATASET = "potable://churn/customer_churn"
SETTINGS = """
airflow:
  schedule: "@monthly"
  start: 2023-01-01
  command: {python} -m potable
  project: {project}
  retries: 2
  retry_delay: 1s
  parallel: 2
  deadline: {{after: 3s, notify: alerts.late, arguments: {{path: {project}/late}}}}
"""


@pytest.fixture(scope="session")
def airflow_python() -> Path:
    """Python of the environment that has Airflow and nothing of Potable."""
    if not (BIN / "airflow").is_file():
        pytest.skip(f"there is no Airflow in {BIN.parent}; `make .venv-airflow/.ready` installs it")
    return BIN / "python"


@dataclass(frozen=True)
class Plant:
    """A project with its own lake, the DAGs that run it, and the Airflow that runs them."""

    root: Path
    dags: Path
    port: int
    token: list[str] = field(default_factory=list)

    def api(self, path: str, body: dict[str, Any] | None = None, method: str = "") -> Any:
        """One call of Airflow's REST interface."""
        url = f"http://127.0.0.1:{self.port}{path if path.startswith('/auth') else '/api/v2' + path}"
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {''.join(self.token)}"}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(url, data, headers, method=method or ("POST" if body else "GET"))
        ends = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.loads(answer.read())
            except urllib.error.HTTPError as refused:
                # so Airflow tells that its SQLite is locked at the moment
                with refused:
                    if refused.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > ends:
                        raise
            time.sleep(1)

    def trigger(self, dag: str, run: str, **conf: Any) -> None:
        """Start a run of a DAG by hand."""
        self.api(f"/dags/{dag}/dagRuns", {"dag_run_id": run, "logical_date": None, "conf": conf})

    def finished(self, dag: str, run: str) -> tuple[str, dict[str, dict[str, Any]]]:
        """State of a run when it has ended, and its task instances by `task` or `task label`."""
        until(lambda: self.api(f"/dags/{dag}/dagRuns/{run}")["state"] in ("success", "failed"), f"{dag} {run}")
        found = self.api(f"/dags/{dag}/dagRuns/{run}/taskInstances?limit=100")["task_instances"]
        tasks = {" ".join(filter(None, (item["task_id"], item["rendered_map_index"]))): item for item in found}
        return self.api(f"/dags/{dag}/dagRuns/{run}")["state"], tasks

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """All runs of a DAG."""
        found: list[dict[str, Any]] = self.api(f"/dags/{dag}/dagRuns?limit=100")["dag_runs"]
        return found

    def events(self, uri: str) -> list[dict[str, Any]]:
        """Events of an asset, oldest first."""
        # Airflow 3.3.2 answers 500 while a run that an event created has not started yet
        found = until(lambda: self.api("/assets/events?limit=100&order_by=timestamp"), "the events")["asset_events"]
        return [item for item in found if item["uri"] == uri]

    def version(self, day: str = "") -> Version | None:
        """The current version of the dataset, or of the one of another day."""
        project = load(self.root, offline=True)
        name = f"{project.features.dataset}@{day}" if day else project.features.dataset
        return current(project.lake().versions(name))


def until(ready: Callable[[], T], what: str, seconds: float = 240) -> T:
    """What `ready` gives, as soon as it gives something."""
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            if found := ready():
                return found
        time.sleep(0.3)
    pytest.fail(f"waited in vain for {what}")


def kill_once(plant: Plant, verb: str, *, after: float = 0.0) -> None:
    """kill -9 the `potable` process of a verb, in a pod or not, so many seconds after it is seen."""

    def found() -> psutil.Process | None:
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if words[1:4] == ["-m", "potable", "-C"] and str(plant.root) in words and verb in words:
                return process
        return None

    process = until(found, f"potable run --only {verb}")
    time.sleep(after)
    process.kill()


@pytest.fixture(scope="session")
def churn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small example: what Airflow does with two sources, it does with five."""
    root = tmp_path_factory.mktemp("airflow") / "churn"
    shutil.copytree(ROOT / "examples" / "churn", root)
    with (root / "potable.yaml").open("a", encoding="utf-8") as platform:
        # each task is a process, and would start two more
        platform.write("threads: 1\n" + SETTINGS.format(python=sys.executable, project=root))
    return root


def generate(root: Path, file: Path) -> None:
    """`potable airflow generate FILE`."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main(["-C", str(root), "airflow", "generate", str(file)])
    assert file.is_file()


# it takes a fifth of a core as long as it stands
@pytest.fixture(scope="module")
def plant(churn: Path, airflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """Airflow as `airflow standalone` starts it, with the generated DAG and two that people wrote."""
    home = tmp_path_factory.mktemp("home")
    generate(churn, home / "dags" / "churn.py")
    for path in (Path(__file__).parent / "dags").glob("*.py"):
        shutil.copy(path, home / "dags")
    with standing(churn, home, airflow_python) as found:
        yield found


@contextlib.contextmanager
def standing(root: Path, home: Path, airflow_python: Path, **variables: str) -> Iterator[Plant]:
    """Airflow with its files in `home`, where its DAGs lie, for the project in `root`."""
    ports = free_ports(3)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "PATH": f"{airflow_python.parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT / 'src'}:{Path(__file__).parent / 'lib'}",
        "PROJECT": str(root),
        "POTABLE_PYTHON": sys.executable,
        "NO_PROXY": "*",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__PORT": str(ports[0]),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{ports[0]}/execution/",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        # a task that has ended may be waited for as long as this, and the next one for as long as the scheduler sleeps
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(ports[1]),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(ports[2]),
        **variables,
    }
    with (home / "standalone.log").open("wb") as log:
        call = [str(airflow_python.parent / "airflow"), "standalone"]
        process = subprocess.Popen(call, env=environment, stdout=log, stderr=log, cwd=home, start_new_session=True)
    try:
        yield opened(Plant(root, home / "dags", ports[0]))
    finally:
        ended(process)


def opened(plant: Plant) -> Plant:
    """The plant when it answers and knows its DAGs."""
    until(lambda: plant.api("/monitor/health")["scheduler"]["status"] == "healthy", "Airflow")
    plant.token.append(plant.api("/auth/token")["access_token"])
    count = len(list(plant.dags.glob("*.py")))
    until(lambda: plant.api("/dags")["total_entries"] == count, "the DAGs")
    return plant


def ended(process: subprocess.Popen[bytes]) -> None:
    """Stop Airflow and everything it started."""
    family = [process, *psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    for member in family:
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            member.kill()


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [int(item.getsockname()[1]) for item in sockets]
