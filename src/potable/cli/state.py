"""`potable state`: how far each source has been read, and going back to an earlier batch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from potable.cli.output import table
from potable.errors import ProjectError, did_you_mean
from potable.project import Project
from potable.report.numbers import plural
from potable.sources.ingest import current, rewind
from potable.store.log import Log

if TYPE_CHECKING:
    from potable.cli.answers.lake import Batch, ReadTo, Rewound, SourceState

_PARTITIONS = 6
"""Partitions whose offsets are shown in the table; all of them are in `-o json`."""
_BATCHES = 20
"""Batches that are shown; all of them are in `-o json`."""


def shown(project: Project, source: str | None) -> tuple[dict[str, SourceState], str]:
    """Facts and text: how far every source was read, or one with the batches that can be gone back to.

    Raises:
        ProjectError: P031, the project has no such source.
    """
    lake = project.lake()
    names = [_known(project, source)] if source else list(project.sources)
    facts: dict[str, SourceState] = {}
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
    text = table(rows, ["table", "batch", "objects", "the next run reads"])
    if not source:
        return facts, text
    facts[source]["batches"] = batches = [*_batches(lake.batches(source))]
    return facts, f"{text}\n\n{_history(source, batches)}" if batches else text


def rewound(project: Project, source: str, to: int) -> tuple[Rewound, str]:
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
    facts: Rewound = {"source": source, "to": to, "batch": raw.batch, "objects": len(raw.objects)}
    there = f"{plural(len(raw.objects), 'object')} {'is' if len(raw.objects) == 1 else 'are'} current"
    text = f"`{source}` is back at batch {to}, recorded as batch {raw.batch}: {there}"
    return facts, f"{text}\nnext: {project.next_run}"


def _batches(log: Log) -> Iterator[Batch]:
    """What each batch brought, oldest first."""
    for number, data in log.stored():
        entry = json.loads(data)
        read = {name: _read(at) for name, at in entry.get("state", {}).items()}
        landed = len(entry["objects"])
        yield {
            "batch": number,
            "landed_at": entry["landed_at"],
            "landed": landed,
            "gone": len(entry["gone"]),
            "tables": read,
        }


def _history(source: str, batches: Sequence[Batch]) -> str:
    rows = [
        [
            batch["batch"],
            batch["landed_at"][:16].replace("T", " "),
            batch["landed"],
            batch["gone"],
            "; ".join(f"{name}: {_reached(read)}" for name, read in batch["tables"].items()),
        ]
        for batch in reversed(batches[-_BATCHES:])
    ]
    head = ["batch", "landed (UTC)", "objects landed", "objects dropped", "read up to"]
    more = f"\nthe {_BATCHES} newest of {len(batches):,}; `-o json` has all" if len(batches) > _BATCHES else ""
    return f"{table(rows, head)}{more}\ngo back with: potable state rewind {source} --to BATCH"


def _reached(read: ReadTo) -> str:
    return str(read["newest"][:19]) if "newest" in read else _onwards(read).removeprefix("from ")


def _read(at: Mapping[str, Any]) -> ReadTo:
    """How far a table was read: to a moment, to a program's own state, or to an offset of each partition."""
    if "offsets" in at:
        return {"offsets": at["offsets"], "lost": at["lost"], "restarts": at["restarts"]}
    if "state" in at:
        return {"state": at["state"], "remembered": sum(at["seen"].values())}
    read: ReadTo = {"newest": at["newest"], "remembered": sum(at["seen"].values())}
    return {**read, "keys_read": at["keys_read"]} if "keys_read" in at else read


def _onwards(read: ReadTo) -> str:
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
