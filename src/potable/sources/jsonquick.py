"""The fast ways through lines of flat records, tried one after the other until a file has shown that they do not help.

Entry: `Quick.texts`.
"""

from __future__ import annotations

from collections.abc import Collection

from potable.sources.cells import Cells
from potable.sources.jsonflat import flat_texts
from potable.sources.jsonmembers import Members
from potable.sources.jsonshape import is_utf8

_MOST_FAILURES = 6


class Quick:
    """What is looked for in the lines of one file."""

    def __init__(self, paths: Collection[str], told: Collection[str]) -> None:
        """Look for some paths, and at those that are `told`, for numbers apart from texts."""
        self._paths, self._told = paths, told
        self._members = Members(paths, told)
        self._odd = 0
        """Blocks that were not all flat lines, set alike."""
        self._unlike = 0
        """Blocks of which too many lines were no flat ones."""

    def texts(self, block: bytes, count: int) -> tuple[dict[str, Cells], list[int]] | None:
        """The texts at each path of the records in a block, and the lines that are not among them.

        Args:
            block: `count` lines.
            count: how many there are.

        Returns:
            None where it is not sure to hold flat records, of which but few are left out.
        """
        if (self._odd >= _MOST_FAILURES and self._unlike >= _MOST_FAILURES) or not is_utf8(block):
            return None
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        if self._odd < _MOST_FAILURES:
            texts = flat_texts(block, count, self._paths, self._told)
            if texts is not None:
                return texts, []
            self._odd += 1
        if self._unlike < _MOST_FAILURES:
            found = self._members.texts(block)
            if found is not None:
                return found
            self._unlike += 1
        return None
