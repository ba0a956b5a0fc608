"""The step of protect that collects what people are called, and the index of its forms.

An identifier does not tell the records it stands in, only whom their keys lead to. So what an earlier step collected
stands as a whole: where no key leads to somebody else, and files only came, or those that went held nothing that
those that came do not.

Entry: `collect_identifiers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import ibis.expr.types as ir

from potable.engines.base import Part, kept, union_all
from potable.identity.match import normalise
from potable.identity.resolve import KEYS
from potable.privacy import forms, roster, saving
from potable.privacy.roster import SUBJECT_ID
from potable.runs import former, since
from potable.runs.plan import Step
from potable.runs.since import FORMER
from potable.runs.workshop import Made, Workshop, fates
from potable.store.manifest import File, Manifest, fingerprint


def collect_identifiers(shop: Workshop, step: Step, attempt: str) -> Made:
    """The roster of every value that names or reaches someone, of records of any fate, and its forms."""
    before = since.last(shop.lake, step)
    found = _came(shop, before) if before else None
    beside = before if found is not None else None
    if found is None:
        rows = {name: shop.records(name) for name in shop.project.tables}
        folder = shop.scratch / "named" / "whole"
        found = roster.identifiers(
            shop.project.tables,
            rows,
            shop.keys(),
            normalise=normalise,
            step=lambda relation, name: kept(shop.engine, relation, str(folder / name)),
        )
    place = shop.lake.vault.locate(attempt)
    parts = [part for part in shop.engine.write(found, f"{place}/rows") if part.rows] if found is not None else []
    came = shop.engine.read([f"{place}/rows/{part.path}" for part in parts], roster.schema())
    now = came.union(since.identified(shop, beside)) if beside else came
    lost = _lost(shop, step, beside, came, now, f"{attempt}/{FORMER}")
    if beside and lost.stands and not parts:
        return Made({}, beside.counts, _facts(shop, beside.facts["forms"], beside), standing=beside.files)
    everything = now.union(lost.rows) if lost.rows is not None else now
    count = sum(part.rows for part in parts) + (beside.rows() if beside else 0)
    total = count + lost.count
    files: dict[str, list[Part]] = {"rows": parts, FORMER: lost.parts}
    standing = {"rows": beside.files["rows"], FORMER: lost.files} if beside else {}

    def write(name: str, chunks: Iterable[bytes]) -> None:
        files[name] = [Part("digests", 0, shop.lake.vault.put(f"{attempt}/{name}/digests", chunks))]

    index = since.index_to_stand_on(shop, before, None if lost.stands else everything, total) if before else None
    new = everything
    if before and index:
        new = came if lost.stands else roster.lacking(everything, since.called(shop, before))
    shape = saving.save(shop.engine.stream(forms.forms(new, shop.engine)), total, write, index)
    stays = beside or (index and before and not _went(shop, before, now))
    facts = _facts(shop, shape, before if stays else None)
    return Made(files, {"rows": count}, facts, standing=standing)


@dataclass(frozen=True)
class _Lost:
    """The identifiers that no record has any more."""

    parts: list[Part]
    """Those that are written down now."""
    files: Sequence[File] = ()
    """Those that are the same as before."""
    rows: ir.Table | None = None
    """All of them; None for none."""
    stands: bool = False
    """Whether they are the same, beside identifiers all of which stand."""

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(part.rows for part in self.parts) + sum(file.rows for file in self.files)


def _lost(shop: Workshop, step: Step, beside: Manifest | None, came: ir.Table, now: ir.Table, folder: str) -> _Lost:
    """What people were called before; `beside` what stands, those that `came` are all there are `now`."""
    known, store = former.latest(shop, step), shop.lake.vault
    stands = beside is not None and beside == known
    parts = former.written(shop, known, came if stands else now, store.locate(folder), stands=stands)
    # none that stands is lost, so where there are as many as before they are the same
    if beside and stands and sum(part.rows for part in parts) == beside.rows(FORMER):
        store.clear(folder)
        rows = since.lost(shop, beside) if beside.rows(FORMER) else None
        return _Lost([], beside.files.get(FORMER, ()), rows, stands=True)
    paths = [store.locate(f"{folder}/{part.path}") for part in parts]
    return _Lost(parts, rows=shop.engine.read(paths, roster.schema()) if paths else None)


def _went(shop: Workshop, before: Manifest, now: ir.Table) -> int:
    """How many of the identifiers of an earlier step there are no more."""
    return since.count(shop.engine, roster.lacking(since.identified(shop, before), now))


def _facts(shop: Workshop, shape: object, earlier: Manifest | None) -> dict[str, object]:
    return {
        "forms": shape,
        "stands_on": earlier.fingerprint if earlier else "",
        "declared": _declared(shop),
        "validated": {name: shop.manifest("validate", name).fingerprint for name in shop.project.tables},
        "resolved": shop.manifest("resolve", "subjects").fingerprint,
        "naming": former.naming(shop.project.tables),
    }


def _declared(shop: Workshop) -> str:
    """What contracts say of who is named in which column, and of how rows are stored."""
    columns = [
        (name, of, column.type, column.key, column.declared_category, column.someone_else)
        for name, table in shop.project.tables.items()
        for of, column in table.columns.items()
    ]
    return fingerprint(columns)


@dataclass(frozen=True)
class _Since:
    """Files of records of one table that came to one fate, by what became of them since an earlier step."""

    table: str
    fate: str
    came: Sequence[str]
    went: Sequence[str]
    stay: Sequence[str]


def _came(shop: Workshop, before: Manifest) -> ir.Table | None:
    """The identifiers that came since an earlier step; None where some may have gone, or be somebody else's now."""
    subjects = since.found(shop.lake, "vault", "subjects", before.facts["resolved"])
    if before.facts["declared"] != _declared(shop) or subjects is None:
        return None
    files = _files(shop, before.facts["validated"])
    if files is None:
        return None
    folder = shop.scratch / "named" / before.fingerprint[:12]
    ledgers = since.differing_keys(shop, subjects)
    if ledgers and _moved(shop, *ledgers, files, str(folder / "keys")):
        return None
    found = _collected(shop, {(each.table, each.fate): each.came for each in files}, shop.keys())
    if found is not None:
        found = kept(shop.engine, found, str(folder / "came"))
    old = shop.engine.read(subjects.paths(shop.lake.vault, "keys"), KEYS)
    gone = _collected(shop, {(each.table, each.fate): each.went for each in files}, old)
    if gone is not None and since.count(shop.engine, roster.lacking(gone, found) if found is not None else gone):
        return None
    if found is None:
        return shop.engine.read([], roster.schema())
    return roster.beyond(found, since.identified(shop, before))


def _files(shop: Workshop, validated: Mapping[str, str]) -> list[_Since] | None:
    """All files of records, held to those of the steps of `validate` with these fingerprints; None where one is not."""
    found = []
    for name, table in shop.project.tables.items():
        then = since.found(shop.lake, "validated", name, validated[name])
        if then is None:
            return None
        for fate in fates(table):
            old, now = then.paths(shop.lake.restricted, fate), shop.files("validate", name, fate)
            came, went = sorted(set(now) - set(old)), sorted(set(old) - set(now))
            found.append(_Since(name, fate, came, went, sorted(set(old) & set(now))))
    return found


def _collected(shop: Workshop, files: Mapping[tuple[str, str], Sequence[str]], keys: ir.Table) -> ir.Table | None:
    """The identifiers in `files`, by table and fate; None where there can be none."""
    rows: dict[str, list[ir.Table]] = {}
    for (name, fate), paths in files.items():
        if paths:
            schema = fates(shop.project.tables[name])[fate]
            rows.setdefault(name, []).append(shop.engine.read(paths, schema))
    return roster.identifiers(shop.project.tables, rows, keys, normalise=normalise)


def _moved(shop: Workshop, old: ir.Table, now: ir.Table, files: Sequence[_Since], folder: str) -> bool:
    """Whether a record that stands may be somebody else's now: a key of it leads to another, or to anybody at all.

    Args:
        old, now: the keys that may not be in both ledgers.
        files: of records.
        folder: for intermediate files.
    """
    owned = ["namespace", "value", "subject"]
    if since.count(shop.engine, old.select(owned).anti_join(now, owned)):
        return True
    fresh = kept(shop.engine, now.anti_join(old, ["namespace", "value"]), folder)
    # validated rows have no key that resolve does not know
    aside = [
        roster.with_subject(
            shop.engine.read(each.stay, fates(table)[each.fate]), table, fresh, normalise=normalise
        ).select(SUBJECT_ID)
        for each, table in ((each, shop.project.tables[each.table]) for each in files)
        if each.stay and each.fate != "rows" and table.keys
    ]
    if not aside:
        return False
    rows = union_all(aside)
    return bool(since.count(shop.engine, rows.filter(rows[SUBJECT_ID].notnull())))
