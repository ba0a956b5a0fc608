"""`potable source`: a look at a source while its file is being written; nothing is landed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from potable.cli.output import table
from potable.declarations import Document
from potable.errors import PotableError, ProjectError, did_you_mean
from potable.folder import connector
from potable.privacy.shapes import shape
from potable.project import one_source, require_project
from potable.report.numbers import plain, plural
from potable.sources.base import Source
from potable.sources.names import told_column
from potable.sources.preview import Preview, preview
from potable.tables import UNPARSED, Column, Table

if TYPE_CHECKING:
    from potable.cli.answers.sources import Previewed, PreviewedColumn

_WIDEST = 40
"""Characters shown of a value that may be shown."""


def previewed(root: Path, name: str, *, wanted: str | None, rows: int) -> tuple[dict[str, Previewed], str]:
    """Facts and text about the first `rows` records of the tables of source `name`, or of one of them.

    Values of columns without a category, or with another than `none`, are shown as shapes, names of objects and of
    undeclared columns as `sources.names` tells them.

    Raises:
        ProjectError: the source's file is wrong, or has no table `wanted` (P031).
    """
    known_source(root, name)
    source = one_source(root, name)
    if wanted and wanted not in source.tables:
        known = sorted(source.tables)
        hint = did_you_mean(wanted, known)
        raise ProjectError(f"source `{name}` has no table `{wanted}`", "P031", hint=hint, allowed=", ".join(known))
    found = preview(source, base=root.resolve(), rows=rows)
    chosen = {table: item for table, item in found.items() if wanted in (None, table)}
    facts = {table: _facts(source, table, item) for table, item in chosen.items()}
    texts = [_text(f"{name}.{table}", source.tables[table], facts[table], item) for table, item in chosen.items()]
    return facts, "\n\n".join([*texts, "nothing was landed; next: potable check"])


def known_source(root: Path, name: str) -> None:
    """Nothing, where the project has a file for source `name`.

    Raises:
        ProjectError: P031, it has none; P001, there is no project.
    """
    known = sorted(path.stem for path in (root / "sources").glob("*.yaml"))
    if name not in known:
        if not known:
            require_project(root.resolve())
        hint = did_you_mean(name, known) or (
            f"write sources/{name}.yaml with `source: {name}`, its `type` and its location"
        )
        raise ProjectError(f"the project has no source `{name}`", "P031", hint=hint, allowed=", ".join(known))


@contextmanager
def tables_named(document: Document, name: str) -> Iterator[None]:
    """Errors say that the file of source `name` names no tables, where that is why its records were not found."""
    try:
        yield
    except PotableError as failure:
        lacks = re.match(r"`(\w+)` is missing$", failure.problem)
        of_table = lacks and lacks[1] not in connector(document).model_fields
        if not document.data.get("tables") and (of_table or f"table `{name}` could not be read" in failure.problem):
            like = f"tables: {{NAME: {{{lacks[1] + ': …' if lacks else ''}}}}}"
            failure.hint = f"the file declares no tables, so a table called `{name}` was looked for; add `{like}`"
        raise


def _facts(source: Source[Any], name: str, item: Preview) -> Previewed:
    contract = source.tables[name]
    columns: list[PreviewedColumn] = []
    for column_name, column in contract.columns.items():
        values = item.rows[column_name]
        columns.append(
            {
                "column": column_name,
                "type": column.type,
                "category": column.declared_category,
                "nulls": values.null_count,
                "unreadable": _unreadable(item.rows, column_name),
                "first": [_shown(column, value) for value in values.to_pylist()],
            }
        )
    own = source.headings
    declared = {path.lstrip("/") for key, column in contract.columns.items() for path in column.paths(key)}
    new = [told_column(column, own) for column in item.seen or () if column not in declared]
    told = source.naming.told(item.object)
    dialect = sorted(item.dialect)
    return {"object": told, "dialect": dialect, "rows": item.rows.num_rows, "columns": columns, "undeclared": new}


def _unreadable(rows: pa.Table, name: str) -> int:
    return sum(name in json.loads(cells or "{}") for cells in rows[UNPARSED].to_pylist())


def _shown(column: Column, value: Any) -> str | None:
    """A value as it may be shown: itself where the column is declared harmless, else its shape."""
    if value is None:
        return None
    text = str(value)
    return text if column.declared_category == "none" else shape(text)


def _text(name: str, contract: Table, facts: Previewed, item: Preview) -> str:
    if not item.object:
        return f"{name}: the source has no data for it"
    written = f" ({dialect})" if (dialect := told_dialect(facts["dialect"])) else ""
    lines = [f"{name}: {plural(facts['rows'], 'record')} from {plain(facts['object'])}{written}"]
    rows = []
    for column in facts["columns"]:
        first = [_cut(text) if text is not None else "-" for text in column["first"][:3]]
        category = column["category"] or "(none declared)"
        rows.append([column["column"], column["type"], category, column["nulls"], column["unreadable"], *first])
    width = max((len(row) for row in rows), default=0) - 5
    rows = [[*row, *[""] * (5 + width - len(row))] for row in rows]
    head = ["column", "type", "category", "null", "unreadable", *[f"record {n}" for n in range(1, width + 1)]]
    lines.append(table(rows, head))
    if broken := _unreadable(item.rows, "@record"):
        lines.append(f"{plural(broken, 'record')} cannot be parsed and would go to quarantine")
    if facts["undeclared"]:
        lines.append("not declared: " + ", ".join(map(plain, facts["undeclared"])))
        if {*facts["undeclared"]} - {*(item.seen or ())}:
            source = name.split(".")[0]
            lines.append(
                "names that could be a person's are shown as shapes; for the full names: `potable source "
                f"discover {source}`"
            )
    return "\n".join(lines)


def told_dialect(found: Iterable[str]) -> str:
    """What was found out about how objects are written, in words: "delimiter `;` or `tab`, encoding `cp1252`"."""
    kinds = groupby(sorted(found), key=lambda each: each.partition(" ")[0])
    return ", ".join(f"{kind} " + " or ".join(f"`{each[len(kind) + 1 :]}`" for each in some) for kind, some in kinds)


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
