"""What identifiers are found by, against the rules said once more, one identifier after the other."""

from __future__ import annotations

import hashlib
import re
import unicodedata

import pyarrow as pa
from hypothesis import strategies as st
from tests.oracles.test_spelled import IDENTIFIERS
from tests.tried import tried

from potable.datasets import sought

NAMES = ("name", "full_name", "address")


def words(text: str) -> list[str]:
    bare = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return re.findall(
        r"[^\W_]+", "".join(char for char in bare if unicodedata.category(char) not in ("Mn", "Me", "Cf"))
    )


def texts(kind: str, value: str) -> set[str]:
    umlauts = re.sub("([aou])\u0308", r"\1e", value.lower().replace("ä", "ae").replace("ö", "oe").replace("ü", "ue"))
    found = {"".join(words(value)), "".join(words(umlauts))}
    if kind in NAMES:
        found |= {re.sub("(?<=[aou])e", "", text) for text in found}
    digits = "".join(char for char in "".join(words(value)) if char.isdigit()).lstrip("0")
    if kind == "phone" and len(digits) >= 9:
        found.add(f"tail {digits[-9:]}")
    return found - {""}


def telling(kind: str, value: str) -> bool:
    whole = "".join(words(value))
    if kind in NAMES:
        full = re.compile("[\u4e00-\u9fff\u3400-\u4dbf々]{2,}|[\u1100-\u11ff]{6,}|[\U00020000-\U0003ffff]{2,}")
        return len(words(value)) > 1 or (kind == "full_name" and any(map(full.fullmatch, words(value))))
    if whole.isdigit():
        return len(whole) >= 9
    return "@" in value or (len(whole) >= 6 and re.search(r"\d", whole) is not None)


def number(kind: str, value: str) -> int | None:
    digits = re.sub("[^0-9]", "", value)
    return int(digits) if kind not in (*NAMES, "email") and 0 < len(digits) <= 18 else None


def digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), signed=True)


@tried(200, st.lists(IDENTIFIERS, max_size=6))
def test_identifiers_are_found_by_exactly_these(identifiers):
    columns = zip(*identifiers, strict=True) if identifiers else ([], [], [])
    batch = pa.record_batch([pa.array(column, pa.string()) for column in columns], ["subject", "kind", "value"])
    expected = [
        (subject, digest(text), kind, telling(kind, value), number(kind, value))
        for subject, kind, value in identifiers
        for text in texts(kind, value)
    ]
    assert sorted(map(repr, map(tuple, (row.values() for row in sought.made(batch).to_pylist())))) == sorted(
        map(repr, expected)
    )
