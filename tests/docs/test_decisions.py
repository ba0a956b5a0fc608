"""docs/decisions.md: every decision is found in its contents."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "decisions.md").read_text(encoding="utf-8")


def test_the_contents_name_every_decision_once() -> None:
    headings = re.findall(r"^## (\d{4}-\d\d-\d\d: .*)$", PAGE, re.MULTILINE)
    linked = re.findall(r"^- \[.*\]\(#(.*)\)$", PAGE, re.MULTILINE)
    assert sorted(linked) == sorted(map(anchor, headings))


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
