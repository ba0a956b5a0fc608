"""Protobuf schemas that a registry gives as `.proto` texts only, compiled by protoc.

protoc comes with grpcio-tools and runs as a process of its own, which can be ended. Texts are of the registry: they
lie in a folder of their own, and their names must stay in it. Entry: `compiled`.
"""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

# where it is missing, that is told before anything is done
import grpc_tools  # noqa: F401
from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError

_LARGEST = 8 << 20
"""Characters of a schema and those it refers to."""
_SECONDS = 60
_TOLD = 200
"""Characters of what protoc says that are told."""
_IMPORT = re.compile(r"""(?:^|;|\*/)\s*import\s+(?:public\s+|weak\s+)?["']([^"'\n]+)["']""", re.MULTILINE)
_QUOTED = re.compile(r'"[^"]*"')
_OF_PROTOC = "google/protobuf/"
_NAME = re.compile(r"[\w.+-]+(/[\w.+-]+)*\.proto")


def compiled(texts: Mapping[str, str]) -> list[str]:
    """Compiled schemas in base64, in the order of their texts; the last is the one that refers to the others.

    Raises:
        ValueError: they do not compile; says where and why, in protoc's words.
    """
    if sum(map(len, texts.values())) > _LARGEST:
        raise ValueError("it is too large")
    imported = {name for text in texts.values() for name in _IMPORT.findall(text)}
    # as of compiled schemas, what cannot be had is taken as empty
    absent = {name: 'syntax = "proto3";' for name in imported - set(texts) if not name.startswith(_OF_PROTOC)}
    with TemporaryDirectory(prefix="potable-proto-") as folder:
        for name, text in {**absent, **texts}.items():
            _write(Path(folder), name, text)
        found = _run(folder, list(texts)[-1])
    files = {file.name: file for file in found.file}
    return [base64.b64encode(files[name].SerializeToString(deterministic=True)).decode() for name in texts]


def _write(folder: Path, name: str, text: str) -> None:
    if not _NAME.fullmatch(name) or ".." in PurePosixPath(name).parts:
        raise ValueError("it refers to a name that is not the path of a .proto file")
    path = folder / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except (OSError, UnicodeError):
        raise ValueError("two of its file names exclude each other") from None


def _run(folder: str, name: str) -> descriptor_pb2.FileDescriptorSet:
    out = Path(folder) / "compiled"
    # the folder must not be one that Python looks for modules in
    command = [sys.executable, "-P", "-m", "grpc_tools.protoc", f"-I{folder}", f"--descriptor_set_out={out}"]
    try:
        done = subprocess.run(
            [*command, "--include_imports", name], capture_output=True, timeout=_SECONDS, check=False, text=True
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"protoc did not finish within {_SECONDS} seconds") from None
    if done.returncode:
        said = done.stderr.replace(f"{folder}/", "").splitlines()
        errors = [line for line in said if ".proto:" in line and ": warning:" not in line]
        # what the schema says is its own; where it says it is enough to find it
        told = _QUOTED.sub("…", errors[0])[:_TOLD] if errors else f"protoc ended with {done.returncode}"
        raise ValueError(told)
    try:
        return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    except (OSError, DecodeError):
        raise ValueError("protoc wrote no readable output") from None
