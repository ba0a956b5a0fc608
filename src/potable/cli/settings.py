"""What all commands share: the project they work on, and how a result is printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from datetime import date

    from potable.project import Project

PENDING = 5
"""Exit code of commands that only look, when something would change."""
_FORMATS = click.Choice(["text", "json"])


class Settings:
    """What all commands share: the project folder, the environment, the output format."""

    def __init__(self, folder: Path, environment: str | None) -> None:
        self.folder = folder
        self.environment = environment

    def project(self, *, offline: bool | Literal["sources"] = False, as_of: date | None = None) -> Project:
        """The project, loaded and checked; `offline` for commands that reach no source, or runs that land nothing."""
        from potable.project import load

        return load(self.folder, environment=self.environment, offline=offline, as_of=as_of)


def output_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`-o text|json` on a command."""
    return click.option("-o", "--output", type=_FORMATS, default="text", help="Form of the result.")(command)


def show_result(output: str, facts: Any, text: str, *, failed: bool = False) -> None:
    """The command's one result on stdout; a failed run's text goes to stderr."""
    if output == "json":
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False, default=str))
    else:
        click.echo(text, err=failed)
