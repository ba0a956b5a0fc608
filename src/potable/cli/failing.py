"""How a command that fails says so: as text on stderr, and in place of its result where that was asked for as data.

Entry: `tell`, `tell_interrupted`.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import click

from potable.cli.settings import as_json
from potable.errors import Interrupted, PotableError, ProjectError
from potable.runs.stopping import stopped

if TYPE_CHECKING:
    from potable.cli.answers.dataset import Line
    from potable.cli.answers.failure import Error, Failure


def tell(failure: PotableError, given: Sequence[str]) -> None:
    """Say what went wrong, in both forms.

    Args:
        given: what was typed after `potable`.
    """
    _instead(failure, given)
    click.echo(failure.text(), err=True)


def tell_mistyped(failure: click.ClickException, given: Sequence[str]) -> None:
    """Say what is wrong with the command itself; how it is used stands beside it."""
    failure.show()
    _instead(ProjectError(failure.format_message(), "P050", state="nothing ran"), given)


def tell_interrupted(given: Sequence[str], command: str) -> None:
    """Say that somebody wanted it to end, and how a run goes on."""
    again, failure = shlex.join(["potable", *given]), Interrupted(sign := stopped() or "SIGINT")
    if command == "run":
        click.echo(f"interrupted; finished steps are kept, run `{again}` to continue", err=True)
    else:
        click.echo("interrupted", err=True)
        failure.problem, failure.state = f"the command was interrupted by {sign}", ""
    failure.next = again
    _instead(failure, given)


def failed(failure: PotableError) -> Failure:
    """What `-o json` prints in place of a result."""
    return {"error": cast("Error", failure.told()), "exit_code": failure.exit_code}


def _instead(failure: PotableError, given: Sequence[str]) -> None:
    """What stands on stdout in place of a result that was asked for as data."""
    asked = {*given, *map(" ".join, pairwise(given))}
    if asked & {"-o json", "-ojson", "--output json", "--output=json"}:
        click.echo(as_json(failed(failure)))
    elif asked & {"-o line", "-oline", "--output line", "--output=line"}:
        line: Line = {"exit_code": failure.exit_code, "error": failure.code}
        click.echo(json.dumps(line))
