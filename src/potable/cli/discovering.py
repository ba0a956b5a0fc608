"""`potable source discover`: a first contract for a source, from its first records.

What a file of a source says of its tables beside how they are found (columns, keys, checks) is left aside; every
column there is becomes one, and every list of records inside records a table of its own, which takes from the record
around it what tells that apart and who it is about. The lines of a table are made by `drafting`; nothing is declared
harmless, so the plan stops until a person has decided.

Entry: `discovered`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from ruamel.yaml import YAML

from potable.cli.drafting import drafted, left_out, renamed, unnamed
from potable.cli.keyed import BY_PEOPLE, keyed_in, nameable, odd_headings, offered, require_headings, still_seen
from potable.cli.reading import of_files, paging, reading_on, unreadable
from potable.cli.schemas import marked
from potable.cli.schemas import write as write_schemas
from potable.cli.settings import writing
from potable.cli.sources import known_source, tables_named, told_dialect
from potable.declarations import Document
from potable.errors import DataError, ProjectError
from potable.folder import connector
from potable.privacy.called import snake
from potable.projectfiles import own_variables, read
from potable.report.numbers import plain
from potable.sources.base import Source
from potable.sources.preview import Preview, preview
from potable.sources.suggest import ENOUGH
from potable.tables import Table

if TYPE_CHECKING:
    from potable.cli.answers.sources import Discovered

_LEFT_ASIDE = {*Table.model_fields, "incremental", "sync_mode", "cursor_field", "partition", "order_by"}
_REPEATS = "repeats within a record, so it becomes a table of its own"
_ANY = {"data", "items", "records", "results", "rows", "value", "values"}
"""Names of lists that say nothing of what is in them."""
_SAMPLE = 500
"""Records that are read where columns have to be tried one by one."""
_NO_COLUMNS = "is there any data, and does the source's file say where its records are (`record`, `records`, `files`)?"
Found = dict[str, tuple[dict[str, Any], list[str]]]
"""Facts about tables, and the lines of their contracts."""


@dataclass(frozen=True)
class _Explored:
    """A source, looked through."""

    document: Document
    """The file, with a table for everything that is one."""
    source: Source[Any]
    columns: dict[str, dict[str, str]]
    """Paths by table and column."""
    seen: dict[str, Preview]
    left_out: dict[str, list[str]]
    """Paths by table of which no single value can be taken."""


def discovered(root: Path, name: str, *, rows: int, write: bool, words: bool) -> tuple[Mapping[str, Discovered], str]:
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
            f"`{document.path}` already has columns; writing would overwrite them",
            "P005",
            place=document.place("tables"),
            hint="run it without --write and copy what you need into the file",
        )
    with tables_named(document, name):
        explored = _explored(document, name, root, rows)
    found = _contracts(explored, root, rows, words=words)
    text = _text(explored.document, found)
    if write:
        with writing(document.path):
            (root / document.path).write_text(marked(document.path, text), encoding="utf-8")
        write_schemas(root)
        undecided = "now decide the category of the columns that have none (docs/reference/categories.md)"
        text = f"wrote {document.path}: {undecided}\nnext: potable check"
    return {table: _facts(*both) for table, both in found.items()}, text


def _facts(facts: Mapping[str, Any], lines: Sequence[str]) -> Discovered:
    return {
        "rows": facts["rows"],
        "columns": facts["columns"],
        "unique": facts["unique"],
        "incremental": facts["incremental"],
        "lines": lines,
    }


def _explored(document: Document, name: str, root: Path, rows: int) -> _Explored:
    """What source `name` offers; lists of records inside records become tables of the document."""
    source = _source(document, dict.fromkeys(document.data.get("tables") or {name: {}}))
    seen = preview(source, base=root, rows=1)
    if not all(_offered(seen, source).values()):
        # the first record may be one that cannot be read
        seen = preview(source, base=root, rows=rows)
    if source.fixed_columns:
        require_headings(name, seen)
    if nested := _nested(document, name, seen):
        return _explored(nested, name, root, rows)
    columns = _offered(seen, source)
    if empty := [table for table, found in columns.items() if not found]:
        raise DataError(
            f"no columns were found for `{name}.{empty[0]}` in what the source has",
            "D007",
            hint=BY_PEOPLE if keyed_in(seen[empty[0]]).hidden else _NO_COLUMNS,
            state="nothing was written",
        )
    read, left_out = _read(document, columns, root, rows)
    seen = still_seen(read, seen)
    if (wider := _offered(seen, source)) != columns:
        # further objects have columns that the first one lacks
        columns = wider
        read, left_out = _read(document, columns, root, rows)
        seen = still_seen(read, seen)
    if nested := _nested(document, name, seen):
        return _explored(nested, name, root, rows)
    return _Explored(document, source, columns, seen, left_out)


def _nested(document: Document, name: str, seen: Mapping[str, Preview]) -> Document | None:
    """The document with a table for each list of records inside records; None where there is none that is new."""
    if not any(
        nameable(path) and path not in keyed_in(item).hidden for item in seen.values() for path in item.children
    ):
        return None
    declared = document.data.get("tables")
    tables = dict(declared or {name: {}})
    literal = {table: (document.literal.get("tables") or {}).get(table) for table in tables}
    for table, item in seen.items():
        kept = [(specs, _kept(specs[table])) for specs in (tables, literal)]
        if item.children and not declared and not set(item.seen or ()) - set(item.children):
            # nothing but lists: a document around its records
            del tables[table], literal[table]
        for path, place in _listed(item).items():
            last, whole = (next(iter(_columns([part]))) for part in (re.split("[./]", path)[-1], path))
            child = _free([*([] if last in _ANY else [last]), table, whole, f"{table}_{whole}"], tables)
            for specs, spec in kept:
                specs[child] = {**spec, **place}
    return replace(document, data={**document.data, "tables": tables}, literal={**document.literal, "tables": literal})


def _listed(item: Preview) -> dict[str, Mapping[str, str]]:
    """Lists of records inside records that can be declared."""
    hidden = keyed_in(item).hidden
    return {path: place for path, place in item.children.items() if path not in hidden and nameable(path)}


def _contracts(explored: _Explored, root: Path, rows: int, *, words: bool) -> Found:
    """A contract for each table."""
    source, found = explored.source, Found()
    promised = {table: source.promised(table, root) for table in explored.seen}
    for table, item in explored.seen.items():
        columns, records, key = explored.columns[table], item.readable, tuple[str, ...]()
        chance = _by_chance(columns, records) if source.loose_labels else set()
        columns = {name: path for name, path in columns.items() if name not in chance}
        around, _ = source.around(table)
        if around in found:
            columns, records, key = _placed(explored, table, found[around][0], root, rows)
        why = f"what identifies a record of `{around}`, and the position in its list"
        found[table] = drafted(columns, records, promised[table], words=words, own=(key, why), clocks=source.timezone)
        found[table][1].extend(_around(explored, table, columns, found))
        found[table][1].extend(renamed(found[table][0]["columns"], records))
        if key:
            found[table][1].append(
                f"# parts_of: {around}  # a later version of that record replaces all its parts; both tables need "
                "`known`"
            )
        if source.beside:
            found[table][1].append(f"# path: also {source.beside}")
        if chance:
            found[table][1].append(
                f"# left out: {len(chance)} labels that almost no record has; text before a colon is not always a label"
            )
    for table, (facts, lines) in found.items():
        item = explored.seen[table]
        facts["incremental"], more = reading_on(source.tables[table], facts, promised[table])
        lines += [*more, *paging(source.tables[table]), *_written(item), *unreadable(item.rows), *odd_headings(item)]
        lines += of_files(item)
        if source.fixed_columns and (some := [path for path in item.seen or () if path not in (item.everywhere or ())]):
            lines.append(f"drift: {{missing_column: warn}}  # not every object has: {', '.join(some)}")
        lines += unnamed({*(item.seen or ()), *item.children}, fixed=source.fixed_columns)
    for table, paths in explored.left_out.items():
        found[table][1].extend(
            left_out(paths, "more than one column has this name" if source.fixed_columns else _REPEATS)
        )
    return found


def _written(item: Preview) -> list[str]:
    """What is told of how the objects are written, and of what stands around all their records."""
    found = [f"# found: {told_dialect(item.dialect)}"] if item.dialect else []
    paths = [f"`{path}`" for path in item.envelope if nameable(path)]
    return [
        *found,
        *([f"# path: also of the root, the same for all records of a file: {', '.join(paths)}"] if paths else []),
    ]


def _by_chance(columns: Mapping[str, str], records: pa.Table) -> set[str]:
    """Columns of labels that fewer than two records have, or one in fifty: `Smith, Anna: …` in a letter is no label."""
    if records.num_rows < ENOUGH:
        return set()
    least = max(2, records.num_rows / 50)
    labels = [name for name, path in columns.items() if not path.startswith("@") and name in records.schema.names]
    return {name for name in labels if records.num_rows - records[name].null_count < least}


def _around(explored: _Explored, table: str, columns: Mapping[str, str], found: Found) -> Iterator[str]:
    """What can be taken of the record around those of a table, where nothing was that tells that record apart."""
    around, way = explored.source.around(table)
    taken = {path for path in columns.values() if path.startswith(way)}
    if around not in found or (taken and found[around][0]["unique"]):
        return
    paths = [f"{way}{fact['path']}" for fact in found[around][0]["columns"].values()]
    if left := ", ".join(f"`{path}`" for path in paths if path not in taken):
        yield f"# path: of `{around}` around it, where that helps: {left}; `#` is the position in the list"


def _placed(
    explored: _Explored, table: str, around: Mapping[str, Any], root: Path, rows: int
) -> tuple[dict[str, str], pa.Table, tuple[str, ...]]:
    """Columns and records of a table inside another, with what is taken of the record around; and their key.

    Args:
        around: facts about the table around.
    """
    own, (parent, way) = explored.columns[table], explored.source.around(table)
    taken: dict[str, str] = {}
    key: list[str] = []
    for name, fact in around["columns"].items():
        if name in around["unique"] or fact["key"]:
            # of the record around not its place is known, but its number in the file
            wanted = f"{parent}_number" if fact["path"] == "#" else name
            free = _free([wanted, f"{parent}_{name}"], {**own, **taken})
            taken[free] = f"{way}{fact['path']}"
            key += [free] if name in around["unique"] else []
    place = _free(["place", "place_in_list"], {**own, **taken})
    columns = {**taken, **({place: "#"} if key else {}), **own}
    try:
        texts = {name: {"path": path, "type": "string"} for name, path in columns.items()}
        seen = preview(_source(explored.document, {table: texts}), base=root, rows=rows, last=min(rows, _SAMPLE))
        found = seen[table].readable
    except DataError:
        # records of a document that is no list have nothing around them
        return own, explored.seen[table].readable, ()
    key = [*key, place] if key else []
    apart = found.select(key).group_by(key).aggregate([]).num_rows == found.num_rows if key else False
    return columns, found, tuple(key) if apart else ()


def _free(names: Iterable[str], taken: Container[str]) -> str:
    """The first of the names that is not taken; the last with a number where all are."""
    tried = [*names]
    numbered = (f"{tried[-1]}{number}" for number in count(2))
    return next(name for name in chain(tried, numbered) if name not in taken)


def _kept(spec: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a file says of how a table is found."""
    return {key: value for key, value in (spec or {}).items() if key not in _LEFT_ASIDE}


def _source(document: Document, columns: Mapping[str, Any]) -> Source[Any]:
    """The source with other columns than its file declares; a table for which none are given has one without values."""
    model = connector(document)
    tables = document.data.get("tables") or dict.fromkeys(columns)
    none = {"placeholder": {"path": model.any_path}}
    data = {
        **document.data,
        "tables": {name: {**_kept(spec), "columns": columns.get(name) or none} for name, spec in tables.items()},
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
        return preview(_source(document, declared), base=root, rows=rows, last=min(rows, _SAMPLE))

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


def _offered(seen: Mapping[str, Preview], source: Source[Any]) -> dict[str, dict[str, str]]:
    """Columns for everything that was seen, by table."""
    return {table: _columns(offered(item, fixed=source.fixed_columns)) for table, item in seen.items()}


def _columns(paths: Iterable[str]) -> dict[str, str]:
    """Names for paths, in snake_case, each once and in their order."""
    names: dict[str, str] = {}
    for path in paths:
        name = snake(path) or ("value" if path == "." else "column")
        name, number = name if name[0].isalpha() else f"c_{name}", 2
        while name in names:
            name, number = f"{name.rstrip('0123456789')}{number}", number + 1
        names[name] = path
    return names


def _text(document: Document, found: Found) -> str:
    """The whole file: what it says of the system as it is written there, and the tables."""
    head = {key: value for key, value in document.literal.items() if key != "tables"}
    lines = [_yaml(head), "tables:"]
    written = document.literal.get("tables") or {}
    for name in document.data.get("tables") or found:
        # a name of the source's stays on its line, also in a comment
        promised = {key: value for key, value in (written.get(name) or {}).items() if key in _LEFT_ASIDE - {"columns"}}
        below = [*_yaml(_kept(written.get(name))).splitlines(), *map(plain, _merged(found[name][1], promised))]
        lines += [f"  {name}:", *(f"    {line}" for line in below)]
    return "\n".join(lines) + "\n"


def _merged(lines: Iterable[str], promised: Mapping[str, Any]) -> Iterator[str]:
    """The suggested lines of a table, but what its file promises itself is as it is there, with further checks."""
    left, own = dict(promised), False
    for line in lines:
        if key := re.match(r"(?:# )?([a-z_]+):", line):
            own = key[1] in promised and key[1] != "checks"
        if not own:
            yield line
        if line == "checks:" and left.get("checks"):
            yield from (f"  {each}" for each in _yaml(left.pop("checks")).splitlines())
    yield from _yaml(left).splitlines()


def _yaml(data: Any) -> str:
    if not data:
        return ""
    writer = YAML()
    writer.width = 10_000
    out = io.StringIO()
    writer.dump(dict(data) if isinstance(data, Mapping) else data, out)
    return out.getvalue().rstrip("\n")
