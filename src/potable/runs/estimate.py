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

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from potable.errors import ProjectError
from potable.privacy.pseudonyms import buckets
from potable.runs.measured import Observed
from potable.runs.rates import CLOSE, GB, NOISE, Rate, Rates, gigabytes

EXPONENT = 1.05
"""How time may grow with the size beyond what was measured (what `make bench` aims at)."""
EFFICIENCY = 0.7
"""Least that a core beyond the measured ones adds: cores share memory and disk."""
NETWORK = 1 << 30
"""Bytes a second and machine that a cluster's network carries (10 Gbit/s)."""
MOST = 1 << 60
OWN_BYTES, WORKER_BYTES, ENGINE_LEAST, ENGINE_SHARE = 300 << 20, 250 << 20, 256 << 20, 0.5
"""What DuckDB's memory is divided by, as in `engines.duckdb`."""
EXPANDED = (1.0, 4.0)
"""Shuffled bytes per byte of Parquet, where none were measured."""
ROUNDS = 12
"""Times resolve joins its keys: four joins in each of about three rounds."""

Basis = Literal["measured", "computed"]


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
    """`duckdb` or `spark`."""
    cores: int
    """Cores of each machine."""
    nodes: int = 1
    """Number of machines."""
    memory: int = 2 << 30
    """The `memory` setting, in bytes."""


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


def require_machine(machine: Machine) -> None:
    """Refuse machines that cannot be.

    Raises:
        ProjectError: P005.
    """
    for option, value in (("--cores", machine.cores), ("--nodes", machine.nodes)):
        if not 1 <= value <= 10_000:
            raise refused(option, str(value), "1 to 10000")
    if machine.nodes > 1 and machine.engine != "spark":
        allowed = f"1 with `{machine.engine}`, which runs on one machine (or use --engine spark)"
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
    memory, notes = _memory(found, work.size, machine)
    basis: Basis = "measured" if _is_measured(found.anchor, work, machine) else "computed"
    disk = {zone: size * factor for zone, size in found.anchor.zones.items()}
    missing = [
        f"`{name}` was never measured: estimated like the most expensive part of its kind"
        for name in _unknown(found, work)
    ]
    return Estimate(work.size, factor, basis, seconds, memory, disk, shuffle, (*notes, *missing))


def _is_measured(anchor: Observed, work: Work, machine: Machine) -> bool:
    same = (machine.cores, machine.nodes, machine.memory) == (anchor.threads, 1, anchor.memory)
    alike = work.steps == {name: part.steps for name, part in anchor.parts.items()}
    return same and alike and abs(work.size / anchor.size - 1) < CLOSE


def _seconds(found: Rates, name: str, steps: int, work: Work, machine: Machine) -> Span:
    rate = found.parts.get(name) or _dearest(found, name)
    size = gigabytes(name, work.bytes)
    units = buckets(work.size / found.anchor.size * found.anchor.rows) if name == "build" else steps
    nodes = 1 if name.startswith("ingest") else machine.nodes
    likely, least = (_speed(found.anchor.threads, machine.cores * nodes, share) for share in (1.0, EFFICIENCY))
    beyond = max(1.0, work.size / found.anchor.size) ** (EXPONENT - 1)
    quick = [line.seconds(units, size * _left(rate.serial, likely)) for line in rate.lines]
    slow = [line.seconds(units, size * beyond * _left(rate.serial_most, least)) for line in rate.lines]
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


def _memory(found: Rates, size: float, machine: Machine) -> tuple[Span, list[str]]:
    """Peak of one machine: the measured one, up to what the setting and the workers allow or a larger run took."""
    anchor, factor = found.anchor, size / found.anchor.size
    more = WORKER_BYTES * max(0, machine.cores - anchor.threads)
    fixed = OWN_BYTES + (WORKER_BYTES * machine.cores if machine.cores > 1 else 0)
    if machine.engine != "duckdb":
        most = max(anchor.peak_memory, machine.memory) + more
        return Span(most, anchor.peak_memory, most), ["memory of Spark's machines is what spark.executor.* allows"]
    engine = max(ENGINE_LEAST, min(int(machine.memory * ENGINE_SHARE), machine.memory - fixed))
    # the roster's forms are a file that all workers map
    mapped = anchor.known * factor
    high = max(fixed + engine + mapped, anchor.peak_memory + more)
    same = abs(factor - 1) < CLOSE and (machine.cores, machine.memory) == (anchor.threads, anchor.memory)
    low: float = anchor.peak_memory + more if factor >= 1 - CLOSE else min(anchor.peak_memory, OWN_BYTES)
    peaks = _peaks(found, machine)
    if not same and (larger := [peak * (1 + NOISE) for measured, peak in peaks if measured >= size]):
        high = min([high, *larger])
        low = max([low, *(peak * (1 - NOISE) for measured, peak in peaks if measured <= size)])
    span = Span(anchor.peak_memory if same else high, min(low, high), high)
    need = fixed + ENGINE_LEAST
    if min(need, span.likely) <= machine.memory:
        return span, []
    least = math.ceil(10 * need / GB) / 10
    return span, [f"{machine.cores} workers need more memory than `memory` allows: set at least {least:g}GB"]


def _peaks(found: Rates, machine: Machine) -> list[tuple[int, float]]:
    """Sizes of measured runs that their setting did not hold down, and the peaks they would have here."""
    runs = [*found.shape, found.anchor]
    free = [run for run in runs if run.memory == machine.memory or 2 * run.peak_memory <= run.memory]
    return [(run.size, run.peak_memory + WORKER_BYTES * max(0, machine.cores - run.threads)) for run in free]


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
    return ProjectError(f"the value of `{option}` is not valid", "P005", given=given, allowed=allowed)
