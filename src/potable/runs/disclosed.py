"""The record of who was told who people are: a chained log in the restricted root, its entries named in the open one.

It holds who asked, where, when, what for, of how many and of how many it was told, and hashes of what was asked; never
an id or a value. Each entry is also named in the audit log of the open root, so that neither can be cut without the
other telling it; who can write both can write both anew.

Entry: `Call`, `broken`, `recent`.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal, NoReturn

from potable.datasets.version import current
from potable.errors import PrivacyRefusal
from potable.privacy.policy import IDENTIFY, Identify
from potable.project import Project
from potable.runs.processes import who
from potable.store.layout import Lake
from potable.store.log import AuditLog

Outcome = Literal["given", "refused", "unknown"]
NOTHING = "nobody was identified; nothing was written"
_TOLD = {"at", "people", "found"}
_DAYS = 30
"""In which calls are counted where privacy.yaml does not say it."""


@dataclass
class Call:
    """One call, as it is recorded."""

    project: Project
    declared: Identify
    lake: Lake
    purpose: str
    now: datetime
    input: dict[str, Any] = field(default_factory=dict)
    """What is known of the file: `sha256`, `rows`, `asked` (different ids)."""

    def require_declared(self) -> None:
        """Nothing, where the purpose and the account are among those that are declared.

        Raises:
            PrivacyRefusal: G005, recorded.
        """
        if self.purpose not in self.declared.purposes:
            self._refuse(
                "purposes", "people may not be identified for this purpose", self.purpose, self.declared.purposes
            )
        if self.declared.by and who() not in self.declared.by:
            self._refuse("by", "this account may not identify people", who(), self.declared.by)

    def require_few(self) -> None:
        """Nothing, where the file has no more ids than people may be told of.

        Raises:
            PrivacyRefusal: G005, recorded.
        """
        if self.input["asked"] > self.declared.most:
            self._refuse(
                "most",
                "the file has more subject ids than people may be told of",
                f"{self.input['asked']:,} different ids",
                [self._limit],
                hint="keep the rows that the purpose needs, such as those with the highest scores",
            )

    def add(self, outcome: Outcome, **more: Any) -> dict[str, Any]:
        """Record the call; one that is `given` only where, with its `found` people, not too many are.

        Returns:
            The entry.

        Raises:
            PrivacyRefusal: G005, recorded; G006, the record was changed.
        """
        entry = {
            "at": self.now.isoformat(timespec="seconds"),
            "who": who(),
            "host": platform.node(),
            "what": IDENTIFY,
            "outcome": outcome,
            "why": self.purpose,
            "legal_basis": self.declared.legal_basis or self.project.policy.legal_basis,
            "columns": self.declared.columns,
            "dataset": [self.project.features.dataset, self._version()],
            **self.input,
            **more,
        }
        allowed = partial(self._require_within, more) if outcome == "given" else bool
        stored = self.lake.identified.add_if(entry, allowed)
        # of a purpose that nobody declared, who knows what it says
        why = self.purpose if self.purpose in self.declared.purposes else ""
        named = {"entry": stored["number"], "hash": stored["hash"], "outcome": outcome}
        self.lake.audit.add({"at": entry["at"], "who": entry["who"], "what": IDENTIFY, "why": why, IDENTIFY: named})
        return stored

    def _require_within(self, more: Mapping[str, Any]) -> None:
        """Nothing, where all that were told within the time, these people too, are no more than may be."""
        for number in self.lake.identified.broken():
            raise changed(_broken_at(number))
        given = _within(self.lake.identified, self.declared.days, self.now)
        if _people_in([*given, more]) > self.declared.most:
            first = self.now - timedelta(days=self.declared.days)
            self._refuse(
                "most",
                f"with {more['found']:,} people more would be told of than may be",
                f"{_people_in(given):,} since {first:%Y-%m-%d}",
                [self._limit],
                found=more["found"],
                next="potable identify --log",
            )

    @property
    def _limit(self) -> str:
        return f"{self.declared.most:,} within {self.declared.within}"

    def _refuse(
        self, key: str, problem: str, given: str, allowed: Sequence[str], *, found: int = 0, **more: str
    ) -> NoReturn:
        self.add("refused", refused=key, found=found)
        place = self.project.documents["privacy"].place(IDENTIFY, key)
        raise refusal(problem, place=place, given=given, allowed=", ".join(allowed), **more)

    def _version(self) -> int:
        version = current(self.lake.versions(self.project.features.dataset))
        return version.number if version else 0


def refusal(problem: str, **more: Any) -> PrivacyRefusal:
    """The refusal to tell who people are."""
    return PrivacyRefusal(problem, "G005", state=NOTHING, **more)


def recent(project: Project, now: datetime | None = None) -> tuple[int, int]:
    """Calls that told somebody who people are, in the time in which they are counted, and of how many."""
    declared = project.agreed.policy.identify if project.agreed.policy else None
    days = declared.days if declared else _DAYS
    given = _within(project.lake().identified, days, now or datetime.now(UTC))
    return len(given), _people_in(given)


def broken(lake: Lake) -> str:
    """What is wrong with the record, in words; empty for nothing."""
    for number in lake.identified.broken():
        return _broken_at(number)
    hashes = {entry.get("number"): entry.get("hash") for entry in lake.identified.entries()}
    for entry in lake.audit.entries():
        named = entry.get(IDENTIFY)
        if named and hashes.get(named.get("entry"), "") != named.get("hash"):
            return f"entry {named.get('entry')} is gone, or another one than was written"
    return ""


def changed(problem: str) -> PrivacyRefusal:
    """The refusal to go on with a record that was changed."""
    return PrivacyRefusal(
        "the record of who was told who people are was changed",
        "G006",
        given=problem,
        hint="compare `audit/` of the restricted root with its backup; who could write there?",
        state=NOTHING,
    )


def _broken_at(number: int) -> str:
    return f"entry {number} was changed, or the one before it was"


def _within(log: AuditLog, days: int, now: datetime) -> list[dict[str, Any]]:
    """Entries of calls that told somebody, of the last days; also those of a clock that is ahead."""
    first = now - timedelta(days=days)
    # one that was made illegible is told by the chain
    given = [entry for entry in log.entries() if entry.get("outcome") == "given" and entry.keys() >= _TOLD]
    return [entry for entry in given if datetime.fromisoformat(entry["at"]) > first]


def _people_in(entries: Sequence[Mapping[str, Any]]) -> int:
    """Of how many people calls told; the very same people count once, for to tell them again tells nothing."""
    return sum({entry["people"]: int(entry["found"]) for entry in entries}.values())
