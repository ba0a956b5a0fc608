"""Dotted paths to values in JSON: `user.email`, and `user."e.mail"` where a key itself has a dot.

A key in quotes is taken as it is, a quote in it doubled. Only keys that need quotes have them, so that every place has
one spelling and contracts can be compared with what is there.

Entry: `steps` of a path, `joined` for the path of a key below another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

from potable.tables import Column

_STEP = re.compile(r'"((?:[^"]|"")*)"(?=\.|$)|([^.]*)', re.DOTALL)
KEYS = r'(?:"(?:[^"]|"")*"|[^./@#"][^./]*)(?:\.(?:"(?:[^"]|"")*"|[^./"][^./]*))*'
"""Paths where slashes, `@` and `#` mean something else."""


@cache
def steps(path: str) -> tuple[str, ...]:
    """The keys a path leads through."""
    found: list[str] = []
    place = 0
    while place <= len(path) and path:
        part = _STEP.match(path, place)
        assert part
        found.append(part[2] if part[1] is None else part[1].replace('""', '"'))
        place = part.end() + 1
    return tuple(found)


def joined(path: str, key: str, signs: str = "") -> str:
    """The path of a key of what lies at `path`; empty for a record itself.

    Args:
        signs: what a path of keys does not begin with; a slash stands in none of them.
    """
    odd = "." in key or ("/" in signs and "/" in key) or key.startswith(('"', *("" if path else signs)))
    step = '"' + key.replace('"', '""') + '"' if odd or not key else key
    return f"{path}.{step}" if path else step


def dotted(keys: Sequence[str], signs: str = "") -> str:
    """The path that leads through keys."""
    path = ""
    for key in keys:
        path = joined(path, key, signs)
    return path


def require_spelled(columns: Mapping[str, Column], signs: str = "") -> None:
    """Refuse paths with quotes that are not needed.

    Raises:
        ValueError: a path has another spelling than it should.
    """
    for name, column in columns.items():
        for path in column.paths(name):
            place = re.sub(r"^(\.\./)*(@key\.)?", "", path)
            if not place.startswith("@") and '"' in place and (plain := dotted(steps(place), signs)) != place:
                raise ValueError(f"column `{name}`: `{place}` does not need quotes; write `{plain}`")
