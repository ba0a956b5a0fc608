"""What each part of a run costs: a fixed time per step and a time per GB, from runs that were measured.

The shape of both comes from the reference runs, the level from the run they are anchored at. Entry: `rates`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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
    seconds, units, size = anchor.parts[name].seconds, anchor.units(name), gigabytes(name, anchor.bytes)
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
    points = [(run.units(name), gigabytes(name, run.bytes), run.parts[name].seconds) for run in runs]
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


def gigabytes(name: str, received: Mapping[str, float]) -> float:
    """GB a part works on: those of its source type, else all."""
    verb, _, kind = name.partition(" ")
    return (received.get(kind, 0) if verb in ("ingest", "validate") else sum(received.values())) / GB
