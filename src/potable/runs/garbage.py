"""What nothing needs in a lake and may go: steps, attempts of runs that ended, layers, caches, old versions' files.

A file stays where a step that stays names it, or where it is young, for it may belong to a run that goes on now. Raw
objects, keys, the ledger, records of runs and the audit log lie elsewhere and are not looked at; of what does lie
here, only paths of forms that Potable writes are. Nothing is removed here.

Entry: `look`, and its `garbage`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from potable.runs import known, queries
from potable.runs.needed import Needs, files_in, files_of, store_of
from potable.store.manifest import Manifest
from potable.store.objects import Stored

ZONES = ("datasets", "features", "protected", "known", "vault", "quarantine", "validated", "compiled")
"""In the order in which they are cleaned: what was made from others goes before them."""
_PRINT = "[0-9a-f]{32}(?:-[0-9a-f]{8})?"
_FILE = re.compile(rf"({'|'.join(ZONES)})/((?:nobody/)?[^/]+)/({_PRINT})/(.+)")
_ENTRY = re.compile(r"([^/]+/[^/]+/made/[0-9a-f]{32})/\d{8}\.json")
_COMPILED = re.compile(r"compiled/[0-9a-f]{32}\.json")
_UNNEEDED, _UNNAMED = "steps that nothing needs", "files that belong to no step"
_LOGS, _OTHER_CODE = "notes about removed steps", "queries compiled by another version of the code"


@dataclass(frozen=True)
class Item:
    """One object that may go."""

    zone: str
    path: str
    bytes: int
    why: str
    first: bool
    """Whether it makes a step look finished, and so goes before all others."""


@dataclass(frozen=True)
class Garbage:
    """What may go, and what stays for now."""

    items: Sequence[Item]
    young: Sequence[Stored]
    """Nothing needs it, but it may belong to a run that goes on."""
    elsewhere: Sequence[str]
    """Steps of the vault that were made from no table of this lake: of another one that shares the vault."""
    seen: frozenset[str]
    """Paths of all that says that a step is done, as they were listed."""

    @property
    def steps(self) -> list[str]:
        """Folders of the steps that may go."""
        return sorted(item.path.rsplit("/", 1)[0] for item in self.items if item.first)


def look(needs: Needs) -> Look:
    """What lies in a lake now."""
    return Look(needs, {zone: store_of(needs.lake, zone).stored(zone) for zone in ZONES})


@dataclass(frozen=True)
class _Place:
    """Where a file of a step lies."""

    step: str
    """Folder of the step it belongs to; quarantine belongs to steps of other zones."""
    part: str
    """Its attempt, or the file itself."""
    first: bool
    """Whether it says that a step is done, or was stopped."""


def _placed(path: str) -> _Place | None:
    match = _FILE.fullmatch(path)
    if not match:
        return None
    zone, name, found, rest = match.groups()
    if zone == "quarantine":
        zone = "protected" if name.startswith("nobody/") else "validated"
    step = f"{zone}/{name.removeprefix('nobody/')}/{found}"
    return _Place(step, f"{step}/{rest.split('/', 1)[0]}", rest in ("manifest.json", "stopped.json"))


@dataclass(frozen=True)
class Look:
    """One look at everything that lies in the zones."""

    needs: Needs
    listed: Mapping[str, Sequence[Stored]]

    @cached_property
    def _firsts(self) -> dict[str, tuple[Stored, _Place]]:
        """What says that steps are done, or were stopped, by path."""
        placed = ((item, _placed(item.path)) for zone in self.listed.values() for item in zone)
        return {item.path: (item, place) for item, place in placed if place and place.first}

    @cached_property
    def _young_parts(self) -> set[str]:
        young = (_placed(item.path) for zone in self.listed.values() for item in zone if self._is_young(item))
        return {place.part for place in young if place}

    def garbage(self, published: Mapping[str, Collection[str]]) -> Garbage:
        """What of it may go.

        Args:
            published: files of the versions that are kept, by the folder of the step that published them.
        """
        young = {place.step for item, place in self._firsts.values() if self._is_young(item)}
        done = {place.step for path, (_, place) in self._firsts.items() if path.endswith("/manifest.json")}
        needed = self.needs.steps([*published, *(step for step in young if not step.startswith("known/"))], done)
        elsewhere = {step for step in self._done("vault") if step not in needed and not self._is_ours(step)}
        stay = needed | young | elsewhere
        stay |= {step for step in self._done("known") if self._is_used(step, needed, elsewhere)}
        named = self._named(stay).union(*published.values())
        items: list[Item] = []
        waiting: list[Stored] = []
        for zone in ZONES:
            for item, why in self._unnamed(zone, stay, named):
                place = _placed(item.path)
                if self._is_young(item) or (place and place.part in self._young_parts):
                    waiting.append(item)
                else:
                    first = bool(place and place.first)
                    items.append(Item(zone, item.path, item.bytes, why, first))
        return Garbage(items, waiting, sorted(elsewhere), frozenset(self._firsts))

    def named_since(self, seen: Collection[str]) -> set[str]:
        """What is named by steps that were made since others were `seen`."""
        return self._named({place.step for path, (_, place) in self._firsts.items() if path not in seen})

    def _named(self, stay: Collection[str]) -> set[str]:
        """What is named by the steps that stay, and by the ledger."""
        named = set(files_in(self.needs.ledger)) if self.needs.ledger else set()
        for path, (_, place) in self._firsts.items():
            if place.step in stay and (data := store_of(self.needs.lake, path).get_if_present(path)):
                named |= set(files_of(Manifest.from_bytes(data)))
        return named

    def _unnamed(self, zone: str, stay: Collection[str], named: Collection[str]) -> Iterator[tuple[Stored, str]]:
        """What nothing that stays names, and why it may go."""
        newest: dict[str, Stored] = {}
        for item in self.listed[zone]:
            if place := _placed(item.path):
                goes = place.step not in stay
                if goes if place.first else not is_named(item.path, named):
                    done = f"{place.step}/manifest.json" in self._firsts
                    yield item, _UNNEEDED if goes and done else _UNNAMED
            elif _COMPILED.fullmatch(item.path) and item.path != queries.place():
                yield item, _OTHER_CODE
            elif match := _ENTRY.fullmatch(item.path):
                if before := newest.get(match[1]):
                    yield before, _LOGS
                newest[match[1]] = item
        for log, item in newest.items():
            if log not in self.needs.logs and self._noted(item) not in stay:
                yield item, _LOGS

    def _noted(self, item: Stored) -> str:
        """Folder of the step that an entry of a log is about."""
        data = store_of(self.needs.lake, item.path).get_if_present(item.path)
        return f"{item.path.split('/made/')[0]}/{json.loads(data)['fingerprint']}" if data else ""

    def _done(self, zone: str) -> set[str]:
        return {place.step for path, (_, place) in self._firsts.items() if path.startswith(f"{zone}/")}

    def _is_ours(self, step: str) -> bool:
        """Whether a step of the vault was made from tables of this lake alone, or from what is gone for everybody."""
        manifest = self.needs.manifest(step)
        origins = list(self.needs.made_from(manifest, step)) if manifest else []
        there = [f"{origin}/manifest.json" in self._firsts for origin in origins]
        return all(
            not found or self._is_ours(origin) if origin.startswith("vault/") else found
            for origin, found in zip(origins, there, strict=True)
        )

    def _is_used(self, digests: str, needed: Collection[str], elsewhere: Collection[str]) -> bool:
        """Whether digests are of identifiers that stay, and of the code of today."""
        fingerprint = digests.rsplit("/", 1)[1]
        identifiers = f"vault/identifiers/{fingerprint}"
        return identifiers in elsewhere or (identifiers in needed and digests == known.place(fingerprint))

    def _is_young(self, item: Stored) -> bool:
        return item.modified >= self.needs.used_since


def is_named(path: str, named: Collection[str]) -> bool:
    """Whether a path is among those that steps name; rows about nobody are named by their folder."""
    return path in named or (path.startswith("quarantine/nobody/") and "/".join(path.split("/")[:5]) in named)
