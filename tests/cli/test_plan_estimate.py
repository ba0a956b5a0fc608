"""`potable plan --estimate` as people type it: on a new project, in text and JSON, and as the cost page shows it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from potable.cli.app import cli, main

ROOT = Path(__file__).parents[2]
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """The command on a project that never ran and whose variables are not set: exit code, stdout, stderr."""
    for command in (cli, cli.commands["plan"]):
        # click keeps the help option of the first context it meets, and docs/generate.py brings another one
        monkeypatch.setattr(command, "_help_option", None)
    shutil.copytree(ROOT / "examples" / "attrition", tmp_path / "project")

    def run(*arguments: str) -> tuple[int, str, str]:
        code = 0
        try:
            main(["-C", str(tmp_path / "project"), "plan", *arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_an_estimate_tells_time_memory_disk_and_where_they_come_from(call: Call) -> None:
    code, out, err = call("--estimate", "--size", "6GB", "--cores", "4")
    assert code == 0, err
    for word in ("6.0 GB as received, duckdb, 4 cores: computed", "validate", "the whole run", "peak memory", "raw"):
        assert word in out
    assert "measured: the reference run" in out and "extrapolated:" in out


def test_an_estimate_leaves_nothing_behind(call: Call, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert call("--estimate", "--size", "6GB")[0] == 0
    assert [path for path in sorted(tmp_path.rglob("*")) if path.is_file()] == [
        path for path in before if path.is_file()
    ]


def test_without_landed_data_the_error_says_what_to_type(call: Call) -> None:
    code, _, err = call("--estimate")
    assert code == 3 and "error[E008]" in err and re.search(r"next: +potable -C \S+ plan --estimate --size 6GB\n", err)


@pytest.mark.parametrize(
    "options",
    [
        ("--size", "lots"),
        ("--size", "0"),
        ("--cores", "0"),
        ("--nodes", "2"),
        ("--memory", "1MB"),
        ("--engine", "abacus"),
    ],
)
def test_what_cannot_be_is_refused_in_our_form(call: Call, options: tuple[str, str]) -> None:
    code, out, err = call("--estimate", "--size", "6GB", *options)
    assert (
        code == (3 if options == ("--size", "0") else 2) and err.startswith("error[") and "allowed" in err and not out
    )


def test_options_of_an_estimate_need_an_estimate(call: Call) -> None:
    code, _, err = call("--size", "6GB")
    assert code == 2 and "--size needs --estimate" in err


def test_the_commands_of_the_cost_page_give_its_figures(call: Call) -> None:
    page = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
    table = page.partition("<!-- table")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    commands = re.findall(r"^potable plan (.+)$", table, re.MULTILINE)
    assert len(rows) == len(commands) == 6
    for row, command in zip(rows, commands, strict=True):
        code, out, err = call(*shlex.split(command))
        if "**not computed**" in row:
            assert code == 3 and "error[E008]" in err
            continue
        assert code == 0, err
        time = next(line for line in out.splitlines() if line.startswith("the whole run"))
        memory = next(line for line in out.splitlines() if line.startswith("peak memory of a machine: "))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[2] in time and memory.startswith(f"peak memory of a machine: {cells[3]}, of")
        assert f"**{json.loads(call(*shlex.split(command), '-o', 'json')[1])['basis']}**" in cells[6]
