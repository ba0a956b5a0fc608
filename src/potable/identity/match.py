"""Keys and the people they make: normalised values, links between them, connected components.

A key is a namespace and a value. A record with two keys links them; connected components are people.
Nulls never link, and neither does a value that stands beside too many different ones: that is a
placeholder, not an identifier.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from potable.engines.base import Engine, kept, union_all
from potable.engines.casing import lower, upper
from potable.tables import Table

MAX_LINKS = 10
"""Different values of one namespace a key may stand beside before it stops linking."""


def normalise(namespace: str, value: ir.StringValue) -> ir.StringValue:
    """`value` in the one form keys of `namespace` are compared in; empty becomes null.

    E-mails are lower-cased, `*_id` and `*_no` namespaces upper-cased without separators, their digits in ASCII, others
    trimmed.
    """
    if namespace.endswith(("_id", "_no")):
        # blanks are separators too, and to strip them first is dearer than all the rest
        # of the letters that are left all engines have the same capitals
        usual = value.re_replace("[^A-Za-z0-9]", "").upper()
        signs = r"[^\p{L}\p{M}\p{N}]"
        other = upper(value.translate(*_digits()).re_replace(signs, ""))
        return ibis.ifelse(value.re_search(r"[^\x00-\x7f]"), other, usual).nullif("")
    text = value.strip()
    return (lower(text) if namespace == "email" else text).nullif("")


@cache
def _digits() -> tuple[str, str]:
    """Digits of all scripts and letters in full width, and those of ASCII in their place."""
    pairs = {char: str(unicodedata.decimal(char)) for char in map(chr, range(128, 1 << 16)) if char.isdecimal()}
    wide = filter(str.isalpha, map(chr, range(0xFF21, 0xFF5B)))
    pairs |= {char: unicodedata.normalize("NFKC", char) for char in wide}
    return "".join(pairs), "".join(pairs.values())


def keyed(rows: ir.Table, table: Table) -> ir.Table:
    """The keys of each record as nodes, `namespace:value`, and when they were its; every combination once."""
    keys, periods = table.keys, _periods(table)
    # few distinct people stand behind many records
    rows = rows.select(*dict.fromkeys([*keys, *(day for days in periods.values() for day in days)])).distinct()
    nodes = [ibis.literal(f"{namespace}:") + normalise(namespace, rows[column]) for column, namespace in keys.items()]
    found: dict[str, ir.Value] = {f"_{place}": node for place, node in enumerate(nodes)}
    for place, (first, last) in periods.items():
        found |= {since_of(place): _begun(rows[first]), until_of(place): _over(rows[last])}
    return rows.select(**found).distinct()


def records_schema(table: Table) -> pa.Schema:
    """Schema of the `keyed` records of a table."""
    nodes = [(f"_{place}", pa.string()) for place in range(len(table.keys))]
    moment = pa.timestamp("us")
    days = [(name, moment) for place in _periods(table) for name in (since_of(place), until_of(place))]
    return pa.schema([*nodes, *days])


def since_of(place: int) -> str:
    """The column of `keyed` records with the moment from which on the key at a place was its person's."""
    return f"since_{place}"


def until_of(place: int) -> str:
    """The column of `keyed` records with the moment from which on it was not any more."""
    return f"until_{place}"


def nodes_among(columns: Iterable[str]) -> list[str]:
    """The columns of `keyed` records that hold nodes."""
    return [name for name in columns if name.startswith("_")]


def _periods(table: Table) -> dict[int, tuple[str, str]]:
    """By the place of a key, the columns with the first and the last day on which it was its person's."""
    dated = {list(table.keys).index(name): days for name, days in table.reissued.items()}
    return {place: days for place, days in dated.items() if days}


def _begun(day: ir.Value) -> ir.Value:
    return ibis.coalesce(day.cast("timestamp(6)"), _moment("0001-01-01"))


def _over(day: ir.Value) -> ir.Value:
    moment = day.cast("timestamp(6)")
    if day.type().is_date():
        moment = moment + ibis.interval(days=1)
    return ibis.coalesce(ibis.least(moment, _moment("9999-12-31")), _moment("9999-12-31"))


def _moment(day: str) -> ir.Value:
    return ibis.timestamp(f"{day} 00:00:00").cast("timestamp(6)")


def lacking(records: ir.Table, other: ir.Table) -> ir.Table:
    """Those `keyed` records that `other` lacks."""
    # nulls never meet in a join
    names = {f"is{name}": name for name in nodes_among(records.columns)}
    one, two = (
        rows.mutate(**{at: rows[name].fill_null("") for at, name in names.items()}) for rows in (records, other)
    )
    days = [name for name in records.columns if name not in names.values()]
    return one.anti_join(two, [*names, *days]).select(*records.columns)


def holding(records: ir.Table, nodes: ir.Table) -> ir.Table:
    """Those `keyed` records that hold one of `nodes`."""
    found = [records.semi_join(nodes, [(name, "node")]) for name in nodes_among(records.columns)]
    return union_all(found).distinct() if len(found) > 1 else found[0]


def nodes_in(tables: Iterable[ir.Table]) -> ir.Table:
    """(node) of all keys in `keyed` records, each once."""
    every = union_all(records.select(node=records[name]) for records in tables for name in nodes_among(records.columns))
    return every.filter(every.node.notnull()).distinct()


def told_nodes(tables: Iterable[tuple[ir.Table, Sequence[str], bool]]) -> ir.Table:
    """What each record says of each of its keys, for `nodes_of`; to be written first, or many files feed one grouping.

    Args:
        tables: `keyed` records, their namespaces, and whether they are a roster's.
    """
    found = [
        records.select(node=records[name], rostered=ibis.literal(rostered), links=_most(namespaces, place))
        for records, namespaces, rostered in tables
        for place, name in enumerate(nodes_among(records.columns))
    ]
    return union_all(found).filter(ibis._.node.notnull())


def nodes_of(told: ir.Table) -> ir.Table:
    """All keys as (node, rostered, links): whether a roster has it, and beside how many of one namespace it may stand.

    Args:
        told: from `told_nodes`.
    """
    return told.group_by("node").agg(rostered=told.rostered.any(), links=told.links.sum())


def _most(namespaces: Sequence[str], place: int) -> int:
    """Most keys of one namespace beside the key at a place."""
    return max(Counter([*namespaces[:place], *namespaces[place + 1 :]]).values(), default=0)


def shared(tables: Sequence[ir.Table], many: ir.Table) -> ir.Table:
    """(node) of the keys that do not link, because they stand beside too many others of one namespace.

    Args:
        tables: `keyed` records.
        many: (node) of the keys that may be among them.
    """
    found = [
        records.select(a=records[one], b=records[other]).semi_join(many, [("a", "node")])
        for records in tables
        for one in nodes_among(records.columns)
        for other in nodes_among(records.columns)
        if one != other
    ]
    pairs = union_all(found).filter(ibis._.b.notnull(), ibis._.a != ibis._.b).distinct()
    spread = pairs.mutate(other=pairs.b.split(":")[0]).group_by(["a", "other"]).agg(links=ibis._.b.nunique())
    return spread.filter(spread.links > MAX_LINKS).select(node="a").distinct()


def without(records: ir.Table, nodes: ir.Table) -> ir.Table:
    """`keyed` records, null in the place of `nodes`."""
    names, columns = nodes_among(records.columns), records.columns
    for name in names:
        gone = nodes.select(**{f"gone{name}": nodes.node})
        records = records.left_join(gone, [(name, f"gone{name}")])
    left = {name: ibis.ifelse(ibis._[f"gone{name}"].isnull(), ibis._[name], None) for name in names}
    return records.mutate(**left).select(*columns)


def edges_of(tables: Sequence[ir.Table]) -> ir.Table | None:
    """What links the keys of each of `keyed` records, as (a, b) with a < b; None where no table has two keys."""
    pairs = []
    for records in tables:
        first, *others = nodes_among(records.columns)
        # each key to the first before it: as many as make the record one
        before = records[first]
        for name in others:
            pairs.append(records.select(a=ibis.least(before, records[name]), b=ibis.greatest(before, records[name])))
            before = ibis.coalesce(before, records[name])
    if not pairs:
        return None
    return union_all(pairs).filter(ibis._.a.notnull(), ibis._.b.notnull(), ibis._.a != ibis._.b).distinct()


def labelled(nodes: ir.Table, records: Sequence[ir.Table], engine: Engine, scratch: str) -> ir.Table:
    """(node, label) of `nodes`: the people that `keyed` records make of them; `scratch` is for intermediate files."""
    edges = edges_of(records)
    if edges is None:
        return nodes.select("node", label="node")
    return kept(engine, components(nodes, edges, engine, f"{scratch}/people"), f"{scratch}/labels")


def components(nodes: ir.Table, edges: ir.Table, engine: Engine, directory: str) -> ir.Table:
    """(node, label): every node with the smallest node it is connected to.

    Every node that has a smaller neighbour joins the smallest; the trees this makes are nodes of a graph with
    far fewer edges, and so on until none is left (hooking and contraction, Shiloach and Vishkin 1982).

    Args:
        nodes: (node).
        edges: (a, b), a < b; to be consumed once.
        engine: runs it.
        directory: absolute folder for intermediate files, new.
    """
    levels: list[ir.Table] = []
    edges, left = _kept(engine, edges, f"{directory}/edges-0")
    while left:
        place = f"{directory}/level-{len(levels)}"
        roots = _roots(edges, engine, place)
        levels.append(roots)
        met = edges.left_join(roots.select(one="node", _a="label"), [("a", "one")])
        met = met.left_join(roots.view().select(other="node", _b="label"), [("b", "other")])
        one, other = ibis.coalesce(met._a, met.a), ibis.coalesce(met._b, met.b)
        between = met.select(a=ibis.least(one, other), b=ibis.greatest(one, other))
        edges, left = _kept(
            engine, between.filter(between.a != between.b).distinct(), f"{directory}/edges-{len(levels)}"
        )
    if not levels:
        return nodes.select("node", label="node")
    *before, labels = levels
    for number, roots in enumerate(reversed(before)):
        moved = roots.left_join(labels.select(at="node", further="label"), [("label", "at")])
        moved = moved.select("node", label=ibis.coalesce(moved.further, moved.label))
        labels, _ = _kept(engine, moved.union(labels), f"{directory}/labels-{number}")
    met = nodes.left_join(labels.select(at="node", label="label"), [("node", "at")])
    return met.select("node", label=ibis.coalesce(met.label, met.node))


def _roots(edges: ir.Table, engine: Engine, directory: str) -> ir.Table:
    """(node, label) of all nodes with a smaller neighbour: the root of the tree that they join."""
    nearest = edges.group_by(node="b").agg(label=ibis._.a.min())
    labels, _ = _kept(engine, nearest, f"{directory}/trees-0")
    for turn in range(1, 100):
        met = labels.inner_join(labels.view().select(at="node", further="label"), [("label", "at")])
        moved, count = _kept(engine, met.select("node", label=met.further), f"{directory}/moved-{turn}")
        if not count:
            return labels
        labels, _ = _kept(engine, labels.anti_join(moved, "node").union(moved), f"{directory}/trees-{turn}")
    raise AssertionError("a tree is deeper than 2^99")


def _kept(engine: Engine, relation: ir.Table, directory: str) -> tuple[ir.Table, int]:
    """`relation` computed once, and its rows."""
    parts = engine.write(relation, directory)
    read = engine.read([f"{directory}/{part.path}" for part in parts], relation.schema().to_pyarrow())
    return read, sum(part.rows for part in parts)
