"""How the Java of Spark is told what it is to be like: by its environment, and by a file that only we can read.

Entry: `unseen`.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark import SparkConf

_ARGUMENTS = "PYSPARK_SUBMIT_ARGS"
_HERE = {"SPARK_LOCAL_HOSTNAME": "localhost", "SPARK_LOCAL_IP": "127.0.0.1"}
"""Without these Spark asks for the address of this machine's name, which containers and laptops may not know."""
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}


@contextmanager
def unseen(conf: SparkConf, folder: Path, *, local: bool) -> Iterator[None]:
    """Spark is told its configuration by a file in `folder`: command lines, anybody on the machine can read.

    Args:
        local: whether all of it runs on this machine.
    """
    path = folder / "spark.conf"
    path.touch(0o600)
    path.write_text("".join(f"{_escaped(key)}={_escaped(value)}\n" for key, value in conf.getAll()), encoding="utf-8")
    before = dict(os.environ)
    file = shlex.join(["--properties-file", str(path), "--load-spark-defaults"])
    os.environ[_ARGUMENTS] = f"{file} {before.get(_ARGUMENTS) or 'pyspark-shell'}"
    if local and _HERE.keys().isdisjoint(before):
        os.environ.update(_HERE)
    try:
        yield
    finally:
        path.unlink()
        for name in (_ARGUMENTS, *_HERE):
            os.environ.pop(name, None)
            if name in before:
                os.environ[name] = before[name]


def _escaped(text: str) -> str:
    """A key or value as files of properties have it."""
    return re.sub(r"[\\=:#! \n\r\t\f]", lambda found: _ESCAPES.get(found[0], f"\\{found[0]}"), text)
