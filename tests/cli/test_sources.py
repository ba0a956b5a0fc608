"""`potable source preview`: what a source gives, before anything is landed, and nobody's values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from potable.cli.app import cli
from potable.errors import DataError, EnvironmentFailure, ProjectError, ProjectErrors

CONTRACT = """\
source: s
type: csv
path: dumps
tables:
  people:
    files: "*.csv"
    columns:
      id: {type: integer, category: none}
      name: {path: "full name", type: string, category: user.name}
      joined: {type: date}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "sources").mkdir()
    (tmp_path / "dumps").mkdir()
    (tmp_path / "sources" / "s.yaml").write_text(CONTRACT)
    (tmp_path / "dumps" / "a.csv").write_text("id,full name,joined,pay\n1,Zoë O'Neil-7,2020-01-31,9\nx,Ann,soon,\n")
    (tmp_path / "dumps" / "b.csv").write_text("id,full name,joined,pay\n3,李雷,2021-05-01,9\n4,Bo,2021-05-02,9,9\n")
    return tmp_path


def asked(project: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["-C", str(project), "source", "preview", "s", *arguments], catch_exceptions=False)


def columns(result: Result, table: str = "people") -> dict[str, dict[str, object]]:
    return {column["column"]: column for column in json.loads(result.stdout)[table]["columns"]}


def test_only_values_of_columns_declared_harmless_are_shown(project: Path) -> None:
    found = columns(asked(project, "-o", "json", "--rows", "2"))
    assert found["id"]["first"] == ["1", None]
    assert found["name"]["first"] == ["Aaa A'Aaaa-9", "Aaa"]
    # a column without a category is protected until somebody says otherwise
    assert found["joined"]["first"] == ["9999-99-99", None]


def test_cells_that_do_not_fit_their_type_are_counted(project: Path) -> None:
    found = columns(asked(project, "-o", "json", "--rows", "2"))
    assert {name: column["unreadable"] for name, column in found.items()} == {"id": 1, "name": 0, "joined": 1}


def test_further_objects_are_read_until_there_are_enough_records(project: Path) -> None:
    assert json.loads(asked(project, "-o", "json", "--rows", "2").stdout)["people"]["rows"] == 2
    found = columns(asked(project, "-o", "json"))
    assert found["id"]["first"] == ["1", None, "3", None]
    assert "aa" in found["name"]["first"]  # type: ignore[operator]


def test_the_text_names_undeclared_columns_and_broken_records_but_no_one(project: Path) -> None:
    text = asked(project).stdout
    assert "not declared: pay" in text
    assert "1 record cannot be parsed" in text
    assert not any(name in text for name in ("Zoë", "Ann", "李雷", "2020-01-31"))


def test_the_object_is_named(project: Path) -> None:
    assert json.loads(asked(project, "-o", "json").stdout)["people"]["object"] == "a.csv"
    assert "s.people: 4 records from a.csv" in asked(project).stdout


def test_what_was_found_out_about_how_objects_are_written_is_told(project: Path) -> None:
    assert json.loads(asked(project, "-o", "json").stdout)["people"]["dialect"] == ["delimiter ,", "encoding utf-8"]
    (project / "dumps" / "b.csv").write_bytes("id\tfull name\tjoined\n3\té\t2021-05-01\n".encode("cp1252"))
    told = "s.people: 3 records from a.csv (delimiter `,` or `tab`, encoding `cp1252` or `utf-8`)"
    assert told in asked(project).stdout.splitlines()[0]


def test_an_object_that_cannot_be_read_is_told_as_one_that_has_not_landed(project: Path) -> None:
    (project / "dumps" / "a.csv").write_text("id,id\n1,2\n")
    with pytest.raises(DataError) as failure:
        asked(project)
    assert failure.value.code == "D007" and failure.value.state == "nothing was landed"
    assert failure.value.next == f"potable -C {project} source preview s" and "raw zone" not in failure.value.text()


def test_a_file_that_names_no_type_is_told_so(project: Path) -> None:
    (project / "sources" / "s.yaml").write_text("source: s\n")
    with pytest.raises(ProjectError) as failure:
        asked(project)
    assert failure.value.text().startswith("error[P004] sources/s.yaml:1:1: `type` is missing")
    with pytest.raises(ProjectError, match="`type` is missing"):
        CliRunner().invoke(cli, ["-C", str(project), "source", "discover", "s"], catch_exceptions=False)


def test_nothing_is_written(project: Path) -> None:
    before = sorted(project.rglob("*"))
    asked(project)
    assert sorted(project.rglob("*")) == before


def test_an_unknown_source_or_table_is_told_with_what_there_is(project: Path) -> None:
    for arguments in (["preview", "z"], ["preview", "s", "--table", "peopel"]):
        with pytest.raises(ProjectError) as failure:
            CliRunner().invoke(cli, ["-C", str(project), "source", *arguments], catch_exceptions=False)
        assert failure.value.code == "P031"


@pytest.mark.parametrize("command", ["preview", "discover"])
def test_a_folder_that_is_no_project_is_told_before_its_sources_are(command: str, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"has no potable\.yaml") as failure:
        CliRunner().invoke(cli, ["-C", str(tmp_path), "source", command, "hrms"], catch_exceptions=False)
    assert failure.value.code == "P001"


def test_a_source_that_cannot_be_read_says_so(project: Path) -> None:
    for path in (project / "dumps").iterdir():
        path.unlink()
    with pytest.raises(EnvironmentFailure) as failure:
        asked(project)
    assert failure.value.code == "E002"


def test_a_wrong_contract_is_told_like_everywhere(project: Path) -> None:
    path = project / "sources" / "s.yaml"
    path.write_text(path.read_text().replace("type: date", "type: dat"))
    with pytest.raises((ProjectError, ProjectErrors)) as failure:
        asked(project)
    assert "sources/s.yaml" in failure.value.text()
