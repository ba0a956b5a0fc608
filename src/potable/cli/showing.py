"""`potable show`: the current version of the dataset and its first rows."""

from __future__ import annotations

import io
from typing import Any

import pyarrow.parquet as pq

from potable.cli.output import table
from potable.datasets.version import current
from potable.errors import EnvironmentFailure, ProjectError, did_you_mean
from potable.project import Project

_COLUMNS = 8
_WIDTH = 18


def shown(project: Project, dataset: str | None, rows: int) -> tuple[dict[str, Any], str]:
    """Facts and text about the current version.

    Raises:
        ProjectError: the project has no such dataset.
        EnvironmentFailure: E008, no version has been published yet.
    """
    own = project.features.dataset
    name = dataset or own
    # a version of another day is kept under name@day
    if name.split("@", 1)[0] != own:
        hint = did_you_mean(name, [own])
        raise ProjectError(f"the project has no dataset `{dataset}`", "P031", allowed=own, hint=hint)
    lake = project.lake()
    version = current(lake.versions(name))
    if version is None:
        raise EnvironmentFailure(f"no version of `{name}` has been published yet", "E008", next="potable run")
    file = pq.ParquetFile(io.BytesIO(lake.open.get(version.files["parquet"])))
    first = next(file.iter_batches(rows)).to_pylist() if version.rows and rows else []
    places = {
        **{kind: lake.open.locate(path) for kind, path in version.files.items()},
        "report": lake.open.locate(f"runs/{version.run}.html"),
    }
    size = f"{version.rows:,} rows × {len(version.columns)} columns"
    head = f"{name} version {version.number}: {size}, {version.published_at}"
    # the label is the last column and what people look for
    names = [*version.columns[: _COLUMNS - 1], version.columns[-1]]
    preview = table([[_short(row[column]) for column in names] for row in first], names)
    more = f"… and {len(version.columns) - _COLUMNS} more columns" if len(version.columns) > _COLUMNS else ""
    facts = {
        "dataset": name,
        "version": version.number,
        "rows": version.rows,
        "columns": list(version.columns),
        "files": places,
        "sha256": dict(version.sha256),
        "lineage": dict(version.lineage),
        "first_rows": first,
    }
    where = [f"{kind:<8} {place}" for kind, place in places.items()]
    return facts, "\n".join([head, "", preview, more, "", *where])


def _short(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
