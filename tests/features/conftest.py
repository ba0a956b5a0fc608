from pathlib import Path

import pytest
from tests.features.world import World

from potable.engines.base import Engine


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> World:
    return World(tmp_path, engine)
