"""Azurite, Microsoft's own stand-in for Azure Blob Storage, and what names it to the libraries."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The key that every Azurite has, as its manual says."""
_VERSION = "2021-08-06"


@contextmanager
def azurite() -> Iterator[str]:
    """Endpoint of a server that forgets everything; skips where it has not been fetched or cannot run."""
    program = Path(sys.prefix, "azurite", "node_modules", ".bin", "azurite-blob")
    if not program.exists() or not shutil.which("node"):
        pytest.skip("there is no Azurite: `make .venv/.azurite` fetches it, by npm")
    quiet = ["--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck"]
    command = [str(program), *quiet, "--blobHost", "127.0.0.1", "--blobPort", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        assert server.stdout
        heard = []
        for line in server.stdout:
            heard.append(line)
            if found := re.search(r"successfully listen\w* on (http://127\.0\.0\.1:\d+)", line):
                break
        else:
            raise AssertionError("".join(heard))
        try:
            yield f"{found[1]}/{ACCOUNT}"
        finally:
            server.kill()


def variables(endpoint: str) -> dict[str, str]:
    """What the environment says of the server."""
    return {
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        "AZURE_STORAGE_ENDPOINT": endpoint,
        "AZURE_ALLOW_HTTP": "true",
    }


def make_container(endpoint: str, name: str) -> None:
    """Make a container; obstore knows only blobs.

    Signed with the account's key as https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key says.
    """
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": _VERSION}
    signed = "".join(f"{key}:{value}\n" for key, value in headers.items())
    text = "PUT" + "\n" * 12 + f"{signed}/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    mac = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(mac).decode()}"
    with urlopen(Request(f"{endpoint}/{name}?restype=container", method="PUT", headers=headers), timeout=30):
        pass
