"""JSON Schemas of the project files, by which an editor completes and checks them.

They are made from the declarations and the connectors that are installed, so they know a connector of one's own
too. The dialect is draft 7, which editors' YAML servers read. What a schema cannot say (that a column is declared,
say) `potable check` says.

Entry: `schemas`; `write` puts them beside a project, `marked` puts the line into a file that names its schema.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from potable import plugins
from potable.cli.settings import writing
from potable.contracts.arguments import TYPES
from potable.contracts.custom import Custom, classes
from potable.contracts.vocabulary import EXPECTATIONS, NO_CONDITION, Argument, Expectation
from potable.deployment import Platform
from potable.errors import MissingExtra, PotableError
from potable.features.declaration import FeatureSet
from potable.privacy.categories import CATEGORIES
from potable.privacy.operators import OPERATORS
from potable.privacy.policy import Policy
from potable.projectfiles import own_variables, read

FOLDER = ".schemas"
"""Where a project keeps them, for editors only."""
_DIALECT = "http://json-schema.org/draft-07/schema#"
_SCALAR: Mapping[str, Any] = {"type": ["string", "number", "boolean", "null"]}
_TEXT: Mapping[str, Any] = {"type": "string"}
_TEXTS: Mapping[str, Any] = {"type": "array", "items": _TEXT}
_KINDS: Mapping[str, Mapping[str, Any]] = {
    "any": {},
    "column": _TEXT,
    "columns": {**_TEXTS, "minItems": 2},
    "flag": {"type": ["boolean", "null"]},
    "text": _TEXT,
    "texts": {"anyOf": [_TEXTS, {"type": "null"}]},
    "number": {"type": ["number", "null"]},
    "count": {"type": ["integer", "null"]},
    "value": _SCALAR,
    "values": {"anyOf": [{"type": "array", "items": _SCALAR}, {"type": "null"}]},
    "pairs": {"type": ["array", "null"], "items": {"type": "array", "minItems": 2, "maxItems": 2, "items": _SCALAR}},
    "regex": _TEXT,
    "query": {**_TEXT, "pattern": r"\{batch\}"},
    "regexes": {**_TEXTS, "minItems": 1},
    "like": _TEXT,
    "likes": {**_TEXTS, "minItems": 1},
    "escape": {"type": ["string", "null"], "maxLength": 1},
    "interpolation": {"enum": [False, None, "nearest", "linear", "lower", "higher", "midpoint"]},
    "strftime_format": _TEXT,
    "json_schema": {"type": "object"},
    "quantile_ranges": {"type": "object", "required": ["quantiles", "value_ranges"]},
    "partition_object": {"type": "object", "required": ["weights"]},
}
"""What an argument of each kind takes."""
ARGUMENTS: Mapping[str, str] = {
    "column": "Column to check.",
    "column_A": "First column of the pair.",
    "column_B": "Second column of the pair.",
    "column_list": "Columns to check.",
    "column_set": "Column names, in any order.",
    "column_index": "Position of the column, from 0.",
    "min_value": "Lower bound. [default: none]",
    "max_value": "Upper bound. [default: none]",
    "strict_min": "Whether the lower bound itself fails.",
    "strict_max": "Whether the upper bound itself fails.",
    "value_set": "Allowed (or forbidden) values.",
    "value_pairs_set": "Allowed pairs of values.",
    "value": "The number it must equal.",
    "regex": "Regular expression (RE2) to find in the value.",
    "regex_list": "Regular expressions (RE2) to find in the value.",
    "match_on": "Whether any or all of the expressions must match.",
    "like_pattern": "SQL LIKE pattern: % is any text, _ is any character.",
    "like_pattern_list": "SQL LIKE patterns.",
    "escape": "Escape character for % and _.",
    "json_schema": "JSON schema the text must conform to.",
    "strftime_format": "strptime format the text must have.",
    "or_equal": "Whether equal values pass.",
    "ignore_row_if": "Which rows to ignore.",
    "sum_total": "Required sum of the columns in a row.",
    "strictly": "Whether a value equal to the previous one fails.",
    "unexpected_rows_query": "SELECT that returns the rows nobody expects; it reads from `{batch}`.",
    "threshold": "Largest value that passes.",
    "double_sided": "Whether values far below the mean are outliers, too.",
    "multiplier": "Number of spreads from the centre from which a value is an outlier.",
    "method": "`iqr` measures from the quartiles, `std` from the mean.",
    "quantile_ranges": "`quantiles`, and one range in `value_ranges` for each.",
    "allow_relative_error": "How to interpolate a quantile that falls between two values.",
    "ties_okay": "Whether several values may be tied as the most common.",
    "partition_object": "Expected distribution: `values` or `bins`, and `weights`.",
    "tail_weight_holdout": "Weight reserved for values outside the bins.",
    "internal_weight_holdout": "Weight reserved for bins without weight.",
    "bucketize_data": "Whether values are grouped into the bins.",
    "type_": "Name of a type, as contracts, pandas, SQL or Spark write it.",
    "type_list": "Names of types.",
    "other_table_name": "The other table, as `source.table`.",
    "other_column": "Column of the other table. [default: the same name]",
    "other_column_list": "Columns of the other table. [default: the same names]",
    "exact_match": "Whether the table may have no other columns.",
    "mostly": "Smallest share of the judged values that must pass; if fewer pass, the run stops.",
    "at_most": 'Largest number of rows that may fail: a count such as 100, or a share such as "0.5%"; if more '
    "fail, the run stops.",
    "severity": "What happens on a failure; the first is the default.",
    "row_condition": 'Condition that selects the rows to check: `col("kind") == "a"`.',
    "condition_parser": "Parser of the condition; for `pandas` and `spark` only comparisons with values are read.",
    "meta": "Free notes for readers.",
    "notes": "Free notes for readers.",
}
"""What each argument of an expectation means."""
_ABOUT = {
    "row": "Checks each row by itself.",
    "rows": "Compares rows with each other; a failure quarantines no row.",
    "column": "Checks the column as a whole.",
    "table": "Checks the table as a whole.",
    "key": "Checks that keys exist in another table.",
    "tables": "Compares the table with another one.",
}


def schemas(root: Path | None = None) -> dict[str, dict[str, Any]]:
    """The schemas by kind of file: `potable`, `env`, `source`, `privacy`, `features`.

    Args:
        root: folder of a project, whose plug-ins' expectations are known then too.
    """
    platform = _of(Platform)
    return {
        "potable": platform,
        "env": {key: value for key, value in platform.items() if key != "required"},
        "source": _source(_plugged(root) if root else {}),
        "privacy": _of(Policy),
        "features": _of(FeatureSet),
    }


def write(root: Path) -> list[str]:
    """Write the schemas into the project folder `root`; returns their paths in it."""
    folder = root / FOLDER
    made = {f"{name}.json": json.dumps(schema, indent=1, ensure_ascii=False) for name, schema in schemas(root).items()}
    with writing(FOLDER):
        folder.mkdir(exist_ok=True)
        for name, text in made.items():
            (folder / name).write_text(f"{text}\n", encoding="utf-8")
    return [f"{FOLDER}/{name}" for name in made]


def marked(path: str, text: str) -> str:
    """The text of a project file with the first line that tells editors its schema.

    Args:
        path: the file's path in its project, such as `sources/hrms.yaml`.
    """
    if text.startswith("# yaml-language-server:"):
        return text
    folder, _, file = path.rpartition("/")
    name = {"sources": "source", "envs": "env"}.get(folder, file.removesuffix(".yaml"))
    return f"# yaml-language-server: $schema={'../' if folder else ''}{FOLDER}/{name}.json\n{text}"


@cache
def _of(model: Any) -> dict[str, Any]:
    schema = model.model_json_schema()
    definitions = {"it": {key: value for key, value in schema.items() if key != "$defs"}, **schema.get("$defs", {})}
    made = _sharpened(definitions)
    return {"$schema": _DIALECT, **made.pop("it"), "definitions": made}


def _plugged(root: Path) -> dict[str, Custom]:
    """The expectation classes of a project's plug-ins that run; what is wrong with the others, `check` says."""
    found: dict[str, Custom] = {}
    try:
        document = read(root / "potable.yaml", root=root, environment=own_variables(root))
        for name in document.data.get("plugins") or []:
            found |= classes([plugins.module(root, str(name))])
    except PotableError:
        return {}
    return {name: custom for name, custom in found.items() if not custom.refused}


def _source(customs: Mapping[str, Custom]) -> dict[str, Any]:
    """Files of sources: what their keys are depends on their `type`."""
    models: dict[str, Any] = {}
    absent: list[str] = []
    for name in plugins.names("sources"):
        try:
            models[name] = plugins.load("sources", name)
        except MissingExtra:
            absent.append(name)
    branches, definitions = _connectors(tuple(models.items()))
    return {
        "$schema": _DIALECT,
        "title": "Source",
        "description": "A declared source system and the contracts of its tables.",
        "type": "object",
        "required": ["source", "type", "tables"],
        "properties": {
            "type": {"enum": [*models, *absent], "description": "Kind of system; chooses the connector."},
        },
        "allOf": branches,
        "definitions": {**definitions, "Expectation": _expectations(customs)},
    }


@cache
def _connectors(models: tuple[tuple[str, Any], ...]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What a source of each type is, and the definitions they refer to."""
    refs, top = models_json_schema([(model, "validation") for _, model in models])
    branches = [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": _moved(refs[model, "validation"]),
        }
        for name, model in models
    ]
    return branches, _sharpened(top["$defs"])


def _sharpened(definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Definitions as pydantic makes them, with what our validators know beside them."""
    made = {name: _moved(schema) for name, schema in definitions.items()}
    for name, schema in made.items():
        properties = schema.get("properties", {})
        if name == "Duration":
            made[name] = {"type": "string", "pattern": r"^\+?\d+(d|w|mo|q|y)$", "description": schema["description"]}
        if name == "Column":
            plain = [kind for kind in TYPES if kind != "decimal"]
            properties["type"]["anyOf"] = [{"enum": plain}, {"pattern": r"^decimal\(\d+, *\d+\)$"}]
            properties["category"] = _categories(properties["category"])
        if "checks" in properties and "columns" in properties:
            properties["checks"]["items"] = {"$ref": "#/definitions/Expectation"}
        if "legal_basis" in properties and "rules" in properties:
            properties["rules"]["propertyNames"] = {"enum": [*CATEGORIES]}
        if name in ("Freshness", "Volume", "Rise", "Hindsight"):
            # `freshness: 35d` is short for `freshness: {at_most: 35d}`
            short = {key: item for key, item in properties["at_most"].items() if key not in ("description", "default")}
            made[name] = {"description": schema["description"], "anyOf": [short, schema]}
        if name == "Rule":
            properties["publish"]["anyOf"][1]["items"] = {"enum": sorted(OPERATORS)}
    return made


def _categories(written: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in written.items() if key != "anyOf"}
    return {**kept, "enum": [*CATEGORIES, None], "enumDescriptions": [*CATEGORIES.values(), "not decided yet"]}


def _moved(schema: Any) -> Any:
    """A schema of pydantic in draft 7, in which references may stand where numbers and flags do."""
    if isinstance(schema, list):
        return [_moved(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    out = {key: _moved(value) for key, value in schema.items() if key not in ("title", "$defs")}
    if "$ref" in out:
        out["$ref"] = str(out["$ref"]).replace("#/$defs/", "#/definitions/")
    if "prefixItems" in out:
        out["items"] = out.pop("prefixItems")
    if out.get("type") in ("integer", "number", "boolean") and "enum" not in out:
        out |= {"type": [out["type"], "string"], "pattern": r"^\$\{"}
    return out


def _expectations(customs: Mapping[str, Custom]) -> dict[str, Any]:
    own = {name: _expectation(name, custom.word, custom.defaults) for name, custom in customs.items()}
    return {
        "type": "object",
        "description": "One expectation in Great Expectations' vocabulary, with its arguments.",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
        "properties": {name: _expectation(name, word) for name, word in EXPECTATIONS.items()} | own,
    }


def _expectation(name: str, word: Expectation, given: Collection[str] = ()) -> dict[str, Any]:
    needed = [key for key, argument in word.arguments.items() if argument.needed and key not in given]
    properties = {key: _argument(key, argument) for key, argument in word.arguments.items()}
    return {
        "type": "object" if needed else ["object", "null"],
        "description": _ABOUT[word.kind],
        "required": needed,
        "additionalProperties": False,
        "properties": {**properties, **_common(name, word)},
    }


def _argument(name: str, argument: Argument) -> dict[str, Any]:
    taken: Mapping[str, Any] = {"enum": [*argument.choices]} if argument.kind == "choice" else _KINDS[argument.kind]
    return {**taken, "description": ARGUMENTS.get(name, "Argument of the class.")}


def _common(name: str, word: Expectation) -> dict[str, Any]:
    """Arguments beside its own."""
    found: dict[str, Mapping[str, Any]] = {"severity": {"enum": [*word.severities]}, "meta": {}, "notes": {}}
    if word.counts_rows:
        found["mostly"] = {"type": "number", "minimum": 0, "maximum": 1}
        found["at_most"] = {"type": ["integer", "string"], "minimum": 0, "pattern": r"^\d+(\.\d+)?\s*%$"}
    if not name.startswith(NO_CONDITION):
        found |= {"row_condition": {"type": ["string", "object"]}, "condition_parser": _TEXT}
    return {key: {**taken, "description": ARGUMENTS[key]} for key, taken in found.items()}
