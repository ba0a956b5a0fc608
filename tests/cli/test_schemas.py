"""The JSON Schemas of project files: what loads passes them, typical mistakes do not, and every key is described."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from potable.cli.app import cli
from potable.cli.schemas import marked, schemas
from potable.contracts.vocabulary import EXPECTATIONS

ROOT = Path(__file__).parents[2]
FILES = [*(ROOT / "examples").rglob("*.yaml"), *(ROOT / "docs" / "sources").glob("*.yaml")]


@pytest.fixture(scope="module")
def known() -> dict[str, dict[str, Any]]:
    return schemas()


def plain(data: Any) -> Any:
    """As an editor sees it: dates are texts."""
    if isinstance(data, dict):
        return {str(key): plain(value) for key, value in data.items()}
    if isinstance(data, list):
        return [plain(value) for value in data]
    return data if isinstance(data, str | int | float | bool | None) else str(data)


def wrong(schema: dict[str, Any], data: Any) -> list[str]:
    return [
        f"{list(error.absolute_path)} {error.message}" for error in Draft7Validator(schema).iter_errors(plain(data))
    ]


def loaded(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_example_keeps_its_schema(known: dict[str, dict[str, Any]], path: Path) -> None:
    kind = "source" if path.parent.name == "sources" else path.stem
    assert wrong(known[kind], loaded(path)) == []


def test_the_schemas_are_schemas(known: dict[str, dict[str, Any]]) -> None:
    for schema in known.values():
        Draft7Validator.check_schema(schema)
    assert wrong(known["env"], {"engine": "spark", "threads": "${env:CORES}"}) == []


def test_expectations_of_a_projects_plug_ins_are_known_to_editors(tmp_path: Path) -> None:
    (tmp_path / "checks.py").write_text(
        "class ExpectIban(ColumnMapExpectation):\n  country: str\nclass ExpectX(Nothing): pass\n", encoding="utf-8"
    )
    (tmp_path / "potable.yaml").write_text("project: p\nplugins: [checks.py]\n", encoding="utf-8")
    expectation = schemas(tmp_path)["source"]["definitions"]["Expectation"]
    assert wrong(expectation, {"expect_iban": {"column": "a", "country": "DE", "mostly": 0.5}}) == []
    assert wrong(expectation, {"expect_iban": {"column": "a"}}) and wrong(expectation, {"expect_x": {"column": "a"}})


def nodes(schema: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    if isinstance(schema, dict):
        yield path, schema
        for key, value in schema.items():
            yield from nodes(value, (*path, key))
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from nodes(value, (*path, index))


def test_every_key_is_described_and_every_reference_leads_somewhere(known: dict[str, dict[str, Any]]) -> None:
    for kind, schema in known.items():
        definitions = schema["definitions"]
        for path, node in nodes(schema):
            if "$ref" in node:
                assert node["$ref"].removeprefix("#/definitions/") in definitions
            if path and path[-1] == "properties" and "if" not in path:
                for key, value in node.items():
                    target = definitions.get(value.get("$ref", "").removeprefix("#/definitions/"), {})
                    assert value.get("description") or target.get("description"), (kind, *path, key)


def test_the_editor_knows_every_expectation_and_its_arguments(known: dict[str, dict[str, Any]]) -> None:
    offered = known["source"]["definitions"]["Expectation"]["properties"]
    assert offered.keys() == EXPECTATIONS.keys()
    for name, word in EXPECTATIONS.items():
        assert set(word.arguments) <= set(offered[name]["properties"])


def put(data: Any, value: Any, *path: str | int) -> Any:
    """The data with one value put in, or taken away where it is `...`."""
    data = deepcopy(data)
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return data


SLIPS = ("tables", "payslips")
CHECK = (*SLIPS, "checks", 0)
BETWEEN = "expect_column_values_to_be_between"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("xlm", ("type",)),
        (..., ("source",)),
        ("x", ("pth",)),
        ("decimal(12.2)", (*SLIPS, "columns", "gross", "type")),
        ("text", (*SLIPS, "columns", "gross", "type")),
        ("user.salary", (*SLIPS, "columns", "gross", "category")),
        ("yes", (*SLIPS, "columns", "gross", "required")),
        ("drop", (*SLIPS, "columns", "gross", "on_error")),
        ("emp_no", (*SLIPS, "unique")),
        ("nowhere", (*SLIPS, "recrod")),
        ({"expect_column_values_to_be_betwen": {"column": "gross", "min_value": 0}}, CHECK),
        ({BETWEEN: {"min_value": 0}}, CHECK),
        ({BETWEEN: {"column": "gross", "min": 0}}, CHECK),
        ({BETWEEN: {"column": "gross", "min_value": 0, "severity": "error"}}, CHECK),
        ({BETWEEN: {"column": "gross", "min_value": 0, "mostly": 99}}, CHECK),
        ({BETWEEN: {"column": "gross"}, "expect_table_row_count_to_equal": {"value": 1}}, CHECK),
        (BETWEEN, CHECK),
        ({"name": "a", "rows": [{}], "expect": "fails"}, (*SLIPS, "tests", 0)),
        ({"rows": [{}]}, (*SLIPS, "tests", 0)),
    ],
    ids=str,
)
def test_a_typical_mistake_in_a_source_is_seen(
    known: dict[str, dict[str, Any]], value: Any, path: tuple[Any, ...]
) -> None:
    good = loaded(ROOT / "examples" / "attrition" / "sources" / "payroll.yaml")
    assert wrong(known["source"], put(good, value, *path))


@pytest.mark.parametrize(
    ("file", "value", "path"),
    [
        ("potable", "many", ("threads",)),
        ("potable", "lake", ("lake",)),
        ("potable", ..., ("project",)),
        ("privacy", "delete", ("rules", "user.name", "protect")),
        ("privacy", {"protect": "drop"}, ("rules", "user.nmae")),
        ("privacy", ["bands"], ("rules", "user.financial.salary", "publish")),
        ("privacy", "3 years", ("retention",)),
        ("features", "30 days", ("embargo",)),
        ("features", "yesterday", ("rows", "as_of", "pick")),
        ("features", 3, ("features", "lms.trainings")),
    ],
)
def test_so_is_one_in_the_other_files(
    known: dict[str, dict[str, Any]], file: str, value: Any, path: tuple[Any, ...]
) -> None:
    good = loaded(ROOT / "examples" / "attrition" / f"{file}.yaml")
    assert wrong(known[file], put(good, value, *path))


def test_init_writes_the_schemas_and_names_them_in_every_file(tmp_path: Path) -> None:
    run = CliRunner().invoke(cli, ["init", "--example", "attrition", str(tmp_path / "p")], catch_exceptions=False)
    assert run.exit_code == 0
    files = sorted((tmp_path / "p").rglob("*.yaml"))
    assert len(files) >= 8
    for path in files:
        first = path.read_text(encoding="utf-8").splitlines()[0]
        named = first.removeprefix("# yaml-language-server: $schema=")
        assert named != first and json.loads((path.parent / named).read_text(encoding="utf-8"))["$schema"]


def test_a_file_is_marked_once() -> None:
    once = marked("sources/a.yaml", "source: a\n")
    assert once.startswith("# yaml-language-server: $schema=../.schemas/source.json\n")
    assert marked("sources/a.yaml", once) == once
    assert "../.schemas/env.json" in marked("envs/prod.yaml", "")


def test_the_command_prints_one_or_writes_all(tmp_path: Path, known: dict[str, dict[str, Any]]) -> None:
    printed = CliRunner().invoke(cli, ["schema", "privacy"], catch_exceptions=False)
    assert json.loads(printed.stdout) == known["privacy"]
    written = CliRunner().invoke(cli, ["-C", str(tmp_path), "schema"], catch_exceptions=False)
    assert written.stdout.splitlines() == [f"wrote .schemas/{name}.json" for name in known]
