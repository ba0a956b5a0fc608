"""Strict YAML: project files read with the place of every key and value.

Duplicate keys are errors, all errors of a file are reported at once. `${env:NAME}`, `${file:PATH}`,
`${vault:MOUNT/PATH#KEY}` and `${aws:NAME}` are the only references; a literal that looks like a credential is refused.

Entry: `read(path)` gives a `Document`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from potable.declarations import SECRET_KEY, SECRET_VALUE, Document, Key
from potable.errors import Place, PotableError, ProjectError, raise_all

Resolver = Callable[[str], str]

_REFERENCE = re.compile(r"\$\{(\w+):([^}]+)\}")
REFERS = "${"
"""How a reference begins: what data says with it in it must not be written into a project file."""
_CONTAINERS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_SHORTEST = 4
"""Characters from which a resolved value is kept out of messages."""
_DEEPEST = 64
_LARGEST = 200_000
"""Nodes a project file may have, aliases counted as often as they are used."""


def read(
    path: Path,
    *,
    root: Path | None = None,
    environment: Mapping[str, str] | None = None,
    unneeded: Callable[[Mapping[str, Any]], Collection[str]] | None = None,
    wrong: list[PotableError] | None = None,
) -> Document:
    """Read one strict YAML file.

    Args:
        path: the file.
        root: project folder, for the path shown in messages and for `${file:…}`.
        environment: values for `${env:…}`; the process environment by default.
        unneeded: tells, of the content as written, keys at the top below which references may stay as they are: no
            vault is asked for them, and what is not set is no error.
        wrong: takes the errors that leave something to read; they are raised where it is not given.

    Raises:
        ProjectError: the file is missing or is not YAML; it repeats a key, holds an unresolvable reference (which then
            stays as it is written) or a literal credential; ProjectErrors for several of these.
    """
    shown = str(path.relative_to(root)) if root and path.is_relative_to(root) else str(path)
    if not path.is_file():
        missing = ProjectError(f"`{shown}` does not exist", "P001", place=Place(shown))
        if Path(shown).parent.name != "envs":
            missing.hint, missing.next = "the example has one to start from", "potable init --example churn EXAMPLE"
        raise missing
    reader = _Reader(shown, root or path.parent, os.environ if environment is None else environment)
    try:
        node = _composed(path.read_text(encoding="utf-8-sig"))
        literal = reader.construct(node, ()) if node else {}
    except OSError as failure:
        raise ProjectError(f"`{shown}` cannot be read ({type(failure).__name__})", "P001", place=Place(shown)) from None
    except (YAMLError, UnicodeDecodeError, RecursionError, ValueError) as failure:
        raise _not_yaml(shown, failure) from None
    if not isinstance(literal, dict):
        raise ProjectError("the file must contain keys and values (a YAML mapping)", "P002", place=Place(shown, 1, 1))
    reader.unneeded = frozenset(unneeded(literal)) if unneeded else frozenset()
    data = reader.resolve(literal, ())
    if wrong is None:
        raise_all(reader.errors)
    else:
        wrong += reader.errors
    return Document(shown, data, literal, reader.places, reader.resolved)


@lru_cache(maxsize=100)
def _composed(text: str) -> Node | None:
    """The nodes of a YAML text; a project is read again for every day of it that is looked at."""
    node: Node | None = YAML(typ="safe", pure=True).compose(text)
    return node


def own_variables(root: Path) -> dict[str, str]:
    """Values for `${env:…}`: the process environment over the `.env` file of the folder `root`."""
    return {**_dotenv(root / ".env"), **os.environ}


def _dotenv(path: Path) -> dict[str, str]:
    """NAME=value lines of a .env file, comments and blank lines left out."""
    if not path.is_file():
        return {}
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.removeprefix("export ").split("=", 1) for line in lines if "=" in line and line[0] != "#")
    return {name.strip(): value.strip().strip("'\"") for name, value in pairs}


def _not_yaml(shown: str, failure: Exception) -> ProjectError:
    mark = getattr(failure, "problem_mark", None)
    place = Place(shown, mark.line + 1, mark.column + 1) if mark else Place(shown)
    problem = getattr(failure, "problem", None) or {
        UnicodeDecodeError: "the file is not UTF-8 text",
        ReaderError: "the file contains characters that YAML does not allow",
        RecursionError: "the file is nested too deeply",
    }.get(type(failure), "a value has the form of a date or number, but is not a valid one")
    before = (getattr(mark, "buffer", None) or "")[: mark.pointer] if mark else ""
    started = getattr(failure, "context_mark", None)
    hint = ""
    if before.endswith("$"):
        hint = 'inside {…} a reference must be in quotes: "${env:NAME}"'
    elif "\\t" in problem:
        hint = "YAML is indented by blanks, not by tabs"
    elif started and mark and started.line < mark.line:
        begin = f"line {started.line + 1}, column {started.column + 1}"
        hint = f"what begins in {begin}, may not be closed, or not be indented"
    return ProjectError(f"not valid YAML: {problem}", "P002", place=place, hint=hint, next="potable check")


class _Reader:
    """Builds plain data from YAML nodes, noting places and collecting errors."""

    def __init__(self, shown: str, root: Path, environment: Mapping[str, str]) -> None:
        self.shown = shown
        self.errors: list[PotableError] = []
        self.places: dict[Key, tuple[Place, Place]] = {(): (Place(shown, 1, 1), Place(shown, 1, 1))}
        self._providers: dict[str, Resolver] = {
            "env": lambda name: environment[name],
            "file": lambda name: (root / name).expanduser().read_text(encoding="utf-8").strip(),
        }
        self._yaml = YAML(typ="safe", pure=True)
        self._nodes = 0
        self.resolved: dict[str, str] = {}
        self.unneeded: frozenset[str] = frozenset()

    def construct(self, node: Node, path: Key) -> Any:
        self._nodes += 1
        if len(path) > _DEEPEST or self._nodes > _LARGEST:
            # an alias to something that holds it has no end
            raise MarkedYAMLError(problem="the file is nested too deeply, or too large", problem_mark=node.start_mark)
        if not isinstance(node, ScalarNode) and node.tag not in _CONTAINERS:
            raise MarkedYAMLError(problem="YAML tags (`!name`) are not supported", problem_mark=node.start_mark)
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            items = []
            for index, item in enumerate(node.value):
                self._note((*path, index), item, item)
                items.append(self.construct(item, (*path, index)))
            return items
        assert isinstance(node, ScalarNode)
        return self._yaml.constructor.construct_object(node)

    def _mapping(self, node: MappingNode, path: Key) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                raise MarkedYAMLError(problem="a key must be plain text", problem_mark=key_node.start_mark)
            key = str(key_node.value)
            if key in out:
                first = self.places[(*path, key)][0]
                self._fail(f"`{key}` is declared twice", "P002", key_node, hint=f"first at {first}")
                continue
            self._note((*path, key), key_node, value_node)
            out[key] = self.construct(value_node, (*path, key))
        return out

    def resolve(self, value: Any, path: Key) -> Any:
        """`value` with every reference replaced; literal credentials are refused."""
        if isinstance(value, dict):
            return {key: self.resolve(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolve(item, (*path, index)) for index, item in enumerate(value)]
        literal = _REFERENCE.sub("", str(value)) if value is not None and not isinstance(value, bool) else ""
        name = next((part for part in reversed(path) if isinstance(part, str)), "")
        if SECRET_VALUE.search(literal) or (SECRET_KEY.search(name) and literal.strip()):
            self._refuse(path, "P007", f"`{name}` looks like a credential written into the file")
            return value
        if not isinstance(value, str):
            return value
        if REFERS in literal:
            self._refuse(path, "P005", f"`{name}` contains `${{`, but not a complete reference")
            return value
        return _REFERENCE.sub(lambda match: self._lookup(match, path), value)

    def _lookup(self, match: re.Match[str], path: Key) -> str:
        scheme, name = match.groups()
        unneeded = bool(path) and path[0] in self.unneeded
        if unneeded and scheme not in self._providers:
            return match.group()
        try:
            value = self._provider(scheme)(name)
        # a provider is foreign code, and what it raises may hold the secret
        except Exception as failure:
            if not unneeded:
                self._unresolved(match, path, failure)
            return match.group()
        if len(value) >= _SHORTEST:
            self.resolved[value] = match.group()
        return value

    def _unresolved(self, match: re.Match[str], path: Key, failure: Exception) -> None:
        if isinstance(failure, KeyError):
            self._refuse(path, "P006", f"the {match[1]} variable `{match[2]}` is not set")
        elif isinstance(failure, PotableError):
            failure.place = failure.place or self.places[path][1]
            self.errors.append(failure)
        else:
            hint = "is it there, and readable for this user? Paths of files are relative to the project folder"
            self._refuse(path, "P006", f"`{match.group()}` cannot be read ({type(failure).__name__})", hint)

    def _provider(self, scheme: str) -> Resolver:
        if scheme in self._providers:
            return self._providers[scheme]
        from potable.plugins import secret_provider

        return secret_provider(scheme)

    def _refuse(self, path: Key, code: str, problem: str, hint: str = "") -> None:
        place = self.places[path][1]
        known = "${env:NAME}, ${file:PATH}, ${vault:MOUNT/PATH#KEY}, ${aws:NAME}"
        kept = f"replace it by a reference: {known}"
        if path[:1] == ("airflow",):
            # its section is written into a file that everybody reads
            kept = "take it out: tasks have secrets from Airflow's connections, or from `env_from` of their pod"
        hints = {"P006": "set it in the environment or in the project's .env file", "P007": kept}
        hint = hint or hints.get(code, f"valid references are {known}")
        self.errors.append(ProjectError(problem, code, place=place, hint=hint))

    def _fail(self, problem: str, code: str, node: Node, *, hint: str) -> None:
        place = Place(self.shown, node.start_mark.line + 1, node.start_mark.column + 1)
        self.errors.append(ProjectError(problem, code, place=place, hint=hint))

    def _note(self, path: Key, key: Node, value: Node) -> None:
        self.places[path] = (self._place(key), self._place(value))

    def _place(self, node: Node) -> Place:
        return Place(self.shown, node.start_mark.line + 1, node.start_mark.column + 1)
