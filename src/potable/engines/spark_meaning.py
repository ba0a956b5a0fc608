"""Settings of Spark that decide what results mean: the same in every session, whoever sets them otherwise.

The project may not; what a cluster's `spark-defaults.conf` or a Connect server says is replaced in our session.
Imports nothing of Spark, because project files are held to it too. Entries: `refused`, `fix`,
`speaks_english`, `values_untold`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

MEANING: Mapping[str, str] = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.doubleQuotedIdentifiers": "false",
    "spark.sql.ansi.enforceReservedKeywords": "false",
    "spark.sql.caseSensitive": "true",
    "spark.sql.crossJoin.enabled": "true",
    "spark.sql.decimalOperations.allowPrecisionLoss": "true",
    "spark.sql.execution.arrow.useLargeVarTypes": "false",
    # otherwise rows of a file that is damaged or gone are left out, and nobody is told
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.groupByAliases": "true",
    "spark.sql.groupByOrdinal": "true",
    "spark.sql.icu.caseMappings.enabled": "true",
    "spark.sql.orderByOrdinal": "true",
    "spark.sql.parquet.binaryAsString": "false",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.fieldId.read.enabled": "false",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.parquet.int96RebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.writeLegacyFormat": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.sources.partitionOverwriteMode": "STATIC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    # otherwise `${…}` in a text stands for a setting or a variable of the machine
    "spark.sql.variable.substitute": "false",
}
"""What results depend on, and what it must be."""
_ELSEWHERE = ("spark.sql.legacy.", "spark.sql.parser.")
"""How settings begin that have Spark do, or read queries, as an older one or another system did."""


def refused(conf: Mapping[str, str]) -> tuple[str, str] | None:
    """The first setting of a project that would change results, and what it may be: nothing, where it is empty."""
    for key, value in sorted(conf.items()):
        allowed = MEANING.get(key, "" if key.startswith(_ELSEWHERE) else value)
        if value.lower() != allowed.lower():
            return key, allowed
    return None


def fix(session: Any, errors: type[Exception]) -> tuple[str, str] | None:
    """Give `session` what results depend on; what it cannot be given, and what that should be.

    Args:
        errors: what a session raises that does not let a setting be changed.
    """
    for key in [key for key in session.conf.getAll if key.startswith(_ELSEWHERE)]:
        with suppress(errors):
            session.conf.unset(key)
    for key, value in MEANING.items():
        with suppress(errors):
            session.conf.set(key, value)
    has = session.conf.getAll
    for key, value in MEANING.items():
        if str(has.get(key)).lower() != value.lower():
            return key, value
    return next(((key, "") for key in has if key.startswith(_ELSEWHERE)), None)


def speaks_english(session: Any) -> bool:
    """Whether letters change case on executors as they do in English; in Turkish, i becomes İ."""
    # a letter that is not ASCII, for texts without one are never told a language
    asked = session.range(1).selectExpr("upper(concat('é', if(id = 0, 'i', 'j'))) AS word")
    return str(asked.first()["word"]) == "ÉI"


@contextmanager
def values_untold(conf: Mapping[str, str]) -> Iterator[None]:
    """Warn of settings that a server does not take by their names: pyspark tells values, which may be secret, too."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        yield
    texts = [str(each.message) for each in said]
    if refused := [key for key in conf if any(f"Failed to set {key} " in text for text in texts)]:
        warnings.warn(f"the Spark Connect server keeps its own {', '.join(sorted(refused))}", stacklevel=2)
