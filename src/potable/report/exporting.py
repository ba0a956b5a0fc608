"""Ways for metrics to leave: a file for node_exporter's textfile collector, and a Pushgateway.

Both get all there is to tell whenever a run begins or ends, however it ends. What goes wrong on the way is a warning
and never the end of a run.

Entry: `exporting` around a run.
"""

from __future__ import annotations

import base64
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import potable
from potable.deployment import Pushgateway, memory_bytes
from potable.errors import PotableError
from potable.project import Project
from potable.report.metrics import Standing, exposition, samples, standing
from potable.runs.handed import replacing
from potable.runs.record import RunRecord
from potable.scheduling import span
from potable.sources.credentials import headers

_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_INTERRUPTED, _BUG = 130, 70
_LATE = "no answer in time"


@contextmanager
def exporting(project: Project, warn: Callable[[str], None]) -> Iterator[None]:
    """Tell the metrics of a project when a run of it begins and when it ends; of runs for other days nothing.

    Args:
        warn: takes what could not be told, once.
    """
    settings = project.platform.observability
    if project.as_of or not (settings.textfile or settings.pushgateway):
        yield
        return
    told: set[str] = set()

    def tell(now: Callable[[], Standing]) -> None:
        problems = _attempted(project, now)
        for problem in problems:
            if problem not in told:
                warn(problem)
        told.update(problems)

    started, before = time.time(), ""

    def beginning() -> Standing:
        nonlocal before
        now = standing(project)
        before = now.last.run if now.last else ""
        return replace(now, begun=started, unended=now.unended + 1)

    tell(beginning)
    code = _BUG
    try:
        yield
        code = 0
    except PotableError as failure:
        code = failure.exit_code
        raise
    except KeyboardInterrupt:
        code = _INTERRUPTED
        raise
    finally:
        tell(lambda: _after(project, started, code, before))


def _attempted(project: Project, now: Callable[[], Standing]) -> list[str]:
    try:
        return export(project, exposition(samples(project, now())))
    except PotableError:
        # a lake that cannot be asked is the run's own error
        return []
    except Exception as failure:
        return [f"metrics could not be collected: {type(failure).__name__}"]


def _after(project: Project, started: float, code: int, before: str) -> Standing:
    """What there is to tell when a run has ended, also where it could not write its record.

    Args:
        code: exit code of what it raised.
        before: name of the last run when it began.
    """
    now = Standing()
    with suppress(PotableError):
        now = standing(project)
    if not code or (now.last and now.last.run != before):
        return now
    unrecorded = RunRecord(
        run="",
        project=project.platform.project,
        outcome="failed",
        exit_code=code,
        started=datetime.fromtimestamp(started, UTC).isoformat(),
        seconds=round(time.time() - started, 3),
        potable=potable.__version__,
        engine=project.platform.engine,
        memory=memory_bytes(project.platform.memory),
        peak_memory=0,
        threads=project.platform.threads,
    )
    return replace(now, last=unrecorded, begun=started)


def export(project: Project, text: str) -> list[str]:
    """Write and push metrics; what could not be done, a line each."""
    settings, problems = project.platform.observability, []
    if settings.textfile:
        try:
            with replacing(project.root / Path(settings.textfile).expanduser()) as file:
                file.write(text.encode())
        except (OSError, RuntimeError) as failure:
            problems.append(f"metrics could not be written to `{settings.textfile}`: {type(failure).__name__}")
    if settings.pushgateway and (problem := _pushed(project, settings.pushgateway, text.encode())):
        host = urlsplit(settings.pushgateway.url).netloc
        problems.append(f"metrics could not be pushed to `{host}`: {problem}")
    return problems


def looked(project: Project) -> Iterator[tuple[str, str]]:
    """Where metrics go, and what would keep them from it, empty for nothing; nothing is written or pushed."""
    settings = project.platform.observability
    if settings.textfile:
        with suppress(RuntimeError):
            folder = (project.root / Path(settings.textfile).expanduser()).parent
            may = os.access(folder, os.W_OK | os.X_OK)
            yield settings.textfile, "" if may else "the folder is missing, or not writable for this user"
    if settings.pushgateway:
        problem = _asked(settings.pushgateway, "/-/ready", "GET")
        # a proxy before it may pass on nothing but what is pushed
        yield urlsplit(settings.pushgateway.url).netloc, "" if problem == "HTTP 404" else problem


def _pushed(project: Project, gateway: Pushgateway, data: bytes) -> str:
    return _asked(gateway, f"/metrics/job/potable{_group(project)}", "PUT", data)


def _asked(gateway: Pushgateway, path: str, method: str, data: bytes | None = None) -> str:
    """What kept a request from success within the time for it, names and connections included; empty for nothing."""
    found = [_LATE]
    seconds = span(gateway.timeout).total_seconds()

    def ask() -> None:
        try:
            request = urllib.request.Request(
                gateway.url.rstrip("/") + path,
                data,
                {"Content-Type": _TYPE, "User-Agent": f"potable/{potable.__version__}", **headers(gateway.auth)},
                method=method,
            )
            with urllib.request.urlopen(request, timeout=seconds):
                found[0] = ""
        except urllib.error.HTTPError as failure:
            found[0] = f"HTTP {failure.code}"
            failure.close()
        except Exception as failure:
            # its own text may quote what was sent
            reason = getattr(failure, "reason", failure)
            found[0] = _LATE if isinstance(reason, TimeoutError) else type(reason).__name__

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0]


def _group(project: Project) -> str:
    """The path of what is replaced by a push: one group for each dataset of each project."""
    labels = {"project": project.platform.project}
    if project.agreed.features:
        labels["dataset"] = project.dataset
    return "".join(_labelled(name, value) for name, value in labels.items())


def _labelled(name: str, value: str) -> str:
    if "/" in value or not value:
        return f"/{name}@base64/{base64.urlsafe_b64encode(value.encode()).decode() or '='}"
    return f"/{name}/{quote(value, safe='')}"
