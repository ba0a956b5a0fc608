"""Container images without a registry: tar files as an engine's `save` writes them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

MACHINE = "docker.io/potable/machine:1"
"""Nothing but links to `/usr` and how Spark's executors start; a pod mounts this machine's own folders into it."""
SHELL = "docker.io/potable/shell:1"
"""One static busybox, for containers that only wait."""

_FOLDERS = ("etc", "usr", "tmp", "proc", "sys", "dev", "run", "var", "root", "opt")
_LINKED = ("bin", "sbin", "lib", "lib64")
# what the script of Spark's own image does with an executor
_ENTRY = r"""#!/bin/bash
set -e
[ "$1" = executor ] || exec "$@"
readarray -t options < <(env | grep ^SPARK_JAVA_OPT_ | sort -t_ -k4 -n | sed 's/[^=]*=//')
exec java "${options[@]}" -Xms"$SPARK_EXECUTOR_MEMORY" -Xmx"$SPARK_EXECUTOR_MEMORY" \
  -cp "$SPARK_CLASSPATH:$SPARK_HOME/jars/*" \
  org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
  --driver-url "$SPARK_DRIVER_URL" --executor-id "$SPARK_EXECUTOR_ID" --cores "$SPARK_EXECUTOR_CORES" \
  --app-id "$SPARK_APPLICATION_ID" --hostname "$SPARK_EXECUTOR_POD_IP" \
  --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" --podName "$SPARK_EXECUTOR_POD_NAME"
"""


def write(folder: Path, busybox: Path, variables: Mapping[str, str]) -> list[Path]:
    """Both images as files; `variables` are the environment of `MACHINE`."""
    folder.mkdir()
    links = {name: f"usr/{name}" for name in _LINKED}
    path = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    machine = _layer({"opt/entrypoint.sh": _ENTRY.encode()}, links, _FOLDERS)
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
