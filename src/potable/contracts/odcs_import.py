"""Contracts of the Open Data Contract Standard taken over, our own exports and those that others wrote.

What has a meaning here becomes columns, keys and checks; the rest is named, so that nobody takes it for kept.

Entry: `from_odcs`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from potable.columns import is_timezone
from potable.contracts.arguments import TYPES
from potable.contracts.odcs import ENGINE, OPTIONS, PREFIX, plain, promised
from potable.contracts.vocabulary import COMMON, EXPECTATIONS

_LOGICAL = {"integer": "integer", "number": "float", "boolean": "boolean", "date": "date", "timestamp": "timestamp"}
_DECIMAL = re.compile(r"(decimal|numeric|number)\((\d+) *, *(\d+)\)")
_DIALECTS = (None, "postgres", "tsql", "bigquery", "snowflake")
"""Whose names of types are known, as sqlglot calls them; the first that knows a name says what it is."""
_ENGINES = {ENGINE.lower(), "great-expectations", "great_expectations", "gx"}
_TAKEN = {"apiVersion", "kind", "id", "name", "version", "status", "description", "team", "schema", "customProperties"}
_UNTAKEN = ("relationships", "properties", "items", "transformLogic", "encryptedName", "authoritativeDefinitions")
_WARNS = ("info", "warning", "warn")
"""Severities of a rule whose failure is only told."""
_LETTERS = re.compile(r"'([^']*)'|([A-Za-z])\2*|[^A-Za-z']")
_DIRECTIVES = {"yyyy": "%Y", "uuuu": "%Y", "yy": "%y", "MMM": "%b", "MM": "%m", "M": "%m", "dd": "%d", "d": "%d",
               "HH": "%H", "H": "%H", "hh": "%I", "h": "%I", "a": "%p", "mm": "%M", "ss": "%S", "SSS": "%f",
               "SSSSSS": "%f", "XXX": "%z", "XX": "%z", "Z": "%z"}  # fmt: skip
"""Letters of the JDK's DateTimeFormatter, which formats of the standard are written in, as strptime has them."""
_ISO = "%Y-%m-%d"
"""How forms begin that need not be declared."""


@dataclass
class Imported:
    """What was taken over from a contract, and what was not."""

    head: dict[str, Any] = field(default_factory=dict)
    """Keys of the source beside its tables."""
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    """What has no meaning here, by name."""


def from_odcs(document: Mapping[str, Any], *, categories: Collection[str]) -> Imported:
    """The tables a document of the standard describes, as a source's file declares them.

    Args:
        categories: classifications that are privacy categories; any other is left out.
    """
    found = Imported(head={"source": str(document.get("name") or document["id"]), **_own(document)})
    purpose, team = (document.get("description") or {}).get("purpose"), document.get("team")
    owner = team.get("name") if isinstance(team, Mapping) else None
    found.head |= {key: value for key, value in (("owner", owner), ("description", purpose)) if value}
    for item in document.get("schema") or ():
        found.tables[item["name"]] = _table(item, categories, found.left)
    found.left += [f"`{key}`" for key in document if key not in _TAKEN]
    return found


def _own(item: Mapping[str, Any]) -> dict[str, Any]:
    """Our keys among the custom properties."""
    found = {}
    for entry in item.get("customProperties") or ():
        name = entry["property"].removeprefix(PREFIX)
        if name != entry["property"]:
            found[re.sub("(?<!^)([A-Z])", r"_\1", name).lower()] = entry["value"]
    return found


def _table(item: Mapping[str, Any], categories: Collection[str], left: list[str]) -> dict[str, Any]:
    properties: Sequence[Mapping[str, Any]] = item.get("properties") or ()
    keyed = [each for each in properties if each.get("primaryKey")]
    unique = [each["name"] for each in sorted(keyed, key=lambda each: each.get("primaryKeyPosition", 0))]
    checks: list[dict[str, Any]] = []

    left += [f"`relationships` of `{item['name']}`"] if item.get("relationships") else []
    if item.get("physicalName", item["name"]) != item["name"]:
        left.append(f"physicalName `{item['physicalName']}` of `{item['name']}`")

    def take(rule: Mapping[str, Any], column: str | None) -> None:
        if check := _check(rule, column):
            checks.append(_as_severe(check, rule))
        else:
            left.append(f"rule {_called(rule)} of `{item['name']}{f'.{column}' if column else ''}`")

    for rule in item.get("quality") or ():
        take(rule, None)
    for each in properties:
        for rule in each.get("quality") or ():
            take(rule, each["name"])
        known = [plain(check) for check in checks]
        checks += [check for check in _options(each) if plain(check) not in known]
        left += [f"`{key}` of `{item['name']}.{each['name']}`" for key in _UNTAKEN if each.get(key)]
    return {
        "columns": {each["name"]: _column(each, categories, item["name"], left) for each in properties},
        **({"unique": unique} if unique else {}),
        **_own(item),
        **({"checks": checks} if checks else {}),
    }


def _column(item: Mapping[str, Any], categories: Collection[str], table: str, left: list[str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if item.get("physicalType") or item.get("logicalType"):
        out["type"] = _type(item.get("physicalType", ""), item.get("logicalType", ""))
    if "required" in item:
        out["required"] = item["required"]
    given = item.get("classification")
    if given in categories:
        out["category"] = given
    elif given:
        left.append(f"classification `{given}` of `{table}.{item['name']}`")
    if item.get("physicalName", item["name"]) != item["name"]:
        out["path"] = item["physicalName"]
    out |= _form(item, out.get("type", "string"), f"{table}.{item['name']}", left)
    return {**out, **_own(item)}


def _form(item: Mapping[str, Any], kind: str, name: str, left: list[str]) -> dict[str, Any]:
    """How dates of a column are written, by the options of its logical type; those that mean nothing here are named."""
    options = item.get("logicalTypeOptions") or {}
    out: dict[str, Any] = {}
    form = _directives(str(options.get("format", ""))) if kind in ("date", "timestamp") else ""
    if form and not form.startswith(_ISO):
        out["format"] = form
    zone = options.get("defaultTimezone")
    if kind == "timestamp" and zone and is_timezone(zone):
        out["timezone"] = zone
    told = {"timezone", *(word for _, words in OPTIONS for word in words)}
    told |= ({"format"} if form else set()) | ({"defaultTimezone"} if "timezone" in out else set())
    left += [f"option `{key}` of `{name}`" for key in options if key not in told]
    return out


def _directives(form: str) -> str:
    """A form of the JDK's as strptime has it; empty where there is none."""
    found = ""
    for match in _LETTERS.finditer(form):
        if match[2] and match[0] not in _DIRECTIVES:
            return ""
        found += _DIRECTIVES[match[0]] if match[2] else match[0] if match[1] is None else match[1] or "'"
    return found


def _type(physical: str, logical: str) -> str:
    """Our type for one of a system, or else for a logical one."""
    name = physical.strip().lower()
    if match := _DECIMAL.fullmatch(name):
        return physical if physical.startswith("decimal(") else f"decimal({match[2]},{match[3]})"
    bare = re.sub(r"\(.*\)$", "", name).strip()
    found = [kind for kind, names in TYPES.items() if bare in names and kind != "decimal"]
    if not found and name:
        found = _of_database(name)
    # texts of a file may mean days and numbers
    return found[0] if found and found[0] != "string" else _LOGICAL.get(logical, "string")


def _of_database(name: str) -> list[str]:
    """Our type for one that a database has by this name; empty for one we have none for, or that does not say which."""
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    kinds = exp.DataType.Type
    whole = exp.DataType.INTEGER_TYPES - {kinds.BIT} | {kinds.SERIAL, kinds.SMALLSERIAL, kinds.BIGSERIAL}
    days = {kinds.DATE, kinds.DATE32}
    moments = exp.DataType.TEMPORAL_TYPES - days - {kinds.TIME, kinds.TIMETZ}
    named = {"integer": whole, "float": {kinds.FLOAT, kinds.DOUBLE, kinds.UDOUBLE}, "date": days, "timestamp": moments}
    for dialect in _DIALECTS:
        try:
            read = exp.DataType.build(name, dialect=dialect)
        except SqlglotError:
            continue
        return [kind for kind, types in named.items() if read.this in types]
    return []


def _options(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Checks that the options of a column's logical type, and its uniqueness, promise."""
    options = item.get("logicalTypeOptions") or {}
    for expectation, words in OPTIONS:
        if given := promised(words, options):
            yield {expectation: {"column": item["name"], **given}}
    if item.get("unique"):
        yield {"expect_column_values_to_be_unique": {"column": item["name"]}}


def _check(rule: Mapping[str, Any], column: str | None) -> dict[str, Any] | None:
    """The check a rule is; None where it has no meaning here."""
    if str(rule.get("engine", "")).lower() in _ENGINES:
        return _expected(_implemented(rule.get("implementation")), column)
    metric = rule.get("metric") or rule.get("rule")
    if metric == "rowCount":
        bounds = _between(rule)
        return {"expect_table_row_count_to_be_between": bounds} if bounds else None
    judged = _judged(str(metric), rule.get("arguments") or {}, column)
    limit = _limit(rule)
    if judged is None or limit is None:
        return None
    expectation, given = judged
    return {expectation: {**given, **limit}}


def _as_severe(check: dict[str, Any], rule: Mapping[str, Any]) -> dict[str, Any]:
    """The check of a rule, which only warns where the rule does."""
    ((expectation, given),) = check.items()
    if str(rule.get("severity", "")).lower() not in _WARNS or not isinstance(given, dict | None):
        return check
    # beyond `at_most` a run stops, whatever the severity
    limit = (given or {}).get("at_most")
    kept = {key: value for key, value in (given or {}).items() if key != "at_most"}
    share = {"mostly": float(1 - Fraction(limit[:-1]) / 100)} if isinstance(limit, str) else {}
    return {expectation: {**kept, **share, "severity": "warn"}}


def _implemented(given: Any) -> Any:
    """What implements a rule: data, or YAML or JSON in a text."""
    if not isinstance(given, str):
        return given
    try:
        return YAML(typ="safe", pure=True).load(given)
    except (YAMLError, ValueError, RecursionError):
        return None


def _expected(implementation: Any, column: str | None) -> dict[str, Any] | None:
    """The expectation of Great Expectations that a rule is; the standard writes its arguments as `minValue`, too."""
    if not isinstance(implementation, Mapping):
        return None
    expectation = str(implementation.get("type") or implementation.get("expectation_type") or "")
    given = implementation.get("kwargs")
    if isinstance(given, Mapping):
        rule = EXPECTATIONS.get(expectation)
        arguments = (*rule.arguments, "mostly", *COMMON) if rule else ("column",)
        known = {name.replace("_", "").lower(): name for name in arguments}
        given = {known.get(str(name).lower(), name): value for name, value in given.items()}
        if column and "column" in arguments:
            given = {"column": column, **given}
    return {expectation: given} if expectation else None


def _judged(metric: str, arguments: Mapping[str, Any], column: str | None) -> tuple[str, dict[str, Any]] | None:
    """The expectation of a metric that counts rows, and its own arguments."""
    if metric == "duplicateValues":
        several = arguments.get("properties")
        if several:
            return "expect_compound_columns_to_be_unique", {"column_list": list(several)}
        return ("expect_column_values_to_be_unique", {"column": column}) if column else None
    if column is None:
        return None
    if metric == "nullValues":
        return "expect_column_values_to_not_be_null", {"column": column}
    valid = {key: arguments[key] for key in ("validValues", "pattern") if arguments.get(key)}
    if metric == "invalidValues" and [*valid] == ["validValues"]:
        return "expect_column_values_to_be_in_set", {"column": column, "value_set": list(valid["validValues"])}
    if metric == "invalidValues" and [*valid] == ["pattern"]:
        return "expect_column_values_to_match_regex", {"column": column, "regex": valid["pattern"]}
    return None


def _limit(rule: Mapping[str, Any]) -> dict[str, Any] | None:
    """How many rows may fail, and stay where they are; None where the operator says something else."""
    percent = rule.get("unit") == "percent"
    if rule.get("mustBe") == 0:
        return {}
    if (most := rule.get("mustBeLessOrEqualTo")) is not None:
        return {"severity": "warn", "at_most": f"{Decimal(str(most)):f}%" if percent else int(most)} if most else {}
    if (above := rule.get("mustBeLessThan")) is not None and not percent and above >= 1:
        return {"severity": "warn", "at_most": ceil(above) - 1} if above > 1 else {}
    return None


def _between(rule: Mapping[str, Any]) -> dict[str, Any]:
    words = {"mustBeGreaterOrEqualTo": ("min_value", 0), "mustBeGreaterThan": ("min_value", 1),
             "mustBeLessOrEqualTo": ("max_value", 0), "mustBeLessThan": ("max_value", -1)}  # fmt: skip
    found = {key: int(rule[word]) + step for word, (key, step) in words.items() if word in rule}
    if "mustBe" in rule:
        found = {"min_value": int(rule["mustBe"]), "max_value": int(rule["mustBe"])}
    if pair := rule.get("mustBeBetween"):
        found = {"min_value": int(pair[0]), "max_value": int(pair[1])}
    return found


def _called(rule: Mapping[str, Any]) -> str:
    name = rule.get("name") or rule.get("metric") or rule.get("rule")
    if not name and rule.get("engine"):
        return f"of engine `{rule['engine']}`"
    return f"`{name}`" if name else f"of type {rule.get('type', 'library')}"
