"""The version that is about to be published beside an earlier one: whether its columns lie where they lay.

The one before, or the one that features.yaml names; rows to be scored, beside the labelled version whose models they
are for. Judged before the name moves, and not again for the version that is current. Entry: `compared`.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq

from potable.datasets.shifts import Beside
from potable.datasets.stability import Bounds, require_stable, shifts
from potable.datasets.version import Version, current, history, removed
from potable.engines.places import mapped
from potable.errors import Damaged
from potable.runs.workshop import Workshop
from potable.store.log import entry_of

DEFINITIONS = "definitions"
"""Name in the lineage of what must be the same for a model to score rows."""


def compared(shop: Workshop, version: Version, today: date) -> Beside | None:
    """`version` beside the one it is to be like; None where there is none yet, or where it is current already.

    Raises:
        DataError: D010, it lies farther from that than features.yaml allows.
    """
    project, lake = shop.project, shop.lake
    standing = current(lake.versions(project.dataset))
    if standing and standing.fingerprint == version.fingerprint:
        return None
    number = project.features.drift.against
    name = project.features.dataset if number or project.scoring else project.dataset
    if number:
        reference = next((each for each in history(lake.versions(name)) if each.number == number), None)
    else:
        reference = alike(shop, version) if project.scoring else standing
    if reference is None:
        return Beside(f"{name} version {number}", unknown="there is no such version") if number else None
    named = f"{name} version {reference.number}"
    if reference.number in removed(lake.open, name):
        return Beside(named, unknown="its files were removed by `potable gc`")
    with ExitStack() as stack:
        new, old = (_rows_of(shop, each, stack) for each in (version, reference))
        if new is None:
            raise Damaged(version.files["parquet"])
        if old is None:
            return Beside(named, unknown="its Parquet file is missing or damaged")
        found = shifts(new, old, _columns(shop, reference), _bounds(shop), today)
    require_stable(found, named, f"version {standing.number} stays current" if standing else "there is no version yet")
    return Beside(named, tuple(found))


def _rows_of(shop: Workshop, version: Version, stack: ExitStack) -> pq.ParquetFile | None:
    """The rows of a version; None where its file is not as it was written."""
    try:
        return pq.ParquetFile(stack.enter_context(mapped(shop.lake.open.locate(version.files["parquet"]))))
    except (FileNotFoundError, pa.ArrowInvalid):
        return None


def alike(shop: Workshop, version: Version) -> Version | None:
    """The newest labelled version whose features are defined as those of `version`."""
    versions = history(shop.lake.versions(shop.project.features.dataset))
    meant = version.lineage[DEFINITIONS]
    return next((each for each in reversed(versions) if each.lineage.get(DEFINITIONS) == meant), None)


def _columns(shop: Workshop, reference: Version) -> list[str]:
    """Features and labels but those that were defined otherwise in the `reference`."""
    record = shop.lake.open.get_if_present(path := f"runs/{reference.run}.json")
    features = () if record is None else (entry_of(path, record).get("dataset") or {}).get("features", ())
    was = {each["name"]: each["definition"] for each in features}
    return [each.name for each in shop.project.plan.outputs if was.get(each.name, each.text) == each.text]


def _bounds(shop: Workshop) -> Bounds:
    declared = shop.project.features.drift
    return Bounds(
        psi=declared.psi,
        label=declared.label_change,
        severity=declared.severity,
        least=shop.project.policy.least,
        labels=[label.name for label in shop.project.plan.labels],
        # what is expected once more may stand beside what was expected before
        expected={
            each.column: (each.until, each.reason) for each in sorted(declared.accepted, key=lambda one: one.until)
        },
    )
