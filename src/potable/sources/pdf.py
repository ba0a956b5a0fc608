"""PDF files: one record per file, of its form fields, its form lines, its text and its document information.

A column's path is the name of a form field (AcroForm), the label of a line (`Employee number: E0012`), `@text`,
`@pages`, `@object`, or `@` and a key of the document information (`@Title`, `@Author`). Files are read by pypdf,
which is pure Python and limits what a file makes it do: the same files are refused on every machine, and none can
crash a worker.
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Mapping
from typing import Any

import pypdf
from pypdf import apply_configuration
from pypdf.errors import DependencyError, LimitReachedError

from potable.errors import MissingExtra
from potable.sources.blobs import Blob
from potable.sources.documents import DocumentSource, DocumentTable, Unread, content, form_lines

_MOST_PAGES = 1000
_MOST_OPERATIONS = 500_000
_MOST_DRAWN = 4000
"""Forms and images a page may draw, also by one another."""
_MOST_CONTENT = 16 << 20
_LIMITS: dict[str, Any] = {
    "maximum_declared_stream_length": _MOST_CONTENT,
    "array_based_stream_maximum_output_length": _MOST_CONTENT,
    "lzw_maximum_output_length": _MOST_CONTENT,
    "run_length_maximum_output_length": _MOST_CONTENT,
    "zlib_maximum_output_length": _MOST_CONTENT,
    "page_tree_maximum_entries": 10 * _MOST_PAGES,
    "page_tree_maximum_page_entries": 100 * _MOST_PAGES,
    # what is beyond this pypdf leaves out without a word
    "xform_maximum_invocations_per_extraction": 2 * _MOST_DRAWN,
    "jbig2dec_binary": None,
}
_LOST = "Impossible to decode XFormObject"


class _Heard(logging.Handler):
    """Notes the forms pypdf leaves out, and keeps its warnings, which quote what they are about, from any log."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        self._thread.lost = self.lost or str(record.msg).startswith(_LOST)

    @property
    def lost(self) -> bool:
        """Whether a form was left out in this thread."""
        return bool(getattr(self._thread, "lost", False))

    def clear(self) -> None:
        """Forget it."""
        self._thread.lost = False


_heard = _Heard()
logging.getLogger("pypdf").propagate = False
logging.getLogger("pypdf").addHandler(_heard)


class PdfTable(DocumentTable):
    """A table of PDF files."""


class PdfSource(DocumentSource[PdfTable]):
    """A folder of PDF files."""

    def fields(self, table: PdfTable, blob: Blob, wanted: frozenset[str]) -> Mapping[str, str]:
        data = content(blob)
        try:
            with apply_configuration(**_LIMITS):
                return _read(data, wanted)
        except (Unread, MemoryError):
            raise
        except LimitReachedError:
            raise Unread("beyond the limits of a document") from None
        except DependencyError:
            raise MissingExtra("cryptography", "pdf") from None
        # a damaged file fails anywhere and anyhow
        except Exception:
            raise Unread("damaged") from None


def _read(data: bytes, wanted: frozenset[str]) -> dict[str, str]:
    reader = pypdf.PdfReader(io.BytesIO(data))
    # many are locked against changes only, and open without a password
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unread("encrypted")
    if len(reader.pages) > _MOST_PAGES:
        raise Unread(f"more than {_MOST_PAGES:,} pages")
    found = {f"@{key.lstrip('/')}": str(value) for key, value in (reader.metadata or {}).items()}
    found["@pages"] = str(len(reader.pages))
    if wanted <= found.keys() | {path for path in wanted if path.startswith("@") and path != "@text"}:
        return found
    filled = _filled(reader)
    text = _text(reader)
    if not text.strip() and not filled:
        raise Unread("no text layer")
    return {**form_lines(text), **filled, **found, "@text": text}


def _filled(reader: pypdf.PdfReader) -> dict[str, str]:
    """Form fields that have a value."""
    fields = (reader.get_fields() or {}).items()
    return {name: str(field.value).removeprefix("/") for name, field in fields if field.value not in (None, "")}


def _text(reader: pypdf.PdfReader) -> str:
    _heard.clear()
    left = _MOST_OPERATIONS
    pages, size = [], 0
    for page in reader.pages:
        spent = _Spent(left)
        pages.append(page.extract_text(visitor_operand_before=spent))
        left -= spent.operations
        # pypdf goes on behind a form that fails
        spent.check()
        size += len(pages[-1])
        if size > _MOST_CONTENT:
            raise Unread("beyond the limits of a document")
    if _heard.lost:
        raise Unread("damaged")
    return "\n".join(pages)


class _Spent:
    """Counts what a page does and ends it when it is too much."""

    def __init__(self, most: int) -> None:
        self.operations = self.drawn = 0
        self._most = most

    def __call__(self, operator: bytes, *others: Any) -> None:
        self.operations += 1
        self.drawn += operator == b"Do"
        self.check()

    def check(self) -> None:
        """Raise when it was too much."""
        if self.operations > self._most or self.drawn > _MOST_DRAWN:
            raise Unread("beyond the limits of a document")
