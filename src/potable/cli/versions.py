"""Versions of the dataset: which there are, and `potable get`, which copies the files of one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from potable.datasets.version import Version, history, removed
from potable.errors import Damaged, EnvironmentFailure, ProjectError, did_you_mean
from potable.project import SCORING, Project
from potable.report.numbers import human_bytes, plain
from potable.runs.handed import replacing
from potable.store.layout import Lake

if TYPE_CHECKING:
    from potable.cli.answers.dataset import Got

_ENDINGS = {"csv": ".csv", "parquet": ".parquet", "card": ".md"}
_PIECE = 8 << 20
"""Bytes that are copied at a time."""


def name_of(project: Project, dataset: str | None) -> str:
    """The name under which versions of the dataset are kept, of another day with that day (name@day).

    Raises:
        ProjectError: the project has no such dataset.
    """
    own = project.features.dataset
    name = dataset or own
    if name.split("@", 1)[0] != own:
        hint = did_you_mean(name, [own])
        raise ProjectError(f"the project has no dataset `{dataset}`", "P031", allowed=own, hint=hint)
    return name


def run_of(project: Project, name: str) -> str:
    """The run that publishes the dataset `name`, which is that of another day after an `@`."""
    _, of_day, day = name.partition("@")
    scoring = " --scoring" if day.endswith(SCORING) else ""
    return f"potable run --as-of {day.removesuffix(SCORING)}{scoring}" if of_day else project.next_run


class Published(NamedTuple):
    """The versions of a dataset."""

    lake: Lake
    name: str
    """Under which they are kept."""
    versions: list[Version]
    """Oldest first; at least one."""


def published(project: Project, dataset: str | None) -> Published:
    """All versions of the dataset.

    Raises:
        ProjectError: P031, the project has no such dataset.
        EnvironmentFailure: E008, no version has been published yet.
    """
    name = name_of(project, dataset)
    lake = project.lake()
    versions = history(lake.versions(name))
    if not versions:
        raise EnvironmentFailure(f"no version of `{name}` has been published yet", "E008", next=run_of(project, name))
    return Published(lake, name, versions)


def chosen(of: Published, number: int | None) -> Version:
    """One of the versions, by default the current one.

    Raises:
        ProjectError: P031, there is no such version, or its files were removed.
    """
    there = {version.number: version for version in of.versions}
    gone = removed(of.lake.open, of.name)
    wanted = max(there) if number is None else number
    if wanted not in there or wanted in gone:
        problem = "its files were removed by `potable gc`" if wanted in gone else "there is no such version"
        kept = ", ".join(str(each) for each in there if each not in gone)
        raise ProjectError(f"`{of.name}` version {wanted}: {problem}", "P031", allowed=kept)
    return there[wanted]


def got(project: Project, folder: Path, dataset: str | None, number: int | None) -> tuple[Got, str]:
    """Facts and text about the files of a version, once all are in `folder`, with the bytes that were published.

    Raises:
        ProjectError: P031, there is no such dataset or version, or its files were removed.
        EnvironmentFailure: E004, the folder cannot be written to; E008, no version has been published yet; E011, a file
            is not as it was published, or is missing.
    """
    of = published(project, dataset)
    version, name = chosen(of, number), of.name
    # a folder may have a README.md of its own
    targets = {kind: folder / f"{name}{ending}" for kind, ending in _ENDINGS.items()}
    sizes = {}
    with _writing(folder), ExitStack() as whole:
        for kind, target in targets.items():
            file = whole.enter_context(replacing(target))
            sizes[kind] = _copied(of.lake, version.files[kind], file, version.sha256[kind])
    facts: Got = {
        "dataset": name,
        "version": version.number,
        "fingerprint": version.fingerprint,
        "published_at": version.published_at,
        "rows": version.rows,
        "files": {kind: str(target) for kind, target in targets.items()},
        "sha256": dict(version.sha256),
    }
    head = f"{plain(name)} version {version.number}: {version.rows:,} rows, published {version.published_at}"
    lines = [f"{kind:<8} {target}  {human_bytes(sizes[kind])}" for kind, target in targets.items()]
    return facts, "\n".join([head, *lines])


def _copied(lake: Lake, path: str, file: BinaryIO, wanted: str) -> int:
    """Copy a published file, held to its hash; its bytes."""
    digest, size = hashlib.sha256(), lake.open.size(path)
    if size is None:
        raise Damaged(path)
    for start in range(0, size, _PIECE):
        try:
            piece = lake.open.part(path, start, min(_PIECE, size - start))
        except FileNotFoundError:
            raise Damaged(path) from None
        digest.update(piece)
        file.write(piece)
    if digest.hexdigest() != wanted:
        raise Damaged(path)
    return size


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Make the folder; what keeps files from being written there, in our form."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as failure:
        raise EnvironmentFailure(
            f"`{folder}` cannot be written to ({type(failure).__name__})",
            "E004",
            hint="is the disk full, or the folder another account's?",
            state="what was there before stays",
        ) from failure
