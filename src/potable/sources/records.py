"""Records that are JSON objects: read without loss, values found by dotted paths, as texts.

What several connectors share (REST pages, messages of a stream). Numbers keep their own digits. How bytes
are cut into records is each connector's business; typing is that of `typed`.

Entry: `read_json`, and `column` for the texts of many records.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, KeysView, Sequence
from typing import Any, TypeAlias

from potable.sources.cells import Cells, Number, apart, texts
from potable.sources.keypaths import joined, steps


def read_json(data: bytes | str, number: type[str] = str) -> Any:
    """The document, numbers as their own text, or as `number`.

    Raises:
        ValueError: it is not JSON, has NaN or Infinity, or is nested too deeply.
    """
    try:
        text = data if isinstance(data, str) else _decoded(data)
        return _whole(_READERS[number], text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_line(text: str) -> Any:
    """The document of a line that was written by us, numbers as numbers.

    Raises:
        ValueError: it is not JSON.
    """
    return _whole(_LINES, text)


def _whole(reader: json.JSONDecoder, text: str) -> Any:
    """All of `text` as one document; the short way where no blanks surround it."""
    try:
        value, end = reader.raw_decode(text)
    except ValueError:
        value, end = None, -1
    return value if end == len(text) else reader.decode(text)


def _decoded(data: bytes) -> str:
    head = data[:4]
    return data.decode("utf-8" if head and head[0] < 0x80 and 0 not in head else json.detect_encoding(data))


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# made once: making one takes longer than reading a short record
_READERS = {
    number: json.JSONDecoder(parse_float=number, parse_int=number, parse_constant=_refused) for number in (str, Number)
}
_LINES = json.JSONDecoder()
_Form: TypeAlias = tuple[tuple[str, "_Form | None"], ...]
_NESTED = re.compile(r'^"|\.')


def at(value: Any, path: str) -> Any:
    """What stands at a dotted path of `value`; None where nothing does."""
    for part in steps(path):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def column(records: Sequence[Any], paths: tuple[str, ...], *, told: bool = False) -> Cells:
    """The texts at the first of `paths` that has a value, record by record; numbers `told` apart from them."""
    values = [record.get(paths[0]) for record in records] if not _NESTED.search(paths[0]) else _deep(records, paths[0])
    for path in paths[1:]:
        values = [at(record, path) if value is None else value for record, value in zip(records, values, strict=True)]
    found = texts([value if value is None or type(value) is str else text_of(value) for value in values])
    return apart(found, [type(value) is Number for value in values]) if told else found


def text_of(value: Any) -> str:
    """The text of a value that is neither a text nor null."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)


def leaves(records: Iterable[Any], signs: str = "") -> KeysView[str]:
    """Dotted paths of all values in some objects that are no objects, in the order they are met.

    Args:
        signs: what begins a path that is none of keys.
    """
    # most have the form of one before
    forms = dict.fromkeys(map(_form, records))
    return dict.fromkeys(path for form in forms for path in _paths(form, "", signs)).keys()


def _form(record: dict[str, Any]) -> _Form:
    """The keys of an object, and of the objects in it."""
    return tuple([(name, _form(value) if isinstance(value, dict) else None) for name, value in record.items()])


def _paths(form: _Form, path: str, signs: str) -> Iterator[str]:
    for name, inner in form:
        here = joined(path, name, signs)
        yield from [here] if inner is None else _paths(inner, here, signs)


def _deep(records: Sequence[Any], path: str) -> list[Any]:
    values = list(records)
    for part in steps(path):
        values = [value.get(part) if type(value) is dict else None for value in values]
    return values
