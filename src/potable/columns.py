"""What a contract says of one column: where it stands in the source, its type, whom it names, what it may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa
from pydantic import Field, field_validator, model_validator

from potable.declarations import Declaration

_DECIMAL = re.compile(r"decimal\((\d{1,2}),\s*(\d{1,2})\)")
_DIRECTIVES = frozenset("YymbdHIpMSfz")
"""Directives a `format` may use, each once."""
UNIX: Mapping[str, int] = {"unix_s": 1_000_000, "unix_ms": 1_000, "unix_us": 1}
"""Formats of moments that count from 1970, with the microseconds of one step."""
ACCOUNTING = "accounting"
"""Format of numbers as accounts are written: currency signs, thousands apart, negative in parentheses."""
_PLAIN: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "float": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}

BORN = "user.demographic.date_of_birth"
"""Category of dates whose century nobody can guess."""


class Column(Declaration):
    """One column of a contract."""

    path: str | list[str] = Field(default_factory=list)
    """Name or path in the source; several when it was renamed over the years. The column's own name by default."""
    type: str = "string"
    """string, integer, decimal(p,s), float, boolean, date or timestamp. Values are read without blanks around them, and
    an empty text is null."""
    format: str | list[str] = Field(default_factory=list)
    """strptime formats of a date or timestamp beside ISO 8601, tried in order; `unix_s`, `unix_ms` and `unix_us` count
    from 1970. For numbers, `accounting`: with or without a currency and thousands separators (`1,234.50`; with
    `decimal: ","` `1.234,50`), negative with a minus before or after it, or in parentheses (`(12.00 €)`). For booleans,
    the words for true and false, in any case: `J/N`, or several pairs; without it `true t yes y 1` and
    `false f no n 0`."""
    years_from: int | None = None
    """First of the hundred years that two digits (`%y`) mean: with 1925, `67` is 1967 and `24` is 2024. 1969 by
    default; for dates of birth it must be written."""
    timezone: str | None = None
    """Time zone of timestamps without an offset, such as `Europe/Berlin`; by default that of the source, or UTC. They
    are converted to UTC; an hour that occurs twice is taken as the first."""
    extract: str | None = None
    """RE2 pattern with one group, the value, searched in the text found (in a file name, say)."""
    required: bool = False
    """Whether a record without a value is quarantined."""
    key: str | None = None
    """Subject-key namespace (emp_no, email, national_id …): the value identifies the person the record is about, or,
    with `someone_else`, another person (and then links nobody)."""
    someone_else: bool = False
    """The value identifies somebody other than the person the record is about (a reviewer, a manager)."""
    reissued: bool | tuple[str, str] = False
    """Keys of this namespace may be given to somebody else later (an e-mail address, a telephone number), so they do
    not link people. If several people had the same key, a record belongs to the one who had it at the record's
    `time`, by the columns named here: first and last day (empty: still), as `[valid_from, valid_to]`. With `true` it
    belongs to nobody."""
    category: str | None = None
    """Privacy category; a key without one is `user.unique_id`, any other column without one stops the plan."""
    static: bool = False
    """In a table without history: the value never changes, so today's value was true at any as-of date."""
    levels: list[str] = Field(default_factory=list)
    """The ordered words this column may hold, lowest first."""
    null_values: list[str] = Field(default_factory=list)
    """Placeholders that mean "no value"."""
    decimal: Literal[".", ","] = "."
    """Decimal separator of a number written as text; with `,` a point groups thousands (`1.234,50`). Numbers of JSON,
    databases and workbooks are not affected."""
    on_error: Literal["quarantine", "null"] = "quarantine"
    """What happens to a value that is mistyped or fails a check: the whole record is quarantined, or only this cell
    becomes null."""

    @property
    def period(self) -> tuple[str, str] | None:
        """The columns with the first and the last day on which the key was its person's, where any tell."""
        return self.reissued if isinstance(self.reissued, tuple) else None

    @field_validator("reissued", mode="before")
    @classmethod
    def _true_or_two_columns(cls, value: object) -> object:
        two = isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(name, str) for name in value)
        if not (two or isinstance(value, bool)):
            raise ValueError("write `true`, or the columns of the first and last day: `[valid_from, valid_to]`")
        return value

    @field_validator("type")
    @classmethod
    def _known_type(cls, value: str) -> str:
        match = _DECIMAL.fullmatch(value)
        if value not in _PLAIN and not match:
            raise ValueError(f"unknown type; allowed: {', '.join(_PLAIN)}, decimal(p,s)")
        if match and not (1 <= int(match[1]) <= 38 and int(match[2]) <= int(match[1])):
            raise ValueError("decimal(p,s) has 1 to 38 digits, s of them after the point")
        return value

    @field_validator("extract")
    @classmethod
    def _one_group(cls, value: str | None) -> str | None:
        if value is not None and (value.count("(") != 1 or value.count("(?") or not is_re2(value)):
            raise ValueError("write an RE2 pattern with exactly one group, which is the value: `payroll_(.*)[.]xml`")
        return value

    @field_validator("format")
    @classmethod
    def _known_directives(cls, value: str | list[str]) -> str | list[str]:
        for form in [value] if isinstance(value, str) else value:
            if form in UNIX or value == ACCOUNTING or pair_of_words(form):
                continue
            used = re.findall(r"%(.?)", form)
            if not {"Y", "y"} & set(used) or len(used) != len(set(used)) or set(used) - _DIRECTIVES:
                raise ValueError(
                    "a format needs a year and may contain, each once, "
                    + " ".join(f"%{d}" for d in sorted(_DIRECTIVES))
                    + f"; or it is {', '.join(UNIX)}, of a number {ACCOUNTING}, or of a boolean its two words: J/N"
                )
            if ("I" in used) != ("p" in used) or {"I", "H"} <= set(used):
                raise ValueError("a format needs a year, and for the hour `%H`, or `%I` with `%p`")
        return value

    @field_validator("timezone")
    @classmethod
    def _a_place(cls, value: str | None) -> str | None:
        return require_timezone(value)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        number = self.type not in ("string", "boolean", "date", "timestamp")
        self._fitting_format(number)
        if self.timezone and self.type != "timestamp":
            raise ValueError("`timezone` is only for timestamps")
        if self.reissued and (not self.key or self.someone_else):
            raise ValueError("`reissued` is only for a `key` of the person the record is about")
        if self.decimal == "," and not number:
            raise ValueError("`decimal` is only for numbers")
        if self.levels and self.type != "string":
            raise ValueError("`levels` are words, so the column must have type string")
        if len({level.strip().lower() for level in self.levels}) != len(self.levels):
            raise ValueError("`levels` contains the same word twice")
        return self

    def _fitting_format(self, number: bool) -> None:
        words = [pair_of_words(form) for form in self.formats]
        fits = self.type in ("date", "timestamp") and not any(words)
        if self.format == ACCOUNTING or self.type == "boolean":
            fits = number or all(words)
        if self.format and not fits:
            raise ValueError(
                f"`format` is only for dates and timestamps (and `{ACCOUNTING}` for numbers, `J/N` for booleans)"
            )
        if len(set().union(*words)) != sum(map(len, words)):
            raise ValueError("`format` contains the same word twice")
        short = any("%y" in form for form in self.formats)
        if self.years_from is not None and not (short and 1 <= self.years_from <= 9900):
            raise ValueError("`years_from` is a year from 1 to 9900, and only for a `format` with two digits (`%y`)")
        if short and self.years_from is None and (self.category or "").startswith(BORN):
            raise ValueError(
                "two digits do not say in which century somebody was born: write the first year that they can mean, "
                "`years_from: 1925`"
            )

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type of the parsed value."""
        match = _DECIMAL.fullmatch(self.type)
        return pa.decimal128(int(match[1]), int(match[2])) if match else _PLAIN[self.type]

    @property
    def formats(self) -> tuple[str, ...]:
        """All declared formats, in order."""
        return (self.format,) if isinstance(self.format, str) else tuple(self.format)

    def paths(self, name: str) -> tuple[str, ...]:
        """All names this column may have in the source, in order of preference."""
        given = (self.path,) if isinstance(self.path, str) else tuple(self.path)
        return given or (name,)

    @property
    def declared_category(self) -> str | None:
        """The category, with the default of key columns applied."""
        return self.category or ("user.unique_id" if self.key else None)


def pair_of_words(form: str) -> tuple[str, ...]:
    """The words for true and false, in lower case, if `form` is such a pair (`J/N`), else nothing."""
    words = tuple(word.strip().lower() for word in form.split("/"))
    return words if len(words) == 2 and all(words) and len(set(words)) == 2 and "%" not in form else ()


def is_timezone(name: str) -> bool:
    """Whether this machine knows a time zone of that name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def require_timezone(name: str | None) -> str | None:
    """`name`, where this machine knows such a time zone.

    Raises:
        ValueError: it does not.
    """
    if name is not None and not is_timezone(name):
        raise ValueError(
            "write a time zone such as `Europe/Berlin` that this machine knows (or run `pip install tzdata`)"
        )
    return name


_OF_SOME = re.compile(r"\(\?<[^=!]|(?<!\\)(?:\\\\)*\\C")
"""A named group as Java writes it, which not every RE2 knows, and half a character, which only RE2 knows."""


def is_re2(pattern: str) -> bool:
    """Whether the engines can read `pattern`."""
    import pyarrow.compute as pc

    if _OF_SOME.search(pattern):
        return False
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid:
        return False
    return True
