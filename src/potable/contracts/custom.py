"""Custom expectation classes: which ones a project's plug-ins define, what arguments they take, and how they run.

Their source is parsed and never executed, so reading a project needs neither Great Expectations nor trust in the
code. A class that only sets arguments of one of GX's own expectations runs natively as that expectation; one that
judges single rows, or columns or the table as a whole, runs through GX (`through_gx`). Any other class is refused, with
the reason.

Entry: `classes`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from potable.contracts.rowwise import IGNORED
from potable.contracts.vocabulary import COMMON, EXPECTATIONS, LEFT_OUT, NULLS, Argument, Expectation
from potable.errors import Place, ProjectError
from potable.plugins import Module

_COLUMN = Argument("column", needed=True)
_ROOTS: Mapping[str, Mapping[str, Argument]] = {
    "ColumnMapExpectation": {"column": _COLUMN},
    "ColumnPairMapExpectation": {
        "column_A": _COLUMN,
        "column_B": _COLUMN,
        "ignore_row_if": Argument("choice", choices=IGNORED["column_A"]),
    },
    "MulticolumnMapExpectation": {
        "column_list": Argument("columns", needed=True),
        "ignore_row_if": Argument("choice", choices=IGNORED["column_list"]),
    },
}
"""Classes of GX that judge row by row, and what they take."""
_AGGREGATE, _TABLE = "ColumnAggregateExpectation", "BatchExpectation"
_SHARED = ("column", "columns", "choice")
"""Kinds of arguments that mean the same in any class."""
_TOLD = ("description", "notes", "meta", "library_metadata", "windows")
"""Fields that only describe a class and do not change its verdict."""
_OWN_VERDICT = ("_validate", "get_validation_dependencies", "metrics_validate")
_QUERIES = ("QueryExpectation",)
_NO_QUERY = "it needs SQL for one database; write an `UnexpectedRowsExpectation`, or row checks"
_NO_CODE = "it adds code to a SQL query; only the query itself can be run"


@dataclass(frozen=True)
class Custom:
    """An expectation class of a plug-in."""

    name: str
    """How checks name it: `expect_column_values_to_be_iban`."""
    class_name: str
    module: Module
    place: Place
    word: Expectation
    """What it takes and judges."""
    core: str = ""
    """The expectation of GX it is, where it only sets arguments of one."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Arguments the class sets."""
    of_table: bool = False
    """Whether it judges the table as a whole, and so may look at any column."""
    refused: str = ""
    """Why it does not run; empty when it does."""

    @property
    def through_gx(self) -> bool:
        """Whether GX judges it."""
        return not self.core and not self.refused


@dataclass(frozen=True)
class _Body:
    """The fields and methods of a class and its bases in the module, the most derived winning."""

    fields: Mapping[str, ast.expr | None]
    """Values of the fields; None for one that has none."""
    plain: bool
    """Whether the classes only set values and define no methods."""
    methods: frozenset[str]


def classes(modules: Sequence[Module]) -> dict[str, Custom]:
    """The expectation classes of the modules, by the names checks have for them; of two alike the later.

    Raises:
        ProjectError: P005 where a module is no Python.
    """
    return {found.name: found for module in modules for found in _classes(module)}


def _classes(module: Module) -> Iterator[Custom]:
    try:
        tree = ast.parse(module.text)
    except SyntaxError as failure:
        place = Place(module.name, failure.lineno or 0, failure.offset or 0)
        raise ProjectError(f"`{module.name}` is not valid Python: {failure.msg}", "P005", place=place) from None
    aliases = {
        name.asname or name.name: name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    known = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    of_nulls = _metrics_of_nulls(known.values())
    for node in known.values():
        if node.name.startswith("Expect"):
            lineage, root = _lineage(node, known, aliases)
            yield _custom(node, _body(lineage), root, module, of_nulls)


def _metrics_of_nulls(nodes: Iterable[ast.ClassDef]) -> frozenset[str]:
    """Names of the metrics that also want null values, which GX by default filters out first."""
    bodies = [_body([node]).fields for node in nodes]
    names = {
        _constant(fields.get("condition_metric_name"))
        for fields in bodies
        if _constant(fields.get("filter_column_isnull")) is False
    }
    return frozenset(name for name in names if isinstance(name, str))


def _lineage(
    node: ast.ClassDef, known: Mapping[str, ast.ClassDef], aliases: Mapping[str, str]
) -> tuple[list[ast.ClassDef], str]:
    """The class with its bases inside the module, the base first, and the class of GX they derive from."""
    names = [base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in node.bases]
    roots = [aliases.get(name, name) for name in names]
    for name in roots:
        if name in known and name != node.name:
            others = {key: value for key, value in known.items() if key != node.name}
            lineage, root = _lineage(known[name], others, aliases)
            return [*lineage, node], root
    found = next((name for name in roots if name in _ROOTS or name in _QUERIES or _snake(name) in EXPECTATIONS), None)
    return [node], found or (roots[0] if roots else "object")


def _body(lineage: Sequence[ast.ClassDef]) -> _Body:
    fields: dict[str, ast.expr | None] = {}
    methods: set[str] = set()
    plain = True
    for statement in (each for node in lineage for each in node.body):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            if "ClassVar" not in ast.unparse(statement.annotation):
                fields[statement.target.id] = statement.value
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            fields[statement.targets[0].id] = statement.value
        elif isinstance(statement, ast.FunctionDef):
            # how a result is told in pictures of GX decides nothing
            if not statement.name.endswith("renderer"):
                methods.add(statement.name)
                plain = False
        else:
            plain = plain and isinstance(statement, ast.Pass | ast.Expr)
    return _Body(fields, plain, frozenset(methods))


def _custom(node: ast.ClassDef, body: _Body, root: str, module: Module, of_nulls: Collection[str]) -> Custom:
    name, core = _snake(node.name), _snake(root)
    place = Place(module.name, node.lineno, node.col_offset + 1)

    def made(word: Expectation, **more: Any) -> Custom:
        return Custom(name, node.name, module, place, word, **more)

    base = EXPECTATIONS.get(core)
    nothing = Expectation("row", {})
    if root in _QUERIES or core in LEFT_OUT:
        return made(nothing, refused=LEFT_OUT.get(core, _NO_QUERY))
    if name in EXPECTATIONS:
        return made(nothing, refused="GX already has an expectation with this name; rename the class")
    if base is not None and body.plain and set(body.fields) <= {*base.arguments, *COMMON, *_TOLD, "mostly"}:
        defaults, wrong = _defaults(body, [*base.arguments, "mostly", "row_condition", "condition_parser", "severity"])
        return made(base, core=core, defaults=defaults, refused=wrong)
    if core == "unexpected_rows_expectation":
        return made(nothing, refused=_NO_CODE)
    of_table = root == _TABLE or (base is not None and base.kind == "table")
    taken = base.arguments if base is not None else {**_ROOTS, _AGGREGATE: {"column": _COLUMN}, _TABLE: {}}.get(root)
    if taken is None or (base is not None and base.refers):
        return made(nothing, refused=_why_not(root, base))
    shared = {key: argument for key, argument in taken.items() if argument.kind in _SHARED and not of_table}
    defaults, wrong = _defaults(body, [*shared, "mostly", "row_condition", "condition_parser", "severity"])
    own_fields = {key: Argument("any", needed=_needed(value)) for key, value in _arguments(body).items()}
    inherited = {key: Argument("any", needed=argument.needed) for key, argument in taken.items()}
    own = {**inherited, **own_fields, **shared}
    if _by_row(body, root, base, of_nulls):
        return made(Expectation("row", own), defaults=defaults, refused=wrong)
    # of the whole the share of rows is for the class to judge
    more = {"mostly": Argument("any")} if root in _ROOTS or (base is not None and base.counts_rows) else {}
    return made(Expectation("column", {**own, **more}), defaults=defaults, of_table=of_table, refused=wrong)


def _by_row(body: _Body, root: str, base: Expectation | None, of_nulls: Collection[str]) -> bool:
    """Whether a class judges each row by itself, and nothing else: only such verdicts can be joined to the rows."""
    kind = base.kind if base is not None else "row" if root in _ROOTS else "column"
    # only what is there is given to GX
    nulls = _snake(root) in NULLS or _constant(body.fields.get("map_metric")) in of_nulls
    return kind == "row" and not nulls and not body.methods & set(_OWN_VERDICT)


def _arguments(body: _Body) -> dict[str, ast.expr | None]:
    """Fields that are arguments, without those that only describe the class."""
    said = {*COMMON, *_TOLD, "mostly", "map_metric", "success_keys", "args_keys", "domain_keys"}
    return {key: value for key, value in body.fields.items() if key not in said and not key.startswith("_")}


def _needed(value: ast.expr | None) -> bool:
    """Whether a field must be given: it has no value, or `Field(...)`."""
    if isinstance(value, ast.Call):
        first = value.args[0] if value.args else None
        return isinstance(first, ast.Constant) and first.value is ...
    return value is None


def _constant(value: ast.expr | None) -> Any:
    return value.value if isinstance(value, ast.Constant) else None


def _defaults(body: _Body, names: Sequence[str]) -> tuple[dict[str, Any], str]:
    """Values the class sets for `names`, and what is wrong with them."""
    found: dict[str, Any] = {}
    for name in names:
        value = body.fields.get(name)
        if value is None:
            continue
        if name == "severity":
            level = value.attr if isinstance(value, ast.Attribute) else getattr(value, "value", "")
            found |= {"severity": "warn"} if str(level).lower() in ("warning", "info") else {}
            continue
        try:
            found[name] = ast.literal_eval(value)
        except ValueError:
            return {}, (
                f"it sets `{name}` to an expression, which could only be known by running it; write the value itself"
            )
    return found, ""


def _why_not(root: str, base: Expectation | None) -> str:
    if base is not None:
        return "it adds code to a check of two tables, and a class is given one"
    known = ", ".join([*_ROOTS, _AGGREGATE, _TABLE])
    return f"its base class `{root}` is not a GX class for rows, for a column or for a table ({known})"


def _snake(name: str) -> str:
    """The name checks have for a class, as GX makes it."""
    parted = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", parted).lower()
