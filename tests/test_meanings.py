"""What keys of declarations mean: the texts below them, in schemas and in no other way."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import Field

from potable.declarations import Declaration
from potable.meanings import meanings

T = TypeVar("T")


class Base(Declaration, Generic[T]):
    size: int = 0
    """How large
    it is."""
    other: str = Field("", alias="else")
    """What else."""


class Below(Base[int]):
    size: int = 1
    """How large this one is."""
    bare: int = 0

    def not_below(self) -> None:
        """Of a method."""


def of_fields(model: type[Declaration]) -> dict[str, str]:
    return {name: text for name, text in meanings(model).items() if name in model.model_fields}


def test_meanings_are_what_stands_below_also_in_classes_it_is_derived_from() -> None:
    assert of_fields(Below) == {"size": "How large this one is.", "other": "What else."}
    assert of_fields(Base[int]) == {"size": "How large\nit is.", "other": "What else."}


def test_a_schema_says_what_its_keys_mean() -> None:
    properties = Below.model_json_schema()["properties"]
    assert {key: value.get("description") for key, value in properties.items()} == {
        "size": "How large this one is.",
        "else": "What else.",
        "bare": None,
    }


def test_what_no_source_is_of_has_no_meanings() -> None:
    namespace: dict[str, object] = {"Declaration": Declaration, "__name__": "nowhere"}
    exec("class Made(Declaration):\n    a: int\n    'unread'\n", namespace)
    made = namespace["Made"]
    assert isinstance(made, type) and issubclass(made, Declaration) and of_fields(made) == {}
