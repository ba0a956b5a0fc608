"""Why Spark does not start, in our words: hints by what it says.

Entry: `require_master` before it is asked, `not_started` after it failed.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from pyspark.errors import PySparkException

from potable.errors import EnvironmentFailure, machine_says

_FULL = "no space left on device"
_STANDALONE = "spark://"
_PATIENCE = 10
"""Seconds in which a master must answer."""


def require_master(master: str) -> None:
    """Nothing where one of a cluster's standalone masters listens: Spark itself asks for a minute, and tells less.

    Raises:
        EnvironmentFailure: E007, none does.
    """
    if not master.startswith(_STANDALONE):
        return
    for address in master.removeprefix(_STANDALONE).split(","):
        host, _, port = address.rpartition(":")
        with suppress(OSError, ValueError, OverflowError):
            socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
            return
    raise EnvironmentFailure(
        "no Spark master answers",
        "E007",
        given=master,
        hint="is it running, and do host and port of `master` lead to it?",
        retryable=True,
    )


def not_started(master: str, failure: Exception, log: str) -> EnvironmentFailure:
    """The error of a Spark that did not start; of what it said nothing is told, for that may hold secrets.

    Args:
        log: what Java said until then.
    """
    # what Java says of a failure, it says only while it runs, but it is in the log
    said = machine_says(failure) if isinstance(failure, OSError) else _FULL if _FULL in log.lower() else ""
    if said:
        hint = "`df -h` and `potable doctor` show free space and rights of the scratch folder"
        return EnvironmentFailure(f"Spark cannot start ({said})", "E007", given=master, hint=hint, retryable=True)
    condition = failure.getCondition() if isinstance(failure, PySparkException) else ""
    hint = "is the master reachable, and do `spark.conf` and `memory` fit this machine?"
    if "basedir must be absolute: ?" in log or "invalid null input: name" in log:
        hint = f"the user id {os.getuid()} has no name here, which Java needs: add it to /etc/passwd (of the image)"
    elif "UnknownHostException" in log:
        hint = "Java does not find this machine by its own name: add it to /etc/hosts, or set SPARK_LOCAL_IP"
    elif "emory" in log and "must be at least" in log:
        hint = "`spark.executor.memory` and `spark.driver.memory` must be at least 450m"
    elif "heap size" in log or "JNI error" in log or "Size must be specified" in log:
        hint = "is `spark.driver.memory` (by default half of `memory`) a size such as 2g, at least 450m?"
    elif "HADOOP_CONF_DIR" in log:
        hint = "set HADOOP_CONF_DIR to the folder with YARN's configuration"
    elif condition == "JAVA_GATEWAY_EXITED":
        hint = "does `java -version` work where JAVA_HOME leads, and do `spark.conf` and `memory` fit this machine?"
    return EnvironmentFailure(
        f"Spark cannot start ({condition or type(failure).__name__})", "E007", given=master, hint=hint
    )
