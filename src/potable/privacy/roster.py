"""The roster: every value that names or reaches a person, with the subject it belongs to.

Redaction, the check of kept columns and the leak scan all search for what stands here. It is collected
from every column of a direct identifier, in validated and in quarantined rows, and lives in the vault.

Entry: `identifiers`; `with_subject` is how any room of this slice finds whom a row is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from potable.engines.base import union_all
from potable.privacy.categories import ancestry, is_direct
from potable.tables import Table

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

Normalise = Callable[[str, "ir.StringValue"], "ir.StringValue"]
"""Namespace and key column to the column in the form keys are compared in; null for no key."""
SUBJECT_ID = "_subject_id"
"""Internal subject id of a row, while protect works on it."""
_LEAST_DIGITS = 6

_KINDS = {
    "user.name": "full_name",
    "user.name.first": "name",
    "user.name.last": "name",
    "user.contact.email": "email",
    "user.contact.phone_number": "phone",
    "user.contact.fax_number": "phone",
    "user.contact.address": "address",
}


def schema() -> pa.Schema:
    """Schema of the identifiers: subject (null for nobody's), kind, value (never empty), canonical, telling."""
    import pyarrow as pa

    texts = [(name, pa.string()) for name in ("subject", "kind", "value", "canonical")]
    return pa.schema([*texts, ("telling", pa.bool_())])


def canonical(value: ir.StringValue) -> ir.StringValue:
    """A value in the form in which whole cells are compared with identifiers."""
    return value.lower().re_replace("[ ./()-]", "")


def kind_of(category: str) -> str | None:
    """Kind of identifier that values of `category` are; None if they are none."""
    if not is_direct(category):
        return None
    return next((_KINDS[part] for part in ancestry(category) if part in _KINDS), "id")


def identifiers(
    tables: Mapping[str, Table], rows: Mapping[str, Sequence[ir.Table]], keys: ir.Table, *, normalise: Normalise
) -> ir.Table | None:
    """Every identifier in `rows`, once, as `schema` says; None if no table has any.

    Args:
        tables: contracts by name.
        rows: by name, relations with the contract's columns (validated, quarantined, as many as there are).
        keys: (namespace, value, subject, rostered).
        normalise: the identity slice's.
    """
    found: dict[tuple[str, ...], list[ir.Table]] = {}
    for name, table in tables.items():
        if named := _named(table):
            alike = found.setdefault(tuple(table.keys.values()), [])
            alike += [_named_in(relation, table, named, normalise) for relation in rows.get(name, ())]
    # one join for all tables with the same keys: each holds all keys of its namespace
    parts = [_identified(union_all(alike), namespaces, keys) for namespaces, alike in found.items() if alike]
    if not parts:
        return None
    # told here once, because every table that is protected asks
    once = union_all(parts).distinct()
    known = once.mutate(canonical=canonical(once.value))
    return known.mutate(telling=_telling(known))


def lacking(identifiers: ir.Table, other: ir.Table) -> ir.Table:
    """(subject, kind, value) of those `identifiers` that `other` lacks."""
    # nulls never meet in a join
    one, two = (rows.mutate(_whose=rows.subject.fill_null("")) for rows in (identifiers, other.view()))
    return one.anti_join(two, ["_whose", "kind", "value"]).select("subject", "kind", "value")


def _telling(known: ir.Table) -> ir.BooleanValue:
    """Whether an identifier cannot also be an ordinary word or a small number."""
    name = known.kind.isin(["name", "full_name", "address"])
    several, digits = known.value.re_search("[^ -][ -]+[^ -]"), known.value.re_search("[0-9]")
    long = known.canonical.length() >= _LEAST_DIGITS
    return (name & several) | (~name & long & (digits | (known.kind == "email")))


def with_subject(rows: ir.Table, table: Table, keys: ir.Table, *, normalise: Normalise) -> ir.Table:
    """`rows` with the subject of their first known key as `_subject_id`, null where none is known."""
    columns = rows.columns
    keyed = rows.mutate(**_normalised(rows, table, normalise))
    return _joined(keyed, list(table.keys.values()), keys).select(*columns, SUBJECT_ID)


def _normalised(rows: ir.Table, table: Table, normalise: Normalise) -> dict[str, ir.StringValue]:
    """The keys of each row as they are compared, as `_key_0` and so on."""
    return {
        f"_key_{index}": normalise(namespace, rows[column].cast("string"))
        for index, (column, namespace) in enumerate(table.keys.items())
    }


def _joined(rows: ir.Table, namespaces: Sequence[str], keys: ir.Table) -> ir.Table:
    """`rows` with `_subject_id`, that of the first of their keys (`_normalised`) which is known."""
    import ibis

    subjects: list[ir.Value] = [ibis.null("string")]
    for index, namespace in enumerate(namespaces):
        value, subject = f"_value_{index}", f"{SUBJECT_ID}_{index}"
        known = keys.filter(keys.namespace == namespace).select(**{value: keys.value, subject: keys.subject})
        rows = rows.left_join(known, rows[f"_key_{index}"] == known[value])
        subjects.append(ibis._[subject])
    return rows.mutate(**{SUBJECT_ID: ibis.coalesce(*subjects)})


def _named(table: Table) -> dict[str, str]:
    """Columns of direct identifiers, with the kind of their values."""
    kinds = {name: kind_of(column.declared_category or "") for name, column in table.columns.items()}
    return {name: kind for name, kind in kinds.items() if kind}


def _named_in(rows: ir.Table, table: Table, named: Mapping[str, str], normalise: Normalise) -> ir.Table:
    """What each of `rows` is known by (`_normalised`), and the array of identifiers `found` in it."""
    import ibis

    columns = list(dict.fromkeys([*table.keys, *named]))
    # few distinct people stand behind many rows, so the join comes after
    distinct = rows.select(**{name: rows[name].cast("string") for name in columns}).distinct()
    others = {name for name, column in table.columns.items() if column.someone_else}
    own = [(kind, distinct[name], name not in others) for name, kind in named.items()]
    composed = [(kind, value, True) for kind, value in _composed(distinct, table)]
    found = ibis.array(
        [
            ibis.struct({"kind": ibis.literal(kind), "value": value, "own": ibis.literal(mine)})
            for kind, value, mine in (*own, *composed)
        ]
    )
    return distinct.select(**_normalised(distinct, table, normalise), found=found)


def _identified(rows: ir.Table, namespaces: Sequence[str], keys: ir.Table) -> ir.Table:
    """(subject, kind, value) of what was `found` in rows with keys of `namespaces`."""
    import ibis

    known = _joined(rows, namespaces, keys)
    parts = known.select(subject=known[SUBJECT_ID], found=known.found.unnest())
    subject = ibis.ifelse(parts.found["own"], parts.subject, ibis.null("string"))
    split = parts.select(subject=subject, kind=parts.found["kind"], value=parts.found["value"].strip())
    return split.filter(split.value.notnull() & (split.value != ""))


def _composed(rows: ir.Table, table: Table) -> Iterator[tuple[str, ir.StringValue]]:
    """Full names of the row's first and last names, in both orders."""
    parts = {
        wanted: [name for name, column in table.columns.items() if column.declared_category == f"user.name.{wanted}"]
        for wanted in ("first", "last")
    }
    for first in parts["first"]:
        for last in parts["last"]:
            names = rows[first].strip(), rows[last].strip()
            yield "full_name", names[0] + " " + names[1]
            yield "full_name", names[1] + " " + names[0]
