"""Keys and the people they make: normalised values, links between them, connected components.

A key is a namespace and a value. A record with two keys links them; connected components are people.
Nulls never link, and neither does a value that stands beside too many different ones: that is a
placeholder, not an identifier.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from potable.engines.base import Engine, kept, scalars, union_all

MAX_LINKS = 10
"""Different values of one namespace a key may stand beside before it stops linking."""
EDGES = pa.schema([("a", pa.string()), ("b", pa.string())])
NODES = pa.schema([("node", pa.string()), ("rostered", pa.bool_())])


def normalise(namespace: str, value: ir.StringValue) -> ir.StringValue:
    """`value` in the one form keys of `namespace` are compared in; empty becomes null.

    E-mails are lower-cased, `*_id` and `*_no` namespaces upper-cased without separators, others trimmed.
    """
    if namespace.endswith(("_id", "_no")):
        # blanks are separators too, and to strip them first is dearer than all the rest
        return value.upper().re_replace("[^A-Z0-9]", "").nullif("")
    text = value.strip()
    return (text.lower() if namespace == "email" else text).nullif("")


def nodes_of(rows: ir.Table, keys: dict[str, str], *, rostered: bool) -> ir.Table:
    """All keys that occur in `rows` (columns to namespaces) as (node, rostered)."""
    found = [
        rows.select(node=ibis.literal(f"{namespace}:") + normalise(namespace, rows[column]))
        for column, namespace in keys.items()
    ]
    return union_all(found).filter(ibis._.node.notnull()).distinct().mutate(rostered=ibis.literal(rostered))


def edges_of(rows: ir.Table, keys: dict[str, str]) -> ir.Table | None:
    """All pairs of keys that stand in one record, as (a, b); None for tables with one key."""
    named = [ibis.literal(f"{namespace}:") + normalise(namespace, rows[column]) for column, namespace in keys.items()]
    pairs = [rows.select(a=named[i], b=named[j]) for i in range(len(named)) for j in range(i + 1, len(named))]
    if not pairs:
        return None
    every = union_all(pairs)
    return every.filter(every.a.notnull() & every.b.notnull() & (every.a != every.b)).distinct()


def linking(edges: ir.Table) -> tuple[ir.Table, ir.Table]:
    """The edges that may link, and the keys that may not because they stand beside too many others."""
    both = edges.union(edges.select(a="b", b="a")).distinct()
    spread = both.mutate(other=both.b.split(":")[0]).group_by(["a", "other"]).agg(links=ibis._.b.nunique())
    shared = spread.filter(spread.links > MAX_LINKS).select(node="a").distinct()
    kept = edges.anti_join(shared, [("a", "node")])
    return kept.anti_join(shared.view(), [("b", "node")]), shared


def components(nodes: ir.Table, edges: ir.Table, engine: Engine, directory: str) -> ir.Table:
    """(node, label): every node with the smallest node it is connected to.

    Label propagation with pointer jumping: each round takes the smallest label among the neighbours,
    then the label of the label; rounds grow with the logarithm of the longest chain.
    """
    both = kept(engine, edges.union(edges.select(a="b", b="a")).distinct(), f"{directory}/edges")
    labels = kept(engine, nodes.select("node", label="node").distinct(), f"{directory}/labels-0")
    for turn in range(1, 100):
        nearer = both.inner_join(labels, [("b", "node")]).group_by("a").agg(best=ibis._.label.min())
        seen = labels.left_join(nearer, [("node", "a")])
        stepped = seen.select("node", label=ibis.least(seen.label, seen.best.fill_null(seen.label)))
        stepped = kept(engine, stepped, f"{directory}/steps-{turn}")
        over = stepped.view().select(at="node", further="label")
        jumped = stepped.left_join(over, [("label", "at")])
        after = jumped.select("node", label=ibis.least(jumped.label, jumped.further.fill_null(jumped.label)))
        after = kept(engine, after, f"{directory}/labels-{turn}")
        moved = after.inner_join(labels.select("node", before="label"), "node")
        changed = scalars(engine, moved.agg(n=(moved.label != moved.before).cast("int64").sum().fill_null(0)))
        labels = after
        if not changed["n"]:
            return labels
    raise AssertionError("label propagation did not settle in 99 rounds")
