"""Day two: what a run costs when about one per cent of the sources is new, against a full run on the same data.

    python bench/day_two.py [--employees 20000] [--memory 2GB] [--estate DIR] [--work DIR]

Day one holds back what every system recorded last: the newest payroll exports, reviews, trainings, interviews and
rows of the HR database, about one per cent of each. Day two brings it; the same lake runs again, and a fresh lake
with the same vault runs in full. Prints time, processor time and bytes read by each (by all processes, through files
and pipes), and exits 1 when the two datasets are not the same bytes. On a busy machine, time says little.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil

SHARE = 0.01
AIM = 0.05
DEAREST = 12
"""Steps of a run that are named."""


def main() -> None:
    """Measure and print; exits 1 when the bytes differ."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        whole, work = Path(arguments.estate) if arguments.estate else Path(folder) / "whole", Path(folder)
        if not whole.is_dir():
            asked = ["--employees", str(arguments.employees), "--years", "20", "--seed", "7"]
            subprocess.run([sys.executable, "-m", "potable.estate", "make", str(whole), *asked], check=True)
        estate = work / "estate"
        shutil.copytree(whole, estate)
        variables = estate / "estate.env"
        variables.write_text(variables.read_text().replace(str(whole.resolve()), str(estate.resolve())))
        shares = {name: hold_back(estate / name) for name, hold_back in HOLD_BACK.items()}
        print("held back: " + ", ".join(f"{name} {share:.2%}" for name, share in shares.items()))
        project = _project(work / "project", arguments.memory)
        first = _run(project, estate)
        for system in HOLD_BACK:
            shutil.rmtree(estate / system)
            shutil.copytree(whole / system, estate / system)
        second = _run(project, estate)
        fresh = _project(work / "fresh", arguments.memory)
        _share_vault(project, fresh)
        full = _run(fresh, estate)
        same = _csv(project) == _csv(fresh)
    for name, run in {"day one": first, "day two": second, "in full": full}.items():
        spent = f"{run['seconds']:.1f} s, {run['cpu']:.1f} s of processors, {run['read'] / 1e6:,.0f} MB read"
        print(f"{name}: {spent}, {run['rows']:,} rows published")
        verbs = dict.fromkeys((step["verb"] for step in run["steps"]), 0.0)
        for step in run["steps"]:
            verbs[step["verb"]] += step["seconds"]
        print("  " + ", ".join(f"{verb} {seconds:.1f}" for verb, seconds in verbs.items()))
        dear = sorted(run["steps"], key=lambda step: -step["seconds"])[:DEAREST]
        print("  most: " + ", ".join(f"{step['step']} {step['seconds']:.1f}" for step in dear))
    time, cpu, read = (second[what] / full[what] for what in ("seconds", "cpu", "read"))
    shares = f"{time:.0%} of the time, {cpu:.0%} of processor time, {read:.0%} of the bytes read"
    print(f"day two ÷ in full: {shares} (aim {AIM:.0%})")
    print(f"the dataset of day two is {'byte-identical to' if same else 'NOT'} the full run's")
    sys.exit(0 if same else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--employees", type=int, default=20_000)
    parser.add_argument("--memory", default="2GB", help="the project's memory setting")
    parser.add_argument("--estate", metavar="DIR", help="an estate made before; else one is made")
    parser.add_argument("--work", metavar="DIR", help="folder to work in; what is put there is removed again")
    return parser.parse_args()


# day one


def _last_files(folder: Path) -> float:
    """Remove the newest files that together hold the share of all bytes; returns what went."""
    files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.name)
    total, gone = sum(path.stat().st_size for path in files), 0
    for path in reversed(files[len({path.parent for path in files}) :]):
        if gone + path.stat().st_size > SHARE * total and gone:
            break
        gone += path.stat().st_size
        path.unlink()
    return gone / total


def _last_lines(folder: Path) -> float:
    path = folder / "trainings.ndjson"
    lines = path.read_bytes().splitlines(keepends=True)
    kept = int(len(lines) * (1 - SHARE))
    path.write_bytes(b"".join(lines[:kept]))
    return 1 - kept / len(lines)


def _last_rows(folder: Path) -> float:
    """Remove the rows of the HR database that were recorded last; people and their e-mails stay."""
    gone = total = 0
    with closing(sqlite3.connect(folder / "hrms.sqlite")) as database, database:
        for table in ("employment", "jobs", "promotions", "exits"):
            rows = database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            query = f"SELECT recorded_at FROM {table} ORDER BY recorded_at DESC LIMIT 1 OFFSET {int(rows * SHARE)}"
            (since,) = database.execute(query).fetchone()
            gone += database.execute(f"DELETE FROM {table} WHERE recorded_at > ?", (since,)).rowcount
            total += rows
    return gone / total


HOLD_BACK = {
    "payroll": _last_files,
    "reviews": _last_files,
    "exit_interviews": _last_files,
    "lms": _last_lines,
    "hrms": _last_rows,
}


# runs


def _project(folder: Path, memory: str) -> Path:
    made = [sys.executable, "-m", "potable", "init", "--example", "attrition", str(folder)]
    subprocess.run(made, check=True, capture_output=True)
    settings = folder / "potable.yaml"
    settings.write_text(settings.read_text().replace("memory: 2GB", f"memory: {memory}"))
    return folder


def _run(project: Path, estate: Path) -> dict[str, Any]:
    python = [sys.executable, "-m"]
    command = [*python, "potable", "-C", str(project), "run", "-o", "json"]
    served = subprocess.Popen(
        [*python, "potable.estate", "serve", str(estate), "--", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    watch = _Watch(served.pid)
    out, told = served.communicate()
    if served.returncode:
        sys.exit(told.decode()[-3000:])
    record: dict[str, Any] = json.loads(out)
    read, cpu = watch.totals()
    return {**record, "read": read, "cpu": cpu, "rows": record["dataset"]["rows"]}


class _Watch:
    """Bytes read and processor seconds of a run and all it starts, looked at until they end."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._read = 0
        self._spent: dict[int, float] = {}
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while self._root.is_running() and self._root.status() != psutil.STATUS_ZOMBIE:
            with suppress(psutil.Error):
                read = 0
                # the server of the learning system is not part of the run
                for process in self._root.children(recursive=True):
                    with suppress(psutil.Error):
                        times = process.cpu_times()
                        self._spent[process.pid] = times.user + times.system
                        read += process.io_counters().read_chars
                # what a process read that ended is counted with the one that started it
                self._read = max(self._read, read)
            threading.Event().wait(0.05)

    def totals(self) -> tuple[int, float]:
        """The sums over all processes."""
        self._thread.join(5)
        return self._read, sum(self._spent.values())


def _share_vault(project: Path, fresh: Path) -> None:
    """Give `fresh` the subjects and keys of `project`, and nothing that was made with them."""
    from potable.store.log import Log
    from potable.store.objects import Store

    shutil.copytree(project / "vault", fresh / "vault", dirs_exist_ok=True)
    for manifest in (fresh / "vault").rglob("manifest.json"):
        manifest.unlink()
    log = Log(Store(str(fresh / "vault")), "ledger")
    number, entry = log.last()
    log.append({**(entry or {}), "fingerprint": "of other code"}, parent=number)


def _csv(project: Path) -> bytes:
    from potable.datasets.version import current
    from potable.project import load

    loaded = load(project, offline=True)
    lake = loaded.lake()
    version = current(lake.versions(loaded.features.dataset))
    return lake.open.get(version.files["csv"]) if version else b""


if __name__ == "__main__":
    main()
