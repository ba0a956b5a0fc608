"""Tasks in a virtual environment made for them; give `venv_cache_path` to make it once."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.python import PythonVirtualenvOperator

from potable.airflow.runs import arguments, asked_for, conclude


def potable(*call: str) -> tuple[int, str]:
    """Runs there: the exit code and the last line of `potable`."""
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-m", "potable", *call], stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, (done.stdout.splitlines() or [""])[-1]


class VirtualenvRun(PythonVirtualenvOperator):
    """One `potable run --only VERB` in a virtual environment with `requirements`, and nothing of Airflow's."""

    def __init__(self, *, verb: str, project: str, select: str = "", environment: str = "", **settings: Any) -> None:
        self.select = select
        self.call = arguments(verb, project, select, environment)
        apart = {"expect_airflow": False, "system_site_packages": False, **settings}
        super().__init__(python_callable=potable, op_args=self.call, **apart)

    def execute(self, context: Any) -> dict[str, Any]:
        """Run it; its last line tells the outcome."""
        self.op_args = [*self.call, *asked_for(context)]
        code, line = super().execute(context)
        return conclude(context, code, line)
