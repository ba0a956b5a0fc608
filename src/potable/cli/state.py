"""`potable state`: how far each source has been read, and going back to an earlier batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from potable.cli.output import table
from potable.errors import ProjectError, did_you_mean
from potable.project import Project
from potable.report.numbers import plural
from potable.sources.ingest import current, rewind

_PARTITIONS = 6
"""Partitions whose offsets are shown in the table; all of them are in `-o json`."""


def shown(project: Project, source: str | None) -> tuple[dict[str, Any], str]:
    """Facts and text about the batches landed from every source, or from one.

    Raises:
        ProjectError: P031, the project has no such source.
    """
    lake = project.lake()
    names = [_known(project, source)] if source else list(project.sources)
    facts: dict[str, Any] = {}
    rows = []
    for name in names:
        raw = current(lake.batches(name))
        read = {table: _read(at) for table, at in raw.state.items()}
        facts[name] = {"batch": raw.batch, "objects": len(raw.objects), "tables": read}
        for short in project.sources[name].tables:
            how = "whole" if project.sources[name].snapshot else "new and changed files"
            how = _onwards(read[short]) if short in read else how
            objects = sum(short in landed.tables for landed in raw.objects.values())
            rows.append([f"{name}.{short}", raw.batch, objects, how if raw.batch else "not landed yet"])
    return facts, table(rows, ["table", "batch", "objects", "the next run reads"])


def rewound(project: Project, source: str, to: int) -> tuple[dict[str, Any], str]:
    """Make what batch `to` of a source left current again.

    Raises:
        ProjectError: P031, the project has no such source, or the source no such batch.
        EnvironmentFailure: E005, a run landed something at the same time.
    """
    log = project.lake().batches(_known(project, source))
    try:
        raw = rewind(project.sources[source], log, to)
    except ValueError as failure:
        raise ProjectError(str(failure), "P031", next="potable state show") from None
    facts = {"source": source, "batch": raw.batch, "as": to, "objects": len(raw.objects)}
    there = f"{plural(len(raw.objects), 'object')} {'is' if len(raw.objects) == 1 else 'are'} current"
    text = f"`{source}` is back at batch {to}, recorded as batch {raw.batch}: {there}"
    return facts, f"{text}\nnext: {project.next_run}"


def _read(at: Mapping[str, Any]) -> dict[str, Any]:
    """How far a table was read: to a moment, to a program's own state, or to an offset of each partition."""
    if "offsets" in at:
        return {key: at[key] for key in ("offsets", "lost", "restarts")}
    if "state" in at:
        return {"state": at["state"], "remembered": sum(at["seen"].values())}
    read = {"newest": at["newest"], "remembered": sum(at["seen"].values())}
    return {**read, **({"keys_read": at["keys_read"]} if "keys_read" in at else {})}


def _onwards(read: Mapping[str, Any]) -> str:
    if "state" in read:
        return "from the program's saved state"
    if "offsets" not in read:
        keys = f"; keys last read {read['keys_read'][:16]}" if "keys_read" in read else ""
        return f"from {read['newest'][:19]}{keys}"
    first = [f"{partition}:{offset}" for partition, offset in list(read["offsets"].items())[:_PARTITIONS]]
    more = ", …" if len(read["offsets"]) > _PARTITIONS else ""
    gaps = [f"{partition}:{first}-{last}" for partition, spans in read["lost"].items() for first, last in spans]
    lost = f"; lost {', '.join(gaps)}" if gaps else ""
    return f"from offsets {', '.join(first)}{more}{lost}"


def _known(project: Project, source: str) -> str:
    if source not in project.sources:
        known = sorted(project.sources)
        hint = did_you_mean(source, known)
        raise ProjectError(f"the project has no source `{source}`", "P031", hint=hint, allowed=", ".join(known))
    return source
