"""`potable gc`: what nothing in the lake needs, by zone, and removing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from potable.cli.output import table
from potable.errors import PotableError, ProjectError
from potable.project import Project
from potable.quantities import Duration
from potable.report.numbers import human_bytes, plural
from potable.runs import cleaning
from potable.runs.cleaning import Cleaning

if TYPE_CHECKING:
    from potable.cli.answers.lake import Cleaned

_MONTH = 31
"""Days of a month of an age; the longest, for what is kept too long harms nobody."""
_NOT_KEPT = "versions beyond --keep-versions"
_SCRATCH = "left behind by killed processes"


def cleaned(
    load: Callable[[date | None, bool], Project], *, older_than: str, keep: int | None, delete: bool, why: str
) -> tuple[Cleaned, str]:
    """Facts and text of what may go, and what went.

    Args:
        load: the project, as of a day (to be scored or not) or as it is declared.
        older_than: the age from which something goes.
        keep: how many versions of each dataset keep their files; all by default.
        delete: whether it goes now.
        why: for the audit log.

    Raises:
        ProjectError: P005, `older_than` is no duration, or less than a day.
    """
    before = datetime.now(UTC) - _age(older_than)
    found = cleaning.found(_projects(load), before, keep)
    if delete:
        cleaning.clean(found, why)
    facts = _facts(found, older_than, removed=delete)
    return facts, _text(facts)


def _age(text: str) -> timedelta:
    try:
        age = Duration.parse(text)
    except ValueError as failure:
        raise ProjectError(f"`--older-than`: {failure}", "P005") from None
    days = age.days + _MONTH * age.months
    if not days:
        raise ProjectError(
            "`--older-than` must be at least one day",
            "P005",
            given=text,
            allowed="1d or more",
            hint="younger files may belong to a run that is still going on, here or on another machine",
        )
    return timedelta(days=days)


def _projects(load: Callable[[date | None, bool], Project]) -> list[Project]:
    """The project as it is declared, and as of each day that was published."""
    declared = load(None, False)
    found = [declared]
    for day, scoring in cleaning.days(declared, declared.lake()):
        try:
            found.append(load(day, scoring))
        except PotableError:
            # of a day that the project cannot be run for any more, no run stands on anything
            continue
    return found


def _facts(found: Cleaning, older_than: str, *, removed: bool) -> Cleaned:
    files: Counter[tuple[str, str]] = Counter()
    sizes: Counter[tuple[str, str]] = Counter()
    old = {version.folder for version in found.versions}
    for item in found.garbage.items:
        why = _NOT_KEPT if "/".join(item.path.split("/")[:3]) in old else item.why
        files[item.zone, why] += 1
        sizes[item.zone, why] += item.bytes
    for left in found.scratch:
        files["scratch", _SCRATCH] += len(left.files)
        sizes["scratch", _SCRATCH] += sum(file.bytes for file in left.files)
    young = found.garbage.young
    return {
        "removed": removed,
        "files": files.total(),
        "bytes": sizes.total(),
        "zones": [
            {"zone": zone, "why": why, "files": count, "bytes": sizes[zone, why]}
            for (zone, why), count in files.items()
        ],
        "steps": found.garbage.steps,
        "versions": [{"dataset": version.dataset, "version": version.number} for version in found.versions],
        "younger": {"files": len(young), "bytes": sum(item.bytes for item in young)},
        "of_other_lakes": found.garbage.elsewhere,
        "older_than": older_than,
    }


def _text(facts: Cleaned) -> str:
    older_than = facts["older_than"]
    rows = [[each["zone"], each["files"], human_bytes(each["bytes"]), each["why"]] for each in facts["zones"]]
    steps = plural(len(facts["steps"]), "step")
    total = f"{plural(facts['files'], 'file')} of {steps}, {human_bytes(facts['bytes'])}"
    parts = [table(rows, ["zone", "files", "size", "why"])] if rows else []
    parts += [
        f"{version['dataset']} version {version['version']} {'lost' if facts['removed'] else 'loses'} its files"
        for version in facts["versions"]
    ]
    if younger := facts["younger"]["files"]:
        size = human_bytes(facts["younger"]["bytes"])
        stay = "stays" if younger == 1 else "stay"
        parts.append(f"{plural(younger, 'file')} not needed any more {stay}: younger than {older_than}, {size}")
    if others := facts["of_other_lakes"]:
        parts.append(f"kept in the vault: {plural(len(others), 'step')} computed from tables of another lake")
    if not rows:
        parts.append(f"nothing to remove; what runs of the last {older_than} wrote or used is kept")
    elif facts["removed"]:
        parts.append(f"removed {total}")
    else:
        parts += [f"would remove {total}; nothing was removed", "next: potable gc --delete"]
    return "\n".join(parts)
