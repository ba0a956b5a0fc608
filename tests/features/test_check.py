import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.features.world import FACTS, LABEL, TABLES, World, employed, fact, plan_of, table

from potable.errors import PotableError, ProjectError, ProjectErrors
from potable.features.expressions import BOOLEAN, FLOAT, INTEGER, STRING
from potable.features.plan import FeaturePlan


def refused(tmp_path: Path, text: str, table: str = "hr.facts", **rest: object) -> PotableError:
    """The one error a feature gives."""
    with pytest.raises(ProjectError) as failure:
        plan_of(tmp_path, {table: {"it": text}}, **rest)  # type: ignore[arg-type]
    errors = failure.value.errors if isinstance(failure.value, ProjectErrors) else (failure.value,)
    assert len(errors) == 1, [error.problem for error in errors]
    return errors[0]


def test_types_follow_from_columns_and_operators(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        {
            "hr.facts": {
                "a": "sum(n)",
                "b": "sum(money)",
                "c": "latest(word)",
                "d": "any(flag)",
                "e": "avg(n) | band([1])",
                "f": "sum(n) | round(10)",
                "g": "latest(due) | year",
                "h": "any() | words(true='yes', false='no')",
                "i": "max(n * n)",
            }
        },
    )
    kinds = [feature.type for feature in plan.features]
    assert kinds == [INTEGER, FLOAT, STRING, BOOLEAN, STRING, INTEGER, INTEGER, STRING, INTEGER]


def test_facts_for_privacy_name_every_column_read_filters_and_times_too(tmp_path: Path) -> None:
    features = {
        "hr.facts": {"a": "sum(money) where flag and word = 'Low' | round(1) | clip(max=9)", "b": "latest(n)"},
        "derived": {"c": "a / nullif(tenure_years, 0)"},
    }
    a, b, c = plan_of(tmp_path, features).features
    assert a.reads == {("hr.facts", name) for name in ("money", "flag", "word", "day", "seen")}
    assert a.operators == ("round", "clip")
    assert b.reads == {("hr.facts", name) for name in ("n", "turn", "day", "seen")}
    assert (c.outputs, c.table) == ({"a"}, "derived")
    assert c.reads == {("hrms.employment", name) for name in ("hired_on", "recorded_at")}


def test_descriptions_come_along(tmp_path: Path) -> None:
    from tests.features.world import document, features_yaml

    from potable.features.check import check
    from potable.features.declaration import FeatureSet
    from potable.privacy.operators import OPERATORS

    text = features_yaml({"hr.facts": {"a": "X"}}).replace('a: "X"', "a: {is: count(), describe: How many.}")
    doc = document(tmp_path, text)
    (feature,) = check(doc.model(FeatureSet), TABLES, doc, operators=OPERATORS).features
    assert (feature.text, feature.description) == ("count()", "How many.")


@pytest.mark.parametrize(
    ("text", "code", "part", "hint"),
    [
        ("avg(nn)", "P031", "`nn` does not exist", ""),
        ("avg(mony)", "P031", "`mony` does not exist", "`money`"),
        ("agv(n)", "P031", "no function `agv`", "`avg`"),
        ("AVG(n)", "P031", "no function `AVG`", "`avg`"),
        ("avg(n) | bnad([1])", "P031", "no operator `bnad`", "`band`"),
        ("avg(n) | band([1], lables=['a'])", "P032", "no argument `lables`", "`labels`"),
        ("avg(n) | band([2, 1])", "P032", "rising order", ""),
        ("avg(word)", "P032", "type number, but this is string", ""),
        ("sum(emp_no)", "P032", "subject key", ""),
        ("avg(n) where word", "P032", "true or false", ""),
        ("avg(n) where word = 'Hihg'", "P032", "not one of the column's levels", "`High`"),
        ("avg(n) where word = Hihg", "P031", "`Hihg` does not exist", "in quotes: `'Hihg'`"),
        ("avg(n) where wrod = 'Low'", "P031", "`wrod` does not exist", "did you mean `word`?"),
        ("avg(n) where word >= 'Average'", "P032", "alphabetically, but the column has `levels`", "`level(word)`"),
        ("max(word)", "P032", "alphabetically, but the column has `levels`", "`level(word)`"),
        ("latest(greatest(word, 'Low'))", "P032", "alphabetically, but the column has `levels`", "`level(word)`"),
        ("max(due) else 'yesterday'", "P032", "not a valid date", ""),
        ("avg(n) where due > 'yesterday'", "P032", "not a valid date", ""),
        ("avg(n) where n = 'x'", "P032", "cannot be compared", ""),
        ("latest(word) | generalise({Hihg='good'})", "P032", "`Hihg` is not one of the column's levels", "`High`"),
        ("latest(word) | words(Hihg='good')", "P032", "`Hihg` is not one of the column's levels", "`High`"),
        ("avg(n) last 3 first 3", "P032", "cannot be combined", ""),
        ("avg(n) in next 12mo", "P032", "only for labels", ""),
        ("avg(n) after 1mo", "P032", "`after` is only for labels", ""),
        ("avg(n) from hr.facts", "P032", "the table it is declared under", ""),
        ("avg(n) where tenure_days > 3", "P032", "describes the row", ""),
        ("avg(n) else 'none'", "P032", "`else` gives a value of type string", ""),
        ("latest(word) | round(1)", "P032", "does not accept a value of type string", ""),
        ("value(n)", "P032", "keeps history", ""),
        ("n + 1", "P032", "keeps history", ""),
        ("days_since(n)", "P032", "takes no argument", ""),
        ("avg()", "P032", "needs an argument", ""),
        ("latest(hour(due))", "P032", "must be timestamp, but it is date", ""),
        ("years_between(due)", "P032", "takes 2 argument(s)", ""),
        ("count() where avg(n) > 3", "P032", "is an aggregate", ""),
        ("avg(n) las 3", "P030", "unexpected `las`", ""),
    ],
)
def test_what_is_wrong_with_a_feature(tmp_path: Path, text: str, code: str, part: str, hint: str) -> None:
    error = refused(tmp_path, text)
    assert error.code == code
    assert part in error.problem
    assert hint in error.hint


def test_errors_have_place_offset_and_the_text(tmp_path: Path) -> None:
    error = refused(tmp_path, "avg(n) where wrod = 'Low'")
    assert str(error.place) == "features.yaml:12:9"
    assert "at character 14" in error.problem
    assert error.given == "avg(n) where wrod = 'Low'"
    assert error.hint == "did you mean `word`?"


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    features = {
        "hr.facts": {"a": "avg(x)", "b": "avg(", "c": "avg(y) where z"},
        "hr.fatcs": {"d": "count()"},
        "derived": {"e": "f + 1", "f": "e + 1", "g": "nothing + a"},
    }
    with pytest.raises(ProjectErrors) as failure:
        plan_of(tmp_path, features, label="any() in 3mo from hrms.exits", where="tenure_dyas > 3")
    told = [(error.place.line, error.code) for error in failure.value.errors if error.place]
    assert told == [
        (8, "P031"),
        (10, "P032"),
        (10, "P032"),
        (13, "P031"),
        (14, "P030"),
        (15, "P031"),
        (15, "P031"),
        (16, "P031"),
        (19, "P032"),
        (20, "P032"),
        (21, "P031"),
    ]


@pytest.mark.parametrize(
    ("label", "part"),
    [
        ("any()", "a label must name its table"),
        ("any() from hrms.exits", "`in next DUR`"),
        ("any() in 12mo in next 12mo from hrms.exits", "use `in next DUR`"),
        ("any() in next 12mo from hrms.people", "must declare `coverage`"),
        ("days_since() in next 12mo from hrms.exits", "an aggregate over a window in the future"),
        ("any() in next 40y from hrms.exits", "leaves a label window inside the data"),
    ],
)
def test_labels_look_forward(tmp_path: Path, label: str, part: str) -> None:
    with pytest.raises(ProjectError) as failure:
        plan_of(tmp_path, {"hr.facts": {"a": "count()"}}, label=label)
    assert part in str(failure.value)


@pytest.mark.parametrize("at", ["1990-01-01", "2009-01-01", "2024-12-02", "2025-12-31"])
def test_where_no_label_is_known_the_days_that_have_one_are_told(tmp_path: Path, at: str) -> None:
    def made(day: str) -> FeaturePlan:
        return plan_of(tmp_path, {"hr.facts": {"a": "count()"}}, as_of=f"{{at: {day}}}")

    with pytest.raises(ProjectError) as failure:
        made(at)
    found = re.fullmatch(r"as-of dates from (\S+) to (\S+)", failure.value.allowed)
    assert found
    for day, outside in zip(map(date.fromisoformat, found.groups()), (-1, 1), strict=True):
        assert made(day.isoformat()).rows.covered
        with pytest.raises(ProjectError):
            made((day + timedelta(days=outside)).isoformat())


@pytest.mark.parametrize("name", ["person_id", "as_of", "left", "tenure_days", "_x", "two words"])
def test_names_that_clash_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProjectError, match="P032"):
        plan_of(tmp_path, {"hr.facts": {name: "count()"}})


def test_a_name_may_stand_under_one_table_only(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"already used by a feature of `hr\.facts`"):
        plan_of(tmp_path, {"hr.facts": {"a": "count()"}, "hr.loose": {"a": "count()"}})


def test_derived_features_may_not_read_labels_or_aggregate(tmp_path: Path) -> None:
    assert "lies in the future" in refused(tmp_path, "left", "derived").problem
    assert "is an aggregate" in refused(tmp_path, "avg(left)", "derived").problem


def test_columns_that_privacy_does_not_keep_are_not_there(tmp_path: Path) -> None:
    kept = {name: [c for c in each.columns if c != "money"] for name, each in TABLES.items()}
    assert "privacy.yaml does not keep" in refused(tmp_path, "avg(money)", kept=kept).problem
    kept["hr.facts"].remove("fact_id")
    assert "identifies its records" in refused(tmp_path, "avg(n)", kept=kept).problem


def test_a_table_told_apart_only_by_keys_is_refused(tmp_path: Path) -> None:
    tables = {**TABLES, "hr.facts": FACTS.model_copy(update={"unique": ["emp_no"]})}
    assert "contains only keys" in refused(tmp_path, "avg(n)", tables=tables).problem


def test_a_table_told_apart_by_somebody_elses_key_is_refused(tmp_path: Path) -> None:
    columns = {"emp_no": {"key": "emp_no"}, "boss": {"key": "emp_no", "someone_else": True}, "day": "date"}
    told = table(columns, unique=["emp_no", "boss", "day"], time="day")
    assert "a key of somebody else" in refused(tmp_path, "count()", "a.b", tables={**TABLES, "a.b": told}).problem


def test_numbers_too_wide_to_be_exact_are_refused(tmp_path: Path) -> None:
    wide = table({"d": "date", "x": "decimal(30,2)"}, time="d")
    assert "more than 18 digits" in refused(tmp_path, "avg(x)", "a.b", tables={**TABLES, "a.b": wide}).problem


def test_rows_need_a_table_with_history(tmp_path: Path) -> None:
    tables = {**TABLES, "hrms.employment": TABLES["hrms.employment"].model_copy(update={"time": None})}
    with pytest.raises(ProjectError, match=r"`rows\.from` needs a table with history"):
        plan_of(tmp_path, {"hr.facts": {"a": "count()"}}, tables=tables, label=LABEL)


@pytest.mark.parametrize("known", [None, "+5d", "landed", "recorded_on"])
def test_an_end_that_is_filled_in_later_is_read_only_where_its_own_time_is_known(
    tmp_path: Path, known: str | None
) -> None:
    employment = TABLES["hrms.employment"]
    columns = {**employment.columns, "recorded_on": employment.columns["hired_on"]}
    tables = {**TABLES, "hrms.employment": employment.model_copy(update={"columns": columns, "known": known})}
    ask = "any() where left_on is not null"
    if known in (None, "+5d"):
        assert "would leak the future" in refused(tmp_path, ask, "hrms.employment", tables=tables).problem
        rows = refused(tmp_path, "count()", tables=tables, where="left_on is null or tenure_days > 3")
        assert "`where`" in rows.problem and "would leak the future" in rows.problem
    else:
        plan_of(tmp_path, {"hrms.employment": {"a": ask}}, tables=tables, where="left_on is null")


def test_a_day_whose_label_nobody_knows_yet_is_sent_to_scoring(tmp_path: Path) -> None:
    error = refused(tmp_path, "count()", label=LABEL, as_of="{at: 2090-03-31}")
    assert (error.code, error.hint) == ("P032", "rows without label: `potable run --as-of 2090-03-31 --scoring`")


def test_dates_to_draw_from_are_month_ends(tmp_path: Path) -> None:
    as_of = "{pick: random_month_end, between: [2024-01-31, 2024-04-29], seed: 1}"
    plan = plan_of(tmp_path, {"hr.facts": {"a": "count()"}}, as_of=as_of)
    assert [day.isoformat() for day in plan.rows.dates] == ["2024-01-31", "2024-02-29", "2024-03-31"]


def test_what_is_wrong_with_a_table_is_told_once_with_what_reads_it(tmp_path: Path) -> None:
    kept = {name: [c for c in each.columns if c not in ("fact_id", "turn")] for name, each in TABLES.items()}
    features = {"hr.facts": {name: "latest(n)" for name in "abcde"}, "hrms.people": {"f": "count()", "g": "any()"}}
    with pytest.raises(ProjectErrors) as failure:
        plan_of(tmp_path, features, kept=kept)
    told = [(error.problem.split(" ")[1], error.given) for error in failure.value.errors]
    assert told == [
        ("`fact_id`", "read by `a`, `b`, `c` and 2 more"),
        ("`turn`", "read by `a`, `b`, `c` and 2 more"),
        ("this", "read by `f`, `g`"),
    ]
    assert failure.value.errors[0].place and failure.value.errors[0].place.line == 12


def test_a_column_that_is_needed_and_not_kept_comes_with_what_to_do(tmp_path: Path) -> None:
    columns = {name: column.model_copy(update={"category": "user.x"}) for name, column in FACTS.columns.items()}
    facts = FACTS.model_copy(update={"columns": columns})
    for column, other in {"turn": "another column as `order`", "fact_id": "`unique` without `fact_id`"}.items():
        kept = {name: [c for c in each.columns if c != column] for name, each in TABLES.items()}
        hint = refused(tmp_path, "latest(n)", tables={**TABLES, "hr.facts": facts}, kept=kept).hint
        assert hint.startswith(f"declare {other}") and "or `user.x` the rule `protect: keep` in privacy.yaml" in hint
        # what a loan's number was declared as led to a rule that is refused
        assert "`none`, if it numbers records" in hint and "which no direct identifier may have" in hint
    facts = FACTS.model_copy(update={"order": "emp_no"})
    assert refused(tmp_path, "latest(n)", tables={**TABLES, "hr.facts": facts}).hint == (
        "declare another column as `order` in its source"
    )


def test_outputs_of_the_same_columns_are_kin(tmp_path: Path) -> None:
    features = {
        "hrms.people": {
            "gender": "value(gender)",
            "woman": "value(gender = 'f')",
            "age": "years_between(birth_date, as_of)",
        },
        "hr.facts": {"n": "count() where flag", "flagged": "any(flag)", "sum": "sum(n)", "days": "days_since()"},
        "derived": {"old": "age > 60", "older": "if(old, 'yes', 'no')", "pace": "sum / age", "both": "woman and n > 3"},
    }
    plan = plan_of(tmp_path, features)
    assert plan.kin(["gender"]) == ("woman", "both")
    assert plan.kin(["age"]) == ("old", "older", "pace")
    assert plan.kin(["older"]) == ("age", "old", "pace")
    assert plan.kin(["n", "days"]) == ("flagged", "both")
    assert plan.kin([]) == ()


def test_words_keep_their_levels_in_derived_features(tmp_path: Path) -> None:
    words = {"now": "latest(word)", "often": "mode(word) in 1y", "filled": "latest(word) else 'none'"}
    words |= {"coded": "latest(word) | words(Low='bad')", "small": "latest(lower(word))"}

    def derived(text: str) -> PotableError | None:
        try:
            plan_of(tmp_path, {"hr.facts": words, "derived": {"it": text}})
        except ProjectError as error:
            return error
        return None

    for text in ("level(now) - level(often)", "now = 'High'", "filled = 'none'", "coded = 'bad'", "small < 'm'"):
        assert derived(text) is None
    for text, part in {
        "now = 'Hihg'": "`Hihg` is not one of the column's levels",
        "often >= 'Average'": "alphabetically, but the column has `levels`",
        "level(filled)": "declares no `levels`",
        "level(coded)": "declares no `levels`",
    }.items():
        error = derived(text)
        assert error and part in error.problem


@pytest.mark.long_on_spark
def test_levels_of_a_finished_output_are_those_of_its_column(world: World) -> None:
    features = {
        "hr.facts": {"now": "latest(word)", "was": "first(word)"},
        "derived": {"rise": "level(now) - level(was)"},
    }
    facts = [fact("ann", "2024-01-01", fact_id=1, word="Low"), fact("ann", "2024-02-01", fact_id=2, word="High")]
    rows = {"hr.facts": facts, "hrms.employment": [employed("ann", "2020-01-01")]}
    assert world.rows(world.build(plan_of(world.path, features), rows))["ann"]["rise"] == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nunique(word)", "write `distinct(x)`"),
        ("mean(n)", "write `avg(x)`"),
        ("last(word)", "write `latest(x)`"),
        ("lag(n, 1)", "write `previous(x)`, the value of the record before"),
        ("quantile(n, 0.9)", "there are no other quantiles"),
        ("count() where datediff(day, seen) > 3", "write `days_between(start, end)`"),
        ("sum(log(n))", "transform the finished column"),
        ("latest(round(n, 2))", "write `| round(0.01)`, behind everything else"),
        ("slope(word)", "use `level(word)`, the rank from 1 for `Low` to 3 for `High`"),
        ("share(word)", "write a condition, such as `share(score >= 50)`"),
        ("any(word)", "write a condition, such as `any(hours > 8)`"),
        ("avg(due)", "`days_between(…, as_of)` makes a number of it"),
        ("sum(lower(word))", "`mode(…)` and `distinct(…)` take any value"),
        ("count() where due < as_of + 30", "`days_between(start, end)` gives the days"),
        ("count() where n = null", "write `is null`"),
        ("count() where n <> null", "write `is not null`"),
    ],
)
def test_what_other_tools_say_is_answered_with_what_to_write(tmp_path: Path, text: str, told: str) -> None:
    assert told in refused(tmp_path, text).hint


def test_functions_inside_are_not_offered_aggregates(tmp_path: Path) -> None:
    assert "median" not in refused(tmp_path, "sum(mod(n))").allowed
    assert "median" in refused(tmp_path, "medium(n)").allowed


def test_a_division_by_zero_is_refused(tmp_path: Path) -> None:
    assert "division by zero is always null" in refused(tmp_path, "sum(n / 0)").problem


def test_of_many_names_those_most_alike_are_listed(tmp_path: Path) -> None:
    features = {"hr.facts": {f"feature_{number}": "count()" for number in range(40)}, "derived": {"it": "feture_7"}}
    with pytest.raises(ProjectError) as failure:
        plan_of(tmp_path, features)
    assert "feature_7" in failure.value.allowed and failure.value.allowed.endswith("and 36 more")


def test_a_wrong_end_of_an_employment_is_told_with_the_dates_there_are(tmp_path: Path) -> None:
    from tests.features.world import document, features_yaml

    from potable.features.check import check
    from potable.features.declaration import FeatureSet

    doc = document(tmp_path, features_yaml({"hr.facts": {"a": "count()"}}).replace("left_on]", "finished]"))
    with pytest.raises(ProjectError) as failure:
        check(doc.model(FeatureSet), TABLES, doc, operators={})
    assert "`during`: `finished` is not a column" in failure.value.problem
    assert failure.value.allowed == "hired_on, left_on, recorded_at"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("as_of: {at: 2024-06-30}", "as_of: 2024-06-30", "give either `{at: 2024-06-30}` or `{pick"),
        ("{at: 2024-06-30}", "{at: [2024-05-31, 2024-06-30]}", "`at` is one day for all rows"),
        (
            "{at: 2024-06-30}",
            "{pick: random_month_end, between: [2024-06-30, 2023-06-30]}",
            "first day before the last",
        ),
        ("digits: 6", "embargo: 30", "`30` is not a duration; write 30d"),
        ("digits: 6", "bias: {groups: [a], favourable: false}", "a value of the label is written as a text: `'false'`"),
    ],
)
def test_what_is_declared_otherwise_is_told_with_what_to_write(tmp_path: Path, old: str, new: str, told: str) -> None:
    from tests.features.world import document, features_yaml

    from potable.features.declaration import FeatureSet

    doc = document(tmp_path, features_yaml({"hr.facts": {"a": "count()"}}).replace(old, new))
    with pytest.raises(ProjectError) as failure:
        doc.model(FeatureSet)
    assert told in failure.value.problem


def test_a_label_without_a_name_is_told_how_to_have_one(tmp_path: Path) -> None:
    from tests.features.world import document

    from potable.features.declaration import FeatureSet

    doc = document(
        tmp_path, "dataset: a\nsubject: b\nrows: {}\nfeatures: {}\nlabel: any() in next 12mo from hrms.exits\n"
    )
    with pytest.raises(ProjectErrors) as failure:
        doc.model(FeatureSet)
    assert any("a label has a name" in error.problem for error in failure.value.errors)


def test_features_cannot_choose_rows(tmp_path: Path) -> None:
    told = refused(tmp_path, "count()", where="it > 3")
    assert "features are computed for the rows that are chosen" in told.problem
