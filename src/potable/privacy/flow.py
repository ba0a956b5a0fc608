"""The proof, made before any data is read, of which privacy categories reach which output column.

A category travels with every expression that reads a column of it, in a value or in a filter, and on
through derived columns. Only an operator that the policy names for the category takes it off. What this
room knows about features is the plain data in `Output`.

Entry: `prove` gives the flows, `require` raises for those refused, `table` shows them to people.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Literal

from potable.errors import Place, ProjectError, raise_all
from potable.privacy.operators import OPERATORS, PROTECTING
from potable.privacy.policy import Policy

ColumnName = tuple[str, str]
"""Table (`source.table`) and column."""
Verdict = Literal["allowed", "taken off", "refused"]


@dataclass(frozen=True)
class Output:
    """One column of the dataset, as far as privacy is concerned."""

    name: str
    reads: frozenset[ColumnName] = frozenset()
    """Columns its expression reads, those of its filters included."""
    outputs: frozenset[str] = frozenset()
    """Other outputs it is derived from."""
    operators: tuple[str, ...] = ()
    """Names of the operators its value passes, in order."""
    kind: str = ""
    """Kind of its values (`string`, `integer` …)."""


@dataclass(frozen=True)
class Flow:
    """How one category reaches one output column."""

    column: str
    """The output column."""
    category: str
    """The privacy category."""
    sources: tuple[str, ...]
    """`table.column` or the name of an output, sorted."""
    operators: tuple[str, ...]
    """Operators that its value passes, in order."""
    verdict: Verdict
    """Whether it may be there; `taken off`: an operator removes it on the way."""
    why: str
    """Why, in words."""
    needs: tuple[str, ...] = ()
    """Operators of which one would take the category off."""
    kind: str = ""
    """Kind of the column's values."""


@dataclass(frozen=True)
class Proof:
    """All flows of a dataset, in the order of its columns."""

    flows: tuple[Flow, ...]

    @property
    def refused(self) -> tuple[Flow, ...]:
        """The flows the policy does not allow."""
        return tuple(flow for flow in self.flows if flow.verdict == "refused")

    def carried(self, column: str) -> frozenset[str]:
        """Categories that `column` still carries when it is published."""
        return frozenset(f.category for f in self.flows if f.column == column and f.verdict != "taken off")


def prove(outputs: Sequence[Output], categories: Mapping[ColumnName, str], policy: Policy) -> Proof:
    """Follow every category to every output column.

    Args:
        outputs: columns of the dataset; derived ones may name any other.
        categories: category of every column of every table.
        policy: the project's policy.

    Raises:
        ProjectError: an output is derived from one that does not exist, or from itself.
    """
    known = {output.name: output for output in outputs}
    carried: dict[str, frozenset[str]] = {}
    flows: dict[str, list[Flow]] = {}
    for name in _in_order(known):
        arriving = _arriving(known[name], categories, carried)
        flows[name] = [
            _judged(known[name], category, tuple(sorted(sources)), policy)
            for category, sources in sorted(arriving.items())
        ]
        carried[name] = frozenset(flow.category for flow in flows[name] if flow.verdict != "taken off")
    return Proof(tuple(flow for output in outputs for flow in flows[output.name]))


def require(proof: Proof, places: Mapping[str, Place]) -> None:
    """Refuse a proof with refused flows.

    Args:
        proof: what `prove` gave.
        places: where each output column is declared.

    Raises:
        ProjectError: P012, or ProjectErrors, one for each refused flow.
    """
    raise_all([_refusal(flow, places.get(flow.column)) for flow in proof.refused])


def table(flows: Iterable[Flow]) -> str:
    """The flows as lines of aligned text, for `potable plan`."""
    head = ("column", "carries", "from", "through", "verdict")
    rows = [head, *(_cells(flow) for flow in flows)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(head))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    return "\n".join("  ".join(row).rstrip() for row in padded)


def _in_order(known: Mapping[str, Output]) -> Iterator[str]:
    graph = {name: output.outputs for name, output in known.items()}
    for name, parents in graph.items():
        for parent in sorted(parents - known.keys()):
            raise ProjectError(f"`{name}` is derived from `{parent}`, which is not a column", "P031")
    try:
        yield from TopologicalSorter(graph).static_order()
    except CycleError as failure:
        circle = ", ".join(str(name) for name in failure.args[1])
        raise ProjectError(f"columns are derived from each other in a circle: {circle}", "P031") from None


def _arriving(
    output: Output, categories: Mapping[ColumnName, str], carried: Mapping[str, frozenset[str]]
) -> dict[str, set[str]]:
    """Categories that reach `output`, with where each comes from; an undeclared one is the empty string."""
    arriving: dict[str, set[str]] = {}
    for column in output.reads:
        arriving.setdefault(categories.get(column, ""), set()).add(".".join(column))
    for parent in output.outputs:
        for category in carried[parent]:
            arriving.setdefault(category, set()).add(parent)
    return arriving


def _judged(output: Output, category: str, sources: tuple[str, ...], policy: Policy) -> Flow:
    verdict, why = _verdict(output, category, policy)
    rule = policy.rule_for(category) if why.startswith("needs") else None
    needs = tuple(rule.publish) if rule else ()
    return Flow(output.name, category, sources, output.operators, verdict, why, needs, output.kind)


def _verdict(output: Output, category: str, policy: Policy) -> tuple[Verdict, str]:
    rule = policy.rule_for(category) if category else None
    if rule is None:
        return "refused", f"no rule for `{category}`" if category else "a column without a category"
    if rule.stays:
        return "refused", "dropped by protect" if rule.protect == "drop" else "kept in the restricted zones"
    if rule.publish == "allow":
        return "allowed", "the policy allows it"
    if rule.publish == "never":
        return "refused", "never published"
    passed = next((name for name in output.operators if name in rule.publish), None)
    if passed:
        return "taken off", f"by {passed}"
    return "refused", f"needs {' or '.join(rule.publish)}"


def _refusal(flow: Flow, place: Place | None) -> ProjectError:
    return ProjectError(
        f"column `{flow.column}` may not carry `{flow.category or 'an undeclared category'}`: {flow.why}",
        "P012",
        place=place,
        given=f"from {', '.join(flow.sources)} through {' | '.join(flow.operators) or 'no operator'}",
        hint=_hint(flow) if flow.needs else "",
    )


def _hint(flow: Flow) -> str:
    """An operator that takes the category off and fits the values; without one, what to do instead."""
    fitting = [OPERATORS[name] for name in flow.needs if name in OPERATORS]
    fitting = [operator for operator in fitting if not flow.kind or flow.kind in operator.accepts]
    if fitting:
        return f"add `| {fitting[0].name}{'(…)' if fitting[0].arguments else ''}`"
    others = [name for name in sorted(PROTECTING) if flow.kind in OPERATORS[name].accepts]
    kind = "a text" if flow.kind == "string" else f"a {flow.kind}"
    told = f"no such operator accepts {kind}: publish something else of the column, such as `count()` or `distinct(…)`"
    named = " or ".join(f"`{name}`" for name in others)
    return f"{told}, or allow {named} for `{flow.category}` in privacy.yaml" if others else told


def _cells(flow: Flow) -> tuple[str, ...]:
    told = {"refused": f"refused ({flow.why})", "taken off": f"removed {flow.why}"}
    verdict = told.get(flow.verdict, flow.verdict)
    return flow.column, flow.category or "?", ", ".join(flow.sources), " | ".join(flow.operators) or "-", verdict
