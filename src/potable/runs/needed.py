"""Which steps of a lake somebody needs: found done or stood on by the next run, used by recent ones, looked at.

A step is told by its folder, and needs what it was made from. Nothing is listed or removed here.

Entry: `Needs`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Any

from potable.datasets.version import history
from potable.project import Project
from potable.runs import former, known, ledger
from potable.runs.plan import Step, later_steps
from potable.runs.record import UNFINISHED
from potable.runs.runner import landed_now
from potable.runs.vault import existing_key, key_name
from potable.store.layout import Lake, step_folder
from potable.store.log import Log, entry_of
from potable.store.manifest import Manifest, find
from potable.store.objects import Store

LOOKED_AT = 100
"""The newest runs, whose records `quarantine`, `profile` and health look at."""
_ZONES = {
    "validate": "validated",
    "resolve": "vault",
    "protect": "protected",
    "build": "features",
    "publish": "datasets",
}
_OF_A_DATASET = ("build", "publish")
_NAMED = {
    "subjects": "vault/subjects",
    "identifiers": "vault/identifiers",
    "pseudonyms": "vault/pseudonyms",
    "resolved": "vault/subjects",
}
"""Where the steps lie that facts of others name by these words."""


@dataclass
class Needs:
    """What is needed of a lake."""

    projects: Sequence[Project]
    """The project as its files are, and as they are for each day that was published."""
    lake: Lake
    used_since: datetime
    """All that runs used from then on is needed."""
    others: Collection[str]
    """Datasets that other projects published in this lake."""
    _manifests: dict[str, Manifest | None] = field(default_factory=dict)

    def steps(self, young: Iterable[str], there: Collection[str]) -> set[str]:
        """Folders of all steps that are needed, with those in `young` and what they were made from.

        Args:
            there: the finished steps that there are.
        """
        roots = [*self._next(there), *self._recorded(), *self._compared(), *self._called(), *young]
        if entry := self.ledger:
            newest, stands_on = entry["fingerprint"], entry["facts"].get("stands_on")
            roots.append(step_folder("vault", "subjects", newest))
            # a run was killed before the step of the entry was done, and goes on there
            if stands_on and not self.manifest(roots[-1]):
                roots.append(step_folder("vault", "subjects", stands_on))
        found: set[str] = set()
        seen: set[str] = set()
        while roots:
            folder = roots.pop()
            manifest = self.manifest(folder) if folder not in seen else None
            seen.add(folder)
            made_from = set(self.made_from(manifest, folder)) if manifest else set()
            found |= {folder, *made_from}
            # build looks at the rows of protect and no further; the rest compares what these were made from, too
            roots += [] if folder.startswith("features/") else made_from
        return found

    @cached_property
    def logs(self) -> set[str]:
        """Folders of the logs that tell the next run what it can stand on."""
        return {step.made for step in self._steps if step.rules}

    @cached_property
    def ledger(self) -> Mapping[str, Any] | None:
        """The entry that says who is who."""
        return ledger.newest(ledger.log_of(self.lake.vault))[1]

    def manifest(self, folder: str) -> Manifest | None:
        """The manifest of a step, if it is done; read once."""
        if folder not in self._manifests:
            self._manifests[folder] = find(store_of(self.lake, folder), folder)
        return self._manifests[folder]

    @cached_property
    def _steps(self) -> list[Step]:
        key = key_name(existing_key(self.lake.vault))
        landed = landed_now(self.projects[0], self.lake)
        return [
            step
            for project in self.projects
            for step in later_steps(project, landed, key, former.knowing(self.lake, project))
        ]

    def _next(self, there: Collection[str]) -> Iterator[str]:
        """What the next run finds done, or would stand on."""
        for step in self._steps:
            yield step.folder
            yield from self._before(step, there)
            entry = Log(step.store(self.lake), step.made).last()[1] if step.rules else None
            if entry:
                yield step_folder(step.zone, step.name, entry["fingerprint"])

    def _before(self, step: Step, there: Collection[str]) -> Iterator[str]:
        """Of validate the newest that is there, and some before it, ever farther apart.

        A run stands on one of these where a file of long ago changed. They are kept where they cost a manifest and a
        profile, for their rows are those of the newest.
        """
        prints = [step.fingerprint, *(each for _, each in step.earlier)]
        folders = [step_folder(step.zone, step.name, each) for each in prints]
        found = {place: made for place, each in enumerate(folders) if each in there and (made := self.manifest(each))}
        if found:
            newest = min(found)
            rows = set(_rows_of(found[newest]))
            beside = {place.bit_length(): place for place, made in found.items() if set(_rows_of(made)) <= rows}
            yield from {folders[place] for place in (newest, *beside.values())}

    def _called(self) -> Iterator[str]:
        """The step of each project from which its next one learns what people were called before."""
        for log in former.noted(self.lake):
            folders = (step_folder("vault", "identifiers", entry["fingerprint"]) for entry in log.newest())
            yield from islice(filter(self.manifest, folders), 1)

    @cached_property
    def _runs(self) -> list[Mapping[str, Any]]:
        """Records of the runs that are looked at, newest first."""
        names = [path for path in self.lake.open.list("runs") if path.endswith(".json")]
        first = f"runs/{self.used_since:%Y%m%d-%H%M%S}"
        chosen = {*names[-LOOKED_AT:], *(name for name in names if name >= first)}
        return [entry_of(name, self.lake.open.get(name)) for name in sorted(chosen, reverse=True)]

    def _recorded(self) -> Iterator[str]:
        """What runs used since then, the last of each step, and what others' current versions were made by."""
        ours = {step.label for step in self._steps}
        own = self.projects[0].platform.project
        seen: set[tuple[str, ...]] = set()
        for record in self._runs:
            recent = datetime.fromisoformat(record["started"]) >= self.used_since
            dataset = (record["dataset"] or {}).get("name", "")
            for used in _used(record):
                last = (record["project"], used.label, dataset if used.verb in _OF_A_DATASET else "", used.state)
                first = {last, (*last, "not failed")} if record["outcome"] not in UNFINISHED else {last}
                if recent or (first - seen and (used.label in ours or record["project"] != own)):
                    yield used.folder
                seen |= first
        for dataset in self.others:
            version = self.lake.versions(dataset).last()[1]
            yield from (used.folder for used in self._of_run(version["run"])) if version else ()

    def _of_run(self, run: str) -> list[_Used]:
        data = self.lake.open.get_if_present(path := f"runs/{run}.json")
        return [] if data is None else list(_used(entry_of(path, data)))

    def _compared(self) -> Iterator[str]:
        """The steps whose profiles health compares the next with."""
        for project in self.projects:
            for name, table in project.tables.items():
                if table.health.version:
                    yield from self._of_version(project, name, table.health.version)
                elif table.health.declared:
                    yield from self._batch_before(name)

    def _of_version(self, project: Project, name: str, number: int) -> Iterator[str]:
        """The step of a table that a version was made from."""
        versions = history(self.lake.versions(project.dataset)) if project.agreed.features else []
        for version in versions:
            if version.number == number:
                yield from (used.folder for used in self._of_run(version.run) if used.label == f"validate {name}")

    def _batch_before(self, name: str) -> Iterator[str]:
        """The last step of a table before its newest batch."""
        newest = 0
        for record in (each for each in self._runs if each["outcome"] not in UNFINISHED):
            batch = next((each.get("batch", 0) for each in record["tables"] if each["table"] == name), 0)
            folders = [each.folder for each in _used(record) if each.label == f"validate {name}"]
            if 0 < batch < newest and any(map(self.manifest, folders)):
                yield from folders
                return
            newest = newest or batch

    def made_from(self, manifest: Manifest, folder: str) -> Iterator[str]:
        """Folders of the steps that a step was made from; those it stands on are in its own files."""
        zone, name, _ = folder.split("/")
        facts = manifest.facts
        for word, found in {**facts.get("origins", {}), "resolved": facts.get("resolved")}.items():
            if found:
                tables = f"protected/{word}" if zone == "features" else f"validated/{word}"
                own = f"validated/{name}" if word == "validated" else tables
                yield f"{_NAMED.get(word, own)}/{found}"
        yield from (f"validated/{table}/{found}" for table, found in facts.get("validated", {}).items())
        if name == "identifiers" and facts.get("stands_on") and not self._digested(manifest.fingerprint):
            # its digests are going to be made beside those of the step it stands on
            yield f"vault/identifiers/{facts['stands_on']}"

    def _digested(self, identifiers: str) -> bool:
        return find(self.lake.vault, known.place(identifiers)) is not None


def store_of(lake: Lake, path: str) -> Store:
    """The store that a path of one of the zones lies in."""
    stores = {"vault": lake.vault, "known": lake.vault}
    stores |= dict.fromkeys(("validated", "quarantine", "compiled"), lake.restricted)
    return stores.get(path.split("/", 1)[0], lake.open)


def files_of(manifest: Manifest) -> Iterator[str]:
    """All paths that a manifest names; of rows about nobody their folder."""
    yield from (file.path for files in manifest.files.values() for file in files)
    yield from (file["path"] for file in manifest.facts.get("files", {}).values())
    if nobody := manifest.facts.get("nobody"):
        yield nobody


def _rows_of(manifest: Manifest) -> Iterator[str]:
    yield from (file.path for output, files in manifest.files.items() if output != "profile" for file in files)


def files_in(entry: Mapping[str, Any]) -> Iterator[str]:
    """All paths that an entry of the ledger names."""
    yield from (file["path"] for files in entry["files"].values() for file in files)


@dataclass(frozen=True)
class _Used:
    """A step as the record of a run tells it."""

    verb: str
    label: str
    folder: str
    state: str
    """`done` for one that was there, too."""


def _used(record: Mapping[str, Any]) -> Iterator[_Used]:
    for step in record["steps"]:
        if step["fingerprint"]:
            verb, name = step["step"].split(" ", 1)
            zone = "vault" if name in ("identifiers", "pseudonyms") else _ZONES[verb]
            folder = step_folder(zone, name, step["fingerprint"])
            state = "done" if step["state"] == "skipped" else step["state"]
            yield _Used(verb, step["step"], folder, state)
