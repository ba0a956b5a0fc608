"""Markdown of the card: values that stay in their place, whatever stands in them."""

from __future__ import annotations

import re
from collections.abc import Sequence


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = ["| " + " | ".join(row) + " |" for row in [headers, ["---"] * len(headers), *rows]]
    return "\n".join(lines)


def text(value: str) -> str:
    """`value` as text of a Markdown line or cell: no markup, no new line, no cell border."""
    flat = " ".join(value.split())
    escaped = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*\[\]|])", r"\\\1", escaped)


def code(value: str, *, cell: bool = True) -> str:
    """`value` as a code span, in fences longer than any it holds; in a cell of a table its border is escaped."""
    flat = " ".join(value.split())
    flat = flat.replace("|", "\\|") if cell else flat
    if not flat:
        return ""
    fence = "`" * (1 + max(map(len, re.findall(r"`+", flat)), default=0))
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def listed(values: Sequence[str]) -> str:
    """Values as text, with commas between."""
    return ", ".join(text(value) for value in values)


def plural(count: int, noun: str) -> str:
    """A count and what is counted."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def share(part: int, whole: int) -> str:
    """A part in per cent; a dash where there is nothing."""
    return f"{100 * part / whole:.1f}%" if whole else "–"
