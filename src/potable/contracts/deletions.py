"""Records that are gone in their source: a later record marks or replaces them, or a later list lacks them.

A record that marks a deletion (a tombstone) takes every record of its key with it that was not known later;
where times are equal or unknown, the one that landed later counts. A list of the keys there are takes what landed
no later than it and is not in it. A record of a table that is read on takes what landed in earlier batches with its
key and known time (`keyed.duplicates`). Each depends on two records alone, so that it comes out the same whether
a table is judged whole or layer by layer.

Entry: `told_apart`, `Deletions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from potable.contracts.keyed import KNOWN_KEY, ORDER_KEY, PLACE, kept, with_known_key, with_order_key
from potable.contracts.masks import place_of
from potable.contracts.parts import SINCE, Around, part_names
from potable.engines.base import Engine, scalars, union_all
from potable.tables import BATCH, OBJECT, ORIGIN, ROW, Table

REASONS = "_reasons"
"""Why a row is not among those that stay: of quarantined ones the names of checks, separated by semicolons."""
TOMBSTONE, DELETED, ENDED = "tombstone", "deleted", "ended"
"""Reasons of deleted rows: it marks a deletion, or it is what was deleted; `ended` where the mark landed after it, so
that a record of its key and time that comes again later repeats nothing."""
NO_KEY = "deletion_without_key"
"""Reason of a tombstone in the quarantine: nobody knows what it deletes."""
_BY, _SINCE, _ENDED, _LISTED = "_by", "_since", "_ended", "_listed"
LIFE = "_life"
"""How many deletions of a record's key and time landed before it."""


def deleted_schema(table: Table) -> pa.Schema:
    """Schema of deleted rows: as validated, the batch the deletion became known with, and what each is."""
    return pa.schema([*table.schema, *ORIGIN, (BATCH, pa.int64()), (REASONS, pa.string())])


def marked(table: Table, rows: ir.Table) -> ir.BooleanValue:
    """Whether each row marks a deletion."""
    assert table.deletion
    name, word = table.deletion
    column = rows[name]
    if word is not None:
        return (column == word).fill_null(False)
    return column.fill_null(False) if column.type().is_boolean() else column.notnull()


def has_key(table: Table, rows: ir.Table) -> ir.BooleanValue:
    """Whether each row has a whole key."""
    return ibis.and_(*(rows[name].notnull() for name in table.unique))


def told_apart(staged: ir.Table, table: Table, engine: Engine) -> tuple[ir.Table, ir.Table | None, dict[str, int]]:
    """Records, the rows that mark deletions (None where there are none), and how many those are."""
    if table.deletion is None:
        return staged, None, {}
    mark = marked(table, staged)
    found = staged.filter(mark)
    keyless = found.count(where=~has_key(table, found))
    counts = scalars(engine, found.agg(**{TOMBSTONE: found.count(), NO_KEY: keyless}))
    return staged.filter(~mark), found if counts[TOMBSTONE] else None, counts


def with_lives(table: Table, good: ir.Table, tombstones: ir.Table | None) -> ir.Table:
    """Rows of `keyed` with `LIFE`: what was deleted and comes again with its old time is no duplicate of itself."""
    if tombstones is None:
        return good
    both = good.inner_join(_marks(table, tombstones, place_of(tombstones)), list(table.unique))
    before = both.filter(_same_time(both) & (both["_t_place"] < both[PLACE]))
    lives = before.group_by(OBJECT, ROW).agg(**{LIFE: before.count()})
    joined = good.left_join(lives, [OBJECT, ROW])
    return joined.select(*good.columns, **{LIFE: joined[LIFE].fill_null(0)}).view()


def still_met(table: Table, deleted: ir.Table) -> ir.Table:
    """Deleted rows that a record of the same key and known time repeats, for no deletion lies between them."""
    rows = with_known_key(table, deleted.filter(deleted[REASONS] == DELETED))
    both = rows.select(*table.unique, KNOWN_KEY, OBJECT, ROW, BATCH).inner_join(
        _marks(table, deleted.filter(deleted[REASONS] == TOMBSTONE), ibis.literal("")), list(table.unique)
    )
    return rows.anti_join(both.filter(_same_time(both) & (both["_t_batch"] > both[BATCH])), [OBJECT, ROW])


def _marks(table: Table, tombstones: ir.Table, place: ir.Value) -> ir.Table:
    """Keys, known times and places of rows that mark a deletion."""
    rows = with_known_key(table, tombstones.filter(has_key(table, tombstones))).mutate(**{PLACE: place})
    return rows.select(*table.unique, _t_known=rows[KNOWN_KEY], _t_place=rows[PLACE], _t_batch=rows[BATCH])


def _same_time(both: ir.Table) -> ir.BooleanValue:
    """Whether a record and a mark became known at equal or unknown times, so that their places decide."""
    return (both[KNOWN_KEY] == "") | (both["_t_known"] == "") | (both[KNOWN_KEY] == both["_t_known"])


@dataclass(frozen=True)
class Lists:
    """What the source said of all there is, so that what it left out is gone."""

    keys: ir.Table | None = None
    """Keys there were (the columns of `unique`), with the batch of each list of them."""
    around: Around | None = None
    """Versions of the records around, of a table of parts of them."""


@dataclass(frozen=True)
class Gone:
    """Rows that are deleted."""

    new: ir.Table | None = None
    """Origins of new ones, with the batch since which it is known."""
    old: ir.Table | None = None
    """The same of rows that stand; None when all of these stay."""
    stood: ir.Table | None = None
    """All rows that stand."""

    def without(self, rows: ir.Table) -> ir.Table:
        """New rows that stay; where rows that stand are gone, what stays of these too."""
        if self.new is not None:
            rows = rows.anti_join(self.new, [OBJECT, ROW])
        if self.old is None or self.stood is None:
            return rows
        return rows.union(self.stood.anti_join(self.old, [OBJECT, ROW]).select(rows.columns))


@dataclass(frozen=True)
class Deletions:
    """What says of a table that records of it are gone."""

    table: Table
    tombstones: ir.Table | None
    """Staged rows that mark a deletion."""
    listed: ir.Table | None
    """Keys there were (the columns of `unique`), with the batch of each list."""
    before: ir.Table | None = None
    """Deleted rows that stand, tombstones among them."""
    replaced: ir.Table | None = None
    """Parts that later versions of their records lack (`parts.replaced`)."""
    newer: ir.Table | None = None
    """Keys and batch of new rows that replace what landed in earlier batches (`keyed.Repeated`)."""

    @property
    def any(self) -> bool:
        """Whether anything may be gone."""
        return any(each is not None for each in (self.tombstones, self.before, *self._new))

    @property
    def _new(self) -> tuple[ir.Table | None, ...]:
        """What came with new rows, beside their tombstones."""
        return self.listed, self.replaced, self.newer

    def find(self, rows: ir.Table, stood: ir.Table | None, folder: str, engine: Engine) -> Gone:
        """Which rows are gone, written below `folder`.

        Args:
            rows: keys, `KNOWN_KEY`, `ORDER_KEY`, `PLACE`, `BATCH` and origin of new rows that would stay.
            stood: validated rows that stand.
        """
        marks = self._new_marks
        before = [] if self.before is None else [self.before.filter(self.before[REASONS] == TOMBSTONE)]
        earlier = [_marks(self.table, each, ibis.literal("")) for each in before]
        new = kept(self._gone(rows, [*earlier, *marks]), f"{folder}/new", engine)
        old = None
        if stood is not None and (marks or any(each is not None for each in self._new)):
            keyed = with_order_key(self.table, with_known_key(self.table, stood))
            keyed = keyed.mutate(**{PLACE: ibis.literal(""), BATCH: ibis.literal(0, "int64")})
            old = kept(self._gone(keyed, marks), f"{folder}/old", engine)
        return Gone(new[0] if new else None, *((old[0], stood) if old else ()))

    def taken(self, rows: ir.Table, gone: Gone) -> ir.Table | None:
        """All that is deleted by now: new rows, rows that stood, and the tombstones; None when there is nothing."""
        found = [self._with_reason(rows, gone.new)] if gone.new is not None else []
        if gone.old is not None and gone.stood is not None:
            found.append(self._with_reason(gone.stood, gone.old))
        if self.tombstones is not None:
            marks = self.tombstones.filter(has_key(self.table, self.tombstones))
            marks = marks.mutate(**{REASONS: ibis.literal(TOMBSTONE)})
            found.append(marks.select(deleted_schema(self.table).names))
        return union_all(found) if found else None

    def with_lost(self, quarantine: ir.Table) -> ir.Table:
        """The quarantine with the tombstones that have no key."""
        if self.tombstones is None:
            return quarantine
        lost = self.tombstones.filter(~has_key(self.table, self.tombstones))
        return quarantine.union(lost.mutate(**{REASONS: ibis.literal(f"{NO_KEY};")}).select(quarantine.columns))

    def _with_reason(self, rows: ir.Table, gone: ir.Table) -> ir.Table:
        both = rows.inner_join(gone, [OBJECT, ROW])
        marks = {BATCH: both[_SINCE], REASONS: ibis.ifelse(both[_ENDED], ENDED, DELETED)}
        return both.mutate(**marks).select(deleted_schema(self.table).names)

    @property
    def _new_marks(self) -> list[ir.Table]:
        new = self.tombstones
        return [] if new is None else [_marks(self.table, new, place_of(new))]

    def _gone(self, rows: ir.Table, marks: Sequence[ir.Table]) -> ir.Table:
        rows = rows.select(*self.table.unique, KNOWN_KEY, ORDER_KEY, PLACE, BATCH, OBJECT, ROW)
        found = [self._marked_later(rows, each) for each in marks]
        if self.listed is not None:
            found.append(self._unlisted(rows, self.listed))
        if self.replaced is not None:
            both = rows.inner_join(self.replaced, part_names(self.table))
            found.append(
                both.select(OBJECT, ROW, **{_ENDED: ibis.literal(False), _BY: ibis.greatest(both[SINCE], both[BATCH])})
            )
        if self.newer is not None:
            both = rows.inner_join(self.newer.rename({_BY: BATCH}), [*self.table.unique, KNOWN_KEY, ORDER_KEY])
            later = both.filter(both[_BY] > both[BATCH])
            found.append(later.select(OBJECT, ROW, ibis.literal(False).name(_ENDED), _BY))
        every = union_all(found)
        # the first deletion counts, of those of one batch one that landed after the row
        first = every.group_by(OBJECT, ROW).agg(_first=(every[_BY] * 2 + (~every[_ENDED]).cast("int64")).min())
        odd = first["_first"] % 2
        since = ((first["_first"] - odd) / 2).cast("int64")
        return first.select(OBJECT, ROW, **{_SINCE: since, _ENDED: odd == 0})

    def _marked_later(self, rows: ir.Table, marks: ir.Table) -> ir.Table:
        both = rows.inner_join(marks, list(self.table.unique))
        later = ibis.ifelse(_same_time(both), both["_t_place"] > both[PLACE], both["_t_known"] > both[KNOWN_KEY])
        found = both.filter(later)
        by = ibis.greatest(found["_t_batch"], found[BATCH])
        return found.select(OBJECT, ROW, **{_ENDED: _same_time(found), _BY: by})

    def _unlisted(self, rows: ir.Table, listed: ir.Table) -> ir.Table:
        keys = list(self.table.unique)
        lists = listed.select(**{_LISTED: listed[BATCH]}).distinct()
        whole = rows.filter(has_key(self.table, rows))
        pairs = whole.inner_join(lists, whole[BATCH] <= lists[_LISTED])
        there = listed.select(*keys, **{_LISTED: listed[BATCH]})
        lacking = pairs.anti_join(there, [*keys, _LISTED])
        return lacking.select(OBJECT, ROW, **{_ENDED: ibis.literal(False), _BY: lacking[_LISTED]})
