"""What is declared in project files, and where: models that know no other keys, and errors that know their place.

Unknown keys and wrong types are errors with file, line, column and a suggestion, and all of them are reported at once.
What the keys mean is the business of the models (`Declaration` subclasses) that the slices define; `projectfiles` reads
the files.

Entry: `Document.model(Model)` gives the validated declaration.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from potable.errors import Place, ProjectError, did_you_mean, raise_all
from potable.meanings import meanings

Key = tuple[str | int, ...]
SECRET_NAMES = "token|bearer|password|passwd|passphrase|pwd|secret|credentials?|(api|access|secret|private)[_-]?key"
SECRET_KEY = re.compile(rf"(^|[_-]|(?<=[a-z])(?=[A-Z]))(?i:{SECRET_NAMES})s?$")
"""Keys whose values are credentials."""
SECRET_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\b(AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_\w{30,}|\bxox[baprs]-[\w-]{10,}"
    rf"|\beyJ[\w-]{{10,}}\.[\w-]{{10,}}\.|://[^/\s:@]*:[^/\s@]+@|[?&;\s](?i:{SECRET_NAMES})=[^&;\s]"
)
"""Values that are credentials, or hold one."""
_WANTED = "Input should be "
_MERGED = "YAML 1.2 merges no mappings; share the value of one key: `columns: &one {…}`, `columns: *one`"
_MAPPING = re.compile(
    "a valid dictionary or (?:instance of [A-Za-z_]+|object to extract fields from)|a valid dictionary"
)


class Inside(ValueError):
    """What a declaration finds wrong at a key further in, when it looks at several together."""

    def __init__(self, problem: str, *key: str | int) -> None:
        """Say what is wrong at `key`, seen from the declaration."""
        super().__init__(problem)
        self.key = key


def _of_a_folder(name: str) -> str:
    if not name.strip() or name.startswith(".") or "/" in name or "\\" in name or not name.isprintable():
        raise ValueError(
            "a folder of the lake is called so: it needs a name without `/`, without `\\`, and without a dot in front"
        )
    return name


FolderName = Annotated[str, AfterValidator(_of_a_folder)]
"""A name by which folders of the lake and files are called, which must lead nowhere else."""


class Declaration(BaseModel):
    """Something declared in a project file: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema with what the keys mean."""
        schema = handler(core)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        about = meanings(cls)
        for name, info in cls.model_fields.items():
            if name in about:
                properties[info.alias or name].setdefault("description", about[name])
        return schema


M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """One project file: what it says, and where it says it."""

    path: str
    """Path as shown to people, relative to the project folder."""
    data: dict[str, Any] = field(repr=False)
    """The content with references resolved."""
    literal: dict[str, Any]
    """The content as written, references unresolved; this is what fingerprints see."""
    places: Mapping[Key, tuple[Place, Place]] = field(repr=False, default_factory=dict)
    """Place of the key and of the value, by path into the content."""
    resolved: Mapping[str, str] = field(repr=False, default_factory=dict)
    """The reference each resolved value came from; messages show the reference."""

    def place(self, *key: str | int, of_key: bool = False) -> Place:
        """Where `key` stands, or the nearest enclosing thing that has a place."""
        for end in range(len(key), -1, -1):
            if found := self.places.get(key[:end]):
                return found[0 if of_key else 1]
        return Place(self.path)

    def model(self, model: type[M]) -> M:
        """The content as a validated declaration.

        Raises:
            ProjectError: or ProjectErrors, with every violation and its place.
        """
        try:
            return model.model_validate(self.data)
        except ValidationError as failure:
            raise_all([self._located(model, error) for error in self._nearest(failure.errors(include_url=False))])
            raise

    def _nearest(self, errors: Sequence[Any]) -> Iterator[Any]:
        """The errors to tell: of a value that may have one of several forms, those of the form it comes nearest to."""
        forms: dict[Key, list[Any]] = {}
        for error in errors:
            loc = self._own_path(error)
            # pydantic names each form it tried in the path
            before = next((loc[:index] for index, part in enumerate(error["loc"]) if loc[index:][:1] != (part,)), None)
            if before is None:
                yield error
            else:
                forms.setdefault(before, []).append(error)
        for before, found in forms.items():
            deepest = max(len(self._own_path(error)) for error in found)
            found = [error for error in found if len(self._own_path(error)) == deepest]
            # a mapping whose keys all fit is of the form that says what else is wrong with it
            own = [each for each in found if each["type"] == "value_error" and isinstance(each["input"], dict)]
            found = own or found
            if deepest > len(before) or len(found) == 1:
                yield from found
            else:
                wanted = dict.fromkeys(error["msg"].removeprefix(_WANTED) for error in found)
                yield {**found[0], "msg": _WANTED + " or ".join(wanted)}

    def _located(self, model: type[BaseModel], error: Any) -> ProjectError:
        inner = error.get("ctx", {}).get("error")
        loc = (*self._own_path(error), *(inner.key if isinstance(inner, Inside) else ()))
        name = ".".join(str(part) for part in loc) or "this file"
        kind = error["type"]
        if kind == "extra_forbidden":
            known = known_keys(model, loc[:-1])
            return ProjectError(
                f"unknown key `{loc[-1]}`",
                "P003",
                place=self.place(*loc, of_key=True),
                hint=_MERGED if loc[-1] == "<<" else did_you_mean(str(loc[-1]), known),
                allowed=", ".join(sorted(known)),
            )
        if kind == "missing" and isinstance(loc[-1], int):
            # the second of a pair
            loc, name, kind = loc[:-1], name.rpartition(".")[0], "tuple_type"
        if kind == "missing":
            hint = "`potable source discover` writes the columns for you" if loc[-1] == "columns" else ""
            return ProjectError(f"`{name}` is missing", "P004", place=self.place(*loc, of_key=True), hint=hint)
        if isinstance(inner, ProjectError):
            inner.place = inner.place or self.place(*loc)
            return inner
        message = _MAPPING.sub("a mapping", self.shown(error["msg"].removeprefix("Value error, ")))
        if kind == "tuple_type" or error["msg"].startswith("Tuple "):
            message = f"{_WANTED}a list of 2 values: `[…, …]`"
        given = error.get("input")
        given = self.shown(given) if isinstance(given, str) else given
        shown = json.dumps(given, ensure_ascii=False) if isinstance(given, str | int | float | bool) else ""
        if SECRET_KEY.search(str(loc[-1]) if loc else "") or SECRET_VALUE.search(shown):
            shown = ""
        return ProjectError(f"`{name}`: {message}", "P005", place=self.place(*loc), given=shown[:80])

    def shown(self, text: str) -> str:
        """`text` with every value that came from a reference replaced by that reference."""
        for value in sorted(self.resolved, key=len, reverse=True):
            text = text.replace(value, self.resolved[value])
        return text

    def _own_path(self, error: Any) -> Key:
        """The error's path without the parts pydantic adds for unions and validators."""
        path: Key = ()
        *_, last = error["loc"] or ((),)
        for part in error["loc"]:
            unwritten = part is last and error["type"] in ("missing", "extra_forbidden")
            if (*path, part) in self.places or unwritten:
                path = (*path, part)
        return path


def overlay(base: Document, top: Document) -> Document:
    """`base` with the keys of `top` laid over it, mapping by mapping (environments)."""
    return Document(
        base.path,
        _merged(base.data, top.data),
        _merged(base.literal, top.literal),
        {**base.places, **top.places, (): base.places.get((), (Place(base.path), Place(base.path)))},
        {**base.resolved, **top.resolved},
    )


def known_keys(model: Any, loc: Key) -> set[str]:
    """Names allowed at `loc` below `model`, seen through lists, mappings and unions."""
    types_here = [model]
    for part in loc:
        types_here = [inner for kind in types_here for inner in _below(kind, part)]
    names: set[str] = set()
    for kind in types_here:
        for leaf in _flatten(kind):
            if isinstance(leaf, type) and issubclass(leaf, BaseModel):
                names |= {info.alias or name for name, info in leaf.model_fields.items()}
    return names


def _below(kind: Any, part: str | int) -> Iterator[Any]:
    for leaf in _flatten(kind):
        origin, arguments = typing.get_origin(leaf), typing.get_args(leaf)
        if isinstance(leaf, type) and issubclass(leaf, BaseModel):
            for name, info in leaf.model_fields.items():
                if part in (name, info.alias):
                    yield info.annotation
        elif origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
            yield arguments[1]
        elif isinstance(part, int) and arguments:
            yield arguments[0]


def _flatten(kind: Any) -> Iterator[Any]:
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        yield from _flatten(typing.get_args(kind)[0])
    elif origin in (typing.Union, types.UnionType):
        for inner in typing.get_args(kind):
            yield from _flatten(inner)
    else:
        yield kind


def _merged(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in top.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = _merged(out[key], value) if both else value
    return out
