from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.features.world import World

from potable.engines.duckdb import DuckDBEngine


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    engine = DuckDBEngine(memory=1 << 30, threads=1, scratch=tmp_path / "spill")
    yield World(tmp_path, engine)
    engine.close()
