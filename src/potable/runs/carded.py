"""What the card of a version tells: the facts of its plan, of its build and of what was published, put together.

How they are written belongs to `datasets.card`. Entry: `card_facts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from potable.datasets.card import CardColumn, CardFacts, CardGroup, Gap, PersonalData
from potable.datasets.profile import Distribution, misread, run_as_formulas
from potable.datasets.publish import Published
from potable.features.plan import DERIVED, Feature, FeaturePlan, levels_of
from potable.privacy.operators import band_labels
from potable.project import Project
from potable.runs.workshop import Workshop


def card_facts(shop: Workshop, made: Published, lineage: Mapping[str, str]) -> CardFacts:
    """What the card tells of a version that is about to be stored."""
    project, plan = shop.project, shop.project.plan
    outputs = {item.name: item for item in plan.outputs}
    fixed = {plan.id_column: "keyed pseudonym", "as_of": "as-of date"}
    label, rows = plan.label, project.features.rows
    facts = shop.manifest("build", plan.dataset).facts
    gaps, funnel = facts["gaps"], facts["funnel"]

    def column(item: Distribution) -> CardColumn:
        if (found := outputs.get(item.name)) is None:
            return CardColumn(item.name, item.type, "", fixed[item.name], item.nulls)
        table = "" if found.table == DERIVED else found.table
        today = bool(table) and plan.tables[table].time is None
        told = (item.name, item.type, found.text, found.description, item.nulls, table, today)
        return CardColumn(*told, words=_words(found, plan), forward=found.recipe.forward)

    return CardFacts(
        name=plan.dataset,
        subject=plan.subject,
        rows=made.rows,
        columns=[column(item) for item in made.distributions],
        as_of=str(rows.as_of),
        chosen={"table": rows.from_, "start": rows.during[0], "end": rows.during[1], "where": rows.where or ""},
        seen=funnel["seen"],
        dropped=funnel["dropped"],
        label=label.name if label else "",
        label_definition=label.text if label else "",
        balance=made.balance,
        gaps=[
            Gap(item.name, str(item.recipe.window.start), gaps[item.name]) for item in plan.labels if item.name in gaps
        ],
        digits=plan.digits,
        personal=_personal(project, made),
        sources=plan.sources,
        lineage=lineage,
        embargo=str(plan.embargo or ""),
        groups=[
            CardGroup(item.by, group, rows, rate)
            for item in made.disparities
            if item.measure == "label"
            for group, rows, rate in zip(item.groups, item.rows, item.rates, strict=True)
        ],
        favourable=project.features.bias.favourable if project.features.bias else "",
        limits=[*misread(made.distributions), *run_as_formulas(made.formulas)],
    )


def _personal(project: Project, made: Published) -> PersonalData:
    policy = project.policy
    return PersonalData(
        purposes=policy.purposes,
        legal_basis=policy.legal_basis,
        retention=str(policy.retention),
        identifiers=made.scan.identifiers,
        findings=len(made.scan.findings),
        k=made.k,
        k_required=policy.anonymity.k if policy.anonymity else 0,
        k_columns=policy.anonymity.columns if policy.anonymity else (),
        suppressed=made.suppressed,
        kin=project.plan.kin(policy.anonymity.columns) if policy.anonymity else (),
    )


def _words(feature: Feature, plan: FeaturePlan) -> Sequence[str]:
    """The words a column may hold, lowest first; nothing where they have no order."""
    steps = feature.recipe.steps
    if not steps:
        return levels_of(feature, plan.tables.get(feature.table))
    if steps[-1].operator != "band":
        return ()
    arguments = steps[-1].arguments
    return cast(Sequence[str], arguments.get("labels")) or band_labels(cast(Sequence[float], arguments["edges"]))
