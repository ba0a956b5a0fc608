"""What is removed nothing needs: the next run does what it would have done, also where a cleaning was killed."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import require_spark
from tests.once import made_once
from tests.runs.test_object_store import copied

from potable.cli import quarantine, showing
from potable.cli.reporting import report_of
from potable.datasets.version import current, history, removed
from potable.project import Project, load
from potable.runs import cleaning, people, perform, since
from potable.runs.cleaning import Cleaning
from potable.runs.garbage import ZONES
from potable.runs.needed import files_in, files_of, store_of
from potable.runs.plan import later_steps
from potable.runs.record import RunRecord
from potable.runs.runner import Options, landed_now, run
from potable.runs.vault import existing_key, key_name
from potable.store.layout import Lake
from potable.store.manifest import Manifest
from potable.store.objects import Store

EXAMPLE = Path(__file__).parents[2] / "examples" / "churn"
DAYS = (date(2023, 6, 30), date(2023, 12, 31))
FEATURE, CHECK = ("features.yaml", r"count\(\) in \dmo"), ("sources/desk.yaml", r"max_value: \d+(, severity: stop)?")
COUNTRY = ("privacy.yaml", r"k: \d")


@dataclass(frozen=True)
class Shop:
    """The small example with its lake, to run, change, clean and run again."""

    root: Path

    def project(self, as_of: date | None = None, scoring: bool = False) -> Project:
        return load(self.root, as_of=as_of, scoring=scoring)

    @property
    def lake(self) -> Lake:
        return self.project().lake()

    def run(self, as_of: date | None = None, **options: Any) -> RunRecord:
        return run(self.project(as_of), Options(**options), lambda event: None)

    def publish(self, as_of: date | None = None) -> RunRecord:
        record = self.run(as_of)
        assert record.exit_code == 0, record.error
        return record

    def edit(self, place: tuple[str, str], new: str) -> None:
        file, old = place
        path = self.root / file
        text, count = re.subn(old, new, path.read_text(encoding="utf-8"), count=1)
        assert count
        path.write_text(text, encoding="utf-8")

    def tickets(self, name: str, first: int) -> None:
        """A file of tickets of customers who are known."""
        lines = []
        for number, line in enumerate(self._told()[first % 100 : first % 100 + 9], first):
            row = json.loads(line)
            row |= {"id": number, "hours_to_close": 2.5, "opened_at": f"{row['opened_at'][:-2]}{first % 59 + 1:02}"}
            lines.append(json.dumps(row) + "\n")
        (self.root / "data" / f"tickets-{name}.ndjson").write_text("".join(lines), encoding="utf-8")

    def _told(self) -> list[str]:
        return (self.root / "data/tickets.ndjson").read_text(encoding="utf-8").splitlines()

    def found(self, keep: int | None = None, before: datetime | None = None) -> Cleaning:
        project = self.project()
        days = cleaning.days(project, project.lake())
        later = before or datetime.now(UTC) + timedelta(hours=1)
        return cleaning.found([project, *(self.project(*day) for day in days)], later, keep)

    def clean(self, keep: int | None = None) -> Cleaning:
        """Remove everything that nothing needs, of any age; what is left is held to what manifests say."""
        found = self.found(keep)
        cleaning.clean(found, "to make room")
        whole(self.lake)
        return found

    def file(self, kind: str = "csv", dataset: str = "customer_churn") -> bytes:
        version = current(self.lake.versions(dataset))
        assert version
        return self.lake.open.get(version.files[kind])

    def copy(self, root: Path) -> Shop:
        shutil.copytree(self.root, root)
        return Shop(root)


def lying(lake: Lake) -> dict[str, int]:
    """Everything in the zones of steps, with its size."""
    return {item.path: item.bytes for zone in ZONES for item in store_of(lake, zone).stored(zone)}


def whole(lake: Lake, *, clean: bool = True) -> None:
    """Every file a manifest or the ledger names is there; after a cleaning nothing else is."""
    there = lying(lake)
    firsts = [path for path in there if path.endswith(("/manifest.json", "/stopped.json"))]
    manifests = [Manifest.from_bytes(store_of(lake, path).get(path)) for path in firsts]
    named = {path for manifest in manifests for path in files_of(manifest) if not path.startswith("quarantine/nobody")}
    # of what a check stopped, only the quarantine is kept
    done = [Manifest.from_bytes(store_of(lake, path).get(path)) for path in firsts if path.endswith("/manifest.json")]
    needed = {path for manifest in done for path in files_of(manifest)}
    named = {path for path in named if path in needed or path.startswith("quarantine/")}
    entries = [lake.vault.get(path) for path in lake.vault.list("ledger")[-1:]]
    named |= {path for entry in entries for path in files_in(json.loads(entry))}
    assert named <= set(there), sorted(named - set(there))[:3]
    if clean:
        nobody = tuple(f"{place}/" for m in manifests for place in files_of(m) if place.startswith("quarantine/nobody"))
        rest = set(there) - named - set(firsts)
        logs = ("/made/", "/log/", "/removed/", "/collected/")
        rest = {path for path in rest if not any(each in path for each in logs)}
        rest = {path for path in rest if not path.startswith(("compiled/", *nobody))}
        assert not rest, sorted(rest)[:5]


def done(record: RunRecord) -> list[tuple[str, str, str, bool]]:
    """What a run did, step by step."""
    return [(each.step, each.state, each.fingerprint, each.layered) for each in record.steps]


def same(one: Shop, other: Shop, as_of: date | None = None, record: RunRecord | None = None) -> None:
    """Two lakes run alike: the same steps made, skipped and layered, the same bytes.

    Args:
        record: of the other's run, where it has run already.
    """
    records = [one.publish(as_of), record or other.publish(as_of)]
    assert done(records[0]) == done(records[1])
    assert [table.health for table in records[0].tables] == [table.health for table in records[1].tables]
    name = f"customer_churn@{as_of}" if as_of else "customer_churn"
    assert one.file(dataset=name) == other.file(dataset=name)
    assert one.file("parquet", dataset=name) == other.file("parquet", dataset=name)


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The example, published once; tickets come in several files."""

    def make(root: Path) -> None:
        shop = Shop(shutil.copytree(EXAMPLE, root))
        shop.edit(("sources/desk.yaml", "tickets.ndjson"), "tickets*.ndjson")
        # what breaks a check is held back as a whole
        shop.edit(("sources/desk.yaml", 'user.behavior, on_error: "null"'), "user.behavior")
        shop.edit(("potable.yaml", "memory: 1GB"), "memory: 1GB\nthreads: 1")
        shop.publish()

    return Shop(made_once(tmp_path_factory, "begun", make))


@pytest.fixture(scope="session")
def lived(begun: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A lake that has seen changes of features, contracts and policy, new files, another day and a stop."""
    return Shop(made_once(tmp_path_factory, "lived", lambda root: live(begun.copy(root))))


def live(shop: Shop) -> None:
    """What happens to a lake in some months."""
    shop.edit(FEATURE, "count() in 5mo")
    shop.publish()
    shop.tickets("a", 9000)
    shop.publish()
    shop.edit(CHECK, "max_value: 4000")
    shop.publish()
    shop.publish(DAYS[0])
    shop.edit(COUNTRY, "k: 4")
    shop.publish()
    shop.edit(("privacy.yaml", "purposes"), "epoch: 2\npurposes")
    shop.publish()
    shop.edit(CHECK, "max_value: 1, severity: stop")
    assert shop.run().error["code"] == "D001"
    shop.edit(CHECK, "max_value: 3000")
    shop.tickets("b", 9100)
    shop.publish()


@pytest.fixture
def shop(lived: Shop, tmp_path: Path) -> Shop:
    return lived.copy(tmp_path / "shop")


@pytest.fixture(scope="session")
def onward(lived: Shop, tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, RunRecord]:
    """The same lake, never cleaned, after new tickets; and the run that made them part of the dataset."""

    def make(root: Path) -> None:
        shop = lived.copy(root)
        assert shop.run().outcome == "nothing new"
        shop.tickets("c", 9200)
        (root / "record").write_bytes(pickle.dumps(shop.publish()))

    root = made_once(tmp_path_factory, "onward", make)
    return Shop(root), pickle.loads((root / "record").read_bytes())


@pytest.mark.slow
def test_what_nothing_needs_goes_and_the_next_run_does_what_it_would_have_done(
    shop: Shop, onward: tuple[Shop, RunRecord], tmp_path: Path
) -> None:
    twin, record_of_twin = onward[0].copy(tmp_path / "twin"), onward[1]
    before = lying(shop.lake)
    found = shop.clean()
    after = lying(shop.lake)
    assert sum(before.values()) > sum(after.values()) and found.garbage.steps
    assert set(before) - set(after) == {item.path for item in found.garbage.items}
    record = shop.run()
    assert record.outcome == "nothing new" and {step.state for step in record.steps} == {"skipped"}
    shop.tickets("c", 9200)
    same(shop, twin, record=record_of_twin)
    for change in (
        lambda shop: shop.edit(FEATURE, "count() in 4mo"),
        lambda shop: shop.edit(CHECK, "max_value: 2000"),
        lambda shop: shop.edit(COUNTRY, "k: 6"),
    ):
        change(shop)
        change(twin)
        same(shop, twin)
    same(shop, twin, DAYS[0])
    same(shop, twin, DAYS[1])
    shop.clean()
    assert shop.run(full_refresh=True).exit_code == 0


def test_what_is_taken_up_again_stands_on_what_was_made_then(shop: Shop, tmp_path: Path) -> None:
    """Features of before the last run, on data of that run: their last step is stood on, and what it was made from."""
    shop.edit(FEATURE, "count() in 2mo")
    shop.publish()
    shop.edit(FEATURE, "count() in 3mo")
    for number in (1, 2):
        shop.tickets(str(number), 9200 + 100 * number)
        shop.publish()
    shop.edit(FEATURE, "count() in 2mo")
    twin = shop.copy(tmp_path / "twin")
    shop.clean()
    same(shop, twin)
    assert any(step.step == "build customer_churn" and step.layered for step in shop.run().steps)
    for number in (3, 4):
        shop.tickets(str(number), 9200 + 100 * number)
        shop.publish()
        assert not shop.clean().garbage.elsewhere


def test_where_a_file_of_long_ago_changes_validate_stands_on_a_step_before_it(begun: Shop, tmp_path: Path) -> None:
    shop = begun.copy(tmp_path / "shop")
    for number in range(1, 10):
        shop.tickets(str(number), 9000 + number)
        for verb in ("ingest", "validate"):
            assert shop.run(only=verb).exit_code == 0
        shop.clean()
    kept = [path for path in shop.lake.restricted.list("validated/desk.tickets") if path.endswith("manifest.json")]
    assert 4 <= len(kept) <= 6
    for number in (9, 5, 2):
        (shop.root / "data" / f"tickets-{number}.ndjson").write_text("")
        shop.run(only="ingest")
        (step,) = [step for step in shop.run(only="validate").steps if step.step == "validate desk.tickets"]
        assert step.layered
    shop.publish()


def test_a_second_cleaning_finds_nothing(shop: Shop) -> None:
    shop.clean()
    again = shop.found()
    assert not again.garbage.items and not again.versions and not again.scratch
    audits = shop.lake.open.list("audit")
    cleaning.clean(again, "")
    assert shop.lake.open.list("audit") == audits


def test_looking_removes_nothing(shop: Shop) -> None:
    before = lying(shop.lake)
    assert shop.found().garbage.items
    assert lying(shop.lake) == before


def test_raw_keys_ledger_records_and_audit_stay_as_they_are(shop: Shop) -> None:
    def never(lake: Lake) -> dict[str, bytes]:
        places = [(lake.restricted, "raw"), (lake.vault, "keys"), (lake.vault, "ledger"), (lake.open, "runs")]
        return {path: store.get(path) for store, folder in places for path in store.list(folder)}

    before, audits = never(shop.lake), shop.lake.open.list("audit")
    shop.clean()
    assert never(shop.lake) == before
    assert shop.lake.open.list("audit")[:-1] == audits and not list(shop.lake.audit.broken())


def test_the_audit_log_says_who_removed_what(shop: Shop) -> None:
    found = shop.clean(keep=2)
    entry = json.loads(shop.lake.open.get(shop.lake.open.list("audit")[-1]))
    assert (entry["what"], entry["why"]) == ("gc", "to make room") and entry["who"] and entry["at"]
    assert entry["removed"]["files"] == len(found.garbage.items)
    assert entry["removed"]["steps"] == found.garbage.steps
    assert ["customer_churn", 1] in entry["removed"]["versions"]


def test_what_a_run_of_the_last_days_made_or_used_stays(shop: Shop) -> None:
    before = datetime.now(UTC) - timedelta(days=7)
    found = shop.found(before=before)
    assert not found.garbage.items and found.garbage.young
    # also where its files are old, for a run may go on that stands on them
    for path in [*shop.root.rglob("*")]:
        os.utime(path, (0, 0))
    old = shop.found(before=before)
    assert old.garbage.items and not any(item.first and "validated" in item.path for item in old.garbage.items)


def test_an_attempt_that_is_written_to_stays_whole(shop: Shop) -> None:
    folder = Path(shop.lake.open.locate("protected/crm.customers/" + "0" * 32 + "/0123456789ab/rows"))
    folder.mkdir(parents=True)
    for name, age in (("old", 9), ("new", 0)):
        (folder / name).write_bytes(b"x")
        moment = (datetime.now(UTC) - timedelta(days=age)).timestamp()
        os.utime(folder / name, (moment, moment))
    found = shop.found(before=datetime.now(UTC) - timedelta(days=7))
    assert not any("0" * 32 in item.path for item in found.garbage.items)
    assert sum("0" * 32 in item.path for item in found.garbage.young) == 2
    shop.clean()
    assert not folder.parents[1].exists()


def test_files_that_are_none_of_ours_stay(shop: Shop) -> None:
    store = shop.lake.open
    mine = ["protected/notes.txt", "features/customer_churn/README", "datasets/customer_churn/keep/x", "models/1.bin"]
    for path in mine:
        store.put_new(path, b"x")
    assert not {item.path for item in shop.found().garbage.items} & set(mine)


def test_rows_to_score_stay_what_a_run_would_make(shop: Shop) -> None:
    def scored() -> RunRecord:
        return run(shop.project(date(2024, 6, 30), scoring=True), Options(), lambda event: None)

    assert scored().outcome == "published"
    shop.clean()
    assert scored().outcome == "nothing new"


def test_versions_stay_unless_somebody_says_how_many(shop: Shop) -> None:
    versions = history(shop.lake.versions("customer_churn"))
    shop.clean()
    assert all(shop.lake.open.size(path) for version in versions for path in version.files.values())
    assert removed(shop.lake.open, "customer_churn") == {}
    shop.clean(keep=2)
    for version in versions:
        kept = version.number > len(versions) - 2
        assert all((shop.lake.open.size(path) is not None) == kept for path in version.files.values())
    assert history(shop.lake.versions("customer_churn")) == versions
    notes = removed(shop.lake.open, "customer_churn")
    assert sorted(notes) == [version.number for version in versions[:-2]]
    assert notes[1]["why"] == "to make room" and notes[1]["who"] and notes[1]["at"]
    told, text = showing.shown(shop.project(), None, 0)
    assert [note["version"] for note in told["removed"]] == sorted(notes)
    assert f"version 1: its files were removed on {notes[1]['at'][:10]} by {notes[1]['who']}" in text
    # of another day there is one version, which stays
    assert shop.file(dataset=f"customer_churn@{DAYS[0]}")
    assert not shop.found(keep=2).garbage.items and not shop.found().garbage.items


def test_a_version_whose_files_were_removed_can_be_made_again(shop: Shop) -> None:
    first = history(shop.lake.versions("customer_churn"))[-2]
    data = shop.lake.open.get(first.files["csv"])
    (shop.root / "data" / "tickets-b.ndjson").rename(shop.root / "b")
    shop.clean(keep=1)
    shop.edit(FEATURE, "count() in 2mo")
    shop.publish()
    assert shop.lake.open.size(first.files["csv"]) is None
    shop.edit(FEATURE, "count() in 5mo")
    shop.publish()
    second = current(shop.lake.versions("customer_churn"))
    assert second and data
    shop.clean(keep=1)
    assert shop.file()
    shop.edit(FEATURE, "count() in 2mo")
    shop.publish()
    shop.clean(keep=1)
    shop.edit(FEATURE, "count() in 5mo")
    shop.publish()
    assert shop.lake.open.get(second.files["csv"]) == shop.file()
    assert second.number in removed(shop.lake.open, "customer_churn")
    shop.clean()
    assert shop.file()


def test_quarantine_profile_report_and_show_still_work(shop: Shop) -> None:
    shop.edit(CHECK, "max_value: 60")
    shop.publish()
    # mended, and not run again yet
    shop.edit(CHECK, "max_value: 2999")

    def looked() -> list[Any]:
        project = shop.project()
        return [
            quarantine.listed(project, None),
            quarantine.shown(project, "desk.tickets", reason="", limit=10),
            showing.profiled(project, "desk.tickets", None),
            showing.shown(project, None, 3),
            showing.shown(project, f"customer_churn@{DAYS[0]}", 3),
            [report_of(project, path[5:-5]) for path in project.lake().open.list("runs") if path.endswith(".json")],
        ]

    before = looked()
    shop.clean()
    assert looked() == before
    _, facts, _ = quarantine.replayed(shop.project(), ["desk.tickets"], lambda event: None)
    assert facts[0]["taken_back"] > 0
    shop.clean()
    assert quarantine.listed(shop.project(), "desk.tickets")[0][0]["current"]


@pytest.mark.parametrize("against", ["previous", "version 1"])
def test_health_compares_with_what_it_would_have_compared_with(begun: Shop, tmp_path: Path, against: str) -> None:
    shop = begun.copy(tmp_path / "shop")
    health = f"health: {{missing: 1%, against: {against}}}"
    shop.edit(("sources/desk.yaml", "unique: .ticket_id."), f"unique: [ticket_id]\n    {health}")
    file = shop.root / "data/tickets.ndjson"
    shop.publish()
    for count in (60, 120):
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        emptied = [line | {"hours_to_close": None} for line in lines[:count]] + lines[count:]
        file.write_text("".join(json.dumps(line) + "\n" for line in emptied), encoding="utf-8")
        # health is judged after `validate`, with which such a run ends
        assert shop.run(select=("desk",)).exit_code == 0
    twin = shop.copy(tmp_path / "twin")
    shop.clean()
    # the same batch under another contract has the same one before it
    for each in (shop, twin):
        each.edit(CHECK, "max_value: 4000")
    same(shop, twin)
    (found,) = [table.health for table in shop.run().tables if table.table == "desk.tickets"]
    compared = [finding for finding in found if finding.check != "hindsight"]
    assert compared and not any("Not judged" in finding.told for finding in compared)


def test_records_that_land_again_are_compared_with_what_a_cleaning_left(begun: Shop, tmp_path: Path) -> None:
    shop = begun.copy(tmp_path / "shop")
    file = shop.root / "data/tickets.ndjson"
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for kept in (lines[:-60], lines):
        emptied = [line | {"hours_to_close": None} for line in kept[-20:]]
        file.write_text("".join(json.dumps(line) + "\n" for line in kept[:-20] + emptied), encoding="utf-8")
        found = shop.publish()
        shop.clean()
    (told,) = [each for table in found.tables for each in table.health if each.column == "hours_to_close"]
    assert (told.check, told.state) == ("hindsight", "warn")


def test_what_a_check_stopped_can_still_be_looked_at(shop: Shop) -> None:
    shop.edit(CHECK, "max_value: 1, severity: stop")
    assert shop.run().error["code"] == "D001"
    before = quarantine.shown(shop.project(), "desk.tickets", reason="", limit=10)
    assert before[0]
    shop.clean()
    assert quarantine.shown(shop.project(), "desk.tickets", reason="", limit=10) == before
    assert quarantine.listed(shop.project(), "desk.tickets")[0][0]["stopped"]


def acting(monkeypatch: pytest.MonkeyPatch, told: Callable[[], None]) -> None:
    """Have every single object that is removed or written told, as it happens."""
    delete, put_new = Store.delete, Store.put_new

    def deleting(self: Store, paths: Sequence[str]) -> None:
        for path in paths:
            delete(self, [path])
            told()

    def putting(self: Store, path: str, data: bytes) -> bool:
        new = put_new(self, path, data)
        told()
        return new

    monkeypatch.setattr(Store, "delete", deleting)
    monkeypatch.setattr(Store, "put_new", putting)


@pytest.mark.slow
@pytest.mark.parametrize("every", [80, pytest.param(20, marks=pytest.mark.long)])
def test_a_cleaning_killed_anywhere_leaves_no_step_that_only_looks_done(
    shop: Shop, onward: tuple[Shop, RunRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    """Looked at after every single act, and gone on from after some; from four times as many with the long ones."""
    states, acts = list[Shop](), 0

    def told() -> None:
        """What a process leaves that is killed now."""
        nonlocal acts
        acts += 1
        whole(shop.lake, clean=False)
        if acts % every == 3:
            states.append(shop.copy(tmp_path / f"killed-{acts}"))

    found = shop.found(keep=1)
    with monkeypatch.context() as patch:
        acting(patch, told)
        cleaning.clean(found, "")
    assert acts > len(found.garbage.items) > 100
    assert states
    for state in (shop, *states):
        assert state.run().outcome == "nothing new"
        state.tickets("c", 9200)
    same(shop, onward[0], record=onward[1])
    for state in states:
        state.publish()
        state.clean(keep=1)
    assert {state.file() for state in states} == {onward[0].file()}


def test_two_cleanings_at_once_harm_nobody(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = shop.found(), shop.found()

    def other() -> None:
        if second.garbage.items:
            monkeypatch.undo()
            cleaning.clean(second, "")

    acting(monkeypatch, other)
    cleaning.clean(first, "")
    whole(shop.lake)
    assert shop.run().outcome == "nothing new"


def test_a_step_made_while_a_cleaning_goes_on_keeps_its_files(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run goes back to a contract of long ago, and its step is done between the two looks."""
    shop.clean()
    shop.edit(FEATURE, "count() in 2mo")
    shop.publish()
    shop.edit(FEATURE, "count() in 3mo")
    shop.publish()
    found = shop.found()
    old = next(item for item in found.garbage.items if item.first and item.path.startswith("features/"))
    data = shop.lake.open.get(old.path)
    manifest = Manifest.from_bytes(data)
    copy = f"{old.path.rsplit('/', 2)[0]}/{'1' * 32}/manifest.json"
    looks: list[str] = []
    delete = Store.delete

    def deleting(self: Store, paths: Sequence[str]) -> None:
        delete(self, paths)
        if old.path in paths:
            looks.append(copy)
            self.put_new(copy, data)

    monkeypatch.setattr(Store, "delete", deleting)
    cleaning.clean(found, "")
    assert looks
    assert all(shop.lake.open.size(path) is not None for path in files_of(manifest))


def test_a_run_does_not_stand_on_what_was_removed_meanwhile(
    shop: Shop, onward: tuple[Shop, RunRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project of long ago runs again while a cleaning removes what it stands on: it ends, and runs when started again."""
    shop.tickets("c", 9200)
    same_step = since.last
    removed_now: list[str] = []

    def last(lake: Lake, step: Any) -> Manifest | None:
        found = same_step(lake, step)
        if found and step.name == "desk.tickets":
            path = f"{step.zone}/{step.name}/{found.fingerprint}/manifest.json"
            removed_now.append(path)
            monkeypatch.setattr(since, "last", same_step)
            step.store(lake).delete([path])
        return found

    monkeypatch.setattr(since, "last", last)
    record = shop.run()
    assert removed_now and record.error["code"] == "E005" and "was removed while" in record.error["text"]
    whole(shop.lake, clean=False)
    shop.publish()
    assert shop.file() == onward[0].file()


def test_the_ledger_never_names_what_was_removed_meanwhile(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.tickets("c", 9200)
    entries = shop.lake.vault.list("ledger")
    resolve = people.resolve

    def resolved(*args: Any, **options: Any) -> Any:
        made = resolve(*args, **options)
        (step,) = [step for step in steps(shop) if step.name == "subjects"]
        before = since.last(shop.lake, step)
        assert before
        shop.lake.vault.delete([f"vault/subjects/{before.fingerprint}/manifest.json"])
        monkeypatch.setattr(people, "resolve", resolve)
        return made

    monkeypatch.setattr(people, "resolve", resolved)
    shop.publish()
    # it stood on nothing then
    assert len(shop.lake.vault.list("ledger")) == len(entries) + 1
    whole(shop.lake, clean=False)


def test_a_run_killed_between_ledger_and_manifest_goes_on_after_a_cleaning(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = (shop.root / "sources/crm.yaml").read_text(encoding="utf-8")
    fewer = re.sub("key: email, ", "", keys)
    (shop.root / "sources/crm.yaml").write_text(fewer, encoding="utf-8")
    for verb in ("ingest", "validate", "resolve"):
        assert shop.run(only=verb).exit_code == 0
    (shop.root / "sources/crm.yaml").write_text(keys, encoding="utf-8")
    shop.tickets("c", 9200)
    twin = shop.copy(shop.root.parent / "twin")
    commit = perform.commit

    def dying(store: Store, folder: str, manifest: Manifest) -> Manifest:
        if folder.startswith("vault/subjects"):
            raise KeyboardInterrupt
        return commit(store, folder, manifest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(perform, "commit", dying)
        shop.run()
    # whoever cleans has other contracts just now
    (shop.root / "sources/crm.yaml").write_text(fewer, encoding="utf-8")
    shop.clean()
    (shop.root / "sources/crm.yaml").write_text(keys, encoding="utf-8")
    shop.publish()
    twin.publish()
    assert len(shop.file().splitlines()) == len(twin.file().splitlines())


def steps(shop: Shop) -> Any:
    project, lake = shop.project(), shop.lake
    return later_steps(project, landed_now(project, lake), key_name(existing_key(lake.vault)))


def test_another_project_in_the_lake_keeps_what_it_used_last(shop: Shop, tmp_path: Path) -> None:
    """Two projects share lake and vault; each cleaning knows the files of one alone."""
    other = Shop(shutil.copytree(shop.root, tmp_path / "other", ignore=shutil.ignore_patterns("lake", "vault")))
    (other.root / "potable.yaml").write_text(
        f"project: other\nlake: {{restricted: {shop.root}/lake/restricted, open: {shop.root}/lake/open}}\n"
        f"vault: {shop.root}/vault\nmemory: 1GB\nthreads: 1\n"
    )
    other.edit(("features.yaml", "dataset: customer_churn"), "dataset: other_churn")
    other.edit(FEATURE, "count() in 1mo")
    other.edit(CHECK, "max_value: 900")
    other.publish()
    shop.clean(keep=1)
    assert other.run().outcome == "nothing new"
    other.clean(keep=1)
    assert shop.run().outcome == "nothing new"


def test_steps_of_another_lake_that_shares_the_vault_stay(shop: Shop, tmp_path: Path) -> None:
    other = Shop(shutil.copytree(shop.root, tmp_path / "other", ignore=shutil.ignore_patterns("lake", "vault")))
    other.edit(("potable.yaml", "vault: vault"), f"vault: {shop.root}/vault")
    other.edit(CHECK, "max_value: 900")
    other.publish()
    twin = other.file()
    shop.tickets("c", 9200)
    shop.publish()
    found = shop.clean()
    assert {"vault/identifiers", "vault/pseudonyms", "vault/subjects"} == {
        step.rsplit("/", 1)[0] for step in found.garbage.elsewhere
    }
    assert other.run().outcome == "nothing new" and other.file() == twin
    other.clean()
    assert shop.run().outcome == "nothing new"


def test_what_killed_processes_left_in_scratch_goes(shop: Shop) -> None:
    scratch = shop.root / ".potable/scratch"
    for name in ("run-abcd1234", "spark-jvm-abcd_234", "run-notes", "spark-0f1e2d3c-1111-2222-3333-444455556666"):
        (scratch / name / "deep").mkdir(parents=True)
        (scratch / name / "deep" / "x").write_bytes(b"12345")
    found = shop.found()
    assert [left.place.name for left in found.scratch] == ["run-abcd1234", "spark-jvm-abcd_234"]
    assert not shop.found(before=datetime.now(UTC) - timedelta(days=1)).scratch
    shop.clean()
    assert sorted(path.name for path in scratch.iterdir()) == [
        "run-notes",
        "spark-0f1e2d3c-1111-2222-3333-444455556666",
    ]


def test_a_lake_in_which_nothing_was_run_has_nothing_to_remove(tmp_path: Path) -> None:
    shop = Shop(shutil.copytree(EXAMPLE, tmp_path / "shop"))
    assert not shop.found().garbage.items
    (shop.root / "privacy.yaml").unlink()
    (shop.root / "features.yaml").unlink()
    for verb in ("ingest", "validate", "resolve"):
        assert shop.run(only=verb).exit_code == 0
    shop.clean()
    assert {step.state for step in shop.run(only="resolve").steps} == {"skipped"}


NUMBERS = {"feature": (4, 5, 6), "check": (90, 4000), "k": (4, 5), "tickets": (1, 2, 3), "day": (0, 1)}
"""Variants of what people do."""
OPERATIONS = st.sampled_from(
    [
        *((what, number) for what, numbers in NUMBERS.items() for number in numbers),
        *((what, 0) for what in ("lose", "stop", "validate")),
    ]
)


def operate(shop: Shop, what: str, number: int) -> None:
    """One change by somebody, and mostly a run."""
    changes = {"feature": (FEATURE, f"count() in {number}mo"), "k": (COUNTRY, f"k: {number}")}
    changes["check"] = (CHECK, f"max_value: {number}")
    if what in changes:
        shop.edit(*changes[what])
    elif what == "tickets":
        shop.tickets(str(number), 9000 + number)
    elif what == "lose":
        for path in sorted((shop.root / "data").glob("tickets-*"))[:1]:
            path.write_text("")
    elif what == "stop":
        text = (shop.root / CHECK[0]).read_text(encoding="utf-8")
        shop.edit(CHECK, "max_value: 1, severity: stop")
        assert shop.run().error["code"] == "D001"
        (shop.root / CHECK[0]).write_text(text, encoding="utf-8")
    elif what == "validate":
        shop.run(only="validate")


@pytest.mark.long
@pytest.mark.slow
@settings(max_examples=3, deadline=None)
@given(operations=st.lists(st.tuples(OPERATIONS, st.booleans()), min_size=3, max_size=7))
def test_cleaned_or_not_every_run_does_the_same(begun: Shop, operations: list[tuple[tuple[str, int], bool]]) -> None:
    """One lake is cleaned between the runs, the other never."""
    with tempfile.TemporaryDirectory() as folder:
        cleaned, never = (begun.copy(Path(folder) / name) for name in ("cleaned", "never"))
        for (what, number), cleans in operations:
            for shop in (cleaned, never):
                operate(shop, what, number)
            same(cleaned, never, DAYS[number] if what == "day" else None)
            held = [quarantine.listed(shop.project(), None) for shop in (cleaned, never)]
            assert held[0] == held[1]
            if cleans:
                assert not cleaned.clean().garbage.elsewhere


@pytest.mark.parametrize(
    "any_store",
    ["object_store", *(pytest.param(name, marks=pytest.mark.long) for name in ("azure_store", "google_store"))],
    indirect=True,
)
def test_a_lake_in_a_bucket_is_cleaned_alike(
    lived: Shop, onward: tuple[Shop, RunRecord], any_store: str, tmp_path: Path
) -> None:
    bucket = f"{any_store}/cleaned"
    far, near = lived.copy(tmp_path / "far"), lived.copy(tmp_path / "near")
    for place in ("lake/restricted", "lake/open", "vault"):
        copied(far.root / place, f"{bucket}/{place.removeprefix('lake/')}")
        shutil.rmtree(far.root / place)
    text = (far.root / "potable.yaml").read_text(encoding="utf-8")
    text = text.replace("lake/restricted", f"{bucket}/restricted").replace("lake/open", f"{bucket}/open")
    (far.root / "potable.yaml").write_text(text.replace("vault: vault", f"vault: {bucket}/vault"), encoding="utf-8")
    assert not far.found(before=datetime.now(UTC) - timedelta(days=7)).garbage.items
    found = far.clean(keep=2)
    near.clean(keep=2)
    assert set(lying(far.lake)) == set(lying(near.lake))
    # somebody else removed them meanwhile
    cleaning.clean(found, "")
    far.tickets("c", 9200)
    same(far, onward[0], record=onward[1])


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.xdist_group("spark")
def test_a_lake_is_cleaned_alike_whatever_engine_ran_on_it(lived: Shop, tmp_path: Path) -> None:
    require_spark()
    shop, twin = lived.copy(tmp_path / "shop"), lived.copy(tmp_path / "twin")
    shop.edit(("potable.yaml", "memory: 1GB"), "engine: spark\nmemory: 1GB")
    shop.clean()
    for each in (shop, twin):
        each.edit(FEATURE, "count() in 1mo")
        each.tickets("c", 9200)
    same(shop, twin)
    shop.clean()
    assert not twin.found().garbage.elsewhere
    shop.edit(("potable.yaml", "engine: spark"), "engine: duckdb")
    assert shop.run().outcome == "nothing new"
