"""References by which sources are reached: landing needs them, the verbs after it run without."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.runs.test_contract_tests import command

from potable import plugins
from potable.errors import ProjectError, ProjectErrors
from potable.project import Project, load
from potable.runs.plan import later_steps
from potable.sources.csv import CsvSource

EXAMPLE = Path(__file__).parents[1] / "examples" / "churn"
DATA = {"EXPORTS": "data", "TICKETS": "data/tickets.ndjson"}
SECRETS = """\
source: pay
type: sql
url: ${env:PAY_URL}
description: ${env:PAY_SAYS}
tables:
  slips:
    table: ${env:PAY_TABLE}
    columns: {emp_no: {type: string, category: none}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The small example, whose files are where variables say."""
    root = shutil.copytree(EXAMPLE, tmp_path / "project")
    for file, old, new in (
        ("crm", "path: data\n", "${env:EXPORTS}"),
        ("desk", "path: data/tickets.ndjson", "${env:TICKETS}"),
    ):
        path = root / "sources" / f"{file}.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, f"path: {new}\n", 1), encoding="utf-8")
    return root


def fingerprints(project: Project) -> list[str]:
    steps = later_steps(project, {source: () for source in project.sources}, "key")
    return [step.fingerprint for step in steps]


def test_verbs_after_landing_run_without_what_sources_are_reached_by(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in DATA.items():
        monkeypatch.setenv(name, value)
    assert command(root, "run", "--only", "ingest") == 0
    for name in DATA:
        monkeypatch.delenv(name)
    for verb in ("validate", "resolve", "protect", "build", "publish"):
        assert command(root, "run", "--only", verb) == 0, capsys.readouterr().err
    for asked in (["run"], ["run", "--only", "ingest"], ["run", "--select", "crm"]):
        assert command(root, *asked) == 2
        assert "sources/crm.yaml:4:7: the env variable `EXPORTS` is not set" in capsys.readouterr().err
    # what landed and was made before is what a whole run would make
    for name, value in DATA.items():
        monkeypatch.setenv(name, value)
    assert command(root, "run", "--exit-code") == 99


def test_what_is_made_has_the_same_fingerprints(root: Path) -> None:
    assert fingerprints(load(root, variables=DATA)) == fingerprints(load(root, variables={}, offline="sources"))


def test_what_else_is_not_set_is_told_with_its_place(root: Path) -> None:
    (root / "sources" / "pay.yaml").write_text(SECRETS, encoding="utf-8")
    with pytest.raises(ProjectErrors) as caught:
        load(root, variables={}, offline="sources")
    told = [(str(error.place), error.problem) for error in caught.value.errors]
    assert told == [
        ("sources/pay.yaml:4:14", "the env variable `PAY_SAYS` is not set"),
        # it is part of the contract, of which fingerprints are made
        ("sources/pay.yaml:7:12", "the env variable `PAY_TABLE` is not set"),
    ]


def test_no_vault_is_asked_for_what_only_landing_needs(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(scheme: str) -> object:
        raise AssertionError(scheme)

    monkeypatch.setattr(plugins, "secret_provider", asked)
    text = SECRETS.replace("${env:PAY_URL}", "${vault:pay#URL}").replace("${env:PAY_SAYS}", "pay")
    (root / "sources" / "pay.yaml").write_text(text.replace("${env:PAY_TABLE}", "slips"), encoding="utf-8")
    assert load(root, variables={}, offline="sources").sources["pay"].url == "${vault:pay#URL}"


def test_a_variable_that_is_set_is_taken(root: Path) -> None:
    crm = load(root, variables={"EXPORTS": "data"}, offline="sources").sources["crm"]
    assert isinstance(crm, CsvSource) and crm.path == "data"


def test_settings_of_a_store_may_go_with_a_path_that_nobody_knows(root: Path) -> None:
    path = root / "sources" / "crm.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "storage: {region: eu-west-1}\n", encoding="utf-8")
    load(root, variables={}, offline="sources")
    with pytest.raises(ProjectError, match="`storage` needs a `path`"):
        load(root, variables=DATA)


@pytest.mark.parametrize("kind", plugins.names("sources"))
def test_every_connector_says_what_only_landing_reads(kind: str) -> None:
    model = plugins.load("sources", kind)
    assert model.for_landing and model.for_landing <= set(model.model_fields) - {"source", "type", "tables"}
