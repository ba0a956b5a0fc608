"""Bias: rates by group are what plain counting gives, and only what cannot be chance stops."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats
from tests.runs.test_layers import EXAMPLE, VARIABLES

from potable.datasets.bias import Disparity, Groups, rates, require_fair
from potable.datasets.profile import profile
from potable.engines.base import Engine
from potable.errors import DataError, ProjectError
from potable.project import Project, load
from potable.runs.plan import later_steps

GROUPS = Groups(["gender"], "attrition", "Stayed", min_ratio=0.8, max_difference=0.3, severity="stop", least=5)


def judged(engine: Engine, folder: Path, columns: dict[str, Any], groups: Groups = GROUPS) -> list[Disparity]:
    table = pa.table(columns)
    pq.write_table(table, folder / "rows.parquet")
    rows = engine.read([str(folder / "rows.parquet")], table.schema)
    return rates(rows, groups, profile(rows, engine, least=1), engine)


def people(stayed_a: int, left_a: int, stayed_b: int, left_b: int) -> dict[str, Any]:
    gender = ["A"] * (stayed_a + left_a) + ["B"] * (stayed_b + left_b)
    label = ["Stayed"] * stayed_a + ["Left"] * left_a + ["Stayed"] * stayed_b + ["Left"] * left_b
    return {"gender": gender, "attrition": label}


def test_label_rates_are_those_of_the_four_fifths_rule(engine: Engine, tmp_path: Path) -> None:
    (found,) = judged(engine, tmp_path, people(90, 10, 60, 40))
    assert (found.groups, found.rows, found.rates) == (["A", "B"], [100, 100], [0.9, 0.6])
    assert found.ratio == pytest.approx(0.6 / 0.9)
    assert found.difference == pytest.approx(0.3)
    assert found.chance == pytest.approx(stats.chi2_contingency([[90, 10], [60, 40]], correction=False).pvalue)
    assert found.state == "stop"
    with pytest.raises(DataError, match="more than features") as refused:
        require_fair([found])
    assert refused.value.code == "D009"


def test_what_chance_alone_does_is_told_and_passes(engine: Engine, tmp_path: Path) -> None:
    (found,) = judged(engine, tmp_path, people(9, 1, 6, 4))
    assert found.state == "ok"
    assert "may be chance" in found.told
    require_fair([found])


@pytest.mark.parametrize("few", [(2, 3), (4, 1)])
def test_a_few_rows_far_apart_hide_no_groups_that_differ_beyond_chance(
    engine: Engine, tmp_path: Path, few: tuple[int, int]
) -> None:
    columns = people(70, 30, 50, 50)
    columns["gender"] += ["C"] * 5
    columns["attrition"] += ["Stayed"] * few[0] + ["Left"] * few[1]
    (found,) = judged(engine, tmp_path, columns)
    assert found.rates == [0.7, 0.5, few[0] / 5]
    assert (found.state, found.ratio, found.difference) == ("stop", pytest.approx(0.5 / 0.7), pytest.approx(0.2))
    assert found.told.startswith("`Stayed` for 50.0% of `B` and 70.0% of `A`")


def test_words_made_of_digits_are_words(engine: Engine, tmp_path: Path) -> None:
    columns = {**people(50, 50, 50, 50), "grade": ["9", "10", "11", "12"] * 25 + ["9"] * 25 + ["11"] * 75}
    found = {each.column: each for each in judged(engine, tmp_path, columns)}
    assert found["grade"].difference == pytest.approx(0.5)


def test_a_group_too_small_to_be_told_apart_is_left_out(engine: Engine, tmp_path: Path) -> None:
    (found,) = judged(engine, tmp_path, people(90, 10, 0, 4))
    assert found.groups == ["A"]
    assert found.state == "open"


def test_a_favourable_value_that_no_row_has_is_not_called_fair(engine: Engine, tmp_path: Path) -> None:
    (found,) = judged(engine, tmp_path, {"gender": ["A", "B"] * 50, "attrition": ["Left"] * 100})
    assert found.state == "open"


def test_features_are_compared_by_share_and_by_cumulated_share(engine: Engine, tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    pay = [round(float(value), 2) for value in [*draw.normal(100, 10, 200), *draw.normal(108, 10, 200)]]
    columns = {
        **people(150, 50, 150, 50),
        "pay": pay,
        "remote": ["Yes"] * 150 + ["No"] * 50 + ["Yes"] * 50 + ["No"] * 150,
        "score": [None] * 120 + [1.0] * 280,
    }
    found = {each.column: each for each in judged(engine, tmp_path, columns)}
    assert found["remote"].difference == pytest.approx(0.5)
    assert found["score"].difference == pytest.approx(0.6)
    exact = stats.ks_2samp(pay[:200], pay[200:]).statistic
    assert exact - 0.12 <= found["pay"].difference <= exact + 1e-12
    strict = Groups(["gender"], "attrition", "Stayed", max_feature_difference=0.55)
    states = {each.column: each.state for each in judged(engine, tmp_path, columns, strict)}
    assert states == {"attrition": "ok", "score": "warn", "remote": "ok", "pay": "ok"}


def test_a_value_that_is_lacking_is_none_of_the_greatest(engine: Engine, tmp_path: Path) -> None:
    columns = {**people(50, 50, 50, 50), "score": [None] * 90 + [0.0] * 10 + [9.0] * 90 + [0.0] * 10}
    found = {each.column: each for each in judged(engine, tmp_path, columns)}
    assert found["score"].difference == pytest.approx(0.9)


def example(folder: Path, bias: str) -> Project:
    """The attrition example with other groups."""
    shutil.copytree(EXAMPLE, folder)
    file = folder / "features.yaml"
    text = file.read_text(encoding="utf-8")
    assert "bias: {groups: [gender, age], " in text
    file.write_text(text.replace("bias: {groups: [gender, age], ", f"bias: {{groups: [{bias}], "), encoding="utf-8")
    return load(folder, variables=VARIABLES)


def test_groups_are_features_of_words(tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as wrong:
        example(tmp_path / "misspelt", "gender, gendr")
    assert (wrong.value.code, wrong.value.hint) == ("P040", "did you mean `gender`?")
    assert wrong.value.place and wrong.value.place.file == "features.yaml"
    with pytest.raises(ProjectError, match="`bias` cannot group by"):
        example(tmp_path / "number", "years_at_company")


def test_a_favourable_value_is_one_of_the_label(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="`Stayd` is not a value of the label `attrition`") as wrong:
        example(tmp_path / "misspelt", "gender], favourable: Stayd, max_difference: 0.9} #")
    assert (wrong.value.code, wrong.value.hint) == ("P040", "did you mean `Stayed`?")


@pytest.mark.parametrize(("label", "allowed"), [("count()", "a number"), ("any()", "false, true")])
def test_a_favourable_value_is_one_of_the_last_label(tmp_path: Path, label: str, allowed: str) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "p")
    file = tmp_path / "p" / "features.yaml"
    text = file.read_text(encoding="utf-8")
    second = f"  exits: {label} in next 6mo from hrms.exits\nembargo: 30d"
    file.write_text(text.replace("embargo: 30d", second, 1), encoding="utf-8")
    with pytest.raises(ProjectError, match="`Stayed` is not a value of the label `exits`") as wrong:
        load(tmp_path / "p", variables=VARIABLES)
    assert (wrong.value.allowed, wrong.value.hint) == (allowed, "with several labels, the last one is compared")


def test_other_groups_publish_anew_and_build_nothing_again(tmp_path: Path) -> None:
    def steps(project: Project) -> dict[str, str]:
        return {step.label: step.fingerprint for step in later_steps(project, dict.fromkeys(project.sources, ()), "k")}

    one, other = steps(example(tmp_path / "one", "gender")), steps(example(tmp_path / "other", "age"))
    assert {label for label in one if one[label] != other[label]} == {"publish employee_attrition"}
