"""What docs/kubernetes lays over a project fits one; `make test-long` runs the rest of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from potable.cli.scaffold import scaffold
from potable.project import load

CHECKOUT = Path(__file__).parents[2]
VARIABLES = {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
    "POD_NAMESPACE": "ml",
    "POD_NAME": "attrition-x",
    "POD_IP": "10.244.0.7",
}


@pytest.mark.parametrize("name", ["cluster", "spark"])
def test_an_overlay_on_the_page_fits_a_project(tmp_path: Path, name: str) -> None:
    shutil.copytree(CHECKOUT / "examples" / "churn", tmp_path / "churn")
    (tmp_path / "churn" / "envs").mkdir()
    shutil.copy(CHECKOUT / "docs" / "kubernetes" / f"{name}.yaml", tmp_path / "churn" / "envs")
    made = load(tmp_path / "churn", environment=name, variables=VARIABLES)
    assert made.platform.engine == {"cluster": "duckdb", "spark": "spark"}[name]
    lake = made.platform.lake
    assert [lake.restricted, lake.open, made.platform.vault] == ["/lake/restricted", "/lake/open", "/lake/vault"]


def test_the_page_names_every_file() -> None:
    page = (CHECKOUT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    assert all(f"(kubernetes/{file.name})" in page for file in (CHECKOUT / "docs" / "kubernetes").iterdir())


def test_no_image_gets_what_a_run_left_in_the_folder_or_its_secrets(tmp_path: Path) -> None:
    scaffold(tmp_path / "p", "churn")
    kept_out = (CHECKOUT / "docs" / "kubernetes" / ".dockerignore").read_text(encoding="utf-8").splitlines()
    ignored = (tmp_path / "p" / ".gitignore").read_text(encoding="utf-8").split()
    assert {f"**/{name.rstrip('/')}" for name in ignored} <= set(kept_out)
