"""The keys of what commands print, read off the types that declare it; for the docs and tests.

A path is written as in `jq`: `steps[].state`; below a key whose own keys are names of the project stands `*`.

Entry: `keys`.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any

from potable.cli.answers.failure import Error, OneError
from potable.cli.answers.units import Cell
from potable.meanings import meanings

ERRORS = frozenset({Error, OneError})
_WORDS = {str: "text", int: "integer", float: "number", bool: "true or false", type(None): "null", object: "any"}


@dataclass(frozen=True)
class Key:
    """One key of what a command prints."""

    path: str
    kind: Any
    """The type of its value."""
    meaning: str
    always: bool
    """Whether it is always there."""

    @property
    def type(self) -> str:
        """Type and unit in words."""
        return word(self.kind)


def keys(declared: Any, path: str = "", *, errors: bool = False) -> Iterator[Key]:
    """All keys of a type, those of nested types after their own.

    Args:
        declared: a TypedDict, dataclass, list or mapping of such, or several of which the later ones' keys count.
        errors: whether keys of errors are wanted too, which are the same wherever one stands.
    """
    for inner, below in parts(declared):
        if not fields(inner):
            yield from keys(inner, path + below, errors=errors)
            continue
        for name, key in fields(inner).items():
            place = f"{path}{below}.{name}".removeprefix(".")
            yield Key(place, key.kind, key.meaning, key.always)
            if errors or not ERRORS.intersection(inner for inner, _ in parts(key.kind)):
                yield from keys(key.kind, place, errors=errors)


def parts(kind: Any) -> Iterator[tuple[Any, str]]:
    """What stands inside a value of a type, each with what its path has more: the value itself where it has keys."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, tuple) or fields(kind):
        yield kind, ""
    elif origin is typing.Annotated:
        yield from parts(plain(kind))
    elif origin in (typing.Union, types.UnionType):
        for argument in arguments:
            yield from parts(argument)
    elif _is(origin, Mapping):
        yield arguments[1], ".*"
    elif _is(origin, Sequence):
        yield arguments[0], "[]"


def fields(kind: Any) -> dict[str, Key]:
    """The keys of a type itself, in their order; none of what is no TypedDict and no dataclass."""
    if isinstance(kind, tuple):
        return {name: key for each in kind for name, key in fields(each).items()}
    if not isinstance(kind, type) or not (is_dataclass(kind) or typing.is_typeddict(kind)):
        return {}
    about, left = meanings(kind), getattr(kind, "__optional_keys__", frozenset[str]())
    found = {}
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        if typing.get_origin(hint) is typing.ClassVar:
            continue
        needed = typing.get_origin(hint) is not typing.NotRequired and name not in left
        own = typing.get_args(hint)[0] if typing.get_origin(hint) is typing.NotRequired else hint
        found[name] = Key(name, own, " ".join(about.get(name, "").split()), needed)
    return found


def plain(kind: Any) -> Any:
    """A type without its unit; where it is annotated by what its keys are, that."""
    own, note = typing.get_args(kind)[:2]
    return note if fields(note) else own


def word(kind: Any) -> str:
    """A type in words."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        if fields(unit := arguments[1]):
            return word(unit)
        return unit if arguments[0] not in (int, float) else f"{word(arguments[0])} ({unit})"
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if kind == Cell:
        return "value"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(word(argument) for argument in arguments))
    if _is(origin, Mapping):
        return f"object, {word(arguments[1])} by name"
    if _is(origin, Sequence):
        return f"array of {word(arguments[0])}"
    return "object" if fields(kind) else _WORDS.get(kind, "any")


def _is(origin: Any, wanted: type) -> bool:
    return inspect.isclass(origin) and issubclass(origin, wanted)
