"""Groups of commands about one thing: sources, how far they were read, what is held back, Airflow; and cleaning.

Each command is a few lines; what it does lives in the file of its group's name.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from potable.cli.settings import PENDING, Settings, output_option, show_result, show_text


@click.group()
def source() -> None:
    """Look into the source systems."""


@source.command("preview")
@click.argument("name", metavar="SOURCE")
@click.option("--table", "wanted", metavar="TABLE", help="Only this table. [default: all]")
@click.option(
    "--rows", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Records to read per table."
)
@output_option
@click.pass_obj
def preview_source(settings: Settings, name: str, wanted: str | None, rows: int, output: str) -> None:
    """Show the tables, types and first records of a SOURCE, without landing anything.

    Values are shown as shapes (Aaaa-99) unless their column is declared with category `none`.
    """
    from potable.cli.sources import previewed

    facts, text = previewed(settings.folder, name, wanted=wanted, rows=rows)
    show_result(output, facts, text)


@source.command("discover")
@click.argument("name", metavar="SOURCE")
@click.option("--rows", type=click.IntRange(1), default=10_000, show_default=True, help="Records to read per table.")
@click.option("--write", is_flag=True, help="Write the contract into the source's file, if no table has columns yet.")
@click.option(
    "--words", is_flag=True, help="Show words of small value sets that many records share; they may be names."
)
@output_option
@click.pass_obj
def discover_source(settings: Settings, name: str, rows: int, write: bool, words: bool, output: str) -> None:
    """Suggest a contract for SOURCE from its first records: columns, types, keys, categories, checks.

    sources/SOURCE.yaml must declare the type of the system and where it is; its tables need no columns yet. Nothing is
    landed.
    """
    from potable.cli.discovering import discovered

    facts, text = discovered(settings.folder, name, rows=rows, write=write, words=words)
    show_result(output, facts, text)


@source.command("reconcile")
@click.argument("name", metavar="TABLE")
@output_option
@click.pass_obj
def reconcile_source(settings: Settings, name: str, output: str) -> None:
    """Compare the landed records of TABLE (hrms.people) with what the source has now, by month of its `time`.

    Reads the whole source and lands nothing. Exit code 1 if records of the source are not landed.
    """
    from potable.cli.reconciling import reconciled

    facts, text = reconciled(settings.project(), name)
    show_result(output, facts, text)
    if facts["missing"]:
        sys.exit(1)


@click.group()
def contract() -> None:
    """Suggest contracts of tables, and exchange them with other tools."""


@contract.command("suggest")
@click.argument("select", metavar="SOURCE|TABLE")
@click.option(
    "--words", is_flag=True, help="Show words of small value sets that many records share; they may be names."
)
@click.option("--fresh", is_flag=True, help="Suggest everything, also what is already declared.")
@output_option
@click.pass_obj
def suggest_contract(settings: Settings, select: str, words: bool, fresh: bool, output: str) -> None:
    """Suggest additions to the contract of a TABLE (payroll.payslips), from everything that is landed.

    Prints YAML to copy into the contract: types, required columns, keys, ranges with headroom, sets, patterns and
    categories, each with its evidence; then where the records contradict the contract. Values of protected columns are
    not shown.
    """
    from potable.cli.suggesting import Asked, suggested

    facts, text = suggested(settings.project(offline=True), select, Asked(words, fresh))
    show_result(output, facts, text)


_FORM = click.option(
    "--format",
    "form",
    type=click.Choice(["odcs", "gx"]),
    required=True,
    help="odcs: the Open Data Contract Standard 3.1; gx: a suite of Great Expectations.",
)


@contract.command("export")
@click.argument("select", metavar="SOURCE|TABLE")
@_FORM
@click.pass_obj
def export_contract(settings: Settings, select: str, form: str) -> None:
    """Print the contract of a SOURCE or TABLE in the format of another tool (a suite: of one table).

    What the Open Data Contract Standard cannot express is written as custom properties, which `import` reads back.
    """
    from potable.cli.exchange import exported

    click.echo(exported(settings.project(offline=True), select, form).rstrip("\n"))


@contract.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_FORM
def import_contract(file: Path, form: str) -> None:
    """Print a contract of another tool as YAML of a source's file, and list what could not be imported.

    Suites may come from Great Expectations 1.x or 0.18. To run one unchanged, name it as `suite` of a table instead.
    """
    from potable.cli.exchange import imported

    click.echo(imported(file, form).rstrip("\n"))


@click.group()
def state() -> None:
    """Show how far each source was read, or go back to an earlier batch."""


@state.command("show")
@click.argument("source", required=False)
@output_option
@click.pass_obj
def show_state(settings: Settings, source: str | None, output: str) -> None:
    """Show how far every SOURCE was read and what the next run will read; of one SOURCE also its batches."""
    from potable.cli.state import shown

    facts, text = shown(settings.project(offline=True), source)
    show_result(output, facts, text)


@state.command("rewind")
@click.argument("source")
@click.option("--to", type=int, required=True, metavar="BATCH", help="Batch to go back to.")
@output_option
@click.pass_obj
def rewind_state(settings: Settings, source: str, to: int, output: str) -> None:
    """Go back to the state of a SOURCE after BATCH; nothing is removed from the raw zone."""
    from potable.cli.state import rewound

    facts, text = rewound(settings.project(offline=True), source, to)
    show_result(output, facts, text)


@click.group()
def quarantine() -> None:
    """Look at quarantined records, and release them once they pass."""


@quarantine.command("list")
@click.argument("table", required=False)
@output_option
@click.pass_obj
def list_quarantine(settings: Settings, table: str | None, output: str) -> None:
    """Show how many rows of every TABLE (payroll.payslips) are quarantined, by reason."""
    from potable.cli.quarantine import listed

    facts, text = listed(settings.project(offline=True), table)
    show_result(output, facts, text)


@quarantine.command("show")
@click.argument("table")
@click.option(
    "--reason", default="", metavar="REASON", help="Only records with this reason (or one that starts with it)."
)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Number of records to show.")
@output_option
@click.pass_obj
def show_quarantine(settings: Settings, table: str, reason: str, limit: int, output: str) -> None:
    """Show quarantined records of TABLE: where they are, since when, why, and their values as shapes."""
    from potable.cli.quarantine import shown

    facts, text = shown(settings.project(offline=True), table, reason=reason, limit=limit)
    show_result(output, facts, text)


@quarantine.command("export")
@click.argument("table")
@click.option("--to", "target", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write.")
@click.option("--why", required=True, help="Reason, recorded in the audit log.")
@click.option(
    "--reason", default="", metavar="REASON", help="Only records with this reason (or one that starts with it)."
)
@output_option
@click.pass_obj
def export_quarantine(settings: Settings, table: str, target: Path, why: str, reason: str, output: str) -> None:
    """Write the quarantined records of TABLE, with their original content, to a file (NDJSON).

    Each record comes with its object, its number in it and its reasons; of CSV, fixed-width and XML files also with the
    line it begins in (`line`), of XML with the bytes before it (`offset`), both counted in the unpacked file.

    The file holds personal data and only its owner can read it; the audit log records who wrote it and why.
    """
    from potable.cli.quarantine import exported

    facts, text = exported(settings.project(offline=True), table, reason=reason, target=target, why=why)
    show_result(output, facts, text)


@quarantine.command("replay")
@click.argument("tables", nargs=-1)
@output_option
@click.pass_obj
def replay_quarantine(settings: Settings, tables: tuple[str, ...], output: str) -> None:
    """Validate again and release records that pass now that a contract or source was fixed (default: all TABLES)."""
    from potable.cli.output import Progress
    from potable.cli.quarantine import replayed

    with Progress() as progress:
        record, facts, text = replayed(settings.project(), tables, progress)
    if record.error:
        show_text(record.error["text"] + "\n", err=True)
    if output == "json" or not record.error:
        failure = {"error": record.error, "exit_code": record.exit_code}
        show_result(output, failure if record.error else facts, text)
    sys.exit(record.exit_code)


@click.group()
def airflow() -> None:
    """Run the project in Airflow 3."""


@airflow.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--check", "compare", is_flag=True, help="Write nothing; exit with code 5 if the file is out of date.")
@output_option
@click.pass_obj
def generate(settings: Settings, file: Path | None, compare: bool, output: str) -> None:
    """Write the project's DAG as one static FILE that imports only Airflow (dags/PROJECT.py)."""
    from potable.cli.airflow import generated

    project = settings.project(offline=True)
    facts, text, fresh = generated(project, file, environment=settings.environment, check=compare)
    show_result(output, facts, text)
    if not fresh:
        sys.exit(PENDING)


@click.command()
@click.option("--delete", is_flag=True, help="Remove the files; without this option they are only listed.")
@click.option(
    "--older-than", default="7d", show_default=True, metavar="AGE", help="Only files older than this: 7d, 2w, 1mo."
)
@click.option(
    "--keep-versions",
    "keep",
    type=click.IntRange(min=1),
    metavar="N",
    help="Keep the files of the newest N versions of the dataset and of each DATASET@DATE. [default: all]",
)
@click.option("--reason", "why", default="", help="Reason, recorded in the audit log.")
@output_option
@click.pass_obj
def gc(settings: Settings, /, output: str, **asked: Any) -> None:
    """List files of the lake that are not needed any more, by zone; --delete removes them.

    Everything that the next run would reuse or read is kept, and so is what runs used within --older-than. Raw objects,
    keys, the ledger, run records and the audit log are never removed.
    """
    from potable.cli.cleaning import cleaned

    facts, text = cleaned(lambda day, scoring: settings.project(offline="sources", as_of=day, scoring=scoring), **asked)
    show_result(output, facts, text)
