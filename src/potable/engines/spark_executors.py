"""The executors of a cluster, while it is used: Spark itself waits for ever for one that does not come.

Entry: `Watch`.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from py4j.protocol import Py4JError

from potable.errors import EnvironmentFailure

PATIENCE = 900.0
"""Seconds without any executor after which a run that needs one ends; a new machine may have to be started for it."""
_BETWEEN = 15.0


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
            f"the cluster gave no executor in {PATIENCE / 60:g} minutes",
            "E007",
            given=self._context.master,
            hint="has it room for what `spark.executor.*` asks for, can its machines fetch the image, and were they"
            " taken away?",
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
