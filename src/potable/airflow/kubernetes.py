"""Tasks in a pod of their own."""

from __future__ import annotations

import json
import re
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.exceptions import AirflowException

from potable.airflow.runs import arguments, asked_for, conclude


class KubernetesRun(KubernetesPodOperator):
    """One `potable run --only VERB` in a pod; `project` is the folder inside its image or volume."""

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
        # a shell that waits for a command keeps to itself that the pod is to end; any but a plain one needs it
        plain = re.fullmatch(r"[\w./@%:,+ -]+", command)
        call = f"exec {command}" if plain else command
        shell = ["sh", "-c", f'{call} "$@" > /airflow/xcom/return.json', "potable"]
        self.call = arguments(verb, project, select, environment)
        super().__init__(cmds=shell, arguments=self.call, do_xcom_push=True, **settings)

    def execute(self, context: Any) -> Any:
        """Run it; its last line tells the outcome."""
        self.arguments = [*self.call, *asked_for(context)]
        return super().execute(context)

    def cleanup(self, pod: Any, remote_pod: Any, xcom_result: Any = None, context: Any = None) -> None:
        """Take the pod away, then judge how its container ended."""
        code = exit_code(remote_pod, self.base_container_name)
        try:
            super().cleanup(pod, remote_pod, xcom_result, context)
        except AirflowException:
            if not code:
                raise
        if code is not None and context is not None:
            conclude(context, code, json.dumps(xcom_result))


def exit_code(pod: Any, container: str) -> int | None:
    """The exit code of a container; None where it has not ended by itself."""
    statuses = (pod.status and pod.status.container_statuses) or () if pod else ()
    ended = [item.state.terminated for item in statuses if item.name == container and item.state]
    return ended[0].exit_code if ended and ended[0] else None
