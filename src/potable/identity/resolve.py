"""The verb `resolve`: every key gets a subject, and the ledger keeps it the same from run to run.

The ledger is a log in the vault: each entry names files of (namespace, value, subject, rostered). A
person met before keeps their subject id, also when new keys join; a new person gets a random one. When
records turn out to be one person, the older id stays; when a person turns out to be two, the one that
holds the smallest key keeps it. Both are counted and listed by subject id, never by key. Whom a chain of keys gives
more numbers of a roster than anybody has is several people, and on no roster until that is looked into. Where an
earlier step is stood on, only people whom new or gone records may be about are found anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from potable.engines.base import Engine, Part, kept, scalars
from potable.identity import reissued
from potable.identity.match import MAX_LINKS, labelled, nodes_of, shared, told_nodes, without
from potable.identity.reissued import Linked
from potable.identity.standing import Near, Output, Records, Standing, differing, near
from potable.tables import Table

KEYS = pa.schema(
    [("namespace", pa.string()), ("value", pa.string()), ("subject", pa.string()), ("rostered", pa.bool_())]
)
"""The ledger: which subject a key belongs to, and whether a roster knows that person."""
SHARED = pa.schema([("node", pa.string())])
"""Keys that do not link: they are nobody's, so the ledger has none of them."""
MOST_PIECES = 30
"""Files of a ledger beside which no more are put: then it is written whole."""
_KEY = ["namespace", "value"]
_STAND = {name: Output((), stands=True) for name in ("keys", "shared", "held")}
_SUBJECTS = pa.schema([("label", pa.string()), ("subject", pa.string())])


@dataclass(frozen=True)
class Resolved:
    """What `resolve` found."""

    outputs: Mapping[str, Output]
    """`keys`, the ledger, and `held` (`reissued.HELD`); for those that stand on this: `shared`, and
    `records/<table>` of each table."""
    counts: Mapping[str, int]
    """keys, people, rostered, several (have more than one of a roster's first keys), crowded (too many to be one),
    new, merged, split, shared_keys (that do not link); none where the ledger stands."""


def resolve(
    tables: Mapping[str, Table],
    rows: Mapping[str, ir.Table],
    ledger: ir.Table,
    *,
    engine: Engine,
    directory: str,
    standing: Standing | None = None,
) -> Resolved:
    """Assign a subject to every key in the validated `rows` of `tables` (by `source.table`).

    Args:
        ledger: the last ledger, with schema `KEYS`; empty at first.
        directory: absolute folder in the vault for this attempt; the ledger's files are in `keys/`.
        standing: what an earlier step left, beside which the rows of some tables only came.
    """
    records = {
        name: differing(name, table, rows.get(name), engine=engine, directory=directory, standing=standing)
        for name, table in tables.items()
        if table.keys
    }
    outputs = {f"records/{name}": found.output for name, found in records.items()}
    known = ledger.mutate(node=ledger.namespace + ":" + ledger.value)
    if standing and standing.current:
        if not any(each.changed for each in records.values()):
            return Resolved({**outputs, **_STAND}, {})
        at = f"{directory}/scratch/near"
        if found := near(tables, records, known, standing=standing, engine=engine, scratch=at):
            keys, counts = _beside(found, known, tables.values(), standing, engine, directory)
            return Resolved({**outputs, **_STAND, "keys": keys}, counts)
    graph = _graph(tables, records, engine, directory)
    none, labels = graph.none, graph.labels
    fresh, counts = _owned(graph.nodes, labels, known, _first_keys(tables.values()), engine, f"{directory}/scratch")
    others = known.anti_join(labels, "node")
    if none:
        others = others.anti_join(_shared(none, engine, directory), "node")
    parts, keys = _written(fresh.union(_gone(others)), engine, directory)
    spans = reissued.held(graph.linked, graph.lent, keys, engine, f"{directory}/held") if graph.lent is not None else ()
    counts = {**_people(keys, tables.values(), engine), **counts, "shared_keys": sum(part.rows for part in none)}
    return Resolved({**outputs, "keys": Output(parts), "shared": Output(none), "held": Output(spans)}, counts)


def _beside(
    found: Near, known: ir.Table, tables: Collection[Table], standing: Standing, engine: Engine, directory: str
) -> tuple[Output, dict[str, int]]:
    """The ledger with the keys of people who were looked at again, and its counts; none where it stands.

    Where keys only came, they are a file beside those that stand.
    """
    first, scratch = _first_keys(tables), f"{directory}/scratch"
    fresh, counts = _owned(found.nodes, found.labels, found.known, first, engine, scratch)
    fresh = fresh.union(_gone(found.known.anti_join(found.labels, "node")))
    fresh = kept(engine, fresh, f"{directory}/scratch/fresh")
    came = fresh.anti_join(found.known, KEYS.names)
    number = _number(engine, came)
    if not number:
        return _STAND["keys"], {}
    # many small files are dear to read
    stands = standing.pieces < MOST_PIECES and _number(engine, came.anti_join(found.known, _KEY)) == number
    if stands:
        parts, keys = _written(came, engine, directory)
        keys = keys.union(known.select(KEYS.names))
    else:
        others = known.anti_join(fresh, _KEY).select(KEYS.names)
        parts, keys = _written(fresh.union(others), engine, directory)
    counts = {**_people(keys, tables, engine), **counts, "shared_keys": _number(engine, standing.shared)}
    return Output(parts, stands=stands), counts


def _gone(keys: ir.Table) -> ir.Table:
    """Keys that no record has any more: they hold on to their person, whom by them no roster knows."""
    return keys.mutate(rostered=ibis.literal(False)).select(KEYS.names)


def _written(keys: ir.Table, engine: Engine, directory: str) -> tuple[Sequence[Part], ir.Table]:
    """Files of the ledger, and what they hold."""
    parts = engine.write(keys, f"{directory}/keys", order_by=_KEY)
    return parts, engine.read([f"{directory}/keys/{part.path}" for part in parts], KEYS)


def _people(keys: ir.Table, tables: Iterable[Table], engine: Engine) -> dict[str, int]:
    total = keys.agg(
        keys=keys.count(), people=keys.subject.nunique(), rostered=keys.subject.nunique(where=keys.rostered)
    )
    numbers = keys.filter(keys.namespace.isin(_first_keys(tables))).group_by("namespace", "subject")
    theirs = numbers.agg(numbers=ibis._.count(), rostered=ibis._.rostered.any())
    several = theirs.filter(theirs.rostered, theirs.numbers > 1)
    crowded = theirs.filter(~theirs.rostered, theirs.numbers > MAX_LINKS)
    told = {
        name: _number(engine, found.select("subject").distinct())
        for name, found in (("several", several), ("crowded", crowded))
    }
    return {**{name: int(count) for name, count in scalars(engine, total).items()}, **told}


def _number(engine: Engine, relation: ir.Table) -> int:
    return int(scalars(engine, relation.agg(n=relation.count()))["n"])


def _first_keys(tables: Iterable[Table]) -> list[str]:
    """Namespaces in which a roster has a key for everybody."""
    return sorted({next(iter(table.keys.values())) for table in tables if table.roster and table.keys})


def _owned(
    nodes: ir.Table, labels: ir.Table, known: ir.Table, first: Sequence[str], engine: Engine, scratch: str
) -> tuple[ir.Table, dict[str, int]]:
    """The ledger's rows of the keys that have a label, and counts of new, merged and split people."""
    assigned, counts = _assigned(labels, known, engine, scratch)
    listed = labels.inner_join(nodes.filter(nodes.rostered), "node")
    listed = listed.mutate(namespace=listed.node.substr(0, listed.node.find(":")))
    numbers = listed.filter(listed.namespace.isin(first)).group_by("label", "namespace").agg(n=ibis._.count())
    crowded = numbers.filter(numbers.n > MAX_LINKS).select("label").distinct()
    rostered = listed.select("label").distinct().anti_join(crowded, "label").mutate(rostered=ibis.literal(True))
    named = labels.inner_join(assigned, "label").left_join(rostered, "label")
    colon = named.node.find(":")
    fresh = named.select(
        namespace=named.node.substr(0, colon),
        value=named.node.substr(colon + 1),
        subject=named.subject,
        rostered=named.rostered.fill_null(False),
    )
    return fresh, counts


@dataclass(frozen=True)
class _Graph:
    """Keys and people of all records."""

    nodes: ir.Table
    """(node, rostered) of the keys that link."""
    labels: ir.Table
    """(node, label) of the people they make."""
    none: Sequence[Part]
    """Files of the keys that do not link."""
    linked: Sequence[Linked]
    """Records of several keys, but for placeholders."""
    lent: ir.Table | None
    """(node) of the keys that do not link because they are reissued; None where there can be none."""


def _graph(tables: Mapping[str, Table], records: Mapping[str, Records], engine: Engine, directory: str) -> _Graph:
    scratch = f"{directory}/scratch"
    found = [
        (each.now, list(tables[name].keys.values()), tables[name].roster is not None) for name, each in records.items()
    ]
    told = kept(engine, told_nodes(found), f"{scratch}/told")
    nodes = kept(engine, nodes_of(told), f"{scratch}/nodes")
    linked = [Linked(each.now, tables[name]) for name, each in records.items() if len(tables[name].keys) > 1]
    none: list[Part] = []

    def linking(those: ir.Table, place: str) -> tuple[ir.Table, list[Linked]]:
        """Keys and records without `those`, which do not link."""
        parts = [part for part in engine.write(those, f"{directory}/shared/{place}") if part.rows]
        none.extend(replace(part, path=f"{place}/{part.path}") for part in parts)
        if not parts:
            return nodes, linked
        those = engine.read([f"{directory}/shared/{place}/{part.path}" for part in parts], SHARED)
        left = [Linked(without(each.records, those), each.table) for each in linked]
        return nodes.anti_join(those, "node"), left

    if (scalars(engine, nodes.agg(most=nodes.links.max()))["most"] or 0) > MAX_LINKS:
        many = nodes.filter(nodes.links > MAX_LINKS).select("node")
        nodes, linked = linking(shared([each.records for each in linked], many), "placeholders")
    lent, left = None, linked
    if among := reissued.namespaces(tables.values()):
        labels = labelled(nodes, reissued.lasting(linked, among), engine, f"{scratch}/lasting")
        lent = reissued.several(labels, linked, among)
    if lent is not None:
        lent = kept(engine, lent, f"{scratch}/lent")
        nodes, left = linking(lent, "reissued")
    labels = labelled(nodes, [each.records for each in left], engine, f"{scratch}/whole")
    return _Graph(nodes, labels, none, linked, lent)


def _shared(none: Sequence[Part], engine: Engine, directory: str) -> ir.Table:
    return engine.read([f"{directory}/shared/{part.path}" for part in none], SHARED)


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
