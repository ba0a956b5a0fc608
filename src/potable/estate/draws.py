"""Reproducible chance: one random stream per seed and purpose, and the few ways the estate draws from it.

A stream is named by what it is for, so adding a system or a draw never shifts the numbers of another.
Nothing here may depend on the clock, on hash() or on the order of a set.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def stream(seed: int, purpose: str, *index: int) -> np.random.Generator:
    """A PCG64 generator that depends on nothing but the seed, the purpose and the indices."""
    return np.random.Generator(np.random.PCG64([seed, zlib.crc32(purpose.encode()), *index]))


def falling(count: int, offset: float = 4.0) -> Floats:
    """Weights 1/(rank+offset) scaled to sum one: the way names and cities are spread (Zipf–Mandelbrot)."""
    weights = 1.0 / (np.arange(count) + offset)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def pick(rng: np.random.Generator, weights: Sequence[float] | Floats, size: int) -> Ints:
    """`size` indices into the weights, drawn with those weights."""
    edges = np.cumsum(np.asarray(weights, dtype=np.float64))
    found = np.searchsorted(edges, rng.random(size) * edges[-1], side="right")
    return np.asarray(np.minimum(found, len(edges) - 1), dtype=np.int64)


def chance(rng: np.random.Generator, probability: float | Floats, size: int) -> Mask:
    """A mask that is true with the given probability."""
    return np.asarray(rng.random(size) < probability, dtype=np.bool_)


def between(rng: np.random.Generator, low: int, high: int, size: int) -> Ints:
    """Whole numbers from low to high, both included."""
    return np.asarray(rng.integers(low, high + 1, size), dtype=np.int64)


def occurrence(codes: Ints) -> Ints:
    """For every element, how many equal ones stand before it."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(codes) else np.zeros(0, np.int64)
    lengths = np.diff(np.r_[starts, len(codes)])
    rank = np.empty(len(codes), dtype=np.int64)
    rank[order] = np.arange(len(codes)) - np.repeat(starts, lengths)
    return rank
