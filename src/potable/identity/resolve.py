"""The verb `resolve`: every key gets a subject, and the ledger keeps it the same from run to run.

The ledger is a log in the vault: each entry names a file of (namespace, value, subject, rostered). A
person met before keeps their subject id, also when new keys join; a new person gets a random one. When
records turn out to be one person, the older id stays; when a person turns out to be two, the one that
holds the smallest key keeps it. Both are counted and listed by subject id, never by key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from potable.engines.base import Engine, Part, kept, scalars
from potable.identity.match import MAX_LINKS, components, edges_of, keyed, nodes_of, shared, without
from potable.tables import Table

KEYS = pa.schema(
    [("namespace", pa.string()), ("value", pa.string()), ("subject", pa.string()), ("rostered", pa.bool_())]
)
"""The ledger: which subject a key belongs to, and whether a roster knows that person."""
_SUBJECTS = pa.schema([("label", pa.string()), ("subject", pa.string())])


@dataclass(frozen=True)
class Resolved:
    """What `resolve` found."""

    parts: Sequence[Part]
    counts: Mapping[str, int]
    """keys, people, rostered, new, merged, split, shared_keys (placeholders that do not link)."""


def resolve(
    tables: Mapping[str, Table], rows: Mapping[str, ir.Table], ledger: ir.Table, *, engine: Engine, directory: str
) -> Resolved:
    """Assign a subject to every key in the validated `rows` of `tables` (by `source.table`).

    Args:
        ledger: the last ledger, with schema `KEYS`; empty at first.
        directory: absolute folder in the vault for this attempt; the ledger's files are in `keys/`.
    """
    scratch = f"{directory}/scratch"
    nodes, labels, placeholders = _graph(tables, rows, engine, scratch)
    known = ledger.mutate(node=ledger.namespace + ":" + ledger.value)
    assigned, counts = _assigned(labels, known, engine, scratch)
    rostered = labels.inner_join(nodes.filter(nodes.rostered), "node").select("label").distinct()
    rostered = rostered.mutate(rostered=ibis.literal(True))
    named = labels.inner_join(assigned, "label").left_join(rostered, "label")
    colon = named.node.find(":")
    fresh = named.select(
        namespace=named.node.substr(0, colon),
        value=named.node.substr(colon + 1),
        subject=named.subject,
        rostered=named.rostered.fill_null(False),
    )
    gone = known.anti_join(labels, "node").select(KEYS.names)
    parts = engine.write(fresh.union(gone), f"{directory}/keys", order_by=["namespace", "value"])
    keys = engine.read([f"{directory}/keys/{part.path}" for part in parts], KEYS)
    found = scalars(
        engine,
        keys.agg(
            keys=keys.count(),
            people=keys.subject.nunique(),
            rostered=keys.subject.nunique(where=keys.rostered),
        ),
    )
    return Resolved(parts, {**found, **counts, "shared_keys": placeholders})


def _graph(
    tables: Mapping[str, Table], rows: Mapping[str, ir.Table], engine: Engine, scratch: str
) -> tuple[ir.Table, ir.Table, int]:
    """(node, rostered) of all keys, (node, label) of the people they make, and how many keys do not link."""
    records = {
        name: kept(engine, keyed(rows[name], table.keys), f"{scratch}/{name}")
        for name, table in tables.items()
        if table.keys
    }
    found = [
        (each, list(tables[name].keys.values()), tables[name].roster is not None) for name, each in records.items()
    ]
    nodes = kept(engine, nodes_of(found), f"{scratch}/nodes")
    linked = [each for each in records.values() if len(each.columns) > 1]
    placeholders = 0
    if (scalars(engine, nodes.agg(most=nodes.links.max()))["most"] or 0) > MAX_LINKS:
        many = nodes.filter(nodes.links > MAX_LINKS).select("node")
        none = kept(engine, shared(linked, many), f"{scratch}/shared")
        placeholders = scalars(engine, none.agg(n=none.count()))["n"]
        linked = [without(each, none) for each in linked] if placeholders else linked
    edges = edges_of(linked)
    if edges is None:
        return nodes, nodes.select("node", label="node"), placeholders
    labels = components(nodes, edges, engine, f"{scratch}/people")
    return nodes, kept(engine, labels, f"{scratch}/labels"), placeholders


def _assigned(labels: ir.Table, known: ir.Table, engine: Engine, scratch: str) -> tuple[ir.Table, dict[str, int]]:
    """(label, subject) for every component, and counts of new, merged and split people."""
    met = labels.inner_join(known.select("node", "subject"), "node")
    claims = met.group_by(["label", "subject"]).agg(first=ibis._.node.min())
    # a subject goes to the component with its smallest key; a component takes its oldest, smallest subject
    owner = claims.group_by("subject").agg(owner=ibis._.label.min(), pieces=ibis._.label.nunique())
    owned = claims.inner_join(owner, "subject").filter(ibis._.label == ibis._.owner)
    kept = owned.group_by("label").agg(subject=ibis._.subject.min(), claims=ibis._.subject.nunique())
    strangers = labels.select("label").distinct().anti_join(kept, "label")
    parts = engine.write(strangers.mutate(subject=ibis.uuid().cast("string")), f"{scratch}/strangers")
    new = engine.read([f"{scratch}/strangers/{part.path}" for part in parts], _SUBJECTS)
    merged = scalars(engine, kept.agg(n=(kept.claims - 1).sum().fill_null(0)))["n"]
    split = scalars(engine, owner.agg(n=(owner.pieces - 1).sum().fill_null(0)))["n"]
    counts = {"new": sum(part.rows for part in parts), "merged": int(merged), "split": int(split)}
    return kept.select("label", "subject").union(new), counts
