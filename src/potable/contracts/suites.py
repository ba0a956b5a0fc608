"""Suites of Great Expectations, as GX 1.x and 0.18 write them: read, and not yet judged.

A suite is JSON with a list of expectations, each with its type and arguments. Whether the vocabulary knows
them belongs to `checks`. Entry: `read_suite`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from potable.errors import Place, ProjectError

PARAMETER = "$PARAMETER"
"""The key of what stands for a value that a run gives."""
_IDLE = ("parse_strings_as_datetimes", "allow_cross_type_comparisons", "auto", "profiler_config")
"""Arguments of earlier GX that say nothing where they are not set."""
_BESIDES = ("result_format", "catch_exceptions", "include_config", "batch_id", "rendered_content", "description")
"""Arguments of GX that say nothing about data."""


@dataclass(frozen=True)
class Item:
    """One expectation of a suite."""

    file: str
    index: int
    expectation: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Suite:
    """A suite that was read."""

    name: str
    items: Sequence[Item]
    content: Sequence[Any]
    """What a fingerprint covers: the expectations, without ids and notes of GX."""
    left_out: Sequence[Any] = ()
    """Checks of a contract that the suite was exported from, for which GX has no expectation."""


def read_suite(root: Path, path: str) -> Suite:
    """The suite in the JSON file `path`, relative to the project folder `root`.

    Raises:
        ProjectError: P001 where there is no such file, P020 where it is no suite.
    """
    place = Place(path)
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise ProjectError("a suite must be inside the project folder", "P020", place=place, given=path)
    try:
        data = json.loads((root / path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ProjectError(f"`{path}` does not exist", "P001", place=place) from None
    except OSError as failure:
        raise ProjectError(f"`{path}` cannot be read ({type(failure).__name__})", "P001", place=place) from None
    except (ValueError, RecursionError) as failure:
        line, column = getattr(failure, "lineno", 0), getattr(failure, "colno", 0)
        raise ProjectError("the suite is not JSON", "P020", place=Place(path, line, column)) from None
    listed = data.get("expectations") if isinstance(data, Mapping) else None
    if not isinstance(listed, list) or not all(_is_entry(entry) for entry in listed):
        hint = "a suite has `expectations`, each with its `type` (0.18: `expectation_type`) and `kwargs`"
        raise ProjectError("the file is not a suite of Great Expectations", "P020", place=place, hint=hint)
    given = [data.get(key) for key in ("evaluation_parameters", "suite_parameters")]
    parameters = {key: value for each in given if isinstance(each, Mapping) for key, value in each.items()}
    items = [Item(path, index, _type(entry), _arguments(entry, parameters)) for index, entry in enumerate(listed)]
    name = data.get("name") or data.get("expectation_suite_name") or Path(path).stem
    return Suite(str(name), items, [(item.expectation, item.arguments) for item in items], _left_out(data.get("meta")))


def _left_out(meta: Any) -> list[Any]:
    own = meta.get("potable") if isinstance(meta, Mapping) else None
    listed = own.get("left_out") if isinstance(own, Mapping) else None
    return listed if isinstance(listed, list) else []


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, Mapping) and bool(_type(entry)) and isinstance(entry.get("kwargs", {}), Mapping)


def _type(entry: Mapping[str, Any]) -> str:
    return str(entry.get("type") or entry.get("expectation_type") or "")


def _arguments(entry: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    kwargs = entry.get("kwargs", {}).items()
    arguments = {
        key: _filled(value, parameters) for key, value in kwargs if key not in _BESIDES and not _idle(key, value)
    }
    beside = {key: entry[key] for key in ("severity", "meta") if entry.get(key)}
    return {**arguments, **beside}


def _filled(value: Any, parameters: Mapping[str, Any]) -> Any:
    """An argument; in place of a parameter its value, where the suite gives one."""
    if not isinstance(value, Mapping) or not isinstance(name := value.get(PARAMETER), str):
        return value
    return value.get(f"{PARAMETER}.{name}", parameters.get(name, value))


def _idle(key: str, value: Any) -> bool:
    return key in _IDLE and not value
