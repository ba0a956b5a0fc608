"""Finished full runs, reduced to what an estimate needs: the project's own, and those shipped with the product.

Entry: `observed` for a run's record, `shipped` for the reference runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from potable.privacy.pseudonyms import buckets
from potable.runs.plan import REFERENCES
from potable.runs.record import RunRecord


@dataclass(frozen=True)
class Part:
    """One part of a measured run."""

    steps: int
    seconds: float


@dataclass(frozen=True)
class Observed:
    """A finished full run, reduced to what an estimate needs."""

    run: str
    date: str
    engine: str
    threads: int
    memory: int
    peak_memory: int
    people: int
    rows: int
    buckets: int
    bytes: Mapping[str, int]
    """As received, by source type."""
    parts: Mapping[str, Part]
    zones: Mapping[str, int]
    """Bytes written, by zone."""
    keys: int
    """Bytes of the ledger."""
    known: int
    """Bytes of the known identifiers and their forms."""
    machine: str = ""
    shuffle: int | None = None
    """Bytes Spark shuffled, where its event log was kept."""

    @property
    def size(self) -> int:
        """Bytes as received."""
        return sum(self.bytes.values())

    @property
    def seconds(self) -> float:
        """Seconds of all parts."""
        return sum(part.seconds for part in self.parts.values())

    def units(self, part: str) -> int:
        """What the fixed time of a part counts in: its steps; for build, buckets."""
        return self.buckets if part == "build" else self.parts[part].steps


def observed(
    record: RunRecord, types: Mapping[str, str], *, stored: int, machine: str = "", shuffle: int | None = None
) -> Observed:
    """A run's record as an observation.

    Args:
        types: source type by source name.
        stored: bytes of the raw zone.
        machine: kind of machine, in words.
        shuffle: bytes Spark shuffled, where known.
    """
    parts: dict[str, Part] = {}
    received: dict[str, int] = {}
    for step in record.steps:
        name = part_of(step.step, types)
        before = parts.get(name, Part(0, 0.0))
        parts[name] = Part(before.steps + 1, before.seconds + step.seconds)
        if step.verb == "ingest":
            kind = types[step.step.partition(" ")[2]]
            received[kind] = received.get(kind, 0) + step.bytes
    parts |= _waited_for(parts, record.seconds)
    rest = max(0.0, record.seconds - sum(part.seconds for part in parts.values()))
    stages = {stage.stage: stage for stage in record.funnel}
    return Observed(
        run=record.run,
        date=record.started[:10],
        engine=record.engine,
        threads=record.threads,
        memory=record.memory,
        peak_memory=record.peak_memory,
        people=record.identity.get("rostered", 0),
        rows=stages["validated"].rows,
        buckets=buckets(stages["validated"].rows),
        bytes=received,
        parts={**parts, "start": Part(1, round(rest, 3))},
        zones=_zones(record, stored),
        keys=sum(step.bytes for step in record.steps if step.verb == "resolve"),
        known=sum(step.bytes for step in record.steps if step.step == "protect identifiers"),
        machine=machine,
        shuffle=shuffle,
    )


def _waited_for(parts: Mapping[str, Part], seconds: float) -> dict[str, Part]:
    """The parts of ingest with what the run waited for them: the rest was beside other sources and validate."""
    landing = {name: part for name, part in parts.items() if name.startswith("ingest")}
    total = sum(part.seconds for part in landing.values())
    beside = max(0.0, sum(part.seconds for part in parts.values()) - seconds)
    share = max(0.0, 1 - beside / total) if total else 1.0
    return {name: Part(part.steps, round(part.seconds * share, 3)) for name, part in landing.items()}


def is_full(record: RunRecord) -> bool:
    """Whether a run did every step itself and finished, so that its times are those of the whole work."""
    verbs = {step.verb for step in record.steps}
    whole = all(step.state == "done" and not step.layered for step in record.steps)
    return not record.error and len(verbs) == 6 and whole


def part_of(label: str, types: Mapping[str, str]) -> str:
    """The part a step belongs to: its verb, and the type of its source where that matters."""
    verb, _, name = label.partition(" ")
    if name == REFERENCES:
        # keys of tables joined, which is what resolve does
        return "resolve"
    if verb in ("ingest", "validate"):
        return f"{verb} {types[name.partition('.')[0]]}"
    if verb == "protect":
        return label if name in ("identifiers", "pseudonyms") else "protect tables"
    return verb


def shipped() -> tuple[Observed, ...]:
    """The reference runs shipped with the product."""
    data = json.loads(Path(__file__).with_name("reference_rates.json").read_text(encoding="utf-8"))
    runs: tuple[Observed, ...] = TypeAdapter(tuple[Observed, ...]).validate_python(data["observed"])
    return runs


def _zones(record: RunRecord, stored: int) -> dict[str, int]:
    stages = {stage.stage: stage.bytes for stage in record.funnel}
    validated = sum(step.bytes for step in record.steps if step.verb == "validate")
    vault = ("resolve subjects", "protect identifiers", "protect pseudonyms")
    return {
        "raw": stored,
        "validated": stages["validated"],
        # profiles too, which are small beside it
        "quarantine": validated - stages["validated"],
        "vault": sum(step.bytes for step in record.steps if step.step in vault),
        "protected": stages["protected"],
        "features": stages["features"],
        # the same rows once as CSV and once as Parquet
        "datasets": stages["dataset"] + stages["features"],
        "while it runs": max(step.bytes for step in record.steps if step.verb == "validate"),
    }
