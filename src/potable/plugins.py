"""Plug-ins by entry point: sources, engines and secret providers.

Groups: `potable.sources` (a `Source` declaration class per `type:`), `potable.engines` (a factory per
`engine:`) and `potable.secrets` (a function from a reference's text to its value, per scheme). The
built-in ones are registered in the same way in pyproject.toml, so that nothing is special about them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from potable.errors import MissingExtra, ProjectError, did_you_mean

EXTRAS = {
    "adbc_driver_manager": "postgres",
    "adbc_driver_postgresql": "postgres",
    "boto3": "kinesis",
    "botocore": "kinesis",
    "confluent_kafka": "kafka",
    "fastavro": "kafka",
    "httpx": "rest",
    "jsonschema": "gx",
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
    return sorted(entry.name for entry in entry_points(group=f"potable.{group}"))


def load(group: str, name: str) -> Any:
    """The object registered as `name` in `group`.

    Raises:
        ProjectError: nothing is registered under that name.
        MissingExtra: it is, but a package it imports is not installed.
    """
    found: list[EntryPoint] = list(entry_points(group=f"potable.{group}", name=name))
    if not found:
        raise ProjectError(
            f"`{name}` is not one of the installed {group}",
            "P005",
            allowed=", ".join(names(group)),
            hint=did_you_mean(name, names(group)),
        )
    try:
        return found[0].load()
    except ModuleNotFoundError as failure:
        package = (failure.name or "").split(".")[0]
        raise MissingExtra(package, EXTRAS.get(package, "all")) from failure


def secret_provider(scheme: str) -> Callable[[str], str]:
    """The function that resolves `${scheme:…}` references."""
    provider: Callable[[str], str] = load("secrets", scheme)
    return provider
