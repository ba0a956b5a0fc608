"""The planted story: why people resign.

The log-risk is a plain weighted sum of what the systems record: ratings, time since promotion, overtime,
pay, survey answers, way to work, tenure, age, training. Chance does the rest, so that a plain model
reaches a ROC AUC of about 0.8 and never 1. Entry: log_risk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from potable.estate.draws import Floats

YEARLY_VOLUNTARY = 0.125
"""Share of person-years that end in a resignation, whatever the mix of people."""
SEASON = (1.25, 1.1, 1.15, 1.2, 1.05, 1.0, 1.0, 0.95, 1.0, 0.9, 0.75, 0.65)


@dataclass(frozen=True)
class Signals:
    """What the hazard looks at, one element per employed person, as of the start of the month."""

    rating: Floats
    """Latest performance rating, 0 (Low) to 3 (High); 2 where there is none yet."""
    rating_drop: Floats
    """How much lower the latest rating is than the one before, at least 0."""
    months_since_promotion: Floats
    overtime: Floats
    """Hours a month, mean of the last twelve."""
    raise_share: Floats
    """Latest yearly raise, 0.03 for three percent."""
    pay_gap: Floats
    """Natural logarithm of pay over the usual pay of the grade."""
    satisfaction: Floats
    balance: Floats
    reputation: Floats
    """Latest survey answers, 0 to 3; 1.5 where there is none yet."""
    commute_km: Floats
    """0 for those who work remotely."""
    tenure_months: Floats
    age: Floats
    training_hours: Floats
    """In the last twelve months."""


def log_risk(x: Signals) -> Floats:
    """Natural logarithm of the relative risk to resign this month."""
    risk = (
        -1.10 * (x.rating - 2.0)
        + 0.60 * x.rating_drop
        + 0.032 * np.minimum(x.months_since_promotion, 60.0)
        + 0.170 * np.minimum(x.overtime - 8.0, 25.0)
        - 14.0 * (x.raise_share - 0.03)
        - 5.0 * x.pay_gap
        - 0.85 * (x.satisfaction - 1.5)
        - 0.75 * (x.balance - 1.5)
        - 0.20 * (x.reputation - 1.5)
        + 0.042 * np.minimum(x.commute_km, 60.0)
        + 1.6 * np.exp(-x.tenure_months / 24.0)
        - 0.060 * (x.age - 38.0)
        - 0.020 * np.minimum(x.training_hours, 60.0)
    )
    return np.asarray(risk, dtype=np.float64)


def monthly_risk(x: Signals, calendar_month: int) -> Floats:
    """Probability to resign this month: relative risks scaled so that the yearly share stays as set.

    Args:
        x: The signals of everyone at risk.
        calendar_month: 0 for January.
    """
    relative = np.exp(log_risk(x))
    level = -np.log1p(-YEARLY_VOLUNTARY) / 12 * SEASON[calendar_month]
    return np.asarray(-np.expm1(-level * relative / relative.mean()), dtype=np.float64)
