"""Shapes of values: what can be shown of a value that must not be shown itself.

A shape keeps the kind of every character and the signs between them (`Priya-7` is `Aaaaa-9`), so that people
see formats and mistakes but nobody's data. Entry: `shape`.
"""

from __future__ import annotations

LONGEST = 24
"""Characters of a shape; longer ones end in an ellipsis."""


def shape(value: str) -> str:
    """`value` with letters as `A` or `a` and digits as `9`; other scripts' letters are `a`, signs stay.

    Letters without case (of most scripts) are `a`; what is neither letter, digit nor printable ASCII is `?`.
    """
    out = "".join(map(_kind, value[:LONGEST]))
    return f"{out}…" if len(value) > LONGEST else out


def _kind(char: str) -> str:
    if char.isalpha():
        return "A" if char.isupper() else "a"
    if char.isnumeric():
        return "9"
    return " " if char.isspace() else char if " " <= char <= "~" else "?"
