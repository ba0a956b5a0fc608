"""potable.yaml: where the lake is, what runs the project, and how much it may use.

Decided by the platform team; `project` reads it, with an environment laid over it. Entry: the `Platform` model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from potable.declarations import Declaration
from potable.engines.spark_meaning import refused
from potable.machine import processors
from potable.scheduling import AirflowSettings, span
from potable.sources.credentials import Basic, Bearer
from potable.tables import QuarantinePolicy

STORES = ("file", "s3", "gs", "az")
"""Schemes of URLs a lake or vault may lie under; a path needs none."""
_MASTERS = r"local(\[.*\])?|local-cluster\[.*\]|spark://.+|yarn|k8s://.+"
_HADOOP = ("fs.", "hadoop.", "dfs.", "io.", "yarn.", "mapreduce.", "parquet.")
"""How Hadoop's settings begin, which Spark passes on below a name of its own."""
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class LakeSettings(Declaration):
    """Where the lake is."""

    restricted: str = "lake/restricted"
    """Root of raw, validated and quarantine: holds personal data. Path or URL."""
    open: str = "lake/open"
    """Root of protected, features, datasets, runs and audit. Path or URL."""


class SparkSettings(Declaration):
    """How Spark is reached, for `engine: spark`."""

    master: str = ""
    """Master URL such as `spark://host:7077`, `yarn` or `k8s://…`; empty runs Spark here, in `threads` and `memory`."""
    remote: str = ""
    """Spark Connect URL such as `sc://host:15002`, instead of a master."""
    conf: Mapping[str, str | bool | int | float] = Field(default={})
    """Spark's own settings, such as `spark.executor.memory: 8g`."""

    @field_validator("conf")
    @classmethod
    def _sparks(cls, value: Mapping[str, str | bool | int | float]) -> Mapping[str, str | bool | int | float]:
        for key in value:
            if not key.startswith("spark."):
                meant = f"spark.hadoop.{key}" if key.startswith(_HADOOP) else f"spark.{key}"
                raise ValueError(f"`{key}` is none of Spark's, which would leave it out; write one such as `{meant}`")
        return value

    @field_validator("conf")
    @classmethod
    def _same_results(cls, value: Mapping[str, str | bool | int | float]) -> Mapping[str, str | bool | int | float]:
        if wrong := refused(_words(value)):
            key, allowed = wrong
            raise ValueError(
                f"`{key}` would change results; {f'it is always {allowed}' if allowed else 'leave it out'}"
            )
        return value

    @field_validator("master")
    @classmethod
    def _known(cls, value: str) -> str:
        if value and not value.startswith("${") and not re.fullmatch(_MASTERS, value):
            raise ValueError("write a master such as spark://host:7077, yarn, k8s://https://host:6443 or local[4]")
        return value

    @field_validator("remote")
    @classmethod
    def _connect(cls, value: str) -> str:
        if value and not value.startswith(("sc://", "${")):
            raise ValueError("write the URL of a Spark Connect server, such as sc://host:15002")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.master and self.remote:
            raise ValueError("give `master` or `remote`, not both")
        return self

    def options(self) -> dict[str, object]:
        """What the engine takes."""
        return {"master": self.remote or self.master, "conf": _words(self.conf)}


def _words(conf: Mapping[str, str | bool | int | float]) -> dict[str, str]:
    """Settings as Spark takes them."""
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in conf.items()}


class Pushgateway(Declaration):
    """A Pushgateway, which keeps what a run pushes until Prometheus asks for it."""

    url: str
    """Its address, such as `https://push.example.com:9091`."""
    auth: Bearer | Basic | None = None
    """`bearer: ${env:PUSH_TOKEN}`, or `basic: {user: …, password: ${env:PUSH_PASSWORD}}`."""
    timeout: str = "5s"
    """How long a push may take; a failed push is only a warning."""

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        parts, unset = urlsplit(value), value.startswith("${")
        if not unset and (parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc):
            raise ValueError("write an address such as https://push.example.com:9091; credentials go under `auth`")
        return value

    @field_validator("timeout")
    @classmethod
    def _span(cls, value: str) -> str:
        if span(value) > timedelta(minutes=1):
            raise ValueError("at most one minute, because runs wait for it")
        return value


class Observability(Declaration):
    """Where the metrics of runs go, in Prometheus' format, when one begins and when it ends."""

    textfile: str = ""
    """A file in the folder of node_exporter's textfile collector, ending in `.prom`."""
    pushgateway: Pushgateway | None = None
    """A Pushgateway, which gets one group for each dataset of each project."""

    @field_validator("textfile")
    @classmethod
    def _collected(cls, value: str) -> str:
        if value and not value.endswith(".prom"):
            raise ValueError("the file name must end in .prom, because the collector reads only such files")
        return value


class Platform(Declaration):
    """potable.yaml: what the platform team decides."""

    project: str = Field(min_length=1)
    """Name of the project."""
    lake: LakeSettings = LakeSettings()
    """Roots of the lake."""
    vault: str = "vault"
    """Subject ids and keys; may be shared by several lakes. Path or URL."""
    engine: str = "duckdb"
    """Engine that runs the project."""
    memory: str = "2GB"
    """Memory a run may use, over all its processes."""
    threads: int = Field(default_factory=processors, ge=1, le=1024)
    """Threads and worker processes; by default one for each processor that the process, or its container, may use."""
    scratch: str = ".potable/scratch"
    """Folder for spilled data and temporary results; on a cluster every executor must reach it."""
    spark: SparkSettings = SparkSettings()
    """How Spark is reached, for `engine: spark`."""
    quarantine: QuarantinePolicy = QuarantinePolicy()
    """How many rows of all tables together may be quarantined before the run stops."""
    airflow: AirflowSettings = AirflowSettings()
    """The DAG that `potable airflow generate` writes."""
    observability: Observability = Observability()
    """Where the metrics of runs go."""
    plugins: list[str] = Field(default_factory=list)
    """Python files of the project, or installed modules, whose classes of Great Expectations checks may name."""

    @field_validator("memory")
    @classmethod
    def _size(cls, value: str) -> str:
        memory_bytes(value)
        return value

    @field_validator("scratch")
    @classmethod
    def _folder(cls, value: str) -> str:
        if "://" in value:
            raise ValueError("write the path of a folder; only the lake and the vault may be URLs")
        return value

    def engine_options(self) -> dict[str, object]:
        """Options of the chosen engine alone."""
        return {**self.spark.options(), "stores": self.object_stores()} if self.engine == "spark" else {}

    def object_stores(self) -> tuple[str, ...]:
        """The roots that lie on object stores."""
        roots = (self.lake.restricted, self.lake.open, self.vault)
        return tuple(root for root in roots if "://" in root and not root.startswith("file://"))


def memory_bytes(text: str) -> int:
    """Bytes of a size such as `512MB` or `4GiB` (powers of 1024).

    Raises:
        ValueError: not a size, or less than 256 MB.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", text.strip(), re.IGNORECASE)
    if not match:
        raise ValueError("write a size such as 512MB or 4GB")
    size = int(float(match[1]) * _UNITS[match[2].upper()])
    if size < 256 << 20:
        raise ValueError("`memory` must be at least 256MB")
    return size
