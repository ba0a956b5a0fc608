"""Operators: what an output column can pass on its way out, so that it says less about a person.

`privacy.yaml` names, per category, the operators after which a column may be published; features write
them as `| name(arguments)`. An operator is row-wise and deterministic: the same value gives the same
result on every engine. `words` only renames and is no protection. Entry: `OPERATORS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from potable.engines.rounding import halves_up

if TYPE_CHECKING:
    import ibis.expr.types as ir

Arguments = Mapping[str, object]
_NUMBERS = frozenset({"integer", "float"})
OTHER = "other"
"""What `generalise` makes of a value its map does not name."""


@dataclass(frozen=True)
class Operator:
    """One operator of the output language."""

    name: str
    apply: Callable[[ir.Value, Arguments], ir.Value]
    """The operator as an Ibis expression; null stays null."""
    arguments: Mapping[str, str]
    """Argument names with their meaning; the first may be given without its name, `*` stands for any name."""
    example: str
    meaning: str
    accepts: frozenset[str]
    """Kinds of values it takes."""
    gives: str
    """Kind it gives, or `same`."""
    problem: Callable[[Arguments, str], str]
    """What is wrong with the arguments for a value of this kind, or an empty string."""


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _float(value: object) -> ir.FloatingScalar:
    import ibis

    assert isinstance(value, int | float)
    return ibis.literal(float(value), type="float64")


# band


def band_labels(edges: Sequence[float]) -> list[str]:
    """Default labels: `<30000`, `30000-60000`, `>=60000`; a band holds its lower edge, not its upper."""
    between = [f"{_text(low)}-{_text(high)}" for low, high in pairwise(edges)]
    return [f"<{_text(edges[0])}", *between, f">={_text(edges[-1])}"]


def _band(value: ir.Value, arguments: Arguments) -> ir.Value:
    import ibis

    edges: Sequence[float] = arguments["edges"]  # type: ignore[assignment]
    labels: Sequence[str] = arguments.get("labels") or band_labels(edges)  # type: ignore[assignment]
    below = [(value < _float(edge), label) for edge, label in zip(edges, labels, strict=False)]
    return ibis.cases(*below, (value.notnull(), labels[-1]), else_=ibis.null("string"))


def _band_problem(arguments: Arguments, kind: str) -> str:
    edges, labels = arguments.get("edges"), arguments.get("labels")
    if not isinstance(edges, tuple) or not edges or not all(map(_number, edges)):
        return "`edges` must be a list of numbers"
    if any(low >= high for low, high in pairwise(edges)):
        return "`edges` must be in rising order"
    if labels is not None and (not isinstance(labels, tuple) or len(set(labels)) != len(edges) + 1):
        return f"`labels` must be a list of {len(edges) + 1} different words, one more than `edges`"
    if labels is not None and not all(isinstance(label, str) for label in labels):
        return "`labels` must be words"
    return ""


# round


def _round(value: ir.Value, arguments: Arguments) -> ir.Value:
    step = arguments["step"]
    assert isinstance(step, int | float)
    inverse = round(1 / step)
    if step < 1 and inverse * step == 1:
        rounded = halves_up(value * _float(inverse)) / _float(inverse)
    else:
        rounded = halves_up(value / _float(step)) * _float(step)
    return rounded.cast("int64") if value.type().is_integer() else rounded


def _round_problem(arguments: Arguments, kind: str) -> str:
    step = arguments.get("step")
    if not _number(step) or step <= 0:  # type: ignore[operator]
        return "`step` must be a number above 0"
    if kind == "integer" and not float(step).is_integer():  # type: ignore[arg-type]
        return "`step` must be a whole number, because the value is an integer"
    return ""


# clip


def _clip(value: ir.Value, arguments: Arguments) -> ir.Value:
    import ibis

    low, high = arguments.get("min"), arguments.get("max")
    kind = value.type()
    cases = [(value < _float(low), ibis.literal(low, kind))] if low is not None else []
    cases += [(value > _float(high), ibis.literal(high, kind))] if high is not None else []
    return ibis.cases(*cases, else_=value)


def _clip_problem(arguments: Arguments, kind: str) -> str:
    given = [arguments[name] for name in ("min", "max") if arguments.get(name) is not None]
    if not given or not all(map(_number, given)):
        return "give `min`, `max` or both, as numbers"
    if len(given) == 2 and given[0] >= given[1]:  # type: ignore[operator]
        return "`min` must be below `max`"
    if kind == "integer" and not all(isinstance(bound, int) for bound in given):
        return "the bounds must be whole numbers, because the value is an integer"
    return ""


# generalise


def _generalise(value: ir.Value, arguments: Arguments) -> ir.Value:
    import ibis

    prefix = arguments.get("prefix")
    if isinstance(prefix, int):
        return value.left(prefix)
    groups: Mapping[str, str] = arguments["map"]  # type: ignore[assignment]
    other = arguments.get("other", OTHER)
    named = [(value == word, group) for word, group in groups.items()]
    return ibis.cases(*named, (value.notnull(), other), else_=ibis.null("string"))


def _generalise_problem(arguments: Arguments, kind: str) -> str:
    groups, prefix = arguments.get("map"), arguments.get("prefix")
    if (groups is None) == (prefix is None):
        return "give either `map` or `prefix`"
    if prefix is not None and (type(prefix) is not int or prefix < 1 or "other" in arguments):
        return "`prefix` must be a number of characters from 1, and cannot be combined with other arguments"
    if groups is not None and not _words_of(groups):
        return "`map` must give the group of each word: {Delhi: 'North', Chennai: 'South'}"
    return "" if isinstance(arguments.get("other", OTHER), str) else "`other` must be a word"


def _words_of(groups: object) -> bool:
    return isinstance(groups, Mapping) and bool(groups) and all(isinstance(word, str) for word in groups.values())


# year


def _year(value: ir.Value, arguments: Arguments) -> ir.Value:
    return value.year().cast("int64")


def _no_arguments(arguments: Arguments, kind: str) -> str:
    return "this operator takes no arguments" if arguments else ""


# words


def _words(value: ir.Value, arguments: Arguments) -> ir.Value:
    import ibis

    if value.type().is_boolean():
        return ibis.cases((value, arguments["true"]), (~value, arguments["false"]), else_=ibis.null("string"))
    renamed = [(value == word, new) for word, new in arguments.items()]
    return ibis.cases(*renamed, else_=value)


def _words_problem(arguments: Arguments, kind: str) -> str:
    if not _words_of(arguments):
        return "give a word for each value: true='Yes', false='No'"
    if kind == "boolean" and set(arguments) != {"true", "false"}:
        return "give one word for `true` and one for `false`, and nothing else"
    return ""


OPERATORS: Mapping[str, Operator] = {
    operator.name: operator
    for operator in (
        Operator(
            "band", _band,
            {"edges": "rising edges; a band includes its lower edge", "labels": "words, one more than the edges"},
            "band([25, 35, 45])", "the half-open band that contains the number: `<25`, `25-35`, `35-45`, `>=45`",
            _NUMBERS, "string", _band_problem,
        ),
        Operator(
            "round", _round, {"step": "distance between the rounded values"},
            "round(1000)", "the nearest multiple of `step`, halves up", _NUMBERS, "same", _round_problem,
        ),
        Operator(
            "clip", _clip, {"min": "largest value to keep", "max": "smallest value to keep"},
            "clip(min=0, max=40)", "values beyond a bound are replaced by the bound", _NUMBERS, "same", _clip_problem,
        ),
        Operator(
            "generalise", _generalise,
            {
                "map": "group of each word; words not listed become `other`",
                "prefix": "number of first characters to keep",
                "other": "group of all other words",
            },
            "generalise({Delhi='North', Chennai='South'})", "the group of the word", frozenset({"string"}),
            "string", _generalise_problem,
        ),
        Operator(
            "year", _year, {}, "year", "the year of a date", frozenset({"date", "timestamp"}), "integer",
            _no_arguments,
        ),
        Operator(
            "words", _words, {"*": "the word for each value"},
            "words(true='Left', false='Stayed')", "other words for true/false or words; protects nothing",
            frozenset({"boolean", "string"}), "string", _words_problem,
        ),
    )
}  # fmt: skip
"""All operators by name."""
PROTECTING = frozenset(OPERATORS) - {"words"}
"""Those that can take a category off: what they give says less than what they took."""
