"""The pseudonym key: made once, kept in the vault, never shown."""

from __future__ import annotations

import hashlib
import json
import secrets

from potable.store.objects import Store

_PATH = "keys/pseudonym.json"


def pseudonym_key(vault: Store) -> bytes:
    """The vault's 32-byte key; the first run makes it, of two first runs one wins."""
    stored = vault.get_if_present(_PATH)
    if stored is None:
        vault.put_new(_PATH, json.dumps({"key": secrets.token_hex(32)}).encode())
        stored = vault.get(_PATH)
    return bytes.fromhex(json.loads(stored)["key"])


def key_name(key: bytes) -> str:
    """A fingerprint that names the key without telling it."""
    return hashlib.blake2b(key, person=b"potable-key-name").hexdigest()[:16]
