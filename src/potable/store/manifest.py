"""Manifests: what a step made, written last and put-if-absent, addressed by fingerprint.

A step is done when its manifest exists and not done otherwise; there is nothing in between. A
fingerprint is a hash over everything the step's output depends on, so an unchanged step is found again
and skipped, whoever ran it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from potable.errors import Damaged
from potable.store.objects import Store


def canonical(data: Any) -> bytes:
    """`data` as JSON bytes that depend on its content only."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)
    return text.encode()


def fingerprint(*parts: Any) -> str:
    """32 hex digits over `parts` (SHA-256 of their canonical JSON, shortened)."""
    return hashlib.sha256(canonical(parts)).hexdigest()[:32]


def code_version(*packages: Path) -> str:
    """Hash of the Python sources in `packages` (folders or files): the code version of a step."""
    digest = hashlib.sha256()
    for package in packages:
        for file in sorted(package.glob("*.py")) if package.is_dir() else [package]:
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class File:
    """One file a manifest names."""

    path: str
    """Path below the store the manifest lies in."""
    rows: int
    bytes: int
    partition: int | None = None


@dataclass(frozen=True)
class Manifest:
    """What one step made."""

    step: str
    fingerprint: str
    files: Mapping[str, Sequence[File]]
    """Files by output name (`rows`, `quarantine`, …)."""
    counts: Mapping[str, int]
    """Rows and other totals; never values."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Everything else later steps and the report need; no personal data."""

    def to_bytes(self) -> bytes:
        """The manifest as it is stored."""
        return canonical(asdict(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """A stored manifest."""
        raw = json.loads(data)
        files = {name: [File(**file) for file in listed] for name, listed in raw["files"].items()}
        return cls(raw["step"], raw["fingerprint"], files, raw["counts"], raw["facts"])

    def rows(self, output: str = "rows") -> int:
        """Rows of one output."""
        return sum(file.rows for file in self.files.get(output, ()))

    def paths(self, store: Store, output: str = "rows", *, partition: int | None = None) -> list[str]:
        """Absolute paths of the files of one output, optionally of one partition."""
        chosen = [file for file in self.files.get(output, ()) if partition in (None, file.partition)]
        return [store.locate(file.path) for file in chosen]


def find(store: Store, folder: str) -> Manifest | None:
    """The manifest in `folder`, if its step is done."""
    data = store.get_if_present(f"{folder}/manifest.json")
    return _read(folder, data) if data is not None else None


def commit(store: Store, folder: str, manifest: Manifest) -> Manifest:
    """Write `manifest` unless another run was first; returns the one that counts, as later runs read it."""
    data = manifest.to_bytes()
    if store.put_new(f"{folder}/manifest.json", data):
        # its keys are in another order than they were made in, and a card has reasons in theirs
        return _read(folder, data)
    return _read(folder, store.get(f"{folder}/manifest.json"))


def _read(folder: str, data: bytes) -> Manifest:
    """The manifest in `folder`, from its bytes.

    Raises:
        Damaged: they hold none.
    """
    try:
        return Manifest.from_bytes(data)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Damaged(f"{folder}/manifest.json") from None


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return sorted(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "to_entry"):
        return value.to_entry()
    raise TypeError(f"{type(value).__name__} has no canonical form")
