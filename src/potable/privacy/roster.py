"""The roster: every value that names or reaches a person, with the subject it belongs to.

Redaction, the check of kept columns and the leak scan all search for these identifiers. They are collected from every
column of a direct identifier, in validated and in quarantined rows, and live in the vault. Dates of birth are beside
them, for redaction alone: of the people of a company dozens were born on any day, and it is an ordinary date elsewhere.

Entry: `identifiers`; `with_subject` is how any room of this slice finds whom a row is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from typing import TYPE_CHECKING

from potable.columns import BORN
from potable.engines.base import union_all
from potable.privacy.categories import ancestry, is_direct
from potable.privacy.spelling import BIRTH, PARTICLES
from potable.tables import WHICH, Table

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

Normalise = Callable[[str, "ir.StringValue"], "ir.StringValue"]
"""Namespace and key column to the column in the form keys are compared in; null for no key."""
SUBJECT_ID = "_subject_id"
"""Internal subject id of a row, while protect works on it."""
_LEAST_DIGITS = 6
_MOST_KEYS = 1 << 15
"""Keys of one namespace that a subject may have and be told apart by."""

_APART = "\x1f"
"""Between the first and the last name of a full name, until it is told what it may be shortened to."""
_ENDS = (rf"^([^\s.,{_APART}-]{{2,}})[\s,-]", rf"[\s-]([^\s.,{_APART}-]{{2,}})$")
"""The first and the last of several words; an initial is none."""
_SEVERAL = r"[\s,-]"
"""Without one of these neither is found."""

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
    """Kind of identifier that values of `category` are; None if they are none.

    A date of birth is one in texts about its own person only.
    """
    if category == BORN:
        return BIRTH
    if not is_direct(category):
        return None
    return next((_KINDS[part] for part in ancestry(category) if part in _KINDS), "id")


def identifiers(
    tables: Mapping[str, Table],
    rows: Mapping[str, Sequence[ir.Table]],
    keys: ir.Table,
    *,
    normalise: Normalise,
    step: Callable[[ir.Table, str], ir.Table] | None = None,
) -> ir.Table | None:
    """Every identifier in `rows`, once, as `schema` says; None if no table has any.

    Args:
        tables: contracts by name.
        rows: by name, relations with the contract's columns (validated, quarantined, as many as there are).
        keys: (namespace, value, subject, rostered).
        normalise: the identity slice's.
        step: computes what is given by itself, under a name: in one query every table, and every kind of identifier,
            would take memory at once. None where they are few.
    """
    alike: dict[_Layout, list[ir.Table]] = {}
    for name, table in tables.items():
        for layout, columns in _layouts(table):
            alike.setdefault(layout, []).extend(_texts(relation, columns) for relation in rows.get(name, ()))
    found: dict[tuple[str, ...], list[ir.Table]] = {}
    for layout, relations in alike.items():
        if relations:
            found.setdefault(layout.namespaces, []).append(_named_in(relations, layout, normalise))
    # one join for all tables with the same keys: each holds all keys of its namespace
    parts = [_identified(union_all(named), namespaces, keys) for namespaces, named in found.items()]
    if not parts:
        return None
    if step:
        parts = [step(part, f"part-{number}") for number, part in enumerate(parts)]
        kinds = sorted({kind for layout in alike for kind, _ in layout.values})
        of_kinds = (union_all(part.filter(part.kind == kind) for part in parts) for kind in kinds)
        once = union_all([step(same.distinct(), kind) for kind, same in zip(kinds, of_kinds, strict=True)])
    else:
        once = union_all(parts).distinct()
    # told here once, because every table that is protected asks
    known = once.mutate(canonical=canonical(once.value))
    return known.mutate(telling=_telling(known))


def telling_who(identifiers: ir.Table) -> ir.Table:
    """Those `identifiers` that may tell who somebody is wherever they stand: no dates of birth."""
    return identifiers.filter(identifiers.kind != BIRTH)


def lacking(identifiers: ir.Table, other: ir.Table) -> ir.Table:
    """(subject, kind, value) of those `identifiers` that `other` lacks."""
    return beyond(identifiers, other).select("subject", "kind", "value")


def beyond(identifiers: ir.Table, other: ir.Table) -> ir.Table:
    """Those `identifiers` that `other` lacks, with all their columns."""
    # nulls never meet in a join
    one, two = (rows.mutate(_whose=rows.subject.fill_null("")) for rows in (identifiers, other.view()))
    return one.anti_join(two, ["_whose", "kind", "value"]).select(*identifiers.columns)


def _telling(known: ir.Table) -> ir.BooleanValue:
    """Whether an identifier cannot also be an ordinary word or a small number."""
    name = known.kind.isin(["name", "full_name", "address"])
    several, digits = known.value.re_search("[^ -][ -]+[^ -]"), known.value.re_search("[0-9]")
    long = known.canonical.length() >= _LEAST_DIGITS
    return (name & several) | (~name & long & (digits | (known.kind == "email")))


def with_subject(
    rows: ir.Table,
    table: Table,
    keys: ir.Table,
    *,
    normalise: Normalise,
    held: Held | None = None,
    which: bool = False,
) -> ir.Table:
    """`rows`, which can be read repeatedly, with the subject of their first known key, as `_subject_id`, or null.

    Args:
        held: keys that are not known by themselves, but by the row's time.
        which: also say by which of the subject's keys rows are told apart, as `_which`: rows of one subject have the
            same number where the keys in `Table.apart` are the same.
    """
    import ibis

    joined, apart = rows, table.apart if which else {}
    subjects: list[ir.Value] = [ibis.null("string")]
    numbers = []
    for index, (column, namespace) in enumerate(table.keys.items()):
        written, subject, number = f"_written_{index}", f"{SUBJECT_ID}_{index}", f"_number_{index}"
        known, taken = keys.filter(keys.namespace == namespace), {subject: "subject"}
        if column in apart:
            known, taken[number] = numbered(known), "number"
            numbers.append(number)
        known = known.select(_value="value", **taken)
        # few distinct keys stand in many rows, and a key is normalised by a regular expression
        found = rows.select(**{written: rows[column].cast("string")}).distinct()
        found = found.inner_join(known, normalise(namespace, found[written]) == known["_value"]).drop("_value")
        joined = joined.left_join(found, joined[column].cast("string") == found[written])
        subjects.append(ibis._[subject])
    for index, (column, namespace) in enumerate(table.keys.items()):
        if held and table.time and namespace in held.namespaces:
            at = held.at(rows, column, table.time, normalise, namespace, f"_held_{index}")
            same = [
                joined[column].cast("string") == at[f"_held_{index}"],
                joined[table.time] == at[f"_at_held_{index}"],
            ]
            joined = joined.left_join(at, same)
            subjects.append(ibis._[f"{SUBJECT_ID}_held_{index}"])
            if column in apart:
                told = joined[f"_number_{index}"].fill_null(joined[f"_number_held_{index}"])
                joined = joined.mutate(**{f"_number_{index}": told})
    marks: dict[str, ir.Value] = {SUBJECT_ID: ibis.coalesce(*subjects)}
    if numbers:
        first, *others = (joined[number].fill_null(0) for number in numbers)
        marks[WHICH] = reduce(lambda told, other: told * _MOST_KEYS + other, others, first)
    return joined.mutate(**marks).select(*rows.columns, *marks)


@dataclass(frozen=True)
class Held:
    """Keys that were given to somebody else: whose they were is told by the time."""

    rows: ir.Table
    """(namespace, value, subject, number, since, until); `number` tells a subject's keys of a namespace apart."""
    namespaces: frozenset[str]

    def at(self, rows: ir.Table, column: str, time: str, normalise: Normalise, namespace: str, name: str) -> ir.Table:
        """Whose the keys in a column of `rows` were at their times: of several the one who had got it last.

        Returns:
            (<name>, _at<name>, _subject_id<name>, _number<name>): the text, the time, and whose it was then.
        """
        import ibis

        keys = self.rows.filter(self.rows.namespace == namespace)
        written = rows.select(_written=rows[column].cast("string")).distinct()
        lent = written.inner_join(
            keys.select("value", "subject", "number", "since", "until"),
            normalise(namespace, written["_written"]) == keys.value,
        )
        asked = rows.select(_text=rows[column].cast("string"), _at=rows[time]).distinct()
        moment = asked["_at"].cast("timestamp(6)")
        met = asked.inner_join(lent, [asked["_text"] == lent["_written"], moment >= lent.since, moment < lent.until])
        latest = met.since.max().over(group_by=[met["_text"], met["_at"]])
        newest = met.mutate(_latest=latest).filter(ibis._["_latest"] == ibis._.since)
        whose = newest.group_by(["_text", "_at"]).agg(
            owners=ibis._.subject.nunique(), subject=ibis._.subject.min(), number=ibis._.number.min()
        )
        names = {name: "_text", f"_at{name}": "_at", f"{SUBJECT_ID}{name}": "subject", f"_number{name}": "number"}
        return whose.filter(whose.owners == 1).select(**names)


def numbered(keys: ir.Table) -> ir.Table:
    """`keys` with their `number` among those that their subject has of their namespace, from 1."""
    import ibis

    number = ibis.row_number().over(group_by=[keys.namespace, keys.subject], order_by=[keys.value])
    return keys.mutate(number=number.cast("int64") + 1)


def _normalised(keys: Iterable[tuple[str, ir.StringValue]], normalise: Normalise) -> dict[str, ir.StringValue]:
    """Keys (namespace, column) as they are compared, as `_key_0` and so on."""
    return {f"_key_{index}": normalise(namespace, column) for index, (namespace, column) in enumerate(keys)}


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


@dataclass(frozen=True)
class _Layout:
    """How the columns of a table name people; tables of one layout are read as one."""

    namespaces: tuple[str, ...]
    """Of the keys, which are the first columns."""
    values: tuple[tuple[str, tuple[int, ...]], ...]
    """Kinds of identifiers, and the columns each is composed of, by number."""


def _layouts(table: Table) -> Iterator[tuple[_Layout, list[str]]]:
    """How a table names those it is about, and how it names others, each with its columns."""
    kinds = {name: kind_of(column.declared_category or "") for name, column in table.columns.items()}
    others = {name for name in kinds if table.columns[name].someone_else}
    # nobody's date of birth is a date
    kinds |= dict.fromkeys((name for name in others if kinds[name] == BIRTH), None)
    named = [*((kind, (name,)) for name, kind in kinds.items() if kind), *_composed(table)]
    yield from _laid(table.keys, [(kind, names) for kind, names in named if others.isdisjoint(names)])
    # what is nobody's needs no key, and without one few are left; a name of two people's parts is none
    yield from _laid({}, [(kind, names) for kind, names in named if others.issuperset(names)])


def _laid(
    keys: Mapping[str, str], values: Sequence[tuple[str, tuple[str, ...]]]
) -> Iterator[tuple[_Layout, list[str]]]:
    if values:
        columns = list(dict.fromkeys([*keys, *(name for _, names in values for name in names)]))
        placed = tuple((kind, tuple(map(columns.index, names))) for kind, names in values)
        yield _Layout(tuple(keys.values()), placed), columns


def _composed(table: Table) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Full names of first and last names, in both orders."""
    parts = {
        wanted: [name for name, column in table.columns.items() if column.declared_category == f"user.name.{wanted}"]
        for wanted in ("first", "last")
    }
    for first, last in product(parts["first"], parts["last"]):
        yield "full_name", (first, last)
        yield "full_name", (last, first)


def _texts(rows: ir.Table, columns: Sequence[str]) -> ir.Table:
    """Those `columns` of `rows` as texts, named by their number."""
    return rows.select(**{f"_{number}": rows[name].cast("string") for number, name in enumerate(columns)})


def _named_in(relations: Sequence[ir.Table], layout: _Layout, normalise: Normalise) -> ir.Table:
    """What each row (`_texts`) is known by (`_normalised`), and the array of identifiers `found` in it."""
    import ibis

    # few distinct people stand behind many rows, so the join comes after
    rows = union_all(relations).distinct()
    keys = [(namespace, rows[f"_{number}"]) for number, namespace in enumerate(layout.namespaces)]
    values = [
        ibis.struct({"kind": ibis.literal(kind), "value": _value([rows[f"_{number}"] for number in numbers], _APART)})
        for kind, numbers in layout.values
    ]
    return rows.select(**_normalised(keys, normalise), found=ibis.array(values))


def _value(parts: Sequence[ir.StringValue], between: str = " ") -> ir.StringValue:
    """An identifier composed of `parts`; null where it is empty, or one of them is null."""
    value, *more = (part.strip() for part in parts)
    for part in more:
        # where one is empty, the other is left
        value = value + ((value != "") & (part != "")).ifelse(between, "") + part
    return value.nullif("")


def _called(written: ir.StringValue) -> ir.ArrayValue:
    """A full name (its parts `_APART`), and those that others make of it: with one of several first or last names."""
    import ibis

    one, other = (written.re_extract(f"^([^{_APART}]*){_APART}([^{_APART}]*)$", part).nullif("") for part in (1, 2))
    first, last, ends = ([_word(part, end) for end in _ENDS] for part in (one, other, written))
    others = [(word, other) for word in first] + [(one, word) for word in last] + [(first[0], last[0])]
    whole, shortened = written.replace(_APART, " "), _value(ends)
    # a dozen expressions find nothing in most names
    return ibis.cases(
        (~written.re_search(_SEVERAL), ibis.array([whole])),
        (~written.contains(_APART), ibis.array([whole, shortened])),
        else_=ibis.array([whole, *map(_value, others), shortened]),
    )


def _word(text: ir.StringValue, end: str) -> ir.StringValue:
    """A word of several; null where it is a particle, or there is one word."""
    word = text.re_extract(end, 1)
    return word.lower().isin(["", *sorted(PARTICLES)]).ifelse(None, word)


def _identified(rows: ir.Table, namespaces: Sequence[str], keys: ir.Table) -> ir.Table:
    """(subject, kind, value) of what was `found` in rows with keys of `namespaces`."""
    import ibis

    known = _joined(rows, namespaces, keys)
    parts = known.select(subject=known[SUBJECT_ID], found=known.found.unnest())
    whole = parts.select("subject", kind=parts.found["kind"], value=parts.found["value"])
    values = (whole.kind == "full_name").ifelse(_called(whole.value), ibis.array([whole.value]))
    split = whole.select("subject", "kind", value=values.unnest())
    return split.filter(split.value.notnull())
