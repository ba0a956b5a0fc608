"""The main job, measured at several sizes: time of each verb, against one plain parse, memory, and how both grow.

    python bench/main_job.py [--sizes 500,5000,50000] [--engines duckdb,spark] [--memory 2GB] [--threads N]
                             [--keep-record FILE] [--keep-report FILE] [--write-rates [FILE]]
                             [--estate DIR] [--work DIR]

Makes a synthetic company of each size, runs the attrition project on it in a fresh process, once per engine,
and prints ratios. Exits 1 when memory is not bounded by the setting: a peak above 1.2 of it, or one that
still grows more than 1.2x from size to size where both already fill half of it. Times are only reported.

`--write-rates` also runs the middle size with one thread, which tells what more cores cannot shorten, and
writes the runs as the reference that `potable plan --estimate` starts from.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from plain_parse import plain_parse

VERBS = ("ingest", "validate", "resolve", "protect", "build", "publish")
LIMIT_RATIO, LIMIT_MEMORY, LIMIT_GROWTH, AIM_EXPONENT = 5.0, 1.2, 1.2, 1.05
FULL = 0.5
"""Share of the memory setting from which growth is judged: below it, there is room that may be used."""
RATES = Path(__file__).parents[1] / "src" / "potable" / "runs" / "reference_rates.json"
NOTE = "runs of the attrition example on a synthetic company; written by bench/main_job.py --write-rates"


def main() -> None:
    """Measure and print; exits 1 when a limit on memory is broken."""
    arguments = _arguments()
    engines, left_out = _engines(arguments.engines)
    print(f"memory setting {arguments.memory}, {arguments.threads} threads, {arguments.years} years, {_machine()}")
    print("".join(f"{name} is left out: {why}\n" for name, why in left_out.items()))
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        for size in arguments.sizes:
            results += _measured(Path(folder), size, engines, arguments)
    problems = [problem for engine in engines for problem in _growth(_of(results, engine), engine)]
    if arguments.keep_record:
        kept = {"machine": _machine(), "left_out": left_out, "results": results}
        Path(arguments.keep_record).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    if arguments.write_rates:
        _write_rates(Path(arguments.write_rates), results)
    problems += [problem for result in results for problem in result["problems"]]
    if problems:
        sys.exit("; ".join(problems))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=_sizes, default=(500, 5_000, 50_000), help="employees, smallest first")
    parser.add_argument("--engines", default="duckdb,spark", help="engines to measure")
    parser.add_argument("--years", type=int, default=20)
    parser.add_argument("--memory", default="2GB", help="the project's memory setting")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep-record", metavar="FILE", help="write all results as JSON")
    parser.add_argument("--keep-report", metavar="FILE", help="keep the HTML report of the last run measured")
    parser.add_argument("--write-rates", metavar="FILE", nargs="?", const=str(RATES), help="write the reference rates")
    parser.add_argument("--estate", metavar="DIR", help="estates made before, as DIR/<employees>; else they are made")
    parser.add_argument("--work", metavar="DIR", help="folder to work in; what is put there is removed again")
    return parser.parse_args()


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(sorted({int(word) for word in text.split(",")}))
    if not sizes or sizes[0] < 1:
        raise argparse.ArgumentTypeError("numbers of employees such as 500,5000")
    return sizes


def _machine() -> str:
    import psutil

    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GB, {platform.machine()}, Python {platform.python_version()}"


# engines


def _engines(wanted: str) -> tuple[list[str], dict[str, str]]:
    """The engines that can run here, and why the others cannot."""
    from potable import plugins

    chosen, left_out = [], {}
    for name in wanted.split(","):
        why = "this version has no such engine" if name not in plugins.names("engines") else ""
        why = why or (_no_spark() if name == "spark" else "")
        if why:
            left_out[name] = why
        else:
            chosen.append(name)
    if not chosen:
        sys.exit("; ".join(f"{name}: {why}" for name, why in left_out.items()))
    return chosen, left_out


def _no_spark() -> str:
    """Why Spark cannot run here; empty when it can."""
    import importlib.util

    if importlib.util.find_spec("pyspark") is None:
        return "pyspark is not installed (pip install 'potable[spark]')"
    java = Path(os.environ["JAVA_HOME"]) / "bin" / "java" if os.environ.get("JAVA_HOME") else "java"
    try:
        found = subprocess.run([str(java), "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return "there is no Java (17 or newer)"
    return "" if found.returncode == 0 else "Java does not start"


# one size


def _measured(
    folder: Path, size: int, engines: Sequence[str], arguments: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    estate = Path(arguments.estate) / str(size) if arguments.estate else folder / f"estate-{size}"
    if not estate.is_dir():
        asked = ["--employees", str(size), "--years", str(arguments.years), "--seed", "7"]
        _call([sys.executable, "-m", "potable.estate", "make", str(estate), *asked])
    plain = plain_parse(estate, arguments.threads)
    for engine in engines:
        middle = size == arguments.sizes[len(arguments.sizes) // 2] and arguments.threads > 1
        for threads in (arguments.threads, 1) if arguments.write_rates and middle else (arguments.threads,):
            result = _run(folder / f"{engine}-{size}-{threads}", estate, engine, threads, arguments)
            result |= {"employees": size, "plain": plain}
            result["problems"] = list(_show(result))
            yield result


def _run(project: Path, estate: Path, engine: str, threads: int, arguments: argparse.Namespace) -> dict[str, Any]:
    python = [sys.executable, "-m"]
    _call([*python, "potable", "init", "--example", "attrition", str(project)])
    settings = project / "potable.yaml"
    text = settings.read_text().replace("memory: 2GB", f"memory: {arguments.memory}")
    text = text.replace("threads: 2", f"threads: {threads}").replace("engine: duckdb", f"engine: {engine}")
    settings.write_text(text)
    run = [*python, "potable.estate", "serve", str(estate), "--", *python, "potable", "-C", str(project), "run"]
    with tempfile.TemporaryDirectory() as events:
        record = json.loads(_call([*run, "-o", "json"], _logging(Path(events)) if engine == "spark" else {}))
        shuffled = _shuffled(Path(events) / "log") if engine == "spark" else None
    if arguments.keep_report:
        shutil.copy(project / "lake" / "open" / "runs" / f"{record['run']}.html", arguments.keep_report)
    again = json.loads(_call([*run, "-o", "json"]))
    return {
        "record": record,
        "again": again["seconds"],
        "shuffle": shuffled,
        "observed": _observed(project, record, shuffled),
    }


def _call(command: list[str], environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})}
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def _logging(folder: Path) -> dict[str, str]:
    """Variables under which Spark logs its events below `folder`, whatever the project says."""
    (folder / "log").mkdir()
    lines = ["spark.eventLog.enabled true", f"spark.eventLog.dir file://{folder}/log", "spark.eventLog.compress false"]
    (folder / "spark-defaults.conf").write_text("\n".join([*lines, "spark.eventLog.rolling.enabled false", ""]))
    return {"SPARK_CONF_DIR": str(folder)}


def _shuffled(folder: Path) -> int | None:
    """Bytes that tasks wrote for others; None when Spark logged nothing."""
    logs = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    total = 0
    for path in logs:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if '"Shuffle Bytes Written"' in line and '"SparkListenerTaskEnd"' in line:
                    total += json.loads(line)["Task Metrics"]["Shuffle Write Metrics"]["Shuffle Bytes Written"]
    return total if logs else None


def _observed(project: Path, record: dict[str, Any], shuffled: int | None) -> dict[str, Any]:
    from potable.project import load
    from potable.runs.measured import observed
    from potable.runs.record import RunRecord

    types = {name: source.type for name, source in load(project, offline=True).sources.items()}
    raw = project / "lake/restricted/raw"
    stored = sum(path.stat().st_size for kind in ("objects/*/*", "packs/*") for path in raw.rglob(kind))
    run = RunRecord.from_bytes(json.dumps(record).encode())
    return asdict(observed(run, types, stored=stored, machine=_machine(), shuffle=shuffled))


def _write_rates(path: Path, results: Sequence[dict[str, Any]]) -> None:
    """Write the runs as reference; engines that were not measured now keep what they had."""
    before = json.loads(path.read_text(encoding="utf-8"))["observed"] if path.is_file() else []
    now = [result["observed"] for result in results]
    kept = [run for run in before if run["engine"] not in {run["engine"] for run in now}]
    path.write_text(json.dumps({"note": NOTE, "observed": [*kept, *now]}, indent=1) + "\n", encoding="utf-8")
    print(f"reference rates written to {path.name}; renew the table of docs/cost.md with bench/cost_table.py")


# the result


def _show(result: dict[str, Any]) -> Iterable[str]:
    record, plain = result["record"], sum(result["plain"].values())
    raw = next(stage for stage in record["funnel"] if stage["stage"] == "raw")
    print(
        f"{result['employees']:,} employees on {record['engine']} with {record['threads']} threads: "
        f"{raw['bytes'] / 1e6:,.0f} MB as received, {raw['files']:,} objects"
    )
    for verb in VERBS:
        steps = [step for step in record["steps"] if step["verb"] == verb]
        seconds, held = sum(step["seconds"] for step in steps), max(step["memory"] for step in steps)
        note = "  (sources side by side, added up)" if verb == "ingest" else ""
        print(f"  {verb:<10} {seconds:8.1f} s  {seconds / record['seconds']:5.0%}  {held / 2**20:6,.0f} MB{note}")
    formats = ", ".join(f"{name} {seconds:.1f}" for name, seconds in result["plain"].items())
    ratio, memory = record["seconds"] / plain, record["peak_memory"] / record["memory"]
    print(f"  whole run  {record['seconds']:8.1f} s  = {ratio:.1f} x one plain parse (aim {LIMIT_RATIO:.0f})")
    print(f"  plain parse {plain:7.1f} s  ({formats})")
    print(f"  run again, nothing new: {result['again']:.1f} s")
    if result["shuffle"] is not None:
        print(f"  shuffled {result['shuffle'] / 1e6:,.1f} MB")
    most = max(record["steps"], key=lambda step: step["memory"])["step"]
    peak = f"{record['peak_memory'] / 2**20:,.0f} MB = {memory:.2f} of the setting"
    print(f"  peak memory {peak}, in `{most}` (limit {LIMIT_MEMORY})\n", flush=True)
    if memory > LIMIT_MEMORY:
        yield f"{record['engine']}: peak memory is {memory:.2f} of the setting at {result['employees']:,} employees"


def _of(results: Sequence[dict[str, Any]], engine: str) -> list[dict[str, Any]]:
    """The results of an engine with the most threads, smallest size first."""
    mine = [result for result in results if result["record"]["engine"] == engine]
    most = max(result["record"]["threads"] for result in mine)
    return sorted((result for result in mine if result["record"]["threads"] == most), key=_bytes)


def _bytes(result: dict[str, Any]) -> int:
    return sum(result["observed"]["bytes"].values())


def _growth(results: Sequence[dict[str, Any]], engine: str) -> Iterator[str]:
    """Print how time and memory grow; yields what breaks a limit."""
    if len(results) < 2:
        print(f"{engine}: one size, so nothing can be said about growth")
        return
    points = [(_bytes(result), result["record"]["seconds"]) for result in results]
    line = f"{engine}: time grows with raw bytes to the power {slope(points):.2f} over {len(points)} sizes"
    last = f", {slope(points[-2:]):.2f} between the two largest" if len(points) > 2 else ""
    print(f"{line}{last} (aim {AIM_EXPONENT}; fixed parts make small sizes look flatter)")
    for small, large in pairwise(results):
        tens = math.log10(_bytes(large) / _bytes(small))
        peaks = [result["record"]["peak_memory"] for result in (small, large)]
        filled = [peak / small["record"]["memory"] for peak in peaks]
        growth = (peaks[1] / peaks[0]) ** (1 / tens)
        where = f"{small['employees']:,} to {large['employees']:,} employees"
        print(f"{engine}: peak memory {growth:.2f}x per factor of ten, {where} ", end="")
        if min(filled) < FULL:
            print(f"(not judged: {filled[0]:.2f} of the setting at the smaller, so it may still fill up)")
            continue
        print(f"(limit {LIMIT_GROWTH}x: both use at least {FULL} of the setting)")
        if growth > LIMIT_GROWTH:
            yield f"{engine}: peak memory grew {growth:.2f}x per factor of ten, {where}"


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least-squares slope of log(y) over log(x)."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    x_mean, y_mean = (sum(point[i] for point in logs) / len(logs) for i in (0, 1))
    spread = sum((x - x_mean) ** 2 for x, _ in logs)
    return sum((x - x_mean) * (y - y_mean) for x, y in logs) / spread


if __name__ == "__main__":
    main()
