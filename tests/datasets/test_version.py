"""The log of versions: each once, in one order, whoever publishes."""

from __future__ import annotations

from pathlib import Path

import pytest

from potable.datasets.version import Version, commit, current, history
from potable.errors import EnvironmentFailure
from potable.store.log import Log
from potable.store.objects import Store


def version(fingerprint: str, run: str = "run-01") -> Version:
    return Version("d", fingerprint, {}, {}, 0, (), {}, run, "2024-07-10")


def test_what_is_current_already_is_not_published_again(tmp_path: Path) -> None:
    log, noted = Log(Store(str(tmp_path)), "log"), list[Version]()
    assert commit(log, version("a"), noted.append)[0].number == 1
    assert commit(log, version("a", "run-02"), noted.append) == (current(log), False)
    assert [(each.number, each.run) for each in noted] == [(1, "run-01")]


@pytest.mark.parametrize("theirs", ["a", "b"])
def test_of_two_runs_at_once_one_publishes(tmp_path: Path, theirs: str) -> None:
    ours, other = (Log(Store(str(tmp_path)), "log") for _ in range(2))

    def meanwhile(_: Version) -> None:
        commit(other, version(theirs, "run-02"), lambda _: None)

    if theirs == "a":
        made, new = commit(ours, version("a"), meanwhile)
        assert (made.run, made.number, new) == ("run-02", 1, False)
    else:
        with pytest.raises(EnvironmentFailure) as caught:
            commit(ours, version("a"), meanwhile)
        assert caught.value.code == "E005"
    assert [each.run for each in history(ours)] == ["run-02"]


def test_a_version_that_was_published_since_a_run_began_stays_current(tmp_path: Path) -> None:
    log, noted = Log(Store(str(tmp_path)), "log"), list[Version]()
    for made in ("a", "b"):
        commit(log, version(made), noted.append)
    assert commit(log, version("b", "run-02"), noted.append, parent=1)[1] is False
    with pytest.raises(EnvironmentFailure, match="another run published version 2 of `d`") as caught:
        commit(log, version("c"), noted.append, parent=1)
    assert (caught.value.code, caught.value.retryable, len(noted)) == ("E005", True, 2)
    assert commit(log, version("c"), noted.append, parent=2)[0].number == 3
