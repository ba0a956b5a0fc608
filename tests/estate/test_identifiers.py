import numpy as np
import pytest

from potable.estate.draws import pick, stream
from potable.estate.identifiers import (
    CHECKS,
    ID_TYPES,
    aadhaar_ok,
    national_ids,
    nino_ok,
    ssn_ok,
    steuer_id_ok,
)
from potable.estate.names import COUNTRY_SHARE


def test_every_made_number_passes_its_own_rule_and_is_unique():
    rng = stream(3, "test")
    kinds, values = national_ids(rng, pick(rng, COUNTRY_SHARE, 5000), ["Q"] * 5000)
    texts = values.to_pylist()
    assert all(CHECKS[ID_TYPES[kind]](text) for kind, text in zip(kinds.tolist(), texts, strict=True))
    assert len(set(texts)) == 5000
    assert set(np.unique(kinds)) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("digit", range(12))
def test_aadhaar_check_finds_every_single_wrong_digit(digit):
    right = national_ids(stream(1, "one"), np.zeros(1, np.int64), ["A"])[1][0].as_py()
    right = right if right.isdigit() else "234123412346"
    assert aadhaar_ok(right)
    wrong = [right[:digit] + other + right[digit + 1 :] for other in "0123456789" if other != right[digit]]
    assert not any(map(aadhaar_ok, wrong))


@pytest.mark.parametrize(
    ("check", "good", "broken"),
    [
        # the tax office's published example, and the same with another last digit
        (steuer_id_ok, "86095742719", ["86095742710", "12345678901", "01234567890", "11123456789"]),
        (ssn_ok, "123-45-6789", ["000-45-6789", "666-45-6789", "900-45-6789", "123-00-6789", "123-45-0000"]),
        (nino_ok, "AB123456C", ["BG123456C", "DA123456C", "AO123456C", "AB123456E"]),
        (aadhaar_ok, "234123412346", ["234123412345", "134123412346"]),
    ],
)
def test_checks_know_published_numbers_from_broken_ones(check, good, broken):
    assert check(good)
    assert [text for text in broken if check(text)] == []


def test_the_placeholder_has_a_right_aadhaar_check_digit_but_is_never_given_out(truth):
    assert aadhaar_ok("999999999999")
    assert "999999999999" not in {row["value"] for row in truth("identifiers")}
