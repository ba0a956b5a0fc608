"""What the files of a project must agree on: checks that look at several of them at once.

What one file says by itself is checked by its model, and what a slice alone can tell by that slice.
"""

from __future__ import annotations

from collections.abc import Mapping

from potable.declarations import Document
from potable.deployment import SPARK_STORES, STORES, Platform
from potable.errors import ProjectError, did_you_mean
from potable.features.declaration import FeatureSet
from potable.features.plan import FeaturePlan
from potable.privacy import flow
from potable.privacy.policy import Policy
from potable.tables import Table


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


def not_yet(platform: Platform, tables: Mapping[str, Table], documents: Mapping[str, Document]) -> list[ProjectError]:
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


def bias_errors(features: FeatureSet, plan: FeaturePlan, document: Document) -> list[ProjectError]:
    """Groups and a favourable value that no output has."""
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


def roster_errors(features: FeatureSet, tables: Mapping[str, Table], document: Document) -> list[ProjectError]:
    """A subject that no table is the roster of."""
    declared = sorted({table.roster for table in tables.values() if table.roster})
    if features.subject in declared:
        return []
    hint = did_you_mean(features.subject, declared) or f"write `roster: {features.subject}` in its table"
    allowed = ", ".join(declared) or "none is declared"
    place = document.place("subject")
    problem = f"no table is the roster of `{features.subject}`"
    return [ProjectError(problem, "P040", place=place, allowed=allowed, hint=hint)]
