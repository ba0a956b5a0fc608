"""The time between an as-of date and the window of a label that starts later: no feature sees it, no label counts it.

Whoever leaves in it is in the dataset as one who stayed, so the card tells how many rows have such an event. It is
computed beside the labels, in the query of their table. Entries: `gap`, `counted`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from potable.engines.base import Engine, scalars
from potable.features.decided import Measured
from potable.features.expressions import BOOLEAN
from potable.features.plan import Feature
from potable.features.windows import Offset, Window


def gap(label: Feature) -> Feature | None:
    """Whether anything the label would count happens before its window; None where that begins at the as-of date."""
    recipe, start = label.recipe, label.recipe.window.start
    if not start or start == Offset():
        return None
    asked = recipe.argument if recipe.aggregate == "any" else None
    kind = recipe.argument_type if asked is not None else None
    window = Window(Offset(), start)
    found = replace(recipe, aggregate="any", argument=asked, argument_type=kind, window=window, last=None, first=None)
    return replace(label, name=_column(label.name), recipe=replace(found, raw=BOOLEAN))


def counted(measured: Iterable[Measured], engine: Engine) -> Counter[str]:
    """Rows with something in the gap, by label."""
    found: Counter[str] = Counter()
    for one in measured:
        names = [feature.name for feature in one.task.gaps]
        if names:
            happened = {name: one.relation.count(where=one.relation[name]) for name in names}
            found.update(scalars(engine, one.relation.aggregate(**happened)))
    return Counter({name.removeprefix(_column("")): rows for name, rows in found.items()})


def _column(label: str) -> str:
    return f"_gap_{label}"
