"""Contracts as the Open Data Contract Standard 3.1 writes them.

What the standard has a word for stands in that word: names, types, required, primary keys, classification, ranges
and patterns. Checks are quality rules of the engine `greatExpectations`. All else of a contract stands in
`customProperties` named `potable…`, so that what was exported is imported (`odcs_import`) as it was.

Entry: `to_odcs`; `require_odcs` checks a document against the standard's JSON schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

from potable.errors import MissingExtra, Place, ProjectError

VERSION = "v3.1.0"
ENGINE = "greatExpectations"
PREFIX = "potable"
_LOGICAL = {
    "string": "string",
    "integer": "integer",
    "float": "number",
    "decimal": "number",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
}
_VIOLATIONS = 5
"""Most violations of the standard that are told."""
_BETWEEN = "expect_column_values_to_be_between"
_REGEX = "expect_column_values_to_match_regex"
_LENGTHS = "expect_column_value_lengths_to_be_between"
OPTIONS: Sequence[tuple[str, Mapping[str, Mapping[str, Any]]]] = (
    (_BETWEEN, {"minimum": {"min_value": None}, "maximum": {"max_value": None},
                "exclusiveMinimum": {"min_value": None, "strict_min": True},
                "exclusiveMaximum": {"max_value": None, "strict_max": True}}),
    (_LENGTHS, {"minLength": {"min_value": None}, "maxLength": {"max_value": None}}),
    (_REGEX, {"pattern": {"regex": None}}),
)  # fmt: skip
"""Options of a logical type, with the check and the arguments that say the same; None stands for the value."""


def to_odcs(
    head: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]], *, version: str = "1.0.0"
) -> dict[str, Any]:
    """A document of the standard for tables as a source's file declares them (literal, references unresolved).

    Args:
        head: keys of the file beside `tables`; `source`, `owner` and `description` are the standard's own.
    """
    own = {key: value for key, value in head.items() if key not in ("source", "description", "owner")}
    out: dict[str, Any] = {
        "apiVersion": VERSION,
        "kind": "DataContract",
        "id": f"urn:potable:{head['source']}",
        "name": head["source"],
        "version": version,
        "status": "active",
    }
    if head.get("description"):
        out["description"] = {"purpose": head["description"]}
    if head.get("owner"):
        out["team"] = {"name": head["owner"]}
    out["schema"] = [_object(name, table) for name, table in tables.items()]
    return {**out, **_custom(own)}


def require_odcs(document: Any, path: str) -> None:
    """Nothing, where a document keeps the JSON schema of the standard 3.1.

    Raises:
        ProjectError: P005, it does not; the error says where.
        MissingExtra: the standard's package is not installed.
    """
    found = sorted(_validator().iter_errors(plain(document)), key=lambda error: error.json_path)
    # where a property is wrong, the schema also calls all properties beside it unexpected
    told = [error for error in found if error.validator != "unevaluatedProperties"] or found
    if told:
        raise ProjectError(
            f"not a valid contract of the Open Data Contract Standard {VERSION}",
            "P005",
            place=Place(path),
            given=_violations(told),
            allowed="what the standard's JSON schema says",
        )


def _violations(errors: Sequence[Any]) -> str:
    """The first violations of a schema, each with its place, and how many more there are."""
    told = [f"`{'/'.join(map(str, error.absolute_path)) or '/'}`: {error.message[:200]}" for error in errors]
    told = [*dict.fromkeys(told)]
    more = [f"{len(told) - _VIOLATIONS} more"] if len(told) > _VIOLATIONS else []
    return "; ".join([*told[:_VIOLATIONS], *more])


@cache
def _validator() -> Any:
    """The standard's own JSON schema, which its package brings."""
    try:
        from jsonschema import Draft201909Validator

        text = resources.files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")
    except ModuleNotFoundError:
        raise MissingExtra("open-data-contract-standard", "odcs") from None
    return Draft201909Validator(json.loads(text))


def plain(value: Any) -> Any:
    """A value as JSON has it: days and moments are texts."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def _object(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    columns: Mapping[str, Any] = table.get("columns") or {}
    unique: Sequence[str] = table.get("unique") or ()
    checks: list[Any] = table.get("checks") or []
    out: dict[str, Any] = {"name": name, "physicalType": "table", "logicalType": "object"}
    out["properties"] = [_property(key, columns[key] or {}, checks, unique) for key in columns]
    if checks:
        out["quality"] = [_rule(check) for check in checks]
    return {
        **out,
        **_custom({key: value for key, value in table.items() if key not in ("columns", "unique", "checks")}),
    }


def _property(name: str, column: Mapping[str, Any], checks: Sequence[Any], unique: Sequence[str]) -> dict[str, Any]:
    out: dict[str, Any] = {"name": name}
    kind = column.get("type")
    if kind:
        out |= {"logicalType": _LOGICAL[kind.partition("(")[0]], "physicalType": kind}
    if name in unique:
        out |= {"primaryKey": True, "primaryKeyPosition": list(unique).index(name) + 1}
    if "required" in column:
        out["required"] = column["required"]
    if column.get("category"):
        out["classification"] = column["category"]
    if options := _options(name, out.get("logicalType", ""), checks):
        out["logicalTypeOptions"] = options
    own = ("type", "required", "category")
    return {**out, **_custom({key: value for key, value in column.items() if key not in own})}


def _options(name: str, logical: str, checks: Sequence[Any]) -> dict[str, Any]:
    """What checks say of a column in the words the standard has for its type; they stand among the rules, too.

    Only a check that its words say wholly, and that is the only one of its kind.
    """
    found: dict[str, Any] = {}
    for expectation, words in OPTIONS:
        given = [check[expectation] for check in checks if (check.get(expectation) or {}).get("column") == name]
        if len(given) == 1:
            wanted = {key: value for key, value in given[0].items() if key != "column"}
            said = {word: _said(arguments, wanted) for word, arguments in words.items() if _fits(word, logical)}
            said = {word: value for word, value in said.items() if value is not None}
            if promised(words, said) == wanted:
                found |= plain(said)
    return found


def promised(words: Mapping[str, Mapping[str, Any]], options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a check that options of a logical type promise."""
    given: dict[str, Any] = {}
    for word, arguments in words.items():
        if word in options:
            given |= {key: options[word] if value is None else value for key, value in arguments.items()}
    return given


def _said(arguments: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    """The value of the option that says these arguments; None where they say something else."""
    own = next(key for key, value in arguments.items() if value is None)
    strict = f"strict_{own.removesuffix('_value')}"
    fits = own in given and given.get(strict) == arguments.get(strict)
    return given[own] if fits and not isinstance(given[own], bool) else None


def _fits(word: str, logical: str) -> bool:
    if word in ("pattern", "minLength", "maxLength"):
        return logical == "string"
    return logical in ("integer", "number", "date", "timestamp")


def _rule(check: Mapping[str, Any]) -> dict[str, Any]:
    ((expectation, given),) = check.items()
    return {"type": "custom", "engine": ENGINE, "implementation": {"type": expectation, "kwargs": given}}


def _custom(own: Mapping[str, Any]) -> dict[str, Any]:
    """What the standard has no word for."""
    if not own:
        return {}
    return {"customProperties": [{"property": _camel(key), "value": value} for key, value in own.items()]}


def _camel(key: str) -> str:
    return PREFIX + "".join(word.capitalize() for word in key.split("_"))
