"""The sources that pages of the docs show can be declared as they are shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from potable import plugins
from potable.projectfiles import read

PAGES = ("apis-and-streams", "remote-files", "connectors")
FILES = [
    found
    for page in PAGES
    for found in re.findall(
        r"```yaml\n(source: (\w+)\ntype: (\w+)\n.*?)```",
        (Path(__file__).parents[2] / "docs" / f"{page}.md").read_text(encoding="utf-8"),
        re.DOTALL,
    )
]


@pytest.mark.parametrize(("text", "name", "kind"), FILES, ids=[f"{name}-{kind}" for _, name, kind in FILES])
def test_a_source_on_the_page_is_one(tmp_path: Path, text: str, name: str, kind: str) -> None:
    (tmp_path / f"{name}.yaml").write_text(text)
    names = re.findall(r"\$\{env:(\w+)\}", text)
    document = read(tmp_path / f"{name}.yaml", environment=dict.fromkeys(names, "secret-of-somebody"))
    made = document.model(plugins.load("sources", kind))
    assert names and "secret-of-somebody" not in repr(made)


def test_every_kind_is_shown() -> None:
    assert [kind for _, _, kind in FILES] == ["rest", "kafka", "kinesis", "csv", "json", "airbyte", "airbyte", "singer"]
