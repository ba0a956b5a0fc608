"""The check-up after validate: the health of every table, judged by its profile, in every run.

Profiles lie in the restricted root beside the rows they are of; here they are written, found again (of this
run, of earlier ones, of a version) and handed to `contracts.health`. Entry: `check_up`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import date
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from potable.contracts import afterwards, hindsight
from potable.contracts.health import Finding, Moment, Profile, accepted, judge, shrunk
from potable.contracts.profile import PROFILE
from potable.datasets.version import history
from potable.engines.base import Part
from potable.errors import DataError
from potable.project import Project
from potable.runs.plan import Step
from potable.runs.record import UNFINISHED, is_ours
from potable.runs.workshop import Workshop
from potable.store.layout import Lake
from potable.store.log import entry_of
from potable.store.manifest import Manifest, find
from potable.store.objects import Store

_RECENT = 100
"""Earlier runs that are looked at."""


def write_profile(store: Store, folder: str, profile: pa.Table) -> Part:
    """Store a profile; returns its part below `folder`."""
    sink = io.BytesIO()
    pq.write_table(profile, sink, compression="zstd")
    return Part("part.parquet", profile.num_rows, store.put(f"{folder}/part.parquet", [sink.getvalue()]))


def read_profile(store: Store, manifest: Manifest) -> Profile:
    """The profile a validate step made; an empty one of a step that made none."""
    files = [pq.read_table(io.BytesIO(store.kept(file.path))) for file in manifest.files.get("profile", ())]
    return Profile(pa.concat_tables([PROFILE.empty_table(), *files]), manifest.facts.get("sketches", {}))


def check_up(shop: Workshop, tables: Collection[str], today: date) -> None:
    """Judge the health of the tables, of which validate is done, and note what was found.

    Raises:
        DataError: D008, something is worse than a contract allows, with severity `stop`.
    """
    earlier = Earlier(shop.project, shop.lake, shop.run)
    for name, table in shop.project.tables.items():
        if name not in tables:
            continue
        step, manifest = shop.done["validate", name]
        profile = read_profile(shop.lake.restricted, manifest)
        shop.distinct[name] = profile.distinct(table)
        found = judge(table, profile, _moment(shop, step, profile, earlier, today)) if table.health.declared else []
        told = {each.state for each in found if each.check == "volume"}
        fewer = shrunk(table, manifest.counts["rows"], earlier.rows(name), today)
        if fewer and (fewer.state == "stop" or told <= {"ok", "open"}):
            found.append(fewer)
        found += [accepted(each, table.health, today) for each in _filled_later(shop, name, manifest)]
        if found:
            shop.health[name] = found
    _require(shop.health)


def _filled_later(shop: Workshop, name: str, manifest: Manifest) -> list[Finding]:
    """What is found of columns that the dataset reads."""
    plan, table = shop.project.agreed.plan, shop.project.tables[name]
    if plan is None or name not in plan.tables:
        return []
    again = hindsight.Again(**manifest.facts.get("again", {}))
    read, labels = plan.readers(name), [label.name for label in plan.labels]
    days = list(afterwards.judge(table, manifest.facts.get("afterwards", {}), read, labels))
    return hindsight.judge(table, again, read, labels, days)


def _require(health: Mapping[str, Collection[Finding]]) -> None:
    stopping = [(name, finding) for name, found in health.items() for finding in found if finding.state == "stop"]
    if not stopping:
        return
    name, finding = stopping[0]
    # a column may have drifted by several measures
    told = list(dict.fromkeys((other, f"{each.check} {each.column}".rstrip()) for other, each in stopping))
    others = [f"{other} ({what})" for other, what in told[1:]]
    raise DataError(
        f"`{name}` breaks `health: {finding.check}`" + (f" in `{finding.column}`" if finding.column else ""),
        "D008",
        given=finding.told + (f" Also {', '.join(others)}." if others else ""),
        hint="fix the source; if the change is expected, add it to `health: accepted` of the contract, with a reason",
        state="nothing was published; the last version stays current",
        next="potable report",
    )


def _moment(shop: Workshop, step: Step, profile: Profile, earlier: Earlier, today: date) -> Moment:
    table = shop.project.tables[step.name]
    version = table.health.version
    reference: Profile | None = None
    if version:
        reference = _of_version(shop, step, version)
    elif len(profile.batches) == 1 and table.health.against == "previous":
        reference = earlier.profile(step, profile.batches[0])
    counts: list[int] = []
    if table.health.volume and not table.time:
        counts = earlier.counts(step.name, max(profile.batches, default=0))
    compared = table.health.missing or table.health.incorrect or table.health.drift
    judged = earlier.judged(step.name, profile.batches[-1]) if compared and len(profile.batches) > 1 else 0
    policy = shop.project.agreed.policy
    k = policy.least if policy else 0
    return Moment(today, reference, counts, _landed(shop.lake, step.name, profile), judged, k)


def _of_version(shop: Workshop, step: Step, number: int) -> Profile | None:
    """The profile of the table as it was when a version of the dataset was published, whatever day is built now."""
    features = shop.project.agreed.features
    versions = history(shop.lake.versions(features.dataset)) if features else []
    runs = [version.run for version in versions if version.number == number]
    data = shop.lake.open.get_if_present(f"runs/{runs[0]}.json") if runs else None
    return None if data is None else _profile_of(shop.lake, step, entry_of(f"runs/{runs[0]}.json", data))


def _landed(lake: Lake, name: str, profile: Profile) -> date | None:
    """When the newest batch of a table was landed."""
    newest = max(profile.batches, default=0)
    for number, data in lake.batches(name.split(".", 1)[0]).stored():
        if number == newest:
            return date.fromisoformat(json.loads(data)["landed_at"][:10])
    return None


def newest_profile(project: Project, lake: Lake, name: str) -> Profile | None:
    """The profile of a table as the newest run that judged it left it, whatever became of that run."""
    return Earlier(project, lake, "", failed=True).profile(Step("validate", name, zone="validated"))


class Earlier:
    """What earlier runs of a project knew of tables, read when it is asked for."""

    def __init__(self, project: Project, lake: Lake, run: str, *, failed: bool = False) -> None:
        """Look back from a run; with `failed` also at runs that failed, whose tables may not be what they should."""
        self._project = project
        self._lake = lake
        self._run = run
        self._failed = failed
        self._read: dict[str, dict[str, Any]] = {}

    @cached_property
    def _paths(self) -> list[str]:
        """Records of the newest runs, newest first."""
        return [path for path in self._lake.open.list("runs") if path.endswith(".json")][: -_RECENT - 1 : -1]

    @property
    def _runs(self) -> Iterator[dict[str, Any]]:
        """What the newest runs before this one recorded, newest first, read as far as it is asked for."""
        for path in self._paths:
            record = self._read.get(path) or entry_of(path, self._lake.open.get(path))
            self._read[path] = record
            ended = self._failed or record["outcome"] not in UNFINISHED
            if record["run"] != self._run and ended and self._is_ours(record):
                yield record

    def _is_ours(self, record: Mapping[str, Any]) -> bool:
        return is_ours(self._project, record["project"], record.get("target", ""))

    def profile(self, step: Step, batch: int | None = None) -> Profile | None:
        """The newest profile of the table, or the newest from before a batch was landed."""
        seen = {"", step.fingerprint}
        for record in self._runs:
            if (found := _fingerprint(record, step)) in seen:
                continue
            seen.add(found)
            profile = _profile_of(self._lake, step, record)
            if profile and (batch is None or (profile.batches and profile.batches[-1] < batch)):
                return profile
        return None

    def rows(self, name: str) -> int:
        """Rows of the table that could be used in the last run that judged it."""
        found = (table["rows"] for record in self._runs for table in record["tables"] if table["table"] == name)
        return int(next(found, 0))

    def judged(self, name: str, batch: int, *, matched: bool = False) -> int:
        """The newest batch before `batch` that a run judged; 0 where none did.

        Args:
            matched: only by runs that found whom its records are about.
        """
        tables = (table for record in self._runs for table in record["tables"] if table["table"] == name)
        found = (table["batch"] for table in tables if not matched or table["protected_rows"] + table["nobody"])
        return next((number for number in found if 0 < number < batch), 0)

    def matched(self, name: str, batch: int) -> tuple[int, int] | None:
        """How many rows of the table belonged to nobody, of how many, as the newest batch before `batch` left it."""
        for record in self._runs:
            for table in record["tables"]:
                known = table["protected_rows"] + table["nobody"]
                if table["table"] == name and 0 < table["batch"] < batch and known:
                    return table["nobody"], table["rows_in"]
        return None

    def counts(self, name: str, batch: int) -> list[int]:
        """Rows of the table as each batch before `batch` left it, oldest first."""
        found: dict[int, int] = {}
        for record in self._runs:
            for table in record["tables"]:
                if table["table"] == name and 0 < table.get("batch", 0) < batch:
                    found.setdefault(table["batch"], table["rows_in"])
        return [found[number] for number in sorted(found)]


def _fingerprint(record: Mapping[str, Any], step: Step) -> str:
    """Fingerprint of the same step in another run, if that run finished it."""
    found = [each for each in record["steps"] if each["step"] == step.label and each["state"] in ("done", "skipped")]
    return str(found[0]["fingerprint"]) if found else ""


def _profile_of(lake: Lake, step: Step, record: Mapping[str, Any]) -> Profile | None:
    found = _fingerprint(record, step)
    manifest = find(lake.restricted, replace(step, fingerprint=found).folder) if found else None
    return read_profile(lake.restricted, manifest) if manifest else None
