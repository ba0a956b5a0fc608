"""The lake: which zone lies under which root.

`raw/ validated/ quarantine/` and the vault are restricted, `protected/ features/ datasets/ runs/ audit/`
are open. The two roots can be two buckets with two sets of rights; the vault may be shared by lakes. The restricted
root has an `audit/` of its own, of who was told who people are.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from potable.store.log import AuditLog, Log
from potable.store.objects import Store

SHUT = ("protected", "features")
"""Zones of the open root that hold records of each person, and are read by runs alone."""


@dataclass(frozen=True)
class Lake:
    """The stores of one lake and the paths in them."""

    restricted: Store
    open: Store
    vault: Store

    @classmethod
    def at(cls, restricted: str, opened: str, vault: str, *, base: Path) -> Lake:
        """The lake at three URLs or paths; relative ones start at `base`."""
        return cls(
            Store(restricted, base=base, private=True),
            Store(opened, base=base, shut=SHUT),
            Store(vault, base=base, private=True),
        )

    def batches(self, source: str) -> Log:
        """Log of the batches landed from a source."""
        return Log(self.restricted, f"raw/{source}/batches")

    def versions(self, dataset: str) -> Log:
        """Log of a dataset's published versions."""
        return Log(self.open, f"datasets/{dataset}/log")

    @cached_property
    def audit(self) -> AuditLog:
        """The hash-chained audit log."""
        return AuditLog(self.open)

    @cached_property
    def identified(self) -> AuditLog:
        """The hash-chained log of who was told who people are, where only those look who may know."""
        return AuditLog(self.restricted)


def step_folder(zone: str, name: str, fingerprint: str) -> str:
    """Folder of one step's output inside its zone."""
    return f"{zone}/{name}/{fingerprint}"


def attempt_folder(folder: str) -> str:
    """A new folder inside `folder` that no other attempt uses."""
    return f"{folder}/{uuid.uuid4().hex[:12]}"
