"""What a task of Airflow does with one `potable run`: its arguments, its exit code, its news.

Used by the operators of this package and copied into every generated DAG file, so it imports nothing but
Airflow and the standard library.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

from airflow.sdk import Asset, AssetAlias
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

NOTHING_NEW = 99
HOPELESS = {
    1: "data broke a check of its contract",
    2: "the project files are wrong, or what the run asks of them",
    4: "a privacy or leak gate refused",
    70: "a bug in Potable",
}
"""Exit codes that come again however often the task is tried."""
STALE = "the DAG file is older than the project; `potable airflow generate` renews it"


def versions_of(project: str, dataset: str) -> AssetAlias:
    """What `publish` has as inlet and outlet: the assets that it may have news of.

    An alias, because a version of the present and one of another day are different assets, and because a
    run that finds nothing new has no news at all.
    """
    return AssetAlias(f"potable://{project}/{dataset}")


def arguments(verb: str, project: str, select: str = "", environment: str = "") -> list[str]:
    """Arguments of `potable` for one task."""
    overlay = ["--env", environment] if environment else []
    part = ["--select", select] if select else []
    return ["-C", project, *overlay, "run", "--only", verb, *part, "--exit-code", "-o", "line"]


def asked_for(context: Any) -> list[str]:
    """What this DAG run asks of every task: a full refresh, another as-of date, rows to be scored.

    A run of a backfill that names no date builds the last month end before its own date; a run whose rows are to be
    scored, the day on which it was due, also when it is tried again later.

    Raises:
        AirflowFailException: somebody asked for what is no param of a DAG that has ours, as `as-of`.
    """
    params, dag_run, zone = context["params"], context["dag_run"], context["dag"].timezone
    known = set(context["dag"].params)
    if "as_of" in known and (unknown := set(dag_run.conf or {}) - known):
        raise AirflowFailException(
            f"this DAG has no param {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}"
        )
    options = ["--full-refresh"] if params.get("full_refresh") else []
    day = params.get("as_of")
    if not day and dag_run.run_type == "backfill":
        end = dag_run.data_interval_end.astimezone(zone)
        day = end.date().replace(day=1) - timedelta(days=1)
    if params.get("scoring"):
        options += ["--scoring"]
        day = day or dag_run.run_after.astimezone(zone).date()
    # parsed, so that nothing but a date can reach a command line
    return [*options, f"--as-of={date.fromisoformat(str(day))}"] if day else options


def conclude(context: Any, code: int, line: str) -> dict[str, Any]:
    """The result line of a run, as data.

    Raises:
        AirflowSkipException: there was nothing new.
        AirflowFailException: it fails the same way every time, so no retry; or the project has sources that the DAG
            does not land (`lands` of the task's params).
        AirflowException: its surroundings failed, or it was killed; a retry goes on where it stopped.
    """
    try:
        result: dict[str, Any] = dict(json.loads(line))
    except (TypeError, ValueError):
        result = {}
    error = str(result.get("error", ""))
    ended = f"potable ended with {code}{f' ({error})' if error else ''}"
    if unknown := set(result.get("sources", ())) - set(context["params"].get("lands") or result.get("sources", ())):
        raise AirflowFailException(f"nothing lands {', '.join(sorted(unknown))}: {STALE}")
    if code in HOPELESS:
        raise AirflowFailException(f"{ended}: {HOPELESS[code]}")
    if code not in (0, NOTHING_NEW):
        raise AirflowException(f"{ended}; finished steps are kept")
    if not result:
        raise AirflowFailException(f"{ended}, but its result did not get here from its stdout")
    if not announced(context, result) and code == NOTHING_NEW:
        raise AirflowSkipException("nothing new")
    return result


def announced(context: Any, result: dict[str, Any]) -> bool:
    """Whether the version in `result` is news, which then becomes an event of its asset.

    Airflow's own memory decides, so that a version is announced once: also when the task was killed right
    after it published, or when somebody published by hand.

    Raises:
        AirflowFailException: the project's dataset is another than the one the DAG was written for.
    """
    for alias in (outlet for outlet in context["task"].outlets if isinstance(outlet, AssetAlias)):
        name, _, day = str(result["dataset"]).partition("@")
        if alias.name.startswith("potable://") and alias.name.rpartition("/")[2] != name:
            raise AirflowFailException(f"{name} is no dataset of {alias.name}: {STALE}")
        scored = day.endswith(".scoring")
        day = day.removesuffix(".scoring")
        asset = Asset(f"{alias.name}@{'scoring' if scored else 'as-of'}" if day else alias.name)
        news = {key: result[key] for key in ("version", "rows", "fingerprint", "csv", "parquet")}
        news |= {"dataset": name, **({"as_of": day} if day else {})}
        if any(event.asset.uri == asset.uri and event.extra == news for event in context["inlet_events"][alias]):
            return False
        context["outlet_events"][alias].add(asset, extra=news)
        return True
    return False
