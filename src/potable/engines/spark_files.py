"""Our classes in Java (`jvm/`), and files and folders as Spark writes them where they are not in an object store.

Hadoop sets the permissions of each by a `chmod` of its own, a process for every file and folder, which takes longer
than to write a small table. `LocalFiles`, our class of its file system, leaves them as the process's umask makes
them, like everything else Potable writes. `Quiet` sees to what executors log. A test compiles the sources and holds
the classes to them.

Entry: `jar` and `QUIET` before Spark starts, `writing` for every write.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

CLASSES = tuple(Path(__file__).with_name("jvm") / f"{name}.class" for name in ("LocalFiles", "Quiet"))
QUIET = "potable.Quiet"
"""A plug-in of Spark's, by which executors of a cluster log as the driver is told to."""


def jar(folder: Path) -> str:
    """The classes as Spark takes them along to every executor: URL of a new file in `folder`."""
    path = folder / "potable.jar"
    with zipfile.ZipFile(path, "w") as archive:
        for file in CLASSES:
            archive.write(file, f"potable/{file.name}")
    # as a path it would lose what follows a sign that means something in a URL, or in a list
    return path.resolve().as_uri()


def writing(*, ours: bool) -> dict[str, str]:
    """Options of a write to a folder; `ours` where Spark was started with our jar.

    The raw file system, because the other one leaves .crc files beside ours, and the lake hashes what counts.
    """
    made = "potable.LocalFiles" if ours else "org.apache.hadoop.fs.RawLocalFileSystem"
    return {"fs.file.impl": made, "fs.file.impl.disable.cache": "true"}
