from __future__ import annotations

from pathlib import Path

import pytest

from potable.errors import ProjectErrors
from potable.privacy.categories import CATEGORIES, DIRECT_IDENTIFIERS, INDIRECT, is_direct
from potable.privacy.policy import Policy, check
from potable.projectfiles import read
from potable.tables import Table

POLICY = """
purposes: [attrition_model]
legal_basis: legitimate_interest
retention: 3y
rules:
  user.name: {protect: drop}
  user.unique_id: {protect: drop}
  user.demographic: {protect: keep, publish: allow}
  user.demographic.date_of_birth: {protect: truncate, to: year, publish: [band]}
  user.financial.salary: {protect: keep, publish: [band, round]}
  free_text: {protect: redact}
  none: {protect: keep, publish: allow}
anonymity: {columns: [age, gender], k: 5}
"""
SOURCE = """\
source: hr
tables:
  people:
    columns:
      emp_no: {key: emp_no}
      name: {category: user.name}
      born: {type: date, category: user.demographic.date_of_birth}
      gender: {category: user.demographic.gender}
      comment: {category: free_text}
      changed: {type: date, category: none}
    time: changed
"""
OPERATORS = ("band", "round", "year")


@pytest.fixture
def project(tmp_path: Path):
    def run(policy: str = POLICY, source: str = SOURCE) -> Policy:
        (tmp_path / "privacy.yaml").write_text(policy)
        (tmp_path / "hr.yaml").write_text(source)
        document, contract = (read(tmp_path / name, root=tmp_path) for name in ("privacy.yaml", "hr.yaml"))
        declared = document.model(Policy)
        tables = {f"hr.{name}": Table.model_validate(table) for name, table in contract.data["tables"].items()}
        check(tables, declared, documents={"hr": contract}, policy_document=document, operators=OPERATORS)
        return declared

    return run


def failures(run, **given) -> list[tuple[str, str, str]]:
    with pytest.raises(Exception) as caught:
        run(**given)
    errors = caught.value.errors if isinstance(caught.value, ProjectErrors) else [caught.value]
    return [(error.code, str(error.place), f"{error.problem} {error.hint}".strip()) for error in errors]


def test_the_most_specific_rule_wins(project):
    policy = project()
    assert policy.rule_for("user.demographic.gender").publish == "allow"
    assert policy.rule_for("user.demographic.date_of_birth").to == "year"
    assert policy.rule_for("user.name.first").stays
    assert policy.rule_for("user.health") is None
    assert str(policy.retention) == "3y" and policy.anonymity.below == "suppress"


def test_a_column_without_a_category_is_refused_at_its_place(project):
    found = failures(project, source=SOURCE.replace("{category: user.demographic.gender}", "{type: string}"))
    assert [(code, place) for code, place, _ in found] == [("P010", "hr.yaml:8:7")]


def test_columns_of_a_table_without_a_category_are_one_error(project):
    source = SOURCE.replace("{category: user.demographic.gender}", "{}\n      more: {}")
    ((code, place, text),) = failures(project, source=source)
    assert (code, place) == ("P010", "hr.yaml:8:7")
    assert "`gender` (line 8)" in text and "`more` (line 9)" in text and text.count("categories.md") == 1


@pytest.mark.parametrize(
    ("column", "refused"),
    [
        ("first_name: {category: none}", True),
        ("given: {path: person/firstName, category: none}", True),
        ("called: {path: [x, VORNAME], category: none}", True),
        ("personFirstName: {category: none}", True),
        ("a: {path: Prénom, category: none}", True),
        ("b: {path: 姓, category: none}", True),
        ("first_name: {path: vn, category: none}", True),
        ("Nachname_alt: {category: none}", True),
        ("lname: {category: none}", True),
        ("department_manager_last_name: {category: none}", True),
        ("product_family_name: {category: none}", False),
        ("productFamilyName: {category: none}", False),
        ("file_first_names: {category: none}", False),
        ("font_family_name: {category: none}", False),
        ("model_name: {category: none}", False),
        ("level_name: {category: none}", False),
        ("channelname: {category: none}", False),
        ("first_name_verified: {category: none}", False),
        ("last_name_changed: {category: none}", False),
        ("display_name: {category: none}", False),
        ("family_name: {category: user.professional_information}", False),
        ("last_name_changed: {type: date, category: none}", False),
        ("product_name: {category: none}", False),
        ("username: {category: none}", False),
    ],
)
def test_a_column_that_is_called_after_names_of_people_is_not_harmless(project, column: str, refused: bool):
    policy = POLICY.replace("rules:\n", "rules:\n  user.professional_information: {protect: drop}\n")
    source = SOURCE.replace("gender: {category: user.demographic.gender}", column)
    if not refused:
        project(policy=policy, source=source)
        return
    ((code, place, text),) = failures(project, policy=policy, source=source)
    assert (code, place.rpartition(":")[0]) == ("P012", "hr.yaml:8") and "names of people" in text


def test_unknown_categories_are_refused_with_a_suggestion(project):
    found = failures(project, source=SOURCE.replace("demographic.gender", "demografic.gender"))
    assert found[0][:2] == ("P011", "hr.yaml:8:26") and "did you mean `user.demographic.gender`" in found[0][2]
    found = failures(project, policy=POLICY.replace("user.name:", "user.nam:"))
    assert found[0][0] == "P011" and "did you mean `user.name`" in found[0][2] and ":6:" in found[0][1]


def test_a_category_without_a_rule_is_refused(project):
    found = failures(project, source=SOURCE.replace("category: free_text", "category: user.health"))
    assert found[0][:2] == ("P011", "hr.yaml:9:27") and "no rule for `user.health`" in found[0][2]


@pytest.mark.parametrize("protect", ["keep", "redact"])
def test_direct_identifiers_can_only_be_dropped_or_stay_inside(project, protect):
    found = failures(project, policy=POLICY.replace("user.name: {protect: drop}", f"user.name: {{protect: {protect}}}"))
    assert {(code, place) for code, place, _ in found} == {("P012", "privacy.yaml:6:24"), ("P012", "hr.yaml:6:24")}


def test_a_broad_rule_does_not_let_identifiers_through(project):
    found = failures(project, policy=POLICY.replace("user.name: {protect: drop}", "user: {protect: keep}"))
    assert [(code, place) for code, place, _ in found] == [("P012", "hr.yaml:6:24")]


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("gender: {category", "gender: {key: email, category", "P012"),
        ("comment: {category", "comment: {type: integer, category", "P012"),
        ("born: {type: date", "born: {type: string", "P012"),
        ("date, category: none", "date, category: user.demographic.date_of_birth", "P012"),
    ],
)
def test_a_rule_that_does_not_fit_its_column_is_refused(project, before, after, code):
    assert failures(project, source=SOURCE.replace(before, after))[0][0] == code


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("publish: [band, round]", "publish: [bamd]", "P012"),
        ("{protect: drop}", "{protect: drop, publish: allow}", "P005"),
        ("{protect: truncate, to: year, publish: [band]}", "{protect: truncate}", "P005"),
        ("legal_basis: legitimate_interest", "legal_basis: curiosity", "P005"),
        ("retention: 3y", "retention: long", "P005"),
        ("k: 5", "k: 1", "P005"),
        ("purposes: [attrition_model]", "purposes: []", "P005"),
        ("  free_text: {protect: redact}", "  free_text: {protect: keep}", "P012"),
        ("retention: 3y", "retention: 3y\nsecrecy: 1", "P003"),
    ],
)
def test_what_the_policy_cannot_mean_is_refused(project, before, after, code):
    assert code in {found[0] for found in failures(project, policy=POLICY.replace(before, after))}


def test_all_is_reported_at_once(project):
    source = SOURCE.replace("user.name", "user.mane").replace("category: free_text", "category: user.health")
    assert len(failures(project, source=source)) == 2


def test_direct_identifiers_are_known_categories_and_their_exceptions_lie_below_them():
    assert set(DIRECT_IDENTIFIERS) <= CATEGORIES.keys() and set(CATEGORIES) >= INDIRECT
    assert is_direct("user.contact.address.street") and is_direct("user.name.first") and is_direct("user.government_id")
    assert not is_direct("user.contact.address.country") and not is_direct("user.demographic.gender")
    assert not is_direct("user.namesake")


IDENTIFY = "identify:\n  columns: [{}]\n  purposes: [talks]\n  most: 5\n"


def test_what_tells_who_somebody_is_may_be_declared(project) -> None:
    declared = project(policy=POLICY + IDENTIFY.format("hr.people.emp_no, hr.people.name")).identify
    assert (declared.most, declared.days, declared.by, declared.legal_basis) == (5, 30, [], None)
    text = IDENTIFY.format("hr.people.emp_no") + "  within: 2mo\n  by: [asha]\n  legal_basis: contract\n"
    assert project(policy=POLICY + text).identify.days == 62
    assert project().identify is None


def test_columns_that_do_not_say_who_somebody_is_are_refused_where_they_stand(project) -> None:
    text = IDENTIFY.format("hr.people.emp_no, hr.people.gender, hr.people.nmae, name, hr.people.boss, hr.log.by")
    source = (
        SOURCE.replace("      born:", "      boss: {category: user.name, someone_else: true}\n      born:")
        + "  log: {columns: {by: {category: user.name}}}\n"
    )
    found = failures(project, policy=POLICY + text, source=source)
    assert [(code, place) for code, place, _ in found] == [
        ("P012", "privacy.yaml:15:31"),
        ("P031", "privacy.yaml:15:49"),
        ("P031", "privacy.yaml:15:65"),
        ("P012", "privacy.yaml:15:71"),
        ("P012", "privacy.yaml:15:87"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("most: 5", "most: 0", "identify.most"),
        ("  most: 5\n", "", "`identify.most` is missing"),
        ("most: 5", "mots: 5", "unknown key `mots`"),
        ("[talks]", "[talks, talks]", "named twice"),
        ("[talks]", "[]", "identify.purposes"),
        ("most: 5", "most: 5\n  within: 0d", "a day at least"),
        ("most: 5", "most: 5\n  within: soon", "not a duration"),
    ],
)
def test_what_is_wrong_with_the_declaration_is_told(project, old: str, new: str, told: str) -> None:
    text = IDENTIFY.format("hr.people.emp_no")
    assert old in text
    with pytest.raises(Exception, match=told):
        project(policy=POLICY + text.replace(old, new))
