"""The steps that write to the open root: protect of each table, build, publish.

Every function takes the run's workshop, a step of the plan and the attempt folder to write to, and returns
what it made. Skipping, committing and recording belong to `runner`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from typing import Any

import ibis.expr.types as ir

from potable.datasets.bias import Groups
from potable.datasets.gates import Known
from potable.datasets.publish import Spec, publish
from potable.datasets.version import Version, commit
from potable.features.build import Built, build
from potable.features.standing import renew
from potable.identity.match import normalise
from potable.privacy import detect
from potable.privacy import pseudonyms as names
from potable.privacy.protect import Contract, People, Places, protect
from potable.project import Project
from potable.runs import known, since
from potable.runs.beside import DEFINITIONS, compared
from potable.runs.carded import card_facts
from potable.runs.plan import Step, code, published_by
from potable.runs.record import VERBS
from potable.runs.vault import key_name
from potable.runs.workshop import Made, Workshop
from potable.store.manifest import fingerprint


def protect_table(shop: Workshop, step: Step, attempt: str) -> Made:
    """`protect` of one table."""
    layer = since.layer(shop, step)
    origins = since.origins(shop, step.name)
    if layer and not layer.changed:
        facts = {**layer.earlier.facts, "origins": origins, "stands_on": layer.earlier.fingerprint}
        return Made({}, layer.earlier.counts, facts, standing=layer.earlier.files)
    aside = attempt.replace("protected/", "quarantine/nobody/", 1)
    made = protect(
        layer.new if layer else shop.validated(step.name),
        Contract(
            step.name,
            shop.project.tables[step.name],
            shop.project.policy,
            told=shop.project.sources[step.name.split(".", 1)[0]].naming.told,
        ),
        people=_people(shop),
        engine=shop.engine,
        places=Places(shop.lake.open.locate(f"{attempt}/rows"), shop.lake.restricted.locate(aside)),
        standing=layer.standing if layer else None,
    )
    counts = {"rows_in": made.rows_in, "rows": made.rows_out, "quarantined": made.rows_quarantined}
    facts = {
        "actions": [asdict(action) for action in made.actions],
        "redactions": made.redactions,
        "scanned": made.scanned,
        "nobody": aside,
        "origins": origins,
        "stands_on": layer.earlier.fingerprint if layer else "",
    }
    left = {part.path for part in made.standing}
    files = layer.earlier.files["rows"] if layer else ()
    stand = [file for file in files if shop.lake.open.locate(file.path) in left]
    return Made({"rows": made.rows}, counts, facts, standing={"rows": stand})


def _people(shop: Workshop) -> People:
    return People(
        keys=shop.keys(),
        pseudonyms=shop.read("protect", "pseudonyms", "rows", names.schema()),
        identifiers=_who(shop),
        index=since.index_of(shop, shop.manifest("protect", "identifiers")),
        normalise=normalise,
        held=shop.held(),
    )


def _who(shop: Workshop) -> ir.Table:
    """What may tell who somebody is, wherever it stands."""
    return since.telling(shop, shop.manifest("protect", "identifiers"))


def build_features(shop: Workshop, step: Step, attempt: str) -> Made:
    """`build` of the dataset's rows: of the subjects touched since an earlier step, else of all, bucket by bucket."""
    plan, place = shop.project.plan, shop.lake.open.locate(f"{attempt}/rows")
    protected = {table: shop.manifest("protect", table) for table in plan.sources}
    files = {table: since.by_bucket(shop.lake, manifest) for table, manifest in protected.items()}
    origins = {table: manifest.fingerprint for table, manifest in protected.items()}
    earlier = since.last(shop.lake, step)
    standing = since.built(shop, earlier, protected) if earlier else None
    if not earlier or not standing:
        made = build(plan, files, shop.engine, place, scratch=shop.scratch / "build")
        return _built(made, {"origins": origins, "stands_on": ""})
    history = {"origins": origins, "stands_on": earlier.fingerprint}
    renewed = renew(plan, files, shop.engine, place, scratch=shop.scratch / "build", standing=standing)
    if renewed is None:
        return Made({}, earlier.counts, {**earlier.facts, **history}, standing=earlier.files)
    return _built(renewed, history)


def _built(made: Built, history: Mapping[str, object]) -> Made:
    return Made(
        {"rows": made.parts}, {"rows_in": made.funnel.seen, "rows": made.rows}, {**_build_facts(made), **history}
    )


def _build_facts(made: Built) -> dict[str, object]:
    return {
        "funnel": {**asdict(made.funnel), "dropped": made.funnel.dropped},
        "columns": made.columns,
        "proved_on": made.proved_on,
        "labels": made.labels,
        "gaps": dict(made.gaps),
    }


def publish_dataset(shop: Workshop, step: Step, attempt: str) -> Made:
    """`publish`: gates, then files; the version is committed by `commit_version`."""
    made = publish(
        _features(shop),
        _spec(shop.project),
        Known(
            _who(shop),
            shop.read("protect", "pseudonyms", "rows", names.schema()),
            patterns=detect.count,
            digests=known.digests(shop, step),
        ),
        engine=shop.engine,
        scratch=shop.scratch / "publish",
    )
    lineage = _lineage(shop, step)
    facts = card_facts(shop, made, lineage)
    files = made.stored(shop.lake.open, f"{step.folder}/files", facts)
    counts = {"rows_in": shop.manifest("build", step.name).rows(), "rows": made.rows, "suppressed": made.suppressed}
    return Made({}, counts, {**made.facts(), "files": files, "lineage": lineage})


def _features(shop: Workshop) -> ir.Table:
    from potable.features.build import relation

    plan = shop.project.plan
    return relation(plan, shop.engine, shop.files("build", plan.dataset))


def _spec(project: Project) -> Spec:
    anonymity, plan = project.policy.anonymity, project.plan
    return Spec(
        name=plan.dataset,
        id_column=plan.id_column,
        label=plan.label.name if plan.label else "",
        quasi=tuple(anonymity.columns) if anonymity else (),
        k=anonymity.k if anonymity else 0,
        least=project.policy.least,
        suppress=anonymity is not None and anonymity.below == "suppress",
        kin=plan.kin(anonymity.columns) if anonymity else (),
        groups=_groups(project),
        origins={item.name: sorted(f"{table}.{column}" for table, column in item.reads) for item in plan.outputs},
    )


def _groups(project: Project) -> Groups | None:
    """The groups that features.yaml declares; none below so few rows is told apart."""
    bias, label = project.features.bias, project.plan.label
    if bias is None or label is None:
        return None
    return Groups(
        columns=bias.groups,
        label=label.name,
        favourable=bias.favourable,
        min_ratio=bias.min_ratio,
        max_difference=bias.max_difference,
        max_feature_difference=bias.max_feature_difference,
        severity=bias.severity,
        least=project.policy.least,
    )


def _lineage(shop: Workshop, step: Step) -> Mapping[str, str]:
    """What the dataset is made from; one that is proved, from what it was made."""
    done = since.found(shop.lake, step.zone, step.name, step.proves) if step.proves else None
    return done.facts["lineage"] if done else lineage_of(shop, step)


def lineage_of(shop: Workshop, step: Step) -> dict[str, str]:
    """What a version was made from, by hash: inputs, contracts, policy, features, code, parents."""
    documents, declared = shop.project.documents, shop.project.documents["features"].literal
    inputs = {name: fingerprint([(item.name, item.sha256) for item in found]) for name, found in shop.landed.items()}
    contracts = {name: documents[name].literal for name in shop.project.sources}
    return {
        **{f"input {name}": value for name, value in inputs.items()},
        "contracts": fingerprint(contracts),
        "policy": fingerprint(published_by(shop.project)),
        "features": fingerprint(declared),
        DEFINITIONS: definitions(declared),
        "code": fingerprint([code(verb) for verb in VERBS]),
        "pseudonym key": key_name(shop.key),
        "subjects": shop.done["resolve", "subjects"][0].fingerprint,
        "build": shop.done["build", step.name][0].fingerprint,
        **({"as of": str(shop.project.as_of)} if shop.project.as_of else {}),
    }


def definitions(declared: Mapping[str, Any]) -> str:
    """A hash of what the features of a row are, whatever its date and its label.

    Args:
        declared: features.yaml as it is written.
    """
    rows = {key: value for key, value in declared["rows"].items() if key != "as_of"}
    return fingerprint(rows, [declared.get(key) for key in ("subject", "embargo", "digits", "features")])


def commit_version(shop: Workshop, note: Callable[[Version], None], today: date) -> tuple[Version, bool]:
    """Make what publish wrote the current version, a new one after `note`; (version, whether it is new).

    Raises:
        DataError: D010, it lies farther from the version it is compared with than features.yaml allows.
        EnvironmentFailure: E005, another run published something else since this one began.
    """
    name = shop.project.plan.dataset
    step, manifest = shop.done["publish", name]
    facts = manifest.facts
    version = Version(
        dataset=name,
        fingerprint=step.fingerprint,
        files={kind: item["path"] for kind, item in facts["files"].items()},
        sha256={kind: item["sha256"] for kind, item in facts["files"].items()},
        rows=manifest.counts["rows"],
        columns=tuple(item["name"] for item in facts["distributions"]),
        lineage=facts["lineage"],
        run=shop.run,
        published_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    shop.beside = compared(shop, version, today)
    found, new = commit(shop.lake.versions(shop.project.dataset), version, note, parent=shop.parent)
    return replace(found), new
