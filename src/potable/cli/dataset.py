"""Commands about the dataset: its versions, what is in them and where it comes from, and whose a row is.

Each command is a few lines; what it does lives in the file its first line imports from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from potable.cli.settings import Settings, output_option, show_result

_of_version = click.option(
    "--version", "number", type=int, metavar="N", help="Version of the dataset. [default: the current version]"
)


@click.command()
@click.argument("dataset", required=False)
@_of_version
@click.option("--rows", type=click.IntRange(min=0), default=5, show_default=True, help="Number of rows to show.")
@output_option
@click.pass_obj
def show(settings: Settings, dataset: str | None, number: int | None, rows: int, output: str) -> None:
    """Show a version of the dataset, its first rows, and which other versions there are."""
    from potable.cli.showing import shown

    facts, text = shown(settings.project(offline=True), dataset, rows, number)
    show_result(output, facts, text)


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.argument("dataset", required=False)
@_of_version
@output_option
@click.pass_obj
def get(settings: Settings, directory: Path, dataset: str | None, number: int | None, output: str) -> None:
    """Copy the files of a version into DIRECTORY: CSV, Parquet and card, held to the hashes it was published with.

    Reads only the open root. Files of the same names are replaced together, once all new ones are whole.
    """
    from potable.cli.versions import got

    facts, text = got(settings.project(offline=True), directory, dataset, number)
    show_result(output, facts, text)


@click.command()
@click.argument("dataset", required=False)
@click.option("--from", "old", type=int, metavar="N", help="Older version. [default: the one before the newer version]")
@click.option("--to", "new", type=int, metavar="N", help="Newer version. [default: the current version]")
@output_option
@click.pass_obj
def diff(settings: Settings, dataset: str | None, old: int | None, new: int | None, output: str) -> None:
    """Compare two versions of the dataset: rows, label, columns, definitions, number of changed cells."""
    from potable.cli.comparing import compared

    facts, text = compared(settings.project(offline=True), dataset, old, new)
    show_result(output, facts, text)


@click.command()
@click.argument("feature")
@click.argument("dataset", required=False)
@click.option("--row", metavar="ID", help="Pseudonym of the row. [default: the first row with a value]")
@_of_version
@click.option("--all", "every", is_flag=True, help="Show all records of the person, however many.")
@output_option
@click.pass_obj
def explain(settings: Settings, /, output: str, **asked: Any) -> None:
    """Explain one cell of the dataset: the records it was computed from, those left out, and why.

    Values of records are shown where privacy.yaml publishes them as they are, else as shapes.
    """
    from potable.cli.explaining import explained

    facts, text = explained(settings.project(offline=True), **asked)
    show_result(output, facts, text)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option(
    "--purpose", default="", metavar="TEXT", help="What for: one of the purposes in `identify` of privacy.yaml."
)
@click.option(
    "--out", "target", type=click.Path(path_type=Path, dir_okay=False), help="File to write, outside of the lake."
)
@click.option("--column", default="", metavar="NAME", help="Column of the subject ids; by default as in the dataset.")
@click.option(
    "--log", is_flag=True, help="Instead, show who was told who people are, and whether that record is whole."
)
@output_option
@click.pass_obj
def identify(settings: Settings, /, output: str, log: bool, file: Path | None, **asked: Any) -> None:
    """Write the rows of FILE (scores, CSV or Parquet) with who the people are, where privacy.yaml allows it.

    Needs the restricted root and the vault. Each call is recorded there before anything is written. The written file
    holds personal data and is readable by its owner only. Exit code 4 where it is not allowed.
    """
    from potable.cli.identifying import identified, logged
    from potable.runs.identified import Asked
    from potable.runs.scores import is_parquet

    project = settings.project(offline=True)
    if log:
        if file or any(asked.values()):
            raise click.UsageError("--log goes alone")
        logs, text = logged(project)
        show_result(output, logs, text)
    elif file and asked["purpose"] and asked["target"]:
        if is_parquet(file) != is_parquet(asked["target"]):
            raise click.UsageError("--out: the rows are written in the form they have, CSV or Parquet")
        facts, text = identified(project, Asked(file, **asked))
        show_result(output, facts, text)
    else:
        raise click.UsageError("name the FILE, --purpose and --out, or ask for the --log")
