"""Every command that has `-o json`, and what it prints then. Only the docs and tests read this.

Entry: `ANSWERS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from potable.cli.answers import dataset, lake, project, sources
from potable.runs.record import RunRecord

ANSWERS: Mapping[str, Any] = {
    "airflow generate": project.Generated,
    "check": project.Checked,
    "contract suggest": Mapping[str, sources.Suggested],
    "diff": dataset.Compared,
    "doctor": list[project.Diagnosis],
    "explain": dataset.Explained,
    "gc": lake.Cleaned,
    "get": dataset.Got,
    "identify": dataset.Identified,
    "identify --log": dataset.Log,
    "plan": project.Plan,
    "plan --estimate": project.EstimatedRun,
    "profile": sources.Profile,
    "quarantine export": lake.HeldExport,
    "quarantine list": list[lake.HeldTable],
    "quarantine replay": list[lake.Replayed],
    "quarantine show": list[lake.HeldRecord],
    "report": lake.Reported,
    "report --format gx": list[lake.GxResult],
    "report --format prometheus": list[lake.Sample],
    "run": (RunRecord, dataset.RunPage),
    "run -o line": dataset.Line,
    "show": dataset.Shown,
    "source discover": Mapping[str, sources.Discovered],
    "source preview": Mapping[str, sources.Previewed],
    "source reconcile": sources.Reconciled,
    "state rewind": lake.Rewound,
    "state show": Mapping[str, lake.SourceState],
    "test": project.Tested,
}
"""Types of what commands print, by command and the options that change it; of several, the later one's keys count."""
