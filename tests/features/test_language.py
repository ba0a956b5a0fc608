from decimal import Decimal

import pytest

from potable.features.aggregates import AGGREGATES
from potable.features.language import FeatureSyntaxError, parse, parse_condition
from potable.features.tree import Binary, Call, IsNull, Literal, Name, OneOf, OperatorCall, Unary
from potable.tables import Duration


def test_an_aggregate_with_every_clause() -> None:
    text = "avg(n) in 12mo before 1y last 3 where word = 'Low' else 0 | round(step=0.5) | band([1, 2.5])"
    parsed = parse(text, AGGREGATES)
    assert (parsed.aggregate, parsed.argument, parsed.last) == ("avg", Name("n", 4), 3)
    assert (parsed.within, parsed.before) == (Duration(count=12, unit="mo"), Duration(count=1, unit="y"))
    assert parsed.where == Binary("=", Name("word", 38), Literal("Low", 45), 43)
    assert parsed.otherwise == Literal(0, 56)
    assert parsed.operators == (
        OperatorCall("round", (("step", 0.5),), 60),
        OperatorCall("band", ((None, (1, 2.5)),), 78),
    )


def test_a_label_names_its_window_and_table() -> None:
    parsed = parse("any() in next 12mo after 1mo where kind = 'voluntary' from hrms.exits", AGGREGATES)
    assert (parsed.argument, parsed.table) == (None, "hrms.exits")
    assert (str(parsed.ahead), str(parsed.after)) == ("12mo", "1mo")


def test_in_with_a_list_is_a_comparison_and_with_a_span_a_window() -> None:
    parsed = parse("count() where word in ('a', 'b') in 30d", AGGREGATES)
    assert isinstance(parsed.where, OneOf) and str(parsed.within) == "30d"
    negated = parse_condition("n not in (1, 2)")
    assert isinstance(negated, OneOf) and negated.negated


def test_operators_bind_as_usual() -> None:
    assert parse_condition("a + b * -c < 4 and not d or e is not null") == Binary(
        "or",
        Binary(
            "and",
            Binary(
                "<",
                Binary("+", Name("a"), Binary("*", Name("b", 4), Unary("-", Name("c", 9), 8), 6), 2),
                Literal(4, 13),
                11,
            ),
            Unary("not", Name("d", 23), 19),
            15,
        ),
        IsNull(Name("e", 28), True, 30),
        25,
    )


def test_literals_and_quoted_names() -> None:
    calls = parse_condition("coalesce(`last`, 1.50, \"it's\", 'a''b', true, null)")
    assert isinstance(calls, Call)
    values = [item.value for item in calls.arguments[1:] if isinstance(item, Literal)]
    assert calls.arguments[0] == Name("last", 9)
    assert values == [Decimal("1.50"), "it's", "a'b", True, None]


def test_operator_arguments_may_be_lists_and_maps() -> None:
    parsed = parse("value(g) | words(true='Left', 'Very High': 'top') | generalise({a: 'x', 'b c'='y'})", AGGREGATES)
    assert parsed.operators[0].arguments == (("true", "Left"), ("Very High", "top"))
    assert parsed.operators[1].arguments == ((None, {"a": "x", "b c": "y"}),)


@pytest.mark.parametrize(
    ("text", "at", "problem"),
    [
        ("avg(n", 5, "ends too early"),
        ("avg(n) last 0", 12, "whole number from 1"),
        ("avg(n) last 2.5", 12, "whole number from 1"),
        ("avg(n) last -3", 12, "whole number from 1"),
        ("avg(n) in 0d", 10, "longer than zero"),
        ("avg(n) in 12", 10, "is not a duration"),
        ("avg(n) in 12mo in 6mo", 15, "given twice"),
        ("avg(n) / 2", 7, "under `derived`"),
        ("avg(n) by word", 7, "`by` is not supported"),
        ("avg(n) else n", 12, "only a literal"),
        ("avg(n) where word = ", 20, "ends too early"),
        ("avg(n) in 12m", 10, "`12m` is neither a number nor a duration"),
        ("count() where a = 1 AND b = 2", 20, "unexpected `AND`: keywords are written in lower case"),
        ("avg(n) #", 7, "is not allowed here"),
        ("count() where day > as_of - 30d", 28, "`30d` is a duration, which no expression can hold"),
        ("avg(n) nonsense", 7, "unexpected `nonsense`"),
        ("avg(n) | round(1", 16, "ends too early"),
        ("a = ) b", 4, "unexpected `)`"),
        ("", 0, "ends too early"),
    ],
)
def test_what_does_not_parse_is_told_with_its_place(text: str, at: int, problem: str) -> None:
    with pytest.raises(FeatureSyntaxError) as failure:
        parse(text, AGGREGATES)
    assert problem in failure.value.problem
    assert failure.value.at == at


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("count(*)", "`count()`"),
        ("count() where n between 1 and 3", "`x >= 1 and x <= 3`"),
        ("any(n > 3 & flag)", "`and`"),
        ("avg(n) over 90d", "`in 90d` or `last 3`"),
        ("avg(n) fillna 0", "`else 0`"),
        ("case when n > 1 then 2 end", "`if(condition, a, b)`"),
        ("count() where word in 'Low'", "values are listed in parentheses: `in ('Low')`"),
        ("avg(n) in 12m", "`mo` are months"),
        ("avg(n) in 12h", "`30d 2w 12mo 4q 5y`"),
    ],
)
def test_words_of_other_languages_are_told_with_what_to_write(text: str, allowed: str) -> None:
    with pytest.raises(FeatureSyntaxError) as failure:
        parse(text, AGGREGATES)
    assert allowed in failure.value.allowed
