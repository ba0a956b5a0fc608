"""A lake and a vault in a bucket: the same dataset, the same guarantees."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.runs.conftest import Bench, Company, make_bench, make_small

from potable.cli.versions import got
from potable.errors import ProjectErrors
from potable.store.objects import Store


def moved(bench: Bench, url: str) -> Bench:
    """The project with its lake and vault under a URL."""
    settings = bench.root / "potable.yaml"
    text = settings.read_text().replace("lake/restricted", f"{url}/restricted").replace("lake/open", f"{url}/open")
    settings.write_text(re.sub("^vault: .*$", f"vault: {url}/vault", text, flags=re.MULTILINE))
    return bench


def copied(folder: Path, url: str) -> None:
    """What lies in a local folder, laid under a URL."""
    here, there = Store(str(folder)), Store(url)
    for path in here.list(""):
        there.put(path, [here.get(path)])


def test_a_small_dataset_in_a_bucket_has_the_same_bytes(
    finished_small: Bench, object_store: str, tmp_path: Path
) -> None:
    stays_in_a_bucket(finished_small, make_small(tmp_path / "far"), f"{object_store}/small")


@pytest.mark.long
def test_the_dataset_in_a_bucket_has_the_same_bytes(
    published: Bench, company: Company, any_store: str, tmp_path: Path
) -> None:
    """More tables, kinds of sources and texts than the small one has."""
    stays_in_a_bucket(published, make_bench(company, tmp_path / "far"), any_store)


def stays_in_a_bucket(near: Bench, far: Bench, url: str) -> None:
    """What was published from local folders is published with everything under a URL, in the same bytes."""
    bench = moved(far, url)
    copied(near.root / "vault", f"{url}/vault")
    record = bench.run()
    assert record.exit_code == 0, record.error
    assert record.dataset and record.dataset.csv.startswith(f"{url}/open/datasets/")
    assert bench.file("csv") == near.file("csv")
    assert bench.file("parquet") == near.file("parquet")
    assert not (bench.root / "lake").exists()
    assert not (bench.root / "vault").exists()
    assert bench.run().outcome == "nothing new"
    copies = got(bench.project(), bench.root / "copies", None, None)[0]["files"]
    assert Path(copies["csv"]).read_bytes() == near.file("csv")
    assert Path(copies["parquet"]).read_bytes() == near.file("parquet")


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_a_store_that_is_not_known_is_refused(company: Company, tmp_path: Path, engine: str) -> None:
    bench = moved(make_bench(company, tmp_path / "project", engine=engine), "ftp://lake")
    with pytest.raises(ProjectErrors) as caught:
        bench.project()
    assert [error.code for error in caught.value.errors] == ["P040"] * 3
    assert {error.allowed for error in caught.value.errors} == {"a path, file://, s3://, gs://, az://"}
