"""A declared feature set against the tables it reads: everything that is wrong at once, or a plan.

Resolves every name and type and enforces the point-in-time rules that can be known before any data is
read. Entry: `check`. The definitions of single outputs are resolved in `definitions`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from potable.declarations import Document, Key
from potable.errors import Place, PotableError, ProjectError, did_you_mean, raise_all
from potable.features.aggregates import AGGREGATES
from potable.features.declaration import Definition, FeatureSet, text_of
from potable.features.definitions import Draft, derived_feature, table_feature
from potable.features.expressions import UNKNOWN, Problem, Scope, Type, resolve
from potable.features.language import FeatureSyntaxError, parse, parse_condition
from potable.features.plan import (
    AS_OF,
    BUILT_IN,
    DERIVED,
    Feature,
    FeaturePlan,
    OutputOperator,
    RowRule,
    levels_of,
    read_by,
)
from potable.features.scopes import IDENTITY, lost_identity, table_scope, time_reads
from potable.features.tree import Parsed, names_in
from potable.features.windows import Offset, moved
from potable.tables import Table

_DATES = ("date", "timestamp")
_LATER = "features are computed for the rows that are chosen, so they cannot choose them; filter the finished dataset"


@dataclass
class Findings:
    """What is wrong, with the places of features.yaml."""

    document: Document
    errors: list[PotableError] = field(default_factory=list)
    told: dict[tuple[str, str], tuple[ProjectError, list[str]]] = field(default_factory=dict)
    """The error of each thing that is wrong with a table, and the outputs it stands in the way of."""

    def add(self, key: Key, problem: Problem, *, text: str = "", of_key: bool = False) -> None:
        """Note a problem of the value (or key) at `key`; `text` is the definition it stands in."""
        place = self.document.place(*key, of_key=of_key)
        self.add_at(place, key, problem, text)

    def add_of(self, table: str, key: Key, problem: Problem, text: str) -> None:
        """Note a problem of an output; what is wrong with its table is told once, with all outputs that read it."""
        if not problem.about:
            self.add(key, problem, text=text)
            return
        message = replace(problem, message=f"`{table}`: {problem.message}")
        error, outputs = self.told.setdefault((table, problem.about), (_error(self.document.place(*key), message), []))
        outputs.append(str(key[-1]))
        error.given = read_by(outputs)
        self.errors += [error] if len(outputs) == 1 else []

    def add_at(self, place: Place, key: Key, problem: Problem, text: str) -> None:
        """Note a problem at a place."""
        where = f", at character {problem.at + 1}" if text else ""
        name = next(part for part in reversed(key) if isinstance(part, str))
        self.errors.append(_error(place, replace(problem, message=f"`{name}`{where}: {problem.message}"), text))


def _error(place: Place, problem: Problem, given: str = "") -> ProjectError:
    return ProjectError(
        problem.message, problem.code, place=place, given=given, allowed=problem.allowed, hint=problem.hint
    )


def check(
    features: FeatureSet,
    tables: Mapping[str, Table],
    document: Document,
    *,
    operators: Mapping[str, OutputOperator],
    kept: Mapping[str, Collection[str]] | None = None,
) -> FeaturePlan:
    """The plan of a feature set.

    Args:
        features: the declaration.
        tables: contracts by `source.table`.
        document: features.yaml, for the places of what is wrong.
        operators: output operators by name.
        kept: columns by table that privacy lets into the protected zone; all but the keys by default.

    Raises:
        ProjectError: or ProjectErrors, with everything that is wrong (P030, P031, P032).
    """
    checker = _Checker(features, tables, Findings(document), operators, kept)
    plan = checker.plan()
    raise_all(checker.findings.errors)
    assert plan is not None
    return plan


@dataclass
class _Checker:
    features: FeatureSet
    tables: Mapping[str, Table]
    findings: Findings
    operators: Mapping[str, OutputOperator]
    kept: Mapping[str, Collection[str]] | None

    def plan(self) -> FeaturePlan | None:
        self._names()
        rows_scope = self._row_scope()
        labels = [self._label(name, definition) for name, definition in self.features.label.items()]
        outputs = self._features()
        rows = self._rows(rows_scope, [label for label in labels if label])
        if self.findings.errors or rows is None:
            return None
        made = [label for label in labels if label]
        used = {rows.table, *(item.table for item in [*outputs, *made])} - {DERIVED}
        return FeaturePlan(
            self.features.dataset,
            self.features.subject,
            rows,
            tuple(outputs),
            tuple(made),
            self.features.embargo,
            self.features.digits,
            {name: table for name, table in self.tables.items() if name in used},
            self.operators,
        )

    def _definitions(self) -> Iterator[tuple[Key, str, str | Definition]]:
        """Every feature with its key in the file and its table."""
        for table, features in self.features.features.items():
            for name, definition in features.items():
                yield ("features", table, name), table, definition

    # names

    def _names(self) -> None:
        taken: dict[str, str] = dict.fromkeys(BUILT_IN, "a built-in")
        taken[f"{self.features.subject}_id"] = "the id column"
        keys: list[Key] = [("label", name) for name in self.features.label]
        for key in [*keys, *(key for key, _, _ in self._definitions())]:
            name = str(key[-1])
            if name in taken:
                self._refuse_name(key, f"the name is already used by {taken[name]}")
            elif not name.isidentifier() or name.startswith("_"):
                self._refuse_name(
                    key, "a name consists of letters, digits and `_`, and does not start with a digit or `_`"
                )
            taken.setdefault(name, "a label" if key[0] == "label" else f"a feature of `{key[1]}`")

    def _refuse_name(self, key: Key, problem: str) -> None:
        self.findings.add(key, Problem(0, "P032", problem), of_key=True)

    # one definition

    def _parsed(self, key: Key, definition: str | Definition, aggregates: Collection[str]) -> Parsed | None:
        text, _ = text_of(definition)
        try:
            return parse(text, aggregates)
        except FeatureSyntaxError as failure:
            self.findings.add(key, Problem(failure.at, "P030", failure.problem, "", failure.allowed), text=text)
            return None

    def _known_table(self, name: str, key: Key, *, at: int = 0, text: str = "", of_key: bool = False) -> bool:
        if name in self.tables:
            return True
        known = sorted(self.tables)
        problem = Problem(at, "P031", f"there is no table `{name}`", did_you_mean(name, known), ", ".join(known))
        self.findings.add(key, problem, text=text, of_key=of_key)
        return False

    def _draft(self, key: Key, definition: str | Definition, parsed: Parsed, scope: Scope) -> Draft:
        return Draft(str(key[-1]), text_of(definition)[1], parsed, scope, self.operators)

    def _tell(self, key: Key, table: str, scope: Scope, text: str) -> None:
        for problem in scope.problems:
            self.findings.add_of(table, key, problem, text)

    def _label(self, name: str, definition: str | Definition) -> Feature | None:
        key: Key = ("label", name)
        parsed = self._parsed(key, definition, AGGREGATES)
        if parsed is None:
            return None
        if parsed.table is None:
            problem = Problem(len(parsed.text), "P032", "a label must name its table: `… from source.table`")
            self.findings.add(key, problem, text=parsed.text)
            return None
        if not self._known_table(parsed.table, key, at=parsed.places["table"], text=parsed.text):
            return None
        return self._table_output(key, definition, parsed, parsed.table)

    def _table_output(self, key: Key, definition: str | Definition, parsed: Parsed, name: str) -> Feature | None:
        table = self.tables[name]
        rows = self.features.rows
        end = rows.during[1] if name == rows.from_ and key[0] != "label" else None
        scope = table_scope(name, table, self._kept(name), end=end)
        draft = self._draft(key, definition, parsed, scope)
        feature = table_feature(draft, name, table, label=key[0] == "label")
        self._tell(key, name, scope, parsed.text)
        return None if scope.problems else feature

    def _kept(self, table: str) -> Collection[str] | None:
        return None if self.kept is None else self.kept.get(table, ())

    # features

    def _features(self) -> list[Feature]:
        made: dict[str, Feature] = {}
        derived: dict[str, tuple[Key, str | Definition, Parsed]] = {}
        for table in self.features.features:
            if table != DERIVED:
                self._known_table(table, ("features", table), of_key=True)
        for key, table, definition in self._definitions():
            parsed = self._parsed(key, definition, () if table == DERIVED else AGGREGATES)
            if parsed and table == DERIVED:
                derived[str(key[-1])] = key, definition, parsed
            elif parsed and table in self.tables and (feature := self._table_output(key, definition, parsed, table)):
                made[feature.name] = feature
        self._derived(derived, made)
        return [made[name] for name in (str(key[-1]) for key, _, _ in self._definitions()) if name in made]

    def _derived(self, derived: dict[str, tuple[Key, str | Definition, Parsed]], made: dict[str, Feature]) -> None:
        """Resolve derived features, each after those it reads."""
        waiting = dict(derived)
        while waiting:
            ready = [name for name, (_, _, parsed) in waiting.items() if not names_in(parsed.argument) & set(waiting)]
            if not ready:
                for name, (key, _, parsed) in waiting.items():
                    others = sorted(names_in(parsed.argument) & set(waiting))
                    message = f"it depends on itself through `{others[0]}`" if others != [name] else "it reads itself"
                    self.findings.add(key, Problem(0, "P032", message), text=parsed.text)
                return
            for name in ready:
                self._one_derived(*waiting.pop(name), made)

    def _one_derived(self, key: Key, definition: str | Definition, parsed: Parsed, made: dict[str, Feature]) -> None:
        scope = self._derived_scope(made)
        feature = derived_feature(self._draft(key, definition, parsed, scope), self._tenure_reads())
        self._tell(key, DERIVED, scope, parsed.text)
        if not scope.problems:
            made[feature.name] = feature

    def _derived_scope(self, made: Mapping[str, Feature]) -> Scope:
        # an output that is itself wrong fits everywhere, so that its mistake is told once
        names: dict[str, Type] = {str(key[-1]): UNKNOWN for key, _, _ in self._definitions()}
        names |= {name: feature.type for name, feature in made.items()} | dict(BUILT_IN)
        refused = dict.fromkeys(self.features.label, "a label lies in the future, so no feature may read it")
        levels = {
            name: words
            for name, feature in made.items()
            if (words := levels_of(feature, self.tables.get(feature.table)))
        }
        return Scope(names, "the outputs", levels, refused, AGGREGATES)

    def _tenure_reads(self) -> frozenset[tuple[str, str]]:
        name = self.features.rows.from_
        table = self.tables.get(name)
        return frozenset({(name, self.features.rows.during[0])}) | (time_reads(name, table) if table else frozenset())

    # rows

    def _row_scope(self) -> Scope | None:
        rows = self.features.rows
        if not self._known_table(rows.from_, ("rows", "from")):
            return None
        table = self.tables[rows.from_]
        scope = table_scope(rows.from_, table, self._kept(rows.from_), built_in=True)
        if table.time is None:
            message = "`rows.from` needs a table with history: declare `time` (and `known`) in its source"
            self.findings.add_of(rows.from_, ("rows", "from"), Problem(0, "P032", message, about="time"), "")
            return None
        if problem := lost_identity(table):
            self.findings.add_of(rows.from_, ("rows", "from"), Problem(0, "P032", problem, about=IDENTITY), "")
        for index, column in enumerate(rows.during):
            key: Key = ("rows", "during", index)
            kind = scope.names.get(column, UNKNOWN).kind
            if column not in scope.names or column == AS_OF:
                reason = scope.refused.get(column, f"`{column}` is not a column of `{rows.from_}`")
                dates = [name for name, type_ in scope.names.items() if type_.kind in _DATES and name != AS_OF]
                hint = did_you_mean(column, dates)
                self.findings.add(key, Problem(0, "P031", reason, hint, ", ".join(sorted(dates))))
            elif kind not in _DATES:
                self.findings.add(key, Problem(0, "P032", f"`{column}` must be a date or timestamp, not {kind}"))
        return scope

    def _rows(self, scope: Scope | None, labels: list[Feature]) -> RowRule | None:
        if scope is None:
            return None
        rows, key = self.features.rows, ("rows", "where")
        where = None
        if rows.where is not None:
            table, end = self.tables[rows.from_], rows.during[1]
            scope = table_scope(rows.from_, table, self._kept(rows.from_), built_in=True, end=end)
            later = {str(key[-1]) for key, _, _ in self._definitions()} - scope.names.keys() - scope.refused.keys()
            scope = replace(scope, refused={**scope.refused, **dict.fromkeys(later, _LATER)})
            try:
                where, kind = resolve(parse_condition(rows.where), scope)
                if kind.kind not in ("boolean", "unknown"):
                    scope.fail(0, f"the condition must be true or false, but it is {kind.kind}")
            except FeatureSyntaxError as failure:
                scope.problems.append(Problem(failure.at, "P030", failure.problem, "", failure.allowed))
            self._tell(key, rows.from_, scope, rows.where)
        columns = {*rows.during, *(names_in(where) - set(BUILT_IN))}
        reads = frozenset((rows.from_, column) for column in columns) | time_reads(rows.from_, self.tables[rows.from_])
        dates = rows.as_of.dates()
        inside = [day for day in dates if all(self._window_inside(label, day) for label in labels)]
        covered = (inside[0], inside[-1]) if inside else None
        if not inside and labels:
            message = "no as-of date leaves a label window inside the data: see `coverage` of the label's table"
            allowed = self._known_days(labels)
            hint = f"rows without label: `potable run --as-of {dates[0]} --scoring`" if len(dates) == 1 else ""
            self.findings.add(("rows", "as_of"), Problem(0, "P032", message, hint, allowed))
        return RowRule(rows.from_, *rows.during, where, dates, covered, rows.as_of.seed, reads)

    def _window_inside(self, label: Feature, day: date) -> bool:
        (first, last), window = self._covered(label), label.recipe.window
        assert window.start
        return moved(day, window.start) >= first and (moved(day, window.end) - last).days <= 1

    def _covered(self, label: Feature) -> tuple[date, date]:
        """First and last day the label's table is complete for."""
        coverage = self.tables[label.table].coverage
        assert coverage and coverage[1]
        return coverage[0], coverage[1]

    def _known_days(self, labels: list[Feature]) -> str:
        """The days on which all labels are known, in words; nothing where there is none."""

        def known(day: date) -> bool:
            return all(self._window_inside(label, day) for label in labels)

        first, last = zip(*map(self._covered, labels), strict=True)
        latest = (min(last) - timedelta(days=back) for back in range(-1, (min(last) - min(first)).days))
        if (end := next(filter(known, latest), None)) is None:
            return ""
        starts = [label.recipe.window.start or Offset() for label in labels]
        begin = max(moved(day, Offset(-start.months, -start.days)) for day, start in zip(first, starts, strict=True))
        # a month end may have been moved to a shorter month
        begin = next(filter(known, (begin + timedelta(days=later) for later in range(-3, 5))), end)
        return f"as-of dates from {begin} to {end}"
