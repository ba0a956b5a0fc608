"""The docs tell the truth: generated pages are current, and what exists is documented."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from potable import plugins
from potable.cli.app import cli
from potable.errors import CODES
from potable.projectfiles import read

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_pages_are_current(generator: ModuleType) -> None:
    for name, text in generator.pages().items():
        assert (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") == text, f"{name}: run `make docs`"


def test_every_command_and_option_is_documented(generator: ModuleType) -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert {*cli.commands, "airflow generate", "state rewind"} <= {*generator.commands()}
    for name, command in generator.commands().items():
        assert f"## potable {name}\n" in page
        for parameter in command.params:
            assert all(option in page for option in parameter.opts if option.startswith("-")), parameter.opts


def test_every_error_code_in_the_code_has_a_meaning_and_is_used() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    used = set(re.findall(r'"([PDEGX]\d{3})"', sources.replace((ROOT / "src/potable/errors.py").read_text(), "")))
    assert used <= set(CODES)
    assert set(CODES) - used <= {"X001", "E006"}, "codes nobody raises"  # those two are raised in errors.py itself


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "sources").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_of_a_source_loads(path: Path) -> None:
    names = re.findall(r"\$\{env:(\w+)\}", path.read_text(encoding="utf-8"))
    made = read(path, environment=dict.fromkeys(names, "set")).model(plugins.load("sources", path.stem))
    assert made.type == path.stem
    assert all(column.declared_category for table in made.tables.values() for column in table.columns.values())


def test_the_readme_names_only_files_that_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / target).exists(), target


def test_every_link_leads_somewhere() -> None:
    pages = {path: path.read_text(encoding="utf-8") for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]}
    for page, text in pages.items():
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", text):
            found = (page.parent / target).resolve() if target else page
            assert found.exists(), (page, target)
            if anchor and found in pages:
                headings = re.findall(r"(?m)^#+ (.+)$", pages[found])
                slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
                assert anchor in slugs or f'<a id="{anchor}">' in pages[found], (page, target, anchor)


def test_no_machine_path_or_host_of_ours_is_in_the_docs() -> None:
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        assert not re.search(r"/(home|root|work|tmp)/\w+", path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.stem)
def test_a_page_begins_with_whom_it_is_for_and_the_readme_leads_to_it(path: Path) -> None:
    if path.stem not in ("decisions", "measurements", "faults"):
        opening = path.read_text(encoding="utf-8").split("\n\n")[1]
        assert opening.startswith("For "), opening
    if path.stem != "measurements":
        assert f"](docs/{path.name}" in (ROOT / "README.md").read_text(encoding="utf-8")
