"""Incremental protection: which of the rows that were protected before stay, and which are protected again.

A protected row is decided by its validated row, by the person its keys lead to and, where it has free texts,
by everybody's identifiers. So one that stands is touched only when a key of it leads to somebody else now or is
another one of that person's keys, or when a form of an identifier that came or went since stands in one of its texts.
Protected rows do not tell where they came from, so all rows of the people of touched ones are protected again.

Entry: `Standing`, `touched`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from potable.engines.base import Engine, Part, collect, counted, kept, scalars, union_all
from potable.privacy.mentions import Changed, Mentions
from potable.privacy.roster import SUBJECT_ID, Held, Normalise, numbered, with_subject
from potable.tables import BUCKET, OBJECT, ORIGIN, ROW, SUBJECT, Table

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa


@dataclass(frozen=True)
class Standing:
    """The rows of one table that were protected before, and what they were protected by."""

    rows: ir.Table
    """As validated: the contract's columns, `_object`, `_row`."""
    parts: Sequence[Part]
    """As protected, with absolute paths; the partition is the bucket."""
    nobody: ir.Table
    """Places of those about nobody: (_object, _row, reason)."""
    marks: Mapping[str, Mapping[str, int]]
    """Marks in each redacted column, by kind."""
    keys: ir.Table
    """(namespace, value, subject, rostered), as it was."""
    pseudonyms: ir.Table
    """(subject, pseudonym, bucket), as it was."""
    moved: ir.Table | None
    """(namespace, value) of the keys that are `moved` since; None for none."""
    renamed: Changed | None
    """The identifiers that came or went since; None for none."""
    owners: ir.Table | None
    """(subject) of those whom `renamed` belong to."""
    scratch: str
    """Folder for intermediate files, absolute and new."""
    held: Held | None = None
    """Keys that were given to somebody else, as it was told whose they were; None for none."""
    came: bool = True
    """Whether rows may have come beside them."""

    def left(self, gone: Touched | None) -> tuple[Part, ...]:
        """Parts all of whose rows stay."""
        return tuple(part for part in self.parts if gone is None or part.partition not in gone.buckets)

    def nobodys(self, gone: Touched | None) -> ir.Table:
        """Places of the rows about nobody that stay so."""
        return self.nobody.anti_join(gone.places, [OBJECT, ROW]) if gone else self.nobody


@dataclass(frozen=True)
class Touched:
    """What does not stay."""

    rows: ir.Table
    """Validated rows that are protected again."""
    people: ir.Table
    """(pseudonym, bucket) of those whose protected rows are left out."""
    buckets: frozenset[int]
    """Buckets these people are in."""
    places: ir.Table
    """(_object, _row) of all touched rows."""


def moved(before: ir.Table, now: ir.Table, apart: Collection[str] = ()) -> ir.Table:
    """(namespace, value) of the keys whose rostered person is another one, or counts them otherwise.

    Args:
        before, now: (namespace, value, subject, rostered).
        apart: namespaces of the keys by whose number rows are told apart.
    """
    owned = ["namespace", "value", "subject", "number"]
    old, new = (_counted(keys.filter(keys.rostered), apart).select(owned) for keys in (before, now))
    changed = old.anti_join(new, owned).union(new.view().anti_join(old.view(), owned))
    return changed.select("namespace", "value").distinct()


def _counted(keys: ir.Table, apart: Collection[str]) -> ir.Table:
    """`keys` with their `number`, 0 where it tells nothing apart."""
    import ibis

    if not apart:
        return keys.mutate(number=ibis.literal(0, "int64"))
    counted = numbered(keys)
    return counted.mutate(number=ibis.ifelse(counted.namespace.isin(sorted(apart)), counted.number, 0))


def touched(
    standing: Standing, table: Table, texts: Sequence[str], *, normalise: Normalise, engine: Engine
) -> Touched | None:
    """What does not stay of a table; None when all does.

    Args:
        standing: what was there.
        table: the contract.
        texts: columns that are redacted.
        normalise: the identity slice's.
        engine: runs it.
    """
    keys = standing.keys.filter(standing.keys.rostered)
    named = with_subject(standing.rows, table, keys, normalise=normalise, held=standing.held)
    found = [*_moved_rows(standing, table, normalise), *_renamed_rows(keys, standing, table, texts, normalise, engine)]
    if not found:
        return None
    places, count = counted(engine, union_all(found).distinct(), f"{standing.scratch}/places")
    if not count:
        return None
    whom = named.semi_join(places, [OBJECT, ROW]).select(SUBJECT_ID).distinct()
    whom = kept(engine, whom, f"{standing.scratch}/whom")
    again = named.semi_join(whom.filter(whom[SUBJECT_ID].notnull()), SUBJECT_ID)
    if scalars(engine, whom.agg(nobodys=whom[SUBJECT_ID].isnull().any()))["nobodys"]:
        again = again.union(named.filter(named[SUBJECT_ID].isnull()).semi_join(places, [OBJECT, ROW]))
    again = kept(engine, again.select(standing.rows.columns), f"{standing.scratch}/again")
    theirs = standing.pseudonyms.semi_join(whom, standing.pseudonyms.subject == whom[SUBJECT_ID])
    gone = kept(engine, theirs.select("pseudonym", "bucket"), f"{standing.scratch}/gone")
    buckets = collect(engine, gone.select("bucket").distinct()).column(0).to_pylist()
    return Touched(again, gone, frozenset(buckets), places)


def stays(standing: Standing, gone: Touched, schema: pa.Schema, engine: Engine) -> ir.Table:
    """The protected rows that stay in the buckets of people whose rows do not, with their bucket."""
    import ibis

    paths: dict[int, list[str]] = {}
    for part in standing.parts:
        if part.partition in gone.buckets:
            paths.setdefault(part.partition, []).append(part.path)
    rows = union_all(
        engine.read(theirs, schema).mutate(**{BUCKET: ibis.literal(bucket, "int64")})
        for bucket, theirs in paths.items()
    )
    return rows.anti_join(gone.people, rows[SUBJECT] == gone.people.pseudonym)


def _moved_rows(standing: Standing, table: Table, normalise: Normalise) -> list[ir.Table]:
    """Places of the rows with a key that leads to somebody else."""
    if standing.moved is None:
        return []
    found = []
    for column, namespace in table.keys.items():
        keys = standing.moved.filter(standing.moved.namespace == namespace).select(_moved="value")
        rows = standing.rows.select(OBJECT, ROW, _key=standing.rows[column].cast("string"))
        # as for `with_subject`, each key is normalised once
        written = rows.select("_key").distinct()
        theirs = written.semi_join(keys, normalise(namespace, written["_key"]) == keys["_moved"])
        found.append(rows.semi_join(theirs, "_key").select(OBJECT, ROW))
    return found


def _renamed_rows(
    keys: ir.Table, standing: Standing, table: Table, texts: Sequence[str], normalise: Normalise, engine: Engine
) -> list[ir.Table]:
    """Places of rows with a text in which what came or went is found."""
    if standing.renamed is None or standing.owners is None or not texts:
        return []
    # whom the other rows are about does not matter, for of their people no form changed
    theirs = keys.semi_join(standing.owners, "subject")
    told = with_subject(standing.rows, table, theirs, normalise=normalise, held=standing.held)
    told = told.select(*texts, SUBJECT_ID, OBJECT, ROW)
    search = Mentions(tuple(texts), SUBJECT_ID, (OBJECT, ROW), standing.renamed)
    return [engine.map_batches(told, search, ORIGIN)]
