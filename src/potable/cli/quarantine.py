"""`potable quarantine`: what is held back, why, where it came from, and taking it back once it is mended."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from potable.cli.output import table
from potable.cli.settings import writing
from potable.contracts.results import declared_words, is_open, unmasked
from potable.errors import EnvironmentFailure, ProjectError, did_you_mean
from potable.privacy.shapes import shape
from potable.project import Project
from potable.report.numbers import plain, plural, share
from potable.runs.processes import who
from potable.runs.quarantined import Held, Record, held, mistyped, originals, records, taken_back
from potable.runs.record import Listener, RunRecord
from potable.runs.runner import Options, run

if TYPE_CHECKING:
    from potable.cli.answers.lake import HeldExport, HeldRecord, HeldTable, Replayed
_NAMED = 5
"""Columns that `quarantine list` names as mistyped."""


def listed(project: Project, wanted: str | None) -> tuple[list[HeldTable], str]:
    """Facts and text: what is held back of every table, or of one, by reason.

    Raises:
        ProjectError: P031, the project has no such table.
    """
    names = [_known(project, wanted)] if wanted else list(project.tables)
    facts: list[HeldTable] = []
    rows: list[list[object]] = []
    stale = False
    for name in names:
        found = held(project, name)
        if found is None:
            rows.append([name, "-", "-", "", "not validated yet"])
            facts.append(_unknown(name))
            continue
        stale = stale or not found.current
        reasons = dict(found.reasons) | ({"belongs_to_nobody": found.nobody} if found.nobody else {})
        facts.append(
            {
                "table": name,
                "validated": True,
                "rows_in": found.rows_in,
                "quarantined": found.rows,
                "nobody": found.nobody,
                "cells_nulled": found.cells,
                "reasons": reasons,
                "mistyped": mistyped(project, found),
                "current": found.current,
                "stopped": found.stopped,
            }
        )
        total = found.rows + found.nobody
        first = [name, total, found.cells, share(total, found.rows_in) if total else ""]
        told = ["a check stops the run"] * found.stopped
        told += [f"{count:,} {plain(reason)}" for reason, count in sorted(reasons.items(), key=lambda item: -item[1])]
        told = [reason + _columns(facts[-1]["mistyped"]) * reason.endswith(" mistyped") for reason in told]
        rows.append([*first, told[0] if told else ""])
        rows += [["", "", "", "", reason] for reason in told[1:]]
    text = table(
        rows, ["table", "rows quarantined", "cells set to null", "of its rows", "reasons (a row may have several)"]
    )
    if stale:
        return facts, f"{text}\nthe contract or the landed data has changed since; next: potable quarantine replay"
    most = max(facts, key=_all_of, default=None)
    if most is None or not _all_of(most):
        return facts, text
    return facts, f"{text}\nnext: potable quarantine show {most['table']}"


def _unknown(name: str) -> HeldTable:
    """What is told of a table that was not validated yet."""
    return {
        "table": name,
        "validated": False,
        "rows_in": None,
        "quarantined": None,
        "nobody": None,
        "cells_nulled": None,
        "reasons": {},
        "mistyped": {},
        "current": False,
        "stopped": False,
    }


def _all_of(fact: HeldTable) -> int:
    return (fact["quarantined"] or 0) + (fact["nobody"] or 0)


def _columns(counts: Mapping[str, int]) -> str:
    """Which columns: ` (gross 12, paid 3, …)`."""
    named = [f"{plain(column)} {count:,}" for column, count in counts.items()]
    return f" ({', '.join([*named[:_NAMED], *(['…'] if len(named) > _NAMED else [])])})"


def shown(project: Project, name: str, *, reason: str, limit: int) -> tuple[list[HeldRecord], str]:
    """Facts and text: single records of a table, values as shapes; `exported` has the names of objects.

    Raises:
        ProjectError: P031, the project has no such table.
        EnvironmentFailure: E008, it was never validated.
    """
    found = _held(project, name)
    contract = project.tables[name]
    told_name = project.sources[name.split(".", 1)[0]].naming.told
    own = {column: declared_words(contract, column) for column in contract.columns if is_open(contract, column)}
    facts: list[HeldRecord] = []
    rows = []
    for record in records(project, found, reason=reason, limit=limit):
        cells = {**{column: value for column, value in record.cells.items() if value is not None}}
        texts = {column: str(value) for column, value in cells.items()} | json.loads(record.unparsed or "{}")
        masked = {
            column: str(unmasked(text, own[column])) if column in own else shape(text) for column, text in texts.items()
        }
        facts.append(
            {
                "object": told_name(record.object),
                "raw": record.raw,
                "record": record.row,
                "batch": record.batch,
                "first_seen": record.first_seen,
                "reasons": record.reasons,
                "values": masked,
            }
        )
        told = ", ".join(f"{column}={masked[column]}" for column in _named(record, masked))
        place = f"{plain(told_name(record.object))}, record {record.row:,}"
        rows.append([place, record.batch, record.first_seen[:10], "; ".join(record.reasons), told])
    if not rows:
        return facts, f"no row of `{name}` is in quarantine" + (
            f" for `{plain(reason)}`{_others(found)}" if reason else ""
        )
    text = table(rows, ["where", "batch", "first seen", "reasons", "values (as shapes)"])
    every = found.rows + found.nobody
    more = f"{len(rows):,} of {every:,} records\n" if not reason and len(rows) < every else ""
    return facts, f"{text}\n{more}next: potable quarantine export {name} --to FILE --why REASON"


def _others(found: Held) -> str:
    """For which reasons there are rows, if there are any."""
    reasons = [*found.reasons, *(["belongs_to_nobody"] if found.nobody else [])]
    return f"; its reasons: {', '.join(map(plain, reasons))}" if reasons else ""


def exported(project: Project, name: str, *, reason: str, target: Path, why: str) -> tuple[HeldExport, str]:
    """Write the records of a table with their original content to a file only its owner may read.

    One JSON object a line: table, object, record, in XML, CSV and fixed-width files its first `line`, in XML the bytes
    before it (`offset`, of the unpacked file), batch, first_seen, reasons, and `original` as text or, where it is none,
    `original_base64`. Who did it and why stands in the audit log before anything is written.

    Raises:
        ProjectError: P031, the project has no such table; P050, there is no reason why.
        EnvironmentFailure: E008, it was never validated; E002, the file exists or a raw object is gone; E004.
    """
    if not why.strip():
        raise ProjectError("`--why` is empty", "P050", hint="say why: the audit log records it")
    found = _held(project, name)
    if target.exists():
        raise EnvironmentFailure(f"`{target.name}` exists", "E002", hint="choose another name, or remove the file")
    project.lake().audit.add(
        {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "who": who(),
            "what": f"quarantine export {name}",
            "why": why,
        }
    )
    count = 0
    with writing(target.name):
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            for line in _lines(project, found, reason):
                file.write(line)
                count += 1
    told = f"{plural(count, 'record')} of `{name}` with {'its' if count == 1 else 'their'} original content"
    text = f"{told} {'is' if count == 1 else 'are'} in {target}; the file holds personal data"
    return {"table": name, "records": count, "file": str(target)}, text


def replayed(project: Project, names: Sequence[str], listener: Listener) -> tuple[RunRecord, list[Replayed], str]:
    """Validate tables under the contract of today; the run, and facts and text of what it took back.

    When the run fails, what was held back before stays as it was, and its record carries the error.

    The records come from the raw zone, so each that passes now is in its table exactly once, in its own batch.

    Raises:
        ProjectError: P031, the project has no such table.
    """
    chosen = [_known(project, name) for name in names] or list(project.tables)
    before = {name: found for name in chosen if (found := held(project, name, last=True))}
    # of a source that was not landed yet nothing is held back
    chosen = chosen if names else list(before) or chosen
    record = run(project, Options(only="validate", select=tuple(chosen), reason="quarantine replay"), listener)
    if record.error:
        return record, [], ""
    facts: list[Replayed] = []
    rows = []
    for name in chosen:
        after = _held(project, name)
        back, new = taken_back(project, before[name], after) if name in before else (0, after.rows)
        facts.append({"table": name, "taken_back": back, "still": after.rows - new, "new": new})
        rows.append([name, back, after.rows - new, new])
    text = table(rows, ["table", "released", "still quarantined", "newly quarantined"])
    after_it = "potable run --only resolve" if project.unwritten else "potable run"
    return record, facts, f"{text}\nnext: {after_it}"


def _lines(project: Project, found: Held, reason: str) -> Iterator[str]:
    for record, original in originals(project, found.table, records(project, found, reason=reason)):
        try:
            what = {"original": original.data.decode()}
        except UnicodeDecodeError:
            what = {"original_base64": base64.b64encode(original.data).decode()}
        places = {"line": original.line, "offset": original.offset}
        line = {
            "table": found.table,
            "object": record.object,
            "record": record.row,
            **{name: place for name, place in places.items() if place is not None},
            "batch": record.batch,
            "first_seen": record.first_seen,
            "reasons": record.reasons,
        }
        yield json.dumps({**line, **what}, ensure_ascii=False) + "\n"


def _named(record: Record, masked: dict[str, str]) -> list[str]:
    """Columns that the reasons name and that have a value."""
    named = [column for reason in record.reasons for column in reason.partition(":")[2].split(",")]
    return [column for column in dict.fromkeys(named) if column in masked]


def _held(project: Project, name: str) -> Held:
    found = held(project, _known(project, name))
    if found is None:
        raise EnvironmentFailure(f"`{name}` has not been validated yet", "E008", next="potable run --only validate")
    return found


def _known(project: Project, name: str) -> str:
    if name not in project.tables:
        known = sorted(project.tables)
        hint = did_you_mean(name, known)
        raise ProjectError(f"the project has no table `{name}`", "P031", hint=hint, allowed=", ".join(known))
    return name
