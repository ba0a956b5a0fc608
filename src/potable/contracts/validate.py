"""The verb `validate`: typed rows that keep their contract, and a quarantine for the others.

One scan types every cell and judges every row check at once, as bits of a mask; a second, over typed
columns, finds duplicates and splits. Checks of columns and of rows by other rows look at the rows that stay.
Rows in = rows out + rows quarantined + rows deleted, checked here every time.

A table may be judged layer by layer: only the rows of new objects, next to what stands already. Its totals
add up, and what stands keeps its place, so that the whole comes out as if all were judged at once, in the
order in which the objects landed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from potable.contracts import judging, profile
from potable.contracts.checks import Check
from potable.contracts.deletions import (
    LIFE,
    NO_KEY,
    REASONS,
    TOMBSTONE,
    Deletions,
    Lists,
    deleted_schema,
    still_met,
    told_apart,
    with_lives,
)
from potable.contracts.keyed import KNOWN_KEY, ORDER_KEY, Repeated, duplicates, keyed, with_known_key, with_order_key
from potable.contracts.masks import Rule, masked, nulled, reason_counts, rules_of, staged_schema
from potable.contracts.parts import replaced
from potable.contracts.results import Result, stops
from potable.contracts.splitting import Split, split_up
from potable.contracts.structure import Structure, asked, observed
from potable.engines.base import Engine, Part, union_all
from potable.errors import DataError
from potable.quantities import Limit
from potable.tables import OBJECT, ORIGIN, UNPARSED, Table

DUPLICATE = "duplicate"
"""Reason of a row whose key another has."""
_DUPLICATES = "duplicates"
"""Total of the rows that are there because of their key."""
UNDECLARED = Limit(share=Fraction(1, 2))
"""How many new rows may break their contract where it declares no limit: more is a fault of it or of the source."""
FEW = 100
"""Of fewer new rows any number may."""


@dataclass(frozen=True)
class Contract:
    """What one table promises."""

    name: str
    """`source.table`, for messages."""
    table: Table
    checks: Sequence[Check]


@dataclass(frozen=True)
class Places:
    """Where `validate` writes: absolute, new folders of this attempt."""

    rows: str
    """Validated zone: `rows/`, and `staged/`, `repeated/` and `duplicates/`, which may go when it is done."""
    quarantine: str
    """Quarantine zone: `quarantine/` and `cells/`."""


@dataclass(frozen=True)
class Standing:
    """What stands of a table already, from objects that landed before."""

    files: Sequence[str] = ()
    """Absolute paths of its validated rows."""
    rows: int = 0
    quarantined: int = 0
    totals: Mapping[str, int] = field(default_factory=dict)
    samples: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Values that failed, by rule, as far as results show them."""
    batches: Mapping[str, int] = field(default_factory=dict)
    """Which batch each object came with, new ones too."""
    deleted_files: Sequence[str] = ()
    """Absolute paths of its deleted rows."""
    deleted: int = 0
    quarantine_files: Sequence[str] = ()
    """Absolute paths of its quarantine; read only of parts of other records."""
    structure: Structure = field(default_factory=dict)
    """What its values say of their structure."""
    sketches: Mapping[str, str] = field(default_factory=dict)
    """Sketches of the distinct values, by column."""


@dataclass(frozen=True)
class Validated:
    """What `validate` made of one table; parts are of the rows judged, numbers of the whole table."""

    rows: Sequence[Part]
    quarantine: Sequence[Part]
    cells: Sequence[Part]
    """Original rows of which single cells were set to null."""
    standing: Standing
    totals: Mapping[str, int]
    """Counts that add up from layer to layer; the numbers below are made of them."""
    reasons: Mapping[str, int]
    """Quarantined rows by reason; a row may have several."""
    nulls: Mapping[str, int]
    """Nulls per column among the rows in."""
    results: Sequence[Result] = ()
    stopped: Sequence[str] = field(default=())
    """Checks that stop the run."""
    told: Sequence[str] = field(default=())
    """What was found by each of them."""
    split_off: bool = False
    """Whether rows are in quarantine for the first of them."""
    samples: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Values that failed, by rule, for the layers to come."""
    deleted: Sequence[Part] = ()
    """Rows that are gone or replaced in the source, and those that say so."""
    rewritten: bool = False
    """Whether rows that stood are deleted, so that `rows` holds all that stay and the standing files are void."""

    structure: Structure = field(default_factory=dict)
    """What values say of their structure, of all layers."""
    profile: pa.Table | None = None
    """Counts of what the rows judged hold (`profile.PROFILE`)."""
    sketches: Mapping[str, str] = field(default_factory=dict)
    """Sketches of the distinct values of the whole table, by column."""

    @property
    def rows_in(self) -> int:
        """Rows there are."""
        return self.totals["rows"] + self.totals.get(TOMBSTONE, 0)

    @property
    def rows_out(self) -> int:
        """Rows that keep the contract."""
        return (0 if self.rewritten else self.standing.rows) + sum(part.rows for part in self.rows)

    @property
    def rows_deleted(self) -> int:
        """Rows that are gone or replaced in the source, and those that say so."""
        return self.standing.deleted + sum(part.rows for part in self.deleted)

    @property
    def rows_quarantined(self) -> int:
        """Rows split off."""
        return self.standing.quarantined + sum(part.rows for part in self.quarantine)


def validated_schema(table: Table) -> pa.Schema:
    """Schema of a validated table: its columns and the origin of each row."""
    return pa.schema([*table.schema, *ORIGIN])


def quarantine_schema(table: Table) -> pa.Schema:
    """Schema of a quarantine: as parsed, with the unreadable texts and the reasons."""
    return pa.schema([*table.schema, *ORIGIN, (UNPARSED, pa.string()), (REASONS, pa.string())])


def validate(
    parsed: ir.Table,
    contract: Contract,
    *,
    engine: Engine,
    places: Places,
    standing: Standing | None = None,
    lists: Lists | None = None,
) -> Validated:
    """Judge the `parsed` rows of a table (its columns and `tables.LANDED`, consumed once).

    Args:
        standing: what stands already, of batches before those of the parsed rows.
        lists: what the source said of all there is.

    Raises:
        DataError: D003 when rows are lost or doubled.
    """
    job = _Job(contract, engine, places, standing or Standing(), lists or Lists())
    table, checks, standing = contract.table, contract.checks, job.standing
    rules = rules_of(table, checks)
    staged = _staged(masked(parsed, table, rules), table, rules, places, engine=engine)
    every = staged
    staged, tombstones, marks = told_apart(every, table, engine)
    counts = judging.totals(staged, table, rules, checks)
    portions = profile.portions(staged, table, counts | asked(staged, table), engine)
    own = profile.added_up(portions, list(counts)) | marks
    bad = judging.marked(staged, rules, own, f"{places.rows}/staged/marked", engine)
    own |= judging.failures(bad, rules, own, engine)
    good = with_lives(table, keyed(table, staged, rules), tombstones) if table.unique else None
    repeated = duplicates(table, good, _keys(job, good), places.rows, engine) if good is not None else Repeated()
    own[_DUPLICATES] = repeated.count
    totals = Counter(standing.totals) + Counter(own)
    split = split_up(table, staged, rules, repeated.origins)
    if good is not None:
        parts = _replaced(every.mutate(**nulled(every, rules)), job)
        gone = Deletions(table, tombstones, job.lists.keys, _deleted(job), parts, repeated.newer)
        split = _without_deleted(split, repeated.without(good), gone, job)
    judged = judging.Judged(contract.name, table, rules, checks, totals, standing.samples)
    judged = replace(judged, samples=judging.samples(bad, judged, own, engine))
    taken, sketches = profile.taken(staged, table, portions, engine)
    result = replace(
        _written(split, own, judged, job),
        structure=observed(staged, table, standing.structure, portions, engine),
        profile=taken,
        sketches=profile.summed(standing.sketches, sketches),
    )
    _require_all(contract.name, result)
    new = [f"{places.rows}/rows/{part.path}" for part in result.rows if part.rows]
    stay = engine.read([*(() if result.rewritten else standing.files), *new], validated_schema(table))
    batches = judging.batches_of(staged, checks, standing.batches, engine)
    wholes = judging.of_wholes(judged, stay, result.rows_out, batches, engine)
    return _concluded(result, [*judging.of_rules(judged), *wholes], table, own)


@dataclass(frozen=True)
class _Job:
    """What one call works on."""

    contract: Contract
    engine: Engine
    places: Places
    standing: Standing
    lists: Lists


def _require_all(name: str, made: Validated) -> None:
    if made.rows_in != made.rows_out + made.rows_quarantined + made.rows_deleted:
        raise DataError(
            f"`{name}`: {made.rows_in} rows in, {made.rows_out} out, {made.rows_quarantined} quarantined "
            f"and {made.rows_deleted} deleted",
            "D003",
        )


def _staged(marked: ir.Table, table: Table, rules: Sequence[Rule], places: Places, *, engine: Engine) -> ir.Table:
    """The masked rows, written down once and read as often as they are needed."""
    parts = engine.write(marked, f"{places.rows}/staged")
    files = [f"{places.rows}/staged/{part.path}" for part in parts]
    staged = engine.read(files, staged_schema(table, rules))
    judged = judging.by_value(staged, table, rules, f"{places.rows}/staged", engine)
    if judged is staged:
        return staged
    # written once more, or every later query would join again
    parts = engine.write(judged, f"{places.rows}/staged/judged")
    return engine.read([f"{places.rows}/staged/judged/{part.path}" for part in parts], staged_schema(table, rules))


def _concluded(
    made: Validated, found: Sequence[tuple[Check | None, Result]], table: Table, own: Mapping[str, int]
) -> Validated:
    """What was made, with the results and what they stop; `own` are counts of the rows judged now."""
    stopping = [(check, result) for check, result in found if check and stops(check, result)]
    names, told = [result.name for _, result in stopping], [result.told for _, result in stopping]
    first = stopping[0][0] if stopping else None
    split_off = first is None or (first.is_row_check and rules_of(table, [first])[-1].costs_row)
    limit = table.quarantine.limit
    if limit and not limit.allows(made.rows_quarantined, made.rows_in):
        names.append("quarantine()")
        told.append(f"{made.rows_quarantined:,} of {made.rows_in:,} rows go to quarantine; at most {limit} may")
    elif not limit and own["rows"] >= FEW and not UNDECLARED.allows(own["broken"], own["rows"]):
        names.append("quarantine()")
        told.append(
            f"{own['broken']:,} of {own['rows']:,} new rows go to quarantine; where the table declares no "
            f"`quarantine: {{at_most: …}}`, at most {UNDECLARED} of them may"
        )
    return replace(made, results=[result for _, result in found], stopped=names, told=told, split_off=split_off)


def _keys(job: _Job, good: ir.Table) -> ir.Table | None:
    """What `good` rows are compared by, of rows that stand or stood; None when there are no such rows."""
    table, standing, engine = job.contract.table, job.standing, job.engine
    names = [name for name in table.columns if name in (*table.unique, table.known_column, table.order)]
    schema = pa.schema([table.schema.field(name) for name in names])
    found = [engine.read(standing.files, schema)] if standing.files else []
    if (deleted := _deleted(job)) is not None and not table.landed_in_order:
        found.append(still_met(table, deleted).select(names))
    life = {LIFE: ibis.literal(0, "int64")} if LIFE in good.columns else {}
    found = [with_order_key(table, with_known_key(table, rows)) for rows in found]
    keys = [rows.select(*table.unique, KNOWN_KEY, ORDER_KEY, **life) for rows in found]
    return union_all(keys) if keys else None


def _replaced(staged: ir.Table, job: _Job) -> ir.Table | None:
    """Parts that are gone with a later version of the record around them (`parts.replaced`)."""
    table, standing, engine = job.contract.table, job.standing, job.engine
    if job.lists.around is None:
        return None
    names = [name for name in table.columns if name in (*table.unique, table.known_column)]
    schema = pa.schema([*(table.schema.field(name) for name in names), (OBJECT, pa.string())])
    files = [*standing.files, *standing.deleted_files, *standing.quarantine_files]
    before = with_known_key(table, engine.read(files, schema))
    staged = with_known_key(table, staged)
    return replaced(table, job.lists.around, staged, before, folder=f"{job.places.rows}/scratch", engine=engine)


def _deleted(job: _Job) -> ir.Table | None:
    """The deleted rows that stand."""
    files = job.standing.deleted_files
    return job.engine.read(files, deleted_schema(job.contract.table)) if files else None


def _without_deleted(split: Split, survivors: ir.Table, deletions: Deletions, job: _Job) -> Split:
    """The rows without those that are gone in the source; `survivors` are the keys of new ones that would stay."""
    if not deletions.any:
        return split
    engine, files = job.engine, job.standing.files
    stood = engine.read(files, validated_schema(job.contract.table)) if files else None
    gone = deletions.find(survivors, stood, f"{job.places.rows}/scratch", engine)
    return replace(
        split,
        rows=gone.without(split.rows),
        quarantine=deletions.with_lost(split.quarantine),
        deleted=deletions.taken(split.rows, gone),
        rewritten=gone.old is not None,
    )


def _written(split: Split, own: Mapping[str, int], judged: judging.Judged, job: _Job) -> Validated:
    """The rows written, where there are any by their counts `own`, and the numbers of the table."""
    places, engine, totals = job.places, job.engine, judged.totals
    aside = places.quarantine
    bad = own["broken"] or own.get(_DUPLICATES) or own.get(NO_KEY)
    return Validated(
        rows=engine.write(split.rows, f"{places.rows}/rows"),
        quarantine=engine.write(split.quarantine, f"{aside}/quarantine") if bad else (),
        cells=engine.write(split.cells, f"{aside}/cells") if own["touched"] else (),
        deleted=engine.write(split.deleted, f"{aside}/deleted") if split.deleted is not None else (),
        rewritten=split.rewritten,
        standing=job.standing,
        totals=totals,
        reasons=_reasons(judged.rules, totals),
        nulls={column: totals[f"nulls_{index}"] for index, column in enumerate(judged.table.columns)},
        samples=judged.samples,
    )


def _reasons(rules: Sequence[Rule], totals: Mapping[str, int]) -> dict[str, int]:
    counts = {**reason_counts(rules, totals), DUPLICATE: totals.get(_DUPLICATES, 0), NO_KEY: totals.get(NO_KEY, 0)}
    return {reason: count for reason, count in counts.items() if count}
