"""A fingerprint tells what a step makes: what changes that, changes the fingerprint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.runs.conftest import Bench, make_small

from potable.runs.plan import later_steps

ITEMS = """
  replies:
    records: replies
    columns:
      ticket_id: {path: ../id, type: integer, required: true, category: none}
      text: {type: string, category: free_text}
"""


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[str, str, str], set[str]]:
    """The steps whose fingerprints are others after an edit of the small example, among those that were there."""

    def prints(bench: Bench) -> dict[str, str]:
        project = bench.project()
        steps = later_steps(project, {source: () for source in project.sources}, "key")
        return {step.label: step.fingerprint for step in steps}

    def edited(file: str, old: str, new: str) -> set[str]:
        bench = make_small(tmp_path / "project")
        before = prints(bench)
        bench.edit(file, old, new)
        after = prints(bench)
        return {label for label, each in before.items() if after[label] != each}

    return edited


def test_the_order_of_features_is_that_of_columns(changed: Callable[[str, str, str], set[str]]) -> None:
    one, other = "    tickets_6mo: count() in 6mo\n", "    hours_avg_last3: avg(hours_to_close) last 3\n"
    between = "    urgent_6mo: count() in 6mo where severity = 'high'\n"
    moved = changed("features.yaml", one + between + other, other + between + one)
    assert moved == {"build customer_churn", "publish customer_churn"}


def test_what_is_counted_is_told_by_the_place_of_a_column(changed: Callable[[str, str, str], set[str]]) -> None:
    lines = (
        "      severity:        {type: string, category: user.behavior, levels: [low, normal, high]}\n",
        '      hours_to_close:  {type: float, category: user.behavior, on_error: "null"}\n',
    )
    one, other = lines
    assert "validate desk.tickets" in changed("sources/desk.yaml", one + other, other + one)


def test_a_list_that_another_table_has_is_no_new_column_of_this_one(
    changed: Callable[[str, str, str], set[str]],
) -> None:
    found = changed("sources/desk.yaml", "\ntables:\n", f"\ntables:{ITEMS}")
    assert "validate desk.tickets" in found and "validate crm.customers" not in found
