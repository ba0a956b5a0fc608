"""Objects keyed by people: `{"E10023": {…}, "E10024": {…}}` has a key per person, and no columns.

A contract is a file that many read, and the key of an object may be a person's number or name. What a key looks like
beside its siblings decides; words that stand in headings everywhere (`potable.headings`) tell of nobody.

Entry: `keyed`, and `offered` for what is left to make columns of.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from potable.errors import DataError
from potable.headings import familiar, tells_nobody
from potable.privacy import detect
from potable.privacy.shapes import shape
from potable.projectfiles import REFERS
from potable.sources.keypaths import dotted, steps
from potable.sources.preview import Preview
from potable.tables import MISTYPED

BY_PEOPLE = (
    "its records are keyed by what looks like numbers, addresses or names of people, which become no columns; it has "
    "to be exported as a list of records that hold them as values"
)
_ATTRIBUTE = re.compile("(?:^|/)@")
_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)
_YEAR = re.compile(r"(?<!\d)(19|20)\d\d([-/.]?(0[1-9]|1[0-2])([-/.]?[0-3]\d)?)?(?!\d)")
_RUN = re.compile(r"[^\W\d_]+")
_PEOPLE = re.compile(
    "(emp(loyee)?|staff|person(nel)?|user|worker|member|client|customer|patient|student|mitarbeiter|kunde|pers)s?",
    re.IGNORECASE,
)
"""Words before the number of somebody; other words that are known (`customfield_10010`) number things."""
_NAME = re.compile(r"[^\W\d_a-z][^\W\d_]+,?[ ._-]+([^\W\d_][ ._-]+)?[^\W\d_a-z][^\W\d_]+", re.DOTALL)
"""Two words with capitals, in scripts that have them."""
_VALUE = re.compile(r"[-+]?[0-9][-+0-9.,:/T ]*")
"""A number, a day or a moment."""
_DIGITS, _LETTERS = 4, 4
"""Digits of a number that is not counted by hand, and letters of an abbreviation before it."""


@dataclass(frozen=True)
class Keyed:
    """Which paths lead through a key that may be a person."""

    hidden: frozenset[str] = frozenset()
    maps: tuple[str, ...] = ()
    """Paths of the objects around these keys, where they have one."""


def writable(texts: Iterable[str]) -> bool:
    """Whether texts of a source may stand in a project file: one that reads like a reference would become a secret."""
    return not any(REFERS in text for text in texts)


def nameable(path: str, *, fixed: bool = False) -> bool:
    """Whether what is found at `path` can be declared: by its name it is no reference, and no person's.

    Args:
        fixed: the names are those of the columns of a table, so that a contract without one of them fits nothing.
    """
    return writable([path]) and (fixed or not _telling(path))


def offered(item: Preview, *, fixed: bool) -> list[str]:
    """What columns can take, in order; of an object that is keyed by people, all of it as one text.

    Args:
        fixed: the names are those of the columns of a table.
    """
    seen, found = list(item.seen or ()), Keyed() if fixed else keyed_in(item)
    paths = [*(path for path in seen if path not in found.hidden), *found.maps]
    return [path for path in dict.fromkeys(paths) if nameable(path, fixed=fixed)]


def require_headings(name: str, seen: Mapping[str, Preview]) -> None:
    """Refuse tables of source `name`, all of whose columns have a heading, where one holds an address or number.

    Raises:
        DataError: D007, with the places of these headings.
    """
    for table, item in seen.items():
        if places := [str(place) for place, heading in enumerate(item.seen or (), 1) if _telling(heading)]:
            raise DataError(
                f"an address or a number of somebody stands where names of columns of `{name}.{table}` should be",
                "D007",
                given=f"column{'s' * (len(places) > 1)} {', '.join(places)}",
                hint="is there no header (for CSV: `header: false`, and `names`)? A table with a column per person "
                "has to be exported with a row per person",
                state="nothing was written",
            )


def odd_headings(item: Preview) -> Iterator[str]:
    """What to ask where the names of columns look like something else."""
    odd = pc.match_substring_regex(item.rows[MISTYPED], "fields instead of")
    if item.dialect and len(item.seen or ()) == 1:
        # the only name may be a title over columns that another sign parts
        odd = pc.or_(pc.fill_null(odd, False), pc.fill_null(pc.match_substring_regex(item.rows[0], "[;\t|,]"), False))
    if 2 * (pc.sum(odd).as_py() or 0) > item.rows.num_rows:
        yield "# do lines before the header have to be skipped (`skip_lines`)? Most records have more fields"
    if item.dialect and item.seen and all(_VALUE.fullmatch(name) for name in item.seen):
        yield "# is there no header (`header: false`, and `names`)? The names of all columns look like values"


def still_seen(now: Mapping[str, Preview], before: Mapping[str, Preview]) -> dict[str, Preview]:
    """What is seen `now`, and what was seen `before` of tables keyed by people: read whole, these keys are hid."""
    found = dict(now)
    for table, old in before.items():
        if keyed_in(old).maps:
            both = dict.fromkeys([*(old.seen or ()), *(now[table].seen or ())]).keys()
            found[table] = replace(now[table], seen=both, children={**old.children, **now[table].children})
    return found


def keyed_in(item: Preview) -> Keyed:
    """What was seen of a table that leads through keys that may be people."""
    return keyed({**dict.fromkeys(item.seen or ()), **item.children})


def keyed(paths: Collection[str]) -> Keyed:
    """What leads through keys that may be people, of all that was seen in the records of a table."""
    ways = {path: _keys(path) for path in paths}
    below: dict[tuple[str, ...], dict[str, None]] = {}
    for way in ways.values():
        for place, key in enumerate(way):
            below.setdefault(way[:place], {})[key] = None
    people = {place: found for place, keys in below.items() if (found := _people(keys, root=not place))}
    hidden = {
        path for path, way in ways.items() if any(key in people.get(way[:place], ()) for place, key in enumerate(way))
    }
    within = [place for place in people if place and not any(_through(place, people))]
    slashed = any("/" in path for path in paths)
    return Keyed(frozenset(hidden), () if slashed else tuple(dict.fromkeys(map(dotted, within))))


def _telling(name: str) -> bool:
    """Whether an address or a number that can be told by its form stands in a name."""
    # attributes have the sign of an address before their names
    return bool(detect.count(pa.array([_ATTRIBUTE.sub(" ", name)])))


def _through(way: tuple[str, ...], people: Mapping[tuple[str, ...], Collection[str]]) -> Iterable[bool]:
    return (key in people.get(way[:place], ()) for place, key in enumerate(way))


def _keys(path: str) -> tuple[str, ...]:
    """The keys, or the elements, that a path leads through."""
    return tuple(path.split("/")) if "/" in path else steps(path)


def _people(keys: Iterable[str], *, root: bool) -> frozenset[str]:
    """Those keys of an object that may be people's; of a record itself (`root`) names are those of its columns."""
    keys = [key for key in keys if not key.startswith(("@", "#"))]
    sure = {key for key in keys if _UUID.fullmatch(key) or _telling(key)}
    forms = Counter(shape(key) for key in keys if _numbered(key))
    coded = {key for key in keys if _numbered(key) and forms[shape(key)] > 1}
    named = {key for key in keys if _NAME.fullmatch(key) and not tells_nobody(key)}
    if root or len(named) < 2 or 2 * len(named) < len(keys):
        named = set()
    if coded or named:
        # beside people, whatever is no known word may be one
        named |= {key for key in keys if not tells_nobody(key)}
    return frozenset(sure | coded | named)


def _numbered(key: str) -> bool:
    """Whether a key is a number, or has one behind letters that no heading has."""
    if sum(map(str.isdigit, _YEAR.sub("", key))) < _DIGITS:
        return False
    return all(
        _PEOPLE.fullmatch(run) or (len(run) <= _LETTERS and run not in familiar(run)) for run in _RUN.findall(key)
    )
