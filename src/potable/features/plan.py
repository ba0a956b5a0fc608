"""A checked feature set: frozen, with everything resolved, ready to be explained or built.

`Feature` also carries the facts other rooms may rely on: which columns an output reads, through filters
too, and through which operators it passes. Made by `check.check`, executed by `build.build`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Protocol

from potable.features.aggregates import QUANTISED
from potable.features.expressions import DATE, INTEGER, Type
from potable.features.tree import Expression, Literal, Name, names_in
from potable.features.windows import Offset, Window
from potable.tables import Duration, Table

if TYPE_CHECKING:
    import ibis.expr.types as ir

DERIVED = "derived"
AS_OF = "as_of"
BUILT_IN: Mapping[str, Type] = {
    AS_OF: DATE,
    "tenure_days": INTEGER,
    "tenure_months": INTEGER,
    "tenure_years": INTEGER,
    "first_tenure_months": INTEGER,
}
"""Names every row has: its as-of date, the length of the running employment, time since the first one."""


class OutputOperator(Protocol):
    """What this room asks of an operator; the operators themselves belong to privacy."""

    @property
    def name(self) -> str:
        """Name, as written after `|`."""

    @property
    def meaning(self) -> str:
        """One line for the reference."""

    @property
    def example(self) -> str:
        """An example for the reference."""

    @property
    def arguments(self) -> Mapping[str, str]:
        """Argument names with their meaning; `*` stands for any name."""

    @property
    def accepts(self) -> frozenset[str]:
        """Kinds it takes."""

    @property
    def gives(self) -> str:
        """Kind it gives, or `same`."""

    @property
    def problem(self) -> Callable[[Mapping[str, object], str], str]:
        """What is wrong with the arguments for a value of a kind."""

    @property
    def apply(self) -> Callable[[ir.Value, Mapping[str, object]], ir.Value]:
        """The operator as an Ibis expression."""


@dataclass(frozen=True)
class Step:
    """One operator with its arguments."""

    operator: str
    arguments: Mapping[str, object]


@dataclass(frozen=True)
class Recipe:
    """How one output is computed; names and types are resolved."""

    aggregate: str | None
    """None for an expression over outputs (derived)."""
    argument: Expression | None
    argument_type: Type | None
    where: Expression | None
    window: Window
    forward: bool
    """Whether the window counts from the as-of date into the future (labels)."""
    last: int | None
    first: int | None
    otherwise: Literal | None
    raw: Type
    """Type before the operators."""
    steps: tuple[Step, ...]

    @property
    def quantised(self) -> bool:
        """Whether it sees floats as whole multiples of the smallest unit."""
        return bool(self.argument_type and self.argument_type.kind == "float" and self.aggregate in QUANTISED)


@dataclass(frozen=True)
class Feature:
    """One output column: a feature, a derived feature or a label."""

    name: str
    table: str
    """`source.table`, or `derived`."""
    text: str
    """The definition as written."""
    description: str
    type: Type
    """Type of the finished column: integer, float, string, boolean, date or timestamp."""
    reads: frozenset[tuple[str, str]]
    """(table, column) of every column it depends on: argument, filters, times, order; built-ins included."""
    outputs: frozenset[str]
    """Derived: names of the outputs it reads."""
    operators: tuple[str, ...]
    """Names of the operators it passes, in order."""
    is_label: bool
    recipe: Recipe


@dataclass(frozen=True)
class RowRule:
    """Which rows there are, resolved."""

    table: str
    start: str
    end: str
    where: Expression | None
    dates: tuple[date, ...]
    """All candidate as-of dates, ascending."""
    covered: tuple[date, date] | None
    """First and last candidate whose label windows lie inside the data; None if there is none."""
    seed: int
    reads: frozenset[tuple[str, str]]
    """Columns that decide which rows there are."""


@dataclass(frozen=True)
class FeaturePlan:
    """One dataset, checked."""

    dataset: str
    subject: str
    rows: RowRule
    features: tuple[Feature, ...]
    """In the order of the file, derived ones included."""
    labels: tuple[Feature, ...]
    embargo: Duration | None
    digits: int
    tables: Mapping[str, Table]
    operators: Mapping[str, OutputOperator]

    @property
    def id_column(self) -> str:
        """Name of the pseudonym column."""
        return f"{self.subject}_id"

    @property
    def label(self) -> Feature | None:
        """The last label, which no row may lack; None where nothing is to be predicted."""
        return self.labels[-1] if self.labels else None

    @property
    def outputs(self) -> tuple[Feature, ...]:
        """All features and labels, in output order."""
        return (*self.features, *self.labels)

    @property
    def cut(self) -> Offset:
        """Distance from the as-of date to the first moment features may not see."""
        return Offset.of(self.embargo, sign=-1)

    def kin(self, names: Collection[str]) -> tuple[str, ...]:
        """Other features that read a column of a source that one of these reads, or an output that does."""
        made = {feature.name: feature for feature in self.features}

        def sources(name: str) -> set[tuple[str, str]]:
            if name not in made:
                return set()
            feature = made[name]
            own = names_in(feature.recipe.argument) | names_in(feature.recipe.where)
            if feature.table == DERIVED:
                return set().union(*map(sources, feature.outputs))
            return {(feature.table, column) for column in own - set(BUILT_IN)}

        given = set().union(*map(sources, names))
        return tuple(name for name in made if name not in names and sources(name) & given)

    def readers(self, table: str) -> dict[str, list[str]]:
        """What reads the columns of a table, by column: names of outputs, and `rows.where`.

        Not the end of `during`: it is filled in later, and every row looks at it as of its date.
        """
        read = [(column, item.name) for item in self.outputs for source, column in item.reads if source == table]
        rows = self.rows
        if rows.table == table:
            read += [(column, "rows.where") for column in names_in(rows.where)]
            read += [(rows.start, "rows.during")]
        names = self.tables[table].columns
        return {name: [output for column, output in read if column == name] for name in names if name in dict(read)}

    def of_table(self, table: str, *, labels: bool) -> tuple[Feature, ...]:
        """The features (or labels) computed from one table."""
        return tuple(item for item in (self.labels if labels else self.features) if item.table == table)

    @property
    def sources(self) -> tuple[str, ...]:
        """All tables that are read, the one with the employments first."""
        named = dict.fromkeys([self.rows.table, *(item.table for item in self.outputs)])
        return tuple(name for name in named if name != DERIVED)

    def evaluation_order(self) -> tuple[Feature, ...]:
        """Derived features, each after those it reads."""
        waiting = [item for item in self.features if item.table == DERIVED]
        names = {item.name for item in waiting}
        done: list[Feature] = []
        while waiting:
            ready = [item for item in waiting if not (item.outputs & names) - {other.name for other in done}]
            done += ready
            waiting = [item for item in waiting if item not in ready]
        return tuple(done)


def read_by(outputs: Sequence[str]) -> str:
    """The outputs that something wrong stands in the way of, for an error; of many the first three."""
    more = f" and {len(outputs) - 3} more" if len(outputs) > 3 else ""
    return f"read by {', '.join(f'`{name}`' for name in outputs[:3])}{more}"


def levels_of(feature: Feature, table: Table | None) -> Sequence[str]:
    """The levels of the column whose words an output holds as they are."""
    recipe = feature.recipe
    as_it_is = recipe.aggregate in ("latest", "first", "mode", "value") and not (recipe.steps or recipe.otherwise)
    if not table or not as_it_is or not isinstance(recipe.argument, Name) or recipe.argument.name in BUILT_IN:
        return ()
    return table.columns[recipe.argument.name].levels or ()
