"""What the report says about a run, in sentences and rows: the record, read once and put in order.

Everything is derived from the record, nothing is looked up elsewhere; mappings are sorted here because
a stored record has lost their order. How it looks belongs to the template and the style sheet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from potable.errors import CODES, DOCS
from potable.report.numbers import human_bytes, human_count, human_seconds, plural, share, some
from potable.runs.record import UNFINISHED, VERBS, CategoryRecord, FeatureRecord, RunRecord, StepRecord, TableRecord

NOBODY = "belongs to nobody"
"""Reason of rows that protect split off because no roster knows their person."""
_SPINE: Mapping[str, str] = {
    "seen": "subjects with any record in `rows.from`",
    "employed": "with one that runs at a candidate date",
    "selected": "meeting `rows.where`",
    "eligible": "with a label window inside the data",
    "rows": "rows of the dataset",
}
IDENTITY: Mapping[str, str] = {
    "keys": "keys in all systems",
    "people": "people they belong to",
    "rostered": "in a roster",
    "several": "with several roster keys",
    "crowded": "quarantined, with more keys than a person can have",
    "new": "seen for the first time",
    "merged": "merged with another person",
    "split": "split into two people",
    "shared_keys": "placeholder values that do not link people",
}
"""Counts of people, as they are told."""


@dataclass(frozen=True)
class Verdict:
    """One promise of the product, and what this run measured about it."""

    promise: str
    state: Literal["kept", "broken", "open"]
    """`open`: this run did not get far enough, or was not asked, to measure it."""
    evidence: str


@dataclass(frozen=True)
class Equation:
    """The row counts of one table, which must add up."""

    table: TableRecord
    balanced: bool
    protected: bool
    """Whether protect has seen the table."""
    unexpected: Sequence[Any]
    """Checks that some row did not meet."""
    nulls: Sequence[tuple[str, int]]
    """Columns with nulls, most first."""


@dataclass(frozen=True)
class Spent:
    """The steps of one verb together."""

    verb: str
    steps: int
    skipped: int
    rows: int
    bytes: int
    memory: int
    """Bytes the run held at most during any of them."""
    seconds: float


def defined(record: RunRecord) -> str:
    """Of rows to be scored, the version whose models they are for."""
    data = record.dataset
    if not data or not data.scores:
        return ""
    if data.defined_as:
        return f"defined as in {data.scores} version {data.defined_as}"
    return f"not defined as in any version of {data.scores}, so a model trained on one expects other columns"


def outcome(record: RunRecord) -> str:
    """What came of the run, as a sentence."""
    data = record.dataset
    if record.outcome == "published" and data:
        return f"Version {data.version} was published."
    if record.outcome == "nothing new":
        return f"Nothing changed. Version {data.version} stays current." if data else "Nothing changed."
    if record.outcome == "failed":
        kept = f" Version {data.version} stays current." if data else " No version was published."
        return "The run failed." + kept
    if record.outcome in UNFINISHED:
        return f"The run was {record.outcome}. Finished steps are kept, and the next run continues from there."
    return "The run finished the steps it was asked for. No new version was published."


def waiting(record: RunRecord) -> str:
    """Which verbs wait for which project files; empty where all are written."""
    files = " and ".join(record.unwritten)
    return f"protect, build and publish wait for {files}, not written yet" if files else ""


def size(record: RunRecord) -> str:
    """The dataset's measures as a phrase: `1,912 rows × 41 columns, 612 KB`."""
    data = record.dataset
    if not data:
        return ""
    return f"{plural(data.rows, 'row')} × {plural(data.columns, 'column')}, {human_bytes(data.csv_bytes)}"


def absent(record: RunRecord) -> str:
    """Why a section has nothing to show."""
    return "The run ended before this step." if record.outcome in UNFINISHED else "Not part of this run."


def verdicts(record: RunRecord) -> tuple[Verdict, ...]:
    """The promises a run can measure, each with its evidence."""
    return _nothing_lost(record), _no_one_exposed(record), _no_future(record), _memory_kept(record)


def _nothing_lost(record: RunRecord) -> Verdict:
    promise = "Nothing is lost"
    tables = equations(record)
    if not tables:
        return Verdict(promise, "open", absent(record))
    wrong = [equation.table.table for equation in tables if not equation.balanced]
    if wrong:
        return Verdict(promise, "broken", f"Row counts do not add up in {', '.join(wrong)}.")
    rows_in, rows, away = totals(record)
    what = f"{plural(rows_in, 'row')} in = {human_count(rows)} out + {human_count(away)} quarantined"
    if gone := deleted(record):
        what += f" + {human_count(gone)} deleted or replaced at the source"
    return Verdict(promise, "kept", f"{what}, in {plural(len(tables), 'table')}.")


def _no_one_exposed(record: RunRecord) -> Verdict:
    promise, privacy = "No one is exposed", record.privacy
    if record.error.get("code") in {"G001", "G002", "G004"}:
        refused = str(record.error["problem"]).replace("`", "")
        return Verdict(promise, "broken", f"A gate refused the result: {refused}. It was not published.")
    # where nothing was published yet, k is required and not measured
    if privacy.findings or 0 < privacy.k < privacy.k_required:
        return Verdict(promise, "broken", f"{leak_scan(record)} {anonymity(record)}")
    if not privacy.cells_scanned:
        return Verdict(promise, "open", absent(record))
    if privacy.k < privacy.k_required:
        return Verdict(promise, "open", anonymity(record))
    return Verdict(promise, "kept", f"{leak_scan(record)} {anonymity(record)}")


def _no_future(record: RunRecord) -> Verdict:
    promise = "No future leaks in"
    if record.error.get("code") == "G003":
        return Verdict(promise, "broken", "A feature changed when the future was removed; the error names it.")
    if not record.leakage.get("subjects"):
        return Verdict(promise, "open", absent(record))
    return Verdict(promise, "kept", f"{proof(record)} stayed byte-identical when the future was removed.")


def _memory_kept(record: RunRecord) -> Verdict:
    state: Literal["kept", "broken"] = "broken" if record.peak_memory > record.memory else "kept"
    peak = f"peak {human_bytes(record.peak_memory)} of {human_bytes(record.memory)}"
    return Verdict("Memory is bounded", state, f"{peak}, {plural(record.threads, 'thread')}.")


def leak_scan(record: RunRecord) -> str:
    """The leak scan as a sentence."""
    privacy = record.privacy
    if not privacy.cells_scanned:
        return "The dataset was not searched for identifiers."
    found = plural(privacy.findings, "finding") if privacy.findings else "nothing found"
    searched = f"{plural(privacy.cells_scanned, 'cell')} searched for {plural(privacy.identifiers, 'known identifier')}"
    return f"{searched}: {found}."


def anonymity(record: RunRecord) -> str:
    """The k-anonymity as a sentence."""
    privacy = record.privacy
    if not privacy.k_required:
        return "No k-anonymity is required." if privacy.cells_scanned else ""
    if not privacy.k:
        return f"k = {privacy.k_required} is required; k was not measured."
    measured = f"k = {human_count(privacy.k)}, required {privacy.k_required}"
    rows = record.dataset.rows if record.dataset else 0
    if 2 * privacy.suppressed <= rows:
        return f"{measured}."
    # what is left of these columns is hardly a feature
    columns, emptied = ", ".join(privacy.k_columns), human_count(privacy.suppressed)
    return f"{measured}, after emptying {columns} in {emptied} of {plural(rows, 'row')}."


def untelling(record: RunRecord) -> str:
    """Columns no model can learn from: `always empty: bonus, raise; always the same: country`."""
    data = record.dataset
    made = [column for column in data.features if column.role in ("feature", "label")] if data else []
    empty = [column.name for column in made if not column.distinct]
    same = [column.name for column in made if column.distinct == 1 and not column.nulls]
    told = (("empty", empty), ("the same", same))
    return "; ".join(f"always {how}: {some(names, 4)}" for how, names in told if names)


def proof(record: RunRecord) -> str:
    """What the point-in-time proof covered: `38 columns of 200 people`."""
    covered = record.leakage
    return f"{plural(covered.get('columns', 0), 'column')} of {plural(covered.get('subjects', 0), 'sampled subject')}"


def equations(record: RunRecord) -> tuple[Equation, ...]:
    """The tables in record order, with what does not add up marked."""
    return tuple(_equation(table) for table in record.tables)


def _equation(table: TableRecord) -> Equation:
    protected = bool(table.protected_rows or table.nobody)
    balanced = table.rows_in == table.rows + table.quarantined + table.deleted
    if protected:
        balanced = balanced and table.rows == table.protected_rows + table.nobody
    return Equation(
        table,
        balanced,
        protected,
        [check for check in table.checks if check.unexpected_count or not check.success],
        ranked({column: count for column, count in table.nulls.items() if count}),
    )


def totals(record: RunRecord) -> tuple[int, int, int]:
    """Rows in, rows out and rows quarantined by either verb, over all tables."""
    rows_in = sum(table.rows_in for table in record.tables)
    away = sum(table.quarantined + table.nobody for table in record.tables)
    return rows_in, sum(table.rows - table.nobody for table in record.tables), away


def deleted(record: RunRecord) -> int:
    """Rows that are gone in their sources, and those that say so, over all tables."""
    return sum(table.deleted for table in record.tables)


def drifts(record: RunRecord) -> dict[str, int]:
    """Changes of the sources that are not allowed in silence, by kind."""
    found = Counter(
        str(drift["change"]) for table in record.tables for drift in table.drift if drift.get("policy") != "allow"
    )
    return dict(found)


def reasons(record: RunRecord) -> list[tuple[str, str, int]]:
    """Quarantined rows as (reason, table, rows), most first."""
    found = [(reason, table.table, rows) for table in record.tables for reason, rows in table.reasons.items()]
    found += [(NOBODY, table.table, table.nobody) for table in record.tables if table.nobody]
    return sorted((row for row in found if row[2]), key=lambda row: (-row[2], row[0], row[1]))


def identity(record: RunRecord) -> list[tuple[str, int]]:
    """What resolve counted, each with its meaning; counts it may add later keep their own name."""
    known = [(IDENTITY[key], record.identity[key]) for key in IDENTITY if key in record.identity]
    return known + [(words(key), count) for key, count in sorted(record.identity.items()) if key not in IDENTITY]


def spine(record: RunRecord) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """How the rows were chosen: subjects left after each stage, and those dropped, by why."""
    stages = [(_SPINE[key], record.spine[key]) for key in _SPINE if key in record.spine]
    # whatever is no stage is a reason
    why = {words(key.removeprefix("dropped")): count for key, count in record.spine.items() if key not in _SPINE}
    return stages, [(reason, count) for reason, count in ranked(why) if count]


def feature_groups(features: Iterable[FeatureRecord]) -> list[tuple[str, list[FeatureRecord]]]:
    """Output columns by the table they come from; what identifies, dates and labels a row comes first."""
    listed = list(features)
    groups = [("the row", [feature for feature in listed if feature.role != "feature"])]
    rest = [feature for feature in listed if feature.role == "feature"]
    tables = dict.fromkeys(feature.table for feature in rest)
    groups += [(table, [feature for feature in rest if feature.table == table]) for table in tables]
    return [(name, members) for name, members in groups if members]


def categories(record: RunRecord) -> list[tuple[str, list[CategoryRecord]]]:
    """Categories by what protect did with them."""
    ordered = sorted(record.privacy.categories, key=lambda category: (category.protect, category.category))
    return [(what, list(members)) for what, members in groupby(ordered, key=lambda category: category.protect)]


def spent(record: RunRecord) -> list[Spent]:
    """Steps, rows, bytes, memory and seconds per verb, in pipeline order."""
    return [_spent(verb, steps) for verb in VERBS if (steps := [step for step in record.steps if step.verb == verb])]


def _spent(verb: str, steps: Sequence[StepRecord]) -> Spent:
    skipped = sum(step.state == "skipped" for step in steps)
    rows, written = sum(step.rows for step in steps), sum(step.bytes for step in steps)
    memory = max(step.memory for step in steps)
    return Spent(verb, len(steps), skipped, rows, written, memory, sum(step.seconds for step in steps))


def error_lines(error: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each error of a failed run with its place as text, its labelled parts and its docs page."""
    return [_error(single) for single in error.get("errors", [error] if error else [])]


def _error(error: Mapping[str, Any]) -> dict[str, Any]:
    place, code = error.get("place") or {}, str(error.get("code", "X001"))
    where = ":".join(str(place[key]) for key in ("file", "line", "column") if place.get(key))
    parts = [(key, error[key]) for key in ("given", "allowed", "hint", "state", "next") if error.get(key)]
    problem = error.get("problem") or CODES.get(code, "")
    return {"code": code, "where": where, "problem": problem, "parts": parts, "docs": f"{DOCS}#{code.lower()}"}


def earlier(history: Iterable[Mapping[str, Any]], most: int) -> list[dict[str, Any]]:
    """The latest `most` of the stored records of earlier runs, newest first, as far as they are complete."""
    return [_earlier(run) for run in list(history)[-most:]][::-1]


def _earlier(run: Mapping[str, Any]) -> dict[str, Any]:
    data = run.get("dataset") or {}
    tables = run.get("tables") or ()
    return {
        "run": str(run.get("run", "")),
        "started": str(run.get("started", "")),
        "outcome": str(run.get("outcome", "")),
        "version": data.get("version", 0),
        "rows": data.get("rows", 0),
        "columns": data.get("columns", 0),
        "quarantined": sum(table.get("quarantined", 0) + table.get("nobody", 0) for table in tables),
        "seconds": run.get("seconds", 0.0),
        "peak_memory": run.get("peak_memory", 0),
    }


def funnel_line(record: RunRecord) -> str:
    """The first and the last stage of the funnel in one sentence."""
    if len(record.funnel) < 2:
        return ""
    first, last = record.funnel[0], record.funnel[-1]
    from_ = f"{human_bytes(first.bytes)} in {plural(first.files, 'file')}"
    line = f"{from_} became {human_bytes(last.bytes)} in {plural(last.files, 'file')}"
    if 0 < last.bytes < first.bytes:
        line += f": {share(last.bytes, first.bytes)} of what was received"
    return line + f", in {human_seconds(record.seconds)}."


def ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Largest first, equal ones by name."""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def shortly(counts: Mapping[str, int], most: int = 12) -> list[tuple[str, int]]:
    """Largest first; beyond the `most` largest only how many there are, and their sum."""
    parts = ranked(counts)
    rest = parts[most:]
    more = [(f"{len(rest)} more value{'s' if rest[1:] else ''}", sum(count for _, count in rest))] if rest else []
    return parts[:most] + more


def words(key: str) -> str:
    """A key of the record as words."""
    return key.replace("_", " ").strip(" :")
