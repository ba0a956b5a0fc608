"""The `airflow:` section of potable.yaml: when a project runs, where its tasks run, and who answers for them.

Declarations only; what is made of them belongs to `potable.airflow`. Entry: the `AirflowSettings` model.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from potable.declarations import Declaration

Operator = Literal["bash", "python", "virtualenv", "kubernetes"]
_NEEDED = {"python": "python", "virtualenv": "requirements", "kubernetes": "image"}
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_CRON = re.compile(r"@(hourly|daily|weekly|monthly|quarterly|yearly)|[0-9*,/-]+( [0-9A-Za-z*,/#?-]+){4}")
_FIELDS = {"minute": 59, "hour": 23, "day": 31, "month": 12, "weekday": 7}
"""The fields of a cron expression, and how far each goes."""


def span(text: str) -> timedelta:
    """A length of time such as `30s`, `5m`, `6h` or `2d`.

    Raises:
        ValueError: it is none.
    """
    match = re.fullmatch(r"([1-9]\d*)([smhd])", text)
    if not match:
        raise ValueError("write a duration such as 30s, 5m, 6h or 2d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


class Owners(Declaration):
    """Which team owns which tasks; `ingest` and `validate` belong to the `owner` of each source."""

    platform: str = "platform"
    """Owner of `arrive`, `resolve` and `publish`, and of sources that name no owner."""
    privacy: str = "privacy"
    """Owner of `protect`."""
    features: str = "data-science"
    """Owner of `build`."""


class Deadline(Declaration):
    """When a DAG run is late, and who is told."""

    after: str
    """Time after the run was queued, such as `6h`."""
    notify: str
    """Dotted path of what Airflow calls in that case: an async function or a notifier that the triggerer can import."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the call."""

    @field_validator("after")
    @classmethod
    def _span(cls, value: str) -> str:
        span(value)
        return value

    @field_validator("notify")
    @classmethod
    def _path(cls, value: str) -> str:
        if not re.fullmatch(r"\w+(\.\w+)+", value):
            raise ValueError("write a dotted path such as my_company.alerts.late")
        return value


class AirflowSettings(Declaration):
    """The DAG that `potable airflow generate` writes."""

    dag_id: str | None = None
    """Id of the DAG, also in the names of its file and its assets; by default the project's name. Environments that
    share an Airflow need different ones."""
    schedule: str | None = None
    """Cron expression, or @monthly, @weekly …; without one the DAG only runs when it is triggered."""
    timezone: str = "UTC"
    """Time zone of the schedule."""
    start: date = date(2025, 1, 1)
    """First day of the schedule; backfills cannot go back further."""
    operator: Operator = "bash"
    """What runs a task: a shell, another interpreter, a virtual environment, or a pod."""
    command: str = "potable"
    """How a shell or a pod calls Potable, such as /opt/potable/bin/potable."""
    python: str | None = None
    """Interpreter that has Potable, for `operator: python`."""
    requirements: tuple[str, ...] = ()
    """What to install, for `operator: virtualenv`."""
    image: str | None = None
    """Container image that has Potable, for `operator: kubernetes`."""
    pod: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of the KubernetesPodOperator, such as namespace or service_account_name."""
    project: str | None = None
    """Folder of the project where tasks run; by default found from the DAG file's own place. `operator: kubernetes`
    needs it."""
    parallel: int = Field(default=2, ge=1)
    """Tasks of one verb that run side by side, of one run or of several of a backfill; each may use the project's whole
    `memory`."""
    retries: int = Field(default=3, ge=0)
    """How often a task is retried after a failure of its environment."""
    retry_delay: str = "5m"
    """Time before the first retry; doubled before each further one."""
    wait_for: dict[str, str | None] = Field(default_factory=dict)
    """By source: file or glob to wait for, below the source's folder, with Airflow's templates. By default sources of
    files wait for any file; null waits for nothing."""
    wait_at_most: str = "12h"
    """How long to wait for a source to arrive."""
    owners: Owners = Owners()
    """Teams that own the tasks."""
    deadline: Deadline | None = None
    """Whom to notify when a run is late."""

    @field_validator("dag_id")
    @classmethod
    def _id(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}", value):
            raise ValueError("write letters, digits, dashes, dots and underscores")
        return value

    @field_validator("schedule")
    @classmethod
    def _cron(cls, value: str | None) -> str | None:
        if value is not None and not _CRON.fullmatch(value):
            raise ValueError("write five cron fields such as '0 6 2 * *', or @monthly, @weekly, @daily …")
        for text, (name, highest) in zip((value or "").split(), _FIELDS.items(), strict=False):
            # what stands behind a slash or a # is no time
            for number in re.findall(r"(?<![\w/#])\d+", text):
                if int(number) > highest:
                    raise ValueError(f"there is no {name} {number}; the fields are {', '.join(_FIELDS)}")
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, OSError, ValueError):
            raise ValueError("unknown time zone; write one such as Asia/Kolkata") from None
        return value

    @field_validator("retry_delay", "wait_at_most")
    @classmethod
    def _span(cls, value: str) -> str:
        span(value)
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = _NEEDED.get(self.operator)
        if needed and not getattr(self, needed):
            raise ValueError(f"`operator: {self.operator}` needs `{needed}`")
        return self
