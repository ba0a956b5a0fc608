"""`potable test`: runs the tests of contracts and of features and says which do not hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from potable.agreement import lacking
from potable.errors import ProjectError, did_you_mean
from potable.project import Project
from potable.report.numbers import plain, plural
from potable.runs.contract_tests import run_tests
from potable.runs.feature_tests import run_feature_tests
from potable.runs.given import Ran
from potable.runs.quarantined import reading

if TYPE_CHECKING:
    from potable.cli.answers.failure import OneError
    from potable.cli.answers.project import Tested

QUICK: Mapping[str, Mapping[str, Any]] = {
    "spark": {
        "conf": {
            # with one tier of compilers Java keeps so little compiled code that it throws out what it soon needs again
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=192m",
            "spark.sql.adaptive.enabled": "false",
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            # every plan is written out for a page nobody looks at
            "spark.sql.ui.explainMode": "simple",
        }
    }
}
"""Options of an engine for many queries over a few rows, of which making code would take most of the time."""


def tested(project: Project, select: str | None, engine: str = "duckdb") -> tuple[Tested, str, bool]:
    """Facts, text, and whether a test failed; of everything, a source, a table or the dataset's features.

    Args:
        engine: what runs them, on this machine.

    Raises:
        ProjectError: P031, there is no such source, table or dataset.
    """
    names, features = selected(project, select), project.agreed.features
    there = features is not None and select in (None, features.dataset)
    waits = there and select is None and bool(project.unwritten)
    with reading(project, engine, **QUICK.get(engine, {})) as opened:
        results = list(run_tests(project, names, opened))
        if features and there and not waits:
            results += run_feature_tests(project, opened)
            names.append(features.dataset)
    failed = [result for result in results if result.failures]
    if engine != "duckdb":
        for failure in (failure for result in failed for failure in result.failures):
            failure.next += f" --engine {engine}"
    facts: Tested = {
        "engine": engine,
        "tests": len(results),
        "failed": len(failed),
        "not_run": len(features.tests) if features and waits else 0,
        "results": [
            {
                "table": result.table,
                "test": result.name,
                "place": result.place,
                "holds": not result.failures,
                "errors": [cast("OneError", failure.record()) for failure in result.failures],
            }
            for result in results
        ],
    }
    text = _text(names, results, select)
    if features and waits and features.tests:
        text += f"\n{features.dataset}: {plural(len(features.tests), 'test')} not run: {lacking(project.unwritten)}"
    return facts, text, bool(failed)


def selected(project: Project, select: str | None) -> list[str]:
    """The tables that a source, a table or nothing (all) names; none where it is the dataset.

    Raises:
        ProjectError: P031, there is no such source, table or dataset.
    """
    features = project.agreed.features
    known = [*project.sources, *project.tables, *([features.dataset] if features else [])]
    if select is not None and select not in known:
        unnamed = "" if features else "no dataset is declared yet: features.yaml is not written"
        hint = did_you_mean(select, known) or unnamed
        raise ProjectError(
            f"the project has no source, table or dataset `{select}`", "P031", hint=hint, allowed=", ".join(known)
        )
    return [name for name in project.tables if select in (None, name, name.split(".", 1)[0])]


def _text(names: list[str], results: list[Ran], select: str | None) -> str:
    if not results:
        where = f"`{select}`" if select else "the project"
        return f"{where} has no tests; declare them under `tests:` beside columns or features (docs/contracts.md)"
    lines = [failure.text() + "\n" for result in results for failure in result.failures]
    for name in names:
        own = [result for result in results if result.table == name]
        bad = [plain(result.name) for result in own if result.failures]
        if own:
            told = f", {len(bad)} not: {'; '.join(bad)}" if bad else ""
            count = f"{plural(len(own), 'test')} {'holds' if len(own) == 1 else 'hold'}"
            lines.append(f"{name}: {len(own) - len(bad)} of {count}{told}")
    return "\n".join(lines)
