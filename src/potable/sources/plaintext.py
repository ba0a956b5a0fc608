"""Text files: one record per file, of its form lines and its text.

A column's path is a label (`Employee number`, of a line `Employee number: E0012`), `@text` or `@object`.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import field_validator

from potable.sources.blobs import Blob
from potable.sources.documents import DocumentSource, DocumentTable, content, decoded, form_lines
from potable.sources.encodings import declared


class TextTable(DocumentTable):
    """A table of text files."""

    encoding: str = "auto"
    """Encoding; `auto` is UTF-8 (with or without BOM), UTF-16 by its BOM, or else Windows-1252."""

    _known_encoding = field_validator("encoding")(declared)


class TextSource(DocumentSource[TextTable]):
    """A folder of text files."""

    def fields(self, table: TextTable, blob: Blob, wanted: frozenset[str]) -> Mapping[str, str]:
        text = decoded(content(blob), None if table.encoding == "auto" else table.encoding)
        return {**form_lines(text), "@text": text}
