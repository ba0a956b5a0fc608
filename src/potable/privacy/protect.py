"""The verb: validated rows become protected ones, which name nobody.

Subject keys are replaced by pseudonyms, direct identifiers are left behind, dates truncated and free texts
redacted as the policy says; rows about nobody a roster knows are split off. Rows in = rows out + rows
quarantined is computed on every run. Columns that stay texts are searched for identifiers (`residue`) before any row
is written: an open root never holds what is refused.

Rows that were protected before may stand, so that only new rows and those that `standing` finds touched are
worked on; what comes out is what protecting all of them gives.

Entry: `protect`. What it stands on comes before: `roster.identifiers` and `pseudonyms.pseudonyms`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from potable.engines import base
from potable.engines.base import Engine, Part, scalars
from potable.errors import DataError
from potable.privacy.categories import NONE
from potable.privacy.digests import MARKS
from potable.privacy.index import Index
from potable.privacy.policy import Policy, Rule
from potable.privacy.redact import Redactor
from potable.privacy.residue import require_no_residue
from potable.privacy.roster import SUBJECT_ID, Held, Normalise, with_subject
from potable.privacy.standing import Standing, stays, touched
from potable.tables import BUCKET, KNOWN, OBJECT, ORIGIN, ROW, SUBJECT, TIME, WHICH, Table, moments

if TYPE_CHECKING:
    import ibis.expr.types as ir

NOBODY = "belongs_to_nobody"
"""Why protect quarantines a row: none of its keys leads to a person of a roster."""
REASON = "reason"
PLACES = pa.schema([*ORIGIN, (REASON, pa.string())])
"""Places of quarantined rows."""

Done = Literal["drop", "inside", "keep", "redact", "truncate"]


@dataclass(frozen=True)
class People:
    """Who is who: what resolve, `identifiers` and `pseudonyms` left in the vault."""

    keys: ir.Table
    """(namespace, value, subject, rostered)."""
    pseudonyms: ir.Table
    """(subject, pseudonym, bucket)."""
    identifiers: ir.Table
    """(subject, kind, value) of those that tell who somebody is (`roster.telling_who`), former ones too."""
    index: Index = field(repr=False)
    """The forms of all identifiers, dates of birth too."""
    normalise: Normalise
    """The identity slice's form of a key."""
    held: Held | None = None
    """Keys that were given to somebody else; None for none."""


@dataclass(frozen=True)
class Places:
    """Where `protect` writes: absolute, new folders."""

    rows: str
    """In an open zone: the protected rows."""
    quarantine: str
    """In a restricted zone: the places of rows about nobody."""


@dataclass(frozen=True)
class Contract:
    """One table and the policy it is protected by."""

    name: str
    table: Table
    policy: Policy
    landed: Callable[[ir.Table], ir.Value] | None = None
    """When a row's raw object landed (timestamp, null for history), for tables with `known: landed`."""

    told: Callable[[str], str] | None = None
    """What anybody may be told of the name of an object; None for nothing."""

    def rule(self, column: str) -> Rule:
        """The rule of a column; `policy.check` has made sure there is one."""
        category = self.category(column)
        rule = self.policy.rule_for(category)
        if rule is None:
            raise LookupError(f"no rule for {category}")
        return rule

    def category(self, column: str) -> str:
        """The category of a column."""
        return self.table.columns[column].declared_category or ""

    def columns(self, *protect: str) -> tuple[str, ...]:
        """Columns that are no keys and whose rule is one of `protect`."""
        return tuple(
            name for name, column in self.table.columns.items() if not column.key and self.rule(name).protect in protect
        )

    @property
    def harmless(self) -> tuple[str, ...]:
        """Text columns that leave as they are."""
        return tuple(name for name in self.columns("keep") if self.table.columns[name].type == "string")

    @property
    def leaving(self) -> tuple[str, ...]:
        """Columns that go on to the protected zone, in declared order."""
        return self.columns("keep", "redact", "truncate")

    def schema(self) -> pa.Schema:
        """Schema of the protected table; the bucket is named in the paths of its files."""
        head = [(SUBJECT, pa.string()), (TIME, pa.timestamp("us")), (KNOWN, pa.timestamp("us"))]
        which = [(name, pa.int64()) for name in self.which]
        return pa.schema([*head, *which, *((name, self.table.columns[name].arrow) for name in self.leaving)])

    @property
    def which(self) -> tuple[str, ...]:
        """The column that says by which of a person's keys a row is told apart, where it needs one."""
        return (WHICH,) if self.table.apart else ()


@dataclass(frozen=True)
class Action:
    """What became of one column."""

    column: str
    category: str
    done: Done
    redactions: Mapping[str, int] = field(default_factory=dict)
    """Marks in a redacted column, by kind."""


@dataclass(frozen=True)
class Protected:
    """One protected table."""

    name: str
    rows: tuple[Part, ...]
    """Parts of the protected rows below `Places.rows`, partitioned by bucket."""
    quarantine: tuple[Part, ...]
    """Parts of (_object, _row, reason) below `Places.quarantine`."""
    rows_in: int
    rows_out: int
    rows_quarantined: int
    actions: tuple[Action, ...]
    scanned: tuple[str, ...]
    """Kept text columns that were searched for identifiers."""
    standing: tuple[Part, ...] = ()
    """Parts of `Standing` whose rows stay; `rows` are beside them."""

    @property
    def redactions(self) -> dict[str, int]:
        """Marks in all redacted columns, by kind."""
        return dict(sum((Counter(action.redactions) for action in self.actions), Counter[str]()))


def protect(
    rows: ir.Table,
    contract: Contract,
    *,
    people: People,
    engine: Engine,
    places: Places,
    standing: Standing | None = None,
) -> Protected:
    """Write the protected rows of one table.

    Args:
        rows: validated rows: the contract's columns, `_object`, `_row`; those that came since, where some stand.
        contract: table and policy.
        people: who is who.
        engine: runs it.
        places: where to write.
        standing: rows of the table that were protected before under the same contract and key.

    Raises:
        DataError: D003, rows in are not rows out plus rows quarantined.
        PrivacyRefusal: G001, a column declared harmless holds identifiers.
    """
    import ibis

    every = rows.union(standing.rows) if standing else rows
    owned = partial(_owned, every, contract, people)
    scanned = require_no_residue(every, owned, contract, people=people, engine=engine)
    texts = contract.columns("redact")
    gone = touched(standing, contract.table, texts, normalise=people.normalise, engine=engine) if standing else None
    named = addressed(rows.union(gone.rows) if gone else rows, contract, people)
    if standing and (standing.came or gone):
        # few, and asked for twice
        named = base.kept(engine, named, f"{standing.scratch}/named")
    elif standing:
        # whom nothing is about, nobody is asked
        named = engine.read([], named.schema().to_pyarrow())
    lost = named.filter(named[SUBJECT].isnull())
    aside = lost.select(OBJECT, ROW, **{REASON: ibis.literal(NOBODY)})
    kept = _redacted(named.filter(named[SUBJECT].notnull()), contract, people, engine)
    left = standing.left(gone) if standing else ()
    if standing:
        aside = aside.union(standing.nobodys(gone))
    if standing and gone and gone.buckets:
        kept = kept.union(stays(standing, gone, contract.schema(), engine))
    # sources list people by name or number: in that order pseudonyms would tell whose they are
    written = engine.write(kept, places.rows, partition_by=BUCKET, order_by=[BUCKET, SUBJECT])
    rows_in, rows_out = int(scalars(engine, every.agg(n=every.count()))["n"]), _total([*left, *written])
    split_off = engine.write(aside, places.quarantine) if rows_in != rows_out else []
    counts = (rows_in, rows_out, _total(split_off))
    _require_all(contract.name, *counts)
    new = [f"{places.rows}/{part.path}" for part in written]
    done = engine.read([*(part.path for part in left), *new], contract.schema())
    if standing and not gone:
        marks = _added(standing.marks, _marks(engine.read(new, contract.schema()), texts, engine))
    else:
        marks = _marks(done, texts, engine)
    return Protected(contract.name, tuple(written), tuple(split_off), *counts, _actions(contract, marks), scanned, left)


def addressed(rows: ir.Table, contract: Contract, people: People) -> ir.Table:
    """Rows with pseudonym (null for nobody's), bucket, times and the columns that leave, texts not redacted yet."""
    import ibis

    found = _with_person(rows, contract, people, which=True)
    names = people.pseudonyms.select(_person="subject", **{SUBJECT: "pseudonym", BUCKET: "bucket"})
    named = found.left_join(names, found[SUBJECT_ID] == names["_person"])
    time, known = _times(named, contract)
    return named.select(
        *(ibis._[name] for name in (SUBJECT, SUBJECT_ID, OBJECT, ROW, BUCKET)),
        **{TIME: time, KNOWN: known},
        **{name: named[name] for name in contract.which},
        **{name: _value(named[name], contract, name) for name in contract.leaving},
    )


def _with_person(rows: ir.Table, contract: Contract, people: People, *, which: bool = False) -> ir.Table:
    """Rows with `_subject_id`, null for nobody a roster knows; `which` as `with_subject` takes it."""
    rostered = people.keys.filter(people.keys.rostered)
    return with_subject(rows, contract.table, rostered, normalise=people.normalise, held=people.held, which=which)


def _owned(rows: ir.Table, contract: Contract, people: People) -> ir.Table:
    """Rows about somebody, as validated, with `_subject_id`."""
    found = _with_person(rows, contract, people)
    return found.filter(found[SUBJECT_ID].notnull())


def _value(column: ir.Value, contract: Contract, name: str) -> ir.Value:
    import ibis

    rule = contract.rule(name)
    if rule.protect != "truncate":
        return column
    if contract.table.columns[name].type == "date":
        # truncating a date gives a timestamp on some engines
        return ibis.date(column.year(), column.month() if rule.to == "month" else ibis.literal(1), ibis.literal(1))
    return column.truncate("M" if rule.to == "month" else "Y")


def _times(rows: ir.Table, contract: Contract) -> tuple[ir.Value, ir.Value]:
    """When the fact of each row happened and became known; without `time` only a column says the latter."""
    import ibis

    time, known = moments(contract.table, rows)
    if contract.table.known == "landed" and contract.table.time:
        known = contract.landed(rows).cast("timestamp(6)") if contract.landed else ibis.null("timestamp(6)")
    return time, known


def _redacted(rows: ir.Table, contract: Contract, people: People, engine: Engine) -> ir.Table:
    """The rows as they are written, free texts redacted."""
    leaving = [SUBJECT, TIME, KNOWN, *contract.which, *contract.leaving, BUCKET]
    texts = contract.columns("redact")
    if not texts:
        return rows.select(*leaving)
    schema = pa.schema([*contract.schema(), (BUCKET, pa.int64())])
    return engine.map_batches(rows.select(*leaving, SUBJECT_ID), Redactor(texts, SUBJECT_ID, people.index), schema)


def _actions(contract: Contract, marks: Mapping[str, Mapping[str, int]]) -> tuple[Action, ...]:
    return tuple(
        Action(name, contract.category(name) or NONE, contract.rule(name).protect, marks.get(name, {}))
        for name in contract.table.columns
    )


def _marks(done: ir.Table, texts: Sequence[str], engine: Engine) -> dict[str, dict[str, int]]:
    """How often each mark stands in each redacted column (marks that the source itself wrote included)."""
    if not texts:
        return {}
    counted = {}
    for index, name in enumerate(texts):
        for mark in MARKS:
            shown, column = f"[{mark}]", done[name]
            without = column.replace(shown, "").length()
            counted[f"{index}:{mark}"] = ((column.length() - without).sum() / len(shown)).cast("int64")
    totals = scalars(engine, done.agg(**counted))
    return {
        name: {mark: int(totals[f"{index}:{mark}"]) for mark in MARKS if totals[f"{index}:{mark}"]}
        for index, name in enumerate(texts)
    }


def _added(one: Mapping[str, Mapping[str, int]], other: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Marks of both, by column and kind."""
    found = {column: Counter(one.get(column)) + Counter(other.get(column)) for column in {**one, **other}}
    return {column: dict(sorted(kinds.items())) for column, kinds in found.items()}


def _require_all(name: str, rows_in: int, rows_out: int, quarantined: int) -> None:
    if rows_in != rows_out + quarantined:
        raise DataError(
            f"`{name}`: rows in do not equal rows out plus rows quarantined",
            "D003",
            given=f"{rows_in:,} in, {rows_out:,} out, {quarantined:,} quarantined",
            hint="does a key lead to several people? Then its rows are multiplied",
            state="nothing was published",
        )


def _total(parts: Sequence[Part]) -> int:
    return sum(part.rows for part in parts)
