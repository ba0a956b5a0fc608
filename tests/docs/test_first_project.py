"""A newcomer who does what docs/first-project.md says gets what it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "first-project.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.slow
def test_every_block_of_the_first_project_does_what_the_page_says(tmp_path: Path) -> None:
    folder, printed = tmp_path, ""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for kind, block in BLOCKS:
        if kind == "sh":
            printed = ""
            for command in block.splitlines():
                if command.startswith("cd "):
                    folder /= command.removeprefix("cd ")
                    continue
                done = subprocess.run(command.split(), cwd=folder, env=environment, capture_output=True, text=True)
                assert done.returncode == 0, (command, done.stderr)
                printed += done.stdout
        elif kind == "text":
            for line in block.splitlines():
                assert re.search(".+".join(map(re.escape, line.split("…"))), printed), (line, printed)
        else:
            name = re.match(r"# (\S+)\n", block)
            assert name
            (folder / name[1]).write_text(block, encoding="utf-8")
