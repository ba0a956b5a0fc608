import hashlib
import json
from pathlib import Path

import pytest

from potable.estate import make
from potable.estate.environment import read_environment


def digests(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != "estate.env"
    }


def test_same_numbers_same_bytes_other_seed_other_bytes(tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        make(tmp_path / name, employees=120, years=4, seed=seed)
    one, two, other = (digests(tmp_path / name) for name in "abc")
    assert one == two
    assert len(one) > 80
    shared = one.keys() & other.keys()
    assert {name for name in shared if one[name] == other[name]} == set()


def test_making_again_replaces_the_earlier_estate(tmp_path):
    make(tmp_path / "a", employees=60, years=4, seed=1)
    make(tmp_path / "a", employees=40, years=2, seed=2)
    make(tmp_path / "b", employees=40, years=2, seed=2)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_summary_and_environment_say_what_is_there(estate):
    systems = json.loads((estate.truth / "summary.json").read_text())["systems"]
    environment = read_environment(estate.directory)
    assert set(environment) == {
        "HRMS_URL",
        "PAYROLL_EXPORTS",
        "LMS_URL",
        "LMS_TOKEN",
        "REVIEW_DUMPS",
        "EXIT_INTERVIEWS",
    }
    assert Path(environment["HRMS_URL"].removeprefix("sqlite:///")).is_file()
    for name, variable, pattern in (
        ("payroll", "PAYROLL_EXPORTS", "*.xml.gz"),
        ("reviews", "REVIEW_DUMPS", "*.csv"),
        ("exit_interviews", "EXIT_INTERVIEWS", "*.docx"),
    ):
        files = list(Path(environment[variable]).glob(pattern))
        assert systems[name]["files"] == len(files)
        assert systems[name]["stored_bytes"] == sum(path.stat().st_size for path in files)


@pytest.mark.parametrize("numbers", [{"employees": 5}, {"years": 1}, {"seed": -1}])
def test_numbers_out_of_range_are_refused(tmp_path, numbers):
    with pytest.raises(ValueError, match="employees must be"):
        make(tmp_path, **numbers)
