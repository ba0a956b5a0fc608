"""A run works on what is landed while other sources still are; what fails is told as if it had waited for all."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from tests.runs.conftest import make_small
from tests.sources.web import Answer, Server

from potable.project import Project, load
from potable.runs.record import Event, RunRecord
from potable.runs.runner import Options, run

PEOPLE = """
source: {name}
type: csv
path: {name}.csv
tables:
  people:
    columns:
      emp_no: {{type: string, key: emp_no, required: true}}
      grade: {{type: integer, category: none}}
    unique: [emp_no]
    checks:
      - expect_table_row_count_to_be_between: {{min_value: {least}}}
"""
SURVEY = """
source: survey
type: rest
url: {url}
pace: {{attempts: 1}}
tables:
  answers:
    endpoint: answers
    records: items
    pagination: {{next_link: next}}
    columns:
      emp_no: {{type: string, key: emp_no}}
      score: {{type: integer, category: none}}
    checks:
      - expect_table_row_count_to_be_between: {{min_value: {least}}}
"""


def page(server: Server, *, more: bool) -> Answer:
    body = {
        "items": [{"emp_no": "E1" if more else "E2", "score": 4}],
        "next": f"{server.url}/answers?page=2" if more else None,
    }
    return 200, {}, json.dumps(body).encode()


def project(root: Path, server: Server, *, least: int = 1, answers: int = 1) -> Project:
    """HR files, and a survey that is asked of a server."""
    root.joinpath("sources").mkdir(parents=True)
    root.joinpath("potable.yaml").write_text("project: waiting\nthreads: 2\n")
    for name in ("alumni", "hr"):
        root.joinpath(f"{name}.csv").write_text("emp_no,grade\nE1,3\nE2,5\n")
        contract = PEOPLE.format(name=name, least=least if name == "hr" else 1)
        root.joinpath(f"sources/{name}.yaml").write_text(contract)
    root.joinpath("sources/survey.yaml").write_text(SURVEY.format(url=server.url, least=answers))
    return load(root)


def told(record: RunRecord) -> list[tuple[str, str]]:
    return [(step.step, step.state) for step in record.steps]


def waiting(server: Server, answer: Answer | None = None) -> tuple[threading.Event, list[bool]]:
    """The server's last page comes when the event is set; whether it was, in time."""
    done, met = threading.Event(), list[bool]()

    def last(query: dict[str, list[str]]) -> Answer:
        met.append(done.wait(20))
        return answer or page(server, more=False)

    server.answers = [page(server, more=True), last]
    return done, met


def test_tables_are_validated_while_an_api_still_is_read(tmp_path: Path, server: Server) -> None:
    done, met = waiting(server)
    seen: list[str] = []

    def listener(event: Event) -> None:
        if event.state in ("done", "failed"):
            seen.append(event.step)
        if {"validate hr.people", "validate alumni.people"} <= set(seen):
            done.set()

    record = run(project(tmp_path, server), Options(only=None, select=("hr", "alumni", "survey")), listener)
    assert record.outcome == "done", record.error
    assert met == [True], "the last page was asked for before the other tables were validated"
    assert seen.index("validate hr.people") < seen.index("ingest survey")
    # the record tells the steps as they are declared
    assert told(record) == [
        *((f"ingest {name}", "done") for name in ("alumni", "hr", "survey")),
        *((f"validate {name}", "done") for name in ("alumni.people", "hr.people", "survey.answers")),
    ]
    again = run(load(tmp_path), Options(select=("hr", "alumni", "survey")), lambda event: None)
    assert [state for step, state in told(again) if step.startswith("validate hr")] == ["skipped"]


def test_a_table_that_stops_the_run_does_so_when_all_is_landed(tmp_path: Path, server: Server) -> None:
    done, _ = waiting(server)

    def listener(event: Event) -> None:
        if event.step == "validate hr.people" and event.state == "failed":
            done.set()

    record = run(project(tmp_path, server, least=9), Options(select=("hr", "survey")), listener)
    assert record.exit_code == 1 and record.error["code"] == "D001" and "`hr.people`" in record.error["problem"]
    assert told(record)[:3] == [("ingest hr", "done"), ("ingest survey", "done"), ("validate hr.people", "failed")]
    assert len(told(record)) == 3, "what comes after it is not validated"


def test_of_two_tables_that_stop_the_run_the_first_declared_is_told(tmp_path: Path, server: Server) -> None:
    server.answers = [page(server, more=False)]
    # the survey is landed first, or last: the answer is the same
    record = run(project(tmp_path, server, least=9, answers=9), Options(select=("hr", "survey")), lambda event: None)
    assert record.error["code"] == "D001" and "`hr.people`" in record.error["problem"]


def test_a_source_that_fails_is_told_before_a_table_that_does(tmp_path: Path, server: Server) -> None:
    done, _ = waiting(server, (500, {}, b""))

    def listener(event: Event) -> None:
        if event.step == "validate hr.people" and event.state == "failed":
            done.set()

    record = run(project(tmp_path, server, least=9), Options(select=("hr", "survey")), listener)
    assert record.exit_code == 3 and "survey" in record.error["text"]
    assert ("validate hr.people", "failed") in told(record) and ("ingest survey", "failed") in told(record)


@pytest.mark.parametrize("only", ["ingest", "validate"])
def test_a_verb_asked_for_alone_does_nothing_else(tmp_path: Path, server: Server, only: str) -> None:
    server.answers = [page(server, more=False)]
    made = project(tmp_path, server)
    if only == "validate":
        assert run(made, Options(only="ingest"), lambda event: None).outcome == "done"
    record = run(made, Options(only=only), lambda event: None)  # type: ignore[arg-type]
    assert {step.split()[0] for step, _ in told(record)} == {only}


def test_what_comes_in_is_told_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("potable.runs.landing._PAUSE", -1)
    events: list[Event] = []
    make_small(tmp_path / "small").run("ingest", events.append)
    going = [event for event in events if event.state == "progress"]
    assert max(event.bytes for event in going) > 0 and not any(event.rows for event in going)
