"""A project: one folder, one file per team, read and checked as a whole.

`load` reads potable.yaml (with an environment laid over it), sources/*.yaml and, as soon as they are
written, privacy.yaml and features.yaml, and reports everything that is wrong in them at once. What the
declarations mean belongs to the slices that own them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeVar

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
from potable.contracts.suites import Suite
from potable.declarations import Document
from potable.deployment import Platform
from potable.errors import ProjectError, raise_all
from potable.features.cases import wrong_tests as wrong_feature_tests
from potable.features.check import check as check_features
from potable.features.declaration import FeatureSet
from potable.features.plan import FeaturePlan
from potable.folder import Reader, Unset
from potable.privacy import flow
from potable.privacy.operators import OPERATORS, PROTECTING
from potable.privacy.policy import Policy
from potable.privacy.policy import check as check_policy
from potable.projectfiles import own_variables
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


def tables_of(sources: Mapping[str, Source[Any]]) -> dict[str, Table]:
    """All tables by `source.table`."""
    return {
        f"{name}.{table}": contract for name, source in sources.items() for table, contract in source.tables.items()
    }


def require_project(root: Path) -> None:
    """Nothing, where a folder is a project's.

    Raises:
        ProjectError: P001, it is not.
    """
    if (root / "potable.yaml").is_file():
        return
    lack = "it has no potable.yaml" if root.is_dir() else "it does not exist"
    problem = f"this folder is not a Potable project: {lack}"
    near = [*root.parents, *(path for path in sorted(root.glob("*/")))]
    if found := next((folder for folder in near if (folder / "potable.yaml").is_file()), None):
        hint = f"`{found}` is one: go there, or name it by `-C`"
        raise ProjectError(problem, "P001", given=str(root), hint=hint)
    raise ProjectError(problem, "P001", given=str(root), next="potable init DIRECTORY")


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
    require_project(root)
    known = own_variables(root) if variables is None else variables
    reader = Reader(root, Unset(known) if offline is True else known, landing=not offline)
    platform = reader.model(reader.platform(environment), Platform)
    sources = reader.sources()
    policy = reader.model(reader.later("privacy"), Policy)
    features = reader.model(reader.features(as_of, scoring=scoring), FeatureSet)
    checked = _checked(root, reader, platform, sources, Agreement(policy, features))
    if scoring and checked.agreed.plan:
        raise_all(uncovered(checked.plan, checked.documents))
    return replace(checked, as_of=as_of, scoring=scoring)


def one_source(root: Path, name: str) -> Source[Any]:
    """The source `name` alone, for looking at it while the rest of the project is not written yet.

    Raises:
        ProjectError: or ProjectErrors with everything that is wrong with its file.
    """
    reader = Reader(root.resolve(), own_variables(root))
    document = reader.document(name, "sources")
    found = reader.source(document) if document else None
    raise_all(reader.errors)
    assert found
    return found


def _checked(
    root: Path,
    reader: Reader,
    platform: Platform | None,
    sources: Mapping[str, Source[Any]],
    declared: Agreement,
) -> Project:
    """The project after the checks that need several files, as far as these are right in themselves."""
    tables, documents = tables_of(sources), reader.documents
    suites = {name: suite for name, table in tables.items() if (suite := reader.suite(table))}
    customs = reader.customs(platform) if platform else {}
    checks: dict[str, tuple[Check, ...]] = {}
    for name, table in tables.items():
        source, short = name.split(".", 1)
        parsed, wrong = parse(short, table, documents[source], suites.get(name), tables, customs)
        checks[name] = tuple(parsed)
        if platform:
            wrong += wrong_tests(short, table, parsed, documents[source])
            reader.errors += filter(reader.known, wrong)
    reader.errors += platform_errors(platform, root, documents["potable"]) if platform else []
    reader.errors += not_yet(tables, documents)
    policy, written = declared.policy, documents.get("privacy")
    reader.keep(
        lambda: check_policy(tables, policy, documents=documents, policy_document=written, operators=PROTECTING),
        reader.known,
    )
    agreed = _with_plan(reader, declared, tables)
    raise_all(reader.errors)
    assert platform
    return Project(root, platform, sources, agreed, checks, documents, suites)


def _with_plan(reader: Reader, declared: Agreement, tables: Mapping[str, Table]) -> Agreement:
    """What features.yaml comes to, if it is written: held to the policy as soon as there is one."""
    policy, features = declared.policy, declared.features
    if features is None:
        return declared
    document = reader.documents["features"]
    reader.errors += roster_errors(features, tables, document) if not reader.lost else []
    kept = {name: kept_columns(table, policy) for name, table in tables.items()} if policy else None
    plan = reader.keep(lambda: check_features(features, tables, document, operators=OPERATORS, kept=kept), reader.known)
    if plan is None or reader.lost:
        return declared
    proof = reader.keep(lambda: proof_of(plan, tables, policy, document)) if policy else None
    reader.errors += anonymity_errors(policy, plan, reader.documents["privacy"]) if policy else []
    reader.errors += bias_errors(features, plan, document)
    reader.errors += drift_errors(features, plan, document)
    reader.errors += wrong_feature_tests(features.tests, plan, document, wrong_cells)
    return replace(declared, plan=plan, proof=proof)
