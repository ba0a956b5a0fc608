"""Records of a table that land again, beside what they were when they landed before. Entry: `again`.

A record that lands again in another object is among the duplicates in quarantine. One that lands again because its
object changed takes the place of the earlier one, which still lies in the step that was made before by the same rules.
Neither is looked at where nothing landed, and nothing where no record landed again. What the days of a single landing
tell comes with it: `days`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from potable.contracts.afterwards import Facts, afterwards, looked_at
from potable.contracts.deletions import REASONS
from potable.contracts.hindsight import LANDED, LANDINGS, Again, changes, comparable, of_records, replacing, successive
from potable.contracts.profile import ALL, BROKEN, ROWS, Profile
from potable.contracts.validate import DUPLICATE, Validated, quarantine_schema, validated_schema
from potable.engines.base import union_all
from potable.runs import since
from potable.runs.plan import Step
from potable.runs.workshop import Workshop
from potable.sources.ingest import current
from potable.sources.landed import Landed
from potable.store.log import Log
from potable.store.manifest import Manifest
from potable.tables import BATCH, OBJECT, ROW, Table

if TYPE_CHECKING:
    import ibis.expr.types as ir


def again(shop: Workshop, step: Step, before: Manifest, made: Validated, attempt: str) -> Again:
    """How records fared that landed again, up to now.

    Args:
        before: the step that this one stands on, if it stands on one.
        made: what the step made in the attempt folder.
    """
    table = shop.project.tables[step.name]
    last = since.last(shop.lake, step) or before
    known = Again(**last.facts.get("again", {}))
    if step.proves or not comparable(table):
        return known
    source, short = step.name.split(".", 1)
    landed = [item for item in shop.landed[source] if short in item.tables]
    # of what landed first nothing came again
    after = last.facts["batch"] if last.fingerprint else min((item.batch for item in landed), default=0)
    if all(item.batch <= after for item in landed):
        return known
    look = _Look(shop, step, landed, after, attempt)
    found = look.repeated(before, made)
    if last.fingerprint != before.fingerprint:
        found += look.replaced(last, made)
    if last.fingerprint:
        found = of_records(found, (last.counts["rows_in"], last.facts["nulls"]), (made.rows_in, made.nulls))
    return known + replace(found, came=max(look.came(made) - found.seen, 0))


def days(shop: Workshop, step: Step, before: Manifest, made: Validated, attempt: str) -> Facts:
    """What the days of the rows made say of themselves, or those of an earlier landing where these say nothing.

    Args:
        before, made: as in `again`.
    """
    table = shop.project.tables[step.name]
    known: Facts = before.facts.get("afterwards", {})
    new = [part for part in made.rows if part.rows]
    if step.proves or not new or not looked_at(table):
        return known
    look = _Look(shop, step, [], 0, attempt)
    until = max(look.times[item.batch] for item in shop.landed[step.name.split(".", 1)[0]])
    files = [look.locate(f"{attempt}/rows/{part.path}") for part in new]
    rows = shop.engine.read(files, validated_schema(table))
    return {**known, **afterwards(table, rows, until, shop.engine)}


@dataclass(frozen=True)
class _Look:
    """One look at what landed after a batch."""

    shop: Workshop
    step: Step
    landed: Sequence[Landed]
    """What the table has now."""
    after: int
    """The batch."""
    attempt: str

    @property
    def _table(self) -> Table:
        return self.shop.project.tables[self.step.name]

    @property
    def _names(self) -> list[str]:
        """Columns that are compared: no output reads a key."""
        table = self._table
        return [name for name, column in table.columns.items() if name not in table.unique and not column.key]

    @property
    def _log(self) -> Log:
        return self.shop.lake.batches(self.step.name.split(".", 1)[0])

    @cached_property
    def times(self) -> Mapping[int, datetime]:
        """When each batch was landed, in UTC."""
        told = {number: datetime.fromisoformat(json.loads(data)["landed_at"]) for number, data in self._log.stored()}
        return {number: at.astimezone(UTC).replace(tzinfo=None) for number, at in told.items()}

    def repeated(self, before: Manifest, made: Validated) -> Again:
        """Of records that landed again in other objects."""
        own = [part for part in made.quarantine if part.rows]
        if not own or made.reasons.get(DUPLICATE, 0) == before.facts.get("reasons", {}).get(DUPLICATE, 0):
            return Again()
        table, shop = self._table, self.shop
        aside = self.locate(self.attempt.replace("validated/", "quarantine/", 1))
        new = self._duplicates([f"{aside}/quarantine/{part.path}" for part in own])
        earlier = self._duplicates(before.paths(shop.lake.restricted, "quarantine"))
        names = [*table.schema.names, OBJECT, ROW]
        versions = [self._rows(before, made), earlier.select(names), new.select(names)]
        keyed = union_all([rows.semi_join(new.view(), list(table.unique)) for rows in versions])
        pairs = successive(table, self._names, keyed, self._landings("all", self.landed))
        return changes(table, self._names, pairs, shop.engine, after=self.after)

    def replaced(self, last: Manifest, made: Validated) -> Again:
        """Of records whose objects changed since the last step by the same rules."""
        shop, store = self.shop, self.shop.lake.restricted
        stay = {item.name for item in self.landed if item.batch <= self.after}
        short = self.step.name.split(".", 1)[1]
        gone = [
            item
            for item in current(self._log, until=self.after).landed
            if short in item.tables and item.name not in stay
        ]
        came = [item for item in self.landed if item.batch > self.after]
        files = last.files.get("rows", ())
        if not (gone and came and files) or any(store.size(file.path) is None for file in files):
            return Again()
        schema = validated_schema(self._table)
        parts = [self.locate(f"{self.attempt}/rows/{part.path}") for part in made.rows if part.rows]
        earlier = shop.engine.read(last.paths(store), schema), self._landings("gone", gone)
        later = shop.engine.read(parts, schema), self._landings("came", came)
        pairs = replacing(self._table, self._names, earlier, later)
        return changes(self._table, self._names, pairs, shop.engine, after=self.after)

    def came(self, made: Validated) -> int:
        """Rows of what landed, but for those that break a rule."""
        assert made.profile is not None
        profile = Profile(made.profile)
        rows = [profile.of_batch(batch).columns[ROWS] for batch in profile.batches if batch > self.after]
        return sum(each.get(ALL, 0) - each.get(BROKEN, 0) for each in rows)

    def _rows(self, before: Manifest, made: Validated) -> ir.Table:
        """All rows that stay."""
        stand = () if made.rewritten else before.paths(self.shop.lake.restricted)
        new = [self.locate(f"{self.attempt}/rows/{part.path}") for part in made.rows if part.rows]
        return self.shop.engine.read([*stand, *new], validated_schema(self._table))

    def _duplicates(self, files: Sequence[str]) -> ir.Table:
        rows = self.shop.engine.read(files, quarantine_schema(self._table))
        # a cell that breaks a check stands there as it came, and would be empty among the rows that stay
        return rows.filter(rows[REASONS] == f"{DUPLICATE};")

    def _landings(self, name: str, items: Sequence[Landed]) -> ir.Table:
        """When objects landed, as a relation."""
        rows = [{OBJECT: each.name, BATCH: each.batch, LANDED: self.times[each.batch]} for each in items]
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, LANDINGS), sink)
        path = f"{self.attempt}/scratch/landings/{name}.parquet"
        self.shop.lake.restricted.put(path, [sink.getvalue()])
        return self.shop.engine.read([self.locate(path)], LANDINGS)

    def locate(self, path: str) -> str:
        """An absolute path of the restricted root."""
        return self.shop.lake.restricted.locate(path)
