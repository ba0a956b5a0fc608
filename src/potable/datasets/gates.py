"""The leak scan: the finished features searched for every identifier that is known of anybody.

Every distinct text is cut into runs of words, and the runs are joined with the roster by their digests
(`sought`). A long number is compared with everybody's, a short one with those of its own person. What is also
an ordinary word (the rating "Low", the surname Low) or a short number only counts where it mostly stands in
rows of its own person, a number in several of them. Findings never hold values.

Entry: `leak_scan`, then `require_clean`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from potable.datasets.sought import LONG_NUMBER, UNBROKEN, WORD, amid, digested, digests, folded, tail
from potable.engines.base import Engine, by_column, collect, kept, scalars
from potable.errors import PrivacyRefusal

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

Patterns = Callable[["pa.Array"], Mapping[str, int]]
"""Texts to how many of them hold an identifier of some form, by kind."""

_RUN = re.compile(rf"[{UNBROKEN}]+|[^\W\d_{UNBROKEN}]+|\d+")
_LONGEST = 12
"""Words and numbers of the longest identifier searched for."""
_SEVERAL = 3
"""Cells below which a short number of one's own is chance: in any company some day count equals an employee number."""


@dataclass(frozen=True)
class Finding:
    """Identifiers in one column."""

    column: str
    kind: str
    count: int
    """Cells."""


@dataclass(frozen=True)
class Known:
    """What is known of people, to search the dataset for."""

    identifiers: ir.Table
    """(subject, kind, value); of what no record has any more the kind says `former`."""
    pseudonyms: ir.Table
    """(subject, pseudonym, bucket)."""
    patterns: Patterns | None = None
    """Finds identifiers by their form."""
    digests: ir.Table | None = None
    """What `sought.digests` made of all identifiers before; by default they are made here."""


@dataclass(frozen=True)
class LeakScan:
    """What was searched and what was found."""

    scanned_cells: int
    identifiers: int
    findings: tuple[Finding, ...]


def leak_scan(features: ir.Table, known: Known, *, id_column: str, engine: Engine, scratch: str) -> LeakScan:
    """Search every text and number of `features` for every identifier.

    Args:
        features: the finished rows.
        known: everybody's identifiers.
        id_column: the column of `features` that holds the pseudonym.
        engine: runs it.
        scratch: new folder for what is found on the way: numbers that stand in rows, and the digests of all
            identifiers, where they are not known.
    """
    schema = features.schema()
    texts = [name for name, kind in schema.items() if kind.is_string()]
    numbers = [name for name, kind in schema.items() if kind.is_numeric()]
    counts = scalars(engine, features.agg(n=features.count()))
    made = known.digests
    if made is None:
        # kept on disk: they grow with the number of people
        made = kept(engine, digests(known.identifiers, engine), f"{scratch}/digests")
    names = known.pseudonyms.select("subject", _pseudonym="pseudonym")
    people = features.left_join(names, features[id_column] == names["_pseudonym"])
    findings = [
        *_in_texts(features, people, texts, made, id_column, engine),
        *_in_numbers(features, people, numbers, made, engine, f"{scratch}/numbers"),
        *_by_form(features, [name for name in texts if name != id_column], known.patterns, engine),
    ]
    total = int(scalars(engine, known.identifiers.agg(n=known.identifiers.count()))["n"])
    ordered = sorted(findings, key=lambda found: (schema.names.index(found.column), found.kind))
    return LeakScan(int(counts["n"]) * (len(texts) + len(numbers)), total, tuple(ordered))


def require_clean(scan: LeakScan, origins: Mapping[str, Sequence[str]] = MappingProxyType({})) -> None:
    """Refuse a dataset in which the scan found something.

    Args:
        origins: by column, the source columns that it reads.

    Raises:
        PrivacyRefusal: G001, naming columns, kinds and counts.
    """
    if scan.findings:
        shown = "; ".join(f"{found.column}: {found.count:,} {found.kind}" for found in scan.findings)
        made = {
            found.column: ", ".join(f"`{name}`" for name in origins.get(found.column, ())) for found in scan.findings
        }
        told = "; ".join(f"`{column}` reads {names}" for column, names in made.items() if names)
        raise PrivacyRefusal(
            "the finished dataset contains known identifiers",
            "G001",
            given=shown,
            hint=f"{told or '`potable plan` shows from which source columns these are made'}: give those that hold "
            "identifiers the category they need, so that they are dropped or redacted; a former identifier that was a "
            "mistake is taken back by `null_values` (docs/changes.md)",
            state="nothing was published; the last version stays current",
            next="potable plan",
        )


def _in_texts(
    features: ir.Table, people: ir.Table, texts: Sequence[str], known: ir.Table, id_column: str, engine: Engine
) -> Iterator[Finding]:
    import pyarrow as pa

    if not texts:
        return
    values = _cells(features, texts)
    counted = values.group_by(["column", "value"]).agg(cells=values.count())
    runs = engine.map_batches(counted, _Runs(id_column), _runs_schema())
    roster = known.select("digest", "kind", "telling").distinct()
    met = runs.inner_join(roster, "digest").select("column", "value", "cells", "digest", "kind", "telling").distinct()
    hits = pa.Table.from_batches(engine.stream(met), schema=met.schema().to_pyarrow())
    telling = hits.filter(hits["telling"]).group_by(["column", "kind", "value", "cells"]).aggregate([])
    for row in telling.group_by(["column", "kind"]).aggregate([("cells", "sum")]).to_pylist():
        yield Finding(row["column"], row["kind"], row["cells_sum"])
    yield from _ambiguous(people, hits, known, engine)


def _ambiguous(people: ir.Table, hits: pa.Table, known: ir.Table, engine: Engine) -> Iterator[Finding]:
    """Words anybody may use, where they stand mostly in the rows of those they name."""
    import pyarrow.compute as pc

    weak = hits.filter(pc.invert(hits["telling"])).select(["column", "value", "digest"])
    if not weak.num_rows:
        return
    columns = sorted(set(weak["column"].to_pylist()))
    names = weak.group_by(["column", "value", "digest"]).aggregate([])
    found = _cells(people, columns, "subject").inner_join(_lifted(engine, names), ["column", "value"])
    own = known.filter(~known.telling).group_by(_owner=known.subject, _digest=known.digest).agg(kind=known.kind.min())
    met = found.left_join(own, [found.subject == own["_owner"], found.digest == own["_digest"]])
    counts = met.group_by(["column", "digest"]).agg(cells=met.count(), own=met["_owner"].count(), kind=met.kind.min())
    found_by: dict[tuple[str, str], int] = {}
    for batch in engine.stream(counts.filter(counts.own * 2 > counts.cells)):
        for row in batch.to_pylist():
            place = row["column"], row["kind"]
            found_by[place] = found_by.get(place, 0) + row["own"]
    yield from (Finding(column, kind, count) for (column, kind), count in found_by.items())


def _in_numbers(
    features: ir.Table, people: ir.Table, numbers: Sequence[str], known: ir.Table, engine: Engine, scratch: str
) -> Iterator[Finding]:
    """Columns that hold long numbers of anybody, or short ones that are those of their own person beyond chance."""
    if not numbers:
        return
    floats = [rows.mutate(**{name: rows[name].cast("float64") for name in numbers}) for rows in (features, people)]
    values, cells = _cells(floats[0], numbers).select("value"), _cells(floats[1], numbers, "subject")
    everybodys = known.filter(known.number.notnull()).select("subject", value=known.number.cast("float64"))
    # few of all numbers stand anywhere: these are found first, and then whose they are, so that no query holds all of
    # them, or the cells, which an engine does that takes a small relation for the larger one
    standing = values.semi_join(everybodys.select("value"), "value").distinct()
    standing = kept(engine, standing, f"{scratch}/values")
    numeric = kept(engine, everybodys.semi_join(standing, "value").distinct(), f"{scratch}/owners")
    met = cells.inner_join(standing, "value")
    own = numeric.select(_owner="subject", _value="value")
    met = met.left_join(own, [met.subject == own["_owner"], met.value == own["_value"]])
    long = met.value >= 10 ** (LONG_NUMBER - 1)
    found = met.group_by("column").agg(
        hits=met.count(where=~long), own=met["_owner"].count(where=~long), long=met.count(where=long)
    )
    filled = scalars(engine, features.agg(**{name: features[name].count() for name in numbers}))
    for row in collect(engine, found).to_pylist():
        mostly_own = row["own"] * 2 > row["hits"]
        by_chance = row["own"] < _SEVERAL and row["own"] * 2 <= filled[row["column"]]
        if count := row["long"] + (row["own"] if mostly_own and not by_chance else 0):
            yield Finding(row["column"], "number", count)


def _by_form(features: ir.Table, texts: Sequence[str], patterns: Patterns | None, engine: Engine) -> Iterator[Finding]:
    if not patterns or not texts:
        return
    found: Counter[tuple[str, str]] = Counter()
    for name, part in by_column(engine, _cells(features, texts).distinct()):
        found.update({(name, kind): count for kind, count in patterns(part).items()})
    yield from (Finding(name, f"{kind} by its format", count) for (name, kind), count in found.items())


def _cells(rows: ir.Table, names: Sequence[str], *beside: str) -> ir.Table:
    """(column, value) of every filled cell of the columns `names`, of one type, with what stands `beside` it.

    In one pass: a union of one query per column would do again for each whatever `rows` are made by.
    """
    import ibis

    cells = [ibis.struct({"column": ibis.literal(name), "value": rows[name]}) for name in names]
    laid = rows.select(*beside, cell=ibis.array(cells).unnest())
    split = laid.select(*beside, column=laid.cell["column"], value=laid.cell["value"])
    return split.filter(split.value.notnull())


def _runs_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([("column", pa.string()), ("value", pa.string()), ("cells", pa.int64()), ("digest", pa.int64())])


@dataclass(frozen=True)
class _Runs:
    """Texts as the digests of all runs of their words and numbers."""

    whole: str
    """The column whose words are not cut into letters and digits: pseudonyms hold any of them by chance."""

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        rows = [
            (column, value, cells, run)
            for column, value, cells in zip(*(values.to_pylist() for values in batch.columns), strict=True)
            for run in _runs(value, WORD if column == self.whole else _RUN)
        ]
        *columns, runs = zip(*rows, strict=True) if rows else [[]] * 4
        return pa.record_batch(
            [
                pa.array(values, field.type)
                for values, field in zip([*columns, digested(runs)], _runs_schema(), strict=True)
            ],
            schema=_runs_schema(),
        )


def _runs(text: str, cut: re.Pattern[str]) -> set[str]:
    """What identifiers may stand in a text, folded, by its words."""
    parts = cut.findall(folded(text))
    runs = {
        "".join(parts[start:end])
        for start in range(len(parts))
        for end in range(start + 1, min(start + _LONGEST, len(parts)) + 1)
    }
    tails = {tail(run.lstrip("0")) for run in runs if run.isdigit() and LONG_NUMBER <= len(run) <= 15}
    unbroken = set[str]() if text.isascii() else amid("".join(parts))
    return runs | tails | unbroken


def _lifted(engine: Engine, table: pa.Table) -> ir.Table:
    """A table in memory as a relation that can be consumed once."""
    return engine.map_items([table], _batches, table.schema)


def _batches(table: pa.Table) -> list[pa.RecordBatch]:
    return list(table.to_batches())
