"""validate, protect and build work only on what is new, and what comes out is what a whole remake gives.

What changes a protected row, and what does not, is told by tests/privacy/test_standing.py; a row of the
dataset, by tests/features/test_standing.py.
"""

from __future__ import annotations

import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Examples
from tests.runs.conftest import EXAMPLE, SMALL, Bench, make_bench, make_small
from tests.runs.test_runs import killed, same_files

from potable.contracts.validate import quarantine_schema, validated_schema
from potable.engines.base import Engine, collect
from potable.errors import DataError
from potable.project import Project, load
from potable.runs.plan import Step, validate_steps
from potable.runs.record import RunRecord, StepRecord
from potable.runs.restricted import validate_table
from potable.runs.runner import Options, run
from potable.runs.workshop import Workshop
from potable.sources.blobs import Blob
from potable.sources.csv import CsvSource
from potable.sources.ingest import Landing, current, ingest
from potable.store.layout import Lake
from potable.store.manifest import File, Manifest, canonical, commit, find

NOTES = """
source: notes
type: csv
path: notes
tables:
  notes:
    columns:
      emp_no: {type: string, required: true, key: emp_no}
      day: {type: date, required: true, category: none}
      seen: {type: timestamp, category: none, on_error: "null"}
      amount: {type: integer, category: none}
      level: {type: integer, category: none, on_error: "null"}
    unique: [emp_no, day]
    time: day
    known: seen or +30d
    drift: {missing_column: warn}
    checks:
      - expect_column_values_to_be_between: {column: amount, min_value: 0, mostly: 0.4}
      - expect_column_values_to_be_between: {column: level, min_value: 0}
      - expect_column_values_to_be_between: {column: seen, min_value: 2000-01-01}
      - expect_table_row_count_to_be_between: {max_value: 14}
"""
COLUMNS = ("emp_no", "day", "seen", "amount", "level")
VARIABLES = dict.fromkeys(("EXIT_INTERVIEWS", "PAYROLL_EXPORTS", "REVIEW_DUMPS"), "/nowhere") | {
    "HRMS_URL": "sqlite:////nowhere",
    "LMS_URL": "http://127.0.0.1:9",
    "LMS_TOKEN": "none",
}
OUTPUTS = ("rows", "quarantine", "cells")


def text(*rows: Sequence[str], columns: Sequence[str] = COLUMNS) -> str:
    return "\n".join(",".join(cells) for cells in [columns, *rows]) + "\n"


@dataclass
class Notes:
    """A project with a folder of notes and its lake, judged step by step."""

    root: Path
    shop: Workshop

    def write(self, name: str, content: str) -> None:
        (self.root / "notes").mkdir(exist_ok=True)
        (self.root / "notes" / name).write_text(content, encoding="utf-8")

    def land(self, **files: str) -> None:
        """One batch."""
        for name, content in files.items():
            self.write(f"{name}.csv", content)
        source, lake = self.shop.project.sources["notes"], self.shop.lake
        landing = Landing(lake.restricted, lake.batches("notes"))
        self.shop.landed["notes"] = ingest(source, landing, base=self.root).objects

    @property
    def step(self) -> Step:
        return validate_steps(self.shop.project, self.shop.landed, ["notes.notes"])[0]

    def layered(self) -> Manifest:
        """The step as a run makes it."""
        store, step = self.shop.lake.restricted, self.step
        found = find(store, step.folder)
        return found or commit(store, step.folder, self.made(step, "attempt"))

    def whole(self) -> Manifest:
        """The step made from scratch, beside itself."""
        return self.made(replace(self.step, earlier=()), "whole")

    def made(self, step: Step, name: str) -> Manifest:
        attempt = f"{step.folder}/{name}"
        shutil.rmtree(self.root / "lake/restricted" / attempt, ignore_errors=True)
        return validate_table(self.shop, step, attempt).manifest(step, attempt)

    def rows(self, manifest: Manifest, output: str) -> list[dict[str, Any]]:
        table = self.shop.project.tables["notes.notes"]
        schema: pa.Schema = validated_schema(table) if output == "rows" else quarantine_schema(table)
        engine = self.shop.engine
        found = collect(engine, engine.read(manifest.paths(self.shop.lake.restricted, output), schema)).to_pylist()
        return sorted(found, key=lambda row: (row["_object"], row["_row"]))


def outcome(notes: Notes, manifest: Manifest) -> dict[str, Any]:
    """Everything two ways to make a step must agree in."""
    rows = {output: notes.rows(manifest, output) for output in OUTPUTS}
    facts = {name: manifest.facts[name] for name in ("reasons", "drift", "nulls", "totals", "profile", "sketches")}
    checks = [{**check, "columns": list(check["columns"])} for check in manifest.facts["checks"]]
    return {**rows, **facts, "checks": checks, "counts": manifest.counts}


def open_notes(project: Project, engine: Engine, root: Path) -> Notes:
    """A folder of notes and a lake below `root`."""
    root.mkdir(exist_ok=True)
    lake = Lake.at("lake/restricted", "lake/open", "vault", base=root)
    return Notes(root, Workshop(project, lake, engine, root, b""))


def notes_project(root: Path, source: str = NOTES) -> Project:
    shutil.copytree(EXAMPLE, root)
    (root / "sources/notes.yaml").write_text(source, encoding="utf-8")
    return load(root, variables=VARIABLES)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return notes_project(tmp_path_factory.mktemp("notes") / "project")


@pytest.fixture
def notes(project: Project, engine: Engine, tmp_path: Path) -> Notes:
    return open_notes(project, engine, tmp_path)


FIRST = text(
    ("E1", "2020-01-31", "", "1", "0"), ("E2", "2020-01-31", "", "x", "0"), ("E3", "2020-01-31", "", "1", "-1")
)
SECOND = text(("E1", "2020-01-31", "", "2", "0"), ("E4", "2020-01-31", "", "2", "many"), ("E5", "", "", "2", "0"))


def test_a_new_file_becomes_a_layer_beside_what_stands(notes: Notes) -> None:
    notes.land(m=FIRST)
    first = notes.layered()
    notes.land(a=SECOND)
    second = notes.layered()
    assert (second.facts["parsed"], second.facts["stands_on"]) == (1, first.fingerprint)
    assert all(set(first.files[output]) < set(second.files[output]) for output in OUTPUTS)
    assert second.counts == {"rows_in": 6, "rows": 3, "quarantined": 3, "deleted": 0, "cells": 2}
    assert second.facts["reasons"] == {"mistyped": 1, "missing:day": 1, "duplicate": 1}
    # the file of the second batch has the smaller name, and still takes nobody's place
    assert [(row["emp_no"], row["amount"]) for row in notes.rows(second, "rows")] == [("E4", 2), ("E1", 1), ("E3", 1)]
    assert outcome(notes, second) == outcome(notes, notes.whole())


@pytest.mark.long_on_spark
def test_batches_that_were_never_judged_are_one_layer(notes: Notes) -> None:
    notes.land(m=FIRST)
    first = notes.layered()
    notes.land(b=SECOND)
    notes.land(a=text(("E4", "2020-01-31", "", "3", "0")))
    third = notes.layered()
    assert (third.facts["parsed"], third.facts["stands_on"]) == (2, first.fingerprint)
    assert [row["amount"] for row in notes.rows(third, "rows") if row["emp_no"] == "E4"] == [2]
    assert outcome(notes, third) == outcome(notes, notes.whole())


@pytest.mark.long_on_spark
def test_a_step_that_stopped_is_no_layer(notes: Notes) -> None:
    notes.land(m=FIRST)
    first = notes.layered()
    notes.land(n=text(*((f"X{i}", "2020-01-31", "", "-1", "0") for i in range(6))))
    with pytest.raises(DataError):
        notes.layered()
    notes.land(o=text(*((f"Y{i}", "2020-01-31", "", "1", "0") for i in range(3))))
    third = notes.layered()
    assert (third.facts["parsed"], third.facts["stands_on"]) == (2, first.fingerprint)
    assert outcome(notes, third) == outcome(notes, notes.whole())


@pytest.mark.long_on_spark
def test_a_step_that_was_killed_leaves_nothing_behind_that_counts(notes: Notes) -> None:
    notes.land(m=FIRST)
    first = notes.layered()
    notes.land(a=SECOND)
    notes.made(notes.step, "killed")
    second = notes.layered()
    assert (second.facts["parsed"], second.facts["stands_on"]) == (1, first.fingerprint)
    assert not any("/killed/" in file.path for files in second.files.values() for file in files)
    assert outcome(notes, second) == outcome(notes, notes.whole())


@pytest.mark.long_on_spark
def test_a_changed_file_makes_the_whole_table_again(notes: Notes) -> None:
    notes.land(a=FIRST)
    notes.layered()
    notes.land(b=SECOND)
    notes.layered()
    notes.land(a=FIRST.replace("E3", "E6"))
    made = notes.layered()
    assert (made.facts["parsed"], made.facts["stands_on"]) == (2, "")
    # the changed file came last, so its E1 gives way to the one of the other file
    assert [(row["emp_no"], row["amount"]) for row in notes.rows(made, "rows")] == [("E6", 1), ("E1", 2), ("E4", 2)]


@pytest.mark.long_on_spark
def test_a_removed_object_makes_the_whole_table_again(notes: Notes) -> None:
    notes.land(a=FIRST)
    first = notes.layered()
    notes.land(b=SECOND)
    second = notes.layered()
    log = notes.shop.lake.batches("notes")
    log.append({"landed_at": "2024-01-01T00:00:00+00:00", "objects": [], "gone": ["a.csv"]}, parent=2)
    notes.shop.landed["notes"] = tuple(current(log).objects.values())
    made = notes.layered()
    assert (made.facts["parsed"], made.facts["stands_on"]) == (1, "")
    assert [(row["emp_no"], row["amount"]) for row in notes.rows(made, "rows")] == [("E1", 2), ("E4", 2)]
    # it comes back, and with it the table as it was
    notes.land()
    again = notes.layered()
    assert (again.fingerprint, again.facts["stands_on"]) == (second.fingerprint, first.fingerprint)
    assert outcome(notes, again) == outcome(notes, notes.whole())


@pytest.mark.long_on_spark
def test_a_changed_contract_makes_the_whole_table_again(notes: Notes, tmp_path: Path) -> None:
    notes.land(a=FIRST)
    notes.layered()
    notes.shop.project = notes_project(tmp_path / "changed", NOTES.replace("max_value: 14", "max_value: 15"))
    notes.land(b=SECOND)
    made = notes.layered()
    assert (made.facts["parsed"], made.facts["stands_on"]) == (2, "")


@pytest.mark.long_on_spark
def test_another_time_zone_of_the_source_is_another_table(notes: Notes, tmp_path: Path) -> None:
    notes.land(a=text(("E1", "2020-01-31", "2020-02-01 00:30", "1", "0")))
    seen = [row["seen"] for row in notes.rows(notes.layered(), "rows")]
    local = NOTES.replace("path: notes\n", "path: notes\ntimezone: Asia/Kolkata\n")
    notes.shop.project = notes_project(tmp_path / "local", local)
    assert [row["seen"] for row in notes.rows(notes.layered(), "rows")] == [seen[0] - timedelta(hours=5, minutes=30)]


names = [f"{letter}{number}" for letter in "abc" for number in range(3)]
lines = st.tuples(
    st.sampled_from(["E1", "E1", "E1", "E2", ""]),
    st.sampled_from(["2020-01-31", "2020-01-31", "2020-01-31", "31.02.2020", ""]),
    st.sampled_from(["", "1999-12-31", "2020-03-01", "soon"]),
    st.sampled_from(["1", "2", "3", "4", "-1", "x"]),
    st.sampled_from(["0", "-1", "many", ""]),
)
headers = st.sampled_from([COLUMNS, COLUMNS, COLUMNS[:-1], (*COLUMNS, "mood"), (*COLUMNS[:-1], "mood", "room")])


@st.composite
def portions(draw: st.DrawFn) -> list[tuple[dict[str, str], bool]]:
    """Batches of files, and whether each is judged before the next one lands."""
    order = draw(st.permutations(names))[: draw(st.integers(2, 5))]
    batches: list[tuple[dict[str, str], bool]] = [({}, True)]
    for name in order:
        columns, rows = draw(headers), draw(st.lists(lines, max_size=4))
        cells = [[*row, "1", "2"][: len(columns)] for row in rows]
        batches[-1][0][name] = text(*cells, columns=columns)
        if draw(st.booleans()):
            batches.append(({}, draw(st.booleans())))
    return [(files, judged) for files, judged in batches if files]


def told(notes: Notes, manifest: Any) -> object:
    """What a way to make the step comes to: its outcome, or the error that stops it."""
    try:
        return outcome(notes, manifest())
    except DataError as error:
        return error.record()


@pytest.mark.long_on_spark
def test_layers_and_the_whole_agree_whatever_lands(
    project: Project, engine: Engine, tmp_path: Path, examples: Examples
) -> None:
    @settings(max_examples=examples(engine, 5), deadline=None)
    @given(batches=portions())
    def holds(batches: list[tuple[dict[str, str], bool]]) -> None:
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            notes = open_notes(project, engine, Path(folder))
            for files, judged in [*batches[:-1], (batches[-1][0], True)]:
                notes.land(**files)
                if judged:
                    assert told(notes, notes.layered) == told(notes, notes.whole)

    holds()


# whole runs

HEAPS = ("PAYROLL_EXPORTS", "EXIT_INTERVIEWS", "REVIEW_DUMPS")
LATER = ("reviews_2007H1.csv", "reviews_2010H2.csv", "reviews_2008H1.csv", "reviews_2008H2.csv")
Finished = tuple[Bench, RunRecord]


def add(folder: Path, files: Iterable[Path]) -> None:
    folder.mkdir(exist_ok=True)
    for path in files:
        shutil.copy2(path, folder / path.name)


def partial(bench: Bench, later: Callable[[Path], bool]) -> tuple[Bench, dict[Path, list[Path]]]:
    """The project with only some files of its sources, and those that are still to come to each folder."""
    variables, coming = {}, {}
    for name in HEAPS:
        folder = bench.root.parent / name
        found = sorted(Path(bench.company.variables[name]).iterdir())
        add(folder, (path for path in found if not later(path)))
        variables[name], coming[folder] = str(folder), [path for path in found if later(path)]
    return bench.with_variables(**variables), coming


def done(bench: Bench, **options: Any) -> RunRecord:
    record = run(bench.project(), Options(**options), lambda event: None)
    assert record.exit_code == 0, record.error
    return record


def validated(record: RunRecord, table: str) -> StepRecord:
    (found,) = [item for item in record.steps if item.step == f"validate {table}"]
    return found


def lake_files(bench: Bench) -> set[Path]:
    return set((bench.root / "lake/restricted").rglob("*.parquet"))


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the objects that are parsed from now on."""
    seen: list[str] = []
    original = CsvSource.parse

    def parse(self: CsvSource, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        seen.append(blob.name)
        return original(self, table, blob)

    monkeypatch.setattr(CsvSource, "parse", parse)
    return seen


def test_only_files_that_came_are_parsed_and_a_full_refresh_proves_the_layers(bench: Bench, parsed: list[str]) -> None:
    bench, coming = partial(bench, lambda path: path.name in LATER)
    ratings: dict[str, Any] = {"select": ("reviews.ratings",)}
    first = validated(done(bench, **ratings), "reviews.ratings")
    assert len(parsed) == 36 and not first.layered
    (folder,) = (folder for folder, files in coming.items() if files)
    for names in (LATER[:1], LATER[1:2], LATER[2:]):
        parsed.clear()
        add(folder, (path for path in coming[folder] if path.name in names))
        layered = validated(done(bench, **ratings), "reviews.ratings")
        assert tuple(parsed) == names and layered.layered and layered.rows > first.rows
    files = lake_files(bench)
    parsed.clear()
    proved = validated(done(bench, **ratings, full_refresh=True), "reviews.ratings")
    assert (proved.state, len(parsed), proved.rows) == ("done", 40, layered.rows)
    assert lake_files(bench) == files
    assert validated(done(bench, **ratings), "reviews.ratings").state == "skipped"


def test_a_full_refresh_finds_a_layer_that_was_changed_by_hand(bench: Bench) -> None:
    bench, coming = partial(bench, lambda path: path.name == LATER[0])
    ratings: dict[str, Any] = {"select": ("reviews.ratings",)}
    done(bench, **ratings)
    for folder, files in coming.items():
        add(folder, files)
    found = validated(done(bench, **ratings), "reviews.ratings")
    manifest = bench.root / "lake/restricted/validated/reviews.ratings" / found.fingerprint / "manifest.json"
    changed = Manifest.from_bytes(manifest.read_bytes())
    rows = [File(file.path, file.rows + 1, file.bytes) for file in changed.files["rows"]]
    manifest.write_bytes(replace(changed, files={**changed.files, "rows": rows}).to_bytes())
    record = run(bench.project(), Options(**ratings, full_refresh=True), lambda event: None)
    assert record.error["code"] == "D005"


def test_a_source_that_comes_in_two_portions_gives_the_bytes_of_a_fresh_lake(tmp_path: Path) -> None:
    """The second portion is killed while the table is judged; the names of its files lie between those of the first."""
    fresh = split(make_small(tmp_path / "fresh"), *range(5))
    made = fresh.publish()
    partly = split(make_small(tmp_path / "partly"), 0, 2, 4)
    shutil.copytree(fresh.root / "vault", partly.root / "vault")
    partly.publish()
    before = partly.file("csv")
    split(partly, 1, 3)
    killed(partly, "validate", 0.02)
    record = done(partly)
    layered = {step.step for step in record.steps if step.layered}
    assert layered == {"validate desk.tickets", "resolve subjects", *PROTECTED, "build customer_churn"}
    assert partly.version.number == 2 and partly.file("csv") != before
    same_files(partly, fresh)
    assert canonical(tables_of(record)) == canonical(tables_of(made))


PROTECTED = {
    f"protect {name}"
    for name in ("identifiers", "pseudonyms", "crm.customers", "crm.subscriptions", "crm.cancellations", "desk.tickets")
}


def split(small: Bench, *came: int) -> Bench:
    """The small example with these of five files of its tickets."""
    lines = (SMALL / "data/tickets.ndjson").read_text(encoding="utf-8").splitlines(keepends=True)
    (small.root / "data/tickets.ndjson").unlink(missing_ok=True)
    for number in came:
        (small.root / f"data/tickets-{number}.ndjson").write_text("".join(lines[number::5]), encoding="utf-8")
    source = small.root / "sources/desk.yaml"
    source.write_text(source.read_text(encoding="utf-8").replace("tickets.ndjson", "tickets-*.ndjson"), "utf-8")
    return small


@pytest.mark.long
@pytest.mark.slow
def test_sources_that_come_in_two_portions_give_the_bytes_of_a_fresh_lake(finished: Finished, tmp_path: Path) -> None:
    """The second portion is killed while its first table is judged; its names lie between those of the first."""
    fresh, made = finished
    assert not any(step.layered for step in made.steps)
    shutil.copytree(fresh.root / "vault", tmp_path / "vault")
    bench = make_bench(fresh.company, tmp_path / "project", vault=tmp_path / "vault")
    partly, coming = partial(bench, lambda path: zlib.crc32(path.name.encode()) % 3 == 0)
    assert all(coming.values())
    assert done(partly).outcome == "published"
    before = partly.file("csv")
    for folder, files in coming.items():
        add(folder, files)
    killed(partly, "validate", 0.1)
    record = done(partly)
    layered = {step.step.partition(" ")[2] for step in record.steps if step.layered and step.verb == "validate"}
    assert layered >= {"payroll.payslips", "reviews.ratings", "reviews.engagement"} and len(layered) == 4
    layered |= {name for name in partly.project().tables if name.startswith(("hrms.", "lms."))}
    layered |= {"identifiers", "pseudonyms"}
    assert {step.step.partition(" ")[2] for step in record.steps if step.layered and step.verb == "protect"} == layered
    assert [step.layered for step in record.steps if step.verb == "build"] == [True]
    assert partly.version.number == 2 and partly.file("csv") != before
    same_files(partly, fresh)
    assert canonical(tables_of(record)) == canonical(tables_of(made))


def test_protect_stands_on_what_was_protected_by_the_same_rules_and_a_full_refresh_proves_it(tmp_path: Path) -> None:
    bench = split(make_small(tmp_path / "project"), 0, 2, 4)
    rule = "user.demographic.date_of_birth:  {protect: keep,"
    tables = ("desk.tickets", "crm.subscriptions", "crm.customers")
    stands_and_is_proved(bench, lambda portion: split(bench, 2 * portion - 1), tables, rule)


@pytest.mark.long
@pytest.mark.slow
def test_protect_stands_on_what_was_protected_of_a_company(bench: Bench) -> None:
    bench, coming = partial(bench, lambda path: path.name in LATER)
    (folder,) = (folder for folder, files in coming.items() if files)
    portions = (LATER[:2], LATER[2:])

    def come(portion: int) -> None:
        add(folder, (path for path in coming[folder] if path.name in portions[portion - 1]))

    rule = "user.demographic.date_of_birth:   {protect: keep,"
    stands_and_is_proved(bench, come, ("reviews.ratings", "hrms.jobs", "hrms.people"), rule)


def stands_and_is_proved(bench: Bench, come: Callable[[int], object], tables: tuple[str, str, str], rule: str) -> None:
    """With more records of the first of these tables, none of the second, and another rule for dates of birth in the third."""
    grows, stays, people = tables
    first = protected(bench)
    come(1)
    second = protected(bench)
    assert not any(step.layered for step in first.values()) and all(step.layered for step in second.values())
    assert second[grows].rows > first[grows].rows
    assert second[stays].rows == first[stays].rows
    open_files = set((bench.root / "lake/open/protected").rglob("*.parquet"))
    done(bench, only="ingest", full_refresh=True)
    done(bench, only="validate")
    done(bench, only="resolve")
    proved = protected(bench, full_refresh=True)
    assert {step.state for step in proved.values()} == {"done"}
    assert set((bench.root / "lake/open/protected").rglob("*.parquet")) == open_files
    # another rule concerns the one table that has what it is about
    bench.edit("privacy.yaml", rule, rule.replace("protect: keep", "protect: truncate, to: month"))
    come(2)
    third = protected(bench)
    assert [name for name, step in third.items() if not step.layered] == [people]


def protected(bench: Bench, **options: Any) -> dict[str, StepRecord]:
    """The steps of protect up to which a run goes, but for pseudonyms; by name."""
    if not options:
        for verb in ("ingest", "validate", "resolve"):
            done(bench, only=verb)
    record = done(bench, only="protect", **options)
    found = {step.step.partition(" ")[2]: step for step in record.steps if step.verb == "protect"}
    return {name: step for name, step in found.items() if name != "pseudonyms"}


def tables_of(record: RunRecord) -> list[dict[str, Any]]:
    """What a record tells of its tables, but for what came first, with which batch, and how batches compare."""
    tables = [{**asdict(table), "batch": 0, "health": ()} for table in record.tables]
    return [{**table, "drift": [{**event, "batch": 0, "first": ""} for event in table["drift"]]} for table in tables]
