"""Pieces of an object of which a share has some: the ordinals that its records have all the same.

Entry: `Numbers`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from potable.sources.blobs import Malformed


class Uncut(Malformed):
    """A parser found another number of records in pieces than whoever cut them."""

    hint = "set `threads: 1` in potable.yaml, so that one process reads all of it"

    def __init__(self) -> None:
        super().__init__("its records cannot be told apart")


class Numbers:
    """What a share's records are called in the object: ordinals from 1, in pieces, of which others lie between."""

    def __init__(self) -> None:
        self._starts = [0]
        self._shifts = [0]

    def add(self, mine: int, others: int) -> None:
        """Begin a piece behind `mine` records of the share itself and `others` of other shares."""
        if mine == self._starts[-1]:
            self._shifts[-1] = others
        elif others != self._shifts[-1]:
            self._starts.append(mine)
            self._shifts.append(others)

    def at(self, own: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The ordinals in the object of records by their ordinals in the share; 0 stays as it is."""
        if len(self._starts) == 1 and not self._shifts[0]:
            return own
        pieces = np.searchsorted(np.array(self._starts), own, side="left") - 1
        return np.where(own > 0, own + np.array(self._shifts)[np.maximum(pieces, 0)], own)
