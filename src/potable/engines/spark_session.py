"""Spark itself: started, shared by the engines of one process, and stopped.

A process has one Spark; engines that are open at the same time share it and have a session each, and the
last one to close stops it. `master` starts a driver in this process (local, standalone, YARN, Kubernetes),
`remote` talks to a Spark Connect server. Entry: `opened` and `Opened.close`.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from potable.engines import spark_files, spark_meaning, spark_stores
from potable.engines.java import require_java
from potable.engines.spark_executors import Watch
from potable.engines.spark_launch import unseen
from potable.engines.spark_refusals import not_started
from potable.errors import EnvironmentFailure, PotableError

ENGINE_SHARE = 0.5
"""Most of the memory setting a local Spark's heap may take; Python, Arrow and the workers need the rest."""
LEAST_HEAP = 512 << 20
CONNECT_PORT = 15002
REMOTE = "sc://"
"""How the URL of a Spark Connect server begins."""
_JAVA = "-Dsun.jnu.encoding=UTF-8 -Dfile.encoding=UTF-8 -Duser.language=en -Duser.country=US -Duser.variant="
"""Names of files and the case of letters must not depend on the machine; the last word on a command line counts."""


@dataclass(frozen=True)
class Settings:
    """How Spark is reached and what it may use."""

    master: str = ""
    """Spark's master URL; empty with `remote`."""
    remote: str = ""
    """Spark Connect URL."""
    conf: Mapping[str, str] = field(default_factory=dict)
    memory: int = 0
    threads: int = 1
    stores: tuple[str, ...] = ()
    """URLs of the object stores it works on."""

    @property
    def local(self) -> bool:
        """Whether the driver is the whole cluster."""
        return not self.remote and self.master.startswith("local")


@dataclass
class Running:
    """The Spark of this process."""

    session: Any
    folder: Path
    """Where it spills and logs; goes with it."""
    master: str
    stores: bool = False
    """Whether it was told how to reach object stores."""
    watch: Watch | None = None
    """Of a cluster."""
    users: int = 0


@dataclass
class Opened:
    """One engine's session."""

    session: Any
    remote: bool
    folder: Path | None = None

    def close(self) -> None:
        """Give the session back; the last of a process stops Spark."""
        if not self.remote:
            _leave()
        else:
            # a server that is gone has nothing to stop
            with suppress(Exception):
                self.session.stop()
            if self.folder:
                shutil.rmtree(self.folder, ignore_errors=True)


_running: Running | None = None


def opened(settings: Settings, scratch: Path) -> Opened:
    """A session of its own, on the Spark that runs or a new one.

    Raises:
        EnvironmentFailure: E007, Spark cannot be started or reached.
    """
    if wrong := spark_meaning.refused(settings.conf):
        raise EnvironmentFailure(f"`{wrong[0]}` would change results, so it cannot be set", "E007", allowed=wrong[1])
    logging.getLogger().addFilter(_not_py4j)
    made = _connected(settings, scratch) if settings.remote else _joined(settings, scratch)
    # pyspark itself logs the text of failing queries, which may hold data
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        logging.getLogger(name).disabled = True
    try:
        for key, value in _of_queries(settings.conf).items():
            # what cannot be set in a session was set when Spark started, or is the server's own
            with suppress(PySparkException):
                made.session.conf.set(key, value)
        _require_meaning(made)
    except PySparkException as failure:
        unfit = _unfit(settings, failure)
        made.close()
        raise unfit from None
    if not settings.remote:
        _require_stores(made, settings.stores)
    return made


def _unfit(settings: Settings, failure: PySparkException) -> EnvironmentFailure:
    """What to tell of a session that Spark does not give, by the settings its text names; values may be secret."""
    named = [key for key in settings.conf if key in str(failure)]
    return EnvironmentFailure(
        f"Spark refuses {f'the value of `{named[0]}`' if named else 'a setting'}",
        "E007",
        hint="see `spark.conf` in potable.yaml, and Spark's own spark-defaults.conf",
    )


def _of_queries(conf: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in conf.items() if key.startswith("spark.sql.")}


def _require_meaning(made: Opened) -> None:
    if lacking := spark_meaning.fix(made.session, PySparkException):
        made.close()
        problem = f"Spark does not let a session set `{lacking[0]}`, but results depend on it"
        raise EnvironmentFailure(problem, "E007", allowed=lacking[1])
    if made.remote and not spark_meaning.speaks_english(made.session):
        made.close()
        problem = "the Spark Connect server changes the case of letters as another language does"
        hint = "start it, and its executors, with the Java options -Duser.language=en -Duser.country=US"
        raise EnvironmentFailure(problem, "E007", hint=hint)


def _require_stores(made: Opened, stores: Sequence[str]) -> None:
    try:
        spark_stores.require(made.session, stores)
    except BaseException:
        made.close()
        raise


def _not_py4j(record: logging.LogRecord) -> bool:
    """py4j tells the root logger, with a traceback, of queries that were interrupted; we tell it in our own words."""
    return f"{os.sep}py4j{os.sep}" not in record.pathname


def _connected(settings: Settings, scratch: Path) -> Opened:
    folder = Path(tempfile.mkdtemp(dir=scratch, prefix="connect-"))
    try:
        # the client itself asks again for minutes before it gives up
        at = urlsplit(settings.remote)
        socket.create_connection((at.hostname or "", at.port or CONNECT_PORT), timeout=10).close()
        with spark_meaning.values_untold(settings.conf):
            session = SparkSession.builder.remote(settings.remote).config(map=dict(settings.conf)).create()
        session.addArtifacts(str(package(folder)), pyfile=True)
    except Exception as failure:
        shutil.rmtree(folder, ignore_errors=True)
        raise EnvironmentFailure(
            f"the Spark Connect server cannot be used ({type(failure).__name__})",
            "E007",
            given=settings.remote.partition(";")[0],
            hint="is the server running with the same Spark version, and is pyspark's `connect` extra installed?",
            retryable=True,
        ) from None
    return Opened(session, True, folder)


def _joined(settings: Settings, scratch: Path) -> Opened:
    global _running
    if _running is None:
        _running = _started(settings, scratch)
    elif not settings.local and settings.master != _running.master:
        raise EnvironmentFailure(
            "this process already runs another Spark session", "E007", given=settings.master, allowed=_running.master
        )
    elif settings.stores and not _running.stores:
        raise EnvironmentFailure("this process already runs a Spark session that cannot reach object stores", "E007")
    _running.users += 1
    return Opened(_running.session.newSession(), False)


def _leave() -> None:
    global _running
    if _running is None:
        return
    _running.users -= 1
    if _running.users == 0:
        _stop(_running)
        _running = None


def _started(settings: Settings, scratch: Path) -> Running:
    folder = Path(tempfile.mkdtemp(dir=scratch, prefix="spark-jvm-"))
    watch = None
    try:
        session = _launched(settings, folder)
        if settings.local:
            session.sparkContext.pythonExec = sys.executable
        else:
            session.sparkContext.pythonExec = settings.conf.get("spark.pyspark.python", "python3")
            session.sparkContext.addPyFile(str(package(folder)))
            watch = Watch(session.sparkContext)
            _require_executor(session, watch)
    except BaseException as failure:
        if watch:
            watch.stop()
        # what Java says of a failure, it says only while it runs
        log = f"{_log(folder)}\n{failure}"
        _end_java()
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(failure, PotableError) or not isinstance(failure, Exception):
            raise
        raise not_started(settings.master, failure, log) from None
    return Running(session, folder, settings.master, bool(settings.stores), watch)


def _require_executor(session: Any, watch: Watch) -> None:
    """Nothing, as soon as an executor has done something.

    Raises:
        EnvironmentFailure: E007, there was none for too long.
    """
    try:
        session.range(1).count()
    except Exception:
        if watch.alone:
            raise watch.failure() from None
        raise


def lonely() -> EnvironmentFailure | None:
    """What to tell of a query that was given up because the cluster had no executor any more."""
    watch = _running.watch if _running else None
    return watch.failure() if watch and watch.alone else None


def killed() -> bool:
    """Whether the Java of this process has ended although nobody here ended it."""
    process = getattr(SparkContext._gateway, "proc", None)
    if process is None:
        return False
    # its connections are gone a moment before it is
    with suppress(subprocess.TimeoutExpired):
        process.wait(2)
    return process.returncode is not None


def _launched(settings: Settings, folder: Path) -> Any:
    require_java()
    conf = SparkConf(loadDefaults=False).setAll(list(configuration(settings, folder).items()))
    joined = {"spark.jars": spark_files.jar(folder)} | ({} if settings.local else {"spark.plugins": spark_files.QUIET})
    for key, own in joined.items():
        conf.set(key, ",".join(filter(None, (conf.get(key, ""), own))))
    with (folder / "spark.log").open("wb") as log, unseen(conf, folder, local=settings.local):
        gateway = launch_gateway(None, {"stdout": log, "stderr": log})
    SparkContext._ensure_initialized(gateway=gateway)
    session = SparkSession.builder.config(conf=conf).getOrCreate()
    # it would print a traceback where Java is killed, which we tell in our own words
    session.sparkContext._accumulatorServer.handle_error = lambda *_: None
    return session


def configuration(settings: Settings, folder: Path) -> dict[str, str]:
    """Spark's configuration: ours, the project's over it, and what results depend on over both."""
    ours = {
        "spark.app.name": "potable",
        "spark.master": settings.master,
        "spark.ui.showConsoleProgress": "false",
        # what Spark logs of a failing query may hold data
        "spark.log.level": "OFF",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.sql.execution.arrow.maxRecordsPerBatch": "16384",
        # a run makes hundreds of queries and none twice; what Java keeps of them by default fills a small heap
        "spark.sql.codegen.cache.maxEntries": "100",
        "spark.sql.ui.retainedExecutions": "50",
        "spark.ui.retainedJobs": "50",
        "spark.ui.retainedStages": "50",
        "spark.ui.retainedTasks": "1000",
    }
    if settings.local:
        heap = max(LEAST_HEAP, int(settings.memory * ENGINE_SHARE))
        ours |= {
            "spark.driver.memory": f"{heap >> 20}m",
            # Java listens on this machine, and whoever else has an account here could have it run code
            "spark.authenticate": str(not settings.master.startswith("local-cluster")).lower(),
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.local.dir": str(folder),
            "spark.sql.shuffle.partitions": str(settings.threads),
            "spark.ui.enabled": "false",
        }
    if settings.stores:
        ours |= spark_stores.settings(os.environ, local=settings.local)
    made = {**ours, **settings.conf, **spark_meaning.MEANING}
    # Java unpacks libraries of its own, and a Java that is killed leaves them
    own = '"-Djava.io.tmpdir=' + re.sub(r'(["\\])', r"\\\1", str(folder)) + '" '
    for key, first in (("spark.driver.extraJavaOptions", own), ("spark.executor.extraJavaOptions", "")):
        made[key] = f"{first}{settings.conf.get(key, '')} {_JAVA}".strip()
    return made


def package(folder: Path) -> Path:
    """Potable's own code as a zip that Python can import, for executors that do not have it."""
    import potable

    root = Path(potable.__file__).parent
    path = folder / "potable.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(root.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                archive.write(file, file.relative_to(root.parent))
    return path


def _stop(running: Running) -> None:
    if running.watch:
        running.watch.stop()
    # of a Java that was killed there is nothing to stop, but what it spilled is still here
    with suppress(Exception):
        running.session.stop()
    # pyspark gives up half way where Java was killed, and would take it for running
    with suppress(Exception):
        running.session.sparkContext.stop()
    _end_java()
    shutil.rmtree(running.folder, ignore_errors=True)


def _end_java() -> None:
    """End the Java process and forget it, so that a later engine starts a new one."""
    gateway = SparkContext._gateway
    if gateway is None:
        return
    with suppress(Exception):
        gateway.shutdown()
    process = getattr(gateway, "proc", None)
    if process is not None:
        process.stdin.close()
        try:
            process.wait(10)
        except Exception:
            process.kill()
            process.wait()
    SparkContext._gateway = None
    SparkContext._jvm = None


def _log(folder: Path) -> str:
    path = folder / "spark.log"
    return path.read_text(errors="replace") if path.exists() else ""
