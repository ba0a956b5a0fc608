"""What stands at the end of a Parquet file: read in a way that no damage of it ends the process.

Entry: `opened`.
"""

from __future__ import annotations

import io
from contextlib import suppress
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from potable.sources.blobs import Malformed

_OF_A_NUMBER = 4
_BUFFER = 1 << 20
"""Bytes of a column that are read at once."""
_SIGNATURE = 28
"""Bytes of a nonce and a tag."""


def opened(stream: BinaryIO) -> pq.ParquetFile:
    """The Parquet file that `stream` is.

    Raises:
        Malformed: it has columns that are encrypted, or its footer contradicts itself.
        ArrowException, OSError: it is damaged.
    """
    file = pa.PythonFile(stream, "r")
    metadata = pq.read_metadata(file)
    if _is_signed(stream, metadata):
        # what is looked for in a column that is encrypted ends the process
        raise Malformed("it is encrypted")
    try:
        _require_sound(metadata, file.size())
        return pq.ParquetFile(
            file,
            metadata=metadata,
            buffer_size=_BUFFER,
            read_dictionary=_repeated(metadata),
            # moments of before 1677 are beyond what nanoseconds reach
            coerce_int96_timestamp_unit="us",
            page_checksum_verification=True,
        )
    except (KeyError, UnicodeDecodeError):
        raise Malformed("its footer is damaged") from None


def _require_sound(metadata: pq.FileMetaData, size: int) -> None:
    """Look at every chunk of columns in the way that can fail.

    Looked at from Python, one that contradicts itself ends the process. A reader that wants to know where all chunks
    lie before it reads looks at them in a way that raises; and then it is given nothing to read.
    """
    file = pq.ParquetFile(pa.PythonFile(_Unread(size), "r"), metadata=metadata, pre_buffer=True)
    with suppress(_Asked):
        next(file.iter_batches(1, use_threads=False), None)


class _Asked(Exception):
    """Somebody wanted bytes."""


class _Unread(io.RawIOBase):
    """A file of some size, of which nothing can be read."""

    def __init__(self, size: int) -> None:
        self._size, self._at = size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        self._at = place + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        raise _Asked


def _is_signed(stream: BinaryIO, metadata: pq.FileMetaData) -> bool:
    """Whether a signature stands behind the footer, as where columns are encrypted and the footer is not."""
    stream.seek(-8, io.SEEK_END)
    return int.from_bytes(stream.read(4), "little") == int(metadata.serialized_size) + _SIGNATURE


def _repeated(metadata: pq.FileMetaData) -> list[str]:
    """Columns of texts of which every value is written once in a row group, by their paths.

    Read as what they are, they take no more room in memory than in the file, however long the texts.
    """
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = ([group.column(number) for group in groups] for number in range(metadata.num_columns))
    return [each[0].path_in_schema for each in chunks if each and all(map(_is_dictionary, each))]


def _is_dictionary(chunk: pq.ColumnChunkMetaData) -> bool:
    """Whether a chunk is a dictionary of texts and hardly more than a number for each value."""
    if chunk.physical_type != "BYTE_ARRAY" or not chunk.has_dictionary_page:
        return False
    dictionary = chunk.data_page_offset - (chunk.dictionary_page_offset or 0)
    return bool(chunk.total_compressed_size - dictionary <= _OF_A_NUMBER * chunk.num_values)
