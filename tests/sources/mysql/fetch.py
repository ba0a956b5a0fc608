"""Lay a real MySQL server, with all it needs but this machine's kernel, into a folder: from Debian's packages.

    python fetch.py FOLDER

Debian's stable releases have MariaDB in its place, so it is that of unstable, as it is today, with the C library it was
built for. Nothing is installed.
"""

from __future__ import annotations

import lzma
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

DEBIAN = "http://deb.debian.org/debian"
SERVER = "mysql-server-core"
_LEFT_OUT = {"debconf", "perl"}
"""What only its scripts need."""


def main() -> None:
    """Fetch what the server depends on, and unpack it."""
    target = Path(sys.argv[1])
    target.mkdir(parents=True)
    known = packages(lzma.decompress(fetched(f"{DEBIAN}/dists/unstable/main/binary-amd64/Packages.xz")).decode())
    with tempfile.TemporaryDirectory() as folder:
        for name in needed(SERVER, known):
            archive = Path(folder, f"{name}.deb")
            archive.write_bytes(fetched(f"{DEBIAN}/{known[name]['Filename']}"))
            subprocess.run(["dpkg-deb", "-x", archive, target], check=True)


def fetched(url: str) -> bytes:
    """What is at a URL."""
    with urlopen(url, timeout=120) as answer:
        found: bytes = answer.read()
        return found


def packages(index: str) -> dict[str, dict[str, str]]:
    """Fields of all packages that an index lists, by name."""
    entries = (dict(re.findall(r"^([\w-]+): (.*)$", entry, re.MULTILINE)) for entry in index.split("\n\n"))
    return {entry["Package"]: entry for entry in entries if entry}


def needed(name: str, known: dict[str, dict[str, str]]) -> set[str]:
    """A package and all that it depends on; of several that would do the first."""
    found, left = set[str](), [name]
    while left:
        if (one := left.pop()) in found or one in _LEFT_OUT or one not in known:
            continue
        found.add(one)
        asked = f"{known[one].get('Depends', '')}, {known[one].get('Pre-Depends', '')}"
        left += (names[0] for each in asked.split(",") if (names := re.findall(r"^\s*([a-z0-9.+-]+)", each)))
    return found


if __name__ == "__main__":
    main()
