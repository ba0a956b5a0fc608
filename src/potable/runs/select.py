"""What `--select` names: sources and tables, so that a run does a part of the work.

Only ingest, validate and protect work table by table; the other verbs read all tables at once. Entry:
`selection`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from potable.errors import PotableError, ProjectError, did_you_mean, raise_all
from potable.project import Project
from potable.runs.plan import Step
from potable.runs.record import Verb

SELECTABLE: tuple[Verb, ...] = ("ingest", "validate", "protect")
"""Verbs that can work on some tables only."""


@dataclass(frozen=True)
class Selection:
    """The sources and tables a run works on."""

    sources: tuple[str, ...]
    tables: tuple[str, ...]
    partial: bool
    """Whether anything was selected; otherwise it is all there is."""

    def takes(self, step: Step) -> bool:
        """Whether a step is wanted: all but `protect` of tables that were not selected."""
        return not self.partial or step.verb != "protect" or "." not in step.name or step.name in self.tables


def selection(project: Project, names: Sequence[str]) -> Selection:
    """The sources and tables that `names` (`payroll`, `payroll.payslips`) stand for, in declared order.

    Raises:
        ProjectError: or ProjectErrors, P031 for every name that is no source and no table.
    """
    errors: list[PotableError] = []
    for name in names:
        if name not in project.sources and name not in project.tables:
            known = sorted([*project.sources, *project.tables])
            problem, hint = f"`--select {name}`: there is no such source or table", did_you_mean(name, known)
            errors.append(ProjectError(problem, "P031", hint=hint, allowed=", ".join(known)))
    raise_all(errors)
    tables = tuple(name for name in project.tables if not names or name in names or name.split(".", 1)[0] in names)
    chosen = {name.split(".", 1)[0] for name in tables}
    return Selection(tuple(name for name in project.sources if name in chosen), tables, bool(names))
