"""`potable init`, and files that commands write where they cannot."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from potable.cli import scaffold
from potable.cli.app import cli
from potable.errors import PotableError


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


@pytest.fixture
def _careful() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_careful")
def test_an_example_is_written_as_new_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "installed" / "small"
    (installed / "sources").mkdir(parents=True)
    (installed / "potable.yaml").write_text("project: small\n", encoding="utf-8")
    (installed / "potable.yaml").chmod(0o444)
    monkeypatch.setattr(scaffold, "_PLACES", (installed.parent,))
    scaffold.scaffold(tmp_path / "mine", "small")
    made = [tmp_path / "mine", *(tmp_path / "mine").rglob("*")]
    assert {oct(path.stat().st_mode & 0o777) for path in made} == {"0o700", "0o600"}


@pytest.mark.parametrize("example", [(), ("--example", "churn")])
def test_the_next_command_can_be_pasted(tmp_path: Path, example: tuple[str, ...]) -> None:
    folder = tmp_path / "a folder (1)"
    text = call("init", *example, str(folder)).stdout
    (line,) = [line for line in text.splitlines() if line.removeprefix("next: ").strip().endswith(" check")]
    words = shlex.split(line.removeprefix("next: "))
    assert words == ["potable", "-C", str(folder), "check"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("init", "{root}/potable.yaml"),
        ("init", "--example", "churn", "{root}/potable.yaml/new"),
        ("-C", "{root}", "airflow", "generate", "{root}/potable.yaml/dag.py"),
        ("-C", "{root}", "schema"),
    ],
)
def test_a_file_that_cannot_be_written_is_no_bug(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    root = tmp_path / "p"
    assert call("init", "--example", "churn", str(root)).exit_code == 0
    schemas = root / ".schemas"
    for file in schemas.iterdir():
        file.unlink()
    schemas.rmdir()
    schemas.write_text("no folder", encoding="utf-8")
    failure = call(*(each.format(root=root) for each in arguments)).exception
    assert isinstance(failure, PotableError) and (failure.code, failure.exit_code) == ("E004", 3)
    assert "cannot be written" in failure.problem


def test_fewer_rows_than_none_cannot_be_shown(tmp_path: Path) -> None:
    assert call("-C", str(tmp_path), "show", "--rows", "-1").exit_code == 2
