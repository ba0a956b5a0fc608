"""A server that speaks Google's storage API (gcs/main.go), and what names it to the libraries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest


@contextmanager
def google() -> Iterator[str]:
    """Endpoint of a server that forgets everything; skips where it has not been built."""
    program = Path(sys.prefix, "gcs", "server")
    if not program.exists():
        pytest.skip("there is no server of Google's storage API: `make .venv/.gcs` builds it, by Go")
    with subprocess.Popen([str(program)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def variables(endpoint: str, folder: Path) -> dict[str, str]:
    """What the environment says of the server: the file of a service account, as Google gives it to whoever makes one."""
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa", reason="cryptography is not installed")
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    account = {
        "type": "service_account",
        "private_key_id": "1",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "client_email": "potable@example.com",
        "gcs_base_url": endpoint,
    }
    path = folder / "account.json"
    path.write_text(json.dumps(account))
    return {"GOOGLE_SERVICE_ACCOUNT": str(path)}


def make_bucket(endpoint: str, name: str) -> None:
    """Make a bucket; obstore knows only objects."""
    kind = {"Content-Type": "application/json"}
    made = Request(f"{endpoint}/storage/v1/b", json.dumps({"name": name}).encode(), kind)
    with urlopen(made, timeout=30):
        pass


def put_packed(url: str, name: str, data: bytes) -> None:
    """Put gzip's bytes into a bucket as what they unpack to, which obstore does not do."""
    endpoint = json.loads(Path(os.environ["GOOGLE_SERVICE_ACCOUNT"]).read_bytes())["gcs_base_url"]
    given = urlencode({"uploadType": "media", "name": name, "contentEncoding": "gzip"})
    bucket = url.removeprefix("gs://")
    with urlopen(Request(f"{endpoint}/upload/storage/v1/b/{bucket}/o?{given}", data), timeout=30):
        pass
