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
    """Look at the systems the facts come from."""


@source.command("preview")
@click.argument("name", metavar="SOURCE")
@click.option("--table", "wanted", metavar="TABLE", help="One of its tables; all by default.")
@click.option("--rows", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Records to read of each.")
@output_option
@click.pass_obj
def preview_source(settings: Settings, name: str, wanted: str | None, rows: int, output: str) -> None:
    """Show the tables, types and first records a SOURCE gives, before anything is landed.

    Values are shown as shapes (Aaaa-99) unless their column is declared with category `none`.
    """
    from potable.cli.sources import previewed

    facts, text = previewed(settings.folder, name, wanted=wanted, rows=rows)
    show_result(output, facts, text)


@source.command("discover")
@click.argument("name", metavar="SOURCE")
@click.option(
    "--rows", type=click.IntRange(1), default=10_000, show_default=True, help="Records to read of each table."
)
@click.option("--write", is_flag=True, help="Write it into the source's file, where no table has columns yet.")
@click.option("--words", is_flag=True, help="Quote words of small sets that many records share; they may be names.")
@output_option
@click.pass_obj
def discover_source(settings: Settings, name: str, rows: int, write: bool, words: bool, output: str) -> None:
    """Suggest a contract for SOURCE from its first records: columns, types, keys, categories, checks.

    sources/SOURCE.yaml must say what the system is and where; its tables need no columns yet. Nothing is landed.
    """
    from potable.cli.discovering import discovered

    facts, text = discovered(settings.folder, name, rows=rows, write=write, words=words)
    show_result(output, facts, text)


@source.command("reconcile")
@click.argument("name", metavar="TABLE")
@output_option
@click.pass_obj
def reconcile_source(settings: Settings, name: str, output: str) -> None:
    """Compare what is landed of TABLE (hrms.people) with all its source has now, by month of its `time`.

    The source is read whole and nothing is landed. Exit code 1 when records of the source are not landed.
    """
    from potable.cli.reconciling import reconciled

    facts, text = reconciled(settings.project(), name)
    show_result(output, facts, text)
    if facts["missing"]:
        sys.exit(1)


@click.group()
def contract() -> None:
    """What tables promise: suggest more of it, and exchange it with other tools."""


@contract.command("suggest")
@click.argument("select", metavar="SOURCE|TABLE")
@click.option("--words", is_flag=True, help="Quote words of small sets that many records share; they may be names.")
@click.option("--fresh", is_flag=True, help="Suggest all, also what is declared already.")
@output_option
@click.pass_obj
def suggest_contract(settings: Settings, select: str, words: bool, fresh: bool, output: str) -> None:
    """Suggest what the contract of a TABLE (payroll.payslips) could promise more, from all that is landed.

    Prints YAML to take over: types, required columns, keys, ranges with headroom, sets, patterns and categories, each
    with its evidence, and what the records say against the contract. Values of protected columns are not shown.
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
    """Print the contract of a SOURCE or TABLE as other tools read it; a suite is of one table.

    What the Open Data Contract Standard has no word for stands in custom properties, so that `import` gives it back.
    """
    from potable.cli.exchange import exported

    click.echo(exported(settings.project(offline=True), select, form).rstrip("\n"))


@contract.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_FORM
def import_contract(file: Path, form: str) -> None:
    """Print a contract of other tools as YAML of a source's file, and what of it has no meaning here.

    Suites may be of Great Expectations 1.x or 0.18. To run one as it is, name it as `suite` of a table instead.
    """
    from potable.cli.exchange import imported

    click.echo(imported(file, form).rstrip("\n"))


@click.group()
def state() -> None:
    """How far each source has been read."""


@state.command("show")
@click.argument("source", required=False)
@output_option
@click.pass_obj
def show_state(settings: Settings, source: str | None, output: str) -> None:
    """Show the batches of every SOURCE and what its next run will read."""
    from potable.cli.state import shown

    facts, text = shown(settings.project(offline=True), source)
    show_result(output, facts, text)


@state.command("rewind")
@click.argument("source")
@click.option("--to", type=int, required=True, metavar="BATCH", help="The batch to go back to.")
@output_option
@click.pass_obj
def rewind_state(settings: Settings, source: str, to: int, output: str) -> None:
    """Make what BATCH of a SOURCE left current again; nothing is removed from the raw zone."""
    from potable.cli.state import rewound

    facts, text = rewound(settings.project(offline=True), source, to)
    show_result(output, facts, text)


@click.group()
def quarantine() -> None:
    """What is held back, why, and where it came from."""


@quarantine.command("list")
@click.argument("table", required=False)
@output_option
@click.pass_obj
def list_quarantine(settings: Settings, table: str | None, output: str) -> None:
    """Show how many rows of every TABLE (payroll.payslips) are held back, by reason."""
    from potable.cli.quarantine import listed

    facts, text = listed(settings.project(offline=True), table)
    show_result(output, facts, text)


@quarantine.command("show")
@click.argument("table")
@click.option("--reason", default="", metavar="REASON", help="Only for this reason, or one that starts so.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Records to show.")
@output_option
@click.pass_obj
def show_quarantine(settings: Settings, table: str, reason: str, limit: int, output: str) -> None:
    """Show records of TABLE that are held back: where they stand, since when, why, and values as shapes."""
    from potable.cli.quarantine import shown

    facts, text = shown(settings.project(offline=True), table, reason=reason, limit=limit)
    show_result(output, facts, text)


@quarantine.command("export")
@click.argument("table")
@click.option("--to", "target", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write.")
@click.option("--why", required=True, help="Why, for the audit log.")
@click.option("--reason", default="", metavar="REASON", help="Only for this reason, or one that starts so.")
@output_option
@click.pass_obj
def export_quarantine(settings: Settings, table: str, target: Path, why: str, reason: str, output: str) -> None:
    """Write the records of TABLE that are held back, with their original content, as NDJSON.

    The file holds personal data and is readable by its owner only; who wrote it and why is in the audit log.
    """
    from potable.cli.quarantine import exported

    facts, text = exported(settings.project(offline=True), table, reason=reason, target=target, why=why)
    show_result(output, facts, text)


@quarantine.command("replay")
@click.argument("tables", nargs=-1)
@output_option
@click.pass_obj
def replay_quarantine(settings: Settings, tables: tuple[str, ...], output: str) -> None:
    """Take back what passes now that a contract or a source was mended; of all TABLES by default."""
    from potable.cli.output import Progress
    from potable.cli.quarantine import replayed

    with Progress() as progress:
        record, facts, text = replayed(settings.project(), tables, progress)
    if record.error:
        show_text(record.error["text"] + "\n", err=True)
    if output == "json" or not record.error:
        show_result(output, record.error or facts, text)
    sys.exit(record.exit_code)


@click.group()
def airflow() -> None:
    """Run the project in Airflow 3."""


@airflow.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--check", "compare", is_flag=True, help="Write nothing; exit 5 when the file is out of date.")
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
@click.option("--delete", is_flag=True, help="Remove it; without this, only tell what would go.")
@click.option("--older-than", default="7d", show_default=True, metavar="AGE", help="Only what is older: 7d, 2w, 1mo.")
@click.option(
    "--keep-versions",
    "keep",
    type=click.IntRange(min=1),
    metavar="N",
    help="Keep the files of the newest N versions of the dataset, and of each DATASET@DATE; all by default.",
)
@click.option("--reason", "why", default="", help="Why, for the audit log.")
@output_option
@click.pass_obj
def gc(settings: Settings, /, output: str, **asked: Any) -> None:
    """Tell what nothing in the lake needs any more, by zone, and remove it with --delete.

    What a next run would find done or stand on stays, and so does what runs used within that age. Raw objects, keys,
    the ledger, records of runs and the audit log are never touched.
    """
    from potable.cli.cleaning import cleaned

    facts, text = cleaned(lambda day, scoring: settings.project(offline="sources", as_of=day, scoring=scoring), **asked)
    show_result(output, facts, text)
