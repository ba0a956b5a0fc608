"""Files of a folder are those a glob of paths finds, whichever way they are looked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from potable.sources.places import Folder, is_data


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("places") / "exports"
    for name in ("a.csv", "b.CSV", "ü.csv", "a[1].csv", ".hidden.csv", "~$lock.csv", "2024/a.csv", "2024/.x/b.csv"):
        root.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        root.joinpath(name).write_bytes(b"1")
    root.joinpath("2024/deep/deeper").mkdir(parents=True)
    root.joinpath("2024/deep/deeper/c.csv").write_bytes(b"22")
    root.joinpath("folder.csv").mkdir()
    root.joinpath("link.csv").symlink_to("a.csv")
    root.joinpath("lost.csv").symlink_to("nowhere")
    root.joinpath("years").symlink_to("2024")
    root.joinpath(os.fsdecode(b"\xfcber.csv")).write_bytes(b"333")
    return root


PATTERNS = """
* *.csv ?.csv [ab].c* a.csv a[[]1].csv */*.csv 20*/* 2024/*.csv years/* none/* a.csv/* ../exports/*.csv */
** **/* **/*.csv **/deep*/**/*.csv 2024/deep/deeper/c.csv
"""


@pytest.mark.parametrize("pattern", PATTERNS.split())
def test_a_folder_gives_what_a_glob_of_paths_finds(exports: Path, pattern: str) -> None:
    found = {path for path in exports.glob(pattern) if path.is_file() and is_data(path.name)}
    files = Folder(exports.parent, "exports").files(pattern)
    names = {os.fsencode(path.relative_to(exports)).decode("utf-8", "backslashreplace") for path in found}
    assert sorted(file.name.removeprefix(f"{exports}/../exports/") for file in files) == sorted(names)
    for file in files:
        with file.open() as stream, file.archive() as path:
            assert isinstance(path, Path)
            assert stream.read() == path.read_bytes()
            assert file.stamp == f"{path.stat().st_size}-{path.stat().st_mtime_ns}"


def test_folders_that_may_not_be_listed_hold_nothing(exports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> list[str]:
        raise PermissionError(13, "no")

    monkeypatch.setattr(os, "listdir", refused)
    assert Folder(exports.parent, "exports").files("*.csv") == []
