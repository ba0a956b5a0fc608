"""`potable plan`: which steps a run would take, the proof of what may reach the dataset, and what it would cost."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from potable import plugins
from potable.agreement import lacking
from potable.cli.output import table
from potable.cli.reporting import run_names
from potable.contracts.references import referring
from potable.deployment import memory_bytes
from potable.errors import EnvironmentFailure
from potable.privacy import flow
from potable.project import Project
from potable.report.numbers import human_bytes, human_count, human_seconds, plural
from potable.runs import estimate as estimating
from potable.runs import former
from potable.runs.estimate import Estimate, Machine, Span, Work
from potable.runs.measured import Observed, is_full, observed, part_of, shipped
from potable.runs.plan import REFERENCES, Step, ingest_steps, later_steps
from potable.runs.rates import Rates
from potable.runs.rates import rates as rates_of
from potable.runs.record import VERBS, Verb, record_of
from potable.runs.runner import landed_now
from potable.runs.vault import existing_key, key_name
from potable.store.layout import Lake
from potable.store.manifest import find

if TYPE_CHECKING:
    from potable.cli.answers.project import (
        EstimatedRun,
        Plan,
        PlannedState,
        PlannedStep,
        SpanOfBytes,
        SpanOfSeconds,
    )

_FAR = 100
"""Beyond this factor an estimate says that a larger run should be measured first."""


@dataclass(frozen=True)
class Planned:
    """The plan as facts and as text."""

    facts: Plan
    text: str


@dataclass(frozen=True)
class Estimated:
    """The estimate as facts and as text."""

    facts: EstimatedRun
    text: str


@dataclass(frozen=True)
class Asked:
    """What an estimate is wanted for; what is not said is as in the project."""

    size: str = ""
    engine: str = ""
    cores: int | None = None
    nodes: int = 1
    memory: str = ""


def planned(project: Project) -> Planned:
    """What a run would do for what is landed now; the sources are not looked at."""
    lake = project.lake()
    landed = landed_now(project, lake)
    missing = [name for name, objects in landed.items() if not objects]
    steps = [
        _step(step.label, step.verb, "checks", "looks for new data in the source") for step in ingest_steps(project)
    ]
    pending, next_run = bool(missing), project.next_run
    if missing:
        after = "validate, resolve" if project.unwritten else "everything after it"
        steps.append(_step(after, None, "runs", f"not landed yet: {', '.join(missing)}"))
    else:
        key = key_name(existing_key(lake.vault))
        for step in later_steps(project, landed, key, former.knowing(lake, project)):
            done = _is_done(lake, step)
            if project.unwritten and not (done or pending):
                next_run = f"potable run --only {step.verb}"
            pending = pending or not done
            steps.append(_step(step.label, step.verb, "done" if done else "runs", "", step.fingerprint))
    if project.unwritten:
        steps.append(_step("protect, build, publish", None, "wait", lacking(project.unwritten)))
    proof = project.agreed.proof
    flows = proof.flows if proof else ()
    proved = "which category reaches which column, and which operator removes it:\n" + flow.table(flows)
    ending = f"nothing to do for the landed data; `{next_run}` checks the sources for new data"
    text = "\n\n".join(
        [
            table([_told(step) for step in steps], ["step", "", "fingerprint"]),
            proved
            if proof
            else f"the proof of which category reaches which column has to wait: {lacking(project.unwritten)}",
            f"next: {next_run}" if pending else ending,
        ]
    )
    facts: Plan = {
        "steps": steps,
        "flows": flows,
        "unwritten": project.unwritten,
        "pending": pending,
    }
    return Planned(facts, text)


def _step(
    label: str, verb: Verb | None, state: PlannedState, detail: str, fingerprint: str | None = None
) -> PlannedStep:
    return {"step": label, "verb": verb, "state": state, "fingerprint": fingerprint, "detail": detail}


def _told(step: PlannedStep) -> tuple[str, str, str]:
    """A step as a line of the plan's table."""
    if step["state"] == "checks":
        return step["step"], "checks the source for new data", ""
    return step["step"], step["state"], (step["fingerprint"] or "")[:12] or step["detail"]


def _is_done(lake: Lake, step: Step) -> bool:
    return find(step.store(lake), step.folder) is not None


# what a run would cost


def estimated(project: Project, asked: Asked) -> Estimated:
    """What a full run would take; neither the sources nor any data are read.

    Raises:
        ProjectError: P005, an option says something impossible; P001, a file is not written yet.
        EnvironmentFailure: E008, the size is not known or the engine was never measured.
    """
    project.require_written("an estimate of a full run")
    platform, lake = project.platform, project.lake()
    cores = platform.threads if asked.cores is None else asked.cores
    memory = _memory(asked.memory or platform.memory)
    machine = Machine(asked.engine or platform.engine, cores, asked.nodes, memory)
    estimating.require_machine(machine)
    plugins.require("engines", machine.engine)
    types = {name: source.type for name, source in project.sources.items()}
    landed = landed_now(project, lake)
    own = _own_run(lake, machine.engine, types, sum(item.stored for objects in landed.values() for item in objects))
    received: Counter[str] = Counter()
    for name, objects in landed.items():
        received[types[name]] += sum(item.bytes for item in objects)
    base = sum(received.values())
    size = asked_size(asked.size, base) if asked.size else base
    if not size:
        raise _unsized("nothing is landed yet, so the size of the data is unknown")
    rates = rates_of(own, shipped(), machine.engine)
    work = Work(_mixed(received if base else _known_mix(rates.anchor, types), size), _steps(project, types))
    made = estimating.predict(rates, work, machine)
    return Estimated(_facts(made, rates, machine), _text(made, rates, machine))


def _memory(text: str) -> int:
    try:
        return memory_bytes(text)
    except ValueError as failure:
        raise estimating.refused("--memory", text, str(failure)) from None


def asked_size(text: str, base: float) -> float:
    """Bytes of `--size`: a size such as `0.8TB`, or how many times `base`, such as `10` or `10x`.

    Raises:
        ProjectError: P005, neither of both, nothing at all, or more than there is.
        EnvironmentFailure: E008, a factor where nothing is landed.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:(x?)|([KMGTP]?)i?B)", text.strip(), re.IGNORECASE | re.ASCII)
    unit = match[3] if match else None
    if match and unit is None and not base:
        raise _unsized("`--size` is a factor, but no data is landed yet to multiply")
    scale = base if unit is None else 1 << (10 * " KMGTP".index(unit.upper() or " "))
    size = float(match[1]) * scale if match else 0.0
    if not 1 <= size <= estimating.MOST:
        allowed = "bytes as received such as 6GB or 0.8TB, or a factor such as 10x; at most 1024PB"
        raise estimating.refused("--size", text, allowed)
    return size


def _own_run(lake: Lake, engine: str, types: dict[str, str], stored: int) -> Observed | None:
    """The project's latest finished full run on an engine, if its sources are still the same."""
    for name in reversed(run_names(lake)):
        record = record_of(lake.open, name)
        sources = {step.step.partition(" ")[2] for step in record.steps if step.verb == "ingest"}
        if record.engine == engine and is_full(record) and sources == types.keys():
            return observed(record, types, stored=stored)
    return None


def _steps(project: Project, types: dict[str, str]) -> Counter[str]:
    """Steps of a full run by part."""
    tables, dataset = project.tables, project.features.dataset
    vault = ["resolve subjects", "protect identifiers", "protect pseudonyms", f"build {dataset}", f"publish {dataset}"]
    labels = [step.label for step in ingest_steps(project)] + vault + ["start"]
    labels += [f"{verb} {name}" for name in tables for verb in ("validate", "protect")]
    labels += [f"validate {REFERENCES}"] if any(referring(checks) for checks in project.checks.values()) else []
    return Counter(part_of(label, types) for label in labels)


def _known_mix(anchor: Observed, types: dict[str, str]) -> dict[str, float]:
    """The measured run's bytes by type for the types the project has; one it never met gets their mean."""
    mean = anchor.size / len(anchor.bytes)
    return {kind: float(anchor.bytes.get(kind, mean)) for kind in set(types.values())}


def _mixed(received: Any, size: float) -> dict[str, float]:
    return {kind: part * (size / sum(received.values())) for kind, part in received.items()}


def _unsized(problem: str) -> EnvironmentFailure:
    return EnvironmentFailure(
        problem,
        "E008",
        allowed="give --size in bytes as received, such as 6GB or 0.8TB",
        state="nothing was read or written",
        next="potable plan --estimate --size 6GB",
    )


def _facts(made: Estimate, rates: Rates, machine: Machine) -> EstimatedRun:
    anchor = rates.anchor
    return {
        "size": round(made.size),
        "machine": machine,
        "basis": made.basis,
        "factor": made.factor,
        "measured": {
            "of": "this project" if rates.own else "reference",
            "run": anchor.run,
            "date": anchor.date,
            "machine": anchor.machine or None,
            "engine": anchor.engine,
            "threads": anchor.threads,
            "seconds": anchor.seconds,
            "size": round(anchor.size),
        },
        "seconds": {verb: _seconds(span) for verb, span in made.seconds.items()},
        "seconds_total": _seconds(made.total),
        "memory": _bytes(made.memory),
        "disk": {zone: round(size) for zone, size in made.disk.items()},
        "disk_total": round(sum(made.disk.values())),
        "shuffle": {verb: _bytes(span) for verb, span in made.shuffle.items()},
        "shuffle_total": _bytes(made.shuffle_total),
        "notes": notes(made, rates, machine),
    }


def _seconds(span: Span) -> SpanOfSeconds:
    return {"likely": round(span.likely, 3), "low": round(span.low, 3), "high": round(span.high, 3)}


def _bytes(span: Span) -> SpanOfBytes:
    return {"likely": round(span.likely), "low": round(span.low), "high": round(span.high)}


def _text(made: Estimate, rates: Rates, machine: Machine) -> str:
    cores = plural(machine.cores, "core")
    where = cores if machine.nodes == 1 else f"{machine.nodes} machines of {cores}"
    rows = [
        (verb, *_times_of(made.seconds[verb], made), _sent(made, verb))
        for verb in ("start", *VERBS)
        if verb in made.seconds
    ]
    rows.append(("the whole run", *_times_of(made.total, made), _sent(made)))
    disk = [(zone, human_bytes(rounded(size))) for zone, size in made.disk.items()]
    disk.append(("together", human_bytes(rounded(sum(made.disk.values())))))
    held = human_bytes(made.memory.likely) if made.basis == "measured" else between(made.memory, human_bytes)
    memory = f"{held}, of {human_bytes(machine.memory)} set"
    parts = [
        f"{human_bytes(made.size)} as received, {machine.engine}, {where}: {made.basis}",
        table(rows, ["verb", "time", "range", "sent between machines"]),
        f"peak memory of a machine: {memory}",
        table(disk, ["zone", "disk"]),
        "\n".join(f"- {note}" for note in notes(made, rates, machine)),
    ]
    return "\n\n".join(parts)


def notes(made: Estimate, rates: Rates, machine: Machine) -> list[str]:
    """What was measured, what is extrapolated and how far, and what is assumed."""
    anchor = rates.anchor
    whose = f"run {anchor.run} of this project" if rates.own else f"the reference run of {anchor.date}"
    on = f" on {anchor.machine}" if anchor.machine else ""
    lines = [
        f"measured: {whose}: {human_bytes(anchor.size)} as received, {human_count(anchor.people)} people, "
        f"{human_seconds(anchor.seconds)} on {anchor.engine} with {plural(anchor.threads, 'thread')}{on}"
    ]
    if made.basis == "computed":
        cores = machine.cores * machine.nodes
        lines.append(
            f"extrapolated: {times(made.factor)} the measured bytes, {times(cores / anchor.threads)} its cores; the "
            "range shows how uncertain that is"
        )
    if made.factor > _FAR:
        lines.append(
            "that is a long way to extrapolate: first run a part of the data of at least "
            f"{human_bytes(made.size / _FAR)}"
        )
    if not rates.own:
        lines.append(
            "other data and other machines differ; once this project has had a full run, estimates start "
            "from that instead"
        )
    if len(rates.shape) < 2:
        lines.append("only one size was measured on this engine: all time is assumed to grow with the data")
    if machine.nodes > 1:
        lines.append(
            "assumed: 10 Gbit/s between machines; the driver reads the sources; nothing was measured on this cluster"
        )
    return [*lines, *made.notes]


def between(span: Span, write: Any) -> str:
    """A range in words of `write`, both ends to two digits; one number where they agree."""
    low, high = write(rounded(span.low, write)), write(rounded(span.high, write))
    return (low if low == high else f"{low} to {high}").replace(".0 ", " ")


def rounded(value: float, write: Any = human_bytes) -> float:
    """`value` to two digits of the unit it is written in, for more would be false."""
    steps = (1, 60, 3600) if write is human_seconds else tuple(1 << shift for shift in range(0, 60, 10))
    unit = max((step for step in steps if step <= value), default=1)
    return float(f"{value / unit:.2g}") * unit


def _times_of(span: Span, made: Estimate) -> tuple[str, str]:
    """Likely time, as measured where it was, and the range."""
    likely = span.likely if made.basis == "measured" else rounded(span.likely, human_seconds)
    return human_seconds(likely), between(span, human_seconds)


def _sent(made: Estimate, verb: str = "") -> str:
    span = made.shuffle.get(verb) if verb else made.shuffle_total
    return between(span, human_bytes) if span and span.high else "–"


def times(factor: float) -> str:
    """A factor in words: `540×`, `0.3×`."""
    return f"{factor:,.0f}×" if factor >= 10 else f"{factor:.2g}×"
