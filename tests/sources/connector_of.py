"""Programs as sources, and a lake they are landed in."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from tests.sources.objects import landed_rows, raw_zone

from potable.sources.base import Source
from potable.sources.blobs import Blob
from potable.sources.ingest import Ingested, Landing, ingest


def program(folder: Path, name: str) -> list[str]:
    """Command line of a script beside this file."""
    # without site-packages, which take longer to find than the script to run
    return [sys.executable, "-I", "-S", str(Path(__file__).with_name(name))]


class World:
    """A project folder with a lake, and a temporary folder of its own."""

    def __init__(self, folder: Path, patched: pytest.MonkeyPatch) -> None:
        self.folder, self.temporary = folder / "project", folder / "temporary"
        for made in (self.folder, self.temporary):
            made.mkdir()
        patched.setattr(tempfile, "tempdir", str(self.temporary))

    def landing(self) -> Landing:
        return raw_zone(self.folder / "raw")

    def ingest(self, source: Source[Any]) -> Ingested:
        return ingest(source, self.landing(), base=self.folder)

    def content(self, item: Any) -> bytes:
        where = str(self.folder / "raw")
        with Blob(item.name, where, item.path, item.zstd, item.bytes).open() as stream:
            return stream.read()

    def rows(self, source: Source[Any], table: str) -> list[dict[str, Any]]:
        rows = landed_rows(source, self.landing(), table)
        return sorted(rows, key=lambda row: (row["_object"], row["_row"]))
