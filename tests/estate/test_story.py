import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from potable.estate.calendar import NEVER, Calendar
from potable.estate.history import History
from potable.estate.people import build_people


@pytest.fixture(scope="module")
def years():
    """Twenty years of 4,000 persons: the history and, per month, what the systems had recorded of everyone."""
    calendar = Calendar(20)
    people = build_people(4000, calendar, 7)
    history = History(people, calendar, 7)
    everyone = np.arange(people.persons)
    seen, heads = [], []
    for month in history.months():
        force = history.force
        heads.append(len(month.payslips.stint))
        with np.errstate(divide="ignore"):
            signals = force.signals(everyone, month.index)
        columns = [getattr(signals, name) for name in vars(signals) if name != "pay_gap"]
        pay = np.log(np.maximum(force.pay[everyone], 1))
        columns += [pay, force.level(everyone), people.country, force.role[everyone]]
        seen.append(np.column_stack(columns).astype(np.float32))
    return history, seen, heads


def dataset(history, seen):
    """One random month-end per person: features two months old, label a resignation in months 1 to 13 after."""
    force, calendar, rng = history.force, history.calendar, np.random.default_rng(1)
    rows, labels = [], []
    for person in range(history.people.persons):
        hired, left = force.hired[person], force.left[person]
        at_work = [month for month in range(12, calendar.months - 13) if hired + 90 < calendar.last_day(month) < left]
        if at_work:
            month = at_work[rng.integers(len(at_work))]
            low, high = calendar.last_day(month + 1), calendar.last_day(min(month + 13, calendar.months - 1))
            rows.append(seen[month - 2][person] if hired < calendar.first_day(month - 2) else seen[month - 1][person])
            labels.append(force.kind[person] == 0 and low < left <= high)
    return np.array(rows), np.array(labels)


def test_between_ten_and_fourteen_percent_of_person_years_end_in_a_resignation(years):
    history, _seen, heads = years
    share = (history.force.kind == 0).sum() / (sum(heads) / 12)
    assert 0.10 <= share <= 0.14


def test_a_plain_model_finds_the_story_in_unseen_people_but_not_all_of_it(years):
    rows, labels = dataset(*years[:2])
    half = np.random.default_rng(2).permutation(len(labels)) < len(labels) // 2
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(rows[half], labels[half])
    auc = roc_auc_score(labels[~half], model.predict_proba(rows[~half])[:, 1])
    assert 0.72 <= auc <= 0.88


def test_everyone_is_hired_before_leaving_and_leaves_once(years):
    force = years[0].force
    gone = force.left < NEVER
    assert (force.left[gone] >= force.hired[gone]).all()
    assert (force.kind[gone] >= 0).all()
    assert (force.kind[~gone] == -1).all()
    assert set(np.unique(force.kind[gone])) == {0, 1, 2, 3, 4}
