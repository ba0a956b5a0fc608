"""The command line of the estate.

`make` writes one; `serve` answers for its learning system, alone or around a command, whose exit code it
then passes on. Exit codes else: 0 made, 2 numbers out of range, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

from potable.estate.environment import PORT, read_environment
from potable.estate.generate import Estate, make
from potable.estate.server import serve


def main(arguments: list[str]) -> int:
    """Runs one command; returns its exit code."""
    ours, command = arguments, []
    if "--" in arguments:
        cut = arguments.index("--")
        ours, command = arguments[:cut], arguments[cut + 1 :]
    given = _parser().parse_args(ours)
    if given.verb == "make":
        return _make(given)
    return _around(given, command) if command else _alone(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m potable.estate", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    making = verbs.add_parser("make", help="write the systems and the truth")
    making.add_argument("directory", type=Path)
    making.add_argument("--employees", type=int, default=2000, help="different persons who ever worked there")
    making.add_argument("--years", type=int, default=20, help="calendar years, the last one 2025")
    making.add_argument("--seed", type=int, default=7)
    making.add_argument("--hrms-url", help="postgresql://… instead of a SQLite file; needs psycopg")
    serving = verbs.add_parser("serve", help="serve the learning system; -- CMD runs a command beside it")
    serving.add_argument("directory", type=Path)
    serving.add_argument("--port", type=int, help=f"0: any free one; without CMD the default is {PORT}")
    serving.add_argument("--token", help="default: LMS_TOKEN in estate.env")
    return parser


def _make(given: argparse.Namespace) -> int:
    try:
        estate = make(
            given.directory,
            employees=given.employees,
            years=given.years,
            seed=given.seed,
            hrms_url=given.hrms_url,
        )
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(estate))
    return 0


def table(estate: Estate) -> str:
    """The summary of an estate as aligned text."""
    rows = [("system", "format", "files", "records", "bytes", "stored", "seconds")]
    rows += [
        (
            system.system,
            system.format,
            f"{system.files:,}",
            f"{system.records:,}",
            f"{system.source_bytes:,}",
            f"{system.stored_bytes:,}",
            f"{system.seconds:.1f}",
        )
        for system in estate.systems
    ]
    stored = sum(system.stored_bytes for system in estate.systems)
    files = sum(system.files for system in estate.systems)
    total = ("total", "", f"{files:,}", f"{estate.records:,}", f"{estate.source_bytes:,}", f"{stored:,}")
    rows.append((*total, f"{estate.seconds:.1f}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) if at < 2 else cell.rjust(width) for at, (cell, width) in enumerate(row))
        for row in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    rate = estate.source_bytes / 1e6 / estate.seconds
    return "\n".join([*lines, f"{rate:.0f} MB/s of uncompressed source bytes; {estate.directory}"])


def _alone(given: argparse.Namespace) -> int:
    port = PORT if given.port is None else given.port
    with serve(given.directory, port=port, token=given.token) as url:
        print(f"LMS_URL={url}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 130


def _around(given: argparse.Namespace, command: list[str]) -> int:
    values = read_environment(given.directory)
    if given.token is not None:
        values["LMS_TOKEN"] = given.token
    with serve(given.directory, port=given.port or 0, token=values["LMS_TOKEN"]) as url:
        values["LMS_URL"] = url
        return subprocess.run(command, env=os.environ | values, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
