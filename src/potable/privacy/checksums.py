"""Check digits and issuing rules of the numbers that name a person.

Each function takes the number as found, punctuation included, and says whether it could have been issued.
Sources: Verhoeff 1969 (Aadhaar), Luhn 1960 / ISO 7812 (cards), ISO 13616 and ISO 7064 MOD 97-10 (IBAN),
ISO 7064 MOD 11,10 (Steuer-ID), SSA's and HMRC's prefix rules (SSN, NINO), GB 11643 / ISO 7064 MOD 11-2 (China), the
rules for citizens of Thailand and for Russia's SNILS.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import date

_PUNCTUATION = re.compile(r"[^0-9A-Za-z]")
_D5 = [
    *("0123456789", "1234067895", "2340178956", "3401289567", "4012395678"),
    *("5987604321", "6598710432", "7659821043", "8765932104", "9876543210"),
]
_P8 = [
    *("0123456789", "1576283094", "5803796142", "8916043527"),
    *("9453126870", "4286573901", "2793806415", "7046913258"),
]
# lengths of the IBANs of the countries in the SWIFT registry
_IBAN_LENGTHS = {
    length: codes.split()
    for length, codes in {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
}
_IBAN_LENGTH = {code: length for length, codes in _IBAN_LENGTHS.items() for code in codes}


def compact(text: str) -> str:
    """Letters and digits of `text`, in capitals."""
    return _PUNCTUATION.sub("", text).upper()


def luhn(text: str) -> bool:
    """Whether the last digit checks the others by Luhn's rule."""
    digits = [int(char) for char in compact(text)][::-1]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def card(text: str) -> bool:
    """Whether it is a payment card number: 13 to 19 digits of a known network, Luhn."""
    digits = compact(text)
    return 13 <= len(digits) <= 19 and digits[0] in "23456" and luhn(digits)


def iban_length(text: str) -> int:
    """How many characters of `text`, from its start, are an IBAN; 0 if none are."""
    letters = compact(text)
    length = _IBAN_LENGTH.get(letters[:2], 0)
    if not length or len(letters) < length:
        return 0
    moved = letters[4:length] + letters[:4]
    if int("".join(str(int(char, 36)) for char in moved)) % 97 != 1:
        return 0
    seen = 0
    for offset, char in enumerate(text):
        seen += char.isalnum()
        if seen == length:
            return offset + 1
    return 0


def aadhaar(text: str) -> bool:
    """Whether it is an Aadhaar number: twelve digits from 2 up, Verhoeff."""
    digits = compact(text)
    if len(digits) != 12 or digits[0] in "01":
        return False
    state = "0"
    for place, digit in enumerate(reversed(digits)):
        state = _D5[int(state)][int(_P8[place % 8][int(digit)])]
    return state == "0"


def pan(text: str) -> bool:
    """Whether it is an Indian PAN: its fourth letter is a kind of holder."""
    return compact(text)[3] in "ABCEFGHJLPT"


def ssn(text: str) -> bool:
    """Whether it is a US SSN (or ITIN) that could have been issued."""
    digits = compact(text)
    return digits[:3] not in ("000", "666") and digits[3:5] != "00" and digits[5:] != "0000"


def nino(text: str) -> bool:
    """Whether it is a UK National Insurance number with an allowed prefix."""
    prefix = compact(text)[:2]
    allowed = prefix[0] not in "DFIQUV" and prefix[1] not in "DFIOQUV"
    return allowed and prefix not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")


def steuer_id(text: str) -> bool:
    """Whether it is a German tax id: one of ten digits twice or thrice, MOD 11,10."""
    digits = compact(text)
    repeats = sorted(digits[:10].count(digit) for digit in set(digits[:10]))
    if len(digits) != 11 or repeats[-1] not in (2, 3) or repeats[-2:-1] not in ([1], []):
        return False
    product = 10
    for digit in digits[:10]:
        product = (((int(digit) + product) % 10 or 10) * 2) % 11
    return (11 - product) % 10 == int(digits[10])


def resident_id(text: str) -> bool:
    """Whether it is a Chinese resident's number: a day of birth in its midst, MOD 11-2."""
    try:
        date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    total = sum(int(digit) * (1 << 17 - place) for place, digit in enumerate(text[:17]))
    return "10X98765432"[total % 11] == text[17].upper()


def thai_id(text: str) -> bool:
    """Whether it is a Thai citizen's number: the last of thirteen digits checks the others."""
    digits = compact(text)
    total = sum(int(digit) * (13 - place) for place, digit in enumerate(digits[:12]))
    return (11 - total % 11) % 10 == int(digits[12])


def snils(text: str) -> bool:
    """Whether it is a number of Russia's pension insurance: the last two of eleven digits check the others."""
    digits = compact(text)
    total = sum(int(digit) * (9 - place) for place, digit in enumerate(digits[:9]))
    return total % 101 % 100 == int(digits[9:])


def ip_address(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
