"""What a run of a given size would take: time, memory, disk and shuffle, from runs that were measured.

A part of a run (`validate xml`, `build`, …) costs a fixed time per step and a time per GB as received. The
shape of both comes from the reference runs shipped with the product; the level from the run it is anchored
at: the project's own latest full one, else the largest reference run, whose figures it gives back exactly.

More cores shorten what runs side by side: files hashed by threads, groups of objects parsed and texts redacted
by workers, queries of the engine. They do not shorten what one process does alone: one database cursor, page
after page of an API, taking in the workers' batches, sorting the digests of identifiers, writing the one CSV;
nor the fixed parts (starting processes, compiling queries). How large that share is comes from a reference run
with another number of threads where there is one, else from `SERIAL`. On a cluster, ingest runs on the driver.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from potable.errors import EnvironmentFailure, ProjectError
from potable.runs.plan import REFERENCES
from potable.runs.record import RunRecord

GB = 1 << 30
NOISE = 0.1
"""By how much two runs of the same work differ on one machine."""
EXPONENT = 1.05
"""How time may grow with the size beyond what was measured (what `make bench` aims at)."""
EFFICIENCY = 0.7
"""Least that a core beyond the measured ones adds: cores share memory and disk."""
NETWORK = 1 << 30
"""Bytes a second and machine that a cluster's network carries (10 Gbit/s)."""
MARGIN = 0.15
"""How far a measured serial share may be off."""
CLOSE = 0.02
"""Sizes nearer than this count as the same."""
MOST = 1 << 60
OWN_BYTES, WORKER_BYTES, ENGINE_LEAST, ENGINE_SHARE = 300 << 20, 250 << 20, 400 << 20, 0.5
"""What DuckDB's memory is divided by, as in `engines.duckdb`."""
BUCKET_ROWS, MOST_BUCKETS = 2_000_000, 64
"""How buckets are cut, as in `runs.restricted`."""
EXPANDED = (1.0, 4.0)
"""Shuffled bytes per byte of Parquet, where none were measured."""
ROUNDS = 12
"""Times resolve joins its keys: four joins in each of about three rounds."""

SERIAL: Mapping[str, tuple[float, float]] = {
    "ingest sql": (0.9, 1.0),
    "ingest rest": (0.9, 1.0),
    "ingest": (0.3, 0.7),
    "validate": (0.2, 0.6),
    "resolve": (0.2, 0.5),
    "protect identifiers": (0.6, 1.0),
    "protect pseudonyms": (0.3, 0.7),
    "protect tables": (0.2, 0.5),
    "build": (0.2, 0.5),
    "publish": (0.5, 0.9),
}
"""Likely and largest share of a part's growing time that one process does alone, where it was not measured."""

Basis = Literal["measured", "computed"]


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


@dataclass(frozen=True)
class Work:
    """What is to be done: bytes as received by source type, and steps by part."""

    bytes: Mapping[str, float]
    steps: Mapping[str, int]

    @property
    def size(self) -> float:
        """Bytes as received."""
        return sum(self.bytes.values())


@dataclass(frozen=True)
class Machine:
    """What it is to be done on."""

    engine: str
    cores: int
    nodes: int = 1
    memory: int = 2 << 30
    """The project's memory setting."""


@dataclass(frozen=True)
class Cost:
    """Seconds per step (build: per bucket) and seconds per GB of input."""

    fixed: float
    per_gb: float


@dataclass(frozen=True)
class Rate:
    """What a part costs: the likely line, and others the measurements allow."""

    lines: tuple[Cost, ...]
    """Likely first."""
    serial: float
    serial_most: float


@dataclass(frozen=True)
class Rates:
    """Everything a prediction is made from."""

    anchor: Observed
    own: bool
    """Whether the anchor is a run of the project itself."""
    parts: Mapping[str, Rate]
    shape: tuple[Observed, ...] = ()
    """The reference runs that tell fixed from growing time."""


@dataclass(frozen=True)
class Span:
    """A prediction: likely, and between what."""

    likely: float
    low: float
    high: float

    def __add__(self, other: Span) -> Span:
        return Span(self.likely + other.likely, self.low + other.low, self.high + other.high)


@dataclass(frozen=True)
class Estimate:
    """What a run is predicted to take."""

    size: float
    factor: float
    """Size over the size of the measured run."""
    basis: Basis
    seconds: Mapping[str, Span]
    """By verb."""
    memory: Span
    """Peak of one machine."""
    disk: Mapping[str, float]
    """Bytes by zone."""
    shuffle: Mapping[str, Span]
    """Bytes sent between machines, by verb; empty where one machine does it all."""
    notes: Sequence[str] = ()

    @property
    def total(self) -> Span:
        """Seconds of the whole run."""
        return sum(self.seconds.values(), Span(0, 0, 0))

    @property
    def shuffle_total(self) -> Span:
        """Bytes sent between machines by all verbs."""
        return sum(self.shuffle.values(), Span(0, 0, 0))


# what was measured


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


def buckets(rows: float) -> int:
    """Buckets that so many validated rows are cut into."""
    return int(min(MOST_BUCKETS, 1 << max(0, (int(rows) // BUCKET_ROWS).bit_length())))


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


# rates


def rates(own: Observed | None, reference: Iterable[Observed], engine: str) -> Rates:
    """Rates anchored at the project's own run, else at the largest reference run of the engine.

    Raises:
        EnvironmentFailure: E008, no run of this engine was measured.
    """
    known = sorted((run for run in reference if run.engine == engine), key=lambda run: run.size)
    threads = max((run.threads for run in known), default=0)
    shape = tuple(run for run in known if run.threads == threads)
    others = tuple(run for run in known if run.threads != threads)
    anchor = own or (shape[-1] if shape else None)
    if anchor is None:
        raise EnvironmentFailure(
            f"no run on `{engine}` was measured, neither of this project nor as a reference",
            "E008",
            allowed="an engine with measured runs",
            hint=f"run the project once with `engine: {engine}`, on a part of the data",
            next="potable run",
        )
    parts = {name: _rate(name, anchor, shape, others) for name in anchor.parts}
    return Rates(anchor, own is not None, parts, shape)


def _rate(name: str, anchor: Observed, shape: Sequence[Observed], others: Sequence[Observed]) -> Rate:
    """Lines through the anchor: the reference's proportions, its fixed part, its growing part."""
    seconds, units, size = anchor.parts[name].seconds, anchor.units(name), _input(name, anchor.bytes)
    serial, most = _serial(name, shape, others)
    if name == "start":
        return Rate((Cost(seconds, 0.0),), 1.0, 1.0)
    fitted = _fitted(name, shape)
    if fitted is None or not size:
        return Rate((Cost(0.0, seconds / size) if size else Cost(seconds / units, 0.0),), serial, most)
    fixed, growing = fitted.fixed * units, fitted.per_gb * size
    told = [seconds * growing / (fixed + growing) if fixed + growing else seconds]
    told += [seconds - min(fixed, seconds), min(growing, seconds)]
    return Rate(tuple(Cost((seconds - grown) / units, grown / size) for grown in told), serial, most)


def _fitted(name: str, shape: Sequence[Observed]) -> Cost | None:
    """Least squares of relative errors, no part below zero; None with fewer than two sizes."""
    runs = [run for run in shape if name in run.parts and run.parts[name].seconds > 0]
    if len({run.size for run in runs}) < 2:
        return None
    points = [(run.units(name), _input(name, run.bytes), run.parts[name].seconds) for run in runs]
    scaled = [(units / seconds, size / seconds) for units, size, seconds in points]
    uu, us, ss = (sum(p[i] * p[j] for p in scaled) for i, j in ((0, 0), (0, 1), (1, 1)))
    u, s = sum(p[0] for p in scaled), sum(p[1] for p in scaled)
    determinant = uu * ss - us * us
    fixed, per_gb = ((u * ss - s * us) / determinant, (s * uu - u * us) / determinant) if determinant else (-1.0, -1.0)
    if fixed < 0:
        return Cost(0.0, s / ss)
    return Cost(fixed, per_gb) if per_gb >= 0 else Cost(u / uu, 0.0)


def _serial(name: str, shape: Sequence[Observed], others: Sequence[Observed]) -> tuple[float, float]:
    """Likely and largest serial share, from two reference runs of one size where there are such."""
    for run in shape:
        for other in others:
            if name in run.parts and name in other.parts and abs(other.size / run.size - 1) < CLOSE:
                slow, fast = other.parts[name].seconds, run.parts[name].seconds
                fixed = (_fitted(name, shape) or Cost(0.0, 0.0)).fixed * run.units(name)
                if fast - fixed > NOISE * fast:
                    # slow - fixed = growing * (share + (1 - share) * threads / others)
                    ratio, speed = (slow - fixed) / (fast - fixed), run.threads / other.threads
                    share = min(1.0, max(0.0, (ratio - speed) / (1 - speed)))
                    return share, min(1.0, share + MARGIN)
    return SERIAL.get(name) or SERIAL.get(name.partition(" ")[0], (0.3, 0.7))


def _input(name: str, received: Mapping[str, float]) -> float:
    """GB a part works on: those of its source type, else all."""
    verb, _, kind = name.partition(" ")
    return (received.get(kind, 0) if verb in ("ingest", "validate") else sum(received.values())) / GB


# the prediction


def require_machine(machine: Machine) -> None:
    """Refuse machines that cannot be.

    Raises:
        ProjectError: P005.
    """
    for option, value in (("--cores", machine.cores), ("--nodes", machine.nodes)):
        if not 1 <= value <= 10_000:
            raise refused(option, str(value), "1 to 10000")
    if machine.nodes > 1 and machine.engine != "spark":
        allowed = f"1 with `{machine.engine}`, which runs on one machine; or --engine spark"
        raise refused("--nodes", str(machine.nodes), allowed)


def predict(found: Rates, work: Work, machine: Machine) -> Estimate:
    """What `work` takes on `machine`.

    Raises:
        ProjectError: P005, the machine or the size cannot be.
    """
    require_machine(machine)
    if not 1 <= work.size <= MOST:
        raise refused("--size", f"{work.size:g} bytes", "1 byte to 1024PB")
    factor = work.size / found.anchor.size
    shuffle = _shuffle(found, factor, machine)
    seconds: dict[str, Span] = {}
    for name, steps in work.steps.items():
        verb = name.partition(" ")[0]
        seconds[verb] = seconds.get(verb, Span(0, 0, 0)) + _seconds(found, name, steps, work, machine)
    for verb, sent in shuffle.items():
        speed = machine.nodes * NETWORK
        seconds[verb] += Span(sent.likely / speed, sent.low / speed, sent.high / speed)
    memory, notes = _memory(found.anchor, factor, machine)
    basis: Basis = "measured" if _is_measured(found.anchor, work, machine) else "computed"
    disk = {zone: size * factor for zone, size in found.anchor.zones.items()}
    missing = [f"`{name}` was never measured: taken as the dearest of its kind" for name in _unknown(found, work)]
    return Estimate(work.size, factor, basis, seconds, memory, disk, shuffle, (*notes, *missing))


def _is_measured(anchor: Observed, work: Work, machine: Machine) -> bool:
    same = (machine.cores, machine.nodes, machine.memory) == (anchor.threads, 1, anchor.memory)
    alike = work.steps == {name: part.steps for name, part in anchor.parts.items()}
    return same and alike and abs(work.size / anchor.size - 1) < CLOSE


def _seconds(found: Rates, name: str, steps: int, work: Work, machine: Machine) -> Span:
    rate = found.parts.get(name) or _dearest(found, name)
    size = _input(name, work.bytes)
    units = buckets(work.size / found.anchor.size * found.anchor.rows) if name == "build" else steps
    nodes = 1 if name.startswith("ingest") else machine.nodes
    likely, least = (_speed(found.anchor.threads, machine.cores * nodes, share) for share in (1.0, EFFICIENCY))
    beyond = max(1.0, work.size / found.anchor.size) ** (EXPONENT - 1)
    quick = [line.fixed * units + line.per_gb * size * _left(rate.serial, likely) for line in rate.lines]
    slow = [line.fixed * units + line.per_gb * size * beyond * _left(rate.serial_most, least) for line in rate.lines]
    return Span(quick[0], min(quick) * (1 - NOISE), max(*slow, *quick) * (1 + NOISE))


def _speed(measured: int, cores: int, efficiency: float) -> float:
    """How much faster what runs side by side is than with the measured number of cores."""
    return cores / measured if cores <= measured else 1 + efficiency * (cores - measured) / measured


def _left(serial: float, speed: float) -> float:
    """The share of the measured time that is left at `speed` (Amdahl)."""
    return serial + (1 - serial) / speed


def _dearest(found: Rates, name: str) -> Rate:
    verb = name.partition(" ")[0]
    alike = [rate for part, rate in found.parts.items() if part.partition(" ")[0] == verb]
    return max(alike, key=lambda rate: rate.lines[0].per_gb)


def _unknown(found: Rates, work: Work) -> list[str]:
    return [name for name in work.steps if name not in found.parts]


def _memory(anchor: Observed, factor: float, machine: Machine) -> tuple[Span, list[str]]:
    """Peak of one machine: the measured one, up to what the setting and the workers allow."""
    more = WORKER_BYTES * max(0, machine.cores - anchor.threads)
    fixed = OWN_BYTES + (WORKER_BYTES * machine.cores if machine.cores > 1 else 0)
    if machine.engine != "duckdb":
        most = max(anchor.peak_memory, machine.memory) + more
        return Span(most, anchor.peak_memory, most), ["memory of Spark's machines is what spark.executor.* gives them"]
    engine = max(ENGINE_LEAST, min(int(machine.memory * ENGINE_SHARE), machine.memory - fixed))
    # the roster's forms are a file that all workers map
    mapped = anchor.known * factor
    high = max(fixed + engine + mapped, anchor.peak_memory + more)
    same = abs(factor - 1) < CLOSE and (machine.cores, machine.memory) == (anchor.threads, anchor.memory)
    low = anchor.peak_memory + more if factor >= 1 - CLOSE else min(anchor.peak_memory, OWN_BYTES)
    span = Span(anchor.peak_memory if same else high, min(low, high), high)
    need = fixed + ENGINE_LEAST
    if need <= machine.memory:
        return span, []
    return span, [f"{machine.cores} workers need more than `memory` says: set at least {math.ceil(need / GB)}GB"]


def _shuffle(found: Rates, factor: float, machine: Machine) -> dict[str, Span]:
    """Bytes that change machines: what is joined or cut by subject, as Parquet, times how it expands."""
    if machine.nodes == 1:
        return {}
    moved = _moved(found.anchor)
    ratios = [run.shuffle / sum(_moved(run).values()) for run in (*found.shape, found.anchor) if run.shuffle]
    low, high = (min(ratios), max(ratios)) if ratios else EXPANDED
    away = factor * (machine.nodes - 1) / machine.nodes
    # the largest run tells most
    likely = ratios[-1] if ratios else (low + high) / 2
    return {verb: Span(size * away * likely, size * away * low, size * away * high) for verb, size in moved.items()}


def _moved(run: Observed) -> dict[str, int]:
    zones = run.zones
    return {
        "resolve": run.keys * ROUNDS,
        # joined with the subjects, then cut into buckets
        "protect": zones["validated"] + zones["protected"],
        # facts meet the rows of their subject
        "build": zones["protected"],
        # k-anonymity, then the final sort
        "publish": 2 * zones["features"],
    }


def refused(option: str, given: str, allowed: str) -> ProjectError:
    """The error of an option that says something impossible."""
    return ProjectError(f"`{option}` cannot be used", "P005", given=given, allowed=allowed)
