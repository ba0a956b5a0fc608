"""The pseudonym key: made once, kept in the vault, never shown."""

from __future__ import annotations

import hashlib
import json
import secrets

from potable.datasets.version import current
from potable.errors import Damaged, EnvironmentFailure
from potable.project import Project
from potable.runs import ledger
from potable.store.layout import Lake
from potable.store.objects import Store

_PATH = "keys/pseudonym.json"


def pseudonym_key(vault: Store) -> bytes:
    """The vault's 32-byte key; the first run makes it, of two first runs one wins."""
    if (key := existing_key(vault)) is None:
        vault.put_new(_PATH, json.dumps({"key": secrets.token_hex(32)}).encode())
        key = existing_key(vault)
    assert key is not None
    return key


def existing_key(vault: Store) -> bytes | None:
    """The vault's key, if a run has made one.

    Raises:
        Damaged: there is one, but it cannot be read.
    """
    stored = vault.get_if_present(_PATH)
    try:
        return None if stored is None else bytes.fromhex(json.loads(stored)["key"])
    except (ValueError, KeyError, TypeError):
        raise Damaged(_PATH) from None


def require_key(project: Project, lake: Lake) -> None:
    """Nothing, where the vault has key and ledger that versions were published with, or none was published.

    A vault that is not mounted looks like a new one, and a new one would give everybody another pseudonym.

    Raises:
        EnvironmentFailure: E011, one of them is gone.
    """
    if project.agreed.features is None:
        return
    lost = "key" if existing_key(lake.vault) is None else "" if ledger.log_of(lake.vault).last()[0] else "ledger"
    if lost and (version := current(lake.versions(project.features.dataset))):
        hint = "is the vault mounted, and `vault` in potable.yaml right?"
        if lost == "ledger":
            hint = "restore the vault's folder `ledger/` from a copy, the newest there is."
        raise EnvironmentFailure(
            f"the vault has no {lost}, but version {version.number} of `{version.dataset}` was made with one",
            "E011",
            given=lake.vault.url,
            hint=f"{hint} If it is lost, run with --new-vault, and everybody gets another pseudonym",
            state=f"nothing ran; version {version.number} stays current",
            next="potable doctor",
        )


def key_name(key: bytes | None) -> str:
    """A fingerprint that names the key without telling it; empty for no key."""
    if key is None:
        return ""
    return hashlib.blake2b(key, person=b"potable-key-name").hexdigest()[:16]
