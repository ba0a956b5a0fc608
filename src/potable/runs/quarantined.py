"""What is held back of each table, and why: the rows `validate` split off, and those about nobody.

Reads what finished steps left in the quarantine of the restricted root; decides nothing and shows nothing.
Entry: `held` for the counts, `records` for the rows, `taken_back` for what a mended contract or source freed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby, tee
from typing import Any

import ibis
import ibis.expr.types as ir

from potable import plugins
from potable.contracts.deletions import REASONS
from potable.contracts.validate import quarantine_schema
from potable.deployment import memory_bytes
from potable.engines.base import Engine, scalars
from potable.errors import EnvironmentFailure
from potable.privacy.protect import NOBODY, PLACES, REASON
from potable.project import Project
from potable.runs.plan import Step, validate_steps
from potable.runs.record import RunRecord, runs_of
from potable.runs.restricted import stopped_path
from potable.runs.since import nobody_files
from potable.sources.blobs import Original
from potable.sources.ingest import Raw, current
from potable.sources.landed import Landed
from potable.store.layout import Lake
from potable.store.manifest import Manifest, find
from potable.tables import OBJECT, ORIGIN, ROW

_MISTYPED = "mistyped"


@dataclass(frozen=True)
class Held:
    """What is held back of one table."""

    table: str
    rows: int
    """Rows that broke the contract."""
    nobody: int
    """Rows about nobody a roster knows, as the last finished protect found them."""
    cells: int
    """Rows kept with a cell set to null."""
    reasons: Mapping[str, int]
    """Rows by reason; one may have several."""
    rows_in: int
    current: bool
    """Whether this is what the contract of today makes of what is landed now."""
    stopped: bool
    """Whether a check stopped the table, so that no row of it went on."""
    files: Sequence[str] = field(repr=False)
    """Absolute paths of the rows that broke the contract."""
    nobody_files: Sequence[str] = field(repr=False, default=())
    landed: int = 0
    """Newest batch of its source when these were judged; 0 where nobody knows."""
    nobody_landed: int = 0
    """The same of those about nobody."""


@dataclass(frozen=True)
class Record:
    """One record that is held back."""

    object: str
    """The raw object it is in, by its name, which may name a person."""
    raw: str
    """Where that lies below the restricted root, by the hash of its content."""
    row: int
    """Which of its records, from 1."""
    batch: int
    """Batch the object came with."""
    first_seen: str
    """When that batch was landed (UTC, ISO 8601)."""
    reasons: tuple[str, ...]
    cells: Mapping[str, Any] = field(repr=False)
    """Typed values by column; empty for rows about nobody."""
    unparsed: str = field(repr=False, default="")
    """JSON of the texts that could not be read, by column."""
    landed: Landed | None = field(repr=False, default=None)
    """The object as it was when the record was judged; None where that is not known."""


def held(project: Project, name: str, *, last: bool = False) -> Held | None:
    """What is held back of table `name`; None when it was never validated.

    Args:
        last: by the contract of the newest run that finished the table, also where that of today was judged before.
    """
    lake, source = project.lake(), name.split(".", 1)[0]
    landed = current(lake.batches(source)).landed
    (step,) = validate_steps(project, {source: landed}, [name])
    found = (_earlier(project, step) if last else None) or find(lake.restricted, step.folder)
    halted = None if found else lake.restricted.get_if_present(stopped_path(step))
    found = Manifest.from_bytes(halted) if halted else found or _earlier(project, step)
    if found is None:
        return None
    nobody = _nobody(project, name)
    made = Held(
        name,
        rows=found.counts["quarantined"],
        nobody=nobody.counts["quarantined"] if nobody else 0,
        cells=found.counts["cells"],
        reasons=found.facts["reasons"],
        rows_in=found.counts["rows_in"],
        current=found.fingerprint == step.fingerprint,
        stopped=bool(halted),
        files=found.paths(lake.restricted, "quarantine"),
        nobody_files=nobody_files(lake, nobody) if nobody else (),
        landed=_landed(found),
        nobody_landed=_landed(_validated(lake, name, nobody)),
    )
    return replace(made, nobody=_besides(project, made)) if made.rows and made.nobody else made


def _besides(project: Project, found: Held) -> int:
    """Rows about nobody that did not break the contract as well, as they may since protect looked at them."""
    with reading(project) as engine:
        rows = engine.read(found.nobody_files, PLACES).anti_join(engine.read(found.files, ORIGIN), [OBJECT, ROW])
        return int(scalars(engine, rows.agg(n=rows.count()))["n"])


def records(project: Project, found: Held, *, reason: str = "", limit: int | None = None) -> Iterator[Record]:
    """The records held back of a table, by object and row.

    Args:
        reason: only those with this reason, or with one that starts so (`mistyped`).
        limit: at most so many; all by default.
    """
    source = found.table.split(".", 1)[0]
    log = project.lake().batches(source)
    landed_at = dict(_landed_at(log.stored()))
    # an object may have other records by now, or be gone
    then = {number: current(log, until=number or None) for number in {found.landed, found.nobody_landed}}
    with reading(project) as engine:
        rows = _rows(project, found, engine)
        if reason:
            rows = rows.filter((ibis.literal(";") + rows[REASONS]).contains(f";{reason}"))
        ordered = rows.order_by([OBJECT, ROW])
        for batch in engine.stream(ordered.limit(limit) if limit is not None else ordered):
            for row in batch.to_pylist():
                nobodys = row[REASONS] == f"{NOBODY};"
                yield _record(row, then[found.nobody_landed if nobodys else found.landed], landed_at)


def mistyped(project: Project, found: Held) -> dict[str, int]:
    """How many of the rows that broke the contract have a cell of each column that cannot be read, most first."""
    if not found.reasons.get(_MISTYPED):
        return {}
    with reading(project) as engine:
        rows = engine.read(found.files, quarantine_schema(project.tables[found.table]))
        alike = rows.group_by(REASONS).agg(n=rows.count())
        counts: Counter[str] = Counter()
        for batch in engine.stream(alike):
            for row in batch.to_pylist():
                counts.update({column: row["n"] for column in _unread(row[REASONS])})
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _unread(reasons: str) -> Iterator[str]:
    """The columns that the reasons of a row name as mistyped: `mistyped:gross,paid: not UTF-8;missing:day;`."""
    for reason in reasons.split(";"):
        kind, _, columns = reason.partition(":")
        if kind == _MISTYPED:
            yield from (column.partition(":")[0] for column in columns.split(","))


def originals(project: Project, table: str, held: Iterable[Record]) -> Iterator[tuple[Record, Original]]:
    """Records, by object and row, as the raw objects hold them that they were judged in; each of these is read once.

    Raises:
        DataError: D007, an object cannot be read.
        EnvironmentFailure: E002, an object is gone.
    """
    name, short = table.split(".", 1)
    lake = project.lake()
    source = project.sources[name]
    for landed, some in groupby(held, key=lambda record: record.landed):
        if landed is None:
            raise EnvironmentFailure(
                f"which object some records of `{table}` were in is not known any more",
                "E002",
                hint="an earlier version of Potable judged them, and their source changed since",
                next="potable quarantine replay",
            )
        (blob,) = source.blobs([landed], lake.restricted.locate(""))
        # the object is read while its records are asked for
        asked, told = tee(some)
        found = source.records(short, blob, (record.row for record in asked))
        yield from zip(told, found, strict=True)


def taken_back(project: Project, before: Held, after: Held) -> tuple[int, int]:
    """Rows that were held back before and are not any more, and rows that are only held back now."""
    with reading(project) as engine:
        old, new = (engine.read(item.files, ORIGIN) for item in (before, after))
        counts = [
            int(scalars(engine, one.anti_join(other, [OBJECT, ROW]).agg(n=ibis._.count()))["n"])
            for one, other in ((old, new), (new, old))
        ]
    return counts[0], counts[1]


@contextmanager
def reading(project: Project, name: str = "duckdb", **options: object) -> Iterator[Engine]:
    """An engine on this machine to look at a little with, whatever the project runs on; it may take `options`."""
    scratch = project.root / project.platform.scratch
    memory = memory_bytes(project.platform.memory)
    engine: Engine = plugins.load("engines", name)(memory=memory, threads=1, scratch=scratch, **options)
    try:
        yield engine
    finally:
        engine.close()


def _rows(project: Project, found: Held, engine: Engine) -> ir.Table:
    """All rows held back, those about nobody without their cells."""
    schema = quarantine_schema(project.tables[found.table])
    broken = engine.read(found.files, schema)
    if not found.nobody_files:
        return broken
    nobody = engine.read(found.nobody_files, PLACES).anti_join(broken, [OBJECT, ROW])
    absent = {item.name: ibis.null(broken[item.name].type()) for item in schema if item.name not in PLACES.names}
    return broken.union(nobody.mutate(**{**absent, REASONS: nobody[REASON] + ";"}).select(broken.columns))


def _record(row: dict[str, Any], raw: Raw, landed_at: Mapping[int, str]) -> Record:
    name = row.pop(OBJECT)
    landed = raw.objects.get(name)
    batch, raw_path = (landed.batch, landed.place) if landed else (0, "")
    reasons = tuple(filter(None, row.pop(REASONS).split(";")))
    ordinal, unparsed = row.pop(ROW), row.pop("_unparsed") or ""
    return Record(name, raw_path, ordinal, batch, landed_at.get(batch, ""), reasons, row, unparsed, landed)


def _landed_at(stored: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, str]]:
    # the entry's own key stands once in a batch of hundreds of thousands of objects
    import re

    for number, data in stored:
        match = re.search(rb'"landed_at":"([^"]*)"', data)
        yield number, match[1].decode() if match else ""


def _earlier(project: Project, step: Step) -> Manifest | None:
    """The manifest of the newest run that has one for the same table."""
    lake = project.lake()
    for run in runs_of(project):
        earlier = replace(step, fingerprint=finished(run, step.label))
        if earlier.fingerprint and (found := find(lake.restricted, earlier.folder)):
            return found
    return None


def _nobody(project: Project, name: str) -> Manifest | None:
    """The manifest of the newest finished protect of a table."""
    for run in runs_of(project):
        if fingerprint := finished(run, f"protect {name}"):
            return find(project.lake().open, Step("protect", name, fingerprint, "protected").folder)
    return None


def _validated(lake: Lake, name: str, protected: Manifest | None) -> Manifest | None:
    """The manifest of the rows that a protect was made from."""
    found = protected and Step("validate", name, protected.facts["origins"]["validated"], "validated")
    return find(lake.restricted, found.folder) if found else None


def _landed(validated: Manifest | None) -> int:
    """The newest batch of the source when a table was judged; of before that was noted, the newest with a row of it."""
    facts = validated.facts if validated else {}
    return int(facts.get("landed") or facts.get("batch") or 0)


def finished(run: RunRecord, label: str) -> str:
    """Fingerprint of a step that a run finished; empty when it did not."""
    found = [step.fingerprint for step in run.steps if step.step == label and step.state in ("done", "skipped")]
    return found[0] if found else ""
