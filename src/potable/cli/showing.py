"""`potable show` and `potable profile`: a version of the dataset, and what a table holds."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from potable.cli.output import table
from potable.cli.versions import chosen, published
from potable.contracts.health import Profile
from potable.contracts.periods import FORM, named, written
from potable.contracts.profile import kind_of, quantiles
from potable.contracts.results import common, declared_words, is_open, unmasked
from potable.datasets.version import removed
from potable.errors import EnvironmentFailure, ProjectError, did_you_mean
from potable.project import Project
from potable.report.numbers import plain, plural, share
from potable.runs.checkup import newest_profile
from potable.tables import Table

if TYPE_CHECKING:
    from potable.cli.answers.dataset import Places, Shown
    from potable.cli.answers.sources import Profile as ProfiledTable
    from potable.cli.answers.sources import ProfiledColumn

_COLUMNS = 8
_WIDTH = 18
_WORDS = 5
_OTHERS = 5
"""Other versions that are named."""
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def shown(project: Project, dataset: str | None, rows: int, number: int | None = None) -> tuple[Shown, str]:
    """Facts and text about a version, by default the current one.

    Raises:
        ProjectError: P031, there is no such dataset or version, or its files were removed.
        EnvironmentFailure: E008, no version has been published yet.
    """
    of = published(project, dataset)
    lake, name, versions = of
    version = chosen(of, number)
    file = pq.ParquetFile(io.BytesIO(lake.open.kept(version.files["parquet"])))
    first = next(file.iter_batches(rows)).to_pylist() if version.rows and rows else []
    places: Places = {
        "csv": lake.open.locate(version.files["csv"]),
        "parquet": lake.open.locate(version.files["parquet"]),
        "card": lake.open.locate(version.files["card"]),
        "report": lake.open.locate(f"runs/{version.run}.html"),
    }
    gone = removed(lake.open, name)
    facts: Shown = {
        "dataset": name,
        "version": version.number,
        "published_at": version.published_at,
        "run": version.run,
        "rows": version.rows,
        "columns": list(version.columns),
        "files": places,
        "sha256": dict(version.sha256),
        "lineage": dict(version.lineage),
        "first_rows": first,
        "versions": [
            {"version": each.number, "published_at": each.published_at, "rows": each.rows}
            for each in versions
            if each.number not in gone
        ],
        "removed": [
            {"version": number, "at": note["at"], "who": note["who"], "why": note["why"]}
            for number, note in gone.items()
        ],
    }
    return facts, _text(facts)


def _text(facts: Shown) -> str:
    """What is told of a version, and of the others."""
    columns = facts["columns"]
    size = f"{facts['rows']:,} rows × {len(columns)} columns"
    names = few(columns)
    preview = table([[_short(row[column]) for column in names] for row in facts["first_rows"]], names)
    lines = [f"{facts['dataset']} version {facts['version']}: {size}, {facts['published_at']}", "", preview]
    lines.append(f"… and {len(columns) - _COLUMNS} more columns" if len(columns) > _COLUMNS else "")
    lines += ["", *(f"{kind:<8} {place}" for kind, place in facts["files"].items())]
    others = [each for each in facts["versions"] if each["version"] != facts["version"]]
    lines += [f"version {each['version']}: {each['rows']:,} rows, {each['published_at']}" for each in others[-_OTHERS:]]
    if len(others) > _OTHERS:
        lines.append(f"… and {len(others) - _OTHERS} more: `potable show -o json` lists all")
    lines += [
        f"version {each['version']}: its files were removed on {each['at'][:10]} by {each['who']}"
        for each in facts["removed"]
    ]
    return "\n".join(lines)


def few(columns: Sequence[str]) -> list[str]:
    """The first of the columns, and the last: it is the label, which people look for."""
    return [*columns[:-1][: _COLUMNS - 1], columns[-1]]


def profiled(project: Project, name: str, period: str | None) -> tuple[ProfiledTable, str]:
    """Facts and text: nulls, distinct values and distribution of every column of a table.

    Values are shown of columns declared harmless only.

    Raises:
        ProjectError: P031, the project has no such table, or `period` is none of its kind.
        EnvironmentFailure: E008, no run has validated it yet.
    """
    if name not in project.tables:
        hint = did_you_mean(name, project.tables)
        raise ProjectError(f"there is no table `{name}`", "P031", hint=hint, allowed=", ".join(project.tables))
    found = newest_profile(project, project.lake(), name)
    if found is None:
        raise EnvironmentFailure(f"`{name}` has not been validated yet", "E008", next="potable run --only validate")
    contract = project.tables[name]
    if period:
        kind = contract.health.period
        try:
            found = found.of_period(written(period, kind))
        except ValueError:
            problem = f"the periods of `{name}` are {kind}s; write a {kind} as {FORM[kind]}"
            raise ProjectError(problem, "P031", given=period) from None
    distinct = found.distinct(contract)
    columns = [_column(contract, column, found, distinct) for column in contract.columns]
    facts: ProfiledTable = {
        "table": name,
        "period": period,
        "rows": found.rows,
        "batches": found.batches,
        "columns": columns,
    }
    rows = found.rows
    cells = [
        [item["column"], item["type"], share(item["nulls"], rows), item["distinct"], _values(contract, item, rows)]
        for item in columns
    ]
    where = f"{name} in {period}" if period else name
    head = f"{where}: {plural(found.rows, 'row')} in {plural(len(found.batches), 'batch', 'batches')}"
    return facts, f"{head}\n\n" + table(cells, ["column", "type", "nulls", "distinct, about", "values"])


def _column(contract: Table, name: str, found: Profile, distinct: Mapping[str, int]) -> ProfiledColumn:
    cells, kind = found.values(name), kind_of(contract, name)
    facts: ProfiledColumn = {
        "column": name,
        "type": contract.columns[name].type,
        "nulls": found.columns.get(name, {}).get(None, 0),
        "distinct": distinct.get(name),
        "protected": not is_open(contract, name),
        "words": None,
        "other_words": None,
        "quantiles": None,
        "first": None,
        "last": None,
    }
    if kind is None or not cells or facts["protected"]:
        return facts
    if kind == "word":
        most = sorted(cells, key=lambda word: (-cells[word], word))
        return {**facts, "words": _words(contract, name, cells, most), "other_words": len(most[_WORDS:])}
    if kind == "number":
        return {**facts, "quantiles": quantiles(cells, _SHARES)}
    return {**facts, "first": named(min(cells), kind), "last": named(max(cells), kind)}


def _words(contract: Table, name: str, cells: Mapping[Any, int], most: Sequence[str]) -> dict[str, int]:
    """Rows of the most frequent words; rare ones as shapes, of which several may be alike."""
    rows, own = sum(cells.values()), declared_words(contract, name)
    shown: Counter[str] = Counter()
    for word in most[:_WORDS]:
        shown[str(word if common(cells[word], rows) else unmasked(word, own))] += cells[word]
    return dict(shown)


def _values(contract: Table, facts: ProfiledColumn, rows: int) -> str:
    """What is told of the values of a column."""
    filled = rows - facts["nulls"]
    if facts["protected"]:
        return "protected" if filled and kind_of(contract, facts["column"]) else ""
    if facts["words"] is not None:
        told = [f"{plain(word)} {share(count, filled)}" for word, count in facts["words"].items()]
        return ", ".join(told + ([f"{facts['other_words']} more"] if facts["other_words"] else []))
    if facts["quantiles"] is not None:
        return " · ".join(f"{value:,g}" for value in facts["quantiles"])
    return f"{facts['first']} to {facts['last']}" if facts["first"] else ""


def _short(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
