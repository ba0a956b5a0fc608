"""`potable diff` as it is typed: two versions of the small example."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.runs.conftest import small_once

from potable.cli.app import cli
from potable.errors import Damaged, EnvironmentFailure, ProjectError


def call(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["-C", str(folder), *arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small example, published; then one feature redefined, one renamed, rows chosen otherwise."""
    folder = tmp_path_factory.mktemp("compared") / "mine"
    shutil.copytree(small_once(tmp_path_factory).root, folder)
    with pytest.raises(EnvironmentFailure, match="fewer than two versions"):
        call(folder, "diff")
    features = folder / "features.yaml"
    text = features.read_text("utf-8")
    for old, new in (
        ("urgent_6mo: count() in 6mo", "urgent_3mo: count() in 3mo"),
        ("tickets_6mo: count() in 6mo", "tickets_6mo: count() in 5mo"),
        ("tenure_days >= 30", "tenure_days >= 400"),
    ):
        assert old in text
        text = text.replace(old, new)
    features.write_text(text, "utf-8")
    assert call(folder, "run").exit_code == 0
    return folder


def test_what_was_changed_is_told_and_counted(folder: Path) -> None:
    facts = json.loads(call(folder, "diff", "-o", "json").output)
    assert (facts["dataset"], facts["versions"]) == ("customer_churn", [1, 2])
    assert facts["columns"] == {
        "added": ["urgent_3mo"], "removed": ["urgent_6mo"], "redefined": ["tickets_6mo"], "retyped": []
    }  # fmt: skip
    assert facts["rows"][0] - facts["went"] + facts["came"] == facts["rows"][1] == facts["shared"] + facts["came"]
    assert facts["cells"]["tickets_6mo"] and facts["went"] and facts["lineage"] == ["features"]
    assert sum(facts["label"][1]["values"].values()) == facts["rows"][1]


def test_the_text_names_versions_definitions_and_shares(folder: Path) -> None:
    text = call(folder, "diff", "customer_churn", "--from", "1", "--to", "2").output
    assert text.startswith("customer_churn version 1 → 2\n  rows     ")
    assert "  columns  added urgent_3mo; removed urgent_6mo; redefined tickets_6mo\n" in text
    assert "count() in 6mo → count() in 5mo" in text and "label    churn: Stayed" in text
    assert "  made of  other features\n" in text
    itself = call(folder, "diff", "--from", "2", "--to", "2").output
    assert "  columns " not in itself and "  made of " not in itself


def test_why_there_is_a_version_with_the_same_bytes_is_told(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    with (copy / "data/customers.csv").open("a", encoding="utf-8") as file:
        file.write("C9,Ada,Ng,ada.ng@mail.example,1970-01-01,DE\n")
    assert call(copy, "run").exit_code == 0
    text = call(copy, "diff").output
    assert "  made of  other input crm\n" in text and "difference; the CSV is the same, byte for byte\n" in text


def test_a_version_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(ProjectError, match="version 7: there is no such version") as failure:
        call(folder, "diff", "--to", "7")
    assert failure.value.allowed == "1, 2"


def test_any_version_is_shown_and_the_others_are_named(folder: Path) -> None:
    old, new = (json.loads(call(folder, "show", "--version", each, "-o", "json").output) for each in ("1", "2"))
    assert json.loads(call(folder, "show", "-o", "json").output) == new
    assert [each["version"] for each in old["versions"]] == [1, 2] and old["versions"] == new["versions"]
    assert [each["rows"] for each in old["versions"]] == [old["rows"], new["rows"]]
    assert "urgent_6mo" in old["columns"] and "urgent_3mo" in new["columns"]
    text = call(folder, "show", "--version", "1").output
    assert text.startswith("customer_churn version 1: ") and f"\nversion 2: {new['rows']:,} rows, " in text
    with pytest.raises(ProjectError, match="version 3: there is no such version"):
        call(folder, "show", "--version", "3")


def test_a_version_is_copied_as_it_was_published(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "work" / "data"
    for arguments, number in ((["--version", "1"], 1), ([], 2), (["customer_churn"], 2)):
        facts = json.loads(call(folder, "get", str(data), *arguments, "-o", "json").output)
        shown = json.loads(call(folder, "show", "--version", str(number), "-o", "json").output)
        assert (facts["version"], facts["rows"], facts["sha256"]) == (number, shown["rows"], shown["sha256"])
        for kind, place in facts["files"].items():
            assert Path(place).read_bytes() == Path(shown["files"][kind]).read_bytes()
            assert hashlib.sha256(Path(place).read_bytes()).hexdigest() == facts["sha256"][kind]
    names = [f"customer_churn{ending}" for ending in (".csv", ".md", ".parquet")]
    assert sorted(path.name for path in data.iterdir()) == names
    assert str(data / "customer_churn.csv") in call(folder, "get", str(data)).output


@pytest.mark.parametrize("damage", [lambda data: data[:-1] + b"x", lambda data: data[:-100], None])
def test_what_is_not_as_it_was_published_is_not_copied(
    folder: Path, tmp_path: Path, damage: Callable[[bytes], bytes] | None
) -> None:
    there = tmp_path / "there"
    shutil.copytree(folder, there)
    before = {tmp_path / f"customer_churn.{ending}": ending.encode() for ending in ("csv", "parquet", "md")}
    for path, data in before.items():
        path.write_bytes(data)
    place = Path(json.loads(call(there, "show", "-o", "json").output)["files"]["parquet"])
    data = place.read_bytes()
    place.unlink()
    if damage:
        place.write_bytes(damage(data))
    with pytest.raises(Damaged, match=r"customer_churn[.]parquet` is damaged or missing"):
        call(there, "get", str(tmp_path))
    assert {path: path.read_bytes() for path in before} == before
    assert not list(tmp_path.glob(".customer*"))


def test_a_folder_that_cannot_be_written_to_is_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(EnvironmentFailure) as failure:
        call(folder, "get", str(tmp_path / "data" / "of"))
    assert failure.value.code == "E004"
    (tmp_path / "there" / "customer_churn.csv").mkdir(parents=True)
    with pytest.raises(EnvironmentFailure, match="IsADirectoryError"):
        call(folder, "get", str(tmp_path / "there"))
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["customer_churn.csv"]


def test_a_dataset_of_another_day_is_copied_beside_that_of_today(folder: Path, tmp_path: Path) -> None:
    there, name = tmp_path / "there", "customer_churn@2024-06-30.scoring"
    shutil.copytree(folder, there)
    assert call(there, "run", "--as-of", "2024-06-30", "--scoring").exit_code == 0
    shown = json.loads(call(there, "show", name, "-o", "json").output)
    copied = json.loads(call(there, "get", str(tmp_path / "data"), name, "-o", "json").output)
    assert shown["dataset"] == copied["dataset"] == name and len(shown["versions"]) == copied["version"] == 1
    call(there, "get", str(tmp_path / "data"))
    assert {path.name for path in (tmp_path / "data").glob("*.parquet")} == {
        f"{name}.parquet",
        "customer_churn.parquet",
    }
