"""What `source discover` says of reading: on from where a run ended, and of what it has read itself.

Reading on is suggested for a column whose name and values say when a record changed.

A wrong suggestion would lose changes that nobody misses, so a name is not enough, nor is an index: both are evidence,
told beside the line. Where a system is read on by more than a column (a parameter of an endpoint), it stays a comment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from potable.sources.onwards import IncrementalTable
from potable.sources.preview import Preview
from potable.sources.suggest import tells_of_changes
from potable.tables import MISTYPED, Table


def reading_on(
    table: Table, facts: Mapping[str, Any], promised: Mapping[str, Sequence[str]]
) -> tuple[dict[str, Any], list[str]]:
    """What is suggested of a table, as a fact (empty for nothing) and as lines of its contract.

    Args:
        facts: what was found of it: `rows`, `columns` by name, `unique`.
        promised: what the system says of its columns, by path.
    """
    if not isinstance(table, IncrementalTable):
        return {}, []
    columns, unique = facts["columns"], facts["unique"]
    dated = [name for name, column in columns.items() if _moment(column) and tells_of_changes(name)]
    # of several the one the system itself keeps best; what changed may have been recorded later
    best = sorted(dated, key=lambda name: (-len(promised.get(columns[name]["path"], ())), "record" not in name))
    if not best:
        return {}, []
    column, told = columns[best[0]], promised.get(columns[best[0]]["path"], ())
    may = f"# `{best[0]}` may tell which records changed since the last run"
    if not (column["required"] or "not null" in told):
        return {}, [f"{may}, but some records have no value in it, so every run reads the whole table"]
    if not unique or best[0] in unique:
        return {}, [f"{may}; declare `unique`, so that changed records can replace their earlier versions"]
    evidence = ["by its name", column["type"], *(told or [f"never null in {facts['rows']:,} records"])]
    why = f"later runs read only what changed; {', '.join(evidence)}"
    lines = [f"known: {best[0]}  # when it was recorded; a later version of the same `unique` key is a correction"]
    if missing := _missing(table, best[0]):
        more = ", ".join(f"{name}: …" for name in missing)
        return {}, [f"# {lines[0].partition('  #')[0]}", f"# incremental: {{column: {best[0]}, {more}}}  # {why}"]
    lines.append(
        f"incremental: {{column: {best[0]}}}  # {why}; does not notice deleted records, unless `keys` is declared"
    )
    return {"column": best[0], "evidence": evidence}, lines


def paging(table: Table) -> list[str]:
    """A line about pages, where it is not declared how they follow one another and the rest would be lost unseen."""
    if "pagination" not in type(table).model_fields or "pagination" in table.model_fields_set:
        return []
    return [
        "# pagination: not declared, so the first page without `next_cursor` is taken as the last; are these "
        "all records?"
    ]


def _moment(column: Mapping[str, Any]) -> bool:
    """Whether its values can be asked for from a moment on."""
    return column["type"] in ("date", "timestamp") and not column["format"]


def _missing(table: IncrementalTable, column: str) -> list[str]:
    """What else has to be declared to read such a table on."""
    declared: Any = type(table).model_fields["incremental"].annotation
    try:
        TypeAdapter(declared).validate_python({"column": column})
    except ValidationError as failure:
        return [str(error["loc"][-1]) for error in failure.errors() if error["type"] == "missing"]
    return []


def of_files(item: Preview) -> Iterator[str]:
    """How much of a table's files was looked at, where that is not all of them."""
    if item.unread:
        tells = "the first and the last" if item.read > 1 else "the first"
        yield f"# read: {item.read} of {item.read + item.unread} files, {tells}; `--rows` reads more of them"


def unreadable(rows: pa.Table) -> Iterator[str]:
    """What of the records could not be read although every column is a text, by reason."""
    reasons = Counter(reason for told in rows[MISTYPED].drop_null().to_pylist() for reason in told.split(","))
    for reason, records in reasons.items():
        why = reason.removeprefix("@record").removeprefix(": ")
        yield f"# {records:,} of {rows.num_rows:,} records cannot be read{': ' if why else ''}{why}"
