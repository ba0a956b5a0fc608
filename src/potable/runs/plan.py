"""The plan: every step of a run as frozen data, with the fingerprint that says whether it is done.

`plan`, `run`, the report and Airflow read this one list. A fingerprint covers the landed bytes a step
depends on, the declarations it reads and the code it runs; nothing else, so neither the engine nor the
machine nor the clock changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from potable.contracts.arguments import OTHER_TABLE
from potable.contracts.profile import kind_of
from potable.contracts.references import referring
from potable.privacy.policy import IDENTIFY
from potable.project import Project
from potable.runs.record import Verb
from potable.sources.landed import Landed
from potable.store.layout import Lake, step_folder
from potable.store.manifest import code_version, fingerprint
from potable.store.objects import Store

_ROOT = Path(__file__).parent.parent
_SHARED = (_ROOT / "columns.py", _ROOT / "quantities.py", _ROOT / "tables.py", _ROOT / "engines")
_CODE: Mapping[Verb, tuple[Path, ...]] = {
    "ingest": (_ROOT / "sources",),
    "validate": (_ROOT / "sources", _ROOT / "contracts", _ROOT / "headings.py"),
    "resolve": (_ROOT / "identity",),
    "protect": (_ROOT / "privacy", _ROOT / "identity" / "match.py"),
    "build": (_ROOT / "features", _ROOT / "privacy" / "operators.py"),
    "publish": (_ROOT / "datasets",),
}

REFERENCES = "references"
"""Name of the step that judges tables by each other."""
_JUDGED = {"checks", "suite", "quarantine", "drift", "health", "tests"}
"""Keys of a table that only decide what `validate` lets through, or decide nothing."""
_LATER = {"health", "tests", "coverage"}
"""Keys of a table that decide nothing of what `validate` makes."""


@dataclass(frozen=True)
class Step:
    """One step of a run. Ingest has no fingerprint: only looking at the source tells what is new."""

    verb: Verb
    name: str
    """Source, table or dataset it is about."""
    fingerprint: str = ""
    zone: str = ""
    """Zone its output lies in."""
    earlier: tuple[tuple[int, str], ...] = ()
    """Of validate: the batches before the newest, newest first, each with the fingerprint of the step for what
    of the table's present objects had landed by then. One that was made can be built on."""
    rules: str = ""
    """Of all that work on data: a hash of all that decides its output but for the data. The last step of the same rules
    can be built on; validate compares its records with what has landed again."""
    proves: str = ""
    """Fingerprint of the finished step that must come out, where it is made whole beside that."""
    again: str = ""
    """Of `protect identifiers`, where everything is again as it was before more became known: its fingerprint then."""

    @property
    def label(self) -> str:
        """How people see it: `validate payroll.payslips`."""
        return f"{self.verb} {self.name}"

    @property
    def folder(self) -> str:
        """Folder of its output below the zone's root."""
        return step_folder(self.zone, self.name, self.fingerprint)

    @property
    def made(self) -> str:
        """Folder of the log of those that were made by the same rules."""
        return f"{self.zone}/{self.name}/made/{self.rules}"

    def store(self, lake: Lake) -> Store:
        """The store its output lies in."""
        return {"validated": lake.restricted, "vault": lake.vault}.get(self.zone, lake.open)


@cache
def code(verb: Verb) -> str:
    """Code version of a verb: a hash of the sources it runs."""
    return code_version(*_SHARED, *_CODE[verb])


def ingest_steps(project: Project, sources: Collection[str] | None = None) -> list[Step]:
    """One step per source; of all sources by default."""
    return [Step("ingest", source) for source in project.sources if sources is None or source in sources]


def validate_steps(
    project: Project, landed: Mapping[str, Sequence[Landed]], tables: Collection[str] | None = None
) -> list[Step]:
    """One step per table, and one across all tables where a check asks for it.

    Of some tables, only their sources need to be landed, and they are not judged by each other.
    """
    wanted = [name for name in project.tables if tables is None or name in tables]
    steps = [_validate(project, name, landed[name.split(".", 1)[0]]) for name in wanted]
    return [*steps, *_references(project, steps)] if tables is None else steps


def later_steps(
    project: Project,
    landed: Mapping[str, Sequence[Landed]],
    key: str,
    knowing: Callable[[str], str] = lambda collected: collected,
) -> list[Step]:
    """Everything after ingest, in order, for what is landed now; up to resolve while files are not written.

    Args:
        landed: current raw objects by source.
        key: fingerprint of the vault's pseudonym key (never the key).
        knowing: the fingerprint of the step that collects what this one says, and knows what was collected since.
    """
    tables = project.tables
    validate = validate_steps(project, landed)
    prints = {step.name: step.fingerprint for step in validate if step.name != REFERENCES}
    resolve = _resolve(project, prints)
    if project.unwritten:
        return [*validate, resolve]
    roster = _roster(project, prints, resolve, knowing)
    domain = (project.features.dataset, project.policy.epoch, key)
    subjects = _pseudonyms(domain, resolve)
    protect = [_protect(project, name, prints[name], (roster, subjects), domain) for name in tables]
    build = _build(project, protect)
    return [*validate, resolve, roster, subjects, *protect, build, _publish(project, build, roster)]


def _validate(project: Project, name: str, landed: Sequence[Landed]) -> Step:
    source, table = name.split(".", 1)
    literal = project.documents[source].literal
    reading = {key: value for key, value in literal.items() if key not in ("tables", "owner", "description")}
    suite = project.suites.get(name)
    parts: list[Any] = [suite.content] if suite else []
    # only the modules this table's checks take a class from; any of their code may decide
    parts += sorted({check.custom.module.text for check in project.checks[name] if check.custom})
    # how the records around are found decides which of their parts are gone
    declared = [literal["tables"][each] for each in (table, project.tables[name].parts_of) if each]
    contract = [{key: value for key, value in each.items() if key not in _LATER} for each in declared]
    # health is judged in every run; only which texts are counted word by word, and by which periods, is seen in what
    # validate makes
    words = [column for column in project.tables[name].columns if kind_of(project.tables[name], column) == "word"]
    counted = (words, project.tables[name].health.period)
    # what is counted is told by the place of its column; which lists other tables have, decides what is drift
    beside = (list(project.tables[name].columns), sorted(project.sources[source].inside(table)))
    rules = fingerprint(code("validate"), reading["type"], reading.get("timezone"), contract, counted, beside, *parts)
    found = rules
    covered = sorted((item for item in landed if item.concerns(table)), key=lambda item: (item.batch, item.name))
    prints = []
    for number, batch in groupby(covered, key=lambda item: item.batch):
        found = fingerprint(found, [(item.name, item.sha256, *item.skip) for item in batch])
        prints.append((number, found))
    return Step("validate", name, found, "validated", tuple(reversed(prints[:-1])), rules=rules)


def _references(project: Project, steps: Sequence[Step]) -> list[Step]:
    """The step of the checks that look at another table."""
    refer = {name: referring(checks) for name, checks in project.checks.items()}
    named = {*(name for name, checks in refer.items() if checks)}
    named |= {check.arguments[OTHER_TABLE] for checks in refer.values() for check in checks}
    if not named:
        return []
    # the checks are part of what each table's own step is made of
    prints = {step.name: step.fingerprint for step in steps if step.name in named}
    return [Step("validate", REFERENCES, fingerprint(code("validate"), prints), "validated")]


def _resolve(project: Project, prints: Mapping[str, str]) -> Step:
    tables = {name: table for name, table in project.tables.items() if table.keys}
    # in their order: the first of a roster is the one that everybody has
    keys = {name: (list(table.keys.items()), table.reissued, table.roster) for name, table in tables.items()}
    inputs = {name: prints[name] for name in tables}
    rules = fingerprint(code("resolve"), keys)
    return Step("resolve", "subjects", fingerprint(code("resolve"), keys, inputs), "vault", rules=rules)


def _roster(project: Project, prints: Mapping[str, str], resolve: Step, knowing: Callable[[str], str]) -> Step:
    categories = {
        name: {column: declared.declared_category for column, declared in table.columns.items()}
        for name, table in project.tables.items()
    }
    found = fingerprint(code("protect"), categories, prints, resolve.fingerprint)
    known = knowing(found)
    again = found if known != found else ""
    return Step("protect", "identifiers", known, "vault", rules=fingerprint(code("protect")), again=again)


def _pseudonyms(domain: Sequence[object], resolve: Step) -> Step:
    rules = (code("protect"), domain)
    found = fingerprint(*rules, resolve.fingerprint)
    return Step("protect", "pseudonyms", found, "vault", rules=fingerprint(*rules))


def _protect(project: Project, name: str, validated: str, vault: Sequence[Step], domain: Sequence[object]) -> Step:
    table = project.tables[name]
    rules: dict[str, Any] = {
        column: project.policy.rule_for(declared.declared_category or "") for column, declared in table.columns.items()
    }
    # `coverage` decides what an empty window means to `build`, and moves as time goes by
    declared = (table.model_dump(mode="json", exclude={*_JUDGED, "coverage"}), rules)
    parents = [step.fingerprint for step in vault]
    found = fingerprint(code("protect"), declared, validated, parents)
    return Step("protect", name, found, "protected", rules=fingerprint(code("protect"), declared, domain))


def _build(project: Project, protect: Sequence[Step]) -> Step:
    used = project.plan.sources
    inputs = {step.name: step.fingerprint for step in protect if step.name in used}
    contracts = {name: project.tables[name].model_dump(mode="json", exclude=_JUDGED) for name in used}
    literal = project.documents["features"].literal
    declared = {key: value for key, value in literal.items() if key not in ("bias", "drift", "tests")}
    # a hash of what is declared does not tell in which order, and files have their columns in it
    rules = (code("build"), declared, [output.name for output in project.plan.outputs], contracts)
    found = fingerprint(*rules, inputs)
    return Step("build", project.features.dataset, found, "features", rules=fingerprint(*rules))


def published_by(project: Project) -> dict[str, Any]:
    """What privacy.yaml says, as it is written, but for what nothing that is published depends on."""
    return {key: value for key, value in project.documents["privacy"].literal.items() if key != IDENTIFY}


def _publish(project: Project, build: Step, roster: Step) -> Step:
    policy = published_by(project)
    inputs = (build.fingerprint, roster.fingerprint, project.features.bias)
    return Step(
        "publish",
        project.features.dataset,
        fingerprint(code("publish"), policy, inputs, project.policy.epoch),
        "datasets",
    )
