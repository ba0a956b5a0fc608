"""The steps of validate: of each table, and of all tables by each other.

Every function takes the run's workshop, a step of the plan and the attempt folder to write to, and returns
what it made. Skipping, committing and recording belong to `runner`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from potable.contracts import drift
from potable.contracts.aggregates import Whole
from potable.contracts.arguments import OTHER_TABLE
from potable.contracts.cases import OF_LIMIT, QUARANTINE_LIMIT
from potable.contracts.deletions import Lists
from potable.contracts.profile import joined
from potable.contracts.references import judge, referring
from potable.contracts.results import Result, stops
from potable.contracts.structure import changes
from potable.contracts.validate import Contract, Places, Standing, Validated, validate
from potable.engines.base import Engine, Part
from potable.errors import DataError
from potable.identity.match import normalise
from potable.runs.again import again, days
from potable.runs.around import versions
from potable.runs.checkup import read_profile, write_profile
from potable.runs.drifted import described, told
from potable.runs.listed import listed
from potable.runs.plan import Step
from potable.runs.workshop import Made, Workshop
from potable.sources.base import Source
from potable.sources.blobs import Blob
from potable.sources.groups import OBSERVED, grouped, observe_group, parsed_rows
from potable.store.manifest import Manifest, find, fingerprint

if TYPE_CHECKING:
    import pyarrow as pa


def validate_table(shop: Workshop, step: Step, attempt: str) -> Made:
    """`validate` of one table: of what landed since an earlier step that can be built on, else of all."""
    source_name, short = step.name.split(".", 1)
    source, table = shop.project.sources[source_name], shop.project.tables[step.name]
    reached, before = _earlier(shop, step)
    locate = shop.lake.restricted.locate
    mine = [item for item in shop.landed[source_name] if short in item.tables]
    blobs = source.blobs([item for item in mine if item.batch > reached], locate(""))
    seen = drift.Seen(**before.facts["seen"]).plus(_seen(shop.engine, source, short, blobs))
    ours = {blob.name: blob for blob in source.blobs(mine, locate(""))}
    drifts = described(source, short, drift.compare(table, seen, fixed=source.fixed_columns), ours)
    drift.refuse(step.name, table, told(source, drifts))
    parsed = parsed_rows(shop.engine, source, short, blobs)
    aside = attempt.replace("validated/", "quarantine/", 1)
    profiled = read_profile(shop.lake.restricted, before)
    around = versions(shop, step, before, blobs, f"{attempt}/versions")
    made = validate(
        parsed,
        Contract(step.name, table, shop.project.checks[step.name]),
        engine=shop.engine,
        places=Places(locate(attempt), locate(aside)),
        standing=_standing(shop, before, {item.name: item.batch for item in shop.landed[source_name]}),
        lists=Lists(listed(shop, step, reached, f"{attempt}/scratch/listed"), around and around[0]),
    )
    drifts += changes(table, made.structure)
    drift.refuse(step.name, table, told(source, drifts))
    assert made.profile is not None
    profile = joined(profiled.cells, made.profile)
    beside = {
        "profile": [write_profile(shop.lake.restricted, f"{attempt}/profile", profile)],
        "versions": around[1] if around else [],
    }
    facts = _facts(made, profile) | {
        "drift": [asdict(item) for item in drifts],
        "seen": asdict(seen),
        "parsed": len(blobs),
        "landed": shop.batches.get(source_name, 0),
        "stands_on": before.fingerprint,
        "again": {} if made.stopped else again(shop, step, before, made, attempt).facts(),
        "afterwards": {} if made.stopped else days(shop, step, before, made, attempt),
    }
    done = _made(made, before, facts, beside, aside)
    if made.stopped:
        # not done, but people want to see what was found and which rows it were
        shop.stopped[step.name] = done.manifest(step, attempt)
        shop.lake.restricted.put(stopped_path(step), [shop.stopped[step.name].to_bytes()])
        raise _stop(step.name, made)
    return done


def _facts(made: Validated, profile: pa.Table) -> dict[str, Any]:
    """What the manifest of a validated table says of it, with its profile."""
    return {
        "reasons": made.reasons,
        "checks": [asdict(result) for result in made.results],
        "nulls": made.nulls,
        "totals": dict(made.totals),
        "samples": dict(made.samples),
        "profile": fingerprint(profile.to_pydict()),
        "sketches": dict(made.sketches),
        "batch": max(profile["batch"].to_pylist(), default=0),
        "structure": made.structure,
    }


def _made(
    made: Validated, before: Manifest, facts: Mapping[str, Any], beside: Mapping[str, Sequence[Part]], aside: str
) -> Made:
    """The files and counts of a validated table, beside those that stand from `before`."""
    files = {"rows": made.rows, "quarantine": made.quarantine, "cells": made.cells, "deleted": made.deleted}
    counts = {
        "rows_in": made.rows_in,
        "rows": made.rows_out,
        "quarantined": made.rows_quarantined,
        "deleted": made.rows_deleted,
        "cells": before.rows("cells") + sum(part.rows for part in made.cells),
    }
    folders = {output: f"{aside}/{output}" for output in ("quarantine", "cells", "deleted")}
    anew = {"profile", *(("rows",) if made.rewritten else ())}
    stands = {output: listed for output, listed in before.files.items() if output not in anew}
    return Made(_with_rows({**files, **beside}), counts, facts, folders, stands)


def stopped_path(step: Step) -> str:
    """Where what a check stopped is described, below the restricted root; the step is not done by it."""
    return f"{step.folder.replace('validated/', 'quarantine/', 1)}/stopped.json"


def _earlier(shop: Workshop, step: Step) -> tuple[int, Manifest]:
    """The step of the same table, contract and code that covers most of what is current, and its last batch.

    Fingerprints name content and order of landing, so one that is found covers nothing that is gone or changed.
    """
    for number, found in step.earlier:
        if manifest := find(step.store(shop.lake), replace(step, fingerprint=found).folder):
            return number, manifest
    nothing: dict[str, Any] = {fact: {} for fact in ("seen", "totals", "samples", "structure", "sketches")}
    return 0, Manifest(step.label, "", {}, {}, nothing)


def _standing(shop: Workshop, before: Manifest, batches: Mapping[str, int]) -> Standing:
    return Standing(
        files=before.paths(shop.lake.restricted),
        rows=before.rows(),
        quarantined=before.rows("quarantine"),
        totals=before.facts["totals"],
        samples=before.facts["samples"],
        batches=batches,
        deleted_files=before.paths(shop.lake.restricted, "deleted"),
        deleted=before.rows("deleted"),
        quarantine_files=before.paths(shop.lake.restricted, "quarantine"),
        structure=before.facts["structure"],
        sketches=before.facts["sketches"],
    )


def _with_rows(files: Mapping[str, Sequence[Part]]) -> dict[str, list[Part]]:
    """Without empty files, which would be read again by every layer to come."""
    return {output: [part for part in parts if part.rows] for output, parts in files.items()}


def _stop(name: str, made: Validated) -> DataError:
    """The error of a table that a check stops."""
    broken = [OF_LIMIT if each == QUARANTINE_LIMIT else each for each in made.stopped]
    others = len(broken) - 1
    more = f"; {others} more check{'s' * (others > 1)} failed: {', '.join(broken[1:])}" if others else ""
    split_off = made.split_off and made.rows_quarantined
    where = "the failing records are in quarantine" if split_off else "no record is in quarantine for it"
    return DataError(
        f"`{name}` breaks {broken[0]}",
        "D001",
        given=f"{made.told[0]}{more}",
        hint=f"{where}; fix the source, or {'raise the limit' if broken == [OF_LIMIT] else 'change the check'}",
        state="nothing was published; the last version stays current",
        next=f"potable quarantine show {name}" if split_off else "potable report",
    )


def judge_references(shop: Workshop, step: Step, attempt: str) -> Made:
    """The checks of `validate` that look at another table, over the rows of both that stay."""
    tables = shop.project.tables
    wholes = {name: Whole(shop.validated(name), table, shop.engine) for name, table in tables.items()}
    found: dict[str, list[dict[str, Any]]] = {}
    stopping: list[tuple[str, Result]] = []
    for name in tables:
        for check in referring(shop.project.checks[name]):
            other = wholes[check.arguments[OTHER_TABLE]]
            result = judge(check, wholes[name], other, normalise=normalise)
            found.setdefault(name, []).append(asdict(result))
            stopping += [(name, result)] if stops(check, result) else []
    rows = sum(each["element_count"] for results in found.values() for each in results)
    done = Made({}, {"rows_in": rows, "rows": rows}, {"checks": found})
    if stopping:
        shop.stopped[step.name] = done.manifest(step, attempt)
        raise _stopped_across(stopping)
    return done


def _stopped_across(stopping: Sequence[tuple[str, Result]]) -> DataError:
    """The error of tables that do not fit each other."""
    name, result = stopping[0]
    there, others = result.arguments[OTHER_TABLE], len(stopping) - 1
    more = f"; {others} more check{'s' * (others > 1)} between tables failed" if others else ""
    return DataError(
        f"`{name}` breaks {result.name} in `{there}`",
        "D001",
        given=f"{result.told}{more}",
        hint=f"the report shows which values were not found; is `{there}` complete? Set `severity: warn` to "
        "continue anyway",
        state="nothing was published; the last version stays current",
        next="potable report",
    )


def require_total(shop: Workshop, nobody: Mapping[str, int] | None = None) -> None:
    """Stop where more rows of all tables together went to quarantine than may.

    Args:
        nobody: rows that belong to nobody, by table, once that is known.

    Raises:
        DataError: D001, with the tables that sent most.
    """
    limit = shop.project.platform.quarantine.limit
    counts = {name: shop.manifest("validate", name).counts for name in shop.project.tables}
    away = {name: each["quarantined"] + (nobody or {}).get(name, 0) for name, each in counts.items()}
    rows, aside = sum(each["rows_in"] for each in counts.values()), sum(away.values())
    if limit is None or limit.allows(aside, rows):
        return
    most = sorted(away, key=lambda name: (-away[name], name))[:3]
    raise DataError(
        "more rows of all tables together are quarantined than potable.yaml allows",
        "D001",
        given=f"{aside:,} of {rows:,} rows; most of `" + "`, `".join(most) + "`",
        allowed=f"at most {limit}",
        hint="the failing records are in quarantine (`potable quarantine list`); fix the source, or change the checks",
        state="nothing was published; the last version stays current",
        next="potable report",
    )


def _seen(engine: Engine, source: Source[Any], table: str, blobs: Sequence[Blob]) -> drift.Seen:
    pairs = engine.map_items(list(grouped(blobs)), partial(observe_group, source, table), OBSERVED)
    observed: dict[str, frozenset[str]] = {}
    dialects: dict[str, frozenset[str]] = {}
    # most objects have the same columns, and share one set
    shapes: dict[frozenset[str], frozenset[str]] = {}
    for batch in engine.stream(pairs):
        added: dict[tuple[str, bool], set[str]] = {}
        for name, column, part in zip(*(values.to_pylist() for values in batch.columns), strict=True):
            added.setdefault((name, part is None), set()).add(column if part is None else part)
        for (name, of_columns), whats in added.items():
            found = observed if of_columns else dialects
            shape = found.get(name, frozenset()) | whats
            found[name] = shapes.setdefault(shape, shape)
    return drift.observe(source.tables[table], observed, dialects, {blob.name: blob.batch for blob in blobs})
