"""`potable identify`: the people whom scored rows are about, for those who may know; and the record of who was told."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from potable.cli.output import table
from potable.project import Project
from potable.report.numbers import human_count, plain, plural
from potable.runs.disclosed import broken, changed, recent
from potable.runs.identified import Asked, identify

if TYPE_CHECKING:
    from potable.cli.answers.dataset import Call, Identified, Log

_OUTCOMES = {"given": "told", "refused": "refused", "unknown": "nobody known"}


def identified(project: Project, asked: Asked) -> tuple[Identified, str]:
    """Facts and text of whom was told; no values.

    Raises:
        PotableError: as `identify`.
    """
    told = identify(project, asked)
    facts: Identified = {
        "file": str(asked.target),
        "columns": told.columns,
        "rows": told.rows,
        "asked": told.asked,
        "found": told.found,
        "several_numbers": told.several,
        "entry": told.entry,
    }
    lines = [
        f"{plural(told.rows, 'row')} with {', '.join(told.columns)}: {asked.target}",
        f"  {'people':<12} {human_count(told.found)}",
    ]
    if unknown := told.asked - told.found:
        lines[-1] += f"; {plural(unknown, 'subject id')} of nobody who is known now, left empty"
    if told.several:
        lines.append(
            f"  {'numbers':<12} {human_count(told.several)} with several of a roster; told is the newest record's"
        )
    lines.append(f"  {'recorded':<12} entry {told.entry} of the restricted root: for {plain(asked.purpose)}")
    lines.append(
        f"  {'keep':<12} it holds personal data, readable by its owner only; remove it when the purpose is met"
    )
    return facts, "\n".join(lines)


def logged(project: Project) -> tuple[Log, str]:
    """Facts and text: all calls, oldest first, and of how many people they told within the time that counts.

    Raises:
        PrivacyRefusal: G006, the record was changed.
    """
    lake = project.lake()
    if problem := broken(lake):
        raise changed(problem)
    entries = lake.identified.entries()
    calls, people = recent(project)
    rows = [
        [
            entry["number"],
            entry["at"][:16].replace("T", " "),
            f"{entry['who']}@{entry['host']}",
            entry["why"],
            _OUTCOMES[entry["outcome"]] + (f" ({entry['refused']})" if entry.get("refused") else ""),
            entry.get("asked"),
            entry.get("found", 0),
        ]
        for entry in entries
    ]
    declared = project.agreed.policy.identify if project.agreed.policy else None
    facts: Log = {
        "entries": cast("list[Call]", entries),
        "calls": calls,
        "people": people,
        "most": declared.most if declared else 0,
    }
    if not entries:
        return facts, "nobody was told who people are"
    text = table(rows, ["entry", "when (UTC)", "who", "what for", "outcome", "ids asked", "people"])
    if declared:
        text += f"\n{human_count(people)} people within {declared.within}, of {human_count(declared.most)} allowed"
    return facts, f"{text}\nthe record is whole"
