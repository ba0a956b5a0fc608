"""Which published versions are kept longer than privacy.yaml says.

Nothing is removed here: a version may be what a model was trained on, and somebody decides. Entry: `expired`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from potable.datasets.version import history, removed
from potable.project import Project

_MONTH = 31
"""Days of a month, the longest there is."""


@dataclass(frozen=True)
class Expired:
    """Versions of one dataset that are older than their retention and still have their files."""

    dataset: str
    """Its name, of another day with that day."""
    versions: tuple[int, ...]
    retention: str
    current: bool
    """Whether the current version is among them, which `gc` does not touch."""

    @property
    def told(self) -> str:
        """What is to be known, and what to do."""
        many = len(self.versions) > 1
        shown = f"version{'s' if many else ''} {', '.join(map(str, self.versions))} of `{self.dataset}`"
        renew = "publish a new one" if self.current else ""
        remove = "potable gc --delete --keep-versions N" if many or not self.current else ""
        steps = ", then ".join(filter(None, (renew, remove and f"`{remove}`")))
        return f"{shown} {'are' if many else 'is'} older than `retention: {self.retention}` of privacy.yaml: {steps}"


def expired(project: Project, now: datetime) -> Iterator[Expired]:
    """By dataset, the versions of a project that have been kept for longer than its policy says."""
    if project.agreed.features is None or project.agreed.policy is None:
        return
    lake, name, retention = project.lake(), project.features.dataset, project.policy.retention
    oldest = (now - timedelta(days=retention.days + _MONTH * retention.months)).isoformat()
    folders = {path.split("/")[1] for path in lake.open.list("datasets")}
    for dataset in sorted(each for each in folders if each.partition("@")[0] == name):
        versions, gone = history(lake.versions(dataset)), removed(lake.open, dataset)
        old = tuple(each.number for each in versions if each.published_at < oldest and each.number not in gone)
        if old:
            yield Expired(dataset, old, str(retention), old[-1] == versions[-1].number)
