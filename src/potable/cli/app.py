"""The `potable` command. Each command is a few lines here; what it does lives below.

Exit codes: 0 ok, 1 data broke a check, 2 project files wrong, 3 environment or runtime (resumable),
4 a privacy or leak gate refused, 5 changes pending (`plan --exit-code`, `airflow generate --check`),
70 our bug, 99 nothing new with `run --exit-code`, 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

import potable
from potable.cli import dataset, groups
from potable.cli.failing import tell, tell_interrupted, tell_mistyped
from potable.cli.settings import PENDING, Commands, Settings, output_option, require_here, show_result, show_text
from potable.errors import EnvironmentFailure, PotableError, unexpected
from potable.lazy_pandas import make_pandas_lazy
from potable.runs.stopping import left, stoppable, stopped

NOTHING_NEW, INTERRUPTED, BUG = 99, 130, 70


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(potable.__version__, prog_name="potable")
@click.option(
    "-C",
    "folder",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Project folder. [default: the current folder]",
)
@click.option("--env", "environment", metavar="NAME", help="Use envs/NAME.yaml on top of potable.yaml.")
@click.pass_context
def cli(context: click.Context, folder: Path, environment: str | None) -> None:
    """Turn records scattered over many systems into one dataset that is safe to train on."""
    context.obj = Settings(folder, environment)
    if not folder.is_absolute():
        require_here()


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--example", metavar="NAME", help="Copy a complete example: churn is small, attrition has five systems.")
def init(directory: Path, example: str | None) -> None:
    """Create a project folder with potable.yaml and an empty sources/, or copy a complete example."""
    from potable.cli.scaffold import scaffold

    for line in scaffold(directory, example):
        click.echo(line)


@cli.command()
@output_option
@click.pass_obj
def check(settings: Settings, output: str) -> None:
    """Check all project files; list all errors at once, and which files are not written yet."""
    from potable.cli.checking import checked

    facts, text = checked(settings.project())
    show_result(output, facts, text)


@cli.command()
@click.argument("name", type=click.Choice(["potable", "env", "source", "privacy", "features"]), required=False)
@click.pass_obj
def schema(settings: Settings, name: str | None) -> None:
    """Write the JSON Schemas with which editors complete and check project files, or print one of them.

    The schemas are in .schemas/ of the project, and the first line of each project file names its schema. `init`
    writes both; run this again after an upgrade or after installing a connector.
    """
    from potable.cli.schemas import schemas, write

    if name:
        click.echo(json.dumps(schemas(settings.folder)[name], indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(f"wrote {path}" for path in write(settings.folder)))


@cli.command()
@output_option
@click.option("--exit-code", is_flag=True, help="Exit with code 5 if a run would do something.")
@click.option(
    "--estimate", is_flag=True, help="Estimate time, memory, disk and shuffle of a full run; do not show the plan."
)
@click.option(
    "--size", default="", help="Size to estimate for: bytes as received (0.8TB), or a multiple of what is landed (10x)."
)
@click.option("--engine", default="", help="Engine to estimate for. [default: the project's]")
@click.option("--cores", type=int, help="Cores per machine to estimate for. [default: the project's threads]")
@click.option("--nodes", type=int, default=1, show_default=True, help="Number of machines to estimate for.")
@click.option("--memory", default="", help="Memory per machine to estimate for (4GB). [default: the project's]")
@click.pass_obj
def plan(settings: Settings, /, output: str, exit_code: bool, estimate: bool, **asked: Any) -> None:
    """Show what a run would do, and prove which privacy categories reach which output column."""
    from potable.cli.planning import Asked, estimated, planned

    if estimate:
        told = estimated(settings.project(offline=True), Asked(**asked))
        show_result(output, told.facts, told.text)
        return
    if given := [name for name, value in asked.items() if value != getattr(Asked, name)]:
        raise click.UsageError(f"--{given[0]} needs --estimate")
    result = planned(settings.project())
    show_result(output, result.facts, result.text)
    if exit_code and result.facts["pending"]:
        sys.exit(PENDING)


@cli.command()
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "line"]),
    default="text",
    help="Output format; `line` is a one-line summary for schedulers.",
)
@click.option(
    "--only",
    type=click.Choice(["ingest", "validate", "resolve", "protect", "build", "publish"]),
    help="Run only this verb; the verbs before it must have run already.",
)
@click.option(
    "--select",
    multiple=True,
    metavar="SOURCE|TABLE",
    help="Process only this source (payroll) or table (payroll.payslips); may be repeated. Works with ingest, "
    "validate and protect; without --only the run stops after validate.",
)
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="Build the dataset as of this date, under the name DATASET@DATE; the current version does not change.",
)
@click.option(
    "--scoring",
    is_flag=True,
    help="With --as-of: the same features without a label, for a model to score, as DATASET@DATE.scoring.",
)
@click.option(
    "--full-refresh",
    is_flag=True,
    help="Read all sources from the beginning and recompute finished steps; it is an error if a result differs.",
)
@click.option(
    "--new-vault",
    is_flag=True,
    help="Begin anew where the vault has lost the key or the ledger that versions were published with; everybody gets "
    "another pseudonym.",
)
@click.option("--reason", default="", help="Reason, recorded in the audit log.")
@click.option("--exit-code", is_flag=True, help="Exit with code 99 if nothing was new.")
@click.pass_obj
def run(settings: Settings, /, output: str, as_of: Any, scoring: bool, exit_code: bool, **asked: Any) -> None:
    """Run the project: ingest, validate, resolve, protect, build, publish."""
    from potable.cli.output import Progress, line, over_limit, summary
    from potable.cli.reporting import told_before, warned, write_report
    from potable.report.exporting import exporting
    from potable.runs.runner import Options, require_possible
    from potable.runs.runner import run as execute

    try:
        options = Options(**asked)
    except ValueError as failure:
        raise click.UsageError(f"--select: {failure}") from None
    if scoring and not as_of:
        raise click.UsageError("--scoring needs --as-of DATE, the as-of date of the rows to score")
    lands = options.only in (None, "ingest")
    day = as_of.date() if as_of else None
    project = settings.project(offline=False if lands else "sources", as_of=day, scoring=scoring)
    require_possible(project, options)
    if told := over_limit(project) + told_before(project):
        show_text(told, err=True)
    with exporting(project, warned), Progress() as progress:
        record = execute(project, options, progress)
    page = ""
    if record.error:
        show_text(record.error["text"] + "\n", err=True)
    try:
        page = write_report(project, record)
    except EnvironmentFailure as failure:
        # what stopped the run matters more, and its exit code
        if not record.error:
            raise
        show_text(failure.text() + "\n", err=True)
    if output == "line":
        click.echo(json.dumps(line(record, project.sources)))
    else:
        facts = {**json.loads(record.to_bytes()), "report": page or None}
        show_result(output, facts, summary(record, page), failed=record.exit_code != 0)
    if record.exit_code:
        sys.exit(record.exit_code)
    if exit_code and record.outcome == "nothing new":
        sys.exit(NOTHING_NEW)


@cli.command()
@click.argument("table")
@click.option(
    "--period",
    metavar="YYYY-MM",
    help="Only rows whose `time` is in this month (or in the period that `health: period` sets).",
)
@output_option
@click.pass_obj
def profile(settings: Settings, table: str, period: str | None, output: str) -> None:
    """Profile a table, column by column: nulls, distinct values (estimated), quantiles, words."""
    from potable.cli.showing import profiled

    facts, text = profiled(settings.project(offline=True), table, period)
    show_result(output, facts, text)


@cli.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "gx", "prometheus"]),
    default="html",
    show_default=True,
    help="gx: print the check results as validation results of Great Expectations, one per table. prometheus: "
    "print the metrics of the project (see `observability` in potable.yaml).",
)
@output_option
@click.pass_obj
def report(settings: Settings, run_id: str | None, form: str, output: str) -> None:
    """Write the HTML report of a RUN (default: the latest) and print its path."""
    from potable.cli.reporting import metrics_of, report_of, results_of, told_before

    if form == "prometheus" and run_id:
        raise click.UsageError("metrics describe the project as it is now, not a single run")
    made: Any = {"html": report_of, "gx": results_of, "prometheus": metrics_of}[form]
    project = settings.project(offline=True)
    facts, text = made(project, run_id)
    show_result(output, facts, text)
    if not run_id and (told := told_before(project)):
        show_text(told, err=True)


@cli.command()
@click.argument("select", required=False, metavar="[SOURCE|TABLE|DATASET]")
@click.option(
    "--engine",
    default="duckdb",
    show_default=True,
    help="Engine that runs the tests, on this machine: duckdb, or spark (slower) to test what the project will run on.",
)
@output_option
@click.pass_obj
def test(settings: Settings, select: str | None, engine: str, output: str) -> None:
    """Run the tests declared in contracts and features: a few input rows each, and the expected result.

    Reads only the project files and uses no cluster. Exit code 1 if a test fails.
    """
    from potable.cli.testing import tested

    facts, text, failed = tested(settings.project(offline=True), select, engine)
    show_result(output, facts, text, failed=failed)
    if failed:
        sys.exit(1)


@cli.command()
@output_option
@click.pass_obj
def doctor(settings: Settings, output: str) -> None:
    """Check that the machine, the lake and every source are ready for a run; changes nothing."""
    from potable.cli.diagnosis import diagnose

    facts, text, healthy = diagnose(settings.project())
    show_result(output, facts, text)
    if not healthy:
        sys.exit(3)


for group in (groups.source, groups.contract, groups.state, groups.quarantine, groups.airflow, groups.gc):
    cli.add_command(group)
for command in (dataset.show, dataset.get, dataset.diff, dataset.explain, dataset.identify):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: runs the command and turns every failure into our error form and exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    make_pandas_lazy()
    with stoppable():
        try:
            _main(given)
        except SystemExit as ended:
            if left():
                # Python would wait for it, and a server may say nothing for ever
                sys.stdout.flush()
                os._exit(ended.code if isinstance(ended.code, int) else BUG)
            raise


def _main(given: Sequence[str]) -> None:
    try:
        cli.main(args=given, prog_name="potable", standalone_mode=False)
    except click.exceptions.Abort:
        _interrupted(given)
    except click.ClickException as failure:
        tell_mistyped(failure, given)
        sys.exit(2)
    except BrokenPipeError:
        os._exit(0)
    except Exception as failure:
        # an engine that is interrupted may say so in its own way
        if stopped():
            _interrupted(given)
        told = failure if isinstance(failure, PotableError) else unexpected(failure)
        tell(told, given)
        if told.code == "X001" and os.environ.get("POTABLE_TRACEBACK"):
            traceback.print_exception(failure.__cause__ or failure)
        sys.exit(told.exit_code)


def _interrupted(given: Sequence[str]) -> NoReturn:
    context = cli.make_context("potable", [*given], resilient_parsing=True)
    _, rest, _ = cli.make_parser(context).parse_args([*given])
    tell_interrupted(given, "".join(rest[:1]))
    sys.exit(INTERRUPTED)
