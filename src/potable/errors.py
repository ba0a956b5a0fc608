"""The one error form of Potable.

PotableError                exit 70  our bug, when raised by nothing below
├── ProjectError            exit 2   project files are wrong, or the command was called in a wrong way; nothing ran
│   └── ProjectErrors                several of them, collected and raised once
├── DataError               exit 1   data broke a check of its contract
│   ├── DataErrors                   several of them, found together
│   └── Outgrown                     a number is greater than an engine calculates exactly
├── EnvironmentFailure      exit 3   a system, network, disk or setting failed; a re-run resumes
│   ├── MissingExtra                 an optional dependency is not installed
│   ├── Damaged                      a file of the lake or the vault is not as it was written
│   └── Interrupted         exit 130 somebody wanted a run to end before its time
└── PrivacyRefusal          exit 4   a privacy or leak gate refused

An error is data: what is wrong, where, what was given and allowed, what state the data is in, what to
run next and a stable code that has a page in the docs. The text is composed here and nowhere else.
Values of protected columns never enter an error.
"""

from __future__ import annotations

import difflib
import errno
import os
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

DOCS = "docs/reference/errors.md"

CODES: dict[str, str] = {
    "P001": "The project folder, or a file of it, was not found.",
    "P002": "A project file is not valid YAML, or repeats a key.",
    "P003": "A project file has a key that is not known at this place.",
    "P004": "A project file lacks a required key.",
    "P005": "A value has the wrong type or form.",
    "P006": "A reference such as ${env:NAME} cannot be resolved.",
    "P007": "A project file contains what looks like a credential; write a reference instead.",
    "P010": "A column has no privacy category.",
    "P011": "A privacy category is unknown, or privacy.yaml has no rule for it.",
    "P012": "privacy.yaml does not allow a category to reach an output column (or the open part of the lake) in "
    "this way.",
    "P020": "A check is unknown, or its arguments are wrong.",
    "P021": "A test refers to something that does not exist, or gives a value of the wrong type.",
    "P030": "The text of a feature is not valid.",
    "P031": "A name does not exist in the project: source, table, column, dataset, version or batch.",
    "P032": "A feature or label contradicts the point-in-time rules.",
    "P040": "Declarations contradict each other.",
    "P050": "A command was called in a wrong way: an option or argument is unknown, missing or of the wrong form.",
    "D001": "A table fails a check that stops the run.",
    "D002": "A source lacks a column that its contract declares, or has changed in another way that its contract "
    "refuses.",
    "D003": "Rows in do not equal rows out plus rows quarantined (and deleted).",
    "D004": "Records have the same times, so their order is undefined; declare an order column.",
    "D005": "The result breaks a rule that always holds (one row per subject, exact numbers, reproducible steps).",
    "D006": "No subject is eligible for a row of the dataset.",
    "D007": "A landed object, or a file of a source, cannot be parsed.",
    "D008": "The health of a table is worse than its contract allows.",
    "D009": "The label, or a feature, differs more between groups of people than features.yaml allows.",
    "D010": "A column of the new version has drifted farther from the version it is compared with than "
    "features.yaml allows.",
    "D011": "A file of subject ids cannot be parsed, or none of its ids belongs to a known person.",
    "D020": "A test of a contract or of features failed.",
    "E001": "A source cannot be reached, or refused the request.",
    "E002": "A file that is needed is missing, or a file that would be written exists.",
    "E003": "A secret store cannot be reached, or refused the request.",
    "E004": "The disk or object store refused to read or write.",
    "E005": "Another run changed the lake at the same time.",
    "E006": "An optional dependency is not installed.",
    "E007": "A setting of the machine, the engine or the project cannot be used.",
    "E008": "The command needs the result of an earlier step, which has not run yet.",
    "E009": "A stream has already deleted messages that were not read yet.",
    "E010": "A run was interrupted, or killed, before its end.",
    "E011": "A file of the lake or the vault is damaged, or is missing though others count on it.",
    "G001": "Known identifiers were found in the finished dataset, or in a column that would be kept unchanged.",
    "G002": "The dataset does not reach the required k-anonymity.",
    "G003": "A feature changed when data after the as-of date was removed or scrambled: it leaks from the future.",
    "G004": "Free text could not be redacted safely.",
    "G005": "privacy.yaml does not allow people to be identified, or not for this purpose, or not so many.",
    "G006": "The record of who was told who people are was changed.",
    "X001": "Something unexpected failed inside Potable; this is a bug.",
}


@dataclass(frozen=True)
class Place:
    """Where in a project file something stands; line and column count from 1."""

    file: str
    """Its path, below the project folder."""
    line: int = 0
    """Line, from 1; 0 where it is about the file."""
    column: int = 0
    """Column, from 1; 0 where it is about the file."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(eq=False)
class PotableError(Exception):
    """One thing that is wrong, in the form every command prints.

    Attributes:
        problem: subject and what is wrong, one sentence.
        code: stable code, a key of `CODES`.
        place: file, line and column of the declaration it concerns.
        given: what was found (never a protected value).
        allowed: what would have been right.
        hint: "did you mean", or what usually helps.
        state: what became of the data.
        next: the command to run next.
        retryable: whether the same run may succeed later without a change.
    """

    problem: str
    code: str = "X001"
    place: Place | None = None
    given: str = ""
    allowed: str = ""
    hint: str = ""
    state: str = ""
    next: str = ""
    retryable: bool = False

    exit_code: ClassVar[int] = 70

    def __str__(self) -> str:
        return self.text()

    def text(self) -> str:
        """The error as lines of plain text."""
        where = f"{self.place}: " if self.place else ""
        lines = [f"error[{self.code}] {where}{self.problem}"]
        parts = {
            "given": self.given,
            "allowed": self.allowed,
            "hint": self.hint,
            "state": self.state,
            "next": self.next,
        }
        lines += [f"  {name + ':':<8} {value}" for name, value in parts.items() if value]
        # a name from data may hold what a terminal obeys, or lines of its own
        return "\n".join(map(plain, [*lines, f"  {'docs:':<8} {DOCS}#{self.code.lower()}"]))

    def record(self) -> dict[str, object]:
        """The error as JSON-ready data, for `-o json` and run records."""
        data = {key: value for key, value in asdict(self).items() if value not in ("", None)}
        return data | {"meaning": CODES[self.code], "exit_code": self.exit_code}

    def told(self) -> dict[str, object]:
        """What went wrong, as `-o json` and run records tell it: in one form for one error and for several."""
        all_of_them = self.errors if isinstance(self, Several) else (self,)
        first = {"problem": self.problem, "retryable": self.retryable, "meaning": CODES[self.code]}
        return {**first, **self.record(), "text": self.text(), "errors": [error.record() for error in all_of_them]}


class ProjectError(PotableError):
    """A project file is wrong; nothing ran."""

    exit_code = 2


class Several(PotableError):
    """Errors that are told together."""

    errors: tuple[PotableError, ...]

    def text(self) -> str:
        """All errors, one after the other."""
        return "\n\n".join(error.text() for error in self.errors)

    def record(self) -> dict[str, object]:
        """All errors as JSON-ready data."""
        shared = {"code": self.code, "state": self.state, "exit_code": self.exit_code}
        return {"errors": [error.record() for error in self.errors]} | {key: one for key, one in shared.items() if one}


class ProjectErrors(Several, ProjectError):
    """All that is wrong in the project files, found in one go."""

    def __init__(self, errors: Sequence[PotableError]) -> None:
        self.errors = tuple(sorted(errors, key=_reading_order))
        super().__init__(f"{len(self.errors)} errors in the project files", self.errors[0].code)


class DataError(PotableError):
    """Data broke a check."""

    exit_code = 1


class DataErrors(Several, DataError):
    """All that data broke of one kind, found in one go."""

    def __init__(self, errors: Iterable[DataError]) -> None:
        self.errors = tuple(
            one for error in errors for one in (error.errors if isinstance(error, Several) else [error])
        )
        first = self.errors[0]
        super().__init__(f"{len(self.errors)} errors in the data", first.code, state=first.state)


class Outgrown(DataError):
    """A number is greater than engines calculate exactly."""

    def __init__(self) -> None:
        super().__init__(
            "a number is too large for exact arithmetic",
            "D005",
            allowed="products and sums below 2^63 of their smallest unit; sums of squares below 38 digits",
            hint="add a check that quarantines impossible values, or divide first: `x / 1000`",
        )


class EnvironmentFailure(PotableError):
    """Something outside the project failed; what was finished is kept and a re-run resumes."""

    exit_code = 3


class MissingExtra(EnvironmentFailure):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"the package `{package}` is not installed",
            "E006",
            next=f"pip install 'potable[{extra}]'",
        )


class Damaged(EnvironmentFailure):
    """A file of the lake or the vault is not as it was written."""

    def __init__(self, path: str) -> None:
        """Args:
        path: of the file, below its root: zones, names of tables and hashes.
        """
        zone, *names = path.split("/")
        step = "/".join(["validated" if zone == "quarantine" else zone, *names[:2]])
        # the ledger counts on what `resolve` wrote
        remade = zone in MADE_AGAIN and len(names) > 2 and names[1] != "log" and names[0] != "subjects"
        hint = "restore it from a copy (in a bucket: an earlier version of the object); it cannot be made again"
        if remade:
            hint = f"remove the folder `{step}`: the next run makes it again, from what it was made from"
            if zone == "datasets":
                hint += ", if that is still the same; else restore it from a copy"
        elif zone == "runs":
            hint = "restore it from a copy, or remove it: it only tells of an earlier run"
        super().__init__(
            f"`{path}` is damaged or missing",
            "E011",
            hint=hint,
            state="nothing was committed; the last version stays current",
            next="potable run" if remade else "potable doctor",
        )


MADE_AGAIN = ("validated", "quarantine", "protected", "features", "datasets", "vault", "known")
"""Zones of what steps made."""


class Interrupted(EnvironmentFailure):
    """Somebody wanted a run to end before its time."""

    exit_code = 130

    def __init__(self, sign: str) -> None:
        super().__init__(
            f"the run was interrupted by {sign}", "E010", state="finished steps are kept", next="potable run"
        )


class PrivacyRefusal(PotableError):
    """A privacy or leak gate refused; nothing was published."""

    exit_code = 4


_MACHINE = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EMFILE,
    errno.ENFILE,
    errno.ESTALE,
    errno.ENOMEM,
)


def machine_says(failure: BaseException) -> str:
    """What the system refused, in its own words and without any name; empty if it was something else."""
    if isinstance(failure, MemoryError):
        return os.strerror(errno.ENOMEM).lower()
    text, number = str(failure).casefold(), getattr(failure, "errno", None)
    said = {each: os.strerror(each).casefold() for each in _MACHINE}
    return (said.get(number, "") if number else "") or next((words for words in said.values() if words in text), "")


def unexpected(failure: BaseException) -> PotableError:
    """What nobody foresaw: where it happened, without the message, which might quote data.

    It is our bug, unless the machine had no room, no right or no memory for it.
    """
    where = traceback.extract_tb(failure.__traceback__)
    own = [frame for frame in where if f"{os.sep}potable{os.sep}" in frame.filename] or where
    place = f"{Path(own[-1].filename).name}:{own[-1].lineno} in {own[-1].name}"
    if isinstance(failure, OSError | MemoryError) and (said := machine_says(failure)):
        return EnvironmentFailure(
            f"the machine refused: {said} (at {place})",
            "E007" if isinstance(failure, MemoryError) else "E004",
            hint="`df -h` and `potable doctor` show free space and rights of scratch folder, lake and vault",
            state="nothing of this step was kept; the last version stays current",
            next="potable doctor",
            retryable=True,
        )
    return PotableError(
        f"unexpected {type(failure).__name__} at {place}",
        hint="set POTABLE_TRACEBACK=1 to see the traceback (it may show data)",
        state="the last version stays current",
        next="potable run",
    )


def plain(text: object) -> str:
    """`text` on one line, with control characters (a terminal obeys them) made visible."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in str(text))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion such as "did you mean `gross`?", or an empty string."""
    names = {name.casefold(): name for name in sorted(known, reverse=True)}
    close = difflib.get_close_matches(word.casefold(), sorted(names), n=1, cutoff=0.6)
    return f"did you mean `{names[close[0]]}`?" if close else ""


def raise_all(errors: Sequence[PotableError]) -> None:
    """Raise what was collected: nothing, the one error, or all of them at once."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        if all(isinstance(error, EnvironmentFailure) for error in errors):
            # what is away is away for all that is asked of it
            raise errors[0]
        broken = [error for error in errors if isinstance(error, DataError)]
        raise DataErrors(broken) if len(broken) == len(errors) else ProjectErrors(errors)


def _reading_order(error: PotableError) -> tuple[str, int, int]:
    place = error.place or Place("")
    return place.file, place.line, place.column
