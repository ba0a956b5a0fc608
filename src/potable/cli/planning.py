"""`potable plan`: which steps a run would take, and the proof of what may reach the dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from potable.cli.output import table
from potable.privacy import flow
from potable.project import Project
from potable.runs.plan import Step, ingest_steps, later_steps
from potable.runs.runner import landed_now
from potable.runs.vault import existing_key, key_name
from potable.store.layout import Lake
from potable.store.manifest import find


@dataclass(frozen=True)
class Planned:
    """The plan as facts and as text."""

    facts: dict[str, Any]
    text: str
    pending: bool


def planned(project: Project) -> Planned:
    """What a run would do for what is landed now; the sources are not looked at."""
    lake = project.lake()
    landed = landed_now(project, lake)
    missing = [name for name, objects in landed.items() if not objects]
    rows = [(step.label, "looks at the source", "") for step in ingest_steps(project)]
    pending = bool(missing)
    if missing:
        rows.append(("everything after", "runs", f"not landed yet: {', '.join(missing)}"))
    else:
        for step in later_steps(project, landed, key_name(existing_key(lake.vault))):
            done = _is_done(lake, step)
            pending = pending or not done
            rows.append((step.label, "done" if done else "runs", step.fingerprint[:12]))
    flows = project.proof.flows
    text = "\n\n".join(
        [
            table(rows, ["step", "", "fingerprint"]),
            "which category reaches which column, and what takes it off:\n" + flow.table(flows),
            "next: potable run" if pending else "nothing to do for what is landed; `potable run` looks at the sources",
        ]
    )
    facts = {
        "steps": [{"step": label, "state": state, "detail": detail} for label, state, detail in rows],
        "flows": [vars(item) for item in flows],
        "pending": pending,
    }
    return Planned(facts, text, pending)


def _is_done(lake: Lake, step: Step) -> bool:
    return find(step.store(lake), step.folder) is not None
