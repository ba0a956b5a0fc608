"""Whom the records of each table are about, judged once all tables are protected, in every run.

A key that a system writes otherwise since Tuesday breaks no rule of its column: its rows belong to nobody, and whom
they are about has none. So it is judged how many these are, and they count in the limits of the quarantine.
Entry: `require_matched`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import date

import ibis

from potable.contracts.cases import OF_LIMIT
from potable.contracts.findings import Finding
from potable.contracts.health import Profile, accepted, rise
from potable.engines.base import collect
from potable.errors import DataError
from potable.privacy.protect import PLACES
from potable.runs.checkup import Earlier, read_profile
from potable.runs.restricted import require_total
from potable.runs.since import nobody_files
from potable.runs.workshop import Workshop
from potable.tables import OBJECT, Table


def require_matched(shop: Workshop, tables: Collection[str], today: date) -> None:
    """Judge how many records of the tables, which are protected, belong to nobody, and note what was found.

    Raises:
        DataError: D008, more than a contract allows, or all of a table; D001, more go to quarantine than may.
    """
    earlier = Earlier(shop.project, shop.lake, shop.run)
    nobody: dict[str, int] = {}
    wanted = {name: table for name, table in shop.project.tables.items() if name in tables}
    for name, table in wanted.items():
        counts = shop.manifest("protect", name).counts
        nobody[name] = counts["quarantined"]
        found = []
        if counts["rows_in"] and not counts["rows"] and table.tells_who:
            told = f"None of its {counts['rows_in']:,} rows belongs to a person in a roster."
            found.append(accepted(Finding("unmatched", "stop", told), table.health, today))
        elif table.health.unmatched:
            found.append(accepted(_judged(shop, name, table, earlier), table.health, today))
        if found:
            shop.health[name] = [*shop.health.get(name, ()), *found]
    _require(shop)
    for name, table in wanted.items():
        _require_within(shop, name, table, nobody[name])
    if len(wanted) == len(shop.project.tables):
        require_total(shop, nobody)


def _judged(shop: Workshop, name: str, table: Table, earlier: Earlier) -> Finding:
    """Whether more records of the newest batch belong to nobody than of those before it."""
    bound = table.health.unmatched
    assert bound
    profile = read_profile(shop.lake.restricted, shop.manifest("validate", name))
    if not profile.batches:
        return Finding("unmatched", "open", "Not judged: the table has no rows.")
    newest, rest = profile.batches[-1:], profile.batches[:-1]
    # what was refused is judged until it is mended or accepted
    judged = earlier.judged(name, newest[0], matched=True) if rest else 0
    if judged >= profile.batches[0]:
        rest, newest = ([each for each in profile.batches if (each <= judged) == old] for old in (True, False))
    theirs = _by_batch(shop, name)

    def counted(batches: Sequence[int]) -> tuple[int, int]:
        return sum(theirs[batch] for batch in batches), _rows(profile, *batches)

    before = counted(rest) if rest else earlier.matched(name, newest[0])
    if before is None:
        return Finding("unmatched", "open", "Not judged: this is the first batch.")
    return rise("unmatched", bound, counted(newest), before, "of its rows belong to nobody")


def _rows(profile: Profile, *batches: int) -> int:
    return sum(profile.of_batch(batch).rows for batch in batches)


def _by_batch(shop: Workshop, name: str) -> Mapping[int, int]:
    """Rows that belong to nobody, by the batch that brought them."""
    manifest = shop.manifest("protect", name)
    if not manifest.counts["quarantined"]:
        return Counter()
    places = shop.engine.read(nobody_files(shop.lake, manifest), PLACES)
    found = collect(shop.engine, places.group_by(OBJECT).agg(n=ibis._.count()))
    batches = {item.name: item.batch for item in shop.landed[name.split(".", 1)[0]]}
    counted: Counter[int] = Counter()
    for item, rows in zip(found[OBJECT].to_pylist(), found["n"].to_pylist(), strict=True):
        counted[batches[item]] += rows
    return counted


def _require(shop: Workshop) -> None:
    stopping = [
        (name, finding)
        for name, found in shop.health.items()
        for finding in found
        if finding.check == "unmatched" and finding.state == "stop"
    ]
    if not stopping:
        return
    name, finding = stopping[0]
    keys = shop.project.tables[name].keys
    others = [
        other
        for other, table in shop.project.tables.items()
        if other != name and not set(keys.values()).isdisjoint(table.keys.values())
    ]
    written = " and ".join(f"`{column}`" for column in keys)
    alike = f" as in `{'`, `'.join(others[:3])}`" if others else " in the roster's table too"
    also = ", ".join(f"`{each}`" for each, _ in stopping[1:])
    raise DataError(
        f"`{name}` breaks `health: unmatched`",
        "D008",
        given=finding.told + (f" Also {also}." if also else ""),
        hint=f"is {written} written the same way{alike}? If the change is expected, add it to `health: accepted` of "
        "the contract, with a reason",
        state="nothing was published; the last version stays current",
        next=f"potable quarantine show {name}",
    )


def _require_within(shop: Workshop, name: str, table: Table, nobody: int) -> None:
    """Stop where more rows of a table went to quarantine than may, those about nobody among them."""
    limit, counts = table.quarantine.limit, shop.manifest("validate", name).counts
    away = counts["quarantined"] + nobody
    if limit is None or limit.allows(away, counts["rows_in"]):
        return
    raise DataError(
        f"`{name}` breaks {OF_LIMIT}",
        "D001",
        given=f"{away:,} of {counts['rows_in']:,} rows go to quarantine, {nobody:,} of them because they belong to "
        f"nobody; at most {limit} may",
        hint="rows belong to nobody if none of their keys is a key of a person in a roster; fix the keys in the "
        "source, or raise the limit",
        state="nothing was published; the last version stays current",
        next=f"potable quarantine show {name}",
    )
