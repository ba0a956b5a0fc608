"""What must not remain: identifiers in text columns that were declared harmless and kept as they are.

Only distinct values are looked at, by form and checksum (`detect`) and by exact match with the roster. A
value that is also an ordinary word (the rating "Low", the surname Low) only counts where it is about its
own person more often than chance would have it. Values never enter the refusal.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Protocol

from potable.engines.base import Engine, by_column, collect, scalars, union_all
from potable.errors import PrivacyRefusal
from potable.privacy import detect
from potable.privacy.roster import canonical
from potable.tables import SUBJECT

if TYPE_CHECKING:
    import ibis.expr.types as ir


class _Known(Protocol):
    """What is needed of `protect.People`."""

    @property
    def identifiers(self) -> ir.Table: ...
    @property
    def pseudonyms(self) -> ir.Table: ...


def require_no_residue(
    rows: ir.Table, name: str, columns: Sequence[str], *, people: _Known, engine: Engine
) -> tuple[str, ...]:
    """The columns searched, when none of them holds an identifier.

    Args:
        rows: protected rows, with `_subject`.
        name: the table.
        columns: text columns that were kept as they are.
        people: identifiers and pseudonyms.
        engine: runs it.

    Raises:
        PrivacyRefusal: G001, naming the columns and the kinds of identifiers found in them.
    """
    import ibis

    found: dict[str, set[str]] = {column: set() for column in columns}
    if not columns:
        return ()
    texts = [rows.select(column=ibis.literal(column), value=rows[column]).distinct() for column in columns]
    for column, values in by_column(engine, union_all(texts)):
        found[column] |= detect.count(values).keys()
    mostly_own = cache(partial(_mostly_own, rows, people=people, engine=engine))
    for column, kind, telling in _matches(union_all(texts), people.identifiers, engine):
        if telling or mostly_own(column):
            found[column].add(kind)
    exposed = {column: kinds for column, kinds in found.items() if kinds}
    if exposed:
        raise PrivacyRefusal(
            f"`{name}` keeps identifiers in {', '.join(f'`{column}`' for column in exposed)}",
            "G001",
            given="; ".join(f"{column}: {', '.join(sorted(kinds))}" for column, kinds in exposed.items()),
            hint="declare what these columns hold: `free_text` is redacted, a direct identifier is dropped",
            state="nothing was published",
        )
    return tuple(columns)


def _matches(texts: ir.Table, identifiers: ir.Table, engine: Engine) -> list[tuple[str, str, bool]]:
    """(column, kind, telling) of every exact match between the distinct (column, value) and the roster."""
    values = texts.select("column", canonical=canonical(texts.value))
    known = identifiers.filter(identifiers.canonical != "").select("kind", "telling", "canonical")
    met = values.inner_join(known, "canonical").select("column", "kind", "telling").distinct()
    found = collect(engine, met.order_by("column", "kind", "telling")).to_pylist()
    return [(row["column"], row["kind"], row["telling"]) for row in found]


def _mostly_own(rows: ir.Table, column: str, *, people: _Known, engine: Engine) -> bool:
    """Whether cells of `column` that equal an identifier mostly equal one of the row's own person."""
    # few distinct values stand in many cells, and hardly any of them is an identifier
    values = rows.select(value=rows[column]).distinct()
    values = values.mutate(canonical=canonical(values.value))
    known = values.inner_join(people.identifiers.select("subject", "canonical"), "canonical").distinct()
    cells = rows.select(pseudonym=rows[SUBJECT], value=rows[column])
    hits = cells.inner_join(known.select("value", "canonical").distinct(), "value")
    hits = hits.select("pseudonym", "canonical").distinct()
    # of the people, only those who are called so
    own = known.select("subject", "canonical").distinct().inner_join(people.pseudonyms, "subject")
    own = own.select(_pseudonym="pseudonym", _canonical="canonical")
    met = hits.left_join(own, [hits.pseudonym == own["_pseudonym"], hits.canonical == own["_canonical"]])
    counts = scalars(engine, met.agg(all=met.count(), own=met["_pseudonym"].count()))
    return bool(counts["own"] * 2 > counts["all"])
