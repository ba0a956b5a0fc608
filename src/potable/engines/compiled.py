"""SQL of a query, compiled once per shape.

A project asks the same questions again and again (of every bucket, of the proof's two copies, in the next run), and
Ibis takes longer to compile one than an engine to answer it on a few thousand rows. Queries that differ only in the
names of the relations they read have the same SQL but for these names. Entry: `sql`; `told` and `take_in` carry what
is kept from process to process.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any
from uuid import UUID

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
from ibis.common.graph import Node

SHAPES = 1024
"""Most queries whose SQL a process keeps; the oldest go first."""
QUERIES = 64
"""Queries whose shape is cached, for they may be run again over other files."""
_NAME = re.compile(r"((?<=[\"`])\w+(?=[\"`]))")
_PLAIN = (type(None), bool, int, float, str, bytes, Decimal, date, time, timedelta, UUID, Enum, dt.DataType)
"""Types whose values are fully described by their `repr`; datetime is a date."""


class _Unknown(Exception):
    """A query holds something whose `repr` may not tell all of it."""


_KEPT: dict[tuple[str, str], list[str | int]] = {}
"""SQL in parts by compiler and shape; in place of a relation's name its number."""


def sql(backend: Any, relation: ibis.Table) -> str:
    """The SQL of `relation`, a query over named relations, as `backend.compile` gives it."""
    try:
        shape, names = _told(relation.op())
    except _Unknown:
        return str(backend.compile(relation))
    compiler = type(backend.compiler)
    key = f"{compiler.__module__}.{compiler.__qualname__}", shape
    if key not in _KEPT:
        parts = _cut(str(backend.compile(relation)), names)
        if len(_KEPT) >= SHAPES:
            del _KEPT[next(iter(_KEPT))]
        _KEPT[key] = parts
    return "".join(part if isinstance(part, str) else names[part] for part in _KEPT[key])


def kept() -> frozenset[tuple[str, str]]:
    """Compiler and shape of all queries whose SQL is kept."""
    return frozenset(_KEPT)


def told() -> bytes:
    """All SQL that is kept, for another process of the same code and the same Ibis."""
    return json.dumps([[*key, parts] for key, parts in _KEPT.items()]).encode()


def take_in(data: bytes) -> None:
    """Keep what another process kept; what is kept already stays."""
    for compiler, shape, parts in json.loads(data)[:SHAPES]:
        _KEPT.setdefault((compiler, shape), parts)


def _cut(query: str, names: list[str]) -> list[str | int]:
    numbers = {name: number for number, name in enumerate(names)}
    return [numbers.get(part, part) for part in _NAME.split(query)]


@lru_cache(QUERIES)
def _told(root: Node) -> tuple[str, list[str]]:
    """A digest of all of a query but the names of the relations it reads, and these names."""
    names: list[str] = []
    numbers: dict[Node, int] = {}
    lines: list[str] = []
    for node in _children_first(root):
        if isinstance(node, ops.DatabaseTable):
            if node.name not in names:
                names.append(node.name)
            said = f"{names.index(node.name)} {node.schema!r} {node.namespace!r}"
        elif isinstance(node, ops.Reference):
            # its identifier only tells it from others, which its number does too
            said = _argument(node.parent, numbers)
        else:
            said = " ".join(_argument(value, numbers) for value in node.__args__)
        numbers[node] = len(numbers)
        lines.append(f"{type(node).__name__}({said})")
    text = "\n".join(lines)
    if any(name in text for name in names):
        raise _Unknown
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest(), names


def _children_first(root: Node) -> Iterator[Node]:
    seen: set[Node] = set()
    stack = [(root, False)]
    while stack:
        node, opened = stack.pop()
        if opened:
            yield node
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((child, False) for child in node.__children__)


def _argument(value: Any, numbers: dict[Node, int]) -> str:
    if isinstance(value, Node):
        return f"#{numbers[value]}"
    if isinstance(value, _PLAIN):
        return f"{type(value).__name__}:{value!r}"
    if isinstance(value, tuple):
        return f"({' '.join(_argument(item, numbers) for item in value)})"
    if isinstance(value, frozenset):
        return f"<{' '.join(sorted(_argument(item, numbers) for item in value))}>"
    if isinstance(value, dict):
        return f"{{{' '.join(_argument(pair, numbers) for pair in value.items())}}}"
    raise _Unknown
