"""The metrics, the alerts and the dashboard on the real Prometheus, its Pushgateway and node_exporter."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from potable.cli.scaffold import scaffold
from potable.report.metrics import METRICS

DOCS = Path(__file__).parents[2] / "docs"
RULES, DASHBOARD = DOCS / "observability" / "alerts.yaml", DOCS / "observability" / "grafana.json"
# bcrypt of the password, with the fewest rounds
USER = ("ops", "a-password-of-tests", "$2b$04$abcdefghijklmnopqrstuucKJOEvPnzX7hbkQfvea7hHMGL5FqfMS")


def tool(name: str) -> str:
    """One of Prometheus' programs; skip where there is none."""
    path = os.pathsep.join([str(Path(sys.prefix, "prometheus/usr/bin")), os.environ["PATH"]])
    found = shutil.which(name, path=path)
    if not found:
        pytest.skip(f"there is no {name}: `make .venv/.prometheus` fetches it, from Debian's packages")
    return found


def queries() -> list[str]:
    """What the panels of the dashboard ask for, of the project of these tests."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    return [expr.replace("$project", "churn").replace("$dataset", "customer_churn") for expr in asked]


def test_dashboard_and_alerts_name_only_metrics_that_there_are() -> None:
    for file in (DASHBOARD, RULES):
        named = set(re.findall("potable_[a-z_]+", file.read_text(encoding="utf-8")))
        assert named and named <= set(METRICS), file


def test_the_page_has_every_metric_with_its_labels() -> None:
    page = (DOCS / "observability.md").read_text(encoding="utf-8")
    for name, metric in METRICS.items():
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        assert f"| `{name}` | {labels} | {metric.help} |\n" in page, name
    assert set(re.findall(r"`(potable_[a-z_]+)`", page)) == set(METRICS)


def test_a_dashboard_can_be_imported_as_it_is() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken)) and max(x for x, _ in taken) < 24
    for panel in panels:
        assert panel["datasource"]["uid"] == "${datasource}" and panel["title"]
        assert all('project="$project",dataset="$dataset"' in target["expr"] for target in panel["targets"])
    assert [variable["name"] for variable in dashboard["templating"]["list"]] == ["datasource", "project", "dataset"]


@pytest.mark.prometheus
def test_the_alerts_fire_when_they_should() -> None:
    promtool = tool("promtool")
    for command in (
        ["check", "rules", str(RULES)],
        ["test", "rules", str(Path(__file__).with_name("alerts_test.yaml"))],
    ):
        done = subprocess.run([promtool, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The smallest project."""
    scaffold(tmp_path / "churn", "churn")
    return tmp_path / "churn"


def configure(root: Path, observability: str) -> None:
    """Set where metrics go."""
    path = root / "potable.yaml"
    path.write_text(f"{path.read_text().split('observability:')[0]}observability: {observability}\n")


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def asked(url: str) -> str:
    """What a server answers."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def until(found: Callable[[], Any]) -> Any:
    """What is found in the end."""
    for _ in range(300):
        with contextlib.suppress(OSError):
            if result := found():
                return result
        time.sleep(0.1)
    raise AssertionError("it never came")


@contextmanager
def running(command: list[str], folder: Path) -> Iterator[None]:
    """A server, ended with the test."""
    folder.mkdir(exist_ok=True)
    with (folder / "log").open("wb") as log, subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as process:
        try:
            yield
        finally:
            process.terminate()


def ran(root: Path) -> tuple[int, str]:
    """Exit code and errors of a run in a process of its own: whatever this one holds is no memory of the run."""
    command = [sys.executable, "-m", "potable", "-C", str(root), "run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.prometheus
def test_the_file_is_what_node_exporter_reads_and_promtool_checks(root: Path, tmp_path: Path) -> None:
    exporter, promtool = tool("prometheus-node-exporter"), tool("promtool")
    folder, address = tmp_path / "textfiles", f"127.0.0.1:{free_port()}"
    folder.mkdir()
    configure(root, f"{{textfile: {folder / 'churn.prom'}}}")
    assert ran(root)[0] == 0
    # two projects of one machine, and what a process that was killed left
    other = (folder / "churn.prom").read_text().replace('project="churn"', 'project="other"')
    (folder / "other.prom").write_text(other)
    (folder / ".churn.prom.123").write_text("half a li")
    text = (folder / "churn.prom").read_text()
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert checked.returncode == 0 and not checked.stdout + checked.stderr
    command = [exporter, "--collector.disable-defaults", "--collector.textfile"]
    command += [f"--collector.textfile.directory={folder}", f"--web.listen-address={address}"]
    with running(command, tmp_path / "exporter"):
        scraped = until(lambda: asked(f"http://{address}/metrics"))
    assert "\nnode_textfile_scrape_error 0\n" in scraped
    assert scraped.count('potable_run_exit_code{dataset="customer_churn",project=') == 2


@pytest.mark.prometheus
def test_what_is_pushed_answers_every_panel_and_alert(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, prometheus = tool("prometheus-pushgateway"), tool("prometheus")
    pushed, address = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    user, password, digest = USER
    monkeypatch.setenv("PUSH_PASSWORD", password)
    (tmp_path / "web.yaml").write_text(f"basic_auth_users: {{{user}: {digest}}}\n")
    job = {
        "job_name": "pushgateway",
        "honor_labels": True,
        "scrape_interval": "1s",
        "basic_auth": {"username": user, "password": password},
        "static_configs": [{"targets": [pushed]}],
    }
    settings = {"rule_files": [str(RULES)], "global": {"evaluation_interval": "1s"}, "scrape_configs": [job]}
    (tmp_path / "prometheus.yaml").write_text(json.dumps(settings))
    pushing = [gateway, f"--web.listen-address={pushed}", f"--web.config.file={tmp_path / 'web.yaml'}"]
    asking = [prometheus, f"--web.listen-address={address}", f"--config.file={tmp_path / 'prometheus.yaml'}"]
    asking += [f"--storage.tsdb.path={tmp_path / 'tsdb'}"]
    with (
        running([*pushing, "--persistence.file="], tmp_path / "gateway"),
        running(asking, tmp_path / "prometheus"),
    ):
        until(lambda: _refuses(f"http://{pushed}/metrics"))
        auth = f"auth: {{basic: {{user: {user}, password: '${{env:PUSH_PASSWORD}}'}}}}"
        configure(root, f"{{pushgateway: {{url: 'http://{pushed}', {auth}}}}}")
        code, errors = ran(root)
        assert code == 0 and "warning" not in errors

        def answered(query: str) -> list[Any]:
            answer = json.loads(asked(f"http://{address}/api/v1/query?query={quote(query)}"))
            assert answer["status"] == "success"
            return list(answer["data"]["result"])

        labels = until(lambda: answered("potable_dataset_confirmed_timestamp_seconds"))[0]["metric"]
        assert (labels["job"], labels["project"], labels["dataset"]) == ("potable", "churn", "customer_churn")
        assert [query for query in queries() if not answered(query)] == []
        rules = until(partial(_evaluated, address, datetime.now(UTC)))
        assert {rule["health"] for rule in rules} == {"ok"}
        assert [rule["name"] for rule in rules if rule["state"] != "inactive"] == []

        # a run that fails keeps what it does not know better: the group is told whole each time
        privacy = root / "privacy.yaml"
        privacy.write_text(re.sub("k: [0-9]+", "k: 500", privacy.read_text()))
        code, errors = ran(root)
        assert code == 4, errors
        until(lambda: answered(f"potable_run_exit_code == {code}"))
        assert answered("potable_dataset_version == 1")
        until(lambda: answered('ALERTS{alertname="PotableRunFailed",alertstate="firing"}'))


def _evaluated(address: str, since: datetime) -> list[dict[str, Any]]:
    """The rules, once each was evaluated after a moment at which Prometheus had what it is asked for."""
    groups = json.loads(asked(f"http://{address}/api/v1/rules"))["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    return rules if all(datetime.fromisoformat(rule["lastEvaluation"]) > since for rule in rules) else []


def _refuses(url: str) -> bool:
    try:
        asked(url)
    except urllib.error.HTTPError as failure:
        return failure.code == 401
    return False
