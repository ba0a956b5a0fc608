"""What a process may use of its machine, as both versions of control groups tell it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from potable import machine

MANY = {f"{number}" for number in range(64)}


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 64 processors."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: MANY)


def limited(root: Path, monkeypatch: pytest.MonkeyPatch, own: str, files: dict[str, str]) -> tuple[int, int]:
    """Processors and memory where control groups are so."""
    for name, text in files.items():
        (root / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "groups" / name).write_text(f"{text}\n")
    (root / "own").write_text(own)
    monkeypatch.setattr(machine, "_GROUPS", root / "groups")
    monkeypatch.setattr(machine, "_OWN", root / "own")
    return machine.processors(), machine.memory_limit()


def test_a_container_tells_its_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"cpu.max": "150000 100000", "memory.max": "3221225472"}
    assert limited(tmp_path, monkeypatch, "0::/\n", files) == (2, 3 << 30)


def test_the_first_version_of_control_groups_tells_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # the path is the machine's, of which the container sees nothing but its own end
    own = "5:memory:/kubepods/pod1/c\n3:cpu,cpuacct:/kubepods/pod1/c\n1:name=systemd:/kubepods/pod1/c\n"
    files = {"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}
    files["memory/memory.limit_in_bytes"] = "1073741824"
    assert limited(tmp_path, monkeypatch, own, files) == (4, 1 << 30)


def test_a_service_has_the_least_of_what_is_above_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "system.slice/cpu.max": "300000 100000",
        "system.slice/potable.service/cpu.max": "max 100000",
        "system.slice/memory.max": "max",
        "system.slice/potable.service/memory.max": "536870912",
    }
    assert limited(tmp_path, monkeypatch, "0::/system.slice/potable.service\n", files) == (3, 512 << 20)


@pytest.mark.parametrize("files", [{}, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}])
def test_without_limits_the_machine_is_one(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "groups").mkdir()
    found = limited(tmp_path, monkeypatch, "0::/\n1:cpu:/\n", files)
    assert found[0] == 64 and found[1] > 1 << 60
