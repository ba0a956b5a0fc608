"""What Prometheus is told of a project: names, the text format, and that it is so however a run ends."""

from __future__ import annotations

import base64
import json
import re
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.report import records

from potable.cli.app import main
from potable.cli.scaffold import scaffold
from potable.errors import DataError, EnvironmentFailure
from potable.project import load
from potable.report import exporting
from potable.report.metrics import METRICS, Sample, Standing, exposition, samples, standing
from potable.report.numbers import human_bytes
from potable.runs import begun
from potable.runs.record import RunRecord, run_name
from potable.store.objects import Store

LINE = re.compile(r'(potable_[a-z_]+)\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*)\} (-?[0-9][0-9.e+-]*)')
UNITS = (
    "_seconds",
    "_bytes",
    "_rows",
    "_info",
    "_code",
    "_version",
    "_checks",
    "_findings",
    "_columns",
    "_killed",
    "_unended",
    "_calls",
    "_people",
)


def read(text: str) -> dict[tuple[str, str], float]:
    """Metrics by name and labels; what is not the text format of Prometheus fails."""
    found: dict[tuple[str, str], float] = {}
    groups: list[str] = []
    lines = text.split("\n")
    assert lines.pop() == ""
    while lines:
        helped, typed = lines.pop(0).split(" ", 3), lines.pop(0)
        name = helped[2]
        assert helped[:2] == ["#", "HELP"] and helped[3] == METRICS[name].help and typed == f"# TYPE {name} gauge"
        groups.append(name)
        while lines and not lines[0].startswith("#"):
            match = LINE.fullmatch(lines.pop(0))
            assert match and match[1] == name
            labels = re.findall('([a-z]+)="', match[2])
            assert len(labels) == len(set(labels)) and (name, match[2]) not in found
            assert set(labels) - {"project", "dataset"} == set(METRICS[name].labels) and "project" in labels
            found[name, match[2]] = float(match[3])
    assert len(groups) == len(set(groups))
    return found


def of(found: Mapping[tuple[str, str], float], name: str, labels: str = "") -> list[float]:
    """Values of the series of a name that have some labels."""
    return [value for (each, given), value in found.items() if each == name and labels in given]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The smallest project, whose metrics go to a file."""
    scaffold(tmp_path / "churn", "churn")
    configure(tmp_path / "churn", "{textfile: metrics/churn.prom}")
    (tmp_path / "churn/metrics").mkdir()
    return tmp_path / "churn"


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, run once; copied by those who go on from there."""
    root = tmp_path_factory.mktemp("once") / "churn"
    scaffold(root, "churn")
    (root / "metrics").mkdir()
    configure(root, "{textfile: metrics/churn.prom}")
    main(["-C", str(root), "run"])
    return root


@pytest.fixture
def ran(once: Path, tmp_path: Path) -> Path:
    """The smallest project, which published its dataset."""
    return Path(shutil.copytree(once, tmp_path / "ran"))


def configure(root: Path, observability: str) -> None:
    """Set where metrics go."""
    path = root / "potable.yaml"
    kept = path.read_text().split("observability:")[0]
    path.write_text(f"{kept}observability: {observability}\n")


def called(root: Path, capsys: pytest.CaptureFixture[str], *asked: str) -> tuple[int, str, str]:
    """Exit code, result and messages of a command."""
    capsys.readouterr()
    try:
        main(["-C", str(root), *asked])
        code = 0
    except SystemExit as stop:
        code = int(str(stop.code or 0))
    return code, *capsys.readouterr()


def written(root: Path) -> dict[tuple[str, str], float]:
    """What lies in the file."""
    return read((root / "metrics/churn.prom").read_text())


def test_names_and_units_are_those_of_prometheus() -> None:
    for name, metric in METRICS.items():
        assert re.fullmatch("potable_[a-z]+(_[a-z]+)*", name) and name.endswith(UNITS), name
        assert metric.help.endswith(".") and "\n" not in metric.help and "\\" not in metric.help
        assert not {"le", "quantile", "job", "instance", "run"} & set(metric.labels)


@pytest.mark.parametrize("make", records.ALL, ids=lambda make: make.__name__)
def test_any_record_is_told_in_the_text_format(
    make: Callable[[], RunRecord], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = make()
    found = read(exposition(samples(load(root), Standing(record, 1.0))))
    assert of(found, "potable_run_exit_code") == [record.exit_code]
    assert sum(of(found, "potable_table_received_rows")) == sum(table.rows_in for table in record.tables)
    away = sum(table.quarantined + table.nobody for table in record.tables)
    assert sum(of(found, "potable_table_quarantined_rows")) == away
    failed = sum(not check.success for table in record.tables for check in table.checks)
    assert sum(of(found, "potable_failed_checks")) == failed
    beside = record.dataset.beside if record.dataset else None
    moved = [1, 1] if beside and beside.shifts else []
    assert of(found, "potable_drifted_columns") == moved


def test_signs_in_labels_are_escaped() -> None:
    hostile: list[Sample] = [("potable_table_rows", {"project": "a", "table": 'b"\\c\nd'}, 1)]
    text = exposition(hostile)
    assert read(text) and text.endswith('{project="a",table="b\\"\\\\c\\nd"} 1\n')


def test_a_published_run_is_told_whole(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = int(time.time())
    code, _, err = called(root, capsys, "run")
    assert code == 0 and "warning" not in err
    found = written(root)
    # a first version is compared with none, and nobody may be identified
    every = set(METRICS) - {"potable_drifted_columns", "potable_identify_calls", "potable_identified_people"}
    assert {name for name, _ in found} == every
    assert all('project="churn",dataset="customer_churn"' in labels for _, labels in found)
    assert of(found, "potable_run_exit_code") == [0] and of(found, "potable_dataset_version") == [1]
    start, end = (of(found, f"potable_run_{each}_timestamp_seconds")[0] for each in ("start", "end"))
    assert before <= start <= end
    assert of(found, "potable_dataset_confirmed_timestamp_seconds") == [end]
    assert of(found, "potable_run_memory_limit_bytes") == [1 << 30]
    assert of(found, "potable_source_received_bytes", 'source="crm"')[0] > 0
    assert len(of(found, "potable_verb_duration_seconds")) == 6
    path = root / "metrics/churn.prom"
    assert [path] == list(path.parent.iterdir())
    (path.parent / "plain").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((path.parent / "plain").stat().st_mode)

    code, out, err = called(root, capsys, "report", "--format", "prometheus")
    assert code == 0 and out == path.read_text() and not err
    facts = json.loads(called(root, capsys, "report", "--format", "prometheus", "-o", "json")[1])
    assert {fact["name"] for fact in facts} == every
    assert called(root, capsys, "report", "20260101-000000-000aaa", "--format", "prometheus")[0] == 2


def test_a_run_that_finds_nothing_new_confirms_the_version(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = written(ran)
    called(ran, capsys, "run")
    second = written(ran)
    name = "potable_dataset_publish_timestamp_seconds"
    assert of(second, name) == of(first, name)
    name = "potable_dataset_confirmed_timestamp_seconds"
    assert of(second, name) > of(first, name)


def test_doctor_tells_where_metrics_would_not_arrive(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(observability: str) -> list[tuple[str, str]]:
        configure(ran, observability)
        code, out, _ = called(ran, capsys, "doctor", "-o", "json")
        assert code == 0
        return [(each["state"], each["detail"]) for each in json.loads(out) if each["what"] == "metrics"]

    assert told("{textfile: metrics/churn.prom}") == [("ok", "metrics/churn.prom")]
    ((state, detail),) = told("{textfile: nowhere/churn.prom}")
    assert state == "note" and detail.startswith("nowhere/churn.prom: the folder is missing")
    ((state, detail),) = told("{pushgateway: {url: 'http://127.0.0.1:1', timeout: 1s}}")
    assert (state, detail) == ("note", "127.0.0.1:1: ConnectionRefusedError")


def test_what_a_run_landed_is_told_and_not_what_lies_there(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "potable_source_received_bytes"
    whole = sum(path.stat().st_size for path in (ran / "data").glob("*.csv"))
    assert of(written(ran), name, 'source="crm"') == [whole]
    with (ran / "data/customers.csv").open("a", encoding="utf-8") as file:
        file.write("\n")
    _, _, told = called(ran, capsys, "run")
    changed = (ran / "data/customers.csv").stat().st_size
    assert of(written(ran), name, 'source="crm"') == [changed] and changed < whole / 1.2
    assert of(written(ran), name, 'source="desk"') == [0]
    assert f"ingest crm  {human_bytes(changed)}  " in told


def test_a_failed_run_is_told_and_what_stands_stays(
    ran: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = written(ran)

    def refused(*_: object) -> None:
        raise DataError("no", "D005")

    monkeypatch.setattr("potable.runs.runner.opened.commit_version", refused)
    assert called(ran, capsys, "run")[0] == 1
    found = written(ran)
    assert of(found, "potable_run_exit_code") == [1]
    for name in ("potable_dataset_confirmed_timestamp_seconds", "potable_dataset_version"):
        assert of(found, name) == of(before, name)


@pytest.mark.parametrize(("failure", "code"), [(KeyboardInterrupt(), 130), (ZeroDivisionError(), 70)])
def test_a_run_that_ends_otherwise_is_told(
    failure: BaseException, code: int, ran: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(*_: object) -> None:
        raise failure

    monkeypatch.setattr("potable.runs.runner.opened.commit_version", ended)
    assert called(ran, capsys, "run")[0] == code
    assert of(written(ran), "potable_run_exit_code") == [code]


def test_a_run_that_could_not_write_its_record_is_told(
    ran: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_new = Store.put_new

    def refused(self: Store, path: str, data: bytes) -> bool:
        if path.startswith("runs/2"):
            raise EnvironmentFailure("no space", "E004")
        return put_new(self, path, data)

    monkeypatch.setattr(Store, "put_new", refused)
    assert called(ran, capsys, "run")[0] == 3
    found = written(ran)
    assert of(found, "potable_run_exit_code") == [3] and of(found, "potable_dataset_version") == [1]
    start, end = (of(found, f"potable_run_{each}_timestamp_seconds")[0] for each in ("start", "end"))
    assert start <= end


def test_while_a_run_goes_on_its_start_is_told(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[dict[tuple[str, str], float]] = []
    called(ran, capsys, "run")
    with exporting.exporting(load(ran), pytest.fail):
        seen.append(written(ran))
    (going,) = seen
    start, end = (of(going, f"potable_run_{each}_timestamp_seconds")[0] for each in ("start", "end"))
    assert start > end and of(going, "potable_runs_unended") == [1]
    assert of(written(ran), "potable_runs_unended") == [0]


def test_killed_runs_are_counted_by_the_run_that_finds_them(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = load(ran)
    note = replace(records.attrition(), run=run_name(datetime.now(UTC)), project="churn", target="customer_churn")
    with pytest.MonkeyPatch.context() as patch:
        gone = replace(begun.this(), number=2**22 - 1)
        patch.setattr(begun, "this", lambda: gone)
        begun.begin(project.lake(), note)
    found = read(exposition(samples(project, standing(project))))
    assert of(found, "potable_run_exit_code") == [137] and of(found, "potable_runs_unended") == [0]
    called(ran, capsys, "run")
    found = written(ran)
    assert of(found, "potable_runs_killed") == [1] and of(found, "potable_runs_unended") == [0]
    called(ran, capsys, "run")
    assert of(written(ran), "potable_runs_killed") == [0]


def test_runs_for_other_days_and_of_other_projects_are_left_out(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (ran / "metrics/churn.prom").read_bytes()
    assert called(ran, capsys, "run", "--as-of", "2024-03-31")[0] in (0, 1)
    assert (ran / "metrics/churn.prom").read_bytes() == before
    lake = load(ran).lake()
    other = replace(records.failed(), run="29991231-000000-000aaa", project="other")
    lake.open.put_new(f"runs/{other.run}.json", other.to_bytes())
    assert called(ran, capsys, "report", "--format", "prometheus")[1].encode() == before


def test_records_of_the_last_version_are_told(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = written(ran)
    (path,) = (ran / "lake/open/runs").glob("*.json")
    record = json.loads(path.read_text())
    del record["target"], record["killed"]
    path.write_text(json.dumps(record))
    assert read(called(ran, capsys, "report", "--format", "prometheus")[1]) == before


def test_a_project_that_never_ran_has_metrics_too(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(root, capsys, "report", "--format", "prometheus")
    assert code == 0 and {name for name, _ in read(out)} == {"potable_build_info", "potable_runs_unended"}


def test_a_file_that_cannot_be_written_is_a_warning(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(ran, "{textfile: nowhere/churn.prom}")
    code, _, err = called(ran, capsys, "run")
    assert code == 0 and err.count("warning: metrics could not be written to") == 1 and "FileNotFoundError" in err


def test_what_goes_wrong_with_metrics_is_no_failed_run(
    ran: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("Ada Lovelace")

    monkeypatch.setattr(exporting, "standing", broken)
    code, _, err = called(ran, capsys, "run")
    assert (
        code == 0 and err.count("warning: metrics could not be collected: ValueError\n") == 1 and "Lovelace" not in err
    )


# the Pushgateway


class Gateway(ThreadingHTTPServer):
    """Takes what is pushed; answers with a status, after a while."""

    daemon_threads = True

    def __init__(self, status: int = 200, wait: threading.Event | None = None) -> None:
        self.taken: list[tuple[str, str, str, bytes]] = []
        taken = self.taken

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                taken.append((self.path, self.headers["Authorization"], self.headers["Content-Type"], body))
                if wait:
                    wait.wait(10)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def gateways() -> Iterator[Callable[..., Gateway]]:
    """Makes gateways, which end with the test."""
    made: list[Gateway] = []

    def make(*arguments: object) -> Gateway:
        made.append(Gateway(*arguments))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for gateway in made:
        gateway.shutdown()
        gateway.server_close()


SECRET = "s3cr3t-of-the-gateway"


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ("", None),
        ("bearer: '${env:PUSH_SECRET}'", f"Bearer {SECRET}"),
        (
            "basic: {user: ops, password: '${env:PUSH_SECRET}'}",
            f"Basic {base64.b64encode(f'ops:{SECRET}'.encode()).decode()}",
        ),
    ],
)
def test_metrics_are_pushed_when_a_run_begins_and_ends(
    auth: str,
    header: str | None,
    ran: Path,
    gateways: Callable[..., Gateway],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PUSH_SECRET", SECRET)
    gateway = gateways()
    configure(ran, f"{{pushgateway: {{url: '{gateway.url}'{f', auth: {{{auth}}}' if auth else ''}}}}}")
    code, out, err = called(ran, capsys, "run")
    assert code == 0 and "warning" not in err and SECRET not in out + err
    assert len(gateway.taken) == 2
    for path, authorization, kind, body in gateway.taken:
        assert path == "/metrics/job/potable/project/churn/dataset/customer_churn"
        assert (authorization, kind) == (header, "text/plain; version=0.0.4; charset=utf-8")
        assert of(read(body.decode()), "potable_run_start_timestamp_seconds")
    assert of(read(gateway.taken[1][3].decode()), "potable_run_exit_code") == [0]
    kept = [path for path in (ran / "lake").rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert not kept


def test_a_push_that_fails_is_one_warning_and_no_failed_run(
    ran: Path,
    gateways: Callable[..., Gateway],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PUSH_SECRET", SECRET)
    waiting = threading.Event()
    for gateway, problem in ((gateways(403), "HTTP 403"), (gateways(200, waiting), "no answer in time"), (None, "")):
        url = gateway.url if gateway else "http://127.0.0.1:9"
        auth = "auth: {bearer: '${env:PUSH_SECRET}'}"
        configure(ran, f"{{pushgateway: {{url: '{url}', timeout: 1s, {auth}}}}}")
        code, _, err = called(ran, capsys, "run")
        assert code == 0 and err.count("warning: metrics could not be pushed to `127.0.0.1:") == 1
        assert problem in err and SECRET not in err
    assert "ConnectionRefusedError" in err
    waiting.set()


@pytest.mark.parametrize(
    ("value", "path"),
    [("a b@2024", "/x/a%20b%402024"), ("a/b", "/x@base64/YS9i"), ("", "/x@base64/=")],
)
def test_any_name_can_be_a_group(value: str, path: str) -> None:
    assert exporting._labelled("x", value) == path


@pytest.mark.parametrize(
    ("observability", "told"),
    [
        ("{textfile: churn.txt}", "the collector reads only such files"),
        ("{pushgateway: {url: push.example.com}}", "write an address such as"),
        ("{pushgateway: {url: '${env:PUSH_URL}'}}", "write an address such as"),
        ("{pushgateway: {url: 'https://push', timeout: 2m}}", "at most one minute"),
        ("{pushgateway: {url: 'https://push', auth: {bearer: abc}}}", "looks like a credential"),
        ("{pushgateway: {url: 'https://push', auth: {token: '${env:PUSH_URL}'}}}", "unknown key `token`"),
        ("{prometheus: 9090}", "unknown key `prometheus`"),
    ],
)
def test_wrong_settings_are_told(
    observability: str, told: str, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUSH_URL", f"https://ops:{SECRET}@push.example.com")
    configure(root, observability)
    code, _, err = called(root, capsys, "check")
    assert code == 2 and told in err and SECRET not in err
