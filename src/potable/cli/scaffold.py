"""`potable init`: a project folder, copied from an example or with what data engineering begins with."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import potable
from potable.cli.schemas import marked, write
from potable.cli.settings import writing
from potable.errors import EnvironmentFailure, ProjectError, did_you_mean

_PLACES = (Path(potable.__file__).parent / "examples", Path(potable.__file__).parents[2] / "examples")
_IGNORED = ".env\nlake/\nvault/\nestate/\n.potable/\n"


def scaffold(directory: Path, example: str | None) -> list[str]:
    """Make a project in `directory`: a copy of `example`, or one to begin with; returns what to tell the user.

    Raises:
        ProjectError: there is no such example.
        EnvironmentFailure: the directory already holds something.
    """
    known = {
        path.name: path for place in _PLACES if place.is_dir() for path in sorted(place.iterdir()) if path.is_dir()
    }
    if example is not None and example not in known:
        hint = did_you_mean(example, known)
        raise ProjectError(
            f"there is no example called `{example}`", "P001", allowed=", ".join(sorted(known)), hint=hint
        )
    with writing(directory):
        if directory.exists() and any(directory.iterdir()):
            raise EnvironmentFailure(
                f"`{directory}` is not empty", "E007", state="nothing was written", next="potable init OTHER_DIRECTORY"
            )
        if example:
            _copy(known[example], directory)
        else:
            _begin(directory, (known["attrition"] / "potable.yaml").read_text(encoding="utf-8"))
        (directory / ".gitignore").write_text(_IGNORED, encoding="utf-8")
        write(directory)
        files = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*.yaml"))
        for name in files:
            text = (directory / name).read_text(encoding="utf-8")
            (directory / name).write_text(marked(name, text), encoding="utf-8")
    here = f"potable -C {shlex.quote(str(directory))}"
    if example:
        return [f"{directory}: {len(files)} files", *(f"  {name}" for name in files), f"next: {here} check"]
    return _first_steps(directory, here)


def _copy(example: Path, directory: Path) -> None:
    """A copy as if it were written here: with the rights of new files, not those of the installed ones."""
    for path in sorted(example.rglob("*")):
        if path.is_file():
            target = directory / path.relative_to(example)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _begin(directory: Path, platform: str) -> None:
    """A project of data engineering alone: where the lake is, and a folder for the sources."""
    (directory / "sources").mkdir(parents=True)
    name = json.dumps(directory.resolve().name, ensure_ascii=False)
    text = platform.replace("project: attrition", f"project: {name}", 1)
    (directory / "potable.yaml").write_text(text, encoding="utf-8")


def _first_steps(directory: Path, here: str) -> list[str]:
    return [
        f"{directory}: potable.yaml, and a folder sources/ for one file per system",
        f"next: write {directory}/sources/NAME.yaml (all types: docs/reference/sources.md), for example",
        "  source: NAME",
        "  type: csv",
        "  path: /data/exports",
        "  tables: {people: {files: people*.csv}}",
        "then:",
        f"  {here} source discover NAME --write   # writes columns, types and keys; you decide the categories",
        f"  {here} check",
        f"  {here} run --only ingest",
        f"  {here} run --only validate",
        "later: privacy.yaml (infosec), features.yaml (data science); `potable init --example churn EXAMPLE` has both",
        "step by step: docs/first-project.md",
    ]
