from potable.features.aggregates import AGGREGATES
from potable.features.functions import FUNCTIONS
from potable.features.language import parse
from potable.features.reference import CLAUSES, EXPRESSIONS, reference
from potable.privacy.operators import OPERATORS


def test_everything_of_the_language_is_in_the_reference() -> None:
    text = reference(OPERATORS)
    for name in [*AGGREGATES, *OPERATORS, *CLAUSES]:
        assert f"| `{name}`" in text
    for name in FUNCTIONS:
        assert f"| `{name}(" in text
    written = " ".join(EXPRESSIONS).split()
    for sign in ["+", "-", "*", "/", "=", "!=", "<", "<=", ">", ">=", "and", "or", "not", "in", "is"]:
        assert sign in written
    assert all(f"| `` {form} `` |" in text for form in EXPRESSIONS)


def test_the_examples_of_the_reference_parse() -> None:
    for name, spec in AGGREGATES.items():
        assert parse(spec.example, AGGREGATES).aggregate == name
    for name, operator in OPERATORS.items():
        assert parse(f"latest(x) | {operator.example}", AGGREGATES).operators[0].name == name
