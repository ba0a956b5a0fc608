"""How to read a version: the lines of Python that bring it into pandas as a model wants it.

Words get their order, labels stay out of the features, and dates are dates. The card shows it and a test runs it.
Entry: `reading`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Protocol


class Column(Protocol):
    """What is asked of a column of the card."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def type(self) -> str:
        """Its type."""

    @property
    def words(self) -> Sequence[str]:
        """The words it may hold, lowest first; empty where they have no order."""

    @property
    def forward(self) -> bool:
        """Whether it looks forward from the as-of date."""


def reading(columns: Sequence[Column], *, file: str, label: str, as_of: str) -> str:
    """Markdown with the lines.

    Args:
        columns: the id first, then the as-of date.
        file: name of the Parquet file.
        label: the label to predict; empty where there is none.
        as_of: the as-of rule in words; one day where all rows have the same.
    """
    ordered = [f"    {_text(each.name)}: {_text(list(each.words))}," for each in columns if each.words]
    labels = sorted((each.name for each in columns if each.forward), key=lambda name: name != label)
    dates = {each.name: "datetime64[ns]" for each in columns if each.type == "date"}
    one_day = re.fullmatch(r"\d{4}-\d\d-\d\d", as_of)
    # by its own name lies the file of the dataset to train on, where `potable get` copied both
    named = f"{file.removesuffix('.parquet')}@{as_of}{'' if label else '.scoring'}.parquet"
    told = [f"# `potable get` calls the file of another day {_text(named)}"] if one_day else []
    lines = ["import pandas as pd", "", *told, f"data = pd.read_parquet({_text(file)}).astype({_text(dates)})"]
    if ordered:
        lines += ["ordered = {  # lowest first", *ordered, "}", "for column, words in ordered.items():"]
        lines += ["    data[column] = pd.Categorical(data[column], words, ordered=True)"]
    if label:
        lines += [f"labels = {_text(labels)}  # they look forward: no features"]
        dropped = f'[{_text(columns[0].name)}, "as_of", *labels]'
        lines += [f"x, y = data.drop(columns={dropped}), data[{_text(label)}]"]
    else:
        lines += [f'x = data.drop(columns=[{_text(columns[0].name)}, "as_of"])']
    kinds = _text(["number", "bool", "datetime", "category"])
    lines += [f"for column in x.select_dtypes(exclude={kinds}):  # words, and true or false with gaps"]
    lines += ['    x[column] = x[column].astype("category")']
    said = "Every person has one row, so no split puts one on both sides." if label else ""
    if label and not one_day:
        lines += ['test = data["as_of"] > data["as_of"].quantile(0.8)']
        said += " The last line takes the latest as-of dates for the test, as a model meets them in use."
    return "\n".join(["```python", *lines, "```", *(["", said] if said else [])])


def _text(value: object) -> str:
    """A word or a list of words as Python takes it, without a line's end or the beginning of a tag."""
    return re.sub(r"<(?=[A-Za-z/!?])", r"\\u003c", json.dumps(value, ensure_ascii=False))
