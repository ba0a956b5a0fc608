"""Shares of one large object, each parsed by another process.

A share is told by its number alone: whoever parses it reads the whole object, which is quick, cuts it into pieces as
everybody does, and parses those that are its own. So a share is as good on another machine, nothing but rows is sent,
and a packed object needs no index. Where pieces cannot be cut, the first share takes the rest.

Entry: `Share` of a `Blob`; how connectors cut is that of `pieces`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """Which records of an object are meant: every `of`-th piece of them."""

    number: int = 0
    of: int = 1

    @property
    def whole(self) -> bool:
        """Whether it is all there is."""
        return self.of == 1

    @property
    def first(self) -> bool:
        """Whether it takes what cannot be cut."""
        return self.number == 0

    def has(self, piece: int) -> bool:
        """Whether it takes the piece with this number, from 0."""
        return piece % self.of == self.number


ALL = Share()
"""All of an object."""
