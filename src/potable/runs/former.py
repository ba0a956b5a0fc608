"""What people were called before: identifiers that an earlier run collected and no record has any more.

Who marries, moves to another address or is struck off a list that is written anew still stands by the old name in old
texts, and a text that was redacted yesterday must not show it tomorrow. So what `protect identifiers` once collected is
searched for ever after, in texts and in what is published. It belongs to the vault, like the ledger of subjects, and is
continued from step to step. Where a contract says of a column that it names nobody, or takes its values otherwise,
identifiers of that kind start anew, and what it calls a placeholder (`null_values`) is no identifier: so a mistake is
taken back.

Where all is again as it was before more was collected, the step of those days does not count: one of its own goes on
from the newest.

Entry: `knowing`, `latest`, `written`, `naming`, `noted`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import ibis
import ibis.expr.types as ir

from potable.engines.base import Part
from potable.errors import EnvironmentFailure
from potable.privacy import roster
from potable.project import Project
from potable.runs import since
from potable.runs.plan import Step
from potable.runs.workshop import Workshop
from potable.store.layout import Lake
from potable.store.log import Log
from potable.store.manifest import Manifest, fingerprint
from potable.tables import Table

_NOTED = "vault/identifiers/collected"


def noted(lake: Lake) -> Iterator[Log]:
    """The steps of `protect identifiers` of each project, one after the other, by whatever rules they were made."""
    folders = {path.rpartition("/")[0] for path in lake.vault.list(_NOTED)}
    return (Log(lake.vault, folder) for folder in sorted(folders))


def knowing(lake: Lake, project: Project) -> Callable[[str], str]:
    """Which step collects what a fingerprint says, and knows all that was collected before: that one, or another.

    It is another where that one was made before the newest of those that collected something new in this lake. A lake
    that is new goes by all lakes of its project.
    """
    learnt, since_then = _learnt(_notes(lake, project), _of(lake))
    if not learnt:
        learnt, since_then = _learnt(_notes(lake, project))

    def known(collected: str) -> str:
        if not learnt or collected in since_then or not since.found(lake, "vault", "identifiers", collected):
            return since_then.get(collected, collected)
        return fingerprint(collected, learnt)

    return known


def _learnt(notes: Iterator[Mapping[str, str]], lake: str = "") -> tuple[str, dict[str, str]]:
    """The newest step of a lake (or any) that collected something new, "" for none, and those that know what it does.

    These are told by what they collect.
    """
    knowing: dict[str, str] = {}
    for note in notes:
        step = note["fingerprint"]
        knowing.setdefault(note.get("again", step), step)
        if "again" not in note and lake in ("", note.get("lake", lake)):
            return step, knowing
    return "", knowing


def latest(shop: Workshop, step: Step) -> Manifest | None:
    """The step of `protect identifiers` that this one goes on from, by whatever rules it was made.

    The step is noted as the newest one. One that is proved goes on from itself, for what came before may be cleaned up.
    """
    if step.proves:
        return since.found(shop.lake, "vault", "identifiers", step.proves)
    log = _log(shop.lake, shop.project)
    number, _ = log.last()
    notes = _notes(shop.lake, shop.project)
    known = (entry["fingerprint"] for entry in notes if entry["fingerprint"] != step.fingerprint)
    # of a run that was killed there is a note, and no step
    found = next(filter(None, (since.found(shop.lake, "vault", "identifiers", each) for each in known)), None)
    try:
        more = {"again": step.again} if step.again else {}
        more |= {"follows": found.fingerprint} if found and not number else {}
        log.append({"fingerprint": step.fingerprint, "lake": _of(shop.lake), **more}, parent=number)
    except EnvironmentFailure as failure:
        # another run collects at the same time; either can be gone on from
        if failure.code != "E005":
            raise
    return found


def written(shop: Workshop, known: Manifest | None, now: ir.Table, folder: str, *, stands: bool) -> list[Part]:
    """Files in `folder` of the identifiers that there are no more.

    Args:
        known: the step that this one goes on from.
        now: all identifiers that there are; where those of `known` stand, the ones that came.
        folder: absolute and new.
        stands: whether all identifiers of `known` are there.
    """
    if known is None or (stands and not known.rows(since.FORMER)):
        return []
    tables = shop.project.tables
    gone = roster.beyond(since.lost(shop, known) if stands else since.called(shop, known), now)
    if kinds := _otherwise(known.facts.get("naming", {}), tables):
        gone = gone.filter(gone.kind.notin(kinds))
    if nothing := _taken_back(tables):
        gone = gone.filter(gone.value.notin(nothing))
        # a full name that was composed has one of them before or behind the other part
        parts = [gone.value.startswith(f"{value} ") | gone.value.endswith(f" {value}") for value in nothing]
        gone = gone.filter(~((gone.kind == "full_name") & ibis.or_(*parts)))
    return [part for part in shop.engine.write(gone, folder) if part.rows]


def _taken_back(tables: Mapping[str, Table]) -> list[str]:
    """What columns that name somebody call no value."""
    columns = (of for table in tables.values() for of in table.columns.values())
    naming = (of for of in columns if roster.kind_of(of.declared_category or ""))
    return sorted({value.strip() for of in naming for value in of.null_values} - {""})


def naming(tables: Mapping[str, Table]) -> dict[str, list[str | None]]:
    """What each column that names somebody holds: the kind, and how it is taken from the source's value."""
    kinds = {
        f"{name}.{column}": (roster.kind_of(of.declared_category or ""), of.extract)
        for name, table in tables.items()
        for column, of in table.columns.items()
    }
    return {column: [kind, extract] for column, (kind, extract) in kinds.items() if kind}


def _otherwise(then: Mapping[str, Sequence[str | None]], tables: Mapping[str, Table]) -> list[str]:
    """Kinds of identifiers of which a column that is still there holds something else than it did."""
    there = {f"{name}.{column}" for name, table in tables.items() for column in table.columns}
    today = naming(tables)
    changed = [told[0] for column, told in then.items() if column in there and told != today.get(column)]
    return sorted({kind for kind in changed if kind})


def _log(lake: Lake, project: Project) -> Log:
    """The notes of a project; those that share a vault have tables of their own."""
    return Log(lake.vault, f"{_NOTED}/{fingerprint(project.platform.project)}")


def _notes(lake: Lake, project: Project) -> Iterator[dict[str, Any]]:
    """What a project noted, newest first; one that is called otherwise since goes on from what its lake knows."""
    own = _log(lake, project)
    if own.last()[0]:
        yield from own.newest()
        return
    others = [[note for note in log.newest() if note.get("lake") == _of(lake)] for log in noted(lake)]
    followed = {note["follows"] for notes in others for note in notes if "follows" in note}
    for notes in others:
        if followed.isdisjoint(note["fingerprint"] for note in notes):
            yield from notes


def _of(lake: Lake) -> str:
    """What tells a lake from others that share its vault."""
    return fingerprint(lake.restricted.locate(""))
