"""Container images without a registry: tar files as an engine's `save` writes them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

MACHINE = "registry.example.com/potable:1"
"""What docs/kubernetes builds, as nodes have it: its entry, and links to where this machine's own folders are mounted."""
USER = 10001
"""Whom it has a name for beside root, and the manifests run it as."""
SHELL = "docker.io/potable/shell:1"
"""One static busybox, for containers that only wait."""

_FOLDERS = ("etc", "usr", "tmp", "proc", "sys", "dev", "run", "var", "root", "opt")
_LINKED = ("bin", "sbin", "lib", "lib64")


def write(folder: Path, busybox: Path, variables: Mapping[str, str]) -> list[Path]:
    """Both images as files; `variables` are the environment of `MACHINE`."""
    folder.mkdir()
    links = {name: f"usr/{name}" for name in _LINKED}
    path = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    entry = Path(__file__).parents[2] / "docs" / "kubernetes" / "entrypoint.sh"
    machine = _layer({"opt/entrypoint.sh": entry.read_bytes()}, links, _FOLDERS)
    tools = ("sh", "sleep", "cat", "id")
    shell = _layer({"bin/busybox": busybox.read_bytes()}, {f"bin/{name}": "busybox" for name in tools}, ("tmp",))
    waits = ["/bin/sh", "-c", "trap 'exit 0' TERM INT; while :; do sleep 1; done"]
    made = {
        "machine.tar": _image(MACHINE, machine, {"Entrypoint": ["/opt/entrypoint.sh"], **_env({**path, **variables})}),
        "shell.tar": _image(SHELL, shell, {"Cmd": waits, **_env({"PATH": "/bin"})}),
    }
    for name, data in made.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in made]


def _env(variables: Mapping[str, str]) -> dict[str, list[str]]:
    return {"Env": [f"{key}={value}" for key, value in variables.items()]}


def _layer(files: Mapping[str, bytes], links: Mapping[str, str], folders: tuple[str, ...]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name in sorted({*folders, *(name.rpartition("/")[0] for name in (*files, *links) if "/" in name)}):
            archive.addfile(_entry(name, tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755))
        for name, target in links.items():
            link = _entry(name, tarfile.SYMTYPE, 0o777)
            link.linkname = target
            archive.addfile(link)
        for name, data in files.items():
            file = _entry(name, tarfile.REGTYPE, 0o755)
            file.size = len(data)
            archive.addfile(file, io.BytesIO(data))
    return made.getvalue()


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = kind, mode
    return entry


def _image(name: str, layer: bytes, config: Mapping[str, object]) -> bytes:
    digest = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    described = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [digest]},
        "history": [{"created_by": "tests"}],
    }
    files = {"layer.tar": layer, "config.json": json.dumps(described).encode()}
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    return _layer({**files, "manifest.json": json.dumps(manifest).encode()}, {}, ())
