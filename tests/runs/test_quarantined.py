"""`potable quarantine`: what is held back, where it came from, and that replay takes back exactly what is mended."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.runs.conftest import Bench
from tests.runs.test_layers import NOTES, VARIABLES, notes_project

from potable.cli.app import main
from potable.privacy.protect import PLACES
from potable.project import load
from potable.runs import quarantined

Call = Callable[..., tuple[int, str, str]]
DUMP = """\
emp_no,day,seen,amount,level
E1,2020-01-31,,1,0
Kofi Ünal,2020-02-30,,7,0
,2020-01-31,,1,0
E3,2020-01-31,,-1,2
E4,2020-01-31,,1,many
E5,2020-01-31,,1,0,0
"""


def command(root: Path, *arguments: str) -> int:
    """The command on a project; its exit code."""
    try:
        main(["-C", str(root), *arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture(scope="module")
def validated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with one small table of its own, landed and validated."""
    root = tmp_path_factory.mktemp("quarantined") / "project"
    notes_project(root, NOTES.replace(", mostly: 0.4", ""))
    (root / "notes").mkdir()
    (root / "notes" / "n.csv").write_text(DUMP, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in VARIABLES.items():
            patch.setenv(name, value)
        assert [command(root, "run", "--only", verb, "--select", "notes") for verb in ("ingest", "validate")] == [0, 0]
        yield root


@pytest.fixture
def notes(validated: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(validated, tmp_path / "project")


@pytest.fixture
def call(notes: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """The command on the copy: exit code, stdout, stderr."""
    return lambda *arguments: (command(notes, *arguments), *capsys.readouterr())


def facts(result: tuple[int, str, str]) -> Any:
    assert result[0] == 0, result[2]
    return json.loads(result[1])


def edit(notes: Path, old: str, new: str) -> None:
    path = notes / "sources" / "notes.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_list_counts_rows_by_reason(call: Call, notes: Path) -> None:
    (found,) = facts(call("quarantine", "list", "notes.notes", "-o", "json"))
    assert (found["quarantined"], found["rows_in"], found["cells_nulled"], found["current"]) == (4, 6, 1, True)
    assert found["reasons"] == {"mistyped": 2, "missing:emp_no": 1, "be_between:amount": 1}
    assert sum(found["mistyped"].values()) == 2 and found["mistyped"]["day"]
    text = call("quarantine", "list")[1]
    assert "2 mistyped (" in text and "day 1" in text, "the column is what one looks for"
    assert "not validated yet" in text and "notes.notes" in text
    assert text.endswith(f"\nnext: potable -C {notes} quarantine show notes.notes\n"), "a command that can be pasted"


def test_show_tells_where_each_record_stands_and_no_value(call: Call) -> None:
    found = facts(call("quarantine", "show", "notes.notes", "-o", "json"))
    assert [(item["object"], item["record"], item["batch"]) for item in found] == [
        ("a.csv", n, 1) for n in (2, 3, 4, 6)
    ]
    assert found[0]["reasons"] == ["mistyped:day"] and found[0]["first_seen"]
    assert found[0]["values"]["emp_no"] == "Aaaa Aaaa" and found[0]["values"]["day"] == "2020-02-30"
    assert [item["reasons"] for item in found[1:3]] == [["missing:emp_no"], ["be_between:amount"]]
    everything = "".join(
        part for args in ([], ["-o", "json"]) for part in call("quarantine", "show", "notes.notes", *args)[1:]
    )
    assert "Kofi" not in everything and "E3" not in everything


def test_show_can_be_asked_for_one_reason_and_a_few(call: Call) -> None:
    show = ("quarantine", "show", "notes.notes", "-o", "json")
    assert [item["record"] for item in facts(call(*show, "--reason", "mistyped"))] == [2, 6]
    assert [item["record"] for item in facts(call(*show, "--limit", "1"))] == [2]
    told = call(*show[:3], "--reason", "no")[1]
    assert "no row of `notes.notes` is in quarantine for `no`; its reasons: " in told and "mistyped" in told


def test_export_has_the_original_and_is_noted_in_the_audit_log(call: Call, notes: Path) -> None:
    target = notes / "out.ndjson"
    asked = ("quarantine", "export", "notes.notes", "--to", str(target), "--why", "for the owner")
    assert facts(call(*asked, "-o", "json"))["records"] == 4
    lines = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert [line["original"].strip() for line in lines] == [DUMP.splitlines()[n] for n in (2, 3, 4, 6)]
    assert [line["line"] for line in lines] == [3, 4, 5, 7]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    entries = [json.loads(path.read_text()) for path in sorted((notes / "lake/open/audit").iterdir())]
    assert (entries[-1]["what"], entries[-1]["why"]) == ("quarantine export notes.notes", "for the owner")
    assert "Kofi" not in json.dumps(entries, ensure_ascii=False)
    assert call(*asked)[0] == 3
    code, _, err = call("quarantine", "export", "notes.notes", "--to", str(notes / "two"), "--why", " ")
    assert (code, (notes / "two").exists()) == (2, False) and "`--why` is empty" in err
    one = ("quarantine", "export", "notes.notes", "--to", str(notes / "one"), "--why", "w", "--reason", "missing")
    assert call(*one)[1].startswith("1 record of `notes.notes` with its original content is in ")


def test_replay_takes_back_what_a_mended_contract_lets_pass(call: Call, notes: Path) -> None:
    edit(
        notes,
        "min_value: 0}\n      - expect_column_values_to_be_between: {column: level",
        "min_value: -9}\n      - expect_column_values_to_be_between: {column: level",
    )
    (stale,) = facts(call("quarantine", "list", "notes.notes", "-o", "json"))
    assert not stale["current"] and stale["quarantined"] == 4
    assert facts(call("quarantine", "replay", "notes.notes", "-o", "json")) == [
        {"table": "notes.notes", "taken_back": 1, "still": 3, "new": 0}
    ]
    (found,) = facts(call("quarantine", "list", "notes.notes", "-o", "json"))
    assert (found["quarantined"], found["rows_in"], found["current"]) == (3, 6, True)


def test_replay_counts_from_the_last_run_where_a_contract_is_again_what_it_was(call: Call, notes: Path) -> None:
    loose = "min_value: -9}\n      - expect_column_values_to_be_between: {column: level"
    for number, wanted in enumerate(((1, 3, 0), (0, 3, 1), (1, 3, 0), (0, 3, 0))):
        if number < 3:
            old, new = (loose.replace("-9", "0"), loose) if number % 2 == 0 else (loose, loose.replace("-9", "0"))
            edit(notes, old, new)
        (told,) = facts(call("quarantine", "replay", "notes.notes", "-o", "json"))
        assert (told["taken_back"], told["still"], told["new"]) == wanted


def test_replay_leaves_sources_alone_that_were_not_landed_yet(call: Call, notes: Path) -> None:
    other = "source: other\ntype: csv\npath: nowhere\ntables: {t: {columns: {a: {category: none}}}}\n"
    (notes / "sources" / "other.yaml").write_text(other, encoding="utf-8")
    assert [fact["table"] for fact in facts(call("quarantine", "replay", "-o", "json"))] == ["notes.notes"]
    assert call("quarantine", "replay", "other.t")[0] == 3


def test_a_check_of_a_whole_column_that_stops_sends_nobody_to_the_quarantine(call: Call, notes: Path) -> None:
    edit(
        notes,
        "- expect_column_values_to_be_between: {column: level",
        "- expect_column_max_to_be_between: {column: amount, max_value: 0}\n"
        "      - expect_column_values_to_be_between: {column: level",
    )
    code, _, err = call("run", "--only", "validate", "--select", "notes")
    assert code == 1 and "expect_column_max_to_be_between(amount)" in err
    assert f"next:    potable -C {notes} report" in err and "quarantine show" not in err


def test_replaying_again_takes_back_nothing(call: Call) -> None:
    for _ in range(2):
        assert facts(call("quarantine", "replay", "notes.notes", "-o", "json")) == [
            {"table": "notes.notes", "taken_back": 0, "still": 4, "new": 0}
        ]


def test_a_check_that_stops_a_replay_leaves_the_table_and_tells_what_it_found(call: Call, notes: Path) -> None:
    edit(
        notes,
        "min_value: 0}\n      - expect_column_values_to_be_between: {column: level",
        "min_value: 0, mostly: 1}\n      - expect_column_values_to_be_between: {column: level",
    )
    code, out, err = call("quarantine", "replay", "notes.notes")
    assert (code, out) == (1, "") and "D001" in err
    assert json.loads(call("quarantine", "replay", "notes.notes", "-o", "json")[1])["error"]["code"] == "D001"
    assert f"next:    potable -C {notes} quarantine show notes.notes" in err
    (found,) = facts(call("quarantine", "list", "notes.notes", "-o", "json"))
    assert (found["quarantined"], found["current"], found["stopped"]) == (4, True, True)
    shown = facts(call("quarantine", "show", "notes.notes", "--reason", "be_between", "-o", "json"))
    assert [(item["object"], item["record"]) for item in shown] == [("a.csv", 4)]
    runs = sorted((notes / "lake/open/runs").glob("*.json"))
    assert json.loads(runs[-1].read_text())["tables"][0]["reasons"]["be_between:amount"] == 1


def test_more_rows_than_the_table_may_lose_are_told_by_the_name_of_its_limit(call: Call, notes: Path) -> None:
    path = notes / "sources" / "notes.yaml"
    path.write_text(path.read_text().rstrip("\n") + "\n    quarantine: {at_most: 1}\n")
    code, _, err = call("run", "--only", "validate", "--select", "notes")
    assert code == 1 and "`notes.notes` breaks `quarantine: at_most`" in err
    assert "4 of 6 rows go to quarantine; at most 1 may" in err and "or raise the limit" in err


@pytest.mark.parametrize("more", ["severity: warn, at_most: 0", "severity: quarantine, at_most: 0"])
def test_what_stops_says_whether_records_are_in_quarantine_for_it(call: Call, notes: Path, more: str) -> None:
    edit(
        notes,
        "- expect_column_values_to_be_between: {column: level",
        f"- expect_column_values_to_be_between: {{column: amount, max_value: 0, {more}}}\n"
        "      - expect_column_values_to_be_between: {column: level",
    )
    code, _, err = call("run", "--only", "validate", "--select", "notes")
    warns = "warn" in more
    assert code == 1 and "breaks expect_column_values_to_be_between(amount)" in err
    assert ("no record is in quarantine for it" in err, "the failing records are in quarantine" in err) == (
        warns,
        not warns,
    )
    assert ("potable report" in err.replace(f" -C {notes}", "")) == warns


def test_more_rows_than_all_tables_may_lose_stop_a_run_of_all_that_are_selected(call: Call, notes: Path) -> None:
    path = notes / "potable.yaml"
    path.write_text(path.read_text() + "quarantine: {at_most: 3}\n")
    others = [source.stem for source in (notes / "sources").glob("*.yaml") if source.stem != "notes"]
    assert call("run", "--only", "validate", "--select", "notes")[0] == 0
    for source in others:
        (notes / f"sources/{source}.yaml").unlink()
    (notes / "features.yaml").unlink()
    code, _, err = call("run", "--only", "validate", "--select", "notes")
    assert code == 1 and "more rows of all tables together are quarantined" in err


def test_what_was_stopped_is_done_once_it_is_mended(call: Call, notes: Path) -> None:
    path = notes / "sources" / "notes.yaml"
    good = path.read_text()
    path.write_text(
        good.replace(
            "expect_table_row_count_to_be_between: {max_value: 14}", "expect_table_row_count_to_equal: {value: 1}"
        )
    )
    assert call("quarantine", "replay", "notes.notes")[0] == 1
    path.write_text(good)
    (found,) = facts(call("quarantine", "list", "notes.notes", "-o", "json"))
    assert (found["quarantined"], found["current"], found["stopped"]) == (4, True, False)


def test_what_checks_found_is_told_as_great_expectations_does(call: Call, notes: Path) -> None:
    runs = [json.loads(path.read_text()) for path in (notes / "lake/open/runs").glob("*.json")]
    name = next(run["run"] for run in runs if run["tables"])
    (found,) = facts(call("report", name, "--format", "gx"))
    assert (found["suite_name"], found["success"]) == ("notes.notes", False)
    by_column = {entry["expectation_config"]["kwargs"].get("column"): entry["result"] for entry in found["results"]}
    assert by_column["amount"]["unexpected_count"] == 1 and by_column["amount"]["partial_unexpected_list"] == [-1]
    assert found["meta"]["mistyped_rows"] == 2
    assert facts(call("report", name, "-o", "json"))["report"].endswith(f"{name}.html")


def test_records_are_of_what_was_landed_when_they_were_judged(call: Call, notes: Path) -> None:
    def exported(name: str) -> list[dict[str, Any]]:
        assert call("quarantine", "export", "notes.notes", "--to", str(notes / name), "--why", "ticket 7")[0] == 0
        return [json.loads(line) for line in (notes / name).read_text().splitlines()]

    before = exported("before.ndjson")
    shown = facts(call("quarantine", "show", "notes.notes", "-o", "json"))
    (notes / "notes" / "n.csv").write_text(DUMP.replace("E1,2020", "E9,2020-01-31,,1,0\nE1,2020", 1), encoding="utf-8")
    assert call("run", "--only", "ingest", "--select", "notes")[0] == 0
    assert exported("landed.ndjson") == before
    assert facts(call("quarantine", "show", "notes.notes", "-o", "json")) == shown
    assert call("run", "--only", "validate", "--select", "notes")[0] == 0
    after = exported("after.ndjson")
    assert [item["original"] for item in after] == [item["original"] for item in before]
    assert [(item["record"], item["batch"]) for item in after] == [(item["record"] + 1, 2) for item in before]


def test_records_of_an_object_that_is_gone_are_those_it_had(call: Call, notes: Path) -> None:
    project = load(notes, offline=True)
    found = quarantined.held(project, "notes.notes")
    assert found
    log = project.lake().batches("notes")
    entry = {**log.entries()[0], "objects": [], "gone": ["n.csv"]}
    log.append(entry, parent=1)
    records = list(quarantined.records(project, found))
    assert {(record.batch, bool(record.raw)) for record in records} == {(1, True)}
    texts = [original.data.decode() for _, original in quarantined.originals(project, "notes.notes", records)]
    assert texts[0] == "Kofi Ünal,2020-02-30,,7,0"


def test_what_another_project_in_the_lake_holds_back_is_not_looked_at(call: Call, notes: Path) -> None:
    other = shutil.copytree(notes, notes.parent / "other", ignore=shutil.ignore_patterns("lake"))
    (other / "lake").symlink_to(notes / "lake")
    for file, named in (("potable", "project: attrition"), ("features", "dataset: employee_attrition")):
        text = (other / f"{file}.yaml").read_text()
        assert named in text
        (other / f"{file}.yaml").write_text(text.replace(named, f"{named}_too"))
    edit(other, "amount, min_value: 0", "amount, min_value: 2")
    assert command(other, "run", "--only", "validate", "--select", "notes") == 0
    (notes / "notes" / "n.csv").write_text(f"{DUMP}E6,2020-01-31,,1,0\n", encoding="utf-8")
    assert call("run", "--only", "ingest", "--select", "notes")[0] == 0
    (found,) = facts(call("quarantine", "list", "notes.notes", "-o", "json"))
    assert (found["quarantined"], found["current"]) == (4, False)


def test_the_report_is_of_the_newest_run_of_the_project(call: Call, notes: Path) -> None:
    other = shutil.copytree(notes, notes.parent / "other", ignore=shutil.ignore_patterns("lake"))
    (other / "lake").symlink_to(notes / "lake")
    for file, named in (("potable", "project: attrition"), ("features", "dataset: employee_attrition")):
        (other / f"{file}.yaml").write_text((other / f"{file}.yaml").read_text().replace(named, f"{named}_too"))
    ours = facts(call("report", "-o", "json"))["run"]
    assert command(other, "run", "--only", "validate", "--select", "notes") == 0
    call("check")
    assert facts(call("report", "-o", "json"))["run"] == ours
    newest = sorted(path.stem for path in (notes / "lake" / "open" / "runs").glob("*.json"))[-1]
    assert newest != ours
    assert facts(call("report", newest, "-o", "json"))["run"] == newest


def test_unknown_and_unvalidated_tables_are_told(call: Call) -> None:
    assert call("quarantine", "show", "notes.note")[0] == 2
    code, _, err = call("quarantine", "show", "hrms.people")
    assert code == 3 and "has not been validated yet" in err


def test_rows_about_nobody_are_listed_and_shown(
    published: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in published.company.variables.items():
        monkeypatch.setenv(name, value)
    main(["-C", str(published.root), "quarantine", "list", "-o", "json"])
    found = {item["table"]: item for item in json.loads(capsys.readouterr().out)}
    name = next(name for name, item in found.items() if item["nobody"])
    main(
        [
            "-C",
            str(published.root),
            "quarantine",
            "show",
            name,
            "--reason",
            "belongs_to_nobody",
            "--limit",
            "9999",
            "-o",
            "json",
        ]
    )
    shown = json.loads(capsys.readouterr().out)
    assert len(shown) == found[name]["nobody"]
    assert all(item["reasons"] == ["belongs_to_nobody"] and item["batch"] for item in shown)


def test_rows_about_nobody_that_break_the_contract_by_now_count_once(
    notes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # what the last protect found: one row that breaks the contract since, and one that does not
    places = [{"_object": "n.csv", "_row": row, "reason": "belongs_to_nobody"} for row in (1, 2)]
    pq.write_table(pa.Table.from_pylist(places, schema=PLACES), notes / "nobody.parquet")
    protected = SimpleNamespace(counts={"quarantined": 2}, facts={"origins": {"validated": "0" * 32}})
    monkeypatch.setattr(quarantined, "_nobody", lambda project, name: protected)
    monkeypatch.setattr(quarantined, "nobody_files", lambda lake, manifest: [str(notes / "nobody.parquet")])
    command(notes, "quarantine", "list", "notes.notes", "-o", "json")
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["quarantined"], found["nobody"]) == (4, 1)
    command(notes, "quarantine", "show", "notes.notes", "-o", "json")
    assert [item["record"] for item in json.loads(capsys.readouterr().out)] == [1, 2, 3, 4, 6]
