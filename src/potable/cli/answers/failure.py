"""What every command prints with `-o json` in place of a result where it fails."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from potable.errors import Place


class OneError(TypedDict):
    """One thing that is wrong."""

    code: str
    """Stable code, explained in [errors.md](errors.md)."""
    problem: str
    """What is wrong, in one sentence."""
    meaning: str
    """What the code says in general."""
    exit_code: int
    """With which a command ends for this error alone."""
    retryable: bool
    """Whether the same command may succeed later without a change."""
    place: NotRequired[Place]
    """Where in a project file the declaration stands that it concerns."""
    given: NotRequired[str]
    """What was found."""
    allowed: NotRequired[str]
    """What would have been right."""
    hint: NotRequired[str]
    """What is probably meant, or what usually helps."""
    state: NotRequired[str]
    """What became of the data."""
    next: NotRequired[str]
    """The command to run next."""


class Error(TypedDict):
    """What went wrong; of several errors told together, `code` is that of the first."""

    code: str
    """Stable code, explained in [errors.md](errors.md)."""
    problem: str
    """What is wrong, in one sentence; of several errors, how many there are."""
    meaning: str
    """What the code says in general."""
    exit_code: int
    """With which the command ends."""
    retryable: bool
    """Whether the same command may succeed later without a change."""
    text: str
    """All of it as text, as it stands on stderr."""
    errors: list[OneError]
    """Each error by itself; one at least."""
    place: NotRequired[Place]
    """As in `errors`, where there is one only; and so the keys below."""
    given: NotRequired[str]
    """What was found."""
    allowed: NotRequired[str]
    """What would have been right."""
    hint: NotRequired[str]
    """What is probably meant, or what usually helps."""
    state: NotRequired[str]
    """What became of the data."""
    next: NotRequired[str]
    """The command to run next."""


class Failure(TypedDict):
    """What is printed in place of a result."""

    error: Error
    """What went wrong."""
    exit_code: int
    """With which the command ends."""
