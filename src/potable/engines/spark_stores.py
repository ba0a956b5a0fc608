"""Object stores as Spark reaches them: S3 by Hadoop's s3a connector, Google's and Azure's in Python (`spark_objects`).

The lake is opened by obstore, which takes region and endpoint from the environment; here `AWS_*` become settings of
s3a, so that one environment serves both. Keys never pass through here: s3a and obstore take them from the environment
themselves, or from the role of the machine. Entry: `settings` before Spark starts, `require` after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from py4j.protocol import Py4JJavaError

from potable.engines import places
from potable.errors import EnvironmentFailure

PACKAGES = (
    "org.apache.hadoop:hadoop-aws:3.4.1",
    "software.amazon.awssdk:s3:2.57.8",
    "software.amazon.awssdk:s3-transfer-manager:2.57.8",
    "software.amazon.awssdk:sts:2.57.8",
    "software.amazon.awssdk:apache-client:2.57.8",
    "software.amazon.awssdk:netty-nio-client:2.57.8",
)
"""The connector of the Hadoop that pyspark brings, and what it uses of the AWS SDK, as Maven coordinates."""
EXCLUDED = "software.amazon.awssdk:bundle"
"""What the connector asks for instead: all of AWS in one jar of half a gigabyte."""
OPEN_VARIABLES = (
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT",
    "AWS_ALLOW_HTTP",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "GOOGLE_BASE_URL",
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_ENDPOINT",
    "AZURE_ALLOW_HTTP",
)
"""What obstore reads and anyone may see; the names of keys and of their files are not among them."""


def in_python(path: str) -> bool:
    """Whether Python reads and writes what lies there."""
    return places.scheme_of(path) in ("gs", "az")


def url(path: str) -> str:
    """Where Hadoop finds a path: no default file system of a cluster takes a local one for its own."""
    scheme = places.scheme_of(path)
    return f"file://{path}" if not scheme else path.replace("s3://", "s3a://", 1) if scheme == "s3" else path


def settings(environment: Mapping[str, str], *, local: bool) -> dict[str, str]:
    """Spark's configuration for the store the environment names, addressed the way obstore does it.

    Args:
        environment: variables of this process.
        local: whether the executors are this process too; others are told what is no secret.
    """
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    hosted = environment.get("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "false").lower() in ("true", "1")
    made = {"endpoint.region": region, "path.style.access": str(not hosted).lower()}
    if endpoint := environment.get("AWS_ENDPOINT_URL") or environment.get("AWS_ENDPOINT"):
        made["endpoint"] = endpoint
    told = {} if local else {name: environment[name] for name in OPEN_VARIABLES if environment.get(name)}
    return {f"spark.hadoop.fs.s3a.{key}": value for key, value in made.items()} | {
        f"spark.executorEnv.{name}": value for name, value in told.items()
    }


def require(session: Any, stores: Sequence[str]) -> None:
    """Open every store's file system, which asks nothing of the store, before a run has done any work.

    Raises:
        EnvironmentFailure: E007, the connector is missing or its settings cannot be used.
        MissingExtra: what Python reaches stores by is not installed.
    """
    hadoop = session.sparkContext._jsc.hadoopConfiguration()
    for store in stores:
        if in_python(store):
            places.filesystem(places.scheme_of(store))
            continue
        try:
            session._jvm.org.apache.hadoop.fs.Path(url(store)).getFileSystem(hadoop)
        except Py4JJavaError as failure:
            kind = str(failure.java_exception.getClass().getSimpleName())
            raise missing(str(failure)) or EnvironmentFailure(
                f"Spark cannot open the store ({kind})",
                "E007",
                given=store,
                hint="do `spark.hadoop.fs.s3a.…` and AWS_ENDPOINT_URL fit the store, and do its jars have Spark's "
                "Hadoop version?",
            ) from None


def missing(text: str) -> EnvironmentFailure | None:
    """What to add, when Spark fails for want of the connector or of its parts."""
    lacks = "S3AFileSystem not found" in text or ("NoClassDefFoundError" in text and "amazon" in text)
    if not lacks:
        return None
    return EnvironmentFailure(
        "Spark has no connector for `s3://`",
        "E007",
        hint=f"add to `spark.conf`: `spark.jars.packages: {','.join(PACKAGES)}` and `spark.jars.excludes: {EXCLUDED}`",
    )
