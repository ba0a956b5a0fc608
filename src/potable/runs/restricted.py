"""The steps that work on personal data: validate, resolve, and the vault's part of protect.

Every function takes the run's workshop, a step of the plan and the attempt folder to write to, and returns
what it made. Skipping, committing and recording belong to `runner`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from potable.contracts import drift
from potable.contracts.validate import Places, validate
from potable.engines.base import Engine, Part
from potable.errors import DataError
from potable.identity.match import normalise
from potable.identity.resolve import KEYS, resolve
from potable.privacy import forms, pseudonyms, roster
from potable.runs.plan import Step
from potable.runs.workshop import Made, Workshop
from potable.sources.base import Blob, Landed, Source
from potable.sources.groups import OBSERVED, grouped, observe_group, parse_group
from potable.sources.typed import schema as parsed_schema
from potable.store.log import Log

BUCKET_ROWS = 2_000_000
"""Validated rows, over all tables, that are worth a bucket of their own."""
MOST_BUCKETS = 64


def validate_table(shop: Workshop, step: Step, attempt: str) -> Made:
    """`validate` of one table."""
    source_name, short = step.name.split(".", 1)
    source, table = shop.project.sources[source_name], shop.project.tables[step.name]
    blobs = [_blob(shop, item) for item in shop.landed[source_name] if short in item.tables]
    drifts = _drift(shop.engine, source, short, blobs)
    drift.refuse(step.name, table, drifts)
    groups = list(grouped(blobs))
    parsed = shop.engine.map_items(groups, partial(parse_group, source, short), parsed_schema(table))
    aside = attempt.replace("validated/", "quarantine/", 1)
    made = validate(
        step.name,
        table,
        parsed,
        checks=shop.project.checks[step.name],
        engine=shop.engine,
        places=Places(shop.lake.restricted.locate(attempt), shop.lake.restricted.locate(aside)),
    )
    if made.stopped:
        raise DataError(
            f"`{step.name}` breaks {made.stopped[0]}",
            "D001",
            given=f"{made.rows_quarantined:,} of {made.rows_in:,} rows fail",
            hint="the records that fail lie in the quarantine of the restricted root; mend the source or the check",
            state="nothing was published; the last version stays current",
            next="potable report",
        )
    counts = {
        "rows_in": made.rows_in,
        "rows": made.rows_out,
        "quarantined": made.rows_quarantined,
        "cells": sum(part.rows for part in made.cells),
    }
    facts = {
        "reasons": made.reasons,
        "checks": [asdict(result) for result in made.results],
        "drift": [asdict(item) for item in drifts],
        "nulls": made.nulls,
    }
    files = {"rows": made.rows, "quarantine": made.quarantine, "cells": made.cells}
    return Made(files, counts, facts, {output: f"{aside}/{output}" for output in ("quarantine", "cells")})


def resolve_subjects(shop: Workshop, step: Step, attempt: str) -> Made:
    """`resolve` over all tables with keys, continuing the vault's ledger."""
    log = Log(shop.lake.vault, "ledger")
    number, entry = log.last()
    if entry and entry["fingerprint"] == step.fingerprint:
        # a run was killed between the ledger's entry and the step's manifest
        resumed = [Part(**part) for part in entry["parts"]]
        return Made({"keys": resumed}, entry["counts"], folders={"keys": f"{entry['attempt']}/keys"})
    known = entry["parts"] if entry else []
    before = [shop.lake.vault.locate(f"{entry['attempt']}/keys/{part['path']}") for part in known] if entry else []
    tables = {name: table for name, table in shop.project.tables.items() if table.keys}
    made = resolve(
        tables,
        {name: shop.validated(name) for name in tables},
        shop.engine.read(before, KEYS),
        engine=shop.engine,
        directory=shop.lake.vault.locate(attempt),
    )
    parts = [asdict(part) for part in made.parts]
    log.append(
        {"fingerprint": step.fingerprint, "attempt": attempt, "parts": parts, "counts": made.counts}, parent=number
    )
    return Made({"keys": made.parts}, made.counts)


def collect_identifiers(shop: Workshop, step: Step, attempt: str) -> Made:
    """The roster of every value that names or reaches someone, quarantined records included, and its forms."""
    tables, vault = shop.project.tables, shop.lake.vault
    rows = {name: [shop.validated(name), *shop.quarantined(name)] for name in tables}
    found = roster.identifiers(tables, rows, shop.keys(), normalise=normalise)
    parts = shop.engine.write(found, vault.locate(f"{attempt}/rows")) if found is not None else []
    known = shop.engine.read([vault.locate(f"{attempt}/rows/{part.path}") for part in parts], roster.schema())
    count = sum(part.rows for part in parts)
    files: dict[str, list[Part]] = {"rows": list(parts)}

    def write(name: str, chunks: Iterable[bytes]) -> None:
        files[name] = [Part("digests", 0, vault.put(f"{attempt}/{name}/digests", chunks))]

    shape = forms.save(shop.engine.stream(forms.forms(known, shop.engine)), count, write)
    return Made(files, {"rows": count}, {"forms": shape})


def make_pseudonyms(shop: Workshop, step: Step, attempt: str) -> Made:
    """Pseudonym and bucket of every person of the roster."""
    policy, dataset = shop.project.policy, shop.project.features.dataset
    key = pseudonyms.PseudonymKey.derive(shop.key, dataset=dataset, epoch=policy.epoch)
    buckets = _buckets(sum(shop.manifest("validate", name).rows() for name in shop.project.tables))
    relation = pseudonyms.pseudonyms(shop.keys(), key, buckets=buckets, engine=shop.engine)
    parts = shop.engine.write(relation, shop.lake.vault.locate(f"{attempt}/rows"))
    return Made({"rows": parts}, {"rows": sum(part.rows for part in parts), "buckets": buckets})


def _buckets(rows: int) -> int:
    """A power of two that leaves about `BUCKET_ROWS` rows in each bucket."""
    return int(min(MOST_BUCKETS, 1 << max(0, (rows // BUCKET_ROWS).bit_length())))


def _drift(engine: Engine, source: Source[Any], table: str, blobs: Sequence[Blob]) -> list[drift.Drift]:
    seen = engine.map_items(list(grouped(blobs)), partial(observe_group, source, table), OBSERVED)
    observed: dict[str, set[str]] = {}
    for batch in engine.stream(seen):
        for name, column in zip(*(values.to_pylist() for values in batch.columns), strict=True):
            observed.setdefault(name, set()).add(column)
    return drift.compare(source.tables[table], observed, fixed=source.fixed_columns)


def _blob(shop: Workshop, item: Landed) -> Blob:
    return Blob(item.name, shop.lake.restricted.locate(""), item.path, item.zstd, item.bytes, item.skip)
