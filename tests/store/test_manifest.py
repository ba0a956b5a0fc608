"""A step is done when its manifest is there, and the first manifest counts."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from potable.errors import Damaged
from potable.store.manifest import File, Manifest, canonical, code_version, commit, find, fingerprint
from potable.store.objects import Store

MADE = Manifest(
    "validate",
    "f" * 32,
    {"rows": [File("v/a=1/x.parquet", 3, 10, 1), File("v/a=2/x.parquet", 4, 10, 2)]},
    {"rows": 7},
    {"day": "2020-01-01"},
)


def test_a_manifest_survives_storage(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    assert find(store, "v") is None
    commit(store, "v", MADE)
    assert find(store, "v") == MADE


def test_the_first_manifest_counts(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    late = Manifest("validate", "f" * 32, {}, {"rows": 0})
    assert commit(store, "v", MADE) == MADE
    assert commit(store, "v", late) == MADE


def test_who_made_a_manifest_reads_it_as_all_others_do(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    made = commit(store, "v", Manifest("publish", "f" * 32, {}, {"rows": 1}, {"dropped": {"b": 1, "a": 2}}))
    found = find(store, "v")
    assert found and list(made.facts["dropped"]) == list(found.facts["dropped"])


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"files": 1}'])
def test_a_manifest_that_is_none_is_named(tmp_path: Path, data: bytes) -> None:
    store = Store(str(tmp_path))
    store.put_new("v/manifest.json", data)
    with pytest.raises(Damaged, match=r"`v/manifest\.json`"):
        find(store, "v")


def test_files_are_found_by_output_and_partition(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    assert MADE.rows() == 7
    assert MADE.rows("nothing") == 0
    assert MADE.paths(store, partition=2) == [str(tmp_path / "v/a=2/x.parquet")]
    assert len(MADE.paths(store)) == 2


def test_a_fingerprint_depends_on_content_only() -> None:
    assert fingerprint({"a": 1, "b": {2, 1}}) == fingerprint({"b": {1, 2}, "a": 1})
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    assert fingerprint(date(2020, 1, 1)) != fingerprint(datetime(2020, 1, 1, tzinfo=UTC))
    assert len(fingerprint()) == 32


def test_what_has_no_canonical_form_is_refused() -> None:
    with pytest.raises(TypeError):
        canonical({"a": object()})


def test_code_version_sees_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1")
    first = code_version(tmp_path)
    (tmp_path / "note.txt").write_text("")
    assert code_version(tmp_path) == first
    (tmp_path / "a.py").write_text("x = 2")
    second = code_version(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert len({first, second, code_version(tmp_path)}) == 3
