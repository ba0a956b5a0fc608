"""What Spark's executors run of ours: functions over Arrow batches, and failures that come home whole.

Imports little, because every Python worker of every executor imports it; no part of Spark itself. A
failure is carried in the text of an exception, which is all that Spark passes on, and packed, because
that text also goes into the logs of executors.
"""

from __future__ import annotations

import base64
import pickle
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from zipimport import zipimporter

import pyarrow as pa
import pyarrow.compute as pc

from potable.engines.base import BatchFunction, ItemFunction
from potable.engines.pool import checked
from potable.errors import EnvironmentFailure, PotableError

ITEMS = pa.schema([("slot", pa.int64()), ("item", pa.binary())])
"""Items on their way: the order they are dealt out in, and the pickled item."""
_CARRIED = re.compile(r"potable-carries\[([A-Za-z0-9+/=]+)\]")


class Carrier(Exception):
    """An exception whose text holds another one."""


@dataclass(frozen=True)
class EachItem:
    """An item function over batches of `ITEMS`."""

    function: ItemFunction
    schema: pa.Schema

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """All batches of all items."""
        with carrying():
            for batch in batches:
                for item in batch.column(1):
                    yield from checked(self.function(pickle.loads(item.as_py())), self.schema)


@dataclass(frozen=True)
class EachBatch:
    """A batch function over the batches of a relation."""

    function: BatchFunction
    given: pa.Schema
    """Schema of the batches the function is given; Spark's own names and nullability are put aside."""
    schema: pa.Schema

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The function's batches."""
        with carrying():
            for batch in batches:
                columns = [column.cast(field.type) for column, field in zip(batch.columns, self.given, strict=True)]
                made = self.function(pa.record_batch(columns, schema=self.given))
                yield from checked([made], self.schema)


def carried(text: str) -> Exception | None:
    """The failure a text of Spark's carries, if it carries one."""
    found = _CARRIED.search(text)
    failure: Exception | None = pickle.loads(base64.b64decode(found[1])) if found else None
    return failure


def found(text: str | None, pattern: str) -> bool | None:
    """Whether RE2 finds `pattern` in `text`."""
    if text is None:
        return None
    said: bool = pc.match_substring_regex(pa.scalar(text), pattern).as_py()
    return said


def written(number: float | None) -> str | None:
    """A float as text: the fewest digits that tell it from all others."""
    return None if number is None else repr(number)


FOUND, WRITTEN = "potable_found", "potable_written"
FUNCTIONS = ((FOUND, found, "boolean"), (WRITTEN, written, "string"))
"""Functions that queries may call by name, each row by itself, for what Spark has in no other way."""


@contextmanager
def carrying() -> Iterator[None]:
    """Packs what is raised inside."""
    try:
        yield
    except Exception as failure:
        packed = base64.b64encode(_pickled(failure)).decode()
        raise Carrier(f"potable-carries[{packed}]") from None
    finally:
        _forget_archives()


def _forget_archives() -> None:
    """Keep Spark from reading all archives it is imported from again before the next task.

    It asks for that by `importlib.invalidate_caches` at the start of every task, and its own archives alone take a
    tenth of a second. Python finds them again, in what it has read once, if it needs to.
    """
    for path in [path for path, finder in sys.path_importer_cache.items() if isinstance(finder, zipimporter)]:
        del sys.path_importer_cache[path]


def _pickled(failure: Exception) -> bytes:
    """The failure with the lines it came through; of one that is not ours, whose text may hold data, the kind alone."""
    lines = "".join(traceback.format_tb(failure.__traceback__))
    try:
        told = failure if isinstance(failure, PotableError) or _about_schema(failure) else _kind(failure)
        told.add_note(f"on a Spark executor:\n{lines}")
        data = pickle.dumps(told)
        pickle.loads(data)
        return data
    except Exception:
        return pickle.dumps(_kind(failure))


def _about_schema(failure: Exception) -> bool:
    return type(failure) is TypeError and "another schema than it was declared with" in str(failure)


def _kind(failure: Exception) -> EnvironmentFailure:
    return EnvironmentFailure(f"a worker failed with {type(failure).__name__}", "X001")
