"""What all commands share: the project they work on, and how a result is printed."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from potable.errors import EnvironmentFailure, PotableError, ProjectError, Several, unexpected

if TYPE_CHECKING:
    from potable.project import Project

PENDING = 5
"""Exit code of commands that only look, when something would change."""
_FORMATS = click.Choice(["text", "json"])
_NEXT = re.compile(r"(\bnext:? +)(potable (?!init\b|-).*)")
_QUOTED = re.compile(r"(`)(potable (?!init\b|-)[^`]*)(?=`)")
_OBEYED = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters that JSON lets pass, and those that turn the direction of a line."""


def require_here() -> None:
    """Nothing, where the folder a command was called in is there.

    Raises:
        ProjectError: P001, it was removed, as a deployment does that replaces it.
    """
    try:
        Path.cwd()
    except FileNotFoundError:
        problem, hint = "the folder this command was called in is gone", "it was removed or replaced: `cd` to it again"
        raise ProjectError(problem, "P001", hint=hint) from None


class Settings:
    """What all commands share: the project folder, the environment, the output format."""

    def __init__(self, folder: Path, environment: str | None) -> None:
        self.folder = folder
        self.environment = environment

    def project(
        self, *, offline: bool | Literal["sources"] = False, as_of: date | None = None, scoring: bool = False
    ) -> Project:
        """The project, loaded and checked; `offline` for commands that reach no source, or runs that land nothing."""
        from potable.project import load

        return load(self.folder, environment=self.environment, offline=offline, as_of=as_of, scoring=scoring)

    def called(self, command: str) -> str:
        """A command of ours with the folder and the environment that this one was called with."""
        given = ["-C", str(self.folder)] if self.folder != Path() else []
        given += ["--env", self.environment] if self.environment else []
        ours = command.startswith("potable ") and not command.startswith(("potable -", "potable init"))
        return f"potable {shlex.join(given)} {command.removeprefix('potable ')}" if ours and given else command

    def told(self, text: str) -> str:
        """A text with every command in it as `called`."""

        def called(found: re.Match[str]) -> str:
            return found[1] + self.called(found[2])

        return _QUOTED.sub(called, _NEXT.sub(called, text))


class Commands(click.Group):
    """All commands; what an error advises to do next can be pasted where it was called."""

    def invoke(self, ctx: click.Context) -> Any:
        """The command's result."""
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as unknown:
            own = {name: option.metavar for option in self.params for name in option.opts if option.metavar}
            if (name := unknown.option_name) in own:
                where = f"potable {name} {own[name]} {ctx.invoked_subcommand}"
                raise click.UsageError(f"{name} goes before the command: {where}", ctx) from None
            raise
        except PotableError as failure:
            for error in failure.errors if isinstance(failure, Several) else (failure,):
                error.next, error.hint = ctx.obj.called(error.next), ctx.obj.told(error.hint)
            raise
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as failure:
            told = unexpected(failure)
            told.next, told.hint = ctx.obj.called(told.next), ctx.obj.told(told.hint)
            raise told from failure


def output_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`-o text|json` on a command."""
    return click.option("-o", "--output", type=_FORMATS, default="text", help="Output format.")(command)


def as_json(facts: Any) -> str:
    """Data as JSON for people and programs, without what a terminal obeys or shows another way round.

    Times are in ISO 8601 with their distance from UTC, which they are in where they do not say it. JSON has no infinite
    numbers, nor any that are none; null stands for them.
    """
    try:
        text = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:
        told = json.dumps(facts, ensure_ascii=False, default=_plain)
        text = json.dumps(json.loads(told, parse_constant=lambda _: None), indent=2, ensure_ascii=False)
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _plain(value: Any) -> Any:
    """A value that JSON has no form of its own for."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return float(value) if isinstance(value, Decimal) else str(value)


@contextmanager
def writing(name: object) -> Iterator[None]:
    """Around the writing of a file or folder that the user named.

    Raises:
        EnvironmentFailure: E004, it cannot be written.
    """
    try:
        yield
    except OSError as failure:
        problem = f"`{name}` cannot be written ({type(failure).__name__})"
        raise EnvironmentFailure(
            problem, "E004", hint="does the folder exist, is the disk full, and may this user write there?"
        ) from None


def show_result(output: str, facts: Any, text: str, *, failed: bool = False) -> None:
    """The command's one result on stdout; a failed run's text goes to stderr."""
    if output == "json":
        click.echo(as_json(facts))
    else:
        show_text(text, err=failed)


def show_text(text: str, *, err: bool = False) -> None:
    """A text in which the next command can be pasted where this one was called."""
    context = click.get_current_context(silent=True)
    settings = context.find_object(Settings) if context else None
    if settings:
        text = settings.told(text)
    click.echo(text, err=err)
