"""A lake and a vault on S3: the same dataset, the same guarantees."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.runs.conftest import Bench, Company, make_bench

from potable.errors import ProjectErrors
from potable.store.objects import Store


def elsewhere(company: Company, root: Path, url: str) -> Bench:
    """A project whose lake and vault lie under a URL."""
    bench = make_bench(company, root)
    settings = root / "potable.yaml"
    text = settings.read_text().replace("lake/restricted", f"{url}/restricted").replace("lake/open", f"{url}/open")
    settings.write_text(text.replace("vault: vault", f"vault: {url}/vault"))
    return bench


def test_the_dataset_on_s3_has_the_same_bytes(
    published: Bench, company: Company, object_store: str, tmp_path: Path
) -> None:
    bench = elsewhere(company, tmp_path / "s3", object_store)
    vault, copy = Store(str(published.root / "vault")), Store(f"{object_store}/vault")
    for path in vault.list(""):
        copy.put(path, [vault.get(path)])
    record = bench.run()
    assert record.exit_code == 0, record.error
    assert record.dataset and record.dataset.csv.startswith(f"{object_store}/open/datasets/")
    assert bench.file("csv") == published.file("csv")
    assert bench.file("parquet") == published.file("parquet")
    assert not (bench.root / "lake").exists()
    assert not (bench.root / "vault").exists()
    assert bench.run().outcome == "nothing new"


@pytest.mark.parametrize(("url", "engine"), [("ftp://lake", "duckdb"), ("s3://lake", "spark")])
def test_a_store_the_engine_cannot_work_on_is_refused(company: Company, tmp_path: Path, url: str, engine: str) -> None:
    bench = elsewhere(company, tmp_path / "project", url)
    with (bench.root / "potable.yaml").open("a") as settings:
        settings.write(f"engine: {engine}\n")
    with pytest.raises(ProjectErrors) as caught:
        bench.project()
    assert {error.code for error in caught.value.errors} == {"P040"}
