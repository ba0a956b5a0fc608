"""`${vault:MOUNT/PATH#KEY}`: a key of a secret in HashiCorp Vault, or what speaks its protocol (KV, version 2).

Where Vault is and who asks is taken from the variables that its own command line knows: `VAULT_ADDR`, `VAULT_TOKEN` (or
the file `~/.vault-token`), `VAULT_NAMESPACE`, `VAULT_CACERT`.

Entry: `secret`.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

from potable.errors import EnvironmentFailure, ProjectError
from potable.secrets import of_key, refused

_PATIENCE = 10.0
"""Seconds to wait for an answer."""


def secret(reference: str) -> str:
    """The secret that `MOUNT/PATH#KEY` names.

    Raises:
        ProjectError: P006, it is no such reference, or there is no such secret.
        EnvironmentFailure: E003, Vault cannot be reached or refuses.
    """
    path, _, key = reference.partition("#")
    mount, _, rest = path.strip("/").partition("/")
    if not (mount and rest and key):
        raise _wrong(reference, "is not of the form `vault:MOUNT/PATH#KEY`")
    # the path as Vault's own pages tell it has the word in it already
    rest = rest.removeprefix("data/")
    found = _asked(f"v1/{quote(mount)}/data/{quote(rest)}", path)
    data = found.get("data")
    value = of_key(data.get("data") if isinstance(data, dict) else None, key)
    if value is None:
        raise _wrong(reference, "refers to a key that the secret does not have")
    return value


def _asked(address: str, path: str) -> dict[str, Any]:
    """Vault's answer; an empty one where it has none."""
    server = os.environ.get("VAULT_ADDR", "")
    if not server.startswith(("http://", "https://")):
        raise ProjectError(
            "`VAULT_ADDR` is not set, or not a URL",
            "P006",
            hint="set it to the address of Vault, such as https://vault.corp:8200",
        )
    headers = {"X-Vault-Token": _token(), "X-Vault-Request": "true"}
    if namespace := os.environ.get("VAULT_NAMESPACE"):
        headers["X-Vault-Namespace"] = namespace
    request = urllib.request.Request(f"{server.rstrip('/')}/{address}", headers=headers)
    try:
        context = ssl.create_default_context(cafile=os.environ.get("VAULT_CACERT"))
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _Onwards())
        with opener.open(request, timeout=_PATIENCE) as answer:
            found = json.loads(answer.read())
    except urllib.error.HTTPError as failure:
        failure.close()
        if failure.code == 404:
            return {}
        raise _refused(path, f"HTTP {failure.code}", passing=failure.code == 429 or failure.code >= 500) from None
    except (OSError, http.client.HTTPException, ValueError) as trouble:
        why = getattr(trouble, "reason", trouble)
        raise _refused(path, f"no answer ({type(why).__name__})", passing=True) from None
    return found if isinstance(found, dict) else {}


class _Onwards(urllib.request.HTTPRedirectHandler):
    """Goes where Vault sends us, as from a standby to the active one, with the token; never where others read it."""

    def redirect_request(self, req: urllib.request.Request, *answer: Any) -> urllib.request.Request | None:
        """The next request; None where there is none."""
        secure = req.type != "https" or answer[-1].startswith("https://")
        return super().redirect_request(req, *answer) if secure else None


def _token() -> str:
    token = os.environ.get("VAULT_TOKEN", "")
    try:
        token = token or Path("~/.vault-token").expanduser().read_text(encoding="utf-8").strip()
    except (OSError, RuntimeError, UnicodeDecodeError):
        token = ""
    if not token or not (token.isascii() and token.isprintable()):
        raise ProjectError(
            "there is no token for Vault", "P006", hint="set `VAULT_TOKEN`, or log in with `vault login`"
        )
    return token


def _wrong(reference: str, why: str) -> ProjectError:
    return ProjectError(
        f"`${{vault:{reference}}}` {why}",
        "P006",
        hint="`vault kv get secret/payroll` shows the keys that `${vault:secret/payroll#KEY}` can refer to",
    )


def _refused(path: str, why: str, *, passing: bool) -> EnvironmentFailure:
    return refused(
        f"Vault does not return `{path}`: {why}",
        "is `VAULT_ADDR` right, is Vault unsealed, and may the token (`VAULT_TOKEN`) still read this path?",
        passing=passing,
    )
