"""What the vault keeps for the leak scan is what making all of it gives, and is not trusted where it is not."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Examples

from potable.datasets import sought
from potable.engines.base import Engine, collect
from potable.errors import DataError
from potable.privacy import roster
from potable.runs import known
from potable.runs.plan import Step
from potable.runs.workshop import Workshop
from potable.store.layout import Lake
from potable.store.manifest import File, Manifest, commit, find

Identifier = tuple[str | None, str, str]
"""(subject, kind, value)."""
STEP = Step("publish", "people", "f" * 32, "datasets")
ANNA: list[Identifier] = [("s1", "full_name", "Anna Müller"), ("s1", "id", "E100234"), ("s1", "phone", "0151 1234567")]
WILL: list[Identifier] = [("s2", "name", "Low"), ("s2", "email", "will@corp.example"), (None, "full_name", "Jo Poe")]


class Vault:
    """A vault in which one list of identifiers was collected after the other."""

    def __init__(self, engine: Engine, root: Path) -> None:
        lake = Lake.at("restricted", "open", "vault", base=root)
        self.shop = Workshop(None, lake, engine, root / "scratch", b"")  # type: ignore[arg-type]

    def collected(
        self,
        fingerprint: str,
        identifiers: Sequence[Identifier],
        stands_on: str = "",
        former: Sequence[Identifier] = (),
    ) -> None:
        """Identifiers as `protect identifiers` leaves them."""
        store, folder = self.shop.lake.vault, f"vault/identifiers/{fingerprint}"
        files = {}
        for output, listed in (("rows", identifiers), ("former", former)):
            place = Path(store.locate(f"{folder}/{output}"))
            place.mkdir(parents=True)
            rows = [
                {"subject": subject, "kind": kind, "value": value, "canonical": value, "telling": True}
                for subject, kind, value in listed
            ]
            pq.write_table(pa.Table.from_pylist(rows, roster.schema()), place / "part.parquet")
            files[output] = [File(f"{folder}/{output}/part.parquet", len(rows), 0)] if rows else []
        manifest = Manifest("protect identifiers", fingerprint, files, {}, {"stands_on": stands_on})
        self.shop.done["protect", "identifiers"] = (STEP, commit(store, folder, manifest))

    def found(self, step: Step = STEP) -> Counter[tuple[Any, ...]]:
        """The digests a step gets."""
        return self._rows(known.digests(self.shop, step))

    def whole(self) -> Counter[tuple[Any, ...]]:
        """All digests, made without anything that is kept."""
        identified = known.since.identified(self.shop, self.shop.manifest("protect", "identifiers"))
        return self._rows(sought.digests(identified, self.shop.engine))

    def kept(self, fingerprint: str) -> Manifest:
        """What is kept for a list."""
        manifest = find(self.shop.lake.vault, known.place(fingerprint))
        assert manifest
        return manifest

    def spoil(self, fingerprint: str) -> None:
        """Lose one digest of what is kept."""
        (path,) = self.kept(fingerprint).paths(self.shop.lake.vault)
        pq.write_table(pq.read_table(path).slice(1), path)

    def _rows(self, relation: Any) -> Counter[tuple[Any, ...]]:
        return Counter(tuple(row.values()) for row in collect(self.shop.engine, relation).to_pylist())


@pytest.fixture
def vault(engine: Engine, tmp_path: Path) -> Vault:
    return Vault(engine, tmp_path)


def test_what_is_kept_is_read_again(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.collected("a", ANNA)
    first = vault.found()
    monkeypatch.setattr(sought, "digests", lambda *given: pytest.fail("they are there"))
    assert vault.found() == first and sum(first.values()) > len(ANNA)


@pytest.mark.long_on_spark
def test_only_what_came_is_made(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.collected("a", ANNA)
    vault.found()
    vault.collected("b", [*ANNA, *WILL], stands_on="a")
    made: list[int] = []
    real = sought.digests

    def counting(identifiers: Any, engine: Engine) -> Any:
        made.append(collect(engine, identifiers).num_rows)
        return real(identifiers, engine)

    monkeypatch.setattr(sought, "digests", counting)
    layered = vault.found()
    assert made == [len(WILL)] and vault.kept("b").facts["stands_on"] == "a"
    # what is kept of both is held to its sums
    assert vault.found() == layered and made == [len(WILL)]
    assert layered == vault.whole()


@pytest.mark.long_on_spark
def test_what_stands_is_not_written_again(vault: Vault) -> None:
    named = [("a", ANNA, ""), ("b", [*ANNA, *WILL], "a"), ("c", [*ANNA, *WILL], "b")]
    for name, identifiers, stands_on in named:
        vault.collected(name, identifiers, stands_on)
        assert vault.found() == vault.whole()
    first, second, third = (vault.kept(name).files["rows"] for name, _, _ in named)
    assert second[: len(first)] == first and len(second) > len(first) and third == second


@pytest.mark.long_on_spark
def test_dates_of_birth_are_not_looked_for_in_a_dataset(vault: Vault) -> None:
    vault.collected("a", [*ANNA, ("s1", "birth", "1984-03-07")])
    found = vault.found()
    vault.collected("b", ANNA)
    assert found == vault.found() == vault.whole()
    assert "birth" not in {row[2] for row in found}
    vault.collected("c", [*ANNA, *WILL, ("s2", "birth", "1985-01-02")], stands_on="b")
    layered = vault.found()
    assert "birth" not in {row[2] for row in layered}
    assert vault.found(replace(STEP, proves=True)) == layered


texts = st.text("aäöü Eb-1234567890@.", min_size=1, max_size=16)
people = st.tuples(st.sampled_from([None, "s1", "s2"]), st.sampled_from(["name", "full_name", "id", "phone"]), texts)


@pytest.mark.long_on_spark
def test_layers_give_what_making_all_gives(engine: Engine, examples: Examples) -> None:
    @settings(max_examples=examples(engine, 9), deadline=None)
    @given(st.lists(people, max_size=6, unique=True), st.lists(people, max_size=6), st.lists(people, max_size=6))
    def same(first: list[Identifier], second: list[Identifier], third: list[Identifier]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            vault, all_ = Vault(engine, Path(folder)), dict.fromkeys(first)
            vault.collected("0", list(all_))
            vault.found()
            for number, more in enumerate((second, third), 1):
                all_ |= dict.fromkeys(more)
                vault.collected(str(number), list(all_), stands_on=str(number - 1))
                assert vault.found() == vault.whole()
                assert vault.found(replace(STEP, proves=True)) == vault.whole()

    same()


@pytest.mark.long_on_spark
def test_where_identifiers_went_all_are_made(vault: Vault) -> None:
    vault.collected("a", [*ANNA, *WILL])
    vault.found()
    vault.collected("b", ANNA)
    assert vault.found() == vault.whole()
    assert vault.kept("b").facts["stands_on"] == ""


def test_a_kept_file_that_changed_is_not_used(vault: Vault) -> None:
    vault.collected("a", ANNA)
    first = vault.found()
    vault.spoil("a")
    assert vault.found() == first


@pytest.mark.long_on_spark
def test_a_kept_file_that_is_gone_stops_nobody(vault: Vault) -> None:
    vault.collected("a", ANNA)
    first = vault.found()
    for path in vault.kept("a").paths(vault.shop.lake.vault):
        Path(path).unlink()
    assert vault.found() == first
    vault.collected("b", [*ANNA, *WILL], stands_on="a")
    assert vault.found() == vault.whole()


def test_nothing_stands_on_a_kept_file_that_changed(vault: Vault) -> None:
    vault.collected("a", ANNA)
    vault.found()
    vault.spoil("a")
    vault.collected("b", [*ANNA, *WILL], stands_on="a")
    assert vault.found() == vault.whole()
    assert vault.kept("b").facts["stands_on"] == ""


def test_a_proof_finds_out_a_kept_file_that_changed(vault: Vault) -> None:
    vault.collected("a", ANNA)
    first = vault.found()
    assert vault.found(replace(STEP, proves=True)) == first
    vault.spoil("a")
    with pytest.raises(DataError, match="digests of known identifiers") as caught:
        vault.found(replace(STEP, proves=True))
    assert caught.value.code == "D005"


def test_other_code_keeps_its_own(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.collected("a", ANNA)
    vault.found()
    monkeypatch.setattr(known, "code", lambda verb: "other")
    assert not find(vault.shop.lake.vault, known.place("a"))


def test_former_identifiers_have_digests_beside_those_of_today(vault: Vault) -> None:
    vault.collected("a", ANNA, former=WILL)
    found = vault.found()
    kinds = {kind for _, _, kind, *_ in found}
    assert kinds == {"full_name", "id", "phone", "former name", "former email", "former full_name"}
    # one that was taken back is gone, and one that somebody has again is no former one
    vault.collected("b", [*ANNA, WILL[0]], stands_on="a", former=WILL[2:])
    assert {kind for _, _, kind, *_ in vault.found()} == {"full_name", "id", "phone", "name", "former full_name"}
    vault.collected("c", [*ANNA, WILL[0]], stands_on="b")
    assert {kind for _, _, kind, *_ in vault.found()} == {"full_name", "id", "phone", "name"}
    assert vault.found(replace(STEP, proves="f" * 32)) == vault.found()
