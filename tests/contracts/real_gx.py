"""Great Expectations itself, in a process of its own: one case a line comes in, its results go out.

A case is JSON: columns with their types and values, and expectations. The answers are what GX gives on pandas.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from contextlib import redirect_stdout
from typing import Any

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

import expectations  # noqa: E402, F401  # the classes of a project are known by their names too
import great_expectations as gx  # noqa: E402
import pandas as pd  # noqa: E402
from great_expectations.expectations.registry import get_expectation_impl  # noqa: E402


def frame(columns: dict[str, dict[str, Any]]) -> pd.DataFrame:
    made = {}
    for name, column in columns.items():
        kind, values = column["type"], column["values"]
        if kind == "string":
            made[name] = pd.Series(values, dtype="object")
        elif kind == "date":
            made[name] = pd.Series(pd.to_datetime(values)).astype("datetime64[ns]")
        else:
            made[name] = pd.Series([None if value is None else float(value) for value in values], dtype="float64")
    return pd.DataFrame(made)


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("asset")
    definition = asset.add_batch_definition_whole_dataframe("whole")
    tell("ready")
    for line in sys.stdin:
        case = json.loads(line)
        suite = gx.ExpectationSuite(name="suite")
        for number, (name, kwargs) in enumerate(case["checks"]):
            suite.add_expectation(get_expectation_impl(name)(**kwargs, meta={"number": number}))
        batch = definition.get_batch({"dataframe": frame(case["columns"])})
        with redirect_stdout(io.StringIO()):
            found = batch.validate(suite, result_format="BASIC").to_json_dict()["results"]
        ordered = sorted(found, key=lambda entry: entry["expectation_config"]["meta"]["number"])
        tell(json.dumps(ordered, default=bool))


if __name__ == "__main__":
    main()
