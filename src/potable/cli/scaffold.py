"""`potable init`: a project folder copied from an example."""

from __future__ import annotations

import shutil
from pathlib import Path

import potable
from potable.cli.schemas import marked, write
from potable.errors import EnvironmentFailure, ProjectError, did_you_mean

_PLACES = (Path(potable.__file__).parent / "examples", Path(potable.__file__).parents[2] / "examples")
_IGNORED = ".env\nlake/\nvault/\nestate/\n.potable/\n"


def scaffold(directory: Path, example: str) -> list[str]:
    """Copy `example` to `directory`; returns what to tell the user.

    Raises:
        ProjectError: there is no such example.
        EnvironmentFailure: the directory already holds something.
    """
    known = {
        path.name: path for place in _PLACES if place.is_dir() for path in sorted(place.iterdir()) if path.is_dir()
    }
    if example not in known:
        hint = did_you_mean(example, known)
        raise ProjectError(f"there is no example `{example}`", "P001", allowed=", ".join(sorted(known)), hint=hint)
    if directory.exists() and any(directory.iterdir()):
        raise EnvironmentFailure(
            f"`{directory}` is not empty", "E007", state="nothing was written", next="potable init OTHER_DIRECTORY"
        )
    shutil.copytree(known[example], directory, dirs_exist_ok=True)
    (directory / ".gitignore").write_text(_IGNORED, encoding="utf-8")
    write(directory)
    files = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*.yaml"))
    for name in files:
        text = (directory / name).read_text(encoding="utf-8")
        (directory / name).write_text(marked(name, text), encoding="utf-8")
    return [f"{directory}: {len(files)} files", *(f"  {name}" for name in files), f"next: potable -C {directory} check"]
