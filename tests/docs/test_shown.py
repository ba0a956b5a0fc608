"""Commands and project files that pages show can be typed and written as they are shown."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML

from potable import plugins
from potable.cli.app import cli
from potable.deployment import Platform
from potable.features.declaration import FeatureSet
from potable.privacy.policy import Policy

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in ("decisions.md", "measurements.md")),
]


def shown() -> Iterator[tuple[str, str]]:
    """Page and command of each that stands in a block or between backticks."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^ *(?:\$ )?(potable .*)$", text, re.MULTILINE)
        within = re.findall(r"`(potable [^`]*)`", text)
        for command in [*blocks, *within]:
            plain = command.split("   ")[0].split("  #")[0].split(" → ")[0]
            if page.name != "first-project.md" or "…" not in plain:
                yield page.name, plain.strip()


@pytest.mark.parametrize(("page", "command"), sorted({*shown()}))
def test_a_command_on_a_page_can_be_typed(page: str, command: str) -> None:
    """Its names and options are ours; arguments may be left out where a page speaks of the command as such."""
    words, group, context = shlex.split(command, comments=True)[1:], cli, click.Context(cli, info_name="potable")
    while words:
        word = words.pop(0)
        if word in ("-C", "--env"):
            words.pop(0)
        elif word.startswith("-") or word.isupper():
            break
        else:
            found = group.get_command(context, word)
            assert found, f"there is no command `{word}`"
            if not isinstance(found, click.Group):
                known = {option for each in found.params for option in [*each.opts, "-h", "--help"]}
                given = {option.split("=")[0] for option in words if option.startswith("-")}
                assert given <= known, given - known
                return
            group = found


def blocks() -> Iterator[tuple[str, int, str]]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in re.finditer(r"^( *)```yaml\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE):
            yield page.name, text[: found.start()].count("\n") + 1, found[2]


@pytest.mark.parametrize(("page", "line", "text"), [*blocks()], ids=lambda value: str(value)[:30].split("\n")[0])
def test_what_a_page_shows_as_yaml_is_yaml(page: str, line: int, text: str) -> None:
    YAML(typ="safe").load(text.replace("…, ", "").replace(", …", "").replace("…", ""))


def fits(model: type[BaseModel], data: Any) -> list[str]:
    """What is wrong with it, apart from what a page leaves out."""
    try:
        model.model_validate(data)
    except ValidationError as failure:
        # an excerpt need not hold all that its parts refer to
        wrong = [error for error in failure.errors() if error["type"] not in ("missing", "value_error")]
        return [f"{error['loc']}: {error['msg']}" for error in wrong]
    return []


def forms(data: dict[str, Any]) -> Iterator[tuple[type[BaseModel], Any]]:
    """What an excerpt may be one of: a whole file, tables of a source, keys of a table."""
    yield from ((model, data) for model in (Platform, Policy, FeatureSet))
    for name in [data["type"]] if "type" in data else plugins.names("sources"):
        kind, whole = plugins.load("sources", name), {"source": "s", "type": name}
        yield from ((kind, {**whole, **each}) for each in (data, {"tables": data}, {"tables": {"t": data}}))


@pytest.mark.parametrize(("page", "line", "text"), [*blocks()], ids=lambda value: str(value)[:30].split("\n")[0])
def test_what_a_page_shows_as_a_project_file_has_keys_that_there_are(page: str, line: int, text: str) -> None:
    data = YAML(typ="safe").load(re.sub(r"\$\{\w+:[^}]*\}", "referred", re.sub(r", …|…, |…", "", text)))
    if isinstance(data, dict):
        wrong = {str(model): found for model, given in forms(data) if (found := fits(model, given))}
        fitting = [model for model, given in forms(data) if not fits(model, given)]
        assert fitting, min(wrong.values(), key=len)
