import re

import pytest


def generation(dumps, prefix):
    names = [name for name in dumps if name.startswith(prefix)]
    return names[: len(names) // 2], names[len(names) // 2 :]


def test_two_review_files_and_one_survey_a_year(dumps):
    assert len([name for name in dumps if re.fullmatch(r"reviews_20\d\dH[12]\.csv", name)]) == 20
    assert len([name for name in dumps if re.fullmatch(r"engagement_20\d\d\.csv", name)]) == 10


def test_old_files_are_latin1_with_crlf_and_new_ones_utf8_with_bom(estate, dumps):
    old, new = generation(dumps, "reviews_")
    for name in old:
        raw = (estate.directory / "reviews" / name).read_bytes()
        assert raw.startswith(b"EmpNo;Employee Name;Reviewer;Review Date;Rating;Comment\r\n")
        assert raw.endswith(b'"\r\n')
    texts = b"".join((estate.directory / "reviews" / name).read_bytes() for name in old)
    assert any(byte in texts for byte in (b"\xfc", b"\xe4", b"\xf6"))
    for name in new:
        raw = (estate.directory / "reviews" / name).read_bytes()
        head = "employee_number,employee_name,manager_name,reviewed_on,overall_rating,comments,submitted_at\n"
        assert raw.startswith(b"\xef\xbb\xbf" + head.encode())
        raw.decode("utf-8")


def test_comments_hold_newlines_quotes_and_delimiters(dumps):
    for prefix, column, mark in ((0, "Comment", ";"), (1, "comments", ",")):
        texts = [row[column] for name in generation(dumps, "reviews_")[prefix] for row in dumps[name]]
        for sign in ("\n", '"', mark):
            assert any(sign in text for text in texts)


CASES = {
    ("date", "missing"): lambda text: text == "",
    ("date", "impossible"): lambda text: text == "31.02.2014",
    ("date", "mistyped"): lambda text: text == "n/a",
    ("rating", "missing"): lambda text: text == "",
    ("rating", "impossible"): lambda text: text == "Outstanding!!",
    ("rating", "mistyped"): lambda text: text == "n/a",
    ("rating", "case"): lambda text: len(text) > 3 and text.isupper(),
    ("rating", "blanks"): lambda text: text != text.strip(),
    ("emp_no", "case"): lambda text: text.startswith("e"),
    ("emp_no", "blanks"): lambda text: text != text.strip(),
    ("emp_no", "orphan"): lambda text: text.startswith("E9"),
}
COLUMNS = {
    "date": ("Review Date", "reviewed_on"),
    "rating": ("Rating", "overall_rating"),
    "emp_no": ("EmpNo", "employee_number"),
}


@pytest.mark.parametrize(("what", "reason"), CASES, ids=" ".join)
def test_a_defect_is_where_the_truth_says_and_nowhere_else(what, reason, dumps, bad):
    broken, told, seen = CASES[what, reason], set(), set()
    for names, column in zip(generation(dumps, "reviews_"), COLUMNS[what], strict=True):
        told |= set(bad["reviews", column, reason])
        # "LOW" is a rating in capitals too
        seen |= {
            f"{name}#{at}"
            for name in names
            for at, row in enumerate(dumps[name], 1)
            if broken(row[column]) or (reason == "case" and row[column] == "LOW")
        }
    assert seen == told
    assert seen


def test_survey_answers_use_the_known_words(dumps, bad):
    words = {
        "work_life_balance": {"Poor", "Fair", "Good", "Excellent"},
        "company_reputation": {"Poor", "Fair", "Good", "Excellent"},
        "job_satisfaction": {"Low", "Medium", "High", "Very High"},
        "employee_recognition": {"Low", "Medium", "High", "Very High"},
        "leadership_opportunities": {"Yes", "No"},
        "innovation_opportunities": {"Yes", "No"},
    }
    known = {locator for key, locators in bad.items() if key[0] == "engagement" for locator in locators}
    for name in (name for name in dumps if name.startswith("engagement")):
        for at, row in enumerate(dumps[name], 1):
            if f"{name}#{at}" not in known:
                assert all(row[column] in allowed for column, allowed in words.items())
                assert name[11:15] in row["survey_date"]


def test_outdated_surveys_are_years_before_their_file(dumps, bad):
    locators = bad["engagement", "survey_date", "outdated"]
    assert locators
    for locator in locators:
        name, at = locator.split("#")
        year = int(re.search(r"\d{4}", dumps[name][int(at) - 1]["survey_date"]).group())
        assert int(name[11:15]) - year >= 2
