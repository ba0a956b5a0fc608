"""resolve and the identifiers of protect stand on earlier steps, and what comes out is what a whole remake gives.

How resolve finds people beside those who stand is told by tests/identity/test_standing.py.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Examples

from potable.engines.base import Engine, collect
from potable.errors import DataError
from potable.identity.resolve import KEYS
from potable.privacy import roster
from potable.project import Project, load
from potable.runs import since
from potable.runs.memory import PeakMemory
from potable.runs.named import collect_identifiers
from potable.runs.perform import Running, perform
from potable.runs.plan import Step, later_steps
from potable.runs.workshop import Workshop
from potable.sources.ingest import Landing, current, ingest
from potable.store.layout import Lake
from potable.store.log import Log
from potable.store.manifest import File, Manifest, fingerprint

PLATFORM = "project: office\nlake: {restricted: lake/restricted, open: lake/open}\nvault: vault\n"
SOURCE = """
source: hr
type: csv
path: dumps
tables:
  people:
    files: people*
    roster: employee
    columns:
      emp_no: {type: string, required: true, key: emp_no}
      email: {type: string, key: email, category: user.contact.email}
      first_name: {type: string, category: user.name.first}
      last_name: {type: string, category: user.name.last}
  reviews:
    files: reviews*
    columns:
      emp_no: {type: string, key: emp_no}
      email: {type: string, key: email, category: user.contact.email}
      boss: {type: string, someone_else: true, category: user.contact.email}
      rating: {type: integer, category: none, required: true}
    drift: {missing_column: warn}
"""
COLUMNS = {"people": "emp_no,email,first_name,last_name", "reviews": "emp_no,email,boss,rating"}
Files = Mapping[str, Sequence[str]]
"""Rows of each file, as CSV, by its name."""


@dataclass
class Office:
    """A small project, run up to its identifiers again and again."""

    root: Path
    shop: Workshop
    ever: set[str] = field(default_factory=set)
    """What anybody was called on any day."""

    def land(self, files: Files) -> None:
        """Files as they are now; those not among them are gone."""
        (self.root / "dumps").mkdir(exist_ok=True)
        for name, rows in files.items():
            header = COLUMNS[name.rstrip("0123456789")]
            (self.root / "dumps" / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        lake, source = self.shop.lake, self.shop.project.sources["hr"]
        log = lake.batches("hr")
        ingest(source, Landing(lake.restricted, log), base=self.root)
        raw = current(log)
        if gone := sorted(raw.objects.keys() - {f"{name}.csv" for name in files}):
            log.append({"objects": [], "gone": gone}, parent=raw.batch)
            for name in gone:
                (self.root / "dumps" / name).unlink()
        self.shop.landed["hr"] = tuple(current(log).objects.values())

    def run(self, *, again: bool = False) -> tuple[Manifest, Manifest]:
        """The steps of resolve and of the identifiers; made, or proved."""
        running = Running(self.shop, lambda event: None, PeakMemory())
        steps = later_steps(self.shop.project, self.shop.landed, "")
        named = fingerprint([step.fingerprint for step in steps])
        for step in [*steps, Step("protect", "identifiers", named, "vault", rules="code")]:
            perform(running, step, make=True, again=again)
        return self.shop.manifest("resolve", "subjects"), self.shop.manifest("protect", "identifiers")

    def day(self, files: Files) -> tuple[Manifest, Manifest]:
        """A run, proved: both steps are what is made whole."""
        self.land(files)
        resolved, named = self.run()
        assert self.run(again=True) == (resolved, named)
        step, _ = self.shop.done["protect", "identifiers"]
        assert self.told(named) == self.told(self.whole(step))
        self.ever |= self.values(named)
        called = collect(self.shop.engine, since.called(self.shop, named))
        assert set(called["value"].to_pylist()) == self.ever
        return resolved, named

    def whole(self, step: Step) -> Manifest:
        whole = replace(step, rules="", fingerprint=f"{step.fingerprint}-whole")
        return collect_identifiers(self.shop, whole, whole.folder).manifest(whole, whole.folder)

    def told(self, named: Manifest) -> dict[str, Any]:
        """Everything two ways to collect must agree in."""
        vault = self.shop.lake.vault
        index = [vault.get(file.path) for output in ("forms", "beginnings") for file in named.files[output]]
        return {"rows": self.names(named), "index": index, "shape": named.facts["forms"], "counts": named.counts}

    def names(self, named: Manifest) -> list[tuple[Any, ...]]:
        found = collect(self.shop.engine, since.identified(self.shop, named)).to_pylist()
        return sorted((tuple(row.values()) for row in found), key=repr)

    def values(self, named: Manifest) -> set[str]:
        return {row[roster.schema().names.index("value")] for row in self.names(named)}

    def subject(self, resolved: Manifest, value: str) -> str:
        keys = self.shop.engine.read(resolved.paths(self.shop.lake.vault, "keys"), KEYS)
        (found,) = {row["subject"] for row in collect(self.shop.engine, keys).to_pylist() if row["value"] == value}
        return str(found)


def project_of(root: Path, source: str = SOURCE) -> Project:
    (root / "sources").mkdir(parents=True)
    (root / "potable.yaml").write_text(PLATFORM, encoding="utf-8")
    (root / "sources/hr.yaml").write_text(source, encoding="utf-8")
    return load(root, variables={})


def opened(project: Project, engine: Engine, root: Path) -> Office:
    root.mkdir(exist_ok=True)
    lake = Lake.at("lake/restricted", "lake/open", "vault", base=root)
    return Office(root, Workshop(project, lake, engine, root / "scratch", b""))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return project_of(tmp_path_factory.mktemp("office") / "project")


@pytest.fixture
def office(project: Project, engine: Engine, tmp_path: Path) -> Office:
    return opened(project, engine, tmp_path / "office")


FIRST: Files = {
    "people1": ["E1,ann@x.example,Ann,Lee", "E2,bob@x.example,Bob,Low"],
    "reviews1": ["E1,,boss@x.example,3", ",bob@x.example,,4", "E9,eve@x.example,,none"],
}


@pytest.mark.long_on_spark
def test_records_of_known_people_leave_all_files_as_they_are(office: Office) -> None:
    before = office.day(FIRST)
    after = office.day({**FIRST, "reviews2": ["E2,BOB@x.example,,1"], "people2": ["E1,ann@x.example,Ann,Lee"]})
    # an address is told as it was written
    assert [after[0].files["keys"], after[1].rows()] == [before[0].files["keys"], before[1].rows() + 1]
    again = office.day({**FIRST, "reviews2": ["E2,BOB@x.example,,1"], "people2": ["E1,ann@x.example,Ann,Lee", "E2,,,"]})
    assert [again[0].facts["stands_on"], again[1].facts["stands_on"]] == [step.fingerprint for step in after]
    assert again[1].files == after[1].files


@pytest.mark.long_on_spark
def test_a_file_that_is_written_again_and_names_everybody_as_before_lets_all_stand(office: Office) -> None:
    before = office.day(FIRST)
    after = office.day({**FIRST, "people1": [*FIRST["people1"], "E3,cat@x.example,Cat,Orr"]})
    assert [step.facts["stands_on"] for step in after] == [step.fingerprint for step in before]
    assert set(before[1].files["rows"]) < set(after[1].files["rows"])
    assert {"cat@x.example", "Cat Orr"} <= office.values(after[1])


@pytest.mark.long_on_spark
def test_a_name_that_is_not_told_any_more_makes_the_identifiers_whole(office: Office) -> None:
    before = office.day(FIRST)
    resolved, named = office.day({**FIRST, "people1": ["E1,ann@x.example,Joan,Lee", FIRST["people1"][1]]})
    assert resolved.files == before[0].files and not set(named.files["rows"]) & set(before[1].files["rows"])
    assert "Joan" in office.values(named) and "Ann" not in office.values(named)


@pytest.mark.long_on_spark
def test_an_identifier_of_nobody_becomes_that_of_who_is_known_now(office: Office) -> None:
    _, before = office.day(FIRST)
    assert (None, "email", "eve@x.example") in {row[:3] for row in office.names(before)}
    resolved, named = office.day({**FIRST, "people2": ["E9,,Eve,Fox"]})
    eve = office.subject(resolved, "E9")
    assert (eve, "email", "eve@x.example") in {row[:3] for row in office.names(named)}
    assert (None, "email", "eve@x.example") not in {row[:3] for row in office.names(named)}


@pytest.mark.long_on_spark
def test_keys_that_came_one_day_after_the_other_are_found_beside_those_that_stand(office: Office) -> None:
    first, _ = office.day(FIRST)
    files = {**FIRST, "people2": ["E3,cat@x.example,Cat,Orr"]}
    office.land(files)
    # of this day only resolve is made, so that the identifiers of the next stand on those of the first
    for step in later_steps(office.shop.project, office.shop.landed, ""):
        perform(Running(office.shop, lambda event: None, PeakMemory()), step, make=True, again=False)
    third, named = office.day({**files, "people3": ["E4,,Dan,Ash"], "reviews2": ["E4,,cat@x.example,1"]})
    assert len(third.files["keys"]) == 3 and third.files["keys"][:1] == first.files["keys"]
    assert {"Dan Ash", "Cat Orr"} <= office.values(named)


@pytest.mark.long_on_spark
def test_identifiers_of_two_people_that_become_one_are_one_persons(office: Office) -> None:
    office.day(FIRST)
    resolved, named = office.day({**FIRST, "reviews2": ["E1,bob@x.example,,2"]})
    assert resolved.counts["merged"] == 1 and resolved.facts["stands_on"]
    assert {row[0] for row in office.names(named) if row[2] in ("Ann", "Bob")} == {office.subject(resolved, "E1")}


@pytest.mark.long_on_spark
def test_a_key_that_many_had_and_only_some_have_is_theirs_again(office: Office) -> None:
    many = [f"U{number},none@x.example,," for number in range(12)]
    files = {**FIRST, "people2": many[:1], "people3": many[1:], "reviews2": [",NONE@x.example,,1"]}
    resolved, named = office.day(files)
    assert resolved.counts["shared_keys"] == 1
    assert (None, "email", "NONE@x.example") in {row[:3] for row in office.names(named)}
    resolved, named = office.day({**files, "people3": [row.replace("none@x.example", "") for row in many[1:]]})
    assert resolved.counts["shared_keys"] == 0
    owner = office.subject(resolved, "none@x.example")
    assert (owner, "email", "NONE@x.example") in {row[:3] for row in office.names(named)}


@pytest.mark.long_on_spark
def test_a_contract_that_says_another_thing_of_a_column_makes_the_identifiers_whole(
    office: Office, tmp_path: Path
) -> None:
    office.day(FIRST)
    changed = SOURCE.replace("someone_else: true, category: user.contact.email", "category: none")
    office.shop.project = project_of(tmp_path / "changed", changed)
    office.ever.remove("boss@x.example")
    resolved, named = office.day(FIRST)
    assert "boss@x.example" not in office.values(named) and named.facts["stands_on"] == ""
    # who is who does not depend on it, but its rows were recreated, and hold the same people
    assert resolved.counts["new"] == 0 and resolved.facts["stands_on"]
    without_key = SOURCE.replace(
        "{type: string, key: email, category: user.contact.email}\n      boss",
        "{type: string, category: user.contact.email}\n      boss",
    )
    office.shop.project = project_of(tmp_path / "fewer", without_key)
    assert office.day(FIRST)[0].facts["stands_on"] == ""


@pytest.mark.long_on_spark
def test_a_run_that_was_killed_between_ledger_and_manifest_goes_on(office: Office) -> None:
    office.day(FIRST)
    office.land({**FIRST, "people2": ["E3,cat@x.example,Cat,Orr"]})
    resolved, named = office.run()
    vault, step = office.shop.lake.vault, office.shop.done["resolve", "subjects"][0]
    entries = len(Log(vault, "ledger").entries())
    vault.delete([f"{step.folder}/manifest.json"])
    assert office.run() == (resolved, named)
    assert len(Log(vault, "ledger").entries()) == entries and len(resolved.files["keys"]) == 2
    assert (
        office.day({**FIRST, "people2": ["E3,cat@x.example,Cat,Orr"], "people3": ["E4,,Dan,Ash"]})[0].counts["new"] == 1
    )


@pytest.mark.long_on_spark
def test_a_full_refresh_finds_records_of_keys_that_were_changed_by_hand(office: Office) -> None:
    resolved, _ = office.day(FIRST)
    step = office.shop.done["resolve", "subjects"][0]
    (file,) = resolved.files["records/hr.people"]
    records = [File(file.path, file.rows - 1, file.bytes)]
    changed = replace(resolved, files={**resolved.files, "records/hr.people": records})
    vault = office.shop.lake.vault
    vault.delete([f"{step.folder}/manifest.json"])
    vault.put(f"{step.folder}/manifest.json", [changed.to_bytes()])
    with pytest.raises(DataError) as raised:
        office.run(again=True)
    assert raised.value.code == "D005"


numbers = st.sampled_from(["E1", "E2", "E3", ""])
mails = st.sampled_from(["a@x.example", "b@x.example", "C@x.example", "c@x.example", ""])
rows = {
    "people": st.tuples(numbers, mails, st.sampled_from(["Ann", "Bob", ""]), st.sampled_from(["Lee", "Low"])),
    "reviews": st.tuples(numbers, mails, mails, st.sampled_from(["1", "none", ""])),
}
lines = {table: st.lists(row.map(",".join), min_size=1, max_size=3) for table, row in rows.items()}


@st.composite
def histories(draw: st.DrawFn) -> list[Files]:
    """Days on which files come, and now and then one is written again or goes."""
    days: list[Files] = [{"people0": draw(lines["people"]), "reviews0": draw(lines["reviews"])}]
    for number in range(1, draw(st.integers(2, 4))):
        files = dict(days[-1])
        name = draw(st.sampled_from(sorted(files)))
        what = draw(st.sampled_from(["stays", "stays", "grows", "is another", "goes"]))
        if what == "goes" and len(files) > 2:
            del files[name]
        elif what in ("grows", "is another"):
            files[name] = [*(files[name] if what == "grows" else ()), *draw(lines[name.rstrip("0123456789")])]
        for table in draw(st.sampled_from([("people",), ("reviews",), ("people", "reviews"), ()])):
            files[f"{table}{number}"] = draw(lines[table])
        days.append(files)
    return days


@pytest.mark.long_on_spark
def test_standing_and_whole_agree_whatever_lands(
    project: Project, engine: Engine, tmp_path: Path, examples: Examples
) -> None:
    @settings(max_examples=examples(engine, 3), deadline=None)
    @given(days=histories())
    def holds(days: Sequence[Files]) -> None:
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            office = opened(project, engine, Path(folder) / "office")
            for files in days:
                office.day(files)

    holds()
