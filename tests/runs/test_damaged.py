"""What an operator is told when the lake or the vault is not as runs left them, or the machine does not do its part."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.runs.conftest import Bench
from tests.runs.test_faults import command, refused


def test_a_vault_that_is_gone_is_not_taken_for_a_new_one(small: Bench) -> None:
    shutil.rmtree(small.root / "vault")
    told = refused(small, "E011", 3)
    assert "the vault has no key, but version 1 of `customer_churn` was made with one" in told
    assert "is the vault mounted" in told and f"next:    potable -C {small.root} doctor" in told
    assert json.loads(newest(small, "runs/*.json").read_text())["error"]["code"] == "E011"
    checked = command(small, "doctor")
    assert checked.returncode == 3 and re.search("^root vault +bad +the vault has no key", checked.stdout, re.MULTILINE)
    assert command(small, "run", "--only", "resolve", "--new-vault").returncode == 0
    assert command(small, "doctor").returncode == 0


def test_a_ledger_that_is_gone_does_not_make_everybody_somebody_new(small: Bench) -> None:
    shutil.rmtree(small.root / "vault/ledger")
    told = refused(small, "E011", 3)
    assert "the vault has no ledger, but version 1 of `customer_churn` was made with one" in told
    assert "version 1 stays current" in told and f"next:    potable -C {small.root} doctor" in told
    small.edit("features.yaml", "seed: 1", "seed: 2")
    assert command(small, "run", "--new-vault").returncode == 0


def test_files_of_the_current_version_that_are_gone_are_told(small: Bench) -> None:
    (file,) = small.root.glob("lake/open/datasets/**/*.parquet")
    file.unlink()
    for asked in (["show", "customer_churn"], ["get", str(small.root / "copy")]):
        done = command(small, *asked)
        assert done.returncode == 3 and f"`{file.relative_to(small.root / 'lake/open')}` is damaged" in done.stderr
    # what is new is published, and is not compared
    small.edit("features.yaml", "count() in 6mo\n", "count() in 7mo\n")
    record = small.run()
    assert record.outcome == "published" and record.dataset and record.dataset.beside
    assert record.dataset.beside.unknown == "its Parquet file is missing or damaged"


def test_a_profile_that_is_gone_is_named(small: Bench) -> None:
    for file in small.root.glob("lake/restricted/validated/crm.customers/*/*/profile/*"):
        file.unlink()
    told = refused(small, "E011", 3)
    assert "/profile/part.parquet` is damaged or missing" in told and "remove the folder `validated/crm" in told


def test_without_a_version_a_vault_may_be_new(small: Bench) -> None:
    shutil.rmtree(small.root / "vault")
    shutil.rmtree(small.root / "lake/open/datasets")
    assert command(small, "run", "--only", "resolve").returncode == 0


@pytest.mark.parametrize(
    ("damaged", "named"),
    [
        ("lake/restricted/raw/crm/batches/*.json", "`raw/crm/batches/00000001.json` is damaged"),
        ("lake/open/datasets/customer_churn/log/*.json", "`datasets/customer_churn/log/00000001.json` is damaged"),
        ("lake/restricted/validated/crm.customers/*/manifest.json", "remove the folder `validated/crm.customers/"),
        ("vault/keys/pseudonym.json", "`keys/pseudonym.json` is damaged"),
        ("lake/open/runs/*.json", "or remove it: it only tells of an earlier run"),
    ],
)
def test_a_damaged_file_is_named_and_what_to_do_with_it(small: Bench, damaged: str, named: str) -> None:
    for file in small.root.glob(damaged):
        file.write_bytes(file.read_bytes()[:40])
    told = refused(small, "E011", 3)
    assert named in told
    if "the folder" in named:
        folder = small.root / "lake/restricted" / re.findall("remove the folder `(.*?)`", told)[0]
        shutil.rmtree(folder)
        assert command(small, "run").returncode == 0


def test_a_raw_object_that_is_gone_lands_again_where_the_source_still_has_it(small: Bench) -> None:
    objects = sorted(small.root.glob("lake/restricted/raw/crm/objects/*/*"))
    was = {file: unpacked(file) for file in objects}
    for file in objects:
        file.unlink()
    shutil.rmtree(small.root / "lake/restricted/validated/crm.customers")
    assert "next:    potable" in refused(small, "E002", 3) and not any(map(Path.exists, objects))
    assert command(small, "run", "--full-refresh").returncode == 0
    assert {file: unpacked(file) for file in objects} == was


def test_a_disk_that_is_full_where_nobody_expects_it_is_no_bug(small: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof of the build writes files of its own into the scratch folder."""

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pq, "write_table", full)
    small.edit("features.yaml", "seed: 1", "seed: 2")
    told = refused(small, "E004", 3)
    assert "the machine refused: no space left on device" in told
    assert f"next:    potable -C {small.root} doctor" in told


def test_doctor_says_which_file_cannot_be_read(small: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def shut(path: Path, *given: Any, **more: Any) -> Any:
        if path.name == "tickets.ndjson":
            raise PermissionError(errno.EACCES, "no")
        return opened(path, *given, **more)

    monkeypatch.setattr(Path, "open", shut)
    told = command(small, "doctor").stdout
    assert re.search(r"^source desk +bad +`tickets.ndjson` cannot be read \(PermissionError\)", told, re.MULTILINE)


def test_doctor_notices_a_clock_that_is_behind_what_runs_noted(small: Bench) -> None:
    assert re.search("^clock +ok +", command(small, "doctor").stdout, re.MULTILINE)
    ahead = datetime.now(UTC) + timedelta(days=2)
    (small.root / f"lake/open/runs/{ahead:%Y%m%d-%H%M%S}-0a1b2c.json").write_text("{}")
    told = command(small, "doctor")
    assert re.search(f"^clock +note +it is .*, but a run began {ahead:%Y-%m-%d %H:%M} UTC", told.stdout, re.MULTILINE)


def unpacked(file: Path) -> bytes:
    with pa.input_stream(str(file), compression="zstd") as stream:
        return bytes(stream.read())


def newest(bench: Bench, pattern: str) -> Path:
    return max((bench.root / "lake/open").glob(pattern))
