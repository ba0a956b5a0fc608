"""`potable source discover`: a first contract for a source, from its first records.

What a file of a source says of its tables beside how they are found (columns, keys, checks) is left aside; every
column there is becomes one, with type, category and promises suggested and the evidence beside it. Types and
promises come from `sources.suggest`, categories from `privacy.classify`; nothing is declared harmless, so the
plan stops until a person has decided.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from ruamel.yaml import YAML

from potable.cli.reading import reading_on
from potable.cli.schemas import marked
from potable.cli.schemas import write as write_schemas
from potable.cli.sources import known_source
from potable.declarations import Document, own_variables, read
from potable.errors import DataError, ProjectError
from potable.privacy.categories import FREE_TEXT, is_direct
from potable.privacy.classify import Guess, classified
from potable.project import connector
from potable.sources.base import Source
from potable.sources.databases.base import KEY
from potable.sources.preview import Preview, preview
from potable.sources.suggest import Suggestion, is_amount, keys, numbers_records, suggested
from potable.tables import Table

_LEFT_ASIDE = {*Table.model_fields, "incremental", "sync_mode", "cursor_field", "partition", "order_by"}
_REPEATS = "repeats in a record, so it is a table of its own"
_SAMPLE = 500
"""Values a category is told from."""


def discovered(root: Path, name: str, *, rows: int, write: bool, words: bool) -> tuple[dict[str, Any], str]:
    """Facts, and the text of a contract for source `name`, from the first `rows` records of each table.

    Args:
        write: put it into the source's file; only where no table has columns yet.
        words: quote the words of small sets, where the column does not look like an identifier or a text.

    Raises:
        ProjectError: P031 there is no such source, P005 it is to be written and has columns already, or the
            file says too little to find its tables.
        EnvironmentFailure: the source cannot be read.
        DataError: D007, an object of it cannot be.
    """
    known_source(root, name)
    root = root.resolve()
    document = read(root / "sources" / f"{name}.yaml", root=root, environment=own_variables(root))
    if write and any((table or {}).get("columns") for table in (document.data.get("tables") or {}).values()):
        raise ProjectError(
            f"`{document.path}` has columns already; they would be lost",
            "P005",
            place=document.place("tables"),
            hint="leave --write away and take over what you want",
        )
    tables = document.data.get("tables") or {name: {}}
    source = _source(document, dict.fromkeys(tables))
    columns = _offered(preview(source, base=root, rows=1))
    if not all(columns.values()):
        # the first record may be one that cannot be read
        columns = _offered(preview(source, base=root, rows=rows))
    if empty := [table for table, found in columns.items() if not found]:
        raise DataError(
            f"`{name}.{empty[0]}`: no column can be seen in what the source offers",
            "D007",
            hint="is there data, and does the file say where its records are (`record`, `records`, `files`)?",
            state="nothing was written",
        )
    seen, left_out = _read(document, columns, root, rows)
    if (wider := _offered(seen)) != columns:
        # further objects have columns that the first one lacks
        columns = wider
        seen, left_out = _read(document, columns, root, rows)
    promised = {table: source.promised(table, root) for table in seen}
    found = {table: _table(columns[table], item.rows, promised[table], words) for table, item in seen.items()}
    for table, (facts, lines) in found.items():
        facts["incremental"], more = reading_on(source.tables[table], facts, promised[table])
        lines += more
    for table, item in seen.items():
        if source.fixed_columns and (some := [path for path in item.seen or () if path not in (item.everywhere or ())]):
            found[table][1].append(f"drift: {{missing_column: warn}}  # not every object has: {', '.join(some)}")
    for table, paths in left_out.items():
        many = "more than one column has this name" if source.fixed_columns else _REPEATS
        found[table][1].append(f"# {many}: {', '.join(paths)}")
    text = _text(document, tables, found)
    if write:
        (root / document.path).write_text(marked(document.path, text), encoding="utf-8")
        write_schemas(root)
        text = f"wrote {document.path}: every column without a category needs a decision\nnext: potable check"
    return {table: facts for table, (facts, _) in found.items()}, text


def _source(document: Document, columns: Mapping[str, Any]) -> Source[Any]:
    """The source with other columns than its file declares; a table for which none are given has one without values."""
    model = connector(document)
    tables = document.data.get("tables") or dict.fromkeys(columns)
    kept = {
        name: {key: value for key, value in (spec or {}).items() if key not in _LEFT_ASIDE}
        for name, spec in tables.items()
    }
    none = {"placeholder": {"path": model.any_path}}
    data = {
        **document.data,
        "tables": {name: {**spec, "columns": columns[name] or none} for name, spec in kept.items()},
    }
    source: Source[Any] = replace(document, data=data).model(model)
    return source


def _read(
    document: Document, columns: Mapping[str, Mapping[str, str]], root: Path, rows: int
) -> tuple[dict[str, Preview], dict[str, list[str]]]:
    """The first records as texts, and by table the paths left out because no single value can be taken from them."""

    def texts(chosen: Mapping[str, Iterable[str]], rows: int) -> dict[str, Preview]:
        declared = {
            table: {name: {"path": columns[table][name], "type": "string"} for name in names}
            for table, names in chosen.items()
        }
        return preview(_source(document, declared), base=root, rows=rows)

    try:
        return texts(columns, rows), {}
    except DataError:
        good: dict[str, list[str]] = {table: [] for table in columns}
        bad: dict[str, list[str]] = {}
    for table, names in columns.items():
        for name in names:
            # one column a time, for an error does not say which it is about
            alone = {other: [name] if other == table else list(columns[other])[:1] for other in columns}
            try:
                texts(alone, min(rows, _SAMPLE))
                good[table].append(name)
            except DataError:
                bad.setdefault(table, []).append(names[name])
    # what repeats is only noticed of elements themselves while few records are read, and not of what is in them
    inside = {table: tuple(f"{path}/" for path in paths) for table, paths in bad.items()}
    kept = {
        table: [name for name in names if not columns[table][name].startswith(inside.get(table, ()))]
        for table, names in good.items()
    }
    return texts(kept, rows), bad


def _offered(seen: Mapping[str, Preview]) -> dict[str, dict[str, str]]:
    """Columns for everything that was seen, by table."""
    return {table: _columns(item.seen or ()) for table, item in seen.items()}


def _columns(paths: Iterable[str]) -> dict[str, str]:
    """Names for paths, in snake_case, each once and in their order."""
    names: dict[str, str] = {}
    for path in paths:
        words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", path)
        name = re.sub(r"\W+", "_", words, flags=re.ASCII).strip("_").lower() or "column"
        name, number = name if name[0].isalpha() else f"c_{name}", 2
        while name in names:
            name, number = f"{name.rstrip('0123456789')}{number}", number + 1
        names[name] = path
    return names


def _table(
    columns: Mapping[str, str], rows: pa.Table, promised: Mapping[str, Sequence[str]], words: bool
) -> tuple[dict[str, Any], list[str]]:
    """Facts about a table, and the lines of its contract.

    Args:
        promised: what its system says of its columns, by path.
    """
    columns = {name: path for name, path in columns.items() if name in rows.schema.names}
    texts = {name: rows[name].combine_chunks() for name in columns}
    hints = _hints(texts, {name: promised.get(path, ()) for name, path in columns.items()})
    guesses = {name: classified(name, values.drop_null().slice(0, _SAMPLE)) for name, values in texts.items()}
    dated = [name for name, hint in hints.items() if hint.type in ("date", "timestamp")]
    keyed = [name for name, guess in guesses.items() if guess.key]
    numbered = [name for name in texts if name not in keyed and numbers_records(name)]
    told = {
        name: values for name, values in texts.items() if guesses[name].may_be_key and not is_amount(hints[name].type)
    }
    unique, why = _declared_key(columns, promised), "the key of the table in its database"
    if not unique:
        likely = ([name for name in names if name in told] for names in ([*numbered, *keyed], dated))
        unique, why = keys(told, *likely), f"tells all {rows.num_rows:,} records apart"
    lines = ["columns:"]
    lines += [f"  {line}" for name in columns for line in _column(name, columns[name], hints[name], guesses[name])]
    lines += [f"unique: [{', '.join(unique)}]  # {why}"] if unique else []
    if not any(guess.key for guess in guesses.values()):
        lines += ["# key: which column tells who a record is about? without one its records belong to nobody"]
    if dated:
        lines += [f"# time: when it happened, known: when it became known; of {', '.join(dated)}"]
    open_words = [name for name, guess in guesses.items() if words and quotable(guess)]
    if checks := list(_checks(hints, open_words)):
        lines += ["checks:", *(f"  - {check}" for check in checks)]
    facts = {
        name: {
            "path": columns[name],
            "type": hint.type,
            "format": hint.format,
            "decimal": hint.decimal,
            "required": hint.required,
            "category": guesses[name].category,
            "key": guesses[name].key,
        }
        for name, hint in hints.items()
    }
    return {"rows": rows.num_rows, "columns": facts, "unique": unique}, lines


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
    parts += [f'decimal: "{hint.decimal}"'] if hint.decimal == "," else []
    parts += ["required: true"] if hint.required else []
    parts += [f"key: {guess.key}"] if guess.key else []
    parts += [f"category: {guess.category}"] if guess.category else []
    why = f"; {guess.category or guess.key} by {guess.why}" if guess.why else "; category: decide"
    yield f"{name}: {{{', '.join(parts)}}}  # {hint.evidence}{why}"


def quotable(guess: Guess) -> bool:
    """Whether words of a column that looks like this may be quoted."""
    return not guess.key and guess.category != FREE_TEXT and not is_direct(guess.category)


def _checks(hints: Mapping[str, Suggestion], shared: Collection[str]) -> Iterator[str]:
    for name, hint in hints.items():
        if hint.at_least_zero:
            yield f"expect_column_values_to_be_between: {{column: {name}, min_value: 0}}"
        if hint.words and name in shared:
            words = ", ".join(map(quoted, hint.words))
            yield f"expect_column_values_to_be_in_set: {{column: {name}, value_set: [{words}]}}"


def _text(document: Document, tables: Mapping[str, Any], found: Mapping[str, tuple[Any, list[str]]]) -> str:
    """The whole file: what it says of the system as it is written there, and the tables."""
    head = {key: value for key, value in document.literal.items() if key != "tables"}
    lines = [_yaml(head), "tables:"]
    written = document.literal.get("tables") or {}
    for name in tables:
        own = {key: value for key, value in (written.get(name) or {}).items() if key not in _LEFT_ASIDE}
        below = [*_yaml(own).splitlines(), *found[name][1]]
        lines += [f"  {name}:", *(f"    {line}" for line in below)]
    return "\n".join(lines) + "\n"


def _yaml(data: Mapping[str, Any]) -> str:
    if not data:
        return ""
    writer = YAML()
    writer.width = 10_000
    out = io.StringIO()
    writer.dump(dict(data), out)
    return out.getvalue().rstrip("\n")


def quoted(text: str) -> str:
    """`text` as a YAML scalar inside brackets."""
    if re.fullmatch(r"[A-Za-z][\w./-]*( [A-Za-z][\w./-]*)*", text, re.ASCII) and text.lower() not in _WORDS:
        return text
    if '"' in text and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_WORDS = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")
