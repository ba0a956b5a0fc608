"""A real HTTP server that does as it is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.sources.web import Server


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()
