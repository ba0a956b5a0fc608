"""Upper and lower case, letter by letter and the same on every engine.

Java writes STRASSE for Straße, and a sigma by its place in the word; DuckDB changes each letter for one (STRAẞE). Texts
with letters that the two treat differently are changed here by Unicode's simple mappings, others by the engine itself.

Entries: `upper`, `lower`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir

_LETTERS = range(128, 0x1F000)


def upper(text: ir.StringValue) -> ir.StringValue:
    """`text` in upper case."""
    import ibis

    several, small, capital = _capitals()
    # few texts have such letters, and a table of all is dear
    return ibis.ifelse(text.re_search(f"[{several}]"), text.translate(small, capital), text.upper())


def lower(text: ir.StringValue) -> ir.StringValue:
    """`text` in lower case."""
    return text.replace("İ", "i").replace("Σ", "σ").lower()


@cache
def _capitals() -> tuple[str, str, str]:
    """Letters whose capitals may be several letters; all small letters, and the one capital of each."""
    small = [char for char in map(chr, [*range(128), *_LETTERS]) if char.upper() != char or char.title() != char]
    several = "".join(char for char in small if len(char.upper()) > 1)
    changed = {char: capital for char in small if (capital := _capital(char)) != char}
    return several, "".join(changed), "".join(changed.values())


def _capital(char: str) -> str:
    """The one capital of a letter; itself where it has none."""
    fitting = (found for found in (char.upper(), char.title()) if len(found) == 1)
    return "ẞ" if char == "ß" else next(fitting, char)
