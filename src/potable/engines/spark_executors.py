"""The executors of a cluster, while it is used: Spark itself waits for ever for one that does not come.

Entries: `Watch`, `unfit`.
"""

from __future__ import annotations

import re
import threading
import time
from typing import Any

from py4j.protocol import Py4JError

from potable.errors import EnvironmentFailure

PATIENCE = 900.0
"""Seconds without any executor after which a run that needs one ends; a new machine may have to be started for it."""
_BETWEEN = 15.0


_LACKING = re.compile(r"No module named '([\w.]+)'")
_NO_PROGRAM = re.compile(r'Cannot run program "([^"\n]+)"')


def unfit(text: str) -> EnvironmentFailure | None:
    """What to tell when Spark fails because Python on executors is not what they need.

    Args:
        text: Spark's own; of it a module or a program is told, nothing else.
    """
    hint = (
        "name by `spark.pyspark.python` a Python of the driver's version, with `pip install 'potable[xml,docx]'` there"
    )
    if "PYTHON_VERSION_MISMATCH" in text:
        return EnvironmentFailure("executors have another version of Python than the driver", "E007", hint=hint)
    if found := _NO_PROGRAM.search(text):
        return EnvironmentFailure("an executor cannot start its Python", "E007", given=found[1], hint=hint)
    if found := _LACKING.search(text):
        return EnvironmentFailure(f"Python on an executor has no module `{found[1]}`", "E007", hint=hint)
    return None


class Watch:
    """Cancels the jobs of a driver that had work and no executor for `PATIENCE`."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.alone = False
        """Whether jobs were cancelled, and no executor has come since."""
        self._thread.start()

    def stop(self) -> None:
        """No longer look; to be called before Spark is stopped."""
        self._ended.set()
        self._thread.join()

    def failure(self) -> EnvironmentFailure:
        """What to tell of cancelled jobs."""
        return EnvironmentFailure(
            f"the cluster provided no executor within {PATIENCE / 60:g} minutes",
            "E007",
            given=self._context.master,
            hint="has it the resources that `spark.executor.*` asks for, can its machines pull the image, and were "
            "executors taken away?",
            retryable=True,
        )

    def _look(self) -> None:
        since = time.monotonic()
        while not self._ended.wait(min(_BETWEEN, PATIENCE / 3)):
            try:
                # the driver counts as one
                lonely = self._context._jsc.sc().getExecutorMemoryStatus().size() <= 1
                waiting = lonely and bool(self._context.statusTracker().getActiveJobsIds())
                self.alone = self.alone and lonely
                if not waiting:
                    since = time.monotonic()
                elif time.monotonic() - since >= PATIENCE:
                    self.alone = True
                    self._context.cancelAllJobs()
            except (Py4JError, OSError):
                # Spark has ended, which whoever uses it is told
                return
