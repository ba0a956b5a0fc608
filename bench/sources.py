"""Reading sources: Potable beside what limits it and what people use instead, on the same bytes, in one run.

    python bench/sources.py [--only csv] [--rows 1000000] [--megabytes 300] [--records 2000000] [--rounds 3]

XML, CSV and lines of JSON to typed zstd Parquet, and a table of a real PostgreSQL. Every reading is a process of its
own with one thread, unless its name says two, in turns; a first reading of few rows is not counted, so imports and the
start of a Java are not. What is printed is the round of the least processor time, because ratios are what counts and a
shared machine makes clocks lie; for a database, where the server works beside, it is the one of the least clock time.
Who takes more than 20 seconds is asked once. Ratios are of the first reader of each table.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

from sources_documents import documents
from sources_made import database, text_files, xml_files

from potable.estate.generate import make

ELSEWHERE = {"pandas", "pandas over psycopg", "lxml", "dlt"}
"""Readers in an environment of their own, of sources_others.py; the rest is in sources_here.py."""
_LINES = ["DuckDB", "potable", "potable, 2 threads", "pandas", "dlt", "Spark"]
READERS = {
    "xml": [
        "xml2arrow, texts",
        "potable",
        "potable, 2 threads",
        "potable, from gzip",
        "potable, children",
        "lxml",
        "dlt",
        "Spark",
    ],
    "csv": _LINES,
    "ndjson": _LINES,
    "loose.ndjson": _LINES,
    "nested.ndjson": _LINES,
    "sql": [
        "pandas",
        "pandas over psycopg",
        "ADBC, nothing kept",
        "potable, landed",
        "potable, landed, 2 parts",
        "dlt",
        "Spark",
    ],
}
MEANT = {
    "xml": "XML",
    "csv": "CSV",
    "ndjson": "JSON, the same keys in every line",
    "loose.ndjson": "JSON, keys missing or null here and there",
    "nested.ndjson": "JSON, an object that paths lead into and a list",
    "sql": "PostgreSQL",
}
_LONG = 20
"""Seconds of processor of a reading that is not repeated."""
OTHERS = Path(sys.prefix, "others", "bin", "python")


def main() -> None:
    """Make the sources, time every reader on each and print a table for each kind."""
    given = _arguments()
    lacking = _lacking()
    for name, why in lacking.items():
        print(f"{name} is left out: {why}")
    kinds = [kind for kind in READERS if not given.only or kind in given.only]
    with tempfile.TemporaryDirectory(dir=given.work) as name, ExitStack() as stack:
        folder = Path(name)
        make(folder / "estate", employees=300, years=20, seed=7)
        text_files(folder, "few", 2000)
        text_files(folder, "rows", given.rows)
        xml_files(folder, "few", 1 << 20, folder / "estate")
        xml_files(folder, "rows", given.megabytes << 20, folder / "estate")
        if "sql" in kinds:
            stack.callback(database(folder, 20_000, given.records).cleanup)
        for kind in kinds:
            amount = given.records if kind == "sql" else (folder / f"rows.{kind}").stat().st_size / 1e6
            print(f"\n{MEANT[kind]}, {amount:,.0f} {'records' if kind == 'sql' else 'MB'}")
            _table(_told(kind, folder, given.rounds, lacking), amount)
        if not given.only or "documents" in given.only:
            documents(folder, 3000)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=[*READERS, "documents"])
    parser.add_argument("--rows", type=int, default=1_000_000, help="of CSV and JSON")
    parser.add_argument("--megabytes", type=int, default=300, help="of XML")
    parser.add_argument("--records", type=int, default=2_000_000, help="of the database")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", metavar="DIR", help="folder to work in; what is put there is removed again")
    return parser.parse_args()


def _lacking() -> dict[str, str]:
    """Readers that this machine does not have, and what would install them."""
    found = {} if OTHERS.exists() else dict.fromkeys(sorted(ELSEWHERE), "`make .venv/.others` installs it")
    if not find_spec("pyspark") or not shutil.which("java"):
        found["Spark"] = "`make .venv/.spark` installs it, and it needs Java"
    elif not any(Path(sys.prefix, "jdbc").glob("*.jar")):
        found["Spark, of a database"] = "`make .venv/.others` fetches its driver, by Maven"
    return found


def _told(kind: str, folder: Path, rounds: int, lacking: Collection[str]) -> dict[str, dict[str, float]]:
    """What every reader of a kind took in its best round."""
    least = "clock" if kind == "sql" else "processor"
    readers = [name for name in READERS[kind] if name not in lacking]
    if kind == "sql" and "Spark, of a database" in lacking:
        readers.remove("Spark")
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in readers}
    for _ in range(rounds):
        for name in readers:
            if not runs[name] or runs[name][0]["processor"] < _LONG:
                runs[name].append(_measured(name, kind, folder))
    return {name: min(found, key=lambda run: run[least]) for name, found in runs.items()}


def _measured(name: str, kind: str, folder: Path) -> dict[str, float]:
    program = [OTHERS, "sources_others.py"] if name in ELSEWHERE else [sys.executable, "sources_here.py"]
    command = [program[0], Path(__file__).parent / program[1], name, kind, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name}, {kind}: {done.stderr[-3000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _table(found: dict[str, dict[str, float]], amount: float) -> None:
    limit, base = next(iter(found.items()))
    print(f"| | s | per s | processor s | per processor s | peak MB | of {limit}: s | processor | peak |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, one in found.items():
        clock, processor, peak = one["clock"], one["processor"], one["peak"]
        ratios = " | ".join(f"{one[key] / base[key]:.2f}" for key in ("clock", "processor", "peak"))
        speeds = f"{clock:.1f} | {amount / clock:,.0f} | {processor:.1f} | {amount / processor:,.0f}"
        print(f"| {name} | {speeds} | {peak:,.0f} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
