"""Files of a folder are those a glob of paths finds, whichever way they are looked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from potable.errors import EnvironmentFailure
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
** **/* **/*.csv **/deep*/**/*.csv 2024/deep/deeper/c.csv 2024/** years/**/*.csv
"""


@pytest.mark.parametrize("pattern", PATTERNS.split())
def test_a_folder_gives_what_a_glob_of_paths_finds(exports: Path, pattern: str) -> None:
    # before Python 3.13 `**` finds folders only
    own = f"{pattern}/*" if pattern.endswith("**") else pattern
    found = {path for path in exports.glob(own) if path.is_file() and is_data(path.name)}
    files = Folder(exports.parent, "exports").files(pattern)
    names = {os.fsencode(path.relative_to(exports)).decode("utf-8", "backslashreplace") for path in found}
    assert sorted(file.name.removeprefix(f"{exports}/../exports/") for file in files) == sorted(names)
    for file in files:
        with file.open() as stream, file.archive() as path:
            assert isinstance(path, Path)
            assert stream.read() == path.read_bytes()
            assert file.stamp == f"{path.stat().st_size}-{path.stat().st_mtime_ns}"


@pytest.mark.parametrize("pattern", ["*.csv", "2024/*.csv", "*/*.csv", "20*/deep/*/*.csv", "**/*.csv", "2024/**/c.csv"])
@pytest.mark.parametrize("failure", [PermissionError(13, "no"), OSError(116, "stale"), OSError(5, "broken")])
def test_a_folder_that_cannot_be_listed_is_an_error(
    exports: Path, pattern: str, failure: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it holds would count as gone."""
    deepest = {"*.csv": "", "2024/*.csv": "2024", "*/*.csv": "2024", "20*/deep/*/*.csv": "2024/deep/deeper"}
    where = exports / deepest.get(pattern, "2024/deep")

    def refusing(lister: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def listed(path: Any) -> Any:
            if Path(path) == where:
                raise failure
            return lister(path)

        return listed

    for name in ("listdir", "scandir"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    with pytest.raises(EnvironmentFailure, match="cannot be read") as raised:
        Folder(exports.parent, "exports").files(pattern)
    assert raised.value.code == "E001" and str(where) not in str(raised.value).replace(f"`{exports}`", "")


@pytest.mark.parametrize("pattern", ["20*/*.csv", "*/*.csv", "*/deep*/*.csv", "none/**/*.csv"])
def test_folders_a_glob_does_not_lead_into_may_be_closed(
    tmp_path: Path, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("lost+found", "2024/a/b"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "2024/x.csv").write_bytes(b"1")

    def refusing(lister: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def listed(path: Any) -> Any:
            if Path(path) in (tmp_path / "lost+found", tmp_path / "2024/a/b"):
                raise PermissionError(13, "no")
            return lister(path)

        return listed

    for name in ("listdir", "scandir"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    found = [file.name for file in Folder(tmp_path.parent, tmp_path.name).files(pattern)]
    assert found == (["2024/x.csv"] if pattern.endswith("0*/*.csv") or pattern == "*/*.csv" else [])


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder of exports, and a secret beside it."""
    for name in ("exports/2024/a.csv", "vault/key.csv", "real/b.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    return tmp_path


@pytest.mark.parametrize(
    "pattern", ["*", "*.csv", "link.csv", "**/*.csv", "*/*.csv", "years/*.csv", "years/key.csv", "y*/**/*.csv"]
)
def test_a_link_that_leads_outside_the_folder_is_refused(beside: Path, pattern: str) -> None:
    """Who may put files there need not be who may read what a run may read."""
    exports = beside / "exports"
    if "/" in pattern and not pattern.startswith("**"):
        (exports / "years").symlink_to("../vault")
    else:
        (exports / "link.csv").symlink_to("2024/../../vault/key.csv")
    with pytest.raises(EnvironmentFailure, match="leads outside") as raised:
        Folder(beside, "exports").files(pattern)
    assert raised.value.code == "E001" and "key" not in raised.value.text()


def test_links_inside_the_folder_and_declared_ones_are_followed(beside: Path) -> None:
    exports = beside / "exports"
    (exports / "..data").symlink_to("2024")
    (exports / "a.csv").symlink_to("..data/a.csv")
    (beside / "here").symlink_to("real")
    (beside / "one.csv").symlink_to("vault/key.csv")
    found = {name: [file.name for file in Folder(beside, name).files(None)] for name in ("exports", "here", "one.csv")}
    assert found == {"exports": ["a.csv"], "here": ["b.csv"], "one.csv": ["one.csv"]}
    assert [file.name for file in Folder(beside, "exports").files("../real/*.csv")] == ["../real/b.csv"]
