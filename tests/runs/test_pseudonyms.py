"""Pseudonyms stand on those of an earlier step while keys only came, and else are made whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from potable.engines.base import Engine, collect
from potable.identity.resolve import KEYS
from potable.privacy import pseudonyms
from potable.runs import people, since
from potable.runs.plan import Step
from potable.runs.workshop import Workshop
from potable.store.layout import Lake
from potable.store.manifest import File, Manifest, commit

Key = tuple[str, str, str, bool]
ANN, BOB, CAT = ("emp_no", "E1", "ann", True), ("emp_no", "E2", "bob", True), ("emp_no", "E3", "cat", True)
DAN = ("email", "dan@y", "dan", False)


@dataclass
class Vault:
    """Ledgers of days, and the pseudonyms made of each."""

    shop: Workshop
    numbers: Any = field(default_factory=count)

    def file(self, *keys: Key) -> File:
        path = f"vault/subjects/{next(self.numbers)}.parquet"
        place = Path(self.shop.lake.vault.locate(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist([dict(zip(KEYS.names, key, strict=True)) for key in keys], KEYS), place)
        return File(path, len(keys), place.stat().st_size)

    def day(self, files: Sequence[File], *, rows: int = 10, rates: int = 0, rules: str = "same") -> Manifest:
        """The step of a day whose ledger has these files; `rows` about people decide the number of buckets."""
        number = next(self.numbers)
        resolve = Step("resolve", "subjects", f"r{number}", "vault")
        made = Manifest(resolve.label, resolve.fingerprint, {"keys": files}, {})
        self.shop.done["resolve", "subjects"] = resolve, commit(self.shop.lake.vault, resolve.folder, made)
        for table, validated in (("hr.people", rows), ("fx.rates", rates)):
            told = Manifest("", "", {"rows": [File("", validated, 0)]}, {})
            self.shop.done["validate", table] = Step("validate", table), told
        step = Step("protect", "pseudonyms", f"p{number}", "vault", rules=rules)
        attempt = f"{step.folder}/attempt"
        done = people.make_pseudonyms(self.shop, step, attempt).manifest(step, attempt)
        since.remember(self.shop.lake, step)
        return commit(self.shop.lake.vault, step.folder, done)

    def names(self, made: Manifest) -> dict[str, tuple[str, int]]:
        found = self.shop.engine.read(made.paths(self.shop.lake.vault), pseudonyms.schema())
        rows = collect(self.shop.engine, found).to_pylist()
        assert len(rows) == made.rows() == made.counts["rows"] == len({row["subject"] for row in rows})
        return {row["subject"]: (row["pseudonym"], row["bucket"]) for row in rows}


@pytest.fixture
def vault(engine: Engine, tmp_path: Path) -> Vault:
    project = SimpleNamespace(
        policy=SimpleNamespace(epoch=1),
        features=SimpleNamespace(dataset="d"),
        tables={"hr.people": SimpleNamespace(keys={"no": "emp_no"}), "fx.rates": SimpleNamespace(keys={})},
    )
    lake = Lake.at("restricted", "open", "vault", base=tmp_path)
    return Vault(Workshop(cast("Any", project), lake, engine, tmp_path / "scratch", b"k" * 32))


def test_whoever_came_is_named_beside_those_who_stand(vault: Vault) -> None:
    first, more = (
        vault.file(ANN, BOB, DAN),
        vault.file(CAT, ("email", "ann@x", "ann", True), ("email", "e", "eve", False)),
    )
    before = vault.day([first])
    after = vault.day([first, more])
    assert after.facts["stands_on"] == before.fingerprint and after.files["rows"][:1] == before.files["rows"]
    assert sum(file.rows for file in after.files["rows"][1:]) == 1
    assert vault.names(after) == vault.names(vault.day([first, more], rules="others"))
    assert vault.names(after).keys() == {"ann", "bob", "cat"}


def test_keys_of_known_people_leave_the_files_as_they_are(vault: Vault) -> None:
    first = vault.file(ANN, BOB)
    before = vault.day([first])
    assert vault.day([first]).files == before.files
    assert vault.day([first, vault.file(("email", "ann@x", "ann", True))]).files == before.files


def test_a_ledger_that_was_written_whole_gives_all_names_anew(vault: Vault) -> None:
    before = vault.day([vault.file(ANN, BOB)])
    after = vault.day([vault.file(ANN, (*DAN[:3], True))])
    assert after.facts["stands_on"] == "" and set(after.files["rows"]).isdisjoint(before.files["rows"])
    assert vault.names(after).keys() == {"ann", "dan"}


def test_other_buckets_or_another_key_or_epoch_give_all_names_anew(vault: Vault) -> None:
    first = vault.file(ANN, BOB, CAT)
    before = vault.day([first])
    # the epoch and the name of the key are among the rules
    for after in (vault.day([first], rows=9_000_000), vault.day([first], rules="another key")):
        assert after.facts["stands_on"] == "" and after.files["rows"] != before.files["rows"]


def test_rows_without_keys_ask_for_no_buckets(vault: Vault) -> None:
    first = vault.file(ANN, BOB, CAT)
    before = vault.day([first])
    # the step is not made again where they alone change, so they must not decide what it makes
    assert vault.day([first], rates=9_000_000, rules="others").counts == before.counts
