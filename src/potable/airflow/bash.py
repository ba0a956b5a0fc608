"""Tasks in a shell on the worker."""

from __future__ import annotations

import shlex
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
        """Run it; its last line tells the outcome."""
        call = " ".join([self.bash_command, *asked_for(context)])
        done = self.subprocess_hook.run_command(["bash", "-c", call], env=self.get_env(context))
        return conclude(context, done.exit_code, done.output)
