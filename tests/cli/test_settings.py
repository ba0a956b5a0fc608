"""What is advised to do next can be pasted where a command was called."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from potable.cli.app import cli, main
from potable.cli.settings import Settings, as_json, show_text
from potable.errors import Place, PotableError, ProjectError


@pytest.mark.parametrize(
    ("folder", "environment", "called"),
    [
        (".", None, "potable show"),
        ("my work", None, "potable -C 'my work' show"),
        (".", "prod", "potable --env prod show"),
        ("work", "prod", "potable -C work --env prod show"),
    ],
)
def test_the_next_command_has_the_folder_and_the_environment(folder: str, environment: str | None, called: str) -> None:
    settings = Settings(Path(folder), environment)
    assert settings.called("potable show") == called
    for other in ("potable init DIRECTORY", "potable -C x check", "pip install 'potable[spark]'", ""):
        assert settings.called(other) == other


def test_texts_and_errors_are_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with click.Context(cli, obj=Settings(Path("work"), None)):
        show_text("done; next: potable show\n  next         potable run --only ingest\nnext: potable init X")
    told = "done; next: potable -C work show\n  next         potable -C work run --only ingest\nnext: potable init X\n"
    assert capsys.readouterr().out == told
    assert CliRunner().invoke(cli, ["init", str(tmp_path / "p")]).exit_code == 0
    failure = CliRunner().invoke(cli, ["-C", str(tmp_path / "p"), "report"]).exception
    assert (
        isinstance(failure, PotableError)
        and failure.next == f"potable -C {tmp_path / 'p'} source discover NAME --write"
    )
    (tmp_path / "q").mkdir()
    with pytest.raises(PotableError) as caught:
        cli.main(["-C", str(tmp_path / "q"), "check"], standalone_mode=False)
    assert caught.value.next == "potable init DIRECTORY"


@pytest.mark.parametrize(("option", "value"), [("--env", "NAME"), ("-C", "DIR")])
def test_where_folder_and_environment_stand_is_told(option: str, value: str) -> None:
    with pytest.raises(click.UsageError, match=f"{option} goes before the command: potable {option} {value} run"):
        cli.main(["run", option, "prod"], standalone_mode=False)


def test_a_folder_that_was_replaced_meanwhile_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p").mkdir()
    monkeypatch.chdir(tmp_path / "p")
    (tmp_path / "p").rmdir()
    with pytest.raises(ProjectError, match="is gone"):
        cli.main(["check"], standalone_mode=False)


def bug(*_: object, **__: object) -> None:
    raise ZeroDivisionError("secret")


@pytest.mark.parametrize("asked", [["-o", "json"], ["-ojson"], ["--output", "json"], ["--output=json"]])
def test_whoever_asks_for_json_gets_errors_in_it_too(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["-C", str(tmp_path), "check", *asked])
    said = capsys.readouterr()
    assert (ended.value.code, json.loads(said.out)["error"]["code"]) == (2, "P001") and said.err.startswith(
        "error[P001]"
    )

    monkeypatch.setattr("potable.project.load", bug)
    with pytest.raises(SystemExit) as ended:
        main(["-C", str(tmp_path), "check", *asked])
    said = capsys.readouterr()
    assert (ended.value.code, json.loads(said.out)["error"]["code"]) == (
        70,
        "X001",
    ) and "secret" not in said.out + said.err


@pytest.mark.parametrize("asked", ["", "1"])
def test_where_a_bug_was_met_is_shown_to_whoever_asks(
    asked: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("potable.project.load", bug)
    monkeypatch.setenv("POTABLE_TRACEBACK", asked)
    with pytest.raises(SystemExit):
        main(["-C", str(tmp_path), "check"])
    said = capsys.readouterr().err
    assert f"next:    potable -C {tmp_path}" in said
    assert ("ZeroDivisionError: secret" in said) is bool(asked)


def test_commands_inside_hints_have_them_too(tmp_path: Path) -> None:
    settings = Settings(Path("work"), None)
    hint = "`potable plan` tells; `potable init --example churn EXAMPLE` has one, `potable -C x check` too"
    assert settings.told(hint) == hint.replace("`potable plan`", "`potable -C work plan`")
    assert CliRunner().invoke(cli, ["init", str(tmp_path / "p")]).exit_code == 0
    (tmp_path / "p" / "sources" / "s.yaml").write_text("source: s\ntype: csv\npath: x\ntables: {t: {}}\n")
    failure = CliRunner().invoke(cli, ["-C", str(tmp_path / "p"), "check"]).exception
    assert isinstance(failure, PotableError) and f"`potable -C {tmp_path / 'p'} source discover`" in failure.hint


def test_what_a_terminal_would_obey_is_never_printed() -> None:
    name = "a\x1b]0;b\x07\nerror[X001] c\x9b2J\u202ed\u2028é"
    failure = PotableError(f"`{name}` is wrong", given=name, hint=name)
    assert all(line.isprintable() for line in failure.text().split("\n")) and failure.text().count("\nerror") == 0
    shown = as_json({"given": name})
    assert json.loads(shown) == {"given": name} and "é" in shown
    assert all(line.isprintable() for line in shown.split("\n"))


def test_what_json_has_no_form_for_is_a_time_with_zone_a_number_or_null() -> None:
    facts = {
        "moment": datetime(2024, 5, 1, 12, 30),
        "day": date(2024, 5, 1),
        "amount": Decimal("12.50"),
        "place": Place("a.yaml", 3, 1),
        "odd": [float("nan"), Decimal("inf"), 1.5],
    }
    assert json.loads(as_json(facts), parse_constant=lambda name: name) == {
        "moment": "2024-05-01T12:30:00+00:00",
        "day": "2024-05-01",
        "amount": 12.5,
        "place": {"file": "a.yaml", "line": 3, "column": 1},
        "odd": [None, None, 1.5],
    }


@pytest.mark.parametrize("typed", [["check", "--sideways"], ["show", "--rows", "many"], ["run", "--scoring"]])
def test_a_command_that_was_typed_wrongly_prints_json_too(typed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*typed, "-o", "json"])
    said = capsys.readouterr()
    error = json.loads(said.out)["error"]
    assert (ended.value.code, error["code"], error["exit_code"]) == (2, "P050", 2)
    assert said.err.startswith("Usage: ") and error["problem"] in said.err
