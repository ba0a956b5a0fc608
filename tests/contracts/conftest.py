"""Great Expectations beside ours."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Case = dict[str, Any]
"""Columns and the checks they are judged by."""
Ask = Callable[[Case], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def gx() -> Iterator[Ask]:
    """Great Expectations, started once by a worker."""
    script = Path(__file__).with_name("real_gx.py")
    command = [sys.executable, "-W", "ignore", str(script)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin and process.stdout
        came_in, came_out = process.stdin, process.stdout
        assert came_out.readline() == "ready\n"

        def ask(case: Case) -> list[dict[str, Any]]:
            came_in.write(json.dumps(case) + "\n")
            came_in.flush()
            answer: list[dict[str, Any]] = json.loads(came_out.readline())
            return answer

        yield ask
        came_in.close()
