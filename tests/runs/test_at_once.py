"""Runs at once on one lake: what another run wrote meanwhile is gone on with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.runs.conftest import Bench, left_to_do
from tests.runs.test_cleaning import EXAMPLE, Shop

from potable.datasets.version import history
from potable.runs import landing, opened, people
from potable.store.log import Log


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(shutil.copytree(EXAMPLE, tmp_path / "shop"))
    made.edit(("potable.yaml", "memory: 1GB"), "memory: 1GB\nthreads: 1")
    return made


@pytest.fixture
def validated(finished_small: Bench, tmp_path: Path) -> Shop:
    """The small example as it was before anybody was resolved."""
    return Shop(left_to_do(finished_small, tmp_path / "shop", "resolve", "protect", "build", "publish").root)


def meanwhile(patched: pytest.MonkeyPatch, module: Any, name: str, act: Callable[[], object]) -> None:
    """Let something happen just before a run comes to write what `name` gives, once."""
    real = getattr(module, name)

    def late(*given: Any, **options: Any) -> Any:
        made = real(*given, **options)
        if getattr(module, name) is late:
            patched.setattr(module, name, real)
            act()
        return made

    patched.setattr(module, name, late)


def entries(shop: Shop) -> int:
    return Log(shop.lake.vault, "ledger").last()[0]


def test_a_ledger_that_another_run_wrote_is_taken_over(validated: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(monkeypatch, people, "resolve", validated.publish)
    validated.publish()
    assert (entries(validated), len([*(validated.root / "lake/open/datasets/customer_churn/log").iterdir()])) == (1, 1)


def test_a_ledger_that_another_project_wrote_is_gone_on_with(validated: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    other = validated.copy(validated.root.parent / "other")
    other.edit(("potable.yaml", "vault: vault"), f"vault: {validated.root / 'vault'}")
    other.tickets("new", 9000)
    other.edit(("sources/desk.yaml", "tickets.ndjson"), "tickets*.ndjson")
    meanwhile(monkeypatch, people, "resolve", other.publish)
    validated.publish()
    assert entries(validated) == 2
    assert validated.run().outcome == "nothing new"


def test_a_batch_that_another_run_wrote_is_not_landed_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    real = landing.ingest

    def late(*given: Any, **options: Any) -> Any:
        monkeypatch.setattr(landing, "ingest", real)
        log, append = given[1].log, given[1].log.append

        def appended(entry: dict[str, Any], *, parent: int) -> int:
            shop.run(only="ingest")
            return int(append(entry, parent=parent))

        monkeypatch.setattr(log, "append", appended)
        return real(*given, **options)

    monkeypatch.setattr(landing, "ingest", late)
    record = shop.run(only="ingest")
    assert (record.exit_code, record.error) == (0, {})
    batches = [len([*log.iterdir()]) for log in (shop.root / "lake/restricted/raw").glob("*/batches")]
    assert batches == [1] * len(shop.project().sources)


def test_a_run_that_was_overtaken_does_not_make_older_data_current(
    validated: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtake() -> None:
        validated.edit(("sources/desk.yaml", "tickets.ndjson"), "tickets*.ndjson")
        validated.tickets("new", 9000)
        validated.publish()

    # a machine that sleeps for an hour before the gates, say
    meanwhile(monkeypatch, opened, "build", overtake)
    record = validated.run()
    assert (record.exit_code, record.error["code"], record.error["retryable"]) == (3, "E005", True)
    published = history(validated.lake.versions("customer_churn"))
    assert len(published) == 1 and published[0].run != record.run
    assert "version 1" in record.error["state"]
    assert validated.run().outcome == "nothing new"
    assert not [
        each for each in validated.lake.audit.entries() if (each["what"], each["run"]) == ("publish", record.run)
    ]
