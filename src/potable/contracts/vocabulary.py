"""The words of Great Expectations: which expectations there are, what they take, and what judges them.

One table, that contracts, suites, the reference page and the editor read. What an expectation computes
belongs to `rowwise`, `values`, `unique` and `aggregates`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from potable.contracts import aggregates, rowqueries, rowwise, unique

Kind = Literal["row", "rows", "column", "table", "key", "tables"]


@dataclass(frozen=True)
class Argument:
    """What one argument of an expectation takes."""

    kind: str
    """A key of `arguments.KINDS`."""
    needed: bool = False
    choices: tuple[str, ...] = ()
    """Of kind `choice`: what may be chosen."""


@dataclass(frozen=True)
class Expectation:
    """One word of the vocabulary."""

    kind: Kind
    """What it judges: a `row` by itself, `rows` by each other, a `column` as a whole, the `table`, a `key` by the
    rows of another table, or two `tables`."""
    arguments: Mapping[str, Argument]
    rule: Any = None
    """What judges it: a function of `rowwise` (row), of `unique` (rows; takes the batch of each object, too) or of
    `aggregates` (column). None where `values` or the declarations tell."""
    families: tuple[str, ...] = ()
    """Types the columns may have (`fitting.family`); any without."""

    @property
    def severities(self) -> tuple[str, ...]:
        """What a failure may do, the default first."""
        return ("quarantine", "warn", "stop") if self.kind == "row" else ("stop", "warn")

    @property
    def counts_rows(self) -> bool:
        """Whether it judges rows one by one, so that `mostly` and `at_most` mean something."""
        return self.kind in ("row", "rows", "key")

    @property
    def refers(self) -> bool:
        """Whether it looks at another table too, and so waits until all have been validated."""
        return self.kind in ("key", "tables")


def _takes(*names: str, **choices: tuple[str, ...]) -> dict[str, Argument]:
    """Arguments by name; `!` marks the needed, and what stands after `:` is the kind, the name by default."""
    found: dict[str, Argument] = {}
    for word in names:
        name, _, kind = word.rstrip("!").partition(":")
        found[name] = Argument(kind or name, word.endswith("!"))
    return found | {name: Argument("choice", choices=allowed) for name, allowed in choices.items()}


_COLUMN = "column!"
_BOUNDS = ("min_value:value", "max_value:value", "strict_min:flag", "strict_max:flag")
_NUMBERS = ("min_value:number", "max_value:number", "strict_min:flag", "strict_max:flag")
_PAIR = ("column_A:column!", "column_B:column!")
_LIST = "column_list:columns!"
_IGNORE_PAIR = {"ignore_row_if": rowwise.IGNORED["column_A"]}
_IGNORE_LIST = {"ignore_row_if": rowwise.IGNORED["column_list"]}
_ANY_ALL = {"match_on": ("any", "all")}
_TEXTS = ("string", "number", "time")
_NUMBER = ("number",)
_ORDERED = ("number", "time")
_WIDTH = ("min_value:count", "max_value:count", "strict_min:flag", "strict_max:flag")

EXPECTATIONS: Mapping[str, Expectation] = {
    "expect_column_values_to_not_be_null": Expectation("row", _takes(_COLUMN)),
    "expect_column_values_to_be_null": Expectation("row", _takes(_COLUMN)),
    "expect_column_values_to_be_between": Expectation("row", _takes(_COLUMN, *_BOUNDS), rowwise.between),
    "expect_column_values_to_be_in_set": Expectation("row", _takes(_COLUMN, "value_set:values!"), rowwise.in_set),
    "expect_column_values_to_not_be_in_set": Expectation(
        "row", _takes(_COLUMN, "value_set:values!"), lambda t, c, a: ~rowwise.in_set(t, c, a)
    ),
    "expect_column_values_to_match_regex": Expectation("row", _takes(_COLUMN, "regex!"), rowwise.matches, _TEXTS),
    "expect_column_values_to_not_match_regex": Expectation(
        "row", _takes(_COLUMN, "regex!"), lambda t, c, a: ~rowwise.matches(t, c, a), _TEXTS
    ),
    "expect_column_values_to_match_regex_list": Expectation(
        "row", _takes(_COLUMN, "regex_list:regexes!", **_ANY_ALL), rowwise.matches_list, _TEXTS
    ),
    "expect_column_values_to_not_match_regex_list": Expectation(
        "row", _takes(_COLUMN, "regex_list:regexes!"), lambda t, c, a: ~rowwise.matches_list(t, c, a), _TEXTS
    ),
    "expect_column_values_to_match_like_pattern": Expectation(
        "row", _takes(_COLUMN, "like_pattern:like!", "escape"), rowwise.like, _TEXTS
    ),
    "expect_column_values_to_not_match_like_pattern": Expectation(
        "row", _takes(_COLUMN, "like_pattern:like!", "escape"), lambda t, c, a: ~rowwise.like(t, c, a), _TEXTS
    ),
    "expect_column_values_to_match_like_pattern_list": Expectation(
        "row", _takes(_COLUMN, "like_pattern_list:likes!", "escape", **_ANY_ALL), rowwise.like_list, _TEXTS
    ),
    "expect_column_values_to_not_match_like_pattern_list": Expectation(
        "row",
        _takes(_COLUMN, "like_pattern_list:likes!", "escape"),
        lambda t, c, a: ~rowwise.like_list(t, c, a),
        _TEXTS,
    ),
    "expect_column_values_to_be_json_parseable": Expectation("row", _takes(_COLUMN), families=("string",)),
    "expect_column_values_to_match_json_schema": Expectation(
        "row", _takes(_COLUMN, "json_schema!"), families=("string",)
    ),
    "expect_column_values_to_match_strftime_format": Expectation(
        "row", _takes(_COLUMN, "strftime_format!"), families=("string",)
    ),
    "expect_column_values_to_be_dateutil_parseable": Expectation("row", _takes(_COLUMN), families=("string",)),
    "expect_column_value_lengths_to_be_between": Expectation("row", _takes(_COLUMN, *_WIDTH), rowwise.lengths),
    "expect_column_value_lengths_to_equal": Expectation("row", _takes(_COLUMN, "value:count!"), rowwise.lengths),
    "expect_column_pair_values_a_to_be_greater_than_b": Expectation(
        "row", _takes(*_PAIR, "or_equal:flag", **_IGNORE_PAIR), rowwise.pair_greater
    ),
    "expect_column_pair_values_to_be_equal": Expectation("row", _takes(*_PAIR, **_IGNORE_PAIR), rowwise.pair_equal),
    "expect_column_pair_values_to_be_in_set": Expectation(
        "row", _takes(*_PAIR, "value_pairs_set:pairs!", **_IGNORE_PAIR), rowwise.pair_in_set
    ),
    "expect_multicolumn_sum_to_equal": Expectation(
        "row", _takes(_LIST, "sum_total:number!", **_IGNORE_LIST), rowwise.sum_equal, _NUMBER
    ),
    "expect_multicolumn_values_to_be_equal": Expectation("row", _takes(_LIST, **_IGNORE_LIST), rowwise.all_equal),
    "expect_select_column_values_to_be_unique_within_record": Expectation(
        "row", _takes(_LIST, **_IGNORE_LIST), rowwise.all_different
    ),
    "expect_multicolumn_values_to_be_unique": Expectation("row", _takes(_LIST, **_IGNORE_LIST), rowwise.all_different),
    "expect_column_values_to_be_unique": Expectation("rows", _takes(_COLUMN), unique.unique),
    "expect_compound_columns_to_be_unique": Expectation("rows", _takes(_LIST, **_IGNORE_LIST), unique.unique),
    "expect_column_values_to_be_increasing": Expectation(
        "rows", _takes(_COLUMN, "strictly:flag"), unique.increasing, _ORDERED
    ),
    "expect_column_values_to_be_decreasing": Expectation(
        "rows", _takes(_COLUMN, "strictly:flag"), unique.decreasing, _ORDERED
    ),
    "expect_column_value_z_scores_to_be_less_than": Expectation(
        "rows", _takes(_COLUMN, "threshold:number!", "double_sided:flag"), unique.z_scores, _NUMBER
    ),
    "expect_column_values_to_not_be_outliers": Expectation(
        "rows", _takes(_COLUMN, "multiplier:number", method=("iqr", "std")), unique.outliers, _NUMBER
    ),
    "expect_column_min_to_be_between": Expectation("column", _takes(_COLUMN, *_BOUNDS), aggregates.minimum),
    "expect_column_max_to_be_between": Expectation("column", _takes(_COLUMN, *_BOUNDS), aggregates.maximum),
    "expect_column_mean_to_be_between": Expectation("column", _takes(_COLUMN, *_NUMBERS), aggregates.mean, _NUMBER),
    "expect_column_median_to_be_between": Expectation("column", _takes(_COLUMN, *_NUMBERS), aggregates.median, _NUMBER),
    "expect_column_stdev_to_be_between": Expectation("column", _takes(_COLUMN, *_NUMBERS), aggregates.stdev, _NUMBER),
    "expect_column_sum_to_be_between": Expectation("column", _takes(_COLUMN, *_NUMBERS), aggregates.total, _NUMBER),
    "expect_column_quantile_values_to_be_between": Expectation(
        "column",
        _takes(_COLUMN, "quantile_ranges!", "allow_relative_error:interpolation"),
        aggregates.quantiles,
        _ORDERED,
    ),
    "expect_column_unique_value_count_to_be_between": Expectation(
        "column", _takes(_COLUMN, *_NUMBERS), aggregates.unique_count
    ),
    "expect_column_proportion_of_unique_values_to_be_between": Expectation(
        "column", _takes(_COLUMN, *_NUMBERS), aggregates.unique_proportion
    ),
    "expect_column_proportion_of_non_null_values_to_be_between": Expectation(
        "column", _takes(_COLUMN, *_NUMBERS), aggregates.non_null_proportion
    ),
    "expect_column_distinct_values_to_be_in_set": Expectation(
        "column", _takes(_COLUMN, "value_set:values!"), aggregates.distinct_in_set
    ),
    "expect_column_distinct_values_to_contain_set": Expectation(
        "column", _takes(_COLUMN, "value_set:values!"), aggregates.distinct_contain_set
    ),
    "expect_column_distinct_values_to_equal_set": Expectation(
        "column", _takes(_COLUMN, "value_set:values!"), aggregates.distinct_equal_set
    ),
    "expect_column_most_common_value_to_be_in_set": Expectation(
        "column", _takes(_COLUMN, "value_set:values!", "ties_okay:flag"), aggregates.most_common
    ),
    "expect_column_kl_divergence_to_be_less_than": Expectation(
        "column",
        _takes(
            _COLUMN,
            "partition_object!",
            "threshold:number",
            "tail_weight_holdout:number",
            "internal_weight_holdout:number",
            "bucketize_data:flag",
        ),
        aggregates.kl_divergence,
    ),
    "unexpected_rows_expectation": Expectation(
        "column", _takes("unexpected_rows_query:query!"), rowqueries.unexpected_rows
    ),
    "expect_column_values_to_be_of_type": Expectation("table", _takes(_COLUMN, "type_:text!")),
    "expect_column_values_to_be_in_type_list": Expectation("table", _takes(_COLUMN, "type_list:texts!")),
    "expect_column_type_to_be": Expectation("table", _takes(_COLUMN, "type_:text!")),
    "expect_column_to_exist": Expectation("table", _takes("column:text!", "column_index:count")),
    "expect_table_row_count_to_be_between": Expectation("table", _takes(*_WIDTH)),
    "expect_table_row_count_to_equal": Expectation("table", _takes("value:count!")),
    "expect_table_column_count_to_be_between": Expectation("table", _takes(*_WIDTH)),
    "expect_table_column_count_to_equal": Expectation("table", _takes("value:count!")),
    "expect_table_columns_to_match_ordered_list": Expectation("table", _takes("column_list:texts!")),
    "expect_table_columns_to_match_set": Expectation("table", _takes("column_set:texts!", "exact_match:flag")),
    "expect_column_values_to_exist_in_other_table": Expectation(
        "key", _takes(_COLUMN, "other_table_name:text!", "other_column:text")
    ),
    "expect_compound_columns_to_exist_in_other_table": Expectation(
        "key", _takes(_LIST, "other_table_name:text!", "other_column_list:texts", **_IGNORE_LIST)
    ),
    "expect_table_row_count_to_equal_other_table": Expectation("tables", _takes("other_table_name:text!")),
}
"""Every expectation that runs, by name; those of kind `key` are ours, for GX has none that looks into another table."""

_SHELL = "GX 1.x does not implement it either: the class takes no argument and computes nothing"
LEFT_OUT: Mapping[str, str] = {
    "expect_column_bootstrapped_ks_test_p_value_to_be_greater_than": _SHELL,
    "expect_column_chisquare_test_p_value_to_be_greater_than": _SHELL,
    "expect_column_pair_cramers_phi_value_to_be_less_than": _SHELL,
    "expect_column_parameterized_distribution_ks_test_p_value_to_be_greater_than": _SHELL,
    "expect_query_results_to_match_comparison": "needs two SQL queries on data sources of GX; a contract has neither",
}
"""Expectations of GX core that do not run, and why."""

COMMON = ("row_condition", "condition_parser", "meta", "notes", "severity")
"""Arguments any expectation may have beside its own."""
NO_CONDITION = ("expect_column_to_exist", "expect_column_type_to_be", "expect_table_column", "unexpected_rows")
"""How the names of expectations begin that are about no rows, or say themselves about which."""
NULLS = ("expect_column_values_to_be_null", "expect_column_values_to_not_be_null")
"""Expectations for which a null is what they judge."""
