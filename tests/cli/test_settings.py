"""What is advised to do next can be pasted where a command was called."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from potable.cli.app import cli
from potable.cli.settings import Settings, show_text
from potable.errors import PotableError


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
    with pytest.raises(PotableError) as caught:
        cli.main(["-C", str(tmp_path), "check"], standalone_mode=False)
    assert caught.value.next == "potable init DIRECTORY"


def test_commands_inside_hints_have_them_too(tmp_path: Path) -> None:
    settings = Settings(Path("work"), None)
    hint = "`potable plan` tells; `potable init --example churn EXAMPLE` has one, `potable -C x check` too"
    assert settings.told(hint) == hint.replace("`potable plan`", "`potable -C work plan`")
    assert CliRunner().invoke(cli, ["init", str(tmp_path / "p")]).exit_code == 0
    (tmp_path / "p" / "sources" / "s.yaml").write_text("source: s\ntype: csv\npath: x\ntables: {t: {}}\n")
    failure = CliRunner().invoke(cli, ["-C", str(tmp_path / "p"), "check"]).exception
    assert isinstance(failure, PotableError) and f"`potable -C {tmp_path / 'p'} source discover`" in failure.hint
