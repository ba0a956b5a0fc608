import gzip
import re

import pytest

from potable.estate.payroll import NAMESPACE


def test_one_file_a_month_with_the_period_in_its_root(payslips, estate):
    assert len(payslips) == 120
    assert next(iter(payslips)) == "payroll_2016-01.xml.gz"
    first = gzip.decompress((estate.directory / "payroll" / "payroll_2016-01.xml.gz").read_bytes())
    assert f'<pay:payroll xmlns:pay="{NAMESPACE}" period="2016-01" company='.encode() in first


def test_gzip_header_carries_neither_time_nor_name(estate):
    raw = (estate.directory / "payroll" / "payroll_2016-01.xml.gz").read_bytes()
    assert raw[3] == 0
    assert raw[4:8] == b"\0\0\0\0"


def test_the_schema_changes_halfway(payslips):
    versions = [{slip["version"] for slip in slips} for slips in payslips.values()]
    assert versions == [{"1"}] * 60 + [{"2"}] * 60
    assert all("grossUsd" in slip for slips in payslips.values() for slip in slips)


def test_header_counts_the_payslips_that_follow(estate, payslips):
    for name, slips in payslips.items():
        head = gzip.decompress((estate.directory / "payroll" / name).read_bytes())[:600]
        assert int(re.search(rb"<pay:payslips>(\d+)<", head).group(1)) == len(slips)


DEFECTS = {
    ("empNo", "missing"): lambda slip: slip["empNo"] == "",
    ("empNo", "orphan"): lambda slip: slip["empNo"].startswith("E9"),
    ("empNo", "case"): lambda slip: slip["empNo"].startswith("e"),
    ("empNo", "blanks"): lambda slip: slip["empNo"] != slip["empNo"].strip(),
    ("nationalId", "placeholder"): lambda slip: slip["nationalId"] in ("999999999999", "NA", ""),
    ("gross", "impossible"): lambda slip: slip["gross"].startswith("-"),
    ("gross", "mistyped"): lambda slip: slip["gross"] == "12,5O0.00",
    ("overtimeHours", "impossible"): lambda slip: slip["overtimeHours"] == "-5",
    ("overtimeHours", "mistyped"): lambda slip: slip["overtimeHours"] == "n/a",
    ("payDate", "impossible"): lambda slip: slip["payDate"] == "31.02.2014",
    ("payDate", "outdated"): lambda slip: slip["payDate"][:1] == "2" and slip["payDate"][:7] != slip["id"][:7],
}


@pytest.mark.parametrize(("column", "reason"), DEFECTS, ids=" ".join)
def test_a_defect_is_where_the_truth_says_and_nowhere_else(column, reason, payslips, bad):
    broken = DEFECTS[column, reason]
    seen = {f"{name}#{at}" for name, slips in payslips.items() for at, slip in enumerate(slips, 1) if broken(slip)}
    assert seen == set(bad["payslips", column, reason])
    assert seen


def test_duplicates_are_the_second_of_two_equal_payslips(payslips, bad):
    twice = set()
    for name, slips in payslips.items():
        seen = {}
        for at, slip in enumerate(slips, 1):
            if slip["id"] in seen:
                assert slip == seen[slip["id"]]
                twice.add(f"{name}#{at}")
            seen[slip["id"]] = slip
    assert twice == set(bad["payslips", "", "duplicate"])


def test_net_is_gross_less_deductions_and_dollars_follow_the_rate(payslips):
    slips = [slip for slip in payslips["payroll_2020-05.xml.gz"] if slip["gross"].replace(".", "").isdigit()]
    assert all(0 < float(slip["net"]) < float(slip["gross"]) for slip in slips)
