"""Keys that may be given to somebody else later: those of several people join nobody, and are whose they were then.

Whose they are is said by the tables that declare them so: one that stands there beside the lasting keys of several
people is nobody's by itself, and the ledger has none of it; where they tell from when to when, `HELD` says whose.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from potable.engines.base import Engine, Part, union_all
from potable.identity.match import nodes_among, since_of, until_of
from potable.tables import Table

HELD = pa.schema(
    [
        ("namespace", pa.string()),
        ("value", pa.string()),
        ("subject", pa.string()),
        ("number", pa.int64()),
        ("since", pa.timestamp("us")),
        ("until", pa.timestamp("us")),
    ]
)
"""Whose a key of several people was from `since` until before `until`: rostered ones only. By `number` those keys of
one namespace that a subject had are told apart."""
_NUMBERED_FROM = 1 << 14
"""Before it are the numbers of keys that are in the ledger."""


@dataclass(frozen=True)
class Linked:
    """The `keyed` records of a table with several keys, and its contract."""

    records: ir.Table
    table: Table

    def lasting(self, among: Collection[str]) -> list[str]:
        """The columns of its keys that are of other namespaces than `among`."""
        names = nodes_among(self.records.columns)
        return [name for name, of in zip(names, self.table.keys.values(), strict=True) if of not in among]

    def owned(self, among: Collection[str]) -> Iterator[tuple[int, str, ir.StringValue]]:
        """The keys of the table that it says are reissued, by place and column, with the first lasting one beside."""
        lasting = self.lasting(among)
        if lasting:
            owner = ibis.coalesce(*(self.records[name] for name in lasting))
            for place, name in enumerate(self.table.keys):
                if name in self.table.reissued:
                    yield place, f"_{place}", owner


def namespaces(tables: Iterable[Table]) -> frozenset[str]:
    """Namespaces of keys that may be given to somebody else."""
    return frozenset(table.keys[name] for table in tables for name in table.reissued)


def lasting(linked: Sequence[Linked], among: Collection[str]) -> list[ir.Table]:
    """The records with only the keys that are never given to somebody else, of those tables that have several such."""
    found = [(each.records, each.lasting(among)) for each in linked]
    return [records.select(*names) for records, names in found if len(names) > 1]


def several(labels: ir.Table, linked: Sequence[Linked], among: Collection[str]) -> ir.Table | None:
    """(node) of the reissued keys that stand beside several people; None where there can be none.

    Args:
        labels: (node, label) by the lasting keys.
        linked: records of several keys.
        among: namespaces that are reissued.
    """
    pairs = [
        each.records.select(node=each.records[name], owner=owner)
        for each in linked
        for _, name, owner in each.owned(among)
    ]
    if not pairs:
        return None
    beside = union_all(pairs).filter(ibis._.node.notnull(), ibis._.owner.notnull()).distinct()
    met = beside.inner_join(labels.select(at="node", label="label"), [("owner", "at")])
    whose = met.group_by("node").agg(owners=ibis._.label.nunique())
    return whose.filter(whose.owners > 1).select("node")


def held(linked: Sequence[Linked], lent: ir.Table, keys: ir.Table, engine: Engine, directory: str) -> Sequence[Part]:
    """Files of `HELD`, below `directory`.

    Args:
        linked: records of several keys.
        lent: (node) of the keys of several people.
        keys: the ledger.
        engine: runs it.
        directory: absolute folder, new.
    """
    among = namespaces(each.table for each in linked)
    spans = [
        rows.select(node=rows[name], owner=owner, since=rows[since_of(place)], until=rows[until_of(place)])
        for each in linked
        for rows in (each.records,)
        for place, name, owner in each.owned(among)
        if since_of(place) in rows.columns
    ]
    if not spans:
        return ()
    known = keys.filter(keys.rostered).select("subject", owner=keys.namespace + ":" + keys.value)
    found = union_all(spans).semi_join(lent, "node").inner_join(known, "owner")
    found = found.filter(found.since < found.until).select("node", "subject", "since", "until").distinct()
    colon = found.node.find(":")
    found = found.mutate(namespace=found.node.substr(0, colon), value=found.node.substr(colon + 1))
    number = ibis.dense_rank().over(group_by=[found.namespace, found.subject], order_by=[found.value])
    found = found.mutate(number=number.cast("int64") + _NUMBERED_FROM).select(HELD.names)
    return engine.write(found, directory, order_by=["namespace", "value", "since", "subject"])
