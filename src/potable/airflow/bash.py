"""Tasks in a shell on the worker."""

from __future__ import annotations

import shlex
import tempfile
from typing import Any

from airflow.providers.standard.operators.bash import BashOperator

from potable.airflow.runs import arguments, asked_for, conclude


class BashRun(BashOperator):
    """One `potable run --only VERB` in a shell."""

    def __init__(
        self,
        *,
        verb: str,
        project: str,
        select: str = "",
        environment: str = "",
        command: str = "potable",
        **settings: Any,
    ) -> None:
        self.select = select
        call = f"{command} {shlex.join(arguments(verb, project, select, environment))}"
        super().__init__(bash_command=call, **settings)

    def execute(self, context: Any) -> dict[str, Any]:
        """Run it; the last line of its stdout tells the outcome, whatever is said on stderr after it."""
        call = " ".join([self.bash_command, *asked_for(context)])
        with tempfile.NamedTemporaryFile(encoding=self.output_encoding, errors="replace", mode="r") as told:
            # Airflow's hook makes one of both streams
            shell = ["bash", "-c", f'exec > "$0"\n{call}', told.name]
            environment = self.get_env(context)
            done = self.subprocess_hook.run_command(shell, environment, self.output_encoding, self.cwd)
            line = (told.read().splitlines() or [""])[-1]
        self.log.info("%s", line)
        return conclude(context, done.exit_code, line)
