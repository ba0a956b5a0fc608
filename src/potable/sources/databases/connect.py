"""Which dialect a URL asks for.

Entry: `connected`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from potable.errors import EnvironmentFailure, did_you_mean
from potable.sources.databases.base import Origin, Session

_DIALECTS = {
    "sqlite": "sqlite",
    "postgresql": "postgres",
    "postgres": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
    "snowflake": "adbc",
    "adbc": "adbc",
}
"""By the scheme of the URL; the file of this folder that knows it."""


@contextmanager
def connected(source: str, url: str, base: Path, origins: Sequence[Origin]) -> Iterator[Session]:
    """A read-only session on one snapshot of the database, for the origins that will be read.

    Raises:
        EnvironmentFailure: E001 the database cannot be reached or refuses, E002 its file is missing, E006 its driver
            is not installed, E007 the URL cannot be used.
    """
    # as in SQLAlchemy, the scheme may name a driver; what is no URL is not shown
    scheme = url.partition("://")[0].partition("+")[0] if "://" in url else ""
    if scheme not in _DIALECTS:
        raise EnvironmentFailure(
            f"source `{source}`: the URL scheme `{scheme}` is not supported",
            "E007",
            allowed="sqlite:///path, or postgresql:// mysql:// mariadb:// snowflake:// adbc+DRIVER:// addresses",
            hint=did_you_mean(scheme, _DIALECTS),
        )
    dialect = import_module(f"potable.sources.databases.{_DIALECTS[scheme]}")
    with dialect.connected(source, url, base, origins) as session:
        yield session
