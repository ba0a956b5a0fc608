"""The card says everything, the same way every time, and no name can break out of its place."""

import io
import re
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from potable.datasets.card import CardColumn, CardFacts, CardGroup, Gap, PersonalData, card

FACTS = CardFacts(
    "employee_attrition",
    "employee",
    1_912,
    (
        CardColumn("employee_id", "string", "pseudonym(subject)"),
        CardColumn(
            "monthly_income", "string", "latest(gross) | band(edges: [30000])", "Gross pay, in bands.", 239, "pay.slips"
        ),
        CardColumn("gender", "string", "value(gender)", "", 0, "hrms.people", today=True),
        CardColumn("attrition", "string", "any() in next 12mo after 1mo"),
    ),
    "random month end between 2012-01-01 and 2024-12-31, seed 7",
    "attrition",
    "any() in next 12mo after 1mo",
    {"Left": 278, "Stayed": 1_634},
    PersonalData(["attrition_model"], "legitimate_interest", "3y", 18_406, 0, 6, 5, ["age", "gender"], 41),
    ["payroll.payslips", "hrms.exits"],
    {"policy": "9a9a", "contracts": "3f3f"},
    {"employee_attrition.parquet": "bb", "employee_attrition.csv": "aa"},
    "30d",
    ["Contractors are not covered."],
    "0.1.0",
)


def front(text):
    return YAML(typ="safe").load(io.StringIO(text.split("---\n")[1]))


def test_the_front_matter_is_yaml_the_hub_reads():
    found = front(card(FACTS))
    assert found["pretty_name"] == "employee_attrition"
    assert found["task_categories"] == ["tabular-classification"]
    assert found["size_categories"] == ["1K<n<10K"]
    assert found["configs"] == [{"config_name": "default", "data_files": "employee_attrition.csv"}]


def test_rows_of_one_day_are_read_by_the_name_under_which_they_are_copied():
    day, read = "2026-03-31", 'pd.read_parquet("employee_attrition.parquet")'
    for facts, name in (
        (replace(FACTS, as_of=day), "employee_attrition@2026-03-31.parquet"),
        (replace(FACTS, as_of=day, label=""), "employee_attrition@2026-03-31.scoring.parquet"),
    ):
        assert f'calls the file of another day "{name}"\ndata = {read}' in card(facts)
    assert "of another day" not in card(FACTS)


@pytest.mark.parametrize(
    ("rows", "size"), [(0, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (500_000, "100K<n<1M"), (2 * 10**9, "n>1B")]
)
def test_the_size_category_follows_the_rows(rows, size):
    assert front(card(replace(FACTS, rows=rows)))["size_categories"] == [size]


def test_it_says_what_a_stranger_needs():
    text = card(FACTS)
    for part in (
        "1,912 rows of 4 columns: one row per employee, made from 2 tables",
        "Facts of the last 30d before it are not used.",
        "| Stayed | 1,634 | 85.5% |\n| Left | 278 | 14.5% |",
        "| `monthly_income` | string | `latest(gross) \\| band(edges: [30000])` | `pay.slips` | Gross pay, in bands. | 239 (12.5%) |",
        "`gender` comes from tables without history: today's values, which are declared never to change.",
        "**pseudonymous, not anonymous**",
        "Legal basis: legitimate_interest",
        "Retention: 3y",
        "18,406 known identifiers; nothing was found.",
        "every combination of `age`, `gender` is shared by at least 6 rows (required: 5)",
        "these columns are empty in 41 rows",
        "| contracts | `3f3f` |\n| policy | `9a9a` |",
        "| file employee_attrition.csv | `aa` |",
        "- Contractors are not covered.",
    ):
        assert part in text


def test_of_a_label_of_many_values_the_most_frequent_are_told_and_how_many_more_there_are():
    balance = {f"{hours}.5": 40 - hours for hours in range(30)}
    text = card(replace(FACTS, balance=balance))
    assert "| 11.5 | 29 | 3.8% |\n| 18 more values | 351 | 45.9% |\n\n" in text and "| 12.5 |" not in text


def test_it_tells_who_has_a_row_and_how_far_fractions_are_rounded():
    chosen = {"table": "hrms.employment", "start": "hired_on", "end": "left_on", "where": "tenure_days >= 90"}
    text = card(replace(FACTS, chosen=chosen, digits=4))
    needs = "It needs a record of `hrms.employment` that was valid then (`hired_on` to `left_on`), as known then"
    assert f"{needs}, for which `tenure_days >= 90` holds." in text
    assert "Fractions have at most 4 decimals." in text
    assert f"{needs}. " in card(replace(FACTS, chosen={**chosen, "where": ""}))


def test_it_tells_how_many_rows_have_an_event_before_the_window_of_the_label():
    text = card(replace(FACTS, gaps=[Gap("attrition", "1 month", 41), Gap("fired", "30 days", 0)]))
    assert "The window of `attrition` starts 1 month after the as-of date. In 41 rows (2.1%) something" in text
    assert "starts 30 days after the as-of date. In no row something" in text


def test_the_definition_of_the_label_stands_as_it_is_written():
    text = card(replace(FACTS, label_definition="any() in next 3mo | words(true='Left')"))
    assert "`attrition`: `any() in next 3mo | words(true='Left')`." in text


def test_a_numeric_label_is_a_regression():
    columns = [CardColumn("hours", "float64", "sum(hours) in next 12mo")]
    assert front(card(replace(FACTS, label="hours", columns=columns)))["task_categories"] == ["tabular-regression"]


def test_it_admits_what_is_missing():
    bare = replace(FACTS, personal=replace(FACTS.personal, k_required=0, findings=2), balance={}, lineage={}, files={})
    text = card(bare)
    assert "k-anonymity: none required." in text
    assert "2 findings remained" in text
    assert "No row has a label." in text
    assert "configs" not in front(text)


def test_the_order_of_mappings_and_sources_does_not_matter():
    turned = replace(
        FACTS,
        balance=dict(reversed(FACTS.balance.items())),
        lineage=dict(reversed(FACTS.lineage.items())),
        files=dict(reversed(FACTS.files.items())),
        sources=FACTS.sources[::-1],
    )
    assert card(turned) == card(FACTS)


def test_hostile_names_stay_in_their_cells():
    hostile = '<img src=x>|\n# `"---'
    column = CardColumn(hostile, hostile, hostile, hostile, 1)
    facts = replace(FACTS, name=hostile, columns=(column,), balance={hostile: 1}, limits=[hostile])
    text = card(facts)
    assert front(text)["pretty_name"] == hostile
    row = next(line for line in text.splitlines() if "1 (0.1%)" in line)
    assert len(row.replace("\\|", "").split("|")) == 8
    body = text.split("\n---\n", 1)[1]
    headings = [line for line in body.splitlines() if line.startswith("# ")]
    assert len(headings) == 1
    assert "<img" not in body.replace("`` <img", "").replace("``<img", "")


def test_label_rates_of_groups_are_told_where_groups_were_compared():
    assert "## Groups" not in card(FACTS)
    groups = [CardGroup("gender", "Female", 899, 0.84), CardGroup("gender", "a|b", 994, 0.87)]
    text = card(replace(FACTS, groups=groups, favourable="Stayed"))
    assert "How often `attrition` is Stayed." in text
    assert "| `gender` | Female | 899 | 84.0% |" in text
    assert "| `gender` | a\\|b | 994 | 87.0% |" in text


def test_labels_beside_the_last_one_are_told_not_to_be_features():
    told = [CardColumn(name, "boolean", "any() in next 12mo", forward=True) for name in ("moved", "ill", "attrition")]
    text = card(replace(FACTS, columns=(*FACTS.columns[:3], *told)))
    assert "`moved`, `ill` are labels, too: they look forward from the as-of date, which a model of `attrition`" in text
    assert 'labels = ["attrition", "moved", "ill"]' in text
    assert "labels, too" not in card(FACTS)


def test_who_has_no_row_is_counted_by_reason():
    text = card(replace(FACTS, seen=2_000, dropped={"no record that runs": 80, "`where` never holds": 8, "x": 0}))
    assert "Of 2,000 with a record there, 88 have no row: no record that runs (80); `where` never holds (8)." in text
    assert "have no row" not in card(replace(FACTS, seen=2_000, dropped={"x": 0}))


@pytest.mark.parametrize("label", ["attrition", ""])
def test_the_lines_to_read_it_run(tmp_path, monkeypatch, label):
    pandas = pytest.importorskip("pandas")
    rows = {
        "employee_id": [f"p{number}" for number in range(5)],
        "as_of": [date(2020 + number, 1, 31) for number in range(5)],
        "grade": ["low", 'a "b" ```', None, "low", "low"],
        "site": ["A", "B", None, "A", "A"],
        "flag": [True, None, False, True, True],
        "n": [1, None, 3, 4, 5],
        "moved": [True] * 5,
        "attrition": [True, False, True, False, True],
    }
    pq.write_table(pa.table(rows), tmp_path / "people.parquet")
    words = {"grade": ("low", 'a "b" ```')}
    kinds, ahead = {"as_of": "date"}, ("moved", "attrition") if label else ()
    columns = [
        CardColumn(name, kinds.get(name, "string"), "", words=words.get(name, ()), forward=name in ahead)
        for name in rows
    ]
    text = card(replace(FACTS, columns=columns, label=label, files={"people.parquet": "aa"}))
    (lines,) = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    exec(lines, found)
    x, data = found["x"], found["data"]
    assert list(x.columns) == ["grade", "site", "flag", "n", *([] if label else ["moved", "attrition"])]
    assert x["grade"].cat.ordered and list(x["grade"].cat.categories) == ["low", 'a "b" ```']
    assert x["grade"].isna().sum() == 1 and str(x["site"].dtype) == str(x["flag"].dtype) == "category"
    assert data["as_of"].dtype == "datetime64[ns]"
    if label:
        assert list(found["y"]) == rows["attrition"] and list(found["test"]) == [False] * 4 + [True]
    assert pandas.isna(x["n"][1])
