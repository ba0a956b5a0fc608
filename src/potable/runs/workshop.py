"""What all steps of one run share, and what a step hands back.

`restricted` and `opened` hold the steps themselves, by the root they write to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa

from potable.contracts.deletions import deleted_schema
from potable.contracts.health import Finding
from potable.contracts.validate import quarantine_schema, validated_schema
from potable.datasets.shifts import Beside
from potable.engines.base import Engine, Part
from potable.errors import EnvironmentFailure
from potable.identity.reissued import HELD, namespaces
from potable.identity.resolve import KEYS
from potable.privacy.roster import Held
from potable.project import Project
from potable.runs.plan import Step
from potable.sources.landed import Landed
from potable.store.layout import Lake, step_folder
from potable.store.manifest import File, Manifest, find
from potable.tables import Table


def fates(table: Table) -> dict[str, pa.Schema]:
    """The outputs of `validate` that records of a table come to, with their schemas."""
    aside = quarantine_schema(table)
    return {"rows": validated_schema(table), "quarantine": aside, "cells": aside, "deleted": deleted_schema(table)}


@dataclass(frozen=True)
class Made:
    """What a step made in its attempt folder."""

    files: Mapping[str, Sequence[Part]]
    """Parts by output name, relative to `<attempt>/<output>`."""
    counts: Mapping[str, int]
    facts: Mapping[str, Any] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)
    """Folders of outputs that lie elsewhere in the step's store."""
    standing: Mapping[str, Sequence[File]] = field(default_factory=dict)
    """Files of an earlier step that belong to each output too."""

    def manifest(self, step: Step, attempt: str) -> Manifest:
        """The manifest of the step, made in the folder `attempt`."""
        files = {output: list(listed) for output, listed in self.standing.items()}
        for output, parts in self.files.items():
            folder = self.folders.get(output, f"{attempt}/{output}")
            made = [File(f"{folder}/{part.path}", part.rows, part.bytes, part.partition) for part in parts]
            files[output] = [*files.get(output, ()), *made]
        return Manifest(step.label, step.fingerprint, files, self.counts, self.facts)


@dataclass
class Workshop:
    """The project, its lake and engine, and what has been done so far."""

    project: Project
    lake: Lake
    engine: Engine
    scratch: Path
    """Local folder of this run, removed when it ends."""
    key: bytes = field(repr=False)
    """The vault's pseudonym key."""
    run: str = ""
    """Name of the run."""
    parent: int | None = None
    """Number of the version that was current when the run began; 0 before the first."""
    landed: dict[str, tuple[Landed, ...]] = field(default_factory=dict)
    """Current raw objects by source."""
    batches: dict[str, int] = field(default_factory=dict)
    """Number of the newest batch by source."""
    done: dict[tuple[str, str], tuple[Step, Manifest]] = field(default_factory=dict)
    """Finished steps by verb and name."""
    stopped: dict[str, Manifest] = field(default_factory=dict)
    """What validate found in tables that a check stopped, by table; no step is done by it."""
    health: dict[str, Sequence[Finding]] = field(default_factory=dict)
    """What was found of the health of each table."""
    beside: Beside | None = None
    """The version that is published, beside an earlier one."""
    distinct: dict[str, Mapping[str, int]] = field(default_factory=dict)
    """Distinct values of each table, by column."""
    changes: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)
    """`since.Changes` of people since earlier steps, by what they compare."""

    def manifest(self, verb: str, name: str) -> Manifest:
        """The manifest of an earlier step."""
        return self.done[verb, name][1]

    def files(self, verb: str, name: str, output: str = "rows", *, partition: int | None = None) -> list[str]:
        """Absolute paths of an earlier step's files."""
        step, manifest = self.done[verb, name]
        return manifest.paths(step.store(self.lake), output, partition=partition)

    def read(self, verb: str, name: str, output: str, schema: pa.Schema) -> ir.Table:
        """One output of an earlier step."""
        return self.engine.read(self.files(verb, name, output), schema)

    def validated(self, name: str) -> ir.Table:
        """The validated rows of a table."""
        return self.read("validate", name, "rows", validated_schema(self.project.tables[name]))

    def records(self, name: str) -> list[ir.Table]:
        """Records of a table, one relation for each fate that any of them had: they stay, are split off, are gone."""
        return [
            self.read("validate", name, output, schema)
            for output, schema in fates(self.project.tables[name]).items()
            if self.files("validate", name, output)
        ]

    def keys(self) -> ir.Table:
        """Which subject each key belongs to."""
        return self.read("resolve", "subjects", "keys", KEYS)

    def held(self, subjects: Manifest | None = None) -> Held | None:
        """Whose keys were that were given to somebody else, as a step of resolve tells, this run's by default."""
        told = subjects or self.manifest("resolve", "subjects")
        spaces = namespaces(self.project.tables.values())
        if not spaces or not told.files.get("held"):
            return None
        return Held(self.engine.read(told.paths(self.lake.vault, "held"), HELD), spaces)

    def stands(self, step: Step, fingerprint: str) -> bool:
        """Whether the step that `step` stands on is there; on none it can always stand."""
        folder = step_folder(step.zone, step.name, fingerprint)
        return not fingerprint or find(step.store(self.lake), folder) is not None

    def require_standing(self, step: Step, fingerprint: str) -> None:
        """Nothing, where the step that `step` stands on is there; its files may be named only then.

        Raises:
            EnvironmentFailure: E005, it was removed meanwhile.
        """
        if not self.stands(step, fingerprint):
            raise EnvironmentFailure(
                f"the input of `{step.label}` was removed while the step ran",
                "E005",
                hint="`potable gc` keeps what recent runs used, and this was last used before that; do not run it "
                "with a shorter --older-than than a run takes",
                state="nothing of this step was kept; the last version stays current",
                next="potable run",
                retryable=True,
            )
