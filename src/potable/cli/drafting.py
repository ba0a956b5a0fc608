"""The lines of a first contract for one table: a type, a category and promises for each column, with the evidence.

Types and promises come from `sources.suggest`, categories from `privacy.classify`; nothing is declared
harmless. What is read for it, and the file around it, is the business of `discovering`.

Entry: `drafted`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import combinations
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from potable.cli.keyed import keyed, nameable, writable
from potable.columns import BORN
from potable.privacy.categories import FREE_TEXT, is_direct
from potable.privacy.classify import Guess, classified, is_code, of_people
from potable.report.numbers import plural
from potable.sources.databases.base import KEY
from potable.sources.placeholders import placeholders, without
from potable.sources.suggest import ENOUGH, Suggestion, is_amount, keys, numbers_records, suggested

_SAMPLE = 500
"""Values a category is told from."""
_NEARLY = 0.9
"""Share of the records of which a column must have a value of its own to be asked about as their key."""


def drafted(
    columns: Mapping[str, str],
    rows: pa.Table,
    promised: Mapping[str, Sequence[str]],
    *,
    words: bool,
    own: tuple[Sequence[str], str] = ((), ""),
    clocks: str | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """Facts about a table, and the lines of its contract.

    Args:
        columns: paths by column.
        rows: the records, as texts.
        promised: what its system says of its columns, by path.
        words: whether the words of small sets are quoted, where the column is no identifier and no text.
        own: what tells its records apart by where they lie, and why.
        clocks: the time zone that is declared.
    """
    columns = {name: path for name, path in columns.items() if name in rows.schema.names}
    texts = {name: rows[name].combine_chunks() for name in columns}
    empty = {name: placeholders(values) for name, values in texts.items()}
    texts = {name: without(values, empty[name]) for name, values in texts.items()}
    hints = _hints(texts, {name: promised.get(path, ()) for name, path in columns.items()})
    hints = {name: replace(hint, null_values=empty[name]) for name, hint in hints.items()}
    found = {name: classified(name, values.drop_null().slice(0, _SAMPLE)) for name, values in texts.items()}
    guesses = of_people({name: guess.of(hints[name].type) for name, guess in found.items()})
    hints |= {name: _a_code(hints[name]) for name, guess in guesses.items() if is_code(guess.category)}
    dated = [name for name, hint in hints.items() if hint.type in ("date", "timestamp")]
    declared = _declared_key(columns, promised), "primary or unique key in the database"
    seen = _key(texts, hints, guesses, dated), f"unique in all {rows.num_rows:,} records"
    unique, why = next((found for found in (declared, own) if found[0]), seen)
    chance = unique if (unique, why) == seen and set(unique) <= set(dated) else ()
    unique = () if chance else unique
    lines = ["columns:"]
    lines += [f"  {line}" for name in columns for line in _column(name, columns[name], hints[name], guesses[name])]
    lines += [f"unique: [{', '.join(unique)}]  # {why}"] if unique else []
    lines += [f"# unique: [{', '.join(chance)}]  # {why}, but timestamps may be unique by chance"] if chance else []
    lines += [] if unique or chance else _nearly_unique(texts, hints, guesses)
    if not any(guess.key for guess in guesses.values()):
        lines += [
            "# key: which column identifies the person? without a key all records go to quarantine "
            '("belongs to nobody")'
        ]
    if happened := [name for name in dated if guesses[name].category != BORN]:
        lines += [f"# time: when it happened, known: when it became known; candidates: {', '.join(happened)}"]
    local = [name for name in dated if hints[name].type == "timestamp" and _without_offset(texts[name])]
    if local and not clocks:
        shown = "`, `".join(local)
        lines += [
            f"# timezone: `{shown}` has no offset and is read as UTC, unless the source sets `timezone: Europe/Berlin`"
        ]
    open_words = [name for name, guess in guesses.items() if words and quotable(guess)]
    if checks := list(_checks(hints, open_words)):
        lines += ["checks:", *(f"  - {check}" for check in checks)]
    facts = {name: _fact(path, hints[name], guesses[name]) for name, path in columns.items()}
    return {"rows": rows.num_rows, "columns": facts, "unique": unique}, lines


def _a_code(hint: Suggestion) -> Suggestion:
    """What digits are declared as that are no number, although none of those that were read begins with a zero."""
    return replace(hint, type="string", at_least_zero=False) if hint.type == "integer" else hint


def _without_offset(texts: pa.StringArray) -> bool:
    """Whether some of `texts` tell a time of day, and none its distance from UTC."""
    offset = pc.any(pc.match_substring_regex(texts, r":\d{2}.*(Z|UTC|[+-]\d{2}(:?\d{2})?)$"))
    return bool(pc.any(pc.match_substring(texts, ":")).as_py() and not offset.as_py())


def _fact(path: str, hint: Suggestion, guess: Guess) -> dict[str, Any]:
    return {
        "path": path,
        "type": hint.type,
        "format": hint.format,
        "decimal": hint.decimal,
        "null_values": list(hint.null_values),
        "required": hint.required,
        "category": guess.category,
        "key": guess.key,
    }


def _key(
    texts: Mapping[str, pa.StringArray],
    hints: Mapping[str, Suggestion],
    guesses: Mapping[str, Guess],
    dated: Sequence[str],
) -> tuple[str, ...]:
    """The columns that tell the records apart which were read."""
    keyed = [name for name, guess in guesses.items() if guess.key]
    numbered = [name for name in texts if name not in keyed and numbers_records(name)]
    told = {
        name: values for name, values in texts.items() if guesses[name].may_be_key and not is_amount(hints[name].type)
    }
    return keys(told, *([name for name in names if name in told] for names in ([*numbered, *keyed], dated)))


def _nearly_unique(
    texts: Mapping[str, pa.StringArray], hints: Mapping[str, Suggestion], guesses: Mapping[str, Guess]
) -> Iterator[str]:
    """The column to ask about where no column tells all records apart: records that come twice hide it."""
    likely = [
        name
        for name, guess in guesses.items()
        if guess.may_be_key and hints[name].type in ("string", "integer") and len(texts[name]) >= ENOUGH
    ]
    apart = {name: pc.count_distinct(texts[name]).as_py() for name in likely}
    best = max(apart, key=apart.__getitem__, default="")
    if best and apart[best] >= _NEARLY * len(texts[best]):
        seen = f"{apart[best]:,} distinct in {len(texts[best]):,} records"
        yield (
            f"# unique: does `{best}` tell the records apart? {seen}; "
            "of versions `known` decides, others are held back as `duplicate`"
        )


def _hints(texts: Mapping[str, pa.StringArray], promised: Mapping[str, Sequence[str]]) -> dict[str, Suggestion]:
    """What the columns may be declared as."""
    hints = {name: suggested(values, promised[name]) for name, values in texts.items()}
    if all(hint.decimal == "." for hint in hints.values()):
        return hints
    return {name: suggested(values, promised[name], commas=True) for name, values in texts.items()}


def _declared_key(columns: Mapping[str, str], promised: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The key that the system itself says the table has; none where a column of it is not read."""
    names = {path: name for name, path in columns.items()}
    key = [names.get(path) for path, words in promised.items() if KEY in words]
    return tuple(name for name in key if name) if all(key) else ()


def _column(name: str, path: str, hint: Suggestion, guess: Guess) -> Iterator[str]:
    parts = [f"path: {quoted(path)}"] if path != name else []
    parts.append(f"type: {quoted(hint.type)}")
    parts += [f"format: {quoted(hint.format)}"] if hint.format else []
    parts += [f"years_from: {oldest()}"] if guess.category == BORN and "%y" in hint.format else []
    parts += [f'decimal: "{hint.decimal}"'] if hint.decimal == "," else []
    parts += [f"null_values: [{', '.join(map(quoted, hint.null_values))}]"] if hint.null_values else []
    parts += ["required: true"] if hint.required else []
    parts += [f"key: {guess.key}"] if guess.key else []
    parts += [f"category: {guess.category}"] if guess.category else []
    why = f"; {guess.category or guess.key} by {guess.why}" if guess.why else "; category: decide"
    yield f"{name}: {{{', '.join(parts)}}}  # {hint.evidence}{why}"


def renamed(columns: Mapping[str, Mapping[str, Any]], rows: pa.Table) -> Iterator[str]:
    """Columns that may be one, renamed in some file: of one category or key, and never filled together.

    Args:
        columns: facts about them, by name.
    """
    kinds = {name: fact["key"] or fact["category"] for name, fact in columns.items() if name in rows.schema.names}
    for one, other in combinations([name for name, kind in kinds.items() if kind], 2):
        filled = [pc.is_valid(rows[name]) for name in (one, other)]
        if kinds[one] == kinds[other] and all(map(_any, filled)) and not _any(pc.and_(*filled)):
            paths = ", ".join(quoted(columns[name]["path"]) for name in (other, one))
            yield (
                f"# path: `{one}` and `{other}` never have a value together; one column if it was renamed: "
                f"`path: [{paths}]`"
            )


def _any(values: pa.ChunkedArray) -> bool:
    return bool(pc.any(values).as_py())


def left_out(paths: Sequence[str], why: str) -> Iterator[str]:
    """What is told of columns and lists that are left out, some of them without a name."""
    if named := [path for path in paths if path]:
        yield f"# {why}: {', '.join(named)}"
    if not all(paths):
        yield "# columns without a name: do lines before the header have to be skipped (`skip_lines`)?"


def oldest() -> int:
    """First year of the hundred that end with this year, in one of which everybody is taken to be born."""
    return date.today().year - 99


def quotable(guess: Guess) -> bool:
    """Whether words of a column that looks like this may be quoted."""
    return not guess.key and guess.category != FREE_TEXT and not is_direct(guess.category)


def _checks(hints: Mapping[str, Suggestion], shared: Collection[str]) -> Iterator[str]:
    for name, hint in hints.items():
        if hint.at_least_zero:
            yield f"expect_column_values_to_be_between: {{column: {name}, min_value: 0}}"
        if hint.words and name in shared and writable(hint.words):
            words = ", ".join(map(quoted, hint.words))
            yield f"expect_column_values_to_be_in_set: {{column: {name}, value_set: [{words}]}}"


def unnamed(paths: Collection[str], *, fixed: bool) -> Iterator[str]:
    """What is told of what cannot be declared, without its name.

    Args:
        fixed: the names are those of the columns of a table.
    """
    if references := [path for path in paths if not writable([path])]:
        yield f"# left out: {plural(len(references), 'name')} that YAML would read as a reference (${{…}})"
    if fixed:
        return
    found = keyed(paths)
    people = {*found.hidden, *(path for path in paths if not nameable(path))}.difference(references)
    if people:
        yield (
            f"# left out: {plural(len(people), 'name')} that hold an address or a number of somebody, or look like "
            "names: what is keyed by people has no columns"
        )
    if whole := [path for path in found.maps if nameable(path)]:
        yield f"# kept whole, as JSON with these names in it (`free_text` is redacted): {', '.join(whole)}"


def quoted(text: str) -> str:
    """`text` as a YAML scalar inside brackets."""
    if re.fullmatch(r"[A-Za-z][\w./-]*( [A-Za-z][\w./-]*)*", text, re.ASCII) and text.lower() not in _WORDS:
        return text
    if '"' in text and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    """A character between double quotes."""
    if char in '"\\':
        return f"\\{char}"
    return char if char.isprintable() else f"\\U{ord(char):08x}"


_WORDS = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")
