"""Whom a deadline tells; importable by the triggerer."""

from __future__ import annotations

from pathlib import Path
from typing import Any


async def late(path: str, context: Any = None) -> None:
    """Note which run is late."""
    Path(path).write_text(str((context or {}).get("dag_run", {}).get("dag_id", "")), encoding="utf-8")
