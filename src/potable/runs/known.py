"""Digests of everybody's identifiers for the leak scan, kept in the vault from publish to publish.

They depend on the identifiers, former ones too, and on the code of publish alone. Where identifiers only came beside
earlier ones, only the digests of the new ones are made, in a file beside those that stand; those of former ones, which
are few, are made anew where any changed. A finished publish that is made again makes all of them, and holds what is
kept to that. Entry: `digests`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ibis.expr.types as ir

from potable.datasets import sought
from potable.engines.base import kept, scalars
from potable.errors import DataError, EnvironmentFailure
from potable.privacy import roster
from potable.runs import since
from potable.runs.plan import Step, code
from potable.runs.since import FORMER
from potable.runs.workshop import Workshop
from potable.store.layout import attempt_folder, step_folder
from potable.store.manifest import File, Manifest, commit, find

_NOW = "rows"
_OUTPUTS = (_NOW, FORMER)


def digests(shop: Workshop, step: Step) -> ir.Table:
    """The digests of all identifiers, as `sought.digests` makes them.

    Raises:
        DataError: D005, a step is proved, and those that are kept are not what comes out.
    """
    named = shop.manifest("protect", "identifiers")
    stored = find(shop.lake.vault, place(named.fingerprint))
    if not step.proves:
        rows = _kept(shop, stored) if stored else _rows(shop, _made(shop, named))
        if rows is not None:
            return rows
    folder, collected = f"{shop.scratch}/digests-{step.fingerprint}", (since.identified, since.lost)
    now, gone = (
        kept(shop.engine, _told(shop, of(shop, named)), f"{folder}/{output}")
        for output, of in zip(_OUTPUTS, collected, strict=True)
    )
    anew = now.union(since.marked_former(gone))
    if step.proves and stored and _sums(shop, anew) != _sums(shop, _rows(shop, stored)):
        raise DataError(
            "the vault's digests of known identifiers do not match the identifiers",
            "D005",
            hint="was a file of the vault changed by hand? Remove the folder `known` of the vault, and the digests "
            "are computed again",
            state="nothing was changed; the last version stays current",
            next="potable run --full-refresh",
        )
    return anew


def place(identifiers: str) -> str:
    """Folder of those of the identifiers that a step with this fingerprint collected, below the vault."""
    return step_folder("known", code("publish"), identifiers)


def _rows(shop: Workshop, manifest: Manifest) -> ir.Table:
    now, gone = (_read(shop, manifest.files[output]) for output in _OUTPUTS)
    return now.union(since.marked_former(gone)) if manifest.rows(FORMER) else now


def _read(shop: Workshop, files: Sequence[File]) -> ir.Table:
    return shop.engine.read([shop.lake.vault.locate(file.path) for file in files], sought.schema())


def _told(shop: Workshop, identifiers: ir.Table) -> ir.Table:
    return sought.digests(roster.telling_who(identifiers), shop.engine)


def _kept(shop: Workshop, manifest: Manifest) -> ir.Table | None:
    """The digests that are kept; None where they are not those that were written, or gone."""
    try:
        sums = {output: _sums(shop, _read(shop, manifest.files[output])) for output in _OUTPUTS}
        return _rows(shop, manifest) if sums == manifest.facts["sums"] else None
    except EnvironmentFailure as failure:
        # they can be made again at any time, so a file that cannot be read stops nobody
        if failure.code not in ("E004", "E011"):
            raise
        return None


def _made(shop: Workshop, named: Manifest) -> Manifest:
    """Make the digests of identifiers, those that earlier ones lack where these are kept, and keep them."""
    engine, vault = shop.engine, shop.lake.vault
    # identifiers stand on earlier ones only where none of these went
    earlier = since.found(shop.lake, "vault", "identifiers", named.facts["stands_on"] or "none")
    stored = find(vault, place(earlier.fingerprint)) if earlier else None
    if stored and _kept(shop, stored) is None:
        stored = None
    new = since.beyond(shop, earlier, named) if earlier and stored else since.identified(shop, named)
    folder = place(named.fingerprint)
    attempt = attempt_folder(folder)

    def write(identifiers: ir.Table, output: str) -> list[File]:
        parts = engine.write(_told(shop, identifiers), vault.locate(f"{attempt}/{output}"))
        return [File(f"{attempt}/{output}/{part.path}", part.rows, part.bytes) for part in parts if part.rows]

    files = {_NOW: write(new, _NOW)}
    sums = {_NOW: _sums(shop, _read(shop, files[_NOW]))}
    if earlier and stored:
        # those that stand were just held to their sums
        files[_NOW] = [*stored.files[_NOW], *files[_NOW]]
        sums[_NOW] = _added(sums[_NOW], stored.facts["sums"][_NOW])
    if earlier and stored and earlier.files.get(FORMER, []) == named.files.get(FORMER, []):
        files[FORMER], sums[FORMER] = list(stored.files[FORMER]), stored.facts["sums"][FORMER]
    else:
        files[FORMER] = write(since.lost(shop, named), FORMER) if named.rows(FORMER) else []
        sums[FORMER] = _sums(shop, _read(shop, files[FORMER]))
    facts = {"sums": sums, "stands_on": earlier.fingerprint if earlier and stored else ""}
    counts = {"rows": sum(file.rows for listed in files.values() for file in listed)}
    return commit(vault, folder, Manifest("digests of identifiers", named.fingerprint, files, counts, facts))


def _sums(shop: Workshop, rows: ir.Table) -> dict[str, int]:
    """What tells digests apart from others, in whatever order they come."""
    sums = {name: rows[name].cast("decimal(38, 0)").sum().fill_null(0) for name in ("digest", "number")}
    counts = {"rows": rows.count(), "owned": rows.subject.count(), "telling": rows.count(where=rows.telling)}
    return {name: int(value) for name, value in scalars(shop.engine, rows.agg(**sums, **counts)).items()}


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: value + other[name] for name, value in one.items()}
