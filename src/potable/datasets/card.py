"""The dataset card: what a stranger needs to know before using a version, as Markdown.

Front matter as the Hugging Face Hub reads it, then sections in a fixed order. The same facts give the
same bytes: no clock, no machine, no path in here. Entry: `card`, from `CardFacts`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from potable.datasets.markdown import code, listed, plural, share, table, text
from potable.datasets.reading import reading

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
    table: str = ""
    """`source.table` whose records the definition is about; empty where it is about the row or its other columns."""
    today: bool = False
    """Whether that table keeps no history, so that the values are today's."""
    words: Sequence[str] = ()
    """The words it may hold, lowest first; empty where they have no order."""
    forward: bool = False
    """Whether it looks forward from the as-of date, as labels do."""


@dataclass(frozen=True)
class Gap:
    """The time between an as-of date and the window of a label that starts later."""

    label: str
    length: str
    """In words, such as `1 month`."""
    rows: int
    """Rows with something in it that the label would count in its window."""


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
    kin: Sequence[str] = ()
    """Columns emptied with them, which would give them back."""


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
    """The last label; empty where nothing is to be predicted."""
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
    chosen: Mapping[str, str] = field(default_factory=dict)
    """Who has a row: the `table` of employments, the columns `start` and `end` they run between, and the condition
    (`where`) if there is one."""
    gaps: Sequence[Gap] = ()
    seen: int = 0
    """People with a record in the table of employments."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """How many of these have no row, by reason."""
    digits: int | None = None
    """Most decimals of a fraction."""


def card(facts: CardFacts) -> str:
    """The dataset card as Markdown, ending in a newline."""
    sections = {
        "What it is": _what(facts),
        "Rows and as-of date": _rows(facts),
        **({"Label": _label(facts)} if facts.label else {}),
        **({"Groups": _groups(facts)} if facts.groups else {}),
        "Columns": _columns(facts),
        **({"Reading it": _reading(facts)} if _parquet(facts) else {}),
        "Personal data": _personal(facts.personal),
        "How it was made": _made(facts),
        "Lineage": _lineage(facts),
        "Limits": _limits(facts),
    }
    body = "\n\n".join(f"## {title}\n\n{told}" for title, told in sections.items())
    return f"{_front(facts)}\n# {text(facts.name)}\n\n{body}\n"


def _front(facts: CardFacts) -> str:
    """Front matter; a JSON string is a YAML string, so nothing in a name can break out of it."""
    files = [name for name in sorted(facts.files) if name.endswith((".csv", ".parquet"))]
    lines = [
        "---",
        f"pretty_name: {_quoted(facts.name)}",
        "license: other",
        *(["task_categories:", f"- {_task(facts)}"] if facts.label else []),
        "size_categories:",
        f"- {_quoted(_size(facts.rows))}",
        "tags:",
        *(f"- {tag}" for tag in ("tabular", "point-in-time", "pseudonymous", "potable")),
    ]
    if files:
        lines += ["configs:", "- config_name: default", f"  data_files: {_quoted(files[0])}"]
    return "\n".join([*lines, "---", ""])


def _task(facts: CardFacts) -> str:
    """What the last label is for: a number is estimated, anything else is one of some classes."""
    numeric = any(
        column.name == facts.label and column.type.startswith(("int", "float", "decimal")) for column in facts.columns
    )
    return "tabular-regression" if numeric else "tabular-classification"


def _what(facts: CardFacts) -> str:
    count = len(facts.columns)
    told = (
        f"{plural(facts.rows, 'row')} of {plural(count, 'column')}: one row per {text(facts.subject)}, made from "
        f"{plural(len(facts.sources), 'table')} for {listed(facts.personal.purposes)}."
    )
    return told if facts.label else f"{told} There is no label column: these are rows to score or to describe."


def _rows(facts: CardFacts) -> str:
    lines = [
        f"One row per {text(facts.subject)}, at one as-of date: {text(facts.as_of)}.",
        *_chosen(facts),
        *_dropped(facts),
        "A feature uses a fact only if it happened and became known before that date.",
    ]
    if facts.embargo:
        lines.append(f"Facts of the last {text(facts.embargo)} before it are not used.")
    if today := [code(column.name) for column in facts.columns if column.today]:
        told = "comes" if len(today) == 1 else "come"
        lines.append(
            f"{', '.join(today)} {told} from tables without history: today's values, which are declared never to "
            "change."
        )
    return " ".join(lines)


def _chosen(facts: CardFacts) -> list[str]:
    """Who has a row."""
    if not facts.chosen:
        return []
    name, start, end, where = (
        code(facts.chosen.get(key, ""), cell=False) for key in ("table", "start", "end", "where")
    )
    condition = f", for which {where} holds" if where else ""
    return [f"It needs a record of {name} that was valid then ({start} to {end}), as known then{condition}."]


def _dropped(facts: CardFacts) -> list[str]:
    """Who has none."""
    told = {text(reason): count for reason, count in facts.dropped.items() if count}
    # they are our own words, and code in them is code
    reasons = [f"{reason} ({count:,})".replace("\\`", "`") for reason, count in told.items()]
    if not reasons:
        return []
    lacking = sum(facts.dropped.values())
    return [f"Of {facts.seen:,} with a record there, {lacking:,} have no row: {'; '.join(reasons)}."]


def _label(facts: CardFacts) -> str:
    total = sum(facts.balance.values())
    most = sorted(facts.balance.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = [(text(value), count) for value, count in most[:_MOST_VALUES]]
    if rest := most[_MOST_VALUES:]:
        shown.append((plural(len(rest), "more value"), sum(count for _, count in rest)))
    rows = [[value, f"{count:,}", share(count, total)] for value, count in shown]
    defined = f"{code(facts.label)}: {code(facts.label_definition, cell=False)}."
    intro = " ".join([defined, *_others(facts), *(_gap(gap, facts) for gap in facts.gaps)])
    return intro + "\n\n" + (table(["Value", "Rows", "Share"], rows) if rows else "No row has a label.")


def _others(facts: CardFacts) -> list[str]:
    """A warning of labels beside the last one."""
    others = [code(column.name) for column in facts.columns if column.forward and column.name != facts.label]
    if not others:
        return []
    are = "is a label, too: it looks" if len(others) == 1 else "are labels, too: they look"
    return [
        f"{', '.join(others)} {are} forward from the as-of date, which a model of {code(facts.label)} must not see."
    ]


def _gap(gap: Gap, facts: CardFacts) -> str:
    rows = f"In {plural(gap.rows, 'row')} ({share(gap.rows, facts.rows)})" if gap.rows else "In no row"
    return (
        f"The window of {code(gap.label)} starts {text(gap.length)} after the as-of date. {rows} something it "
        "would count happens before that: no feature sees it, and the label does not count it."
    )


def _groups(facts: CardFacts) -> str:
    rows = [[code(group.by), text(group.name), f"{group.rows:,}", f"{group.rate:.1%}"] for group in facts.groups]
    intro = f"How often {code(facts.label)} is {text(facts.favourable)}. Rates show that groups differ, not why."
    return f"{intro}\n\n{table(['By', 'Group', 'Rows', 'Rate'], rows)}"


def _columns(facts: CardFacts) -> str:
    rows = [
        [
            code(column.name),
            text(column.type),
            code(column.definition),
            code(column.table),
            text(column.description),
            _nulls(column, facts),
        ]
        for column in facts.columns
    ]
    told = table(["Column", "Type", "Definition", "Of", "Description", "Nulls"], rows)
    return told if facts.digits is None else f"{told}\n\nFractions have at most {plural(facts.digits, 'decimal')}."


def _parquet(facts: CardFacts) -> str:
    """The name of the Parquet file."""
    return next((name for name in sorted(facts.files) if name.endswith(".parquet")), "")


def _reading(facts: CardFacts) -> str:
    return reading(facts.columns, file=_parquet(facts), label=facts.label, as_of=facts.as_of)


def _nulls(column: CardColumn, facts: CardFacts) -> str:
    if not column.nulls or not facts.rows:
        return "none"
    return f"{column.nulls:,} ({share(column.nulls, facts.rows)})"


def _personal(personal: PersonalData) -> str:
    found = "nothing was found" if not personal.findings else f"{plural(personal.findings, 'finding')} remained"
    lines = [
        "The dataset is **pseudonymous, not anonymous**: whoever has the vault can trace a row back to a person, "
        "and data protection law applies.",
        f"- Legal basis: {text(personal.legal_basis)}",
        f"- Purposes: {listed(personal.purposes)}. Any other use needs a new decision.",
        f"- Retention: {text(personal.retention)}",
        f"- Leak scan: searched for {plural(personal.identifiers, 'known identifier')}; {found}.",
        f"- {_anonymity(personal)}",
    ]
    return lines[0] + "\n\n" + "\n".join(lines[1:])


def _anonymity(personal: PersonalData) -> str:
    if not personal.k_required:
        return "k-anonymity: none required."
    columns = ", ".join(code(column) for column in personal.k_columns)
    told = f"k-anonymity: every combination of {columns} is shared by at least {personal.k:,} rows"
    told += f" (required: {personal.k_required:,})."
    if personal.suppressed:
        told += f" To reach it, these columns are empty in {plural(personal.suppressed, 'row')}"
        others = ", ".join(code(column) for column in personal.kin)
        told += f", and so is what is made of the same source columns: {others}." if others else "."
    return told


def _made(facts: CardFacts) -> str:
    tool = f"Potable {text(facts.potable)}" if facts.potable else "Potable"
    return (
        f"By {tool}, in six steps: raw records are landed unchanged and hashed; rows that break their contract go "
        "to quarantine; records of one person are linked; identifiers are dropped and replaced by pseudonyms; "
        "features are computed as of each row's date; the result is scanned for identifiers and only then "
        "published. Tables used: " + ", ".join(code(source) for source in sorted(facts.sources)) + "."
    )


def _lineage(facts: CardFacts) -> str:
    rows = [[text(name), code(value)] for name, value in sorted(facts.lineage.items())]
    rows += [[f"file {text(name)}", code(value)] for name, value in sorted(facts.files.items())]
    intro = "The same inputs, project and vault give the same bytes."
    return f"{intro}\n\n{table(['What', 'Hash'], rows)}" if rows else intro


def _limits(facts: CardFacts) -> str:
    always = [
        "Rows that the sources did not send, or that are in quarantine, are missing here.",
        "A pattern in past decisions is no reason to repeat them: check a model for unequal treatment before you "
        "use it.",
        "Do not join the dataset with other data about the same people: the k-anonymity does not survive that.",
    ]
    return "\n".join(f"- {text(limit)}" for limit in [*facts.limits, *always])


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=True)


def _size(rows: int) -> str:
    return next((name for limit, name in (*_SIZES, *_LARGER) if rows < limit), "n>1B")
