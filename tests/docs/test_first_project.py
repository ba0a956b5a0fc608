"""A newcomer who does what docs/first-project.md says gets what it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from potable.cli.app import main

PAGE = Path(__file__).parents[2] / "docs" / "first-project.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.slow
def test_every_block_of_the_first_project_does_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What makes the project are processes, as for a newcomer; what is done in it runs here, where all is imported."""
    folder, printed = tmp_path, ""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for kind, block in BLOCKS:
        if kind == "sh":
            printed = ""
            for command in block.splitlines():
                if command.startswith("cd "):
                    folder /= command.removeprefix("cd ")
                    monkeypatch.chdir(folder)
                elif folder == tmp_path:
                    done = subprocess.run(command.split(), cwd=folder, env=environment, capture_output=True, text=True)
                    assert done.returncode == 0, (command, done.stderr)
                    printed += done.stdout
                else:
                    printed += typed(command, capsys)
        elif kind == "text":
            for line in block.splitlines():
                assert re.search(".+".join(map(re.escape, line.split("…"))), printed), (line, printed)
        else:
            name = re.match(r"# (\S+)\n", block)
            assert name
            (folder / name[1]).write_text(block, encoding="utf-8")


def typed(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints that ends well."""
    name, *arguments = command.split()
    assert name == "potable"
    capsys.readouterr()
    try:
        main(arguments)
    except SystemExit as end:
        assert not end.code, (command, capsys.readouterr().err)
    return capsys.readouterr().out
