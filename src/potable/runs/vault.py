"""The pseudonym key: made once, kept in the vault, never shown."""

from __future__ import annotations

import hashlib
import json
import secrets

from potable.store.objects import Store

_PATH = "keys/pseudonym.json"


def pseudonym_key(vault: Store) -> bytes:
    """The vault's 32-byte key; the first run makes it, of two first runs one wins."""
    if (key := existing_key(vault)) is not None:
        return key
    vault.put_new(_PATH, json.dumps({"key": secrets.token_hex(32)}).encode())
    return bytes.fromhex(json.loads(vault.get(_PATH))["key"])


def existing_key(vault: Store) -> bytes | None:
    """The vault's key, if a run has made one."""
    stored = vault.get_if_present(_PATH)
    return bytes.fromhex(json.loads(stored)["key"]) if stored else None


def key_name(key: bytes | None) -> str:
    """A fingerprint that names the key without telling it; empty for no key."""
    if key is None:
        return ""
    return hashlib.blake2b(key, person=b"potable-key-name").hexdigest()[:16]
