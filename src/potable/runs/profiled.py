"""A look at all that is landed of a table: what its columns hold, told without a value of a protected one.

Every record is read, through the engine: once as texts, which tells types and identifiers, once typed, which tells
ranges, sets, shapes and keys, and once by the declared contract, which tells what it gets wrong. What is suggested
from it belongs to `cli.suggesting`.

Entry: `profile`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa

from potable.contracts.results import Result, shapes
from potable.contracts.validate import Contract, Places, validate
from potable.engines.base import Engine, collect, scalars
from potable.errors import EnvironmentFailure
from potable.privacy import detect
from potable.privacy.called import snake
from potable.privacy.classify import Guess, guessed, is_code
from potable.project import Project
from potable.sources.base import Source
from potable.sources.blobs import Blob
from potable.sources.groups import parsed_rows
from potable.sources.ingest import current
from potable.sources.suggest import ENOUGH, FEW, SHARED, Suggestion, added, concluded, is_amount, numbers_records, tally
from potable.sources.typed import convert
from potable.tables import Column, Table

_TALLIES = pa.schema([("column", pa.string()), ("measure", pa.string()), ("value", pa.int64())])
_FORM = "form "
_ALONE = "alone "
"""How the names of counts begin that are of identifiers."""
_SHAPES = 12
"""Shapes of a column that are looked at."""
_LIKELY = 6
"""Columns of which pairs and triples are tried as a key."""


@dataclass(frozen=True)
class Profiled:
    """What all values of one column are."""

    hint: Suggestion
    """The type that all values fit, and whether they are all there."""
    nearly: Suggestion
    """The type that nearly all values fit; the same where there is none."""
    guess: Guess
    """Category and key."""
    forms: Mapping[str, int]
    """Values that hold an identifier, by kind."""
    filled: int
    distinct: int
    least: Any = field(default=None, repr=False)
    most: Any = field(default=None, repr=False)
    words: Mapping[str, int] = field(default_factory=dict, repr=False)
    """The values of a small set that many records share, with their counts."""
    shapes: Mapping[str, int] = field(default_factory=dict)
    """Records by shape, where there are few."""


@dataclass(frozen=True)
class Profile:
    """What is landed of one table."""

    rows: int
    columns: Mapping[str, Profiled]
    unique: tuple[str, ...]
    """The fewest columns, at most three, that tell all records apart."""
    objects: int = 0
    """Landed objects that were read."""
    broken: Sequence[Result] = ()
    """Checks of the declared contract that these records do not keep."""
    duplicates: int = 0
    """Records that the declared `unique` sends away."""


def profile(project: Project, name: str, *, engine: Engine, scratch: str, fresh: bool) -> Profile:
    """All that is landed of the table `name` (`source.table`).

    Args:
        scratch: absolute path of a new folder, to be removed by the caller.
        fresh: tell types from the values, also where the contract declares them.

    Raises:
        EnvironmentFailure: E008, nothing is landed of it.
        DataError: D007, a landed object cannot be read.
    """
    source_name, short = name.split(".", 1)
    source, table = project.sources[source_name], project.tables[name]
    blobs = _landed(project, source_name, short)
    if not blobs:
        again = f"potable run --only ingest --select {source_name}"
        raise EnvironmentFailure(f"no data of `{name}` is landed yet", "E008", next=again)
    found = looked(_parsed(source, short, blobs, engine), table, engine=engine, scratch=scratch, fresh=fresh)
    parsed = parsed_rows(engine, source, short, blobs)
    places = Places(f"{scratch}/rows", f"{scratch}/aside")
    made = validate(parsed, Contract(name, table, project.checks[name]), engine=engine, places=places)
    broken = [result for result in made.results if not result.success]
    return replace(found, objects=len(blobs), broken=broken, duplicates=made.reasons.get("duplicate", 0))


def looked(parsed: ir.Table, table: Table, *, engine: Engine, scratch: str, fresh: bool) -> Profile:
    """What the columns of a table hold, given as texts.

    Args:
        parsed: the columns of `as_texts(table)`, consumed once.
    """
    schema = as_texts(table).schema
    read = _written(parsed.select(schema.names), schema, f"{scratch}/texts", engine)
    tallies = _tallied(read, engine)
    types = {name: _type(name, tallies[name], column, fresh=fresh) for name, column in table.columns.items()}
    schema = pa.schema([(name, column.arrow) for name, column in types.items()])
    rows = _written(engine.map_batches(read, _Converted(types), schema), schema, f"{scratch}/typed", engine)
    columns = {name: _profiled(rows, name, table.columns[name], tallies[name], engine) for name in types}
    count = scalars(engine, rows.agg(n=rows.count()))["n"]
    unique = () if table.unique and not fresh else _key(rows, columns, count, engine)
    return Profile(count, columns, unique)


def _landed(project: Project, source: str, table: str) -> list[Blob]:
    lake = project.lake()
    landed = [item for item in current(lake.batches(source)).objects.values() if table in item.tables]
    return project.sources[source].blobs(landed, lake.restricted.locate(""))


def as_texts(table: Table) -> Table:
    """The table with its columns as the source writes them."""
    kept = ("path", "extract", "null_values", "decimal")
    columns = {
        name: Column.model_construct(**{key: getattr(column, key) for key in kept}).model_copy(
            update={"required": False}
        )
        for name, column in table.columns.items()
    }
    return table.model_copy(update={"columns": columns})


def _parsed(source: Source[Any], short: str, blobs: Sequence[Blob], engine: Engine) -> ir.Table:
    """The landed records as texts."""
    texts = as_texts(source.tables[short])
    changed = source.model_copy(update={"tables": {**source.tables, short: texts}})
    return parsed_rows(engine, changed, short, blobs)


def _written(rows: ir.Table, schema: pa.Schema, folder: str, engine: Engine) -> ir.Table:
    """Rows written down once, to be read often."""
    parts = engine.write(rows, folder)
    return engine.read([f"{folder}/{part.path}" for part in parts if part.rows], schema)


def _tallied(rows: ir.Table, engine: Engine) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {name: tally(pa.array([], pa.string())) for name in rows.columns}
    for batch in engine.stream(engine.map_batches(rows, _tallies, _TALLIES)):
        by_column: dict[str, dict[str, int]] = {}
        for column, measure, value in zip(*(part.to_pylist() for part in batch.columns), strict=True):
            # several batches of the function may come as one
            counts = by_column.setdefault(column, {})
            by_column[column] = added(counts, {measure: value})
        for column, counts in by_column.items():
            found[column] = added(found[column], counts)
    return found


def _tallies(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Counts of every column of a batch of texts: what types fit, and what identifiers there are."""
    rows = [
        (name, measure, value)
        for name, texts in zip(batch.schema.names, batch.columns, strict=True)
        for counts in (tally(texts), _forms(texts))
        for measure, value in counts.items()
    ]
    columns = zip(*rows, strict=True) if rows else ([], [], [])
    return pa.record_batch(
        [pa.array(list(part), item.type) for part, item in zip(columns, _TALLIES, strict=True)], schema=_TALLIES
    )


def _forms(texts: pa.StringArray) -> dict[str, int]:
    """How many of the texts hold an identifier, and how many are one, by kind."""
    held = detect.count(texts)
    alone = detect.count(texts, alone=True) if held else {}
    return {f"{mark}{kind}": n for mark, counts in ((_FORM, held), (_ALONE, alone)) for kind, n in counts.items()}


def _type(name: str, found: Mapping[str, int], declared: Column, *, fresh: bool) -> Column:
    """The column as it is declared; of the type that all its values fit, where no type is."""
    if "type" in declared.model_fields_set and not fresh:
        return declared
    hint = _hint(found, _guess(name, found), declared, distinct=0)
    return Column(type=hint.type, format=hint.format or [], decimal=hint.decimal)


def _guess(name: str, found: Mapping[str, int]) -> Guess:
    """What a column may hold, of any type."""
    return guessed(
        snake(name) or name,
        filled=found["filled"],
        forms=_marked(found, _ALONE),
        held=_marked(found, _FORM),
        characters=found["characters"],
    )


def _marked(found: Mapping[str, int], mark: str) -> dict[str, int]:
    return {measure.removeprefix(mark): n for measure, n in found.items() if measure.startswith(mark)}


def _hint(found: Mapping[str, int], guess: Guess, declared: Column, *, distinct: int) -> Suggestion:
    """The type that all values fit; a text where they are digits of a code."""
    hint = concluded(found, distinct=distinct, least=1.0)
    code = hint.type == "integer" and _is_code(declared, guess)
    return replace(hint, type="string", at_least_zero=False) if code else hint


def _is_code(declared: Column, guess: Guess) -> bool:
    return any(is_code(category) for category in (declared.category, guess.category) if category)


@dataclass(frozen=True)
class _Converted:
    """Columns of texts as their types; what does not fit is null."""

    columns: Mapping[str, Column]

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return pa.record_batch({name: convert(column, batch[name]) for name, column in self.columns.items()})


def _profiled(rows: ir.Table, name: str, declared: Column, found: Mapping[str, int], engine: Engine) -> Profiled:
    """What one column holds."""
    column = rows[name]
    distinct = scalars(engine, rows.agg(n=column.nunique()))["n"]
    guess = _guess(name, found)
    hint, nearly = _hint(found, guess, declared, distinct=distinct), concluded(found, distinct=distinct)
    nearly = hint if _is_code(declared, guess) and nearly.type == "integer" else nearly
    made = Profiled(hint, nearly, guess.of(hint.type), _marked(found, _FORM), found["filled"], distinct)
    if column.type().is_string():
        few = _counted(rows, name, FEW, engine) if distinct <= FEW else {}
        shared = bool(few) and min(few.values()) >= SHARED
        seen = _counted(rows.mutate(**{name: shapes(column)}), name, _SHAPES, engine)
        return replace(made, words=few if shared else {}, shapes=seen)
    if column.type().is_boolean() or not distinct:
        return made
    ends = scalars(engine, rows.agg(least=column.min(), most=column.max()))
    return replace(made, least=ends["least"], most=ends["most"])


def _counted(rows: ir.Table, name: str, most: int, engine: Engine) -> dict[str, int]:
    """Records by value, most frequent first; nothing where there are more than `most` values."""
    there = rows.filter(rows[name].notnull())
    counts = there.group_by(name).agg(n=there.count())
    found = collect(engine, counts.limit(most + 1)).to_pylist()
    if len(found) > most:
        return {}
    return {row[name]: row["n"] for row in sorted(found, key=lambda row: (-row["n"], row[name]))}


def _key(rows: ir.Table, columns: Mapping[str, Profiled], count: int, engine: Engine) -> tuple[str, ...]:
    """The fewest columns, at most three, that tell all records apart; none where there are too few records."""
    full = [
        name
        for name, column in columns.items()
        if column.hint.required and column.guess.may_be_key and not is_amount(column.hint.type)
    ]
    keyed = [name for name in full if columns[name].guess.key]
    dated = [name for name in full if columns[name].hint.type in ("date", "timestamp") and name not in keyed]
    others = [name for name in full if name not in {*keyed, *dated}]
    numbered = [name for name in others if columns[name].hint.type == "integer"]
    likely = [*keyed, *dated, *numbered][:_LIKELY]
    if count < ENOUGH:
        return ()
    # a moment tells records apart by chance
    ids = [name for name in others if numbers_records(snake(name))]
    for name in [*ids, *keyed, *others, *dated]:
        if columns[name].distinct == count:
            return (name,)
    for names in _together(likely):
        if scalars(engine, (chosen := rows.select(list(names)).distinct()).agg(n=chosen.count()))["n"] == count:
            return names
    return ()


def _together(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for size in (2, 3):
        yield from combinations(names, size)
