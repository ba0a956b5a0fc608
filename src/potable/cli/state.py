"""`potable state`: how far each source has been read, and going back to an earlier batch."""

from __future__ import annotations

from typing import Any

from potable.cli.output import table
from potable.errors import ProjectError, did_you_mean
from potable.project import Project
from potable.sources.ingest import current, rewind


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
        read = {
            table: {"newest": at["newest"], "remembered": sum(at["seen"].values())} for table, at in raw.state.items()
        }
        facts[name] = {"batch": raw.batch, "objects": len(raw.objects), "tables": read}
        for short in project.sources[name].tables:
            newest = read.get(short, {}).get("newest", "")
            how = "whole" if project.sources[name].snapshot else "new and changed files"
            how = f"on from {newest[:19]}" if newest else how
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
    text = f"`{source}` is as after batch {to}, written as batch {raw.batch}: {len(raw.objects):,} objects are current"
    return facts, f"{text}\nnext: potable run"


def _known(project: Project, source: str) -> str:
    if source not in project.sources:
        known = sorted(project.sources)
        hint = did_you_mean(source, known)
        raise ProjectError(f"the project has no source `{source}`", "P031", hint=hint, allowed=", ".join(known))
    return source
