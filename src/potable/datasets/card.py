"""The dataset card: what a stranger needs to know before using a version, as Markdown.

Front matter as the Hugging Face Hub reads it, then sections in a fixed order. The same facts give the
same bytes: no clock, no machine, no path in here. Entry: `card`, from `CardFacts`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_MOST_VALUES = 12
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LARGER = ((10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"))


@dataclass(frozen=True)
class CardColumn:
    """One column of the dataset."""

    name: str
    type: str
    definition: str
    """In the feature language."""
    description: str = ""
    nulls: int = 0


@dataclass(frozen=True)
class CardGroup:
    """How the label falls in one group."""

    by: str
    """Column whose value the group is."""
    name: str
    rows: int
    rate: float
    """Share of rows with the favourable label."""


@dataclass(frozen=True)
class PersonalData:
    """What makes the dataset lawful to use, and how identifiable it is."""

    purposes: Sequence[str]
    legal_basis: str
    retention: str
    identifiers: int
    """Known identifiers the dataset was searched for."""
    findings: int
    k: int = 0
    """Smallest class over `k_columns`; 0 when no k-anonymity is required."""
    k_required: int = 0
    k_columns: Sequence[str] = ()
    suppressed: int = 0
    """Rows whose `k_columns` were emptied to reach k."""


@dataclass(frozen=True)
class CardFacts:
    """Everything the card says."""

    name: str
    subject: str
    """What a row is about."""
    rows: int
    columns: Sequence[CardColumn]
    """In file order."""
    as_of: str
    """The as-of rule, in words."""
    label: str
    label_definition: str
    balance: Mapping[str, int]
    """Rows per value of the label."""
    personal: PersonalData
    sources: Sequence[str]
    """Tables it was made from, as `source.table`."""
    lineage: Mapping[str, str]
    """Hashes of inputs, code, contracts, policy and parents, by name."""
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file, by file name."""
    embargo: str = ""
    """How long before the as-of date no fact is used."""
    limits: Sequence[str] = ()
    """What the project itself wants users to know, one sentence each."""
    potable: str = ""
    """Version of Potable that made it."""
    groups: Sequence[CardGroup] = ()
    """Label rates of the groups that were compared."""
    favourable: str = ""
    """The value of the label these are of."""


def card(facts: CardFacts) -> str:
    """The dataset card as Markdown, ending in a newline."""
    sections = {
        "What it is": _what(facts),
        "Rows and as-of date": _rows(facts),
        "Label": _label(facts),
        **({"Groups": _groups(facts)} if facts.groups else {}),
        "Columns": _columns(facts),
        "Personal data": _personal(facts.personal),
        "How it was made": _made(facts),
        "Lineage": _lineage(facts),
        "Limits": _limits(facts),
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    return f"{_front(facts)}\n# {_text(facts.name)}\n\n{body}\n"


def _front(facts: CardFacts) -> str:
    """Front matter; a JSON string is a YAML string, so nothing in a name can break out of it."""
    files = [name for name in sorted(facts.files) if name.endswith((".csv", ".parquet"))]
    lines = [
        "---",
        f"pretty_name: {_quoted(facts.name)}",
        "license: other",
        "task_categories:",
        "- tabular-classification",
        "size_categories:",
        f"- {_quoted(_size(facts.rows))}",
        "tags:",
        *(f"- {tag}" for tag in ("tabular", "point-in-time", "pseudonymous", "potable")),
    ]
    if files:
        lines += ["configs:", "- config_name: default", f"  data_files: {_quoted(files[0])}"]
    return "\n".join([*lines, "---", ""])


def _what(facts: CardFacts) -> str:
    count = len(facts.columns)
    return (
        f"{_plural(facts.rows, 'row')} of {_plural(count, 'column')}: one row per {_text(facts.subject)}, made from "
        f"{_plural(len(facts.sources), 'table')} for {_listed(facts.personal.purposes)}."
    )


def _rows(facts: CardFacts) -> str:
    lines = [
        f"One row per {_text(facts.subject)}, at one as-of date: {_text(facts.as_of)}.",
        "A feature uses a fact only if it happened and became known before that date.",
    ]
    if facts.embargo:
        lines.append(f"Facts of the last {_text(facts.embargo)} before it are not used either.")
    return " ".join(lines)


def _label(facts: CardFacts) -> str:
    total = sum(facts.balance.values())
    most = sorted(facts.balance.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = [(_text(value), count) for value, count in most[:_MOST_VALUES]]
    if rest := most[_MOST_VALUES:]:
        shown.append((_plural(len(rest), "more value"), sum(count for _, count in rest)))
    rows = [[value, f"{count:,}", f"{100 * count / total:.1f}%" if total else "–"] for value, count in shown]
    intro = f"{_code(facts.label)}: {_code(facts.label_definition)}."
    return intro + "\n\n" + (_table(["Value", "Rows", "Share"], rows) if rows else "No row carries a label.")


def _groups(facts: CardFacts) -> str:
    rows = [[_code(group.by), _text(group.name), f"{group.rows:,}", f"{group.rate:.1%}"] for group in facts.groups]
    intro = f"How often {_code(facts.label)} is {_text(facts.favourable)}. Rates tell that groups differ, not why."
    return f"{intro}\n\n{_table(['By', 'Group', 'Rows', 'Rate'], rows)}"


def _columns(facts: CardFacts) -> str:
    rows = [
        [
            _code(column.name),
            _text(column.type),
            _code(column.definition),
            _text(column.description),
            _nulls(column, facts),
        ]
        for column in facts.columns
    ]
    return _table(["Column", "Type", "Definition", "Description", "Nulls"], rows)


def _nulls(column: CardColumn, facts: CardFacts) -> str:
    if not column.nulls or not facts.rows:
        return "none"
    return f"{column.nulls:,} ({100 * column.nulls / facts.rows:.1f}%)"


def _personal(personal: PersonalData) -> str:
    found = "nothing was found" if not personal.findings else f"{_plural(personal.findings, 'finding')} remained"
    lines = [
        "The dataset is **pseudonymous, not anonymous**: whoever holds the vault can lead a row back to a person, and "
        "data protection law applies to it.",
        f"- Legal basis: {_text(personal.legal_basis)}",
        f"- Purposes: {_listed(personal.purposes)}. Any other use needs a new decision.",
        f"- Retention: {_text(personal.retention)}",
        f"- Leak scan: searched for {_plural(personal.identifiers, 'known identifier')}; {found}.",
        f"- {_anonymity(personal)}",
    ]
    return lines[0] + "\n\n" + "\n".join(lines[1:])


def _anonymity(personal: PersonalData) -> str:
    if not personal.k_required:
        return "k-anonymity: none required."
    columns = ", ".join(_code(column) for column in personal.k_columns)
    text = f"k-anonymity: every combination of {columns} is shared by at least {personal.k:,} rows"
    text += f" (required: {personal.k_required:,})."
    if personal.suppressed:
        text += f" To reach it these columns are empty in {_plural(personal.suppressed, 'row')}."
    return text


def _made(facts: CardFacts) -> str:
    tool = f"Potable {_text(facts.potable)}" if facts.potable else "Potable"
    return (
        f"By {tool}, in six steps: raw records are landed unchanged and hashed; rows that break their contract "
        "go to quarantine; records of one person are joined; identifiers are dropped and replaced by pseudonyms; "
        "features are computed as of each row's date; the result is scanned and only then published. Tables used: "
        + ", ".join(_code(source) for source in sorted(facts.sources))
        + "."
    )


def _lineage(facts: CardFacts) -> str:
    rows = [[_text(name), _code(value)] for name, value in sorted(facts.lineage.items())]
    rows += [[f"file {_text(name)}", _code(value)] for name, value in sorted(facts.files.items())]
    intro = "The same inputs, project and vault give the same bytes."
    return f"{intro}\n\n{_table(['What', 'Hash'], rows)}" if rows else intro


def _limits(facts: CardFacts) -> str:
    always = [
        "Rows that sources never sent, or that are in quarantine, are missing here.",
        "A pattern in past decisions is not a reason to repeat them: check a model for unequal treatment before use.",
        "Do not join it with other data about the same people; k-anonymity does not survive that.",
    ]
    return "\n".join(f"- {_text(limit)}" for limit in [*facts.limits, *always])


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in [headers, ["---"] * len(headers), *rows]]
    return "\n".join(lines)


def _text(value: str) -> str:
    """`value` as text of a Markdown line or cell: no markup, no new line, no cell border."""
    flat = " ".join(value.split())
    escaped = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*\[\]|])", r"\\\1", escaped)


def _code(value: str) -> str:
    """`value` as a code span, in fences longer than any it holds; a table's cell border is escaped."""
    flat = " ".join(value.split()).replace("|", "\\|")
    if not flat:
        return ""
    fence = "`" * (1 + max(map(len, re.findall(r"`+", flat)), default=0))
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def _listed(values: Sequence[str]) -> str:
    return ", ".join(_text(value) for value in values)


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=True)


def _size(rows: int) -> str:
    return next((name for limit, name in (*_SIZES, *_LARGER) if rows < limit), "n>1B")


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
