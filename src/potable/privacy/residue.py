"""The search for residual identifiers in text columns that are declared harmless and kept as they are.

Only distinct values are looked at: by form and checksum (`detect`), by exact match with the roster, and, where they
are of several words, for what names anybody inside them, as in free texts. A value that is also an ordinary word (the
rating "Low", the surname Low) only counts where it is about its own person more often than chance would have it.
Values never enter the refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from potable.engines.base import Engine, by_column, rows_of, union_all
from potable.errors import PrivacyRefusal
from potable.privacy import detect
from potable.privacy.folding import UNITS
from potable.privacy.index import Index
from potable.privacy.redact import named_in
from potable.privacy.roster import SUBJECT_ID, canonical
from potable.tables import OBJECT, ROW

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

    from potable.privacy.protect import Contract, People

_SEVERAL_WORDS = rf"\S\s+\S|[{UNITS}]{{2}}"


def require_no_residue(
    rows: ir.Table, owned: Callable[[], ir.Table], contract: Contract, *, people: People, engine: Engine
) -> tuple[str, ...]:
    """The columns searched, when none of them holds an identifier in a row about somebody.

    Args:
        rows: all rows of the table, also those about nobody.
        owned: those about somebody, with `_subject_id`; asked for only where `rows` hold what may be an identifier.
        contract: of the table, some of whose text columns are kept as they are.
        people: identifiers.
        engine: runs it.

    Raises:
        PrivacyRefusal: G001, naming the columns and the kinds of identifiers found in them.
    """
    columns = contract.harmless
    if not columns:
        return ()
    mostly_own = cache(partial(_mostly_own, rows, cache(owned), people=people, engine=engine))
    exposed = _exposed(rows, columns, mostly_own, people, engine)
    if exposed:
        # what only rows about nobody hold stays in the restricted root with them
        exposed = _exposed(owned(), tuple(exposed), mostly_own, people, engine)
    if exposed:
        where = _where(owned(), exposed, contract, people, engine)
        raise PrivacyRefusal(
            f"`{contract.name}` would keep identifiers in {', '.join(f'`{column}`' for column in exposed)}",
            "G001",
            given="; ".join(f"{column}: {', '.join(sorted(kinds))}" for column, kinds in exposed.items()),
            hint=f"{f'first found: {where}; ' if where else ''}change the category of these columns: `free_text` is "
            "redacted, a direct identifier is dropped; a former identifier that was a mistake is taken back by "
            "`null_values` (docs/changes.md)",
            state="nothing was published",
        )
    return tuple(columns)


def _exposed(
    rows: ir.Table,
    columns: Sequence[str],
    mostly_own: Callable[[tuple[str, ...]], Set[str]],
    people: People,
    engine: Engine,
) -> dict[str, set[str]]:
    """Columns that hold identifiers, and the kinds of these."""
    import ibis

    found: dict[str, set[str]] = {column: set() for column in columns}
    texts = [rows.select(column=ibis.literal(column), value=rows[column]).distinct() for column in columns]
    for column, values in by_column(engine, union_all(texts)):
        found[column] |= detect.count(values).keys() | _inside(values, people.index)
    matches = _matches(union_all(texts), people.identifiers, engine)
    words = tuple(sorted({column for column, _, telling in matches if not telling}))
    own = mostly_own(words) if words else frozenset()
    for column, kind, telling in matches:
        if telling or column in own:
            found[column].add(kind)
    return {column: kinds for column, kinds in found.items() if kinds}


def _where(rows: ir.Table, exposed: Mapping[str, Set[str]], contract: Contract, people: People, engine: Engine) -> str:
    """Where the first row is of each of the columns, in words; empty where it cannot be said without a name."""
    if not contract.told:
        return ""
    found = {column: _first(rows, column, kinds, people, engine) for column, kinds in exposed.items()}
    return "; ".join(f"`{name}` in {contract.told(at[0])}, record {at[1]:,}" for name, at in found.items() if at)


def _first(rows: ir.Table, column: str, kinds: Set[str], people: People, engine: Engine) -> tuple[str, int] | None:
    """The first of the rows that hold identifiers of these kinds in a column: its object, and its place there."""
    import pyarrow as pa

    schema = pa.schema([(OBJECT, pa.string()), (ROW, pa.int64())])
    cells = rows.select(OBJECT, ROW, value=rows[column]).filter(rows[column].notnull())
    known = people.identifiers.filter(
        (people.identifiers.canonical != "") & people.identifiers.kind.isin(sorted(kinds))
    )
    equal = cells.mutate(canonical=canonical(cells.value)).semi_join(known, "canonical").select(OBJECT, ROW)
    formed = engine.map_batches(cells, _Telling(people.index), schema)
    places = rows_of(engine, union_all([equal, formed]).order_by(OBJECT, ROW).limit(1))
    return (places[0][OBJECT], places[0][ROW]) if places else None


@dataclass(frozen=True)
class _Telling:
    """Of rows (object, place, value) the place of the first whose value holds an identifier; picklable."""

    index: Index

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        ordered = batch.sort_by([(OBJECT, "ascending"), (ROW, "ascending")])
        values = ordered.column(2)
        first, behind = 0, len(values) if self._holds(values) else 0
        # halved, for each value by itself would take as long as hundreds of batches
        while behind - first > 1:
            middle = (first + behind) // 2
            first, behind = (first, middle) if self._holds(values[first:middle]) else (middle, behind)
        return ordered.select([OBJECT, ROW])[first:behind]

    def _holds(self, values: pa.Array) -> bool:
        return bool(detect.count(values) or _inside(values, self.index))


def _inside(values: pa.Array, index: Index) -> set[str]:
    """Kinds of identifiers of anybody that stand in values of several words."""
    import pyarrow.compute as pc

    several = pc.filter(values, pc.match_substring_regex(values, _SEVERAL_WORDS))
    marks = named_in(several.to_pylist(), index)
    return {"full_name" if mark == "NAME" else mark.lower() for mark in marks}


def _matches(texts: ir.Table, identifiers: ir.Table, engine: Engine) -> list[tuple[str, str, bool]]:
    """(column, kind, telling) of every exact match between the distinct (column, value) and the roster."""
    values = texts.select("column", canonical=canonical(texts.value))
    known = identifiers.filter(identifiers.canonical != "").select("kind", "telling", "canonical")
    met = values.inner_join(_near(known, values), "canonical").select("column", "kind", "telling").distinct()
    found = rows_of(engine, met.order_by("column", "kind", "telling"))
    return [(row["column"], row["kind"], row["telling"]) for row in found]


def _mostly_own(
    rows: ir.Table, owned: Callable[[], ir.Table], columns: tuple[str, ...], *, people: People, engine: Engine
) -> Set[str]:
    """Those of `columns` whose cells that equal an identifier mostly equal one of the row's own person."""
    # few distinct values stand in many cells, and hardly any of them is an identifier
    values = _cells(rows, columns).distinct()
    values = values.mutate(canonical=canonical(values.value))
    near = _near(people.identifiers.select("subject", "canonical"), values)
    known = values.inner_join(near, "canonical").distinct()
    hits = _cells(owned(), columns, SUBJECT_ID)
    hits = hits.inner_join(known.select("column", "value", "canonical").distinct(), ["column", "value"])
    hits = hits.select("column", SUBJECT_ID, "canonical").distinct()
    # of the people, only those who are called so
    own = known.select(_owner="subject", _canonical="canonical").distinct()
    met = hits.left_join(own, [hits[SUBJECT_ID] == own["_owner"], hits.canonical == own["_canonical"]])
    counts = rows_of(engine, met.group_by("column").agg(all=met.count(), own=met["_owner"].count()))
    return {row["column"] for row in counts if row["own"] * 2 > row["all"]}


def _near(identifiers: ir.Table, values: ir.Table) -> ir.Table:
    """Those `identifiers` that any of the `values` equals: few of many, told while they are read and not held."""
    return identifiers.semi_join(values.view(), "canonical")


def _cells(rows: ir.Table, columns: Sequence[str], *beside: str) -> ir.Table:
    """(column, value) of every cell of `columns`, with what stands `beside` it; all in one pass over the rows."""
    import ibis

    cells = [ibis.struct({"column": ibis.literal(name), "value": rows[name]}) for name in columns]
    laid = rows.select(*beside, cell=ibis.array(cells).unnest())
    return laid.select(*beside, column=laid.cell["column"], value=laid.cell["value"])
