"""Regular expressions with a faster search than trying them at every character of a text.

Entry: `Around`, `From`, in place of a compiled expression.
"""

from __future__ import annotations

import re
from typing import Protocol


class Form(Protocol):
    """A compiled expression, or what searches like one."""

    def search(self, text: str, position: int = 0, /) -> re.Match[str] | None:
        """The first match from `position` on."""


class Around:
    """A form all matches of which have a sign, and no blank before it: most of a text need not be tried."""

    def __init__(self, sign: str, form: str) -> None:
        self._sign = sign
        self._form = re.compile(form)

    def search(self, text: str, position: int = 0, /) -> re.Match[str] | None:
        """The first match from `position` on."""
        at = text.find(self._sign, position)
        return None if at < 0 else self._form.search(text, max(position, text.rfind(" ", position, at) + 1))


class From:
    """A form all matches of which begin with a character that is found quickly, by an expression of one character."""

    def __init__(self, first: str, form: str) -> None:
        self._start = re.compile(f"{first}(?<=(?={form}).)")
        self._form = re.compile(form)

    def search(self, text: str, position: int = 0, /) -> re.Match[str] | None:
        """The first match from `position` on."""
        start = self._start.search(text, position)
        return self._form.match(text, start.start()) if start else None
