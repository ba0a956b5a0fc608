"""The table of docs/cost.md, from `potable plan --estimate` and the reference rates.

    python bench/cost_table.py [--check]

Writes the table between its two marks, or with `--check` fails where it is out of date.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "cost.md"
BEGIN, END = "<!-- table: bench/cost_table.py -->\n", "<!-- end of table -->\n"
SIZES = {"500,000 employees, 20 years": "5.4GB", "0.8 TB": "0.8TB"}
MACHINES = {
    "2 cores, 4 GB": "--cores 2 --memory 4GB",
    "16 cores, 16 GB": "--cores 16 --memory 16GB",
    "10 machines of 16 cores, 16 GB": "--engine spark --cores 16 --nodes 10 --memory 16GB",
}


def made() -> str:
    """The table: one row per size and machine, with the command that gives it."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "attrition"
        shutil.copytree(ROOT / "examples" / "attrition", project)
        rows = [_row(project, *size, *machine) for size in SIZES.items() for machine in MACHINES.items()]
    head = ["data", "machine", "time", "peak memory of a machine", "disk", "sent between machines", ""]
    lines = [head, ["---"] * len(head), *rows]
    commands = [
        f"potable plan --estimate --size {size} {options}" for size in SIZES.values() for options in MACHINES.values()
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n\n```sh\n" + "\n".join(commands) + "\n```\n"


def _row(project: Path, data: str, size: str, machine: str, options: str) -> list[str]:
    from potable.cli.planning import between, rounded, times
    from potable.errors import EnvironmentFailure
    from potable.report.numbers import human_bytes, human_seconds
    from potable.runs.estimate import Span

    try:
        facts = estimate(project, f"--size {size} {options}")
    except EnvironmentFailure:
        return [data, machine, "no run on Spark was measured yet", "", "", "", "**not computed**"]
    known = facts["basis"] == "measured"
    time, memory, sent = (Span(**facts[key]) for key in ("seconds_total", "memory", "shuffle_total"))
    return [
        data,
        machine,
        human_seconds(time.likely) if known else between(time, human_seconds),
        human_bytes(memory.likely) if known else between(memory, human_bytes),
        human_bytes(rounded(facts["disk_total"])).replace(".0 ", " "),
        between(sent, human_bytes) if sent.high else "nothing",
        "**measured**" if known else f"**computed**, {times(facts['factor'])} the measured bytes",
    ]


def estimate(project: Path, options: str) -> dict[str, Any]:
    """What `potable plan --estimate` says with `options`, as facts."""
    from potable.cli.planning import Asked, estimated
    from potable.project import load

    words = shlex.split(options)
    given: dict[str, Any] = {key.removeprefix("--"): value for key, value in zip(words[::2], words[1::2], strict=True)}
    given |= {key: int(given[key]) for key in ("cores", "nodes") if key in given}
    return estimated(load(project, offline=True), Asked(**given)).facts


def renewed(page: str) -> str:
    """The page with its table made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + made() + END + after


def main() -> None:
    """Write the table, or with `--check` fail where it is out of date."""
    page = PAGE.read_text(encoding="utf-8")
    new = renewed(page)
    if "--check" in sys.argv:
        sys.exit("docs/cost.md is out of date; run bench/cost_table.py" if new != page else 0)
    PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
