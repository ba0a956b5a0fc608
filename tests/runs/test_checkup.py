"""The check-up: what a run finds of the health of its tables, against what earlier runs and versions knew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import open_engine
from tests.runs.test_layers import NOTES, Notes, notes_project, open_notes, text

from potable.contracts.health import Finding
from potable.datasets.version import Version, commit
from potable.engines.base import Engine
from potable.errors import DataError
from potable.project import Project
from potable.runs.checkup import _require, check_up, newest_profile, read_profile
from potable.runs.plan import validate_steps
from potable.store.manifest import canonical

TODAY = date(2024, 7, 10)
HEALTH = "    health: {drift: {level: {psi: 0.1}}}\n"
LOW = text(*((f"E{number}", "2024-06-01", "", "1", str(number % 3)) for number in range(90)))
HIGH = text(*((f"F{number}", "2024-06-02", "", "1", str(7 + number % 3)) for number in range(90)))


@pytest.fixture(scope="module")
def duckdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = open_engine("duckdb", tmp_path_factory.mktemp("scratch"))
    yield engine
    engine.close()


@dataclass
class Clinic:
    """Notes, judged and checked up run by run."""

    notes: Notes
    runs: int = 0
    name: str = ""
    """Of another project in the lake that runs go for; of its own by default."""

    def run(self, outcome: str = "published") -> list[Finding]:
        """Validate what is landed, check it up, and leave the record of a run that ended so."""
        shop, self.runs = self.notes.shop, self.runs + 1
        shop.run = f"run-{self.runs:02d}"
        step, manifest = self.notes.step, self.notes.layered()
        shop.done["validate", "notes.notes"] = (step, manifest)
        try:
            check_up(shop, ["notes.notes"], TODAY)
        except DataError:
            outcome = "failed"
            raise
        finally:
            steps = [{"step": step.label, "state": "done", "fingerprint": step.fingerprint}]
            counts = {name: manifest.counts[name] for name in ("rows_in", "rows")}
            tables = [{"table": "notes.notes", **counts, "batch": manifest.facts["batch"]}]
            told = {"run": shop.run, "project": self.name or shop.project.platform.project}
            record = {**told, "outcome": outcome, "steps": steps, "tables": tables}
            shop.lake.open.put_new(f"runs/{shop.run}.json", canonical(record))
        return list(shop.health.pop("notes.notes", ()))

    def declare(self, **health: Any) -> None:
        """Another contract's health, nothing else being changed."""
        project = self.notes.shop.project
        source = project.sources["notes"]
        table = source.tables["notes"]
        changed = type(table).model_validate({**table.model_dump(by_alias=True), "health": health})
        source = source.model_copy(update={"tables": {"notes": changed}})
        self.notes.shop.project = replace(project, sources={**project.sources, "notes": source})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    source = NOTES.replace("    checks:\n", HEALTH + "    checks:\n")
    source = source.replace("      - expect_table_row_count_to_be_between: {max_value: 14}\n", "")
    return notes_project(tmp_path_factory.mktemp("clinic") / "project", source)


@pytest.fixture
def clinic(project: Project, duckdb: Engine, tmp_path: Path) -> Clinic:
    return Clinic(open_notes(project, duckdb, tmp_path))


def states(found: list[Finding]) -> list[str]:
    return [finding.state for finding in found]


def test_a_batch_is_compared_with_the_one_before(clinic: Clinic) -> None:
    clinic.notes.land(a=LOW)
    assert states(clinic.run()) == ["open"]
    clinic.notes.land(b=LOW.replace("E", "G"))
    assert states(clinic.run()) == ["ok"]
    clinic.notes.land(c=HIGH)
    assert states(clinic.run()) == ["warn"]


def test_a_table_that_is_read_whole_is_compared_with_what_it_was(clinic: Clinic) -> None:
    clinic.notes.land(a=LOW)
    clinic.run()
    clinic.notes.land(a=HIGH)
    assert states(clinic.run()) == ["warn"]
    # a run that changes nothing tells the same again
    assert states(clinic.run()) == ["warn"]


def test_a_run_of_another_project_in_the_lake_is_no_reference(clinic: Clinic) -> None:
    clinic.notes.land(a=LOW)
    clinic.run()
    clinic.name = "other"
    clinic.notes.land(a=HIGH)
    assert states(clinic.run()) == ["warn"]
    clinic.name = ""
    # compared with its own run of before, not with the other's of the same data
    clinic.notes.land(a=HIGH + LOW.splitlines()[1] + "\n")
    assert states(clinic.run()) == ["warn"]


def test_a_run_that_failed_is_no_reference(clinic: Clinic) -> None:
    clinic.notes.land(a=LOW)
    clinic.run()
    clinic.notes.land(a=HIGH)
    clinic.run("failed")
    clinic.notes.land(a=LOW.replace("E", "G"))
    assert states(clinic.run()) == ["ok"]


def test_a_table_that_has_no_rows_any_more_stops_a_run_until_that_is_expected(clinic: Clinic) -> None:
    clinic.declare()
    clinic.notes.land(a=text())
    assert clinic.run() == []
    clinic.notes.land(a=LOW)
    assert clinic.run() == []
    clinic.notes.land(a=text())
    for _ in range(2):
        with pytest.raises(DataError) as failure:
            clinic.run()
        assert (failure.value.code, failure.value.exit_code) == ("D008", 1)
        assert "`notes.notes` breaks `health: volume`" in failure.value.text()
        assert "no usable rows; in the run before it had 90" in failure.value.text()
    expected = {"check": "volume", "until": TODAY, "reason": "notes were moved to another system"}
    clinic.declare(accepted=[expected])
    (found,) = clinic.run()
    assert found.state == "accepted" and "moved to another system" in found.told
    # from now on it is what it was
    assert clinic.run() == []


def test_a_table_that_lost_more_than_half_of_its_rows_is_warned_of_once(clinic: Clinic) -> None:
    clinic.declare()
    for rows, told in ((90, []), (45, []), (22, ["warn"]), (22, []), (90, [])):
        clinic.notes.land(a="".join(LOW.splitlines(keepends=True)[: rows + 1]))
        found = clinic.run()
        assert states(found) == told
        assert all("It has 22 usable rows; in the run before it had 45." in each.told for each in found)


def test_a_table_all_of_whose_rows_are_quarantined_has_none_left(clinic: Clinic) -> None:
    clinic.declare()
    clinic.notes.land(a=LOW)
    clinic.run()
    clinic.notes.land(a=LOW.replace("2024-06-01", "June"))
    with pytest.raises(DataError, match="health: volume"):
        clinic.run()


def test_drift_that_stops_names_the_column_and_no_value(clinic: Clinic) -> None:
    clinic.declare(drift={"level": {"psi": 0.1, "severity": "stop"}})
    clinic.notes.land(a=LOW)
    clinic.run()
    clinic.notes.land(b=HIGH)
    with pytest.raises(DataError, match=r"breaks `health: drift` in `level`") as stopped:
        clinic.run()
    assert (stopped.value.code, stopped.value.exit_code) == ("D008", 1)
    before = clinic.notes.step.fingerprint
    accepted = [{"check": "drift", "column": "level", "until": "2024-12-31", "reason": "a new scale"}]
    clinic.declare(drift={"level": {"psi": 0.1, "severity": "stop"}}, accepted=accepted)
    assert states(clinic.run()) == ["accepted"]
    assert clinic.notes.step.fingerprint == before


def test_a_batch_that_stopped_a_run_goes_on_stopping_until_it_is_mended_or_accepted(clinic: Clinic) -> None:
    health: dict[str, Any] = {"drift": {"level": {"psi": 0.1, "severity": "stop"}}}
    clinic.declare(**health)
    clinic.notes.land(a=LOW)
    clinic.run()
    clinic.notes.land(b=HIGH)
    # what lands after it is as it is itself, and then as all was before
    for name, rows in (("c", HIGH.replace("F", "G")), ("d", LOW.replace("E", "H"))):
        with pytest.raises(DataError, match="breaks `health: drift`"):
            clinic.run()
        clinic.notes.land(**{name: rows})
    with pytest.raises(DataError, match="breaks `health: drift`"):
        clinic.run()
    accepted = [{"check": "drift", "column": "level", "until": "2024-12-31", "reason": "a new scale"}]
    clinic.declare(**health, accepted=accepted)
    assert states(clinic.run()) == ["accepted"]
    clinic.declare(**health)
    clinic.notes.land(e=LOW.replace("E", "I"))
    assert states(clinic.run()) == ["ok"]


def test_a_version_is_compared_with_as_it_was_published(clinic: Clinic) -> None:
    clinic.declare(against="version 1", drift={"level": {"psi": 0.1}})
    clinic.notes.land(a=LOW)
    assert states(clinic.run()) == ["open"]
    shop = clinic.notes.shop
    version = Version(shop.project.dataset, "f", {}, {}, 0, (), {}, "run-01", "2024-07-10")
    commit(shop.lake.versions(shop.project.dataset), version, note=lambda _: None)
    clinic.notes.land(b=HIGH)
    assert states(clinic.run()) == ["warn"]
    shop.project = replace(shop.project, as_of=date(2024, 3, 31))
    assert states(clinic.run()) == ["warn"]
    clinic.notes.land(c=LOW.replace("E", "G"))
    assert states(clinic.run()) == ["ok"]


def test_profiles_of_layers_are_one_file_in_the_restricted_root(clinic: Clinic) -> None:
    clinic.notes.land(a=LOW)
    clinic.run()
    clinic.notes.land(b=HIGH)
    clinic.run()
    store = clinic.notes.shop.lake.restricted
    manifest = clinic.notes.layered()
    assert len(manifest.files["profile"]) == 1
    profile = read_profile(store, manifest)
    assert profile.rows == 180
    assert profile.batches == [1, 2]
    distinct = clinic.notes.shop.distinct["notes.notes"]
    assert distinct["day"] == 2
    assert distinct["emp_no"] == pytest.approx(180, rel=0.05)


def test_a_table_can_be_looked_at_after_a_run_that_failed_later(clinic: Clinic) -> None:
    project, lake = clinic.notes.shop.project, clinic.notes.shop.lake
    assert newest_profile(project, lake, "notes.notes") is None
    clinic.notes.land(a=LOW)
    clinic.run("failed")
    found = newest_profile(project, lake, "notes.notes")
    assert found and found.rows == 90


def test_one_batch_for_all_months_is_judged_by_its_months(clinic: Clinic) -> None:
    clinic.declare(volume=3.5, freshness={"at_most": "30d"})
    days = [f"2024-{month:02d}-0{day}" for month in range(1, 7) for day in range(1, 6)]
    rows = [(f"E{number}", day, "", "1", "0") for day in days for number in range(8 if day < "2024-06" else 1)]
    clinic.notes.land(a=text(*rows))
    found = {finding.check: finding for finding in clinic.run()}
    assert found["volume"].state == "open" and "5 months" in found["volume"].told
    # nothing says when these notes were known, so the day of the note itself tells their age
    assert found["freshness"].told == "The newest `day` is 35 days old; at most 30d allowed."


def test_another_period_counts_anew_and_another_bound_does_not(tmp_path: Path) -> None:
    prints = []
    for number, health in enumerate(("{volume: 3}", "{volume: 4}", "{volume: 4, period: month}", "{period: week}")):
        project = notes_project(tmp_path / str(number), NOTES + f"    health: {health}\n")
        prints.append(validate_steps(project, {"notes": ()}, ["notes.notes"])[0].fingerprint)
    assert prints[0] == prints[1] == prints[2] != prints[3]


def test_a_table_without_a_time_is_judged_by_the_states_it_was_in(clinic: Clinic) -> None:
    clinic.declare(volume=3.5)
    table = clinic.notes.shop.project.sources["notes"].tables["notes"]
    timeless = table.model_copy(update={"time": None, "known": None})
    source = clinic.notes.shop.project.sources["notes"].model_copy(update={"tables": {"notes": timeless}})
    clinic.notes.shop.project = replace(clinic.notes.shop.project, sources={"notes": source})
    for batch in range(1, 8):
        rows = 40 + batch if batch < 7 else 5
        clinic.notes.land(a=text(*((f"E{number}", f"2024-05-{batch:02d}", "", "1", "0") for number in range(rows))))
        found = clinic.run()
        # a run that finds the table as it was adds no state
        assert states(clinic.run() if batch == 3 else found) == (["open"] if batch < 7 else ["warn"])


def test_what_else_stops_is_named_once() -> None:
    drifted = [Finding("drift", "stop", "Drifted.", column="c", measure=measure) for measure in ("psi", "ks")]
    found = {"s.t": [Finding("missing", "stop", "Nulls."), *drifted]}
    with pytest.raises(DataError) as stopped:
        _require(found)
    assert stopped.value.given == "Nulls. Also s.t (drift c)."
    with pytest.raises(DataError) as stopped:
        _require({"s.t": drifted})
    assert stopped.value.given == "Drifted."
