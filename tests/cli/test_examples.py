"""The small example is whole: it runs where it is made, without a server or a variable."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from potable.cli import output
from potable.cli.app import cli
from potable.project import load


def call(*arguments: str) -> str:
    done = CliRunner().invoke(cli, arguments, env={"POTABLE_NO_COLOR": "1"}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_table_in_which_nobody_can_be_known_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    call("init", "--example", "churn", str(folder))
    assert "belong to nobody" not in call("-C", str(folder), "check")
    table = "countries: {files: customers.csv, columns: {country: {category: user.contact.address.country}}}"
    (folder / "sources" / "more.yaml").write_text(f"source: more\ntype: csv\npath: data\ntables:\n  {table}\n")
    assert "no column of `more.countries` is a `key`" in call("-C", str(folder), "check")
    assert json.loads(call("-C", str(folder), "check", "-o", "json"))["tables_of_nobody"] == ["more.countries"]


def test_windows_that_begin_before_coverage_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    call("init", "--example", "churn", str(folder))
    assert "coverage" not in call("-C", str(folder), "check")
    features = folder / "features.yaml"
    features.write_text(features.read_text("utf-8").replace("between: [2022-01-01", "between: [2021-04-01"), "utf-8")
    told = call("-C", str(folder), "check")
    assert (
        "`tickets_6mo`, `urgent_6mo`: at as-of dates before 2021-07-31 the window begins before the `coverage` of "
        "`desk.tickets` (2021-01-01); no record is null there, not zero, though one record counts. "
    ) in told
    names = json.loads(call("-C", str(folder), "check", "-o", "json"))["features_before_coverage"]
    assert names == ["tickets_6mo", "urgent_6mo"]


def test_a_label_that_a_row_may_lack_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    call("init", "--example", "churn", str(folder))
    assert "the last label" not in call("-C", str(folder), "check")
    features = folder / "features.yaml"
    label = "any() in next 3mo from crm.cancellations | words(true='Left', false='Stayed')"
    assert label in features.read_text("utf-8")
    when = "latest(reason) in next 3mo from crm.cancellations"
    for other, told in ((when, True), (f"{when} else 'price'", False)):
        features.write_text(features.read_text("utf-8").replace(label, other), "utf-8")
        assert (
            "`churn`, the last label, is null where somebody has no record" in call("-C", str(folder), "check")
        ) is told
        label = other


def test_the_small_example_runs_from_its_own_folder(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    assert f"next: potable -C {folder} check" in call("init", "--example", "churn", str(folder))
    assert call("-C", str(folder), "test") == "crm.subscriptions: 1 of 1 test holds\n"
    summary = json.loads(call("-C", str(folder), "run", "-o", "json"))
    assert summary["outcome"] == "published"
    project = load(folder)
    version = project.lake().versions("customer_churn").last()[1]
    assert version
    text = project.lake().open.get(version["files"]["csv"]).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len({row["customer_id"] for row in rows}) == len(rows) > 200
    assert {row["churn"] for row in rows} == {"Left", "Stayed"}
    with (folder / "data" / "customers.csv").open(encoding="utf-8") as file:
        for customer in csv.DictReader(file):
            assert not any(customer[name] in text for name in ("customer_id", "first_name", "email"))

    # an export that failed half-way leaves a file with a header and nothing else
    file = folder / "data" / "subscriptions.csv"
    file.write_text(file.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    emptied = CliRunner().invoke(cli, ["-C", str(folder), "run"], env={"POTABLE_NO_COLOR": "1"}, catch_exceptions=False)
    assert emptied.exit_code == 1 and "`crm.subscriptions` breaks `health: volume`" in emptied.output
    assert project.lake().versions("customer_churn").last()[1] == version
    (report,) = [line.split()[-1] for line in emptied.output.splitlines() if line.strip().startswith("report ")]
    assert "no usable rows" in Path(report).read_text(encoding="utf-8")


def test_what_k_anonymity_empties_stands_in_no_other_column(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    call("init", "--example", "churn", str(folder))
    for name, old, new in (
        (
            "features.yaml",
            "    country: value(country)",
            "    country: value(country)\n    german: value(country = 'DE')",
        ),
        ("features.yaml", "  derived:", "  derived:\n    old: age = '>=60'\n    known: not (country is null)"),
        ("privacy.yaml", "k: 5", "k: 30"),
    ):
        text = (folder / name).read_text("utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new), "utf-8")
    call("-C", str(folder), "run")
    files = json.loads(call("-C", str(folder), "show", "-o", "json"))["files"]
    rows = list(csv.DictReader(io.StringIO(Path(files["csv"]).read_text("utf-8"))))
    emptied = [row for row in rows if not row["country"] and not row["age"]]
    assert 30 <= len(emptied) < len(rows)
    assert not any(row[name] for row in emptied for name in ("german", "old", "known"))
    assert all(row["german"] and row["known"] for row in rows if row["country"])
    assert "made of the same source columns: `german`, `old`, `known`" in Path(files["card"]).read_text("utf-8")


def test_a_run_that_may_use_more_than_its_container_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    call("init", "--example", "churn", str(folder))
    for limit, told in ((64 << 30, False), (512 << 20, True)):
        monkeypatch.setattr(output, "memory_limit", lambda limit=limit: limit)
        done = CliRunner().invoke(cli, ["-C", str(folder), "run", "--only", "ingest"])
        assert done.exit_code == 0 and ("512 MB its container may use" in done.stderr) == told


def test_data_engineering_begins_alone_with_an_empty_project(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    told = call("init", str(folder))
    assert "privacy.yaml (infosec), features.yaml (data science)" in told
    assert [path.name for path in folder.rglob("*.yaml")] == ["potable.yaml"] and (folder / "sources").is_dir()
    here = f"potable -C {folder} "
    steps = [line.strip().removeprefix(here).split("   #")[0] for line in told.splitlines() if here in line]
    assert steps == ["source discover NAME --write", "check", "run --only ingest", "run --only validate"]
    file = folder / "sources" / "desk.yaml"
    first = told.split("for example\n")[1].split("then:")[0]
    first = first.replace("NAME", "desk").replace("/data/exports", str(tmp_path))
    file.write_text(textwrap.dedent(first), encoding="utf-8")
    (tmp_path / "people-1.csv").write_text("email,hours\na@b.example,2\nc@d.example,3\n", encoding="utf-8")
    call("-C", str(folder), *steps[0].replace("NAME", "desk").split())
    text = file.read_text(encoding="utf-8")
    assert "hours: {type: integer}" in text
    file.write_text(text.replace("type: integer", "type: integer, category: user.behavior"), encoding="utf-8")
    assert "not written yet: privacy.yaml" in call("-C", str(folder), *steps[1].split())
    for step in steps[2:]:
        assert "mine: done, no version was published" in call("-C", str(folder), *step.split())


def test_features_that_were_taken_away_are_built_again(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    call("init", "--example", "churn", str(folder))
    call("-C", str(folder), "run", "-o", "json")
    for file in (folder / "lake" / "open" / "features").rglob("*.parquet"):
        file.unlink()
    tickets = folder / "data" / "tickets.ndjson"
    last = tickets.read_text(encoding="utf-8").splitlines()[-1]
    with tickets.open("a", encoding="utf-8") as more:
        more.write(json.dumps({**json.loads(last), "id": 9_999}) + "\n")
    assert json.loads(call("-C", str(folder), "run", "-o", "json"))["outcome"] == "published"
