"""Removing from a lake what nothing needs, so that a kill at any moment harms nobody.

First it is written down: who, when, why, and which versions lose their files. Then goes all that says that steps are
done, so that none looks finished whose files are gone; then, after a second look for steps that were made meanwhile
and may name some of them, the files. Nothing has to be undone, and whoever comes next finds what is left.

Entry: `found`, `clean`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from potable.datasets.version import history, note_removed, removed
from potable.project import SCORING, Project
from potable.runs.garbage import ZONES, Garbage, Item, is_named, look
from potable.runs.needed import Needs, store_of
from potable.runs.processes import who
from potable.store.layout import Lake, step_folder
from potable.store.objects import Store, Stored

_SCRATCH = re.compile(r"(?:run|duckdb|spark|spark-jvm|connect|reconcile|tests)-[a-z0-9_]{8}")
"""Folders that a process makes in the scratch folder, and takes away unless it is killed."""

_LASTING = 2
"""Folders of a zone and of a table in it stay, also empty."""


@dataclass(frozen=True)
class Old:
    """A version whose files are not kept."""

    dataset: str
    number: int
    folder: str
    """Of its files."""


@dataclass(frozen=True)
class Left:
    """A folder in scratch that a killed process left."""

    place: Path
    files: Sequence[Stored]


@dataclass(frozen=True)
class Cleaning:
    """What would go, and is removed by `clean`."""

    needs: Needs
    garbage: Garbage
    versions: Sequence[Old]
    scratch: Sequence[Left]


def days(project: Project, lake: Lake) -> list[tuple[date, bool]]:
    """The days for which the project published its dataset, and whether with rows to be scored."""
    beginning = f"{project.features.dataset}@" if project.agreed.features else "@"
    found = (name.removeprefix(beginning) for name in _datasets(lake) if name.startswith(beginning))
    return [(date.fromisoformat(day.removesuffix(SCORING)), day.endswith(SCORING)) for day in found]


def found(projects: Sequence[Project], before: datetime, keep: int | None) -> Cleaning:
    """What may go.

    Args:
        projects: the project as its files are now, then as they are for each day it published.
        before: only what is older.
        keep: how many versions of each of its datasets keep their files; all by default.
    """
    lake = projects[0].lake()
    own = {project.dataset for project in projects if project.agreed.features}
    kept, old = _versions(lake, own, keep)
    needs = Needs(projects, lake, before, [name for name in _datasets(lake) if name not in own])
    garbage = look(needs).garbage(kept)
    gone = {item.path.split("/files/")[0] for item in garbage.items if item.zone == "datasets"}
    versions = [version for version in old if version.folder in gone]
    return Cleaning(needs, garbage, versions, _left(projects[0], before))


def clean(cleaning: Cleaning, why: str) -> None:
    """Remove it, and say so in the audit log."""
    lake, items = cleaning.needs.lake, cleaning.garbage.items
    if not items and not cleaning.scratch:
        return
    note = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "who": who(), "why": why}
    lake.audit.add({**note, "what": "gc", "removed": _told(cleaning)})
    for version in cleaning.versions:
        note_removed(lake.open, version.dataset, version.number, note)
    _remove(lake, [item for item in items if item.first])
    named = look(Needs((), lake, cleaning.needs.used_since, ())).named_since(cleaning.garbage.seen)
    _remove(lake, [item for item in items if not item.first and not is_named(item.path, named)])
    for left in cleaning.scratch:
        shutil.rmtree(left.place, ignore_errors=True)


def _remove(lake: Lake, items: Sequence[Item]) -> None:
    for zone in ZONES:
        paths = [item.path for item in items if item.zone == zone]
        store_of(lake, zone).delete(paths)
        store_of(lake, zone).prune(paths, above=_LASTING)


def _told(cleaning: Cleaning) -> Mapping[str, object]:
    items = cleaning.garbage.items
    left = [file for folder in cleaning.scratch for file in folder.files]
    return {
        "files": len(items) + len(left),
        "bytes": sum(item.bytes for item in items) + sum(file.bytes for file in left),
        "steps": cleaning.garbage.steps,
        "versions": [[version.dataset, version.number] for version in cleaning.versions],
    }


def _datasets(lake: Lake) -> list[str]:
    """All datasets of the lake, also of other projects and of other days."""
    return sorted({path.split("/")[1] for path in lake.open.list("datasets") if path.split("/")[2] == "log"})


def _versions(lake: Lake, own: set[str], keep: int | None) -> tuple[dict[str, list[str]], list[Old]]:
    """The versions whose files are kept, by their folders, and the others."""
    kept: dict[str, list[str]] = {}
    old = []
    for dataset in _datasets(lake):
        versions, gone = history(lake.versions(dataset)), removed(lake.open, dataset)
        first = len(versions) - keep if keep and dataset in own else 0
        for version in versions:
            folder = step_folder("datasets", version.dataset, version.fingerprint)
            if version.number <= first or version.number in gone:
                old.append(Old(dataset, version.number, folder))
            else:
                kept[folder] = list(version.files.values())
    return kept, old


def _left(project: Project, before: datetime) -> list[Left]:
    """What killed processes left in the scratch folder of this machine."""
    scratch = project.root / project.platform.scratch
    found = []
    for place in sorted(scratch.iterdir()) if scratch.is_dir() else ():
        if _SCRATCH.fullmatch(place.name) and place.is_dir() and not place.is_symlink():
            files = Store(str(place)).stored("")
            newest = max([place.stat().st_mtime, *(file.modified.timestamp() for file in files)])
            if newest < before.timestamp():
                found.append(Left(place, files))
    return found
