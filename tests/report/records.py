"""Run records to render: a published attrition run, a failed one, a first and empty one, a huge one."""

# fmt: off

import random
from dataclasses import replace
from functools import cache

from potable.contracts.findings import Finding, Result
from potable.datasets.disparities import Disparity
from potable.datasets.shifts import Beside, Shift
from potable.errors import DataError, Place
from potable.runs.record import (
    CategoryRecord,
    DatasetRecord,
    FeatureRecord,
    PrivacyRecord,
    RunRecord,
    Stage,
    StepRecord,
    TableRecord,
)

HOSTILE = '<script>alert("x")</script>'
_TABLES = {
    "hrms.people": (2_014, 14, {"duplicate": 14}, ["street", "phone", "marital_status"]),
    "hrms.email_history": (3_118, 6, {"match_regex:email": 6}, []),
    "hrms.employment": (2_461, 9, {"missing:hired_on": 5, "pair_values_a_to_be_greater_than_b:left_on,hired_on": 4}, ["left_on"]),
    "hrms.jobs": (7_902, 0, {}, []),
    "hrms.promotions": (2_733, 0, {}, []),
    "hrms.exits": (1_046, 3, {"be_in_set:kind": 3}, ["reason"]),
    "payroll.payslips": (198_733, 412, {"duplicate": 287, "mistyped": 96, "be_between:gross": 29}, ["overtime_hours", "national_id"]),
    "lms.trainings": (31_077, 120, {"missing:emp_no": 76, "be_between:hours": 44}, ["score", "certificate"]),
    "reviews.ratings": (17_264, 31, {"duplicate": 31}, ["comment"]),
    "reviews.engagement": (40_118, 0, {}, ["work_life_balance", "recognition"]),
    "exit_interviews.interviews": (611, 2, {"mistyped": 2}, ["would_return"]),
}
_BYTES = {"hrms": 9_411_200, "payroll": 96_214_001, "lms": 21_003_118, "reviews": 17_882_310, "exit_interviews": 12_904_554}


def _feature(name, table, definition, bins, counts, *, type="int64", describe="", nulls=0, distinct=0, role="feature"):
    return FeatureRecord(name, type, role, table, definition, describe, nulls, distinct or len(counts), tuple(bins), tuple(counts))


def _bell(name, table, definition, low, high, *, middle=0.4, describe="", nulls=0, type="float64"):
    draw = random.Random(name)
    counts = [0] * 20
    for _ in range(1_912 - nulls):
        counts[min(19, max(0, int(draw.gauss(middle, 0.17) * 20)))] += 1
    edges = [round(low + (high - low) * place / 20, 4) for place in range(21)]
    return _feature(name, table, definition, edges, counts, type=type, describe=describe, nulls=nulls, distinct=1_300)


def _worded(name, table, definition, words, weights, *, describe="", nulls=0):
    total = 1_912 - nulls
    counts = [round(total * weight / sum(weights)) for weight in weights]
    return _feature(name, table, definition, words, counts, type="string", describe=describe, nulls=nulls)


@cache
def features():
    likert, quality = ["Low", "Medium", "High", "Very High"], ["Poor", "Fair", "Good", "Excellent"]
    months = [f"{year}-{month:02d}-{28 if month == 2 else 30}" for year in (2019, 2020, 2021) for month in (2, 4, 6, 9)]
    pay, lms, ratings, survey = "payroll.payslips", "lms.trainings", "reviews.ratings", "reviews.engagement"
    return (
        _feature("employee_id", "", "pseudonym(subject)", (), (), type="string", role="id", distinct=1_912),
        _feature("as_of", "", "random_month_end", months, [31, 30, 28, 27, 26, 24, 22, 20, 19, 18, 17, 16], type="date", role="as_of", distinct=156),
        _worded(
            "age",
            "hrms.people",
            "years_between(birth_date, as_of) | band(edges: [25, 35, 45, 60])",
            ["25-35", "35-45", "45-60", "<25", ">=60"],
            [34, 29, 21, 12, 4],
            describe="Age at the as-of date, in bands.",
        ),
        _worded("gender", "hrms.people", "value(gender)", ["Female", "Male", "Non-binary"], [47, 52, 1]),
        _worded("education", "hrms.people", "value(education) | generalise(prefix: 1)", ["Bachelor", "Master", "High school", "Associate", "PhD"], [41, 27, 17, 11, 4], nulls=38),
        _bell("tenure_months", "hrms.employment", "tenure_months", 3, 312, middle=0.3, type="int64", describe="Months since the running employment began."),
        _bell("first_tenure_months", "hrms.employment", "first_tenure_months", 3, 312, middle=0.33, type="int64"),
        _worded(
            "job_role",
            "hrms.jobs",
            "latest(role)",
            ["Software engineer", "Customer support specialist", "Data analyst", "Nurse", "Warehouse associate", "Sales representative", "Accountant", "Teacher"],
            [22, 18, 14, 13, 12, 10, 7, 4],
        ),
        _worded("job_level", "hrms.jobs", "latest(level)", ["Mid", "Entry", "Senior"], [48, 33, 19]),
        _bell("jobs_held", "hrms.jobs", "distinct(role)", 1, 9, middle=0.2, type="int64"),
        _bell("months_in_role", "hrms.jobs", "months_since() where change = 'role'", 0, 180, middle=0.25, nulls=12),
        _worded("remote_work", "hrms.jobs", "latest(remote)", ["No", "Yes"], [68, 32]),
        _bell("promotions", "hrms.promotions", "count()", 0, 6, middle=0.1, type="int64", describe="Promotions in the whole visible history."),
        _bell("months_since_promotion", "hrms.promotions", "months_since()", 0, 211, middle=0.35, nulls=731),
        _worded(
            "monthly_income",
            pay,
            "latest(gross) | band(edges: [30000, 60000, 100000])",
            ["30000-60000", "60000-100000", "<30000", ">=100000"],
            [44, 31, 16, 9],
            describe="Gross pay on the newest visible payslip, in bands.",
            nulls=3,
        ),
        _bell("raise_pct_24mo", pay, "change(gross) in 24mo | round(0.01)", -0.12, 0.61, middle=0.35, nulls=214),
        _bell("pay_volatility", pay, "stddev(gross) in 12mo | rank(buckets: 20)", 0, 1, middle=0.3, nulls=14),
        _bell("overtime_share", pay, "share(overtime_hours > 0) in 12mo", 0, 1, middle=0.22),
        _bell("payslips_12mo", pay, "count() in 12mo", 1, 12, middle=0.9, type="int64"),
        _bell("training_hours_12mo", lms, "sum(hours) in 12mo", 0, 164.5, middle=0.22, describe="Hours of finished trainings in the last twelve months."),
        _bell("trainings_24mo", lms, "count() in 24mo", 0, 31, middle=0.3, type="int64"),
        _bell("certificates", lms, "count() where kind = 'certificate'", 0, 11, middle=0.12, type="int64"),
        _bell("training_score_avg", lms, "avg(score) last 5", 21.4, 100, middle=0.72, nulls=301),
        _worded("last_training_kind", lms, "latest(kind)", ["course", "certificate", "workshop", "mandatory"], [40, 15, 18, 27], nulls=77),
        _bell("rating_avg_last3", ratings, "avg(rating) last 3", 1, 5, middle=0.62, nulls=92, describe="Mean of the three newest visible ratings, 1 to 5."),
        _bell("rating_latest", ratings, "latest(rating)", 1, 5, middle=0.6, nulls=92),
        _bell("rating_trend_last5", ratings, "slope(rating) last 5", -0.81, 0.77, middle=0.5, nulls=402),
        _bell("days_since_review", ratings, "days_since()", 1, 911, middle=0.25, nulls=92, type="int64"),
        _bell("reviews_seen", ratings, "count()", 0, 24, middle=0.3, type="int64"),
        _worded("performance_rating", ratings, "latest(word)", ["Average", "High", "Below Average", "Low"], [60, 20, 15, 5], nulls=92),
        _worded("job_satisfaction", survey, "latest(job_satisfaction)", likert, [10, 20, 50, 20], nulls=120),
        _worded("work_life_balance", survey, "latest(work_life_balance)", quality, [15, 29, 37, 19], nulls=131),
        _worded("company_reputation", survey, "latest(reputation)", quality, [20, 19, 50, 11], nulls=131),
        _worded("employee_recognition", survey, "latest(recognition)", likert, [40, 30, 25, 5], nulls=131),
        _bell("satisfaction_trend_2y", survey, "slope(level(job_satisfaction)) in 24mo", -1.5, 1.5, middle=0.48, nulls=377),
        _worded("leadership_opportunities", survey, "latest(leadership)", ["No", "Yes"], [95, 5], nulls=131),
        _worded("innovation_opportunities", survey, "latest(innovation)", ["No", "Yes"], [84, 16], nulls=131),
        _bell("surveys_answered_24mo", survey, "count() in 24mo", 0, 8, middle=0.55, type="int64"),
        _bell("training_pace", "derived", "training_hours_12mo / nullif(tenure_years, 0)", 0, 88.25, middle=0.14, nulls=208),
        _bell("promotion_rate", "derived", "promotions / nullif(tenure_years, 0)", 0, 1.5, middle=0.16, nulls=208),
        _feature(
            "attrition",
            "hrms.exits",
            "any() in next 12mo after 1mo where kind = 'voluntary' | words(true: 'Left', false: 'Stayed')",
            ["Stayed", "Left"],
            [1_634, 278],
            type="string",
            role="label",
            describe="Whether the person resigned between one and thirteen months after the as-of date.",
        ),
    )


def tables():
    return tuple(_table(name, *facts) for name, facts in _TABLES.items())


def _table(name, rows_in, quarantined, reasons, sparse):
    draw = random.Random(name)
    nulls = {column: draw.randint(rows_in // 50, rows_in // 3) for column in sparse}
    checks = [Result("expect_table_row_count_to_be_between", (), True, rows_in, 0, None, "stop")]
    for reason, count in reasons.items():
        what, _, columns = reason.partition(":")
        if columns:
            expectation = f"expect_column_values_to_{what}" if "_be" in what or "be_" in what else what
            checks.append(Result(expectation, tuple(columns.split(",")), False, rows_in, count, None, "quarantine"))
    if name == "payroll.payslips":
        checks.append(Result("expect_column_values_to_be_in_set", ("currency",), False, rows_in, 18, 0.999, "null"))
    drift = {
        "payroll.payslips": [{"change": "new_column", "column": "costCentre", "objects": 14, "first": "payroll_2021-03.xml.gz"}],
        "lms.trainings": [{"change": "missing_column", "column": "score", "objects": 3, "first": "trainings_2009.csv"}],
    }.get(name, [])
    nobody = {"lms.trainings": 211, "payroll.payslips": 43}.get(name, 0)
    rows = rows_in - quarantined
    soft = 18 if name == "payroll.payslips" else 0
    health = health_of_payslips() if name == "payroll.payslips" else ()
    return TableRecord(name, rows_in, rows, quarantined, reasons, checks, drift, {**nulls, "emp_no": 0}, soft, rows - nobody, nobody, health=health)


def health_of_payslips():
    months = [f"{2022 + place // 12}-{place % 12 + 1:02d}" for place in range(36)]
    rows = [round(1_600 * 1.01**place) for place in range(35)] + [1_120]
    return (
        Finding("missing", "ok", "No column has over 2% more nulls than before.", bound=0.02),
        Finding("incorrect", "accepted", "3.1% of its rows fail a check, 0.4% before; at most 2% more allowed. Expected until 2025-06-30: new provider.", value=0.027, bound=0.02, chance=1e-9),
        Finding("freshness", "ok", "The newest `pay_date` is 14 days old; at most 45d.", value=14.0, bound=45.0),
        Finding("volume", "warn", "2024-12 has 1,120 rows, about 2,267 expected: 14.1 deviations from the trend; at most 3.5 allowed.", value=-14.1, bound=3.5, cells=months, now=rows),
        Finding("drift", "warn", "Cramér's V 0.211, below 0.1 wanted.", "currency", "chi_square", 0.211, 0.1, 1e-12, ("INR", "USD", "EUR", "GBP"), (0.41, 0.33, 0.2, 0.06), (0.62, 0.2, 0.13, 0.05)),
        Finding("drift", "open", "Not judged: there is no month a year before the newest complete month.", "gross_usd"),
        Finding("hindsight", "warn", "`bonus` was filled in later in 214 of the records that landed again, known for 61 days by then on average; 2,267 came meanwhile. That is 8.6% of both; at most 1%. `bonuses_3y` reads it.", "bonus", value=0.086, bound=0.01),
    )


def bias():
    label = Disparity("attrition", "gender", "label", ("Male", "Female"), (994, 899), (0.87, 0.84), 0.03, 0.966, 0.07, "ok", "`Stayed` for 84.0% of `Female` and 87.0% of `Male`: ratio 0.97, difference 3.0%.", 0.8)
    feature = Disparity("remote_work", "gender", "feature", ("Male", "Female"), (994, 899), (0.31, 0.31), 0.31, None, None, "warn", "`Male` differs from all others by 31.0 points.", 0.3)
    return label, feature


def steps():
    draw = random.Random(7)
    done = [StepRecord("ingest", f"ingest {source}", "skipped" if source == "lms" else "done", "3f" * 16, draw.uniform(0.2, 2.4), 0, 0, 0, size, 190 << 20) for source, size in _BYTES.items()]
    for verb in ("validate", "protect"):
        for name, (rows_in, away, _, _) in _TABLES.items():
            seconds = 0.2 + rows_in / 70_000 * draw.uniform(0.8, 1.3)
            done.append(StepRecord(verb, f"{verb} {name}", "done", "9a" * 16, seconds, rows_in, rows_in - away, away, rows_in * 21, (240 << 20) + rows_in * 900))
        if verb == "validate":
            done.append(StepRecord("resolve", "resolve employee", "done", "41" * 16, 2.31, 0, 9_844, 0, 611_000, 402 << 20))
    done.append(StepRecord("build", "build employee_attrition", "done", "c0" * 16, 7.9, 301_000, 1_912, 0, 402_113, 447 << 20))
    done.append(StepRecord("publish", "publish employee_attrition", "done", "77" * 16, 1.44, 1_912, 1_912, 0, 1_004_551, 431 << 20))
    return tuple(done)


def privacy():
    rows = [
        ("user.name.first", ["hrms.people.first_name"], "drop", "never", []),
        ("user.name.last", ["hrms.people.last_name"], "drop", "never", []),
        ("user.contact.email", ["hrms.email_history.email", "reviews.engagement.respondent_email"], "drop", "never", []),
        ("user.contact.address.street", ["hrms.people.street"], "drop", "never", []),
        ("user.contact.phone_number", ["hrms.people.phone"], "drop", "never", []),
        ("user.government_id", ["hrms.people.national_id", "payroll.payslips.national_id"], "drop", "never", []),
        ("user.unique_id", [f"{name}.emp_no" for name in _TABLES if name != "reviews.engagement"], "drop", "never", []),
        ("user.demographic.date_of_birth", ["hrms.people.birth_date"], "truncate to month", "band", ["age"]),
        ("user.demographic.gender", ["hrms.people.gender"], "keep", "allow", ["gender"]),
        ("user.financial.salary", ["payroll.payslips.gross", "payroll.payslips.net"], "keep", "band, round or rank", ["monthly_income", "raise_pct_24mo", "pay_volatility"]),
        (
            "user.performance",
            ["reviews.ratings.rating", "reviews.ratings.word"],
            "keep",
            "allow",
            ["rating_avg_last3", "rating_latest", "rating_trend_last5", "performance_rating", "reviews_seen", "days_since_review"],
        ),
        ("free_text", ["reviews.ratings.comment", "exit_interviews.interviews.text"], "redact", "never", []),
        ("none", [f"hrms.jobs.column_{place}" for place in range(38)], "keep", "allow", ["job_role", "job_level", "remote_work"]),
    ]
    return PrivacyRecord(
        tuple(CategoryRecord(*row) for row in rows),
        {"NAME": 8_412, "EMAIL": 611, "PHONE": 204, "ID": 77, "ADDRESS": 12},
        18_406, 78_392, 0, 5, 6, ("age", "gender", "education", "job_level"), 41,
    )  # fmt: skip


def attrition():
    rows_out = sum(table.rows for table in tables())
    return RunRecord(
        "2025-03-14T092611Z-5f2c", "attrition", "published", 0, "2025-03-14T09:26:11+00:00", 41.27, "0.1.0", "duckdb",
        2 << 30, 611 << 20, 2, "quarterly refresh",
        steps=steps(),
        tables=tables(),
        funnel=(
            Stage("raw", 307_077, sum(_BYTES.values()), 1_094, "as received, hashed, never rewritten"),
            Stage("validated", rows_out, 14_208_113, 31, "typed and checked"),
            Stage("protected", rows_out - 254, 8_100_411, 704, "no direct identifier from here on"),
            Stage("features", 1_912, 402_113, 64, "one row per employee"),
            Stage("dataset", 1_912, 611_877, 1, "the CSV"),
        ),
        identity={"keys": 9_844, "people": 2_031, "rostered": 2_000, "new": 17, "merged": 1, "split": 0, "shared_keys": 3},
        spine={"seen": 2_000, "employed": 1_987, "selected": 1_968, "eligible": 1_912, "rows": 1_912, "never_running": 13, "condition_never_held": 19, "label_window_past_data": 56},
        leakage={"subjects": 200, "columns": 38},
        privacy=privacy(),
        dataset=DatasetRecord(
            "employee_attrition", 3, True, 1_912, 41, "lake/open/datasets/employee_attrition/00000003/employee_attrition.csv", 611_877,
            "lake/open/datasets/employee_attrition/00000003/employee_attrition.parquet", "lake/open/datasets/employee_attrition/00000003/README.md",
            "attrition", {"Stayed": 1_634, "Left": 278}, features(), bias(), beside=beside(),
        ),
    )  # fmt: skip


def beside():
    return Beside(
        "employee_attrition version 2",
        (
            Shift("age", "psi", 0.01, 0.4, 0.25, "ok", "`age`: PSI 0.01, bound 0.25."),
            Shift("monthly_income", "psi", 0.41, 1e-9, 0.25, "warn", "`monthly_income`: PSI 0.41, bound 0.25."),
            Shift("attrition", "share", 0.3, 1e-6, 0.2, "accepted", "`attrition` is Left: 11.2% before, 14.5% now; bound 20% of the share before. Expected until 2030-01-01: a merger."),
        ),
    )  # fmt: skip


def failed():
    error = DataError(
        "`payroll.payslips` broke a check that stops the run: expect_column_values_to_be_in_set(currency)",
        "D001",
        Place("sources/payroll.yaml", 31, 9),
        given="1,204 of 198,733 rows unexpected (0.6%)",
        allowed="at most 0.1% (mostly: 0.999)",
        hint="a new currency may have been introduced; add it to `value_set` if it is right",
        state="everything landed and validated is kept; version 3 is current",
        next="potable quarantine payroll.payslips",
    )
    made = attrition()
    return replace(
        made,
        outcome="failed",
        exit_code=1,
        seconds=9.2,
        steps=(*made.steps[:11], replace(made.steps[11], state="failed")),
        tables=made.tables[:7],
        funnel=made.funnel[:1],
        identity={},
        spine={},
        leakage={},
        privacy=PrivacyRecord(),
        dataset=replace(made.dataset, new=False),
        error=error.record(),
    )


def first():
    return RunRecord("2025-01-01T000000Z-0000", "attrition", "failed", 3, "2025-01-01T00:00:00+00:00", 0.04, "0.1.0", "duckdb", 2 << 30, 70 << 20, 1)


def unchanged():
    made = attrition()
    idle = tuple(replace(step, state="skipped", seconds=0.0) for step in made.steps)
    return replace(made, outcome="nothing new", exit_code=99, seconds=0.8, steps=idle, dataset=replace(made.dataset, new=False))


def partial():
    made = attrition()
    return replace(
        made, outcome="done", steps=made.steps[:16], funnel=made.funnel[:2], identity={}, spine={}, leakage={},
        privacy=PrivacyRecord(), dataset=None,
    )  # fmt: skip


def enormous():
    made = attrition()
    long = "a_source_with_a_name_that_somebody_in_a_committee_made_up_in_a_very_long_meeting"
    wide = f"{long}.{long}_table_{HOSTILE}"
    payslips = TableRecord(
        wide, 120_000_000, 119_999_123, 877, {f"be_between:{long}_{place}": 877 - place for place in range(30)},
        [Result("expect_column_values_to_match_regex_" + long, (long, HOSTILE), False, 120_000_000, 877, 0.999_99, "quarantine")],
        [{"change": "new_column", "column": HOSTILE, "objects": 240, "first": long + ".xml.gz"}],
        {f"{long}_{place}": 1_000_000 * place for place in range(40)}, 5, 119_999_100, 23,
        health=(Finding("drift", "stop", f"{HOSTILE} {long}", long, "psi", 3.1, 0.1, 0.0, (HOSTILE, long * 2), (0.9, 0.1), (0.1, 0.9)),),
    )  # fmt: skip
    step = StepRecord("protect", f"protect {wide}", "done", "ab" * 16, 5_112.0, 120_000_000, 119_999_100, 23, 1_100 << 20, 3_900 << 20)
    wider = tuple(replace(feature, name=f"{feature.name}_{long}", description=f"{HOSTILE} {long * 3}", definition=f"latest({long * 2})") for feature in made.dataset.features)
    return replace(
        made,
        reason=HOSTILE,
        seconds=14_402.0,
        peak_memory=9 << 30,
        memory=8 << 30,
        tables=(payslips, *made.tables),
        steps=(*[replace(step, step=f"{step.step}-{place}") for place in range(260)], *made.steps),
        funnel=(
            Stage("raw", 180_000_000, 612 << 30, 1_204_112, HOSTILE),
            Stage("validated", 179_999_123, 3 << 30, 9_611),
            Stage("protected", 179_999_000, 2 << 30, 4_096),
            Stage("features", 500_000, 180 << 20, 64),
            Stage("dataset", 500_000, 301 << 20, 1),
        ),
        privacy=replace(made.privacy, findings=2, k=3),
        dataset=replace(
            made.dataset, name=f"employee_attrition_{long}", version=1_204, rows=500_000, csv_bytes=301 << 20, features=wider * 4,
            columns=164, label=f"label_{long}", balance={f"{HOSTILE}{place}": 500_000 // (place + 1) for place in range(9)},
        ),
    )  # fmt: skip


ALL = (attrition, failed, first, unchanged, partial, enormous)
