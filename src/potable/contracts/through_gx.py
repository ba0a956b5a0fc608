"""Custom expectation classes, evaluated by Great Expectations itself on pandas.

Rows are judged in the engine's workers, batch by batch of distinct values (`Failing`); columns or tables as a whole in
the run's process, where they fit into a share of its memory (`of_whole`). What GX logs or prints is suppressed, and
so is the text of exceptions, because it may hold a value.
"""

from __future__ import annotations

import io
import logging
import math
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potable.contracts.aggregates import SHOWN, Finding, Whole
from potable.contracts.arguments import named_columns
from potable.contracts.custom import Custom
from potable.errors import EnvironmentFailure, MissingExtra, Place, PotableError, ProjectError
from potable.tables import OBJECT, ROW

_PROBED = 64
"""Values of a batch that are judged a second time, in another batch, to see whether the verdict stays the same."""
_BATCHES = 4
"""Batches per process and check that are probed so; a call of GX costs the same for few values as for many."""
_probed: Counter[tuple[str, ...]] = Counter()
_SHARE = 0.25
"""Most of the memory setting that columns may take which are judged as a whole."""
_NUMBER_BYTES, _OBJECT_BYTES = 64, 320
"""What a value takes beside its bytes, by the dearest of GX's own metrics: a number or time, and any other."""


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
        """Refuse a class whose verdict on a row depends on the other rows of the batch."""
        name = (self.custom.module.text, self.custom.class_name, str(self.arguments), *self.columns)
        if _probed[name] >= _BATCHES:
            return
        _probed[name] += 1
        again = _probe(failed)
        if not np.array_equal(self._failed(rows.take(pa.array(again))), failed[again]):
            _probed[name] = 0
            raise _wrong(
                self.custom,
                "judges a row by the values of other rows",
                hint="write it so that each row is judged by itself; for order, uniqueness and distance from the "
                "mean, use GX's own expectations, which run natively",
            )

    def _failed(self, rows: pa.RecordBatch) -> np.ndarray:
        """Which of the rows fail."""
        found = _validated(rows, self.custom, self.arguments)
        places = found.result.get("unexpected_index_list")
        count = found.result.get("unexpected_count")
        if count != len(places or ()):
            raise _wrong(self.custom, "does not report which rows fail")
        failed = np.zeros(rows.num_rows, dtype=bool)
        failed[list(places or ())] = True
        return failed


def of_whole(custom: Custom, arguments: Mapping[str, Any], whole: Whole, batches: Mapping[str, int]) -> Finding:
    """What a class finds of columns as a whole, or of all of them, given to GX in the order in which rows landed.

    Args:
        batches: which batch each object came with.

    Raises:
        EnvironmentFailure: E007 where the values are more than a share of the memory setting holds.
        ProjectError: P020 where the class cannot judge.
        MissingExtra: Great Expectations is not installed here.
    """
    names = list(whole.table.columns if custom.of_table else dict.fromkeys(named_columns(custom.word, arguments)))
    rows = _landed(custom, whole, names, batches)
    with _quiet():
        found = _validated(rows, custom, arguments)
        given = {name: found.result.get(name) for name in ("unexpected_count", "missing_count")}
        counts = {name: int(count) for name, count in given.items() if isinstance(count, int | np.integer)}
        some = _told((found.result.get("partial_unexpected_list") or [])[:SHOWN])
        observed = _told(found.result.get("observed_value"))
        return Finding(bool(found.success), observed, fields=counts, unexpected=some)


def _landed(custom: Custom, whole: Whole, names: Sequence[str], batches: Mapping[str, int]) -> pa.Table:
    """The columns, in the order in which their rows landed."""
    cells = {f"cell_{number}": whole.column(name) for number, name in enumerate(names)}
    found = whole.rows.select(OBJECT, ROW, **cells).order_by([OBJECT, ROW])
    places: dict[str, int] = {}
    held, parts, room = 0, [], int(whole.engine.memory * _SHARE)
    for batch in whole.engine.stream(found):
        held += sum(_weight(batch.column(cell)) for cell in cells)
        if held > room:
            raise _too_large(custom, names, room)
        objects = pc.dictionary_encode(batch.column(OBJECT))
        known = [places.setdefault(name, batches.get(name, 0)) for name in objects.dictionary.to_pylist()]
        landed = pc.take(pa.array(known, pa.int64()), objects.indices)
        parts.append(pa.Table.from_arrays([landed, *(batch.column(cell) for cell in cells)], names=["", *names]))
    if not parts:
        kinds = [(name, whole.kind(name)) for name in names]
        return pa.schema(kinds).empty_table()
    rows = pa.concat_tables(parts)
    if len(set(places.values())) > 1:
        rows = rows.take(pc.sort_indices(rows, sort_keys=[("", "ascending")]))
    return rows.select(names)


def _weight(values: pa.Array) -> int:
    """Bytes that values may take while GX judges them on pandas, which makes objects of texts and decimals."""
    kind = values.type
    plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind)
    return 3 * int(values.nbytes) + len(values) * (_NUMBER_BYTES if plain else _OBJECT_BYTES)


def _too_large(custom: Custom, names: Sequence[str], room: int) -> EnvironmentFailure:
    asked = "the table" if custom.of_table else ", ".join(f"`{name}`" for name in names)
    return EnvironmentFailure(
        f"`{custom.name}` needs all values of {asked} in memory, and they do not fit",
        "E007",
        custom.place,
        given=f"more than the {room >> 20:,} MiB a check may use (a quarter of `memory`)",
        hint="raise `memory` in potable.yaml, restrict the check with a `row_condition`, or use an expectation "
        "that runs natively and needs no column in memory",
    )


def _told(value: Any) -> Any:
    """What a class observed, converted to plain Python types."""
    if isinstance(value, np.generic | np.ndarray) or hasattr(value, "tolist"):
        return _told(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): _told(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_told(item) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str | Decimal | date) else str(value)


def _validated(rows: pa.RecordBatch | pa.Table, custom: Custom, arguments: Mapping[str, Any]) -> Any:
    """GX's validation result of the class for the rows."""
    try:
        expectation = _expectation(custom, arguments)
        # days as pandas has them, so that a class may ask for their month
        frame = rows.to_pandas(date_as_object=False)
        batch = _definition().get_batch({"dataframe": frame})
        found = batch.validate(expectation, result_format={"result_format": "COMPLETE"})
    except PotableError:
        raise
    except Exception as failure:
        raise _wrong(custom, "cannot be run", given=type(failure).__name__) from None
    if told := _raised(found.exception_info):
        line = re.findall(rf'File "{re.escape(custom.module.name)}", line (\d+)', told)
        place = Place(custom.module.name, int(line[-1]), 1) if line else custom.place
        hint = "its message is not shown, because it may contain a value"
        raise _wrong(custom, "raised an error", place=place, hint=hint)
    return found


def _expectation(custom: Custom, arguments: Mapping[str, Any]) -> Any:
    try:
        made = getattr(custom.module.load(), custom.class_name)
    except ModuleNotFoundError as failure:
        raise _wrong(custom, "needs a package that is not installed", given=str(failure.name)) from None
    except Exception as failure:
        told = f"{type(failure).__name__}: {failure}"
        raise _wrong(custom, "cannot be used, for its module cannot be imported", given=told) from None
    try:
        return made(**arguments)
    except Exception as failure:
        # arguments are of the project, not of the data
        raise _wrong(custom, "does not accept its arguments", given=f"{type(failure).__name__}: {failure}") from None


def _wrong(
    custom: Custom, problem: str, *, place: Place | None = None, given: str = "", hint: str = ""
) -> ProjectError:
    return ProjectError(f"`{custom.name}` {problem}", "P020", place=place or custom.place, given=given, hint=hint)


def _probe(failed: np.ndarray) -> list[int]:
    """Rows to judge again in another batch: some of each verdict, in reverse order, half of them twice."""
    some = [*np.flatnonzero(failed)[: _PROBED // 2], *np.flatnonzero(~failed)[: _PROBED // 2]]
    return [int(place) for place in [*some[::-1], *some[: (len(some) + 1) // 2]]]


def _raised(info: Mapping[str, Any]) -> str:
    """The traceback of what was raised; empty when nothing was."""
    found = [info] if "raised_exception" in info else list(info.values())
    return "\n".join(str(each["exception_traceback"]) for each in found if each["raised_exception"])


@cache
def _definition() -> Any:
    """The batch definition that all data frames are validated through; importing GX takes seconds."""
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


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress all output, logging and warnings, which could hold values."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
