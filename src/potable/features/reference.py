"""The language as a page of Markdown, from the same tables the language is checked and computed with.

Entry: `reference(operators)`; the documentation is generated from it, so it cannot lag behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from potable.features.aggregates import AGGREGATES
from potable.features.expressions import FUNCTIONS, Function
from potable.features.plan import AS_OF, BUILT_IN, OutputOperator

RULES: Mapping[str, str] = {
    "visibility": "`time < as_of - embargo` (the cut) and `known < as_of`, both strict",
    "window": "half-open `[cut - DUR, cut)`; `mo`, `q` and `y` are calendar steps, month ends clamp; `before DUR`"
    " moves the end back, and the steps of both are added up before they are taken",
    "order": "visible, corrections, where, in, last N, aggregate",
    "ties": "time, then known, then the declared `order`, newest first; still tied and different is an error (D004)",
    "corrections": "of records with the same unique key the newest visible `known` wins; a version that puts the record"
    " off to the cut or later is not visible, so until then the one before it counts, though it was known to be wrong",
    "latest(x)": "value of the newest row, null if that is null",
    "nulls": "values that are null are ignored; if all are, the result is null, and 0 for `count(x)` and `distinct(x)`;"
    " what is calculated with null is null, except by `coalesce`, `greatest`, `least` and `is null`; `false and null`"
    " is false, `true or null` true; a condition that is null does not hold",
    "empty": "count, distinct and sum give 0 and any gives false only if the source's `coverage` includes the window"
    " (one without a start begins with the source, and must end after that), else null; all others give null",
    "label window": "`[as_of + after, as_of + after + DUR)`; one that runs past the data is unknown: the row is"
    " dropped and counted, never labelled 0; what happens from the as-of date to `as_of + after` is not looked at, so"
    " who leaves in that gap has no event in the window; the dataset's card tells how many rows have such an event",
    "numbers": "sums are exact, with one division at the end, and fractions are rounded to `digits` decimals, halves"
    " up (-2.5 to -2), before any operator or derived feature sees them; sum, avg, stddev, slope, change, median, mode"
    " and distinct read floats to `digits` decimals, too",
    "division": "by zero gives null",
    "several labels": "all are columns; the last one declared may not be null, and is the one that balance, groups and"
    " card tell of",
    "no label": "`label: {}`, and rows that are to be scored (`run --as-of DATE --scoring`)",
    "current-state tables": "a table without `time` shows today's values: only columns declared `static` are allowed;"
    " of several records of a person the one `known` last counts, then the declared `order`; without either they must"
    " agree",
    "ends": "the end of `during` is filled in later; features may read it of the rows' table only where `known` is a"
    " column. Other columns that are filled in later are told by `health: hindsight`, as soon as records land again:"
    " declare `known` so that it holds for them",
    "several employments": "of those that run at the as-of date and for which `rows.where` holds, tenure is that of the"
    " one that began last",
    "rows": "one row per eligible subject, checked in every build",
}
"""The rules of time and emptiness, as tested one by one."""
CLAUSES: Mapping[str, str] = {
    "last N": "only the newest N rows",
    "first N": "only the oldest N rows",
    "in DUR": "only rows of the last DUR before the cut",
    "before DUR": "only rows older than DUR before the cut",
    "in next DUR": "labels: only rows of the DUR that starts after the as-of date",
    "after DUR": "labels: the window starts DUR after the as-of date",
    "where …": "only rows for which it holds",
    "else literal": "in place of null",
    "from table": "labels: the table",
}
EXPRESSIONS: Mapping[str, str] = {
    "+ - * /": "arithmetic; of whole numbers too, `/` gives a fraction",
    "= != < <= > >=": "comparison; texts are written `'in quotes'`, dates as texts: `'2020-01-31'`; texts"
    " are in order of their signs' code points, words with `levels` only by `level(column)`",
    "and or not": "of truth values; `not` binds tighter than `and`, and that than `or`",
    "x in ('a', 'b')": "whether it is one of them; also `x not in (…)`",
    "x is null": "whether there is no value; also `x is not null`",
    "`odd name`": "a column whose name is no plain word, in backticks",
}
"""What calculates with columns and values, in arguments, `where` and `derived`."""
RECIPES: Mapping[str, str] = {
    "days_since() first 1": "days since the first event",
    "max(days_between(at, as_of)) last 3": "days since the third last event, or since the first where there are fewer",
    "first(x) last 2": "the value before the latest, or the only one",
    "avg(if(severity = 'high', 1, 0)) in 6mo": "the share of events that are so",
    "distinct(year(at) * 12 + month(at)) in 12mo": "in how many months something happened",
    "sum(x) in 1mo before 1mo": "the month before the last; beside `sum(x) in 1mo`, a change in `derived`",
}
"""What is often asked for and has no word of its own; `at` is the table's time."""
_EMPTY = {"zero": "0", "false": "false", "null": "null"}


def reference(operators: Mapping[str, OutputOperator]) -> str:
    """Markdown of clauses, aggregates, expressions, functions, built-ins, operators, recipes and rules."""
    sections = [
        ("Form", ["`agg(expr) {clause …} {| operator(…)}`; DUR is `30d 2w 12mo 4q 5y`"]),
        ("Clauses", _table(("clause", "meaning"), ((f"`{name}`", text) for name, text in CLAUSES.items()))),
        ("Aggregates", _table(("aggregate", "meaning", "gives", "empty", "example"), _aggregates())),
        ("Expressions", _table(("written", "meaning"), _expressions())),
        ("Functions", _table(("function", "meaning", "gives"), _functions())),
        ("Built-ins", _table(("name", "meaning", "gives"), _built_ins())),
        ("Operators", _table(("operator", "meaning", "takes", "gives", "example"), _operators(operators))),
        ("Recipes", _table(("written", "gives"), ((f"`{form}`", text) for form, text in RECIPES.items()))),
        ("Rules", _table(("question", "rule"), RULES.items())),
    ]
    return "\n\n".join(f"## {title}\n\n" + "\n".join(lines) for title, lines in sections) + "\n"


def _built_ins() -> Iterator[tuple[str, str, str]]:
    meanings = {
        AS_OF: "the row's as-of date",
        "tenure_days": "calendar days since the running employment began",
        "tenure_months": "complete months since then; from the 31st of January to the 29th of February is one",
        "tenure_years": "complete years since then",
        "first_tenure_months": "complete months since the first employment began that was known then, running or over",
    }
    return ((f"`{name}`", meanings[name], kind.kind) for name, kind in BUILT_IN.items())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *escaped]]


def _aggregates() -> Iterable[Sequence[str]]:
    for name, spec in AGGREGATES.items():
        gives = spec.result.kind if spec.result else "the kind of its value"
        yield f"`{name}`", spec.meaning, gives, _EMPTY[spec.empty], f"`{spec.example}`"


def _expressions() -> Iterable[Sequence[str]]:
    for form, meaning in EXPRESSIONS.items():
        yield f"`` {form} ``", meaning


def _functions() -> Iterable[Sequence[str]]:
    for name, function in FUNCTIONS.items():
        yield f"`{name}({_parameters(function)})`", function.meaning, _RESULTS.get(function.result, function.result)


_RESULTS = {"first": "the kind of the first", "common": "the kind they share"}


def _parameters(function: Function) -> str:
    return ", ".join(function.parameters) + (", …" if function.many else "")


def _operators(operators: Mapping[str, OutputOperator]) -> Iterable[Sequence[str]]:
    for name, operator in operators.items():
        gives = "the same" if operator.gives == "same" else operator.gives
        yield f"`{name}`", operator.meaning, ", ".join(sorted(operator.accepts)), gives, f"`{operator.example}`"
