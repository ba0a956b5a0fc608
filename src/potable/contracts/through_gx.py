"""Expectation classes of others, judged by Great Expectations itself on pandas, batch by batch of distinct values.

Runs in the engine's workers. Only which values failed leaves this room: what GX tells of them, logs or prints
does not, nor does the text of an exception, which may hold a value. Entry: `Failing`.
"""

from __future__ import annotations

import io
import logging
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from potable.contracts.custom import Custom
from potable.errors import MissingExtra, Place, PotableError, ProjectError

_PROBED = 64
"""Values of a batch that are judged a second time, among others."""
_BATCHES = 4
"""Batches per process and check of which some are; a call of GX costs the same for few values as for many."""
_probed: Counter[tuple[str, ...]] = Counter()


@dataclass(frozen=True)
class Failing:
    """A batch function that keeps the rows that fail, of any batch of distinct rows."""

    custom: Custom
    arguments: Mapping[str, Any]
    columns: Sequence[str]
    """Names of the batch's columns in their table, which is what the class sees."""

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows of `batch` that fail.

        Raises:
            ProjectError: P020 where the class cannot judge, or judges a row by the other rows.
            MissingExtra: Great Expectations is not installed here.
        """
        if not batch.num_rows:
            return batch
        with _quiet():
            rows = batch.rename_columns(list(self.columns))
            failed = self._failed(rows)
            self._require_alone(rows, failed)
        return batch.filter(pa.array(failed))

    def _require_alone(self, rows: pa.RecordBatch, failed: np.ndarray) -> None:
        """Refuse a class whose verdict on a row is another one among other rows."""
        name = (self.custom.module.text, self.custom.class_name, str(self.arguments), *self.columns)
        if _probed[name] >= _BATCHES:
            return
        _probed[name] += 1
        again = _probe(failed)
        if not np.array_equal(self._failed(rows.take(pa.array(again))), failed[again]):
            _probed[name] = 0
            raise self._wrong(
                "judges a row by the other rows",
                hint="write it so that each row is judged by itself; order, uniqueness and distance from the mean "
                "are expectations of GX that run natively",
            )

    def _failed(self, rows: pa.RecordBatch) -> np.ndarray:
        """Which of the rows fail."""
        try:
            found = _batch(rows).validate(self._expectation(), result_format={"result_format": "COMPLETE"})
        except PotableError:
            raise
        except Exception as failure:
            raise self._wrong("cannot be run", given=type(failure).__name__) from None
        if told := _raised(found.exception_info):
            line = re.findall(rf'File "{re.escape(self.custom.module.name)}", line (\d+)', told)
            place = Place(self.custom.module.name, int(line[-1]), 1) if line else self.custom.place
            raise self._wrong("raises an error", place=place, hint="what it says is not shown, for it may hold a value")
        places = found.result.get("unexpected_index_list")
        count = found.result.get("unexpected_count")
        if count != len(places or ()):
            raise self._wrong("does not tell which rows fail")
        failed = np.zeros(rows.num_rows, dtype=bool)
        failed[list(places or ())] = True
        return failed

    def _expectation(self) -> Any:
        try:
            return getattr(self.custom.module.load(), self.custom.class_name)(**self.arguments)
        except ModuleNotFoundError as failure:
            raise self._wrong("needs a package that is not installed", given=str(failure.name)) from None
        except Exception as failure:
            # arguments are of the project, not of the data
            raise self._wrong("does not take its arguments", given=f"{type(failure).__name__}: {failure}") from None

    def _wrong(self, problem: str, *, place: Place | None = None, given: str = "", hint: str = "") -> ProjectError:
        where = place or self.custom.place
        return ProjectError(f"`{self.custom.name}` {problem}", "P020", place=where, given=given, hint=hint)


def _probe(failed: np.ndarray) -> list[int]:
    """Rows that must come to the same among others: some of both verdicts, backwards and half of them twice."""
    some = [*np.flatnonzero(failed)[: _PROBED // 2], *np.flatnonzero(~failed)[: _PROBED // 2]]
    return [int(place) for place in [*some[::-1], *some[: (len(some) + 1) // 2]]]


def _raised(info: Mapping[str, Any]) -> str:
    """The traceback of what was raised; empty when nothing was."""
    found = [info] if "raised_exception" in info else list(info.values())
    return "\n".join(str(each["exception_traceback"]) for each in found if each["raised_exception"])


@cache
def _definition() -> Any:
    """What GX makes batches of; its import takes seconds."""
    # it must not call home, whatever the machine says
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    try:
        import great_expectations
    except ModuleNotFoundError as failure:
        raise MissingExtra((failure.name or "great_expectations").split(".")[0], "gx") from None
    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]
    asset = context.data_sources.add_pandas("potable").add_dataframe_asset("distinct")
    return asset.add_batch_definition_whole_dataframe("whole")


def _batch(rows: pa.RecordBatch) -> Any:
    definition = _definition()
    # days as pandas has them, so that a class may ask for their month
    return definition.get_batch({"dataframe": rows.to_pandas(date_as_object=False)})


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing is printed, logged or warned of: it could be a value."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
