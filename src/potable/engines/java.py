"""Java as Spark's launcher finds it. Entry: `require_java`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from potable.errors import EnvironmentFailure

LEAST = 17


def require_java() -> None:
    """Nothing, where there is a Java that is new enough, or one that does not tell how new it is.

    Raises:
        EnvironmentFailure: E007.
    """
    wanted, home = f"Spark needs Java {LEAST} or newer", os.environ.get("JAVA_HOME")
    java = shutil.which(f"{home}/bin/java" if home else "java")
    if java is None:
        where = "in `JAVA_HOME`" if home else "on this machine"
        raise EnvironmentFailure(
            f"{wanted}, but there is no `java` {where}", "E007", given=home or "", hint="install Java, or set JAVA_HOME"
        )
    version = _version(java)
    if version is not None and version < LEAST:
        raise EnvironmentFailure(
            f"{wanted}, but this is Java {version}", "E007", given=java, hint="install a newer Java, and set JAVA_HOME"
        )


def _version(java: str) -> int | None:
    """The first number of its version; until 8 it was the second."""
    try:
        said = subprocess.run([java, "-version"], capture_output=True, timeout=60, check=False).stderr
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(rb'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else None
