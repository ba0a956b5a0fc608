"""A project: one folder, one file per team, read and checked as a whole.

`load` reads potable.yaml (with an environment laid over it), sources/*.yaml, privacy.yaml and
features.yaml and reports everything that is wrong in them at once. What the declarations mean belongs
to the slices that own them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from potable import plugins
from potable.contracts.cases import wrong_cells, wrong_tests
from potable.contracts.checks import Check, parse
from potable.contracts.custom import Custom, classes
from potable.contracts.suites import Suite, read_suite
from potable.declarations import Declaration, Document, overlay, own_variables, read
from potable.errors import Place, PotableError, ProjectError, ProjectErrors, did_you_mean, raise_all
from potable.features.cases import wrong_tests as wrong_feature_tests
from potable.features.check import check as check_features
from potable.features.declaration import FeatureSet
from potable.features.plan import FeaturePlan
from potable.privacy import flow
from potable.privacy.operators import OPERATORS
from potable.privacy.policy import Policy
from potable.privacy.policy import check as check_policy
from potable.scheduling import AirflowSettings
from potable.sources.base import Source
from potable.store.layout import Lake
from potable.tables import QuarantinePolicy, Table

R = TypeVar("R")
STORES = ("file", "s3", "gs", "az")
"""Schemes of URLs a lake or vault may lie under; a path needs none."""
SPARK_STORES = ("file", "s3")
"""Those that Spark can work on."""
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class LakeSettings(Declaration):
    """Where the lake is."""

    restricted: str = "lake/restricted"
    """Root of raw, validated and quarantine: holds personal data. Path or URL."""
    open: str = "lake/open"
    """Root of protected, features, datasets, runs and audit. Path or URL."""


class SparkSettings(Declaration):
    """How Spark is reached, where `engine: spark`."""

    master: str = ""
    """Master URL such as `spark://host:7077`, `yarn` or `k8s://…`; empty runs Spark here, in `threads` and `memory`."""
    remote: str = ""
    """Spark Connect URL such as `sc://host:15002`, instead of a master."""
    conf: Mapping[str, str | bool | int | float] = Field(default={})
    """Spark's own settings, such as `spark.executor.memory: 8g`."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.master and self.remote:
            raise ValueError("give `master` or `remote`, not both")
        return self

    def options(self) -> dict[str, object]:
        """What the engine takes."""
        words = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in self.conf.items()}
        return {"master": self.remote or self.master, "conf": words}


class Platform(Declaration):
    """potable.yaml: what the platform team decides."""

    project: str
    """Name of the project."""
    lake: LakeSettings = LakeSettings()
    """Roots of the lake."""
    vault: str = "vault"
    """Subject ids and keys; may be shared by several lakes. Path or URL."""
    engine: str = "duckdb"
    """Engine that runs the project."""
    memory: str = "2GB"
    """Memory a run may use, over all its processes."""
    threads: int = os.cpu_count() or 1
    """Threads and worker processes."""
    scratch: str = ".potable/scratch"
    """Folder for spilled data and results on their way; on a cluster every executor must reach it."""
    spark: SparkSettings = SparkSettings()
    """How Spark is reached, where `engine: spark`."""
    quarantine: QuarantinePolicy = QuarantinePolicy()
    """How much of all tables together may go to quarantine before a run stops."""
    airflow: AirflowSettings = AirflowSettings()
    """The DAG that `potable airflow generate` writes."""
    plugins: list[str] = Field(default_factory=list)
    """Python files of the project, or installed modules, whose classes of Great Expectations checks may name."""

    @field_validator("memory")
    @classmethod
    def _size(cls, value: str) -> str:
        memory_bytes(value)
        return value

    def engine_options(self) -> dict[str, object]:
        """Options of the chosen engine alone."""
        return {**self.spark.options(), "stores": self.object_stores()} if self.engine == "spark" else {}

    def object_stores(self) -> tuple[str, ...]:
        """The roots that lie on object stores."""
        roots = (self.lake.restricted, self.lake.open, self.vault)
        return tuple(root for root in roots if "://" in root and not root.startswith("file://"))


def memory_bytes(text: str) -> int:
    """Bytes of a size such as `512MB` or `4GiB` (powers of 1024).

    Raises:
        ValueError: not a size, or less than 256 MB.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", text.strip(), re.IGNORECASE)
    if not match:
        raise ValueError("write a size such as 512MB or 4GB")
    size = int(float(match[1]) * _UNITS[match[2].upper()])
    if size < 256 << 20:
        raise ValueError("a run needs at least 256MB")
    return size


@dataclass(frozen=True)
class Project:
    """Everything declared in one project folder, checked."""

    root: Path
    platform: Platform
    sources: Mapping[str, Source[Any]]
    policy: Policy
    features: FeatureSet
    plan: FeaturePlan
    """The dataset's rows, features and labels, resolved."""
    proof: flow.Proof
    """Which category reaches which output column, through which operator."""
    checks: Mapping[str, tuple[Check, ...]]
    """Parsed checks by `source.table`."""
    documents: Mapping[str, Document]
    """Documents by file stem: `potable`, `privacy`, `features`, and each source."""
    suites: Mapping[str, Suite] = field(default_factory=dict)
    """Great Expectations suites by the `source.table` that names them."""
    as_of: date | None = None
    """The day a run was asked for instead of the declared `rows.as_of`."""

    @property
    def dataset(self) -> str:
        """Name of the dataset; of another day it is a dataset of its own: `attrition@2024-03-31`."""
        return f"{self.features.dataset}@{self.as_of}" if self.as_of else self.features.dataset

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


def load(
    root: Path,
    *,
    environment: str | None = None,
    variables: Mapping[str, str] | None = None,
    offline: bool = False,
    as_of: date | None = None,
) -> Project:
    """The project in folder `root`.

    Args:
        environment: name of the overlay `envs/<environment>.yaml`.
        variables: for `${env:…}`; by default the project's `.env` file below the process environment.
        offline: leave variables that are not set as they are written, for commands that reach no source.
        as_of: the day that replaces `rows.as_of` of features.yaml, as if it were declared there.

    Raises:
        ProjectError: or ProjectErrors with everything that is wrong, each with its place.
    """
    root = root.resolve()
    if not (root / "potable.yaml").is_file():
        raise ProjectError(
            "this is not a project folder: it has no potable.yaml", "P001", given=str(root), next="potable init"
        )
    known = own_variables(root) if variables is None else variables
    reader = _Reader(root, _Unset(known) if offline else known)
    platform = reader.model(reader.platform(environment), Platform)
    sources = reader.sources()
    policy = reader.model(reader.document("privacy"), Policy)
    features = reader.model(reader.features(as_of), FeatureSet)
    raise_all(reader.errors)
    assert platform and policy and features
    return replace(_checked(root, reader, platform, sources, policy, features), as_of=as_of)


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
    policy: Policy,
    features: FeatureSet,
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
    reader.errors += _not_yet(platform, tables, documents)
    reader.errors += _roster_errors(features, tables, documents["features"])
    reader.keep(
        lambda: check_policy(
            tables, policy, documents=documents, policy_document=documents["privacy"], operators=OPERATORS
        )
    )
    kept = {name: _kept(table, policy) for name, table in tables.items()}
    plan = reader.keep(lambda: check_features(features, tables, documents["features"], operators=OPERATORS, kept=kept))
    proof = reader.keep(lambda: _proof(plan, tables, policy, documents["features"])) if plan else None
    if plan:
        reader.errors += _bias_errors(features, plan, documents["features"])
        reader.errors += wrong_feature_tests(features.tests, plan, documents["features"], wrong_cells)
    raise_all(reader.errors)
    assert plan and proof
    return Project(root, platform, sources, policy, features, plan, proof, checks, documents, suites)


def _kept(table: Table, policy: Policy) -> list[str]:
    """Columns of a table that reach the protected zone."""
    rules = {name: policy.rule_for(column.declared_category or "") for name, column in table.columns.items()}
    return [name for name, rule in rules.items() if rule and not rule.stays and not table.columns[name].key]


def _proof(plan: FeaturePlan, tables: Mapping[str, Table], policy: Policy, document: Document) -> flow.Proof:
    categories = {
        (name, column): declared.declared_category or ""
        for name, table in tables.items()
        for column, declared in table.columns.items()
    }
    outputs = [flow.Output(item.name, item.reads, item.outputs, item.operators) for item in plan.outputs]
    proof = flow.prove(outputs, categories, policy)
    places = {
        item.name: document.place("label", item.name)
        if item.is_label
        else document.place("features", item.table, item.name)
        for item in plan.outputs
    }
    flow.require(proof, places)
    return proof


def _not_yet(platform: Platform, tables: Mapping[str, Table], documents: Mapping[str, Document]) -> list[ProjectError]:
    """What may be declared but cannot be run yet; better refused than done wrongly."""
    errors = []
    roots = {
        ("lake", "restricted"): platform.lake.restricted,
        ("lake", "open"): platform.lake.open,
        ("vault",): platform.vault,
    }
    for key, url in roots.items():
        scheme, remote, _ = url.partition("://")
        known = SPARK_STORES if platform.engine == "spark" else STORES
        if not remote or scheme in known:
            continue
        kind = "a store that Spark cannot work on yet" if scheme in STORES else "a kind of store that is not known"
        allowed = ", ".join(["a path", *(f"{name}://" for name in known)])
        place = documents["potable"].place(*key)
        errors.append(ProjectError(f"`{'.'.join(key)}` lies on {kind}", "P040", place=place, allowed=allowed))
    for name, table in tables.items():
        if table.known == "landed":
            source, short = name.split(".", 1)
            place = documents[source].place("tables", short, "known")
            problem = f"`{name}`: `known: landed` needs the landing time of each record, which is not kept yet"
            errors.append(ProjectError(problem, "P040", place=place, allowed="a column, a lag such as +10d, or both"))
    return errors


def _bias_errors(features: FeatureSet, plan: FeaturePlan, document: Document) -> list[ProjectError]:
    bias, label = features.bias, plan.labels[-1]
    if bias is None:
        return []
    groups = sorted(item.name for item in plan.features if item.type.kind in ("string", "boolean"))
    errors = [
        ProjectError(
            f"`{name}` is no feature of words or bands, so it names no groups",
            "P040",
            place=document.place("bias", "groups", index),
            allowed=", ".join(groups),
            hint=did_you_mean(name, groups),
        )
        for index, name in enumerate(bias.groups)
        if name not in groups
    ]
    steps = label.recipe.steps
    # a truth value has two words; what else a label may hold, only the data tell
    if label.recipe.raw.kind == "boolean" and [step.operator for step in steps] == ["words"]:
        words = sorted(map(str, steps[0].arguments.values()))
        if bias.favourable not in words:
            problem = f"`{bias.favourable}` is no value of the label `{label.name}`"
            place, hint = document.place("bias", "favourable"), did_you_mean(bias.favourable, words)
            errors.append(ProjectError(problem, "P040", place=place, allowed=", ".join(words), hint=hint))
    return errors


def _roster_errors(features: FeatureSet, tables: Mapping[str, Table], document: Document) -> list[ProjectError]:
    declared = sorted({table.roster for table in tables.values() if table.roster})
    if features.subject in declared:
        return []
    hint = did_you_mean(features.subject, declared) or f"write `roster: {features.subject}` in its table"
    allowed = ", ".join(declared) or "none is declared"
    place = document.place("subject")
    problem = f"no table is the roster of `{features.subject}`"
    return [ProjectError(problem, "P040", place=place, allowed=allowed, hint=hint)]


class _Reader:
    """Reads the files of one folder, keeping documents and errors."""

    def __init__(self, root: Path, variables: Mapping[str, str]) -> None:
        self._root = root
        self._variables = variables
        self.documents: dict[str, Document] = {}
        self.errors: list[PotableError] = []

    def document(self, stem: str, folder: str = "") -> Document | None:
        """One file; None, and an error kept, when it cannot be read."""
        path = self._root / folder / f"{stem}.yaml"
        found = self.keep(lambda: read(path, root=self._root, environment=self._variables))
        if found:
            self.documents[stem] = found
        return found

    def platform(self, environment: str | None) -> Document | None:
        """potable.yaml with the environment's overlay."""
        base = self.document("potable")
        if environment and base:
            top = self.document(environment, "envs")
            self.documents["potable"] = base = overlay(base, top) if top else base
        return base

    def features(self, as_of: date | None) -> Document | None:
        """features.yaml, with another as-of date laid over it."""
        found = self.document("features")
        if as_of and found and isinstance(found.data.get("rows"), dict):
            asked = {"as_of": {"at": as_of}}
            data, literal = ({**part, "rows": {**part["rows"], **asked}} for part in (found.data, found.literal))
            self.documents["features"] = found = replace(found, data=data, literal=literal)
        return found

    def sources(self) -> dict[str, Source[Any]]:
        """All declared sources, by name."""
        found: dict[str, Source[Any]] = {}
        paths = sorted((self._root / "sources").glob("*.yaml"))
        if not paths:
            place = Place("sources/")
            self.errors.append(ProjectError("the project declares no source", "P001", place=place))
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
            self.errors.append(ProjectError(f"`source` must be the file's name, `{stem}`", "P005", place=place))
        try:
            model = plugins.load("sources", str(document.data.get("type")))
        except ProjectError as failure:
            failure.place = document.place("type")
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
