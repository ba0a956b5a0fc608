"""Potable in Airflow 3: `potable airflow generate`, and operators for people who write their own DAGs.

    from potable.airflow import BashRun, SourceArrival, versions_of

Each operator is one `potable run --only VERB` somewhere else: `BashRun` in a shell, `PythonRun` by another
interpreter, `VirtualenvRun`, `KubernetesRun`. Importing this package, or one of them, imports nothing of
Potable but these few files, so that its dependencies and Airflow's never meet; the generated file copies
them and needs only Airflow. What is written into that file belongs to `generate`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PLACES = {
    "BashRun": "bash",
    "PythonRun": "python",
    "VirtualenvRun": "virtualenv",
    "KubernetesRun": "kubernetes",
    "SourceArrival": "arrival",
    "versions_of": "runs",
}
__all__ = ["BashRun", "KubernetesRun", "PythonRun", "SourceArrival", "VirtualenvRun", "versions_of"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
