"""What a person at a terminal sees: the progress of a run, its summary, and plain tables.

Progress goes to stderr, drawn where a terminal can redraw and as one line per finished step elsewhere;
results go to stdout as text that pipes well. Errors write themselves (`PotableError.text`). Names come
from data and are never taken for markup or control sequences.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self

import psutil
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from potable.deployment import memory_bytes
from potable.machine import memory_limit
from potable.project import Project
from potable.report import health, view
from potable.report.numbers import human_bytes, human_count, human_seconds, plain, plural, share
from potable.runs.memory import resident
from potable.runs.record import UNFINISHED, VERBS, Event, RunRecord

if TYPE_CHECKING:
    from potable.cli.answers.dataset import Line, StepCounts

__all__ = ["Progress", "human_bytes", "human_count", "line", "over_limit", "summary", "table"]

_SHOWN = 6
"""Running steps shown at once."""
_ENDED = frozenset({"done", "skipped", "failed"})


@dataclass
class _Tally:
    """What the finished steps of one verb came to."""

    steps: int = 0
    skipped: int = 0
    failed: int = 0
    rows: int = 0
    bytes: int = 0
    quarantined: int = 0
    seconds: float = 0.0

    def add(self, event: Event) -> None:
        self.steps += 1
        self.skipped += event.state == "skipped"
        self.failed += event.state == "failed"
        self.rows += event.rows
        self.bytes += event.bytes
        self.quarantined += event.quarantined
        self.seconds += event.seconds


@dataclass
class _Memory:
    """Memory of this process and all it started, looked up at most once a second."""

    clock: Callable[[], float]
    size: int = 0
    read_at: float = float("-inf")

    def now(self) -> int:
        if self.clock() - self.read_at >= 1:
            self.read_at, self.size = self.clock(), resident(psutil.Process())
        return self.size


@dataclass
class Progress:
    """Shows a run as it goes on: a `Listener`, and a context manager around the run.

    A console that is no terminal, or a dumb one, gets one line per finished step.
    """

    console: Console = field(default_factory=lambda: Console(stderr=True))
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._tallies: dict[str, _Tally] = {}
        self._running: dict[str, tuple[Event, float]] = {}
        self._last: Event | None = None
        self._begun = self.clock()
        self._memory = _Memory(self.clock)
        self._lock = Lock()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        self._begun = self.clock()
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            self._live = Live(
                get_renderable=self._drawn, console=self.console, refresh_per_second=4, redirect_stdout=False
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def __call__(self, event: Event) -> None:
        """Take one event in."""
        with self._lock:
            self._last = event
            if event.state in _ENDED:
                self._running.pop(event.step, None)
                self._tallies.setdefault(event.verb, _Tally()).add(event)
            else:
                begun = self._running.get(event.step, (event, self.clock()))[1]
                self._running[event.step] = (event, begun)
        if self._live is None and event.state in _ENDED:
            self.console.print(_line(event), soft_wrap=True, markup=False, highlight=False, emoji=False)

    def _drawn(self) -> RenderableType:
        with self._lock:
            running = list(self._running.values())
            rows = [(verb, self._tallies[verb]) for verb in VERBS if verb in self._tallies]
            last = self._last
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True, overflow="ellipsis")
        for _ in range(4):
            grid.add_column(no_wrap=True, justify="right", overflow="ellipsis")
        for verb, tally in rows:
            grid.add_row(*_finished(verb, tally, self._mark("✗" if tally.failed else "✓")))
        for event, begun in running[:_SHOWN]:
            grid.add_row(*_going(event, event.seconds or self.clock() - begun, self._mark("▸")))
        if len(running) > _SHOWN:
            grid.add_row(Text(f"  and {plural(len(running) - _SHOWN, 'more step')}", style="dim"))
        return Group(grid, self._footer(last)) if last else Text("starting", style="dim")

    def _footer(self, last: Event) -> Table:
        elapsed = self.clock() - self._begun
        left = _left(elapsed, last, sum(tally.skipped for tally in self._tallies.values()))
        line = Table.grid(padding=(0, 2, 0, 0))
        line.add_row(
            Text(f"{human_count(last.finished)} of {plural(last.total, 'step')}"),
            ProgressBar(total=max(last.total, 1), completed=last.finished, width=24),
            Text(human_seconds(elapsed) + (f", about {human_seconds(left)} left" if left else "")),
            Text(f"memory {human_bytes(self._memory.now())}", style="dim"),
        )
        return line

    def _mark(self, mark: str) -> Text:
        ascii_mark = {"✓": "+", "✗": "x", "▸": ">"}[mark]
        style = {"✓": "green", "✗": "red", "▸": "cyan"}[mark]
        return Text(mark if self.console.encoding.lower().startswith("utf") else ascii_mark, style=style)


def over_limit(project: Project) -> str:
    """What is told of a run that may use more than its container, and be killed."""
    allowed, most = memory_bytes(project.platform.memory), memory_limit()
    if allowed <= most:
        return ""
    return (
        f"warning: `memory: {project.platform.memory}` is more than the {human_bytes(most)} its container may use; "
        "the container may be killed. Lower `memory` or raise the container's limit\n"
    )


def summary(record: RunRecord, report: str) -> str:
    """The end of a run in at most 15 lines of plain text; `report` is the path of its HTML page."""
    lines = [_headline(record)]
    data = record.dataset
    privacy = view.leak_scan(record) + " " + view.anonymity(record) if record.privacy.cells_scanned else ""
    facts = {
        "label": _label(record) if data and record.outcome == "published" else "",
        "features": plain(view.defined(record)) if record.outcome == "published" else "",
        "columns": plain(view.untelling(record)) if record.outcome == "published" else "",
        "funnel": " → ".join(f"{human_bytes(stage.bytes)} {plain(stage.stage)}" for stage in record.funnel),
        "people": _people(record),
        "quarantined": _quarantined(record),
        "checks": _warned(record),
        "drift": _drift(record),
        "health": plain(health.line(record)),
        "privacy": plain(privacy.strip()),
        "state": plain(record.error.get("state", "") or view.outcome(record)) if record.outcome in UNFINISHED else "",
        "waiting": plain(view.waiting(record)),
        "memory": f"peak {human_bytes(record.peak_memory)} of {human_bytes(record.memory)} allowed",
        "time": _time(record),
        "csv": plain(data.csv) if data and record.outcome not in UNFINISHED else "",
        "report": plain(report),
        "next": _next(record),
    }
    return "\n".join(lines + [f"  {label:<12} {text}" for label, text in facts.items() if text])


def line(record: RunRecord, sources: Iterable[str]) -> Line:
    """What a scheduler needs to know of a run of a project with these sources, small enough for one line."""
    states = Counter(step.state for step in record.steps)
    steps: StepCounts = {"done": states["done"], "skipped": states["skipped"], "failed": states["failed"]}
    told: Line = {"run": record.run, "outcome": record.outcome, "exit_code": record.exit_code, "steps": steps}
    told["sources"] = [*sources]
    if data := record.dataset:
        told |= {"dataset": data.name, "version": data.version, "new": data.new, "rows": data.rows}
        published = [step.fingerprint for step in record.steps if step.verb == "publish"]
        told |= {"fingerprint": published[-1], "csv": data.csv, "parquet": data.parquet}
    return {**told, "error": record.error["code"]} if record.error else told


def table(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> str:
    """`rows` under `headers` as aligned plain text; columns of numbers are aligned to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(headers, *cells, strict=True)]
    right = [_numeric([row[place] for row in rows]) for place in range(len(headers))]
    lines = [[plain(header) for header in headers], ["-" * width for width in widths], *cells]
    return "\n".join("  ".join(map(_padded, line, widths, right)).rstrip() for line in lines)


def _line(event: Event) -> Text:
    """One finished step as one line."""
    step = plain(event.step)
    if event.state == "skipped":
        return Text(f"{step}  unchanged, skipped")
    if event.state == "failed":
        return Text(f"{step}  failed after {human_seconds(event.seconds)}", style="red")
    parts = [
        plural(event.rows, "row") if event.rows else "",
        human_bytes(event.bytes) if event.bytes and not event.rows else "",
        f"{human_count(event.quarantined)} quarantined" if event.quarantined else "",
        human_seconds(event.seconds),
    ]
    return Text("  ".join([step, *filter(None, parts)]))


def _finished(verb: str, tally: _Tally, mark: Text) -> tuple[RenderableType, ...]:
    steps = plural(tally.steps, "step") + (f", {human_count(tally.skipped)} unchanged" if tally.skipped else "")
    what = plural(tally.rows, "row") if tally.rows else human_bytes(tally.bytes) if tally.bytes else ""
    away = Text(f"{human_count(tally.quarantined)} quarantined", style="yellow") if tally.quarantined else Text("")
    name = Text.assemble(mark, " ", (f"{verb:<9}", "bold"), " ", (steps, "dim"))
    return name, Text(what), Text(""), away, Text(human_seconds(tally.seconds))


def _going(event: Event, seconds: float, mark: Text) -> tuple[RenderableType, ...]:
    what = plural(event.rows, "row") if event.rows else human_bytes(event.bytes) if event.bytes else ""
    away = Text(f"{human_count(event.quarantined)} quarantined", style="yellow") if event.quarantined else Text("")
    name = Text.assemble(mark, " ", plain(event.step))
    return name, Text(what), Text(_rate(event, seconds), style="dim"), away, Text(human_seconds(seconds))


def _rate(event: Event, seconds: float) -> str:
    if seconds <= 0 or not (event.rows or event.bytes):
        return ""
    if event.rows:
        return f"{human_count(event.rows / seconds)} rows/s"
    return f"{human_bytes(event.bytes / seconds)}/s"


def _left(elapsed: float, last: Event, skipped: int) -> float:
    """Seconds left, if the open steps take as long as the finished ones did; skipped ones took none."""
    worked = last.finished - skipped
    return elapsed / worked * (last.total - last.finished) if worked > 0 else 0.0


def _headline(record: RunRecord) -> str:
    data = record.dataset
    if record.outcome in UNFINISHED:
        failed = [step.step for step in record.steps if step.state == "failed"]
        errors = view.error_lines(record.error)
        codes = ", ".join(dict.fromkeys(f"error[{error['code']}]" for error in errors))
        where = f" in {plain(failed[0])}" if failed else ""
        how = "failed" if record.outcome == "failed" else f"was {record.outcome}"
        return f"{plain(record.project)} {how}{where}" + (f": {codes}" if codes else "")
    if not data:
        return f"{plain(record.project)}: done, no version was published"
    what = f"{plain(data.name)} version {data.version}: {view.size(record)}"
    if record.outcome == "published":
        return what
    return f"nothing changed; current: {what}" if record.outcome == "nothing new" else f"done; current: {what}"


def _label(record: RunRecord) -> str:
    assert record.dataset
    parts, total = view.ranked(record.dataset.balance), sum(record.dataset.balance.values())
    shown = [f"{plain(value)} {human_count(rows)} ({share(rows, total)})" for value, rows in parts[:4]]
    more = [f"{len(parts) - 4} more"] if len(parts) > 4 else []
    more += ["only one value, so a model cannot learn anything"] if len(parts) == 1 else []
    return f"{plain(record.dataset.label)}: {', '.join(shown + more)}" if shown else ""


def _people(record: RunRecord) -> str:
    """How many people the keys make, where a key may have joined several who are not one."""
    named = [(key, text) for key, text in view.IDENTITY.items() if key in ("several", "crowded", "merged", "split")]
    told = [f"{human_count(count)} {text}" for key, text in named if (count := record.identity.get(key, 0))]
    return f"{human_count(record.identity['rostered'])}, {', '.join(told)}" if told else ""


def _quarantined(record: RunRecord) -> str:
    if not record.tables:
        return ""
    rows_in, _, away = view.totals(record)
    gone = f"; {human_count(rows)} deleted or replaced at the source" if (rows := view.deleted(record)) else ""
    if not away:
        return f"nothing, of {plural(rows_in, 'row')}{gone}"
    reasons: Counter[str] = Counter()
    for reason, _, rows in view.reasons(record):
        reasons[reason] += rows
    parts = view.ranked(reasons)
    shown = [f"{plain(reason)} {human_count(rows)}" for reason, rows in parts[:3]]
    more = [plural(len(parts) - 3, "more reason")] if len(parts) > 3 else []
    return f"{human_count(away)} of {plural(rows_in, 'row')}: {', '.join(shown + more)}{gone}"


def _warned(record: RunRecord) -> str:
    """How many checks failed that quarantine nothing and stop nothing; the report tells each."""
    checks = [check for table in record.tables for check in table.checks]
    failed = sum(check.action == "warn" and not check.success for check in checks)
    return f"{human_count(failed)} of {human_count(len(checks))} failed with `severity: warn`" if failed else ""


def _drift(record: RunRecord) -> str:
    """What changed in the sources, by kind; the report tells each."""
    found = view.ranked(view.drifts(record))
    return ", ".join(f"{plain(change.replace('_', ' '))} {human_count(count)}" for change, count in found)


def _time(record: RunRecord) -> str:
    done = sum(step.state == "done" for step in record.steps)
    skipped = sum(step.state == "skipped" for step in record.steps)
    return f"{human_seconds(record.seconds)}, {plural(done, 'step')} done, {human_count(skipped)} unchanged"


def _next(record: RunRecord) -> str:
    if record.outcome in UNFINISHED:
        nexts = [text for error in view.error_lines(record.error) for key, text in error["parts"] if key == "next"]
        return plain(nexts[0]) if nexts else "potable run"
    if record.unwritten:
        if view.totals(record)[2]:
            return "potable quarantine list"
        after = {"validate": "potable run --only resolve", "resolve": "potable check"}
        done = [after[step.verb] for step in record.steps if step.verb in after]
        return done[-1] if done else "potable run --only validate"
    return f"potable show {plain(record.dataset.name)}" if record.dataset else "potable run"


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, int) and not isinstance(value, bool):
        return human_count(value)
    return plain(value)


def _numeric(column: Sequence[object]) -> bool:
    found = [value for value in column if value is not None]
    return bool(found) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in found)


def _padded(text: str, width: int, right: bool) -> str:
    gap = " " * (width - cell_len(text))
    return gap + text if right else text + gap
