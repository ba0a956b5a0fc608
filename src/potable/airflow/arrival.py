"""Waiting for a source to arrive, without a worker while it waits."""

from __future__ import annotations

import glob
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow.providers.standard.triggers.file import FileTrigger
from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout


class SourceArrival(BaseSensorOperator):
    """Waits until a file of a source is there; for what lies in a bucket or behind a server nobody waits.

    `${env:NAME}` in `files` means what it means in the project: the worker's environment, or the project's .env.
    """

    template_fields = ("files",)

    def __init__(self, *, files: str, project: str, select: str = "", **settings: Any) -> None:
        super().__init__(**settings)
        self.files = files
        self.project = project
        self.select = select

    def poke(self, context: Any) -> bool:
        """Whether a file is there now; a folder counts when a file is in it, a hidden one is on its way."""
        if "://" in self.place():
            return True
        place = Path(self.place())
        # what is there under this name is no pattern
        found = [place] if place.exists() else Path(place.anchor).glob(str(place.relative_to(place.anchor)))
        within = (inner for path in found for inner in (path.rglob("*") if path.is_dir() else [path]))
        return any(path.is_file() and not path.name.startswith((".", "~$")) for path in within)

    def execute(self, context: Any) -> None:
        """Look once, then leave the waiting to the triggerer.

        A backfill waits for nothing: it is made from what is landed. Files of past months may never have come by that
        name, or lie elsewhere by now.
        """
        past = "dag_run" in context and context["dag_run"].run_type == "backfill"
        if not past and not self.poke(context):
            place = self.place()
            wanted = f"{glob.escape(place)}/**/[!.~]*" if Path(place).is_dir() else place
            trigger = FileTrigger(wanted, recursive=True, poke_interval=self.poke_interval)
            self.defer(trigger=trigger, timeout=timedelta(seconds=self.timeout), method_name="arrived")

    def arrived(self, context: Any, event: Any = None) -> None:
        """The triggerer saw a file."""

    def resume_execution(self, *given: Any, **more: Any) -> Any:
        """Go on after waiting; what never came is named as it is declared."""
        try:
            return super().resume_execution(*given, **more)
        except AirflowSensorTimeout:
            waited = timedelta(seconds=self.timeout)
            raise AirflowSensorTimeout(f"nothing arrived at {self.files} within {waited}") from None

    def place(self) -> str:
        """The absolute path or glob to look for, or a URL."""
        known, found = self.variables(), self.files
        for reference, name in re.findall(r"(\$\{env:([^}]+)\})", found):
            if name not in known:
                raise AirflowFailException(f"the variable {name} is not set, neither here nor in the project's .env")
            found = found.replace(reference, known[name])
        if found.startswith("file://"):
            found = unquote(urlsplit(found).path)
        return found if "://" in found else str(Path(self.project, Path(found).expanduser()))

    def variables(self) -> dict[str, str]:
        """The project's .env below the environment of this process."""
        file = Path(self.project, ".env")
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        pairs = [line.strip().removeprefix("export ").split("=", 1) for line in lines if "=" in line]
        return {name.strip(): value.strip().strip("'\"") for name, value in pairs} | dict(os.environ)
