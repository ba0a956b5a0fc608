"""Who is called otherwise from one day to the next stands by the old name in old texts, which show it neither then nor later."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from tests.conftest import ENGINES

from potable.cli.app import cli
from potable.project import load
from potable.runs import cleaning
from potable.runs.since import FORMER
from potable.store.manifest import Manifest

POLICY = """
purposes: [x]
legal_basis: consent
retention: 1y
rules:
  user.name: {protect: drop}
  user.unique_id: {protect: drop}
  user.contact: {protect: drop}
  free_text: {protect: redact, publish: never}
  none: {protect: keep, publish: allow}
"""
FEATURES = """
dataset: d
subject: student
rows: {from: hr.stays, during: [since, until], as_of: {at: 2024-03-01}}
label: {noted: any() in next 1mo from hr.notes}
features: {hr.notes: {notes: count()}}
"""
SOURCE = """
source: hr
type: csv
path: d
tables:
  people:
    files: people.csv
    roster: student
    columns:
      no: {required: true, key: student_no}
      name: {category: user.name.last}
      home: {category: user.contact.address.street}
  stays:
    files: people.csv
    time: since
    coverage: [2023-01-01, 2024-12-31]
    drift: {new_column: allow}
    columns:
      no: {required: true, key: student_no}
      since: {type: date, required: true, category: none}
      until: {type: date, category: none}
  notes:
    files: notes.csv
    time: day
    coverage: [2023-01-01, 2024-12-31]
    columns:
      no: {required: true, key: student_no}
      day: {type: date, required: true, category: none}
      text: {category: free_text}
"""
PEOPLE = [["S1", "Zwetschke", "Am Anger 5"], ["S2", "Quitte", "Im Winkel 7"], ["S3", "Mispel", "Im Feld 9"]]
NOTES = [["S1", "2024-01-05", "Frau Zwetschke wohnt Am Anger 5"], ["S2", "2024-01-06", "Herr Quitte ist da"]]


class Office:
    def __init__(self, root: Path, engine: str = "duckdb") -> None:
        self.root = root
        (root / "sources").mkdir(parents=True)
        (root / "d").mkdir()
        (root / "potable.yaml").write_text(f"project: office\nengine: {engine}\n")
        for name, text in (("privacy", POLICY), ("features", FEATURES), ("sources/hr", SOURCE)):
            (root / f"{name}.yaml").write_text(text)

    def day(self, people: list[list[str]], notes: list[list[str]], *options: str) -> list[str]:
        """A run; the texts it shows."""
        rows = [",".join(["no,name,home,since,until"])] + [",".join([*row, "2023-02-01", ""]) for row in people]
        (self.root / "d" / "people.csv").write_text("\n".join(rows) + "\n")
        (self.root / "d" / "notes.csv").write_text("\n".join(["no,day,text", *map(",".join, notes)]) + "\n")
        told = CliRunner().invoke(cli, ["-C", str(self.root), "run", *options], catch_exceptions=False)
        assert told.exit_code == 0, told.output
        return self.shown()

    def fingerprints(self) -> set[str]:
        """Of the steps that collected identifiers."""
        return {path.parent.name for path in (self.root / "vault/vault/identifiers").glob("*/manifest.json")}

    def shown(self) -> list[str]:
        """The texts of the step of protect that the newest run made or found."""
        opened = self.root / "lake/open"
        steps = json.loads(max((opened / "runs").glob("*.json")).read_text())["steps"]
        (step,) = (each["fingerprint"] for each in steps if each["step"] == "protect hr.notes")
        made = Manifest.from_bytes((opened / "protected/hr.notes" / step / "manifest.json").read_bytes())
        found = [
            pq.read_table(opened / file.path, partitioning=None)["text"].to_pylist() for file in made.files["rows"]
        ]
        return sorted(text for texts in found for text in texts)


@pytest.mark.long_on_spark
@pytest.mark.parametrize("engine", ENGINES)
def test_a_name_that_was_changed_in_place_is_shown_in_no_text(tmp_path: Path, engine: str) -> None:
    office = Office(tmp_path / "office", engine)
    redacted = ["Frau [NAME] wohnt [ADDRESS]", "Herr [NAME] ist da"]
    assert office.day(PEOPLE, NOTES) == redacted
    people = [["S1", "Neumann", "Ringweg 1"], ["S2", "Quitte", "Im Winkel 7"], PEOPLE[2]]
    notes = [*NOTES, ["S1", "2024-02-01", "Zwetschke heisst jetzt Neumann"]]
    assert office.day(people, notes) == [*redacted, "[NAME] heisst jetzt [NAME]"]
    # of who is struck off the list no record is protected, but others tell of him
    told = [*notes, ["S1", "2024-02-02", "Zwetschke ging"], ["S3", "2024-02-03", "sah Im Winkel 7 niemand"]]
    after = office.day([people[0], people[2]], told)
    assert after == sorted(
        ["Frau [NAME] wohnt [ADDRESS]", "[NAME] heisst jetzt [NAME]", "[NAME] ging", "sah [ADDRESS] niemand"]
    )
    assert office.day([people[0], people[2]], told, "--full-refresh") == after


def test_a_project_that_is_called_otherwise_forgets_nothing(tmp_path: Path) -> None:
    office = Office(tmp_path / "office")
    settings, text = office.root / "potable.yaml", [["S1", "2024-02-01", "Zwetschke war Neumann war Alt war Jung"]]
    office.day(PEOPLE, text)
    for project, name, shown in (
        ("bureau", "Neumann", "[NAME] war [NAME] war Alt war Jung"),
        ("agency", "Alt", "[NAME] war [NAME] war [NAME] war Jung"),
        ("board", "Jung", "[NAME] war [NAME] war [NAME] war [NAME]"),
    ):
        settings.write_text(f"project: {project}\nengine: duckdb\n")
        assert office.day([["S1", name, "Ringweg 1"], *PEOPLE[1:]], text) == [shown]


def test_other_rules_of_protect_forget_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    office = Office(tmp_path / "office")
    office.day(PEOPLE, NOTES)
    from potable.runs import plan

    monkeypatch.setattr(plan, "code", lambda package, known=plan.code: known(package) + "-newer")
    people = [["S1", "Neumann", "Ringweg 1"], *PEOPLE[1:]]
    assert office.day(people, NOTES) == ["Frau [NAME] wohnt [ADDRESS]", "Herr [NAME] ist da"]


def test_former_names_stand_beside_those_that_came(tmp_path: Path) -> None:
    """What was lost once is written down once, and is taken back where somebody is called so again."""
    office = Office(tmp_path / "office")
    office.day(PEOPLE, NOTES)
    people = [["S1", "Neumann", "Ringweg 1"], *PEOPLE[1:]]
    vault = office.root / "vault/vault/identifiers"
    office.day(people, NOTES)
    lost = set(vault.rglob("former/*.parquet"))
    assert lost
    for number in (1, 2):
        people = [*people, [f"S{number + 5}", f"Birne{'e' * number}", f"Weg {number}0"]]
        assert (
            office.day(people, [*NOTES, ["S1", f"2024-02-0{number}", f"Zwetschke {number}"]])[-1] == f"[NAME] {number}"
        )
        assert set(vault.rglob("former/*.parquet")) == lost
    again = [["S1", "Zwetschke", "Ringweg 1"], *people[1:]]
    assert office.day(again, NOTES) == ["Frau [NAME] wohnt [ADDRESS]", "Herr [NAME] ist da"]
    newest = max(vault.rglob("manifest.json"), key=lambda path: path.stat().st_mtime_ns)
    made = Manifest.from_bytes(newest.read_bytes())
    found = [row for path in made.files[FORMER] for row in pq.read_table(office.root / "vault" / path.path).to_pylist()]
    assert {row["value"] for row in found} == {"Am Anger 5", "Neumann"}


def test_projects_that_share_a_vault_know_their_own_people_only(tmp_path: Path) -> None:
    """What the tables of one hold is not what the other has lost."""
    shared = tmp_path / "vault"
    offices = [Office(tmp_path / name) for name in ("one", "two")]
    for number, office in enumerate(offices):
        (office.root / "potable.yaml").write_text(f"project: office {number}\nvault: {shared}\n")
    assert offices[0].day(PEOPLE, NOTES)[0] == "Frau [NAME] wohnt [ADDRESS]"
    others = [["T77", "Birne", "Weg 1"]]
    assert (
        offices[1].day(others, [["T77", "2024-01-05", "Zwetschke wohnt Am Anger 5"]])[0] == "Zwetschke wohnt Am Anger 5"
    )
    assert offices[0].day([["S1", "Neumann", "Ringweg 1"], *PEOPLE[1:]], NOTES)[0] == "Frau [NAME] wohnt [ADDRESS]"


def test_a_cleaning_forgets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where the code is another one and no record of a run tells what was used."""
    from potable.runs import plan

    office = Office(tmp_path / "office")
    office.day(PEOPLE, NOTES)
    people = [["S1", "Neumann", "Ringweg 1"], *PEOPLE[1:]]
    office.day(people, NOTES)
    for number in (1, 2):
        monkeypatch.setattr(plan, "code", lambda package, known=plan.code: known(package) + "-newer")
        for record in (office.root / "lake/open/runs").glob("*.json"):
            record.unlink()
        project = load(office.root)
        found = cleaning.found([project], datetime.now(UTC) + timedelta(days=1), None)
        cleaning.clean(found, "to make room")
        told = [*NOTES, ["S1", f"2024-02-0{number}", f"Zwetschke {number}"]]
        assert office.day([*people, [f"S{number + 3}", "Birne", "Weg 1"]], told)[-1] == f"[NAME] {number}"


def test_what_a_contract_calls_no_name_any_more_is_none(tmp_path: Path) -> None:
    office = Office(tmp_path / "office")
    office.day(PEOPLE, NOTES)
    people = [["S1", "Neumann", "Ringweg 1"], *PEOPLE[1:]]
    office.day(people, NOTES)

    def says(column: str) -> list[str]:
        (office.root / "sources" / "hr.yaml").write_text(SOURCE.replace("name: {category: user.name.last}", column))
        return office.day(people, NOTES)

    there = "Herr [NAME] ist da"
    assert says("name: {category: user.name.last, null_values: [Mispel]}") == ["Frau [NAME] wohnt [ADDRESS]", there]
    assert says("name: {category: user.name.last, null_values: [Zwetschke]}") == [
        "Frau Zwetschke wohnt [ADDRESS]",
        there,
    ]
    # what is no name now was none before
    assert says("name: {category: none}") == ["Frau Zwetschke wohnt [ADDRESS]", "Herr Quitte ist da"]


def test_where_everything_is_as_it_was_before_a_name_became_known_it_stays_hidden(tmp_path: Path) -> None:
    """The step of those days is there, and knows less than what was collected since."""
    office = Office(tmp_path / "office")
    shown = ["Frau [NAME] wohnt [ADDRESS]", "Herr Quitte ist da"]
    stays = [*PEOPLE[::2], ["S2", "", ""]]
    assert office.day(stays, NOTES) == shown
    hidden = [shown[0], "Herr [NAME] ist da"]
    assert office.day(PEOPLE, NOTES) == hidden
    assert office.day(stays, NOTES) == hidden
    # and is made once
    fingerprints = office.fingerprints()
    assert office.day(PEOPLE, NOTES) == office.day(stays, NOTES) == hidden
    assert office.fingerprints() == fingerprints
    assert office.day(stays, NOTES, "--full-refresh") == hidden


TOPICS = """
  forms:
    files: forms.csv
    time: day
    coverage: [2023-01-01, 2024-12-31]
    columns:
      no: {required: true, key: student_no}
      day: {type: date, required: true, category: none}
      form: {type: integer, category: none}
      topic: {category: none}
"""
SHOWN_TOPICS = FEATURES.replace(
    "features: {hr.notes: {notes: count()}}",
    "features: {hr.notes: {notes: count()}, hr.forms: {form: latest(form), topic: latest(topic)}}",
)


def with_topics(root: Path, engine: str, forms: list[list[str]]) -> Office:
    office = Office(root, engine)
    (root / "sources/hr.yaml").write_text(SOURCE + TOPICS)
    (root / "features.yaml").write_text(SHOWN_TOPICS)
    (root / "d/forms.csv").write_text("\n".join(["no,day,form,topic", *map(",".join, forms)]) + "\n")
    return office


def refused(office: Office) -> str:
    told = CliRunner().invoke(cli, ["-C", str(office.root), "run"], catch_exceptions=False)
    assert told.exit_code == 4, told.output
    return told.output


CASES = [
    ("Am Anger 5", "42", "Am Anger 5", "topic: address, former address"),
    ("AB-778899", "42", "AB778899", "topic: former address"),
    ("987654321", "987654321", "rent", "form: 1 number"),
]


@pytest.mark.long_on_spark
@pytest.mark.parametrize(
    ("home", "form", "topic", "found", "engine"),
    [
        *((*case, "duckdb") for case in CASES[::2]),
        pytest.param(*CASES[1], "duckdb", marks=pytest.mark.long),
        pytest.param(*CASES[-1], "spark", marks=pytest.mark.spark),
    ],
)
def test_a_former_identifier_is_published_as_little_as_one_of_today(
    tmp_path: Path, engine: str, home: str, form: str, topic: str, found: str
) -> None:
    """And where it was a mistake, whoever declares the column takes it back."""
    office = with_topics(tmp_path / "office", engine, [[name, "2024-02-03", "41", "rent"] for name, *_ in PEOPLE])
    if "Anger" not in home:
        text = (office.root / "sources/hr.yaml").read_text()
        (office.root / "sources/hr.yaml").write_text(text.replace("user.contact.address.street", "user.unique_id"))
        found = found.replace("address", "id")
    office.day([["S1", "Zwetschke", home], *PEOPLE[1:]], NOTES)
    rows = [["S1", "2024-02-03", form, topic], *([name, "2024-02-03", "41", "rent"] for name, *_ in PEOPLE[1:])]
    people = [["S1", "Zwetschke", "Ringweg 1"], *PEOPLE[1:]]
    office.day(people, NOTES)
    (office.root / "d/forms.csv").write_text("\n".join(["no,day,form,topic", *map(",".join, rows)]) + "\n")
    told = refused(office)
    assert "G001" in told
    assert found in told
    assert "null_values" in told
    assert home not in told.replace("home", "")
    made = (
        "`form` reads `hr.forms.day`, `hr.forms.form`: give"
        if "number" in found
        else "first found: `topic` in forms.csv, record 1"
    )
    assert made in told
    contract = office.root / "sources/hr.yaml"
    contract.write_text(contract.read_text().replace("home: {", f"home: {{null_values: ['{home}'], "))
    office.day(people, NOTES)
    office.day(people, NOTES, "--full-refresh")


@pytest.mark.long_on_spark
@pytest.mark.parametrize("engine", ENGINES)
def test_a_name_that_is_only_spelled_otherwise_is_searched_for_in_what_stands(tmp_path: Path, engine: str) -> None:
    """Texts are redacted alike for both spellings, so nothing was protected again, and nothing searched."""
    office = with_topics(tmp_path / "office", engine, [["S1", "2024-02-03", "41", "Müller"]])
    (office.root / "features.yaml").write_text(FEATURES)
    office.day([["S1", "Mueller", "Am Anger 5"], *PEOPLE[1:]], NOTES)
    people = [["S1", "Müller", "Am Anger 5"], *PEOPLE[1:]]
    with pytest.raises(AssertionError) as told:
        office.day(people, NOTES)
    assert "G001" in str(told.value) and "topic: name" in str(told.value)
    assert "first found: `topic` in forms.csv, record 1; change" in str(told.value)


def test_a_name_that_was_put_together_is_taken_back_by_its_part(tmp_path: Path) -> None:
    """And only where the column names somebody: what is no value elsewhere may be a name."""
    office = Office(tmp_path / "office")
    source = SOURCE.replace("home: {category: user.contact.address.street}", "home: {category: user.name.first}")
    (office.root / "sources/hr.yaml").write_text(source)
    notes = [["S1", "2024-01-05", "Senior Zwetschke kam"], ["S1", "2024-01-06", "Neu Quitte"]]
    office.day([["S1", "Zwetschke", "Senior"], ["S2", "Quitte", "Neu"]], notes)
    now = [["S1", "Zwetschke", "Anna"], ["S2", "Quitte", "Bert"]]
    assert office.day(now, notes) == ["[NAME]", "[NAME] kam"]
    source = source.replace("text: {", "text: {null_values: [Neu], ").replace(
        "home: {", "home: {null_values: [Senior], "
    )
    (office.root / "sources/hr.yaml").write_text(source)
    assert office.day(now, notes) == ["Senior [NAME] kam", "[NAME]"]
