"""The largest queries of a run at full size, in minutes: does each of them keep to the memory setting?

    python bench/largest.py [--people 500000] [--memory 1GB] [--threads 2] [--work DIR]

Makes the large tables of the reference company (500,000 people, 30 million payslips, 5 million ratings and as many
trainings, and the ledger of keys of an earlier run) directly as typed Parquet (`largest_tables.py`). Each step of a run
then works on them in a process of its own: `validate` of payslips with unique keys, `resolve` beside the ledger,
`protect` (buckets, each sorted), `build` and `publish`. Landing and parsing are left out, three of four comments are
empty, and three smaller tables have no rows.

Exits 1 when a step fails, or takes more than 1.2 of the setting. What needs a step that failed is left out. Times are
only reported. The setting is half of the reference company's, so that a query fails here before it does there.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import largest_tables
import pyarrow as pa
import pyarrow.parquet as pq

LIMIT_MEMORY = 1.2
BATCH_ROWS = 8_192
MAKING_MEMORY = "4GB"
"""What DuckDB may take to make the tables, whatever the setting."""
MAKE = "make the tables"
DATASET = "employee_attrition"
JUDGED = "payroll.payslips"
"""The table that is made as parsed."""
OTHERS = "protect the other tables"
LARGE = (JUDGED, "reviews.ratings", "lms.trainings")
ZONES = {
    "validate": "validated",
    "resolve": "vault",
    "protect": "protected",
    "build": "features",
    "publish": "datasets",
}
"""Verbs in order, with the zones of their steps."""
VAULT = ("identifiers", "pseudonyms")
"""Steps of `protect` that lie in the vault."""
STEPS = (
    f"validate {JUDGED}",
    "validate references",
    "resolve subjects",
    *(f"protect {name}" for name in (*VAULT, *LARGE)),
    OTHERS,
    f"build {DATASET}",
    f"publish {DATASET}",
)
"""What is measured, in order."""


def main() -> None:
    """Make the tables, perform the steps and print a table; exits 1 when one fails or takes too much."""
    arguments = _arguments()
    if arguments.task:
        print(json.dumps(_performed(arguments)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        arguments.work = folder
        problems = list(_all(arguments))
    if problems:
        sys.exit("; ".join(problems))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=500_000)
    parser.add_argument("--memory", default="1GB", help="the project's memory setting")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", metavar="DIR", help="folder to work in; what is put there is removed again")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    return parser.parse_args()


def _all(arguments: argparse.Namespace) -> Iterator[str]:
    """Perform every step; what is wrong."""
    began, failed, verbs = time.monotonic(), "", list(ZONES)
    example = [sys.executable, "-m", "potable", "init", "--example", "attrition", f"{arguments.work}/project"]
    subprocess.run(example, stdout=subprocess.DEVNULL, check=True)
    made = _called(arguments, MAKE)
    print(f"{arguments.people:,} people, memory {arguments.memory}, {arguments.threads} threads")
    print(f"made in {time.monotonic() - began:.0f} s, {made['cpu']:.0f} of a processor")
    print(f"{'':32}{'rows':>12}{'seconds':>9}{'CPU s':>7}{'MB':>7}  of the setting", flush=True)
    for step in STEPS:
        verb = step.partition(" ")[0]
        if failed and verbs.index(verb) > verbs.index(failed):
            print(f"{step:32}  left out", flush=True)
            continue
        found = _called(arguments, step)
        if "error" in found:
            failed = failed or verb
            print(f"{step:32}  failed: {found['error']}", flush=True)
            yield f"`{step}` failed: {found['error']}"
            continue
        share = found["peak"] / found["memory"]
        took = f"{found['rows']:12,}{found['seconds']:9.1f}{found['cpu']:7.1f}"
        print(f"{step:32}{took}{found['peak'] / 2**20:7,.0f}{share:7.2f}", flush=True)
        if share > LIMIT_MEMORY:
            yield f"`{step}` takes {share:.2f} of the memory setting"
    print(f"{time.monotonic() - began:.0f} s in all (limit of memory: {LIMIT_MEMORY} of the setting)")


def _called(arguments: argparse.Namespace, task: str) -> dict[str, Any]:
    """What a step tells, performed in a process of its own."""
    given = {name: getattr(arguments, name) for name in ("people", "memory", "threads", "work")}
    options = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    command = [sys.executable, __file__, "--task", task, *options]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        if task == MAKE:
            sys.exit(done.stderr[-3000:])
        return {"error": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**found, "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


# in the process of a step


def _performed(arguments: argparse.Namespace) -> dict[str, Any]:
    """One step, and what it took; its error where it ends with one of ours."""
    from potable.deployment import memory_bytes
    from potable.engines.freed import keep_little
    from potable.errors import PotableError
    from potable.runs.memory import PeakMemory

    if arguments.task == MAKE:
        _make(arguments)
        return {}
    keep_little()
    with PeakMemory() as watched, _workshop(arguments) as shop:
        try:
            began = time.monotonic()
            rows = sum(_perform(shop, each, watched, arguments) for each in _steps(shop, arguments.task))
            seconds = time.monotonic() - began
        except PotableError as failure:
            return {"error": f"{failure.code} {failure.problem}"}
    return {"rows": rows, "seconds": seconds, "peak": watched.peak, "memory": memory_bytes(arguments.memory)}


@contextmanager
def _workshop(arguments: argparse.Namespace) -> Iterator[Any]:
    """A run's workshop, in which every step performed before is done."""
    from potable.deployment import memory_bytes
    from potable.engines.duckdb import DuckDBEngine
    from potable.runs.vault import pseudonym_key
    from potable.runs.workshop import Workshop
    from potable.store.manifest import find

    project = _project(arguments)
    scratch = Path(arguments.work) / "scratch"
    engine = DuckDBEngine(memory=memory_bytes(arguments.memory), threads=arguments.threads, scratch=scratch)
    lake = project.lake()
    try:
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            shop = Workshop(project, lake, engine, Path(folder), pseudonym_key(lake.vault), "bench")
            for name in (MAKE, *STEPS):
                for step in _steps(shop, name):
                    if manifest := find(step.store(lake), step.folder):
                        shop.done[step.verb, step.name] = (step, manifest)
            yield shop
    finally:
        engine.close()


def _project(arguments: argparse.Namespace) -> Any:
    from potable.project import load

    return load(Path(arguments.work) / "project", offline=True)


def _steps(shop: Any, label: str) -> list[Any]:
    """What is performed under a label of `STEPS`; what is made counts as validated."""
    from potable.runs.plan import Step

    verb, _, name = label.partition(" ")
    if label == MAKE:
        return [Step("validate", other, "made", "validated") for other in shop.project.tables if other != JUDGED]
    if label == OTHERS:
        return [Step("protect", other, "made", "protected") for other in shop.project.tables if other not in LARGE]
    return [Step(verb, name, "made", "vault" if name in VAULT else ZONES[verb])]  # type: ignore[arg-type]


def _perform(shop: Any, step: Any, watched: Any, arguments: argparse.Namespace) -> int:
    """Perform one step as a run does; its rows."""
    from potable.runs import perform
    from potable.store.layout import attempt_folder
    from potable.store.manifest import commit

    if step.verb == "validate" and step.name == JUDGED:
        attempt = attempt_folder(step.folder)
        made = _validated(shop, step, attempt, arguments)
        manifest = commit(step.store(shop.lake), step.folder, made.manifest(step, attempt))
        return int(manifest.counts["rows_in"])
    perform.perform(perform.Running(shop, lambda event: None, watched), step, make=True, again=False)
    counts = shop.manifest(step.verb, step.name).counts
    return int(counts.get("rows_in") or counts.get("rows") or counts.get("keys", 0))


def _validated(shop: Any, step: Any, attempt: str, arguments: argparse.Namespace) -> Any:
    """`validate` of rows that workers hand over, as they hand over what they parse."""
    from potable.contracts.validate import Contract, Places, validate
    from potable.runs.workshop import Made
    from potable.sources.groups import schema

    table, locate = shop.project.tables[step.name], shop.lake.restricted.locate
    files = sorted(str(file) for file in _parsed(arguments).iterdir())
    contract = Contract(step.name, table, shop.project.checks[step.name])
    aside = attempt.replace("validated/", "quarantine/", 1)
    parsed = shop.engine.map_items(files, partial(read_rows, schema=schema(table)), schema(table))
    made = validate(parsed, contract, engine=shop.engine, places=Places(locate(attempt), locate(aside)))
    if made.stopped:
        sys.exit(f"{made.stopped}")
    for output in ("staged", "repeated", "duplicates", "scratch"):
        shop.lake.restricted.clear(f"{attempt}/{output}")
    files_made: dict[str, Sequence[Any]] = {"rows": made.rows, "quarantine": made.quarantine, "cells": made.cells}
    counts = {"rows_in": made.rows_in, "rows": made.rows_out, "quarantined": made.rows_quarantined}
    folders = {output: f"{aside}/{output}" for output in ("quarantine", "cells")}
    return Made({name: parts for name, parts in files_made.items() if parts}, counts, {}, folders)


def read_rows(file: str, *, schema: pa.Schema) -> Iterable[pa.RecordBatch]:
    """The rows of a file, in batches as parsers make them."""
    for batch in pq.ParquetFile(file).iter_batches(BATCH_ROWS):
        yield batch.cast(schema)


def _parsed(arguments: argparse.Namespace) -> Path:
    return Path(arguments.work) / "parsed"


def _make(arguments: argparse.Namespace) -> None:
    """Write all tables and the ledger, and the manifests of those that count as validated."""
    from potable.contracts.validate import validated_schema
    from potable.identity.resolve import KEYS
    from potable.sources.groups import schema

    settings = Path(arguments.work) / "project" / "potable.yaml"
    text = settings.read_text().replace("memory: 2GB", f"memory: {arguments.memory}")
    settings.write_text(text.replace("threads: 2", f"threads: {arguments.threads}"))
    project = _project(arguments)
    lake, tables = project.lake(), project.tables
    places = {name: (lake.restricted, f"validated/{name}/made/rows") for name in largest_tables.GIVEN}
    places[largest_tables.LEDGER] = (lake.vault, "vault/subjects/before/keys")
    schemas = {name: validated_schema(tables[name]) for name in largest_tables.GIVEN}
    schemas |= {JUDGED: schema(tables[JUDGED]), largest_tables.LEDGER: KEYS}
    folders = {name: Path(store.locate(place)) for name, (store, place) in places.items()}
    largest_tables.make(schemas, {**folders, JUDGED: _parsed(arguments)}, people=arguments.people, memory=MAKING_MEMORY)
    _commit(lake, tables, {name: _files(folders[name], place) for name, (_, place) in places.items()})


def _files(folder: Path, place: str) -> list[Any]:
    from potable.store.manifest import File

    parts = sorted(folder.iterdir())
    return [File(f"{place}/{part.name}", pq.read_metadata(part).num_rows, part.stat().st_size) for part in parts]


def _commit(lake: Any, tables: Iterable[str], files: Mapping[str, Sequence[Any]]) -> None:
    """Say of what was made that it is validated, and that it is the ledger."""
    from potable.runs import ledger
    from potable.store.manifest import Manifest, commit

    for name in tables:
        if name != JUDGED:
            listed = files.get(name, ())
            rows = sum(file.rows for file in listed)
            manifest = Manifest(f"validate {name}", "made", {"rows": listed}, {"rows_in": rows, "rows": rows})
            commit(lake.restricted, f"validated/{name}/made", manifest)
    keys = [asdict(file) for file in files[largest_tables.LEDGER]]
    ledger.log_of(lake.vault).append(
        {"fingerprint": "before", "counts": {}, "files": {"keys": keys}, "facts": {}}, parent=0
    )


if __name__ == "__main__":
    main()
