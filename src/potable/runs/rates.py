"""What each part of a run costs: a fixed time per run and step and a time per GB, from runs that were measured.

The shape of these comes from the reference runs, the level from the run they are anchored at. Entry: `rates`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from potable.errors import EnvironmentFailure
from potable.runs.measured import Observed

GB = 1 << 30
NOISE = 0.1
"""By how much two runs of the same work differ on one machine."""
MARGIN = 0.15
"""How far a measured serial share may be off."""
CLOSE = 0.02
"""Sizes nearer than this count as the same."""

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
DEALT = frozenset({"validate", "resolve", "protect pseudonyms", "protect tables", "build", "publish"})
"""Parts whose growing time Spark deals to tasks, or nearly: the one writer of `publish` is 6 s per GB at most, for the
whole part takes that on DuckDB."""
SERIAL_OF_TASKS = (0.05, 0.3)
"""Likely and largest serial share of these. One thread less on one machine does not tell it: the threads of the JVM
that compile and clear up, the driver, and Python beside each task share the cores too."""
ONCE = 0.75
"""Share of the fixed time of `build` in one bucket that more buckets do not cost again (the proof, queries that are
new), where no runs with different numbers of buckets tell it; of the reference on DuckDB it is 0.75."""


@dataclass(frozen=True)
class Cost:
    """Seconds per run, seconds per step (build: per bucket) and seconds per GB of input."""

    once: float
    fixed: float
    per_gb: float

    def seconds(self, units: float, size: float) -> float:
        """What so many steps over so many GB take."""
        return self.once + self.fixed * units + self.per_gb * size

    def times(self, share: float) -> Cost:
        """The same on a machine that takes `share` times as long."""
        return Cost(self.once * share, self.fixed * share, self.per_gb * share)


@dataclass(frozen=True)
class Rate:
    """What a part costs: the likely line, and others that fit as well if runs differ by `NOISE`."""

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
    """Lines of the reference, each scaled to go through the anchor."""
    seconds, units, size = anchor.parts[name].seconds, anchor.units(name), gigabytes(name, anchor.bytes)
    serial, most = _serial(name, anchor.engine, shape, others)
    if name == "start":
        return Rate((Cost(seconds, 0.0, 0.0),), 1.0, 1.0)
    fitted = [_fitted(name, shape, 1 + noise) for noise in (0.0, -NOISE, NOISE)]
    lines = [line.times(seconds / told) for line in fitted if line and (told := line.seconds(units, size))]
    if not lines or not size:
        return Rate((Cost(0.0, 0.0, seconds / size) if size else Cost(0.0, seconds / units, 0.0),), serial, most)
    return Rate(tuple(lines), serial, most)


def _fitted(name: str, shape: Sequence[Observed], largest: float = 1.0) -> Cost | None:
    """Least squares of relative errors, no part below zero; None with fewer than two sizes.

    Args:
        largest: by how much the seconds of the largest run are changed first.
    """
    import numpy as np

    runs = [run for run in shape if name in run.parts and run.parts[name].seconds > 0]
    if len({run.size for run in runs}) < 2:
        return None
    seconds = np.array([run.parts[name].seconds for run in runs])
    seconds[-1] *= largest
    units = [float(run.units(name)) for run in runs]
    columns = [units, [gigabytes(name, run.bytes) for run in runs], [1.0] * len(runs)]
    apart = len(set(units)) > 1
    fixed, per_gb, *rest = _without_negative(np.array(columns[: 2 + apart]).T / seconds[:, None])
    once = rest[0] if apart else ONCE * fixed * units[0] if name == "build" else 0.0
    return Cost(once, fixed if apart or name != "build" else (1 - ONCE) * fixed, per_gb)


def _without_negative(points: Any) -> list[float]:
    """The weights of the columns, none below zero, with which all rows come nearest to 1."""
    import numpy as np

    found, least = [0.0] * points.shape[1], float("inf")
    for chosen in product((False, True), repeat=points.shape[1]):
        if any(chosen):
            weights = np.zeros(len(chosen))
            weights[list(chosen)] = np.linalg.lstsq(points[:, chosen], np.ones(len(points)), rcond=None)[0]
            error = float(np.square(points @ weights - 1).sum())
            if weights.min() >= 0 and error < least - 1e-12:
                found, least = weights.tolist(), error
    return found


def _serial(name: str, engine: str, shape: Sequence[Observed], others: Sequence[Observed]) -> tuple[float, float]:
    """Likely and largest serial share, from two reference runs of one size where there are such."""
    if engine == "spark" and not DEALT.isdisjoint({name, name.partition(" ")[0]}):
        return SERIAL_OF_TASKS
    for run in shape:
        for other in others:
            if name in run.parts and name in other.parts and abs(other.size / run.size - 1) < CLOSE:
                slow, fast = other.parts[name].seconds, run.parts[name].seconds
                fixed = (_fitted(name, shape) or Cost(0.0, 0.0, 0.0)).seconds(run.units(name), 0.0)
                if fast - fixed > NOISE * fast:
                    # slow - fixed = growing * (share + (1 - share) * threads / others)
                    ratio, speed = (slow - fixed) / (fast - fixed), run.threads / other.threads
                    share = min(1.0, max(0.0, (ratio - speed) / (1 - speed)))
                    return share, min(1.0, share + MARGIN)
    return SERIAL.get(name) or SERIAL.get(name.partition(" ")[0], (0.3, 0.7))


def gigabytes(name: str, received: Mapping[str, float]) -> float:
    """GB a part works on: those of its source type, else all."""
    verb, _, kind = name.partition(" ")
    return (received.get(kind, 0) if verb in ("ingest", "validate") else sum(received.values())) / GB
