"""`potable doctor`: is the machine, the lake and every source in a state to run?"""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psutil

from potable import plugins
from potable.agreement import lacking
from potable.cli.output import human_bytes, table
from potable.datasets.version import current
from potable.deployment import memory_bytes
from potable.errors import PotableError
from potable.machine import memory_limit
from potable.project import Project
from potable.report.exporting import looked
from potable.runs import begun, disclosed
from potable.runs.expired import expired
from potable.runs.vault import require_key
from potable.store.layout import SHUT

if TYPE_CHECKING:
    from potable.cli.answers.project import Diagnosis

_NEEDED = {"xml": "xml2arrow", "docx": "lxml", "rest": "httpx", "kafka": "confluent_kafka", "kinesis": "boto3"}
_SPARE = 1 << 30
_APART = timedelta(minutes=10)
"""How far clocks of several machines may be apart before it is told."""
_Found = tuple[str, Literal["ok", "bad", "note"], str]


def diagnose(project: Project) -> tuple[list[Diagnosis], str, bool]:
    """Every finding as data and as text, and whether all is well. Nothing of the lake is changed."""
    findings: list[Diagnosis] = [
        {"what": what, "state": state, "detail": detail} for what, state, detail in _findings(project)
    ]
    healthy = all(finding["state"] != "bad" for finding in findings)
    rows = [(found["what"], found["state"], found["detail"]) for found in findings]
    closing = (
        f"everything is ok; next: {project.next_run}"
        if healthy
        else "fix what is marked bad, then run `potable doctor` again"
    )
    return findings, table(rows, ["what", "state", "detail"]) + f"\n\n{closing}", healthy


def _findings(project: Project) -> Iterator[_Found]:
    yield "python", "ok", sys.version.split()[0]
    yield _memory(project)
    yield _attempt("scratch", partial(_scratch, project))
    if (kept := project.root / ".env").is_file():
        told = "bad: every user of this machine can read the secrets in it; run `chmod 600 .env`"
        yield _attempt(".env", lambda: told if _anybodys(str(kept)) else "readable by its owner or group only")
    for source in project.sources.values():
        package = _NEEDED.get(source.type)
        if package and importlib.util.find_spec(package) is None:
            yield f"package {package}", "bad", f"pip install 'potable[{source.type}]'"
    yield _attempt("engine", lambda: _engine(project))
    yield from (_attempt(f"root {name}", work) for name, work in _roots(project))
    for name, source in project.sources.items():
        yield _attempt(f"source {name}", partial(_first, source, project))
    for place, problem in looked(project):
        # runs go on without
        yield "metrics", "note" if problem else "ok", f"{place}: {problem}" if problem else place
    yield _attempt("dataset", lambda: _version(project))
    # a lake that cannot be asked is told above
    with suppress(PotableError):
        yield _clock(project)
        yield from (("run", "note", run.told) for run in begun.unended(project.lake()))
        yield from (("retention", "note", old.told) for old in expired(project, datetime.now(UTC)))


def _memory(project: Project) -> _Found:
    wanted, there = memory_bytes(project.platform.memory), min(psutil.virtual_memory().available, memory_limit())
    detail = f"{human_bytes(wanted)} allowed, {human_bytes(there)} available"
    return "memory", "ok" if wanted <= there else "bad", detail


def _engine(project: Project) -> str:
    """Nothing is started: on a cluster that could take long."""
    engine = plugins.load("engines", project.platform.engine)
    if require := getattr(engine, "require", None):
        require(**project.platform.engine_options())
    return project.platform.engine


def _scratch(project: Project) -> str:
    place = project.root / project.platform.scratch
    try:
        # a run makes what is missing
        place = next(each for each in (place, *place.parents) if each.exists())
        with tempfile.TemporaryFile(dir=place):
            return f"writable{_free(str(place))}"
    except OSError as failure:
        return f"bad: not writable ({type(failure).__name__})"


def _roots(project: Project) -> Iterator[tuple[str, Callable[[], str]]]:
    lake = project.lake()
    for name, store in (("restricted", lake.restricted), ("open", lake.open), ("vault", lake.vault)):

        def write(name: str = name, store: Any = store) -> str:
            probe = f".doctor-{secrets.token_hex(4)}"
            store.put_new(probe, b"probe")
            second = store.put_new(probe, b"probe")
            store.delete([probe])
            if second:
                return (
                    "bad: the store overwrites an existing object on put-if-absent, so two runs at once could "
                    "damage the lake"
                )
            if shut := _shut(store.locate("")):
                return f"bad: `{shut}` is not readable and writable for this user"
            if name == "vault":
                require_key(project, lake)
            if name != "open" and _anybodys(store.locate("")):
                return "bad: every user of this machine can read it; run `chmod o-rwx` on it"
            if name == "open" and (seen := [zone for zone in SHUT if _anybodys(store.locate(zone))]):
                return f"bad: every user of this machine can read {' and '.join(seen)}; run `chmod o-rwx` on them"
            return f"writable, put-if-absent works{_free(store.locate(''))}"

        yield name, write


def _shut(place: str) -> str:
    """A folder of a local root that we may not use, though we may the root."""
    folders = sorted(Path(place).iterdir()) if "://" not in place else []
    may = os.R_OK | os.W_OK | os.X_OK
    return next((each.name for each in folders if each.is_dir() and not os.access(each, may)), "")


def _anybodys(place: str) -> bool:
    """Whether whoever has an account may read a file or a folder; a run makes roots for their owner alone."""
    if "://" in place or not Path(place).exists():
        return False
    way = [place for place in Path(place).resolve().parents if not place.stat().st_mode & stat.S_IXOTH]
    return not way and Path(place).stat().st_mode & stat.S_IRWXO != 0


def _free(place: str) -> str:
    if "://" in place:
        return ""
    free = shutil.disk_usage(place).free
    return f", {human_bytes(free)} free" + ("" if free > _SPARE else ": bad: less than 1 GB")


def _first(source: Any, project: Project) -> str:
    arrivals, arrival = source.arrivals(project.root), None
    try:
        arrival = next(arrivals, None)
        if arrival and not arrival.far:
            with arrival.open() as stream:
                stream.read(1)
        return "reachable" if arrival else "reachable, but has no data"
    except OSError as failure:
        return (
            f"bad: `{source.naming.told(arrival.name)}` cannot be read ({type(failure).__name__})" if arrival else "bad"
        )
    finally:
        arrivals.close()


def _version(project: Project) -> str:
    lake = project.lake()
    broken = list(lake.audit.broken())
    if broken:
        return f"bad: the hash chain of the audit log is broken at entry {broken[0]}"
    if problem := disclosed.broken(lake):
        return f"bad: the record of who was told who people are: {problem}"
    if project.agreed.features is None:
        return f"no version yet: {lacking(project.unwritten)}"
    version = current(lake.versions(project.features.dataset))
    return f"version {version.number} is current" if version else "no version yet"


def _clock(project: Project) -> _Found:
    """Whether what runs noted lies ahead of this machine's clock: this one goes slow, or another one went fast."""
    now, names = datetime.now(UTC), project.lake().open.list("runs")
    starts = [found[0] for name in names if (found := re.findall(r"^runs/(\d{8}-\d{6})-\w+\.json$", name))]
    newest = datetime.strptime(max(starts), "%Y%m%d-%H%M%S").replace(tzinfo=UTC) if starts else now
    told = f"{now:%Y-%m-%d %H:%M} UTC"
    if newest - now < _APART:
        return "clock", "ok", told
    return "clock", "note", f"it is {told} here, but a run began {newest:%Y-%m-%d %H:%M} UTC: is this clock slow?"


def _attempt(what: str, work: Callable[[], str]) -> _Found:
    try:
        detail = work()
    except PotableError as failure:
        where = f" ({failure.given})" if failure.given and not what.startswith("engine") else ""
        return what, "bad", f"{failure.problem}{where}"
    return what, "bad" if "bad: " in detail else "ok", detail.replace("bad: ", "")
