"""CSV dumps of two generations: semicolons and Latin-1 with CRLF once, commas and UTF-8 with a BOM later.

Only quoting, encoding and the order of rows live here; what stands in the rows is reviews.py's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from potable.estate.render import body, join


class Dump:
    """One open CSV file."""

    def __init__(self, path: Path, header: Sequence[str], *, new: bool) -> None:
        self._new = new
        self._separator, self._end = (",", "\n") if new else (";", "\r\n")
        self._sink = path.open("wb")
        self.name = path.name
        self.rows = 0
        first = self._separator.join(header) + self._end
        self._sink.write((b"\xef\xbb\xbf" if new else b"") + first.encode())

    def write(self, columns: Sequence[pa.Array]) -> None:
        """Appends rows; columns that need quotes have them already."""
        parts: list[pa.Array | str] = []
        for column in columns:
            parts += [column, self._separator]
        text = body(join(*parts[:-1], self._end))
        self._sink.write(text if self._new else bytes(text).decode().encode("latin-1"))
        self.rows += len(columns[0])

    def close(self) -> int:
        """Closes the file; returns its size in bytes."""
        size = self._sink.tell()
        self._sink.close()
        return size
