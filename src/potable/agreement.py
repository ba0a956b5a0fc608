"""What the files of a project must agree on: checks that look at several of them at once.

What one file says by itself is checked by its model, and what a slice alone can tell by that slice. Teams write
their files one after the other: `Agreement` holds what infosec's and data science's say, as far as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

from potable import plugins
from potable.declarations import Document
from potable.deployment import STORES, Platform
from potable.errors import PotableError, ProjectError, did_you_mean
from potable.features.aggregates import AGGREGATES
from potable.features.declaration import FeatureSet
from potable.features.plan import AS_OF, Feature, FeaturePlan, read_by
from potable.features.windows import moved
from potable.privacy import flow
from potable.privacy.policy import Policy
from potable.store.objects import location
from potable.tables import Table


@dataclass(frozen=True)
class Later:
    """A file that another team writes after data engineering."""

    file: str
    """Its name."""
    team: str
    """Who writes it."""
    says: str
    """What it says."""


PRIVACY = Later("privacy.yaml", "infosec", "what may happen to each category of data")
FEATURES = Later("features.yaml", "data science", "which rows, which label, which features")


@dataclass(frozen=True)
class Agreement:
    """What the files say that come after the sources; None is not written yet, or needs what is not."""

    policy: Policy | None = None
    features: FeatureSet | None = None
    plan: FeaturePlan | None = None
    """The dataset's rows, features and labels, resolved."""
    proof: flow.Proof | None = None
    """Which category reaches which output column, through which operator; needs both files."""

    @property
    def unwritten(self) -> tuple[Later, ...]:
        """The files that are not there yet."""
        parts = {PRIVACY: self.policy, FEATURES: self.features}
        return tuple(file for file, part in parts.items() if part is None)


def not_written(files: Sequence[Later], what: str) -> ProjectError:
    """The error of `what` (a command, say) that needs files which are not written yet."""
    they, one = ("them", "both") if len(files) > 1 else ("it", "one")
    whose = "; ".join(f"{file.team} writes {file.file}: {file.says}" for file in files)
    return ProjectError(
        f"{lacking(files)}, and {what} needs {they}",
        "P001",
        hint=f"{whose}. `potable init --example churn EXAMPLE` creates a project that has {one}, to start from",
        state=f"nothing was run; ingest, validate and resolve can run without {they}",
        next=AS_FAR,
    )


Waiting = Literal["protect", "build", "publish"]
WAITING: tuple[Waiting, ...] = ("protect", "build", "publish")
"""The verbs that need all files; ingest, validate and resolve need the sources alone."""
AS_FAR = "potable run --only ingest"
"""What to run while files are not written."""


def lacking(files: Sequence[Later]) -> str:
    """What is lacking, in words: `privacy.yaml and features.yaml are not written yet`."""
    return f"{' and '.join(file.file for file in files)} {'are' if len(files) > 1 else 'is'} not written yet"


def kept_columns(table: Table, policy: Policy) -> list[str]:
    """Columns of a table that reach the protected zone."""
    rules = {name: policy.rule_for(column.declared_category or "") for name, column in table.columns.items()}
    return [name for name, rule in rules.items() if rule and not rule.stays and not table.columns[name].key]


def proof_of(plan: FeaturePlan, tables: Mapping[str, Table], policy: Policy, document: Document) -> flow.Proof:
    """Which category reaches which output column.

    Raises:
        ProjectError: or ProjectErrors, where the policy does not allow one to.
    """
    categories = {
        (name, column): declared.declared_category or ""
        for name, table in tables.items()
        for column, declared in table.columns.items()
    }
    outputs = [
        flow.Output(item.name, item.reads, item.outputs, item.operators, item.type.kind) for item in plan.outputs
    ]
    proof = flow.prove(outputs, categories, policy)
    places = {
        item.name: document.place("label", item.name)
        if item.is_label
        else document.place("features", item.table, item.name)
        for item in plan.outputs
    }
    flow.require(proof, places)
    return proof


def platform_errors(platform: Platform, base: Path, document: Document) -> list[PotableError]:
    """An engine that is not installed, stores of unknown kinds, and personal data that would lie in the open root."""
    errors: list[PotableError] = []
    try:
        plugins.require("engines", platform.engine)
    except ProjectError as failure:
        failure.place = document.place("engine")
        errors.append(failure)
    roots = {
        ("lake", "restricted"): platform.lake.restricted,
        ("lake", "open"): platform.lake.open,
        ("vault",): platform.vault,
    }
    allowed = ", ".join(["a path", *(f"{name}://" for name in STORES)])
    for key, url in roots.items():
        if problem := _no_place(url):
            place = document.place(*key)
            errors.append(ProjectError(f"`{'.'.join(key)}` {problem}", "P040", place=place, allowed=allowed))
    opened = location(roots.pop(("lake", "open")), base=base)
    for key, url in roots.items():
        if location(url, base=base).is_relative_to(opened):
            name = ".".join(key)
            problem = f"`{name}` lies in `lake.open`, so whoever may read the dataset could read personal data"
            allowed = f"a place for `{name}` that is not in `lake.open`"
            errors.append(
                ProjectError(problem, "P040", place=document.place(*key), given=document.shown(url), allowed=allowed)
            )
    return errors


def _no_place(url: str) -> str:
    """What is wrong with a root, in words; nothing where it is a path or the URL of a store."""
    if not url.strip():
        return "is empty"
    scheme, remote, path = url.partition("://")
    if remote and scheme not in STORES:
        return "is a URL of an unknown kind of store"
    # else it would be a folder of that name in the project, with personal data
    if re.match(r"(s3|gs|az):(?!//[^/])|file:(?!//)", url):
        return "is a URL without `//` and a bucket behind it"
    if remote and scheme != "file" and "//" in path:
        return "has two slashes one after the other in its path"
    if re.search(r"\$\w", url):
        return "has a variable of a shell, which nothing replaces: write `${env:NAME}`"
    return ""


def not_yet(tables: Mapping[str, Table], documents: Mapping[str, Document]) -> list[ProjectError]:
    """What may be declared but cannot be run yet; better refused than done wrongly."""
    errors = []
    for name, table in tables.items():
        if table.known == "landed":
            source, short = name.split(".", 1)
            place = documents[source].place("tables", short, "known")
            problem = (
                f"`{name}`: `known: landed` is not supported yet, because the landing time of each record is not kept"
            )
            errors.append(
                ProjectError(
                    problem,
                    "P040",
                    place=place,
                    allowed="a column, a lag such as +10d, or a column with a lag (`submitted_at or +30d`)",
                )
            )
    return errors


def bias_errors(features: FeatureSet, plan: FeaturePlan, document: Document) -> list[ProjectError]:
    """Groups and a favourable value that no output has."""
    bias = features.bias
    if bias is None:
        return []
    if (label := plan.label) is None:
        problem = "`bias` compares how often groups get a label, but features.yaml declares no label"
        return [ProjectError(problem, "P040", place=document.place("bias", of_key=True))]
    groups = sorted(item.name for item in plan.features if item.type.kind in ("string", "boolean"))
    errors = [
        ProjectError(
            f"`bias` cannot group by `{name}`: it is not a feature with words, bands or true/false",
            "P040",
            place=document.place("bias", "groups", index),
            allowed=", ".join(groups),
            hint=did_you_mean(name, groups),
        )
        for index, name in enumerate(bias.groups)
        if name not in groups
    ]
    if allowed := _lacking(label, bias.favourable):
        problem = f"`{bias.favourable}` is not a value of the label `{label.name}`"
        place, hint = document.place("bias", "favourable"), did_you_mean(bias.favourable, allowed.split(", "))
        hint = hint or ("with several labels, the last one is compared" if plan.labels[1:] else "")
        errors.append(ProjectError(problem, "P040", place=place, allowed=allowed, hint=hint))
    return errors


def drift_errors(features: FeatureSet, plan: FeaturePlan, document: Document) -> list[ProjectError]:
    """Expected changes of columns that the dataset does not have; rows to be scored lack the labels of the file."""
    columns = [item.name for item in plan.outputs]
    return [
        ProjectError(
            f"`drift: accepted` names `{each.column}`, which is not a column of `{plan.dataset}`",
            "P040",
            place=document.place("drift", "accepted", index, "column"),
            allowed=", ".join(columns),
            hint=did_you_mean(each.column, columns),
        )
        for index, each in enumerate(features.drift.accepted)
        if each.column not in columns and ("label", each.column) not in document.places
    ]


def _lacking(label: Feature, value: str) -> str:
    """What the label holds instead of `value`; nothing where it may hold it, or where only the data tell."""
    steps, kind = label.recipe.steps, label.type.kind
    if kind in ("integer", "float"):
        return "" if re.fullmatch(r"-?\d+(\.\d+)?", value) else "a number"
    if label.recipe.raw.kind == "boolean" and [step.operator for step in steps] == ["words"]:
        words = sorted(map(str, steps[0].arguments.values()))
    else:
        words = ["false", "true"] if kind == "boolean" else [value]
    return "" if value in words else ", ".join(words)


def anonymity_errors(policy: Policy, plan: FeaturePlan, document: Document) -> list[ProjectError]:
    """Quasi-identifiers that the dataset does not have: nobody would be hidden by them."""
    columns = [AS_OF, *(item.name for item in plan.features)]
    return [
        ProjectError(
            f"`anonymity` names `{name}`, which is not a feature of `{plan.dataset}`",
            "P040",
            place=document.place("anonymity", "columns", index),
            allowed=", ".join(columns),
            hint=did_you_mean(name, columns) or "was the feature renamed or removed?",
        )
        for index, name in enumerate(policy.anonymity.columns if policy.anonymity else ())
        if name not in columns
    ]


def uncovered(plan: FeaturePlan, documents: Mapping[str, Document]) -> list[ProjectError]:
    """Tables whose coverage ends before rows to be scored: what was zero in training would be unknown in them."""
    errors = []
    for name, table in plan.tables.items():
        last = table.coverage[1] if table.coverage else None
        late = [
            feature.name
            for feature in plan.of_table(name, labels=False)
            if last and feature.recipe.otherwise is None and _needs(feature, plan) > last + timedelta(days=1)
        ]
        if not late:
            continue
        source, short = name.split(".", 1)
        problem = (
            f"`coverage` of `{name}` ends on {last}, before the rows to score: a missing record would mean "
            "zero in training but unknown in scoring"
        )
        place = documents[source].place("tables", short, "coverage")
        hint = "move the end of `coverage`, or leave it open (`null`) if the table is kept up to date"
        errors.append(ProjectError(problem, "P032", place=place, given=read_by(late), hint=hint))
    return errors


def _needs(feature: Feature, plan: FeaturePlan) -> date:
    """The day before which a table must be complete, for an empty window of the feature to mean zero."""
    if AGGREGATES[feature.recipe.aggregate or "value"].empty == "null":
        return date.min
    return moved(moved(plan.rows.dates[-1], plan.cut), feature.recipe.window.end)


def roster_errors(features: FeatureSet, tables: Mapping[str, Table], document: Document) -> list[ProjectError]:
    """A subject that no table is the roster of."""
    declared = sorted({table.roster for table in tables.values() if table.roster})
    if features.subject in declared:
        return []
    hint = did_you_mean(features.subject, declared) or (
        f"write `roster: {features.subject}` in the table that lists them"
    )
    allowed = ", ".join(declared) or "(no table declares a roster)"
    place = document.place("subject")
    problem = f"no table is declared as the roster of `{features.subject}`"
    return [ProjectError(problem, "P040", place=place, allowed=allowed, hint=hint)]
