"""`potable explain`: which records one cell of the dataset comes from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from potable.cli.output import table
from potable.cli.versions import chosen, published
from potable.project import Project
from potable.report.numbers import plain, plural
from potable.runs.explained import USED, Explained, Fact, explain

if TYPE_CHECKING:
    from potable.cli.answers.dataset import Explained as ExplainedCell

_EMPTIED = "The quasi-identifiers of this row are empty, for k-anonymity; the records behind them are not shown."
SHOWN = 20
"""Records shown where not all are asked for."""


def explained(
    project: Project, feature: str, row: str | None, dataset: str | None, number: int | None, *, every: bool
) -> tuple[ExplainedCell, str]:
    """Facts and text about one cell; by default of the current version and its first row.

    Raises:
        ProjectError: P031, there is no such dataset, version, feature or row.
        EnvironmentFailure: E008, there is no version, or it can no longer be explained.
    """
    of = published(project, dataset)
    found = explain(project, chosen(of, number), feature, row)
    facts: ExplainedCell = {
        "dataset": of.name,
        "version": found.version.number,
        "row": found.row,
        "as_of": found.as_of.isoformat(),
        "feature": found.feature.name,
        "definition": found.feature.text,
        "table": found.feature.table,
        "cell": found.cell,
        "computed": found.computed,
        "emptied": found.emptied,
        "inputs": found.inputs,
        "records": [
            {
                "happened": _time(fact.happened),
                "known": _time(fact.known),
                "columns": dict(fact.columns),
                "value": fact.value,
                "used": fact.fate == USED,
                "why": "" if fact.fate == USED else fact.fate,
            }
            for fact in found.facts
        ],
    }
    embargo = project.plan.embargo
    told = f", less {embargo} of embargo" if embargo and not found.feature.is_label else ""
    return facts, _text(found, told, every=every)


def _time(value: datetime | str | None) -> str | None:
    """A time as data: a moment in UTC, or the shape of one that may not be shown."""
    return value.replace(tzinfo=UTC).isoformat() if isinstance(value, datetime) else value


def _text(found: Explained, embargo: str, *, every: bool) -> str:
    feature, version = found.feature, found.version
    head = [
        f"{feature.name} = {_cell(found.cell)}",
        f"  row         {found.row} of {version.dataset} version {version.number}, as of {found.as_of}{embargo}",
        f"  definition  {plain(feature.text)}",
    ]
    if feature.description:
        head.append(f"  meaning     {plain(feature.description)}")
    if found.emptied:
        return "\n".join([*head, "", _EMPTIED])
    if found.computed != found.cell:
        head.append(f"  now         {_cell(found.computed)}: contracts or privacy.yaml have changed since this version")
    if found.inputs is not None:
        rows = [[name, _cell(value)] for name, value in found.inputs.items()]
        return "\n".join(
            [*head, "", table(rows, ["computed from", "cell"]) if rows else "Computed from the row alone."]
        )
    used = sum(fact.fate == USED for fact in found.facts)
    count = plural(len(found.facts), "record")
    head.append(f"  records     {feature.table}: {count} of this person, {used} used")
    if found.unknown:
        head.append(f"  empty       no record is unknown here, not zero: {found.unknown}")
    shown = found.facts if every else _nearest(found.facts)
    if not shown:
        return "\n".join(head)
    text = "\n".join([*head, "", _listed(shown)])
    left = len(found.facts) - len(shown)
    return f"{text}\n… and {plural(left, 'more record')}; --all shows them" if left else text


def _nearest(facts: Sequence[Fact]) -> Sequence[Fact]:
    """The records around those that are used."""
    if len(facts) <= SHOWN:
        return facts
    first = next((place for place, fact in enumerate(facts) if fact.fate == USED), 0)
    begin = max(0, min(first - 3, len(facts) - SHOWN))
    return facts[begin : begin + SHOWN]


def _listed(facts: Sequence[Fact]) -> str:
    dated = any(fact.happened or fact.known for fact in facts)
    valued = any(fact.value is not None for fact in facts)
    columns = list(facts[0].columns)
    names = [*(["happened", "known"] if dated else []), *columns, *(["value"] if valued else []), ""]
    rows = [
        [
            *([_moment(fact.happened), _moment(fact.known)] if dated else []),
            *(_cell(fact.columns[name]) for name in columns),
            *([_cell(fact.value) if fact.fate == USED else ""] if valued else []),
            fact.fate if fact.fate == USED else f"not used: {fact.fate}",
        ]
        for fact in facts
    ]
    return table(rows, names)


def _moment(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:%Y-%m-%d}" if not (value.hour or value.minute or value.second) else f"{value:%Y-%m-%d %H:%M:%S}"


def _cell(value: Any) -> str:
    return "empty" if value is None else plain(str(value))
