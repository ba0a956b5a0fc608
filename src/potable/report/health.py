"""What the report and the summary say about the health of the data.

One row per table, one word per question; then what was found, in the words of whoever judged it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from potable.contracts.findings import Finding
from potable.datasets.disparities import Disparity
from potable.datasets.shifts import Beside, Shift
from potable.report.numbers import plural, share
from potable.runs.record import RunRecord, TableRecord

QUESTIONS = {
    "Missing": "missing",
    "Incorrect": "incorrect",
    "Outdated": "freshness",
    "Anomalous": "volume",
    "Drifted": "drift",
    "Unmatched": "unmatched",
    "Filled in later": "hindsight",
}
"""What people ask, by the check that answers it."""
_WORDS = {"ok": "no", "warn": "yes", "stop": "yes, stops", "accepted": "expected", "open": "not judged"}
_TONES = {"ok": "kept", "warn": "care", "stop": "broken", "accepted": "", "open": "none"}
_WORST = ("stop", "warn", "accepted", "open", "ok")
_MOST_FEATURES = 8


@dataclass(frozen=True)
class Answer:
    """One word on one question about a table."""

    word: str
    tone: str
    """Class of the style sheet."""
    declared: bool


def word(state: str) -> Answer:
    """A state as people read it."""
    return Answer(_WORDS[state], _TONES[state], True)


def answers(table: TableRecord) -> list[Answer]:
    """The answers to all questions, in their order.

    Of incorrect and unmatched rows, where no rise is found, how many there are.
    """
    found = []
    counted = {"incorrect": (table.quarantined, table.rows_in)}
    if table.protected_rows + table.nobody:
        counted["unmatched"] = (table.nobody, table.rows)
    for check in QUESTIONS.values():
        states = {finding.state for finding in table.health if finding.check == check}
        worst = next((state for state in _WORST if state in states), "")
        some, rows = counted.get(check, (0, 0))
        if some and worst in ("", "open", "ok"):
            # that they are no more than before does not make them right
            found.append(Answer(share(some, rows), "care", True))
        elif worst:
            found.append(word(worst))
        elif check in counted:
            found.append(word("ok"))
        else:
            found.append(Answer("–", "none", False))
    return found


def judged(record: RunRecord) -> list[tuple[str, Finding]]:
    """Everything that was judged of tables, with the table."""
    return [(table.table, finding) for table in record.tables for finding in table.health]


def findings(table: TableRecord) -> list[Finding]:
    """What was found of a table, worst first."""
    return sorted(table.health, key=lambda finding: _WORST.index(finding.state))


def name(finding: Finding) -> str:
    """What a finding is about: `outdated`, `drifted: gross_usd`."""
    (question,) = [question for question, check in QUESTIONS.items() if check == finding.check]
    return f"{question.lower()}: {finding.column}" if finding.column else question.lower()


def line(record: RunRecord) -> str:
    """The health of a run in one line; empty where nothing was judged."""
    found, data = judged(record), record.dataset
    groups = [each for each in data.bias if each.measure == "label" or each.bound is not None] if data else []
    moved = data.beside.shifts if data and data.beside else ()
    if not (found or groups or moved):
        return ""
    bad = [f"{table} {name(finding)}" for table, finding in found if finding.state in ("warn", "stop")]
    bad += [f"{each.column} biased by {each.by}" for each in groups if each.state in ("warn", "stop")]
    bad += [f"{each.column} drifted" for each in moved if each.state in ("warn", "stop")]
    total = plural(len(found) + len(groups) + len(moved), "check")
    unknown = sum(finding.state == "open" for _, finding in found) + sum(each.state == "open" for each in groups)
    if unknown == len(found) + len(groups) + len(moved):
        return f"{total}, {'none' if unknown > 1 else 'not'} judged yet"
    total += f" ({unknown} not judged yet)" if unknown else ""
    if not bad:
        return f"nothing found by {total}"
    more = [f"{len(bad) - 3} more"] if len(bad) > 3 else []
    return f"{plural(len(bad), 'finding')} of {total}: {', '.join(dict.fromkeys([*bad[:3], *more]))}"


def moved(beside: Beside) -> list[Shift]:
    """What lies elsewhere than in the version it is compared with: worst first, then farthest."""
    apart = [each for each in beside.shifts if each.state != "ok"]
    return sorted(apart, key=lambda each: (_WORST.index(each.state), -each.value / each.bound))


def label_rates(groups: Sequence[Disparity]) -> list[Disparity]:
    """How the label falls in groups."""
    return [each for each in groups if each.measure == "label"]


def features_apart(groups: Sequence[Disparity]) -> list[Disparity]:
    """The features in which groups differ most, the furthest first."""
    features = [each for each in groups if each.measure == "feature" and each.difference > 0]
    return sorted(features, key=lambda each: (each.state == "ok", -each.difference))[:_MOST_FEATURES]
