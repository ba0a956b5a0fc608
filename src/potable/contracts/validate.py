"""The verb `validate`: typed rows that keep their contract, and a quarantine for the others.

One scan types every cell and judges every row check at once, as bits of a mask; a second, over typed
columns, finds duplicates and splits. Rows in = rows out + rows quarantined, checked here every time.

A table may be judged layer by layer: only the rows of new objects, next to what stands already. Its totals
add up, and what stands keeps its place, so that the whole comes out as if all were judged at once, in the
order in which the objects landed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from potable.contracts.checks import TABLE_RULES, Check
from potable.engines.base import Engine, Part, scalars
from potable.errors import DataError
from potable.tables import BATCH, LANDED, MISTYPED, OBJECT, ORIGIN, ROW, UNPARSED, Table

REASONS = "_reasons"
"""Why a quarantined row is there: names of checks, separated by semicolons."""
_MASK = "_mask"
_KNOWN_KEY = "_known_key"
_PLACE = "_place"
_DUPLICATES = "duplicates"
"""Total of the rows that are there because of their key."""
_WORD = 60
"""Checks per mask column."""


@dataclass(frozen=True)
class Contract:
    """What one table promises."""

    name: str
    """`source.table`, for messages."""
    table: Table
    checks: Sequence[Check]


@dataclass(frozen=True)
class Rule:
    """One bit of the mask: a row rule, and whether a failure costs the row or only a cell."""

    reason: str
    check: Check | None
    cell: str | None
    """Column that is nulled instead of quarantining the row."""


@dataclass(frozen=True)
class Result:
    """Outcome of one check over a table, in Great Expectations' terms."""

    expectation: str
    columns: tuple[str, ...]
    success: bool
    element_count: int
    unexpected_count: int
    mostly: float | None
    action: str
    """`quarantine`, `null` (the cell only) or `stop`."""


@dataclass(frozen=True)
class Places:
    """Where `validate` writes: absolute, new folders of this attempt."""

    rows: str
    """Validated zone: `rows/`, and `staged/`, `repeated/` and `duplicates/`, which may go when it is done."""
    quarantine: str
    """Quarantine zone: `quarantine/` and `cells/`."""


@dataclass(frozen=True)
class Standing:
    """What stands of a table already, from objects that landed before."""

    files: Sequence[str] = ()
    """Absolute paths of its validated rows."""
    rows: int = 0
    quarantined: int = 0
    totals: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Validated:
    """What `validate` made of one table; parts are of the rows judged, numbers of the whole table."""

    rows: Sequence[Part]
    quarantine: Sequence[Part]
    cells: Sequence[Part]
    """Original rows of which single cells were set to null."""
    standing: Standing
    totals: Mapping[str, int]
    """Counts that add up from layer to layer; the numbers below are made of them."""
    reasons: Mapping[str, int]
    """Quarantined rows by reason; a row may have several."""
    results: Sequence[Result]
    nulls: Mapping[str, int]
    """Nulls per column among the rows in."""
    stopped: Sequence[str] = field(default=())
    """Checks that stop the run."""

    @property
    def rows_in(self) -> int:
        """Rows there are."""
        return self.totals["rows"]

    @property
    def rows_out(self) -> int:
        """Rows that keep the contract."""
        return self.standing.rows + sum(part.rows for part in self.rows)

    @property
    def rows_quarantined(self) -> int:
        """Rows split off."""
        return self.standing.quarantined + sum(part.rows for part in self.quarantine)


def validated_schema(table: Table) -> pa.Schema:
    """Schema of a validated table: its columns and the origin of each row."""
    return pa.schema([*table.schema, *ORIGIN])


def quarantine_schema(table: Table) -> pa.Schema:
    """Schema of a quarantine: as parsed, with the unreadable texts and the reasons."""
    return pa.schema([*table.schema, *ORIGIN, (UNPARSED, pa.string()), (REASONS, pa.string())])


def validate(
    parsed: ir.Table, contract: Contract, *, engine: Engine, places: Places, standing: Standing | None = None
) -> Validated:
    """Judge the `parsed` rows of a table (its columns and `tables.LANDED`, consumed once).

    Args:
        standing: what stands already, of batches before those of the parsed rows.

    Raises:
        DataError: D003 when rows are lost or doubled.
    """
    table, checks, standing = contract.table, contract.checks, standing or Standing()
    rules = _rules(table, checks)
    staged_parts = engine.write(_masked(parsed, rules), f"{places.rows}/staged")
    files = [f"{places.rows}/staged/{part.path}" for part in staged_parts]
    staged = engine.read(files, _staged_schema(table, rules))
    own = scalars(engine, staged.agg(**_totals(table, staged, rules)))
    duplicates = None
    if table.unique:
        good, stands = _keyed(table, staged, rules), _keys(table, standing, engine)
        if repeated := _kept(_repeated(good, stands), f"{places.rows}/repeated", engine):
            found = _duplicates(good, stands, repeated[0])
            duplicates, own[_DUPLICATES] = _kept(found, f"{places.rows}/duplicates", engine) or (None, 0)
    totals = Counter(standing.totals) + Counter(own)
    rows, quarantine, cells = _split(table, staged, rules, duplicates)
    result = Validated(
        rows=engine.write(rows, f"{places.rows}/rows"),
        quarantine=engine.write(quarantine, f"{places.quarantine}/quarantine"),
        cells=engine.write(cells, f"{places.quarantine}/cells"),
        standing=standing,
        totals=totals,
        reasons=_reasons(rules, totals),
        results=_results(rules, checks, totals),
        nulls={column: totals[f"nulls_{index}"] for index, column in enumerate(table.columns)},
        stopped=_stops(rules, checks, totals),
    )
    if result.rows_in != result.rows_out + result.rows_quarantined:
        raise DataError(
            f"`{contract.name}`: {result.rows_in} rows in, {result.rows_out} out "
            f"and {result.rows_quarantined} quarantined",
            "D003",
        )
    return result


def _rules(table: Table, checks: Sequence[Check]) -> list[Rule]:
    rules = [Rule("mistyped", None, None)]
    rules += [Rule(f"missing:{name}", None, None) for name, column in table.columns.items() if column.required]
    for check in checks:
        if check.is_row_check:
            columns = check.columns
            soft = len(columns) == 1 and table.columns[columns[0]].on_error == "null"
            rules.append(Rule(check.reason, check, columns[0] if soft else None))
    return rules


def _masked(parsed: ir.Table, rules: Sequence[Rule]) -> ir.Table:
    """The parsed rows with a bit set for every rule they break."""
    words: dict[str, ir.Value] = {}
    for index, rule in enumerate(rules):
        word, bit = f"{_MASK}{index // _WORD}", ibis.literal(1 << (index % _WORD), "int64")
        words[word] = words.get(word, ibis.literal(0, "int64")) + ibis.ifelse(_breaks(parsed, rule), bit, 0)
    return parsed.mutate(**words)


def _breaks(parsed: ir.Table, rule: Rule) -> ir.BooleanValue:
    if rule.check is not None:
        return ~(rule.check.passes(parsed).fill_null(True))
    if rule.reason == "mistyped":
        return parsed[MISTYPED].notnull()
    column = rule.reason.removeprefix("missing:")
    # a required cell that could not be read is mistyped, not missing; so are all of a record that could not
    mistyped = "," + parsed[MISTYPED].fill_null("") + ","
    listed = mistyped.contains(f",{column},") | mistyped.contains(",@record,")
    return parsed[column].isnull() & ~listed


def _broken(staged: ir.Table, index: int) -> ir.BooleanValue:
    word = staged[f"{_MASK}{index // _WORD}"]
    return (word & ibis.literal(1 << (index % _WORD), "int64")) != 0


def _any(staged: ir.Table, rules: Sequence[Rule], *, cells: bool) -> ir.BooleanValue:
    out: ir.BooleanValue = ibis.literal(False)
    for word in range((len(rules) - 1) // _WORD + 1):
        chosen = rules[word * _WORD : (word + 1) * _WORD]
        bits = sum(1 << place for place, rule in enumerate(chosen) if (rule.cell is not None) == cells)
        if bits:
            out = out | ((staged[f"{_MASK}{word}"] & ibis.literal(bits, "int64")) != 0)
    return out


def _staged_schema(table: Table, rules: Sequence[Rule]) -> pa.Schema:
    words = [(f"{_MASK}{word}", pa.int64()) for word in range((len(rules) - 1) // _WORD + 1)]
    return pa.schema([*table.schema, *LANDED, *words])


def _totals(table: Table, staged: ir.Table, rules: Sequence[Rule]) -> dict[str, ir.Scalar]:
    counts = {f"rule_{index}": _broken(staged, index).cast("int64").sum() for index in range(len(rules))}
    nulls = {f"nulls_{index}": staged[name].isnull().cast("int64").sum() for index, name in enumerate(table.columns)}
    totals = {"rows": staged.count(), **counts, **nulls}
    return {name: value.cast("int64").fill_null(0) for name, value in totals.items()}


def _place(rows: ir.Table) -> ir.StringValue:
    """Text that sorts as the records landed: by batch, object and row."""
    return rows[BATCH].cast("string").lpad(12, "0") + "#" + rows[OBJECT] + "#" + rows[ROW].cast("string").lpad(12, "0")


def _keyed(table: Table, staged: ir.Table, rules: Sequence[Rule]) -> ir.Table:
    """Keys, origin and place of the good rows."""
    good = staged.filter(~_any(staged, rules, cells=False))
    good = good.mutate(**_nulled(good, rules), **{_PLACE: _place(good)})
    return _with_known_key(table, good).select(*table.unique, _KNOWN_KEY, OBJECT, ROW, _PLACE)


def _keys(table: Table, standing: Standing, engine: Engine) -> ir.Table | None:
    """Keys of the rows that stand, read column by column; None when there are no such rows."""
    if not standing.files:
        return None
    names = [name for name in table.columns if name in (*table.unique, table.known_column)]
    rows = engine.read(standing.files, pa.schema([table.schema.field(name) for name in names]))
    return _with_known_key(table, rows).select(*table.unique, _KNOWN_KEY)


def _with_known_key(table: Table, rows: ir.Table) -> ir.Table:
    # a null in the key says nothing, but two records without a known time are known at the same time
    known = rows[table.known_column].cast("string").fill_null("") if table.known_column else ibis.literal("")
    return rows.mutate(**{_KNOWN_KEY: known})


def _kept(relation: ir.Table, folder: str, engine: Engine) -> tuple[ir.Table, int] | None:
    """A relation written down, and its rows; None when it has none."""
    parts = engine.write(relation, folder)
    count = sum(part.rows for part in parts)
    files = [f"{folder}/{part.path}" for part in parts]
    return (engine.read(files, relation.schema().to_pyarrow()), count) if count else None


def _repeated(good: ir.Table, stands: ir.Table | None) -> ir.Table:
    """Keys that several of the good rows have, or one of them and a row that stands."""
    keys = _key_names(good)
    candidates = good.select(keys)
    if stands is not None:
        # the few new keys are looked up among the many that stand, not the other way round
        candidates = candidates.union(stands.semi_join(good, keys).select(keys))
    # keys alone: the smallest place of each would have to be held for all of them
    counted = candidates.group_by(keys).agg(n=candidates.count())
    return counted.filter(counted.n > 1).drop("n")


def _duplicates(good: ir.Table, stands: ir.Table | None, repeated: ir.Table) -> ir.Table:
    """Origins of the good rows whose key is `repeated`, but for the first that has it."""
    keys = _key_names(good)
    rows = good.semi_join(repeated, keys)
    first = rows.group_by(keys).agg(kept=rows[_PLACE].min())
    if stands is not None:
        first = first.anti_join(stands, keys).union(
            repeated.semi_join(stands, keys).select(*keys, kept=ibis.literal(""))
        )
    both = rows.inner_join(first, keys)
    return both.filter(both[_PLACE] != both.kept).select(OBJECT, ROW)


def _key_names(good: ir.Table) -> list[str]:
    return [name for name in good.columns if name not in (OBJECT, ROW, _PLACE)]


def _split(
    table: Table, staged: ir.Table, rules: Sequence[Rule], duplicates: ir.Table | None
) -> tuple[ir.Table, ir.Table, ir.Table]:
    """Rows that keep the contract, rows that do not, and originals of rows with nulled cells."""
    doubled: ir.BooleanValue = ibis.literal(False)
    if duplicates is not None:
        marked = duplicates.mutate(_double=ibis.literal(True))
        joined = staged.left_join(marked, [OBJECT, ROW])
        staged = joined.select(*staged.columns, _double=joined["_double"].fill_null(False))
        doubled = staged["_double"]
    failed = _any(staged, rules, cells=False) | doubled
    originals = staged.mutate(**{REASONS: _reason_text(staged, rules, doubled)})
    kept = [*table.schema.names, *ORIGIN.names, UNPARSED, REASONS]
    touched = _any(staged, rules, cells=True) | staged[UNPARSED].notnull()
    return (
        staged.filter(~failed).mutate(**_nulled(staged, rules)).select(validated_schema(table).names),
        originals.filter(failed).select(kept),
        originals.filter(~failed & touched).select(kept),
    )


def _nulled(staged: ir.Table, rules: Sequence[Rule]) -> dict[str, ir.Value]:
    """Columns of which single cells are nulled, as they are then."""
    broken: dict[str, ir.BooleanValue] = {}
    for index, rule in enumerate(rules):
        if rule.cell is not None:
            broken[rule.cell] = broken.get(rule.cell, ibis.literal(False)) | _broken(staged, index)
    return {name: ibis.ifelse(bad, ibis.null(staged[name].type()), staged[name]) for name, bad in broken.items()}


def _reason_text(staged: ir.Table, rules: Sequence[Rule], doubled: ir.BooleanValue) -> ir.StringValue:
    text: ir.StringValue = ibis.ifelse(doubled, "duplicate;", "")
    for index, rule in enumerate(rules):
        name: Any = rule.reason
        if rule.reason == "mistyped":
            name = ibis.literal("mistyped:") + staged[MISTYPED].fill_null("")
        text = text + ibis.ifelse(_broken(staged, index), name + ibis.literal(";"), "")
    return text


def _reasons(rules: Sequence[Rule], totals: Mapping[str, int]) -> dict[str, int]:
    counts = {rule.reason: totals[f"rule_{index}"] for index, rule in enumerate(rules) if rule.cell is None}
    counts["duplicate"] = totals.get(_DUPLICATES, 0)
    return {reason: count for reason, count in counts.items() if count}


def _results(rules: Sequence[Rule], checks: Sequence[Check], totals: Mapping[str, int]) -> list[Result]:
    rows = totals["rows"]
    results = []
    for index, rule in enumerate(rules):
        check, failed = rule.check, totals[f"rule_{index}"]
        expectation = check.expectation if check else rule.reason.split(":")[0]
        columns = check.columns if check else tuple(rule.reason.split(":")[1:])
        mostly = check.mostly if check else None
        stop = mostly is not None and rows > 0 and (rows - failed) / rows < mostly
        action = "stop" if stop else ("null" if rule.cell else "quarantine")
        results.append(Result(expectation, columns, failed == 0, rows, failed, mostly, action))
    for check in checks:
        if not check.is_row_check:
            success = TABLE_RULES[check.expectation][0](rows, check.arguments)
            results.append(Result(check.expectation, (), success, rows, int(not success), None, "stop"))
    return results


def _stops(rules: Sequence[Rule], checks: Sequence[Check], totals: Mapping[str, int]) -> list[str]:
    return [
        f"{result.expectation}({', '.join(result.columns)})"
        for result in _results(rules, checks, totals)
        if result.action == "stop" and not result.success
    ]
