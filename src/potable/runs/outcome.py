"""What a run's record says about the data, from the manifests of its steps.

Works for half a run too: what a failed run did not reach is left empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from potable.contracts.drift import Drift
from potable.contracts.findings import Result
from potable.datasets.disparities import Disparity
from potable.datasets.version import Version
from potable.privacy.policy import Policy
from potable.runs.beside import alike
from potable.runs.disclosed import recent
from potable.runs.drifted import told
from potable.runs.plan import REFERENCES
from potable.runs.record import (
    CategoryRecord,
    DatasetRecord,
    FeatureRecord,
    PrivacyRecord,
    Stage,
    TableRecord,
)
from potable.runs.workshop import Workshop
from potable.store.manifest import Manifest


def facts(shop: Workshop, version: tuple[Version, bool] | None) -> dict[str, Any]:
    """The fields of `RunRecord` that tell about data."""
    dataset = _dataset(shop, *version) if version else None
    return {
        "tables": tuple(_tables(shop)),
        "funnel": tuple(_funnel(shop, dataset)),
        "identity": dict(_counts(shop, "resolve", "subjects")),
        "spine": _spine(shop),
        "leakage": _leakage(shop),
        "privacy": _privacy(shop),
        "dataset": dataset,
    }


def _manifest(shop: Workshop, verb: str, name: str) -> Manifest | None:
    found = shop.done.get((verb, name))
    return found[1] if found else None


def _of_dataset(shop: Workshop, verb: str) -> Manifest | None:
    """The manifest of build or publish, which have one step each."""
    return next((manifest for (made, _), (_, manifest) in shop.done.items() if made == verb), None)


def _counts(shop: Workshop, verb: str, name: str) -> Mapping[str, int]:
    manifest = _manifest(shop, verb, name)
    return manifest.counts if manifest else {}


def _tables(shop: Workshop) -> Iterator[TableRecord]:
    for name in shop.project.tables:
        manifest = _manifest(shop, "validate", name) or shop.stopped.get(name)
        if manifest is None:
            continue
        protected = _counts(shop, "protect", name)
        found = [*manifest.facts["checks"], *_references(shop).get(name, ())]
        yield TableRecord(
            table=name,
            rows_in=manifest.counts["rows_in"],
            rows=manifest.counts["rows"],
            quarantined=manifest.counts["quarantined"],
            deleted=manifest.counts.get("deleted", 0),
            reasons=manifest.facts["reasons"],
            checks=tuple(Result(**{**check, "columns": tuple(check["columns"])}) for check in found),
            drift=tuple(_drifts(shop, name, manifest)),
            nulls=manifest.facts["nulls"],
            cells_nulled=manifest.counts["cells"],
            protected_rows=protected.get("rows", 0),
            nobody=protected.get("quarantined", 0),
            health=tuple(shop.health.get(name, ())),
            distinct=shop.distinct.get(name, {}),
            batch=manifest.facts["batch"],
        )


def _drifts(shop: Workshop, name: str, manifest: Manifest) -> Iterator[dict[str, Any]]:
    """What drifted, with its policy, as anybody may read it."""
    policy, source = shop.project.tables[name].drift, shop.project.sources[name.split(".", 1)[0]]
    for drift in told(source, (Drift(**each) for each in manifest.facts["drift"])):
        yield {**asdict(drift), "policy": getattr(policy, drift.change)}


def _references(shop: Workshop) -> Mapping[str, Any]:
    """What the checks found that look at another table, by the table they belong to."""
    manifest = _manifest(shop, "validate", REFERENCES) or shop.stopped.get(REFERENCES)
    return manifest.facts["checks"] if manifest else {}


def _funnel(shop: Workshop, dataset: DatasetRecord | None) -> Iterator[Stage]:
    objects = [item for found in shop.landed.values() for item in found]
    if objects:
        note = f"{len(shop.landed)} {'source' if len(shop.landed) == 1 else 'sources'}, bytes as received"
        records = sum(_counts(shop, "validate", name).get("rows_in", 0) for name in shop.project.tables)
        yield Stage("raw", records, sum(item.bytes for item in objects), len(objects), note)
    for stage, verb in (("validated", "validate"), ("protected", "protect")):
        manifests = [found for name in shop.project.tables if (found := _manifest(shop, verb, name))]
        if manifests:
            yield _stage(stage, manifests, f"{len(manifests)} tables")
    if built := _of_dataset(shop, "build"):
        yield _stage("features", [built], f"{len(built.facts['columns'])} columns")
    if dataset:
        yield Stage("dataset", dataset.rows, dataset.csv_bytes, 1, f"{dataset.columns} columns, CSV")


def _stage(stage: str, manifests: list[Manifest], note: str) -> Stage:
    files = [file for manifest in manifests for file in manifest.files.get("rows", ())]
    return Stage(stage, sum(file.rows for file in files), sum(file.bytes for file in files), len(files), note)


def _spine(shop: Workshop) -> dict[str, int]:
    built = _of_dataset(shop, "build")
    if built is None:
        return {}
    funnel, roster = built.facts["funnel"], _counts(shop, "resolve", "subjects").get("rostered", 0)
    reached = {name: funnel[name] for name in ("employed", "selected", "eligible", "rows")}
    dropped = {"no record in `rows.from`": roster - funnel["seen"], **funnel["dropped"]}
    return {"subjects": roster, **reached, **{f"dropped: {why}": count for why, count in dropped.items()}}


def _leakage(shop: Workshop) -> dict[str, int]:
    built = _of_dataset(shop, "build")
    return {"subjects": built.facts["proved_on"], "columns": len(shop.project.plan.features)} if built else {}


def _privacy(shop: Workshop) -> PrivacyRecord:
    policy, published = shop.project.agreed.policy, _of_dataset(shop, "publish")
    if policy is None:
        return PrivacyRecord()
    found = published.facts if published else {}
    anonymity = policy.anonymity
    redactions: dict[str, int] = {}
    for name in shop.project.tables:
        manifest = _manifest(shop, "protect", name)
        for kind, count in (manifest.facts["redactions"] if manifest else {}).items():
            redactions[kind] = redactions.get(kind, 0) + count
    return PrivacyRecord(
        categories=tuple(_categories(shop, policy)),
        redactions=redactions,
        identifiers=found.get("identifiers", 0),
        cells_scanned=found.get("cells_scanned", 0),
        findings=found.get("findings", 0),
        k_required=anonymity.k if anonymity else 0,
        k=found.get("k", 0),
        k_columns=tuple(anonymity.columns) if anonymity else (),
        suppressed=published.counts["suppressed"] if published else 0,
        identified=recent(shop.project)[1],
    )


def _categories(shop: Workshop, policy: Policy) -> Iterator[CategoryRecord]:
    project, proof = shop.project, shop.project.agreed.proof
    columns: dict[str, list[str]] = {}
    for name, table in project.tables.items():
        for column, declared in table.columns.items():
            columns.setdefault(declared.declared_category or "", []).append(f"{name}.{column}")
    reaches: dict[str, list[str]] = {}
    for flow in proof.flows if proof else ():
        reaches.setdefault(flow.category, []).append(flow.column)
    for category in sorted(columns):
        rule = policy.rule_for(category)
        if rule:
            publish = rule.publish if isinstance(rule.publish, str) else " or ".join(rule.publish)
            reached = tuple(dict.fromkeys(reaches.get(category, ())))
            yield CategoryRecord(category, tuple(columns[category]), rule.protect, publish, reached)


def _dataset(shop: Workshop, version: Version, new: bool) -> DatasetRecord:
    manifest = shop.manifest("publish", version.dataset)
    label = shop.project.plan.label
    locate = shop.lake.open.locate
    return DatasetRecord(
        name=shop.project.dataset,
        version=version.number,
        new=new,
        rows=version.rows,
        columns=len(version.columns),
        csv=locate(version.files["csv"]),
        csv_bytes=manifest.facts["files"]["csv"]["bytes"],
        parquet=locate(version.files["parquet"]),
        card=locate(version.files["card"]),
        label=label.name if label else "",
        balance=manifest.facts["balance"],
        features=tuple(_features(shop, manifest)),
        **_scoring(shop, version),
        bias=tuple(Disparity(**item) for item in manifest.facts["disparities"]),
        beside=shop.beside,
    )


def _scoring(shop: Workshop, version: Version) -> dict[str, Any]:
    """The labelled dataset whose models may score the rows of a version, and which of its versions is defined alike."""
    if not shop.project.scoring:
        return {}
    found = alike(shop, version)
    return {"scores": shop.project.features.dataset, "defined_as": found.number if found else 0}


def _features(shop: Workshop, manifest: Manifest) -> Iterator[FeatureRecord]:
    plan = shop.project.plan
    known = {item.name: item for item in plan.outputs}
    for item in manifest.facts["distributions"]:
        feature = known.get(item["name"])
        yield FeatureRecord(
            name=item["name"],
            type=item["type"],
            role=_role(item["name"], shop),
            table=feature.table if feature else "",
            definition=feature.text if feature else "",
            description=feature.description if feature else "",
            nulls=item["nulls"],
            distinct=item["distinct"],
            bins=tuple(item["bins"]),
            counts=tuple(item["counts"]),
        )


def _role(name: str, shop: Workshop) -> Any:
    plan = shop.project.plan
    if name in (plan.id_column, "as_of"):
        return "as_of" if name == "as_of" else "id"
    return "label" if any(item.name == name for item in plan.labels) else "feature"
