"""Plug-ins by entry point: sources, engines and secret providers; and the code that a project names itself.

Groups: `potable.sources` (a `Source` declaration class per `type:`), `potable.engines` (a factory per
`engine:`) and `potable.secrets` (a function from a reference's text to its value, per scheme). The
built-in ones are registered in the same way in pyproject.toml, so that nothing is special about them.
What a project lists under `plugins:` is a `Module`: read when the project is, run only where it is needed.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib.metadata import EntryPoints, entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from potable.errors import MissingExtra, ProjectError, did_you_mean

EXTRAS = {
    "adbc_driver_manager": "postgres",
    "adbc_driver_postgresql": "postgres",
    "boto3": "kinesis",
    "botocore": "kinesis",
    "confluent_kafka": "kafka",
    "fastavro": "kafka",
    "great_expectations": "gx",
    "httpx": "rest",
    "jsonschema": "json-schema",
    "lxml": "docx",
    "msgspec": "json",
    "pandas": "spark",
    "cryptography": "pdf",
    "pymysql": "mysql",
    "py4j": "spark",
    "pypdf": "pdf",
    "pyspark": "spark",
    "python_calamine": "xlsx",
    "xml2arrow": "xml",
}
"""Which extra of Potable brings which package."""


def names(group: str) -> list[str]:
    """Names registered in `group`, sorted."""
    return sorted(_registered(group).names)


@cache
def _registered(group: str) -> EntryPoints:
    """What is registered in `group`; to look opens a file of every installed package."""
    return entry_points(group=f"potable.{group}")


def load(group: str, name: str) -> Any:
    """The object registered as `name` in `group`.

    Raises:
        ProjectError: nothing is registered under that name.
        MissingExtra: it is, but a package it imports is not installed.
    """
    require(group, name)
    try:
        return _registered(group)[name].load()
    except ModuleNotFoundError as failure:
        package = (failure.name or "").split(".")[0]
        raise MissingExtra(package, EXTRAS.get(package, "all")) from failure


def require(group: str, name: str) -> None:
    """Nothing, where `name` is registered in `group`; nothing is imported for it.

    Raises:
        ProjectError: P005, with the names that are.
    """
    if name not in _registered(group).names:
        raise ProjectError(
            f"`{name}` is not one of the installed {group}",
            "P005",
            allowed=", ".join(names(group)),
            hint=did_you_mean(name, names(group)),
        )


def secret_provider(scheme: str) -> Callable[[str], str]:
    """The function that resolves `${scheme:…}` references."""
    provider: Callable[[str], str] = load("secrets", scheme)
    return provider


@dataclass(frozen=True)
class Module:
    """Python code that a project names: a file of its folder, or a module that is installed."""

    name: str
    """As the project names it: `plugins/checks.py` or `company.checks`."""
    text: str = field(repr=False)
    """What it says. The text of a file travels to where it runs; an installed module is installed there too."""

    def load(self) -> ModuleType:
        """The module, run once per process."""
        if not self.name.endswith(".py"):
            return importlib.import_module(self.name)
        name = f"potable_plugin_{sha256(f'{self.name}:{self.text}'.encode()).hexdigest()[:16]}"
        if name not in sys.modules:
            made = ModuleType(name)
            made.__file__ = self.name
            # classes look for their module while they are made
            sys.modules[name] = made
            try:
                exec(compile(self.text, self.name, "exec"), made.__dict__)
            except BaseException:
                del sys.modules[name]
                raise
        return sys.modules[name]


def module(root: Path, name: str) -> Module:
    """The module that a project in `root` names, read and not run.

    Raises:
        ProjectError: P001 where there is none, P005 where it is no file of the project.
    """
    if not name.endswith(".py"):
        return Module(name, _installed(name))
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ProjectError("a plug-in must be a file of the project folder or an installed module", "P005", given=name)
    try:
        return Module(name, (root / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProjectError(f"`{name}` does not exist", "P001") from None
    except (OSError, UnicodeDecodeError) as failure:
        raise ProjectError(f"`{name}` cannot be read ({type(failure).__name__})", "P001") from None


def _installed(name: str) -> str:
    try:
        spec = find_spec(name)
        origin = spec.origin if spec else None
        if origin and origin.endswith(".py"):
            return Path(origin).read_text(encoding="utf-8")
    except (ImportError, ValueError, OSError):
        pass
    raise ProjectError(
        f"there is no Python module `{name}`",
        "P001",
        hint="to use a file of the project, write its path: `checks.py`",
    )
