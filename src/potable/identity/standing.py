"""Keys that were resolved before: what an earlier step kept, and who has to be looked at again.

A subject is a component, so whatever records came or went, people change only among those whose keys are in them.
Their records are few, and are resolved by themselves, with the outcome of resolving all.

Entry: `Standing`, `differing`, `near`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import ibis.expr.types as ir

from potable.engines.base import Engine, Part, kept, scalars
from potable.identity.match import (
    MAX_LINKS,
    holding,
    keyed,
    labelled,
    lacking,
    nodes_in,
    nodes_of,
    records_schema,
    shared,
    told_nodes,
    without,
)
from potable.identity.reissued import Linked, lasting, namespaces, several
from potable.tables import Table


@dataclass(frozen=True)
class Standing:
    """What an earlier resolve of tables with the same keys left."""

    records: Mapping[str, Sequence[str]]
    """By table, the files of its `keyed` records, each record once."""
    shared: ir.Table
    """(node) of the keys that did not link."""
    beside: Collection[str]
    """Tables of which only rows that came are given, or none at all."""
    current: bool
    """Whether the ledger is as that step left it."""
    pieces: int = 1
    """Files of the ledger."""


@dataclass(frozen=True)
class Output:
    """Files of one output."""

    parts: Sequence[Part]
    stands: bool = False
    """Whether the files of the step that is stood on belong to it too."""


@dataclass(frozen=True)
class Records:
    """The `keyed` records of a table, and how they differ from those of the earlier step."""

    now: ir.Table
    output: Output
    came: ir.Table | None = None
    went: ir.Table | None = None

    @property
    def changed(self) -> list[ir.Table]:
        """Those that came, and those that went."""
        return [each for each in (self.came, self.went) if each is not None]


@dataclass(frozen=True)
class Near:
    """People who are looked at again, and nobody else changed."""

    nodes: ir.Table
    """(node, rostered) of their keys."""
    labels: ir.Table
    """(node, label) of those in records."""
    known: ir.Table
    """Their rows of the ledger, with `node`."""


def differing(
    name: str, table: Table, rows: ir.Table | None, *, engine: Engine, directory: str, standing: Standing | None
) -> Records:
    """The records of a table, beside those that stand.

    Args:
        name, table: the contract.
        rows: validated ones: all, or those that came; None for none.
        engine: runs it.
        directory: of this attempt.
        standing: what there was.
    """
    schema = records_schema(table)
    place, scratch = f"records/{name}", f"{directory}/scratch/records/{name}"

    def written(records: ir.Table, output: str) -> tuple[list[Part], ir.Table]:
        parts = [part for part in engine.write(records, f"{directory}/{output}") if part.rows]
        return parts, engine.read([f"{directory}/{output}/{part.path}" for part in parts], schema)

    if standing is None:
        assert rows is not None
        parts, now = written(keyed(rows, table), place)
        return Records(now, Output(parts))
    before = engine.read(standing.records[name], schema)
    if rows is None:
        return Records(before, Output((), stands=True))
    found = kept(engine, keyed(rows, table), f"{scratch}/found")
    gone: list[Part] = []
    if name not in standing.beside:
        gone, went = written(lacking(before, found), f"scratch/records/{name}/went")
    parts, came = written(lacking(found, before), f"scratch/records/{name}/came" if gone else place)
    if gone:
        whole, now = written(found, place)
        return Records(now, Output(whole), came if parts else None, went)
    files = [*standing.records[name], *(f"{directory}/{place}/{part.path}" for part in parts)]
    return Records(engine.read(files, schema), Output(parts, stands=True), came if parts else None)


def near(
    tables: Mapping[str, Table],
    records: Mapping[str, Records],
    known: ir.Table,
    *,
    standing: Standing,
    engine: Engine,
    scratch: str,
) -> Near | None:
    """The people to look at again; None where these have to be all.

    They have to where a key began or ended to link, or stands beside somebody who may be another one of those that a
    reissued one is of.

    Args:
        tables: contracts.
        records: of each of them.
        known: the ledger as the earlier step left it, with `node`.
        standing: the earlier step.
        engine: runs it.
        scratch: absolute folder for intermediate files, new.
    """
    changed = nodes_in(each for found in records.values() for each in found.changed)
    if all(found.went is None for found in records.values()):
        # beside more records, what does not link will not
        changed = changed.anti_join(standing.shared, "node")
    changed = kept(engine, changed, f"{scratch}/changed")
    subjects = known.semi_join(changed, "node").select("subject").distinct()
    # a key that is in no record any more still holds on to its person
    theirs = kept(engine, known.semi_join(subjects, "subject"), f"{scratch}/theirs")
    whose = kept(engine, theirs.select("node").union(changed).distinct(), f"{scratch}/whose")
    if _any(engine, whose.semi_join(standing.shared, "node")):
        return None
    few = {
        name: kept(engine, holding(found.now, whose), f"{scratch}/records/{name}") for name, found in records.items()
    }
    told = told_nodes((each, list(tables[name].keys.values()), bool(tables[name].roster)) for name, each in few.items())
    nodes = kept(engine, nodes_of(told).semi_join(whose, "node"), f"{scratch}/nodes")
    linked = [Linked(each, tables[name]) for name, each in few.items() if len(tables[name].keys) > 1]
    many = nodes.filter(nodes.links > MAX_LINKS).select("node")
    if linked and _any(engine, many) and _any(engine, shared([each.records for each in linked], many)):
        return None
    among = namespaces(tables.values())
    if among and linked and _any(engine, _lent(linked, standing.shared, among)):
        return None
    # what does not link stands in records of many, of whom only some are looked at
    linked = [Linked(without(each.records, standing.shared), each.table) for each in linked]
    if among:
        lent = several(labelled(nodes, lasting(linked, among), engine, f"{scratch}/lasting"), linked, among)
        if lent is not None and _any(engine, lent):
            return None
    return Near(nodes, labelled(nodes, [each.records for each in linked], engine, f"{scratch}/whole"), theirs)


def _lent(linked: Sequence[Linked], none: ir.Table, among: Collection[str]) -> ir.Table:
    """(node) of the keys of several people that stand in the records."""
    theirs = none.filter(none.node.split(":")[0].isin(sorted(among)))
    return nodes_in(each.records for each in linked).semi_join(theirs, "node")


def _any(engine: Engine, relation: ir.Table) -> bool:
    return bool(scalars(engine, relation.agg(n=relation.count()))["n"])
