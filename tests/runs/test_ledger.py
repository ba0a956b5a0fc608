"""A ledger of an earlier version is gone on with: nobody becomes somebody new by an upgrade."""

from __future__ import annotations

import json
import shutil

from tests.runs.conftest import Bench
from tests.runs.test_cleaning import Shop


def test_a_ledger_of_an_earlier_version_is_gone_on_with(small: Bench) -> None:
    shop = Shop(small.root)
    before = shop.file()
    (path,) = (shop.root / "vault/ledger").iterdir()
    entry = json.loads(path.read_text())
    (keys,) = entry["files"]["keys"]
    attempt, _, part = keys["path"].rpartition("/keys/")
    old = {"attempt": attempt, "counts": entry["counts"], "fingerprint": "0" * 32, "parts": [{**keys, "path": part}]}
    path.write_text(json.dumps(old))
    # other code made other steps
    for manifest in (shop.root / "vault/vault").rglob("manifest.json"):
        manifest.unlink()
    for zone in ("protected", "features", "datasets"):
        shutil.rmtree(shop.root / "lake/open" / zone)
    assert attempt not in {item.path.rpartition("/keys/")[0] for item in shop.found().garbage.items}
    record = shop.publish()
    assert shop.file() == before and record.identity["new"] == 0
