"""A project: one folder, one file per team, read and checked as a whole.

`load` reads potable.yaml (with an environment laid over it), sources/*.yaml and, as soon as they are
written, privacy.yaml and features.yaml, and reports everything that is wrong in them at once. What the
declarations mean belongs to the slices that own them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeVar

from potable import plugins
from potable.agreement import (
    AS_FAR,
    Agreement,
    Later,
    anonymity_errors,
    bias_errors,
    drift_errors,
    kept_columns,
    not_written,
    not_yet,
    platform_errors,
    proof_of,
    roster_errors,
    uncovered,
)
from potable.contracts.cases import wrong_cells, wrong_tests
from potable.contracts.checks import Check, parse
from potable.contracts.custom import Custom, classes
from potable.contracts.suites import Suite, read_suite
from potable.declarations import Document, overlay
from potable.deployment import Platform
from potable.errors import Place, PotableError, ProjectError, ProjectErrors, raise_all
from potable.features.cases import wrong_tests as wrong_feature_tests
from potable.features.check import check as check_features
from potable.features.declaration import FeatureSet
from potable.features.plan import FeaturePlan
from potable.privacy import flow
from potable.privacy.operators import OPERATORS, PROTECTING
from potable.privacy.policy import Policy
from potable.privacy.policy import check as check_policy
from potable.projectfiles import own_variables, read
from potable.sources.base import Source
from potable.store.layout import Lake
from potable.tables import Table

R = TypeVar("R")
SCORING = ".scoring"
"""Ends the name of a dataset whose rows are to be scored."""


@dataclass(frozen=True)
class Project:
    """Everything declared in one project folder, checked.

    `policy`, `features`, `plan` and `proof` raise ProjectError (P001) while a file they come from is not written.
    """

    root: Path
    platform: Platform
    sources: Mapping[str, Source[Any]]
    agreed: Agreement
    """What privacy.yaml and features.yaml say, as far as they are written."""
    checks: Mapping[str, tuple[Check, ...]]
    """Parsed checks by `source.table`."""
    documents: Mapping[str, Document]
    """Documents by file stem: `potable`, each source, and `privacy` and `features` where they are written."""
    suites: Mapping[str, Suite] = field(default_factory=dict)
    """Great Expectations suites by the `source.table` that names them."""
    as_of: date | None = None
    """The day a run was asked for instead of the declared `rows.as_of`."""
    scoring: bool = False
    """Whether the rows of that day are to be scored: the same features, and no label."""

    @property
    def policy(self) -> Policy:
        """What may happen to each category of data."""
        return self._written(self.agreed.policy)

    @property
    def features(self) -> FeatureSet:
        """The dataset as declared."""
        return self._written(self.agreed.features)

    @property
    def plan(self) -> FeaturePlan:
        """The dataset's rows, features and labels, resolved."""
        return self._written(self.agreed.plan)

    @property
    def proof(self) -> flow.Proof:
        """Which category reaches which output column, through which operator."""
        return self._written(self.agreed.proof)

    @property
    def unwritten(self) -> tuple[Later, ...]:
        """The files that other teams have not written yet; nothing after resolve can run without them."""
        return self.agreed.unwritten

    @property
    def next_run(self) -> str:
        """The run that the project is written for."""
        return AS_FAR if self.unwritten else "potable run"

    def require_written(self, what: str) -> None:
        """Nothing, where all files are there.

        Args:
            what: what needs them, for the message.

        Raises:
            ProjectError: P001, with the files that are not written yet.
        """
        if self.unwritten:
            raise not_written(self.unwritten, what)

    def _written(self, part: R | None) -> R:
        if part is None:
            raise not_written(self.unwritten, "this")
        return part

    @property
    def dataset(self) -> str:
        """Name of the dataset; of another day it is a dataset of its own: `attrition@2024-03-31`, to be scored
        `attrition@2024-03-31.scoring`."""
        day = f"@{self.as_of}" if self.as_of else ""
        return f"{self.features.dataset}{day}{SCORING if self.scoring else ''}"

    @property
    def tables(self) -> dict[str, Table]:
        """All tables by `source.table`, in declared order."""
        return tables_of(self.sources)

    def lake(self) -> Lake:
        """The project's lake, opened."""
        settings = self.platform.lake
        return Lake.at(settings.restricted, settings.open, self.platform.vault, base=self.root)


def _asked(declared: Mapping[str, Any], as_of: date, *, scoring: bool) -> dict[str, Any]:
    """What features.yaml says, for the day that was asked for."""
    asked = {**declared, "rows": {**declared["rows"], "as_of": {"at": as_of}}}
    # a test may be of a label
    return {**{key: asked[key] for key in asked if key not in ("bias", "tests")}, "label": {}} if scoring else asked


def tables_of(sources: Mapping[str, Source[Any]]) -> dict[str, Table]:
    """All tables by `source.table`."""
    return {
        f"{name}.{table}": contract for name, source in sources.items() for table, contract in source.tables.items()
    }


def load(
    root: Path,
    *,
    environment: str | None = None,
    variables: Mapping[str, str] | None = None,
    offline: bool | Literal["sources"] = False,
    as_of: date | None = None,
    scoring: bool = False,
) -> Project:
    """The project in folder `root`.

    Args:
        environment: name of the overlay `envs/<environment>.yaml`.
        variables: for `${env:…}`; by default the project's `.env` file below the process environment.
        offline: leave variables that are not set as they are written, for commands that reach no source; `sources`:
            only references by which sources are reached, for runs that land nothing.
        as_of: the day that replaces `rows.as_of` of features.yaml, as if it were declared there.
        scoring: leave labels, and what is said about them, out of features.yaml.

    Raises:
        ProjectError: or ProjectErrors with everything that is wrong, each with its place.
    """
    root = root.resolve()
    if not (root / "potable.yaml").is_file():
        raise ProjectError(
            "this folder is not a Potable project: it has no potable.yaml",
            "P001",
            given=str(root),
            next="potable init DIRECTORY",
        )
    known = own_variables(root) if variables is None else variables
    reader = _Reader(root, _Unset(known) if offline is True else known, landing=not offline)
    platform = reader.model(reader.platform(environment), Platform)
    sources = reader.sources()
    policy = reader.model(reader.later("privacy"), Policy)
    features = reader.model(reader.features(as_of, scoring=scoring), FeatureSet)
    raise_all(reader.errors)
    assert platform
    checked = _checked(root, reader, platform, sources, Agreement(policy, features))
    if scoring and checked.agreed.plan:
        raise_all(uncovered(checked.plan, checked.documents))
    return replace(checked, as_of=as_of, scoring=scoring)


def connector(document: Document) -> type[Source[Any]]:
    """The class that reads a source's kind of system.

    Raises:
        ProjectError: P004 its `type` is missing, P005 no connector of that name is installed.
    """
    try:
        kind = document.data.get("type")
        found: type[Source[Any]] = plugins.load("sources", str(kind or ""))
    except ProjectError as failure:
        failure.place = document.place("type")
        if not kind:
            failure.problem, failure.code = "`type` is missing: what kind of system is this source?", "P004"
        raise
    return found


def one_source(root: Path, name: str) -> Source[Any]:
    """The source `name` alone, for looking at it while the rest of the project is not written yet.

    Raises:
        ProjectError: or ProjectErrors with everything that is wrong with its file.
    """
    reader = _Reader(root.resolve(), own_variables(root))
    document = reader.document(name, "sources")
    found = reader.source(document) if document else None
    raise_all(reader.errors)
    assert found
    return found


def _checked(
    root: Path,
    reader: _Reader,
    platform: Platform,
    sources: Mapping[str, Source[Any]],
    declared: Agreement,
) -> Project:
    """The project after the checks that need several files."""
    tables, documents = tables_of(sources), reader.documents
    suites = {name: suite for name, table in tables.items() if (suite := reader.suite(name, table))}
    customs = reader.customs(platform)
    checks: dict[str, tuple[Check, ...]] = {}
    for name, table in tables.items():
        source, short = name.split(".", 1)
        parsed, wrong = parse(short, table, documents[source], suites.get(name), tables, customs)
        checks[name] = tuple(parsed)
        reader.errors += [*wrong, *wrong_tests(short, table, parsed, documents[source])]
    reader.errors += [*platform_errors(platform, root, documents["potable"]), *not_yet(tables, documents)]
    policy, written = declared.policy, documents.get("privacy")
    reader.keep(
        lambda: check_policy(tables, policy, documents=documents, policy_document=written, operators=PROTECTING)
    )
    agreed = _with_plan(reader, declared, tables)
    raise_all(reader.errors)
    return Project(root, platform, sources, agreed, checks, documents, suites)


def _with_plan(reader: _Reader, declared: Agreement, tables: Mapping[str, Table]) -> Agreement:
    """What features.yaml comes to, if it is written: held to the policy as soon as there is one."""
    policy, features = declared.policy, declared.features
    if features is None:
        return declared
    document = reader.documents["features"]
    reader.errors += roster_errors(features, tables, document)
    kept = {name: kept_columns(table, policy) for name, table in tables.items()} if policy else None
    plan = reader.keep(lambda: check_features(features, tables, document, operators=OPERATORS, kept=kept))
    if plan is None:
        return declared
    proof = reader.keep(lambda: proof_of(plan, tables, policy, document)) if policy else None
    reader.errors += anonymity_errors(policy, plan, reader.documents["privacy"]) if policy else []
    reader.errors += bias_errors(features, plan, document)
    reader.errors += drift_errors(features, plan, document)
    reader.errors += wrong_feature_tests(features.tests, plan, document, wrong_cells)
    return replace(declared, plan=plan, proof=proof)


def _for_landing(literal: Mapping[str, Any]) -> frozenset[str]:
    """Keys of a source that only landing reads; none where its type is not known."""
    try:
        model: type[Source[Any]] = plugins.load("sources", str(literal.get("type") or ""))
    except PotableError:
        return frozenset()
    return model.for_landing


class _Reader:
    """Reads the files of one folder, keeping documents and errors."""

    def __init__(self, root: Path, variables: Mapping[str, str], *, landing: bool = True) -> None:
        self._root = root
        self._variables = variables
        self._landing = landing
        self.documents: dict[str, Document] = {}
        self.errors: list[PotableError] = []

    def document(self, stem: str, folder: str = "") -> Document | None:
        """One file; None, and an error kept, when it cannot be read."""
        path = self._root / folder / f"{stem}.yaml"
        unneeded = _for_landing if folder == "sources" and not self._landing else None
        found = self.keep(lambda: read(path, root=self._root, environment=self._variables, unneeded=unneeded))
        if found:
            self.documents[stem] = found
        return found

    def later(self, stem: str) -> Document | None:
        """A file that may not be written yet; a link to nowhere is wrong, not absent."""
        return self.document(stem) if os.path.lexists(self._root / f"{stem}.yaml") else None

    def platform(self, environment: str | None) -> Document | None:
        """potable.yaml with the environment's overlay."""
        base = self.document("potable")
        if environment and base:
            top = self.document(environment, "envs")
            self.documents["potable"] = base = overlay(base, top) if top else base
        return base

    def features(self, as_of: date | None, *, scoring: bool) -> Document | None:
        """features.yaml with another as-of date laid over it, without labels where its rows are to be scored."""
        found = self.later("features")
        if as_of and found and isinstance(found.data.get("rows"), dict):
            data, literal = (_asked(part, as_of, scoring=scoring) for part in (found.data, found.literal))
            self.documents["features"] = found = replace(found, data=data, literal=literal)
        return found

    def sources(self) -> dict[str, Source[Any]]:
        """All declared sources, by name."""
        found: dict[str, Source[Any]] = {}
        paths = sorted((self._root / "sources").glob("*.yaml"))
        if not paths:
            hint = (
                "write sources/NAME.yaml with `source: NAME`, its `type` and its location (docs/reference/sources.md)"
            )
            problem, place = "the project has no source yet", Place("sources/")
            again = "potable source discover NAME --write"
            self.errors.append(ProjectError(problem, "P001", place=place, hint=hint, next=again))
        for path in paths:
            document = self.document(path.stem, "sources")
            source = self.source(document) if document else None
            if source:
                found[path.stem] = source
        return found

    def source(self, document: Document) -> Source[Any] | None:
        """The source a document declares; None, and its errors kept, when it is wrong."""
        stem = Path(document.path).stem
        if document.data.get("source") != stem:
            place = document.place("source")
            self.errors.append(
                ProjectError(f"`source` must be the same as the file name, `{stem}`", "P005", place=place)
            )
        try:
            model = connector(document)
        except ProjectError as failure:
            self.errors.append(failure)
            return None
        source: Source[Any] | None = self.model(document, model)
        return source

    def customs(self, platform: Platform) -> dict[str, Custom]:
        """The expectation classes of the plug-ins; the errors of one that cannot be read are kept."""
        found: list[plugins.Module] = []
        for index, name in enumerate(platform.plugins):
            try:
                module = plugins.module(self._root, name)
                classes([module])
                found.append(module)
            except ProjectError as failure:
                failure.place = failure.place or self.documents["potable"].place("plugins", index)
                self.errors.append(failure)
        return classes(found)

    def suite(self, name: str, table: Table) -> Suite | None:
        """The suite a table names; None where it names none, or it is wrong and its error kept."""
        path = table.suite
        return self.keep(lambda: read_suite(self._root, path)) if path else None

    def model(self, document: Document | None, model: Any) -> Any:
        """The document's declaration; None, and its errors kept, when it is wrong."""
        return self.keep(lambda: document.model(model)) if document else None

    def keep(self, work: Callable[[], R]) -> R | None:
        """What `work` gives; None, and its errors kept, when it finds the project wrong."""
        try:
            return work()
        except ProjectErrors as failure:
            self.errors += failure.errors
        except ProjectError as failure:
            self.errors.append(failure)
        return None


class _Unset(dict[str, str]):
    """Variables of which those that are not set stand for themselves."""

    def __missing__(self, name: str) -> str:
        return f"${{env:{name}}}"
