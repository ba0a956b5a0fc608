"""Versions of a dataset: a log of numbered commits, each written once and put-if-absent.

A version names everything it was made from by hash. `publish` is the only verb that moves a name: the
newest entry of the log is the current version. Where the files of an old one were removed, its entry stays,
and a note beside the log says when and by whom.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from potable.errors import EnvironmentFailure
from potable.store.log import Log
from potable.store.manifest import canonical
from potable.store.objects import Store


@dataclass(frozen=True)
class Version:
    """One published version of a dataset."""

    dataset: str
    fingerprint: str
    """Of the publish step; the same inputs, project and vault give the same one."""
    files: Mapping[str, str]
    """Path below the open root by kind: csv, parquet, card."""
    sha256: Mapping[str, str]
    """Hash of each file."""
    rows: int
    columns: tuple[str, ...]
    lineage: Mapping[str, Any]
    """Inputs, code, contracts, policy and parents, by hash."""
    run: str
    published_at: str
    number: int = 0
    """Place in the log, from 1."""


def current(log: Log) -> Version | None:
    """The newest version, if there is one."""
    number, entry = log.last()
    return _version(entry, number) if entry else None


def history(log: Log) -> list[Version]:
    """All versions, oldest first."""
    return [_version(entry, number) for number, entry in enumerate(log.entries(), 1)]


def commit(
    log: Log, version: Version, note: Callable[[Version], None], *, parent: int | None = None
) -> tuple[Version, bool]:
    """Make `version` the current one; (the current version, whether it is new).

    Committing what is current already changes nothing.

    Args:
        log: of the dataset's versions.
        version: its number does not count.
        note: told of a new version before it becomes current, which it does not where this fails.
        parent: number of the version that was current when the run began; any by default.

    Raises:
        EnvironmentFailure: E005, another run published something else since then.
    """
    number, entry = log.last()
    if entry and entry["fingerprint"] == version.fingerprint:
        return _version(entry, number), False
    if parent is not None and number != parent:
        raise EnvironmentFailure(
            f"another run published version {number} of `{version.dataset}` while this one went on",
            "E005",
            hint="this run's inputs may be older than that one's; what it finished is used by the next run",
            state=f"version {number} is current; this run published nothing",
            next="potable run",
            retryable=True,
        )
    note(replace(version, number=number + 1))
    data = asdict(version)
    del data["number"]
    try:
        number = log.append({**data, "parent": number}, parent=number)
    except EnvironmentFailure:
        # of two runs at once that made the same, one published it
        made = current(log)
        if made and made.fingerprint == version.fingerprint:
            return made, False
        raise
    return _version(data, number), True


def note_removed(store: Store, dataset: str, number: int, note: Mapping[str, str]) -> None:
    """Write down that the files of a version are removed: `at`, `who`, `why`; the first note counts.

    Args:
        dataset: its name, of another day with that day.
    """
    store.put_new(f"{_removals(dataset)}/{number:08d}.json", canonical(note))


def removed(store: Store, dataset: str) -> dict[int, dict[str, str]]:
    """The notes about versions whose files were removed, by number."""
    paths = store.list(_removals(dataset))
    return {int(path.rsplit("/", 1)[1].removesuffix(".json")): json.loads(store.get(path)) for path in paths}


def _removals(dataset: str) -> str:
    return f"datasets/{dataset}/removed"


def _version(entry: Mapping[str, Any], number: int) -> Version:
    data = {key: value for key, value in entry.items() if key != "parent"}
    return Version(**{**data, "columns": tuple(data["columns"]), "number": number})
