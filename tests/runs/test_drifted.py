"""Changes of a source's structure, as validate records them: first batch, first object, shape of an example."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.runs.test_layers import COLUMNS, Notes, notes_project, open_notes, text
from tests.sources.objects import blob

from potable import plugins
from potable.contracts.drift import Drift
from potable.errors import DataError
from potable.project import Project
from potable.runs.drifted import described
from potable.sources.xml import XmlSource

FULL = text(("E1", "2020-01-31", "2020-02-01 10:00:00", "1", "0"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return notes_project(tmp_path_factory.mktemp("drifted") / "project")


@pytest.fixture
def notes(project: Project, tmp_path: Path) -> Notes:
    engine = plugins.load("engines", "duckdb")(memory=1 << 28, threads=1, scratch=tmp_path / "scratch")
    return open_notes(project, engine, tmp_path / "root")


def test_each_change_is_recorded_with_its_first_batch_and_a_shape(notes: Notes) -> None:
    notes.land(m=FULL)
    assert notes.layered().facts["drift"] == []
    wide = ("E2", "2020-01-31", "", "2.5", "0", "Bangalore-7")
    notes.land(a=text(wide, columns=[*COLUMNS, "city"]))
    made = notes.layered()
    assert made.facts["drift"] == notes.whole().facts["drift"]
    assert [(item["change"], item["column"]) for item in made.facts["drift"]] == [
        ("new_column", "city"),
        ("widened", "amount"),
    ]
    new, wider = made.facts["drift"]
    assert (new["first"], new["batch"], new["example"]) == ("a.csv", 2, "Aaaaaaaaa-9")
    assert (wider["first"], wider["batch"], wider["example"]) == ("a.csv", 2, "9.9")
    assert wider["detail"] == "integer → decimal(19,1), 1 value"


def test_a_renamed_column_stops_the_run_and_says_what_to_write(notes: Notes) -> None:
    notes.land(m=FULL)
    notes.layered()
    notes.land(a=text(("E2", "2020-01-31", "", "7", "0"), columns=["emp_no", "day", "seen", "amountPaid", "level"]))
    with pytest.raises(DataError) as caught:
        notes.layered()
    assert caught.value.code == "D002"
    assert "seems to have renamed `amount`" in caught.value.text()
    assert "amount: {path: [amount, amountPaid]}" in caught.value.text()


def test_an_element_no_column_could_take_does_not_keep_others_from_an_example(tmp_path: Path) -> None:
    table = {"record": "/r/p", "columns": {"a": {"type": "integer"}}}
    source = XmlSource.model_validate({"source": "s", "type": "xml", "path": "x", "tables": {"t": table}})
    held = blob(tmp_path, b"<r><p><a>1</a><b>Xy</b><d>1</d><d>2</d></p></r>", "f.xml")
    new = [Drift("new_column", "b", 1, "f.xml", 1), Drift("new_column", "d", 1, "f.xml", 1)]
    assert [item.example for item in described(source, "t", new, {"f.xml": held})] == ["Aa", ""]
