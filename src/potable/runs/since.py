"""What changed since an earlier step of protect or build, so that a step can stand on it.

Beside the steps lies a log of those that were made by the same rules, one after the other. The last one is stood on
where its input is still there; what people are called and whom their keys lead to may have changed, and is compared.

Entry: `last`, `remember`, `index_to_stand_on`, `changes`, `layer`, `built`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import ibis
import ibis.expr.types as ir

from potable.contracts.validate import validated_schema
from potable.engines.base import Engine, Part, scalars, union_all
from potable.errors import EnvironmentFailure
from potable.features import standing as built_before
from potable.features.spine import Funnel
from potable.identity.reissued import HELD
from potable.identity.resolve import KEYS
from potable.privacy import forms, pseudonyms, roster, saving
from potable.privacy.between import Between
from potable.privacy.index import Index
from potable.privacy.mentions import Changed
from potable.privacy.protect import PLACES
from potable.privacy.standing import Standing, moved
from potable.runs.plan import Step
from potable.runs.workshop import Workshop
from potable.store.layout import Lake, step_folder
from potable.store.log import Log
from potable.store.manifest import Manifest, find

FORMER = "former"
"""Output of `protect identifiers`: what people were called before, and are no more."""
_MOST = 0.5
"""Share of the protected rows whose files must still be there, for the subjects of others to be looked for."""


@dataclass(frozen=True)
class Changes:
    """What changed of people between two steps."""

    keys: ir.Table | None
    """(namespace, value) of the keys that are `moved`; None for none."""
    names: Changed | None
    """The identifiers of which a form came or went; None for none."""
    owners: ir.Table | None = None
    """(subject) of those whom these belong to."""
    spelled: bool = False
    """Whether identifiers came or went, also where no form did: redaction folds what kept texts may equal."""


def last(lake: Lake, step: Step) -> Manifest | None:
    """The step that was made last by the same rules; None where there is none, or none is wanted."""
    if not step.rules:
        return None
    _, entry = _log(lake, step).last()
    return found(lake, step.zone, step.name, entry["fingerprint"]) if entry else None


def remember(lake: Lake, step: Step) -> None:
    """Note that a step was made."""
    if not step.rules:
        return
    log = _log(lake, step)
    number, _ = log.last()
    try:
        log.append({"fingerprint": step.fingerprint}, parent=number)
    except EnvironmentFailure as failure:
        # another run made one at the same time; either can be stood on
        if failure.code != "E005":
            raise


def found(lake: Lake, zone: str, name: str, fingerprint: str) -> Manifest | None:
    """The manifest of any finished step."""
    return find(Step("protect", name, zone=zone).store(lake), step_folder(zone, name, fingerprint))


def came(shop: Workshop, table: str, validated: str, output: str = "rows") -> list[str] | None:
    """Files that came to a validated table since the step of `validate` with this fingerprint.

    None where that step is gone, or some of its files are.
    """
    then = found(shop.lake, "validated", table, validated)
    if then is None:
        return None
    old, now = then.paths(shop.lake.restricted, output), shop.files("validate", table, output)
    return sorted(set(now) - set(old)) if set(old) <= set(now) else None


def differing_keys(shop: Workshop, before: Manifest) -> tuple[ir.Table, ir.Table] | None:
    """The keys of an earlier step of resolve and those of this run's that may not be in both; None where all are."""
    old, now = set(before.paths(shop.lake.vault, "keys")), set(shop.files("resolve", "subjects", "keys"))
    # a key stands once in a ledger, so what is in a file of both is in no other file of either
    went, came = (shop.engine.read(sorted(files), KEYS) for files in (old - now, now - old))
    return None if old == now else (went, came)


def index_to_stand_on(shop: Workshop, before: Manifest, known: ir.Table | None, rows: int) -> Index | None:
    """The index of an earlier step, where identifiers only came and its files have the right size.

    Args:
        before: the earlier `protect identifiers`.
        known: the identifiers that there are now, former ones too; None where they are known to have only come.
        rows: how many.
    """
    (beginnings,) = before.files["beginnings"]
    if beginnings.bytes != saving.bytes_of(rows):
        return None
    if known is not None and count(shop.engine, roster.lacking(called(shop, before), known)):
        return None
    return index_of(shop, before)


def identified(shop: Workshop, manifest: Manifest) -> ir.Table:
    """The identifiers that a step collected."""
    return shop.engine.read(manifest.paths(shop.lake.vault), roster.schema())


def lost(shop: Workshop, manifest: Manifest) -> ir.Table:
    """The former identifiers that a step knew."""
    return shop.engine.read(manifest.paths(shop.lake.vault, FORMER), roster.schema())


def called(shop: Workshop, manifest: Manifest) -> ir.Table:
    """The identifiers of which a step made the index: those that it collected, and former ones."""
    rows = identified(shop, manifest)
    return rows.union(lost(shop, manifest)) if manifest.rows(FORMER) else rows


def telling(shop: Workshop, manifest: Manifest) -> ir.Table:
    """Of the identifiers that a step collected, and of former ones (`marked_former`), those that are searched for in
    what is kept and published."""
    rows = roster.telling_who(identified(shop, manifest))
    return rows.union(marked_former(roster.telling_who(lost(shop, manifest)))) if manifest.rows(FORMER) else rows


def marked_former(rows: ir.Table) -> ir.Table:
    """Identifiers, or digests of them, whose kind says that no record has them any more."""
    return rows.mutate(kind=ibis.literal(f"{FORMER} ") + rows.kind)


def beyond(shop: Workshop, before: Manifest, now: Manifest) -> ir.Table:
    """(subject, kind, value) of the identifiers that one step collected and an earlier one did not."""
    if not _stands(shop, before, now):
        return roster.lacking(identified(shop, now), identified(shop, before))
    # a file beside those that stand holds what they lack
    came = set(now.paths(shop.lake.vault)) - set(before.paths(shop.lake.vault))
    return shop.engine.read(sorted(came), roster.schema()).select("subject", "kind", "value")


def index_of(shop: Workshop, manifest: Manifest) -> Index:
    """The index of the identifiers that a step collected."""
    (digests,), (beginnings,) = (manifest.paths(shop.lake.vault, output) for output in ("forms", "beginnings"))
    return Index(digests, beginnings, manifest.facts["forms"])


def changes(shop: Workshop, resolved: str, named: str) -> Changes | None:
    """What changed since the steps of resolve and of `protect identifiers` with these fingerprints.

    None where one of them is gone. Compared once in a run.
    """
    if (resolved, named) not in shop.changes:
        subjects = found(shop.lake, "vault", "subjects", resolved)
        identifiers = found(shop.lake, "vault", "identifiers", named)
        compared = _compared(shop, subjects, identifiers) if subjects and identifiers else None
        shop.changes[resolved, named] = compared
    changed: Changes | None = shop.changes[resolved, named]
    return changed


def origins(shop: Workshop, name: str) -> dict[str, str]:
    """Fingerprints of the steps that `protect` of a table is made from."""
    steps = {
        "validated": ("validate", name),
        "subjects": ("resolve", "subjects"),
        "identifiers": ("protect", "identifiers"),
        "pseudonyms": ("protect", "pseudonyms"),
    }
    return {origin: shop.manifest(*step).fingerprint for origin, step in steps.items()}


def nobody_files(lake: Lake, manifest: Manifest) -> list[str]:
    """Absolute paths of the places that `protect` of a table split off."""
    listed = lake.restricted.list(manifest.facts["nobody"])
    return [lake.restricted.locate(path) for path in listed if path.endswith(".parquet")]


@dataclass(frozen=True)
class Layer:
    """What a step of protect has to do beside the one it stands on."""

    earlier: Manifest
    """That one."""
    new: ir.Table
    """Validated rows that came since."""
    standing: Standing
    """Those that were there."""
    changed: bool
    """Whether there is anything to do."""


def layer(shop: Workshop, step: Step) -> Layer | None:
    """How `protect` of a table can stand on an earlier one; None where not all rows of that are there any more."""
    earlier = last(shop.lake, step)
    if earlier is None:
        return None
    then, lake = earlier.facts["origins"], shop.lake
    validated = found(lake, "validated", step.name, then["validated"])
    people = found(lake, "vault", "pseudonyms", then["pseudonyms"])
    subjects = found(lake, "vault", "subjects", then["subjects"])
    changed = changes(shop, then["subjects"], then["identifiers"])
    if not (validated and people and subjects and changed):
        return None
    old, new = (set(made.paths(lake.restricted)) for made in (validated, shop.manifest("validate", step.name)))
    if not old <= new or people.counts["buckets"] != shop.manifest("protect", "pseudonyms").counts["buckets"]:
        return None
    schema = validated_schema(shop.project.tables[step.name])
    standing = Standing(
        rows=shop.engine.read(sorted(old), schema),
        parts=[
            Part(lake.open.locate(file.path), file.rows, file.bytes, file.partition) for file in earlier.files["rows"]
        ],
        nobody=shop.engine.read(nobody_files(lake, earlier), PLACES),
        marks={action["column"]: action["redactions"] for action in earlier.facts["actions"] if action["redactions"]},
        keys=shop.engine.read(subjects.paths(lake.vault, "keys"), KEYS),
        pseudonyms=shop.engine.read(people.paths(lake.vault), pseudonyms.schema()),
        moved=changed.keys,
        renamed=changed.names,
        owners=changed.owners,
        scratch=str(shop.scratch / "protect" / step.name),
        held=shop.held(subjects),
        came=bool(new - old),
    )
    # what stays is searched for new spellings, although it is redacted as before
    anything = standing.came or changed.keys is not None or changed.names is not None or changed.spelled
    return Layer(earlier, shop.engine.read(sorted(new - old), schema), standing, anything)


def built(shop: Workshop, earlier: Manifest, protected: Mapping[str, Manifest]) -> built_before.Standing | None:
    """What an earlier step of build left; None where what it was built from is gone, or mostly something else now.

    Args:
        earlier: that step, made by the same rules.
        protected: the steps of protect as they are now, by table.
    """
    lake = shop.lake
    then = {table: found(lake, "protected", table, origin) for table, origin in earlier.facts["origins"].items()}
    files: dict[str, dict[int, list[str]]] = {}
    stays = total = 0
    needed = list(earlier.files["rows"])
    for table, manifest in then.items():
        if manifest is None:
            return None
        files[table] = by_bucket(lake, manifest)
        now = set(protected[table].files["rows"])
        total += manifest.rows()
        stays += sum(file.rows for file in manifest.files["rows"] if file in now)
        needed += [file for file in manifest.files["rows"] if file not in now]
    # everything can be built again, so a file that was taken away stops nobody
    if stays < _MOST * total or any(lake.open.size(file.path) is None for file in needed):
        return None
    counted = {name: count for name, count in earlier.facts["funnel"].items() if name != "dropped"}
    proved, gaps = earlier.facts["proved_on"], earlier.facts["gaps"]
    return built_before.Standing(earlier.paths(lake.open), files, Funnel(**counted), proved, gaps)


def by_bucket(lake: Lake, manifest: Manifest) -> dict[int, list[str]]:
    """The files of a step of protect (absolute paths), by bucket."""
    files: dict[int, list[str]] = {}
    for file in manifest.files["rows"]:
        files.setdefault(file.partition or 0, []).append(lake.open.locate(file.path))
    return files


def _compared(shop: Workshop, subjects: Manifest, identifiers: Manifest) -> Changes:
    folder = shop.scratch / "since" / identifiers.fingerprint[:12] / subjects.fingerprint[:12]
    apart = {namespace for table in shop.project.tables.values() for namespace in table.apart.values()}
    ledgers = differing_keys(shop, subjects)
    if ledgers and apart:
        # by which of their keys somebody's records are told apart, all of their keys decide
        ledgers = shop.engine.read(subjects.paths(shop.lake.vault, "keys"), KEYS), shop.keys()
    differing = [moved(*ledgers, apart)] if ledgers else []
    differing += _lent_otherwise(shop, subjects)
    keys, moves = _kept(shop.engine, union_all(differing).distinct(), folder / "keys") if differing else (None, 0)
    collected = shop.manifest("protect", "identifiers")
    between = Between(index_of(shop, identifiers), index_of(shop, collected))
    differing = _differing(shop, identifiers, collected)
    changed = shop.engine.map_batches(differing, between.identifiers, differing.schema().to_pyarrow())
    changed, names = _kept(shop.engine, changed, folder / "identifiers")

    def write(name: str, chunks: Iterable[bytes]) -> None:
        (folder / name).write_bytes(b"".join(chunks))

    if not names:
        return Changes(keys if moves else None, None, spelled=bool(count(shop.engine, differing)))
    made = forms.forms(changed, shop.engine, between.forms)
    shape = saving.save(shop.engine.stream(made), names, write)
    index = Index(str(folder / "forms"), str(folder / "beginnings"), shape)
    told = shop.engine.stream(changed.select("subject", "kind", "value"))
    return Changes(keys if moves else None, Changed.of(index, told, names), changed.select("subject").distinct())


def _lent_otherwise(shop: Workshop, before: Manifest) -> list[ir.Table]:
    """(namespace, value) of the keys of several people that were somebody else's at some time, by an earlier step."""
    now, vault = shop.manifest("resolve", "subjects"), shop.lake.vault
    old, new = (made.paths(vault, "held") for made in (before, now))
    if old == new:
        return []
    one, two = (shop.engine.read(files, HELD) for files in (old, new))
    changed = one.anti_join(two, HELD.names).union(two.view().anti_join(one.view(), HELD.names))
    return [changed.select("namespace", "value").distinct()]


def _differing(shop: Workshop, before: Manifest, now: Manifest) -> ir.Table:
    """(subject, kind, value) of the identifiers that came or went between the indexes of two steps."""
    if before.paths(shop.lake.vault, FORMER) != now.paths(shop.lake.vault, FORMER):
        then, today = called(shop, before), called(shop, now)
        return roster.lacking(then, today).union(roster.lacking(today, then))
    came = beyond(shop, before, now)
    return came if _stands(shop, before, now) else beyond(shop, now, before).union(came)


def _stands(shop: Workshop, before: Manifest, now: Manifest) -> bool:
    """Whether the files of an earlier step's identifiers are those of a later one too."""
    return set(before.paths(shop.lake.vault)) <= set(now.paths(shop.lake.vault))


def _kept(engine: Engine, relation: ir.Table, folder: Path) -> tuple[ir.Table, int]:
    """A relation written down, and its rows."""
    parts = engine.write(relation, str(folder))
    schema = relation.schema().to_pyarrow()
    return engine.read([f"{folder}/{part.path}" for part in parts], schema), sum(part.rows for part in parts)


def count(engine: Engine, relation: ir.Table) -> int:
    """Rows of a relation."""
    return int(scalars(engine, relation.agg(n=relation.count()))["n"])


def _log(lake: Lake, step: Step) -> Log:
    return Log(step.store(lake), step.made)
