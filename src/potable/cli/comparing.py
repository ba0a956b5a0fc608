"""`potable diff`: what is different between two versions of the dataset."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from potable.cli.output import table
from potable.cli.versions import chosen, published, run_of
from potable.datasets.difference import difference
from potable.datasets.version import Version
from potable.errors import EnvironmentFailure
from potable.project import Project
from potable.report.numbers import human_count, plain, plural, share, some
from potable.report.view import ranked
from potable.store.layout import Lake
from potable.store.log import entry_of

if TYPE_CHECKING:
    from potable.cli.answers.dataset import Balance, ColumnsChanged, Compared


_FOLLOW = ("definitions", "subjects", "build")
"""Names of the lineage that follow from others."""


def compared(project: Project, dataset: str | None, old: int | None, new: int | None) -> tuple[Compared, str]:
    """Facts and text about two versions; by default the current one and the one before it.

    Raises:
        ProjectError: P031, there is no such dataset or version, or its files were removed.
        EnvironmentFailure: E008, fewer than two versions have been published.
    """
    of = published(project, dataset)
    if len(of.versions) < 2:
        message = f"fewer than two versions of `{of.name}` have been published"
        raise EnvironmentFailure(message, "E008", next=run_of(project, of.name))
    after = chosen(of, new)
    before = chosen(of, after.number - 1 if old is None else old)
    return _told(of.lake, of.name, before, after)


def _told(lake: Lake, name: str, old: Version, new: Version) -> tuple[Compared, str]:
    found = difference(_parquet(lake, old), _parquet(lake, new))
    before, after = _recorded(lake, old), _recorded(lake, new)
    was, now = ({item["name"]: item["definition"] for item in each.get("features", ())} for each in (before, after))
    cells = {column: count for column, count in found.cells.items() if count}
    columns: ColumnsChanged = {
        "added": [name for name in new.columns if name not in old.columns],
        "removed": [name for name in old.columns if name not in new.columns],
        "redefined": [name for name in new.columns if _turned(name, was, now)],
        "retyped": list(found.retyped),
    }
    facts: Compared = {
        "dataset": name,
        "versions": [old.number, new.number],
        "rows": [old.rows, new.rows],
        "came": found.came,
        "went": found.went,
        "shared": found.shared,
        "columns": columns,
        "cells": cells,
        "lineage": _origins(old, new),
        "label": [_balance(before), _balance(after)],
    }
    told = {
        "rows": f"{human_count(old.rows)} → {human_count(new.rows)}: {human_count(found.came)} came,"
        f" {human_count(found.went)} went",
        "label": " → ".join(filter(None, (_shares(each) for each in facts["label"]))),
        "made of": f"other {some(facts['lineage'], 8)}" if facts["lineage"] else "",
        "columns": "; ".join(f"{kind} {some(names, 8)}" for kind, names in _named(columns) if names),
        "cells": ""
        if found.shared
        else "the versions have no row in common; did the pseudonyms change (a new `epoch`, or another vault)?",
    }
    lines = [f"{plain(name)} version {old.number} → {new.number}"]
    lines += [f"  {key:<8} {plain(text)}" for key, text in told.items() if text]
    rows = [[name, count, share(count, found.shared), _turned(name, was, now)] for name, count in ranked(cells)]
    same = len(found.cells) - len(cells)
    closing = f"{plural(same, 'column')} without any difference" if found.shared else ""
    if old.number != new.number and old.sha256["csv"] == new.sha256["csv"]:
        closing += "; the CSV is the same, byte for byte"
    listed = table(rows, ["column", "other", "of rows", "definition"]) if rows else ""
    return facts, "\n\n".join(filter(None, ["\n".join(lines), listed, closing]))


def _named(columns: ColumnsChanged) -> list[tuple[str, Sequence[str]]]:
    return [
        ("added", columns["added"]),
        ("removed", columns["removed"]),
        ("redefined", columns["redefined"]),
        ("retyped", columns["retyped"]),
    ]


def _origins(old: Version, new: Version) -> list[str]:
    """What they were made from that differs, as the card names it."""
    names = {**old.lineage, **new.lineage}
    return [name for name in names if name not in _FOLLOW and old.lineage.get(name) != new.lineage.get(name)]


def _turned(name: str, was: Mapping[str, str], now: Mapping[str, str]) -> str:
    return f"{was[name]} → {now[name]}" if name in was and now.get(name, was[name]) != was[name] else ""


def _parquet(lake: Lake, version: Version) -> pq.ParquetFile:
    return pq.ParquetFile(io.BytesIO(lake.open.kept(version.files["parquet"])))


def _recorded(lake: Lake, version: Version) -> Mapping[str, Any]:
    """What the run that published a version says of its dataset."""
    path = f"runs/{version.run}.json"
    return entry_of(path, lake.open.get(path)).get("dataset") or {}


def _balance(record: Mapping[str, Any]) -> Balance:
    return {"name": record.get("label", ""), "values": record.get("balance", {})}


def _shares(label: Balance) -> str:
    """`churn: Left 4.5%, Stayed 95.5%`, of the four most frequent values."""
    total = sum(label["values"].values())
    shown = [f"{value} {share(rows, total)}" for value, rows in ranked(label["values"])[:4]]
    return f"{label['name']}: {', '.join(shown)}" if shown else ""
