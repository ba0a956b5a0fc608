"""`potable contract suggest`: what a contract could promise more, from all that is landed.

Only what is not declared yet is suggested, as YAML to take over, with the evidence beside each line. What the
records say against the contract stands below it. Values of a protected column are never shown, only shapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from potable.cli.drafting import oldest, quotable, quoted
from potable.cli.keyed import writable
from potable.cli.testing import selected
from potable.columns import BORN
from potable.contracts.checks import Check
from potable.contracts.ranges import bounds, pattern
from potable.contracts.results import Result
from potable.privacy.called import snake
from potable.privacy.detect import PROVABLE
from potable.project import Project
from potable.report.numbers import plural
from potable.runs.profiled import Profile, Profiled, profile
from potable.runs.quarantined import reading
from potable.sources.suggest import ENOUGH, Suggestion, is_amount, numbers_records
from potable.tables import Column, Table

if TYPE_CHECKING:
    from potable.cli.answers.sources import Suggested

_BETWEEN = "expect_column_values_to_be_between"
_IN_SET = "expect_column_values_to_be_in_set"
_REGEX = "expect_column_values_to_match_regex"
_PATTERNS = (_IN_SET, _REGEX, "expect_column_values_to_match_regex_list", "expect_column_distinct_values_to_be_in_set")
"""Checks beside which a pattern says nothing more."""
_CODE = 24
"""Characters of a code; longer texts have no pattern worth a promise."""


@dataclass(frozen=True)
class Asked:
    """What to suggest."""

    words: bool = False
    """Quote the words of small sets also where the column is not declared harmless."""
    fresh: bool = False
    """Suggest all, also what is declared already."""


@dataclass(frozen=True)
class _Line:
    """One suggestion: what to declare, and why."""

    text: str
    evidence: str


@dataclass(frozen=True)
class Suggestions:
    """All suggestions for one table."""

    columns: Sequence[_Line]
    unique: _Line | None
    checks: Sequence[_Line]
    against: Sequence[str]
    """What the records say against the contract."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to take over."""
        return not (self.columns or self.unique or self.checks)


def suggested(project: Project, select: str, asked: Asked) -> tuple[dict[str, Suggested], str]:
    """Facts, and YAML to take over, about a table or all tables of a source.

    Raises:
        ProjectError: P031, there is no such source or table.
        EnvironmentFailure: E008, nothing is landed of a table.
        DataError: D007, a landed object cannot be read.
    """
    names = selected(project, select)
    found: dict[str, tuple[Profile, Suggestions]] = {}
    for name in names:
        # each table with an engine of its own, which gives back its scratch
        with (
            reading(project) as engine,
            TemporaryDirectory(dir=project.root / project.platform.scratch, prefix="suggest-") as scratch,
        ):
            seen = profile(project, name, engine=engine, scratch=scratch, fresh=asked.fresh)
        found[name] = seen, suggestions(project.tables[name], project.checks[name], seen, asked)
    return {name: _facts(*both) for name, both in found.items()}, _text(found)


def suggestions(table: Table, checks: Sequence[Check], seen: Profile, asked: Asked) -> Suggestions:
    """What a table could promise more, and what its records say against what it promises."""
    known = () if asked.fresh else checks
    columns: list[_Line] = []
    promises: list[_Line] = []
    for name, column in table.columns.items():
        if line := _column(name, column, seen.columns[name], asked):
            columns.append(line)
        promises += _checks(name, table, seen.columns[name], known, asked)
    told = f"unique in all {seen.rows:,} records"
    unique = _Line(f"[{', '.join(map(quoted, seen.unique))}]", told) if seen.unique else None
    return Suggestions(columns, unique, promises, [*_against(table, seen), *_against_checks(seen)])


def _column(name: str, column: Column, seen: Profiled, asked: Asked) -> _Line | None:
    """What a column could say more of itself."""
    said = set() if asked.fresh else column.model_fields_set
    parts: dict[str, str] = {}
    if asked.fresh:
        kept = column.model_dump(include={"path", "extract", "null_values"}, exclude_defaults=True)
        parts |= {key: _listed(value) for key, value in kept.items()}
    why = [seen.hint.evidence]
    if "type" not in said:
        parts |= _type(seen.hint)
        category = seen.guess.category if asked.fresh else column.category or seen.guess.category
        if category == BORN and "%y" in seen.hint.format:
            parts["years_from"] = str(oldest())
        if seen.nearly.type != seen.hint.type:
            why.append(f"nearly {seen.nearly.type}: {seen.nearly.evidence.rpartition(', ')[2]}")
    # where a cell that cannot be read becomes none, records without one are meant to stay
    spared = column.on_error == "null" and not asked.fresh
    if seen.hint.required and not spared and (asked.fresh or not column.required):
        parts["required"] = "true"
    if asked.fresh or column.declared_category is None:
        parts |= {key: value for key, value in (("key", seen.guess.key), ("category", seen.guess.category)) if value}
        told = seen.guess.category or seen.guess.key
        why.append(f"{told} by {seen.guess.why}" if told else "category: decide")
    return _Line(f"{quoted(name)}: {{{_mapping(parts)}}}", "; ".join(why)) if parts or asked.fresh else None


def _type(hint: Suggestion) -> dict[str, str]:
    if hint.type == "string":
        return {}
    form = {"format": quoted(hint.format)} if hint.format else {}
    return {"type": quoted(hint.type), **form, **({"decimal": '","'} if hint.decimal == "," else {})}


def _checks(name: str, table: Table, seen: Profiled, known: Sequence[Check], asked: Asked) -> Iterator[_Line]:
    """Checks of a column that there are none of yet."""
    column = table.columns[name]
    has = {check.expectation for check in known if check.columns == (name,)}
    # numbers of people in a column that is declared harmless are told as ones that contradict it
    shown = column.declared_category == "none" and not _identifying(seen)
    if seen.least is not None and seen.filled >= ENOUGH and _BETWEEN not in has:
        found = bounds(seen.least, seen.most, shown=shown)
        if isinstance(seen.least, int) and (seen.distinct == seen.filled or _counts(name, table)):
            found.pop("max_value", None)
        ends = f"{seen.least} to {seen.most}" if shown else "the next power of ten with headroom"
        if found:
            yield _check(_BETWEEN, name, found, f"{ends}, {seen.hint.evidence}")
    if has & {*_PATTERNS} or (column.levels and not asked.fresh):
        return
    if seen.words and (shown or (asked.words and quotable(seen.guess))) and writable(seen.words):
        counts = ", ".join(f"{count:,}" for count in seen.words.values())
        yield _check(
            _IN_SET, name, {"value_set": list(seen.words)}, f"{plural(len(seen.words), 'word')}, of {counts} records"
        )
    elif form := _form(seen):
        some = ", ".join(f"{shape} ({count:,})" for shape, count in [*seen.shapes.items()][:3])
        yield _check(_REGEX, name, {"regex": form}, f"shapes {some}")


def _counts(name: str, table: Table) -> bool:
    """Whether a column counts records or their places, of which tomorrow there are more than today."""
    places = {"@offset", "@partition", "#"}.intersection(table.columns[name].paths(name))
    return bool(places) or name in table.unique or numbers_records(snake(name))


def _form(seen: Profiled) -> str:
    """A pattern for the values, where they are codes: short, and with digits in them."""
    codes = all("9" in shape and len(shape) <= _CODE for shape in seen.shapes)
    return pattern([*seen.shapes]) if codes and sum(seen.shapes.values()) >= ENOUGH else ""


def _check(expectation: str, name: str, arguments: dict[str, Any], evidence: str) -> _Line:
    given = {key: _listed(value) for key, value in {"column": name, **arguments}.items()}
    return _Line(f"{expectation}: {{{_mapping(given)}}}", evidence)


def _against(table: Table, seen: Profile) -> Iterator[str]:
    """What identifiers stand in columns that are declared harmless."""
    for name, column in table.columns.items():
        found = _identifying(seen.columns[name])
        if column.category == "none" and found:
            told = ", ".join(f"{count:,} have the format of {kind}" for kind, count in found.items())
            yield f"`{name}` is declared `category: none`, but {told}"


def _identifying(seen: Profiled) -> dict[str, int]:
    """How many values have the form of an identifier that can be proved, by kind."""
    # digits of a fraction are anybody's
    kinds = () if is_amount(seen.hint.type) else {pattern.kind for pattern in PROVABLE}
    return {kind: count for kind, count in seen.forms.items() if kind in kinds}


def _against_checks(seen: Profile) -> Iterator[str]:
    """Which promises the records do not keep."""
    if seen.duplicates:
        yield f"`unique`: {seen.duplicates:,} of {seen.rows:,} records repeat a key"
    yield from (_broken(result) for result in seen.broken)


def _broken(result: Result) -> str:
    if result.expectation == "mistyped":
        some = f"{result.unexpected_count:,} of {result.element_count:,} records"
        return f"types: {some} have a cell that does not fit its declared type"
    if result.expectation == "missing":
        empty = f"{result.unexpected_count:,} of {result.element_count:,} records have no value"
        return f"`{result.columns[0]}` is declared `required`, but {empty}"
    return f"{result.name}: {result.told}"


def _mapping(parts: Mapping[str, str]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in parts.items())


def _listed(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_listed, value))}]"
    return quoted(value) if isinstance(value, str) else str(value)


def _text(found: dict[str, tuple[Profile, Suggestions]]) -> str:
    text = []
    for name, (seen, _) in found.items():
        text.append(
            f"# {name}: {plural(seen.rows, 'record')} of {plural(seen.objects, 'landed object')}, all of them read"
        )
    text.append("tables:" if any(not made.empty for _, made in found.values()) else "tables: {}  # nothing to add")
    for name, (_, made) in found.items():
        if not made.empty:
            text += [f"  {quoted(name.split('.', 1)[1])}:", *(f"    {line}" for line in lines(made))]
    for name, (_, made) in found.items():
        text += [f"# {name}, contradicts the contract: {told}" for told in made.against]
    return "\n".join(text)


def lines(made: Suggestions) -> Iterator[str]:
    """The suggestions for a table as lines of YAML, below its name."""
    if made.columns:
        yield "columns:"
        yield from (f"  {line.text}  # {line.evidence}" for line in made.columns)
    if made.unique:
        yield f"unique: {made.unique.text}  # {made.unique.evidence}"
    if made.checks:
        yield "checks:"
        yield from (f"  - {line.text}  # {line.evidence}" for line in made.checks)


def _facts(seen: Profile, made: Suggestions) -> Suggested:
    return {
        "rows": seen.rows,
        "objects": seen.objects,
        "columns": [line.text for line in made.columns],
        "unique": list(seen.unique),
        "checks": [line.text for line in made.checks],
        "evidence": {line.text: line.evidence for line in (*made.columns, *made.checks)},
        "against": list(made.against),
    }
