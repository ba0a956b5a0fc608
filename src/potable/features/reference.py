"""The language as a page of Markdown, from the same tables the language is checked and computed with.

Entry: `reference(operators)`; the documentation is generated from it, so it cannot lag behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from potable.features.aggregates import AGGREGATES
from potable.features.functions import FUNCTIONS, Function
from potable.features.plan import AS_OF, BUILT_IN, OutputOperator

RULES: Mapping[str, str] = {
    "visibility": "`time < as_of - embargo` (the cut) and `known < as_of`, both strict",
    "window": "half-open `[cut - DUR, cut)`; `mo`, `q` and `y` are calendar steps, and month ends are clamped; "
    "`before DUR` moves the end back (both durations are added first)",
    "order": "visible, corrections, `previous`, where, in, last N, aggregate",
    "ties": "newest first, by time, then known, then the declared `order`; if records are still tied and differ, "
    "it is an error (D004)",
    "corrections": "of records with the same unique key, the newest visible `known` wins, of equal ones the greatest "
    "`order`; a version that moves the record to the cut or later is not visible, so the version before it still "
    "counts",
    "latest(x)": "value of the newest row; null if that value is null",
    "nulls": "null values are ignored; if all are null, the result is null (0 for `count(x)` and `distinct(x)`); "
    "an expression with a null is null, except with `coalesce`, `greatest`, `least` and `is null`; `false "
    "and null` is false, `true or null` is true; a condition that is null does not hold",
    "empty": "of no row that `where` and the window leave: count, distinct, sum and streak give 0, and any gives "
    "false, only if the source's `coverage` includes the window (a window without a start begins with the source and "
    "must end after that), else null; all other aggregates give null. So where as-of dates begin sooner than "
    "`coverage` and the window together, 0 is null and 1 is 1: `check` names these features",
    "label window": "`[as_of + after, as_of + after + DUR)`; if it runs past the data, the label is unknown: the row "
    "is dropped and counted, never labelled 0; events between the as-of date and `as_of + after` are "
    "ignored, so somebody who leaves in that gap has no event in the window; the dataset's card "
    "reports how many rows have such an event",
    "numbers": "sums are exact, with one division at the end; fractions are rounded to `digits` decimals, halves "
    "up (-2.5 to -2), before an operator or derived feature reads them; sum, avg, stddev, slope, "
    "change, median, mode and distinct read floats to `digits` decimals, too",
    "division": "by zero gives null",
    "several labels": "each is a column; the last one declared may not be null (`latest(kind) … else 'none'`), and "
    "balance, groups and card refer to it",
    "no label": "`label: {}`, and rows to be scored (`run --as-of DATE --scoring`)",
    "current-state tables": "a table without `time` shows today's values, so only columns "
    "declared `static` are allowed; of "
    "several records of a person the one with the latest `known` counts, then the declared `order`; "
    "without either they must agree",
    "ends": "the end of `during` is filled in later, so features of the rows' table may read it only if `known` is "
    "a column. Other columns that are filled in later are reported by `health: hindsight`, as soon as records land "
    "again, or days in one landing show it: declare `known` so that it holds for them",
    "states": "where the `unique` of the rows' table contains its `time`, and that is not the start of "
    "`during`, each record is a state of an employment or contract (a monthly copy, a history of tariffs): of those "
    "visible with the same start, and the same other columns of `unique`, the latest counts",
    "several that run": "tenure is that of the employment (contract, stay) that began last, of those that run "
    "at the as-of date and meet "
    "`rows.where`",
    "rows": "one row per eligible subject, checked in every build",
}
"""The rules of time and emptiness, as tested one by one."""
CLAUSES: Mapping[str, str] = {
    "last N": "only the newest N rows",
    "first N": "only the oldest N rows",
    "in DUR": "only rows of the last DUR before the cut",
    "before DUR": "only rows older than DUR before the cut",
    "in next DUR": "labels: only rows in the DUR that starts after the as-of date",
    "after DUR": "labels: the window starts DUR after the as-of date",
    "where …": "only rows for which the condition holds",
    "else literal": "value to use instead of null",
    "from table": "labels: the table",
}
EXPRESSIONS: Mapping[str, str] = {
    "+ - * /": "arithmetic; `/` of two whole numbers gives a fraction",
    "= != < <= > >=": "comparison; texts are written `'in quotes'`, dates as texts: "
    "`'2020-01-31'`; texts are ordered by "
    "the code points of their characters, words with `levels` only through `level(column)`",
    "and or not": "logic; `not` binds tighter than `and`, and `and` tighter than `or`",
    "x in ('a', 'b')": "whether the value is in the list; also `x not in (…)`",
    "x is null": "whether the value is missing; also `x is not null`",
    "`odd name`": "a column whose name contains other characters, in backticks",
}
"""What calculates with columns and values, in arguments, `where` and `derived`."""
RECIPES: Mapping[str, str] = {
    "days_since() first 1": "days since the first event",
    "max(days_between(at, as_of)) last 3": "days since the third last event, or since the first where there are fewer",
    "first(x) last 2": "the value before the latest, or the only one",
    "avg(if(severity = 'high', 1, 0)) in 6mo": "share of events with a property",
    "count() where grade != previous(grade)": "number of changes, where a table has a record per month or per state",
    "days_since() where grade != previous(grade)": "days since the last change; null if there was none",
    "max(days_between(previous(at), at)) in 12mo": "longest time between two events",
    "count() where level(grade) > level(previous(grade))": "number of promotions",
    "max(gross / previous(gross) - 1) in 24mo": "largest raise",
    "distinct(year(at) * 12 + month(at)) in 12mo": "number of months in which something happened",
    "sum(x) in 1mo before 1mo": "the month before the last one; with `sum(x) in 1mo`, a change can be "
    "calculated under `derived`",
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
        "tenure_days": "calendar days since the running employment (contract, membership, stay) began",
        "tenure_months": "complete months since then; from 31 January to 29 February is one",
        "tenure_years": "complete years since then",
        "first_tenure_months": "complete months since the subject's first one known then began, running or ended",
    }
    return ((f"`{name}`", meanings[name], kind.kind) for name, kind in BUILT_IN.items())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *escaped]]


def _aggregates() -> Iterable[Sequence[str]]:
    for name, spec in AGGREGATES.items():
        gives = spec.result.kind if spec.result else "the type of its value"
        yield f"`{name}`", spec.meaning, gives, _EMPTY[spec.empty], f"`{spec.example}`"


def _expressions() -> Iterable[Sequence[str]]:
    for form, meaning in EXPRESSIONS.items():
        yield f"`` {form} ``", meaning


def _functions() -> Iterable[Sequence[str]]:
    for name, function in FUNCTIONS.items():
        yield f"`{name}({_parameters(function)})`", function.meaning, _RESULTS.get(function.result, function.result)


_RESULTS = {"first": "the type of the first", "common": "the type they share"}


def _parameters(function: Function) -> str:
    return ", ".join(function.parameters) + (", …" if function.many else "")


def _operators(operators: Mapping[str, OutputOperator]) -> Iterable[Sequence[str]]:
    for name, operator in operators.items():
        gives = "the same" if operator.gives == "same" else operator.gives
        yield f"`{name}`", operator.meaning, ", ".join(sorted(operator.accepts)), gives, f"`{operator.example}`"
