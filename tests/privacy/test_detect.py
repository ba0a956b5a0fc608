from __future__ import annotations

import hashlib
import random
import uuid

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from potable.privacy import checksums
from potable.privacy.detect import PATTERNS, candidates, count, spans
from potable.privacy.folding import plain

FOUND = {
    "email": ["anna.mueller+x@corp.co.uk", "<a@b.example>", "ANNA@CORP"],
    "written_email": [
        "anna.mueller (at) corp.example", "anna[at]corp.co.uk", "ANNA {at} corp (dot) example", "a_b(at)uni(punkt)example",
        "anna [ät] corp-x.example", "anna(@)corp.example",
    ],
    "encoded_email": ["anna.mueller%40corp.example", "mailto:anna%2Emueller%40corp%2Eexample", "?to=anna%40corp.co.uk&x=1"],
    "phone": [
        "+49 (0) 151 12 34 567", "0151/1234567", "(212) 555-0123", "212.555.0123", "+91-9876543210", "98765-43210",
        "09876543210", "(07701) 234567", "+44 (0)7701234567", "13812345678", "138-1234-5678", "138 1234 5678", "8 (912) 345-67-89", "89123456789", "8 912 345 67 89",
        "0049 151 1234567", "01.02.2019 0151 1234567",
    ],
    "iban": ["DE89 3704 0044 0532 0130 00 and more", "GB29NWBK60161331926819", "de89370400440532013000"],
    "card": ["4111 1111 1111 1111", "378282246310005", "5500-0000-0000-0004"],
    "aadhaar": ["2341 2341 2346", "234123412346", "2341-2341-2346"],
    "pan": ["ABCPK1234F", "abcpk1234f"],
    "ssn": ["219-09-9999", "219 09 9999"],
    "nino": ["AB123456C", "ab 12 34 56 c"],
    "steuer_id": ["86095742719", "86 095 742 719"],
    "resident_id": ["11010519491231002X", "11010519491231002x"],
    "resident_number": ["901231-1234567", "020229 - 4123456"],
    "thai_id": ["1-1017-00230-70-8", "1 1017 00230 70 8"],
    "emirates_id": ["784-1984-1234567-4", "784198412345674"],
    "snils": ["112-233-445 95", "112-233-445-95"],
    "passport": ["Passport No. C01X00T47", "Reisepass C01X00T47"],
    "ip": ["10.0.0.1", "fe80::1ff:fe23:4567:890a"],
    "url": ["https://anna:secret@host.example/x"],
    "profile": ["linkedin.com/in/anna-m"],
    "address": ["12 High Street", "12b Old Mill Lane", "Hauptstraße 12b", "Lindenallee 4"],
}  # fmt: skip
CHANCE = [
    "on 01.02.2019 10:00", "2019-03-01T10:00:00", "01-02-2019 - 03-04-2020", "1,234,567.00", "1.234.567,00 EUR",
    "2018-2019", "30000-60000", ">=100000", "12:30:45", "version 1.2", "0.123456789", "5 units @ 10", "E123456",
    "2341 2341 2347", "110105194912310021", "1-1017-00230-70-7", "784-1984-1234567-2", "112-233-445 96", "901331-1234567",
    "12345678901", "4111 1111 1111 1112", "666-12-3456", "219-00-9999", "QQ123456C", "GB123456C", "86095742710",
    "ABCXK1234F", "300.1.2.3", "look (at) this", "hours (at 3.5)", "open (at) night. Then", "(dot)", "12 of the 30 days",
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FOUND.items() for text in texts])
def test_each_form_is_found(kind, text):
    assert kind in {pattern.kind for _, pattern in spans(f"see {text}.")}
    assert kind in {pattern.kind for _, pattern in spans(text)}


@pytest.mark.parametrize("text", CHANCE)
def test_dates_amounts_and_numbers_with_a_wrong_check_digit_are_not(text):
    assert not list(spans(text))


def test_a_wrong_check_digit_is_no_iban():
    assert "iban" not in {pattern.kind for _, pattern in spans("DE89 3704 0044 0532 0130 01")}


def test_only_the_iban_of_a_match_is_its_span():
    text = "to DE89 3704 0044 0532 0130 00 by noon"
    assert "DE89 3704 0044 0532 0130 00" in [text[a:b] for (a, b), p in spans(text) if p.kind == "iban"]


def test_a_true_match_inside_a_chance_match_is_found():
    assert [p.kind for _, p in spans("1111 2341 2341 2346") if p.kind == "aadhaar"] == ["aadhaar"]


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.text(max_size=40),
        st.text("0123456789 .-/()+@:abAB", max_size=40),
        st.tuples(
            st.text(max_size=9),
            st.sampled_from([text for texts in FOUND.values() for text in texts]),
            st.text(max_size=9),
        ).map("".join),
    )
)
def test_the_sieve_lets_through_whatever_the_form_matches(text):
    text = plain(text)
    maybe = candidates(pa.array([text])).get(0, [])
    assert list(spans(text, maybe)) == list(spans(text))


def test_a_part_of_an_array_has_the_candidates_of_its_texts():
    texts = ["a@b.example", "", "call 0151 1234567", "é 219-09-9999", "x", "5 High Street", "1234567"]
    for first in range(len(texts) + 1):
        for last in range(first, len(texts) + 1):
            part = pa.array(texts, pa.string())[first:last]
            assert candidates(part) == candidates(pa.array(texts[first:last], pa.string()))


def test_values_are_counted_by_kind():
    values = pa.array(["a@b.example", "x", None, "c@d.example 219-09-9999", "12 High Street"])
    assert count(values) == {"email": 2, "ssn": 1}
    assert count(pa.array([], pa.string())) == {}


def test_exotic_digits_are_digits():
    assert count(pa.array(["２１９-０９-９９９９", "٢١٩-٠٩-٩٩٩٩"])) == {"ssn": 2}


@given(st.from_regex(r"[2-9][0-9]{10}", fullmatch=True))
def test_one_of_ten_check_digits_is_right(stem):
    assert sum(checksums.aadhaar(stem + digit) for digit in "0123456789") == 1
    assert sum(checksums.luhn(stem + digit) for digit in "0123456789") == 1


def test_kinds_are_distinct():
    assert len({pattern.kind for pattern in PATTERNS}) == len(PATTERNS)


def test_numbers_that_systems_draw_are_no_identifiers_by_chance():
    draw = random.Random(1)
    drawn = [str(uuid.UUID(int=draw.getrandbits(128), version=4)) for _ in range(2_000)]
    assert count(pa.array(drawn)) == count(pa.array([f"ticket {text.upper()}." for text in drawn])) == {}
    # digits alone may be anything, and what stands beside one counts
    assert "card" in count(pa.array(["00000000-0000-0000-4111-111111111111"]))
    assert count(pa.array([f"{drawn[0]} a@b.org"])) == {"email": 1}
    assert count(pa.array([f"{drawn[0]}-4111111111111111"])) == {"card": 1}


DIGESTS = st.tuples(st.binary(min_size=4), st.sampled_from(["md5", "sha1", "sha256"]), st.booleans()).map(
    lambda drawn: cased(hashlib.new(drawn[1], drawn[0], usedforsecurity=False).hexdigest(), upper=drawn[2])
)
REAL = {
    "email": "a@b.org",
    "card": "4111 1111 1111 1111",
    "ssn": "219-09-9999",
    "phone": "+49 30 901820",
    "iban": "GB82WEST12345698765432",
}


def cased(text: str, *, upper: bool) -> str:
    return text.upper() if upper else text


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha256"])
def test_digests_in_hexadecimal_are_no_identifiers_by_chance(kind):
    drawn = [hashlib.new(kind, bytes([n % 256, n >> 8]), usedforsecurity=False).hexdigest() for n in range(5_000)]
    assert count(pa.array(drawn)) == count(pa.array([f"sha:{text.upper()}; ok" for text in drawn])) == {}


@given(DIGESTS, st.sampled_from([*REAL]), st.sampled_from([" ", ", ", "\n", " / ", ": "]), st.booleans())
def test_what_stands_beside_a_digest_counts(digest, kind, between, first):
    parts = [REAL[kind], digest] if first else [digest, REAL[kind]]
    assert count(pa.array([between.join(parts)])) == {kind: 1}


@given(DIGESTS)
def test_an_identifier_written_on_to_a_digest_or_into_digits_alone_counts(digest):
    assert "card" in count(pa.array([f"{digest}-4111111111111111"]))
    assert "card" in count(pa.array([f"{digest[:-1]}z 4111111111111111"]))
    # digits alone, or of another length, may be anything
    assert "aadhaar" in count(pa.array(["x499118665246x" + digest[:18]]))
    assert "ssn" in count(pa.array([f"{digest[:9]} 219-09-9999 {digest[20:]}"]))


def test_digits_alone_of_the_length_of_a_digest_are_searched():
    assert count(pa.array(["4111111111111111" + " " + "0" * 15])) == {"card": 1}
    assert count(pa.array(["a4111111111111111" + "a" * 14])) == {"card": 1}
    assert count(pa.array(["a4111111111111111" + "a" * 15])) == {}


@pytest.mark.parametrize("repeated", ["a-", "é-", "1-a-", "x1 a-", "a" * 99 + "-5 ", "a.b-"])
def test_the_time_of_a_search_does_not_grow_with_the_square_of_a_hostile_text(repeated):
    # by the square it would be hours
    text = repeated * (200_000 // len(repeated)) + " weg 5"
    assert "address" not in [pattern.kind for _, pattern in spans(text)]


def test_a_street_may_have_a_long_name():
    street = "Freiherr-vom-und-zum-Stein-von-der-Marwitz-Gedächtnis-Straße 12 a"
    assert [street[slice(*span)] for span, _ in spans(street)] == [street]
