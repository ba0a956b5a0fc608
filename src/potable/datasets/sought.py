"""What the leak scan finds identifiers by: digests of their letters and digits, and the numbers they are.

The texts of a dataset are folded and digested by the same rules. Nothing here is the redactor's, so that a mistake
there does not hide here. Entry: `digests`.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import chain, compress
from typing import TYPE_CHECKING, NamedTuple

from potable.engines.base import Engine

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

WORD = re.compile(r"[^\W_]+")
LONG_NUMBER = 9
_LONG_CODE = 6
_MOST_DIGITS = 18
_NO_DIGIT = re.compile("[^0-9]+")
_HAN, _KOREAN = "\u3005\u3400-\u9fff\U00020000-\U0003ffff", "\u1100-\u11ff"
UNBROKEN = f"{_HAN}{_KOREAN}\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff"
"""Letters of scripts that have no blanks between words, or write particles as one with them; Korean is decomposed."""
_UNBROKEN = re.compile(f"[{UNBROKEN}]+")
_FULL_NAME = re.compile(f"[{_HAN}]{{2,}}|[{_KOREAN}]{{6,}}")
_AMID, _AMID_KOREAN, _LONGEST_AMID = 3, 6, 24
"""Letters that are no name by chance amid others of such a script, and those of the longest."""
_DIGIT = re.compile(r"\d")
_UMLAUT = re.compile("[äöü]|[aou]\u0308")
_BARE = str.maketrans("äöü", "aou")
_NAMES = ("name", "full_name", "address")
_END = "\0"
"""Stands between texts; what is printable has none."""
_PRINTABLE = bytes(range(32, 127))
_SIGNS = re.sub(rb"[A-Za-z0-9]", b"", _PRINTABLE)
_NO_DIGITS = re.sub(rb"[0-9]", b"", _PRINTABLE)
_LOWER = bytes.maketrans(_PRINTABLE, _PRINTABLE.lower())
_APART = bytes.maketrans(_PRINTABLE, re.sub(rb"[^A-Za-z0-9]", b" ", _PRINTABLE))


def schema() -> pa.Schema:
    """Schema of the digests: whose (null for nobody's), digest, kind, telling, the number it is (or null)."""
    import pyarrow as pa

    return pa.schema(
        [
            ("subject", pa.string()),
            ("digest", pa.int64()),
            ("kind", pa.string()),
            ("telling", pa.bool_()),
            ("number", pa.int64()),
        ]
    )


def digests(identifiers: ir.Table, engine: Engine) -> ir.Table:
    """What `identifiers` (subject, kind, value) are found by, as `schema` says; can be consumed once."""
    return engine.map_batches(identifiers.select("subject", "kind", "value"), made, schema())


def made(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch of identifiers as the digests they are found by, without the identifiers."""
    import numpy as np
    import pyarrow as pa

    subjects, kinds, values = batch.columns
    coded, texts = kinds.dictionary_encode(), values.to_pylist()
    simple, shown = (np.fromiter(map(told, texts), np.bool_, len(texts)) for told in (str.isascii, str.isprintable))
    plain = simple & shown
    codes, none = coded.indices.to_numpy(), np.zeros(0, np.int64)
    rows, found, telling, numbers = [none], list[str](), [none.astype(np.bool_)], [none]
    for code, kind in enumerate(coded.dictionary.to_pylist()):
        for way, chosen in ((_together, plain), (_one_by_one, ~plain)):
            mine = ((codes == code) & chosen).nonzero()[0]
            if len(mine):
                told = way(kind, [texts[row] for row in mine.tolist()])
                of = np.array(told.of, np.intp)
                rows.append(mine[of])
                found += told.texts
                telling.append(np.array(told.telling)[of])
                numbers.append(np.array(told.numbers)[of])
    places, number = pa.array(np.concatenate(rows)), np.concatenate(numbers)
    columns = [
        subjects.take(places),
        digested(found),
        kinds.take(places),
        np.concatenate(telling),
        pa.array(number, mask=number < 0),
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema(), strict=True)]
    return pa.record_batch(arrays, schema=schema())


class _Told(NamedTuple):
    """What identifiers of one kind are found by."""

    texts: list[str]
    of: list[int]
    """The number of the identifier that each text is of."""
    telling: list[bool]
    """By identifier: whether it cannot also be an ordinary word or a number that occurs by chance."""
    numbers: list[int]
    """By identifier: the number it is, or -1."""


def _one_by_one(kind: str, values: Sequence[str]) -> _Told:
    """What any identifiers of a kind are found by."""
    words = [WORD.findall(folded(value)) for value in values]
    found = [_texts(kind, value, parts) for value, parts in zip(values, words, strict=True)]
    of = [number for number, texts in enumerate(found) for _ in texts]
    telling = [_telling(kind, value, parts) for value, parts in zip(values, words, strict=True)]
    return _Told([*chain.from_iterable(found)], of, telling, [_number(kind, value) for value in values])


def _together(kind: str, values: Sequence[str]) -> _Told:
    """The same of identifiers in printable ASCII, many at once."""
    joined = _END.join(values).encode()
    low = joined.translate(_LOWER, _SIGNS).decode()
    texts, numbers = low.split(_END), [-1] * len(values)
    if kind in _NAMES:
        telling = [len(words.split()) > 1 for words in joined.translate(_APART).split(_END.encode())]
        more = [other if other != text else "" for other, text in zip(without_e(low).split(_END), texts, strict=True)]
    else:
        digits = joined.translate(None, _NO_DIGITS).decode().split(_END)
        rows = list(zip(texts, digits, values, strict=True))
        telling = [_unlike(value, text, numeric=text == found, digits=bool(found)) for text, found, value in rows]
        more = [_tail_of(found) for found in digits] if kind == "phone" else []
        if kind != "email":
            numbers = [int(found) if 0 < len(found) <= _MOST_DIGITS else -1 for found in digits]
    every, found = range(len(texts)), texts + more
    return _Told(list(filter(None, found)), list(compress([*every, *every], found)), telling, numbers)


def _texts(kind: str, value: str, parts: Sequence[str]) -> set[str]:
    """What stands for an identifier: its letters and digits, umlauts in three spellings; a number's last nine.

    `parts` are the words of `value`, folded.
    """
    text = "".join(parts)
    texts = {text}
    if not value.isascii():
        spelled = _UMLAUT.sub(lambda match: f"{match.group()[0].translate(_BARE)}e", value.lower())
        texts.add("".join(WORD.findall(folded(spelled))))
    if kind in _NAMES:
        texts |= {without_e(text) for text in texts}
    if kind == "phone":
        texts.add(_tail_of("".join(filter(str.isdigit, text))))
    return texts - {""}


def amid(word: str) -> set[str]:
    """What names may stand in a folded word that has others before or behind it without a blank."""
    found = set[str]()
    for match in _UNBROKEN.finditer(word):
        letters = match.group()
        least = _AMID_KOREAN if "\u1100" <= letters[0] <= "\u11ff" else _AMID
        for start in range(len(letters)):
            ends = range(start + least, min(start + _LONGEST_AMID, len(letters)) + 1)
            found.update(letters[start:end] for end in ends)
    return found


def _telling(kind: str, value: str, parts: Sequence[str]) -> bool:
    if kind in _NAMES:
        return len(parts) > 1 or (kind == "full_name" and any(map(_FULL_NAME.fullmatch, parts)))
    text = "".join(parts)
    return _unlike(value, text, numeric=text.isdigit(), digits=_DIGIT.search(text) is not None)


def _unlike(value: str, text: str, *, numeric: bool, digits: bool) -> bool:
    """Whether what is no name is unlike words and small numbers, `text` being its letters and digits."""
    if numeric:
        return len(text) >= LONG_NUMBER
    return "@" in value or (len(text) >= _LONG_CODE and digits)


def _number(kind: str, value: str) -> int:
    if kind in _NAMES or kind == "email":
        return -1
    digits = _NO_DIGIT.sub("", value)
    return int(digits) if 0 < len(digits) <= _MOST_DIGITS else -1


def _tail_of(digits: str) -> str:
    """What a telephone number is found by too, or nothing."""
    digits = digits.lstrip("0")
    return tail(digits) if len(digits) >= LONG_NUMBER else ""


def folded(text: str) -> str:
    """`text` in lower case and without accents."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(char for char in decomposed if unicodedata.category(char) not in ("Mn", "Me", "Cf"))


def without_e(text: str) -> str:
    """`text` without each e that stands for the dots of an umlaut, or may."""
    return text.replace("ae", "a").replace("oe", "o").replace("ue", "u")


def tail(digits: str) -> str:
    """What stands for all numbers with the same last digits."""
    return f"tail {digits[-LONG_NUMBER:]}"


def digested(texts: Iterable[str]) -> npt.NDArray[np.int64]:
    """A number for each text."""
    import numpy as np

    made = [hashlib.blake2b(text, digest_size=8).digest() for text in map(str.encode, texts)]
    return np.frombuffer(b"".join(made), ">i8").astype(np.int64)
