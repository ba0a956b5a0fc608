from __future__ import annotations

from dataclasses import replace

import pytest

from potable.errors import Place, ProjectError, ProjectErrors
from potable.privacy.flow import Output, prove, require, table
from potable.privacy.policy import Policy

POLICY = Policy.model_validate(
    {
        "purposes": ["p"],
        "legal_basis": "consent",
        "retention": "1y",
        "rules": {
            "user.name": {"protect": "drop"},
            "user.demographic.date_of_birth": {"protect": "inside"},
            "user.financial.salary": {"protect": "keep", "publish": ["band", "round"]},
            "user.performance": {"protect": "keep", "publish": "allow"},
            "free_text": {"protect": "redact", "publish": "never"},
            "none": {"protect": "keep", "publish": "allow"},
        },
    }
)
CATEGORIES = {
    ("pay.slips", "gross"): "user.financial.salary",
    ("pay.slips", "date"): "none",
    ("hr.people", "name"): "user.name.first",
    ("hr.people", "born"): "user.demographic.date_of_birth",
    ("hr.reviews", "rating"): "user.performance",
    ("hr.reviews", "comment"): "free_text",
    ("hr.people", "blood"): "user.health",
}


def output(name, *reads, operators=(), outputs=()):
    return Output(name, frozenset(tuple(read.rsplit(".", 1)) for read in reads), frozenset(outputs), tuple(operators))


def verdicts(*outputs):
    return {(flow.column, flow.category): flow.verdict for flow in prove(outputs, CATEGORIES, POLICY).flows}


def test_a_category_is_taken_off_by_the_operator_the_policy_names():
    assert verdicts(output("income", "pay.slips.gross", operators=["clip", "band"])) == {
        ("income", "user.financial.salary"): "taken off"
    }


def test_any_other_operator_leaves_it_on():
    proof = prove([output("income", "pay.slips.gross", operators=["clip"])], CATEGORIES, POLICY)
    assert [(flow.verdict, flow.why) for flow in proof.refused] == [("refused", "needs band or round")]


def test_a_category_comes_in_through_a_filter_as_well():
    found = verdicts(output("rating_of_the_rich", "hr.reviews.rating", "pay.slips.gross"))
    assert found["rating_of_the_rich", "user.performance"] == "allowed"
    assert found["rating_of_the_rich", "user.financial.salary"] == "refused"


def test_derived_columns_inherit_what_their_inputs_still_carry():
    found = verdicts(
        output("ratio", outputs=["raw", "banded"]),
        output("raw", "pay.slips.gross"),
        output("banded", "hr.reviews.rating", "pay.slips.gross", operators=["band"]),
        output("again", outputs=["ratio"], operators=["round"]),
        output("safe", outputs=["banded"]),
    )
    assert found["ratio", "user.financial.salary"] == "refused"
    assert found["again", "user.financial.salary"] == "taken off"
    assert found["safe", "user.performance"] == "allowed"
    assert ("safe", "user.financial.salary") not in found


@pytest.mark.parametrize("read", ["hr.people.name", "hr.people.born", "hr.reviews.comment", "hr.people.blood", "x.y.z"])
def test_what_stays_inside_is_never_published_or_has_no_rule_is_refused_whatever_is_done_to_it(read):
    assert set(verdicts(output("column", read, operators=["band", "round"])).values()) == {"refused"}


def test_refusals_name_column_category_and_place():
    proof = prove([output("a", "pay.slips.gross"), output("b", "hr.people.name")], CATEGORIES, POLICY)
    with pytest.raises(ProjectErrors) as caught:
        require(proof, {"a": Place("features.yaml", 4, 7)})
    first, second = sorted(caught.value.errors, key=lambda error: error.problem)
    assert first.code == second.code == "P012"
    assert str(first.place) == "features.yaml:4:7" and "`user.financial.salary`" in first.problem
    assert first.hint == "add `| band(…)`" and second.hint == ""


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("integer", "add `| band(…)`"),
        ("string", "no such operator accepts a text: publish something else of the column, such as `count()` or `distinct(…)`,"
         " or allow `generalise` for `user.financial.salary` in privacy.yaml"),
        ("boolean", "no such operator accepts a boolean: publish something else of the column, such as `count()` or `distinct(…)`"),
    ],
)  # fmt: skip
def test_the_operator_that_is_told_fits_the_kind_of_the_column(kind, hint):
    proof = prove([replace(output("a", "pay.slips.gross"), kind=kind)], CATEGORIES, POLICY)
    with pytest.raises(ProjectError) as caught:
        require(proof, {})
    assert caught.value.hint == hint


def test_a_proof_without_refusals_passes_and_says_what_is_carried():
    proof = prove([output("x", "hr.reviews.rating", "pay.slips.date")], CATEGORIES, POLICY)
    require(proof, {})
    assert proof.carried("x") == {"user.performance", "none"}


def test_circles_and_unknown_inputs_are_refused():
    with pytest.raises(ProjectError, match="circle"):
        prove([output("a", outputs=["b"]), output("b", outputs=["a"])], CATEGORIES, POLICY)
    with pytest.raises(ProjectError, match="`missing`"):
        prove([output("a", outputs=["missing"])], CATEGORIES, POLICY)


def test_the_table_shows_one_aligned_line_for_each_flow():
    outputs = [output("income", "pay.slips.gross", operators=["band"]), output("n", "hr.reviews.rating")]
    flows = prove(outputs, CATEGORIES, POLICY)
    assert table(flows.flows).splitlines() == [
        "column  carries                from               through  verdict",
        "income  user.financial.salary  pay.slips.gross    band     removed by band",
        "n       user.performance       hr.reviews.rating  -        allowed",
    ]
