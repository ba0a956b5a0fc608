"""The steps that know who is who: resolve, and the pseudonyms of protect.

Every function takes the run's workshop, a step of the plan and the attempt folder to write to, and returns
what it made. Skipping, committing and recording belong to `runner`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import ibis.expr.types as ir

from potable.contracts.validate import validated_schema
from potable.engines.base import Part
from potable.identity.resolve import KEYS, SHARED, Resolved, resolve
from potable.identity.standing import Standing
from potable.privacy import pseudonyms
from potable.runs import ledger, since
from potable.runs.plan import Step
from potable.runs.workshop import Made, Workshop
from potable.store.manifest import File, Manifest
from potable.tables import Table

_DRAWN = ("new", "merged", "split")
"""Counts of resolve that tell how the ledger changed; held to the ledger it made, nothing does."""


def resolve_subjects(shop: Workshop, step: Step, attempt: str) -> Made:
    """`resolve` over all tables with keys, continuing the vault's ledger; of what changed since an earlier step."""
    if step.proves:
        return _resolved_again(shop, step, attempt)
    log = ledger.log_of(shop.lake.vault)
    number, entry = ledger.newest(log)
    if entry and entry["fingerprint"] == step.fingerprint and shop.stands(step, entry["facts"].get("stands_on", "")):
        # a run was killed between the ledger's entry and the step's manifest
        resumed = {output: [File(**file) for file in listed] for output, listed in entry["files"].items()}
        return Made({}, entry["counts"], entry["facts"], standing=resumed)
    known = [shop.lake.vault.locate(file["path"]) for file in entry["files"]["keys"]] if entry else []
    earlier = since.last(shop.lake, step)
    rows, standing = _resolved_before(shop, earlier, entry) if earlier else (_validated(shop), None)
    made = resolve(
        _with_keys(shop),
        rows,
        shop.engine.read(known, KEYS),
        engine=shop.engine,
        directory=shop.lake.vault.locate(attempt),
        standing=standing,
    )
    done = _resolved(shop, made, earlier)
    listed = done.manifest(step, attempt).files
    files = {output: [asdict(file) for file in each] for output, each in listed.items()}
    what = {"counts": done.counts, "files": files, "facts": done.facts}
    if earlier:
        shop.require_standing(step, earlier.fingerprint)
    log.append({"fingerprint": step.fingerprint, **what}, parent=number)
    return done


def _resolved(shop: Workshop, made: Resolved, earlier: Manifest | None) -> Made:
    """What resolve made, beside what stands of an earlier step."""
    origins = {name: shop.manifest("validate", name).fingerprint for name in _with_keys(shop)}
    facts = {"origins": origins, "stands_on": earlier.fingerprint if earlier else ""}
    before = earlier.files if earlier else {}
    stand = {name: before.get(name, ()) for name, output in made.outputs.items() if output.stands}
    counts = made.counts or {**(earlier.counts if earlier else {}), **dict.fromkeys(_DRAWN, 0)}
    return Made({name: output.parts for name, output in made.outputs.items()}, counts, facts, standing=stand)


def _with_keys(shop: Workshop) -> dict[str, Table]:
    return {name: table for name, table in shop.project.tables.items() if table.keys}


def _validated(shop: Workshop) -> dict[str, ir.Table]:
    return {name: shop.validated(name) for name in _with_keys(shop)}


def _resolved_before(
    shop: Workshop, earlier: Manifest, entry: Mapping[str, Any] | None
) -> tuple[dict[str, ir.Table], Standing]:
    """The rows that resolve has to read beside an earlier step, and what that left.

    Args:
        earlier: that step, made by the same rules.
        entry: the newest one of the ledger.
    """
    rows, beside = {}, set()
    for name, table in _with_keys(shop).items():
        came = since.came(shop, name, earlier.facts["origins"][name])
        if came is None:
            rows[name] = shop.validated(name)
            continue
        beside.add(name)
        if came:
            rows[name] = shop.engine.read(came, validated_schema(table))
    vault = shop.lake.vault
    standing = Standing(
        records={name: earlier.paths(vault, f"records/{name}") for name in _with_keys(shop)},
        shared=shop.engine.read(earlier.paths(vault, "shared"), SHARED),
        beside=beside,
        current=bool(entry and entry["fingerprint"] == earlier.fingerprint),
        pieces=len(earlier.files["keys"]),
    )
    return rows, standing


def _resolved_again(shop: Workshop, step: Step, attempt: str) -> Made:
    """A finished step made whole beside itself: whoever is who in its ledger must be so again."""
    done = since.found(shop.lake, step.zone, step.name, step.proves)
    assert done is not None
    made = resolve(
        _with_keys(shop),
        _validated(shop),
        shop.engine.read(done.paths(shop.lake.vault, "keys"), KEYS),
        engine=shop.engine,
        directory=shop.lake.vault.locate(attempt),
    )
    counts = {name: count + (done.counts[name] if name in _DRAWN else 0) for name, count in made.counts.items()}
    return Made({name: output.parts for name, output in made.outputs.items()}, counts)


def make_pseudonyms(shop: Workshop, step: Step, attempt: str) -> Made:
    """Pseudonym and bucket of every person of the roster; of those who came since an earlier step, where all stay."""
    policy, dataset = shop.project.policy, shop.project.features.dataset
    key = pseudonyms.PseudonymKey.derive(shop.key, dataset=dataset, epoch=policy.epoch)
    # a table without keys has no rows in any of them, and is not among what the step is made from
    buckets = pseudonyms.buckets(sum(shop.manifest("validate", name).rows() for name in _with_keys(shop)))
    earlier = since.last(shop.lake, step)
    came = _keys_that_came(shop, earlier) if earlier and earlier.counts["buckets"] == buckets else None
    stand: Sequence[File] = ()
    keys = shop.keys()
    if earlier and came is not None:
        stand = earlier.files["rows"]
        known = shop.engine.read(earlier.paths(shop.lake.vault), pseudonyms.schema())
        keys = shop.engine.read(came, KEYS).anti_join(known, "subject")
    parts: Sequence[Part] = ()
    if came != []:
        relation = pseudonyms.pseudonyms(keys, key, buckets=buckets, engine=shop.engine)
        parts = shop.engine.write(relation, shop.lake.vault.locate(f"{attempt}/rows"))
        parts = [part for part in parts if part.rows or not stand]
    rows = sum(file.rows for file in stand) + sum(part.rows for part in parts)
    facts = {
        "resolved": shop.manifest("resolve", "subjects").fingerprint,
        "stands_on": earlier.fingerprint if earlier and came is not None else "",
    }
    return Made({"rows": parts}, {"rows": rows, "buckets": buckets}, facts, standing={"rows": stand})


def _keys_that_came(shop: Workshop, earlier: Manifest) -> list[str] | None:
    """Files of keys beside those of which an earlier step made pseudonyms; None where these do not all stand."""
    subjects = since.found(shop.lake, "vault", "subjects", earlier.facts["resolved"])
    if subjects is None:
        return None
    old, now = (set(made.paths(shop.lake.vault, "keys")) for made in (subjects, shop.manifest("resolve", "subjects")))
    return sorted(now - old) if old <= now else None
