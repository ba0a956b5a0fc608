"""What the keys of declarations mean: the texts that stand below them in the code.

pydantic would read them as each class is made, which took a quarter of the time in which every command starts; only
editors' schemas and the reference need them.

Entry: `meanings`.
"""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise


def meanings(model: type) -> dict[str, str]:
    """What stands below the attributes of a class and of those it is derived from, by attribute."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        # a generic class with its parameters stands nowhere, but comes after the one that was written
        found |= _written(kind.__module__).get(kind.__qualname__, {})
    return found


@cache
def _written(module: str) -> dict[str, dict[str, str]]:
    """The texts below the attributes of a module's classes."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (KeyError, OSError, TypeError):
        # built in, or made where no source is
        return {}
    return {node.name: _below(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _below(node: ast.ClassDef) -> dict[str, str]:
    found = {}
    for attribute, text in pairwise(node.body):
        match attribute, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                found[name] = inspect.cleandoc(said)
    return found
