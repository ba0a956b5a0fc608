"""Fixtures every room shares: the engines a behaviour test runs on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from potable.engines.base import Engine
from potable.engines.duckdb import DuckDBEngine


@pytest.fixture(scope="session", params=["duckdb"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Every engine in turn, with one thread, so that batch functions run in the test's own process."""
    made = DuckDBEngine(memory=1 << 30, threads=1, scratch=tmp_path_factory.mktemp(f"scratch-{request.param}"))
    yield cast("Engine", made)
    made.close()
